import os
import threading
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.errors import RunError
from sinkest.mapping.engine import Block, iterate_parts, part_path, plan_blocks, run_blocks

GRID = GeoBox((300, 260), Affine(10, 0, 500_000, 0, -10, 3_000_000), "EPSG:32649")


def position(block: Block) -> dict[str, np.ndarray]:
    rows, cols = np.mgrid[block.slices]
    return {"value": rows * 1000 + cols}


def mosaic(parts: Path, blocks: list[Block]) -> np.ndarray:
    whole = np.full(GRID.shape, -1)
    for block, arrays in iterate_parts(parts, blocks):
        whole[block.slices] = arrays["value"]
    return whole


def test_blocks_cover_the_grid_once() -> None:
    covered = np.zeros(GRID.shape, dtype=int)
    for block in plan_blocks(GRID, 128):
        covered[block.slices] += 1
    assert (covered == 1).all()


def test_untouched_blocks_are_left_out() -> None:
    blocks = plan_blocks(GRID, 128, lambda window: window.row_off > 0)
    assert {block.row for block in blocks} == {128, 256}


@pytest.mark.parametrize("size", [0, -128, 100])
def test_a_block_size_off_the_lattice_is_refused(size: int) -> None:
    with pytest.raises(RunError, match="multiple of 128"):
        plan_blocks(GRID, size)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("size", [128, 256, 384])
def test_results_do_not_depend_on_workers_or_block_size(tmp_path: Path, workers: int, size: int) -> None:
    blocks = plan_blocks(GRID, size)
    run_blocks(position, blocks, tmp_path, workers=workers)
    rows, cols = np.mgrid[0:300, 0:260]
    assert np.array_equal(mosaic(tmp_path, blocks), rows * 1000 + cols)


def test_finished_blocks_are_not_done_again(tmp_path: Path) -> None:
    blocks = plan_blocks(GRID, 128)
    run_blocks(position, blocks[:4], tmp_path)
    done: list[str] = []
    ready = run_blocks(lambda block: done.append(block.name) or position(block), blocks, tmp_path)
    assert ready == 4
    assert done == [block.name for block in blocks[4:]]


@pytest.mark.parametrize("harm", [b"", b"not a zip", None])
def test_a_torn_part_is_done_again(tmp_path: Path, harm: bytes | None) -> None:
    blocks = plan_blocks(GRID, 256)
    run_blocks(position, blocks, tmp_path)
    path = part_path(tmp_path, blocks[1])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if harm is None else harm)
    assert run_blocks(position, blocks, tmp_path) == len(blocks) - 1
    assert path.read_bytes() == content


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_in_a_block_stops_the_run_and_keeps_the_others(tmp_path: Path, workers: int) -> None:
    blocks = plan_blocks(GRID, 128)

    def broken(block: Block) -> dict[str, np.ndarray]:
        if block == blocks[5]:
            raise ZeroDivisionError("block 5")
        return position(block)

    with pytest.raises(ZeroDivisionError, match="block 5"):
        run_blocks(broken, blocks, tmp_path, workers=workers)
    assert run_blocks(position, blocks, tmp_path) >= 1
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


def test_progress_counts_every_block_once(tmp_path: Path) -> None:
    blocks = plan_blocks(GRID, 128)
    run_blocks(position, blocks[:2], tmp_path)
    steps: list[int] = []
    run_blocks(position, blocks, tmp_path, workers=2, advance=steps.append)
    assert steps[0] == 2
    assert sum(steps) == len(blocks)


def test_work_in_flight_is_bounded(tmp_path: Path) -> None:
    inside, most, lock = [0], [0], threading.Lock()

    def slow(block: Block) -> dict[str, np.ndarray]:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        arrays = position(block)
        with lock:
            inside[0] -= 1
        return arrays

    run_blocks(slow, plan_blocks(GRID, 128), tmp_path, workers=2)
    assert 1 <= most[0] <= 2


def test_a_halo_ends_at_the_edge_of_the_grid() -> None:
    outer, inner = Block(0, 128, 128, 128).padded(7, (300, 260))
    assert outer == Block(0, 121, 135, 139)
    assert inner == (slice(0, 128), slice(7, 135))


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="r000000_c000000"):
        list(iterate_parts(tmp_path, plan_blocks(GRID, 256)))
