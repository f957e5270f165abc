"""Class areas, confusion and accuracies with their variances, for any sample that works by strata."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats
from sinkest.estimate.freedom import Scores, satterthwaite
from sinkest.estimate.result import Estimate, Interval, quantile
from sinkest.estimate.strata import Scheme, Units, combine, combine_crossed, moments
from sinkest.estimate.systematic import Neighbourhoods, Pattern
from sinkest.messages import Message, text

Codes = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class AreaEstimate:
    """Areas of classes and accuracy of a map; arrays follow ``classes``.

    Attributes
    ----------
    classes : tuple
        Labels of the classes, map and reference together.
    area, se : array, shape (k,)
        Area of each reference class and its standard error, in the unit of the strata's areas.
    proportion, proportion_se : array, shape (k,)
        The same as shares of the whole.
    total_area : float
    overall_accuracy, overall_accuracy_se : float
        Share of the area mapped right.
    users_accuracy, users_accuracy_se : array, shape (k,)
        Share of what is mapped as a class that is that class; NaN for a class that is never mapped.
    producers_accuracy, producers_accuracy_se : array, shape (k,)
        Share of a class that is mapped as such; NaN for a class that never occurs.
    confusion, confusion_se : array, shape (k, k)
        Shares of the area by map class (rows) and reference class (columns).
    covariance : array, shape (k, k)
        Of the areas.
    df : array, shape (k,)
        Satterthwaite's degrees of freedom of the areas, by the tails of what was seen in each stratum.
    n : int
        Sampled units (clusters, where clusters were drawn).
    method : str
    notes : tuple of Message
    """

    classes: tuple[Any, ...]
    area: Floats
    se: Floats
    proportion: Floats
    proportion_se: Floats
    total_area: float
    overall_accuracy: float
    overall_accuracy_se: float
    users_accuracy: Floats
    users_accuracy_se: Floats
    producers_accuracy: Floats
    producers_accuracy_se: Floats
    confusion: Floats
    confusion_se: Floats
    covariance: Floats
    df: Floats
    n: int
    method: str
    notes: tuple[Message, ...] = ()
    parts: Floats = field(default_factory=lambda: np.empty((0, 0, 0)))
    spare: Floats = field(default_factory=lambda: np.empty(0))
    sampled: Scores = field(default_factory=lambda: Scores.of(np.empty((0, 0))))

    @property
    def area_se(self) -> Floats:
        """Standard error of the areas (the same as ``se``)."""
        return self.se

    @property
    def variance(self) -> Floats:
        """Variance of the areas."""
        return np.diag(self.covariance)

    @property
    def table(self) -> pd.DataFrame:
        """One row a class: area, proportion, accuracies, each with its standard error."""
        columns = {
            "area": self.area,
            "se": self.se,
            "proportion": self.proportion,
            "proportion_se": self.proportion_se,
            "users_accuracy": self.users_accuracy,
            "users_accuracy_se": self.users_accuracy_se,
            "producers_accuracy": self.producers_accuracy,
            "producers_accuracy_se": self.producers_accuracy_se,
        }
        return pd.DataFrame(columns, index=pd.Index(self.classes, name="class", tupleize_cols=False))

    def interval(self, level: float = 0.95, *, t: bool = False) -> Interval:
        """Low and high bound of each area, by the normal quantile as in the literature, or by t for small samples."""
        z = np.array([quantile(level, df) for df in self.df]) if t else quantile(level)
        return Interval(self.area - z * self.se, self.area + z * self.se)  # type: ignore[arg-type]

    def combined(self, classes: Sequence[Hashable]) -> Estimate:
        """Area of several classes together, e.g. of all that count as forest.

        Raises
        ------
        InputError
            If one of them is not among the classes.
        """
        unknown = [str(label) for label in classes if label not in self.classes]
        if unknown:
            raise InputError(
                "estimate.unknown_classes", classes=", ".join(unknown), known=", ".join(map(str, self.classes))
            )
        chosen = np.array([label in set(classes) for label in self.classes], dtype=np.float64)
        added = np.einsum("hij,i,j->h", self.parts, chosen, chosen)
        variance = max(float(added.sum()), 0.0)
        return Estimate(
            estimate=float(chosen @ self.area),
            variance=variance,
            n=self.n,
            method=self.method,
            df=satterthwaite(added, self.sampled.freedom(chosen, self.spare)),
            notes=self.notes,
        )

    def method_label(self, language: str | None = None) -> str:
        """Name of the estimator for readers."""
        return text(f"estimate.method_{self.method}", language)

    def __repr__(self) -> str:
        head = (
            f"AreaEstimate(n={self.n}, method={self.method!r}, overall_accuracy={self.overall_accuracy:.4f} "
            f"(se {self.overall_accuracy_se:.4f}))"
        )
        notes = "".join(f"\nnote={note.key!r}" for note in self.notes)
        return f"{head}\n{self.table.to_string(float_format=lambda value: f'{value:.5g}')}{notes}"


def accuracy(
    units: Units,
    mapped: Codes,
    truth: Codes,
    classes: tuple[Any, ...],
    size: Floats,
    *,
    scheme: Scheme,
    fraction: Floats,
    method: str,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
) -> AreaEstimate:
    """Estimate everything in `AreaEstimate` from coded units.

    Parameters
    ----------
    units : Units
    mapped, truth : array of int, shape (n,)
        Positions of each unit's map and reference class in ``classes``.
    classes : tuple
    size : array, shape (H,)
        Area of each stratum.
    scheme, fraction
        As in `sinkest.estimate.strata.combine`.
    method : str
    coordinates, design
        For local variances on systematic grids.
    """
    whole = float(size.sum())
    if not whole > 0:
        raise InputError("estimate.weights_do_not_sum", name="stratum_area", total=whole)
    if design == "systematic" and coordinates is None:
        raise InputError("estimate.coordinates_missing")
    if design not in ("random", "systematic"):
        raise InputError("estimate.option", name="design", value=str(design), options="random, systematic")
    plan = _Plan(units, size / whole, scheme, fraction, coordinates if design == "systematic" else None)
    k = len(classes)
    is_map, is_truth = mapped[:, None] == np.arange(k), truth[:, None] == np.arange(k)
    proportion, parts, spare, sampled, notes = plan.covariances(is_truth.astype(np.float64))
    hit = (is_map & is_truth).astype(np.float64)
    shares = plan.means(np.column_stack([is_map, hit]).astype(np.float64))
    share_map, share_hit = shares[:k], shares[k:]
    with np.errstate(divide="ignore", invalid="ignore"):
        users, producers = share_hit / share_map, share_hit / proportion
        users_error = np.sqrt(plan.variances((hit - users * is_map) / share_map))
        producers_error = np.sqrt(plan.variances((hit - producers * is_truth) / proportion))
    right = hit.sum(axis=1, keepdims=True)
    cells = (is_map[:, :, None] & is_truth[:, None, :]).reshape(len(mapped), k * k).astype(np.float64)
    covariance = parts.sum(axis=0) * whole**2
    spread = np.diag(covariance).clip(min=0.0)
    return AreaEstimate(
        classes=classes,
        area=proportion * whole,
        se=np.sqrt(spread),
        proportion=proportion,
        proportion_se=np.sqrt(spread) / whole,
        total_area=whole,
        overall_accuracy=float(plan.means(right)[0]),
        overall_accuracy_se=float(np.sqrt(plan.variances(right)[0])),
        users_accuracy=users,
        users_accuracy_se=users_error,
        producers_accuracy=producers,
        producers_accuracy_se=producers_error,
        confusion=plan.means(cells).reshape(k, k),
        confusion_se=np.sqrt(plan.variances(cells)).reshape(k, k),
        covariance=covariance,
        df=np.array([satterthwaite(parts[:, j, j], sampled.freedom(np.eye(k)[j], spare)) for j in range(k)]),
        n=units.total,
        method=method,
        notes=notes + _one_sided(classes, share_map, proportion),
        parts=parts * whole**2,
        spare=spare,
        sampled=sampled,
    )


@dataclass(frozen=True)
class _Plan:
    """The sample, the shares of its strata, and where variances come from."""

    units: Units
    weight: Floats
    scheme: Scheme
    fraction: Floats
    coordinates: ArrayLike | None

    def means(self, values: Floats) -> Floats:
        return self.weight @ self.units.means(values)

    def covariances(self, values: Floats) -> tuple[Floats, Floats, Floats, Scores, tuple[Message, ...]]:
        """Means, what each stratum adds to their covariance, degrees of freedom of each part, scores and notes."""
        if self.coordinates is not None:
            scores = self._scores(values)
            around = self.around
            away = around.differences(scores)
            spare = float(max(self.units.total - len(self.units.labels), 1))
            return (
                self.means(values),
                (1.0 - self.fraction.min()) * (away.T @ away)[None],
                np.array([min(spare, around.freedom())]),
                Scores.of(scores),
                (),
            )
        if self.units.crossed():
            mean, variance, summed = combine_crossed(self.units, values, self.weight, float(self.fraction.min()))
            return (
                mean,
                variance[None],
                np.array([self.units.total - 1.0]),
                summed,
                (Message.of("estimate.note_clusters_cross_strata"),),
            )
        found = moments(self.units, values)
        mean, parts = combine(found, self.weight, self.scheme, self.fraction)
        pooled = max(float((found.n - 1.0).sum()), 1.0)
        return mean, parts, np.where(found.n > 1, found.n - 1.0, pooled), found.scores, found.notes

    def variances(self, values: Floats) -> Floats:
        """Variances of the means of the columns; NaN for columns that are not defined."""
        known = np.isfinite(values).all(axis=0)
        out = np.full(values.shape[1], np.nan)
        table = values[:, known]
        if self.coordinates is not None:
            out[known] = (1.0 - self.fraction.min()) * (self.around.differences(self._scores(table)) ** 2).sum(axis=0)
        elif self.units.crossed():
            out[known] = np.diagonal(self.covariances(table)[1].sum(axis=0))
        else:
            found = moments(self.units, table, diagonal=True)
            out[known] = combine(found, self.weight, self.scheme, self.fraction)[1].sum(axis=0)
        return out.clip(min=0.0)

    @cached_property
    def around(self) -> Neighbourhoods:
        """Neighbours of each unit."""
        places = np.empty((0, 2)) if self.coordinates is None else self.coordinates
        return Neighbourhoods.of(places, len(self.units.count))

    def _scores(self, values: Floats) -> Floats:
        influence = self.units.influence(values, self.units.means(values))
        return self.weight[self.units.stratum][:, None] * influence


def _one_sided(classes: tuple[Any, ...], share_map: Floats, proportion: Floats) -> tuple[Message, ...]:
    unmapped = [str(label) for label, m, r in zip(classes, share_map, proportion, strict=True) if m == 0 and r > 0]
    absent = [str(label) for label, m, r in zip(classes, share_map, proportion, strict=True) if r == 0 and m > 0]
    notes = []
    if unmapped:
        notes.append(Message.of("estimate.note_never_mapped", classes=", ".join(unmapped)))
    if absent:
        notes.append(Message.of("estimate.note_never_found", classes=", ".join(absent)))
    return tuple(notes)
