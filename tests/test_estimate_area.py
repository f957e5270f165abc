"""Areas and accuracies from reference samples: published numbers, numbers by hand, properties, and what is refused."""

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
from sinkest.estimate import area

Z95 = 1.959963984540054

# Stehman (2014), Int. J. Remote Sens. 35:4923, the numerical example: 10 units in each of four strata
STRATUM = ["A"] * 10 + ["B"] * 10 + ["C"] * 10 + ["D"] * 10
MAP = ["A"] * 7 + ["B"] * 3 + ["A"] + ["B"] * 11 + ["C"] * 6 + ["B"] * 2 + ["D"] * 10
REFERENCE = [*"AAAAACBABC", *"ABBBBBAABB", *"CCCCCDDBBA", *"DDDDDDDCCB"]
SIZE = {"A": 40000, "B": 30000, "C": 20000, "D": 10000}


@pytest.fixture(scope="module")
def golden(real_data: Path) -> dict[str, Any]:
    return json.loads((real_data / "golden.json").read_text())


def expanded(counts: pd.DataFrame) -> tuple[list[Any], list[Any]]:
    """One map and one reference label for each counted unit."""
    pairs = [(i, j) for i in counts.index for j in counts.columns for _ in range(int(counts.loc[i, j]))]
    return [i for i, _ in pairs], [j for _, j in pairs]


# published numbers


def test_olofsson_2013(golden: dict[str, Any]) -> None:
    published = golden["olofsson2013_ex1"]
    found = area.stratified_area(published["matrix_rows_map"], published["Nh_pixels"])
    assert round(found.area[0], 1) == published["area1_pixels"]
    assert round(found.se[0], 1) == published["se"]
    low, high = found.interval()
    assert (round(low[0], 2), round(high[0], 2)) == tuple(published["ci"])
    assert round(found.overall_accuracy, 7) == published["OA"]
    assert found.users_accuracy == pytest.approx(published["UA"])
    assert found.producers_accuracy == pytest.approx(published["PA"], abs=5e-8)


def test_olofsson_2014(golden: dict[str, Any]) -> None:
    published = golden["olofsson2014_table8"]
    names = published["classes"]
    counts = pd.DataFrame(published["matrix_rows_map"], index=names, columns=names)
    hectares = {name: size * 0.09 for name, size in zip(names, published["Nh_pixels"], strict=True)}
    found = area.stratified_area(counts, hectares)
    assert found.classes == tuple(names)
    assert found.area == pytest.approx(published["area_ha"], rel=1e-6)
    assert Z95 * found.se == pytest.approx(published["ci95_ha"], rel=1e-6)
    assert round(found.overall_accuracy, 7) == published["OA"]
    assert round(Z95 * found.overall_accuracy_se, 8) == published["OA_ci"]
    assert found.users_accuracy == pytest.approx(published["UA"], abs=5e-8)
    assert found.producers_accuracy == pytest.approx(published["PA"], abs=5e-7)
    # half-widths of p. 54 of the paper, to its two digits
    assert (Z95 * found.users_accuracy_se).round(2).tolist() == [0.07, 0.10, 0.04, 0.02]
    assert (Z95 * found.producers_accuracy_se).round(2).tolist() == [0.21, 0.25, 0.03, 0.02]


def test_stehman_2014() -> None:
    found = area.stratified_area_from_sample(STRATUM, MAP, REFERENCE, SIZE)
    assert found.classes == ("A", "B", "C", "D")
    # the figures of pp. 4932-4936
    assert found.proportion[[0, 2]].round(3).tolist() == [0.35, 0.20]
    assert found.proportion_se[[0, 2]].round(3).tolist() == [0.082, 0.064]
    assert (round(found.overall_accuracy, 3), round(found.overall_accuracy_se, 3)) == (0.63, 0.085)
    assert (round(found.users_accuracy[1], 3), round(found.users_accuracy_se[1], 3)) == (0.574, 0.125)
    assert (round(found.producers_accuracy[1], 3), round(found.producers_accuracy_se[1], 3)) == (0.794, 0.117)
    assert found.confusion[1, 2].round(2) == 0.08
    assert found.area == pytest.approx(found.proportion * 100000)


