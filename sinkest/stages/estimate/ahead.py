"""The estimates of a run held against targets, and the road to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sinkest.account.definitions import definition
from sinkest.account.scenarios import declared, scenario_table, widened
from sinkest.account.settling import with_settling
from sinkest.stages.context import Run
from sinkest.stages.estimate.book import Book
from sinkest.targets import Target, assess, read_targets, remarks
from sinkest.targets.trajectory import trajectory

SCENARIO_STREAM = 1
"""Keeps the draws of the scenarios apart from the account's."""


def judged(run: Run, book: Book, estimates: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Targets, trajectory and scenarios; nothing where the run names no targets."""
    section = run.spec.targets
    if section is None:
        return {}
    targets = _under(read_targets(run.config.file(section.path)), run, section.coverage_definition)
    book.notes += remarks(targets)
    band = {"forest_coverage": section.coverage_band_pp} if section.coverage_band_pp is not None else None
    assessed = assess(estimates, targets, run.spec.year, half_width=band)
    return {
        "targets": with_settling(assessed, estimates),
        "trajectory": trajectory(targets, estimates, run.spec.year),
        "scenarios": _ahead(run, book, estimates, targets),
    }


def _under(targets: Sequence[Target], run: Run, identifier: str | None) -> list[Target]:
    """Targets with those of coverage under the definition that the configuration says the plan means."""
    forest = run.spec.forest
    if identifier is None or forest is None:
        return list(targets)
    rule = definition(identifier)
    return [
        dataclasses.replace(item, definition_id=rule.id)
        if item.quantity == "forest_coverage" and item.definition_id == forest.definition
        else item
        for item in targets
    ]


def _ahead(run: Run, book: Book, estimates: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """The declared scenarios, carried to the last target's year."""
    spec = run.spec
    scenarios = [declared(item.model_dump()) for item in spec.scenarios]
    table = scenario_table(
        estimates,
        widened(targets, spec.targets.coverage_band_pp if spec.targets else None),
        scenarios,
        spec.year,
        book.frame.total_ha,
        spec.estimate.labelled_under or "",
        rng=np.random.default_rng([spec.seed, spec.year, SCENARIO_STREAM]),
        draws=spec.account.draws,
        level=spec.estimate.level,
    )
    if scenarios:
        book.say("scenario.scope" if len(table) else "scenario.nothing")
    return table
