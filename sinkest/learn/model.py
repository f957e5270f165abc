"""A trained model: what it predicts, how far a prediction may be off, and where it may be asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError, ModelError
from sinkest.learn.applicability import AreaOfApplicability
from sinkest.learn.fast import Predictor, fast
from sinkest.learn.recipes import Recipe
from sinkest.learn.spread import Spread
from sinkest.messages import Message


@dataclass(frozen=True)
class TrainedModel:
    """A fitted estimator with all that its use needs. Picklable; methods may be called from several threads.

    Attributes
    ----------
    recipe : Recipe
    estimator : fitted estimator
    features : tuple of str
        What a row of features holds, in order.
    units : mapping
        Feature -> unit.
    classes : mapping
        Class id -> code in the order of the codes, for a classification; else empty.
    spread : Spread or None
        None for a classification.
    area : AreaOfApplicability
    card : mapping
        What is known of the model, as plain values.
    """

    recipe: Recipe
    estimator: Any
    features: tuple[str, ...]
    units: Mapping[str, str]
    classes: Mapping[str, int]
    spread: Spread | None
    area: AreaOfApplicability
    card: Mapping[str, Any]

    @property
    def is_classifier(self) -> bool:
        """Whether it predicts classes."""
        return self.recipe.kind == "classification"

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Class codes or the response.

        Parameters
        ----------
        X : array_like (n, f)
            Features in the order of ``features``.

        Returns
        -------
        array (n,)
            uint8 codes, 0 where a feature is not finite; or float64 in the recipe's unit, NaN there.
        """
        rows, known = self._rows(X)
        if self.is_classifier:
            codes = np.zeros(len(rows), dtype=np.uint8)
            if known.any():
                codes[known] = self._fast.predict(_only(rows, known))
            return codes
        return self.predict_with_sd(rows)[0]

    def predict_sd(self, X: ArrayLike) -> NDArray[np.float64]:
        """Standard deviation of the error of each prediction (n,), in the response's unit; see ``Spread``."""
        return self.predict_with_sd(X)[1]

    def predict_with_sd(self, X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Response and its standard deviation in one pass; NaN where a feature is not finite.

        Raises
        ------
        ModelError
            For a classification.
        """
        if self.spread is None:
            raise ModelError("learn.no_sd", name=self.recipe.name)
        rows, known = self._rows(X)
        mean, deviation = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        if known.any():
            found, between = self._fast.moments(_only(rows, known))
            observed = self.card["training"]["response"]
            mean[known] = np.clip(found, *self.recipe.limits([observed["min"], observed["max"]]))
            deviation[known] = self.spread.deviation(mean[known], between)
        return mean, deviation

    def predict_share(self, X: ArrayLike) -> NDArray[np.float64]:
        """Share of the trees' votes for each class (n, classes), in the order of ``classes``; NaN rows without data.

        Raises
        ------
        ModelError
            For a regression, or an estimator that gives no shares.
        """
        if not self.is_classifier or not hasattr(self.estimator, "predict_proba"):
            raise ModelError("learn.no_shares", name=self.recipe.name)
        rows, known = self._rows(X)
        shares = np.full((len(rows), len(self.classes)), np.nan)
        if known.any():
            column = {int(code): i for i, code in enumerate(self.classes.values())}
            shares[known] = 0.0
            found = self._fast.predict_proba(_only(rows, known))
            for i, code in enumerate(self.estimator.classes_):
                shares[known, column[int(code)]] = found[:, i]
        return shares

    def applicability(self, X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Dissimilarity index (n,), NaN without data, and whether it is within the area of applicability."""
        index = self.area.dissimilarity(self._rows(X)[0])
        return index, index <= self.area.threshold

    def inside(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Whether rows lie in the area of applicability (n,), false without data; all that a map needs of it."""
        return self.area.inside(self._rows(X)[0])

    @cached_property
    def _fast(self) -> Predictor:
        return fast(self.estimator)

    def _rows(self, X: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        rows = np.ascontiguousarray(X, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.features):
            raise InputError("learn.unequal", first=rows.shape, second=(len(self.features),))
        known: NDArray[np.bool_] = np.asarray(np.isfinite(rows).all(axis=1))
        return rows, known


def _only(rows: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The rows that are known; no copy where all are."""
    return rows if known.all() else rows[known]


def check_features(
    model: TrainedModel,
    names: Sequence[str],
    *,
    units: Mapping[str, str] | None = None,
    spec: Any = None,
) -> NDArray[np.int64]:
    """Whether a cube has what a model was trained on; a difference is refused and shown.

    Parameters
    ----------
    model : TrainedModel
    names : sequence of str
        Features of the cube, in order.
    units : mapping, optional
        Feature -> unit in the cube.
    spec : optional
        How the cube is made (plain values); compared with what the model was trained on where both are known.

    Returns
    -------
    int64 array (f,)
        Where the model's features stand in the cube.

    Raises
    ------
    ModelError
        If features are missing, a unit or the making of the features differs, or a model of all features meets a cube
        that has more.
    """
    given = list(names)
    problems: list[Message] = []
    missing = [name for name in model.features if name not in given]
    extra = [name for name in given if name not in model.features]
    if missing:
        problems.append(Message.of("learn.features_missing", names=", ".join(missing)))
    if extra and model.recipe.features == ("*",):
        problems.append(Message.of("learn.features_extra", names=", ".join(extra)))
    for name in model.features:
        expected, found = model.units.get(name, ""), (units or {}).get(name)
        if found is not None and expected and found != expected:
            problems.append(Message.of("learn.features_unit", feature=name, expected=expected, given=found))
    trained_on = model.card.get("feature_spec")
    if spec is not None and trained_on is not None:
        # Through JSON, as the card went: tuples and lists, numbers and texts must not differ by form alone.
        problems += _spec_differences(trained_on, json.loads(json.dumps(spec, default=str)), "")
    if problems:
        raise ModelError("learn.features_differ", name=model.recipe.name, problems=tuple(problems))
    return np.array([given.index(name) for name in model.features], dtype=np.int64)


def _spec_differences(expected: Any, given: Any, key: str) -> list[Message]:
    """Where two structures of plain values differ."""
    if isinstance(expected, Mapping) and isinstance(given, Mapping):
        found = []
        for name in sorted({*expected, *given}):
            found += _spec_differences(expected.get(name), given.get(name), f"{key}.{name}" if key else str(name))
        return found
    if expected == given:
        return []
    return [Message.of("learn.features_made", key=key, expected=str(expected), given=str(given))]