def test_both_estimators_agree_where_strata_are_the_map_classes(golden: dict[str, Any]) -> None:
    published = golden["olofsson2014_table8"]
    names = published["classes"]
    counts = pd.DataFrame(published["matrix_rows_map"], index=names, columns=names)
    size = dict(zip(names, published["Nh_pixels"], strict=True))
    mapped, truth = expanded(counts)
    one = area.stratified_area(counts, size)
    two = area.stratified_area_from_sample(mapped, mapped, truth, size, finite_population=False)
    order = [two.classes.index(name) for name in names]
    for name in ("area", "se", "users_accuracy_se", "producers_accuracy_se", "df"):
        assert getattr(two, name)[order] == pytest.approx(getattr(one, name))
    assert two.overall_accuracy_se == pytest.approx(one.overall_accuracy_se)


# numbers by hand


def test_two_classes_by_hand() -> None:
    found = area.stratified_area([[8, 2], [1, 9]], [30.0, 70.0])
    # 30 * 0.8 + 70 * 0.1 = 31; variances 30^2 * .16 / 9 = 16 and 70^2 * .09 / 9 = 49
    assert found.area == pytest.approx([31.0, 69.0])
    assert found.se == pytest.approx([np.sqrt(65)] * 2)
    assert found.covariance == pytest.approx(np.array([[65, -65], [-65, 65]]))
    assert found.overall_accuracy == pytest.approx(0.3 * 0.8 + 0.7 * 0.9)
    assert found.users_accuracy_se == pytest.approx([np.sqrt(0.16 / 9), np.sqrt(0.09 / 9)])
    # producer's accuracy 24 / 31; variance (30^2 (7/31)^2 .16/9 + (24/31)^2 70^2 .09/9) / 31^2
    variance = (16 * (7 / 31) ** 2 + 49 * (24 / 31) ** 2) / 31**2
    assert found.producers_accuracy[0] == pytest.approx(24 / 31)
    assert found.producers_accuracy_se[0] == pytest.approx(np.sqrt(variance))
    assert found.confusion == pytest.approx(np.array([[0.24, 0.06], [0.07, 0.63]]))
    assert found.confusion_se[0, 1] == pytest.approx(0.3 * np.sqrt(0.16 / 9))
    # kurtosis (1 - 3 pq) / pq: 3.25 and 73 / 9, so parts 16 and 49 have 20 / 2.25 and 20 / (64 / 9) degrees of freedom
    assert found.df == pytest.approx([65**2 / (16**2 * 2.25 / 20 + 49**2 * (64 / 9) / 20)] * 2)


def test_finite_population_correction_by_hand() -> None:
    found = area.stratified_area([[8, 2], [1, 9]], [30.0, 70.0], stratum_size=[40, 100])
    assert found.se[0] == pytest.approx(np.sqrt(16 * (1 - 10 / 40) + 49 * (1 - 10 / 100)))


def test_a_sample_drawn_without_the_strata_is_less_certain() -> None:
    found = area.stratified_area([[8, 2], [1, 9]], [30.0, 70.0], scheme="post_stratified")
    # v = .16/9 and .01: (.3 * 10 v1 + .7 * 10 v2 + .7 * 10/20 v1 + .3 * 10/20 v2) / 20
    v = (0.16 / 9, 0.09 / 9)
    expected = (3 * v[0] + 7 * v[1] + 0.35 * v[0] + 0.15 * v[1]) / 20
    assert found.proportion_se[0] == pytest.approx(np.sqrt(expected))


def test_several_classes_add_up_with_their_covariance() -> None:
    found = area.stratified_area([[8, 2, 0], [1, 8, 1], [0, 2, 18]], [30.0, 70.0, 100.0])
    both = found.combined([0, 1])
    assert both.estimate == pytest.approx(found.area[:2].sum())
    # the rest of the whole is as uncertain as the two together
    assert both.se == pytest.approx(found.se[2])
    assert found.combined([0, 1, 2]).variance == pytest.approx(0.0, abs=1e-9)


