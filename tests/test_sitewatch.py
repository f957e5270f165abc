"""Water and vegetation of wetland sites: fractional pixels by hand, limits that are told, change against a run."""

import json
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from sinkest.account.sitewatch import circle, normalised, shares
from sinkest.errors import InputError
from sinkest.sample.frame import open_run
from sinkest.stages.sitewatch import COLUMNS, _Seasons, _site_rows, outlines_of
from sinkest.stages.tables import read_run_sites
from tests.project_fixture import CONFIG, call, run_folder

# reflectance x 10000: open water, reed, mud
WATER, REED, MUD = {"green": 900, "red": 600, "nir": 300, "swir1": 100}, {"green": 600, "red": 400, "nir": 3200, "swir1": 1500}, {"green": 1000, "red": 1200, "nir": 1500, "swir1": 2200}  # fmt: skip  # noqa: E501


def composite(path: Path, cover: list[list[dict[str, int] | None]], season: str = "summer") -> Path:
    """A composite of one season, 4 bands; None is nodata."""
    bands = ("green", "red", "nir", "swir1")
    values = np.array(
        [[[-32768 if cell is None else cell[band] for cell in row] for row in cover] for band in bands], dtype=np.int16
    )
    about = {"driver": "GTiff", "count": 4, "dtype": "int16", "nodata": -32768, "crs": "EPSG:32649"}
    height, width = values.shape[1:]
    with rasterio.open(
        path, "w", **about, height=height, width=width, transform=from_origin(0, 10 * height, 10, 10)
    ) as out:
        out.write(values)
        out.scales = (0.0001,) * 4
        for place, band in enumerate(bands, 1):
            out.set_band_description(place, f"{season}_{band}")
    return path


def seasons(path: Path) -> _Seasons:
    with rasterio.open(path) as source:
        shape = (source.shape[0], source.shape[1])
    return _Seasons(path, ("summer",), ("red", "nir", "green", "swir1"), ("MNDWI", "green", "swir1"), shape)


def test_every_pixel_weighs_by_the_part_inside(tmp_path: Path) -> None:
    """A box over 2.5 columns and 1.5 rows: 3.75 pixels; water fills the first column whole and half, reed the rest."""
    file = composite(tmp_path / "c.tif", [[WATER, REED, REED, MUD], [WATER, REED, MUD, MUD], [MUD, MUD, MUD, MUD]])
    site = shapely.box(0, 0, 2.5, 1.5)
    found = seasons(file).look(site)
    assert seasons(file).pixels(site) == pytest.approx(3.75)
    one = found["summer"]
    assert one.seen == 1
    assert one.water == pytest.approx(1.5 / 3.75)
    # reed: column two whole in row one and half in row two, column three half in row one
    assert one.vegetation == pytest.approx((1 + 0.5 + 0.5) / 3.75)
    assert one.other == pytest.approx(0.25 / 3.75)
    ndvi = {"water": (300 - 600) / 900, "reed": (3200 - 400) / 3600, "mud": 300 / 2700}
    assert one.ndvi == pytest.approx((1.5 * ndvi["water"] + 2 * ndvi["reed"] + 0.25 * ndvi["mud"]) / 3.75)


def test_a_site_that_was_hardly_seen_says_nothing(tmp_path: Path) -> None:
    file = composite(tmp_path / "c.tif", [[WATER, None], [None, WATER]])
    found = seasons(file).look(shapely.box(0, 0, 2, 2))
    assert found["summer"].seen == pytest.approx(0.5)
    assert np.isnan(found["summer"].water)


def test_green_water_is_vegetation_and_without_a_wetness_index_water_is_not_told() -> None:
    weight, green = np.ones(4), np.array([0.8, 0.5, 0.1, -0.3])
    wet = np.array([0.2, -0.1, -0.2, 0.6])
    found = shares(weight, green, wet)
    assert (found.water, found.vegetation, found.other) == (0.25, 0.5, 0.25)
    assert np.isnan(shares(weight, green, None).water)
    assert shares(weight, green, None).vegetation == 0.5


def test_indices_have_no_value_where_there_is_no_light() -> None:
    assert np.isnan(normalised(np.array([0.0, np.nan]), np.array([0.0, 0.1]))).all()


@pytest.mark.parametrize("area_ha", [0.3, 7.9, 3000.0])
def test_the_circle_has_the_area_of_the_site(area_ha: float) -> None:
    assert shapely.Polygon(circle(5e5, 3e6, area_ha)).area == pytest.approx(area_ha * 1e4, rel=1e-9)


# -- within a run ---------------------------------------------------------------------------------------------------


def site_table(project: Path) -> pd.DataFrame:
    path = run_folder(project) / "estimate" / "wetland_sites.csv"
    return pd.read_csv(path, dtype={"site_id": str, "zone": str}, encoding="utf-8-sig")


def outline(project: Path, site: str, side_m: float) -> None:
    """A square around a site of the list."""
    listed = read_run_sites(open_run(project / CONFIG))
    point = listed[listed["site_id"] == site].to_crs(32649).geometry.iloc[0]
    square = shapely.box(point.x - side_m / 2, point.y - side_m / 2, point.x + side_m / 2, point.y + side_m / 2)
    frame = gpd.GeoDataFrame({"site_id": [site]}, geometry=[square], crs=32649)
    frame.to_file(project / "outlines.gpkg")


def named(project: Path, line: str) -> None:
    path = project / CONFIG
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[wetland]\n", f"[wetland]\n{line}\n", 1), encoding="utf-8")


