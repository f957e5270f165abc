import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError
from sinkest.features.terrain import illumination, pixel_sides_m, slope_aspect

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


def plane(east: float, north: float, shape: tuple[int, int] = (6, 7), step: float = 10) -> np.ndarray:
    """Elevation that rises by ``east`` and ``north`` metres a metre."""
    row, col = np.indices(shape)
    return (500 + east * step * col - north * step * row).astype(np.float32)


def test_a_plane_has_one_slope_up_to_its_edge() -> None:
    slope, northness, eastness = slope_aspect(plane(0.3, 0.4), 10)
    # steepness 0.5: atan 26.565 degrees; it falls to the south-west, by 0.3 and 0.4 over hypot(1, 0.5)
    np.testing.assert_allclose(slope, np.degrees(np.arctan(0.5)), rtol=1e-4)
    np.testing.assert_allclose(northness, -0.4 / np.sqrt(1.25), rtol=1e-4)
    np.testing.assert_allclose(eastness, -0.3 / np.sqrt(1.25), rtol=1e-4)


def test_flat_ground_faces_nowhere() -> None:
    slope, northness, eastness = slope_aspect(np.full((3, 3), 42, np.float32), 10)
    assert not slope.any()
    assert not northness.any()
    assert not eastness.any()


def test_horns_weights() -> None:
    heights = np.array([[1, 2, 4], [3, 5, 7], [2, 6, 8]], np.float32)
    slope, northness, eastness = slope_aspect(heights, 10)
    # east: ((4 + 14 + 8) - (1 + 6 + 2)) / 80 = 0.2125; north: ((1 + 4 + 4) - (2 + 12 + 8)) / 80 = -0.1625
    steep = np.hypot(0.2125, 0.1625)
    assert slope[1, 1] == pytest.approx(np.degrees(np.arctan(steep)), rel=1e-6)
    assert eastness[1, 1] == pytest.approx(-0.2125 / np.sqrt(1 + steep**2), rel=1e-6)
    assert northness[1, 1] == pytest.approx(0.1625 / np.sqrt(1 + steep**2), rel=1e-6)


def test_a_hole_costs_only_itself() -> None:
    heights = plane(0.3, 0.4)
    heights[3, 3] = np.nan
    slope, northness, eastness = slope_aspect(heights, 10)
    for layer in (slope, northness, eastness):
        assert np.flatnonzero(np.isnan(layer)).tolist() == [3 * 7 + 3]
    np.testing.assert_allclose(slope[np.isfinite(slope)], np.degrees(np.arctan(0.5)), rtol=1e-4)


def test_a_lone_pixel_is_flat() -> None:
    slope, _, _ = slope_aspect(np.float32([[12]]), 10)
    assert slope[0, 0] == 0


def test_a_margin_of_one_pixel_makes_blocks_agree() -> None:
    heights = np.random.default_rng(2).random((40, 50)).astype(np.float32) * 100
    whole = slope_aspect(heights, 10)
    block = slope_aspect(heights[9:21, 19:36], 10)
    for one, part in zip(whole, block, strict=True):
        np.testing.assert_array_equal(part[1:-1, 1:-1], one[10:20, 20:35])


@settings(max_examples=40, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2))
def test_northness_and_eastness_are_the_horizontal_part_of_the_normal(east: float, north: float) -> None:
    slope, northness, eastness = slope_aspect(plane(east, north, (3, 3)), 10)
    assert np.hypot(northness[1, 1], eastness[1, 1]) == pytest.approx(np.sin(np.radians(slope[1, 1])), abs=1e-4)


@pytest.mark.parametrize(
    "azimuth, expected",
    [
        # slope 26.565 degrees (sin 0.4472, cos 0.8944), facing south; sun 60 degrees from the zenith
        (180, 0.8944 * 0.5 + 0.4472 * np.sin(np.radians(60))),
        (0, 0.8944 * 0.5 - 0.4472 * np.sin(np.radians(60))),
        (90, 0.8944 * 0.5),
    ],
)
def test_illumination_by_hand(azimuth: float, expected: float) -> None:
    cosine = illumination(*slope_aspect(plane(0, 0.5), 10), sun_zenith_deg=60, sun_azimuth_deg=azimuth)
    np.testing.assert_allclose(cosine, expected, atol=1e-3)


def test_a_slope_toward_the_sun_is_lit_in_full() -> None:
    cosine = illumination(*slope_aspect(plane(-1, 0), 10), sun_zenith_deg=45, sun_azimuth_deg=90)
    np.testing.assert_allclose(cosine, 1, atol=1e-5)


def test_pixels_of_a_projected_grid_have_its_resolution() -> None:
    grid = GeoBox((3, 4), Affine(10, 0, 700_000, 0, -20, 3_050_000), "EPSG:32649")
    assert pixel_sides_m(grid) == (10, 20)


def test_pixels_of_a_grid_in_degrees_have_their_length_on_the_ground() -> None:
    from pyproj import Geod

    grid = GeoBox((200, 4), Affine(0.01, 0, 113, 0, -0.01, 28), "EPSG:4326")
    width, height = pixel_sides_m(grid)
    geod = Geod(ellps="WGS84")
    for row in (0, 199):
        latitude = 28 - 0.01 * (row + 0.5)
        _, _, east = geod.inv(113, latitude, 113.01, latitude)
        _, _, north = geod.inv(113, latitude - 0.005, 113, latitude + 0.005)
        assert width[row, 0] == pytest.approx(east, rel=1e-6)
        assert height[row, 0] == pytest.approx(north, rel=1e-6)


def test_a_pixel_without_extent_is_refused() -> None:
    with pytest.raises(InputError, match="expected a positive number"):
        slope_aspect(plane(0, 0), 0)
