"""Charts over a numeric axis: the years of a trajectory, the bins of stock, observed against predicted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from sinkest.report.charts import WIDTH, axis_value, pairs
from sinkest.report.names import Words
from sinkest.report.roads import ROW_PX, Road, drawn_roads, road_key
from sinkest.report.svg import (
    FOREST,
    GRID,
    INK,
    MUTED,
    TARGET,
    WATER,
    Scale,
    coordinate,
    element,
    label,
    line,
    picture,
    scale_over,
    watermark,
)
from sinkest.report.units import finite, rounded

TEXT = 13


@dataclass(frozen=True)
class Point:
    """A value of a trajectory, in the base unit."""

    year: int
    kind: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Bin:
    """Bias of a bin of observed stock."""

    low: float
    high: float
    n: int
    bias: float


def points_of(table: pd.DataFrame, factor: float = 1.0) -> list[Point]:
    """Rows of a trajectory table with a value, by year; ``factor`` brings its unit to the base unit."""
    points = []
    for row in table.sort_values("year", kind="stable").to_dict(orient="records"):
        value, low, high = (finite(row[name]) for name in ("value", "low", "high"))
        if value is not None:
            ends = (None if end is None else end * factor for end in (low, high))
            points.append(Point(int(row["year"]), str(row["kind"]), value * factor, *ends))
    return points


def bins_of(table: pd.DataFrame) -> list[Bin]:
    """Rows of a table of bias that have one."""
    rows = table.to_dict(orient="records")
    return [
        Bin(float(row["low"]), float(row["high"]), int(row["n"]), float(row["bias"]))
        for row in rows
        if finite(row["bias"]) is not None
    ]


def trajectory(
    points: Sequence[Point], unit: str, caption_id: str, simulated: bool, roads: Sequence[Road] = ()
) -> Markup:
    """A quantity over the years: estimates with intervals, the plan's path, targets, projection and scenarios."""
    if not points:
        return Markup("")
    key_px = ROW_PX * len(roads)
    width, height, left, right, top, floor = WIDTH, 300.0 + key_px, 62.0, 66.0, 18.0, 262.0
    known = [(point.value, point.low, point.high) for point in points]
    known += [(stop.value, stop.low, stop.high) for road in roads for stop in road.stops]
    y = scale_over([end for three in known for end in three if end is not None], floor, top, pad=0.1)
    years = sorted({point.year for point in points} | {stop.year for road in roads for stop in road.stops})
    room = 0.4 if len(years) > 1 else 1.0
    x = Scale(years[0] - room, years[-1] + room, left, width - right)
    parts = _year_axes(x, y, unit, years, left, width - right, floor)
    parts += _projection([point for point in points if point.kind == "projection"], x, y)
    parts += drawn_roads(roads, x, y) + road_key(roads, left, floor + 42)
    path = [(x(point.year), y(point.value)) for point in points if point.kind == "path"]
    if len(path) > 1:
        dashes = {"stroke": TARGET, "stroke_width": 2, "stroke_dasharray": "6 4"}
        parts.append(element("polyline", points=pairs(path), fill="none", **dashes))
    for point in points:
        if point.kind == "target":
            parts += _target_point(x(point.year), y(point.value), point.value, unit)
    for point in points:
        if point.kind == "estimate":
            parts += _estimate_point(point, x, y)
    parts.append(watermark(width, floor + 38, 40, simulated))
    return picture(width, height, *parts, labelled_by=caption_id)


def bias_bins(bins: Sequence[Bin], what: Words, unit: Words, caption_id: str, simulated: bool) -> Markup:
    """Mean bias (predicted minus observed) by bin of the observed response, with the number of plots in each."""
    if not bins:
        return Markup("")
    width, height, left, top, floor = WIDTH, 300.0, 46.0, 18.0, 228.0
    right = width - 14
    y = scale_over([item.bias for item in bins], floor, top, pad=0.12, zero=True)
    slot = (right - left) / len(bins)
    parts = [part for tick in y.ticks(5) for part in _tick_line(tick, y(tick), left, right)]
    for place, item in enumerate(bins):
        middle = left + slot * (place + 0.5)
        start, end = sorted((y(0.0), y(item.bias)))
        box = {"x": middle - slot * 0.34, "y": start, "width": slot * 0.68, "height": max(end - start, 0.5)}
        parts.append(element("rect", **box, fill=WATER if item.bias >= 0 else TARGET))
        text_y = start - 6 if item.bias >= 0 else end + 15
        parts.append(label(_signed(item.bias), middle, text_y, text_anchor="middle", font_size=TEXT, class_="num"))
        parts.append(label(_bin(item), middle, floor + 20, text_anchor="middle", font_size=12, fill=INK, class_="num"))
        parts.append(label(f"n = {item.n}", middle, floor + 37, text_anchor="middle", font_size=12, fill=MUTED))
    parts.append(line(left, y(0.0), right, y(0.0), INK, 1.2))
    title = Words.of("report.axis_observed_bin", what=what, unit=unit)
    parts.append(_axis_title(title, (left + right) / 2, floor + 60))
    parts.append(watermark(width, height, 34, simulated))
    return picture(width, height, *parts, labelled_by=caption_id)


