# %% [markdown]
# # Areas: why pixels are not counted  面积：为什么不能数像元
#
# A map confuses classes, and its errors do not cancel. A reference sample drawn by strata of the map (any map) corrects
# it and says how well the area is known.
#
# 分类图有误判，且误差不会相互抵消。以分类图为层抽取参考样本，既可校正面积，也能给出其误差。
#
# **Formula 公式.** Strata $h$ with known shares $W_h$, and in each a share $\hat p_h$ of reference points of the class:
#
# $$\hat A = A\sum_h W_h \hat p_h,\qquad \widehat{\mathrm{Var}}(\hat A)=A^2\sum_h W_h^2\,\frac{\hat p_h(1-\hat p_h)}{n_h-1}$$
#
# Source 出处: Olofsson et al. 2013, *Remote Sens. Environ.* 129:122, eq. 9-11; 2014, 148:42. Strata that are not the classes
# of the map 层与图类不同时: Stehman 2014, *Int. J. Remote Sens.* 35:4923.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sinkest.aoi import build_grid, read_zones
from sinkest.estimate.area import regression_area, stratified_area, stratified_area_from_sample
from sinkest.estimate.domains import county_areas
from sinkest.shipped import shipped
from sinkest.simulate.classes import FOREST
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import PRIOR_STRATA, population, prior_map, stratified_sample

# %% [markdown]
# ## A published example  已发表的算例
# Three classes mapped over 1.76 million pixels and checked at 500 points: deforestation is mapped on 22,353 pixels but
# happened on about 45,112. 已发表的混淆矩阵：图上毁林 22 353 像元，校正后约 45 112 像元。

# %%
names = ["deforestation", "forest", "other"]
counts = pd.DataFrame([[97, 0, 3], [3, 279, 18], [2, 1, 97]], index=names, columns=names)
published = stratified_area(counts, {"deforestation": 22353, "forest": 1122543, "other": 610228})
print(published.table.round(3).to_string())

# %% [markdown]
# ## The virtual city, whose forest is known  真值已知的虚拟株洲（SIMULATED 模拟数据）
# Strata come from a map five years old with the errors such maps have. 分层取自五年前、含误判的旧图。

# %%
zones = read_zones(shipped("aoi/zhuzhou.geojson"))
city = population(Landscape(20250101), zones, build_grid(zones, 800), (2020, 2025), workers=1)
forest = np.isin(city.land_cover[2025], FOREST)
stratum = prior_map(city, 2020, 1)
size = dict(zip(PRIOR_STRATA, np.bincount(stratum).tolist(), strict=True))
mapped = np.array(PRIOR_STRATA)[stratum]
truth, counted = 100 * forest.mean(), 100 * (stratum == 0).mean()


def points(n: int, seed: int) -> np.ndarray:
    return stratified_sample(stratum, {0: n // 2, 1: n // 4, 2: n // 4}, np.random.default_rng(seed))[0]


rows = []
for n in (60, 300, 1500):
    drawn = points(n, n)
    found = stratified_area_from_sample(mapped[drawn], mapped[drawn] == "forest", forest[drawn], size).combined([True])
    low, high = found.interval()
    rows.append((n, *(100 * value / len(city.row) for value in (found.estimate, found.se, low, high)), found.df))
table = pd.DataFrame(rows, columns=["points", "coverage_percent", "se", "low", "high", "df"])
print(f"truth {truth:.2f} %, pixels counted {counted:.2f} %")
print(table.round(2).to_string(index=False))

# %%
figure, axes = plt.subplots(figsize=(8, 3.2))
axes.axhline(truth, color="black", label="truth")
axes.axhline(counted, color="tab:red", linestyle="--", label="pixels counted on the old map")
half = table["high"] - table["coverage_percent"]
axes.errorbar(
    table["points"].astype(str), table["coverage_percent"], half, fmt="o", capsize=4, label="stratified, 95 %"
)
axes.set_xlabel("reference points")
axes.set_ylabel("forest coverage, %")
axes.legend(loc="upper right")
axes.set_title("Forest coverage of the virtual city  SIMULATED")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()

# %% [markdown]
# ## Counties  分县
# The counties use the city's shares of each stratum and their own points, and add up to the city. Fewer than ten points:
# marked insufficient. 各县合计等于全市；参考点不足十个的县标注为“样本不足”。

# %%
drawn = points(1500, 7)
county = np.array(city.zone_ids)[city.zone]
by_county = pd.crosstab(county, mapped)
counties = county_areas(forest[drawn], mapped[drawn], county[drawn], by_county)
columns = ["estimate", "se", "low", "high", "n", "status"]
print(counties.table[columns].assign(truth=np.bincount(city.zone, forest)).round(0).to_string())
print("sum of counties", round(counties.table["estimate"].sum(), 6), "city", round(counties.city.estimate, 6))

# %% [markdown]
# A sample drawn without strata can use the map as an auxiliary instead: $\hat p = \bar y + b(\bar X-\bar x)$ (Cochran 1977,
# 7.1). 未分层抽取的样本可用回归估计。

# %%
simple = np.random.default_rng(3).choice(len(forest), 300, replace=False)
shown = (stratum == 0).astype(float)
print(regression_area(forest[simple].astype(float), shown[simple], shown.mean(), 100.0))

# %% [markdown]
# **When 何时用.** Strata fixed before drawing: `stratified_area`, `stratified_area_from_sample`. A sample drawn without
# regard to the map: `scheme="post_stratified"` or `regression_area`. Counties: `county_areas`. Few points or a rare class:
# `interval(t=True)`. 先分层后抽样用前者，事后分层或回归用后者；点少或类别稀少用 t 区间。
#
# **What it costs to be wrong 用错的代价.** Counting pixels has no error bar and a bias of the size of the map's confusion:
# on this map a coverage as wrong as 1,500 points leave it uncertain, for ever, however fine the pixels.
# 数像元既无误差，又带有与误判同量级的偏差，像元再细也不会消失。
