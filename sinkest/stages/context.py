"""What all stages of a run share: configuration, zones, grid, imagery source, and what each key is made of."""

from __future__ import annotations

import calendar
import pickle
from collections.abc import Iterable
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from sinkest.aoi import Zones, build_grid, geodesic_area_m2, read_zones
from sinkest.config import LoadedConfig, Season
from sinkest.errors import ConfigError, RunError
from sinkest.features.cube import CubeSpec
from sinkest.imagery.source import Period, Scene, Source, in_order
from sinkest.mapping.engine import Block
from sinkest.mapping.zonal import ZoneIndex
from sinkest.progress import Progress, Silent
from sinkest.runstore import RunStore, code_version, content_key
from sinkest.stages.sources import make_source

if TYPE_CHECKING:
    from sinkest.simulate.landscape import Landscape

SIMULATED = {"SIMULATED": "SIMULATED 模拟数据"}
"""Tag of rasters that are, or come of, simulated data."""


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
        self.scheduler = config.spec.execution.scheduler
        self.keep_composite = config.spec.execution.keep_composite

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: it makes its own from the configuration, once."""
        # Pickled, since records of a configuration leave out who asks for imagery.
        spec, root = pickle.dumps(self.spec), str(self.store.root)
        return _in_this_process, (str(self.config.path.resolve()), spec, root, self.workers, self.block_size)

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

    @cached_property
    def levelled(self) -> Source:
        """The source as composites read it: as if the ground were level, where the configuration asks for that."""
        from sinkest.stages.geometry import levelled  # it needs a run

        return levelled(self)

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

    def scenes(self) -> dict[str, list[Scene]]:
        """By season, the scenes that its composite is made of, in order of time."""
        return {
            season: sorted(
                {scene.id: scene for one in periods for scene in self.source.search(self.grid, one)}.values(),
                key=in_order,
            )
            for season, periods in self.periods.items()
        }

    def inside(self, block: Block) -> NDArray[np.bool_]:
        """Pixels of a block that belong to a zone, wholly or in part; bool (y, x)."""
        zones = self.index.block(block.window)
        inside = zones.label >= 0
        inside[zones.edge_row, zones.edge_col] = True
        return inside

    @property
    def tags(self) -> dict[str, str]:
        """What every raster of the run says of itself."""
        from sinkest import __version__

        tags = {"RUN": self.spec.name, "YEAR": str(self.spec.year), "SOFTWARE": f"sinkest {__version__}"}
        return tags | (SIMULATED if self.source.simulated else {})

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

    def key_of(self, stage: str, without: str | None = None) -> str:
        """Key of a finished stage that another one builds on; ``without`` a part that makes it no difference."""
        seal = self.store.seal(stage)
        if seal is None:
            raise RunError("run.no_stage", stage=stage, folder=self.store.root)
        if without is not None:
            return content_key({name: part for name, part in seal["parts"].items() if name != without})
        return str(seal["key"])

    @cached_property
    def base_parts(self) -> dict[str, Any]:
        """What every stage depends on."""
        return {"code": code_version(), "year": self.spec.year, "seed": self.spec.seed}


@lru_cache(maxsize=1)
def _in_this_process(path: str, spec: bytes, root: str, workers: int, block_size: int) -> Run:
    config = LoadedConfig(Path(path), pickle.loads(spec))  # noqa: S301 - what `Run` itself packed
    return Run(config, RunStore(Path(root), keeps_hashes=False), Silent(), workers, block_size)


def place(config: LoadedConfig) -> tuple[Zones, GeoBox]:
    """Zones and grid of a configuration, without a run."""
    run = Run(config, RunStore(config.run_folder), Silent(), 1, 512)
    return run.zones, run.grid


def make_landscape(config: LoadedConfig) -> Landscape:
    """The virtual city behind a configuration with simulated imagery."""
    from sinkest.simulate.landscape import Landscape

    return Landscape(config.spec.imagery.simulated.seed)


def make_cube(config: LoadedConfig) -> CubeSpec:
    """What a configuration composes and which features it makes."""
    features = config.spec.features
    return CubeSpec(
        seasons=tuple(season.name for season in config.spec.imagery.seasons),
        bands=features.bands,
        radar_bands=features.radar_bands,
        indices=features.indices,
        phenology_index=features.phenology_index,
        terrain=features.terrain,
        method=features.composite,
        dilate_px=features.dilate_px,
        gap_fill=features.gap_fill,
        radar_statistics=features.radar_statistics,
        radar_by_orbit=features.radar_by_orbit,
        radar_distortion=features.radar_distortion,
        topographic_correction=features.topographic_correction,
    )


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
    height, width = grid.shape
    columns = np.concatenate([np.arange(width), np.full(height, width), np.arange(width, 0, -1), np.zeros(height)])
    rows = np.concatenate([np.zeros(width), np.arange(height), np.full(width, height), np.arange(height, 0, -1)])
    x, y = grid.affine.a * columns + grid.affine.c, grid.affine.e * rows + grid.affine.f
    lon, lat = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True).transform(x, y)
    extent = shapely.orient_polygons(shapely.polygons(np.column_stack([lon, lat])))
    frame = gpd.GeoDataFrame(
        {"zone_id": ["1"], "name_zh": [name_zh], "name_en": [name_en], "area_m2": [geodesic_area_m2(extent)]},
        geometry=[extent],
        crs="EPSG:4326",
    )
    return Zones(frame, source, "wgs84")
