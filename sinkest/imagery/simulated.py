"""Scenes of the virtual Zhuzhou: the source that works offline and whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, SourceError
from sinkest.imagery.source import QA, RADAR_BANDS, Period, Scene, Source, in_order
from sinkest.simulate import optics
from sinkest.simulate.landscape import Landscape, check_year
from sinkest.simulate.scenes import (
    RADAR_REVISIT_DAYS,
    REVISIT_DAYS,
    Camera,
    clearest,
    number_of_scenes,
    overpasses,
)

_OPTICAL_TIME, _RADAR_TIME = time(2, 57), time(10, 30)


class SimulatedSource(Source):
    """Sentinel-2 and Sentinel-1 of a virtual Zhuzhou.

    Parameters
    ----------
    seed : int
        Which virtual city.
    year : int
        State of the landscape that all scenes show, 2000 to 2060.
    scenes_per_season : int
        Optical (and as many radar) scenes for a period of up to a season, in proportion for longer ones. A period is
        cut into as many parts, and of each part the clearest overpass is offered.
    dates : sequence of date, optional
        Days of the scenes, instead of choosing them.
    cloudiness : float
        Mean share of cloud over all overpasses, 0 (always clear) to 1 (always overcast).
    radar : bool
        Whether there are radar scenes.

    Attributes
    ----------
    landscape : Landscape
        The truth that the scenes show.
    camera : Camera
        What records it.

    Raises
    ------
    InputError
        If a value lies outside its range.
    """

    name = "simulated"
    simulated = True
    qa_kind = "scl"

    def __init__(
        self,
        seed: int = 20250101,
        year: int = 2025,
        scenes_per_season: int = 3,
        dates: Sequence[date] | None = None,
        cloudiness: float = 0.5,
        radar: bool = True,
    ) -> None:
        check_year(year)
        if not 0.0 <= cloudiness <= 1.0:
            raise InputError("simulate.cloudiness", given=cloudiness)
        if scenes_per_season < 1:
            raise InputError("simulate.scenes_per_season", given=scenes_per_season)
        self.seed, self.year, self.scenes_per_season = int(seed), int(year), int(scenes_per_season)
        self.dates = None if dates is None else tuple(sorted(set(dates)))
        self.cloudiness, self.radar = float(cloudiness), bool(radar)
        self.bands = optics.BANDS + (RADAR_BANDS if radar else ())
        self.landscape = Landscape(self.seed)
        self.camera = Camera(self.landscape, self.year, self.cloudiness)

    def __reduce__(self) -> tuple[Any, ...]:
        return SimulatedSource, (
            self.seed, self.year, self.scenes_per_season, self.dates, self.cloudiness, self.radar,
        )  # fmt: skip

    def describe(self) -> dict[str, Any]:
        """Everything that makes the scenes what they are; ``simulated`` is true."""
        return {
            "source": self.name,
            "simulated": True,
            "seed": self.seed,
            "year": self.year,
            "scenes_per_season": self.scenes_per_season,
            "dates": None if self.dates is None else [day.isoformat() for day in self.dates],
            "cloudiness": self.cloudiness,
            "radar": self.radar,
        }

    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        """Scenes of the period, sorted by time; the grid does not matter, the landscape has no edge."""
        return tuple(sorted(self._optical(period) + self._radar(period), key=in_order))

    def read(self, grid: GeoBox, scene: Scene, bands: Sequence[str]) -> dict[str, np.ndarray]:
        """One block of one scene; see :meth:`Source.read`."""
        self.check_bands(bands)
        if not scene.id.startswith("SIM_") or (scene.is_radar and not self.radar):
            raise SourceError("simulate.unknown_scene", kind="missing", scene=scene.id)
        if any((band in RADAR_BANDS) != scene.is_radar for band in bands):
            raise SourceError("simulate.band_of_scene", kind="missing", scene=scene.id, given=", ".join(bands))
        day = scene.time.date()
        if scene.is_radar:
            gamma0 = self.camera.radar(grid, day)
            return {band: gamma0[RADAR_BANDS.index(band)] for band in bands}
        reflectance, scl = self.camera.optical(grid, day, bands)
        return {**dict(zip(bands, reflectance, strict=True)), QA: scl}

    def elevation(self, grid: GeoBox) -> np.ndarray:
        """Elevation in metres, float32 (y, x)."""
        return self.landscape.elevation(grid)

    def _days(self, period: Period, revisit_days: int) -> list[date]:
        if self.dates is not None:
            return [day for day in self.dates if period.start <= day <= period.end]
        return overpasses(period.start, period.end, revisit_days)

    def _optical(self, period: Period) -> list[Scene]:
        days = self._days(period, REVISIT_DAYS)
        if self.dates is None:
            days = clearest(days, self.camera, number_of_scenes(period.start, period.end, self.scenes_per_season))
        suns = {day: (self.camera.weather(day).zenith, self.camera.weather(day).azimuth) for day in days}
        return [
            Scene(
                id=f"SIM_S2_{day:%Y%m%d}",
                time=datetime.combine(day, _OPTICAL_TIME),
                sensor="sentinel-2",
                cloud=round(100.0 * self.camera.weather(day).cloud, 1),
                product="simulated",
                offset_policy="none: reflectance is computed",
                extra={
                    "sun_zenith_deg": math.degrees(suns[day][0]),
                    "sun_azimuth_deg": math.degrees(suns[day][1]) % 360.0,
                },
            )
            for day in days
        ]

    def _radar(self, period: Period) -> list[Scene]:
        if not self.radar:
            return []
        days = self._days(period, RADAR_REVISIT_DAYS)
        wanted = number_of_scenes(period.start, period.end, self.scenes_per_season)
        if self.dates is None and len(days) > wanted:
            days = [part[len(part) // 2] for part in np.array_split(np.array(days, dtype=object), wanted)]
        return [
            Scene(
                id=f"SIM_S1_{day:%Y%m%d}",
                time=datetime.combine(day, _RADAR_TIME),
                sensor="sentinel-1",
                product="simulated",
                offset_policy="none: linear gamma0 is computed",
                extra={"orbit": "ascending"},
            )
            for day in days
        ]
