"""Design-based estimates of domains: published numbers, hand calculation, simulation and properties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sinkest.errors import InputError
from sinkest.estimate import smallarea
from sinkest.estimate.result import Estimate
from sinkest.estimate.smallarea import (
    abstain,
    benchmark,
    extended_pseudo_synthetic,
    intervals,
    modified_greg,
    pseudo_small,
    pseudo_synthetic,
    synthetic,
)
from sinkest.estimate.total import two_phase
from sinkest.messages import LANGUAGES, catalogue

METRICS = ["mean", "stddev", "max", "q75"]
# Mandallaz, Breschan & Hill (2013), as used by Hill, Massey & Mandallaz (2021), p. 19
TRUE_MEANS = pd.DataFrame(
    {
        "Intercept": 1.0,
        "mean": [12.85, 12.21, 9.33, 10.45],
        "stddev": [9.31, 9.47, 7.90, 8.36],
        "max": [34.92, 35.36, 28.81, 30.22],
        "q75": [19.77, 19.16, 15.40, 16.91],
    },
    index=list("ABCD"),
)


@pytest.fixture(scope="module")
def grisons(real_data: Path) -> dict:
    table = pd.read_csv(real_data / "inventory" / "forestinventory_grisons.csv")
    return {
        "y": table["tvol"],
        "z": table[METRICS],
        "phase2": table["phase_id_2p"] == 2,
        "domain": table["smallarea"],
        "boundary_weights": table["boundary_weights"],
    }


@pytest.fixture(scope="module")
def golden(real_data: Path) -> dict:
    return json.loads((real_data / "golden.json").read_text())


def two_phase_sample(seed: int = 1, n: int = 120) -> dict:
    rng = np.random.default_rng(seed)
    z = rng.normal(10, 3, (n, 2))
    domain = rng.choice(list("abc"), n)
    y = 5 + 2 * z[:, 0] - z[:, 1] + (domain == "b") * 3 + rng.normal(0, 2, n)
    phase2 = np.arange(n) % 3 == 0
    return {"y": np.where(phase2, y, np.nan), "z": z, "phase2": phase2, "domain": domain}


# Published numbers


@pytest.mark.parametrize("area", ["A", "B"])
def test_pseudo_small_is_as_published(grisons: dict, golden: dict, area: str) -> None:
    published = golden["forestinventory_grisons_psmall"][area]
    row = pseudo_small(**grisons).loc[area]
    assert row["estimate"] == pytest.approx(published[0], abs=5e-5)
    assert row["variance_external"] == pytest.approx(published[1], abs=5e-4)
    assert row["variance_g"] == pytest.approx(published[2], abs=5e-4)
    assert (row["n1"], row["n2"]) == (published[3], published[4])


# C and D: the comparison vignette of the R package maSAE prints the full table of the same call
@pytest.mark.parametrize(
    ("area", "estimate", "external", "g"),
    [
        ("A", 391.9356, 995.5602, 1017.633),
        ("B", 419.7231, 1214.6053, 1019.191),
        ("C", 328.8600, 916.2266, 1036.791),
        ("D", 373.9497, 1272.7056, 1110.245),
    ],
)
def test_extended_pseudo_synthetic_is_as_published(
    grisons: dict, area: str, estimate: float, external: float, g: float
) -> None:
    row = extended_pseudo_synthetic(**grisons).loc[area]
    assert row["estimate"] == pytest.approx(estimate, abs=6e-5)
    assert row["variance_external"] == pytest.approx(external, abs=6e-5)
    assert row["variance_g"] == pytest.approx(g, abs=6e-4)


def test_intervals_of_extended_pseudo_synthetic_are_as_published(grisons: dict, golden: dict) -> None:
    table = intervals(extended_pseudo_synthetic(**grisons))
    for area in "AB":
        published = golden["forestinventory_grisons_extpsynth"][f"ci95_g_{area}"]
        assert table.loc[area, ["low", "high"]].tolist() == pytest.approx(published, abs=6e-5)
    external = intervals(extended_pseudo_synthetic(**grisons), variance="variance_external")
    assert external.loc["A", ["low", "high"]].tolist() == pytest.approx([325.6463, 458.2250], abs=6e-5)


@pytest.mark.parametrize("area", ["A", "B"])
def test_pseudo_synthetic_is_as_published(grisons: dict, golden: dict, area: str) -> None:
    row = pseudo_synthetic(**grisons).loc[area]
    estimate, variance = golden["forestinventory_grisons_psynth"][area]
    assert row["estimate"] == pytest.approx(estimate, abs=5e-5)
    assert row["variance_g"] == pytest.approx(variance, abs=5e-5)
    assert np.isnan(row["variance_external"])


@pytest.mark.parametrize(
    ("area", "estimate", "external", "g", "n2"),
    [
        ("A", 372.6930, 744.3658, 696.5739, 19),
        ("B", 387.5116, 693.8576, 708.1105, 17),
        ("C", 334.8314, 838.3953, 801.4303, 15),
        ("D", 405.9667, 940.3149, 890.9536, 16),
    ],
)
def test_extended_synthetic_with_known_means_is_as_published(
    grisons: dict, area: str, estimate: float, external: float, g: float, n2: int
) -> None:
    given = {key: value for key, value in grisons.items() if key != "boundary_weights"}
    row = extended_pseudo_synthetic(**given, true_means=TRUE_MEANS).loc[area]
    assert row["estimate"] == pytest.approx(estimate, abs=6e-5)
    assert row["variance_external"] == pytest.approx(external, abs=6e-5)
    assert row["variance_g"] == pytest.approx(g, abs=6e-5)
    assert (row["n1"], row["n2"]) == (np.inf, n2)


# maSAE's comparison vignette (2020), means of max and q75 known only
@pytest.mark.parametrize(
    ("estimator", "published"),
    [
        (extended_pseudo_synthetic, {"A": (371.0402, 712.3895), "B": (398.9159, 944.4190), "D": (384.7398, 999.1490)}),
        (pseudo_synthetic, {"A": (401.8953, 287.3151), "B": (398.5562, 303.4478), "D": (345.1298, 227.8379)}),
        (pseudo_small, {"A": (373.9803, 1048.5674), "B": (399.4579, 996.5841), "D": (380.9174, 1203.8859)}),
    ],
)
def test_means_known_for_some_auxiliaries_are_used_as_published(grisons: dict, estimator, published: dict) -> None:
    given = {key: value for key, value in grisons.items() if key != "boundary_weights"}
    table = estimator(**given, true_means=TRUE_MEANS[["Intercept", "max", "q75"]])
    for area, (estimate, variance) in published.items():
        assert table.loc[area, "estimate"] == pytest.approx(estimate, abs=6e-5)
        assert table.loc[area, "variance_g"] == pytest.approx(variance, abs=6e-5)


def test_one_known_mean_gives_the_published_three_phase_numbers(real_data: Path) -> None:
    # Hill, Massey & Mandallaz (2021), p. 25: extsynth_3p with boundary weights
    table = pd.read_csv(real_data / "inventory" / "forestinventory_grisons.csv")
    table = table[table["phase_id_3p"] > 0]
    found = extended_pseudo_synthetic(
        table["tvol.3p"],
        table[METRICS],
        table["phase_id_3p"] == 2,
        table["smallarea"],
        TRUE_MEANS[["mean"]],
        table["boundary_weights"],
    )
    assert found.loc["A", ["estimate", "variance_external", "variance_g"]].tolist() == pytest.approx(
        [382.6405, 1642.0551, 1518.7407], abs=6e-5
    )
    assert found.loc["A", ["n1", "n2"]].tolist() == [38, 12]


# mase's own test snapshot of its modified GREG with tcc and elev
@pytest.mark.parametrize(
    ("county", "mean", "variance"),
    [
        (16003, 82.47278, 130.3668),
        (16055, 89.64791, 108.4103),
        (16079, 150.7328, 98.38233),
        (16073, 33.46803, 0.9713034),
    ],
)
def test_modified_greg_of_idaho_counties_is_as_published(
    real_data: Path, county: int, mean: float, variance: float
) -> None:
    sample = pd.read_csv(real_data / "inventory" / "mase_IdahoSamp.csv")
    population = pd.read_csv(real_data / "inventory" / "mase_IdahoPop.csv").set_index("COUNTYFIPS")
    table = modified_greg(
        sample["BA_TPA_ADJ"],
        sample[["tcc", "elev"]],
        sample["COUNTYFIPS"],
        population[["tcc", "elev"]],
        population["npixels"],
    )
    assert table.loc[county, "estimate"] == pytest.approx(mean, rel=1e-6)
    assert table.loc[county, "variance"] == pytest.approx(variance, rel=1e-6)
    assert table.loc[16001, "estimate"] == pytest.approx(32.87072, rel=1e-6)
    assert np.isnan(table.loc[16001, "variance"])
    assert table.loc[16001, "note"] == "smallarea.one_plot_in_domain"


# Hand calculation


def test_synthetic_by_hand() -> None:
    # y = 1 + 2 z exactly on four plots, so beta = (1, 2), residuals 0; domain b has first-phase z 1, 2, 6: mean 3
    # estimate 1 + 2 * 3 = 7; variance beta' Cov(Z) beta = 4 * (4 + 1 + 9) / (3 * 2) = 28 / 3
    z = [0.0, 1.0, 2.0, 3.0, 1.0, 2.0, 6.0]
    y = [1.0, 3.0, 5.0, 7.0, np.nan, np.nan, np.nan]
    row = pseudo_synthetic(y, z, [1, 1, 1, 1, 0, 0, 0], list("aaaabbb")).loc["b"]
    assert row["estimate"] == pytest.approx(7.0)
    assert row["variance_g"] == pytest.approx(28 / 3)
    assert (row["n1"], row["n2"]) == (3, 0)


def test_pseudo_small_by_hand() -> None:
    # no slope in the model: z is 0 everywhere but on plots outside; intercept model on y = 2, 4, 6, 8: mean 5
    # residuals -3, -1, 1, 3; Cov(beta) = sum R^2 / n^2 = 20 / 16; domain a has residuals -3, -1: mean -2, s^2 2
    # estimate 5 - 2 = 3; variance 20 / 16 + 2 / 2 = 2.25, with the domain's mean known exactly
    table = pseudo_small([2.0, 4.0, 6.0, 8.0], np.zeros((4, 1)), [1] * 4, list("aabb"), {"a": [0.0], "b": [0.0]})
    assert table.loc["a", "estimate"] == pytest.approx(3.0)
    assert table.loc["a", "variance_g"] == pytest.approx(2.25)
    assert table.loc["a", "variance_external"] == pytest.approx(1.0)
    assert any(note.key == "estimate.note_dropped_auxiliaries" for note in table.attrs["notes"])


def clusters(seed: int = 5) -> dict:
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(40), rng.integers(1, 6, 40))
    n = len(cluster)
    z = rng.normal(5, 1, (n, 2))
    phase2 = cluster % 2 == 0
    domain = np.where(cluster < 18, "g", "h")
    y = 3 + z @ [2.0, 1.0] + rng.normal(0, 1, 40)[cluster] + rng.normal(0, 0.5, n)
    weight = rng.uniform(0.3, 1.0, n)
    return {
        "y": np.where(phase2, y, np.nan),
        "z": z,
        "phase2": phase2,
        "domain": domain,
        "cluster": cluster,
        "boundary_weights": weight,
    }


def cluster_reference(data: dict, label: str, kind: str) -> tuple[float, float, float]:
    """Mandallaz' equations for clusters, written out unit by unit."""
    y, z, w, ids = data["y"], data["z"], data["boundary_weights"], data["cluster"]
    inside = data["domain"] == label

    def unit(rows: np.ndarray) -> tuple[float, np.ndarray, float]:
        mean_z = (w[rows, None] * z[rows]).sum(axis=0) / w[rows].sum()
        indicator = [inside[rows].mean()] if kind == "extended" else []
        return float(rows.sum()), np.array([1.0, *mean_z, *indicator]), y[rows].mean()

    everything = [unit(ids == c) for c in np.unique(ids)]
    measured = [one for one in everything if not np.isnan(one[2])]
    local = [unit((ids == c) & inside) for c in np.unique(ids[inside])]
    local2 = [one for one in local if not np.isnan(one[2])]
    n2 = len(measured)
    a = sum(m * np.outer(zz, zz) for m, zz, _ in measured) / n2
    beta = np.linalg.solve(a, sum(m * yy * zz for m, zz, yy in measured) / n2)
    middle = sum(m**2 * (yy - zz @ beta) ** 2 * np.outer(zz, zz) for m, zz, yy in measured) / n2**2
    cov = np.linalg.inv(a) @ middle @ np.linalg.inv(a)
    size = np.array([m for m, _, _ in local])
    zbar = sum(m * zz for m, zz, _ in local) / size.sum()
    n1g, n2g = len(local), len(local2)
    covz = sum((m / size.mean()) ** 2 * np.outer(zz - zbar, zz - zbar) for m, zz, _ in local) / (n1g * (n1g - 1))
    estimate, variance = zbar @ beta, zbar @ cov @ zbar + beta @ covz @ beta
    size2 = np.array([m for m, _, _ in local2])
    r = np.array([yy - zz @ beta for _, zz, yy in local2])
    rbar = size2 @ r / size2.sum()
    share = (size2 / size2.mean()) ** 2
    second = (share * (r - rbar) ** 2).sum() / (n2g * (n2g - 1))
    if kind == "small":
        estimate, variance = estimate + rbar, variance + second
    external = (1 - n2g / n1g) * second + (share * r**2).sum() / (n1g * (n2g - 1))
    return float(estimate), float(variance), float(external)


