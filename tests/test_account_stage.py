"""The account within a run: what is withheld and what is accepted, cropland, both treatments of oil tea."""

from __future__ import annotations

import re
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from sinkest.errors import InputError
from sinkest.stages.previous import Earlier, measured_before
from tests.project_fixture import CONFIG, call, copied, edit, estimates, run_folder

CROPLAND = (
    "field_id,area_ha,soil,use_before,tillage_before,input_before,use_after,tillage_after,input_after,changed_year\n"
    "a,100,lac,annual,full,medium,annual,none,medium,2020\n"
)


@pytest.fixture(scope="module")
def strict(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that accepts nothing provisional, names a table of fields, and whose points bear no rule of forest."""
    folder = copied(finished, tmp_path_factory.mktemp("strict"))
    text = (folder / CONFIG).read_text(encoding="utf-8")
    accepted = next(line for line in text.splitlines() if line.startswith("accept_provisional"))
    edit(folder / CONFIG, accepted, "")
    edit(folder / CONFIG, 'labelled_under = "forest_current_rule"', "")
    edit(folder / CONFIG, "[targets]", '[cropland]\ntable = "cropland.csv"\n\n[targets]')
    (folder / "cropland.csv").write_text(CROPLAND, encoding="utf-8")
    assert call("--lang", "en", "run", folder / CONFIG) == 0
    return folder


def rows(folder: Path) -> pd.DataFrame:
    table = estimates(run_folder(folder))
    return table[table["zone"] == "all"].set_index("quantity")


def targets(folder: Path) -> pd.DataFrame:
    return pd.read_csv(run_folder(folder) / "estimate" / "targets.csv", encoding="utf-8-sig").set_index("target_id")


def test_unchecked_coefficients_reach_the_data_and_no_printed_table(strict: Path) -> None:
    table = rows(strict)
    assert table.loc["carbon:total", "status"] == "provisional"
    assert table.loc["carbon:total", "value"] > table.loc["carbon_checked", "value"] > 0
    page = (run_folder(strict) / "report" / "report.html").read_text(encoding="utf-8")
    assert "withheld: rests on coefficients not checked at their source" in page
    numbers = set(re.findall(r'data-v="[^"]+" data-q="([^"]+)"', page))
    assert "carbon_checked" in numbers
    assert not numbers & {"carbon:total", "co2_total", "carbon:oil_tea", "wetland_burial"}
    book = openpyxl.load_workbook(run_folder(strict) / "report" / "workbook.xlsx")
    shown = " ".join(
        str(cell) for row in book["碳储量与碳汇 Carbon"].iter_rows(values_only=True) for cell in row if cell
    )
    assert "暂不列出" in shown


def test_without_a_rule_for_the_points_there_is_tree_cover_and_no_coverage(strict: Path) -> None:
    table = rows(strict)
    assert table.loc["forest_coverage", "status"] == "declined"
    assert pd.isna(table.loc["forest_coverage", "value"])
    assert table.loc["tree_cover", "status"] == "ok"
    assert "coverage_without_oil_tea" not in table.index
    judged = targets(strict)
    assert set(judged.loc[judged["quantity"] == "forest_coverage", "verdict"]) == {"cannot_tell"}


def test_both_treatments_of_oil_tea_are_reported(finished: Path) -> None:
    table = rows(finished)
    without, with_it = table.loc["coverage_without_oil_tea"], table.loc["forest_coverage"]
    assert without["definition_id"] == "forest_current_rule_without_oil_tea"
    areas = table.loc[table.index.str.startswith("class_area:"), "value"]
    share = 100 * areas["class_area:oil_tea"] / areas.sum()
    assert with_it["value"] - without["value"] == pytest.approx(share, rel=1e-6)


def test_cropland_appears_where_a_table_is_named(strict: Path, finished: Path) -> None:
    # 100 ha of red earth from full tillage to none: 69.575 t CO2 a year
    assert rows(strict).loc["cropland_soil", "value"] == pytest.approx(69.575)
    assert (run_folder(strict) / "estimate" / "cropland.csv").is_file()
    assert "cropland_soil" not in rows(finished).index


def test_the_option_prints_them_and_says_provisional(strict: Path) -> None:
    before = rows(strict)
    assert call("--lang", "en", "report", strict / CONFIG, "--accept-provisional") == 0
    after = rows(strict)
    assert after.loc["carbon:total", "status"] == "ok"
    assert after.loc["carbon:total", "value"] == pytest.approx(before.loc["carbon:total", "value"], rel=1e-12)
    page = (run_folder(strict) / "report" / "report.html").read_text(encoding="utf-8")
    assert re.search(r'data-v="[^"]+" data-q="carbon:total"', page)
    assert "PROVISIONAL" in page


# -- settings, before any work begins --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[wetland]", '[wetland]\ngwp_set = "AR7"', "wetland.gwp_set"),
        ("[account]", "[account]\nensemble = { LI2016 = 1.0, FANG = 1.0 }", "account.ensemble.FANG"),
        ("[account]", "[account]\nensemble = { ZHANG2013 = 1.0 }", "account.ensemble"),
        ("[targets]", '[cropland]\ntable = "cropland.csv"\n\n[targets]', "cropland.table"),
        ("[account]", "[account]\nbamboo_culms_per_ha = -3", "account.bamboo_culms_per_ha"),
        ("[account]", "[account]\nstand_ages = { firs = 10 }", "account.stand_ages"),
        ("[account]", "[account]\nremovals_m3_yr = -1", "account.removals_m3_yr"),
    ],
)
def test_a_setting_that_cannot_be_is_named_before_any_work(
    project: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    named: str,
) -> None:
    for file in project.iterdir():
        if file.name != "runs":
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / CONFIG).unlink()
    (tmp_path / CONFIG).write_text((project / CONFIG).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "cropland.csv").write_text(CROPLAND.replace("lac", "loam"), encoding="utf-8")
    edit(tmp_path / CONFIG, old, new)
    assert call("--lang", "en", "check", tmp_path / CONFIG) != 0
    captured = capsys.readouterr()
    assert named in captured.out + captured.err


def test_plots_of_an_earlier_run_are_the_same_where_they_lie_near_each_other() -> None:
    now = pd.DataFrame({"plot_id": ["p"], "date": ["2025-06-01"], "volume_m3_ha": [90.0], "x_m": [0.0], "y_m": [0.0]})
    then = pd.DataFrame({"date": ["2020-06-01"], "volume_m3_ha": [70.0], "x_m": [60.0], "y_m": [-70.0]}, index=["p"])
    earlier = Earlier(Path("runs/then"), 2020, False, pd.DataFrame(), then)
    known = measured_before(earlier, now)
    assert known is not None
    assert known["previous_volume_m3_ha"].tolist() == [70.0]
    then["x_m"] += 15.0  # 75 and 70 m are 102.6 m
    with pytest.raises(InputError) as caught:
        measured_before(earlier, now)
    assert caught.value.key == "stages.previous_moved"


def test_districts_add_up_to_the_sink_and_to_each_of_its_parts(finished: Path) -> None:
    table = estimates(run_folder(finished))
    for quantity in ("sink", "sink:remaining", "sink:converted", "sink:lost", "stock_change"):
        rows = table[table["quantity"] == quantity].set_index("zone")["value"]
        assert len(rows) == 4
        assert rows.drop("all").sum() == pytest.approx(rows["all"], rel=1e-9), quantity
