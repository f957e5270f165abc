"""Unit-level small-area estimates: the empirical best linear unbiased predictor (Battese, Harter & Fuller 1988)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.domainmeans import DomainMeans, domain_labels, domain_means, in_domain, require_overlap, sizes
from sinkest.estimate.nestederror import Fit, Floats, Moments, maximise
from sinkest.estimate.regression import auxiliaries, keep_independent
from sinkest.estimate.strata import ordered
from sinkest.messages import Message

COLUMNS = ("estimate", "se", "gamma", "n", "mse", "synthetic", "domain_effect", "note")


@dataclass(frozen=True, eq=False)
class UnitModel:
    """A fitted nested-error model and its predictions of domain means.

    Attributes
    ----------
    beta : ndarray of shape (k,)
        Coefficients, the intercept first.
    sd_domain, sd_residual : float
        Standard deviations of the domain effects and of the unit errors.
    table : DataFrame
        By domain: estimate, se (root of mse), gamma (weight of the domain's own plots), n, mse, synthetic (without the
        domain effect), domain_effect, note.
    coefficients : Series
        beta by name of the auxiliary.
    beta_covariance : ndarray of shape (k, k)
    log_likelihood : float
    method : str
        "reml" or "ml".
    mse_method : str
        "prasad_rao" or "bootstrap".
    notes : tuple of Message
    """

    beta: Floats
    sd_domain: float
    sd_residual: float
    table: pd.DataFrame
    coefficients: pd.Series
    beta_covariance: Floats
    log_likelihood: float
    method: str
    mse_method: str
    notes: tuple[Message, ...]

    def __repr__(self) -> str:
        return (
            f"UnitModel({self.method}, beta={np.array2string(self.beta, precision=5)}, sd_domain={self.sd_domain:.5g}, "
            f"sd_residual={self.sd_residual:.5g}, domains={len(self.table)}, mse={self.mse_method!r})"
        )


@dataclass(frozen=True)
class _Domains:
    """The domains of the table: their population means (design columns), sizes, and sampled units."""

    x_mean: Floats
    size: Floats
    moments: Moments

    @property
    def share(self) -> Floats:
        """Sampled share of each domain; zero where sizes are taken as infinite."""
        return self.moments.n / self.size

    def with_response(self, y: Floats, x: Floats, code: NDArray[np.intp]) -> _Domains:
        """Return the same domains with another response of the sampled units."""
        return replace(self, moments=Moments.of(y, x, code, len(self.size)))


def eblup_unit(
    y: ArrayLike,
    x: ArrayLike | pd.DataFrame,
    domain: ArrayLike,
    domain_x_mean: pd.DataFrame | pd.Series | Mapping[Any, Any],
    domain_size: Mapping[Any, float] | pd.Series | None = None,
    *,
    method: Literal["reml", "ml"] = "reml",
    mse: Literal["prasad_rao", "bootstrap"] = "prasad_rao",
    n_bootstrap: int = 400,
    rng: np.random.Generator | None = None,
) -> UnitModel:
    """Predict domain means by shrinking each domain's own level towards the regression of all domains.

    ``mean(X_d)' beta + gamma_d (mean(y_d) - mean(x_d)' beta)`` with
    ``gamma_d = s_v^2 / (s_v^2 + s_e^2 / n_d)``. With domain sizes, sampled units enter with their known values and only
    the rest is predicted.

    Mean squared errors after Prasad & Rao (1990, J. Am. Stat. Assoc. 85:163), ``g1 + g2 + 2 g3``: for the domain effect
    left over, for the coefficients, for the estimated variances (Rao & Molina 2015, eq. 7.2.12; for ML the bias of g1
    is taken off as well); or by parametric bootstrap (González-Manteiga et al. 2008). They hold if the model holds.

    Parameters
    ----------
    y : array, shape (n,)
        Response of the sampled units.
    x : array or DataFrame, shape (n, p)
        Auxiliaries of the sampled units, without intercept.
    domain : array, shape (n,)
        Domain of each sampled unit.
    domain_x_mean : DataFrame indexed by domain
        Population means of the auxiliaries. Domains without sampled units may be listed: they get the regression
        prediction, with the variance of a new domain effect in their error.
    domain_size : mapping, optional
        Population units in each domain; without it the sampled share is taken as negligible.
    method : {"reml", "ml"}
    mse : {"prasad_rao", "bootstrap"}
    n_bootstrap : int
        Bootstrap samples.
    rng : numpy.random.Generator, optional
        Needed for the bootstrap.

    Raises
    ------
    InputError
        If values are missing, there are fewer than two domains or no domain has two units (the two variances cannot be
        told apart), or the bootstrap has no generator.
    """
    _check_choices(method, mse, n_bootstrap, rng)
    table = auxiliaries("x", x)
    n = len(table.values)
    response = checks.vector("y", y, n)
    labels = checks.labels("domain", domain_labels(domain, n), n)
    means = domain_means("domain_x_mean", domain_x_mean, table, x)
    require_overlap("domain_x_mean", means.domains, labels)
    kept, notes = keep_independent(table.design, table.names)
    if np.ptp(response) == 0:
        raise InputError("smallarea.no_variation", value=float(response[0]))
    # standardised columns and a centred response keep all digits, whatever the units
    change = _standardising(table.design[:, kept])
    design, level = table.design[:, kept] @ change, float(response.mean())
    domains = means.domains + tuple(label for label in ordered(labels) if label not in means.domains)
    code = pd.Index(domains, tupleize_cols=False).get_indexer(pd.Index(labels, tupleize_cols=False)).astype(np.intp)
    moments = Moments.of(response - level, design, code, len(domains))
    _check_told_apart(moments, len(kept))
    parts = _Domains(_known(means, domains, kept) @ change, _population(domains, domain_size, moments.n), moments)
    found = maximise(moments, restricted=method == "reml")
    if mse == "bootstrap" and rng is not None:
        error = _bootstrap(found, parts, design, code, method, n_bootstrap, rng)
    else:
        error = _prasad_rao(found, parts, method)
    result, remarks = _table(domains, found, parts, error, level)
    beta = change @ found.beta
    beta[0] += level
    names = [("intercept", *table.names)[i] for i in kept]
    shift = float(np.linalg.slogdet(change)[1]) if method == "reml" else 0.0
    return UnitModel(
        beta=beta,
        sd_domain=math.sqrt(found.domain_variance),
        sd_residual=math.sqrt(found.residual_variance),
        table=result,
        coefficients=pd.Series(beta, index=names, name="coefficient"),
        beta_covariance=change @ found.beta_covariance @ change.T,
        log_likelihood=found.log_likelihood + shift,
        method=method,
        mse_method=mse,
        notes=notes + means.notes + remarks,
    )


def _standardising(design: Floats) -> Floats:
    """Matrix that turns the design, intercept first, into one with centred columns of unit spread."""
    change = np.eye(design.shape[1])
    mean, spread = design[:, 1:].mean(axis=0), design[:, 1:].std(axis=0)
    change[1:, 1:] = np.diag(1.0 / spread)
    change[0, 1:] = -mean / spread
    return change


def _check_choices(method: str, mse: str, n_bootstrap: int, rng: np.random.Generator | None) -> None:
    for name, given, allowed in (("method", method, ("reml", "ml")), ("mse", mse, ("prasad_rao", "bootstrap"))):
        if given not in allowed:
            raise InputError("smallarea.unknown_choice", name=name, given=given, allowed=", ".join(allowed))
    if mse == "bootstrap" and (rng is None or n_bootstrap < 2):
        raise InputError("smallarea.bootstrap_needs", n=n_bootstrap)


def _check_told_apart(moments: Moments, coefficients: int) -> None:
    sampled, units = int((moments.n > 0).sum()), int(moments.n.sum())
    if sampled < 2 or units <= sampled or units <= coefficients + 1:
        raise InputError("smallarea.domains_cannot_be_told", domains=sampled, n=units, coefficients=coefficients)


def _known(means: DomainMeans, domains: tuple[Any, ...], kept: list[int]) -> Floats:
    """Design means of the domains, NaN where they are not known."""
    rows = [means.row(label) for label in domains]
    return np.array([np.full(len(kept), np.nan) if row is None else row[kept] for row in rows])


def _population(domains: tuple[Any, ...], given: Mapping[Any, float] | pd.Series | None, n: Floats) -> Floats:
    if given is None:
        return np.full(len(domains), np.inf)
    table = sizes("domain_size", given, dict(zip(domains, n.astype(int).tolist(), strict=True)))
    lacking = [str(label) for label in domains if label not in table]
    if lacking:
        raise InputError("smallarea.no_domain_size", domains=", ".join(lacking))
    return np.array([table[label] for label in domains])


def _predict(found: Fit, parts: _Domains) -> tuple[Floats, Floats, Floats]:
    """Estimates, domain effects and gammas."""
    moments, share = parts.moments, parts.share
    gamma = moments.n * found.domain_variance / (found.residual_variance + moments.n * found.domain_variance)
    effect = gamma * (moments.y_mean - moments.x_mean @ found.beta)
    rest = (parts.x_mean - share[:, None] * moments.x_mean) @ found.beta + (1.0 - share) * effect
    return share * moments.y_mean + rest, effect, gamma


def _prasad_rao(found: Fit, parts: _Domains, method: str) -> Floats:
    """Mean squared error of each domain's estimate, ``g1 + g2 + 2 g3``."""
    sv, se, moments, share = found.domain_variance, found.residual_variance, parts.moments, parts.share
    n = moments.n
    alpha = se + n * sv
    mixed = (n / alpha**2).sum()
    information = np.array([[(n**2 / alpha**2).sum(), mixed], [mixed, ((n - 1.0) / se**2 + 1.0 / alpha**2).sum()]])
    spread: Floats = np.asarray(np.linalg.inv(0.5 * information), dtype=np.float64)
    gamma = n * sv / alpha
    # auxiliary means of the units that were not sampled
    left = np.where(share < 1.0, 1.0 - share, 1.0)[:, None]
    unseen = (parts.x_mean - share[:, None] * moments.x_mean) / left
    gap = unseen - gamma[:, None] * moments.x_mean
    g1 = sv * se / alpha
    g2 = np.einsum("dk,kl,dl->d", gap, found.beta_covariance, gap)
    # n^-2 (sv + se / n)^-3 h, written so that domains without units get zero
    g3 = n / alpha**3 * (sv**2 * spread[1, 1] + se**2 * spread[0, 0] - 2.0 * sv * se * spread[0, 1])
    error = g1 + g2 + 2.0 * g3
    if method == "ml":
        error = np.maximum(error - _ml_bias(found, moments, spread), 0.0)
    return (1.0 - share) ** 2 * error + (1.0 - share) * se / parts.size


