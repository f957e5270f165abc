"""Resampling between two grids of one coordinate reference system, the same bits whatever the block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Kernel = Literal["nearest", "bilinear", "cubic"]

ALIGNED_PX = 1e-3
"""Pixels of one size whose centres differ by less than this are the same pixels."""

_FINEST_PX = 2.0**-20


@dataclass(frozen=True)
class Positions:
    """Evenly spaced places along one axis of a raster.

    Attributes
    ----------
    centres : ndarray of float64
        In pixels of the raster; pixel k reaches from k to k + 1. They may lie outside.
    step : float
        Distance between two of them.
    whole : bool
        Whether they are the centres of the raster's own pixels.
    """

    centres: np.ndarray
    step: float
    whole: bool

    @classmethod
    def of(cls, centres: np.ndarray, step: float) -> Positions:
        """Round to a millionth of a pixel, so that the rounding of world coordinates cannot reach a result."""
        off = centres - 0.5 - np.round(centres - 0.5)
        whole = bool(np.abs(off).max() < ALIGNED_PX and abs(step - 1) < 1e-9)
        return cls(np.round(centres / _FINEST_PX) * _FINEST_PX, max(round(step, 6), 1e-6), whole)

    @property
    def first(self) -> int:
        """Number of positions before the raster's first pixel; only where they are whole."""
        return max(0, -round(float(self.centres[0]) - 0.5))

    def shifted(self, start: int) -> Positions:
        """The same places on the part of the raster that begins at pixel ``start``; exact."""
        return replace(self, centres=self.centres - start)


def resample(values: np.ndarray, rows: Positions, cols: Positions, kernel: Kernel) -> np.ndarray:
    """Values at other places of a raster.

    Parameters
    ----------
    values : ndarray of float, shape (y, x)
        NaN for no data.
    rows, cols : Positions
    kernel : {"nearest", "bilinear", "cubic"}
        The pixel that holds the position; a triangle one pixel wide to each side; the cubic convolution of Keys (1981)
        with a = -1/2. The latter two widen to the spacing of the positions where that exceeds a pixel.

    Returns
    -------
    ndarray of float64, shape (rows, cols)
        Weighted mean of the pixels with data; NaN where the pixel that holds the position has none.
    """
    home_rows, home_cols = (np.floor(axis.centres).astype(np.int64) for axis in (rows, cols))
    inside = np.logical_and.outer(_within(home_rows, values.shape[0]), _within(home_cols, values.shape[1]))
    home = values[np.clip(home_rows, 0, values.shape[0] - 1)][:, np.clip(home_cols, 0, values.shape[1] - 1)]
    if kernel == "nearest":
        return np.where(inside, home, np.nan).astype(np.float64)
    known = np.isfinite(values)
    taken = np.where(known, values, 0).astype(np.float64)
    row_taps, col_taps = _taps(rows, values.shape[0], kernel), _taps(cols, values.shape[1], kernel)
    total = _both_ways(taken, row_taps, col_taps)
    weight = _both_ways(known.astype(np.float64), row_taps, col_taps)
    usable = inside & np.isfinite(home) & (weight > 1e-6)
    return np.where(usable, total / np.where(usable, weight, 1.0), np.nan)


def _within(index: np.ndarray, length: int) -> np.ndarray:
    return (index >= 0) & (index < length)


def _taps(axis: Positions, length: int, kernel: Kernel) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that each position draws on and their weights, (position, tap); weight 0 beyond the raster."""
    stretch = max(1.0, axis.step)
    reach = (1 if kernel == "bilinear" else 2) * stretch
    middle = axis.centres - 0.5
    first = np.floor(middle - reach).astype(np.int64)
    index = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    distance = np.abs(index - middle[:, None]) / stretch
    weight = np.maximum(1 - distance, 0) if kernel == "bilinear" else _keys(distance)
    return np.clip(index, 0, length - 1), np.where(_within(index, length), weight, 0.0)


def _keys(d: np.ndarray) -> np.ndarray:
    near = (1.5 * d - 2.5) * d**2 + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def _both_ways(
    values: np.ndarray, row_taps: tuple[np.ndarray, np.ndarray], col_taps: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Weighted sums along the rows' axis, then along the columns', tap by tap in a fixed order."""
    index, weight = row_taps
    down = np.zeros((len(index), values.shape[1]))
    for tap in range(index.shape[1]):
        down += weight[:, tap, None] * values[index[:, tap]]
    index, weight = col_taps
    across = np.zeros((len(down), len(index)))
    for tap in range(index.shape[1]):
        across += weight[:, tap] * down[:, index[:, tap]]
    return across
