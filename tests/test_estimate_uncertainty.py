"""Cross-fitting, spatially correlated errors, mapped totals, bootstrap and propagation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from sinkest.errors import InputError
from sinkest.estimate.uncertainty import (
    Variogram,
    assign_folds,
    bootstrap_mapped_total,
    bootstrap_size,
    cluster_bootstrap,
    correlated_variance,
    cross_fit,
    cross_fitted_mean,
    delta_method,
    empirical_variogram,
    fit_coefficients,
    fit_variogram,
    hybrid_mean,
    mapped_total,
    monte_carlo,
    variance_shares,
)


class Mean:
    """The simplest model: the mean of what it was trained on."""

    def fit(self, x: object, y: np.ndarray) -> Mean:
        self.level = float(np.mean(y))
        return self

    def predict(self, x: object) -> np.ndarray:
        return np.full(len(x), self.level)  # type: ignore[arg-type]


# Cross-fitting


def test_held_out_predictions_by_hand() -> None:
    # folds a: 1, 3; b: 5, 9: each is predicted by the other's mean
    found = cross_fit(Mean(), np.zeros((4, 1)), [1.0, 3.0, 5.0, 9.0], list("aabb"))
    assert found.prediction.tolist() == [7.0, 7.0, 2.0, 2.0]
    assert found.residual.tolist() == [-6.0, -4.0, 3.0, 7.0]
    assert found.rmse == pytest.approx(math.sqrt(110 / 4))
    assert found.r2 == pytest.approx(1 - 110 / 35)
    assert "folds=2" in repr(found)


def test_the_model_given_stays_untouched() -> None:
    model = Mean()
    cross_fit(model, np.zeros((4, 1)), [1.0, 3.0, 5.0, 9.0], [0, 0, 1, 1])
    assert not hasattr(model, "level")


def test_tables_keep_their_columns() -> None:
    x = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [1.0, 0, 1, 0]}, index=[7, 7, 8, 9])
    found = cross_fit(LinearRegression(), x, [2.0, 4.0, 6.0, 8.0], [0, 1, 0, 1])
    assert found.models[0].feature_names_in_.tolist() == ["a", "b"]


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(6, 40))
@settings(max_examples=40, deadline=None)
def test_folds_keep_groups_together_and_are_of_like_size(seed: int, k: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.arange(n) // 2
    if len(set(groups)) < k:
        return
    fold = assign_folds(n, k, rng, groups)
    assert all(len(set(fold[groups == g])) == 1 for g in set(groups))
    assert set(fold) == set(range(k))
    assert np.ptp(np.bincount(fold)) <= 2


def test_a_flexible_model_is_honest_only_when_cross_fitted() -> None:
    # fully grown trees have no residuals on their own plots at all; 60 plots, 120 samples
    rng = np.random.default_rng(3)
    x_all = rng.uniform(0, 10, (1500, 2))
    y_all = 30 + 10 * np.sin(x_all[:, 0]) + 3 * x_all[:, 1] + rng.normal(0, 5, 1500)
    truth, model = y_all.mean(), DecisionTreeRegressor(random_state=0)
    rows = []
    for _ in range(120):
        s = rng.integers(0, 1500, 60)
        found = cross_fitted_mean(model, x_all[s], y_all[s], assign_folds(60, 6, rng), x_all[::5])
        low, high = found.interval()
        half = stats.norm.ppf(0.975) * math.sqrt(found.variance_in_sample)
        rows.append((found.estimate, found.variance, low <= truth <= high, abs(found.estimate - truth) <= half))
    estimate, variance, honest, naive = np.array(rows, dtype=float).T
    assert abs(estimate.mean() - truth) < 0.35
    assert np.sqrt(variance.mean()) / estimate.std() == pytest.approx(1.0, abs=0.15)
    assert 0.90 <= honest.mean() <= 0.985
    assert naive.mean() < 0.3


def test_cross_fitted_mean_by_hand() -> None:
    # folds of the hand example: difference estimates 7 - 5 and 2 + 5, the same weight: 4.5
    found = cross_fitted_mean(
        Mean(), np.zeros((4, 1)), [1.0, 3.0, 5.0, 9.0], list("aabb"), np.zeros((3, 1)), population_size=8
    )
    assert found.estimate == pytest.approx(4.5)
    # residuals -6, -4, 3, 7 about 0: 110 / 3 / 4, half of it left
    assert found.variance == pytest.approx(110 / 3 / 4 / 2)
    assert found.variance_in_sample == found.variance_plots == pytest.approx(35 / 3 / 4 / 2)
    assert found.relative_efficiency == pytest.approx(35 / 110)


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda: assign_folds(3, 4, np.random.default_rng(0)), "smallarea.folds"),
        (lambda: assign_folds(3, 1, np.random.default_rng(0)), "smallarea.folds"),
        (lambda: cross_fit(Mean(), np.zeros((3, 1)), [1.0, 2.0], [0, 1]), "estimate.wrong_length"),
        (lambda: cross_fit(Mean(), np.zeros((2, 1)), [1.0, 2.0], [0, 0]), "smallarea.folds"),
        (lambda: cross_fit(Mean(), np.zeros((2, 1)), [1.0, np.nan], [0, 1]), "estimate.not_finite"),
        (
            lambda: cross_fitted_mean(
                Mean(), np.zeros((2, 1)), [1.0, 2.0], [0, 1], np.zeros((2, 1)), population_weight=[0.0, 0.0]
            ),
            "smallarea.population_weight",
        ),
        (
            lambda: cross_fitted_mean(
                Mean(), np.zeros((2, 1)), [1.0, 2.0], [0, 1], np.zeros((2, 1)), population_size=1
            ),
            "smallarea.domain_size",
        ),
    ],
)
def test_cross_fitting_refuses_bad_input(call, key: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.key == key


def test_models_that_return_no_numbers_are_refused() -> None:
    class Broken(Mean):
        def predict(self, x: object) -> np.ndarray:
            return np.full(len(x), np.nan)  # type: ignore[arg-type]

    with pytest.raises(InputError, match="0 finite predictions"):
        cross_fit(Broken(), np.zeros((2, 1)), [1.0, 2.0], [0, 1])


# Variograms and correlated errors


def correlated_field(rng: np.random.Generator, points: np.ndarray, variogram: Variogram) -> np.ndarray:
    covariance = variogram.sill * variogram.correlation(cdist(points, points))
    return np.linalg.cholesky(covariance) @ rng.normal(size=len(points))


def test_empirical_variogram_by_hand() -> None:
    # ten places 100 m apart on a line, values 0..9: half squared difference at lag h is h^2 / 2
    table = empirical_variogram(
        np.arange(10.0), np.column_stack([np.arange(10) * 100.0, np.zeros(10)]), n_bins=4, max_distance_m=400.01
    )
    assert table["distance_m"].tolist() == pytest.approx([100, 200, 300, 400])
    assert table["semivariance"].tolist() == pytest.approx([0.5, 2.0, 4.5, 8.0])
    assert table["pairs"].tolist() == [9, 8, 7, 6]


def test_shapes_reach_their_range() -> None:
    for shape, left in (("exponential", math.exp(-3)), ("gaussian", math.exp(-3)), ("spherical", 0.0)):
        model = Variogram(1.0, 3.0, 500.0, shape)
        assert model.correlation([0.0, 500.0]).tolist() == pytest.approx([1.0, 0.75 * left])
        assert model.semivariance([0.0]).tolist() == [0.0]
        assert model.semivariance([1e9]).tolist() == pytest.approx([4.0])


def test_a_known_variogram_is_recovered() -> None:
    rng = np.random.default_rng(1)
    truth = Variogram(0.4, 0.6, 5000.0)
    points = rng.uniform(0, 20_000, (400, 2))
    fits = [fit_variogram(correlated_field(rng, points, truth), points, max_distance_m=8000) for _ in range(12)]
    assert np.mean([fit.sill for fit in fits]) == pytest.approx(1.0, abs=0.12)
    assert np.mean([fit.structured for fit in fits]) == pytest.approx(0.6, abs=0.12)
    assert np.median([fit.range_m for fit in fits]) == pytest.approx(5000, rel=0.35)


def test_noise_has_little_structure() -> None:
    shares = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        points = rng.uniform(0, 20_000, (300, 2))
        fit = fit_variogram(rng.normal(size=300), points)
        shares.append(fit.structured * min(fit.range_m, 5000) / 5000)
        assert fit.sill == pytest.approx(1.0, abs=0.25)
    assert np.mean(shares) < 0.12


def test_a_trend_reaches_beyond_the_data_and_is_noted() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 10_000, (200, 2))
    fit = fit_variogram(points[:, 0] / 1000, points, shape="spherical", max_distance_m=3000)
    assert fit.notes[0].key == "smallarea.range_beyond_data"


def test_a_grid_sums_as_its_cells_do() -> None:
    rng = np.random.default_rng(4)
    sd = rng.uniform(0, 2, (14, 9))
    sd[3:5, 2:6] = np.nan
    inside = np.isfinite(sd)
    y, x = np.mgrid[0:14, 0:9]
    points = np.column_stack([x[inside], y[inside]]) * 500.0
    for shape in ("exponential", "spherical", "gaussian"):
        model = Variogram(0.3, 0.7, 1800.0, shape)
        whole = correlated_variance(sd, model, cell_m=500.0)
        # written out: sum over all pairs of s_i s_j rho
        rho = model.correlation(cdist(points, points))
        assert whole == pytest.approx(sd[inside] @ rho @ sd[inside])
        assert correlated_variance(sd[inside], model, coordinates=points) == pytest.approx(whole)


def test_independent_and_common_errors_are_the_two_ends() -> None:
    sd = np.full((6, 6), 2.0)
    assert correlated_variance(sd, Variogram(1.0, 0.0, 1000.0), cell_m=100.0) == pytest.approx(36 * 4)
    assert correlated_variance(sd, Variogram(0.0, 1.0, 1e9), cell_m=100.0) == pytest.approx(36**2 * 4, rel=1e-5)


def test_an_aggregated_map_gives_nearly_the_same() -> None:
    model = Variogram(0.4, 0.6, 5000.0)
    fine = correlated_variance(np.ones((100, 100)), model, cell_m=100.0)
    coarse = correlated_variance(np.full((20, 20), 25.0), model, cell_m=500.0, pixels_per_cell=25)
    assert coarse == pytest.approx(fine, rel=2e-3)
    # taken as single pixels the cells would carry their nugget whole
    assert correlated_variance(np.full((20, 20), 25.0), model, cell_m=500.0) > 1.015 * fine


def test_the_variance_of_a_total_is_that_of_simulated_errors() -> None:
    rng = np.random.default_rng(5)
    model = Variogram(0.3, 0.7, 3000.0)
    y, x = np.mgrid[0:12, 0:12]
    points = np.column_stack([x.ravel(), y.ravel()]) * 400.0
    sd = rng.uniform(0.5, 1.5, 144)
    root = np.linalg.cholesky(model.correlation(cdist(points, points)))
    totals = (sd[:, None] * (root @ rng.normal(size=(144, 4000)))).sum(axis=0)
    assert correlated_variance(sd.reshape(12, 12), model, cell_m=400.0) == pytest.approx(totals.var(), rel=0.07)


def ring(n: int = 12) -> np.ndarray:
    angle = np.arange(n) / n * 2 * np.pi
    return np.column_stack([np.cos(angle), np.sin(angle)]) * 1000


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda: Variogram(-1.0, 1.0, 10.0), "smallarea.variogram"),
        (lambda: Variogram(0.0, 0.0, 10.0), "smallarea.variogram"),
        (lambda: Variogram(1.0, 1.0, 0.0), "smallarea.variogram"),
        (lambda: Variogram(1.0, 1.0, 1.0, "linear"), "smallarea.unknown_choice"),
        (lambda: empirical_variogram(np.zeros(12), np.zeros((12, 3))), "smallarea.coordinates"),
        (lambda: empirical_variogram(np.zeros(12), np.zeros((12, 2))), "smallarea.variogram_reach"),
        (lambda: empirical_variogram(np.zeros(12), ring(), n_bins=2), "smallarea.variogram_reach"),
        (lambda: empirical_variogram(np.zeros(5), ring(5)), "estimate.too_few"),
        (lambda: fit_variogram(np.ones(12), ring()), "smallarea.no_variation"),
        (lambda: correlated_variance([1.0], Variogram(1, 1, 1)), "smallarea.cell_or_coordinates"),
        (lambda: correlated_variance([[1.0]], Variogram(1, 1, 1), cell_m=0), "smallarea.cell"),
        (
            lambda: correlated_variance([[1.0]], Variogram(1, 1, 1), cell_m=1, pixels_per_cell=0),
            "smallarea.pixels_per_cell",
        ),
        (lambda: correlated_variance([[-1.0]], Variogram(1, 1, 1), cell_m=1), "estimate.too_small"),
        (lambda: correlated_variance([-1.0], Variogram(1, 1, 1), coordinates=[[0.0, 0.0]]), "estimate.too_small"),
    ],
)
def test_spatial_functions_refuse_bad_input(call, key: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.key == key
    assert str(caught.value)


# Mapped totals


def test_sources_of_a_mapped_total_by_hand() -> None:
    # d' C d = 4 * 1 + 9 * 2 + 2 * 6 * 0.5 = 28
    found = mapped_total(100.0, [2.0, 3.0], [[1.0, 0.5], [0.5, 2.0]], residual_variance=8.0, first_phase_variance=4.0)
    assert found.variance == pytest.approx(40.0)
    assert found.shares.to_dict() == pytest.approx({"parameters": 0.7, "residual": 0.2, "first_phase": 0.1})
    assert found.method == "hybrid"
    assert found.scaled(2.0).variance_parameters == pytest.approx(112.0)


def test_a_total_without_residual_part_says_so() -> None:
    found = mapped_total(100.0, [2.0], [[1.0]])
    assert found.method == "model_based"
    assert found.notes[0].key == "smallarea.no_residual_part"


def test_coefficients_allow_for_unequal_spread_by_hand() -> None:
    # intercept only: residuals -3, -1, 1, 3; sum R^2 / n^2 = 20 / 16, times n / (n - k) = 4 / 3
    found = fit_coefficients([2.0, 4.0, 6.0, 8.0], np.empty((4, 0)))
    assert found.beta.tolist() == [5.0]
    assert found.covariance.tolist() == [[pytest.approx(20 / 16 * 4 / 3)]]
    # clusters (2, 4) and (6, 8): sums -4, 4; 32 / 16, times 2 / 1 * 3 / 3
    clustered = fit_coefficients([2.0, 4.0, 6.0, 8.0], np.empty((4, 0)), cluster=list("aabb"))
    assert clustered.covariance.tolist() == [[pytest.approx(4.0)]]


def test_model_based_intervals_hold_the_truth() -> None:
    # truth is a new realisation of correlated errors over the map each time; variance from parameters and residuals
    rng = np.random.default_rng(6)
    model = Variogram(0.5, 0.5, 3000.0)
    y, x = np.mgrid[0:15, 0:15]
    points = np.column_stack([x.ravel(), y.ravel()]) * 400.0
    root = np.linalg.cholesky(model.correlation(cdist(points, points)))
    feature = rng.normal(10, 3, 225)
    design = np.column_stack([np.ones(225), feature])
    inside, naive = [], []
    for _ in range(300):
        truth = 5 + 2 * feature + 4 * (root @ rng.normal(size=225))
        plot_feature = rng.normal(10, 3, 80)
        plots = 5 + 2 * plot_feature + rng.normal(0, 4, 80)
        fit = fit_coefficients(plots, plot_feature)
        residual_sd = fit.residual.std(ddof=2)
        residual = correlated_variance(np.full((15, 15), residual_sd), model, cell_m=400.0)
        found = mapped_total(
            float((design @ fit.beta).sum()),
            design.sum(axis=0),
            fit.covariance,
            residual_variance=residual,
            n=80,
            df=78,
        )
        low, high = found.interval()
        inside.append(low <= truth.sum() <= high)
        alone = mapped_total(found.estimate, design.sum(axis=0), fit.covariance, df=78).interval()
        naive.append(alone.low <= truth.sum() <= alone.high)
    assert 0.92 <= np.mean(inside) <= 0.98
    assert np.mean(naive) < 0.85


def test_hybrid_mean_by_hand() -> None:
    # predictions 1, 3, 5, 7: mean 4, s^2 20 / 3, first phase 5 / 3; gradient means (1, 2)
    gradient = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 2.0], [1.0, 3.0]])
    found = hybrid_mean([1.0, 3.0, 5.0, 7.0], gradient, [[0.5, 0.0], [0.0, 0.25]])
    assert found.estimate == pytest.approx(4.0)
    assert found.variance_first_phase == pytest.approx(20 / 3 / 4)
    assert found.variance_parameters == pytest.approx(0.5 + 4 * 0.25)
    tracks = hybrid_mean([1.0, 3.0, 5.0, 7.0], gradient, [[0.5, 0.0], [0.0, 0.25]], cluster=list("aabb"))
    # track means 2 and 6: s^2 8 / 2
    assert tracks.variance_first_phase == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda: mapped_total(1.0, [1.0], [[1.0, 2.0]]), "smallarea.no_covariance"),
        (lambda: mapped_total(1.0, [1.0], [[1.0]], residual_variance=-1), "smallarea.variance_parts"),
        (lambda: mapped_total(1.0, [1.0], [[-1.0]]), "smallarea.variance_parts"),
        (lambda: mapped_total(math.nan, [1.0], [[1.0]]), "smallarea.variance_parts"),
        (lambda: variance_shares({"a": 0.0}), "smallarea.variance_parts"),
        (lambda: variance_shares({"a": -1.0, "b": 2.0}), "smallarea.variance_parts"),
        (lambda: hybrid_mean([1.0], [[1.0]], [[1.0]]), "estimate.too_few"),
        (lambda: fit_coefficients([1.0, 2.0], [1.0, 2.0]), "estimate.too_many_auxiliaries"),
        (lambda: fit_coefficients([1.0, 2, 3, 5], [1.0, 2, 2, 4], cluster=[1, 1, 2, 2]), "smallarea.too_few_for_model"),
    ],
)
def test_mapped_totals_refuse_bad_input(call, key: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.key == key
    assert str(caught.value)


# Bootstrap


def test_bootstrap_of_a_mean_is_its_standard_error() -> None:
    rng = np.random.default_rng(7)
    y = rng.gamma(2, 10, 60)
    found = cluster_bootstrap(lambda rows: y[rows].mean(), 60, 2000, rng)
    assert found.se[0] == pytest.approx(y.std() / math.sqrt(60), rel=0.06)
    assert abs(found.bias[0]) < 0.2
    low, high = found.interval(0.9)
    assert low[0] == pytest.approx(y.mean() - 1.645 * found.se[0], abs=0.5)
    assert high[0] > y.mean()
    outcome = found.outcome()
    assert (outcome.estimate, outcome.n, outcome.df) == (pytest.approx(y.mean()), 60, 59.0)
    assert outcome.method_label("zh") == "自助法"
    assert "replicates=2000" in repr(found)


def test_plots_of_a_cluster_are_drawn_together() -> None:
    rng = np.random.default_rng(8)
    cluster = np.repeat(np.arange(20), 5)
    y = rng.normal(0, 1, 20)[cluster]
    found = cluster_bootstrap(lambda rows: y[rows].mean(), 100, 1500, rng, cluster=cluster)
    assert found.n == 20
    assert found.se[0] == pytest.approx(y[::5].std() / math.sqrt(20), rel=0.08)


def test_strata_keep_their_numbers() -> None:
    stratum = np.array([0] * 4 + [1] * 6)
    cluster_bootstrap(
        lambda rows: float(np.bincount(stratum[rows]).tolist() == [4, 6]) or math.nan,
        10,
        50,
        np.random.default_rng(0),
        stratum=stratum,
    )


def test_a_refitted_map_varies_as_its_coefficients_do() -> None:
    rng = np.random.default_rng(9)
    x = rng.normal(10, 2, (80, 1))
    y = 3 + 2 * x[:, 0] + rng.normal(0, 3, 80)
    x_map, area = rng.normal(12, 2, (50, 1)), np.full(50, 4.0)
    found = bootstrap_mapped_total(
        LinearRegression(), x, y, x_map, area, 400, rng, zone=np.repeat(["west", "east"], [20, 30])
    )
    fit = fit_coefficients(y, x)
    d = np.array([area.sum(), (area * x_map[:, 0]).sum()])
    assert found.estimate[-1] == pytest.approx(d @ fit.beta)
    assert found.estimate[:2].sum() == pytest.approx(found.estimate[2])
    assert found.se[-1] == pytest.approx(math.sqrt(d @ fit.covariance @ d), rel=0.12)
    frame = pd.DataFrame(x, columns=["h"])
    again = bootstrap_mapped_total(
        KNeighborsRegressor(3), frame, y, pd.DataFrame(x_map, columns=["h"]), area, 20, np.random.default_rng(1)
    )
    assert again.replicates.shape == (20, 1)


def test_resamples_that_fail_are_counted() -> None:
    def fragile(rows: np.ndarray) -> float:
        if len(np.unique(rows)) < 14:
            raise np.linalg.LinAlgError
        return float(rows.mean())

    def worse(rows: np.ndarray) -> float:
        return math.nan if len(np.unique(rows)) < 20 else 1.0

    found = cluster_bootstrap(fragile, 26, 400, np.random.default_rng(0))
    assert found.notes[0].key == "smallarea.bootstrap_skipped"
    assert len(found.replicates) < 400
    with pytest.raises(InputError, match="too many"):
        cluster_bootstrap(worse, 26, 100, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda r: cluster_bootstrap(lambda rows: 1.0, 5, 1, r), "smallarea.bootstrap_needs"),
        (lambda r: cluster_bootstrap(lambda rows: math.nan, 5, 10, r), "smallarea.statistic_not_finite"),
        (
            lambda r: cluster_bootstrap(lambda rows: 1.0, 2, 10, r, stratum=[0, 1]),
            "smallarea.stratum_with_one_cluster",
        ),
        (
            lambda r: cluster_bootstrap(lambda rows: 1.0, 4, 10, r, cluster=[0, 0, 1, 2], stratum=[0, 1, 1, 0]),
            "smallarea.cluster_in_strata",
        ),
        (lambda r: cluster_bootstrap(lambda rows: 1.0, 5, 10, r).interval(1.5), "estimate.level"),
        (lambda r: bootstrap_size(0.0), "smallarea.not_a_proportion"),
    ],
)
def test_bootstrap_refuses_bad_input(call, key: str) -> None:
    with pytest.raises(InputError) as caught:
        call(np.random.default_rng(0))
    assert caught.value.key == key


# Propagation


def test_delta_method_of_a_product_by_hand() -> None:
    # volume 100 +- 5 times density 0.5 +- 0.02: slopes 0.5 and 100, variance 6.25 + 4
    found = delta_method(lambda v, d: v * d, {"v": 100.0, "d": 0.5}, {"v": 5.0, "d": 0.02})
    assert found.estimate == pytest.approx(50.0)
    assert found.variance == pytest.approx(10.25)
    assert found.shares.to_dict() == pytest.approx({"v": 6.25 / 10.25, "d": 4 / 10.25})
    assert found.method_label("en") == "delta method"


def test_delta_method_with_a_covariance_by_hand() -> None:
    # difference of two dates: 9 + 16 - 2 * 10
    found = delta_method(lambda a, b: b - a, {"a": 50.0, "b": 56.0}, [[9.0, 10.0], [10.0, 16.0]])
    assert found.variance == pytest.approx(5.0)
    assert found.shares.sum() == pytest.approx(1.0)
    assert found.shares["a"] == pytest.approx(-1 / 5)


def test_inputs_known_exactly_have_no_share() -> None:
    found = delta_method(lambda a, b: a / b, {"a": 3.0, "b": 2.0}, {"a": 0.0, "b": 0.0})
    assert found.variance == 0.0
    assert found.shares.tolist() == [0.0, 0.0]


def test_monte_carlo_of_a_sum_agrees_with_the_delta_method() -> None:
    found = monte_carlo(
        lambda a, b, c: a + 2 * b + c, {"a": (1.0, 3.0), "b": (2.0, 2.0), "c": 5.0}, 20_000, np.random.default_rng(1)
    )
    assert found.estimate == pytest.approx(10.0, abs=0.1)
    assert found.variance == pytest.approx(25.0, rel=0.03)
    assert found.shares.to_dict() == pytest.approx({"a": 9 / 25, "b": 16 / 25, "c": 0.0}, abs=0.03)
    low, high = found.interval()
    assert (low, high) == pytest.approx((10 - 9.8, 10 + 9.8), abs=0.4)
    assert "draws=40000" in repr(found)


def test_shares_leave_out_what_acts_together() -> None:
    # a product of two centred inputs: neither alone has an effect
    found = monte_carlo(lambda a, b: a * b, {"a": (0.0, 1.0), "b": (0.0, 1.0)}, 20_000, np.random.default_rng(2))
    assert found.shares.max() < 0.05
    assert found.variance == pytest.approx(1.0, rel=0.06)


def test_inputs_may_be_distributions_functions_and_correlated_groups() -> None:
    found = monte_carlo(
        lambda a, b, u, g: b - a + u * g,
        {
            ("a", "b"): ([50.0, 56.0], [[9.0, 10.0], [10.0, 16.0]]),
            "u": stats.uniform(0, 1),
            "g": lambda rng, n: rng.gamma(2.0, 1.0, n),
        },
        20_000,
        np.random.default_rng(3),
    )
    # u g: mean 1; variance E u^2 E g^2 - 1 = 1 / 3 * 6 - 1 = 1
    assert found.estimate == pytest.approx(7.0, abs=0.06)
    assert found.variance == pytest.approx(6.0, rel=0.04)
    assert found.shares["a+b"] == pytest.approx(5 / 6, abs=0.03)
    plain = monte_carlo(lambda a: a, {"a": (0.0, 1.0)}, 200, np.random.default_rng(3), shares=False)
    assert len(plain.replicates) == 200
    assert plain.shares.empty


def test_the_same_seed_gives_the_same_draws() -> None:
    first, second = (
        monte_carlo(lambda a: a**2, {"a": (1.0, 1.0)}, 100, np.random.default_rng(4)).replicates for _ in range(2)
    )
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda r: delta_method(lambda a: a, {"a": 1.0}, {"b": 1.0}), "smallarea.inputs_missing"),
        (lambda r: delta_method(lambda a: a, {"a": 1.0}, {"a": -1.0}), "estimate.too_small"),
        (lambda r: delta_method(lambda a: a, {"a": 1.0}, [[1.0, 0.0]]), "smallarea.no_covariance"),
        (
            lambda r: delta_method(lambda a, b: a, {"a": 1.0, "b": 1.0}, [[1.0, 2.0], [2.0, 1.0]]),
            "smallarea.not_a_covariance",
        ),
        (lambda r: delta_method(lambda a: math.inf, {"a": 1.0}, {"a": 1.0}), "smallarea.function_not_finite"),
        (lambda r: monte_carlo(lambda a: a, {"a": (0.0, 1.0)}, 99, r), "smallarea.draws"),
        (lambda r: monte_carlo(lambda: 1.0, {}, 100, r), "smallarea.inputs_missing"),
        (lambda r: monte_carlo(lambda a: a, {"a": (0.0, -1.0)}, 100, r), "smallarea.input_distribution"),
        (lambda r: monte_carlo(lambda a: a, {"a": "normal"}, 100, r), "smallarea.input_distribution"),
        (lambda r: monte_carlo(lambda a: a, {"a": lambda g, n: g.normal(size=3)}, 100, r), "smallarea.input_draws"),
        (lambda r: monte_carlo(lambda a: a.sum(), {"a": (0.0, 1.0)}, 100, r), "smallarea.result_draws"),
        (
            lambda r: monte_carlo(lambda a, b: a, {("a", "b"): ([0, 0], [[1, 2], [2, 1]])}, 100, r),
            "smallarea.not_a_covariance",
        ),
        (
            lambda r: monte_carlo(lambda a, b: a, {("a", "b"): ([0, 0], [[1], [2]])}, 100, r),
            "smallarea.no_covariance",
        ),
        (
            lambda r: monte_carlo(lambda a: a, {"a": (0.0, 1.0)}, 100, r).interval(0.0),
            "estimate.level",
        ),
    ],
)
def test_propagation_refuses_bad_input(call, key: str) -> None:
    with pytest.raises(InputError) as caught:
        call(np.random.default_rng(0))
    assert caught.value.key == key
    assert str(caught.value)
