"""The account's own tables behind the main ones: plain rows of words and numbers, as the run's files hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sinkest.report.book import Book
from sinkest.report.data import CITY, ReportData
from sinkest.report.landuse import NO_POLYGON, land_use_name
from sinkest.report.names import Words, known, part_name, quantity_name
from sinkest.report.units import MISSING, finite, probability, trimmed, unit_label, unit_of

_RESULTS = ("t_", "change_", "net_", "burial_", "methane_", "flooding_", "before_t", "after_t")

Record = Mapping[str, Any]
Cell = Callable[[ReportData, Record], Words]


@dataclass(frozen=True)
class Listing:
    """A plain table: headings and rows of cells, in both languages."""

    id: str
    title: Words
    heads: tuple[Words, ...]
    rows: tuple[tuple[Words, ...], ...]

    def __bool__(self) -> bool:
        return bool(self.rows)


def listings(data: ReportData, book: Book) -> dict[str, Listing]:
    """Every listing by its id; those that the run cannot fill are false."""
    found = {name: _plain(data, name, cells) for name, cells in _CELLS.items()}
    return {"uncertainty": _uncertainty(data, book), "wetland_sites": _sites(data), **found}


def _plain(data: ReportData, name: str, cells: Mapping[str, Cell]) -> Listing:
    table = data.details.get(name)
    if table is not None and name == "scenarios":
        table = table[table["target_id"].notna()]  # years without a target are in the run's own table
    if table is not None and name == "land_use":
        table = table[table["zone"].astype(str) == CITY]  # the zones stand in the survey's table
    rows = []
    for record in [] if table is None else table.to_dict(orient="records"):
        line = {str(key): value for key, value in record.items()}
        withheld = bool(line.get("provisional", False)) and not data.provisional_accepted
        rows.append(tuple(_cell(data, line, key, cell, withheld) for key, cell in cells.items()))
    heads = tuple(Words.of(f"report.list_{key}") for key in cells)
    return Listing(name, Words.of(f"report.list_title_{name}"), heads, tuple(rows))


def _cell(data: ReportData, line: Record, key: str, cell: Cell, withheld: bool) -> Words:
    """A cell; a number that rests on unchecked coefficients is withheld unless they are accepted."""
    if withheld and key.startswith(_RESULTS):
        return Words.of("report.list_withheld")
    return cell(data, line)


def _uncertainty(data: ReportData, book: Book) -> Listing:
    """Approach 1 beside approach 2 for the whole, with the estimate as it is printed everywhere."""
    keys = ("quantity", "estimate", "approach_1", "approach_2", "approach_1_holds")
    table = data.details.get("uncertainty")
    rows = []
    for record in [] if table is None else table[table["zone"].astype(str) == CITY].to_dict(orient="records"):
        entry = book.entry(str(record["quantity"]))
        if entry is None or entry.value is None:
            continue
        value = Words(*(f"{entry.shown(lang)} {unit_label(entry.unit, lang)}" for lang in ("zh", "en")))
        first, low, high = (
            finite(record[f"percent_{name}"]) for name in ("approach_1", "low_approach_2", "high_approach_2")
        )
        if first is None or low is None or high is None:
            continue
        holds = Words.of("report.list_yes" if record["within_limit"] else "report.list_no")
        ends = f"{_signed(low)} … {_signed(high)} %"
        name = quantity_name(data, str(record["quantity"]))
        rows.append((name, value, Words.same(f"± {trimmed(first, 2)} %"), Words.same(ends), holds))
    heads = tuple(Words.of(f"report.list_{key}") for key in keys)
    return Listing("uncertainty", Words.of("report.list_title_uncertainty"), heads, tuple(rows))


def _sites(data: ReportData) -> Listing:
    """A row a site: water and vegetation by season, and their change where an earlier run knows it."""
    table = data.details.get("wetland_sites")
    keys = ("site", "kind", "corridor", "site_ha", "pixels", "site_water", "site_vegetation", "site_change")
    rows = []
    for _, site in [] if table is None else table.groupby("site_id", sort=False):
        lines = [{str(key): value for key, value in line.items()} for line in site.to_dict(orient="records")]
        head = lines[0]
        about = (
            Words(str(head["name_zh"]), str(head["name_en"])) if finite(head["name_zh"]) is None else Words.same("—"),
            known(f"quantities.kind_{head['kind']}", head["kind"]),
            Words.of("report.list_is" if head["in_corridor"] else "report.list_is_not"),
            Words.same(trimmed(float(head["area_ha"]), 4)),
            _number("pixels")(data, head),
        )
        rows.append((*about, _by_season(lines, "water"), _by_season(lines, "vegetation"), _by_season(lines, "change")))
    heads = tuple(Words.of(f"report.list_{key}") for key in keys)
    return Listing("wetland_sites", Words.of("report.list_title_wetland_sites"), heads, tuple(rows))


def _by_season(lines: list[dict[str, Any]], column: str) -> Words:
    """Shares of a site in percent, season by season; one word where no season says anything."""
    states = dict.fromkeys(str(line["status"]) for line in lines)
    if "ok" not in states:
        return Words.of(f"sitewatch.status_{next(iter(states))}") if column == "water" else Words.same(MISSING)
    zh, en = [], []
    for line in lines:
        if line["status"] != "ok":
            continue
        value = finite(line["water_change" if column == "change" else column])
        if value is None:
            continue
        season = season_name(str(line["season"]))
        shown = f"{100 * value:+.0f}" if column == "change" else f"{100 * value:.0f}"
        zh.append(f"{season.zh} {shown}")
        en.append(f"{season.en} {shown}")
    return Words(" · ".join(zh) or MISSING, " · ".join(en) or MISSING)


def season_name(season: str) -> Words:
    """Name of a season of the configuration."""
    return known(f"quantities.season_{season}", season)


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{trimmed(abs(value), 2)}"


def _number(column: str, digits: int = 3) -> Cell:
    def shown(_data: ReportData, line: Record) -> Words:
        value = finite(line[column])
        if value is None:
            return Words.same(MISSING)
        return Words.same(f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else trimmed(value, digits))

    return shown


def _later(column: str) -> Cell:
    """A number of a column that runs of earlier releases have not."""
    shown = _number(column)

    def known_since(data: ReportData, line: Record) -> Words:
        return shown(data, {column: None, **line})

    return known_since


def _text(column: str) -> Cell:
    def shown(_data: ReportData, line: Record) -> Words:
        value = line[column]
        return Words.same(MISSING if value != value or value == "" else value)

    return shown


def _named(prefix: str, column: str) -> Cell:
    def shown(_data: ReportData, line: Record) -> Words:
        value = str(line[column])
        return known(f"{prefix}{value}", value)

    return shown


def _type(data: ReportData, line: Record) -> Words:
    value = line["type"]
    return Words("", "") if value != value or value == "" else part_name(data, f"stock_by_type:{value}")


def _scenario(_data: ReportData, line: Record) -> Words:
    return Words(str(line["scenario_zh"]), str(line["scenario_en"]))


def _figure(column: str) -> Cell:
    """A number in the shown unit, with its label where it is the value itself."""

    def shown(_data: ReportData, line: Record) -> Words:
        value, unit = finite(line[column]), str(line["unit"])
        if value is None:
            return Words.same(MISSING)
        texts = []
        for language in ("zh", "en"):
            label = f" {unit_label(unit, language)}" if column == "value" else ""
            texts.append(f"{trimmed(value / 10.0 ** unit_of(unit).power(language), 4)}{label}")
        return Words(*texts)

    return shown


def _yes(column: str) -> Cell:
    def shown(_data: ReportData, line: Record) -> Words:
        return Words.of("report.list_is" if line[column] else "report.list_is_not")

    return shown


def _held_against(_data: ReportData, line: Record) -> Words:
    value = finite(line["target_value"])
    if value is None:
        return Words.same(MISSING)
    unit = str(line["unit"])
    shown = (f"{trimmed(value / 10.0 ** unit_of(unit).power(lang), 5)}" for lang in ("zh", "en"))
    return Words(*(f"{text} ({int(line['target_year'])})" for text in shown))


def _chance(_data: ReportData, line: Record) -> Words:
    return Words.same(probability(finite(line["probability"])))


def _quantity(data: ReportData, line: Record) -> Words:
    return quantity_name(data, str(line["quantity"]))


def _year(_data: ReportData, line: Record) -> Words:
    return Words.same(int(line["year"]))


def _period(_data: ReportData, line: Record) -> Words:
    return Words.same(f"{int(line['from_year'])}-{int(line['to_year'])}")


def _code(_data: ReportData, line: Record) -> Words:
    code = str(line["code"])
    name = land_use_name(code)
    return name if code == NO_POLYGON else Words(f"{code} {name.zh}", f"{code} {name.en}")


_CELLS: dict[str, dict[str, Cell]] = {
    "land_use": {
        "land_use_code": _code,
        "counts": _yes("counts"),
        "polygons": _number("polygons"),
        "polygon_ha": _number("polygon_ha"),
        "counted_ha": _number("counted_ha"),
    },
    "scenarios": {
        "scenario": _scenario,
        "quantity": _quantity,
        "year": _year,
        "projected": _figure("value"),
        "projected_low": _figure("low"),
        "projected_high": _figure("high"),
        "held_against": _held_against,
        "chance": _chance,
    },
    "gain_loss": {
        "item": _named("account.item_", "item"),
        "type": _type,
        "area_ha": _number("area_ha"),
        "age": _number("age_years"),
        "t_c_ha_yr": _number("t_c_ha_yr"),
        "t_co2_yr": _number("t_co2_yr"),
        "known_se": _later("known_se_t_co2_yr"),
    },
    "wetland_sensitivity": {
        "case": _named("account.case_", "case"),
        "burial_t_co2_yr": _number("burial_t_co2_yr"),
        "methane_t_yr": _number("methane_t_yr"),
        "methane_t_co2e_yr": _number("methane_t_co2e_yr"),
        "flooding_t_co2_yr": _number("flooding_t_co2_yr"),
        "net_t_co2e_yr": _number("net_t_co2e_yr"),
    },
    "wetland_restoration": {
        "site": _text("site_id"),
        "restoration_method": _text("method"),
        "period": _period,
        "before": _named("quantities.kind_", "before_kind"),
        "after": _named("quantities.kind_", "after_kind"),
        "before_t_co2e_yr": _number("before_t_co2e_yr"),
        "after_t_co2e_yr": _number("after_t_co2e_yr"),
        "change_t_co2e_yr": _number("change_t_co2e_yr"),
        "change_t_co2e": _number("change_t_co2e"),
    },
    "cropland": {
        "field": _text("field_id"),
        "area_ha": _number("area_ha"),
        "soil_change_t_co2_yr": _number("soil_change_t_co2_yr"),
        "methane_t_co2e_yr": _number("paddy_methane_t_co2e_yr"),
        "net_t_co2e_yr": _number("net_t_co2e_yr"),
    },
}


def detail_tables(read: Callable[[str], pd.DataFrame | None]) -> dict[str, pd.DataFrame]:
    """The tables of a run that listings are made of; those it has not are left out."""
    found = {name: read(name) for name in ("uncertainty", "wetland", "wetland_sites", *_CELLS)}
    return {name: table for name, table in found.items() if table is not None}
