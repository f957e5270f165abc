"""Land-use polygons in words and printed hectares: names of codes, groups of codes, woodland."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

import pandas as pd

from sinkest.account.landuse import bulletin_code, is_woodland
from sinkest.messages import catalogue
from sinkest.report.book import rounded_to_sum
from sinkest.report.data import CITY, ReportData
from sinkest.report.leafs import HUNDREDTH, Cell, Leafs
from sinkest.report.names import Words
from sinkest.report.units import rounded

NO_POLYGON = "none"
"""The code of ground that no polygon covers."""
OTHERS = ("03", "02", "00", "", NO_POLYGON)
"""Groups of codes that do not count, by their beginning; the empty one holds all that are left."""


def land_use_name(code: str) -> Words:
    """Name of a code, of its first level where the catalogue does not know it."""
    for known in (code, code[:4], code[:2]):
        if f"landuse.code_{known}" in catalogue():
            return Words.of(f"landuse.code_{known}")
    return Words.same(code)


def polygons_of(data: ReportData) -> pd.DataFrame | None:
    """Areas of the polygons by zone and code, without the whole; None where the run has none."""
    table = data.details.get("land_use")
    if table is None:
        return None
    zones = table[table["zone"].astype(str) != CITY]
    return zones.assign(zone=zones["zone"].astype(str), code=zones["code"].astype(str))


def groups_of(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Groups of codes that count, by their four digits, and those that do not."""
    counted = sorted({code[:4] for code in table.loc[table["counts"], "code"]})
    return counted, list(OTHERS)


def printed_groups(table: pd.DataFrame, leafs: Leafs, land: Mapping[str, Cell]) -> dict[str, dict[str, Cell]]:
    """Hectares by group of codes and zone, rounded so that a zone's groups add up to its printed land."""
    counted, others = groups_of(table)
    names = [*counted, *others]
    group = [
        code[:4] if held else next((name for name in OTHERS if name and bulletin_code(code).startswith(name)), "")
        for code, held in zip(table["code"], table["counts"], strict=True)
    ]
    sums = table.assign(group=group).groupby(["group", "zone"])["counted_ha"].sum().to_dict()
    out: dict[str, dict[str, Cell]] = {name: {} for name in names}
    for zone in leafs.zones:
        numbers = [float(sums.get((name, zone), 0.0)) for name in names]
        whole = rounded(math.fsum(numbers), HUNDREDTH)
        printed = land.get(zone)
        if isinstance(printed, Decimal) and abs(printed - whole) <= Decimal("0.01"):
            whole = printed
        for name, cell in zip(names, rounded_to_sum(numbers, whole, HUNDREDTH), strict=True):
            out[name][zone] = cell
    return out


def woodland(data: ReportData, leafs: Leafs) -> dict[str, Cell] | None:
    """Woodland (林地) by zone as the polygons have it; None where there are none, or they leave out too much."""
    table = polygons_of(data)
    if table is None or any(leafs.value("land_use_forest_area", zone) is None for zone in leafs.zones):
        return None
    here = table[is_woodland(table["code"].tolist())]
    sums = here.groupby("zone")["counted_ha"].sum()
    return {zone: rounded(float(sums.get(zone, 0.0)), HUNDREDTH) for zone in leafs.zones}
