"""Change since an earlier run: by its plots where all were measured again, else between the estimates."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from sinkest.runstore import RunStore
from tests.project_fixture import CONFIG, call, edit, estimates, run_folder

YEARS = 5
GROWTH = 0.94
"""Stock of the earlier run over today's."""


def earlier_run(
    folder: Path,
    *,
    change_plots: Callable[[pd.DataFrame], pd.DataFrame] = lambda plots: plots,
    change_about: Callable[[dict], dict] = lambda about: about,
    definition_id: str | None = None,
    without: tuple[str, ...] = (),
) -> Path:
    """A sealed run of 2020 beside the project's: its plots are what today's carry as their earlier measurement."""
    now = run_folder(folder)
    store = RunStore(folder / "runs" / "districts-2020")

    def train(working: Path) -> None:
        plots = pd.read_csv(now / "train" / "plots.csv", dtype={"plot_id": str})
        plots = plots.assign(date=plots["previous_date"], volume_m3_ha=plots["previous_volume_m3_ha"])
        change_plots(plots).to_csv(working / "plots.csv", index=False)

    def estimate(working: Path) -> None:
        table = pd.read_parquet(now / "estimate" / "estimates.parquet").assign(year=2025 - YEARS)
        grown = table["quantity"].str.startswith(("growing_stock", "stock_by_type:", "forest_area"))
        table.loc[grown, ["value", "se", "low", "high"]] *= GROWTH
        if definition_id is not None:
            table["definition_id"] = definition_id
        table = table[~table["quantity"].str.startswith(without)] if without else table
        table.to_parquet(working / "estimates.parquet", index=False)
        about = json.loads((now / "estimate" / "run.json").read_text(encoding="utf-8"))
        (working / "run.json").write_text(json.dumps(change_about({**about, "year": 2025 - YEARS})), encoding="utf-8")

    store.run_stage("train", {"made": "for the test"}, train)
    store.run_stage("estimate", {"made": "for the test"}, estimate)
    store.write_manifest({"year": 2025 - YEARS}, ["train", "estimate"])
    edit(folder / CONFIG, "[account]", '[account]\nprevious_run = "runs/districts-2020"')
    return store.root


def value(table: pd.DataFrame, quantity: str, zone: str = "all", column: str = "value") -> float:
    rows = table[(table["quantity"] == quantity) & (table["zone"] == zone)]
    assert len(rows) == 1, quantity
    return float(rows[column].iloc[0])


def test_plots_measured_in_both_runs_give_the_change_their_own_columns_would(copy: Path) -> None:
    own = estimates(run_folder(copy))
    earlier_run(copy)
    assert call("--lang", "en", "estimate", copy / CONFIG) == 0
    since = estimates(run_folder(copy))
    for quantity in ("stock_change", "sink"):
        for column in ("value", "se", "low", "high"):
            assert value(since, quantity, column=column) == pytest.approx(
                value(own, quantity, column=column), rel=1e-12
            )


def test_without_shared_plots_the_change_is_the_difference_of_the_estimates(copy: Path) -> None:
    earlier_run(copy, change_plots=lambda plots: plots.iloc[::2])
    assert call("--lang", "en", "run", copy / CONFIG) == 0
    table = estimates(run_folder(copy))
    stock, se = value(table, "growing_stock"), value(table, "growing_stock", column="se")
    assert value(table, "stock_change") == pytest.approx(stock * (1 - GROWTH) / YEARS)
    assert value(table, "stock_change", column="se") == pytest.approx(math.hypot(se, GROWTH * se) / YEARS)
    zones = [zone for zone in table["zone"].unique() if zone != "all"]
    for quantity in ("stock_change", "forest_area_change"):
        assert sum(value(table, quantity, zone) for zone in zones) == pytest.approx(value(table, quantity))
    area = value(table, "forest_area")
    assert value(table, "forest_area_change") == pytest.approx(area * (1 - GROWTH) / YEARS)
    assert value(table, "sink") > 0
    assert value(table, "sink", column="low") < value(table, "sink") < value(table, "sink", column="high")
    page = (run_folder(copy) / "report" / "report.html").read_text(encoding="utf-8")
    assert "Yearly change of forest area" in page
    assert "森林面积年均变化" in page
    about = json.loads((run_folder(copy) / "estimate" / "run.json").read_text(encoding="utf-8"))
    said = {note[0]: note[1] for note in about["notes"]}
    assert said["stages.previous_apart"]["plots"] > said["stages.previous_apart"]["shared"] > 0


