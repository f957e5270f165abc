"""Sampling units of multi-phase inventories: plots, or the clusters they form, phase by phase."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats, at_least, labels, vector
from sinkest.estimate.regression import Fit, least_squares, r_squared
from sinkest.messages import Message

Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Phase:
    """Sampling units of one phase.

    Attributes
    ----------
    design : array, shape (n, p)
        Auxiliaries with intercept; for a cluster the boundary-weighted mean of its plots.
    size : array, shape (n,)
        Plots in each unit.
    mean : array, shape (p,)
        Mean of the auxiliaries over the phase.
    y : array, shape (n,)
        Response; for a cluster the plain mean of its plots. NaN where it was not measured.
    """

    design: Floats
    size: Floats
    mean: Floats
    y: Floats

    @property
    def n(self) -> int:
        """Number of sampling units."""
        return len(self.size)

    def spread(self, values: Floats, centre: float | None = None) -> float:
        """Variance of the size-weighted mean of values, about that mean or about a given centre."""
        middle = np.average(values, weights=self.size) if centre is None else centre
        share = self.size / self.size.mean()
        return float((share**2 * (values - middle) ** 2).sum() / (self.n * (self.n - 1.0)))

    def columns(self, kept: list[int]) -> Phase:
        """Return the same units with some of the columns only."""
        return replace(self, design=self.design[:, kept], mean=self.mean[kept])

    def fit(self) -> Fit:
        """Least squares of the response, each unit weighted by its size."""
        return least_squares(self.design, self.y, self.size)

    def g_variance(self, fit: Fit, mean: Floats, base: Phase | None = None) -> float:
        """Sum of squared g-weighted residuals.

        Equals ``mean' Cov(beta) mean`` with the sandwich covariance of the coefficients (Mandallaz 2013, eq. 15); the
        moment matrix comes from ``base`` where that is another phase.
        """
        source = self if base is None else base
        moment = (source.design * source.size[:, None]).T @ source.design / source.n
        g = self.design @ np.linalg.solve(moment, mean)
        return float(((g * self.size * fit.residual) ** 2).sum() / self.n**2)


@dataclass(frozen=True)
class Plots:
    """All plots of an inventory: response, deepest phase, boundary weight and cluster of each."""

    y: Floats
    depth: NDArray[np.intp]
    weight: Floats
    cluster: NDArray[Any] | None

    @classmethod
    def of(
        cls,
        y: ArrayLike,
        depth: NDArray[np.intp],
        deepest: int,
        boundary_weights: ArrayLike | None,
        cluster: ArrayLike | None,
    ) -> Plots:
        """Check what the caller gave.

        Raises
        ------
        InputError
            If a ground plot has no response, a boundary weight is impossible, or a cluster lies in several phases.
        """
        n = len(depth)
        response = vector("y", y, n, allow_nan=True)
        ground = depth == deepest
        if ground.sum() < 2:
            raise InputError("estimate.too_few", name="y", given=int(ground.sum()), expected=2)
        lost = ground & np.isnan(response)
        if lost.any():
            raise InputError("estimate.response_missing", count=int(lost.sum()), row=int(np.flatnonzero(lost)[0]))
        groups = None if cluster is None else labels("cluster", cluster, n)
        if groups is not None:
            _require_uniform(groups, depth)
        return cls(response, depth, _boundary(boundary_weights, n), groups)

    def where(self, keep: Booleans) -> Plots:
        """Return the plots for which ``keep`` holds."""
        groups = None if self.cluster is None else self.cluster[keep]
        return Plots(self.y[keep], self.depth[keep], self.weight[keep], groups)

    def phase(self, design: Floats, depth: int) -> Phase:
        """Sampling units that reached a depth (Mandallaz 2013, technical report, sec. 5, for clusters).

        Raises
        ------
        InputError
            If a cluster has no plot with a positive boundary weight.
        """
        inside = self.depth >= depth
        z, y, w = design[inside], self.y[inside], self.weight[inside]
        if self.cluster is None:
            return Phase(z, np.ones(len(y)), np.average(z, axis=0, weights=w), y)
        code, names = pd.factorize(self.cluster[inside])
        size = np.bincount(code).astype(np.float64)
        total = np.bincount(code, weights=w)
        if (total <= 0).any():
            raise InputError("estimate.cluster_without_forest", cluster=str(names[int(np.argmin(total))]))
        summed = np.zeros((len(size), z.shape[1]))
        np.add.at(summed, code, z * w[:, None])
        means = summed / total[:, None]
        return Phase(means, size, np.average(means, axis=0, weights=size), np.bincount(code, weights=y) / size)

    def r2(self, design: Floats, depth: int) -> float:
        """Coefficient of determination over the ground plots, cluster or not."""
        inside = self.depth == depth
        return r_squared(self.y[inside], least_squares(design[inside], self.y[inside]).residual)


def without_missing(table: Floats, plots: Plots, deepest: int) -> tuple[Booleans, tuple[Message, ...]]:
    """Plots with all auxiliaries, and a note on those without.

    Leaving plots out supposes that their auxiliaries are missing at random (Hill, Massey & Mandallaz 2021, sec. 7.3).
    """
    complete = np.asarray(np.isfinite(table).all(axis=1), dtype=np.bool_)
    if complete.all():
        return complete, ()
    ground = int((~complete & (plots.depth == deepest)).sum())
    note = Message.of("estimate.note_units_without_auxiliaries", count=int((~complete).sum()), ground=ground)
    return complete, (note,)


def named(beta: Floats, kept: list[int], names: tuple[str, ...]) -> pd.Series:
    """Coefficients with the names of their columns."""
    every = ("Intercept", *names)
    return pd.Series(beta, index=[every[j] for j in kept], name="coefficient")


def _require_uniform(groups: NDArray[Any], depth: NDArray[np.intp]) -> None:
    reached = pd.Series(depth).groupby(groups).nunique()
    mixed = reached.index[reached > 1]
    if len(mixed):
        raise InputError("estimate.cluster_mixed_phase", cluster=str(mixed[0]), count=len(mixed))


def _boundary(values: ArrayLike | None, n: int) -> Floats:
    if values is None:
        return np.ones(n)
    weight = at_least("boundary_weights", vector("boundary_weights", values, n))
    above = weight > 1.0 + 1e-9
    if above.any():
        row = int(np.flatnonzero(above)[0])
        raise InputError("estimate.boundary_weight", value=float(weight[row]), row=row)
    if weight.sum() == 0:
        raise InputError("estimate.boundary_weight", value=0.0, row=0)
    return weight
