"""Packed trees against scikit-learn, bit by bit."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression

from sinkest.learn import packed
from sinkest.learn.axes import WithDiscriminants
from sinkest.learn.fast import fast

N_FEATURES = 6


def table(seed: int = 0, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Features on a coarse lattice, so that many of them equal thresholds or each other, and a response."""
    rng = np.random.default_rng(seed)
    X = (np.round(rng.normal(size=(rows, N_FEATURES)) * 4) / 8).astype(np.float32)
    return X, 10 * X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=rows)


def classes_of(y: np.ndarray, count: int) -> np.ndarray:
    return np.searchsorted(np.quantile(y, np.arange(1, count) / count), y) * 3 + 7


def adversarial(estimator: Any) -> np.ndarray:
    """Rows at, just below and just above the thresholds of the first trees, zeros of both signs, and extremes."""
    thresholds = np.concatenate([tree.tree_.threshold for tree in estimator.estimators_[:3]]).astype(np.float32)
    values = np.concatenate(
        [
            thresholds,
            np.nextafter(thresholds, np.float32(-np.inf)),
            np.nextafter(thresholds, np.float32(np.inf)),
            np.array([0.0, -0.0, 1e-45, -1e-45, 1e33, -1e33], dtype=np.float32),
        ]
    )
    return np.random.default_rng(1).choice(values, size=(3000, N_FEATURES)).astype(np.float32)


FORESTS: list[Callable[..., Any]] = [
    lambda: RandomForestRegressor(17, random_state=0),
    lambda: RandomForestRegressor(9, max_depth=1, random_state=0),
    lambda: RandomForestRegressor(3, max_depth=16, min_samples_leaf=3, criterion="absolute_error", random_state=0),
    lambda: ExtraTreesRegressor(20, min_samples_leaf=2, monotonic_cst=[1, 0, 0, 0, 0, -1], random_state=0),
    lambda: RandomForestRegressor(1, random_state=0),
]


@pytest.mark.parametrize("make", FORESTS)
def test_a_regression_forest_gives_the_bits_of_scikit_learn(make: Callable[[], Any]) -> None:
    X, y = table()
    forest = make().fit(X, y)
    rows = np.vstack([X, adversarial(forest)])
    found = fast(forest)
    np.testing.assert_array_equal(found.predict(rows), forest.predict(rows))
    mean, spread = found.moments(rows)
    each = np.array([tree.tree_.predict(rows)[:, 0] for tree in forest.estimators_])
    total, squares = np.zeros(len(rows)), np.zeros(len(rows))
    for one in each:
        total += one
        squares += one * one
    np.testing.assert_array_equal(mean, total / len(each))
    np.testing.assert_array_equal(spread, np.sqrt(np.maximum(squares / len(each) - mean * mean, 0.0)))


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_a_classification_forest_gives_the_bits_of_scikit_learn(kind: Any, count: int) -> None:
    X, y = table()
    forest = kind(15, min_samples_leaf=2, class_weight="balanced", random_state=0).fit(X, classes_of(y, count))
    rows = np.vstack([X, adversarial(forest)])
    found = fast(forest)
    np.testing.assert_array_equal(found.predict_proba(rows), forest.predict_proba(rows))
    np.testing.assert_array_equal(found.predict(rows), forest.predict(rows))


def test_a_tree_of_one_node_is_its_leaf() -> None:
    X, _ = table()
    forest = RandomForestRegressor(4, random_state=0).fit(X, np.full(len(X), 2.5))
    assert [tree.tree_.node_count for tree in forest.estimators_] == [1] * 4
    mean, spread = fast(forest).moments(X[:5])
    np.testing.assert_array_equal(mean, np.full(5, 2.5))
    np.testing.assert_array_equal(spread, np.zeros(5))


def test_a_chain_of_more_than_a_hundred_levels_is_walked_to_its_end() -> None:
    # Doubling responses make squared error cut off the last point every time: the tree is a chain.
    X = np.arange(300, dtype=np.float32)[:, None]
    forest = RandomForestRegressor(2, bootstrap=False, max_features=1.0, random_state=0).fit(X, 2.0 ** np.arange(300))
    assert forest.estimators_[0].tree_.max_depth > 100
    np.testing.assert_array_equal(fast(forest).predict(X), forest.predict(X))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson"])
def test_boosting_gives_the_bits_of_scikit_learn(loss: str) -> None:
    X, y = table()
    model = HistGradientBoostingRegressor(max_iter=40, loss=loss, random_state=0).fit(X, np.abs(y))
    np.testing.assert_array_equal(fast(model).predict(X), model.predict(X))
    assert fast(model).moments(X)[1] is None


