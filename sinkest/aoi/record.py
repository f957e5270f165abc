"""A grid as a run writes it down: equal to another one or not, and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from odc.geo.geobox import GeoBox

SHIFT_PX = 1e-6
"""Corners nearer to each other than this part of a pixel are one corner."""


def grid_record(grid: GeoBox) -> dict[str, Any]:
    """CRS, nominal pixel side in metres, shape (rows, columns), and the affine from (column, row) to (x, y)."""
    return {
        "crs": str(grid.crs),
        "resolution_m": abs(float(grid.resolution.x)),
        "shape": list(grid.shape.yx),
        "affine": list(grid.affine)[:6],
    }


def same_grid(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two records are of one grid; pixels of a record without an affine are taken to lie on each other."""
    if any(first[name] != second[name] for name in ("crs", "shape")):
        return False
    sides = first["resolution_m"], second["resolution_m"]
    if not math.isclose(*sides, rel_tol=1e-9):
        return False
    if "affine" not in first or "affine" not in second:
        return True
    near = SHIFT_PX * abs(first["affine"][0])
    return all(abs(one - two) <= near for one, two in zip(first["affine"], second["affine"], strict=True))


def grid_text(record: Mapping[str, Any]) -> str:
    """A record as a line, the same in every language; the corner is the upper left one."""
    rows, cols = record["shape"]
    told = f"{record['crs']}, {record['resolution_m']:g} m, {cols} x {rows} px"
    return f"{told}, ({record['affine'][2]:.10g}, {record['affine'][5]:.10g})" if "affine" in record else told
