"""The annual sink: stock difference between two dates under one definition, positive = sink.

Growth that stays in the forest is converted by the slope of the volume-biomass line; the average ratio of biomass to
volume would book the intercept as growth. Harvested wood leaves the pool at once; products are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sinkest.account.definitions import Definition, require_same
from sinkest.account.forest import TypeDraws, TypeTable, co2_t, composition
from sinkest.account.inputs import ARBOR, Strata, stock_table
from sinkest.account.montecarlo import Array
from sinkest.account.reading import nearest
from sinkest.errors import InputError
from sinkest.tidy import CITY

CONVERSION_PERIOD_YEARS = 20
"""Years land stays in "converted to" before it counts as "remaining" (IPCC 2006 V4 Ch. 3)."""
SOIL_TRANSITION_YEARS = 20
"""Years over which soil carbon moves to its new level (IPCC 2006 V4 Ch. 2, D of equation 2.25)."""
RESERVOIR_AGE_YEARS = 20
"""Years after impoundment during which flooded land counts as newly flooded (IPCC 2019 V4 Ch. 7)."""


@dataclass(frozen=True)
class ChangeTerms:
    """Rows of a change table with what turns them into carbon.

    Attributes
    ----------
    strata : Strata
    weights : ndarray, (rows, types)
        Share of each forest type in a row's change.
    lost, counted : ndarray of float, (rows,)
        1 where a row is forest lost; 0 where it is a change of definition, which is never a sink.
    """

    strata: Strata
    weights: Array
    lost: Array
    counted: Array


def difference(
    before: pd.DataFrame,
    after: pd.DataFrame,
    years: float,
    *,
    definition_before: str,
    definition_after: str,
    correlation: float = 0.0,
    definitions: Mapping[str, Definition] | None = None,
) -> pd.DataFrame:
    """Yearly change of growing stock between two estimates.

    Parameters
    ----------
    before, after : DataFrame
        Growing stock by zone and type, as for :func:`sinkest.account.inputs.stock_table`.
    years : float
        Years between the two.
    definition_before, definition_after : str
        Definition ids of the two areas.
    correlation : float
        Correlation of the two dates' errors, e.g. of the same plots measured twice; 0 for independent samples.
    definitions : mapping, optional
        Definitions by id, where not the shipped ones.

    Returns
    -------
    DataFrame
        ``zone, type, component, change_m3_yr, se, area_ha_yr``, ready for the account. A type that one date lacks
        counts as zero there. The component is ``"unsplit"``: two totals do not say which hectares stayed forest.

    Raises
    ------
    InputError
        If the definitions are unlike, the zones differ, ``years`` is not positive, or ``correlation`` is not in -1..1.
    """
    require_same(definition_before, definition_after, definitions)
    if not (math.isfinite(years) and years > 0):
        raise InputError("account.years", given=years)
    if not -1 <= correlation <= 1:
        raise InputError("account.correlation", given=correlation)
    first, second = stock_table(before), stock_table(after)
    only = sorted({*first.frame["zone"], *first.declined} ^ {*second.frame["zone"], *second.declined})
    if only:
        raise InputError("account.zones_unlike", zones=", ".join(only))
    key = ["zone", "type"]
    merged = first.frame.merge(second.frame, on=key, how="outer", suffixes=("_1", "_2"), sort=True)
    merged = merged[~merged["zone"].isin({*first.declined, *second.declined})].fillna(0.0)
    variance = merged["se_1"] ** 2 + merged["se_2"] ** 2 - 2 * correlation * merged["se_1"] * merged["se_2"]
    return pd.DataFrame(
        {
            "zone": merged["zone"],
            "type": merged["type"],
            "component": "unsplit",
            "change_m3_yr": (merged["stock_m3_2"] - merged["stock_m3_1"]) / years,
            "se": np.sqrt(variance.clip(lower=0)) / years,
            "area_ha_yr": (merged["area_ha_2"] - merged["area_ha_1"]) / years,
        }
    ).reset_index(drop=True)


def definition_change(old: pd.DataFrame, new: pd.DataFrame, years: float) -> pd.DataFrame:
    """What moves when one and the same date is counted under another rule, as rows that are never a sink.

    Parameters
    ----------
    old, new : DataFrame
        Growing stock of the same date by zone and type under the two rules.
    years : float
        Years of the period whose account the rows join.

    Returns
    -------
    DataFrame
        As :func:`difference`, of the component ``"definition"``. Both tables come from one sample, so the rows carry
        no error.

    Raises
    ------
    InputError
        If the zones differ or ``years`` is not positive.
    """
    same = "one date"
    rows = difference(old, new, years, definition_before=same, definition_after=same, correlation=1.0)
    return rows.assign(component="definition", se=0.0)


def change_terms(change: Strata, stock: Strata, types: tuple[str, ...]) -> ChangeTerms:
    """How each row of a change table is converted.

    A row of type ``"arbor"`` is split over the types in proportion to the zone's growing stock.

    Raises
    ------
    InputError
        If a row's type has no growing stock in the stock table.
    """
    weights = np.zeros((len(change.frame), len(types)))
    for row, (zone, name) in enumerate(zip(change.frame["zone"], change.frame["type"], strict=True)):
        if name == ARBOR:
            weights[row] = composition(stock, types, zone)
        elif name in types:
            weights[row, types.index(name)] = 1.0
        else:
            raise InputError("account.unknown_change_type", given=name, nearest=nearest(name, [*types, ARBOR]))
    component = change.frame["component"].to_numpy()
    return ChangeTerms(
        change, weights, (component == "lost").astype(np.float64), (component != "definition").astype(np.float64)
    )


def sink_t_co2_yr(terms: ChangeTerms, change_m3_yr: Array, drawn: TypeDraws) -> Array:
    """Annual sink of each row of a change table, t CO2/yr, shape (draws, rows).

    Remaining and converted forest: change x slope. Forest lost: its volume by the line of the stock and its area by
    the intercept, since the whole stand goes; its area varies with its volume. Change of definition: zero.

    Parameters
    ----------
    terms : ChangeTerms
    change_m3_yr : ndarray, (draws, rows)
    drawn : TypeDraws
    """
    growth = (drawn.slope_change * drawn.carbon_fraction) @ terms.weights.T
    stand = (drawn.slope * drawn.carbon_fraction) @ terms.weights.T
    area = (drawn.intercept * drawn.carbon_fraction) @ terms.weights.T
    volume, hectares = terms.strata.column("change_m3_yr"), terms.strata.column("area_ha_yr")
    tied = (terms.lost > 0) & (volume < 0)
    ha_per_m3 = np.divide(hectares, volume, out=np.zeros_like(volume), where=tied)
    per_m3 = terms.lost * (stand + ha_per_m3 * area) + (1 - terms.lost) * growth
    carbon = change_m3_yr * per_m3 + np.where(tied, 0.0, terms.lost * hectares) * area
    return co2_t(terms.counted * carbon)


def sink_by_ratio_t_co2_yr(terms: ChangeTerms, table: TypeTable) -> Array:
    """What the average ratio of biomass to volume would give, t CO2/yr, shape (rows,); for comparison only."""
    volume = table.volume_m3_ha
    intercept = np.divide(table.intercept[0], volume, out=np.zeros_like(volume), where=volume > 0)
    ratio = (table.slope[0] + intercept) * table.carbon_fraction[0]
    return co2_t(terms.counted * terms.strata.column("change_m3_yr") * (terms.weights @ ratio))


def city_total(strata: Strata, values: Array) -> float:
    """Sum of a value per row over the whole: of the zones where they add up, else of the city's own rows."""
    return float((values @ strata.to_zones([CITY]))[0])
