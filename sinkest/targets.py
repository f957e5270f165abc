"""A plan's targets: read, held against the estimates, with a probability and a verdict that can be "cannot tell"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

from sinkest.account.definitions import Definition, comparable
from sinkest.account.rows import WITHHELD
from sinkest.errors import InputError
from sinkest.messages import text
from sinkest.targetfile import Target, read_targets, remarks

__all__ = ["Target", "assess", "changes_from", "describe", "read_targets", "remarks", "trajectory"]

VERDICTS = ("met", "not_met", "cannot_tell")
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
TRAJECTORY_COLUMNS = ("quantity", "zone", "definition_id", "year", "kind", "value", "unit", "low", "high")
_EXACT = ("count", "area")
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
class _Value:
    """An estimate, or what it becomes by the target's year."""

    value: float
    se: float
    df: float = math.inf

    def interval(self, level: float) -> tuple[float, float]:
        half = _quantile(0.5 + level / 2, self.df) * self.se
        return self.value - half, self.value + half

    def below(self, limit: float) -> float:
        """Probability that the true value lies below a limit."""
        if self.se == 0:
            return float(self.value < limit)
        score = (limit - self.value) / self.se
        return float(stats.norm.cdf(score) if math.isinf(self.df) else stats.t.cdf(score, self.df))


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
    _need(estimates, ("quantity", "zone", "year", "value", "se", "definition_id", "status"), "estimates")
    changes = changes_from(estimates, year) if annual_change is None else annual_change
    _need(changes, ("quantity", "zone", "change", "se"), "annual_change")
    rule = rule or Rule()
    records = []
    for target in targets:
        band = _band(target, half_width or {})
        record = _blank(target, year, band)
        record["trajectory_value"] = _on_line(_line(targets, target), year)
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
        estimate carried on by the yearly change, starting at this year).
    """
    _need(estimates, ("quantity", "zone", "year", "value", "se", "definition_id", "status"), "estimates")
    changes = changes_from(estimates, year) if annual_change is None else annual_change
    rule = rule or Rule()
    records: list[dict[str, Any]] = []
    done: set[str] = set()
    for target in targets:
        line = _line(targets, target)
        if target.id in done:
            continue
        done |= {item.id for item in line}
        head: dict[str, Any] = {"quantity": target.quantity, "zone": target.zone, "definition_id": target.definition_id}
        head |= {"unit": target.unit, "low": math.nan, "high": math.nan}
        records += [head | {"year": item.year, "kind": "target", "value": item.value} for item in line]
        if len(line) > 1:
            years = range(line[0].year, line[-1].year + 1)
            records += [head | {"year": when, "kind": "path", "value": _on_line(line, when)} for when in years]
        for when in sorted({int(item) for item in estimates["year"]}):
            found, _ = _find(estimates, target, when, definitions)
            if found is None:
                continue
            records.append(head | _point(found, rule, when, "estimate"))
            if when == year:
                records += _projection(head, found, changes, range(when, line[-1].year + 1), rule)
    return pd.DataFrame.from_records(records, columns=list(TRAJECTORY_COLUMNS))


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
    found, reason = _find(estimates, target, year, definitions)
    if found is None:
        return {"verdict": "cannot_tell", "reason": reason}
    out: dict[str, Any] = {"estimate": found.value}
    if found.se > 0:
        low, high = found.interval(rule.level)
        out |= {"se": found.se, "low": low, "high": high}
    span = target.year - year
    if span > 0:
        out["required_per_year"] = (target.value - found.value) / span
    if math.isnan(found.se):
        return out | {"verdict": "cannot_tell", "reason": "targets.reason_no_error"}
    carried = _carried(found, changes, target.quantity, target.zone, span)
    if carried is None:
        return out | {"verdict": "cannot_tell", "reason": f"targets.reason_{'later' if span > 0 else 'passed'}"}
    low, high = carried.interval(rule.level)
    out |= {"assessed": carried.value, "assessed_se": carried.se, "assessed_low": low, "assessed_high": high}
    return out | _verdict(carried, target, band, rule, projected=span != 0)


def _verdict(found: _Value, target: Target, band: float, rule: Rule, projected: bool) -> dict[str, Any]:
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


def _settling(found: _Value, margin: float, rule: Rule, two_sided: bool) -> float:
    if margin == 0 or found.se == 0:
        return math.nan
    inside = 0.5 + rule.met / 2 if two_sided else rule.met
    share = inside if margin > 0 else 1 - rule.not_met
    return abs(margin) / _quantile(share, found.df)


def _find(
    estimates: pd.DataFrame, target: Target, year: int, definitions: Mapping[str, Definition] | None
) -> tuple[_Value | None, str]:
    """The estimate a target is held against, or the id of the reason why there is none."""
    rows = estimates[
        (estimates["quantity"] == target.quantity)
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
    if math.isnan(se) and target.comparison in _EXACT:
        se = 0.0
    return _Value(float(row["value"]), se, _freedom(row, se)), ""


def _freedom(row: pd.Series[Any], se: float) -> float:
    """Degrees of freedom of a row: its own, or those its symmetric interval was made with; else infinite."""
    if pd.notna(row.get("df")):
        return float(row["df"])
    value, low, high, level = (float(row.get(name, math.nan)) for name in ("value", "low", "high", "level"))
    if not (se > 0 and math.isclose(high - value, value - low, rel_tol=1e-9) and 0 < level < 1):
        return math.inf
    share, width = 0.5 + level / 2, (high - low) / (2 * se)
    if width <= _quantile(share, MOST_FREEDOM):
        return math.inf
    if width >= _quantile(share, 1.0):
        return 1.0
    log = optimize.brentq(lambda x: _quantile(share, math.exp(x)) - width, 0.0, math.log(MOST_FREEDOM), xtol=1e-13)
    return math.exp(log)


def _carried(found: _Value, changes: pd.DataFrame, quantity: str, zone: str, span: int) -> _Value | None:
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
    return _Value(found.value + span * change, math.sqrt(max(variance, 0.0)), found.df)


def _projection(
    head: dict[str, Any], found: _Value, changes: pd.DataFrame, years: Iterable[int], rule: Rule
) -> list[dict[str, Any]]:
    points = []
    for step, when in enumerate(years):
        carried = _carried(found, changes, head["quantity"], head["zone"], step)
        if carried is None:
            return []
        points.append(head | _point(carried, rule, when, "projection"))
    return points if len(points) > 1 else []


def _point(found: _Value, rule: Rule, year: int, kind: str) -> dict[str, Any]:
    low, high = found.interval(rule.level)
    return {"year": year, "kind": kind, "value": found.value, "low": low, "high": high}


def _line(targets: Sequence[Target], target: Target) -> list[Target]:
    """The targets of one quantity, zone and definition, by year."""
    key = (target.quantity, target.zone, target.definition_id)
    return sorted(
        (item for item in targets if (item.quantity, item.zone, item.definition_id) == key), key=lambda item: item.year
    )


def _on_line(line: Sequence[Target], year: int) -> float:
    """Value at a year on the straight line between targets; NaN before the first and after the last."""
    years, values = [item.year for item in line], [item.value for item in line]
    return float(np.interp(year, years, values, left=math.nan, right=math.nan))


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


def _quantile(share: float, df: float) -> float:
    return float(stats.norm.ppf(share) if math.isinf(df) else stats.t.ppf(share, df))


def _need(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError("targets.columns", table=name, columns=", ".join(missing))
