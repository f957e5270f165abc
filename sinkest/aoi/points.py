"""Points against zones: where each lies, and whether a table's coordinates can be right."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from sinkest.aoi.datum import gcj02_to_wgs84
from sinkest.aoi.geodesy import local_plane
from sinkest.aoi.zones import Zones
from sinkest.errors import InputError

TOLERANCE_M = 250.0
SIGNIFICANCE = 0.01
SHOWN_ROWS = 8


def zone_of_points(zones: Zones, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.int64]:
    """Index of the zone that each point lies in.

    Parameters
    ----------
    zones : Zones
    lon, lat : array_like
        Degrees, WGS84, (n,).

    Returns
    -------
    int64 array (n,)
        Row of ``zones.frame``; -1 outside all zones. A point on a common border belongs to the first of the zones.
    """
    points = shapely.points(np.atleast_1d(np.asarray(lon, dtype=np.float64)), np.atleast_1d(lat))
    index = np.full(len(points), len(zones), dtype=np.int64)
    tree = shapely.STRtree(zones.frame.geometry.values)
    which, zone = tree.query(points, predicate="intersects")
    np.minimum.at(index, which, zone)
    index[index == len(zones)] = -1
    return index


def check_points(
    points: gpd.GeoDataFrame | gpd.GeoSeries | ArrayLike,
    zone_ids: Sequence[str | None] | None,
    zones: Zones,
    *,
    file: object,
    rows: Sequence[int] | None = None,
    tolerance_m: float = TOLERANCE_M,
) -> NDArray[np.object_]:
    """Refuse points that cannot lie where their table says; return the zone of each.

    Parameters
    ----------
    points : GeoDataFrame, GeoSeries or array_like (n, 2)
        Points, or their lon and lat in degrees; taken as WGS84 where they carry no CRS.
    zone_ids : sequence of str or None, optional
        Zone that the table declares for each point; None or empty where it doesn't.
    zones : Zones
    file
        Named in messages.
    rows : sequence of int, optional
        Row number of each point in the file, for messages; 1..n when left out.
    tolerance_m : float
        A point this far outside its zone still passes: boundary lines of another scale differ by that much, and a
        receiver under a canopy errs.

    Returns
    -------
    object array (n,) of str
        The declared zone, else the one that the point lies in, else (within the tolerance) the nearest.

    Raises
    ------
    InputError
        If coordinates are missing or no degrees, lon and lat are swapped, points fit clearly better after conversion
        from GCJ-02 (exact one-sided sign test over the points whose fit changes, 1 %), a declared zone is unknown, a
        point lies outside all zones, or in another zone than declared.
    """
    lon, lat = _coordinates(points)
    numbers = np.arange(1, len(lon) + 1) if rows is None else np.asarray(rows)
    if len(lon) == 0:
        return np.empty(0, dtype=object)
    declared = _declared(zone_ids, zones, numbers, file)
    _check_degrees(lon, lat, numbers, zones, file)
    found = zone_of_points(zones, lon, lat)
    fits = _fits(found, declared)
    _check_gcj02(lon, lat, fits, declared, zones, numbers, file)
    distance_m = _distance_m(lon, lat, np.where(declared >= 0, declared, found), zones)
    far = ~fits & (distance_m > tolerance_m)
    outside, elsewhere = far & (found < 0), far & (found >= 0)
    if outside.any():
        raise InputError(
            "aoi.points_outside", file=file, count=int(outside.sum()), **_where(outside, numbers, lon, lat)
        )
    if elsewhere.any():
        first = int(np.flatnonzero(elsewhere)[0])
        raise InputError(
            "aoi.points_elsewhere",
            file=file,
            count=int(elsewhere.sum()),
            declared=zones.ids[declared[first]],
            found=zones.ids[found[first]],
            **_where(elsewhere, numbers, lon, lat),
        )
    settled = np.where(declared >= 0, declared, found)
    for i in np.flatnonzero(settled < 0):
        settled[i] = _nearest(lon[i], lat[i], zones)
    return np.asarray(zones.ids, dtype=object)[settled]


def _coordinates(
    points: gpd.GeoDataFrame | gpd.GeoSeries | ArrayLike,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not isinstance(points, gpd.GeoDataFrame | gpd.GeoSeries):
        table = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        return table[:, 0], table[:, 1]
    series = points.geometry
    degrees = series if series.crs is None else series.to_crs("EPSG:4326")
    shapes = np.asarray(degrees.values, dtype=object)
    return shapely.get_x(shapes), shapely.get_y(shapes)


def _declared(
    zone_ids: Sequence[str | None] | None, zones: Zones, numbers: NDArray[np.int64], file: object
) -> NDArray[np.int64]:
    """Index of the declared zone, -1 where none is declared."""
    declared = np.full(len(numbers), -1, dtype=np.int64)
    if zone_ids is None:
        return declared
    order = {zone_id: index for index, zone_id in enumerate(zones.ids)}
    for i, given in enumerate(zone_ids):
        if given is None or given != given or not str(given).strip():
            continue
        code = str(int(given)) if isinstance(given, float) and given.is_integer() else str(given).strip()
        if code not in order:
            raise InputError("aoi.unknown_zone", file=file, row=int(numbers[i]), zone=code, known=", ".join(zones.ids))
        declared[i] = order[code]
    return declared


def _check_degrees(
    lon: NDArray[np.float64], lat: NDArray[np.float64], numbers: NDArray[np.int64], zones: Zones, file: object
) -> None:
    missing = ~(np.isfinite(lon) & np.isfinite(lat))
    if missing.any():
        raise InputError("aoi.points_missing", file=file, count=int(missing.sum()), rows=_rows(missing, numbers))
    west, south, east, north = zones.frame.total_bounds
    inside = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    swapped = ~inside & (lat >= west) & (lat <= east) & (lon >= south) & (lon <= north)
    if swapped.any():
        raise InputError(
            "aoi.points_swapped", file=file, count=int(swapped.sum()), **_where(swapped, numbers, lon, lat)
        )
    wild = (np.abs(lon) > 180.0) | (np.abs(lat) > 90.0)
    if wild.any():
        raise InputError("aoi.points_not_degrees", file=file, count=int(wild.sum()), **_where(wild, numbers, lon, lat))


def _fits(found: NDArray[np.int64], declared: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (found >= 0) & ((declared < 0) | (found == declared))


def _check_gcj02(
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    fits: NDArray[np.bool_],
    declared: NDArray[np.int64],
    zones: Zones,
    numbers: NDArray[np.int64],
    file: object,
) -> None:
    converted = zone_of_points(zones, *gcj02_to_wgs84(lon, lat))
    fits_converted = _fits(converted, declared)
    mended, broken = ~fits & fits_converted, fits & ~fits_converted
    gains, losses = int(mended.sum()), int(broken.sum())
    if gains and _sign_test(gains, losses) < SIGNIFICANCE:
        raise InputError(
            "aoi.points_gcj02", file=file, gains=gains, losses=losses, n=len(lon), **_where(mended, numbers, lon, lat)
        )


def _sign_test(gains: int, losses: int) -> float:
    """Chance of at least so many gains among gains and losses if both were equally likely."""
    n = gains + losses
    return sum(comb(n, k) for k in range(gains, n + 1)) / 2**n


def _distance_m(
    lon: NDArray[np.float64], lat: NDArray[np.float64], zone: NDArray[np.int64], zones: Zones
) -> NDArray[np.float64]:
    """Distance to the zone (0 inside it), to the nearest zone where the index is -1."""
    shapes = np.asarray(zones.frame.geometry.values, dtype=object)
    distance = np.zeros(len(lon))
    placed = zone_of_points(zones, lon, lat)
    for i in np.flatnonzero((placed != zone) | (placed < 0)):
        to_plane = local_plane(float(lon[i]), float(lat[i]))
        candidates = shapes if zone[i] < 0 else shapes[zone[i] : zone[i] + 1]
        nearest = min(candidates, key=shapely.Point(lon[i], lat[i]).distance)
        distance[i] = shapely.transform(nearest, to_plane).distance(shapely.Point(0.0, 0.0))
    return distance


def _nearest(lon: float, lat: float, zones: Zones) -> int:
    return int(np.argmin(shapely.distance(zones.frame.geometry.values, shapely.Point(lon, lat))))


def _rows(chosen: NDArray[np.bool_], numbers: NDArray[np.int64]) -> str:
    picked = numbers[chosen]
    listed = ", ".join(str(int(number)) for number in picked[:SHOWN_ROWS])
    return f"{listed}, ..." if len(picked) > SHOWN_ROWS else listed


def _where(
    chosen: NDArray[np.bool_], numbers: NDArray[np.int64], lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> dict[str, object]:
    first = int(np.flatnonzero(chosen)[0])
    return {"rows": _rows(chosen, numbers), "lon": float(lon[first]), "lat": float(lat[first])}
