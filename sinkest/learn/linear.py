"""Linear models whose prediction for a pixel does not depend on the pixels beside it, to the last bit.

A matrix product may add up in another order for another number of rows. Here sums run feature by feature, so a map is
the same whatever blocks it is made in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

ALPHAS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)


def weighted_sum(X: NDArray[np.float64], coefficients: NDArray[np.float64], constant: float) -> NDArray[np.float64]:
    """``X @ coefficients + constant``, added up in the order of the features for every row alike.

    Parameters
    ----------
    X : float64 array (n, f)
    coefficients : float64 array (f,)
    constant : float

    Returns
    -------
    float64 array (n,)
    """
    total = np.full(len(X), float(constant))
    for column, coefficient in zip(X.T, coefficients, strict=True):
        total += column * coefficient
    return total


class RowwiseRidge(RegressorMixin, BaseEstimator):
    """Ridge regression on standardised features; the penalty is chosen by generalised cross-validation.

    Golub, Heath & Wahba 1979, Technometrics 21:215-223: the penalty with the least
    ``RSS / n / (1 - (1 + df) / n)^2``, df the effective number of coefficients.

    Parameters
    ----------
    alphas : sequence of float
        Penalties to choose from, for features of unit variance.

    Attributes
    ----------
    coef_ : float64 array (f,)
        For features in their own units.
    intercept_ : float
    alpha_ : float
    """

    def __init__(self, alphas: Sequence[float] = ALPHAS) -> None:
        self.alphas = alphas

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> RowwiseRidge:
        """Learn from features (n, f) and responses (n,)."""
        features, response = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        response = np.asarray(response, dtype=np.float64)
        weight = _check_sample_weight(sample_weight, features, dtype=np.float64)
        n = weight.sum()
        center, mean = weight @ features / n, weight @ response / n
        scale = _positive(np.sqrt(weight @ (features - center) ** 2 / n))
        Z, rest = (features - center) / scale, response - mean
        size, axes = np.linalg.eigh(Z.T @ (weight[:, None] * Z))
        size = np.maximum(size, 0.0)
        toward = axes.T @ (Z.T @ (weight * rest))
        scores = []
        for alpha in self.alphas:
            along = toward / (size + alpha)
            rss = weight @ rest**2 - 2 * along @ toward + along**2 @ size
            free = 1.0 - (1.0 + (size / (size + alpha)).sum()) / n
            scores.append(rss / free**2 if free > 0 else np.inf)
        self.alpha_ = float(self.alphas[int(np.argmin(scores))])
        self.coef_ = axes @ (toward / (size + self.alpha_)) / scale
        self.intercept_ = float(mean - (self.coef_ * center).sum())
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Response of each row (n,)."""
        check_is_fitted(self)
        return weighted_sum(validate_data(self, X, reset=False, dtype=np.float64), self.coef_, self.intercept_)


class RowwiseDiscriminant(ClassifierMixin, BaseEstimator):
    """Linear discriminant analysis: classes share one covariance, shrunk towards a multiple of the identity.

    The shrinkage is that of Ledoit & Wolf 2004, J. Multivar. Anal. 88:365-411, on features of unit variance within
    classes.

    Attributes
    ----------
    classes_ : array (c,)
    coef_ : float64 array (c, f)
    intercept_ : float64 array (c,)
    shrinkage_ : float
        Share of the identity in the covariance, 0 to 1.
    """

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> RowwiseDiscriminant:
        """Learn from features (n, f) and classes (n,); classes are as common as their weights."""
        features, classes = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(classes)
        weight = _check_sample_weight(sample_weight, features, dtype=np.float64)
        self.classes_, code = np.unique(classes, return_inverse=True)
        member = (code[:, None] == np.arange(len(self.classes_))) * weight[:, None]
        common = _positive(member.sum(axis=0))
        center = member.T @ features / common[:, None]
        within = features - center[code]
        n = weight.sum()
        scale = _positive(np.sqrt(weight @ within**2 / n))
        covariance, self.shrinkage_ = _shrunk(within / scale, weight)
        self.coef_ = np.linalg.solve(covariance, (center / scale).T).T / scale
        self.intercept_ = np.log(common / n) - 0.5 * (self.coef_ * center).sum(axis=1)
        return self

    def scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Linear score of each class (n, c) for rows that are known to be sound."""
        rows = np.asfortranarray(X)
        pairs = zip(self.coef_, self.intercept_, strict=True)
        return np.stack([weighted_sum(rows, coefficients, constant) for coefficients, constant in pairs], axis=1)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class (n, c), in the order of ``classes_``."""
        check_is_fitted(self)
        score = self.scores(validate_data(self, X, reset=False, dtype=np.float64))
        share = np.exp(score - score.max(axis=1, keepdims=True))
        total = np.zeros(len(share))
        for column in share.T:
            total += column
        return share / total[:, None]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable class (n,); the first of several."""
        check_is_fitted(self)
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]


def _shrunk(residuals: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Covariance of residuals (n, f) about 0, and how far it is shrunk."""
    n, f = weight.sum(), residuals.shape[1]
    covariance = residuals.T @ (weight[:, None] * residuals) / n
    level = np.trace(covariance) / f
    away = ((covariance - level * np.eye(f)) ** 2).sum()
    noise = (weight @ (residuals**2).sum(axis=1) ** 2 / n - (covariance**2).sum()) / n
    share = float(np.clip(noise / away, 0.0, 1.0)) if away > 0 else 0.0
    # A trace of the identity keeps the matrix invertible where features repeat each other.
    share = max(share, 1e-6)
    shrunk = (1.0 - share) * covariance + share * (level if level > 0 else 1.0) * np.eye(f)
    return shrunk, share


def _positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values > 0, values, 1.0)
