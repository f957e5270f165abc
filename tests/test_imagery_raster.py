from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.imagery.raster import grid_of, probe, read_numbers
from sinkest.imagery.resample import Positions, resample

# odc-geo multiplies affine transforms with the operator that affine 3 will retire.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

CORNER = (700_000.0, 3_050_000.0)


def write(
    path: Path,
    values: np.ndarray,
    step: float = 10.0,
    crs: str | None = "EPSG:32649",
    corner: tuple[float, float] = CORNER,
    **more: object,
) -> Path:
    values = values if values.ndim == 3 else values[None]
    profile = {"driver": "GTiff", "count": values.shape[0], "height": values.shape[1], "width": values.shape[2]}
    transform = Affine(step, 0, corner[0], 0, -step, corner[1])
    with rasterio.open(path, "w", dtype=values.dtype.name, crs=crs, transform=transform, **profile, **more) as file:
        file.write(values)
    return path


def grid(x: float, y: float, rows: int, cols: int, step: float = 10.0, crs: str = "EPSG:32649") -> GeoBox:
    """Grid whose upper left corner lies x metres east and y metres south of the file's."""
    return GeoBox((rows, cols), Affine(step, 0, CORNER[0] + x, 0, -step, CORNER[1] - y), crs)


def in_blocks(file: Path, whole: GeoBox, size: int, kernel: str) -> np.ndarray:
    raster = probe(file)
    out = np.empty(whole.shape.yx, dtype=np.float32)
    for row in range(0, whole.shape[0], size):
        for column in range(0, whole.shape[1], size):
            rows, columns = min(row + size, whole.shape[0]), min(column + size, whole.shape[1])
            out[row:rows, column:columns] = read_numbers(raster, [1], whole[row:rows, column:columns], kernel, -9999)[0]
    return out


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 5000, (260, 280)).astype(np.int16)
    values[rng.random(values.shape) < 0.03] = -9999
    path = tmp_path_factory.mktemp("raster") / "noisy.tif"
    return write(path, values, nodata=-9999, tiled=True, blockxsize=64, blockysize=64, compress="deflate")


def test_a_header_tells_grid_types_and_nodata(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.zeros((2, 3, 4), np.uint16), nodata=7)
    raster = probe(path)
    assert raster.grid == GeoBox((3, 4), Affine(10, 0, CORNER[0], 0, -10, CORNER[1]), "EPSG:32649")
    assert (raster.dtypes, raster.nodata, raster.units) == (("uint16", "uint16"), (7.0, 7.0), ("", ""))
    assert grid_of(path) == raster.grid


def test_an_aligned_grid_gets_the_stored_numbers(tmp_path: Path) -> None:
    stored = np.arange(20, dtype=np.int16).reshape(4, 5)
    file = probe(write(tmp_path / "a.tif", stored, nodata=6))
    # one pixel north and west of the file, and one beyond it in the south
    read = read_numbers(file, [1], grid(-10, -10, 6, 3), "cubic", 6)[0]
    expected = np.full((6, 3), np.nan, dtype=np.float32)
    expected[1:5, 1:] = [[0, 1], [5, np.nan], [10, 11], [15, 16]]
    np.testing.assert_array_equal(read, expected)


def test_a_grid_beside_the_file_gets_no_data(tmp_path: Path) -> None:
    file = probe(write(tmp_path / "a.tif", np.ones((4, 5), np.float32)))
    assert np.isnan(read_numbers(file, [1], grid(1000, 0, 3, 3), "bilinear", None)).all()
    assert np.isnan(read_numbers(file, [1], grid(1003, 0, 3, 3, step=7), "bilinear", None)).all()


def test_several_bands_come_in_the_order_asked_for(tmp_path: Path) -> None:
    file = probe(
        write(tmp_path / "a.tif", np.arange(3, dtype=np.float32)[:, None, None] * np.ones((3, 2, 2), np.float32))
    )
    assert read_numbers(file, [3, 1], file.grid, "nearest", None)[:, 0, 0].tolist() == [2, 0]


def test_bilinear_keeps_a_plane(tmp_path: Path) -> None:
    row, column = np.mgrid[0:20, 0:30]
    file = probe(write(tmp_path / "a.tif", (3.0 * row + 2.0 * column).astype(np.float32)))
    # a grid of 5 m begins at 50 m: its first centre is 52.5 m in, pixel 5.25, 4.75 steps behind the centre of pixel 0
    for kernel in ("bilinear", "cubic"):
        read = read_numbers(file, [1], grid(50, 50, 8, 8, step=5), kernel, None)[0]
        expected = 3 * (4.75 + 0.5 * np.arange(8))[:, None] + 2 * (4.75 + 0.5 * np.arange(8))
        np.testing.assert_allclose(read, expected, rtol=1e-6)