@pytest.mark.parametrize(("estimator", "kind"), [(extended_pseudo_synthetic, "extended"), (pseudo_small, "small")])
@pytest.mark.parametrize("label", ["g", "h"])
def test_clusters_follow_the_equations(estimator, kind: str, label: str) -> None:
    data = clusters()
    row = estimator(**data).loc[label]
    assert row[["estimate", "variance_g", "variance_external"]].tolist() == pytest.approx(
        cluster_reference(data, label, kind), rel=1e-10
    )


def test_clusters_across_a_border_follow_the_equations_and_are_noted() -> None:
    data = clusters()
    data["domain"] = np.where(np.arange(len(data["y"])) < len(data["y"]) // 2, "g", "h")
    assert (
        len(np.unique(data["cluster"][data["domain"] == "g"])) + len(np.unique(data["cluster"][data["domain"] == "h"]))
        > 40
    )
    data["phase2"] = data["cluster"] % 2 == data["cluster"][len(data["y"]) // 2] % 2
    data["y"] = np.where(data["phase2"], np.nan_to_num(data["y"], nan=17.0), np.nan)
    table = extended_pseudo_synthetic(**data)
    assert table.loc["g", "estimate"] == pytest.approx(cluster_reference(data, "g", "extended")[0], rel=1e-10)
    assert table.loc["g", "note"] == "smallarea.cluster_across_domains"


def test_clusters_of_one_plot_are_plots() -> None:
    data = two_phase_sample()
    plots = pseudo_small(**data)
    single = pseudo_small(**data, cluster=np.arange(len(data["y"])), cluster_external="response")
    pd.testing.assert_frame_equal(plots, single)


def test_the_other_external_variance_of_clusters_counts_the_spread_of_the_densities() -> None:
    data = clusters()
    published = extended_pseudo_synthetic(**data).loc["g"]
    full = extended_pseudo_synthetic(**data, cluster_external="response").loc["g"]
    assert full["variance_external"] > published["variance_external"]
    assert published["note"] == "smallarea.external_of_clusters"
    assert full["note"] == ""


def test_the_whole_as_one_domain_is_the_global_estimate() -> None:
    data = two_phase_sample()
    whole = two_phase(data["y"], data["z"], data["phase2"])
    row = pseudo_synthetic(data["y"], data["z"], data["phase2"], np.full(120, "all")).loc["all"]
    assert row["estimate"] == pytest.approx(whole.estimate)
    assert row["variance_g"] == pytest.approx(whole.variance_g)
    extended = extended_pseudo_synthetic(data["y"], data["z"], data["phase2"], np.full(120, "all"))
    assert extended.loc["all", "estimate"] == pytest.approx(whole.estimate)
    assert "indicator of all" in str(extended.attrs["notes"][0])


def test_extended_residuals_average_to_zero_in_the_domain() -> None:
    # then the extended estimate equals mean(Z) theta with the domain's own level: add a constant to y in the domain
    data = two_phase_sample()
    before = extended_pseudo_synthetic(**data)
    data["y"] = data["y"] + 7.0 * (data["domain"] == "b")
    after = extended_pseudo_synthetic(**data)
    assert after.loc["b", "estimate"] - before.loc["b", "estimate"] == pytest.approx(7.0)
    assert after.loc["b", "variance_g"] == pytest.approx(before.loc["b", "variance_g"])


def test_synthetic_without_means_says_what_it_fell_back_on() -> None:
    data = two_phase_sample()
    table = synthetic(**data)
    assert set(table["note"]) == {"smallarea.first_phase_means"}
    assert "first phase" in str(table.attrs["notes"][-1])
    assert table["estimate"].tolist() == pseudo_synthetic(**data)["estimate"].tolist()


def test_synthetic_estimates_domains_without_any_plot() -> None:
    data = two_phase_sample()
    means = pd.DataFrame([[10.0, 10.0], [9.0, 11.0]], index=["a", "nowhere"])
    row = synthetic(**data, true_means=means).loc["nowhere"]
    assert np.isfinite(row["estimate"])
    assert row["variance_g"] > 0
    assert row["n2"] == 0


def test_text_auxiliaries_become_indicators() -> None:
    data = two_phase_sample()
    stage = np.where(data["z"][:, 0] > 10, "old", "young")
    table = pd.DataFrame({"h": data["z"][:, 1], "stage": stage})
    coded = pd.DataFrame({"h": data["z"][:, 1], "young": (stage == "young").astype(float)})
    given = {key: data[key] for key in ("y", "phase2", "domain")}
    pd.testing.assert_frame_equal(pseudo_small(z=table, **given), pseudo_small(z=coded, **given))


# Notes and fallbacks


def test_domains_that_cannot_be_estimated_say_why() -> None:
    data = two_phase_sample()
    data["domain"] = data["domain"].astype(object)
    plots = np.flatnonzero(data["phase2"])
    others = np.flatnonzero(~data["phase2"])
    data["domain"][plots[0]] = "one plot"
    data["domain"][others[:2]] = "one plot"
    data["domain"][others[2:5]] = "no plot"
    data["domain"][others[5]] = "one unit"
    data["domain"][others[6]] = None
    extended = extended_pseudo_synthetic(**data)
    assert extended.loc["no plot", "note"] == "smallarea.no_plots_in_domain"
    assert np.isnan(extended.loc["no plot", "estimate"])
    assert extended.loc["one plot", "note"] == "smallarea.one_plot_in_domain"
    assert np.isfinite(extended.loc["one plot", "estimate"])
    assert np.isnan(extended.loc["one plot", ["variance_g", "variance_external", "se"]].astype(float)).all()
    predicted = pseudo_synthetic(**data)
    assert predicted.loc["one unit", "note"] == "smallarea.one_first_phase_unit"
    assert np.isnan(predicted.loc["one unit", "variance_g"])
    assert np.isfinite(predicted.loc["no plot", "variance_g"])
    assert None not in predicted.index
    assert any("no plot" in str(note) and "no measured plot" in str(note) for note in extended.attrs["notes"])


def test_a_domain_without_any_forest_in_its_supports_has_no_means() -> None:
    data = two_phase_sample()
    weight = np.where(data["domain"] == "a", 0.0, 1.0)
    table = pseudo_synthetic(**data, boundary_weights=weight)
    assert table["note"].to_dict() == {"a": "smallarea.no_first_phase", "b": "", "c": ""}


def test_missing_means_of_a_domain_leave_it_without_estimate() -> None:
    data = two_phase_sample()
    means = pd.DataFrame([[10.0, 10.0], [np.nan, 11.0]], index=["a", "b"])
    table = extended_pseudo_synthetic(**data, true_means=means)
    assert table["note"].to_dict() == {"a": "", "b": "smallarea.no_true_means", "c": "smallarea.no_true_means"}
    assert table["estimate"].notna().tolist() == [True, False, False]


def test_collinear_auxiliaries_are_dropped_with_a_note() -> None:
    data = two_phase_sample()
    plain = extended_pseudo_synthetic(**data)
    data["z"] = np.column_stack([data["z"], data["z"].sum(axis=1)])
    doubled = extended_pseudo_synthetic(**data)
    assert doubled["estimate"].tolist() == pytest.approx(plain["estimate"].tolist())
    assert doubled["variance_g"].tolist() == pytest.approx(plain["variance_g"].tolist())
    assert [note.key for note in doubled.attrs["notes"]] == ["estimate.note_dropped_auxiliaries"]


def test_units_without_auxiliaries_are_left_out_with_a_note() -> None:
    data = two_phase_sample()
    data["z"][1, 0] = np.nan
    table = pseudo_synthetic(**data)
    assert table["n1"].sum() == 119
    assert table.attrs["notes"][0].key == "estimate.note_units_without_auxiliaries"


def test_means_without_common_names_go_by_position_with_a_note() -> None:
    data = two_phase_sample()
    z = pd.DataFrame(data["z"], columns=["u", "v"])
    means = pd.DataFrame({"first": [10.0, 9.0, 11.0], "second": [10.0, 11.0, 12.0]}, index=list("abc"))
    data["z"] = z
    by_position = synthetic(**data, true_means=means)
    assert by_position.attrs["notes"][0].key == "smallarea.matched_by_position"
    by_name = synthetic(**data, true_means=means.rename(columns={"first": "u", "second": "v"})[["v", "u"]])
    assert by_position["estimate"].tolist() == by_name["estimate"].tolist()


@pytest.mark.parametrize("form", ["series", "mapping", "intercept"])
def test_means_come_in_several_forms(form: str) -> None:
    data = two_phase_sample()
    z = data["z"][:, 0]
    means = pd.Series({"a": 10.0, "b": 9.0, "c": 11.0})
    given = {
        "series": means,
        "mapping": means.to_dict(),
        "intercept": pd.DataFrame({"(Intercept)": 1.0, "x": means}),
    }[form]
    plain = synthetic(data["y"], z, data["phase2"], data["domain"], pd.DataFrame({"x": means}))
    found = synthetic(data["y"], z, data["phase2"], data["domain"], given)
    assert found["estimate"].tolist() == plain["estimate"].tolist()


# Input that cannot be used


def bad(**changes) -> dict:
    return {**two_phase_sample(), **changes}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda d: d.update(phase2=np.where(d["phase2"], 2, 0)), "smallarea.not_a_flag"),
        (lambda d: d["y"].__setitem__(0, np.nan), "estimate.response_missing"),
        (lambda d: d.update(boundary_weights=np.full(120, 1.5)), "estimate.boundary_weight"),
        (lambda d: d.update(cluster=np.arange(120) // 4), "estimate.cluster_mixed_phase"),
        (lambda d: d.update(domain=np.full(120, None)), "smallarea.no_domain"),
        (lambda d: d.update(domain=["a"]), "estimate.wrong_length"),
        (lambda d: d.update(cluster_external="none"), "smallarea.unknown_choice"),
        (lambda d: d.update(true_means=pd.DataFrame([[1.0, 2.0]], index=[7])), "smallarea.no_common_domain"),
        (lambda d: d.update(true_means=pd.DataFrame([[1.0, 2.0]] * 2, index=["a", "a"])), "smallarea.duplicate_domain"),
        (lambda d: d.update(true_means=pd.DataFrame([[5.0, 2.0, 3.0]], index=["a"])), "smallarea.missing_means"),
        (lambda d: d.update(true_means=pd.DataFrame([["x", 2.0]], index=["a"])), "estimate.not_numbers"),
        (
            lambda d: d.update(y=np.where(np.arange(120) < 4, 1.0, np.nan), phase2=np.arange(120) < 4),
            "estimate.too_many_auxiliaries",
        ),
    ],
)
def test_bad_samples_are_refused(change, key: str) -> None:
    data = two_phase_sample()
    change(data)
    with pytest.raises(InputError) as caught:
        extended_pseudo_synthetic(**data)
    assert caught.value.key == key
    assert str(caught.value)


def test_intervals_need_their_columns() -> None:
    with pytest.raises(InputError, match="variance_g"):
        intervals(pd.DataFrame({"estimate": [1.0]}))
    normal = intervals(pd.DataFrame({"estimate": [10.0], "variance_g": [4.0]}))
    assert normal.loc[0, "low"] == pytest.approx(10 - 2 * stats.norm.ppf(0.975))


def test_notes_of_the_note_column_need_no_field() -> None:
    for key in (
        "no_true_means",
        "no_first_phase",
        "no_plots_in_domain",
        "one_plot_in_domain",
        "one_first_phase_unit",
        "cluster_across_domains",
        "external_of_clusters",
        "first_phase_means",
        "synthetic_only",
        "too_few_plots",
        "too_uncertain",
        "no_standard_error",
    ):
        for language in LANGUAGES:
            assert "{" not in catalogue()[f"smallarea.{key}"][language]


# Modified GREG


def greg_sample(seed: int = 2) -> dict:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (60, 2))
    domain = rng.choice(["a", "b", "c"], 60)
    return {
        "y": 4 + x @ [1.0, 2.0] + rng.normal(0, 1, 60),
        "x": x,
        "domain": domain,
        "domain_x_mean": pd.DataFrame(rng.normal(0, 0.2, (3, 2)), index=["a", "b", "c"]),
        "domain_size": {"a": 500, "b": 300, "c": 700},
    }


