"""Model-assisted estimators: a map or other auxiliary carries the mean, the plots carry what it misses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats, require_rows, vector
from sinkest.estimate.expansion import Rule, expansion_variance
from sinkest.estimate.freedom import effective
from sinkest.estimate.population import Design, Sizes, inclusion_probabilities, population_means
from sinkest.estimate.regression import auxiliaries, keep_independent, known_means, least_squares, r_squared
from sinkest.estimate.result import MeanEstimate
from sinkest.estimate.systematic import Pattern, by_pattern
from sinkest.messages import Message


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class GregEstimate(MeanEstimate):
    """Mean per unit from the generalised regression estimator.

    Attributes
    ----------
    coefficients : Series
        By auxiliary, the intercept first.
    weights : array, shape (n,)
        Weights that reproduce the known means of the auxiliaries; ``sum(weights * y)`` is the estimate.
    residuals : array, shape (n,)
    r2 : float
    relative_efficiency : float
        Variance of the plots alone over the variance with the auxiliaries: 2 means as good as twice the plots.
    """

    coefficients: pd.Series
    weights: Floats
    residuals: Floats
    r2: float
    relative_efficiency: float


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class DifferenceEstimate(MeanEstimate):
    """Mean per unit from a map corrected by the plots' mean residual.

    Attributes
    ----------
    correction : float
        Mean residual: what the map misses on average.
    relative_efficiency : float
        As in `GregEstimate`.
    """

    correction: float
    relative_efficiency: float


def greg(
    y: ArrayLike,
    x: ArrayLike | pd.DataFrame,
    x_mean: Any,
    population_size: float | None = None,
    *,
    probability: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
    variance: Rule = "hajek_berger",
    joint_probability: ArrayLike | None = None,
    g_weights: bool = False,
) -> GregEstimate:
    """Mean per unit by regression on auxiliaries whose population means are known.

    Särndal, Swensson & Wretman (1992, ch. 6): ``x_mean' beta`` plus the weighted mean residual, which the intercept
    makes zero. The variance is that of the residuals.

    Parameters
    ----------
    y : array, shape (n,)
        Response per unit.
    x : array or DataFrame, shape (n, p)
        Auxiliaries of the sampled units; no intercept column.
    x_mean : array, mapping or Series
        Their population means, by position or by name.
    population_size : float, optional
        Number of units in the population: finite population correction and totals.
    probability : array, shape (n,), optional
        Inclusion probabilities, where they are not equal.
    coordinates : array, shape (n, 2), optional
        Positions (projected, metres): adds the local variance.
    design : {"random", "systematic"}
        Which of the two variances to report.
    variance : {"hajek_berger", "hansen_hurwitz", "joint"}
        See `sinkest.estimate.expansion.expansion_variance`; the first is the usual residual variance for equal
        probabilities.
    joint_probability : array, shape (n, n), optional
    g_weights : bool
        Weight the residuals with the g-weights: nearer the truth for small or unbalanced samples.

    Returns
    -------
    GregEstimate
        Its interval is by t with n - p degrees of freedom, or fewer where residuals have heavy tails
        (`sinkest.estimate.freedom`).

    Raises
    ------
    InputError
        If values or means are missing, or there are not more plots than coefficients.

    Notes
    -----
    Predictions of a flexible model fitted on the same plots must come from folds that left the plot out; residuals on
    the plots the model has seen are too small.
    """
    response = vector("y", y)
    n = len(response)
    require_rows("y", n, 2)
    table = auxiliaries("x", x, n)
    mean = known_means("x_mean", x_mean, table.names)
    pi, size = sample_weights(n, population_size, probability)
    kept, notes = keep_independent(table.design, table.names)
    fit = least_squares(table.design[:, kept], response, 1.0 / pi)
    g = fit.g_weights(mean[kept], float(size))
    weights = g / pi / size
    scored = g * fit.residual if g_weights else fit.residual
    total, more = expansion_variance(scored, pi, variance, joint_probability)
    alone, _ = expansion_variance(response - np.average(response, weights=1.0 / pi), pi, variance, joint_probability)
    fraction = 0.0 if population_size is None else n / population_size
    random = total / size**2
    scores = scored / pi / size
    df = effective(scores - scores.mean(), float(n - len(kept)))
    chosen = by_pattern(random, df, scores, coordinates, design, fraction)
    if n < 5 * len(kept):
        more = (*more, Message.of("estimate.note_few_plots", n=n, columns=len(kept)))
    return GregEstimate(
        estimate=float(mean[kept] @ fit.beta),
        variance=chosen.variance,
        n=n,
        method="greg",
        df=chosen.df,
        notes=notes + more,
        variance_random=random,
        variance_local=chosen.local,
        population_size=population_size,
        coefficients=pd.Series(fit.beta, index=[("Intercept", *table.names)[j] for j in kept], name="coefficient"),
        weights=weights,
        residuals=fit.residual,
        r2=r_squared(response, fit.residual),
        relative_efficiency=alone / total if total > 0 else float("inf"),
    )


def difference(
    y: ArrayLike,
    prediction: ArrayLike,
    prediction_mean: float,
    population_size: float | None = None,
    *,
    stratum: ArrayLike | None = None,
    stratum_weight: Sizes | None = None,
    probability: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
) -> DifferenceEstimate:
    """Mean per unit of a map plus the mean residual of the plots.

    Unbiased for any map that was made without these plots, or whose predictions at the plots come from folds that left
    them out (Särndal, Swensson & Wretman 1992, sec. 6.3).

    Parameters
    ----------
    y, prediction : array, shape (n,)
        Measured and predicted value of each plot.
    prediction_mean : float
        Mean of the map over the whole population.
    population_size : float, optional
        Number of units in the population: finite population correction and totals.
    stratum, stratum_weight, probability, cluster
        As in `sinkest.estimate.total.stratified_mean`.
    coordinates, design
        As in `greg`.

    Raises
    ------
    InputError
        If values are missing or there are fewer than two plots.
    """
    response = vector("y", y)
    require_rows("y", len(response), 2)
    predicted = vector("prediction", prediction, len(response))
    centre = float(vector("prediction_mean", [prediction_mean])[0])
    fraction = sampled_fraction(len(response), population_size)
    plan = Design(stratum=stratum, stratum_weight=stratum_weight, probability=probability, cluster=cluster)
    found = population_means(np.column_stack([response - predicted, response]), plan)
    missed, df = found.variance([1.0, 0.0])
    alone, _ = found.variance([0.0, 1.0])
    random = (1.0 - fraction) * missed
    chosen = by_pattern(random, df, found.scores[:, 0], coordinates, design, fraction)
    return DifferenceEstimate(
        estimate=centre + float(found.estimate[0]),
        variance=chosen.variance,
        n=found.n,
        method="difference",
        df=chosen.df,
        notes=found.notes,
        variance_random=random,
        variance_local=chosen.local,
        population_size=population_size,
        correction=float(found.estimate[0]),
        relative_efficiency=alone / missed if missed > 0 else float("inf"),
    )


def sampled_fraction(n: int, population_size: float | None) -> float:
    """Share of the population that was sampled; 0 where its size is not given.

    Raises
    ------
    InputError
        If the sample is larger than the population.
    """
    if population_size is None:
        return 0.0
    size = float(vector("population_size", [population_size])[0])
    if size < n:
        raise InputError("estimate.population_too_small", n=n, size=size)
    return n / size


def sample_weights(n: int, population_size: float | None, probability: ArrayLike | None) -> tuple[Floats, float]:
    """Inclusion probabilities and population size; without either, those of a population too large to matter."""
    fraction = sampled_fraction(n, population_size)
    if probability is not None:
        pi = inclusion_probabilities(probability, n)
        return pi, float((1.0 / pi).sum()) if population_size is None else float(population_size)
    if population_size is None:
        # any size serves as long as the sampled share is too small to be seen in the result
        return np.full(n, _NEGLIGIBLE), n / _NEGLIGIBLE
    return np.full(n, fraction), float(population_size)


_NEGLIGIBLE = 2.0**-60  # a power of two leaves every digit of the values alone
