"""Geometry checks: each polygon by itself, then the zones against one another."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from sinkest.aoi.geodesy import geodesic_area_m2, local_plane, mended
from sinkest.errors import InputError
from sinkest.messages import Message

NOTED_M2 = 1.0
OPEN_GAP_M = 50.0


def check_polygons(file: object, geometries: Sequence[BaseGeometry | None], geographic: bool) -> None:
    """Refuse what is no valid polygon in its own CRS.

    Raises
    ------
    InputError
        Naming the feature (counted from 1) and, where there is one, the place.
    """
    for row, geometry in enumerate(geometries, start=1):
        if geometry is None or geometry.is_empty:
            raise InputError("aoi.empty_geometry", file=file, row=row)
        if geometry.geom_type not in {"Polygon", "MultiPolygon"}:
            raise InputError("aoi.not_polygon", file=file, row=row, kind=geometry.geom_type)
        coordinates = shapely.get_coordinates(geometry)
        if not np.isfinite(coordinates).all():
            raise InputError("aoi.not_finite", file=file, row=row)
        if geographic:
            _check_degrees(file, row, coordinates)
        if not geometry.is_valid:
            raise _invalid(file, row, geometry)


def _check_degrees(file: object, row: int, coordinates: NDArray[np.float64]) -> None:
    x, y = coordinates[:, 0], coordinates[:, 1]
    if np.abs(y).max() > 90.0 and np.abs(y).max() <= 180.0 and np.abs(x).max() <= 90.0:
        raise InputError("aoi.swapped", file=file, row=row, x=float(x[0]), y=float(y[0]))
    outside = np.flatnonzero((np.abs(x) > 180.0) | (np.abs(y) > 90.0))
    if outside.size:
        worst = int(outside[0])
        if np.abs(y).max() <= 90.0 and np.abs(x).max() <= 360.0:
            raise InputError("aoi.antimeridian", file=file, row=row)
        raise InputError("aoi.not_degrees", file=file, row=row, x=float(x[worst]), y=float(y[worst]))
    if x.max() - x.min() > 180.0:
        raise InputError("aoi.antimeridian", file=file, row=row)


def _invalid(file: object, row: int, geometry: BaseGeometry) -> InputError:
    reason = shapely.is_valid_reason(geometry)
    found = re.search(r"\[(\S+) (\S+)\]", reason)
    x, y = (found.group(1), found.group(2)) if found else ("?", "?")
    key = "aoi.self_crossing" if "intersection" in reason.lower() else "aoi.invalid_geometry"
    return InputError(key, file=file, row=row, x=x, y=y, reason=reason.split("[")[0].strip())


def check_coverage(
    file: object, ids: Sequence[str], geometries: Sequence[BaseGeometry], share: float
) -> tuple[Message, ...]:
    """Refuse overlaps and gaps between zones; slivers pass and are noted.

    Parameters
    ----------
    file
        Named in messages.
    ids, geometries
        Zones in lon/lat degrees, WGS84.
    share : float
        Largest tolerated sliver, as a share of the area: for an overlap of the smaller of both zones, for the gaps
        of all zones together.

    Returns
    -------
    tuple of Message
        What was tolerated.
    """
    areas = [geodesic_area_m2(geometry) for geometry in geometries]
    return (
        *_check_overlaps(file, ids, geometries, areas, share),
        *_check_gaps(file, geometries, sum(areas), share),
        *_note_open_gaps(ids, geometries),
    )


def _neighbours(geometries: Sequence[BaseGeometry], distance: float = 0.0) -> list[tuple[int, int]]:
    boxes = shapely.buffer(shapely.box(*shapely.bounds(np.asarray(geometries, dtype=object)).T), distance)
    first, second = shapely.STRtree(boxes).query(boxes, predicate="intersects")
    return sorted((int(i), int(j)) for i, j in zip(first, second, strict=True) if i < j)


def _check_overlaps(
    file: object, ids: Sequence[str], geometries: Sequence[BaseGeometry], areas: Sequence[float], share: float
) -> tuple[Message, ...]:
    pairs, total_m2 = 0, 0.0
    for i, j in _neighbours(geometries):
        overlap = shapely.intersection(geometries[i], geometries[j])
        overlap_m2 = geodesic_area_m2(overlap)
        if overlap_m2 > share * min(areas[i], areas[j]):
            place = overlap.representative_point()
            raise InputError(
                "aoi.overlap",
                file=file,
                first=ids[i],
                second=ids[j],
                area_ha=overlap_m2 / 1e4,
                share_percent=100.0 * share,
                lon=place.x,
                lat=place.y,
            )
        if overlap_m2 > NOTED_M2:
            pairs, total_m2 = pairs + 1, total_m2 + overlap_m2
    return (Message.of("aoi.overlap_note", pairs=pairs, area_ha=total_m2 / 1e4),) if pairs else ()


def _check_gaps(file: object, geometries: Sequence[BaseGeometry], total_m2: float, share: float) -> tuple[Message, ...]:
    """Holes between zones. A hole inside a single zone is that zone's own affair, e.g. an enclave of a neighbour."""
    union = shapely.union_all(np.asarray(geometries, dtype=object))
    holes = [
        shapely.Polygon(ring)
        for part in shapely.get_parts(union)
        if part.geom_type == "Polygon"
        for ring in part.interiors
    ]
    tree = shapely.STRtree(np.asarray(geometries, dtype=object))
    gaps = [hole for hole in holes if len(tree.query(hole.exterior, predicate="intersects")) > 1]
    if not gaps:
        return ()
    gap_m2 = [geodesic_area_m2(gap) for gap in gaps]
    if sum(gap_m2) > share * total_m2:
        largest = int(np.argmax(gap_m2))
        place = gaps[largest].representative_point()
        raise InputError(
            "aoi.gap",
            file=file,
            count=len(gaps),
            area_ha=sum(gap_m2) / 1e4,
            share_percent=100.0 * share,
            lon=place.x,
            lat=place.y,
        )
    return (Message.of("aoi.gap_note", count=len(gaps), area_ha=sum(gap_m2) / 1e4),) if sum(gap_m2) > NOTED_M2 else ()


