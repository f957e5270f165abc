"""The nested-error regression model of Battese, Harter and Fuller, fitted at the true optimum of its likelihood.

``y = x' beta + v_d + e`` with independent domain effects v and unit errors e. Only the ratio of the two variances has
to be searched for; everything else follows from it. The likelihood may have several maxima, or its maximum at the
border, so the whole range is scanned, and each local maximum is then found as a root of the exact derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Floats = NDArray[np.float64]

# ratios that are scanned: from domain effects lost in the noise to noise lost in the domain effects
_GRID = np.logspace(-8, 8, 65)


@dataclass(frozen=True)
class Moments:
    """Sums that the likelihood depends on; a domain without units counts for nothing in any of them.

    Attributes
    ----------
    n : ndarray of shape (D,)
        Units in each domain.
    x_mean : ndarray of shape (D, k)
    y_mean : ndarray of shape (D,)
    xx : ndarray of shape (k, k)
        Cross-products over all units.
    xy : ndarray of shape (k,)
    yy : float
    """

    n: Floats
    x_mean: Floats
    y_mean: Floats
    xx: Floats
    xy: Floats
    yy: float

    @classmethod
    def of(cls, y: Floats, x: Floats, code: NDArray[np.intp], domains: int) -> Moments:
        """Sum up units whose domains are coded 0..domains-1."""
        n = np.bincount(code, minlength=domains).astype(np.float64)
        divisor = np.maximum(n, 1.0)
        x_sum = np.column_stack([np.bincount(code, weights=column, minlength=domains) for column in x.T])
        y_sum = np.bincount(code, weights=y, minlength=domains)
        return cls(n, x_sum / divisor[:, None], y_sum / divisor, x.T @ x, x.T @ y, float(y @ y))


@dataclass(frozen=True)
class Fit:
    """Estimated model.

    Attributes
    ----------
    beta : ndarray of shape (k,)
    beta_covariance : ndarray of shape (k, k)
    domain_variance, residual_variance : float
    log_likelihood : float
        Restricted (REML) or full (ML).
    """

    beta: Floats
    beta_covariance: Floats
    domain_variance: float
    residual_variance: float
    log_likelihood: float


@dataclass(frozen=True)
class _Profile:
    """The likelihood at given variance ratios, everything else at its best."""

    value: Floats
    slope: Floats
    beta: Floats
    inverse: Floats
    variance: Floats


def _profile(moments: Moments, ratio: Floats, restricted: bool) -> _Profile:
    """Evaluate the profile likelihood, with ``V_d^-1 = I - ratio / (1 + n_d ratio) 11'``.

    Parameters
    ----------
    ratio : ndarray of shape (g,)
        Domain variance over residual variance.

    Returns
    -------
    _Profile
        value and its derivative by the ratio (g,), beta (g, k), (X'V^-1 X)^-1 (g, k, k), residual variance (g,).
    """
    n, x, y = moments.n, moments.x_mean, moments.y_mean
    scale = 1.0 + np.multiply.outer(ratio, n)
    weight = n**2 * ratio[:, None] / scale
    curvature = n**2 / scale**2
    cross = moments.xx - np.einsum("gd,dk,dl->gkl", weight, x, x)
    right = moments.xy - np.einsum("gd,dk,d->gk", weight, x, y)
    inverse = np.linalg.inv(cross)
    beta = np.einsum("gkl,gl->gk", inverse, right)
    squares = moments.yy - weight @ y**2 - np.einsum("gk,gk->g", right, beta)
    freedom = float(n.sum()) - (moments.xx.shape[0] if restricted else 0)
    variance = np.maximum(squares / freedom, np.finfo(float).tiny)
    level, slope_level = np.log(scale).sum(axis=1), (n / scale).sum(axis=1)
    if restricted:
        level = level + np.linalg.slogdet(cross)[1]
        slope_level = slope_level - np.einsum("gd,dk,gkl,dl->g", curvature, x, inverse, x)
    residual = y - beta @ x.T
    value = -0.5 * (freedom * (np.log(2 * np.pi * variance) + 1.0) + level)
    slope = 0.5 * ((curvature * residual**2).sum(axis=1) / variance - slope_level)
    return _Profile(value, slope, beta, inverse, variance)


def maximise(moments: Moments, *, restricted: bool = True) -> Fit:
    """Find the variance ratio of highest likelihood and what follows from it.

    Returns
    -------
    Fit
        With a domain variance of exactly zero where no positive ratio is more likely.
    """
    scan = _profile(moments, _GRID, restricted)
    rising = (scan.slope[:-1] > 0) & (scan.slope[1:] <= 0)
    candidates = [_root(moments, _GRID[i], _GRID[i + 1], restricted) for i in np.flatnonzero(rising)]
    if scan.slope[-1] > 0:
        candidates.append(float(_GRID[-1]))
    ratios = np.array([0.0, *candidates])
    found = _profile(moments, ratios, restricted)
    # a gain within rounding is no gain: the simpler model stands
    gain = found.value - found.value[0]
    best = int(np.argmax(gain)) if gain.max() > 1e-10 * (1.0 + abs(found.value[0])) else 0
    variance, height = float(found.variance[best]), float(found.value[best])
    return Fit(found.beta[best], variance * found.inverse[best], ratios[best] * variance, variance, height)


def _root(moments: Moments, lower: float, upper: float, restricted: bool) -> float:
    def slope(log_ratio: float) -> float:
        return float(_profile(moments, np.array([math.exp(log_ratio)]), restricted).slope[0])

    return root_in_log(slope, lower, upper)


def root_in_log(slope: Callable[[float], float], lower: float, upper: float) -> float:
    """Find where a slope, given as a function of the logarithm, passes through zero between two positive numbers.

    Rounding may rob an optimum that falls on one of the two of its change of sign; that one is then the answer.
    """
    a, b = math.log(lower), math.log(upper)
    at_a, at_b = slope(a), slope(b)
    if at_a * at_b >= 0:
        return lower if abs(at_a) < abs(at_b) else upper
    return math.exp(brentq(slope, a, b, xtol=1e-13))
