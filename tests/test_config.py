from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinkest.config import MAX_BYTES, LoadedConfig, load_config
from sinkest.errors import ConfigError
from sinkest.progress import Silent
from sinkest.workflow import run

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
DEMO = (CONFIGS / "demo.toml").read_text(encoding="utf-8")


def load(folder: Path, content: str) -> LoadedConfig:
    path = folder / "config.toml"
    path.write_text(content, encoding="utf-8")
    return load_config(path)


def refusal(folder: Path, old: str, new: str) -> str:
    assert old in DEMO
    with pytest.raises(ConfigError) as caught:
        load(folder, DEMO.replace(old, new, 1))
    assert str(folder / "config.toml") in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["demo.toml", "zhuzhou-2025.toml"])
def test_the_shipped_configurations_are_valid(name: str) -> None:
    config = load_config(CONFIGS / name)
    assert config.spec.year == 2025
    assert config.codes(["fir", "bamboo"]) == [1, 5]


def test_both_shipped_configurations_have_the_same_classes() -> None:
    first, second = (load_config(CONFIGS / name).spec for name in ("demo.toml", "zhuzhou-2025.toml"))
    assert first.land_cover is not None
    assert second.land_cover is not None
    assert first.land_cover.classes == second.land_cover.classes
    assert first.forest == second.forest


def test_paths_start_from_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, DEMO)
    assert config.file("plots.csv") == tmp_path / "plots.csv"
    assert config.file("shipped:aoi/zhuzhou.geojson").is_file()
    assert config.run_folder == tmp_path / "runs" / "virtual-zhuzhou-2025"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("cloudiness", "cloudines", "imagery.simulated.cloudines: unknown key; did you mean 'cloudiness'?"),
        ("year = 2025", 'year = "x"', "year: given 'x', expected a whole number"),
        ("year = 2025", "year = 1900", "year: given 1900, expected 1972 or more"),
        ("year = 2025", "", "year: missing"),
        ('design = "systematic"', 'design = "sometimes"', "stock.design: given 'sometimes', expected one of"),
        ("resolution_m = 200", "", "aoi: give exactly one of resolution_m and grid_from"),
        ("resolution_m = 200", "resolution_m = 0.1", "aoi.resolution_m: given 0.1, expected 1 or more"),
        ('start = "12-01"', 'start = "13-01"', "imagery.seasons.0.start: given '13-01'"),
        ('name = "spring"', 'name = "winter"', "imagery.seasons.name: the same value stands twice"),
        ("code = 2,", "code = 1,", "land_cover.classes.code: the same value stands twice"),
        ('bamboo_class = "bamboo"', 'bamboo_class = "bambo"', "account.bamboo_class: 'bambo' is no id"),
        ('source = "simulated"', 'source = "stack"', "needs the section [imagery.stack]"),
        ("radar = true", 'radar = "no idea"', "imagery.simulated.radar: given 'no idea', expected true or false"),
        ("min_area_ha = 0.0667", "min_area_ha = -1", "forest.min_area_ha: given -1, expected 0 or more"),
        ("version = 1", "version = 2", "version is 2, this program reads version = 1"),
        ("version = 1", "", "version is -"),
        ("version = 1", "version = = 1", "not valid TOML"),
    ],
)
def test_a_bad_value_names_key_and_remedy(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in refusal(tmp_path, old, new)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    bad = DEMO.replace("cloudiness", "cloudines").replace('design = "systematic"', "design = 3")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, bad)
    assert "imagery.simulated.cloudines" in str(caught.value)
    assert "stock.design" in str(caught.value)
    assert "未知的键" in caught.value.message.text("zh")


def test_land_cover_without_a_forest_definition_is_refused(tmp_path: Path) -> None:
    start, end = DEMO.index("[forest]"), DEMO.index("[wetland]")
    with pytest.raises(ConfigError, match="needs \\[forest\\]"):
        load(tmp_path, DEMO[:start] + DEMO[end:])


def test_a_configuration_may_only_compose(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(DEMO[: DEMO.index("[land_cover]")], encoding="utf-8")
    assert load_config(path).spec.land_cover is None
    with pytest.raises(ConfigError, match="nothing to do after composing"):
        run(path, progress=Silent())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml cannot be read"):
        load_config(tmp_path / "gone.toml")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "big.toml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="at most 1000000"):
        load_config(tmp_path / "big.toml")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_mutation_of_a_configuration_gives_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(DEMO.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        action = data.draw(st.sampled_from(["flip", "cut", "insert"]))
        if action == "flip":
            content[place] = data.draw(st.integers(0, 255))
        elif action == "cut":
            del content[place : place + data.draw(st.integers(1, 40))]
        else:
            content[place:place] = data.draw(st.binary(min_size=1, max_size=20))
    path = tmp_path / "config.toml"
    path.write_bytes(bytes(content))
    try:
        load_config(path)
    except ConfigError as error:
        assert str(path) in str(error)
        assert error.message.text("zh")
