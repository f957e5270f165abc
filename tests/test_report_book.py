import math
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkest.errors import InputError
from sinkest.report.book import Book, rounded_to_sum
from sinkest.report.units import rounded
from tests.report_fixture import YEAR, bare_data, report_data

COUNTIES = ["430202", "430203", "430204"]


def table(values: dict[str, float], unit: str = "ha", **more: object) -> pd.DataFrame:
    """Rows of one quantity: zone to value, with a standard error of 3 % unless told."""
    rows = [
        {
            "quantity": "forest_area",
            "zone": zone,
            "year": YEAR,
            "value": value,
            "unit": unit,
            "se": 0.03 * value,
            "low": 0.94 * value,
            "high": 1.06 * value,
            "level": 0.95,
            "method": "greg",
            "n": 50.0,
            "definition_id": "",
            "provisional": False,
            "simulated": False,
            "status": "ok",
            "note": "",
        }
        | more
        for zone, value in values.items()
    ]
    return pd.DataFrame(rows, columns=bare_data().estimates.columns)


def book_of(estimates: pd.DataFrame) -> Book:
    zones = report_data().zones
    return Book(report_data(zones=zones[zones["zone_id"].isin(COUNTIES)], estimates=estimates))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.integers(-2, 3))
def test_parts_are_rounded_to_their_printed_sum_and_none_by_more_than_a_step(values: list[float], step: int) -> None:
    total = rounded(math.fsum(values), step)
    parts = rounded_to_sum(values, total, step)
    quantum = Decimal(1).scaleb(step)
    assert sum(parts) == total
    assert all(abs(part - Decimal(repr(value))) < quantum for part, value in zip(parts, values, strict=True))
    assert all(part % quantum == 0 for part in parts)


def test_the_part_nearest_to_the_other_side_gives_way_and_ties_go_by_position() -> None:
    # 1.4 + 1.4 + 1.2 = 4.0, but rounds to 1 + 1 + 1; one of the 1.4 goes up, the first of them
    assert rounded_to_sum([1.4, 1.4, 1.2], Decimal(4), 0) == [2, 1, 1]
    # 0.6 + 0.7 + 0.7 = 2.0, but rounds to 3; the one that was rounded up the most comes down
    assert rounded_to_sum([0.6, 0.7, 0.7], Decimal(2), 0) == [0, 1, 1]


def test_counties_that_add_up_are_printed_so_that_they_add_up() -> None:
    book = book_of(table({"430202": 100.4, "430203": 100.4, "430204": 100.4, "all": 301.2}, se=60.0))
    printed = [book.entry("forest_area", zone).value for zone in COUNTIES]
    # to the hectare the counties round to 300 and the city to 301: one county carries the difference
    assert printed == [101, 100, 100]
    assert book.entry("forest_area").value == 301
    assert book.zones_add_up("forest_area")


def test_counties_that_do_not_add_up_are_left_alone() -> None:
    book = book_of(table({"430202": 100.4, "430203": 100.4, "430204": 100.4, "all": 305.0}, se=60.0))
    assert [book.entry("forest_area", zone).value for zone in COUNTIES] == [100, 100, 100]
    assert not book.zones_add_up("forest_area")


def test_a_county_without_an_estimate_means_that_the_counties_do_not_add_up() -> None:
    rows = table({"430202": 100.0, "430203": math.nan, "430204": 100.0, "all": 200.0})
    book = book_of(rows)
    assert not book.zones_add_up("forest_area")
    assert book.entry("forest_area", "430203").value is None
    assert book.entry("forest_area", "430203").shown("en") == "—"


def test_percentages_never_add_up() -> None:
    book = book_of(table({"430202": 30.0, "430203": 40.0, "430204": 30.0, "all": 100.0}, unit="%"))
    assert not book.zones_add_up("forest_area")


def test_types_add_up_to_the_growing_stock_and_counties_to_each_type() -> None:
    book = Book(report_data())
    types = book.parts("stock_by_type")
    assert sum(book.entry(part).value for part in types) == book.entry("growing_stock").value
    assert book.parts_add_up("stock_by_type")
    for part in types:
        assert sum(book.entry(part, zone).value for zone in book.zones) == book.entry(part).value


def test_parts_and_whole_are_printed_to_the_same_digit() -> None:
    book = Book(report_data())
    whole = book.step("growing_stock")
    assert {book.step(part) for part in book.parts("stock_by_type")} == {whole}
    assert book.step("pixel_growing_stock") == whole


def test_a_number_in_a_multiple_of_its_unit_is_brought_to_the_base_unit() -> None:
    rows = table({"all": 3446.0}, unit="万m3").assign(quantity="growing_stock")
    entry = book_of(rows).entry("growing_stock")
    assert entry.raw == 34_460_000.0
    assert entry.shown("zh").startswith("3,446.")
    assert entry.shown("en").startswith("34.46")


def test_rows_of_other_years_are_not_printed() -> None:
    book = book_of(table({"all": 100.0}).assign(year=YEAR - 5))
    assert book.quantities == ()


def test_two_rows_for_one_number_are_refused() -> None:
    rows = pd.concat([table({"all": 100.0}), table({"all": 101.0})])
    with pytest.raises(InputError) as problem:
        book_of(rows)
    assert problem.value.key == "report.duplicate"


def test_of_two_definitions_the_reports_own_is_printed() -> None:
    own = report_data().definition.id
    rows = pd.concat([table({"all": 100.0}, definition_id="other"), table({"all": 90.0}, definition_id=own)])
    assert book_of(rows).entry("forest_area").raw == 90.0


def test_one_quantity_in_two_units_is_refused() -> None:
    rows = pd.concat([table({"all": 100.0}), table({"430202": 1.0}, unit="m3")])
    with pytest.raises(InputError) as problem:
        book_of(rows)
    assert problem.value.key == "report.two_units"


def test_the_half_width_is_a_share_of_the_estimate() -> None:
    # 0.94 to 1.06 of 200: half-width 12, 6 %
    assert book_of(table({"all": 200.0})).entry("forest_area").shown_relative() == "6.0"


def test_an_interval_needs_both_ends() -> None:
    entry = book_of(table({"all": 200.0}, low=math.nan)).entry("forest_area")
    assert entry.shown_interval("en") == ""
    assert entry.shown_relative() == ""
