"""How far a single prediction may be off: a standard deviation for every pixel, held against held-out residuals.

It is the error of one pixel. Errors of neighbouring pixels resemble each other, so it says nothing by itself of the
error of a sum over many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from sinkest.errors import InputError
from sinkest.learn.fast import fast

BINS = 10
MIN_PER_BIN = 20
ROUNDS = 4
LEAST_SHARE = 0.02
"""Least constant part of the variance, as a share of the mean squared residual."""


def moments(estimator: Any, X: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Prediction of an estimator and, for a forest, the standard deviation between its trees.

    Parameters
    ----------
    estimator : fitted regressor
        A forest of scikit-learn, an average of models (``VotingRegressor``) with a forest in it, or any other.
    X : float32 array (n, f)

    Returns
    -------
    mean : float64 array (n,)
    spread : float64 array (n,) or None
    """
    return fast(estimator).moments(np.ascontiguousarray(X, dtype=np.float32))


@dataclass(frozen=True)
class Spread:
    """Standard deviation of the error of a prediction.

    With a spread s between trees the variance is ``base + slope * s^2``, both at least 0, by reweighted least squares
    on the squared held-out residuals, then scaled so that standardised held-out residuals have mean square 1. Without
    it the variance is read from bins of the predicted value, linear between their middles and constant outside.

    Attributes
    ----------
    kind : str
        ``trees`` or ``bins``.
    base, slope : float
        Of kind ``trees``; in the squared unit of the response, and without unit.
    middle, variance : float64 arrays (b,)
        Of kind ``bins``: mean prediction and mean squared residual of each bin.
    """

    kind: str
    base: float
    slope: float
    middle: NDArray[np.float64]
    variance: NDArray[np.float64]

    @classmethod
    def fit(cls, observed: ArrayLike, predicted: ArrayLike, between: ArrayLike | None) -> Spread:
        """Learn from held-out predictions.

        Parameters
        ----------
        observed, predicted : array_like (n,)
            Response, and its prediction by a model that has not seen it.
        between : array_like (n,) or None
            Standard deviation between the trees of that model.
        """
        o, p = np.asarray(observed, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
        if o.shape != p.shape or o.ndim != 1 or len(o) < 2:
            raise InputError("learn.unequal", first=o.shape, second=p.shape)
        squared = (o - p) ** 2
        if between is None:
            return cls._of_bins(p, squared)
        s2 = np.asarray(between, dtype=np.float64) ** 2
        design = np.column_stack([np.ones(len(s2)), s2])
        least = LEAST_SHARE * float(squared.mean())
        variance = np.ones(len(s2))
        base = slope = 0.0
        for _ in range(ROUNDS):
            # A squared residual scatters in proportion to the variance it estimates.
            (base, slope), _ = nnls(design / variance[:, None], squared / variance)
            # Trees that agree perfectly somewhere are no evidence of a perfect prediction there.
            base = max(base, least)
            variance = base + slope * s2 if base > 0 else np.ones(len(s2))
        factor = float((squared / variance).mean()) if base > 0 else 1.0
        return cls("trees", float(base * factor), float(slope * factor), np.empty(0), np.empty(0))

    @classmethod
    def _of_bins(cls, predicted: NDArray[np.float64], squared: NDArray[np.float64]) -> Spread:
        order = np.argsort(predicted, kind="stable")
        parts = np.array_split(order, max(1, min(BINS, len(order) // MIN_PER_BIN)))
        middle = np.array([predicted[part].mean() for part in parts])
        variance = np.array([squared[part].mean() for part in parts])
        fitted = cls("bins", 0.0, 0.0, middle, variance)
        at = fitted.deviation(predicted, None) ** 2
        factor = float((squared[at > 0] / at[at > 0]).mean()) if (at > 0).any() else 1.0
        return cls("bins", 0.0, 0.0, middle, variance * factor)

    def deviation(self, predicted: ArrayLike, between: ArrayLike | None) -> NDArray[np.float64]:
        """Standard deviation of the errors of predictions (n,), in the unit of the response."""
        p = np.asarray(predicted, dtype=np.float64)
        if self.kind == "bins":
            return np.sqrt(np.interp(p, self.middle, self.variance))
        return np.sqrt(self.base + self.slope * np.asarray(between, dtype=np.float64) ** 2)
