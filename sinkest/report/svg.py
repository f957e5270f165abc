"""Small pieces of SVG: elements, bilingual text, scales, ticks, the mark of simulated data.

Text stays text. A label that differs between the languages is written twice, with the classes ``lz`` and ``le``; the
page shows the one of its language.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from sinkest.report.names import Words

INK = "#1b2a22"
MUTED = "#55655c"
GRID = "#dde4df"
FOREST = "#2b6b4a"
WATER = "#1f6f86"
TARGET = "#a8480a"
WARNING = "#c2185b"
FONT = '"Noto Sans CJK SC","Source Han Sans SC","Microsoft YaHei","PingFang SC","Hiragino Sans GB",sans-serif'


def element(name: str, *children: object, **attributes: object) -> Markup:
    """An element; ``class_`` is the class, other underscores become hyphens, ``None`` is left out.

    Numbers are written with at most two decimals; texts are escaped.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(coordinate(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(str(escape(child)) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>")  # noqa: S704 -- escaped above


def coordinate(value: object) -> str:
    """A number without needless digits; anything else as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    shown = f"{float(value):.2f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown


def label(words: Words | str, x: float, y: float, **attributes: object) -> Markup:
    """Text at a point, once for each language where they differ."""
    if isinstance(words, str) or words.zh == words.en:
        return element("text", words if isinstance(words, str) else words.zh, x=x, y=y, **attributes)
    given = str(attributes.pop("class_", ""))
    both = (("lz", "zh-CN", words.zh), ("le", "en", words.en))
    parts = [
        element("text", text, x=x, y=y, class_=f"{given} {mark}".strip(), lang=lang, **attributes)
        for mark, lang, text in both
    ]
    return Markup("").join(parts)


def ems(text: str) -> float:
    """Width of a text in ems, roughly: a Chinese character is one, a Latin letter somewhat more than half."""
    return sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.56 for letter in text)


def picture(width: float, height: float, *children: object, labelled_by: str, class_: str = "chart") -> Markup:
    """A picture that screen readers announce by the caption with the given id."""
    return element(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
        class_=class_,
        style=f"max-width:{coordinate(width)}px" if class_ == "chart" else None,
        role="img",
        aria_labelledby=labelled_by,
    )


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = INK, width: float = 1, **more: object) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=width, **more)


@dataclass(frozen=True)
class Scale:
    """A linear map from values to coordinates."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Coordinate of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values within the scale."""
        return round_ticks(self.low, self.high, count)


def scale_over(values: Sequence[float], start: float, end: float, pad: float = 0.06, zero: bool = False) -> Scale:
    """A scale that holds all values with some room, and zero if asked for."""
    low, high = min(values), max(values)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high == low and not zero:
        pad = 0.5  # a single value stands in the middle
    span = high - low or abs(high) or 1.0
    lower = low if zero and low == 0 else low - pad * span
    upper = high if zero and high == 0 else high + pad * span
    return Scale(lower, upper, start, end)


def round_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between the ends, about ``count`` of them.

    >>> round_ticks(0, 10, 5)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    raw = (high - low) / max(count, 1)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def watermark(width: float, height: float, size: float, simulated: bool, repeat: int = 1, angle: float = -16) -> Markup:
    """The words SIMULATED and 模拟数据 across a picture of simulated data, ``repeat`` times one below another."""
    if not simulated:
        return Markup("")
    marks = []
    for place in range(repeat):
        x, y = coordinate(width / 2), coordinate(height * (place + 0.5) / repeat)
        attributes = {"font_size": size, "text_anchor": "middle", "dominant_baseline": "middle"}
        turn = f"rotate({coordinate(angle)} {x} {y})"
        marks.append(element("text", "模拟数据 SIMULATED", x=x, y=y, class_="watermark", transform=turn, **attributes))
    return Markup("").join(marks)


def verdict_mark(shape: str, x: float, y: float, size: float, class_: str) -> Markup:
    """The mark of a verdict: a circle with a tick, a square with a cross, a diamond with a question mark, a dash."""
    half = size / 2
    stroke = {"stroke": "#fff", "stroke_width": size * 0.12, "fill": "none", "stroke_linecap": "round"}
    if shape == "circle":
        ground = element("circle", cx=x, cy=y, r=half)
        points = (x - half * 0.45, y + half * 0.05, x - half * 0.1, y + half * 0.4, x + half * 0.5, y - half * 0.35)
        sign = element("polyline", points=_points(points), **stroke)
    elif shape == "square":
        ground = element(
            "rect", x=x - half * 0.9, y=y - half * 0.9, width=size * 0.9, height=size * 0.9, rx=size * 0.06
        )
        arm = half * 0.38
        path = f"M{coordinate(x - arm)} {coordinate(y - arm)}l{coordinate(2 * arm)} {coordinate(2 * arm)}"
        path += f"m0 {coordinate(-2 * arm)}l{coordinate(-2 * arm)} {coordinate(2 * arm)}"
        sign = element("path", d=path, **stroke)
    elif shape == "diamond":
        ground = element(
            "polygon", points=_points((x, y - half * 1.12, x + half * 1.12, y, x, y + half * 1.12, x - half * 1.12, y))
        )
        sign = element(
            "text",
            "?",
            x=x,
            y=y + size * 0.26,
            font_size=size * 0.72,
            font_weight=700,
            fill="#fff",
            text_anchor="middle",
        )
    else:
        ground = element("rect", x=x - half, y=y - half * 0.3, width=size, height=size * 0.3, rx=size * 0.15)
        sign = Markup("")
    return element("g", ground, sign, class_=f"mark {class_}")


def _points(values: Sequence[float]) -> str:
    pairs = zip(values[::2], values[1::2], strict=True)
    return " ".join(f"{coordinate(float(x))},{coordinate(float(y))}" for x, y in pairs)
