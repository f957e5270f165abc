"""The written part of the report as a Word document: Chinese first, then the same in English.

Its numbers are those of :class:`~sinkest.report.book.Book`, as on the page and in the workbook; its words are in styles
(``Normal``, ``Heading 1``, ``Report Table`` ...), so that a bureau changes the look in one place.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from sinkest.messages import LANGUAGES
from sinkest.report.data import ReportData
from sinkest.report.names import Words, said
from sinkest.report.units import MISSING, percent
from sinkest.report.wordparts import NOTE, Writer, font_table
from sinkest.report.wordsections import Results
from sinkest.report.workbook_bytes import settled

_CHINESE = "一二三四五六七八九十"
_SECTIONS = (
    "verdict", "headline", "maps", "counties", "types", "carbon", "wetland", "trajectory", "accuracy", "method",
    "factors", "provenance",
)  # fmt: skip


def report_docx(data: ReportData) -> bytes:
    """The document as a file; the same data give the same bytes.

    Parameters
    ----------
    data : ReportData

    Raises
    ------
    InputError
        If the tidy table has rows that contradict each other.
    """
    writer = Writer(LANGUAGES[0])
    parts = _Parts(writer, data)
    for place, language in enumerate(LANGUAGES):
        if place:
            writer.break_page()
        writer.language = language
        parts.cover()
        for number, name in enumerate(_SECTIONS, 1):
            writer.heading(f"{_numbered(number, language)}{writer.words(f'report.s_{name}')}", 1)
            getattr(parts, name)()
        parts.notes()
    writer.bands("模拟数据 SIMULATED" if data.simulated else "", f"{data.run_id} · sinkest")
    properties = writer.document.core_properties
    properties.author, properties.title = "sinkest", parts.page.title.zh
    properties.comments = data.run_id
    stream = io.BytesIO()
    writer.document.save(stream)
    return settled(stream.getvalue(), parts={"word/fontTable.xml": font_table()})


def _numbered(number: int, language: str) -> str:
    if language == "en":
        return f"{number}  "
    tens = "十" if number > 10 else ""
    return f"{tens}{_CHINESE[(number - 1) % 10]}、"


class _Parts(Results):
    """All sections: results, and what stands behind them."""

    def accuracy(self) -> None:
        """Accuracy of the map by class, and both schemes of cross-validation."""
        writer, language = self.writer, self._language
        confusion = self.data.accuracy.confusion
        writer.heading(writer.words("report.accuracy_map"), 2)
        if confusion is None or self.page.overall is None:
            self._missing("confusion")
        else:
            value, error = self.page.overall
            writer.say(writer.words("report.accuracy_overall", value=value, se=error, n=confusion.n))
            rows = [[row.name[language], row.users, row.producers] for row in self.page.confusion]
            heads = [writer.words("report.confusion_corner")]
            heads += [f"{writer.words(f'report.{key}')} %" for key in ("users", "producers")]
            writer.table(heads, rows, caption=writer.words("report.accuracy_map"))
        writer.heading(writer.words("report.cv_head"), 2)
        if not self.page.cv:
            self._missing("cv")
            return
        writer.say(writer.words("report.cv_text"))
        heads = [writer.words(f"report.{key}") for key in ("model", "metric", "spatial", "random")]
        rows = [
            [row.model[language], f"{row.metric[language]} {row.unit[language]}".strip(), row.spatial, row.random]
            for row in self.page.cv
        ]
        writer.table(heads, rows, caption=writer.words("report.cv_table"), left=(0, 1))

    def method(self) -> None:
        """Definition, estimators, samples, rules, and what the uncertainty is made of."""
        writer, data, language = self.writer, self.data, self._language
        writer.heading(writer.words("report.definition_head"), 2)
        if data.definition.id:
            writer.say(Words(data.definition.text_zh, data.definition.text_en)[language])
            writer.say(writer.words("report.definition_rule"), NOTE)
        else:
            self._missing("definition")
        writer.heading(writer.words("report.estimators"), 2)
        if self.page.figures:
            heads = [writer.words(f"report.{key}") for key in ("quantity", "n_col", "method_col", "status_col")]
            rows = [
                [
                    item.name[language],
                    f"{item.entry.n:,.0f}" if item.entry.n else MISSING,
                    item.method[language],
                    item.status[language],
                ]
                for item in self.page.figures
            ]
            writer.table(heads, rows, caption=writer.words("report.estimators"), left=(0, 2, 3))
        else:
            self._missing("method")
        writer.bullets(self._rules())
        self._listing(self.page.listings["land_use"], (3.2, 0.8, 0.9, 1.2, 1.2), left=(0, 1))
        self._listing(self.page.listings["uncertainty"], (2.2, 1.6, 1.1, 1.5, 1.1))
        for name, shares in self.page.variance:
            caption = writer.words("report.variance_caption", quantity=name[language])
            cells = [[source[language], f"{percent(share)} %"] for source, share in shares]
            writer.table([writer.words("report.source"), "%"], cells, caption=caption)

    def _rules(self) -> Sequence[str]:
        writer, data = self.writer, self.data
        told = []
        if data.relative_efficiency is not None:
            told.append(writer.words("report.efficiency", value=f"{data.relative_efficiency:.2f}"))
        sizes = {"n_plots": data.n_plots, "n_reference": data.n_reference}
        shown = {name: f"{size:,}" for name, size in sizes.items() if size is not None}
        if shown:
            key = "sample" if len(shown) == 2 else "sample_plots" if "n_plots" in shown else "sample_reference"
            told.append(writer.words(f"report.{key}", **shown))
        return [*told, writer.words("report.pixel_rule"), writer.words("report.rounding")]

    def factors(self) -> None:
        """Coefficients with source and status."""
        if not self.page.factors:
            self._missing("factors")
            return
        writer, language = self.writer, self._language
        writer.say(writer.words("report.factors_lead"))
        heads = [writer.words(f"report.{key}") for key in ("factor", "value", "unit", "status", "source")]
        rows = [[r.name[language], r.value, r.unit, r.status[language], r.source] for r in self.page.factors]
        caption = writer.words("report.s_factors")
        writer.table(heads, rows, caption=caption, left=(0, 2, 3, 4), widths=(2.0, 0.9, 1.1, 1.2, 3.0))

    def provenance(self) -> None:
        """Where everything came from, and what lies beside this document."""
        writer = self.writer
        if not (self.page.versions or self.page.inputs or self.page.more):
            self._missing("provenance")
        if self.page.versions:
            versions = ", ".join(f"{name} {version}" for name, version in self.page.versions.items())
            writer.say(f"{writer.words('report.versions')}{writer.words('report.colon')}{versions}")
        writer.say(writer.words("document.inputs_more"))
        writer.say(writer.words("document.companions"))

    def notes(self) -> None:
        """What the reader must know."""
        if not self.data.notes:
            return
        self.writer.heading(self.writer.words("report.notes"), 1)
        self.writer.bullets(said(note)[self._language] for note in self.data.notes)
