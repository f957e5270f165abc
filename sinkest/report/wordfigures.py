"""Pictures of the Word document. They hold numerals and no words, so no font of the machine decides how they look.

Zones bear their number in the order of their codes; the document's captions, which a bureau can edit, name them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure

from sinkest.report.book import Entry
from sinkest.report.data import MapLayer, ReportData
from sinkest.report.labels import place
from sinkest.report.maps import colormap
from sinkest.report.names import zone_order
from sinkest.report.roads import COLOURS, DASHES, Road
from sinkest.report.sections import Course
from sinkest.report.svg import FOREST, INK, MUTED, TARGET, WARNING
from sinkest.report.units import unit_of

DPI = 160
_BAND = "#8db5a0"
_STYLE: Any = {"font.family": "DejaVu Sans", "text.color": INK, "axes.edgecolor": "#c3cec7", "text.hinting": "none"}
_LABEL = 26.0
"""Height of a map's number, as a share of 1000 of the longer side."""


def map_png(data: ReportData, layer: MapLayer) -> bytes:
    """A map with the lines and numbers of the zones, a scale bar and a north arrow.

    Parameters
    ----------
    data : ReportData
    layer : MapLayer

    Returns
    -------
    bytes
        PNG; the same data give the same bytes with the same matplotlib.
    """
    rows, columns = layer.array.shape
    high = 7.4 * rows / max(rows, columns)
    bar = 0.0 if layer.kind == "classes" else 0.7
    size = (max(4.6, high * columns / rows + 0.6), high + 0.3 + bar)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, dpi=DPI, facecolor="white")
        axes = figure.add_axes((0.0, bar / size[1], 1.0, 1.0 - bar / size[1]))
        axes.set_axis_off()
        if layer.kind == "classes":
            _draw_classes(axes, layer)
        else:
            _draw_values(figure, axes, layer, bar / size[1])
        _lines(axes, data)
        _furniture(axes, data, rows, columns)
        _stamp(axes, data, (0.25, 0.55, 0.85))
        return _png(figure)


