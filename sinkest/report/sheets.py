"""Sheets and cells of the workbook: titles, warnings, headings, widths, print setup, and text that stays text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from functools import lru_cache
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from sinkest.messages import text
from sinkest.report.data import ReportData
from sinkest.report.names import Words, clean

HEAD = PatternFill("solid", fgColor="E3ECE5")
TOTAL = PatternFill("solid", fgColor="F1F5F1")
ALARM = PatternFill("solid", fgColor="B3134F")
CAUTION = PatternFill("solid", fgColor="FFE8B8")
THIN = Side(style="thin", color="C3CEC7")
BORDER = Border(top=THIN, bottom=THIN, left=THIN, right=THIN)
FONT = "Microsoft YaHei"
QUIET = "526159"
LONGEST = 36
ACROSS = 13
"""Columns that warnings and notes run across."""
_LINE = 150
_WRAPPED = Alignment(wrap_text=True, vertical="center")
# what a spreadsheet may take for a formula
_RISKY = ("=", "+", "-", "@", "\t", "\r")


def sheet_title(name: str) -> str:
    """Title of a sheet: Chinese and English."""
    words = Words.of(f"report.sheet_{name}")
    return f"{words.zh} {words.en}"


def new_sheet(workbook: Workbook, data: ReportData, name: str) -> tuple[Worksheet, int]:
    """A sheet with its title, what must be known of all its numbers, and the row where its table starts."""
    sheet = workbook.create_sheet(sheet_title(name))
    write(sheet, 1, 1, sheet_title(name), font={"bold": True, "size": 13})
    facts = f"{data.city_zh} {data.city_en} · {data.year} · {data.run_id} · {data.definition.id}"
    write(sheet, 2, 1, facts, font={"color": QUIET})
    row = 3
    for kind, present, fill, colour in (
        ("simulated", data.simulated, ALARM, "FFFFFF"),
        ("provisional", data.provisional, CAUTION, "4B3300"),
    ):
        for language in ("zh", "en") if present else ():
            head, body = (Words.of(f"report.{kind}_{part}")[language] for part in ("head", "text"))
            colon = text("report.colon", language)
            paragraph(sheet, row, f"{head}{colon}{body}", font={"bold": True, "color": colour}, fill=fill)
            row += 1
    if data.simulated:
        sheet.sheet_properties.tabColor = "B3134F"
    return sheet, row + 1


def put(sheet: Worksheet, row: int, column: int, value: object) -> Any:
    """Put a value into a cell. Text is never taken for a formula, an error or a link, whatever it starts with."""
    cell: Any = sheet.cell(row, column)
    if isinstance(value, str):
        cell.value = clean(value)
        cell.data_type = "s"
        if value.startswith(_RISKY):
            cell.quotePrefix = True
    else:
        cell.value = value
    return cell


def write(sheet: Worksheet, row: int, column: int, value: object, **style: Any) -> None:
    """Put a value into a cell and style it; ``font`` holds ``bold``, ``color`` and ``size``."""
    cell = put(sheet, row, column, value)
    font = style.pop("font", {})
    key = (cell.quotePrefix, *sorted(font.items()), *sorted(_known_by(style)))
    kept = _styles(sheet.parent)
    if key not in kept:
        cell.font = _font(**font)
        for name, item in style.items():
            setattr(cell, name, item)
        kept[key] = (cell._style, style)
    cell._style = copy(kept[key][0])


@lru_cache(maxsize=1)
def _styles(workbook: Workbook) -> dict[Any, tuple[Any, dict[str, Any]]]:
    """Styles that cells of a workbook have had; openpyxl takes long to find out that two are equal.

    The parts stay with them, so that none of their ids is given to another.
    """
    return {}


def _known_by(style: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, item if isinstance(item, str) else id(item)) for name, item in style.items()]


@lru_cache(maxsize=32)
def _font(bold: bool = False, color: str | None = None, size: int = 10) -> Font:
    return Font(name=FONT, size=size, bold=bold, color=color)


def paragraph(sheet: Worksheet, row: int, value: str, **style: Any) -> None:
    """A text across the columns of a page, wrapped."""
    write(sheet, row, 1, value, alignment=_WRAPPED, **style)
    sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=ACROSS)
    sheet.row_dimensions[row].height = 15.0 * math.ceil(_ems(value) / _LINE) + 3


def fit_height(sheet: Worksheet, row: int, texts: Sequence[str]) -> None:
    """Row height for wrapped texts; not every program finds it by itself."""
    lines = max(math.ceil(_ems(shown) / (LONGEST - 2)) for shown in texts)
    sheet.row_dimensions[row].height = 15.0 * max(lines, 1)


def plain_heads(sheet: Worksheet, top: int, heads: Sequence[Words]) -> None:
    """Two heading rows, Chinese and English."""
    for place, words in enumerate(heads, 1):
        for line, language in enumerate(("zh", "en")):
            write(sheet, top + line, place, words[language], font={"bold": True}, fill=HEAD, border=BORDER)


def say_missing(sheet: Worksheet, line: int, key: str) -> None:
    """Say in place of a table why there is none."""
    words = Words.of(f"report.{key}")
    write(sheet, line, 1, words.zh, font={"bold": True})
    write(sheet, line + 1, 1, words.en, font={"bold": True})
    sheet.column_dimensions["A"].width = LONGEST


def pair(words: Words) -> str:
    """Both languages in one cell."""
    return words.zh if words.zh == words.en else f"{words.zh} {words.en}"


def set_widths(sheet: Worksheet, top: int, least: int = 8) -> None:
    """Column widths from the longest line below the warnings; merged headings and notes run over their neighbours."""
    merged = {cell for area in sheet.merged_cells.ranges for row in area.rows for cell in row}
    for place in range(1, sheet.max_column + 1):
        longest = least
        for cell in next(sheet.iter_cols(min_col=place, max_col=place, min_row=top, max_row=sheet.max_row)):
            if cell.value is None or cell.font.size == 11 or (cell.row, cell.column) in merged:
                continue
            if cell.data_type == "s":
                longest = max(longest, *(_ems(line) for line in str(cell.value).split("\n")))
        sheet.column_dimensions[get_column_letter(place)].width = min(longest + 2, LONGEST)


def _ems(line: str) -> int:
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in line)


def page_setup(sheet: Worksheet, data: ReportData) -> None:
    """A4 landscape, one page wide; the run in the footer, and in the header what must be known of all numbers."""
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    _band(sheet.sheet_properties.pageSetUpPr).fitToPage = True
    footer, header = _band(sheet.oddFooter), _band(sheet.oddHeader)
    footer.left.text = clean(data.run_id).replace("&", "&&")
    footer.right.text = "&P / &N"
    if data.simulated:
        header.center.text, header.center.size, header.center.color = "模拟数据 SIMULATED", 20, "B3134F"


def _band(item: Any) -> Any:
    """Header or footer; openpyxl's annotations allow for a sheet without one, its sheets always have both."""
    return item
