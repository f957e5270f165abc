"""Means and totals from sample plots: what a plot carries, averaged or added up over a population.

=========================  ================================================================================
`horvitz_thompson`         plots alone, equal or unequal inclusion probabilities
`stratified_mean`          strata from which fixed numbers of plots were drawn
`post_stratified`          strata from a map laid over a sample drawn without regard to them
`ratio_of_means`           one quantity per unit of another, e.g. volume per hectare of forest (`.ratio`)
`ratio_estimator`          a total by its ratio to an auxiliary whose mean is known (`.ratio`)
`greg`                     regression on auxiliaries whose means are known (`.assisted`)
`difference`               a map's mean corrected by the plots' mean residual (`.assisted`)
`two_phase`, `three_phase` auxiliaries from large samples (`.twophase`, `.threephase`)
=========================  ================================================================================

Every estimate is a mean per unit unless areas or sizes turn it into a total; `MeanEstimate.total` multiplies by a known
population size. Where positions of the plots are given, the variance for systematic grids stands beside the one for
random samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sinkest.errors import InputError
from sinkest.estimate.assisted import (
    DifferenceEstimate,
    GregEstimate,
    difference,
    greg,
    sample_weights,
    sampled_fraction,
)
from sinkest.estimate.checks import labels, require_rows, vector
from sinkest.estimate.expansion import Rule, expansion_variance
from sinkest.estimate.freedom import effective
from sinkest.estimate.population import Design, Means, Sizes, observed_shares, population_means
from sinkest.estimate.ratio import RatioEstimate, ratio_estimator, ratio_of_means
from sinkest.estimate.result import MeanEstimate
from sinkest.estimate.systematic import Pattern, by_pattern
from sinkest.estimate.threephase import ThreePhaseEstimate, three_phase
from sinkest.estimate.twophase import TwoPhaseEstimate, two_phase

__all__ = [
    "DifferenceEstimate",
    "GregEstimate",
    "MeanEstimate",
    "RatioEstimate",
    "StratifiedEstimate",
    "ThreePhaseEstimate",
    "TwoPhaseEstimate",
    "difference",
    "greg",
    "horvitz_thompson",
    "nonresponse_factor",
    "post_stratified",
    "ratio_estimator",
    "ratio_of_means",
    "stratified_mean",
    "three_phase",
    "two_phase",
]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class StratifiedEstimate(MeanEstimate):
    """A mean, or a total where areas were given, over strata and estimation units.

    Attributes
    ----------
    by_unit : DataFrame
        Indexed by estimation unit: estimate, se, variance, mean, area, n.
    """

    by_unit: pd.DataFrame


def horvitz_thompson(
    y: ArrayLike,
    population_size: float | None = None,
    *,
    probability: ArrayLike | None = None,
    joint_probability: ArrayLike | None = None,
    variance: Rule = "hajek_berger",
    cluster: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
) -> MeanEstimate:
    """Mean per unit from the plots alone.

    Parameters
    ----------
    y : array, shape (n,)
        Response per unit.
    population_size : float, optional
        Number of units in the population: finite population correction and totals. With unequal probabilities the
        expanded sum is divided by it; without it, by the sum of the weights (Hájek).
    probability : array, shape (n,), optional
        Inclusion probabilities, where they are not equal.
    joint_probability : array, shape (n, n), optional
        For ``variance="joint"``.
    variance : {"hajek_berger", "hansen_hurwitz", "joint"}
        See `sinkest.estimate.expansion.expansion_variance`.
    cluster : array, shape (n,), optional
        Cluster of each plot: the mean is then the ratio of the clusters' sums to their numbers of plots. Not together
        with ``probability``.
    coordinates : array, shape (n, 2), optional
        Positions (projected, metres): adds the variance from local differences.
    design : {"random", "systematic"}
        Which of the two variances to report.

    Raises
    ------
    InputError
        If values are missing or impossible, or there are fewer than two plots.

    Examples
    --------
    >>> horvitz_thompson([1.0, 2.0, 3.0]).variance.__round__(6)
    0.333333
    """
    response = vector("y", y)
    n = len(response)
    require_rows("y", n, 2)
    fraction = sampled_fraction(n, population_size)
    if cluster is not None:
        if probability is not None:
            raise InputError("estimate.cluster_with_probability")
        found = population_means(response[:, None], Design(cluster=cluster))
        return _clustered(found, fraction, coordinates, design, population_size)
    pi, size = sample_weights(n, population_size, probability)
    mean = float((response / pi).sum() / size)
    hajek = population_size is None
    centred = response - mean if hajek else response
    total, notes = expansion_variance(centred, pi, variance, joint_probability)
    random = total / size**2
    scores = (response - mean) / pi / size
    chosen = by_pattern(random, effective(scores - scores.mean(), n - 1.0), scores, coordinates, design, fraction)
    return MeanEstimate(
        estimate=mean,
        variance=chosen.variance,
        n=n,
        method="horvitz_thompson",
        df=chosen.df,
        notes=notes,
        variance_random=random,
        variance_local=chosen.local,
        population_size=population_size,
    )


def stratified_mean(
    y: ArrayLike,
    stratum: ArrayLike,
    stratum_weight: Sizes | None = None,
    *,
    stratum_size: Sizes | None = None,
    probability: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    observed: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
) -> StratifiedEstimate:
    """Mean per unit from strata with fixed numbers of plots (Cochran 1977, ch. 5).

    Parameters
    ----------
    y : array, shape (n,)
        Response per unit.
    stratum : array, shape (n,)
        Stratum of each plot.
    stratum_weight : mapping, optional
        Share of the population by stratum; needed unless ``stratum_size`` is given.
    stratum_size : mapping, optional
        Number of population units by stratum: finite population correction, and the weights if those are not given.
    probability : array, shape (n,), optional
        Inclusion probabilities, where they differ within strata.
    cluster : array, shape (n,), optional
        Cluster of each plot. Where clusters reach over several strata, the strata calibrate the mean and the
        clusters carry the variance; a note says so.
    observed : array, shape (n,), optional
        Share of each plot that could be observed, 0 to 1; y is then what was found on that part, per whole plot. The
        mean is the ratio of both, by stratum, which supposes that the rest is like the observed.
    coordinates, design
        As in `horvitz_thompson`.

    Returns
    -------
    StratifiedEstimate
        Its interval is by t with Satterthwaite's degrees of freedom.

    Raises
    ------
    InputError
        If a stratum has a weight but no plot or the reverse, or weights do not sum to 1.
    """
    plan = Design(
        stratum=stratum,
        stratum_weight=stratum_weight,
        stratum_size=stratum_size,
        probability=probability,
        cluster=cluster,
        observed=observed,
    )
    response = vector("y", y)
    found = population_means(response[:, None], plan)
    return _stratified(found, coordinates, design, "stratified_mean")


def post_stratified(
    y: ArrayLike,
    stratum: ArrayLike,
    stratum_weight: Sizes | None = None,
    unit: ArrayLike | None = None,
    unit_area: Sizes | float | None = None,
    n_by_stratum: Sizes | None = None,
    *,
    stratum_size: Sizes | None = None,
    cluster: ArrayLike | None = None,
    observed: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
) -> StratifiedEstimate:
    """Mean, or total over estimation units, with strata laid over the plots afterwards.

    The variance is conditional on the number of plots and allows for their spread over strata being random, as forest
    inventories use it (Bechtold & Patterson 2005, eq. 4.2; Cochran 1977, 5A.42)::

        A^2 / n * (sum W_h n_h v_h + sum (1 - W_h) n_h / n v_h),  v_h = s_h^2 / n_h

    Parameters
    ----------
    y : array, shape (n,)
        Response of each plot, per unit of area where areas are given.
    stratum : array, shape (n,)
        Stratum of each plot.
    stratum_weight : mapping
        Share of its estimation unit, by stratum or by (unit, stratum).
    unit : array, shape (n,), optional
        Estimation unit of each plot.
    unit_area : mapping by unit, or float, optional
        Areas: the estimate is then a total; needed for more than one unit.
    n_by_stratum : mapping, optional
        Plots of the full sample by stratum, or by (unit, stratum), where plots with y = 0 are not listed.
    stratum_size : mapping, optional
        Number of population units by stratum: finite population correction, and the weights if those are not given.
    cluster, observed, coordinates, design
        As in `stratified_mean`.

    Raises
    ------
    InputError
        If a stratum has a weight but no plot or the reverse, weights do not sum to 1, or an area is missing.

    Examples
    --------
    >>> found = post_stratified([1.0, 3.0, 10.0, 14.0], ["a", "a", "b", "b"], {"a": 0.5, "b": 0.5})
    >>> found.estimate, found.variance
    (7.0, 1.5625)
    """
    plan = Design(
        stratum=stratum,
        stratum_weight=stratum_weight,
        stratum_size=stratum_size,
        unit=unit,
        unit_area=unit_area,
        n_by_stratum=n_by_stratum,
        cluster=cluster,
        observed=observed,
        scheme="post_stratified",
    )
    response = vector("y", y)
    found = population_means(response[:, None], plan)
    return _stratified(found, coordinates, design, "post_stratified")


def nonresponse_factor(observed: ArrayLike, stratum: ArrayLike | None = None) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Factor that makes up for plots of which only a part could be observed.

    The inverse of the mean observed share by stratum (Bechtold & Patterson 2005, sec. 4.3.4). Values times the factor
    can go into any estimator; unlike the ``observed`` argument it takes the factor for known.

    Parameters
    ----------
    observed : array, shape (n,)
        Share of each plot that could be observed, 0 to 1.
    stratum : array, shape (n,), optional

    Returns
    -------
    array, shape (n,)

    Raises
    ------
    InputError
        If nothing was observed in a stratum.
    """
    share = vector("observed", observed)
    share = observed_shares(share, len(share))
    groups = np.zeros(len(share)) if stratum is None else labels("stratum", stratum, len(share))
    mean = pd.Series(share).groupby(groups).transform("mean").to_numpy()
    if (mean == 0).any():
        raise InputError("estimate.empty_strata", strata=str(groups[int(np.flatnonzero(mean == 0)[0])]))
    return 1.0 / mean


def _stratified(found: Means, coordinates: ArrayLike | None, design: Pattern, method: str) -> StratifiedEstimate:
    variance, df = found.variance([1.0])
    chosen = by_pattern(variance, df, found.scores[:, 0], coordinates, design)
    return StratifiedEstimate(
        estimate=float(found.estimate[0]),
        variance=chosen.variance,
        n=found.n,
        method=method,
        df=chosen.df,
        notes=found.notes,
        variance_random=variance,
        variance_local=chosen.local,
        by_unit=found.by_unit,
    )


def _clustered(
    found: Means, fraction: float, coordinates: ArrayLike | None, design: Pattern, population_size: float | None
) -> MeanEstimate:
    variance, df = found.variance([1.0])
    random = (1.0 - fraction) * variance
    chosen = by_pattern(random, df, found.scores[:, 0], coordinates, design, fraction)
    return MeanEstimate(
        estimate=float(found.estimate[0]),
        variance=chosen.variance,
        n=found.n,
        method="horvitz_thompson",
        df=chosen.df,
        notes=found.notes,
        variance_random=random,
        variance_local=chosen.local,
        population_size=population_size,
    )
