"""From uncertain inputs to the uncertainty of what is computed from them, and which input it comes from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.outcome import Outcome
from sinkest.estimate.result import Interval

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], ArrayLike]


@dataclass(frozen=True, kw_only=True, repr=False)
class Propagated(Outcome):
    """A computed quantity with the uncertainty of its inputs.

    Attributes
    ----------
    shares : Series
        Share of the variance by input. From the delta method they add up to 1 (with covariances, a share may be
        negative); from Monte Carlo they are first-order Sobol' indices, and what they lack to 1 comes from inputs that
        act together.
    """

    shares: pd.Series


@dataclass(frozen=True, kw_only=True, repr=False)
class Simulated(Propagated):
    """A quantity computed from drawn inputs.

    Attributes
    ----------
    replicates : ndarray of shape (n_draws,)
        The computed values.
    """

    replicates: Floats

    def interval(self, level: float = 0.95) -> Interval:
        """Interval of the replicates' quantiles.

        Raises
        ------
        InputError
            If the level is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise InputError("estimate.level", level=level)
        low, high = np.quantile(self.replicates, [0.5 - level / 2.0, 0.5 + level / 2.0])
        return Interval(float(low), float(high))

    def _extra(self) -> list[tuple[str, Any]]:
        return [("shares", self.shares), ("draws", len(self.replicates))]


def delta_method(
    function: Callable[..., float],
    values: Mapping[str, float],
    covariance: ArrayLike | Mapping[str, float],
) -> Propagated:
    """Variance of a function of estimates by its slope at the estimates.

    ``g' C g`` with g by central differences; share of input i: ``g_i (C g)_i / g' C g``.

    Parameters
    ----------
    function : callable
        Takes the inputs by name.
    values : mapping
        Estimate by name.
    covariance : array, shape (k, k), or mapping
        Of the estimates in the order of ``values``; or standard errors by name, for independent ones.

    Raises
    ------
    InputError
        If an input is missing, a covariance impossible, or the function not finite around the estimates.

    Examples
    --------
    >>> found = delta_method(lambda a, b: a * b, {"a": 10.0, "b": 2.0}, {"a": 1.0, "b": 0.1})
    >>> found.estimate, round(found.se, 4)
    (20.0, 2.2361)
    """
    point = checks.mapping("values", values)
    names = list(point)
    x = np.array([point[name] for name in names])
    c = _covariance(names, covariance)
    sd = np.sqrt(np.diag(c))
    # small against the spread, where there is one, and never below what the numbers can resolve
    step = np.maximum(1e-3 * sd, 6e-6 * np.maximum(np.abs(x), 1e-12))

    def at(position: Floats) -> float:
        value = float(function(**dict(zip(names, position.tolist(), strict=True))))
        if not math.isfinite(value):
            where = ", ".join(f"{name}={number:g}" for name, number in zip(names, position, strict=True))
            raise InputError("smallarea.function_not_finite", at=where)
        return value

    gradient = np.array([(at(x + e) - at(x - e)) / (2.0 * h) for e, h in zip(np.diag(step), step, strict=True)])
    variance = float(gradient @ c @ gradient)
    part = gradient * (c @ gradient)
    shares = part / variance if variance > 0 else np.zeros(len(names))
    return Propagated(
        estimate=at(x),
        variance=max(variance, 0.0),
        n=0,
        method="delta",
        shares=pd.Series(shares, index=names, name="share"),
    )


def _covariance(names: list[str], given: ArrayLike | Mapping[str, float]) -> Floats:
    if isinstance(given, Mapping):
        table = checks.mapping("covariance", given)
        missing = [name for name in names if name not in table]
        if missing:
            raise InputError("smallarea.inputs_missing", names=", ".join(missing))
        errors = checks.at_least("covariance", np.array([table[name] for name in names]))
        return np.diag(errors**2)
    matrix = checks.matrix("covariance", given, len(names))
    if matrix.shape != (len(names), len(names)):
        raise InputError("smallarea.no_covariance", k=len(names))
    _check_covariance(matrix)
    return matrix


def _check_covariance(matrix: Floats) -> None:
    slack = 1e-10 * max(float(np.trace(matrix)), 1e-300)
    if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix).min() < -slack:
        raise InputError("smallarea.not_a_covariance")


