"""Treated land: geodesic areas of polygons, each hectare once, by zone and against the karst targets."""

import json
import math
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.features import geometry_mask
from scipy.ndimage import binary_dilation, gaussian_filter
from shapely.geometry import LineString, box

from sinkest.account.greenness import Gain, Pixels, gain
from sinkest.aoi import Zones, geodesic_area_m2
from sinkest.errors import InputError
from sinkest.explain import explain
from sinkest.learn.table import read_treatments
from sinkest.runstore import RunStore
from sinkest.shipped import shipped
from sinkest.stages.inference import Frame
from sinkest.stages.treatments import treated
from sinkest.targets import assess
from sinkest.targets.file import read_targets
from sinkest.tidy import tidy
from tests.project_fixture import CONFIG, call, copied, edit, estimates, run_folder

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
    assert {"restoration.later", "restoration.beyond"} <= said


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
    finished: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = copied(finished, tmp_path)
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


# -- greenness --------------------------------------------------------------------------------------------------------


def pixels(change: np.ndarray, *, cover: int = 1, green: float | np.ndarray = 0.4, x0: float = 0.0) -> Pixels:
    """A row of pixels 1 km apart, all alike but for what is given."""
    n = len(change)
    covariates = np.column_stack([np.full(n, 300.0), np.full(n, 10.0), np.broadcast_to(green, n)])
    xy = np.column_stack([x0 + 1000.0 * np.arange(n), np.zeros(n)])
    return Pixels(np.full(n, cover), covariates, xy, np.asarray(change, dtype=float))


def test_the_gain_is_the_change_inside_less_that_of_the_controls() -> None:
    found = gain(pixels(np.full(60, 0.08)), pixels(np.full(60, 0.03), x0=200.0))
    assert found.value == pytest.approx(0.05)
    assert found.se == pytest.approx(0.0, abs=1e-12)
    assert (found.pixels, found.matched, found.blocks) == (60, 60, 12)


def test_only_land_of_the_same_cover_and_nearby_is_a_control() -> None:
    treated_land = pixels(np.full(60, 0.08))
    assert gain(treated_land, pixels(np.full(60, 0.03), cover=2)).matched == 0
    assert math.isnan(gain(treated_land, pixels(np.full(60, 0.03), cover=2)).value)
    assert gain(treated_land, pixels(np.full(60, 0.03), x0=200_000.0)).matched == 0


def test_few_blocks_give_no_interval() -> None:
    found = gain(pixels(np.full(20, 0.08)), pixels(np.full(40, 0.03), x0=200.0))
    assert found.blocks == 4
    assert found.value == pytest.approx(0.05)
    assert math.isnan(found.se)


def test_what_the_covariates_explain_is_taken_out() -> None:
    rng = np.random.default_rng(3)
    green, other = rng.uniform(0.3, 0.5, 60), rng.uniform(0.3, 0.5, 200)
    found = gain(pixels(0.05 + 0.5 * green, green=green), pixels(0.5 * other, green=other, x0=100.0))
    assert found.value == pytest.approx(0.05, abs=1e-9)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        gain(pixels(np.array([0.1, math.nan])), pixels(np.zeros(3)))
    assert refused.value.key == "restoration.not_finite"


def landscape(seed: int, effect: float) -> Gain:
    """A gain on land that was chosen because it was bare, in fields that vary over many pixels of 100 m."""
    rng, n = np.random.default_rng(seed), 160

    def field(width: float) -> np.ndarray:
        rough = gaussian_filter(rng.standard_normal((n, n)), width)
        return rough / rough.std()

    elevation, slope, cover = field(12), field(4), (field(8) > 0).astype(int)
    green = 0.4 + 0.08 * elevation + 0.03 * field(6)
    seen = green + 0.01 * rng.standard_normal((n, n))
    change = 0.015 * elevation + 0.02 * cover + 0.02 * field(6) + 0.01 * rng.standard_normal((n, n))
    inside = np.zeros((n, n), dtype=bool)
    while inside.sum() < 900:
        row, col = rng.integers(5, n - 15, 2)
        if green[row, col] < 0.4 or rng.random() < 0.2:
            inside[row : row + 5, col : col + 5] = True
    y, x = np.mgrid[:n, :n] * 100.0

    def chosen(mask: np.ndarray) -> Pixels:
        covariates = np.column_stack([elevation[mask], slope[mask], seen[mask]])
        return Pixels(cover[mask], covariates, np.column_stack([x[mask], y[mask]]), (change + effect * inside)[mask])

    return gain(chosen(inside), chosen(~binary_dilation(inside, iterations=3)))


