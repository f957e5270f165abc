"""Linear parts of the shipped models: right, and the same for a pixel whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from sinkest.learn.axes import WithDiscriminants
from sinkest.learn.linear import RowwiseDiscriminant, RowwiseRidge, _shrunk, weighted_sum

QUICK = WithDiscriminants(ExtraTreesClassifier(n_estimators=5, random_state=0))


@parametrize_with_checks([RowwiseRidge(), RowwiseDiscriminant(), QUICK])
def test_they_are_scikit_learn_estimators(estimator, check) -> None:
    check(estimator)


def sample(n: int = 200, f: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, f)) * 10.0 ** np.arange(f) + 5
    return X, (X - 5) @ (10.0 ** -np.arange(f)) + rng.normal(size=n)


def test_sums_do_not_depend_on_the_rows_beside() -> None:
    X, _ = sample(1_000, 37)
    c = np.random.default_rng(1).normal(size=37)
    whole = weighted_sum(X, c, 0.25)
    np.testing.assert_allclose(whole, X @ c + 0.25, rtol=1e-9)
    for size in (1, 3, 64, 999):
        parts = [weighted_sum(X[i : i + size], c, 0.25) for i in range(0, 1_000, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(weighted_sum(np.asfortranarray(X), c, 0.25), whole)


@pytest.mark.parametrize("model", [RowwiseRidge(), RowwiseDiscriminant(), QUICK])
def test_predictions_do_not_depend_on_the_rows_beside(model) -> None:
    X, y = sample(600, 20)
    fitted = model.fit(X, y if isinstance(model, RowwiseRidge) else np.digitize(y, [-1, 1]))
    ask = fitted.predict if isinstance(model, RowwiseRidge) else fitted.predict_proba
    whole = ask(X)
    parts = [ask(X[i : i + 7]) for i in range(0, 600, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_ridge_is_ridge_on_standardised_features() -> None:
    X, y = sample()
    ours = RowwiseRidge().fit(X, y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(ours.predict(X), Ridge(ours.alpha_).fit(Z, y).predict(Z), rtol=1e-9)


def test_ridge_chooses_by_generalised_cross_validation() -> None:
    X, y = sample(40)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    scores = {}
    for alpha in (0.1, 5.0, 1e5):
        hat = Z @ np.linalg.solve(Z.T @ Z + alpha * np.eye(6), Z.T) + 1 / 40
        residual = y - hat @ y
        scores[alpha] = (residual**2).mean() / (1 - np.trace(hat) / 40) ** 2
    assert RowwiseRidge(alphas=tuple(scores)).fit(X, y).alpha_ == min(scores, key=scores.get)


def test_without_penalty_it_is_least_squares() -> None:
    X, y = sample()
    ours = RowwiseRidge(alphas=(1e-12,)).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), LinearRegression().fit(X, y).predict(X), rtol=1e-6)


def test_a_feature_that_repeats_another_and_a_constant_one_are_no_trouble() -> None:
    X, y = sample(50, 3)
    X = np.column_stack([X, X[:, 0], np.full(50, 7.0)])
    assert np.isfinite(RowwiseRidge().fit(X, y).predict(X)).all()
    assert np.isfinite(RowwiseDiscriminant().fit(X, y > 0).predict_proba(X)).all()


def test_the_covariance_is_shrunk_as_ledoit_and_wolf_do() -> None:
    rng = np.random.default_rng(0)
    R = rng.normal(size=(50, 8)) @ rng.normal(size=(8, 8))
    expected, share = ledoit_wolf(R, assume_centered=True)
    covariance, found = _shrunk(R, np.ones(50))
    np.testing.assert_allclose(covariance, expected, rtol=1e-12)
    assert found == pytest.approx(share)


def test_discriminants_find_classes_that_differ_along_a_mixture() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 100)
    common = rng.normal(size=(300, 1)) * 5
    X = common + rng.normal(0, 0.3, (300, 4))
    X[:, 1] += 0.8 * y
    ours = RowwiseDiscriminant().fit(X, y)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.01).fit(X, y)
    assert (ours.predict(X) == y).mean() > 0.8
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.97
    np.testing.assert_allclose(ours.predict_proba(X).sum(axis=1), 1)


def test_trees_gain_by_the_scores() -> None:
    # Classes that differ only in the difference of two correlated features: a mixture, no single one.
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    common = rng.normal(size=400) * 5
    X = np.column_stack([common, common + y + rng.normal(0, 0.4, 400), rng.normal(size=(400, 3))])
    learn, ask = slice(0, 100), slice(100, 400)
    trees = ExtraTreesClassifier(n_estimators=50, min_samples_leaf=2, random_state=0)
    plain = trees.fit(X[learn], y[learn]).score(X[ask], y[ask])
    helped = WithDiscriminants(trees).fit(X[learn], y[learn])
    assert helped.score(X[ask], y[ask]) > plain + 0.05
    importance = helped.feature_importances_
    assert importance.sum() == pytest.approx(1)
    assert int(np.argmax(importance)) == 1


def test_weights_set_how_common_classes_are() -> None:
    X = np.array([[0.0], [1.0], [2.0], [1.0], [2.0], [3.0]])
    y = np.array([0, 0, 0, 1, 1, 1])
    even = RowwiseDiscriminant().fit(X, y)
    tilted = RowwiseDiscriminant().fit(X, y, sample_weight=[1, 1, 1, 9, 9, 9])
    # Half way between the class means the shares are those of the weights: 1/2, and 9/10.
    assert even.predict_proba([[1.5]])[0, 1] == pytest.approx(0.5)
    assert tilted.predict_proba([[1.5]])[0, 1] == pytest.approx(0.9)
