"""The report as one page: it asks nothing of the network, reads in two languages, and prints on A4.

The page carries both languages; a switch shows one. Everything a user or a file supplied is escaped by the template.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sinkest.messages import LANGUAGES, room
from sinkest.report import charts, curves, maps
from sinkest.report.book import Book, Entry
from sinkest.report.data import ReportData
from sinkest.report.names import Words, clean, said
from sinkest.report.sections import Page, page_of
from sinkest.report.svg import verdict_mark
from sinkest.report.tables import Table

LANG_TAG = {"zh": "zh-CN", "en": "en"}


def report_html(data: ReportData, language: str = "zh") -> str:
    """The whole page.

    Parameters
    ----------
    data : ReportData
    language : {"zh", "en"}
        The language shown first; the other is a click away.

    Returns
    -------
    str
        HTML; the same data give the same characters.

    Raises
    ------
    InputError
        If the tidy table has rows that contradict each other, or a layer names an unknown colour scale.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} is not one of {LANGUAGES}")
    page = page_of(data, Book(data))
    style, script = (files("sinkest.report").joinpath("templates", name).read_text("utf-8") for name in _INLINE)
    environment = _environment()
    rendered = environment.get_template("report.html.j2").render(
        page=page,
        data=data,
        lang=LANG_TAG[language],
        style=Markup(style),  # noqa: S704 -- our own file
        script=Markup(script),  # noqa: S704 -- our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
        drawn=Drawn(data, page),
    )
    return clean(rendered)


_INLINE = ("style.css", "script.js")


class Drawn:
    """The pictures of the page, drawn on demand by the template; each gets the id of its caption."""

    def __init__(self, data: ReportData, page: Page) -> None:
        self._data, self._page, self._simulated = data, page, data.simulated
        self._sheet = maps.Sheet(data) if data.maps else None

    def mark(self, shape: str, verdict: str, size: float = 30) -> Markup:
        """The mark of a verdict, for the eye only: its word stands beside it."""
        inner = verdict_mark(shape, size / 2, size / 2, size * 0.88, verdict)
        return Markup('<svg class="verdict-mark" viewBox="0 0 {0} {0}" aria-hidden="true">{1}</svg>').format(
            size, inner
        )

    def strip(self, row: Any, caption: str) -> Markup:
        """A target's strip."""
        return charts.target_strip(row, caption, self._simulated)

    def zones(self, table: Table, key: str, caption: str) -> Markup:
        """Zones of one column with their intervals, and the city's value where it is of their size."""
        place = [column.key for column in table.columns].index(key)
        rows = [(row.name, row.cells[place]) for row in table.rows]
        whole = table.total.cells[place] if table.total is not None and not table.columns[place].sums else None
        return charts.zone_intervals(rows, whole, caption, self._simulated)

    def bars(self, rows: list[tuple[Words, Entry]], caption: str, colour: str) -> Markup:
        """Bars of city-wide estimates."""
        return charts.bars(rows, caption, self._simulated, colour)

    def layer(self, layer: Any, caption: str) -> Markup:
        """A map."""
        return Markup("") if self._sheet is None else self._sheet.layer(layer, caption)

    def county_lines(self) -> Markup:
        """The lines that all maps use."""
        return Markup("") if self._sheet is None else self._sheet.lines

    def trajectory(self, item: Any, caption: str) -> Markup:
        """A quantity over the years."""
        return curves.trajectory(item.points, item.unit, caption, self._simulated, item.roads)

    def dumbbells(self, caption: str) -> Markup:
        """Spatial against random cross-validation."""
        return charts.dumbbells(self._page.cv_shares, caption, self._simulated)

    def bias(self, caption: str) -> Markup:
        """Bias by bin of the response."""
        page = self._page
        return curves.bias_bins(page.bias, page.response, page.response_unit, caption, self._simulated)

    def pairs(self, caption: str) -> Markup:
        """Observed against predicted."""
        accuracy = self._data.accuracy
        if accuracy.observed is None or accuracy.predicted is None:
            return Markup("")
        unit = self._page.response_unit
        return curves.observed_predicted(accuracy.observed, accuracy.predicted, unit, caption, self._simulated)

    def shares(self, rows: list[tuple[Words, float]], caption: str) -> Markup:
        """Shares of a variance."""
        return charts.shares(rows, caption, self._simulated)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """The templates, compiled once; nothing of a report is kept in it."""
    environment = Environment(
        loader=PackageLoader("sinkest.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(t=_both_of, both=both, words=Words, ramp=maps.ramp, swatches=maps.legend_items)
    environment.globals.update(layer_title=maps.layer_title, said=said, plainly=_plainly)
    environment.globals.update(glossary=_glossary)
    environment.filters["both"] = both
    environment.filters["shown"] = shown
    environment.filters["range"] = _range
    environment.filters["unit"] = _unit
    environment.filters["listing"] = _listing
    return environment


def both(words: Words | str) -> Markup:
    """A text in both languages, each in an element of its own; once only, where they do not differ."""
    if isinstance(words, str) or words.zh == words.en:
        return escape(words if isinstance(words, str) else words.zh)
    return Markup('<span class="lz" lang="zh-CN">{}</span><span class="le" lang="en">{}</span>').format(
        words.zh, words.en
    )


def _both_of(key: str, **fields: Any) -> Markup:
    return both(Words.of(f"report.{key}" if "." not in key else key, **fields))


def _glossary() -> list[Words]:
    """Terms with what they mean, in the order of their file."""
    return [Words.of(f"glossary.{name}") for name in room("glossary")]


def _plainly(key: str) -> str:
    """Both languages in one attribute, which has no other way to hold them."""
    words = Words.of(f"report.{key}")
    return f"{words.zh} {words.en}"


def shown(entry: Entry) -> Markup:
    """The value of an estimate."""
    return both(Words(entry.shown("zh"), entry.shown("en")))


def _range(entry: Entry) -> Markup:
    return both(Words(entry.shown_interval("zh"), entry.shown_interval("en")))


def _unit(column: Any) -> Markup:
    return both(column.label())


def _listing(value: object) -> Markup:
    """Nested provenance as nested lists; keys in their own order."""
    if isinstance(value, Mapping):
        items = [Markup("<dt>{}</dt><dd>{}</dd>").format(str(key), _listing(item)) for key, item in value.items()]
        return Markup("<dl class='tree'>{}</dl>").format(Markup("").join(items)) if items else Markup("—")
    if isinstance(value, list | tuple):
        if all(isinstance(item, str | int | float) for item in value):
            return escape(", ".join(str(item) for item in value) or "—")
        items = [Markup("<li>{}</li>").format(_listing(item)) for item in value]
        return Markup("<ul class='tree'>{}</ul>").format(Markup("").join(items))
    if value is None or isinstance(value, bool):
        return Markup("—") if value is None else escape(str(value).lower())
    return escape(str(value))
