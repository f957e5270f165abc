"""Folders of products: Landsat, radar and elevation mosaics, declared files, and all of them in one folder."""

import tarfile
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.features.mask import clear
from sinkest.imagery.products.mosaics import palsar_band, sentinel1_file
from sinkest.imagery.products.source import Declared, ProductsSource
from sinkest.imagery.source import QA, Period
from sinkest.imagery.tiled import scl_of_bits
from tests.servers.formats import write_raster, write_safe
from tests.servers.truth import Truth, build, lattice

YEAR = Period(date(2025, 1, 1), date(2025, 12, 31))
GRID = lattice(700_000, 3_080_000, 40, 30, 30)
SCALE, OFFSET = 0.0000275, -0.2
BANDS = {"blue": 2, "green": 3, "red": 4, "nir": 5, "swir1": 6, "swir2": 7}


@pytest.fixture(scope="module")
def truth() -> Truth:
    return build(lattice(700_000, 3_080_000, 64, 48, 10), [Period(date(2025, 7, 1), date(2025, 7, 31))], scenes=1)


def landsat_numbers() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {band: rng.integers(7300, 18000, (30, 40)).astype(np.uint16) for band in BANDS}


def write_landsat(folder: Path, *, level: str = "L2SP", row: int = 41, spacecraft: str = "LANDSAT_9") -> Path:
    """A product as USGS delivers it; some pixels are fill, cloud, shadow, dilated cloud, snow, water."""
    name = f"LC09_{level}_1230{row}_20250715_20250716_02_T1"
    folder.mkdir(parents=True, exist_ok=True)
    for band, numbers in landsat_numbers().items():
        numbers[:2] = 0
        write_raster(folder / f"{name}_SR_B{BANDS[band]}.TIF", GRID, numbers)
    qa = np.full((30, 40), 21824, dtype=np.uint16)  # clear, all confidences low
    qa[:2] = 1
    for row_px, bits in ((5, 1 << 3), (6, 1 << 4), (7, 1 << 1), (8, 1 << 5), (9, 1 << 7 | 1 << 6), (10, 1 << 2)):
        qa[row_px] = bits
    write_raster(folder / f"{name}_QA_PIXEL.TIF", GRID, qa, 1)
    files = "".join(f'    FILE_NAME_BAND_{k} = "{name}_SR_B{k}.TIF"\n' for k in BANDS.values())
    scales = "".join(
        f"    REFLECTANCE_MULT_BAND_{k} = 2.75e-05\n    REFLECTANCE_ADD_BAND_{k} = -0.2\n" for k in BANDS.values()
    )
    wrong = scales.replace("2.75e-05", "2.0000E-05").replace("-0.2", "-0.100000")
    (folder / f"{name}_MTL.txt").write_text(
        f"""GROUP = LANDSAT_METADATA_FILE
  GROUP = PRODUCT_CONTENTS
    LANDSAT_PRODUCT_ID = "{name}"
    PROCESSING_LEVEL = "{level}"
    COLLECTION_NUMBER = 02
{files}    FILE_NAME_QUALITY_L1_PIXEL = "{name}_QA_PIXEL.TIF"
  END_GROUP = PRODUCT_CONTENTS
  GROUP = IMAGE_ATTRIBUTES
    SPACECRAFT_ID = "{spacecraft}"
    WRS_PATH = 123
    WRS_ROW = {row}
    DATE_ACQUIRED = 2025-07-15
    SCENE_CENTER_TIME = "02:51:07.1234560Z"
    CLOUD_COVER = 12.50
    SUN_AZIMUTH = 100.5
    SUN_ELEVATION = 66.0
  END_GROUP = IMAGE_ATTRIBUTES
  GROUP = LEVEL2_PROCESSING_RECORD
    DATE_PRODUCT_GENERATED = 2025-07-16T11:22:33Z
  END_GROUP = LEVEL2_PROCESSING_RECORD
  GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS
{scales}  END_GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS
  GROUP = LEVEL1_RADIOMETRIC_RESCALING
{wrong}  END_GROUP = LEVEL1_RADIOMETRIC_RESCALING
END_GROUP = LANDSAT_METADATA_FILE
END
""",
        encoding="utf-8",
    )
    return folder / f"{name}_MTL.txt"


