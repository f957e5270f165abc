"""A STAC catalogue as a source."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.addresses import plain
from sinkest.errors import InputError, SourceError
from sinkest.imagery.joined import read_joined
from sinkest.imagery.products.mosaics import Mosaic
from sinkest.imagery.raster import RasterFile, bounds_in, in_degrees, require_overlap
from sinkest.imagery.resample import Kernel
from sinkest.imagery.sensors import COMMON_BANDS, SCL
from sinkest.imagery.source import QA, Evidence, Gap, Period, QaKind, Scene, in_order
from sinkest.imagery.stac.catalogue import Box, Online, Saved
from sinkest.imagery.stac.items import Looked, look_at, scenes_of
from sinkest.imagery.stac.offsets import darkness, suspicion
from sinkest.imagery.stac.presets import ELEVATION_ASSET, Layout
from sinkest.imagery.stac.remote import RemoteFiles
from sinkest.imagery.tiled import Tile, TileBand, TiledSource
from sinkest.messages import Message

SHOWN = 3
_COUNTED = ("clear", "dark", "negative")


class _Own(threading.local):
    """What the reads of a thread left since it was last asked."""

    def __init__(self) -> None:
        self.gaps: set[Gap] = set()
        self.evidence: dict[str, Counter[str]] = {}


class StacSource(TiledSource):
    """Items of a STAC catalogue, online or saved as an ItemCollection.

    Parameters
    ----------
    catalogue : Online or Saved
        Where items are found.
    collection : str
        Optical collection.
    layout : Layout
        What its assets are.
    radar : (str, Layout), optional
        Collection of Sentinel-1 backscatter.
    elevation : str or path, optional
        Elevation model in metres on disk, or as ``collection:<id>`` one in the catalogue.
    max_cloud : float, optional
        Items with more clouds, in percent, are not used.
    allowed_failures : int
        How many reads of a run may fail for good before it stops. What they should have brought counts as not seen; see
        :meth:`take_gaps` and :meth:`recall_gaps`.
    files : RemoteFiles
        Reads the assets.
    resampling : {"bilinear", "cubic", "nearest"}
    """

    def __init__(
        self,
        catalogue: Online | Saved,
        collection: str,
        layout: Layout,
        files: RemoteFiles,
        *,
        radar: tuple[str, Layout] | None = None,
        elevation: Path | str | None = None,
        max_cloud: float | None = None,
        allowed_failures: int = 0,
        resampling: Kernel = "bilinear",
        name: str = "stac",
    ) -> None:
        self.name, self.resampling = name, resampling
        self.qa_kind: QaKind | None = layout.qa_kind
        self._catalogue, self._files = catalogue, files
        self._collections = {collection: layout, **({radar[0]: radar[1]} if radar else {})}
        self._max_cloud, self._allowed = max_cloud, allowed_failures
        have = {band for one in self._collections.values() for band in one.assets}
        unknown = sorted(have - set(COMMON_BANDS))
        if unknown or not have:
            raise InputError("imagery.band_names", given=", ".join(unknown) or "-", expected=", ".join(COMMON_BANDS))
        self.bands = tuple(band for band in COMMON_BANDS if band in have)
        told = None if elevation is None else str(elevation)
        self._elevation = told
        self._model = Mosaic.of([Path(told)]) if told and not told.startswith("collection:") else None
        self._found: dict[tuple[Any, ...], tuple[Scene, ...]] = {}
        self._terrain: dict[Box, tuple[Tile, ...]] = {}
        self._area: Box | None = None
        self._incomplete: dict[str, tuple[str, ...]] = {}
        self._reset()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_lock", "_own")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def _reset(self) -> None:
        self._lock, self._own = threading.Lock(), _Own()
        self._lost: set[Gap] = set()
        self._dark: dict[str, Counter[str]] = {}

    def describe(self) -> dict[str, Any]:
        """Tell where items come from and how their numbers are read."""
        online = isinstance(self._catalogue, Online)
        return {
            "kind": "stac",
            "catalogue": plain(self._catalogue.url)
            if isinstance(self._catalogue, Online)
            else self._catalogue.path.name,
            "online": online,
            "collections": {
                name: {
                    "assets": dict(one.assets), "qa": one.qa, "qa_kind": one.qa_kind, "offsets": one.offsets,
                    "sensor": one.sensor,
                }
                for name, one in self._collections.items()
            },
            "elevation": self._elevation if self._model is None else self._model.files[0].path.name,
            "max_cloud": self._max_cloud,
            "allowed_failures": self._allowed,
            "resampling": self.resampling,
        }  # fmt: skip

    def files(self) -> tuple[Path, ...]:
        """Name the inputs on disk: a saved collection with its local assets, and the elevation model."""
        found = set() if self._model is None else {file.path for file in self._model.files}
        if isinstance(self._catalogue, Saved):
            found |= {self._catalogue.path, *self._catalogue.local_files()}
        return tuple(sorted(found))

    def notes(self, evidence: Evidence | None = None) -> tuple[Message, ...]:
        """Scenes whose offset looks wrong, and items that lack assets."""
        told = [
            Message.of("stac.lacking", count=len(names), asset=asset, items=_shown(names))
            for asset, names in sorted(self._incomplete.items())
        ]
        with self._lock:
            known = _numbers(self._dark) if evidence is None else evidence
            seen = {name: suspicion(*counts) for name, counts in known.items()}
        for what in ("raised", "sunk"):
            names = sorted(name for name, found in seen.items() if found == what)
            if names:
                told.append(Message.of(f"stac.{what}", count=len(names), scenes=_shown(names)))
        return tuple(told)

    def take_gaps(self) -> tuple[Gap, ...]:
        """Reads of this thread that were given up since the last call."""
        gaps, self._own.gaps = tuple(sorted(self._own.gaps)), set()
        return gaps

    def recall_gaps(self, gaps: Iterable[Gap]) -> None:
        """Count these as what the run has given up so far, see :meth:`Source.recall_gaps`."""
        known = set(gaps)
        if len(known) > self._allowed:
            last = max(known)
            raise SourceError(
                "stac.too_many", kind="network", retryable=True, allowed=self._allowed,
                problem=Message.of("stac.missed", item=last.scene, asset=last.asset, area=last.area),
            )  # fmt: skip
        with self._lock:
            self._lost = known

    def take_evidence(self) -> Evidence:
        """Of each scene that this thread has read since the last call: clear, dark and negative pixels."""
        evidence, self._own.evidence = _numbers(self._own.evidence), {}
        return evidence

    def check_overlap(self, grid: GeoBox) -> None:
        """Refuse a grid outside the collections or the elevation model."""
        box = bounds_in(grid, "EPSG:4326")
        for collection in self._collections:
            self._catalogue.check_extent(collection, box, in_degrees(grid))
        if self._model is not None:
            require_overlap(self._model.files[0], grid)

    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        """Find the scenes of a period that touch the grid; asked once.

        Raises
        ------
        SourceError
            If the catalogue cannot be asked, its items lack an asset throughout, or do not tell the offset.
        """
        box = bounds_in(grid, "EPSG:4326")
        if self._area is None or _holds(box, self._area):
            self._area = box
        key = (box, period)
        if key not in self._found:
            scenes: list[Scene] = []
            for collection, layout in self._collections.items():
                items = self._catalogue.find(collection, box, period)
                looked = [look_at(item, layout) for item in items]
                self._check_assets(collection, layout, looked, [list(item.assets) for item in items])
                scenes += scenes_of([one for one in looked if self._is_usable(one, layout)])
            self._found[key] = tuple(sorted(scenes, key=in_order))
        return self._found[key]

    def header(self, tile: Tile, band: TileBand) -> RasterFile:
        """What the file of an asset declares; fetched once."""
        return self._files.header(tile, band)

    def numbers(
        self, tile: Tile, bands: Sequence[TileBand], grid: GeoBox, kernel: Kernel, nodata: float | None
    ) -> NDArray[np.floating]:
        """Stored numbers of an asset on a grid."""
        own = self.header(tile, bands[0]).nodata[bands[0].number - 1]
        return self._files.numbers(tile, bands, grid, kernel, own if nodata is None else nodata)

    def tile_block(
        self, tile: Tile, grid: GeoBox, wide: GeoBox, bands: Sequence[str], kind: QaKind | None
    ) -> dict[str, np.ndarray] | None:
        """One block of a tile; None where they do not meet, or where a read failed and failures are allowed."""
        try:
            return super().tile_block(tile, grid, wide, bands, kind)
        except SourceError as error:
            if error.key != "stac.read" or self._allowed == 0:
                raise
            self._give_up(error, tile, grid)
            return None

    def looked(self, scene: Scene, tile: Tile, found: Mapping[str, np.ndarray]) -> None:
        """Count dark pixels, which tell a wrong offset."""
        if scene.sensor != "sentinel-2" or "red" not in found or self.qa_kind != "scl":
            return
        red, seen = found["red"], np.isin(found[QA], SCL.clear)
        rows, cols = ((wide - own) // 2 for wide, own in zip(seen.shape, red.shape, strict=True))
        inner = seen[rows : rows + red.shape[0], cols : cols + red.shape[1]]
        counts = dict(zip(_COUNTED, darkness(red, inner), strict=True))
        self._own.evidence.setdefault(scene.id, Counter()).update(counts)
        with self._lock:
            self._dark.setdefault(scene.id, Counter()).update(counts)

    def elevation(self, grid: GeoBox) -> np.ndarray | None:
        """Elevation in metres, from the disk or the catalogue; of overlapping tiles the first by name counts.

        Read by cubic convolution, since bilinear leaves facets in the slope.
        """
        if self._elevation is None:
            return None
        if self._model is not None:
            return self._model.read(grid, "cubic")
        tiles = self._terrain_tiles(bounds_in(grid, "EPSG:4326"), in_degrees(grid))

        def read(number: int, part: GeoBox, kernel: Kernel) -> NDArray[np.floating]:
            tile = tiles[number]
            return self.numbers(tile, [tile.any_band], part, kernel, None)[0]

        return read_joined([self.native_grid(tile, tile.any_band) for tile in tiles], read, grid, "cubic")

    def _terrain_tiles(self, block: Box, area: str) -> tuple[Tile, ...]:
        """Tiles of the elevation collection around the area of the scenes, else around a block.

        They are asked for once for every square of whole degrees, and are the same for all blocks of a run, for what
        lies on one lattice is read as one raster.
        """
        inside = self._area is not None and _holds(self._area, block)
        left, bottom, right, top = self._area if self._area is not None and inside else block
        box = (math.floor(left - 0.01), math.floor(bottom - 0.01), math.ceil(right + 0.01), math.ceil(top + 0.01))
        if box not in self._terrain:
            collection = str(self._elevation).removeprefix("collection:")
            items = self._catalogue.find(collection, box, None)
            lacking = [item.id for item in items if ELEVATION_ASSET not in item.assets]
            if lacking or not items:
                raise SourceError(
                    "stac.no_elevation", kind="missing", collection=collection, asset=ELEVATION_ASSET,
                    items=_shown(lacking) or "-", area=area,
                )  # fmt: skip
            self._terrain[box] = tuple(
                Tile(item.id, {ELEVATION_ASSET: TileBand(ELEVATION_ASSET, item.assets[ELEVATION_ASSET].href)})
                for item in sorted(items, key=lambda one: one.id)
            )
        return self._terrain[box]

    def _is_usable(self, one: Looked, layout: Layout) -> bool:
        cloudy = self._max_cloud is not None and one.cloud is not None and one.cloud > self._max_cloud
        return not cloudy and bool(one.tile.bands) and (layout.qa is None or one.tile.qa is not None)

    def _check_assets(
        self, collection: str, layout: Layout, looked: Sequence[Looked], held: Sequence[Sequence[str]]
    ) -> None:
        """Refuse a collection of which no item has an asset; remember the items that lack one."""
        wanted = [*layout.assets.values(), *([layout.qa] if layout.qa else [])]
        for asset in wanted:
            lacking = [one.tile.id for one, names in zip(looked, held, strict=True) if asset not in names]
            if lacking and len(lacking) == len(looked):
                there = ", ".join(sorted({name for names in held for name in names})[:30])
                raise SourceError(
                    "stac.no_asset",
                    kind="missing",
                    collection=collection,
                    asset=asset,
                    items=_shown(lacking),
                    there=there,
                )
            if lacking:
                self._incomplete[asset] = tuple(sorted({*self._incomplete.get(asset, ()), *lacking}))

    def _give_up(self, error: SourceError, tile: Tile, grid: GeoBox) -> None:
        gap = Gap(tile.id, str(error.fields["asset"]), in_degrees(grid))
        with self._lock:
            self._lost.add(gap)
            count = len(self._lost)
        if count > self._allowed:
            raise SourceError(
                "stac.too_many", kind=error.kind, status=error.status, retryable=error.retryable,
                allowed=self._allowed, problem=error.message,
            ) from error  # fmt: skip
        self._own.gaps.add(gap)


def _numbers(counts: Mapping[str, Counter[str]]) -> dict[str, tuple[int, ...]]:
    """Counts as `suspicion` takes them."""
    return {name: tuple(one[kind] for kind in _COUNTED) for name, one in counts.items()}


def _holds(outer: Box, inner: Box) -> bool:
    """Whether a box, a pixel wider all round than what it bounds, holds another."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
