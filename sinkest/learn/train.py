"""Training: from observations and a recipe to a model that knows how good it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance

from sinkest.errors import InputError
from sinkest.learn.applicability import AreaOfApplicability
from sinkest.learn.model import TrainedModel
from sinkest.learn.recipes import Recipe
from sinkest.learn.scores import bias_by_bin
from sinkest.learn.spread import Spread
from sinkest.learn.validate import (
    CrossValidation,
    block_folds,
    cross_validate,
    environment_folds,
    fit,
    group_folds,
    random_folds,
)

MAX_AREA_POINTS = 3000
"""Training points kept for the area of applicability; more are thinned at random."""
IMPORTANCE_ROWS = 1000
LIBRARIES = ("numpy", "scikit-learn", "scipy", "skops")


@dataclass(frozen=True)
class Observations:
    """What a model learns from.

    Attributes
    ----------
    X : float32 array (n, f)
        Features, finite.
    y : array (n,)
        Response in its unit, or class ids.
    features : tuple of str
        Names of the columns of X.
    units : mapping
        Feature -> unit.
    x_m, y_m : float64 arrays (n,) or None
        Projected coordinates, for spatial blocks.
    groups : array (n,) or None
        What belongs together, such as the polygon a pixel lies in.
    weight : float64 array (n,) or None
        For a recipe with weights from a column.
    files : mapping
        Name of each input file -> its SHA-256.
    spec : optional
        How the features are made, as plain values.
    simulated : bool
        Whether any of it comes from a simulation.
    origin : str
        Where the response comes from if nobody measured it, such as ``"gedi_l4a"``; it goes into the card.
    """

    X: NDArray[np.float32]
    y: NDArray[Any]
    features: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    x_m: NDArray[np.float64] | None = None
    y_m: NDArray[np.float64] | None = None
    groups: NDArray[Any] | None = None
    weight: NDArray[np.float64] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    spec: Any = None
    simulated: bool = False
    origin: str = ""


@dataclass(frozen=True)
class Training:
    """A trained model and the held-out predictions behind its card.

    Attributes
    ----------
    model : TrainedModel
    held_out : CrossValidation
        By spatial blocks, groups, or environments; ``held_out.prediction`` is what inference from the training plots
        must use in place of the model's own predictions for them.
    held_out_by : str
        ``blocks``, ``groups`` or ``environments``.
    random : CrossValidation
        At random, for contrast: optimistic wherever neighbours resemble each other.
    """

    model: TrainedModel
    held_out: CrossValidation
    held_out_by: str
    random: CrossValidation


def train(
    recipe: Recipe,
    data: Observations,
    *,
    seed: int,
    classes: Mapping[str, int] | None = None,
    folds: int = 5,
    block_m: float = 10_000.0,
    clusters: int = 10,
    workers: int = 1,
) -> Training:
    """Cross-validate a recipe, then fit it to everything.

    Parameters
    ----------
    recipe : Recipe
    data : Observations
    seed : int
        Of the folds and of the estimator.
    classes : mapping, optional
        Class id -> code, needed for a classification.
    folds : int
    block_m : float
        Side of the spatial blocks in metres.
    clusters : int
        Environments, where there are neither coordinates nor groups.
    workers : int
        Threads used for fitting; no result depends on it.

    Returns
    -------
    Training

    Raises
    ------
    InputError
        If the observations are not finite, too few, of one class only, or of unknown classes.
    ModelError
        If the recipe names features that there are not, or cannot be fitted.
    """
    classes = dict(sorted((classes or {}).items(), key=itemgetter(1)))
    used = recipe.select(data.features)
    columns = [data.features.index(name) for name in used]
    X = np.ascontiguousarray(data.X[:, columns], dtype=np.float32)
    y = _response(recipe, data, classes)
    _check_observations(X, y, used)
    by, fold = _held_out_folds(data, X, folds, block_m, clusters, seed)
    options: dict[str, Any] = {"seed": seed, "groups": data.groups, "weight": data.weight, "workers": workers}
    codes = list(classes.values()) if recipe.kind == "classification" else None
    bound = recipe.bound(used)
    held_out = cross_validate(bound, X, y, fold, classes=codes, **options)
    at_random = cross_validate(bound, X, y, random_folds(len(y), folds, seed), classes=codes, **options)
    estimator = fit(bound, X, y, **options)
    importance = _importance(estimator, X, y, seed)
    kept = _thinned(y, recipe.kind, seed)
    area = AreaOfApplicability.fit(X[kept], importance, fold[kept])
    spread = None
    if recipe.kind == "regression":
        spread = Spread.fit(y, held_out.prediction, held_out.between)
    units = {name: data.units.get(name, "") for name in used}
    card = {
        **_described(recipe, data, used, units, classes, y, seed),
        "cross_validation": {
            "held_out": _scores(held_out, recipe, classes, by, block_m),
            "random": _scores(at_random, recipe, classes, "random", block_m),
        },
        "importance": {name: float(value) for name, value in zip(used, importance, strict=True)},
        "applicability": {
            "points": len(kept),
            "mean_distance": area.mean_distance,
            "threshold": area.threshold,
            "inside_training_share": float((area.training_di <= area.threshold).mean()),
        },
        "versions": {name: version(name) for name in LIBRARIES},
    }
    if spread is not None:
        card["spread"] = {"kind": spread.kind, "base": spread.base, "slope": spread.slope}
    # In the form that it has after saving: tuples are lists, whatever is no plain value is text.
    card = json.loads(json.dumps(card, default=str))
    model = TrainedModel(recipe, estimator, used, units, classes, spread, area, card)
    return Training(model, held_out, by, at_random)


def _response(recipe: Recipe, data: Observations, classes: Mapping[str, int]) -> NDArray[Any]:
    """The response as numbers, or as class codes."""
    if recipe.kind == "regression":
        return np.asarray(data.y, dtype=np.float64)
    unknown = sorted({str(name) for name in data.y} - set(classes))
    if unknown:
        raise InputError("learn.not_in_classes", value=unknown[0], classes=", ".join(classes))
    codes = np.array([classes[str(name)] for name in data.y], dtype=np.int64)
    if len(np.unique(codes)) < 2:
        raise InputError("learn.one_class", classes=", ".join(sorted({str(name) for name in data.y})))
    return codes


def _check_observations(X: NDArray[np.float32], y: NDArray[Any], used: tuple[str, ...]) -> None:
    if X.ndim != 2 or len(X) != len(y):
        raise InputError("learn.unequal", first=X.shape, second=y.shape)
    if len(y) < 4:
        raise InputError("learn.too_few", n=len(y), k=4)
    bad = [name for name, column in zip(used, X.T, strict=True) if not np.isfinite(column).all()]
    if bad:
        raise InputError("learn.feature_gaps", features=", ".join(bad[:5]), n=len(bad))
    if not np.isfinite(y).all():
        raise InputError("learn.not_finite")


def _held_out_folds(
    data: Observations, X: NDArray[np.float32], folds: int, block_m: float, clusters: int, seed: int
) -> tuple[str, NDArray[np.int64]]:
    """Spatial blocks where there is at least one for each fold; else whole groups; else environments."""
    if data.x_m is not None and data.y_m is not None:
        x, y = _center_of_groups(data.x_m, data.groups), _center_of_groups(data.y_m, data.groups)
        if len(np.unique(np.floor(np.column_stack([x, y]) / block_m), axis=0)) >= folds:
            return "blocks", block_folds(x, y, block_m, folds, seed)
    if data.groups is not None:
        return "groups", group_folds(data.groups, folds, seed)
    return "environments", environment_folds(X, clusters, seed)


def _center_of_groups(values: NDArray[np.float64], groups: NDArray[Any] | None) -> NDArray[np.float64]:
    """Mean of each observation's group, so that no group is torn apart by a block's border."""
    if groups is None:
        return values
    index = np.unique(groups, return_inverse=True)[1].reshape(-1)
    return (np.bincount(index, values) / np.bincount(index))[index]


def _importance(estimator: Any, X: NDArray[np.float32], y: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """Importance of each feature, summing to 1: by impurity where the estimator has it, else by permutation."""
    raw = getattr(estimator, "feature_importances_", None)
    if raw is None:
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.permutation(len(y))[:IMPORTANCE_ROWS])
        found = permutation_importance(estimator, X[rows], y[rows], n_repeats=3, random_state=seed)
        raw = found.importances_mean
    positive = np.maximum(np.asarray(raw, dtype=np.float64), 0.0)
    total = positive.sum()
    return positive / total if total > 0 else np.full(len(positive), 1.0 / len(positive))


def _thinned(y: NDArray[Any], kind: str, seed: int) -> NDArray[np.int64]:
    """Rows kept for the area of applicability: all, or a random part with every class in its share."""
    if len(y) <= MAX_AREA_POINTS:
        return np.arange(len(y))
    shuffled = np.random.default_rng(seed).permutation(len(y))
    if kind == "regression":
        return np.sort(shuffled[:MAX_AREA_POINTS])
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    return np.sort(by_class[np.linspace(0, len(y) - 1, MAX_AREA_POINTS).astype(np.int64)])


def _described(
    recipe: Recipe,
    data: Observations,
    used: tuple[str, ...],
    units: Mapping[str, str],
    classes: Mapping[str, int],
    y: NDArray[Any],
    seed: int,
) -> dict[str, Any]:
    training: dict[str, Any] = {
        "n": len(y),
        "seed": seed,
        "files": dict(sorted(data.files.items())),
        "simulated": data.simulated,
    }
    if data.origin:
        training["origin"] = data.origin
    if data.groups is not None:
        training["groups"] = len(np.unique(data.groups))
    if recipe.kind == "classification":
        training["per_class"] = {name: int((y == code).sum()) for name, code in classes.items()}
    else:
        quantiles = np.quantile(y, [0, 0.25, 0.5, 0.75, 1])
        training["response"] = {
            "mean": float(y.mean()),
            "sd": float(y.std(ddof=1)),
            **dict(zip(("min", "q25", "median", "q75", "max"), quantiles.tolist(), strict=True)),
        }
    return {
        "name": recipe.name,
        "kind": recipe.kind,
        "response": {"name": recipe.response, "unit": recipe.unit},
        "features": [{"name": name, "unit": units[name]} for name in used],
        "feature_spec": data.spec,
        "classes": dict(classes),
        "training": training,
    }


def _scores(
    result: CrossValidation, recipe: Recipe, classes: Mapping[str, int], by: str, block_m: float
) -> dict[str, Any]:
    found: dict[str, Any] = {"by": by, "folds": len(np.unique(result.fold)), "scores": result.scores.as_dict()}
    if by == "blocks":
        found["block_m"] = block_m
    if recipe.kind == "classification":
        name_of = {str(code): name for name, code in classes.items()}
        found["scores"]["classes"] = [name_of[code] for code in found["scores"]["classes"]]
    else:
        table = bias_by_bin(result.observed, result.prediction)
        found["bias_by_bin"] = table.to_dict("records")
    return found
