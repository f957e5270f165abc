"""Definitions of forest: what ships, and that unlike ones are never compared."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinkest.account import comparable, definition, definitions, load_definitions, require_same, shipped_definitions
from sinkest.errors import InputError

GOOD = """
[mine]
version = 2
name_en = "mine"
name_zh = "本地口径"
text_en = "rule"
text_zh = "规则"
classes = ["fir"]
coverage = true
min_area_ha = 0.0667
oil_tea = "counted"
denominator = "administrative_area"
comparable_with = []
source = "bureau"
status = "SRC"
"""


def write(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "definitions.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_tree_cover_is_not_coverage_and_counts_orchards_and_urban_trees() -> None:
    rule = definition("tree_cover")
    assert not rule.coverage
    assert {"orchard", "urban_trees"} <= set(rule.classes)


def test_the_current_rule_counts_arbor_bamboo_and_oil_tea_only() -> None:
    assert definition("forest_current_rule").classes == (
        "fir",
        "masson_pine",
        "broadleaf",
        "mixed",
        "bamboo",
        "oil_tea",
    )


def test_the_two_oil_tea_treatments_differ_by_oil_tea_alone() -> None:
    with_it, without = definition("forest_current_rule"), definition("forest_current_rule_without_oil_tea")
    assert set(with_it.classes) - set(without.classes) == {"oil_tea"}
    assert (with_it.oil_tea, without.oil_tea) == ("counted", "not_counted")


def test_no_two_shipped_definitions_are_comparable() -> None:
    for first, second in combinations(shipped_definitions(), 2):
        assert not comparable(first, second)


def test_an_id_without_version_means_the_version_known_here() -> None:
    assert comparable("tree_cover", "tree_cover@1")
    assert definition("tree_cover@1").versioned_id == "tree_cover@1"
    assert definition("tree_cover").name("zh") == "林木覆盖（非森林覆盖率）"


def test_a_pure_definition_change_is_refused() -> None:
    with pytest.raises(InputError, match="forest_old_rule and forest_current_rule") as caught:
        require_same("forest_old_rule", "forest_current_rule")
    assert caught.value.key == "account.definitions_unlike"


def test_like_definitions_pass_and_unknown_ones_only_match_themselves() -> None:
    require_same("forest_current_rule", "forest_current_rule@1")
    require_same("someone_elses", "someone_elses")
    assert not comparable("someone_elses", "forest_current_rule")
    assert not comparable("", "forest_current_rule")


def test_another_version_is_not_comparable() -> None:
    assert not comparable("tree_cover", "tree_cover@2")
    with pytest.raises(InputError) as caught:
        definition("tree_cover@2")
    assert caught.value.key == "account.definition_version"


def test_an_unknown_id_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean tree_cover"):
        definition("tree_covers")


def test_definitions_of_ones_own_can_declare_each_other_comparable(tmp_path: Path) -> None:
    other = GOOD.replace("[mine]", "[yours]").replace("comparable_with = []", 'comparable_with = ["mine"]')
    known = load_definitions(write(tmp_path, GOOD + other))
    assert comparable("mine", "yours@2", known)
    assert known["mine"].versioned_id == "mine@2"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("classes =", "class =", "account.definition_key"),
        ('status = "SRC"\n', "", "account.definition_missing"),
        ("version = 2", "version = true", "account.definition_value"),
        ("version = 2", "version = 0", "account.definition_value"),
        ("0.0667", "nan", "account.definition_value"),
        ("0.0667", '"1 mu"', "account.definition_value"),
        ('"counted"', '"perhaps"', "account.definition_value"),
        ('"SRC"', '"sure"', "account.definition_value"),
        ('["fir"]', '["fir", "fir"]', "account.definition_value"),
        ('["fir"]', "[1]", "account.definition_value"),
        ("comparable_with = []", 'comparable_with = ["absent"]', "account.definition_value"),
        ("[mine]", "[Mine]", "account.definition_id"),
        (GOOD, "mine = 1", "account.definition_id"),
        (GOOD, "", "account.no_rows"),
        (GOOD, "[mine", "account.not_toml"),
        (GOOD, "a = " + "[" * 5000, "account.not_toml"),
    ],
)
def test_bad_definitions_are_refused(tmp_path: Path, old: str, new: str, key: str) -> None:
    with pytest.raises(InputError) as caught:
        load_definitions(write(tmp_path, GOOD.replace(old, new)))
    assert caught.value.key == key
    assert "definitions.toml" in str(caught.value)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text(alphabet=st.sampled_from("[]{}=\"'\n\\ab1.-,#\t杉"), max_size=60))
def test_any_text_loads_or_is_refused_in_words(tmp_path: Path, content: str) -> None:
    try:
        load_definitions(write(tmp_path, content))
    except InputError as error:
        assert "definitions.toml" in str(error)


def test_the_current_rule_ships_with_and_without_land_use_polygons() -> None:
    by_label, by_polygon = definition("forest_current_rule"), definition("forest_current_rule_land_use")
    assert by_label.land_use == ()
    # arbor forest land, bamboo land, shrub land of the national land survey
    assert by_polygon.land_use == ("0301", "0302", "0305")
    assert set(by_polygon.classes) == set(by_label.classes)


def test_counterparts_differ_in_oil_tea_and_name_each_other() -> None:
    rule = definition("forest_current_rule")
    other = definition(rule.oil_tea_counterpart or "")
    assert {rule.oil_tea, other.oil_tea} == {"counted", "not_counted"}
    assert other.oil_tea_counterpart == rule.id
    assert set(rule.classes) - set(other.classes) == {"oil_tea"}


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('oil_tea_counterpart = "forest_current_rule"', 'oil_tea_counterpart = "tree_cover"', "oil_tea_counterpart"),
        ('oil_tea_counterpart = "forest_current_rule"', 'oil_tea_counterpart = "forest"', "oil_tea_counterpart"),
        ('"0301", "0302"', '"0301", "0301"', "land_use"),
        ('"0301", "0302"', '"0301", "forest"', "land_use"),
    ],
)
def test_bad_counterparts_and_land_use_codes_are_refused(tmp_path: Path, old: str, new: str, key: str) -> None:
    shipped = Path(definitions.__file__).parent / "factors" / "definitions.toml"
    text = shipped.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "definitions.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_definitions(path)
    assert caught.value.key == "account.definition_value"
    assert key in str(caught.value)
