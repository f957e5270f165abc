"""Notes of a run speak of zones, classes, coefficients and quantities by name, in both languages."""

from dataclasses import replace
from pathlib import Path

import pytest

from sinkest.messages import Message
from sinkest.report.data import ReportData
from sinkest.report.notenames import named_notes
from sinkest.runstore import RunStore
from sinkest.stages.publish import report_data
from tests.project_fixture import run_folder


@pytest.fixture(scope="module")
def data(finished: Path) -> ReportData:
    return report_data(RunStore(run_folder(finished)), with_maps=False)


def told(data: ReportData, key: str, **fields: object) -> dict[str, str]:
    (note,) = named_notes(replace(data, notes=(Message.of(key, **fields),)))
    return {language: note.text(language) for language in ("zh", "en")}


def test_zones_and_classes_are_named(data: ReportData) -> None:
    found = told(data, "account.low_volume", strata="430202/broadleaf, 430203/fir", limit=20.0)
    assert "荷塘区/阔叶林, 芦淞区/杉木林" in found["zh"]
    assert "broadleaved forest" in found["en"]
    assert "430202" not in found["en"] + found["zh"]


def test_coefficients_and_quantities_are_named(data: ReportData) -> None:
    found = told(data, "account.provisional", factors="pools/carbon_density/oil_tea")
    assert "pools/" not in found["zh"] + found["en"]
    assert "oil" in found["en"].lower()
    assert "油茶" in found["zh"]
    found = told(data, "account.withheld", quantities="carbon:total, co2_total")
    assert "co2_total" not in found["zh"] + found["en"]


def test_what_is_no_id_stays(data: ReportData) -> None:
    assert "somewhere" in told(data, "account.low_volume", strata="somewhere", limit=20.0)["en"]
    assert "a/b" in told(data, "account.provisional", factors="a/b")["zh"]


def test_no_note_of_a_run_shows_a_raw_id(data: ReportData) -> None:
    text = "\n".join(note.text(language) for note in data.notes for language in ("zh", "en"))
    for raw in ("430202", "pools/", "conversion/", "carbon:total"):
        assert raw not in text
