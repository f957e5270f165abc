"""The summary on a narrow terminal: figures go on to the next line, none loses a digit."""

from pathlib import Path

import pytest

from sinkest.report.summary import summary
from sinkest.runstore import RunStore
from sinkest.stages.publish import report_data
from tests.project_fixture import call, run_folder


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("columns", [48, 80, 200])
def test_no_figure_is_cut(
    finished: Path,
    language: str,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = run_folder(finished)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert call("--lang", language, "show", run) == 0
    shown = capsys.readouterr().out
    assert "…" not in shown
    cells = [cell.strip() for line in shown.splitlines() for cell in line.split("│")]
    for row in summary(report_data(RunStore(run), with_maps=False), language):
        number = row.estimate.split()[0]
        assert any(number in cell for cell in cells), number
        assert columns < 80 or any(row.interval in cell for cell in cells), row.interval
