"""What GIS programs open: valid COGs with styles, county layers, and a catalogue that is valid STAC."""

from __future__ import annotations

import hashlib
import json
import math
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import geopandas as gpd
import jsonschema
import numpy as np
import pyogrio
import pystac
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import box

from sinkest.aoi import read_zones
from sinkest.mapping.cog import RasterClass, RasterSpec
from sinkest.mapping.style import qgis_style
from sinkest.report.data import CITY
from sinkest.report.gis import county_frame, report_geopackage, report_geoparquet
from sinkest.report.stac import Asset, Band, Raster, stac_collection, stac_item
from sinkest.shipped import shipped
from tests.project_fixture import run_folder
from tests.report_fixture import bare_data, report_data


@cache
def zones() -> gpd.GeoDataFrame:
    return read_zones(shipped("aoi/zhuzhou.geojson")).frame


@pytest.fixture(scope="module")
def run(finished: Path) -> Path:
    return run_folder(finished)


# -- rasters --------------------------------------------------------------------------------------------------------


def test_every_raster_of_a_run_is_a_valid_cog(run: Path) -> None:
    rasters = sorted(run.rglob("*.tif"))
    assert len(rasters) >= 7
    for path in rasters:
        valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
        assert (valid, errors, warnings) == (True, [], []), path.name


def test_every_map_has_a_style_that_names_what_occurs(run: Path) -> None:
    for path in sorted((run / "map").glob("*.tif")):
        style = ET.fromstring(path.with_suffix(".qml").read_bytes().split(b"\n", 1)[1])
        renderer = style.find("pipe/rasterrenderer")
        assert renderer is not None
        with rasterio.open(path) as source:
            values = source.read(1, masked=True).compressed()
        if renderer.get("type") == "paletted":
            entries = {int(e.get("value")): e for e in renderer.iter("paletteEntry")}
            assert set(np.unique(values).tolist()) <= set(entries)
            assert all(any("\u4e00" <= letter <= "\u9fff" for letter in e.get("label")) for e in entries.values())
        else:
            steps = [float(e.get("value")) for e in renderer.iter("item")]
            assert steps == sorted(steps)
            assert steps[0] == 0
            assert steps[-1] >= np.nanpercentile(values.astype(float), 95)


def test_a_style_escapes_names(tmp_path: Path) -> None:
    spec = RasterSpec("uint8", 0, ["x"], classes=[RasterClass(1, 'a "b" & <c>', "甲", "#112233")])
    style = ET.fromstring(qgis_style(tmp_path / "unread.tif", spec, "x").split(b"\n", 1)[1])
    assert next(style.iter("paletteEntry")).get("label") == '甲 a "b" & <c>'


def test_a_scale_of_an_empty_map_has_two_ends(tmp_path: Path) -> None:
    path = tmp_path / "empty.tif"
    profile = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "float32", "nodata": math.nan}
    with rasterio.open(path, "w", crs="EPSG:32649", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 3e6), **profile) as t:
        t.write(np.full((1, 4, 4), np.nan, dtype=np.float32))
    style = ET.fromstring(qgis_style(path, RasterSpec("float32", math.nan, ["x"]), "other").split(b"\n", 1)[1])
    ends = [float(e.get("value")) for e in style.iter("item")]
    assert (ends[0], ends[-1]) == (0.0, 1.0)


# -- polygons -------------------------------------------------------------------------------------------------------


def test_layers_are_the_same_bytes_whenever_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    data = report_data(maps=())
    first = report_geopackage(data, zones()), report_geoparquet(data, zones())
    monkeypatch.setenv("OGR_CURRENT_DATE", "2031-05-06T07:08:09.000Z")
    assert (report_geopackage(data, zones()), report_geoparquet(data, zones())) == first


def test_the_whole_is_a_layer_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "counties.gpkg"
    path.write_bytes(report_geopackage(report_data(maps=()), zones()))
    assert pyogrio.list_layers(path)[:, 0].tolist() == ["counties", "city", "estimates"]
    counties, city = (gpd.read_file(path, layer=name) for name in ("counties", "city"))
    assert counties.crs.to_epsg() == 4326
    assert city["zone_id"].tolist() == [CITY]
    assert counties["forest_area_ha"].sum() == city["forest_area_ha"].iloc[0]
    assert counties["land_area_ha"].sum() == city["land_area_ha"].iloc[0]
    assert city.geometry.iloc[0].symmetric_difference(counties.union_all()).area < 1e-9
    assert city["simulated"].tolist() == [True]


