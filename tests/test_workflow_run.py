"""One run from end to end: what it writes, how it marks and signs it, and that its numbers agree."""

import json
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import rasterio

from sinkest.config import load_config
from sinkest.runstore import RunStore
from tests.project_fixture import CONFIG, SIMULATED, STAGES, call, estimates, run_folder

MAPS = ("applicability", "forest", "land_cover", "looks", "stock", "stock_sd")
TABLES = (
    "conversion_sets",
    "estimates",
    "factors",
    "gain_loss",
    "scenarios",
    "shares",
    "sink_detail",
    "stock_detail",
    "targets",
    "trajectory",
    "uncertainty",
    "wetland",
    "wetland_sensitivity",
    "wetland_sites",
)
EXPECTED = {
    "compose": {"composite.tif", "scenes.json"},
    "train": {"plots.csv"}
    | {
        f"models/{model}/{file}"
        for model in ("land_cover", "stock")
        for file in ("card.json", "estimator.skops", "model.toml")
    },
    "map": {f"{name}.{kind}" for name in MAPS for kind in ("tif", "qml")}
    | {f"{name}.tif.aux.xml" for name in ("applicability", "forest", "land_cover")}
    | {"sums.csv"},
    "estimate": {f"{name}.csv" for name in TABLES}
    | {"accuracy.json", "estimates.parquet", "outlines.json", "run.json"},
    "report": {
        *("counties.gpkg", "counties.parquet", "overview.png", "report.docx", "report.html", "workbook.xlsx"),
        *("stac/collection.json", "stac/item.json"),
    },
}


@pytest.fixture(params=[CONFIG, SIMULATED])
def run(request: pytest.FixtureRequest) -> Path:
    """A finished run: of scenes on disk, and of the simulator itself."""
    folder: Path = request.getfixturevalue("finished" if request.param == CONFIG else "simulated")
    return run_folder(folder, request.param)


def about(run: Path) -> dict[str, object]:
    return json.loads((run / "estimate" / "run.json").read_text(encoding="utf-8"))


def key_of(run: Path, stage: str) -> str:
    return json.loads((run / "stages" / f"{stage}.json").read_text(encoding="utf-8"))["key"]


def test_every_stage_leaves_its_outputs_and_nothing_else(run: Path) -> None:
    for stage in STAGES:
        folder = run / stage
        assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == EXPECTED[stage]
    assert {path.name for path in run.iterdir() if not path.name.startswith(".")} == {
        *STAGES,
        "stages",
        "manifest.json",
    }
    assert list((run / ".work").iterdir()) == []


def test_verify_finds_the_run_as_it_was_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify", run) == 0
    assert "as the manifest says" in capsys.readouterr().out


