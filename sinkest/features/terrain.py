"""Terrain from elevation: slope, aspect, illumination."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError

Floats = NDArray[np.float32]
Lengths = float | NDArray[np.float64]

WGS84_A, WGS84_E2 = 6378137.0, 0.00669437999014
"""Semi-major axis in metres and squared eccentricity of the ellipsoid."""


def slope_aspect(
    elevation_m: Floats, width_m: Lengths, height_m: Lengths | None = None
) -> tuple[Floats, Floats, Floats]:
    """Slope and aspect by Horn's method (Horn 1981, Proc. IEEE 69, 14).

    A neighbour without data, also one beyond the array, is taken to continue the line from the opposite neighbour
    through the centre. Where that one is missing too, a straight neighbour lies level with the centre and a diagonal
    one in the plane of the two straight ones beside it. A plane thus keeps its slope up to the last pixel.

    Parameters
    ----------
    elevation_m : float32 array (y, x)
        North up; NaN for no data. For a block, read one pixel more on each side.
    width_m, height_m : float or float64 array (y, 1)
        Sides of a pixel; ``height_m`` is ``width_m`` by default.

    Returns
    -------
    slope_deg, northness, eastness : float32 arrays (y, x)
        Northness and eastness are the cosine and sine of the downslope direction, times the sine of the slope, so that
        flat ground, which faces nowhere, has 0. NaN where the elevation is.

    Raises
    ------
    InputError
        If a side is not positive.
    """
    height_m = width_m if height_m is None else height_m
    if not (np.all(np.asarray(width_m) > 0) and np.all(np.asarray(height_m) > 0)):
        raise InputError("features.resolution", given=float(np.min(np.asarray(width_m))))
    northwest, north, northeast, west, east, southwest, south, southeast = _neighbours(elevation_m.astype(np.float64))
    rise_east = ((northeast + 2 * east + southeast) - (northwest + 2 * west + southwest)) / (8 * np.asarray(width_m))
    rise_north = ((northwest + 2 * north + northeast) - (southwest + 2 * south + southeast)) / (
        8 * np.asarray(height_m)
    )
    steep = np.where(np.isfinite(elevation_m), np.hypot(rise_east, rise_north), np.nan)
    scale = 1.0 / np.sqrt(1.0 + steep**2)
    slope = np.degrees(np.arctan(steep))
    return slope.astype(np.float32), (-rise_north * scale).astype(np.float32), (-rise_east * scale).astype(np.float32)


def illumination(
    slope_deg: Floats, northness: Floats, eastness: Floats, sun_zenith_deg: float, sun_azimuth_deg: float
) -> Floats:
    """Cosine of the angle between the sun and the slope's normal, (y, x).

    Parameters
    ----------
    slope_deg, northness, eastness : float32 arrays (y, x)
        As `slope_aspect` returns them.
    sun_zenith_deg, sun_azimuth_deg : float
        Azimuth clockwise from north.
    """
    zenith, azimuth = np.radians(sun_zenith_deg), np.radians(sun_azimuth_deg)
    flat = np.cos(np.radians(slope_deg.astype(np.float64))) * np.cos(zenith)
    facing = northness.astype(np.float64) * np.cos(azimuth) + eastness.astype(np.float64) * np.sin(azimuth)
    return (flat + np.sin(zenith) * facing).astype(np.float32)


def pixel_sides_m(grid: GeoBox) -> tuple[Lengths, Lengths]:
    """Width and height of a grid's pixels in metres; of a grid in degrees by row, (y, 1), on the WGS84 ellipsoid."""
    width, height = abs(float(grid.resolution.x)), abs(float(grid.resolution.y))
    if grid.crs is None or not grid.crs.geographic:
        return width, height
    degrees = grid.affine.f + (np.arange(grid.shape[0]) + 0.5)[:, None] * grid.affine.e
    # rounded to a tenth of a millimetre, so that the corner a block starts from leaves no trace
    latitude = np.radians(np.round(degrees, 9))
    bend = 1.0 - WGS84_E2 * np.sin(latitude) ** 2
    east = WGS84_A / np.sqrt(bend) * np.cos(latitude) * np.radians(width)
    north = WGS84_A * (1.0 - WGS84_E2) / bend**1.5 * np.radians(height)
    return east, north


def _neighbours(height: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The eight neighbours of each pixel from north-west to south-east, missing ones filled in."""
    rows, cols = height.shape
    padded = np.pad(height, 1, constant_values=np.nan)
    around = {(i, j): padded[1 + i : 1 + i + rows, 1 + j : 1 + j + cols] for i in (-1, 0, 1) for j in (-1, 0, 1)}
    straight = {}
    for i, j in ((-1, 0), (0, -1), (0, 1), (1, 0)):
        straight[i, j] = _first_known(around[i, j], 2 * height - around[-i, -j], height)
    filled = []
    for i, j in sorted(around):
        if i and j:
            level = straight[i, 0] + straight[0, j] - height
            filled.append(_first_known(around[i, j], 2 * height - around[-i, -j], level))
        elif (i, j) != (0, 0):
            filled.append(straight[i, j])
    return filled


def _first_known(*choices: NDArray[np.float64]) -> NDArray[np.float64]:
    *better, last = choices
    for choice in reversed(better):
        last = np.where(np.isfinite(choice), choice, last)
    return last
