"""The real cases as a user runs them: a configuration each, the commands of the program, held-out checks."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from sinkest.progress import Silent
from sinkest.runstore import RunStore
from sinkest.shipped import shipped
from sinkest.workflow import run
from tests.project_fixture import edit

CASES = Path(__file__).resolve().parent / "cases"


def prepared(case: str, folder: Path, data: Path) -> Path:
    """Configuration of a case whose inputs must be brought into form first."""
    spec = importlib.util.spec_from_file_location(f"prepare_{case}", CASES / case / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config: Path = module.prepare(folder, data)
    return config


def estimates(store: RunStore) -> pd.DataFrame:
    return pd.read_parquet(store.folder("estimate") / "estimates.parquet")


def value(table: pd.DataFrame, quantity: str) -> pd.Series:
    return table[(table["quantity"] == quantity) & (table["zone"] == "all")].iloc[0]


@pytest.fixture
def data(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SINKEST_TEST_DATA", str(real_data))
    return real_data


def test_amazon_land_cover_from_real_sentinel_2(data: Path, tmp_path: Path) -> None:
    for name in ("config.toml", "aoi.geojson"):
        (tmp_path / name).write_bytes((CASES / "amazon" / name).read_bytes())
    store = run(tmp_path / "config.toml", progress=Silent())
    table = estimates(store)
    areas = {
        name: value(table, f"pixel_class_area:{name}")["value"] for name in ("forest", "water", "village", "dryout")
    }
    # The window has 2.409 km x 2.295 km = 552.8 ha; every pixel gets a class.
    assert sum(areas.values()) == pytest.approx(552.8, abs=0.5)
    assert areas["forest"] > areas["water"] > areas["dryout"]
    held_out = json.loads((store.folder("estimate") / "accuracy.json").read_text())["models"]["classification"][
        "held_out"
    ]
    assert held_out["by"] == "groups"
    assert held_out["scores"]["overall"] > 0.8
    # Without a reference sample there is no coverage, only the map's own sums.
    assert value(table, "forest_coverage")["status"] == "declined"
    assert "form" in (store.folder("report") / "report.html").read_text(encoding="utf-8")


def test_oregon_tree_cover_from_real_plots_and_rasters(data: Path, tmp_path: Path) -> None:
    """As configured, but for smaller ensembles, which the bootstrap fits twenty times."""
    config = prepared("oregon", tmp_path, data)
    shutil.copytree(shipped("models/tree_cover_oregon"), tmp_path / "model")
    edit(tmp_path / "model" / "model.toml", "n_estimators = 200", "n_estimators = 30")
    edit(tmp_path / "model" / "model.toml", "max_iter = 150", "max_iter = 60")
    edit(tmp_path / "model" / "model.toml", "learning_rate = 0.05", "learning_rate = 0.1")
    edit(config, "shipped:models/tree_cover_oregon", "model")
    store = run(config, progress=Silent())
    table = estimates(store)
    mean = value(table, "mean:tree_cover")
    assert mean["method"] == "model_based"
    assert 0 < mean["low"] < mean["value"] < mean["high"] < 200
    with rasterio.open(store.folder("map") / "stock.tif") as source:
        mapped = source.read(1)
    assert mapped.shape == (128, 128)
    assert np.nanmean(mapped) == pytest.approx(mean["value"], rel=1e-3)
    scores = json.loads((store.folder("estimate") / "accuracy.json").read_text())["models"]["regression"]
    # as shipped it reaches 0.39 and 0.26
    assert scores["random"]["scores"]["r2"] > 0.37
    assert scores["held_out"]["scores"]["r2"] > 0.23


def test_landsat_series_composes_from_the_command(data: Path, tmp_path: Path) -> None:
    store = run(prepared("landsat", tmp_path, data), progress=Silent(), until="compose")
    scenes = json.loads((store.folder("compose") / "scenes.json").read_text())
    with rasterio.open(store.folder("compose") / "composite.tif") as source:
        bands = dict(zip(source.descriptions, source.read(), strict=True))
    for season, listed in scenes.items():
        looks = bands[f"count_{season}"]
        # One corner lies outside most images; elsewhere a pixel was seen on a good part of the dates.
        assert (looks > 0).sum() >= 24
        assert looks.max() <= len(listed)
        # Vegetation reflects more in the near infrared than in the red; stored as 1e-4.
        seen = looks > 0
        assert (bands[f"{season}_nir"][seen] > bands[f"{season}_red"][seen]).all()
