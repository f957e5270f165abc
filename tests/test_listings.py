"""Plain tables of the account as the report shows them, also of runs that an earlier release made."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from sinkest.report.book import Book
from sinkest.report.listings import listings
from tests.report_fixture import report_data

GAIN = {"item": "gain", "type": "fir", "area_ha": 10.0, "age_years": 20.0, "t_c_ha_yr": 2.0, "t_co2_yr": 73.3}


def shown(**more: float) -> list[str]:
    """The last cells of a row: what is removed a year, and the part of its error that is known."""
    data = replace(report_data(), details={"gain_loss": pd.DataFrame([{**GAIN, **more}])})
    return [cell.en for cell in listings(data, Book(data))["gain_loss"].rows[0][-2:]]


def test_a_column_that_an_earlier_release_did_not_write_is_empty() -> None:
    assert shown(known_se_t_co2_yr=6.25) == ["73.3", "6.25"]
    assert shown() == ["73.3", "—"]
