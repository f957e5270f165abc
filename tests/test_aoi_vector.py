"""Vector files of every kind, whole and damaged."""

import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from sinkest.aoi import read_vector, read_zones
from sinkest.errors import InputError
from sinkest.shipped import shipped

NAMES = ["荷塘区", "芦淞区", "石峰区", "天元区", "渌口区", "攸县", "茶陵县", "炎陵县", "醴陵市"]


@pytest.fixture(scope="module")
def counties() -> gpd.GeoDataFrame:
    return gpd.read_file(shipped("aoi/zhuzhou.geojson"))


def gbk_shapefile(folder: Path, counties: gpd.GeoDataFrame) -> Path:
    """A Shapefile in GBK that doesn't say so, as Chinese desktop programs write it."""
    path = folder / "县界.shp"
    counties.to_file(path, encoding="GBK")
    path.with_suffix(".cpg").unlink()
    return path


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.shp", "a.fgb", "a.gdb"])
def test_files_of_any_kind_hold_the_same_zones(tmp_path: Path, counties: gpd.GeoDataFrame, name: str) -> None:
    counties.to_file(tmp_path / name)
    zones = read_zones(tmp_path / name)
    assert list(zones.frame["name_zh"]) == NAMES
    assert zones.area_m2 == pytest.approx(11257.36e6, rel=1e-5)


def test_geoparquet(tmp_path: Path, counties: gpd.GeoDataFrame) -> None:
    counties.to_parquet(tmp_path / "a.parquet")
    assert list(read_zones(tmp_path / "a.parquet").frame["name_zh"]) == NAMES


def test_kml_calls_its_name_column_differently(tmp_path: Path, counties: gpd.GeoDataFrame) -> None:
    counties.to_file(tmp_path / "a.kml", driver="KML")
    # the second where GDAL writes no other columns into a KML
    with pytest.raises(InputError, match=r"did you mean 'Name'|no column 'adcode'; the columns are: Name, Description"):
        read_zones(tmp_path / "a.kml")
    assert list(read_zones(tmp_path / "a.kml", name_zh_field="Name").frame["name_zh"]) == NAMES


@pytest.mark.parametrize("folder", ["", "边界/2024/"])
def test_zipped_shapefile(tmp_path: Path, counties: gpd.GeoDataFrame, folder: str) -> None:
    counties.to_file(tmp_path / "a.shp")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for suffix in ("shp", "shx", "dbf", "prj", "cpg"):
            archive.write(tmp_path / f"a.{suffix}", f"{folder}a.{suffix}")
    assert list(read_zones(tmp_path / "a.zip").frame["name_zh"]) == NAMES


def test_archive_with_two_files_needs_a_name(tmp_path: Path, counties: gpd.GeoDataFrame) -> None:
    counties.to_file(tmp_path / "a.geojson")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(tmp_path / "a.geojson", "one.geojson")
        archive.write(tmp_path / "a.geojson", "two.geojson")
    with pytest.raises(InputError, match=r"several layers \(one, two\)"):
        read_vector(tmp_path / "two.zip")
    assert len(read_vector(tmp_path / "two.zip", "two")) == 9


def test_archive_without_vector_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    with pytest.raises(InputError) as caught:
        read_vector(tmp_path / "none.zip")
    assert caught.value.key == "aoi.no_layer"


def test_gbk_shapefile_without_stated_encoding(tmp_path: Path, counties: gpd.GeoDataFrame) -> None:
    assert list(read_zones(gbk_shapefile(tmp_path, counties)).frame["name_zh"]) == NAMES


def test_gbk_shapefile_without_any_language_mark(tmp_path: Path, counties: gpd.GeoDataFrame) -> None:
    path = gbk_shapefile(tmp_path, counties.rename(columns={"name": "名称"}))
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    table[29] = 0  # the language driver id of the dBASE header
    path.with_suffix(".dbf").write_bytes(table)
    assert list(read_vector(path)["名称"]) == list(counties["name"])


def test_western_accents_are_not_taken_for_gbk(tmp_path: Path, counties: gpd.GeoDataFrame) -> None:
    french = counties.iloc[:2].assign(name=["Orléans", "Sèvres"])
    french.to_file(tmp_path / "fr.shp", encoding="ISO-8859-1")
    (tmp_path / "fr.cpg").unlink()
    assert list(read_vector(tmp_path / "fr.shp")["name"]) == ["Orléans", "Sèvres"]


def test_layers(tmp_path: Path, counties: gpd.GeoDataFrame) -> None:
    path = tmp_path / "a.gpkg"
    counties.to_file(path, layer="counties")
    counties.iloc[:1].to_file(path, layer="one")
    with pytest.raises(InputError, match=r"several layers \(counties, one\)"):
        read_vector(path)
    with pytest.raises(InputError, match="no layer 'conties'"):
        read_vector(path, "conties")
    assert len(read_vector(path, "one")) == 1


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_vector(path)
    assert str(path) in str(caught.value)
    return caught.value.key


