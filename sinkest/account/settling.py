"""What would settle an open verdict: how many more plots or points."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from sinkest.estimate.design import n_to_settle, settle_curve

CHANCE = 0.8
"""Chance of a clear verdict that the number asked for gives, if today's estimate happens to be the truth."""
CERTAINTY = 0.9
POINTS = ("forest_coverage", "forest_area", "tree_cover")
"""Quantities of the reference points; the others are of the plots."""


def with_settling(assessed: pd.DataFrame, estimates: pd.DataFrame) -> pd.DataFrame:
    """Targets with what would settle those of which the verdict is open.

    Parameters
    ----------
    assessed : DataFrame
        As :func:`sinkest.targets.assess` returns it.
    estimates : DataFrame
        The tidy table, for the sample sizes.

    Returns
    -------
    DataFrame
        With ``n`` (plots or points behind the estimate), ``n_more`` (how many more would settle it; infinite where a
        hundred times as many would not, NaN where the verdict is clear or nothing is known) and ``n_kind`` (``plots``,
        ``points`` or empty).
    """
    n, more, kinds = [], [], []
    for line in assessed.to_dict("records"):
        size = _size(estimates, line)
        n.append(size)
        more.append(_more(line, size))
        kinds.append("" if math.isnan(more[-1]) else "points" if line["quantity"] in POINTS else "plots")
    return assessed.assign(n=n, n_more=more, n_kind=kinds)


def _size(estimates: pd.DataFrame, line: Mapping[Hashable, Any]) -> float:
    rows = estimates[
        (estimates["quantity"] == line["quantity"])
        & (estimates["zone"].astype(str) == str(line["zone"]))
        & (estimates["year"] == line["year"])
    ]
    value = float(rows["n"].iloc[0]) if len(rows) else math.nan
    return value if value > 0 else math.nan


def _more(line: Mapping[Hashable, Any], size: float) -> float:
    """How many more; the error is taken to shrink with the root of the number, that of a projection as well."""
    value, se, target = (float(str(line[name])) for name in ("assessed", "assessed_se", "target_value"))
    if line["verdict"] != "cannot_tell" or math.isnan(size) or not (math.isfinite(value) and se > 0):
        return math.nan
    about = line["comparison"] == "about"
    tolerance = float(str(line["band"])) if about else 0.0
    if about and not tolerance > 0:
        return math.nan
    curve = settle_curve(
        value,
        se,
        int(size),
        target,
        comparison="about" if about else "at_least",
        tolerance=tolerance,
        certainty=CERTAINTY,
    )
    return n_to_settle(curve, CHANCE) - size
