"""Tables of the account: what is refused, and how rows add up over zones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sinkest.account.inputs import area_table, change_table, stock_table
from sinkest.errors import InputError


def stock(**changes: object) -> pd.DataFrame:
    row: dict[str, object] = {
        "zone": "all",
        "type": "fir",
        "stock_m3": 600.0,
        "se": 60.0,
        "area_ha": 10.0,
        "area_se": 1.0,
    }
    return pd.DataFrame([row | changes])


@pytest.mark.parametrize(
    ("changes", "key", "named"),
    [
        ({"stock_m3": -181.0}, "account.table_negative", "stock_m3: -181.0"),
        ({"se": -1.0}, "account.table_negative", "column se"),
        ({"area_ha": "ten"}, "account.table_number", "'ten'"),
        ({"stock_m3": np.inf}, "account.table_number", "inf"),
        ({"type": " "}, "account.table_empty", "column type"),
        ({"zone": None}, "account.table_empty", "column zone"),
        ({"area_ha": -3.1}, "account.table_negative", "area_ha: -3.1"),
        ({"stock_m3": 20_181.0}, "account.volume_absurd", "2000 m3/ha"),
        ({"area_ha": 0.0}, "account.volume_absurd", "600 m3 on 0 ha"),
    ],
)
def test_bad_stock_rows_are_refused_by_row_and_column(changes: dict[str, object], key: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        stock_table(stock(**changes))
    assert caught.value.key == key
    assert "table stock_by_type, row 1" in str(caught.value)
    assert named in str(caught.value)


def test_an_estimate_of_nothing_may_fall_below_zero_by_its_error() -> None:
    assert stock_table(stock(stock_m3=-100.0, se=60.0)).column("stock_m3").tolist() == [-100]
    assert stock_table(stock(stock_m3=10.0, se=60.0, area_ha=0.0)).zones == ("all",)
    assert area_table(pd.DataFrame({"zone": ["all"], "class": ["bamboo"], "area_ha": [-5.0], "se": 2.0})).zones == (
        "all",
    )
    with pytest.raises(InputError) as caught:
        area_table(pd.DataFrame({"zone": ["all"], "class": ["bamboo"], "area_ha": [-5.0]}))
    assert caught.value.key == "account.table_negative"


def test_a_stock_without_an_error_declines_its_zone() -> None:
    assert stock_table(pd.concat([zones(("a", 600.0)), stock(zone="b", se=np.nan)])).declined == ("b",)


def test_missing_columns_and_repeated_rows_are_refused() -> None:
    with pytest.raises(InputError, match="missing columns: se, area_ha"):
        stock_table(stock()[["zone", "type", "stock_m3"]])
    with pytest.raises(InputError, match="row 2: all / fir stands there twice"):
        stock_table(pd.concat([stock(), stock()]))


def test_numbers_as_text_are_read_and_unknown_columns_passed_over() -> None:
    strata = stock_table(stock(stock_m3="600", remark="x"))
    assert strata.column("stock_m3").tolist() == [600]


def zones(*values: tuple[str, float]) -> pd.DataFrame:
    return pd.concat([stock(zone=zone, stock_m3=value, area_ha=value / 60) for zone, value in values])


def test_complete_zones_that_add_up_make_the_whole_their_sum() -> None:
    strata = stock_table(zones(("b", 400.0), ("all", 1000.0), ("a", 600.0)))
    assert strata.additive
    assert strata.zones == ("all", "a", "b")
    totals = strata.column("stock_m3") @ strata.to_zones(["all", "a", "b"])
    assert totals.tolist() == [1000, 600, 400]


def test_zones_that_do_not_add_up_leave_the_whole_to_its_own_row() -> None:
    strata = stock_table(zones(("all", 1000.0), ("a", 600.0), ("b", 300.0)))
    assert not strata.additive
    assert strata.gap == pytest.approx(0.1)
    assert (strata.column("stock_m3") @ strata.to_zones(["all", "a"])).tolist() == [1000, 600]


def test_zones_alone_make_a_whole() -> None:
    strata = stock_table(zones(("a", 600.0), ("b", 400.0)))
    assert strata.zones == ("all", "a", "b")
    assert (strata.column("stock_m3") @ strata.to_zones(["all"])).tolist() == [1000]


def test_a_row_without_a_value_declines_its_zone_and_the_sum() -> None:
    strata = stock_table(pd.concat([zones(("a", 600.0)), stock(zone="b", stock_m3=np.nan, se=np.nan)]))
    assert strata.declined == ("b",)
    assert strata.zones == ("a",)


def test_an_empty_area_table_is_allowed() -> None:
    assert area_table(pd.DataFrame()).zones == ()


def test_areas_without_an_error_are_taken_as_exact() -> None:
    strata = area_table(pd.DataFrame({"zone": ["all"], "class": ["bamboo"], "area_ha": [5.0]}))
    assert strata.column("se").tolist() == [0]


def change(**changes: object) -> pd.DataFrame:
    return pd.DataFrame([{"zone": "all", "change_m3_yr": 100.0, "se": 10.0} | changes])


def test_a_change_without_type_and_component_is_that_of_all_remaining_forest() -> None:
    frame = change_table(change()).frame
    assert frame.loc[0, ["type", "component"]].tolist() == ["arbor", "remaining"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"component": "gone"}, "account.unknown_component"),
        ({"component": "lost"}, "account.loss_sign"),
        ({"component": "lost", "change_m3_yr": -5.0, "area_ha_yr": 1.0}, "account.loss_sign"),
        ({"change_m3_yr": "?"}, "account.table_number"),
    ],
)
def test_bad_changes_are_refused(changes: dict[str, object], key: str) -> None:
    with pytest.raises(InputError) as caught:
        change_table(change(**changes))
    assert caught.value.key == key
