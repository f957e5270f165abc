# %% [markdown]
# # Growing stock: plots carry the figure, the map assists  蓄积量：样地定数，地图辅助
#
# **Formulas 公式.** Plots alone, and by generalised regression on a map $x$ whose mean $\bar X$ is known:
#
# $$\hat{\bar Y}_{HT}=\frac1n\sum_i y_i,\qquad
# \hat{\bar Y}_{GREG}=\bar X^{\top}\hat\beta+\frac1n\sum_i(y_i-x_i^{\top}\hat\beta),\qquad
# \widehat{\mathrm{Var}}=\frac{s_e^2}{n}$$
#
# with $s_e^2$ the variance of the residuals. The relative efficiency $s_y^2/s_e^2$ says how many times the plots would be
# needed without the map. 相对效率表示不用地图时需要多少倍样地。
#
# Sources 出处: Cochran 1977; Särndal, Swensson & Wretman 1992, ch. 6; post-stratification with the forest inventory's
# variance: Bechtold & Patterson 2005, eq. 4.2.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sinkest.aoi import build_grid, read_zones
from sinkest.estimate import total
from sinkest.shipped import shipped
from sinkest.simulate.classes import FOREST
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import population, systematic_sample

# %% [markdown]
# ## Plots on a grid in the virtual city  虚拟株洲的系统样地（SIMULATED 模拟数据）
# The map sees forest with errors and its stock flattened towards the mean, as maps do. 地图把蓄积量压向平均值。

# %%
zones = read_zones(shipped("aoi/zhuzhou.geojson"))
city = population(Landscape(20250101), zones, build_grid(zones, 800), (2025,), workers=1)
rng = np.random.default_rng(1)
stock = city.volume_m3_ha[2025].astype(float)
forest = np.isin(city.land_cover[2025], FOREST)
seen = (stock > 0) ^ (rng.random(len(stock)) < 0.06)
predicted = np.where(seen, np.clip(28 + 0.6 * stock + rng.normal(0, 18, len(stock)), 0, None), 0.0)

plots = systematic_sample(city, 8, rng)
y, x = stock[plots], predicted[plots]
layout = {"coordinates": np.column_stack([city.x, city.y])[plots], "design": "systematic"}
shares = {True: seen.mean(), False: 1 - seen.mean()}
found = {
    "plots alone 仅样地": total.horvitz_thompson(y, **layout),
    "post-stratified 事后分层": total.post_stratified(y, seen[plots], shares, **layout),
    "difference 差分": total.difference(y, x, predicted.mean(), **layout),
    "GREG 广义回归": total.greg(y, x, [predicted.mean()], **layout),
}
table = pd.DataFrame(
    {
        name: {"m3_ha": one.estimate, "se": one.se, "se_as_random": one.variance_random**0.5, "df": one.df}
        for name, one in found.items()
    }
).T
print(f"truth {stock.mean():.2f} m3/ha of land, {len(plots)} plots")
print(table.round(2).to_string())
print(f"relative efficiency of the map: {found['GREG 广义回归'].relative_efficiency:.2f}")

# %%
figure, axes = plt.subplots(figsize=(8, 3))
labels = [name.split(" ")[0] for name in found]
half = [one.interval().high - one.estimate for one in found.values()]
axes.errorbar([one.estimate for one in found.values()], labels, xerr=half, fmt="o", capsize=4)
axes.axvline(stock.mean(), color="black", linewidth=1)
axes.set_xlabel("growing stock, m3/ha of land; 95 % intervals; line: truth")
axes.set_title("The same plots, four estimators  SIMULATED")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()

# %% [markdown]
# ## Per hectare of forest  每公顷森林
# A ratio of two means, both from the plots: $\hat R=\bar y/\bar x$, variance from $y-\hat R x$ (Cochran 1977, 6.13).

# %%
print(total.ratio_of_means(y, forest[plots].astype(float), **layout))
print(f"truth {stock.sum() / forest.sum():.2f}")

# %% [markdown]
# **When 何时用.** A map of continuous stock: `greg` (it also repairs a map that is off by a factor); a map to be taken at
# its word: `difference`; a map of classes: `post_stratified`; per hectare: `ratio_of_means`. Plots on a grid: give
# `coordinates` and `design="systematic"`, so that the trend a grid catches does not count as error.
# 连续蓄积量图用 `greg`；分类图用事后分层；系统样地须给出坐标。
#
# **What it costs to be wrong 用错的代价.** Predictions must come from models that have not seen the plot. Residuals of a
# random forest on its own plots are three times too small, and the interval holds the truth about half of the time
# ([uncertainty](08_uncertainty.py)). Leaving the map out is safe, and costs the relative efficiency in plots.
# 预测值必须出自未见过该样地的模型，否则区间严重偏窄；不用地图是安全的，只是要多花样地。
#
# Intervals use Student's t with degrees of freedom taken from the tails of the residuals: a few extreme plots make a
# variance that is itself uncertain. 区间采用 t 分布，自由度由残差的尾部厚度决定。
