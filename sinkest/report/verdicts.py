"""Targets as printed: what is asked, what was found, and the verdict in a word and a shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sinkest.report.book import Book
from sinkest.report.data import CITY, ReportData
from sinkest.report.names import Words, known, quantity_name, said, zone_name
from sinkest.report.units import (
    MISSING,
    base_unit,
    exact,
    finite,
    interval,
    number,
    probability,
    rate_label,
    rounded,
    step_of,
    trimmed,
    unit_label,
    unit_of,
)

SHAPES = {"met": "circle", "not_met": "square", "cannot_tell": "diamond", "not_assessed": "dash"}
"""Shape of each verdict: it has to be told apart without colour."""

LANGUAGES = ("zh", "en")


@dataclass(frozen=True)
class TargetRow:
    """One target, ready to print; numbers are in the base unit."""

    id: str
    quantity: str
    zone: str
    name: Words
    wording: Words
    year: int
    unit: str
    unit_shown: Words
    step: int
    target: float | None
    target_shown: Words
    comparison: Words
    band: float | None
    band_shown: Words
    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    estimate_shown: Words
    interval_shown: Words
    assessed: tuple[Decimal, Decimal, Decimal] | None
    assessed_shown: Words | None
    settling_shown: Words | None
    source: Words
    probability: float | None
    probability_shown: str
    verdict: str
    verdict_shown: Words
    reason: Words
    required_shown: Words | None
    trajectory_shown: Words | None
    later: bool

    @property
    def shape(self) -> str:
        """Shape of the verdict's mark."""
        return SHAPES[self.verdict]


def target_rows(data: ReportData, book: Book) -> list[TargetRow]:
    """The targets in the order of the assessment: those due first, then those of later years."""
    if data.targets is None:
        return []
    records = data.targets.to_dict(orient="records")
    rows = [_row(data, book, {str(name): value for name, value in record.items()}) for record in records]
    return sorted(rows, key=lambda row: row.later)


def _row(data: ReportData, book: Book, record: dict[str, Any]) -> TargetRow:
    quantity, zone = str(record["quantity"]), str(record["zone"])
    zone = zone if zone in {CITY, *book.zones} else CITY
    unit, power = base_unit(str(record["unit"]))
    factor = 10.0**power
    given = {name: finite(record.get(name)) for name in _NUMBERS}
    base = {name: None if value is None else value * factor for name, value in given.items()}
    entry = book.entry(quantity, zone)
    step = entry.step if entry is not None else step_of(unit, [base["se"] or 0.0])
    value, low, high = (None if base[name] is None else rounded(base[name] or 0.0, step) for name in _ESTIMATE)
    if entry is not None and value is not None and entry.raw == base["estimate"]:
        value = entry.value  # the one that was rounded with its parts
    year = int(record["target_year"])
    on_path = base["trajectory_value"]
    carried = _carried(base, step) if year != data.year else None
    error = base["se"] if carried is None else base["assessed_se"]
    verdict = str(record["verdict"]) if str(record["verdict"]) in SHAPES else "not_assessed"
    return TargetRow(
        id=str(record["target_id"]),
        quantity=quantity,
        zone=zone,
        name=_named(data, quantity, zone),
        wording=Words(_plain(record["wording_zh"]), _plain(record["wording_en"])),
        year=year,
        unit=unit,
        unit_shown=Words(unit_label(unit, "zh"), unit_label(unit, "en")),
        step=step,
        target=base["target_value"],
        target_shown=_exact(base["target_value"], unit),
        comparison=known(f"quantities.comparison_{record['comparison']}", record["comparison"]),
        band=base["band"],
        band_shown=_exact(base["band"], unit),
        value=value,
        low=low,
        high=high,
        estimate_shown=_number(value, unit, step),
        interval_shown=_interval(low, high, unit, step),
        assessed=carried,
        assessed_shown=None if carried is None else _with_interval(carried, unit, step),
        settling_shown=_would_settle(record, base["settling_se"], error, unit) if verdict == "cannot_tell" else None,
        source=said(record.get("source")),
        probability=given["probability"],
        probability_shown=probability(given["probability"]),
        verdict=verdict,
        verdict_shown=Words.of(f"quantities.verdict_{verdict}{'_later' if year > data.year else ''}"),
        reason=said(record["reason"]),
        required_shown=_rate(base["required_per_year"], unit),
        trajectory_shown=None if on_path is None or year == data.year else _rounded(on_path, unit, step),
        later=year > data.year,
    )


