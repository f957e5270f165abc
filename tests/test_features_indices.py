import numpy as np
import pytest

from sinkest.errors import InputError
from sinkest.features.indices import compute, needed_bands


def band(value: float) -> np.ndarray:
    return np.array([[value]], dtype=np.float32)


BANDS = {
    "blue": band(0.04),
    "green": band(0.08),
    "red": band(0.05),
    "nir": band(0.45),
    "swir1": band(0.2),
    "swir2": band(0.1),
}


@pytest.mark.parametrize(
    "name, expected",
    [
        ("NDVI", (0.45 - 0.05) / (0.45 + 0.05)),
        ("NBR", (0.45 - 0.1) / (0.45 + 0.1)),
        ("NDMI", (0.45 - 0.2) / (0.45 + 0.2)),
        ("MNDWI", (0.08 - 0.2) / (0.08 + 0.2)),
        # Huete et al. 2002: 2.5 (N - R) / (N + 6 R - 7.5 B + 1) = 1.0 / (0.45 + 0.3 - 0.3 + 1)
        ("EVI", 1.0 / 1.45),
        # Huete 1988 with L = 1, the constant that spyndex gives: 2 * 0.4 / 1.5
        ("SAVI", 0.8 / 1.5),
    ],
)
def test_indices_by_hand(name: str, expected: float) -> None:
    found = compute([name], BANDS)[name]
    assert found.dtype == np.float32
    assert found[0, 0] == pytest.approx(expected, rel=1e-6)


def test_indices_come_in_the_order_asked_for() -> None:
    assert list(compute(["NBR", "NDVI"], BANDS)) == ["NBR", "NDVI"]


def test_radar_ratios_come_from_linear_backscatter() -> None:
    assert compute(["VHVVR"], {"vv": band(0.1), "vh": band(0.02)})["VHVVR"][0, 0] == pytest.approx(0.2)


def test_no_data_stays_no_data_and_a_division_by_zero_becomes_it() -> None:
    found = compute(["NDVI"], {"red": np.float32([[0, np.nan, 0.1]]), "nir": np.float32([[0, 0.3, 0.3]])})["NDVI"]
    np.testing.assert_allclose(found, [[np.nan, np.nan, 0.5]], rtol=1e-6)


def test_a_stack_keeps_its_shape() -> None:
    stack = {name: np.full((3, 4, 5), value[0, 0], np.float32) for name, value in BANDS.items()}
    assert compute(["NDVI"], stack)["NDVI"].shape == (3, 4, 5)


def test_the_bands_an_index_needs() -> None:
    assert set(needed_bands("EVI")) == {"nir", "red", "blue"}
    assert set(needed_bands("IRECI")) == {"rededge1", "rededge2", "rededge3", "red"}


@pytest.mark.parametrize("given, nearest", [("ndvi", "NDVI"), ("NDVII", "NDVI"), ("xyzzyx", "-")])
def test_an_unknown_index_is_refused_with_the_nearest_name(given: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"no index '{given}'; nearest name: {nearest}"):
        needed_bands(given)


def test_an_index_of_other_things_than_bands_is_refused() -> None:
    with pytest.raises(InputError, match="kNDVI needs 'kNN'"):
        compute(["kNDVI"], BANDS)


def test_a_missing_band_is_named() -> None:
    with pytest.raises(InputError, match=r"NDVI needs the band\(s\) nir"):
        compute(["NDVI"], {"red": band(0.1)})
