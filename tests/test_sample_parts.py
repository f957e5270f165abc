"""Pieces of a sample that need no run: plan, slivers, expected shares, KML, files."""

from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkest.errors import InputError, RunError
from sinkest.messages import Message
from sinkest.sample.kml import Placemark, kml
from sinkest.sample.output import both, empty, geopackage, path_in_config, quoted, write_new
from sinkest.sample.reference import ReferenceOptions, plan_points
from sinkest.sample.strata import MapStrata, _confusion, _without_slivers

EVIDENCE = Message.of("sample.evidence_assumed", percent="85")
RULES = ("equal", "proportional", "neyman", "power")
SPACE = "{http://www.opengis.net/kml/2.2}"


def strata(sizes: list[int], shares: list[float]) -> MapStrata:
    """Strata of one zone whose pixels are a hectare each."""
    names = tuple(f"s{number}" for number in range(len(sizes)))
    return MapStrata(
        names,
        np.zeros((1, 1), np.uint8),
        dict(zip(names, sizes, strict=True)),
        pd.DataFrame([dict(zip(names, map(float, sizes), strict=True))], index=["1"]),
        dict(zip(names, shares, strict=True)),
        EVIDENCE,
    )


# -- plan -----------------------------------------------------------------------------------------------------------


def test_the_planned_standard_error_is_that_of_the_allocation() -> None:
    # Olofsson et al. 2014, eq. 13: n = (sum W S / SE)^2 = ((0.54 * 0.3 + 0.46 * 0.32496) / 0.01)^2 = 970.1
    plan = plan_points(strata([540_000, 460_000], [0.90, 0.12]), ReferenceOptions(se=1.0))
    assert plan.n == 971
    # sqrt(0.54^2 * 0.09 / 505 + 0.46^2 * 0.1056 / 466) = 0.0099954
    assert plan.by_stratum == {"s0": 505, "s1": 466}
    assert plan.se == pytest.approx(0.0099954, abs=1e-6)


def test_small_strata_are_taken_whole_and_the_rest_goes_to_the_others() -> None:
    plan = plan_points(strata([100_000, 7], [0.9, 0.5]), ReferenceOptions(count=200, minimum=30))
    assert plan.by_stratum == {"s0": 193, "s1": 7}


def test_a_count_below_the_floors_names_them() -> None:
    with pytest.raises(InputError, match=r"3 strata with at least 30 points each .* take 90") as refused:
        plan_points(strata([5000, 5000, 5000], [0.9, 0.1, 0.5]), ReferenceOptions(count=80))
    assert refused.value.fields["most"] == 15_000


def test_a_standard_error_that_takes_half_the_map_is_refused() -> None:
    with pytest.raises(InputError, match="more than half of the 2000 pixels"):
        plan_points(strata([1000, 1000], [0.5, 0.5]), ReferenceOptions(se=0.5))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    sizes=st.lists(st.integers(2, 100_000), min_size=1, max_size=12),
    data=st.data(),
    rule=st.sampled_from(RULES),
    minimum=st.integers(2, 60),
    extra=st.integers(0, 2000),
)
def test_no_stratum_gets_less_than_the_floor_or_more_than_it_has(
    sizes: list[int], data: st.DataObject, rule: str, minimum: int, extra: int
) -> None:
    shares = data.draw(st.lists(st.floats(0.05, 0.95), min_size=len(sizes), max_size=len(sizes)))
    least = sum(min(minimum, size) for size in sizes)
    count = min(least + extra, sum(sizes))
    plan = plan_points(strata(sizes, shares), ReferenceOptions(count=count, minimum=minimum, allocation=rule))
    assert plan.n == count == sum(plan.by_stratum.values())
    for n, size in zip(plan.by_stratum.values(), sizes, strict=True):
        assert min(minimum, size) <= n <= size


# -- strata ---------------------------------------------------------------------------------------------------------


def test_strata_of_a_single_pixel_join_the_smallest_other_one() -> None:
    pixels = np.array([[1, 1, 1, 2, 2, 3, 0]], np.uint8)
    area = pd.DataFrame({"a": [3.0], "b": [2.0], "c": [1.0], "edge": [0.2], "none": [0.0]}, index=["1"])
    counts = {"a": 3, "b": 2, "c": 1, "edge": 0, "none": 0}
    found = _without_slivers(pixels, counts, area, dict.fromkeys(counts, 0.5), EVIDENCE)
    assert found.names == ("a", "b")
    assert found.counts == {"a": 3, "b": 3}
    assert found.pixels.tolist() == [[1, 1, 1, 2, 2, 2, 0]]
    # Nothing of the area is lost, though the edge has no pixel to draw.
    assert found.area_ha.loc["1"].tolist() == pytest.approx([3.0, 3.2])
    assert found.notes[0].text("en").endswith("c, edge joined b")