def monte_carlo(
    function: Callable[..., ArrayLike],
    inputs: Mapping[str | tuple[str, ...], Any],
    n_draws: int,
    rng: np.random.Generator,
    *,
    shares: bool = True,
) -> Simulated:
    """Draw the inputs, compute the result for each draw, and find which input its variance comes from.

    Parameters
    ----------
    function : callable
        Takes arrays of draws by name and returns an array of results; each input is drawn once and used wherever the
        function uses it, so a coefficient shared by two dates is the same at both.
    inputs : mapping
        By name one of: ``(mean, sd)`` of a normal distribution; a frozen distribution of `scipy.stats`; a function of
        a generator and a number that returns that many draws; a plain number (known exactly). A tuple of names with
        ``(means, covariance)`` is a group of correlated normal inputs, which share one index.
    n_draws : int
        At least 100; the function is evaluated ``n_draws (k + 2)`` times with shares of k inputs.
    rng : numpy.random.Generator
    shares : bool
        Whether to compute the shares.

    Returns
    -------
    Simulated
        The estimate is the mean of the replicates, and the interval is theirs. Shares are first-order Sobol' indices
        (A. Saltelli et al., Comput. Phys. Commun. 181 (2010) 259-270).

    Raises
    ------
    InputError
        If an input cannot be drawn from, or results are not finite.
    """
    if n_draws < 100:
        raise InputError("smallarea.draws", n=n_draws)
    if not inputs:
        raise InputError("smallarea.inputs_missing", names="-")
    first = {key: _draw(key, spec, rng, n_draws) for key, spec in inputs.items()}
    result = _evaluate(function, first, n_draws)
    both, table = result, pd.Series(dtype=np.float64, name="share")
    if shares:
        second = {key: _draw(key, spec, rng, n_draws) for key, spec in inputs.items()}
        other = _evaluate(function, second, n_draws)
        both = np.concatenate([result, other])
        spread, centre = float(both.var()), float(both.mean())
        found = {}
        for key in inputs:
            mixed = _evaluate(function, {**first, key: second[key]}, n_draws)
            # the result with only this input from the second set, against both sets
            index = float(((other - centre) * (mixed - result)).mean()) / spread if spread > 0 else 0.0
            found[key if isinstance(key, str) else "+".join(key)] = min(max(index, 0.0), 1.0)
        table = pd.Series(found, name="share")
    return Simulated(
        estimate=float(both.mean()),
        variance=float(both.var(ddof=1)),
        n=0,
        method="monte_carlo",
        shares=table,
        replicates=both,
    )


def _draw(key: str | tuple[str, ...], spec: Any, rng: np.random.Generator, n: int) -> Floats:
    """Draws of one input, shape (n,), or of a group, shape (members, n)."""
    name = key if isinstance(key, str) else "+".join(key)
    if isinstance(key, tuple):
        means, matrix = checks.vector(name, spec[0], len(key)), checks.matrix(name, spec[1], len(key))
        if matrix.shape != (len(key), len(key)):
            raise InputError("smallarea.no_covariance", k=len(key))
        _check_covariance(matrix)
        return rng.multivariate_normal(means, matrix, size=n, method="eigh").T
    if hasattr(spec, "rvs"):
        values = np.asarray(spec.rvs(size=n, random_state=rng), dtype=np.float64)
    elif callable(spec):
        values = np.asarray(spec(rng, n), dtype=np.float64)
    elif isinstance(spec, tuple) and len(spec) == 2:
        mean, sd = checks.vector(name, spec, 2)
        if sd < 0:
            raise InputError("smallarea.input_distribution", name=name, given=repr(spec))
        values = rng.normal(mean, sd, n)
    elif isinstance(spec, (int, float, np.number)):
        values = np.full(n, float(spec))
    else:
        raise InputError("smallarea.input_distribution", name=name, given=repr(spec))
    if values.shape != (n,) or not np.isfinite(values).all():
        raise InputError("smallarea.input_draws", name=name, n=n, shape=values.shape)
    return values


def _evaluate(function: Callable[..., ArrayLike], draws: Mapping[str | tuple[str, ...], Floats], n: int) -> Floats:
    arguments: dict[str, Floats] = {}
    for key, values in draws.items():
        if isinstance(key, str):
            arguments[key] = values
        else:
            arguments.update(zip(key, values, strict=True))
    result = np.asarray(function(**arguments), dtype=np.float64)
    if result.shape != (n,) or not np.isfinite(result).all():
        raise InputError("smallarea.result_draws", n=n, shape=result.shape, finite=int(np.isfinite(result).sum()))
    return result
