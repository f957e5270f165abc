"""Model-based and hybrid variance of the total (or mean) of a map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.outcome import Outcome
from sinkest.estimate.population import Design, population_means
from sinkest.estimate.regression import auxiliaries, keep_independent, least_squares
from sinkest.messages import Message

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, repr=False)
class MappedTotal(Outcome):
    """Total or mean of a map, with the sources of its variance.

    Attributes
    ----------
    variance_parameters : float
        From the model's coefficients, estimated on the plots.
    variance_residual : float
        From what the model leaves unexplained on the ground, allowing for its spatial correlation.
    variance_first_phase : float
        From predictions being known on a sample of footprints only; zero for a wall-to-wall map.
    """

    variance_parameters: float
    variance_residual: float
    variance_first_phase: float

    @property
    def shares(self) -> pd.Series:
        """Share of each source in the variance; they add up to 1."""
        return variance_shares(
            {
                "parameters": self.variance_parameters,
                "residual": self.variance_residual,
                "first_phase": self.variance_first_phase,
            }
        )


def variance_shares(parts: dict[str, float]) -> pd.Series:
    """Divide variances of independent sources by their sum.

    Raises
    ------
    InputError
        If one is negative or missing, or all are zero.
    """
    values = pd.Series(parts, dtype=np.float64)
    if not (values >= 0).all() or not values.sum() > 0:
        raise InputError("smallarea.variance_parts", parts=", ".join(f"{k}={v:g}" for k, v in values.items()))
    return (values / values.sum()).rename("share")


@dataclass(frozen=True, eq=False)
class Coefficients:
    """A linear model and how well its coefficients are known.

    Attributes
    ----------
    beta : Series
        By auxiliary, the intercept first.
    covariance : ndarray of shape (k, k)
    residual : ndarray of shape (n,)
    columns : list of int
        Columns of the design (intercept 0) that were kept.
    notes : tuple of Message
    """

    beta: pd.Series
    covariance: Floats
    residual: Floats
    columns: list[int]
    notes: tuple[Message, ...]


def fit_coefficients(y: ArrayLike, x: ArrayLike | pd.DataFrame, *, cluster: ArrayLike | None = None) -> Coefficients:
    """Least squares with a covariance that allows for unequal spread, and for correlation within clusters.

    Sandwich covariance with the usual small-sample factors: ``n / (n - k)`` for plots, and
    ``G / (G - 1) (n - 1) / (n - k)`` for G clusters (J. G. MacKinnon & H. White, J. Econom. 29 (1985) 305-325;
    A. C. Cameron & D. L. Miller, J. Hum. Resour. 50 (2015) 317-372).

    Parameters
    ----------
    y : array, shape (n,)
    x : array or DataFrame, shape (n, p)
        Without intercept.
    cluster : array, shape (n,), optional

    Raises
    ------
    InputError
        If values are missing or there are not more plots (or clusters) than coefficients.
    """
    table = auxiliaries("x", x)
    n = len(table.values)
    response = checks.vector("y", y, n)
    kept, notes = keep_independent(table.design, table.names)
    fit = least_squares(table.design[:, kept], response)
    scale = np.sqrt((fit.design**2).mean(axis=0))
    scaled = fit.design / scale
    inverse = np.linalg.inv(scaled.T @ scaled)
    scores = scaled * fit.residual[:, None]
    factor = n / (n - len(kept))
    if cluster is not None:
        code, names = pd.factorize(checks.labels("cluster", cluster, n))
        if len(names) <= len(kept):
            raise InputError("smallarea.too_few_for_model", n=len(names), coefficients=len(kept))
        scores = np.column_stack([np.bincount(code, weights=column) for column in scores.T])
        factor = len(names) / (len(names) - 1.0) * (n - 1.0) / (n - len(kept))
    covariance = factor * inverse @ (scores.T @ scores) @ inverse / np.outer(scale, scale)
    every = ("intercept", *table.names)
    beta = pd.Series(fit.beta, index=[every[j] for j in kept], name="coefficient")
    return Coefficients(beta, covariance, fit.residual, kept, notes)


def mapped_total(
    total: float,
    gradient: ArrayLike,
    coefficient_covariance: ArrayLike,
    *,
    residual_variance: float = 0.0,
    first_phase_variance: float = 0.0,
    n: int = 0,
    df: float | None = None,
) -> MappedTotal:
    """Variance of a total over a map from its sources.

    ``d' Cov(beta) d + V_residual + V_first_phase`` (G. Ståhl et al., For. Ecosyst. 3:5 (2016)). With pixels by the
    million the residual part does not vanish, since neighbours err alike: get it from `correlated_variance`.

    Parameters
    ----------
    total : float
        Sum over the map of prediction times area.
    gradient : array, shape (k,)
        Derivative of the total by each coefficient; for a linear model the sum of area times auxiliary, the area
        itself first.
    coefficient_covariance : array, shape (k, k)
    residual_variance, first_phase_variance : float
        In the unit of the total, squared.
    n : int
        Plots the model was fitted on.
    df : float, optional
        For t quantiles, e.g. n less the number of coefficients.

    Raises
    ------
    InputError
        If sizes differ, or a variance is negative or missing.
    """
    d = checks.vector("gradient", gradient)
    covariance = checks.matrix("coefficient_covariance", coefficient_covariance, len(d))
    if covariance.shape != (len(d), len(d)):
        raise InputError("smallarea.no_covariance", k=len(d))
    parameters = float(d @ covariance @ d)
    parts = {"parameters": parameters, "residual": residual_variance, "first_phase": first_phase_variance}
    if not all(value >= 0 and math.isfinite(value) for value in parts.values()) or not math.isfinite(total):
        raise InputError("smallarea.variance_parts", parts=", ".join(f"{k}={v:g}" for k, v in parts.items()))
    return MappedTotal(
        estimate=float(total),
        variance=sum(parts.values()),
        n=n,
        method="model_based" if first_phase_variance == 0 else "hybrid",
        df=df,
        notes=() if residual_variance > 0 else (Message.of("smallarea.no_residual_part"),),
        variance_parameters=parameters,
        variance_residual=float(residual_variance),
        variance_first_phase=float(first_phase_variance),
    )


def hybrid_mean(
    prediction: ArrayLike,
    gradient: ArrayLike,
    coefficient_covariance: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    residual_variance: float = 0.0,
    n: int = 0,
) -> MappedTotal:
    """Mean over a sample of footprints (e.g. lidar shots) of predictions by a model fitted elsewhere.

    The footprints are a probability sample, of clusters (tracks) where given; on each of them the model predicts. The
    variance is that of the mean over the sample plus ``mean(g)' Cov(beta) mean(g)`` (G. Ståhl et al. 2016;
    P. L. Patterson et al., Environ. Res. Lett. 14 (2019) 065007).

    Parameters
    ----------
    prediction : array, shape (m,)
    gradient : array, shape (m, k)
        Derivative of each prediction by the coefficients; for a linear model the rows of its design, intercept first.
    coefficient_covariance : array, shape (k, k)
    cluster : array, shape (m,), optional
        Track of each footprint.
    residual_variance : float
        Of the mean, from `correlated_variance`.
    n : int
        Plots the model was fitted on.

    Raises
    ------
    InputError
        As `mapped_total`; also if there are fewer than two footprints or tracks.
    """
    value = checks.vector("prediction", prediction)
    checks.require_rows("prediction", len(value), 2)
    slopes = checks.matrix("gradient", gradient, len(value)).mean(axis=0)
    found = population_means(value[:, None], Design(cluster=cluster))
    variance, df = found.variance([1.0])
    return mapped_total(
        float(found.estimate[0]),
        slopes,
        coefficient_covariance,
        residual_variance=residual_variance,
        first_phase_variance=variance,
        n=n,
        df=df,
    )
