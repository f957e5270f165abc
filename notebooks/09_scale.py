# %% [markdown]
# # From a city to a country: what it costs  从一市到全国：需要多少算力
#
# What a million pixels cost is measured here and now, stage by stage, on one core of this machine; what a province and the
# country cost on a cluster follows by playing its scheduler with these costs. 先在本机单核实测每百万像元各步耗时，
# 再以实测耗时模拟集群调度，推算省级与全国所需时间。
#
# **SIMULATED 模拟数据**: random pixels. Left out, since no measurement here can tell: download, JPEG2000, and reprojection of
# scenes, which come on top. 未计下载、JPEG2000 解码与重投影。

# %%
import heapq
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rasterio.io import MemoryFile
from rasterio.transform import from_origin
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from sinkest.features import composite
from sinkest.learn.applicability import AreaOfApplicability
from sinkest.learn.fast import fast

SIDE, DATES, BANDS, FEATURES = 256, 36, 10, 24
rng = np.random.default_rng(1)
million = SIDE * SIDE / 1e6


def seconds(work) -> float:
    """CPU time for a million pixels, the best of three after a first call that compiles."""
    work()
    found = []
    for _ in range(3):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found) / million


# %% [markdown]
# ## One million pixels on one core  单核百万像元耗时
#
# 36 dates of ten bands, deflate with predictor; forests of 100 trees of depth 16; area of applicability of 1,000 training
# points.

# %%
smooth = 2000 + np.add.outer(np.arange(SIDE), np.arange(SIDE)) + rng.normal(0, 20, (BANDS, SIDE, SIDE))
profile = {
    "driver": "GTiff",
    "dtype": "uint16",
    "count": BANDS,
    "width": SIDE,
    "height": SIDE,
    "tiled": True,
    "transform": from_origin(0, 0, 10, 10),
}
memory = MemoryFile()
with memory.open(**profile, blockxsize=SIDE, blockysize=SIDE, compress="deflate", predictor=2) as target:
    target.write(smooth.astype(np.uint16))


def decode():
    with memory.open() as source:
        return source.read()


stack = rng.normal(0.2, 0.05, (DATES, SIDE, SIDE)).astype(np.float32)
stack[rng.random(stack.shape) < 0.46] = np.nan
X = rng.normal(size=(4000, FEATURES)).astype(np.float32)
rows = rng.normal(size=(SIDE * SIDE, FEATURES)).astype(np.float32)
shape = {"n_estimators": 100, "max_depth": 16, "min_samples_leaf": 3, "random_state": 0}
cover = fast(RandomForestClassifier(**shape).fit(X, np.digitize(X[:, 0] + X[:, 1], (-2, -1, 0, 1, 2))))
stock = fast(RandomForestRegressor(**shape).fit(X, 80 + 30 * X[:, 0] + 10 * rng.normal(size=len(X))))
area = AreaOfApplicability.fit(X[:1000], np.exp(-np.arange(FEATURES) / 5), np.arange(1000) % 5)

cost = pd.Series(
    {
        "decode 解码": DATES * seconds(decode),
        "median 中值合成": BANDS * seconds(lambda: composite.median(stack)),
        "land cover 地类": seconds(lambda: cover.predict(rows)),
        "stock and its sd 蓄积及标准差": seconds(lambda: stock.moments(rows)),
        "applicability 适用区": seconds(lambda: area.inside(rows)),
    },
    name="seconds for a million pixels",
)
print(cost.round(2).to_string())
print(f"all: {cost.sum():.1f} s")

# %% [markdown]
# ## A cluster  集群
#
# Blocks of 512 x 512 pixels; costs scatter by a third, one worker in two hundred is lost on the way and its block is done
# again; the scheduler hands out a block in a millisecond. 数据块耗时离散约三分之一，并考虑节点丢失与调度开销。

# %%
BLOCK_MPX, HANDING_S, LOST = 512 * 512 / 1e6, 1e-3, 1 / 200
AREAS_KM2 = {
    "city 市 (11,248 km2)": 11_248,
    "province 省 (212,000 km2)": 212_000,
    "country 全国 (9.6 million km2)": 9.6e6,
}
CORES = (2, 16, 64, 256, 1024)


def hours(area_km2: float, cores: int, a_block_s: float) -> float:
    """Hours until the last block of an area at 10 m is done.

    Beyond 40 blocks a core, only so many are played and the rest is added in proportion.
    """
    blocks = int(np.ceil(area_km2 * 1e4 / 1e6 / BLOCK_MPX))
    played = min(blocks, 40 * cores)
    draw = np.random.default_rng([blocks, cores])
    took = a_block_s * np.exp(draw.normal(-0.05, 0.32, played)) * (1 + (draw.random(played) < LOST))
    free = [0.0] * cores
    handed = last = 0.0
    for one in took:
        start = max(heapq.heappop(free), handed)
        handed = start + HANDING_S
        heapq.heappush(free, start + one)
        last = max(last, start + one)
    return last * blocks / played / 3600


a_block_s = cost.sum() * BLOCK_MPX
table = pd.DataFrame({name: {n: hours(size, n, a_block_s) for n in CORES} for name, size in AREAS_KM2.items()})
print("hours 小时 (rows: cores 核数)")
print(table.round(2).to_string())

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
left.barh([name.encode("ascii", "ignore").decode().strip() for name in cost.index], cost, color="#4c9f70")
left.invert_yaxis()
left.set_xlabel("CPU seconds for a million pixels")
for name in table:
    right.plot(table.index, table[name], marker="o", label=name.split()[0])
right.set(xscale="log", yscale="log", xlabel="cores", ylabel="hours")
right.legend(frameon=False)
figure.suptitle("SIMULATED pixels and scheduler, costs measured on this machine")
plt.show()
