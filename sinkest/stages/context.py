"""What all stages of a run share: configuration, zones, grid, imagery source, and what each key is made of."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
from odc.geo.geobox import GeoBox

from sinkest.aoi import Zones, build_grid, geodesic_area_m2, read_zones
from sinkest.config import LoadedConfig, Season
from sinkest.errors import ConfigError
from sinkest.features.cube import CubeSpec, SeasonSpec
from sinkest.imagery.source import Period, Source
from sinkest.mapping.zonal import ZoneIndex
from sinkest.progress import Progress
from sinkest.runstore import RunStore, code_version


class Run:
    """A run in progress.

    Parameters
    ----------
    config : LoadedConfig
    store : RunStore
    progress : Progress
    workers, block_size : int
        How the work is done; no result depends on them.
    """

    def __init__(
        self, config: LoadedConfig, store: RunStore, progress: Progress, workers: int, block_size: int
    ) -> None:
        self.config = config
        self.spec = config.spec
        self.store = store
        self.progress = progress
        self.workers = workers
        self.block_size = block_size

    # -- place ----------------------------------------------------------------------------------------------------

    @cached_property
    def zones(self) -> Zones:
        """The zones of the area of interest."""
        aoi = self.spec.aoi
        if aoi.path is None:
            return _extent_zone(self.grid, aoi.name_zh, aoi.name_en, str(aoi.grid_from))
        return read_zones(
            self.config.file(aoi.path),
            id_field=aoi.id_field,
            name_zh_field=aoi.name_zh_field,
            name_en_field=aoi.name_en_field,
            datum=aoi.datum,
            layer=aoi.layer,
        )

    @cached_property
    def grid(self) -> GeoBox:
        """The one grid of the run."""
        aoi = self.spec.aoi
        if aoi.grid_from is not None:
            from sinkest.imagery.local import grid_of

            return grid_of(self.config.file(aoi.grid_from))
        if aoi.resolution_m is None:
            raise ConfigError("config.own_one_grid", key="aoi")
        return build_grid(self.zones, aoi.resolution_m, aoi.crs)

    @cached_property
    def index(self) -> ZoneIndex:
        """Which pixel belongs to which zone, and by what share."""
        return ZoneIndex(self.zones, self.grid)

    @property
    def resolution_m(self) -> float:
        """Nominal side of a pixel in metres."""
        return abs(float(self.grid.resolution.x))

    # -- imagery --------------------------------------------------------------------------------------------------

    @cached_property
    def source(self) -> Source:
        """Where imagery comes from."""
        return make_source(self.config)

    @property
    def is_static(self) -> bool:
        """Whether the predictors are ready rasters without dates."""
        return self.spec.imagery.source == "static"

    @cached_property
    def periods(self) -> dict[str, tuple[Period, ...]]:
        """By season, the days that its composite may use."""
        imagery = self.spec.imagery
        years = range(self.spec.year - imagery.years + 1, self.spec.year + 1)
        return {season.name: tuple(season_period(season, year) for year in years) for season in imagery.seasons}

    @cached_property
    def cube(self) -> CubeSpec:
        """What the composite holds and which features come of it."""
        return make_cube(self.config)

    # -- keys -----------------------------------------------------------------------------------------------------

    def hashes(self, paths: Iterable[Path]) -> dict[str, str]:
        """SHA-256 of inputs by file name relative to the configuration, so that a run folder may be moved."""
        return {self.label(Path(path)): digest for path, digest in self.store.input_hashes(paths).items()}

    def label(self, path: Path) -> str:
        """Name of a file in manifests: relative to the configuration's folder where it lies below it."""
        resolved = path.resolve()
        if resolved.is_relative_to(self.config.base):
            return resolved.relative_to(self.config.base).as_posix()
        return resolved.name

    def file_hash(self, value: str | None) -> str | None:
        """SHA-256 of a file named in the configuration; None where none is named."""
        return None if value is None else self.store.input_hash(self.config.file(value))

    @cached_property
    def base_parts(self) -> dict[str, Any]:
        """What every stage depends on."""
        return {"code": code_version(), "year": self.spec.year, "seed": self.spec.seed}


def season_period(season: Season, year: int) -> Period:
    """The days of a season that ends in ``year``.

    A season whose end lies before its start in the calendar begins in the year before. The 29th of February counts as
    the 28th where the year has none.
    """
    start_month, start_day = (int(part) for part in season.start.split("-"))
    end_month, end_day = (int(part) for part in season.end.split("-"))
    first = year - 1 if (start_month, start_day) > (end_month, end_day) else year
    return Period(_day(first, start_month, start_day), _day(year, end_month, end_day))


def _day(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _extent_zone(grid: GeoBox, name_zh: str, name_en: str, source: str) -> Zones:
    """One zone: the extent of the grid."""
    extent = grid.extent.to_crs("EPSG:4326", resolution=grid.resolution.x * 10).geom
    frame = gpd.GeoDataFrame(
        {"zone_id": ["1"], "name_zh": [name_zh], "name_en": [name_en], "area_m2": [geodesic_area_m2(extent)]},
        geometry=[extent],
        crs="EPSG:4326",
    )
    return Zones(frame, source, "wgs84")
