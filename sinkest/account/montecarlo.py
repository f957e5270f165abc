"""Error propagation by simulation: draws that add up, summaries, and which source of error matters.

Every coefficient is drawn once per realisation and used for all zones and both dates, so what the dates share cancels
in a difference and the zones add up to the whole within every single draw (IPCC 2006 V1 Ch. 3, approach 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Draws = Mapping[str, Any]
Model = Callable[[Draws], Mapping[str, Array]]

MIN_DRAWS = 10_000
MAX_DRAWS = 200_000


class Summary(NamedTuple):
    """Mean, standard deviation and central interval of draws, each of shape (k,)."""

    mean: Array
    se: Array
    low: Array
    high: Array


def streams(rng: np.random.Generator, names: Sequence[str]) -> dict[str, np.random.Generator]:
    """An independent generator for each named source of error; the names' order matters, later use does not."""
    return dict(zip(names, rng.spawn(len(names)), strict=True))


def positive(rng: np.random.Generator, shape: tuple[int, ...], cv: float) -> Array:
    """Lognormal multipliers with mean 1 and coefficient of variation ``cv``."""
    sigma = math.sqrt(math.log1p(cv * cv))
    return np.exp(sigma * rng.standard_normal(shape) - sigma * sigma / 2)


def deviations(z: Array, se: Array, keys: NDArray[Any], city: NDArray[np.bool_], additive: bool) -> Array:
    """Errors of zone and city totals that add up.

    Parameters
    ----------
    z : ndarray, (draws, rows)
        Standard normal numbers.
    se : ndarray, (rows,)
    keys : ndarray, (rows,)
        What the row is a total of; rows of one key add up over zones.
    city : ndarray of bool, (rows,)
        Rows of the whole.
    additive : bool
        Whether the zones' estimates add up to the city's. The zones' errors are then shifted, in proportion to their
        variances, until they add up to the city's error: the city keeps its standard error, and so do the zones where
        their errors are independent.

    Returns
    -------
    ndarray, (draws, rows)
    """
    errors = z * se
    if not additive:
        return errors
    for key in dict.fromkeys(keys.tolist()):
        top = np.flatnonzero(city & (keys == key))
        parts = np.flatnonzero(~city & (keys == key))
        if top.size != 1 or parts.size == 0:
            continue
        variance = se[parts] ** 2
        whole = float(variance.sum())
        weights = variance / whole if whole > 0 else np.full(parts.size, 1 / parts.size)
        gap = errors[:, top] - errors[:, parts].sum(axis=1, keepdims=True)
        errors[:, parts] += weights * gap
    return errors


def correlated(z: Array, covariance: Array) -> Array:
    """Errors with a given covariance matrix, shape (draws, rows); the matrix may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return z @ (vectors * np.sqrt(np.clip(values, 0, None))).T


def summarise(draws: Array, level: float = 0.95) -> Summary:
    """Mean, standard deviation and central ``level`` interval (percentiles) of draws of shape (draws, k)."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Summary(draws.mean(axis=0), draws.std(axis=0, ddof=1), low, high)


def variance_shares(model: Model, first: Draws, second: Draws) -> dict[str, dict[str, Array]]:
    """Share of each output's variance that would vanish were one source of error known.

    First-order Sobol indices by the estimator of Saltelli et al. (2010): the model is run on two independent sets of
    draws, and on the second with one group taken from the first; a group that an output does not depend on gets exactly
    zero. What the shares leave to 1 is interaction between groups.

    Parameters
    ----------
    model : callable
        From draws by group to outputs of shape (draws, k) by name.
    first, second : mapping
        Two independent sets of draws with the same groups.

    Returns
    -------
    dict
        Output name to group name (and ``"interaction"``) to an array (k,); NaN where the output does not vary.
    """
    base, other = model(first), model(second)
    shares: dict[str, dict[str, Array]] = {name: {} for name in base}
    for group in first:
        mixed = model({name: first[name] if name == group else second[name] for name in first})
        for name, values in base.items():
            shares[name][group] = _first_order(values, other[name], mixed[name])
    for by_group in shares.values():
        by_group["interaction"] = np.clip(1 - sum(by_group.values(), np.zeros(())), 0, None)
    return shares


def _first_order(first: Array, second: Array, mixed: Array) -> Array:
    centre = (first.mean(axis=0) + second.mean(axis=0)) / 2
    variance = (first.var(axis=0) + second.var(axis=0)) / 2
    covariance = ((first - centre) * (mixed - second)).mean(axis=0)
    moves = variance > 1e-12 * centre * centre
    share = np.divide(covariance, variance, out=np.full_like(variance, np.nan), where=moves)
    return np.clip(share, 0, 1)