def test_domains_of_modified_greg_add_up_to_the_population() -> None:
    data = greg_sample()
    table = modified_greg(**data)
    size = pd.Series(data["domain_size"])
    x_mean = (data["domain_x_mean"].mul(size, axis=0)).sum() / size.sum()
    design = np.column_stack([np.ones(60), data["x"]])
    beta = np.linalg.lstsq(design, data["y"], rcond=None)[0]
    whole = float(np.array([1.0, *x_mean]) @ beta)  # residuals of least squares sum to zero
    assert (table["estimate"] * size).sum() / size.sum() == pytest.approx(whole)


def test_mean_residual_weighting_is_the_survey_regression_estimator() -> None:
    data = greg_sample()
    table = modified_greg(**data, weighting="domain_mean", fpc=False)
    design = np.column_stack([np.ones(60), data["x"]])
    beta = np.linalg.lstsq(design, data["y"], rcond=None)[0]
    inside = data["domain"] == "b"
    residual = (data["y"] - design @ beta)[inside]
    expected = np.array([1.0, *data["domain_x_mean"].loc["b"]]) @ beta + residual.mean()
    assert table.loc["b", "estimate"] == pytest.approx(expected)
    assert table.loc["b", "variance"] == pytest.approx(residual.var(ddof=1) / len(residual))


