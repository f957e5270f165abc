"""Where the records of a field table lie: coordinates or polygons, their datum, and the grid they must fall into."""

from __future__ import annotations

from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.aoi.datum import gcj02_to_wgs84
from sinkest.learn import cells as reading
from sinkest.learn.fields import TableSchema
from sinkest.learn.files import RawTable
from sinkest.learn.problems import Problems, marked
from sinkest.messages import Message

GEOGRAPHIC = "EPSG:4326"
WKT_COLUMNS = ("geometry", "wkt")
OVERLAP_SHARE = 0.02
"""Share of the smaller polygon that two polygons of different classes may share: digitised borders overlap a little."""

Datum = Literal["wgs84", "gcj02"]
Repeated = Literal["error", "note", "allow"]


def has_places(raw: RawTable) -> bool:
    """Whether the table says where its records lie, in one way or another."""
    return raw.geometry is not None or {"lon", "lat"} <= set(raw.cells) or _wkt_column(raw) is not None


def read_places(raw: RawTable, schema: TableSchema, problems: Problems, datum: Datum) -> gpd.GeoSeries:
    """Geometry of every record in EPSG:4326; None where it is refused.

    Parameters
    ----------
    raw : RawTable
        Columns that carry geometry are taken out of it.
    schema : TableSchema
        Its ``shape`` says what the geometry must be.
    problems : Problems
        Gets what is wrong.
    datum : str
        ``"gcj02"`` converts the coordinates.
    """
    column = _wkt_column(raw)
    told = np.zeros(len(raw), dtype=bool)
    if raw.geometry is not None:
        series = _of_file(raw, raw.geometry, problems, told)
        _check_shapes(series, schema, problems, told)
    elif schema.shape == "point" and {"lon", "lat"} <= set(raw.cells):
        series = _of_columns(raw, problems)
    elif column is not None:
        series = _of_wkt(raw, column, problems, told)
        _check_shapes(series, schema, problems, told)
    else:
        return gpd.GeoSeries(np.full(len(raw), None, dtype=object), crs=GEOGRAPHIC)
    if datum == "gcj02":
        raw.notes.append(Message.of("learn.converted_gcj02", file=raw.file.name))
        shapes = shapely.transform(
            np.asarray(series.values), lambda xy: np.column_stack(gcj02_to_wgs84(xy[:, 0], xy[:, 1]))
        )
        series = gpd.GeoSeries(shapes, crs=GEOGRAPHIC)
    return series


def _wkt_column(raw: RawTable) -> str | None:
    return next((name for name in raw.cells if name.casefold() in WKT_COLUMNS), None)


def _of_columns(raw: RawTable, problems: Problems) -> gpd.GeoSeries:
    degrees = {}
    sound = np.ones(len(raw), dtype=bool)
    for name, limit in (("lon", 180.0), ("lat", 90.0)):
        given = raw.cells.pop(name)
        values, missing, bad = reading.numbers(given)
        expected = Message.of(f"learn.expect_{name}")
        problems.cells(missing, name, given, "learn.cell_empty", expected=expected)
        problems.cells(bad, name, given, "learn.cell_unreadable", expected=expected)
        degrees[name] = (values, np.abs(values) > limit)
        sound &= ~missing & ~bad
    (lon, far_lon), (lat, far_lat) = degrees["lon"], degrees["lat"]
    swapped = sound & far_lat & ~far_lon & (np.abs(lat) <= 180) & (np.abs(lon) <= 90)
    for record in marked(swapped):
        problems.at(record, "learn.swapped", lon=lon[record], lat=lat[record])
    for record in marked(sound & ~swapped & (far_lon | far_lat)):
        problems.at(record, "learn.no_degrees", lon=lon[record], lat=lat[record])
    sound &= ~far_lon & ~far_lat
    return gpd.GeoSeries(_points(lon, lat, sound), crs=GEOGRAPHIC)


def _points(lon: NDArray[np.float64], lat: NDArray[np.float64], sound: NDArray[np.bool_]) -> NDArray[np.object_]:
    shapes = np.full(len(lon), None, dtype=object)
    shapes[sound] = shapely.points(lon[sound], lat[sound])
    return shapes


def _of_wkt(raw: RawTable, column: str, problems: Problems, told: NDArray[np.bool_]) -> gpd.GeoSeries:
    shapes = np.full(len(raw), None, dtype=object)
    for record, cell in enumerate(raw.cells.pop(column)):
        try:
            shapes[record] = None if reading.is_empty(cell) else shapely.from_wkt(str(cell))
        except shapely.errors.ShapelyError:
            problems.at(record, "learn.bad_wkt", column=column, value=reading.shown(cell))
            told[record] = True
    return gpd.GeoSeries(shapes, crs=GEOGRAPHIC)


def _of_file(raw: RawTable, series: gpd.GeoSeries, problems: Problems, told: NDArray[np.bool_]) -> gpd.GeoSeries:
    for name in ("lon", "lat"):
        # The drawn point counts; columns beside it may be older than its last move.
        raw.cells.pop(name, None)
    if series.crs is None:
        problems.whole(Message.of("learn.no_crs"))
        told[:] = True
        return gpd.GeoSeries(np.full(len(raw), None, dtype=object), crs=GEOGRAPHIC)
    return series.to_crs(GEOGRAPHIC)


