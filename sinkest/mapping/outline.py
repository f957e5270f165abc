"""Outlines of zones for drawing over a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from sinkest.aoi.zones import Zones
from sinkest.mapping.coverage import pixel_shapes


@dataclass(frozen=True)
class Outline:
    """A zone's outline for drawing over a map of the grid.

    Attributes
    ----------
    zone_id : str
    rings : tuple of float64 arrays (n, 2)
        Closed rings, outer ones and holes, in pixels: x = column, y = row, 0 at the grid's upper left corner.
    """

    zone_id: str
    rings: tuple[NDArray[np.float64], ...]

    def svg_path(self, digits: int = 1) -> str:
        """The ``d`` attribute of an SVG path (fill rule evenodd)."""
        return " ".join(
            "M" + " L".join(f"{x:.{digits}f},{y:.{digits}f}" for x, y in ring[:-1]) + " Z" for ring in self.rings
        )


def outline(zones: Zones, grid: GeoBox, tolerance: float = 1.0) -> tuple[Outline, ...]:
    """Simplified outlines of all zones in pixel coordinates of the grid.

    Parameters
    ----------
    zones : Zones
    grid : GeoBox
    tolerance : float
        Side of the triangles that may be cut off, pixels. Common borders stay common: neighbours are simplified
        together (Visvalingam-Whyatt on the coverage).
    """
    shapes = np.asarray(pixel_shapes(zones, grid), dtype=object)
    return tuple(
        Outline(zone_id, tuple(_closed_rings(shape)))
        for zone_id, shape in zip(zones.ids, shapely.coverage_simplify(shapes, tolerance), strict=True)
    )


def _closed_rings(shape: BaseGeometry) -> list[NDArray[np.float64]]:
    return [
        shapely.get_coordinates(ring)
        for part in shapely.get_parts(shape)
        if part.geom_type == "Polygon"
        for ring in (part.exterior, *part.interiors)
    ]
