"""Treated land: areas of the polygons of restoration, geodesic, each hectare counted once; never counted in pixels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from sinkest.aoi import Zones, geodesic_area_m2
from sinkest.errors import InputError
from sinkest.learn.table import read_treatments
from sinkest.messages import Message
from sinkest.stages.context import Run
from sinkest.stages.inference import CITY, Frame

KARST = ("planted", "closure")
"""Ways of treating rocky desertification; the third kind is a corridor or greenway."""
QUANTITIES = {
    "karst_treated_area": KARST,
    "karst_planted_area": ("planted",),
    "karst_closure_area": ("closure",),
    "corridor_treated_area": ("corridor",),
}
METHOD = "polygons"
COLUMNS = ("treatment_id", "kind", "method", "year", "zone", "polygon_ha", "counted_ha")
SMALLEST_M2 = 1.0
"""Overlaps and remnants below this are slivers of drawing."""


def read_run_treatments(run: Run) -> gpd.GeoDataFrame | None:
    """The treatment polygons of the run; None where the configuration names none.

    Raises
    ------
    InputError
        If the file is unusable, or a polygon lies outside all zones.
    """
    section = run.spec.restoration
    if section.treatments is None:
        return None
    return treatments_of(run, run.config.file(section.treatments))


def treatments_of(run: Run, path: Path) -> gpd.GeoDataFrame:
    """The treatment polygons of a file, each of which must touch a zone."""
    found = read_treatments(path, datum=run.spec.restoration.datum)
    whole = shapely.union_all(run.zones.frame.geometry.to_numpy())
    apart = ~np.asarray(shapely.intersects(found.geometry.to_numpy(), whole), dtype=bool)
    if apart.any():
        names = ", ".join(found.loc[apart, "treatment_id"].astype(str).head(10))
        raise InputError("restoration.outside", file=path, treatments=names)
    return found


def treated(
    treatments: gpd.GeoDataFrame, zones: Zones, frame: Frame
) -> tuple[list[dict[str, Any]], pd.DataFrame, list[Message]]:
    """Areas treated up to the year of the run.

    Land treated twice counts once, under its first treatment (by year, then by number), so that planted and closed
    land add up to treated land; corridors and greenways are counted apart from rocky desertification.

    Parameters
    ----------
    treatments : GeoDataFrame
        ``treatment_id``, ``kind``, ``method``, ``year`` and polygons in EPSG:4326.
    zones : Zones
    frame : Frame

    Returns
    -------
    rows : list of dict
        Tidy rows of the quantities of :data:`QUANTITIES`; corridors only where there are any.
    table : DataFrame
        :data:`COLUMNS`, a row for each treatment and zone: the whole polygon's part there, and what of it counts.
    notes : list of Message
    """
    due = treatments[treatments["year"] <= frame.year].sort_values(["year", "treatment_id"], kind="stable")
    notes: list[Message] = []
    if len(due) < len(treatments):
        notes.append(Message.of("restoration.later", count=len(treatments) - len(due), year=frame.year))
    records: list[dict[str, Any]] = []
    for kinds in (KARST, ("corridor",)):
        records += _counted(due[due["kind"].isin(kinds)], zones)
    table = pd.DataFrame.from_records(records, columns=list(COLUMNS))
    twice = math.fsum(table["polygon_ha"]) - math.fsum(table["counted_ha"])
    if twice * 1e4 > SMALLEST_M2:
        notes.append(Message.of("restoration.twice", area=f"{twice:,.2f}"))
    beyond = _beyond_ha(due, table)
    if beyond * 1e4 > SMALLEST_M2:
        notes.append(Message.of("restoration.beyond", area=f"{beyond:,.2f}"))
    return _rows(due, table, zones, frame), table, notes


def _counted(due: gpd.GeoDataFrame, zones: Zones) -> list[dict[str, Any]]:
    """Area of each treatment in each zone, and what of it no earlier treatment has."""
    records = []
    before: BaseGeometry = shapely.Polygon()
    names, shapes = list(zones.ids), list(zones.frame.geometry)
    for line, polygon in zip(due.drop(columns="geometry").to_dict("records"), due.geometry, strict=True):
        new = _areal(shapely.difference(polygon, before))
        for zone, shape in zip(names, shapes, strict=True):
            if not shapely.intersects(polygon, shape):
                continue
            whole, own = (_area_ha(shapely.intersection(part, shape)) for part in (polygon, new))
            about = {name: line[name] for name in ("treatment_id", "kind", "method")}
            records.append({**about, "year": int(line["year"]), "zone": zone, "polygon_ha": whole, "counted_ha": own})
        before = shapely.union(before, polygon)
    return records


def _areal(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry; lines and points that an overlay leaves have no area."""
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(parts) if parts else shapely.Polygon()


def _area_ha(geometry: BaseGeometry) -> float:
    area = _areal(geometry)
    return 0.0 if area.is_empty else geodesic_area_m2(area) / 1e4


def _beyond_ha(due: gpd.GeoDataFrame, table: pd.DataFrame) -> float:
    """Area of polygons outside all zones."""
    return math.fsum(geodesic_area_m2(polygon) / 1e4 for polygon in due.geometry) - math.fsum(table["polygon_ha"])


def _rows(due: gpd.GeoDataFrame, table: pd.DataFrame, zones: Zones, frame: Frame) -> list[dict[str, Any]]:
    rows = []
    for quantity, kinds in QUANTITIES.items():
        count = int(due["kind"].isin(kinds).sum())
        if quantity == "corridor_treated_area" and not count:
            continue
        here = table[table["kind"].isin(kinds)]
        about: dict[str, Any] = {"method": METHOD, "n": count, "definition_id": "", "note": "restoration.note_area"}
        rows.append(frame.row(quantity, CITY, "ha", math.fsum(here["counted_ha"]), **about))
        for zone in zones.ids:
            part = here[here["zone"] == zone]
            own = {**about, "n": int(part["treatment_id"].nunique())}
            rows.append(frame.row(quantity, zone, "ha", math.fsum(part["counted_ha"]), **own))
    return rows
