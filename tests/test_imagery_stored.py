"""Looks with numbers as stored against looks with reflectance: the same composites, bit for bit."""

import tracemalloc
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.features.block import build_block
from sinkest.features.cube import CubeSpec
from sinkest.features.looks import block_bytes
from sinkest.imagery.local import StackSource
from sinkest.imagery.source import Period

STEP, CORNER = 10.0, (700_000.0, 3_060_000.0)
BANDS = {"green": "*_refl.tif:2", "red": "*_refl.tif:1", "nir": "*_refl.tif:4", "swir1": "*_other.tif:1"}
DAYS = ("20250105", "20250215", "20250326", "20250504", "20250613")
YEAR = Period(date(2025, 1, 1), date(2025, 12, 31))
GRID = GeoBox((150, 170), Affine(STEP, 0, CORNER[0] - 30, 0, -STEP, CORNER[1] + 30), "EPSG:32649")


def write(path: Path, values: np.ndarray, shift: int = 0, **how: Any) -> None:
    transform = Affine(STEP, 0, CORNER[0] + shift * STEP, 0, -STEP, CORNER[1])
    count, height, width = values.shape
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype.name}
    more = {"tiled": True, "blockxsize": 64, "blockysize": 64, "crs": "EPSG:32649", "transform": transform}
    with rasterio.open(path, "w", driver="GTiff", **shape, **more, **how) as file:
        file.write(values)


