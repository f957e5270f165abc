"""From a finished run to a drawn sample, to a filled-in table, to an estimate."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from pyproj import Transformer

from sinkest.config import load_config
from sinkest.errors import InputError, RunError
from sinkest.learn.places import grid_position
from sinkest.learn.table import read_reference, read_strata
from sinkest.sample import Drawn, ReferenceOptions, draw, draw_reference
from sinkest.sample.frame import open_run
from sinkest.simulate.classes import NAMES
from sinkest.simulate.population import population
from sinkest.stages import mapping, train
from sinkest.stages.context import make_landscape, place
from sinkest.stages.tables import read_run_reference
from tests.project_fixture import CONFIG, SIMULATED, call, copied, edit, estimates, run_folder

YEAR = 2025
COUNT, MINIMUM = 400, 12
GPKG, KML, STRATA = "reference_sample.gpkg", "reference_sample.kml", "strata.csv"
KML_NAME = "{http://www.opengis.net/kml/2.2}"


@dataclass(frozen=True)
class Sample:
    """A project with a drawn sample; to be copied, not changed."""

    project: Path
    drawn: Drawn

    @property
    def folder(self) -> Path:
        return self.project / "sample"

    @property
    def points(self) -> gpd.GeoDataFrame:
        return gpd.read_file(self.folder / GPKG)

    @property
    def strata(self) -> pd.DataFrame:
        return read_strata(self.folder / STRATA)


@pytest.fixture(scope="module")
def sample(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = copied(finished, tmp_path_factory.mktemp("sample"))
    drawn = draw(folder / CONFIG, "reference", None, {"count": COUNT, "minimum": MINIMUM, "se": None})
    return Sample(folder, drawn)


@pytest.fixture
def copy(sample: Sample, tmp_path: Path) -> Path:
    return copied(sample.project, tmp_path)


def fill(folder: Path, classes: list[str | None]) -> None:
    """Do the interpreter's work, in the file as it was handed out."""
    points = gpd.read_file(folder / "sample" / GPKG)
    points["reference_class"] = classes
    (folder / "sample" / GPKG).unlink()
    points.to_file(folder / "sample" / GPKG, layer="reference_sample", driver="GPKG")


