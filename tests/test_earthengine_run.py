"""A whole acquisition over the service: told beforehand, interrupted, resumed, reused, recorded."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from sinkest.config import load_config
from sinkest.imagery.earthengine import EarthEngineSource
from sinkest.imagery.earthengine.assets import PALSAR
from sinkest.imagery.gedi import COLUMNS
from sinkest.progress import Silent
from sinkest.runstore import RunStore
from sinkest.stages.context import Run
from sinkest.stages.sources import earthengine_account
from tests.project_fixture import call, edit
from tests.servers.area import SECTION, write_area
from tests.servers.earthengine.fixtures import Served, serving
from tests.servers.earthengine.server import PROJECT
from tests.servers.earthengine.world import LEFT, PIXEL_M, SHOTS, TOP, build, elevation_m

SIZE = 312
CONFIG = """version = 1
name = "served"
year = 2023

{area}
[imagery]
source = "earthengine"
seasons = [
  {{ name = "summer", start = "06-01", end = "08-31" }},
  {{ name = "winter", start = "12-01", end = "02-28" }},
]

[imagery.earthengine]
project = "{project}"
credentials = "key.json"
url = "{url}"
layers = ["worldcover", "jrc_water"]

[features]
bands = ["red"]
radar_bands = ["vv"]
terrain = true

[execution]
block_size = 128
workers = 1
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("ee"), build(size=SIZE)) as one:
        yield one


@pytest.fixture(autouse=True)
def _quiet(served: Served) -> Iterator[None]:
    yield
    served.server.faults.clear()


@dataclass
class Fetched:
    """A project whose imagery was fetched without disturbance, and how many requests for pixels that took."""

    folder: Path
    requests: int


