# %% [markdown]
# # Planning next year's plots  规划下一年的样地
#
# A verdict that says "cannot tell" also says what would settle it. Here: how many plots that is, what the map saves, when
# more plots do not help at all, and how the points of a reference sample are best shared out. SIMULATED 模拟数据.
#
# “不能判断”的结论同时说明怎样才能判断：需要多少样地、地图省下多少、何时再多也无济于事、判读样点如何分配。

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import sinkest
from sinkest.cli import main
from sinkest.estimate import design

folder = Path(os.environ.get("SINKEST_RUN", "sinkest-demo/runs/virtual-zhuzhou-2025"))
if not folder.is_dir():
    main(["demo"])
run = sinkest.open_run(folder)

# %% [markdown]
# ## What the open verdicts ask for  未决结论需要什么

# %%
asked = run.targets[run.targets["verdict"] == "cannot_tell"]
print(
    asked[["target_id", "target_value", "estimate", "se", "settling_se", "n", "n_more", "n_kind"]].to_string(
        index=False
    )
)

# %% [markdown]
# ## From a standard error to a number of plots  由标准误到样地数
# The standard error falls with the square root of the number of plots. Halving it takes four times as many, and a target
# that lies within the noise of any affordable sample stays open: then it is the wording of the target that has to change.
# 标准误减半需要四倍样地；目标若落在可承受的误差之内，应修改目标的表述。

# %%
stock = run.estimate("growing_stock")
have, se = run.data.n_plots, stock["se"]
for plots in (have, 2 * have, 4 * have, 10 * have):
    print(f"{plots:7,} plots: +- {1.96 * se * np.sqrt(have / plots) / 1e6:.2f} million m3")

# %% [markdown]
# ## What the map is worth in plots  地图相当于多少样地

# %%
efficiency = run.data.relative_efficiency or 1.0
print(
    f"relative efficiency {efficiency:.2f}: {have:,} plots with the map do the work of {have * efficiency:,.0f} without"
)
table = pd.DataFrame(
    {
        f"+- {width:.0%}": {
            "without a map 无图": design.plots_for_mean(0.75, width),
            "with this map 有图": design.plots_for_mean(0.75, width, relative_efficiency=efficiency),
        }
        for width in (0.10, 0.05, 0.03)
    }
)
print(table.to_string())

# %% [markdown]
# ## Change: the same plots again  变化：复测同一批样地
# For the sink the same plots count, measured twice. New plots in the second year would need many times as many.

# %%
change = run.estimate("stock_change")
rate = change["value"] / stock["value"]
print(f"yearly change {change['value'] / 1e3:,.0f} thousand m3 ({rate:.1%}), standard error {change['se'] / 1e3:,.0f}")
apart = np.sqrt(2) * se / 5
print(f"from two independent samples of that size, five years apart, it would be {apart / 1e3:,.0f}")

# %%
figure, axes = plt.subplots(figsize=(8, 3.6))
plots = np.geomspace(have / 4, have * 64, 60)
axes.plot(plots, 1.96 * se * np.sqrt(have / plots) / 1e6, color="#2b6b4a", label="half-width of the interval")
for row in asked.dropna(subset=["settling_se"]).to_dict("records"):
    if row["quantity"] == "growing_stock":
        axes.axhline(
            1.96 * row["settling_se"] / 1e6, ls="--", lw=1, color="#a8480a", label=f"settles {row['target_id']}"
        )
axes.axvline(have, color="black", lw=0.8)
axes.set_xscale("log")
axes.set_xlabel("plots  SIMULATED")
axes.set_ylabel("million m3")
axes.legend(frameon=False, fontsize=8)
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()

# %% [markdown]
# `sinkest sample config.toml plots --spacing 3000` and `sinkest sample config.toml reference --se 1` draw them, with the
# columns to be filled in. 用上述命令抽取样地与判读样点。
