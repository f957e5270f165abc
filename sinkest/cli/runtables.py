"""What the terminal shows of several runs: their list with verdicts, and two held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sinkest.finished.compare import Comparison
from sinkest.finished.runlist import STAGES, Listed
from sinkest.messages import Message, current_language, text
from sinkest.report.names import known, quantity_name, response_message
from sinkest.report.units import MISSING, finite, interval, plain, trimmed, unit_label, unit_of
from sinkest.runstore import RunStore
from sinkest.stages.publish import report_data

LISTED = 12
"""Differing settings and inputs that are shown; the rest is counted."""


def show_runs(folder: Path, runs: Sequence[Listed]) -> None:
    """Print runs with how many targets are met."""
    console = Console()
    if not runs:
        console.print(text("runlist.none", folder=folder), markup=False, highlight=False, soft_wrap=True)
        return
    table = Table()
    for key in ("year", "run", "state", "verdicts", "folder"):
        table.add_column(text(f"runlist.{key}"), overflow="fold")
    for run in runs:
        state = text("runlist.finished") if run.finished else text("runlist.unfinished", stages=_stages(run))
        marks = [text(f"runlist.{mark}") for mark in ("simulated", "provisional") if getattr(run, mark)]
        verdicts = [f"{text(f'quantities.verdict_{name}')} {count}" for name, count in run.verdicts.items()]
        cells = (
            "" if run.year is None else str(run.year),
            f"{run.name}\n{run.run_id}".strip(),
            "\n".join([state, *marks]),
            "\n".join(verdicts) or MISSING,
            str(run.folder),
        )
        table.add_row(*(escape(plain(cell)) for cell in cells))
    console.print(table)


def _stages(run: Listed) -> str:
    left = [stage for stage in STAGES if stage not in run.stages]
    return ", ".join(left)


def show_comparison(first: Path, second: Path, found: Comparison) -> None:
    """Print two runs side by side, then what else differs between them."""
    language, console = current_language(), Console()
    data = report_data(RunStore(second), with_maps=False)
    heads = [
        f"{text(f'compare.{which}')}\n{year}" for which, year in zip(("first", "second"), found.years, strict=True)
    ]
    table = Table(title=data.city(language))
    table.add_column(text("series.quantity"), overflow="fold")
    for head in (*heads, text("compare.difference"), text("compare.judged")):
        table.add_column(head, justify="right", overflow="fold")
    for line in found.figures.to_dict("records"):
        row = {str(name): value for name, value in line.items()}
        name = f"{quantity_name(data, str(row['quantity']))[language]}\n{unit_label(str(row['unit']), language)}"
        relative = finite(row["relative_percent"])
        difference = _shown(row, "difference") + ("" if relative is None else f"\n{relative:+.1f} %")
        judged = text(f"compare.{row['judged']}") if row["judged"] else ""
        cells = (name, _shown(row, "first"), _shown(row, "second"), difference, judged)
        table.add_row(*(escape(plain(cell)) for cell in cells))
    console.print(table)
    if found.grids is not None:
        shown = text("compare.unlike_grids", first=found.grids[0], second=found.grids[1])
        console.print(shown, markup=False, highlight=False, soft_wrap=True)
    for told in _scores(found):
        console.print(told, markup=False, highlight=False)
    for key, items in (("settings", found.settings), ("inputs", found.inputs)):
        console.print(text(f"compare.{key}", count=len(items)), markup=False, highlight=False)
        for item, one, other in items[:LISTED]:
            shown = text("compare.differs", key=item, first=one or MISSING, second=other or MISSING)
            console.print(f"  {shown}", markup=False, highlight=False, soft_wrap=True)
        if len(items) > LISTED:
            console.print(f"  {text('compare.more', count=len(items) - LISTED)}", markup=False, highlight=False)


def _scores(found: Comparison) -> list[str]:
    if found.scores.empty:
        return []
    lines = [text("compare.scores")]
    language = current_language()
    for row in found.scores.to_dict("records"):
        ends = [finite(row[name]) for name in ("first", "second")]
        shown = [MISSING if value is None else trimmed(value, 3) for value in ends]
        metric = known(f"quantities.metric_{_METRICS.get(str(row['metric']), row['metric'])}", row["metric"])[language]
        model = _MODELS[str(row["model"])](str(row["response"])).text()
        key = f"{model}, {metric}" if language == "en" else f"{model}{metric}"
        lines.append(f"  {text('compare.differs', key=key, first=shown[0], second=shown[1])}")
    return lines


_METRICS = {"overall": "overall_accuracy"}
_MODELS = {
    "classification": lambda _: Message.of("quantities.model_land_cover"),
    "regression": lambda response: Message.of("quantities.model_response", name=response_message(response)),
}


def _shown(row: dict[str, Any], name: str) -> str:
    """A number in the shown unit, with its interval below."""
    language = current_language()
    power = 10.0 ** unit_of(str(row["unit"])).power(language)
    value, low, high = (finite(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return MISSING
    shown = trimmed(value / power, 5)
    if low is None or high is None:
        return shown
    return f"{shown}\n{interval(trimmed(low / power, 5), trimmed(high / power, 5), language)}"
