"""Rasters that lie side by side on one lattice, read as the one raster that they were cut from.

Resampled one by one, tiles would lose what lies beyond their edges, and an elevation model would have ridges there.
Here the stored pixels are put together first, as far as the kernel reaches, and resampled once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile

from sinkest.imagery.raster import bounds_in, meets, placed, placing, same_crs, shrink, span, warp
from sinkest.imagery.resample import ALIGNED_PX, Kernel

ReadPiece = Callable[[int, GeoBox, Kernel], NDArray[np.floating]]
"""Values (y, x) of one of the rasters, by its number, on a grid; NaN for no data."""

_MARGIN_PX = 10
"""Stored pixels around those that a warp draws on."""

_IN_PLACE = (
    '<VRTDataset rasterXSize="{cols}" rasterYSize="{rows}"><SRS>{crs}</SRS><GeoTransform>{transform}</GeoTransform>'
    '<VRTRasterBand dataType="{kind}" band="1"><NoDataValue>nan</NoDataValue><SimpleSource>'
    '<SourceFilename relativeToVRT="0">{file}</SourceFilename><SourceBand>1</SourceBand>'
    '<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/>'
    '<DstRect xOff="{left}" yOff="{top}" xSize="{width}" ySize="{height}"/>'
    "</SimpleSource></VRTRasterBand></VRTDataset>"
)


def read_joined(grids: Sequence[GeoBox], read: ReadPiece, grid: GeoBox, kernel: Kernel) -> NDArray[np.float32]:
    """One layer out of several rasters; where several have data, the first counts.

    Those whose pixels lie on one lattice are read as one raster: the result is that of the raster before it was cut.
    It does not depend on how ``grid`` is cut into blocks, as long as ``grids`` stay the same.

    Parameters
    ----------
    grids : sequence of GeoBox
        Native grids of the rasters.
    read : callable
    grid : GeoBox
        Block wanted.
    kernel : {"nearest", "bilinear", "cubic"}

    Returns
    -------
    ndarray of float32, shape (y, x)
        NaN where none has data.
    """
    out = np.full(grid.shape.yx, np.nan, dtype=np.float32)
    for members in lattices(grids):
        if not any(meets(grids[k], grid) for k in members):
            continue
        if len(members) == 1:
            found = read(members[0], grid, kernel)
        else:
            found = _as_one({k: grids[k] for k in members}, read, grid, kernel)
        new = np.isnan(out) & np.isfinite(found)
        out[new] = found[new]
    return out


def lattices(grids: Sequence[GeoBox]) -> list[list[int]]:
    """Numbers of the grids that share a lattice, together, by the first of each."""
    groups: list[list[int]] = []
    for number, one in enumerate(grids):
        home = next((group for group in groups if _on_lattice(grids[group[0]], one)), None)
        if home is None:
            groups.append([number])
        else:
            home.append(number)
    return groups


def _on_lattice(one: GeoBox, other: GeoBox) -> bool:
    a, b = one.affine, other.affine
    if any((a.b, a.d, b.b, b.d)) or abs(b.a / a.a - 1) > 1e-9 or abs(b.e / a.e - 1) > 1e-9:
        return False
    off = ((b.c - a.c) / a.a, (b.f - a.f) / a.e)
    return all(abs(px - round(px)) < ALIGNED_PX for px in off) and same_crs(str(one.crs), str(other.crs))


def _as_one(grids: dict[int, GeoBox], read: ReadPiece, grid: GeoBox, kernel: Kernel) -> NDArray[np.floating]:
    union = _union(list(grids.values()))
    place = placing(union, grid)
    if place is not None:
        spans = [span(axis, length, kernel) for axis, length in zip(place, union.shape.yx, strict=True)]
        if any(stop <= start for start, stop in spans):
            return np.full(grid.shape.yx, np.nan, dtype=np.float32)
        (top, bottom), (left, right) = spans
        stored = _stored(grids, read, union[top:bottom, left:right])
        return placed(stored, place[0].shifted(top), place[1].shifted(left), kernel)
    rows, cols = _needed(union, grid)
    if rows.stop <= rows.start or cols.stop <= cols.start:
        return np.full(grid.shape.yx, np.nan, dtype=np.float32)
    stored = _stored(grids, read, union[rows, cols])
    return _warped(stored, (rows.start, cols.start), union, grid, kernel)


def _union(grids: Sequence[GeoBox]) -> GeoBox:
    """The smallest grid of the lattice that holds all."""
    home = grids[0].affine
    corners = [(round((one.affine.f - home.f) / home.e), round((one.affine.c - home.c) / home.a)) for one in grids]
    top, left = (min(corner[axis] for corner in corners) for axis in (0, 1))
    bottom, right = (
        max(corner[axis] + one.shape.yx[axis] for corner, one in zip(corners, grids, strict=True)) for axis in (0, 1)
    )
    # the corner of the tile that lies there, as it is written, where there is one: no rounding of its own
    x = next(one.affine.c for one, corner in zip(grids, corners, strict=True) if corner[1] == left)
    y = next(one.affine.f for one, corner in zip(grids, corners, strict=True) if corner[0] == top)
    return GeoBox((bottom - top, right - left), Affine(home.a, 0.0, x, 0.0, home.e, y), grids[0].crs)


def _stored(grids: dict[int, GeoBox], read: ReadPiece, window: GeoBox) -> NDArray[np.floating]:
    """Stored pixels of a part of the lattice."""
    out: NDArray[np.floating] = np.full(window.shape.yx, np.nan, dtype=np.float32)
    for number, own in grids.items():
        if not meets(own, window):
            continue
        found = read(number, window, "nearest")
        out = out.astype(np.result_type(out, found), copy=False)
        new = np.isnan(out) & np.isfinite(found)
        out[new] = found[new]
    return out


def _needed(union: GeoBox, grid: GeoBox) -> tuple[slice, slice]:
    """Rows and columns that a warp may draw on."""
    left, bottom, right, top = bounds_in(grid, str(union.crs))
    x, y = zip(*(~union.affine * corner for corner in ((left, top), (right, bottom))), strict=True)
    reach = math.ceil(2 / shrink(union, str(grid.crs), abs(grid.affine.a), abs(grid.affine.e))) + _MARGIN_PX
    rows, cols = (
        slice(max(math.floor(min(ends)) - reach, 0), min(math.ceil(max(ends)) + reach, length))
        for ends, length in zip((y, x), union.shape.yx, strict=True)
    )
    return rows, cols


def _warped(
    stored: NDArray[np.floating], corner: tuple[int, int], union: GeoBox, grid: GeoBox, kernel: Kernel
) -> NDArray[np.floating]:
    """Warp a part of a raster that GDAL sees at its place in the whole, so that every block has the same bits."""
    (top, left), (height, width) = corner, stored.shape
    part = union[top : top + height, left : left + width]
    profile = {"driver": "GTiff", "count": 1, "height": height, "width": width, "dtype": stored.dtype.name}
    with MemoryFile() as piece:
        with piece.open(**profile, crs=str(union.crs), transform=part.affine, nodata=math.nan) as raster:
            raster.write(stored, 1)
        whole = _IN_PLACE.format(
            cols=union.shape.x,
            rows=union.shape.y,
            crs=escape(str(union.crs)),
            transform=", ".join(map(repr, union.affine.to_gdal())),
            kind={"float32": "Float32", "float64": "Float64"}[stored.dtype.name],
            file=escape(piece.name),
            width=width,
            height=height,
            left=left,
            top=top,
        )
        with rasterio.open(whole) as raster:
            return warp(raster, [1], grid, union, kernel, None, stored.dtype.type)[0]