def test_intervals_by_t_are_wider() -> None:
    found = area.stratified_area([[8, 2], [1, 9]], [30.0, 70.0])
    normal, small = found.interval(), found.interval(t=True)
    assert (small.low < normal.low).all()
    assert (small.high > normal.high).all()


def test_one_unit_in_a_stratum_borrows_the_pooled_variance() -> None:
    found = area.stratified_area([[8, 2], [0, 1]], [30.0, 70.0])
    # s^2 of the first stratum is 10/9 * .16, and serves the second with n = 1
    assert found.se[0] == pytest.approx(np.sqrt(900 * 0.16 / 9 + 4900 * 0.16 * 10 / 9))
    assert found.notes[0].key == "estimate.note_pooled_variance"


def test_a_class_the_map_never_shows_has_an_area_and_a_note() -> None:
    counts = pd.DataFrame([[8, 1, 1], [1, 9, 0]], index=["forest", "other"], columns=["forest", "other", "water"])
    found = area.stratified_area(counts, {"forest": 30.0, "other": 70.0})
    assert found.classes == ("forest", "other", "water")
    assert found.area[2] == pytest.approx(3.0)
    assert np.isnan(found.users_accuracy[2])
    assert found.producers_accuracy[2] == 0.0
    assert dict(found.notes[0].fields) == {"classes": "water"}


def test_a_class_the_reference_never_finds_has_no_area_and_a_note() -> None:
    found = area.stratified_area_from_sample(list("aabbcc"), list("aabbcc"), list("aabbbb"), {"a": 10, "b": 20, "c": 5})
    assert found.area == pytest.approx([10, 25, 0])
    assert found.users_accuracy[2] == 0.0
    assert np.isnan(found.producers_accuracy[2])
    assert found.notes[-1].key == "estimate.note_never_found"


def test_the_table_shows_every_class_with_its_errors() -> None:
    table = area.stratified_area_from_sample(STRATUM, MAP, REFERENCE, SIZE).table
    assert table.index.tolist() == ["A", "B", "C", "D"]
    assert table.loc["B", "users_accuracy"] == pytest.approx(0.57447, abs=1e-5)
    assert "overall_accuracy=0.6300" in repr(area.stratified_area_from_sample(STRATUM, MAP, REFERENCE, SIZE))


# other designs


def test_equal_probabilities_change_nothing() -> None:
    plain = area.stratified_area_from_sample(STRATUM, MAP, REFERENCE, SIZE, finite_population=False)
    weighted = area.stratified_area_from_sample(STRATUM, MAP, REFERENCE, SIZE, probability=[0.01] * 40)
    assert weighted.area == pytest.approx(plain.area)
    assert weighted.producers_accuracy_se == pytest.approx(plain.producers_accuracy_se)


def test_unequal_probabilities_weight_the_units() -> None:
    found = area.stratified_area_from_sample(
        list("aaaa"), list("ffff"), ["f", "f", "n", "n"], {"a": 100}, probability=[0.1, 0.1, 0.2, 0.2]
    )
    # weights 10, 10, 5, 5
    assert found.area == pytest.approx([100 * 20 / 30, 100 * 10 / 30])


def test_clusters_within_strata_carry_the_variance() -> None:
    stratum, mapped, truth = list("aaaaaaaa"), list("ffffffff"), list("ffffffnn")
    single = area.stratified_area_from_sample(stratum, mapped, truth, {"a": 80}, finite_population=False)
    found = area.stratified_area_from_sample(
        stratum, mapped, truth, {"a": 80}, finite_population=False, cluster=[1, 1, 2, 2, 3, 3, 4, 4]
    )
    # four clusters with shares 1, 1, 1, 0: s^2 = 0.25, over 4
    assert found.se[0] == pytest.approx(80 * np.sqrt(0.25 / 4))
    assert found.n == 4
    assert found.se[0] > single.se[0]


