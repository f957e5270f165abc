"""Means and totals from plots: published numbers, numbers by hand, properties, and what is refused."""

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
from sinkest.estimate import total
from sinkest.estimate.systematic import local_variance

AUXILIARIES = ["tcc", "elev", "ppt", "tmean"]


@pytest.fixture(scope="module")
def idaho(real_data: Path) -> tuple[pd.DataFrame, pd.Series, dict[str, Any]]:
    """Plots and map means of county 16055, and what was published on them."""
    sample = pd.read_csv(real_data / "inventory" / "mase_IdahoSamp.csv")
    counties = pd.read_csv(real_data / "inventory" / "mase_IdahoPop.csv")
    golden = json.loads((real_data / "golden.json").read_text())["mase_idaho_16055"]
    return sample[sample["COUNTYFIPS"] == 16055], counties[counties["COUNTYFIPS"] == 16055].iloc[0], golden


def plots(rng: np.random.Generator, n: int = 60) -> pd.DataFrame:
    """Plots in two estimation units and three strata, with a quantity that is often zero."""
    stratum = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    unit = rng.choice(["north", "south"], n)
    forest = (rng.random(n) < np.select([stratum == "a", stratum == "b"], [0.9, 0.5], 0.1)).astype(float)
    volume = forest * rng.gamma(4, 30, n)
    return pd.DataFrame({"unit": unit, "stratum": stratum, "forest": forest, "volume": volume})


WEIGHT = {
    ("north", "a"): 0.6,
    ("north", "b"): 0.25,
    ("north", "c"): 0.15,
    ("south", "a"): 0.4,
    ("south", "b"): 0.3,
    ("south", "c"): 0.3,
}
AREA = {"north": 1200.0, "south": 800.0}


# published numbers


def test_horvitz_thompson_of_idaho(idaho: tuple[pd.DataFrame, pd.Series, dict[str, Any]]) -> None:
    sample, county, golden = idaho
    found = total.horvitz_thompson(sample["BA_TPA_ADJ"], county["npixels"])
    assert round(found.estimate, 4) == golden["HT"]["mean"]
    assert round(found.variance, 5) == golden["HT"]["var"]
    assert round(found.total().estimate) == golden["HT"]["total"]
    assert found.n == golden["n"]


def test_greg_of_idaho(idaho: tuple[pd.DataFrame, pd.Series, dict[str, Any]]) -> None:
    sample, county, golden = idaho
    found = total.greg(sample["BA_TPA_ADJ"], sample[AUXILIARIES], county, county["npixels"])
    published = golden["GREG_tcc_elev_ppt_tmean"]
    assert round(found.estimate, 5) == published["mean"]
    assert round(found.total().estimate) == published["total"]
    assert round(found.variance, 5) == published["var_LinHB"]
    # coefficients and first weights as the mase README prints them
    expected = [-3.355552e01, 6.515276e-01, 4.215046e-02, 6.647252e-02, 2.984714e-04]
    assert found.coefficients.to_numpy() == pytest.approx(expected, rel=1e-6)
    assert (found.weights * county["npixels"])[:3] == pytest.approx([8110.6960, 8127.9599, 7941.2651], abs=1e-4)


def test_greg_of_idaho_with_two_auxiliaries(idaho: tuple[pd.DataFrame, pd.Series, dict[str, Any]]) -> None:
    sample, county, golden = idaho
    found = total.greg(sample["BA_TPA_ADJ"], sample[["tcc", "elev"]], county, county["npixels"])
    assert round(found.estimate, 5) == golden["GREG_tcc_elev"]["mean"]
    assert round(found.variance, 4) == golden["GREG_tcc_elev"]["var_LinHTSRS"]


# Horvitz-Thompson by hand


def test_mean_and_variance_of_a_random_sample() -> None:
    found = total.horvitz_thompson([1.0, 2.0, 6.0], population_size=30)
    # mean 3, s^2 = (4 + 1 + 9) / 2 = 7, (1 - 3/30) * 7 / 3
    assert (found.estimate, found.variance) == (pytest.approx(3.0), pytest.approx(0.9 * 7 / 3))
    assert found.df == 2


