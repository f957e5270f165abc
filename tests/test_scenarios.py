"""The road ahead: rates by hand, errors of estimate and rates, probabilities, and what would settle a verdict."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sinkest.account.scenarios import (
    COLUMNS,
    Rate,
    Scenario,
    Start,
    declared,
    project,
    scenario_table,
    starting_point,
    widened,
)
from sinkest.account.settling import with_settling
from sinkest.config import load_config
from sinkest.errors import ConfigError, InputError
from sinkest.report.book import Book
from sinkest.report.curves import Point
from sinkest.report.curves import trajectory as trajectory_chart
from sinkest.report.listings import listings
from sinkest.report.roads import roads_of
from sinkest.report.verdicts import target_rows
from sinkest.shipped import shipped
from sinkest.targets import assess
from sinkest.targets.file import read_targets
from tests.report_fixture import YEAR, report_data

START = Start(Rate(34e6, 7e5), Rate(600_000.0, 8_000.0), Rate(1.1e6, 1e5), 1_125_000.0)
NOW = Scenario("as_now", "现状", "as until now")


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def central(scenario: Scenario, years: int = 2, start: Start = START) -> dict[str, list[float]]:
    return {name: values[0].tolist() for name, values in project(start, scenario, years, rng(), 0).items()}


def row(table: pd.DataFrame, **where: object) -> pd.Series:
    keep = np.logical_and.reduce([table[name] == value for name, value in where.items()])
    assert keep.sum() == 1, where
    return table[keep].iloc[0]


def tidy(**values: tuple[float, float]) -> pd.DataFrame:
    rows = [
        {
            "quantity": name,
            "zone": "all",
            "year": YEAR,
            "value": value,
            "se": se,
            "n": 400.0,
            "definition_id": "",
            "status": "ok",
        }
        for name, (value, se) in values.items()
    ]
    return pd.DataFrame(rows).assign(definition_id="forest_current_rule")


ESTIMATES = tidy(growing_stock=(34e6, 7e5), forest_area=(600_000.0, 8_000.0), forest_coverage=(53.33, 0.71),
                 stock_change=(1.1e6, 1e5))  # fmt: skip


def table(*scenarios: Scenario, estimates: pd.DataFrame = ESTIMATES, draws: int = 10_000) -> pd.DataFrame:
    plan = read_targets(shipped("configs/targets-zhuzhou.toml"))
    about = {"land_ha": 1_125_000.0, "definition_id": "forest_current_rule"}
    return scenario_table(estimates, plan, scenarios, YEAR, **about, rng=rng(), draws=draws)


def test_without_assumptions_the_measured_change_goes_on() -> None:
    found = central(NOW)
    assert found["growing_stock"] == [34e6, 35.1e6, 36.2e6]
    assert found["forest_area"] == [600_000.0] * 3


def test_growth_harvest_planting_and_loss_by_hand() -> None:
    scenario = Scenario("x", "x", "x", Rate(5.0), Rate(1e6), Rate(5_000.0), Rate(1_000.0), Rate(3.0))
    found = central(scenario)
    # 34e6 + 1.7e6 - 1e6 - 1000 * 34e6 / 6e5, nothing planted earlier
    first = 34e6 * 1.05 - 1e6 - 1_000 * 34e6 / 6e5
    # 5000 ha planted in the first year grow 3 m3 each in the second
    second = first * 1.05 - 1e6 - 1_000 * 34e6 / 6e5 + 3 * 5_000
    assert found["growing_stock"] == pytest.approx([34e6, first, second])
    assert found["forest_area"] == [600_000.0, 604_000.0, 608_000.0]
    assert found["forest_coverage"][2] == pytest.approx(100 * 608_000 / 1_125_000)


def test_errors_of_estimate_and_of_rates_add_in_quadrature() -> None:
    found = project(START, NOW, 5, rng(), 40_000)["growing_stock"]
    # var(S) + (5 se(change))^2
    assert found[:, 5].std() == pytest.approx(math.hypot(7e5, 5e5), rel=0.02)
    wide = replace(NOW, planting_ha=Rate(5_000.0, 1_000.0))
    area = project(START, wide, 5, rng(), 40_000)["forest_area"]
    assert area[:, 5].std() == pytest.approx(math.hypot(8_000, 5_000), rel=0.02)


def test_rates_that_cannot_be_negative_are_cut_at_zero() -> None:
    found = project(START, replace(NOW, loss_ha=Rate(100.0, 500.0)), 1, rng(), 5_000)["forest_area"]
    assert (np.diff(found, axis=1) <= 0).all()


def test_stock_needs_growth_or_a_measured_change() -> None:
    blind = replace(START, change_m3_yr=Rate(math.nan))
    assert set(central(NOW, start=blind)) == {"forest_area", "forest_coverage"}
    assert "growing_stock" in central(replace(NOW, growth_percent=Rate(4.0)), start=blind)
    empty = Start(Rate(math.nan), Rate(math.nan), Rate(math.nan), 1.0)
    assert central(NOW, start=empty) == {}


def test_the_probability_of_a_target_is_that_of_the_normal_it_is_made_of() -> None:
    found = row(table(NOW, draws=40_000), quantity="growing_stock", year=2030, target_id="stock_2030")
    # mean 39.5e6, se sqrt(7e5^2 + 5e5^2), target 40.18e6
    score = (40.18e6 - 39.5e6) / math.hypot(7e5, 5e5)
    assert found["probability"] == pytest.approx(0.5 * math.erfc(score / math.sqrt(2)), abs=0.01)
    assert found["value"] == 39.5e6
    assert found["low"] < found["value"] < found["high"]


def test_scenarios_differ_by_what_they_assume_and_not_by_chance() -> None:
    found = table(NOW, replace(NOW, id="more", planting_ha=Rate(5_000.0)))
    today = found[found["year"] == YEAR]
    first, second = (
        today[today["scenario"] == name].drop(columns="scenario").reset_index(drop=True) for name in ("as_now", "more")
    )
    pd.testing.assert_frame_equal(first, second)


def test_more_planting_makes_the_coverage_target_likelier() -> None:
    found = table(NOW, replace(NOW, id="more", planting_ha=Rate(6_300.0, 300.0)))
    chances = [
        row(found, scenario=name, quantity="forest_coverage", year=2030, target_id="coverage_2030")["probability"]
        for name in ("as_now", "more")
    ]
    assert chances[0] < 0.01 < 0.3 < chances[1]


def test_targets_under_another_definition_are_passed_over() -> None:
    assert "coverage_2025_other_plan" not in set(table(NOW)["target_id"])


def test_about_is_judged_up_to_its_own_year_and_at_least_also_later() -> None:
    found = table(NOW)
    years = {name: set(part["year"]) for name, part in found.groupby("target_id")}
    assert years["coverage_2025"] == {2025}
    assert years["stock_2025"] == set(range(2025, 2031))


def test_withheld_and_missing_estimates_start_nothing() -> None:
    held = ESTIMATES.assign(status="provisional")
    assert math.isnan(starting_point(held, YEAR, 1.0).stock_m3.mean)
    assert table(NOW, estimates=held).empty
    assert tuple(table().columns) == COLUMNS
    assert table().empty


def test_two_scenarios_of_one_id_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        table(NOW, NOW)
    assert refused.value.key == "scenario.twice"


def test_a_wider_band_reaches_the_scenarios_too() -> None:
    plan = widened(read_targets(shipped("configs/targets-zhuzhou.toml")), 1.5)
    assert {item.half_width for item in plan if item.quantity == "forest_coverage" and item.comparison == "about"} == {
        1.5
    }


# -- configuration ----------------------------------------------------------------------------------------------------


def test_the_demo_declares_two_scenarios_and_the_city_none() -> None:
    demo, city = (load_config(shipped(f"configs/{name}.toml")).spec for name in ("demo", "zhuzhou-2025"))
    found = [declared(item.model_dump()) for item in demo.scenarios]
    assert [item.id for item in found] == ["as_now", "plant_and_harvest"]
    assert found[1].planting_ha == Rate(5500, 800)
    assert found[0].growth_percent is None
    assert city.scenarios == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[scenarios]]\nid = "a"\nzh = "甲"\nen = "a"\nharvest_m3 = { mean = -5 }\n', "scenarios.a.harvest_m3"),
        ('[[scenarios]]\nid = "a"\nzh = "甲"\nen = "a"\n' * 2, "scenarios.id"),
        ('[[scenarios]]\nid = "a"\nzh = "甲"\nen = "a"\nharvst = { mean = 5 }\n', "harvest_m3"),
        ('[[scenarios]]\nid = "a"\nzh = "甲"\nen = "a"\nplanting_ha = { mean = 5, sd = -1 }\n', "sd"),
    ],
)
def test_bad_scenarios_are_refused(tmp_path: Path, text: str, said: str) -> None:
    whole = shipped("configs/demo.toml").read_text(encoding="utf-8")
    file = tmp_path / "config.toml"
    file.write_text(whole[: whole.index("[[scenarios]]")] + text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(file)
    assert said in str(refused.value)


# -- what would settle it ---------------------------------------------------------------------------------------------


def judged() -> pd.DataFrame:
    return with_settling(assess(ESTIMATES, read_targets(shipped("configs/targets-zhuzhou.toml")), YEAR), ESTIMATES)


def test_an_open_verdict_says_how_many_more_plots() -> None:
    found = row(judged(), target_id="stock_2025")
    assert found["verdict"] == "cannot_tell"
    assert (found["n"], found["n_kind"]) == (400, "plots")
    # clear when z(0.9) se_n <= gap with 80 % chance: gap = (z(0.9) + z(0.8)) se_n, n = 400 (se / se_n)^2
    wanted = 400 * (7e5 * (1.2816 + 0.8416) / (34.46e6 - 34e6)) ** 2 - 400
    assert found["n_more"] == pytest.approx(wanted, rel=0.02)


def test_points_and_plots_are_told_apart_and_clear_verdicts_ask_for_nothing() -> None:
    found = judged().set_index("target_id")
    assert found.loc["coverage_2025", "n_kind"] in ("points", "")
    assert math.isnan(found.loc["small_wetland_sites", "n_more"])
    clear = found[found["verdict"] != "cannot_tell"]
    assert clear["n_more"].isna().all()


def test_the_verdict_prints_it_in_both_languages() -> None:
    known = report_data()
    open_verdict = known.targets.assign(verdict="cannot_tell", n=400.0, n_more=4_123.0, n_kind="plots")
    rows = target_rows(replace(known, targets=open_verdict), Book(known))
    stock = next(item for item in rows if item.id == "stock_2025")
    assert "About 4,100 more plots would settle it (there are 400)" in stock.settling_shown.en
    assert "4,100 个样地（现有 400 个）" in stock.settling_shown.zh
    endless = replace(known, targets=open_verdict.assign(n_more=math.inf, n_kind="points"))
    first = next(item for item in target_rows(endless, Book(known)) if item.id == "stock_2025")
    assert "Not even a hundred times the 400 reference points" in first.settling_shown.en


def test_the_report_lists_the_years_with_their_probabilities() -> None:
    known = report_data()
    scenarios = table(NOW)
    found = listings(
        replace(known, details={"scenarios": scenarios.assign(target_id=scenarios["target_id"].replace("", np.nan))}),
        Book(known),
    )
    shown = found["scenarios"]
    assert [head.en for head in shown.heads][:3] == ["scenario", "quantity", "year"]
    assert any(
        cells[2].en == "2030" and cells[1].en == "Growing stock" and cells[3].en == "39.5 million m³"
        for cells in shown.rows
    )


# -- on the chart ---------------------------------------------------------------------------------------------------


def roads_table() -> pd.DataFrame:
    """Two scenarios of the growing stock, one of them under another definition too."""
    rows = []
    for name, growth in (("slow", 1e5), ("fast", 3e5)):
        for year in (2025, 2026, 2030):
            value = 34e6 + growth * (year - 2025)
            spread = 0.2e6 * (1 + year - 2025)
            rows.append(
                (name, "慢", name, "growing_stock", "all", "a", year, value, "m3", value - spread, value + spread)
            )
    rows.append(("fast", "快", "fast", "growing_stock", "all", "b", 2030, 1.0, "m3", 0.0, 2.0))
    columns = ["scenario", "scenario_zh", "scenario_en", "quantity", "zone", "definition_id", "year", "value", "unit"]
    return pd.DataFrame(rows, columns=[*columns, "low", "high"])


def test_scenarios_are_roads_on_the_trajectory_with_their_bands() -> None:
    data = SimpleNamespace(details={"scenarios": roads_table()})
    roads = roads_of(data, "growing_stock", "a")  # type: ignore[arg-type]
    assert [road.name.en for road in roads] == ["slow", "fast"]
    assert [stop.year for stop in roads[1].stops] == [2025, 2026, 2030]
    # m3 are the base unit; the last of the fast road is 35.5 +- 1.2 million
    last = roads[1].stops[-1]
    assert (last.value, last.low, last.high) == (35.5e6, 34.3e6, 36.7e6)
    points = [Point(2025, "estimate", 34e6, 33e6, 35e6), Point(2030, "target", 40.18e6, None, None)]
    plain, drawn = trajectory_chart(points, "m3", "c", False), trajectory_chart(points, "m3", "c", False, roads)
    assert drawn.count('class="road"') == 2
    assert plain.count('class="road"') == 0
    assert "fast" in drawn
    assert roads_of(data, "forest_area", "a") == ()  # type: ignore[arg-type]
    assert roads_of(SimpleNamespace(details={}), "growing_stock", "a") == ()  # type: ignore[arg-type]