def test_bilinear_on_a_coarser_grid_averages(tmp_path: Path) -> None:
    # a chequerboard of 0 and 1 would come out as 0 or 1 if only the nearest few pixels counted
    file = probe(write(tmp_path / "a.tif", (np.indices((60, 60)).sum(axis=0) % 2).astype(np.float32)))
    read = read_numbers(file, [1], grid(100, 100, 4, 4, step=40), "bilinear", None)[0]
    np.testing.assert_allclose(read, 0.5, atol=1e-6)


def test_nearest_keeps_codes(tmp_path: Path) -> None:
    file = probe(write(tmp_path / "a.tif", np.array([[1, 9], [4, 6]], np.uint8), step=20))
    read = read_numbers(file, [1], grid(0, 0, 4, 4), "nearest", None)[0]
    np.testing.assert_array_equal(read, np.kron([[1, 9], [4, 6]], np.ones((2, 2))))


def test_no_data_does_not_leak_into_its_neighbours(tmp_path: Path) -> None:
    values = np.full((6, 6), 100, np.int16)
    values[2, 2] = -9999
    file = probe(write(tmp_path / "a.tif", values, nodata=-9999))
    read = read_numbers(file, [1], grid(0, 0, 12, 12, step=5), "bilinear", -9999)[0]
    assert np.isnan(read[4:6, 4:6]).all()
    assert np.isnan(read).sum() == 4
    assert np.nanmin(read) == np.nanmax(read) == 100


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic"])
@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(grid(-30, -30, 270, 290), id="aligned"),
        pytest.param(grid(3, 3, 150, 150), id="shifted"),
        pytest.param(grid(0, 0, 260, 280, step=7), id="finer"),
        pytest.param(grid(11, 11, 120, 110, step=23), id="coarser"),
        pytest.param(GeoBox((260, 270), Affine(10, 0, 107_000, 0, -10, 3_055_000), "EPSG:32650"), id="other zone"),
    ],
)
def test_blocks_of_any_size_give_the_same_bits(noisy: Path, whole: GeoBox, kernel: str) -> None:
    at_once = in_blocks(noisy, whole, 1000, kernel)
    assert np.isfinite(at_once).mean() > 0.1
    for size in (64, 100, 256):
        np.testing.assert_array_equal(in_blocks(noisy, whole, size, kernel), at_once)


def test_a_warp_puts_things_where_they_are(tmp_path: Path) -> None:
    from pyproj import Transformer

    row, column = np.mgrid[0:200, 0:200]
    east, north = CORNER[0] + (column + 0.5) * 10, CORNER[1] - (row + 0.5) * 10
    file = probe(write(tmp_path / "a.tif", np.stack([east, north]).astype(np.float64)))
    lon, lat = Transformer.from_crs(32649, 4326, always_xy=True).transform(CORNER[0] + 1000, CORNER[1] - 1000)
    there = GeoBox((20, 20), Affine(1e-4, 0, lon - 1e-3, 0, -1e-4, lat + 1e-3), "EPSG:4326")
    read = read_numbers(file, [1, 2], there, "bilinear", None)
    lons, lats = lon - 1e-3 + (np.arange(20) + 0.5) * 1e-4, lat + 1e-3 - (np.arange(20) + 0.5) * 1e-4
    expected = Transformer.from_crs(4326, 32649, always_xy=True).transform(*np.meshgrid(lons, lats))
    np.testing.assert_allclose(read, expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("dtype, nodata", [("uint8", -1), ("uint16", np.nan), ("int16", None), ("float32", None)])
def test_a_warp_takes_nodata_that_the_type_cannot_hold(tmp_path: Path, dtype: str, nodata: float | None) -> None:
    values = np.full((60, 60), 7, dtype)
    if dtype == "float32":
        values[30, 30] = np.nan
    file = probe(write(tmp_path / "a.tif", values))
    # the file's corner, 700 km east in zone 49, lies 107.5 km east, 3054.7 km north in zone 50
    there = GeoBox((30, 30), Affine(10, 0, 107_600, 0, -10, 3_054_500), "EPSG:32650")
    read = read_numbers(file, [1], there, "bilinear", nodata)[0]
    np.testing.assert_array_equal(read[np.isfinite(read)], 7)
    assert np.isnan(read).sum() == {"float32": 1}.get(dtype, 0)


def test_whole_numbers_beyond_single_precision_survive(tmp_path: Path) -> None:
    file = probe(write(tmp_path / "a.tif", np.full((2, 2), 2**24 + 1, np.int32)))
    assert read_numbers(file, [1], file.grid, "nearest", None)[0, 0, 0] == 2**24 + 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["bilinear", "cubic"]), st.floats(0.2, 4.0), st.floats(-3, 3))