@pytest.fixture(scope="module")
def fetched(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    folder = tmp_path_factory.mktemp("fetched") / "p"
    config, before = project(folder, served), served.server.count(":computePixels")
    assert call("fetch", config) == 0
    return Fetched(folder, served.server.count(":computePixels") - before)


def project(folder: Path, served: Served) -> Path:
    """A configuration beside its area, of three blocks, and the key."""
    folder.mkdir(exist_ok=True)
    grid = served.world.grid
    left, top = grid.affine.c + 203, grid.affine.f - 207
    write_area(folder, str(grid.crs), left, top, left + 2700, top - 900)
    shutil.copy(served.key, folder / "key.json")
    config = folder / "config.toml"
    config.write_text(CONFIG.format(area=SECTION, project=PROJECT, url=served.server.url), encoding="utf-8")
    return config


def told(capsys: pytest.CaptureFixture[str]) -> str:
    found = capsys.readouterr()
    return found.out + found.err


def run_of(folder: Path) -> Path:
    return folder / "runs" / "served-2023"


def test_a_dry_run_tells_what_the_run_then_asks(
    served: Served, fetched: Fetched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, before = project(tmp_path / "p", served), served.server.count(":computePixels")
    assert call("fetch", config, "--dry-run") == 0
    text = told(capsys)
    assert "summer: 3 optical and 3 radar passes (9 granules)" in text
    assert "3 blocks of at most 128 px: 6 requests" in text
    assert "up to 3 more" in text
    assert "EECU" in text
    assert not (tmp_path / "p" / "runs").exists()
    # one pixel of the elevation model, to see whether there is one; the whole fetch also read the maps of others
    assert served.server.count(":computePixels") - before == 1
    assert 1 + 6 + 3 <= fetched.requests <= 1 + 6 + 3 + 3


def test_an_exhausted_quota_stops_with_one_error_and_the_rest_comes_later(
    served: Served, fetched: Fetched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = project(tmp_path / "p", served)
    # The look at the first pixel gets through, and the first block with its gaps and its terrain.
    served.server.faults.add("none", times=4)
    served.server.faults.add("quota", times=99)
    assert call("compose", config) == 2
    text = told(capsys)
    assert text.count("Error:") == 1
    assert "quota of project" in text
    assert "same command again later" in text
    served.server.faults.clear()
    before = served.server.count(":computePixels")
    assert call("compose", config) == 0
    assert "1 of 3 blocks were ready" in told(capsys)
    assert served.server.count(":computePixels") - before <= 1 + 2 * 3
    for name in ("composite.tif", "scenes.json"):
        ours, theirs = (run_of(folder) / "compose" / name for folder in (tmp_path / "p", fetched.folder))
        assert ours.read_bytes() == theirs.read_bytes()


def test_scenes_and_versions_are_recorded_and_the_account_is_not(fetched: Fetched) -> None:
    run = run_of(fetched.folder)
    scenes = json.loads((run / "compose" / "scenes.json").read_text(encoding="utf-8"))
    optical = [one for one in scenes["summer"] if one["sensor"] == "sentinel-2"]
    assert [one["id"] for one in optical] == ["S2_20230620T025551", "S2_20230705T025551", "S2_20230730T025559"]
    assert "20230620T025551_20230620T030303_T49RGL@1690000000001" in optical[0]["product"]
    assert "05.09" in optical[0]["product"]
    for file in run.rglob("*.json"):
        text = file.read_text(encoding="utf-8")
        assert PROJECT not in text
        assert "key.json" not in text


def test_another_account_and_pace_use_what_was_fetched(
    served: Served, fetched: Fetched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = tmp_path / "p"
    shutil.copytree(fetched.folder, copied)
    config = copied / "config.toml"
    (copied / "key.json").rename(copied / "other.json")
    edit(config, 'credentials = "key.json"', 'credentials = "other.json"\nconcurrency = 3\ntile_px = 64\nattempts = 2')
    before = served.server.count(":computePixels")
    assert call("fetch", config) == 0
    assert told(capsys).count("reused") == 2
    assert served.server.count(":computePixels") - before == 1
    # another threshold means other pixels
    edit(config, "tile_px = 64", "tile_px = 64\ncloud_threshold = 0.7")
    served.server.faults.add("none")
    served.server.faults.add("quota", times=9)
    assert call("fetch", config) == 2
    assert "because this changed: imagery, source" in told(capsys)


def test_another_process_asks_as_the_same_account(served: Served, fetched: Fetched) -> None:
    loaded = load_config(fetched.folder / "config.toml")
    run = Run(loaded, RunStore(loaded.run_folder, keeps_hashes=False), Silent(), 1, 128)
    again = pickle.loads(pickle.dumps(run))
    assert isinstance(again.source, EarthEngineSource)
    assert again.source.client.account == earthengine_account(loaded)
    assert again.source.client.account.project == PROJECT


def test_maps_of_others_lie_beside_the_composites(served: Served, fetched: Fetched) -> None:
    with rasterio.open(run_of(fetched.folder) / "layers" / "layers.tif") as layers:
        assert layers.descriptions == ("worldcover", "jrc_water")
        assert layers.units == ("class", "percent")
        cover, water = layers.read()
        left, top = layers.transform.c, layers.transform.f
    row, col = round((TOP - top) / PIXEL_M), round((left - LEFT) / PIXEL_M)
    place = (slice(row, row + cover.shape[0]), slice(col, col + cover.shape[1]))
    known = np.isfinite(cover)
    assert known.mean() > 0.5
    for values, name in ((cover, "worldcover"), (water, "jrc_water")):
        np.testing.assert_array_equal(values[known], served.world.maps[name][place][known])


def test_blocks_of_any_size_and_many_at_a_time_give_the_same_file(
    served: Served, fetched: Fetched, tmp_path: Path
) -> None:
    config = project(tmp_path / "p", served)
    assert call("compose", config, "--block-size", 256, "--workers", 3) == 0
    ours, theirs = (run_of(folder) / "compose" / "composite.tif" for folder in (tmp_path / "p", fetched.folder))
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_map_that_is_not_there_for_the_year_is_told_before_the_composite(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    config = project(tmp_path / "p", served)
    edit(config, 'layers = ["worldcover", "jrc_water"]', 'layers = ["worldcover", "palsar_hv"]')
    kept = served.server.store.collections.pop(PALSAR)
    served.server.store.collections[PALSAR] = []
    before = served.server.count(":computePixels")
    try:
        assert call("fetch", config, *options) == 2
    finally:
        served.server.store.collections[PALSAR] = kept
    assert "palsar_hv of 2023 does not exist" in told(capsys)
    assert served.server.count(":computePixels") - before <= 1


def test_without_a_project_or_with_a_band_that_is_not_there(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SINKEST_EE_PROJECT", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    config = project(tmp_path / "p", served)
    edit(config, f'project = "{PROJECT}"\n', "")
    assert call("fetch", config) == 2
    assert "no project is named" in told(capsys)
    monkeypatch.setenv("SINKEST_EE_PROJECT", PROJECT)
    edit(config, 'bands = ["red"]', 'bands = ["thermal"]')
    assert call("fetch", config, "--dry-run") == 2
    assert "thermal" in told(capsys)


def test_a_period_without_scenes_is_named(served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = project(tmp_path / "p", served)
    edit(config, 'start = "12-01", end = "02-28"', 'start = "03-01", end = "04-30"')
    assert call("fetch", config) == 2
    text = told(capsys)
    assert "winter" in text
    assert "2023-03-01/2023-04-30" in text


def test_shots_come_from_the_source_of_a_configuration(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = project(tmp_path / "p", served), tmp_path / "shots.parquet"
    edit(config, "year = 2023", "year = 2022")
    assert call("gedi", "--from", config, "--out", out, "--all") == 0
    text = " ".join(told(capsys).split())
    assert "shots from earthengine, 2022-01-01/2022-12-31" in text
    assert "not ground truth" in text
    table = gpd.read_parquet(out)
    zone = gpd.read_file(tmp_path / "p" / "zones.geojson").geometry.union_all()
    assert 0 < len(table) < SHOTS
    assert table.within(zone).all()
    assert table["agbd_t_ha"].between(50, 149).all()
    assert list(table.columns)[: len(COLUMNS)] == list(COLUMNS)
    # The service's elevation model judges them: a plane of 4000 m a degree to the east and 2500 m to the north, which
    # is 0.0406 and 0.0226 here, so a slope of 2.66 degrees; pixels of 10 m are looked at, within 0.4 m of the shot.
    np.testing.assert_allclose(table["slope_deg"], 2.66, atol=0.05)
    above_m = table["elevation_m"] - elevation_m(table["lon"], table["lat"])
    np.testing.assert_allclose(table["above_dem_m"], above_m, atol=0.4)
    assert set(above_m.round()) == {-17.0, -400.0}
    assert (table["rejected_by"].str.contains("too_low") == (above_m < -150.0)).all()
    assert "not checked" not in text
    assert call("gedi", "--from", config, "--out", out) == 0
    assert len(gpd.read_parquet(out)) == int(table["usable"].sum())


def test_shots_of_a_year_without_any_and_two_ways_at_once_are_refused(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = project(tmp_path / "p", served), tmp_path / "shots.parquet"
    assert call("gedi", "--from", config, "--out", out) == 2
    assert "no GEDI L4A shot in 2023-01-01/2023-12-31" in told(capsys)
    assert call("gedi", config, "--from", config, "--out", out) == 2
    assert "give GEDI granules, or --from" in told(capsys)
    edit(config, 'source = "earthengine"', 'source = "simulated"')
    assert call("gedi", "--from", config, "--out", out) == 2
    assert "has no GEDI shots" in told(capsys)
    assert call("gedi", "--out", out) == 2
    assert "no GEDI granule was given" in told(capsys)
    assert not out.exists()


def test_the_doctor_tries_the_account_of_a_configuration(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = project(tmp_path / "p", served)
    assert call("doctor", "--source", "earthengine", "--config", config) == 0
    assert "1 + 1 = 2" in told(capsys)
    edit(config, PROJECT, "someone-elses")
    assert call("doctor", "--source", "earthengine", "--config", config) == 2
    assert "someone-elses" in told(capsys)
