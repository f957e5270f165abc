"""Maps of the page: a palette PNG under county lines, names, scale bar and north arrow in SVG."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.colors import Colormap
from numpy.typing import NDArray
from PIL import Image

from sinkest.errors import InputError
from sinkest.report.data import MapLayer, ReportData
from sinkest.report.labels import Placed, place
from sinkest.report.names import Words, clean, said, zone_name
from sinkest.report.svg import INK, coordinate, element, ems, label, line, picture, round_ticks, watermark
from sinkest.report.units import significant, unit_label

SIDE = 1000.0
"""Longer side of a map in the units of its SVG."""
LEVELS = 250
LINES_ID = "county-lines"
FONT_SIZE = 19.0


@dataclass(frozen=True)
class Frame:
    """How the pixels of the maps lie in the SVG: a margin around them, and one factor for both axes."""

    width: float
    height: float
    left: float
    top: float
    factor: float
    columns: int
    rows: int


@dataclass(frozen=True)
class LegendItem:
    """A swatch of a class map."""

    id: str
    colour: str
    name: Words


@dataclass(frozen=True)
class Ramp:
    """The colour bar of a continuous map: colours from the low to the high end, and labelled values."""

    colours: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]
    unit: Words
    below: bool
    above: bool


def colormap(layer: MapLayer) -> Colormap:
    """The layer's colour scale.

    Raises
    ------
    InputError
        If matplotlib knows no scale of that name.
    """
    if layer.colormap not in matplotlib.colormaps:
        raise InputError("report.colormap", layer=layer.id, given=layer.colormap)
    return matplotlib.colormaps[layer.colormap]


def raster_png(layer: MapLayer) -> bytes:
    """The layer as a palette PNG; no data is transparent. The same array always gives the same bytes."""
    indices, palette = _indexed(layer)
    picture_ = Image.fromarray(indices)
    picture_.putpalette(palette.reshape(-1).tolist())
    stream = io.BytesIO()
    picture_.save(stream, "PNG", transparency=0, optimize=True)
    return stream.getvalue()


def _indexed(layer: MapLayer) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Palette indices, 0 = no data, and the palette (256, 3)."""
    palette = np.full((256, 3), 255, dtype=np.uint8)
    if layer.kind == "classes":
        for item in layer.legend:
            palette[item.code] = [int(item.colour[k : k + 2], 16) for k in (1, 3, 5)]
        return layer.array, palette
    shades = colormap(layer)(np.linspace(0.0, 1.0, LEVELS))[:, :3]
    palette[1 : LEVELS + 1] = np.round(shades * 255).astype(np.uint8)
    values = np.asarray(layer.array, dtype=np.float64)
    known = np.isfinite(values)
    share = np.clip((np.where(known, values, layer.vmin) - layer.vmin) / (layer.vmax - layer.vmin), 0.0, 1.0)
    level = np.minimum((share * LEVELS).astype(np.int64), LEVELS - 1) + 1
    return np.where(known, level, 0).astype(np.uint8), palette


def frame_of(data: ReportData) -> Frame:
    """The common frame of all maps of a report."""
    rows, columns = data.maps[0].array.shape
    side, edge = 92.0, 46.0  # names beside the map need room
    factor = min((SIDE - 2 * side) / columns, (SIDE - 2 * edge) / rows)
    width, height = columns * factor + 2 * side, rows * factor + 2 * edge
    return Frame(width, height, side, edge, factor, columns, rows)


def county_lines(data: ReportData, frame: Frame) -> Markup:
    """The county lines as one path in a hidden SVG; every map uses it."""
    rings = [ring for zone in sorted(data.outlines) for ring in data.outlines[zone] if len(ring) >= 3]
    path = "".join(_ring(_scaled(ring, frame)) for ring in rings)
    return element(
        "svg",
        element("defs", element("path", id=LINES_ID, d=path, vector_effect="non-scaling-stroke")),
        width=0,
        height=0,
        class_="hidden",
        aria_hidden="true",
        focusable="false",
    )


class Sheet:
    """The maps of one report: what they share is drawn once.

    Parameters
    ----------
    data : ReportData
        With at least one map.
    """

    def __init__(self, data: ReportData) -> None:
        self.frame = frame_of(data)
        self.lines = county_lines(data, self.frame)
        self._above = Markup("").join(
            (
                *(element("use", href=f"#{LINES_ID}", class_=name) for name in ("casing", "county") if data.outlines),
                _names(data, self.frame),
                watermark(self.frame.width, self.frame.height, self.frame.width / 12.5, data.simulated, repeat=3),
                element("g", _scale_bar(data, self.frame), _north(self.frame), class_="furniture"),
            )
        )

    def layer(self, layer: MapLayer, caption_id: str) -> Markup:
        """A layer with lines, names, scale bar and north arrow; the page needs :attr:`lines` once."""
        frame = self.frame
        encoded = base64.b64encode(raster_png(layer)).decode("ascii")
        image = element(
            "image",
            href=f"data:image/png;base64,{encoded}",
            x=frame.left,
            y=frame.top,
            width=frame.columns * frame.factor,
            height=frame.rows * frame.factor,
            preserveAspectRatio="none",
            class_="raster",
        )
        ground = element("rect", width=frame.width, height=frame.height, class_="map-ground")
        return picture(frame.width, frame.height, ground, image, self._above, labelled_by=caption_id, class_="map")


