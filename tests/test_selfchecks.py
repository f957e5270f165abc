"""A run whose numbers contradict each other or its maps stops, and says which check it was."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from sinkest.config import load_config
from sinkest.errors import RunError
from sinkest.progress import Silent
from sinkest.runstore import RunStore
from sinkest.stages import mapping
from sinkest.stages.context import Run
from sinkest.stages.inference import Frame
from sinkest.stages.selfchecks import check_maps, check_table
from sinkest.tidy import tidy
from tests.project_fixture import CONFIG, call, run_folder

ZONES = {"a": 60.0, "b": 40.0}
SHARES = {"a": 0.6, "b": 0.4, "all": 1.0}
FIGURES = {
    "forest_coverage": ("%", 50.0),
    "forest_area": ("ha", 50.0),
    "class_area:fir": ("ha", 30.0),
    "class_area:other": ("ha", 70.0),
    "growing_stock": ("m3", 100.0),
    "stock_by_type:fir": ("m3", 100.0),
    "carbon:arbor": ("t C", 20.0),
    "carbon:bamboo": ("t C", 10.0),
    "carbon:total": ("t C", 30.0),
    "co2_total": ("t CO2", 110.0),
    "sink": ("t CO2/yr", 1.0),
    "sink:remaining": ("t CO2/yr", 3.0),
    "sink:lost": ("t CO2/yr", -2.0),
    "wetland_burial": ("t CO2/yr", 5.0),
    "wetland_methane_co2e": ("t CO2e/yr", -7.0),
    "wetland_flooding": ("t CO2/yr", -1.0),
    "wetland_net": ("t CO2e/yr", -3.0),
}


def table(**changes: dict[str, object]) -> pd.DataFrame:
    """Two zones of 60 and 40 ha with figures that agree; changes by quantity, to the row of zone a."""
    rows = []
    for quantity, (unit, value) in FIGURES.items():
        for zone, share in SHARES.items():
            scaled = value if unit == "%" else value * share
            row = {"quantity": quantity, "zone": zone, "year": 2025, "value": scaled, "unit": unit, "level": 0.95}
            row |= {"se": 1.0, "low": scaled - 2, "high": scaled + 2, "n": 10, "method": "m", "status": "ok"}
            rule = "" if quantity.startswith("wetland_") else "forest_current_rule"
            row |= {"definition_id": rule, "provisional": False, "simulated": True, "note": ""}
            rows.append(row | (changes.get(quantity.replace(":", "_"), {}) if zone == "a" else {}))
    return tidy(rows)


def test_figures_that_agree_pass() -> None:
    check_table(table(), ZONES, 2025)


@pytest.mark.parametrize(
    "quantity, change, says",
    [
        ("sink", {"zone": "c"}, "unknown zone or another year: sink, c, 2025"),
        ("sink", {"year": 2024}, "unknown zone or another year: sink, a, 2024"),
        ("sink", {"unit": "t C/yr"}, "unit that is not the quantity's: sink, a, 2025, t C/yr"),
        ("carbon_arbor", {"unit": "t CO2"}, "unit that is not the quantity's: carbon:arbor"),
        ("sink", {"definition_id": "mine"}, "definition that is not known: sink, a, 2025, t CO2/yr, mine"),
        (
            "forest_coverage",
            {"definition_id": "tree_cover"},
            "cannot be theirs: forest_coverage, a, 2025, %, tree_cover",
        ),
        ("forest_coverage", {"definition_id": ""}, "cannot be theirs: forest_coverage"),
        ("forest_area", {"definition_id": ""}, "cannot be theirs: forest_area"),
        ("wetland_net", {"definition_id": "forest_current_rule"}, "cannot be theirs: wetland_net"),
        ("sink", {"se": -1.0}, "infinite value, a negative error"),
        ("sink", {"high": math.inf}, "infinite value, a negative error"),
        ("sink", {"low": 9.0}, "interval turned round"),
        ("growing_stock", {"value": 61.0}, r"the parts of growing_stock \(a\) give 60, the total says 61"),
        ("carbon_bamboo", {"value": 6.1}, r"the parts of carbon:total \(a\) give 18.1, the total says 18"),
        ("sink_lost", {"value": 1.2}, r"the parts of sink \(a\) give 3, the total says 0.6"),
        ("co2_total", {"value": 18.0}, r"the parts of co2_total \(a\) give 66, the total says 18"),
        ("forest_coverage", {"value": 51.0}, r"the parts of forest_area \(a\) give 30.6, the total says 30"),
        ("wetland_net", {"value": 1.2}, r"the parts of wetland_net \(a\) give -1.8, the total says 1.2"),
        ("class_area_other", {"value": 41.0}, "classes of zone a have 59 ha together, the zone has 60 ha"),
    ],
)
def test_figures_that_contradict_each_other_stop_the_run(quantity: str, change: dict, says: str) -> None:
    with pytest.raises(RunError, match=says):
        check_table(table(**{quantity: change}), ZONES, 2025)


def test_a_coverage_that_is_declined_claims_no_rule() -> None:
    declined = {"value": math.nan, "se": math.nan, "low": math.nan, "high": math.nan, "status": "declined"}
    check_table(table(forest_coverage=declined | {"definition_id": "tree_cover"}), ZONES, 2025)


def test_every_definition_that_a_figure_stands_under_is_checked() -> None:
    """31 ha of 60 are 51.7 %, not the 40 % that stand beside them; the first definition of the table agrees."""
    other = table(forest_area={"value": 31.0}, forest_coverage={"value": 40.0})
    other = other[other["quantity"].isin(["forest_area", "forest_coverage"]) & (other["zone"] == "a")]
    both = pd.concat([table(), other.assign(definition_id="forest_old_rule", low=0.0, high=99.0)], ignore_index=True)
    with pytest.raises(RunError, match=r"the parts of forest_area \(a\) give 24, the total says 31"):
        check_table(both, ZONES, 2025)


def test_more_forest_than_land_stops_the_run() -> None:
    both = {"forest_area": {"value": 66.0}, "forest_coverage": {"value": 110.0}}
    with pytest.raises(RunError, match=r"forest_area of zone a is 66\.0 ha, the zone has 60\.0 ha"):
        check_table(table(**both), ZONES, 2025)


# -- maps -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def placed(finished: Path) -> Run:
    config = load_config(finished / CONFIG)
    return Run(config, RunStore(config.run_folder), Silent(), 1, 512)


def test_sums_are_those_of_the_maps_on_disk(placed: Run) -> None:
    folder = placed.store.folder("map")
    check_maps(placed, folder, mapping.read_sums(folder))


def changed_map(run: Path, folder: Path, name: str) -> Path:
    """A copy of a run's map with a few other pixels."""
    folder.mkdir()
    for other in ("land_cover", "forest", "stock"):
        with rasterio.open(run / "map" / f"{other}.tif") as source:
            profile, values = dict(source.profile), source.read()
        if other == name:
            rows, cols = np.nonzero(values[0] > (name == "forest"))
            values[0, rows[:5], cols[:5]] = 1 if name == "forest" else 0
        with rasterio.open(folder / f"{other}.tif", "w", **profile) as target:
            target.write(values)
    return folder


