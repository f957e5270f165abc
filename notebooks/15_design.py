# %% [markdown]
# # Design: how many plots, and where  抽样设计：多少样地、放在哪里
#
# **Formulas 公式.** Plots for a wanted relative half-width $d$ at coefficient of variation $CV$, with a map of relative
# efficiency $RE$; and Neyman's allocation of $n$ points to strata:
#
# $$n=\left(\frac{z\,CV}{d}\right)^2\Big/RE,\qquad n_h=n\,\frac{W_hS_h}{\sum_k W_kS_k}$$
#
# Sources 出处: Cochran 1977, 4.6 and 5.5; power allocation: Bankier 1988, *Am. Stat.* 42:174.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sinkest.aoi import build_grid, read_zones
from sinkest.estimate import design
from sinkest.shipped import shipped
from sinkest.simulate.classes import FOREST
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import PRIOR_STRATA, population, prior_map

# %% [markdown]
# ## Plots for the growing stock  蓄积量需要多少样地
# With a coefficient of variation of 0.75 within forest and a precision of 90 %, and what a map saves.

# %%
table = pd.DataFrame(
    {
        f"efficiency {efficiency}": [
            design.plots_for_mean(0.75, width, relative_efficiency=efficiency) for width in (0.15, 0.10, 0.05)
        ]
        for efficiency in (1.0, 2.0, 4.0)
    },
    index=["within 15 %", "within 10 %", "within 5 %"],
)
print(table.to_string())
print(
    "plots to show a growth of 2.25 m3/ha on remeasured plots: se", round(design.se_to_detect(2.25, dates="paired"), 2)
)

# %% [markdown]
# ## Points for the coverage  覆盖率需要多少参考点（SIMULATED 模拟数据）
# Strata of an old map of the virtual city; how often each is forest is a guess from that map's accuracy.
# 层取自虚拟株洲的旧图，各层的森林比例按其精度估计。

# %%
zones = read_zones(shipped("aoi/zhuzhou.geojson"))
city = population(Landscape(20250101), zones, build_grid(zones, 800), (2020, 2025), workers=1)
stratum = prior_map(city, 2020, 1)
weight = dict(zip(PRIOR_STRATA, (np.bincount(stratum) / len(stratum)).tolist(), strict=True))
spread = {
    "forest": design.proportion_sd(0.9),
    "other_trees": design.proportion_sd(0.3),
    "non_forest": design.proportion_sd(0.05),
}
for rule in ("equal", "proportional", "neyman"):
    print(rule, design.allocate(1000, weight, spread, rule=rule, floor=50))
wanted = design.sample_size(0.01, weight, spread, rule="neyman", floor=50)
print("for a standard error of one point:", wanted)

# %% [markdown]
# The same seed draws the same points; every point knows its probability. 同一种子抽出同样的点，每个点带有入样概率。

# %%
codes = np.zeros(city.grid.shape, dtype=np.uint8)
codes[city.row, city.column] = stratum + 1
numbers = {PRIOR_STRATA.index(name) + 1: count for name, count in wanted.by_stratum.items()}
drawn = design.draw_stratified(codes, numbers, np.random.default_rng(5))
at = np.full(city.grid.shape, -1)
at[city.row, city.column] = np.arange(len(stratum))
hit = np.isin(city.land_cover[2025], FOREST)[at[drawn["row"], drawn["col"]]]
print(drawn.head(3).to_string())
estimate = 100 * float((drawn["weight"] * hit).sum() / drawn["weight"].sum())
print(f"coverage {estimate:.2f} %, truth {100 * np.isin(city.land_cover[2025], FOREST).mean():.2f} %")

# %% [markdown]
# ## How many more would settle a target?  还要多少点才能下结论？
# The coverage is estimated at 54.8 %, with a standard error of 1.0 from 900 points; the target is 54 %.

# %%
curve = design.settle_curve(54.8, 1.0, 900, 54.0)
print("points for a clear verdict with a chance of 80 %, if today's estimate is the truth:", design.n_to_settle(curve))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
left.imshow(np.where(codes > 0, codes, np.nan), cmap="YlGn_r", interpolation="nearest")
left.scatter(drawn["col"], drawn["row"], s=2, color="black")
left.set_axis_off()
left.set_title("Stratified points on the old map  SIMULATED")
right.plot(curve["n"], curve["settled_if_true"], label="if today's estimate is the truth")
right.plot(curve["n"], curve["settled"], label="seen from today")
right.set_xscale("log")
right.set_xlabel("points in all")
right.set_ylabel("chance of a clear verdict")
right.legend(loc="upper left")
right.set_title("54.8 % (se 1.0) against a target of 54 %")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()

# %% [markdown]
# **When 何时用.** Before the field season: `plots_for_mean`, `sample_size`, `allocate`; to draw: `draw_stratified`,
# `draw_systematic`; after a verdict that cannot be told: `settle_curve`. 外业前定样本量，抽点，再看还差多少。
#
# **What it costs to be wrong 用错的代价.** Neyman's rule with guessed spreads of zero leaves a stratum without points, and its
# area without an estimate: keep a floor. A target as near as half a standard error takes many times the plots; the curve
# says so before they are paid for. 层内方差误估为零会使该层无点可用，故须设下限；目标与估计过近时，曲线会提前告知代价。
