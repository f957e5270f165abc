"""Learning a response on another scale and turning it back without the bias that this brings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import KFold
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

TRANSFORMS = ("none", "sqrt", "log1p")


class TransformedResponse(RegressorMixin, BaseEstimator):
    """A regressor that learns the square root or the logarithm of a response that is not negative.

    The mean of y is not the back-transformed mean of f(y). With r the residuals on the transformed scale, taken from
    held-out folds (a flexible model's own residuals are too small):

    * ``sqrt``: E[y] = E[z]^2 + Var(r), the exact second moment of z = sqrt(y);
    * ``log1p``: E[1 + y] = exp(E[z]) * mean(exp(r)), the smearing estimate (Duan 1983, JASA 78:605-610).

    Parameters
    ----------
    estimator : regressor
        Learns the transformed response; a constant when left out.
    scale : {"none", "sqrt", "log1p"}
    folds : int
        Held-out folds behind the correction.
    random_state : int or None
        How the folds are drawn.

    Attributes
    ----------
    estimator_ : regressor
    correction_ : float
        Var(r), or mean(exp(r)).
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        scale: str = "none",
        folds: int = 5,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.scale = scale
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> TransformedResponse:
        """Learn from features (n, f) and responses (n,)."""
        if self.scale not in TRANSFORMS:
            raise ValueError(f"scale={self.scale!r} is not one of {TRANSFORMS}")
        features, response = validate_data(self, X, y, y_numeric=True)
        if self.scale != "none" and np.min(response) < 0:
            raise ValueError(f"scale={self.scale!r} needs responses that are not negative")
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, features)
        base = DummyRegressor() if self.estimator is None else self.estimator
        z = np.asarray(response, dtype=np.float64)
        if self.scale == "sqrt":
            z = np.sqrt(z)
        elif self.scale == "log1p":
            z = np.log1p(z)
        self.correction_ = self._correction(base, features, z, weight)
        self.estimator_ = _fitted(base, features, z, weight)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Expected response (n,) in its own unit."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        z = self.estimator_.predict(X)
        if self.scale == "sqrt":
            return np.maximum(z, 0.0) ** 2 + self.correction_
        if self.scale == "log1p":
            return np.maximum(np.exp(z) * self.correction_ - 1.0, 0.0)
        return z

    def _correction(self, base: Any, X: NDArray[Any], z: NDArray[Any], weight: NDArray[Any] | None) -> float:
        neutral = {"none": 0.0, "sqrt": 0.0, "log1p": 1.0}[self.scale]
        folds = min(self.folds, len(z))
        if self.scale == "none" or folds < 2:
            return neutral
        residual = np.empty(len(z))
        for train, test in KFold(folds, shuffle=True, random_state=self.random_state).split(X):
            fitted = _fitted(base, X[train], z[train], None if weight is None else weight[train])
            residual[test] = z[test] - fitted.predict(X[test])
        share = residual**2 if self.scale == "sqrt" else np.exp(residual)
        return float(np.average(share, weights=weight))


def _fitted(base: Any, X: NDArray[Any], z: NDArray[Any], weight: NDArray[Any] | None) -> Any:
    fresh = clone(base)
    return fresh.fit(X, z) if weight is None else fresh.fit(X, z, sample_weight=weight)
