"""Stacks of dated scenes for the benchmarks: ten bands and a scene classification, tiled and compressed as sold.

SIMULATED: smooth landscape and noise, no real place. What decides the cost of reading is like real scenes: neighbours
are correlated, the noise is about a hundredth of the signal, clouds come in fields of a few kilometres, some dates are
clear, some overcast, and some scenes end in the area.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import rasterio
from numba import njit
from numpy.typing import NDArray
from rasterio.transform import from_origin
from rasterio.windows import Window

TILE = 512
DATES = 36
BANDS = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir1", "swir2")
LEVELS = (450, 700, 600, 1100, 2300, 2800, 3000, 3100, 1800, 900)
"""Stored reflectance of vegetation, ten thousandths, before the offset of 1000 that products since 2022 carry."""
OFFSET = 1000
SCALE, ADD = 1e-4, -0.1
NODATA = 0
CLEAR = (4, 5, 6)
VEGETATION, BARE, SHADOW, CLOUD = 4, 5, 3, 9
CRS, CORNER, STEP_M = "EPSG:32649", (600_000.0, 3_100_020.0), 10.0
FIRST = date(2025, 1, 3)
_SPREAD = 0.45
"""Shape of the distribution of cloud cover over the dates: most are either mostly clear or mostly covered."""


def days(dates: int = DATES) -> list[date]:
    """Days of the scenes, ten apart."""
    return [FIRST + timedelta(days=10 * k) for k in range(dates)]


def make_stack(folder: Path, side: int, dates: int = DATES, seed: int = 7, single: bool = False) -> Path:
    """Write a stack once, and give its folder.

    Parameters
    ----------
    folder : Path
    side : int
        Pixels, a multiple of the tile.
    dates : int
    seed : int
    single : bool
        One file a band instead of one file of all bands.
    """
    place = folder / f"stack-{side}-{dates}{'-single' if single else ''}"
    if place.is_dir():
        return place
    half = place.with_name(place.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    cover = np.random.default_rng(seed).beta(_SPREAD, _SPREAD, dates)
    scenes = [(half, side, day, float(covered), seed, single) for day, covered in zip(days(dates), cover, strict=True)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_scene, *zip(*scenes, strict=True)))
    half.rename(place)
    return place


def _scene(place: Path, side: int, day: date, covered: float, seed: int, single: bool) -> None:
    ground, rng = np.random.default_rng(seed), np.random.default_rng([seed, day.toordinal()])
    land = [_field(ground, side, spacing=128) for _ in range(2)]
    clouds = _field(rng, side, spacing=256)
    limit = float(np.quantile(clouds, 1 - covered))
    edge = side * rng.uniform(-2, 1)
    names = [f"{day:%Y%m%d}_{band}.tif" for band in BANDS] if single else [f"{day:%Y%m%d}_bands.tif"]
    profile = {"tiled": True, "blockxsize": TILE, "blockysize": TILE, "compress": "deflate", "zlevel": 1, "crs": CRS}
    shape = {"width": side, "height": side, "transform": from_origin(*CORNER, STEP_M, STEP_M), "driver": "GTiff"}
    bands = {"dtype": "uint16", "count": 1 if single else len(BANDS), "predictor": 2, "nodata": NODATA}
    layout = {"interleave": "pixel"}
    files = [rasterio.open(place / name, "w", **profile, **shape, **bands, **layout) for name in names]
    with rasterio.open(place / f"{day:%Y%m%d}_scl.tif", "w", **profile, **shape, dtype="uint8", count=1) as scl:
        for top in range(0, side, TILE):
            window = Window(0, top, side, TILE)
            rows = slice(top, top + TILE)
            values, codes = _strip(rows, clouds[rows] - limit, land, day, rng)
            outside = np.add.outer(np.arange(top, top + TILE), np.arange(side)) < edge
            values[:, outside], codes[outside] = NODATA, 0
            scl.write(codes, 1, window=window)
            for k, file in enumerate(files):
                file.write(values[k : k + 1] if single else values, window=window)
    for file in files:
        file.close()


def _strip(
    rows: slice, cloud: NDArray[np.float32], land: list[NDArray[np.float32]], day: date, rng: np.random.Generator
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    season = 0.15 * np.sin((day.timetuple().tm_yday - 100) / 365 * 2 * np.pi)
    codes = np.empty(cloud.shape, dtype=np.uint8)
    values = np.empty((len(BANDS), *cloud.shape), dtype=np.uint16)
    _paint(
        cloud, land[0][rows], land[1][rows], season, rng.integers(1, 2**63), np.array(LEVELS, np.float64), values, codes
    )
    return values, codes


@njit(cache=True)
def _paint(cloud, green, bare, season, state, levels, values, codes):  # type: ignore[no-untyped-def]
    state = np.uint64(state)
    for i in range(cloud.shape[0]):
        for j in range(cloud.shape[1]):
            covered, shaded = cloud[i, j] > 0, -0.15 < cloud[i, j] <= 0
            codes[i, j] = CLOUD if covered else SHADOW if shaded else BARE if bare[i, j] > 0.9 else VEGETATION
            common = 0.0
            for k in range(-1, levels.size):
                # xorshift (Marsaglia 2003); four of its parts added up are near enough to a normal deviate
                state ^= state << np.uint64(13)
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                total = 0
                for part in range(4):
                    total += (state >> np.uint64(16 * part)) & np.uint64(0xFFFF)
                deviate = (total / 65536.0 - 2.0) * np.sqrt(3.0)
                if k < 0:
                    common = 0.02 * deviate
                    continue
                lush = season + 0.25 * green[i, j]
                slope = 1.0 + (lush if k > 2 else -0.5 * lush) + 0.2 * bare[i, j] / (k + 1)
                value = levels[k] * max(slope + common + 0.012 * deviate, 0.05)
                if covered:
                    value = value * 0.3 + 5000.0 + 1500.0 * cloud[i, j]
                elif shaded:
                    value *= 0.5
                values[k, i, j] = min(max(value + OFFSET, 1.0), 20000.0)


def _field(rng: np.random.Generator, side: int, spacing: int) -> NDArray[np.float32]:
    """Smooth noise of unit scale, (side, side): three octaves, each interpolated between its own nodes."""
    field = np.zeros((side, side), dtype=np.float32)
    places = np.arange(side, dtype=np.float32)
    for octave in range(3):
        step = spacing / 2**octave
        nodes = rng.standard_normal((int(side / step) + 3,) * 2).astype(np.float32)
        low = (places / step).astype(np.int64)
        part = places / step - low
        part = part * part * (3 - 2 * part)
        down = nodes[low] * (1 - part[:, None]) + nodes[low + 1] * part[:, None]
        field += (down[:, low] * (1 - part) + down[:, low + 1] * part) / 2**octave
    return field
