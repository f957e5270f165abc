"""What the key of composites holds, and what it must not."""

from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from sinkest.config import load_config
from sinkest.progress import Silent
from sinkest.runstore import RunStore, content_key
from sinkest.stages import compose
from sinkest.stages.context import Run
from tests.project_fixture import SIMULATED, copied, edit
from tests.servers.formats import write_raster


def key(config: Path, folder: Path) -> str:
    return content_key(compose.parts(Run(load_config(config), RunStore(folder), Silent(), 1, 256)))


def test_a_grid_that_was_moved_is_another_run(project: Path, tmp_path: Path) -> None:
    """The raster that gives the grid keeps its name, its size and its resolution."""
    folder = copied(project, tmp_path)
    edit(folder / SIMULATED, "resolution_m = 120", 'grid_from = "grid.tif"')
    own = Run(load_config(project / SIMULATED), RunStore(tmp_path), Silent(), 1, 256).grid
    keys = []
    for shift_px in (0, 0, 3):
        moved = GeoBox(own.shape, own.affine * own.affine.translation(shift_px, 0), own.crs)
        write_raster(folder / "grid.tif", moved, np.zeros(own.shape.yx, dtype=np.uint8))
        keys.append(key(folder / SIMULATED, tmp_path / "run"))
    assert keys[0] == keys[1] != keys[2]
