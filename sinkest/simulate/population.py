"""The landscape as a finite population of pixels, and fast samples of it for experiments.

A pixel stands for the point at its centre. Samples are arrays of positions in the population, so that thousands of them
can be drawn and estimated without looking at the landscape again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from sinkest.aoi import Zones, pixel_area_m2
from sinkest.errors import InputError
from sinkest.mapping.zonal import ZoneIndex, zone_labels
from sinkest.simulate.landscape import Landscape, grid_metres

BLOCK = 512

PRIOR_STRATA = ("forest", "other_trees", "non_forest")
"""Strata of the earlier map: forest; other trees and shrub; the rest."""

_FOREST_END, _TREES_END = 6, 9
_PRIOR_ERRORS = np.array([[0.94, 0.04, 0.02], [0.25, 0.60, 0.15], [0.02, 0.05, 0.93]])
_PRIOR_STREAM = 3


@dataclass(frozen=True)
class Population:
    """Pixels of a grid whose larger part lies in the zones, in row order; arrays of shape (n,).

    Attributes
    ----------
    grid : GeoBox
    zone_ids : tuple of str
    row, column : ndarray of int32
        Where the pixels lie in the grid.
    x, y : ndarray of float64
        Their centres, metres of EPSG:32649.
    zone : ndarray of int16
        Position in ``zone_ids``.
    area_ha : ndarray of float64
        True area of the pixel.
    land_cover : mapping of year to ndarray of uint8
        Class codes.
    volume_m3_ha : mapping of year to ndarray of float32
        0 outside arbor forest.
    """

    grid: GeoBox
    zone_ids: tuple[str, ...]
    row: np.ndarray
    column: np.ndarray
    x: np.ndarray
    y: np.ndarray
    zone: np.ndarray
    area_ha: np.ndarray
    land_cover: Mapping[int, np.ndarray]
    volume_m3_ha: Mapping[int, np.ndarray]

    def __len__(self) -> int:
        return int(self.row.size)


def population(landscape: Landscape, zones: Zones, grid: GeoBox, years: Sequence[int], workers: int = 2) -> Population:
    """Look at every pixel of the zones in each of the years.

    Parameters
    ----------
    landscape : Landscape
    zones : Zones
    grid : GeoBox
        Covers all zones.
    years : sequence of int
    workers : int
        Threads; the result does not depend on it.
    """
    label = zone_labels(ZoneIndex(zones, grid))
    row, column = np.nonzero(label >= 0)
    x, y = _centres(grid, row, column)
    parts = np.array_split(np.arange(row.size), max(1, row.size // BLOCK**2))
    cover = {year: np.empty(row.size, np.uint8) for year in years}
    volume = {year: np.empty(row.size, np.float32) for year in years}

    def fill(job: tuple[int, np.ndarray]) -> None:
        year, part = job
        truth = landscape.look(x[part], y[part], part.shape, year)
        cover[year][part], volume[year][part] = truth.land_cover, truth.volume_m3_ha

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, [(year, part) for year in years for part in parts]))
    return Population(
        grid=grid,
        zone_ids=zones.ids,
        row=row.astype(np.int32),
        column=column.astype(np.int32),
        x=x,
        y=y,
        zone=label[row, column],
        area_ha=pixel_area_m2(grid)[row, column] / 1e4,
        land_cover=cover,
        volume_m3_ha=volume,
    )


def _centres(grid: GeoBox, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres of some pixels, the same bits as for the whole grid; a band of rows at a time."""
    x, y = np.empty(row.size), np.empty(row.size)
    for first in range(0, grid.shape[0], BLOCK):
        band = grid[first : first + BLOCK, :]
        here = slice(*np.searchsorted(row, [first, first + BLOCK]))
        flat = (row[here] - first) * grid.shape[1] + column[here]
        band_x, band_y = grid_metres(band)
        x[here], y[here] = band_x[flat], band_y[flat]
    return x, y


def prior_map(population: Population, year: int, seed: int) -> np.ndarray:
    """Strata (0, 1, 2 as in ``PRIOR_STRATA``) of a map of an earlier year, with the errors that such maps have.

    Errors come in patches of about 3 x 3 pixels and depend on the place and the seed only.
    """
    code = population.land_cover[year]
    truth = np.where(code <= _FOREST_END, 0, np.where(code <= _TREES_END, 1, 2))
    height, width = population.grid.shape
    rng = np.random.default_rng([abs(seed), _PRIOR_STREAM])
    patch = rng.random((height // 3 + 1, width // 3 + 1))[population.row // 3, population.column // 3]
    return (patch[:, None] > np.cumsum(_PRIOR_ERRORS, axis=1)[truth, :2]).sum(axis=1).astype(np.uint8)


def simple_sample(population: Population, n: int, rng: np.random.Generator, draws: int = 1) -> np.ndarray:
    """Positions of simple random samples with replacement, shape (draws, n)."""
    _check_size(n, len(population), distinct=False)
    return rng.integers(0, len(population), size=(draws, n))


def stratified_sample(
    stratum: np.ndarray, sizes: Mapping[int, int], rng: np.random.Generator, draws: int = 1
) -> np.ndarray:
    """Positions of stratified random samples, shape (draws, sum of sizes), strata in given order.

    Within a draw no pixel comes twice; draws are independent of each other.

    Parameters
    ----------
    stratum : ndarray of shape (n,)
        Stratum of each pixel.
    sizes : mapping of stratum to int
        Points to draw in each stratum.
    rng : numpy.random.Generator
    draws : int

    Raises
    ------
    InputError
        If a stratum has fewer pixels than points are wanted of it.
    """
    columns = []
    for which, size in sizes.items():
        members = np.flatnonzero(stratum == which)
        _check_size(size, members.size)
        columns.append(np.stack([rng.choice(members, size, replace=False, shuffle=False) for _ in range(draws)]))
    return np.concatenate(columns, axis=1)


def systematic_sample(population: Population, spacing_px: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of a square grid of points with a random start; the number of points varies with the start."""
    if spacing_px < 1:
        raise InputError("simulate.spacing", given=spacing_px)
    start_row, start_column = rng.integers(0, spacing_px, size=2)
    on = (population.row % spacing_px == start_row) & (population.column % spacing_px == start_column)
    return np.flatnonzero(on)


def _check_size(wanted: int, there: int, *, distinct: bool = True) -> None:
    if wanted < 1 or there < (wanted if distinct else 1):
        raise InputError("simulate.sample_size", given=wanted, pixels=there)
