"""How the work is cut up, by whom it is done and in what language it is told changes not one byte."""

import shutil
from pathlib import Path

import pytest

from tests.project_fixture import CONFIG, SIMULATED, call, edit, forget, outputs, run_folder


@pytest.mark.parametrize(
    ("config", "block_size", "workers", "language"),
    [
        (CONFIG, 128, 2, "zh"),
        (SIMULATED, 512, 1, "en"),
    ],
)
def test_outputs_do_not_depend_on_how_they_were_made(
    request: pytest.FixtureRequest,
    project: Path,
    tmp_path: Path,
    config: str,
    block_size: int,
    workers: int,
    language: str,
) -> None:
    """Against blocks of 256 pixels and one worker."""
    expected = outputs(run_folder(request.getfixturevalue("finished" if config == CONFIG else "simulated"), config))
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    options = ("--block-size", block_size, "--workers", workers)
    assert call("--lang", language, "run", copy / config, *options) == 0
    assert len(expected) > 30
    assert outputs(run_folder(copy, config)) == expected


def test_maps_of_the_shipped_models_do_not_depend_on_it_either(project: Path, tmp_path: Path) -> None:
    """They hold matrix products, whose last bits may follow the number of rows that are computed together."""
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    for name in ("land_cover", "stock"):
        edit(copy / CONFIG, f'model = "models/{name}"', f'model = "shipped:models/{name}"')
    assert call("map", copy / CONFIG, "--block-size", 256, "--workers", 1) == 0
    run = run_folder(copy)
    made = outputs(run)
    assert {name.split("/")[0] for name in made} == {"compose", "train", "map", "stages"}
    forget(run, "map")
    assert call("map", copy / CONFIG, "--block-size", 128, "--workers", 2) == 0
    assert outputs(run) == made
