"""Field tables: what is read, what is refused, and how it is told."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import LineString, MultiPoint, Point, Polygon, box

from sinkest.errors import InputError
from sinkest.learn import table
from sinkest.learn.fields import SCHEMAS, template_frame, template_rows

CLASSES = {"fir": ("1", "杉木林"), "broadleaf": ("3", "阔叶林"), "water": ("14", "水域")}
HEADER = "plot_id,lon,lat,date,volume_m3_ha,forest_type,area_ha"
GOOD = [
    "1,113.10,27.80,2025-10-01,68.5,fir,0.0667",
    "2,113.20,27.70,2025-10-02,0,,0.0667",
    "3,113.30,27.60,2025-10-03,140.25,broadleaf,0.0667",
]


def write(folder: Path, *lines: str, name: str = "plots.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def refusal(path: Path, reader=table.read_plots, **options) -> tuple[str, list[str]]:
    """Whole text of a refusal, and the keys of its problems."""
    with pytest.raises(InputError) as caught:
        reader(path, **options)
    problems = caught.value.fields.get("problems", ())
    return str(caught.value), [problem.key.removeprefix("learn.") for problem in problems]


# -- what is read ------------------------------------------------------------------------------------------------------


def test_a_good_table_becomes_the_normal_form(tmp_path: Path) -> None:
    frame = table.read_plots(write(tmp_path, HEADER, *GOOD), classes=CLASSES)
    assert list(frame.columns) == [*HEADER.split(","), "source_row", "geometry"]
    assert frame.crs == "EPSG:4326"
    assert frame["volume_m3_ha"].tolist() == [68.5, 0.0, 140.25]
    assert frame["forest_type"].tolist() == ["fir", "", "broadleaf"]
    assert frame["date"].dt.strftime("%Y%m%d").tolist() == ["20251001", "20251002", "20251003"]
    assert frame.geometry.iloc[2] == Point(113.3, 27.6)
    assert table.notes(frame) == ()


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    # Header 1, explanation 2, data 3, blank 4, data 5 (over two lines in the file, one row in a spreadsheet), data 6.
    two_lines = '2,113.20,27.70,2025-10-02,0,"",0.0667,"a\nb"'
    lines = [f"{HEADER},remark", f"# note{',' * 7}", f"{GOOD[0]},x", "", two_lines, f"{GOOD[2]},y"]
    frame = table.read_plots(write(tmp_path, *lines))
    assert frame["source_row"].tolist() == [3, 5, 6]


def test_unknown_columns_are_kept(tmp_path: Path) -> None:
    lines = [f"{HEADER},crew,slope,code", f"{GOOD[0]},甲,12.5,01", f"{GOOD[1]},乙,,02"]
    frame = table.read_plots(write(tmp_path, *lines))
    assert frame["crew"].tolist() == ["甲", "乙"]
    assert frame["slope"].iloc[0] == 12.5
    assert np.isnan(frame["slope"].iloc[1])
    assert frame["code"].tolist() == ["01", "02"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_files_are_read_without_a_note(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, HEADER, GOOD[0].replace("fir", "杉木林"), encoding=encoding)
    frame = table.read_plots(path, classes=CLASSES)
    assert frame["forest_type"].tolist() == ["fir"]
    assert table.notes(frame) == ()


def test_gb18030_is_read_and_said(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, GOOD[0].replace("fir", "杉木林"), encoding="gb18030")
    frame = table.read_plots(path, classes=CLASSES)
    assert frame["forest_type"].tolist() == ["fir"]
    assert [note.key for note in table.notes(frame)] == ["learn.other_encoding"]
    assert "GB18030" in table.notes(frame)[0].text("zh")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path, *(line.replace(",", delimiter) for line in (HEADER, *GOOD)))
    assert len(table.read_plots(path)) == 3


@pytest.mark.parametrize(
    "text", ["2025-10-01", "2025/10/1", "20251001", "2025年10月1日", "2025.10.01", "2025-10-01T08:30:00Z"]
)
def test_dates_as_people_write_them(tmp_path: Path, text: str) -> None:
    frame = table.read_plots(write(tmp_path, HEADER, GOOD[0].replace("2025-10-01", text)))
    assert frame["date"].iloc[0] == pd.Timestamp("2025-10-01")


def test_columns_can_be_renamed_and_case_does_not_matter(tmp_path: Path) -> None:
    header = HEADER.replace("plot_id", "样地号").replace("lon", "LON")
    frame = table.read_plots(write(tmp_path, header, *GOOD), columns={"样地号": "plot_id"})
    assert frame["plot_id"].tolist() == ["1", "2", "3"]
    assert [note.key for note in table.notes(frame)] == ["learn.adopted_column"]


@pytest.mark.parametrize("name", ["plots.gpkg", "plots.geojson", "plots.parquet"])
def test_vector_files_give_the_same_plots(tmp_path: Path, name: str) -> None:
    expected = table.read_plots(write(tmp_path, HEADER, *GOOD), classes=CLASSES)
    path = tmp_path / name
    # In another CRS where the format can carry one: the reader brings it back.
    moved = expected.drop(columns=["lon", "lat", "source_row"])
    moved = moved if name.endswith("geojson") else moved.to_crs("EPSG:32649")
    moved.attrs = {}
    moved.to_parquet(path) if name.endswith("parquet") else moved.to_file(path)
    frame = table.read_plots(path, classes=CLASSES)
    assert frame["plot_id"].tolist() == expected["plot_id"].tolist()
    assert frame["date"].tolist() == expected["date"].tolist()
    np.testing.assert_allclose(frame[["lon", "lat"]], expected[["lon", "lat"]], atol=1e-9)
    assert frame["source_row"].tolist() == [2, 3, 4]


def test_a_parquet_table_without_geometry(tmp_path: Path) -> None:
    path = tmp_path / "plots.parquet"
    frame = pd.DataFrame({"plot_id": [1, 2], "lon": [113.1, 113.2], "lat": [27.8, 27.7], "volume_m3_ha": [1.0, 2.0]})
    frame["date"] = pd.to_datetime(["2025-10-01", "2025-10-02"])
    frame.to_parquet(path)
    assert table.read_plots(path)["plot_id"].tolist() == ["1", "2"]


def test_a_spreadsheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(HEADER.split(","))
    book.active.append([1, 113.1, 27.8, pd.Timestamp("2025-10-01").to_pydatetime(), 68.5, "杉木林", 0.0667])
    book.create_sheet("more")
    book.save(tmp_path / "plots.xlsx")
    frame = table.read_plots(tmp_path / "plots.xlsx", classes=CLASSES)
    assert frame["plot_id"].tolist() == ["1"]
    assert frame["date"].iloc[0] == pd.Timestamp("2025-10-01")
    assert [note.key for note in table.notes(frame)] == ["learn.first_sheet"]
    text, _ = refusal(tmp_path / "plots.xlsx", layer="none")
    assert "'none'" in text
    assert "more" in text


def test_a_table_may_carry_the_features_itself(tmp_path: Path) -> None:
    path = write(tmp_path, "plot_id,cover,tc1,tc2", "1,50,0.1,3", "2,60,0.2,4")
    frame = table.read_plots(path, response="cover", response_unit="%", features=["tc1", "tc2"])
    assert frame[["tc1", "tc2"]].to_numpy().tolist() == [[0.1, 3.0], [0.2, 4.0]]
    assert frame.geometry.isna().all()
    assert "lon" not in frame


def test_gcj02_coordinates_are_converted_and_said(tmp_path: Path) -> None:
    frame = table.read_plots(write(tmp_path, HEADER, *GOOD), datum="gcj02")
    # The shift of GCJ-02 in Zhuzhou is about 570 m east and 350 m south (0.0058 and -0.0032 degrees).
    assert frame["lon"].iloc[0] == pytest.approx(113.10 - 0.0058, abs=0.0006)
    assert frame["lat"].iloc[0] == pytest.approx(27.80 + 0.0032, abs=0.0006)
    assert [note.key for note in table.notes(frame)] == ["learn.converted_gcj02"]


def test_two_plots_at_one_point_may_be_allowed(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, GOOD[0], GOOD[0].replace("1,", "9,", 1))
    assert refusal(path)[1] == ["same_place"]
    assert [note.key for note in table.notes(table.read_plots(path, same_place="note"))] == ["learn.same_place_note"]
    assert table.notes(table.read_plots(path, same_place="allow")) == ()


# -- what is refused: cells and columns --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "key"),
    [
        ("plot_id", "", "cell_empty"),
        ("lon", "", "cell_empty"),
        ("lat", "NaN", "cell_empty"),
        ("lon", "113,1", "cell_unreadable"),
        ("lat", "27°48'", "cell_unreadable"),
        ("date", "", "cell_empty"),
        ("date", "2025-13-01", "cell_unreadable"),
        ("date", "2025-02-29", "cell_unreadable"),
        ("date", "01/10/2025", "cell_unreadable"),
        ("date", "1492-10-12", "cell_unreadable"),
        ("date", "45961", "cell_serial_date"),
        ("plot_id", "4.30203E+11", "cell_scientific"),
        ("volume_m3_ha", "1,234.5", "cell_grouped"),
        ("volume_m3_ha", "1 234,5", "cell_grouped"),
        ("volume_m3_ha", "10²", "cell_unreadable"),
        ("volume_m3_ha", "", "cell_empty"),
        ("volume_m3_ha", "NaN", "cell_empty"),
        ("volume_m3_ha", "about 70", "cell_unreadable"),
        ("volume_m3_ha", "1e999", "cell_unreadable"),
        ("volume_m3_ha", "inf", "cell_unreadable"),
        ("volume_m3_ha", "1_000", "cell_unreadable"),
        ("volume_m3_ha", "-0.1", "cell_out_of_range"),
        ("volume_m3_ha", "2000.1", "cell_out_of_range"),
        ("forest_type", "brodleaf", "unknown_class_near"),
        ("forest_type", "99", "unknown_class"),
        ("area_ha", "0", "cell_out_of_range"),
        ("area_ha", "667", "cell_out_of_range"),
    ],
)
def test_a_bad_cell_is_named_by_file_row_column_and_value(tmp_path: Path, column: str, value: str, key: str) -> None:
    cells = GOOD[2].split(",")
    cells[HEADER.split(",").index(column)] = f'"{value}"'
    path = write(tmp_path, HEADER, GOOD[0], GOOD[1], ",".join(cells))
    text, keys = refusal(path, classes=CLASSES)
    assert keys == [key]
    assert str(path) in text
    assert "row 4" in text
    assert repr(column) in text
    assert key == "cell_empty" or value in text


def test_digits_of_an_input_method_are_read(tmp_path: Path) -> None:
    line = GOOD[0].replace("68.5", "６８．５").replace("2025-10-01", "２０２５－１０－０１")
    frame = table.read_plots(write(tmp_path, HEADER, line, GOOD[1]))
    assert frame["volume_m3_ha"].tolist() == [68.5, 0.0]
    assert str(frame["date"].iloc[0])[:10] == "2025-10-01"


def test_the_limit_itself_is_accepted(tmp_path: Path) -> None:
    frame = table.read_plots(write(tmp_path, HEADER, GOOD[0].replace("68.5", "2000"), GOOD[1]))
    assert frame["volume_m3_ha"].tolist() == [2000.0, 0.0]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    bad = ["1,27.8,113.1,2025-10-01,68.5,fir,0.0667", "1,113.2,27.7,soon,-3,fir,0.0667", "3,113.3,27.6,2025-10-03,x,,"]
    text, keys = refusal(write(tmp_path, HEADER, *bad), classes=CLASSES)
    assert keys == ["swapped", "cell_unreadable", "cell_out_of_range", "duplicate_id", "cell_unreadable"]
    assert "problems found: 5" in text


def test_many_problems_are_counted_and_twenty_shown(tmp_path: Path) -> None:
    rows = [f"{i},113.{i:03d},27.8,2025-10-01,-1,,0.1" for i in range(100)]
    text, keys = refusal(write(tmp_path, HEADER, *rows))
    assert keys == ["cell_out_of_range"] * 20
    assert "100, the first 20" in text


def test_a_refusal_reads_in_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINKEST_LANG", "zh")
    text, _ = refusal(write(tmp_path, HEADER, GOOD[0].replace("68.5", "-3")))
    assert "第 2 行" in text
    assert "超出范围" in text
    assert "expected" not in text


def test_a_missing_column_suggests_the_nearest(tmp_path: Path) -> None:
    text, keys = refusal(write(tmp_path, HEADER.replace("volume_m3_ha", "volume_m3"), *GOOD))
    assert keys == ["missing_column_near"]
    assert "'volume_m3_ha'" in text
    assert "'volume_m3'" in text


def test_a_missing_column_without_any_like_it_lists_what_there_is(tmp_path: Path) -> None:
    path = write(tmp_path, "plot_id,lon,lat,date,x", "1,113.1,27.8,2025-10-01,5")
    text, keys = refusal(path)
    assert keys == ["missing_column"]
    assert "plot_id, lon, lat, date, x" in text


def test_coordinates_must_be_there(tmp_path: Path) -> None:
    path = write(tmp_path, "plot_id,date,volume_m3_ha", "1,2025-10-01,5")
    assert refusal(path)[1] == ["missing_column", "missing_column"]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER},date", f"{GOOD[0]},2024-01-01")
    text, keys = refusal(path)
    assert keys == ["duplicate_column"]
    assert "columns 4 and 8" in text


@pytest.mark.parametrize("row", ["1,113.10,27.80,2025-10-01,68.5,fir", f"{GOOD[0]},extra"])
def test_a_ragged_row_is_refused(tmp_path: Path, row: str) -> None:
    text, keys = refusal(write(tmp_path, HEADER, GOOD[1], row))
    assert "ragged" in keys
    assert "row 3" in text


def test_trailing_empty_cells_are_no_matter(tmp_path: Path) -> None:
    assert len(table.read_plots(write(tmp_path, f"{HEADER},,", *(f"{row},,," for row in GOOD)))) == 3


def test_renaming_what_is_not_there_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, *GOOD)
    assert refusal(path, columns={"nummer": "plot_id"})[1] == ["renamed_missing"]
    assert refusal(path, columns={"area_ha": "plot_id"})[1] == ["renamed_taken"]


def test_an_earlier_measurement_must_be_whole_and_earlier(tmp_path: Path) -> None:
    header = f"{HEADER},previous_date,previous_volume_m3_ha"
    lines = [f"{GOOD[0]},2020-10-01,50", f"{GOOD[1]},2020-10-01,", f"{GOOD[2]},2025-10-03,90"]
    text, keys = refusal(write(tmp_path, header, *lines))
    assert keys == ["half_previous", "previous_not_earlier"]
    assert "row 3" in text
    assert "row 4" in text


def test_the_simulated_flag(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER},simulated", f"{GOOD[0]},true", f"{GOOD[1]},否", f"{GOOD[2]},")
    assert table.read_plots(path)["simulated"].tolist() == [True, False, False]
    path = write(tmp_path, f"{HEADER},simulated", f"{GOOD[0]},perhaps")
    assert refusal(path)[1] == ["cell_unreadable"]


# -- what is refused: places -------------------------------------------------------------------------------------------

GRID = GeoBox((50, 50), Affine(0.01, 0, 113.0, 0, -0.01, 28.0), "EPSG:4326")


def test_swapped_coordinates_are_recognised(tmp_path: Path) -> None:
    text, keys = refusal(write(tmp_path, HEADER, GOOD[0].replace("113.10,27.80", "27.80,113.10")))
    assert keys == ["swapped"]
    assert "row 2" in text
    assert "swap" in text


def test_swapped_coordinates_that_could_be_degrees_are_recognised_by_the_grid(tmp_path: Path) -> None:
    grid = GeoBox((100, 100), Affine(0.01, 0, 30.0, 0, -0.01, 61.0), "EPSG:4326")
    path = write(tmp_path, HEADER, GOOD[0].replace("113.10,27.80", "60.5,30.5"))
    assert refusal(path, grid=grid)[1] == ["swapped"]


@pytest.mark.parametrize("place", ["640000,3070000", "113.10,127.80", "-190,27.8"])
def test_coordinates_that_are_no_degrees(tmp_path: Path, place: str) -> None:
    text, keys = refusal(write(tmp_path, HEADER, GOOD[0].replace("113.10,27.80", place)))
    assert keys == ["no_degrees"]
    assert "WGS84" in text


def test_plots_outside_the_imagery_are_refused_by_row(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, *GOOD, "4,114.0,27.8,2025-10-01,1,,")
    assert len(table.read_plots(write(tmp_path, HEADER, *GOOD, name="in.csv"), grid=GRID)) == 3
    text, keys = refusal(path, grid=GRID)
    assert keys == ["outside_grid"]
    assert "row 5" in text
    assert "114.000000" in text


def test_a_vector_file_without_crs_is_refused(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"plot_id": [1], "date": ["2025-10-01"], "volume_m3_ha": [1.0]}, geometry=[Point(1, 2)])
    frame.to_parquet(tmp_path / "plots.parquet")
    assert refusal(tmp_path / "plots.parquet")[1] == ["no_crs"]


def test_wrong_or_missing_geometry_is_refused(tmp_path: Path) -> None:
    shapes = [LineString([(113, 27), (114, 28)]), None, MultiPoint([(113, 27)]), MultiPoint([(113, 27), (114, 28)])]
    content = {"plot_id": range(4), "date": ["2025-10-01"] * 4, "volume_m3_ha": [1.0] * 4}
    gpd.GeoDataFrame(content, geometry=shapes, crs=4326).to_file(tmp_path / "plots.gpkg")
    text, keys = refusal(tmp_path / "plots.gpkg")
    assert keys == ["not_point", "no_geometry", "not_point"]
    assert "LineString" in text


# -- the other tables --------------------------------------------------------------------------------------------------


def labels(
    folder: Path, shapes: list, classes: list[str], name: str = "labels.gpkg", field: str = "land_cover"
) -> Path:
    gpd.GeoDataFrame({field: classes}, geometry=shapes, crs=4326).to_file(folder / name)
    return folder / name


def test_labels(tmp_path: Path) -> None:
    path = labels(tmp_path, [box(113, 27, 113.1, 27.1), Point(113.5, 27.5)], ["杉木林", "14"])
    frame = table.read_labels(path, classes=CLASSES)
    assert frame["land_cover"].tolist() == ["fir", "water"]
    assert frame["label_id"].tolist() == ["2", "3"]


def test_labels_with_another_column_and_as_text(tmp_path: Path) -> None:
    path = write(tmp_path, "klass,geometry", '"fir","POLYGON ((113 27, 113.1 27, 113.1 27.1, 113 27))"')
    assert table.read_labels(path, classes=CLASSES, class_field="klass")["land_cover"].tolist() == ["fir"]
    path = write(tmp_path, "land_cover,geometry", '"fir","POLYGON ((113 27, 113.1"')
    assert refusal(path, table.read_labels)[1] == ["bad_wkt"]


def test_labels_need_geometry(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "land_cover,x", "fir,1"), table.read_labels)[1] == ["missing_geometry"]


def test_broken_polygons_are_refused(tmp_path: Path) -> None:
    bow_tie = Polygon([(113, 27), (114, 28), (114, 27), (113, 28)])
    text, keys = refusal(labels(tmp_path, [bow_tie], ["fir"]), table.read_labels)
    assert keys == ["broken_geometry"]
    assert "Self-intersection" in text


def test_overlapping_polygons_of_different_classes_are_refused(tmp_path: Path) -> None:
    one, beside, over = box(113, 27, 113.1, 27.1), box(113.1, 27, 113.2, 27.1), box(113.05, 27, 113.15, 27.1)
    assert len(table.read_labels(labels(tmp_path, [one, beside], ["fir", "water"]))) == 2
    assert len(table.read_labels(labels(tmp_path, [one, over], ["fir", "fir"], "same.gpkg"))) == 2
    text, keys = refusal(labels(tmp_path, [one, over], ["fir", "water"], "other.gpkg"), table.read_labels)
    assert keys == ["overlap"]
    assert "row 3" in text
    assert "row 2" in text


def test_reference_points(tmp_path: Path) -> None:
    header = "point_id,lon,lat,stratum,reference_class"
    frame = table.read_reference(
        write(tmp_path, header, "1,113.1,27.8,forest,fir", "2,113.2,27.7,other,水域"), classes=CLASSES
    )
    assert frame["reference_class"].tolist() == ["fir", "water"]
    path = write(tmp_path, header, "1,113.1,27.8,forest,fir", "2,113.2,27.7,other,")
    assert refusal(path, table.read_reference, classes=CLASSES)[1] == ["cell_empty"]


def test_strata(tmp_path: Path) -> None:
    frame = table.read_strata(write(tmp_path, "stratum,zone_id,area_ha", "forest,430202,100.5", "forest,430203,7"))
    assert frame["area_ha"].tolist() == [100.5, 7.0]
    assert not isinstance(frame, gpd.GeoDataFrame)
    path = write(tmp_path, "stratum,area_ha", "forest,100.5", "forest,0")
    assert refusal(path, table.read_strata)[1] == ["cell_out_of_range", "duplicate_id"]


def test_wetland_sites(tmp_path: Path) -> None:
    header = "site_id,name_zh,kind,lon,lat,area_ha,in_corridor,impounded_year"
    frame = table.read_sites(
        write(tmp_path, header, "1,洮水水库,reservoir,113.9,26.7,800,,2011", "2,湘江,river,113.1,27.8,5000,是,")
    )
    assert frame["in_corridor"].tolist() == [False, True]
    assert frame["impounded_year"].iloc[0] == 2011
    path = write(tmp_path, header, "1,x,sea,113.9,26.7,800,,2011.5", "2,y,pond,113.1,27.8,1,,999")
    text, keys = refusal(path, table.read_sites)
    assert keys == ["cell_unreadable", "cell_unreadable", "cell_out_of_range"]
    assert "small_wetland" in text


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "empty_file"),
        (b" \n \n", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (HEADER.encode(), "no_rows"),
        (b"plot_id,lon\n1,\xff\xff\xff", "encoding"),
        (b"PK\x03\x04\x00\x00\x00", "not_text"),
        (b'plot_id,lon\n1,"open', "damaged"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, content: bytes, key: str) -> None:
    path = tmp_path / "plots.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        table.read_plots(path)
    assert caught.value.key == f"learn.{key}"
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("plots.parquet", "learn.damaged"),
        ("plots.xlsx", "learn.damaged"),
        ("plots.gpkg", "aoi.unreadable"),
        ("plots.docx", "learn.unknown_kind"),
    ],
)
def test_damaged_and_unknown_files(tmp_path: Path, name: str, key: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"this is not what its name says")
    with pytest.raises(InputError) as caught:
        table.read_plots(path)
    assert caught.value.key == key


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        table.read_plots(tmp_path / "plots.csv")
    assert caught.value.key == "learn.no_file"


def test_a_vector_file_without_rows(tmp_path: Path) -> None:
    template_frame(SCHEMAS["plots"]).to_file(tmp_path / "plots.gpkg", geometry_type="Point")
    with pytest.raises(InputError) as caught:
        table.read_plots(tmp_path / "plots.gpkg")
    assert caught.value.key == "learn.no_rows"


# -- templates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_templates_explain_every_column_in_both_languages(name: str) -> None:
    schema = SCHEMAS[name]
    header, chinese, english = template_rows(schema)
    assert header == list(schema.names)
    for column, zh, en in zip(schema.columns, chinese, english, strict=True):
        assert zh != en
        assert ("必填" in zh) == column.required
        assert ("required" in en) == column.required
        assert column.unit in {"", "degree"} or column.unit in en
    assert chinese[0].startswith("#")


def test_a_filled_template_is_read_back(tmp_path: Path) -> None:
    rows = [
        *template_rows(SCHEMAS["plots"]),
        ["1", "113.1", "27.8", "2025-10-01", "68.5", "fir", "中龄林", "17", "0.0667", "", "", "", ""],
    ]
    path = tmp_path / "plots.csv"
    import csv

    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream).writerows(rows)
    frame = table.read_plots(path, classes=CLASSES)
    assert frame["source_row"].tolist() == [4]
    assert frame["volume_m3_ha"].tolist() == [68.5]
