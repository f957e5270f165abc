"""Means by stratum and how their variances combine, for every design that works stratum by stratum.

A stratum mean may be a plain mean, a weighted one (unequal inclusion probabilities), one of clusters, or a ratio to the
observed part of the plots; all of them are linearised to one value a unit, so one variance formula serves them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats
from sinkest.estimate.freedom import Scores
from sinkest.messages import Message

Integers = NDArray[np.intp]
Scheme = Literal["stratified", "post_stratified"]

# published weights are rounded; beyond this they do not describe a whole
_ROUNDING = 1e-6
_TOLERATED = 5e-3


@dataclass(frozen=True)
class Moments:
    """Estimated means of k variables in H strata.

    Attributes
    ----------
    n : array, shape (H,)
        Sampling units (clusters, where clusters were drawn).
    mean : array, shape (H, k)
    variance : array, shape (H, k, k) or (H, k)
        Covariance of the means, or its diagonal; before any finite population correction.
    scores : Scores
        What each sampling unit adds to the error of its stratum's mean.
    notes : tuple of Message
    """

    n: Floats
    mean: Floats
    variance: Floats
    scores: Scores
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Units:
    """Sampled units, coded by stratum.

    Attributes
    ----------
    stratum : array of int, shape (n,)
        Position of the stratum in ``labels``.
    labels : tuple
        Strata in order.
    weight : array, shape (n,)
        Design weight up to a constant by stratum.
    count : array, shape (n,)
        How many identical units a row stands for.
    observed : array, shape (n,)
        Share of the unit that was observed.
    cluster : array of int, shape (n,) or None
        A label used in two strata is one cluster that reaches over both.
    """

    stratum: Integers
    labels: tuple[Any, ...]
    weight: Floats
    count: Floats
    observed: Floats
    cluster: Integers | None = None

    @classmethod
    def of(
        cls,
        stratum: NDArray[Any],
        labels: tuple[Any, ...],
        *,
        weight: Floats | None = None,
        count: Floats | None = None,
        observed: Floats | None = None,
        cluster: NDArray[Any] | None = None,
    ) -> Units:
        """Code the strata by their position in ``labels`` and fill in what is not given with ones."""
        place = {label: h for h, label in enumerate(labels)}
        codes = np.array([place[label] for label in stratum.tolist()], dtype=np.intp)
        ones = np.ones(len(codes))
        return cls(
            codes,
            labels,
            ones if weight is None else weight,
            ones if count is None else count,
            ones if observed is None else observed,
            None if cluster is None else pd.factorize(cluster)[0].astype(np.intp),
        )

    def sums(self, values: Floats) -> Floats:
        """Sums by stratum of the rows of ``values``, shape (n,) or (n, k)."""
        out = np.zeros((len(self.labels), *values.shape[1:]))
        np.add.at(out, self.stratum, values)
        return out

    def sampled(self) -> Floats:
        """Sampling units by stratum."""
        if self.cluster is None:
            return self.sums(self.count)
        return np.bincount(self.pairs()[0], minlength=len(self.labels)).astype(np.float64)

    def pairs(self) -> tuple[Integers, Integers]:
        """Stratum of each pair of stratum and cluster that occurs, and the pair that each row belongs to."""
        if self.cluster is None:
            raise InputError("estimate.too_few", name="cluster", given=0, expected=2)
        clusters = int(self.cluster.max()) + 1
        code, where = np.unique(self.stratum * clusters + self.cluster, return_inverse=True)
        return code // clusters, where

    @property
    def total(self) -> int:
        """Sampling units over all strata; a cluster counts once, however many strata it reaches."""
        return int(self.count.sum()) if self.cluster is None else len(np.unique(self.cluster))

    def crossed(self) -> bool:
        """Whether a cluster reaches over several strata."""
        if self.cluster is None:
            return False
        return len(self.pairs()[0]) > len(np.unique(self.cluster))

    def means(self, values: Floats) -> Floats:
        """Ratio of the weighted sums of values and observed parts, by stratum, shape (H, k)."""
        size = self.sums(self.weight * self.count * self.observed)
        if (size <= 0).any():
            empty = [str(self.labels[h]) for h in np.flatnonzero(size <= 0)]
            raise InputError("estimate.empty_strata", strata=", ".join(empty))
        return self.sums((self.weight * self.count)[:, None] * values) / size[:, None]

    def influence(self, values: Floats, means: Floats) -> Floats:
        """What one unit adds to the error of its stratum's mean, shape (n, k); sums to zero in every stratum."""
        size = self.sums(self.weight * self.count * self.observed)
        residual = values - means[self.stratum] * self.observed[:, None]
        return (self.weight / size[self.stratum])[:, None] * residual


def moments(units: Units, values: Floats, *, diagonal: bool = False) -> Moments:
    """Means by stratum and their covariances.

    Within stratum h with m sampling units, the variance is ``m / (m - 1) * sum(U U')``, where U are the influence
    values summed by sampling unit; for plain means that is the usual ``s^2 / n``. A stratum with a single sampling
    unit borrows the pooled within-stratum variance of the others, and a note says so.

    Raises
    ------
    InputError
        If no stratum has two sampling units.
    """
    means = units.means(values)
    scores = units.influence(values, means)
    stratum, count = units.stratum, units.count
    if units.cluster is not None:
        home, where = units.pairs()
        summed = np.zeros((len(home), values.shape[1]))
        np.add.at(summed, where, scores * count[:, None])
        scores, stratum, count = summed, home, np.ones(len(home))
    n = units.sampled()
    outer = scores**2 if diagonal else scores[:, :, None] * scores[:, None, :]
    squares = np.zeros((len(units.labels), *outer.shape[1:]))
    np.add.at(squares, stratum, outer * count.reshape(-1, *[1] * (outer.ndim - 1)))
    shape = (-1, *[1] * (outer.ndim - 1))
    variance = squares * (n / np.where(n > 1, n - 1.0, 1.0)).reshape(shape)
    notes = _pool_single(units, n, variance, shape)
    return Moments(n, means, variance, Scores(scores, stratum, count), notes)


