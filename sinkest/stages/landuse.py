"""Polygons of the land survey laid over the zones: what they hold as forest is a census figure, under its own rule."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from sinkest.account.definitions import Definition, definition
from sinkest.account.landuse import code_of, counts
from sinkest.aoi import Zones
from sinkest.aoi.overlay import overlay
from sinkest.errors import InputError
from sinkest.learn.problems import Problems
from sinkest.learn.table import ROW, read_land_use
from sinkest.messages import Message
from sinkest.stages.context import Run
from sinkest.stages.inference import CITY, Frame
from sinkest.tidy import CENSUS_OF_OTHER_YEAR, LAND_USE

COLUMNS = ("zone", "code", "counts", "polygons", "polygon_ha", "counted_ha")
NOT_COVERED = "none"
"""In place of a code: ground that no polygon covers."""
GAP_SHARE = 0.01
"""Of a zone: where polygons leave out more, its coverage is not stated."""
SHRUB = "0305"
"""Shrub land, of which the rule itself counts only what the state specially provides for."""
SMALLEST_HA = 1e-4
"""Overlaps and gaps below this are slivers of drawing."""


def read_run_land_use(run: Run) -> gpd.GeoDataFrame | None:
    """The land-use polygons of the run with the columns ``land_use`` (code) and ``counts``; None where none are named.

    Raises
    ------
    InputError
        If the file is unusable, holds codes that are none of the survey or cannot tell whether they count, or none of
        its polygons touches a zone.
    """
    if run.spec.land_use is None:
        return None
    return land_use_of(run, run.config.file(run.spec.land_use.polygons))


def land_use_of(run: Run, path: Path) -> gpd.GeoDataFrame:
    """The land-use polygons of a file, their codes judged under the rule of the configuration."""
    section = run.spec.land_use
    if section is None:
        raise InputError("landuse.no_section")
    rule = land_use_rule(section.definition)
    found = read_land_use(path, class_field=section.class_field, datum=section.datum, layer=section.layer)
    problems = Problems(path, found[ROW].to_numpy())
    codes, counted = [], []
    for record, value in enumerate(found["land_use"].astype(str)):
        code = code_of(value, section.codes)
        held = None if code is None else counts(code, rule)
        if code is None:
            problems.at(record, "landuse.code", column=section.class_field, value=value)
        elif held is None:
            wanted = ", ".join(rule.land_use)
            problems.at(record, "landuse.short_code", column=section.class_field, value=value, codes=wanted)
        codes.append(code or "")
        counted.append(bool(held))
    problems.raise_if_any()
    west, south, east, north = found.total_bounds
    low_x, low_y, high_x, high_y = run.zones.frame.total_bounds
    if west > high_x or east < low_x or south > high_y or north < low_y:
        raise InputError("landuse.outside", file=path)
    return found.assign(land_use=codes, counts=counted)


def land_use_rule(identifier: str) -> Definition:
    """A definition that says which codes of the land survey count.

    Raises
    ------
    InputError
        If the definition is unknown, or names no codes.
    """
    rule = definition(identifier)
    if not rule.land_use:
        raise InputError("landuse.rule", definition=identifier)
    return rule


def land_use(
    polygons: gpd.GeoDataFrame, zones: Zones, frame: Frame, rule: Definition, year: int | None
) -> tuple[list[dict[str, Any]], pd.DataFrame, list[Message]]:
    """Areas by code and zone, and what of them is forest under the rule.

    Ground that polygons of several codes claim goes to the code that does not count, then to the smaller code: a
    disputed hectare is no forest.

    Parameters
    ----------
    polygons : GeoDataFrame
        ``land_use``, ``counts``; EPSG:4326.
    zones : Zones
    frame : Frame
    rule : Definition
    year : int or None
        Year the survey describes, where it is known.

    Returns
    -------
    rows : list of dict
        ``land_use_forest_area`` and ``land_use_coverage`` under the rule's id; declined where the polygons leave out
        more than a hundredth of a zone. ``low`` and ``high`` are what they are if none, or all, of the ground that no
        polygon covers is forest.
    table : DataFrame
        :data:`COLUMNS`; the code :data:`NOT_COVERED` is ground without a polygon.
    notes : list of Message
    """
    table = _table(polygons, zones, frame)
    notes = [
        Message.of("landuse.scope", codes=", ".join(rule.land_use), polygons=len(polygons), year=year or "—"),
        *_shortcomings(table),
    ]
    if SHRUB in rule.land_use:
        notes.append(Message.of("landuse.shrub_whole", code=SHRUB))
    if year is not None and year != frame.year:
        notes.append(Message.of("landuse.other_year", year=year, run=frame.year))
    rows = []
    for zone in (CITY, *zones.ids):
        rows += _zone_rows(frame, rule, zone, table[table["zone"] == zone], year)
    return rows, table, notes


def _table(polygons: gpd.GeoDataFrame, zones: Zones, frame: Frame) -> pd.DataFrame:
    codes, counted = polygons["land_use"].to_numpy(), polygons["counts"].to_numpy(dtype=bool)
    order = np.array([f"{int(held)}{code}" for held, code in zip(counted, codes, strict=True)])
    found = overlay(polygons.geometry.to_numpy(), order, zones)
    records = []
    for column, zone in enumerate(zones.ids):
        claimed, own = found.claimed_m2[:, column] / 1e4, found.counted_m2[:, column] / 1e4
        for code in sorted(set(codes[claimed > 0])):
            of_code = (codes == code) & (claimed > 0)
            areas = math.fsum(claimed[of_code]), math.fsum(own[of_code])
            records.append((zone, code, bool(counted[of_code][0]), int(of_code.sum()), *areas))
        rest = max(frame.zone_area_ha[zone] - math.fsum(own), 0.0)
        records.append((zone, NOT_COVERED, False, 0, rest, rest))
    table = pd.DataFrame.from_records(records, columns=list(COLUMNS))
    whole = table.groupby(["code", "counts"], as_index=False)[["polygon_ha", "counted_ha"]].sum()
    held = pd.Series(codes[found.claimed_m2.any(axis=1)]).value_counts()
    whole = whole.assign(zone=CITY, polygons=[int(held.get(code, 0)) for code in whole["code"]])
    return pd.concat([whole[list(COLUMNS)], table], ignore_index=True)


def _shortcomings(table: pd.DataFrame) -> list[Message]:
    """Overlaps and gaps; ground beyond the zones is nobody's concern."""
    notes = []
    city, table = table[table["zone"] == CITY], table[table["zone"] != CITY]
    twice = math.fsum(table["polygon_ha"]) - math.fsum(table["counted_ha"])
    if twice > SMALLEST_HA:
        notes.append(Message.of("landuse.twice", area=f"{twice:,.2f}"))
    gaps = table[(table["code"] == NOT_COVERED) & (table["counted_ha"] > SMALLEST_HA)]
    if len(gaps):
        notes.append(Message.of("landuse.gaps", area=f"{math.fsum(gaps['counted_ha']):,.2f}", zones=len(gaps)))
    shared = int(table["polygons"].sum() - city["polygons"].sum())
    if shared > 0:
        notes.append(Message.of("landuse.across", count=shared))
    return notes


def _zone_rows(frame: Frame, rule: Definition, zone: str, here: pd.DataFrame, year: int | None) -> list[dict[str, Any]]:
    """Forest and coverage of a zone by its polygons, or why they are not stated."""
    total = frame.total_ha if zone == CITY else frame.zone_area_ha[zone]
    forest = here[here["counts"]]
    gap = math.fsum(here.loc[here["code"] == NOT_COVERED, "counted_ha"])
    about: dict[str, Any] = {
        "method": LAND_USE,
        "n": int(forest["polygons"].sum()),
        "definition_id": rule.id,
        "provisional": rule.provisional,
    }
    area = math.fsum(forest["counted_ha"])
    if gap > GAP_SHARE * total:
        area = math.nan
        about |= {"status": "declined", "note": "landuse.note_gap"}
    else:
        about |= {"note": "landuse.note_census" if year == frame.year else CENSUS_OF_OTHER_YEAR}
    most = min(area + gap, max(total, area))
    return [
        frame.row("land_use_forest_area", zone, "ha", area, low=area, high=most, **about),
        frame.row(
            "land_use_coverage", zone, "%", *(100 * part / total for part in (area, math.nan, area, most)), **about
        ),
    ]