def test_an_area_without_pixels_is_refused() -> None:
    area = pd.DataFrame({"a": [0.1], "b": [0.2]}, index=["1"])
    with pytest.raises(InputError, match="only 1 pixels"):
        _without_slivers(np.array([[1]], np.uint8), {"a": 1, "b": 0}, area, {"a": 0.5, "b": 0.5}, EVIDENCE)


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"cross_validation": None},
        {"cross_validation": {"held_out": {"scores": {"n": 3}}}},
        {"cross_validation": {"held_out": {"scores": {"classes": ["a"], "confusion_predicted_by_observed": [[1, 2]]}}}},
    ],
)
def test_a_model_that_was_not_cross_validated_says_nothing_of_the_map(card: dict[str, object]) -> None:
    assert _confusion(card) is None


# -- files ----------------------------------------------------------------------------------------------------------

# Markup, what XML forbids even escaped, and what it allows beyond the basic plane.
TEXTS = st.text(st.sampled_from("株洲a <>&'\"]\n\t\r\0\x0b\x1f\x7f\ufffe\uffff\U0001f332"), max_size=30)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(name=TEXTS, folder=TEXTS, about=TEXTS)
def test_kml_is_well_formed_whatever_the_names(name: str, folder: str, about: str) -> None:
    root = ElementTree.fromstring(kml(about, name, [Placemark(name, folder, about, 113.1, 27.8)]))
    assert root.findtext(f".//{SPACE}coordinates") == "113.1000000,27.8000000"


def test_kml_keeps_chinese_and_markup_as_text() -> None:
    content = kml("株洲 <县> & 区", "", [Placemark("R1", "炎陵县", "a < b & 'c'", 1.0, 2.0)])
    root = ElementTree.fromstring(content)
    assert root.findtext(f"{SPACE}Document/{SPACE}name") == "株洲 <县> & 区"
    assert root.findtext(f".//{SPACE}Placemark/{SPACE}description") == "a < b & 'c'"
    assert "炎陵县" in content.decode("utf-8")


def test_gis_programs_read_the_kml(tmp_path: Path) -> None:
    path = tmp_path / "a.kml"
    path.write_bytes(kml("t", "", [Placemark("R1", "z", "x", 113.5, 27.25), Placemark("R2", "z", "y", 113.6, 27.3)]))
    found = gpd.read_file(path)
    assert [(point.x, point.y) for point in found.geometry] == [(113.5, 27.25), (113.6, 27.3)]


def test_a_geopackage_is_the_same_bytes_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"id": np.array(["一", "b"], object), "day": empty("date", 2), "v": empty("number", 2)}
    lon, lat = np.array([113.0, 113.1]), np.array([27.0, 27.1])
    first = geopackage(columns, lon, lat, "points", 2025)
    assert b"2025-01-01T00:00:00" in first
    assert geopackage(columns, lon, lat, "points", 2025) == first
    (tmp_path / "a.gpkg").write_bytes(first)
    found = gpd.read_file(tmp_path / "a.gpkg")
    assert found["id"].tolist() == ["一", "b"]
    assert found[["day", "v"]].isna().all(axis=None)


def test_files_are_written_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"work")
    with pytest.raises(RunError, match="exists already"):
        write_new({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert not (tmp_path / "a").exists()
    assert write_new({tmp_path / "a": b"1", tmp_path / "b": b"work"}) == (tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_folder_in_the_way_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(RunError, match="exists already"):
        write_new({tmp_path / "a": b"1"})


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match="cannot be written"):
        write_new({tmp_path / "file" / "sample" / "a": b"1"})


def test_a_configuration_names_files_below_it_relatively(tmp_path: Path) -> None:
    assert path_in_config(tmp_path / "样本" / "a.gpkg", tmp_path) == "样本/a.gpkg"
    outside = path_in_config(tmp_path / "a.gpkg", tmp_path / "project")
    assert Path(outside).is_absolute()
    assert quoted('样本/"a"') == '"样本/\\"a\\""'


def test_both_languages_take_their_own_fields() -> None:
    text = both("sample.kml_title_plots", " | ", place={"zh": "株洲", "en": "Zhuzhou"}, year=2025)
    assert text == "株洲 2025 年新布设样地 | Zhuzhou: new field plots 2025"
