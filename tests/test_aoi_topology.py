"""Zones against one another: overlaps, gaps, slivers."""

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from sinkest.aoi import geodesic_area_m2, read_zones
from sinkest.errors import InputError
from sinkest.shipped import shipped

WEST = shapely.box(10.0, 45.0, 10.1, 45.1)


def zones_of(folder: Path, *geometries: shapely.Geometry, **options):
    codes = [f"z{i}" for i in range(len(geometries))]
    frame = gpd.GeoDataFrame({"adcode": codes, "name": codes, "name_en": codes}, geometry=list(geometries), crs=4326)
    frame.to_parquet(folder / "zones.parquet")
    return read_zones(folder / "zones.parquet", **options)


def test_neighbours_that_share_a_line_pass_without_a_note(tmp_path: Path) -> None:
    assert zones_of(tmp_path, WEST, shapely.box(10.1, 45.0, 10.2, 45.1)).notes == ()


def test_overlap_is_refused_with_pair_area_and_place(tmp_path: Path) -> None:
    # A tenth of the zone's width in common: 10 % of 87 km2.
    with pytest.raises(InputError) as caught:
        zones_of(tmp_path, WEST, shapely.box(10.09, 45.0, 10.2, 45.1))
    fields = caught.value.fields
    assert (caught.value.key, fields["first"], fields["second"]) == ("aoi.overlap", "z0", "z1")
    assert fields["area_ha"] == pytest.approx(geodesic_area_m2(WEST) / 1e5, rel=1e-3)
    assert 10.09 < fields["lon"] < 10.1


def test_overlapping_slivers_are_noted(tmp_path: Path) -> None:
    # 0.00005 of 0.1 degrees is half of the tolerated 0.1 %; 87.6 km2 * 0.0005 = 4.4 ha.
    zones = zones_of(tmp_path, WEST, shapely.box(10.1 - 0.00005, 45.0, 10.2, 45.1))
    (note,) = zones.notes
    assert note.key == "aoi.overlap_note"
    assert dict(note.fields)["area_ha"] == pytest.approx(4.4, abs=0.05)


def test_tolerance_can_be_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0\.01 % of the smaller zone"):
        zones_of(tmp_path, WEST, shapely.box(10.1 - 0.00005, 45.0, 10.2, 45.1), sliver_share=1e-4)


def test_the_same_zone_twice(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        zones_of(tmp_path, WEST, WEST)
    assert caught.value.key == "aoi.overlap"


def ring_of_two(hole: shapely.Geometry) -> tuple[shapely.Geometry, shapely.Geometry]:
    """Two halves of a square around a hole that touches both."""
    east = shapely.box(10.1, 45.0, 10.2, 45.1)
    return shapely.difference(WEST, hole), shapely.difference(east, hole)


def test_gap_between_zones_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        zones_of(tmp_path, *ring_of_two(shapely.box(10.09, 45.04, 10.11, 45.06)))
    assert (caught.value.key, caught.value.fields["count"]) == ("aoi.gap", 1)
    assert 10.09 < caught.value.fields["lon"] < 10.11


def test_sliver_gap_is_noted(tmp_path: Path) -> None:
    zones = zones_of(tmp_path, *ring_of_two(shapely.box(10.1, 45.04, 10.1001, 45.06)))
    assert [note.key for note in zones.notes] == ["aoi.gap_note"]


def test_hole_inside_one_zone_is_its_own_affair(tmp_path: Path) -> None:
    holed = shapely.difference(WEST, shapely.box(10.02, 45.02, 10.06, 45.06))
    assert zones_of(tmp_path, holed, shapely.box(10.1, 45.0, 10.2, 45.1)).notes == ()


def test_island_in_a_hole_fills_it(tmp_path: Path) -> None:
    island = shapely.box(10.02, 45.02, 10.06, 45.06)
    assert zones_of(tmp_path, shapely.difference(WEST, island), island).notes == ()


def test_strip_that_opens_to_the_outside_is_noted(tmp_path: Path) -> None:
    # 0.0004 degrees at 45 N is 31.5 m; the borders run 11.1 km side by side: 35 ha, less the ends of the buffers.
    zones = zones_of(tmp_path, WEST, shapely.box(10.1004, 45.0, 10.2, 45.1))
    (note,) = zones.notes
    assert (note.key, dict(note.fields)["pairs"]) == ("aoi.open_gap_note", "z0-z1")
    assert dict(note.fields)["area_ha"] == pytest.approx(20.0, abs=5.0)


def test_zones_far_apart_are_no_gap(tmp_path: Path) -> None:
    assert zones_of(tmp_path, WEST, shapely.box(10.3, 45.0, 10.4, 45.1)).notes == ()


def test_counties_of_another_map_pass(real_data: Path) -> None:
    path = real_data / "boundaries" / "zhuzhou_counties_datav_to_wgs84.geojson"
    assert read_zones(path).notes == ()
    assert read_zones(shipped("aoi/zhuzhou.geojson")).notes == ()
