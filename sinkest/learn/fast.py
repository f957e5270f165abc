"""Predictions of fitted estimators by the fastest way that gives the same numbers.

Forests and histogram boosting of scikit-learn, averages of them and ``WithDiscriminants`` go through packed trees; the
sums run in scikit-learn's own order, so results are equal to the last bit. Every other estimator, and every case that
the packed trees don't cover (several outputs, categorical splits, more than 256 features, rows that are not finite), is
asked itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)

from sinkest.learn.axes import WithDiscriminants
from sinkest.learn.packed import PackedTrees, PlainTree, pack, rows_at_once, sums_and_squares, sums_by_column, votes

Rows = NDArray[np.float32]
Floats = NDArray[np.float64]
Moments = tuple[Floats, Floats | None]

REGRESSION_FORESTS = (ExtraTreesRegressor, RandomForestRegressor)
CLASSIFICATION_FORESTS = (ExtraTreesClassifier, RandomForestClassifier)
BOOSTINGS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
_NONE = np.empty(0)
AT_ONCE = 1 << 16
"""Rows of which class shares are held at once where only the best class is wanted."""


class Predictor(Protocol):
    """What a fitted estimator can be asked; each answer as the estimator itself would give it."""

    def predict(self, X: Rows) -> NDArray[Any]:
        """Class or response of rows (n, f)."""

    def predict_proba(self, X: Rows) -> Floats:
        """Probability of each class, (n, classes)."""

    def moments(self, X: Rows) -> Moments:
        """Response (n,) and, where a forest is part of it, the standard deviation between its trees (n,)."""


def fast(estimator: Any) -> Predictor:
    """The fastest way to ask a fitted estimator. Picklable; may be asked from several threads.

    Parameters
    ----------
    estimator : fitted estimator
        Subclasses of the known ones may predict in another way, so only the very classes are packed.
    """
    asked = _Asked(estimator)
    kind = type(estimator)
    if kind is VotingRegressor:
        return _Average(estimator, tuple(fast(member) for member in estimator.estimators_))
    if kind is WithDiscriminants:
        return _Seeing(estimator, fast(estimator.estimator_))
    if kind in REGRESSION_FORESTS and estimator.n_outputs_ == 1:
        return _regression_forest(estimator) or asked
    if kind in CLASSIFICATION_FORESTS and estimator.n_outputs_ == 1:
        return _classification_forest(estimator) or asked
    if kind in BOOSTINGS:
        return _boosting(estimator) or asked
    return asked


@dataclass(frozen=True)
class _Asked:
    """The estimator itself."""

    estimator: Any

    def predict(self, X: Rows) -> NDArray[Any]:
        return np.asarray(self.estimator.predict(X))

    def predict_proba(self, X: Rows) -> Floats:
        return np.asarray(self.estimator.predict_proba(X), dtype=np.float64)

    def moments(self, X: Rows) -> Moments:
        return np.asarray(self.estimator.predict(X), dtype=np.float64), None


@dataclass(frozen=True)
class _Packed(_Asked):
    """Trees of an estimator; rows that are not as they must be go to the estimator itself."""

    trees: PackedTrees

    def _fits(self, X: Rows) -> bool:
        right = X.dtype == np.float32 and X.ndim == 2 and X.shape[1] == self.estimator.n_features_in_
        return bool(right and np.isfinite(X).all())

    def _visit(self, X: Rows) -> tuple[Rows, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
        """What all kernels take first."""
        trees = self.trees
        return np.ascontiguousarray(X), trees.nodes, trees.start, trees.depth, rows_at_once(X.shape[1])


@dataclass(frozen=True)
class _RegressionForest(_Packed):
    value: Floats

    def predict(self, X: Rows) -> NDArray[Any]:
        return self._sums(X, _NONE)[0] if self._fits(X) else super().predict(X)

    def moments(self, X: Rows) -> Moments:
        if not self._fits(X):
            return super().moments(X)
        mean, squares = self._sums(X, np.zeros(len(X)))
        return mean, np.sqrt(np.maximum(squares - mean * mean, 0.0))

    def _sums(self, X: Rows, squares: Floats) -> tuple[Floats, Floats]:
        """Mean over the trees, and mean square."""
        total, count = np.zeros(len(X)), len(self.trees.depth)
        sums_and_squares(*self._visit(X), self.value, total, squares)
        return total / count, squares / count


@dataclass(frozen=True)
class _ClassificationForest(_Packed):
    """Shares of the classes in a leaf are the entries ``entry[node]:entry[node + 1]``; zeros are left out."""

    entry: NDArray[np.int64]
    entry_class: NDArray[np.int64]
    entry_share: Floats

    def predict(self, X: Rows) -> NDArray[Any]:
        if not self._fits(X):
            return super().predict(X)
        best = [np.argmax(self._shares(X[first : first + AT_ONCE]), axis=1) for first in range(0, len(X), AT_ONCE)]
        return self.estimator.classes_.take(np.concatenate([np.empty(0, dtype=np.intp), *best]), axis=0)

    def predict_proba(self, X: Rows) -> Floats:
        return self._shares(X) if self._fits(X) else super().predict_proba(X)

    def _shares(self, X: Rows) -> Floats:
        total = np.zeros((len(X), len(self.estimator.classes_)))
        votes(*self._visit(X), self.entry, self.entry_class, self.entry_share, total)
        total /= len(self.trees.depth)
        return total


@dataclass(frozen=True)
class _Boosting(_Packed):
    value: Floats
    column: NDArray[np.int64]

    def predict(self, X: Rows) -> NDArray[Any]:
        if not self._fits(X):
            return super().predict(X)
        raw = self._raw(X)
        if isinstance(self.estimator, HistGradientBoostingRegressor):
            return self.estimator._loss.link.inverse(raw.ravel())
        place = (raw.ravel() > 0).astype(int) if raw.shape[1] == 1 else np.argmax(raw, axis=1)
        return self.estimator.classes_[place]

    def predict_proba(self, X: Rows) -> Floats:
        return self.estimator._loss.predict_proba(self._raw(X)) if self._fits(X) else super().predict_proba(X)

    def moments(self, X: Rows) -> Moments:
        return np.asarray(self.predict(X), dtype=np.float64), None

    def _raw(self, X: Rows) -> Floats:
        """Sum over the trees (n, columns), in the memory order that scikit-learn gives it."""
        total = np.zeros((self.estimator.n_trees_per_iteration_, len(X)))
        total += self.estimator._baseline_prediction.reshape(-1, 1)
        sums_by_column(*self._visit(X), self.value, self.column, total)
        return total.T


@dataclass(frozen=True)
class _Average(_Asked):
    """A weighted mean of regressors; its spread is that of the first forest among them."""

    members: tuple[Predictor, ...]

    def moments(self, X: Rows) -> Moments:
        found = [member.moments(X) for member in self.members]
        given = self.estimator.weights
        weights = np.ones(len(found)) if given is None else np.asarray(given, dtype=np.float64)
        mean = np.zeros(len(X))
        for weight, (one, _) in zip(weights, found, strict=True):
            mean += weight * one
        return mean / weights.sum(), next((spread for _, spread in found if spread is not None), None)


@dataclass(frozen=True)
class _Seeing(_Asked):
    """``WithDiscriminants``, whose inner classifier sees more than the features."""

    inner: Predictor

    def predict(self, X: Rows) -> NDArray[Any]:
        if not np.isfinite(X).all():
            return super().predict(X)
        return self.inner.predict(self.estimator.seen(X))

    def predict_proba(self, X: Rows) -> Floats:
        if not np.isfinite(X).all():
            return super().predict_proba(X)
        return self.inner.predict_proba(self.estimator.seen(X))


def _regression_forest(forest: Any) -> _RegressionForest | None:
    trees = [member.tree_ for member in forest.estimators_]
    packed = _pack_forest(trees, forest.n_features_in_)
    if packed is None:
        return None
    return _RegressionForest(forest, packed[0], _per_node(packed, [tree.value[:, 0, 0] for tree in trees]))


def _classification_forest(forest: Any) -> _ClassificationForest | None:
    trees = [member.tree_ for member in forest.estimators_]
    packed = _pack_forest(trees, forest.n_features_in_)
    if packed is None:
        return None
    # Inner nodes have shares as well, which no row ever takes.
    shares = _per_node(packed, [np.where((tree.children_left < 0)[:, None], tree.value[:, 0, :], 0) for tree in trees])
    node, column = np.nonzero(shares)
    entry = np.searchsorted(node, np.arange(len(shares) + 1)).astype(np.int64)
    return _ClassificationForest(forest, packed[0], entry, column.astype(np.int64), shares[node, column])


def _pack_forest(trees: Sequence[Any], n_features: int) -> tuple[PackedTrees, NDArray[np.int64]] | None:
    plain = [
        PlainTree(tree.children_left, tree.children_right, tree.feature, tree.threshold, tree.children_left < 0)
        for tree in trees
    ]
    return pack(plain, n_features)


def _boosting(model: Any) -> _Boosting | None:
    """None where features are encoded or splits are categorical."""
    if model.is_categorical_ is not None or model._preprocessor is not None:
        return None
    nodes = [tree.nodes for step in model._predictors for tree in step]
    columns = [column for step in model._predictors for column in range(len(step))]
    plain = [
        PlainTree(one["left"], one["right"], one["feature_idx"], one["num_threshold"], one["is_leaf"].astype(bool))
        for one in nodes
    ]
    packed = pack(plain, model.n_features_in_)
    if packed is None:
        return None
    value = _per_node(packed, [one["value"] for one in nodes])
    return _Boosting(model, packed[0], value, np.array(columns, dtype=np.int64))


def _per_node(packed: tuple[PackedTrees, NDArray[np.int64]], values: Sequence[NDArray[Any]]) -> Floats:
    """What each node of the single trees holds, in the order of the packed nodes."""
    trees, origin = packed
    parts = [one[origin[a:b]] for one, a, b in zip(values, trees.start[:-1], trees.start[1:], strict=True)]
    return np.ascontiguousarray(np.concatenate(parts), dtype=np.float64)
