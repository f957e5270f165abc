"""Forest pools: the steps from volume to CO2, and what stands in where a set has no row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sinkest.account.conversion import TYPE_MAP, load_coefficients
from sinkest.account.forest import (
    arbor_biomass_t,
    area_pool,
    carbon_t,
    co2_t,
    composition,
    type_draws,
    type_table,
    type_volumes,
    with_intercept,
)
from sinkest.account.inputs import stock_table
from sinkest.errors import InputError

COEFFICIENTS = load_coefficients()
TYPES = ("fir", "masson_pine", "broadleaf", "mixed")
VOLUMES = np.array([57.6, 41.4, 42.5, 45.1])
HALF = {"LI2016": 0.5, "ZHANG2013": 0.25, "IPCC": 0.25}


def table(types: tuple[str, ...] = TYPES, volumes: np.ndarray = VOLUMES, **options: object):
    settings = {"type_map": TYPE_MAP, "conversion_set": "LI2016", "ensemble": HALF} | options
    return type_table(COEFFICIENTS, types, volumes, **settings)  # type: ignore[arg-type]


def test_volume_biomass_carbon_and_co2_are_four_numbers() -> None:
    # 1,000 ha of fir with 57.6 m3/ha: 0.4652 x 57,600 + 19.141 x 1,000 = 45,936.5 t; x 0.5 = 22,968 t C; x 44/12
    biomass = arbor_biomass_t(
        np.array([57_600.0]), np.array([1_000.0]), np.array([0.4652]), np.array([19.141]), np.array([True])
    )
    assert biomass[0] == pytest.approx(45_936.52)
    assert carbon_t(biomass, np.array([0.5]))[0] == pytest.approx(22_968.26)
    assert co2_t(22_968.26) == pytest.approx(84_216.95, abs=0.01)


def test_a_felled_hectare_gets_no_carbon_from_the_intercept() -> None:
    used = with_intercept(np.array([0.0, 1_900.0, 2_000.0, 5.0]), np.array([100.0, 100.0, 100.0, 0.0]))
    assert used.tolist() == [False, False, True, False]
    felled = arbor_biomass_t(np.zeros(1), np.ones(1), np.array([0.4652]), np.array([19.141]), used[:1])
    assert felled[0] == 0


def test_legend_types_are_mapped_and_others_looked_up_by_their_own_name() -> None:
    assert table().factor_types == ("fir", "masson_pine", "mixed_broadleaf", "conifer_broadleaf")
    assert table(("cypress",), np.array([50.0])).factor_types == ("cypress",)
    assert table(("broadleaf",), np.array([50.0]), type_map={"broadleaf": "oak"}).slope[0, 0] == 1.1453


def test_the_chosen_set_comes_first_and_stands_in_for_missing_and_unfit_rows() -> None:
    made = table()
    assert made.sets == ("LI2016", "IPCC", "ZHANG2013")
    np.testing.assert_allclose(made.weights, [0.5, 0.25, 0.25])
    # IPCC: fir unfit, no mixed row; ZHANG2013: neither fir nor Masson pine
    np.testing.assert_array_equal(made.stand_in, [[False] * 4, [True, False, False, True], [True, True, False, False]])
    np.testing.assert_array_equal(made.slope[made.stand_in], made.slope[0][np.nonzero(made.stand_in)[1]])
    assert made.stand_in_cv == 0.2
    assert not any(factor.provisional for factor in made.factors)


def test_the_spread_between_sets_is_used_only_where_a_set_stands_in() -> None:
    made = table()
    one = type_draws(made, np.array([1]), np.full((1, 4), 1.5), np.zeros((1, 4)), np.zeros(1), np.ones(1))
    np.testing.assert_allclose(one.slope[0] / made.slope[1], [1.5, 1, 1, 1.5])
    chosen = type_draws(made, np.array([0]), np.full((1, 4), 1.5), np.zeros((1, 4)), np.zeros(1), np.ones(1))
    np.testing.assert_allclose(chosen.slope[0], made.slope[0])


def test_slope_and_intercept_err_together_and_the_carbon_fraction_for_all_types_alike() -> None:
    made = table()
    moved = type_draws(made, np.array([0]), np.ones((1, 4)), np.ones((1, 4)), np.ones(1), np.ones(1))
    np.testing.assert_allclose(moved.slope[0] / made.slope[0], moved.intercept[0] / made.intercept[0])
    # (0.55 - 0.46) / 3.92 = 0.02296
    np.testing.assert_allclose(moved.carbon_fraction[0], 0.52296, atol=1e-5)


def test_a_type_the_chosen_set_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="palm") as caught:
        table(("palm",), np.array([50.0]))
    assert caught.value.key == "account.missing_types"


def test_an_ensemble_without_the_chosen_set_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        table(ensemble={"ZHANG2013": 1.0})
    assert caught.value.key == "account.ensemble_without_chosen"


def test_provisional_sets_can_be_drawn_and_are_then_on_record() -> None:
    made = table(ensemble={"LI2016": 0.5, "SVDXBEF": 0.5})
    assert any(factor.provisional for factor in made.factors)


def rows(*items: tuple[str, str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(items, columns=["zone", "type", "stock_m3", "area_ha"]).assign(se=1.0)


def test_the_level_of_a_factor_is_set_by_the_mean_of_the_whole() -> None:
    whole = rows(("all", "fir", 6_000.0, 100.0), ("a", "fir", 1_000.0, 50.0), ("b", "fir", 5_000.0, 50.0))
    assert type_volumes(stock_table(whole), ["fir"]).tolist() == [60]
    assert type_volumes(stock_table(whole[1:]), ["fir"]).tolist() == [60]


def test_composition_is_that_of_the_zone_else_of_the_whole() -> None:
    strata = stock_table(rows(("all", "fir", 30.0, 1.0), ("all", "mixed", 10.0, 1.0), ("a", "fir", 5.0, 1.0)))
    assert composition(strata, ["fir", "mixed"], "all").tolist() == [0.75, 0.25]
    assert composition(strata, ["fir", "mixed"], "a").tolist() == [1, 0]
    assert composition(strata, ["fir", "mixed"], "b").tolist() == [0.75, 0.25]


def test_a_composition_of_nothing_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        composition(stock_table(rows(("all", "fir", 0.0, 1.0))), ["fir"], "all")
    assert caught.value.key == "account.no_composition"


def test_bamboo_by_area_and_by_culms() -> None:
    by_area = area_pool(COEFFICIENTS, "bamboo")
    # 23.78 t C/ha; / 0.475 = 50.06 t/ha; spread 50 %
    assert (by_area.carbon_per_unit, by_area.unit) == (23.78, "ha")
    assert by_area.biomass_per_unit == pytest.approx(50.06, abs=0.01)
    assert by_area.cv == pytest.approx(0.5)
    by_culms = area_pool(COEFFICIENTS, "bamboo", by_culms=True)
    # 2,283 culms/ha x 19.3 kg = 44.06 t/ha; x 0.475 = 20.9 t C/ha
    assert 2283 * by_culms.biomass_per_unit == pytest.approx(44.06, abs=0.01)
    assert 2283 * by_culms.carbon_per_unit == pytest.approx(20.93, abs=0.01)
    assert not by_area.provisional
    assert not by_culms.provisional


@pytest.mark.parametrize(("name", "carbon"), [("oil_tea", 35.21 * 0.47), ("shrub", 17.99 * 0.47)])
def test_oil_tea_and_shrub_are_provisional(name: str, carbon: float) -> None:
    pool = area_pool(COEFFICIENTS, name)
    assert pool.carbon_per_unit == pytest.approx(carbon)
    assert pool.provisional
