"""The charts of the page, drawn as SVG with live text.

Each takes printed numbers and gives a picture; none of them computes an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from markupsafe import Markup

from sinkest.report.book import Entry
from sinkest.report.names import Words
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
    ems,
    label,
    line,
    picture,
    scale_over,
    watermark,
)
from sinkest.report.units import unit_of
from sinkest.report.verdicts import TargetRow

WIDTH = 520.0
ROW = 27.0
TEXT = 13


def target_strip(row: TargetRow, caption_id: str, simulated: bool) -> Markup:
    """Interval and estimate of one target against the target line (and its band, where it has one)."""
    width, height, middle = 300.0, 46.0, 26.0
    value, low_end, high_end = row.assessed or (row.value, row.low, row.high)
    values = [float(v) for v in (value, low_end, high_end, row.value) if v is not None]
    if row.target is None or value is None:
        return Markup("")
    band = [row.target - row.band, row.target + row.band] if row.band else []
    scale = scale_over([*values, row.target, *band], 6, width - 6, pad=0.14)
    parts = [line(0, middle, width, middle, GRID, 2)]
    if band:
        start, end = (scale(value) for value in band)
        parts.append(element("rect", x=start, y=middle - 11, width=end - start, height=22, fill=TARGET, opacity=0.16))
    at = scale(row.target)
    if low_end is not None and high_end is not None:
        low, high = scale(float(low_end)), scale(float(high_end))
        parts.append(element("rect", x=low, y=middle - 4.5, width=high - low, height=9, rx=4.5, class_="whisker"))
    parts.append(line(at, middle - 15, at, middle + 15, TARGET, 2.4))
    parts.append(element("polygon", points=_triangle(at, middle - 14), fill=TARGET))
    if row.assessed is not None and row.value is not None:
        parts.append(
            element("circle", cx=scale(float(row.value)), cy=middle, r=5, fill="#fff", stroke=INK, stroke_width=2)
        )
    parts.append(element("circle", cx=scale(float(value)), cy=middle, r=6, fill=INK, stroke="#fff", stroke_width=2))
    parts.append(watermark(width, height, 17, simulated, angle=0))
    return picture(width, height, *parts, labelled_by=caption_id, class_="chart strip")


def zone_intervals(
    rows: Sequence[tuple[Words, Entry | None]], whole: Entry | None, caption_id: str, simulated: bool
) -> Markup:
    """Estimates of the zones with their intervals; a line at the whole's estimate, if one is given."""
    usable = [entry for _, entry in rows if entry is not None and entry.value is not None]
    if not usable:
        return Markup("")
    ends = [float(e) for entry in usable for e in (entry.value, entry.low, entry.high) if e is not None]
    mean = float(whole.value) if whole is not None and whole.value is not None else None
    width, left, top = WIDTH, _margin([name for name, _ in rows]), 14.0
    height = top + ROW * len(rows) + 34
    scale = scale_over([*ends, *([mean] if mean is not None else [])], left, width - 76)
    floor = top + ROW * len(rows)
    parts = _grid(scale, top, floor, usable[0].unit)
    if mean is not None:
        parts.append(line(scale(mean), top - 6, scale(mean), floor, TARGET, 1.6, stroke_dasharray="5 4"))
    for place, (name, entry) in enumerate(rows):
        y = top + ROW * (place + 0.5)
        parts.append(label(name, left - 12, y + 4.5, text_anchor="end", font_size=TEXT, fill=INK))
        parts.append(_dot(entry, scale, y, width, left))
    parts.append(watermark(width, height, 30, simulated))
    return picture(width, height, *parts, labelled_by=caption_id)


def bars(rows: Sequence[tuple[Words, Entry | None]], caption_id: str, simulated: bool, colour: str = FOREST) -> Markup:
    """Horizontal bars with intervals, in the order given."""
    usable = [(name, entry) for name, entry in rows if entry is not None and entry.value is not None]
    if not usable:
        return Markup("")
    width, left, top = WIDTH, _margin([name for name, _ in usable]), 8.0
    ends = [float(e) for _, entry in usable for e in (entry.value, entry.low, entry.high) if e is not None]
    scale = scale_over(ends, left, width - 88, zero=True)
    floor = top + ROW * len(usable)
    parts = _grid(scale, top, floor, usable[0][1].unit)
    for place, (name, entry) in enumerate(usable):
        y = top + ROW * (place + 0.5)
        start, end = sorted((scale(0.0), scale(float(entry.value or 0))))
        parts.append(
            element("rect", x=start, y=y - 8, width=max(end - start, 0.5), height=16, fill=colour, opacity=0.82)
        )
        far = end
        if entry.low is not None and entry.high is not None:
            low, far = scale(float(entry.low)), max(end, scale(float(entry.high)))
            parts += [line(low, y, far, y, INK, 1.4), line(low, y - 4, low, y + 4), line(far, y - 4, far, y + 4)]
        parts.append(label(name, left - 10, y + 4.5, text_anchor="end", font_size=TEXT, fill=INK))
        parts.append(label(_shown(entry), far + 8, y + 4.5, font_size=TEXT, class_="num", fill=INK))
    parts.append(line(scale(0.0), top, scale(0.0), floor, MUTED, 1))
    parts.append(watermark(width, floor + 34, 34, simulated))
    return picture(width, floor + 34, *parts, labelled_by=caption_id)


