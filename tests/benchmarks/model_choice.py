"""How the shipped model recipes were chosen: candidates compared on real data, in the same held-out folds.

``python -m tests.benchmarks.model_choice oregon|biomass|gedi|land_cover|crops|speed`` prints one table each.
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
from sinkest.learn.validate import block_folds, cross_validate, environment_folds, group_folds, random_folds

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SINKEST_TEST_DATA", ROOT.parent / "shared" / "data"))
SEED = 0

Folds = NDArray[np.int64]


def recipe(
    estimator: str, kind: str = "regression", features: Iterable[str] | None = None, weights: str = "none"
) -> Recipe:
    """A recipe from the text of its estimator's tables."""
    names = '"all"' if features is None else str(list(features)).replace("'", '"')
    text = (
        f'version = 1\nname = "candidate"\nkind = "{kind}"\nfeatures = {names}\nweights = "{weights}"\n'
        f'[response]\nname = "y"\n[estimator]\n{estimator}'
    )
    return recipes.parse(text, Path("candidate"))


def simple(path: str, **parameters: Any) -> str:
    """The tables of one estimator of scikit-learn."""
    lines = "".join(
        f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
        for name, value in parameters.items()
    )
    return f'class = "sklearn.{path}"\n[estimator.parameters]\n{lines}'.replace("'", '"')


def scaled(path: str, **parameters: Any) -> str:
    """The tables of an estimator that wants standardised features."""
    inner = ", ".join(f"{name} = {value!r}" for name, value in parameters.items()).replace("'", '"')
    return (
        'class = "sklearn.pipeline.Pipeline"\n[estimator.parameters]\nsteps = [["scale", '
        '{ class = "sklearn.preprocessing.StandardScaler" }], '
        f'["model", {{ class = "sklearn.{path}", parameters = {{ {inner} }} }}]]\n'
    )


# -- Oregon ----------------------------------------------------------------------------------------------------------


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
    _print_scores(candidates, folds)


def _scored(candidate: Recipe, X: NDArray[np.float32], y: NDArray[Any]) -> Callable[[Folds], Any]:
    return lambda fold: cross_validate(candidate, X, y, fold, seed=SEED).scores


def _print_scores(candidates: Mapping[str, Callable[[Folds], Any]], folds: Mapping[str, Folds]) -> None:
    what = ""
    for name, scored in candidates.items():
        start = time.process_time()
        scores = [scored(fold) for fold in folds.values()]
        seconds = (time.process_time() - start) / sum(len(np.unique(fold)) for fold in folds.values())
        if not what:
            what = "overall accuracy (least F1)" if isinstance(scores[0], ClassificationScores) else "R2 (RMSE)"
            print(f"| {what} | " + " | ".join(folds) + " | CPU s a fold |\n|---|" + "---|" * (len(folds) + 1))
        print(f"| {name} | " + " | ".join(_cell(score) for score in scores) + f" | {seconds:.2f} |", flush=True)


def _cell(score: Any) -> str:
    if isinstance(score, ClassificationScores):
        return f"{score.overall:.3f} ({np.nanmin(score.f1):.3f})"
    return f"{score.r2:.3f} ({score.rmse:.1f})"


# -- biomass in Vermont, and GEDI in Texas -----------------------------------------------------------------------------


def biomass() -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Predictors, biomass per hectare in t, and coordinates in m, of 437 plots of a north-eastern forest."""
    table = pd.read_csv(DATA / "inventory" / "spBayes_BEF.csv")
    names = ["ELEV", "SLOPE", *(name for name in table if name.endswith(("TC1", "TC2", "TC3")))]
    table = table[table["ALLBIO02_KGH"] > 0]
    place = table[["XUTM", "YUTM"]].to_numpy(dtype=float)
    return table[names].to_numpy(dtype=np.float32), table["ALLBIO02_KGH"].to_numpy(float) / 1000.0, place


def gedi() -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Reflectances of ten HLS bands, above-ground biomass density of GEDI in t/ha, and coordinates in m."""
    import rasterio

    folder = DATA / "imagery" / "terratorch_hls_gedi"
    with (
        rasterio.open(folder / "hls_10band_texas_utm14.tif") as bands,
        rasterio.open(folder / "gedi_label.tif") as label,
    ):
        values, density = bands.read(), label.read(1)
    row, col = np.nonzero((density >= 0) & (values > -9999).all(axis=0))
    return (
        values[:, row, col].T.astype(np.float32),
        density[row, col].astype(float),
        np.column_stack([col, -row]) * 30.0,
    )


