"""The workbook: the bureau's tables with bilingual headings, the tidy data, the coefficients, the provenance.

The tables hold the printed numbers, rounded by the one rule of :mod:`sinkest.report.book`, so they agree with the page
to the digit; the data sheet holds the unrounded ones. A total that its rows add up to is a ``SUM`` formula, and the
file carries the printed total as the formula's stored result, so programs that do not calculate read the same number.
A total that its rows do not add up to is a plain number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment
from openpyxl.utils import get_column_letter

from sinkest.report.blocks import Stored, write_notes, write_table
from sinkest.report.book import Book
from sinkest.report.data import ReportData
from sinkest.report.listings import listings
from sinkest.report.names import Words, clean, said
from sinkest.report.sections import factor_rows
from sinkest.report.sheets import (
    BORDER,
    CAUTION,
    HEAD,
    fit_height,
    new_sheet,
    page_setup,
    pair,
    plain_heads,
    put,
    say_missing,
    set_widths,
    write,
)
from sinkest.report.surveysheets import closing_sheets, survey_sheets
from sinkest.report.tables import Column, Table, all_tables
from sinkest.report.units import absent, finite, unit_of
from sinkest.report.verdicts import TargetRow, target_rows
from sinkest.report.workbook_bytes import saved, settled


def report_xlsx(data: ReportData) -> bytes:
    """The workbook as a file; the same data give the same bytes.

    Raises
    ------
    InputError
        If the tidy table has rows that contradict each other.
    OSError
        If there is no room for temporary files.
    """
    book = Book(data)
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    stored: Stored = {}
    survey_sheets(workbook, data, stored)
    _targets_sheet(workbook, data, target_rows(data, book))
    closing_sheets(workbook, data, stored)
    tables = all_tables(data, book)
    for name, ids, notes in _SHEETS:
        ageless = ("missing_ages",) if "ages" in ids and not tables["ages"] else ()
        _table_sheet(workbook, data, name, [tables[item] for item in ids], (*notes, *ageless), stored)
    _details_sheet(workbook, data, book)
    _data_sheet(workbook, data)
    _factors_sheet(workbook, data)
    _provenance_sheet(workbook, data)
    for sheet in workbook.worksheets:
        page_setup(sheet, data)
    workbook.properties.creator = "sinkest"
    workbook.properties.title = clean(f"{data.city_zh} {data.year} {data.run_id}")
    content = saved(workbook)
    positions = {sheet.title: place for place, sheet in enumerate(workbook.worksheets, 1)}
    return settled(content, {(positions[title], cell): value for (title, cell), value in stored.items()})


_SHEETS = (
    ("area", ("area", "classes"), ()),
    ("stock", ("stock", "types", "stock_type_zone", "ages", "stock_age_zone"), ()),
    ("carbon", ("carbon", "sink", "pools", "biomass"), ("sign",)),
    ("wetland", ("wetland",), ("burial_note",)),
)


def _table_sheet(
    workbook: Workbook,
    data: ReportData,
    name: str,
    tables: Sequence[Table],
    notes: Sequence[str],
    stored: Stored,
) -> None:
    """Tables one below another, under warnings that stay in view."""
    sheet, top = new_sheet(workbook, data, name)
    filled = [table for table in tables if table]
    if not filled:
        say_missing(sheet, top, f"missing_{name}")
        return
    line = top
    for table in filled:
        line = write_table(sheet, line, table, stored)
    write_notes(sheet, line, filled, [Words.of(f"report.{key}") for key in notes])
    sheet.freeze_panes = f"B{top}"
    set_widths(sheet, top, 10)


def _targets_sheet(workbook: Workbook, data: ReportData, rows: Sequence[TargetRow]) -> None:
    sheet, top = new_sheet(workbook, data, "targets")
    if not rows:
        say_missing(sheet, top, "missing_targets")
        return
    keys = ("quantity", "year", "wording", "target", "unit", "comparison", "estimate", "low", "high", "probability")
    heads = [Words.of(f"report.{_TARGET_HEADS.get(key, key)}") for key in keys]
    heads += [Words.of("report.verdict"), Words.of("report.reason")]
    plain_heads(sheet, top, heads)
    for line, row in enumerate(rows, top + 2):
        numbers = "#,##0" + ("." + "0" * places if (places := max(0, unit_of(row.unit).zh - row.step)) else "")
        power = 10.0 ** unit_of(row.unit).zh
        ends = [None if v is None else float(v.scaleb(-unit_of(row.unit).zh)) for v in (row.value, row.low, row.high)]
        cells: list[tuple[object, str]] = [
            (pair(row.name), "General"),
            (row.year, "0"),
            (pair(row.wording), "General"),
            (None if row.target is None else float(f"{row.target / power:.12g}"), "#,##0.##"),
            (pair(row.unit_shown if row.unit in ("%", "ha") else _sheet_unit(row.unit)), "General"),
            (pair(row.comparison), "General"),
            *((end, numbers) for end in ends),
            (row.probability, "0%"),
            (pair(row.verdict_shown), "General"),
            (pair(_reasoned(row)), "General"),
        ]
        for place, (value, form) in enumerate(cells, 1):
            wrap = Alignment(vertical="top", wrap_text=place in _WRAPPED)
            bold = {"bold": place in (1, 11)}
            write(sheet, line, place, value, number_format=form, border=BORDER, alignment=wrap, font=bold)
        fit_height(sheet, line, [str(cells[place - 1][0]) for place in _WRAPPED])
    sheet.freeze_panes = f"B{top + 2}"
    set_widths(sheet, top)


_WRAPPED = (1, 3, 11, 12)
_TARGET_HEADS = {"year": "target_year", "wording": "wording_head"}


def _reasoned(row: TargetRow) -> Words:
    """Why the verdict is what it is, and of an open one what would settle it."""
    more = row.settling_shown
    return row.reason if more is None else Words(f"{row.reason.zh}{more.zh}", f"{row.reason.en} {more.en}")


def _sheet_unit(unit: str) -> Words:
    return Column("", Words("", ""), unit).label(sheet=True)


def _details_sheet(workbook: Workbook, data: ReportData, book: Book) -> None:
    """The account's own tables, one below another."""
    filled = [item for item in listings(data, book).values() if item]
    if not filled:
        return
    sheet, line = new_sheet(workbook, data, "details")
    for item in filled:
        write(sheet, line, 1, pair(item.title), font={"bold": True})
        plain_heads(sheet, line + 1, list(item.heads))
        for offset, row in enumerate(item.rows, line + 3):
            for place, cell in enumerate(row, 1):
                write(sheet, offset, place, cell.zh if cell.zh == cell.en else pair(cell), border=BORDER)
        line += len(item.rows) + 4
    set_widths(sheet, line)