def test_clusters_across_strata_are_noted() -> None:
    found = area.stratified_area_from_sample(
        list("abab"), list("fnfn"), list("fnnn"), {"a": 30, "b": 70}, cluster=[1, 1, 2, 2]
    )
    # residuals of f: .5 and -.5 times 30 / 2; cluster sums 7.5 and -7.5; 2 / 1 * 2 * 56.25
    assert found.se[0] == pytest.approx(np.sqrt(2 * 2 * 56.25 * (1 - 2 / 30)), rel=0.05)
    assert found.notes[0].key == "estimate.note_clusters_cross_strata"


def test_a_grid_of_points_over_a_gradient_is_more_certain_than_random_points() -> None:
    east, north = (axis.ravel() for axis in np.meshgrid(np.arange(20.0), np.arange(20.0)))
    truth = np.where(east + np.random.default_rng(0).normal(0, 2, 400) < 9, "f", "n")
    whole = ["all"] * 400
    random = area.stratified_area_from_sample(whole, truth, truth, {"all": 10**6})
    grid = area.stratified_area_from_sample(
        whole, truth, truth, {"all": 10**6}, coordinates=np.column_stack([east, north]), design="systematic"
    )
    assert grid.area == pytest.approx(random.area)
    assert (grid.se < 0.7 * random.se).all()


# domains


def test_domains_add_up_to_the_whole() -> None:
    county = ["x", "y"] * 20
    table = area.domain_area(STRATUM, county, REFERENCE, SIZE)
    whole = area.stratified_area_from_sample(STRATUM, MAP, REFERENCE, SIZE, finite_population=False)
    assert table["area"].groupby(level="class").sum().to_numpy() == pytest.approx(whole.area)
    assert table["share"].groupby(level="domain").sum().to_numpy() == pytest.approx([1.0, 1.0])


def test_a_domain_by_hand() -> None:
    table = area.domain_area(list("aaaa"), list("xxyy"), list("fnff"), {"a": 100})
    # f in x: 1 of 4, s^2 = .25; share of x: 1/2, residuals .5, -.5, 0, 0 over mean .5
    row = table.loc[("x", "f")]
    assert (row["area"], row["n"]) == (25.0, 2)
    assert row["variance"] == pytest.approx(10000 * 0.25 / 4)
    assert row["share"] == 0.5
    assert row["share_se"] == pytest.approx(np.sqrt((0.5 / 3) / 4 / 0.25))


def test_known_stratum_sizes_within_domains_by_hand() -> None:
    sizes = pd.DataFrame({"f": [60.0, 10.0], "n": [40.0, 90.0]}, index=["x", "y"])
    table = area.domain_area(list("ffffnnnnn"), list("xxxyxxyyy"), list("111100001"), domain_stratum_size=sizes)
    # x: 60 * 1 + 40 * 0 with no spread in either cell
    assert table.loc[("x", "1"), ["area", "se"]].tolist() == [60.0, 0.0]
    # y: 10 * 1 + 90 * 1/3; one f point only, so its spread comes from the stratum (0); 90^2 * (2/9) / 2
    assert table.loc[("y", "1"), "area"] == pytest.approx(40.0)
    assert table.loc[("y", "1"), "variance"] == pytest.approx(8100 / 9)


def test_a_stratum_without_points_in_a_domain_borrows_its_shares() -> None:
    sizes = {("x", "f"): 60.0, ("x", "n"): 40.0, ("y", "f"): 10.0, ("y", "n"): 90.0}
    table = area.domain_area(list("ffffnnnn"), list("xxxxxxyy"), list("11100001"), domain_stratum_size=sizes)
    assert table.loc[("y", "1"), "area"] == pytest.approx(10 * 0.75 + 90 * 0.5)
    note = table.attrs["notes"][0]
    assert (note.key, dict(note.fields)) == ("estimate.note_borrowed_strata", {"domain": "y", "strata": "f"})


# regression on the map


def test_regression_area_by_hand() -> None:
    found = area.regression_area([0.2, 0.4, 0.9], [0.0, 0.5, 1.0], 0.6, 1000.0)
    # slope .7, intercept .15; residuals .05, -.1, .05: s^2 = .0075
    assert found.estimate == pytest.approx(1000 * (0.15 + 0.42))
    assert found.variance == pytest.approx(1e6 * 0.0075 / 3)
    assert (found.map_area, found.slope["all"]) == (600.0, pytest.approx(0.7))


