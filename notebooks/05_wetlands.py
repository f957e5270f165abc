# %% [markdown]
# # Wetlands and methane  湿地与甲烷
#
# Wetlands bury carbon and emit methane. A figure for burial alone is half an account: over 100 years a tonne of methane
# warms as much as about 28 tonnes of CO2. Both stand in columns of their own, and so does their sum. SIMULATED 模拟数据.
#
# 湿地既埋藏碳也排放甲烷；只报碳埋藏是半本账。两者与合计分列。

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt

import sinkest
from sinkest.account.conversion import load_coefficients
from sinkest.account.wetland import gwp
from sinkest.cli import main

folder = Path(os.environ.get("SINKEST_RUN", "sinkest-demo/runs/virtual-zhuzhou-2025"))
if not folder.is_dir():
    main(["demo"])
run = sinkest.open_run(folder)

# %% [markdown]
# ## Areas: a site list and a map  面积：名录与制图
# Sites of the list count as listed. What the map shows beyond them has no kind, so no burial is booked for it.
# 名录内湿地按名录计；图上名录以外的水面类型不明，不计碳埋藏。

# %%
table = run.table("wetland").query("zone == 'all'")
city = table.groupby("kind")[["sites", "area_ha", "burial_t_co2_yr", "methane_t_yr", "net_t_co2e_yr"]].sum(min_count=1)
print(city.round(1).to_string())

# %% [markdown]
# ## The balance  收支
# Positive is taken up. 正值为吸收。

# %%
names = ("wetland_burial", "wetland_methane", "wetland_methane_co2e", "wetland_flooding", "wetland_net")
for quantity in (name for name in names if (run.estimates["quantity"] == name).any()):
    found = run.estimate(quantity)
    mark = " PROVISIONAL 暂定" if found["provisional"] else ""
    print(f"{quantity:22} {found['value']:12,.0f} [{found['low']:,.0f}, {found['high']:,.0f}] {found['unit']}{mark}")
coefficients = load_coefficients()
potential = {name: gwp(coefficients, name).value for name in ("AR4", "AR5", "AR6")}
methane = run.estimate("wetland_methane")["value"]
for name, factor in potential.items():
    print(f"{name}: {factor:g} t CO2e a tonne -> {-methane * factor / 1e3:,.1f} thousand t CO2e/yr")

# %% [markdown]
# ## How much of it is choice  有多少取决于假设
# Climate zone, trophic state and warming potential are choices of the analyst. Each is carried through.
# 气候区、营养状态与增温潜势都是选择，逐一列出。

# %%
cases = run.table("wetland_sensitivity").set_index("case")
print(cases[["burial_t_co2_yr", "methane_t_co2e_yr", "flooding_t_co2_yr", "net_t_co2e_yr"]].round(0).to_string())
print(
    "after methane and flooding the wetlands are a net source in",
    int((cases["net_t_co2e_yr"] < 0).sum()),
    "of",
    len(cases),
    "cases",
)

# %%
figure, axes = plt.subplots(figsize=(8, 4))
(cases["net_t_co2e_yr"] / 1e3).plot.barh(ax=axes, color="#1f6f86")
axes.axvline(0, color="black", lw=0.8)
axes.set_xlabel("net, thousand t CO2e/yr; negative = source  SIMULATED")
axes.set_ylabel("")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()