def compare_density(load: Callable[[], tuple[NDArray[Any], ...]], block_m: float) -> None:
    """Regressors on a small sample with a weak signal."""
    X, y, place = load()
    folds = {
        "5 random folds, seed 0": random_folds(len(y), 5, 0),
        "seed 1": random_folds(len(y), 5, 1),
        f"blocks of {block_m:g} m, seed 0": block_folds(*place.T, block_m, 5, 0),
        "blocks, seed 1": block_folds(*place.T, block_m, 5, 1),
    }
    print(f"{len(y)} observations, mean {y.mean():.1f}, SD {y.std():.1f}")
    _print_scores(_regressors(X, y), folds)


def _regressors(X: NDArray[np.float32], y: NDArray[Any]) -> dict[str, Callable[[Folds], Any]]:
    trees, boosting = "ensemble.ExtraTreesRegressor", "ensemble.HistGradientBoostingRegressor"
    found = {
        "ridge": recipe(scaled("linear_model.RidgeCV")),
        "nearest neighbours, k = 10": recipe(scaled("neighbors.KNeighborsRegressor", n_neighbors=10)),
        "support vectors": recipe(scaled("svm.SVR", C=float(y.std()), gamma=0.02)),
        "gradient boosting": recipe(simple(boosting, max_iter=150, learning_rate=0.05)),
        "random forest": recipe(simple("ensemble.RandomForestRegressor")),
        "random forest, a third, leaf 3": recipe(
            simple("ensemble.RandomForestRegressor", max_features=0.33, min_samples_leaf=3)
        ),
        "extremely randomised trees": recipe(simple(trees)),
        "the same, leaf 3": recipe(simple(trees, min_samples_leaf=3)),
        "the same, leaf 5": recipe(simple(trees, min_samples_leaf=5)),
        "the same, a third, leaf 3": recipe(simple(trees, max_features=0.33, min_samples_leaf=3)),
        "stock (shipped)": recipes.load(ROOT / "models" / "stock"),
    }
    return {name: _scored(one, X, y) for name, one in found.items()}


# -- land cover in the Amazon, crops in eastern Africa -----------------------------------------------------------------


def amazon() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Reflectances, class codes and polygon numbers of the labelled pixels of a Sentinel-2 image."""
    import geopandas as gpd
    import rasterio

    from sinkest.imagery.raster import grid_of
    from sinkest.learn.extract import extract

    folder = DATA / "imagery" / "RStoolbox_S2_L5"
    polygons = gpd.read_file(folder / "trainingPolygons_sen2.gpkg")
    names = sorted(polygons["class"].unique())
    with rasterio.open(folder / "sen2.tif") as image:
        found = extract(polygons, grid_of(folder / "sen2.tif"), lambda window: image.read(window=window))
    code = polygons["class"].map({name: i + 1 for i, name in enumerate(names)}).to_numpy()
    return found.X, code[found.record], found.record, names


def crops() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Two seasons of Sentinel-2, indices and rain, and whether it is cropland, in eastern Africa."""
    table = np.loadtxt(DATA / "accuracy" / "deafrica_cropmask" / "eastern_training_data.txt")
    table = table[np.isfinite(table).all(axis=1)]
    chosen = np.sort(np.random.default_rng(0).permutation(len(table))[:4000])
    return table[chosen, 1:].astype(np.float32), table[chosen, 0].astype(np.int64)