def test_a_run_lists_every_site_and_says_which_are_too_small(finished: Path) -> None:
    table = site_table(finished)
    listed = read_run_sites(open_run(finished / CONFIG))
    assert set(COLUMNS) <= set(table.columns)
    assert set(table["site_id"]) == set(listed["site_id"])
    small = table[table["kind"] == "small_wetland"]
    # 120 m pixels of 1.44 ha: eight hectares are fewer than six of them
    assert set(small["status"]) == {"too_small"}
    assert small["water"].isna().all()
    assert small["pixels"].to_numpy() == pytest.approx(small["area_ha"].to_numpy() / 1.44, rel=2e-3)
    assert set(table.loc[table["kind"] == "river", "status"]) <= {"no_outline"}
    about = json.loads((run_folder(finished) / "estimate" / "run.json").read_text(encoding="utf-8"))
    keys = [key for key, _ in about["notes"]]
    assert "sitewatch.scope" in keys
    assert "在此分辨率下过小" in (run_folder(finished) / "report" / "report.html").read_text(encoding="utf-8")


def test_with_an_outline_a_site_is_looked_at(copy: Path) -> None:
    site = str(site_table(copy).query("kind == 'small_wetland'")["site_id"].iloc[0])
    outline(copy, site, 1200.0)
    named(copy, 'outlines = "outlines.gpkg"')
    assert call("estimate", copy / CONFIG) == 0
    found = site_table(copy).set_index(["site_id", "season"]).loc[site]
    assert set(found["outline"]) == {"polygon"}
    assert set(found["status"]) == {"ok"}
    assert found["pixels"].to_numpy() == pytest.approx(100, rel=1e-3)
    total = found[["water", "vegetation", "other"]].sum(axis=1)
    assert total.to_numpy() == pytest.approx(1.0)
    # by hand from the composite: whole pixels inside, the rim left out, agree within the share of the rim
    with rasterio.open(run_folder(copy) / "compose" / "composite.tif") as source:
        names = list(source.descriptions)
        red, nir = (source.read(names.index(f"summer_{band}") + 1) * 1e-4 for band in ("red", "nir"))
        square = gpd.read_file(copy / "outlines.gpkg").to_crs(source.crs).geometry.iloc[0]
        inside = ~rasterio.features.geometry_mask([square], source.shape, source.transform)
    ndvi = (nir - red)[inside] / (nir + red)[inside]
    assert found.loc["summer", "ndvi"] == pytest.approx(float(ndvi.mean()), abs=0.05)


def test_change_is_that_of_the_same_ground_in_an_earlier_composite(finished: Path, tmp_path: Path) -> None:
    """64 pixels, of which half were water and three quarters are; the rest is reed in both years."""
    run = open_run(finished / CONFIG)
    before = seasons(composite(tmp_path / "a.tif", [[WATER] * 4 + [REED] * 4] * 8))
    now = seasons(composite(tmp_path / "b.tif", [[WATER] * 6 + [REED] * 2] * 8))
    (row,) = _site_rows({"site_id": "W"}, shapely.box(0, 0, 8, 8), now, before, run, 2020)
    assert (row["status"], row["since"], row["pixels"]) == ("ok", 2020, 64)
    assert (row["water"], row["water_change"]) == pytest.approx((0.75, 0.25))
    assert row["vegetation_change"] == pytest.approx(-0.25)
    (small,) = _site_rows({"site_id": "W"}, shapely.box(0, 0, 7, 7), now, before, run, 2020)
    assert small["status"] == "too_small"
    (gone,) = _site_rows({"site_id": "W"}, shapely.box(20, 20, 30, 30), now, before, run, 2020)
    assert gone["status"] == "outside"
    (without,) = _site_rows({"site_id": "W"}, None, now, before, run, 2020)
    assert without["status"] == "no_outline"


def test_water_by_two_indices_is_not_differenced(finished: Path, tmp_path: Path) -> None:
    """Without the short-wave band the earlier water was told by NDWI: mud may be wet by one and dry by the other."""
    run = open_run(finished / CONFIG)
    file = composite(tmp_path / "a.tif", [[WATER] * 4 + [REED] * 4] * 8)
    before = replace(seasons(file), bands=("red", "nir", "green"), wetness=("NDWI", "green", "nir"))
    now = seasons(composite(tmp_path / "b.tif", [[WATER] * 6 + [REED] * 2] * 8))
    (row,) = _site_rows({"site_id": "W"}, shapely.box(0, 0, 8, 8), now, before, run, 2020)
    assert {"water_change", "vegetation_change"}.isdisjoint(row)
    assert row["ndvi_change"] == pytest.approx(row["ndvi"] - before.look(shapely.box(0, 0, 8, 8))["summer"].ndvi)


def test_an_outline_of_no_listed_site_is_refused_by_row(copy: Path) -> None:
    run = open_run(copy / CONFIG)
    sites = read_run_sites(run)
    frame = gpd.GeoDataFrame({"site_id": ["nowhere"]}, geometry=[shapely.box(113.1, 27.8, 113.2, 27.9)], crs=4326)
    frame.to_file(copy / "outlines.gpkg")
    with pytest.raises(InputError) as caught:
        outlines_of(run, copy / "outlines.gpkg", sites)
    (problem,) = dict(caught.value.message.fields)["problems"]
    assert problem.key == "sitewatch.unknown_site"
    assert dict(problem.fields) == {"row": 2, "column": "site_id", "value": "nowhere"}
