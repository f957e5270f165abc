"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Tests run side by side; threads that wait for each other in a loop would take the other tests' time. The libraries
# look at this when they are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.project_fixture import copy, finished, project, simulated  # noqa: F401 - fixtures of all tests

ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Tests of a file stay on one process: what they share is made once, and kernels are compiled once.

    Files come in their own order; the default, by the number of tests, would leave the longest few for the end.
    """
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages in English whatever the machine's locale."""
    monkeypatch.setenv("SINKEST_LANG", "en")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real imagery, plots and published numbers; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SINKEST_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "golden.json").is_file():
        pytest.skip(f"no real test data at {folder}; set SINKEST_TEST_DATA to its folder")
    return folder
