"""The sampling experiment of ``tests.benchmarks.estimators`` with fixed seeds, coarse pixels and few samples."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.benchmarks import estimators
from tests.benchmarks.estimator_cases import Answer, cases
from tests.benchmarks.estimators import Key, Performance, lines, missed, performance, run
from tests.benchmarks.virtual_forest import Draw, Forest, virtual_forest

SAMPLES = 160
N = 300
CHOSEN = {
    ("stratified_area", "stratified"): "t",
    ("regression_area", "random"): "t",
    ("horvitz_thompson", "random"): "t",
    ("horvitz_thompson", "clusters"): "t",
    ("post_stratified", "random"): "t",
    ("greg", "random"): "t",
    ("greg", "systematic"): "t, local",
    ("two_phase", "random"): "t, g-weights",
    ("paired", "random"): "t",
    ("hybrid_mean", "random"): "t",
}
"""Estimators that are tried, and the variant that must do what it says."""

DEAR = {("cross_fitted_mean", "random"): "t, held-out residuals"}
DEAR_SAMPLES = 40


def position(name: str, design: str) -> int:
    return next(i for i, case in enumerate(cases()) if (case.name, case.design) == (name, design))


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Forest:
    return virtual_forest(tmp_path_factory.mktemp("city"), 600.0, trees=10)


@pytest.fixture(scope="module")
def found(forest: Forest) -> dict[Key, Performance]:
    cheap = run(forest, [position(*key) for key in CHOSEN], SAMPLES, sizes=[N])
    return cheap | run(forest, [position(*key) for key in DEAR], DEAR_SAMPLES, sizes=[N])


EVERY = pytest.mark.parametrize(("case", "variant"), (CHOSEN | DEAR).items(), ids=lambda value: str(value))


@EVERY
def test_no_bias_beyond_the_error_of_the_experiment(
    found: dict[Key, Performance], case: tuple[str, str], variant: str
) -> None:
    seen = found[position(*case), variant, N]
    assert abs(seen.bias) < 3.5 * seen.bias_error


@EVERY
def test_the_standard_error_is_the_spread_of_the_estimates(
    found: dict[Key, Performance], case: tuple[str, str], variant: str
) -> None:
    seen = found[position(*case), variant, N]
    # the spread of so few samples is itself known to no more than one part in root (2 N), and less with heavy tails
    slack = 0.1 if seen.samples == SAMPLES else 0.2
    assert 1 - slack < seen.se_ratio < 1 + slack


@EVERY
def test_the_interval_holds_the_truth_as_often_as_it_says(
    found: dict[Key, Performance], case: tuple[str, str], variant: str
) -> None:
    seen = found[position(*case), variant, N]
    low, high = stats.binom.interval(0.998, seen.samples, 0.95)
    assert low <= round(seen.coverage * seen.samples) <= high


@pytest.mark.parametrize(
    ("name", "design", "variant", "most"),
    [
        ("cross_fitted_mean", "random", "t, own residuals", 0.7),
        ("horvitz_thompson", "clusters", "clusters ignored", 0.9),
        ("hybrid_mean", "random", "t, model taken as known", 0.9),
    ],
)
def test_what_must_not_be_done_shows(
    found: dict[Key, Performance], name: str, design: str, variant: str, most: float
) -> None:
    assert found[position(name, design), variant, N].coverage < most


def test_the_map_saves_plots(found: dict[Key, Performance]) -> None:
    errors = {name: found[position(name, "random"), "t", N].bias_error for name in ("horvitz_thompson", "greg")}
    assert errors["greg"] < 0.6 * errors["horvitz_thompson"]


# the experiment itself


def answer(estimate: float, half: float) -> Answer:
    return Answer(*(np.array([value]) for value in (estimate, half / 2, estimate - half, estimate + half)))


def test_performance_by_hand() -> None:
    # 9, 10, 14 around a truth of 10, with half-widths of 2: the last misses it from above
    seen = performance([answer(9, 2), answer(10, 2), answer(14, 2)], np.array([10.0]))
    spread = math.sqrt(((9 - 11) ** 2 + (10 - 11) ** 2 + (14 - 11) ** 2) / 2)
    assert seen.bias == pytest.approx(0.1)
    assert seen.bias_error == pytest.approx(spread / math.sqrt(3) / 10)
    assert seen.se_ratio == pytest.approx(1 / spread)
    assert (seen.coverage, seen.above, seen.below) == pytest.approx((2 / 3, 1 / 3, 0))


def test_a_domain_without_an_interval_counts_for_nothing() -> None:
    unknown = answer(20, math.nan)
    both = [
        Answer(*(np.concatenate(pair) for pair in zip(answer(one, 2), unknown, strict=True))) for one in (9, 10, 11)
    ]
    seen = performance(both, np.array([10.0, 10.0]))
    assert (seen.coverage, seen.bias) == pytest.approx((1.0, 0.0))


def test_a_variant_that_misses_the_bounds_is_named() -> None:
    i = position("greg", "random")
    bad = Performance(0.0, 0.1, 1.0, 0.90, 0.01, 0.0, 0.1, 1000)
    narrow = bad._replace(coverage=0.925)
    assert missed({(i, "t", N): bad, (i, "normal", N): bad}) == [(i, "t", N)]
    assert missed({(i, "t", N): narrow, (i, "t", 30): bad}) == []
    assert lines({(i, "t", N): bad})[-1].count("MISSED") == 1


def test_a_sample_is_the_same_whatever_was_asked_before(forest: Forest) -> None:
    one, two = Draw(forest, 50, 3), Draw(forest, 50, 3)
    assert len(one.grid) > 0
    assert np.array_equal(one.random, two.random)
    assert len(np.unique(one.random)) == 50
    assert np.array_equal(one.phases[:50], one.random)


def test_grids_have_about_the_wanted_number_of_points(forest: Forest) -> None:
    sizes = [len(Draw(forest, N, number).grid) for number in range(40)]
    assert np.mean(sizes) == pytest.approx(N, rel=0.02)
    assert max(sizes) < 1.1 * N


def test_clusters_give_every_pixel_the_same_chance(forest: Forest) -> None:
    count = np.zeros(len(forest))
    for number in range(60):
        np.add.at(count, Draw(forest, N, number).clusters[0], 1)
    border = np.zeros(len(forest), dtype=bool)
    around = np.pad(forest.position, 1, constant_values=-1)
    for down, across in ((0, 1), (2, 1), (1, 0), (1, 2)):
        border |= around[forest.row + down, forest.column + across] < 0
    assert 0.8 < count[border].mean() / count[~border].mean() < 1.2


def test_the_command_prints_a_table_and_says_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], forest: Forest
) -> None:
    monkeypatch.setattr(estimators, "virtual_forest", lambda folder, resolution, trees: forest)
    code = estimators.main(["--samples", "4", "--only", "regression_area", "--save", str(tmp_path / "all.csv")])
    printed = capsys.readouterr().out
    assert "| regression_area | random | t *" in printed
    assert code == int("outside 93-97 %" in printed)
    assert (tmp_path / "all.csv").read_text().startswith("family,name,design,variant,n,bias")
