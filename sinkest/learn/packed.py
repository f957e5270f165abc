"""Trees of scikit-learn packed for speed, with the very numbers of scikit-learn.

A node is one int64. Its upper half is an integer that orders like the threshold rounded down to float32: a float32
feature is at most a float64 threshold exactly if it is at most the largest float32 that is not above the threshold.
Its lower half is the place of the left child within the tree (24 bits; the right one follows) and the feature (8 bits).
A leaf is its own left child and its threshold is above every number, so that a row that has arrived stays. Eight rows
descend side by side: while one waits for memory, the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 8
MOST_FEATURES = 256
MOST_NODES = 1 << 24
SCRATCH_BYTES = 3 << 18
"""Rows that descend a tree together take about as much, so that they stay in a core's cache for the next tree."""


@dataclass(frozen=True)
class PlainTree:
    """A tree in plain arrays, one entry a node; the root is node 0.

    Attributes
    ----------
    left, right : integer arrays
        Children; no matter at a leaf.
    feature : integer array
    threshold : float64 array
        Rows whose feature is at most the threshold go left.
    leaf : bool array
    """

    left: NDArray[np.integer]
    right: NDArray[np.integer]
    feature: NDArray[np.integer]
    threshold: NDArray[np.float64]
    leaf: NDArray[np.bool_]


@dataclass(frozen=True)
class PackedTrees:
    """Many trees one after the other.

    Attributes
    ----------
    nodes : int64 array (n,)
    start : int64 array (trees + 1,)
        First node of each tree, and the end.
    depth : int64 array (trees,)
    """

    nodes: NDArray[np.int64]
    start: NDArray[np.int64]
    depth: NDArray[np.int64]


def pack(trees: Sequence[PlainTree], n_features: int) -> tuple[PackedTrees, NDArray[np.int64]] | None:
    """Pack trees.

    Parameters
    ----------
    trees : sequence of PlainTree
    n_features : int

    Returns
    -------
    (PackedTrees, int64 array (n,)) or None
        The trees, and for each packed node the node of its tree that it was. None where the numbers don't fit: more
        than 256 features, 2^24 nodes in a tree, or a threshold that is no number.
    """
    if not trees or n_features > MOST_FEATURES or any(len(tree.left) >= MOST_NODES for tree in trees):
        return None
    if any(np.isnan(tree.threshold[~tree.leaf]).any() for tree in trees):
        return None
    nodes, origins, depths = [], [], []
    for tree in trees:
        origin, left, depth = _breadth_first(
            tree.left.astype(np.int64), tree.right.astype(np.int64), np.ascontiguousarray(tree.leaf)
        )
        leaf = tree.leaf[origin]
        key = np.where(leaf, np.int64(np.iinfo(np.int32).max), _floor_keys(tree.threshold[origin]))
        feature = np.where(leaf, 0, tree.feature[origin]).astype(np.int64)
        nodes.append((key << 32) | (left << 8) | feature)
        origins.append(origin)
        depths.append(depth)
    start = np.concatenate([[0], np.cumsum([len(part) for part in nodes])]).astype(np.int64)
    return PackedTrees(np.concatenate(nodes), start, np.array(depths, dtype=np.int64)), np.concatenate(origins)


