"""Tables on a sheet of the workbook: stacked blocks no wider than a page, totals as formulas where they are sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openpyxl.styles import Alignment
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from sinkest.report.book import Entry
from sinkest.report.names import Words
from sinkest.report.sheets import ACROSS, BORDER, HEAD, QUIET, TOTAL, pair, paragraph, write
from sinkest.report.tables import Column, Table
from sinkest.report.units import unit_of

WIDEST = ACROSS
"""Sub-columns that fit on a page."""
_PARTS = ("estimate", "low", "high", "relative")
_RIGHT = Alignment(horizontal="right", wrap_text=True)
_MIDDLE = Alignment(horizontal="center", vertical="center", wrap_text=True)

Stored = dict[tuple[str, str], str]
"""Stored results of formulas: (sheet title, cell) to the number."""


@dataclass(frozen=True)
class Span:
    """A column of a table on the sheet: its place in the table, and its sub-columns (value, ends, half-width)."""

    place: int
    column: Column
    width: int


def write_table(sheet: Worksheet, line: int, table: Table, stored: Stored) -> int:
    """Write a table at a row; returns the row after it.

    A table without zones is written as a list of its quantities.
    """
    write(sheet, line, 1, f"{table.title.zh}  {table.title.en}", font={"bold": True, "size": 11})
    line += 1
    if not table.rows:
        return _list(sheet, line, table)
    for spans in _pages([Span(place, column, _width(table, place)) for place, column in enumerate(table.columns)]):
        _heads(sheet, line, table, spans)
        first = line + 3
        for offset, row in enumerate(table.body):
            cells = [row.cells[span.place] for span in spans]
            _row(sheet, first + offset, row.name, cells, spans, total=row is table.total)
        if table.total is not None:
            _sums(sheet, first, len(table.rows), [table.total.cells[span.place] for span in spans], spans, stored)
        line = first + len(table.body) + 1
    return line


def write_notes(sheet: Worksheet, line: int, tables: Sequence[Table], more: Sequence[Words]) -> None:
    """Below the tables: the rules they follow, and what is said about single cells."""
    lines = [Words.of("report.sum_note"), Words.of("report.rounding")]
    cells = [cell for table in tables for row in table.body for cell in row.cells if cell is not None]
    if any(cell.status == "map_only" for cell in cells):
        lines.append(Words.of("report.pixel_rule"))
    lines += [*more, *dict.fromkeys(note for table in tables for note in table.notes())]
    for offset, words in enumerate(lines):
        paragraph(sheet, line + 2 * offset, words.zh, font={"color": QUIET})
        paragraph(sheet, line + 2 * offset + 1, words.en, font={"color": QUIET})


def in_sheet_unit(value: Decimal, entry: Entry) -> float | int:
    """A printed number in the workbook's unit, which is the Chinese one in either language."""
    shown = value.scaleb(-unit_of(entry.unit).zh)
    return int(shown) if shown == shown.to_integral_value() else float(shown)


def number_format(entry: Entry) -> str:
    """Format with the printed decimals."""
    places = max(0, unit_of(entry.unit).zh - entry.step)
    return "#,##0" + ("." + "0" * places if places else "")


def _pages(spans: Sequence[Span]) -> Iterator[list[Span]]:
    page: list[Span] = []
    for span in spans:
        if page and 1 + sum(item.width for item in page) + span.width > WIDEST:
            yield page
            page = []
        page.append(span)
    if page:
        yield page


def _width(table: Table, place: int) -> int:
    """The value alone, or also the ends of the interval and its half-width in percent."""
    cells = [row.cells[place] for row in table.body]
    return len(_PARTS) if any(cell is not None and cell.low is not None for cell in cells) else 1


