"""What the terminal shows of results: summary, series, plan, findings. Plain text where the output is no terminal."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sinkest.messages import current_language, text

if TYPE_CHECKING:
    import pandas as pd

    from sinkest.check import Plan
    from sinkest.doctor import Finding

_COLOURS = {"ready": "green", "limited": "yellow", "missing": "red"}


def show_summary(run: Path) -> None:
    """Print the summary of a finished run and where its report lies."""
    from sinkest.report.summary import banners, summary
    from sinkest.report.units import MISSING
    from sinkest.runstore import RunStore
    from sinkest.stages.publish import NAME, PAGE, report_data

    store = RunStore(run)
    store.manifest()
    data = report_data(store, with_maps=False)
    language = current_language()
    console = Console()
    for banner in banners(data, language):
        console.print(banner, style="bold red", markup=False)
    table = Table(title=f"{data.city(language)} {data.year}")
    heads = (
        text("terminal.quantity"),
        f"{text('terminal.estimate')}\n{text('terminal.interval')}",
        text("terminal.target"),
        text("terminal.verdict"),
    )
    for head in heads:
        # a figure may go on to a second line, never lose a digit
        table.add_column(head, justify="left" if head == heads[0] else "right", overflow="fold")
    rows = summary(data, language)
    for row in rows:
        estimate = row.estimate if row.interval == MISSING else f"{row.estimate}\n{row.interval}"
        table.add_row(*(escape(cell) for cell in (row.label, estimate, row.target, row.verdict)))
    console.print(table)
    for row in rows:
        if row.settling:
            told = text("terminal.settling", name=row.label, target=row.target, settling=row.settling)
            console.print(told, markup=False, highlight=False)
    page = store.folder(NAME) / PAGE
    console.print(text("terminal.report_at", file=page), markup=False, highlight=False, soft_wrap=True)


def show_series(runs: Sequence[Path], found: pd.DataFrame) -> None:
    """Print a series over several runs: value and change by year, each with its interval."""
    from sinkest.report.names import quantity_name
    from sinkest.report.summary import banners
    from sinkest.report.units import MISSING, finite, interval, plain, probability, trimmed, unit_label, unit_of
    from sinkest.runstore import RunStore
    from sinkest.stages.publish import report_data

    data = report_data(RunStore(runs[-1]), with_maps=False)
    language, console = current_language(), Console()

    def shown(line: Mapping[Hashable, Any], *names: str) -> str:
        power = 10.0 ** unit_of(str(line["unit"])).power(language)
        cells = [finite(line[name]) for name in names]
        if any(cell is None for cell in cells):
            return MISSING
        texts = [trimmed(cell / power, 5) for cell in cells if cell is not None]
        return texts[0] if len(texts) == 1 else interval(texts[0], texts[1], language)

    for banner in banners(data, language):
        console.print(banner, style="bold red", markup=False)
    table = Table(title=data.city(language))
    for key in ("quantity", "year", "value", "change", "judged"):
        table.add_column(text(f"series.{key}"), justify="left" if key == "quantity" else "right", overflow="fold")
    for line in found.to_dict("records"):
        label = unit_label(str(line["unit"]), language)
        change = "" if not line["since"] else f"{shown(line, 'change')}\n{shown(line, 'change_low', 'change_high')}"
        chance = probability(finite(line["probability_up"]))
        judged = text(f"series.{line['significant']}", probability=chance) if line["significant"] else ""
        name = quantity_name(data, str(line["quantity"]))[language]
        value = f"{shown(line, 'value')} {label}\n{shown(line, 'low', 'high')}"
        cells = (name, str(int(line["year"])), value, change, judged)
        table.add_row(*(escape(plain(cell)) for cell in cells))
    console.print(table)


def show_check(plan: Plan) -> None:
    """Print what a run would do."""
    console = Console()
    for line in plan.lines():
        console.print(str(line), markup=False, highlight=False, soft_wrap=True)


def show_doctor(findings: Sequence[Finding]) -> None:
    """Print what is ready and what is not."""
    table = Table(title=text("doctor.title"))
    for _ in range(3):
        table.add_column(overflow="fold")
    table.show_header = False
    for finding in findings:
        colour = _COLOURS[finding.state]
        table.add_row(str(finding.name), f"[{colour}]{text(f'doctor.state_{finding.state}')}[/]", str(finding.detail))
    Console().print(table)
