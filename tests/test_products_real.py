"""Real files through the paths for products and catalogues, held against plain reading."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from sinkest.errors import SourceError
from sinkest.imagery.local import grid_of
from sinkest.imagery.products.source import Declared, ProductsSource
from sinkest.imagery.source import QA, Period
from sinkest.imagery.stac.make import make_source
from tests.servers.stac_items import asset, item

YEARS = Period(date(2017, 1, 1), date(2019, 12, 31))


def test_real_dates_and_classes_out_of_a_saved_catalogue(real_data: Path, tmp_path: Path) -> None:
    """Two real Sentinel-2 dates told as items of baseline 02, which has no offset: numbers and SCL come through."""
    folder = real_data / "imagery" / "sen2r_S2"
    items = []
    for day in ("20170703", "20190723"):
        boa, scl = (folder / f"S2A2A_{day}_022_Barbellino_{kind}_10.tif" for kind in ("BOA", "SCL"))
        grid = grid_of(boa)
        with rasterio.open(boa) as source, rasterio.open(tmp_path / f"{day}_red.tif", "w", **_single(source)) as red:
            red.write(source.read(4), 1)
        told: dict[str, Any] = {"datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T10:20:00Z", "platform": "sentinel-2a"}
        assets = {"B04": asset(f"{day}_red.tif", grid), "SCL": asset(str(scl), grid_of(scl))}
        items.append(item(f"S2A_{day}", "sentinel-2-l2a", grid, assets, **told, **{"s2:processing_baseline": "02.05"}))
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    catalogue = make_source(
        "planetary-computer", items=tmp_path / "items.json", radar_collection="", layout={"assets": {"red": "B04"}}
    )
    scenes = catalogue.search(grid, YEARS)
    assert [scene.time.year for scene in scenes] == [2017, 2019]
    for scene, day in zip(scenes, ("20170703", "20190723"), strict=True):
        found = catalogue.read(grid, scene, ["red"])
        with (
            rasterio.open(folder / f"S2A2A_{day}_022_Barbellino_BOA_10.tif") as boa_file,
            rasterio.open(folder / f"S2A2A_{day}_022_Barbellino_SCL_10.tif") as scl_file,
        ):
            classes = np.kron(scl_file.read(1), np.ones((2, 2), np.uint8))
            stored = boa_file.read(4).astype(np.float64)
        np.testing.assert_array_equal(found[QA], classes)
        known = np.isfinite(found["red"])
        np.testing.assert_allclose(found["red"][known], stored[known] / 10_000, atol=1e-7)
        assert known[classes > 0].mean() > 0.95


def test_dates_of_multiband_files_are_declared(real_data: Path) -> None:
    bands = {"green": "S2A2A_*_BOA_10.tif:3", "nir": "S2A2A_*_BOA_10.tif:8"}
    declared = Declared("sen2r_S2", "S2A2A_%Y%m%d_*", "sentinel-2", bands, 1e-4)
    source = ProductsSource(real_data / "imagery", sensors=(), declared=[declared])
    grid = grid_of(real_data / "imagery" / "sen2r_S2" / "S2A2A_20190723_022_Barbellino_BOA_10.tif")
    scenes = source.search(grid, YEARS)
    assert [scene.id for scene in scenes] == ["sentinel-2_2017-07-03", "sentinel-2_2019-07-23"]
    found = source.read(grid, scenes[1], ["green", "nir"])
    assert 0.2 < float(np.nanmedian(found["nir"])) < 0.6


def test_a_landsat_5_scene_of_before_the_collections_is_named_and_left(real_data: Path) -> None:
    source = ProductsSource(real_data / "imagery" / "RStoolbox_S2_L5")
    told = " ".join(str(note) for note in source.notes())
    assert "LT52240631988227CUB02_MTL.txt (LANDSAT_5, L1T, collection -)" in told
    grid = grid_of(real_data / "imagery" / "RStoolbox_S2_L5" / "lsat.tif")
    assert source.search(grid, Period(date(1988, 1, 1), date(1988, 12, 31))) == ()
    assert source.elevation(grid) is not None


def test_hls_bands_are_read_as_declared(real_data: Path, tmp_path: Path) -> None:
    """The file has ten bands of reflectance and tells no date; a name with one is all that is wanting."""
    file = real_data / "imagery" / "terratorch_hls_gedi" / "hls_10band_texas_utm14.tif"
    (tmp_path / "hls").mkdir()
    (tmp_path / "hls" / "HLS_20200601.tif").symlink_to(file)
    with rasterio.open(file) as raster:
        stored, nodata = raster.read(3).astype(np.float64), raster.nodata
    scale = 1.0 if float(np.nanmax(stored)) < 10 else 1e-4
    declared = Declared("hls", "%Y%m%d", "hls", {"red": 3}, scale, nodata=-9999 if nodata is None else None)
    source = ProductsSource(tmp_path, declared=[declared])
    (scene,) = source.search(grid_of(file), Period(date(2020, 6, 1), date(2020, 6, 1)))
    found = source.read(grid_of(file), scene, ["red"])["red"]
    known = np.isfinite(found)
    assert known.mean() > 0.9
    np.testing.assert_allclose(found[known], stored[known] * scale, atol=1e-6)


def test_the_folder_of_landsat_5_alone_holds_nothing_to_read(real_data: Path, tmp_path: Path) -> None:
    for file in (real_data / "imagery" / "RStoolbox_S2_L5").glob("LT5*"):
        (tmp_path / file.name).symlink_to(file)
    with pytest.raises(SourceError, match=r"no product in it that can be read; found: LT52240631988227CUB02_MTL"):
        ProductsSource(tmp_path)


def _single(source: Any) -> dict[str, Any]:
    return {**source.profile, "count": 1, "interleave": "band"}
