"""A target and the estimate it is held against: found, carried to the target's year, judged."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

from sinkest.account.definitions import Definition, comparable, definition
from sinkest.errors import InputError
from sinkest.targets.file import Target
from sinkest.tidy import CENSUS_OF_OTHER_YEAR, LAND_USE, WITHHELD

VERDICTS = ("met", "not_met", "cannot_tell")
_EXACT = ("count", "area")
CENSUS = {"forest_coverage": "land_use_coverage", "forest_area": "land_use_forest_area"}
"""Quantities under a rule on land-use polygons."""
MOST_FREEDOM = 1e6
"""From here on, t is normal to all printed digits."""


@dataclass(frozen=True)
class Rule:
    """How a verdict is reached.

    Attributes
    ----------
    level : float
        Of the intervals.
    met, not_met : float
        Met where the probability is at least ``met``; not met where it is at most ``not_met``.
    """

    level: float = 0.95
    met: float = 0.9
    not_met: float = 0.1

    def __post_init__(self) -> None:
        if not (0.5 < self.level < 1 and 0.5 < self.met < 1 and 0 < self.not_met < 0.5):
            raise InputError("targets.rule", level=self.level, met=self.met, not_met=self.not_met)


@dataclass(frozen=True)
class Value:
    """An estimate, or what it becomes by the target's year.

    ``ends`` are the least and the most that a census with gaps may hold; ``doubt`` is the id of the reason why it
    carries no verdict, if there is one.
    """

    value: float
    se: float
    df: float = math.inf
    ends: tuple[float, float] | None = None
    doubt: str = ""

    def interval(self, level: float) -> tuple[float, float]:
        """Ends of the interval at a level; of a census with gaps beyond both of its own ends."""
        half = student_quantile(0.5 + level / 2, self.df) * self.se
        low, high = self.ends or (self.value, self.value)
        return low - half, high + half

    def below(self, limit: float) -> float:
        """Probability that the true value lies below a limit."""
        if self.se == 0:
            return float(self.value < limit)
        score = (limit - self.value) / self.se
        return float(stats.norm.cdf(score) if math.isinf(self.df) else stats.t.cdf(score, self.df))


def judge_value(found: Value, target: Target, band: float, rule: Rule, projected: bool) -> dict[str, Any]:
    """Probability that the target holds, the verdict, its reason, and the error that would settle it.

    Of a census with gaps both ends must come to the same verdict.
    """
    if found.ends is not None:
        low, high = (
            judge_value(dataclasses.replace(found, value=end, ends=None), target, band, rule, projected)
            for end in found.ends
        )
        if (low["verdict"], low["reason"]) == (high["verdict"], high["reason"]):
            return low
        unclear = {"probability": math.nan, "settling_se": math.nan}
        return unclear | {"verdict": "cannot_tell", "reason": "targets.reason_census_gap"}
    under = found.below(target.value - band)
    if target.comparison == "about":
        over = 1 - found.below(target.value + band)
        probability = max(1 - under - over, 0.0)
        settling = _settling(found, band - abs(found.value - target.value), rule, two_sided=True)
    else:
        over, probability = 0.0, 1 - under
        settling = _settling(found, found.value - target.value, rule, two_sided=False)
    # A wide interval alone makes a narrow band improbable: "not met" needs the mass to lie on one side of it.
    if probability >= rule.met:
        verdict, reason = "met", "met"
    elif probability <= rule.not_met and max(under, over) >= 1 - rule.not_met:
        verdict, reason = "not_met", "below" if under >= over else "above"
    else:
        verdict, reason = "cannot_tell", "imprecise"
    if projected:
        reason = f"{reason}_projected"
    return {
        "probability": probability,
        "verdict": verdict,
        "reason": f"targets.reason_{reason}",
        "settling_se": settling,
    }


def _settling(found: Value, margin: float, rule: Rule, two_sided: bool) -> float:
    if margin == 0 or found.se == 0:
        return math.nan
    inside = 0.5 + rule.met / 2 if two_sided else rule.met
    share = inside if margin > 0 else 1 - rule.not_met
    return abs(margin) / student_quantile(share, found.df)


def find(
    estimates: pd.DataFrame, target: Target, year: int, definitions: Mapping[str, Definition] | None
) -> tuple[Value | None, str]:
    """The estimate a target is held against, or the id of the reason why there is none."""
    quantity = _sought(target, definitions)
    rows = estimates[
        (estimates["quantity"] == quantity)
        & (estimates["zone"].astype(str) == target.zone)
        & (estimates["year"] == year)
    ]
    if rows.empty:
        return None, "targets.reason_no_estimate"
    if target.definition_id:
        known = rows["definition_id"].fillna("").astype(str)
        rows = rows[[comparable(target.definition_id, item, definitions) for item in known]]
        if rows.empty:
            return None, "targets.reason_definition"
    if (rows["status"] == WITHHELD).any():
        return None, "targets.reason_provisional"
    rows = rows[(rows["status"] == "ok") & np.isfinite(rows["value"].to_numpy(dtype=np.float64))]
    if rows.empty:
        return None, "targets.reason_declined"
    if len(rows) > 1:
        raise InputError("targets.two_answers", target=target.id, quantity=target.quantity, zone=target.zone, year=year)
    row = rows.iloc[0]
    se = float(row["se"])
    if math.isnan(se) and (target.comparison in _EXACT or row.get("method") == LAND_USE):
        se = 0.0
    if row.get("method") != LAND_USE:
        return Value(float(row["value"]), se, _freedom(row, se)), ""
    low, high = float(row.get("low", math.nan)), float(row.get("high", math.nan))
    doubt = "targets.reason_census_year" if row.get("note") == CENSUS_OF_OTHER_YEAR else ""
    return Value(float(row["value"]), se, ends=(low, high) if high > low else None, doubt=doubt), ""


def _sought(target: Target, definitions: Mapping[str, Definition] | None) -> str:
    """The quantity that answers a target: of a rule on land-use polygons, the census of the polygons."""
    try:
        rule = definition(target.definition_id, definitions)
    except InputError:
        return target.quantity
    return CENSUS.get(target.quantity, target.quantity) if rule.land_use else target.quantity


def _freedom(row: pd.Series[Any], se: float) -> float:
    """Degrees of freedom of a row: its own, or those its symmetric interval was made with; else infinite."""
    if pd.notna(row.get("df")):
        return float(row["df"])
    value, low, high, level = (float(row.get(name, math.nan)) for name in ("value", "low", "high", "level"))
    if not (se > 0 and math.isclose(high - value, value - low, rel_tol=1e-9) and 0 < level < 1):
        return math.inf
    share, width = 0.5 + level / 2, (high - low) / (2 * se)
    if width <= student_quantile(share, MOST_FREEDOM):
        return math.inf
    if width >= student_quantile(share, 1.0):
        return 1.0
    log = optimize.brentq(
        lambda x: student_quantile(share, math.exp(x)) - width, 0.0, math.log(MOST_FREEDOM), xtol=1e-13
    )
    return math.exp(log)


def carried_on(found: Value, changes: pd.DataFrame, quantity: str, zone: str, span: int) -> Value | None:
    """An estimate moved by ``span`` years of its yearly change, or None where no change with an error is known."""
    if span == 0:
        return found
    rows = changes[(changes["quantity"] == quantity) & (changes["zone"].astype(str) == zone)]
    if len(rows) > 1:
        raise InputError("targets.two_changes", quantity=quantity, zone=zone)
    if rows.empty:
        return None
    change, se = float(rows.iloc[0]["change"]), float(rows.iloc[0]["se"])
    if not (math.isfinite(change) and math.isfinite(se)):
        return None
    covariance = float(rows.iloc[0]["covariance"]) if "covariance" in rows.columns else 0.0
    variance = found.se**2 + (span * se) ** 2 + 2 * span * covariance
    ends = None if found.ends is None else (found.ends[0] + span * change, found.ends[1] + span * change)
    moved = found.value + span * change
    return dataclasses.replace(found, value=moved, se=math.sqrt(max(variance, 0.0)), ends=ends)


def line_of(targets: Sequence[Target], target: Target) -> list[Target]:
    """The targets of one quantity, zone and definition, by year."""
    key = (target.quantity, target.zone, target.definition_id)
    return sorted(
        (item for item in targets if (item.quantity, item.zone, item.definition_id) == key), key=lambda item: item.year
    )


def on_line(line: Sequence[Target], year: int) -> float:
    """Value at a year on the straight line between targets; NaN before the first and after the last."""
    years, values = [item.year for item in line], [item.value for item in line]
    return float(np.interp(year, years, values, left=math.nan, right=math.nan))


def student_quantile(share: float, df: float) -> float:
    """Quantile of Student's t, of the normal where the degrees of freedom are infinite."""
    return float(stats.norm.ppf(share) if math.isinf(df) else stats.t.ppf(share, df))


def need_columns(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Refuse a table that lacks a column."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError("targets.columns", table=name, columns=", ".join(missing))
