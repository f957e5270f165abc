"""County results for GIS programs: a GeoPackage and a GeoParquet file with the printed numbers, in base units.

The polygons' attributes are the numbers of :class:`~sinkest.report.book.Book`, so a map labelled with them agrees with
the page to the digit; the layer ``estimates`` holds the unrounded tidy table.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyogrio
import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from sinkest.gdalclock import stopped_clock
from sinkest.report.book import Book, Entry
from sinkest.report.data import CITY, WITHHELD, ReportData
from sinkest.report.names import zone_name
from sinkest.report.tables import LAND_AREA, overview_table
from sinkest.report.units import unit_of

COUNTIES, WHOLE, TABLE = "counties", "city", "estimates"
"""Layers of the GeoPackage."""


def county_frame(data: ReportData, zones: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """One row a zone, in the order of their codes, then the whole with the code ``all``.

    Parameters
    ----------
    data : ReportData
    zones : GeoDataFrame
        ``zone_id`` and polygons, EPSG:4326.

    Returns
    -------
    GeoDataFrame
        ``zone_id``, ``name_zh``, ``name_en``, ``land_area_ha``, ``year``, ``definition_id``, ``run_id``, ``simulated``,
        then for each quantity of the tidy table a column ``<quantity>_<unit>`` (``growing_stock_m3``) with its ends
        ``..._low`` and ``..._high`` where it has an interval. A cell without an estimate is empty.
    """
    book = Book(data)
    shapes = {str(zone): shape for zone, shape in zip(zones["zone_id"], zones.geometry, strict=True)}
    areas = _land_areas(data, book)
    rows = []
    for zone in (*book.zones, CITY):
        name = zone_name(data, zone)
        rows.append(
            {
                "zone_id": zone,
                "name_zh": name.zh,
                "name_en": name.en,
                "land_area_ha": areas[zone],
                "year": data.year,
                "definition_id": data.definition.id,
                "run_id": data.run_id,
                "simulated": data.simulated,
                **_attributes(book, zone),
            }
        )
    whole = shapely.union_all([shapes[zone] for zone in book.zones])
    geometry = [_multi(shapes.get(zone, whole)) for zone in (*book.zones, CITY)]
    return gpd.GeoDataFrame(rows, geometry=geometry, crs="EPSG:4326")


def column_of(quantity: str, unit: str) -> str:
    """Name of a quantity's column: ``carbon:arbor`` in t C becomes ``carbon_arbor_t_c``."""
    return f"{quantity.replace(':', '_')}_{unit_of(unit).id}"


def report_geopackage(data: ReportData, zones: gpd.GeoDataFrame) -> bytes:
    """GeoPackage with the layers ``counties``, ``city`` and ``estimates``; the same data give the same bytes."""
    frame = county_frame(data, zones)
    table = data.estimates.drop(columns="note").astype({"status": str})
    table.loc[table["status"] == WITHHELD, ["value", "se", "low", "high"]] = float("nan")
    whole = frame["zone_id"] == CITY
    with tempfile.TemporaryDirectory() as folder, stopped_clock(data.year):
        path = Path(folder) / "counties.gpkg"
        for layer, content in ((COUNTIES, frame[~whole]), (WHOLE, frame[whole])):
            pyogrio.write_dataframe(content, path, layer=layer, driver="GPKG", geometry_type="MultiPolygon")
        pyogrio.write_dataframe(table, path, layer=TABLE, driver="GPKG")
        return path.read_bytes()


def report_geoparquet(data: ReportData, zones: gpd.GeoDataFrame) -> bytes:
    """GeoParquet of the zones, the whole left out; the same data give the same bytes."""
    frame = county_frame(data, zones)
    stream = io.BytesIO()
    frame[frame["zone_id"] != CITY].reset_index(drop=True).to_parquet(stream, index=False)
    return stream.getvalue()


def _land_areas(data: ReportData, book: Book) -> dict[str, float]:
    """The zones' own areas as the county table prints them; to the hundredth where they do not stand in it."""
    areas = dict(zip(data.zones["zone_id"].astype(str), data.zones["area_ha"].astype(float), strict=True))
    found = {**{zone: round(area, 2) for zone, area in areas.items()}, CITY: round(sum(areas.values()), 2)}
    table = overview_table(data, book)
    if table.columns and table.columns[0].key == LAND_AREA:
        found |= {row.key: _number(row.cells[0], "value") for row in table.body}
    return found


def _attributes(book: Book, zone: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for quantity in book.quantities:
        if not book.has(quantity, zones=True):
            continue
        column, entry = column_of(quantity, book.unit(quantity)), book.entry(quantity, zone)
        found[column] = _number(entry, "value")
        if _bounded(book, quantity):
            found |= {f"{column}_{end}": _number(entry, end) for end in ("low", "high")}
    return found


def _bounded(book: Book, quantity: str) -> bool:
    """Whether any zone has an interval."""
    entries = (book.entry(quantity, zone) for zone in (*book.zones, CITY))
    return any(entry is not None and entry.low is not None for entry in entries)


def _number(entry: Entry | None, which: str) -> float:
    value = None if entry is None else getattr(entry, which)
    return float("nan") if value is None else float(value)


def _multi(shape: BaseGeometry) -> BaseGeometry:
    return MultiPolygon([shape]) if shape.geom_type == "Polygon" else shape
