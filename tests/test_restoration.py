"""Treated land: geodesic areas of polygons, each hectare once, by zone and against the karst targets."""

import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import LineString, box

from sinkest.aoi import Zones, geodesic_area_m2
from sinkest.errors import InputError
from sinkest.explain import explain
from sinkest.learn.table import read_treatments
from sinkest.shipped import shipped
from sinkest.stages.inference import Frame, tidy
from sinkest.stages.treatments import treated
from sinkest.targetfile import read_targets
from sinkest.targets import assess
from tests.project_fixture import (
    CONFIG,
    call,
    edit,
    estimates,
    finished,  # noqa: F401
    project,  # noqa: F401
    run_folder,
)

WEST, EAST = box(113.0, 27.0, 113.5, 27.5), box(113.5, 27.0, 114.0, 27.5)


def zones() -> Zones:
    frame = gpd.GeoDataFrame(
        {"zone_id": ["1", "2"], "name_zh": ["西", "东"], "name_en": ["west", "east"],
         "area_m2": [geodesic_area_m2(shape) for shape in (WEST, EAST)]},
        geometry=[WEST, EAST],
        crs="EPSG:4326",
    )  # fmt: skip
    return Zones(frame, "test", "wgs84")


def frame() -> Frame:
    area = dict(zip(zones().ids, zones().frame["area_m2"] / 1e4, strict=True))
    return Frame(2025, 0.95, "forest_current_rule", False, area)


def polygons(*rows: tuple[str, str, int, object]) -> gpd.GeoDataFrame:
    table = pd.DataFrame([row[:3] for row in rows], columns=["treatment_id", "kind", "year"]).assign(method="")
    return gpd.GeoDataFrame(table, geometry=[row[3] for row in rows], crs="EPSG:4326")


def areas(*rows: tuple[str, str, int, object]) -> dict[tuple[str, str], float]:
    found, _, _ = treated(polygons(*rows), zones(), frame())
    return {(str(row["quantity"]), str(row["zone"])): float(row["value"]) for row in found}


def hectares(shape: object) -> float:
    return geodesic_area_m2(shape) / 1e4


def test_the_area_is_that_on_the_ellipsoid_and_zones_add_up() -> None:
    across = box(113.4, 27.1, 113.6, 27.2)
    found = areas(("a", "closure", 2022, across))
    # 0.2 x 0.1 degrees at 27.15 N: 19.81 km x 11.08 km
    assert found["karst_closure_area", "all"] == pytest.approx(21_950, rel=0.01)
    assert found["karst_closure_area", "all"] == pytest.approx(hectares(across), rel=1e-9)
    assert found["karst_closure_area", "1"] == pytest.approx(hectares(box(113.4, 27.1, 113.5, 27.2)), rel=1e-9)
    total = found["karst_closure_area", "1"] + found["karst_closure_area", "2"]
    assert total == pytest.approx(found["karst_closure_area", "all"], rel=1e-12)
    assert found["karst_planted_area", "all"] == 0
    assert ("corridor_treated_area", "all") not in found


def test_land_treated_twice_counts_once_under_its_first_treatment() -> None:
    first, second = box(113.1, 27.1, 113.2, 27.2), box(113.15, 27.1, 113.25, 27.2)
    found = areas(("late", "planted", 2023, second), ("early", "closure", 2021, first))
    assert found["karst_closure_area", "all"] == pytest.approx(hectares(first), rel=1e-9)
    assert found["karst_planted_area", "all"] == pytest.approx(hectares(box(113.2, 27.1, 113.25, 27.2)), rel=1e-9)
    parts = found["karst_closure_area", "all"] + found["karst_planted_area", "all"]
    assert found["karst_treated_area", "all"] == pytest.approx(parts, rel=1e-12)
    _, _, notes = treated(polygons(("a", "planted", 2023, second), ("b", "closure", 2021, first)), zones(), frame())
    assert "restoration.twice" in {note.key for note in notes}


