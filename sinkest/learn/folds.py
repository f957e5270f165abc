"""Which observations are held out together: by spatial block, by group, by environment, or at random.

A fold assignment is an int64 array (n,) with values 0..k-1. It depends on the observations and the seed, not on their
order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans

from sinkest.errors import InputError

Folds = NDArray[np.int64]


def block_folds(x_m: ArrayLike, y_m: ArrayLike, block_size_m: float, k: int, seed: int) -> Folds:
    """Spatial blocks: all points of a square block are held out together.

    Parameters
    ----------
    x_m, y_m : array_like (n,)
        Projected coordinates in metres.
    block_size_m : float
        Side of a block; at least the range over which residuals are correlated.
    k : int
        Number of folds; fewer come out where there are fewer blocks.
    seed : int

    Raises
    ------
    InputError
        If there are fewer than two blocks: nothing can be held out.
    """
    if not block_size_m > 0:
        raise InputError("learn.block_size", value=block_size_m)
    place = np.column_stack([np.asarray(x_m, dtype=np.float64), np.asarray(y_m, dtype=np.float64)])
    if not np.isfinite(place).all():
        raise InputError("learn.no_coordinates")
    block = np.unique(np.floor(place / block_size_m), axis=0, return_inverse=True)[1]
    return _assigned(block.reshape(-1), k, seed)


def group_folds(groups: ArrayLike, k: int, seed: int) -> Folds:
    """Groups (such as the polygon a pixel lies in) that are held out together.

    Raises
    ------
    InputError
        If there are fewer than two groups.
    """
    return _assigned(np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1), k, seed)


def environment_folds(X: ArrayLike, k: int, seed: int) -> Folds:
    """Clusters in feature space: each fold is an environment that the model has not seen.

    Parameters
    ----------
    X : array_like (n, f)
        Features; standardised, then clustered by k-means.

    Raises
    ------
    InputError
        If there are fewer observations than clusters.
    """
    Z = np.asarray(X, dtype=np.float64)
    if not 2 <= k <= len(Z):
        raise InputError("learn.too_few", n=len(Z), k=k)
    spread = Z.std(axis=0)
    Z = (Z - Z.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    # k-means is drawn to the order of its rows, so they get one that is theirs.
    order = np.lexsort(Z.T)
    label = np.empty(len(Z), dtype=np.int64)
    label[order] = KMeans(k, n_init=4, random_state=seed).fit_predict(Z[order])
    return label


def random_folds(n: int, k: int, seed: int) -> Folds:
    """Every observation by itself: optimistic where neighbours resemble each other; for contrast.

    Raises
    ------
    InputError
        If there are fewer than two observations.
    """
    return _assigned(np.arange(n), k, seed)


def _assigned(unit: NDArray[np.int64], k: int, seed: int) -> Folds:
    """Units to folds of about equal numbers of observations: the largest first, each to the smallest fold."""
    count = np.bincount(unit) if len(unit) else np.zeros(0, dtype=np.int64)
    k = min(k, len(count))
    if k < 2:
        raise InputError("learn.too_few", n=len(count), k=2)
    shuffled = np.random.default_rng(seed).permutation(len(count))
    order = shuffled[np.argsort(-count[shuffled], kind="stable")]
    filled = np.zeros(k, dtype=np.int64)
    fold = np.empty(len(count), dtype=np.int64)
    for one in order:
        fold[one] = int(np.argmin(filled))
        filled[fold[one]] += count[one]
    return fold[unit]
