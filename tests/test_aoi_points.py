"""Points against zones: placed, tolerated, refused."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from sinkest.aoi import Zones, check_points, read_zones, wgs84_to_gcj02, zone_of_points
from sinkest.aoi.points import _sign_test
from sinkest.errors import InputError
from sinkest.shipped import shipped


@pytest.fixture(scope="module")
def zhuzhou() -> Zones:
    return read_zones(shipped("aoi/zhuzhou.geojson"))


@pytest.fixture(scope="module")
def plots(zhuzhou: Zones) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A 6 km systematic grid over the city: lon, lat, zone."""
    lon, lat = (a.ravel() for a in np.meshgrid(np.arange(112.95, 114.15, 0.06), np.arange(26.0, 28.1, 0.054)))
    zone = zone_of_points(zhuzhou, lon, lat)
    inside = zone >= 0
    return lon[inside], lat[inside], np.asarray(zhuzhou.ids, dtype=object)[zone[inside]]


def refusal(points, zone_ids, zones: Zones, **options) -> InputError:
    with pytest.raises(InputError) as caught:
        check_points(points, zone_ids, zones, file="plots.csv", **options)
    assert "plots.csv" in str(caught.value)
    assert caught.value.message.text("zh")
    return caught.value


def test_points_find_their_county(zhuzhou: Zones) -> None:
    # County seats: Liling, Youxian, Chaling, Yanling; and Changsha outside.
    lon, lat = [113.4969, 113.3965, 113.5394, 113.7727, 112.9388], [27.6462, 27.0147, 26.7776, 26.4898, 28.2282]
    found = zone_of_points(zhuzhou, lon, lat)
    assert [zhuzhou.ids[i] if i >= 0 else None for i in found] == ["430281", "430223", "430224", "430225", None]


def test_point_on_a_common_line_belongs_to_the_first_zone() -> None:
    boxes = [shapely.box(10, 45, 10.5, 46), shapely.box(10.5, 45, 11, 46)]
    frame = gpd.GeoDataFrame({"zone_id": ["a", "b"], "area_m2": [1.0, 1.0]}, geometry=boxes, crs=4326)
    assert zone_of_points(Zones(frame, "made", "wgs84"), [10.5, 10.5], [45.5, 45.2]).tolist() == [0, 0]


def test_good_points_get_their_zone(zhuzhou: Zones, plots: tuple[np.ndarray, ...]) -> None:
    lon, lat, zone = plots
    assert len(lon) > 300
    assert check_points(np.column_stack([lon, lat]), zone, zhuzhou, file="plots.csv").tolist() == zone.tolist()
    assert check_points(np.column_stack([lon, lat]), None, zhuzhou, file="plots.csv").tolist() == zone.tolist()


def test_points_may_carry_another_crs(zhuzhou: Zones, plots: tuple[np.ndarray, ...]) -> None:
    lon, lat, zone = plots
    frame = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lon, lat), crs="EPSG:4326").to_crs("EPSG:32649")
    assert check_points(frame, None, zhuzhou, file="plots.gpkg").tolist() == zone.tolist()


def test_no_points(zhuzhou: Zones) -> None:
    assert check_points(np.empty((0, 2)), None, zhuzhou, file="plots.csv").size == 0


def test_declared_codes_may_be_missing_or_numbers(zhuzhou: Zones) -> None:
    points = [(113.4969, 27.6462)] * 5
    given = ["430281", 430281.0, None, float("nan"), " "]
    assert check_points(points, given, zhuzhou, file="plots.csv").tolist() == ["430281"] * 5


def test_unknown_declared_zone(zhuzhou: Zones) -> None:
    error = refusal([(113.4969, 27.6462)], ["430221"], zhuzhou, rows=[17])
    assert (error.key, error.fields["row"], error.fields["zone"]) == ("aoi.unknown_zone", 17, "430221")


def test_missing_coordinates(zhuzhou: Zones) -> None:
    error = refusal([(113.5, 27.6), (np.nan, 27.6), (113.5, np.inf)], None, zhuzhou, rows=[2, 3, 4])
    assert (error.key, error.fields["rows"]) == ("aoi.points_missing", "3, 4")


def test_points_without_geometry(zhuzhou: Zones) -> None:
    series = gpd.GeoSeries([shapely.Point(113.5, 27.6), None], crs="EPSG:4326")
    assert refusal(series, None, zhuzhou).key == "aoi.points_missing"


def test_swapped_coordinates(zhuzhou: Zones, plots: tuple[np.ndarray, ...]) -> None:
    lon, lat, zone = plots
    error = refusal(np.column_stack([lat, lon]), zone, zhuzhou)
    assert (error.key, error.fields["count"]) == ("aoi.points_swapped", len(lon))
    assert error.fields["rows"] == "1, 2, 3, 4, 5, 6, 7, 8, ..."