def _floor_keys(thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Integers that order like the largest float32 that are not above the thresholds."""
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    below = np.where(near.astype(np.float64) > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
    bits = (below.astype(np.float32) + np.float32(0)).view(np.int32)
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)


@njit(cache=True, nogil=True)
def _breadth_first(
    left: NDArray[np.int64], right: NDArray[np.int64], leaf: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Order of the nodes level by level with siblings side by side, places of the left children, and the depth."""
    origin = np.zeros(left.size, np.int64)
    place = np.zeros(left.size, np.int64)
    count, at, depth, level_end = 1, 0, 0, 1
    while at < count:
        if at == level_end:
            depth, level_end = depth + 1, count
        node = origin[at]
        if leaf[node]:
            place[at] = at
        else:
            place[at] = count
            origin[count], origin[count + 1] = left[node], right[node]
            count += 2
        at += 1
    return origin[:count], place[:count], depth


def rows_at_once(n_features: int) -> int:
    """How many rows descend a tree together, a multiple of the lanes."""
    return int(np.clip(SCRATCH_BYTES // (4 * n_features), 512, 8192)) // LANES * LANES


@njit(cache=True, nogil=True)
def _to_keys(rows: NDArray[np.float32], keys: NDArray[np.int32]) -> None:
    """Integers that order like the (finite) numbers; 0 and -0 are one."""
    bits = rows.view(np.int32)
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            v = bits[i, j]
            if v < 0:
                v = np.int32(0) if v == np.int32(-2147483648) else v ^ np.int32(0x7FFFFFFF)
            keys[i, j] = v


@njit(cache=True, nogil=True, inline="always")
def _step(nodes, keys, row, at):  # type: ignore[no-untyped-def]
    node = nodes[at]
    return ((node >> 8) & 0xFFFFFF) + np.int64(np.int64(keys[row, node & 0xFF]) > (node >> 32))


@njit(cache=True, nogil=True)
def _descend(nodes, keys, depth, rows, leaves):  # type: ignore[no-untyped-def]
    """Leaf of each of the first ``rows`` rows in one tree."""
    whole = rows - rows % LANES
    for p in range(0, whole, LANES):
        a = b = c = d = e = f = g = h = np.int64(0)
        before = np.int64(-1)
        for _ in range(depth):
            a = _step(nodes, keys, p, a)
            b = _step(nodes, keys, p + 1, b)
            c = _step(nodes, keys, p + 2, c)
            d = _step(nodes, keys, p + 3, d)
            e = _step(nodes, keys, p + 4, e)
            f = _step(nodes, keys, p + 5, f)
            g = _step(nodes, keys, p + 6, g)
            h = _step(nodes, keys, p + 7, h)
            now = a + b + c + d + e + f + g + h
            # A child stands behind its parent, so an equal sum says that all eight have arrived.
            if now == before:
                break
            before = now
        leaves[p], leaves[p + 1], leaves[p + 2], leaves[p + 3] = a, b, c, d
        leaves[p + 4], leaves[p + 5], leaves[p + 6], leaves[p + 7] = e, f, g, h
    for p in range(whole, rows):
        a = np.int64(0)
        for _ in range(depth):
            a = _step(nodes, keys, p, a)
        leaves[p] = a


@njit(cache=True, nogil=True)
def sums_and_squares(X, nodes, start, depth, at_once, value, total, squares):  # type: ignore[no-untyped-def]
    """Add each tree's value, and its square, in the order of the trees.

    Parameters
    ----------
    X : float32 array (n, f)
        Finite, C-contiguous.
    nodes, start, depth
        As in ``PackedTrees``.
    at_once : int
        ``rows_at_once``.
    value : float64 array (nodes,)
        Of the leaves.
    total, squares : float64 arrays (n,)
        Are added to; ``squares`` may be empty when they are not wanted.
    """
    keys = np.empty((at_once, X.shape[1]), np.int32)
    leaves = np.empty(at_once, np.int64)
    for first in range(0, X.shape[0], at_once):
        rows = min(at_once, X.shape[0] - first)
        _to_keys(X[first : first + rows], keys)
        for t in range(depth.size):
            _descend(nodes[start[t] : start[t + 1]], keys, depth[t], rows, leaves)
            for i in range(rows):
                one = value[start[t] + leaves[i]]
                total[first + i] += one
                if squares.size:
                    squares[first + i] += one * one


@njit(cache=True, nogil=True)
def sums_by_column(X, nodes, start, depth, at_once, value, column, total):  # type: ignore[no-untyped-def]
    """Add each tree's value to its column of ``total`` (columns, n), in the order of the trees."""
    keys = np.empty((at_once, X.shape[1]), np.int32)
    leaves = np.empty(at_once, np.int64)
    for first in range(0, X.shape[0], at_once):
        rows = min(at_once, X.shape[0] - first)
        _to_keys(X[first : first + rows], keys)
        for t in range(depth.size):
            _descend(nodes[start[t] : start[t + 1]], keys, depth[t], rows, leaves)
            for i in range(rows):
                total[column[t], first + i] += value[start[t] + leaves[i]]


@njit(cache=True, nogil=True)
def votes(X, nodes, start, depth, at_once, entry, entry_class, entry_share, total):  # type: ignore[no-untyped-def]
    """Add the class shares of each tree's leaves to ``total`` (n, classes), in the order of the trees.

    A leaf's shares that are not 0 are the entries ``entry[node]:entry[node + 1]``; adding a 0 changes nothing, so they
    are left out.
    """
    keys = np.empty((at_once, X.shape[1]), np.int32)
    leaves = np.empty(at_once, np.int64)
    for first in range(0, X.shape[0], at_once):
        rows = min(at_once, X.shape[0] - first)
        _to_keys(X[first : first + rows], keys)
        for t in range(depth.size):
            _descend(nodes[start[t] : start[t + 1]], keys, depth[t], rows, leaves)
            for i in range(rows):
                node = start[t] + leaves[i]
                for k in range(entry[node], entry[node + 1]):
                    total[first + i, entry_class[k]] += entry_share[k]