def test_unequal_probabilities_expand_the_values() -> None:
    found = total.horvitz_thompson([2.0, 9.0], population_size=10, probability=[0.2, 0.5])
    # 2 / 0.2 + 9 / 0.5 = 28
    assert found.estimate == pytest.approx(2.8)
    # weights c = 2 (1 - p) = 1.6, 1; centre (1.6 * 10 + 18) / 2.6; 1.6 (10 - 13.0769)^2 + (18 - 13.0769)^2 = 39.3846
    assert found.variance == pytest.approx(39.384615 / 100)


def test_without_population_size_the_weights_give_it() -> None:
    found = total.horvitz_thompson([2.0, 9.0], probability=[0.2, 0.5])
    assert found.estimate == pytest.approx(28 / 7)


def test_with_replacement_variance_by_hand() -> None:
    found = total.horvitz_thompson([2.0, 9.0], population_size=10, probability=[0.2, 0.5], variance="hansen_hurwitz")
    # (2 * 10 - 28)^2 + (2 * 18 - 28)^2 = 128, over n (n - 1) = 2
    assert found.variance == pytest.approx(64 / 100)


def test_exact_variance_by_hand() -> None:
    joint = np.array([[0.5, 0.2], [0.2, 0.6]])
    found = total.horvitz_thompson(
        [1.0, 3.0], population_size=4, probability=[0.5, 0.6], variance="joint", joint_probability=joint
    )
    # (1 - .5) 2^2 + (1 - .6) 5^2 + 2 (1 - .3 / .2) 2 * 5 = 2 + 10 - 10 = 2
    assert found.variance == pytest.approx(2 / 16)


def test_a_negative_exact_variance_is_replaced_and_noted() -> None:
    joint = np.array([[0.5, 0.1], [0.1, 0.6]])
    arguments: dict[str, Any] = {"population_size": 4, "probability": [0.5, 0.6]}
    found = total.horvitz_thompson([1.0, 3.0], variance="joint", joint_probability=joint, **arguments)
    assert found.variance == total.horvitz_thompson([1.0, 3.0], **arguments).variance
    assert found.notes[0].key == "estimate.note_negative_variance"


def test_a_census_has_no_variance() -> None:
    assert total.horvitz_thompson([1.0, 5.0, 9.0], population_size=3).variance == 0.0


def test_clusters_of_unequal_size_by_hand() -> None:
    # clusters of 1, 2, 3 plots with sums 4, 2, 12: mean 18 / 6 = 3; sums of residuals 1, -4, 3;
    # variance 3 / 2 * (1 + 16 + 9) / 36
    found = total.horvitz_thompson([4.0, 1, 1, 3, 4, 5], cluster=["a", "b", "b", "c", "c", "c"])
    assert found.estimate == pytest.approx(3.0)
    assert found.variance == pytest.approx(1.5 * 26 / 36)
    assert (found.n, found.df) == (3, 2)


# stratified and post-stratified


def test_stratified_mean_by_hand() -> None:
    found = total.stratified_mean([1.0, 3.0, 10.0, 14.0], list("aabb"), stratum_size={"a": 20, "b": 80})
    # 0.2 * 2 + 0.8 * 12; 0.04 * 0.9 * 2 / 2 + 0.64 * (1 - 2/80) * 8 / 2
    assert found.estimate == pytest.approx(10.0)
    assert found.variance == pytest.approx(0.036 + 2.496)


def test_post_stratified_by_hand() -> None:
    found = total.post_stratified([1.0, 3.0, 10.0, 14.0], list("aabb"), {"a": 0.5, "b": 0.5})
    # v = 1, 4; (0.5 * 2 * 1 + 0.5 * 2 * 4) / 4 + (0.5 * 2 / 4 * 1 + 0.5 * 2 / 4 * 4) / 4
    assert (found.estimate, found.variance) == (7.0, pytest.approx(1.25 + 0.3125))


def test_post_stratified_over_units_as_forest_inventories_do() -> None:
    data = plots(np.random.default_rng(1))
    found = total.post_stratified(data["volume"], data["stratum"], WEIGHT, data["unit"], AREA)
    estimate = variance = 0.0
    for unit, inside in data.groupby("unit"):
        n = len(inside)
        proportional = excess = 0.0
        for stratum, cell in inside.groupby("stratum"):
            y, w, n_h = cell["volume"], WEIGHT[unit, stratum], len(cell)
            v = ((y**2).sum() - n_h * y.mean() ** 2) / (n_h * (n_h - 1))
            estimate += AREA[unit] * w * y.mean()
            proportional += w * n_h * v
            excess += (1 - w) * n_h / n * v
        variance += AREA[unit] ** 2 / n * (proportional + excess)
    assert found.estimate == pytest.approx(estimate)
    assert found.variance == pytest.approx(variance)
    assert found.by_unit["estimate"].sum() == pytest.approx(estimate)
    assert found.by_unit["variance"].sum() == pytest.approx(variance)
    assert found.by_unit["n"].to_dict() == data["unit"].value_counts().to_dict()