def _note_open_gaps(ids: Sequence[str], geometries: Sequence[BaseGeometry]) -> tuple[Message, ...]:
    """Note neighbours whose borders run side by side with a strip between them that is open to the outside.

    The strip is what lies within 25 m of both zones and in neither. Where two zones meet at the outer edge a corner of
    about 1.6 x (25 m)^2 always remains, so only pieces of ten times that square count.
    """
    if len(geometries) < 2:
        return ()
    half = OPEN_GAP_M / 2.0
    centre = shapely.union_all(shapely.centroid(np.asarray(geometries, dtype=object))).centroid
    to_plane = local_plane(centre.x, centre.y)
    plane = [mended(shapely.transform(geometry, to_plane)) for geometry in geometries]
    union = shapely.union_all(plane)
    filled = shapely.union_all(
        [shapely.Polygon(part.exterior) for part in shapely.get_parts(union) if part.geom_type == "Polygon"]
    )
    found, total_m2 = [], 0.0
    for i, j in _neighbours(plane, half):
        between = shapely.intersection(_rim(plane[i], half), _rim(plane[j], half))
        pieces = shapely.get_parts(shapely.difference(between, filled))
        strip_m2 = sum(piece.area for piece in pieces if piece.area > 10.0 * half**2)
        if strip_m2 > 0:
            found.append(f"{ids[i]}-{ids[j]}")
            total_m2 += strip_m2
    return (Message.of("aoi.open_gap_note", pairs=", ".join(found), area_ha=total_m2 / 1e4),) if found else ()


def _rim(geometry: BaseGeometry, width: float) -> BaseGeometry:
    return shapely.buffer(shapely.boundary(geometry), width, quad_segs=2)
