"""Trees that may also split along the directions in which classes differ most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from sinkest.learn.linear import RowwiseDiscriminant


class WithDiscriminants(ClassifierMixin, BaseEstimator):
    """A classifier that sees the linear discriminant score of every class beside the features.

    A tree splits one feature at a time, so classes that differ along a mixture of bands cost it many splits and, with
    few training polygons, accuracy. The scores offer those mixtures; where they are of no use the trees pass them by.

    Parameters
    ----------
    estimator : classifier
        Learns from features and scores; 100 extremely randomised trees when left out.

    Attributes
    ----------
    classes_ : array (c,)
    discriminant_ : RowwiseDiscriminant
    estimator_ : fitted classifier
    """

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> WithDiscriminants:
        """Learn from features (n, f) and classes (n,)."""
        features, classes = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(classes)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, features)
        self.classes_ = np.unique(classes)
        self.discriminant_ = RowwiseDiscriminant().fit(features, classes, sample_weight=weight)
        self._spread = features.std(axis=0)
        base = ExtraTreesClassifier(random_state=0) if self.estimator is None else clone(self.estimator)
        seen = self.seen(features)
        self.estimator_ = base.fit(seen, classes) if weight is None else base.fit(seen, classes, sample_weight=weight)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class (n, c), in the order of ``classes_``."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(self.seen(validate_data(self, X, reset=False, dtype=np.float64)))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable class (n,)."""
        check_is_fitted(self)
        return self.estimator_.predict(self.seen(validate_data(self, X, reset=False, dtype=np.float64)))

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """Importance of the features, that of each score shared among the features it is made of."""
        check_is_fitted(self)
        whole = self.estimator_.feature_importances_
        own, of_scores = whole[: self.n_features_in_], whole[self.n_features_in_ :]
        part = np.abs(self.discriminant_.coef_) * self._spread
        total = part.sum(axis=1, keepdims=True)
        shared = of_scores @ np.divide(part, total, out=np.zeros_like(part), where=total > 0)
        return own + shared

    def seen(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Features and scores (n, f + c), what the inner classifier is given.

        What is common to all scores of a row says nothing of its class and is taken off.
        """
        found = np.empty((len(features), features.shape[1] + len(self.classes_)), dtype=np.float32)
        # A multiple of single features, added up in their order: a row's scores don't depend on the rows beside it.
        discriminant = self.discriminant_
        _see(np.ascontiguousarray(features), discriminant.coef_, discriminant.intercept_, found)
        return found


@njit(cache=True, nogil=True)
def _see(features, coefficients, constant, found):  # type: ignore[no-untyped-def]
    n_features, n_classes = features.shape[1], coefficients.shape[0]
    scores = np.empty(n_classes)
    for i in range(features.shape[0]):
        common = 0.0
        for c in range(n_classes):
            score = constant[c]
            for k in range(n_features):
                score += np.float64(features[i, k]) * coefficients[c, k]
            scores[c] = score
            common += score
        for k in range(n_features):
            found[i, k] = features[i, k]
        for c in range(n_classes):
            found[i, n_features + c] = scores[c] - common / n_classes
