"""From a reference sample to coverage and class areas, by zone and whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.errors import InputError
from sinkest.estimate.accuracy import AreaEstimate
from sinkest.estimate.area import stratified_area_from_sample
from sinkest.estimate.domains import CountyTable, county_areas
from sinkest.messages import Message
from sinkest.stages.inference.frame import Frame, positive_interval, spread_table
from sinkest.stages.inference.raking import LEAST_SHARE, rake
from sinkest.tidy import CITY


@dataclass(frozen=True)
class Areas:
    """Areas from the reference sample.

    Attributes
    ----------
    rows : list of dict
        Tidy rows.
    by_class : DataFrame
        ``zone``, ``class``, ``area_ha``, ``se`` and ``half`` (half-width of the interval): land-cover classes, of which
        zones add up to the whole.
    accuracy : AreaEstimate
        Of the run's map, by class.
    counts : int array (k, k)
        Points by map class (rows) and reference class (columns), in the order of ``accuracy.classes``.
    groups : mapping
        The county tables behind groups of classes (``forest``, ``arbor``).
    """

    rows: list[dict[str, Any]]
    by_class: pd.DataFrame
    accuracy: AreaEstimate
    counts: NDArray[np.int64]
    groups: Mapping[str, CountyTable] = field(default_factory=dict)


def areas(
    frame: Frame,
    reference: pd.DataFrame,
    strata: pd.DataFrame,
    classes: Sequence[str],
    forest: Sequence[str],
    arbor: Sequence[str],
    tree_cover: Sequence[str],
    minimum: int,
    also: Sequence[tuple[str, Sequence[str], str]] = (),
) -> Areas:
    """Coverage and class areas from a stratified reference sample.

    Parameters
    ----------
    frame : Frame
    reference : DataFrame
        ``stratum``, ``zone_id``, ``reference_class`` and ``map_class`` (class ids) of each point.
    strata : DataFrame
        ``stratum``, ``zone_id``, ``area_ha``.
    classes, forest, arbor, tree_cover : sequence of str
        Class ids: all, those that are forest, arbor forest, under trees.
    minimum : int
        Points a zone needs for a correction of its own.
    also : sequence of (quantity, class ids, definition id)
        Further coverages, under rules of their own.

    Raises
    ------
    InputError
        If strata and points do not fit together, or strata do not add up to the zones.
    """
    sizes = _stratum_sizes(frame, strata)
    stratum, zone = reference["stratum"].to_numpy(), reference["zone_id"].to_numpy()
    truth = reference["reference_class"].to_numpy()

    def group(ids: Sequence[str], *, composite: bool = False) -> CountyTable:
        hit = np.isin(truth, list(ids)).astype(float)
        return county_areas(hit, stratum, zone, sizes, minimum=minimum, composite=composite, level=frame.level)

    groups = {"forest": group(forest)}
    percent = {CITY: 100.0 / frame.total_ha} | {name: 100.0 / area for name, area in frame.zone_area_ha.items()}
    rows = frame.county_rows("forest_coverage", "%", groups["forest"], percent)
    rows += frame.county_rows("forest_area", "ha", groups["forest"])
    if tree_cover:
        rows += frame.county_rows("tree_cover", "%", group(tree_cover), percent, definition_id="tree_cover")
    for quantity, ids, definition_id in also:
        rows += frame.county_rows(quantity, "%", group(ids), percent, definition_id=definition_id)
    if arbor:
        groups["arbor"] = group(arbor)
        rows += frame.county_rows("arbor_area", "ha", groups["arbor"])
    rows = [_noted(frame, row) for row in rows]
    shares = pd.crosstab(stratum, truth, normalize="index").reindex(
        sizes.columns, columns=list(classes), fill_value=0.0
    )
    expected = sizes @ shares
    tables = {name: group([name], composite=True) for name in classes}
    by_class = _class_table(frame, tables, expected, groups["forest"], set(forest))
    rows += _class_rows(frame, by_class, len(reference))
    accuracy = stratified_area_from_sample(
        stratum,
        reference["map_class"].to_numpy(),
        truth,
        sizes.sum(axis=0).to_dict(),
        finite_population=False,
    )
    labels = list(accuracy.classes)
    table = pd.crosstab(reference["map_class"], reference["reference_class"])
    counts = table.reindex(index=labels, columns=labels, fill_value=0).to_numpy(dtype=np.int64)
    return Areas(rows, by_class, accuracy, counts, groups)


def _noted(frame: Frame, row: dict[str, Any]) -> dict[str, Any]:
    """A row with a note where its estimate is more than there is land."""
    land_ha = frame.total_ha if row["zone"] == CITY else frame.zone_area_ha[row["zone"]]
    above = row["value"] > (100.0 if row["unit"] == "%" else land_ha) * (1 + 1e-9)
    return row | {"note": Message.of("estimate.note_above_county").key} if above else row


def _stratum_sizes(frame: Frame, strata: pd.DataFrame) -> pd.DataFrame:
    """Zones x strata in ha, brought to the true areas of the zones where they agree within half a percent."""
    table = strata.pivot_table(index="zone_id", columns="stratum", values="area_ha", aggfunc="sum", fill_value=0.0)
    for zone, area in frame.zone_area_ha.items():
        given = math.fsum(table.loc[[zone]].to_numpy().ravel()) if zone in table.index else 0.0
        if abs(given - area) > 0.005 * area:
            raise InputError("inference.strata_area", zone=zone, given=f"{given:.1f}", expected=f"{area:.1f}")
        table.loc[zone] *= area / given
    return table.loc[list(frame.zone_area_ha)]


def _class_table(
    frame: Frame, tables: Mapping[str, CountyTable], expected: pd.DataFrame, whole: CountyTable, forest: set[str]
) -> pd.DataFrame:
    """Class areas by zone that add up both over zones and, within a zone, to its forest and its other land.

    A zone's estimate of a class leans on its own points by what these are worth, and does not go below a share of
    ``expected`` (zones x classes, ha), which is what the whole's shares of each stratum give the zone. Then the table
    is brought to its two margins.
    """
    zones = list(frame.zone_area_ha)
    forest_ha = whole.table.loc[zones, "estimate"].to_numpy(dtype=float)
    other_ha = np.array([frame.zone_area_ha[zone] for zone in zones]) - forest_ha
    pieces = []
    for names, margin in (
        ([name for name in tables if name in forest], forest_ha),
        ([name for name in tables if name not in forest], other_ha),
    ):
        if not names:
            continue
        totals = np.array([tables[name].city.estimate for name in names])
        start = np.column_stack([tables[name].table.loc[zones, "estimate"].to_numpy(dtype=float) for name in names])
        least = LEAST_SHARE * expected.loc[zones, names].to_numpy(dtype=float)
        raked = rake(np.maximum(start, least), margin, totals)
        for j, name in enumerate(names):
            spread = spread_table(tables[name], zones, frame.level)
            pieces.append(spread.assign(**{"class": name, "area_ha": [*raked[:, j], totals[j]]}))
    return pd.concat(pieces, ignore_index=True)


def _class_rows(frame: Frame, by_class: pd.DataFrame, n: int) -> list[dict[str, Any]]:
    return [
        frame.row(
            f"class_area:{line['class']}",
            line["zone"],
            "ha",
            line["area_ha"],
            line["se"],
            *positive_interval(line["area_ha"], line["half"]),
            method="county_areas",
            n=n,
        )
        for line in by_class.to_dict("records")
    ]
