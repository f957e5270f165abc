"""The account's numbers as rows of the estimates' table, and the tables behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from sinkest.account.forest import arbor_biomass_t, carbon_t, co2_t, type_draws
from sinkest.account.montecarlo import Array, Summary
from sinkest.account.simulation import CULMS, World, central
from sinkest.account.sink import sink_by_ratio_t_co2_yr, sink_t_co2_yr
from sinkest.account.wetland import UNLISTED_WATER, WetlandTerms
from sinkest.tidy import CITY, WITHHELD

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "bamboo_culms": "count",
        "biomass": "t",
        "carbon": "t C",
        "carbon_checked": "t C",
        "carbon_pool": "t C",
        "co2_total": "t CO2",
        "sink": "t CO2/yr",
        "wetland_area": "ha",
        "wetland_burial": "t CO2/yr",
        "wetland_methane": "t CH4/yr",
        "wetland_methane_co2e": "t CO2e/yr",
        "wetland_flooding": "t CO2/yr",
        "wetland_net": "t CO2e/yr",
        "small_wetland_sites": "count",
        "small_wetland_sites_corridor": "count",
        "small_wetland_area": "ha",
    }
)


@dataclass(frozen=True)
class Bookkeeping:
    """What every row of the table carries, and whether provisional values may stand in final tables."""

    year: int
    level: float
    definition_id: str
    simulated: bool
    accept_provisional: bool = False


@dataclass(frozen=True)
class Label:
    """How a quantity was reckoned: method, whether it is provisional, and the id of its note or ``""``."""

    method: str
    provisional: bool
    note: str = ""


TREES = ("carbon_pool:above_ground", "carbon_pool:below_ground")


def zones_of(world: World, quantity: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Zones that have an answer for a quantity, and zones whose input lacks a value."""
    stock, classes = world.stock, world.classes
    head = quantity.partition(":")[0]
    if head == "sink" and world.change is not None:
        return world.change.strata.zones, world.change.strata.declined
    if head.startswith("wetland_") and world.wetland is not None:
        return world.wetland.zones, ()
    if quantity == CULMS or quantity.partition(":")[2] in {terms.pool.name for terms in world.pools}:
        return classes.zones, classes.declined
    trees_only = head == "carbon_pool" and (quantity in TREES or not world.bamboo_mapped)
    if (quantity in ("carbon:total", "co2_total", "carbon_checked") and world.pools) or (
        head == "carbon_pool" and not trees_only
    ):
        both = tuple(zone for zone in stock.zones if zone in classes.zones)
        return both, tuple(dict.fromkeys(stock.declined + classes.declined))
    return stock.zones, stock.declined


def account_rows(
    world: World,
    keeping: Bookkeeping,
    values: Mapping[str, Array],
    summaries: Mapping[str, Summary],
    labels: Mapping[str, Label],
) -> list[dict[str, Any]]:
    """Rows of biomass, carbon, CO2, sink and the wetlands' balance.

    Where provisional values are not accepted, a row that rests on one keeps its numbers under the status
    ``"provisional"``, which final tables and verdicts pass over.

    Parameters
    ----------
    world : World
    keeping : Bookkeeping
    values : mapping
        Quantity to (1, zones): the account without errors.
    summaries : mapping
        Quantity to the summary of its draws, each (zones,).
    labels : mapping
        Quantity to its label.
    """
    records = []
    for quantity, value in values.items():
        answered, declined = zones_of(world, quantity)
        label, summary = labels[quantity], summaries[quantity]
        definition = "" if quantity.startswith("wetland_") else keeping.definition_id
        for index, zone in enumerate(world.zones):
            if zone in declined:
                row = _row(keeping, quantity, zone, label.method, definition)
                records.append(row | {"status": "declined", "note": "account.note_no_input"})
            elif zone in answered:
                row = _row(keeping, quantity, zone, label.method, definition)
                row |= {
                    "value": value[0, index],
                    "se": summary.se[index],
                    "low": summary.low[index],
                    "high": summary.high[index],
                    "provisional": label.provisional,
                    "note": label.note,
                }
                if (
                    quantity == "wetland_flooding"
                ):  # the factor states no error: an interval of no width would claim none
                    row |= dict.fromkeys(("se", "low", "high"), math.nan)
                if label.provisional and not keeping.accept_provisional:
                    row |= {"status": WITHHELD, "note": "account.note_withheld"}
                records.append(row)
    return records


