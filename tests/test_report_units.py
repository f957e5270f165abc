from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkest.report.units import (
    UNITS,
    base_unit,
    exact,
    number,
    percent,
    plain,
    probability,
    rate_label,
    rounded,
    significant,
    step_of,
    trimmed,
    unit_label,
    unit_of,
)


def test_a_volume_reads_in_ten_thousands_in_chinese_and_in_millions_in_english() -> None:
    # 34 461 200 m3 to the thousand: 34 461 thousand
    value = rounded(34_461_200, 3)
    assert number(value, "m3", "zh", 3) == "3,446.1"
    assert number(value, "m3", "en", 3) == "34.461"
    assert unit_label("m3", "zh") == "万m³"
    assert unit_label("m3", "en") == "million m³"


def test_an_area_reads_in_hectares_with_separators() -> None:
    assert number(rounded(605_934.4, 0), "ha", "zh", 0) == "605,934"
    assert number(rounded(605_934.4, 0), "ha", "en", 0) == "605,934"


def test_a_step_beyond_the_shown_unit_leaves_zeros() -> None:
    # 1 256 400 t to ten thousand: 1 260 000 t = 1,260 thousand t
    assert number(rounded(1_256_400, 4), "t CO2/yr", "en", 4) == "1,260"
    assert number(rounded(1_256_400, 4), "t CO2/yr", "zh", 4) == "126"


@pytest.mark.parametrize(("value", "shown"), [(0.5, "0"), (1.5, "2"), (2.5, "2"), (-0.4, "0"), (-1.5, "-2")])
def test_ties_go_to_the_even_digit_and_zero_has_no_sign(value: float, shown: str) -> None:
    assert number(rounded(value, 0), "ha", "en", 0) == shown


@given(st.floats(-1e12, 1e12), st.integers(-2, 6), st.sampled_from(sorted(UNITS)))
def test_nothing_ever_prints_minus_zero(value: float, step: int, unit: str) -> None:
    for language in ("zh", "en"):
        shown = number(rounded(value, step), unit, language, step)
        assert not (shown.startswith("-") and float(shown.replace(",", "")) == 0)


@given(st.floats(-1e11, 1e11), st.integers(-2, 4))
def test_rounding_moves_a_value_by_half_a_step_at_most(value: float, step: int) -> None:
    assert abs(rounded(value, step) - Decimal(repr(value))) <= Decimal(1).scaleb(step) / 2


@given(st.floats(1, 1e9), st.integers(2, 4))
def test_both_languages_print_the_same_number(value: float, step: int) -> None:
    kept = rounded(value, step)
    zh, en = (Decimal(number(kept, "m3", lang, step).replace(",", "")) for lang in ("zh", "en"))
    assert zh * 10**4 == en * 10**6 == kept


@pytest.mark.parametrize(
    ("unit", "errors", "whole", "step"),
    [
        ("%", [0.95, 2.0], 0.95, -2),  # second digit of 0.95 is the hundredth
        ("%", [1.1], 1.1, -1),
        ("%", [12.0], 12.0, -1),  # never coarser than a tenth of a point
        ("m3", [15_000.0, 612_000.0], 612_000.0, 3),  # smallest asks for 1e3, the whole allows 1e4 / 10
        ("m3", [150.0, 612_000.0], 612_000.0, 3),  # the whole stops the smallest
        ("ha", [5_000.0], 5_000.0, 0),  # never coarser than a hectare
        ("ha", [0.3], 0.3, -2),
        ("ha", [], None, -1),
        ("m3", [], None, 2),
        ("count", [], None, 0),
        ("m3", [0.0, float("nan")], None, 2),
    ],
)
def test_the_last_digit_follows_the_standard_errors(
    unit: str, errors: list[float], whole: float | None, step: int
) -> None:
    assert step_of(unit, errors, whole) == step


def test_a_target_keeps_the_digits_it_was_given() -> None:
    assert exact(53.87, "%", "zh") == "53.87"
    assert exact(34_460_000, "m3", "zh") == "3,446"
    assert exact(34_460_000, "m3", "en") == "34.46"
    assert exact(3446, "万m3", "en") == "34.46"
    assert exact(0.0, "ha", "en") == "0"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (0.0, "< 1 %"), (0.004, "< 1 %"), (0.5, "50 %"), (0.994, "> 99 %"), (1.0, "> 99 %")],
)
def test_a_probability_never_reads_zero_or_one(value: float | None, shown: str) -> None:
    assert probability(value) == shown


def test_bare_numbers() -> None:
    assert significant(0.0) == "0"
    assert significant(1234.5) == "1,230"
    assert significant(0.012345) == "0.0123"
    assert trimmed(0.7) == "0.7"
    assert trimmed(163.2) == "163"
    assert percent(0.8333) == "83.3"


def test_multiples_and_spellings_of_units() -> None:
    assert base_unit("万m3") == ("m3", 4)
    assert base_unit("处") == ("count", 0)
    assert base_unit("tC") == ("t C", 0)


def test_an_unknown_unit_is_shown_as_it_is_written() -> None:
    assert unit_label("widgets/ha", "zh") == "widgets/ha"
    assert unit_of("widgets/ha").additive is False
    assert unit_label("", "en") == ""


def test_a_rate_of_percentages_is_in_points() -> None:
    assert rate_label("%", "en") == "percentage points a year"
    assert rate_label("m3", "zh") == "万m³/年"


def test_plain_text_fits_a_chinese_code_page() -> None:
    for unit in UNITS:
        for language in ("zh", "en"):
            plain(unit_label(unit, language)).encode("gbk")
    assert plain("33.3 – 36.2 million m³ CO₂") == "33.3 - 36.2 million m3 CO2"