_ESTIMATE = ("estimate", "low", "high")
_CARRIED = ("assessed", "assessed_low", "assessed_high")
_NUMBERS = (
    *_ESTIMATE,
    *_CARRIED,
    "assessed_se",
    "settling_se",
    "se",
    "target_value",
    "probability",
    "required_per_year",
    "trajectory_value",
    "band",
)


def _named(data: ReportData, quantity: str, zone: str) -> Words:
    name = quantity_name(data, quantity)
    return name if zone == CITY else Words.of("report.of_zone", quantity=name, zone=zone_name(data, zone))


def _carried(base: dict[str, float | None], step: int) -> tuple[Decimal, Decimal, Decimal] | None:
    """The estimate carried to the target's year, with its interval: what the probability refers to."""
    value, low, high = (base[name] for name in _CARRIED)
    if value is None or low is None or high is None:
        return None
    return rounded(value, step), rounded(low, step), rounded(high, step)


def _with_interval(numbers: tuple[Decimal, Decimal, Decimal], unit: str, step: int) -> Words:
    value, ends = _number(numbers[0], unit, step), _interval(numbers[1], numbers[2], unit, step)
    return Words.of("report.value_interval", value=value, interval=ends)


def _would_settle(record: dict[str, Any], wanted: float | None, now: float | None, unit: str) -> Words | None:
    """The standard error that would settle it, and how many more plots or points that may take."""
    error, kind = _settling(wanted, now, unit), str(record.get("n_kind") or "")
    if kind not in ("plots", "points"):
        return error
    more, size = record.get("n_more"), finite(record.get("n"))
    endless = isinstance(more, float) and math.isinf(more)
    count = finite(more)
    if size is None or (count is None and not endless):
        return error
    key = f"scenario.{'endless' if endless else 'more'}_{kind}"
    # two digits: what is asked for rests on an estimate that will itself move
    asked = "" if count is None else f"{round(count, -max(len(str(int(count))) - 2, 0)):,.0f}"
    told = Words.of(key, more=asked, n=f"{size:,.0f}")
    return told if error is None else Words(f"{error.zh}{told.zh}", f"{error.en} {told.en}")


def _settling(wanted: float | None, now: float | None, unit: str) -> Words | None:
    """The standard error at which the verdict would be clear, beside today's."""
    if wanted is None or now is None or wanted >= now:
        return None
    shown = [_each(lambda lang, se=se: trimmed(se / 10.0 ** unit_of(unit).power(lang), 2)) for se in (wanted, now)]
    label = Words.of("quantities.unit_points") if unit == "%" else Words(unit_label(unit, "zh"), unit_label(unit, "en"))
    return Words.of("report.settling", wanted=shown[0], now=shown[1], unit=label)


def _plain(value: object) -> str:
    words = said(value)
    return words.zh


def _each(build: Any) -> Words:
    return Words(build("zh"), build("en"))


def _number(value: Decimal | None, unit: str, step: int) -> Words:
    return _each(lambda lang: MISSING if value is None else number(value, unit, lang, step))


def _rounded(value: float, unit: str, step: int) -> Words:
    return _number(rounded(value, step), unit, step)


def _interval(low: Decimal | None, high: Decimal | None, unit: str, step: int) -> Words:
    if low is None or high is None:
        return Words("", "")
    return _each(lambda lang: interval(number(low, unit, lang, step), number(high, unit, lang, step), lang))


def _exact(value: float | None, unit: str) -> Words:
    return _each(lambda lang: MISSING if value is None else exact(value, unit, lang))


def _rate(value: float | None, unit: str) -> Words | None:
    """A yearly rate: three significant digits in the shown unit, with its label."""
    if value is None:
        return None
    return _each(lambda lang: f"{trimmed(value / 10.0 ** unit_of(unit).power(lang))} {rate_label(unit, lang)}")