def test_modified_greg_of_a_domain_without_spread_borrows_it_and_says_so() -> None:
    # y = x but for +-1 in "b": the slope and the level of all six are 1 and 0, residuals 0, 0, 0 and 1, -2, 1
    y, x = [1.0, 2.0, 3.0, 2.0, 0.0, 4.0], [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
    means, size = {"a": 2.0, "b": 2.0}, {"a": 30, "b": 30}
    table = modified_greg(y, x, list("aaabbb"), means, size, weighting="domain_mean", fpc=False)
    # squares 1 + 4 + 1 over the 6 - 2 degrees of freedom within domains, divided by 3 plots
    assert table.loc["a", "variance"] == pytest.approx(6 / 4 / 3)
    assert table["note"].tolist() == ["smallarea.flat_domain", ""]
    assert table["df"].tolist() == [4.0, 2.0]


def test_modified_greg_of_a_domain_without_plots_is_synthetic_and_says_so() -> None:
    data = greg_sample()
    data["domain_x_mean"].loc["empty"] = [0.5, 0.5]
    data["domain_size"]["empty"] = 100
    row = modified_greg(**data).loc["empty"]
    assert row["estimate"] == row["synthetic"]
    assert np.isnan(row["variance"])
    assert row["note"] == "smallarea.synthetic_only"
    data["domain_x_mean"].loc["c"] = np.nan
    assert modified_greg(**data).loc["c", "note"] == "smallarea.no_true_means"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"weighting": "other"}, "smallarea.unknown_choice"),
        ({"domain_size": {"a": 500, "b": 300}}, "smallarea.no_domain_size"),
        ({"domain_size": {"a": 1, "b": 300, "c": 700}}, "smallarea.domain_size"),
        ({"y": np.full(60, np.nan)}, "estimate.not_finite"),
        ({"domain": np.full(60, None)}, "estimate.missing_label"),
    ],
)
def test_modified_greg_refuses_bad_input(changes: dict, key: str) -> None:
    with pytest.raises(InputError) as caught:
        modified_greg(**{**greg_sample(), **changes})
    assert caught.value.key == key