# -- Landsat --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_landsat_is_scaled_as_its_level_2_metadata_say(tmp_path: Path, packed: bool) -> None:
    write_landsat(tmp_path / "scene")
    if packed:
        with tarfile.open(tmp_path / "LC09_L2SP_123041.tar", "w") as tar:
            for file in sorted((tmp_path / "scene").iterdir()):
                tar.add(file, file.name)
                file.unlink()
    source = ProductsSource(tmp_path)
    assert source.qa_kind == "qa_pixel"
    (scene,) = source.search(GRID, YEAR)
    assert scene.time == datetime(2025, 7, 15, 2, 51, 7, 123456)
    assert (scene.sensor, scene.cloud) == ("landsat-9", 12.5)
    assert scene.sun_deg == pytest.approx((24.0, 100.5))
    found = source.read(GRID, scene, tuple(BANDS))
    for band, numbers in landsat_numbers().items():
        expected = numbers.astype(np.float64) * SCALE + OFFSET
        expected[:2] = np.nan
        np.testing.assert_allclose(found[band], expected, atol=1e-7)
    assert (
        clear(found[QA], "qa_pixel")[:, 0].tolist()
        == [False] * 2 + [True] * 3 + [False] * 4 + [True, False] + [True] * 19
    )


def test_rows_of_one_pass_are_one_scene(tmp_path: Path) -> None:
    write_landsat(tmp_path / "north", row=41)
    write_landsat(tmp_path / "south", row=42)
    (scene,) = ProductsSource(tmp_path).search(GRID, YEAR)
    assert len(scene.extra["tiles"]) == 2


def test_bits_as_classes_mask_alike() -> None:
    """Whatever combination of bits: clear, not clear, and what a dilation grows are the same by either code."""
    bits = np.arange(256, dtype=np.uint16).reshape(1, 16, 16)
    classes = scl_of_bits(bits)
    for radius in (0, 1):
        for k in range(256):
            pair = np.full((1, 5, 5), 64, dtype=np.uint16)
            pair[0, 2, 2] = bits.ravel()[k]
            np.testing.assert_array_equal(clear(pair, "qa_pixel", radius), clear(scl_of_bits(pair), "scl", radius))
    assert classes.dtype == np.uint8


def test_level_1_and_unknown_sensors_are_named_and_left(tmp_path: Path, truth: Truth) -> None:
    write_landsat(tmp_path / "a", level="L1TP")
    write_landsat(tmp_path / "b", spacecraft="LANDSAT_4")
    with pytest.raises(SourceError, match="no product in it that can be read"):
        ProductsSource(tmp_path)
    write_safe(tmp_path, truth, truth.scenes[0])
    told = [str(note) for note in ProductsSource(tmp_path).notes()]
    assert "Sentinel-2 L2A 1" in told[0]
    assert "2 not used" in told[1]
    assert "LANDSAT_9, L1TP, collection 02" in told[1]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("_SR_B4.TIF", "_SR_B9.TIF", "that its metadata name \\(FILE_NAME_BAND_4\\) is missing"),
        ("REFLECTANCE_ADD_BAND_5", "OTHER", "the key REFLECTANCE_ADD_BAND_5 of the group LEVEL2_SURFACE"),
        ("DATE_ACQUIRED = 2025-07-15", "DATE_ACQUIRED = soon", "a value cannot be read"),
    ],
)
def test_landsat_that_is_not_whole_is_refused(tmp_path: Path, old: str, new: str, named: str) -> None:
    metadata = write_landsat(tmp_path)
    metadata.write_text(metadata.read_text().replace(old, new))
    with pytest.raises(SourceError, match=named):
        ProductsSource(tmp_path)


# -- radar and elevation --------------------------------------------------------------------------------------------


def write_radar(folder: Path, decibels: np.ndarray, orbit: str = "ASC", **options: object) -> None:
    for band, more in (("VV", 0.0), ("VH", -7.0)):
        name = f"S1A_IW_RTC_20250714T102211_{orbit}_{band}.tif"
        write_raster(folder / name, GRID, (decibels + more).astype(np.float32), float("nan"), **options)


