"""The bureau's tables, from the tidy table: the page and the workbook print these and nothing else.

Zones stand in the order of their codes, the whole city last. Every number is an :class:`~sinkest.report.book.Entry`
of one :class:`~sinkest.report.book.Book`, so the same estimate reads the same in every table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sinkest.report.ages import AGES, UNKNOWN
from sinkest.report.book import Book, Entry, rounded_to_sum
from sinkest.report.data import CITY, ReportData
from sinkest.report.names import Words, part_name, quantity_name, zone_name
from sinkest.report.units import rounded, unit_label, unit_of

LAND_AREA = "land_area"
"""Column of the zones' own area; it is a measurement of the boundary, not an estimate."""

OTHER_OIL_TEA = ("coverage_without_oil_tea", "coverage_with_oil_tea")
AREA = (
    "forest_area",
    "forest_coverage",
    *OTHER_OIL_TEA,
    "forest_area_change",
    "arbor_area",
    "tree_cover",
    "pixel_forest_area",
)
STOCK = ("growing_stock", "growing_stock_per_ha", "stock_change", "pixel_growing_stock")
CARBON_AFTER = ("carbon_checked", "co2_total", "sink")
OVERVIEW = ("forest_area", "forest_coverage", "growing_stock", "growing_stock_per_ha", "carbon:total", "sink")
BALANCE = ("wetland_burial", "wetland_methane", "wetland_methane_co2e", "wetland_flooding", "wetland_net")
WETLAND = (*BALANCE, "small_wetland_sites", "small_wetland_sites_corridor", "small_wetland_area")


