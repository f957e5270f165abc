"""South-west Oregon: 3,005 real plots that carry their predictors, 18 real rasters, and rivals in the same folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from numpy.typing import NDArray

from sinkest.learn import artefact, recipes
from sinkest.learn.recipes import Recipe
from sinkest.learn.table import read_plots
from sinkest.learn.train import Observations, train
from sinkest.learn.validate import cross_validate, environment_folds, random_folds, regression_scores
from sinkest.shipped import shipped

TREES = 20
FOLDS = 3


@pytest.fixture(scope="module")
def tables(real_data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictors and cover by species."""
    folder = real_data / "inventory" / "sknnr"
    predictors = pd.read_csv(folder / "swo_ecoplot_env.csv").set_index("FCID")
    return predictors, pd.read_csv(folder / "swo_ecoplot_spp.csv").set_index("FCID").loc[predictors.index]


@pytest.fixture(scope="module")
def plots(tables: tuple[pd.DataFrame, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The field table as a bureau would hand it in."""
    predictors, species = tables
    path = tmp_path_factory.mktemp("oregon") / "plots.csv"
    predictors.assign(tree_cover=species.sum(axis=1)).to_csv(path)
    return read_plots(
        path, response="tree_cover", response_unit="%", features=list(predictors), columns={"FCID": "plot_id"}
    )


@pytest.fixture(scope="module")
def recipe(tables: tuple[pd.DataFrame, pd.DataFrame]) -> Recipe:
    """The shipped recipe with fewer trees, so that the test is quick."""
    text = shipped("models/tree_cover_oregon/model.toml").read_text(encoding="utf-8")
    assert "n_estimators = 200" in text
    quick = recipes.parse(text.replace("n_estimators = 200", f"n_estimators = {TREES}"), Path("model.toml"))
    assert quick.select(list(tables[0])) == tuple(tables[0])
    return quick


def features(plots: pd.DataFrame, recipe: Recipe) -> NDArray[np.float32]:
    return plots[list(recipe.features)].to_numpy(dtype=np.float32)


def test_the_table_is_read_whole(plots: pd.DataFrame) -> None:
    assert len(plots) == 3005
    assert plots["plot_id"].iloc[0] == "52481"
    # 39.3469 of one species and nothing else on the first plot.
    assert plots["tree_cover"].iloc[0] == pytest.approx(39.3469)
    assert plots["tree_cover"].mean() == pytest.approx(89.78, abs=0.01)
    assert plots.geometry.isna().all()


@pytest.mark.parametrize("kind", ["random", "environments"])
def test_ours_beats_nearest_neighbours_and_a_random_forest_in_the_same_folds(
    plots: pd.DataFrame, tables: tuple[pd.DataFrame, pd.DataFrame], recipe: Recipe, kind: str
) -> None:
    sknnr = pytest.importorskip("sknnr")
    X, y, species = features(plots, recipe), plots["tree_cover"].to_numpy(), tables[1]
    folds = random_folds(len(y), FOLDS, 0) if kind == "random" else environment_folds(X, FOLDS, 0)
    ours = cross_validate(recipe.bound(recipe.features), X, y, folds, seed=0).scores
    forest = recipes.parse(
        'version = 1\nname = "rival"\nkind = "regression"\n[response]\nname = "tree_cover"\n[estimator]\n'
        f'class = "sklearn.ensemble.RandomForestRegressor"\nparameters = {{ n_estimators = {TREES} }}\n',
        Path("rival"),
    )
    rival = cross_validate(forest, X, y, folds, seed=0).scores
    neighbours = np.empty(len(y))
    for one in range(FOLDS):
        test = folds == one
        seen = species[~test].loc[:, species[~test].sum().to_numpy() > 0]
        gnn = sknnr.GNNRegressor(n_neighbors=5).fit(X[~test], y[~test], y_fit=seen)
        neighbours[test] = gnn.predict(X[test])
    gnn_scores = regression_scores(y, neighbours)
    assert ours.r2 > rival.r2 > gnn_scores.r2
    assert ours.rmse < rival.rmse < gnn_scores.rmse
    assert abs(ours.bias) < 2.0


def test_the_window_is_mapped_with_deviation_and_applicability(
    plots: pd.DataFrame, recipe: Recipe, real_data: Path, tmp_path: Path
) -> None:
    y = plots["tree_cover"].to_numpy()
    data = Observations(X=features(plots, recipe), y=y, features=recipe.features)
    trained = train(recipe, data, seed=0, folds=2, clusters=3)
    assert trained.held_out_by == "environments"
    # Held-out residuals over their standard deviations have mean square 1, by calibration.
    z = (y - trained.held_out.prediction) / trained.model.spread.deviation(
        trained.held_out.prediction, trained.held_out.between
    )
    assert (z**2).mean() == pytest.approx(1)
    artefact.save(tmp_path, trained.model)
    model = artefact.load(tmp_path)
    layers = []
    for name in model.features:
        with rasterio.open(real_data / "imagery" / "swo_ecoplot_128" / f"{name}.tif") as source:
            layers.append(source.read(1, masked=True).astype(np.float32).filled(np.nan))
    pixels = np.stack(layers, axis=-1).reshape(-1, len(layers))
    cover, deviation = model.predict_with_sd(pixels)
    index, inside = model.applicability(pixels)
    known = np.isfinite(pixels).all(axis=1)
    np.testing.assert_array_equal(np.isfinite(cover), known)
    assert 40 < np.nanmean(cover) < 130
    assert 15 < np.nanmean(deviation) < 40
    assert np.nanmin(index) >= 0
    # The window lies in the region of the plots: most of it resembles them.
    assert inside[known].mean() > 0.8
