"""How many plots or points a wanted standard error takes, and how to share them out to strata."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.messages import Message

Floats = NDArray[np.float64]
Sizes = Mapping[Any, float] | pd.Series
Rule = Literal["equal", "proportional", "neyman", "power"]
RULES = ("equal", "proportional", "neyman", "power")


@dataclass(frozen=True, eq=False)
class Allocation:
    """Sample sizes by stratum.

    Attributes
    ----------
    n : int
        Plots or points in all.
    by_stratum : dict
        Whole numbers by stratum.
    se : float
        Standard error to be expected of the mean; NaN if spreads were not given.
    n_exact : float
        Sample size before rounding and before the floor.
    rule : str
    notes : tuple of Message
        Strata lifted to the floor, or taken completely.
    """

    n: int
    by_stratum: dict[Any, int]
    se: float
    n_exact: float
    rule: str
    notes: tuple[Message, ...]

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}: {value}" for key, value in self.by_stratum.items())
        return f"Allocation(n={self.n}, se={self.se:.4g}, rule={self.rule!r}, {{{shown}}})"


@dataclass(frozen=True)
class _Strata:
    """Strata with their shares, spreads and sizes."""

    names: list[Any]
    weight: Floats
    sd: Floats
    mean: Floats
    size: Floats

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Strata that add to the variance."""
        return (self.sd > 0) & (self.weight > 0)

    def shares(self, rule: str, power: float) -> Floats:
        """Share of the sample that each stratum gets."""
        if rule == "equal":
            raw = np.ones(len(self.names))
        elif rule == "proportional":
            raw = self.weight
        elif rule == "neyman":
            raw = self.weight * self.sd
        else:
            raw = self.weight**power * np.where(self.sd > 0, self.sd / np.abs(self.mean), 0.0)
        if not raw.sum() > 0:
            raw = self.weight
        return raw / raw.sum()

    def variance(self, n: Floats) -> float:
        """Variance of the stratified mean; infinite where a stratum that varies is left out."""
        if (n[self.varies] == 0).any():
            return math.inf
        use = self.varies
        part = self.weight[use] ** 2 * self.sd[use] ** 2 * (1.0 / n[use] - 1.0 / self.size[use])
        return float(np.maximum(part, 0.0).sum())


def proportion_sd(proportion: float) -> float:
    """Standard deviation of a 0/1 variable.

    Raises
    ------
    InputError
        If the proportion does not lie between 0 and 1.

    Examples
    --------
    >>> proportion_sd(0.9).__round__(6)
    0.3
    """
    if not 0.0 <= proportion <= 1.0:
        raise InputError("smallarea.not_a_proportion", value=proportion)
    return math.sqrt(proportion * (1.0 - proportion))


def allocate(
    n: int,
    stratum_weight: Sizes,
    sd: Sizes | None = None,
    *,
    rule: Rule = "proportional",
    floor: int = 2,
    mean: Sizes | None = None,
    power: float = 0.5,
    stratum_size: Sizes | None = None,
) -> Allocation:
    """Share a given number of plots out to strata.

    * ``equal``: the same to every stratum (for estimates by stratum of like precision);
    * ``proportional``: by weight (safe if nothing is known of the spreads);
    * ``neyman``: by weight times standard deviation (best for the whole);
    * ``power``: by weight to a power times coefficient of variation, between best for the whole (power 1 with one
      mean for all) and equal relative precision in each (power 0); M. D. Bankier, Am. Stat. 42 (1988) 174-177.

    Parameters
    ----------
    n : int
        Plots in all.
    stratum_weight : mapping
        Share (or area) of each stratum; scaled to a sum of 1.
    sd : mapping, optional
        Standard deviation in each stratum; needed for ``neyman`` and ``power``.
    rule : {"equal", "proportional", "neyman", "power"}
    floor : int
        Fewest plots in a stratum; strata below are lifted at the others' cost.
    mean : mapping, optional
        Mean in each stratum; needed for ``power``.
    power : float
        Between 0 and 1.
    stratum_size : mapping, optional
        Population units in each stratum: upper limit, and finite population correction.

    Raises
    ------
    InputError
        If n cannot cover the floors, or what the rule needs is missing.

    Examples
    --------
    >>> allocate(100, {"a": 0.75, "b": 0.25}, {"a": 1.0, "b": 3.0}, rule="neyman").by_stratum
    {'a': 50, 'b': 50}
    """
    strata = _read(stratum_weight, sd, mean, stratum_size, rule, power)
    if n < 1 or n != int(n):
        raise InputError("smallarea.sample_size", n=n)
    counts, notes = _distribute(int(n), strata, strata.shares(rule, power), floor)
    return _allocation(strata, counts, float(n), rule, notes, known=sd is not None)


