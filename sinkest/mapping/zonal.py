"""Sums over zones: true areas, with border pixels shared out by the part that lies in each zone.

All sums are exact. Each pixel's contribution is rounded to a whole multiple of a fixed power of two, so small that it
doesn't matter (about 1e-5 m2 for a city) and so large that every sum up to the area of the grid fits the 53 binary
digits of a float64. Adding such numbers loses nothing: totals are the same to the last bit for any block size and any
order of merging.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from sinkest.aoi.grid import area_lattice
from sinkest.aoi.points import zone_of_points
from sinkest.aoi.zones import Zones
from sinkest.errors import InputError
from sinkest.mapping.coverage import Coverage, cover, pixel_shapes
from sinkest.mapping.outline import Outline, outline

__all__ = [
    "Outline",
    "ZoneBlock",
    "ZoneIndex",
    "class_area",
    "outline",
    "value_by_class",
    "value_total",
    "zone_labels",
    "zone_of_points",
]

EXACT_BITS = 52
EDGE_SLACK_PX = 1e-3
"""How far a zone may reach out of the grid: a side of the grid is no straight line in longitude and latitude."""


@dataclass(frozen=True)
class ZoneBlock:
    """Zones inside one window of the grid.

    Attributes
    ----------
    label : int16 array (y, x)
        Index of the zone that holds the whole pixel and shares it with no other; -1 elsewhere.
    edge_row, edge_col, edge_zone : int32, int32, int16 arrays (e,)
        Pixels held in part, counted from the window's corner; one entry per pixel and zone, ordered by row, column
        and zone.
    edge_fraction : float64 array (e,)
        Share of the pixel that lies in the zone.
    area_m2 : float64 array (y, x)
        True area of each pixel.
    n_zones : int
    quantum_m2 : float
        Areas are summed in whole multiples of this power of two.
    """

    label: NDArray[np.int16]
    edge_row: NDArray[np.int32]
    edge_col: NDArray[np.int32]
    edge_zone: NDArray[np.int16]
    edge_fraction: NDArray[np.float64]
    area_m2: NDArray[np.float64]
    n_zones: int
    quantum_m2: float


class ZoneIndex:
    """Which pixel of a grid belongs to which zone; built once, asked block by block, picklable.

    Parameters
    ----------
    zones : Zones
    grid : GeoBox
        Covers all zones, e.g. from `build_grid`.

    Raises
    ------
    InputError
        If a zone reaches out of the grid: its total would be too small without a sign of it.
    """

    def __init__(self, zones: Zones, grid: GeoBox) -> None:
        self.ids = zones.ids
        self.n_zones = len(zones)
        self.grid = grid
        self._areas = area_lattice(grid)
        # Twice the area of the zones leaves room for slivers and rounding: no sum gets there.
        self.quantum_m2 = 2.0 ** (math.ceil(math.log2(2.0 * zones.area_m2)) - EXACT_BITS)
        covers = [
            _checked_cover(zone_id, shape, grid)
            for zone_id, shape in zip(zones.ids, pixel_shapes(zones, grid), strict=True)
        ]
        self._runs = _by_row([(c.run_row, c.run_first, c.run_end) for c in covers])
        self._edges = _by_row([(c.edge_row, c.edge_col, c.edge_fraction) for c in covers])

    def touched(self, window: Window) -> bool:
        """Whether any pixel of the window belongs to a zone, wholly or in part."""
        row0, row1, col0, col1 = _rows_cols(window)
        run = _between(self._runs[0], row0, row1)
        if ((self._runs[1][run] < col1) & (self._runs[2][run] > col0)).any():
            return True
        edge = _between(self._edges[0], row0, row1)
        cols = self._edges[1][edge]
        return bool(((cols >= col0) & (cols < col1)).any())

    def block(self, window: Window) -> ZoneBlock:
        """The zones inside a window.

        Raises
        ------
        InputError
            If the window reaches out of the grid.
        """
        area_m2 = self._areas.area_m2(window)
        row0, row1, col0, col1 = _rows_cols(window)
        run = _between(self._runs[0], row0, row1)
        edge = _between(self._edges[0], row0, row1)
        cols = self._edges[1][edge]
        edge_here = np.arange(edge.start, edge.stop)[(cols >= col0) & (cols < col1)]
        label = np.full(area_m2.shape, -1, dtype=np.int16)
        clash_row, clash_col, clash_zone = _paint(
            label, self._runs[0][run] - row0, self._runs[1][run] - col0, self._runs[2][run] - col0, self._runs[3][run]
        )
        row = np.concatenate([self._edges[0][edge_here] - row0, clash_row])
        col = np.concatenate([self._edges[1][edge_here] - col0, clash_col])
        zone = np.concatenate([self._edges[3][edge_here], clash_zone])
        fraction = np.concatenate([self._edges[2][edge_here], np.ones(len(clash_row))])
        # Where zones overlap in a sliver, a pixel can be whole in one zone and also an edge of another.
        whole_too = np.flatnonzero(label[row, col] >= 0)
        if whole_too.size:
            pixels = np.unique(row[whole_too] * area_m2.shape[1] + col[whole_too])
            whole_row, whole_col = np.divmod(pixels, area_m2.shape[1])
            row, col = np.concatenate([row, whole_row]), np.concatenate([col, whole_col])
            zone = np.concatenate([zone, label[whole_row, whole_col].astype(zone.dtype)])
            fraction = np.concatenate([fraction, np.ones(len(pixels))])
            label[whole_row, whole_col] = -1
        order = np.lexsort((zone, col, row))
        return ZoneBlock(
            label,
            row[order].astype(np.int32),
            col[order].astype(np.int32),
            zone[order].astype(np.int16),
            fraction[order],
            area_m2,
            self.n_zones,
            self.quantum_m2,
        )


def _checked_cover(zone_id: str, shape: BaseGeometry, grid: GeoBox) -> Coverage:
    height, width = grid.shape
    left, top, right, bottom = shape.bounds
    inside = min(left, top) >= -EDGE_SLACK_PX and right <= width + EDGE_SLACK_PX and bottom <= height + EDGE_SLACK_PX
    if not inside:
        raise InputError("aoi.zone_outside_grid", zone=zone_id, height=height, width=width)
    return cover(shape, height, width)


def _by_row(parts: list[tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    """Columns of all zones one after the other with the zone as last column, ordered by row, then column, then zone."""
    zone = np.concatenate([np.full(len(part[0]), index, dtype=np.int64) for index, part in enumerate(parts)])
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort((zone, columns[1], columns[0]))
    return *(column[order] for column in columns), zone[order]


def _between(rows: NDArray[np.int64], row0: int, row1: int) -> slice:
    first, end = np.searchsorted(rows, [row0, row1])
    return slice(int(first), int(end))


def _rows_cols(window: Window) -> tuple[int, int, int, int]:
    row0, col0 = int(window.row_off), int(window.col_off)
    return row0, row0 + int(window.height), col0, col0 + int(window.width)


@njit(cache=True)
def _paint(label, row, first, end, zone):  # type: ignore[no-untyped-def]
    """Write runs into the label; return the pixels that a zone claims after another already has."""
    room = 0
    clash_row, clash_col, clash_zone = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    for attempt in range(2):
        found = 0
        for i in range(row.size):
            for c in range(max(first[i], 0), min(end[i], label.shape[1])):
                if label[row[i], c] == -1:
                    label[row[i], c] = zone[i]
                elif label[row[i], c] != zone[i]:
                    if attempt == 1:
                        clash_row[found], clash_col[found], clash_zone[found] = row[i], c, zone[i]
                    found += 1
        if attempt == 0:
            clash_row, clash_col = np.empty(found, np.int64), np.empty(found, np.int64)
            clash_zone = np.empty(found, np.int64)
            if found == 0:
                break
    return clash_row, clash_col, clash_zone


def class_area(block: ZoneBlock, classes: NDArray[np.uint8], n_classes: int = 256) -> NDArray[np.float64]:
    """True area of each class in each zone of a block.

    Parameters
    ----------
    block : ZoneBlock
    classes : uint8 array (y, x)
        Class codes below `n_classes`; 0 (no data) is counted like the others, in column 0.
    n_classes : int

    Returns
    -------
    float64 array (n_zones, n_classes)
        Square metres. Add up blocks with ``+``: the sum is exact in any order.

    Raises
    ------
    InputError
        If the shape is not the block's, or a code is `n_classes` or more.
    """
    codes = np.ascontiguousarray(classes)
    _check_shape(block, codes)
    if codes.dtype != np.uint8:
        raise TypeError(f"classes are uint8, not {codes.dtype}")
    sums = np.zeros((block.n_zones, 256), dtype=np.int64)
    _sum_area(
        block.label,
        block.edge_row,
        block.edge_col,
        block.edge_zone,
        block.edge_fraction,
        block.area_m2,
        codes,
        1.0 / block.quantum_m2,
        sums,
    )
    if sums[:, n_classes:].any():
        raise InputError("aoi.class_code", code=int(codes.max()), largest=n_classes - 1)
    return np.asarray(sums[:, :n_classes] * block.quantum_m2, dtype=np.float64)


def value_total(
    block: ZoneBlock, value: NDArray[np.floating], where: NDArray[np.bool_], largest: float = 1.0
) -> NDArray[np.float64]:
    """Sum of value times true area in each zone of a block.

    Parameters
    ----------
    block : ZoneBlock
    value : float array (y, x)
        Quantity per square metre, e.g. m3/ha divided by 10,000.
    where : bool array (y, x)
        Pixels that count.
    largest : float
        Bound of the absolute value. It sets the fixed step of the exact sum, so it must be the same for all blocks
        of a run; a bound near the true largest value gives the finest step.

    Returns
    -------
    float64 array (n_zones,)
        Totals in the unit of value times m2. Add up blocks with ``+``: the sum is exact in any order.

    Raises
    ------
    InputError
        If the shape is not the block's, or a pixel that counts and lies in a zone is NaN or beyond `largest`.
    """
    return value_by_class(block, value, np.asarray(where, dtype=np.bool_).view(np.uint8), 2, largest)[:, 1]


def value_by_class(
    block: ZoneBlock,
    value: NDArray[np.floating],
    classes: NDArray[np.uint8],
    n_classes: int = 256,
    largest: float = 1.0,
) -> NDArray[np.float64]:
    """Sum of value times true area by zone and class, e.g. stock by forest type, in one pass.

    Parameters
    ----------
    block, value, largest
        As for `value_total`.
    classes : uint8 array (y, x)
        Class codes below `n_classes`; pixels of class 0 don't count, whatever their value.
    n_classes : int

    Returns
    -------
    float64 array (n_zones, n_classes)
        Column 0 is 0.

    Raises
    ------
    InputError
        As `value_total` and `class_area`.
    """
    if not (math.isfinite(largest) and largest > 0):
        raise InputError("aoi.largest", largest=largest)
    values, codes = np.ascontiguousarray(value), np.ascontiguousarray(classes)
    _check_shape(block, values)
    _check_shape(block, codes)
    quantum = block.quantum_m2 * 2.0 ** math.ceil(math.log2(largest))
    sums = np.zeros((block.n_zones, 256), dtype=np.int64)
    bad_row, bad_col = _sum_value(
        block.label,
        block.edge_row,
        block.edge_col,
        block.edge_zone,
        block.edge_fraction,
        block.area_m2,
        values,
        codes,
        largest,
        1.0 / quantum,
        sums,
    )
    if bad_row >= 0:
        raise InputError(
            "aoi.value", row=int(bad_row), col=int(bad_col), value=float(values[bad_row, bad_col]), largest=largest
        )
    if sums[:, n_classes:].any():
        raise InputError("aoi.class_code", code=int(codes.max()), largest=n_classes - 1)
    return np.asarray(sums[:, :n_classes] * quantum, dtype=np.float64)


def _check_shape(block: ZoneBlock, array: NDArray[np.generic]) -> None:
    if array.shape != block.label.shape:
        raise InputError("aoi.block_shape", given=array.shape, expected=block.label.shape)


@njit(cache=True)
def _sum_area(label, edge_row, edge_col, edge_zone, edge_fraction, area, classes, per_m2, sums):  # type: ignore[no-untyped-def]
    for r in range(label.shape[0]):
        for c in range(label.shape[1]):
            if label[r, c] >= 0:
                sums[label[r, c], classes[r, c]] += np.int64(np.rint(area[r, c] * per_m2))
    for i in range(edge_row.size):
        r, c = edge_row[i], edge_col[i]
        sums[edge_zone[i], classes[r, c]] += np.int64(np.rint(edge_fraction[i] * area[r, c] * per_m2))


@njit(cache=True)
def _sum_value(  # type: ignore[no-untyped-def]
    label, edge_row, edge_col, edge_zone, edge_fraction, area, value, classes, largest, per_unit, sums
):
    """Add to the sums; return the row and column of a value that cannot be summed, or -1, -1."""
    for r in range(label.shape[0]):
        for c in range(label.shape[1]):
            if label[r, c] >= 0 and classes[r, c] > 0:
                given = np.float64(value[r, c])
                if not abs(given) <= largest:
                    return r, c
                sums[label[r, c], classes[r, c]] += np.int64(np.rint(given * area[r, c] * per_unit))
    for i in range(edge_row.size):
        r, c = edge_row[i], edge_col[i]
        if classes[r, c] > 0:
            given = np.float64(value[r, c])
            if not abs(given) <= largest:
                return r, c
            sums[edge_zone[i], classes[r, c]] += np.int64(np.rint(edge_fraction[i] * given * area[r, c] * per_unit))
    return -1, -1


def zone_labels(index: ZoneIndex, window: Window | None = None) -> NDArray[np.int16]:
    """One zone per pixel, for pictures: the zone with the largest share where zones cover at least half of it.

    Parameters
    ----------
    index : ZoneIndex
    window : Window, optional
        All of the grid when left out.

    Returns
    -------
    int16 array (y, x)
        Index of the zone, the first of equals; -1 outside.
    """
    height, width = index.grid.shape
    block = index.block(Window(0, 0, width, height) if window is None else window)
    label = block.label.copy()
    covered, best = np.zeros(label.shape), np.zeros(label.shape)
    for row, col, zone, share in zip(block.edge_row, block.edge_col, block.edge_zone, block.edge_fraction, strict=True):
        covered[row, col] += share
        if share > best[row, col]:
            best[row, col], label[row, col] = share, zone
    label[(block.label < 0) & (covered < 0.5)] = -1
    return label
