import pytest

from sinkest.imagery.sensors import BANDS, COMMON_BANDS, DEFAULT_SCALE, QA_CODES, QA_PIXEL_BITS
from sinkest.imagery.source import QA_DTYPE, QA_FILL


def test_all_band_tables_lead_to_common_names() -> None:
    for sensor, bands in BANDS.items():
        assert set(bands.values()) <= set(COMMON_BANDS), sensor
        assert len(set(bands.values())) == len(bands), sensor


@pytest.mark.parametrize(
    "sensor, native, common",
    [
        ("sentinel-2", "B08", "nir"),
        ("sentinel-2", "B8A", "nir08"),
        ("sentinel-2", "B11", "swir1"),
        ("landsat-5", "B4", "nir"),
        ("landsat-7", "B7", "swir2"),
        ("landsat-8", "B5", "nir"),
        ("landsat-9", "B6", "swir1"),
        ("sentinel-1", "VH", "vh"),
    ],
)
def test_bands_that_are_often_confused(sensor: str, native: str, common: str) -> None:
    assert BANDS[sensor][native] == common


def test_landsat_collection_2_scale() -> None:
    # product guide: valid range 7273 to 43636 is reflectance 0 to 1
    scale = DEFAULT_SCALE["landsat-8"]
    assert 7273 * scale.scale + scale.offset == pytest.approx(0, abs=1e-4)
    assert 43636 * scale.scale + scale.offset == pytest.approx(1, abs=1e-4)
    assert scale.nodata == 0


def test_sentinel_2_has_no_default_scale_since_its_offset_cannot_be_told() -> None:
    assert "sentinel-2" not in DEFAULT_SCALE


def test_fill_values_fit_their_types_and_tables() -> None:
    assert set(QA_FILL) == set(QA_DTYPE) == {*QA_CODES, "qa_pixel"}
    for kind, table in QA_CODES.items():
        assert QA_FILL[kind] in table.fill
    assert QA_FILL["qa_pixel"] == 1 << QA_PIXEL_BITS["fill"]
