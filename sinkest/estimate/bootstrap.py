"""Bootstrap of clusters, with whatever was fitted on the plots fitted anew on each resample."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.crossfit import Regressor
from sinkest.estimate.outcome import Outcome
from sinkest.messages import Message

Floats = NDArray[np.float64]

# beyond this share of resamples that cannot be evaluated the others are no fair picture any more
_FAILURES_ALLOWED = 0.05


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Replicates of one or several statistics.

    Attributes
    ----------
    estimate : ndarray of shape (k,)
        From the sample itself.
    replicates : ndarray of shape (b, k)
        From the resamples.
    n : int
        Clusters (or plots).
    notes : tuple of Message
        One if resamples could not be evaluated.
    """

    estimate: Floats
    replicates: Floats
    n: int
    notes: tuple[Message, ...] = ()

    @property
    def covariance(self) -> Floats:
        """Covariance of the statistics, shape (k, k)."""
        centred = self.replicates - self.replicates.mean(axis=0)
        return centred.T @ centred / (len(centred) - 1.0)

    @property
    def se(self) -> Floats:
        """Standard errors."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def bias(self) -> Floats:
        """Mean of the replicates less the estimate."""
        return self.replicates.mean(axis=0) - self.estimate

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Percentile interval: low and high of each statistic.

        Raises
        ------
        InputError
            If the level is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise InputError("estimate.level", level=level)
        low, high = np.quantile(self.replicates, [0.5 - level / 2.0, 0.5 + level / 2.0], axis=0)
        return low, high

    def outcome(self, position: int = 0) -> Outcome:
        """One of the statistics as an estimate with the bootstrap's variance."""
        return Outcome(
            estimate=float(self.estimate[position]),
            variance=float(self.covariance[position, position]),
            n=self.n,
            method="bootstrap",
            df=float(self.n - 1),
            notes=self.notes,
        )

    def __repr__(self) -> str:
        shown = ", ".join(f"{e:.6g} (se {s:.4g})" for e, s in zip(self.estimate[:4], self.se[:4], strict=True))
        return f"Bootstrap({shown}, n={self.n}, replicates={len(self.replicates)})"


def cluster_bootstrap(
    statistic: Callable[[NDArray[np.intp]], float | ArrayLike],
    n: int,
    n_bootstrap: int,
    rng: np.random.Generator,
    *,
    cluster: ArrayLike | None = None,
    stratum: ArrayLike | None = None,
) -> Bootstrap:
    """Resample clusters with replacement and compute the statistic anew on each resample.

    Parameters
    ----------
    statistic : callable
        Takes row numbers of plots (repeated as drawn) and returns a number or several. It must do all that was done
        with the sample: train the model, predict the map, add up.
    n : int
        Number of plots.
    n_bootstrap : int
        Resamples.
    rng : numpy.random.Generator
    cluster : array, shape (n,), optional
        Plots of one cluster (grid cell, block, orbit) are drawn together; without it each plot is its own.
    stratum : array, shape (n,), optional
        Clusters are drawn within strata.

    Returns
    -------
    Bootstrap
        Within a stratum of m clusters the bootstrap's variance is (m - 1) / m of the usual one.

    Raises
    ------
    InputError
        If a stratum has fewer than two clusters, a cluster lies in several strata, the statistic is not finite on the
        sample itself, or more than 5 % of the resamples cannot be evaluated.
    """
    if n_bootstrap < 2:
        raise InputError("smallarea.bootstrap_needs", n=n_bootstrap)
    rows, groups = _groups(n, cluster, stratum)
    estimate = np.atleast_1d(np.asarray(statistic(np.arange(n)), dtype=np.float64))
    if not np.isfinite(estimate).all():
        raise InputError("smallarea.statistic_not_finite")
    replicates, failed = [], 0
    size = np.array([len(members) for members in rows])
    order, start = np.concatenate(rows), np.cumsum(size) - size
    for _ in range(n_bootstrap):
        drawn = np.concatenate([group[rng.integers(len(group), size=len(group))] for group in groups])
        sizes = size[drawn]
        taken = order[np.repeat(start[drawn] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())]
        try:
            value = np.atleast_1d(np.asarray(statistic(taken), dtype=np.float64))
        except (InputError, np.linalg.LinAlgError):
            failed += 1
            continue
        if np.isfinite(value).all():
            replicates.append(value)
        else:
            failed += 1
    if failed > _FAILURES_ALLOWED * n_bootstrap:
        raise InputError("smallarea.bootstrap_failures", failed=failed, n=n_bootstrap)
    notes = (Message.of("smallarea.bootstrap_skipped", failed=failed, n=n_bootstrap),) if failed else ()
    return Bootstrap(estimate, np.array(replicates), len(rows), notes)


