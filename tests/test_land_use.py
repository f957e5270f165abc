"""Land-use polygons: true areas by zone, each hectare once, a census under its own definition, refusals by row."""

import dataclasses
import itertools
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from sinkest.account.definitions import definition
from sinkest.account.landuse import code_of, counts, is_woodland
from sinkest.aoi import Zones, geodesic_area_m2
from sinkest.aoi.overlay import areas_m2, overlay
from sinkest.errors import InputError
from sinkest.explain import explain
from sinkest.report.landuse import printed_groups
from sinkest.runstore import read_json
from sinkest.sample.frame import open_run
from sinkest.stages.inference import CITY, Frame
from sinkest.stages.landuse import NOT_COVERED, land_use, land_use_rule, read_run_land_use
from sinkest.targets import assess
from sinkest.targets.file import Target
from sinkest.targets.trajectory import trajectory
from sinkest.tidy import tidy
from tests.project_fixture import CONFIG, call, estimates, run_folder

RULE = definition("forest_current_rule_land_use")
WEST, SOUTH = 113.0, 27.0


def box(x0: float, y0: float, x1: float, y1: float) -> shapely.Polygon:
    """A box in hundredths of a degree from the corner of the zones."""
    return shapely.box(*(np.array([WEST + x0 / 100, SOUTH + y0 / 100, WEST + x1 / 100, SOUTH + y1 / 100])))


def zones() -> Zones:
    """Two zones side by side, each 2 x 2 hundredths."""
    shapes = [box(0, 0, 2, 2), box(2, 0, 4, 2)]
    table = {"zone_id": ["1", "2"], "name_zh": ["甲", "乙"], "name_en": ["a", "b"]}
    frame = gpd.GeoDataFrame(table, geometry=shapes, crs="EPSG:4326")
    return Zones(frame.assign(area_m2=[geodesic_area_m2(shape) for shape in shapes]), "made", "wgs84")


def frame() -> Frame:
    area = dict(zip(zones().ids, zones().frame["area_m2"] / 1e4, strict=True))
    return Frame(2025, 0.95, "forest_current_rule", False, area)


def polygons(*given: tuple[str, shapely.Polygon]) -> gpd.GeoDataFrame:
    codes = [code for code, _ in given]
    held = [bool(counts(code, RULE)) for code in codes]
    shapes = [shape for _, shape in given]
    return gpd.GeoDataFrame({"land_use": codes, "counts": held}, geometry=shapes, crs="EPSG:4326")


def laid(*given: tuple[str, shapely.Polygon], year: int | None = 2025) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    rows, table, notes = land_use(polygons(*given), zones(), frame(), RULE, year)
    return tidy(rows), table, [note.key.partition(".")[2] for note in notes]


def value(rows: pd.DataFrame, quantity: str, zone: str = CITY) -> float:
    return float(rows[(rows["quantity"] == quantity) & (rows["zone"] == zone)]["value"].iloc[0])


def test_areas_on_the_plane_are_those_on_the_ellipsoid() -> None:
    shapes = np.array([box(0, 0, 3, 2), box(0, 0, 300, 250), box(0, 0, 9, 9).difference(box(2, 2, 3, 4))])
    assert areas_m2(shapes) == pytest.approx([geodesic_area_m2(shape) for shape in shapes], rel=1e-8)


def test_a_polygon_in_two_zones_gives_each_its_part() -> None:
    both = box(1, 0, 3, 2)
    found = overlay(np.array([both]), np.array(["0"]), zones())
    halves = [geodesic_area_m2(box(1, 0, 2, 2)), geodesic_area_m2(box(2, 0, 3, 2))]
    assert found.counted_m2[0] == pytest.approx(halves, rel=1e-8)
    assert found.whole_m2[0] == pytest.approx(sum(halves), rel=1e-8)
    rows, table, notes = laid(("0301", both), ("0101", box(0, 0, 1, 2)), ("0101", box(3, 0, 4, 2)))
    assert "across" in notes
    assert "gaps" not in notes
    # half of each zone is forest
    for zone in (CITY, "1", "2"):
        assert value(rows, "land_use_coverage", zone) == pytest.approx(50, rel=1e-6)
    assert table.set_index(["zone", "code"]).loc[(CITY, "0301"), "polygons"] == 1


