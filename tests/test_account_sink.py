"""The sink: slope against ratio, components, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sinkest.account import AccountOptions, carbon_account, difference
from sinkest.account.sink import CONVERSION_PERIOD_YEARS, RESERVOIR_AGE_YEARS, SOIL_TRANSITION_YEARS
from sinkest.errors import InputError

OPTIONS = AccountOptions(year=2025, definition_id="forest_current_rule")
RULE = {"definition_before": "forest_current_rule", "definition_after": "forest_current_rule"}

# Shares of the Hunan inventory of 2005 in stock and area, "other" taken as mixed conifer and broadleaf
HUNAN = {
    "fir": (144.65e6, 2_512_320),
    "masson_pine": (58.45e6, 1_411_900),
    "other_pine": (4.66e6, 138_360),
    "cypress": (1.30e6, 49_300),
    "soft_broadleaf": (6.20e6, 236_260),
    "hard_broadleaf": (29.83e6, 702_500),
    "conifer_broadleaf": (100.36e6, 2_224_460),
}


def city(stock_m3: float, area_ha: float, cv: float = 0.05) -> pd.DataFrame:
    """A city with Hunan's composition."""
    total_m3, total_ha = (sum(values) for values in zip(*HUNAN.values(), strict=True))
    return pd.DataFrame(
        [
            ("all", name, stock_m3 * volume / total_m3, cv * stock_m3 * volume / total_m3, area_ha * area / total_ha)
            for name, (volume, area) in HUNAN.items()
        ],
        columns=["zone", "type", "stock_m3", "se", "area_ha"],
    )


def account(stock: pd.DataFrame, change: pd.DataFrame | None, options: AccountOptions = OPTIONS):
    return carbon_account(stock, pd.DataFrame(), change, None, options, rng=np.random.default_rng(7))


def sink_row(stock: pd.DataFrame, change: pd.DataFrame) -> pd.Series:
    rows = account(stock, change).rows
    return rows[(rows["quantity"] == "sink") & (rows["zone"] == "all")].iloc[0]


def test_the_stock_target_implies_1_33_mt_by_slope_and_1_84_by_ratio() -> None:
    # (4018 - 3446) x 1e4 m3 in 5 years = 1.144e6 m3/yr; slope 0.6359 t/m3, ratio 0.6359 + 18.43 / 76.58 = 0.8766 t/m3
    # at 450,000 ha of arbor forest; x 0.5 x 44/12
    change = pd.DataFrame([("all", 1.144e6, 0.2e6)], columns=["zone", "change_m3_yr", "se"])
    result = account(city(34.46e6, 450_000), change)
    detail = result.sink_detail.iloc[0]
    assert detail["sink_t_co2_yr"] == pytest.approx(1.33e6, abs=0.005e6)
    assert detail["by_ratio_t_co2_yr"] == pytest.approx(1.84e6, abs=0.005e6)
    row = result.rows[result.rows["quantity"] == "sink"].iloc[0]
    assert row["value"] == detail["sink_t_co2_yr"]
    assert not row["provisional"]
    explained = next(note for note in result.notes if note.key == "account.sink_slope_ratio")
    assert "intercept" in explained.text("en")
    assert "1,33" in explained.text("zh")


def test_growth_split_by_type_is_converted_by_each_types_slope() -> None:
    change = pd.DataFrame(
        [("all", "fir", 1_000.0, 0.0), ("all", "masson_pine", 500.0, 0.0)],
        columns=["zone", "type", "change_m3_yr", "se"],
    )
    # (1,000 x 0.4652 + 500 x 0.5034) x 0.5 x 44/12 = 1,314.32 t CO2/yr
    assert sink_row(city(34.46e6, 500_000), change)["value"] == pytest.approx(1_314.32, abs=0.01)


def test_two_dates_without_change_give_an_interval_around_zero() -> None:
    stock = city(34.46e6, 500_000)
    row = sink_row(stock, difference(stock, stock, 5, **RULE))
    assert row["value"] == 0
    assert row["low"] < 0 < row["high"]
    assert abs(row["low"] + row["high"]) < 0.1 * (row["high"] - row["low"])


def test_a_pure_definition_change_is_refused() -> None:
    stock = city(34.46e6, 500_000)
    with pytest.raises(InputError) as caught:
        difference(stock, stock, 5, definition_before="forest_old_rule", definition_after="forest_current_rule")
    assert caught.value.key == "account.definitions_unlike"


