"""How many more plots or points would settle whether a target is met."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

from sinkest.errors import InputError

Floats = NDArray[np.float64]
Comparison = Literal["at_least", "at_most", "about"]
COMPARISONS = ("at_least", "at_most", "about")
COLUMNS = ["n", "added", "se", "met", "not_met", "settled", "settled_if_true"]


def target_probability(
    estimate: float, se: float, target: float, comparison: Comparison = "at_least", tolerance: float = 0.0
) -> float:
    """Probability that the target is met, given an estimate with a normal error and nothing else known.

    Parameters
    ----------
    estimate, se : float
    target : float
    comparison : {"at_least", "at_most", "about"}
        ``about`` is met within ``tolerance`` on either side.
    tolerance : float
        In the unit of the target.

    Raises
    ------
    InputError
        If a number is missing, the standard error not positive, or ``about`` has no tolerance.

    Examples
    --------
    >>> target_probability(57.0, 1.0, 56.0).__round__(4)
    0.8413
    """
    _check(estimate, se, target, comparison, tolerance)
    return float(_probability(np.array([estimate - target]), np.array([se]), comparison, tolerance)[0])


def settle_curve(
    estimate: float,
    se: float,
    n: int,
    target: float,
    *,
    comparison: Comparison = "at_least",
    tolerance: float = 0.0,
    n_values: Sequence[int] | None = None,
    certainty: float = 0.9,
) -> pd.DataFrame:
    """Chance of a clear verdict by the number of plots.

    A verdict is clear when the probability that the target is met reaches ``certainty`` or falls to 1 - ``certainty``.
    The standard error is taken to shrink with the root of the number of plots. What the larger sample will say is not
    known yet; seen from today, its estimate is normal about today's with variance ``se^2 - se_n^2``, which gives
    ``met`` and ``not_met``. ``settled_if_true`` is the power instead: the chance of a clear verdict from a new sample
    of that size if today's estimate happens to be the truth.

    Parameters
    ----------
    estimate, se : float
        Today's estimate and its standard error.
    n : int
        Plots behind it.
    target, comparison, tolerance
        As in `target_probability`.
    n_values : sequence of int, optional
        Sample sizes to look at, today's plots included; by default from n to 100 n.
    certainty : float
        Between 0.5 and 1.

    Returns
    -------
    DataFrame
        One row a sample size, rising: n, added, se, met, not_met, settled (their sum), settled_if_true.

    Raises
    ------
    InputError
        As `target_probability`; also if the certainty is out of range or a sample size below n.
    """
    _check(estimate, se, target, comparison, tolerance)
    if n < 1 or not 0.5 < certainty < 1.0:
        raise InputError("smallarea.settle", n=n, certainty=certainty)
    wanted = np.round(n * np.logspace(0, 2, 41)) if n_values is None else np.asarray(n_values, dtype=np.float64)
    sizes = np.unique(wanted)
    if len(sizes) == 0 or sizes.min() < n:
        raise InputError("smallarea.settle_sizes", n=n)
    reached = se * np.sqrt(n / sizes)
    gap = estimate - target
    limits = [_limits(one, comparison, tolerance, certainty) for one in reached]
    ahead = np.sqrt(np.maximum(se**2 - reached**2, 0.0))
    met, missed = _chances(gap, ahead, limits, comparison)
    met_if, missed_if = _chances(gap, reached, limits, comparison)
    columns = [sizes.astype(int), (sizes - n).astype(int), reached, met, missed, met + missed, met_if + missed_if]
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def n_to_settle(curve: pd.DataFrame, chance: float = 0.8, column: str = "settled_if_true") -> float:
    """Read off a curve the fewest plots that give a clear verdict with the wanted chance; infinite beyond the curve.

    Between sample sizes the chance is interpolated in the logarithm of n; the answer is rounded up.

    Raises
    ------
    InputError
        If the column is missing or the chance is not between 0 and 1.
    """
    if column not in curve or not 0.0 < chance < 1.0:
        raise InputError("smallarea.chance", chance=chance, column=column)
    values, sizes = curve[column].to_numpy(dtype=np.float64), curve["n"].to_numpy(dtype=np.float64)
    # the verdict must stay clear from there on, not by luck at one size
    enough = np.minimum.accumulate(values[::-1])[::-1] >= chance
    if not enough.any():
        return math.inf
    first = int(np.argmax(enough))
    if first == 0:
        return float(sizes[0])
    share = (chance - values[first - 1]) / (values[first] - values[first - 1])
    between = math.exp(math.log(sizes[first - 1]) + share * (math.log(sizes[first]) - math.log(sizes[first - 1])))
    return float(math.ceil(between - 1e-9))


def _check(estimate: float, se: float, target: float, comparison: str, tolerance: float) -> None:
    if comparison not in COMPARISONS:
        allowed = ", ".join(COMPARISONS)
        raise InputError("smallarea.unknown_choice", name="comparison", given=comparison, allowed=allowed)
    if not (math.isfinite(estimate) and math.isfinite(target) and math.isfinite(se) and se > 0):
        raise InputError("smallarea.settle_numbers", estimate=estimate, se=se, target=target)
    if comparison == "about" and not tolerance > 0:
        raise InputError("smallarea.tolerance", tolerance=tolerance)


def _probability(gap: Floats, se: Floats, comparison: str, tolerance: float) -> Floats:
    if comparison == "at_least":
        return stats.norm.cdf(gap / se)
    if comparison == "at_most":
        return stats.norm.sf(gap / se)
    return stats.norm.cdf((tolerance - gap) / se) - stats.norm.cdf((-tolerance - gap) / se)


def _limits(se: float, comparison: str, tolerance: float, certainty: float) -> tuple[float, float]:
    """Gaps (estimate less target) from which on a target is met and is missed; NaN where no gap is that clear.

    For ``about`` they are distances from the target: met within the first, missed beyond the second.
    """
    z = float(stats.norm.ppf(certainty))
    if comparison != "about":
        return (z * se, -z * se) if comparison == "at_least" else (-z * se, z * se)

    def excess(distance: float, level: float) -> float:
        return float(_probability(np.array([distance]), np.array([se]), comparison, tolerance)[0]) - level

    far = tolerance + 10.0 * se
    inner = brentq(excess, 0.0, far, args=(certainty,)) if excess(0.0, certainty) > 0 else math.nan
    outer = brentq(excess, 0.0, far, args=(1.0 - certainty,)) if excess(0.0, 1.0 - certainty) > 0 else 0.0
    return float(inner), float(outer)


def _chances(gap: float, spread: Floats, limits: list[tuple[float, float]], comparison: str) -> tuple[Floats, Floats]:
    """Probability that a future gap, normal about today's, lies where the target is met, and where it is missed."""
    met, missed = np.zeros(len(spread)), np.zeros(len(spread))
    for i, (sd, (first, second)) in enumerate(zip(spread, limits, strict=True)):
        if comparison == "at_least":
            met[i], missed[i] = 1.0 - _below(first, gap, sd), _below(second, gap, sd)
        elif comparison == "at_most":
            met[i], missed[i] = _below(first, gap, sd), 1.0 - _below(second, gap, sd)
        else:
            if not math.isnan(first):
                met[i] = _below(first, gap, sd) - _below(-first, gap, sd)
            missed[i] = 1.0 - _below(second, gap, sd) + _below(-second, gap, sd)
    return met, missed


def _below(limit: float, centre: float, sd: float) -> float:
    if sd == 0:
        return float(centre < limit)
    return float(stats.norm.cdf((limit - centre) / sd))
