"""Blocks of a grid, worked on one by one or side by side, each result kept on disk so that no work is lost.

A block function is pure: ``block -> dict of arrays``. Results depend on the block alone, so any block size, order and
worker count gives the same maps and sums.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window
from threadpoolctl import threadpool_limits

from sinkest.errors import RunError
from sinkest.mapping.cluster import run_on_cluster
from sinkest.runstore import atomic_path, make_folder

TILE = 128
"""Blocks begin and end at multiples of this many pixels (but for the grid's last row and column)."""

Arrays = dict[str, NDArray]


@dataclass(frozen=True)
class Block:
    """A rectangle of the grid: rows ``row:row + height``, columns ``col:col + width``."""

    row: int
    col: int
    height: int
    width: int

    @property
    def window(self) -> Window:
        """The block as a window of a raster."""
        return Window(self.col, self.row, self.width, self.height)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the block."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    @property
    def name(self) -> str:
        """Name of the block's part file, without its ending."""
        return f"r{self.row:06d}_c{self.col:06d}_{self.height}x{self.width}"

    def padded(self, halo: int, shape: tuple[int, int]) -> tuple[Block, tuple[slice, slice]]:
        """The block with ``halo`` more pixels on each side, as far as the grid goes, and where the block lies in it."""
        top, left = min(halo, self.row), min(halo, self.col)
        bottom = min(halo, shape[0] - self.row - self.height)
        right = min(halo, shape[1] - self.col - self.width)
        outer = Block(self.row - top, self.col - left, self.height + top + bottom, self.width + left + right)
        return outer, (slice(top, top + self.height), slice(left, left + self.width))


def plan_blocks(grid: GeoBox, block_size: int, touched: Callable[[Window], bool] | None = None) -> list[Block]:
    """The blocks of a grid in row order.

    Parameters
    ----------
    grid : GeoBox
    block_size : int
        Side in pixels, a multiple of ``TILE``.
    touched : callable, optional
        Window -> whether it holds anything of interest; other blocks are left out.

    Raises
    ------
    RunError
        If the block size is not a positive multiple of ``TILE``.
    """
    if block_size <= 0 or block_size % TILE:
        raise RunError("mapping.block_size", value=block_size, tile=TILE)
    height, width = grid.shape
    blocks = [
        Block(row, col, min(block_size, height - row), min(block_size, width - col))
        for row in range(0, height, block_size)
        for col in range(0, width, block_size)
    ]
    return [block for block in blocks if touched is None or touched(block.window)]


@dataclass(frozen=True)
class _Step:
    """Work on a block and keep its part; picklable where the work is."""

    work: Callable[[Block], Arrays]
    parts: Path

    def __call__(self, block: Block) -> None:
        _save(part_path(self.parts, block), self.work(block))


def run_blocks(
    work: Callable[[Block], Arrays],
    blocks: Sequence[Block],
    parts: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    advance: Callable[[int], None] | None = None,
) -> int:
    """Work on every block that has no finished part yet.

    Parameters
    ----------
    work : callable
        Block -> arrays by name. Called from several threads at once; picklable where a scheduler is given.
    blocks : sequence of Block
    parts : Path
        Folder of the part files, one a block, each written atomically; on a disk that all workers share.
    workers : int
        Threads, where no scheduler is given.
    scheduler : str, optional
        Processes of a cluster in place of threads, see ``cluster.run_on_cluster``.
    advance : callable, optional
        Called with a number of blocks as they get ready, found ready ones first.

    Returns
    -------
    int
        Number of blocks that were found ready.
    """
    make_folder(parts)
    todo = [block for block in blocks if not _is_ready(part_path(parts, block))]
    ready = len(blocks) - len(todo)
    if advance is not None and ready:
        advance(ready)
    step = _Step(work, parts)
    if scheduler is not None and todo:
        run_on_cluster(step, todo, scheduler, advance=advance)
        return ready
    # The blocks are what runs side by side: libraries that start threads of their own would only get in their way.
    with threadpool_limits(1):
        if workers <= 1:
            for block in todo:
                step(block)
                if advance is not None:
                    advance(1)
        else:
            _side_by_side(step, todo, workers, advance)
    return ready


def _side_by_side(
    step: Callable[[Block], None], todo: Sequence[Block], workers: int, advance: Callable[[int], None] | None
) -> None:
    # OpenMP counts its threads by the thread that asks, so each of ours is limited as well.
    pool = ThreadPoolExecutor(workers, thread_name_prefix="sinkest-block", initializer=threadpool_limits, initargs=(1,))
    pending: set[Future[None]] = set()
    try:
        for block in todo:
            pending.add(pool.submit(step, block))
            if len(pending) >= workers + 1:
                pending = _collect(pending, advance)
        while pending:
            pending = _collect(pending, advance)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _collect(pending: set[Future[None]], advance: Callable[[int], None] | None) -> set[Future[None]]:
    done, rest = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
        if advance is not None:
            advance(1)
    return rest


def part_path(parts: Path, block: Block) -> Path:
    """The part file of a block."""
    return parts / f"{block.name}.npz"


def _is_ready(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError):
        return False


def _save(path: Path, arrays: Mapping[str, NDArray]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
        stream.flush()
        os.fsync(stream.fileno())


def read_part(parts: Path, block: Block) -> Arrays:
    """The arrays of a finished block.

    Raises
    ------
    RunError
        If the part is missing or damaged.
    """
    path = part_path(parts, block)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RunError("run.broken_file", file=path, reason=str(error)) from error


def iterate_parts(parts: Path, blocks: Sequence[Block]) -> Iterator[tuple[Block, Arrays]]:
    """Blocks with their arrays, in the order of ``blocks``."""
    for block in blocks:
        yield block, read_part(parts, block)
