"""The protocol that every imagery source follows.

A source knows its scenes and reads any block of any of them on the grid it is handed. It never chooses a grid of its
own. What all sources share, the lazy stack of a period, is built here from :meth:`Source.read`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, SourceError
from sinkest.imagery.sun import sun_of

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr
    from shapely.geometry.base import BaseGeometry

    from sinkest.imagery.gedi import Terrain
    from sinkest.messages import Message

QaKind = Literal["scl", "qa_pixel", "fmask", "clear"]

QA = "qa"
"""Key of the quality band in what :meth:`Source.read` returns."""

RADAR_BANDS = ("vv", "vh")

QA_DTYPE: Mapping[str, type[np.unsignedinteger[Any]]] = {
    "scl": np.uint8,
    "qa_pixel": np.uint16,
    "fmask": np.uint8,
    "clear": np.uint8,
}
"""Data type of the quality band by its kind; ``clear`` is 1 where the ground was seen and 0 where it was not."""

QA_FILL: Mapping[str, int] = {"scl": 0, "qa_pixel": 1, "fmask": 255, "clear": 255}
"""Value of the quality band where the scene has no data: never clear, and never grown by a dilation."""

Evidence = Mapping[str, Sequence[int]]
"""By scene id, numbers of pixels of certain kinds, which add up over blocks; a source alone knows what they tell."""


@dataclass(frozen=True, order=True)
class Period:
    """Days from ``start`` to ``end``, both included."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise InputError("imagery.period_reversed", start=self.start.isoformat(), end=self.end.isoformat())

    def holds(self, time: datetime) -> bool:
        """Whether the day of ``time`` lies in the period."""
        return self.start <= time.date() <= self.end

    def __str__(self) -> str:
        return f"{self.start.isoformat()}/{self.end.isoformat()}"


@dataclass(frozen=True)
class Scene:
    """One acquisition: what can be read at one time.

    Attributes
    ----------
    id : str
        Unique within the source.
    time : datetime
        Acquisition time in UTC, without a time zone attached.
    sensor : str
        A sensor id, e.g. ``"sentinel-2"``, ``"landsat-8"``, ``"sentinel-1"``.
    cloud : float or None
        Cloud cover of the whole scene in percent, where the provider states it.
    product : str
        Product and processing version, e.g. ``"S2MSI2A 05.09"``.
    offset_policy : str
        How stored numbers became reflectance, e.g. ``"scale 0.0001, offset -0.1 (declared)"``.
    extra : mapping
        What the source itself needs to find the scene again, and what it knows of the geometry: ``orbit``
        (``"ascending"`` or ``"descending"``) and ``incidence_deg`` (mean, on the ellipsoid) of a radar scene,
        ``sun_zenith_deg`` and ``sun_azimuth_deg`` (mean; from north through east) of an optical one. Picklable.
    """

    id: str
    time: datetime
    sensor: str
    cloud: float | None = None
    product: str = ""
    offset_policy: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_radar(self) -> bool:
        """Whether the scene has radar bands instead of optical ones."""
        return self.sensor.startswith("sentinel-1")

    @property
    def orbit(self) -> str | None:
        """Direction of the pass, where the source knows it."""
        return self.extra.get("orbit") or None

    @property
    def incidence_deg(self) -> float | None:
        """Mean incidence angle of a radar scene, where the source knows it."""
        return self.extra.get("incidence_deg")

    @property
    def sun_deg(self) -> tuple[float, float] | None:
        """Zenith angle and azimuth of the sun in degrees, where the source knows both."""
        return sun_of(self.extra)


@dataclass(frozen=True, order=True)
class Gap:
    """A read that failed for good and was let pass, because the user allows some.

    Attributes
    ----------
    scene : str
        Scene, or the item of a catalogue that is a part of it.
    asset : str
    area : str
        Block, in degrees.
    """

    scene: str
    asset: str
    area: str


@dataclass(frozen=True)
class Composition:
    """What is asked of a source that makes composites itself.

    Attributes
    ----------
    seasons : mapping of str to tuple of Period
        By season, the days that its composite may use.
    bands, radar_bands : tuple of str
        Common band names of every season.
    method : str
        ``"median"``, ``"medoid"`` or ``"geomedian"``.
    index : str or None
        Spectral index (a name of spyndex) of which ``percentiles`` over all dates of all seasons are wanted.
    percentiles : tuple of float
    dilate_px : int
        Radius by which clouds and shadows are widened.
    fills_gaps : bool
        Whether a season without a look takes the composite of all dates.
    """

    seasons: Mapping[str, tuple[Period, ...]]
    bands: tuple[str, ...]
    radar_bands: tuple[str, ...]
    method: str
    index: str | None
    percentiles: tuple[float, ...]
    dilate_px: int
    fills_gaps: bool


