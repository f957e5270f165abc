"""One number, one print: totals and county figures read back from all that a run writes, and from the terminal."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from pathlib import Path

import docx
import geopandas as gpd
import openpyxl
import pandas as pd
import pytest
from lxml import html

from sinkest.report.book import Book, Entry
from sinkest.report.data import CITY
from sinkest.report.gis import column_of
from sinkest.report.names import quantity_name, zone_name
from sinkest.report.sections import HEADLINE
from sinkest.report.tables import all_tables
from sinkest.report.units import MISSING, plain, unit_of
from sinkest.runstore import RunStore
from sinkest.stages.publish import report_data
from tests.project_fixture import call, run_folder

LANGUAGES = {"zh": "le", "en": "lz"}
"""Language to the mark of the other language's texts."""


@pytest.fixture(scope="module")
def run(finished: Path) -> Path:
    return run_folder(finished)


@pytest.fixture(scope="module")
def data(run: Path):
    return report_data(RunStore(run), with_maps=False)


@pytest.fixture(scope="module")
def book(data) -> Book:
    return Book(data)


@pytest.fixture(scope="module")
def document(run: Path):
    return docx.Document(str(run / "report" / "report.docx"))


def figures(book: Book) -> list[Entry]:
    entries = (book.entry(quantity, zone) for quantity in book.quantities for zone in (*book.zones, CITY))
    return [entry for entry in entries if entry is not None and entry.value is not None]


def test_the_run_has_figures_to_compare(book: Book) -> None:
    assert len(figures(book)) > 150
    assert all(book.entry(quantity) is not None for quantity in ("forest_coverage", "growing_stock", "carbon:total"))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_prints_the_figures_of_the_book(language: str, run: Path, book: Book) -> None:
    tree = html.parse(str(run / "report" / "report.html"))
    seen = set()
    for element in tree.xpath("//*[@data-q][@data-zone]"):
        entry = book.entry(element.get("data-q"), element.get("data-zone"))
        if entry is None or entry.value is None:
            continue
        hidden = f'not(ancestor-or-self::span[@class="{LANGUAGES[language]}"])'
        told = element.xpath(f'.//span[@class="value"]//text()[{hidden}]') or element.xpath(f".//text()[{hidden}]")
        assert "".join(told).strip() == entry.shown(language), (entry.quantity, entry.zone)
        seen.add((entry.quantity, entry.zone))
    assert len(seen) > 100


def test_the_tidy_table_holds_what_is_printed(run: Path, book: Book) -> None:
    with (run / "estimate" / "estimates.csv").open(encoding="utf-8-sig") as stream:
        rows = {(row["quantity"], row["zone"]): row for row in csv.DictReader(stream) if row["value"]}
    packed = pd.read_parquet(run / "estimate" / "estimates.parquet")
    packed_rows = {(str(r["quantity"]), str(r["zone"])): r["value"] for r in packed.to_dict("records")}
    for entry in figures(book):
        stored = float(rows[entry.quantity, entry.zone]["value"])
        # rounded to the printed step, or, where parts add up to a printed whole, to the step on the other side
        assert abs(Decimal(repr(stored)) - entry.value) < Decimal(1).scaleb(entry.step), (entry.quantity, entry.zone)
        assert stored == packed_rows[entry.quantity, entry.zone] == entry.raw


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_document_prints_the_figures_of_the_book(language: str, document, data, book: Book) -> None:
    """Tables are told by row and heading; Chinese ones come first."""
    found: dict[tuple[str, str], set[str]] = {}
    for table in document.tables:
        lines = [[cell.text for cell in row.cells] for row in table.rows]
        for line in lines[1:]:
            for head, cell in zip(lines[0][1:], line[1:], strict=True):
                found.setdefault((line[0], head), set()).add(cell)
    checked = 0
    for table in all_tables(data, book).values():
        if table.id in ("stock_type_zone", "stock_age_zone", "biomass", "classes"):
            continue  # on the page and in the workbook alone
        for row in table.body if table else ():
            for column, entry in zip(table.columns, row.cells, strict=True):
                if entry is None or entry.value is None:
                    continue
                head = f"{column.head[language]}\n{column.label()[language]}"
                ends = entry.shown_interval(language)
                printed = entry.shown(language) + (f"\n({ends})" if ends else "")
                assert printed in found[row.name[language], head], (row.key, column.key)
                checked += 1
    assert checked > 100


