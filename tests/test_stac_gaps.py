"""Reads that fail for good, over starts and processes of a run: counted together, listed once, never over the limit.

A small area of three blocks, whose red band of the first date cannot be had. SIMULATED 模拟数据
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from distributed.core import error_message

from sinkest.config import load_config
from sinkest.errors import RunError, SourceError
from sinkest.imagery.source import Period
from sinkest.mapping.cluster import _alone
from sinkest.mapping.engine import Arrays, Block, run_blocks
from sinkest.progress import Silent
from sinkest.runstore import RunStore
from sinkest.stages import compose, traces
from sinkest.stages.context import Run
from sinkest.stages.cubefile import ComposedCube
from tests.project_fixture import call, edit
from tests.servers.area import SECTION, write_area
from tests.servers.formats import write_raster
from tests.servers.stac import StacServer, collection
from tests.servers.stac_items import sentinel2_item
from tests.servers.truth import build, lattice

SUMMER = Period(date(2025, 6, 1), date(2025, 8, 31))
COLS, ROWS = 260, 40

CONFIG = """version = 1
name = "gaps"
year = 2025

{area}
[imagery]
source = "stac"
seasons = [{{ name = "summer", start = "06-01", end = "08-31" }}]

[imagery.stac]
preset = "planetary-computer"
url = "{url}"
radar_collection = ""
token_url = "{url}/token"
elevation = "elevation.tif"
retries = 0
retry_delay_s = 0.01
allowed_failures = 1

[features]
bands = ["red", "nir"]
terrain = false

