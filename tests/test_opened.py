"""A finished run opened from Python: units, lazy maps, figures that are the run's, and clear refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import rasterio

import sinkest
from sinkest.errors import InputError, RunError
from tests.project_fixture import estimates, run_folder

mpl.use("agg")


@pytest.fixture(scope="module")
def folder(finished: Path) -> Path:
    return run_folder(finished)


@pytest.fixture(scope="module")
def run(folder: Path) -> sinkest.OpenRun:
    return sinkest.open_run(folder)


def test_maps_are_lazy_datasets_with_units_and_classes(run: sinkest.OpenRun, folder: Path) -> None:
    maps = run.maps
    assert {"land_cover", "stock", "stock_sd", "forest", "applicability", "looks"} == set(maps.data_vars)
    assert maps["stock"].chunks is not None
    assert maps["stock"].attrs["units"] == "m3/ha"
    cover = maps["land_cover"].attrs
    assert len(cover["flag_values"]) == len(cover["flag_meanings"]) == len(cover["flag_colours"]) == 15
    with rasterio.open(folder / "map" / "stock.tif") as source:
        stored = source.read(1, masked=True)
        assert maps.rio.crs == source.crs
    assert np.nanmax(maps["stock"].to_numpy()) == stored.max()
    assert int(np.isnan(maps["stock"].to_numpy()).sum()) == int(np.ma.getmaskarray(stored).sum())


def test_the_composite_is_in_real_values(run: sinkest.OpenRun, folder: Path) -> None:
    composite = run.composite
    first = next(iter(composite.data_vars))
    assert composite[first].attrs["units"] == "1"
    with rasterio.open(folder / "compose" / "composite.tif") as source:
        stored = source.read(1, masked=True).astype(float) * source.scales[0]
        assert source.descriptions[0] == first
    assert float(composite[first].max()) == pytest.approx(float(stored.max()))


def test_a_figure_is_the_one_of_the_tidy_table(run: sinkest.OpenRun, folder: Path) -> None:
    table = estimates(folder)
    row = table[(table["quantity"] == "growing_stock") & (table["zone"] == "all")].iloc[0]
    found = run.estimate("growing_stock")
    assert (found["value"], found["unit"]) == (row["value"], "m3")
    assert run.estimate("growing_stock", "430202")["value"] < found["value"]


def test_zones_carry_printed_figures_and_their_units(run: sinkest.OpenRun) -> None:
    assert len(run.counties) == 3
    assert run.counties.attrs["units"]["growing_stock_m3"] == "m3"
    assert run.counties["growing_stock_m3"].sum() == run.city["growing_stock_m3"].iloc[0]
    assert run.counties.crs.to_epsg() == 4326


def test_plots_and_tables_are_there(run: sinkest.OpenRun) -> None:
    assert {"volume_m3_ha", "prediction", "geometry"} <= set(run.plots.columns)
    assert "shares" in run.tables
    assert set(run.table("shares")["quantity"]) >= {"carbon:total"}
    assert run.targets is not None
    assert "SIMULATED" in repr(run)


@pytest.mark.parametrize("name", ["land_cover", "stock", "looks"])
def test_a_map_is_drawn_with_its_own_colours(name: str, run: sinkest.OpenRun) -> None:
    axes = run.plot(name)
    assert str(run.data.year) in axes.get_title()
    assert [text.get_text() for text in axes.texts] == ["SIMULATED"]
    if name == "land_cover":
        shown = {text.get_text() for text in axes.get_legend().get_texts()}
        present = set(np.unique(run.maps[name].to_numpy()[~np.isnan(run.maps[name].to_numpy())]).astype(int).tolist())
        assert len(shown) == len(present)
    mpl.pyplot.close(axes.figure)


def test_zones_are_drawn_with_their_intervals(run: sinkest.OpenRun) -> None:
    axes = run.plot_counties("growing_stock_per_ha")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Hetang", "Lusong", "Shifeng"]
    assert axes.get_xlabel() == "m³/ha"
    mpl.pyplot.close(axes.figure)


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda run: run.estimate("gold"), "no figure 'gold'"),
        (lambda run: run.plot("gold"), "no map 'gold'"),
        (lambda run: run.table("gold"), "no table 'gold'"),
        (lambda run: run.plot_counties("gold"), "no figure 'gold'"),
    ],
)
def test_what_a_run_has_not_is_named_with_what_it_has(ask, told: str, run: sinkest.OpenRun) -> None:
    with pytest.raises(InputError) as refused:
        ask(run)
    assert told in str(refused.value)


def test_an_unfinished_run_is_refused(copy: Path) -> None:
    folder = run_folder(copy)
    (folder / "stages" / "report.json").unlink()
    with pytest.raises(RunError) as refused:
        sinkest.open_run(folder)
    assert refused.value.key == "run.no_stage"
    with pytest.raises(RunError) as refused:
        sinkest.open_run(folder / "map")
    assert refused.value.key == "run.no_manifest"


def test_parts_that_a_run_did_without_are_named(copy: Path) -> None:
    folder = run_folder(copy)
    (folder / "train" / "plots.csv").unlink()
    (folder / "compose" / "composite.tif").unlink()
    run = sinkest.open_run(folder)
    with pytest.raises(RunError) as refused:
        _ = run.plots
    assert refused.value.key == "opened.no_plots"
    with pytest.raises(RunError) as refused:
        _ = run.composite
    assert refused.value.key == "opened.no_composite"


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, json, sinkest; print(json.dumps([m for m in ('numpy', 'xarray', 'pandas') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
    with pytest.raises(AttributeError, match="gold"):
        _ = sinkest.gold
