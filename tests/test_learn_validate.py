"""Folds, scores and cross-validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkest.errors import InputError, ModelError
from sinkest.learn import recipes
from sinkest.learn.recipes import Recipe
from sinkest.learn.validate import (
    bias_by_bin,
    block_folds,
    classification_scores,
    cross_validate,
    environment_folds,
    fit,
    group_folds,
    random_folds,
    regression_scores,
    sample_weights,
)


def recipe(estimator: str = "sklearn.linear_model.LinearRegression", kind: str = "regression", **top: str) -> Recipe:
    text = f'version = 1\nname = "t"\nkind = "{kind}"\n'
    text += "".join(f'{key} = "{value}"\n' for key, value in top.items())
    return recipes.parse(text + f'[response]\nname = "y"\n[estimator]\nclass = "{estimator}"\n', Path("t"))


# -- folds -------------------------------------------------------------------------------------------------------------


def test_a_block_is_never_torn_apart() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 100_000, 500), rng.uniform(0, 60_000, 500)
    fold = block_folds(x, y, 10_000, 5, seed=1)
    block = np.floor(x / 10_000) * 100 + np.floor(y / 10_000)
    assert all(len(np.unique(fold[block == one])) == 1 for one in np.unique(block))
    assert sorted(np.unique(fold)) == [0, 1, 2, 3, 4]


def test_blocks_are_shared_out_evenly() -> None:
    # 60 blocks of 500 points: with the largest block first, folds differ by less than the largest block.
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 100_000, 500), rng.uniform(0, 60_000, 500)
    count = np.bincount(block_folds(x, y, 10_000, 5, seed=1))
    assert count.max() - count.min() <= 5


def test_folds_follow_the_points_not_their_order() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 100_000, 200), rng.uniform(0, 100_000, 200)
    shuffled = rng.permutation(200)
    np.testing.assert_array_equal(
        block_folds(x, y, 9_000, 4, seed=5)[shuffled], block_folds(x[shuffled], y[shuffled], 9_000, 4, seed=5)
    )
    Z = np.column_stack([x, y, x * y])
    np.testing.assert_array_equal(environment_folds(Z, 6, 2)[shuffled], environment_folds(Z[shuffled], 6, 2))


def test_another_seed_gives_other_folds() -> None:
    x = np.arange(0, 300_000, 1_000.0)
    first, second = (block_folds(x, 0 * x, 10_000, 5, seed=seed) for seed in (1, 2))
    assert not np.array_equal(first, second)


@given(sizes=st.lists(st.integers(1, 30), min_size=2, max_size=40), k=st.integers(2, 10), seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_groups_stay_whole_and_every_fold_is_used(sizes: list[int], k: int, seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    fold = group_folds(groups, k, seed)
    assert len(np.unique(fold)) == min(k, len(sizes))
    assert all(len(np.unique(fold[groups == one])) == 1 for one in range(len(sizes)))
    # Longest first to the least filled: no fold exceeds the least by more than one group.
    count = np.bincount(fold)
    assert count.max() - count.min() <= max(sizes)


def test_environments_are_clusters_of_the_standardised_features() -> None:
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(center, 0.1, (30, 2)) for center in (0, 5, 10)]) * [1, 1e6]
    fold = environment_folds(X, 3, 0)
    assert [len(np.unique(fold[i : i + 30])) for i in (0, 30, 60)] == [1, 1, 1]
    assert len(np.unique(fold)) == 3


def test_random_folds_are_of_equal_size() -> None:
    assert np.bincount(random_folds(103, 10, 0)).tolist() == [11, 11, 11, 10, 10, 10, 10, 10, 10, 10]


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda: block_folds([0, 1], [0, 1], 10, 5, 0), "too_few"),
        (lambda: block_folds([0, 1], [0, 1], 0, 5, 0), "block_size"),
        (lambda: block_folds([0, np.nan], [0, 1], 10, 5, 0), "no_coordinates"),
        (lambda: group_folds(["a", "a"], 3, 0), "too_few"),
        (lambda: environment_folds([[1.0], [2.0]], 3, 0), "too_few"),
        (lambda: random_folds(1, 3, 0), "too_few"),
    ],
)
def test_impossible_folds_are_refused(call, key: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.key == f"learn.{key}"


# -- scores ------------------------------------------------------------------------------------------------------------


def test_regression_scores_by_hand() -> None:
    # Errors 1, -1, 2, 0: squares 6, mean 1.5; the mean observed is 4, squares about it 9 + 1 + 1 + 9 = 20.
    scores = regression_scores([1, 3, 5, 7], [2, 2, 7, 7])
    assert scores.rmse == pytest.approx(np.sqrt(1.5))
    assert scores.r2 == pytest.approx(1 - 6 / 20)
    assert scores.bias == pytest.approx(0.5)
    assert scores.mae == pytest.approx(1.0)
    assert scores.rrmse == pytest.approx(100 * np.sqrt(1.5) / 4)
    assert scores.as_dict()["n"] == 4


def test_r2_of_a_constant_response_is_undefined() -> None:
    assert np.isnan(regression_scores([2, 2], [1, 3]).r2)


def test_classification_scores_by_hand() -> None:
    # Observed a a a b b c, predicted a a b b b a.
    scores = classification_scores([1, 1, 1, 2, 2, 3], [1, 1, 2, 2, 2, 1], [1, 2, 3, 4])
    assert scores.confusion.tolist() == [[2, 0, 1, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert scores.overall == pytest.approx(4 / 6)
    np.testing.assert_allclose(scores.users, [2 / 3, 2 / 3, np.nan, np.nan])
    np.testing.assert_allclose(scores.producers, [2 / 3, 1, 0, np.nan])
    np.testing.assert_allclose(scores.f1, [4 / 6, 4 / 5, 0, np.nan])
    assert scores.as_dict()["users"][2] is None
    assert scores.table()["observed"].tolist() == [3, 2, 1, 0]


def test_bias_by_bin_by_hand() -> None:
    table = bias_by_bin([0, 10, 20, 30], [5, 10, 15, 20], edges=[0, 15, 30])
    # Low bin: observed 0, 10, predicted 5, 10; high bin: observed 20, 30, predicted 15, 20.
    assert table["n"].tolist() == [2, 2]
    assert table["mean_observed"].tolist() == [5, 25]
    assert table["mean_predicted"].tolist() == [7.5, 17.5]
    assert table["bias"].tolist() == [2.5, -7.5]


def test_bins_of_equal_numbers_hold_everything() -> None:
    rng = np.random.default_rng(0)
    o = rng.gamma(2, 30, 101)
    assert bias_by_bin(o, o, bins=4)["n"].sum() == 101
    assert bias_by_bin(o, o, bins=4, by="predicted")["bias"].abs().max() == 0
    assert bias_by_bin([3, 3], [3, 3])["n"].tolist() == [2]


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda: regression_scores([1, 2], [1]), "unequal"),
        (lambda: regression_scores([], []), "unequal"),
        (lambda: regression_scores([1, np.nan], [1, 2]), "not_finite"),
        (lambda: classification_scores([1], [1, 2], [1, 2]), "unequal"),
        (lambda: classification_scores([1], [3], [1, 2]), "not_in_classes"),
    ],
)
def test_scores_of_what_cannot_be_scored(call, key: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.key == f"learn.{key}"


# -- cross-validation --------------------------------------------------------------------------------------------------


def test_every_observation_is_predicted_by_a_model_that_has_not_seen_it() -> None:
    # Nearest neighbour on a feature that is unique: it would be perfect on what it has seen.
    X = np.arange(10, dtype=np.float32)[:, None]
    y = np.where(np.arange(10) % 2 == 0, 0.0, 100.0)
    one_nn = recipes.parse(
        'version = 1\nname = "t"\nkind = "regression"\n[response]\nname = "y"\n[estimator]\n'
        'class = "sklearn.neighbors.KNeighborsRegressor"\nparameters = { n_neighbors = 1 }\n',
        Path("t"),
    )
    result = cross_validate(one_nn, X, y, np.arange(10), seed=0)
    # The neighbour of an even number is odd and the other way round.
    np.testing.assert_array_equal(result.prediction, 100.0 - y)
    assert result.between is None


def test_spatial_blocks_are_less_flattering_than_random_folds() -> None:
    # A response that is nothing but a smooth random field: neighbours give it away, features don't exist.
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 50_000, (2, 600))
    field = np.sin(x / 4_000) * np.cos(y / 5_000)
    X = np.column_stack([x, y]).astype(np.float32)
    forest = recipe("sklearn.ensemble.ExtraTreesRegressor")
    random = cross_validate(forest, X, field, random_folds(600, 4, 0), seed=0)
    blocks = cross_validate(forest, X, field, block_folds(x, y, 12_500, 4, 0), seed=0)
    assert random.scores.r2 > 0.8
    assert blocks.scores.r2 < random.scores.r2 - 0.3


def test_predictions_keep_to_the_bounds_of_the_recipe() -> None:
    text = (
        'version = 1\nname = "t"\nkind = "regression"\n[response]\nname = "y"\nminimum = 0.0\nmaximum = 5.0\n'
        '[estimator]\nclass = "sklearn.linear_model.LinearRegression"\n'
    )
    X = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    y = 10.0 * X[:, 0]
    result = cross_validate(recipes.parse(text, Path("t")), X, y, np.arange(20) % 2, seed=0)
    assert result.prediction.min() == 0.0
    assert result.prediction.max() == 5.0


def test_predictions_keep_to_the_range_that_was_seen() -> None:
    # A line learned from 0..8 would say 9 for the last; it has seen 8 at most.
    X = np.arange(10, dtype=np.float32)[:, None]
    result = cross_validate(recipe(), X, X[:, 0].astype(float), np.repeat([0, 1], [9, 1]), seed=0)
    assert result.prediction[9] == 8.0


def test_classes_are_scored_in_the_order_given() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([7, 2], 20)
    X = (y[:, None] + rng.normal(0, 0.1, (40, 1))).astype(np.float32)
    forest = recipe("sklearn.ensemble.ExtraTreesClassifier", "classification")
    result = cross_validate(forest, X, y, random_folds(40, 4, 0), seed=0, classes=[2, 7, 9])
    assert result.scores.classes == ("2", "7", "9")
    assert result.scores.overall == 1.0
    assert result.prediction.tolist() == y.tolist()


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4)).astype(np.float32)
    y = X[:, 0] + rng.normal(size=80)
    forest = recipe("sklearn.ensemble.ExtraTreesRegressor")
    one, two = (fit(forest, X, y, seed=4, workers=workers) for workers in (1, 2))
    np.testing.assert_array_equal(one.predict(X), two.predict(X))
    assert two.n_jobs == 1


def test_weights() -> None:
    y = np.array([1, 1, 1, 2])
    # Three of one kind weigh together as much as one of the other: 4/2/3 = 2/3 each against 2.
    classes = recipe("sklearn.ensemble.ExtraTreesClassifier", "classification", weights="balanced")
    np.testing.assert_allclose(sample_weights(classes, y, None, None), [2 / 3, 2 / 3, 2 / 3, 2])
    groups = recipe(weights="group")
    np.testing.assert_allclose(sample_weights(groups, y, np.array(["a", "a", "b", "b"]), None), [1, 1, 1, 1])
    column = recipe(weights="column:w")
    np.testing.assert_allclose(sample_weights(column, y, None, np.array([1.0, 1, 1, 5])), [0.5, 0.5, 0.5, 2.5])
    assert sample_weights(recipe(), y, None, None) is None


def test_weights_reach_the_last_step_of_a_pipeline() -> None:
    text = (
        'version = 1\nname = "t"\nkind = "regression"\nweights = "column:w"\n[response]\nname = "y"\n[estimator]\n'
        'class = "sklearn.pipeline.Pipeline"\nparameters.steps = [["scale", { class = '
        '"sklearn.preprocessing.StandardScaler" }], ["line", { class = "sklearn.linear_model.LinearRegression" }]]\n'
    )
    X, y = np.zeros((4, 1), dtype=np.float32), np.array([0.0, 0, 0, 8])
    fitted = fit(recipes.parse(text, Path("t")), X, y, seed=0, weight=np.array([1.0, 1, 1, 5]))
    # A line over a constant is the weighted mean, 8 * 5 / 8.
    assert fitted.predict(X)[0] == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("weights", "options", "key"),
    [
        ("group", {}, "no_groups"),
        ("column:w", {}, "no_weights"),
        ("column:w", {"weight": np.array([1.0, 0, 1, 1])}, "no_weights"),
    ],
)
def test_weights_that_there_are_not(weights: str, options: dict, key: str) -> None:
    with pytest.raises(ModelError) as caught:
        fit(recipe(weights=weights), np.zeros((4, 1), dtype=np.float32), np.arange(4.0), seed=0, **options)
    assert caught.value.key == f"learn.{key}"


def test_an_estimator_that_cannot_be_fitted_is_told_with_its_reason() -> None:
    text = (
        'version = 1\nname = "t"\nkind = "regression"\n[response]\nname = "y"\n[estimator]\n'
        'class = "sklearn.ensemble.ExtraTreesRegressor"\nparameters = { min_samples_leaf = -1 }\n'
    )
    with pytest.raises(ModelError) as caught:
        fit(recipes.parse(text, Path("t")), np.zeros((4, 1), dtype=np.float32), np.arange(4.0), seed=0)
    assert caught.value.key == "learn.fit_failed"
    assert "min_samples_leaf" in str(caught.value)


def test_one_fold_is_no_cross_validation() -> None:
    X, y = np.zeros((4, 1), dtype=np.float32), np.arange(4.0)
    with pytest.raises(InputError) as caught:
        cross_validate(recipe(), X, y, np.zeros(4, dtype=np.int64), seed=0)
    assert caught.value.key == "learn.too_few"
    with pytest.raises(InputError) as caught:
        cross_validate(recipe(), X, y[:3], np.arange(4), seed=0)
    assert caught.value.key == "learn.unequal"