def observed_predicted(
    observed: NDArray[np.float64], predicted: NDArray[np.float64], unit: Words, caption_id: str, simulated: bool
) -> Markup:
    """Out-of-fold predictions against observations, as counts in squares, with the line of equality."""
    known = np.isfinite(observed) & np.isfinite(predicted)
    if not known.any():
        return Markup("")
    size, left, top, floor, cells = 400.0, 58.0, 12.0, 346.0, 40
    side = floor - top
    far = max(float(np.percentile(np.r_[observed[known], predicted[known]], 99.5)), 1e-9)
    x, y = Scale(0.0, far, left, left + side), Scale(0.0, far, floor, top)
    parts = []
    for tick in x.ticks(5):
        parts += _tick_line(tick, y(tick), left, left + side)
        parts.append(line(x(tick), top, x(tick), floor, GRID, 1))
        parts.append(label(f"{tick:g}", x(tick), floor + 18, text_anchor="middle", font_size=12, fill=MUTED))
    counts, *_ = np.histogram2d(observed[known], predicted[known], bins=cells, range=((0, far), (0, far)))
    most = math.log1p(float(counts.max())) or 1.0
    step = side / cells
    for i, j in np.argwhere(counts > 0).tolist():
        shade = 0.25 + 0.75 * math.log1p(float(counts[i, j])) / most
        box = {"x": left + i * step, "y": floor - (j + 1) * step, "width": step, "height": step}
        parts.append(element("rect", **box, fill=FOREST, opacity=shade))
    parts.append(line(x(0), y(0), x(far), y(far), INK, 1.3, stroke_dasharray="5 4"))
    middle = (top + floor) / 2
    across, up = (Words.of(f"report.axis_{name}", unit=unit) for name in ("observed", "predicted"))
    parts.append(_axis_title(across, left + side / 2, floor + 40))
    parts.append(_axis_title(up, 16, middle, transform=f"rotate(-90 16 {coordinate(middle)})"))
    parts.append(watermark(size, size, 30, simulated))
    return picture(size + 12, size, *parts, labelled_by=caption_id)


def _axis_title(title: Words, x: float, y: float, **more: object) -> Markup:
    return label(title, x, y, text_anchor="middle", font_size=TEXT, fill=MUTED, **more)


def _tick_line(value: float, y: float, left: float, right: float) -> list[Markup]:
    shown = "0" if value == 0 else f"{value:g}"
    return [
        line(left, y, right, y, GRID, 1),
        label(shown, left - 8, y + 4, text_anchor="end", font_size=12, fill=MUTED, class_="num"),
    ]


def _signed(value: float) -> str:
    shown = rounded(value, 0)
    return f"+{shown}" if shown > 0 else f"{shown}"


def _bin(item: Bin) -> str:
    return f"{item.low:g}–{item.high:g}" if math.isfinite(item.high) else f"≥ {item.low:g}"


def _year_axes(
    x: Scale, y: Scale, unit: str, years: Sequence[int], left: float, right: float, floor: float
) -> list[Markup]:
    parts = []
    for tick in y.ticks(5):
        parts.append(line(left, y(tick), right, y(tick), GRID, 1))
        words = axis_value(tick, unit)
        parts.append(label(words, left - 8, y(tick) + 4, text_anchor="end", font_size=12, fill=MUTED, class_="num"))
    shown = range(years[0], years[-1] + 1) if years[-1] - years[0] <= 12 else years
    for year in shown:
        parts.append(label(str(year), x(year), floor + 20, text_anchor="middle", font_size=12, fill=MUTED))
    parts.append(line(left, floor, right, floor, MUTED, 1))
    return parts


def _projection(points: Sequence[Point], x: Scale, y: Scale) -> list[Markup]:
    """The projection as a band with its middle line."""
    if len(points) < 2:
        return []
    parts = []
    upper = [(x(point.year), y(point.high)) for point in points if point.high is not None and point.low is not None]
    lower = [(x(point.year), y(point.low)) for point in points if point.high is not None and point.low is not None]
    if len(upper) > 1:
        parts.append(element("polygon", points=pairs([*upper, *reversed(lower)]), fill=FOREST, opacity=0.14))
    middle = [(x(point.year), y(point.value)) for point in points]
    parts.append(element("polyline", points=pairs(middle), fill="none", stroke=FOREST, stroke_width=1.8))
    return parts


def _target_point(x: float, y: float, value: float, unit: str) -> list[Markup]:
    diamond = pairs([(x, y - 10), (x + 10, y), (x, y + 10), (x - 10, y)])
    return [
        element("polygon", points=diamond, fill="#fff", stroke=TARGET, stroke_width=2.4),
        label(axis_value(value, unit), x + 14, y + 4.5, font_size=TEXT, fill=TARGET, font_weight=700, class_="num"),
    ]


def _estimate_point(point: Point, x: Scale, y: Scale) -> list[Markup]:
    at, parts = x(point.year), []
    if point.low is not None and point.high is not None:
        box = {"x": at - 4, "y": y(point.high), "width": 8, "height": max(y(point.low) - y(point.high), 0.5)}
        parts.append(element("rect", **box, rx=4, class_="whisker"))
    parts.append(element("circle", cx=at, cy=y(point.value), r=5, fill=INK, stroke="#fff", stroke_width=1.5))
    return parts
