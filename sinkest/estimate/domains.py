"""The yearly county tables: totals from plots and a map, areas from a reference sample and a map.

Both give the whole (the city) its own design-based estimate and the counties model-assisted ones that add up to it.
Counties with too few plots are marked, and carry a synthetic estimate whose error includes how much the map's error
differs from county to county.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate.additive import Pieces, add_up, between_domains
from sinkest.estimate.areadomains import size_table
from sinkest.estimate.assisted import difference, greg
from sinkest.estimate.checks import Floats, labels, mapping, matrix, require_rows, vector
from sinkest.estimate.population import Design, Sizes, population_means
from sinkest.estimate.regression import Auxiliaries, auxiliaries, known_means, unnamed
from sinkest.estimate.result import Estimate
from sinkest.estimate.strata import Scheme, Units, moments, ordered
from sinkest.estimate.systematic import NEIGHBOURS, Pattern, by_pattern, local_variance
from sinkest.messages import Message

MINIMUM = 10


class CountyTable(NamedTuple):
    """County estimates and the estimate of the whole they add up to.

    Attributes
    ----------
    table : DataFrame
        Indexed by county, in sorted order: ``estimate``, ``se``, ``variance``, ``low``, ``high`` of the adjusted
        total; ``mean`` and ``mean_se`` per unit of area; ``area``, ``n``; ``status`` (``"ok"`` or
        ``"insufficient"``), ``method``; ``unadjusted``, ``unadjusted_se`` and ``adjustment``; ``note`` (a key of the
        message catalogue or "").
    city : Estimate
        Total of the whole.
    """

    table: pd.DataFrame
    city: Estimate


def county_totals(
    y: ArrayLike,
    x: ArrayLike | pd.DataFrame,
    county: ArrayLike,
    county_x_mean: pd.DataFrame | Sizes,
    county_area: Sizes,
    *,
    method: Literal["greg", "difference"] = "greg",
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
    minimum: int = MINIMUM,
    composite: bool = False,
    level: float = 0.95,
) -> CountyTable:
    """City and county totals of a quantity that plots measure and a map predicts everywhere.

    The city's total is a regression (or difference) estimate. A county's is the modified regression estimate: the
    city-wide model on the county's map mean, plus the mean residual of the county's own plots (Särndal, Swensson &
    Wretman 1992, 10.8; Rao & Molina 2015, 2.4), adjusted to the city in proportion to the variances.

    Parameters
    ----------
    y : array, shape (n,)
        Measured quantity per unit of area (e.g. m3/ha).
    x : array, shape (n,), or DataFrame
        Map prediction at the plots, from folds that left the plot out.
    county : array, shape (n,)
        County of each plot.
    county_x_mean : mapping by county, or DataFrame (counties x columns of x)
        Mean of the map over all pixels of the county.
    county_area : mapping by county
        Area (ha where y is per ha). Counties without plots are estimated synthetically.
    method : {"greg", "difference"}
        Whether the map is rescaled to the plots by regression, or taken at its word and corrected by its mean error.
    coordinates : array, shape (n, 2), optional
        Positions (projected, metres), for ``design="systematic"``.
    design : {"random", "systematic"}
        How the plots were laid out.
    minimum : int
        Plots a county needs for a correction of its own.
    composite : bool
        Whether counties lean on their own plots by what these are worth instead (`additive.add_up`), for parts that
        few plots of a county hold.
    level : float
        Confidence level of the table's intervals.

    Returns
    -------
    CountyTable

    Raises
    ------
    InputError
        If a plot's county has no area or map mean, or values are missing.
    """
    response = vector("y", y)
    n = len(response)
    require_rows("y", n, 3)
    table = auxiliaries("x", x, n)
    where = labels("county", county, n)
    areas = _areas(county_area, where)
    names = ordered(_objects(list(areas)))
    area = np.array([areas[name] for name in names])
    means = _county_means(county_x_mean, table, names)
    share = area / area.sum()
    if method == "greg":
        city: Estimate = greg(
            response, table.design[:, 1:], share @ means[:, 1:], coordinates=coordinates, design=design
        )
        beta = _coefficients(city, table)
    elif method == "difference":
        _require_one(table)
        known = float(share @ means[:, 1])
        city = difference(response, table.design[:, 1], known, coordinates=coordinates, design=design)
        beta = np.array([0.0, 1.0])
    else:
        raise InputError("estimate.option", name="method", value=str(method), options="greg, difference")
    residual = response - table.design @ beta
    code = np.array([names.index(label) for label in where.tolist()])
    pieces, notes = _plot_pieces(
        names, area, means, table.design, beta, residual, code, minimum, coordinates, design, method
    )
    total = city.scaled(float(area.sum()))
    whole = Estimate(
        estimate=total.estimate,
        variance=total.variance,
        n=n,
        method=f"county_totals_{method}",
        df=city.df,
        notes=city.notes + notes,
    )
    return CountyTable(add_up(pieces, whole, minimum, level, composite=composite), whole)


def county_areas(
    is_class: ArrayLike,
    stratum: ArrayLike,
    county: ArrayLike,
    county_stratum_area: pd.DataFrame | Sizes,
    *,
    scheme: Scheme = "stratified",
    coordinates: ArrayLike | None = None,
    design: Pattern = "random",
    minimum: int = MINIMUM,
    composite: bool = False,
    level: float = 0.95,
) -> CountyTable:
    """City and county areas of a class from a reference sample whose strata come from a map.

    The city's area is the stratified estimate. A county's takes the city-wide share of the class in each stratum to
    the county's own stratum areas, plus the weighted mean residual of the county's own points, adjusted to the city in
    proportion to the variances.

    Parameters
    ----------
    is_class : array of bool, shape (n,)
        Whether the reference says that the point is in the class (e.g. forest).
    stratum, county : array, shape (n,)
        Stratum and county of each point.
    county_stratum_area : DataFrame (counties x strata) or mapping by (county, stratum)
        Area of each stratum in each county.
    scheme : {"stratified", "post_stratified"}
        Whether fixed numbers of points were drawn from the strata, or the strata laid over a sample drawn without
        them.
    coordinates, design, minimum, composite, level
        As in `county_totals`.

    Returns
    -------
    CountyTable
        Areas in the unit of ``county_stratum_area``; ``mean`` is the share of the county.

    Raises
    ------
    InputError
        If a point's county or stratum has no area, a stratum has area but no point, or labels are missing.
    """
    hit = vector("is_class", is_class)
    if not np.isin(hit, (0.0, 1.0)).all():
        raise InputError("estimate.not_flags", name="is_class", value=float(hit[~np.isin(hit, (0.0, 1.0))][0]))
    n = len(hit)
    require_rows("is_class", n, 3)
    strata, where = labels("stratum", stratum, n), labels("county", county, n)
    sizes = size_table("county_stratum_area", county_stratum_area, where, strata)
    names, kinds = ordered(_objects(sizes.index.tolist())), ordered(strata)
    size = sizes.loc[list(names), list(kinds)].to_numpy(dtype=np.float64)
    area = size.sum(axis=1)
    by_stratum = size.sum(axis=0)
    weight = dict(zip(kinds, by_stratum / area.sum(), strict=True))
    plan = Design(stratum=strata, stratum_weight=weight, scheme=scheme)
    found = population_means(hit[:, None], plan)
    random, df = found.variance([1.0])
    chosen = by_pattern(random, df, found.scores[:, 0], coordinates, design)
    whole = Estimate(
        estimate=float(found.estimate[0] * area.sum()),
        variance=chosen.variance * float(area.sum()) ** 2,
        n=n,
        method="county_areas",
        df=chosen.df,
        notes=found.notes,
    )
    code = np.array([names.index(label) for label in where.tolist()])
    units = Units.of(strata, kinds)
    pieces = _point_pieces(names, area, size, units, hit, code, minimum)
    return CountyTable(add_up(pieces, whole, minimum, level, composite=composite), whole)


def _plot_pieces(
    names: tuple[Any, ...],
    area: Floats,
    means: Floats,
    sample: Floats,
    beta: Floats,
    residual: Floats,
    code: NDArray[np.intp],
    minimum: int,
    coordinates: ArrayLike | None,
    design: Pattern,
    method: str,
) -> tuple[Pieces, tuple[Message, ...]]:
    size = len(names)
    n = np.bincount(code, minlength=size).astype(np.float64)
    mean = np.bincount(code, residual, minlength=size) / np.maximum(n, 1.0)
    away = residual - mean[code]
    squares = np.bincount(code, away**2, minlength=size)
    pooled = float(squares.sum() / max(float((n - 1.0).clip(min=0.0).sum()), 1.0))
    own = squares / np.maximum(n - 1.0, 1.0)
    flat = (n >= minimum) & (own == 0) & (pooled > 0)
    unit = np.where((n >= minimum) & ~flat, own, pooled)
    variance = unit / np.maximum(n, 1.0)
    if design == "systematic":
        points = matrix("coordinates", coordinates)  # type: ignore[arg-type]
        for c in np.flatnonzero((n >= max(minimum, NEIGHBOURS + 2)) & ~flat):
            inside = code == c
            variance[c] = local_variance(away[inside] / n[c], points[inside])
    between, df = between_domains(mean, variance, n, float(residual.var(ddof=1)))
    spread = np.zeros((len(beta), len(beta))) if method == "difference" else _sandwich(sample, residual)
    seen = np.zeros_like(means)
    np.add.at(seen, code, sample)
    gap = means - seen / np.maximum(n, 1.0)[:, None]
    notes = tuple(
        Message.of("estimate.note_flat_county", county=str(names[c]), n=int(n[c])) for c in np.flatnonzero(flat)
    )
    pieces = Pieces(
        names,
        area,
        area * (means @ beta),
        mean,
        np.where(n > 0, variance, 0.0),
        np.einsum("ci,ij,cj->c", gap, spread, gap),
        np.einsum("ci,ij,cj->c", means, spread, means),
        n,
        n / n.sum(),
        between,
        df,
    )
    return pieces, notes


def _point_pieces(
    names: tuple[Any, ...],
    area: Floats,
    size: Floats,
    units: Units,
    hit: Floats,
    code: NDArray[np.intp],
    minimum: int,
) -> Pieces:
    count = len(names)
    found = moments(units, hit[:, None], diagonal=True)
    share, share_variance = found.mean[:, 0], found.variance[:, 0]
    unit_variance = share_variance * found.n
    per_point = size.sum(axis=0)[units.stratum] / found.n[units.stratum]
    residual = hit - share[units.stratum]
    n = np.bincount(code, minlength=count).astype(np.float64)
    weight = np.bincount(code, per_point, minlength=count)
    safe = np.where(weight > 0, weight, 1.0)
    mean = np.bincount(code, per_point * residual, minlength=count) / safe
    # few points of a stratum lie in a county: how much they spread is taken from the stratum as a whole
    variance = np.bincount(code, per_point**2 * unit_variance[units.stratum], minlength=count) / safe**2
    between, df = between_domains(mean, variance, n, float(residual.var(ddof=1)))
    mix = size / area[:, None]
    seen = np.zeros_like(mix)
    np.add.at(seen, (code, units.stratum), per_point)
    gap = mix - seen / safe[:, None]
    return Pieces(
        names,
        area,
        size @ share,
        mean,
        variance,
        gap**2 @ share_variance,
        mix**2 @ share_variance,
        n,
        weight / area.sum(),
        between,
        df,
    )


def _sandwich(sample: Floats, residual: Floats) -> Floats:
    """Design-based covariance of the coefficients."""
    inverse = np.linalg.pinv(sample.T @ sample)
    scored = sample * residual[:, None]
    return inverse @ (scored.T @ scored) @ inverse


def _coefficients(city: Estimate, table: Auxiliaries) -> Floats:
    found = city.coefficients  # type: ignore[attr-defined]
    names = ["Intercept", *unnamed(len(table.names))]
    return np.array([float(found.get(name, 0.0)) for name in names])


def _areas(given: Sizes, where: NDArray[Any]) -> dict[Any, float]:
    areas = mapping("county_area", given)
    absent = [str(name) for name in ordered(where) if name not in areas]
    if absent:
        raise InputError("estimate.unknown_labels", name="county_area", labels=", ".join(absent))
    for name, value in areas.items():
        if not value > 0:
            raise InputError("estimate.area_not_positive", name=str(name), value=value)
    return areas


def _county_means(given: pd.DataFrame | Sizes, table: Auxiliaries, names: tuple[Any, ...]) -> Floats:
    """Map means with the intercept's 1 in front, one row a county."""
    if not isinstance(given, pd.DataFrame):
        _require_one(table)
        single = mapping("county_x_mean", given)
        absent = [str(name) for name in names if name not in single]
        if absent:
            raise InputError("estimate.county_means_missing", counties=", ".join(absent))
        return np.array([[1.0, single[name]] for name in names])
    absent = [str(name) for name in names if name not in given.index]
    if absent:
        raise InputError("estimate.county_means_missing", counties=", ".join(absent))
    return np.array([known_means(f"county_x_mean ({name})", given.loc[name], table.names) for name in names])


def _require_one(table: Auxiliaries) -> None:
    if len(table.names) != 1:
        raise InputError("estimate.one_auxiliary", given=len(table.names))


def _objects(values: list[Any]) -> NDArray[Any]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
