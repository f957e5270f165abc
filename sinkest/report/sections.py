"""What each section of the page holds, worked out before the template sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sinkest.report.book import Book, Entry
from sinkest.report.curves import Bin, Point, bins_of, points_of
from sinkest.report.data import CITY, Confusion, ReportData
from sinkest.report.listings import Listing, listings
from sinkest.report.names import (
    Words,
    class_names,
    clean,
    factor_status_name,
    method_name,
    metric_name,
    model_name,
    quantity_name,
    response_message,
    said,
    status_name,
)
from sinkest.report.roads import Road, roads_of
from sinkest.report.tables import LAND_AREA, Table, all_tables, other_entries
from sinkest.report.units import base_unit, finite, percent, trimmed, unit_label
from sinkest.report.verdicts import TargetRow, target_rows

HEADLINE = (
    "forest_coverage",
    "forest_area",
    "growing_stock",
    "growing_stock_per_ha",
    "carbon:total",
    "carbon_checked",
    "co2_total",
    "sink",
    "stock_change",
    "forest_area_change",
    "wetland_area:total",
    "wetland_burial",
    "wetland_methane_co2e",
    "wetland_net",
    "small_wetland_sites",
    "small_wetland_sites_corridor",
    "small_wetland_area",
)
"""City-wide quantities that the page and the command line show first, in this order."""

_ZERO_TO_ONE = ("r2", "overall_accuracy", "balanced_accuracy", "kappa", "macro_f1")


@dataclass(frozen=True)
class Figure:
    """A city-wide estimate with its name and unit."""

    name: Words
    entry: Entry
    unit: Words
    method: Words
    status: Words
    level: str


@dataclass(frozen=True)
class MatrixRow:
    """A map class of the confusion matrix: counts with their share of the row, and both accuracies."""

    name: Words
    cells: tuple[tuple[int, float, bool], ...]
    users: str
    producers: str


@dataclass(frozen=True)
class CvRow:
    """A measure of one model under both schemes."""

    model: Words
    metric: Words
    unit: Words
    spatial: str
    random: str


@dataclass(frozen=True)
class Course:
    """A quantity over the years."""

    id: str
    name: Words
    unit: str
    unit_shown: Words
    points: list[Point]
    projected: bool
    roads: tuple[Road, ...] = ()


@dataclass(frozen=True)
class FactorRow:
    """A coefficient as printed."""

    name: Words
    value: str
    unit: str
    source: str
    status: Words
    provisional: bool


@dataclass(frozen=True)
class Page:
    """The content of the page, section by section."""

    title: Words
    notes: list[Words]
    level: str
    due: list[TargetRow]
    later: list[TargetRow]
    open: list[TargetRow]
    headline: list[Figure]
    tables: dict[str, Table]
    listings: dict[str, Listing]
    other: list[Figure]
    figures: list[Figure]
    types: list[tuple[Words, Entry]]
    ages: list[tuple[Words, Entry]]
    pools: list[tuple[Words, Entry]]
    pool_unit: Words
    wetlands: list[tuple[Words, Entry]]
    sides: tuple[int, ...]
    courses: list[Course]
    confusion: list[MatrixRow]
    confusion_heads: list[Words]
    overall: tuple[str, str] | None
    cv: list[CvRow]
    cv_shares: list[tuple[Words, float | None, float | None]]
    bias: list[Bin]
    n_pairs: int
    response: Words
    response_unit: Words
    variance: list[tuple[Words, list[tuple[Words, float]]]]
    factors: list[FactorRow]
    versions: Mapping[str, Any]
    inputs: list[Mapping[str, Any]]
    more: Mapping[str, Any]


def page_of(data: ReportData, book: Book) -> Page:
    """Work out the content of every section."""
    targets = target_rows(data, book)
    tables = all_tables(data, book)
    cv, cv_shares = _cross_validation(data)
    confusion = data.accuracy.confusion
    provenance = dict(data.provenance)
    leading = headline(book)
    shown = {*leading, *(key for table in tables.values() for row in table.body for key in _quantities(row.cells))}
    return Page(
        title=_title(data),
        notes=[said(note) for note in data.notes],
        level=interval_level(data),
        due=[row for row in targets if row.value is not None and not row.later],
        later=[row for row in targets if row.value is not None and row.later],
        open=[row for row in targets if row.value is None],
        headline=_figures(data, book, leading),
        tables=tables,
        listings=listings(data, book),
        other=_figures(
            data, book, [e.quantity for e in other_entries(book, tables.values()) if e.quantity not in shown]
        ),
        figures=_figures(data, book, [q for q in book.quantities if ":" not in q or q == "carbon:total"]),
        types=sorted(_last_column(tables["types"]), key=lambda item: -(item[1].value or 0)),
        ages=_last_column(tables["ages"]),
        pool_unit=Words(unit_label("t C", "zh"), unit_label("t C", "en")),
        pools=_named(book, tables["carbon"], lambda key: key.startswith("carbon:") and key != "carbon:total"),
        wetlands=_named(book, tables["wetland"], lambda key: key.startswith("wetland_area:")),
        sides=_sides(data),
        courses=_courses(data),
        confusion=[] if confusion is None else _matrix(data, confusion),
        confusion_heads=[] if confusion is None else _class_heads(data, confusion),
        overall=None if confusion is None else (percent(confusion.overall), percent(confusion.overall_se)),
        cv=cv,
        cv_shares=cv_shares,
        bias=[] if data.accuracy.bias is None else bins_of(data.accuracy.bias),
        n_pairs=_pairs(data),
        response=said(response_message(data.response)),
        response_unit=Words(unit_label(data.response_unit, "zh"), unit_label(data.response_unit, "en")),
        variance=_variance(data),
        factors=factor_rows(data.factors_used),
        versions=provenance.pop("versions", {}),
        inputs=list(provenance.pop("inputs", [])),
        more=provenance,
    )


def factor_rows(table: pd.DataFrame | None) -> list[FactorRow]:
    """Coefficients in the order given."""
    if table is None:
        return []
    rows = []
    for record in table.to_dict(orient="records"):
        names = (record.get("name_zh"), record.get("name_en"))
        name = Words(*(clean(str(n if isinstance(n, str) and n else record["name"])) for n in names))
        value = finite(record["value"])
        rows.append(
            FactorRow(
                name=name,
                value=clean(str(record["value"])) if value is None else trimmed(value, 8),
                unit=said(record["unit"]).zh,
                source=said(record["source"]).zh,
                status=factor_status_name(str(record["status"])),
                provisional=str(record["status"]).upper() == "MEM",
            )
        )
    return rows


def _title(data: ReportData) -> Words:
    standing = Words.of("report.title", city=Words(data.city_zh, data.city_en), year=data.year)
    return Words(clean(data.title_zh or standing.zh), clean(data.title_en or standing.en))


def interval_level(data: ReportData) -> str:
    """The confidence level of the table in percent; the several there are, if there are several."""
    levels = data.estimates["level"].dropna().unique()
    return " / ".join(f"{float(level) * 100:g}" for level in sorted(levels)) or "95"


def headline(book: Book) -> tuple[str, ...]:
    """What leads the page and the summary: the mean of a mapped response that is no stock comes first."""
    return (*book.parts("mean"), *HEADLINE)


def _figures(data: ReportData, book: Book, quantities: Iterable[str]) -> list[Figure]:
    figures = []
    for quantity in quantities:
        entry = book.entry(quantity)
        if entry is None:
            continue
        unit = Words(unit_label(entry.unit, "zh"), unit_label(entry.unit, "en"))
        level = "" if entry.level is None or entry.low is None else f"{entry.level * 100:g} %"
        name = quantity_name(data, quantity)
        figures.append(Figure(name, entry, unit, method_name(entry.method), status_name(entry.status), level))
    return figures


def _last_column(table: Table) -> list[tuple[Words, Entry]]:
    """Names and growing stock of the parts that have one."""
    found = [(row.name, row.cells[-1]) for row in table.rows if table]
    return [(name, entry) for name, entry in found if entry is not None and entry.value is not None]


def _quantities(cells: Sequence[Entry | None]) -> list[str]:
    return [cell.quantity for cell in cells if cell is not None and cell.quantity != LAND_AREA]


def _named(book: Book, table: Table, wanted: Any) -> list[tuple[Words, Entry]]:
    found = ((column.head, book.entry(column.key, CITY)) for column in table.columns if wanted(column.key))
    return [(head, entry) for head, entry in found if entry is not None]


def _sides(data: ReportData) -> tuple[int, ...]:
    """Numbers of the layers shown first, left and right: the first one, and the first continuous one beside it."""
    numbers = range(1, len(data.maps) + 1)
    if len(numbers) < 2:
        return tuple(numbers)
    others = [number for number in numbers if number > 1]
    return 1, next((number for number in others if data.maps[number - 1].kind == "continuous"), others[0])


def _courses(data: ReportData) -> list[Course]:
    """The city's trajectories over more than one year, in the order of the table; unlike definitions never mix."""
    if data.trajectory is None:
        return []
    table = data.trajectory[data.trajectory["zone"].astype(str) == CITY]
    courses = []
    keys = ["quantity", "definition_id"] if "definition_id" in table else ["quantity"]
    for (quantity, *rule), part in table.groupby(keys, sort=False, dropna=False):
        unit, power = base_unit(str(part["unit"].iloc[0]))
        points = points_of(part, 10.0**power)
        if len({point.year for point in points}) > 1:
            label = Words(unit_label(unit, "zh"), unit_label(unit, "en"))
            name = quantity_name(data, str(quantity))
            projected = any(point.kind == "projection" for point in points)
            roads = roads_of(data, str(quantity), rule[0] if rule else "")
            courses.append(Course(str(quantity), name, unit, label, points, projected, roads))
    return courses


