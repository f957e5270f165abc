"""One raster file on disk: what it declares, and any block of it on any grid."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import deflate
import numpy as np
import pyproj
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from sinkest.errors import InputError, SourceError
from sinkest.imagery.resample import Kernel, Positions, resample
from sinkest.imagery.tiles import TileIndex, tile_index
from sinkest.limits import RASTER_SIDE

SUFFIXES = (".tif", ".tiff", ".gtif", ".gtiff", ".jp2", ".img", ".vrt")
"""Names that count as rasters when a folder is searched."""

VIRTUAL = ("/vsi", "ZARR:")
"""How paths begin that GDAL looks up in archives, stores or on servers instead of as a file on the disk."""

MAX_SIDE = RASTER_SIDE
"""More pixels a side than any real scene or mosaic has; beyond it a header is taken for damaged."""

MIN_PIXEL = 1e-9
"""Smaller sides of a pixel, in metres or degrees, are taken for damage too."""

_EXACT_PX = 1e-9
_FAILURES = (
    RasterioError,
    pyproj.exceptions.ProjError,
    CPLE_BaseError,
    deflate.DeflateError,
    OSError,
    ValueError,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True)
class RasterFile:
    """What a raster file declares of itself.

    Attributes
    ----------
    path : Path
    grid : GeoBox
        The native grid.
    dtypes : tuple of str
        Data type of each band.
    nodata, scales, offsets : tuple of float
        Declared numbers of each band; ``nodata`` may be None.
    units : tuple of str
        Declared unit of each band; empty where there is none.
    tiles : TileIndex or None
        Where its tiles lie, if they are packed as `sinkest.imagery.tiles` can read them.
    """

    path: Path
    grid: GeoBox
    dtypes: tuple[str, ...]
    nodata: tuple[float | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    units: tuple[str, ...]
    tiles: TileIndex | None = field(default=None, compare=False, repr=False)


def probe(path: Path | str) -> RasterFile:
    """Read the header of a raster file, and refuse files that cannot serve.

    Raises
    ------
    SourceError
        If the file is missing, unreadable or cut short, is a virtual raster by another name, has no coordinate
        reference system or no georeference, or holds complex numbers.
    """
    path = Path(path)
    virtual = path.as_posix().startswith(VIRTUAL)
    if not virtual and not path.is_file():
        raise SourceError("imagery.no_file", kind="missing", file=str(path))
    with guarded(path), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as raster:
            if raster.driver == "VRT" and path.suffix.lower() != ".vrt":
                raise SourceError("imagery.disguised", kind="unreadable", file=str(path))
            if raster.crs is None or raster.transform.is_identity:
                raise SourceError("imagery.no_crs", kind="unreadable", file=str(path))
            complex_types = sorted({str(dtype) for dtype in raster.dtypes if "complex" in str(dtype)})
            if complex_types:
                raise SourceError("imagery.dtype", kind="unreadable", file=str(path), given=", ".join(complex_types))
            odd = max(raster.shape) > MAX_SIDE or _smallest_side(raster.transform) < MIN_PIXEL
            if odd or (not virtual and _cut_short(raster, path)):
                raise SourceError("imagery.damaged", kind="unreadable", file=str(path), detail="-")
            grid = GeoBox(raster.shape, Affine(*raster.transform[:6]), raster.crs.to_wkt())
            if not all(math.isfinite(side) for side in bounds_in(grid, "EPSG:4326")):
                raise SourceError("imagery.off_earth", kind="unreadable", file=str(path))
            return RasterFile(
                path,
                grid,
                tuple(str(dtype) for dtype in raster.dtypes),
                tuple(raster.nodatavals),
                tuple(raster.scales),
                tuple(raster.offsets),
                tuple(unit or "" for unit in raster.units),
                None if virtual or raster.driver != "GTiff" else _tiles(path, raster),
            )


def grid_of(path: Path | str) -> GeoBox:
    """Give the native grid of a raster file; raises as :func:`probe` does."""
    return probe(path).grid


def read_numbers(
    file: RasterFile, bands: Sequence[int], grid: GeoBox, kernel: Kernel, nodata: float | None
) -> np.ndarray:
    """Read bands of one file on a grid as stored numbers.

    Where the grid is the file's own, shifted by whole pixels, the numbers come through as they are; else they are
    resampled. The result does not depend on how a grid is cut into blocks.

    Parameters
    ----------
    file : RasterFile
    bands : sequence of int
        Counted from 1.
    grid : GeoBox
        Block wanted; it may reach beyond the file.
    kernel : {"nearest", "bilinear", "cubic"}
        Kernels widen when the grid is coarser than the file, so that small detail does not alias.
    nodata : float or None
        Stored number that means no data; NaN always does.

    Returns
    -------
    ndarray of float32 or float64, shape (band, y, x)
        float64 for stored types that float32 cannot hold exactly; NaN for no data and beyond the file.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    with guarded(file.path), rasterio.open(file.path) as raster:
        exact = all(np.can_cast(file.dtypes[band - 1], np.float32) for band in bands)
        wide = np.float32 if exact else np.float64
        place = placing(file.grid, grid)
        if place is None:
            return warp(raster, list(bands), grid, file.grid, kernel, nodata, wide)
        out = np.full((len(bands), *grid.shape.yx), np.nan, dtype=wide)
        spans = [span(axis, length, kernel) for axis, length in zip(place, file.grid.shape.yx, strict=True)]
        if any(stop <= start for start, stop in spans):
            return out
        (top, bottom), (left, right) = spans
        stored = raster.read(list(bands), window=Window(left, top, right - left, bottom - top))
        values = _masked(stored, nodata, wide)
        for k, one in enumerate(values):
            out[k] = placed(one, place[0].shifted(top), place[1].shifted(left), kernel)
        return out


