import io
from dataclasses import replace

import numpy as np
from PIL import Image

from sinkest.report.figures import overview_png
from tests.report_fixture import bare_data, report_data


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def pinkish(pixels: np.ndarray) -> float:
    """Share of pixels in the colour of the warning, plain or mixed with white or map."""
    red, green, blue = np.moveaxis(pixels, 2, 0)
    return float(((red - green > 45) & (blue - green > 15) & (red > blue)).mean())


def test_the_picture_has_its_size_and_says_nothing_of_when_or_by_what_it_was_made() -> None:
    image = Image.open(io.BytesIO(overview_png(report_data())))
    assert image.size == (1650, 1012)
    assert image.info.keys() <= {"dpi"}


def test_the_same_data_give_the_same_bytes() -> None:
    assert overview_png(report_data()) == overview_png(report_data())


def test_simulated_data_are_marked_across_the_maps() -> None:
    marked = picture(overview_png(report_data()))
    clear = picture(overview_png(report_data(simulated=False, provisional=False)))
    maps = np.s_[150:800, 0:1000]
    assert pinkish(marked[maps]) > 0.012
    assert pinkish(clear[maps]) < 0.5 * pinkish(marked[maps])
    assert pinkish(marked[:100, 1100:]) > 0.2
    assert pinkish(clear[:100, 1100:]) == 0


def test_a_run_with_nothing_still_has_a_picture() -> None:
    assert picture(overview_png(bare_data())).min() < 120


def test_names_without_latin_letters_are_replaced_rather_than_drawn_as_boxes() -> None:
    # a missing glyph is a warning, and warnings are errors here
    data = report_data()
    overview_png(
        replace(
            data,
            city_en="株洲市",
            zones=data.zones.assign(name_en=data.zones["name_zh"]),
            definition=replace(data.definition, name_en="现行口径"),
            maps=tuple(replace(m, legend=tuple(replace(c, en=c.zh) for c in m.legend)) for m in data.maps[:2]),
        )
    )
