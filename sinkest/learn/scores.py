"""How good predictions are: continuous responses, classes, and bias along the range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError


@dataclass(frozen=True)
class RegressionScores:
    """Agreement of a predicted with an observed quantity, in the unit of the quantity.

    Attributes
    ----------
    n : int
    r2 : float
        ``1 - sum((o - p)^2) / sum((o - mean(o))^2)``; can be negative.
    rmse, mae : float
    bias : float
        Mean of predicted minus observed.
    rrmse : float
        ``rmse`` in percent of the mean observed.
    """

    n: int
    r2: float
    rmse: float
    mae: float
    bias: float
    rrmse: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a model card."""
        return {"n": self.n, **{name: float(getattr(self, name)) for name in ("r2", "rmse", "mae", "bias", "rrmse")}}


@dataclass(frozen=True)
class ClassificationScores:
    """Agreement of predicted with observed classes.

    These are shares of the observations as they were collected; they are areas' accuracies only if the observations
    are a probability sample.

    Attributes
    ----------
    classes : tuple of str
    confusion : int64 array (c, c)
        Rows predicted, columns observed.
    overall : float
        Overall accuracy.
    users, producers, f1 : float arrays (c,)
        NaN for a class that was never predicted (user's) or observed (producer's).
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    overall: float
    users: NDArray[np.float64]
    producers: NDArray[np.float64]
    f1: NDArray[np.float64]

    def table(self) -> pd.DataFrame:
        """One row a class: class, observed, predicted, users, producers, f1."""
        return pd.DataFrame(
            {
                "class": list(self.classes),
                "observed": self.confusion.sum(axis=0),
                "predicted": self.confusion.sum(axis=1),
                "users": self.users,
                "producers": self.producers,
                "f1": self.f1,
            }
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a model card; None where a share is undefined."""
        shares = {
            name: [None if np.isnan(value) else float(value) for value in getattr(self, name)]
            for name in ("users", "producers", "f1")
        }
        return {
            "n": int(self.confusion.sum()),
            "overall": float(self.overall),
            "classes": list(self.classes),
            "confusion_predicted_by_observed": self.confusion.tolist(),
            **shares,
        }


def regression_scores(observed: ArrayLike, predicted: ArrayLike) -> RegressionScores:
    """Scores of a continuous response.

    Raises
    ------
    InputError
        If the arrays differ in length, are empty, or hold anything that is not finite.
    """
    o, p = _pair(observed, predicted)
    error = p - o
    squares = float(((o - o.mean()) ** 2).sum())
    rmse = float(np.sqrt((error**2).mean()))
    mean = float(o.mean())
    return RegressionScores(
        n=len(o),
        r2=1.0 - float((error**2).sum()) / squares if squares > 0 else float("nan"),
        rmse=rmse,
        mae=float(np.abs(error).mean()),
        bias=float(error.mean()),
        rrmse=100.0 * rmse / mean if mean else float("nan"),
    )


def classification_scores(observed: ArrayLike, predicted: ArrayLike, classes: Sequence[Any]) -> ClassificationScores:
    """Scores of a classification.

    Parameters
    ----------
    observed, predicted : array_like (n,)
    classes : sequence
        All values that may occur, in the order of the tables.

    Raises
    ------
    InputError
        If the arrays differ in length or hold a value that is not in ``classes``.
    """
    o, p = np.asarray(observed), np.asarray(predicted)
    if o.shape != p.shape or o.ndim != 1 or len(o) == 0:
        raise InputError("learn.unequal", first=o.shape, second=p.shape)
    position = {value: index for index, value in enumerate(classes)}
    unknown = sorted({str(value) for value in (*np.unique(o), *np.unique(p)) if value not in position})
    if unknown:
        raise InputError("learn.not_in_classes", value=unknown[0], classes=", ".join(str(c) for c in classes))
    rows = np.array([position[value] for value in p.tolist()])
    columns = np.array([position[value] for value in o.tolist()])
    confusion = np.zeros((len(position), len(position)), dtype=np.int64)
    np.add.at(confusion, (rows, columns), 1)
    right = np.diag(confusion).astype(np.float64)
    users = _share(right, confusion.sum(axis=1))
    producers = _share(right, confusion.sum(axis=0))
    f1 = _share(2 * right, confusion.sum(axis=1) + confusion.sum(axis=0))
    return ClassificationScores(
        tuple(str(c) for c in classes), confusion, float(right.sum() / len(o)), users, producers, f1
    )


def bias_by_bin(
    observed: ArrayLike,
    predicted: ArrayLike,
    edges: Sequence[float] | None = None,
    *,
    bins: int = 5,
    by: Literal["observed", "predicted"] = "observed",
) -> pd.DataFrame:
    """Bias along the range: a model that smooths is too high at the low end and too low at the high end.

    Parameters
    ----------
    observed, predicted : array_like (n,)
    edges : sequence of float, optional
        Edges of the bins, ascending; the last bin includes its upper edge. Else ``bins`` of about equal numbers.
    bins : int
    by : str
        Which of the two is binned. By ``observed`` even the best prediction shows smoothing; by ``predicted`` an
        unbiased one shows none.

    Returns
    -------
    DataFrame
        low, high, n, mean_observed, mean_predicted, bias (predicted minus observed), rmse; empty bins are left out.
    """
    o, p = _pair(observed, predicted)
    binned = o if by == "observed" else p
    limits = np.unique(np.quantile(binned, np.linspace(0, 1, bins + 1)) if edges is None else np.asarray(edges, float))
    if len(limits) < 2:
        limits = np.array([limits[0], limits[0]])
    index = np.clip(np.searchsorted(limits, binned, side="right") - 1, 0, len(limits) - 2)
    inside = (binned >= limits[0]) & (binned <= limits[-1])
    rows = []
    for one in range(len(limits) - 1):
        chosen = inside & (index == one)
        if chosen.any():
            scores = regression_scores(o[chosen], p[chosen])
            rows.append(
                {
                    "low": float(limits[one]),
                    "high": float(limits[one + 1]),
                    "n": scores.n,
                    "mean_observed": float(o[chosen].mean()),
                    "mean_predicted": float(p[chosen].mean()),
                    "bias": scores.bias,
                    "rmse": scores.rmse,
                }
            )
    return pd.DataFrame(rows, columns=["low", "high", "n", "mean_observed", "mean_predicted", "bias", "rmse"])


def _pair(observed: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    o, p = np.asarray(observed, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if o.shape != p.shape or o.ndim != 1 or len(o) == 0:
        raise InputError("learn.unequal", first=o.shape, second=p.shape)
    if not (np.isfinite(o).all() and np.isfinite(p).all()):
        raise InputError("learn.not_finite")
    return o, p


def _share(part: NDArray[np.float64], whole: NDArray[Any]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=np.asarray(whole) > 0)