def test_plots_with_zero_need_not_be_listed() -> None:
    data = plots(np.random.default_rng(2))
    full = total.post_stratified(data["volume"], data["stratum"], WEIGHT, data["unit"], AREA)
    counts = data.groupby(["unit", "stratum"]).size()
    listed = data[data["volume"] > 0]
    short = total.post_stratified(listed["volume"], listed["stratum"], WEIGHT, listed["unit"], AREA, counts)
    assert short.estimate == pytest.approx(full.estimate)
    assert short.variance == pytest.approx(full.variance)
    assert short.n == full.n == 60


def test_a_unit_whose_plots_all_had_zero_adds_nothing() -> None:
    data = plots(np.random.default_rng(3))
    north = data[data["unit"] == "north"]
    counts = dict.fromkeys(WEIGHT, 5) | {("north", s): int((north["stratum"] == s).sum()) for s in "abc"}
    found = total.post_stratified(north["volume"], north["stratum"], WEIGHT, north["unit"], AREA, counts)
    alone = total.post_stratified(north["volume"], north["stratum"], {s: WEIGHT["north", s] for s in "abc"})
    assert found.estimate == pytest.approx(1200 * alone.estimate)
    assert found.by_unit.loc["south", ["estimate", "variance", "n"]].tolist() == [0, 0, 15]


def test_strata_may_carry_names_of_their_own_in_every_unit() -> None:
    data = plots(np.random.default_rng(4))
    data["cell"] = data["unit"] + data["stratum"]
    by_pair = total.post_stratified(data["volume"], data["stratum"], WEIGHT, data["unit"], AREA)
    by_cell = total.post_stratified(
        data["volume"], data["cell"], {u + s: w for (u, s), w in WEIGHT.items()}, data["unit"], pd.Series(AREA)
    )
    assert by_cell.estimate == pytest.approx(by_pair.estimate)
    assert by_cell.variance == pytest.approx(by_pair.variance)


def test_the_same_shares_may_serve_every_unit() -> None:
    data = plots(np.random.default_rng(5))
    share = {"a": 0.5, "b": 0.3, "c": 0.2}
    pairs = {(u, s): w for u in AREA for s, w in share.items()}
    first = total.post_stratified(data["volume"], data["stratum"], share, data["unit"], AREA)
    second = total.post_stratified(data["volume"], data["stratum"], pairs, data["unit"], AREA)
    assert first.variance == pytest.approx(second.variance)


def test_sizes_give_weights_and_finite_population_correction() -> None:
    y, strata = [1.0, 3.0, 10.0, 14.0], list("aabb")
    plain = total.post_stratified(y, strata, {"a": 0.5, "b": 0.5})
    finite = total.post_stratified(y, strata, stratum_size={"a": 10, "b": 10})
    assert finite.variance == pytest.approx(plain.variance * (1 - 4 / 20))


def test_one_plot_in_a_stratum_borrows_the_pooled_variance() -> None:
    found = total.stratified_mean([1.0, 3.0, 10.0, 14.0, 7.0], list("aabbc"), {"a": 0.25, "b": 0.25, "c": 0.5})
    # pooled s^2 = (2 + 8) / 2 = 5, so 0.0625 * 1 + 0.0625 * 4 + 0.25 * 5
    assert found.variance == pytest.approx(0.0625 + 0.25 + 1.25)
    assert dict(found.notes[0].fields) == {"strata": "c"}


def test_weights_off_by_rounding_are_rescaled_and_noted() -> None:
    found = total.stratified_mean([1.0, 3.0, 10.0, 14.0], list("aabb"), {"a": 0.333, "b": 0.666})
    assert found.estimate == pytest.approx((0.333 * 2 + 0.666 * 12) / 0.999)
    assert found.notes[0].key == "estimate.note_weights_rescaled"


