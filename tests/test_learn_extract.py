"""Features at points and inside polygons: the right pixel, whatever is read at once."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.windows import Window
from shapely.geometry import Point, box

from sinkest.errors import InputError
from sinkest.learn.extract import extract, with_data

# 60 rows, 80 columns of 10 m; its upper left corner is at (500000, 3100000) in UTM zone 49 N.
GRID = GeoBox((60, 80), Affine(10, 0, 500_000, 0, -10, 3_100_000), "EPSG:32649")
ROWS, COLS = np.mgrid[0:60, 0:80]
CUBE = np.stack([ROWS, COLS, ROWS * 100 + COLS]).astype(np.float32)


class Reader:
    """Reads the cube and remembers what it was asked for."""

    def __init__(self, cube: np.ndarray = CUBE) -> None:
        self.cube = cube
        self.windows: list[Window] = []

    def __call__(self, window: Window) -> np.ndarray:
        self.windows.append(window)
        rows, cols = window.toslices()
        return self.cube[:, rows, cols]


def points(*pixels: tuple[float, float]) -> gpd.GeoDataFrame:
    """Points by column and row, fractions allowed, in EPSG:4326."""
    places = [Point(500_000 + 10 * col, 3_100_000 - 10 * row) for col, row in pixels]
    return gpd.GeoDataFrame(geometry=places, crs="EPSG:32649").to_crs("EPSG:4326")


def test_a_point_gets_the_pixel_it_lies_in() -> None:
    # (12.3, 4.9) lies in column 12, row 4; (79.99, 59.99) in the last pixel.
    found = extract(points((12.3, 4.9), (79.99, 59.99)), GRID, Reader())
    assert found.X.tolist() == [[4, 12, 412], [59, 79, 5979]]
    assert found.row.tolist() == [4, 59]
    assert found.col.tolist() == [12, 79]
    np.testing.assert_allclose(found.x_m, [500_123, 500_799.9], atol=1e-3)
    np.testing.assert_allclose(found.y_m, [3_099_951, 3_099_400.1], atol=1e-3)


def test_points_outside_have_no_features() -> None:
    found = extract(points((1, 1), (80.5, 3), (-0.1, 3), (3, 60.5)), GRID, Reader())
    assert found.complete.tolist() == [True, False, False, False]
    assert found.row.tolist() == [1, -1, -1, -1]


def test_nothing_inside_is_an_error() -> None:
    with pytest.raises(InputError) as caught:
        extract(points((100, 100)), GRID, Reader())
    assert caught.value.key == "learn.none_in_grid"


@pytest.mark.parametrize("window_px", [1, 3, 5])
def test_no_result_depends_on_what_is_read_at_once(window_px: int) -> None:
    rng = np.random.default_rng(1)
    cube = rng.normal(size=(2, 60, 80)).astype(np.float32)
    cube[:, rng.random((60, 80)) < 0.1] = np.nan
    places = points(*zip(rng.uniform(0, 80, 50), rng.uniform(0, 60, 50), strict=True))
    expected = extract(places, GRID, Reader(cube), block=1000, window_px=window_px)
    for block in (1, 7, 32):
        found = extract(places, GRID, Reader(cube), block=block, window_px=window_px)
        np.testing.assert_array_equal(found.X, expected.X)


def test_each_block_is_read_once() -> None:
    reader = Reader()
    extract(points((1, 1), (2, 9), (11, 1), (19, 9), (1, 11)), GRID, reader, block=10)
    # Blocks (0, 0), (0, 1) and (1, 0) hold points.
    assert len(reader.windows) == 3


def test_the_mean_over_a_window_leaves_out_pixels_without_data() -> None:
    cube = CUBE.copy()
    cube[:, 3, 11] = np.nan
    found = extract(points((12.5, 4.5), (0.5, 0.5), (11.5, 3.5)), GRID, Reader(cube), window_px=3)
    # Rows 3-5 and columns 11-13 without (3, 11): rows (36 - 3) / 8 = 4.125, columns (108 - 11) / 8 = 12.125.
    assert found.X[0, :2].tolist() == [4.125, 12.125]
    # In the corner four pixels are left: rows and columns 0 and 1.
    assert found.X[1, :2].tolist() == [0.5, 0.5]
    # A point on a pixel without data has no data, however good its surroundings.
    assert np.isnan(found.X[2]).all()


def test_an_even_window_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        extract(points((1, 1)), GRID, Reader(), window_px=2)
    assert caught.value.key == "learn.window_even"


def rectangle(c0: float, r0: float, c1: float, r1: float) -> object:
    return box(500_000 + 10 * c0, 3_100_000 - 10 * r1, 500_000 + 10 * c1, 3_100_000 - 10 * r0)


def test_a_polygon_gets_the_pixels_whose_centres_it_holds() -> None:
    # Columns 2.4 to 5.6 hold the centres 2.5, 3.5, 4.5, 5.5; rows 7.6 to 9.4 hold 8.5 only.
    places = gpd.GeoDataFrame(geometry=[rectangle(2.4, 7.6, 5.6, 9.4)], crs="EPSG:32649")
    found = extract(places, GRID, Reader())
    assert found.col.tolist() == [2, 3, 4, 5]
    assert found.row.tolist() == [8, 8, 8, 8]
    assert found.record.tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(found.x_m, [500_025, 500_035, 500_045, 500_055])


def test_a_polygon_smaller_than_a_pixel_gets_the_pixel_it_lies_in() -> None:
    places = gpd.GeoDataFrame(geometry=[rectangle(2.1, 7.1, 2.3, 7.3)], crs="EPSG:32649")
    found = extract(places, GRID, Reader())
    assert (found.row.tolist(), found.col.tolist()) == ([7], [2])


def test_a_polygon_across_the_border_gets_what_is_inside() -> None:
    places = gpd.GeoDataFrame(geometry=[rectangle(-5, -5, 2, 1), rectangle(90, 90, 95, 95)], crs="EPSG:32649")
    found = extract(places, GRID, Reader())
    assert found.record.tolist() == [0, 0, 1]
    assert found.complete.tolist() == [True, True, False]


def test_large_polygons_are_thinned_alike_every_time() -> None:
    places = gpd.GeoDataFrame(geometry=[rectangle(0, 0, 40, 40), rectangle(50, 50, 51, 51)], crs="EPSG:32649")
    found = extract(places, GRID, Reader(), max_pixels=25, seed=3)
    again = extract(places, GRID, Reader(), max_pixels=25, seed=3, block=8)
    assert np.bincount(found.record).tolist() == [25, 1]
    np.testing.assert_array_equal(found.X, again.X)
    assert not np.array_equal(found.X, extract(places, GRID, Reader(), max_pixels=25, seed=4).X)


def test_distances_are_metres_on_a_grid_in_degrees() -> None:
    grid = GeoBox((10, 10), Affine(0.001, 0, 113, 0, -0.001, 27.8), "EPSG:4326")
    places = gpd.GeoDataFrame(geometry=[Point(113.001, 27.799), Point(113.001, 27.794)], crs="EPSG:4326")
    found = extract(places, grid, lambda w: np.zeros((1, int(w.height), int(w.width)), dtype=np.float32))
    # 0.005 degrees of latitude at 27.8 N are about 554 m (110.8 km a degree).
    assert found.y_m[0] - found.y_m[1] == pytest.approx(554, abs=1)


def test_a_reader_that_gives_another_shape_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        extract(points((1, 1)), GRID, lambda _: np.zeros((3, 1, 2), dtype=np.float32))
    assert caught.value.key == "learn.unequal"


def test_records_without_data_are_left_out_and_told() -> None:
    cube = CUBE.copy()
    cube[1, 5, 5] = np.nan
    frame = points((5.5, 5.5), (6.5, 6.5), (7.5, 7.5)).assign(source_row=[2, 3, 7])
    kept, note = with_data(extract(frame, GRID, Reader(cube)), frame, "plots.csv")
    assert kept.record.tolist() == [1, 2]
    assert note is not None
    assert "rows 2" in note.text("en")
    assert "1 of 3" in note.text("en")
    everything, nothing = with_data(extract(frame, GRID, Reader()), frame, "plots.csv")
    assert len(everything.X) == 3
    assert nothing is None


def test_mostly_without_data_is_refused_with_rows() -> None:
    cube = np.full_like(CUBE, np.nan)
    cube[:, 7, 7] = 1
    frame = points((5.5, 5.5), (6.5, 6.5), (7.5, 7.5)).assign(source_row=[2, 3, 7])
    with pytest.raises(InputError) as caught:
        with_data(extract(frame, GRID, Reader(cube)), frame, "plots.csv")
    assert caught.value.key == "learn.mostly_without_data"
    assert "rows 2, 3" in str(caught.value)
