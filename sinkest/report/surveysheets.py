"""Sheets of the survey tables: two heading rows and the unit, zones in the order of their codes, rules below."""

from __future__ import annotations

from decimal import Decimal

from openpyxl import Workbook
from openpyxl.styles import Alignment
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from sinkest.report.blocks import Stored
from sinkest.report.data import ReportData
from sinkest.report.inventory import inclusion_table, inventory_table, method_table
from sinkest.report.landtable import land_use_table
from sinkest.report.leafs import Cell
from sinkest.report.names import Words
from sinkest.report.sheets import (
    BORDER,
    HEAD,
    LONGEST,
    QUIET,
    TOTAL,
    fit_height,
    new_sheet,
    pair,
    paragraph,
    say_missing,
    write,
)
from sinkest.report.survey import SurveyTable, survey_tables

_MIDDLE = Alignment(horizontal="center", vertical="center", wrap_text=True)
_WRAP = Alignment(vertical="top", wrap_text=True)
_RIGHT = Alignment(horizontal="right", vertical="top", wrap_text=True)


def survey_sheets(workbook: Workbook, data: ReportData, stored: Stored) -> None:
    """Tables 1 to 7, one sheet each."""
    for table in survey_tables(data):
        _sheet(workbook, data, f"survey_{table.id}", table, stored)


def closing_sheets(workbook: Workbook, data: ReportData, stored: Stored) -> None:
    """Table 9, the inventory's categories, and what a carbon-inclusion scheme asks."""
    for name, table in (
        ("survey_land_use", land_use_table(data)),
        ("survey_9", method_table(data)),
        ("inventory", inventory_table(data)),
        ("inclusion", inclusion_table(data)),
    ):
        if table is not None:
            _sheet(workbook, data, name, table, stored)


def _sheet(workbook: Workbook, data: ReportData, name: str, table: SurveyTable, stored: Stored) -> None:
    sheet, top = new_sheet(workbook, data, name)
    if table.id not in ("9", "inclusion", "crt") and not table.has_numbers:
        say_missing(sheet, top, f"missing_{name}")
        sheet.freeze_panes = f"B{top}"
        return
    _heads(sheet, top, table)
    first = top + 3
    for line, (name_words, cells) in enumerate(table.rows, first):
        _row(sheet, line, name_words, cells, table, total=False)
    line = first + len(table.rows)
    if table.total is not None:
        _row(sheet, line, Words.of("report.total"), table.total, table, total=True)
        if table.by_zone:
            _sums(sheet, first, table, stored)
        line += 1
    for offset, words in enumerate(table.notes):
        for place, language in enumerate(("zh", "en")):
            paragraph(sheet, line + 1 + 2 * offset + place, words[language], font={"color": QUIET})
    sheet.freeze_panes = f"B{first}"
    _widths(sheet, table)


def _heads(sheet: Worksheet, top: int, table: SurveyTable) -> None:
    style = {"font": {"bold": True}, "fill": HEAD, "border": BORDER, "alignment": _MIDDLE}
    for line, language in enumerate(("zh", "en")):
        write(sheet, top + line, 1, table.first[language], **style)
        for place, head in enumerate(table.heads, 2):
            write(sheet, top + line, place, head.name[language], **style)
    write(sheet, top + 2, 1, "", **style)
    for place, head in enumerate(table.heads, 2):
        write(sheet, top + 2, place, pair(head.unit), **style)
    sheet.row_dimensions[top].height = 32
    sheet.row_dimensions[top + 1].height = 48
    sheet.row_dimensions[top + 2].height = 32


def _row(sheet: Worksheet, line: int, name: Words, cells: tuple[Cell, ...], table: SurveyTable, total: bool) -> None:
    style = {"border": BORDER} | ({"fill": TOTAL} if total else {})
    write(sheet, line, 1, pair(name), font={"bold": total}, alignment=_WRAP, **style)
    texts = [pair(name)]
    for place, (head, cell) in enumerate(zip(table.heads, cells, strict=True), 2):
        if isinstance(cell, Decimal):
            form = "#,##0" + ("." + "0" * head.places if head.places else "")
            write(sheet, line, place, _plain(cell), number_format=form, font={"bold": total}, **style)
            continue
        shown = "" if cell is None else pair(cell)
        texts.append(shown)
        side = _WRAP if table.id in ("9", "crt", "inclusion") else _RIGHT
        write(sheet, line, place, shown or None, font={"bold": total}, alignment=side, **style)
    if table.id in ("9", "crt", "inclusion"):
        lines = max(1, max(-(-_ems(shown) // (LONGEST if place == 0 else 88)) for place, shown in enumerate(texts)))
        sheet.row_dimensions[line].height = 15.0 * lines
    else:
        fit_height(sheet, line, [pair(name)])


def _plain(cell: Decimal) -> float | int:
    return int(cell) if cell == cell.to_integral_value() else float(cell)


def _sums(sheet: Worksheet, first: int, table: SurveyTable, stored: Stored) -> None:
    """Totals that are the sum of the printed rows become formulas, with the sum as their stored result."""
    last = first + len(table.rows) - 1
    for place, (head, cell) in enumerate(zip(table.heads, table.total or (), strict=True), 2):
        printed = [cells[place - 2] for _, cells in table.rows]
        numbers = [value for value in printed if isinstance(value, Decimal)]
        if not head.sums or not isinstance(cell, Decimal) or sum(numbers, Decimal(0)) != cell:
            continue
        letter = get_column_letter(place)
        target = sheet.cell(last + 1, place)
        target.value = f"=SUM({letter}{first}:{letter}{last})"
        stored[sheet.title, target.coordinate] = repr(_plain(cell))


def _widths(sheet: Worksheet, table: SurveyTable) -> None:
    sheet.column_dimensions["A"].width = LONGEST if not table.by_zone else 22
    wide = table.id in ("9", "crt", "inclusion")
    for place, head in enumerate(table.heads, 2):
        worded = wide and not head.sums and not head.unit.en
        sheet.column_dimensions[get_column_letter(place)].width = 90 if worded else 18 if wide else 14


def _ems(line: str) -> int:
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in line)