def scene(folder: Path, name: str, rng: np.random.Generator, shift: int = 0, **how: Any) -> None:
    reflectance = rng.integers(1100, 5000, (4, 140, 120)).astype(np.uint16)
    reflectance[:, rng.random((140, 120)) < 0.02] = 0
    reflectance[2, 5, 5] = 0
    codes = rng.choice([4, 5, 8, 9, 0], (1, 140, 120), p=[0.6, 0.2, 0.02, 0.08, 0.1]).astype(np.uint8)
    codes[:, :70, :64] = rng.choice([4, 9], p=[0.3, 0.7])
    write(folder / f"{name}_refl.tif", reflectance, shift, nodata=0, **how)
    write(folder / f"{name}_other.tif", reflectance[:1] // 2, shift, nodata=0, **how)
    write(folder / f"{name}_scl.tif", codes, shift)


def stack(folder: Path, **how: Any) -> StackSource:
    rng = np.random.default_rng(11)
    for day in DAYS:
        scene(folder, f"{day}_A", rng, **how)
        scene(folder, f"{day}_B", rng, shift=40, **how)
    return opened(folder)


def opened(folder: Path) -> StackSource:
    numbers = {"scale": 1e-4, "offset": -0.1, "qa": "*_scl.tif", "qa_kind": "scl"}
    return StackSource(folder, "file_per_date", BANDS, date_format="%Y%m%d", **numbers)


def layers(source: StackSource, block: tuple[slice, slice], **what: Any) -> dict[str, np.ndarray]:
    spec = CubeSpec(seasons=("spring", "year"), bands=tuple(BANDS), phenology_index="NDVI", terrain=False, **what)
    scenes = source.search(GRID, YEAR)
    return build_block(source, GRID, block, spec, {"spring": scenes[1:3], "year": scenes})


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert set(one) == set(other)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


WHOLE = (slice(0, 150), slice(0, 170))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("stored")
    stack(place, compress="deflate", predictor=2, interleave="pixel")
    return place


@pytest.mark.parametrize("method", ["median", "medoid"])
@pytest.mark.parametrize("dilate_px", [0, 2])
@pytest.mark.parametrize("gap_fill", ["none", "year"])
def test_stored_numbers_give_the_composites_of_reflectance(
    folder: Path, method: str, dilate_px: int, gap_fill: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = {"method": method, "dilate_px": dilate_px, "gap_fill": gap_fill}
    source = opened(folder)
    assert source.stored_as(GRID, source.search(GRID, YEAR), tuple(BANDS)) is not None
    found = layers(source, WHOLE, **what)
    assert np.isnan(found["year_red"]).any()
    assert np.isfinite(found["year_red"]).mean() > 0.5
    monkeypatch.setattr(StackSource, "stored_as", lambda *_: None)
    same(found, layers(source, WHOLE, **what))


@pytest.mark.parametrize("compress", ["zstd", "lzw"])
def test_files_that_gdal_reads_give_the_same(folder: Path, tmp_path: Path, compress: str) -> None:
    same(layers(stack(tmp_path, compress=compress, interleave="band"), WHOLE), layers(opened(folder), WHOLE))


def test_blocks_give_what_the_whole_gives(folder: Path) -> None:
    source = opened(folder)
    whole = layers(source, WHOLE, dilate_px=2)
    for rows, cols in ((slice(0, 61), slice(3, 67)), (slice(61, 150), slice(67, 170)), (slice(140, 150), slice(0, 9))):
        part = layers(source, (rows, cols), dilate_px=2)
        same(part, {name: values[rows, cols] for name, values in whole.items()})


def test_a_stack_that_is_not_kept_is_read_in_strips_with_the_same_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(folder)
    kept = layers(source, WHOLE)
    monkeypatch.setattr("sinkest.features.looks.Looks.__init__.__defaults__", (30_000,))
    same(layers(source, WHOLE), kept)


@pytest.mark.parametrize("stored", [True, False])
def test_the_memory_of_a_block_is_what_the_formula_says(
    folder: Path, stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(folder)
    if not stored:
        monkeypatch.setattr(StackSource, "stored_as", lambda *_: None)
    spec = CubeSpec(seasons=("year",), bands=tuple(BANDS), phenology_index="NDVI", terrain=False)
    scenes = {"year": source.search(GRID, YEAR) * 4}
    copies = {"year": [replace(scene, id=f"{k}") for k, scene in enumerate(scenes["year"])]}
    monkeypatch.setattr(source, "_parts", {f"{k}": source._parts[scene.id] for k, scene in enumerate(scenes["year"])})
    build_block(source, GRID, WHOLE, spec, copies)
    tracemalloc.start()
    build_block(source, GRID, WHOLE, spec, copies)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    bound = block_bytes(spec, len(copies["year"]), 150 * 170, 2 if stored else 4)
    assert bound / 1.5 < peak < bound * 1.1


def test_another_grid_or_type_is_read_as_reflectance(folder: Path, tmp_path: Path) -> None:
    source = opened(folder)
    scenes = source.search(GRID, YEAR)
    for step, shift in ((STEP, 4.0), (STEP / 2, 0.0)):
        grid = GeoBox((20, 20), Affine(step, 0, CORNER[0] + shift, 0, -step, CORNER[1]), "EPSG:32649")
        assert source.stored_as(grid, scenes, tuple(BANDS)) is None
    write(tmp_path / "20250105_refl.tif", np.full((4, 64, 64), 0.25, np.float32))
    write(tmp_path / "20250105_other.tif", np.full((1, 64, 64), 0.25, np.float32))
    write(tmp_path / "20250105_scl.tif", np.full((1, 64, 64), 4, np.uint8))
    decimals = StackSource(
        tmp_path, "file_per_date", BANDS, date_format="%Y%m%d", scale=1.0, qa="*_scl.tif", qa_kind="scl"
    )
    assert decimals.stored_as(GRID, decimals.search(GRID, YEAR), tuple(BANDS)) is None


@pytest.mark.parametrize("scale, offset", [(-1e-4, 0.5), (1e38, 0.0)])
def test_a_scale_that_would_turn_or_burst_the_order_is_read_as_reflectance(
    folder: Path, scale: float, offset: float
) -> None:
    how = {"date_format": "%Y%m%d", "scale": scale, "offset": offset, "qa": "*_scl.tif", "qa_kind": "scl"}
    source = StackSource(folder, "file_per_date", BANDS, **how)
    assert source.stored_as(GRID, source.search(GRID, YEAR), tuple(BANDS)) is None


def test_an_offset_taken_twice_is_noticed_in_stored_numbers_too(tmp_path: Path) -> None:
    write(tmp_path / "20250105_refl.tif", np.full((4, 64, 64), 300, np.uint16), nodata=0, compress="deflate")
    write(tmp_path / "20250105_other.tif", np.full((1, 64, 64), 300, np.uint16), nodata=0, compress="deflate")
    write(tmp_path / "20250105_scl.tif", np.full((1, 64, 64), 4, np.uint8))
    source = opened(tmp_path)
    grid = GeoBox((64, 64), Affine(STEP, 0, CORNER[0], 0, -STEP, CORNER[1]), "EPSG:32649")
    spec = CubeSpec(seasons=("year",), bands=tuple(BANDS), terrain=False)
    with pytest.raises(SourceError, match=r"20250105_.*tif"):
        build_block(source, grid, (slice(0, 64), slice(0, 64)), spec, {"year": source.search(grid, YEAR)})
