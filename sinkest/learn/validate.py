"""Cross-validation: every observation predicted by a model that has not seen it, nor its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble._forest import BaseForest
from sklearn.pipeline import Pipeline

from sinkest.errors import InputError, ModelError
from sinkest.learn.applicability import AreaOfApplicability
from sinkest.learn.folds import block_folds, environment_folds, group_folds, random_folds
from sinkest.learn.recipes import COLUMN_WEIGHT, Recipe
from sinkest.learn.scores import (
    ClassificationScores,
    RegressionScores,
    bias_by_bin,
    classification_scores,
    regression_scores,
)
from sinkest.learn.spread import moments

__all__ = [
    "AreaOfApplicability",
    "ClassificationScores",
    "CrossValidation",
    "RegressionScores",
    "bias_by_bin",
    "block_folds",
    "classification_scores",
    "cross_validate",
    "environment_folds",
    "fit",
    "group_folds",
    "random_folds",
    "regression_scores",
    "sample_weights",
]


@dataclass(frozen=True)
class CrossValidation:
    """Held-out predictions and what they are worth.

    Attributes
    ----------
    fold : int64 array (n,)
    observed : array (n,)
    prediction : array (n,)
        Of the model that was fitted without the observation's fold.
    between : float64 array (n,) or None
        Standard deviation between the trees of that model.
    scores : RegressionScores or ClassificationScores
    """

    fold: NDArray[np.int64]
    observed: NDArray[Any]
    prediction: NDArray[Any]
    between: NDArray[np.float64] | None
    scores: RegressionScores | ClassificationScores


def cross_validate(
    recipe: Recipe,
    X: NDArray[np.float32],
    y: NDArray[Any],
    folds: NDArray[np.int64],
    *,
    seed: int,
    groups: NDArray[Any] | None = None,
    weight: NDArray[np.float64] | None = None,
    classes: Sequence[Any] | None = None,
    workers: int = 1,
) -> CrossValidation:
    """Fit without each fold in turn and predict it.

    Parameters
    ----------
    recipe : Recipe
    X : float32 array (n, f)
        The features that the recipe uses, finite.
    y : array (n,)
        Response, or class codes.
    folds : int64 array (n,)
        From one of the ``*_folds`` functions.
    seed : int
    groups, weight : arrays (n,), optional
        For the recipe's weights.
    classes : sequence, optional
        Class codes in the order of tables; those in ``y`` when left out.
    workers : int
        Threads used for fitting; no result depends on it.

    Raises
    ------
    InputError
        If there is one fold only, or the arrays don't fit.
    ModelError
        If the estimator cannot be fitted.
    """
    if not len(X) == len(y) == len(folds):
        raise InputError("learn.unequal", first=np.shape(X), second=(*np.shape(y), *np.shape(folds)))
    if len(np.unique(folds)) < 2:
        raise InputError("learn.too_few", n=len(np.unique(folds)), k=2)
    prediction = np.empty(len(y), dtype=np.asarray(y).dtype if recipe.kind == "classification" else np.float64)
    between = np.full(len(y), np.nan)
    for one in np.unique(folds):
        held_out = folds == one
        rest = ~held_out
        fitted = fit(
            recipe,
            X[rest],
            y[rest],
            seed=seed,
            groups=None if groups is None else groups[rest],
            weight=None if weight is None else weight[rest],
            workers=workers,
        )
        if recipe.kind == "classification":
            prediction[held_out] = fitted.predict(X[held_out])
            continue
        mean, spread = moments(fitted, X[held_out])
        prediction[held_out] = np.clip(mean, *recipe.limits(y[rest]))
        if spread is not None:
            between[held_out] = spread
    scores: RegressionScores | ClassificationScores
    if recipe.kind == "classification":
        scores = classification_scores(y, prediction, np.unique(y).tolist() if classes is None else classes)
    else:
        scores = regression_scores(y, prediction)
    has_spread = bool(np.isfinite(between).all())
    return CrossValidation(folds, np.asarray(y), prediction, between if has_spread else None, scores)


def fit(
    recipe: Recipe,
    X: NDArray[np.float32],
    y: NDArray[Any],
    *,
    seed: int,
    groups: NDArray[Any] | None = None,
    weight: NDArray[np.float64] | None = None,
    workers: int = 1,
) -> Any:
    """A fitted estimator of the recipe; see ``cross_validate`` for the parameters.

    Raises
    ------
    ModelError
        If the estimator cannot be fitted.
    """
    estimator = recipe.build(seed)
    threads = dict.fromkeys(_thread_settings(estimator), workers)
    weights = sample_weights(recipe, y, groups, weight)
    try:
        estimator.set_params(**threads)
        fitted = estimator.fit(X, y, **_as_argument(estimator, weights))
    except (ValueError, TypeError, FloatingPointError, np.linalg.LinAlgError) as error:
        raise ModelError("learn.fit_failed", file=recipe.file, n=len(y), reason=str(error)) from error
    _use_one_thread(fitted)
    return fitted


def _thread_settings(estimator: Any) -> list[str]:
    """Parameters that say how many threads a forest uses, wherever one stands inside."""
    inner = estimator.get_params(deep=True).items()
    found = [f"{name}__n_jobs" for name, value in inner if isinstance(value, BaseForest)]
    return [*found, "n_jobs"] if isinstance(estimator, BaseForest) else found


def _use_one_thread(fitted: Any) -> None:
    """Threads of a model's own would compete with those that work on blocks, and would add up in varying order."""
    if isinstance(fitted, BaseForest):
        fitted.n_jobs = 1
    elif isinstance(fitted, BaseEstimator):
        for part in vars(fitted).values():
            _use_one_thread(part)
    elif isinstance(fitted, dict):
        for part in fitted.values():
            _use_one_thread(part)
    elif isinstance(fitted, list | tuple):
        for part in fitted:
            _use_one_thread(part)


def _as_argument(estimator: Any, weights: NDArray[np.float64] | None) -> dict[str, Any]:
    """Weights as an argument of ``fit``; in a pipeline they are its last step's."""
    if weights is None:
        return {}
    last = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    return {f"{last}sample_weight": weights}


def sample_weights(
    recipe: Recipe, y: NDArray[Any], groups: NDArray[Any] | None, weight: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    """Weights of the observations (mean 1) as the recipe wants them; None where all weigh the same.

    Raises
    ------
    ModelError
        If the recipe wants groups or a column that there are not.
    """
    if recipe.weights == "none":
        return None
    if recipe.weights.startswith(COLUMN_WEIGHT):
        if weight is None or not (np.isfinite(weight).all() and (weight > 0).all()):
            raise ModelError("learn.no_weights", file=recipe.file, column=recipe.weights.removeprefix(COLUMN_WEIGHT))
        return weight / weight.mean()
    if recipe.weights == "group" and groups is None:
        raise ModelError("learn.no_groups", file=recipe.file)
    key = y if recipe.weights == "balanced" else groups
    _, index, count = np.unique(np.asarray(key), return_inverse=True, return_counts=True)
    inverse = 1.0 / count[index.reshape(-1)]
    return inverse / inverse.mean()
