"""Looks at the ground with the numbers as they stand in the files.

Where the run's grid is the files' own, shifted by whole pixels, nothing has to be resampled: whole numbers go from the
file's tiles straight into the caller's stack, at half the memory of decimals, and tiles that a scene saw nothing of are
not unpacked at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from sinkest.imagery.catalogue import Part
from sinkest.imagery.raster import RasterFile, guarded, meets, placing, span
from sinkest.imagery.source import StoredAs
from sinkest.imagery.tiles import read_tiles

Mask = NDArray[np.bool_]
Nodata = Callable[[RasterFile, int], float | None]


def aligned_window(native: GeoBox, grid: GeoBox) -> tuple[tuple[int, int], tuple[slice, slice]] | None:
    """Where a grid lies on a file's own, shifted by whole pixels; None where it has to be resampled.

    Returns
    -------
    (row, column) of the first pixel of the file inside the grid, and rows and columns of the grid inside the file;
    these may be empty.
    """
    place = placing(native, grid)
    if place is None or not (place[0].whole and place[1].whole):
        return None
    corner, inside = [], []
    for axis, length in zip(place, native.shape.yx, strict=True):
        start, stop = span(axis, length, "nearest")
        corner.append(start)
        inside.append(slice(axis.first, axis.first + max(stop - start, 0)))
    return (corner[0], corner[1]), (inside[0], inside[1])


def read_stored(
    file: RasterFile,
    bands: Sequence[int],
    grid: GeoBox,
    out: np.ndarray,
    blank: float,
    wanted: np.ndarray | None = None,
) -> tuple[slice, slice]:
    """Read bands of one file on a grid that is the file's own, shifted by whole pixels.

    Parameters
    ----------
    file : RasterFile
    bands : sequence of int
        Counted from 1; all of one data type.
    grid : GeoBox
        Block wanted; it may reach beyond the file.
    out : array (band, y, x) of the file's type
        Filled inside the file.
    blank : number
        What tiles hold that were never written.
    wanted : bool array (y, x), optional
        Tiles without a wanted pixel need not be read; ``out`` holds anything there.

    Returns
    -------
    Rows and columns of the grid that lie inside the file.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    found = aligned_window(file.grid, grid)
    if found is None:
        raise ValueError("the grid is not the file's own")
    corner, inside = found
    part = out[:, *inside]
    its = None if wanted is None else wanted[inside]
    if part.size == 0 or (its is not None and not its.any()):
        return inside
    with guarded(file.path):
        if file.tiles is not None:
            read_tiles(file.path, file.tiles, bands, corner, part, blank, its)
            return inside
        with rasterio.open(file.path) as raster:
            part[:] = raster.read(list(bands), window=Window(corner[1], corner[0], *part.shape[:0:-1]))
    return inside


def common_storage(
    parts: Sequence[Part], bands: Sequence[str], grid: GeoBox, scale: float, offset: float
) -> StoredAs | None:
    """How the bands of all parts are stored, if they are so in one way, whole numbers, on the grid."""
    found = [part.bands[band] for part in parts for band in bands]
    dtypes = {file.dtypes[number - 1] for file, number in found}
    if len(dtypes) != 1 or scale <= 0:
        return None
    dtype = np.dtype(dtypes.pop())
    if dtype.kind not in "iu" or dtype.itemsize > 2:
        return None
    limits = np.iinfo(dtype)
    largest = max(abs(float(number) * scale + offset) for number in (limits.min, limits.max))
    aligned = all(aligned_window(native, grid) is not None for native in {file.grid for file, _ in found})
    return StoredAs(dtype, scale, offset) if aligned and largest <= float(np.finfo(np.float32).max) else None


def read_codes(
    file: RasterFile, band: int, grid: GeoBox, nodata: float | None, fill: int
) -> NDArray[np.integer] | None:
    """Codes of a quality band on its own grid, ``fill`` where it has none; None where it would be resampled."""
    if aligned_window(file.grid, grid) is None:
        return None
    codes = np.full(grid.shape.yx, fill, dtype=file.dtypes[band - 1])
    read_stored(file, [band], grid, codes[None], nodata if nodata is not None else fill)
    if nodata is not None:
        codes[codes == nodata] = fill
    return codes


def owned(
    parts: Sequence[Part], grid: GeoBox, codes_of: Callable[[Part], NDArray[np.integer]], fill: int
) -> tuple[NDArray[np.integer], list[tuple[Part, Mask]]]:
    """Quality band of a scene, and where each of its parts is the first that has data."""
    found: list[tuple[Part, Mask]] = []
    codes: NDArray[np.integer] | None = None
    for part in parts:
        if not meets(part.any_file.grid, grid):
            continue
        own = codes_of(part)
        if codes is None:
            codes, new = own, own != fill
        else:
            new = (own != fill) & (codes == fill)
            codes[new] = own[new]
        found.append((part, new))
    return (np.full(grid.shape.yx, fill, dtype=np.uint8) if codes is None else codes), found


def read_part(
    part: Part,
    bands: Sequence[str],
    grid: GeoBox,
    nodata_of: Nodata,
    wanted: Mask,
    into: NDArray[np.integer],
    alone: bool,
) -> Mask:
    """Read bands of a part where they are wanted; returns where all of them have data there.

    Where the part is not ``alone`` in its scene, ``into`` keeps what other parts gave.
    """
    has_data = wanted.copy()
    by_file: dict[str, list[int]] = {}
    for k, band in enumerate(bands):
        by_file.setdefault(str(part.bands[band][0].path), []).append(k)
    for places in by_file.values():
        file = part.bands[bands[places[0]]][0]
        numbers = [part.bands[bands[k]][1] for k in places]
        direct = alone and places == list(range(places[0], places[-1] + 1))
        room = into[places[0] : places[-1] + 1] if direct else np.empty((len(places), *grid.shape.yx), into.dtype)
        blanks = [nodata_of(file, number) for number in numbers]
        inside = read_stored(file, numbers, grid, room, blanks[0] or 0, wanted)
        for k, values, blank in zip(places, room, blanks, strict=True):
            if blank is not None:
                has_data &= values != blank
            if not direct:
                into[k][wanted] = values[wanted]
        outside = np.ones(grid.shape.yx, dtype=bool)
        outside[inside] = False
        has_data[outside] = False
    return has_data
