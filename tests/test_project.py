from pathlib import Path

import geopandas as gpd
import pytest

from sinkest.config import load_config
from sinkest.errors import RunError
from sinkest.project import write_project


def test_a_project_is_a_valid_configuration_with_documented_tables(tmp_path: Path) -> None:
    written = {path.name for path in write_project(tmp_path / "city")}
    assert written == {
        "config.toml",
        "plots.csv",
        "reference.csv",
        "strata.csv",
        "wetland_sites.csv",
        "README.txt",
        "labels.gpkg",
    }
    assert load_config(tmp_path / "city" / "config.toml").spec.name == "zhuzhou"
    lines = (tmp_path / "city" / "plots.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("plot_id,lon,lat,date,volume_m3_ha")
    assert all(line.lstrip('"').startswith("#") for line in lines[1:])
    labels = gpd.read_file(tmp_path / "city" / "labels.gpkg")
    assert "land_cover" in labels.columns
    assert labels.crs.to_epsg() == 4326


def test_files_of_the_user_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "plots.csv").write_text("mine")
    written = [path.name for path in write_project(tmp_path)]
    assert (tmp_path / "plots.csv").read_text() == "mine"
    assert "plots.csv" not in written
    assert write_project(tmp_path) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "city").write_text("")
    with pytest.raises(RunError, match="city cannot be written"):
        write_project(tmp_path / "city")
