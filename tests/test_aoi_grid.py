"""The grid over the zones, and the true area of its pixels."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import CRS, Proj, Transformer
from rasterio.windows import Window

from sinkest.aoi import Zones, build_grid, geodesic_area_m2, pixel_area_m2, read_zones
from sinkest.aoi.grid import area_lattice, lattice_step
from sinkest.errors import InputError
from sinkest.shipped import shipped


def zone(*bounds: float) -> Zones:
    shape = shapely.box(*bounds)
    columns = {"zone_id": ["1"], "name_zh": ["区"], "name_en": ["zone"], "area_m2": [geodesic_area_m2(shape)]}
    return Zones(gpd.GeoDataFrame(columns, geometry=[shape], crs="EPSG:4326"), "made", "wgs84")


@pytest.fixture(scope="module")
def zhuzhou() -> Zones:
    return read_zones(shipped("aoi/zhuzhou.geojson"))


def quadrangle_m2(west: float, south: float, east: float, north: float) -> float:
    """Area between two meridians and two parallels: b^2/2 dlon [sin/(1-e2 sin2) + atanh(e sin)/e]."""
    a, f = 6378137.0, 1 / 298.257223563
    e = np.sqrt(f * (2 - f))

    def zonal(lat: float) -> float:
        sine = np.sin(np.deg2rad(lat))
        return sine / (1 - (e * sine) ** 2) + np.arctanh(e * sine) / e

    return (a * (1 - f)) ** 2 / 2 * np.deg2rad(east - west) * (zonal(north) - zonal(south))


@pytest.mark.parametrize("box", [(113, 27, 114, 28), (10, 45, 10.1, 45.1), (-57, -2, -56, 1), (20, 70, 25, 75)])
def test_geodesic_area_agrees_with_the_formula_for_a_quadrangle(box: tuple[float, ...]) -> None:
    assert geodesic_area_m2(shapely.box(*box)) == pytest.approx(quadrangle_m2(*box), rel=1e-7)


def test_holes_are_left_out_whatever_their_direction() -> None:
    shell = [(10, 45), (11, 45), (11, 46), (10, 46), (10, 45)]
    hole = [(10.2, 45.2), (10.4, 45.2), (10.4, 45.4), (10.2, 45.4), (10.2, 45.2)]
    areas = {geodesic_area_m2(shapely.Polygon(s, [h])) for s in (shell, shell[::-1]) for h in (hole, hole[::-1])}
    expected = quadrangle_m2(10, 45, 11, 46) - quadrangle_m2(10.2, 45.2, 10.4, 45.4)
    assert min(areas) == pytest.approx(expected, rel=1e-7)
    assert max(areas) == pytest.approx(expected, rel=1e-7)


def test_lines_have_no_area() -> None:
    assert geodesic_area_m2(shapely.LineString([(10, 45), (11, 46)])) == 0.0


@pytest.mark.parametrize(
    ("bounds", "epsg"),
    [
        ((112.9, 26, 114.1, 28), 32649),
        ((10, 45, 11, 46), 32632),
        ((-57, -2, -56, -1), 32721),
        ((179, 1, 180, 2), 32660),
    ],
)
def test_auto_takes_the_utm_zone_of_the_centre(bounds: tuple[float, ...], epsg: int) -> None:
    assert build_grid(zone(*bounds), 1000).crs.epsg == epsg


@pytest.mark.parametrize("resolution", [10, 20, 30, 100, 200])
def test_edges_are_multiples_of_the_resolution(zhuzhou: Zones, resolution: int) -> None:
    grid = build_grid(zhuzhou, resolution)
    assert (grid.affine.c % resolution, grid.affine.f % resolution) == (0.0, 0.0)
    assert (grid.affine.a, grid.affine.e, grid.affine.b, grid.affine.d) == (resolution, -resolution, 0.0, 0.0)


def test_align_moves_the_edges(zhuzhou: Zones) -> None:
    grid = build_grid(zhuzhou, 30, align=15)
    assert (grid.affine.c % 30, grid.affine.f % 30) == (15.0, 15.0)


def test_grid_covers_the_zones_and_no_row_or_column_more(zhuzhou: Zones) -> None:
    grid = build_grid(zhuzhou, 100)
    left, bottom, right, top = zhuzhou.frame.to_crs(grid.crs.epsg).total_bounds
    box = grid.boundingbox
    assert 0 <= left - box.left < 100.1
    assert 0 <= box.right - right < 100.1
    assert 0 <= bottom - box.bottom < 100.1
    assert 0 <= box.top - top < 100.1


def test_explicit_crs(zhuzhou: Zones) -> None:
    assert build_grid(zhuzhou, 100, "EPSG:4547").crs.epsg == 4547
    assert build_grid(zhuzhou, 100, 32650).crs.epsg == 32650


def refusal(zones: Zones, *arguments: object) -> str:
    with pytest.raises(InputError) as caught:
        build_grid(zones, *arguments)
    assert caught.value.message.text("zh")
    return caught.value.key


@pytest.mark.parametrize("resolution", [0, -10, float("nan"), float("inf"), "10"])
def test_resolution_must_be_a_positive_number(zhuzhou: Zones, resolution: object) -> None:
    assert refusal(zhuzhou, resolution) == "aoi.resolution"


@pytest.mark.parametrize(
    ("crs", "key"),
    [
        ("EPSG:4326", "aoi.grid_crs"),
        ("EPSG:2229", "aoi.grid_crs"),  # California in US survey feet
        ("EPSG:999999", "aoi.unknown_crs"),
        ("nonsense", "aoi.unknown_crs"),
    ],
)
def test_crs_must_be_projected_in_metres(zhuzhou: Zones, crs: str, key: str) -> None:
    assert refusal(zhuzhou, 100, crs) == key


def test_crs_that_cannot_show_the_zones() -> None:
    # A gnomonic projection shows half of the globe only.
    assert refusal(zone(113, 27, 114, 28), 100, "+proj=gnom +lat_0=-27 +lon_0=-66 +units=m") == "aoi.outside_crs"


def test_no_utm_near_the_pole() -> None:
    assert refusal(zone(10, 85, 11, 86), 100) == "aoi.no_utm"


def test_grid_too_large(zhuzhou: Zones) -> None:
    assert refusal(zhuzhou, 0.5) == "aoi.grid_too_large"


@given(st.floats(0.3, 5000.0))
def test_lattice_step_divides_the_smallest_block(resolution: float) -> None:
    step = lattice_step(resolution)
    assert 128 % step == 0
    assert step == 1 or step * resolution <= 1280.0


def exact_pixel_area_m2(grid: GeoBox, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Areas by the areal scale that PROJ derives for the projection."""
    projection = Proj(CRS.from_user_input(str(grid.crs)))
    x, y = grid.affine.c + grid.affine.a * (cols + 0.5), grid.affine.f + grid.affine.e * (rows + 0.5)
    return grid.affine.a**2 / np.asarray(projection.get_factors(*projection(x, y, inverse=True)).areal_scale)