def test_intervals_hold_a_known_gain_on_land_that_was_chosen_for_being_bare() -> None:
    found = [landscape(seed, 0.03) for seed in range(40)]
    held = sum(item.low <= 0.03 <= item.high for item in found)
    # 95 % of 40 less three standard errors of a share is 34
    assert held >= 34
    errors = np.array([item.value - 0.03 for item in found])
    assert abs(errors.mean()) < 0.5 * errors.std()
    assert errors.std() == pytest.approx(np.mean([item.se for item in found]), rel=0.35)


SQUARES = [box(x, y, x + 900.0, y + 900.0) for x in np.arange(0, 24_000, 6_000) for y in np.arange(0, 24_000, 6_000)]


def earlier_images(folder: Path, shapes: list) -> Path:
    """A sealed run of 2020 whose near infrared was a fifth lower on treated land, and the same elsewhere."""
    now, store = run_folder(folder), RunStore(folder / "runs" / "districts-2020")

    def compose(working: Path) -> None:
        shutil.copy(now / "compose" / "composite.tif", working / "composite.tif")
        with rasterio.open(working / "composite.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as target:
            place = target.descriptions.index("summer_nir") + 1
            stored = target.read(place)
            inside = ~geometry_mask(shapes, target.shape, target.transform)
            changed = np.where(inside & (stored != target.nodata), np.rint(stored * 0.8), stored)
            target.write(changed.astype(stored.dtype), place)

    def kept(stage: str, *names: str):
        def work(working: Path) -> None:
            for name in names:
                shutil.copy(now / stage / name, working / name)

        return work

    def train(working: Path) -> None:
        plots = pd.read_csv(now / "train" / "plots.csv", dtype={"plot_id": str})
        plots = plots.assign(date=plots["previous_date"], volume_m3_ha=plots["previous_volume_m3_ha"])
        plots.to_csv(working / "plots.csv", index=False)

    def estimate(working: Path) -> None:
        table = pd.read_parquet(now / "estimate" / "estimates.parquet").assign(year=2020)
        table.to_parquet(working / "estimates.parquet", index=False)
        about = json.loads((now / "estimate" / "run.json").read_text(encoding="utf-8"))
        (working / "run.json").write_text(json.dumps({**about, "year": 2020}), encoding="utf-8")

    work = {
        "compose": compose,
        "train": train,
        "map": kept("map", "land_cover.tif"),
        "estimate": estimate,
    }
    for stage, make in work.items():
        store.run_stage(stage, {"made": "for the test"}, make)
    store.write_manifest({"year": 2020}, list(work))
    return store.root


def test_a_run_with_an_earlier_one_tells_how_much_greener_treated_land_grew(
    finished: Path,
    tmp_path: Path,
) -> None:
    folder = copied(finished, tmp_path)
    with rasterio.open(run_folder(folder) / "compose" / "composite.tif") as source:
        left, low, crs = source.bounds.left, source.bounds.bottom, source.crs
    placed = gpd.GeoSeries(SQUARES, crs=crs).translate(left + 3_000, low + 3_000)
    whole = gpd.read_file(folder / "zones.geojson").to_crs(crs).union_all()
    placed = placed[placed.within(whole)].reset_index(drop=True)
    assert len(placed) >= 6
    table = gpd.GeoDataFrame(
        {"treatment_id": [f"K{n}" for n in range(len(placed))], "kind": "closure", "year": 2022},
        geometry=placed,
        crs=crs,
    )
    written(folder, table.to_crs("EPSG:4326"))
    earlier_images(folder, list(placed))
    edit(folder / CONFIG, "[account]", '[account]\nprevious_run = "runs/districts-2020"')
    edit(
        folder / CONFIG, "[account]", '[restoration]\ntreatments = "treatments.geojson"\nseason = "summer"\n\n[account]'
    )
    assert call("--lang", "en", "estimate", folder / CONFIG) == 0
    table = estimates(run_folder(folder))
    (found,) = table[table["quantity"] == "greenness_gain:closure"].to_dict("records")
    with rasterio.open(run_folder(folder) / "compose" / "composite.tif") as source:
        red, nir = (
            source.read(source.descriptions.index(f"summer_{band}") + 1).astype(float) for band in ("red", "nir")
        )
        inside = ~geometry_mask(list(placed), source.shape, source.transform) & (nir != source.nodata)
    before = np.rint(nir * 0.8)
    change = (nir - red) / (nir + red) - (before - red) / (before + red)
    # nothing changed outside: the gain is the mean change inside, of the pixels that found a control, over five years
    assert found["value"] == pytest.approx(change[inside].mean() / 5, rel=0.05)
    assert found["low"] < found["value"] < found["high"]
    assert (found["unit"], found["status"], found["method"]) == ("NDVI/yr", "ok", "matched_controls")
    about = json.loads((run_folder(folder) / "estimate" / "run.json").read_text(encoding="utf-8"))
    assert "restoration.trend" in {note[0] for note in about["notes"]}
    shown = explain(run_folder(folder), "greenness_gain:closure")
    assert any("matched pixels outside" in line.en for part in shown.parts for line in part.lines)