def test_radar_in_decibels_is_made_linear(tmp_path: Path) -> None:
    decibels = np.linspace(-25, 5, 1200).reshape(30, 40)
    decibels[3, 3] = np.nan
    write_radar(tmp_path, decibels)
    with pytest.raises(SourceError, match=r"set imagery\.products\.radar to"):
        ProductsSource(tmp_path)
    source = ProductsSource(tmp_path, radar="db")
    (scene,) = source.search(GRID, YEAR)
    assert (scene.is_radar, scene.orbit, source.bands) == (True, "ascending", ("vv", "vh"))
    found = source.read(GRID, scene, ["vv", "vh"])
    np.testing.assert_allclose(found["vv"], 10 ** (decibels / 10), rtol=1e-5)
    np.testing.assert_allclose(found["vh"], 10 ** ((decibels - 7) / 10), rtol=1e-5)


def test_means_of_radar_are_means_of_the_linear_quantity(tmp_path: Path) -> None:
    """Two by two pixels of -20, -20, -10, -10 dB: mean 0.055, not the -15 dB (0.0316) of the mean decibels."""
    decibels = np.tile(np.array([[-20.0, -20.0], [-10.0, -10.0]]), (15, 20))
    write_radar(tmp_path, decibels)
    source = ProductsSource(tmp_path, radar="db")
    coarse = GRID.zoom_out(2)
    found = source.read(coarse, source.search(coarse, YEAR)[0], ["vv"])["vv"]
    np.testing.assert_allclose(found, 0.055, rtol=1e-5)


def test_palsar_mosaics_are_yearly_layers(tmp_path: Path, truth: Truth) -> None:
    """JAXA: gamma0 [dB] = 10 log10(DN^2) - 83, so DN 7000 is -6.0981 dB, 0.245583 linear."""
    for year in ("20", "24"):
        numbers = np.full((30, 40), 7000, dtype=np.uint16)
        numbers[0] = 0
        numbers[2:4, ::2] = 700
        write_raster(tmp_path / f"N28E113_{year}_sl_HV_F02DAR.tif", GRID, numbers, None)
    write_safe(tmp_path, truth, truth.scenes[0])
    source = ProductsSource(tmp_path)
    assert dict(source.layers) == {"palsar_hv": "dB"}
    found = source.static(GRID, ["palsar_hv"])["palsar_hv"]
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[4:], -6.0981, atol=1e-4)
    coarse = source.static(GRID.zoom_out(2), ["palsar_hv"])["palsar_hv"]
    # half of the pixels 20 dB lower: half of the power and a hundredth of the other half, 0.505; not the mean of dB
    np.testing.assert_allclose(coarse[1], -6.0981 + 10 * np.log10(0.505), atol=1e-3)
    told = [ProductsSource(tmp_path, palsar_year=year).describe() for year in (None, 2020, 2024)]
    assert [one["palsar_year"] for one in told] == [None, 2020, 2024]
    assert any("N28E113_20_sl_HV_F02DAR.tif (PALSAR 2020)" in str(note) for note in source.notes())


def test_elevation_tiles_are_put_side_by_side(tmp_path: Path, truth: Truth) -> None:
    write_safe(tmp_path, truth, truth.scenes[0])
    metres = np.arange(1200, dtype=np.float32).reshape(30, 40)
    for k, cols in enumerate((slice(0, 20), slice(20, 40))):
        write_raster(
            tmp_path / "dem" / f"Copernicus_DSM_COG_10_N27_00_E11{k}_00_DEM.tif",
            GRID[:, cols],
            metres[:, cols],
            -9999.0,
        )
    elevation = ProductsSource(tmp_path).elevation(GRID)
    assert elevation is not None
    np.testing.assert_array_equal(elevation, metres)
    with pytest.raises(SourceError, match="lies outside the area"):
        ProductsSource(tmp_path).check_overlap(lattice(300_000, 2_000_000, 4, 4, 30))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("S1A_IW_RTC_20250714T102211_ASC_VV.tif", ("2025-07-14", "ascending", "vv")),
        ("S1_20250714_VH.tif", ("2025-07-14", None, "vh")),
        ("s1b_iw_gamma0_20250714_DESCENDING_VH_mosaic.tif", ("2025-07-14", "descending", "vh")),
        ("S1A_20251399_VV.tif", None),
        ("S2A_20250714_B04.tif", None),
    ],
)
def test_names_of_radar_mosaics(name: str, known: tuple[str, str | None, str] | None) -> None:
    found = sentinel1_file(Path(name))
    assert (None if found is None else (f"{found.time:%Y-%m-%d}", found.orbit, found.band)) == known


