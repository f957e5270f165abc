"""``sinkest.predict``: lazy maps of a cube with the very numbers of the model."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import sinkest
from sinkest.errors import InputError, ModelError
from sinkest.learn import artefact, recipes
from sinkest.learn.model import TrainedModel
from sinkest.learn.train import Observations, train

NAMES = ("a", "b", "c")


def trained(kind: str) -> TrainedModel:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3)).astype(np.float32)
    response = (
        '[response]\nname = "volume_m3_ha"\nunit = "m3/ha"\n'
        if kind == "regression"
        else '[response]\nname = "land_cover"\n'
    )
    estimator = "ExtraTreesRegressor" if kind == "regression" else "ExtraTreesClassifier"
    text = (
        f'version = 1\nname = "t"\nkind = "{kind}"\n{response}[estimator]\nclass = "sklearn.ensemble.{estimator}"\n'
        "parameters = { n_estimators = 5, min_samples_leaf = 2 }\n"
    )
    y = 70 + 30 * X[:, 1] if kind == "regression" else np.where(X[:, 1] > 0, "forest", "water")
    data = Observations(
        X=X,
        y=y,
        features=NAMES,
        units={"a": "1", "b": "dB", "c": "m"},
        x_m=X[:, 0] * 20_000,
        y_m=X[:, 2] * 20_000,
        groups=np.arange(80) // 2 if kind == "classification" else None,
        simulated=True,
    )
    classes = {"forest": 3, "water": 8} if kind == "classification" else None
    return train(recipes.parse(text, Path("t")), data, seed=3, classes=classes).model


@pytest.fixture(scope="module")
def stock() -> TrainedModel:
    return trained("regression")


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    found = np.random.default_rng(1).normal(size=(3, 20, 30)).astype(np.float32)
    found[1, 4, 5] = np.nan
    return found


def test_a_chunked_cube_stays_lazy_and_gives_the_numbers_of_the_model(stock: TrainedModel, values: np.ndarray) -> None:
    lazy = xr.DataArray(
        da.from_array(values, chunks=(2, 7, 11)), dims=("band", "y", "x"), coords={"band": list(NAMES), "x": range(30)}
    )
    maps = sinkest.predict(lazy, stock)
    assert set(maps) == {"prediction", "sd", "dissimilarity", "applicable"}
    assert all(one.chunks == ((7, 7, 6), (11, 11, 8)) for one in maps.values())
    assert maps["prediction"].dims == ("y", "x")
    rows = values.reshape(3, -1).T
    mean, sd = stock.predict_with_sd(rows)
    np.testing.assert_array_equal(maps["prediction"].values.ravel(), mean.astype(np.float32))
    np.testing.assert_array_equal(maps["sd"].values.ravel(), sd.astype(np.float32))
    assert np.isnan(maps["applicable"].values[4, 5])
    assert maps["applicable"].sum() == stock.applicability(rows)[1].sum()
    assert maps["prediction"].attrs["units"] == "m3/ha"
    assert "SIMULATED" in maps["prediction"].attrs["simulated"]


def test_a_dataset_by_name_in_any_order_is_the_same(stock: TrainedModel, values: np.ndarray, tmp_path: Path) -> None:
    named = {name: (("y", "x"), values[k]) for k, name in enumerate(NAMES)}
    cube = xr.Dataset({name: named[name] for name in ("c", "a", "b")})
    cube["b"].attrs["units"] = "dB"
    artefact.save(tmp_path, stock)
    found = sinkest.predict(cube, tmp_path)["prediction"]
    assert found.chunks is None
    np.testing.assert_array_equal(found.values.ravel(), stock.predict(values.reshape(3, -1).T).astype(np.float32))


def test_classes_carry_their_names(values: np.ndarray) -> None:
    model = trained("classification")
    cube = xr.DataArray(values, dims=("feature", "y", "x"), coords={"feature": list(NAMES)})
    maps = sinkest.predict(cube, model)
    assert set(maps) == {"land_cover", "dissimilarity", "applicable"}
    codes = model.predict(values.reshape(3, -1).T).reshape(20, 30)
    np.testing.assert_array_equal(np.nan_to_num(maps["land_cover"].values), codes)
    assert np.isnan(maps["land_cover"].values[4, 5])
    assert maps["land_cover"].attrs["flag_values"] == [3, 8]
    assert maps["land_cover"].attrs["flag_meanings"] == "forest water"


def test_cubes_that_do_not_fit_are_refused(stock: TrainedModel, values: np.ndarray) -> None:
    with pytest.raises(InputError, match="holds the names of the features"):
        sinkest.predict(xr.DataArray(values, dims=("band", "y", "x")), stock)
    numbered = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": [1, 2, 3]})
    with pytest.raises(InputError, match="holds the names"):
        sinkest.predict(numbered, stock)
    named = xr.Dataset({name: (("y", "x"), values[k]) for k, name in enumerate(NAMES)})
    with pytest.raises(ModelError, match="c"):
        sinkest.predict(named.drop_vars("c"), stock)
    named["b"].attrs["units"] = "1"
    with pytest.raises(ModelError, match="dB"):
        sinkest.predict(named, stock)
