"""The virtual Zhuzhou as an imagery source."""

from __future__ import annotations

import json
import pickle
from datetime import date, datetime

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, SourceError
from sinkest.imagery.simulated import SimulatedSource
from sinkest.imagery.source import QA, Period, Scene

SPRING = Period(date(2025, 3, 1), date(2025, 5, 31))


@pytest.fixture(scope="module")
def source():
    return SimulatedSource(seed=3)


@pytest.fixture(scope="module")
def grid():
    return GeoBox.from_bbox((740_000, 2_985_000, 744_000, 2_988_000), crs="EPSG:32649", resolution=100)


def split(scenes):
    return [s for s in scenes if not s.is_radar], [s for s in scenes if s.is_radar]


def test_a_season_has_the_scenes_asked_for(source, grid):
    scenes = source.search(grid, SPRING)
    optical, radar = split(scenes)
    assert len(optical) == len(radar) == 3
    assert list(scenes) == sorted(scenes, key=lambda scene: (scene.time, scene.id))
    assert all(SPRING.holds(scene.time) for scene in scenes)
    assert all(0 <= scene.cloud <= 100 for scene in optical)
    assert len({scene.id for scene in scenes}) == 6


def test_search_does_not_depend_on_the_grid(source, grid):
    assert source.search(grid, SPRING) == source.search(grid[:2, :2], SPRING)


def test_an_optical_scene_reads_as_the_protocol_says(source, grid):
    scene = split(source.search(grid, SPRING))[0][0]
    block = source.read(grid, scene, ("red", "nir"))
    assert set(block) == {"red", "nir", QA}
    assert block["red"].shape == tuple(grid.shape)
    assert block["red"].dtype == np.float32
    assert block[QA].dtype == np.uint8
    assert block[QA].max() <= 11


def test_a_radar_scene_has_no_quality_band(source, grid):
    scene = split(source.search(grid, SPRING))[1][0]
    block = source.read(grid, scene, ("vh",))
    assert set(block) == {"vh"}
    np.testing.assert_array_equal(block["vh"], source.read(grid, scene, ("vv", "vh"))["vh"])


def test_the_year_sets_the_state_of_the_landscape(grid):
    scene = Scene("SIM_S2_20250602", datetime(2025, 6, 2, 2, 57), "sentinel-2")
    then, now = (SimulatedSource(seed=3, year=year).read(grid, scene, ("swir1",))["swir1"] for year in (2010, 2025))
    assert not np.array_equal(then, now)


def test_given_dates_are_the_scenes(grid):
    source = SimulatedSource(seed=3, dates=[date(2025, 4, 2), date(2025, 3, 9), date(2025, 7, 1)], radar=False)
    assert [scene.time.date() for scene in source.search(grid, SPRING)] == [date(2025, 3, 9), date(2025, 4, 2)]


def test_without_radar_there_is_none(grid):
    source = SimulatedSource(seed=3, radar=False)
    assert "vv" not in source.bands
    assert not split(source.search(grid, SPRING))[1]
    radar = split(SimulatedSource(seed=3).search(grid, SPRING))[1][0]
    with pytest.raises(InputError, match="vv"):
        source.read(grid, radar, ("vv",))
    with pytest.raises(SourceError, match="not one of the simulated scenes"):
        source.read(grid, radar, ("red",))


def test_a_period_without_overpass_has_no_scene(source, grid):
    assert split(source.search(grid, Period(date(2025, 3, 1), date(2025, 3, 1))))[0] == []


def test_all_cloud_is_all_cloud(grid):
    source = SimulatedSource(seed=3, cloudiness=1.0, radar=False)
    for scene in source.search(grid, SPRING):
        assert scene.cloud == 100
        assert np.isin(source.read(grid, scene, ("red",))[QA], (0, 8, 9, 10)).all()


def test_elevation_is_in_metres(source, grid):
    elevation = source.elevation(grid)
    assert elevation.shape == tuple(grid.shape)
    assert elevation.dtype == np.float32
    assert 30 < elevation.mean() < 300


def test_it_says_that_it_is_simulated(source):
    told = source.describe()
    assert source.simulated
    assert told["simulated"] is True
    assert told["seed"] == 3
    assert json.loads(json.dumps(told)) == told


def test_pickled_source_reads_the_same(source, grid):
    scene = split(source.search(grid, SPRING))[0][0]
    copy = pickle.loads(pickle.dumps(source))
    assert copy.describe() == source.describe()
    np.testing.assert_array_equal(copy.read(grid, scene, ("red",))["red"], source.read(grid, scene, ("red",))["red"])


def test_threads_read_the_same(source, grid):
    from concurrent.futures import ThreadPoolExecutor

    scene = split(source.search(grid, SPRING))[0][0]
    blocks = [grid[row : row + 10, :] for row in range(0, 30, 10)]
    alone = [source.read(block, scene, ("nir",))["nir"] for block in blocks]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda block: source.read(block, scene, ("nir",))["nir"], blocks))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_opens_as_a_lazy_stack(source, grid):
    stack = source.open(grid, ("red", "nir"), SPRING, chunks=20)
    assert stack.sizes["time"] == 3
    scene = split(source.search(grid, SPRING))[0][0]
    np.testing.assert_array_equal(stack["red"].isel(time=0).values, source.read(grid, scene, ("red",))["red"])


def test_a_foreign_scene_is_refused(source, grid):
    with pytest.raises(SourceError, match="S2A_other"):
        source.read(grid, Scene("S2A_other", datetime(2025, 3, 1), "sentinel-2"), ("red",))


def test_bands_of_the_other_sensor_are_refused(source, grid):
    optical, radar = (scenes[0] for scenes in split(source.search(grid, SPRING)))
    with pytest.raises(SourceError, match="belong to different scenes"):
        source.read(grid, optical, ("vv",))
    with pytest.raises(SourceError, match="belong to different scenes"):
        source.read(grid, radar, ("red",))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cloudiness": 1.2}, "cloudiness"),
        ({"cloudiness": float("nan")}, "cloudiness"),
        ({"scenes_per_season": 0}, "scenes per season"),
        ({"year": 1980}, "2000 to 2060"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        SimulatedSource(**given)
