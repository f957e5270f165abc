"""Every family of estimators, run on one sample of the virtual city.

A case takes a draw and returns an answer for each of its variants: which variance, which quantile. Answers of several
domains (counties) are arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.tree import DecisionTreeRegressor

from sinkest.estimate import area, change, smallarea, total, uncertainty
from sinkest.estimate.domains import MINIMUM, CountyTable, county_areas, county_totals
from sinkest.estimate.result import Estimate, quantile
from tests.benchmarks.virtual_forest import FIRST_PHASE, Draw, Floats, Forest, Rows

SIZES = (30, 300, 1500)
SEVERAL, TRAINED = SIZES[1:], SIZES[:2]
"""Sizes with several plots in most counties; sizes at which a model is quickly trained again and again."""

SECOND_PHASE = 3
"""Units of the second of three phases for each ground plot."""

RESAMPLES = 100
FOLDS = 5
THINNED = 5000
"""Pixels of the small population on which models are trained anew for every sample."""


class Answer(NamedTuple):
    """Estimates of one or several domains; NaN where a domain has none."""

    estimate: Floats
    se: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Case:
    """One estimator under one design.

    Attributes
    ----------
    family, name, design : str
    truth : callable
        Forest to the true value or values.
    answers : callable
        Draw to answers by variant.
    judged : tuple of str
        Variants that must hold 93 to 97 % with 300 units.
    sizes : tuple of int
        Sample sizes that it is tried with.
    """

    family: str
    name: str
    design: str
    truth: Callable[[Forest], ArrayLike]
    answers: Callable[[Draw], Mapping[str, Answer]]
    judged: tuple[str, ...] = ()
    sizes: tuple[int, ...] = SIZES


def of(found: Estimate) -> Answer:
    """The answer that an estimate gives."""
    low, high = found.interval()
    return Answer(*(np.array([value]) for value in (found.estimate, found.se, low, high)))


def about(estimate: ArrayLike, variance: ArrayLike, df: ArrayLike | float | None = None) -> Answer:
    """An answer from an estimate and a variance, by t where degrees of freedom are given."""
    centre, se = np.atleast_1d(np.asarray(estimate, float)), np.sqrt(np.atleast_1d(np.asarray(variance, float)))
    spare = np.broadcast_to(np.inf if df is None else np.asarray(df, float), centre.shape)
    half = np.array([quantile(0.95, one) if one > 0 else np.nan for one in spare]) * se
    return Answer(centre, se, centre - half, centre + half)


def by_county(draw: Draw, table: pd.DataFrame, plots: str | None = None) -> Answer:
    """The answer that a table indexed by county gives; where ``plots`` names the column of their number, of counties
    with enough of them for an estimate of their own."""
    rows = table.reindex(draw.forest.counties)
    if plots is not None:
        rows = rows.where(rows[plots] >= MINIMUM)
    return Answer(*(rows[name].to_numpy(float) for name in ("estimate", "se", "low", "high")))


# -- what is true -----------------------------------------------------------------------------------------------------


def mean_stock(forest: Forest) -> float:
    """Stock, m3/ha of all land."""
    return float(forest.stock.mean())


def mean_change(forest: Forest) -> float:
    """Change over five years, m3/ha of all land."""
    return float((forest.stock - forest.before).mean())


def stock_per_forest(forest: Forest) -> float:
    """Stock, m3/ha of forest."""
    return float(forest.stock.sum() / forest.forest.sum())


def forest_area(forest: Forest) -> float:
    """Pixels of forest."""
    return float(forest.forest.sum())


def county_stock(forest: Forest) -> list[float]:
    """Stock by county, m3/ha of all land."""
    return list(forest.county_means(forest.stock).values())


def county_stock_total(forest: Forest) -> list[float]:
    """Stock by county, times pixels."""
    return np.bincount(forest.county, forest.stock).tolist()


def county_forest(forest: Forest) -> list[float]:
    """Pixels of forest by county."""
    return np.bincount(forest.county, forest.forest).tolist()


# -- areas ------------------------------------------------------------------------------------------------------------


def stratified_area(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.by_map
    truth = np.where(forest.forest[rows], 0, np.where(forest.prior[rows] == 1, 1, 2))
    counts = np.zeros((3, 3))
    np.add.at(counts, (forest.map_class[rows], truth), 1)
    found = area.stratified_area(counts, list(forest.class_size.values()))
    return {
        "normal": about(found.area[0], found.variance[0]),
        "t": about(found.area[0], found.variance[0], found.df[0]),
    }


def area_from_sample(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.stratified
    mapped = forest.map_class[rows] == 0
    found = area.stratified_area_from_sample(forest.prior[rows], mapped, forest.forest[rows], forest.prior_size)
    k = found.classes.index(True)
    return {"normal": about(found.area[k], found.variance[k]), "t": of(found.combined([True]))}


def regression_area(draw: Draw) -> dict[str, Answer]:
    return {"t": of(_regression_area(draw, draw.random))}


def regression_area_grid(draw: Draw) -> dict[str, Answer]:
    return {
        "t": of(_regression_area(draw, draw.grid)),
        "t, local": of(_regression_area(draw, draw.grid, draw.forest.coordinates(draw.grid))),
    }


def _regression_area(draw: Draw, rows: Rows, coordinates: Floats | None = None) -> Estimate:
    forest = draw.forest
    shown = forest.map_forest.astype(float)
    return area.regression_area(
        forest.forest[rows].astype(float),
        shown[rows],
        float(shown.mean()),
        float(len(forest)),
        coordinates=coordinates,
        design="random" if coordinates is None else "systematic",
    )


def post_stratified_area(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.random
    found = _post_stratified_area(draw, rows).combined([True])
    alone = total.horvitz_thompson(forest.forest[rows].astype(float), len(forest)).total()
    return {"normal": about(found.estimate, found.variance), "t": of(found), "t, points alone": of(alone)}


def post_stratified_area_grid(draw: Draw) -> dict[str, Answer]:
    coordinates = draw.forest.coordinates(draw.grid)
    return {
        "t": of(_post_stratified_area(draw, draw.grid).combined([True])),
        "t, local": of(_post_stratified_area(draw, draw.grid, coordinates).combined([True])),
    }


def _post_stratified_area(draw: Draw, rows: Rows, coordinates: Floats | None = None) -> area.AreaEstimate:
    forest = draw.forest
    mapped = forest.map_forest[rows]
    return area.stratified_area_from_sample(
        mapped,
        mapped,
        forest.forest[rows],
        forest.forest_size,
        scheme="post_stratified",
        finite_population=False,
        coordinates=coordinates,
        design="random" if coordinates is None else "systematic",
    )


def areas_by_county(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.stratified
    hit, stratum, county = (values[rows] for values in (forest.forest, forest.prior, forest.county))
    found = county_areas(hit, stratum, county, forest.prior_by_county)
    return {"t": by_county(draw, found.table)}


# -- totals -----------------------------------------------------------------------------------------------------------

Simple = Callable[..., Estimate]
"""Takes a draw, rows and how they were laid out."""


def plots_alone(draw: Draw, rows: Rows, **layout: object) -> Estimate:
    return total.horvitz_thompson(draw.forest.stock[rows], **layout)  # type: ignore[arg-type]


def by_map_class(draw: Draw, rows: Rows, **layout: object) -> Estimate:
    forest = draw.forest
    return total.post_stratified(
        forest.stock[rows],
        forest.map_forest[rows],
        {label: size / len(forest) for label, size in forest.forest_size.items()},
        **layout,  # type: ignore[arg-type]
    )


def ratio(draw: Draw, rows: Rows, **layout: object) -> Estimate:
    forest = draw.forest
    return total.ratio_of_means(forest.stock[rows], forest.forest[rows].astype(float), **layout)  # type: ignore[arg-type]


def regression(draw: Draw, rows: Rows, **layout: object) -> Estimate:
    forest = draw.forest
    return total.greg(forest.stock[rows], forest.predicted[rows], [forest.predicted.mean()], **layout)  # type: ignore[arg-type]


def corrected_map(draw: Draw, rows: Rows, **layout: object) -> Estimate:
    forest = draw.forest
    known = float(forest.predicted.mean())
    return total.difference(forest.stock[rows], forest.predicted[rows], known, **layout)  # type: ignore[arg-type]


def remeasured(draw: Draw, rows: Rows, **layout: object) -> Estimate:
    return change.paired(draw.forest.before[rows], draw.forest.stock[rows], **layout)  # type: ignore[arg-type]


def at_random(estimator: Simple) -> Callable[[Draw], dict[str, Answer]]:
    """A simple random sample: the interval by t, and by the normal quantile."""

    def answers(draw: Draw) -> dict[str, Answer]:
        found = estimator(draw, draw.random)
        return {"normal": about(found.estimate, found.variance), "t": of(found)}

    return answers


def on_grid(estimator: Simple) -> Callable[[Draw], dict[str, Answer]]:
    """A systematic grid: the variance for random samples, and that from local differences."""

    def answers(draw: Draw) -> dict[str, Answer]:
        rows = draw.grid
        local = estimator(draw, rows, coordinates=draw.forest.coordinates(rows), design="systematic")
        return {
            "normal, local": about(local.estimate, local.variance),
            "t": of(estimator(draw, rows)),
            "t, local": of(local),
        }

    return answers


def strata_of_map(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.by_map
    found = total.stratified_mean(forest.stock[rows], forest.map_class[rows], forest.class_share)
    return {"normal": about(found.estimate, found.variance), "t": of(found)}


def clusters_alone(draw: Draw) -> dict[str, Answer]:
    rows, cluster = draw.clusters
    found = total.horvitz_thompson(draw.forest.stock[rows], cluster=cluster)
    as_plots = total.horvitz_thompson(draw.forest.stock[rows])
    return {"t": of(found), "clusters ignored": of(as_plots)}


# -- several phases ---------------------------------------------------------------------------------------------------


def two_phase(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.phases
    ground = np.arange(len(rows)) < draw.n
    found = total.two_phase(np.where(ground, forest.stock[rows], np.nan), forest.auxiliaries[rows], ground)
    return {
        "t, g-weights": of(found),
        "t, external": about(found.estimate, found.variance_external, found.df),
    }


def two_phase_exhaustive(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.random
    means = forest.auxiliary_means
    found = total.two_phase(forest.stock[rows], forest.auxiliaries[rows], np.ones(draw.n), true_means=means)
    return {
        "t, g-weights": of(found),
        "t, external": about(found.estimate, found.variance_external, found.df),
    }


def two_phase_grid(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.grid
    means = forest.auxiliary_means
    found = total.two_phase(forest.stock[rows], forest.auxiliaries[rows], np.ones(len(rows)), true_means=means)
    return {"t, g-weights": of(found)}


def two_phase_clusters(draw: Draw) -> dict[str, Answer]:
    forest, (rows, cluster) = draw.forest, draw.clusters
    means = forest.auxiliary_means
    ones = np.ones(len(rows))
    found = total.two_phase(forest.stock[rows], forest.auxiliaries[rows], ones, true_means=means, cluster=cluster)
    return {"t, g-weights": of(found), "t, external": about(found.estimate, found.variance_external, found.df)}


def three_phase(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.phases
    place = np.arange(len(rows))
    depth = np.where(place < draw.n, 3, np.where(place < SECOND_PHASE * draw.n, 2, 1))
    full = np.where((depth >= 2)[:, None], forest.auxiliaries[rows], np.nan)
    reduced = forest.arbor_map[rows].astype(float)
    full[:, 0] = reduced
    found = total.three_phase(np.where(depth == 3, forest.stock[rows], np.nan), reduced, full, depth)
    return {
        "t, g-weights": of(found),
        "t, external": about(found.estimate, found.variance_external, found.df),
    }


# -- small areas ------------------------------------------------------------------------------------------------------


def totals_by_county(draw: Draw) -> dict[str, Answer]:
    return {"t": by_county(draw, _county_totals(draw, draw.random).table)}


def totals_by_county_grid(draw: Draw) -> dict[str, Answer]:
    local = _county_totals(draw, draw.grid, draw.forest.coordinates(draw.grid))
    return {"t": by_county(draw, _county_totals(draw, draw.grid).table), "t, local": by_county(draw, local.table)}


def _county_totals(draw: Draw, rows: Rows, coordinates: Floats | None = None) -> CountyTable:
    forest = draw.forest
    return county_totals(
        forest.stock[rows],
        forest.predicted[rows],
        forest.county[rows],
        forest.predicted_by_county,
        forest.county_size,
        coordinates=coordinates,
        design="random" if coordinates is None else "systematic",
    )


Domains = Callable[..., pd.DataFrame]


def in_two_phases(estimator: Domains, exact: bool) -> Callable[[Draw], dict[str, Answer]]:
    """A two-phase small-area estimator, with auxiliary means from the map or from the first phase."""

    def answers(draw: Draw) -> dict[str, Answer]:
        forest = draw.forest
        rows = draw.random if exact else draw.phases
        ground = np.arange(len(rows)) < draw.n
        means = pd.DataFrame({"map": forest.predicted_by_county}) if exact else None
        table = estimator(
            np.where(ground, forest.stock[rows], np.nan),
            pd.DataFrame({"map": forest.predicted[rows]}),
            ground,
            forest.county[rows],
            means,
        )
        return {"t, g-weights": by_county(draw, smallarea.intervals(table), "n2")}

    return answers


def modified_greg(draw: Draw) -> dict[str, Answer]:
    return {
        "t, expansion": by_county(draw, _modified_greg(draw, "expansion"), "n"),
        "t, domain mean": by_county(draw, _modified_greg(draw, "domain_mean"), "n"),
    }


def _modified_greg(draw: Draw, weighting: str) -> pd.DataFrame:
    forest, rows = draw.forest, draw.random
    table = smallarea.modified_greg(
        forest.stock[rows],
        forest.predicted[rows],
        forest.county[rows],
        forest.predicted_by_county,
        forest.county_size,
        weighting=weighting,  # type: ignore[arg-type]
    )
    return smallarea.intervals(table, variance="variance")


def eblup_unit(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.random
    means = forest.predicted_by_county
    found = smallarea.eblup_unit(forest.stock[rows], forest.predicted[rows], forest.county[rows], means)
    return {"normal": by_county(draw, smallarea.intervals(found.table, variance="mse"))}


def fay_herriot(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.random
    plots = pd.Series(forest.stock[rows]).groupby(forest.county[rows])
    direct = pd.DataFrame({"mean": plots.mean(), "n": plots.size()}).reindex(forest.counties)
    direct["variance"] = (plots.var() / plots.size()).reindex(forest.counties)
    means = pd.Series(forest.predicted_by_county).loc[list(forest.counties)]
    found = smallarea.fay_herriot(
        direct["mean"], direct["variance"], means, n=direct["n"].fillna(0.0), smoothing="pooled"
    )
    return {"normal": by_county(draw, smallarea.intervals(found.table, variance="mse"))}


# -- change -----------------------------------------------------------------------------------------------------------


def two_samples(draw: Draw) -> dict[str, Answer]:
    forest = draw.forest
    first = total.horvitz_thompson(forest.before[draw.second])
    return {"t": of(change.independent(first, total.horvitz_thompson(forest.stock[draw.random])))}


def half_replaced(draw: Draw) -> dict[str, Answer]:
    forest, half = draw.forest, draw.n // 2
    rows = np.concatenate([draw.random, draw.second[:half]])
    place = np.arange(len(rows))
    before = np.where(place < draw.n, forest.before[rows], np.nan)
    after = np.where((place < half) | (place >= draw.n), np.nan, forest.stock[rows])
    after[place >= draw.n] = forest.stock[rows[place >= draw.n]]
    pairs = draw.random[:half]
    return {
        "t": of(change.partial_overlap(before, after)),
        "t, pairs alone": of(change.paired(forest.before[pairs], forest.stock[pairs])),
    }


# -- uncertainty ------------------------------------------------------------------------------------------------------


def mapped_total(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.random
    fit = uncertainty.fit_coefficients(forest.stock[rows], forest.predicted[rows])
    gradient = np.array([1.0, forest.predicted.mean()])
    spread = float(fit.residual.var(ddof=2)) / len(forest)
    found = uncertainty.mapped_total(
        float(gradient @ fit.beta), gradient, fit.covariance, residual_variance=spread, n=draw.n, df=draw.n - 2.0
    )
    return {"t": of(found)}


def hybrid(draw: Draw) -> dict[str, Answer]:
    forest, rows = draw.forest, draw.random
    fit = uncertainty.fit_coefficients(forest.stock[rows], forest.predicted[rows])
    shots = draw.rng(7).choice(len(forest), FIRST_PHASE * draw.n, replace=False)
    design = np.column_stack([np.ones(len(shots)), forest.predicted[shots]])
    found = uncertainty.hybrid_mean(design @ fit.beta.to_numpy(), design, fit.covariance, n=draw.n)
    without = found.estimate, found.variance - found.variance_parameters
    return {"t": of(found), "t, model taken as known": about(*without, found.df)}


def bootstrap(draw: Draw) -> dict[str, Answer]:
    forest, (rows, cluster) = draw.forest, draw.clusters
    stock, predicted, known = forest.stock[rows], forest.predicted[rows], float(forest.predicted.mean())

    def refitted(again: Rows) -> float:
        x, y = predicted[again], stock[again]
        spread = float(((x - x.mean()) ** 2).sum())
        slope = float((x - x.mean()) @ y) / spread if spread > 0 else 0.0
        return float(y.mean()) + slope * (known - float(x.mean()))

    found = uncertainty.cluster_bootstrap(refitted, len(rows), RESAMPLES, draw.rng(8), cluster=cluster)
    low, high = found.interval()
    return {"t": of(found.outcome()), "percentile": Answer(found.estimate, found.se, low, high)}


def thinned(forest: Forest) -> Rows:
    """A small population, so that models can be trained and mapped anew for every sample."""
    return np.linspace(0, len(forest) - 1, min(THINNED, len(forest))).astype(np.intp)


def thinned_stock(forest: Forest) -> float:
    """Mean stock of the small population."""
    return float(forest.stock[thinned(forest)].mean())


def cross_fitted(draw: Draw) -> dict[str, Answer]:
    forest, rng = draw.forest, draw.rng(9)
    pixels = thinned(forest)
    rows = rng.choice(pixels, draw.n, replace=False)
    found = uncertainty.cross_fitted_mean(
        DecisionTreeRegressor(min_samples_leaf=2, random_state=0),
        forest.features[rows],
        forest.stock[rows],
        uncertainty.assign_folds(draw.n, FOLDS, rng),
        forest.features[pixels],
        population_size=len(pixels),
    )
    own = about(found.estimate, found.variance_in_sample, found.df)
    return {"t, held-out residuals": of(found), "t, own residuals": own}


# -- all of them ------------------------------------------------------------------------------------------------------

SIMPLE: tuple[tuple[str, str, Callable[[Forest], ArrayLike], Simple], ...] = (
    ("total", "horvitz_thompson", mean_stock, plots_alone),
    ("total", "post_stratified", mean_stock, by_map_class),
    ("total", "ratio_of_means", stock_per_forest, ratio),
    ("total", "greg", mean_stock, regression),
    ("total", "difference", mean_stock, corrected_map),
    ("change", "paired", mean_change, remeasured),
)


def cases() -> tuple[Case, ...]:
    """Cases in the order of the table."""
    simple = [
        case
        for family, name, truth, run in SIMPLE
        for case in (
            Case(family, name, "random", truth, at_random(run), ("t",)),
            Case(family, name, "systematic", truth, on_grid(run), ("t, local",)),
        )
    ]
    totals, changes = ([case for case in simple if case.family == family] for family in ("total", "change"))
    return (*_areas(), *totals, *_totals(), *_small_areas(), *changes, *_rest())


def _areas() -> tuple[Case, ...]:
    t, local = ("t",), ("t, local",)
    return (
        Case("area", "stratified_area", "stratified", forest_area, stratified_area, t),
        Case("area", "stratified_area_from_sample", "stratified", forest_area, area_from_sample, t),
        Case("area", "the same, post-stratified", "random", forest_area, post_stratified_area, t),
        Case("area", "the same, post-stratified", "systematic", forest_area, post_stratified_area_grid, local),
        Case("area", "regression_area", "random", forest_area, regression_area, t),
        Case("area", "regression_area", "systematic", forest_area, regression_area_grid, local),
        Case("area", "county_areas", "stratified", county_forest, areas_by_county, t, SEVERAL),
    )


def _totals() -> tuple[Case, ...]:
    g = ("t, g-weights",)
    return (
        Case("total", "stratified_mean", "stratified", mean_stock, strata_of_map, ("t",)),
        Case("total", "horvitz_thompson", "clusters", mean_stock, clusters_alone, ("t",)),
        Case("total", "two_phase", "random", mean_stock, two_phase, g),
        Case("total", "two_phase, exhaustive", "random", mean_stock, two_phase_exhaustive, g),
        Case("total", "two_phase, exhaustive", "systematic", mean_stock, two_phase_grid, g),
        # 75 clusters are a small sample: shown beside the bootstrap, which is the one to use for so few
        Case("total", "two_phase, exhaustive", "clusters", mean_stock, two_phase_clusters),
        Case("total", "three_phase", "random", mean_stock, three_phase, g),
    )


def _small_areas() -> tuple[Case, ...]:
    def small(
        name: str,
        answers: Callable[[Draw], Mapping[str, Answer]],
        judged: tuple[str, ...] = (),
        truth: Callable[[Forest], ArrayLike] = county_stock,
        design: str = "random",
    ) -> Case:
        return Case("smallarea", name, design, truth, answers, judged, SEVERAL)

    g = ("t, g-weights",)
    return (
        small("county_totals", totals_by_county, ("t",), county_stock_total),
        small("county_totals", totals_by_county_grid, ("t, local",), county_stock_total, "systematic"),
        small("synthetic", in_two_phases(smallarea.synthetic, exact=True)),
        small("pseudo_synthetic", in_two_phases(smallarea.pseudo_synthetic, exact=False)),
        small("extended_pseudo_synthetic", in_two_phases(smallarea.extended_pseudo_synthetic, exact=False), g),
        small("pseudo_small", in_two_phases(smallarea.pseudo_small, exact=False), g),
        small("modified_greg", modified_greg, ("t, domain mean",)),
        small("eblup_unit", eblup_unit),
        small("fay_herriot", fay_herriot),
    )


def _rest() -> tuple[Case, ...]:
    held_out = ("t, held-out residuals",)
    return (
        Case("change", "independent", "random", mean_change, two_samples, ("t",)),
        # the correlation is learnt from the pairs; where a few plots carry the change it takes many of them
        Case("change", "partial_overlap", "random", mean_change, half_replaced, ("t, pairs alone",)),
        Case("uncertainty", "mapped_total", "random", mean_stock, mapped_total, ("t",)),
        Case("uncertainty", "hybrid_mean", "random", mean_stock, hybrid, ("t",)),
        Case("uncertainty", "cluster_bootstrap", "clusters", mean_stock, bootstrap, ("t",), TRAINED),
        Case("uncertainty", "cross_fitted_mean", "random", thinned_stock, cross_fitted, held_out, TRAINED),
    )
