"""Every notebook runs from top to bottom: those on a run on the small project's, the others on the virtual city."""

import runpy
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from tests.project_fixture import run_folder

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(
    notebook: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SINKEST_RUN", str(run_folder(finished)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    mpl.use("agg")
    plt.close("all")
    with mpl.rc_context():
        runpy.run_path(str(notebook), run_name="__main__")
    assert capsys.readouterr().out.strip()
    assert plt.get_fignums()
    plt.close("all")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_the_notebooks_are_numbered_without_gaps_in_their_two_rows() -> None:
    """The first are about a run and its parts, from 10 on a page for each family of estimators."""
    numbers = [int(path.name[:2]) for path in NOTEBOOKS]
    assert numbers == sorted(set(numbers))
    assert {1, 2, 3, 4, 5, 6, 7, 8, *range(10, 17)} <= set(numbers)
