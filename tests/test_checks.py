"""Estimates that contradict each other stop a run; what is declined or within its error of a limit does not."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from sinkest.errors import RunError
from sinkest.stages.checks import check_estimates
from sinkest.stages.inference import CITY, Frame
from sinkest.stages.selfchecks import check_table
from sinkest.tidy import tidy

FRAME = Frame(2025, 0.95, "forest_current_rule", False, {"large": 990.0, "small": 10.0})


def rows(quantity: str, unit: str, whole: float, large: float, small: float, se: float = math.nan) -> pd.DataFrame:
    values = {CITY: whole, "large": large, "small": small}
    return tidy([FRAME.row(quantity, zone, unit, value, se) for zone, value in values.items()])


def check(table: pd.DataFrame) -> None:
    check_estimates(table, FRAME, 1e7, {})


@pytest.mark.parametrize("quantity", ["land_use_forest_area", "growing_stock", "carbon:arbor"])
def test_zones_are_not_added_up_to_the_whole_where_one_is_declined(quantity: str) -> None:
    check(rows(quantity, "ha", 505.0, 500.0, math.nan))
    check(rows(quantity, "ha", 505.0, 500.0, 5.0))
    with pytest.raises(RunError, match=f"the zones of {quantity}: 506.0 do not add up to the whole, 505.0"):
        check(rows(quantity, "ha", 505.0, 500.0, 6.0))


@pytest.mark.parametrize(("large", "small"), [(50.0, -1.0), (50.0, 101.0)])
def test_a_coverage_that_its_error_takes_over_the_edge_is_kept(large: float, small: float) -> None:
    whole = (large * 990 + small * 10) / 1000
    check(rows("forest_coverage", "%", whole, large, small, se=0.4))
    with pytest.raises(RunError, match="forest_coverage lies outside"):
        check(rows("forest_coverage", "%", whole, large, small, se=0.3))
    with pytest.raises(RunError, match="forest_coverage lies outside"):
        check(rows("forest_coverage", "%", whole, large, small))


def test_a_stock_below_zero_by_more_than_its_error_stops_the_run() -> None:
    check(rows("growing_stock", "m3", 990.0, 1000.0, -10.0, se=4.0))
    with pytest.raises(RunError, match="growing_stock is negative by more than three standard errors"):
        check(rows("growing_stock", "m3", 990.0, 1000.0, -10.0, se=3.0))


def test_forest_may_be_more_than_the_land_by_what_its_error_explains() -> None:
    table = rows("forest_area", "ha", 900.0, 889.5, 10.5, se=0.2)
    check_table(table, FRAME.zone_area_ha, 2025)
    with pytest.raises(RunError, match=r"forest_area of zone small is 10\.5 ha, the zone has 10\.0 ha"):
        check_table(table.assign(se=0.1), FRAME.zone_area_ha, 2025)
