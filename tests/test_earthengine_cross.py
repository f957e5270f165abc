"""One truth as GeoTIFFs and through Earth Engine: the same cube but for rounding in storage. SIMULATED 模拟数据"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sinkest.config import load_config
from sinkest.features.block import build_block, served_block
from sinkest.features.cube import CubeSpec
from sinkest.imagery.earthengine import Account, Choices, EarthEngineSource
from sinkest.imagery.local import StackSource
from sinkest.stages.context import place, season_period
from tests.project_fixture import CONFIG
from tests.servers.cross import BANDS, make_truth, service_assets
from tests.servers.earthengine.fixtures import write_key
from tests.servers.earthengine.server import PROJECT, EarthEngineServer
from tests.servers.formats import write_stack
from tests.servers.truth import CODES


def test_files_and_the_service_give_the_same_cube(project: Path, tmp_path: Path) -> None:
    config = load_config(project / CONFIG)
    _, grid = place(config)
    truth = make_truth(project)
    periods = {one.name: (season_period(one, config.spec.year),) for one in config.spec.imagery.seasons}
    spec = CubeSpec(tuple(periods), BANDS, phenology_index="NDVI", terrain=False, dilate_px=0)
    block = (slice(20, 140), slice(30, 150))

    write_stack(tmp_path / "stack", truth)
    named = {band: f"{CODES[band]}.tif" for band in BANDS}
    files = StackSource(
        tmp_path / "stack", "folder_per_date", named, date_format="%Y%m%d", sensor="sentinel-2",
        scale=1e-4, offset=-0.1, nodata=0, qa="SCL.tif", qa_kind="scl",
    )  # fmt: skip
    scenes = {season: files.search(grid, period) for season, (period,) in periods.items()}
    ours = build_block(files, grid, block, spec, scenes)

    with EarthEngineServer(service_assets(truth)) as server:
        account = Account(PROJECT, write_key(tmp_path, server), server.url, 60.0)
        source = EarthEngineSource(account, Choices(config.spec.year, max_scene_cloud=100.0))
        theirs = served_block(source, grid, block, spec, spec.composition(periods))

    assert np.isfinite(ours[f"{spec.seasons[0]}_red"]).mean() > 0.3
    for layer in spec.layers:
        first, second = ours[layer.name], theirs[layer.name]
        np.testing.assert_array_equal(np.isfinite(first), np.isfinite(second), err_msg=layer.name)
        # the same to a hundredth of a step of storage; what lies in the middle of two steps is rounded either way
        assert np.nanmax(np.abs(first - second)) <= 0.01 * layer.scale, layer.name
        assert np.abs(layer.encode(first).astype(int) - layer.encode(second)).max() <= 1, layer.name