def sample_size(
    se: float,
    stratum_weight: Sizes,
    sd: Sizes,
    *,
    rule: Rule = "neyman",
    floor: int = 2,
    mean: Sizes | None = None,
    power: float = 0.5,
    stratum_size: Sizes | None = None,
) -> Allocation:
    """Sample size, by stratum, that gives a wanted standard error of the mean.

    ``n = sum(W^2 S^2 / a) / (SE^2 + sum(W^2 S^2 / N))`` with the shares a of the rule; for ``neyman`` without finite
    strata this is ``(sum W S / SE)^2`` (Cochran 1977, eq. 5.25; Olofsson et al. 2014, eq. 13). Rounded up so that the
    standard error is kept, floors included; a stratum that varies gets one plot at least.

    Parameters
    ----------
    se : float
        Wanted standard error, in the unit of sd.
    stratum_weight, sd, rule, floor, mean, power, stratum_size
        As in `allocate`. For coverage, sd is `proportion_sd` of the share of forest in each stratum; for stock the
        standard deviation of the plots; for change on remeasured plots that of the differences (`change_sd`).

    Raises
    ------
    InputError
        If the standard error is not positive, or cannot be had even from all units.

    Examples
    --------
    >>> shares = {"forest": 0.54, "other": 0.46}
    >>> sample_size(0.01, shares, {"forest": proportion_sd(0.90), "other": proportion_sd(0.12)}).n
    971
    """
    if not (se > 0 and math.isfinite(se)):
        raise InputError("smallarea.wanted_se", se=se)
    strata = _read(stratum_weight, sd, mean, stratum_size, rule, power)
    share = strata.shares(rule, power)
    inner = np.where(strata.sd > 0, strata.weight**2 * strata.sd**2, 0.0)
    exact = float((inner / np.where(share > 0, share, 1.0)).sum() / (se**2 + (inner / strata.size).sum()))
    # limits of the strata bend the formula, so the least sample is searched for between nothing and everything
    enough = max(math.ceil(exact - 1e-9), 1)
    while not _keeps(enough, se, strata, share, floor):
        if enough >= strata.size.sum():
            raise InputError("smallarea.se_out_of_reach", se=se, size=float(strata.size.sum()))
        enough = int(min(2 * enough, strata.size.sum()))
    short = 0
    while enough - short > 1:
        middle = (enough + short) // 2
        if _keeps(middle, se, strata, share, floor):
            enough = middle
        else:
            short = middle
    counts, notes = _distribute(enough, strata, share, floor, grow=True)
    return _allocation(strata, counts, exact, rule, notes, known=True)


def _keeps(n: int, se: float, strata: _Strata, share: Floats, floor: int) -> bool:
    counts, _ = _distribute(n, strata, share, floor, grow=True)
    return strata.variance(counts) <= se**2 * (1 + 1e-12)


def change_sd(sd1: float, sd2: float, correlation: float) -> float:
    """Standard deviation of the difference between two measurements of a plot.

    Raises
    ------
    InputError
        If the correlation does not lie between -1 and 1, or a standard deviation is negative.
    """
    if not (-1.0 <= correlation <= 1.0 and sd1 >= 0 and sd2 >= 0):
        raise InputError("smallarea.change_sd", sd1=sd1, sd2=sd2, correlation=correlation)
    return math.sqrt(max(sd1**2 + sd2**2 - 2.0 * correlation * sd1 * sd2, 0.0))


def plots_for_mean(
    cv: float, relative_half_width: float, *, level: float = 0.95, relative_efficiency: float = 1.0
) -> int:
    """Plots for a wanted half-width of the interval, as a share of the mean.

    ``n = (z CV / half-width)^2 / RE``.

    Parameters
    ----------
    cv : float
        Coefficient of variation of the plots.
    relative_half_width : float
        E.g. 0.1 for a sampling precision of 90 %.
    level : float
    relative_efficiency : float
        By how much the map cuts the variance; 1 for plots alone.

    Raises
    ------
    InputError
        If a number is not positive.

    Examples
    --------
    >>> plots_for_mean(0.74, 0.10), plots_for_mean(0.74, 0.10, relative_efficiency=1.8)
    (211, 117)
    """
    if not (cv > 0 and relative_half_width > 0 and relative_efficiency > 0 and 0 < level < 1):
        raise InputError("smallarea.plots_for_mean", cv=cv, half_width=relative_half_width)
    z = float(stats.norm.ppf(0.5 + level / 2.0))
    return math.ceil((z * cv / relative_half_width) ** 2 / relative_efficiency - 1e-9)


def se_to_detect(
    difference: float,
    *,
    power: float = 0.8,
    level: float = 0.95,
    dates: Literal["paired", "independent"] = "independent",
) -> float:
    """Largest standard error that still shows a given change with a given probability.

    ``difference / (z_level + z_power)`` is that of the change itself (``paired``); from two independent samples each
    date may have that over the square root of two (``independent``).

    Raises
    ------
    InputError
        If the difference is not positive or a probability not between 0 and 1.

    Examples
    --------
    >>> round(se_to_detect(2.25), 2)
    0.57
    """
    if dates not in ("paired", "independent"):
        raise InputError("smallarea.unknown_choice", name="dates", given=dates, allowed="paired, independent")
    if not (difference > 0 and 0 < power < 1 and 0 < level < 1):
        raise InputError("smallarea.se_to_detect", difference=difference, power=power, level=level)
    change = difference / float(stats.norm.ppf(0.5 + level / 2.0) + stats.norm.ppf(power))
    return change if dates == "paired" else change / math.sqrt(2.0)


