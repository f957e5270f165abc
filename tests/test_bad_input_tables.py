"""Labels, reference points, strata, wetland sites and zones that cannot be right are refused before any work begins."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.bad_input import Spoil, cell, change, features, refused, without
from tests.project_fixture import CONFIG, edit
from tests.test_bad_input_plots import in_gcj02

LABELS, ZONES = "labels.geojson", "zones.geojson"
Case = tuple[Spoil, tuple[str, ...], tuple[str, ...]]


def labelled(land_cover: str, first: int | None = None) -> Spoil:
    """Give labels a class: the first so many, or all."""

    def how(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for one in given[:first]:
            one["properties"]["land_cover"] = land_cover
        return given

    return lambda folder: features(folder / LABELS, how)


def cut(name: str) -> Spoil:
    """Cut a file in the middle."""

    def spoil(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return spoil


def setting(old: str, new: str) -> Spoil:
    return lambda folder: edit(folder / CONFIG, old, new)


def crossed(folder: Path) -> None:
    """Exchange two corners of the first zone."""

    def how(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        ring = given[0]["geometry"]["coordinates"][0]
        ring[1], ring[2] = ring[2], ring[1]
        ring[5], ring[20] = ring[20], ring[5]
        return given

    features(folder / ZONES, how)


def one_code(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    given[1]["properties"]["adcode"] = given[0]["properties"]["adcode"]
    return given


REFERENCE: dict[str, Case] = {
    "unknown class": (
        cell("reference", 5, "reference_class", "fur"),
        ("reference.csv", "row 5, column 'reference_class': 'fur' is no class of the legend; did you mean 'fir'?"),
        ("第 5 行，列 'reference_class'：'fur' 不在图例类别中",),
    ),
    "unknown stratum": (
        cell("reference", 5, "stratum", "woods"),
        ("reference.csv", "row 5, column 'stratum': 'woods' is no stratum of strata.csv", "forest, other_trees, non_"),
        ("第 5 行，列 'stratum'：'woods' 不是 strata.csv 中的抽样层",),
    ),
    "a stratum without points": (
        change("reference", lambda frame: frame[frame["stratum"] != "other_trees"]),
        ("reference.csv: no point was drawn from the strata other_trees, which have an area in strata.csv",),
        (),
    ),
    "single points": (
        change("reference", lambda frame: frame.drop_duplicates("stratum")),
        ("reference.csv: every stratum holds a single point",),
        (),
    ),
    "gcj-02": (
        change("reference", in_gcj02),
        ("reference.csv: the coordinates look like GCJ-02", 'datum = "gcj02"'),
        ("reference.csv：坐标疑似 GCJ-02",),
    ),
    "no strata": (
        setting('strata = "strata.csv"\n', ""),
        ("estimate.strata is missing", "give the file"),
        (),
    ),
    "strata without zones": (
        without("strata", "zone_id"),
        ("strata.csv cannot be used; problems found: 1\n", "column 'zone_id' is missing"),
        (),
    ),
    "strata of an unknown zone": (
        cell("strata", 2, "zone_id", "1"),
        ("strata.csv", "row 2, column 'zone_id': '1' is not one of the area's zones: 430202"),
        (),
    ),
    "strata that do not add up": (
        cell("strata", 2, "area_ha", "99999"),
        ("strata.csv, column 'area_ha': the strata of zone 430202 add up to 1", "15039.2 ha", "0.5 %"),
        ("strata.csv，列 area_ha：分区 430202 的抽样层面积合计",),
    ),
    "a stratum twice": (
        change("strata", lambda frame: pd.concat([frame, frame.iloc[:1]])),
        ("strata.csv", "row 11, column stratum + zone_id: 'forest / 430202' stands already in row 2"),
        (),
    ),
}
OTHERS: dict[str, Case] = {
    "unknown label": (
        labelled("fur", 1),
        (LABELS, "row 2, column 'land_cover': 'fur' is no class of the legend; did you mean 'fir'?"),
        (),
    ),
    "labels of one class": (
        labelled("fir"),
        (LABELS, "column 'land_cover' holds one class only (fir)", "at least two"),
        ("列 'land_cover' 只有一个类别（fir）",),
    ),
    "labels cut short": (cut(LABELS), (LABELS, "cannot be read as vector data", "export it as GeoPackage"), ()),
    "no such column": (
        setting('labels = "labels.geojson"', 'labels = "labels.geojson"\nclass_field = "klass"'),
        (LABELS, "column 'klass', to be read as 'land_cover', does not exist"),
        (),
    ),
    "a reservoir without its year": (
        cell("wetland_sites", 2, "kind", "reservoir"),
        ("wetland_sites.csv", "row 2, site xiang", "a reservoir needs its year of impoundment, up to 2025"),
        ("第 2 行（xiang）：水库须填写蓄水年份",),
    ),
    "an impossible site": (
        cell("wetland_sites", 2, "area_ha", "5000000"),
        ("wetland_sites.csv", "row 2, site xiang: area 5000000.0 is impossible"),
        (),
    ),
    "an unknown kind of site": (
        cell("wetland_sites", 2, "kind", "sea"),
        ("wetland_sites.csv", "row 2, column 'kind': 'sea' cannot be read; expected one of: river, lake"),
        (),
    ),
    "a site elsewhere": (
        cell("wetland_sites", 3, "lon", "112.0"),
        ("wetland_sites.csv: 1 point(s) lie outside the area (row 3; the first at 112.0",),
        (),
    ),
    "zones with crossing outlines": (
        crossed,
        ("zones.geojson, feature 1: the outline crosses or touches itself at (113.", "Fix geometries"),
        ("zones.geojson，第 1 个要素：边界在", "自相交"),
    ),
    "zones cut short": (cut(ZONES), (ZONES, "cannot be read as vector data"), ()),
    "zones missing": (lambda folder: (folder / ZONES).unlink(), ("zones.geojson: no such file",), ()),
    "zones of one code": (
        lambda folder: features(folder / ZONES, one_code),
        ("zones.geojson: features 1 and 2 have the same code '430202' in column 'adcode'",),
        (),
    ),
    "another column of codes": (
        setting('path = "zones.geojson"', 'path = "zones.geojson"\nid_field = "code"'),
        ("zones.geojson: no column 'code'; did you mean 'adcode'?",),
        (),
    ),
    "zones declared to be in GCJ-02": (
        setting('path = "zones.geojson"', 'path = "zones.geojson"\ndatum = "gcj02"'),
        ("zones.geojson: is declared as GCJ-02", 'Set datum = "wgs84"'),
        (),
    ),
    "an unknown projection": (
        setting('path = "zones.geojson"', 'path = "zones.geojson"\ncrs = "EPSG:99999"'),
        ("aoi.crs: 'EPSG:99999' is no coordinate reference system; give 'auto'",),
        (),
    ),
    "a projection in degrees": (
        setting('path = "zones.geojson"', 'path = "zones.geojson"\ncrs = "EPSG:4326"'),
        ("aoi.crs: the grid cannot be laid out in WGS 84 (EPSG:4326)", "a projected CRS in metres is needed"),
        (),
    ),
}


@pytest.mark.parametrize("name", [*REFERENCE, *OTHERS])
def test_a_bad_table_is_refused(
    name: str,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil, english, chinese = {**REFERENCE, **OTHERS}[name]
    spoil(copy)
    refused(copy, capsys, english, chinese)


def test_zones_without_an_outline_are_named(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = json.loads((copy / ZONES).read_text(encoding="utf-8"))
    content["features"][2]["geometry"] = None
    (copy / ZONES).write_text(json.dumps(content), encoding="utf-8")
    refused(copy, capsys, ("zones.geojson, feature 3: has no geometry",), ())