def test_each_hectare_counts_once_and_a_disputed_one_is_no_forest() -> None:
    # arbor over the left half and, again, over the left quarter; cropland claims the top half of the whole zone
    given = [
        ("0301", box(0, 0, 1, 2)),
        ("0301", box(0, 0, 0.5, 2)),
        ("0101", box(0, 1, 2, 2)),
        ("0101", box(1, 0, 2, 1)),
        ("0101", box(2, 0, 4, 2)),
    ]
    rows, table, notes = laid(*given)
    lower = geodesic_area_m2(box(0, 0, 1, 1)) / 1e4
    assert value(rows, "land_use_forest_area", "1") == pytest.approx(lower, rel=1e-8)
    assert "twice" in notes
    for zone in ("1", "2"):
        here = table[table["zone"] == zone]
        assert here["counted_ha"].sum() == pytest.approx(frame().zone_area_ha[zone], rel=1e-8)
    # whatever the order of the file
    again, other, _ = laid(*reversed(given))
    assert other["counted_ha"].to_numpy() == pytest.approx(table["counted_ha"].to_numpy(), rel=1e-9, abs=1e-9)
    assert again["value"].to_numpy() == pytest.approx(rows["value"].to_numpy(), rel=1e-9)


def test_gaps_are_told_and_a_zone_with_large_ones_has_no_coverage() -> None:
    rows, table, notes = laid(("0302", box(0, 0, 2, 2)), ("0301", box(2, 0, 4, 1)))
    assert "gaps" in notes
    assert value(rows, "land_use_coverage", "1") == pytest.approx(100, rel=1e-8)
    declined = rows[rows["status"] == "declined"]
    assert set(declined["zone"]) == {"2", CITY}
    assert declined["value"].isna().all()
    none = table[(table["zone"] == "2") & (table["code"] == NOT_COVERED)]
    assert float(none["counted_ha"].iloc[0]) == pytest.approx(geodesic_area_m2(box(2, 1, 4, 2)) / 1e4, rel=1e-7)


def test_the_figure_is_a_census_with_the_id_of_its_rule_and_no_error() -> None:
    rows, _, notes = laid(("0301", box(0, 0, 4, 1)), ("0201K", box(0, 1, 4, 2)), year=2020)
    assert {"scope", "other_year"} <= set(notes)
    assert set(rows["definition_id"]) == {"forest_current_rule_land_use"}
    assert rows["se"].isna().all()
    assert rows["provisional"].all()
    assert "shrub_whole" in notes
    for end in ("low", "high"):
        assert rows[end].to_numpy() == pytest.approx(rows["value"].to_numpy(), rel=1e-6)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("0301", True), ("0301A", True), ("0305", True), ("0307", False), ("0201K", False), ("03", None), ("11", False)],
)
def test_codes_that_count(code: str, expected: bool | None) -> None:
    assert counts(code, RULE) is expected


def test_codes_as_they_are_written() -> None:
    assert code_of("0301", {}) == "0301"
    assert code_of("0201k", {}) == "0201K"
    assert code_of("乔木林地", {"乔木林地": "0301"}) == "0301"
    assert [code_of(text, {}) for text in ("301", "乔木林地", "", "1301", "03011")] == [None] * 5
    assert is_woodland(["0301K", "0304", "0307", "0201"]) == [True, False, True, False]


def test_wetland_codes_stand_with_wetland_in_the_printed_groups() -> None:
    codes = {"0301": 50.0, "0307": 3.0, "0306": 1.0, "1108": 2.0, "1101": 4.0, "0402K": 8.0, "none": 0.5}
    table = pd.DataFrame(
        [("a", code, code == "0301", area) for code, area in codes.items()],
        columns=["zone", "code", "counts", "counted_ha"],
    )
    printed = printed_groups(table, SimpleNamespace(zones=["a"]), {})
    found = {name: float(cells["a"]) for name, cells in printed.items()}
    assert found == {"0301": 50.0, "03": 3.0, "02": 0.0, "00": 11.0, "": 4.0, "none": 0.5}
    assert sum(found.values()) == sum(codes.values())


def target(definition_id: str) -> Target:
    return Target(
        id="coverage", quantity="forest_coverage", zone=CITY, year=2025, value=53.87, unit="%", comparison="about",
        definition_id=definition_id, wording_zh="约", wording_en="about", source="二", half_width=0.5, parts=(),
        given_value=53.87, given_unit="%",
    )  # fmt: skip


def test_a_target_is_judged_under_the_id_it_names_and_no_other() -> None:
    """54.0 % by polygons lies within 53.87 +- 0.5; 60 % by points does not: the id decides which one answers."""
    given = frame()
    sampled = given.row("forest_coverage", CITY, "%", 60.0, 0.1, 59.8, 60.2)
    about = {"method": "land_use_polygons", "definition_id": RULE.id}
    census = given.row("land_use_coverage", CITY, "%", 54.0, **about)
    table = tidy([sampled, census])
    (by_points,) = assess(table, [target("forest_current_rule")], 2025).to_dict("records")
    (by_polygons,) = assess(table, [target(RULE.id)], 2025).to_dict("records")
    assert (by_points["verdict"], by_points["estimate"]) == ("not_met", 60.0)
    assert (by_polygons["verdict"], by_polygons["estimate"], by_polygons["probability"]) == ("met", 54.0, 1.0)
    (alone,) = assess(tidy([sampled]), [target(RULE.id)], 2025).to_dict("records")
    assert (alone["verdict"], alone["reason"]) == ("cannot_tell", "targets.reason_no_estimate")