def _groups(
    n: int, cluster: ArrayLike | None, stratum: ArrayLike | None
) -> tuple[list[NDArray[np.intp]], list[NDArray[np.intp]]]:
    """Rows of each cluster, and the clusters of each stratum."""
    code, names = pd.factorize(np.arange(n) if cluster is None else checks.labels("cluster", cluster, n))
    order = np.argsort(code, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(code))[:-1])
    layer, layers = pd.factorize(np.zeros(n) if stratum is None else checks.labels("stratum", stratum, n))
    for i, members in enumerate(rows):
        if len(np.unique(layer[members])) > 1:
            raise InputError("smallarea.cluster_in_strata", cluster=str(names[i]))
    home = np.array([layer[members[0]] for members in rows])
    groups = [np.flatnonzero(home == k) for k in range(len(layers))]
    small = [str(layers[k]) for k, group in enumerate(groups) if len(group) < 2]
    if small:
        raise InputError("smallarea.stratum_with_one_cluster", strata=", ".join(small))
    return rows, groups


def bootstrap_mapped_total(
    estimator: Regressor,
    x: ArrayLike | pd.DataFrame,
    y: ArrayLike,
    x_map: ArrayLike | pd.DataFrame,
    area: ArrayLike,
    n_bootstrap: int,
    rng: np.random.Generator,
    *,
    zone: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    stratum: ArrayLike | None = None,
) -> Bootstrap:
    """Bootstrap the total of a map, training the model anew on each resample of the plots.

    It shows what the choice of the plots does to the map, not what the model leaves unexplained: add the residual part
    (`correlated_variance`), or use a design-based estimate.

    Parameters
    ----------
    estimator : object with ``fit`` and ``predict``
    x, y : array, shape (n, p) and (n,)
        Features and response of the plots.
    x_map : array or DataFrame, shape (m, p)
        Features of the map's units, aggregated or sampled if there are many.
    area : array, shape (m,)
        Area of each unit, in the unit of area of y.
    n_bootstrap, rng, cluster, stratum
        As in `cluster_bootstrap`.
    zone : array, shape (m,), optional
        Zone of each unit: totals by zone, in sorted order, and last the whole.

    Raises
    ------
    InputError
        As `cluster_bootstrap`.
    """
    response = checks.vector("y", y)
    n, m = len(response), len(x_map)  # type: ignore[arg-type]
    weight = checks.at_least("area", checks.vector("area", area, m))
    code = None if zone is None else np.unique(checks.labels("zone", zone, m), return_inverse=True)[1]

    def total(rows: NDArray[np.intp]) -> Floats:
        model = copy.deepcopy(estimator)
        model.fit(_take(x, rows), response[rows])
        value = np.asarray(model.predict(x_map), dtype=np.float64).reshape(-1) * weight
        parts = [] if code is None else np.bincount(code, weights=value).tolist()
        return np.array([*parts, float(value.sum())])

    return cluster_bootstrap(total, n, n_bootstrap, rng, cluster=cluster, stratum=stratum)


def _take(x: Any, rows: NDArray[np.intp]) -> Any:
    return x.iloc[rows] if isinstance(x, pd.DataFrame) else np.asarray(x)[rows]


def bootstrap_size(se_wanted: float) -> int:
    """Resamples after which the bootstrap standard error is itself known to a wanted relative error.

    ``1 / (2 r^2)``, from the spread of a standard deviation of normal replicates.

    Raises
    ------
    InputError
        If the error is not between 0 and 1.

    Examples
    --------
    >>> bootstrap_size(0.05)
    200
    """
    if not 0.0 < se_wanted < 1.0:
        raise InputError("smallarea.not_a_proportion", value=se_wanted)
    return math.ceil(0.5 / se_wanted**2 - 1e-9)
