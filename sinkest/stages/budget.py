"""What the blocks of a run take: time and memory, measured on one of them, and how to stay within a given memory."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from sinkest.errors import InputError
from sinkest.mapping.engine import TILE, Block, plan_blocks
from sinkest.stages.compose import composer
from sinkest.stages.context import Run

GIB = 1024**3
MAP_COPIES = 5
"""Copies of a block's features as float32 at the height of mapping: stored, as features, as rows, in the models."""
MEASURED_PX = 256
_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@dataclass(frozen=True)
class Cost:
    """What one block costs.

    Attributes
    ----------
    base_bytes : float
        What the program holds before the first block, with libraries and compiled code.
    bytes_a_pixel : float
        Of a block under way.
    seconds_a_pixel : float
        On one core.
    layers, item_bytes : int
        Layers of the composite, and bytes of one of their pixels.
    """

    base_bytes: float
    bytes_a_pixel: float
    seconds_a_pixel: float
    layers: int
    item_bytes: int

    def memory_gib(self, workers: int, block_pixels: int) -> float:
        """Peak with so many blocks under way."""
        return (self.base_bytes + workers * block_pixels * self.bytes_a_pixel) / GIB


def measure(run: Run) -> Cost:
    """Compose a small block in the middle of the area, and see what it takes.

    Parameters
    ----------
    run : Run
        Its imagery can be read.
    """
    tiles = plan_blocks(run.grid, MEASURED_PX, run.index.touched)
    height, width = run.grid.shape
    middle = min(tiles, key=lambda tile: math.hypot(tile.row - height / 2, tile.col - width / 2))
    compose = composer(run)
    # The first block also pays for compiled code and opened files, so the second one is the measure.
    compose(Block(middle.row, middle.col, min(16, middle.height), min(16, middle.width)))
    before, start = _begin(), time.perf_counter()
    layers = compose(middle)["layers"]
    seconds, pixels = time.perf_counter() - start, middle.height * middle.width
    features = len(run.source.layers) if run.is_static else len(run.cube.feature_names)
    composing = _peak_bytes(before, layers.nbytes) / pixels
    return Cost(
        float(before),
        max(composing, 4.0 * MAP_COPIES * features),
        seconds / pixels,
        len(layers),
        layers.dtype.itemsize,
    )


def fitted(run: Run, memory_gib: float) -> tuple[int, int]:
    """Workers and block size that stay within a memory: smaller blocks first, then fewer workers.

    Raises
    ------
    InputError
        If one worker with the smallest block needs more.
    """
    cost = measure(run)
    shape = run.grid.shape.yx
    for workers in range(run.workers, 0, -1):
        size = run.block_size
        while size >= TILE:
            if cost.memory_gib(workers, block_pixels(size, shape)) <= memory_gib:
                return workers, size
            size = size // 2 // TILE * TILE
    needed = cost.memory_gib(1, block_pixels(TILE, shape))
    raise InputError("check.least_memory", given=f"{memory_gib:g}", needed=f"{needed:.2f}")


def block_pixels(size: int, shape: tuple[int, int]) -> int:
    """Pixels of the largest block of a grid."""
    return min(size, shape[0]) * min(size, shape[1])


def _begin() -> int:
    """Forget the highest memory so far where the system can; memory held now, in bytes."""
    if _RESET.exists():
        _RESET.write_text("5")
    return int(psutil.Process().memory_info().rss)


def _peak_bytes(before: int, least: int) -> int:
    """Most memory held beyond ``before``; never less than what the result takes."""
    held = int(psutil.Process().memory_info().rss)
    if _STATUS.exists():
        line = next((one for one in _STATUS.read_text().splitlines() if one.startswith("VmHWM:")), "VmHWM: 0 kB")
        held = max(held, int(line.split()[1]) * 1024)
    return max(held - before, least)