def test_an_earlier_run_with_plots_but_without_reference_points_says_what_it_cannot_give(copy: Path) -> None:
    """It has a stock and no area of forest: the totals are compared, its types have no areas to go with."""
    earlier_run(copy, change_plots=lambda plots: plots.iloc[::2], without=("forest_area", "class_area:"))
    assert call("--lang", "en", "estimate", copy / CONFIG) == 0
    table = estimates(run_folder(copy))
    assert value(table, "stock_change") == pytest.approx(value(table, "growing_stock") * (1 - GROWTH) / YEARS)
    about = json.loads((run_folder(copy) / "estimate" / "run.json").read_text(encoding="utf-8"))
    assert ["stages.previous_no_areas", {"year": 2025 - YEARS}] in about["notes"]


def test_unlike_definitions_are_not_differenced(copy: Path) -> None:
    earlier_run(copy, definition_id="forest_old_rule", change_plots=lambda plots: plots.iloc[::2])
    code = call("--lang", "en", "estimate", copy / CONFIG)
    table = estimates(run_folder(copy))
    assert code == 0
    assert "forest_area_change" not in set(table["quantity"])
    assert "stock_change" not in set(table["quantity"])


def test_the_earlier_run_is_part_of_what_the_estimates_rest_on(copy: Path) -> None:
    earlier_run(copy)
    assert call("--lang", "en", "estimate", copy / CONFIG) == 0
    seal = RunStore(run_folder(copy)).seal("estimate")
    assert seal is not None
    assert seal["parts"]["previous_run"] is not None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: (run / "stages" / "estimate.json").unlink(), "no finished estimate"),
        (lambda run: (run / "estimate" / "run.json").write_text("{}"), "run.json is not what that run wrote"),
    ],
)
def test_a_missing_or_changed_earlier_run_is_refused(
    copy: Path, spoil: Callable[[Path], object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(earlier_run(copy))
    for command in ("check", "estimate"):
        assert call("--lang", "en", command, copy / CONFIG) == 2
        output = capsys.readouterr()
        shown = " ".join((output.out + output.err).split())
        assert said in shown.replace("runs/districts-2020/estimate/ run.json", "run.json")


@pytest.mark.parametrize(
    ("about", "plots", "said"),
    [
        ({"year": 2026}, None, "an earlier year is needed"),
        ({"zones": [{"zone_id": "430202", "area_ha": 5.0}]}, None, "430202"),
        ({"resolution_m": 100.0}, None, "of 2020, lies on another grid than districts of 2025: EPSG:32649, 100 m"),
        ({"affine": [120.0, 0.0, 60.0, 0.0, -120.0, 0.0]}, None, "Run 2020 again with the aoi section"),
        ({}, {"x_m": 500.0}, "lies 500 m"),
        ({}, {"date": "2025-12-31"}, "no earlier"),
    ],
)
def test_an_earlier_run_that_does_not_fit_is_refused(
    copy: Path, about: dict, plots: dict | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def moved(table: pd.DataFrame) -> pd.DataFrame:
        for name, change in (plots or {}).items():
            table[name] = table[name] + change if isinstance(change, float) else change
        return table

    earlier_run(copy, change_about=lambda known: {**known, **about}, change_plots=moved)
    assert call("--lang", "en", "estimate", copy / CONFIG) == 2
    assert said in " ".join(capsys.readouterr().err.split())
