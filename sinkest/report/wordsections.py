"""The sections of the Word document that hold results: verdicts, figures, maps, tables, the road to the targets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from sinkest.report.book import Book, Entry
from sinkest.report.data import MapLayer, ReportData
from sinkest.report.listings import Listing
from sinkest.report.maps import layer_title, legend_items
from sinkest.report.names import Words, zone_name, zone_order
from sinkest.report.roads import COLOURS
from sinkest.report.sections import Figure, Page, page_of
from sinkest.report.tables import Table
from sinkest.report.units import MISSING, unit_label
from sinkest.report.verdicts import TargetRow
from sinkest.report.wordfigures import course_png, map_png, zones_png
from sinkest.report.wordparts import COVER, NOTE, WARNING, Writer

WIDEST = 4
"""Columns of numbers that fit beside the names on an upright page."""


class Section:
    """What all sections have: the writer, the data, the book of printed numbers, and the page's own content."""

    def __init__(self, writer: Writer, data: ReportData) -> None:
        self.writer, self.data = writer, data
        self.book = Book(data)
        self.page: Page = page_of(data, self.book)
        self._zones = zone_order(data)

    @property
    def _language(self) -> str:
        return self.writer.language

    def _missing(self, name: str) -> None:
        self.writer.say(self.writer.words(f"report.missing_{name}"), NOTE)

    def _cell(self, entry: Entry | None) -> str:
        """An estimate with its interval, or what stands in its place."""
        if entry is None:
            return MISSING
        if entry.value is None:
            known = entry.status in ("insufficient", "declined", "map_only", "provisional")
            return self.writer.words(f"quantities.status_{entry.status}") if known else MISSING
        ends = entry.shown_interval(self._language)
        shown = entry.shown(self._language)
        return f"{shown}\n({ends})" if ends else shown

    def _table(self, table: Table) -> None:
        """A table of the page, in pieces as wide as the page; its notes below."""
        if not table:
            return
        writer, language = self.writer, self._language
        for piece in table.split(WIDEST):
            heads = [piece.first[language]]
            for column in piece.columns:
                heads.append(f"{column.head[language]}\n{column.label()[language]}")
            rows = [[row.name[language], *(self._cell(cell) for cell in row.cells)] for row in piece.body]
            writer.table(heads, rows, caption=piece.title[language], total=piece.total is not None)
            apart = piece.not_adding()
            if apart is not None:
                writer.say(writer.words("report.not_adding", columns=apart[language]), NOTE)
        for note in table.notes():
            writer.say(note[language], NOTE)

    def _listing(self, item: Listing, widths: Sequence[float] | None = None, left: Sequence[int] = (0,)) -> None:
        if not item:
            return
        rows = [[cell[self._language] for cell in row] for row in item.rows]
        heads = [head[self._language] for head in item.heads]
        self.writer.table(heads, rows, caption=item.title[self._language], widths=widths, left=left)


