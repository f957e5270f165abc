"""Pixel grids, and how values on one are read at the pixels of another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

Array = NDArray[Any]


@dataclass(frozen=True)
class Projection:
    """A coordinate reference system and the transform from pixels to its coordinates."""

    crs: str
    affine: Affine

    def shifted(self, columns: float, rows: float) -> Projection:
        """The same pixels, counted from another one."""
        a = self.affine
        x, y = a.a * columns + a.b * rows + a.c, a.d * columns + a.e * rows + a.f
        return Projection(self.crs, Affine(a.a, a.b, x, a.d, a.e, y))


@dataclass(frozen=True)
class Lattice:
    """So many rows and columns of a projection."""

    projection: Projection
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    def centres(self) -> tuple[Array, Array]:
        """Coordinates of the pixel centres, (y, x) each."""
        columns, rows = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        a = self.projection.affine
        return a.a * columns + a.b * rows + a.c, a.d * columns + a.e * rows + a.f

    @lru_cache(maxsize=256)  # noqa: B019 - lattices are few and small
    def positions_in(self, other: Projection) -> tuple[Array, Array]:
        """Row and column, in pixels of another projection, of the pixel centres; whole numbers are pixel corners."""
        x, y = self.centres()
        if self.projection.crs != other.crs:
            x, y = _between(self.projection.crs, other.crs).transform(x, y)
        inverse = ~other.affine
        # A thousandth of a millipixel of rounding must not decide which pixel is the nearest.
        columns = np.round(inverse.a * x + inverse.b * y + inverse.c, 6)
        rows = np.round(inverse.d * x + inverse.e * y + inverse.f, 6)
        return rows, columns

    def bounds_lonlat(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees, of the corners of the pixels along the edge."""
        wide = Lattice(
            self.projection.shifted(-0.5, -0.5),
            self.height + 1,
            self.width + 1,
        )
        x, y = wide.centres()
        lon, lat = _between(self.projection.crs, "EPSG:4326").transform(x, y)
        return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


@lru_cache(maxsize=64)
def _between(source: str, target: str) -> Transformer:
    return Transformer.from_crs(CRS.from_user_input(source), CRS.from_user_input(target), always_xy=True)


def nearest(values: Array, mask: Array, rows: Array, cols: Array) -> tuple[Array, Array]:
    """Value and mask of the pixel that holds each position; masked outside."""
    r, c = np.floor(rows).astype(int), np.floor(cols).astype(int)
    inside = (r >= 0) & (r < values.shape[0]) & (c >= 0) & (c < values.shape[1])
    r, c = np.where(inside, r, 0), np.where(inside, c, 0)
    found = inside & (mask[r, c] > 0)
    return np.where(found, values[r, c], 0.0), np.where(found, mask[r, c], 0.0)


def interpolated(values: Array, mask: Array, rows: Array, cols: Array, mode: str) -> tuple[Array, Array]:
    """Value between pixels: weights of masked pixels go to the others; masked where the nearest pixel is."""
    reach, weight = (1, _linear) if mode == "bilinear" else (2, _cubic)
    at_row, at_col = rows - 0.5, cols - 0.5
    first_row, first_col = np.floor(at_row).astype(int), np.floor(at_col).astype(int)
    total = np.zeros(rows.shape)
    weights = np.zeros(rows.shape)
    for dr in range(1 - reach, reach + 1):
        for dc in range(1 - reach, reach + 1):
            r, c = first_row + dr, first_col + dc
            share = weight(at_row - r) * weight(at_col - c)
            inside = (r >= 0) & (r < values.shape[0]) & (c >= 0) & (c < values.shape[1])
            r, c = np.where(inside, r, 0), np.where(inside, c, 0)
            share = np.where(inside & (mask[r, c] > 0), share, 0.0)
            total += share * np.where(share != 0.0, values[r, c], 0.0)
            weights += share
    _, nearby = nearest(values, mask, rows, cols)
    known = (nearby > 0) & (np.abs(weights) > 1e-9)
    return np.where(known, total / np.where(known, weights, 1.0), 0.0), known.astype(float)


def _linear(distance: Array) -> Array:
    return np.maximum(0.0, 1.0 - np.abs(distance))


def _cubic(distance: Array) -> Array:
    """Cubic convolution with a = -1/2 (Keys 1981)."""
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d**2 + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return np.where(d <= 1.0, near, np.where(d < 2.0, far, 0.0))
