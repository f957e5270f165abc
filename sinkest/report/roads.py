"""Declared scenarios as roads on a trajectory: what each of them makes of a quantity, with its band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sinkest.report.charts import pairs
from sinkest.report.data import CITY, ReportData
from sinkest.report.names import Words, clean
from sinkest.report.svg import MUTED, Scale, element, label, line
from sinkest.report.units import base_unit, finite

COLOURS = ("#6b4a9e", "#9a6a00", "#1f6f86", "#8c2f4a")
"""Of the scenarios in the order they are declared; a fifth begins again."""
DASHES = ("7 3", "2 3", "9 3 2 3", "1 4")
ROW_PX = 16.0


@dataclass(frozen=True)
class Stop:
    """A scenario in a year: the middle and the ends of its band, in the base unit."""

    year: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Road:
    """A scenario of one quantity."""

    name: Words
    stops: tuple[Stop, ...]


def roads_of(data: ReportData, quantity: str, definition_id: object) -> tuple[Road, ...]:
    """The scenarios of a quantity of the whole, under the definition of the trajectory they are drawn on."""
    table = data.details.get("scenarios")
    if table is None or table.empty:
        return ()
    table = table[(table["quantity"] == quantity) & (table["zone"].astype(str) == CITY)]
    if isinstance(definition_id, str) and definition_id:
        table = table[table["definition_id"] == definition_id]
    roads = []
    for _, rows in table.drop_duplicates(["scenario", "year"]).groupby("scenario", sort=False):
        stops = []
        for row in rows.sort_values("year").to_dict("records"):
            _, power = base_unit(str(row["unit"]))
            value, low, high = (finite(row[name]) for name in ("value", "low", "high"))
            if value is not None:
                ends = (None if end is None else end * 10.0**power for end in (low, high))
                stops.append(Stop(int(row["year"]), value * 10.0**power, *ends))
        first = rows.iloc[0]
        if len(stops) > 1:
            roads.append(Road(Words(clean(str(first["scenario_zh"])), clean(str(first["scenario_en"]))), tuple(stops)))
    return tuple(roads)


def drawn_roads(roads: Sequence[Road], x: Scale, y: Scale) -> list[Markup]:
    """Bands first, then the middle lines, so that no band hides a line."""
    bands, middles = [], []
    for place, road in enumerate(roads):
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        held = [stop for stop in road.stops if stop.low is not None and stop.high is not None]
        upper = [(x(stop.year), y(stop.high)) for stop in held if stop.high is not None]
        lower = [(x(stop.year), y(stop.low)) for stop in held if stop.low is not None]
        if len(held) > 1:
            shape = pairs([*upper, *reversed(lower)])
            bands.append(element("polygon", points=shape, fill=colour, opacity=0.1, class_="road"))
        middle = pairs([(x(stop.year), y(stop.value)) for stop in road.stops])
        look = {"stroke": colour, "stroke_width": 1.8, "stroke_dasharray": dash}
        middles.append(element("polyline", points=middle, fill="none", **look))
    return bands + middles


def road_key(roads: Sequence[Road], left: float, top: float) -> list[Markup]:
    """A line of the scenario's kind beside its name, one below the other."""
    parts = []
    for place, road in enumerate(roads):
        at = top + place * ROW_PX
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        parts.append(line(left, at - 4, left + 26, at - 4, colour, 1.8, stroke_dasharray=dash))
        parts.append(label(road.name, left + 32, at, font_size=12, fill=MUTED))
    return parts
