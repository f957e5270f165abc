"""From sampled units to means or totals of a population made of estimation units and strata.

One engine serves stratified means, post-stratified means and ratios: it works on several variables at once and keeps
the covariance by stratum, so that ratios, degrees of freedom and local variances can be had from the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats, at_least, labels, mapping, vector
from sinkest.estimate.freedom import Scores, joined, satterthwaite
from sinkest.estimate.strata import Scheme, Units, combine, combine_crossed, moments, ordered, require_sample, shares
from sinkest.messages import Message

Sizes = Mapping[Any, float] | pd.Series
WHOLE = "all"


@dataclass(frozen=True, kw_only=True)
class Design:
    """How a sample was drawn, as the estimators' keyword arguments say it; `None` stands for the simplest case.

    Attributes
    ----------
    stratum : array, shape (n,), optional
    stratum_weight : mapping, optional
        Share of its estimation unit, by stratum or by (unit, stratum).
    stratum_size : mapping, optional
        Number of population units, by the same keys: finite population correction, and the weights where those are
        not given.
    unit : array, shape (n,), optional
        Estimation unit of each sampled unit; estimates add over them.
    unit_area : mapping or float, optional
        Area (or number of units) that turns the mean of an estimation unit into its total.
    n_by_stratum : mapping, optional
        Sampled units by stratum where those with zero are not listed.
    probability : array, shape (n,), optional
        Inclusion probabilities within strata.
    cluster : array, shape (n,), optional
    observed : array, shape (n,), optional
        Observed share of each sampled unit; values refer to the observed part as if it were the whole unit's sum.
    scheme : {"stratified", "post_stratified"}
    """

    stratum: ArrayLike | None = None
    stratum_weight: Sizes | None = None
    stratum_size: Sizes | None = None
    unit: ArrayLike | None = None
    unit_area: Sizes | float | None = None
    n_by_stratum: Sizes | None = None
    probability: ArrayLike | None = None
    cluster: ArrayLike | None = None
    observed: ArrayLike | None = None
    scheme: Scheme = "stratified"


@dataclass(frozen=True)
class Means:
    """Estimates of k variables over the population.

    Attributes
    ----------
    estimate : array, shape (k,)
        Means, or totals where areas are known.
    parts : array, shape (H, k, k)
        What each stratum adds to the covariance.
    spare : array, shape (H,)
        Degrees of freedom of each part.
    n : int
        Sampling units.
    sampled : Scores
        What each sampling unit adds to the error of its stratum's mean, for the weight of heavy tails.
    scores : array, shape (n, k)
        What each sampled unit adds to the error of the whole.
    by_unit : DataFrame
        Per estimation unit, for the first variable.
    notes : tuple of Message
    """

    estimate: Floats
    parts: Floats
    spare: Floats
    n: int
    sampled: Scores
    scores: Floats
    by_unit: pd.DataFrame
    notes: tuple[Message, ...]

    def variance(self, contrast: ArrayLike) -> tuple[float, float]:
        """Variance of a linear combination of the estimates, and its degrees of freedom.

        Degrees of freedom by Satterthwaite's rule (Cochran 1977, eq. 5.16), those of a stratum by the tails of its
        values (`sinkest.estimate.freedom`).
        """
        c = np.asarray(contrast, dtype=np.float64)
        parts = np.einsum("hij,i,j->h", self.parts, c, c)
        total = float(parts.sum())
        return max(total, 0.0), satterthwaite(parts, self.sampled.freedom(c, self.spare))


@dataclass
class _Part:
    """One estimation unit: its rows, strata, weights, plots not listed, and area."""

    name: Any
    rows: NDArray[np.intp]
    weight: dict[Any, float]
    area: float
    size: dict[Any, float] | None = None
    full: dict[Any, float] | None = None
    notes: list[Message] = field(default_factory=list)


def population_means(values: Floats, design: Design) -> Means:
    """Estimate the means (or totals) of the columns of ``values``.

    Raises
    ------
    InputError
        If strata, weights, areas and sample do not fit each other.
    """
    n = len(values)
    stratum = np.full(n, WHOLE, dtype=object) if design.stratum is None else labels("stratum", design.stratum, n)
    probability = None if design.probability is None else inclusion_probabilities(design.probability, n)
    observed = None if design.observed is None else observed_shares(design.observed, n)
    cluster = None if design.cluster is None else labels("cluster", design.cluster, n)
    if cluster is not None and design.n_by_stratum is not None:
        raise InputError("estimate.clusters_with_unlisted")
    estimate, parts, spare, sampled = np.zeros(values.shape[1]), [], [], []
    scores, names, rows, notes = np.zeros_like(values), [], [], []
    count = 0
    for part in _parts(design, stratum, n):
        units, padded = _units(part, values, stratum, probability, observed, cluster)
        mean, added, free, found, note = _one(part, units, padded, design.scheme)
        sampled.append(found)
        estimate += part.area * mean
        parts.append(part.area**2 * added)
        spare.append(free)
        notes += [*part.notes, *note]
        weight = np.array([part.weight[label] for label in units.labels])
        influence = weight[units.stratum][:, None] * units.influence(padded, units.means(padded))
        scores[part.rows] = part.area * influence[: len(part.rows)]
        count += units.total
        variance = float(parts[-1][:, 0, 0].sum())
        names.append(part.name)
        rows.append((part.area * mean[0], np.sqrt(variance), variance, mean[0], part.area, units.total))
    index = pd.Index(names, name="unit", tupleize_cols=False)
    by_unit = pd.DataFrame(rows, columns=["estimate", "se", "variance", "mean", "area", "n"], index=index)
    return Means(
        estimate,
        np.concatenate(parts),
        np.concatenate(spare),
        count,
        joined(sampled, [len(free) for free in spare]),
        scores,
        by_unit,
        tuple(dict.fromkeys(notes)),
    )


def _one(
    part: _Part, units: Units, values: Floats, scheme: Scheme
) -> tuple[Floats, Floats, Floats, Scores, tuple[Message, ...]]:
    """Mean, covariance by stratum, degrees of freedom and scores of one estimation unit."""
    weight = np.array([part.weight[label] for label in units.labels])
    fraction = _fraction(part, units, scheme)
    if units.crossed():
        mean, variance, scores = combine_crossed(units, values, weight, float(np.min(fraction)))
        note = Message.of("estimate.note_clusters_cross_strata")
        return mean, variance[None], np.array([units.total - 1.0]), scores, (note,)
    found = moments(units, values)
    mean, added = combine(found, weight, scheme, fraction)
    pooled = max(float((found.n - 1.0).sum()), 1.0)
    return mean, added, np.where(found.n > 1, found.n - 1.0, pooled), found.scores, found.notes


def _fraction(part: _Part, units: Units, scheme: Scheme) -> Floats:
    sampled = units.sums(units.count)
    if part.size is None:
        return np.zeros(len(sampled))
    size = np.array([part.size[label] for label in units.labels])
    beyond = np.flatnonzero(sampled > size)
    if len(beyond):
        label = units.labels[int(beyond[0])]
        raise InputError(
            "estimate.sample_exceeds_size", stratum=str(label), n=float(sampled[beyond[0]]), size=float(size[beyond[0]])
        )
    return sampled / size if scheme == "stratified" else np.full(len(size), sampled.sum() / size.sum())


def _units(
    part: _Part,
    values: Floats,
    stratum: NDArray[Any],
    probability: Floats | None,
    observed: Floats | None,
    cluster: NDArray[Any] | None,
) -> tuple[Units, Floats]:
    """Code the rows of an estimation unit and add one row of zeros for the plots of a stratum that are not listed."""
    strata = stratum[part.rows]
    counts = np.ones(len(strata))
    table = values[part.rows]
    weight = None if probability is None else 1.0 / probability[part.rows]
    seen = None if observed is None else observed[part.rows]
    if part.full is not None:
        listed = pd.Series(strata, dtype=object).value_counts()
        unknown = [str(label) for label in listed.index if label not in part.full]
        if unknown:
            raise InputError("estimate.unknown_strata", name="n_by_stratum", strata=", ".join(unknown))
        missing = {label: number - int(listed.get(label, 0)) for label, number in part.full.items()}
        short = [str(label) for label, number in missing.items() if number < 0]
        if short:
            raise InputError("estimate.more_listed_than_sampled", strata=", ".join(short))
        extra = [label for label, number in missing.items() if number > 0]
        strata = np.array([*strata.tolist(), *extra, None], dtype=object)[:-1]  # None keeps tuples from becoming axes
        counts = np.concatenate([counts, [float(missing[label]) for label in extra]])
        table = np.vstack([table, np.zeros((len(extra), values.shape[1]))])
        weight = None if weight is None else np.concatenate([weight, np.ones(len(extra))])
        seen = None if seen is None else np.concatenate([seen, np.ones(len(extra))])
    present = ordered(strata)
    require_sample(present, part.weight, "stratum_weight")
    groups = None if cluster is None else cluster[part.rows]
    return Units.of(strata, present, weight=weight, count=counts, observed=seen, cluster=groups), table


def _parts(design: Design, stratum: NDArray[Any], n: int) -> list[_Part]:
    weight = None if design.stratum_weight is None else mapping("stratum_weight", design.stratum_weight)
    size = None if design.stratum_size is None else mapping("stratum_size", design.stratum_size)
    full = None if design.n_by_stratum is None else mapping("n_by_stratum", design.n_by_stratum)
    if weight is None and size is None:
        if design.stratum is not None:
            raise InputError("estimate.weights_missing")
        weight = {WHOLE: 1.0}
    if full is not None and any(value < 0 or value != round(value) for value in full.values()):
        raise InputError("estimate.counts_not_whole", name="n_by_stratum")
    if design.unit is None:
        return [_whole(design, weight, size, full, n)]
    unit = labels("unit", design.unit, n)
    names = _unit_names(unit, weight or size or {}, full)
    areas = _areas(design.unit_area, names)
    found = []
    for name in names:
        rows = np.flatnonzero(unit == name)
        strata = ordered(stratum[rows])
        given = {
            key: _of_unit(table, name, strata) for key, table in (("w", weight), ("N", size), ("n", full)) if table
        }
        share, notes = _shares(given.get("w"), given.get("N"), str(name))
        found.append(_Part(name, rows, share, areas[name], given.get("N"), given.get("n"), list(notes)))
    return found


def _whole(
    design: Design,
    weight: dict[Any, float] | None,
    size: dict[Any, float] | None,
    full: dict[Any, float] | None,
    n: int,
) -> _Part:
    if isinstance(design.unit_area, (Mapping, pd.Series)):
        areas = mapping("unit_area", design.unit_area)
        if len(areas) != 1:
            raise InputError("estimate.unit_missing", count=len(areas))
        area = next(iter(areas.values()))
    else:
        area = 1.0 if design.unit_area is None else float(design.unit_area)
    share, notes = _shares(weight, size, WHOLE)
    return _Part(WHOLE, np.arange(n), share, area, size, full, list(notes))


def _shares(
    weight: dict[Any, float] | None, size: dict[Any, float] | None, unit: str
) -> tuple[dict[Any, float], tuple[Message, ...]]:
    name = "stratum_weight" if unit == WHOLE else f"stratum_weight ({unit})"
    if weight is not None:
        return shares(name, weight)
    total = sum((size or {}).values())
    if not total > 0:
        raise InputError("estimate.weights_do_not_sum", name=name, total=total)
    return shares(name, {key: value / total for key, value in (size or {}).items()})


def _unit_names(unit: NDArray[Any], weight: dict[Any, float], full: dict[Any, float] | None) -> tuple[Any, ...]:
    """Estimation units of the sample, and those whose plots all had zero and are known from the counts only."""
    names = list(ordered(unit))
    known = set(names)
    for key in weight if full is not None else ():
        if isinstance(key, tuple) and len(key) == 2 and key[0] not in known and key in (full or {}):
            known.add(key[0])
            names.append(key[0])
    return ordered(np.array([*names, None], dtype=object)[:-1])


def _of_unit(table: dict[Any, float], unit: Any, strata: tuple[Any, ...]) -> dict[Any, float]:
    """Entries of an estimation unit: by (unit, stratum), by strata of its own, or the same for every unit."""
    pairs = {
        key[1]: value for key, value in table.items() if isinstance(key, tuple) and len(key) == 2 and key[0] == unit
    }
    if pairs:
        return pairs
    own = {key: value for key, value in table.items() if key in strata}
    # strata named once for all units: a unit that missed one of them must not pass as complete
    return dict(table) if abs(sum(table.values()) - 1.0) <= 1e-6 else own


def _areas(given: Sizes | float | None, names: tuple[Any, ...]) -> dict[Any, float]:
    if given is None:
        if len(names) > 1:
            raise InputError("estimate.unit_area_missing", units=", ".join(str(name) for name in names))
        return dict.fromkeys(names, 1.0)
    if not isinstance(given, (Mapping, pd.Series)):
        if len(names) > 1:
            raise InputError("estimate.unit_area_missing", units=", ".join(str(name) for name in names))
        return dict.fromkeys(names, float(given))
    areas = mapping("unit_area", given)
    absent = [str(name) for name in names if name not in areas]
    if absent:
        raise InputError("estimate.unit_area_missing", units=", ".join(absent))
    idle = [str(name) for name, area in areas.items() if area > 0 and name not in names]
    if idle:
        raise InputError("estimate.units_without_sample", units=", ".join(idle))
    return areas


def inclusion_probabilities(values: ArrayLike, n: int) -> Floats:
    """Check inclusion probabilities.

    Raises
    ------
    InputError
        If one is not in the range above 0 up to 1.
    """
    probability = at_least("probability", vector("probability", values, n), 0.0, strict=True)
    if (probability > 1.0).any():
        row = int(np.flatnonzero(probability > 1.0)[0])
        raise InputError("estimate.probability_above_one", value=float(probability[row]), row=row)
    return probability


def observed_shares(values: ArrayLike, n: int) -> Floats:
    """Check the observed shares of sampled units.

    Raises
    ------
    InputError
        If one lies outside 0 to 1.
    """
    observed = at_least("observed", vector("observed", values, n))
    if (observed > 1.0 + 1e-9).any():
        row = int(np.flatnonzero(observed > 1.0 + 1e-9)[0])
        raise InputError("estimate.observed_above_one", value=float(observed[row]), row=row)
    return observed