def judged(rows: pd.DataFrame, value: float, comparison: str = "at_least") -> tuple[str, str]:
    sought = dataclasses.replace(target(RULE.id), value=value, comparison=comparison)
    (found,) = assess(rows, [sought], 2025).to_dict("records")
    return found["verdict"], found["reason"]


def test_a_census_with_a_gap_is_judged_only_where_none_and_all_of_it_being_forest_agree() -> None:
    """Half of the ground is forest; of the other half, 2 % that is 1 % of the ground less a little is unknown."""
    rows, _, notes = laid(("0301", box(0, 0, 4, 1)), ("0101", box(0, 1, 4, 1.981)), year=2025)
    assert "gaps" in notes
    whole = rows[(rows["quantity"] == "land_use_coverage") & (rows["zone"] == CITY)].iloc[0]
    # 0.019 of 2 hundredths are 0.95 % of the ground
    assert (whole["low"], whole["high"]) == pytest.approx((50.0, 50.95), abs=0.01)
    assert judged(rows, 49.9)[0] == "met"
    assert judged(rows, 51.0)[0] == "not_met"
    assert judged(rows, 50.5) == ("cannot_tell", "targets.reason_census_gap")


def test_the_road_of_a_census_with_a_gap_keeps_both_of_its_ends() -> None:
    """50 to 50.95 % in 2025; one point a year, with a standard error of 0.1, makes 53 to 53.95 % of 2028, +- 0.588."""
    rows, _, _ = laid(("0301", box(0, 0, 4, 1)), ("0101", box(0, 1, 4, 1.981)), year=2025)
    sought = [target(RULE.id), dataclasses.replace(target(RULE.id), id="later", year=2028, value=54.0)]
    change = pd.DataFrame({"quantity": ["forest_coverage"], "zone": CITY, "change": 1.0, "se": 0.1})
    road = trajectory(sought, rows, 2025, change).set_index(["kind", "year"])
    low, high = (road.loc["estimate", end].loc[2025] for end in ("low", "high"))
    assert (low, high) == pytest.approx((50.0, 50.95), abs=0.01)
    low, high = (road.loc["projection", end].loc[2028] for end in ("low", "high"))
    assert (low, high) == pytest.approx((53 - 0.588, 53.95 + 0.588), abs=0.01)
    old, _, _ = laid(("0301", box(0, 0, 4, 1)), ("0101", box(0, 1, 4, 2)), year=2020)
    assert set(trajectory(sought, old, 2025, change)["kind"]) == {"target", "path", "estimate"}


@pytest.mark.parametrize("year", [None, 2020])
def test_a_census_of_another_or_no_year_carries_no_verdict(year: int | None) -> None:
    rows, _, _ = laid(("0301", box(0, 0, 4, 1)), ("0101", box(0, 1, 4, 2)), year=year)
    assert judged(rows, 40.0) == ("cannot_tell", "targets.reason_census_year")
    of_the_year, _, _ = laid(("0301", box(0, 0, 4, 1)), ("0101", box(0, 1, 4, 2)), year=2025)
    assert judged(of_the_year, 40.0)[0] == "met"


# -- within a run ---------------------------------------------------------------------------------------------------

SECTION = '\n[land_use]\npolygons = "{file}"\nclass_field = "DLBM"\nyear = 2024\n'


def survey(project: Path, file: str, codes: tuple[str, ...] = ("0301", "0101")) -> gpd.GeoDataFrame:
    """Every district in strips: codes in turn from west to east."""
    districts = gpd.read_file(project / "zones.geojson")
    records = []
    for shape in districts.geometry:
        west, south, east, north = shape.bounds
        edges = np.linspace(west, east, 9)
        for index, (left, right) in enumerate(itertools.pairwise(edges)):
            part = shapely.intersection(shape, shapely.box(left, south, right, north))
            records += [(codes[index % len(codes)], one) for one in shapely.get_parts(part) if one.area > 0]
    frame = gpd.GeoDataFrame({"DLBM": [code for code, _ in records]}, geometry=[one for _, one in records], crs=4326)
    if file.endswith(".parquet"):
        frame.to_parquet(project / file)
    else:
        frame.to_crs(4490).to_file(project / file)
    return frame


