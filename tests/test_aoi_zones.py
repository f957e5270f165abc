"""Reading zones: what is accepted, what is refused, and in which words."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from sinkest.aoi import read_zones
from sinkest.errors import InputError
from sinkest.shipped import shipped

SQUARE = shapely.box(10.0, 45.0, 10.1, 45.1)
NEXT = shapely.box(10.1, 45.0, 10.2, 45.1)


def table(geometries, codes=None, crs="EPSG:4326", **columns):
    codes = codes or [f"z{i}" for i in range(len(geometries))]
    names = {"name": [f"区{code}" for code in codes], "name_en": [f"zone {code}" for code in codes]}
    return gpd.GeoDataFrame({"adcode": codes, **names, **columns}, geometry=geometries, crs=crs)


def saved(folder: Path, frame: gpd.GeoDataFrame, name: str = "zones.gpkg") -> Path:
    frame.to_file(folder / name)
    return folder / name


def refusal(path: Path, **options) -> InputError:
    with pytest.raises(InputError) as caught:
        read_zones(path, **options)
    for language in ("zh", "en"):
        assert caught.value.message.text(language)
    assert str(path) in str(caught.value) or caught.value.key == "aoi.outside_crs"
    return caught.value


def raw_geojson(folder: Path, *geometries: dict) -> Path:
    features = [
        {"type": "Feature", "properties": {"adcode": str(i), "name": "x", "name_en": "x"}, "geometry": geometry}
        for i, geometry in enumerate(geometries)
    ]
    path = folder / "raw.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def test_shipped_counties_have_codes_and_names_in_both_languages() -> None:
    zones = read_zones(shipped("aoi/zhuzhou.geojson"))
    assert zones.ids == ("430202", "430203", "430204", "430211", "430212", "430223", "430224", "430225", "430281")
    assert list(zones.frame["name_zh"]) == [
        "荷塘区", "芦淞区", "石峰区", "天元区", "渌口区", "攸县", "茶陵县", "炎陵县", "醴陵市"
    ]  # fmt: skip
    assert list(zones.frame["name_en"]) == [
        "Hetang", "Lusong", "Shifeng", "Tianyuan", "Lukou", "Youxian", "Chaling", "Yanling", "Liling"
    ]  # fmt: skip
    assert zones.notes == ()


def test_shipped_counties_have_the_area_of_the_city() -> None:
    # 11,257.36 km2 as the sum of geodesic polygons through the vertices; straight edges in longitude and latitude give
    # 0.005 km2 more. The published land area is 11,247.55 km2, 0.09 % less.
    assert read_zones(shipped("aoi/zhuzhou.geojson")).area_m2 / 1e6 == pytest.approx(11257.36, abs=0.02)


def test_shipped_counties_are_those_of_the_national_map(real_data: Path) -> None:
    other = gpd.read_file(real_data / "boundaries" / "zhuzhou_counties_tianditu2024_wgs84.geojson")
    zones = read_zones(shipped("aoi/zhuzhou.geojson"))
    for ours, theirs in zip(zones.frame.geometry, other.sort_values("adcode").geometry, strict=True):
        assert ours.symmetric_difference(theirs).area == 0.0


def test_zones_are_sorted_by_code(tmp_path: Path) -> None:
    zones = read_zones(saved(tmp_path, table([NEXT, SQUARE], ["b", "a"])))
    assert zones.ids == ("a", "b")
    assert zones.frame.geometry[0].equals(SQUARE)


def test_total_area_is_the_sum_of_zones(tmp_path: Path) -> None:
    zones = read_zones(saved(tmp_path, table([SQUARE, NEXT])))
    assert zones.area_m2 == zones.frame["area_m2"].sum()
    assert len(zones) == 2


def test_codes_stored_as_numbers_become_text(tmp_path: Path) -> None:
    assert read_zones(saved(tmp_path, table([SQUARE, NEXT], [430202.0, 430203.0]))).ids == ("430202", "430203")


def test_chinese_names_stand_in_for_missing_english_ones(tmp_path: Path) -> None:
    zones = read_zones(saved(tmp_path, table([SQUARE]).drop(columns="name_en")))
    assert list(zones.frame["name_en"]) == ["区z0"]
    assert [note.key for note in zones.notes] == ["aoi.no_english_names"]


def test_a_zone_without_name_is_called_by_its_code(tmp_path: Path) -> None:
    zones = read_zones(saved(tmp_path, table([SQUARE]).assign(name=[None], name_en=[""])))
    assert list(zones.frame.loc[0, ["name_zh", "name_en"]]) == ["z0", "z0"]


def test_heights_are_dropped(tmp_path: Path) -> None:
    zones = read_zones(saved(tmp_path, table([shapely.force_3d(SQUARE, 120.0)])))
    assert not zones.frame.geometry[0].has_z


def test_parts_and_holes_are_kept(tmp_path: Path) -> None:
    holed = shapely.difference(SQUARE, shapely.box(10.02, 45.02, 10.04, 45.04))
    far = shapely.box(10.3, 45.0, 10.4, 45.1)
    zones = read_zones(saved(tmp_path, table([shapely.MultiPolygon([holed, far])])))
    whole = read_zones(saved(tmp_path, table([shapely.MultiPolygon([SQUARE, far])]), "whole.gpkg"))
    hole = read_zones(saved(tmp_path, table([shapely.box(10.02, 45.02, 10.04, 45.04)]), "hole.gpkg"))
    assert zones.area_m2 == pytest.approx(whole.area_m2 - hole.area_m2, rel=1e-12)


def test_projected_file_comes_to_degrees(tmp_path: Path) -> None:
    zones = read_zones(saved(tmp_path, table([SQUARE]).to_crs("EPSG:32632")))
    assert zones.frame.crs.to_epsg() == 4326
    west, south, east, north = zones.frame.total_bounds
    assert (west, south, east) == pytest.approx((10.0, 45.0, 10.1), abs=1e-6)
    # The northern side is straight in UTM and so bows north of its parallel: L^2 tan(lat) / (8 R) = 7.88 km^2 * 1.004
    # / (8 * 6371 km) = 1.22 m = 1.10e-5 degrees in its middle.
    assert north - 45.1 == pytest.approx(1.10e-5, rel=0.01)


def test_cgcs2000_counts_as_wgs84(tmp_path: Path) -> None:
    frame = gpd.read_file(shipped("aoi/zhuzhou.geojson")).to_crs("EPSG:4527")
    zones = read_zones(saved(tmp_path, frame))
    assert zones.area_m2 == pytest.approx(read_zones(shipped("aoi/zhuzhou.geojson")).area_m2, rel=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:4610", "EPSG:2383", "EPSG:4214"])
def test_old_national_datums_are_refused(tmp_path: Path, crs: str) -> None:
    # Xi'an 1980 and Beijing 1954 have no published transformation; PROJ would pass them unchanged.
    path = saved(tmp_path, table([shapely.box(113.0, 27.0, 113.1, 27.1)]).to_crs(crs))
    assert refusal(path).key == "aoi.local_datum"


def test_missing_column_names_the_nearest(tmp_path: Path) -> None:
    error = refusal(saved(tmp_path, table([SQUARE]).rename(columns={"adcode": "ADCODE"})))
    assert error.key == "aoi.missing_column_near"
    assert error.fields["nearest"] == "ADCODE"


def test_missing_column_knows_usual_names(tmp_path: Path) -> None:
    error = refusal(saved(tmp_path, table([SQUARE]).rename(columns={"adcode": "XZQDM"})))
    assert error.fields["nearest"] == "XZQDM"


def test_missing_column_lists_all_where_none_is_near(tmp_path: Path) -> None:
    error = refusal(saved(tmp_path, table([SQUARE]).rename(columns={"adcode": "qqq"})), id_field="zone")
    assert error.key == "aoi.missing_column"
    assert "qqq, name, name_en" in str(error)


def test_named_english_column_must_exist(tmp_path: Path) -> None:
    error = refusal(saved(tmp_path, table([SQUARE])), name_en_field="english")
    assert (error.key, error.fields["nearest"]) == ("aoi.missing_column_near", "name_en")


def test_duplicate_codes(tmp_path: Path) -> None:
    error = refusal(saved(tmp_path, table([SQUARE, NEXT], ["a", "a"])))
    assert (error.key, error.fields["first"], error.fields["second"]) == ("aoi.duplicate_code", 1, 2)


@pytest.mark.parametrize(("code", "key"), [(None, "aoi.no_code"), (" ", "aoi.no_code"), ("all", "aoi.reserved_code")])
def test_unusable_codes(tmp_path: Path, code: str | None, key: str) -> None:
    error = refusal(saved(tmp_path, table([SQUARE, NEXT], ["a", code])))
    assert (error.key, error.fields["row"]) == (key, 2)


def test_no_crs(tmp_path: Path) -> None:
    path = saved(tmp_path, table([SQUARE]), "zones.shp")
    path.with_suffix(".prj").unlink()
    assert refusal(path).key == "aoi.no_crs"


def test_crs_that_is_no_place_on_earth(tmp_path: Path) -> None:
    site = 'ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
    table([SQUARE]).set_crs(site, allow_override=True).to_parquet(tmp_path / "site.parquet")
    assert refusal(tmp_path / "site.parquet").key == "aoi.crs_kind"


def test_unknown_datum(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="datum 'bd09' is not known"):
        read_zones(tmp_path / "any.geojson", datum="bd09")


def test_empty_layer(tmp_path: Path) -> None:
    assert refusal(saved(tmp_path, table([SQUARE]).iloc[:0])).key == "aoi.empty_layer"


def test_self_crossing_ring_is_named_with_its_place(tmp_path: Path) -> None:
    # A bow tie whose two diagonals cross in the middle, at (10.05, 45.05).
    bow = shapely.Polygon([(10, 45), (10.1, 45.1), (10.1, 45), (10, 45.1)])
    error = refusal(saved(tmp_path, table([NEXT, bow])))
    assert (error.key, error.fields["row"]) == ("aoi.self_crossing", 2)
    assert "10.05, 45.05" in str(error)


def test_hole_outside_its_polygon(tmp_path: Path) -> None:
    rings = [[[10, 45], [10.1, 45], [10.1, 45.1], [10, 45]], [[11, 45], [11.1, 45], [11.1, 45.1], [11, 45]]]
    assert refusal(raw_geojson(tmp_path, {"type": "Polygon", "coordinates": rings})).key == "aoi.invalid_geometry"


def test_unclosed_ring(tmp_path: Path) -> None:
    ring = [[10, 45], [10.1, 45], [10.1, 45.1], [10, 45.1]]
    assert refusal(raw_geojson(tmp_path, {"type": "Polygon", "coordinates": [ring]})).key == "aoi.unreadable"


def test_sliver_of_a_zone(tmp_path: Path) -> None:
    # 1e-6 degrees of latitude is 0.11 m, of longitude at 45 degrees 0.08 m: together less than 0.01 m2.
    error = refusal(saved(tmp_path, table([shapely.box(10, 45, 10 + 1e-6, 45 + 1e-6)])))
    assert error.key == "aoi.no_area"


@pytest.mark.parametrize("geometry", [None, shapely.Polygon()])
def test_no_geometry(tmp_path: Path, geometry: shapely.Polygon | None) -> None:
    error = refusal(saved(tmp_path, table([SQUARE, geometry])))
    assert (error.key, error.fields["row"]) == ("aoi.empty_geometry", 2)


@pytest.mark.parametrize("geometry", [shapely.Point(10, 45), shapely.LineString([(10, 45), (11, 45), (10, 46)])])
def test_other_geometry(tmp_path: Path, geometry: shapely.Geometry) -> None:
    error = refusal(saved(tmp_path, table([geometry])))
    assert (error.key, error.fields["kind"]) == ("aoi.not_polygon", geometry.geom_type)


def test_swapped_axes(tmp_path: Path) -> None:
    error = refusal(saved(tmp_path, table([shapely.box(27.0, 113.0, 27.1, 113.1)])))
    assert error.key == "aoi.swapped"
    assert "(27.1000, 113.0000)" in str(error)


def test_metres_that_pretend_to_be_degrees(tmp_path: Path) -> None:
    frame = (
        table([shapely.box(113.0, 27.0, 113.1, 27.1)]).to_crs("EPSG:32649").set_crs("EPSG:4326", allow_override=True)
    )
    assert refusal(saved(tmp_path, frame)).key == "aoi.not_degrees"


@pytest.mark.parametrize("value", [1e30, 1e308])
def test_huge_coordinates(tmp_path: Path, value: float) -> None:
    ring = [[value, 45], [value, 46], [value / 2, 46], [value, 45]]
    assert refusal(raw_geojson(tmp_path, {"type": "Polygon", "coordinates": [ring]})).key == "aoi.not_degrees"


def test_infinite_coordinates(tmp_path: Path) -> None:
    frame = table([shapely.Polygon([(10, 45), (np.inf, 45), (11, 46)])])
    frame.to_parquet(tmp_path / "zones.parquet")
    assert refusal(tmp_path / "zones.parquet").key == "aoi.not_finite"


def test_coordinates_that_are_no_numbers_and_carry_heights(tmp_path: Path) -> None:
    path = raw_geojson(tmp_path, {"type": "Polygon", "coordinates": [[[10, 45], [11, 45, 5], [11, 46], [10, 45]]]})
    path.write_text(path.read_text(encoding="utf-8").replace("[11, 46]", "[NaN, 46]"), encoding="utf-8")
    assert refusal(path).key == "aoi.not_finite"


def test_coordinates_where_the_projection_ends(tmp_path: Path) -> None:
    frame = table([shapely.box(1e20, 1e20, 2e20, 2e20)], crs="EPSG:32649")
    assert refusal(saved(tmp_path, frame)).key == "aoi.outside_crs"


@pytest.mark.parametrize("box", [(179.5, 10.0, 180.5, 11.0), (-179.9, 10.0, 179.9, 11.0)])
def test_zone_across_the_antimeridian(tmp_path: Path, box: tuple[float, ...]) -> None:
    assert refusal(saved(tmp_path, table([shapely.box(*box)]))).key == "aoi.antimeridian"


def test_zones_on_both_sides_of_the_antimeridian(tmp_path: Path) -> None:
    frame = table([shapely.box(179.5, 10, 180, 11), shapely.box(-180, 10, -179.5, 11)])
    assert refusal(saved(tmp_path, frame)).key == "aoi.antimeridian_zones"
