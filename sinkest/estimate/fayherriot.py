"""Area-level small-area estimates: the model of Fay and Herriot (1979) on direct estimates and their variances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.domainmeans import in_domain
from sinkest.estimate.nestederror import root_in_log
from sinkest.estimate.regression import auxiliaries, keep_independent, least_squares
from sinkest.estimate.smoothing import Smoothing, smooth_variances
from sinkest.messages import Message

Floats = NDArray[np.float64]
Method = Literal["reml", "ml", "moment"]

# domain variances that are scanned, as multiples of the typical sampling variance
_GRID = np.logspace(-8, 8, 65)


@dataclass(frozen=True, eq=False)
class AreaModel:
    """A fitted Fay-Herriot model and its predictions.

    Attributes
    ----------
    beta : ndarray of shape (k,)
        Coefficients, the intercept first.
    domain_variance : float
        Variance of the domain effects.
    table : DataFrame
        By domain: estimate, se (root of mse), gamma (weight of the direct estimate), direct, variance (sampling
        variance as used, smoothed or not), synthetic, mse, note.
    coefficients : Series
        beta by name of the auxiliary.
    beta_covariance : ndarray of shape (k, k)
    log_likelihood : float
        Full likelihood at the estimates.
    method, mse_method : str
    notes : tuple of Message
    """

    beta: Floats
    domain_variance: float
    table: pd.DataFrame
    coefficients: pd.Series
    beta_covariance: Floats
    log_likelihood: float
    method: str
    mse_method: str
    notes: tuple[Message, ...]

    @property
    def sd_domain(self) -> float:
        """Standard deviation of the domain effects."""
        return math.sqrt(self.domain_variance)

    def __repr__(self) -> str:
        return (
            f"AreaModel({self.method}, beta={np.array2string(self.beta, precision=5)}, sd_domain={self.sd_domain:.5g}, "
            f"domains={len(self.table)}, mse={self.mse_method!r})"
        )


def fay_herriot(
    estimate: ArrayLike | pd.Series,
    variance: ArrayLike | pd.Series,
    x: ArrayLike | pd.DataFrame | None = None,
    *,
    n: ArrayLike | None = None,
    smoothing: Smoothing = "none",
    method: Method = "reml",
    mse: Literal["prasad_rao", "bootstrap"] = "prasad_rao",
    n_bootstrap: int = 400,
    rng: np.random.Generator | None = None,
) -> AreaModel:
    """Shrink direct estimates of domains towards their regression on auxiliaries.

    ``gamma_d y_d + (1 - gamma_d) x_d' beta`` with ``gamma_d = A / (A + psi_d)``, where psi is the sampling variance of
    the direct estimate and A the variance of the domain effects, found at the true optimum of the likelihood.

    Mean squared error ``g1 + g2 + 2 g3``, less the bias of g1 for ML and the moment estimator (Datta & Lahiri 2000;
    Datta, Rao & Smith 2005; Rao & Molina 2015, ch. 6), or by parametric bootstrap.

    Parameters
    ----------
    estimate : array or Series, shape (D,)
        Direct estimates; NaN for domains without a sample, which get the regression prediction.
    variance : array or Series, shape (D,)
        Their sampling variances, taken as known; NaN where there is none and ``smoothing`` shall supply it.
    x : array or DataFrame, shape (D, p), optional
        Auxiliaries of the domains, without intercept.
    n : array, shape (D,), optional
        Plots in each domain, for the smoothing.
    smoothing : {"none", "pooled", "gvf"}
        How to replace sampling variances of a few plots, which are themselves estimates; see `smooth_variances`.
    method : {"reml", "ml", "moment"}
        How A is estimated; "moment" is Fay & Herriot's own.
    mse : {"prasad_rao", "bootstrap"}
    n_bootstrap : int
    rng : numpy.random.Generator, optional
        Needed for the bootstrap.

    Raises
    ------
    InputError
        If a variance is negative, zero or missing, an auxiliary is missing, or there are too few domains.
    """
    _check_choices(method, mse, n_bootstrap, rng)
    index = estimate.index if isinstance(estimate, pd.Series) else None
    direct = checks.vector("estimate", estimate, allow_nan=True)
    count = len(direct)
    psi, notes = _sampling_variances(direct, variance, n, smoothing)
    seen = ~np.isnan(direct)
    _check_variances(psi, seen)
    table = auxiliaries("x", np.empty((count, 0)) if x is None else x, count)
    kept, dropped = keep_independent(table.design[seen], table.names)
    if seen.sum() <= len(kept) + 1:
        raise InputError("smallarea.too_few_domains", domains=int(seen.sum()), coefficients=len(kept))
    design = table.design[:, kept]
    found = _Area.fit(direct[seen], psi[seen], design[seen], method)
    if mse == "bootstrap" and rng is not None:
        error = _bootstrap(found, psi, design, seen, method, n_bootstrap, rng)
    else:
        error = _prasad_rao(found, psi, design, seen, method)
    names = ("intercept", *table.names)
    result, remarks = _table(found, direct, psi, design, seen, error, index)
    return AreaModel(
        beta=found.beta,
        domain_variance=found.domain_variance,
        table=result,
        coefficients=pd.Series(found.beta, index=[names[i] for i in kept], name="coefficient"),
        beta_covariance=found.covariance,
        log_likelihood=found.log_likelihood,
        method=method,
        mse_method=mse,
        notes=notes + dropped + remarks,
    )


def _check_choices(method: str, mse: str, n_bootstrap: int, rng: np.random.Generator | None) -> None:
    for name, given, allowed in (
        ("method", method, ("reml", "ml", "moment")),
        ("mse", mse, ("prasad_rao", "bootstrap")),
    ):
        if given not in allowed:
            raise InputError("smallarea.unknown_choice", name=name, given=given, allowed=", ".join(allowed))
    if mse == "bootstrap" and (rng is None or n_bootstrap < 2):
        raise InputError("smallarea.bootstrap_needs", n=n_bootstrap)


def _sampling_variances(
    direct: Floats, variance: ArrayLike, n: ArrayLike | None, smoothing: Smoothing
) -> tuple[Floats, tuple[Message, ...]]:
    psi = checks.vector("variance", variance, len(direct), allow_nan=True)
    if smoothing == "none":
        return psi, ()
    if smoothing not in ("pooled", "gvf"):
        raise InputError("smallarea.unknown_choice", name="smoothing", given=smoothing, allowed="none, pooled, gvf")
    if n is None:
        raise InputError("smallarea.smoothing_needs_n", smoothing=smoothing)
    return smooth_variances(psi, n, direct, method=smoothing), (Message.of(f"smallarea.smoothed_{smoothing}"),)


def _check_variances(psi: Floats, seen: NDArray[np.bool_]) -> None:
    bad = seen & ~(psi > 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError("smallarea.sampling_variance", row=row, value=float(psi[row]))


@dataclass(frozen=True)
class _Area:
    """A fitted model: coefficients, their covariance, and the variance of the domain effects."""

    beta: Floats
    covariance: Floats
    domain_variance: float
    psi: Floats
    log_likelihood: float

    @classmethod
    def fit(cls, y: Floats, psi: Floats, x: Floats, method: str) -> _Area:
        """Estimate the model on the sampled domains."""
        scale = float(np.median(psi))
        domain_variance = _moment(y, psi, x, scale) if method == "moment" else _maximum(y, psi, x, scale, method)
        return cls.at(y, psi, x, domain_variance)

    @classmethod
    def at(cls, y: Floats, psi: Floats, x: Floats, domain_variance: float) -> _Area:
        """Return the coefficients at a given variance of the domain effects."""
        weight = 1.0 / (psi + domain_variance)
        fit = least_squares(x, y, weight)
        spread = np.sqrt((x**2).mean(axis=0))
        scaled = x / spread
        covariance = np.linalg.inv((scaled * weight[:, None]).T @ scaled) / np.outer(spread, spread)
        value = -0.5 * float((np.log(2 * math.pi / weight) + weight * fit.residual**2).sum())
        return cls(fit.beta, covariance, domain_variance, psi, value)


def _criterion(y: Floats, psi: Floats, q: Floats, a: Floats, method: str) -> tuple[Floats, Floats]:
    """Profile log-likelihood (restricted for REML) at domain variances a, and its derivative.

    The columns of q span the auxiliaries and are orthonormal, which keeps the cross-products well conditioned.
    """
    weight = 1.0 / (psi + a[:, None])
    cross = np.einsum("gd,dk,dl->gkl", weight, q, q)
    inverse = np.linalg.inv(cross)
    beta = np.einsum("gkl,gd,dl,d->gk", inverse, weight, q, y)
    residual = y - beta @ q.T
    value = 0.5 * (np.log(weight).sum(axis=1) - (weight * residual**2).sum(axis=1))
    slope = 0.5 * ((weight * residual) ** 2 - weight).sum(axis=1)
    if method == "reml":
        value = value - 0.5 * np.linalg.slogdet(cross)[1]
        slope = slope + 0.5 * np.einsum("gd,dk,gkl,dl->g", weight**2, q, inverse, q)
    return value, slope


def _maximum(y: Floats, psi: Floats, x: Floats, scale: float, method: str) -> float:
    """Domain variance of highest likelihood over the whole range, zero included."""
    q = np.linalg.qr(x)[0]

    def slope(log_variance: float) -> float:
        return float(_criterion(y, psi, q, np.array([math.exp(log_variance)]), method)[1][0])

    grid = scale * _GRID
    slopes = _criterion(y, psi, q, grid, method)[1]
    peaks = np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0))
    roots = [root_in_log(slope, float(grid[i]), float(grid[i + 1])) for i in peaks]
    candidates = np.array([0.0, *roots])
    gain = _criterion(y, psi, q, candidates, method)[0]
    best = int(np.argmax(gain))
    # a gain within rounding is no gain: the simpler model stands
    return float(candidates[best]) if gain[best] - gain[0] > 1e-10 * (1.0 + abs(gain[0])) else 0.0


def _moment(y: Floats, psi: Floats, x: Floats, scale: float) -> float:
    """Solve ``sum((y - x' beta)^2 / (psi + A)) = D - k``; the left side falls as A grows."""

    def excess(a: float) -> float:
        weight = 1.0 / (psi + a)
        return float((weight * least_squares(x, y, weight).residual ** 2).sum()) - (len(y) - x.shape[1])

    if excess(0.0) <= 0:
        return 0.0
    upper = scale
    while excess(upper) > 0:
        upper *= 4.0
    return float(brentq(excess, 0.0, upper, xtol=1e-14 * scale, rtol=1e-14))


def _prasad_rao(found: _Area, psi: Floats, x: Floats, seen: NDArray[np.bool_], method: str) -> Floats:
    """``g1 + g2 + 2 g3`` less the bias of g1; for domains without a sample the variance of a new one."""
    a, weight = found.domain_variance, 1.0 / (found.psi + found.domain_variance)
    sum1, sum2, domains = float(weight.sum()), float((weight**2).sum()), len(weight)
    regression = np.einsum("dk,kl,dl->d", x, found.covariance, x)
    shrink = np.where(seen, psi / (psi + a), 1.0)
    g1 = np.where(seen, a * shrink, a)
    g2 = shrink**2 * regression
    spread = 2.0 * domains / sum1**2 if method == "moment" else 2.0 / sum2
    g3 = np.where(seen, shrink**2 * spread / (psi + a), 0.0)
    bias = 0.0
    if method == "ml":
        xs = x[seen]
        bias = -float(np.trace(found.covariance @ ((xs * (weight**2)[:, None]).T @ xs))) / sum2
    elif method == "moment":
        bias = 2.0 * (domains * sum2 - sum1**2) / sum1**3
    return np.maximum(g1 + g2 + 2.0 * g3 - bias * np.where(seen, shrink**2, 0.0), 0.0)


def _predict(
    found: _Area, direct: Floats, psi: Floats, x: Floats, seen: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Estimates, gammas and regression predictions."""
    gamma = np.where(seen, found.domain_variance / (found.domain_variance + np.where(seen, psi, 1.0)), 0.0)
    synthetic = x @ found.beta
    return synthetic + gamma * np.where(seen, direct - synthetic, 0.0), gamma, synthetic


def _bootstrap(
    found: _Area,
    psi: Floats,
    x: Floats,
    seen: NDArray[np.bool_],
    method: str,
    n_bootstrap: int,
    rng: np.random.Generator,
) -> Floats:
    """Mean squared error over domains drawn from the fitted model, each set estimated anew."""
    total = np.zeros(len(psi))
    noise = np.sqrt(np.where(seen, psi, 0.0))
    for _ in range(n_bootstrap):
        truth = x @ found.beta + rng.normal(0.0, math.sqrt(found.domain_variance), len(psi))
        direct = truth + noise * rng.normal(size=len(psi))
        refit = _Area.fit(direct[seen], psi[seen], x[seen], method)
        total += (_predict(refit, direct, psi, x, seen)[0] - truth) ** 2
    return total / n_bootstrap


def _table(
    found: _Area,
    direct: Floats,
    psi: Floats,
    x: Floats,
    seen: NDArray[np.bool_],
    error: Floats,
    index: pd.Index | None,
) -> tuple[pd.DataFrame, tuple[Message, ...]]:
    estimate, gamma, synthetic = _predict(found, direct, psi, x, seen)
    labels: pd.Index = pd.RangeIndex(len(direct)) if index is None else index
    notes = np.where(seen, "", "smallarea.synthetic_only").tolist()
    unseen = [label for label, one in zip(labels, seen, strict=True) if not one]
    remarks = tuple(in_domain(label, "smallarea.synthetic_only") for label in unseen)
    if found.domain_variance == 0:
        remarks = (Message.of("smallarea.no_domain_variance"), *remarks)
    columns: dict[str, Any] = {
        "estimate": estimate,
        "se": np.sqrt(error),
        "gamma": gamma,
        "direct": direct,
        "variance": np.where(seen, psi, np.nan),
        "synthetic": synthetic,
        "mse": error,
        "note": notes,
    }
    return pd.DataFrame(columns, index=labels.rename("domain")), remarks
