import pickle
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
import pytest
import rioxarray  # noqa: F401
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, SourceError
from sinkest.imagery.source import QA, Period, Scene, Source

# odc-geo multiplies affine transforms with the operator that affine 3 will retire.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

GRID = GeoBox((70, 100), Affine(10, 0, 500_000, 0, -10, 3_000_700), "EPSG:32649")


class Numbered(Source):
    """Each pixel is row * 1000 + column of the whole grid, plus the day of the month in the first decimal."""

    name = "numbered"
    qa_kind = "scl"
    bands = ("red", "nir", "vv")

    def describe(self) -> dict[str, object]:
        return {"kind": "numbered"}

    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        start = datetime(2025, 1, 1, 3)
        days = [start + timedelta(days=day) for day in range(4)]
        optical = [Scene(f"o{time.day}", time, "sentinel-2", 10.0, "L2A", "none") for time in days]
        radar = [Scene(f"r{time.day}", time, "sentinel-1") for time in days[:2]]
        return tuple(scene for scene in [*optical, *radar] if period.holds(scene.time))

    def read(self, grid: GeoBox, scene: Scene, bands: Sequence[str]) -> dict[str, np.ndarray]:
        row, column = (3_000_700 - grid.affine.f) / 10, (grid.affine.c - 500_000) / 10
        rows = round(row) + np.arange(grid.shape[0])[:, None]
        columns = round(column) + np.arange(grid.shape[1])
        values = (rows * 1000 + columns + scene.time.day / 10).astype(np.float32)
        read = {band: values.copy() for band in bands}
        return read if scene.is_radar else {**read, QA: np.full(grid.shape.yx, 4, dtype=np.uint8)}


def january(first: int, last: int) -> Period:
    return Period(date(2025, 1, first), date(2025, 1, last))


def test_a_period_holds_both_of_its_ends() -> None:
    period = january(2, 3)
    held = [period.holds(datetime(2025, 1, day, 23, 59)) for day in (1, 2, 3, 4)]
    assert held == [False, True, True, False]


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(InputError, match="starts on 2025-01-03 but ends on 2025-01-02"):
        january(3, 2)


def test_the_stack_has_the_scenes_of_the_period_in_order_of_time() -> None:
    stack = Numbered().open(GRID, ("red", "nir"), january(2, 3))
    assert list(stack.scene.values) == ["o2", "o3"]
    assert stack.attrs["scene_ids"] == ["o2", "o3"]
    assert stack.attrs["products"] == ["L2A", "L2A"]
    assert stack.attrs["offset_policies"] == ["none", "none"]
    assert dict(stack.sizes) == {"time": 2, "y": 70, "x": 100}


def test_the_stack_lies_on_the_grid() -> None:
    stack = Numbered().open(GRID, ("red",), january(1, 1))
    assert stack.odc.geobox == GRID
    assert stack.rio.crs.to_epsg() == 32649
    assert stack.red.attrs["units"] == "1"


def test_the_stack_is_lazy_and_its_values_do_not_depend_on_chunks() -> None:
    small, large = (Numbered().open(GRID, ("red",), january(1, 4), chunks=chunks) for chunks in (32, 1024))
    assert small.red.chunks == ((1,) * 4, (32, 32, 6), (32, 32, 32, 4))
    assert small.red.dtype == np.float32
    assert small.qa.dtype == np.uint8
    np.testing.assert_array_equal(small.red.values, large.red.values)
    # row 69, column 99, day 4
    assert small.red.values[3, 69, 99] == np.float32(69_099.4)


def test_radar_bands_come_from_radar_scenes_and_without_quality_band() -> None:
    stack = Numbered().open(GRID, ("vv",), january(1, 4))
    assert list(stack.scene.values) == ["r1", "r2"]
    assert QA not in stack


def test_several_periods_give_one_stack_without_doubles() -> None:
    stack = Numbered().open(GRID, ("red",), [january(1, 2), january(2, 3)])
    assert list(stack.scene.values) == ["o1", "o2", "o3"]


def test_a_period_without_scenes_is_refused_with_its_dates() -> None:
    with pytest.raises(SourceError, match="2025-01-20/2025-01-30") as caught:
        Numbered().open(GRID, ("red",), january(20, 30))
    assert caught.value.kind == "empty"


@pytest.mark.parametrize("bands, words", [(("red", "swir1"), "no band swir1"), ((), "no band -")])
def test_bands_the_source_lacks_are_refused(bands: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Numbered().open(GRID, bands, january(1, 4))


def test_optical_and_radar_bands_are_not_mixed() -> None:
    with pytest.raises(InputError, match="red, vv"):
        Numbered().open(GRID, ("red", "vv"), january(1, 4))


def test_the_margin_widens_only_the_quality_band() -> None:
    source = Numbered()
    block = GRID[10:20, 30:50]
    scene = source.search(GRID, january(1, 1))[0]
    read = source.read_with_margin(block, scene, ("red",), 3)
    assert read[QA].shape == (16, 26)
    np.testing.assert_array_equal(read["red"], source.read(block, scene, ("red",))["red"])


def test_layers_without_a_date_are_refused_by_sources_that_have_none() -> None:
    with pytest.raises(InputError, match="no layer height"):
        Numbered().static(GRID, ["height"])


def test_scenes_and_periods_survive_pickling() -> None:
    scene = Scene("a", datetime(2025, 1, 1), "sentinel-2", extra={"tile": "49RGM"})
    again = pickle.loads(pickle.dumps((scene, january(1, 2))))
    assert again == (scene, january(1, 2))
    assert again[0].extra == {"tile": "49RGM"}
