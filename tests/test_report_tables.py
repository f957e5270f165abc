import pandas as pd

from sinkest.report.book import Book
from sinkest.report.data import CITY
from sinkest.report.tables import LAND_AREA, all_tables, other_entries, overview_table, type_table, wetland_table
from tests.report_fixture import bare_data, report_data


def test_counties_stand_in_the_order_of_their_codes_and_the_city_last() -> None:
    data = report_data(zones=report_data().zones.iloc[::-1])
    table = overview_table(data, Book(data))
    assert [row.key for row in table.rows] == sorted(data.zones["zone_id"])
    assert table.body[-1].key == CITY
    assert table.total.name.zh == "株洲市"


def test_the_land_areas_add_up_to_their_rounded_sum() -> None:
    data = report_data()
    table = overview_table(data, Book(data))
    place = [column.key for column in table.columns].index(LAND_AREA)
    printed = [row.cells[place].value for row in table.rows]
    assert sum(printed) == table.total.cells[place].value
    assert table.total.cells[place].value == round(data.zones["area_ha"].sum())


def test_quantities_that_the_run_has_not_are_left_out() -> None:
    data = report_data()
    kept = data.estimates[~data.estimates["quantity"].isin(["sink", "co2_total"])]
    table = overview_table(report_data(estimates=kept), Book(report_data(estimates=kept)))
    assert "sink" not in [column.key for column in table.columns]
    assert "growing_stock" in [column.key for column in table.columns]


def test_a_table_of_city_wide_quantities_has_no_county_rows() -> None:
    table = wetland_table(report_data(), Book(report_data()))
    assert table.rows == ()
    assert table.total is not None


def test_the_total_of_the_types_is_the_citys_growing_stock() -> None:
    book = Book(report_data())
    table = type_table(report_data(), book)
    assert table.total.cells[-1] is book.entry("growing_stock")
    assert table.columns[-1].adds_up
    assert not table.columns[0].sums  # areas of types have no whole of their own


def test_a_run_without_estimates_has_only_empty_tables() -> None:
    data = bare_data()
    assert not any(all_tables(data, Book(data)).values())


def test_what_no_table_shows_is_found() -> None:
    data = report_data()
    odd = data.estimates[data.estimates["quantity"] == "tree_cover"].assign(quantity="response_total", unit="m2")
    more = report_data(estimates=pd.concat([data.estimates, odd]))
    book = Book(more)
    found = [entry.quantity for entry in other_entries(book, all_tables(more, book).values())]
    assert found == ["response_total"]


def test_notes_of_cells_are_said_once() -> None:
    rows = report_data().estimates.assign(note="targets.reason_declined")
    data = report_data(estimates=rows)
    assert len(overview_table(data, Book(data)).notes()) == 1


def test_a_wide_table_is_split_into_even_parts_that_hold_every_column_once() -> None:
    data = report_data()
    whole = overview_table(data, Book(data))
    parts = whole.split(3)
    assert [len(part.columns) for part in parts] == [3, 3, 1]
    assert [column.key for part in parts for column in part.columns] == [column.key for column in whole.columns]
    assert all(len(row.cells) == len(part.columns) for part in parts for row in part.body)
    assert len({part.id for part in parts}) == 3
    assert whole.split(8) == [whole]
