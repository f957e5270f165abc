"""Error propagation beside the simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from sinkest.account import AccountOptions, AccountResult, carbon_account

FOREST = pd.DataFrame(
    [("all", "fir", 6e6, 3e5, 1e5, 0.0)], columns=["zone", "type", "stock_m3", "se", "area_ha", "area_se"]
)
CHANGE = pd.DataFrame([("all", 2e5, 4e4)], columns=["zone", "change_m3_yr", "se"])
ONE_SET = {"ensemble": {"LI2016": 1.0}}


def account(stock: pd.DataFrame = FOREST, classes: pd.DataFrame | None = None, **options: object) -> AccountResult:
    given = AccountOptions(year=2025, definition_id="x", **options)  # type: ignore[arg-type]
    area = pd.DataFrame() if classes is None else classes
    change = CHANGE if (stock["zone"] == "all").all() else None
    return carbon_account(stock, area, change, None, given, rng=np.random.default_rng(6))


def table(result: AccountResult, zone: str = "all") -> pd.DataFrame:
    return result.uncertainty[result.uncertainty["zone"] == zone].set_index("quantity")


def test_a_product_adds_squares_of_percentages() -> None:
    found = table(account(**ONE_SET))
    # change 20 %, slope 0.01253 / 0.4652 = 2.69 %, carbon fraction 0.09 / 3.92 / 0.5 = 4.59 %, allometry 11.6 %
    percent = 1.96 * math.hypot(20, 2.69, 4.59, 11.6)
    assert found.loc["sink", "percent_approach_1"] == pytest.approx(percent, rel=1e-3)
    assert not found.loc["sink", "within_limit"]


def test_a_sum_weighs_each_part_by_its_size() -> None:
    found = table(account(**ONE_SET))
    biomass = 0.4652 * 6e6 + 19.141 * 1e5
    stock, line, fraction = 0.4652 * 3e5 / biomass, 0.01253 / 0.4652, 0.09 / 3.91993 / 0.5
    assert found.loc["carbon:arbor", "se_approach_1"] == pytest.approx(
        0.5 * biomass * math.hypot(stock, line, fraction, 0.116), rel=1e-3
    )
    assert found.loc["carbon:arbor", "within_limit"]


@pytest.mark.parametrize("options", [ONE_SET, {}])
def test_both_approaches_agree_where_errors_are_small_and_the_account_is_linear(options: dict[str, object]) -> None:
    found = table(account(**options))
    for quantity in ("biomass:fir", "carbon:arbor", "sink"):
        first, second = found.loc[quantity, ["se_approach_1", "se_approach_2"]]
        assert first == pytest.approx(second, rel=0.06), quantity


def test_the_choice_among_sets_enters_by_its_weights() -> None:
    spread = table(account(ensemble={"LI2016": 0.5, "FANG2001": 0.5}))
    # 6e6 m3 on 1e5 ha of fir: 4.7053e6 t by the one, 4.6535e6 t by the other: standard deviation 0.0259e6 t
    both = table(account(**ONE_SET)).loc["biomass:fir", "se_approach_1"]
    assert spread.loc["biomass:fir", "se_approach_1"] == pytest.approx(math.hypot(both, 0.0259e6), rel=0.01)


def test_a_skewed_error_shows_in_the_simulation_only() -> None:
    classes = pd.DataFrame([("all", "bamboo", 5e4, 0.0)], columns=["zone", "class", "area_ha", "se"])
    row = table(account(classes=classes)).loc["carbon:bamboo"]
    # density known to 50 %: -98 ... +98 % by propagation, and never below nothing by simulation
    assert row["percent_approach_1"] == pytest.approx(98, abs=0.5)
    assert row["percent_low_approach_2"] > -75
    assert row["percent_high_approach_2"] > 110
    assert not row["within_limit"]


def test_zones_carry_their_own_error() -> None:
    zones = pd.concat([FOREST, *(FOREST.assign(zone=z, stock_m3=3e6, se=2.5e5, area_ha=5e4) for z in ("a", "b"))])
    result = account(zones, **ONE_SET)
    whole, part = table(result).loc["biomass:fir"], table(result, "a").loc["biomass:fir"]
    assert part["percent_approach_1"] > whole["percent_approach_1"]
    assert part["se_approach_1"] == pytest.approx(part["se_approach_2"], rel=0.05)


def test_what_is_known_exactly_has_no_error_in_either() -> None:
    row = table(account(FOREST.assign(se=0.0), **ONE_SET)).loc["carbon:arbor"]
    assert row["se_approach_1"] == pytest.approx(row["se_approach_2"], rel=0.05)
