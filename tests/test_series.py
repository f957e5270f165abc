"""Several runs side by side: changes by hand, their significance, and what is never differenced."""

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

from sinkest.errors import InputError, RunError
from sinkest.finished.series import series
from sinkest.runstore import RunStore
from sinkest.tidy import COLUMNS as TIDY
from tests.project_fixture import call, run_folder

ZONES = [{"zone_id": "1", "name_zh": "甲", "name_en": "A", "area_ha": 1000.0}]
GRID = {"crs": "EPSG:32649", "shape": [30, 40], "resolution_m": 10.0}


def tidy(year: int, *, definition: str = "forest_current_rule", **values: tuple[float, float]) -> pd.DataFrame:
    rows = []
    for name, (value, se) in values.items():
        row = dict.fromkeys(TIDY, math.nan) | {"quantity": name, "zone": "all", "year": year, "value": value, "se": se}
        low, high = value - 1.96 * se, value + 1.96 * se
        row |= {"low": low, "high": high, "unit": "m3", "status": "ok", "method": "greg", "definition_id": definition}
        rows.append(row | {"simulated": False, "provisional": False, "note": ""})
    return pd.DataFrame(rows)


def made(
    folder: Path,
    table: pd.DataFrame,
    *,
    zones: list[dict] = ZONES,
    previous: str | None = None,
    grid: dict = GRID,
) -> Path:
    """A sealed run that has estimates and nothing else."""
    year = int(table["year"].iloc[0])
    store = RunStore(folder)

    def work(working: Path) -> None:
        table.to_parquet(working / "estimates.parquet", index=False)
        about = {"name": f"run-{year}", "year": year, "zones": zones, **{name: grid[name] for name in GRID}}
        (working / "run.json").write_text(json.dumps(about), encoding="utf-8")

    store.run_stage("estimate", {"year": year, "previous_run": previous, "folder": folder.name}, work)
    store.write_manifest({"year": year}, ["estimate"])
    return folder


def key(folder: Path) -> str:
    return str((RunStore(folder).seal("estimate") or {})["key"])


def test_a_change_has_the_errors_of_both_years(tmp_path: Path) -> None:
    runs = [
        made(tmp_path / "b", tidy(2025, growing_stock=(110.0, 4.0))),
        made(tmp_path / "a", tidy(2020, growing_stock=(100.0, 3.0))),
    ]
    found = series(runs)
    assert found["year"].tolist() == [2020, 2025]
    last = found.iloc[1]
    # sqrt(9 + 16) = 5; 1.96 x 5 = 9.8 < 10
    assert (last["change"], last["change_se"]) == (10.0, 5.0)
    assert last["change_low"] == pytest.approx(10 - 1.959964 * 5, abs=1e-5)
    assert (last["significant"], last["basis"], last["since"]) == ("yes", "independent", "2020")
    assert last["probability_up"] == pytest.approx(0.97725, abs=1e-5)
    assert found.iloc[0]["since"] == ""
    assert math.isnan(found.iloc[0]["change"])


def test_a_change_within_its_error_is_no_change(tmp_path: Path) -> None:
    runs = [
        made(tmp_path / "a", tidy(2020, growing_stock=(100.0, 3.0))),
        made(tmp_path / "b", tidy(2025, growing_stock=(109.0, 4.0))),
    ]
    assert series(runs).iloc[1]["significant"] == "no"


def test_plots_measured_since_that_run_give_the_change_of_stock(tmp_path: Path) -> None:
    first = made(tmp_path / "a", tidy(2020, growing_stock=(100.0, 30.0)))
    now = tidy(2025, growing_stock=(140.0, 40.0), stock_change=(6.0, 0.5))
    second = made(tmp_path / "b", now, previous=key(first))
    last = series([first, second], quantities=["growing_stock"]).iloc[1]
    # 6 a year over 5 years
    assert (last["change"], last["change_se"], last["basis"], last["significant"]) == (30.0, 2.5, "plots", "yes")
    elsewhere = made(tmp_path / "c", now, previous="0" * 64)
    assert series([first, elsewhere], quantities=["growing_stock"]).iloc[1]["basis"] == "independent"


