"""Plots, labels, reference points, wetland sites and lidar shots drawn from the landscape."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sinkest.aoi import build_grid, read_zones, zone_of_points
from sinkest.shipped import shipped
from sinkest.simulate.classes import ARBOR, CODES, FOREST, NAMES
from sinkest.simulate.fieldwork import inventory_plots, plot_spacing_px, project_tables, reference_sample
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import population, simple_sample

ARBOR_NAMES = set(NAMES[list(ARBOR)])


@pytest.fixture(scope="module")
def zones():
    return read_zones(shipped("aoi/zhuzhou.geojson"))


@pytest.fixture(scope="module")
def grid(zones):
    return build_grid(zones, 500)


@pytest.fixture(scope="module")
def landscape():
    return Landscape(5)


@pytest.fixture(scope="module")
def pixels(landscape, zones, grid):
    return population(landscape, zones, grid, (2020, 2025))


@pytest.fixture(scope="module")
def tables(landscape, zones, grid):
    return project_tables(landscape, zones, grid, seed=42)


def test_a_project_has_all_tables(tables):
    assert set(tables) == {"plots", "labels", "reference", "strata", "wetland_sites", "lidar"}
    assert all(frame["simulated"].all() for frame in tables.values())


def test_the_seed_decides_the_tables(landscape, zones, grid, tables):
    again = project_tables(landscape, zones, grid, seed=42, workers=1)
    for name, frame in tables.items():
        pd.testing.assert_frame_equal(pd.DataFrame(frame), pd.DataFrame(again[name]))


def test_seeds_draw_other_tables(landscape, pixels, tables):
    reference, _ = reference_sample(pixels, 2025, 2020, 43, np.random.default_rng(43))
    assert not reference["lon"].head(5).equals(tables["reference"]["lon"].head(5))


def test_about_1200_plots_stand_in_their_zones(tables, zones):
    plots = tables["plots"]
    assert 1150 < len(plots) < 1350
    assert plots["plot_id"].is_unique
    inside = zone_of_points(zones, plots["lon"], plots["lat"])
    # A pixel of 500 m may belong to one county and have its centre in the next one.
    assert (np.array([*zones.ids, ""])[inside] == plots["zone_id"]).mean() > 0.95


def test_stock_is_measured_in_arbor_forest_only(tables):
    plots = tables["plots"]
    arbor = plots["land_cover"].isin(ARBOR_NAMES)
    assert (plots.loc[arbor, "volume_m3_ha"] > 0).all()
    assert (plots.loc[~arbor, "volume_m3_ha"] == 0).all()
    forest = plots["land_cover"].isin(NAMES[list(FOREST)])
    assert (plots.loc[forest, "forest_type"] == plots.loc[forest, "land_cover"]).all()
    assert (plots.loc[~forest, "forest_type"] == "").all()


def test_measured_stock_is_unbiased_and_imprecise(landscape, pixels):
    rng = np.random.default_rng(1)
    position = simple_sample(pixels, 20_000, rng)[0]
    plots = inventory_plots(landscape, pixels, position, 2025, 2020, rng)
    true = pixels.volume_m3_ha[2025][position]
    ratio = plots["volume_m3_ha"].to_numpy()[true > 5] / true[true > 5]
    # 6 % error on about 9,000 plots: four standard errors of the mean are 0.0025.
    assert ratio.mean() == pytest.approx(1.0, abs=0.003)
    assert ratio.std() == pytest.approx(0.06, abs=0.005)


def test_remeasured_plots_grow(tables):
    plots = tables["plots"]
    both = (plots["volume_m3_ha"] > 0) & (plots["previous_volume_m3_ha"] > 0)
    grown = plots.loc[both, "volume_m3_ha"].sum() / plots.loc[both, "previous_volume_m3_ha"].sum()
    assert 1.1 < grown < 1.35
    assert np.corrcoef(plots.loc[both, "volume_m3_ha"], plots.loc[both, "previous_volume_m3_ha"])[0, 1] > 0.8
    assert plots["date"].str.startswith("2025-").all()
    assert plots["previous_date"].str.startswith("2020-").all()


def test_values_are_rounded_as_in_an_inventory(tables):
    plots = tables["plots"]
    assert (plots["volume_m3_ha"].round(1) == plots["volume_m3_ha"]).all()
    assert (plots["lon"].round(6) == plots["lon"]).all()
    assert (plots["area_ha"] == 0.0667).all()


def test_spacing_is_a_whole_number_of_pixels(pixels):
    assert plot_spacing_px(pixels, 3000) == 6
    assert plot_spacing_px(pixels, 1) == 1


def test_labels_lie_in_what_they_name(tables, landscape):
    labels = tables["labels"]
    assert 540 < len(labels) < 660
    assert set(labels["land_cover"]) == set(CODES)
    centre = labels.to_crs(32649).geometry.centroid
    found = NAMES[landscape.at_metres(centre.x.to_numpy(), centre.y.to_numpy(), 2025).land_cover]
    # 3 % are mistaken on purpose.
    assert 0.005 < (found != labels["land_cover"]).mean() < 0.06


def test_labels_are_homogeneous(tables, landscape):
    squares = tables["labels"].to_crs(32649).geometry
    middle = squares.centroid
    here = landscape.at_metres(middle.x.to_numpy(), middle.y.to_numpy(), 2025).land_cover
    half = np.sqrt(squares.area.to_numpy()) / 2
    for east, north in ((-0.9, 0.9), (0.9, -0.9), (0.5, 0.5)):
        there = landscape.at_metres(middle.x + east * half, middle.y + north * half, 2025).land_cover
        assert (there == here).mean() > 0.95


def test_reference_points_hold_what_interpreters_saw(tables, landscape):
    reference = tables["reference"]
    assert len(reference) == 1500
    assert reference["point_id"].is_unique
    truth = NAMES[landscape.at(reference["lon"], reference["lat"], 2025).land_cover]
    wrong = (truth != reference["reference_class"]).mean()
    assert 0.005 < wrong < 0.04


def test_interpreters_hardly_bias_forest(landscape, pixels):
    sizes = {"forest": 15_000, "other_trees": 4_000, "non_forest": 10_000}
    reference, _ = reference_sample(pixels, 2025, 2020, 1, np.random.default_rng(2), sizes)
    truth = landscape.at(reference["lon"], reference["lat"], 2025).land_cover <= max(FOREST)
    called = reference["reference_class"].isin(NAMES[list(FOREST)])
    for stratum, here in reference.groupby("stratum").groups.items():
        # Four standard errors of a shift by 1.2 % mistakes that go either way, on 4,000 points, are 0.007.
        assert abs(called[here].mean() - truth[here].mean()) < 0.007, stratum


def test_strata_fill_the_zones(tables, zones):
    strata = tables["strata"]
    by_zone = strata.groupby("zone_id")["area_ha"].sum()
    assert list(by_zone.index) == list(zones.ids)
    np.testing.assert_allclose(by_zone, zones.frame["area_m2"] / 1e4, rtol=0.03)
    assert set(tables["reference"]["stratum"]) <= set(strata["stratum"])


def test_reference_estimates_coverage(tables, landscape, zones, grid):
    strata = tables["strata"].groupby("stratum")["area_ha"].sum()
    forest = tables["reference"]["reference_class"].isin(NAMES[list(FOREST)])
    share = forest.groupby(tables["reference"]["stratum"]).mean()
    estimate = 100 * float((share * strata).sum() / strata.sum())
    truth = landscape.truth(zones, grid, 2025)
    true = float(truth.query("quantity == 'forest_coverage' and zone == 'all'")["value"].iloc[0])
    # The standard error of this design is about 0.8 percentage points.
    assert estimate == pytest.approx(true, abs=3.0)


def test_wetland_sites_are_small_or_named(tables, zones):
    sites = tables["wetland_sites"]
    small = sites["kind"] == "small_wetland"
    assert small.sum() == 65
    assert (sites.loc[small, "area_ha"] < 8).all()
    assert {"river", "reservoir", "marsh"} <= set(sites["kind"])
    assert sites["in_corridor"].sum() == 18
    assert sites.loc[sites["kind"] == "reservoir", "impounded_year"].notna().all()
    assert (zone_of_points(zones, sites["lon"], sites["lat"]) >= 0).all()
    assert sites["site_id"].is_unique


def test_wetland_sites_are_wet(tables, landscape):
    sites = tables["wetland_sites"]
    wet = landscape.at(sites["lon"], sites["lat"], 2025).land_cover
    assert set(wet) == {CODES["water"], CODES["marsh"]}


def test_lidar_shots_follow_biomass(tables, landscape):
    shots = tables["lidar"]
    assert len(shots) > 3000
    truth = landscape.at(shots["lon"], shots["lat"], 2025)
    arbor = truth.volume_m3_ha > 0
    assert np.corrcoef(shots["agbd"][arbor], truth.volume_m3_ha[arbor])[0, 1] > 0.6
    assert shots["agbd"][truth.land_cover == CODES["water"]].median() < 12
    assert (shots["agbd_se"] > 0).all()
