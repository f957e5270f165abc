"""From dates to maps in one pass, on threads and on a cluster: the bytes of a run that keeps its composite."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from sinkest.config import load_config
from sinkest.mapping.engine import plan_blocks
from sinkest.progress import Silent
from sinkest.runstore import RunStore, read_json
from sinkest.stages import compose, mapping, train
from sinkest.stages.context import Run
from sinkest.stages.cubefile import run_cube
from tests.project_fixture import CONFIG, call, edit, outputs, run_folder

KEPT = "compose/composite.tif"


def _without(found: dict[str, str]) -> dict[str, str]:
    """All but the composite and the seal that lists it."""
    return {name: digest for name, digest in found.items() if name not in {KEPT, "stages/compose.json"}}


@pytest.mark.parametrize("how", [("--block-size", 128, "--workers", 2), ("--scheduler", "local:2")])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_models_maps_and_sums_are_those_of_a_run_with_a_composite(
    finished: Path, project: Path, tmp_path: Path, how: tuple[object, ...]
) -> None:
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    edit(copy / CONFIG, "workers = 1", "workers = 1\nkeep_composite = false")
    assert call("map", copy / CONFIG, *how) == 0
    made, expected = outputs(run_folder(copy)), outputs(run_folder(finished))
    assert {name.split("/")[0] for name in made} == {"compose", "train", "map", "stages"}
    assert KEPT not in made
    assert _without(made) == {name: expected[name] for name in _without(made)}


def test_a_finished_run_notices_that_its_composite_is_no_longer_kept(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Models and maps stay; what was looked up in the composite is not carried on, and says why."""
    run = run_folder(copy)
    before = outputs(run)
    edit(copy / CONFIG, "workers = 1", "workers = 1\nkeep_composite = false")
    assert call("run", copy / CONFIG) == 0
    said = capsys.readouterr().err
    assert "keep_composite" in said
    assert said.count(": reused;") == 2
    after = outputs(run)
    assert KEPT not in after
    for name in before:
        assert name.split("/")[0] not in {"train", "map"} or after[name] == before[name]
    store = RunStore(run)
    assert store.verify() == []
    assert store.manifest()["config"]["settings"]["execution"] == {"keep_composite": False}
    notes = [key for key, _ in read_json(run / "estimate" / "run.json")["notes"]]
    assert "sitewatch.no_composite" in notes
    assert not (run / "estimate" / "wetland_sites.csv").exists()


def test_block_functions_are_sent_small_and_made_once(finished: Path) -> None:
    """What goes to another process names files; it reads models and composite itself, and only once."""
    run = _run(finished)
    mapper = mapping.Mapper(run, run_cube(run), *train.load_models(run))
    composer = compose.composer(run)
    for one in (mapper, composer):
        sent = pickle.dumps(one)
        assert len(sent) < 20_000
        assert pickle.loads(sent) is pickle.loads(sent)
    block = plan_blocks(run.grid, 128, run.index.touched)[1]
    for one in (mapper, composer):
        here, there = one(block), pickle.loads(pickle.dumps(one))(block)
        assert here.keys() == there.keys()
        for name, values in here.items():
            np.testing.assert_array_equal(there[name], values)


def _run(project: Path) -> Run:
    config = load_config(project / CONFIG)
    return Run(config, RunStore(config.run_folder, keeps_hashes=False), Silent(), 1, 256)


def test_a_scheduler_that_is_none_is_refused_by_its_pattern(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", project / CONFIG, "--scheduler", "local:none") == 2
    assert "execution.scheduler" in capsys.readouterr().err
