"""Transformed responses come back without bias."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sinkest.learn.response import TransformedResponse


@parametrize_with_checks([TransformedResponse(LinearRegression())])
def test_it_is_a_scikit_learn_estimator(estimator: TransformedResponse, check) -> None:
    check(estimator)


@pytest.mark.parametrize("scale", ["sqrt", "log1p"])
def test_the_mean_is_kept(scale: str) -> None:
    # Noise on the transformed scale: the plain back-transformation is too low by a fifth, the corrected one is not.
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 1, (4_000, 1))
    noise = rng.normal(size=4_000)
    z = (5 + 4 * X[:, 0] + 4 * noise) if scale == "sqrt" else (2 + X[:, 0] + 0.7 * noise)
    y = np.maximum(z, 0) ** 2 if scale == "sqrt" else np.expm1(np.maximum(z, 0))
    found = TransformedResponse(LinearRegression(), scale=scale, random_state=0).fit(X, y).predict(X)
    plain = LinearRegression().fit(X, np.sqrt(y) if scale == "sqrt" else np.log1p(y)).predict(X)
    back = plain**2 if scale == "sqrt" else np.expm1(plain)
    assert found.mean() == pytest.approx(y.mean(), rel=0.02)
    assert back.mean() < 0.85 * y.mean()


def test_the_square_root_by_hand() -> None:
    # A constant model of z = 1, 3, 1, 3, leave-one-out: the mean of the others is 7/3 or 5/3, residuals -4/3 and 4/3.
    y = np.array([1.0, 9, 1, 9])
    model = TransformedResponse(scale="sqrt", folds=4, random_state=0).fit(np.zeros((4, 1)), y)
    assert model.correction_ == pytest.approx(16 / 9)
    # E[y] = 2^2 + 16/9.
    np.testing.assert_allclose(model.predict([[0.0]]), [4 + 16 / 9])


def test_weights_count() -> None:
    X, y = np.zeros((6, 1)), np.array([0.0, 0, 0, 10, 10, 10])
    model = TransformedResponse(LinearRegression(), random_state=0)
    assert model.fit(X, y, sample_weight=[1, 1, 1, 3, 3, 3]).predict([[0.0]])[0] == pytest.approx(7.5)


def test_one_observation_needs_no_correction() -> None:
    model = TransformedResponse(scale="log1p").fit([[1.0]], [np.e - 1])
    np.testing.assert_allclose(model.predict([[1.0]]), [np.e - 1])


@pytest.mark.parametrize(("scale", "y"), [("cube", [1.0, 2.0]), ("sqrt", [1.0, -2.0]), ("log1p", [1.0, -2.0])])
def test_what_cannot_be_transformed(scale: str, y: list[float]) -> None:
    with pytest.raises(ValueError, match="scale"):
        TransformedResponse(scale=scale).fit([[0.0], [1.0]], y)