def test_degrees_of_freedom_follow_satterthwaite() -> None:
    found = total.stratified_mean([1.0, 3.0, 10.0, 14.0, 12.0], list("aabbb"), {"a": 0.5, "b": 0.5})
    # parts 0.25 * 2 / 2 = 0.25 with 1, 0.25 * 4 / 3 = 1/3 with 2 degrees of freedom
    assert found.df == pytest.approx((0.25 + 1 / 3) ** 2 / (0.0625 + 1 / 18))


def test_unequal_probabilities_within_strata_weight_the_mean() -> None:
    found = total.stratified_mean(
        [2.0, 8.0, 5.0, 5.0], list("aabb"), {"a": 0.5, "b": 0.5}, probability=[0.1, 0.2, 1, 1]
    )
    # stratum a: (20 + 40) / (10 + 5) = 4
    assert found.estimate == pytest.approx(0.5 * 4 + 0.5 * 5)


def test_clusters_within_strata_carry_the_variance() -> None:
    y, strata, cluster = [1.0, 3, 5, 7, 2, 4], list("aaaabb"), [1, 1, 2, 2, 3, 4]
    found = total.stratified_mean(y, strata, {"a": 0.5, "b": 0.5}, cluster=cluster)
    # stratum a: cluster means 2 and 6, variance 8 / 2 = 4; stratum b: 2 and 4, variance 1
    assert found.variance == pytest.approx(0.25 * 4 + 0.25 * 1)
    assert (found.n, found.notes) == (4, ())


def test_clusters_across_strata_are_noted_and_carry_the_variance() -> None:
    y, strata, cluster = [1.0, 3, 5, 7], list("abab"), [1, 1, 2, 2]
    found = total.stratified_mean(y, strata, {"a": 0.25, "b": 0.75}, cluster=cluster)
    # residuals -2, -2, 2, 2 times W / n_h = 0.125 and 0.375: cluster sums -1 and 1; variance 2 / 1 * (1 + 1)
    assert found.estimate == pytest.approx(0.25 * 3 + 0.75 * 5)
    assert found.variance == pytest.approx(4.0)
    assert found.notes[0].key == "estimate.note_clusters_cross_strata"


# partly observed plots


def test_partly_observed_plots_count_by_what_was_seen() -> None:
    found = total.stratified_mean([10.0, 5.0, 30.0], list("aaa"), {"a": 1.0}, observed=[1.0, 0.5, 1.0])
    # ratio 45 / 2.5 = 18; residuals -8, -4, 12; variance 3 / 2 * (64 + 16 + 144) / 2.5^2
    assert found.estimate == pytest.approx(18.0)
    assert found.variance == pytest.approx(1.5 * 224 / 6.25)


def test_the_factor_for_partly_observed_plots_gives_the_same_mean() -> None:
    y, seen = np.array([10.0, 5.0, 30.0]), [1.0, 0.5, 1.0]
    assert (y * total.nonresponse_factor(seen)).mean() == pytest.approx(18.0)
    by_stratum = total.nonresponse_factor([1.0, 0.5, 0.8], ["a", "a", "b"])
    assert by_stratum == pytest.approx([1 / 0.75, 1 / 0.75, 1.25])


def test_a_stratum_that_was_not_seen_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="no sampled unit lies in the strata: b"):
        total.nonresponse_factor([1.0, 0.0], ["a", "b"])
    with pytest.raises(InputError, match="no sampled unit lies in the strata: b"):
        total.stratified_mean([1.0, 2, 0, 0], list("aabb"), {"a": 0.5, "b": 0.5}, observed=[1, 1, 0, 0])


# ratios


def test_ratio_of_means_by_hand() -> None:
    found = total.ratio_of_means([100.0, 0.0, 140.0, 0.0], [1.0, 0.0, 1.0, 0.0])
    # 240 / 2 = 120; residuals -20, 0, 20, 0; s^2 = 800 / 3; over n = 4 and (mean x = 0.5)^2
    assert found.estimate == pytest.approx(120.0)
    assert found.variance == pytest.approx(800 / 3 / 4 / 0.25)
    assert (found.numerator, found.denominator) == (60.0, 0.5)


def test_ratio_over_units_is_the_post_stratified_variance_of_its_residual() -> None:
    data = plots(np.random.default_rng(6))
    found = total.ratio_of_means(data["volume"], data["forest"], data["stratum"], WEIGHT, data["unit"], AREA)
    volume, forest = (
        total.post_stratified(data[name], data["stratum"], WEIGHT, data["unit"], AREA).estimate
        for name in ("volume", "forest")
    )
    residual = (data["volume"] - volume / forest * data["forest"]) / forest
    spread = total.post_stratified(residual, data["stratum"], WEIGHT, data["unit"], AREA)
    assert found.estimate == pytest.approx(volume / forest)
    assert found.variance == pytest.approx(spread.variance)


