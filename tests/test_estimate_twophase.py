"""Two- and three-phase regression: published numbers, numbers by hand, clusters, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkest.errors import InputError
from sinkest.estimate.total import horvitz_thompson, three_phase, two_phase

FULL = ["mean", "stddev", "max", "q75"]


@pytest.fixture(scope="module")
def grisons(real_data: Path) -> pd.DataFrame:
    return pd.read_csv(real_data / "inventory" / "forestinventory_grisons.csv")


@pytest.fixture(scope="module")
def golden(real_data: Path) -> dict[str, Any]:
    return json.loads((real_data / "golden.json").read_text())


def clustered(rng: np.random.Generator, clusters: int = 60, measured: int = 25) -> pd.DataFrame:
    """Plots in clusters of 1 to 5; the first clusters carry ground plots."""
    size = rng.integers(1, 6, clusters)
    group = np.repeat(np.arange(clusters), size)
    level = rng.normal(0, 1, clusters)[group]
    z = level + rng.normal(0, 1, len(group))
    y = 20 + 3 * z + 2 * level + rng.normal(0, 2, len(group))
    ground = group < measured
    kind = np.where(rng.random(len(group)) < 0.4, "old", "young")
    weight = rng.uniform(0.3, 1.0, len(group))
    return pd.DataFrame(
        {"group": group, "z": z, "kind": kind, "ground": ground, "y": np.where(ground, y, np.nan), "weight": weight}
    )


# published numbers


def test_grisons_with_boundary_weights(grisons: pd.DataFrame, golden: dict[str, Any]) -> None:
    published = golden["forestinventory_grisons_twophase_global"]
    found = two_phase(
        grisons["tvol"], grisons[FULL], grisons["phase_id_2p"] == 2, boundary_weights=grisons["boundary_weights"]
    )
    assert round(found.estimate, 4) == published["estimate"]
    assert round(found.variance_external, 3) == published["ext_variance"]
    assert round(found.variance_g, 4) == published["g_variance"]
    assert round(found.r2, 7) == published["r2"]
    assert (found.n1, found.n2, found.n) == (published["n1"], published["n2"], published["n2"])
    assert found.variance == found.variance_g
    assert found.df == 67 - 5


def test_grisons_with_exact_means(grisons: pd.DataFrame, golden: dict[str, Any]) -> None:
    published = golden["forestinventory_grisons_exhaustive"]
    found = two_phase(grisons["tvol"], grisons[FULL], grisons["phase_id_2p"] == 2, true_means=published["true_means"])
    assert round(found.estimate, 4) == published["estimate"]
    assert round(found.variance_external, 4) == published["ext_variance"]
    assert round(found.variance_g, 4) == published["g_variance"]
    assert found.n1 == np.inf


def test_grisons_in_three_phases(grisons: pd.DataFrame) -> None:
    # Hill, Massey & Mandallaz 2021, J. Stat. Softw. 97(4), sec. 4.1: 372.0896, 454.4064, 451.3626
    full = grisons[FULL].where(grisons["phase_id_3p"] >= 1)
    found = three_phase(
        grisons["tvol.3p"],
        grisons[["mean"]],
        full,
        grisons["phase_id_3p"] + 1,
        boundary_weights=grisons["boundary_weights"],
    )
    assert round(found.estimate, 4) == 372.0896
    assert round(found.variance_external, 4) == 454.4064
    assert round(found.variance_g, 4) == 451.3626
    assert round(found.r2_reduced, 6) == 0.527363
    assert round(found.r2, 7) == 0.7166608
    assert (found.n1, found.n2, found.n3) == (306, 128, 40)


# numbers by hand


def test_two_phase_by_hand() -> None:
    # plots (1, 1), (2, 2.5), (3, 3) and one more unit at z = 2: slope 1, intercept 1/6, residuals -1/6, 1/3, -1/6;
    # the mean of z is 2 in both phases, so all g-weights are 1.
    found = two_phase([1.0, 2.5, 3.0, np.nan], [1.0, 2.0, 3.0, 2.0], [1, 1, 1, 0])
    assert found.estimate == pytest.approx(13 / 6)
    residual, predicted = 1 / 6, 2 / 3  # sum of squared residuals; variance of the four predictions
    assert found.variance_g == pytest.approx(residual / 9 + predicted / 4)
    assert found.variance_external == pytest.approx(residual / 2 / 3 + predicted / 4)


def test_two_phase_by_g_weights() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(10, 2, (50, 2))
    ground = np.arange(50) < 20
    y = np.where(ground, 5 + z @ [1.0, -2.0] + rng.normal(0, 1, 50), np.nan)
    found = two_phase(y, z, ground)
    design = np.column_stack([np.ones(50), z])
    inner, mean = design[ground], design.mean(axis=0)
    g = mean @ np.linalg.inv(inner.T @ inner / 20) @ inner.T
    residual = y[ground] - inner @ np.linalg.lstsq(inner, y[ground], rcond=None)[0]
    predicted = design @ found.coefficients.to_numpy()
    assert found.estimate == pytest.approx(np.mean(g * y[ground]))
    expected = (g**2 * residual**2).sum() / 400 + predicted.var(ddof=1) / 50
    assert found.variance_g == pytest.approx(expected)
    assert g @ inner / 20 == pytest.approx(mean)


def test_clusters_as_mandallaz_writes_them() -> None:
    # eq. 64-67 of the 2013 technical report, cluster by cluster
    plots = clustered(np.random.default_rng(5))
    found = two_phase(
        plots["y"], plots[["z"]], plots["ground"], boundary_weights=plots["weight"], cluster=plots["group"]
    )
    rows = []
    for _, group in plots.groupby("group"):
        z = np.average(group["z"], weights=group["weight"])
        rows.append((len(group), z, group["y"].mean(), bool(group["ground"].all())))
    m, z, y, ground = (np.array(column) for column in zip(*rows, strict=True))
    design = np.column_stack([np.ones(len(m)), z])
    d2, m2, y2 = design[ground], m[ground], y[ground]
    a = np.linalg.inv((d2.T * m2) @ d2 / len(m2))
    beta = a @ (d2.T @ (m2 * y2)) / len(m2)
    residual = y2 - d2 @ beta
    cov_beta = a @ ((d2.T * (m2 * residual) ** 2) @ d2 / len(m2) ** 2) @ a
    mean = np.average(design, axis=0, weights=m)
    away = (design - mean) * (m / m.mean())[:, None]
    cov_mean = away.T @ away / (len(m) * (len(m) - 1))
    assert found.estimate == pytest.approx(mean @ beta)
    assert found.variance_g == pytest.approx(mean @ cov_beta @ mean + beta @ cov_mean @ beta)
    predicted = design @ beta
    between = ((m / m.mean()) ** 2 * (predicted - np.average(predicted, weights=m)) ** 2).sum() / (60 * 59)
    error = ((m2 / m2.mean()) ** 2 * (residual - np.average(residual, weights=m2)) ** 2).sum() / (25 * 24)
    assert found.variance_external == pytest.approx(between + error)
    assert (found.n1, found.n2) == (60, 25)


def test_exact_means_with_clusters() -> None:
    plots = clustered(np.random.default_rng(6))
    found = two_phase(plots["y"], plots[["z"]], plots["ground"], true_means={"z": 0.1}, cluster=plots["group"])
    sampled = two_phase(plots["y"], plots[["z"]], plots["ground"], cluster=plots["group"])
    assert found.estimate == pytest.approx(sampled.coefficients.to_numpy() @ [1.0, 0.1])
    assert found.variance_g < sampled.variance_g


def test_clusters_of_one_plot_are_plots() -> None:
    plots = clustered(np.random.default_rng(7))
    single = two_phase(plots["y"], plots[["z"]], plots["ground"])
    ones = two_phase(plots["y"], plots[["z"]], plots["ground"], cluster=np.arange(len(plots)))
    for name in ("estimate", "variance_g", "variance_external", "r2", "n1", "n2", "df"):
        assert getattr(ones, name) == pytest.approx(getattr(single, name))


def test_without_auxiliaries_clusters_give_the_one_phase_mean() -> None:
    plots = clustered(np.random.default_rng(8))
    ground = plots[plots["ground"]]
    nothing = pd.DataFrame(index=range(len(plots)))
    found = two_phase(plots["y"], nothing, plots["ground"], cluster=plots["group"])
    alone = horvitz_thompson(ground["y"], cluster=ground["group"])
    assert found.estimate == pytest.approx(alone.estimate)
    assert found.variance_external == pytest.approx(alone.variance)


def test_three_phases_by_their_formula() -> None:
    rng = np.random.default_rng(9)
    z = rng.normal(0, 1, (200, 2))
    phase = np.repeat([3, 2, 1], [30, 60, 110])
    y = np.where(phase == 3, 4 + z @ [2.0, 1.0] + rng.normal(0, 1, 200), np.nan)
    found = three_phase(y, z[:, :1], np.where(phase[:, None] >= 2, z, np.nan), phase)
    one = np.ones((200, 1))
    d0, d = np.hstack([one, z[:, :1]]), np.hstack([one, z])
    s2, s3 = phase >= 2, phase == 3
    alpha = np.linalg.lstsq(d0[s3], y[s3], rcond=None)[0]
    beta = np.linalg.lstsq(d[s3], y[s3], rcond=None)[0]
    expected = (d0.mean(axis=0) - d0[s2].mean(axis=0)) @ alpha + d[s2].mean(axis=0) @ beta
    assert found.estimate == pytest.approx(expected)
    r0, r = y[s3] - d0[s3] @ alpha, y[s3] - d[s3] @ beta
    external = (d0 @ alpha).var(ddof=1) / 200 + r0.var(ddof=1) / 90 + (1 - 30 / 90) * r.var(ddof=1) / 30
    assert found.variance_external == pytest.approx(external)
    g0 = d0.mean(axis=0) @ np.linalg.inv(d0[s2].T @ d0[s2] / 90) @ d0[s3].T
    g = d[s2].mean(axis=0) @ np.linalg.inv(d[s3].T @ d[s3] / 30) @ d[s3].T
    variance_g = (
        (d0 @ alpha).var(ddof=1) / 200 + (g0**2 * r0**2).sum() / (90 * 30) + (1 - 30 / 90) * (g**2 * r**2).sum() / 30**2
    )
    assert found.variance_g == pytest.approx(variance_g)


def test_three_phases_in_clusters_by_their_formula() -> None:
    plots = clustered(np.random.default_rng(10))
    phase = np.select([plots["group"] < 25, plots["group"] < 45], [3, 2], 1)
    full = plots[["z"]].assign(old=plots["kind"] == "old")
    found = three_phase(plots["y"], plots[["z"]], full, phase, cluster=plots["group"])
    size = plots.groupby("group").size().to_numpy()
    mean = full.astype(float).assign(y=plots["y"]).groupby(plots["group"]).mean()
    d0 = np.column_stack([np.ones(60), mean["z"]])
    d = np.column_stack([d0, mean["old"]])
    s3, s2 = np.arange(60) < 25, np.arange(60) < 45
    y, m = mean["y"].to_numpy()[s3], size[s3]

    def fit(design: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inner = design[s3]
        a = np.linalg.inv((inner.T * m) @ inner / 25)
        beta = a @ (inner.T @ (m * y)) / 25
        residual = y - inner @ beta
        return beta, residual, a @ ((inner.T * (m * residual) ** 2) @ inner / 25**2) @ a

    (alpha, r0, cov0), (beta, r, cov) = fit(d0), fit(d)
    z0, z02 = np.average(d0, axis=0, weights=size), np.average(d0[s2], axis=0, weights=size[s2])
    z2 = np.average(d[s2], axis=0, weights=size[s2])
    assert found.estimate == pytest.approx((z0 - z02) @ alpha + z2 @ beta)
    away = (d0 - z0) * (size / size.mean())[:, None]
    first = alpha @ (away.T @ away / (60 * 59)) @ alpha
    assert found.variance_g == pytest.approx(first + 25 / 45 * z0 @ cov0 @ z0 + (1 - 25 / 45) * z2 @ cov @ z2)

    def spread(values: np.ndarray) -> float:
        return float(((m / m.mean()) ** 2 * (values - np.average(values, weights=m)) ** 2).sum())

    external = first + spread(r0) / (45 * 24) + (1 - 25 / 45) * spread(r) / (25 * 24)
    assert found.variance_external == pytest.approx(external)
    assert (found.n1, found.n2, found.n3) == (60, 45, 25)


def test_three_phases_with_exact_means_have_no_first_phase_variance() -> None:
    rng = np.random.default_rng(11)
    z = rng.normal(0, 1, (90, 2))
    phase = np.repeat([3, 2], [30, 60])
    y = np.where(phase == 3, 4 + z @ [2.0, 1.0] + rng.normal(0, 1, 90), np.nan)
    found = three_phase(y, z[:, :1], z, phase, true_means=[0.0])
    d0, d, s3 = np.column_stack([np.ones(90), z[:, 0]]), np.column_stack([np.ones(90), z]), phase == 3
    r0 = y[s3] - d0[s3] @ found.coefficients_reduced.to_numpy()
    r = y[s3] - d[s3] @ found.coefficients.to_numpy()
    # published with n, not n - 1, in this case
    expected = (r0**2).sum() / (90 * 30) + (1 - 30 / 90) * (r**2).sum() / 30**2
    assert found.variance_external == pytest.approx(expected)


def test_all_units_in_phase_2_leaves_the_reduced_model_out() -> None:
    rng = np.random.default_rng(12)
    z = rng.normal(0, 1, (90, 2))
    ground = np.arange(90) < 30
    y = np.where(ground, 4 + z @ [2.0, 1.0] + rng.normal(0, 1, 90), np.nan)
    three = three_phase(y, z[:, :1], z, np.where(ground, 3, 2))
    two = two_phase(y, z, ground)
    assert three.estimate == pytest.approx(two.estimate)


# categories, collinearity, missing values


def test_text_columns_become_indicators_and_equal_post_stratification() -> None:
    plots = clustered(np.random.default_rng(13))
    found = two_phase(plots["y"], plots[["kind"]], plots["ground"])
    ground = plots[plots["ground"]]
    share = plots["kind"].value_counts(normalize=True)
    expected = (ground.groupby("kind")["y"].mean() * share).sum()
    assert found.estimate == pytest.approx(expected)
    assert list(found.coefficients.index) == ["Intercept", "kindyoung"]


def test_a_full_set_of_indicators_is_the_same_model() -> None:
    plots = clustered(np.random.default_rng(14))
    full = two_phase(plots["y"], pd.get_dummies(plots["kind"]), plots["ground"])
    text = two_phase(plots["y"], plots[["kind"]], plots["ground"])
    assert full.estimate == pytest.approx(text.estimate)
    assert full.variance_g == pytest.approx(text.variance_g)


def test_collinear_auxiliaries_are_dropped_with_a_note() -> None:
    plots = clustered(np.random.default_rng(15))
    double = plots[["z"]].assign(again=2 * plots["z"] - 1)
    found = two_phase(plots["y"], double, plots["ground"])
    plain = two_phase(plots["y"], plots[["z"]], plots["ground"])
    assert found.estimate == pytest.approx(plain.estimate)
    assert "again" in found.notes[0].text("en")
    assert "again" in found.notes[0].text("zh")


def test_true_means_by_name_ignore_order_and_intercept() -> None:
    plots = clustered(np.random.default_rng(16)).assign(x2=lambda d: d["z"] ** 2)
    by_name = two_phase(
        plots["y"], plots[["z", "x2"]], plots["ground"], true_means={"x2": 2.0, "z": 0.1, "Intercept": 1}
    )
    by_place = two_phase(plots["y"], plots[["z", "x2"]], plots["ground"], true_means=[1, 0.1, 2.0])
    assert by_name.estimate == pytest.approx(by_place.estimate)


def test_units_without_auxiliaries_are_left_out_with_a_note() -> None:
    plots = clustered(np.random.default_rng(17))
    z = plots["z"].to_numpy().copy()
    z[[0, len(z) - 1]] = np.nan
    found = two_phase(plots["y"], z, plots["ground"])
    rest = ~np.isnan(z)
    expected = two_phase(plots["y"][rest], z[rest], plots["ground"][rest])
    assert found.estimate == expected.estimate
    assert dict(found.notes[0].fields) == {"count": 2, "ground": 1}


def test_three_phase_units_without_the_full_set_serve_phase_1() -> None:
    rng = np.random.default_rng(18)
    z = rng.normal(0, 1, (60, 2))
    phase = np.repeat([3, 2, 1], 20)
    y = np.where(phase == 3, z.sum(axis=1) + rng.normal(0, 1, 60), np.nan)
    holes = z.copy()
    holes[0, 1] = np.nan
    found = three_phase(y, z[:, :1], holes, phase)
    moved = phase.copy()
    moved[0] = 1
    expected = three_phase(np.where(moved == 3, y, np.nan), z[:, :1], z, moved)
    assert found.estimate == pytest.approx(expected.estimate)
    assert found.notes[0].key == "estimate.note_units_demoted"


# what is refused


def refusal(message: str, **change: Any) -> None:
    given: dict[str, Any] = {
        "y": [1.0, 2.5, 3.0, 4.0, np.nan],
        "z": [1.0, 2.0, 3.0, 3.5, 2.0],
        "phase2": [1, 1, 1, 1, 0],
    }
    given.update(change)
    with pytest.raises(InputError, match=message):
        two_phase(**given)


def test_a_ground_plot_without_response_is_refused() -> None:
    refusal("y is missing for 1 units that are marked as ground plots, the first in row 4", phase2=[1, 1, 1, 1, 1])


def test_too_few_ground_plots_are_refused() -> None:
    refusal("at least 2 are needed", phase2=[1, 0, 0, 0, 0])


def test_more_coefficients_than_plots_are_refused() -> None:
    refusal("4 coefficients", z=np.random.default_rng(0).normal(size=(5, 3)))


def test_phase_flags_other_than_true_and_false_are_refused() -> None:
    refusal("holds 2.0", phase2=[2, 2, 2, 2, 1])


def test_true_means_of_the_wrong_number_are_refused() -> None:
    refusal("3 means for 1 auxiliaries", true_means=[1, 2, 3])


def test_a_missing_true_mean_is_refused_by_name() -> None:
    refusal("lacks a finite mean for: z", z=pd.DataFrame({"z": [1.0, 2, 3, 3.5, 2]}), true_means={"other": 1.0})
    refusal("lacks a finite mean for: x1", true_means=[np.nan])


def test_boundary_weights_outside_0_to_1_are_refused() -> None:
    refusal("row 2 .* is 1.5", boundary_weights=[1, 1, 1.5, 1, 1])
    refusal("below what is possible", boundary_weights=[1, 1, -0.5, 1, 1])
    refusal("not all of them 0", boundary_weights=[0, 0, 0, 0, 0])


def test_a_cluster_in_two_phases_is_refused() -> None:
    refusal("cluster b", cluster=["a", "a", "c", "b", "b"])


def test_a_cluster_without_forest_is_refused() -> None:
    refusal(
        "all boundary weights of cluster b are 0", cluster=["a", "b", "c", "d", "e"], boundary_weights=[1, 0, 1, 1, 1]
    )


def test_unknown_phases_are_refused() -> None:
    with pytest.raises(InputError, match=r"phase is 4\.0 in row 1"):
        three_phase([1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [3, 4])


def test_three_phases_without_ground_plots_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        three_phase([np.nan] * 3, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1, 2, 2])


# properties


@given(seed=st.integers(0, 10**6), factor=st.floats(0.01, 1000), shift=st.floats(-100, 100))
@settings(max_examples=25, deadline=None)
def test_units_of_the_response_carry_through(seed: int, factor: float, shift: float) -> None:
    plots = clustered(np.random.default_rng(seed))
    plain = two_phase(plots["y"], plots[["z"]], plots["ground"], cluster=plots["group"])
    moved = two_phase(plots["y"] * factor + shift, plots[["z"]], plots["ground"], cluster=plots["group"])
    assert moved.estimate == pytest.approx(plain.estimate * factor + shift, rel=1e-9, abs=1e-8)
    assert moved.se == pytest.approx(plain.se * factor, rel=1e-8)


@given(seed=st.integers(0, 10**6), factor=st.floats(0.001, 1000))
@settings(max_examples=25, deadline=None)
def test_units_of_the_auxiliary_do_not_matter(seed: int, factor: float) -> None:
    plots = clustered(np.random.default_rng(seed))
    plain = two_phase(plots["y"], plots[["z"]], plots["ground"])
    other = two_phase(plots["y"], plots[["z"]] * factor + 7, plots["ground"])
    assert other.estimate == pytest.approx(plain.estimate, rel=1e-8)
    assert other.variance_g == pytest.approx(plain.variance_g, rel=1e-7)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plots = clustered(rng)
    mixed = plots.sample(frac=1.0, random_state=rng)
    arguments = [(d["y"], d[["z", "kind"]], d["ground"], None, d["weight"], d["group"]) for d in (plots, mixed)]
    first, second = (two_phase(*args) for args in arguments)
    assert first.estimate == pytest.approx(second.estimate, rel=1e-10)
    assert first.variance_g == pytest.approx(second.variance_g, rel=1e-9)


def test_a_perfect_model_leaves_only_the_first_phase() -> None:
    z = np.linspace(0, 1, 40)
    ground = np.arange(40) % 3 == 0
    y = np.where(ground, 3 + 2 * z, np.nan)
    sampled = two_phase(y, z, ground)
    exact = two_phase(y, z, ground, true_means=[0.5])
    assert exact.estimate == pytest.approx(4.0)
    assert exact.variance == pytest.approx(0.0, abs=1e-25)
    assert sampled.variance == pytest.approx((2 * z).var(ddof=1) / 40)


def test_intervals_hold_for_clusters() -> None:
    # a large population of clusters; 150 in the large phase, 50 with ground plots, 200 draws
    rng = np.random.default_rng(19)
    size = rng.integers(1, 6, 20000)
    group = np.repeat(np.arange(20000), size)
    level = rng.normal(0, 2, 20000)[group]
    z = level + rng.normal(0, 1, len(group))
    y = 30 + 3 * z + rng.normal(0, 4, 20000)[group] + rng.normal(0, 4, len(group))
    start = np.concatenate([[0], np.cumsum(size)])
    hits, estimates, errors = 0, [], []
    for _ in range(200):
        drawn = rng.choice(20000, 150, replace=False)
        rows = np.concatenate([np.arange(start[c], start[c + 1]) for c in drawn])
        ground = np.isin(group[rows], drawn[:50])
        found = two_phase(np.where(ground, y[rows], np.nan), z[rows], ground, cluster=group[rows])
        low, high = found.interval()
        hits += low <= y.mean() <= high
        estimates.append(found.estimate)
        errors.append(found.se)
    assert 0.92 <= hits / 200 <= 0.99
    assert np.mean(errors) / np.std(estimates) == pytest.approx(1.0, abs=0.1)
