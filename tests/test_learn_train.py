"""Training as a whole: held-out folds by what is known of the places, and a card that says it."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sinkest.errors import InputError, ModelError
from sinkest.learn import recipes
from sinkest.learn.model import check_features
from sinkest.learn.train import Observations, train

NAMES = ("red", "nir", "elevation")
UNITS = {"red": "1", "nir": "1", "elevation": "m"}


def recipe(kind: str = "regression", **estimator: object) -> recipes.Recipe:
    name = "ExtraTreesRegressor" if kind == "regression" else "ExtraTreesClassifier"
    parameters = "".join(f"{key} = {value}\n" for key, value in {"n_estimators": 15, **estimator}.items())
    return recipes.parse(
        f'version = 1\nname = "t"\nkind = "{kind}"\n[response]\nname = "y"\nunit = "m3/ha"\nminimum = 0\n'
        f'[estimator]\nclass = "sklearn.ensemble.{name}"\n[estimator.parameters]\n{parameters}',
        Path("t"),
    )


def plots(n: int = 120, **changes: object) -> Observations:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3)).astype(np.float32)
    y = np.maximum(0, 70 + 30 * X[:, 1] + rng.normal(0, 10, n))
    x, z = rng.uniform(0, 60_000, (2, n))
    given = {"X": X, "y": y, "features": NAMES, "units": UNITS, "x_m": x, "y_m": z, "files": {"plots.csv": "ab12"}}
    return Observations(**{**given, **changes})


def polygons(spread_m: float = 50_000) -> Observations:
    """Forty polygons of five pixels, of two classes."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 5)
    y = np.where(group % 2 == 0, "fir", "water")
    X = (rng.normal(0, 0.5, (200, 3)) + (y == "fir")[:, None]).astype(np.float32)
    center = rng.uniform(0, spread_m, (40, 2))
    x, z = (center[group] + rng.uniform(0, 50, (200, 2))).T
    return Observations(X=X, y=y, features=NAMES, units=UNITS, x_m=x, y_m=z, groups=group)


CODES = {"water": 14, "fir": 1}


def test_plots_with_coordinates_are_held_out_by_blocks() -> None:
    trained = train(recipe(), plots(), seed=1, block_m=10_000)
    assert trained.held_out_by == "blocks"
    block = np.floor(plots().x_m / 10_000) * 100 + np.floor(plots().y_m / 10_000)
    assert all(len(np.unique(trained.held_out.fold[block == one])) == 1 for one in np.unique(block))
    assert trained.held_out.scores.r2 > 0.5


def test_pixels_of_one_polygon_are_never_torn_apart() -> None:
    data = polygons()
    trained = train(recipe("classification"), data, seed=1, classes=CODES, block_m=7_000)
    assert trained.held_out_by == "blocks"
    assert all(len(np.unique(trained.held_out.fold[data.groups == one])) == 1 for one in range(40))


def test_polygons_within_one_block_are_held_out_by_polygon() -> None:
    data = polygons(spread_m=500)
    trained = train(recipe("classification"), data, seed=1, classes=CODES)
    assert trained.held_out_by == "groups"
    assert all(len(np.unique(trained.held_out.fold[data.groups == one])) == 1 for one in range(40))


def test_plots_without_coordinates_are_held_out_by_environment() -> None:
    trained = train(recipe(), plots(x_m=None, y_m=None), seed=1, clusters=4)
    assert trained.held_out_by == "environments"
    assert len(np.unique(trained.held_out.fold)) == 4


def test_the_card_says_what_was_learned_from_what_and_how_well() -> None:
    trained = train(recipe(), plots(spec={"bands": ["red", "nir"]}), seed=1)
    card = trained.model.card
    assert card["features"] == [{"name": name, "unit": UNITS[name]} for name in NAMES]
    assert card["response"] == {"name": "y", "unit": "m3/ha"}
    assert card["training"]["files"] == {"plots.csv": "ab12"}
    assert card["training"]["n"] == 120
    assert card["feature_spec"] == {"bands": ["red", "nir"]}
    found = card["cross_validation"]
    assert found["held_out"]["by"] == "blocks"
    assert found["held_out"]["block_m"] == 10_000
    assert found["held_out"]["scores"]["r2"] == trained.held_out.scores.r2
    assert found["random"]["scores"]["r2"] == trained.random.scores.r2
    assert len(found["held_out"]["bias_by_bin"]) == 5
    assert sum(card["importance"].values()) == pytest.approx(1)
    assert card["versions"]["scikit-learn"]


def test_the_card_of_a_classification_names_its_classes() -> None:
    card = train(recipe("classification"), polygons(), seed=1, classes=CODES).model.card
    assert card["classes"] == CODES
    assert card["training"]["per_class"] == {"fir": 100, "water": 100}
    assert card["training"]["groups"] == 40
    assert card["cross_validation"]["held_out"]["scores"]["classes"] == ["fir", "water"]


def test_predictions_and_their_deviation() -> None:
    model = train(recipe(), plots(), seed=1).model
    X = plots().X[:6].copy()
    X[2, 1] = np.nan
    mean, deviation = model.predict_with_sd(X)
    np.testing.assert_array_equal(mean, model.predict(X))
    np.testing.assert_array_equal(deviation, model.predict_sd(X))
    assert np.isnan(mean).tolist() == np.isnan(deviation).tolist() == [False, False, True, False, False, False]
    # Noise of 10 and what the forest misses: a single prediction is off by about that.
    assert 8 < np.nanmean(deviation) < 25
    index, inside = model.applicability(X)
    assert np.isnan(index[2])
    assert not inside[2]
    assert inside[0]
    assert not model.applicability(X[:1] + 100)[1][0]