def with_section(project: Path, text: str, targets: str = "") -> None:
    path = project / CONFIG
    content = path.read_text(encoding="utf-8")
    if targets:
        content = content.replace("[targets]\n", f"[targets]\n{targets}\n", 1)
        assert targets in content
    path.write_text(content + text, encoding="utf-8")


def test_a_run_with_polygons_states_both_coverages_and_explains_the_census(copy: Path) -> None:
    given = survey(copy, "dltb.gpkg")
    with_section(copy, SECTION.format(file="dltb.gpkg"), 'coverage_definition = "forest_current_rule_land_use"')
    assert call("run", copy / CONFIG) == 0
    rows = estimates(run_folder(copy))
    whole = rows[rows["zone"] == CITY].set_index("quantity")
    area = sum(geodesic_area_m2(one) for one in given.geometry[given["DLBM"] == "0301"]) / 1e4
    assert whole.loc["land_use_forest_area", "value"] == pytest.approx(area, rel=1e-7)
    land = sum(line["area_ha"] for line in read_json(run_folder(copy) / "estimate" / "run.json")["zones"])
    assert whole.loc["land_use_coverage", "value"] == pytest.approx(100 * area / land, rel=1e-7)
    # the estimate by points stands beside it, under its own rule
    assert whole.loc["forest_coverage", "definition_id"] == "forest_current_rule"
    assert np.isfinite(whole.loc["forest_coverage", "se"])
    targets = pd.read_csv(run_folder(copy) / "estimate" / "targets.csv").set_index("target_id")
    assert targets.loc["coverage_2025", "estimate"] == pytest.approx(whole.loc["land_use_coverage", "value"])
    assert targets.loc["coverage_2025", "definition_id"] == "forest_current_rule_land_use"
    for quantity in ("land_use_forest_area", "land_use_coverage"):
        found = explain(run_folder(copy), quantity, "430202")
        assert found.agrees
    page = (run_folder(copy) / "report" / "report.html").read_text(encoding="utf-8")
    assert "土地利用图斑：按地类编码的面积" in page
    assert "0301 乔木林地" in page


def problems(project: Path, file: str, **changes: str) -> list[tuple[str, dict[str, object]]]:
    """Keys and fields of what is wrong with the polygons of a project."""
    text = SECTION.format(file=file)
    for old, new in changes.items():
        text = text.replace(old, new)
    content = (project / CONFIG).read_text(encoding="utf-8")
    other = project / "other.toml"
    other.write_text(content + text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_run_land_use(open_run(other))
    found = caught.value.message
    told = dict(found.fields).get("problems", (found,))
    return [(message.key, dict(message.fields)) for message in told]


@pytest.mark.parametrize(
    ("bad", "key"),
    [("乔木林地", "landuse.code"), ("301", "landuse.code"), ("03", "landuse.short_code"), ("", "learn.cell_empty")],
)
def test_codes_that_cannot_be_used_are_refused_by_row_and_column(copy: Path, bad: str, key: str) -> None:
    given = survey(copy, "dltb.parquet", ("0301", bad))
    rows = [row for row, code in enumerate(given["DLBM"], start=2) if code == bad]
    found = problems(copy, "dltb.parquet")
    assert [fields["row"] for _, fields in found] == rows[: len(found)]
    assert {one for one, _ in found} == {key}
    assert {fields["column"] for _, fields in found} == {"DLBM" if key.startswith("landuse") else "land_use"}


def test_polygons_elsewhere_and_a_column_that_is_not_there_are_refused(copy: Path) -> None:
    survey(copy, "dltb.geojson")
    assert "learn.renamed_missing" in {key for key, _ in problems(copy, "dltb.geojson", DLBM="DLMC")}
    far = gpd.read_file(copy / "dltb.geojson")
    far.set_geometry(far.translate(10, 0)).to_file(copy / "dltb.geojson", driver="GeoJSON")
    assert problems(copy, "dltb.geojson")[0][0] == "landuse.outside"


def test_check_looks_at_the_polygons_before_any_work(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    survey(copy, "dltb.gpkg", ("0301", "乔木林地"))
    with_section(copy, SECTION.format(file="dltb.gpkg") + 'definition = "forest_current_rule"\n')
    assert call("check", copy / CONFIG) != 0
    captured = capsys.readouterr()
    told = " ".join((captured.out + captured.err).split())
    assert "names no codes of the land survey" in told


def test_a_definition_without_codes_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        land_use_rule("tree_cover")
    assert caught.value.message.key == "landuse.rule"
