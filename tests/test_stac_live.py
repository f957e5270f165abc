"""Live smoke tests of the presets, for those who have a network; by default they are skipped.

``SINKEST_LIVE_STAC=earth-search,planetary-computer python -m pytest tests/test_stac_live.py --force-enable-socket``
"""

import os
from datetime import date

import numpy as np
import pytest

from sinkest.imagery.source import QA, Period
from sinkest.imagery.stac.make import make_source
from sinkest.imagery.stac.presets import PRESETS
from tests.servers.truth import lattice

LIVE = os.environ.get("SINKEST_LIVE_STAC", "").split(",")


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_small_block_of_the_live_catalogue(preset: str) -> None:
    if preset not in LIVE:
        pytest.skip(f"needs the network: name {preset} in SINKEST_LIVE_STAC and give --force-enable-socket")
    grid = lattice(700_000, 3_080_000, 64, 64, 10)
    source = make_source(preset, radar_collection="", elevation="catalogue")
    source.check_overlap(grid)
    scenes = source.search(grid, Period(date(2023, 7, 1), date(2023, 9, 30)))
    assert scenes
    found = source.read(grid, min(scenes, key=lambda scene: scene.cloud or 0.0), ["red", "nir"])
    assert found[QA].any()
    assert 0.0 < float(np.nanmedian(found["nir"])) < 1.0
    elevation = source.elevation(grid)
    assert elevation is not None
    assert 0 < float(np.nanmedian(elevation)) < 2200
