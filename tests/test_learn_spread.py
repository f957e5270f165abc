"""Standard deviation of single predictions, held against residuals of data it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor, VotingRegressor
from sklearn.linear_model import LinearRegression

from sinkest.errors import InputError
from sinkest.learn.spread import Spread, moments


@pytest.mark.parametrize("kind", [ExtraTreesRegressor, RandomForestRegressor])
def test_moments_of_a_forest_are_those_of_its_trees(kind: type) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)).astype(np.float32)
    forest = kind(n_estimators=7, random_state=0, n_jobs=1).fit(X, X[:, 0] * 10)
    mean, spread = moments(forest, X)
    each = np.array([tree.predict(X) for tree in forest.estimators_])
    np.testing.assert_allclose(mean, forest.predict(X), rtol=1e-12)
    np.testing.assert_allclose(spread, each.std(axis=0), atol=1e-6)


def test_an_average_of_models_has_the_spread_of_its_forest() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)).astype(np.float32)
    forest = ExtraTreesRegressor(n_estimators=7, random_state=0)
    average = VotingRegressor([("trees", forest), ("line", LinearRegression())], weights=[0.7, 0.3]).fit(X, X[:, 0])
    mean, spread = moments(average, X)
    np.testing.assert_allclose(mean, average.predict(X), rtol=1e-9)
    np.testing.assert_array_equal(spread, moments(average.named_estimators_["trees"], X)[1])


def test_other_estimators_have_no_spread() -> None:
    X = np.arange(10, dtype=np.float32)[:, None]
    mean, spread = moments(LinearRegression().fit(X, X[:, 0]), X)
    np.testing.assert_allclose(mean, X[:, 0], atol=1e-5)
    assert spread is None


def test_the_scale_is_recovered() -> None:
    # Residual variance 25 + 4 s^2 by construction.
    rng = np.random.default_rng(0)
    between = rng.uniform(0, 10, 20_000)
    predicted = rng.uniform(0, 100, 20_000)
    observed = predicted + rng.normal(size=20_000) * np.sqrt(25 + 4 * between**2)
    spread = Spread.fit(observed, predicted, between)
    assert spread.base == pytest.approx(25, rel=0.15)
    assert spread.slope == pytest.approx(4, rel=0.05)
    np.testing.assert_allclose(spread.deviation([50.0], [0.0]), [np.sqrt(spread.base)])


@pytest.mark.parametrize("with_trees", [True, False])
def test_standardised_residuals_have_mean_square_one(with_trees: bool) -> None:
    rng = np.random.default_rng(1)
    predicted = rng.gamma(2, 30, 500)
    observed = predicted + rng.normal(size=500) * (5 + 0.3 * predicted)
    between = 0.2 * predicted * rng.uniform(0.5, 1.5, 500) if with_trees else None
    spread = Spread.fit(observed, predicted, between)
    z = (observed - predicted) / spread.deviation(predicted, between)
    assert (z**2).mean() == pytest.approx(1, rel=1e-9)


def test_without_trees_the_spread_follows_the_predicted_value() -> None:
    rng = np.random.default_rng(1)
    predicted = rng.uniform(0, 100, 5_000)
    observed = predicted + rng.normal(size=5_000) * (1 + 0.2 * predicted)
    found = Spread.fit(observed, predicted, None).deviation([10.0, 90.0], None)
    np.testing.assert_allclose(found, [3, 19], rtol=0.1)


def test_few_observations_make_one_bin() -> None:
    spread = Spread.fit([1.0, 2, 3], [2.0, 2, 2], None)
    np.testing.assert_allclose(spread.deviation([-5.0, 100.0], None), np.sqrt(2 / 3))


def test_trees_that_agree_are_no_proof() -> None:
    # Spread 0 everywhere, yet residuals of 1: the constant carries it.
    spread = Spread.fit([1.0, 3, 5, 7], [2.0, 2, 6, 6], np.zeros(4))
    np.testing.assert_allclose(spread.deviation([2.0], [0.0]), [1.0])


def test_a_perfect_model_has_no_spread() -> None:
    assert Spread.fit([1.0, 2, 3], [1.0, 2, 3], np.zeros(3)).deviation([1.0], [0.0]).tolist() == [0.0]
    assert Spread.fit([1.0, 2, 3], [1.0, 2, 3], None).deviation([1.0], None).tolist() == [0.0]


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        Spread.fit([1.0, 2], [1.0], None)
    assert caught.value.key == "learn.unequal"
