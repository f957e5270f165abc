"""Plots that cannot be right are refused by file, row and column, before any work begins."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from sinkest.aoi.datum import wgs84_to_gcj02
from tests.bad_input import Spoil, cell, change, refused, without
from tests.project_fixture import CONFIG, call, edit, run_folder


def in_gcj02(frame: pd.DataFrame) -> pd.DataFrame:
    lon, lat = wgs84_to_gcj02(frame["lon"].astype(float).to_numpy(), frame["lat"].astype(float).to_numpy())
    return frame.assign(lon=lon, lat=lat)


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"lon": "lat", "lat": "lon"})


def few_in_arbor(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(forest_type=["fir", "fir", "fir"] + [""] * (len(frame) - 3))


VOLUME = "a number in m3/ha, from 0 to 2000"
VOLUME_ZH = "数值（m3/ha），0 至 2000"
CASES: dict[str, tuple[Spoil, tuple[str, ...], tuple[str, ...]]] = {
    "missing column": (
        without("plots", "volume_m3_ha"),
        ("plots.csv", "column 'volume_m3_ha' is missing", VOLUME, "Did you mean the column 'previous_volume_m3_ha'"),
        ("plots.csv", "缺少列 'volume_m3_ha'", VOLUME_ZH),
    ),
    "no forest type": (
        without("plots", "forest_type"),
        ("plots.csv: column 'forest_type' is missing", "class ids of the legend", "fir, masson_pine"),
        ("plots.csv：缺少 forest_type 列",),
    ),
    "no longitude": (
        without("plots", "lon"),
        ("plots.csv", "column 'lon' is missing", "decimal degrees, -180 to 180"),
        (),
    ),
    "half a remeasurement": (
        without("plots", "previous_volume_m3_ha"),
        ("plots.csv", "'previous_date' is there, but 'previous_volume_m3_ha' is missing", "problems found: 1\n"),
        (),
    ),
    "text in a number": (
        cell("plots", 7, "volume_m3_ha", "about 30"),
        ("plots.csv", "row 7, column 'volume_m3_ha': 'about 30' cannot be read", VOLUME),
        ("plots.csv", "第 7 行，列 'volume_m3_ha'：无法识别 'about 30'", VOLUME_ZH),
    ),
    "not a number": (
        cell("plots", 7, "volume_m3_ha", "NaN"),
        ("plots.csv", "row 7, column 'volume_m3_ha': no value", VOLUME),
        (),
    ),
    "negative": (
        cell("plots", 7, "volume_m3_ha", "-3"),
        ("plots.csv", "row 7, column 'volume_m3_ha': -3 is out of range", VOLUME, "Check the unit"),
        ("第 7 行，列 'volume_m3_ha'：-3 超出范围", VOLUME_ZH),
    ),
    "absurd": (
        cell("plots", 7, "volume_m3_ha", "2000.5"),
        ("plots.csv", "row 7, column 'volume_m3_ha': 2000.5 is out of range", VOLUME),
        (),
    ),
    "no date": (
        cell("plots", 5, "date", "soon"),
        ("plots.csv", "row 5, column 'date': 'soon' cannot be read; expected a date like 2025-10-31"),
        (),
    ),
    "remeasured before": (
        cell("plots", 5, "previous_date", "2026-01-01"),
        ("plots.csv", "row 5, column 'previous_date': 2026-01-01 is not before the date 2025-"),
        (),
    ),
    "swapped": (
        change("plots", swapped),
        ("plots.csv", "row 2: lon 2", "fits only the other way round; swap the two columns"),
        ("第 2 行：经度 2", "对调后才合理；请交换这两列"),
    ),
    "gcj-02": (
        change("plots", in_gcj02),
        ("plots.csv: the coordinates look like GCJ-02", "points move into the right zone", 'Set datum = "gcj02"'),
        ("plots.csv：坐标疑似 GCJ-02", 'datum = "gcj02"'),
    ),
    "gcj-02 without zones": (
        change("plots", lambda frame: in_gcj02(frame).drop(columns="zone_id")),
        ("plots.csv: the coordinates look like GCJ-02",),
        (),
    ),
    "outside the area": (
        cell("plots", 9, "lon", "113.02"),
        ("plots.csv: 1 point(s) lie outside the area (row 9; the first at 113.02, ", "correct them, remove them"),
        ("plots.csv：1 个点位于区域之外（第 9 行",),
    ),
    "unknown zone": (
        cell("plots", 9, "zone_id", "430299"),
        ("plots.csv, row 9: zone '430299' is not one of the area's zones: 430202, 430203, 430204",),
        (),
    ),
    "another zone": (
        cell("plots", 9, "zone_id", "430202"),
        ("plots.csv", "row 9", "says 430202 and lies in 430204", "correct the coordinates or the zone"),
        (),
    ),
    "duplicate": (
        cell("plots", 9, "plot_id", "P00001"),
        ("plots.csv", "row 9, column plot_id: 'P00001' stands already in row 2"),
        ("第 9 行，列 plot_id：'P00001' 已出现在第 2 行",),
    ),
    "unknown class": (
        cell("plots", 9, "forest_type", "fur"),
        ("plots.csv", "row 9, column 'forest_type': 'fur' is no class of the legend; did you mean 'fir'?"),
        ("第 9 行，列 'forest_type'：'fur' 不在图例类别中；是否应为 'fir'？",),
    ),
    "none in arbor forest": (
        change("plots", lambda frame: frame.assign(forest_type="")),
        ("plots.csv, column 'forest_type': no plot lies in arbor forest", "fir, masson_pine, broadleaf, mixed"),
        ("plots.csv，列 forest_type：没有样地位于乔木林",),
    ),
    "too few": (
        change("plots", few_in_arbor),
        ("plots.csv: 3 row(s) to learn from; at least 4 are needed",),
        ("plots.csv：可用于训练的只有 3 行；至少需要 4 行",),
    ),
    "missing file": (
        lambda folder: (folder / "plots.csv").unlink(),
        ("plots.csv: no such file; check the path (it is relative to the configuration file)",),
        ("plots.csv：文件不存在",),
    ),
    "empty": (
        lambda folder: (folder / "plots.csv").write_text(""),
        ("plots.csv: is empty; a header and at least one row are needed",),
        (),
    ),
    "header only": (
        change("plots", lambda frame: frame.iloc[:0]),
        ("plots.csv: has a header but no rows",),
        (),
    ),
    "binary": (
        lambda folder: (folder / "plots.csv").write_bytes(bytes(range(256)) * 20),
        ("plots.csv: ", "save it as CSV in UTF-8"),
        (),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_plots_are_refused(
    name: str,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil, english, chinese = CASES[name]
    spoil(copy)
    refused(copy, capsys, english, chinese)


def test_a_table_of_an_unknown_kind_is_refused(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copy(copy / "plots.csv", copy / "plots.xls")
    edit(copy / CONFIG, 'plots = "plots.csv"', 'plots = "plots.xls"')
    refused(copy, capsys, ("plots.xls: tables ending in .xls are not read", ".xlsx"), ())


def test_all_problems_of_all_tables_are_told_at_once(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cell("plots", 7, "volume_m3_ha", "-3")(copy)
    cell("reference", 5, "reference_class", "fur")(copy)
    cell("strata", 2, "zone_id", "1")(copy)
    english = ("3 problems to mend before the work can begin", "plots.csv", "reference.csv", "strata.csv", "row 7")
    refused(copy, capsys, english, ("有 3 个问题需先解决",))


# -- what is odd but usable -----------------------------------------------------------------------------------------


def checked(copy: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert call("--lang", "en", "check", copy / CONFIG) == 0
    return capsys.readouterr().out


def test_extra_columns_are_kept_and_change_nothing(
    copy: Path,
    finished: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Names that the program uses itself are among them.
    change("plots", lambda frame: frame.assign(note="x", prediction="9", fold="9", x_m="9", source_row="a"))(copy)
    assert "plots.csv, 258 rows, usable" in checked(copy, capsys)
    assert call("train", copy / CONFIG) == 0
    before, after = (
        pd.read_csv(run_folder(one) / "train" / "plots.csv")[["prediction", "fold", "x_m"]] for one in (finished, copy)
    )
    pd.testing.assert_frame_equal(before, after)


def test_gb18030_is_read_and_said(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (copy / "plots.csv").read_text(encoding="utf-8-sig").replace(",fir,", ",杉木林,")
    (copy / "plots.csv").write_bytes(text.encode("gb18030"))
    told = checked(copy, capsys)
    assert "plots.csv, 258 rows, usable" in told
    assert "plots.csv is not UTF-8; it was read as GB18030" in told


def test_a_byte_order_mark_makes_no_difference(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("plots.csv", CONFIG):
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content[3:] if content.startswith(b"\xef\xbb\xbf") else b"\xef\xbb\xbf" + content)
    assert "Everything is usable" in checked(copy, capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (copy / "plots.csv").chmod(0)
    refused(copy, capsys, ("plots.csv",), ("plots.csv",))