class Results(Section):
    """Sections of results, each written in the writer's language."""

    def cover(self) -> None:
        """Title, what the report is of, what must be known of all its numbers, and room to sign."""
        writer, data = self.writer, self.data
        writer.say(writer.words("report.kicker"), COVER)
        writer.heading(self.page.title[self._language], 0)
        names = Words(data.definition.name_zh, data.definition.name_en)[self._language]
        facts = [("year", str(data.year)), ("run", data.run_id)]
        if data.definition.id:
            facts.insert(1, ("definition_id", f"{names} ({data.definition.id})"))
        for key, value in facts:
            writer.say(f"{writer.words(f'report.{key}')}{writer.words('report.colon')}{value}", COVER)
        kinds = [kind for kind, here in (("simulated", data.simulated), ("provisional", data.provisional)) if here]
        for kind in kinds:
            head, body = (writer.words(f"report.{kind}_{part}") for part in ("head", "text"))
            writer.say(f"{head}{writer.words('report.colon')}{body}", WARNING)
        blank = "＿＿＿＿＿＿＿＿" if self._language == "zh" else "________________"
        for key in ("prepared", "checked", "approved", "signed_on"):
            writer.say(f"{writer.words(f'document.{key}')}{writer.words('report.colon')}{blank}", COVER)

    def verdict(self) -> None:
        """Each target in a sentence, then all in a table."""
        rows = [*self.page.due, *self.page.later, *self.page.open]
        if not rows:
            self._missing("targets")
            return
        writer = self.writer
        writer.say(writer.words("report.verdict_lead", level=self.page.level))
        writer.bullets(self._sentence(row) for row in rows)
        heads = [writer.words(f"report.{key}") for key in ("target", "target", "estimate", "probability", "verdict")]
        heads[0] = writer.words("report.quantity")
        writer.table(
            heads,
            [self._target_cells(row) for row in rows],
            caption=writer.words("document.targets"),
            left=(0, 4),
            widths=(2.4, 1.6, 2.0, 1.1, 1.3),
        )

    def _sentence(self, row: TargetRow) -> str:
        writer, language = self.writer, self._language
        shown = {
            "name": row.name[language],
            "year": row.year,
            "verdict": row.verdict_shown[language],
            "target": row.target_shown[language],
            "unit": row.unit_shown[language],
        }
        if row.value is None:
            return writer.words("document.verdict_open", reason=row.reason[language], **shown)
        ends = row.interval_shown[language]
        told = writer.words(
            "document.verdict",
            estimate=row.estimate_shown[language],
            interval=writer.words("document.verdict_interval", interval=ends) if ends else "",
            probability=row.probability_shown,
            **shown,
        )
        settling = "" if row.settling_shown is None else row.settling_shown[language]
        return f"{told}{'' if language == 'zh' else ' '}{settling}".rstrip()

    def _target_cells(self, row: TargetRow) -> list[str]:
        language = self._language
        unit, ends = row.unit_shown[language], row.interval_shown[language]
        estimate = MISSING if row.value is None else f"{row.estimate_shown[language]} {unit}"
        return [
            row.name[language],
            f"{row.target_shown[language]} {unit}\n{row.year}",
            f"{estimate}\n({ends})" if ends else estimate,
            row.probability_shown,
            row.verdict_shown[language],
        ]

    def headline(self) -> None:
        """The city's figures."""
        if not self.page.headline:
            self._missing("headline")
            return
        writer = self.writer
        heads = [writer.words(f"report.{key}") for key in ("quantity", "unit", "estimate", "relative_col")]
        rows = [self._figure_cells(item) for item in self.page.headline]
        caption = writer.words("document.headline", level=self.page.level)
        writer.table(heads, rows, caption=caption, left=(0, 1), widths=(2.6, 1.5, 2.0, 1.1))

    def _figure_cells(self, item: Figure) -> list[str]:
        language, entry = self._language, item.entry
        relative = "" if entry.relative is None else f"± {entry.shown_relative()} %"
        mark = f" [{self.writer.words('report.provisional_row')}]" if entry.provisional else ""
        return [f"{item.name[language]}{mark}", item.unit[language], self._cell(entry), relative]

    def maps(self) -> None:
        """The map of land cover and that of the stock."""
        chosen = [self.data.maps[side - 1] for side in self.page.sides]
        if not chosen:
            self._missing("maps")
            return
        numbered = [f"{n} {zone_name(self.data, zone)[self._language]}" for n, zone in enumerate(self._zones, 1)]
        joint = "；" if self._language == "zh" else "; "
        for layer in chosen:
            title = layer_title(layer)[self._language]
            unit = unit_label(layer.unit, self._language) if layer.kind == "continuous" else ""
            caption = self.writer.words(
                "document.map_caption",
                layer=title,
                unit=self.writer.words("document.in_unit", unit=unit) if unit else "",
                year=self.data.year,
                zones=joint.join(numbered),
            )
            self.writer.picture(self._pictures[layer.id], caption, 11.0)
            if layer.kind == "classes":
                self.writer.say(self.writer.words("document.map_classes", layer=title), NOTE)
                self.writer.legend([(item.colour, item.name[self._language]) for item in legend_items(layer)], 3)
        self.writer.say(self.writer.words("report.map_warning"), NOTE)

    @cached_property
    def _pictures(self) -> dict[str, bytes]:
        """Maps, drawn once for both languages."""
        layers: list[MapLayer] = [self.data.maps[side - 1] for side in self.page.sides]
        return {layer.id: map_png(self.data, layer) for layer in layers}

    def counties(self) -> None:
        """The county tables, and the intervals of coverage and stock side by side."""
        overview = self.page.tables["overview"]
        if not (overview and overview.rows):
            self._missing("counties")
        for name in ("overview", "area", "stock"):
            self._table(self.page.tables[name])
        for key in ("forest_coverage", "growing_stock_per_ha"):
            for place, column in enumerate(overview.columns if overview.rows else ()):
                if column.key == key:
                    cells = [row.cells[place] for row in overview.rows]
                    whole = None if overview.total is None else overview.total.cells[place]
                    unit = column.label()[self._language]
                    caption = self.writer.words(
                        "document.zones_caption", quantity=column.head[self._language], unit=unit
                    )
                    self.writer.picture(zones_png(self.data, cells, whole, self._language), caption, 14.0)

    def types(self) -> None:
        """Stock by type and by age group."""
        for name in ("types", "ages"):
            if not self.page.tables[name]:
                self._missing(name)
            self._table(self.page.tables[name])
        if self.page.tables["ages"]:
            self.writer.say(self.writer.words("report.ages_note"), NOTE)

    def carbon(self) -> None:
        """Carbon by pool, and the sink with what it is made of."""
        tables = self.page.tables
        if not tables["carbon"]:
            self._missing("carbon")
            return
        for name in ("carbon", "sink", "pools"):
            self._table(tables[name])
        self._listing(self.page.listings["gain_loss"])
        self.writer.say(self.writer.words("report.sign"), NOTE)
        if not any(column.key == "sink" for column in tables["carbon"].columns):
            self._missing("sink")

    def wetland(self) -> None:
        """Areas and the balance."""
        if not self.page.tables["wetland"]:
            self._missing("wetland")
            return
        self._table(self.page.tables["wetland"])
        self.writer.say(self.writer.words("report.burial_note"), NOTE)

    def trajectory(self) -> None:
        """The road to the targets."""
        if not self.page.courses:
            self._missing("trajectory")
        for course in self.page.courses:
            caption = self.writer.words(
                "report.chart_trajectory",
                quantity=course.name[self._language],
                unit=course.unit_shown[self._language],
            )
            self.writer.picture(course_png(self.data, course, self._language), caption, 14.0)
            if course.roads:
                named = [(COLOURS[k % len(COLOURS)], road.name[self._language]) for k, road in enumerate(course.roads)]
                self.writer.legend(named, min(len(named), 3))
        if self.page.courses:
            band = any(course.projected for course in self.page.courses)
            told = ("chart_projection", {"level": self.page.level}) if band else ("chart_no_projection", {})
            self.writer.say(self.writer.words(f"report.{told[0]}", **told[1]), NOTE)
        if any(course.roads for course in self.page.courses):
            self.writer.say(self.writer.words("report.chart_roads", level=self.page.level), NOTE)
        self._listing(self.page.listings["scenarios"], (1.5, 1.5, 0.7, 1.5, 1.0, 1.0, 1.3, 1.0), left=(0, 1))