# Benchmarking and abstention


def test_benchmark_by_hand() -> None:
    # 2 * 10 + 1 * 30 = 50 against 60, gap 10
    estimates, variances, weights = {"a": 10.0, "b": 30.0}, {"a": 1.0, "b": 4.0}, {"a": 2.0, "b": 1.0}
    ratio = benchmark(estimates, variances, 60.0, weights)
    assert ratio["benchmarked"].tolist() == pytest.approx([12.0, 36.0])
    assert ratio["estimate"].tolist() == [10.0, 30.0]
    assert ratio["variance_benchmarked"].tolist() == pytest.approx([1.0 + 4.0, 4.0 + 36.0])
    flat = benchmark(estimates, variances, 60.0, weights, method="difference")
    assert flat["adjustment"].tolist() == pytest.approx([10 / 3, 10 / 3])
    # w v = 2, 4; sum w^2 v = 4 + 4 = 8
    best = benchmark(estimates, variances, 60.0, weights, method="variance")
    assert best["adjustment"].tolist() == pytest.approx([2.5, 5.0])


@given(
    st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(0.01, 100), st.floats(0.1, 50)), min_size=1, max_size=9),
    st.floats(1.0, 1e5),
    st.sampled_from(["ratio", "difference", "variance"]),
)
@settings(max_examples=60, deadline=None)
def test_benchmarked_counties_add_up_to_the_city(rows: list, total: float, method: str) -> None:
    y, v, w = (pd.Series(column) for column in zip(*rows, strict=True))
    table = benchmark(y, v, Estimate(estimate=total, variance=1.0, n=9, method="x"), w, method=method)
    assert (table["benchmarked"] * table["weight"]).sum() == pytest.approx(total, rel=1e-9)
    assert (table["variance_benchmarked"] >= table["variance"]).all()


