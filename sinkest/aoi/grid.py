"""The grid laid over the zones, and the true area of its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numba import njit
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from rasterio.windows import Window

from sinkest.aoi.geodesy import WGS84, densify
from sinkest.aoi.zones import Zones
from sinkest.errors import InputError

MAX_PIXELS = 2**33
LATTICE_M = 1280.0
"""Longest distance between the nodes at which the true area is evaluated."""
DIFFERENCE_M = 100.0
"""Half of the distance over which derivatives are taken."""


def build_grid(
    zones: Zones, resolution_m: float, crs: str | int = "auto", align: float | tuple[float, float] = 0.0
) -> GeoBox:
    """The grid of square pixels that covers all zones.

    Parameters
    ----------
    zones : Zones
    resolution_m : float
        Side of a pixel, metres.
    crs : str or int
        ``"auto"`` for the WGS84 UTM zone of the zones' centroid, or a projected CRS in metres (EPSG code or text).
    align : float or (float, float)
        Offset of the pixel edges (x, y) from multiples of the resolution, metres; e.g. 15 lays a 30 m grid on the
        one of Landsat.

    Returns
    -------
    GeoBox
        North up; edges at ``align`` plus whole multiples of the resolution, so that grids of one resolution and CRS
        always fall on each other.

    Raises
    ------
    InputError
        For a resolution that is no positive number, a CRS that is unknown, not projected, not in metres or not usable
        where the zones lie, and for a grid of more than 2^33 pixels.
    """
    if not (isinstance(resolution_m, int | float) and math.isfinite(resolution_m) and resolution_m > 0):
        raise InputError("aoi.resolution", value=resolution_m)
    target = _utm(zones) if crs == "auto" else _projected(crs)
    left, bottom, right, top = _projected_bounds(zones, target)
    offset_x, offset_y = align if isinstance(align, tuple) else (align, align)
    res = float(resolution_m)
    # A hair of tolerance, so that bounds which lie on a pixel edge up to rounding don't gain an empty row or column.
    slack = 1e-9
    col0, col1 = math.floor((left - offset_x) / res + slack), math.ceil((right - offset_x) / res - slack)
    row0, row1 = math.floor((bottom - offset_y) / res + slack), math.ceil((top - offset_y) / res - slack)
    width, height = max(col1 - col0, 1), max(row1 - row0, 1)
    if width * height > MAX_PIXELS:
        raise InputError("aoi.grid_too_large", resolution=resolution_m, width=width, height=height)
    origin = Affine(res, 0.0, col0 * res + offset_x, 0.0, -res, row1 * res + offset_y)
    return GeoBox((height, width), origin, f"EPSG:{epsg}" if (epsg := target.to_epsg()) else target.to_wkt())


def _utm(zones: Zones) -> CRS:
    centre = shapely.union_all(zones.frame.geometry.values).centroid
    if not -80.0 <= centre.y <= 84.0:
        raise InputError("aoi.no_utm", lat=round(centre.y, 3))
    number = min(int((centre.x + 180.0) // 6.0) + 1, 60)
    return CRS.from_epsg((32600 if centre.y >= 0 else 32700) + number)


def _projected(crs: str | int) -> CRS:
    try:
        target = CRS.from_user_input(crs)
    except CRSError as error:
        raise InputError("aoi.unknown_crs", crs=crs) from error
    units = {axis.unit_name for axis in target.axis_info[:2]}
    if not target.is_projected or units != {"metre"}:
        raise InputError("aoi.grid_crs", crs=crs, name=target.name)
    return target


def _projected_bounds(zones: Zones, target: CRS) -> tuple[float, float, float, float]:
    to_target = Transformer.from_crs("EPSG:4326", target, always_xy=True)
    edges = shapely.get_coordinates([densify(geometry) for geometry in zones.frame.geometry])
    x, y = to_target.transform(edges[:, 0], edges[:, 1])
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("aoi.outside_crs", crs=target.name)
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def lattice_step(resolution_m: float) -> int:
    """Pixels between lattice points: a power of two from 1 to 128, at most `LATTICE_M` metres."""
    return 2 ** max(0, min(7, math.floor(math.log2(LATTICE_M / resolution_m))))


@dataclass(frozen=True)
class AreaLattice:
    """True areas at nodes of a grid, from which those of all pixels follow.

    Attributes
    ----------
    nodes_m2 : float64 array (rows, cols)
        True area that a pixel centred on each node would have; the first node is the grid's upper left corner.
    step : int
        Pixels from node to node.
    height, width : int
        Size of the grid in pixels.

    Notes
    -----
    A pixel of nominal area r^2 has the true area r^2 / s, where s is the projection's areal scale at its centre (Snyder
    1987, USGS Professional Paper 1395, ch. 4): 1/s = M N cos(lat) |d(lon, lat)/d(x, y)| with the radii of curvature M
    and N. The derivatives are central differences over 200 m, right to 1e-9; they also hold for grids in degrees and
    for Web Mercator, of which PROJ's own areal scale assumes a sphere. Between the nodes 1/s is interpolated linearly
    in both directions. The error of that is at most h^2/8 (|d2/dx2| + |d2/dy2|) of 1/s; with nodes h <= 1280 m apart
    and second derivatives of about 2/R^2 (Mercator-like projections) it stays below 2e-8, which the tests confirm
    against exact evaluation.
    """

    nodes_m2: NDArray[np.float64]
    step: int
    height: int
    width: int

    def area_m2(self, window: Window | None = None) -> NDArray[np.float64]:
        """True area of each pixel of a window (of the whole grid when left out), float64 (y, x).

        The value of a pixel is the same to the last bit in every window that holds it.

        Raises
        ------
        InputError
            If the window is empty or reaches out of the grid.
        """
        row0, col0 = (0, 0) if window is None else (int(window.row_off), int(window.col_off))
        rows, cols = (self.height, self.width) if window is None else (int(window.height), int(window.width))
        row1, col1 = row0 + rows, col0 + cols
        if not (0 <= row0 < row1 <= self.height and 0 <= col0 < col1 <= self.width):
            given = {"rows": f"{row0}:{row1}", "cols": f"{col0}:{col1}"}
            raise InputError("aoi.window", **given, height=self.height, width=self.width)
        area = np.empty((rows, cols))
        _interpolate(self.nodes_m2, row0, col0, self.step, area)
        return area


def area_lattice(grid: GeoBox) -> AreaLattice:
    """The lattice of true areas of a grid; keep it where areas of many windows are needed."""
    height, width = grid.shape
    step = lattice_step(abs(grid.affine.a) * _unit_m(grid))
    rows, cols = np.arange((height - 1) // step + 2) * step, np.arange((width - 1) // step + 2) * step
    return AreaLattice(_node_area_m2(grid, rows, cols), step, height, width)


def pixel_area_m2(grid: GeoBox, window: Window | None = None) -> NDArray[np.float64]:
    """True area of each pixel on the WGS84 ellipsoid, square metres.

    Parameters
    ----------
    grid : GeoBox
        North up, in metres or degrees.
    window : Window, optional
        The part of the grid that is wanted; all of it when left out.

    Returns
    -------
    float64 array (y, x)
        See `AreaLattice` for the method and its error.

    Raises
    ------
    InputError
        If the window is empty or reaches out of the grid.
    """
    return area_lattice(grid).area_m2(window)


@njit(cache=True)
def _interpolate(nodes, row0, col0, step, area):  # type: ignore[no-untyped-def]
    """Fill `area`, whose corner is the pixel (row0, col0), from the nodes around each pixel."""
    weights = (np.arange(step) + 0.5) / step
    for r in range(area.shape[0]):
        above = (r + row0) // step
        weight_y = weights[(r + row0) % step]
        c = 0
        while c < area.shape[1]:
            before = (c + col0) // step
            left = nodes[above, before] * (1.0 - weight_y) + nodes[above + 1, before] * weight_y
            right = nodes[above, before + 1] * (1.0 - weight_y) + nodes[above + 1, before + 1] * weight_y
            within = (c + col0) - before * step
            end = min(c + step - within, area.shape[1])
            for k in range(c, end):
                weight_x = weights[within + k - c]
                area[r, k] = left * (1.0 - weight_x) + right * weight_x
            c = end


def _node_area_m2(grid: GeoBox, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.float64]:
    """True area that a pixel centred on each node would have; nodes are corners (row, col) of pixels."""
    affine, unit_m = grid.affine, _unit_m(grid)
    col, row = np.meshgrid(cols.astype(np.float64), rows.astype(np.float64))
    x, y = affine.c + affine.a * col, affine.f + affine.e * row
    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    half = DIFFERENCE_M / unit_m
    east, west = to_degrees.transform(x + half, y), to_degrees.transform(x - half, y)
    north, south = to_degrees.transform(x, y + half), to_degrees.transform(x, y - half)
    determinant = (east[0] - west[0]) * (north[1] - south[1]) - (north[0] - south[0]) * (east[1] - west[1])
    phi = np.deg2rad((east[1] + west[1]) / 2.0)
    squared = 1.0 - WGS84.es * np.sin(phi) ** 2
    # M N cos(phi): square metres of the ellipsoid per square radian of longitude and latitude.
    per_radian = WGS84.a**2 * (1.0 - WGS84.es) * np.cos(phi) / squared**2
    per_unit = per_radian * np.abs(determinant) * np.deg2rad(1.0) ** 2 / (2.0 * half) ** 2
    return np.asarray(per_unit * abs(affine.a * affine.e), dtype=np.float64)


def _unit_m(grid: GeoBox) -> float:
    """Metres in one unit of the grid's coordinates; for degrees along the equator."""
    crs = CRS.from_user_input(str(grid.crs))
    factor = float(crs.axis_info[0].unit_conversion_factor)
    return factor * WGS84.a if crs.is_geographic else factor
