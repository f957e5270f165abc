"""GCJ-02: conversion, and recognising it by known lines."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from sinkest.aoi import detect_datum, gcj02_to_wgs84, read_zones, wgs84_to_gcj02
from sinkest.aoi.datum import reference_lines
from sinkest.errors import InputError
from sinkest.shipped import shipped

METRES_PER_DEGREE = 111_320.0
LON = st.floats(73.0, 135.0)
LAT = st.floats(3.0, 53.5)


# Known pairs (WGS84 lat, lon -> GCJ-02 lat, lon) from the tests of the open-source library eviltransform.
@pytest.mark.parametrize(
    ("wgs", "gcj"),
    [
        ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
        ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
        ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
    ],
)
def test_published_pairs(wgs: tuple[float, float], gcj: tuple[float, float]) -> None:
    lon, lat = wgs84_to_gcj02(wgs[1], wgs[0])
    assert (float(lat), float(lon)) == pytest.approx(gcj, abs=1e-9)


@given(LON, LAT)
def test_round_trip_from_wgs84_is_below_half_a_metre(lon: float, lat: float) -> None:
    back_lon, back_lat = gcj02_to_wgs84(*wgs84_to_gcj02(lon, lat))
    assert abs(back_lon - lon) * METRES_PER_DEGREE < 1e-3
    assert abs(back_lat - lat) * METRES_PER_DEGREE < 1e-3


@given(LON, LAT)
def test_round_trip_from_gcj02_is_below_half_a_metre(lon: float, lat: float) -> None:
    back_lon, back_lat = wgs84_to_gcj02(*gcj02_to_wgs84(lon, lat))
    assert abs(back_lon - lon) * METRES_PER_DEGREE < 1e-3
    assert abs(back_lat - lat) * METRES_PER_DEGREE < 1e-3


@given(LON, LAT)
def test_offset_is_some_hundred_metres(lon: float, lat: float) -> None:
    moved_lon, moved_lat = wgs84_to_gcj02(lon, lat)
    east = (moved_lon - lon) * METRES_PER_DEGREE * np.cos(np.deg2rad(lat))
    north = (moved_lat - lat) * METRES_PER_DEGREE
    assert 30.0 < np.hypot(east, north) < 1200.0


def test_offset_in_zhuzhou() -> None:
    # About 571 m east and 350 m north to south, as measured between two published sets of its county lines.
    lon, lat = wgs84_to_gcj02(113.13, 27.83)
    assert (lon - 113.13) * METRES_PER_DEGREE * np.cos(np.deg2rad(27.83)) == pytest.approx(571, abs=25)
    assert (lat - 27.83) * METRES_PER_DEGREE == pytest.approx(-350, abs=25)


def test_points_outside_china_stay() -> None:
    lon, lat = wgs84_to_gcj02([-56.4, 13.4], [-1.5, 52.5])
    assert lon.tolist() == [-56.4, 13.4]
    assert lat.tolist() == [-1.5, 52.5]


def test_shape_is_kept() -> None:
    assert gcj02_to_wgs84(np.full((2, 3), 113.0), np.full((2, 3), 27.0))[0].shape == (2, 3)


def shifted(geometries):
    return [shapely.transform(g, lambda xy: np.column_stack(wgs84_to_gcj02(xy[:, 0], xy[:, 1]))) for g in geometries]


def test_converted_real_lines_fall_on_the_national_map(real_data: Path) -> None:
    path = real_data / "boundaries" / "zhuzhou_counties_datav_gcj02_RAW.geojson"
    evidence = detect_datum(list(gpd.read_file(path).geometry), reference_lines())
    assert evidence.datum == "gcj02"
    assert evidence.converted_m < 150.0
    assert evidence.as_given_m > 400.0


def test_real_file_in_gcj02_is_refused_with_the_remedy(real_data: Path) -> None:
    path = real_data / "boundaries" / "zhuzhou_counties_datav_gcj02_RAW.geojson"
    with pytest.raises(InputError, match='Set datum = "gcj02"') as caught:
        read_zones(path)
    assert caught.value.key == "aoi.is_gcj02"


def test_declared_datum_is_honoured(real_data: Path) -> None:
    folder = real_data / "boundaries"
    zones = read_zones(folder / "zhuzhou_counties_datav_gcj02_RAW.geojson", datum="gcj02")
    other = gpd.read_file(folder / "zhuzhou_counties_datav_to_wgs84.geojson").sort_values("adcode")
    assert zones.datum == "gcj02"
    for ours, theirs in zip(zones.frame.geometry, other.geometry, strict=True):
        assert ours.hausdorff_distance(theirs) * METRES_PER_DEGREE < 0.5


def test_file_converted_by_someone_else_passes(real_data: Path) -> None:
    zones = read_zones(real_data / "boundaries" / "zhuzhou_counties_datav_to_wgs84.geojson")
    assert (len(zones), zones.datum) == (9, "wgs84")


def test_needless_conversion_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        read_zones(shipped("aoi/zhuzhou.geojson"), datum="gcj02")
    assert caught.value.key == "aoi.is_wgs84"


def test_check_can_be_switched_off() -> None:
    zones = read_zones(shipped("aoi/zhuzhou.geojson"), datum="gcj02", check_datum=False)
    west = zones.frame.total_bounds[0]
    assert (112.962693 - west) * METRES_PER_DEGREE == pytest.approx(580, abs=40)


def test_single_county_is_enough_to_tell() -> None:
    lusong = reference_lines()[1:2]
    assert detect_datum(lusong, reference_lines()).datum == "wgs84"
    assert detect_datum(shifted(lusong), reference_lines()).datum == "gcj02"


def test_townships_inside_the_counties_are_told_by_the_lines_they_share() -> None:
    cells = [shapely.box(x, y, x + 0.1, y + 0.1) for x in np.arange(112.9, 114.1, 0.1) for y in np.arange(26, 28, 0.1)]
    parts = [shapely.intersection(county, cell) for county in reference_lines() for cell in cells]
    townships = [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]
    assert detect_datum(townships, reference_lines()).datum == "wgs84"
    assert detect_datum(shifted(townships), reference_lines()).datum == "gcj02"


@pytest.mark.parametrize(
    "box", [(113.3, 26.9, 113.6, 27.2), (116.0, 39.0, 117.0, 40.0), (113.45, 27.01, 113.46, 27.02)]
)
def test_lines_that_have_nothing_in_common_say_nothing(box: tuple[float, ...]) -> None:
    assert detect_datum([shapely.box(*box)], reference_lines()).datum is None