def test_benchmark_falls_back_visibly() -> None:
    mixed = benchmark({"a": -1.0, "b": 2.0}, {"a": 1.0, "b": 1.0}, 5.0)
    assert mixed.attrs["notes"][0].key == "smallarea.ratio_not_possible"
    assert mixed["benchmarked"].sum() == pytest.approx(5.0)
    blind = benchmark({"a": 1.0, "b": 2.0}, {"a": np.nan, "b": 0.0}, 5.0, method="variance")
    assert blind.attrs["notes"][0].key == "smallarea.variance_not_possible"
    one = benchmark({"a": 1.0, "b": 2.0}, {"a": np.nan, "b": 1.0}, 5.0, method="variance")
    assert one["adjustment"].tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (({"a": 1.0}, {"a": 1.0}, 2.0, None, "other"), "smallarea.unknown_choice"),
        (({}, {}, 2.0, None, "ratio"), "smallarea.no_domain"),
        (({"a": 1.0}, {"a": -1.0}, 2.0, None, "ratio"), "smallarea.negative_variance"),
        (({"a": 1.0}, {"b": 1.0}, 2.0, None, "ratio"), "smallarea.domains_differ"),
        (({"a": 1.0}, {"a": 1.0}, 2.0, {"a": 0.0}, "ratio"), "smallarea.weight_not_positive"),
        (({"a": 1.0}, {"a": 1.0}, np.nan, None, "ratio"), "smallarea.total_missing"),
        (({"a": np.nan}, {"a": 1.0}, 2.0, None, "ratio"), "estimate.bad_value"),
    ],
)
def test_benchmark_refuses_bad_input(arguments: tuple, key: str) -> None:
    with pytest.raises(InputError) as caught:
        benchmark(*arguments[:4], method=arguments[4])
    assert caught.value.key == key


