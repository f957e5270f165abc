"""New field plots: where they are drawn, what is to be filled in, and that it is read back."""

from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from sinkest.errors import InputError, RunError
from sinkest.learn.places import grid_position
from sinkest.learn.table import read_plots
from sinkest.sample import PlotOptions, draw, draw_plots
from sinkest.sample.frame import frame_map, open_run
from tests.project_fixture import CONFIG, call

GPKG, KML = "plots_sample.gpkg", "plots_sample.kml"


@pytest.fixture
def config(project: Path) -> Path:
    """A project without a run: plots need no map."""
    return project / CONFIG


def positions(config: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    points = gpd.read_file(folder / GPKG)
    row, col, inside = grid_position(open_run(config).grid, points["lon"].to_numpy(), points["lat"].to_numpy())
    assert inside.all()
    return row, col


def drawable(config: Path) -> np.ndarray:
    return frame_map(open_run(config), lambda block: np.ones((block.height, block.width), np.uint8))


def test_a_grid_takes_every_point_of_the_area_at_its_spacing(config: Path, tmp_path: Path) -> None:
    draw_plots(config, tmp_path, PlotOptions(spacing_m=1200.0))
    row, col = positions(config, tmp_path)
    # 1200 m are ten pixels of 120 m.
    assert len(set(row % 10)) == 1
    assert len(set(col % 10)) == 1
    land = drawable(config)
    expected = {(r, c) for r, c in np.argwhere(land) if r % 10 == row[0] % 10 and c % 10 == col[0] % 10}
    assert set(zip(row.tolist(), col.tolist(), strict=True)) == expected


def test_the_start_of_the_grid_is_random(config: Path, tmp_path: Path) -> None:
    starts = set()
    for seed in range(4):
        draw_plots(config, tmp_path / str(seed), PlotOptions(spacing_m=2400.0, seed=seed))
        row, col = positions(config, tmp_path / str(seed))
        starts.add((row[0] % 20, col[0] % 20))
    assert len(starts) > 1


def test_a_count_chooses_the_spacing(config: Path, tmp_path: Path) -> None:
    draw_plots(config, tmp_path, PlotOptions(count=150))
    assert 120 <= len(gpd.read_file(tmp_path / GPKG)) <= 220


def test_random_plots_are_as_many_as_asked_for_and_all_on_land_of_the_area(config: Path, tmp_path: Path) -> None:
    draw_plots(config, tmp_path, PlotOptions(count=80, design="random"))
    row, col = positions(config, tmp_path)
    assert len(set(zip(row.tolist(), col.tolist(), strict=True))) == 80
    assert drawable(config)[row, col].all()


def test_the_columns_are_those_of_the_plots_table(config: Path, tmp_path: Path) -> None:
    draw_plots(config, tmp_path, PlotOptions(count=30, design="random"))
    points = gpd.read_file(tmp_path / GPKG)
    assert list(points.columns) == [
        *("plot_id", "lon", "lat", "date", "volume_m3_ha", "forest_type", "age_group", "age_years", "area_ha"),
        *("zone_id", "previous_date", "previous_volume_m3_ha", "simulated", "crew", "note", "geometry"),
    ]
    assert points["plot_id"].tolist()[:2] == ["P2025-0001", "P2025-0002"]
    assert points[["date", "volume_m3_ha", "forest_type", "area_ha", "previous_date"]].isna().all(axis=None)
    assert not points["simulated"].any()


def test_filled_in_plots_are_read_back(config: Path, tmp_path: Path) -> None:
    draw_plots(config, tmp_path, PlotOptions(count=20, design="random"))
    points = gpd.read_file(tmp_path / GPKG)
    points["date"] = pd.Timestamp("2025-10-31")
    points["volume_m3_ha"] = [0.0, 88.5] * 10
    points["forest_type"] = [None, "杉木林"] * 10
    points.to_file(tmp_path / "filled.gpkg", driver="GPKG")
    run = open_run(config)
    found = read_plots(tmp_path / "filled.gpkg", classes={"fir": ("1", "杉木林")}, grid=run.grid)
    assert found["forest_type"].tolist() == ["", "fir"] * 10
    assert found["zone_id"].isin(run.zones.ids).all()


def test_empty_plots_are_named(config: Path, tmp_path: Path) -> None:
    draw_plots(config, tmp_path, PlotOptions(count=5, design="random"))
    with pytest.raises(InputError, match=r"column 'volume_m3_ha': no value; .* for P2025-0001"):
        read_plots(tmp_path / GPKG)


def test_the_kml_has_every_plot(config: Path, tmp_path: Path) -> None:
    draw_plots(config, tmp_path, PlotOptions(count=25, design="random"))
    space = "{http://www.opengis.net/kml/2.2}"
    marks = list(ElementTree.parse(tmp_path / KML).iter(f"{space}Placemark"))
    assert len(marks) == 25
    assert all("样地 P2025-" in mark.findtext(f"{space}description") for mark in marks)


def test_the_same_seed_gives_the_same_bytes(config: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_plots(config, tmp_path / name, PlotOptions(spacing_m=2000.0, seed=3))
    for name in (GPKG, KML):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_readme_names_design_and_file(config: Path, tmp_path: Path) -> None:
    draw_plots(config, tmp_path, PlotOptions(count=12, design="random"))
    text = (tmp_path / "README_plots.md").read_text(encoding="utf-8")
    assert text.count('design = "random"') == 2
    assert text.count(f'plots = "{(tmp_path / GPKG).as_posix()}"') == 2
    assert "volume of 0" in text
    assert "蓄积量填 0" in text


def test_plots_that_were_filled_in_are_not_overwritten(config: Path, tmp_path: Path) -> None:
    (tmp_path / GPKG).write_bytes(b"the work of a summer")
    with pytest.raises(RunError, match="nothing was written"):
        draw_plots(config, tmp_path, PlotOptions(count=12))
    assert [path.name for path in tmp_path.iterdir()] == [GPKG]


@pytest.mark.parametrize(
    "options, key",
    [
        ({}, "sample.count_or_spacing"),
        ({"count": 10, "spacing_m": 1000.0}, "sample.count_or_spacing"),
        ({"design": "random"}, "sample.random_needs_count"),
        ({"design": "random", "count": 10, "spacing_m": 1000.0}, "sample.spacing_of_random"),
        ({"spacing_m": 60.0}, "sample.spacing"),
        ({"spacing_m": 1e6}, "sample.empty_grid"),
        ({"count": 10_000_000}, "sample.plots_out_of_range"),
        ({"count": 10, "se": 1.0}, "sample.other_kind"),
        ({"count": 10, "allocation": "equal"}, "sample.other_kind"),
    ],
)
def test_what_cannot_be_drawn_is_refused(config: Path, tmp_path: Path, options: dict[str, object], key: str) -> None:
    with pytest.raises(InputError) as refused:
        draw(config, "plots", tmp_path / "out", options)
    assert refused.value.key == key
    assert refused.value.message.text("zh") != refused.value.message.text("en")
    assert not (tmp_path / "out").exists()


def test_too_dense_a_grid_is_refused(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinkest.sample.plots.LARGEST", 50)
    with pytest.raises(InputError, match="the limit is 50"):
        draw_plots(config, tmp_path / "out", PlotOptions(spacing_m=240.0))


def test_the_command_prints_what_it_drew(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--lang", "zh", "sample", config, "plots", "--spacing", 3000, "--out", tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert "按 3000 米方格网" in told
    assert str(tmp_path / "out" / GPKG) in told


def test_a_wrong_option_is_one_line_and_exit_2(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("sample", config, "plots", "--spacing", 3000, "--minimum", 5) == 2
    assert "--minimum does not apply to a sample of the kind plots" in capsys.readouterr().err
