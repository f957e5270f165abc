"""The workbook in a real spreadsheet program. Skipped where there is none."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from tests.report_fixture import workbook


def without_results(content: bytes) -> bytes:
    """The workbook with its formulas but without their stored results, so that a program has to compute them."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(stream, "w") as written:
        for item in given.infolist():
            part = given.read(item)
            if item.filename.startswith("xl/worksheets/"):
                part = re.sub(rb"(</f>)<v>[^<]*</v>", rb"\g<1>", part)
            written.writestr(item, part)
    return stream.getvalue()


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> openpyxl.Workbook:
    """The workbook after LibreOffice has read, computed and written it."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        pytest.skip("no LibreOffice on this machine; install libreoffice-calc to see the workbook tested in it")
    folder: Path = tmp_path_factory.mktemp("office")
    (folder / "report.xlsx").write_bytes(without_results(workbook()))
    command = [program, "--headless", f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--convert-to"]
    run = [*command, "xlsx:Calc MS Excel 2007 XML", "--outdir", str(folder / "out"), str(folder / "report.xlsx")]
    subprocess.run(run, check=True, capture_output=True, timeout=180)
    return openpyxl.load_workbook(folder / "out" / "report.xlsx", data_only=True)


def test_every_sheet_is_read(converted: openpyxl.Workbook) -> None:
    assert converted.sheetnames == openpyxl.load_workbook(io.BytesIO(workbook())).sheetnames


def test_computed_totals_are_the_stored_ones(converted: openpyxl.Workbook) -> None:
    shown = openpyxl.load_workbook(io.BytesIO(workbook()))
    stored = openpyxl.load_workbook(io.BytesIO(workbook()), data_only=True)
    checked = 0
    for sheet in shown.worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    computed = Decimal(str(converted[sheet.title][cell.coordinate].value))
                    known = Decimal(str(stored[sheet.title][cell.coordinate].value))
                    assert abs(computed - known) < Decimal("1e-9")
                    checked += 1
    assert checked > 15


def test_no_cell_is_an_error(converted: openpyxl.Workbook) -> None:
    errors = [
        c.coordinate for sheet in converted.worksheets for row in sheet.iter_rows() for c in row if c.data_type == "e"
    ]
    assert errors == []
