"""Change when some plots were measured at both dates and others at one only, and the best mix of several estimates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.freedom import effective
from sinkest.estimate.outcome import ChangeEstimate, Outcome, check_years
from sinkest.estimate.population import Sizes
from sinkest.estimate.result import Estimate
from sinkest.estimate.strata import ordered, require_sample, shares
from sinkest.messages import Message

Floats = NDArray[np.float64]

# fewer pairs do not tell a correlation from chance
_PAIRS_NEEDED = 4


@dataclass(frozen=True, kw_only=True, repr=False)
class OverlapEstimate(ChangeEstimate):
    """Change from samples that share some plots.

    Attributes
    ----------
    variance_before, variance_after : float
        Of the two levels, each improved by what the other date tells.
    variance_paired : float
        What the plots measured twice would give alone; NaN without at least two a stratum.
    n_paired, n_first, n_second : int
        Plots measured twice, at the first date only, at the second only.
    """

    variance_before: float
    variance_after: float
    variance_paired: float
    n_paired: int
    n_first: int
    n_second: int


@dataclass(frozen=True)
class _Levels:
    """Best estimates of both levels of a stratum and their covariance."""

    mean: Floats
    covariance: Floats
    paired: float
    apart: float
    spare: float
    notes: tuple[Message, ...]


_CONTRAST = np.array([-1.0, 1.0])


def partial_overlap(
    y1: ArrayLike,
    y2: ArrayLike,
    stratum: ArrayLike | None = None,
    stratum_weight: Sizes | None = None,
    *,
    years: float = 1.0,
) -> OverlapEstimate:
    """Mean change from plots measured twice, once, or first at the second date.

    In every stratum the four means (of the plots measured twice, at both dates; of the others at each) are combined by
    generalised least squares into the two levels, with the covariance of the pairs; the change is their difference.
    That is sampling with partial replacement (K. D. Ware & T. Cunia, Forest Science Monograph 3 (1962)): the plots
    measured once count the more the weaker the correlation. Plots must have been kept or replaced at random. Since the
    correlation is estimated from m pairs, variances are taken times ``1 + 1 / (m - 3)`` (Cochran 1977, sec. 12.6) and
    t has m - 2 degrees of freedom, or fewer where a few plots carry the change (`sinkest.estimate.freedom`).

    Parameters
    ----------
    y1, y2 : array, shape (n,)
        Value at each date; NaN where the plot was not measured.
    stratum : array, shape (n,), optional
        Stratum of each plot.
    stratum_weight : mapping, optional
        Share of the area by stratum.
    years : float
        Time between the dates.

    Returns
    -------
    OverlapEstimate
        Interval by t with the degrees of freedom of the pairs, combined over strata by Satterthwaite's rule.

    Raises
    ------
    InputError
        If a plot has no value at all, a stratum has fewer than two plots at one of the dates, or weights do not fit.
    """
    first = checks.vector("y1", y1, allow_nan=True)
    both = np.column_stack([first, checks.vector("y2", y2, len(first), allow_nan=True)])
    idle = np.flatnonzero(np.isnan(both).all(axis=1))
    if len(idle):
        raise InputError("smallarea.plot_without_value", row=int(idle[0]), count=len(idle))
    names, labels, weight = _strata(stratum, stratum_weight, len(both))
    found = [_levels(both[labels == name], str(name)) for name in names]
    covariance = np.tensordot(weight**2, np.array([one.covariance for one in found]), axes=1)
    level = weight @ np.array([one.mean for one in found])
    contrast = _CONTRAST
    seen = ~np.isnan(both)
    pairs, n1, n2 = int(seen.all(axis=1).sum()), int((~seen[:, 1]).sum()), int((~seen[:, 0]).sum())
    return OverlapEstimate(
        estimate=float(level @ contrast),
        variance=float(contrast @ covariance @ contrast),
        n=len(both),
        method="change_partial_overlap",
        df=_freedom(weight, found),
        notes=tuple(dict.fromkeys(note for one in found for note in one.notes)),
        before=float(level[0]),
        after=float(level[1]),
        variance_independent=float(weight**2 @ [one.apart for one in found]),
        years=check_years(years),
        variance_before=float(covariance[0, 0]),
        variance_after=float(covariance[1, 1]),
        variance_paired=float(weight**2 @ [one.paired for one in found]),
        n_paired=pairs,
        n_first=n1,
        n_second=n2,
    )


def _strata(stratum: ArrayLike | None, given: Sizes | None, n: int) -> tuple[tuple[Any, ...], NDArray[Any], Floats]:
    if stratum is None:
        return ("all",), np.full(n, "all", dtype=object), np.ones(1)
    labels = checks.labels("stratum", stratum, n)
    if given is None:
        raise InputError("estimate.weights_missing")
    table, _ = shares("stratum_weight", checks.mapping("stratum_weight", given))
    names = ordered(labels)
    require_sample(names, table, "stratum_weight")
    return names, labels, np.array([table[name] for name in names])


def _levels(both: Floats, stratum: str) -> _Levels:
    """Generalised least squares for the two levels of one stratum."""
    seen = ~np.isnan(both)
    pairs = both[seen.all(axis=1)]
    single = [both[seen[:, date] & ~seen[:, 1 - date], date] for date in (0, 1)]
    counts = seen.sum(axis=0)
    if counts.min() < 2:
        raise InputError("smallarea.too_few_at_date", stratum=stratum, first=int(counts[0]), second=int(counts[1]))
    spread = np.array([both[seen[:, date], date].var(ddof=1) for date in (0, 1)])
    notes: tuple[Message, ...] = ()
    correlation, factor, spare = 0.0, 1.0, float(counts.sum() - 2)
    alone = len(pairs) == len(both)
    if len(pairs) >= (2 if alone else _PAIRS_NEEDED) and (pairs.std(axis=0) > 0).all():
        correlation = float(np.clip(np.corrcoef(pairs[:, 0], pairs[:, 1])[0, 1], -0.999999, 0.999999))
        factor, spare = (1.0, len(pairs) - 1.0) if alone else (1.0 + 1.0 / (len(pairs) - 3.0), len(pairs) - 2.0)
    elif len(pairs) > 0:
        notes = (Message.of("smallarea.too_few_pairs", stratum=stratum, n=len(pairs), needed=_PAIRS_NEEDED),)
    shared = correlation * math.sqrt(spread[0] * spread[1])
    within = np.array([[spread[0], shared], [shared, spread[1]]])
    apart = float((spread / counts).sum())
    paired = float(np.var(pairs[:, 1] - pairs[:, 0], ddof=1)) / len(pairs) if len(pairs) > 1 else math.nan
    mean, covariance = _least_squares(pairs, single, within, both, seen)
    scores = _scores(both, seen, mean, within, covariance)
    return _Levels(mean, factor * covariance, paired, apart, effective(scores - scores.mean(), spare), notes)


def _scores(both: Floats, seen: NDArray[np.bool_], mean: Floats, within: Floats, covariance: Floats) -> Floats:
    """What each plot adds to the error of the change: the weight that least squares gives it times its deviation."""
    away = np.where(seen, both - mean, 0.0)
    complete = seen.all(axis=1)
    scaled = away / np.where(np.diag(within) > 0, np.diag(within), 1.0)
    if complete.any() and np.linalg.det(within) > 0:
        scaled[complete] = away[complete] @ np.linalg.inv(within)
    return scaled @ covariance @ _CONTRAST


def _least_squares(
    pairs: Floats, single: list[Floats], within: Floats, both: Floats, seen: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    if np.linalg.det(within) <= 0:
        # a date without any spread: nothing to gain from weighing, and nothing to weigh with
        mean = np.array([both[seen[:, date], date].mean() for date in (0, 1)])
        return mean, np.diag(np.diag(within) / seen.sum(axis=0))
    precision, right = np.zeros((2, 2)), np.zeros(2)
    if len(pairs):
        inverse = np.linalg.inv(within) * len(pairs)
        precision += inverse
        right += inverse @ pairs.mean(axis=0)
    for date in (0, 1):
        if len(single[date]):
            weight = len(single[date]) / within[date, date]
            precision[date, date] += weight
            right[date] += weight * single[date].mean()
    covariance: Floats = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    return covariance @ right, covariance


def _freedom(weight: Floats, found: list[_Levels]) -> float:
    """Satterthwaite's rule over strata."""
    contrast = _CONTRAST
    parts = np.array([w**2 * (contrast @ one.covariance @ contrast) for w, one in zip(weight, found, strict=True)])
    spare = np.array([one.spare for one in found])
    squares = float((parts**2 / spare).sum())
    return float(parts.sum()) ** 2 / squares if squares > 0 else float(spare.sum())


