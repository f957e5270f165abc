"""Change between two dates: hand calculation, properties and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkest.errors import InputError
from sinkest.estimate.change import combine, components, independent, paired, partial_overlap
from sinkest.estimate.result import Estimate

FIRST = [10.0, 20.0, 30.0, 40.0]
SECOND = [12.0, 23.0, 30.0, 47.0]


def level(estimate: float, variance: float, n: int = 30, df: float | None = None) -> Estimate:
    return Estimate(estimate=estimate, variance=variance, n=n, method="greg", df=df)


# Paired


def test_paired_by_hand() -> None:
    # differences 2, 3, 0, 7: mean 3, squares 1 + 0 + 9 + 16 = 26, s^2 = 26 / 3
    found = paired(FIRST, SECOND)
    assert found.estimate == pytest.approx(3.0)
    assert found.variance == pytest.approx(26 / 3 / 4)
    assert (found.before, found.after, found.n, found.df) == (25.0, 28.0, 4, 3.0)
    # 500 / 3 / 4 and 646 / 3 / 4
    assert found.variance_independent == pytest.approx((500 + 646) / 12)
    assert found.correlation == pytest.approx(1 - 26 / 1146)


def test_change_a_year() -> None:
    found = paired(FIRST, SECOND, years=5.0)
    assert found.per_year().estimate == pytest.approx(0.6)
    assert found.per_year().se == pytest.approx(found.se / 5)
    assert found.per_year().variance_independent == pytest.approx(found.variance_independent / 25)


def test_paired_strata_by_hand() -> None:
    # differences a: 2, 4 (mean 3, s^2 2), b: 0, 6 (mean 3, s^2 18); weights 0.75, 0.25
    found = paired([0, 0, 0, 0], [2, 4, 0, 6], list("aabb"), {"a": 0.75, "b": 0.25})
    assert found.estimate == pytest.approx(3.0)
    assert found.variance == pytest.approx(0.75**2 * 2 / 2 + 0.25**2 * 18 / 2)


def test_paired_points_of_cover() -> None:
    # 10 points: 5 forest at both dates, 2 gained, 1 lost; d = +2 - 1 of 10: 0.1, s^2 = (3 - 10 * 0.01) / 9
    before = [1] * 5 + [0, 0] + [1] + [0, 0]
    after = [1] * 5 + [1, 1] + [0] + [0, 0]
    found = paired(before, after)
    assert found.estimate == pytest.approx(0.1)
    assert found.variance == pytest.approx((3 - 0.1) / 9 / 10)


def test_paired_totals_over_units() -> None:
    found = paired(FIRST, SECOND, ["s"] * 4, {"s": 1.0}, ["u", "u", "v", "v"], {"u": 10.0, "v": 20.0})
    assert found.estimate == pytest.approx(10 * 2.5 + 20 * 3.5)
    # s^2 of 2, 3 is 0.5 and of 0, 7 is 24.5
    assert found.variance == pytest.approx(100 * 0.5 / 2 + 400 * 24.5 / 2)


def test_paired_clusters_are_the_units() -> None:
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(10), 4)
    change = rng.normal(0, 1, 10)[cluster]
    single = paired(np.zeros(40), change)
    clustered = paired(np.zeros(40), change, cluster=cluster)
    assert clustered.n == 10
    assert clustered.variance == pytest.approx(np.var(change[::4], ddof=1) / 10)
    assert clustered.variance > 3 * single.variance


def test_paired_on_a_grid_uses_local_differences() -> None:
    y, x = np.mgrid[0:6, 0:6]
    trend = (x + y).ravel().astype(float)
    random = paired(np.zeros(36), trend)
    local = paired(
        np.zeros(36), trend, coordinates=np.column_stack([x.ravel(), y.ravel()]) * 1000.0, design="systematic"
    )
    assert local.variance < random.variance / 2


def test_a_stratum_with_one_pair_borrows_the_spread_and_says_so() -> None:
    found = paired([0, 0, 0], [2, 4, 9], list("aab"), {"a": 0.9, "b": 0.1})
    assert found.variance == pytest.approx(0.81 * 1 + 0.01 * 2)
    assert found.notes[0].key == "estimate.note_pooled_variance"


@pytest.mark.parametrize(
    ("arguments", "options", "key"),
    [
        (([1.0, 2.0], [1.0, np.nan]), {}, "estimate.not_finite"),
        (([1.0, 2.0], [1.0]), {}, "estimate.wrong_length"),
        (([1.0], [1.0]), {}, "estimate.too_few"),
        (([1.0, 2.0], [1.0, 3.0]), {"years": 0}, "smallarea.years"),
        (([1.0, 2.0], [1.0, 3.0]), {"years": math.inf}, "smallarea.years"),
        (([1.0, 2.0], [1.0, 3.0], ["a", "b"]), {}, "estimate.weights_missing"),
    ],
)
def test_paired_refuses_bad_input(arguments: tuple, options: dict, key: str) -> None:
    with pytest.raises(InputError) as caught:
        paired(*arguments, **options)
    assert caught.value.key == key


# Components


def test_components_by_hand() -> None:
    # per plot: +10, 0 on remaining; +20 gained; -50 lost; two plots outside
    table = components([100, 80, 0, 50, 0, 0], [110, 80, 20, 0, 0, 0], [1, 1, 0, 1, 0, 0], [1, 1, 1, 0, 0, 0])
    assert table["estimate"].tolist() == pytest.approx([10 / 6, 20 / 6, -50 / 6, -20 / 6])
    assert table["n"].tolist() == [2, 1, 1, 6]
    assert table["share"].tolist() == pytest.approx([2 / 6, 1 / 6, 1 / 6, 4 / 6])
    # remaining: values 10, 0, 0, 0, 0, 0: s^2 = (100 - 100 / 6) / 5
    assert table.loc["remaining", "variance"] == pytest.approx((100 - 100 / 6) / 5 / 6)
    assert table.loc["gained", "share_se"] == pytest.approx(math.sqrt(1 / 6 * 5 / 6 / 5))


def test_change_outside_the_forest_shows() -> None:
    table = components([0.0, 5, 0], [0.0, 5, 3], [0, 1, 0], [0, 1, 0])
    assert table.index.tolist() == ["remaining", "gained", "lost", "outside", "total"]
    assert table.loc["outside", "estimate"] == pytest.approx(1.0)


@given(st.integers(0, 5000))
@settings(max_examples=25, deadline=None)
def test_components_add_up_to_the_change(seed: int) -> None:
    rng = np.random.default_rng(seed)
    member1, member2 = rng.random(40) < 0.6, rng.random(40) < 0.6
    y1, y2 = rng.gamma(2, 30, 40) * member1, rng.gamma(2, 35, 40) * member2
    stratum = np.repeat(["a", "b"], 20)
    weight, unit, area = {"a": 0.7, "b": 0.3}, np.full(40, "city"), {"city": 500.0}
    table = components(y1, y2, member1, member2, stratum, weight, unit, area)
    whole = paired(y1, y2, stratum, weight, unit, area)
    parts = table.drop(index="total")
    assert parts["estimate"].sum() == pytest.approx(whole.estimate)
    assert table.loc["total", "estimate"] == pytest.approx(whole.estimate)
    assert table.loc["total", "se"] == pytest.approx(whole.se)
    assert parts["share"].sum() == pytest.approx(table.loc["total", "share"])


def test_components_refuse_other_memberships() -> None:
    with pytest.raises(InputError, match="member2"):
        components([1.0, 2], [1.0, 2], [1, 1], [1, 2])


# Independent samples


def test_independent_by_hand() -> None:
    found = independent(level(50, 9, 30, 29.0), level(56, 16, 40, 39.0), years=2)
    assert (found.estimate, found.variance, found.n) == (6.0, 25.0, 70)
    assert found.df == pytest.approx(25**2 / (81 / 29 + 256 / 39))
    assert found.correlation == 0.0


def test_shared_plots_take_their_covariance_off() -> None:
    found = independent(level(50, 9), level(56, 16), covariance=10.0)
    assert found.variance == pytest.approx(5.0)
    assert found.correlation == pytest.approx(0.8)
    assert found.df is None


def test_independent_refuses_bad_input() -> None:
    with pytest.raises(InputError, match="second estimate"):
        independent(level(1, 1), level(1, math.nan))
    with pytest.raises(InputError, match=r"12\.0 at most"):
        independent(level(50, 9), level(56, 16), covariance=-13.0)


# Partial overlap


def overlapping(rng: np.random.Generator, pairs: int, first: int, second: int, rho: float = 0.8) -> tuple:
    both = rng.multivariate_normal([5, 6], [[1, rho * 1.1], [rho * 1.1, 1.21]], pairs + first + second)
    both[pairs : pairs + first, 1] = np.nan
    both[pairs + first :, 0] = np.nan
    return both[:, 0], both[:, 1]


def test_all_plots_twice_is_paired() -> None:
    found, plain = partial_overlap(FIRST, SECOND), paired(FIRST, SECOND)
    assert found.estimate == pytest.approx(plain.estimate)
    assert found.variance == pytest.approx(plain.variance, rel=1e-4)
    assert (found.df, found.n_paired) == (3.0, 4)


def test_no_plot_twice_is_independent() -> None:
    nan = math.nan
    found = partial_overlap([1.0, 3.0, 5.0, nan, nan], [nan, nan, nan, 4.0, 8.0])
    # s^2 4 / 3 plots and 8 / 2 plots
    assert found.estimate == pytest.approx(6 - 3)
    assert found.variance == pytest.approx(4 / 3 + 8 / 2)
    assert math.isnan(found.variance_paired)
    assert (found.n_paired, found.n_first, found.n_second) == (0, 3, 2)


def test_strata_of_partial_overlap_combine() -> None:
    rng = np.random.default_rng(3)
    a, b = overlapping(rng, 12, 10, 10), overlapping(rng, 20, 5, 8)
    labels = np.repeat(["a", "b"], [32, 33])
    found = partial_overlap(*(np.concatenate(z) for z in zip(a, b, strict=True)), labels, {"a": 0.3, "b": 0.7})
    one, two = partial_overlap(*a), partial_overlap(*b)
    assert found.estimate == pytest.approx(0.3 * one.estimate + 0.7 * two.estimate)
    assert found.variance == pytest.approx(0.09 * one.variance + 0.49 * two.variance)


def test_few_pairs_count_as_independent_and_say_so() -> None:
    rng = np.random.default_rng(2)
    found = partial_overlap(*overlapping(rng, 2, 10, 10))
    assert found.notes[0].key == "smallarea.too_few_pairs"
    assert found.estimate == pytest.approx(found.after - found.before)


def test_a_date_without_any_spread_is_still_a_difference() -> None:
    nan = math.nan
    found = partial_overlap([0.0, 0.0, 0.0, nan], [1.0, 2.0, nan, 3.0])
    assert found.estimate == pytest.approx(2.0)
    assert found.variance == pytest.approx(1 / 3)


@pytest.mark.parametrize(("pairs", "first", "second"), [(8, 12, 12), (30, 30, 30), (12, 0, 30)])
def test_partial_overlap_holds_the_truth(pairs: int, first: int, second: int) -> None:
    rng = np.random.default_rng(pairs)
    found = [partial_overlap(*overlapping(rng, pairs, first, second)) for _ in range(500)]
    estimate = np.array([one.estimate for one in found])
    inside = np.mean([low <= 1 <= high for low, high in (one.interval() for one in found)])
    assert estimate.mean() == pytest.approx(1.0, abs=0.05)
    assert np.mean([one.variance for one in found]) / estimate.var() == pytest.approx(1.0, abs=0.2)
    assert 0.93 <= inside <= 0.985
    # better than the pairs alone, and than treating all as independent
    assert estimate.var() < np.mean([one.variance_paired for one in found])
    assert estimate.var() < np.mean([one.variance_independent for one in found])


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (([1.0, np.nan], [2.0, np.nan]), "smallarea.plot_without_value"),
        (([1.0, 2.0, np.nan], [2.0, np.nan, np.nan]), "smallarea.plot_without_value"),
        (([1.0, 2.0, 3.0], [2.0, np.nan, np.nan]), "smallarea.too_few_at_date"),
        (([1.0, 2.0], [2.0, 3.0], ["a", "a"]), "estimate.weights_missing"),
        (([1.0, 2.0], [2.0, 3.0], ["a", "a"], {"a": 0.4}), "estimate.weights_do_not_sum"),
        (([1.0, 2.0], [2.0, 3.0], ["a", "a"], {"a": 0.4, "b": 0.6}), "estimate.empty_strata"),
    ],
)
def test_partial_overlap_refuses_bad_input(arguments: tuple, key: str) -> None:
    with pytest.raises(InputError) as caught:
        partial_overlap(*arguments)
    assert caught.value.key == key


# Combination


def test_combination_of_independent_estimates_by_hand() -> None:
    # weights 4 / 5 and 1 / 5
    found = combine([level(10, 1), level(20, 4)])
    assert found.estimate == pytest.approx(12.0)
    assert found.variance == pytest.approx(0.8)
    assert found.n == 60


def test_combination_of_correlated_estimates_by_hand() -> None:
    # C = [[1, 1], [1, 4]], inverse [[4, -1], [-1, 1]] / 3: weights 3 / 3 and 0
    found = combine([10.0, 20.0], [[1.0, 1.0], [1.0, 4.0]])
    assert (found.estimate, found.variance) == pytest.approx((10.0, 1.0))
    assert combine([10.0, 20.0], [[1.0, 1.5], [1.5, 4.0]]).notes[0].key == "smallarea.negative_mix"


@pytest.mark.parametrize(
    ("arguments", "options", "key"),
    [
        (([10.0, 20.0],), {}, "smallarea.no_covariance"),
        (([10.0, 20.0], [[1.0, 2.0], [2.0, 1.0]]), {}, "smallarea.not_a_covariance"),
        (([10.0, 20.0],), {"variances": [1.0, 0.0]}, "smallarea.not_a_covariance"),
        (([10.0, 20.0], [[1.0], [2.0]]), {}, "smallarea.no_covariance"),
        (([],), {"variances": []}, "estimate.too_few"),
    ],
)
def test_combination_refuses_bad_input(arguments: tuple, options: dict, key: str) -> None:
    with pytest.raises(InputError) as caught:
        combine(*arguments, **options)
    assert caught.value.key == key


@pytest.mark.parametrize(
    "found", [paired(FIRST, SECOND), independent(level(1, 1), level(2, 1)), combine([level(1, 1)])]
)
def test_estimates_have_a_name_for_readers(found) -> None:
    assert found.method_label("en")
    assert not found.method_label("zh").isascii()
    assert found.method in repr(found)
