"""Smoothing of sampling variances that come from a few plots each."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.regression import least_squares

Floats = NDArray[np.float64]
Smoothing = Literal["none", "pooled", "gvf"]


def smooth_variances(
    variance: ArrayLike, n: ArrayLike, estimate: ArrayLike | None = None, *, method: Literal["pooled", "gvf"] = "pooled"
) -> Floats:
    """Replace the unstable sampling variances of domains with few plots.

    * ``pooled``: one variance per plot for all domains, ``sum((n-1) n v) / sum(n-1)``, divided by each domain's n;
    * ``gvf``: a generalised variance function, ``log(v n) = a + b log|estimate|`` fitted with weights n - 1, so that
      the variance per plot may grow with the mean (as that of growing stock does); scaled so that the smoothed
      variances of the domains used add up to the direct ones.

    Parameters
    ----------
    variance : array, shape (D,)
        Direct variances of domain means; NaN where there is none (one plot).
    n : array, shape (D,)
        Plots in each domain; domains with none get NaN.
    estimate : array, shape (D,), optional
        Direct estimates, for "gvf".
    method : {"pooled", "gvf"}

    Raises
    ------
    InputError
        If a variance is negative, or too few domains have a variance from two or more plots.

    Examples
    --------
    >>> smooth_variances([4.0, 1.0], [2, 4]).tolist()
    [2.5, 1.25]
    """
    if method not in ("pooled", "gvf"):
        raise InputError("smallarea.unknown_choice", name="smoothing", given=method, allowed="none, pooled, gvf")
    count = checks.at_least("n", checks.vector("n", n))
    direct = checks.vector("variance", variance, len(count), allow_nan=True)
    if (direct < 0).any():
        row = int(np.flatnonzero(direct < 0)[0])
        raise InputError("smallarea.sampling_variance", row=row, value=float(direct[row]))
    usable = (count >= 2) & ~np.isnan(direct)
    size = np.where(count > 0, count, np.nan)
    if method == "pooled":
        if not usable.any():
            raise InputError("smallarea.cannot_smooth", given=0, needed=1)
        weight = count[usable] - 1.0
        return float((weight * count[usable] * direct[usable]).sum() / weight.sum()) / size
    if estimate is None:
        raise InputError("smallarea.gvf_needs_estimate")
    level = np.abs(checks.vector("estimate", estimate, len(count), allow_nan=True))
    usable &= (direct > 0) & (level > 0)
    if usable.sum() < 3:
        raise InputError("smallarea.cannot_smooth", given=int(usable.sum()), needed=3)
    log_level = np.log(np.where(level > 0, level, np.nan))
    x = np.column_stack([np.ones(len(count)), log_level])
    fit = least_squares(x[usable], np.log(direct * size)[usable], count[usable] - 1.0)
    smooth = np.exp(x @ fit.beta) / size
    return smooth * direct[usable].sum() / smooth[usable].sum()
