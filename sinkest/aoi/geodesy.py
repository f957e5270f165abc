"""True areas on the ellipsoid, and a local plane in metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod, Transformer
from shapely.geometry.base import BaseGeometry

WGS84 = Geod(ellps="WGS84")
DENSIFY_DEGREES = 0.005
"""Longest edge kept when a line that is straight in longitude and latitude is bent into a plane or a geodesic.

At 0.5 km the two differ by about 3 mm in the middle of the edge at 27 N: sagitta = L^2 tan(latitude) / (8 R)."""


def densify(geometry: BaseGeometry, longest: float = DENSIFY_DEGREES) -> BaseGeometry:
    """The same polygons with no edge longer than `longest`, in units of the coordinates.

    Points are always placed from the edge's smaller end, so that two neighbours divide their common edge at the same
    points, to the last bit, though they walk it in opposite directions.
    """
    parts = [
        shapely.Polygon(_divided(part.exterior, longest), [_divided(ring, longest) for ring in part.interiors])
        for part in shapely.get_parts(geometry)
        if part.geom_type == "Polygon" and not part.is_empty
    ]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def mended(geometry: BaseGeometry) -> BaseGeometry:
    """A polygon that a change of coordinates may have folded by a rounding error, valid again; others as they are."""
    if geometry.is_valid:
        return geometry
    parts = [part for part in shapely.get_parts(shapely.make_valid(geometry)) if part.area > 0.0]
    return shapely.union_all(parts)


def _divided(ring: BaseGeometry, longest: float) -> NDArray[np.float64]:
    points = shapely.get_coordinates(ring)
    start, end = points[:-1], points[1:]
    pieces = np.maximum(np.ceil(np.hypot(*(end - start).T) / longest), 1.0).astype(np.int64)
    swapped = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    low, high = np.where(swapped[:, None], end, start), np.where(swapped[:, None], start, end)
    edge = np.repeat(np.arange(len(pieces)), pieces)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    # Counted from the smaller end; the point at the start of the edge is the edge's own corner, exactly.
    count = np.where(swapped[edge], pieces[edge] - step, step)[:, None]
    divided = low[edge] + (high - low)[edge] * (count / pieces[edge][:, None])
    divided[step == 0] = start
    return np.vstack([divided, divided[:1]])


def geodesic_area_m2(geometry: BaseGeometry) -> float:
    """Area of a lon/lat polygon on the WGS84 ellipsoid.

    Parameters
    ----------
    geometry : shapely geometry
        Polygon or MultiPolygon in degrees. Its edges are straight in longitude and latitude, as GeoJSON (RFC 7946)
        defines them; other kinds of geometry have no area.

    Returns
    -------
    float
        Square metres, never negative; holes are left out whatever their orientation.

    Notes
    -----
    Areas of the geodesic polygon through the densified vertices, Karney (2013), doi:10.1007/s00190-012-0578-z.
    """
    total = 0.0
    for part in shapely.get_parts(densify(geometry)):
        total += _ring_area_m2(part.exterior) - sum(_ring_area_m2(ring) for ring in part.interiors)
    return max(total, 0.0)


def _ring_area_m2(ring: BaseGeometry) -> float:
    lon, lat = shapely.get_coordinates(ring).T
    area, _ = WGS84.polygon_area_perimeter(lon, lat)
    return abs(float(area))


def local_plane(lon: float, lat: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A function from lon/lat coordinates (n, 2) to metres on a plane that is true around one point.

    The projection is azimuthal equidistant; within 200 km of the point distances are true to 0.02 %.
    """
    plane = Transformer.from_crs(
        "EPSG:4326", f"+proj=aeqd +lat_0={lat!r} +lon_0={lon!r} +datum=WGS84 +units=m", always_xy=True
    )

    def to_plane(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(plane.transform(coordinates[:, 0], coordinates[:, 1]))

    return to_plane