@pytest.mark.parametrize("count", [2, 5])
def test_boosted_classes_give_the_bits_of_scikit_learn(count: int) -> None:
    X, y = table()
    model = HistGradientBoostingClassifier(max_iter=15, random_state=0).fit(X, classes_of(y, count))
    np.testing.assert_array_equal(fast(model).predict(X), model.predict(X))
    np.testing.assert_array_equal(fast(model).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_left_to_the_estimator(hole: float) -> None:
    X, y = table()
    learned = X.copy()
    learned[::7, 2] = np.nan
    model = HistGradientBoostingRegressor(max_iter=10, random_state=0).fit(learned, y)
    asked = X.copy()
    asked[::5, 2] = hole
    np.testing.assert_array_equal(fast(model).predict(asked), model.predict(asked))


def test_a_forest_that_has_learned_from_gaps_sends_them_as_scikit_learn_does() -> None:
    X, y = table()
    learned = X.copy()
    learned[::4, 0] = np.nan
    forest = RandomForestRegressor(9, random_state=0).fit(learned, y)
    for rows in (X, learned):
        np.testing.assert_array_equal(fast(forest).predict(rows), forest.predict(rows))
        np.testing.assert_array_equal(fast(forest).moments(rows)[0], forest.predict(rows))


def test_categorical_splits_are_left_to_the_estimator() -> None:
    X, y = table()
    X[:, 5] = np.abs(np.round(X[:, 5] * 2))
    model = HistGradientBoostingRegressor(max_iter=10, categorical_features=[5], random_state=0).fit(X, y)
    np.testing.assert_array_equal(fast(model).predict(X), model.predict(X))


def test_many_features_and_several_outputs_are_left_to_the_estimator() -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(40, packed.MOST_FEATURES + 1)).astype(np.float32)
    forest = RandomForestRegressor(3, random_state=0).fit(wide, wide[:, 256])
    np.testing.assert_array_equal(fast(forest).predict(wide), forest.predict(wide))
    X, y = table()
    two = RandomForestRegressor(3, random_state=0).fit(X, np.column_stack([y, -y]))
    assert fast(two).predict(X).shape == (len(X), 2)


def test_thresholds_that_are_no_numbers_are_not_packed() -> None:
    tree = packed.PlainTree(
        np.array([1, -1, -1]),
        np.array([2, -1, -1]),
        np.zeros(3, int),
        np.full(3, np.nan),
        np.array([False, True, True]),
    )
    assert packed.pack([tree], 1) is None


def test_an_average_and_its_spread() -> None:
    X, y = table()
    members = [("line", LinearRegression()), ("trees", ExtraTreesRegressor(8, random_state=0))]
    average = VotingRegressor(members, weights=[0.25, 0.75]).fit(X, y)
    mean, spread = fast(average).moments(X)
    np.testing.assert_allclose(mean, average.predict(X), rtol=1e-12)
    np.testing.assert_array_equal(spread, fast(average.named_estimators_["trees"]).moments(X)[1])
    np.testing.assert_array_equal(fast(average).predict(X), average.predict(X))


def test_trees_that_see_discriminants() -> None:
    X, y = table()
    model = WithDiscriminants(RandomForestClassifier(12, random_state=0)).fit(X, classes_of(y, 4))
    np.testing.assert_array_equal(fast(model).predict(X), model.predict(X))
    np.testing.assert_array_equal(fast(model).predict_proba(X), model.predict_proba(X))
    scores = model.discriminant_.scores(X.astype(np.float64))
    common = np.zeros(len(scores))
    for column in scores.T:
        common += column
    scores -= common[:, None] / scores.shape[1]
    np.testing.assert_array_equal(model.seen(X), np.hstack([X, scores]).astype(np.float32))


def test_rows_do_not_depend_on_the_rows_beside_them() -> None:
    X, y = table(rows=9000)
    forest = RandomForestClassifier(5, random_state=0).fit(X[:300], classes_of(y, 3)[:300])
    found = fast(forest)
    whole = found.predict_proba(X)
    for part in (slice(0, 1), slice(3, 12), slice(8189, 8200), slice(1, 9000)):
        np.testing.assert_array_equal(found.predict_proba(X[part]), whole[part])
    assert found.predict_proba(X[:0]).shape == (0, 3)


def test_it_can_be_sent_to_another_process() -> None:
    X, y = table()
    forest = RandomForestRegressor(5, random_state=0).fit(X, y)
    sent = pickle.loads(pickle.dumps(fast(forest)))
    np.testing.assert_array_equal(sent.predict(X), forest.predict(X))
