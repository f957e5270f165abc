"""The field of truth: the same wherever it is asked from, and shaped like the city it imitates."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError
from sinkest.simulate import growth
from sinkest.simulate.classes import ARBOR, CODES
from sinkest.simulate.landscape import Landscape, grid_metres, to_degrees
from sinkest.simulate.world import Woodland, build, geography

CITY = (700_000, 2_890_000, 800_000, 3_100_000)


@pytest.fixture(scope="module")
def landscape():
    return Landscape(11)


@pytest.fixture(scope="module")
def grid():
    return GeoBox.from_bbox((735_000, 2_985_000, 747_000, 2_997_000), crs="EPSG:32649", resolution=60)


@pytest.fixture(scope="module")
def overview(landscape):
    return landscape.on(GeoBox.from_bbox(CITY, crs="EPSG:32649", resolution=500), 2025)


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.integers(0, 199)] * 4))
def test_a_block_shows_what_the_whole_shows(corners):
    landscape = Landscape(11)
    grid = GeoBox.from_bbox((735_000, 2_985_000, 747_000, 2_997_000), crs="EPSG:32649", resolution=60)
    rows = slice(min(corners[:2]), max(corners[:2]) + 1)
    columns = slice(min(corners[2:]), max(corners[2:]) + 1)
    whole, block = landscape.fields(grid, 2025), landscape.fields(grid[rows, columns], 2025)
    for name, values in block.items():
        np.testing.assert_array_equal(values, whole[name][rows, columns], err_msg=name)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32650"])
def test_blocks_agree_on_grids_of_other_projections(landscape, crs):
    if crs == "EPSG:4326":
        grid = GeoBox.from_bbox((113.4, 27.0, 113.45, 27.05), crs=crs, resolution=0.00037)
    else:
        grid = GeoBox((120, 120), Affine(45.3, 0, 153_217.7, 0, -45.3, 2_993_001.9), crs)
    whole = landscape.fields(grid, 2025)
    for rows, columns in ((slice(7, 60), slice(33, 101)), (slice(60, 119), slice(0, 33))):
        block = landscape.fields(grid[rows, columns], 2025)
        for name, values in block.items():
            np.testing.assert_array_equal(values, whole[name][rows, columns], err_msg=name)


def test_resolution_only_samples(landscape):
    # Pixel centres of a 300 m grid coincide with every fifth centre of the 60 m grid that it is snapped to.
    fine = GeoBox((200, 200), Affine(60, 0, 735_000, 0, -60, 2_997_000), "EPSG:32649")
    coarse = GeoBox((40, 40), Affine(300, 0, 735_000, 0, -300, 2_997_000), "EPSG:32649")
    np.testing.assert_array_equal(
        landscape.on(coarse, 2025).volume_m3_ha, landscape.on(fine, 2025).volume_m3_ha[2::5, 2::5]
    )


def test_points_show_what_the_grid_shows(landscape, grid):
    x, y = grid_metres(grid)
    chosen = np.arange(0, x.size, 997)
    found = landscape.at(*to_degrees(x[chosen], y[chosen]), 2025)
    whole = landscape.on(grid, 2025)
    # Degrees and back move a point by less than a millimetre, which can only matter right at a border.
    assert (found.land_cover == whole.land_cover.ravel()[chosen]).mean() > 0.97
    np.testing.assert_allclose(found.elevation_m, whole.elevation_m.ravel()[chosen], atol=0.01)


def test_seed_decides(landscape, grid):
    again, other = Landscape(11).on(grid, 2025), Landscape(12).on(grid, 2025)
    np.testing.assert_array_equal(again.volume_m3_ha, landscape.on(grid, 2025).volume_m3_ha)
    assert (other.land_cover != again.land_cover).mean() > 0.2


def test_pickle_gives_the_same_landscape(landscape, grid):
    copy = pickle.loads(pickle.dumps(landscape))
    np.testing.assert_array_equal(copy.on(grid, 2020).land_cover, landscape.on(grid, 2020).land_cover)


def test_a_block_is_remembered_and_cannot_be_spoilt(landscape, grid):
    first = landscape.on(grid, 2025)
    assert landscape.on(grid, 2025) is first
    with pytest.raises(ValueError, match="read-only"):
        first.land_cover[0, 0] = 1


@pytest.mark.parametrize("year", [1999, 2061, float("nan")])
def test_years_out_of_reach_are_refused(landscape, grid, year):
    with pytest.raises(InputError, match="2000 to 2060"):
        landscape.on(grid, year)


def test_a_grid_without_crs_is_refused(landscape):
    with pytest.raises(InputError, match="no coordinate reference system"):
        landscape.on(GeoBox((2, 2), Affine(10, 0, 0, 0, -10, 0), None), 2025)


def test_a_turned_grid_is_refused(landscape):
    with pytest.raises(InputError, match="rotated"):
        landscape.on(GeoBox((2, 2), Affine(10, 1, 7e5, 1, -10, 3e6), "EPSG:32649"), 2025)


def test_a_grid_beyond_the_projection_is_refused(landscape):
    with pytest.raises(InputError, match="no coordinates in EPSG:32649"):
        landscape.on(GeoBox((2, 2), Affine(1, 0, 113, 0, -1, 95), "EPSG:4326"), 2025)


def test_points_without_coordinates_are_refused(landscape):
    with pytest.raises(InputError, match="1 of the points"):
        landscape.at([113.2, float("nan")], [27.0, 27.0], 2025)


def test_relief_is_low_in_the_north_and_high_in_the_south_east(landscape):
    north = GeoBox.from_bbox((700_000, 3_060_000, 730_000, 3_100_000), crs="EPSG:32649", resolution=400)
    luoxiao = GeoBox.from_bbox((785_000, 2_890_000, 808_000, 2_940_000), crs="EPSG:32649", resolution=200)
    assert np.median(landscape.elevation(north)) < 130
    assert 1500 < landscape.elevation(luoxiao).max() < 2500


def test_elevation_is_that_of_the_truth(landscape, grid):
    np.testing.assert_array_equal(landscape.elevation(grid), landscape.on(grid, 2025).elevation_m)


def test_every_class_exists(overview):
    assert set(np.unique(overview.land_cover)) == set(CODES.values())


def test_stock_stands_in_arbor_forest_only(overview):
    arbor = np.isin(overview.land_cover, ARBOR)
    assert (overview.volume_m3_ha[arbor] > 0).all()
    assert not overview.volume_m3_ha[~arbor].any()
    assert overview.volume_m3_ha.max() < 1000


def test_forest_has_the_closure_that_forest_needs(overview):
    assert overview.canopy_closure[np.isin(overview.land_cover, ARBOR)].min() >= 0.2
    assert overview.canopy_closure.max() <= 1.0


def test_hidden_variation_does_not_move_the_mean(overview):
    arbor = np.isin(overview.land_cover, ARBOR)
    ratio = overview.volume_m3_ha[arbor].mean() / overview.visible_m3_ha[arbor].mean()
    assert ratio == pytest.approx(1.0, abs=0.02)


def test_stands_grow_are_felled_and_planted(landscape):
    grid = GeoBox.from_bbox((760_000, 2_900_000, 800_000, 2_950_000), crs="EPSG:32649", resolution=250)
    first, last = landscape.on(grid, 2020), landscape.on(grid, 2025)
    both = np.isin(first.land_cover, ARBOR) & (first.land_cover == last.land_cover)
    older = last.age_years - first.age_years
    assert (np.isclose(older[both], 5) | (older[both] < 0)).mean() > 0.97  # grew five years, or was felled between
    assert (last.volume_m3_ha > first.volume_m3_ha)[both].mean() > 0.9
    felled = (first.land_cover == CODES["fir"]) & np.isin(last.land_cover, (CODES["bare"], CODES["shrub"]))
    planted = np.isin(first.land_cover, (CODES["shrub"], CODES["dry_crop"])) & np.isin(last.land_cover, ARBOR)
    assert felled.any()
    assert planted.any()


def test_towns_grow(landscape):
    grid = GeoBox.from_bbox((700_000, 3_070_000, 725_000, 3_098_000), crs="EPSG:32649", resolution=150)
    built = [(landscape.on(grid, year).land_cover == CODES["built_up"]).mean() for year in (2010, 2020, 2030)]
    assert built[0] < built[1] < built[2]


def test_parcels_are_one_to_fifty_hectares(landscape):
    grid = GeoBox.from_bbox((776_000, 2_900_000, 782_000, 2_906_000), crs="EPSG:32649", resolution=20)
    found = landscape.on(grid, 2025)
    parcels = found.parcel[found.land_cover <= max(ARBOR)]
    hectares = np.unique(parcels, return_counts=True)[1] * 0.04
    share_by_area = np.sort(hectares).cumsum() / hectares.sum()
    middle = np.sort(hectares)[np.searchsorted(share_by_area, 0.5)]
    assert 3 < middle < 50
    assert hectares.max() < 120


def test_named_reservoirs_hold_water_in_every_city():
    for seed in (1, 2, 3):
        world = Landscape(seed)
        for lake in geography()["reservoir"]:
            found = world.at_metres(np.array([1e3 * lake["x_km"]]), np.array([1e3 * lake["y_km"]]), 2025)
            assert found.land_cover[0] == CODES["water"], lake["id"]


def test_growth_curve_of_fir_by_hand():
    fir = build(1)["woodland"][0][0]
    rules = Woodland(*fir)
    # Chapman-Richards at 16 years with k = 0.0733 and m = 1.655: (1 - e^-1.1728)^1.655 = 0.69050^1.655 = 0.54180.
    assert (rules.rate, rules.shape) == (0.0733, 1.655)
    assert growth.volume_curve(fir, np.array([16.0]))[0] == pytest.approx(0.54180 * rules.top_m3_ha, rel=1e-4)


def test_growth_curves_begin_at_zero_and_rise():
    for kind in build(1)["woodland"][0][:4]:
        curve = growth.volume_curve(kind, np.arange(0, 80))
        assert curve[0] == 0.0
        assert (np.diff(curve) > 0).all()
