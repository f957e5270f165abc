"""A small world with known truth: arrays that the stand-in serves, and that tests compute from on their own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry import Point, box

from tests.servers.earthengine.lattice import Lattice, Projection
from tests.servers.earthengine.store import Store
from tests.servers.earthengine.values import Feature, raster

Array = NDArray[Any]

CRS = "EPSG:32649"
LEFT, TOP, PIXEL_M = 700_000.0, 3_080_000.0, 10.0
SIZE = 96
"""Side of the world in pixels of 10 m; the area of interest lies within."""
OVERLAP = 16
"""Columns that the two tiles share, around the middle."""
BANDS10 = {"B2": 300.0, "B3": 500.0, "B4": 400.0, "B8": 3000.0}
BANDS20 = {"B11": 1800.0}
DAYS = {
    "20230620T025551": "summer",
    "20230705T025551": "summer",
    "20230730T025559": "summer",
    "20230824T025551": "summer",
    "20230110T025551": "winter",
    "20230204T025551": "winter",
}
UNSCORED = "20230730T025559"
"""Pass whose eastern granule has no Cloud Score+ partner."""
OVERCAST = "20230824T025551"
"""Pass whose granules have more cloud than runs use."""


@dataclass
class World:
    """Arrays by pass, tile and band; NaN where a tile has no data.

    Attributes
    ----------
    size : int
        Side in pixels of 10 m.
    store : Store
        The same arrays as assets.
    granules : dict
        Id of a granule to its arrays (bands of 10 and 20 m, and ``cs_cdf``), each as wide as the world.
    radar : dict
        Id of a radar scene to its arrays (VV, VH, angle).
    maps : dict
        What the maps of others must come out as, by the program's names for them.
    """

    size: int = SIZE
    store: Store = field(default_factory=Store)
    granules: dict[str, dict[str, Array]] = field(default_factory=dict)
    radar: dict[str, dict[str, Array]] = field(default_factory=dict)
    maps: dict[str, Array] = field(default_factory=dict)

    @property
    def grid(self) -> GeoBox:
        """Area of interest: all but a rim of 8 pixels, no multiple of anything."""
        side = self.size - 16
        affine = Affine(PIXEL_M, 0, LEFT + 80, 0, -PIXEL_M, TOP - 80)
        return GeoBox((side - 3, side), affine, CRS)

    def inner(self, values: Array) -> Array:
        """The area of interest out of an array of the world."""
        return values[8 : 8 + self.grid.shape[0], 8 : 8 + self.grid.shape[1]]

    def of_pass(self, start: str) -> list[str]:
        """Granules of a pass, by name."""
        return sorted(name for name in self.granules if name.startswith(start))


def projection(pixel_m: float = PIXEL_M) -> Projection:
    """The world's grid, or one of larger pixels with the same corner."""
    return Projection(CRS, Affine(pixel_m, 0, LEFT, 0, -pixel_m, TOP))