def compare_classes(which: str) -> None:
    """Classifiers."""
    if which == "land_cover":
        X, y, group, _ = amazon()
        folds = {f"by polygon, seed {seed}": group_folds(group, 5, seed) for seed in range(3)}
    else:
        X, y = crops()
        folds = {"5 random folds": random_folds(len(y), 5, 0), "10 environments": environment_folds(X, 10, 0)}
    trees = "ensemble.ExtraTreesClassifier"
    weighted = {"kind": "classification", "weights": "balanced"}
    found = {
        "logistic regression": recipe(scaled("linear_model.LogisticRegression", max_iter=1000), **weighted),
        "support vectors": recipe(scaled("svm.SVC", C=10.0), kind="classification"),
        "gradient boosting": recipe(simple("ensemble.HistGradientBoostingClassifier", max_iter=60), **weighted),
        "random forest": recipe(simple("ensemble.RandomForestClassifier"), **weighted),
        "extremely randomised trees": recipe(simple(trees), **weighted),
        "the same, 0.3, leaf 2": recipe(simple(trees, max_features=0.3, min_samples_leaf=2), **weighted),
        "linear discriminants": recipe('class = "sinkest.learn.linear.RowwiseDiscriminant"\n', **weighted),
        "land_cover (shipped)": recipes.load(ROOT / "models" / "land_cover"),
    }
    _print_scores({name: _scored(one, X, y) for name, one in found.items()}, folds)


# -- speed -------------------------------------------------------------------------------------------------------------


def measure_speed(pixels: int = 200_000, features: int = 60) -> None:
    """Pixels a second of the shipped models, on one core and whatever else the machine is doing."""
    from sinkest.learn.train import Observations, train

    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(10, features))

    def draw(n: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        hidden = rng.normal(size=(n, 10))
        return (hidden @ mixing + 0.5 * rng.normal(size=(n, features))).astype(np.float32), hidden

    def observed(n: int) -> Observations:
        X, hidden = draw(n)
        y = np.maximum(0, 70 + 25 * hidden[:, 0] + 15 * hidden[:, 1] ** 2 + 25 * rng.normal(size=n))
        return Observations(X=X, y=y, features=tuple(f"f{i}" for i in range(features)))

    image = draw(pixels)[0]
    stock = train(recipes.load(ROOT / "models" / "stock"), observed(400), seed=0).model
    labels = observed(2_000)
    names = np.array([f"c{i:02d}" for i in range(1, 16)])
    rank = np.argsort(np.argsort(labels.y)) * 15 // len(labels.y)
    labels = Observations(X=labels.X, y=names[rank], features=labels.features)
    codes = {name: i + 1 for i, name in enumerate(names)}
    cover = train(recipes.load(ROOT / "models" / "land_cover"), labels, seed=0, classes=codes).model
    stock.applicability(image[:10])
    print("| what | pixels a CPU second | CPU s for 1.2 million |")
    print("|---|---|---|")
    for name, work in {
        "land_cover: class": cover.predict,
        "land_cover: area of applicability": cover.applicability,
        "stock: mean and standard deviation": stock.predict_with_sd,
        "stock: area of applicability": stock.applicability,
    }.items():
        start = time.process_time()
        for first in range(0, pixels, 65_536):
            work(image[first : first + 65_536])
        rate = pixels / (time.process_time() - start)
        print(f"| {name} | {rate:,.0f} | {1.2e6 / rate:.1f} |", flush=True)


COMMANDS: Mapping[str, Callable[[], None]] = {
    "oregon": compare_oregon,
    "biomass": lambda: compare_density(biomass, 500.0),
    "gedi": lambda: compare_density(gedi, 1_500.0),
    "land_cover": lambda: compare_classes("land_cover"),
    "crops": lambda: compare_classes("crops"),
    "speed": measure_speed,
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"{__doc__}\none of: {', '.join(COMMANDS)}")
    COMMANDS[sys.argv[1]]()
