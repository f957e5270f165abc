# %% [markdown]
# # The virtual city: how like the real one is it?  虚拟株洲：与真实情况有多接近？
#
# SIMULATED 模拟数据. The landscape behind `sinkest demo` is computed from a seed. Its totals are known exactly, so that a
# run can be held against the truth. This page shows what was calibrated: shares of land cover, growing stock per hectare
# and how unequal it is from stand to stand, with the published figures beside them.
#
# 演示所用的景观由随机种子计算得出，其真值完全已知，可用来检验一次运行。下面列出校准的内容及对应的公开数值。

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sinkest.aoi import build_grid, read_zones
from sinkest.shipped import shipped
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.truth import truth

zones = read_zones(shipped("aoi/zhuzhou.geojson"))
grid = build_grid(zones, 400)
city = Landscape(20250101)

# %% [markdown]
# ## Exact totals  真值
# One pixel shows what stands at its centre, so a grid is a systematic sample of one continuous landscape.

# %%
totals = truth(city, zones, grid, 2025)
wanted = ["forest_coverage", "growing_stock", "growing_stock_per_ha"]
print(totals.pivot(index="zone", columns="quantity", values="value")[wanted].round(1).to_string())

# %% [markdown]
# ## Stands  林分
# Volume of arbor stands: a mean of 65-77 m3/ha and a coefficient of variation of about 0.75 are what the province's
# plots show.

# %%
fields = city.fields(grid, 2025)
arbor = np.isin(fields["land_cover"], (1, 2, 3, 4))
volume = fields["volume_m3_ha"][arbor]
forest = np.isin(fields["land_cover"], range(1, 7))
table = pd.DataFrame(
    {
        "simulated": [volume.mean(), volume.std() / volume.mean(), arbor.sum() / forest.sum()],
        "published": ["65-77", "about 0.75", "0.74-0.88"],
    },
    index=["volume of arbor stands, m3/ha", "coefficient of variation", "arbor share of forest"],
)
print(table.to_string())

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 6))
left.imshow(np.where(arbor, fields["volume_m3_ha"], np.nan), vmin=0, vmax=200)
left.set_title("Growing stock, m3/ha  SIMULATED")
left.set_axis_off()
for code, name in {1: "fir", 2: "Masson pine", 3: "broadleaf", 4: "mixed"}.items():
    stands = fields["land_cover"] == code
    right.scatter(fields["age_years"][stands][::40], fields["volume_m3_ha"][stands][::40], s=3, label=name)
right.set_xlabel("age, years")
right.set_ylabel("volume, m3/ha")
right.legend()
right.set_title("Volume by age  SIMULATED")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()