def _pool_single(units: Units, n: Floats, variance: Floats, shape: tuple[int, ...]) -> tuple[Message, ...]:
    single = n <= 1
    if not single.any():
        return ()
    names = ", ".join(str(units.labels[h]) for h in np.flatnonzero(single))
    spare = np.where(single, 0.0, n - 1.0)
    if spare.sum() == 0:
        raise InputError("estimate.all_strata_single", strata=names)
    per_unit = variance * n.reshape(shape)
    pooled = (per_unit * spare.reshape(shape)).sum(axis=0) / spare.sum()
    variance[single] = pooled
    return (Message.of("estimate.note_pooled_variance", strata=names),)


def combine(
    found: Moments, weight: Floats, scheme: Scheme = "stratified", fraction: Floats | float = 0.0
) -> tuple[Floats, Floats]:
    """Mean over all strata, and what each stratum adds to its covariance.

    Parameters
    ----------
    found : Moments
    weight : array, shape (H,)
        Share of the population in each stratum.
    scheme : {"stratified", "post_stratified"}
        ``"stratified"``: the numbers by stratum were fixed by the design, ``sum(W^2 v)`` (Cochran 1977, 5.6).
        ``"post_stratified"``: they came out of the draw; conditional on the total n,
        ``(sum(W n_h v) + sum((1 - W) n_h / n v)) / n`` (Bechtold & Patterson 2005, eq. 4.2; Cochran 1977, 5A.42).
    fraction : array, shape (H,), or float
        Sampled share of the stratum (or, for post-strata, of the population): finite population correction.

    Returns
    -------
    mean : array, shape (k,)
    parts : array, shape (H, k, k) or (H, k)
    """
    if scheme == "post_stratified":
        n = found.n.sum()
        factor = (weight * found.n + (1.0 - weight) * found.n / n) / n
    else:
        factor = weight**2
    factor = factor * (1.0 - np.asarray(fraction))
    return weight @ found.mean, factor.reshape(-1, *[1] * (found.variance.ndim - 1)) * found.variance


def combine_crossed(
    units: Units, values: Floats, weight: Floats, fraction: float = 0.0
) -> tuple[Floats, Floats, Scores]:
    """Mean over strata, its covariance, and what each cluster adds, where clusters reach over several strata.

    The stratum means are calibrated to the known weights, and the residuals are summed by cluster over all strata:
    ``m / (m - 1) * sum(U U')`` over the m clusters (Särndal, Swensson & Wretman 1992, ch. 8).

    Raises
    ------
    InputError
        If there are fewer than two clusters.
    """
    if units.cluster is None:
        raise InputError("estimate.too_few", name="cluster", given=0, expected=2)
    m = units.total
    if m < 2:
        raise InputError("estimate.too_few", name="cluster", given=m, expected=2)
    means = units.means(values)
    scores = weight[units.stratum][:, None] * units.influence(values, means) * units.count[:, None]
    summed = np.zeros((m, values.shape[1]))
    np.add.at(summed, units.cluster, scores)
    return weight @ means, (1.0 - fraction) * m / (m - 1.0) * summed.T @ summed, Scores.of(summed)


def shares(name: str, sizes: Mapping[Any, float]) -> tuple[dict[Any, float], tuple[Message, ...]]:
    """Check that shares of a whole sum to 1; rounded ones are rescaled, with a note.

    Raises
    ------
    InputError
        If a share is negative, or the sum is off by more than rounding explains.
    """
    for key, value in sizes.items():
        if not value >= 0:
            raise InputError("estimate.negative_weight", name=name, key=str(key), value=value)
    total = sum(sizes.values())
    if abs(total - 1.0) > _TOLERATED:
        raise InputError("estimate.weights_do_not_sum", name=name, total=total)
    if abs(total - 1.0) <= _ROUNDING:
        return dict(sizes), ()
    note = Message.of("estimate.note_weights_rescaled", name=name, total=round(total, 6))
    return {key: value / total for key, value in sizes.items()}, (note,)


def require_sample(labels: tuple[Any, ...], weight: Mapping[Any, float], name: str) -> None:
    """Refuse strata that are sampled but have no weight, or have a weight but no sample.

    Raises
    ------
    InputError
        Naming them.
    """
    unknown = [str(label) for label in labels if label not in weight]
    if unknown:
        raise InputError("estimate.unknown_strata", name=name, strata=", ".join(unknown))
    known = set(labels)
    empty = [str(key) for key, value in weight.items() if value > 0 and key not in known]
    if empty:
        raise InputError("estimate.empty_strata", strata=", ".join(empty))


def ordered(values: NDArray[Any]) -> tuple[Any, ...]:
    """Distinct labels in a reproducible order that does not depend on the order of the rows."""
    distinct = list(dict.fromkeys(values.tolist()))
    try:
        return tuple(sorted(distinct))
    except TypeError:
        return tuple(sorted(distinct, key=lambda label: (type(label).__name__, str(label))))
