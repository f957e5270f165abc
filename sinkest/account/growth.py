"""Growth of stands by age, and the gain-loss account that checks the stock difference.

The stock difference and the gain-loss method (IPCC 2006 V4 equation 2.7) rest on different data: the one on plots of
two dates, the other on growth by age and on what was cut. Where they disagree, one of them is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sinkest.account.conversion import Coefficients
from sinkest.account.factors import Factor
from sinkest.account.forest import co2_t
from sinkest.errors import InputError

CURVES, REGENERATION = "HUNAN_NFCI", "REGENERATION"
MAX_AGE_YEARS = 60.0
"""No plot behind the curves is older; beyond, the rates of natural regeneration serve."""
STANDARD_AGE = "masson_pine"
"""The type whose mean age stands in where none is known."""
GAIN_LOSS_COLUMNS = (
    "item",
    "type",
    "area_ha",
    "age_years",
    "t_c_ha_yr",
    "t_c_yr",
    "t_co2_yr",
    "known_se_t_co2_yr",
    "source",
    "provisional",
)


@dataclass(frozen=True)
class Removals:
    """What was cut and what died, m3 of standing volume a year over the whole, with its standard error."""

    volume_m3_yr: float
    se_m3_yr: float = 0.0

    def __post_init__(self) -> None:
        for value in (self.volume_m3_yr, self.se_m3_yr):
            if not (math.isfinite(value) and value >= 0):
                raise InputError("account.removals", given=value)


def above_ground_t_c_ha(coefficients: Coefficients, type_id: str, age_years: float) -> float:
    """Above-ground carbon of a stand, t C/ha: A (1 - exp(-k t))^m of the plots of Hunan.

    Raises
    ------
    InputError
        If the type has no curve, or the age is not within 0 ... 60 years.
    """
    asymptote, rate, shape = _curve(coefficients, type_id)
    _check_age(age_years, MAX_AGE_YEARS)
    return float(asymptote.value * (1 - math.exp(-rate.value * age_years)) ** shape.value)


def growth_t_c_ha_yr(coefficients: Coefficients, type_id: str, age_years: float) -> tuple[float, tuple[Factor, ...]]:
    """Yearly growth of above-ground carbon at an age, t C/ha/yr, and the coefficients behind it.

    Chinese fir and Masson pine follow the slope of their curve, A m k e^(-kt) (1 - e^(-kt))^(m-1); other types, and
    stands older than the curves' plots, the rates of natural regeneration by decade.

    Raises
    ------
    InputError
        If the age is not within 0 ... 300 years.
    """
    _check_age(age_years, 300.0)
    table = coefficients.growth
    if table.find(CURVES, "curve_rate", type_id) is not None and age_years <= MAX_AGE_YEARS:
        used = _curve(coefficients, type_id)
        a, k, m = (factor.value for factor in used)
        e = math.exp(-k * age_years)
        return a * m * k * e * (1 - e) ** (m - 1), used
    factor = table.get(REGENERATION, "increment", type_id, age_years)
    return factor.value, (factor,)


def gain_loss(
    coefficients: Coefficients,
    types: Sequence[str],
    factor_types: Sequence[str],
    area_ha: Sequence[float],
    *,
    slope_t_c_m3: Sequence[float],
    root_share: Sequence[float],
    stock_m3: Sequence[float],
    sink_t_co2_yr: float,
    sink_se_t_co2_yr: float = 0.0,
    ages: Mapping[str, float] | None = None,
    removals: Removals | None = None,
) -> tuple[pd.DataFrame, tuple[Factor, ...]]:
    """The sink by growth and removals, beside the stock difference.

    Parameters
    ----------
    coefficients : Coefficients
    types, factor_types : sequence of str
        Forest types of the account, and the factor type of each.
    area_ha, stock_m3 : sequence of float
        Area and growing stock of each type over the whole.
    slope_t_c_m3 : sequence of float
        t C a m3 stands for, by type.
    root_share : sequence of float
        Part of a tree's carbon below ground, by type.
    sink_t_co2_yr, sink_se_t_co2_yr : float
        The stock difference and its standard error.
    ages : mapping, optional
        Forest type to its mean age; the mean ages of Hunan's plots where not given.
    removals : Removals, optional
        Without them the gain alone is known, and the removals are what is left between it and the stock difference.

    Returns
    -------
    table : DataFrame
        Rows ``gain`` by type, ``gain_total``, ``loss``, ``net``, ``stock_difference`` and ``gap`` (net less stock
        difference), or ``implied_loss`` where no removals are given; positive = sink. ``known_se_t_co2_yr`` holds what
        is known of the standard error: of the rates by decade, which all types share, of the removals as they are
        given, and of the stock difference; the curves by age state none.
    factors : tuple of Factor
    """
    ages = dict(ages or {})
    for name in ages:
        if name not in types:
            raise InputError("account.unknown_age_type", given=name, known=", ".join(types))
    rows, used, total, gain_se = [], [], 0.0, 0.0
    for name, factor_type, area, roots in zip(types, factor_types, area_ha, root_share, strict=True):
        age, own = _age(coefficients, factor_type, ages.get(name))
        above, factors = growth_t_c_ha_yr(coefficients, factor_type, age)
        used += [*factors, *own]
        rate = above / (1 - (0.0 if math.isnan(roots) else roots))
        total += area * rate
        error = area * rate * (factors[0].relative_sigma if len(factors) == 1 else 0.0)
        gain_se += error
        source = factors[0].set_id
        provisional = any(factor.provisional for factor in used)
        rows.append(_row("gain", area * rate, error, name, area, age, rate, source, provisional))
    provisional = any(factor.provisional for factor in used)
    rows.append(_row("gain_total", total, gain_se, area_ha=float(sum(area_ha)), provisional=provisional))
    difference, difference_se = sink_t_co2_yr * 12 / 44, sink_se_t_co2_yr * 12 / 44
    if removals is None:
        rows.append(_row("stock_difference", difference, difference_se))
        gap_se = math.hypot(gain_se, difference_se)
        rows.append(_row("implied_loss", difference - total, gap_se, provisional=provisional))
    else:
        whole = float(sum(stock_m3))
        mean = float(np.dot(stock_m3, slope_t_c_m3)) / whole if whole > 0 else 0.0
        loss = -removals.volume_m3_yr * mean
        loss_se = removals.se_m3_yr * mean
        net_se = math.hypot(gain_se, loss_se)
        rows.append(_row("loss", loss, loss_se))
        rows.append(_row("net", total + loss, net_se, provisional=provisional))
        rows.append(_row("stock_difference", difference, difference_se))
        gap_se = math.hypot(net_se, difference_se)
        rows.append(_row("gap", total + loss - difference, gap_se, provisional=provisional))
    return pd.DataFrame.from_records(rows, columns=list(GAIN_LOSS_COLUMNS)), tuple(dict.fromkeys(used))


def _row(
    item: str,
    t_c_yr: float,
    se_t_c_yr: float,
    name: str = "",
    area_ha: float = math.nan,
    age: float = math.nan,
    rate: float = math.nan,
    source: str = "",
    provisional: bool = False,
) -> tuple[str, str, float, float, float, float, float, float, str, bool]:
    se = co2_t(se_t_c_yr) if se_t_c_yr > 0 else math.nan
    return item, name, area_ha, age, rate, t_c_yr, co2_t(t_c_yr), se, source, provisional


def _age(coefficients: Coefficients, factor_type: str, given: float | None) -> tuple[float, tuple[Factor, ...]]:
    if given is not None:
        return given, ()
    table = coefficients.growth
    own = table.find(CURVES, "mean_age", factor_type) or table.get(CURVES, "mean_age", STANDARD_AGE)
    return own.value, (own,)


def _curve(coefficients: Coefficients, type_id: str) -> tuple[Factor, Factor, Factor]:
    table = coefficients.growth
    asymptote, rate, shape = (
        table.get(CURVES, name, type_id) for name in ("curve_asymptote", "curve_rate", "curve_shape")
    )
    return asymptote, rate, shape


def _check_age(age_years: float, oldest: float) -> None:
    if not (math.isfinite(age_years) and 0 <= age_years <= oldest):
        raise InputError("account.age", given=age_years, oldest=oldest)