def test_corridors_are_counted_apart() -> None:
    land = box(113.1, 27.1, 113.2, 27.2)
    found = areas(("a", "closure", 2022, land), ("b", "corridor", 2021, land))
    assert found["karst_treated_area", "all"] == pytest.approx(hectares(land), rel=1e-9)
    assert found["corridor_treated_area", "all"] == pytest.approx(hectares(land), rel=1e-9)


def test_treatments_of_later_years_and_land_outside_are_not_counted_and_it_is_said() -> None:
    beyond = box(112.9, 27.1, 113.1, 27.2)
    rows, _, notes = treated(
        polygons(("a", "closure", 2022, beyond), ("b", "closure", 2026, box(113.3, 27.3, 113.4, 27.4))),
        zones(),
        frame(),
    )
    whole = next(row for row in rows if row["quantity"] == "karst_treated_area" and row["zone"] == "all")
    assert whole["value"] == pytest.approx(hectares(box(113.0, 27.1, 113.1, 27.2)), rel=1e-9)
    said = {note.key for note in notes}
    assert {"restoration.later", "restoration.beyond", "restoration.no_trend"} <= said


def test_the_three_karst_targets_are_judged() -> None:
    rows, _, _ = treated(polygons(("a", "closure", 2022, box(113.4, 27.1, 113.6, 27.2))), zones(), frame())
    found = assess(tidy(rows), read_targets(shipped("configs/targets-zhuzhou.toml")), 2025).set_index("target_id")
    assert found.loc["karst_closure", "verdict"] == "met"
    assert found.loc["karst_treated", "verdict"] == "met"
    assert found.loc["karst_planted", "verdict"] == "not_met"


def written(folder: Path, table: gpd.GeoDataFrame, name: str = "treatments.geojson") -> Path:
    table.to_file(folder / name, driver="GeoJSON")
    return folder / name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(kind="plantd"), "kind"),
        (lambda t: t.assign(year=1200), "year"),
        (lambda t: t.drop(columns="year"), "year"),
        (lambda t: pd.concat([t, t]), "treatment_id"),
        (lambda t: t.set_geometry([LineString([(113.1, 27.1), (113.2, 27.2)])]), "treatments.geojson"),
    ],
)
def test_a_bad_file_is_refused_with_the_column(tmp_path: Path, change, said: str) -> None:
    table = change(polygons(("a", "closure", 2022, box(113.1, 27.1, 113.2, 27.2))))
    with pytest.raises(InputError) as refused:
        read_treatments(written(tmp_path, table))
    assert said in str(refused.value)


def test_a_run_counts_them_judges_them_and_explains_them(
    finished: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(finished, folder)
    shape = gpd.read_file(folder / "zones.geojson").to_crs("EPSG:4326").geometry.iloc[0]
    centre = shape.representative_point()
    plot = box(centre.x - 0.002, centre.y - 0.002, centre.x + 0.002, centre.y + 0.002)
    written(folder, polygons(("K1", "planted", 2023, plot)))
    edit(folder / CONFIG, "[account]", '[restoration]\ntreatments = "treatments.geojson"\n\n[account]')
    assert call("--lang", "en", "estimate", folder / CONFIG) == 0
    table = estimates(run_folder(folder))
    rows = table[(table["quantity"] == "karst_planted_area") & (table["zone"] == "all")]
    assert rows["value"].iloc[0] == pytest.approx(hectares(plot), rel=1e-9)
    found = explain(run_folder(folder), "karst_planted_area")
    assert found.agrees
    assert any(
        line.startswith("K1: ") for part in found.parts if part.id == "steps" for line in (x.en for x in part.lines)
    )
    written(folder, polygons(("K9", "planted", 2023, box(100.0, 20.0, 100.1, 20.1))))
    capsys.readouterr()
    assert call("--lang", "en", "check", folder / CONFIG) == 2
    shown = capsys.readouterr()
    assert "K9" in shown.out + shown.err
