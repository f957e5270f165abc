"""Scenes of the landscape: dates, and what each sensor records of a block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from odc.geo.geobox import GeoBox

from sinkest.simulate import optics, radar
from sinkest.simulate.appearance import FEATURES, admixture_shares, backscatter_on, hidden, looks_on, signatures
from sinkest.simulate.clouds import Weather, weather
from sinkest.simulate.landscape import Landscape, Truth, grid_metres
from sinkest.simulate.memory import Memory, grid_key

REVISIT_DAYS = 5
RADAR_REVISIT_DAYS = 12
_QUARTER_DAYS = 91.3


@dataclass(frozen=True)
class Ground:
    """A block and its halo, ready for any scene: coordinates (m), truth, hidden numbers (5, y, x), pixel size (m)."""

    x: np.ndarray
    y: np.ndarray
    truth: Truth
    hidden: np.ndarray
    size_m: float


class Camera:
    """Records the landscape as it stands in a year, on any day.

    Parameters
    ----------
    landscape : Landscape
    year : int
        State of the landscape; the day only sets the season, the sun and the weather.
    cloudiness : float
        Mean share of cloud over all days, 0..1.
    """

    def __init__(self, landscape: Landscape, year: int, cloudiness: float) -> None:
        self.landscape, self.year, self.cloudiness = landscape, year, cloudiness
        self._memory: Memory[Ground] = Memory(2)

    def weather(self, day: date) -> Weather:
        """The weather of a day."""
        return weather(self.landscape.seed, day, self.cloudiness)

    def optical(self, grid: GeoBox, day: date, bands: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Surface reflectance (float32; band, y, x; NaN outside the swath) and scene classification (uint8; y, x)."""
        return self.expose(self.ground(grid), day, bands)

    def radar(self, grid: GeoBox, day: date) -> np.ndarray:
        """Linear gamma0 (float32; vv and vh, y, x)."""
        return self.echo(self.ground(grid), day)

    def ground(self, grid: GeoBox) -> Ground:
        """The block with its halo; the last ones of each thread are remembered."""
        return self._memory.get(grid_key(grid), lambda: self._ground(grid.pad(optics.HALO)))

    def _ground(self, padded: GeoBox) -> Ground:
        x, y = (axis.reshape(tuple(padded.shape)) for axis in grid_metres(padded))
        return ground_at(self.landscape, x, y, math.hypot(x[0, 1] - x[0, 0], y[0, 1] - y[0, 0]), self.year)

    def expose(self, ground: Ground, day: date, bands: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`optical`, of ground that was prepared; its halo is cut off."""
        core, truth = slice(optics.HALO, -optics.HALO), ground.truth
        sky, seen = self.weather(day).record(), optics.response()
        looks = looks_on(day)
        lit = optics.lit_ground(
            truth.land_cover, truth.canopy_closure, truth.visible_m3_ha, truth.elevation_m, ground.hidden,
            ground.size_m, looks.reflectance, looks.understorey, looks.admixture, seen, sky,
        )  # fmt: skip
        x, y = ground.x[core, core], ground.y[core, core]
        reflectance = np.empty((len(bands), *x.shape), np.float32)
        scl = np.empty(x.shape, np.uint8)
        wanted = np.array([optics.BANDS.index(band) for band in bands], dtype=np.int64)
        optics.observed(
            x, y, lit, truth.land_cover[core, core], truth.parcel[core, core], truth.elevation_m[core, core], wanted,
            seen, sky, self.landscape.salts, np.uint64(day.toordinal()), reflectance, scl,
        )  # fmt: skip
        return reflectance, scl

    def echo(self, ground: Ground, day: date) -> np.ndarray:
        """As :meth:`radar`, of ground that was prepared; its halo is cut off."""
        core, rim = slice(optics.HALO, -optics.HALO), slice(optics.HALO - 1, 1 - optics.HALO)
        truth, given = ground.truth, signatures()["radar"]
        stock_db = np.array([given["saturation_m3_ha"], given["stock_vv_db"], given["stock_vh_db"]])
        x, y = ground.x[core, core], ground.y[core, core]
        gamma0 = np.empty((2, *x.shape), np.float32)
        radar.backscatter(
            x, y, truth.land_cover[rim, rim], truth.canopy_closure[rim, rim], truth.visible_m3_ha[rim, rim],
            truth.elevation_m[rim, rim], ground.hidden[:, rim, rim], ground.size_m, backscatter_on(day), stock_db,
            math.sqrt(math.log1p(1.0 / radar.looks(ground.size_m))), np.uint64(day.toordinal()), self.landscape.salts,
            gamma0,
        )  # fmt: skip
        return gamma0


def ground_at(landscape: Landscape, x: np.ndarray, y: np.ndarray, size_m: float, year: float) -> Ground:
    """Prepare ground for any raster of pixel centres (2-D, metres of EPSG:32649, rounded to millimetres)."""
    truth = landscape.look(x, y, x.shape, year)
    numbers = np.empty((FEATURES, x.size), np.float32)
    hidden(x.ravel(), y.ravel(), truth.parcel.ravel(), landscape.salts, admixture_shares(), numbers)
    return Ground(x, y, truth, numbers.reshape(FEATURES, *x.shape), size_m)


def overpasses(start: date, end: date, revisit_days: int) -> list[date]:
    """Days of overpass from ``start`` to ``end``, both included; the same days whatever period is asked for."""
    first = start + timedelta(days=-start.toordinal() % revisit_days)
    return [first + timedelta(days=n) for n in range(0, (end - first).days + 1, revisit_days)]


def clearest(days: Sequence[date], camera: Camera, wanted: int) -> list[date]:
    """Of each of ``wanted`` equal parts of the period the day with the least cloud, whole swaths first."""
    parts = np.array_split(np.array(days, dtype=object), wanted)

    def murk(day: date) -> tuple[float, date]:
        sky = camera.weather(day)
        return sky.cloud + (0.25 if sky.side else 0.0), day

    return [min(part, key=murk) for part in parts if part.size]


def number_of_scenes(start: date, end: date, per_season: int) -> int:
    """Scenes for a period: ``per_season`` for up to a season, in proportion for longer ones."""
    return per_season * max(1, round(((end - start).days + 1) / _QUARTER_DAYS))