def test_resampled_values_stay_near_the_range(seed: int, kernel: str, step: float, start: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((12, 12))
    values[rng.random(values.shape) < 0.2] = np.nan
    places = Positions.of(start + (np.arange(6) + 0.5) * step, step)
    found = resample(values, places, places, kernel)
    # the cubic kernel has lobes below zero, so it may overshoot; the triangle may not
    if kernel == "bilinear" and np.isfinite(found).any():
        assert np.nanmin(values) - 1e-9 <= np.nanmin(found)
        assert np.nanmax(found) <= np.nanmax(values) + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.floats(-4, 4), st.floats(0.25, 3.0), st.sampled_from(["bilinear", "cubic"]))
def test_a_constant_stays_constant(start: float, step: float, kernel: str) -> None:
    places = Positions.of(start + (np.arange(5) + 0.5) * step, step)
    found = resample(np.full((9, 9), 7.5), places, places, kernel)
    inside = np.isfinite(found)
    np.testing.assert_allclose(found[inside], 7.5, rtol=1e-12)
    centres = np.floor(places.centres)
    assert inside.sum() == ((centres >= 0) & (centres < 9)).sum() ** 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing\.tif: there is no such file") as caught:
        probe(tmp_path / "nothing.tif")
    assert caught.value.kind == "missing"


def test_a_list_of_other_files_that_calls_itself_an_image_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", np.full((4, 4), 7, np.uint8))
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "meant.vrt", driver="VRT")
    assert probe(tmp_path / "meant.vrt").dtypes == ("uint8",)
    (tmp_path / "b.tif").write_bytes((tmp_path / "meant.vrt").read_bytes())
    with pytest.raises(SourceError, match=r"b\.tif holds no image but a list of other files"):
        probe(tmp_path / "b.tif")


def test_a_raster_without_crs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no coordinate reference system"):
        probe(write(tmp_path / "a.tif", np.zeros((2, 2), np.uint8), crs=None))


def test_a_raster_without_georeference_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    profile = {"driver": "PNG", "count": 1, "height": 2, "width": 2, "dtype": "uint8"}
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(path, "w", **profile) as file:
        file.write(np.zeros((1, 2, 2), np.uint8))
    with pytest.raises(SourceError, match="no georeference"):
        probe(path)


def test_pixels_without_size_are_damage(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        probe(write(tmp_path / "a.tif", np.zeros((2, 2), np.uint8), step=1e-300))


def test_an_extent_beyond_the_earth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="extent does not lie on the Earth"):
        probe(write(tmp_path / "a.tif", np.zeros((2, 2), np.uint8), corner=(1e15, 1e15)))


def test_complex_numbers_are_refused_by_type(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="type complex64"):
        probe(write(tmp_path / "a.tif", np.zeros((2, 2), np.complex64)))


def test_a_file_that_is_no_raster_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_text("not a raster")
    with pytest.raises(SourceError, match="cannot be read") as caught:
        probe(path)
    assert caught.value.kind == "unreadable"


@pytest.mark.parametrize("compress", ["none", "deflate"])
def test_a_file_cut_short_is_refused_at_once(tmp_path: Path, compress: str) -> None:
    values = np.random.default_rng(1).integers(0, 1000, (100, 100)).astype(np.int16)
    path = write(tmp_path / "a.tif", values, compress=compress)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="cut short"):
        probe(path)


@pytest.mark.parametrize("crs", ["EPSG:32649", "EPSG:32650"])
def test_a_broken_tile_is_an_error_not_a_hole(tmp_path: Path, crs: str) -> None:
    values = np.random.default_rng(1).integers(0, 1000, (128, 128)).astype(np.int16)
    path = write(tmp_path / "a.tif", values, compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    file = probe(path)
    with rasterio.open(path) as raster:
        start = int(raster.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", bidx=1))
    damaged = bytearray(path.read_bytes())
    damaged[start : start + 200] = bytes(200)
    path.write_bytes(damaged)
    # the file's corner, 700 km east in zone 49, lies 107.5 km east, 3054.7 km north in zone 50
    there = GeoBox((400, 400), Affine(10, 0, 105_000, 0, -10, 3_056_000), crs)
    if crs == "EPSG:32649":
        there = file.grid
    with pytest.raises(SourceError, match=r"a\.tif: the raster cannot be read"):
        read_numbers(file, [1], there, "bilinear", None)
