# %% [markdown]
# # Uncertainty of a mapped total  制图总量的不确定性
#
# A total added up from a map has three sources of error: the model's coefficients, what it leaves unexplained (and
# neighbours err alike), and a first phase known on a sample only. 制图总量的误差来自模型系数、邻近像元相关的残差、一相抽样。
#
# **Formula 公式** (Ståhl et al. 2016, *For. Ecosyst.* 3:5):
#
# $$\mathrm{Var}(\hat T)=d^{\top}\widehat{\mathrm{Cov}}(\hat\beta)\,d+\sum_{i,j}\sigma_i\sigma_j\rho(h_{ij})+V_{\text{first phase}},
# \qquad d=\partial \hat T/\partial\beta$$

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeRegressor

from sinkest.aoi import build_grid, read_zones
from sinkest.estimate import uncertainty
from sinkest.shipped import shipped
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import population

zones = read_zones(shipped("aoi/zhuzhou.geojson"))
city = population(Landscape(20250101), zones, build_grid(zones, 1200), (2025,), workers=1)
stock = city.volume_m3_ha[2025].astype(float)
rng = np.random.default_rng(1)
bands = np.column_stack([np.sqrt(stock) + rng.normal(0, 2.5, len(stock)) for _ in range(4)])

# %% [markdown]
# ## Residuals of plots the model has seen  模型“见过”的样地残差（SIMULATED 模拟数据）
# A regression tree follows its plots. Held-out residuals (cross-fitting) tell how it does elsewhere.
# 回归树会贴合训练样地；交叉拟合的留出残差才反映真实误差。

# %%
truth, hits = stock.mean(), {"own residuals": 0, "held-out residuals": 0}
tree = DecisionTreeRegressor(min_samples_leaf=2, random_state=0)
for _ in range(60):
    rows = rng.choice(len(stock), 200, replace=False)
    folds = uncertainty.assign_folds(200, 5, rng)
    one = uncertainty.cross_fitted_mean(tree, bands[rows], stock[rows], folds, bands, population_size=len(stock))
    low, high = one.interval()
    hits["held-out residuals"] += low <= truth <= high
    hits["own residuals"] += abs(one.estimate - truth) <= 1.96 * one.variance_in_sample**0.5
print("intervals of 60 samples that hold the truth:")
print(pd.Series(hits).div(0.6).round(1).astype(str).add(" %").to_string())

# %% [markdown]
# ## Neighbours err alike  邻近误差相关
# A model that is linear in the squared mean of the bands; the variogram of its residuals; the total's variance by source.
# Structure that chance puts into a variogram is kept, so the residual part errs on the large side.
# 变异函数中偶然出现的结构予以保留，残差部分因而偏大、偏安全。

# %%
places = np.column_stack([city.x, city.y])
rows = rng.choice(len(stock), 600, replace=False)
signal = bands.mean(axis=1) ** 2
fit = uncertainty.fit_coefficients(stock[rows], signal[rows])
variogram = uncertainty.fit_variogram(fit.residual, places[rows], max_distance_m=40_000)
empirical = uncertainty.empirical_variogram(fit.residual, places[rows], max_distance_m=40_000)
hectares = city.area_ha
gradient = np.array([hectares.sum(), hectares @ signal])
sd = np.full(city.grid.shape, np.nan)
sd[city.row, city.column] = np.sqrt(variogram.sill) * hectares
residual = uncertainty.correlated_variance(sd, variogram, cell_m=1200.0)
alone = float((variogram.sill * hectares**2).sum())
total = uncertainty.mapped_total(
    float(gradient @ fit.beta), gradient, fit.covariance, residual_variance=residual, n=600, df=598.0
)
print(total)
print(f"truth {float(stock @ hectares):.4g} m3")
print(total.shares.round(3).to_string())
print(f"residual part: {residual**0.5:.3g} m3 with the correlation, {alone**0.5:.3g} m3 if pixels were independent")

# %%
figure, axes = plt.subplots(figsize=(8, 3.2))
axes.plot(empirical["distance_m"] / 1000, empirical["semivariance"], "o", label="residuals")
h = np.linspace(1, 40_000, 200)
axes.plot(h / 1000, variogram.semivariance(h), label=f"{variogram.shape}, range {variogram.range_m / 1000:.1f} km")
axes.set_ylim(0)
axes.set_xlabel("distance, km")
axes.set_ylabel("semivariance, (m3/ha)²")
axes.legend(loc="lower right")
axes.set_title("Variogram of the residuals  SIMULATED")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()

# %% [markdown]
# ## Everything fitted anew  全部重拟合：自助法
# The bootstrap resamples clusters of plots and refits; it shows what the choice of plots does to the map.

# %%
found = uncertainty.bootstrap_mapped_total(tree, bands[rows], stock[rows], bands, hectares, 40, rng)
print(found)

# %% [markdown]
# ## Through a computation, with shares  误差传播与贡献率
# Carbon is stock times a conversion; the shares say what to measure next. 碳储量等于蓄积量乘转换系数，贡献率指出下一步该测什么。

# %%
carbon = uncertainty.delta_method(
    lambda stock, conversion: stock * conversion,
    {"stock": 30.5, "conversion": 0.38},
    {"stock": 1.4, "conversion": 0.03},
)
print(carbon, carbon.shares.round(2).to_dict())

# %% [markdown]
# **When 何时用.** Plots within the area: a design-based figure with cross-fitted residuals (`cross_fitted_mean`). No plots
# there, a model from elsewhere: `mapped_total`, `hybrid_mean`. A model without coefficients: `cluster_bootstrap`.
# 区内有样地用交叉拟合；模型来自外地用混合推断；无系数的模型用自助法。
#
# **What it costs to be wrong 用错的代价.** Own residuals: the interval holds the truth about half of the time. Pixels taken as
# independent: an error that shrinks to nothing with ever finer pixels. The model's error left out of a hybrid estimate:
# intervals little more than half as wide as they must be. 用自身残差，区间一半不含真值；把像元视为独立，像元越细误差越“小”，均属虚假精度。
