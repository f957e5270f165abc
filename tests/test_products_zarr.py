"""Zarr stores as xarray writes them."""

import json
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest

from sinkest.errors import SourceError
from sinkest.imagery.products.source import ProductsSource
from sinkest.imagery.source import QA, Period
from tests.servers.truth import lattice

GRID = lattice(700_000, 3_080_000, 40, 30, 10)
SUMMER = Period(date(2025, 6, 1), date(2025, 8, 31))


def write_store(folder: Path, numbers: np.ndarray, scl: np.ndarray) -> Path:
    """A store of format 2 written by hand, uncompressed: what xarray's to_zarr(zarr_format=2) leaves on the disk."""
    store = folder / "cube.zarr"
    grid_x = 700_005 + 10.0 * np.arange(40)
    grid_y = 3_079_995 - 10.0 * np.arange(30)
    arrays = {
        "red": (numbers, ["time", "y", "x"], {"scale_factor": 0.0001, "add_offset": -0.1, "_FillValue": 0}),
        "scl": (scl, ["time", "y", "x"], {}),
        "time": (np.array([0, 10], dtype="<i8"), ["time"], {"units": "days since 2025-07-04", "calendar": "standard"}),
        "x": (grid_x, ["x"], {}),
        "y": (grid_y, ["y"], {}),
        "spatial_ref": (np.array(0, dtype="<i8"), [], {"crs_wkt": str(GRID.crs.to_wkt()) if GRID.crs else ""}),
    }
    store.mkdir(parents=True)
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    (store / ".zattrs").write_text('{"sensor": "sentinel-2"}')
    for name, (values, dimensions, attributes) in arrays.items():
        (store / name).mkdir()
        told = {
            "shape": list(values.shape), "chunks": list(values.shape), "dtype": values.dtype.str, "compressor": None,
            "fill_value": None, "filters": None, "order": "C", "zarr_format": 2,
        }  # fmt: skip
        more = {"grid_mapping": "spatial_ref"} if len(dimensions) == 3 else {}
        (store / name / ".zarray").write_text(json.dumps(told))
        (store / name / ".zattrs").write_text(json.dumps({**attributes, **more, "_ARRAY_DIMENSIONS": dimensions}))
        (store / name / ".".join("0" for _ in values.shape or (0,))).write_bytes(values.tobytes())
    return store


@pytest.fixture
def values() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(9)
    numbers = rng.integers(1100, 4000, (2, 30, 40)).astype("<u2")
    numbers[0, 4, 4] = 0
    scl = rng.integers(3, 8, (2, 30, 40)).astype("|u1")
    return numbers, scl


def test_a_store_is_read_as_its_attributes_say(tmp_path: Path, values: tuple[np.ndarray, np.ndarray]) -> None:
    numbers, scl = values
    write_store(tmp_path, numbers, scl)
    source = ProductsSource(tmp_path)
    scenes = source.search(GRID, SUMMER)
    assert [scene.time for scene in scenes] == [datetime(2025, 7, 4), datetime(2025, 7, 14)]
    for k, scene in enumerate(scenes):
        found = source.read(GRID, scene, ["red"])
        expected = numbers[k] * 0.0001 - 0.1
        expected[numbers[k] == 0] = np.nan
        np.testing.assert_allclose(found["red"], expected, atol=1e-7)
        np.testing.assert_array_equal(found[QA], scl[k])
    part = source.read(GRID[5:17, 3:20], scenes[1], ["red"])["red"]
    np.testing.assert_array_equal(part, source.read(GRID, scenes[1], ["red"])["red"][5:17, 3:20])
    assert "Zarr 2" in str(source.notes()[0])
    assert len(source.files()) == 20


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("red/.zattrs", '"scale_factor": 0.0001,', "", "scale_factor and add_offset"),
        (
            "time/.zattrs",
            '"units": "days since 2025-07-04",',
            '"units": "fortnights since May",',
            "cannot be read as times",
        ),
        (".zattrs", "sentinel-2", "kodak", "sensor is 'kodak'"),
        ("red/.zarray", "{", "", "cannot be read"),
    ],
)
def test_stores_that_do_not_tell_are_refused(
    tmp_path: Path, values: tuple[np.ndarray, np.ndarray], file: str, old: str, new: str, named: str
) -> None:
    store = write_store(tmp_path, *values)
    text = (store / file).read_text()
    assert old in text
    (store / file).write_text(text.replace(old, new, 1))
    with pytest.raises(SourceError, match=named):
        ProductsSource(tmp_path)


def test_bands_and_formats_that_are_missing_are_named(tmp_path: Path, values: tuple[np.ndarray, np.ndarray]) -> None:
    store = write_store(tmp_path, *values)
    with pytest.raises(SourceError, match="no array for the bands nir"):
        ProductsSource(tmp_path, bands=["red", "nir"])
    (store / "scl").rename(store / "cloud")
    with pytest.raises(SourceError, match="no quality band"):
        ProductsSource(tmp_path)
    (store / "zarr.json").write_text("{}")
    with pytest.raises(SourceError, match="Zarr format 3"):
        ProductsSource(tmp_path)
