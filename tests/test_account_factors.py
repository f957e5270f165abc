"""Coefficient tables: what loads, what is refused and how, and what a coefficient knows about itself."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinkest.account.factors import SHIPPED, STATUSES, UNITS, Factor, load, shipped_table, used_frame
from sinkest.account.reading import MAX_BYTES, nearest, number, read_csv, read_toml
from sinkest.errors import InputError

HEADER = "set,parameter,type,value,unit,sd,low,high,from_level,below_level,status,source,note"
ROW = "OWN,slope,fir,0.47,t/m3,0.02,,,,,SRC,plots,"


def table(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "own.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_tables_carry_unit_source_and_status_in_every_row(name: str) -> None:
    for factor in shipped_table(name).factors:
        assert factor.unit == UNITS[factor.parameter]
        assert factor.status in STATUSES
        assert factor.source


def test_a_byte_order_mark_is_not_part_of_the_header(tmp_path: Path) -> None:
    path = table(tmp_path, ROW)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path).get("OWN", "slope", "fir").value == 0.47


def test_columns_may_stand_in_any_order_and_optional_ones_may_be_missing(tmp_path: Path) -> None:
    path = table(tmp_path, "plots,SRC,t/m3,0.47,fir,slope,OWN", header="source,status,unit,value,type,parameter,set")
    assert load(path).get("OWN", "slope", "fir") == Factor("own", "OWN", "slope", "fir", 0.47, "t/m3", "SRC", "plots")


@pytest.mark.parametrize(
    ("row", "key", "named"),
    [
        ("OWN,slope,fir,0.47,kg/m3,,,,,,SRC,plots,", "account.wrong_unit", "'t/m3'"),
        ("OWN,slop,fir,0.47,t/m3,,,,,,SRC,plots,", "account.unknown_parameter", "slope"),
        ("OWN,slope,fir,0.47,t/m3,,,,,,GOOD,plots,", "account.unknown_status", "SRC2"),
        ("OWN,slope,fir,about 0.5,t/m3,,,,,,SRC,plots,", "account.not_number", "about 0.5"),
        ("OWN,slope,fir,nan,t/m3,,,,,,SRC,plots,", "account.not_number", "nan"),
        ("OWN,slope,fir,1_0,t/m3,,,,,,SRC,plots,", "account.not_number", "1_0"),
        ("OWN,slope,fir,-0.47,t/m3,,,,,,SRC,plots,", "account.negative", "-0.47"),
        ("OWN,slope,fir,,t/m3,,,,,,SRC,plots,", "account.empty_cell", "value"),
        ("OWN,slope,fir,0.47,t/m3,,,,,,SRC,,", "account.empty_cell", "source"),
        ("OWN,slope,fir,0.47,t/m3,,0.5,0.6,,,SRC,plots,", "account.outside_range", "0.5 ... 0.6"),
        ("OWN,slope,fir,0.47,t/m3,,,,40,20,SRC,plots,", "account.bad_levels", "slope"),
        ("OWN,slope,fir,0.47,t/m3,,,,,20,SRC,plots,", "account.bad_levels", "slope"),
        ("OWN,slope,fir,0.47,t/m3,SRC,plots", "account.ragged", "7 cells"),
        ('OWN,slope,fir,0.47,t/m3,,,,,,SRC,"plots"x,', "account.not_csv", "line 2"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, row: str, key: str, named: str) -> None:
    path = table(tmp_path, row)
    with pytest.raises(InputError) as caught:
        load(path)
    assert caught.value.key == key
    assert named in str(caught.value)
    assert "own.csv, line 2" in str(caught.value)


def test_a_repeated_row_names_both_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 3: OWN / slope / fir already stands in line 2"):
        load(table(tmp_path, ROW, ROW))


@pytest.mark.parametrize(
    "levels", [("0,20", "30,"), ("0,20", "15,"), ("5,20", "20,"), ("0,20", "20,40"), ("0,20", ",")]
)
def test_levels_that_do_not_join_are_refused(tmp_path: Path, levels: tuple[str, str]) -> None:
    rows = [
        f"OWN,bcef_stock,pines,{value},t/m3,,,,{level},SRC,plots," for value, level in zip((1, 2), levels, strict=True)
    ]
    with pytest.raises(InputError) as caught:
        load(table(tmp_path, *rows))
    assert caught.value.key == "account.bad_levels"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (HEADER.replace("value", "values"), "account.unknown_column"),
        (HEADER.replace("note", "set"), "account.repeated_column"),
        ("set,parameter,type,value,unit,status", "account.missing_columns"),
    ],
)
def test_a_bad_header_is_refused(tmp_path: Path, header: str, key: str) -> None:
    with pytest.raises(InputError) as caught:
        load(table(tmp_path, header=header))
    assert caught.value.key == key


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    cases = {
        "account.file_missing": tmp_path / "absent.csv",
        "account.file_unreadable": tmp_path,
        "account.file_encoding": tmp_path / "gbk.csv",
        "account.file_large": tmp_path / "large.csv",
        "account.no_rows": tmp_path / "empty.csv",
    }
    cases["account.file_encoding"].write_bytes("蓄积量".encode("gbk"))
    cases["account.file_large"].write_bytes(b"x" * (MAX_BYTES + 1))
    cases["account.no_rows"].write_text(HEADER + "\n\n", encoding="utf-8")
    for key, path in cases.items():
        with pytest.raises(InputError) as caught:
            load(path)
        assert caught.value.key == key


def test_require_names_every_missing_type_at_once() -> None:
    with pytest.raises(InputError, match="palm, willow"):
        shipped_table("conversion").require("LI2016", "slope", ["fir", "palm", "willow"])
    shipped_table("conversion").require("LI2016", "slope", ["fir", "masson_pine"])
    shipped_table("conversion").require("LI2016", "carbon_fraction", ["whatever: the fraction is for any type"])


def test_get_says_which_set_or_type_is_missing() -> None:
    with pytest.raises(InputError, match="LI2016"):
        shipped_table("conversion").get("LI2015", "slope", "fir")
    with pytest.raises(InputError, match="no slope for: palm"):
        shipped_table("conversion").get("LI2016", "slope", "palm")


@pytest.mark.parametrize(("level", "value"), [(0.0, 3.0), (19.99, 3.0), (20.0, 1.7), (100.0, 1.05), (900.0, 0.8)])
def test_a_value_by_level_holds_from_its_lower_bound_on(level: float, value: float) -> None:
    assert shipped_table("conversion").get("IPCC", "bcef_stock", "hardwoods", level).value == value


def test_a_value_by_level_does_not_hold_without_a_level() -> None:
    assert shipped_table("conversion").find("IPCC", "bcef_stock", "hardwoods") is None


def test_sigma_is_the_sd_else_the_range_as_a_95_percent_interval_else_zero() -> None:
    base = Factor("t", "s", "carbon_fraction", "any", 0.5, "t C/t", "SRC", "x")
    assert base.sigma == 0
    # (0.55 - 0.46) / (2 * 1.96) = 0.02296
    ranged = Factor("t", "s", "carbon_fraction", "any", 0.5, "t C/t", "SRC", "x", low=0.46, high=0.55)
    assert ranged.sigma == pytest.approx(0.02296, abs=1e-5)
    assert ranged.relative_sigma == pytest.approx(0.04592, abs=1e-5)
    assert Factor("t", "s", "slope", "fir", 0.5, "t/m3", "SRC", "x", sd=0.1, low=0.1, high=0.9).sigma == 0.1


def test_only_a_mem_row_is_provisional() -> None:
    flags = {status: Factor("t", "s", "slope", "fir", 1, "t/m3", status, "x").provisional for status in STATUSES}
    assert flags == {"SRC": False, "SRC2": False, "DER": False, "MEM": True}


def test_slope_errors_follow_from_n_and_r2() -> None:
    # se(a) / a = sqrt((1 - R2) / (R2 (n - 2))); fir: R2 0.94, n 90 -> 0.02693; x 0.4652 = 0.01253
    fir = shipped_table("conversion").get("LI2016", "slope", "fir")
    assert fir.sd == pytest.approx(0.4652 * math.sqrt(0.06 / (0.94 * 88)), rel=1e-3)


def test_used_factors_are_listed_once_with_names_in_both_languages() -> None:
    fir = shipped_table("conversion").get("LI2016", "slope", "fir")
    frame = used_frame([fir, fir])
    assert len(frame) == 1
    assert frame.loc[0, "name_zh"] == "LI2016 · 斜率 · 杉木"
    assert frame.loc[0, "name_en"] == "LI2016 · slope · Chinese fir"
    assert {"name", "value", "unit", "source", "status", "provisional"} <= set(frame.columns)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("-2.", -2.0),
        (".5", 0.5),
        ("１", None),
        ("inf", None),
        ("", None),
        ("1e999", None),
    ],
)
def test_numbers_are_plain_digits(cell: str, value: float | None) -> None:
    assert number(cell) == value


def test_nearest_names_the_likely_word_or_all() -> None:
    assert nearest("slop", ["slope", "intercept"]) == "slope"
    assert nearest("zzz", ["slope", "intercept"]) == "intercept, slope"


cells = st.text(alphabet=st.sampled_from("abc,\"\n\r\x00;=.[]{}-+e0159杉\ufeff#' \t"), max_size=40)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=80), cells.map(str.encode)), with_header=st.booleans())
def test_any_bytes_load_or_are_refused_in_words(tmp_path: Path, content: bytes, with_header: bool) -> None:
    path = tmp_path / "fuzz.csv"
    path.write_bytes((HEADER + "\n").encode() * with_header + content)
    for reader in (load, read_toml, lambda file: read_csv(file, ["set"])):
        try:
            reader(path)
        except InputError as error:
            assert "fuzz.csv" in str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.floats(0, 1e6, allow_nan=False), sd=st.floats(0, 1e3, allow_nan=False))
def test_numbers_survive_the_file(tmp_path: Path, value: float, sd: float) -> None:
    path = table(tmp_path, f"OWN,slope,fir,{value!r},t/m3,{sd!r},,,,,SRC,plots,")
    factor = load(path).get("OWN", "slope", "fir")
    assert (factor.value, factor.sd) == (value, sd)
