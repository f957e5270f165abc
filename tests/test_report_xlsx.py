import gc
import io
import re
import resource
import tempfile
import zipfile
from dataclasses import replace
from decimal import Decimal

import numpy as np
import openpyxl
import pandas as pd
import pytest

from sinkest.messages import text
from sinkest.report.book import Book
from sinkest.report.data import CITY
from sinkest.report.tables import all_tables
from sinkest.report.workbook_bytes import saved
from sinkest.report.xlsx import report_xlsx
from tests.report_fixture import AGES, ARBOR, bare_data, report_data, workbook

SHEETS = [
    "表1 土地面积 Land",
    "表2 蓄积量 Stock",
    "表3 优势树种 Species",
    "表4 竹林与经济林 Bamboo",
    "表5 碳储量 Carbon",
    "表6 年碳汇 Sink",
    "表7 湿地 Wetland",
    "表8 目标 Targets",
    "表9 方法与口径 Method",
    "清单类别 IPCC CRT",
    "碳普惠说明 Inclusion",
    "覆盖率与面积 Area",
    "蓄积量 Stock",
    "碳储量与碳汇 Carbon",
    "湿地 Wetland",
    "数据 Data",
    "系数 Factors",
    "来源 Provenance",
]


def opened(content: bytes, *, results: bool = False) -> openpyxl.Workbook:
    """The workbook with its formulas, or with their stored results."""
    return openpyxl.load_workbook(io.BytesIO(content), data_only=results)


def cells(sheet) -> dict[str, object]:
    return {cell.coordinate: cell.value for row in sheet.iter_rows() for cell in row if cell.value is not None}


def formulas(book: openpyxl.Workbook) -> dict[tuple[str, str], str]:
    return {
        (sheet.title, cell.coordinate): cell.value
        for sheet in book.worksheets
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "f"
    }


def columns_of(sheet) -> dict[str, dict[str, object]]:
    """Chinese heading with unit to zone name to value, of every block of zones on a sheet."""
    found: dict[str, dict[str, object]] = {}
    tops = [cell.row for cell in sheet["A"] if cell.value == "县（市、区）"]
    for top in tops:
        for cell in sheet[top][1:]:
            if cell.value:
                rows = (sheet.cell(line, 1).value for line in range(top + 3, top + 13))
                values = (sheet.cell(line, cell.column).value for line in range(top + 3, top + 13))
                found[str(cell.value)] = dict(zip(rows, values, strict=True))
    return found


def test_the_sheets_stand_in_the_bureaus_order() -> None:
    assert opened(workbook()).sheetnames == SHEETS


def test_the_same_data_give_the_same_bytes() -> None:
    data = report_data()
    assert report_xlsx(replace(data, estimates=data.estimates.copy())) == workbook()


