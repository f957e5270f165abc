"""Area of applicability: where a model is asked about environments like those it has learned from.

Meyer & Pebesma 2021, Methods Ecol. Evol. 12:1620-1633. Features are standardised and weighted by importance; the
dissimilarity index (DI) of a point is its distance to the nearest training point over the mean distance between
training points; the threshold is the upper whisker (third quartile + 1.5 interquartile ranges, at most the largest) of
the DI that training points have to those of other cross-validation folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError

AXES = 8
"""Principal axes behind the lower bounds: more rule out more points and cost more each."""


@dataclass(frozen=True)
class AreaOfApplicability:
    """A fitted area of applicability.

    Attributes
    ----------
    center, scale : float64 arrays (f,)
        Mean and standard deviation of the training features.
    weight : float64 array (f,)
        Importance of each feature, at least 0.
    points : float64 array (n, f)
        Training points, standardised and weighted.
    mean_distance : float
        Mean distance between two training points.
    threshold : float
        Largest DI that is inside.
    training_di : float64 array (n,)
        DI of the training points against other folds.
    """

    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    weight: NDArray[np.float64]
    points: NDArray[np.float64]
    mean_distance: float
    threshold: float
    training_di: NDArray[np.float64]

    @classmethod
    def fit(cls, X: ArrayLike, importance: ArrayLike, folds: ArrayLike) -> AreaOfApplicability:
        """Learn the area from training data.

        Parameters
        ----------
        X : array_like (n, f)
            Training features.
        importance : array_like (f,)
            Importance of each feature; negative ones count as 0.
        folds : array_like of int (n,)
            Cross-validation fold of each row.

        Raises
        ------
        InputError
            If something is not finite, there is one fold only, no feature matters, or all points coincide.
        """
        X = np.asarray(X, dtype=np.float64)
        weight = np.maximum(np.asarray(importance, dtype=np.float64), 0.0)
        fold = np.asarray(folds, dtype=np.int64)
        if X.ndim != 2 or weight.shape != (X.shape[1],) or fold.shape != (X.shape[0],):
            raise InputError("learn.unequal", first=X.shape, second=(*weight.shape, *fold.shape))
        if not (np.isfinite(X).all() and np.isfinite(weight).all()):
            raise InputError("learn.not_finite")
        if len(np.unique(fold)) < 2:
            raise InputError("learn.too_few", n=len(np.unique(fold)), k=2)
        center, scale = X.mean(axis=0), X.std(axis=0, ddof=1)
        scale = np.where(scale > 0, scale, 1.0)
        points = (X - center) / scale * weight
        mean_distance = _mean_distance(points)
        if not mean_distance > 0:
            raise InputError("learn.no_spread")
        training_di = _nearest_in_other_fold(points, fold) / mean_distance
        low, high = np.quantile(training_di, [0.25, 0.75])
        threshold = min(float(high + 1.5 * (high - low)), float(training_di.max()))
        return cls(center, scale, weight, points, mean_distance, threshold, training_di)

    def dissimilarity(self, X: ArrayLike) -> NDArray[np.float64]:
        """DI of rows of features.

        Parameters
        ----------
        X : array_like (n, f)

        Returns
        -------
        float64 array (n,)
            NaN where a feature is not finite. A row's value does not depend on the other rows.
        """
        return self._search.nearest(self._weighted(X)) / self.mean_distance

    def _weighted(self, X: ArrayLike) -> NDArray[np.float64]:
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.weight):
            raise InputError("learn.unequal", first=X.shape, second=self.points.shape)
        used = self.weight > 0
        return np.asarray((X[:, used] - self.center[used]) / self.scale[used] * self.weight[used])

    @cached_property
    def _search(self) -> _Search:
        return _Search.over(self.points[:, self.weight > 0])

    def inside(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Whether rows lie in the area of applicability; false where a feature is not finite.

        The same as a comparison of `dissimilarity` with the threshold, and faster: any training point that is near
        enough will do, and the one of the row before most often is.
        """
        near_enough = (self.threshold * self.mean_distance) ** 2 * (1 - 1e-12)
        return self._search.nearest(self._weighted(X), near_enough) / self.mean_distance <= self.threshold


@njit(nogil=True, cache=True)
def _squared(a: NDArray[np.float64], b: NDArray[np.float64], limit: float) -> float:
    """Squared distance, or some number above ``limit`` as soon as it exceeds that."""
    total = 0.0
    for k in range(a.shape[0]):
        gap = a[k] - b[k]
        total += gap * gap
        if total > limit:
            break
    return total


