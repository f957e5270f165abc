"""Earth Engine as an imagery source: composites made there, or single passes for composites made here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ee
import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from sinkest.errors import InputError, SourceError
from sinkest.imagery.earthengine import assets, graphs, scenes
from sinkest.imagery.earthengine.auth import Account
from sinkest.imagery.earthengine.client import Client
from sinkest.imagery.earthengine.pace import Pace
from sinkest.imagery.earthengine.shots import gedi_shots
from sinkest.imagery.gedi import Terrain
from sinkest.imagery.source import QA, QA_FILL, RADAR_BANDS, Composition, Period, Scene, Source, in_order

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Choices:
    """What of the catalogue is read, and how; everything a result depends on.

    Attributes
    ----------
    year : int
        Year of the maps of others that are made yearly.
    cloud_band : {"cs_cdf", "cs"}
    cloud_threshold : float
        Least Cloud Score+ of a clear pixel.
    max_scene_cloud : float
        Granules with more cloud, in percent, are left out.
    orbit : {"both", "ascending", "descending"}
        Passes of Sentinel-1.
    resampling : {"nearest", "bilinear", "bicubic"}
        For optical bands whose grid is not the run's.
    elevation : {"glo30", "nasadem"}
    layers : tuple of str
        Names of `assets.LAYER_UNITS`.
    """

    year: int
    cloud_band: str = "cs_cdf"
    cloud_threshold: float = 0.6
    max_scene_cloud: float = 90.0
    orbit: str = "both"
    resampling: str = "bilinear"
    elevation: str = "glo30"
    layers: tuple[str, ...] = ()


class EarthEngineSource(Source):
    """Sentinel-2 masked by Cloud Score+, Sentinel-1, terrain and maps of others.

    Composites are medians and percentiles computed by the service, one request a tile for all seasons and bands. They
    differ from those made of files here in this: clouds are told by Cloud Score+ instead of the scene classification,
    which has no class of shadow; their rims are widened by the same disk of pixels of the run's grid. Medoid and
    geometric median are not offered by the service: with ``composes`` false the passes themselves are read and put
    together here, which takes one request for every pass and tile.

    Parameters
    ----------
    account : Account
    choices : Choices
    pace : Pace, optional
    composes : bool
        Whether composites are made by the service.
    sleep : callable, optional
        Called with the seconds between tries, in place of waiting.

    Attributes
    ----------
    client : Client
        What makes the requests; its ``tally`` counts them.
    """

    name = "earthengine"
    qa_kind = "clear"
    bands = (*assets.OPTICAL, *RADAR_BANDS)

    def __init__(
        self,
        account: Account,
        choices: Choices,
        pace: Pace | None = None,
        *,
        composes: bool = True,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.choices = choices
        self.composes = composes
        self.layers = {name: assets.LAYER_UNITS[name] for name in choices.layers}
        self.client = Client(account, pace, sleep)
        self._looking = graphs.Looking(choices.cloud_band, choices.cloud_threshold, choices.resampling)
        self._rebuilt = (account, choices, pace)
        self._listing = threading.Lock()
        self._region: scenes.Bounds | None = None
        self._listed: dict[Period, list[Scene]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (*self._rebuilt, self.composes)

    def describe(self) -> dict[str, Any]:
        """Tell which data sets are read and how; nothing of the account."""
        return {
            "source": self.name,
            "optical": assets.SENTINEL2,
            "cloud": {
                "asset": assets.CLOUD_SCORE,
                "band": self.choices.cloud_band,
                "threshold": self.choices.cloud_threshold,
                "max_scene_percent": self.choices.max_scene_cloud,
            },
            "radar": {"asset": assets.SENTINEL1, "orbit": self.choices.orbit},
            "elevation": assets.ELEVATION[self.choices.elevation].asset,
            "resampling": self.choices.resampling,
            "composed_by": "service" if self.composes else "program",
            "layers": list(self.choices.layers),
        }

    # -- scenes ---------------------------------------------------------------------------------------------------

    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        """Find passes of a period; a pass lists its granules and their versions as its product.

        Raises
        ------
        SourceError
            If the service does not answer.
        """
        bounds = scenes.bounds_of(grid)
        with self._listing:
            if self._region is None or not _holds(self._region, bounds):
                self._region, self._listed = bounds, {}
            if period not in self._listed:
                self._listed[period] = self._ask(self._region, period)
            known = self._listed[period]
        touching = [scenes.within(scene, bounds) for scene in known]
        return tuple(sorted((scene for scene in touching if scene is not None), key=in_order))

    def _ask(self, bounds: scenes.Bounds, period: Period) -> list[Scene]:
        self.client.connect()
        optical = scenes.sentinel2(self.client, bounds, period, self.choices.max_scene_cloud)
        return optical + scenes.sentinel1(self.client, bounds, period, RADAR_BANDS, self.choices.orbit)

    def read(self, grid: GeoBox, scene: Scene, bands: Sequence[str]) -> dict[str, np.ndarray]:
        """Read one block of one pass, see :meth:`Source.read`."""
        self.check_bands(bands)
        if any((band in RADAR_BANDS) != scene.is_radar for band in bands):
            raise InputError("imagery.mixed_bands", given=", ".join(bands))
        groups = scenes.groups([scene])
        self.client.connect()
        if scene.is_radar:
            passes = graphs.radar_passes(groups, bands)
            return dict(self.client.pixels(ee.Image(passes.first()), bands, grid))
        image = ee.Image(graphs.optical_passes(groups, bands, self._looking).first())
        clear = image.select([graphs.SCORE]).gte(self.choices.cloud_threshold).rename([QA])
        pixels = self.client.pixels(image.select(list(bands)).addBands(clear), [*bands, QA], grid)
        clear_px = pixels.pop(QA)
        found: dict[str, np.ndarray] = {band: _reflectance(values) for band, values in pixels.items()}
        codes = np.where(np.isfinite(clear_px), clear_px, QA_FILL["clear"])
        return {**found, QA: codes.astype(np.uint8)}

    # -- composites -----------------------------------------------------------------------------------------------

    def composite(self, grid: GeoBox, wanted: Composition) -> dict[str, np.ndarray]:
        """Composites of one block, see :meth:`Source.composite`.

        Raises
        ------
        InputError
            If the method is not the median.
        SourceError
            If the pixels cannot be had.
        """
        if wanted.method != "median":
            raise InputError("earthengine.method", given=wanted.method)
        optical = {season: self.passes(grid, periods, False) for season, periods in wanted.seasons.items()}
        radar = {season: self.passes(grid, periods, True) for season, periods in wanted.seasons.items()}
        self.client.connect()
        parts: list[ee.Image] = []
        for season in wanted.seasons:
            if wanted.bands and optical[season]:
                parts += graphs.season_parts(season, self._looks(optical[season], wanted), wanted.bands)
            if wanted.radar_bands and radar[season]:
                passes = graphs.radar_passes(scenes.groups(radar[season]), wanted.radar_bands)
                median, count = graphs.season_parts(season, passes, wanted.radar_bands, wanted.radar_bands[-1])
                parts += [median] if wanted.bands else [median, count]
        year = _distinct(optical)
        if wanted.index and year:
            parts.append(graphs.percentiles(self._looks(year, wanted), wanted.index, wanted.percentiles))
        layers = self._requested(grid, parts, band_names(wanted, optical, radar, bool(year)), wanted)
        if wanted.fills_gaps and wanted.bands and year:
            self._fill_gaps(grid, wanted, year, layers)
        return dict(layers)

    def passes(self, grid: GeoBox, periods: Iterable[Period], radar: bool) -> list[Scene]:
        """Passes of some periods over a grid, radar or optical, each once, in order of time."""
        found = [scene for period in periods for scene in self.search(grid, period) if scene.is_radar == radar]
        return list({scene.id: scene for scene in sorted(found, key=in_order)}.values())

    def _looks(self, passes: Sequence[Scene], wanted: Composition) -> ee.ImageCollection:
        raw = graphs.optical_passes(scenes.groups(passes), wanted.bands, self._looking)
        return graphs.seen(raw, wanted.bands, self._looking, wanted.dilate_px)

    def _requested(
        self, grid: GeoBox, parts: Sequence[ee.Image], names: Sequence[str], wanted: Composition
    ) -> dict[str, Floats]:
        """All layers: those that have scenes from the service, the others empty."""
        shape = grid.shape.yx
        found = self.client.pixels(ee.Image.cat(list(parts)), names, grid) if parts else {}
        layers: dict[str, Floats] = {}
        for season in wanted.seasons:
            for band in (*wanted.bands, *wanted.radar_bands):
                values = found.get(f"{season}_{band}")
                blank = np.full(shape, np.nan, dtype=np.float32)
                layers[f"{season}_{band}"] = blank if values is None else self._physical(band, values)
            layers[f"count_{season}"] = found.get(f"count_{season}", np.zeros(shape, dtype=np.float32))
        for percent in wanted.percentiles:
            name = f"{wanted.index}_p{percent:.0f}"
            layers[name] = found.get(name, np.full(shape, np.nan, dtype=np.float32))
        return layers

    def _physical(self, band: str, values: Floats) -> Floats:
        return values if band in RADAR_BANDS else _reflectance(values)

    def _fill_gaps(self, grid: GeoBox, wanted: Composition, year: Sequence[Scene], layers: dict[str, Floats]) -> None:
        """Give pixels that a season never saw the median of all dates, asked for where there are such pixels."""
        gaps = {season: layers[f"count_{season}"] == 0 for season in wanted.seasons}
        blind = np.logical_or.reduce(list(gaps.values()))
        if not blind.any():
            return
        rows, cols = np.flatnonzero(blind.any(axis=1)), np.flatnonzero(blind.any(axis=0))
        part = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1))
        median = self._looks(year, wanted).select(list(wanted.bands)).median()
        found = self.client.pixels(median, wanted.bands, grid[part])
        for season, gap in gaps.items():
            for band, values in found.items():
                layer = layers[f"{season}_{band}"][part]
                layer[gap[part]] = _reflectance(values)[gap[part]]

    # -- without a date -------------------------------------------------------------------------------------------

    def elevation(self, grid: GeoBox) -> np.ndarray:
        """Elevation in metres, float32 (y, x)."""
        self.client.connect()
        model = assets.ELEVATION[self.choices.elevation]
        return self.client.pixels(graphs.elevation(model), ["elevation"], grid)["elevation"]

    def check_layers(self, grid: GeoBox) -> None:
        """Refuse yearly maps that do not exist for the year, or not on the grid.

        Raises
        ------
        SourceError
            Names the maps and the year.
        """
        self.client.connect()
        area, missing = graphs.region(scenes.bounds_of(grid)), []
        for name in self.layers:
            images = graphs.yearly(name, self.choices.year)
            if images is not None and not self.client.value(images.filterBounds(area).limit(1).size()):
                missing.append(name)
        if missing:
            rest = ", ".join(name for name in self.layers if name not in missing) or "-"
            named, year = ", ".join(missing), self.choices.year
            raise SourceError("earthengine.no_map", kind="missing", layers=named, year=year, rest=rest)

    def static(self, grid: GeoBox, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Maps of others on a grid, all in one request: float32 (y, x); NaN for no data."""
        unknown = [name for name in names if name not in self.layers]
        if unknown or not names:
            given, expected = ", ".join(unknown) or "-", ", ".join(self.layers) or "-"
            raise InputError("imagery.unknown_layers", source=self.name, given=given, expected=expected)
        self.client.connect()
        image = ee.Image.cat([graphs.layer(name, self.choices.year) for name in names])
        return dict(self.client.pixels(image, names, grid))

    def samples(self, area: BaseGeometry, period: Period, terrain: Terrain | None = None) -> gpd.GeoDataFrame:
        """GEDI L4A shots in an area: the table of `sinkest.imagery.gedi`.

        Parameters
        ----------
        area : shapely geometry
            In EPSG:4326.
        period : Period
        terrain : callable, optional
            An elevation model, by which the shots are judged too.

        Raises
        ------
        SourceError
            If there is no shot, or the service does not answer.
        """
        self.client.connect()
        return gedi_shots(self.client, area, period, terrain)