@pytest.mark.parametrize("name", ["land_cover", "forest", "stock"])
def test_a_map_that_is_not_the_one_that_was_summed_stops_the_run(placed: Run, tmp_path: Path, name: str) -> None:
    sums = mapping.read_sums(placed.store.folder("map"))
    with pytest.raises(RunError, match=rf"{name}\.tif \(4302"):
        check_maps(placed, changed_map(placed.store.root, tmp_path / "map", name), sums)


def test_a_map_that_does_not_fill_a_zone_stops_the_run(placed: Run) -> None:
    folder = placed.store.folder("map")
    sums = mapping.read_sums(folder)
    sums["class_m2"].iloc[0, 1] *= 0.5
    with pytest.raises(RunError, match=r"the map covers .* ha of zone 430202"):
        check_maps(placed, folder, sums)


def test_a_run_stops_and_leaves_no_report(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One figure is given another unit on its way: the run itself must notice."""
    row = Frame.row

    def wrong(self: Frame, quantity: str, zone: str, unit: str, value: float, *more: float, **named: object):
        return row(self, quantity, zone, "t" if quantity == "growing_stock" else unit, value, *more, **named)

    run = run_folder(copy)
    for left in (run / "stages" / "estimate.json", run / "manifest.json"):
        left.unlink()
    shutil.rmtree(run / "estimate")
    monkeypatch.setattr(Frame, "row", wrong)
    assert call("run", copy / CONFIG) == 2
    said = capsys.readouterr().err
    assert "internal check: 4 row(s) of the results have a unit that is not the quantity's: growing_stock, all" in said
    assert not (run / "estimate").exists()
    assert not (run / "manifest.json").exists()
