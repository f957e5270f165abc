"""The tables of the survey in the bureau's order and units, from the tidy table and nothing else.

Rounding, stated under every table: counties are rounded to the last digit of the unit so that they add up to the whole
(each to the next digit below or above); types, classes and pools of a county so that they add up to the county; every
total is the sum of the printed cells, so that all sums agree to the last printed digit, in rows and in columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import pandas as pd

from sinkest.report.ages import AGES, age_cells, has_ages
from sinkest.report.book import rounded_to_sum
from sinkest.report.data import CITY, WITHHELD, ReportData
from sinkest.report.landuse import woodland
from sinkest.report.leafs import HUNDREDTH, NO_DATA, Cell, Leafs, added, quotient
from sinkest.report.names import Words, class_names, zone_name
from sinkest.report.tables import joined
from sinkest.report.units import finite, rounded


@dataclass(frozen=True)
class Head:
    """A column: name, unit, decimals, and whether the rows add up to the total."""

    name: Words
    unit: Words
    places: int = 2
    sums: bool = True


@dataclass(frozen=True)
class SurveyTable:
    """A table of the survey.

    Attributes
    ----------
    id : str
        ``"1"`` to ``"7"``, ``"crt"`` or ``"inclusion"``.
    first : Words
        Heading of the names.
    heads : tuple of Head
    rows : tuple of (name, cells)
    total : tuple of cells or None
    by_zone : bool
        Rows are the zones in the order of their codes.
    notes : tuple of Words
    """

    id: str
    first: Words
    heads: tuple[Head, ...]
    rows: tuple[tuple[Words, tuple[Cell, ...]], ...]
    total: tuple[Cell, ...] | None
    by_zone: bool
    notes: tuple[Words, ...] = ()

    @property
    def has_numbers(self) -> bool:
        """Whether any cell is a number."""
        return any(isinstance(cell, Decimal) for _, cells in self.rows for cell in cells)


def survey_tables(data: ReportData) -> tuple[SurveyTable, ...]:
    """Tables 1 to 7 of the survey, those the run cannot fill included: they say what is missing."""
    leafs = Leafs(data)
    return (
        _land(data, leafs),
        _stock(data, leafs),
        _types(data, leafs),
        _bamboo(data, leafs),
        _carbon(data, leafs),
        _sink(data, leafs),
        _wetland(data),
    )


def unit_name(name: str) -> Words:
    """A unit by the id of its text."""
    return Words.of(f"survey.unit_{name}")


def head_of(name: str, unit: str, places: int = 2, sums: bool = True) -> Head:
    """A column by the ids of its texts."""
    return Head(Words.of(f"survey.head_{name}"), unit_name(unit), places, sums)


def _zone_rows(
    data: ReportData, zones: Sequence[str], columns: Sequence[Mapping[str, Cell]]
) -> tuple[tuple[Words, tuple[Cell, ...]], ...]:
    return tuple((zone_name(data, zone), tuple(column.get(zone, NO_DATA) for column in columns)) for zone in zones)


def _totals(heads: Sequence[Head], columns: Sequence[Mapping[str, Cell]], zones: Sequence[str]) -> list[Cell]:
    return [
        column.get(CITY, added([column.get(zone, NO_DATA) for zone in zones])) if head.sums else None
        for head, column in zip(heads, columns, strict=True)
    ]


def by_zone_table(
    data: ReportData,
    leafs: Leafs,
    table_id: str,
    heads: Sequence[Head],
    columns: Sequence[Mapping[str, Cell]],
    quotients: Mapping[int, tuple[int, int, int]],
    notes: Sequence[str],
) -> SurveyTable:
    """A county table; ``quotients``: place of a column to (numerator, denominator, factor) for its total."""
    total = _totals(heads, columns, leafs.zones)
    for place, (top, bottom, factor) in quotients.items():
        total[place] = quotient(total[top], total[bottom], heads[place].places, factor)
    rows = _zone_rows(data, leafs.zones, columns)
    apart = [
        head.name
        for head, column in zip(heads, columns, strict=True)
        if head.sums and isinstance(column.get(CITY), Decimal) and all(isinstance(v, Decimal) for v in column.values())
    ]
    told = [Words.of("survey.not_adding", columns=joined(apart))] if apart else []
    lines = (*(Words.of(f"survey.{name}") for name in ("rounding", *notes)), *told)
    return SurveyTable(table_id, Words.of("report.zone"), tuple(heads), rows, tuple(total), True, lines)


def _missing(leafs: Leafs) -> dict[str, Cell]:
    return dict.fromkeys(leafs.zones, NO_DATA)


def _parts_added(leafs: Leafs, parts: Mapping[str, Mapping[str, Cell]], names: Sequence[str]) -> dict[str, Cell]:
    return {zone: added([parts[name][zone] for name in names]) if names else NO_DATA for zone in leafs.zones}


def _forest_areas(data: ReportData, leafs: Leafs) -> tuple[dict[str, Cell], dict[str, dict[str, Cell]]]:
    """Forest area by zone, and the classes that make it up by zone, in ha."""
    forest = leafs.column("forest_area")
    names = [f"class_area:{name}" for name in data.roles.get("forest", ())]
    parts = leafs.split(forest, names) if names else {}
    if parts:
        # the area of forest is what its printed classes add up to
        made_up = _parts_added(leafs, parts, names)
        forest = {zone: made_up[zone] if isinstance(made_up[zone], Decimal) else forest[zone] for zone in leafs.zones}
    return forest, parts


def _group(data: ReportData, leafs: Leafs, parts: Mapping[str, Mapping[str, Cell]], role: str) -> dict[str, Cell]:
    names = [f"class_area:{name}" for name in data.roles.get(role, ())]
    names = [name for name in names if name in parts]
    return _parts_added(leafs, parts, names) if names else _missing(leafs)


def _special_shrub(data: ReportData, leafs: Leafs, parts: Mapping[str, Mapping[str, Cell]]) -> dict[str, Cell]:
    """Forest that is neither arbor nor bamboo: the specially designated shrub."""
    others = {*data.roles.get("arbor", ()), *data.roles.get("bamboo", ())}
    names = [name for name in parts if name.partition(":")[2] not in others]
    return _parts_added(leafs, parts, names) if names else _missing(leafs)


def land_cells(data: ReportData, leafs: Leafs) -> dict[str, Cell]:
    """Land of each zone as printed, ha."""
    areas = dict(zip(data.zones["zone_id"].astype(str), data.zones["area_ha"].astype(float), strict=True))
    numbers = [areas[zone] for zone in leafs.zones]
    printed = rounded_to_sum(numbers, rounded(math.fsum(numbers), HUNDREDTH), HUNDREDTH)
    return dict(zip(leafs.zones, printed, strict=True))


def _land(data: ReportData, leafs: Leafs) -> SurveyTable:
    land = land_cells(data, leafs)
    forest, parts = _forest_areas(data, leafs)
    shrub = [name for name in data.roles.get("shrub", ()) if name not in data.roles.get("forest", ())]
    other = leafs.column(f"class_area:{shrub[0]}") if len(shrub) == 1 else _missing(leafs)
    coverage = {zone: quotient(forest[zone], land[zone], 2, 100) for zone in leafs.zones}
    surveyed = woodland(data, leafs)
    columns = [
        land,
        surveyed or _missing(leafs),
        _group(data, leafs, parts, "arbor"),
        _group(data, leafs, parts, "bamboo"),
        _special_shrub(data, leafs, parts),
        other,
        *(_missing(leafs) for _ in range(3)),
        forest,
        coverage,
    ]
    notes = (*(["note_woodland"] if surveyed else []), "note_land", "note_classes")
    names = ("land", "woodland", "arbor", "bamboo", "special_shrub", "other_shrub", "open", "young", "cleared")
    heads = [*(head_of(name, "ha") for name in (*names, "forest")), head_of("coverage", "percent", sums=False)]
    table = by_zone_table(data, leafs, "1", heads, columns, {10: (9, 0, 100)}, notes)
    if any(isinstance(cell, Decimal) for cell in forest.values()):
        return table
    return replace(table, notes=(Words.of("report.missing_survey_1"), *table.notes))


def _stock_cells(data: ReportData, leafs: Leafs) -> tuple[dict[str, Cell], dict[str, dict[str, Cell]]]:
    """Growing stock by zone, and by type and zone, in 10^4 m3."""
    stock = leafs.column("growing_stock", 4)
    names = [f"stock_by_type:{name}" for name in data.roles.get("arbor", ())]
    names = [name for name in names if leafs.value(name) is not None]
    return stock, leafs.split(stock, names, 4) if names else {}


def _stock(data: ReportData, leafs: Leafs) -> SurveyTable:
    stock, _ = _stock_cells(data, leafs)
    per_ha = {zone: leafs.own("growing_stock_per_ha", zone, 0, HUNDREDTH) for zone in leafs.zones}
    missing = [_missing(leafs) for _ in range(3)]
    columns = [_missing(leafs), stock, *missing, per_ha]
    heads = [head_of(name, "m3") for name in ("living", "forest_stock", "open_stock", "scattered", "four_sides")]
    heads.append(head_of("stock_per_ha", "m3_ha", sums=False))
    table = by_zone_table(data, leafs, "2", heads, columns, {}, ("note_stock",))
    whole = leafs.value("growing_stock_per_ha")
    cells = table.total or ()
    last: Cell = leafs.words("growing_stock_per_ha") if whole is None else rounded(whole, HUNDREDTH)
    return _with_total(table, (*cells[:-1], last))


def _with_total(table: SurveyTable, total: tuple[Cell, ...]) -> SurveyTable:
    return replace(table, total=total)


def _types(data: ReportData, leafs: Leafs) -> SurveyTable:
    _, areas = _forest_areas(data, leafs)
    _, stocks = _stock_cells(data, leafs)
    names = class_names(data)
    aged = has_ages(leafs)
    rows = []
    for name in data.roles.get("arbor", ()):
        area = added([*areas.get(f"class_area:{name}", {}).values()])
        stock = added([*stocks.get(f"stock_by_type:{name}", {}).values()])
        by_age = Words.of("survey.whole_only") if aged else NO_DATA
        cells = (area, stock, quotient(stock, area, 2, 10_000), *[by_age] * len(AGES))
        rows.append((names.get(name, Words.same(name)), cells))
    heads = [head_of("type_area", "ha"), head_of("type_stock", "m3"), head_of("type_per_ha", "m3_ha", sums=False)]
    heads += [head_of(f"age_{age}", "ha") for age in AGES]
    total: list[Cell] = [added([cells[place] for _, cells in rows]) for place in range(len(heads))]
    total[2] = quotient(total[1], total[0], 2, 10_000)
    total[3:] = age_cells(leafs, total[0])
    notes = tuple(Words.of(f"survey.{name}") for name in ("rounding", "note_ages" if aged else "note_types"))
    return SurveyTable("3", Words.of("survey.type"), tuple(heads), tuple(rows), tuple(total), False, notes)


def _bamboo(data: ReportData, leafs: Leafs) -> SurveyTable:
    _, parts = _forest_areas(data, leafs)
    bamboo = _group(data, leafs, parts, "bamboo")
    oil_tea = _group(data, leafs, parts, "oil_tea")
    if all(cell is NO_DATA for cell in oil_tea.values()) and len(data.roles.get("oil_tea", ())) == 1:
        oil_tea = leafs.column(f"class_area:{data.roles['oil_tea'][0]}")
    heads = [
        head_of("bamboo", "ha"),
        head_of("culms", "culms"),
        head_of("oil_tea", "ha"),
        head_of("other_economic", "ha"),
    ]
    counted = leafs.known("bamboo_culms")
    culms = leafs.column("bamboo_culms", 4) if counted else _missing(leafs)
    columns = [bamboo, culms, oil_tea, _missing(leafs)]
    note = "note_culms" if counted else "note_bamboo"
    return by_zone_table(data, leafs, "4", heads, columns, {}, (note,))


POOLS = ("carbon_pool:above_ground", "carbon_pool:below_ground", "carbon:bamboo", "carbon:oil_tea", "carbon:shrub")
BESIDE = ("carbon_pool:understorey", "carbon_pool:dead_wood", "carbon_pool:litter", "carbon_pool:soil")


def _carbon(data: ReportData, leafs: Leafs) -> SurveyTable:
    present = [name for name in POOLS if leafs.known(name)]
    vegetation = leafs.column("carbon:total", 4)
    split = leafs.split(vegetation, present, 4) if present else {}
    columns: list[Mapping[str, Cell]] = [split.get(name, _missing(leafs)) for name in POOLS]
    whole = _parts_added(leafs, split, present) if present else vegetation
    if any(not isinstance(cell, Decimal) for cell in whole.values()):
        whole = vegetation
    beside = [leafs.column(name, 4) if leafs.known(name) else _missing(leafs) for name in BESIDE]
    co2 = leafs.column("co2_total", 4)
    trees = {zone: added([column[zone] for column in columns[:2]]) for zone in leafs.zones}
    _, parts = _forest_areas(data, leafs)
    arbor = _group(data, leafs, parts, "arbor")
    density = {zone: quotient(trees[zone], arbor[zone], 2, 10_000) for zone in leafs.zones}
    keys = ("above_ground", "below_ground", "c_bamboo", "c_oil_tea", "c_shrub", "vegetation")
    heads = [head_of(key, "t_c") for key in (*keys, "understorey", "dead_wood", "litter", "soil")]
    heads += [head_of("density", "t_c_ha", sums=False), head_of("co2", "t_co2")]
    table = by_zone_table(
        data, leafs, "5", heads, [*columns, whole, *beside, density, co2], {}, ("note_carbon", "note_soil")
    )
    cells = list(table.total or ())
    cells[10] = quotient(added(cells[:2]), added([*arbor.values()]), 2, 10_000)
    return _with_total(table, tuple(cells))


def _sink(data: ReportData, leafs: Leafs) -> SurveyTable:
    forest, _ = _forest_areas(data, leafs)
    change, sink = leafs.column("stock_change", 4), leafs.column("sink", 4)
    rows = data.estimates[(data.estimates["quantity"] == "sink") & (data.estimates["year"] == data.year)]
    ends: dict[str, tuple[Cell, Cell, Cell]] = {}
    for line in rows.to_dict("records"):
        value, low, high = (finite(line[name]) for name in ("value", "low", "high"))
        if line["status"] == WITHHELD or value is None or low is None or high is None:
            continue
        relative = rounded(50 * (high - low) / abs(value), -1) if value else NO_DATA
        ends[str(line["zone"])] = (rounded(low / 1e4, HUNDREDTH), rounded(high / 1e4, HUNDREDTH), relative)
    nothing: tuple[Cell, Cell, Cell] = (NO_DATA, NO_DATA, NO_DATA)
    columns = [forest, change, sink, *({z: ends.get(z, nothing)[k] for z in leafs.zones} for k in range(3))]
    heads = [head_of("forest", "ha"), head_of("stock_change", "m3_yr"), head_of("sink", "t_co2_yr")]
    heads += [head_of("low", "t_co2_yr", sums=False), head_of("high", "t_co2_yr", sums=False)]
    heads.append(head_of("relative", "percent", 1, sums=False))
    table = by_zone_table(data, leafs, "6", heads, columns, {}, ("note_sink", "note_interval"))
    cells = table.total or ()
    return _with_total(table, (*cells[:3], *ends.get(CITY, nothing)))


_BALANCE = ("burial_t_co2_yr", "methane_t_yr", "methane_t_co2e_yr", "flooding_t_co2_yr", "net_t_co2e_yr")


def _whole_balance(table: pd.DataFrame) -> pd.DataFrame:
    """Balance of the whole by kind: the counties' added where each listed site has one, as the account has it."""
    own, parts = (table[(table["zone"].astype(str) == CITY) == whole] for whole in (True, False))
    if parts.empty or int(parts["sites"].sum()) != int(own["sites"].sum()):
        return own
    sums = parts.groupby("kind", as_index=False)[["sites", "area_ha", *_BALANCE]].sum(min_count=1)
    return sums.merge(parts.groupby("kind", as_index=False)["provisional"].any(), on="kind")


