"""What blocks cost, and how a run stays within a given memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sinkest.config import load_config
from sinkest.errors import ConfigError, InputError
from sinkest.progress import Silent
from sinkest.runstore import RunStore
from sinkest.stages import budget
from sinkest.stages.context import Run
from tests.project_fixture import CONFIG

MIB = 2**20
COST = budget.Cost(500.0 * MIB, 1024.0, 1e-6, 10, 2)
"""By hand: 500 MiB, and 256 MiB for a block of 512 x 512, 64 for one of 256 x 256, 16 for one of 128 x 128."""


def run_of(project: Path, workers: int, block_size: int) -> Run:
    config = load_config(project / CONFIG)
    return Run(config, RunStore(config.run_folder, keeps_hashes=False), Silent(), workers, block_size)


def test_memory_is_base_and_blocks_under_way() -> None:
    assert COST.memory_gib(2, 512 * 512) == pytest.approx((500 + 2 * 256) / 1024)
    assert budget.block_pixels(512, (300, 1000)) == 300 * 512


@pytest.mark.parametrize(
    ("limit_mib", "expected"), [(1100, (2, 512)), (1000, (2, 256)), (540, (2, 128)), (520, (1, 128))]
)
def test_blocks_shrink_before_workers_go(
    project: Path, monkeypatch: pytest.MonkeyPatch, limit_mib: int, expected: tuple[int, int]
) -> None:
    run = run_of(project, 2, 512)
    monkeypatch.setattr(budget, "measure", lambda _: COST)
    monkeypatch.setattr(budget, "block_pixels", lambda size, _shape: size * size)
    assert budget.fitted(run, limit_mib / 1024) == expected


def test_too_little_memory_is_refused_with_what_is_needed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "measure", lambda _: replace(COST, base_bytes=2048.0 * MIB))
    with pytest.raises(InputError, match=r"2\.0"):
        budget.fitted(run_of(project, 1, 128), 0.5)


def test_a_block_is_measured(project: Path) -> None:
    run = run_of(project, 1, 256)
    found = budget.measure(run)
    assert found.layers == len(run.cube.layers)
    assert found.item_bytes == 2
    assert found.base_bytes > 50 * MIB
    # No less than what the result takes and the features of the maps; no more than a hundred copies of them.
    least = 4.0 * budget.MAP_COPIES * len(run.cube.feature_names)
    assert least <= found.bytes_a_pixel <= 100 * least
    assert found.seconds_a_pixel > 0


def test_a_memory_that_is_none_is_refused(project: Path) -> None:
    with pytest.raises(ConfigError, match=r"execution\.memory_gib"):
        load_config(project / CONFIG).executing(memory_gib=-1)