def placed(values: np.ndarray, rows: Positions, cols: Positions, kernel: Kernel) -> np.ndarray:
    """Values (y, x) at other places of their raster: as they are where those are its pixels, else resampled."""
    if not (rows.whole and cols.whole):
        return resample(values, rows, cols, kernel)
    out = np.full((len(rows.centres), len(cols.centres)), np.nan, dtype=values.dtype)
    into = tuple(slice(one.first, one.first + n) for one, n in zip((rows, cols), values.shape, strict=True))
    out[into] = values
    return out


def nodata_of(file: RasterFile, band: int, declared: float | None, fallback: float | None = None) -> float | None:
    """The number that means no data: declared by the user, else by the file; decimals have NaN."""
    own = file.nodata[band - 1]
    for number in (declared, own, fallback):
        if number is not None:
            return float(number)
    if file.dtypes[band - 1].startswith("float"):
        return None
    raise InputError("imagery.no_nodata", file=str(file.path), dtype=file.dtypes[band - 1])


def meets(native: GeoBox, grid: GeoBox) -> bool:
    """Tell whether a file and a grid may overlap."""
    left, bottom, right, top = bounds_in(native, str(grid.crs))
    box = grid.extent.boundingbox
    return left < box.right and right > box.left and bottom < box.top and top > box.bottom


def require_overlap(file: RasterFile, grid: GeoBox) -> None:
    """Refuse a file that lies outside a grid.

    Raises
    ------
    SourceError
        Names the file and both extents.
    """
    if not meets(file.grid, grid):
        raise SourceError(
            "imagery.layer_no_overlap",
            kind="mismatch",
            file=str(file.path),
            extent=in_degrees(file.grid),
            grid=in_degrees(grid),
        )


def in_degrees(grid: GeoBox) -> str:
    """Write an extent for people, in degrees."""
    left, bottom, right, top = bounds_in(grid, "EPSG:4326")
    return f"{left:.4f}..{right:.4f} E, {bottom:.4f}..{top:.4f} N"


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn whatever the readers raise into one error that names the file."""
    try:
        # garbage in a damaged file of decimals may overflow; what comes out infinite counts as no data
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except SourceError:
        raise
    except _FAILURES as failure:
        detail = " ".join(str(failure.__cause__ or failure).split())[:200] or type(failure).__name__
        raise SourceError("imagery.damaged", kind="unreadable", file=str(path), detail=detail) from failure


def _smallest_side(transform: Affine) -> float:
    return (
        0.0
        if transform.is_degenerate
        else min(math.hypot(transform.a, transform.d), math.hypot(transform.b, transform.e))
    )


def _cut_short(raster: Any, path: Path) -> bool:
    """Whether the last tile of a GeoTIFF is said to lie beyond the end of the file."""
    if raster.driver != "GTiff":
        return False
    size = path.stat().st_size
    for band in range(1, raster.count + 1):
        height, width = raster.block_shapes[band - 1]
        row, column = (raster.height - 1) // height, (raster.width - 1) // width
        offset = raster.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band)
        length = raster.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band)
        if offset is not None and length is not None and int(offset) + int(length) > size:
            return True
    return False


def _tiles(path: Path, raster: Any) -> TileIndex | None:
    """Index of the tiles, where it and GDAL see the same raster."""
    index = tile_index(path)
    if index is None or (index.shape, index.bands) != (raster.shape, raster.count):
        return None
    return index if set(raster.dtypes) == {index.dtype.name} else None


def _masked(stored: np.ndarray, nodata: float | None, dtype: type[np.floating[Any]]) -> np.ndarray:
    values = stored.astype(dtype)
    if nodata is not None and not math.isnan(nodata):
        values[stored == nodata] = np.nan
    values[~np.isfinite(values)] = np.nan
    return values


def placing(native: GeoBox, grid: GeoBox) -> tuple[Positions, Positions] | None:
    """Where the rows and columns of a grid lie on a file's; None where only a warp can tell."""
    if not same_crs(str(native.crs), str(grid.crs)):
        return None
    own, wanted = native.affine, grid.affine
    if any((own.b, own.d, wanted.b, wanted.d)) or own.a * wanted.a <= 0 or own.e * wanted.e <= 0:
        return None
    rows, cols = grid.shape.yx
    # From the world coordinates of each centre, not from the block's corner plus multiples of the step: the same
    # centre then has the same bits in every block, up to the rounding that Positions removes.
    x = wanted.c + (np.arange(cols) + 0.5) * wanted.a
    y = wanted.f + (np.arange(rows) + 0.5) * wanted.e
    across = Positions.of((x - own.c) / own.a, wanted.a / own.a)
    down = Positions.of((y - own.f) / own.e, wanted.e / own.e)
    if not (down.whole and across.whole):
        down, across = replace(down, whole=False), replace(across, whole=False)
    return down, across


