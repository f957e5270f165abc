"""Where zone names stand on a map: inside the zone where they fit, else beside it with a leader line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Point, box
from shapely.geometry.base import BaseGeometry

DIRECTIONS = 24
LINE_HEIGHT = 1.15


@dataclass(frozen=True)
class Placed:
    """A name's centre, and the point its leader starts from (``None`` where the name stands inside its zone)."""

    x: float
    y: float
    anchor: tuple[float, float] | None


def polygon(rings: Sequence[NDArray[np.float64]]) -> BaseGeometry:
    """Rings as one area; a ring inside another is a hole."""
    parts = [shapely.make_valid(shapely.Polygon(ring)) for ring in rings if len(ring) >= 4]
    return reduce(lambda a, b: a.symmetric_difference(b), parts, shapely.Polygon())


def place(
    outlines: Mapping[str, Sequence[NDArray[np.float64]]],
    widths: Mapping[str, float],
    size: float,
    frame: tuple[float, float, float, float],
) -> dict[str, Placed]:
    """Place names so that none covers another.

    Parameters
    ----------
    outlines : mapping
        zone to rings of x, y.
    widths : mapping
        zone to the width of its name, in the same coordinates.
    size : float
        Font size in the same coordinates.
    frame : tuple
        Left, top, right and bottom edge that names must not cross.

    Returns
    -------
    dict
        zone to its place; zones without an area, or for which there is no room, are left out.
    """
    shapes = {zone: polygon(rings) for zone, rings in outlines.items() if zone in widths}
    shapes = {zone: shape for zone, shape in shapes.items() if shape.area > 0}
    whole = shapely.union_all(list(shapes.values())).simplify(size / 4) if shapes else shapely.Polygon()
    placed: dict[str, Placed] = {}
    taken: list[BaseGeometry] = []
    crowded = []
    for zone, shape in sorted(shapes.items(), key=lambda item: (-item[1].area, item[0])):
        centre = _centre(shape)
        room = _box(centre, widths[zone], size)
        if room.intersection(shape).area >= 0.97 * room.area and not any(room.intersects(other) for other in taken):
            placed[zone] = Placed(centre[0], centre[1], None)
            taken.append(room)
        else:
            crowded.append((zone, centre))
    for zone, centre in sorted(crowded, key=lambda item: (item[1][1], item[0])):
        found = _beside(centre, widths[zone], size, frame, taken, whole)
        if found is not None:
            placed[zone] = Placed(found[0], found[1], centre)
            taken += [_box(found, widths[zone], size), LineString([centre, found]).buffer(size * 0.1)]
    return placed


def _centre(shape: BaseGeometry) -> tuple[float, float]:
    """Centre of the largest circle inside the shape."""
    radius_line = shapely.maximum_inscribed_circle(shape, tolerance=max(math.sqrt(shape.area) / 200, 1e-6))
    x, y = radius_line.coords[0]
    return float(x), float(y)


def _box(centre: tuple[float, float], width: float, size: float) -> BaseGeometry:
    half, tall = width / 2 + size * 0.15, size * LINE_HEIGHT / 2
    return box(centre[0] - half, centre[1] - tall, centre[0] + half, centre[1] + tall)


def _beside(
    centre: tuple[float, float],
    width: float,
    size: float,
    frame: tuple[float, float, float, float],
    taken: Sequence[BaseGeometry],
    whole: BaseGeometry,
) -> tuple[float, float] | None:
    """The nearest free place around a point, rather outside the mapped area than on it."""
    edges = box(*frame)
    best: tuple[float, float, float] | None = None
    for ring in range(2, 40):
        distance = ring * size * 0.75
        for k in range(DIRECTIONS):
            angle = 2 * math.pi * k / DIRECTIONS
            x = (
                centre[0]
                + distance * math.cos(angle)
                + math.copysign(width / 2, math.cos(angle)) * abs(math.cos(angle))
            )
            y = centre[1] + distance * math.sin(angle)
            room = _box((x, y), width, size)
            leader = LineString([centre, (x, y)])
            if not edges.contains(room) or any(room.intersects(o) or leader.intersects(o) for o in taken):
                continue
            if room.contains(Point(centre)):
                continue
            if best is not None and distance >= best[0]:
                continue
            cost = distance + 10 * size * whole.intersection(room).area / room.area
            cost += 0.5 * whole.intersection(leader).length
            if best is None or cost < best[0] - 1e-9:
                best = (cost, x, y)
        if best is not None and distance > best[0]:
            break
    return None if best is None else (best[1], best[2])
