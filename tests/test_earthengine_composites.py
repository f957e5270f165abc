"""Composites computed by the service are what numpy makes of the known rasters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import ndimage

from sinkest.errors import InputError
from sinkest.features.block import build_block, served_block
from sinkest.features.cube import CubeSpec
from sinkest.imagery.earthengine import Pace
from sinkest.imagery.source import QA
from tests.servers.earthengine.fixtures import SEASONS, SUMMER, Served, serving, wanted
from tests.servers.earthengine.world import OVERCAST, SIZE, UNSCORED, World

SUMMER_PASSES = ("20230620T025551", "20230705T025551", UNSCORED)
WINTER_PASSES = ("20230110T025551", "20230204T025551")
NAMES = {"red": "B4", "nir": "B8", "blue": "B2", "green": "B3"}
THRESHOLD = np.float32(0.6)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("ee")) as one:
        yield one


def stacked(world: World, start: str, band: str) -> np.ndarray:
    """Stored numbers of a pass: of overlapping granules with a cloud score, the first by name."""
    out = np.full((SIZE, SIZE), np.nan)
    for name in reversed(world.of_pass(start)):
        arrays = world.granules[name]
        scored = np.isfinite(arrays["cs_cdf"])
        out[scored] = arrays[band][scored]
    return out


def disk(radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return x**2 + y**2 <= radius**2


def look(world: World, start: str, band: str, dilate_px: int = 0) -> np.ndarray:
    """Stored numbers where the pass saw the ground."""
    score = stacked(world, start, "cs_cdf")
    cloud = np.where(np.isfinite(score), score, 1.0) < THRESHOLD
    if dilate_px:
        cloud = ndimage.binary_dilation(cloud, disk(dilate_px))
    return np.where(np.isfinite(score) & ~cloud, stacked(world, start, band), np.nan)


def looks(world: World, passes: tuple[str, ...], band: str, dilate_px: int = 0) -> np.ndarray:
    return np.stack([look(world, start, band, dilate_px) for start in passes])


def median(stack: np.ndarray) -> np.ndarray:
    """Median of the dates that saw a pixel; NaN where none did."""
    blind = ~np.isfinite(stack).any(axis=0)
    return np.where(blind, np.nan, np.nanmedian(np.where(blind, 0.0, stack), axis=0))


def reflectance(stored: np.ndarray) -> np.ndarray:
    return (stored * 1e-4).astype(np.float32)


@pytest.mark.parametrize("dilate_px", [0, 2])
def test_seasonal_medians_and_counts_are_those_of_numpy(served: Served, dilate_px: int) -> None:
    world = served.world
    found = served.source(resampling="nearest").composite(world.grid, wanted(dilate_px=dilate_px))
    for season, passes in (("summer", SUMMER_PASSES), ("winter", WINTER_PASSES)):
        for band in ("red", "nir"):
            stack = world.inner(looks(world, passes, NAMES[band], dilate_px).transpose(1, 2, 0)).transpose(2, 0, 1)
            np.testing.assert_array_equal(found[f"{season}_{band}"], reflectance(median(stack)))
        np.testing.assert_array_equal(found[f"count_{season}"], np.isfinite(stack).sum(axis=0))
    # the test would say nothing if clouds left no gap, or nothing at all
    assert 0 < np.isnan(found["winter_red"]).mean() < 0.9


def test_overcast_granules_are_left_out_and_the_unscored_one_is_not_seen(served: Served) -> None:
    world, source = served.world, served.source()
    times = [scene.time.strftime("%Y%m%dT%H%M%S") for scene in source.search(world.grid, SUMMER) if not scene.is_radar]
    assert OVERCAST not in times
    assert UNSCORED in times
    scene = next(one for one in source.search(world.grid, SUMMER) if one.id.endswith(UNSCORED))
    read = source.read(world.grid, scene, ("red",))
    east = world.inner(np.broadcast_to(np.arange(SIZE) >= SIZE // 2 + 8, (SIZE, SIZE)))
    assert np.isnan(read["red"][east]).all()
    assert (read[QA][east] == 255).all()
    assert np.isfinite(read["red"][~east]).all()


def test_bands_on_the_grid_are_not_changed_by_interpolation(served: Served) -> None:
    grid = served.world.grid
    near = served.source(resampling="nearest").composite(grid, wanted())
    for mode in ("bilinear", "bicubic"):
        between = served.source(resampling=mode).composite(grid, wanted())
        for name, values in near.items():
            np.testing.assert_array_equal(between[name], values, err_msg=f"{mode} {name}")


def test_bands_of_20_m_are_read_between_their_pixels(served: Served) -> None:
    """A pixel of 10 m lies a quarter of a coarse pixel off its centre, so 9/16, 3/16, 3/16, 1/16 of four of them."""
    world = served.world
    name = world.of_pass("20230620T025551")[0]
    coarse = world.granules[name]["B11"]
    fine = np.full((SIZE, SIZE), np.nan)
    for row in range(2, SIZE - 2):
        for col in range(2, 80):
            r, c = row // 2, col // 2
            dr, dc = (1 if row % 2 else -1), (1 if col % 2 else -1)
            fine[row, col] = (
                9 * coarse[r, c] + 3 * coarse[r + dr, c] + 3 * coarse[r, c + dc] + coarse[r + dr, c + dc]
            ) / 16
    source = served.source()
    scene = next(one for one in source.search(world.grid, SUMMER) if one.id == "S2_20230620T025551")
    read = source.read(world.grid, scene, ("swir1",))["swir1"]
    west = world.inner(fine)[:, :40]
    np.testing.assert_allclose(read[:, :40], reflectance(west), rtol=0, atol=1e-8)


def test_percentiles_of_an_index_over_all_dates(served: Served) -> None:
    world = served.world
    asked = wanted(index="NDVI", percentiles=(10.0, 50.0, 90.0))
    found = served.source().composite(world.grid, asked)
    every = WINTER_PASSES + SUMMER_PASSES
    red, nir = (reflectance(looks(world, every, NAMES[band])).astype(np.float64) for band in ("red", "nir"))
    ndvi = ((nir - red) / (nir + red)).astype(np.float32)
    inner = np.stack([world.inner(one)[:20] for one in ndvi])
    known = np.isfinite(inner).any(axis=0)
    for percent in (10, 50, 90):
        expected = np.nanpercentile(inner[:, known].astype(np.float64), percent, axis=0)
        layer = found[f"NDVI_p{percent}"][:20]
        np.testing.assert_allclose(layer[known], expected, rtol=0, atol=1e-7)
        assert np.isnan(layer[~known]).all()


def test_an_index_with_constants_is_that_of_spyndex(served: Served) -> None:
    from sinkest.features import indices

    world = served.world
    asked = wanted(bands=("blue", "red", "nir"), index="EVI", percentiles=(50.0,))
    found = served.source().composite(world.grid, asked)["EVI_p50"]
    stack = {
        band: reflectance(
            np.stack([world.inner(one) for one in looks(world, WINTER_PASSES + SUMMER_PASSES, NAMES[band])])
        )
        for band in ("blue", "red", "nir")
    }
    expected = median(indices.compute(["EVI"], stack)["EVI"].astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-7, equal_nan=True)


def test_gaps_take_the_median_of_all_dates_and_keep_their_count(served: Served) -> None:
    world = served.world
    with_gaps = served.source().composite(world.grid, wanted())
    filled = served.source().composite(world.grid, wanted(fills_gaps=True))
    gap = with_gaps["count_winter"] == 0
    year = np.stack([world.inner(one) for one in looks(world, WINTER_PASSES + SUMMER_PASSES, "B8")])
    np.testing.assert_array_equal(filled["winter_nir"][gap], reflectance(median(year))[gap])
    np.testing.assert_array_equal(filled["winter_nir"][~gap], with_gaps["winter_nir"][~gap])
    np.testing.assert_array_equal(filled["count_winter"], with_gaps["count_winter"])


def test_radar_is_linear_gamma_nought(served: Served) -> None:
    world = served.world
    found = served.source().composite(world.grid, wanted(radar_bands=("vv", "vh")))
    summer = [arrays for name, arrays in world.radar.items() if "_2023011" not in name]
    for band in ("VV", "VH"):
        gamma0 = [one[band].astype(float) / np.cos(np.deg2rad(one["angle"].astype(float))) for one in summer]
        expected = world.inner(np.median(np.stack(gamma0), axis=0))
        np.testing.assert_allclose(found[f"summer_{band.lower()}"], expected, rtol=2e-7)


def test_radar_of_one_direction_alone(served: Served) -> None:
    world = served.world
    source = served.source(orbit="descending")
    found = source.composite(world.grid, wanted(bands=(), radar_bands=("vv", "vh")))
    (only,) = (arrays for name, arrays in world.radar.items() if "_049031_" in name)
    gamma0 = only["VH"].astype(float) / np.cos(np.deg2rad(only["angle"].astype(float)))
    np.testing.assert_allclose(found["summer_vh"], world.inner(gamma0), rtol=2e-7)
    assert (found["count_summer"] == 1).all()
    assert np.isnan(found["winter_vv"]).all()
    assert (found["count_winter"] == 0).all()


def test_one_request_or_many_tiles_in_any_order_give_the_same_bits(served: Served) -> None:
    grid = served.world.grid
    asked = wanted(radar_bands=("vv",), index="NDVI", percentiles=(10.0, 90.0), dilate_px=2, fills_gaps=True)
    before = served.server.count(":computePixels")
    whole = served.source(pace=Pace(tile_px=512)).composite(grid, asked)
    assert served.server.count(":computePixels") - before == 2  # all seasons and bands, then the gaps
    tiled = served.source(pace=Pace(tile_px=40)).composite(grid, asked)
    assert served.server.count(":computePixels") - before >= 2 + 4
    rows, cols = grid.shape.yx
    corners = [(row, col) for row in range(0, rows, 20) for col in range(0, cols, 20)]
    np.random.default_rng(3).shuffle(corners)
    source = served.source()
    blocks = {name: np.full(grid.shape.yx, np.nan, dtype=np.float32) for name in whole}
    assert len(corners) == 16
    for row, col in corners:
        here = np.s_[row : min(row + 20, rows), col : min(col + 20, cols)]
        for name, values in source.composite(grid[here], asked).items():
            blocks[name][here] = values
    for name, values in whole.items():
        assert values.tobytes() == tiled[name].tobytes(), name
        assert values.tobytes() == blocks[name].tobytes(), name


def test_composites_made_here_of_single_passes_agree(served: Served) -> None:
    """The program's own masking, dilation and medians over `read` against the expression that the service evaluates."""
    world, everything = served.world, (slice(0, 77), slice(0, 80))
    spec = CubeSpec(
        ("summer", "winter"), ("red", "nir", "swir1"), ("vv", "vh"), phenology_index="NDVI", terrain=True, dilate_px=2
    )
    here = served.source(composes=False)
    scenes = {season: here.search(world.grid, period) for season, (period,) in SEASONS.items()}
    local = build_block(here, world.grid, everything, spec, scenes)
    there = served_block(served.source(), world.grid, everything, spec, spec.composition(SEASONS))
    assert set(local) <= set(there)
    for layer in spec.layers:
        ours, theirs = (layer.encode(one[layer.name]).astype(int) for one in (local, there))
        differs = ours != theirs
        assert np.abs(ours - theirs).max() <= 1, layer.name
        # The mean of two dates may lie in the middle of two steps of storage, and is then rounded either way.
        halves = there[layer.name][differs] / layer.scale % 1.0
        assert (np.abs(halves - 0.5) < 1e-3).all(), layer.name


def test_another_method_is_refused_where_the_service_would_compute_it(served: Served) -> None:
    with pytest.raises(InputError, match="medoid"):
        served.source().composite(served.world.grid, wanted(method="medoid"))


def test_a_formula_beyond_sums_and_quotients_is_refused(served: Served) -> None:
    with pytest.raises(InputError, match="kNDVI"):
        served.source().composite(served.world.grid, wanted(index="kNDVI", percentiles=(50.0,)))


def test_the_expressions_call_nothing_that_the_service_lacks(served: Served) -> None:
    """Every call was checked against the signatures; this tells that the checks ran on all the functions meant."""
    used = served.server.used
    assert {"Image.linkCollection", "Image.focalMax", "reduce.median", "ImageCollection.reduce"} <= used
    assert {"Image.setDefaultProjection", "ImageCollection.mosaic", "Filter.listContains"} <= used