def test_ratio_estimator_by_hand() -> None:
    found = total.ratio_estimator([2.0, 4.0, 9.0], [1.0, 2.0, 3.0], x_mean=2.5, population_size=30)
    # ratio 15 / 6 = 2.5; residuals -0.5, -1, 1.5; s^2 = 1.75
    assert found.estimate == pytest.approx(6.25)
    assert found.variance == pytest.approx(0.9 * 1.75 / 3)


def test_a_zero_denominator_is_refused() -> None:
    with pytest.raises(InputError, match="denominator"):
        total.ratio_of_means([1.0, 2.0], [0.0, 0.0])
    with pytest.raises(InputError, match="denominator"):
        total.ratio_estimator([1.0, 2.0], [1.0, -1.0], 3.0)


# model-assisted


def test_difference_by_hand() -> None:
    found = total.difference([10.0, 20.0, 36.0], [9.0, 21.0, 30.0], prediction_mean=18.0)
    # residuals 1, -1, 6: mean 2, s^2 = (1 + 9 + 16) / 2 = 13
    assert found.estimate == pytest.approx(20.0)
    assert found.variance == pytest.approx(13 / 3)
    assert found.correction == pytest.approx(2.0)
    # the plots alone: s^2 = 172
    assert found.relative_efficiency == pytest.approx((12**2 + 2**2 + 14**2) / 2 / 13)


def test_difference_by_stratum_uses_the_stratified_residual() -> None:
    y, p = np.array([10.0, 20, 36, 30]), np.array([9.0, 21, 30, 28])
    found = total.difference(y, p, 18.0, stratum=list("aabb"), stratum_weight={"a": 0.5, "b": 0.5})
    residual = total.stratified_mean(y - p, list("aabb"), {"a": 0.5, "b": 0.5})
    assert found.estimate == pytest.approx(18.0 + residual.estimate)
    assert found.variance == pytest.approx(residual.variance)


def test_greg_by_hand() -> None:
    found = total.greg([1.0, 2.5, 3.0], [1.0, 2.0, 3.0], [2.5], population_size=30)
    # slope 1, intercept 1/6; residuals -1/6, 1/3, -1/6 with s^2 = 1/12
    assert found.estimate == pytest.approx(1 / 6 + 2.5)
    assert found.variance == pytest.approx(0.9 / 12 / 3)
    assert found.df == 1
    assert found.weights @ [1.0, 2.5, 3.0] == pytest.approx(found.estimate)


def test_weights_reproduce_the_known_means() -> None:
    rng = np.random.default_rng(7)
    x, pi = rng.normal(3, 1, (40, 2)), rng.uniform(0.05, 0.3, 40)
    found = total.greg(x @ [1.0, 2.0] + rng.normal(0, 1, 40), x, [3.1, 2.9], 300, probability=pi)
    assert found.weights @ x == pytest.approx([3.1, 2.9])
    assert found.weights.sum() == pytest.approx(1.0)


def test_g_weighted_residuals_by_hand() -> None:
    rng = np.random.default_rng(8)
    x, y = rng.normal(3, 1, 20), rng.normal(10, 2, 20)
    found = total.greg(y, x, [4.0], g_weights=True)
    g = found.weights * 20
    scored = g * found.residuals
    assert found.variance == pytest.approx(((scored - scored.mean()) ** 2).sum() / 19 / 20)


def test_few_plots_for_many_auxiliaries_are_noted() -> None:
    rng = np.random.default_rng(9)
    found = total.greg(rng.normal(size=8), rng.normal(size=(8, 2)), [0.0, 0.0])
    assert found.notes[-1].key == "estimate.note_few_plots"


def test_greg_with_indicators_is_post_stratification() -> None:
    data = plots(np.random.default_rng(10))
    weight = {"a": 0.5, "b": 0.3, "c": 0.2}
    found = total.greg(data["volume"], data[["stratum"]], {"stratumb": 0.3, "stratumc": 0.2})
    assert found.estimate == pytest.approx(total.post_stratified(data["volume"], data["stratum"], weight).estimate)