def _again(account: Account, choices: Choices, pace: Pace | None, composes: bool) -> EarthEngineSource:
    return EarthEngineSource(account, choices, pace, composes=composes)


def _reflectance(stored: Floats) -> Floats:
    return (stored.astype(np.float64) * assets.REFLECTANCE_SCALE).astype(np.float32)


def _holds(outer: scenes.Bounds, inner: scenes.Bounds) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def _distinct(found: dict[str, list[Scene]]) -> list[Scene]:
    """Passes of all seasons, each once, in order of time."""
    return sorted({scene.id: scene for of_season in found.values() for scene in of_season}.values(), key=in_order)


def band_names(
    wanted: Composition, optical: dict[str, list[Scene]], radar: dict[str, list[Scene]], whole_year: bool
) -> list[str]:
    """Bands of the one image that is asked for, in order."""
    names = []
    for season in wanted.seasons:
        if wanted.bands and optical[season]:
            names += [*(f"{season}_{band}" for band in wanted.bands), f"count_{season}"]
        if wanted.radar_bands and radar[season]:
            names += [f"{season}_{band}" for band in wanted.radar_bands]
            names += [] if wanted.bands else [f"count_{season}"]
    if wanted.index and whole_year:
        names += [f"{wanted.index}_p{percent:.0f}" for percent in wanted.percentiles]
    return names
