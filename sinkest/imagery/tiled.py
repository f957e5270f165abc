"""Scenes made of tiles that each tell their own numbers: scale, offset, nodata and quality band.

What standard products on disk and the items of a catalogue have in common. The scenes of a stack share one declaration
instead, see `sinkest.imagery.local`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.imagery.local import PLAUSIBLE_REFLECTANCE
from sinkest.imagery.raster import RasterFile, meets, read_numbers
from sinkest.imagery.resample import Kernel
from sinkest.imagery.sensors import COMMON_BANDS, QA_PIXEL_BITS
from sinkest.imagery.source import QA, QA_DTYPE, QA_FILL, QaKind, Scene, Source

TILES = "tiles"
"""Key of a scene's tiles in its ``extra``."""

PLAUSIBLE_RADAR = (0.0, 1e3)

_SCL_OF_BIT = (
    ("dilated_cloud", 1),
    ("snow", 11),
    ("cloud_shadow", 3),
    ("cirrus", 10),
    ("cloud", 9),
)
"""Class of the scene classification that is treated as the bit is: dilated cloud is not clear and not widened again,
like a defective pixel. Later ones win."""


@dataclass(frozen=True)
class TileBand:
    """Where one band of a tile is stored, and what its numbers mean.

    Attributes
    ----------
    asset : str
        What the provider calls it, for messages.
    place : str
        Path of a file, path inside an archive as GDAL writes it, or address.
    number : int
        Band of the file, counted from 1.
    scale, offset : float
        Physical value = stored * scale + offset.
    nodata : float or None
        Stored number that means no data.
    grid : GeoBox or None
        Native grid as the provider tells it; None where only the file does.
    """

    asset: str
    place: str
    number: int = 1
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    grid: GeoBox | None = None


@dataclass(frozen=True)
class Tile:
    """A piece of ground at one time.

    Attributes
    ----------
    id : str
    bands : mapping of str to TileBand
        By common band name.
    qa : TileBand or None
        Quality band.
    qa_kind : {"scl", "qa_pixel"} or None
    """

    id: str
    bands: Mapping[str, TileBand]
    qa: TileBand | None = None
    qa_kind: QaKind | None = None

    @property
    def any_band(self) -> TileBand:
        """One of the bands."""
        return next(iter(self.bands.values()))


