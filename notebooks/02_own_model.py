# %% [markdown]
# # Bring your own model  使用自己的模型
#
# A model is a recipe: a text that names an estimator by its import path. Your own estimator may live anywhere that Python
# finds; nothing of the package is touched. Here a new scikit-learn estimator is written, put into a recipe, and compared
# with the shipped recipes in the same held-out blocks. SIMULATED 模拟数据.
#
# 模型就是一份配方：写明估计器的导入路径。此处新写一个 scikit-learn 估计器，以同样的空间分块交叉验证与自带配方比较。

# %%
import os
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

import sinkest
from sinkest.cli import main
from sinkest.learn import recipes
from sinkest.learn.scores import regression_scores
from sinkest.learn.validate import block_folds, cross_validate, random_folds
from sinkest.shipped import shipped

folder = Path(os.environ.get("SINKEST_RUN", "sinkest-demo/runs/virtual-zhuzhou-2025"))
if not folder.is_dir():
    main(["demo"])
run = sinkest.open_run(folder)

# %% [markdown]
# ## The plots and what the satellite saw of them  样地与影像特征
# The composite that the run kept, read at the plots that stand in arbor forest.

# %%
points = run.plots.to_crs(run.composite.rio.crs)
points = points[points["volume_m3_ha"] > 0]
where = {name: xr.DataArray(getattr(points.geometry, name).to_numpy(), dims="plot") for name in ("x", "y")}
seen = run.composite.sel(where, method="nearest")
bands = [name for name in run.composite if run.composite[name].attrs.get("units") == "1"]
X = np.column_stack([seen[name].to_numpy() for name in bands]).astype(np.float32)
known = np.isfinite(X).all(axis=1)
X, points = X[known], points[known]
y = points["volume_m3_ha"].to_numpy()
print(f"{len(y)} plots in arbor forest, {len(bands)} layers: {', '.join(bands[:6])} ...")

# %% [markdown]
# ## A new estimator  新的估计器
# Nearest neighbours whose distances count a band by how strongly it follows the volume. Thirty lines, the scikit-learn way:
# settings in `__init__`, what is learned in `fit`, with a trailing underscore. 按与蓄积量的相关加权的最近邻。

# %%
source = '''
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted, validate_data


class WeightedNeighbours(RegressorMixin, BaseEstimator):
    """Mean of the k nearest plots; a feature weighs as much as it correlates with the response."""

    def __init__(self, k=7):
        self.k = k

    def fit(self, X, y):
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self.scale_ = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
        centred = (X - X.mean(axis=0)) / self.scale_
        self.weight_ = np.abs(centred.T @ (y - y.mean())) / (len(y) * max(y.std(), 1e-12))
        self.index_ = NearestNeighbors(n_neighbors=min(self.k, len(y))).fit(X / self.scale_ * self.weight_)
        self.y_ = y
        return self

    def predict(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        near = self.index_.kneighbors(X / self.scale_ * self.weight_, return_distance=False)
        return self.y_[near].mean(axis=1)
'''
place = Path(tempfile.mkdtemp())
(place / "my_neighbours.py").write_text(source, encoding="utf-8")
sys.path.insert(0, str(place))

# %% [markdown]
# ## Its recipe, and the shipped ones beside it  配方与自带配方
# A class that is not of scikit-learn or sinkest has to be allowed by name: a recipe is text from anywhere and may not run any
# code. 非 scikit-learn 或 sinkest 的类须按名显式允许。

# %%
recipe = """version = 1
name = "weighted_neighbours"
kind = "regression"
title = { zh = "加权最近邻", en = "weighted neighbours" }
features = "all"

[response]
name = "volume_m3_ha"
unit = "m3/ha"
minimum = 0.0

[estimator]
class = "my_neighbours.WeightedNeighbours"

[estimator.parameters]
k = 9
"""
(place / "model.toml").write_text(recipe, encoding="utf-8")
ridge = recipe.replace("my_neighbours.WeightedNeighbours", "sklearn.linear_model.Ridge").replace("k = 9", "alpha = 1.0")
candidates = {
    "shipped stock model 自带": recipes.load(shipped("models/stock/model.toml").parent),
    "ridge 岭回归": recipes.parse(ridge, Path("ridge")),
    "weighted neighbours 新估计器": recipes.load(place, classes=["my_neighbours.WeightedNeighbours"]),
}

# %% [markdown]
# ## Spatial against random  空间分块与随机划分
# A random fold leaves a plot's neighbours in the training data. Blocks do not, and their figures are the ones to rely on.
# 随机划分会把邻近样地留在训练集中；应以空间分块为准。

# %%
folds = {
    "blocks 分块": block_folds(points.geometry.x, points.geometry.y, 10_000.0, 5, 0),
    "random 随机": random_folds(len(y), 5, 0),
}
rows = []
for name, candidate in candidates.items():
    for scheme, fold in folds.items():
        held = cross_validate(candidate, X, y, fold, seed=0)
        scores = regression_scores(y, held.prediction)
        rows.append({"model": name, "folds": scheme, "R2": scores.r2, "RMSE": scores.rmse, "bias": scores.bias})
table = pd.DataFrame(rows).set_index(["model", "folds"])
print(table.round(3).to_string())

# %%
figure, axes = plt.subplots(figsize=(8, 3.2))
shown = table["R2"].unstack().rename(index=lambda name: name.rsplit(" ", 1)[0], columns=lambda name: name.split(" ")[0])
shown.plot.barh(ax=axes, color=["#2b6b4a", "#c3cec7"])
axes.set_xlabel("R2, held out  SIMULATED")
axes.set_ylabel("")
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()

# %% [markdown]
# In a run, a folder of your project with such a `model.toml` is named as `stock.model`, and the class under `[models]`:
#
# ```toml
# [stock]
# model = "models/weighted_neighbours"
#
# [models]
# allow = ["my_neighbours.WeightedNeighbours"]   # found on PYTHONPATH or installed
# ```
#
# What is allowed stands in the run's record with the SHA-256 of its file; a changed file trains anew. A recipe that names
# anything else is refused, and so is a saved model that holds it. `sinkest compare` holds two runs with different recipes
# against each other.
# 在配置中以 `stock.model` 指明配方文件夹，并在 `[models] allow` 中写明自写的类（须在 PYTHONPATH 中或已安装）；所允许的类及其文件的
# SHA-256 记入运行记录，文件改动则重新训练。其余类一律拒绝。
