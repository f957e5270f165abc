import io
import re
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sinkest.errors import InputError
from sinkest.report.data import LegendClass, MapLayer
from sinkest.report.labels import LINE_HEIGHT, place, polygon
from sinkest.report.maps import Sheet, legend_items, nice_extent, ramp, raster_png
from sinkest.report.names import map_title
from tests.report_fixture import report_data

TITLE = map_title("stock")


def continuous(values: list[list[float]], **more: object) -> MapLayer:
    given = {"vmin": 0.0, "vmax": 10.0, "unit": "m3/ha", "colormap": "viridis"} | more
    return MapLayer("stock", TITLE, "continuous", np.array(values, dtype=np.float32), **given)


def pixels(layer: MapLayer) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(raster_png(layer))).convert("RGBA"))


def test_classes_have_the_colours_of_the_legend_and_no_data_is_transparent() -> None:
    legend = (LegendClass(1, "a", "甲", "a", "#102030"), LegendClass(200, "b", "乙", "b", "#fffefd"))
    found = pixels(MapLayer("m", TITLE, "classes", np.array([[0, 1, 200]], dtype=np.uint8), legend=legend))
    assert found[0, 0, 3] == 0
    assert found[0, 1].tolist() == [0x10, 0x20, 0x30, 255]
    assert found[0, 2].tolist() == [0xFF, 0xFE, 0xFD, 255]


def test_values_beyond_the_scale_have_its_end_colours_and_nan_is_transparent() -> None:
    found = pixels(continuous([[-5.0, 0.0, 10.0, 99.0, np.nan]]))
    assert found[0, 0].tolist() == found[0, 1].tolist()
    assert found[0, 2].tolist() == found[0, 3].tolist()
    assert found[0, 4, 3] == 0
    assert found[0, 1].tolist() != found[0, 2].tolist()


def test_the_same_layer_gives_the_same_bytes() -> None:
    layer = report_data().maps[1]
    assert raster_png(layer) == raster_png(replace(layer, array=layer.array.copy()))


def test_an_unknown_colour_scale_is_refused() -> None:
    with pytest.raises(InputError) as problem:
        raster_png(continuous([[1.0]], colormap="forest green"))
    assert problem.value.key == "report.colormap"


def test_the_legend_lists_the_classes_that_occur() -> None:
    layer = report_data().maps[0]
    assert {item.id for item in legend_items(layer)} == {
        item.id for item in layer.legend if (layer.array == item.code).any()
    }


def test_the_colour_bar_says_where_values_lie_beyond_it() -> None:
    assert (ramp(continuous([[-1.0, 5.0]])).below, ramp(continuous([[-1.0, 5.0]])).above) == (True, False)
    assert (ramp(continuous([[5.0, 11.0]])).below, ramp(continuous([[5.0, 11.0]])).above) == (False, True)
    assert [text for _, text in ramp(continuous([[5.0]])).ticks] == ["0", "5", "10"]


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    data = report_data()
    sheet = Sheet(data)
    drawn = str(sheet.layer(data.maps[0], "c"))
    kilometres = float(re.search(r">([\d.]+) km<", drawn)[1])
    units = float(re.search(r'<rect x="26" y="[\d.]+" width="([\d.]+)" height="6" fill="none"', drawn)[1])
    metres_a_unit = data.pixel_size_m / sheet.frame.factor
    assert units * metres_a_unit == pytest.approx(kilometres * 1000, rel=1e-3)


def test_raster_and_lines_share_one_frame() -> None:
    data = report_data()
    sheet = Sheet(data)
    numbers = [float(n) for n in re.findall(r"[\d.]+", re.search(r' d="([^"]*)"', str(sheet.lines))[1])]
    xs, ys = np.array(numbers[::2]), np.array(numbers[1::2])
    frame = sheet.frame
    # the city's bounding box is that of the raster, to a pixel
    assert xs.min() == pytest.approx(frame.left, abs=0.1)
    assert xs.max() == pytest.approx(frame.left + frame.columns * frame.factor, abs=frame.factor)
    assert ys.min() == pytest.approx(frame.top, abs=0.1)
    assert ys.max() == pytest.approx(frame.top + frame.rows * frame.factor, abs=0.1)


def test_names_stay_in_the_frame_and_cover_none_another() -> None:
    outlines = report_data().outlines
    size, frame = 8.0, (-60.0, -5.0, 300.0, 425.0)
    widths = dict.fromkeys(outlines, 3 * size)
    placed = place(outlines, widths, size, frame)
    assert set(placed) == set(outlines)
    boxes = [
        shapely.box(p.x - 1.5 * size, p.y - LINE_HEIGHT * size / 2, p.x + 1.5 * size, p.y + LINE_HEIGHT * size / 2)
        for p in placed.values()
    ]
    assert all(shapely.box(*frame).contains(box) for box in boxes)
    assert not any(a.intersects(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_name_stands_inside_its_zone_where_there_is_room() -> None:
    square = [np.array([[0, 0], [100, 0], [100, 100], [0, 100], [0, 0]], dtype=float)]
    found = place({"a": square}, {"a": 40.0}, 10.0, (0, 0, 100, 100))["a"]
    assert found.anchor is None
    assert (found.x, found.y) == pytest.approx((50, 50), abs=1)


def test_a_zone_without_area_or_room_gets_no_name() -> None:
    flat = [np.array([[0, 0], [10, 0], [0, 0], [0, 0]], dtype=float)]
    tiny = [np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=float)]
    assert place({"a": flat}, {"a": 5.0}, 2.0, (0, 0, 10, 10)) == {}
    assert place({"a": tiny}, {"a": 500.0}, 2.0, (0, 0, 10, 10)) == {}


def test_a_ring_inside_another_is_a_hole() -> None:
    outer = np.array([[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]], dtype=float)
    inner = np.array([[2, 2], [4, 2], [4, 4], [2, 4], [2, 2]], dtype=float)
    assert polygon([outer, inner]).area == pytest.approx(96)


@settings(max_examples=25)
@given(st.lists(st.floats(-50, 500), max_size=40))
def test_a_colour_scale_for_any_values_ascends(values: list[float]) -> None:
    low, high = nice_extent(np.array(values))
    assert low < high