def test_a_cell_without_an_estimate_is_empty() -> None:
    frame = county_frame(report_data(maps=()), zones()).set_index("zone_id")
    assert math.isnan(frame.loc["430204", "growing_stock_per_ha_m3_ha"])
    assert frame.loc["430202", "growing_stock_per_ha_m3_ha"] == 52.0


def test_zones_without_any_estimate_still_have_their_area() -> None:
    frame = county_frame(bare_data(), zones())
    assert len(frame) == 10
    assert frame["land_area_ha"].iloc[-1] == pytest.approx(frame["land_area_ha"].iloc[:-1].sum(), abs=0.1)


# -- catalogue ------------------------------------------------------------------------------------------------------


def test_the_catalogue_of_a_run_is_valid_stac(run: Path) -> None:
    folder = run / "report" / "stac"
    for name, kind in (("item.json", pystac.Item), ("collection.json", pystac.Collection)):
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        # the schemas of STAC itself come with pystac; those of its extensions lie on the network
        kind.from_dict(content | {"stac_extensions": []}).validate()
    collection = pystac.Collection.from_file(str(folder / "collection.json"))
    (item,) = collection.get_items()
    assert item.get_collection() is not None
    assert item.common_metadata.start_datetime is not None
    assert item.properties["sinkest:simulated"] is True


def test_every_asset_lies_where_the_item_says_with_the_hash_it_says(run: Path) -> None:
    folder = run / "report" / "stac"
    item = json.loads((folder / "item.json").read_text(encoding="utf-8"))
    assert {"land_cover", "stock", "counties_gpkg", "report_html", "report_docx", "manifest"} <= set(item["assets"])
    for key, asset in item["assets"].items():
        path = folder / asset["href"]
        assert path.is_file(), key
        if key == "manifest":
            continue  # written after the item
        assert asset["file:size"] == path.stat().st_size
        assert asset["file:checksum"] == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_item_describes_its_rasters(run: Path) -> None:
    item = json.loads((run / "report" / "stac" / "item.json").read_text(encoding="utf-8"))
    with rasterio.open(run / "map" / "stock.tif") as source:
        stock = item["assets"]["stock"]
        assert stock["proj:shape"] == list(source.shape)
        assert stock["proj:transform"] == list(source.transform)[:6]
        assert stock["proj:code"] == f"EPSG:{source.crs.to_epsg()}"
    assert stock["bands"] == [{"name": "volume_m3_ha", "data_type": "float32", "unit": "m3/ha", "nodata": "nan"}]
    (band,) = item["assets"]["land_cover"]["bands"]
    assert {"value": 14, "name": "class_14"}.items() <= next(
        c for c in band["classification:classes"] if c["value"] == 14
    ).items()


# what the extensions' schemas require of the fields that are written here
_FIELDS = {
    "type": "object",
    "properties": {
        "proj:code": {"type": ["string", "null"], "pattern": "^[A-Z]+:[A-Za-z0-9]+$"},
        "proj:wkt2": {"type": "string"},
        "proj:shape": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer"}},
        "proj:transform": {"type": "array", "minItems": 6, "maxItems": 9, "items": {"type": "number"}},
        "file:size": {"type": "integer", "minimum": 0},
        "file:checksum": {"type": "string", "pattern": "^1220[a-f0-9]{64}$"},
        "bands": {
            "type": "array",
            "items": {
                "properties": {
                    "classification:classes": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "required": ["value", "name"],
                            "properties": {
                                "value": {"type": "integer"},
                                "name": {"type": "string", "pattern": "^[0-9A-Za-z-_]+$"},
                                "color_hint": {"type": "string", "pattern": "^[0-9A-F]{6}$"},
                            },
                        },
                    }
                }
            },
        },
    },
}


def test_fields_of_the_extensions_are_as_these_require(run: Path) -> None:
    item = json.loads((run / "report" / "stac" / "item.json").read_text(encoding="utf-8"))
    for asset in item["assets"].values():
        jsonschema.validate(asset, _FIELDS)


def test_a_reference_system_without_a_number_is_given_in_full() -> None:
    raster = Raster("PROJCS[...]", (2, 3), (10.0, 0.0, 0.0, 0.0, -10.0, 0.0), (Band("b", "", "uint8", 0.0),))
    assets = [Asset("map", "../map.tif", "map", ("data",), raster=raster)]
    item = stac_item(bare_data(), box(113, 26, 114, 28), assets)
    assert (item["assets"]["map"]["proj:code"], item["assets"]["map"]["proj:wkt2"]) == (None, "PROJCS[...]")
    assert item["bbox"] == [113.0, 26.0, 114.0, 28.0]
    assert "simulated" not in stac_collection(bare_data(), box(113, 26, 114, 28))["keywords"]
