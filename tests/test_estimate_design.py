"""Sample sizes, allocation, drawing, and what it takes to settle a target."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sinkest.errors import InputError
from sinkest.estimate.design import (
    allocate,
    change_sd,
    draw_stratified,
    draw_systematic,
    n_to_settle,
    plots_for_mean,
    proportion_sd,
    sample_size,
    se_to_detect,
    settle_curve,
    spacing_for,
    stratum_counts,
    target_probability,
)

COVER = {"forest": 0.54, "other": 0.46}
COVER_SD = {"forest": proportion_sd(0.90), "other": proportion_sd(0.88)}


# Sample sizes


@pytest.mark.parametrize(("se", "n"), [(0.01, 970), (0.0075, 1725), (0.005, 3881)])
def test_points_for_a_standard_error_of_coverage(se: float, n: int) -> None:
    # (0.54 * 0.3 + 0.46 * 0.325)^2 / se^2 (Olofsson et al. 2014, eq. 13), rounded up to keep the standard error
    found = sample_size(se, COVER, COVER_SD)
    assert found.n_exact == pytest.approx(n, abs=0.5)
    assert found.n == math.ceil(found.n_exact)
    assert found.se <= se


def test_plots_for_a_sampling_precision() -> None:
    # (1.96 * 0.74 / 0.1)^2 = 210.4; with a map that halves the variance's 1.8th part 116.9
    assert plots_for_mean(0.74, 0.10) == 211
    assert plots_for_mean(0.74, 0.10, relative_efficiency=1.8) == 117
    assert plots_for_mean(0.74, 0.05) == 842


def test_standard_error_that_shows_a_change() -> None:
    # 2.25 / (1.96 + 0.8416) = 0.803 for the change, over root 2 at each date
    assert se_to_detect(2.25, dates="paired") == pytest.approx(0.8031, abs=1e-4)
    assert se_to_detect(2.25) == pytest.approx(0.5679, abs=1e-4)


def test_remeasured_plots_need_the_spread_of_the_difference() -> None:
    assert change_sd(50, 50, 0.9) == pytest.approx(math.sqrt(2 * 2500 * 0.1))
    assert change_sd(50, 50, 1.0) == 0.0


def test_proportional_sample_size_by_hand() -> None:
    # V = sum W S^2 / n = (0.5 * 4 + 0.5 * 16) / n = 10 / n; SE 1 takes 10
    found = sample_size(1.0, {"a": 1, "b": 1}, {"a": 2.0, "b": 4.0}, rule="proportional", floor=0)
    assert (found.n, found.by_stratum) == (10, {"a": 5, "b": 5})
    assert found.se == pytest.approx(1.0)


def test_finite_strata_need_fewer_plots() -> None:
    # 10 / (1 + 10 / 100)
    found = sample_size(
        1.0, {"a": 1, "b": 1}, {"a": 2.0, "b": 4.0}, rule="proportional", stratum_size={"a": 50, "b": 50}
    )
    assert found.n_exact == pytest.approx(10 / 1.1)
    assert found.n == 10


@given(
    st.lists(st.tuples(st.floats(0.05, 1.0), st.just(0.0) | st.floats(0.01, 5.0)), min_size=1, max_size=6),
    st.floats(0.05, 1.0),
    st.sampled_from(["equal", "proportional", "neyman"]),
    st.integers(0, 10),
)
@settings(max_examples=60, deadline=None)
def test_the_sample_keeps_the_standard_error_and_one_fewer_does_not(
    strata: list, se: float, rule: str, floor: int
) -> None:
    weight = {i: w for i, (w, _) in enumerate(strata)}
    sd = {i: s for i, (_, s) in enumerate(strata)}
    found = sample_size(se, weight, sd, rule=rule, floor=floor)
    assert found.se <= se * (1 + 1e-9)
    assert min(found.by_stratum.values()) >= floor
    least = max(sum(max(floor, s > 0) for _, s in strata), 1)
    if found.n > least:
        assert allocate(found.n - 1, weight, sd, rule=rule, floor=floor).se > se * (1 - 1e-9)


# Allocation


def test_allocation_rules_by_hand() -> None:
    weight, sd = {"a": 0.6, "b": 0.3, "c": 0.1}, {"a": 1.0, "b": 2.0, "c": 6.0}
    assert allocate(90, weight, rule="equal").by_stratum == {"a": 30, "b": 30, "c": 30}
    assert allocate(90, weight).by_stratum == {"a": 54, "b": 27, "c": 9}
    # W S = 0.6, 0.6, 0.6
    assert allocate(90, weight, sd, rule="neyman").by_stratum == {"a": 30, "b": 30, "c": 30}
    # CV 0.1, 0.1, 0.1: with power 0 all the same, with power 1 as the weights
    mean = {"a": 10.0, "b": 20.0, "c": 60.0}
    assert allocate(90, weight, sd, rule="power", mean=mean, power=0.0).by_stratum == {"a": 30, "b": 30, "c": 30}
    assert allocate(90, weight, sd, rule="power", mean=mean, power=1.0).by_stratum == {"a": 54, "b": 27, "c": 9}


def test_scarce_strata_are_lifted_to_the_floor_with_a_note() -> None:
    found = allocate(50, {"a": 0.9, "b": 0.09, "c": 0.01}, floor=10)
    assert found.by_stratum == {"a": 30, "b": 10, "c": 10}
    assert found.notes[0].key == "smallarea.lifted_to_floor"
    assert "b, c" in str(found.notes[0])


def test_small_strata_are_taken_completely_with_a_note() -> None:
    found = allocate(50, {"a": 0.9, "b": 0.1}, stratum_size={"a": 20, "b": 100})
    assert found.by_stratum == {"a": 20, "b": 30}
    assert found.notes[0].key == "smallarea.taken_completely"
    assert math.isnan(found.se)


def test_strata_without_any_spread_share_by_weight() -> None:
    found = allocate(12, {"a": 1, "b": 3}, {"a": 0, "b": 0}, rule="neyman", floor=0)
    assert found.by_stratum == {"a": 3, "b": 9}
    assert found.se == 0.0


@given(
    st.integers(1, 500),
    st.lists(st.floats(0.001, 1.0), min_size=1, max_size=8),
    st.integers(0, 5),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_allocation_adds_up_within_its_limits(n: int, weights: list, floor: int, limited: bool) -> None:
    weight = dict(enumerate(weights))
    size = {key: 10 + 30 * key for key in weight} if limited else None
    most = sum(size.values()) if size else math.inf
    if n < floor * len(weight) or n > most:
        with pytest.raises(InputError):
            allocate(n, weight, floor=floor, stratum_size=size)
        return
    found = allocate(n, weight, floor=floor, stratum_size=size)
    assert sum(found.by_stratum.values()) == found.n == n
    assert min(found.by_stratum.values()) >= floor
    assert size is None or all(found.by_stratum[key] <= size[key] for key in weight)


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda: proportion_sd(1.2), "smallarea.not_a_proportion"),
        (lambda: allocate(0, COVER), "smallarea.sample_size"),
        (lambda: allocate(10, COVER, rule="other"), "smallarea.unknown_choice"),
        (lambda: allocate(10, {"a": -1.0, "b": 2.0}), "smallarea.stratum_weights"),
        (lambda: allocate(10, COVER, rule="neyman"), "smallarea.rule_needs"),
        (lambda: allocate(10, COVER, COVER_SD, rule="power"), "smallarea.rule_needs"),
        (lambda: allocate(10, COVER, {"forest": 1.0}), "smallarea.strata_missing"),
        (lambda: allocate(10, COVER, {"forest": -1.0, "other": 1.0}), "estimate.too_small"),
        (lambda: allocate(10, COVER, COVER_SD, rule="power", mean={"forest": 0, "other": 1}), "smallarea.mean_zero"),
        (lambda: allocate(10, COVER, COVER_SD, rule="power", mean=COVER, power=2), "smallarea.power"),
        (lambda: allocate(10, COVER, floor=-1), "smallarea.floor"),
        (lambda: allocate(10, COVER, floor=6), "smallarea.cannot_allocate"),
        (lambda: sample_size(0.0, COVER, COVER_SD), "smallarea.wanted_se"),
        (lambda: sample_size(0.1, {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 1.0}, rule="neyman", floor=0), None),
        (lambda: change_sd(-1, 1, 0), "smallarea.change_sd"),
        (lambda: plots_for_mean(0, 0.1), "smallarea.plots_for_mean"),
        (lambda: se_to_detect(0), "smallarea.se_to_detect"),
        (lambda: se_to_detect(1, dates="once"), "smallarea.unknown_choice"),
        (lambda: spacing_for(0, 10), "smallarea.sample_size"),
    ],
)
def test_planning_refuses_bad_input(call, key: str | None) -> None:
    if key is None:
        assert call().by_stratum["b"] == 0
        return
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.key == key
    assert str(caught.value)


def test_all_units_have_no_error() -> None:
    found = sample_size(1e-6, {"a": 1, "b": 1}, {"a": 2.0, "b": 4.0}, stratum_size={"a": 5, "b": 5})
    assert found.by_stratum == {"a": 5, "b": 5}
    assert found.se == 0.0


# Drawing


def strata_map(seed: int = 0) -> np.ndarray:
    grid = np.random.default_rng(seed).choice([0, 1, 2, 3], (60, 80), p=[0.1, 0.6, 0.25, 0.05]).astype(np.uint8)
    grid[0, 0] = 7
    return grid


@given(st.integers(0, 1000), st.integers(0, 30), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_stratified_points_lie_in_their_strata(seed: int, n: int, floor: int) -> None:
    grid = strata_map(seed)
    table = draw_stratified(grid, {1: n, 2: 10}, np.random.default_rng(seed), floor=floor)
    assert (grid[table["row"], table["col"]] == table["stratum"]).all()
    assert not table.duplicated(["row", "col"]).any()
    counts = stratum_counts(grid)
    wanted = {1: max(n, floor), 2: 10, 3: min(floor, counts[3]), 7: min(floor, 1)}
    assert table["stratum"].value_counts().to_dict() == {key: value for key, value in wanted.items() if value}
    # the points stand for all pixels of the strata that have any
    assert table["weight"].sum() == pytest.approx(sum(counts[key] for key, value in wanted.items() if value))


def test_every_pixel_of_a_stratum_has_the_same_chance() -> None:
    # each of 450 pixels is drawn with probability 1 / 2, 40 times: hits ~ binomial, mean 20, variance 10
    rng = np.random.default_rng(5)
    grid = rng.permutation(np.repeat([1, 2], 450)).reshape(30, 30)
    hits = np.zeros(grid.shape)
    for _ in range(40):
        table = draw_stratified(grid, {1: 225, 2: 3}, rng)
        hits[table["row"], table["col"]] += 1
    spread = ((hits[grid == 1] - 20) ** 2 / 10).sum()
    assert stats.chi2.ppf(0.001, 449) < spread < stats.chi2.ppf(0.999, 449)
    # and no part of the map is favoured
    assert hits[:15][grid[:15] == 1].mean() == pytest.approx(20, abs=0.7)


def test_the_same_seed_draws_the_same_points_from_any_type_of_map() -> None:
    grid = strata_map()
    first = draw_stratified(grid, {1: 20, 2: 20}, np.random.default_rng(9))
    second = draw_stratified(grid.astype(np.int32), {1: 20, 2: 20}, np.random.default_rng(9))
    pd.testing.assert_frame_equal(first, second)


def test_strata_too_small_or_left_out_are_noted() -> None:
    table = draw_stratified(strata_map(), {1: 5, 7: 4}, np.random.default_rng(1))
    assert [note.key for note in table.attrs["notes"]] == [
        "smallarea.taken_completely",
        "smallarea.strata_without_points",
    ]
    assert table.loc[table["stratum"] == 7, "probability"].tolist() == [1.0]


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_systematic_points_are_a_grid_with_a_floor(seed: int, spacing: int, floor: int) -> None:
    grid = strata_map(seed)
    table = draw_systematic(grid, spacing, np.random.default_rng(seed), floor=floor)
    assert (grid[table["row"], table["col"]] == table["stratum"]).all()
    assert not table.duplicated(["row", "col"]).any()
    on_grid = table[~table["added"]]
    assert on_grid["row"].mod(spacing).nunique() == on_grid["col"].mod(spacing).nunique() == 1
    counts, drawn = stratum_counts(grid), table["stratum"].value_counts()
    assert all(drawn.get(code, 0) >= min(floor, count) for code, count in counts.items())
    lifted = set(table.loc[table["added"], "stratum"])
    for code in lifted:
        assert drawn[code] == min(floor, counts[code])
        assert table.loc[table["stratum"] == code, "weight"].sum() == pytest.approx(counts[code])
    rest = table[~table["stratum"].isin(lifted)]
    assert (rest["weight"] == spacing**2).all()


def test_systematic_grids_may_be_oblong_and_start_anywhere() -> None:
    starts = {
        tuple(draw_systematic(np.ones((12, 12), dtype=int), (3, 4), np.random.default_rng(s))[["row", "col"]].iloc[0])
        for s in range(60)
    }
    assert starts == {(r, c) for r in range(3) for c in range(4)}


def test_missed_strata_of_a_grid_are_noted() -> None:
    table = draw_systematic(strata_map(), 30, np.random.default_rng(0))
    assert table.attrs["notes"][0].key == "smallarea.strata_without_points"


def test_spacing_gives_at_least_the_wanted_points() -> None:
    assert spacing_for(100, 10_000) == 10
    assert spacing_for(101, 10_000) == 9


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda m, r: draw_stratified(m.astype(float), {1: 1}, r), "smallarea.not_a_map"),
        (lambda m, r: draw_stratified(m[0], {1: 1}, r), "smallarea.not_a_map"),
        (lambda m, r: draw_stratified(m, {9: 1}, r), "smallarea.stratum_not_on_map"),
        (lambda m, r: draw_stratified(m, {1: -1}, r), "smallarea.sample_size"),
        (lambda m, r: draw_stratified(m, {1: 1.5}, r), "smallarea.sample_size"),
        (lambda m, r: draw_stratified(m, {1: 1}, r, floor=-1), "smallarea.floor"),
        (lambda m, r: draw_systematic(m, 0, r), "smallarea.spacing"),
        (lambda m, r: draw_systematic(m, 5, r, floor=-1), "smallarea.floor"),
        (lambda m, r: draw_systematic(m * 0, 5, r), "smallarea.empty_grid"),
    ],
)
def test_drawing_refuses_bad_input(call, key: str) -> None:
    with pytest.raises(InputError) as caught:
        call(strata_map(), np.random.default_rng(0))
    assert caught.value.key == key


# Settling a target


def test_probability_of_a_target_by_hand() -> None:
    assert target_probability(57, 1, 56) == pytest.approx(stats.norm.cdf(1))
    assert target_probability(57, 1, 56, "at_most") == pytest.approx(stats.norm.cdf(-1))
    assert target_probability(57, 2, 56, "about", 1.0) == pytest.approx(stats.norm.cdf(0) - stats.norm.cdf(-1))


def test_chance_of_a_verdict_is_that_of_simulated_samples() -> None:
    # flat prior: truth ~ N(57, 1.5^2); the larger sample's mean of today's and 1,050 new plots
    rng = np.random.default_rng(8)
    estimate, se, n, more = 57.0, 1.5, 350, 1050
    truth = rng.normal(estimate, se, 200_000)
    new = rng.normal(truth, se * math.sqrt(n / more))
    pooled, pooled_se = (n * estimate + more * new) / (n + more), se * math.sqrt(n / (n + more))
    for comparison, tolerance in (("at_least", 0.0), ("at_most", 0.0), ("about", 2.0)):
        curve = settle_curve(estimate, se, n, 56.12, comparison=comparison, tolerance=tolerance, n_values=[n, n + more])
        gap = pooled - 56.12
        chance = {
            "at_least": stats.norm.cdf(gap / pooled_se),
            "at_most": stats.norm.sf(gap / pooled_se),
            "about": stats.norm.cdf((2 - gap) / pooled_se) - stats.norm.cdf((-2 - gap) / pooled_se),
        }[comparison]
        assert curve["met"].iloc[-1] == pytest.approx((chance >= 0.9).mean(), abs=0.005)
        assert curve["not_met"].iloc[-1] == pytest.approx((chance <= 0.1).mean(), abs=0.005)


def test_power_if_the_estimate_is_true_by_hand() -> None:
    # gap 2, new se 1: met from an estimated gap of 1.2816 on, not met below -1.2816
    curve = settle_curve(2.0, 2.0, 100, 0.0, n_values=[400])
    expected = stats.norm.sf(1.2816 - 2) + stats.norm.cdf(-1.2816 - 2)
    assert curve["settled_if_true"].iloc[0] == pytest.approx(expected, abs=1e-4)
    assert curve[["added", "se"]].iloc[0].tolist() == [300, 1.0]


def test_more_plots_settle_more() -> None:
    curve = settle_curve(57.0, 1.5, 350, 56.12)
    assert curve["settled"].is_monotonic_increasing
    assert curve["n"].iloc[[0, -1]].tolist() == [350, 35_000]
    needed = n_to_settle(curve)
    assert needed == n_to_settle(curve, column="settled_if_true") < n_to_settle(curve, column="settled")
    fine = settle_curve(57.0, 1.5, 350, 56.12, n_values=[350, int(needed) - 60, int(needed) + 60])
    assert fine["settled_if_true"].iloc[1] < 0.8 < fine["settled_if_true"].iloc[2]


def test_a_clear_case_needs_no_more_plots_and_a_tie_more_than_there_are() -> None:
    assert n_to_settle(settle_curve(70.0, 1.0, 50, 56.0)) == 50
    assert n_to_settle(settle_curve(56.0, 1.0, 50, 56.0)) == math.inf


def test_a_narrow_band_cannot_be_met_with_a_wide_error() -> None:
    curve = settle_curve(50.0, 5.0, 100, 50.0, comparison="about", tolerance=1.0)
    assert curve["met"].iloc[0] == 0.0
    assert curve["met"].iloc[-1] > 0.05


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda: target_probability(1, 1, 1, "above"), "smallarea.unknown_choice"),
        (lambda: target_probability(1, 0, 1), "smallarea.settle_numbers"),
        (lambda: target_probability(math.nan, 1, 1), "smallarea.settle_numbers"),
        (lambda: target_probability(1, 1, 1, "about"), "smallarea.tolerance"),
        (lambda: settle_curve(1, 1, 0, 1), "smallarea.settle"),
        (lambda: settle_curve(1, 1, 10, 1, certainty=0.5), "smallarea.settle"),
        (lambda: settle_curve(1, 1, 10, 1, n_values=[5]), "smallarea.settle_sizes"),
        (lambda: n_to_settle(settle_curve(1, 1, 10, 1), 1.0), "smallarea.chance"),
        (lambda: n_to_settle(settle_curve(1, 1, 10, 1), column="power"), "smallarea.chance"),
    ],
)
def test_settling_refuses_bad_input(call, key: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.key == key
    assert str(caught.value)