def test_separate_regressions_add_over_strata() -> None:
    y, x = np.array([0.2, 0.4, 0.9, 0.1, 0.3, 0.2]), np.array([0.0, 0.5, 1.0, 0.2, 0.4, 0.1])
    strata, mean, size = list("aaabbb"), {"a": 0.6, "b": 0.3}, {"a": 1000.0, "b": 500.0}
    found = area.regression_area(y, x, mean, size, stratum=strata)
    parts = [area.regression_area(y[k], x[k], mean[h], size[h]) for h, k in (("a", slice(3)), ("b", slice(3, 6)))]
    assert found.estimate == pytest.approx(sum(part.estimate for part in parts))
    assert found.variance == pytest.approx(sum(part.variance for part in parts))


def test_combined_regression_uses_one_slope() -> None:
    y, x = np.array([0.2, 0.6, 0.1, 0.4]), np.array([0.0, 1.0, 0.2, 0.7])
    found = area.regression_area(
        y, x, {"a": 0.5, "b": 0.4}, {"a": 50.0, "b": 50.0}, stratum=list("aabb"), combined=True
    )
    # within-stratum products: .5*.2*2 = .2 and .25*.15*2 = .075; squares .5 and .125: slope .275 / .625 = .44
    assert found.slope["all"] == pytest.approx(0.44)
    means = 0.5 * (0.4 + 0.44 * (0.5 - 0.5)) + 0.5 * (0.25 + 0.44 * (0.4 - 0.45))
    assert found.proportion == pytest.approx(means)
    residual = np.array([-0.2 + 0.22, 0.2 - 0.22, -0.15 + 0.11, 0.15 - 0.11])
    assert found.proportion_se**2 == pytest.approx(0.25 / 2 * (residual**2).sum())


def test_regression_area_in_clusters_is_less_certain() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(30), 6)
    x = rng.random(180)
    y = np.clip(0.8 * x + rng.normal(0, 0.2, 30)[group] + rng.normal(0, 0.05, 180), 0, 1)
    single, clusters = (area.regression_area(y, x, 0.5, 1.0, cluster=c) for c in (None, group))
    # the line is fitted on the means of the clusters, so it is not quite that of the plots
    assert clusters.estimate == pytest.approx(single.estimate, abs=clusters.se)
    assert clusters.se > 1.8 * single.se
    assert clusters.n == 30


def test_a_share_outside_0_to_1_is_noted() -> None:
    found = area.regression_area([0.0, 0.0, 0.1], [0.2, 0.3, 0.4], 0.01, 100.0)
    assert found.estimate < 0
    assert found.notes[-1].key == "estimate.note_share_outside"


# what is refused


