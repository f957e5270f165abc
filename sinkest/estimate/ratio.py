"""Ratios of two quantities seen on the same plots, and totals by such a ratio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sinkest.errors import InputError
from sinkest.estimate.assisted import sample_weights, sampled_fraction
from sinkest.estimate.checks import require_rows, vector
from sinkest.estimate.expansion import expansion_variance
from sinkest.estimate.freedom import effective
from sinkest.estimate.population import Design, Sizes, population_means
from sinkest.estimate.result import MeanEstimate
from sinkest.estimate.strata import Scheme
from sinkest.estimate.systematic import Pattern, by_pattern


@dataclass(frozen=True, kw_only=True, repr=False)
class RatioEstimate(MeanEstimate):
    """One quantity per unit of another.

    Attributes
    ----------
    numerator, denominator : float
        The two means (or totals, where areas were given).
    """

    numerator: float
    denominator: float


def ratio_of_means(
    y: ArrayLike,
    x: ArrayLike,
    stratum: ArrayLike | None = None,
    stratum_weight: Sizes | None = None,
    unit: ArrayLike | None = None,
    unit_area: Sizes | float | None = None,
    n_by_stratum: Sizes | None = None,
    *,
    scheme: Scheme = "post_stratified",
    stratum_size: Sizes | None = None,
    probability: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    observed: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
) -> RatioEstimate:
    """One quantity per unit of another, e.g. volume per hectare of forest.

    Both are estimated over the same plots; the variance is that of ``y - R x`` (Cochran 1977, 6.13; Bechtold &
    Patterson 2005, eq. 4.17).

    Parameters
    ----------
    y, x : array, shape (n,)
        Numerator and denominator on each plot, e.g. volume and forest area per hectare of plot, 0 outside the forest.
    scheme : {"post_stratified", "stratified"}
        Whether the strata were laid over the plots afterwards or the plots drawn by stratum.
    probability
        As in `stratified_mean`.
    stratum, stratum_weight, unit, unit_area, n_by_stratum, stratum_size, cluster, observed, coordinates, design
        As in `post_stratified`.

    Raises
    ------
    InputError
        As `post_stratified`; also if the denominator is zero.
    """
    numerator = vector("y", y)
    both = np.column_stack([numerator, vector("x", x, len(numerator))])
    require_rows("y", len(both), 2)
    plan = Design(
        stratum=stratum,
        stratum_weight=stratum_weight,
        stratum_size=stratum_size,
        unit=unit,
        unit_area=unit_area,
        n_by_stratum=n_by_stratum,
        probability=probability,
        cluster=cluster,
        observed=observed,
        scheme=scheme,
    )
    found = population_means(both, plan)
    top, bottom = map(float, found.estimate)
    if bottom == 0:
        raise InputError("estimate.denominator_zero")
    ratio = top / bottom
    contrast = np.array([1.0, -ratio]) / bottom
    variance, df = found.variance(contrast)
    chosen = by_pattern(variance, df, found.scores @ contrast, coordinates, design)
    return RatioEstimate(
        estimate=ratio,
        variance=chosen.variance,
        n=found.n,
        method="ratio_of_means",
        df=chosen.df,
        notes=found.notes,
        variance_random=variance,
        variance_local=chosen.local,
        numerator=top,
        denominator=bottom,
    )


def ratio_estimator(
    y: ArrayLike,
    x: ArrayLike,
    x_mean: float,
    population_size: float | None = None,
    *,
    probability: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
) -> RatioEstimate:
    """Mean per unit by the ratio to an auxiliary whose population mean is known (Cochran 1977, ch. 6).

    Parameters
    ----------
    y, x : array, shape (n,)
        Response and auxiliary of each plot.
    x_mean : float
        Population mean of the auxiliary.
    population_size, probability, coordinates, design
        As in `horvitz_thompson`.

    Raises
    ------
    InputError
        If values are missing, or the auxiliary is zero on average.
    """
    response = vector("y", y)
    n = len(response)
    require_rows("y", n, 2)
    auxiliary = vector("x", x, n)
    known = float(vector("x_mean", [x_mean])[0])
    pi, size = sample_weights(n, population_size, probability)
    bottom = float((auxiliary / pi).sum() / size)
    if bottom == 0:
        raise InputError("estimate.denominator_zero")
    top = float((response / pi).sum() / size)
    residual = response - top / bottom * auxiliary
    random = expansion_variance(residual, pi)[0] / size**2
    fraction = sampled_fraction(n, population_size)
    scores = residual / pi / size
    chosen = by_pattern(random, effective(scores - scores.mean(), n - 1.0), scores, coordinates, design, fraction)
    return RatioEstimate(
        estimate=top / bottom * known,
        variance=chosen.variance,
        n=n,
        method="ratio_estimator",
        df=chosen.df,
        variance_random=random,
        variance_local=chosen.local,
        population_size=population_size,
        numerator=top,
        denominator=bottom,
    )
