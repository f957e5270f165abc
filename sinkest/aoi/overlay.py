"""Polygons laid over zones: true areas by zone, with ground that several polygons claim counted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from sinkest.aoi.geodesy import DENSIFY_DEGREES
from sinkest.aoi.zones import Zones

EQUAL_AREA = "+proj=cea +datum=WGS84 +units=m"
"""Cylindrical equal-area projection of the ellipsoid: areas on the plane are areas on the ground."""
SHARE_GROUND = "T********"
"""Interiors meet (DE-9IM): polygons that only touch share no ground."""

Shapes = NDArray[np.object_]


@dataclass(frozen=True)
class Overlay:
    """Areas of polygons by zone.

    Attributes
    ----------
    whole_m2 : float64 array (polygons,)
        Of each polygon, inside the zones and outside.
    claimed_m2 : float64 array (polygons, zones)
        Of each polygon in each zone, whatever other polygons claim.
    counted_m2 : float64 array (polygons, zones)
        The same without ground that goes to another polygon: sums over polygons count every hectare once.
    """

    whole_m2: NDArray[np.float64]
    claimed_m2: NDArray[np.float64]
    counted_m2: NDArray[np.float64]


def overlay(shapes: Shapes, order: NDArray[Any], zones: Zones) -> Overlay:
    """Lay polygons over zones.

    Parameters
    ----------
    shapes : array of polygons (n,)
        EPSG:4326, valid.
    order : array (n,)
        Ground that several polygons claim goes to the one that comes first; of equals, to the first by position.
    zones : Zones

    Returns
    -------
    Overlay
        Areas on the WGS84 ellipsoid; edges are straight in longitude and latitude.
    """
    rank = np.empty(len(shapes), dtype=np.int64)
    rank[np.lexsort((np.arange(len(shapes)), order))] = np.arange(len(shapes))
    own, trimmed = _own_ground(shapes, rank)
    claimed = _by_zone(shapes, zones)
    counted = claimed.copy()
    counted[trimmed] = _by_zone(own[trimmed], zones)
    return Overlay(areas_m2(shapes), claimed, np.minimum(counted, claimed))


def areas_m2(shapes: Shapes) -> NDArray[np.float64]:
    """Areas of lon/lat polygons on the WGS84 ellipsoid, all at once; lines and points have none."""
    if not len(shapes):
        return np.zeros(0)
    to_plane = Transformer.from_crs("EPSG:4326", EQUAL_AREA, always_xy=True)
    fine = shapely.segmentize(shapes, DENSIFY_DEGREES)
    plane = shapely.transform(fine, lambda xy: np.column_stack(to_plane.transform(xy[:, 0], xy[:, 1])))
    return np.asarray(shapely.area(plane), dtype=np.float64)


def _own_ground(shapes: Shapes, rank: NDArray[np.int64]) -> tuple[Shapes, NDArray[np.int64]]:
    """Polygons without the ground of those before them, and which ones lost any."""
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    later = rank[first] < rank[second]
    first, second = first[later], second[later]
    shared = np.asarray(shapely.relate_pattern(shapes[first], shapes[second], SHARE_GROUND), dtype=bool)
    first, second = first[shared], second[shared]
    own = shapes.copy()
    trimmed = np.unique(second)
    order = np.lexsort((first, second))
    before = np.split(first[order], _starts(second[order])) if len(trimmed) else []
    for later_one, earlier in zip(trimmed, before, strict=True):
        own[later_one] = shapely.difference(shapes[later_one], shapely.union_all(shapes[earlier]))
    return own, trimmed


def _starts(sorted_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where runs of equal numbers begin, but for the first."""
    return np.flatnonzero(np.diff(sorted_ids)) + 1


def _by_zone(shapes: Shapes, zones: Zones) -> NDArray[np.float64]:
    """Area of each shape in each zone: whole where the zone holds it, else of what they have in common."""
    found = np.zeros((len(shapes), len(zones)))
    if not len(shapes):
        return found
    tree = shapely.STRtree(shapes)
    whole = areas_m2(shapes)
    for column, zone in enumerate(zones.frame.geometry):
        shapely.prepare(zone)
        touched = tree.query(zone, predicate="intersects")
        inside = np.asarray(shapely.covers(zone, shapes[touched]), dtype=bool)
        found[touched[inside], column] = whole[touched[inside]]
        cut = touched[~inside]
        found[cut, column] = areas_m2(shapely.intersection(shapes[cut], zone))
    return found