def dumbbells(rows: Sequence[tuple[Words, float | None, float | None]], caption_id: str, simulated: bool) -> Markup:
    """Measures between 0 and 1 under spatial (filled) and random (hollow) cross-validation."""
    usable = [row for row in rows if row[1] is not None or row[2] is not None]
    if not usable:
        return Markup("")
    width, left, top = WIDTH, _margin([name for name, *_ in usable]), 8.0
    floor = top + ROW * len(usable)
    lowest = min(value for _, *pair in usable for value in pair if value is not None)
    scale = Scale(min(0.0, lowest), 1.0, left, width - 20)
    parts = []
    for tick in scale.ticks(5):
        parts.append(line(scale(tick), top, scale(tick), floor, GRID, 1))
        parts.append(label(f"{tick:g}", scale(tick), floor + 18, text_anchor="middle", font_size=12, fill=MUTED))
    for place, (name, spatial, random) in enumerate(usable):
        y = top + ROW * (place + 0.5)
        parts.append(label(name, left - 14, y + 4.5, text_anchor="end", font_size=TEXT, fill=INK))
        if spatial is not None and random is not None:
            parts.append(line(scale(spatial), y, scale(random), y, MUTED, 2))
        if random is not None:
            parts.append(element("circle", cx=scale(random), cy=y, r=5.5, fill="#fff", stroke=MUTED, stroke_width=2))
        if spatial is not None:
            parts.append(element("circle", cx=scale(spatial), cy=y, r=6.5, fill=FOREST))
    parts.append(watermark(width, floor + 30, 26, simulated))
    return picture(width, floor + 30, *parts, labelled_by=caption_id)


def shares(rows: Sequence[tuple[Words, float]], caption_id: str, simulated: bool) -> Markup:
    """Shares of the variance, the largest first."""
    if not rows:
        return Markup("")
    width, left, top = WIDTH, _margin([name for name, _ in rows]), 8.0
    scale = Scale(0.0, max(max(share for _, share in rows), 1e-9), left, width - 60)
    parts = []
    for place, (name, share) in enumerate(rows):
        y = top + ROW * (place + 0.5)
        parts.append(label(name, left - 10, y + 4.5, text_anchor="end", font_size=TEXT, fill=INK))
        parts.append(
            element("rect", x=left, y=y - 8, width=max(scale(share) - left, 0.5), height=16, fill=WATER, opacity=0.85)
        )
        parts.append(label(f"{share * 100:.0f} %", scale(share) + 8, y + 4.5, font_size=TEXT, class_="num"))
    height = top + ROW * len(rows) + 8
    parts.append(watermark(width, height, 26, simulated))
    return picture(width, height, *parts, labelled_by=caption_id)


def _margin(names: Sequence[Words]) -> float:
    """Room for the longest name in either language."""
    longest = max((ems(name[language]) for name in names for language in ("zh", "en")), default=0.0)
    return min(max(70.0, longest * TEXT + 18), WIDTH * 0.55)


def _grid(scale: Scale, top: float, floor: float, unit: str) -> list[Markup]:
    """Vertical lines at round values of the shown unit, which differ between the languages only by a power of ten."""
    parts = []
    for tick in scale.ticks(4):
        parts.append(line(scale(tick), top - 4, scale(tick), floor, GRID, 1))
        words = axis_value(tick, unit)
        parts.append(label(words, scale(tick), floor + 18, text_anchor="middle", font_size=12, fill=MUTED))
    return parts


def axis_value(value: float, unit: str) -> Words:
    """A round value in the shown unit of each language, with the decimals that it needs."""

    def shown(language: str) -> str:
        scaled = value / 10.0 ** unit_of(unit).power(language)
        return "0" if scaled == 0 else f"{scaled:,.{_places(scaled)}f}"

    return Words(shown("zh"), shown("en"))


def _places(value: float) -> int:
    """Decimals that a round tick needs."""
    return max(0, -int(Decimal(f"{value:.6g}").normalize().as_tuple().exponent))


def _dot(entry: Entry | None, scale: Scale, y: float, width: float, left: float) -> Markup:
    if entry is None or entry.value is None:
        words = Words.of("report.no_value") if entry is None else Words.of("report.no_estimate")
        return label(words, left + 6, y + 4.5, font_size=12, fill=MUTED, font_style="italic")
    parts = []
    if entry.low is not None and entry.high is not None:
        low, high = scale(float(entry.low)), scale(float(entry.high))
        parts.append(element("rect", x=low, y=y - 3.5, width=max(high - low, 0.5), height=7, rx=3.5, class_="whisker"))
    parts.append(element("circle", cx=scale(float(entry.value)), cy=y, r=5, fill=INK, stroke="#fff", stroke_width=1.5))
    parts.append(label(_shown(entry), width - 6, y + 4.5, text_anchor="end", font_size=TEXT, class_="num", fill=INK))
    return Markup("").join(parts)


def _shown(entry: Entry) -> Words:
    return Words(entry.shown("zh"), entry.shown("en"))


def _triangle(x: float, y: float) -> str:
    return pairs([(x - 6, y - 6), (x + 6, y - 6), (x, y + 3)])


def pairs(points: Sequence[tuple[float, float]]) -> str:
    """Points as the attribute of a line or polygon."""
    return " ".join(f"{coordinate(x)},{coordinate(y)}" for x, y in points)
