"""The road of each target: estimates, the plan's path and the projection, year by year."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from sinkest.account.definitions import Definition
from sinkest.targets import changes_from
from sinkest.targets.file import Target
from sinkest.targets.verdict import Rule, Value, carried_on, find, line_of, need_columns, on_line

TRAJECTORY_COLUMNS = ("quantity", "zone", "definition_id", "year", "kind", "value", "unit", "low", "high")


def trajectory(
    targets: Sequence[Target],
    estimates: pd.DataFrame,
    year: int,
    annual_change: pd.DataFrame | None = None,
    *,
    rule: Rule | None = None,
    definitions: Mapping[str, Definition] | None = None,
) -> pd.DataFrame:
    """The road of each quantity that has targets, for a chart.

    Parameters
    ----------
    targets, estimates, year, annual_change, rule, definitions
        As for :func:`assess`; the estimates may hold several years.

    Returns
    -------
    DataFrame
        ``quantity, zone, definition_id, year, kind, value, unit, low, high`` with the kinds ``estimate`` (every
        year's), ``target``, ``path`` (the straight line between targets, year by year) and ``projection`` (this year's
        estimate carried on by the yearly change, starting at this year). The interval of a census with gaps reaches
        from where none of them counts to where all do; one that carries no verdict is not carried on.
    """
    need_columns(estimates, ("quantity", "zone", "year", "value", "se", "definition_id", "status"), "estimates")
    changes = changes_from(estimates, year) if annual_change is None else annual_change
    rule = rule or Rule()
    records: list[dict[str, Any]] = []
    done: set[str] = set()
    for target in targets:
        line = line_of(targets, target)
        if target.id in done:
            continue
        done |= {item.id for item in line}
        head: dict[str, Any] = {"quantity": target.quantity, "zone": target.zone, "definition_id": target.definition_id}
        head |= {"unit": target.unit, "low": math.nan, "high": math.nan}
        records += [head | {"year": item.year, "kind": "target", "value": item.value} for item in line]
        if len(line) > 1:
            years = range(line[0].year, line[-1].year + 1)
            records += [head | {"year": when, "kind": "path", "value": on_line(line, when)} for when in years]
        for when in sorted({int(item) for item in estimates["year"]}):
            found, _ = find(estimates, target, when, definitions)
            if found is None:
                continue
            records.append(head | _point(found, rule, when, "estimate"))
            if when == year and not found.doubt:
                records += _projection(head, found, changes, range(when, line[-1].year + 1), rule)
    return pd.DataFrame.from_records(records, columns=list(TRAJECTORY_COLUMNS))


def _projection(
    head: dict[str, Any], found: Value, changes: pd.DataFrame, years: Iterable[int], rule: Rule
) -> list[dict[str, Any]]:
    points = []
    for step, when in enumerate(years):
        carried = carried_on(found, changes, head["quantity"], head["zone"], step)
        if carried is None:
            return []
        points.append(head | _point(carried, rule, when, "projection"))
    return points if len(points) > 1 else []


def _point(found: Value, rule: Rule, year: int, kind: str) -> dict[str, Any]:
    low, high = found.interval(rule.level)
    return {"year": year, "kind": kind, "value": found.value, "low": low, "high": high}