def _data_sheet(workbook: Workbook, data: ReportData) -> None:
    """The tidy table as it is: one heading row of column ids, unrounded numbers in base units."""
    sheet, top = new_sheet(workbook, data, "data")
    table = data.estimates
    for place, column in enumerate(table.columns, 1):
        words = Words.of(f"quantities.column_{column}") if column in _TIDY else Words.same(column)
        write(sheet, top, place, words.zh, font={"bold": True}, fill=HEAD, border=BORDER)
        write(sheet, top + 1, place, str(column), font={"bold": True}, fill=HEAD, border=BORDER)
    for line, record in enumerate(table.itertuples(index=False), top + 2):
        for place, value in enumerate(record, 1):
            put(sheet, line, place, _bare(value))
    sheet.freeze_panes = f"C{top + 2}"
    sheet.auto_filter.ref = f"A{top + 1}:{get_column_letter(len(table.columns))}{top + 1 + len(table)}"
    set_widths(sheet, top)


_TIDY = frozenset(
    (
        "quantity", "zone", "year", "value", "unit", "se", "low", "high", "level", "method", "n", "definition_id",
        "provisional", "simulated", "status", "note",
    )
)  # fmt: skip


def _factors_sheet(workbook: Workbook, data: ReportData) -> None:
    sheet, top = new_sheet(workbook, data, "factors")
    rows = factor_rows(data.factors_used)
    if not rows:
        say_missing(sheet, top, "missing_factors")
        return
    heads = [Words.of(f"report.{key}") for key in ("factor", "value", "unit", "status", "source")]
    plain_heads(sheet, top, heads)
    values = [] if data.factors_used is None else [finite(value) for value in data.factors_used["value"]]
    for line, (row, value) in enumerate(zip(rows, values, strict=True), top + 2):
        shown = row.value if value is None else value
        cells: tuple[object, ...] = (pair(row.name), shown, row.unit, pair(row.status), row.source)
        for place, cell in enumerate(cells, 1):
            fill = {"fill": CAUTION} if row.provisional else {}
            write(sheet, line, place, cell, border=BORDER, **fill)
    sheet.freeze_panes = f"B{top + 2}"
    set_widths(sheet, top)


def _provenance_sheet(workbook: Workbook, data: ReportData) -> None:
    sheet, top = new_sheet(workbook, data, "provenance")
    plain_heads(sheet, top, [Words.of("report.key"), Words.of("report.content")])
    rows = [
        ("run", data.run_id),
        ("name", data.name),
        ("year", str(data.year)),
        ("definition.id", data.definition.id),
        ("definition.name", f"{data.definition.name_zh} {data.definition.name_en}"),
        ("definition.text", f"{data.definition.text_zh} {data.definition.text_en}"),
        ("simulated", str(data.simulated).lower()),
        ("provisional", str(data.provisional).lower()),
        *_flat(data.provenance),
        *((f"note.{place}", pair(said(note))) for place, note in enumerate(data.notes, 1)),
    ]
    for line, (key, value) in enumerate(rows, top + 2):
        write(sheet, line, 1, key, border=BORDER, alignment=Alignment(vertical="top"))
        write(sheet, line, 2, value, border=BORDER, alignment=Alignment(vertical="top", wrap_text=True))
    sheet.freeze_panes = f"B{top + 2}"
    set_widths(sheet, top)
    sheet.column_dimensions["B"].width = 100


def _flat(value: object, path: str = "") -> Iterable[tuple[str, str]]:
    """Nested provenance as dotted keys."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value, 1):
            yield from _flat(item, f"{path}.{place}")
    else:
        yield path, str(value)


def _bare(value: Any) -> object:
    """A value of the tidy table as Excel holds it: a missing number is an empty cell."""
    if isinstance(value, str):
        return value
    if absent(value):
        return None
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    number = float(value)
    return int(number) if number.is_integer() and not isinstance(value, float) else number
