# %% [markdown]
# # From volume to carbon  从蓄积量到碳
#
# Three steps: volume to biomass by forest type, biomass to carbon, carbon to CO2. Each rests on coefficients with a source
# and a status; the largest share of the uncertainty is often which set of them is used. SIMULATED 模拟数据.
#
# 三步：分类型由蓄积量换算生物量，再到碳、再到二氧化碳。最大的不确定性往往来自选用哪一套系数。

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sinkest
from sinkest.account.conversion import conversion, load_coefficients
from sinkest.account.forest import co2_t
from sinkest.cli import main
from sinkest.explain import explain

folder = Path(os.environ.get("SINKEST_RUN", "sinkest-demo/runs/virtual-zhuzhou-2025"))
if not folder.is_dir():
    main(["demo"])
run = sinkest.open_run(folder)

# %% [markdown]
# ## The line and its slope  直线与斜率
# Biomass of a stand is a line in its volume, $B = aV + b$ (t/ha). For a **stock** both count. For a **change** only the slope
# does: the intercept is there before and after. Dividing biomass by volume and multiplying a change with that ratio books
# the intercept as growth. 储量用整条直线，变化量只用斜率；以比值换算变化量会把截距当成增长。

# %%
coefficients = load_coefficients()
fir = conversion(coefficients, "LI2016", "fir", 80.0)
slope, intercept = fir.slope_t_m3, fir.intercept_t_ha
stock = slope * 80 + intercept
print(f"fir, 80 m3/ha: {slope} x 80 + {intercept} = {stock:.1f} t/ha")
print(f"it grows by 4 m3/ha: by the slope {4 * slope:.2f} t/ha, by the ratio {4 * stock / 80:.2f} t/ha")
print(f"carbon {stock * fir.carbon_fraction:.1f} t C/ha, CO2 {co2_t(stock * fir.carbon_fraction):.1f} t/ha (44/12)")

# %% [markdown]
# ## Sets of coefficients  系数集
# The same stands under each set that covers their type.

# %%
sets = run.table("conversion_sets")
wide = sets.pivot_table(index="type_id", columns="set_id", values="carbon_t_ha")
print(wide.round(1).to_string())

# %% [markdown]
# ## The run's own account, step by step  本次运行的核算
# `sinkest explain RUN carbon:arbor` prints this for any number of a run. 任何一个数都可以这样追溯。

# %%
for line in explain(folder, "carbon:arbor").lines("en")[:24]:
    print(line)

# %% [markdown]
# ## What the uncertainty is made of  不确定性来源

# %%
shares = run.table("shares")
carbon = shares[(shares["quantity"] == "carbon:arbor") & (shares["zone"] == "all")].set_index("source")["share"]
print((100 * carbon[carbon > 0]).round(1).to_string())
sink = run.estimate("sink")
detail = run.table("sink_detail").query("zone == 'all'")
by_slope, by_ratio = (detail[name].sum() / 1e3 for name in ("sink_t_co2_yr", "by_ratio_t_co2_yr"))
print(f"sink {sink['value'] / 1e3:,.0f} [{sink['low'] / 1e3:,.0f}, {sink['high'] / 1e3:,.0f}] thousand t CO2/yr")
print(f"terms by the slope {by_slope:,.0f}, by the ratio {by_ratio:,.0f}: the difference is intercept, not growth")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
volume = np.linspace(0, 200, 50)
for set_id, row in sets[sets["type_id"] == "fir"].drop_duplicates("set_id").set_index("set_id").iterrows():
    left.plot(volume, row["slope_t_m3"] * volume + row["intercept_t_ha"], label=set_id)
left.set_xlabel("volume, m3/ha")
left.set_ylabel("biomass, t/ha")
left.set_title("Chinese fir by set of coefficients", fontsize=10)
left.legend(frameon=False)
named = {name: name.removeprefix("account.source_").replace("_", " ") for name in carbon.index}
parts = carbon[carbon > 0].rename(named).sort_values()
right.barh(parts.index, parts, color="#2b6b4a")
right.set_title("Shares of the variance of carbon  SIMULATED", fontsize=10)
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()