def test_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.geojson") == "aoi.no_file"


def test_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "aoi.folder"


@pytest.mark.parametrize("name", ["x.geojson", "x.gpkg", "x.shp", "x.kml", "x.zip", "x.parquet", "x.tif"])
@pytest.mark.parametrize("content", [b"", b"not a map", b'{"type": "FeatureCollection", "features": [{'])
def test_damaged_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    expected = "trust.archive_damaged" if name.endswith(".zip") else "aoi.unreadable"
    assert refusal(tmp_path / name) == expected


def test_truncated_geopackage(tmp_path: Path, counties: gpd.GeoDataFrame) -> None:
    counties.to_file(tmp_path / "a.gpkg")
    whole = (tmp_path / "a.gpkg").read_bytes()
    (tmp_path / "b.gpkg").write_bytes(whole[: len(whole) // 2])
    assert refusal(tmp_path / "b.gpkg") == "aoi.unreadable"


def test_shapefile_without_its_index(tmp_path: Path, counties: gpd.GeoDataFrame) -> None:
    counties.to_file(tmp_path / "a.shp")
    (tmp_path / "only").mkdir()
    shutil.copy(tmp_path / "a.shp", tmp_path / "only" / "a.shp")
    assert refusal(tmp_path / "only" / "a.shp") == "aoi.unreadable"


def test_parquet_without_geometry(tmp_path: Path) -> None:
    pd.DataFrame({"adcode": ["a"]}).to_parquet(tmp_path / "a.parquet")
    assert refusal(tmp_path / "a.parquet") == "aoi.unreadable"


def test_table_without_geometry(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("adcode,name\n1,x\n", encoding="utf-8")
    assert refusal(tmp_path / "a.csv") == "aoi.no_layer"


# -- files that are more than data ------------------------------------------------------------------------------------

SERVICE = "<OGRWFSDataSource><URL>http://127.0.0.1:9/</URL></OGRWFSDataSource>"
LAYER = '<OGRVRTLayer name="a"><SrcDataSource>{file}</SrcDataSource></OGRVRTLayer>'
ELSEWHERE = f"<OGRVRTDataSource>{LAYER}</OGRVRTDataSource>"
PIPELINE = '{{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read {file} ! write streamed_file"}}'


@pytest.mark.parametrize(
    ("name", "content"),
    [("b.geojson", ELSEWHERE), ("b.kml", SERVICE), ("b.gdalg.json", PIPELINE), ("b.shp", " " * 900 + ELSEWHERE)],
)
def test_files_that_tell_where_to_look_are_not_followed(
    tmp_path: Path, counties: gpd.GeoDataFrame, name: str, content: str
) -> None:
    """GDAL goes by the content: it follows the first and the last of them, and starts the third."""
    counties.to_file(tmp_path / "a.gpkg", layer="a")
    (tmp_path / name).write_text(content.format(file=tmp_path / "a.gpkg"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(tmp_path / name, name)
    for file in (tmp_path / name, tmp_path / "b.zip"):
        with pytest.raises(InputError) as told:
            read_vector(file)
        assert told.value.key == "aoi.directions"


LISTED = "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES ('v', 'features', 'v', 4326);"
VIRTUAL = 'CREATE VIRTUAL TABLE d USING VirtualOGR("http://127.0.0.1:9/")'
TRIGGER = "CREATE TRIGGER t AFTER UPDATE ON a BEGIN DELETE FROM a; END;"


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (f"CREATE VIEW v AS SELECT fid, geom, zeroblob(900000000) AS b FROM a; {LISTED}", "v"),
        ("CREATE VIEW gpkg_extensions_2 AS SELECT randomblob(900000000)", "gpkg_extensions_2"),
        ("ALTER TABLE a ADD COLUMN b TEXT AS (hex(zeroblob(400000000)))", "a"),
        (f"PRAGMA writable_schema = ON; INSERT INTO sqlite_master VALUES ('table', 'd', 'd', 0, '{VIRTUAL}')", "d"),
        (f"CREATE VIEW spare AS SELECT fid FROM a; {TRIGGER}", ""),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_sql_of_a_geopackage_is_not_run(
    tmp_path: Path, counties: gpd.GeoDataFrame, sql: str, named: str, packed: bool
) -> None:
    path = tmp_path / "a.gpkg"
    counties.iloc[:1].to_file(path, layer="a")
    with closing(sqlite3.connect(path)) as held:
        held.executescript(sql)
    content = path.read_bytes()
    if packed:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(path, "a.gpkg")
    given = tmp_path / "a.zip" if packed else path
    if named:
        with pytest.raises(InputError) as told:
            read_vector(given)
        assert (told.value.key, told.value.fields["layers"]) == ("aoi.computed_layer", named)
        assert told.value.fields["file"] == given
    else:
        assert len(read_vector(given)) == 1
    assert path.read_bytes() == content
