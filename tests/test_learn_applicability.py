"""Area of applicability, against a plain implementation of its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist

from sinkest.errors import InputError
from sinkest.learn.applicability import AreaOfApplicability


def reference(X: np.ndarray, importance: np.ndarray, fold: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, float]:
    """Dissimilarity index of new rows and threshold, as in Meyer & Pebesma 2021, by full distance matrices."""
    center, scale = X.mean(axis=0), X.std(axis=0, ddof=1)
    known, asked = (X - center) / scale * importance, (new - center) / scale * importance
    mean = pdist(known).mean()
    own = cdist(known, known)
    own[fold[:, None] == fold[None, :]] = np.inf
    training = own.min(axis=1) / mean
    q1, q3 = np.quantile(training, [0.25, 0.75])
    return cdist(asked, known).min(axis=1) / mean, min(q3 + 1.5 * (q3 - q1), training.max())


@given(seed=st.integers(0, 10_000), n=st.integers(6, 60), f=st.integers(1, 14))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_it_is_the_definition_to_the_last_digits(seed: int, n: int, f: int) -> None:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(f, f))
    X, new = rng.normal(size=(n, f)) @ mixing, rng.normal(0, 2, size=(25, f)) @ mixing
    importance, fold = rng.uniform(0.01, 1, f), np.arange(n) % 3
    area = AreaOfApplicability.fit(X, importance, fold)
    index, threshold = reference(X, importance, fold, new)
    np.testing.assert_allclose(area.dissimilarity(new), index, rtol=1e-12)
    assert area.threshold == pytest.approx(threshold, rel=1e-12)
    np.testing.assert_array_equal(area.inside(new), index <= threshold)


def test_by_hand() -> None:
    # One feature, points 0, 1, 3, 6: mean 2.5, distances 1, 3, 6, 2, 5, 3 with mean 20/6. Folds a a b b: the nearest
    # in the other fold is 3 away from 0, 2 from 1 and from 3, 5 from 6; over the mean 0.9, 0.6, 0.6, 1.5.
    # Quartiles 0.6 and 1.05, whisker 1.725, capped at the largest, 1.5.
    area = AreaOfApplicability.fit([[0], [1], [3], [6]], [2.0], [0, 0, 1, 1])
    np.testing.assert_allclose(area.training_di, [0.9, 0.6, 0.6, 1.5])
    assert area.threshold == pytest.approx(1.5)
    # 8 lies 2 from 6, or 0.6 of the mean distance.
    np.testing.assert_allclose(area.dissimilarity([[8.0], [1.0]]), [0.6, 0.0])


def test_a_feature_without_importance_does_not_count() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    area = AreaOfApplicability.fit(X, [1.0, -0.5, 0.3], np.arange(40) % 4)
    far = X[:5] + np.array([0, 1000, 0])
    np.testing.assert_allclose(area.dissimilarity(far), 0, atol=1e-12)


def test_rows_do_not_influence_each_other() -> None:
    rng = np.random.default_rng(0)
    area = AreaOfApplicability.fit(rng.normal(size=(300, 5)), np.ones(5), np.arange(300) % 5)
    new = rng.normal(0, 1.5, size=(200, 5))
    whole = area.dissimilarity(new)
    np.testing.assert_array_equal(np.concatenate([area.dissimilarity(new[i : i + 7]) for i in range(0, 200, 7)]), whole)
    shuffled = rng.permutation(200)
    np.testing.assert_array_equal(area.dissimilarity(new[shuffled]), whole[shuffled])
    within = whole <= area.threshold
    assert 20 < within.sum() < 180, within.sum()
    np.testing.assert_array_equal(area.inside(new), within)
    np.testing.assert_array_equal(area.inside(new[shuffled]), within[shuffled])


def test_rows_without_data_are_outside() -> None:
    area = AreaOfApplicability.fit([[0.0, 1], [1, 2], [2, 1], [3, 5]], [1, 1], [0, 1, 0, 1])
    new = np.array([[0, 1], [np.nan, 1], [0, np.inf], [0, -np.inf]])
    assert np.isnan(area.dissimilarity(new)).tolist() == [False, True, True, True]
    assert area.inside(new).tolist() == [True, False, False, False]


def test_a_constant_feature_is_no_trouble() -> None:
    area = AreaOfApplicability.fit([[0.0, 7], [1, 7], [2, 7], [4, 7]], [1, 1], [0, 1, 0, 1])
    assert np.isfinite(area.dissimilarity([[1.5, 7]])).all()


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (([[1.0], [2.0]], [1.0], [0, 0]), "too_few"),
        (([[1.0], [np.nan]], [1.0], [0, 1]), "not_finite"),
        (([[1.0], [1.0]], [1.0], [0, 1]), "no_spread"),
        (([[1.0], [2.0]], [0.0], [0, 1]), "no_spread"),
        (([[1.0], [2.0]], [1.0, 2.0], [0, 1]), "unequal"),
    ],
)
def test_what_has_no_area(arguments: tuple, key: str) -> None:
    with pytest.raises(InputError) as caught:
        AreaOfApplicability.fit(*arguments)
    assert caught.value.key == f"learn.{key}"


def test_another_number_of_features_is_refused() -> None:
    area = AreaOfApplicability.fit([[0.0], [1], [3]], [1], [0, 1, 0])
    with pytest.raises(InputError) as caught:
        area.dissimilarity([[1.0, 2.0]])
    assert caught.value.key == "learn.unequal"


@pytest.mark.parametrize("points", [2, 9, 700])
@pytest.mark.parametrize("kind", ["near", "far", "ties", "one axis"])
def test_the_nearest_point_is_the_nearest_of_all(kind: str, points: int) -> None:
    rng = np.random.default_rng(points)
    X = rng.normal(size=(points, 5))
    asked = rng.normal(size=(400, 5)).repeat(2, axis=0)
    if kind == "far":
        asked = asked * 1e6 + 1e7
    elif kind == "ties":
        X, asked = np.round(X), np.round(asked)
    elif kind == "one axis":
        X[:, 1:] = 0.0
    X[0, 0] += 1.0
    area = AreaOfApplicability.fit(X, np.array([1.0, 0.7, 0.4, 0.2, 0.1]), np.arange(points) % 2)
    scaled = (asked - area.center) / area.scale * area.weight
    every = np.sqrt(((scaled[:, None] - area.points[None]) ** 2).sum(axis=2)).min(axis=1)
    np.testing.assert_allclose(area.dissimilarity(asked), every / area.mean_distance, rtol=1e-12)
    shuffled = rng.permutation(len(asked))
    np.testing.assert_array_equal(area.dissimilarity(asked[shuffled]), area.dissimilarity(asked)[shuffled])
