"""Results of commands as JSON-able values: the same numbers as the tables, unrounded and as printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sinkest.messages import current_language

if TYPE_CHECKING:
    from sinkest.check import Plan
    from sinkest.doctor import Finding
    from sinkest.explain import Explanation
    from sinkest.finished.compare import Comparison
    from sinkest.finished.runlist import Listed


def of_run(run: Path) -> dict[str, Any]:
    """A finished run: what it is, its city-wide figures and its verdicts."""
    from sinkest.report.book import Book
    from sinkest.report.units import unit_label
    from sinkest.report.verdicts import target_rows
    from sinkest.runstore import RunStore
    from sinkest.stages.publish import NAME, PAGE, report_data

    store, language = RunStore(run), current_language()
    store.manifest()
    data = report_data(store, with_maps=False)
    book = Book(data)
    entries = [entry for entry in map(book.entry, book.quantities) if entry is not None]
    figures = [
        {
            "quantity": entry.quantity,
            "value": entry.raw,
            "unit": entry.unit,
            "printed": None if entry.value is None else entry.shown(language),
            "printed_low_high": entry.shown_interval(language) or None,
            "printed_unit": unit_label(entry.unit, language),
            "status": entry.status,
            "provisional": entry.provisional,
        }
        for entry in entries
    ]
    targets = [
        {
            "target": row.id,
            "quantity": row.quantity,
            "zone": row.zone,
            "year": row.year,
            "verdict": row.verdict,
            "probability": row.probability,
            "reason": row.reason[language],
            "settling": None if row.settling_shown is None else row.settling_shown[language],
        }
        for row in target_rows(data, book)
    ]
    return {
        "run": run,
        "run_id": data.run_id,
        "name": data.name,
        "year": data.year,
        "simulated": data.simulated,
        "provisional": data.provisional,
        "definition_id": data.definition.id,
        "report": store.folder(NAME) / PAGE,
        "figures": figures,
        "targets": targets,
    }


def of_plan(plan: Plan) -> dict[str, Any]:
    """What a check found."""
    return {"ok": not plan.problems, "facts": list(plan.facts), "problems": list(plan.problems)}


def of_findings(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """What is ready and what is not."""
    return [{"name": item.name, "state": item.state, "detail": item.detail} for item in findings]


def of_explanation(found: Explanation) -> dict[str, Any]:
    """The chain of a number."""
    language = current_language()
    parts = {part.id: [line[language] for line in part.lines] for part in found.parts}
    return {"quantity": found.quantity, "zone": found.zone, "agrees": found.agrees, "parts": parts}


def of_runs(runs: Sequence[Listed]) -> list[dict[str, Any]]:
    """Runs of a folder."""
    return [asdict(run) | {"targets": dict(run.targets)} for run in runs]


def of_comparison(found: Comparison) -> dict[str, Any]:
    """Two runs against each other."""
    three = ("key", "first", "second")
    return {
        "years": list(found.years),
        "figures": found.figures.to_dict("records"),
        "scores": found.scores.to_dict("records"),
        "settings": [dict(zip(three, item, strict=True)) for item in found.settings],
        "inputs": [dict(zip(three, item, strict=True)) for item in found.inputs],
        "grids": list(found.grids or ()),
    }
