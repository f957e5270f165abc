"""Estimates that contradict each other stop a run; what is declined or within its error of a limit does not."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from sinkest.errors import RunError
from sinkest.stages.checks import check_estimates
from sinkest.stages.inference import CITY, Frame
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
