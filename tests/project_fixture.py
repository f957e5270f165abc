"""A small but complete project, simulated once a session: three districts of the virtual Zhuzhou at 120 m.

There are two configurations of it. ``simulated.toml`` reads the simulator itself; ``config.toml`` reads the same scenes
from GeoTIFF files on disk, as a bureau would, and starts faster. Both share field tables and small recipes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from sinkest.cli import main
from sinkest.config import LoadedConfig, load_config
from sinkest.demo import _write_table
from sinkest.imagery.source import QA, Source
from sinkest.messages import set_language
from sinkest.runstore import RunStore
from sinkest.shipped import shipped
from sinkest.simulate.fieldwork import project_tables
from sinkest.stages.context import make_landscape, place, season_period
from sinkest.stages.sources import make_source

DISTRICTS = ("430202", "430203", "430204")
BANDS = ("red", "nir", "swir1")
CONFIG, SIMULATED = "config.toml", "simulated.toml"
SCENES = "stack"
STAGES = ("compose", "train", "map", "estimate", "report")

_HEAD = """version = 1
name = "{name}"
year = 2025
seed = 7

[aoi]
path = "zones.geojson"
name_zh = "三区"
name_en = "three districts"
resolution_m = 120

[features]
bands = ["red", "nir", "swir1"]
indices = ["NDVI"]

[execution]
block_size = 256
workers = 1

[imagery]
source = "{source}"
seasons = [
  {{ name = "summer", start = "06-15", end = "08-31" }},
  {{ name = "winter", start = "12-01", end = "02-28" }},
]
"""

_SIMULATED = """
[imagery.simulated]
scenes_per_season = 3
radar = false
"""

_STACK = """
[imagery.stack]
path = "stack"
layout = "file_per_date"
date_format = "scene_%Y%m%d"
sensor = "sentinel-2"
bands = { red = 1, nir = 2, swir1 = 3 }
scale = 0.0001
nodata = 0
qa = 4
qa_kind = "scl"
elevation = "elevation.tif"
"""

_RECIPE = """version = 1
name = "{name}"
kind = "{kind}"
title = {{ zh = "测试", en = "small {name}" }}
features = "all"

[response]
name = "{response}"
{more}

[estimator]
class = "sklearn.ensemble.{estimator}"

[estimator.parameters]
n_estimators = 8
max_depth = 8
min_samples_leaf = 3
"""


def build_project(folder: Path) -> None:
    """Write configurations, recipes, field tables and scenes."""
    folder.mkdir(parents=True)
    zones = gpd.read_file(shipped("aoi/zhuzhou.geojson"))
    zones[zones["adcode"].isin(DISTRICTS)].to_file(folder / "zones.geojson", driver="GeoJSON")
    _write_recipes(folder)
    shared = _shared_sections()
    for file, name, source, section in (
        (CONFIG, "districts", "stack", _STACK),
        (SIMULATED, "virtual", "simulated", _SIMULATED),
    ):
        (folder / file).write_text(_HEAD.format(name=name, source=source) + section + shared, encoding="utf-8")
    config = load_config(folder / SIMULATED)
    found, grid = place(config)
    tables = project_tables(
        make_landscape(config),
        found,
        grid,
        seed=7,
        plot_spacing_m=1500.0,
        reference_sizes={"forest": 200, "other_trees": 100, "non_forest": 150},
        workers=1,
    )
    for name, table in tables.items():
        _write_table(folder, name, table)
    _write_scenes(folder, config, grid)


def _shared_sections() -> str:
    """Legend, forest, estimate and account of the shipped demo, with our recipes and fewer folds."""
    text = shipped("configs/demo.toml").read_text(encoding="utf-8")
    text = text[text.index("[land_cover]") :]
    for name in ("land_cover", "stock"):
        text = text.replace(f'model = "shipped:models/{name}"', f'model = "models/{name}"\nfolds = 2')
    return "\n" + text


def _write_recipes(folder: Path) -> None:
    recipes = {
        "land_cover": ("classification", "land_cover", "", "ExtraTreesClassifier"),
        "stock": ("regression", "volume_m3_ha", 'unit = "m3/ha"\nminimum = 0.0', "ExtraTreesRegressor"),
    }
    for name, (kind, response, more, estimator) in recipes.items():
        (folder / "models" / name).mkdir(parents=True)
        text = _RECIPE.format(name=name, kind=kind, response=response, more=more, estimator=estimator)
        (folder / "models" / name / "model.toml").write_text(text, encoding="utf-8")


def _write_scenes(folder: Path, config: LoadedConfig, grid: GeoBox) -> None:
    source = make_source(config)
    (folder / SCENES).mkdir()
    for season in config.spec.imagery.seasons:
        for scene in source.search(grid, season_period(season, config.spec.year)):
            values = source.read(grid, scene, BANDS)
            layers = [np.clip(np.rint(values[band] * 1e4), 1, 60000) for band in BANDS]
            layers.append(values[QA].astype(float))
            write_raster(folder / SCENES / f"scene_{scene.time:%Y%m%d}.tif", np.stack(layers), grid)
    _write_elevation(folder, source, grid)


def _write_elevation(folder: Path, source: Source, grid: GeoBox) -> None:
    wide = grid.pad(4)
    elevation = source.elevation(wide)
    assert elevation is not None
    write_raster(folder / "elevation.tif", elevation[None], wide, dtype="float32", nodata=-9999.0)


def write_raster(
    path: Path, values: np.ndarray, grid: GeoBox, dtype: str = "uint16", nodata: float | None = None, **more: object
) -> None:
    """A plain GeoTIFF of bands on a grid."""
    profile = {
        "driver": "GTiff",
        "height": values.shape[1],
        "width": values.shape[2],
        "count": values.shape[0],
        "dtype": dtype,
        "crs": str(grid.crs),
        "transform": grid.affine,
        "nodata": nodata,
        "compress": "deflate",
        **more,
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(values.astype(dtype))


# -- fixtures -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project without a run; to be copied, not changed."""
    return _made_once(tmp_path_factory, "small-project", build_project)


