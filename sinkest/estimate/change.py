"""Change between two inventories: the same plots measured twice, two samples, or some plots in both.

=================  ================================================  ================================================
estimator          use it when                                       what it costs to be wrong
=================  ================================================  ================================================
paired             all plots (or points) were measured twice         as independent, an error several times too large
independent        the two samples share no plot                     with shared plots: the same
partial_overlap    some plots were replaced between the dates        precision that was paid for is lost
components         change on remaining, gained and lost forest is    a change of definition passes for growth
                   wanted apart
=================  ================================================  ================================================

All of them take the difference second minus first, so a growing stock is positive. Both dates must be on one definition
of forest.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.outcome import ChangeEstimate, check_years
from sinkest.estimate.overlap import OverlapEstimate, combine, partial_overlap
from sinkest.estimate.population import Design, Means, Sizes, population_means
from sinkest.estimate.result import Estimate
from sinkest.estimate.strata import Scheme
from sinkest.estimate.systematic import Pattern, by_pattern

COMPONENTS = ("remaining", "gained", "lost")


__all__ = ["ChangeEstimate", "OverlapEstimate", "combine", "components", "independent", "paired", "partial_overlap"]


def paired(
    y1: ArrayLike,
    y2: ArrayLike,
    stratum: ArrayLike | None = None,
    stratum_weight: Sizes | None = None,
    unit: ArrayLike | None = None,
    unit_area: Sizes | float | None = None,
    *,
    years: float = 1.0,
    scheme: Scheme = "stratified",
    stratum_size: Sizes | None = None,
    n_by_stratum: Sizes | None = None,
    probability: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
) -> ChangeEstimate:
    """Mean change per unit (or total, with areas) from plots or points seen at both dates.

    The estimator of the mean difference: what a plot kept from one date to the next does not enter its variance.

    Parameters
    ----------
    y1, y2 : array, shape (n,)
        Value at the first and at the second date, per unit of area: volume, or 1 and 0 for points in and out of forest.
    stratum, stratum_weight, unit, unit_area, stratum_size, n_by_stratum, cluster, coordinates, design
        As in `total.post_stratified`.
    probability
        As in `total.stratified_mean`.
    years : float
        Time between the dates, for `ChangeEstimate.per_year`.
    scheme : {"stratified", "post_stratified"}
        Whether plots were drawn by stratum or strata laid over them afterwards.

    Returns
    -------
    ChangeEstimate
        Its interval is by t with Satterthwaite's degrees of freedom, which are few where a few plots carry the change
        (`sinkest.estimate.freedom`).

    Raises
    ------
    InputError
        If a value is missing at one of the dates (see `partial_overlap`), or sample and strata do not fit.

    Examples
    --------
    >>> paired([10.0, 20.0, 30.0], [12.0, 23.0, 34.0]).estimate
    3.0
    """
    first = checks.vector("y1", y1)
    checks.require_rows("y1", len(first), 2)
    both = np.column_stack([first, checks.vector("y2", y2, len(first))])
    plan = Design(
        stratum=stratum,
        stratum_weight=stratum_weight,
        stratum_size=stratum_size,
        unit=unit,
        unit_area=unit_area,
        n_by_stratum=n_by_stratum,
        probability=probability,
        cluster=cluster,
        scheme=scheme,
    )
    found = population_means(both, plan)
    contrast = np.array([-1.0, 1.0])
    variance, df = found.variance(contrast)
    chosen = by_pattern(variance, df, found.scores @ contrast, coordinates, design)
    return ChangeEstimate(
        estimate=float(found.estimate @ contrast),
        variance=chosen.variance,
        n=found.n,
        method="change_paired",
        df=chosen.df,
        notes=found.notes,
        before=float(found.estimate[0]),
        after=float(found.estimate[1]),
        variance_independent=found.variance([1.0, 0.0])[0] + found.variance([0.0, 1.0])[0],
        years=check_years(years),
    )


def components(
    y1: ArrayLike,
    y2: ArrayLike,
    member1: ArrayLike,
    member2: ArrayLike,
    stratum: ArrayLike | None = None,
    stratum_weight: Sizes | None = None,
    unit: ArrayLike | None = None,
    unit_area: Sizes | float | None = None,
    *,
    scheme: Scheme = "stratified",
    stratum_size: Sizes | None = None,
    n_by_stratum: Sizes | None = None,
    cluster: ArrayLike | None = None,
) -> pd.DataFrame:
    """Split the change into what happened on remaining, on gained and on lost forest.

    Parameters
    ----------
    y1, y2 : array, shape (n,)
        Value at both dates; for areas, 1 and 0.
    member1, member2 : array of bool, shape (n,)
        Whether the plot was forest at the first and at the second date.
    stratum, stratum_weight, unit, unit_area, scheme, stratum_size, n_by_stratum, cluster
        As in `paired`.

    Returns
    -------
    DataFrame
        Rows remaining, gained, lost, outside (only if something changed outside the forest) and total; columns
        estimate, variance, se, df, n (plots in the component), share and share_se (of the area). The rows add up to
        the total. Changes have the unit of y, or that times the unit of area.

    Raises
    ------
    InputError
        As `paired`; also if a membership is neither true nor false.
    """
    first = checks.vector("y1", y1)
    n = len(first)
    checks.require_rows("y1", n, 2)
    change = checks.vector("y2", y2, n) - first
    before, after = _flags("member1", member1, n), _flags("member2", member2, n)
    members = {"remaining": before & after, "gained": ~before & after, "lost": before & ~after}
    outside = ~before & ~after
    if (change[outside] != 0).any():
        members["outside"] = outside
    names = list(members)
    flags = np.column_stack([members[name] for name in names]).astype(np.float64)
    plan = Design(
        stratum=stratum,
        stratum_weight=stratum_weight,
        stratum_size=stratum_size,
        unit=unit,
        unit_area=unit_area,
        n_by_stratum=n_by_stratum,
        cluster=cluster,
        scheme=scheme,
    )
    found = population_means(np.column_stack([change[:, None] * flags, flags]), plan)
    area = float(found.by_unit["area"].sum())
    picks = [*np.eye(len(names)), np.ones(len(names))]
    zeros = np.zeros(len(names))
    rows = [_component(found, np.append(pick, zeros), np.append(zeros, pick), area) for pick in picks]
    table = pd.DataFrame(rows, index=pd.Index([*names, "total"], name="component"))
    table.insert(4, "n", [*flags.sum(axis=0).astype(int).tolist(), n])
    table.attrs["notes"] = found.notes
    return table


def _component(found: Means, change: np.ndarray, share: np.ndarray, area: float) -> dict[str, float]:
    variance, df = found.variance(change)
    share_variance, _ = found.variance(share)
    return {
        "estimate": float(found.estimate @ change),
        "variance": variance,
        "se": math.sqrt(variance),
        "df": df,
        "share": float(found.estimate @ share) / area,
        "share_se": math.sqrt(share_variance) / area,
    }


def _flags(name: str, values: ArrayLike, n: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    flags = checks.vector(name, values, n)
    odd = np.flatnonzero((flags != 0) & (flags != 1))
    if len(odd):
        raise InputError("smallarea.not_a_member_flag", name=name, row=int(odd[0]), value=float(flags[odd[0]]))
    return flags == 1


def independent(first: Estimate, second: Estimate, *, covariance: float = 0.0, years: float = 1.0) -> ChangeEstimate:
    """Difference of two estimates, from samples that share no plot or whose covariance is known.

    ``Var = V1 + V2 - 2 Cov``. Degrees of freedom after Welch and Satterthwaite where both estimates have them and the
    covariance is zero.

    Parameters
    ----------
    first, second : Estimate
        Level at each date, in the same unit.
    covariance : float
        Between the two estimates; between 0 and the product of the standard errors if plots are shared.
    years : float
        Time between the dates.

    Raises
    ------
    InputError
        If a variance is not known, or the covariance is impossible.

    Examples
    --------
    >>> a = Estimate(estimate=50.0, variance=9.0, n=30, method="x")
    >>> b = Estimate(estimate=56.0, variance=16.0, n=30, method="x")
    >>> independent(a, b).se
    5.0
    """
    for name, one in (("first", first), ("second", second)):
        if not (math.isfinite(one.estimate) and one.variance >= 0):
            fields = {"name": name, "value": one.estimate, "variance": one.variance}
            raise InputError("smallarea.estimate_without_variance", **fields)
    limit = math.sqrt(first.variance * second.variance)
    if not abs(covariance) <= limit * (1 + 1e-9):
        raise InputError("smallarea.covariance", covariance=covariance, limit=limit)
    apart = first.variance + second.variance
    df = None
    if covariance == 0 and first.df and second.df and apart > 0:
        df = apart**2 / (first.variance**2 / first.df + second.variance**2 / second.df)
    return ChangeEstimate(
        estimate=second.estimate - first.estimate,
        variance=max(apart - 2.0 * covariance, 0.0),
        n=first.n + second.n,
        method="change_independent",
        df=df,
        notes=tuple(dict.fromkeys(first.notes + second.notes)),
        before=first.estimate,
        after=second.estimate,
        variance_independent=apart,
        years=check_years(years),
    )