@dataclass(frozen=True)
class StoredAs:
    """How numbers stand in the files: physical value = stored * ``scale`` + ``offset``; ``scale`` is positive."""

    dtype: np.dtype[Any]
    scale: float
    offset: float


class Source(ABC):
    """Where imagery comes from.

    A source is picklable and may be read from several threads at once. Reading one block twice gives the same bits,
    and reading it as part of a larger block does too.

    Attributes
    ----------
    name : str
        Short name for people and provenance.
    simulated : bool
        Whether the scenes were computed instead of observed.
    qa_kind : {"scl", "qa_pixel", "fmask", "clear"} or None
        What the quality band of the optical scenes holds; None where there is none.
    bands : tuple of str
        Common band names that at least some scenes have.
    layers : mapping of str to str
        Layers without a date that can be read beside the scenes, with their units.
    composes : bool
        Whether the source makes composites itself, see :meth:`composite`; its scenes need not be read then.
    """

    name: str
    simulated: bool = False
    qa_kind: QaKind | None = None
    bands: tuple[str, ...] = ()
    layers: Mapping[str, str] = {}
    composes: bool = False

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Tell what the source is and how it reads, as JSON-able provenance."""

    @abstractmethod
    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        """Scenes of the period that may touch the grid, sorted by time, then id."""

    @abstractmethod
    def read(self, grid: GeoBox, scene: Scene, bands: Sequence[str]) -> dict[str, np.ndarray]:
        """One block of one scene.

        Parameters
        ----------
        grid : GeoBox
            The block; it may reach beyond the grid of the run by a halo.
        scene : Scene
            One that :meth:`search` returned.
        bands : sequence of str
            Common band names out of :meth:`bands_of`.

        Returns
        -------
        dict of str to ndarray of shape (y, x)
            Per band float32: surface reflectance 0..1, or linear gamma0 for radar; NaN where there is no data. For an
            optical scene of a source with a ``qa_kind`` also ``"qa"``, of the type in :data:`QA_DTYPE` and with
            :data:`QA_FILL` where there is no data.

        Raises
        ------
        SourceError
            If the scene cannot be read.
        """

    def files(self) -> tuple[Path, ...]:
        """Name the inputs on disk, for the manifest of a run."""
        return ()

    def notes(self, evidence: Evidence | None = None) -> tuple[Message, ...]:
        """What a person should know of what was found and read.

        Parameters
        ----------
        evidence : mapping, optional
            What all reads of a run left, see :meth:`take_evidence`; without it, what those of this process did so far.
        """
        return ()

    def take_evidence(self) -> Evidence:
        """What the reads of this thread left since it last asked, for :meth:`notes`."""
        return {}

    def take_gaps(self) -> tuple[Gap, ...]:
        """Reads that this thread was allowed to give up since it last asked."""
        return ()

    def recall_gaps(self, gaps: Iterable[Gap]) -> None:  # noqa: B027 - most sources never give up a read
        """Count these reads, and no others, as those that the run has given up so far.

        Raises
        ------
        SourceError
            If they are more than are allowed; the count stays as it was then.
        """

    def check_overlap(self, grid: GeoBox) -> None:  # noqa: B027 - most sources have nothing to check
        """Refuse a grid that lies outside a file which every block needs, such as the elevation model.

        Raises
        ------
        SourceError
            Names the file and both extents.
        """

    def files_beside(self, grid: GeoBox) -> tuple[Path, ...]:
        """Name the files on disk that lie outside a grid, and are not used for it."""
        return ()

    def elevation(self, grid: GeoBox) -> np.ndarray | None:
        """Elevation in metres, float32 (y, x) with NaN for no data; None if the source has no terrain."""
        return None

    def check_layers(self, grid: GeoBox) -> None:  # noqa: B027 - most sources have found their layers by then
        """Refuse layers that turn out not to exist, before anything dear is read.

        Raises
        ------
        SourceError
            Names the layers.
        """

    def static(self, grid: GeoBox, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Read layers without a date: float32 (y, x) each, in the units of :attr:`layers`, NaN for no data."""
        raise InputError("imagery.unknown_layers", source=self.name, given=", ".join(names), expected="-")

    def samples(self, area: BaseGeometry, period: Period, terrain: Terrain | None = None) -> gpd.GeoDataFrame:
        """GEDI L4A shots in an area (EPSG:4326) and a period: the table of `sinkest.imagery.gedi`.

        By ``terrain``, an elevation model, they are judged too where it is given.

        Raises
        ------
        InputError
            If the source has none.
        SourceError
            If there is no shot, or the source does not answer.
        """
        raise InputError("imagery.no_samples", source=self.name)

    def composite(self, grid: GeoBox, wanted: Composition) -> dict[str, np.ndarray]:
        """Composites of one block, made where the imagery lies; for a source that :attr:`composes`.

        Returns
        -------
        dict of str to float32 array (y, x)
            ``<season>_<band>`` for every band (radar in linear gamma0), ``count_<season>``, and
            ``<index>_p<percentile>``; NaN where nothing was seen, counts 0 there.

        Raises
        ------
        SourceError
            If the composites cannot be had.
        """
        raise InputError("imagery.no_composites", source=self.name)

    def read_with_margin(self, grid: GeoBox, scene: Scene, bands: Sequence[str], margin: int) -> dict[str, np.ndarray]:
        """Read as :meth:`read` does, but with the quality band ``margin`` pixels wider on every side.

        Clouds just outside a block then count in a dilation. Sources for which a read across the borders of file tiles
        is dear override this.
        """
        if margin == 0 or self.qa_kind is None or scene.is_radar:
            return self.read(grid, scene, bands)
        found = self.read(grid.pad(margin), scene, bands)
        inner = slice(margin, -margin)
        return {name: values if name == QA else values[inner, inner] for name, values in found.items()}

    def stored_as(self, grid: GeoBox, scenes: Sequence[Scene], bands: Sequence[str]) -> StoredAs | None:
        """Tell how whole numbers of scenes are stored, where :meth:`look` can give them as they are; else None."""
        return None

    def look(
        self,
        grid: GeoBox,
        scene: Scene,
        bands: Sequence[str],
        margin: int,
        clear: Callable[[np.ndarray], np.ndarray],
        into: np.ndarray,
    ) -> np.ndarray:
        """Read one block of one optical scene into a stack.

        Parameters
        ----------
        grid, scene, bands
            As of :meth:`read`.
        margin : int
            Pixels by which ``clear`` needs to see beyond the block.
        clear : callable
            From the quality band, with its margin, to where the ground was seen; not called without a quality band.
        into : array (band, y, x)
            Filled with reflectance if float32, with numbers as stored if of the type that :meth:`stored_as` tells.

        Returns
        -------
        bool array (y, x)
            Where the ground was seen in all bands. What ``into`` holds elsewhere means nothing.
        """
        read = self.read_with_margin(grid, scene, bands, margin)
        for values, band in zip(into, bands, strict=True):
            values[:] = read[band]
        seen: np.ndarray = np.logical_and.reduce(np.isfinite(into), axis=0)
        if self.qa_kind is not None:
            inner = slice(margin, -margin or None)
            seen &= clear(read[QA])[inner, inner]
        return seen

    def bands_of(self, scene: Scene) -> tuple[str, ...]:
        """Bands this scene has: the radar bands of a radar scene, the others of an optical one."""
        return tuple(band for band in self.bands if (band in RADAR_BANDS) == scene.is_radar)

    def open(
        self,
        grid: GeoBox,
        bands: Sequence[str],
        period: Period | Iterable[Period],
        chunks: int = 1024,
    ) -> xr.Dataset:
        """Open the scenes that have all of ``bands`` as a lazy stack.

        Parameters
        ----------
        grid : GeoBox
            Grid of the stack.
        bands : sequence of str
            Common band names, all optical or all radar.
        period : Period or iterable of Period
            When to look.
        chunks : int
            Edge of a chunk in pixels; a chunk is one scene.

        Returns
        -------
        xarray.Dataset
            Dimensions (time, y, x), one dask-backed variable per band and ``qa`` if the source has a quality band and
            the scenes are optical. The CRS stands in ``spatial_ref``; provenance stands in the attributes.

        Raises
        ------
        InputError
            If the source lacks a band, or optical and radar bands are mixed.
        SourceError
            If no scene with these bands lies in the period.
        """
        from sinkest.imagery.stack import lazy_stack  # dask and xarray cost half a second that a block run never needs

        periods = (period,) if isinstance(period, Period) else tuple(period)
        self.check_bands(bands)
        found = {scene.id: scene for one in periods for scene in self.search(grid, one)}
        scenes = sorted((s for s in found.values() if set(bands) <= set(self.bands_of(s))), key=in_order)
        if not scenes:
            raise SourceError(
                "imagery.no_scene", kind="empty", source=self.name, period=", ".join(str(one) for one in periods)
            )
        return lazy_stack(self, grid, bands, scenes, chunks)

    def check_bands(self, bands: Sequence[str]) -> None:
        """Refuse bands that the source lacks, or that no one scene can have together."""
        missing = [band for band in bands if band not in self.bands]
        if missing or not bands:
            raise InputError(
                "imagery.unknown_bands",
                source=self.name,
                given=", ".join(missing) or "-",
                expected=", ".join(self.bands),
            )
        if len({band in RADAR_BANDS for band in bands}) == 2:
            raise InputError("imagery.mixed_bands", given=", ".join(bands))


def in_order(scene: Scene) -> tuple[datetime, str]:
    """Sort key of scenes: time, then id."""
    return scene.time, scene.id