_LISTED = (
    "class_area", "stock_by_type", "stock_by_age", "area_by_age", "biomass", "wetland_area", "carbon_pool", "sink",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column of one quantity (or, for tables of mixed rows, of none).

    Parameters
    ----------
    key : str
        Quantity id.
    head : Words
        Heading without the unit.
    unit : str
        Base unit.
    adds_up : bool
        The printed rows add up to the printed total.
    sums : bool
        The rows are parts of the total, so that a reader may expect them to add up.
    """

    key: str
    head: Words
    unit: str
    adds_up: bool = False
    sums: bool = False

    def label(self, *, sheet: bool = False) -> Words:
        """The shown unit."""
        return Words(unit_label(self.unit, "zh", sheet=sheet), unit_label(self.unit, "en", sheet=sheet))


@dataclass(frozen=True)
class Row:
    """A row: a zone, a type or a pool, with one cell a column."""

    key: str
    name: Words
    cells: tuple[Entry | None, ...]


@dataclass(frozen=True)
class Table:
    """A table in both languages.

    Parameters
    ----------
    id : str
    title, first : Words
        Title, and heading of the column of names.
    columns : tuple of Column
    rows : tuple of Row
    total : Row, optional
        The whole; an estimate of its own, not the sum, unless ``Column.adds_up``.
    """

    id: str
    title: Words
    first: Words
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row | None = None

    def __bool__(self) -> bool:
        return bool(self.columns) and any(cell is not None for row in self.body for cell in row.cells)

    @property
    def body(self) -> tuple[Row, ...]:
        """All rows, the total last."""
        return self.rows if self.total is None else (*self.rows, self.total)

    def split(self, most: int) -> list[Table]:
        """The same rows in several tables of at most so many columns each, which fit a page side by side."""
        pieces = -(-len(self.columns) // most)
        if pieces <= 1:
            return [self]
        each = -(-len(self.columns) // pieces)
        starts = range(0, len(self.columns), each)
        return [self._columns(slice(at, at + each), f"{self.id}-{n}") for n, at in enumerate(starts, 1)]

    def _columns(self, which: slice, table_id: str) -> Table:
        rows = tuple(replace(row, cells=row.cells[which]) for row in self.rows)
        total = None if self.total is None else replace(self.total, cells=self.total.cells[which])
        return replace(self, id=table_id, columns=self.columns[which], rows=rows, total=total)

    def not_adding(self) -> Words | None:
        """The columns whose rows a reader may expect to add up, and do not."""
        if self.total is None or not self.rows:
            return None
        heads = [column.head for column in self.columns if column.sums and not column.adds_up]
        return joined(heads) if heads else None

    def notes(self) -> list[Words]:
        """What has to be said about single cells, each once, after the columns it is about."""
        found: dict[Words, dict[str, Words]] = {}
        for row in self.body:
            for column, cell in zip(self.columns, row.cells, strict=True):
                if cell is not None and cell.note.en:
                    found.setdefault(cell.note, {})[column.key] = column.head
        about = ((note, list(heads.values())) for note, heads in found.items())
        return [
            Words.of("report.note_on", columns=joined(heads), note=note) if len(self.columns) > 1 else note
            for note, heads in about
        ]


def joined(words: Sequence[Words]) -> Words:
    """A list of names, with the comma of each language."""
    return Words("、".join(item.zh for item in words), ", ".join(item.en for item in words))


def zone_table(data: ReportData, book: Book, table_id: str, quantities: Iterable[str]) -> Table:
    """Zones by quantities, with the city as the last row; quantities that the run has not are left out."""
    present = [quantity for quantity in quantities if quantity == LAND_AREA or book.has(quantity)]
    if present == [LAND_AREA]:
        present = []
    land = _land_area(data) if LAND_AREA in present else {}
    columns = tuple(_column(data, book, quantity) for quantity in present)

    def row(zone: str) -> Row:
        cells = tuple(land.get(zone) if q == LAND_AREA else book.entry(q, zone) for q in present)
        return Row(zone, zone_name(data, zone), cells)

    by_zone = any(book.has(quantity, zones=True) for quantity in present)
    return Table(
        id=table_id,
        title=Words.of(f"report.table_{table_id}"),
        first=Words.of("report.zone"),
        columns=columns,
        rows=tuple(row(zone) for zone in book.zones) if by_zone else (),
        total=row(CITY),
    )


def overview_table(data: ReportData, book: Book) -> Table:
    """The county table of the page."""
    return zone_table(data, book, "overview", (LAND_AREA, *OVERVIEW))


def area_table(data: ReportData, book: Book) -> Table:
    """Land area, forest area, coverage; tree cover and pixel sums beside them under their own names."""
    return zone_table(data, book, "area", (LAND_AREA, *AREA))


def class_table(data: ReportData, book: Book) -> Table:
    """Area of each land-cover class; where none was estimated, the map's pixel sums under their own name."""
    return zone_table(data, book, "classes", book.parts("class_area") or book.parts("pixel_class_area"))


def stock_table(data: ReportData, book: Book) -> Table:
    """Growing stock, stock per hectare, change, and the pixel sum under its own name."""
    return zone_table(data, book, "stock", STOCK)


def carbon_table(data: ReportData, book: Book) -> Table:
    """Carbon by pool, CO2 and the yearly sink."""
    pools = [quantity for quantity in book.parts("carbon") if quantity != "carbon:total"]
    return zone_table(data, book, "carbon", (*pools, "carbon:total", *CARBON_AFTER))


def pool_table(data: ReportData, book: Book) -> Table:
    """Stocks of the stand beside the living trees, and the trees above and below ground."""
    return zone_table(data, book, "pools", book.parts("carbon_pool"))


def sink_table(data: ReportData, book: Book) -> Table:
    """The yearly sink by what became of the land."""
    parts = book.parts("sink")
    return zone_table(data, book, "sink", (*parts, "sink") if parts else ())


def biomass_table(data: ReportData, book: Book) -> Table:
    """Biomass by forest type."""
    return zone_table(data, book, "biomass", book.parts("biomass"))


def wetland_table(data: ReportData, book: Book) -> Table:
    """Wetland area by kind, burial and small wetlands."""
    return zone_table(data, book, "wetland", (*book.parts("wetland_area"), *WETLAND))


def stock_type_zone_table(data: ReportData, book: Book) -> Table:
    """Growing stock by forest type and zone."""
    return zone_table(data, book, "stock_type_zone", book.parts("stock_by_type"))


def type_table(data: ReportData, book: Book) -> Table:
    """Area and growing stock of the city by forest type; the total is the city's growing stock."""
    types = [quantity.partition(":")[2] for quantity in book.parts("stock_by_type")]
    return _parted(data, book, "types", types, {"class_area": "", "stock_by_type": "growing_stock"})


def age_table(data: ReportData, book: Book) -> Table:
    """Area and growing stock of arbor forest of the whole city by age group."""
    return _parted(data, book, "ages", _ages(book), {"area_by_age": "arbor_area", "stock_by_age": "growing_stock"})


def stock_age_zone_table(data: ReportData, book: Book) -> Table:
    """Growing stock by age group and zone."""
    return zone_table(data, book, "stock_age_zone", [f"stock_by_age:{part}" for part in _ages(book)])


def _ages(book: Book) -> list[str]:
    there = {quantity.partition(":")[2] for quantity in book.parts("stock_by_age")}
    return [part for part in (*AGES, UNKNOWN) if part in there]


def _parted(data: ReportData, book: Book, table_id: str, parts: Sequence[str], wholes: Mapping[str, str]) -> Table:
    """Parts of the city by quantities; ``wholes``: heads of the parts, the last the stock, to the whole or nothing."""
    stock = list(wholes)[-1]
    heads = [head for head in wholes if any(book.has(f"{head}:{part}") for part in parts)]
    if stock not in heads:
        heads = []
    columns = []
    for head in heads:
        unit = book.unit(next(f"{head}:{part}" for part in parts if book.has(f"{head}:{part}")))
        name, sums = Words.of(f"report.head_{head}"), book.has(wholes[head])
        columns.append(Column(head, name, unit, adds_up=book.parts_add_up(head), sums=sums))
    rows = tuple(
        Row(part, part_name(data, f"{stock}:{part}"), tuple(book.entry(f"{head}:{part}") for head in heads))
        for part in parts
    )
    total = Row(CITY, Words.of("report.total"), tuple(book.entry(wholes[head]) for head in heads))
    first = Words.of("report.type" if table_id == "types" else "report.age_group")
    return Table(table_id, Words.of(f"report.table_{table_id}"), first, tuple(columns), rows, total)


def other_entries(book: Book, printed: Iterable[Table]) -> list[Entry]:
    """City-wide estimates that none of the given tables shows."""
    shown = {cell.quantity for table in printed for row in table.body for cell in row.cells if cell is not None}
    entries = (book.entry(quantity) for quantity in book.quantities if quantity not in shown)
    return [entry for entry in entries if entry is not None]


def all_tables(data: ReportData, book: Book) -> dict[str, Table]:
    """Every table by its id; those that the run cannot fill are false."""
    builders = (
        overview_table,
        area_table,
        class_table,
        stock_table,
        type_table,
        stock_type_zone_table,
        age_table,
        stock_age_zone_table,
        carbon_table,
        sink_table,
        pool_table,
        biomass_table,
        wetland_table,
    )
    tables = [build(data, book) for build in builders]
    return {table.id: table for table in tables}


def _column(data: ReportData, book: Book, quantity: str) -> Column:
    if quantity == LAND_AREA:
        return Column(quantity, Words.of("quantities.land_area"), "ha", adds_up=True, sums=True)
    name = quantity_name(data, quantity)
    if quantity.partition(":")[0] in _LISTED and ":" in quantity:
        name = part_name(data, quantity)  # the table's title says what is listed
    whole = book.entry(quantity)
    sums = unit_of(book.unit(quantity)).additive and whole is not None and whole.value is not None
    return Column(quantity, name, book.unit(quantity), adds_up=book.zones_add_up(quantity), sums=sums)


def _land_area(data: ReportData) -> dict[str, Entry]:
    """The zones' areas to the hectare, rounded so that they add up to the rounded whole."""
    frame = data.zones.assign(zone_id=data.zones["zone_id"].astype(str)).sort_values("zone_id")
    areas = [float(area) for area in frame["area_ha"]]
    whole = rounded(math.fsum(areas), 0)
    printed = dict(zip(frame["zone_id"], rounded_to_sum(areas, whole, 0), strict=True))
    raw = dict(zip(frame["zone_id"], areas, strict=True))
    blank = _measured(CITY, whole, math.fsum(areas))
    return {CITY: blank, **{zone: _measured(zone, value, raw[zone]) for zone, value in printed.items()}}


def _measured(zone: str, value: Decimal, raw: float) -> Entry:
    return Entry(
        quantity=LAND_AREA,
        zone=zone,
        unit="ha",
        step=0,
        value=value,
        low=None,
        high=None,
        raw=raw,
        relative=None,
        level=None,
        method="",
        n=None,
        status="ok",
        note=Words("", ""),
        provisional=False,
        simulated=False,
    )
