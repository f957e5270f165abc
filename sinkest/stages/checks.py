"""Checks of a run's own numbers, made on every run: what does not add up stops it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sinkest.account.inputs import ERRORS_ALLOWED
from sinkest.errors import RunError
from sinkest.stages.inference import CITY, Frame

AREA_TOLERANCE = 1e-4
SUM_TOLERANCE = 1e-6
ADDITIVE = (
    "forest_area",
    "forest_area_change",
    "arbor_area",
    "bamboo_culms",
    "land_use_forest_area",
    "growing_stock",
    "stock_change",
    "pixel_forest_area",
    "pixel_growing_stock",
)
ADDITIVE_PREFIXES = ("class_area:", "stock_by_type:", "stock_by_age:", "area_by_age:", "carbon:", "biomass:")


AMOUNTS = ("growing_stock", "forest_area", "arbor_area")


def check_estimates(estimates: pd.DataFrame, frame: Frame, area_m2: float, sums: Mapping[str, pd.DataFrame]) -> None:
    """Refuse estimates that contradict each other or the map.

    Parameters
    ----------
    estimates : DataFrame
        The tidy table.
    frame : Frame
    area_m2 : float
        True area of all zones.
    sums : mapping of str to DataFrame
        Sums of the maps, zones x classes.

    Raises
    ------
    RunError
        If the map's areas do not add up to the zones, zones do not add up to the whole, a value lies outside its
        interval, a coverage is outside 0..100 % or a stock or area below zero by more than three standard errors, or
        a quantity has two answers for one zone.
    """
    if "class_m2" in sums:
        mapped = math.fsum(sums["class_m2"].to_numpy().ravel())
        _require(abs(mapped - area_m2) <= AREA_TOLERANCE * area_m2, "area", mapped / 1e4, area_m2 / 1e4)
    twice = estimates[estimates.duplicated(["quantity", "zone", "year", "definition_id"])]
    _require(twice.empty, "twice", ", ".join(twice["quantity"].unique()), 1)
    for quantity, rows in estimates.groupby("quantity"):
        name = str(quantity)
        stated = rows.set_index("zone")["value"]
        values = stated.dropna()
        zones = [zone for zone in frame.zone_area_ha if zone in stated.index]
        # The whole holds the share of a zone that is not stated: then there is nothing to add up to it.
        complete = len(zones) > 0 and bool(stated[zones].notna().all())
        if (name in ADDITIVE or name.startswith(ADDITIVE_PREFIXES)) and CITY in values.index and complete:
            whole, added = float(values[CITY]), math.fsum(values[zones])
            scale = max(abs(whole), math.fsum(values[zones].abs()), 1e-9)
            _require(abs(whole - added) <= SUM_TOLERANCE * scale, "sum", f"{name}: {added}", whole)
        # An estimate of a zone with few plots is not bounded: what its error explains is noted, not refused.
        spare = ERRORS_ALLOWED * rows["se"].fillna(0.0)
        if name in AMOUNTS:
            _require(not (rows["value"] < -spare).any(), "negative", name, ">= 0")
        if name.endswith("_coverage") or name == "tree_cover":
            outside = (rows["value"] < -spare) | (rows["value"] > 100 + spare)
            _require(not outside.any(), "percent", name, "0..100")
    known = estimates[["value", "low", "high"]].dropna().to_numpy(dtype=float)
    slack = 1e-9 * np.abs(known[:, 0])
    inside = (known[:, 1] - slack <= known[:, 0]) & (known[:, 0] <= known[:, 2] + slack)
    _require(bool(inside.all()), "interval", int((~inside).sum()), 0)


def _require(holds: bool, what: str, given: object, expected: object) -> None:
    if not holds:
        raise RunError(f"stages.check_{what}", given=given, expected=expected)
