"""Class areas by regression of what was observed on what the map says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate.assisted import GregEstimate, greg
from sinkest.estimate.checks import Floats, labels, mapping, require_rows, vector
from sinkest.estimate.population import Sizes
from sinkest.estimate.result import Estimate
from sinkest.estimate.strata import ordered, require_sample
from sinkest.estimate.systematic import Pattern
from sinkest.estimate.twophase import TwoPhaseEstimate, two_phase
from sinkest.messages import Message


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class RegressionAreaEstimate(Estimate):
    """Area of a class by regression on the map.

    Attributes
    ----------
    proportion, proportion_se : float
        The same as a share of the whole.
    map_area : float
        What the map alone says.
    total_area : float
    slope : Series
        By stratum (or ``"all"``): how much the truth moves with the map.
    """

    proportion: float
    proportion_se: float
    map_area: float
    total_area: float
    slope: pd.Series


def regression_area(
    y: ArrayLike,
    x: ArrayLike,
    x_mean: float | Sizes,
    area: float | Sizes,
    *,
    stratum: ArrayLike | None = None,
    combined: bool = False,
    population_size: float | Sizes | None = None,
    cluster: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
) -> RegressionAreaEstimate:
    """Area of a class from sampled units with the map's share of the class as auxiliary.

    Parameters
    ----------
    y : array, shape (n,)
        Share of the class found on each sampled unit, 0 to 1.
    x : array, shape (n,)
        Share of the class that the map shows there.
    x_mean : float, or mapping by stratum
        Share of the class that the map shows over the whole.
    area : float, or mapping by stratum
        Area of the whole.
    stratum : array, shape (n,), optional
        Stratum of each unit; ``x_mean`` and ``area`` are then mappings.
    combined : bool
        One slope for all strata (Cochran 1977, 7.10) instead of one each (7.9); for strata with few units.
    population_size : float, or mapping by stratum, optional
        Number of population units: finite population correction.
    cluster : array, shape (n,), optional
        Cluster of each unit (without strata): the variance is then the g-weight one of clusters.
    coordinates, design
        As in `sinkest.estimate.assisted.greg` (without strata).

    Returns
    -------
    RegressionAreaEstimate
        Its interval is by t.

    Raises
    ------
    InputError
        If values are missing, strata do not fit, or a stratum has too few units for a slope of its own.
    """
    response = vector("y", y)
    shown = vector("x", x, len(response))
    if stratum is None:
        return _simple(response, shown, x_mean, area, population_size, cluster, coordinates, design)
    if cluster is not None or coordinates is not None:
        raise InputError("estimate.regression_area_strata")
    strata = labels("stratum", stratum, len(response))
    known = _by_stratum("x_mean", x_mean)
    areas = _by_stratum("area", area)
    sizes = None if population_size is None else _by_stratum("population_size", population_size)
    present = ordered(strata)
    for name, table in (("x_mean", known), ("area", areas), *((("population_size", sizes),) if sizes else ())):
        absent = [str(label) for label in present if label not in table]
        if absent:
            raise InputError("estimate.unknown_strata", name=name, strata=", ".join(absent))
    require_sample(present, areas, "area")
    if combined:
        return _combined(response, shown, strata, present, known, areas, sizes)
    return _separate(response, shown, strata, present, known, areas, sizes)


def _simple(
    y: Floats,
    x: Floats,
    x_mean: float | Sizes,
    area: float | Sizes,
    population_size: float | Sizes | None,
    cluster: ArrayLike | None,
    coordinates: ArrayLike | None,
    design: Pattern,
) -> RegressionAreaEstimate:
    mean, whole = _number("x_mean", x_mean), _number("area", area)
    if cluster is not None:
        found: TwoPhaseEstimate | GregEstimate = two_phase(y, x, np.ones(len(y)), true_means=[mean], cluster=cluster)
    else:
        size = None if population_size is None else _number("population_size", population_size)
        found = greg(y, x, [mean], size, coordinates=coordinates, design=design)
    slope = pd.Series([float(found.coefficients.get("x1", 0.0))], index=["all"])
    return _result(found.estimate, found.variance, found.n, found.df, found.notes, whole, mean * whole, slope)


def _separate(
    y: Floats,
    x: Floats,
    strata: NDArray[Any],
    present: tuple[Any, ...],
    known: Mapping[Any, float],
    areas: Mapping[Any, float],
    sizes: Mapping[Any, float] | None,
) -> RegressionAreaEstimate:
    whole = sum(areas.values())
    estimate, parts, spare, slopes = 0.0, [], [], {}
    notes: list[Message] = []
    for label in present:
        inside = strata == label
        require_rows(f"y ({label})", int(inside.sum()), 3)
        size = None if sizes is None else sizes[label]
        found = greg(y[inside], x[inside], [known[label]], size)
        share = areas[label] / whole
        estimate += share * found.estimate
        parts.append(share**2 * found.variance)
        spare.append(found.df or 1.0)
        slopes[label] = float(found.coefficients.get("x1", 0.0))
        notes += found.notes
    variance = float(sum(parts))
    squares = sum(part**2 / free for part, free in zip(parts, spare, strict=True))
    df = variance**2 / squares if squares > 0 else float(sum(spare))
    mapped = sum(known[label] * areas[label] for label in present)
    return _result(estimate, variance, len(y), df, tuple(dict.fromkeys(notes)), whole, mapped, pd.Series(slopes))


def _combined(
    y: Floats,
    x: Floats,
    strata: NDArray[Any],
    present: tuple[Any, ...],
    known: Mapping[Any, float],
    areas: Mapping[Any, float],
    sizes: Mapping[Any, float] | None,
) -> RegressionAreaEstimate:
    whole = sum(areas.values())
    weight = np.array([areas[label] / whole for label in present])
    code = np.array([present.index(label) for label in strata.tolist()])
    n = np.bincount(code, minlength=len(present)).astype(np.float64)
    for label, count in zip(present, n, strict=True):
        require_rows(f"y ({label})", int(count), 2)
    fraction = np.zeros(len(n)) if sizes is None else n / np.array([sizes[label] for label in present])
    if (fraction > 1).any():
        raise InputError(
            "estimate.population_too_small", n=int(n[fraction > 1][0]), size=float((n / fraction)[fraction > 1][0])
        )
    factor = weight**2 * (1.0 - fraction) / (n * (n - 1.0))
    y_mean, x_sample = np.bincount(code, y) / n, np.bincount(code, x) / n
    dy, dx = y - y_mean[code], x - x_sample[code]
    spread = float((factor[code] * dx * dx).sum())
    slope = float((factor[code] * dx * dy).sum()) / spread if spread > 0 else 0.0
    notes = () if spread > 0 else (Message.of("estimate.note_dropped_auxiliaries", names="x"),)
    mapped = float(weight @ np.array([known[label] for label in present]))
    estimate = float(weight @ y_mean + slope * (mapped - weight @ x_sample))
    variance = float((factor[code] * (dy - slope * dx) ** 2).sum())
    df = float(n.sum() - len(n) - 1)
    return _result(estimate, variance, len(y), df, notes, whole, mapped * whole, pd.Series([slope], index=["all"]))


def _result(
    share: float,
    variance: float,
    n: int,
    df: float | None,
    notes: tuple[Message, ...],
    whole: float,
    map_area: float,
    slope: pd.Series,
) -> RegressionAreaEstimate:
    outside = (Message.of("estimate.note_share_outside", value=f"{share:.4g}"),) if not 0 <= share <= 1 else ()
    return RegressionAreaEstimate(
        estimate=share * whole,
        variance=variance * whole**2,
        n=n,
        method="regression_area",
        df=df,
        notes=notes + outside,
        proportion=share,
        proportion_se=float(np.sqrt(variance)),
        map_area=map_area,
        total_area=whole,
        slope=slope,
    )


def _by_stratum(name: str, given: float | Sizes) -> dict[Any, float]:
    if not isinstance(given, (Mapping, pd.Series)):
        raise InputError("estimate.mapping_needed", name=name)
    return mapping(name, given)


def _number(name: str, given: float | Sizes) -> float:
    if isinstance(given, (Mapping, pd.Series)):
        raise InputError("estimate.number_needed", name=name)
    return float(vector(name, [given])[0])
