"""The overview picture: the map of land cover, the map of growing stock, and the verdicts, in English.

It is meant for a README or a slide. It is drawn with the fonts that matplotlib carries, so it looks the same anywhere.
"""

from __future__ import annotations

import io
import textwrap
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from sinkest.messages import text
from sinkest.report.book import Book, Entry
from sinkest.report.data import MapLayer, ReportData
from sinkest.report.labels import place
from sinkest.report.maps import colormap, layer_title, legend_items
from sinkest.report.names import quantity_name, zone_name
from sinkest.report.sections import interval_level
from sinkest.report.svg import INK, MUTED, TARGET, WARNING, scale_over
from sinkest.report.units import unit_label
from sinkest.report.verdicts import TargetRow, target_rows

DPI = 110
SIZE = (15.0, 9.2)
SIDE = 0.12
"""Room beside the map for names, as a share of its longer side."""
COLOURS = {"met": "#17713f", "not_met": "#b3261e", "cannot_tell": "#8a5a00", "not_assessed": "#5f6b65"}
MARKERS = {"circle": "o", "square": "s", "diamond": "D", "dash": "_"}
SHOWN = ("forest_coverage", "growing_stock", "carbon:total", "sink")
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.edgecolor": "#c3cec7",
    "text.hinting": "none",
    "text.antialiased": True,
}


