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

Blocks = Iterable[tuple[Window, NDArray[Any]]]


def write_map(path: Path, grid: GeoBox, spec: RasterSpec, blocks: Blocks) -> None:
    """Write a map and compare every block with what the file gives back.

    On a disk that fills up, GDAL may close a file without an error though its last tiles are lost.

    Parameters
    ----------
    path : Path
    grid : GeoBox
    spec : RasterSpec
    blocks : iterable of (Window, array)
        As for ``write_cog``.

    Raises
    ------
    RunError
        If the disk refuses, or does not hold what was written; no file is left then.
    """
    sums: list[tuple[Window, int]] = []
    try:
        write_cog(path, grid, spec, _summed(blocks, sums))
        whole = _holds(path, sums)
    except (CPLE_BaseError, RasterioError) as error:
        path.unlink(missing_ok=True)
        raise RunError("run.cannot_write", file=path, reason=str(error.__cause__ or error)) from error
    if not whole:
        path.unlink()
        raise RunError("run.not_on_disk", file=path)


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
