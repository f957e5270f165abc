"""Model recipes: what they may say, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from sklearn.ensemble import ExtraTreesRegressor, VotingRegressor
from sklearn.pipeline import Pipeline

from sinkest.errors import ModelError
from sinkest.learn import recipes
from sinkest.learn.response import TransformedResponse
from sinkest.shipped import shipped

GOOD = """
version = 1
name = "stock"
kind = "regression"
title = { zh = "蓄积", en = "stock" }
features = ["summer_*", "elevation"]

[response]
name = "volume_m3_ha"
unit = "m3/ha"
minimum = 0

[estimator]
class = "sklearn.ensemble.ExtraTreesRegressor"

[estimator.parameters]
n_estimators = 30
"""
NAMES = ["winter_nir", "summer_nir", "summer_red", "elevation", "slope"]


def parse(text: str, **options) -> recipes.Recipe:
    return recipes.parse(text, Path("model.toml"), **options)


def refusal(text: str, **options) -> tuple[str, str]:
    with pytest.raises(ModelError) as caught:
        parse(text, **options).build(0)
    assert "model.toml" in str(caught.value)
    return caught.value.key.removeprefix("learn."), str(caught.value)


def test_a_recipe_is_read(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(GOOD, encoding="utf-8")
    recipe = recipes.load(tmp_path)
    assert (recipe.name, recipe.kind, recipe.response, recipe.unit) == ("stock", "regression", "volume_m3_ha", "m3/ha")
    assert (recipe.minimum, recipe.maximum, recipe.transform, recipe.weights) == (0.0, None, "none", "none")
    assert recipe.text == GOOD
    assert pickle.loads(pickle.dumps(recipe)) == recipe


def test_features_come_in_the_order_of_the_cube() -> None:
    assert parse(GOOD).select(NAMES) == ("summer_nir", "summer_red", "elevation")
    everything = GOOD.replace('["summer_*", "elevation"]', '"all"')
    assert parse(everything).select(NAMES) == tuple(NAMES)


def test_a_feature_that_there_is_not_is_named_with_the_nearest() -> None:
    with pytest.raises(ModelError) as caught:
        parse(GOOD.replace("elevation", "elevaton")).select(NAMES)
    assert caught.value.key == "learn.no_such_feature"
    assert "'elevaton'" in str(caught.value)
    assert "elevation" in str(caught.value)


def test_an_estimator_is_built_with_its_seed() -> None:
    built = parse(GOOD).build(5)
    assert isinstance(built, ExtraTreesRegressor)
    assert built.n_estimators == 30
    assert built.n_jobs is None
    assert parse(f"{GOOD}n_jobs = -1").build(5).n_jobs == 1
    assert built.random_state == parse(GOOD).build(5).random_state != parse(GOOD).build(6).random_state


NESTED = (
    GOOD.split("[estimator]")[0]
    + """