@pytest.fixture(scope="session")
def finished(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a finished, undisturbed run of ``config.toml``; to be copied, not changed."""
    return _made_once(tmp_path_factory, "small-finished", lambda folder: _run_copy(project, folder, CONFIG))


@pytest.fixture(scope="session")
def simulated(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a finished, undisturbed run of ``simulated.toml``; to be copied, not changed."""
    return _made_once(tmp_path_factory, "small-simulated", lambda folder: _run_copy(project, folder, SIMULATED))


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of the project with its finished run, to be changed at will."""
    return copied(finished, tmp_path)


def copied(project: Path, folder: Path) -> Path:
    """A copy of a project below a folder."""
    return Path(shutil.copytree(project, folder / "project"))


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that all workers of a parallel session, and all modules, share: the first one makes it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with _alone(folder):
        if not folder.exists():
            unfinished = folder.with_name(f"{name}-unfinished")
            make(unfinished)
            unfinished.rename(folder)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_copy(project: Path, folder: Path, config: str) -> None:
    shutil.copytree(project, folder)
    assert call("--lang", "en", "run", folder / config) == 0


# -- what tests do with it ------------------------------------------------------------------------------------------


def forget(run: Path, stage: str) -> None:
    """As if a stage had never been done; what was made of it stays, as its key will be the same again."""
    shutil.rmtree(run / stage)
    (run / "stages" / f"{stage}.json").unlink()
    (run / "manifest.json").unlink(missing_ok=True)


def call(*arguments: object) -> int:
    """Exit code of ``sinkest`` with these arguments, called as the command line calls it."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        set_language(None)
    return 0


def run_folder(project: Path, config: str = CONFIG) -> Path:
    """Folder of the project's run."""
    return project / "runs" / ("districts-2025" if config == CONFIG else "virtual-2025")


def outputs(run: Path) -> dict[str, str]:
    """SHA-256 of every file of a run by name, hidden ones (caches) left out."""
    names = [path.relative_to(run) for path in run.rglob("*") if path.is_file()]
    return {
        name.as_posix(): hashlib.sha256((run / name).read_bytes()).hexdigest()
        for name in sorted(names)
        if not any(part.startswith(".") for part in name.parts)
    }


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that must stand in a file."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file.name}"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def sealed_stages(run: Path) -> list[str]:
    """Stages that a run has finished, in order."""
    store = RunStore(run)
    return [stage for stage in STAGES if store.seal(stage) is not None]


def estimates(run: Path) -> pd.DataFrame:
    """The tidy table of a run."""
    return pd.read_csv(run / "estimate" / "estimates.csv", dtype={"zone": str}, encoding="utf-8-sig")