def truth_at(folder: Path, points: gpd.GeoDataFrame) -> np.ndarray:
    landscape = make_landscape(load_config(folder / SIMULATED))
    to_metres = Transformer.from_crs("EPSG:4326", "EPSG:32649", always_xy=True)
    x, y = to_metres.transform(points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    return NAMES[landscape.at_metres(np.asarray(x), np.asarray(y), YEAR).land_cover]


def point_at(folder: Path) -> None:
    """Let the configuration name the drawn sample, as the README beside it says."""
    edit(folder / CONFIG, 'reference = "reference.csv"', f'reference = "sample/{GPKG}"')
    edit(folder / CONFIG, 'strata = "strata.csv"', f'strata = "sample/{STRATA}"')


# -- what is drawn --------------------------------------------------------------------------------------------------


def test_the_sample_has_the_columns_to_be_filled_in_and_they_are_empty(sample: Sample) -> None:
    points = sample.points
    assert list(points.columns) == [
        *("point_id", "lon", "lat", "zone_id", "stratum"),
        *("reference_class", "interpreter", "date", "confidence", "note", "simulated", "geometry"),
    ]
    assert len(points) == COUNT
    assert points["point_id"].tolist() == [f"R{number:04d}" for number in range(1, COUNT + 1)]
    assert points[["reference_class", "interpreter", "date", "confidence", "note"]].isna().all(axis=None)
    assert points["simulated"].all()
    assert points.crs.to_epsg() == 4326


def test_strata_are_the_true_areas_of_the_map_by_zone(sample: Sample) -> None:
    run = open_run(sample.project / CONFIG)
    sums = mapping.read_sums(run.store.folder("map"))["class_m2"] / 1e4
    areas = sample.strata.pivot_table(index="zone_id", columns="mapped_as", values="area_ha", aggfunc="sum").fillna(0.0)
    zones = run.zones.frame.set_index("zone_id")["area_m2"] / 1e4
    np.testing.assert_allclose(areas.sum(axis=1), zones.loc[areas.index], rtol=1e-6)
    for item in run.spec.land_cover.classes:
        if item.id in areas:
            np.testing.assert_allclose(areas[item.id], sums[item.code].loc[areas.index], rtol=1e-12)


def test_points_lie_in_the_middle_of_pixels_of_their_stratum(sample: Sample) -> None:
    run, points = open_run(sample.project / CONFIG), sample.points
    row, col, inside = grid_position(run.grid, points["lon"].to_numpy(), points["lat"].to_numpy())
    assert inside.all()
    with rasterio.open(run.store.folder("map") / "land_cover.tif") as source:
        mapped = source.read(1)[row, col]
        x, y = rasterio.transform.xy(source.transform, row, col)
        crs = source.crs
    metres = points.to_crs(crs).geometry
    # Seven decimals of a degree are about a centimetre.
    assert np.hypot(metres.x - x, metres.y - y).max() < 0.02
    names = {item.code: item.id for item in run.spec.land_cover.classes} | {0: "no_data"}
    key = sample.strata.drop_duplicates("stratum").set_index("stratum")["mapped_as"]
    assert key[points["stratum"]].tolist() == [names[code] for code in mapped]


def test_every_point_lies_in_its_zone(sample: Sample) -> None:
    zones = gpd.read_file(sample.project / "zones.geojson").set_index("adcode").geometry
    points = sample.points
    assert all(zones[zone].intersects(point) for zone, point in zip(points["zone_id"], points.geometry, strict=True))


def test_every_stratum_gets_its_floor_and_the_table_counts_the_points(sample: Sample) -> None:
    drawn = sample.points.groupby(["stratum", "zone_id"]).size()
    told = sample.strata.set_index(["stratum", "zone_id"])["points"]
    pd.testing.assert_series_equal(
        told[told > 0].sort_index().astype(int), drawn, check_names=False, check_index_type=False
    )
    assert told.groupby("stratum").sum().min() >= MINIMUM
    assert told.sum() == COUNT


def test_nothing_that_interpreters_get_tells_what_the_map_says(sample: Sample) -> None:
    codes = set(sample.points["stratum"])
    assert all(code[0] == "S" and code[1:].isdigit() for code in codes)
    legend = load_config(sample.project / CONFIG).spec.land_cover.classes
    text = (sample.folder / KML).read_text(encoding="utf-8")
    assert not any(item.zh in text or f">{item.id}<" in text for item in legend)
    # Codes in the order of the legend would tell it after a few points.
    key = sample.strata.drop_duplicates("stratum").set_index("mapped_as")["stratum"]
    in_order = [key[item.id] for item in legend if item.id in key]
    assert in_order != sorted(in_order)


def test_neighbours_in_the_list_are_not_neighbours_on_the_ground(sample: Sample) -> None:
    points = sample.points
    assert 0.4 < (np.diff(points["lat"]) < 0).mean() < 0.6
    assert not points["stratum"].is_monotonic_increasing


def test_the_kml_is_well_formed_and_has_every_point_under_its_zone(sample: Sample) -> None:
    document = ElementTree.parse(sample.folder / KML).getroot()[0]
    folders = {item.findtext(f"{KML_NAME}name"): item for item in document.iter(f"{KML_NAME}Folder")}
    assert set(folders) == {"荷塘区 Hetang", "芦淞区 Lusong", "石峰区 Shifeng"}
    found = {}
    for mark in document.iter(f"{KML_NAME}Placemark"):
        lon, lat = mark.findtext(f"{KML_NAME}Point/{KML_NAME}coordinates").split(",")
        found[mark.findtext(f"{KML_NAME}name")] = (float(lon), float(lat))
        assert "样点" in mark.findtext(f"{KML_NAME}description")
    expected = {line.point_id: (line.lon, line.lat) for line in sample.points.itertuples()}
    assert found == expected


def test_the_readme_says_what_to_enter_and_how_to_name_it(sample: Sample) -> None:
    text = (sample.folder / "README_reference.md").read_text(encoding="utf-8")
    for line in ('reference = "sample/reference_sample.gpkg"', 'strata = "sample/strata.csv"'):
        assert text.count(line) == 2
    assert text.count("| fir | 杉木林 | Chinese fir |") == 2
    assert "盲判" in text
    assert "Interpretation is blind" in text


def test_the_plan_is_told_with_what_it_rests_on(sample: Sample) -> None:
    told = [message.text("en") for message in sample.drawn.told]
    zh = "\n".join(message.text("zh") for message in sample.drawn.told)
    assert any(f"{COUNT} points in" in line and "Planned standard error" in line for line in told)
    assert any("training labels that the model had not seen" in line for line in told)
    assert "计划标准误" in zh
    assert "杉木林" in zh


# -- drawing again --------------------------------------------------------------------------------------------------


def contents(folder: Path, *names: str) -> list[bytes]:
    return [(folder / name).read_bytes() for name in names]


def test_the_same_seed_gives_the_same_bytes_whatever_the_blocks(copy: Path, sample: Sample) -> None:
    edit(copy / CONFIG, "block_size = 256", "block_size = 128")
    edit(copy / CONFIG, "workers = 1", "workers = 2")
    draw_reference(copy / CONFIG, copy / "again", ReferenceOptions(count=COUNT, minimum=MINIMUM, seed=7))
    names = (GPKG, KML, STRATA)
    assert contents(copy / "again", *names) == contents(sample.folder, *names)


def test_another_seed_gives_other_points(copy: Path, sample: Sample) -> None:
    draw_reference(copy / CONFIG, copy / "other", ReferenceOptions(count=COUNT, minimum=MINIMUM, seed=8))
    other = gpd.read_file(copy / "other" / GPKG)
    same = set(zip(other["lon"], other["lat"], strict=True)) & set(
        zip(sample.points["lon"], sample.points["lat"], strict=True)
    )
    assert len(same) < COUNT / 2


def test_the_same_command_again_leaves_the_files_alone(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (copy / "sample").iterdir()}
    assert call("sample", copy / CONFIG, "reference", "--count", COUNT, "--minimum", MINIMUM) == 0
    assert {path: path.stat().st_mtime_ns for path in (copy / "sample").iterdir()} == before


def test_work_of_an_interpreter_is_never_overwritten(copy: Path) -> None:
    points = gpd.read_file(copy / "sample" / GPKG)
    fill(copy, ["fir", *[None] * (len(points) - 1)])
    (copy / "sample" / KML).unlink()
    before = (copy / "sample" / GPKG).read_bytes()
    with pytest.raises(RunError, match="exists already and may hold somebody's work") as refused:
        draw_reference(copy / CONFIG, None, ReferenceOptions(count=COUNT, minimum=MINIMUM))
    assert refused.value.fields["file"].name == GPKG
    assert (copy / "sample" / GPKG).read_bytes() == before
    assert not (copy / "sample" / KML).exists()


# -- what was asked for ---------------------------------------------------------------------------------------------


def test_a_smaller_standard_error_takes_more_points(copy: Path) -> None:
    sizes = []
    for se in (4.0, 2.5):
        draw_reference(copy / CONFIG, copy / f"se{se}", ReferenceOptions(se=se, minimum=2))
        sizes.append(len(gpd.read_file(copy / f"se{se}" / GPKG)))
    assert sizes[0] < sizes[1]


def test_without_a_size_the_standard_error_is_one_point(copy: Path) -> None:
    drawn = draw_reference(copy / CONFIG, copy / "plain", ReferenceOptions(minimum=2))
    planned = next(message for message in drawn.told if message.key == "sample.planned")
    assert 0.9 < float(dict(planned.fields)["se"]) <= 1.0


def test_groups_are_forest_other_trees_and_the_rest(copy: Path) -> None:
    drawn = draw_reference(copy / CONFIG, copy / "groups", ReferenceOptions(count=120, strata="groups"))
    strata = read_strata(copy / "groups" / STRATA)
    assert (
        {"forest", "other_trees", "other"} <= set(strata["mapped_as"]) <= {"forest", "other_trees", "other", "no_data"}
    )
    run = open_run(copy / CONFIG)
    forest = mapping.read_sums(run.store.folder("map"))["forest_m2"].sum(axis=1) / 1e4
    found = strata[strata["mapped_as"] == "forest"].set_index("zone_id")["area_ha"]
    np.testing.assert_allclose(found, forest.loc[found.index], rtol=1e-9)
    zones = run.zones.frame.set_index("zone_id")["area_m2"] / 1e4
    total = strata.groupby("zone_id")["area_ha"].sum()
    np.testing.assert_allclose(total, zones.loc[total.index], rtol=1e-6)
    assert any("forest: " in message.text("en") for message in drawn.told)
    assert any("其他树木" in message.text("zh") for message in drawn.told)


@pytest.mark.parametrize("rule", ["equal", "proportional", "power"])
def test_other_rules_of_allocation(copy: Path, rule: str) -> None:
    assert (
        call(
            "sample",
            copy / CONFIG,
            "reference",
            "--count",
            300,
            "--minimum",
            5,
            "--allocation",
            rule,
            "--out",
            copy / rule,
        )
        == 0
    )
    points = gpd.read_file(copy / rule / GPKG)["stratum"].value_counts()
    assert points.sum() == 300
    if rule == "equal":
        assert points.max() - points.min() <= 1


# -- refusals -------------------------------------------------------------------------------------------------------


def test_without_a_map_the_command_to_make_one_is_named(project: Path) -> None:
    with pytest.raises(RunError, match="no finished map to draw strata from; run `sinkest map"):
        draw_reference(project / CONFIG)


def test_a_map_of_another_configuration_is_refused(copy: Path) -> None:
    edit(copy / CONFIG, "resolution_m = 120", "resolution_m = 150")
    with pytest.raises(RunError, match="changed: aoi") as refused:
        draw_reference(copy / CONFIG, copy / "out")
    assert refused.value.key == "sample.stale_map"
    assert not (copy / "out").exists()


def test_a_damaged_map_is_refused(copy: Path) -> None:
    with (run_folder(copy) / "map" / "sums.csv").open("a") as stream:
        stream.write("class_m2,430202,1,1.0,,,\n")
    with pytest.raises(RunError, match="not as they were written"):
        draw_reference(copy / CONFIG, copy / "out")


def test_a_run_without_land_cover_has_no_strata(copy: Path) -> None:
    text = (copy / CONFIG).read_text(encoding="utf-8")
    start, end = text.index("[land_cover]"), text.index("[targets]")
    stock = '[stock]\nplots = "plots.csv"\nmodel = "models/stock"\ndesign = "systematic"\n'
    (copy / CONFIG).write_text(text[:start] + stock, encoding="utf-8")
    assert end > start
    with pytest.raises(InputError) as refused:
        draw_reference(copy / CONFIG, copy / "out")
    assert refused.value.key == "stages.no_land_cover"


@pytest.mark.parametrize(
    "options, key",
    [
        ({"count": 10, "se": 1.0}, "sample.count_or_se"),
        ({"count": 10}, "sample.count_out_of_range"),
        ({"count": 10_000_000}, "sample.count_out_of_range"),
        ({"se": 0.0}, "sample.wanted_se"),
        ({"se": 1e-9}, "sample.se_out_of_reach"),
        ({"spacing_m": 1000.0}, "sample.other_kind"),
        ({"design": "random"}, "sample.other_kind"),
    ],
)
def test_what_cannot_be_drawn_is_refused(sample: Sample, tmp_path: Path, options: dict[str, object], key: str) -> None:
    with pytest.raises(InputError) as refused:
        draw(sample.project / CONFIG, "reference", tmp_path / "out", options)
    assert refused.value.key == key
    for language in ("zh", "en"):
        assert refused.value.message.text(language)
    assert not (tmp_path / "out").exists()


def test_more_points_than_anybody_interprets_are_refused(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinkest.sample.reference.LARGEST", 100)
    with pytest.raises(InputError, match="would draw 400 points, the limit is 100"):
        draw(sample.project / CONFIG, "reference", tmp_path / "out", {"count": 400, "minimum": 2})


# -- reading back ---------------------------------------------------------------------------------------------------


def test_a_filled_in_sample_gives_coverage_with_an_interval(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config(copy / CONFIG)
    legend = {item.id: item for item in config.spec.land_cover.classes}
    points = gpd.read_file(copy / "sample" / GPKG)
    truth = truth_at(copy, points)
    # Interpreters write ids, Chinese and English names, each as it suits.
    written = [(name, legend[name].zh, f" {legend[name].en.upper()} ")[number % 3] for number, name in enumerate(truth)]
    fill(copy, written)
    point_at(copy)
    assert call("estimate", copy / CONFIG) == 0, capsys.readouterr().err
    found = estimates(run_folder(copy)).query("quantity == 'forest_coverage' and zone == 'all'").iloc[0]
    assert found["n"] == COUNT
    assert found["low"] < found["value"] < found["high"]

    # By hand: shares of forest in the strata, weighted by their areas (Cochran 1977, 5.1 and 5.3).
    forest = pd.Series(np.isin(truth, list(config.spec.forest.forest_classes)).astype(float))
    area = read_strata(copy / "sample" / STRATA).groupby("stratum")["area_ha"].sum()
    weight = area / area.sum()
    share, n = (forest.groupby(points["stratum"]).agg(what).loc[area.index] for what in ("mean", "count"))
    variance = (weight**2 * share * (1 - share) / (n - 1)).sum()
    assert found["value"] == pytest.approx(100 * (weight * share).sum(), abs=1e-6)
    assert found["se"] == pytest.approx(100 * np.sqrt(variance), rel=1e-3)

    zones, grid = place(config)
    city = population(make_landscape(load_config(copy / SIMULATED)), zones, grid, [YEAR], workers=1)
    is_forest = np.isin(NAMES[city.land_cover[YEAR]], list(config.spec.forest.forest_classes))
    assert abs(found["value"] - 100 * np.average(is_forest, weights=city.area_ha)) < 4 * found["se"]


def test_empty_rows_are_named_by_point(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classes: list[str | None] = ["fir"] * COUNT
    classes[2] = classes[7] = None
    fill(copy, classes)
    point_at(copy)
    assert call("estimate", copy / CONFIG) == 2
    told = capsys.readouterr().err
    assert "problems found: 2" in told
    assert "row 4, column 'reference_class': no value; expected a class id of the legend, for R0003" in told
    assert "for R0008" in told


def test_a_sample_that_nobody_has_looked_at_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    point_at(copy)
    assert call("--lang", "zh", "check", copy / CONFIG) == 2
    told = capsys.readouterr().out
    assert f"发现 {COUNT} 处问题，以下为前 20 处" in told
    assert "（R0001）" in told


def test_a_sample_cut_short_is_a_sample(copy: Path) -> None:
    points = gpd.read_file(copy / "sample" / GPKG)
    fill(copy, truth_at(copy, points).tolist())
    gpd.read_file(copy / "sample" / GPKG).head(300).to_file(copy / "sample" / GPKG, driver="GPKG")
    point_at(copy)
    assert len(read_run_reference(open_run(copy / CONFIG))) == 300


def test_an_unknown_class_is_named_with_its_row(copy: Path) -> None:
    fill(copy, ["fir", "杉木", "99", *["water"] * (COUNT - 3)])
    names = train.class_names(open_run(copy / CONFIG))
    with pytest.raises(InputError) as refused:
        read_reference(copy / "sample" / GPKG, classes=names)
    told = str(refused.value)
    assert "row 3, column 'reference_class': '杉木' is no class of the legend; did you mean 'fir'?" in told
    assert "row 4, column 'reference_class': '99' is no class of the legend" in told


def test_codes_ids_and_names_are_read_alike(copy: Path) -> None:
    given = ["1", "fir", "杉木林", "Chinese Fir", *["14"] * (COUNT - 4)]
    fill(copy, given)
    legend = load_config(copy / CONFIG).spec.land_cover.classes
    classes = {item.id: (str(item.code), item.zh, item.en) for item in legend}
    found = read_reference(copy / "sample" / GPKG, classes=classes)["reference_class"]
    assert found.tolist() == ["fir"] * 4 + ["water"] * (COUNT - 4)