def test_names_of_palsar_tiles() -> None:
    assert palsar_band(Path("N27E113_24_sl_HH_F02DAR.tif")) == ("hh", 2024)
    assert palsar_band(Path("N27E113_24_mask_F02DAR.tif")) is None


# -- all in one folder ----------------------------------------------------------------------------------------------


def write_declared(folder: Path) -> Declared:
    """Two dates of a GF-6 mosaic: four bands in one file, no quality band."""
    rng = np.random.default_rng(5)
    for day in ("20250620", "20250812"):
        values = rng.integers(200, 4000, (4, 30, 40)).astype(np.uint16)
        write_raster(folder / "gf6" / f"GF6_WFV_{day}.tif", GRID, values)
    return Declared("gf6", "%Y%m%d", "gf-6", {"blue": 1, "green": 2, "red": 3, "nir": 4}, 0.0001)


def test_a_mixed_folder_is_sorted_and_read_by_one_rule(tmp_path: Path, truth: Truth) -> None:
    write_safe(tmp_path, truth, truth.scenes[0], zipped=True)
    write_landsat(tmp_path / "landsat")
    write_radar(tmp_path / "radar", np.full((30, 40), -12.0))
    declared = write_declared(tmp_path)
    (tmp_path / "notes.tif").write_bytes(b"not a raster")
    source = ProductsSource(tmp_path, radar="db", declared=[declared])
    told = [str(note) for note in source.notes()]
    assert "Landsat C2 L2 1, Sentinel-1 2, Sentinel-2 L2A 1, gf-6 2" in told[0]
    assert "1 not used: notes.tif" in told[1]
    assert "no quality band for gf-6" in told[2]
    scenes = source.search(truth.fine, YEAR)
    assert [scene.sensor for scene in scenes] == ["gf-6", "sentinel-1", "landsat-9", "sentinel-2", "gf-6"]
    assert source.qa_kind == "scl"
    for scene in scenes:
        if not scene.is_radar:
            found = source.read_with_margin(truth.fine, scene, ["red", "nir"], 2)
            assert found[QA].shape == tuple(side + 4 for side in truth.fine.shape)
            assert found[QA].dtype == np.uint8
            seen = clear(found[QA], "scl")[2:-2, 2:-2]
            assert np.isfinite(found["red"][seen]).all()
            assert seen.any()
    assert set(source.bands_of(scenes[0])) == {"blue", "green", "red", "nir"}
    only = ProductsSource(tmp_path, sensors=["landsat-9"], radar="db")
    assert only.qa_kind == "qa_pixel"
    with pytest.raises(SourceError, match=r"no product of landsat-8; found: landsat-9, sentinel-2"):
        ProductsSource(tmp_path, sensors=["landsat-8"])


def test_blocks_of_a_mixed_folder_are_parts_of_the_whole(tmp_path: Path, truth: Truth) -> None:
    write_safe(tmp_path, truth, truth.scenes[0])
    write_landsat(tmp_path / "landsat")
    write_radar(tmp_path / "radar", np.random.default_rng(1).normal(-12, 2, (30, 40)))
    source = ProductsSource(tmp_path, radar="db", declared=[write_declared(tmp_path)])
    grid: GeoBox = lattice(700_040, 3_079_960, 30, 20, 20)
    for scene in source.search(grid, YEAR):
        bands = source.bands_of(scene)[:2]
        whole = source.read_with_margin(grid, scene, bands, 1 if not scene.is_radar else 0)
        part = source.read(grid[3:9, 5:22], scene, bands)
        for band in bands:
            np.testing.assert_array_equal(part[band], whole[band][3:9, 5:22])


def test_folders_that_hold_nothing_are_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such folder"):
        ProductsSource(tmp_path / "none")
    with pytest.raises(SourceError, match="no product in it that can be read"):
        ProductsSource(tmp_path)
