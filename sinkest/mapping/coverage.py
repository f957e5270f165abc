"""Which share of each pixel a polygon covers, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from sinkest.aoi.geodesy import densify
from sinkest.aoi.zones import Zones

SNAP = 1e-9
"""Shares within this of 0 or 1 are taken as none or all of the pixel."""


def pixel_shapes(zones: Zones, grid: GeoBox) -> list[BaseGeometry]:
    """The zones in pixel coordinates of the grid: x = column, y = row, both 0 at the upper left corner."""
    to_grid = Transformer.from_crs("EPSG:4326", str(grid.crs), always_xy=True)
    affine = grid.affine

    def to_pixels(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = to_grid.transform(degrees[:, 0], degrees[:, 1])
        return np.column_stack([(x - affine.c) / affine.a, (y - affine.f) / affine.e])

    return [shapely.transform(densify(geometry), to_pixels) for geometry in zones.frame.geometry]


@dataclass(frozen=True)
class Coverage:
    """Pixels of one polygon: runs of whole pixels, and single pixels that the outline crosses.

    Attributes
    ----------
    run_row, run_first, run_end : int64 arrays (r,)
        Row, first column and column after the last of each run; ordered by row and column.
    edge_row, edge_col : int64 arrays (e,)
        Pixels that are partly covered, in the same order.
    edge_fraction : float64 array (e,)
        Share of the pixel's plane area that lies inside, strictly between 0 and 1.
    """

    run_row: NDArray[np.int64]
    run_first: NDArray[np.int64]
    run_end: NDArray[np.int64]
    edge_row: NDArray[np.int64]
    edge_col: NDArray[np.int64]
    edge_fraction: NDArray[np.float64]


def cover(geometry: BaseGeometry, height: int, width: int) -> Coverage:
    """Share of each pixel that a polygon covers.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        In pixel coordinates: x = column, y = row, both 0 at the upper left corner of the grid; inside the grid.
    height, width : int
        Size of the grid in pixels.

    Notes
    -----
    Each edge is cut at the pixel borders. A piece adds its signed height to the pixel it runs through (``cover``) and
    the area between it and the pixel's right side (``area``). The share of a pixel is its ``area`` plus the ``cover``
    of all pixels to its left: Green's theorem, row by row, the scheme of analytic font rasterisers. Edges are always
    walked downwards, so that two polygons see their common border with the same rounding and their shares add to one.
    """
    x, y, last = _rings(geometry, height, width)
    row, col, height_part, area_part = _pieces(x, y, last)
    order = np.argsort(row * (width + 1) + col, kind="stable")
    return Coverage(*_scan(row[order], col[order], height_part[order], area_part[order]))


def _rings(
    geometry: BaseGeometry, height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Vertices of all rings, one after the other, and whether each ends its ring.

    Rings are turned so that insides count +1 and holes take away, in coordinates whose y points down.
    """
    rings = []
    for part in shapely.get_parts(shapely.orient_polygons(geometry)):
        if part.geom_type == "Polygon" and not part.is_empty:
            rings += [shapely.get_coordinates(ring) for ring in (part.exterior, *part.interiors)]
    vertices = np.vstack(rings) if rings else np.empty((0, 2))
    last = np.zeros(len(vertices), dtype=np.bool_)
    last[np.cumsum([len(ring) for ring in rings], dtype=np.int64) - 1] = True
    return np.clip(vertices[:, 0], 0.0, width), np.clip(vertices[:, 1], 0.0, height), last


