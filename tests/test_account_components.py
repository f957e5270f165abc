"""What became of the land: planted, felled, counted under another rule; and the gain-loss check beside it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from sinkest.account import AccountOptions, AccountResult, carbon_account
from sinkest.account.conversion import load_coefficients
from sinkest.account.growth import Removals, above_ground_t_c_ha, gain_loss, growth_t_c_ha_yr
from sinkest.account.sink import definition_change
from sinkest.errors import InputError
from sinkest.stages import inference
from sinkest.stages.inference import Frame
from sinkest.stages.inference.stock import _losses

COEFFICIENTS = load_coefficients()
STOCK = pd.DataFrame(
    [("all", "fir", 6e6, 3e5, 1e5, 2e3)], columns=["zone", "type", "stock_m3", "se", "area_ha", "area_se"]
)
NOTHING = pd.DataFrame()


def account(change: pd.DataFrame | None, stock: pd.DataFrame = STOCK, **options: object) -> AccountResult:
    given = AccountOptions(year=2025, definition_id="forest_current_rule", **options)  # type: ignore[arg-type]
    return carbon_account(stock, NOTHING, change, None, given, rng=np.random.default_rng(5))


def sinks(result: AccountResult) -> pd.DataFrame:
    rows = result.rows[(result.rows["zone"] == "all") & result.rows["quantity"].str.startswith("sink")]
    return rows.set_index("quantity")


def changes(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["component", "change_m3_yr", "se", "area_ha_yr"])
    return table.assign(zone="all", type="fir")


def test_components_add_up_to_the_sink() -> None:
    found = sinks(account(changes(("remaining", 2e5, 2e4, 0), ("converted", 1e4, 2e3, 0), ("lost", -3e4, 5e3, -500))))
    parts = found.loc[["sink:remaining", "sink:converted", "sink:lost"], "value"]
    assert parts.sum() == pytest.approx(found.loc["sink", "value"])
    # 2e5 x 0.4652 x 0.5 x 44/12 = 170,573; 1e4: 8,529; -(3e4 x 0.4652 + 500 x 19.141) x 0.5 x 44/12 = -43,132
    assert parts.tolist() == pytest.approx([170_573, 8_529, -43_132], abs=1)


def test_a_change_of_definition_is_a_row_of_zero() -> None:
    found = sinks(account(changes(("remaining", 2e5, 2e4, 0), ("definition", -4e6, 0, 0))))
    assert found.loc["sink:definition", ["value", "se", "low", "high"]].tolist() == [0, 0, 0, 0]
    assert found.loc["sink", "value"] == pytest.approx(found.loc["sink:remaining", "value"])


def test_one_date_under_two_rules_gives_zero_sink() -> None:
    wide = pd.DataFrame([("all", "fir", 6e6, 3e5, 1e5)], columns=["zone", "type", "stock_m3", "se", "area_ha"])
    narrow = wide.assign(stock_m3=5e6, area_ha=8e4)
    rows = definition_change(wide, narrow, 5)
    assert rows[["component", "change_m3_yr", "se"]].iloc[0].tolist() == ["definition", -2e5, 0]
    found = sinks(account(rows, narrow.assign(area_se=0.0)))
    assert found.loc["sink", ["value", "low", "high"]].tolist() == [0, 0, 0]


def test_a_change_between_two_totals_is_not_told_apart() -> None:
    result = account(changes(("unsplit", 2e5, 2e4, 100)))
    assert list(sinks(result).index) == ["sink", "sink:unsplit"]
    assert any(note.key == "account.sink_unsplit" for note in result.notes)


def test_the_area_of_lost_stands_follows_their_volume() -> None:
    # 40 % error of the lost volume: the whole loss, intercept included, is uncertain by at least that
    found = sinks(account(changes(("lost", -3e4, 1.2e4, -500)), ensemble={"LI2016": 1.0}))
    row = found.loc["sink:lost"]
    assert row["se"] / -row["value"] == pytest.approx(math.hypot(0.4, 0.053, 0.116), abs=0.02)


# -- from plots ------------------------------------------------------------------------------------------------------


def plots(before: list[float], now: list[float]) -> pd.DataFrame:
    """One plot a cell of a grid of 10 x 10; the last ones given, the others without trees."""
    n = 100
    volumes = [np.array([0.0] * (n - len(given)) + given) for given in (before, now)]
    grid = np.arange(n)
    return pd.DataFrame(
        {
            "volume_m3_ha": volumes[1],
            "previous_volume_m3_ha": volumes[0],
            "forest_type": np.where(np.maximum(*volumes) > 0, "fir", ""),
            "zone_id": "z",
            "years": 5.0,
            "x_m": 1000.0 * (grid % 10),
            "y_m": 1000.0 * (grid // 10),
        }
    )


def change_of(table: pd.DataFrame) -> pd.DataFrame:
    frame = Frame(2025, 0.95, "forest_current_rule", False, {"z": 10_000.0})
    predicted = pd.DataFrame({"fir": table["volume_m3_ha"] * 0.9})
    means = pd.DataFrame({"fir": [float(predicted["fir"].mean())]}, index=["z"])
    found = inference.stock(frame, table, predicted, means, ["fir"], "random", 10)
    assert found.change is not None
    return found.change.query("zone == 'all'").set_index("component")


def test_a_planted_stand_lands_under_land_converted_to_forest() -> None:
    found = change_of(plots([100.0] * 40 + [0.0] * 2, [100.0] * 40 + [30.0] * 2))
    # 2 plots of 100 stand for 200 ha with 30 m3/ha in 5 years: 1,200 m3/yr
    assert found.loc["converted", "change_m3_yr"] == pytest.approx(1_200, rel=0.05)
    assert found.loc[["remaining", "lost"], "change_m3_yr"].abs().max() < 60


def test_a_felled_block_lands_under_forest_lost_with_its_area() -> None:
    found = change_of(plots([100.0] * 40 + [80.0] * 3, [100.0] * 40 + [0.0] * 3))
    # 3 plots of 100 stand for 300 ha: 80 m3/ha in 5 years, 4,800 m3 and 60 ha a year
    assert found.loc["lost", "change_m3_yr"] == pytest.approx(-4_800, rel=0.05)
    assert found.loc["lost", "area_ha_yr"] == pytest.approx(-60, rel=0.05)
    assert found.loc[["remaining", "converted"], "change_m3_yr"].abs().max() < 240
    assert (found.loc[["remaining", "converted"], "area_ha_yr"] == 0).all()


def test_a_filled_reservoir_is_forest_lost_and_newly_flooded_land() -> None:
    change = change_of(plots([100.0] * 40 + [80.0] * 3, [100.0] * 40 + [0.0] * 3)).reset_index()
    sites = pd.DataFrame([("r", "reservoir", 300.0, 2023)], columns=["site_id", "kind", "area_ha", "impounded_year"])
    stock = STOCK.assign(type="fir", stock_m3=4e5, se=1e4, area_ha=4e3)
    given = AccountOptions(year=2025, definition_id="forest_current_rule")
    result = carbon_account(stock, NOTHING, change, sites, given, rng=np.random.default_rng(5))
    found = result.rows.set_index("quantity")["value"]
    # (4,800 x 0.4652 + 60 x 19.141) x 0.5 x 44/12 = 6,199 t CO2 a year of the stands that went under
    assert found["sink:lost"] == pytest.approx(-6_199, rel=0.05)
    # and 300 ha x 1.46 t C x 44/12 = 1,606 t CO2 a year from the flooded ground, under wetlands
    assert found["wetland_flooding"] == pytest.approx(-1_606)
    assert found["wetland_burial"] == 0


def test_plots_without_change_give_an_interval_around_zero() -> None:
    rng = np.random.default_rng(8)
    truth = rng.gamma(2.0, 40.0, 60)
    measured = [(truth * np.exp(0.05 * rng.standard_normal(60))).tolist() for _ in range(2)]
    change = change_of(plots(*measured)).reset_index()
    row = sinks(account(change)).loc["sink"]
    assert row["low"] < 0 < row["high"]


# -- growth and removals ---------------------------------------------------------------------------------------------


def test_growth_is_the_slope_of_the_curve() -> None:
    # Chinese fir at 15.4 years: 40.1 (1 - e^-1.1288)^1.655 = 21.0 t C/ha; the plots of 11-20 years hold 20.7
    assert above_ground_t_c_ha(COEFFICIENTS, "fir", 15.4) == pytest.approx(20.7, abs=0.6)
    step = 1e-4
    rise = above_ground_t_c_ha(COEFFICIENTS, "fir", 15.4 + step) - above_ground_t_c_ha(COEFFICIENTS, "fir", 15.4)
    assert growth_t_c_ha_yr(COEFFICIENTS, "fir", 15.4)[0] == pytest.approx(rise / step, rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "age", "mean", "sd"),
    [
        # plots of the national inventory in Hunan by age class: mean and standard deviation, t C/ha above ground
        ("fir", 6.9, 8.52, 7.22),
        ("fir", 25.1, 31.26, 18.22),
        ("masson_pine", 6.8, 7.14, 6.01),
        ("masson_pine", 16.5, 20.17, 12.51),
        ("masson_pine", 24.2, 33.11, 15.71),
        ("masson_pine", 34.7, 56.84, 26.15),
    ],
)
def test_curves_pass_near_the_plots_of_hunan(kind: str, age: float, mean: float, sd: float) -> None:
    assert abs(above_ground_t_c_ha(COEFFICIENTS, kind, age) - mean) < 0.35 * sd


def test_types_without_a_curve_follow_the_rates_by_decade() -> None:
    # 0.891 to 10 years, 1.111 to 20, 0.638 beyond 90 t C/ha/yr
    rates = [growth_t_c_ha_yr(COEFFICIENTS, "mixed_broadleaf", age)[0] for age in (5, 19.4, 120)]
    assert rates == [0.891, 1.111, 0.638]
    # past the oldest plots of the curves, too
    assert growth_t_c_ha_yr(COEFFICIENTS, "masson_pine", 75)[0] == 0.853


def check(**more: object) -> pd.DataFrame:
    table, _ = gain_loss(
        COEFFICIENTS,
        ["fir"],
        ["fir"],
        [1e5],
        slope_t_c_m3=[0.2326],
        root_share=[0.2],
        stock_m3=[6e6],
        sink_t_co2_yr=3e5,
        **more,  # type: ignore[arg-type]
    )
    return table.set_index("item")


def test_gain_less_loss_stands_beside_the_stock_difference() -> None:
    found = check(removals=Removals(2e5, 1e4), ages={"fir": 15.4})
    growth = growth_t_c_ha_yr(COEFFICIENTS, "fir", 15.4)[0]
    assert found.loc["gain_total", "t_c_yr"] == pytest.approx(1e5 * growth / 0.8)
    # 2e5 m3 x 0.2326 t C/m3
    assert found.loc["loss", "t_c_yr"] == pytest.approx(-46_520)
    net = found.loc["net", "t_co2_yr"]
    assert net == pytest.approx((1e5 * growth / 0.8 - 46_520) * 44 / 12)
    assert found.loc["gap", "t_co2_yr"] == pytest.approx(net - 3e5)


def test_the_error_of_removals_goes_on_into_the_gap() -> None:
    found = check(removals=Removals(2e5, 1e4), ages={"fir": 15.4}, sink_se_t_co2_yr=1e4)
    # 1e4 m3 x 0.2326 t C/m3 x 44/12 = 8,529 t CO2; the curve of fir states no error
    loss = 1e4 * 0.2326 * 44 / 12
    assert found.loc["loss", "known_se_t_co2_yr"] == pytest.approx(loss)
    assert found.loc["net", "known_se_t_co2_yr"] == pytest.approx(loss)
    assert found.loc["gap", "known_se_t_co2_yr"] == pytest.approx(math.hypot(loss, 1e4))
    # by decade: 0.891 +- 0.123 t C/ha/yr on 1e5 ha, a fifth of it below ground
    young, _ = gain_loss(
        COEFFICIENTS, ["x"], ["oak"], [1e5], slope_t_c_m3=[0.5], root_share=[0.2], stock_m3=[1e6], sink_t_co2_yr=0.0,
        ages={"x": 5.0},
    )  # fmt: skip
    total = young.set_index("item").loc["gain_total", "known_se_t_co2_yr"]
    assert total == pytest.approx(1e5 * 0.123 / 0.8 * 44 / 12)


def test_without_removals_the_account_says_what_they_would_have_to_be() -> None:
    found = check()
    assert "net" not in found.index
    total = found.loc["gain_total", "t_co2_yr"] + found.loc["implied_loss", "t_co2_yr"]
    assert total == pytest.approx(found.loc["stock_difference", "t_co2_yr"])


def test_the_check_is_part_of_the_account() -> None:
    with_it = account(changes(("remaining", 2e5, 2e4, 0)), removals=Removals(3e5), stand_ages={"fir": 20.0})
    assert set(with_it.gain_loss["item"]) == {"gain", "gain_total", "loss", "net", "stock_difference", "gap"}
    assert "curve_rate" in set(with_it.factors_used["parameter"])
    assert account(None).gain_loss.empty


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Removals(-1.0), "account.removals"),
        (lambda: Removals(1.0, math.inf), "account.removals"),
        (lambda: above_ground_t_c_ha(COEFFICIENTS, "fir", 61), "account.age"),
        (lambda: growth_t_c_ha_yr(COEFFICIENTS, "fir", -1), "account.age"),
        (lambda: check(ages={"firs": 10.0}), "account.unknown_age_type"),
        (lambda: above_ground_t_c_ha(COEFFICIENTS, "oak", 10), "account.missing_types"),
    ],
)
def test_impossible_growth_is_refused(make: object, key: str) -> None:
    with pytest.raises(InputError) as caught:
        make()  # type: ignore[operator]
    assert caught.value.key == key


def test_losses_of_zones_add_up_to_the_whole_and_none_is_a_gain() -> None:
    # -60 and +20 beside a whole of -40: the one zone that lost carries it all
    assert _losses(np.array([-40.0, -60.0, 20.0])).tolist() == [-40, -40, 0]
    assert _losses(np.array([-40.0, 0.0, 20.0])).tolist() == [0, 0, 0]
    assert _losses(np.array([5.0, -60.0, 65.0])).tolist() == [0, 0, 0]