def _heads(sheet: Worksheet, top: int, table: Table, spans: Sequence[Span]) -> None:
    """Three rows: the Chinese and the English name with the unit, then the parts of the interval."""
    style: dict[str, Any] = {"fill": HEAD, "border": BORDER, "alignment": _MIDDLE}
    for line, language in enumerate(("zh", "en")):
        write(sheet, top + line, 1, table.first[language], font={"bold": True}, **style)
    write(sheet, top + 2, 1, "", **style)
    place = 2
    for span in spans:
        unit = span.column.label(sheet=True)
        names = (f"{span.column.head.zh}（{unit.zh}）", f"{span.column.head.en} ({unit.en})")
        for line, name in enumerate(names):
            for offset in range(span.width):
                write(sheet, top + line, place + offset, name if offset == 0 else "", font={"bold": True}, **style)
            if span.width > 1:
                ends = (get_column_letter(place), get_column_letter(place + span.width - 1))
                sheet.merge_cells(f"{ends[0]}{top + line}:{ends[1]}{top + line}")
        for offset in range(span.width):
            words = Words.of(f"report.{_PARTS[offset]}")
            write(sheet, top + 2, place + offset, f"{words.zh}\n{words.en}", **style)
        place += span.width
    sheet.row_dimensions[top + 1].height = 40
    sheet.row_dimensions[top + 2].height = 32


def _row(
    sheet: Worksheet, line: int, name: Words, cells: Sequence[Entry | None], spans: Sequence[Span], total: bool
) -> None:
    style: dict[str, Any] = {"border": BORDER} | ({"fill": TOTAL} if total else {})
    write(sheet, line, 1, pair(name), font={"bold": total}, **style)
    place = 2
    for span, entry in zip(spans, cells, strict=True):
        _numbers(sheet, line, place, entry, span.width, {"font": {"bold": total}, **style})
        place += span.width


def _numbers(sheet: Worksheet, line: int, place: int, entry: Entry | None, width: int, style: dict[str, Any]) -> None:
    for offset, value in enumerate(_shown(entry)[:width]):
        form = "0.0" if offset == 3 else "General" if entry is None else number_format(entry)
        right = {"alignment": _RIGHT} if isinstance(value, str) else {}
        write(sheet, line, place + offset, value, number_format=form, **style, **right)


def _shown(entry: Entry | None) -> tuple[object, ...]:
    """Value, low, high and relative half-width of a cell in the workbook's unit; words where there is no value."""
    if entry is None:
        return ("—", None, None, None)
    if entry.value is None:
        named = entry.status in ("declined", "provisional")
        words = Words.of(f"quantities.status_{entry.status}") if named else Words.of("report.no_estimate")
        return (f"{words.zh} {words.en}", None, None, None)
    ends = [None if end is None else in_sheet_unit(end, entry) for end in (entry.low, entry.high)]
    relative = None if entry.relative is None else float(f"{entry.relative:.2g}")
    return (in_sheet_unit(entry.value, entry), *ends, relative)


def _sums(
    sheet: Worksheet,
    first: int,
    count: int,
    totals: Sequence[Entry | None],
    spans: Sequence[Span],
    stored: Stored,
) -> None:
    """Totals that the rows add up to become formulas, with the printed total as their stored result."""
    place = 2
    for span, entry in zip(spans, totals, strict=True):
        if span.column.adds_up and entry is not None and entry.value is not None:
            letter = get_column_letter(place)
            cell = sheet.cell(first + count, place)
            cell.value = f"=SUM({letter}{first}:{letter}{first + count - 1})"
            stored[sheet.title, cell.coordinate] = repr(in_sheet_unit(entry.value, entry))
        place += span.width


def _list(sheet: Worksheet, line: int, table: Table) -> int:
    """The city's quantities one below another: name, unit, value, interval."""
    heads = [Words.of(f"report.{key}") for key in ("quantity", "unit", *_PARTS)]
    for place, words in enumerate(heads, 1):
        text = f"{words.zh}\n{words.en}"
        write(sheet, line, place, text, font={"bold": True}, fill=HEAD, border=BORDER, alignment=_MIDDLE)
    sheet.row_dimensions[line].height = 32
    cells = () if table.total is None else table.total.cells
    for column, entry in zip(table.columns, cells, strict=True):
        line += 1
        write(sheet, line, 1, pair(column.head), border=BORDER)
        write(sheet, line, 2, pair(column.label(sheet=True)), border=BORDER)
        _numbers(sheet, line, 3, entry, len(_PARTS), {"border": BORDER})
    return line + 2
