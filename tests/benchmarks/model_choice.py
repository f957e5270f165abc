"""How the shipped model recipes were chosen: candidates compared on real data, in the same held-out folds.

``python -m tests.benchmarks.model_choice oregon|biomass|land_cover|crops|gedi|simulated|speed`` prints one table each.
Real data are read from ``$SINKEST_TEST_DATA`` (default ``../shared/data``).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.learn import recipes
from sinkest.learn.recipes import Recipe
from sinkest.learn.scores import ClassificationScores, regression_scores
from sinkest.learn.validate import cross_validate, environment_folds, group_folds, random_folds

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SINKEST_TEST_DATA", ROOT.parent / "shared" / "data"))
SEED = 0

Folds = NDArray[np.int64]


def recipe(estimator: str, kind: str = "regression", features: Iterable[str] | None = None, weights: str = "none") -> Recipe:
    """A recipe from the text of its estimator's tables."""
    names = '"all"' if features is None else str(list(features)).replace("'", '"')
    text = (
        f'version = 1\nname = "candidate"\nkind = "{kind}"\nfeatures = {names}\nweights = "{weights}"\n'
        f'[response]\nname = "y"\n[estimator]\n{estimator}'
    )
    return recipes.parse(text, Path("candidate"))


def simple(path: str, **parameters: Any) -> str:
    """The tables of one estimator of scikit-learn."""
    lines = "".join(f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n" for name, value in parameters.items())
    return f'class = "sklearn.{path}"\n[estimator.parameters]\n{lines}'.replace("'", '"')


def scaled(path: str, **parameters: Any) -> str:
    """The tables of an estimator that wants standardised features."""
    inner = ", ".join(f"{name} = {value!r}" for name, value in parameters.items()).replace("'", '"')
    return (
        'class = "sklearn.pipeline.Pipeline"\n[estimator.parameters]\nsteps = [["scale", '
        '{ class = "sklearn.preprocessing.StandardScaler" }], '
        f'["model", {{ class = "sklearn.{path}", parameters = {{ {inner} }} }}]]\n'
    )


# -- Oregon ------------------------------------------------------------------------------------------------------------


def oregon() -> tuple[pd.DataFrame, NDArray[np.float64], pd.DataFrame]:
    """Predictors, total tree cover in percent, and cover by species, of 3,005 plots in south-west Oregon."""
    folder = DATA / "inventory" / "sknnr"
    predictors = pd.read_csv(folder / "swo_ecoplot_env.csv").set_index("FCID")
    species = pd.read_csv(folder / "swo_ecoplot_spp.csv").set_index("FCID").loc[predictors.index]
    return predictors, species.sum(axis=1).to_numpy(), species


def oregon_folds(X: NDArray[np.float32]) -> dict[str, Folds]:
    """The folds of the table in the model's README."""
    return {
        "10 random folds": random_folds(len(X), 10, 0),
        "10 environments, seed 0": environment_folds(X, 10, 0),
        "10 environments, seed 1": environment_folds(X, 10, 1),
        "5 environments": environment_folds(X, 5, 0),
    }


def nearest_neighbours(X: NDArray[np.float32], y: NDArray[np.float64], species: pd.DataFrame, folds: Folds) -> Any:
    """Held-out predictions of gradient nearest neighbours (k = 5) on the species' cover."""
    from sknnr import GNNRegressor

    prediction = np.empty(len(y))
    for one in np.unique(folds):
        test = folds == one
        known = species[~test].loc[:, species[~test].sum() > 0]
        model = GNNRegressor(n_neighbors=5).fit(X[~test], y[~test], y_fit=known)
        prediction[test] = model.predict(X[test])
    return regression_scores(y, prediction)


def compare_oregon() -> None:
    """Tree cover in Oregon."""
    predictors, y, species = oregon()
    X = predictors.to_numpy(dtype=np.float32)
    folds = oregon_folds(X)
    trees = "ensemble.ExtraTreesRegressor"
    ours = recipes.load(ROOT / "models" / "tree_cover_oregon")
    candidates: dict[str, Callable[[Folds], Any]] = {
        "GNN, k = 5 (sknnr)": lambda fold: nearest_neighbours(X, y, species, fold),
        "random forest": _scored(recipe(simple("ensemble.RandomForestRegressor")), X, y),
        "extremely randomised trees": _scored(recipe(simple(trees)), X, y),
        "the same, leaf 3": _scored(recipe(simple(trees, max_features=1.0, min_samples_leaf=3)), X, y),
        "stock (shipped)": _scored(recipes.load(ROOT / "models" / "stock"), X, y),
        "gradient boosting": _scored(
            recipe(simple("ensemble.HistGradientBoostingRegressor", max_iter=150, learning_rate=0.05)), X, y
        ),
        "ridge": _scored(recipe(scaled("linear_model.RidgeCV")), X, y),
        "nearest neighbours, k = 20": _scored(
            recipe(scaled("neighbors.KNeighborsRegressor", n_neighbors=20, weights="distance")), X, y
        ),
        "tree_cover_oregon (shipped)": _scored(ours.bound(list(predictors)), X, y),
    }
    _print_r2(candidates, folds)


def _scored(candidate: Recipe, X: NDArray[np.float32], y: NDArray[Any]) -> Callable[[Folds], Any]:
    return lambda fold: cross_validate(candidate, X, y, fold, seed=SEED).scores


def _print_r2(candidates: Mapping[str, Callable[[Folds], Any]], folds: Mapping[str, Folds]) -> None:
    print("| R2 (RMSE) | " + " | ".join(folds) + " | s a fold |")
    print("|---|" + "---|" * (len(folds) + 1))
    for name, scored in candidates.items():
        start = time.process_time()
        scores = [scored(fold) for fold in folds.values()]
        seconds = (time.process_time() - start) / sum(len(np.unique(fold)) for fold in folds.values())
        cells = [f"{score.r2:.3f} ({score.rmse:.1f})" for score in scores]
        print(f"| {name} | " + " | ".join(cells) + f" | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    compare_oregon()