[estimator]
class = "sklearn.ensemble.VotingRegressor"
[estimator.parameters]
weights = [0.5, 0.5]
estimators = [
  ["trees", { class = "sklearn.ensemble.ExtraTreesRegressor", parameters = { monotonic_cst = { slope = -1 } } }],
  ["line", { class = "sklearn.pipeline.Pipeline", parameters = { steps = [
    ["scale", { class = "sklearn.preprocessing.StandardScaler" }],
    ["ridge", { class = "sklearn.linear_model.Ridge" }],
  ] } }],
]
"""
)


def test_estimators_may_hold_estimators_each_with_a_seed_of_its_own() -> None:
    built = parse(NESTED).build(5)
    assert isinstance(built, VotingRegressor)
    assert isinstance(built.estimators[1][1], Pipeline)
    seeds = [built.get_params()["trees__random_state"], built.get_params()["line__ridge__random_state"]]
    assert len(set(seeds)) == 2
    assert None not in seeds


def test_constraints_by_feature_name_become_constraints_by_position() -> None:
    built = parse(NESTED).bound(["elevation", "slope", "summer_nir"]).build(0)
    assert built.get_params()["trees__monotonic_cst"] == [0, -1, 0]
    with pytest.raises(ModelError) as caught:
        parse(NESTED).bound(["elevation", "sloop"])
    assert caught.value.key == "learn.no_such_feature"
    assert "sloop" in str(caught.value)


def test_a_transformed_response_wraps_the_estimator() -> None:
    built = parse(GOOD.replace("minimum = 0", 'transform = "sqrt"')).build(1)
    assert isinstance(built, TransformedResponse)
    assert isinstance(built.estimator, ExtraTreesRegressor)
    assert built.estimator.random_state is not None


def test_predictions_keep_to_what_was_observed_unless_told() -> None:
    assert parse(GOOD).limits([-5.0, 300.0, 20.0]) == (0.0, 300.0)
    assert parse(GOOD.replace("minimum = 0", "minimum = 0\nbounded = false")).limits([-5.0, 300.0]) == (
        0.0,
        float("inf"),
    )
    assert parse(GOOD.replace("minimum = 0", "maximum = 100")).limits([-5.0, 300.0]) == (-5.0, 100.0)


def test_another_response_takes_no_old_bounds_along() -> None:
    recipe = parse(GOOD).with_response("biomass", "t/ha")
    assert (recipe.response, recipe.unit, recipe.minimum) == ("biomass", "t/ha", None)
    assert parse(GOOD).with_response("volume_m3_ha", "m3/ha").minimum == 0.0


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("version = 1", "version = 2", "recipe_version", "2"),
        ("version = 1", "version = ", "not_toml", "line 2"),
        ('name = "stock"', "", "recipe_missing", "'name'"),
        ('name = "stock"', "name = 3", "recipe_value", "'name'"),
        ('kind = "regression"', 'kind = "clustering"', "recipe_choice", "classification, regression"),
        ('kind = "regression"', "", "recipe_missing", "'kind'"),
        ('kind = "regression"', 'kind = "classification"', "wrong_kind", "classification"),
        ("features =", "feature =", "recipe_unknown_key", "features"),
        ('["summer_*", "elevation"]', "[]", "recipe_value", "'features'"),
        ('["summer_*", "elevation"]', '"some"', "recipe_value", "'features'"),
        ("[response]", "[respons]", "recipe_unknown_key", "response"),
        ("minimum = 0", 'minimum = "low"', "recipe_value", "response.minimum"),
        ("minimum = 0", "bounded = 1", "recipe_value", "response.bounded"),
        ("minimum = 0", "minimum = nan", "recipe_value", "response.minimum"),
        ("minimum = 0", 'transform = "cube"', "recipe_choice", "sqrt"),
        ("minimum = 0", "max = 3", "recipe_unknown_key", "response.max"),
        ("title =", 'weights = "balanced"\ntitle =', "recipe_choice", "group"),
        ("title =", 'weights = "column:"\ntitle =', "recipe_choice", "column:<name>"),
        ("n_estimators = 30", "n_trees = 30", "recipe_unknown_key", "n_estimators"),
        ("n_estimators = 30", "n_estimators = { class = 3 }", "recipe_value", "n_estimators"),
        ("[estimator.parameters]", "parameters = 3\n[x]", "recipe_unknown_key", "x"),
        ("ExtraTreesRegressor", "ExtraTreesRegresor", "no_such_class", "ExtraTreesRegresor"),
        ("sklearn.ensemble.ExtraTreesRegressor", "os.system", "root_not_allowed", "os"),
        ("sklearn.ensemble.ExtraTreesRegressor", "sklearnx.ensemble.Model", "root_not_allowed", "sklearnx"),
        ("sklearn.ensemble.ExtraTreesRegressor", "sklearn.metrics.r2_score", "no_estimator", "r2_score"),
        ("sklearn.ensemble.ExtraTreesRegressor", "ExtraTreesRegressor", "recipe_value", "estimator.class"),
        ("sklearn.ensemble.ExtraTreesRegressor", "sklearn.preprocessing.StandardScaler", "recipe_unknown_key", "n_est"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, key: str, said: str) -> None:
    found, text = refusal(GOOD.replace(old, new, 1))
    assert found == key
    assert said in text


def test_a_recipe_without_estimator() -> None:
    assert refusal(GOOD.split("[estimator]")[0])[0] == "recipe_missing"
    assert refusal(GOOD.split("[estimator]")[0] + "[estimator]\nparameters = {}")[0] == "recipe_missing"


def test_a_transformer_is_no_regressor() -> None:
    text = GOOD.replace("sklearn.ensemble.ExtraTreesRegressor", "sklearn.preprocessing.StandardScaler")
    assert refusal(text.replace("n_estimators = 30", ""))[0] == "wrong_kind"


def test_classes_are_not_transformed() -> None:
    text = GOOD.replace('"regression"', '"classification"').replace("TreesRegressor", "TreesClassifier")
    assert refusal(text.replace("minimum = 0", 'transform = "sqrt"'))[0] == "recipe_choice"


def test_a_further_package_must_be_allowed() -> None:
    text = GOOD.replace("sklearn.ensemble.ExtraTreesRegressor", "sknnr.GNNRegressor").replace("n_estimators = 30", "")
    key, said = refusal(text)
    assert key == "root_not_allowed"
    assert '[models] allow = ["sknnr.GNNRegressor"]' in said
    pytest.importorskip("sknnr")
    assert parse(text, allow=["sknnr"]).build(0).__class__.__name__ == "GNNRegressor"


def test_a_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        recipes.load(tmp_path)
    assert caught.value.key == "learn.no_recipe"
    (tmp_path / "model.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(ModelError) as caught:
        recipes.load(tmp_path)
    assert caught.value.key == "learn.not_toml"
    (tmp_path / "model.toml").write_bytes(b"#" * 300_000)
    with pytest.raises(ModelError) as caught:
        recipes.load(tmp_path)
    assert caught.value.key == "learn.not_toml"


@pytest.mark.parametrize("name", ["land_cover", "stock", "tree_cover_oregon"])
def test_shipped_recipes_are_whole(name: str) -> None:
    recipe = recipes.load(shipped(f"models/{name}"))
    assert recipe.name == name
    assert set(recipe.title) == {"zh", "en"}
    recipe.build(0)
