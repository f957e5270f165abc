"""Three cells of the table of faults; ``python -m tests.faults`` does all seventy of them, at several moments."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.pool import Pool
from pathlib import Path

import pytest

from tests.faults import Task, _begin, try_cell
from tests.faults_kinds import KINDS
from tests.project_fixture import STAGES


@pytest.fixture(scope="module")
def apart() -> Iterator[Pool]:
    """A new process, which may mount what nobody else sees and has no threads of GDAL that a copy would wait for."""
    with multiprocessing.get_context("spawn").Pool(1, _begin) as pool:
        yield pool


@pytest.mark.parametrize(
    "stage, kind",
    [("compose", "power cut"), ("map", "full disk"), ("train", "results lost")],
)
def test_a_stage_under_a_fault_goes_on_to_the_same_bytes(
    finished: Path, tmp_path: Path, apart: Pool, stage: str, kind: str
) -> None:
    found = apart.apply(try_cell, (Task(stage, kind, 1, 1.0, finished, tmp_path),))
    assert found.wrong == ""


def test_the_table_has_its_cells() -> None:
    assert len(STAGES) * len(KINDS) >= 60
