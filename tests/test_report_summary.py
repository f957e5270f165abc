import pandas as pd
import pytest

from sinkest.report.book import Book
from sinkest.report.summary import banners, summary
from sinkest.report.verdicts import target_rows
from tests.report_fixture import bare_data, report_data


def judged(**changes: object) -> pd.DataFrame:
    """The growing-stock target of this year, with some cells changed."""
    table = report_data().targets
    return table[table["target_id"] == "stock_2025"].assign(**changes)


def test_a_row_names_estimate_interval_target_and_verdict_in_one_language() -> None:
    data = report_data(targets=judged(verdict="not_met", probability=0.031))
    zh = next(row for row in summary(data, "zh") if row.label == "森林蓄积量")
    assert (zh.estimate, zh.interval, zh.target) == ("3,475.6 万m3", "3,332.5～3,618.6", "3,446 万m3 (2025)")
    assert zh.verdict == "未达到 (P 3 %)"
    en = next(row for row in summary(data, "en") if row.label == "Growing stock")
    assert (en.estimate, en.target) == ("34.756 million m3", "34.46 million m3 (2025)")


def test_every_target_has_a_row() -> None:
    data = report_data()
    assert sum(row.target != "—" for row in summary(data, "en")) == len(data.targets)


def test_every_cell_fits_a_chinese_code_page() -> None:
    for language in ("zh", "en"):
        for row in summary(report_data(), language):
            "".join(row).encode("gbk")


def test_a_declined_estimate_says_so() -> None:
    table = report_data().estimates
    there = (table["quantity"] == "sink") & (table["zone"] == "all")
    gone = table.assign(
        value=table["value"].mask(there), low=table["low"].mask(there), status=table["status"].mask(there, "declined")
    )
    row = next(row for row in summary(report_data(estimates=gone), "en") if row.label == "Yearly carbon sink")
    assert (row.estimate, row.interval) == ("—", "declined")


def test_a_run_without_estimates_has_no_rows_and_real_data_no_banner() -> None:
    assert summary(bare_data(), "zh") == []
    assert banners(bare_data(), "zh") == []


def test_banners_come_first_things_first() -> None:
    assert [line.partition(":")[0] for line in banners(report_data(), "en")] == ["SIMULATED DATA", "PROVISIONAL"]


@pytest.mark.parametrize("verdict", ["met", "not_met", "cannot_tell"])
def test_each_verdict_has_its_own_word_and_shape(verdict: str) -> None:
    data = report_data(targets=judged(verdict=verdict))
    (row,) = target_rows(data, Book(data))
    assert row.verdict == verdict
    assert row.shape == {"met": "circle", "not_met": "square", "cannot_tell": "diamond"}[verdict]


def test_a_verdict_nobody_knows_is_not_taken_for_an_answer() -> None:
    data = report_data(targets=judged(verdict="splendid"))
    assert target_rows(data, Book(data))[0].verdict == "not_assessed"


def test_a_target_in_ten_thousands_is_brought_to_the_base_unit() -> None:
    numbers = {"unit": "万m3", "target_value": 3446.0, "estimate": 3475.6, "low": 3332.5, "high": 3618.6}
    data = report_data(targets=judged(**numbers))
    (row,) = target_rows(data, Book(data))
    assert (row.target_shown.zh, row.target_shown.en, row.estimate_shown.zh) == ("3,446", "34.46", "3,475.6")


def test_what_would_settle_an_open_verdict_is_said() -> None:
    data = report_data(targets=judged(verdict="cannot_tell", settling_se=230_000.0))
    (row,) = target_rows(data, Book(data))
    assert row.settling_shown.zh == "标准误降至 23 万m³ 以下即可判断，目前为 73 万m³。"
    clear = report_data(targets=judged(verdict="met", settling_se=230_000.0))
    assert target_rows(clear, Book(clear))[0].settling_shown is None


def test_a_later_target_shows_the_estimate_carried_to_its_year() -> None:
    rows = judged(target_year=2030, assessed=40.1e6, assessed_low=38e6, assessed_high=42.2e6)
    data = report_data(targets=rows)
    (row,) = target_rows(data, Book(data))
    assert row.later
    assert row.assessed_shown.zh == "4,010.0（3,800.0～4,220.0）"
    today = report_data(targets=rows.assign(target_year=2025))
    assert target_rows(today, Book(today))[0].assessed_shown is None
