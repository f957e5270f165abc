# %% [markdown]
# # A first run, and how to read it  第一次运行，以及如何阅读结果
#
# SIMULATED 模拟数据. `sinkest demo` runs the whole chain over the real county lines with simulated imagery and plots, in
# about a minute. Its folder is then opened from Python. Any finished run of your own opens in the same way.
#
# 用虚拟株洲运行全流程（约一分钟），再用 Python 打开运行文件夹；您自己的运行也以同样方式打开。

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt

import sinkest
from sinkest.cli import main

folder = Path(os.environ.get("SINKEST_RUN", "sinkest-demo/runs/virtual-zhuzhou-2025"))
if not folder.is_dir():
    main(["demo"])
run = sinkest.open_run(folder)
print(run)

# %% [markdown]
# ## The verdict first  先看结论
# A verdict is given where the interval allows one. "Cannot tell" is a verdict too, and says what would settle it.
# 区间足以支持时才下结论；“不能判断”也是结论，并说明怎样才能判断。

# %%
columns = ["target_id", "target_year", "target_value", "estimate", "low", "high", "probability", "verdict", "n_more"]
print(run.targets[columns].to_string(index=False))

# %% [markdown]
# ## One number, its interval and its method  一个数、它的区间与方法
# Areas come from reference points, growing stock from plots; a sum of pixels is data beside them, never the estimate.
# 面积来自参考样点，蓄积来自样地；像元合计只作对照。

# %%
rows = []
for quantity in ("forest_coverage", "growing_stock", "pixel_growing_stock", "carbon:total", "sink"):
    found = run.estimate(quantity)
    rows.append({name: found[name] for name in ("quantity", "value", "low", "high", "unit", "method", "status")})
    print("{quantity:22} {value:16,.2f}  [{low:,.2f}, {high:,.2f}] {unit:10} {method} ({status})".format(**rows[-1]))

# %% [markdown]
# ## Maps are Datasets with units and class names  专题图：带单位与类别名的 Dataset

# %%
print(run.maps)
cover = run.maps["land_cover"].attrs
print(dict(zip(cover["flag_values"], cover["flag_meanings"], strict=True)))
inside = run.maps["applicability"].to_numpy()
print(
    f"of the mapped stock, {(inside == 1).sum() / (inside > 0).sum():.0%} lies within the model's area of applicability"
)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 6))
run.plot("land_cover", left)
run.plot("stock", right)
figure.tight_layout()

# %% [markdown]
# ## Counties  分县
# The whole city's plots serve each county; where a county has too few of its own, the row says so.

# %%
run.plot_counties("forest_coverage")
print(run.counties[["name_zh", "forest_area_ha", "growing_stock_m3", "growing_stock_m3_low", "growing_stock_m3_high"]])

# %% [markdown]
# ## Observed against predicted  实测与预测
# The prediction of each plot comes from models that had not seen it. A map flattens: dense stands are mapped too low, poor
# ones too high. The estimate corrects for it, the map does not. 地图会把高值压低、低值抬高；估计值已校正，图面没有。

# %%
plots = run.plots
seen = plots.dropna(subset=["prediction"])
print(f"{len(seen)} plots; correlation {seen['volume_m3_ha'].corr(seen['prediction']):.2f}")
dense = seen[seen["volume_m3_ha"] > seen["volume_m3_ha"].quantile(0.9)]
print(f"densest tenth: observed {dense['volume_m3_ha'].mean():.0f}, predicted {dense['prediction'].mean():.0f} m3/ha")
figure.show() if plt.isinteractive() else figure.canvas.draw()