@pytest.mark.parametrize(
    ("counts", "size", "message"),
    [
        ([[1, 2, 3], [4, 5, 6]], [1.0, 2.0], "must be square"),
        ([[1, -2], [4, 5]], [1.0, 2.0], "row 0, column 1"),
        ([[1, 2.5], [4, 5]], [1.0, 2.0], "holds 2.5"),
        ([[0, 0], [4, 5]], [1.0, 2.0], "no sampled unit lies in the strata: 0"),
        ([[3, 1], [4, 5]], [1.0], "1 entries where 2"),
        ([[3, 1], [4, 5]], [1.0, -2.0], "cannot be negative"),
        ([[3, 1], [4, 5]], [0.0, 0.0], "sum to 0"),
        ([[3, 1], [4, 5]], {0: 1.0}, "no entry for the sampled strata: 1"),
        ([[3, 1], [4, 5]], {0: 1.0, 1: 2.0, 2: 5.0}, "no sampled unit lies in the strata: 2"),
        ([[3, 1], [4, np.nan]], [1.0, 2.0], "missing"),
        ([[1, 0], [0, 1]], [1.0, 2.0], "single sampled unit"),
    ],
)
def test_matrices_that_cannot_be_used_are_refused(counts: Any, size: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        area.stratified_area(counts, size)


def test_doubled_classes_are_refused() -> None:
    with pytest.raises(InputError, match="more than once"):
        area.stratified_area(pd.DataFrame([[1, 2], [3, 4]], index=["a", "a"], columns=["a", "b"]), [1.0, 2.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stratum_size": {"A": 40000}}, "no entry for the sampled strata: B, C, D"),
        ({"stratum_size": SIZE | {"E": 5}}, "no sampled unit lies in the strata: E"),
        ({"stratum_size": {"A": 0.4, "B": 0.3, "C": 0.2, "D": 0.1}}, "switch the finite population correction off"),
        ({"stratum_size": SIZE | {"A": -1}}, "cannot be negative"),
        ({"reference_class": [None, *REFERENCE[1:]]}, "reference_class is missing"),
        ({"map_class": MAP[1:]}, "39 entries where 40"),
        ({"probability": [0.0] * 40}, "inclusion probability|below what is possible"),
        ({"cluster": [1] * 40}, "at least 2"),
        ({"design": "systematic"}, "needs coordinates"),
        ({"design": "grid"}, "random, systematic"),
    ],
)
def test_samples_that_cannot_be_used_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "stratum": STRATUM,
        "map_class": MAP,
        "reference_class": REFERENCE,
        "stratum_size": SIZE,
    }
    with pytest.raises(InputError, match=message):
        area.stratified_area_from_sample(**(arguments | change))


def test_labels_without_a_common_class_are_refused() -> None:
    with pytest.raises(InputError, match=r"share no class .the map has 1, the reference '1'"):
        area.stratified_area(pd.DataFrame([[5, 1], [1, 5]], index=[1, 2], columns=["1", "2"]), [1.0, 2.0])
    with pytest.raises(InputError, match="share no class"):
        area.stratified_area_from_sample([1, 1], [1, 1], ["1", "1"], {1: 50})


def test_unknown_classes_cannot_be_combined() -> None:
    with pytest.raises(InputError, match="no such classes: Z; known are A, B, C, D"):
        area.stratified_area_from_sample(STRATUM, MAP, REFERENCE, SIZE).combined(["A", "Z"])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (None, "strata need weights"),
        ({"x": 5.0}, "mapping by pairs"),
        ({("x", "a"): 5.0}, "domain_stratum_size .domain. has no entry for: y"),
        ({("x", "a"): 5.0, ("y", "b"): 5.0}, "no sampled unit lies in the strata: b"),
        ({("x", "a"): 5.0, ("y", "a"): -5.0}, "cannot be negative"),
        ({("x", "a"): 5.0, ("y", "a"): 0.0}, "area of y is 0"),
        (pd.DataFrame([[1.0], [1.0]], index=["x", "x"], columns=["a"]), "more than once"),
    ],
)
def test_domain_sizes_that_cannot_be_used_are_refused(sizes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        area.domain_area(list("aaaa"), list("xxyy"), list("fnff"), domain_stratum_size=sizes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_mean": 0.5}, "x_mean must be given by stratum"),
        ({"stratum": None}, "x_mean must be one number"),
        ({"x_mean": {"a": 0.5}}, "no entry for the sampled strata: b"),
        ({"area": {"a": 5.0, "b": 5.0, "c": 1.0}}, "no sampled unit lies in the strata: c"),
        ({"cluster": [1, 1, 2, 2, 3, 3]}, "not both"),
        ({"stratum": list("aaaaab")}, "at least 3"),
        ({"population_size": {"a": 1, "b": 9}, "combined": True}, "population only 1"),
    ],
)
def test_regressions_that_cannot_be_made_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "y": [0.2, 0.4, 0.9, 0.1, 0.3, 0.2],
        "x": [0.0, 0.5, 1.0, 0.2, 0.4, 0.1],
        "x_mean": {"a": 0.5, "b": 0.4},
        "area": {"a": 5.0, "b": 5.0},
        "stratum": list("aaabbb"),
    }
    with pytest.raises(InputError, match=message):
        area.regression_area(**(arguments | change))


