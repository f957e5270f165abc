"""Composites of one run used by another, where there is no network: the same numbers, or a clear refusal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from sinkest.errors import InputError, SourceError
from sinkest.imagery.composite import CompositeSource
from tests.project_fixture import call, edit, run_folder

SOURCE = """[imagery]
source = "composite"
composite = { path = "shipped" }
"""


def shipped(finished: Path, folder: Path) -> Path:
    """The project on another machine: field tables and models, the composites of the finished run, no scenes."""
    left_out = shutil.ignore_patterns("runs", "stack", "elevation.tif", "simulated.toml")
    shutil.copytree(finished, folder, ignore=left_out)
    shutil.copytree(run_folder(finished) / "compose", folder / "shipped")
    config = folder / "config.toml"
    edit(config, '[imagery]\nsource = "stack"\n', SOURCE)
    return config


@pytest.fixture
def config(finished: Path, tmp_path: Path) -> Path:
    return shipped(finished, tmp_path / "elsewhere")


def complaint(capsys: pytest.CaptureFixture[str], config: Path) -> str:
    assert call("compose", config) == 2
    return capsys.readouterr().err


def values(file: Path) -> np.ndarray:
    with rasterio.open(file) as source:
        return source.read()


def test_the_run_comes_to_the_same_maps_and_numbers(finished: Path, config: Path) -> None:
    assert not (config.parent / "stack").exists()
    assert call("estimate", config) == 0
    ours, theirs = run_folder(config.parent), run_folder(finished)
    np.testing.assert_array_equal(values(ours / "compose/composite.tif"), values(theirs / "compose/composite.tif"))
    assert (ours / "compose/scenes.json").read_bytes() == (theirs / "compose/scenes.json").read_bytes()
    maps = sorted(file.relative_to(theirs) for file in (theirs / "map").glob("*.tif"))
    assert maps
    for file in maps:
        np.testing.assert_array_equal(values(ours / file), values(theirs / file), err_msg=str(file))
    tables = [pd.read_csv(run / "estimate" / "estimates.csv", dtype=str) for run in (ours, theirs)]
    # the last column names the inputs that a row rests on: the shipped file in place of the scenes
    first, second = (table.iloc[:, :-1] for table in tables)
    pd.testing.assert_frame_equal(first, second)


def test_what_the_file_is_says_who_made_it(config: Path) -> None:
    source = CompositeSource(config.parent / "shipped", 2025)
    assert source.describe()["RUN"] == "districts"
    assert source.bands == ("red", "nir", "swir1")
    assert not source.simulated
    assert [file.name for file in source.files()] == ["composite.tif", "scenes.json"]


def test_a_simulated_file_stays_simulated(config: Path) -> None:
    file = config.parent / "shipped" / "composite.tif"
    with rasterio.open(file, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.update_tags(SIMULATED="SIMULATED 模拟数据")
    assert CompositeSource(file, 2025).simulated
    assert call("compose", config) == 0
    with rasterio.open(run_folder(config.parent) / "compose" / "composite.tif") as written:
        assert written.tags()["SIMULATED"].startswith("SIMULATED")


def test_another_grid_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(config, "resolution_m = 120", "resolution_m = 240")
    text = complaint(capsys, config)
    assert "another grid" in text
    assert "px of 120" in text
    assert "px of 240" in text


def test_other_bands_are_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(config, 'bands = ["red", "nir", "swir1"]', 'bands = ["red", "nir", "blue"]')
    assert "blue" in complaint(capsys, config)


def test_other_layers_are_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(config, 'indices = ["NDVI"]', 'indices = ["NDVI"]\nphenology_index = "NDVI"')
    text = complaint(capsys, config)
    assert "no layer NDVI_p10, NDVI_p50, NDVI_p90" in text


def test_other_days_are_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(config, 'start = "06-15"', 'start = "07-01"')
    text = complaint(capsys, config)
    assert "summer was composed of other days" in text
    assert "scenes.json" in text


@pytest.mark.parametrize(
    ("setting", "given", "expected"),
    [
        ("dilate_px = 3", "1", "3"),
        ('composite = "medoid"', '"median"', '"medoid"'),
        ('gap_fill = "none"', '"year"', '"none"'),
        ('topographic_correction = "scs+c"', '"none"', '"scs+c"'),
    ],
)
def test_other_settings_are_refused(
    config: Path, capsys: pytest.CaptureFixture[str], setting: str, given: str, expected: str
) -> None:
    edit(config, 'indices = ["NDVI"]', f'indices = ["NDVI"]\n{setting}')
    text = complaint(capsys, config)
    key = setting.split(" = ")[0]
    assert f"was composed with features.{key} = {given}, the configuration asks for {expected}" in " ".join(
        text.split()
    )


def test_a_file_that_does_not_tell_its_settings_is_taken_with_a_word(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config.parent / "shipped" / "composite.tif"
    with rasterio.open(file, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.update_tags(SETTINGS="")
    edit(config, 'indices = ["NDVI"]', 'indices = ["NDVI"]\ndilate_px = 3')
    assert call("compose", config) == 0
    assert "does not tell with which settings" in " ".join(capsys.readouterr().err.split())


def test_a_tag_of_settings_that_is_none_is_refused(config: Path) -> None:
    file = config.parent / "shipped" / "composite.tif"
    with rasterio.open(file, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.update_tags(SETTINGS="[1")
    with pytest.raises(SourceError, match="not a composite"):
        CompositeSource(file, 2025)


def test_another_year_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(config, "year = 2025", "year = 2024")
    assert "composed for the year 2025, this run is of 2024" in complaint(capsys, config)


@pytest.mark.parametrize("missing", ["composite.tif", "scenes.json"])
def test_a_missing_file_is_named(config: Path, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "shipped" / missing).unlink()
    assert missing in complaint(capsys, config)


def test_a_list_of_scenes_that_is_no_list(config: Path) -> None:
    for content in ("[", '{"summer": [1]}', "[1]", json.dumps({"summer": [{"id": "x"}]})):
        (config.parent / "shipped" / "scenes.json").write_text(content, encoding="utf-8")
        with pytest.raises(SourceError, match="list of scenes cannot be read"):
            CompositeSource(config.parent / "shipped", 2025)


def test_a_picture_that_no_run_composed_is_refused(finished: Path, config: Path) -> None:
    maps = next((run_folder(finished) / "map").glob("*.tif"))
    shutil.copy(maps, config.parent / "shipped" / "composite.tif")
    with pytest.raises(SourceError, match="not a composite"):
        CompositeSource(config.parent / "shipped", 2025)


def test_a_layer_stored_otherwise_is_refused(config: Path) -> None:
    source = CompositeSource(config.parent / "shipped", 2025)
    with rasterio.open(config.parent / "shipped" / "composite.tif") as dataset:
        assert dataset.descriptions[0] == "summer_red"
    with pytest.raises(SourceError, match=r"in steps of 0\.0001 1, expected 0\.001 dB"):
        source.stored(source._grid[:5, :5], {"summer_red": ("dB", 1e-3)}, {})


def test_single_scenes_are_not_there(config: Path) -> None:
    from datetime import date

    from sinkest.imagery.source import Period

    source = CompositeSource(config.parent / "shipped", 2025)
    scene = source.search(source._grid, Period(date(2024, 12, 1), date(2025, 12, 31)))[0]
    with pytest.raises(InputError, match="holds composites"):
        source.read(source._grid[:5, :5], scene, ("red",))
