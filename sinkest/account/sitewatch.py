"""Water and vegetation of a wetland site by its pixels, each weighted by the part that lies within the site.

Shares are those of pixels classed by two thresholds. A pixel at the rim mixes the site with what lies around it and
goes to one class as a whole, which is why a site needs enough pixels before its shares say anything; and floating
plants, shade and mud are told apart by nothing but two indices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WATER_ABOVE = 0.0
"""Of the wetness index: open water (Xu 2006, doi:10.1080/01431160600589179)."""
VEGETATION_FROM = 0.4
"""Of NDVI: closed green cover; what is wet and green is vegetation."""
WETNESS = (("MNDWI", "green", "swir1"), ("NDWI", "green", "nir"), ("red-SWIR", "red", "swir1"))
"""Wetness indices (a - b) / (a + b) by the bands they need, the best first."""
LEAST_SEEN = 0.7
"""Share of a site that must have been seen in a season."""
CIRCLE_POINTS = 90

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shares:
    """A site in a season.

    Attributes
    ----------
    seen : float
        Share of the site with data, 0..1.
    water, vegetation, other : float
        Shares of what was seen; NaN where too little was, water and other also where no wetness index is known.
    ndvi, wetness : float
        Weighted means of the indices.
    """

    seen: float
    water: float
    vegetation: float
    other: float
    ndvi: float
    wetness: float


def normalised(first: Floats, second: Floats) -> Floats:
    """(a - b) / (a + b); NaN where the sum is not positive or either is NaN."""
    total = first + second
    return np.divide(first - second, total, out=np.full_like(total, np.nan), where=total > 0)


def shares(weight: Floats, ndvi: Floats, wetness: Floats | None) -> Shares:
    """Shares of a site from its pixels.

    Parameters
    ----------
    weight : array (n,)
        Part of each pixel within the site, 0..1.
    ndvi, wetness : arrays (n,)
        NaN where a pixel was not seen; ``wetness`` is None where no index of it is known.
    """
    known = np.isfinite(ndvi) if wetness is None else np.isfinite(ndvi) & np.isfinite(wetness)
    whole = float(weight.sum())
    seen = float(weight[known].sum()) / whole if whole > 0 else 0.0
    if seen < LEAST_SEEN:
        return Shares(seen, *(math.nan,) * 5)
    part = weight[known] / weight[known].sum()
    green = ndvi[known] >= VEGETATION_FROM
    vegetation, mean = float(part @ green), float(part @ ndvi[known])
    if wetness is None:
        return Shares(seen, math.nan, vegetation, math.nan, mean, math.nan)
    wet = (wetness[known] > WATER_ABOVE) & ~green
    water = float(part @ wet)
    return Shares(seen, water, vegetation, max(1 - water - vegetation, 0.0), mean, float(part @ wetness[known]))


def circle(x_m: float, y_m: float, area_ha: float) -> Floats:
    """Corners (n, 2) of a regular polygon of the given area around a point, in projected metres."""
    turn = 2 * math.pi / CIRCLE_POINTS
    radius = math.sqrt(2 * area_ha * 1e4 / (CIRCLE_POINTS * math.sin(turn)))
    angle = turn * np.arange(CIRCLE_POINTS)
    return np.column_stack([x_m + radius * np.cos(angle), y_m + radius * np.sin(angle)])