# systematic samples


def test_local_variance_by_hand() -> None:
    # a line of 6 plots: with 2 neighbours the ends reach the two nearest, the others one on each side
    values = np.array([0.0, 1, 2, 3, 4, 5])
    points = np.column_stack([np.arange(6.0), np.zeros(6)])
    # ends differ from the mean of their three by 1, the others by 0: 3/2 * (1 + 1)
    assert local_variance(values, points, neighbours=2) == pytest.approx(3.0)


def test_a_trend_counts_less_on_a_grid() -> None:
    east, north = (axis.ravel() for axis in np.meshgrid(np.arange(12) * 1000.0, np.arange(12) * 1000.0))
    y = 50 + east / 100 + np.random.default_rng(11).normal(0, 5, 144)
    points = np.column_stack([east, north])
    found = total.horvitz_thompson(y, coordinates=points, design="systematic")
    assert found.variance == found.variance_local
    assert found.variance_local < 0.15 * found.variance_random
    beside = total.horvitz_thompson(y, coordinates=points)
    assert (beside.variance, beside.variance_local) == (found.variance_random, found.variance_local)


def test_without_trend_local_and_random_variance_agree() -> None:
    rng = np.random.default_rng(12)
    points = np.column_stack([axis.ravel() for axis in np.meshgrid(np.arange(30.0), np.arange(30.0))])
    found = total.horvitz_thompson(rng.normal(0, 1, 900), coordinates=points)
    assert found.variance_local == pytest.approx(found.variance_random, rel=0.1)


def test_every_estimator_knows_the_local_variance() -> None:
    rng = np.random.default_rng(13)
    points = np.column_stack([axis.ravel() for axis in np.meshgrid(np.arange(10.0), np.arange(10.0))])
    data = plots(rng, 100)
    y, x = data["volume"], points[:, 0] + rng.normal(size=100)
    weight = {"a": 0.5, "b": 0.3, "c": 0.2}
    layout: dict[str, Any] = {"coordinates": points, "design": "systematic"}
    for found in (
        total.stratified_mean(y, data["stratum"], weight, **layout),
        total.post_stratified(y, data["stratum"], weight, **layout),
        total.ratio_of_means(y, data["forest"], data["stratum"], weight, **layout),
        total.ratio_estimator(y, data["forest"], 0.6, **layout),
        total.greg(y, x, [4.5], **layout),
        total.difference(y, x, 4.5, **layout),
        total.horvitz_thompson(y, cluster=np.arange(100), **layout),
    ):
        assert found.variance == found.variance_local
        assert found.variance == pytest.approx(found.variance_random, rel=0.5)


def test_a_systematic_sample_needs_positions() -> None:
    with pytest.raises(InputError, match="needs coordinates"):
        total.horvitz_thompson([1.0, 2.0], design="systematic")


def test_positions_must_fit_the_sample() -> None:
    with pytest.raises(InputError, match="2 rows of x and y"):
        total.horvitz_thompson([1.0, 2.0], coordinates=[[0.0, 1.0]], design="systematic")
    with pytest.raises(InputError, match="coordinates has 2 units"):
        total.horvitz_thompson([1.0, 2.0], coordinates=[[0.0, 1.0], [1.0, 1.0]], design="systematic")


