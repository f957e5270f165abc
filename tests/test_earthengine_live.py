"""The real Earth Engine, if someone lends an account: skipped unless SINKEST_EE_PROJECT names a project.

    SINKEST_EE_PROJECT=my-project python -m pytest tests/test_earthengine_live.py --force-enable-socket

What the other tests prove is that expressions are well formed, and that grids, tiles, retries and decoding are right.
They run against a stand-in that was written from the documentation. Not proven by them, and looked at here only in
passing: that the service computes the same medians and percentiles, how it interpolates beside masked pixels and
rounds even numbers of dates, the pyramids behind pixels coarser than the data, where footprints end, and its limits of
memory, time and quota. Without an account nothing of this has been exercised.
"""

from __future__ import annotations

import os
from datetime import date

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.doctor import examine_earthengine
from sinkest.features.block import build_block, served_block
from sinkest.features.cube import CubeSpec
from sinkest.imagery.earthengine import Account, Choices, EarthEngineSource, Pace
from sinkest.imagery.source import Period

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("SINKEST_EE_PROJECT"),
        reason="SINKEST_EE_PROJECT names no project: Earth Engine is not asked",
    ),
    pytest.mark.filterwarnings("default"),
]

GRID = GeoBox((48, 48), Affine(10.0, 0.0, 705_000.0, 0.0, -10.0, 3_080_000.0), "EPSG:32649")
"""Half a kilometre near Zhuzhou."""
SEASONS = {"autumn": (Period(date(2023, 10, 1), date(2023, 10, 31)),)}


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Account:
    if not request.config.getoption("--force-enable-socket"):
        pytest.skip("sockets are blocked; add --force-enable-socket to ask Earth Engine")
    return Account(os.environ["SINKEST_EE_PROJECT"])


def test_every_step_of_the_way_is_ready(account: Account) -> None:
    states = {str(one.name): (one.state, str(one.detail)) for one in examine_earthengine(account)}
    assert {state for state, _ in states.values()} == {"ready"}, states


def test_composites_of_the_service_agree_with_those_made_here(account: Account) -> None:
    spec = CubeSpec(("autumn",), ("red", "nir", "swir1"), ("vv", "vh"), phenology_index="NDVI", dilate_px=2)
    whole = (slice(0, 48), slice(0, 48))
    here = EarthEngineSource(account, Choices(2023), composes=False)
    scenes = {season: here.search(GRID, period) for season, (period,) in SEASONS.items()}
    assert any(not scene.is_radar for scene in scenes["autumn"])
    local = build_block(here, GRID, whole, spec, scenes)
    there = served_block(EarthEngineSource(account, Choices(2023)), GRID, whole, spec, spec.composition(SEASONS))
    for layer in spec.layers:
        if layer.name in local:
            ours, theirs = local[layer.name], there[layer.name]
            assert (np.isfinite(ours) == np.isfinite(theirs)).mean() > 0.99, layer.name
            both = np.isfinite(ours) & np.isfinite(theirs)
            assert np.median(np.abs(ours[both] - theirs[both])) <= 2 * layer.scale, layer.name


def test_tiles_do_not_matter(account: Account) -> None:
    spec = CubeSpec(("autumn",), ("red", "nir"), terrain=False, dilate_px=2)
    wanted = spec.composition(SEASONS)
    whole = EarthEngineSource(account, Choices(2023)).composite(GRID, wanted)
    tiled = EarthEngineSource(account, Choices(2023), Pace(tile_px=32)).composite(GRID, wanted)
    for name, values in whole.items():
        np.testing.assert_array_equal(tiled[name], values, err_msg=name)