def wetland_rows(terms: WetlandTerms, keeping: Bookkeeping) -> list[dict[str, Any]]:
    """Rows of wetland areas by kind; listed areas are taken as they are given, without an error."""
    records = []
    kept = terms.areas[terms.areas["zone"].isin(terms.zones)]
    for (zone, kind), group in kept.groupby(["zone", "kind"], sort=True):
        mapped = group["se"].notna()
        se = math.sqrt(float((group.loc[mapped, "se"] ** 2).sum())) if mapped.any() else math.nan
        value, half = float(group["area_ha"].sum()), float(norm.ppf(0.5 + keeping.level / 2)) * se
        row = _row(keeping, f"wetland_area:{kind}", str(zone), "map" if mapped.all() else "site_list", "")
        row |= {"value": value, "se": se, "low": value - half, "high": value + half}
        if mapped.any():
            row["low"] = max(row["low"], 0.0)
        if kind == UNLISTED_WATER:
            row["note"] = "account.note_unlisted_water"
        records.append(row)
    return records


def site_rows(counted: pd.DataFrame, zones: tuple[str, ...], keeping: Bookkeeping) -> list[dict[str, Any]]:
    """Number and area of the small wetlands that count, by zone; corridor sites apart."""
    records = []
    for zone in zones:
        here = counted if zone == CITY else counted[counted["zone"] == zone]
        plain = here[here["quantity"] == "small_wetland_sites"]
        for quantity, value in (
            ("small_wetland_sites", len(plain)),
            ("small_wetland_area", float(plain["area_ha"].sum())),
            ("small_wetland_sites_corridor", len(here) - len(plain)),
        ):
            records.append(_row(keeping, quantity, zone, "site_list", "") | {"value": value})
    return records


def stock_detail(world: World) -> pd.DataFrame:
    """Stock to CO2 by zone and forest type: each step in a column of its own, without errors."""
    frame, kind, table = world.stock.frame, world.type_of_row, world.types
    stock_m3, area_ha = world.stock.column("stock_m3"), world.stock.column("area_ha")
    slope, intercept, fraction = table.slope[0][kind], table.intercept[0][kind], table.carbon_fraction[0][kind]
    biomass = arbor_biomass_t(stock_m3, area_ha, slope, intercept, world.intercept_used)
    carbon = carbon_t(biomass, fraction)
    return pd.DataFrame(
        {
            "zone": frame["zone"],
            "type": frame["type"],
            "factor_type": [table.factor_types[index] for index in kind],
            "conversion_set": table.sets[0],
            "stock_m3": stock_m3,
            "area_ha": area_ha,
            "volume_m3_ha": np.divide(stock_m3, area_ha, out=np.zeros_like(stock_m3), where=area_ha > 0),
            "slope_t_m3": slope,
            "intercept_t_ha": np.where(world.intercept_used, intercept, 0.0),
            "biomass_t": biomass,
            "carbon_fraction": fraction,
            "carbon_t": carbon,
            "co2_t": co2_t(carbon),
        }
    )


def sink_detail(world: World) -> pd.DataFrame:
    """Annual sink by row of the change table, with the figure the average ratio would give beside it."""
    columns = ["zone", "type", "component", "change_m3_yr", "se", "area_ha_yr", "sink_t_co2_yr", "by_ratio_t_co2_yr"]
    if world.change is None:
        return pd.DataFrame(columns=columns)
    groups = central(world)
    drawn = type_draws(
        world.types,
        groups["conversion_set"]["set"],
        groups["conversion_set"]["spread"],
        groups["coefficients"],
        groups["carbon_fraction"],
        groups["allometry"],
    )
    strata = world.change.strata
    frame = strata.frame[columns[:6]].copy()
    frame["sink_t_co2_yr"] = sink_t_co2_yr(world.change, strata.column("change_m3_yr")[None, :], drawn)[0]
    frame["by_ratio_t_co2_yr"] = sink_by_ratio_t_co2_yr(world.change, world.types)
    return frame


def _row(keeping: Bookkeeping, quantity: str, zone: str, method: str, definition: str) -> dict[str, Any]:
    return {
        "quantity": quantity,
        "zone": zone,
        "year": keeping.year,
        "value": math.nan,
        "unit": UNITS[quantity.partition(":")[0]],
        "se": math.nan,
        "low": math.nan,
        "high": math.nan,
        "level": keeping.level,
        "method": method,
        "n": math.nan,
        "definition_id": definition,
        "provisional": False,
        "simulated": keeping.simulated,
        "status": "ok",
        "note": "",
    }
