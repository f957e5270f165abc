# %% [markdown]
# # How honest are the intervals?  区间有多可信？
#
# An interval of 95 % is a promise: over many samples, 19 of 20 hold the truth. Nobody can check it on a real city. On the
# virtual one the truth is known, so samples are drawn again and again and the promise is counted. SIMULATED 模拟数据.
#
# 95% 区间是一个承诺：多次抽样中应有约 95% 包含真值。真实城市无法检验，虚拟城市可以反复抽样来检验。

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sinkest.aoi import build_grid, read_zones
from sinkest.estimate import total
from sinkest.shipped import shipped
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import population

zones = read_zones(shipped("aoi/zhuzhou.geojson"))
city = population(Landscape(20250101), zones, build_grid(zones, 1000), (2025,), workers=1)
stock = city.volume_m3_ha[2025].astype(float)
rng = np.random.default_rng(1)
seen = (stock > 0) ^ (rng.random(len(stock)) < 0.06)
mapped = np.where(seen, np.clip(28 + 0.6 * stock + rng.normal(0, 18, len(stock)), 0, None), 0.0)
truth = stock.mean()
print(f"{len(stock)} pixels, mean growing stock {truth:.2f} m3/ha; mean of the map {mapped.mean():.2f}")

# %% [markdown]
# ## Three ways to the same figure  三种估计
# The plots alone, the plots with the map, and the mean of the map with the spread of its pixels as if they were
# independent. The last is how many a precision in the literature came about. 把像元当作独立样本，会得到虚假的高精度。

# %%
ways = {name: [] for name in ("plots alone 仅样地", "plots and map 样地+地图", "pixel mean 像元均值")}
for _ in range(300):
    rows = rng.choice(len(stock), 300, replace=False)
    alone = total.horvitz_thompson(stock[rows])
    assisted = total.greg(stock[rows], pd.DataFrame({"map": mapped[rows]}), pd.Series({"map": mapped.mean()}))
    for name, found in zip(ways, (alone, assisted), strict=False):
        low, high = found.interval(0.95)
        ways[name].append((float(low), float(high)))
    half = 1.96 * mapped.std() / np.sqrt(len(mapped))
    ways["pixel mean 像元均值"].append((mapped.mean() - half, mapped.mean() + half))
table = pd.DataFrame(
    {
        name: {
            "hold the truth, %": 100 * np.mean([low <= truth <= high for low, high in ends]),
            "half-width, m3/ha": np.mean([(high - low) / 2 for low, high in ends]),
        }
        for name, ends in ways.items()
    }
).T
print(table.round(2).to_string())

# %% [markdown]
# The map narrows the interval and the promise is still kept; the mean of the pixels is sharp and wrong. The same count over
# the whole program, with residuals of models that had and had not seen the plots, is
# `python -m tests.benchmarks.intervals`. 全流程的检验见上述命令。

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharex=True)
for panel, (name, ends) in zip(axes, ways.items(), strict=True):
    for place, (low, high) in enumerate(ends[:60]):
        panel.plot((low, high), (place, place), color="#2b6b4a" if low <= truth <= high else "#b3261e", lw=1.2)
    panel.axvline(truth, color="black", lw=1)
    panel.set_title(name.rsplit(" ", 1)[0], fontsize=10)
    panel.set_yticks([])
axes[1].set_xlabel("mean growing stock, m3/ha  SIMULATED")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()
