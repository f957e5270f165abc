"""Tiles unpacked by hand against GDAL."""

import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.imagery.raster import probe
from sinkest.imagery.stored import aligned_window, read_stored
from sinkest.imagery.tiles import read_tiles, tile_index

SHAPE, STEP, CORNER = (70, 90), 10.0, (700_000.0, 3_060_000.0)
TILED = {"tiled": True, "blockxsize": 32, "blockysize": 16}


def write(path: Path, values: np.ndarray, **how: object) -> Path:
    transform = Affine(STEP, 0, CORNER[0], 0, -STEP, CORNER[1])
    count, height, width = values.shape
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32649", transform=transform, **shape, **how) as file:
        file.write(values)
    return path


def numbers(dtype: str, bands: int = 4) -> np.ndarray:
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(3)
    return rng.integers(limits.min, limits.max, (bands, *SHAPE), endpoint=True).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"compress": "deflate", "predictor": 2}, id="differences"),
        pytest.param({"compress": "deflate"}, id="deflate"),
        pytest.param({}, id="as they are"),
        pytest.param({"compress": "deflate", "predictor": 2, "bigtiff": "yes"}, id="big"),
    ],
)
def test_tiles_come_out_as_gdal_reads_them(tmp_path: Path, dtype: str, interleave: str, how: dict[str, object]) -> None:
    values = numbers(dtype)
    path = write(tmp_path / "a.tif", values, interleave=interleave, **TILED, **how)
    index = tile_index(path)
    assert index is not None
    for bands in ([1, 2, 3, 4], [3], [4, 1]):
        for top, left, height, width in ((0, 0, *SHAPE), (13, 30, 40, 37), (69, 89, 1, 1), (16, 32, 16, 32)):
            out = np.empty((len(bands), height, width), dtype)
            read_tiles(path, index, bands, (top, left), out, 0)
            expected = values[np.array(bands) - 1, top : top + height, left : left + width]
            np.testing.assert_array_equal(out, expected)


def test_tiles_without_a_wanted_pixel_are_left_alone(tmp_path: Path) -> None:
    values = numbers("uint16", 2)
    path = write(tmp_path / "a.tif", values, compress="deflate", **TILED)
    index, wanted = tile_index(path), np.zeros(SHAPE, bool)
    assert index is not None
    wanted[20, 40] = True
    out = np.full_like(values, 7)
    read_tiles(path, index, [1, 2], (0, 0), out, 0, wanted)
    np.testing.assert_array_equal(out[:, 20, 32:41], values[:, 20, 32:41])
    out[:, 20, 32:41] = 7
    assert (out == 7).all()


def test_a_tile_that_was_never_written_is_blank(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "height": 70, "width": 90, "nodata": 9}
    place = {"crs": "EPSG:32649", "transform": Affine(STEP, 0, CORNER[0], 0, -STEP, CORNER[1])}
    with rasterio.open(path, "w", compress="deflate", sparse_ok=True, **profile, **place, **TILED) as file:
        file.write(np.full((16, 32), 5, np.uint16), 1, window=rasterio.windows.Window(32, 16, 32, 16))
    file = probe(path)
    assert file.tiles is not None
    out = np.empty((1, *SHAPE), np.uint16)
    read_stored(file, [1], file.grid, out, 9)
    with rasterio.open(path) as raster:
        np.testing.assert_array_equal(out, raster.read())
    assert np.unique(out).tolist() == [5, 9]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({**TILED, "compress": "lzw"}, id="lzw"),
        pytest.param({**TILED, "compress": "zstd"}, id="zstd"),
        pytest.param({"compress": "deflate"}, id="strips"),
        pytest.param({**TILED, "ENDIANNESS": "BIG"}, id="big-endian"),
        pytest.param({**TILED, "NBITS": 12}, id="12 bits"),
    ],
)
def test_other_layouts_are_left_to_gdal(tmp_path: Path, how: dict[str, object]) -> None:
    values = numbers("uint16") >> 4
    path = write(tmp_path / "a.tif", values, **how)
    assert tile_index(path) is None
    file, out = probe(path), np.empty((2, *SHAPE), np.uint16)
    assert file.tiles is None
    read_stored(file, [2, 4], file.grid, out, 0)
    np.testing.assert_array_equal(out, values[[1, 3]])


@pytest.mark.parametrize("dtype", ["float32", "uint32"])
def test_other_types_are_left_to_gdal(tmp_path: Path, dtype: str) -> None:
    assert tile_index(write(tmp_path / "a.tif", np.zeros((1, *SHAPE), dtype), **TILED)) is None


def test_what_is_no_tiff_has_no_index(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for content in (b"", b"II", b"not a raster at all", struct.pack("<2sHI", b"II", 42, 10**9)):
        path.write_bytes(content)
        assert tile_index(path) is None


def test_a_damaged_header_gives_no_index_or_the_right_numbers(tmp_path: Path) -> None:
    values = numbers("uint16", 1)
    path = write(tmp_path / "a.tif", values, compress="deflate", **TILED)
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[int(rng.integers(0, 400))] = int(rng.integers(0, 256))
        path.write_bytes(damaged)
        index = tile_index(path)
        assert index is None or (index.offsets.size == index.sizes.size and index.offsets.size > 0)


@pytest.mark.parametrize("compress", ["deflate", "none"])
def test_a_broken_tile_is_an_error_that_names_the_file(tmp_path: Path, compress: str) -> None:
    path = write(tmp_path / "a.tif", numbers("uint16", 2), compress=compress, **TILED)
    file = probe(path)
    assert file.tiles is not None
    damaged = bytearray(path.read_bytes())
    start = int(file.tiles.offsets[4])
    damaged[start : start + 40] = bytes(40)
    path.write_bytes(damaged if compress == "deflate" else damaged[: int(file.tiles.offsets[-1])])
    with pytest.raises(SourceError, match=r"a\.tif: the raster cannot be read"):
        read_stored(file, [1], file.grid, np.empty((1, *SHAPE), np.uint16), 0)


def test_a_window_may_reach_beyond_the_file(tmp_path: Path) -> None:
    values = numbers("uint16", 1)
    file = probe(write(tmp_path / "a.tif", values, compress="deflate", **TILED))
    grid = file.grid.pad(5)
    out = np.full((1, *grid.shape.yx), 3, np.uint16)
    inside = read_stored(file, [1], grid, out, 0)
    assert inside == (slice(5, 75), slice(5, 95))
    np.testing.assert_array_equal(out[:, 5:-5, 5:-5], values)
    assert (out[:, :5] == 3).all()
    beside = GeoBox((4, 4), Affine(STEP, 0, CORNER[0] + 5000, 0, -STEP, CORNER[1]), "EPSG:32649")
    rows, cols = read_stored(file, [1], beside, out[:, :4, :4], 0)
    assert cols.stop <= cols.start
    assert rows.stop >= rows.start


def test_a_grid_between_the_pixels_is_not_the_files_own(tmp_path: Path) -> None:
    file = probe(write(tmp_path / "a.tif", numbers("uint8", 1), **TILED))
    for step, shift in ((STEP, 3.0), (STEP * 2, 0.0)):
        grid = GeoBox((4, 4), Affine(step, 0, CORNER[0] + shift, 0, -step, CORNER[1]), "EPSG:32649")
        assert aligned_window(file.grid, grid) is None
        with pytest.raises(ValueError, match="not the file's own"):
            read_stored(file, [1], grid, np.empty((1, 4, 4), np.uint8), 0)
