"""Targets: the file, the probability, the verdict and the reasons for having none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from sinkest.errors import ConfigError, InputError, SinkestError
from sinkest.messages import LANGUAGES, catalogue
from sinkest.shipped import shipped
from sinkest.targets import COLUMNS, Rule, assess, changes_from, describe, read_targets, remarks
from sinkest.targets.file import QUANTITIES, UNITS
from sinkest.targets.trajectory import trajectory

RULE = "forest_current_rule"
COVERAGE = """
[[target]]
id = "cover"
quantity = "forest_coverage"
year = 2025
value = 53.87
unit = "%"
comparison = "about"
half_width = 0.5
definition_id = "forest_current_rule"
wording_zh = "左右"
wording_en = "about"
source = "1"
"""
STOCK = """
[[target]]
id = "stock"
quantity = "growing_stock"
year = 2025
value = 3446
unit = "万m3"
comparison = "at_least"
definition_id = "forest_current_rule"
wording_zh = "达到"
wording_en = "reach"
source = "1"
"""
STOCK_2030 = STOCK.replace('"stock"', '"stock_2030"').replace("2025", "2030").replace("3446", "4018")


def read(tmp_path: Path, content: str, version: str = "version = 1\n"):
    path = tmp_path / "targets.toml"
    path.write_text(version + content, encoding="utf-8")
    return read_targets(path)


def estimates(*rows: dict[str, object]) -> pd.DataFrame:
    base: dict[str, object] = {
        "quantity": "growing_stock",
        "zone": "all",
        "year": 2025,
        "se": 1e6,
        "definition_id": RULE,
        "status": "ok",
    }
    return pd.DataFrame([base | row for row in rows])


def one(tmp_path: Path, content: str, *rows: dict[str, object], **options: object) -> pd.Series:
    return assess(estimates(*rows), read(tmp_path, content), 2025, **options).iloc[0]  # type: ignore[arg-type]


def test_the_shipped_plan_holds_every_target_with_wording_and_clause() -> None:
    targets = {target.id: target for target in read_targets(shipped("configs/targets-zhuzhou.toml"))}
    values = {name: (target.value, target.unit, target.year, target.comparison) for name, target in targets.items()}
    assert values == {
        "coverage_2025": (53.87, "%", 2025, "about"),
        "coverage_2030": (56.12, "%", 2030, "about"),
        "stock_2025": (34_460_000, "m3", 2025, "at_least"),
        "stock_2030": (40_180_000, "m3", 2030, "at_least"),
        "small_wetland_sites": (65, "count", 2025, "count"),
        "small_wetland_area": (520, "ha", 2025, "area"),
        "small_wetland_sites_corridor": (18, "count", 2025, "count"),
        "karst_treated": (20_000, "ha", 2025, "area"),
        "karst_planted": (1_000, "ha", 2025, "area"),
        "karst_closure": (19_000, "ha", 2025, "area"),
        "coverage_2025_other_plan": (56.70, "%", 2025, "at_least"),
    }
    assert targets["coverage_2025"].wording_zh == "森林覆盖率稳定在53.87%左右"
    assert targets["stock_2030"].given_unit == "万m3"
    assert all(target.source and target.wording_en for target in targets.values())


def test_the_shipped_plan_is_remarked_upon() -> None:
    notes = remarks(read_targets(shipped("configs/targets-zhuzhou.toml")))
    assert [note.key for note in notes] == ["account.small_wetland_mean", "targets.remark_unlike"]
    assert "56.7" in notes[1].text("zh")


def test_the_other_plans_figure_is_listed_and_never_compared() -> None:
    row = {"quantity": "forest_coverage", "value": 57.0, "se": 0.2}
    table = assess(estimates(row), read_targets(shipped("configs/targets-zhuzhou.toml")), 2025).set_index("target_id")
    other = table.loc["coverage_2025_other_plan"]
    assert (other["verdict"], other["reason"]) == ("cannot_tell", "targets.reason_definition")
    assert math.isnan(other["estimate"])


@pytest.mark.parametrize(
    ("value", "se", "probability", "verdict"),
    [
        # z = (value - 34.46e6) / se: 1.2816 is the 90 % quantile of the normal
        (34.46e6 + 1.29e6, 1e6, 0.9015, "met"),
        (34.46e6 + 1.27e6, 1e6, 0.8980, "cannot_tell"),
        (34.46e6, 1e6, 0.5, "cannot_tell"),
        (34.46e6 - 1.27e6, 1e6, 0.1020, "cannot_tell"),
        (34.46e6 - 1.29e6, 1e6, 0.0985, "not_met"),
    ],
)
def test_at_least_is_judged_on_one_side(
    tmp_path: Path, value: float, se: float, probability: float, verdict: str
) -> None:
    row = one(tmp_path, STOCK, {"value": value, "se": se})
    assert row["probability"] == pytest.approx(probability, abs=1e-4)
    assert row["verdict"] == verdict


@pytest.mark.parametrize(
    ("value", "se", "verdict", "reason"),
    [
        (53.9, 0.2, "met", "targets.reason_met"),
        (52.0, 0.4, "not_met", "targets.reason_below"),
        (56.0, 0.4, "not_met", "targets.reason_above"),
        (54.2, 0.5, "cannot_tell", "targets.reason_imprecise"),
        # so imprecise that the band is improbable (P = 0.08) although the estimate lies on the target itself
        (53.87, 5.0, "cannot_tell", "targets.reason_imprecise"),
    ],
)
def test_about_is_judged_on_both_sides(tmp_path: Path, value: float, se: float, verdict: str, reason: str) -> None:
    row = one(tmp_path, COVERAGE, {"quantity": "forest_coverage", "value": value, "se": se})
    assert (row["verdict"], row["reason"]) == (verdict, reason)


def test_the_probability_of_about_is_that_of_the_band(tmp_path: Path) -> None:
    row = one(tmp_path, COVERAGE, {"quantity": "forest_coverage", "value": 53.87, "se": 0.5})
    # P(|z| < 1) = 0.6827
    assert row["probability"] == pytest.approx(0.6827, abs=1e-4)
    # 0.5 / 1.6449 = 0.304
    assert row["settling_se"] == pytest.approx(0.304, abs=1e-3)


def test_the_half_width_is_the_readers_to_set(tmp_path: Path) -> None:
    given = {"quantity": "forest_coverage", "value": 53.87, "se": 0.5}
    for key in ("cover", "forest_coverage"):
        row = one(tmp_path, COVERAGE, given, half_width={key: 1.0})
        assert row["band"] == 1.0
        # P(|z| < 2) = 0.9545
        assert row["probability"] == pytest.approx(0.9545, abs=1e-4)
    with pytest.raises(InputError) as caught:
        one(tmp_path, COVERAGE, given, half_width={"cover": 0.0})
    assert caught.value.key == "targets.band"


def test_a_half_width_does_not_soften_at_least(tmp_path: Path) -> None:
    row = one(tmp_path, STOCK, {"value": 34.46e6}, half_width={"growing_stock": 1e7})
    assert row["probability"] == pytest.approx(0.5)
    assert math.isnan(row["band"])


def test_few_degrees_of_freedom_widen_the_interval_and_weaken_the_verdict(tmp_path: Path) -> None:
    row = one(tmp_path, STOCK, {"value": 34.46e6 + 1.4e6, "df": 4.0})
    # t(4): P(t < 1.4) = 0.8830, against 0.9192 of the normal; 97.5 % quantile 2.7764
    assert row["probability"] == pytest.approx(0.8830, abs=1e-4)
    assert row["high"] - row["estimate"] == pytest.approx(2.7764e6, rel=1e-4)
    assert row["verdict"] == "cannot_tell"


def test_the_settling_error_would_settle_it(tmp_path: Path) -> None:
    row = one(tmp_path, STOCK, {"value": 34.46e6 + 0.5e6})
    settled = one(tmp_path, STOCK, {"value": 34.46e6 + 0.5e6, "se": row["settling_se"] * 0.999})
    assert (row["verdict"], settled["verdict"]) == ("cannot_tell", "met")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"quantity": "tree_cover", "value": 60.0}], "targets.reason_no_estimate"),
        ([{"value": 36e6, "zone": "430202"}], "targets.reason_no_estimate"),
        ([{"value": 36e6, "year": 2024}], "targets.reason_no_estimate"),
        ([{"value": 36e6, "definition_id": "forest_old_rule"}], "targets.reason_definition"),
        ([{"value": 36e6, "definition_id": ""}], "targets.reason_definition"),
        ([{"value": 36e6, "definition_id": None}], "targets.reason_definition"),
        ([{"value": np.nan, "status": "declined"}], "targets.reason_declined"),
        ([{"value": 36e6, "status": "map_only"}], "targets.reason_declined"),
        ([{"value": 36e6, "se": np.nan}], "targets.reason_no_error"),
    ],
)
def test_where_nothing_can_be_said_the_reason_is(tmp_path: Path, rows: list[dict[str, object]], reason: str) -> None:
    row = one(tmp_path, STOCK, *rows)
    assert (row["verdict"], row["reason"]) == ("cannot_tell", reason)
    assert math.isnan(row["probability"])


def test_a_later_target_needs_a_yearly_change(tmp_path: Path) -> None:
    row = one(tmp_path, STOCK_2030, {"value": 36e6})
    assert (row["verdict"], row["reason"]) == ("cannot_tell", "targets.reason_later")
    # (40.18 - 36) / 5 million m3 a year
    assert row["required_per_year"] == pytest.approx(836_000)


def test_an_earlier_target_is_not_judged_by_a_later_estimate(tmp_path: Path) -> None:
    row = one(tmp_path, STOCK.replace("2025", "2020"), {"value": 36e6})
    assert row["reason"] == "targets.reason_passed"
    assert math.isnan(row["required_per_year"])


def test_a_projection_grows_less_certain_with_the_years(tmp_path: Path) -> None:
    change = pd.DataFrame([("growing_stock", "all", 1e6, 3e5)], columns=["quantity", "zone", "change", "se"])
    row = one(tmp_path, STOCK_2030, {"value": 36e6}, annual_change=change)
    # 36 + 5 x 1 = 41 million m3; sqrt(1 + (5 x 0.3)^2) = 1.8028; z = 0.82 / 1.8028 = 0.4549 -> 0.6754
    assert row["assessed"] == pytest.approx(41e6)
    assert row["assessed_se"] == pytest.approx(1.8028e6, rel=1e-4)
    assert row["probability"] == pytest.approx(0.6754, abs=1e-4)
    assert row["estimate"] == 36e6
    assert row["reason"] == "targets.reason_imprecise_projected"


def test_a_change_measured_from_the_estimate_itself_shares_its_error(tmp_path: Path) -> None:
    change = pd.DataFrame({"quantity": ["growing_stock"], "zone": "all", "change": 1e6, "se": 3e5, "covariance": 2e11})
    row = one(tmp_path, STOCK_2030, {"value": 36e6}, annual_change=change)
    # variance 1e12 + 25 x 9e10 + 2 x 5 x 2e11 = 5.25e12
    assert row["assessed_se"] == pytest.approx(math.sqrt(5.25e12))


def test_the_estimates_own_stock_change_serves_as_yearly_change(tmp_path: Path) -> None:
    rows = ({"value": 36e6}, {"quantity": "stock_change", "value": 1.5e6, "se": 1e5})
    row = one(tmp_path, STOCK_2030, *rows)
    assert row["assessed"] == pytest.approx(43.5e6)
    assert (row["verdict"], row["reason"]) == ("met", "targets.reason_met_projected")
    assert changes_from(estimates(*rows), 2024).empty


def test_two_changes_or_two_answers_are_refused(tmp_path: Path) -> None:
    change = pd.DataFrame([("growing_stock", "all", 1e6, 3e5)] * 2, columns=["quantity", "zone", "change", "se"])
    with pytest.raises(InputError) as caught:
        one(tmp_path, STOCK_2030, {"value": 36e6}, annual_change=change)
    assert caught.value.key == "targets.two_changes"
    with pytest.raises(InputError) as caught:
        one(tmp_path, STOCK, {"value": 36e6}, {"value": 37e6})
    assert caught.value.key == "targets.two_answers"


def test_a_definition_under_which_the_target_stands_is_picked_from_several(tmp_path: Path) -> None:
    other = {"value": 30e6, "definition_id": "forest_current_rule_without_oil_tea"}
    assert one(tmp_path, STOCK, other, {"value": 37e6})["estimate"] == 37e6


@pytest.mark.parametrize(("count", "verdict"), [(65, "met"), (64, "not_met")])
def test_a_count_of_a_list_is_exact(tmp_path: Path, count: int, verdict: str) -> None:
    content = STOCK.replace("growing_stock", "small_wetland_sites").replace("万m3", "处").replace("3446", "65")
    content = content.replace("at_least", "count").replace('definition_id = "forest_current_rule"\n', "")
    given = {"quantity": "small_wetland_sites", "value": count, "se": np.nan, "definition_id": ""}
    row = one(tmp_path, content, given)
    assert row["verdict"] == verdict
    assert math.isnan(row["se"])


def test_the_line_between_targets_gives_each_years_place(tmp_path: Path) -> None:
    targets = read(tmp_path, STOCK + STOCK_2030)
    table = assess(estimates({"value": 36e6, "year": 2027}), targets, 2027)
    # 34.46 + 2/5 x 5.72 = 36.748 million m3
    assert table["trajectory_value"].tolist() == pytest.approx([36.748e6, 36.748e6])
    assert assess(estimates({"value": 36e6}), targets, 2031)["trajectory_value"].isna().all()


def test_the_chart_table_has_targets_path_estimates_and_projection(tmp_path: Path) -> None:
    rows = estimates(
        {"value": 34e6, "year": 2024}, {"value": 35e6}, {"quantity": "stock_change", "value": 1e6, "se": 1e5}
    )
    table = trajectory(read(tmp_path, STOCK + STOCK_2030), rows, 2025)
    counts = table["kind"].value_counts().to_dict()
    assert counts == {"target": 2, "path": 6, "estimate": 2, "projection": 6}
    last = table[(table["kind"] == "projection") & (table["year"] == 2030)].iloc[0]
    # 35 + 5; sqrt(1 + 0.25) x 1.96 = 2.191
    assert (last["value"], last["high"] - last["value"]) == pytest.approx((40e6, 2.191e6), rel=1e-3)
    assert set(table["unit"]) == {"m3"}


def test_verdict_and_reason_read_as_a_sentence_in_both_languages(tmp_path: Path) -> None:
    row = one(tmp_path, STOCK, {"value": 40e6})
    assert describe(row, "zh") == "已达到：估计值及其不确定性足以确认"
    assert describe(row, "en") == "met: the estimate and its uncertainty leave little doubt"


def test_every_reason_has_a_text_without_fields() -> None:
    for key, texts in catalogue().items():
        if key.startswith("targets.reason_"):
            assert set(texts) == set(LANGUAGES)
            assert not any("{" in words for words in texts.values()), key


def test_the_table_has_its_columns_even_without_targets() -> None:
    assert tuple(assess(estimates({"value": 1.0}), [], 2025).columns) == COLUMNS


def test_tables_without_their_columns_and_impossible_rules_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing columns: status"):
        assess(estimates({"value": 1.0}).drop(columns="status"), [], 2025)
    with pytest.raises(InputError, match="annual_change"):
        one(tmp_path, STOCK, {"value": 1.0}, annual_change=pd.DataFrame({"zone": []}))
    with pytest.raises(InputError) as caught:
        Rule(met=0.4)
    assert caught.value.key == "targets.rule"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("half_width =", "halfwidth =", "targets.unknown_key"),
        ('source = "1"\n', "", "targets.missing_key"),
        ('definition_id = "forest_current_rule"\n', "", "targets.missing_key"),
        ("half_width = 0.5\n", "", "targets.half_width"),
        ('"about"', '"at_least"', "targets.half_width"),
        ('"about"', '"roughly"', "targets.value"),
        ("value = 53.87", 'value = "53.87"', "targets.kind"),
        ("value = 53.87", "value = true", "targets.kind"),
        ("value = 53.87", "value = nan", "targets.value"),
        ("value = 53.87", "value = -1", "targets.value"),
        ("year = 2025", "year = 25", "targets.value"),
        ("year = 2025", "year = 2025.5", "targets.kind"),
        ('wording_zh = "左右"', 'wording_zh = ""', "targets.kind"),
        ('"forest_coverage"', '"forest_cover"', "targets.unknown_quantity"),
        ('"forest_coverage"', '"carbon:"', "targets.unknown_quantity"),
        ('"forest_coverage"', '"forest_coverage:fir"', "targets.unknown_quantity"),
        ('"%"', '"万m3"', "targets.unit"),
        ('"forest_current_rule"', '"forest_rule"', "targets.definition"),
        ('id = "cover"', 'id = "Cover 1"', "targets.value"),
        (COVERAGE, COVERAGE + COVERAGE, "targets.repeated"),
        (COVERAGE, COVERAGE + COVERAGE.replace('"cover"', '"again"'), "targets.same_slot"),
        ('source = "1"', 'source = "1"\nparts = ["absent"]', "targets.unknown_part"),
        ('source = "1"', 'source = "1"\nparts = [1]', "targets.unknown_part"),
        (COVERAGE, COVERAGE + STOCK + STOCK_2030 + 'parts = ["stock"]', "targets.parts_sum"),
        ("[[target]]", "[target]", "targets.no_targets"),
        (COVERAGE, "", "targets.no_targets"),
        (COVERAGE, "target = [1]", "targets.no_targets"),
        ("[[target]]", "[[targets]]", "targets.unknown_key"),
    ],
)
def test_bad_targets_are_refused_by_id_and_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, COVERAGE.replace(old, new))
    assert caught.value.key == key
    assert "targets.toml" in str(caught.value)


@pytest.mark.parametrize("version", ["", "version = 2\n", "version = true\n"])
def test_a_file_for_another_version_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, COVERAGE, version)
    assert caught.value.key == "targets.version"


def test_an_unknown_key_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="target cover: unknown key 'halfwidth'; did you mean half_width"):
        read(tmp_path, COVERAGE.replace("half_width", "halfwidth"))


@pytest.mark.parametrize(("unit", "value"), [("万m3", 3.446e7), ("亿m3", 3.446e11), ("m3", 3446.0)])
def test_units_are_converted_once(tmp_path: Path, unit: str, value: float) -> None:
    target = read(tmp_path, STOCK.replace("万m3", unit))[0]
    assert (target.value, target.unit) == (pytest.approx(value), "m3")
    assert (target.given_value, target.given_unit) == (3446, unit)


def test_a_mu_is_a_fifteenth_of_a_hectare() -> None:
    assert UNITS["万亩"][1] == pytest.approx(666.6667, abs=1e-4)
    assert UNITS["m3/亩"] == ("m3/ha", 15.0)


def test_every_unit_belongs_to_a_quantity() -> None:
    assert {of for of, _ in UNITS.values()} == set(QUANTITIES.values())


@settings(max_examples=40, deadline=None)
@given(
    value=st.floats(0, 1e9),
    se=st.floats(0, 1e9),
    change=st.floats(-1e7, 1e7),
    change_se=st.floats(0, 1e7),
    year=st.integers(2020, 2035),
)
def test_any_estimate_gets_a_probability_and_a_verdict_that_fit(
    value: float, se: float, change: float, change_se: float, year: int
) -> None:
    rows = [
        {"value": value, "se": se, "year": year},
        {"quantity": "forest_coverage", "value": value % 100, "se": se % 20, "year": year},
    ]
    changes = pd.DataFrame(
        [(name, "all", change, change_se) for name in ("growing_stock", "forest_coverage")],
        columns=["quantity", "zone", "change", "se"],
    )
    table = assess(estimates(*rows), read_targets(shipped("configs/targets-zhuzhou.toml")), year, changes)
    known = table.dropna(subset=["probability"])
    assert len(known) == 4
    assert known["probability"].between(0, 1).all()
    assert ((known["verdict"] == "met") == (known["probability"] >= 0.9)).all()
    assert (known.loc[known["verdict"] == "not_met", "probability"] <= 0.1).all()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.text(alphabet=st.sampled_from("[]{}=\"'\n\\ab1.-,#\t处"), max_size=60),
        st.tuples(st.integers(0, len(COVERAGE)), st.text(max_size=3), st.integers(0, 6)).map(
            lambda cut: COVERAGE[: cut[0]] + cut[1] + COVERAGE[cut[0] + cut[2] :]
        ),
    )
)
def test_any_file_loads_or_is_refused_in_words(tmp_path: Path, content: str) -> None:
    path = tmp_path / "targets.toml"
    path.write_bytes(("version = 1\n" + content).encode("utf-8", "surrogatepass"))
    try:
        assert all(target.value >= 0 for target in read_targets(path))
    except SinkestError as error:
        assert "targets.toml" in str(error)


@pytest.mark.parametrize("df", [3.0, 57.5, 4_000.0, math.inf])
def test_a_target_shows_the_interval_the_estimate_was_given(tmp_path: Path, df: float) -> None:
    half = (stats.norm.ppf(0.975) if math.isinf(df) else stats.t.ppf(0.975, df)) * 4e5
    given = {"value": 35e6, "se": 4e5, "low": 35e6 - half, "high": 35e6 + half, "level": 0.95}
    row = one(tmp_path, STOCK, given)
    assert row["low"] == pytest.approx(given["low"], rel=1e-9)
    assert row["high"] == pytest.approx(given["high"], rel=1e-9)