def test_single_swapped_row_is_found(zhuzhou: Zones) -> None:
    error = refusal([(113.5, 27.6), (27.6, 113.5)], None, zhuzhou)
    assert (error.key, error.fields["rows"]) == ("aoi.points_swapped", "2")


def test_projected_coordinates(zhuzhou: Zones) -> None:
    assert refusal([(745000.0, 3060000.0)], None, zhuzhou).key == "aoi.points_not_degrees"


def test_points_outside(zhuzhou: Zones) -> None:
    error = refusal([(113.5, 27.6), (112.9388, 28.2282)], None, zhuzhou, rows=[5, 6])
    assert (error.key, error.fields["rows"]) == ("aoi.points_outside", "6")


def test_points_in_another_zone_than_declared(zhuzhou: Zones) -> None:
    # The seat of Youxian, declared as Liling, 40 km away.
    error = refusal([(113.3965, 27.0147)], ["430281"], zhuzhou)
    assert (error.key, error.fields["declared"], error.fields["found"]) == ("aoi.points_elsewhere", "430281", "430223")


def north_of_zhuzhou(zhuzhou: Zones, metres: float) -> tuple[float, float]:
    """A point so far north of the northernmost one."""
    corners = shapely.get_coordinates(zhuzhou.frame.geometry.values)
    lon, lat = corners[corners[:, 1].argmax()]
    return float(lon), float(lat + metres / 110_800.0)


def test_point_just_outside_passes_with_the_nearest_zone(zhuzhou: Zones) -> None:
    # The northernmost corner is Shifeng's.
    point = [north_of_zhuzhou(zhuzhou, 100.0)]
    assert check_points(point, None, zhuzhou, file="plots.csv").tolist() == ["430204"]
    assert check_points(point, ["430204"], zhuzhou, file="plots.csv").tolist() == ["430204"]


@pytest.mark.parametrize(("metres", "tolerance_m", "passes"), [(240, 250, True), (260, 250, False), (40, 30, False)])
def test_tolerance_is_in_metres(zhuzhou: Zones, metres: float, tolerance_m: float, passes: bool) -> None:
    point = [north_of_zhuzhou(zhuzhou, metres)]
    if passes:
        check_points(point, None, zhuzhou, file="plots.csv", tolerance_m=tolerance_m)
    else:
        assert refusal(point, None, zhuzhou, tolerance_m=tolerance_m).key == "aoi.points_outside"


@pytest.mark.parametrize("with_zones", [True, False])
def test_points_in_gcj02_are_refused_with_rows_and_remedy(
    zhuzhou: Zones, plots: tuple[np.ndarray, ...], with_zones: bool
) -> None:
    lon, lat, zone = plots
    # Plots of a finer network near the borders tell even without declared zones.
    shifted = np.column_stack(wgs84_to_gcj02(lon, lat))
    if not with_zones:
        lon, lat = (a.ravel() for a in np.meshgrid(np.arange(112.95, 114.15, 0.02), np.arange(26.0, 28.1, 0.018)))
        inside = zone_of_points(zhuzhou, lon, lat) >= 0
        shifted = np.column_stack(wgs84_to_gcj02(lon[inside], lat[inside]))
    error = refusal(shifted, zone if with_zones else None, zhuzhou)
    assert error.key == "aoi.points_gcj02"
    assert error.fields["gains"] > 5 * error.fields["losses"]
    assert 'datum = "gcj02"' in str(error)


def test_points_with_errors_of_their_own_are_not_taken_for_gcj02(zhuzhou: Zones) -> None:
    lon, lat = (a.ravel() for a in np.meshgrid(np.arange(112.95, 114.15, 0.02), np.arange(26.0, 28.1, 0.018)))
    zone = zone_of_points(zhuzhou, lon, lat)
    inside = zone >= 0
    declared = np.asarray(zhuzhou.ids, dtype=object)[zone[inside]]
    rng = np.random.default_rng(11)
    # 15 m in each direction, as a receiver under a canopy errs.
    noise = rng.normal(0.0, 15.0 / 111_000.0, (int(inside.sum()), 2))
    found = check_points(np.column_stack([lon[inside], lat[inside]]) + noise, declared, zhuzhou, file="plots.csv")
    assert found.tolist() == declared.tolist()


def test_sign_test() -> None:
    assert _sign_test(7, 0) == 1 / 128
    # 1 - P(0..2 of 5) = 1 - (1 + 5 + 10) / 32
    assert _sign_test(3, 2) == 0.5