# what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stratum_weight": {"a": 0.5, "b": 0.3, "c": 0.2}}, "no sampled unit lies in the strata: c"),
        ({"stratum_weight": {"a": 1.0}}, "no entry for the sampled strata: b"),
        ({"stratum_weight": {"a": 0.5, "b": 0.4}}, "sum to 0.9"),
        ({"stratum_weight": {"a": 1.5, "b": -0.5}}, "cannot be negative"),
        ({"stratum_weight": None}, "strata need weights"),
        ({"stratum_weight": {"a": np.nan, "b": 1.0}}, "finite number"),
        ({"stratum": ["a", "a", "b", None]}, "stratum is missing"),
        ({"stratum": ["a", "a", "b"]}, "3 entries where 4"),
        ({"y": [1.0, 2.0, np.nan, 3.0]}, "first in row 2"),
        ({"stratum": list("abcd"), "stratum_weight": dict.fromkeys("abcd", 0.25)}, "single sampled unit"),
        ({"stratum_weight": None, "stratum_size": {"a": 1, "b": 9}}, "stratum a has 2 sampled units"),
        ({"observed": [1.0, 1.0, 1.0, 1.5]}, "observed share in row 3"),
    ],
)
def test_strata_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "y": [1.0, 2.0, 3.0, 5.0],
        "stratum": list("aabb"),
        "stratum_weight": {"a": 0.5, "b": 0.5},
    }
    for estimator in (total.stratified_mean, total.post_stratified):
        with pytest.raises(InputError, match=message):
            estimator(**(arguments | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit_area": None}, "no area for the estimation units: north, south"),
        ({"unit_area": {"north": 1.0}}, "no area for the estimation units: south"),
        ({"unit_area": AREA | {"west": 5.0}}, "an area but no plot: west"),
        ({"unit_area": 5.0}, "no area for the estimation units"),
        ({"n_by_stratum": dict.fromkeys(WEIGHT, 1)}, "more plots are listed"),
        ({"n_by_stratum": dict.fromkeys(WEIGHT, 99.5)}, "whole numbers"),
        ({"n_by_stratum": {("north", "a"): 99}}, "n_by_stratum has no entry for the sampled strata"),
        ({"n_by_stratum": dict.fromkeys(WEIGHT, 99), "cluster": np.arange(60)}, "list all plots"),
        ({"unit": None}, "no entry for the sampled strata"),
    ],
)
def test_units_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    data = plots(np.random.default_rng(14))
    arguments: dict[str, Any] = {
        "y": data["volume"],
        "stratum": data["stratum"],
        "stratum_weight": WEIGHT,
        "unit": data["unit"],
        "unit_area": AREA,
    }
    if change == {"unit": None}:
        change = {"unit": None, "unit_area": 1.0, "stratum_weight": {"a": 0.5, "b": 0.5}}
    with pytest.raises(InputError, match=message):
        total.post_stratified(**(arguments | change))


def test_areas_by_unit_need_units() -> None:
    with pytest.raises(InputError, match="names 2 estimation units"):
        total.post_stratified([1.0, 2.0], ["a", "a"], {"a": 1.0}, unit_area=AREA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [1.0]}, "at least 2"),
        ({"population_size": 2}, "3 units, but the population only 2"),
        ({"probability": [0.5, 1.2, 0.1]}, "row 1 .* is 1.2"),
        ({"probability": [0.5, 0.0, 0.1]}, "row 1"),
        ({"variance": "guess"}, "hajek_berger, hansen_hurwitz, joint"),
        ({"variance": "joint"}, "needs joint_probability"),
        ({"variance": "joint", "joint_probability": np.zeros((3, 3))}, "3 x 3 positive"),
        ({"design": "clustered"}, "random, systematic"),
        ({"cluster": [1, 1, 2], "probability": [0.5, 0.5, 0.1]}, "cannot be given together"),
        ({"cluster": [1, 1, 1]}, "single sampled unit"),
    ],
)
def test_samples_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        total.horvitz_thompson(**({"y": [1.0, 2.0, 4.0]} | change))


def test_missing_map_means_are_refused() -> None:
    x = pd.DataFrame({"height": [1.0, 2, 3, 5], "cover": [0.1, 0.4, 0.2, 0.9]})
    with pytest.raises(InputError, match="lacks a finite mean for: cover"):
        total.greg([1.0, 2, 3, 4], x, {"height": 2.0})
    with pytest.raises(InputError, match="3 means for 2 auxiliaries"):
        total.greg([1.0, 2, 3, 4], x, [2.0, 0.5, 7.0])


def test_collinear_auxiliaries_of_greg_are_dropped_with_a_note() -> None:
    rng = np.random.default_rng(15)
    x = pd.DataFrame({"a": rng.normal(size=30)}).assign(b=lambda d: 3 - d["a"])
    y = rng.normal(size=30)
    found = total.greg(y, x, {"a": 0.2, "b": 2.8})
    assert found.estimate == pytest.approx(total.greg(y, x[["a"]], {"a": 0.2}).estimate)
    assert dict(found.notes[0].fields) == {"names": "b"}


# properties


