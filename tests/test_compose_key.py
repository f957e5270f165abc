"""What the key of composites holds, and what it must not."""

import re
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from sinkest.config import load_config
from sinkest.errors import SourceError
from sinkest.imagery.stac.catalogue import Online
from sinkest.imagery.stac.patience import Patience
from sinkest.progress import Silent
from sinkest.runstore import RunStore, content_key
from sinkest.stages import compose
from sinkest.stages.context import Run
from sinkest.stages.sources import make_source
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


STAC = """
[imagery]
source = "stac"
[[imagery.seasons]]
name = "growing"
start = "06-01"
end = "09-30"
[imagery.stac]
preset = "earth-search"
url = "https://someone:SECRET1@stac.example.org/v1?key=SECRET2"
"""


def stac_project(project: Path, folder: Path, more: str = "") -> Path:
    config = copied(project, folder) / SIMULATED
    text = config.read_text(encoding="utf-8")
    kept = [one for one in re.split(r"(?m)^(?=\[)", text) if not one.startswith("[imagery")]
    config.write_text("".join(kept) + STAC + more, encoding="utf-8")
    return config


def test_patience_and_tokens_are_no_part_of_the_key(project: Path, tmp_path: Path) -> None:
    more = 'timeout_s = 7\nretries = 1\nretry_delay_s = 2\ntoken_url = "https://tokens.example.org/SECRET3"\n'
    first = stac_project(project, tmp_path / "one")
    other = stac_project(project, tmp_path / "two", more)
    assert key(first, tmp_path / "run") == key(other, tmp_path / "run")
    spec = load_config(other).spec
    assert (spec.imagery.stac.timeout_s, spec.imagery.stac.retries) == (7, 1)  # type: ignore[union-attr]
    assert "SECRET" not in spec.model_dump_json()


def test_accounts_and_keys_in_an_address_are_used_but_not_written(project: Path, tmp_path: Path) -> None:
    config = load_config(stac_project(project, tmp_path / "one"))
    source = make_source(config)
    assert "SECRET" not in str(source.describe())
    assert source.describe()["catalogue"] == "https://stac.example.org/v1"
    assert source._catalogue.url.count("SECRET") == 2  # type: ignore[attr-defined]
    assert "SECRET" not in str(compose.parts(Run(config, RunStore(tmp_path), Silent(), 1, 256)))


def test_an_error_does_not_tell_the_key_of_an_address() -> None:
    """Nobody listens there."""
    catalogue = Online("http://someone:SECRET@127.0.0.1:9/v1?key=SECRET", Patience(1, 0, 0))
    with pytest.raises(SourceError) as told:
        catalogue.find("any", (112, 27, 113, 28), None)
    assert "SECRET" not in str(told.value)
    assert "http://127.0.0.1:9/v1" in str(told.value)
