"""Sentinel-2 Level-2A products: folders and zips, offsets by baseline, and products that are not whole."""

import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from sinkest.errors import SourceError
from sinkest.imagery.products.source import ProductsSource
from sinkest.imagery.raster import bounds_in
from sinkest.imagery.source import QA, Period
from tests.servers.formats import METADATA, safe_name, write_elevation, write_safe
from tests.servers.truth import COARSE, FINE, OFFSET_DN, QUANTIFICATION, Truth, build, lattice

YEAR = Period(date(2025, 1, 1), date(2025, 12, 31))


@pytest.fixture(scope="module")
def truth() -> Truth:
    return build(lattice(700_000, 3_080_000, 64, 48, 10), [Period(date(2025, 7, 1), date(2025, 7, 31))], scenes=1)


def reflectance(numbers: np.ndarray, offset: int = OFFSET_DN) -> np.ndarray:
    values = (numbers.astype(np.float64) + offset) / QUANTIFICATION
    return np.where(numbers == 0, np.nan, values)


def damaged(folder: Path, **fields: str) -> str:
    with pytest.raises(SourceError) as told:
        ProductsSource(folder)
    for value in fields.values():
        assert value in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("baseline", ["05.11", "02.08"])
def test_reflectance_is_that_of_the_product(tmp_path: Path, truth: Truth, baseline: str, zipped: bool) -> None:
    write_safe(tmp_path, truth, truth.scenes[0], baseline=baseline, zipped=zipped)
    source = ProductsSource(tmp_path)
    (scene,) = source.search(truth.fine, YEAR)
    found = source.read(truth.fine, scene, FINE)
    for band in FINE:
        expected = reflectance(truth.scenes[0].bands[band])
        if baseline < "04.00":  # without an offset, no number stands for what is below 0.0001
            expected = np.where(expected < 1e-4, 1e-4, expected)
        expected[np.kron(truth.scenes[0].scl, np.ones((2, 2))) == 0] = np.nan
        np.testing.assert_allclose(found[band], expected, atol=1e-7)
    np.testing.assert_array_equal(found[QA], np.kron(truth.scenes[0].scl, np.ones((2, 2), dtype=np.uint8)))
    assert scene.time == truth.scenes[0].time
    assert ("-1000" in scene.offset_policy) == (baseline >= "04.00")
    assert baseline in scene.product


def test_bands_of_20_m_are_aligned_on_their_own_lattice(tmp_path: Path, truth: Truth) -> None:
    write_safe(tmp_path, truth, truth.scenes[0])
    source = ProductsSource(tmp_path)
    (scene,) = source.search(truth.coarse, YEAR)
    found = source.read(truth.coarse, scene, COARSE)
    for band in COARSE:
        expected = reflectance(truth.scenes[0].bands[band])
        expected[truth.scenes[0].scl == 0] = np.nan
        np.testing.assert_allclose(found[band], expected, atol=1e-7)


@pytest.mark.parametrize("crs", ["EPSG:32649", "EPSG:32650"])
def test_blocks_are_parts_of_the_whole(tmp_path: Path, truth: Truth, crs: str) -> None:
    write_safe(tmp_path, truth, truth.scenes[0])
    source = ProductsSource(tmp_path)
    left, _, _, top = bounds_in(truth.fine, crs)
    grid = truth.fine if crs == "EPSG:32649" else lattice(left, top, 50, 40, 13, crs)
    (scene,) = source.search(grid, YEAR)
    whole = source.read(grid, scene, ["red", "swir1"])
    assert np.isfinite(whole["red"]).any()
    for rows in (slice(0, 17), slice(17, 40)):
        for cols in (slice(3, 20), slice(20, 50)):
            part = source.read(grid[rows, cols], scene, ["red", "swir1"])
            for name, values in part.items():
                np.testing.assert_array_equal(values, whole[name][rows, cols])


def test_tiles_of_one_pass_make_one_scene_and_the_newest_processing_comes_first(tmp_path: Path, truth: Truth) -> None:
    scene = truth.scenes[0]
    write_safe(tmp_path, truth, scene, baseline="02.08")
    write_safe(tmp_path, truth, scene, baseline="05.11")
    source = ProductsSource(tmp_path)
    (found,) = source.search(truth.fine, YEAR)
    assert [tile.id for tile in found.extra["tiles"]] == [safe_name(scene), safe_name(scene, baseline="02.08")]


def test_the_lazy_stack_holds_what_a_read_gives(tmp_path: Path, truth: Truth) -> None:
    write_safe(tmp_path, truth, truth.scenes[0])
    source = ProductsSource(tmp_path)
    stack = source.open(truth.fine, ["red", "nir"], YEAR, chunks=32)
    whole = source.read(truth.fine, source.search(truth.fine, YEAR)[0], ["red", "nir"])
    np.testing.assert_array_equal(stack["red"].isel(time=0).values, whole["red"])
    assert stack.attrs["offset_policies"] == [source.search(truth.fine, YEAR)[0].offset_policy]


def test_elevation_comes_from_tiles_in_the_folder(tmp_path: Path, truth: Truth) -> None:
    write_safe(tmp_path, truth, truth.scenes[0])
    write_elevation(tmp_path / "Copernicus_DSM_COG_10_N27_00_E113_00_DEM.tif", truth)
    elevation = ProductsSource(tmp_path).elevation(truth.fine)
    assert elevation is not None
    np.testing.assert_array_equal(elevation, truth.elevation_m)