# properties


@st.composite
def matrices(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    k = draw(st.integers(2, 5))
    counts = draw(st.lists(st.lists(st.integers(0, 60), min_size=k, max_size=k), min_size=k, max_size=k))
    size = draw(st.lists(st.floats(1.0, 1e6), min_size=k, max_size=k))
    return np.array(counts) + 2 * np.eye(k, dtype=int), np.array(size)


@given(given_=matrices())
@settings(max_examples=60, deadline=None)
def test_areas_add_up_to_the_whole(given_: tuple[np.ndarray, np.ndarray]) -> None:
    counts, size = given_
    found = area.stratified_area(counts, size)
    assert found.area.sum() == pytest.approx(size.sum())
    assert found.confusion.sum() == pytest.approx(1.0)
    assert np.trace(found.confusion) == pytest.approx(found.overall_accuracy)
    # what is uncertain in one class is uncertain in the others: the whole is known
    assert found.covariance.sum() == pytest.approx(0.0, abs=1e-6 * size.sum() ** 2)


@given(given_=matrices(), factor=st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_units_of_area_carry_through(given_: tuple[np.ndarray, np.ndarray], factor: float) -> None:
    counts, size = given_
    plain, scaled = area.stratified_area(counts, size), area.stratified_area(counts, size * factor)
    assert scaled.area == pytest.approx(plain.area * factor)
    assert scaled.se == pytest.approx(plain.se * factor)
    assert scaled.producers_accuracy_se == pytest.approx(plain.producers_accuracy_se)


@given(given_=matrices())
@settings(max_examples=40, deadline=None)
def test_the_order_of_classes_does_not_matter(given_: tuple[np.ndarray, np.ndarray]) -> None:
    counts, size = given_
    plain = area.stratified_area(counts, size)
    turned = area.stratified_area(counts[::-1, ::-1], size[::-1])
    assert turned.area[::-1] == pytest.approx(plain.area)
    assert turned.users_accuracy_se[::-1] == pytest.approx(plain.users_accuracy_se)


@given(given_=matrices(), times=st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_errors_fall_as_the_sample_grows(given_: tuple[np.ndarray, np.ndarray], times: int) -> None:
    counts, size = given_
    small, large = area.stratified_area(counts, size), area.stratified_area(counts * times, size)
    assert large.area == pytest.approx(small.area)
    assert (large.se <= small.se / np.sqrt(times) + 1e-9 * size.sum()).all()


def test_a_perfect_map_has_no_variance() -> None:
    found = area.stratified_area(np.diag([10, 20, 30]), [1.0, 2.0, 3.0])
    assert found.area == pytest.approx([1.0, 2.0, 3.0])
    assert found.se == pytest.approx([0.0, 0.0, 0.0])


# intervals hold what they promise


@pytest.mark.parametrize(("n", "low", "high"), [(30, 0.85, 0.985), (300, 0.925, 0.975)])
def test_intervals_of_coverage_hold_the_truth(n: int, low: float, high: float) -> None:
    rng = np.random.default_rng(2)
    size = 50000
    truth = rng.random(size) < 0.55
    mapped = np.where(rng.random(size) < 0.88, truth, ~truth)
    strata = np.where(mapped, "f", "n")
    cells = {label: np.flatnonzero(strata == label) for label in "fn"}
    sizes = {label: len(cell) for label, cell in cells.items()}
    hits = {"stratified": 0, "random": 0}
    for _ in range(300):
        drawn = np.concatenate([rng.choice(cell, n // 2, replace=False) for cell in cells.values()])
        loose = rng.choice(size, n, replace=False)
        for name, rows in (("stratified", drawn), ("random", loose)):
            scheme = "stratified" if name == "stratified" else "post_stratified"
            found = area.stratified_area_from_sample(strata[rows], mapped[rows], truth[rows], sizes, scheme=scheme)
            bounds = found.combined([True]).interval()
            hits[name] += bounds.low <= truth.sum() <= bounds.high
    for name, count in hits.items():
        assert low <= count / 300 <= high, (name, count / 300)