@njit(cache=True)
def _pieces(x, y, last):  # type: ignore[no-untyped-def]
    """Cut all edges at the pixel borders: row, column, signed height and signed area of each piece."""
    room = 0
    for i in range(x.size - 1):
        if not last[i]:
            room += (abs(int(y[i + 1]) - int(y[i])) + 1) * 2 + abs(int(x[i + 1]) - int(x[i])) + 2
    row = np.empty(room, np.int64)
    col = np.empty(room, np.int64)
    height_part = np.empty(room)
    area_part = np.empty(room)
    n = 0
    for i in range(x.size - 1):
        if last[i]:
            continue
        if y[i] == y[i + 1]:
            # A level edge adds nothing, but marks the pixels it runs through as no whole ones.
            if y[i] != np.floor(y[i]):
                for c in range(int(np.floor(min(x[i], x[i + 1]))), int(np.ceil(max(x[i], x[i + 1])))):
                    row[n], col[n], height_part[n], area_part[n] = int(np.floor(y[i])), c, 0.0, 0.0
                    n += 1
            continue
        # Down the page; the sign keeps the direction. An outer ring turned counter-clockwise in these axes runs down
        # on the right when y grows downwards, hence minus for down.
        if y[i] < y[i + 1]:
            sign, x0, y0, x1, y1 = -1.0, x[i], y[i], x[i + 1], y[i + 1]
        else:
            sign, x0, y0, x1, y1 = 1.0, x[i + 1], y[i + 1], x[i], y[i]
        slope = (x1 - x0) / (y1 - y0)
        for r in range(int(np.floor(y0)), int(np.ceil(y1))):
            top, bottom = max(y0, float(r)), min(y1, r + 1.0)
            xa = x0 if top == y0 else x0 + (top - y0) * slope
            xb = x1 if bottom == y1 else x0 + (bottom - y0) * slope
            tall = bottom - top
            left, right = min(xa, xb), max(xa, xb)
            first, final = int(np.floor(left)), int(np.ceil(right)) - 1
            final = max(final, first)
            for c in range(first, final + 1):
                a, b = max(left, float(c)), min(right, c + 1.0)
                part = tall if first == final else tall * ((b - a) / (right - left))
                row[n] = r
                col[n] = c
                height_part[n] = sign * part
                area_part[n] = sign * part * (1.0 - (0.5 * (a + b) - c))
                n += 1
    return row[:n], col[:n], height_part[:n], area_part[:n]


@njit(cache=True)
def _scan(row, col, height_part, area_part):  # type: ignore[no-untyped-def]
    """Pieces ordered by pixel to runs of whole pixels and fractions of the others."""
    n = row.size
    run_row, run_first, run_end = np.empty(2 * n, np.int64), np.empty(2 * n, np.int64), np.empty(2 * n, np.int64)
    edge_row, edge_col, edge_fraction = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    runs, edges, i = 0, 0, 0
    while i < n:
        r = row[i]
        left_of = 0.0
        open_from = np.int64(-1)
        while i < n and row[i] == r:
            c = col[i]
            # No edge runs through the pixels between two with pieces, so they are whole or empty, but for rounding.
            if open_from >= 0 and open_from < c and left_of > 0.5:
                if runs > 0 and run_row[runs - 1] == r and run_end[runs - 1] == open_from:
                    run_end[runs - 1] = c
                else:
                    run_row[runs], run_first[runs], run_end[runs] = r, open_from, c
                    runs += 1
            area, tall = 0.0, 0.0
            while i < n and row[i] == r and col[i] == c:
                area += area_part[i]
                tall += height_part[i]
                i += 1
            share = left_of + area
            if share > 1.0 - SNAP:
                if runs > 0 and run_row[runs - 1] == r and run_end[runs - 1] == c:
                    run_end[runs - 1] = c + 1
                else:
                    run_row[runs], run_first[runs], run_end[runs] = r, c, c + 1
                    runs += 1
            elif share > SNAP:
                edge_row[edges], edge_col[edges], edge_fraction[edges] = r, c, share
                edges += 1
            left_of += tall
            open_from = c + 1
    return (
        run_row[:runs].copy(),
        run_first[:runs].copy(),
        run_end[:runs].copy(),
        edge_row[:edges].copy(),
        edge_col[:edges].copy(),
        edge_fraction[:edges].copy(),
    )