def test_a_listed_change_of_definition_counts_as_zero() -> None:
    change = pd.DataFrame(
        [("all", "fir", "remaining", 1_000.0, 0.0), ("all", "fir", "definition", -50_000.0, 0.0)],
        columns=["zone", "type", "component", "change_m3_yr", "se"],
    )
    result = account(city(34.46e6, 500_000), change)
    # 1,000 x 0.4652 x 0.5 x 44/12 = 852.87
    assert result.rows[result.rows["quantity"] == "sink"].iloc[0]["value"] == pytest.approx(852.87, abs=0.01)
    assert any(note.key == "account.definition_not_sink" for note in result.notes)
    assert result.sink_detail.set_index("component").loc["definition", "sink_t_co2_yr"] == 0


def test_forest_lost_takes_its_whole_stand_along() -> None:
    change = pd.DataFrame(
        [("all", "fir", "lost", -1_000.0, 0.0, -20.0)],
        columns=["zone", "type", "component", "change_m3_yr", "se", "area_ha_yr"],
    )
    # (-1,000 x 0.4652 - 20 x 19.141) x 0.5 x 44/12 = -1,554.70
    assert sink_row(city(34.46e6, 500_000), change)["value"] == pytest.approx(-1_554.70, abs=0.01)


def test_land_converted_to_forest_does_not_bring_an_intercept() -> None:
    change = pd.DataFrame(
        [("all", "fir", "converted", 1_000.0, 0.0, 500.0)],
        columns=["zone", "type", "component", "change_m3_yr", "se", "area_ha_yr"],
    )
    assert sink_row(city(34.46e6, 500_000), change)["value"] == pytest.approx(852.87, abs=0.01)


def test_a_difference_is_yearly_with_both_errors_and_matched_rows() -> None:
    before = pd.DataFrame({"zone": "all", "type": ["fir"], "stock_m3": [1_000.0], "se": [30.0], "area_ha": [10.0]})
    after = pd.DataFrame(
        {
            "zone": "all",
            "type": ["fir", "mixed"],
            "stock_m3": [1_500.0, 200.0],
            "se": [40.0, 10.0],
            "area_ha": [12.0, 4.0],
        }
    )
    change = difference(before, after, 5, **RULE).set_index("type")
    # fir: 500 / 5, sqrt(900 + 1600) / 5; mixed was not there before
    assert change.loc["fir", ["change_m3_yr", "se", "area_ha_yr"]].tolist() == pytest.approx([100, 10, 0.4])
    assert change.loc["mixed", ["change_m3_yr", "se"]].tolist() == pytest.approx([40, 2])


def test_the_same_plots_at_both_dates_narrow_the_difference() -> None:
    stock = pd.DataFrame({"zone": ["all"], "type": ["fir"], "stock_m3": [1e3], "se": [50.0], "area_ha": [10.0]})
    # sqrt(2 x 2500 x (1 - 0.92)) = 20
    assert difference(stock, stock, 1, correlation=0.92, **RULE)["se"].tolist() == pytest.approx([20])


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"years": 0}, "account.years"),
        ({"years": float("nan")}, "account.years"),
        ({"years": 5, "correlation": 1.5}, "account.correlation"),
    ],
)
def test_impossible_differences_are_refused(arguments: dict[str, float], key: str) -> None:
    stock = city(34.46e6, 500_000)
    with pytest.raises(InputError) as caught:
        difference(stock, stock, **arguments, **RULE)
    assert caught.value.key == key


def test_dates_with_unlike_zones_are_refused() -> None:
    stock = city(34.46e6, 500_000)
    with pytest.raises(InputError, match="only one of them has: 430202, all"):
        difference(stock, stock.assign(zone="430202"), 5, **RULE)


def test_a_date_without_the_row_of_the_whole_does_not_lose_the_whole() -> None:
    parts = pd.concat([city(17e6, 250_000).assign(zone=zone) for zone in ("430202", "430281")])
    with pytest.raises(InputError, match="only one of them has: all"):
        difference(pd.concat([parts, city(34e6, 500_000)]), parts, 5, **RULE)


def test_a_change_of_a_type_without_stock_is_refused() -> None:
    change = pd.DataFrame([("all", "firs", 1.0, 1.0)], columns=["zone", "type", "change_m3_yr", "se"])
    with pytest.raises(InputError, match="did you mean fir"):
        account(city(34.46e6, 500_000), change)


def test_without_a_change_there_is_no_sink_and_the_account_says_so() -> None:
    result = account(city(34.46e6, 500_000), None)
    assert "sink" not in set(result.rows["quantity"])
    assert result.sink_detail.empty
    assert any(note.key == "account.no_change" for note in result.notes)


def test_three_periods_of_twenty_years_have_names_of_their_own() -> None:
    assert (CONVERSION_PERIOD_YEARS, SOIL_TRANSITION_YEARS, RESERVOIR_AGE_YEARS) == (20, 20, 20)
