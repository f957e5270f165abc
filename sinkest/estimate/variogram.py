"""Spatial correlation of residuals, and what it does to the variance of a mapped total."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls
from scipy.signal import oaconvolve
from scipy.spatial.distance import cdist

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.messages import Message

Floats = NDArray[np.float64]
Shape = Literal["exponential", "spherical", "gaussian"]

# mean distance between two random points of a square of side 1
_MEAN_DISTANCE = 0.5214
_BLOCK = 1000


@dataclass(frozen=True)
class Variogram:
    """How the difference between two places grows with their distance.

    Attributes
    ----------
    nugget : float
        Variance at no distance: measurement error and what changes within a pixel or plot.
    partial_sill : float
        Variance that is shared by near places.
    range_m : float
        Effective range: the distance at which 5 % of the shared variance is left (all of it is gone, for
        "spherical").
    shape : str
    notes : tuple of Message
    """

    nugget: float
    partial_sill: float
    range_m: float
    shape: str = "exponential"
    notes: tuple[Message, ...] = ()

    def __post_init__(self) -> None:
        if self.shape not in ("exponential", "spherical", "gaussian"):
            raise InputError(
                "smallarea.unknown_choice", name="shape", given=self.shape, allowed="exponential, spherical, gaussian"
            )
        values = (self.nugget, self.partial_sill, self.range_m)
        if not (all(math.isfinite(v) for v in values) and min(values[:2]) >= 0 and self.range_m > 0 and self.sill > 0):
            raise InputError("smallarea.variogram", nugget=self.nugget, sill=self.partial_sill, range=self.range_m)

    @property
    def sill(self) -> float:
        """Variance of a single place."""
        return self.nugget + self.partial_sill

    @property
    def structured(self) -> float:
        """Share of the variance that near places have in common."""
        return self.partial_sill / self.sill

    def correlation(self, distance: ArrayLike) -> Floats:
        """Correlation between two places at a distance in metres; 1 at distance zero."""
        h = np.asarray(distance, dtype=np.float64)
        return np.where(h == 0, 1.0, self.structured * decay(h / self.range_m, self.shape))

    def semivariance(self, distance: ArrayLike) -> Floats:
        """Half the mean squared difference between two places at a distance in metres."""
        return self.sill * (1.0 - self.correlation(distance))


def decay(relative: ArrayLike, shape: str) -> Floats:
    """Shared part of the variance that is left at a distance, in units of the effective range."""
    u = np.asarray(relative, dtype=np.float64)
    if shape == "spherical":
        return np.where(u < 1.0, 1.0 - 1.5 * u + 0.5 * u**3, 0.0)
    return np.exp(-3.0 * u) if shape == "exponential" else np.exp(-3.0 * u**2)


def empirical_variogram(
    values: ArrayLike, coordinates: ArrayLike, *, n_bins: int = 15, max_distance_m: float | None = None
) -> pd.DataFrame:
    """Mean squared half-differences by distance class (Matheron).

    Parameters
    ----------
    values : array, shape (n,)
        Residuals.
    coordinates : array, shape (n, 2)
        Projected positions in metres.
    n_bins : int
        Distance classes of equal width.
    max_distance_m : float, optional
        Largest distance; by default half the largest between two places.

    Returns
    -------
    DataFrame
        distance_m (mean of the pairs), semivariance, pairs; classes without pairs are left out.

    Raises
    ------
    InputError
        If there are fewer than 10 places, or all of them coincide.
    """
    z = checks.vector("values", values)
    points = checks.matrix("coordinates", coordinates, len(z))
    if points.shape[1] != 2:
        raise InputError("smallarea.coordinates", shape=points.shape)
    checks.require_rows("values", len(z), 10)
    span = float(np.hypot(*np.ptp(points, axis=0)))
    reach = span / 2.0 if max_distance_m is None else float(max_distance_m)
    if not reach > 0 or n_bins < 3:
        raise InputError("smallarea.variogram_reach", reach=reach, bins=n_bins)
    pairs, distance, squares = (np.zeros(n_bins) for _ in range(3))
    for start in range(0, len(z), _BLOCK):
        h = cdist(points[start : start + _BLOCK], points[start:])
        later = np.arange(h.shape[1])[None, :] > np.arange(h.shape[0])[:, None]
        use = later & (h < reach)
        which = (h[use] / reach * n_bins).astype(np.intp)
        difference = z[start : start + _BLOCK, None] - z[None, start:]
        pairs += np.bincount(which, minlength=n_bins)
        distance += np.bincount(which, weights=h[use], minlength=n_bins)
        squares += np.bincount(which, weights=difference[use] ** 2, minlength=n_bins)
    full = pairs > 0
    return pd.DataFrame(
        {
            "distance_m": distance[full] / pairs[full],
            "semivariance": 0.5 * squares[full] / pairs[full],
            "pairs": pairs[full].astype(int),
        }
    )


def fit_variogram(
    values: ArrayLike,
    coordinates: ArrayLike,
    *,
    shape: Shape = "exponential",
    n_bins: int = 15,
    max_distance_m: float | None = None,
) -> Variogram:
    """Fit a variogram to residuals by weighted least squares.

    Nugget and sill are linear and not negative, so only the range is searched, over its whole span; weights are pairs
    over the squared semivariance (N. Cressie, Math. Geol. 17 (1985) 563-586). The sill is not tied to the sample
    variance. Chance structure is kept: it makes a total's variance somewhat too large, where leaving out real structure
    would make it far too small.

    Parameters
    ----------
    values, coordinates, n_bins, max_distance_m
        As in `empirical_variogram`.
    shape : {"exponential", "spherical", "gaussian"}

    Returns
    -------
    Variogram
        Notes say if no spatial structure was found, or if the range reaches the limit of what the data show.

    Raises
    ------
    InputError
        As `empirical_variogram`; also if the values do not vary.
    """
    table = empirical_variogram(values, coordinates, n_bins=n_bins, max_distance_m=max_distance_m)
    h, gamma = table["distance_m"].to_numpy(), table["semivariance"].to_numpy()
    pairs = table["pairs"].to_numpy(dtype=np.float64)
    if not gamma.max() > 0:
        raise InputError("smallarea.no_variation", value=float(checks.vector("values", values)[0]))
    # a shorter range cannot be told from a nugget
    ranges = np.geomspace(2.0 * h[h > 0].min(), 2.0 * h.max(), 121)
    scale = np.full(len(h), float(np.average(gamma, weights=pairs)))
    best = (math.inf, 0.0, 0.0, 0.0)
    for _ in range(4):
        root = np.sqrt(pairs) / np.maximum(scale, 1e-3 * gamma.max())
        best = (math.inf, 0.0, 0.0, 0.0)
        for reach in ranges:
            design = np.column_stack([np.ones(len(h)), 1.0 - decay(h / reach, shape)])
            (nugget, sill), miss = nnls(design * root[:, None], gamma * root)
            if miss < best[0] * (1 - 1e-12):
                best = (miss, float(nugget), float(sill), float(reach))
        scale = best[1] + best[2] * (1.0 - decay(h / best[3], shape))
    _, nugget, sill, reach = best
    notes: tuple[Message, ...] = ()
    if sill <= 1e-9 * (nugget + sill):
        notes = (Message.of("smallarea.no_spatial_structure"),)
    elif reach >= ranges[-2]:
        notes = (Message.of("smallarea.range_beyond_data", limit=round(float(h.max()))),)
    elif reach <= ranges[0]:
        notes = (Message.of("smallarea.range_below_data", limit=round(float(ranges[0]))),)
    return Variogram(nugget, sill, reach, shape, notes)


def correlated_variance(
    sd: ArrayLike,
    variogram: Variogram,
    *,
    cell_m: float | None = None,
    coordinates: ArrayLike | None = None,
    pixels_per_cell: float = 1.0,
) -> float:
    """Variance of a sum of correlated errors, ``sum_ij s_i s_j rho(d_ij)``.

    Parameters
    ----------
    sd : array, shape (rows, columns) or (m,)
        Standard deviation of what each cell or place adds to the total: error per unit of area times area. In a grid
        NaN marks cells outside.
    variogram : Variogram
        Of the errors; only its correlations are used.
    cell_m : float, optional
        Side of a grid cell.
    coordinates : array, shape (m, 2), optional
        Positions of the places, if ``sd`` is no grid.
    pixels_per_cell : float
        Pixels that each cell of an aggregated map stands for: the nugget averages out over them, the rest of the
        correlation is taken at the mean distance within a cell. Keep cells well below the range.

    Raises
    ------
    InputError
        If a standard deviation is negative, or neither or both of cell size and positions are given.
    """
    if (cell_m is None) == (coordinates is None):
        raise InputError("smallarea.cell_or_coordinates")
    if not pixels_per_cell >= 1:
        raise InputError("smallarea.pixels_per_cell", value=pixels_per_cell)
    if cell_m is None:
        s = checks.at_least("sd", checks.vector("sd", sd))
        points = checks.matrix("coordinates", coordinates if coordinates is not None else [], len(s))
        total = 0.0
        for start in range(0, len(s), _BLOCK):
            rho = variogram.correlation(cdist(points[start : start + _BLOCK], points))
            total += float(s[start : start + _BLOCK] @ rho @ s)
        return total
    if not cell_m > 0:
        raise InputError("smallarea.cell", cell_m=cell_m)
    grid = np.nan_to_num(checks.matrix("sd", sd, allow_nan=True))
    if (grid < 0).any():
        row = int(np.argmin(grid.min(axis=1)))
        raise InputError("estimate.too_small", name="sd", value=float(grid.min()), row=row, minimum=0)
    down, across = (min(size - 1, math.ceil(6.0 * variogram.range_m / cell_m)) for size in grid.shape)
    y, x = np.mgrid[-down : down + 1, -across : across + 1]
    kernel = variogram.structured * decay(np.hypot(y, x) * cell_m / variogram.range_m, variogram.shape)
    kernel[down, across] = 1.0
    if pixels_per_cell > 1:
        inner = float(decay(_MEAN_DISTANCE * cell_m / variogram.range_m, variogram.shape))
        kernel[down, across] = variogram.structured * inner + (1.0 - variogram.structured) / pixels_per_cell
    return max(float((grid * oaconvolve(grid, kernel, mode="same")).sum()), 0.0)
