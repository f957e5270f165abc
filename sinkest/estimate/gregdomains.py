"""Generalised regression estimates of domains of a finite population, from one sample of all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.checks import Floats
from sinkest.estimate.domainmeans import domain_labels, domain_means, in_domain, require_overlap, sizes
from sinkest.estimate.freedom import effective
from sinkest.estimate.regression import auxiliaries, keep_independent, least_squares

# a spread below this share of what is usual comes from rounding
_FLAT = 1e-12


def modified_greg(
    y: ArrayLike,
    x: ArrayLike | pd.DataFrame,
    domain: ArrayLike,
    domain_x_mean: pd.DataFrame | pd.Series | Mapping[Any, Any],
    domain_size: Mapping[Any, float] | pd.Series,
    *,
    weighting: Literal["expansion", "domain_mean"] = "expansion",
    fpc: bool = True,
) -> pd.DataFrame:
    """Estimate domain means with one regression over the whole sample and each domain's own residuals.

    The sample is a simple random (or systematic) one of the whole population, whose size is the sum of the domain
    sizes. With ``e = y - x' beta``, domain d of size ``N_d`` in a population of N, and n units sampled::

        expansion     mean(X_d)' beta + (N / n) sum(e_d) / N_d      variance (1 - n/N) (N / n)^2 n_d s_d^2 / N_d^2
        domain_mean   mean(X_d)' beta + mean(e_d)                   variance (1 - n_d/N_d) s_d^2 / n_d

    The first keeps the design weights, so the domains add up to the estimate for the population; its variance is the
    linearised one of Hájek with the residuals taken about their mean in the domain. The second is the survey regression
    estimator: it allows for the number of plots that happened to fall in the domain, and is steadier where that number
    is far from ``n N_d / N``. Sources: J. N. K. Rao & I. Molina, Small Area Estimation (2015), sec. 2.5; C.-E. Särndal,
    B. Swensson & J. Wretman, Model Assisted Survey Sampling (1992), ch. 10.

    Parameters
    ----------
    y : array, shape (n,)
        Response of the sampled units.
    x : array or DataFrame, shape (n, p)
        Auxiliaries of the sampled units, without intercept.
    domain : array, shape (n,)
        Domain of each sampled unit.
    domain_x_mean : DataFrame indexed by domain
        Population means of the auxiliaries in each domain.
    domain_size : mapping
        Population units (pixels, say) in each domain.
    weighting : {"expansion", "domain_mean"}
    fpc : bool
        Whether the variance is reduced by the sampled share of the population.

    Returns
    -------
    DataFrame
        Indexed by domain: estimate (mean per unit), variance, se, n, df, synthetic (the regression part alone), note. A
        domain without units has its synthetic estimate and no variance; one with a single unit no variance; one without
        auxiliary means nothing; one whose units all have the same residual (a town, say, without a stand in the sample)
        the variance within all domains. The note says so.

    Raises
    ------
    InputError
        If values are missing, a domain has no size, or no domain of the sample is among those of the means.

    Examples
    --------
    >>> table = modified_greg([1.0, 2, 3, 5], [1, 2, 3, 4], list("aabb"), {"a": 2.0, "b": 3.0}, {"a": 40, "b": 40})
    >>> table["estimate"].round(3).tolist()
    [2.15, 3.35]
    """
    if weighting not in ("expansion", "domain_mean"):
        allowed = "expansion, domain_mean"
        raise InputError("smallarea.unknown_choice", name="weighting", given=weighting, allowed=allowed)
    table = auxiliaries("x", x)
    n = len(table.values)
    response = checks.vector("y", y, n)
    labels = checks.labels("domain", domain_labels(domain, n), n)
    means = domain_means("domain_x_mean", domain_x_mean, table, x)
    require_overlap("domain_x_mean", means.domains, labels)
    drawn = {label: int((labels == label).sum()) for label in dict.fromkeys(labels.tolist())}
    size = sizes("domain_size", domain_size, drawn)
    domains = means.domains + tuple(label for label in drawn if label not in means.domains)
    lacking = [str(label) for label in domains if label not in size]
    if lacking:
        raise InputError("smallarea.no_domain_size", domains=", ".join(lacking))
    kept, notes = keep_independent(table.design, table.names)
    fit = least_squares(table.design[:, kept], response)
    population = float(sum(size.values()))
    pooled = _pooled(fit.residual, labels)
    rows = []
    for label in domains:
        known, residual = means.row(label), fit.residual[labels == label]
        synthetic = math.nan if known is None else float(known[kept] @ fit.beta)
        count = len(residual)
        # what the mean residual counts: all of it, or what the design weights make of it
        scale = population / n * count / size[label] if weighting == "expansion" else 1.0
        share = n / population if weighting == "expansion" else count / size[label]
        correction = scale * float(residual.mean()) if count else 0.0
        variance, df = math.nan, count - 1.0
        flat = count > 1 and pooled > 0 and float(residual.var(ddof=1)) <= _FLAT * pooled
        if count > 1 and known is not None:
            unit = pooled if flat else float(residual.var(ddof=1))
            variance = (1.0 - share * fpc) * scale**2 * unit / count
            df = float(len(labels) - len(drawn)) if flat else effective(residual - residual.mean(), df)
        key = _note(known is not None, count, flat)
        if key:
            notes = (*notes, in_domain(label, key))
        rows.append((synthetic + correction, variance, math.sqrt(variance), count, df, synthetic, key))
    columns = ["estimate", "variance", "se", "n", "df", "synthetic", "note"]
    result = pd.DataFrame(rows, index=pd.Index(domains, name="domain", tupleize_cols=False), columns=columns)
    result.attrs["notes"] = (*means.notes, *notes)
    return result


def _pooled(residual: Floats, labels: NDArray[Any]) -> float:
    """Variance of the residuals within domains, over all of them."""
    code, names = pd.factorize(labels)
    n = np.bincount(code)
    away = residual - (np.bincount(code, residual) / n)[code]
    return float((away**2).sum()) / (len(residual) - len(names)) if len(residual) > len(names) else 0.0


def _note(known: bool, n: int, flat: bool) -> str:
    if not known:
        return "smallarea.no_true_means"
    if flat:
        return "smallarea.flat_domain"
    return {0: "smallarea.synthetic_only", 1: "smallarea.one_plot_in_domain"}.get(n, "")
