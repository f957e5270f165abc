from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sinkest.errors import InputError
from sinkest.messages import Message
from sinkest.report.data import Accuracy, Confusion, LegendClass, MapLayer
from tests.report_fixture import CLASSES, report_data

TITLE = Message.of("maps.land_cover")


@pytest.mark.parametrize(
    ("part", "column"),
    [
        ("zones", "area_ha"),
        ("estimates", "status"),
        ("targets", "verdict"),
        ("trajectory", "kind"),
        ("factors_used", "source"),
    ],
)
def test_a_missing_column_is_named(part: str, column: str) -> None:
    table = getattr(report_data(), part).drop(columns=column)
    with pytest.raises(InputError) as problem:
        report_data(**{part: table})
    assert problem.value.key == "report.missing_columns"
    assert column in str(problem.value)
    assert part in str(problem.value)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"array": np.zeros((2, 2, 2), dtype=np.uint8)}, "report.map_shape"),
        ({"array": np.zeros((0, 3), dtype=np.uint8)}, "report.map_shape"),
        ({"array": np.zeros((2, 2), dtype=np.int32)}, "report.map_dtype"),
        ({"array": np.full((2, 2), 77, dtype=np.uint8)}, "report.map_codes"),
        ({"kind": "continuous", "vmin": 1.0, "vmax": 1.0}, "report.map_range"),
        ({"kind": "continuous", "vmin": 0.0, "vmax": float("nan")}, "report.map_range"),
    ],
)
def test_a_layer_that_cannot_be_drawn_is_refused(changes: dict, key: str) -> None:
    good = MapLayer("land_cover", TITLE, "classes", np.ones((2, 2), dtype=np.uint8), legend=CLASSES)
    with pytest.raises(InputError) as problem:
        replace(good, **changes)
    assert problem.value.key == key


def test_layers_of_different_shapes_are_refused() -> None:
    small = MapLayer("small", TITLE, "classes", np.ones((2, 2), dtype=np.uint8), legend=CLASSES)
    with pytest.raises(InputError) as problem:
        report_data(maps=(*report_data().maps, small))
    assert problem.value.key == "report.map_shapes"


@pytest.mark.parametrize(("code", "colour"), [(0, "#112233"), (255, "#112233"), (3, "red;background:url(x)")])
def test_a_legend_class_needs_a_code_and_a_colour(code: int, colour: str) -> None:
    with pytest.raises(InputError) as problem:
        LegendClass(code, "fir", "杉木林", "fir", colour)
    assert problem.value.key == "report.legend_class"


def test_a_confusion_matrix_is_square() -> None:
    ends = np.ones(2)
    with pytest.raises(InputError) as problem:
        Confusion(("a", "b"), np.ones((2, 3)), ends, ends, ends, ends, 0.9, 0.01, 10)
    assert problem.value.key == "report.confusion_shape"


def test_observed_and_predicted_come_in_pairs() -> None:
    for predicted in (None, np.ones(2)):
        with pytest.raises(InputError) as problem:
            Accuracy(observed=np.ones(3), predicted=predicted)
        assert problem.value.key == "report.pairs"


def test_tables_of_accuracy_need_their_columns() -> None:
    for part in ("cv", "bias"):
        with pytest.raises(InputError) as problem:
            Accuracy(**{part: pd.DataFrame({"model": []})})
        assert problem.value.key == "report.missing_columns"