def combine(
    estimates: Sequence[Estimate | float], covariance: ArrayLike | None = None, variances: ArrayLike | None = None
) -> Outcome:
    """Best linear mix of several unbiased estimates of the same quantity.

    Weights ``C^-1 1 / (1' C^-1 1)``, variance ``1 / (1' C^-1 1)``.

    Parameters
    ----------
    estimates : sequence of Estimate or float
    covariance : array, shape (k, k), optional
        Of the estimates; without it they are independent.
    variances : array, shape (k,), optional
        For plain numbers without a covariance.

    Returns
    -------
    Outcome
        A weight below zero is possible where estimates are closely correlated; a note then says so.

    Raises
    ------
    InputError
        If a variance is not known or zero, or the covariance is no covariance.

    Examples
    --------
    >>> combine([10.0, 16.0], variances=[1.0, 2.0]).estimate
    12.0
    """
    point = np.array([one.estimate if isinstance(one, Estimate) else float(one) for one in estimates])
    checks.require_rows("estimates", len(point), 1)
    matrix = _covariance(estimates, covariance, variances)
    inverse = np.linalg.inv(matrix)
    weight = inverse.sum(axis=1) / inverse.sum()
    notes = tuple(dict.fromkeys(note for one in estimates if isinstance(one, Estimate) for note in one.notes))
    if (weight < 0).any():
        notes += (Message.of("smallarea.negative_mix"),)
    n = sum(one.n for one in estimates if isinstance(one, Estimate))
    return Outcome(
        estimate=float(weight @ point), variance=float(1.0 / inverse.sum()), n=n, method="combined", notes=notes
    )


def _covariance(
    estimates: Sequence[Estimate | float], covariance: ArrayLike | None, variances: ArrayLike | None
) -> Floats:
    count = len(estimates)
    if covariance is not None:
        matrix = checks.matrix("covariance", covariance, count)
    elif variances is not None:
        matrix = np.diag(checks.vector("variances", variances, count))
    else:
        matrix = np.diag([one.variance if isinstance(one, Estimate) else math.nan for one in estimates])
    if matrix.shape != (count, count) or not np.isfinite(matrix).all():
        raise InputError("smallarea.no_covariance", k=count)
    if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix).min() <= 0:
        raise InputError("smallarea.not_a_covariance")
    return matrix
