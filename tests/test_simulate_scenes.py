"""What the simulated sensors record, and the errors that belong to it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from sinkest.simulate import clouds, radar
from sinkest.simulate.appearance import backscatter_on, looks_on, season_weights, signatures
from sinkest.simulate.classes import ARBOR, CODES
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.optics import BANDS
from sinkest.simulate.scenes import Camera, clearest, number_of_scenes, overpasses

SUMMER, WINTER = date(2025, 7, 25), date(2025, 1, 20)
CLEAR_SCL = (2, 4, 5, 6, 7)


@pytest.fixture(scope="module")
def landscape():
    return Landscape(3)


@pytest.fixture(scope="module")
def grid():
    return GeoBox.from_bbox((735_000, 2_980_000, 750_000, 2_995_000), crs="EPSG:32649", resolution=100)


@pytest.fixture(scope="module")
def clear(landscape):
    return Camera(landscape, 2025, 0.0)


def whole_swath(camera, start=date(2025, 6, 1)):
    return next(day for day in overpasses(start, date(2025, 12, 31), 5) if not camera.weather(day).side)


def mean_of(camera, grid, day, kind, band):
    values, _ = camera.optical(grid, day, (band,))
    return float(np.nanmean(values[0][camera.landscape.on(grid, 2025).land_cover == CODES[kind]]))


def test_blocks_of_a_scene_are_the_scene(landscape, grid):
    camera = Camera(landscape, 2025, 0.5)
    day = date(2025, 5, 4)
    whole, scl = camera.optical(grid, day, BANDS)
    echo = camera.radar(grid, day)
    for rows, columns in ((slice(0, 40), slice(0, 70)), (slice(33, 150), slice(69, 150))):
        values, labels = camera.optical(grid[rows, columns], day, BANDS)
        np.testing.assert_array_equal(values, whole[:, rows, columns])
        np.testing.assert_array_equal(labels, scl[rows, columns])
        np.testing.assert_array_equal(camera.radar(grid[rows, columns], day), echo[:, rows, columns])


def test_fewer_bands_are_the_same_bands(clear, grid):
    day = whole_swath(clear)
    whole, _ = clear.optical(grid, day, BANDS)
    some, _ = clear.optical(grid, day, ("nir", "blue"))
    np.testing.assert_array_equal(some, whole[[BANDS.index("nir"), BANDS.index("blue")]])


def test_reflectance_is_that_of_surfaces(clear, grid):
    values, scl = clear.optical(grid, whole_swath(clear), BANDS)
    assert values.dtype == np.float32
    assert scl.dtype == np.uint8
    assert np.nanmin(values) > 0
    assert np.nanpercentile(values, 99.9) < 0.7


def test_vegetation_is_dark_in_red_and_bright_in_infrared(clear, grid):
    red, nir = (mean_of(clear, grid, whole_swath(clear), "broadleaf", band) for band in ("red", "nir"))
    assert red < 0.06
    assert nir > 0.2


def test_paddies_are_green_in_summer_and_bare_in_winter(clear, grid):
    summer, winter = whole_swath(clear, date(2025, 7, 15)), whole_swath(clear, date(2025, 1, 10))
    greenness = []
    for day in (summer, winter):
        red, nir = (mean_of(clear, grid, day, "paddy", band) for band in ("red", "nir"))
        greenness.append((nir - red) / (nir + red))
    assert greenness[0] > greenness[1] + 0.2


def test_signal_of_the_stock_saturates(clear):
    grid = GeoBox.from_bbox((776_000, 2_895_000, 806_000, 2_925_000), crs="EPSG:32649", resolution=100)
    truth = clear.landscape.on(grid, 2025)
    values, _ = clear.optical(grid, whole_swath(clear), ("swir1",))
    fir = truth.land_cover == CODES["fir"]
    bins = [(10, 30), (60, 80), (110, 140), (200, 260)]
    dark = [float(values[0][fir & (truth.volume_m3_ha > a) & (truth.volume_m3_ha < b)].mean()) for a, b in bins]
    assert dark[0] > dark[1] > dark[2] > dark[3]
    per_m3 = [(dark[k] - dark[k + 1]) / (np.mean(bins[k + 1]) - np.mean(bins[k])) for k in range(3)]
    assert per_m3[2] < 0.5 * per_m3[0]


def test_slopes_away_from_the_sun_are_darker(clear):
    grid = GeoBox.from_bbox((785_000, 2_895_000, 803_000, 2_913_000), crs="EPSG:32649", resolution=60)
    day = whole_swath(clear, date(2025, 1, 1))
    values, _ = clear.optical(grid, day, ("nir",))
    elevation = clear.landscape.elevation(grid)
    north, east = np.gradient(elevation, -60.0, 60.0)
    sky = clear.weather(day)
    toward = -(east * np.sin(sky.azimuth) + north * np.cos(sky.azimuth))  # positive where the slope faces the sun
    forest = clear.landscape.on(grid, 2025).land_cover <= max(ARBOR)
    assert values[0][forest & (toward > 0.2)].mean() > 1.2 * values[0][forest & (toward < -0.2)].mean()


def test_sun_stands_where_it_should():
    # At 27.2 N around 10:57 Beijing time: high in June, about 45-50 degrees from the zenith in December, in the
    # south-east in winter.
    summer, winter = clouds.sun(date(2025, 6, 21)), clouds.sun(date(2025, 12, 21))
    assert np.degrees(summer[0]) == pytest.approx(20, abs=8)
    assert np.degrees(winter[0]) == pytest.approx(54, abs=4)
    assert 140 < np.degrees(winter[1]) < 175


def test_a_clear_sky_has_no_clouds(clear, grid):
    _, scl = clear.optical(grid, whole_swath(clear), ("red",))
    assert not np.isin(scl, (3, 10)).any()
    assert np.isin(scl, (8, 9)).mean() < 0.03  # bright roofs and sand, taken for cloud


def test_bright_roofs_are_taken_for_clouds(clear):
    town = GeoBox.from_bbox((712_000, 3_080_000, 718_000, 3_086_000), crs="EPSG:32649", resolution=40)
    _, scl = clear.optical(town, whole_swath(clear), ("red",))
    built = clear.landscape.on(town, 2025).land_cover == CODES["built_up"]
    assert 0.01 < np.isin(scl[built], (8, 9)).mean() < 0.4


def test_an_overcast_sky_hides_everything(landscape, grid):
    camera = Camera(landscape, 2025, 1.0)
    values, scl = camera.optical(grid, whole_swath(camera), ("blue",))
    assert np.isin(scl, (8, 9, 10)).all()
    assert values.min() > 0.2


def test_clouds_cover_what_the_weather_says(landscape):
    city = GeoBox.from_bbox((690_000, 2_880_000, 810_000, 3_105_000), crs="EPSG:32649", resolution=1500)
    camera = Camera(landscape, 2025, 0.5)
    days = [day for day in overpasses(date(2024, 1, 1), date(2025, 12, 31), 5) if not camera.weather(day).side]
    told = np.array([camera.weather(day).cloud for day in days])
    assert told.mean() == pytest.approx(0.5, abs=0.08)
    seen = np.array([np.isin(camera.optical(city, day, ("red",))[1], (8, 9, 10)).mean() for day in days[:60]])
    assert np.corrcoef(seen, told[:60])[0, 1] > 0.85
    assert abs(seen.mean() - told[:60].mean()) < 0.1


def test_some_thin_cloud_is_missed_and_brightens_blue(landscape, grid, clear):
    camera = Camera(landscape, 2025, 0.5)
    missed = []
    for day in overpasses(date(2025, 3, 1), date(2025, 11, 30), 5):
        sky = camera.weather(day)
        if sky.side or not 0.3 < sky.cloud < 0.7:
            continue
        hazy, scl = camera.optical(grid, day, ("blue",))
        bare, _ = clear.optical(grid, day, ("blue",))
        missed.append(((hazy - bare)[0] > 0.02) & np.isin(scl, CLEAR_SCL))
    assert 0.003 < np.mean(missed) < 0.12


def test_clouds_cast_shadows_away_from_the_sun(landscape, grid):
    camera = Camera(landscape, 2025, 0.5)
    found = 0
    for day in overpasses(date(2025, 1, 1), date(2025, 12, 31), 5):
        if camera.weather(day).cloud < 0.6 and not camera.weather(day).side:
            found += int((camera.optical(grid, day, ("nir",))[1] == 3).sum())
    assert found > 200


def test_days_differ_and_repeat(landscape, grid):
    camera = Camera(landscape, 2025, 0.5)
    first, again = (camera.optical(grid, date(2025, 5, 4), ("red",))[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, camera.optical(grid, date(2025, 5, 9), ("red",))[0])


def test_a_swath_may_end_in_the_city(landscape):
    city = GeoBox.from_bbox((690_000, 2_880_000, 810_000, 3_105_000), crs="EPSG:32649", resolution=2000)
    camera = Camera(landscape, 2025, 0.5)
    day = next(day for day in overpasses(date(2025, 1, 1), date(2025, 12, 31), 5) if camera.weather(day).side)
    values, scl = camera.optical(city, day, ("red", "nir"))
    outside = np.isnan(values)
    np.testing.assert_array_equal(outside[0], outside[1])
    np.testing.assert_array_equal(outside[0], scl == 0)
    assert 0.02 < outside[0].mean() < 0.98


def test_snow_lies_high_in_cold_winters(landscape):
    peaks = GeoBox.from_bbox((790_000, 2_895_000, 806_000, 2_925_000), crs="EPSG:32649", resolution=200)
    camera = Camera(landscape, 2025, 0.0)
    days = [day for day in overpasses(date(2020, 1, 1), date(2024, 2, 10), 5) if camera.weather(day).snowline_m < 1300]
    assert days
    assert all(day.month in (1, 2, 12) for day in days)
    _, scl = camera.optical(peaks, next(day for day in days if not camera.weather(day).side), ("red",))
    high = landscape.elevation(peaks) > 1350
    assert (scl[high] == 11).mean() > 0.1
    assert not (scl[landscape.elevation(peaks) < 800] == 11).any()


def test_radar_sees_water_dark_and_towns_bright(clear, grid):
    gamma0 = clear.radar(grid, SUMMER)
    code = clear.landscape.on(grid, 2025).land_cover
    vv = {kind: float(np.median(gamma0[0][code == CODES[kind]])) for kind in ("water", "paddy", "built_up")}
    assert gamma0.dtype == np.float32
    assert (gamma0 > 0).all()
    assert vv["water"] < vv["paddy"] < vv["built_up"]


def test_speckle_has_mean_one_and_the_looks_of_its_pixel(landscape):
    water = GeoBox.from_bbox((776_500, 2_956_100, 777_500, 2_957_000), crs="EPSG:32649", resolution=10)
    camera = Camera(landscape, 2025, 0.0)
    inside = landscape.on(water, 2025).land_cover == CODES["water"]
    gamma0 = np.stack([camera.radar(water, day)[0][inside] for day in overpasses(WINTER, SUMMER, 12)])
    spread = (gamma0.std(axis=0) / gamma0.mean(axis=0)).mean()
    # 4.4 looks: a relative spread of 1 / sqrt(4.4) = 0.48.
    assert spread == pytest.approx(0.48, abs=0.07)


def test_looks_grow_with_the_pixel():
    assert radar.looks(10) == pytest.approx(4.4)
    assert radar.looks(20) == pytest.approx(17.6)
    assert radar.looks(200) == 60


def test_season_weights_are_shares():
    for day in (WINTER, SUMMER, date(2024, 12, 31), date(2025, 3, 9)):
        weights = season_weights(day)
        assert weights.sum() == pytest.approx(1.0)
        assert (weights >= 0).all()
    np.testing.assert_allclose(season_weights(SUMMER), [0, 0, 1, 0], atol=1e-12)


def test_looks_are_mixtures_of_their_materials():
    # Day 20 is winter itself; fir a then is 0.74 conifer, 0.12 litter, 0.14 shade; in blue 0.019, 0.058, 0.008.
    blue = looks_on(WINTER).reflectance[CODES["fir"], 0, 0]
    assert blue == pytest.approx(0.74 * 0.019 + 0.12 * 0.058 + 0.14 * 0.008)


def test_every_class_has_looks_in_both_sensors():
    assert set(signatures()["looks"]) == set(CODES)
    assert (looks_on(SUMMER).reflectance[1:] > 0).all()
    assert (backscatter_on(SUMMER)[1:] < 0).all()


def test_overpasses_do_not_depend_on_the_period():
    year = overpasses(date(2025, 1, 1), date(2025, 12, 31), 5)
    part = overpasses(date(2025, 3, 3), date(2025, 4, 4), 5)
    assert part == [day for day in year if date(2025, 3, 3) <= day <= date(2025, 4, 4)]
    assert overpasses(date(2025, 1, 2), date(2025, 1, 2), 400) == []


def test_the_clearest_days_are_chosen(landscape):
    camera = Camera(landscape, 2025, 0.5)
    days = overpasses(date(2025, 6, 1), date(2025, 8, 31), 5)
    chosen = clearest(days, camera, 3)
    assert chosen == sorted(chosen)
    assert len(chosen) == 3
    assert np.mean([camera.weather(day).cloud for day in chosen]) < np.mean([camera.weather(day).cloud for day in days])
    assert clearest(days[:2], camera, 3) == days[:2]


@pytest.mark.parametrize(("end", "expected"), [(date(2025, 2, 28), 3), (date(2025, 1, 5), 3), (date(2025, 12, 31), 12)])
def test_longer_periods_have_more_scenes(end, expected):
    assert number_of_scenes(date(2025, 1, 1), end, 3) == expected
