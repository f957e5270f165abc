# %% [markdown]
# # Change: the same plots twice  变化量：同一样地两次实测
#
# What a plot keeps from one date to the next cancels in the difference, so remeasured plots tell a change several times
# better than two samples. 复测样地中不变的部分在差值里抵消，精度远高于两次独立抽样。
#
# **Formula 公式.** $\hat\Delta=\frac1n\sum_i(y_{2i}-y_{1i})$ and
#
# $$\mathrm{Var}(\hat\Delta)=\mathrm{Var}(\hat Y_1)+\mathrm{Var}(\hat Y_2)-2\,\mathrm{Cov}(\hat Y_1,\hat Y_2)$$
#
# Independent samples have no covariance; replaced plots a part of it (sampling with partial replacement: Ware & Cunia
# 1962, *Forest Sci. Monogr.* 3). 独立样本协方差为零；部分更换样地时保留一部分。

# %%
import matplotlib.pyplot as plt
import numpy as np

from sinkest.aoi import build_grid, read_zones
from sinkest.estimate import change, total
from sinkest.shipped import shipped
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import population

zones = read_zones(shipped("aoi/zhuzhou.geojson"))
city = population(Landscape(20250101), zones, build_grid(zones, 800), (2020, 2025), workers=1)
before, after = (city.volume_m3_ha[year].astype(float) for year in (2020, 2025))
truth = (after - before).mean()
rng = np.random.default_rng(8)

# %% [markdown]
# ## 300 plots, three ways  300 块样地的三种用法（SIMULATED 模拟数据）

# %%
rows, others = rng.choice(len(before), 300, replace=False), rng.choice(len(before), 300, replace=False)
place = np.arange(450)
mixed = np.concatenate([rows, others[:150]])
first = np.where(place < 300, before[mixed], np.nan)
second = np.where((place < 150) | (place >= 300), after[mixed], np.nan)
found = {
    "paired 全部复测": change.paired(before[rows], after[rows], years=5),
    "half replaced 更换一半": change.partial_overlap(first, second, years=5),
    "independent 独立样本": change.independent(
        total.horvitz_thompson(before[others]), total.horvitz_thompson(after[rows]), years=5
    ),
}
print(f"truth {truth:+.2f} m3/ha of land in five years")
for name, one in found.items():
    low, high = one.interval()
    print(f"{name}: {one.estimate:+.2f}, se {one.se:.2f}, 95 % [{low:+.2f}, {high:+.2f}]")

# %% [markdown]
# ## What happened where  变化的组成
# The rows add up to the total; a change of definition would show as gain and loss of forest, which is why both dates must
# stand on one definition. 各行相加等于总变化；两期定义不同会伪装成森林增减。

# %%
print(change.components(before[rows], after[rows], before[rows] > 0, after[rows] > 0).round(2).to_string())

# %% [markdown]
# ## A few plots carry the change  少数样地决定变化量
# Most plots show nothing or a little growth; a few lost their stand. The variance rests on those few, so it is itself
# uncertain: the degrees of freedom are $2n/(\hat\kappa-1)$ with $\hat\kappa$ the kurtosis of the differences, far less
# than $n-1$. 多数样地变化微小，少数被采伐；方差由这几块样地决定，自由度远小于 $n-1$。

# %%
difference = after - before
drawn = rng.choice(len(difference), (2000, 300))
estimates = difference[drawn].mean(axis=1)
held = {"normal": 0, "t, df from the tails": 0}
for sample in drawn[:800]:
    one = change.paired(before[sample], after[sample])
    low, high = one.interval()
    held["normal"] += abs(one.estimate - truth) <= 1.96 * one.se
    held["t, df from the tails"] += low <= truth <= high
print("degrees of freedom of the sample above:", round(found["paired 全部复测"].df, 1))
print({name: f"{count / 8:.1f} %" for name, count in held.items()}, "of 800 samples hold the truth")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
left.hist(difference[rows], bins=60, color="tab:green")
left.set_yscale("log")
left.set_xlabel("change of a plot in five years, m3/ha")
left.set_title("300 plots  SIMULATED")
right.hist(estimates, bins=50)
right.axvline(truth, color="black", label="truth")
right.set_xlabel("estimated change, m3/ha")
right.legend(loc="upper left")
right.set_title("2,000 samples of 300 plots  SIMULATED")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()

# %% [markdown]
# **When 何时用.** `paired` whenever plots were remeasured (with `coordinates` and `design="systematic"` on a grid);
# `partial_overlap` where some were replaced; `independent` only where none is shared. 能复测就复测。
#
# **What it costs to be wrong 用错的代价.** Remeasured plots taken as independent: an error many times too large, and a
# sink that cannot be told from zero. Shared plots forgotten: the same. The normal quantile on data like these: misses
# nearly all on one side, by samples that met too few fellings and think the forest grew more than it did.
# 把复测样地当作独立样本，误差被夸大数倍，碳汇与零无法区分；用正态分位数则漏报几乎都偏向“增长过多”的一侧。