def _read(
    stratum_weight: Sizes, sd: Sizes | None, mean: Sizes | None, stratum_size: Sizes | None, rule: str, power: float
) -> _Strata:
    if rule not in RULES:
        raise InputError("smallarea.unknown_choice", name="rule", given=rule, allowed=", ".join(RULES))
    weight = checks.mapping("stratum_weight", stratum_weight)
    names = list(weight)
    if not names or not sum(weight.values()) > 0 or min(weight.values()) < 0:
        raise InputError("smallarea.stratum_weights")
    if sd is None and rule in ("neyman", "power"):
        raise InputError("smallarea.rule_needs", rule=rule, what="sd")
    if mean is None and rule == "power":
        raise InputError("smallarea.rule_needs", rule=rule, what="mean")
    if not 0.0 <= power <= 1.0:
        raise InputError("smallarea.power", power=power)
    spread = _column("sd", sd, names, 0.0)
    middle = _column("mean", mean, names, 1.0)
    size = np.floor(_column("stratum_size", stratum_size, names, math.inf))
    for name, values in (("sd", spread), ("stratum_size", size)):
        checks.at_least(name, values)
    if rule == "power" and (middle == 0).any():
        raise InputError("smallarea.mean_zero", stratum=str(names[int(np.flatnonzero(middle == 0)[0])]))
    total = sum(weight.values())
    return _Strata(names, np.array([weight[key] / total for key in names]), spread, middle, size)


def _column(name: str, values: Sizes | None, names: list[Any], default: float) -> Floats:
    if values is None:
        return np.full(len(names), default)
    table = checks.mapping(name, values)
    missing = [str(key) for key in names if key not in table]
    if missing:
        raise InputError("smallarea.strata_missing", name=name, strata=", ".join(missing))
    return np.array([table[key] for key in names], dtype=np.float64)


def _distribute(
    n: int, strata: _Strata, share: Floats, floor: int, *, grow: bool = False
) -> tuple[Floats, tuple[Message, ...]]:
    """Whole numbers that follow the shares between the floor and the size of each stratum.

    Strata whose share falls outside their limits are set to them and the rest is shared out again; what is left over by
    rounding goes to the largest remainders, ties to the stratum listed first.
    """
    if floor < 0:
        raise InputError("smallarea.floor", floor=floor)
    low, high = np.minimum(float(floor), strata.size), strata.size
    if grow:
        # without a single plot in it a stratum that varies would leave the standard error without bound
        low = np.minimum(np.maximum(low, strata.varies), high)
        n = int(min(max(n, math.ceil(low.sum())), high.sum()))
    if low.sum() > n or high.sum() < n:
        raise InputError("smallarea.cannot_allocate", n=n, least=float(low.sum()), most=float(high.sum()))
    wanted = n * share
    fixed = np.zeros(len(share), dtype=bool)
    while True:
        free = ~fixed
        rest = n - np.where(fixed, wanted, 0.0).sum()
        base = share[free].sum()
        wanted = np.where(free, rest * (share / base if base > 0 else free / max(free.sum(), 1)), wanted)
        short, over = free & (wanted < low), free & (wanted > high)
        if not (short.any() or over.any()):
            break
        # one side at a time: lifting some and capping others can cancel out
        lacking, surplus = (low - wanted)[short].sum(), (wanted - high)[over].sum()
        push = short if lacking >= surplus else over
        wanted = np.where(push, low if push is short else high, wanted)
        fixed |= push
    counts = np.floor(wanted + 1e-9)
    for i in np.argsort(-(wanted - counts), kind="stable")[: round(n - counts.sum())]:
        counts[i] += 1.0
    notes: tuple[Message, ...] = ()
    lifted = [str(strata.names[i]) for i in np.flatnonzero((counts == floor) & (n * share < floor - 0.5))]
    if lifted:
        notes += (Message.of("smallarea.lifted_to_floor", floor=floor, strata=", ".join(lifted)),)
    whole = [str(strata.names[i]) for i in np.flatnonzero(counts == strata.size)]
    if whole:
        notes += (Message.of("smallarea.taken_completely", strata=", ".join(whole)),)
    return counts, notes


def _allocation(
    strata: _Strata, counts: Floats, exact: float, rule: str, notes: tuple[Message, ...], *, known: bool
) -> Allocation:
    by_stratum = {name: int(count) for name, count in zip(strata.names, counts, strict=True)}
    se = math.sqrt(strata.variance(counts)) if known else math.nan
    return Allocation(int(counts.sum()), by_stratum, se, exact, rule, notes)