def _class_heads(data: ReportData, confusion: Confusion) -> list[Words]:
    names = class_names(data)
    names["no_data"] = Words.of("report.no_data")
    return [names.get(item, Words.same(item)) for item in confusion.class_ids]


def _matrix(data: ReportData, confusion: Confusion) -> list[MatrixRow]:
    sums = np.maximum(confusion.counts.sum(axis=1), 1)
    rows = []
    for i, name in enumerate(_class_heads(data, confusion)):
        cells = tuple((int(c), round(float(c / sums[i]), 3), i == j) for j, c in enumerate(confusion.counts[i]))
        users = _share(confusion.users[i], confusion.users_se[i])
        producers = _share(confusion.producers[i], confusion.producers_se[i])
        rows.append(MatrixRow(name, cells, users, producers))
    return rows


def _share(value: float, error: float) -> str:
    if not np.isfinite(value):
        return "—"
    return f"{percent(float(value))} ({percent(float(error))})" if np.isfinite(error) else percent(float(value))


def _cross_validation(
    data: ReportData,
) -> tuple[list[CvRow], list[tuple[Words, float | None, float | None]]]:
    """Rows for the table, and the measures between 0 and 1 for the chart; "cluster" counts as spatial."""
    table = data.accuracy.cv
    if table is None:
        return [], []
    rows, shares = [], []
    for (model, metric), part in table.groupby(["model", "metric"], sort=False):
        schemes = {str(scheme): finite(value) for scheme, value in zip(part["scheme"], part["value"], strict=True)}
        spatial, random = schemes.get("spatial", schemes.get("cluster")), schemes.get("random")
        unit = str(part["unit"].iloc[0])
        label = Words("", "") if unit in ("", "1", "nan") else Words(unit_label(unit, "zh"), unit_label(unit, "en"))
        names = model_name(data, str(model)), metric_name(str(metric))
        rows.append(CvRow(*names, label, *(("—" if v is None else trimmed(v, 3)) for v in (spatial, random))))
        if metric in _ZERO_TO_ONE or str(metric).endswith("accuracy"):
            joined = Words(f"{names[0].zh} {names[1].zh}", f"{names[0].en}, {names[1].en}")
            shares.append((joined, spatial, random))
    return rows, shares


def _pairs(data: ReportData) -> int:
    observed, predicted = data.accuracy.observed, data.accuracy.predicted
    if observed is None or predicted is None:
        return 0
    return int((np.isfinite(observed) & np.isfinite(predicted)).sum())


def _variance(data: ReportData) -> list[tuple[Words, list[tuple[Words, float]]]]:
    if data.variance_shares is None:
        return []
    found = []
    for quantity, part in data.variance_shares.groupby("quantity", sort=False):
        rows = [(said(source), finite(share)) for source, share in zip(part["source"], part["share"], strict=True)]
        kept = [(name, share) for name, share in rows if share is not None]
        found.append((quantity_name(data, str(quantity)), sorted(kept, key=lambda row: -row[1])))
    return found
