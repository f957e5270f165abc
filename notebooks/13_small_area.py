# %% [markdown]
# # Counties: small areas  分县估计：小区域
#
# A city's plots are enough for the city, seldom for each county. Small-area estimators differ in whom they trust: the
# model of the whole city, or the county's own few plots. 全市样地足够，分县往往不足；各方法的差别在于信模型还是信本县样地。
#
# **Formulas 公式.** With $\hat\beta$ fitted on all plots, and $\bar Z_d$ the county's map mean:
#
# $$\text{synthetic 合成}:\ \bar Z_d^{\top}\hat\beta\qquad
# \text{small-area 小区域}:\ \bar Z_d^{\top}\hat\beta+\bar R_d\qquad
# \text{EBLUP}:\ \bar Z_d^{\top}\hat\beta+\hat\gamma_d\bar R_d,\quad
# \hat\gamma_d=\frac{\hat\sigma_v^2}{\hat\sigma_v^2+\hat\sigma_e^2/n_d}$$
#
# Sources 出处: Mandallaz 2013, *Can. J. For. Res.* 43:441; Battese, Harter & Fuller 1988, *J. Am. Stat. Assoc.* 83:28; Fay
# & Herriot 1979, 74:269; Rao & Molina 2015.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sinkest.aoi import build_grid, read_zones
from sinkest.estimate import smallarea
from sinkest.estimate.domains import county_totals
from sinkest.shipped import shipped
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import population

zones = read_zones(shipped("aoi/zhuzhou.geojson"))
city = population(Landscape(20250101), zones, build_grid(zones, 800), (2025,), workers=1)
rng = np.random.default_rng(1)
stock = city.volume_m3_ha[2025].astype(float)
seen = (stock > 0) ^ (rng.random(len(stock)) < 0.06)
predicted = np.where(seen, np.clip(28 + 0.6 * stock + rng.normal(0, 18, len(stock)), 0, None), 0.0)
county = np.array(city.zone_ids)[city.zone]
frame = pd.DataFrame({"county": county, "stock": stock, "map": predicted})
known = frame.groupby("county")[["stock", "map"]].mean()
size = frame.groupby("county").size()

# %% [markdown]
# ## 400 plots in nine counties  九县共 400 块样地（SIMULATED 模拟数据）

# %%
rows = rng.choice(len(stock), 400, replace=False)
y, x, where = stock[rows], pd.DataFrame({"map": predicted[rows]}), county[rows]
everywhere = np.ones(400, dtype=bool)
means = known[["map"]]
own = pd.Series(y).groupby(where).agg(["mean", "var", "size"])
tables = {
    "own plots 仅本县样地": pd.DataFrame({"estimate": own["mean"], "se": np.sqrt(own["var"] / own["size"])}),
    "synthetic 合成": smallarea.synthetic(y, x, everywhere, where, means),
    "extended 扩展合成": smallarea.extended_pseudo_synthetic(y, x, everywhere, where, means),
    "EBLUP": smallarea.eblup_unit(y, x, where, means, size).table,
    "adds up 合计一致": county_totals(y, x, where, means, size)
    .table[["mean", "mean_se"]]
    .set_axis(["estimate", "se"], axis=1),
}
estimates = pd.DataFrame({name: table["estimate"] for name, table in tables.items()}).reindex(known.index)
errors = pd.DataFrame({name: table["se"] for name, table in tables.items()}).reindex(known.index)
print("estimates, m3/ha 估计值")
print(estimates.assign(truth=known["stock"], plots=own["size"]).round(1).to_string())
print("standard errors 标准误")
print(errors.round(1).to_string())

# %%
figure, axes = plt.subplots(figsize=(9, 3.6))
place = np.arange(len(known))
for k, name in enumerate(estimates):
    axes.errorbar(place + 0.12 * (k - 2), estimates[name], 1.96 * errors[name], fmt="o", ms=3, label=name.split(" ")[0])
axes.plot(place, known["stock"], "k_", ms=22, label="truth")
axes.set_xticks(place, known.index)
axes.set_ylabel("growing stock, m3/ha of land")
axes.legend(ncols=3, fontsize=8, loc="upper left")
axes.set_title("Counties by five estimators  SIMULATED")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()

# %% [markdown]
# ## Counties must add up  各县之和须等于全市
# `benchmark` moves the domains to the city's own estimate, shows both figures, and books the move as error; `abstain`
# withholds what the sample cannot carry, with the reason. 平差前后两个数都给出；样本撑不起的数不给。

# %%
city_total = county_totals(y, x, where, means, size).city
adjusted = smallarea.benchmark(
    tables["EBLUP"]["estimate"], tables["EBLUP"]["mse"], city_total.estimate, size.astype(float)
)
print(adjusted[["estimate", "benchmarked", "se_benchmarked"]].round(2).to_string())
print(smallarea.abstain(tables["extended 扩展合成"].rename(columns={"n2": "n"})).to_string())

# %% [markdown]
# **When 何时用.** Ten or more plots in the county: `extended_pseudo_synthetic`, `pseudo_small`, `modified_greg`, whatever the
# model is worth. Fewer: `eblup_unit`, or `fay_herriot` where only direct estimates are at hand. The yearly table:
# `county_totals`, which adds up. 县内样地不少于十块用前三者；更少用 EBLUP 或 Fay-Herriot；年度报表用 `county_totals`。
#
# **What it costs to be wrong 用错的代价.** A synthetic estimate looks precise because its variance does not know how far
# the county strays from the city's model: in the sampling experiment its 95 % intervals miss the truth far more often
# than one time in twenty, the more plots the city has. EBLUP errors hold on average over counties, not in each.
# 合成估计看似精密，实则方差不含本县对模型的偏离，区间远不足 95 %；EBLUP 的误差只在各县平均意义上成立。