def test_the_workbook_holds_the_figures_of_the_book(run: Path, data, book: Book) -> None:
    workbook = openpyxl.load_workbook(run / "report" / "workbook.xlsx", data_only=True)
    tables, checked = all_tables(data, book), 0
    for name, ids in {"森林面积": ("area",), "蓄积": ("stock", "types", "ages"), "碳": ("carbon", "sink")}.items():
        sheets = [sheet for sheet in workbook.worksheets if sheet.title.startswith(name)]
        cells = {key: value for sheet in sheets for key, value in read_back(sheet).items()}
        for table in (tables[item] for item in ids):
            for row in table.body if table else ():
                for column, entry in zip(table.columns, row.cells, strict=True):
                    if entry is None or entry.value is None or not sheets:
                        continue
                    names = f"{row.name.zh} {row.name.en}" if row.name.zh != row.name.en else row.name.zh
                    wanted = float(entry.value.scaleb(-unit_of(entry.unit).zh))
                    assert wanted in cells[names, column.head.zh], (row.key, column.key)
                    checked += 1
    assert checked > 40


def read_back(sheet) -> dict[tuple[str, str], set[float]]:
    """Numbers of a sheet by the name of their row and the last Chinese heading above them."""
    found: dict[tuple[str, str], set[float]] = {}
    heads: dict[int, str] = {}
    for row in sheet.iter_rows():
        for cell in row:
            if isinstance(cell.value, str) and cell.column > 1 and cell.value.endswith("）"):
                heads[cell.column] = cell.value[: cell.value.rindex("（")]
            elif isinstance(cell.value, int | float) and cell.column in heads and isinstance(row[0].value, str):
                found.setdefault((row[0].value, heads[cell.column]), set()).add(float(cell.value))
    return found


def test_the_polygons_carry_the_figures_of_the_book(run: Path, data, book: Book) -> None:
    report = run / "report"
    counties = gpd.read_file(report / "counties.gpkg", layer="counties")
    city = gpd.read_file(report / "counties.gpkg", layer="city")
    parquet = gpd.read_parquet(report / "counties.parquet")
    assert list(counties["zone_id"]) == list(parquet["zone_id"]) == book.zones
    rows = {row["zone_id"]: row for frame in (counties, city) for row in frame.to_dict("records")}
    stored = {row["zone_id"]: row for row in parquet.to_dict("records")}
    checked = 0
    for entry in figures(book):
        if not book.has(entry.quantity, zones=True):
            continue
        column = column_of(entry.quantity, entry.unit)
        assert rows[entry.zone][column] == float(entry.value)
        assert entry.zone == CITY or stored[entry.zone][column] == float(entry.value)
        if entry.low is not None and entry.high is not None:
            assert (rows[entry.zone][f"{column}_low"], rows[entry.zone][f"{column}_high"]) == (
                float(entry.low),
                float(entry.high),
            )
        checked += 1
    assert checked > 100
    tidy = gpd.read_file(report / "counties.gpkg", layer="estimates")
    assert len(tidy) == len(data.estimates)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_terminal_prints_the_figures_of_the_book(
    language: str, run: Path, data, book: Book, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert call("--lang", language, "show", run) == 0
    lines = capsys.readouterr().out.splitlines()
    checked = 0
    for quantity in HEADLINE:
        entry = book.entry(quantity)
        if entry is None or entry.value is None:
            continue
        name = plain(quantity_name(data, quantity)[language])
        found = [re.match(rf"│\s*{re.escape(name)}\s*│\s*(\S+)", line) for line in lines]
        # a target under another definition has a row of its own, without an estimate
        printed = {match[1] for match in found if match} - {MISSING}
        assert printed == {entry.shown(language)}, name
        checked += 1
    assert checked > 8


def test_names_are_the_same_everywhere(run: Path, data) -> None:
    frame = gpd.read_parquet(run / "report" / "counties.parquet")
    for row in frame.to_dict("records"):
        name = zone_name(data, row["zone_id"])
        assert (row["name_zh"], row["name_en"]) == (name.zh, name.en)
