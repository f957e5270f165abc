"""The map of wetlands, the glossary, and how large a page can become."""

from __future__ import annotations

import numpy as np
import pytest

from sinkest.messages import LANGUAGES, Message, room
from sinkest.report.data import LegendClass, MapLayer
from sinkest.report.html import report_html
from sinkest.report.wetlandlayer import OTHER, wetland_layer
from tests.report_fixture import CLASSES, largest_page, report_data


def cover(codes: list[list[int]], legend: tuple[LegendClass, ...] = CLASSES) -> MapLayer:
    return MapLayer("land_cover", Message.of("maps.land_cover"), "classes", np.array(codes, np.uint8), legend=legend)


def test_wetland_classes_stand_out_from_all_other_land() -> None:
    found = wetland_layer(cover([[0, 1, 14], [15, 3, 14]]), ("water", "marsh"))
    assert found is not None
    assert found.array.tolist() == [[0, OTHER, 14], [15, OTHER, 14]]
    assert [item.id for item in found.legend] == ["water", "marsh", "other_land"]


def test_a_run_without_wetland_classes_has_no_such_map() -> None:
    assert wetland_layer(cover([[1]]), ()) is None
    assert wetland_layer(cover([[1]]), ("lagoon",)) is None
    full = (*CLASSES, LegendClass(OTHER, "last", "末", "last", "#000000"))
    assert wetland_layer(cover([[OTHER]], full), ("water",)) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_explains_its_terms(language: str) -> None:
    page = report_html(report_data(maps=()), language)
    for term in room("glossary").values():
        assert term[language].replace("'", "&#39;") in page


def test_the_page_of_the_whole_city_at_10_m_stays_under_15_mb() -> None:
    page = largest_page()
    assert page.count("data:image/png") >= 7
    assert 1_000_000 < len(page.encode()) < 15_000_000