def test_abstention_gives_its_reason() -> None:
    table = pd.DataFrame(
        {
            "estimate": [100.0, 100.0, 100.0, np.nan, 100.0],
            "se": [10.0, 10.0, 40.0, np.nan, np.nan],
            "n": [30, 9, 30, 30, 30],
            "note": ["", "", "", "smallarea.no_true_means", ""],
        }
    )
    found = abstain(table)
    assert found["status"].tolist() == ["ok", "insufficient", "declined", "declined", "declined"]
    assert found["note"].tolist() == [
        "",
        "smallarea.too_few_plots",
        "smallarea.too_uncertain",
        "smallarea.no_true_means",
        "smallarea.no_standard_error",
    ]
    assert found["estimate"].equals(table["estimate"])
    assert abstain(table, min_n=5, max_relative_se=None)["status"].tolist()[:3] == ["ok"] * 3


def test_abstention_refuses_bad_input() -> None:
    table = pd.DataFrame({"estimate": [1.0], "se": [1.0], "n": [3]})
    with pytest.raises(InputError, match="lacks the columns se"):
        abstain(table.drop(columns="se"))
    with pytest.raises(InputError, match="positive"):
        abstain(table, max_relative_se=-1)


# Properties


@given(st.integers(0, 10_000), st.sampled_from(["pseudo_synthetic", "extended_pseudo_synthetic", "pseudo_small"]))
@settings(max_examples=25, deadline=None)
def test_order_of_rows_and_unit_do_not_matter(seed: int, name: str) -> None:
    data = two_phase_sample(seed)
    estimator = getattr(smallarea, name)
    table = estimator(**data)
    order = np.random.default_rng(seed).permutation(120)
    shuffled = {key: np.asarray(value)[order] for key, value in data.items()}
    shuffled["y"] = shuffled["y"] * 1000
    again = estimator(**shuffled)
    assert again.index.tolist() == table.index.tolist()
    assert again["estimate"].tolist() == pytest.approx((table["estimate"] * 1000).tolist())
    assert again["se"].tolist() == pytest.approx((table["se"] * 1000).tolist())


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_useless_auxiliary_shifts_nothing_beyond_its_error(seed: int) -> None:
    data = two_phase_sample(seed)
    table = pseudo_small(**data)
    noise = np.random.default_rng(seed + 1).normal(size=120)
    more = pseudo_small(**{**data, "z": np.column_stack([data["z"], noise])})
    assert (abs(more["estimate"] - table["estimate"]) < 3 * table["se"]).all()


