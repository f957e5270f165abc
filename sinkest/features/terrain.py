"""Terrain from elevation: slope, aspect, illumination."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sinkest.errors import InputError

Floats = NDArray[np.float32]
_EAST = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8.0
_NORTH = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]]) / 8.0


def slope_aspect(elevation_m: Floats, resolution_m: float) -> tuple[Floats, Floats, Floats]:
    """Slope and aspect by Horn's method (Horn 1981).

    Parameters
    ----------
    elevation_m : float32 array (y, x)
        North up. The outermost pixels use the edge repeated; read one pixel more where that matters.
    resolution_m : float

    Returns
    -------
    slope_deg, northness, eastness : float32 arrays (y, x)
        Northness and eastness are the cosine and sine of the downslope direction, times the sine of the slope, so that
        flat ground, which faces nowhere, has 0.

    Raises
    ------
    InputError
        If the resolution is not positive.
    """
    if not resolution_m > 0:
        raise InputError("features.resolution", given=resolution_m)
    height = elevation_m.astype(np.float64)
    east = ndimage.correlate(height, _EAST, mode="nearest") / resolution_m
    north = ndimage.correlate(height, _NORTH, mode="nearest") / resolution_m
    steep = np.hypot(east, north)
    scale = 1.0 / np.sqrt(1.0 + steep**2)
    slope = np.degrees(np.arctan(steep))
    return slope.astype(np.float32), (-north * scale).astype(np.float32), (-east * scale).astype(np.float32)


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