class TiledSource(Source):
    """A source whose scenes carry their tiles; of overlapping tiles the first that has data counts.

    Attributes
    ----------
    resampling : {"bilinear", "cubic", "nearest"}
        For bands whose grid is not the run's.
    """

    resampling: Kernel = "bilinear"

    @abstractmethod
    def header(self, tile: Tile, band: TileBand) -> RasterFile:
        """What the file of a band declares; opened once.

        Raises
        ------
        SourceError
            If it cannot be opened.
        """

    def numbers(
        self, tile: Tile, bands: Sequence[TileBand], grid: GeoBox, kernel: Kernel, nodata: float | None
    ) -> NDArray[np.floating]:
        """Stored numbers of bands of one file on a grid, (band, y, x), see `sinkest.imagery.raster.read_numbers`."""
        return read_numbers(self.header(tile, bands[0]), [band.number for band in bands], grid, kernel, nodata)

    def looked(self, scene: Scene, tile: Tile, found: Mapping[str, np.ndarray]) -> None:
        """Take note of what was read of a tile, before tiles are put together."""

    def bands_of(self, scene: Scene) -> tuple[str, ...]:
        """Bands that any tile of the scene has; a tile that lacks one of those asked for is left out of a read."""
        have = {band for tile in scene.extra[TILES] for band in tile.bands}
        return tuple(band for band in COMMON_BANDS if band in have)

    def read(self, grid: GeoBox, scene: Scene, bands: Sequence[str]) -> dict[str, np.ndarray]:
        """Read one block of one scene, see :meth:`Source.read`."""
        return self.read_with_margin(grid, scene, bands, 0)

    def read_with_margin(self, grid: GeoBox, scene: Scene, bands: Sequence[str], margin: int) -> dict[str, np.ndarray]:
        """Read as :meth:`Source.read_with_margin` does; only the quality band is read across the block's border."""
        self.check_bands(bands)
        wide = grid.pad(margin) if margin else grid
        inner = tuple(slice(margin, margin + length) for length in grid.shape.yx)
        out = {band: np.full(grid.shape.yx, np.nan, dtype=np.float32) for band in bands}
        kind = None if scene.is_radar else self.qa_kind
        if kind is not None:
            out[QA] = np.full(wide.shape.yx, QA_FILL[kind], dtype=QA_DTYPE[kind])
        taken = np.zeros(wide.shape.yx, dtype=bool)
        for tile in scene.extra[TILES]:
            found = self.tile_block(tile, grid, wide, bands, kind)
            if found is None:
                continue
            self.looked(scene, tile, found)
            new = np.zeros(wide.shape.yx, dtype=bool)
            if kind is not None:
                new[:] = found[QA] != QA_FILL[kind]
            else:
                new[inner] = np.logical_or.reduce([np.isfinite(found[band]) for band in bands])
            new &= ~taken
            if kind is not None:
                out[QA][new] = found[QA][new]
            for band in bands:
                out[band][new[inner]] = found[band][new[inner]]
            taken |= new
        for band in bands:
            self._check_plausible(scene, band, out[band])
        return out

    def tile_block(
        self, tile: Tile, grid: GeoBox, wide: GeoBox, bands: Sequence[str], kind: QaKind | None
    ) -> dict[str, np.ndarray] | None:
        """One block of a tile: bands on ``grid``, the quality band on ``wide``.

        None where they do not meet, or the tile lacks a band: as if the scene did not reach there.
        """
        if not set(bands) <= set(tile.bands):
            return None
        if not meets(self.native_grid(tile, tile.any_band), wide):
            return None
        found = self._values(tile, bands, grid)
        if kind is not None:
            found[QA] = self._codes(tile, wide, kind, found)
        return found

    def native_grid(self, tile: Tile, band: TileBand) -> GeoBox:
        """Grid of a band as the provider tells it, else as its file does."""
        return band.grid if band.grid is not None else self.header(tile, band).grid

    def _values(self, tile: Tile, bands: Sequence[str], grid: GeoBox) -> dict[str, np.ndarray]:
        """Physical values of bands; those in one file are read together."""
        by_file: dict[tuple[str, float | None], list[str]] = {}
        for name in bands:
            by_file.setdefault((tile.bands[name].place, tile.bands[name].nodata), []).append(name)
        values: dict[str, np.ndarray] = {}
        for (_, nodata), names in by_file.items():
            stored = self.numbers(tile, [tile.bands[name] for name in names], grid, self.resampling, nodata)
            for name, one in zip(names, stored, strict=True):
                band = tile.bands[name]
                with np.errstate(over="ignore", invalid="ignore"):
                    values[name] = (one.astype(np.float64) * band.scale + band.offset).astype(np.float32)
        return values

    def _codes(self, tile: Tile, grid: GeoBox, kind: QaKind, values: Mapping[str, np.ndarray]) -> np.ndarray:
        if tile.qa is None or tile.qa_kind is None:
            raise SourceError("products.no_quality", kind="missing", tile=tile.id)
        stored = self.numbers(tile, [tile.qa], grid, "nearest", tile.qa.nodata)[0]
        blank = ~np.isfinite(stored)
        codes = np.where(blank, QA_FILL[tile.qa_kind], stored)
        limits = np.iinfo(QA_DTYPE[tile.qa_kind])
        odd = (codes != np.round(codes)) | (codes < limits.min) | (codes > limits.max)
        if odd.any():
            raise SourceError(
                "products.quality_values",
                kind="mismatch",
                tile=tile.id,
                asset=tile.qa.asset,
                given=f"{codes[odd][0]:g}",
                qa_kind=tile.qa_kind,
            )
        codes = codes.astype(QA_DTYPE[tile.qa_kind])
        return scl_of_bits(codes) if (tile.qa_kind, kind) == ("qa_pixel", "scl") else codes

    def _check_plausible(self, scene: Scene, band: str, values: np.ndarray) -> None:
        low, high = PLAUSIBLE_RADAR if scene.is_radar else PLAUSIBLE_REFLECTANCE
        block = values[::4, ::4]
        beyond = int((block < low).sum() + (block > high).sum())
        if beyond > int(np.isfinite(block).sum()) / 2:
            raise SourceError(
                "products.implausible",
                kind="mismatch",
                scene=scene.id,
                band=band,
                value=f"{float(np.nanmedian(block)):.4g}",
                low=f"{low:g}",
                high=f"{high:g}",
                policy=scene.offset_policy,
            )


def scl_of_bits(qa: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Write Landsat's QA_PIXEL as classes of Sentinel-2, so that scenes of both can be masked by one rule.

    What counts as clear, as not clear and as a cloud to be widened is the same by either, see
    `sinkest.imagery.sensors`; clear land becomes 5 "not vegetated", for the bits do not tell vegetation.
    """
    bits = qa.astype(np.uint16)
    out = np.full(bits.shape, 5, dtype=np.uint8)
    out[_has(bits, "water")] = 6
    for name, code in _SCL_OF_BIT:
        out[_has(bits, name)] = code
    out[_has(bits, "fill")] = QA_FILL["scl"]
    return out


def _has(bits: NDArray[np.uint16], name: str) -> NDArray[np.bool_]:
    return (bits & np.uint16(1 << QA_PIXEL_BITS[name])) != 0
