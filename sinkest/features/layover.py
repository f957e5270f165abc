"""Where the relief hides the ground from a side-looking radar: layover and shadow from an elevation model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from sinkest.features.terrain import pixel_sides_m

Floats = NDArray[np.float32]

NOMINAL_INCIDENCE_DEG = 39.0
"""Middle of the swath of Sentinel-1's interferometric wide mode (29 to 46 degrees), where a scene does not say."""

REACH_M = 1000.0
"""How far away a slope is looked for that hides a pixel or falls onto it; farther ones are overlooked."""

CLEAR, LAYOVER, SHADOW = 0, 1, 2

_INCLINATION_DEG = 98.18
_PERIOD_OVER_DAY = 98.6 / 1436.07
"""Minutes of one orbit of Sentinel-1 over those of a sidereal day."""


def look_azimuth_deg(direction: str, latitude_deg: float) -> float:
    """Direction in which Sentinel-1 looks, degrees from north through east: to the right of its ground track.

    The heading of the ground track allows for the turning earth; it bends away from north with latitude, up to the
    highest one that the orbit reaches.
    """
    cos_latitude_2 = math.cos(math.radians(latitude_deg)) ** 2
    cos_inclination = math.cos(math.radians(_INCLINATION_DEG))
    along = math.sqrt(max(cos_latitude_2 - cos_inclination**2, 1e-6))
    heading = math.degrees(math.atan((cos_inclination - _PERIOD_OVER_DAY * cos_latitude_2) / along))
    course = heading if direction == "ascending" else 180.0 - heading
    return (course + 90.0) % 360.0


@dataclass(frozen=True)
class Geometry:
    """Where to look for what hides a pixel: offsets in pixels along the look direction, away from the sensor.

    It belongs to the whole grid, so that no result depends on the block.

    Attributes
    ----------
    rows, cols : tuple of int
        Offsets, nearest first.
    distances_m : tuple of float
    """

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    distances_m: tuple[float, ...]

    @property
    def margin(self) -> int:
        """Pixels that a block needs around it."""
        return max((max(abs(row), abs(col)) for row, col in zip(self.rows, self.cols, strict=True)), default=0)

    @classmethod
    def of(cls, grid: GeoBox, direction: str, reach_m: float = REACH_M) -> Geometry:
        """The geometry of a pass over a grid."""
        azimuth = math.radians(look_azimuth_deg(direction, _middle_latitude_deg(grid)))
        sides = (np.asarray(side) for side in pixel_sides_m(grid))
        width, height = (float(side.flat[side.size // 2]) for side in sides)
        step = min(width, height)
        offsets: dict[tuple[int, int], float] = {}
        for count in range(1, max(1, int(reach_m / step)) + 1):
            row = round(-count * step * math.cos(azimuth) / height)
            col = round(count * step * math.sin(azimuth) / width)
            offsets[row, col] = math.hypot(row * height, col * width)
        rows, cols = zip(*offsets, strict=True)
        return cls(rows, cols, tuple(offsets.values()))


def _middle_latitude_deg(grid: GeoBox) -> float:
    to, row, col = grid.affine, 0.5 * grid.shape[0], 0.5 * grid.shape[1]
    x, y = to.a * col + to.b * row + to.c, to.d * col + to.e * row + to.f
    return float(Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True).transform(x, y)[1])


def distortion(elevation_m: Floats, geometry: Geometry, incidence_deg: float) -> NDArray[np.uint8]:
    """Where the relief hides the ground: 0 clear, 1 layover, 2 shadow; layover where both.

    With the incidence t, a point d metres farther from the sensor and h metres higher comes back no later than this
    one if ``h >= d tan t``, and one nearer and lower no sooner: their echoes lie over each other. A point d metres
    nearer hides this one if it is ``d / tan t`` higher. Slopes themselves and what they do to the ground at their foot
    are both found; a pixel is compared with others along the look direction, no farther than the geometry reaches.

    Parameters
    ----------
    elevation_m : float32 array (y + 2 m, x + 2 m)
        With ``m = geometry.margin`` pixels around the block; NaN hides nothing.
    geometry : Geometry
    incidence_deg : float
        On the ellipsoid.

    Returns
    -------
    uint8 array (y, x)
    """
    margin = geometry.margin
    rows, cols = (size - 2 * margin for size in elevation_m.shape)
    height = elevation_m.astype(np.float64)
    here = height[margin : margin + rows, margin : margin + cols]
    tangent = math.tan(math.radians(incidence_deg))
    relief = float(np.nanmax(height) - np.nanmin(height)) if np.isfinite(height).any() else 0.0
    layover, shadow = np.zeros((rows, cols), dtype=bool), np.zeros((rows, cols), dtype=bool)
    for row, col, distance in zip(geometry.rows, geometry.cols, geometry.distances_m, strict=True):
        if relief < distance * min(tangent, 1.0 / tangent):
            continue
        beyond = height[margin + row : margin + row + rows, margin + col : margin + col + cols]
        before = height[margin - row : margin - row + rows, margin - col : margin - col + cols]
        layover |= (beyond - here >= distance * tangent) | (here - before >= distance * tangent)
        shadow |= before - here >= distance / tangent
    return np.where(layover, LAYOVER, np.where(shadow, SHADOW, CLEAR)).astype(np.uint8)
