"""A plan's targets: read, held against the estimates, with a probability and a verdict that can be "cannot tell"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sinkest.account.definitions import Definition
from sinkest.errors import InputError
from sinkest.messages import text
from sinkest.targets.file import Target
from sinkest.targets.verdict import Rule, carried_on, find, judge_value, line_of, need_columns, on_line

COLUMNS = (
    "target_id",
    "quantity",
    "zone",
    "target_year",
    "target_value",
    "unit",
    "comparison",
    "band",
    "definition_id",
    "wording_zh",
    "wording_en",
    "source",
    "year",
    "estimate",
    "se",
    "low",
    "high",
    "assessed",
    "assessed_se",
    "assessed_low",
    "assessed_high",
    "probability",
    "verdict",
    "reason",
    "required_per_year",
    "trajectory_value",
    "settling_se",
)


def assess(
    estimates: pd.DataFrame,
    targets: Sequence[Target],
    year: int,
    annual_change: pd.DataFrame | None = None,
    *,
    half_width: Mapping[str, float] | None = None,
    rule: Rule | None = None,
    definitions: Mapping[str, Definition] | None = None,
) -> pd.DataFrame:
    """Hold estimates against targets.

    Parameters
    ----------
    estimates : DataFrame
        The tidy table; a column ``df`` (degrees of freedom), where there is one, turns the normal into Student's t.
    targets : sequence of Target
    year : int
        Year of the estimates that are judged.
    annual_change : DataFrame, optional
        ``quantity, zone, change, se`` per year, and optionally ``covariance`` of the change with the estimate: carries
        the estimate to the target's year with growing uncertainty. Where not given, the ``stock_change`` of the
        estimates serves for growing stock.
    half_width : mapping, optional
        Target id or quantity to a half-width of "about" in the quantity's unit, in place of the plan's.
    rule : Rule, optional
    definitions : mapping, optional
        Definitions by id, where not the shipped ones.

    Returns
    -------
    DataFrame
        A row a target. ``estimate`` is this year's; ``assessed`` is the same carried to the target's year, which the
        probability and the verdict refer to; ``reason`` is the id of a text; ``required_per_year`` is the change a year
        that would still reach the target; ``trajectory_value`` lies on the line between the plan's targets at this
        year; ``settling_se`` is the standard error at which the verdict would be clear if the estimate stayed.

    Raises
    ------
    InputError
        If the estimates or the changes lack a column, or hold two answers for one target.
    """
    need_columns(estimates, ("quantity", "zone", "year", "value", "se", "definition_id", "status"), "estimates")
    changes = changes_from(estimates, year) if annual_change is None else annual_change
    need_columns(changes, ("quantity", "zone", "change", "se"), "annual_change")
    rule = rule or Rule()
    records = []
    for target in targets:
        band = _band(target, half_width or {})
        record = _blank(target, year, band)
        record["trajectory_value"] = on_line(line_of(targets, target), year)
        record |= _judge(estimates, changes, target, year, band, rule, definitions)
        records.append(record)
    return pd.DataFrame.from_records(records, columns=list(COLUMNS))


def changes_from(estimates: pd.DataFrame, year: int) -> pd.DataFrame:
    """Yearly changes that the estimates themselves hold: ``stock_change`` as the change of ``growing_stock``."""
    rows = estimates[
        (estimates["quantity"] == "stock_change") & (estimates["status"] == "ok") & (estimates["year"] == year)
    ]
    changes = rows[["zone", "value", "se"]].rename(columns={"value": "change"})
    return changes.assign(quantity="growing_stock")[["quantity", "zone", "change", "se"]].reset_index(drop=True)


def describe(row: Mapping[str, Any], language: str | None = None) -> str:
    """Verdict and reason of an assessed target as a sentence."""
    verdict = text(f"targets.verdict_{row['verdict']}", language)
    return text("targets.sentence", language, verdict=verdict, reason=text(row["reason"], language))


def _judge(
    estimates: pd.DataFrame,
    changes: pd.DataFrame,
    target: Target,
    year: int,
    band: float,
    rule: Rule,
    definitions: Mapping[str, Definition] | None,
) -> dict[str, Any]:
    """Estimate, probability and verdict of a target."""
    found, reason = find(estimates, target, year, definitions)
    if found is None:
        return {"verdict": "cannot_tell", "reason": reason}
    out: dict[str, Any] = {"estimate": found.value}
    if found.se > 0 or found.ends is not None:
        low, high = found.interval(rule.level)
        out |= {"low": low, "high": high} | ({"se": found.se} if found.se > 0 else {})
    if found.doubt:
        return out | {"verdict": "cannot_tell", "reason": found.doubt}
    span = target.year - year
    if span > 0:
        out["required_per_year"] = (target.value - found.value) / span
    if math.isnan(found.se):
        return out | {"verdict": "cannot_tell", "reason": "targets.reason_no_error"}
    carried = carried_on(found, changes, target.quantity, target.zone, span)
    if carried is None:
        return out | {"verdict": "cannot_tell", "reason": f"targets.reason_{'later' if span > 0 else 'passed'}"}
    low, high = carried.interval(rule.level)
    out |= {"assessed": carried.value, "assessed_se": carried.se, "assessed_low": low, "assessed_high": high}
    return out | judge_value(carried, target, band, rule, projected=span != 0)


def _blank(target: Target, year: int, band: float) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS, math.nan) | {
        "target_id": target.id,
        "quantity": target.quantity,
        "zone": target.zone,
        "target_year": target.year,
        "target_value": target.value,
        "unit": target.unit,
        "comparison": target.comparison,
        "band": band if target.comparison == "about" else math.nan,
        "definition_id": target.definition_id,
        "wording_zh": target.wording_zh,
        "wording_en": target.wording_en,
        "source": target.source,
        "year": year,
    }


def _band(target: Target, half_width: Mapping[str, float]) -> float:
    """Half-width around a target: the given one for its id or quantity, else the plan's; 0 unless it says "about"."""
    if target.comparison != "about":
        return 0.0
    given = half_width.get(target.id, half_width.get(target.quantity, target.half_width or 0.0))
    if not (math.isfinite(given) and given > 0):
        raise InputError("targets.band", target=target.id, given=given)
    return given