@given(seed=st.integers(0, 10**6), factor=st.floats(0.01, 1000))
@settings(max_examples=30, deadline=None)
def test_units_carry_through_to_standard_errors(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    data = plots(rng)
    y, x = data["volume"].to_numpy() + 1, rng.normal(size=60)
    weight = {"a": 0.5, "b": 0.3, "c": 0.2}
    for estimator in (
        lambda v: total.horvitz_thompson(v, 1000),
        lambda v: total.post_stratified(v, data["stratum"], weight),
        lambda v: total.greg(v, x, [0.1], 1000),
        lambda v: total.ratio_of_means(v, data["forest"] + 0.1),
    ):
        plain, scaled = estimator(y), estimator(y * factor)
        assert scaled.estimate == pytest.approx(plain.estimate * factor, rel=1e-9)
        assert scaled.se == pytest.approx(plain.se * factor, rel=1e-9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_the_order_of_plots_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = plots(rng).assign(x=rng.normal(size=60), east=rng.random(60), north=rng.random(60))
    mixed = data.sample(frac=1.0, random_state=rng)
    first, second = (
        total.post_stratified(d["volume"], d["stratum"], WEIGHT, d["unit"], AREA, coordinates=d[["east", "north"]])
        for d in (data, mixed)
    )
    assert first.estimate == pytest.approx(second.estimate, rel=1e-12)
    assert first.variance == pytest.approx(second.variance, rel=1e-10)
    assert first.variance_local == pytest.approx(second.variance_local, rel=1e-10)
    a, b = (total.greg(d["volume"], d[["x", "stratum"]], [0.1, 0.3, 0.2], 900) for d in (data, mixed))
    assert (a.estimate, a.variance) == (pytest.approx(b.estimate, rel=1e-10), pytest.approx(b.variance, rel=1e-10))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_a_useless_auxiliary_does_not_shift_the_estimate_beyond_its_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = rng.gamma(2, 50, 200), rng.normal(size=200)
    alone, assisted = total.horvitz_thompson(y), total.greg(y, x, [0.0])
    assert abs(assisted.estimate - alone.estimate) < 1.0 * alone.se
    assert assisted.se == pytest.approx(alone.se, rel=0.05)


def test_a_perfect_model_has_no_variance() -> None:
    x = np.linspace(0, 5, 20)
    found = total.greg(3 + 2 * x, x, [2.0], 500)
    assert found.estimate == pytest.approx(7.0)
    assert found.variance == pytest.approx(0.0, abs=1e-25)


@pytest.mark.parametrize("n", [50, 200, 800])
def test_errors_fall_with_the_square_root_of_n(n: int) -> None:
    rng = np.random.default_rng(16)
    small, large = rng.normal(0, 1, n), rng.normal(0, 1, 4 * n)
    assert total.horvitz_thompson(small).se / total.horvitz_thompson(large).se == pytest.approx(2.0, rel=0.25)


# intervals hold what they promise


def forest(rng: np.random.Generator, n: int = 20000) -> pd.DataFrame:
    """A population: skewed volumes, many zeros, a map that explains about half of it."""
    cover = rng.random(n)
    volume = np.where(cover > 0.45, rng.gamma(3, 25, n) * cover * 1.6, 0.0)
    mapped = 0.7 * volume + rng.normal(0, 25, n) + 15
    return pd.DataFrame({"volume": volume, "map": mapped, "class": pd.cut(mapped, 4, labels=list("abcd")).astype(str)})


@pytest.mark.parametrize(("n", "low", "high"), [(30, 0.885, 0.985), (300, 0.925, 0.975)])
def test_intervals_cover_the_truth(n: int, low: float, high: float) -> None:
    rng = np.random.default_rng(17)
    population = forest(rng)
    truth, mean = population["volume"].mean(), population["map"].mean()
    volume, mapped = population["volume"].to_numpy(), population["map"].to_numpy()
    wide = np.where(mapped > np.quantile(mapped, 0.5), "high", "low")
    estimators = {
        "plots": lambda r: total.horvitz_thompson(volume[r], 20000),
        "greg": lambda r: total.greg(volume[r], mapped[r], [mean], 20000),
        "difference": lambda r: total.difference(volume[r], mapped[r], mean, 20000),
        "post-stratified": lambda r: total.post_stratified(volume[r], wide[r], {"high": 0.5, "low": 0.5}),
    }
    hits = dict.fromkeys(estimators, 0)
    for _ in range(400):
        drawn = rng.choice(20000, n, replace=False)
        for name, estimator in estimators.items():
            bounds = estimator(drawn).interval()
            hits[name] += bounds.low <= truth <= bounds.high
    for name, count in hits.items():
        assert low <= count / 400 <= high, (name, count / 400)
