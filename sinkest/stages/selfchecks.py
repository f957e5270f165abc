"""Numbers that refuse to be wrong: what must hold between a run's figures and its maps, looked at on every run.

``checks`` compares zones with the whole and values with their intervals; here parts are compared with their totals,
figures with the maps they were summed from, and rows with the units, definitions and areas they claim.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio

from sinkest.account.definitions import shipped_definitions
from sinkest.account.inputs import ERRORS_ALLOWED
from sinkest.errors import RunError
from sinkest.mapping.engine import plan_blocks
from sinkest.mapping.zonal import class_area, value_total
from sinkest.stages.context import Run
from sinkest.stages.mapping import LARGEST
from sinkest.tidy import CITY

TOLERANCE = 1e-6
AREA_TOLERANCE = 1e-4
CO2_OF_C = 44.0 / 12.0
PARTS_OF: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "growing_stock": ("stock_by_type:", ()),
    "carbon:total": ("carbon:", ("carbon:total",)),
    "sink": ("sink:", ()),
}
"""Total -> prefix of the parts that make it up, and what begins so without being a part."""
BALANCE = ("wetland_burial", "wetland_methane_co2e", "wetland_flooding")
"""Parts of the wetlands' net; only where land was newly flooded is there a row for it."""
UNITS: Mapping[str, str] = {
    "forest_coverage": "%",
    "tree_cover": "%",
    "forest_area": "ha",
    "arbor_area": "ha",
    "growing_stock": "m3",
    "stock_change": "m3/yr",
    "growing_stock_per_ha": "m3/ha",
    "co2_total": "t CO2",
    "sink": "t CO2/yr",
    "wetland_burial": "t CO2/yr",
    "wetland_methane": "t CH4/yr",
    "wetland_methane_co2e": "t CO2e/yr",
    "wetland_net": "t CO2e/yr",
}
COVERAGES = ("forest_coverage", "coverage_with_oil_tea", "coverage_without_oil_tea", "land_use_coverage")
"""Stated only under a rule whose area is forest coverage; anything else would be tree cover by that name."""
UNDER_A_RULE = ("forest_area", "forest_area_change", "land_use_forest_area")
"""Stated under some rule; where the ground was labelled under none of forest, that of tree cover says so."""
FIRST_CODE: Mapping[str, int] = {"class_m2": 1, "forest_m2": 2}
"""First code of a map of classes that counts; of the forest map 1 is land that is not forest."""
WITHOUT_RULE = ("wetland_", "small_wetland_")
"""Begin the names of what no rule of forest says anything about."""
UNIT_PREFIXES: Mapping[str, str] = {
    "class_area:": "ha",
    "pixel_class_area:": "ha",
    "wetland_area:": "ha",
    "stock_by_type:": "m3",
    "biomass:": "t",
    "carbon:": "t C",
    "carbon_pool:": "t C",
    "sink:": "t CO2/yr",
}


def check_table(estimates: pd.DataFrame, zone_area_ha: Mapping[str, float], year: int) -> None:
    """Refuse a tidy table that contradicts itself.

    Parameters
    ----------
    estimates : DataFrame
        Columns as ``sinkest.tidy.COLUMNS``.
    zone_area_ha : mapping of str to float
        True area of each zone.
    year : int

    Raises
    ------
    RunError
        Names the check and the rows: an unknown zone or another year, a unit that is not the quantity's, an unknown
        definition, a negative or infinite error, an area that is larger than its zone beyond its error, classes that do
        not fill their zone, parts that do not add up, carbon that is not its CO2, a coverage that is not its area.
    """
    zones = {CITY: math.fsum(zone_area_ha.values()), **zone_area_ha}
    _none("place", estimates[~estimates["zone"].isin(zones) | (estimates["year"] != year)])
    pairs = zip(estimates["quantity"], estimates["unit"], strict=True)
    _none("unit", estimates[np.array([_wrong_unit(*pair) for pair in pairs], dtype=bool)])
    known = {"", *shipped_definitions()}
    _none("definition", estimates[~estimates["definition_id"].isin(known)])
    value, se, low, high = (estimates[name].to_numpy(dtype=float) for name in ("value", "se", "low", "high"))
    infinite = np.isinf(value) | np.isinf(se) | np.isinf(low) | np.isinf(high)
    _none("number", estimates[infinite | (se < 0) | (low > high)])
    wrong = [
        _wrong_definition(*row) for row in estimates[["quantity", "definition_id", "status"]].itertuples(index=False)
    ]
    _none("rule", estimates[np.array(wrong, dtype=bool)])
    for zone, area in zones.items():
        rows = estimates[estimates["zone"] == zone]
        # A quantity may stand under several definitions, and its parts under the same one as it.
        for _, under in rows.groupby("definition_id", sort=True):
            _check_zone(under.set_index("quantity")["value"].dropna(), zone, area)
            _check_land(under.set_index("quantity"), zone, area)


def _wrong_unit(quantity: str, unit: str) -> bool:
    expected = UNITS.get(quantity)
    for prefix, its in UNIT_PREFIXES.items():
        if quantity.startswith(prefix):
            expected = its
    return expected is not None and unit != expected


