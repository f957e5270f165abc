"""Growing stock and area of arbor forest by age group, from the plots."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.estimate.domains import CountyTable
from sinkest.stages.inference.frame import Frame, positive_interval, spread_table
from sinkest.stages.inference.raking import LEAST_SHARE, rake
from sinkest.tidy import CITY

Total = Callable[..., CountyTable]
"""From values of the plots (per hectare) to totals of zones and whole, with the same auxiliaries for all of them."""


def age_rows(
    frame: Frame,
    groups: NDArray[np.object_],
    volume: NDArray[np.float64],
    stock: CountyTable,
    total: Total,
    arbor: CountyTable | None,
) -> list[dict[str, Any]]:
    """Rows ``stock_by_age:<group>`` (m3) and ``area_by_age:<group>`` (ha) of zones and the whole.

    Groups of the whole add up to its growing stock and area of arbor forest, those of a zone to the zone's, zones of a
    group to the group. The stock is estimated as by forest type. The area is that of arbor forest by the reference
    points, times the plots' share of the group; both samples' errors are in its interval. Without reference points it
    is the plots' own.

    Parameters
    ----------
    frame : Frame
    groups : array (n,) of str
        Age group of each plot, "" outside arbor forest.
    volume : array (n,)
        m3/ha, 0 outside arbor forest.
    stock : CountyTable
        Growing stock.
    total : callable
        Estimator of totals from the plots; ``composite=True`` for parts that few plots of a zone hold.
    arbor : CountyTable or None
        Area of arbor forest by reference points.
    """
    names = sorted({*groups} - {""}, key=str)
    held = {name: (groups == name).astype(float) for name in names}
    whole = (groups != "").astype(float)
    stocks = {name: total(one * volume, composite=True) for name, one in held.items()}
    rows = _rows(frame, "stock_by_age", "m3", stocks, stock, _own(frame, stocks))
    covered = total(whole)
    areas = {name: total(one, composite=True) for name, one in held.items()}
    if arbor is None:
        return rows + _rows(frame, "area_by_age", "ha", areas, covered, _own(frame, areas))
    if not (covered.city.estimate > 0 and arbor.city.estimate > 0):
        return rows
    shared = {
        name: _shared(frame, areas[name], covered, total(one - whole * _share(areas[name], covered)), arbor)
        for name, one in held.items()
    }
    return rows + _rows(frame, "area_by_age", "ha", areas, arbor, shared, method="age_shares")


def _share(part: CountyTable, covered: CountyTable) -> float:
    return part.city.estimate / covered.city.estimate


def _own(frame: Frame, tables: dict[str, CountyTable]) -> dict[str, tuple[float, float, float]]:
    """Value, standard error and half-width of each part's whole."""
    found = {}
    for name, table in tables.items():
        low, high = table.city.interval(frame.level)
        found[name] = (table.city.estimate, table.city.se, (high - low) / 2)
    return found


def _shared(
    frame: Frame, part: CountyTable, covered: CountyTable, residual: CountyTable, arbor: CountyTable
) -> tuple[float, float, float]:
    """Area of arbor forest times the plots' share: of independent samples, so that relative variances add up.

    The share is a ratio of two totals of the same plots, its variance that of the residuals (Cochran 1977, 6.4).
    """
    share, area = _share(part, covered), arbor.city.estimate
    ends = [table.city.interval(frame.level) for table in (residual, arbor)]
    halves = [(high - low) / 2 for low, high in ends]
    scale = area / covered.city.estimate
    se = math.hypot(scale * residual.city.se, share * arbor.city.se)
    return share * area, se, math.hypot(scale * halves[0], share * halves[1])


def _rows(
    frame: Frame,
    head: str,
    unit: str,
    parts: dict[str, CountyTable],
    whole: CountyTable,
    city: dict[str, tuple[float, float, float]],
    **more: Any,
) -> list[dict[str, Any]]:
    """Rows of the parts, zones raked to the zones of ``whole`` and to the parts' own totals."""
    zones = list(frame.zone_area_ha)
    totals = np.array([value for value, _, _ in city.values()])
    start = np.column_stack([table.table.loc[zones, "estimate"].to_numpy(dtype=float) for table in parts.values()])
    margin = whole.table.loc[zones, "estimate"].to_numpy(dtype=float)
    least = LEAST_SHARE * np.outer(np.maximum(margin, 0.0), np.maximum(totals, 0.0)) / max(totals.sum(), 1e-9)
    raked = rake(np.maximum(start, least), margin, totals)
    rows = []
    for j, (name, table) in enumerate(parts.items()):
        value, se, half = city[name]
        spread: pd.DataFrame = spread_table(table, zones, frame.level)
        lines = [(CITY, value, se, half)]
        of_zones = spread.iloc[: len(zones)]
        lines += zip(zones, raked[:, j].tolist(), of_zones["se"], of_zones["half"], strict=True)
        about = {"n": table.city.n, "method": table.city.method, **more}
        for zone, middle, error, width in lines:
            low, high = positive_interval(middle, width)
            rows.append(frame.row(f"{head}:{name}", zone, unit, middle, error, low, high, **about))
    return rows
