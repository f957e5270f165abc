"""Writing a map of a run so that it is known to be on disk: what was written is read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from sinkest.errors import RunError
from sinkest.mapping.cog import RasterSpec, write_cog
from sinkest.mapping.engine import TILE

Blocks = Iterable[tuple[Window, NDArray[Any]]]


def write_map(path: Path, grid: GeoBox, spec: RasterSpec, blocks: Blocks) -> None:
    """Write a map and compare every block with what the file gives back.

    On a disk that fills up, GDAL may close a file without an error though its last tiles are lost. Where no block lies,
    nodata is written: of a tile that is written in part, GDAL fills the rest of all bands but the first with zeros.

    Parameters
    ----------
    path : Path
    grid : GeoBox
    spec : RasterSpec
    blocks : iterable of (Window, array)
        As for ``write_cog``; windows begin and end at multiples of ``TILE``, or at the grid's end.

    Raises
    ------
    RunError
        If the disk refuses, or does not hold what was written; no file is left then.
    """
    sums: list[tuple[Window, int]] = []
    try:
        write_cog(path, grid, spec, _summed(_complete(blocks, grid, spec), sums))
        whole = _holds(path, sums)
    except (CPLE_BaseError, RasterioError) as error:
        path.unlink(missing_ok=True)
        raise RunError("run.cannot_write", file=path, reason=str(error.__cause__ or error)) from error
    if not whole:
        path.unlink()
        raise RunError("run.not_on_disk", file=path)


def _complete(blocks: Blocks, grid: GeoBox, spec: RasterSpec) -> Iterator[tuple[Window, NDArray[Any]]]:
    """The blocks, then nodata for every tile of the grid that lies in none of them."""
    height, width = grid.shape
    covered = np.zeros((-(-height // TILE), -(-width // TILE)), dtype=bool)
    for window, values in blocks:
        covered[_tiles(window.row_off, window.height), _tiles(window.col_off, window.width)] = True
        yield window, values
    for row, col in np.argwhere(~covered).tolist():
        top, left = row * TILE, col * TILE
        shape = (min(TILE, height - top), min(TILE, width - left))
        yield Window(left, top, shape[1], shape[0]), np.full((len(spec.bands), *shape), spec.nodata, dtype=spec.dtype)


def _tiles(start: int, length: int) -> slice:
    return slice(start // TILE, -(-(start + length) // TILE))


def _summed(blocks: Blocks, sums: list[tuple[Window, int]]) -> Iterator[tuple[Window, NDArray[Any]]]:
    for window, values in blocks:
        sums.append((window, _sum(values)))
        yield window, values


def _sum(values: NDArray[Any]) -> int:
    return crc32(np.ascontiguousarray(values).data)


def _holds(path: Path, sums: list[tuple[Window, int]]) -> bool:
    """Whether the file gives back the blocks bit by bit, and its reduced copies can be read."""
    with rasterio.open(path) as source:
        levels = len(source.overviews(1))
        if any(_sum(source.read(window=window)) != expected for window, expected in sums):
            return False
    for level in range(levels):
        with rasterio.open(path, overview_level=level) as source:
            source.read()
    return True