def _wrong_definition(quantity: str, definition_id: str, status: str) -> bool:
    """Whether a figure stands under a rule not its own: coverage under none that says so, a wetland under any.

    What is declined states no number, so that no rule is claimed for it.
    """
    if quantity.startswith(WITHOUT_RULE):
        return definition_id != ""
    if quantity == "tree_cover":
        return definition_id != quantity
    if quantity not in {*COVERAGES, *UNDER_A_RULE} or status == "declined":
        return False
    if quantity in UNDER_A_RULE:
        return definition_id == ""
    rule = shipped_definitions().get(definition_id)
    return rule is None or not rule.coverage


def _check_zone(values: pd.Series, zone: str, area_ha: float) -> None:
    for whole, (prefix, apart) in PARTS_OF.items():
        parts = [name for name in values.index if str(name).startswith(prefix) and name not in apart]
        if whole in values.index and parts:
            _equal("parts", f"{whole} ({zone})", math.fsum(values[parts]), values[whole], math.fsum(abs(values[parts])))
    classes = [name for name in values.index if str(name).startswith("class_area:")]
    if classes:
        _equal("classes", zone, math.fsum(values[classes]), area_ha)
    pairs = (
        ("co2_total", "carbon:total", CO2_OF_C),
        ("forest_area", "forest_coverage", area_ha / 100.0),
    )
    for name, other, factor in pairs:
        if {name, other} <= set(values.index):
            _equal("parts", f"{name} ({zone})", values[other] * factor, values[name])
    wetland = [name for name in BALANCE if name in values.index]
    if {"wetland_burial", "wetland_methane_co2e", "wetland_net"} <= set(values.index):
        scale = math.fsum(abs(values[wetland]))
        _equal("parts", f"wetland_net ({zone})", math.fsum(values[wetland]), values["wetland_net"], scale)


def _check_land(rows: pd.DataFrame, zone: str, area_ha: float) -> None:
    """Refuse areas that are larger than their zone by more than their error explains."""
    for name in ("forest_area", "pixel_forest_area", "arbor_area"):
        if name not in rows.index:
            continue
        value, se = (float(rows[column].to_dict()[name]) for column in ("value", "se"))
        if value > area_ha * (1 + AREA_TOLERANCE) + (ERRORS_ALLOWED * se if se > 0 else 0.0):
            raise RunError("trust.check_larger", quantity=name, zone=zone, given=value, expected=area_ha)


def check_maps(run: Run, folder: Path, sums: Mapping[str, pd.DataFrame]) -> None:
    """Refuse sums that are not those of the maps on disk, or that do not fill their zones.

    The maps are read back and summed by zone anew, with another size of blocks than they were made with.

    Parameters
    ----------
    run : Run
    folder : Path
        Of the maps.
    sums : mapping of str to DataFrame
        Sums by measure: zones x class codes.

    Raises
    ------
    RunError
        Names the map, the zone, and both numbers.
    """
    areas = dict(zip(run.zones.ids, run.zones.frame["area_m2"].tolist(), strict=True))
    for zone, area in areas.items() if "class_m2" in sums else ():
        _equal("zone", zone, _row(sums["class_m2"], zone).sum() / 1e4, area / 1e4, tolerance=AREA_TOLERANCE)
    for file, measure in (("land_cover", "class_m2"), ("forest", "forest_m2"), ("stock", "stock_sum")):
        if measure in sums:
            again = _summed(run, folder / f"{file}.tif", measure)
            for zone in run.zones.ids:
                known = _row(sums[measure], zone)
                wanted = float(known.sum() if measure == "forest_m2" else known[known.index != 0].sum())
                _equal("map", f"{file}.tif ({zone})", again[zone], wanted)


def _row(sums: pd.DataFrame, zone: str) -> pd.Series:
    """Sums of one zone by class code; empty where nothing was mapped in it."""
    found = sums.reindex([zone], fill_value=0.0)
    return pd.Series(found.to_numpy()[0], index=found.columns, dtype=float)


def _summed(run: Run, path: Path, measure: str) -> dict[str, float]:
    """By zone, the mapped area or the sum of a map's values, from the file."""
    total = np.zeros(len(run.zones.ids))
    with rasterio.open(path) as source:
        for block in plan_blocks(run.grid, 256, run.index.touched):
            zones, values = run.index.block(block.window), source.read(1, window=block.window)
            if measure in FIRST_CODE:
                total += class_area(zones, values)[:, FIRST_CODE[measure] :].sum(axis=1)
            else:
                known = np.isfinite(values)
                total += value_total(zones, np.where(known, values, 0.0), known, largest=LARGEST)
    return dict(zip(run.zones.ids, total.tolist(), strict=True))


def _none(what: str, rows: pd.DataFrame) -> None:
    if len(rows):
        columns = ["quantity", "zone", "year", "unit", "definition_id", "value", "se"]
        shown = [", ".join(str(cell) for cell in row.values()) for row in rows.head(3)[columns].to_dict("records")]
        raise RunError(f"trust.check_{what}", count=len(rows), rows="; ".join(shown))


def _equal(
    what: str, name: str, given: float, expected: float, scale: float = 0.0, *, tolerance: float = TOLERANCE
) -> None:
    if abs(given - expected) > tolerance * max(abs(given), abs(expected), scale, 1e-9):
        raise RunError(f"trust.check_{what}", name=name, given=f"{given:.9g}", expected=f"{expected:.9g}")