def build(seed: int = 0, size: int = SIZE) -> World:
    """Make the world."""
    world, rng = World(size), np.random.default_rng(seed)
    for start in DAYS:
        shift = float(rng.integers(-60, 60))
        for tile, columns in (
            ("T49RGL", slice(0, size // 2 + OVERLAP // 2)),
            ("T49RGM", slice(size // 2 - OVERLAP // 2, size)),
        ):
            _granule(world, rng, start, tile, columns, shift)
    _radar(world, rng)
    _terrain(world.store, size)
    _maps(world, rng)
    _gedi(world.store, size)
    return world


def _granule(world: World, rng: np.random.Generator, start: str, tile: str, columns: slice, shift: float) -> None:
    size = world.size
    name = f"{start}_{start[:8]}T030303_{tile}"
    there = np.zeros((size, size), dtype=bool)
    there[:, columns] = True
    bands = {}
    for band, level in BANDS10.items():
        values = level + shift + rng.integers(0, 200, (size, size)).astype(float)
        bands[band] = np.where(there, values, np.nan)
    for band, level in BANDS20.items():
        values = level + shift + rng.integers(0, 200, (size // 2, size // 2)).astype(float)
        bands[band] = np.where(there[::2, ::2], values, np.nan)
    # Clouds in squares of 6 pixels, over two fifths of the tile.
    squares = rng.random((size // 6, size // 6)) < (0.4 if start != OVERCAST else 0.99)
    cloudy = np.kron(squares, np.ones((6, 6))).astype(bool)
    score = np.where(cloudy, 0.1, 0.9) + rng.uniform(-0.05, 0.05, cloudy.shape)
    bands["cs_cdf"] = np.where(there, score.astype(np.float32), np.nan)
    world.granules[name] = bands
    properties = {
        "system:index": name,
        "system:time_start": _milliseconds(start),
        "system:version": 1690000000000 + len(world.granules),
        "CLOUDY_PIXEL_PERCENTAGE": float(100 * cloudy[there].mean()),
        "PROCESSING_BASELINE": "05.09",
        "MEAN_SOLAR_ZENITH_ANGLE": 20.5,
        "MEAN_SOLAR_AZIMUTH_ANGLE": 110.25,
    }
    coarse = dict.fromkeys(BANDS20, projection(20.0))
    optical = {band: values for band, values in bands.items() if band != "cs_cdf"}
    world.store.add("COPERNICUS/S2_SR_HARMONIZED", raster(optical, projection(), properties, grids=coarse))
    if start == UNSCORED and tile == "T49RGM":
        bands["cs_cdf"] = np.full((size, size), np.nan)
        return
    partner = {"system:index": name, "system:time_start": _milliseconds(start)}
    scores = raster({"cs_cdf": bands["cs_cdf"], "cs": bands["cs_cdf"] / 2}, projection(), partner)
    world.store.add("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", scores)


def _radar(world: World, rng: np.random.Generator) -> None:
    size = world.size
    for day, orbit, direction in (
        ("20230622", "048900", "ASCENDING"),
        ("20230704", "049075", "ASCENDING"),
        ("20230701", "049031", "DESCENDING"),
        ("20230113", "046740", "ASCENDING"),
    ):
        name = f"S1A_IW_GRDH_1SDV_{day}T102233_{day}T102258_{orbit}_05E1A2_1234"
        angle = np.full((size, size), 36.0) + np.linspace(0, 4, size)[None]
        bands = {
            "VV": rng.gamma(4.0, 0.03, (size, size)).astype(np.float32),
            "VH": rng.gamma(4.0, 0.006, (size, size)).astype(np.float32),
            "angle": angle.astype(np.float32),
        }
        world.radar[name] = bands
        properties = {
            "system:index": name,
            "system:time_start": _milliseconds(f"{day}T102233"),
            "system:version": 1690000000000,
            "instrumentMode": "IW",
            "transmitterReceiverPolarisation": ["VV", "VH"],
            "orbitProperties_pass": direction,
        }
        world.store.add("COPERNICUS/S1_GRD_FLOAT", raster(bands, projection(), properties))


def elevation_m(lon: Array, lat: Array) -> Array:
    """The lie of the land: a plane in degrees, which any interpolation keeps."""
    return 150.0 + 4000.0 * (lon - 113.0) + 2500.0 * (lat - 27.5)


def _terrain(store: Store, size: int) -> None:
    west, south, east, north = Lattice(projection(), size, size).bounds_lonlat()
    second = 1.0 / 3600.0
    col0, row0 = math.floor((west + 180.0) / second) - 8, math.floor((90.0 - north) / second) - 8
    cols, rows = math.ceil((east - west) / second) + 18, math.ceil((north - south) / second) + 18
    middle = cols // 2
    for k, (first, last) in enumerate(((0, middle), (middle, cols))):
        affine = Affine(
            second, 0, -180.0 - second / 2 + (col0 + first) * second, 0, -second, 90.0 + second / 2 - row0 * second
        )
        place = Projection("EPSG:4326", affine)
        lon, lat = Lattice(place, rows, last - first).centres()
        store.add("COPERNICUS/DEM/GLO30", raster({"DEM": elevation_m(lon, lat)}, place, {"system:index": f"tile{k}"}))
        if k == 0:
            wide = Lattice(place, rows, cols)
            whole = elevation_m(*wide.centres())
            store.images["NASA/NASADEM_HGT/001"] = raster({"elevation": whole}, place, {})


def _maps(world: World, rng: np.random.Generator) -> None:
    store, size = world.store, world.size
    grid, start = projection(), _milliseconds("20230101T000000")
    numbers = rng.integers(500, 9000, (2, size, size)).astype(float)
    quality = rng.choice([0.0, 50.0, 100.0, 150.0, 255.0], (size, size), p=[0.05, 0.1, 0.05, 0.05, 0.75])
    mosaic = {"HH": numbers[0], "HV": numbers[1], "qa": quality}
    properties = {"system:index": "2023", "system:time_start": start}
    store.add("JAXA/ALOS/PALSAR/YEARLY/SAR_EPOCH", raster(mosaic, grid, properties))
    cover = rng.choice([10.0, 40.0, 80.0], (size, size))
    store.add("ESA/WorldCover/v200", raster({"Map": cover}, grid, {"system:index": "2021"}))
    labels = rng.choice([0.0, 1.0, 4.0], (3, size, size))
    for k, label in enumerate(labels):
        named = {"system:index": f"dw{k}", "system:time_start": start + k * 86_400_000.0}
        store.add("GOOGLE/DYNAMICWORLD/V1", raster({"label": label}, grid, named))
    occurrence = np.where(rng.random((size, size)) < 0.3, rng.integers(1, 100, (size, size)), np.nan)
    store.images["JRC/GSW1_4/GlobalSurfaceWater"] = raster({"occurrence": occurrence}, grid, {})
    usable = ~np.isin(quality, (0.0, 100.0, 150.0))
    decibel = np.where(usable, 20.0 * np.log10(numbers) - 83.0, np.nan)
    # Of three labels the one that comes twice, else the least.
    twice = np.where(labels[1] == labels[2], labels[1], np.where(labels[0] == labels[2], labels[0], labels.min(axis=0)))
    often = np.where(labels[0] == labels[1], labels[0], twice)
    named = {"palsar_hh": decibel[0], "palsar_hv": decibel[1], "worldcover": cover, "dynamic_world": often}
    world.maps = {**named, "jrc_water": occurrence}


SHOTS = 2300
"""More than two pages of shots."""
UNDULATION_M = 17.0
"""How far the ellipsoid of the product's heights lies above sea level; every tenth shot missed the ground by far."""


def shot_number(k: int) -> int:
    """A number of eighteen digits, beyond what a double holds."""
    return 224_740_500_300_000_000 + 7 * k


def _gedi(store: Store, size: int) -> None:
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    name = "LARSE/GEDI/GEDI04_A_002/GEDI04_A_2022345_O22474_02_T04_V2"
    shots = []
    for k in range(SHOTS):
        x, y = LEFT + 85 + (k % 60) * 13.0, TOP - 85 - (k // 60) * 19.0
        lon, lat = to_degrees.transform(x, y)
        shots.append(Feature(Point(lon, lat), _shot(k, float(elevation_m(lon, lat)))))
    store.tables[name] = shots
    outline = box(*Lattice(projection(), size, size).bounds_lonlat())
    dated = {"table_id": name, "time_start": "2022-12-11T00:00:00Z", "time_end": "2022-12-11T01:30:00Z"}
    store.tables["LARSE/GEDI/GEDI04_A_002_INDEX"] = [Feature(outline, dated)]


def _shot(k: int, ground_m: float) -> dict[str, Any]:
    return {
        "shot_number": str(shot_number(k)),
        "beam": (0, 1, 2, 3, 5, 6, 8, 11)[k % 8],
        "delta_time": 155_952_000.0 + k * 0.004,  # 2022-12-11
        "agbd": 50.0 + k % 100,
        "agbd_se": 9.0,
        "agbd_pi_lower": 20.0,
        "agbd_pi_upper": 120.0,
        "sensitivity": 0.99 if k % 3 else 0.9,
        "l4_quality_flag": 1,
        "l2_quality_flag": 1,
        "degrade_flag": 0,
        "surface_flag": 1,
        "leaf_off_flag": 0,
        "pft_class": 4,
        "predict_stratum": "DBT_NAs",
        "landsat_water_persistence": 0,
        "urban_proportion": 0,
        "solar_elevation": -20.0,
        "elev_lowestmode": ground_m - UNDULATION_M if k % 10 else ground_m - 400.0,
    }


def _milliseconds(text: str) -> float:
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp() * 1000.0
