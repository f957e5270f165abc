"""Where the sun stood, by the metadata of products: Sentinel-2 tiles and Landsat's MTL."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sinkest.errors import SourceError
from sinkest.imagery.products.contents import Contents
from sinkest.imagery.products.landsat import read_landsat
from sinkest.imagery.products.source import ProductsSource
from sinkest.imagery.source import Period
from tests.servers.formats import write_safe
from tests.servers.truth import Truth, build, lattice

YEAR = Period(date(2025, 1, 1), date(2025, 12, 31))
TILE = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-15.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
  <n1:Geometric_Info><Tile_Angles><Mean_Sun_Angle>
    <ZENITH_ANGLE unit="deg">{zenith}</ZENITH_ANGLE><AZIMUTH_ANGLE unit="deg">{azimuth}</AZIMUTH_ANGLE>
  </Mean_Sun_Angle></Tile_Angles></n1:Geometric_Info>
</n1:Level-2A_Tile_ID>
"""
MTL = """GROUP = LANDSAT_METADATA_FILE
  GROUP = PRODUCT_CONTENTS
    LANDSAT_PRODUCT_ID = "LC08_L2SP_123041_20250114_20250120_02_T1"
    PROCESSING_LEVEL = "L2SP"
    COLLECTION_NUMBER = 02
    FILE_NAME_BAND_4 = "B4.TIF"
    FILE_NAME_QUALITY_L1_PIXEL = "QA.TIF"
  END_GROUP = PRODUCT_CONTENTS
  GROUP = IMAGE_ATTRIBUTES
    SPACECRAFT_ID = "LANDSAT_8"
    WRS_PATH = 123
    DATE_ACQUIRED = 2025-01-14
    SCENE_CENTER_TIME = "02:57:10.1234560Z"
{sun}  END_GROUP = IMAGE_ATTRIBUTES
  GROUP = LEVEL2_PROCESSING_RECORD
    DATE_PRODUCT_GENERATED = 2025-01-20T12:00:00Z
  END_GROUP = LEVEL2_PROCESSING_RECORD
  GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS
    REFLECTANCE_MULT_BAND_4 = 2.75e-05
    REFLECTANCE_ADD_BAND_4 = -0.2
  END_GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS
END_GROUP = LANDSAT_METADATA_FILE
"""


@pytest.fixture(scope="module")
def truth() -> Truth:
    return build(lattice(700_000, 3_080_000, 32, 32, 10), [Period(date(2025, 7, 1), date(2025, 7, 31))], scenes=1)


def tile_metadata(product: Path, zenith: object, azimuth: object) -> None:
    (product / "GRANULE" / "MTD_TL.xml").write_text(TILE.format(zenith=zenith, azimuth=azimuth))


def test_a_pass_has_the_mean_sun_of_its_tiles(tmp_path: Path, truth: Truth) -> None:
    for baseline, zenith, azimuth in (("05.11", 30.0, 350.0), ("02.08", 32.0, 30.0)):
        tile_metadata(write_safe(tmp_path, truth, truth.scenes[0], baseline=baseline), zenith, azimuth)
    (scene,) = ProductsSource(tmp_path).search(truth.fine, YEAR)
    # the azimuths lie on both sides of north: their mean is 10 degrees, not 190
    assert scene.sun_deg == (pytest.approx(31.0), pytest.approx(10.0))


def test_a_pass_of_which_one_tile_does_not_tell_has_no_sun(tmp_path: Path, truth: Truth) -> None:
    tile_metadata(write_safe(tmp_path, truth, truth.scenes[0], baseline="05.11"), 30.0, 150.0)
    write_safe(tmp_path, truth, truth.scenes[0], baseline="02.08")
    (scene,) = ProductsSource(tmp_path).search(truth.fine, YEAR)
    assert scene.sun_deg is None


def test_angles_that_are_no_numbers_are_refused(tmp_path: Path, truth: Truth) -> None:
    tile_metadata(write_safe(tmp_path, truth, truth.scenes[0]), "high", 150.0)
    with pytest.raises(SourceError, match=r"MTD_TL\.xml: Mean_Sun_Angle is given as high"):
        ProductsSource(tmp_path)


@pytest.mark.parametrize(
    ("sun", "expected"),
    [("    SUN_ELEVATION = 38.5\n    SUN_AZIMUTH = -170.0\n", (51.5, 190.0)), ("    SUN_ELEVATION = 38.5\n", None)],
)
def test_landsat_tells_elevation_and_azimuth(tmp_path: Path, sun: str, expected: tuple[float, float] | None) -> None:
    (tmp_path / "x_MTL.txt").write_text(MTL.format(sun=sun))
    contents = Contents(tmp_path, ("x_MTL.txt", "B4.TIF", "QA.TIF"))
    assert read_landsat(contents, "x_MTL.txt", ("red",)).sun_deg == expected