def test_a_count_has_a_change_and_no_error(tmp_path: Path) -> None:
    runs = [
        made(tmp_path / name, tidy(year, small_wetland_sites=(count, math.nan)))
        for name, year, count in (("a", 2020, 40.0), ("b", 2025, 65.0))
    ]
    last = series(runs).iloc[1]
    assert last["change"] == 25
    assert last["significant"] == ""


def test_withheld_values_stay_withheld(tmp_path: Path) -> None:
    held = tidy(2020, sink=(5.0, 1.0)).assign(status="provisional")
    found = series([made(tmp_path / "a", held), made(tmp_path / "b", tidy(2025, sink=(6.0, 1.0)))])
    assert math.isnan(found.iloc[0]["value"])
    assert math.isnan(found.iloc[1]["change"])


def test_unlike_definitions_are_refused(tmp_path: Path) -> None:
    first = made(tmp_path / "a", tidy(2020, definition="forest_old_rule", forest_area=(60.0, 1.0)))
    second = made(tmp_path / "b", tidy(2025, forest_area=(54.0, 1.0)))
    with pytest.raises(InputError) as refused:
        series([first, second])
    assert refused.value.key == "series.unlike_definitions"
    assert "forest_old_rule" in str(refused.value)


@pytest.mark.parametrize(
    ("years", "areas", "given", "expected"),
    [
        ((2020, 2020), (1000.0, 1000.0), {}, "series.same_year"),
        ((2020, 2025), (1000.0, 900.0), {}, "series.unlike_areas"),
        ((2020, 2025), (1000.0, 1000.0), {"quantities": ["stok"]}, "series.unknown_quantity"),
        ((2020, 2025), (1000.0, 1000.0), {"zone": "9"}, "series.unknown_zone"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, years: tuple, areas: tuple, given: dict, expected: str) -> None:
    runs = [
        made(tmp_path / str(n), tidy(year, growing_stock=(100.0 + n, 3.0)), zones=[{**ZONES[0], "area_ha": area}])
        for n, (year, area) in enumerate(zip(years, areas, strict=True))
    ]
    with pytest.raises(InputError) as refused:
        series(runs, **given)
    assert refused.value.key == expected


def test_runs_on_unlike_grids_are_refused_unless_asked_for(tmp_path: Path) -> None:
    runs = [
        made(tmp_path / str(year), tidy(year, growing_stock=(100.0, 3.0)), grid={**GRID, "resolution_m": side})
        for year, side in ((2020, 10.0), (2025, 20.0))
    ]
    with pytest.raises(InputError) as refused:
        series(runs)
    assert refused.value.key == "series.unlike_grids"
    assert "EPSG:32649, 10 m, 40 x 30 px" in str(refused.value)
    assert series(runs, any_grid=True)["change"].tolist()[1] == 0.0


def test_one_run_an_empty_folder_and_a_changed_file_are_refused(tmp_path: Path) -> None:
    first = made(tmp_path / "a", tidy(2020, growing_stock=(100.0, 3.0)))
    second = made(tmp_path / "b", tidy(2025, growing_stock=(100.0, 3.0)))
    with pytest.raises(InputError):
        series([first])
    with pytest.raises(RunError):
        series([first, tmp_path / "nothing"])
    (second / "estimate" / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        series([first, second])
    assert refused.value.key == "series.changed"


def test_the_command_prints_and_writes_it(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = run_folder(finished)
    before = tmp_path / "earlier"
    table = pd.read_parquet(now / "estimate" / "estimates.parquet").assign(year=2020)
    table["value"] *= 0.9
    about = json.loads((now / "estimate" / "run.json").read_text(encoding="utf-8"))
    made(before, table, zones=about["zones"], grid=about)
    out = tmp_path / "series.csv"
    assert call("--lang", "zh", "series", before, now, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "森林蓄积量" in shown
    assert "2020" in shown
    written = pd.read_csv(out, encoding="utf-8-sig")
    stock = written[written["quantity"] == "growing_stock"]
    assert stock["change"].iloc[1] == pytest.approx(stock["value"].iloc[1] - stock["value"].iloc[0])
    shutil.rmtree(before / "stages")
    assert call("--lang", "en", "series", before, now) == 2
