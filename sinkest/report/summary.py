"""The rows of the final table that the command line prints, and the lines that go above it."""

from __future__ import annotations

from typing import NamedTuple

from sinkest.messages import text
from sinkest.report.book import Book, Entry
from sinkest.report.data import ReportData
from sinkest.report.names import quantity_name, status_name
from sinkest.report.sections import headline
from sinkest.report.units import MISSING, plain, unit_label
from sinkest.report.verdicts import TargetRow, target_rows


class SummaryRow(NamedTuple):
    """A row of the final table, as text in one language."""

    label: str
    estimate: str
    interval: str
    target: str
    verdict: str
    settling: str = ""


def summary(data: ReportData, language: str) -> list[SummaryRow]:
    """City-wide estimates with their targets; a quantity with several targets has a row for each.

    Parameters
    ----------
    data : ReportData
    language : {"zh", "en"}

    Returns
    -------
    list of SummaryRow
        Texts hold no characters outside GBK, so that a Chinese terminal of any age prints them.
    """
    book = Book(data)
    targets = target_rows(data, book)
    leading = headline(book)
    wetlands = [quantity for quantity in book.parts("wetland_area") if quantity not in leading]
    rows: list[SummaryRow] = []
    for quantity in (*leading, *wetlands):
        entry = book.entry(quantity)
        asked = [target for target in targets if target.quantity == quantity]
        if entry is not None and not asked:
            rows.append(_estimate(data, entry, language))
        rows += [_target(target, language) for target in asked]
    shown = {*leading, *wetlands}
    rows += [_target(target, language) for target in targets if target.quantity not in shown]
    return [SummaryRow(*(plain(cell) for cell in row)) for row in rows]


def banners(data: ReportData, language: str) -> list[str]:
    """Lines that must stand above any number: simulated data, provisional coefficients."""
    kinds = [kind for kind, present in (("simulated", data.simulated), ("provisional", data.provisional)) if present]
    lines = []
    for kind in kinds:
        head, body = (text(f"report.{kind}_{part}", language) for part in ("head", "text"))
        lines.append(plain(f"{head}{text('report.colon', language)}{body}"))
    return lines


def _estimate(data: ReportData, entry: Entry, language: str) -> SummaryRow:
    name = quantity_name(data, entry.quantity)[language]
    if entry.value is None:
        return SummaryRow(name, MISSING, status_name(entry.status)[language], MISSING, MISSING)
    shown = f"{entry.shown(language)} {unit_label(entry.unit, language)}"
    return SummaryRow(name, shown, entry.shown_interval(language) or MISSING, MISSING, MISSING)


def _target(row: TargetRow, language: str) -> SummaryRow:
    unit = row.unit_shown[language]
    estimate = MISSING if row.value is None else f"{row.estimate_shown[language]} {unit}"
    target = MISSING if row.target is None else f"{row.target_shown[language]} {unit} ({row.year})"
    verdict = row.verdict_shown[language]
    if row.probability is not None:
        verdict = f"{verdict} (P {row.probability_shown})"
    settling = "" if row.settling_shown is None else row.settling_shown[language]
    return SummaryRow(row.name[language], estimate, row.interval_shown[language] or MISSING, target, verdict, settling)