def _ml_bias(found: Fit, moments: Moments, spread: Floats) -> Floats:
    """Bias of g1 that comes from the bias of maximum-likelihood variances (Rao & Molina 2015, eq. 5.3.12)."""
    sv, se, n, x = found.domain_variance, found.residual_variance, moments.n, moments.x_mean
    alpha = se + n * sv
    by_domain = np.einsum("d,dk,dl->kl", n**2 / alpha**2, x, x)
    # X'V^-2 X: weight 1 / se^2 within domains, 1 / alpha^2 between them
    within = moments.xx - np.einsum("d,dk,dl->kl", n, x, x)
    by_unit = within / se**2 + np.einsum("d,dk,dl->kl", n / alpha**2, x, x)
    trace = np.array([np.trace(found.beta_covariance @ by_domain), np.trace(found.beta_covariance @ by_unit)])
    gradient = np.column_stack([se**2 / alpha**2, n * sv**2 / alpha**2])
    return gradient @ (-0.5 * spread @ trace)


def _bootstrap(
    found: Fit,
    parts: _Domains,
    design: Floats,
    code: NDArray[np.intp],
    method: str,
    n_bootstrap: int,
    rng: np.random.Generator,
) -> Floats:
    """Mean squared error over populations drawn from the fitted model, each sampled and fitted anew."""
    n, share = parts.moments.n, parts.share
    remaining = parts.size - n
    sd_unseen = np.sqrt(np.where(remaining > 0, found.residual_variance / np.where(remaining > 0, remaining, 1.0), 0.0))
    total = np.zeros(len(n))
    for _ in range(n_bootstrap):
        effect = rng.normal(0.0, math.sqrt(found.domain_variance), len(n))
        noise = rng.normal(0.0, math.sqrt(found.residual_variance), len(code))
        unseen = rng.normal(size=len(n)) * sd_unseen
        drawn = parts.with_response(design @ found.beta + effect[code] + noise, design, code)
        seen = np.bincount(code, weights=noise, minlength=len(n)) / np.maximum(n, 1.0)
        truth = parts.x_mean @ found.beta + effect + share * seen + (1.0 - share) * unseen
        refit = maximise(drawn.moments, restricted=method == "reml")
        total += (_predict(refit, drawn)[0] - truth) ** 2
    return total / n_bootstrap


def _table(
    domains: tuple[Any, ...], found: Fit, parts: _Domains, error: Floats, level: float
) -> tuple[pd.DataFrame, tuple[Message, ...]]:
    estimate, effect, gamma = _predict(found, parts)
    n = parts.moments.n.astype(int)
    notes = [
        "smallarea.no_true_means" if math.isnan(value) else "smallarea.synthetic_only" if count == 0 else ""
        for value, count in zip(estimate, n, strict=True)
    ]
    remarks = tuple(in_domain(label, key) for key, label in zip(notes, domains, strict=True) if key)
    if found.domain_variance == 0:
        remarks = (Message.of("smallarea.no_domain_variance"), *remarks)
    columns = (estimate + level, np.sqrt(error), gamma, n, error, parts.x_mean @ found.beta + level, effect, notes)
    index = pd.Index(domains, name="domain", tupleize_cols=False)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), index=index), remarks
