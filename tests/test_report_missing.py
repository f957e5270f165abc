"""A run without reference sample, second date, wetlands or targets: each output says so where they would stand."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import docx
import openpyxl
import pandas as pd
import pytest
from lxml import html

from sinkest.messages import text
from sinkest.runstore import file_sha256
from tests.project_fixture import CONFIG, call, run_folder

GONE = {
    "confusion": "accuracy",
    "targets": "verdict",
    "trajectory": "trajectory",
    "wetland": "wetland",
    "carbon": "carbon",
    "ages": "types",
}
"""What is said to be missing, and in which section of the page."""


@pytest.fixture(scope="module")
def run(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project once more, with plots of one date and nothing beside them."""
    project = Path(shutil.copytree(finished, tmp_path_factory.mktemp("missing") / "project"))
    config = (project / CONFIG).read_text(encoding="utf-8")
    for line in ('reference = "reference.csv"', 'strata = "strata.csv"', 'labelled_under = "forest_current_rule"'):
        assert line in config
        config = config.replace(line, "")
    for section in ("wetland", "targets"):
        config = re.sub(rf"^\[{section}\]\n(?:(?!\[).*\n)*", "", config, flags=re.M)
    config = re.sub(r"^\[\[scenarios\]\]\n(?:(?!\[).*\n?)*", "", config, flags=re.M)
    config = config.replace("accept_provisional = true", "accept_provisional = false")
    (project / CONFIG).write_text(config, encoding="utf-8")
    plots = pd.read_csv(project / "plots.csv", encoding="utf-8-sig")
    once = plots.drop(columns=[name for name in plots.columns if name.startswith(("previous_", "age_"))])
    once.to_csv(project / "plots.csv", index=False, encoding="utf-8-sig")
    _leave_gaps(run_folder(project))
    assert call("-q", "run", project / CONFIG) == 0
    return run_folder(project)


def _leave_gaps(run: Path) -> None:
    """Composites as a catalogue leaves them whose reads failed within what the user allows."""
    gap = {"scene": "S2A_20250623", "asset": "B11", "area": "113.1, 27.8"}
    listed, sealed = run / "compose" / "gaps.json", run / "stages" / "compose.json"
    listed.write_text(json.dumps([gap, gap | {"asset": "SCL"}]), encoding="utf-8")
    seal = json.loads(sealed.read_text(encoding="utf-8"))
    seal["outputs"]["gaps.json"] = file_sha256(listed)
    sealed.write_text(json.dumps(seal), encoding="utf-8")


@pytest.mark.parametrize(("missing", "section"), GONE.items())
def test_the_page_says_it_in_the_section(missing: str, section: str, run: Path) -> None:
    tree = html.parse(str(run / "report" / "report.html"))
    (place,) = tree.xpath(f'//section[@id="{section}"]')
    told = [" ".join(element.itertext()) for element in place.xpath('.//p[@class="missing"]')]
    for language in ("zh", "en"):
        assert any(text(f"report.missing_{missing}", language) in line for line in told), missing


def test_neither_coverage_nor_sink_is_invented(run: Path) -> None:
    tree = html.parse(str(run / "report" / "report.html"))
    assert tree.xpath('//*[@data-q="sink"]') == []
    told = " ".join(tree.xpath('//section[@id="counties"]')[0].itertext())
    assert text("quantities.status_declined", "en") in told
    assert text("stages.no_reference", "en") in told


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_document_says_it(language: str, run: Path) -> None:
    told = "\n".join(p.text for p in docx.Document(str(run / "report" / "report.docx")).paragraphs)
    for missing in GONE:
        assert text(f"report.missing_{missing}", language) in told, missing


def test_the_workbook_says_it(run: Path) -> None:
    sheets = openpyxl.load_workbook(run / "report" / "workbook.xlsx").worksheets
    told = "\n".join(str(cell.value) for sheet in sheets for row in sheet.iter_rows() for cell in row if cell.value)
    assert text("report.missing_targets", "zh") in told
    assert text("report.missing_wetland", "zh") in told
    assert text("report.missing_ages", "zh") in told


def test_the_terminal_still_prints_what_there_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--lang", "en", "show", run) == 0
    shown = capsys.readouterr().out
    coverage = next(place for place, line in enumerate(shown.splitlines()) if "Forest coverage" in line)
    assert text("quantities.status_declined", "en") in shown.splitlines()[coverage + 1]
    assert "Growing stock" in shown


def test_reads_that_failed_and_were_let_pass_are_told_where_the_numbers_are(run: Path) -> None:
    told = " ".join(html.parse(str(run / "report" / "report.html")).getroot().text_content().split())
    assert "2 reads failed and count as not seen" in told
    assert "有 2 次读取失败" in told