def zones_png(data: ReportData, cells: Sequence[Entry | None], whole: Entry | None, language: str) -> bytes:
    """Estimates of the zones with their intervals, numbered from above; the dashed line is the whole's.

    Parameters
    ----------
    data : ReportData
    cells : sequence of Entry or None
        In the order of the zones' codes.
    whole : Entry, optional
        Of the city, where it is of the zones' size.
    language : {"zh", "en"}
        Decides on the unit of the axis alone.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 0.6 + 0.28 * len(cells)), dpi=DPI, facecolor="white")
        axes = figure.add_axes((0.06, 0.16, 0.91, 0.82))
        numbers = range(1, len(cells) + 1)
        for number, entry in zip(numbers, cells, strict=True):
            if entry is None or entry.value is None:
                continue
            power = 10.0 ** unit_of(entry.unit).power(language)
            if entry.low is not None and entry.high is not None:
                ends = (float(entry.low) / power, float(entry.high) / power)
                axes.plot(ends, (number, number), color=_BAND, lw=6, solid_capstyle="round")
            axes.plot([float(entry.value) / power], [number], marker="o", color=INK, markersize=5)
        if whole is not None and whole.value is not None:
            power = 10.0 ** unit_of(whole.unit).power(language)
            axes.axvline(float(whole.value) / power, color=TARGET, lw=1.2, ls=(0, (4, 3)))
        axes.set_ylim(len(cells) + 0.7, 0.3)
        axes.set_yticks(list(numbers))
        _plain_axes(axes, "x")
        _stamp(axes, data, (0.5,))
        return _png(figure)


def course_png(data: ReportData, course: Course, language: str) -> bytes:
    """A quantity over the years: dots with bars are estimates, dashes the planned path, diamonds the targets.

    Scenarios have bands and broken lines in the colours of :mod:`sinkest.report.roads`.
    """
    points, power = course.points, 10.0 ** unit_of(course.unit).power(language)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 2.9), dpi=DPI, facecolor="white")
        axes = figure.add_axes((0.1, 0.12, 0.87, 0.84))
        by_kind = {kind: [p for p in points if p.kind == kind] for kind in ("projection", "path", "target", "estimate")}
        for kind, those in by_kind.items():
            years, values = [p.year for p in those], [p.value / power for p in those]
            bounded = [p for p in those if p.low is not None and p.high is not None]
            ends = [(p.year, (p.low or 0.0) / power, (p.high or 0.0) / power) for p in bounded]
            if kind == "projection" and ends:
                axes.fill_between(
                    [e[0] for e in ends], [e[1] for e in ends], [e[2] for e in ends], color=_BAND, alpha=0.3, lw=0
                )
                axes.plot(years, values, color=FOREST, lw=1.5)
            elif kind == "path":
                axes.plot(years, values, color=TARGET, lw=1.3, ls=(0, (4, 3)))
            elif kind == "target":
                axes.plot(years, values, color=TARGET, marker="D", ls="none", markerfacecolor="white", markersize=7)
            elif kind == "estimate":
                for year, low, high in ends:
                    axes.plot((year, year), (low, high), color=_BAND, lw=6, solid_capstyle="round")
                axes.plot(years, values, color=INK, marker="o", ls="none", markersize=5)
        _scenarios(axes, course.roads, power)
        axes.set_xticks(sorted({p.year for p in points} | {stop.year for road in course.roads for stop in road.stops}))
        _plain_axes(axes, "y")
        _stamp(axes, data, (0.5,))
        return _png(figure)


def _scenarios(axes: Axes, roads: Sequence[Road], power: float) -> None:
    for number, road in enumerate(roads):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        held = [(s.year, s.low / power, s.high / power) for s in road.stops if s.low is not None and s.high is not None]
        if len(held) > 1:
            years, low, high = ([stop[end] for stop in held] for end in range(3))
            axes.fill_between(years, low, high, color=colour, alpha=0.1, lw=0)
        pattern = (0, tuple(float(part) / 2 for part in dash.split()))
        axes.plot([s.year for s in road.stops], [s.value / power for s in road.stops], color=colour, lw=1.3, ls=pattern)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})
    return stream.getvalue()


def _draw_classes(axes: Axes, layer: MapLayer) -> None:
    lookup = np.ones((256, 4))
    lookup[0, 3] = 0
    for item in layer.legend:
        lookup[item.code, :3] = to_rgb(item.colour)
    axes.imshow(lookup[layer.array], interpolation="nearest", aspect="equal")


def _draw_values(figure: Figure, axes: Axes, layer: MapLayer, room: float) -> None:
    scale = Normalize(layer.vmin, layer.vmax)
    axes.imshow(layer.array, cmap=colormap(layer), norm=scale, interpolation="nearest", aspect="equal")
    strip = figure.add_axes((0.12, room * 0.62, 0.76, room * 0.26))
    figure.colorbar(ScalarMappable(scale, colormap(layer)), cax=strip, orientation="horizontal")
    strip.tick_params(labelsize=8, color=MUTED)


def _lines(axes: Axes, data: ReportData) -> None:
    """Lines and numbers of the zones, over a raster whose pixel centres lie at whole numbers."""
    outlines = {zone: [np.asarray(ring) - 0.5 for ring in rings] for zone, rings in data.outlines.items()}
    for rings in outlines.values():
        for ring in rings:
            axes.plot(ring[:, 0], ring[:, 1], color="white", lw=1.6, alpha=0.8)
            axes.plot(ring[:, 0], ring[:, 1], color=INK, lw=0.7)
    if not data.maps or not outlines:
        return
    rows, columns = data.maps[0].array.shape
    size = max(rows, columns) * _LABEL / 1000
    numbers = {zone: str(place_) for place_, zone in enumerate(zone_order(data), 1) if zone in outlines}
    widths = {zone: size * 0.75 * len(number) for zone, number in numbers.items()}
    style: Any = {"ha": "center", "va": "center", "fontsize": 9.5, "fontweight": "bold"}
    halo: Any = {"boxstyle": "circle,pad=0.18", "facecolor": "white", "edgecolor": INK, "lw": 0.6, "alpha": 0.9}
    for zone, found in place(outlines, widths, size, (0.0, 0.0, float(columns), float(rows))).items():
        if found.anchor is not None:
            axes.plot((found.anchor[0], found.x), (found.anchor[1], found.y), color=INK, lw=0.7)
        axes.text(found.x, found.y, numbers[zone], bbox=halo, **style)


def _furniture(axes: Axes, data: ReportData, rows: int, columns: int) -> None:
    """Scale bar and north arrow, and room around the map."""
    edge = 0.04 * max(rows, columns)
    axes.set_xlim(-edge, columns + edge)
    axes.set_ylim(rows + 2.2 * edge, -edge)
    arrow: Any = {"arrowstyle": "-|>", "color": INK, "lw": 1.4}
    axes.annotate("N", (columns, 0), (columns, 2.6 * edge), arrowprops=arrow, ha="center", fontsize=10)
    if data.pixel_size_m is None:
        return
    longest = 0.3 * columns * data.pixel_size_m
    length = max(m * 10.0**p for p in range(7) for m in (1, 2, 5) if m * 10.0**p <= max(longest, 1.0))
    wide, y = length / data.pixel_size_m, rows + 1.2 * edge
    axes.plot((0, wide), (y, y), color=INK, lw=3, solid_capstyle="butt")
    name = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.text(wide, y - 0.35 * edge, name, fontsize=8.5, ha="right", va="bottom")


def _plain_axes(axes: Axes, grid: str) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8.5, color="#c3cec7", length=0)
    axes.grid(axis="x" if grid == "x" else "y", color="#e3e9e5", lw=0.8)
    axes.set_axisbelow(True)


def _stamp(axes: Axes, data: ReportData, heights: Sequence[float]) -> None:
    style: Any = {"ha": "center", "va": "center", "fontsize": 24, "fontweight": "bold", "rotation": 14}
    for height in heights if data.simulated else ():
        axes.text(0.5, height, "SIMULATED", transform=axes.transAxes, color=WARNING, alpha=0.4, zorder=9, **style)
