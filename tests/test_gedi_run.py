"""GEDI shots as training data of a run: used, and marked as what they are in log, card, table and refusal."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from sinkest.imagery.gedi import as_table
from tests.gedi_granules import write_granule
from tests.project_fixture import CONFIG, call, copied, estimates, run_folder


def shots_in(folder: Path, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places inside the project's districts."""
    area = shapely.union_all(gpd.read_file(folder / "zones.geojson").geometry.to_numpy())
    rng = np.random.default_rng(seed)
    west, south, east, north = area.buffer(-0.01).bounds
    lon, lat = rng.uniform(west, east, 40 * count), rng.uniform(south, north, 40 * count)
    inside = shapely.contains_xy(area.buffer(-0.01), lon, lat)
    return lon[inside][:count], lat[inside][:count]


@pytest.fixture(scope="module")
def with_shots(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with GEDI shots in place of field plots, after its estimates."""
    folder = copied(project, tmp_path_factory.mktemp("gedi"))
    lon, lat = shots_in(folder, 60, 3)
    biomass = 40.0 + 60.0 * np.random.default_rng(4).random(len(lon))
    granule = write_granule(folder / "g.h5", {"BEAM0101": {"lon": lon, "lat": lat, "agbd": biomass}})
    config = folder / CONFIG
    text = config.read_text(encoding="utf-8")
    head = text[: text.index("[land_cover]")].replace('"districts"', '"lidar"', 1)
    stock = 'plots = "shots.parquet"\nmodel = "models/stock"\nresponse = "agbd_t_ha"\nunit = "t/ha"\n'
    config.write_text(
        head + f'\n[stock]\n{stock}design = "purposive"\nfolds = 2\nfold_block_m = 3000\nbootstrap = 20\n', "utf-8"
    )
    assert call("gedi", granule, "--out", folder / "shots.parquet", "--aoi", config) == 0
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        assert call("report", config) == 0
    (folder / "said.txt").write_text(said.getvalue(), "utf-8")
    return folder


def test_slopes_come_from_the_elevation_model_of_the_configuration(with_shots: Path) -> None:
    shots = gpd.read_parquet(with_shots / "shots.parquet")
    assert shots["slope_deg"].notna().all()
    assert shots["slope_deg"].between(0, 30).all()
    assert shots["above_dem_m"].notna().all()


def test_the_card_says_that_nobody_measured_the_response(with_shots: Path) -> None:
    run = run_folder(with_shots).with_name("lidar-2025")
    card = json.loads((run / "train" / "models" / "stock" / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["origin"] == "gedi_l4a"
    assert card["response"] == {"name": "agbd_t_ha", "unit": "t/ha"}


def test_the_figure_carries_the_warning(with_shots: Path) -> None:
    table = estimates(run_folder(with_shots).with_name("lidar-2025"))
    row = table[table["quantity"] == "mean:agbd_t_ha"].iloc[0]
    assert 40 < row["value"] < 100
    assert row["note"] == "gedi.note_row"


def test_the_report_carries_the_warning(with_shots: Path) -> None:
    page = (run_folder(with_shots).with_name("lidar-2025") / "report" / "report.html").read_text(encoding="utf-8")
    assert "GEDI L4A is not ground truth" in page
    assert "GEDI L4A 不是地面实测" in page


def test_the_log_carries_the_warning(with_shots: Path) -> None:
    assert "not ground truth" in (with_shots / "said.txt").read_text("utf-8")


def test_shots_are_no_probability_sample(with_shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(with_shots, tmp_path)
    config = folder / CONFIG
    config.write_text(config.read_text("utf-8").replace('"purposive"', '"systematic"'), "utf-8")
    assert call("check", config) == 2
    assert "these are GEDI shots" in "".join(capsys.readouterr())


def test_shots_of_a_simulation_are_marked() -> None:
    shots = {
        "shot_number": [1],
        "beam": ["BEAM0101"],
        "time": [np.datetime64("2024-06-01", "ms")],
        "lon": [113.0],
        "lat": [27.8],
        "agbd_t_ha": [80.0],
        "agbd_se_t_ha": [9.0],
        "l4_quality_flag": [1],
        "degrade_flag": [0],
    }
    assert as_table(shots, where="virtual", simulated=True)["simulated"].tolist() == [True]
