"""The survey's table of land-use polygons: areas by code and county, and coverage under the rule on their codes."""

from __future__ import annotations

from sinkest.report.data import ReportData
from sinkest.report.landuse import groups_of, land_use_name, polygons_of, printed_groups
from sinkest.report.leafs import Cell, Leafs, added, quotient
from sinkest.report.names import Words
from sinkest.report.survey import Head, SurveyTable, by_zone_table, head_of, land_cells, unit_name


def land_use_table(data: ReportData) -> SurveyTable | None:
    """The table, or None where the run has no polygons; a county with gaps has no coverage."""
    table = polygons_of(data)
    if table is None:
        return None
    leafs = Leafs(data)
    land = land_cells(data, leafs)
    counted, others = groups_of(table)
    groups = printed_groups(table, leafs, land)
    forest: dict[str, Cell] = {}
    for zone in leafs.zones:
        stated = leafs.value("land_use_forest_area", zone) is not None
        summed = added([groups[name][zone] for name in counted])
        forest[zone] = summed if stated else leafs.words("land_use_forest_area", zone)
    coverage = {zone: quotient(forest[zone], land[zone], 2, 100) for zone in leafs.zones}
    heads = [head_of("land", "ha")]
    heads += [Head(_heading(name), unit_name("ha")) for name in (*counted, *others)]
    heads += [head_of("forest", "ha"), head_of("coverage", "percent", sums=False)]
    columns = [land, *(groups[name] for name in (*counted, *others)), forest, coverage]
    last = len(heads) - 1
    notes = ("note_land_use", "note_land_use_rule")
    return by_zone_table(data, leafs, "land_use", heads, columns, {last: (last - 1, 0, 100)}, notes)


def _heading(name: str) -> Words:
    if not name:
        return Words.of("survey.head_other_land_use")
    shown = land_use_name(name)
    return shown if name == "none" else Words(f"{name} {shown.zh}", f"{name} {shown.en}")
