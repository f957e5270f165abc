from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate

from sinkest.errors import RunError
from sinkest.mapping.cog import RasterClass, RasterSpec, write_cog

GRID = GeoBox((700, 600), Affine(20, 0, 500_000, 0, -20, 3_000_000), "EPSG:32649")
CLASSES = (RasterClass(1, "fir", "杉木林", "#1b5e3a"), RasterClass(3, "water", "水域", "#3b78b5"))
COVER = RasterSpec("uint8", 0, ["land_cover"], classes=CLASSES, tags={"SIMULATED": "模拟数据"})
STOCK = RasterSpec("float32", float("nan"), ["stock"], units=["m3/ha"])


def cover() -> np.ndarray:
    return np.random.default_rng(1).choice([0, 1, 3], GRID.shape).astype(np.uint8)


def pieces(values: np.ndarray, size: int, *, reverse: bool = False) -> Iterator[tuple[Window, np.ndarray]]:
    corners = [(row, col) for row in range(0, 700, size) for col in range(0, 600, size)]
    for row, col in reversed(corners) if reverse else corners:
        piece = values[row : row + size, col : col + size]
        yield Window(col, row, piece.shape[1], piece.shape[0]), piece


@pytest.mark.parametrize(("size", "reverse"), [(128, False), (512, False), (256, True), (384, True)])
def test_bytes_do_not_depend_on_size_or_order_of_blocks(tmp_path: Path, size: int, reverse: bool) -> None:
    for name, spec, values in [("a", COVER, cover()), ("b", STOCK, cover().astype(np.float32))]:
        write_cog(tmp_path / f"{name}0.tif", GRID, spec, pieces(values, 700))
        write_cog(tmp_path / f"{name}1.tif", GRID, spec, pieces(values, size, reverse=reverse))
        assert (tmp_path / f"{name}0.tif").read_bytes() == (tmp_path / f"{name}1.tif").read_bytes()


def test_a_class_map_is_a_valid_cog_with_names_and_colours_inside(tmp_path: Path) -> None:
    path = tmp_path / "cover.tif"
    write_cog(path, GRID, COVER, pieces(cover(), 256))
    valid, errors, warnings = cog_validate(path, strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(path) as source:
        assert np.array_equal(source.read(1), cover())
        assert source.nodata == 0
        assert source.colormap(1)[3] == (0x3B, 0x78, 0xB5, 255)
        assert source.tags(1)["CLASS_1"] == "fir | 杉木林"
        assert source.tags()["SIMULATED"] == "模拟数据"
        assert source.overviews(1) == [2, 4]
    assert "杉木林 fir" in (tmp_path / "cover.tif.aux.xml").read_text(encoding="utf-8")


def test_a_continuous_map_keeps_values_units_and_nodata(tmp_path: Path) -> None:
    values = cover().astype(np.float32) * 33.3
    values[:100] = np.nan
    write_cog(tmp_path / "stock.tif", GRID, STOCK, pieces(values, 256))
    with rasterio.open(tmp_path / "stock.tif") as source:
        assert np.array_equal(source.read(1), values, equal_nan=True)
        assert (source.units, source.descriptions) == (("m3/ha",), ("stock",))
        assert np.isnan(source.nodata)
        assert source.crs.to_epsg() == 32649


def test_what_no_block_covers_is_nodata(tmp_path: Path) -> None:
    write_cog(tmp_path / "a.tif", GRID, COVER, [(Window(0, 0, 128, 128), np.ones((128, 128), np.uint8))])
    with rasterio.open(tmp_path / "a.tif") as source:
        values = source.read(1)
    assert values[:128, :128].all()
    assert not values[128:].any()


def test_a_block_of_another_type_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="float64"):
        write_cog(tmp_path / "a.tif", GRID, COVER, [(Window(0, 0, 128, 128), np.ones((128, 128)))])
    assert list(tmp_path.iterdir()) == []
