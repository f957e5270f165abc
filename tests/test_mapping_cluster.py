"""Blocks on a cluster of processes of this machine: the same parts, also where processes die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import dask
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, RunError
from sinkest.mapping import cluster
from sinkest.mapping.engine import Block, part_path, plan_blocks, run_blocks

pytest.importorskip("distributed", reason="the cluster is an extra")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

GRID = GeoBox((700, 520), Affine(10, 0, 500_000, 0, -10, 3_000_000), "EPSG:32649")


class Work:
    """Pictures the block; dies once where it is told to. Sent to the workers by value."""

    def __init__(self, deadly: str | None = None, mark: Path | None = None, always: bool = False) -> None:
        self.deadly, self.mark, self.always = deadly, mark, always

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        if block.name == self.deadly and self.mark is not None and (self.always or not self.mark.exists()):
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        rows, cols = np.mgrid[block.slices]
        return {"value": rows * 1000 + cols, "process": np.zeros(0)}


class Refusing:
    """Refuses one block by an error of ours."""

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        if block.row and block.col:
            raise InputError("mapping.minimum_area", area=-1, resolution=10)
        return {}


@pytest.fixture(autouse=True)
def _sent_by_value() -> None:
    """The workers have no folder of tests to import from."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_cluster_gives_the_parts_of_a_thread_even_where_a_process_is_killed(tmp_path: Path) -> None:
    blocks = plan_blocks(GRID, 128)
    run_blocks(Work(), blocks, tmp_path / "thread")
    shuffled = [blocks[k] for k in np.random.default_rng(0).permutation(len(blocks))]
    steps: list[int] = []
    deadly = Work(blocks[9].name, tmp_path / "killed")
    assert run_blocks(deadly, shuffled, tmp_path / "cluster", scheduler="local:2", advance=steps.append) == 0
    assert (tmp_path / "killed").exists()
    assert parts(tmp_path / "cluster") == parts(tmp_path / "thread")
    assert steps == [1] * len(blocks)
    # All is ready: no cluster is started, or this address would fail.
    assert run_blocks(deadly, blocks, tmp_path / "cluster", scheduler="tcp://127.0.0.1:9") == len(blocks)


def test_a_running_scheduler_is_used_and_errors_come_back(tmp_path: Path) -> None:
    from distributed import LocalCluster

    blocks = plan_blocks(GRID, 256)
    where = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, **where) as running,
        pytest.raises(InputError, match="minimum area"),
    ):
        run_blocks(Refusing(), blocks, tmp_path, scheduler=running.scheduler_address)
    assert part_path(tmp_path, blocks[0]).is_file()


def test_a_block_that_kills_every_process_is_told(tmp_path: Path) -> None:
    blocks = plan_blocks(GRID, 512)
    once = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    with once, pytest.raises(RunError, match="died over one block"):
        run_blocks(Work(blocks[1].name, tmp_path / "mark", always=True), blocks, tmp_path / "p", scheduler="local:1")


def test_an_address_without_a_scheduler_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    with pytest.raises(RunError, match="cannot be reached"):
        run_blocks(Work(), plan_blocks(GRID, 512), tmp_path, scheduler="tcp://127.0.0.1:9")


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from sinkest.errors import RunError\n"
        "from sinkest.mapping.cluster import run_on_cluster\n"
        "try: run_on_cluster(print, [1], 'local:1')\n"
        "except RunError as error: print(error.key)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.stdout.strip() == "mapping.no_distributed"
