"""Exact totals of the landscape and samples of its population."""

from __future__ import annotations

import numpy as np
import pytest

from sinkest.aoi import build_grid, read_zones
from sinkest.errors import InputError
from sinkest.shipped import shipped
from sinkest.simulate.classes import ARBOR, CODES, FOREST
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import (
    PRIOR_STRATA,
    population,
    prior_map,
    simple_sample,
    stratified_sample,
    systematic_sample,
)
from sinkest.simulate.truth import ALL, truth

YEARS = (2020, 2025)


@pytest.fixture(scope="module")
def zones():
    return read_zones(shipped("aoi/zhuzhou.geojson"))


@pytest.fixture(scope="module")
def grid(zones):
    return build_grid(zones, 800)


@pytest.fixture(scope="module")
def landscape():
    return Landscape(5)


@pytest.fixture(scope="module")
def totals(landscape, zones, grid):
    return landscape.truth(zones, grid, 2025, 2020)


@pytest.fixture(scope="module")
def pixels(landscape, zones, grid):
    return population(landscape, zones, grid, YEARS)


def value(totals, quantity, zone=ALL, year=2025):
    found = totals[(totals.quantity == quantity) & (totals.zone == zone) & (totals.year == year)]
    assert len(found) == 1
    return float(found["value"].iloc[0])


def test_classes_fill_the_zones(totals, zones):
    for zone, area_m2 in zip(zones.ids, zones.frame["area_m2"], strict=True):
        filled = sum(value(totals, f"class_area:{kind}", zone) for kind in CODES)
        assert filled == pytest.approx(area_m2 / 1e4, rel=1e-6)


@pytest.mark.parametrize("quantity", ["forest_area", "growing_stock", "class_area:fir", "stock_change", "stock_lost"])
def test_zones_add_up_to_the_city(totals, zones, quantity):
    assert sum(value(totals, quantity, zone) for zone in zones.ids) == pytest.approx(value(totals, quantity), rel=1e-12)


def test_coverage_is_forest_by_area(totals, zones):
    forest = sum(value(totals, f"class_area:{kind}") for kind, code in CODES.items() if code in FOREST)
    assert value(totals, "forest_area") == pytest.approx(forest, rel=1e-12)
    assert value(totals, "forest_coverage") == pytest.approx(100 * forest / (zones.area_m2 / 1e4), rel=1e-6)


def test_stock_is_that_of_its_types(totals):
    by_type = [value(totals, f"stock_by_type:{kind}") for kind, code in CODES.items() if code in ARBOR]
    assert value(totals, "growing_stock") == pytest.approx(sum(by_type), rel=1e-12)
    arbor = sum(value(totals, f"class_area:{kind}") for kind, code in CODES.items() if code in ARBOR)
    assert value(totals, "growing_stock_per_ha") == pytest.approx(sum(by_type) / arbor, rel=1e-12)


def test_change_is_remaining_and_gained_and_lost(totals):
    parts = sum(value(totals, f"stock_{part}") for part in ("remaining", "gained", "lost"))
    growth = value(totals, "growing_stock") - value(totals, "growing_stock", year=2020)
    assert parts == pytest.approx(growth, rel=1e-9)
    assert value(totals, "stock_change") == pytest.approx(growth / 5, rel=1e-9)
    assert value(totals, "stock_lost") < 0 < value(totals, "stock_gained")
    moved = value(totals, "forest_gained") - value(totals, "forest_lost")
    assert moved == pytest.approx(value(totals, "forest_area") - value(totals, "forest_area", year=2020), rel=1e-9)


def test_totals_do_not_depend_on_the_number_of_threads(landscape, zones, grid, totals):
    assert truth(landscape, zones, grid, 2025, 2020, workers=1).equals(totals)


def test_units_are_named(totals):
    units = totals.set_index("quantity")["unit"]
    assert units["forest_coverage"].unique().tolist() == ["%"]
    assert units["class_area:fir"].unique().tolist() == ["ha"]
    assert units["stock_by_type:fir"].unique().tolist() == ["m3"]
    assert units["stock_change"].unique().tolist() == ["m3/yr"]


def test_population_has_the_totals_of_the_truth(pixels, totals):
    # Border pixels belong to one zone here and are shared out there: a small difference over the city.
    stock = (pixels.volume_m3_ha[2025] * pixels.area_ha).sum()
    assert stock == pytest.approx(value(totals, "growing_stock"), rel=0.01)
    assert pixels.area_ha.sum() == pytest.approx(sum(value(totals, f"class_area:{kind}") for kind in CODES), rel=0.005)


def test_population_shows_the_landscape(pixels, landscape, grid):
    whole = landscape.on(grid, 2020)
    np.testing.assert_array_equal(pixels.land_cover[2020], whole.land_cover[pixels.row, pixels.column])
    np.testing.assert_array_equal(pixels.volume_m3_ha[2020], whole.volume_m3_ha[pixels.row, pixels.column])


def test_prior_map_is_good_but_wrong_in_places(pixels):
    stratum = prior_map(pixels, 2020, seed=3)
    forest = pixels.land_cover[2020] <= max(FOREST)
    right = (stratum == PRIOR_STRATA.index("forest")) == forest
    assert 0.85 < right.mean() < 0.97
    np.testing.assert_array_equal(stratum, prior_map(pixels, 2020, seed=3))
    assert (stratum != prior_map(pixels, 2020, seed=4)).mean() > 0.03


def test_simple_samples_have_the_mean_of_the_population(pixels):
    drawn = simple_sample(pixels, 400, np.random.default_rng(1), draws=400)
    assert drawn.shape == (400, 400)
    volume = pixels.volume_m3_ha[2025].astype(float)
    # Mean of 160,000 draws: four standard errors are 0.01 standard deviations.
    assert volume[drawn].mean() == pytest.approx(volume.mean(), abs=0.01 * volume.std())


def test_stratified_samples_keep_to_their_strata(pixels):
    stratum = prior_map(pixels, 2020, seed=3)
    drawn = stratified_sample(stratum, {0: 30, 2: 20}, np.random.default_rng(1), draws=50)
    assert drawn.shape == (50, 50)
    assert (stratum[drawn[:, :30]] == 0).all()
    assert (stratum[drawn[:, 30:]] == 2).all()


def test_systematic_samples_are_square_grids(pixels):
    drawn = systematic_sample(pixels, 4, np.random.default_rng(1))
    assert len(np.unique(pixels.row[drawn] % 4)) == len(np.unique(pixels.column[drawn] % 4)) == 1
    assert len(drawn) == pytest.approx(len(pixels) / 16, rel=0.03)


def test_impossible_samples_are_refused(pixels):
    rng = np.random.default_rng(1)
    with pytest.raises(InputError, match="sample of 0"):
        simple_sample(pixels, 0, rng)
    with pytest.raises(InputError, match="from 0 pixels"):
        stratified_sample(np.zeros(9), {1: 5}, rng)
    with pytest.raises(InputError, match="1 or more"):
        systematic_sample(pixels, 0, rng)