def overview_png(data: ReportData) -> bytes:
    """Two maps and the verdicts as a PNG.

    Parts that the run has not are left out and said so; simulated data are marked across each map and in the title.
    The same data give the same bytes with the same matplotlib.

    Parameters
    ----------
    data : ReportData

    Returns
    -------
    bytes
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        _title(figure, data)
        classes = next((layer for layer in data.maps if layer.kind == "classes"), None)
        stock = next((layer for layer in data.maps if layer.kind == "continuous"), None)
        for layer, left in ((classes, 0.015), (stock, 0.335)):
            _map(figure, data, layer, left)
        _verdicts(figure, data)
        stream = io.BytesIO()
        canvas.print_png(stream, metadata={"Software": None})
    return stream.getvalue()


def _title(figure: Figure, data: ReportData) -> None:
    title = _drawable(text("report.overview_title", "en", city=data.city_en, year=data.year), str(data.year))
    figure.text(0.015, 0.955, title, fontsize=23, fontweight="bold", va="center")
    definition = _drawable(f"{data.definition.name_en} ({data.definition.id})", data.definition.id)
    figure.text(0.015, 0.913, f"{definition} · {data.run_id}", fontsize=10, color=MUTED)
    kinds = [kind for kind, present in (("simulated", data.simulated), ("provisional", data.provisional)) if present]
    if kinds:
        box = {"boxstyle": "round,pad=0.45", "facecolor": WARNING, "edgecolor": "none"}
        style: Any = {"fontsize": 14, "fontweight": "bold", "color": "white", "ha": "right", "va": "center"}
        figure.text(0.98, 0.95, " · ".join(text(f"report.{kind}_head", "en") for kind in kinds), bbox=box, **style)


def _drawable(shown: str, otherwise: str) -> str:
    """The text, or another one where the font of the picture lacks its letters."""
    return shown if all(ord(letter) < 0x2E80 for letter in shown) else otherwise


def _map(figure: Figure, data: ReportData, layer: MapLayer | None, left: float) -> None:
    axes = figure.add_axes((left, 0.19, 0.30, 0.67))
    axes.set_axis_off()
    axes.set_anchor("W")
    if layer is None:
        _say(axes, "missing_maps", 0.5)
        return
    figure.text(left, 0.872, _drawable(layer_title(layer).en, layer.id), fontsize=13, fontweight="bold")
    rows, columns = layer.array.shape
    if layer.kind == "classes":
        _classes(figure, axes, layer, left)
    else:
        _continuous(figure, axes, layer, left)
    _lines(axes, data)
    side, edge = (share * max(rows, columns) for share in (SIDE, 0.03))
    axes.set_xlim(-side - 0.5, columns - 0.5 + side)
    axes.set_ylim(rows - 0.5 + edge, -edge - 0.5)
    style: Any = {"ha": "center", "va": "center", "fontsize": 30, "fontweight": "bold", "rotation": 16}
    for height in (0.2, 0.5, 0.8) if data.simulated else ():
        axes.text(0.5, height, "SIMULATED", transform=axes.transAxes, color=WARNING, alpha=0.3, **style)


def _classes(figure: Figure, axes: Axes, layer: MapLayer, left: float) -> None:
    lookup = np.ones((256, 4))
    lookup[0, 3] = 0
    for item in layer.legend:
        lookup[item.code, :3] = to_rgb(item.colour)
    axes.imshow(lookup[layer.array], interpolation="nearest", aspect="equal")
    named = [(item.colour, _drawable(item.name.en, item.id)) for item in legend_items(layer)]
    handles = [Patch(facecolor=colour, edgecolor="#00000033", label=name) for colour, name in named]
    corner: Any = {"loc": "upper left", "bbox_to_anchor": (left - 0.008, 0.175)}
    figure.legend(handles=handles, ncols=3, frameon=False, fontsize=8.5, **corner)


def _continuous(figure: Figure, axes: Axes, layer: MapLayer, left: float) -> None:
    scale = Normalize(layer.vmin, layer.vmax)
    axes.imshow(layer.array, cmap=colormap(layer), norm=scale, interpolation="nearest", aspect="equal")
    bar = figure.add_axes((left + 0.005, 0.135, 0.22, 0.018))
    figure.colorbar(ScalarMappable(scale, colormap(layer)), cax=bar, orientation="horizontal")
    bar.set_xlabel(unit_label(layer.unit, "en"), fontsize=9)
    bar.tick_params(labelsize=8.5, color=MUTED)


def _lines(axes: Axes, data: ReportData) -> None:
    """County lines and names, over the raster whose pixel centres lie at whole numbers."""
    outlines = {zone: [np.asarray(ring) - 0.5 for ring in rings] for zone, rings in data.outlines.items()}
    for rings in outlines.values():
        for ring in rings:
            axes.plot(ring[:, 0], ring[:, 1], color="white", lw=1.8, alpha=0.8)
            axes.plot(ring[:, 0], ring[:, 1], color=INK, lw=0.7)
    if not data.maps:
        return
    rows, columns = data.maps[0].array.shape
    size = max(rows, columns) / 52
    names = {zone: _drawable(zone_name(data, zone).en, zone) for zone in outlines}
    side = SIDE * max(rows, columns)
    frame = (-side, -size, columns + side, rows + size)
    widths = {zone: 0.62 * size * len(name) for zone, name in names.items()}
    halo = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
    for zone, found in sorted(place(outlines, widths, size, frame).items()):
        if found.anchor is not None:
            axes.plot([found.anchor[0], found.x], [found.anchor[1], found.y], color=INK, lw=0.7)
        axes.text(found.x, found.y, names[zone], fontsize=8, fontweight="bold", ha="center", va="center", bbox=halo)


def _say(axes: Axes, key: str, y: float) -> None:
    axes.text(0.0, y, textwrap.fill(text(f"report.{key}", "en"), 52), fontsize=10, color=MUTED, va="top")


def _verdicts(figure: Figure, data: ReportData) -> None:
    axes = figure.add_axes((0.66, 0.05, 0.325, 0.845))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    book = Book(data)
    heading: Any = {"fontsize": 13, "fontweight": "bold", "va": "top"}
    axes.text(0, 1.0, text("report.overview_estimates", "en", level=interval_level(data)), **heading)
    entries = [entry for entry in map(book.entry, SHOWN) if entry is not None and entry.value is not None]
    y = 0.925
    if not entries:
        _say(axes, "missing_headline", y)
        y -= 0.07
    for entry in entries:
        _estimate(axes, entry, quantity_name(data, entry.quantity).en, y)
        y -= 0.066
    axes.text(0, y - 0.02, text("report.overview_targets", "en"), **heading)
    y -= 0.085
    rows = sorted(target_rows(data, book), key=lambda row: row.value is None)
    if not rows:
        _say(axes, "missing_targets", y)
    for row in rows[:6]:
        _target(axes, row, y)
        y -= 0.098


def _estimate(axes: Axes, entry: Entry, name: str, y: float) -> None:
    right: Any = {"ha": "right", "va": "center"}
    axes.text(0, y, name, fontsize=10, va="center")
    shown = f"{entry.shown('en')} {unit_label(entry.unit, 'en')}"
    axes.text(1, y + 0.011, shown, fontsize=11, fontweight="bold", **right)
    axes.text(1, y - 0.016, entry.shown_interval("en"), fontsize=8.5, color=MUTED, **right)
    axes.plot([0, 1], [y - 0.034, y - 0.034], color="#d9e1db", lw=0.8)


def _target(axes: Axes, row: TargetRow, y: float) -> None:
    colour, width = COLOURS[row.verdict], 4 if row.shape == "dash" else 1
    axes.plot([0.03], [y], marker=MARKERS[row.shape], markersize=17, color=colour, markeredgewidth=width)
    sign = {"circle": "\u2713", "square": "\u2717", "diamond": "?"}.get(row.shape, "")
    axes.text(0.03, y - 0.001, sign, fontsize=12, color="white", fontweight="bold", ha="center", va="center")
    name = _drawable(f"{row.name.en}, {row.year}", f"{row.id}, {row.year}")
    axes.text(0.085, y + 0.017, name, fontsize=10, fontweight="bold", va="center")
    target = text("report.overview_target", "en", value=row.target_shown.en, unit=row.unit_shown.en)
    axes.text(0.085, y - 0.014, target, fontsize=8.8, color=MUTED, va="center")
    shown = row.verdict_shown.en if row.probability is None else f"{row.verdict_shown.en} (P {row.probability_shown})"
    axes.text(0.085, y - 0.038, shown, fontsize=9.2, color=colour, fontweight="bold", va="center")
    _strip(axes, row, y - 0.022, (0.6, 0.99))


def _strip(axes: Axes, row: TargetRow, y: float, span: tuple[float, float]) -> None:
    """The interval against the target, as in the page."""
    value, low, high = row.assessed or (row.value, row.low, row.high)
    if row.target is None or value is None:
        return
    ends = [float(end) for end in (value, low, high) if end is not None]
    band = [row.target - row.band, row.target + row.band] if row.band else []
    at = scale_over([*ends, row.target, *band], *span)
    axes.plot(span, (y, y), color="#dde4df", lw=2)
    if band:
        shade: Any = {"color": TARGET, "alpha": 0.16, "lw": 0}
        axes.add_patch(Rectangle((at(band[0]), y - 0.018), at(band[1]) - at(band[0]), 0.036, **shade))
    if low is not None and high is not None:
        bar = (at(float(low)), at(float(high)))
        axes.plot(bar, (y, y), color="#8db5a0", lw=7, solid_capstyle="round")
    axes.plot((at(row.target),) * 2, (y - 0.022, y + 0.024), color=TARGET, lw=2)
    axes.plot([at(float(value))], [y], marker="o", markersize=7, color=INK, markeredgecolor="white")
