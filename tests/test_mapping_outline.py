"""Zones for pictures: one label per pixel, and simplified outlines."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from rasterio.windows import Window

from sinkest.aoi import Zones, build_grid, geodesic_area_m2, read_zones
from sinkest.mapping.coverage import pixel_shapes
from sinkest.mapping.outline import outline
from sinkest.mapping.zonal import ZoneIndex, zone_labels, zone_of_points
from sinkest.shipped import shipped


@pytest.fixture(scope="module")
def zhuzhou() -> Zones:
    return read_zones(shipped("aoi/zhuzhou.geojson"))


@pytest.fixture(scope="module")
def coarse(zhuzhou: Zones) -> ZoneIndex:
    return ZoneIndex(zhuzhou, build_grid(zhuzhou, 200))


def test_labels_for_pictures_follow_pixel_centres_but_for_the_borders(zhuzhou: Zones) -> None:
    grid = build_grid(zhuzhou, 1000)
    label = zone_labels(ZoneIndex(zhuzhou, grid))
    row, col = np.mgrid[: label.shape[0], : label.shape[1]]
    affine = grid.affine
    centres = gpd.GeoSeries(
        gpd.points_from_xy(affine.c + 1000 * (col.ravel() + 0.5), affine.f - 1000 * (row.ravel() + 0.5)), crs=32649
    ).to_crs(4326)
    nearest = zone_of_points(zhuzhou, centres.x, centres.y).reshape(label.shape)
    assert (label == nearest).mean() > 0.99
    assert set(np.unique(label)) == set(range(-1, 9))


def test_labels_of_a_window(coarse: ZoneIndex) -> None:
    assert np.array_equal(zone_labels(coarse, Window(100, 128, 70, 200)), zone_labels(coarse)[128:328, 100:170])


def test_outlines_keep_common_borders_and_areas(zhuzhou: Zones) -> None:
    grid = build_grid(zhuzhou, 200)
    drawn = outline(zhuzhou, grid, 3.0)
    shapes = [shapely.Polygon(zone.rings[0], zone.rings[1:]) for zone in drawn]
    exact = pixel_shapes(zhuzhou, grid)
    assert shapely.coverage_is_valid(shapes)
    assert sum(len(ring) for zone in drawn for ring in zone.rings) < sum(shapely.get_num_coordinates(exact)) * 0.7
    for simple, full in zip(shapes, exact, strict=True):
        assert simple.symmetric_difference(full).area < 0.02 * full.area
    assert [zone.zone_id for zone in drawn] == list(zhuzhou.ids)


def test_svg_path_has_one_closed_line_per_ring() -> None:
    shape = shapely.box(113.0, 27.0, 113.1, 27.1).difference(shapely.box(113.02, 27.02, 113.04, 27.04))
    columns = {"zone_id": ["z"], "name_zh": ["z"], "name_en": ["z"], "area_m2": [geodesic_area_m2(shape)]}
    zones = Zones(gpd.GeoDataFrame(columns, geometry=[shape], crs="EPSG:4326"), "made", "wgs84")
    (zone,) = outline(zones, build_grid(zones, 1000), 0.5)
    path = zone.svg_path(0)
    assert path.count("M") == path.count("Z") == 2
    assert path.startswith("M")
    assert " L" in path
