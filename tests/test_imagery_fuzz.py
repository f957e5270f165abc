"""Whatever bytes a file holds, the readers give numbers or one of our own errors."""

import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, SourceError
from sinkest.imagery.catalogue import DatePattern
from sinkest.imagery.local import StackSource
from sinkest.imagery.raster import probe, read_numbers
from sinkest.imagery.source import Period

pytestmark = [
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]

GRID = GeoBox((32, 32), Affine(10, 0, 700_000, 0, -10, 3_050_000), "EPSG:32649")
THERE = GeoBox((24, 24), Affine(15, 0, 107_400, 0, -15, 3_054_700), "EPSG:32650")
FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def tiff(path: Path, **more: object) -> bytes:
    values = np.random.default_rng(7).integers(1, 4000, (2, 32, 32)).astype(np.uint16)
    profile = {"driver": "GTiff", "count": 2, "height": 32, "width": 32, "dtype": "uint16", "nodata": 0}
    with rasterio.open(path, "w", crs="EPSG:32649", transform=GRID.affine, **profile, **more) as file:
        file.write(values)
    return path.read_bytes()


@pytest.fixture(scope="module", params=["plain", "tiled"])
def good(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.tif"
    tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    return tiff(path, **(tiles if request.param == "tiled" else {}))


def use(path: Path) -> None:
    """All that a run does with a file."""
    try:
        file = probe(path)
        for grid in (GRID, THERE):
            read = read_numbers(file, [1], grid, "bilinear", 0)
            assert read.shape == (1, *grid.shape.yx)
        source = StackSource(
            path, "single_file", {"red": 1}, date=date(2025, 1, 1), scale=1e-4, qa=2, qa_kind="qa_pixel"
        )
        for scene in source.search(GRID, Period(date(2025, 1, 1), date(2025, 1, 1))):
            source.read_with_margin(GRID, scene, ("red",), 1)
    except (SourceError, InputError) as error:
        assert str(error)


@FUZZ
@given(data=st.data())
def test_truncated_files(tmp_path: Path, good: bytes, data: st.DataObject) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(good[: data.draw(st.integers(0, len(good) - 1))])
    use(path)


@FUZZ
@given(data=st.data())
def test_mutated_files(tmp_path: Path, good: bytes, data: st.DataObject) -> None:
    broken = bytearray(good)
    # tags and offsets stand at the head of the file, so half of the changes go there
    places = st.one_of(st.integers(0, min(600, len(good) - 1)), st.integers(0, len(good) - 1))
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
        broken[place] = byte
    path = tmp_path / "a.tif"
    path.write_bytes(broken)
    use(path)


@FUZZ
@given(noise=st.binary(max_size=300))
def test_noise_behind_a_tiff_header(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\x00\x08\x00\x00\x00" + noise)
    use(path)


@settings(max_examples=300, deadline=None)
@given(template=st.text(alphabet="%YymdjHMSx*?_-0. []()+", max_size=14), name=st.text(max_size=24))
def test_date_templates_and_names(template: str, name: str) -> None:
    try:
        pattern = DatePattern(template)
    except SourceError as error:
        assert "date_format" in str(error)
        return
    found = pattern.date_in(name)
    assert found is None or re.search(r"\d{2}", name)