def three(folder: Path, truth: Truth) -> list[str]:
    """Three products of one pass, and their names."""
    return sorted(write_safe(folder, truth, truth.scenes[0], tile=tile).name for tile in ("T49RGM", "T49RGN", "T49RGP"))


@pytest.mark.parametrize("name", ["S2_2023", "S2A_MSIL2A_unpacked", "S2.SAFE"])
def test_a_folder_named_like_a_product_gives_all_that_it_holds(tmp_path: Path, truth: Truth, name: str) -> None:
    names = three(tmp_path / name, truth)
    (scene,) = ProductsSource(tmp_path).search(truth.fine, YEAR)
    assert sorted(tile.id for tile in scene.extra["tiles"]) == names


@pytest.mark.parametrize("outer", ["", "S2_2023/"])
def test_an_archive_gives_all_the_products_that_it_holds(tmp_path: Path, truth: Truth, outer: str) -> None:
    names = three(tmp_path / "apart", truth)
    (tmp_path / "packed").mkdir()
    with zipfile.ZipFile(tmp_path / "packed" / "delivery.zip", "w") as packed:
        for file in sorted((tmp_path / "apart").rglob("*")):
            if file.is_file():
                packed.write(file, f"{outer}{file.relative_to(tmp_path / 'apart').as_posix()}")
    source = ProductsSource(tmp_path / "packed")
    (scene,) = source.search(truth.fine, YEAR)
    tiles = scene.extra["tiles"]
    assert sorted(tile.id for tile in tiles) == names
    for tile in tiles:
        assert all(f"/{tile.id}/" in band.place for band in (*tile.bands.values(), tile.qa))
    found = source.read(truth.fine, scene, ["red"])["red"]
    apart = ProductsSource(tmp_path / "apart")
    expected = apart.read(truth.fine, apart.search(truth.fine, YEAR)[0], ["red"])["red"]
    np.testing.assert_array_equal(found, expected)


# -- products that are not whole ------------------------------------------------------------------------------------


def test_a_missing_band_is_named_and_may_be_left_out(tmp_path: Path, truth: Truth) -> None:
    product = write_safe(tmp_path, truth, truth.scenes[0])
    next(product.rglob("*_B11_20m.jp2")).unlink()
    text = damaged(tmp_path, product=product.name, band="B11")
    assert "imagery.products.bands" in text
    assert ProductsSource(tmp_path, bands=["red", "nir"]).bands == ("red", "nir")


def test_missing_metadata_are_named(tmp_path: Path, truth: Truth) -> None:
    product = write_safe(tmp_path, truth, truth.scenes[0])
    (product / METADATA).unlink()
    damaged(tmp_path, product=product.name, file=METADATA)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("<PROCESSING_BASELINE>05.11", "<PROCESSING_BASELINE>newest", "newest"),
        ("<PROCESSING_BASELINE>05.11</PROCESSING_BASELINE>", "", "baseline"),
        ("BOA_ADD_OFFSET", "OTHER", "05.11"),
        ('band_id="3"', 'band_id="99"', "red"),
        ("DATATAKE_SENSING_START>2025", "DATATAKE_SENSING_START>soon", "soon"),
        ("</n1:Level-2A_User_Product>", "", "XML"),
        ('standalone="no"?>', 'standalone="no"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>', "XML"),
    ],
)
def test_metadata_that_do_not_tell_are_refused(tmp_path: Path, truth: Truth, old: str, new: str, named: str) -> None:
    product = write_safe(tmp_path, truth, truth.scenes[0])
    text = (product / METADATA).read_text()
    assert old in text
    (product / METADATA).write_text(text.replace(old, new))
    damaged(tmp_path, file=METADATA, named=named)


def test_a_zip_that_leads_out_of_itself_is_refused(tmp_path: Path, truth: Truth) -> None:
    archive = write_safe(tmp_path, truth, truth.scenes[0], zipped=True)
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr("../outside.txt", "x")
    damaged(tmp_path, archive=archive.name, reason="leads out of its folder")


def test_links_that_lead_out_of_a_product_are_refused_and_a_linked_product_is_read(
    tmp_path: Path, truth: Truth
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "here").mkdir()
    product = write_safe(tmp_path / "disk", truth, truth.scenes[0])
    (tmp_path / "here" / product.name).symlink_to(product)
    assert ProductsSource(tmp_path / "here").bands
    band = next(product.rglob("*_B11_20m.jp2"))
    band.rename(tmp_path / "outside.jp2")
    band.symlink_to(tmp_path / "outside.jp2")
    for folder in ("disk", "here"):
        damaged(tmp_path / folder, band=band.name, target=str(tmp_path / "outside.jp2"), why="leads out of the product")
    granule = product / "GRANULE"
    granule.rename(tmp_path / "elsewhere")
    granule.symlink_to(tmp_path / "elsewhere")
    damaged(tmp_path / "disk", granule="GRANULE is a link", target=str(tmp_path / "elsewhere"))


def test_a_damaged_band_is_named(tmp_path: Path, truth: Truth) -> None:
    product = write_safe(tmp_path, truth, truth.scenes[0])
    band = next(product.rglob("*_B04_10m.jp2"))
    band.write_bytes(band.read_bytes()[:200])
    damaged(tmp_path, file=band.name)


def test_an_area_elsewhere_is_told(tmp_path: Path, truth: Truth) -> None:
    write_safe(tmp_path, truth, truth.scenes[0])
    with pytest.raises(SourceError, match="lies outside the area"):
        ProductsSource(tmp_path).search(lattice(300_000, 2_000_000, 4, 4, 10), YEAR)