@njit(nogil=True, cache=True)
def _mean_distance(points: NDArray[np.float64]) -> float:
    """Mean over all pairs of different points."""
    n = points.shape[0]
    total = 0.0
    for i in range(n):
        for j in range(i):
            total += np.sqrt(_squared(points[i], points[j], np.inf))
    return total / (0.5 * n * (n - 1.0))


def _nearest_in_other_fold(points: NDArray[np.float64], fold: NDArray[np.int64]) -> NDArray[np.float64]:
    distance = np.empty(len(points))
    for one in np.unique(fold):
        held_out = fold == one
        distance[held_out] = _Search.over(points[~held_out]).nearest(points[held_out])
    return distance


@dataclass(frozen=True)
class _Search:
    """Training points made ready for the search of the nearest one, in the order of their place on the first axis.

    Distances along the leading principal axes are lower bounds of distances. The first axis alone leaves a window of
    points, found by bisection, that can be nearer than a point already known; in it, few numbers in single precision
    rule out nearly all others; the rest is measured in full.
    """

    points: NDArray[np.float64]
    axes: NDArray[np.float64]
    shadow: NDArray[np.float32]

    @classmethod
    def over(cls, points: NDArray[np.float64]) -> _Search:
        """Find the principal axes and the shadows that the points cast on them, (axes, points)."""
        axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][:AXES]
        shadow = (points @ axes.T).T.astype(np.float32)
        order = np.argsort(shadow[0], kind="stable")
        return cls(np.ascontiguousarray(points[order]), np.ascontiguousarray(axes), shadow[:, order].copy())

    def nearest(self, found: NDArray[np.float64], near_enough: float = -1.0) -> NDArray[np.float64]:
        """Distance of each row to its nearest point; NaN where a number is not finite.

        Where some point's squared distance is at most ``near_enough``, it may be that point's instead.
        """
        return _nearest(np.ascontiguousarray(found), self.points, self.axes, self.shadow, near_enough)


@njit(nogil=True, cache=True)
def _cast(row: NDArray[np.float64], axes: NDArray[np.float64], place: NDArray[np.float64]) -> float:
    """Fill ``place`` with the row's places on the axes; return how far rounding can take distances off."""
    reach = 0.0
    for a in range(axes.shape[0]):
        along = 0.0
        for k in range(row.shape[0]):
            along += axes[a, k] * row[k]
        place[a] = along
        reach = max(reach, abs(along))
    return 1e-6 * reach


@njit(nogil=True, cache=True)
def _bounds(place: NDArray[np.float64], shadow: NDArray[np.float32], low: int, bound: NDArray[np.float32]) -> None:
    """Fill ``bound`` with squared distances of the shadows of the points from ``low`` on."""
    bound[:] = 0.0
    for a in range(shadow.shape[0]):
        at = np.float32(place[a])
        along = shadow[a, low : low + bound.size]
        for j in range(bound.size):
            gap = at - along[j]
            bound[j] += gap * gap


@njit(nogil=True, cache=True)
def _nearest(
    found: NDArray[np.float64],
    points: NDArray[np.float64],
    axes: NDArray[np.float64],
    shadow: NDArray[np.float32],
    near_enough: float,
) -> NDArray[np.float64]:
    """Distance to the nearest point; the search starts at the one nearest to the previous row.

    The minimum is the same wherever it starts, so rows don't influence each other; which point is near enough does
    depend on it, not whether one is.
    """
    result = np.empty(found.shape[0])
    room = np.empty(points.shape[0], dtype=np.float32)
    place = np.empty(axes.shape[0])
    slack_of_points = 1e-6 * np.abs(shadow).max()
    nearest = np.int64(0)
    for i in range(found.shape[0]):
        row = found[i]
        if not np.isfinite(row.sum()):
            result[i] = np.nan
            continue
        best = _squared(row, points[nearest], np.inf)
        if best <= near_enough:
            result[i] = np.sqrt(best)
            continue
        slack = slack_of_points + _cast(row, axes, place)
        window = np.sqrt(best) * 1.00001 + slack
        low = max(int(np.searchsorted(shadow[0], np.float32(place[0] - window))) - 1, 0)
        high = int(np.searchsorted(shadow[0], np.float32(place[0] + window), side="right")) + 1
        high = min(high, points.shape[0])
        bound = room[low:high]
        _bounds(place, shadow, low, bound)
        likely = low + np.int64(np.argmin(bound))
        squared = _squared(row, points[likely], best)
        if squared < best:
            best, nearest = squared, likely
        if best <= near_enough:
            result[i] = np.sqrt(best)
            continue
        limit = (np.sqrt(best) + slack) ** 2 * 1.00001
        for j in range(bound.size):
            if bound[j] <= limit:
                squared = _squared(row, points[low + j], best)
                if squared < best:
                    best, nearest = squared, np.int64(low + j)
        result[i] = np.sqrt(best)
    return result