def test_a_perfect_model_with_known_means_has_no_error() -> None:
    data = two_phase_sample()
    data["y"] = np.where(data["phase2"], 1 + data["z"] @ [2.0, 3.0], np.nan)
    means = pd.DataFrame([[10.0, 9.0]], index=["a"])
    for estimator in (synthetic, extended_pseudo_synthetic, pseudo_small):
        row = estimator(**data, true_means=means).loc["a"]
        assert row["estimate"] == pytest.approx(1 + 20 + 27)
        assert row["variance_g"] == pytest.approx(0.0, abs=1e-18)


# Simulation


def test_intervals_hold_the_truth_in_repeated_samples() -> None:
    # 4,000 plots in two domains, one of which is off the model by 6; 120 two-phase samples with replacement
    rng = np.random.default_rng(11)
    z = rng.gamma(4, 3, 4000)
    domain = np.where(np.arange(4000) < 800, "small", "rest")
    y = 20 + 3 * z + 6 * (domain == "small") + rng.normal(0, 8, 4000)
    truth = y[:800].mean()
    found = {name: [] for name in ("extended_pseudo_synthetic", "pseudo_small", "pseudo_synthetic")}
    for _ in range(120):
        first = rng.choice(4000, 400)
        phase2 = np.arange(400) < 100
        for name, kept in found.items():
            table = getattr(smallarea, name)(np.where(phase2, y[first], np.nan), z[first], phase2, domain[first])
            row = intervals(table).loc["small"]
            kept.append((row["estimate"], row["se"], row["low"] <= truth <= row["high"]))
    # pseudo_small adds the error of the coefficients to that of the residuals, although they partly cancel
    for name, most in (("extended_pseudo_synthetic", 1.12), ("pseudo_small", 1.3)):
        estimate, se, inside = np.array(found[name], dtype=float).T
        assert abs(estimate.mean() / truth - 1) < 0.01
        assert 0.88 <= np.sqrt((se**2).mean()) / estimate.std() <= most
        assert inside.mean() >= 0.90
    # the synthetic estimate misses the domain's own level, and its interval does not know
    estimate, _, inside = np.array(found["pseudo_synthetic"], dtype=float).T
    assert estimate.mean() < truth - 3
    assert inside.mean() < 0.7


def test_modified_greg_holds_the_truth_in_repeated_samples() -> None:
    rng = np.random.default_rng(12)
    x = rng.gamma(4, 3, 5000)
    domain = rng.choice(["a", "b", "c"], 5000, p=[0.2, 0.3, 0.5])
    y = 10 + 2 * x + rng.normal(0, 6, 5000)
    means = pd.DataFrame({"x": pd.Series(x).groupby(domain).mean()})
    size = pd.Series(domain).value_counts().to_dict()
    truth = pd.Series(y).groupby(domain).mean()
    for weighting in ("expansion", "domain_mean"):
        rows = []
        for _ in range(100):
            s = rng.choice(5000, 150, replace=False)
            table = intervals(
                modified_greg(y[s], x[s], domain[s], means, size, weighting=weighting), variance="variance"
            )
            rows.append([table["estimate"], table["se"], (table["low"] <= truth) & (truth <= table["high"])])
        estimate, se, inside = (np.array([np.asarray(r[i], dtype=float) for r in rows]) for i in range(3))
        assert (abs(estimate.mean(axis=0) / truth.to_numpy() - 1) < 0.01).all()
        ratio = np.sqrt((se**2).mean(axis=0)) / estimate.std(axis=0)
        assert ((ratio > 0.85) & (ratio < 1.18)).all()
        assert (inside.mean(axis=0) > 0.89).all()
