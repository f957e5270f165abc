"""Areas and coverage of a run: the reference sample, and beside it the sums of pixels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import pandas as pd

from sinkest.account.definitions import definition
from sinkest.errors import InputError
from sinkest.learn.table import notes
from sinkest.stages import inference, previous
from sinkest.stages.context import Run
from sinkest.stages.estimate.book import Book
from sinkest.stages.estimate.maps import classes_at
from sinkest.stages.inference import CITY, Areas
from sinkest.stages.tables import read_run_reference, read_run_strata


def read_areas(run: Run, book: Book, sums: Mapping[str, pd.DataFrame]) -> Areas | None:
    """Areas of the classes and of forest; None where the run has no reference points."""
    spec = run.spec
    if spec.land_cover is None or spec.forest is None:
        return None
    check_definition(run)
    _pixel_areas(run, book, sums)
    if spec.estimate.reference is None:
        book.decline("forest_coverage", "%", "stages.no_reference")
        return None
    strata = read_run_strata(run)
    reference = _reference(run)
    book.mark(reference)
    labelled = spec.estimate.labelled_under
    if labelled is None:
        book.say("stages.not_labelled")
    frame = dataclasses.replace(book.frame, definition_id=labelled or "tree_cover")
    found = inference.areas(
        frame,
        reference,
        strata,
        [item.id for item in spec.land_cover.classes],
        spec.forest.forest_classes,
        spec.forest.arbor_classes,
        spec.forest.tree_cover_classes,
        spec.estimate.min_plots,
        _other_oil_tea(frame.definition_id, spec.forest.forest_classes, [item.id for item in spec.land_cover.classes]),
    )
    if not definition(frame.definition_id).coverage:
        found = dataclasses.replace(found, rows=[_without_coverage(row) for row in found.rows])
    book.rows += found.rows
    book.notes += found.accuracy.notes
    if book.earlier is not None:
        rows = previous.change_rows(frame, book.earlier, found.rows, "forest_area", "forest_area_change", "ha/yr")
        book.rows += rows
        if not rows:
            book.say("stages.previous_definition", definition=frame.definition_id)
    return found


def _other_oil_tea(
    definition_id: str, forest: Sequence[str], classes: Sequence[str]
) -> list[tuple[str, list[str], str]]:
    """Coverage under the same rule with the other treatment of oil tea, where the rule has such a counterpart."""
    rule = definition(definition_id)
    if rule.oil_tea_counterpart is None or set(rule.classes) != set(forest):
        return []
    other = definition(rule.oil_tea_counterpart)
    if not set(other.classes) <= set(classes):
        return []
    name = "coverage_with_oil_tea" if other.oil_tea == "counted" else "coverage_without_oil_tea"
    return [(name, list(other.classes), other.id)]


def _without_coverage(row: Mapping[str, Any]) -> dict[str, Any]:
    """Decline forest coverage where the points were not labelled under a rule of forest: it is tree cover."""
    if row["quantity"] != "forest_coverage":
        return dict(row)
    blank = dict.fromkeys(("value", "se", "low", "high"), math.nan)
    return {**row, **blank, "status": "declined", "note": "stages.not_labelled_row"}


def check_definition(run: Run) -> None:
    """Refuse a definition of coverage whose classes are not the ones the configuration counts.

    Raises
    ------
    InputError
        If the definition is unknown, or its classes differ from ``forest.forest_classes``.
    """
    forest = run.spec.forest
    if forest is None:
        return
    rule = definition(forest.definition)
    if rule.coverage and rule.classes and set(rule.classes) != set(forest.forest_classes):
        raise InputError(
            "stages.definition_classes",
            definition=forest.definition,
            expected=", ".join(sorted(rule.classes)),
            given=", ".join(sorted(forest.forest_classes)),
        )


def _pixel_areas(run: Run, book: Book, sums: Mapping[str, pd.DataFrame]) -> None:
    """Sums of pixels, labelled as such: they carry the map's errors and no interval."""
    for item in run.spec.land_cover.classes if run.spec.land_cover else ():
        area = float(sums["class_m2"].get(item.code, pd.Series(dtype=float)).sum()) / 1e4
        name = f"pixel_class_area:{item.id}"
        book.rows.append(book.frame.row(name, CITY, "ha", area, method="pixel_sum", status="map_only"))
    forest = sums["forest_m2"].sum(axis=1) / 1e4
    for zone, value in [(CITY, float(forest.sum())), *((zone, float(forest.get(zone, 0.0))) for zone in run.zones.ids)]:
        book.rows.append(book.frame.row("pixel_forest_area", zone, "ha", value, method="pixel_sum", status="map_only"))
    blank = float(sums["class_m2"].get(0, pd.Series(dtype=float)).sum()) / 1e4
    if blank > 0:
        share = 100.0 * blank / book.frame.total_ha
        book.say("stages.blank_map", area=f"{blank:,.0f}", share=f"{share:.2f}")


def _reference(run: Run) -> gpd.GeoDataFrame:
    """Reference points with their zone and the class the map gives them."""
    points = read_run_reference(run)
    for message in notes(points):
        run.progress.say(message)
    cover = run.spec.land_cover
    names = {item.code: item.id for item in cover.classes} if cover else {}
    return points.assign(map_class=[names.get(int(code), "no_data") for code in classes_at(run, points)])