def test_classes_come_as_codes_and_shares() -> None:
    model = train(recipe("classification"), polygons(), seed=1, classes=CODES).model
    X = polygons().X[:10].copy()
    X[3, 0] = np.nan
    codes = model.predict(X)
    assert codes.dtype == np.uint8
    assert set(codes.tolist()) == {0, 1, 14}
    assert codes[3] == 0
    shares = model.predict_share(X)
    assert list(model.classes) == ["fir", "water"]
    assert np.isnan(shares[3]).all()
    np.testing.assert_allclose(np.delete(shares, 3, 0).sum(axis=1), 1)
    with pytest.raises(ModelError) as caught:
        model.predict_sd(X)
    assert caught.value.key == "learn.no_sd"


def test_a_regression_has_no_shares() -> None:
    with pytest.raises(ModelError) as caught:
        train(recipe(), plots(), seed=1).model.predict_share(plots().X)
    assert caught.value.key == "learn.no_shares"


def test_predictions_of_a_row_do_not_depend_on_the_others() -> None:
    model = pickle.loads(pickle.dumps(train(recipe(), plots(), seed=1).model))
    X = np.random.default_rng(5).normal(size=(500, 3)).astype(np.float32)
    whole = model.predict_with_sd(X)
    parts = [model.predict_with_sd(X[i : i + 33]) for i in range(0, 500, 33)]
    for k in range(2):
        np.testing.assert_array_equal(np.concatenate([part[k] for part in parts]), whole[k])


def test_equal_input_gives_an_equal_model_with_any_number_of_threads() -> None:
    one, two = (train(recipe(), plots(), seed=1, workers=workers) for workers in (1, 2))
    np.testing.assert_array_equal(one.held_out.prediction, two.held_out.prediction)
    np.testing.assert_array_equal(one.model.predict_sd(plots().X), two.model.predict_sd(plots().X))
    assert one.model.card == two.model.card


def test_many_training_pixels_are_thinned_for_the_area_of_applicability() -> None:
    rng = np.random.default_rng(0)
    n = 5_000
    X = rng.normal(size=(n, 3)).astype(np.float32)
    y = np.where(rng.random(n) < 0.1, "fir", "water")
    x = rng.uniform(0, 60_000, n)
    data = Observations(X=X, y=y, features=NAMES, x_m=x, y_m=x)
    model = train(recipe("classification", n_estimators=3), data, seed=1, classes=CODES).model
    assert model.card["applicability"]["points"] == 3_000


def test_an_estimator_without_importances_gets_them_by_permutation() -> None:
    boosted = recipes.parse(
        'version = 1\nname = "t"\nkind = "regression"\n[response]\nname = "y"\n[estimator]\n'
        'class = "sklearn.ensemble.HistGradientBoostingRegressor"\nparameters = { max_iter = 20 }\n',
        Path("t"),
    )
    importance = train(boosted, plots(), seed=1).model.card["importance"]
    assert max(importance, key=importance.get) == "nir"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"X": np.full((120, 3), np.nan, dtype=np.float32)}, "feature_gaps"),
        ({"y": np.full(120, np.nan)}, "not_finite"),
        ({"y": np.ones(7)}, "unequal"),
    ],
)
def test_observations_that_cannot_be_learned_from(changes: dict, key: str) -> None:
    with pytest.raises(InputError) as caught:
        train(recipe(), plots(**changes), seed=1)
    assert caught.value.key == f"learn.{key}"


def test_too_few_plots() -> None:
    with pytest.raises(InputError) as caught:
        train(recipe(), plots(3), seed=1)
    assert caught.value.key == "learn.too_few"


def test_unknown_and_single_classes() -> None:
    with pytest.raises(InputError) as caught:
        train(recipe("classification"), polygons(), seed=1, classes={"fir": 1})
    assert caught.value.key == "learn.not_in_classes"
    one = replace(polygons(), y=np.full(200, "fir"))
    with pytest.raises(InputError) as caught:
        train(recipe("classification"), one, seed=1, classes=CODES)
    assert caught.value.key == "learn.one_class"


# -- features of the cube against those of the model -------------------------------------------------------------------


def test_the_same_features_pass_in_any_order() -> None:
    model = train(recipe(), plots(spec={"bands": ("red", "nir")}), seed=1).model
    assert check_features(model, NAMES).tolist() == [0, 1, 2]
    assert check_features(model, NAMES[::-1], units=UNITS, spec={"bands": ["red", "nir"]}).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (("red", "nir"), {}, "missing: elevation"),
        ((*NAMES, "slope"), {}, "not known to the model: slope"),
        (NAMES, {"units": {**UNITS, "elevation": "ft"}}, "elevation: trained in m, given in ft"),
        (NAMES, {"spec": {"bands": ["red"], "dilate_px": 1}}, "dilate_px: trained with None, given 1"),
    ],
)
def test_other_features_are_refused_with_the_difference(names: tuple, options: dict, said: str) -> None:
    model = train(recipe(), plots(spec={"bands": ["red"]}), seed=1).model
    with pytest.raises(ModelError) as caught:
        check_features(model, names, **options)
    assert caught.value.key == "learn.features_differ"
    assert said in str(caught.value)


def test_a_recipe_that_names_its_features_accepts_more() -> None:
    named = replace(recipe(), features=("red", "nir"))
    model = train(named, plots(), seed=1).model
    assert model.features == ("red", "nir")
    assert check_features(model, ("elevation", "nir", "slope", "red")).tolist() == [3, 1]