def test_show_prints_the_summary_and_where_the_report_lies(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("show", run) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for expected in ("SIMULATED DATA", "three districts 2025", "Forest area", "Growing stock", "Carbon", "verdict"):
        assert expected in shown
    assert str(run / "report" / "report.html") in shown


def test_rasters_say_that_they_are_simulated_and_which_stage_made_them(run: Path) -> None:
    for name in MAPS:
        with rasterio.open(run / "map" / f"{name}.tif") as source:
            tags = source.tags()
        assert tags["SIMULATED"].startswith("SIMULATED"), name
        assert tags["DEFINITION"] == "forest_current_rule", name
        assert tags["STAGE_KEY"] == key_of(run, "map"), name
        assert tags["YEAR"] == "2025", name
    with rasterio.open(run / "compose" / "composite.tif") as source:
        assert source.tags()["STAGE_KEY"] == key_of(run, "compose")


def test_a_composite_is_simulated_only_if_its_imagery_is(finished: Path, simulated: Path) -> None:
    with rasterio.open(run_folder(finished) / "compose" / "composite.tif") as source:
        assert "SIMULATED" not in source.tags()
    with rasterio.open(run_folder(simulated, SIMULATED) / "compose" / "composite.tif") as source:
        assert source.tags()["SIMULATED"].startswith("SIMULATED")


def test_every_table_says_that_it_is_simulated(run: Path) -> None:
    files = sorted(run.rglob("*.csv"))
    assert len(files) == len(TABLES) + 2
    for file in files:
        table = pd.read_csv(file, encoding="utf-8-sig")
        assert len(table) > 0, file.name
        assert table["simulated"].all(), file.name
    assert pd.read_parquet(run / "estimate" / "estimates.parquet")["simulated"].all()
    assert about(run)["simulated"] is True


def test_the_report_says_that_it_is_simulated(run: Path) -> None:
    page = (run / "report" / "report.html").read_text(encoding="utf-8")
    banner = page[page.index('<div class="hazard"') :][:800]
    assert "模拟数据 SIMULATED" in banner
    assert "No number on these pages describes a real place" in banner
    book = openpyxl.load_workbook(run / "report" / "workbook.xlsx")
    for sheet in book.worksheets:
        told = " ".join(str(cell) for row in sheet.iter_rows(max_row=8, values_only=True) for cell in row if cell)
        assert "SIMULATED DATA" in told, sheet.title
        assert "模拟数据" in told, sheet.title


def test_every_estimate_carries_the_run_and_the_report_names_it(run: Path) -> None:
    run_id = about(run)["run_id"]
    assert run_id == key_of(run, "estimate")[:12]
    for name in TABLES:
        table = pd.read_csv(run / "estimate" / f"{name}.csv", encoding="utf-8-sig", dtype={"run_id": str})
        assert set(table["run_id"]) == {run_id}, name
        assert "definition_id" in table, name
    for name in ("accuracy", "outlines"):
        assert json.loads((run / "estimate" / f"{name}.json").read_text())["run_id"] == run_id
    assert str(run_id) in (run / "report" / "report.html").read_text(encoding="utf-8")
    for sheet in openpyxl.load_workbook(run / "report" / "workbook.xlsx").worksheets:
        assert any(str(run_id) in str(row[0]) for row in sheet.iter_rows(max_row=4, values_only=True)), sheet.title


def test_estimates_of_forest_carry_the_definition(run: Path) -> None:
    table = estimates(run)
    of_forest = table["quantity"].str.startswith(("forest_", "growing_stock", "stock_", "arbor", "class_area"))
    assert set(table.loc[of_forest, "definition_id"]) == {"forest_current_rule"}
    assert set(table.loc[table["quantity"] == "tree_cover", "definition_id"]) == {"tree_cover"}


@pytest.mark.parametrize(
    "quantity",
    ["forest_area", "growing_stock", "stock_change", "pixel_forest_area", "pixel_growing_stock", "carbon:arbor"],
)
def test_districts_add_up_to_the_whole(run: Path, quantity: str) -> None:
    rows = estimates(run).query("quantity == @quantity").set_index("zone")["value"]
    assert len(rows) == 4
    assert rows.drop("all").sum() == pytest.approx(rows["all"], rel=1e-9)


def test_classes_add_up_to_the_area(run: Path) -> None:
    table = estimates(run)
    whole = table[table["quantity"].str.startswith("class_area:") & (table["zone"] == "all")]
    # Sum of the geodesic areas of the three districts, as the boundary file gives them.
    area = sum(zone["area_ha"] for zone in about(run)["zones"])  # type: ignore[attr-defined]
    assert whole["value"].sum() == pytest.approx(area, rel=1e-9)


def test_the_mapped_area_is_the_area_of_the_districts(run: Path) -> None:
    sums = pd.read_csv(run / "map" / "sums.csv", dtype={"zone": str})
    mapped = sums[sums["measure"] == "class_m2"].groupby("zone")["value"].sum() / 1e4
    for zone in about(run)["zones"]:  # type: ignore[attr-defined]
        assert mapped[zone["zone_id"]] == pytest.approx(zone["area_ha"], rel=1e-4)


def test_targets_show_the_intervals_of_the_estimates(run: Path) -> None:
    table = estimates(run).set_index(["quantity", "zone"])
    targets = pd.read_csv(run / "estimate" / "targets.csv", dtype={"zone": str}, encoding="utf-8-sig")
    judged = targets[targets["low"].notna()]
    assert {"forest_coverage", "growing_stock"} <= set(judged["quantity"])
    for row in judged.to_dict("records"):
        for end in ("low", "high"):
            assert row[end] == pytest.approx(float(table.loc[(row["quantity"], row["zone"]), end]), rel=1e-9)


def test_estimates_lie_in_their_intervals(run: Path) -> None:
    table = estimates(run).dropna(subset=["low", "high"])
    assert len(table) > 100
    assert bool(((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all())
    sampled = table[table["quantity"].isin(["forest_coverage", "growing_stock"])]
    assert bool((sampled["high"] > sampled["low"]).all())


def test_csv_and_parquet_hold_the_same_estimates(run: Path) -> None:
    parquet = pd.read_parquet(run / "estimate" / "estimates.parquet")
    np.testing.assert_array_equal(estimates(run)["value"].to_numpy(), parquet["value"].to_numpy())


def test_the_manifest_holds_the_settings_and_the_inputs(run: Path) -> None:
    manifest = RunStore(run).manifest()
    assert list(manifest["stages"]) == sorted(STAGES)
    assert manifest["config"]["settings"]["aoi"]["resolution_m"] == 120
    assert manifest["config"]["settings"]["execution"] == {"keep_composite": True}, "only what changes the outputs"
    inputs = manifest["stages"]["estimate"]["parts"]["files"]
    config = load_config(run.parents[1] / CONFIG)
    assert inputs["reference"] == RunStore(run).input_hash(config.file("reference.csv"))
    text = json.dumps(manifest)
    assert str(run.parents[1]) not in text, "a path of this machine stands in the manifest"


def test_no_output_names_a_path_of_this_machine(run: Path) -> None:
    here = str(run.parents[1]).encode()
    assert [path.name for path in run.rglob("*") if path.is_file() and here in path.read_bytes()] == [".hashes.json"]
