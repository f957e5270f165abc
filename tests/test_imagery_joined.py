"""Elevation models that come in tiles: the same slopes as before they were cut."""

from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from sinkest.features.terrain import slope_aspect
from sinkest.imagery.joined import lattices
from sinkest.imagery.products.mosaics import Mosaic
from tests.servers.formats import write_raster
from tests.servers.truth import lattice

CUT = 37
DEM = lattice(700_000, 3_080_000, 90, 60, 30)
FINE = lattice(700_305, 3_079_695, 200, 130, 10)
SHIFTED = lattice(700_301.7, 3_079_693.1, 200, 130, 10)
COARSE = lattice(700_200, 3_079_900, 20, 14, 100)
NEXT_ZONE = lattice(109_200, 3_084_400, 200, 130, 10, "EPSG:32650")
WIDE_NEXT = lattice(109_200, 3_084_400, 20, 14, 100, "EPSG:32650")
GRIDS = [FINE, SHIFTED, COARSE, NEXT_ZONE, WIDE_NEXT]


def plane() -> np.ndarray:
    """A slope of 30 degrees that falls to the east, metres."""
    return np.tile(2000 - np.tan(np.radians(30)) * 30 * np.arange(90), (60, 1)).astype(np.float32)


def rough() -> np.ndarray:
    return (plane() + np.random.default_rng(3).normal(0, 20, (60, 90))).astype(np.float32)


def models(folder: Path, metres: np.ndarray) -> tuple[Mosaic, Mosaic]:
    """An elevation model in one file, and cut in four, of which two overlap."""
    whole = write_raster(folder / "whole.tif", DEM, metres, -9999.0)
    parts = []
    for k, (rows, cols) in enumerate(
        [
            (slice(0, 25), slice(0, CUT)),
            (slice(25, 60), slice(0, CUT + 4)),
            (slice(0, 25), slice(CUT, 90)),
            (slice(25, 60), slice(CUT, 90)),
        ]
    ):
        parts.append(write_raster(folder / f"part{k}.tif", DEM[rows, cols], metres[rows, cols], -9999.0))
    return Mosaic.of([whole]), Mosaic.of(parts)


@pytest.mark.parametrize("grid", GRIDS)
def test_tiles_are_read_as_the_model_they_were_cut_from(tmp_path: Path, grid: GeoBox) -> None:
    metres = rough()
    metres[20:23, CUT - 1 : CUT + 1] = -9999.0
    whole, cut = models(tmp_path, metres)
    expected = whole.read(grid, "cubic")
    assert np.isfinite(expected).mean() > 0.5
    np.testing.assert_array_equal(cut.read(grid, "cubic"), expected)


@pytest.mark.parametrize("grid", [FINE, NEXT_ZONE])
def test_a_plane_has_one_slope_across_the_seam(tmp_path: Path, grid: GeoBox) -> None:
    _, cut = models(tmp_path, plane())
    metres = cut.read(grid, "cubic")
    slope = slope_aspect(metres, 10.0)[0][2:-2, 2:-2]
    assert np.isfinite(slope).mean() > 0.5
    np.testing.assert_allclose(slope[np.isfinite(slope)], 30.0, atol=0.1)


@pytest.mark.parametrize("grid", GRIDS)
def test_blocks_are_parts_of_the_whole(tmp_path: Path, grid: GeoBox) -> None:
    _, cut = models(tmp_path, rough())
    whole = cut.read(grid, "cubic")
    rows, cols = grid.shape.yx
    for down in (slice(0, rows // 3), slice(rows // 3, rows)):
        for across in (slice(0, cols // 2 + 1), slice(cols // 2 + 1, cols)):
            np.testing.assert_array_equal(cut.read(grid[down, across], "cubic"), whole[down, across])


def test_tiles_of_other_lattices_stay_apart() -> None:
    aside = lattice(700_012, 3_080_000, 10, 10, 30)
    finer = lattice(700_000, 3_080_000, 10, 10, 10)
    zone = lattice(700_000, 3_080_000, 10, 10, 30, "EPSG:32650")
    assert lattices([DEM[:5], aside, DEM[5:], finer, zone]) == [[0, 2], [1], [3], [4]]
