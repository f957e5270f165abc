# %% [markdown]
# # Two and three phases: many cheap units, few dear ones  两相与三相抽样：多量廉价样本，少量实测样地
#
# The large phase carries auxiliaries only (photo plots, lidar strips, a map sampled because it is too large to add up);
# the ground plots are a part of it. 大样本只有辅助变量，实测样地是其子样本。
#
# **Formula 公式** (Mandallaz 2013, *Can. J. For. Res.* 43:441):
#
# $$\hat Y=\bar Z_1^{\top}\hat\beta,\qquad
# \widehat{\mathrm{Var}}_g=\bar Z_1^{\top}\hat\Sigma_{\hat\beta}\bar Z_1+\hat\beta^{\top}\hat\Sigma_{\bar Z_1}\hat\beta,\qquad
# \widehat{\mathrm{Var}}_{ext}=\frac{s^2(\hat y)}{n_1}+\frac{s^2(\hat R)}{n_2}$$
#
# The g-weight variance knows that the model was fitted on the same plots; the external one pretends it was not, and is
# too small where coefficients are many and plots few. g 权方差考虑了模型由同一批样地拟合；外部方差没有。
#
# Three phases 三相: Mandallaz 2014, *Can. J. For. Res.* 44:383. Notation 记号: Hill, Massey & Mandallaz 2021, *J. Stat.
# Softw.* 97(4).

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sinkest.aoi import build_grid, read_zones
from sinkest.estimate.total import horvitz_thompson, three_phase, two_phase
from sinkest.shipped import shipped
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import population

zones = read_zones(shipped("aoi/zhuzhou.geojson"))
city = population(Landscape(20250101), zones, build_grid(zones, 800), (2025,), workers=1)
rng = np.random.default_rng(1)
stock = city.volume_m3_ha[2025].astype(float)
seen = ((stock > 0) ^ (rng.random(len(stock)) < 0.06)).astype(float)
height = np.where(seen > 0, np.sqrt(stock + 20) + rng.normal(0, 1.2, len(stock)), 0.0)
auxiliary = pd.DataFrame({"forest_map": seen, "canopy": height})

# %% [markdown]
# ## 150 ground plots in 3,000 units  3000 个一相单元中 150 个实测（SIMULATED 模拟数据）

# %%
rows = rng.choice(len(stock), 3000, replace=False)
place = np.arange(3000)
ground = place < 150
y = np.where(ground, stock[rows], np.nan)
z = auxiliary.iloc[rows].reset_index(drop=True)

plots = horvitz_thompson(stock[rows[:150]])
two = two_phase(y, z, ground)
exact = two_phase(y, z, ground, true_means=auxiliary.mean())
depth = np.where(ground, 3, np.where(place < 600, 2, 1))
full = z.assign(canopy=z["canopy"].where(depth >= 2))
three = three_phase(y, z[["forest_map"]], full, depth)
table = pd.DataFrame(
    [
        ("plots alone 仅样地", plots.estimate, plots.se, np.nan),
        ("two phases 两相", two.estimate, two.se, two.variance_external**0.5),
        ("two phases, exact means 均值已知", exact.estimate, exact.se, exact.variance_external**0.5),
        ("three phases 三相", three.estimate, three.se, three.variance_external**0.5),
    ],
    columns=["estimator", "m3_ha", "se_g", "se_external"],
)
print(f"truth {stock.mean():.2f} m3/ha")
print(table.round(2).to_string(index=False))

# %% [markdown]
# ## How large must the first phase be?  一相样本多大才够？
# Beyond some twenty units a plot little is gained: what is left is what the auxiliaries cannot explain.
# 一相与实测之比超过约二十后收益甚微。

# %%
ratios = np.array([1, 2, 4, 8, 16, 20])
errors = []
for ratio in ratios:
    part = place < 150 * ratio
    errors.append(two_phase(y[part], z[part], ground[part]).se)
figure, axes = plt.subplots(figsize=(8, 3))
axes.plot(ratios, errors, "o-", label="two phases, g-weights")
axes.axhline(plots.se, color="tab:red", linestyle="--", label="plots alone")
axes.axhline(exact.se, color="black", linewidth=1, label="auxiliary means known exactly")
axes.set_xlabel("first-phase units for each ground plot")
axes.set_ylabel("standard error, m3/ha")
axes.legend(loc="upper right")
axes.set_title("What the first phase brings  SIMULATED")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()

# %% [markdown]
# **When 何时用.** Auxiliaries that are known on a sample only: `two_phase`; known everywhere: `true_means` (exhaustive);
# some known on far more units than others: `three_phase`. Clusters of plots: `cluster`; plots cut by the forest's edge:
# `boundary_weights`. 辅助变量仅在样本上已知用两相，全覆盖已知时给出真均值，详略不同用三相。
#
# **What it costs to be wrong 用错的代价.** With 30 plots either variance claims a fifth too little when plots differ as much
# as these: take the map at its word and correct it (`difference`). Clusters taken for single plots claim a third too
# little at any size. 仅 30 块样地时两种方差都偏小约五分之一，宜改用差分估计；把群团样地当单块样地，标准误偏小约三成。