def span(axis: Positions, length: int, kernel: Kernel) -> tuple[int, int]:
    """First and one past the last pixel of the file that the positions draw on; empty where they lie outside."""
    if axis.whole:
        first, last = round(axis.centres[0] - 0.5), round(axis.centres[-1] + 0.5)
    else:
        reach = {"nearest": 0, "bilinear": 1, "cubic": 2}[kernel] * max(1.0, axis.step) + 1
        first, last = math.floor(axis.centres[0] - reach), math.ceil(axis.centres[-1] + reach)
    return max(first, 0), min(last, length)


def warp(
    raster: Any,
    bands: list[int],
    grid: GeoBox,
    native: GeoBox,
    kernel: Kernel,
    nodata: float | None,
    dtype: type[np.floating[Any]],
) -> np.ndarray:
    """Read through GDAL's warper.

    By default it estimates the widening of its kernel from the window at hand and approximates the transformation
    within an eighth of a pixel; both make a pixel depend on the block around it. Here both are fixed.
    """
    ratio = shrink(native, str(grid.crs), abs(grid.affine.a), abs(grid.affine.e))
    with WarpedVRT(
        raster,
        crs=str(grid.crs),
        transform=grid.affine,
        height=grid.shape.y,
        width=grid.shape.x,
        resampling=Resampling[kernel],
        tolerance=_EXACT_PX,
        dtype=np.dtype(dtype).name,
        src_nodata=_fitting(raster.dtypes[bands[0] - 1], nodata),
        nodata=math.nan,
        XSCALE=repr(ratio),
        YSCALE=repr(ratio),
        SAMPLE_GRID="YES",
        SOURCE_EXTRA="8",
    ) as warped:
        return warped.read(bands)


def _fitting(dtype: str, nodata: float | None) -> float | None:
    """The nodata number as the warper takes it: none that the type cannot hold, NaN for decimals without one."""
    if dtype.startswith("float"):
        return math.nan if nodata is None else nodata
    limits = np.iinfo(dtype)
    held = nodata is not None and float(nodata).is_integer() and limits.min <= nodata <= limits.max
    return nodata if held else None


@lru_cache(maxsize=256)
def shrink(native: GeoBox, crs: str, step_x: float, step_y: float) -> float:
    """Pixel of the file over pixel of the grid, at the middle of the file; 1 where the grid is not coarser."""
    rows, cols = native.shape.yx
    left, bottom, right, top = _transformed(native[rows // 2 : rows // 2 + 1, cols // 2 : cols // 2 + 1], crs)
    ratio = math.sqrt((right - left) * (top - bottom) / (step_x * step_y))
    # the box around a turned pixel is larger than the pixel, so a ratio just under 1 is no coarser grid
    return 1.0 if ratio > 0.9 else round(ratio, 6)


@lru_cache(maxsize=256)
def same_crs(one: str, other: str) -> bool:
    """Tell whether two coordinate reference systems are the same, whatever their spelling."""
    return one == other or pyproj.CRS(one).equals(pyproj.CRS(other), ignore_axis_order=True)


@lru_cache(maxsize=4096)
def bounds_in(native: GeoBox, crs: str) -> tuple[float, float, float, float]:
    """Bounding box (left, bottom, right, top) of a file in another coordinate reference system, a pixel wider."""
    return _transformed(native.pad(1), crs)


def _transformed(grid: GeoBox, crs: str) -> tuple[float, float, float, float]:
    box = grid.extent.boundingbox
    transformer = _transformer(str(grid.crs), crs)
    left, bottom, right, top = transformer.transform_bounds(box.left, box.bottom, box.right, box.top, densify_pts=21)
    return left, bottom, right, top


@lru_cache(maxsize=64)
def _transformer(crs: str, other: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, other, always_xy=True)