@pytest.mark.parametrize("crs", ["auto", "EPSG:4547", "EPSG:6933", "ESRI:102025", "EPSG:3395"])
@pytest.mark.parametrize("resolution", [10, 200])
def test_interpolated_pixel_area_agrees_with_exact_evaluation(zhuzhou: Zones, crs: str, resolution: int) -> None:
    grid = build_grid(zhuzhou, resolution, crs)
    rng = np.random.default_rng(7)
    rows, cols = rng.integers(0, grid.shape[0], 40), rng.integers(0, grid.shape[1], 40)
    areas = area_lattice(grid)
    found = [areas.area_m2(Window(col, row, 1, 1))[0, 0] for row, col in zip(rows, cols, strict=True)]
    np.testing.assert_allclose(found, exact_pixel_area_m2(grid, rows, cols), rtol=2e-8)


def test_web_mercator_has_the_area_of_the_ellipsoid() -> None:
    # A pixel of 1 km in Web Mercator near 27.5 N, between the parallels and meridians of its sides.
    zones = zone(113.0, 27.4, 113.1, 27.6)
    grid = build_grid(zones, 1000, "EPSG:3857")
    to_degrees = Transformer.from_crs(3857, 4326, always_xy=True)
    west, north = to_degrees.transform(grid.affine.c, grid.affine.f)
    east, south = to_degrees.transform(grid.affine.c + 1000, grid.affine.f - 1000)
    assert pixel_area_m2(grid)[0, 0] == pytest.approx(quadrangle_m2(west, south, east, north), rel=1e-7)


def test_equal_area_projection_has_equal_pixels(zhuzhou: Zones) -> None:
    np.testing.assert_allclose(pixel_area_m2(build_grid(zhuzhou, 1000, "EPSG:6933")), 1e6, rtol=1e-9)


def test_pixels_in_degrees() -> None:
    # One pixel of 0.01 degrees at 1.46 S and at 1.45 S; the formula for a quadrangle gives each.
    grid = GeoBox((2, 1), Affine(0.01, 0.0, -56.37, 0.0, -0.01, -1.44), "EPSG:4326")
    areas = pixel_area_m2(grid)[:, 0]
    expected = [quadrangle_m2(-56.37, -1.45, -56.36, -1.44), quadrangle_m2(-56.37, -1.46, -56.36, -1.45)]
    np.testing.assert_allclose(areas, expected, rtol=1e-7)


def test_pixel_area_is_the_same_bit_for_bit_in_any_window(zhuzhou: Zones) -> None:
    grid = build_grid(zhuzhou, 200)
    whole = pixel_area_m2(grid)
    for window in (Window(0, 0, 128, 128), Window(37, 511, 301, 77), Window(575, 1089, 1, 1)):
        rows, cols = (
            slice(window.row_off, window.row_off + window.height),
            slice(window.col_off, window.col_off + window.width),
        )
        assert np.array_equal(pixel_area_m2(grid, window), whole[rows, cols])


@pytest.mark.parametrize(
    "window", [Window(-1, 0, 10, 10), Window(570, 0, 10, 10), Window(0, 1085, 10, 10), Window(0, 0, 0, 5)]
)
def test_window_outside_the_grid(zhuzhou: Zones, window: Window) -> None:
    with pytest.raises(InputError) as caught:
        pixel_area_m2(build_grid(zhuzhou, 200), window)
    assert caught.value.key == "aoi.window"
