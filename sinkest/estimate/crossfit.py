"""Cross-fitting: predictions for each plot from a model that never saw it.

A flexible model follows the plots it was trained on, so its residuals there are far too small, and every variance built
on them claims a precision that is not there. Residuals of held-out plots do not have that fault.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.freedom import effective
from sinkest.estimate.outcome import Outcome
from sinkest.estimate.strata import ordered

Floats = NDArray[np.float64]


class Regressor(Protocol):
    """What is needed of a model: scikit-learn's two methods."""

    def fit(self, x: Any, y: Any) -> Any:
        """Train on plots."""

    def predict(self, x: Any) -> Any:
        """Predict for rows like those it was trained on."""


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Out-of-fold predictions.

    Attributes
    ----------
    prediction : ndarray of shape (n,)
        Each plot's prediction by the model trained without its fold.
    residual : ndarray of shape (n,)
        Observed minus that prediction.
    fold : ndarray of shape (n,)
    models : dict
        The trained model that left out each fold.
    """

    prediction: Floats
    residual: Floats
    fold: NDArray[Any]
    models: dict[Any, Any]

    @property
    def rmse(self) -> float:
        """Root of the mean squared residual."""
        return math.sqrt(float((self.residual**2).mean()))

    @property
    def r2(self) -> float:
        """Share of the variance about the mean that held-out predictions explain; may be negative."""
        y = self.prediction + self.residual
        spread = float(((y - y.mean()) ** 2).sum())
        return 1.0 - float((self.residual**2).sum()) / spread if spread > 0 else math.nan

    def __repr__(self) -> str:
        return f"CrossFit(n={len(self.residual)}, folds={len(self.models)}, rmse={self.rmse:.4g}, r2={self.r2:.3f})"


def assign_folds(n: int, k: int, rng: np.random.Generator, groups: ArrayLike | None = None) -> NDArray[np.intp]:
    """Deal plots, or whole groups of them (clusters, spatial blocks), out to folds of like size.

    Parameters
    ----------
    n : int
        Number of plots.
    k : int
        Number of folds.
    rng : numpy.random.Generator
    groups : array, shape (n,), optional
        Plots of one group stay together; large groups are dealt first, each to the smallest fold.

    Raises
    ------
    InputError
        If there are fewer plots or groups than folds, or fewer than two folds.
    """
    names = np.arange(n) if groups is None else checks.labels("groups", groups, n)
    code, distinct = pd.factorize(names)
    if k < 2 or len(distinct) < k:
        raise InputError("smallarea.folds", k=k, groups=len(distinct))
    size = np.bincount(code)
    shuffled = rng.permutation(len(distinct))
    order = shuffled[np.argsort(-size[shuffled], kind="stable")]
    fold_of, load = np.empty(len(distinct), dtype=np.intp), np.zeros(k)
    for group in order:
        fold_of[group] = int(np.argmin(load))
        load[fold_of[group]] += size[group]
    return fold_of[code]


def cross_fit(estimator: Regressor, x: ArrayLike | pd.DataFrame, y: ArrayLike, folds: ArrayLike) -> CrossFit:
    """Predict every plot with a model trained on the other folds.

    Parameters
    ----------
    estimator : object with ``fit`` and ``predict``
        Copied for every fold; the one given stays untouched.
    x : array or DataFrame, shape (n, p)
        Features of the plots, handed on as they are.
    y : array, shape (n,)
    folds : array, shape (n,)
        Fold of each plot, e.g. from `assign_folds` or spatial blocks.

    Raises
    ------
    InputError
        If lengths differ, there is only one fold, or a model returns no finite number for every plot.
    """
    response = checks.vector("y", y)
    n = len(response)
    if len(x) != n:  # type: ignore[arg-type]
        raise InputError("estimate.wrong_length", name="x", given=len(x), expected=n)  # type: ignore[arg-type]
    fold = checks.labels("folds", folds, n)
    names = ordered(fold)
    if len(names) < 2:
        raise InputError("smallarea.folds", k=len(names), groups=n)
    prediction, models = np.empty(n), {}
    for name in names:
        held = fold == name
        model = copy.deepcopy(estimator)
        model.fit(_rows(x, ~held), response[~held])
        prediction[held] = _predicted(model, _rows(x, held), int(held.sum()))
        models[name] = model
    return CrossFit(prediction, response - prediction, fold, models)


@dataclass(frozen=True, kw_only=True, repr=False)
class CrossFitEstimate(Outcome):
    """Mean per unit by cross-fitted difference.

    Attributes
    ----------
    variance_in_sample : float
        What the residuals of a model on its own training plots would have claimed.
    variance_plots : float
        From the plots alone, without the map.
    """

    variance_in_sample: float
    variance_plots: float

    @property
    def relative_efficiency(self) -> float:
        """How many times the plots would be needed without the map."""
        return self.variance_plots / self.variance if self.variance > 0 else math.nan


def cross_fitted_mean(
    estimator: Regressor,
    x: ArrayLike | pd.DataFrame,
    y: ArrayLike,
    folds: ArrayLike,
    x_population: ArrayLike | pd.DataFrame,
    *,
    population_weight: ArrayLike | None = None,
    population_size: float | None = None,
) -> CrossFitEstimate:
    """Mean per unit from a map model and the plots it was trained on, by difference.

    Every fold gives a difference estimate with a model that did not see it, ``mean(map) + mean(y - prediction)``; they
    are averaged with their plots as weights. Variance: that of the held-out residuals over n.

    Parameters
    ----------
    estimator, x, y, folds
        As in `cross_fit`.
    x_population : array or DataFrame, shape (m, p)
        Features of all units of the population (pixels), or of a large random sample of them.
    population_weight : array, shape (m,), optional
        Area of each.
    population_size : float, optional
        Number of units, for the finite population correction.

    Raises
    ------
    InputError
        As `cross_fit`.
    """
    found = cross_fit(estimator, x, y, folds)
    n, m = len(found.residual), len(x_population)  # type: ignore[arg-type]
    weight = np.ones(m) if population_weight is None else checks.vector("population_weight", population_weight, m)
    if (weight < 0).any() or not weight.sum() > 0:
        raise InputError("smallarea.population_weight")
    if population_size is not None and not population_size >= n:
        raise InputError("smallarea.domain_size", name="population_size", domain="-", size=population_size, n=n)
    estimate = 0.0
    for name, model in found.models.items():
        held = found.fold == name
        level = float(np.average(_predicted(model, x_population, m), weights=weight))
        estimate += held.mean() * (level + float(found.residual[held].mean()))
    whole = copy.deepcopy(estimator)
    response = found.prediction + found.residual
    whole.fit(x, response)
    apparent = response - _predicted(whole, x, n)
    left = 1.0 if population_size is None else 1.0 - n / population_size
    return CrossFitEstimate(
        estimate=estimate,
        variance=left * float(found.residual.var(ddof=1)) / n,
        n=n,
        method="cross_fitted_difference",
        df=effective(found.residual - found.residual.mean(), n - 1.0),
        variance_in_sample=left * float(apparent.var(ddof=1)) / n,
        variance_plots=left * float(response.var(ddof=1)) / n,
    )


def _rows(x: ArrayLike | pd.DataFrame, keep: NDArray[np.bool_]) -> Any:
    return x.loc[keep] if isinstance(x, pd.DataFrame) else np.asarray(x)[keep]


def _predicted(model: Regressor, x: Any, n: int) -> Floats:
    values = np.asarray(model.predict(x), dtype=np.float64).reshape(-1)
    if len(values) != n or not np.isfinite(values).all():
        raise InputError("smallarea.bad_predictions", given=int(np.isfinite(values).sum()), expected=n)
    return values
