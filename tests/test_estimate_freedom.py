import numpy as np
import pytest

from sinkest.estimate import change, total
from sinkest.estimate.freedom import Scores, effective, excess_kurtosis, joined, satterthwaite
from sinkest.estimate.systematic import Neighbourhoods


def square(side: int, spacing: float = 1000.0) -> np.ndarray:
    row, column = np.divmod(np.arange(side * side), side)
    return np.column_stack([column, row]) * spacing


def test_degrees_of_freedom_by_hand() -> None:
    # squares 9, 1, 1, 1, 0, ...: second moment 12 / 8, fourth (81 + 3) / 8, kurtosis 84 * 8 / 144 = 14 / 3
    values = np.array([3.0, -1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0])
    assert effective(values, 7.0) == pytest.approx(2 * 8 / (14 / 3 - 1))
    assert excess_kurtosis(values) == pytest.approx(14 / 3 - 3)


def test_light_tails_never_give_more_than_the_units_counted() -> None:
    # two values, equally often: a kurtosis of 1, a variance without error
    assert effective(np.array([1.0, -1.0, 1.0, -1.0]), 3.0) == 3.0


def test_values_without_spread_keep_their_count() -> None:
    assert effective(np.zeros(6), 5.0) == 5.0
    assert excess_kurtosis(np.full(6, 2.0)) == 0.0


def test_the_unit_does_not_matter() -> None:
    values = np.random.default_rng(1).standard_t(4, 80)
    values -= values.mean()
    assert effective(1e-9 * values, 79.0) == pytest.approx(effective(1e9 * values, 79.0))


def test_a_row_that_stands_for_many_units_counts_as_many() -> None:
    values, count = np.array([[3.0], [-1.0], [0.0]]), np.array([1.0, 3.0, 4.0])
    found = Scores(values, np.zeros(3, dtype=np.intp), count).freedom(np.ones(1), np.array([7.0]))
    assert found == pytest.approx([2 * 8 / (14 / 3 - 1)])


def test_parts_of_several_groups_stay_apart() -> None:
    heavy, light = np.array([3.0, -1, -1, -1, 0, 0, 0, 0]), np.array([1.0, -1.0] * 4)
    both = joined([Scores.of(heavy), Scores.of(light)], [1, 1])
    assert both.freedom(np.ones(1), np.array([7.0, 7.0])) == pytest.approx([16 / (14 / 3 - 1), 7.0])


def test_satterthwaite_weighs_the_parts_by_their_squares() -> None:
    assert satterthwaite(np.array([3.0, 1.0]), np.array([9.0, 2.0])) == pytest.approx(16 / (9 / 9 + 1 / 2))
    assert satterthwaite(np.zeros(2), np.array([9.0, 2.0])) == 11.0


def test_overlapping_differences_are_worth_less_than_units() -> None:
    # On a large square grid row i of the form has 1 at i, -0.4 at 4 neighbours, 0.1 at 4 diagonal ones and 0.05 at 4
    # two steps away: squares 1 + 0.64 + 0.04 + 0.01, so n / 1.69, a little more because of the edges.
    found = Neighbourhoods.of(square(60), 3600).freedom()
    assert found == pytest.approx(3600 / 1.69, rel=0.03)


def test_heavy_tails_and_overlap_add_up() -> None:
    around = Neighbourhoods.of(square(40), 1600)
    assert around.freedom(50.0) == pytest.approx(2 * 1600 / (2 * 1.69 + 50), rel=0.03)


def test_the_spread_of_the_local_variance_is_what_its_degrees_of_freedom_say() -> None:
    rng = np.random.default_rng(5)
    around = Neighbourhoods.of(square(12), 144)
    drawn = np.array([around.variance(rng.standard_normal(144)) for _ in range(3000)])
    # the squared coefficient of variation of a chi-square on its degrees of freedom is 2 / df
    assert 2 / (drawn.std() / drawn.mean()) ** 2 == pytest.approx(around.freedom(), rel=0.08)


def test_a_change_that_few_plots_carry_widens_the_interval() -> None:
    rng = np.random.default_rng(2)
    before = np.full(300, 80.0)
    after = before + rng.normal(2.0, 1.0, 300)
    steady = change.paired(before, after)
    after[:3] = 0.0
    cut = change.paired(before, after)
    assert steady.df == pytest.approx(299, abs=30)
    assert cut.df is not None
    assert cut.df < 10
    assert np.ptp(cut.interval()) > 2.2 * 2 * cut.se


def test_a_grid_has_fewer_degrees_of_freedom_than_a_random_sample() -> None:
    y = np.random.default_rng(3).normal(50, 10, 144)
    random = total.horvitz_thompson(y, coordinates=square(12))
    grid = total.horvitz_thompson(y, coordinates=square(12), design="systematic")
    assert grid.df is not None
    assert random.df is not None
    assert grid.df < random.df