def _wetland(data: ReportData) -> SurveyTable:
    table = data.details.get("wetland")
    here = pd.DataFrame() if table is None else _whole_balance(table)
    rows = []
    for line in here.to_dict("records"):
        kind = Words.of(f"quantities.kind_{line['kind']}")
        withheld = bool(line["provisional"]) and not data.provisional_accepted
        cells: list[Cell] = [Decimal(int(line["sites"])), rounded(float(line["area_ha"]), HUNDREDTH)]
        flows: list[Cell] = []
        for name in _BALANCE[:-1]:
            value = finite(line[name])
            shown: Cell = Words.of("survey.not_assessed") if value is None else rounded(value, HUNDREDTH)
            flows.append(Words.of(f"quantities.status_{WITHHELD}") if withheld else shown)
        assessed = isinstance(flows[2], Decimal)
        net = added([flows[0], flows[2], flows[3]]) if assessed else flows[2]
        rows.append((kind, (*cells, *flows, net)))
    heads = [head_of("sites", "count", 0), head_of("wetland_area", "ha"), head_of("burial", "t_co2_yr_1")]
    heads += [head_of("methane", "t_ch4"), head_of("methane_co2e", "t_co2e"), head_of("flooding", "t_co2_yr_1")]
    heads.append(head_of("net", "t_co2e"))
    total = tuple(_assessed([cells[place] for _, cells in rows]) for place in range(len(heads)))
    notes = tuple(Words.of(f"survey.{name}") for name in ("rounding", "note_wetland"))
    return SurveyTable("7", Words.of("survey.kind"), tuple(heads), tuple(rows), total, False, notes)


def _assessed(cells: Sequence[Cell]) -> Cell:
    """Sum of what was assessed; kinds of water that were not are said so in their rows and add nothing."""
    skipped = Words.of("survey.not_assessed")
    kept = [cell for cell in cells if cell != skipped]
    return added(kept) if kept or not cells else skipped
