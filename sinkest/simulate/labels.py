"""Training polygons: small squares that an interpreter would draw inside patches of one class."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely

from sinkest.simulate.classes import CODES, CONFUSED_CODE, NAMES
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import Population

_LABEL_ERROR = 0.03
_LEAST = 15
_HALF_SIDES_M = (10.0, 20.0, 35.0, 50.0)
_TRIED, _SHORTLISTED = 8, 4  # times the wanted number


def label_polygons(
    landscape: Landscape, population: Population, year: int, rng: np.random.Generator, total: int = 600
) -> gpd.GeoDataFrame:
    """Small squares inside patches of one class, for training.

    Parameters
    ----------
    landscape, population : Landscape, Population
    year : int
    rng : numpy.random.Generator
    total : int
        Polygons in all, shared out by the square root of the area of the classes, at least 15 each; fewer where there
        are not enough patches.

    Returns
    -------
    GeoDataFrame
        label_id, land_cover, simulated and the polygon (EPSG:4326), which holds the centre of a pixel. About 3 % carry
        the name of the class it is most easily confused with.
    """
    position, half = _in_patches(landscape, population, year, rng, total)
    x, y = population.x[position], population.y[position]
    code = population.land_cover[year][position]
    wrong = rng.random(code.size) < _LABEL_ERROR
    code = np.where(wrong, CONFUSED_CODE[code], code)
    boxes = shapely.box(x - half, y - half, x + half, y + half)
    frame = gpd.GeoDataFrame(
        {
            "label_id": [f"L{number:04d}" for number in range(1, code.size + 1)],
            "land_cover": NAMES[code],
            "simulated": True,
        },
        geometry=boxes,
        crs=32649,
    )
    return frame.to_crs(4326)


def _in_patches(
    landscape: Landscape, population: Population, year: int, rng: np.random.Generator, total: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels well inside patches, and half the side of the square around each."""
    found, halves = [], []
    share = np.sqrt(np.bincount(population.land_cover[year], minlength=max(CODES.values()) + 1))
    for code in CODES.values():
        per_class = max(_LEAST, round(total * share[code] / share.sum()))
        members = np.flatnonzero(population.land_cover[year] == code)
        tried = members[rng.permutation(members.size)[: _TRIED * per_class]]
        truth = landscape.at_metres(population.x[tried], population.y[tried], year)
        inner = rng.permutation(tried[np.argsort(-truth.border_m, kind="stable")][: _SHORTLISTED * per_class])
        half = _half_side(landscape, population.x[inner], population.y[inner], code, year)
        fits = np.flatnonzero(half > 0)[:per_class]
        found.append(inner[fits])
        halves.append(half[fits])
    return np.concatenate(found), np.concatenate(halves)


def _half_side(landscape: Landscape, x: np.ndarray, y: np.ndarray, code: int, year: int) -> np.ndarray:
    """Half the side (m) of the largest of a few squares that lies within the class; 0 where none does."""
    half = np.zeros(x.size)
    fits = np.ones(x.size, dtype=bool)
    for size in _HALF_SIDES_M:
        for east, north in ((-1, -1), (-1, 1), (1, -1), (1, 1), (0, 1), (0, -1), (1, 0), (-1, 0)):
            fits &= landscape.at_metres(x + east * size, y + north * size, year).land_cover == code
        half[fits] = size
    return half