def test_no_time_of_making_is_kept() -> None:
    with zipfile.ZipFile(io.BytesIO(workbook())) as parts:
        assert {item.date_time for item in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        times = re.findall(rb"<dcterms:\w+[^>]*>([^<]*)<", parts.read("docProps/core.xml"))
    assert set(times) == {b"1980-01-01T00:00:00Z"}


def test_the_only_formulas_are_sums_and_their_stored_result_is_the_sum_of_the_printed_rows() -> None:
    shown, computed = opened(workbook()), opened(workbook(), results=True)
    found = formulas(shown)
    assert len(found) > 15
    for (title, cell), formula in found.items():
        first, last = re.fullmatch(r"=SUM\((\w+):(\w+)\)", formula).groups()
        rows = [Decimal(str(item[0].value)) for item in computed[title][f"{first}:{last}"]]
        assert len(rows) in {len(ARBOR), len(AGES), 9}  # forest types, groups of age, or counties
        assert sum(rows) == Decimal(str(computed[title][cell].value))


def test_every_number_of_the_tables_is_the_printed_one() -> None:
    data = report_data()
    book, tables = Book(data), all_tables(data, Book(data))
    sheets = opened(workbook(), results=True)
    checked = 0
    for title, ids in (("覆盖率与面积 Area", ("area", "classes")), ("蓄积量 Stock", ("stock", "stock_type_zone"))):
        found = columns_of(sheets[title])
        for column, place, table in ((c, p, tables[i]) for i in ids for p, c in enumerate(tables[i].columns)):
            values = found[f"{column.head.zh}（{column.label(sheet=True).zh}）"]
            for row in table.body:
                entry = row.cells[place]
                if entry is not None and entry.value is not None:
                    shown = values[f"{row.name.zh} {row.name.en}"]
                    assert f"{shown:,.{max(0, _places(entry))}f}" == entry.shown("zh")
                    checked += 1
    assert checked > 120
    assert book.entry("growing_stock").shown("zh") == "3,475.6"


def _places(entry) -> int:
    return len(entry.shown("zh").partition(".")[2])


def test_totals_of_tidy_table_and_workbook_agree_to_the_printed_digit() -> None:
    table = report_data().estimates
    tidy = table[(table["quantity"] == "growing_stock") & (table["zone"] == CITY)]["value"].iloc[0]
    found = columns_of(opened(workbook(), results=True)["蓄积量 Stock"])["森林蓄积量（万m³）"]["株洲市 Zhuzhou"]
    assert found == round(tidy / 1e4, 1)


def test_a_total_that_the_counties_do_not_reach_is_a_number() -> None:
    table = report_data().estimates
    there = (table["quantity"] == "growing_stock") & (table["zone"] == CITY)
    book = opened(report_xlsx(report_data(estimates=table.assign(value=table["value"].mask(there, 36e6)))))
    value = columns_of(book["蓄积量 Stock"])["森林蓄积量（万m³）"]["株洲市 Zhuzhou"]
    assert value == 3600
    assert columns_of(opened(workbook())["蓄积量 Stock"])["森林蓄积量（万m³）"]["株洲市 Zhuzhou"].startswith("=SUM(")


def test_the_data_sheet_is_the_tidy_table_unrounded() -> None:
    sheet = opened(workbook())["数据 Data"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    top = next(place for place, row in enumerate(rows) if row[0] == "quantity")
    table = report_data().estimates
    found = pd.DataFrame(rows[top + 1 :], columns=rows[top]).iloc[:, : len(table.columns)]
    assert list(found.columns) == list(table.columns)
    assert len(found) == len(table)
    for name in ("value", "se", "low", "high"):
        # a workbook keeps 16 significant digits
        np.testing.assert_allclose(found[name].astype(float), table[name], rtol=1e-15)
    assert found["zone"].tolist() == table["zone"].tolist()
    assert found["provisional"].tolist() == table["provisional"].tolist()


def test_headings_are_in_both_languages_with_the_unit() -> None:
    found = cells(opened(workbook())["蓄积量 Stock"]).values()
    assert "森林蓄积量（万m³）" in found
    assert "Growing stock (10⁴ m³)" in found


def test_numbers_have_formats_and_headings_stay_in_view() -> None:
    book = opened(workbook())
    formats = {cell.number_format for row in book["蓄积量 Stock"].iter_rows() for cell in row if cell.data_type == "n"}
    assert {"#,##0.0", "0.0"} <= formats
    assert all(sheet.freeze_panes for sheet in book.worksheets)


def test_simulated_and_provisional_stand_on_every_sheet_and_every_printed_page() -> None:
    for sheet in opened(workbook()).worksheets:
        top = [str(sheet.cell(line, 1).value) for line in range(1, 8)]
        assert any(line.startswith("模拟数据：") for line in top)
        assert any(line.startswith("SIMULATED DATA: ") for line in top)
        assert any(line.startswith("暂定结果：") for line in top)
        assert "SIMULATED" in sheet.oddHeader.center.text
        assert sheet.sheet_properties.tabColor.rgb == "00B3134F"


def test_real_data_carry_no_mark_of_simulation() -> None:
    book = opened(report_xlsx(report_data(simulated=False, provisional=False)))
    for sheet in book.worksheets:
        assert "模拟" not in str(sheet.cell(3, 1).value)
        assert sheet.oddHeader.center.text is None


def test_provisional_coefficients_are_coloured() -> None:
    sheet = opened(workbook())["系数 Factors"]
    (row,) = (line for line in sheet.iter_rows() if line[0].value and "burial rate, lakes" in str(line[0].value))
    assert row[0].fill.fgColor.rgb == "00FFE8B8"
    assert row[1].value == 56.67


def test_text_is_never_a_formula() -> None:
    evil = [f'{start}HYPERLINK("http://x","y")' for start in ("=", "+", "-", "@", "\t", "\r")]
    data = report_data()
    factors = pd.concat([data.factors_used.iloc[:1].assign(name_zh=e, name_en=e, source=e, unit=e) for e in evil])
    table = data.estimates[data.estimates["quantity"] == "growing_stock"]
    book = opened(
        report_xlsx(
            report_data(
                run_id=evil[0],
                zones=data.zones.assign(name_zh=evil[1], name_en=evil[1]),
                estimates=table.assign(method=evil[0], note=evil[2]),
                targets=data.targets.assign(wording_zh=evil[3], wording_en=evil[3], reason=evil[0]),
                factors_used=factors,
                provenance={evil[0]: evil[1]},
            )
        )
    )
    assert all(formula.startswith("=SUM(") for formula in formulas(book).values())
    written = [cell for row in book["系数 Factors"].iter_rows() for cell in row if str(cell.value).endswith('"y")')]
    assert {str(cell.value)[0] for cell in written} >= {"=", "+", "-", "@", "\t"}
    assert all(cell.data_type == "s" and cell.quotePrefix for cell in written)


def test_characters_that_no_workbook_may_hold_are_replaced() -> None:
    data = report_data()
    zones = data.zones.assign(name_zh="县\x0b", name_en="\x00")
    assert "县\ufffd" in str(cells(opened(report_xlsx(report_data(zones=zones)))["蓄积量 Stock"]))


def test_a_run_with_nothing_says_so_on_every_sheet() -> None:
    book = opened(report_xlsx(bare_data()))
    assert book.sheetnames == SHEETS
    own = [SHEETS[7], *SHEETS[11:15]]
    for title, key in zip(own, ("targets", "area", "stock", "carbon", "wetland"), strict=True):
        found = cells(book[title]).values()
        assert text(f"report.missing_{key}", "zh") in found
        assert text(f"report.missing_{key}", "en") in found
    assert text("report.missing_factors", "en") in cells(book["系数 Factors"]).values()


def test_the_provenance_is_complete() -> None:
    found = cells(opened(workbook())["来源 Provenance"])
    values = set(map(str, found.values()))
    assert {"inputs.1.sha256", "9f" * 32, "versions.numpy", "demo-2025-3f9c1a7e", "forest_current_rule"} <= values


def test_no_room_for_temporary_files_names_their_folder(recwarn: pytest.WarningsRecorder) -> None:
    sheets = openpyxl.Workbook()
    for row in range(3000):
        sheets.active.append([row] * 10)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, most))
    try:
        with pytest.raises(OSError, match=r"File too large|Input/output error") as caught:  # the second by lxml 5
            saved(sheets)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert caught.value.filename == tempfile.gettempdir()
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []
    # with room the same sheets are written
    assert openpyxl.load_workbook(io.BytesIO(saved(sheets))).active.max_row == 3000