def legend_items(layer: MapLayer) -> list[LegendItem]:
    """Swatches of the classes that occur in the map."""
    present = set(np.unique(layer.array).tolist())
    return [LegendItem(c.id, c.colour, Words(clean(c.zh), clean(c.en))) for c in layer.legend if c.code in present]


def ramp(layer: MapLayer) -> Ramp:
    """Colour bar of a continuous layer; the ends say where values lie beyond them."""
    shades = colormap(layer)(np.linspace(0.0, 1.0, 24))
    values = layer.array[np.isfinite(layer.array)]
    span = layer.vmax - layer.vmin
    ticks = tuple(((tick - layer.vmin) / span, _tick(tick)) for tick in round_ticks(layer.vmin, layer.vmax, 4))
    return Ramp(
        colours=tuple(matplotlib.colors.to_hex(shade) for shade in shades),
        ticks=ticks,
        unit=Words(unit_label(layer.unit, "zh"), unit_label(layer.unit, "en")),
        below=bool(values.size and values.min() < layer.vmin),
        above=bool(values.size and values.max() > layer.vmax),
    )


def layer_title(layer: MapLayer) -> Words:
    """Heading of a layer."""
    return said(layer.title)


def _tick(value: float) -> str:
    if value == 0 or abs(value) >= 1000:
        return significant(value, 6)
    return f"{value:.6g}"


def _scaled(ring: NDArray[np.float64], frame: Frame) -> NDArray[np.float64]:
    return np.asarray(ring, dtype=np.float64) * frame.factor + np.array([frame.left, frame.top])


def _ring(points: NDArray[np.float64]) -> str:
    tenths = np.round(points, 1)
    keep = np.r_[True, np.any(np.diff(tenths, axis=0) != 0, axis=1)]
    return "M" + "L".join(f"{coordinate(float(x))} {coordinate(float(y))}" for x, y in tenths[keep]) + "Z"


def _names(data: ReportData, frame: Frame) -> Markup:
    """Zone names, placed for each language by itself."""
    outlines = {zone: [_scaled(ring, frame) for ring in rings] for zone, rings in data.outlines.items()}
    groups = []
    for language, mark in (("zh", "lz"), ("en", "le")):
        names = {zone: zone_name(data, zone)[language] for zone in outlines}
        widths = {zone: ems(name) * FONT_SIZE for zone, name in names.items()}
        edge = 8.0
        bottom = frame.height - 60  # the scale bar stands below
        places = place(outlines, widths, FONT_SIZE, (edge, edge, frame.width - edge, bottom))
        pieces = [_name(names[zone], found) for zone, found in sorted(places.items())]
        groups.append(element("g", *pieces, class_=f"names {mark}", font_size=FONT_SIZE))
    return Markup("").join(groups)


def _name(name: str, found: Placed) -> Markup:
    text = element("text", name, x=found.x, y=found.y + FONT_SIZE * 0.36, text_anchor="middle")
    if found.anchor is None:
        return text
    ax, ay = found.anchor
    return (
        element("circle", cx=ax, cy=ay, r=2.6, class_="anchor") + line(ax, ay, found.x, found.y, class_="leader") + text
    )


def _scale_bar(data: ReportData, frame: Frame) -> Markup:
    if not data.pixel_size_m:
        return Markup("")
    metres = data.pixel_size_m / frame.factor  # metres a unit of the SVG
    longest = frame.width * 0.32 * metres
    length = max(m * 10.0**p for p in range(0, 7) for m in (1, 2, 5) if m * 10.0**p <= max(longest, 1.0))
    units = length / metres
    x, y = 26.0, frame.height - 24.0
    name = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    return element(
        "g",
        element("rect", x=x, y=y, width=units / 2, height=6, fill=INK),
        element("rect", x=x + units / 2, y=y, width=units / 2, height=6, fill="#fff", stroke=INK, stroke_width=1),
        element("rect", x=x, y=y, width=units, height=6, fill="none", stroke=INK, stroke_width=1),
        element("text", "0", x=x, y=y - 6, font_size=16),
        element("text", name, x=x + units, y=y - 6, font_size=16, text_anchor="middle"),
    )


def _north(frame: Frame) -> Markup:
    x, y = frame.width - 34.0, 34.0
    half = 11.0
    tip, foot, notch = y - 16, y + 18, y + 10
    left, right = (
        "M"
        + "L".join(f"{coordinate(px)} {coordinate(py)}" for px, py in ((x, tip), (x + side, foot), (x, notch)))
        + "Z"
        for side in (-half, half)
    )
    return element(
        "g",
        element("path", d=left, fill=INK),
        element("path", d=right, fill="#fff", stroke=INK, stroke_width=1),
        label(Words.of("report.north"), x, foot + 18, font_size=16, text_anchor="middle", font_weight=700),
    )


def nice_extent(values: NDArray[np.float64]) -> tuple[float, float]:
    """Ends for a colour scale: zero (or the lowest value) and the 98th percentile rounded up to a round number."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low = min(0.0, float(known.min()))
    high = float(np.percentile(known, 98))
    if high <= low:
        return low, low + 1.0
    step = 10.0 ** math.floor(math.log10(high - low))
    return low, low + math.ceil((high - low) / (step / 2)) * step / 2