def _check_shapes(series: gpd.GeoSeries, schema: TableSchema, problems: Problems, told: NDArray[np.bool_]) -> None:
    """Geometry must be there, whole, on the globe, points or polygons as the schema says; ``told``: known to be bad."""
    shapes = np.asarray(series.values, dtype=object)
    none = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    for record in marked(none & ~told):
        problems.at(record, "learn.no_geometry")
    kinds = shapely.get_type_id(shapes)
    allowed = {0, 4} if schema.shape == "point" else {0, 3, 4, 6}
    wrong = ~np.isin(kinds, list(allowed)) | (np.isin(kinds, [4]) & (shapely.get_num_geometries(shapes) != 1))
    for record in marked(wrong & ~none):
        problems.at(record, f"learn.not_{schema.shape}", kind=shapes[record].geom_type)
    for record in marked(~none & ~wrong & ~shapely.is_valid(shapes)):
        problems.at(record, "learn.broken_geometry", reason=shapely.is_valid_reason(shapes[record]))
    low_x, low_y, high_x, high_y = shapely.bounds(shapes).T
    off = ~none & ~((low_x >= -180) & (high_x <= 180) & (low_y >= -90) & (high_y <= 90))
    for record in marked(off):
        problems.at(record, "learn.no_degrees", lon=float(low_x[record]), lat=float(low_y[record]))


def grid_position(
    grid: GeoBox, lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Row and column of the pixel that each point lies in, and whether it lies in the grid at all.

    Parameters
    ----------
    grid : GeoBox
    lon, lat : float64 arrays (n,)
        Degrees, WGS84.

    Returns
    -------
    row, col : int64 arrays (n,)
        -1 outside the grid.
    inside : bool array (n,)
    """
    to_grid = pyproj.Transformer.from_crs(GEOGRAPHIC, str(grid.crs), always_xy=True)
    x, y = (np.asarray(values, dtype=np.float64) for values in to_grid.transform(lon, lat))
    # The projection answers infinity where it does not reach, e.g. for exchanged axes.
    inside = np.isfinite(x) & np.isfinite(y)
    column, line = pixel_position(grid, np.where(inside, x, 0.0), np.where(inside, y, 0.0))
    height, width = grid.shape
    inside &= (column >= 0) & (column < width) & (line >= 0) & (line < height)
    row = np.where(inside, np.floor(np.where(inside, line, 0)), -1).astype(np.int64)
    col = np.where(inside, np.floor(np.where(inside, column, 0)), -1).astype(np.int64)
    return row, col, inside


def pixel_position(
    grid: GeoBox, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Column and line, with fractions, of coordinates in the grid's own CRS."""
    to = grid.affine
    area = to.a * to.e - to.b * to.d
    return (to.e * (x - to.c) - to.b * (y - to.f)) / area, (to.a * (y - to.f) - to.d * (x - to.c)) / area


def check_in_grid(series: gpd.GeoSeries, grid: GeoBox, problems: Problems) -> None:
    """Every record must lie in the grid (a polygon: the point that stands for it)."""
    points = _stand_in(series)
    known = ~shapely.is_missing(points)
    lon, lat = shapely.get_x(points), shapely.get_y(points)
    inside = grid_position(grid, lon, lat)[2]
    swapped = grid_position(grid, lat, lon)[2]
    for record in marked(known & ~inside):
        key = "learn.swapped" if swapped[record] else "learn.outside_grid"
        problems.at(record, key, lon=float(lon[record]), lat=float(lat[record]))


def _stand_in(series: gpd.GeoSeries) -> NDArray[Any]:
    """A point inside each shape."""
    return np.asarray(shapely.point_on_surface(np.asarray(series.values, dtype=object)))


def check_same_place(series: gpd.GeoSeries, rule: Repeated, problems: Problems, notes: list[Message]) -> None:
    """Two records at one point (closer than about a centimetre) are one plot entered twice, or a slip of the pen."""
    shapes = np.asarray(series.values, dtype=object)
    place = np.round(np.column_stack([shapely.get_x(shapes), shapely.get_y(shapes)]), 7)
    first: dict[tuple[float, float], int] = {}
    for record in marked(np.isfinite(place).all(axis=1)):
        spot = (float(place[record, 0]), float(place[record, 1]))
        earlier = first.setdefault(spot, record)
        if earlier == record or rule == "allow":
            continue
        row, other = int(problems.rows[record]), int(problems.rows[earlier])
        if rule == "error":
            problems.at(record, "learn.same_place", first=other, lon=spot[0], lat=spot[1])
        else:
            notes.append(Message.of("learn.same_place_note", row=row, first=other, lon=spot[0], lat=spot[1]))


def check_overlaps(series: gpd.GeoSeries, land_cover: NDArray[np.object_], problems: Problems) -> None:
    """Polygons of different classes must not cover the same ground."""
    shapes = np.asarray(series.values, dtype=object)
    sound = shapely.is_valid(shapes) & np.isin(shapely.get_type_id(shapes), [3, 6])
    candidates = np.flatnonzero(sound)
    left, right = shapely.STRtree(shapes[candidates]).query(shapes[candidates], predicate="intersects")
    left, right = candidates[left], candidates[right]
    differ = (left < right) & (land_cover[left] != land_cover[right]) & (land_cover[left] != "")
    for first, second in sorted(zip(left[differ].tolist(), right[differ].tolist(), strict=True)):
        shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
        if shared > OVERLAP_SHARE * min(shapely.area(shapes[first]), shapely.area(shapes[second])):
            problems.at(
                second,
                "learn.overlap",
                first=int(problems.rows[first]),
                mine=land_cover[second],
                other=land_cover[first],
            )