[execution]
block_size = 128
workers = 1
"""


@dataclass
class Small:
    """The project, its server, and how often it was served anew."""

    folder: Path
    server: StacServer
    items: list[dict]
    served: int = 0

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def made(self) -> Path:
        return self.folder / "runs" / "gaps-2025" / "compose"

    def serve(self, broken: bool) -> None:
        """The same files under addresses that nobody asked for; the first date lacks its red band if broken."""
        self.served += 1
        self.server.clear()
        base = f"{self.server.url}/files/~{self.served}"
        self.server.items = json.loads(json.dumps(self.items).replace('"@/', f'"{base}/'))
        if broken:
            self.server.fault(Path(self.items[0]["assets"]["B04"]["href"]).name, "404", 10_000)

    def parts(self) -> list[Arrays]:
        """Finished blocks of a run that has stopped."""
        return [dict(np.load(one)) for one in sorted(self.folder.glob("runs/*/.work/compose-*/.parts-*/*.npz"))]

    def listed(self) -> list[dict[str, str]]:
        return json.loads((self.made / "gaps.json").read_text(encoding="utf-8"))

    def run(self) -> Run:
        config = load_config(self.config)
        return Run(config, RunStore(config.run_folder), Silent(), 1, 128)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[dict]]]:
    folder = tmp_path_factory.mktemp("truth") / "files"
    folder.mkdir()
    truth = build(lattice(700_000, 3_080_000, COLS, ROWS, 10), [SUMMER], scenes=2, cloud=0.0)
    items = [sentinel2_item(folder, "@", truth, scene) for scene in truth.scenes]
    x, y = np.meshgrid(np.arange(COLS), np.arange(ROWS))
    height_m = np.where(x < 40, 200 + 6.0 * np.abs(x % 20 - 10) + y, 200.0)  # on level ground nothing is fitted
    write_raster(folder / "elevation.tif", truth.fine, height_m.astype(np.float32), np.nan)
    return folder, items


@pytest.fixture
def small(truth: tuple[Path, list[dict]], tmp_path: Path) -> Iterator[Small]:
    files, items = truth
    left, top = 700_005, 3_079_995
    write_area(tmp_path, "EPSG:32649", left, top, left + 10 * COLS - 20, top - 10 * ROWS + 20)
    (tmp_path / "elevation.tif").write_bytes((files / "elevation.tif").read_bytes())
    with StacServer(files, collections={"sentinel-2-l2a": collection("sentinel-2-l2a")}) as server:
        (tmp_path / "config.toml").write_text(CONFIG.format(area=SECTION, url=server.url), encoding="utf-8")
        yield Small(tmp_path, server, items)


def composed(small: Small, capsys: pytest.CaptureFixture[str], code: int) -> str:
    """What is said by a start that ends with a code."""
    assert call("--lang", "en", "compose", small.config) == code
    told = capsys.readouterr()
    return " ".join((told.out + told.err).split())


def test_what_an_interrupted_start_gave_up_counts_when_the_run_goes_on(
    small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # forgotten, the second start would get a block further
        small.serve(broken=True)
        assert "more than 1 reads failed" in composed(small, capsys, 2)
        assert [traces.GAPS in arrays for arrays in small.parts()] == [True]
    small.serve(broken=False)
    assert "1 reads failed and count as not seen" in composed(small, capsys, 0)
    assert [(one["scene"], one["asset"]) for one in small.listed()] == [(small.items[0]["id"], "B04")]


def test_what_processes_gave_up_is_judged_together_and_read_again_later(
    small: Small, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def apart(work: Callable[[Block], Arrays], blocks: Sequence[Block], parts: Path, **_: object) -> int:
        for block in blocks:  # as on a cluster: each process makes a source of its own
            run_blocks(compose.composer(small.run()), [block], parts)
        return 0

    small.serve(broken=True)
    with monkeypatch.context() as patched:
        patched.setattr(compose, "run_blocks", apart)
        told = composed(small, capsys, 2)
    assert "more than 1 reads failed" in told
    assert f"item {small.items[0]['id']}, asset B04, over 113." in told
    assert [traces.GAPS in arrays for arrays in small.parts()] == [True] * len(small.parts())
    small.serve(broken=False)
    composed(small, capsys, 0)
    assert not (small.made / "gaps.json").exists()
    with rasterio.open(small.made / "composite.tif") as raster:
        looks = raster.read(raster.descriptions.index("count_summer") + 1)
    assert [int(looks[:, first : first + 128].max()) for first in (0, 128)] == [2, 2]


def test_what_the_topographic_correction_could_not_read_is_listed_in_every_start(
    small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(small.config, "terrain = false", 'terrain = false\ntopographic_correction = "scs+c"')
    small.serve(broken=False)
    small.server.fault(Path(small.items[0]["assets"]["B04"]["href"]).name, "404", 1)
    assert "1 reads failed" in composed(small, capsys, 0)
    listed = small.listed()
    assert [(one["scene"], one["asset"]) for one in listed] == [(small.items[0]["id"], "B04")]
    (small.made / "composite.tif").unlink()  # so the stage is done again, with the lines that were fitted
    small.serve(broken=False)
    assert "1 reads failed" in composed(small, capsys, 0)
    assert small.listed() == listed


def test_without_a_composite_file_reads_may_not_fail(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    small.serve(broken=False)
    edit(small.config, "workers = 1", "workers = 1\nkeep_composite = false")
    assert "allowed_failures needs execution.keep_composite = true" in composed(small, capsys, 2)


def test_an_error_of_a_process_of_a_cluster_arrives_as_what_it_is(small: Small) -> None:
    """What GDAL raised before it cannot be sent to another process, and is left behind."""
    edit(small.config, "allowed_failures = 1", "allowed_failures = 0")
    small.serve(broken=True)
    with pytest.raises(SourceError) as told:
        _alone(compose.composer(small.run()), Block(0, 0, 36, 50))
    arrived = pickle.loads(error_message(told.value)["exception"].data)
    assert isinstance(arrived, SourceError)
    assert str(arrived) == str(told.value)


# -- what pixels tell of the offset ---------------------------------------------------------------------------------


def test_what_all_processes_saw_of_a_wrong_offset_is_said_once(small: Small) -> None:
    """Every block alone is too small to judge a scene by; all of them, each read by a process of its own, are not."""
    edit(small.config, "allowed_failures = 1", 'offsets = "none"')
    small.serve(broken=False)
    run = small.run()
    strips = [Block(0, col, 36, 50) for col in (0, 60, 120)]
    parts = []
    for block in strips:
        other = small.run()
        parts.append(ComposedCube(other).traced(block.window)[1])
        assert other.source.notes() == ()
    run.progress = heard = Silent()
    compose.tell_notes(run, traces.gathered(parts)[1])
    assert [str(one).partition(",")[0] for one in heard.said] == ["2 scenes have hardly a dark pixel"]


def test_blocks_of_an_earlier_start_are_judged_too(
    small: Small, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> None:
        raise RunError("run.cannot_write", file=path, reason="No space left on device")

    edit(small.config, "allowed_failures = 1", 'offsets = "none"')
    small.serve(broken=False)
    with monkeypatch.context() as patched:
        patched.setattr(compose, "write_map", full)
        composed(small, capsys, 2)
    assert len(small.parts()) == 3
    small.serve(broken=False)
    small.server.fault("^/files/", "404", 10_000)  # so this start reads no pixel
    assert "2 scenes have hardly a dark pixel" in composed(small, capsys, 0)
