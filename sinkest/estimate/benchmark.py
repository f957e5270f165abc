"""Making domains add up to the whole, and withholding figures that the sample cannot carry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.result import Estimate
from sinkest.messages import Message

Values = Mapping[Any, float] | pd.Series


def benchmark(
    estimates: Values,
    variances: Values,
    total: float | Estimate,
    weights: Values | None = None,
    *,
    method: Literal["ratio", "difference", "variance"] = "ratio",
) -> pd.DataFrame:
    """Adjust domain estimates so that their weighted sum is the estimate for the whole.

    With weights w and the gap ``T - sum(w y)``, each estimate is moved by ``a_d`` times the gap:

    * ``ratio`` (raking): ``a_d = y_d / sum(w y)``, all domains by the same factor;
    * ``difference``: ``a_d = 1 / sum(w)``, all by the same amount;
    * ``variance``: ``a_d = w_d v_d / sum(w^2 v)``, the less certain the more; the least change measured in standard
      errors.

    The move is added to the variance, ``v_d + (adjusted - unadjusted)^2``: a best predictor loses just that by being
    moved (J. Wang, W. A. Fuller & Y. Qu, Survey Methodology 34 (2008) 29-36).

    Parameters
    ----------
    estimates, variances : mapping or Series
        By domain: means (with sizes as weights) or totals (without weights), and their variances.
    total : float or Estimate
        What the weighted sum must be.
    weights : mapping or Series, optional
        Size of each domain; or its share, if ``total`` is the mean of the whole. All 1 by default.
    method : {"ratio", "difference", "variance"}
        ``ratio`` needs a sum of the estimates that is not zero, and estimates of one sign; else ``difference`` takes
        its place, as does it for ``variance`` where no variance is known, and a note says so. Domains of unknown
        variance are not moved by ``variance``.

    Returns
    -------
    DataFrame
        Indexed by domain: estimate and variance as given, benchmarked, variance_benchmarked, se_benchmarked,
        adjustment, weight. ``attrs["notes"]`` holds notes.

    Raises
    ------
    InputError
        If an estimate is missing, a variance negative, a weight not positive, or keys differ.

    Examples
    --------
    >>> benchmark({"a": 10.0, "b": 30.0}, {"a": 1.0, "b": 4.0}, 44.0)["benchmarked"].tolist()
    [11.0, 33.0]
    """
    if method not in ("ratio", "difference", "variance"):
        raise InputError("smallarea.unknown_choice", name="method", given=method, allowed="ratio, difference, variance")
    point = checks.mapping("estimates", estimates)
    if not point:
        raise InputError("smallarea.no_domain")
    keys = list(point)
    y = np.array(list(point.values()))
    v = _aligned("variances", dict(variances), keys, allow_nan=True)
    if (v < 0).any():
        worst = int(np.flatnonzero(v < 0)[0])
        raise InputError("smallarea.negative_variance", domain=str(keys[worst]), value=float(v[worst]))
    w = np.ones(len(y)) if weights is None else _aligned("weights", dict(weights), keys)
    if (w <= 0).any():
        raise InputError("smallarea.weight_not_positive", domain=str(keys[int(np.flatnonzero(w <= 0)[0])]))
    target = float(total.estimate if isinstance(total, Estimate) else total)
    if not math.isfinite(target):
        raise InputError("smallarea.total_missing", value=target)
    share, notes = _shares(method, y, v, w)
    moved = share * (target - float(w @ y))
    variance = v + moved**2
    result = pd.DataFrame(
        {
            "estimate": y,
            "variance": v,
            "benchmarked": y + moved,
            "variance_benchmarked": variance,
            "se_benchmarked": np.sqrt(variance),
            "adjustment": moved,
            "weight": w,
        },
        index=pd.Index(keys, name="domain", tupleize_cols=False),
    )
    result.attrs["notes"] = notes
    return result


def _shares(method: str, y: np.ndarray, v: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, tuple[Message, ...]]:
    """Move of each domain for a gap of 1."""
    flat = np.full(len(y), 1.0 / w.sum())
    if method == "ratio":
        if (y >= 0).all() != (y <= 0).all():
            return y / float(w @ y), ()
        return flat, (Message.of("smallarea.ratio_not_possible"),)
    if method == "variance":
        known = np.nan_to_num(v)
        if (known > 0).any():
            return w * known / float(w**2 @ known), ()
        return flat, (Message.of("smallarea.variance_not_possible"),)
    return flat, ()


def _aligned(name: str, values: Mapping[Any, float], keys: list[Any], *, allow_nan: bool = False) -> np.ndarray:
    missing = ", ".join(str(key) for key in keys if key not in values)
    extra = ", ".join(str(key) for key in values if key not in set(keys))
    if missing or extra:
        raise InputError("smallarea.domains_differ", name=name, missing=missing or "-", extra=extra or "-")
    return checks.vector(name, [values[key] for key in keys], allow_nan=allow_nan)


def abstain(
    table: pd.DataFrame,
    *,
    min_n: int = 10,
    max_relative_se: float | None = 0.3,
    n: str = "n",
    estimate: str = "estimate",
    se: str = "se",
) -> pd.DataFrame:
    """Mark the domains whose figures should not be published on their own.

    Parameters
    ----------
    table : DataFrame
        Domains with an estimate, its standard error and the number of plots.
    min_n : int
        Fewest plots in the domain.
    max_relative_se : float or None
        Largest standard error as a share of the estimate; ``None`` for no limit.
    n, estimate, se : str
        Names of the columns.

    Returns
    -------
    DataFrame
        The table with ``status`` and ``note``: "insufficient" with too few plots, "declined" where there is no
        estimate, no standard error, or one beyond the limit, else "ok" with the note it had. The numbers stay.

    Raises
    ------
    InputError
        If a column is missing or a limit is not positive.
    """
    missing = [column for column in (n, estimate, se) if column not in table]
    if missing:
        raise InputError("smallarea.missing_column", missing=", ".join(missing), given=", ".join(map(str, table)))
    if min_n < 0 or (max_relative_se is not None and not max_relative_se > 0):
        raise InputError("smallarea.abstain_limits", min_n=min_n, max_relative_se=max_relative_se)
    count, value = table[n].to_numpy(dtype=np.float64), table[estimate].to_numpy(dtype=np.float64)
    error = table[se].to_numpy(dtype=np.float64)
    limit = math.inf if max_relative_se is None else max_relative_se
    earlier = table["note"].tolist() if "note" in table else [""] * len(table)
    status, note = [], []
    for plots, middle, spread, before in zip(count, value, error, earlier, strict=True):
        if plots < min_n:
            outcome = ("insufficient", "smallarea.too_few_plots")
        elif math.isnan(middle) or math.isnan(spread):
            outcome = ("declined", before or "smallarea.no_standard_error")
        elif spread > limit * abs(middle):
            outcome = ("declined", "smallarea.too_uncertain")
        else:
            outcome = ("ok", before)
        status.append(outcome[0])
        note.append(outcome[1])
    return table.assign(status=status, note=note)
