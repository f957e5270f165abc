"""Whether treated land has grown greener than land like it outside: matched controls, difference in differences.

Each treated pixel is held against pixels outside of the same earlier land cover that were as high, as steep and as
green before, and lie near. What remains of the difference is the gain; its error comes from blocks of land, since
neighbouring pixels share weather, soil and treatment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import t

from sinkest.errors import InputError

Floats = NDArray[np.float64]

CALIPER_SD = 0.5
"""Largest difference of a matched covariate, in standard deviations over the treated pixels."""
NEAR_M = 15_000.0
"""Largest distance of a control along either axis, metres."""
BLOCK_M = 5_000.0
"""Side of the blocks that count as independent, metres."""
CONTROLS = 5
LEAST_BLOCKS = 6
"""With fewer blocks no interval is given."""


@dataclass(frozen=True)
class Pixels:
    """Pixels with what they are matched on.

    Attributes
    ----------
    cover : ndarray of int, (n,)
        Earlier land-cover class; matched exactly.
    covariates : ndarray, (n, k)
        Elevation, slope, earlier greenness.
    xy_m : ndarray, (n, 2)
        Projected coordinates.
    change : ndarray, (n,)
        Later less earlier greenness.
    """

    cover: NDArray[np.int64]
    covariates: Floats
    xy_m: Floats
    change: Floats

    def __len__(self) -> int:
        return len(self.change)


@dataclass(frozen=True)
class Gain:
    """Extra change of greenness on treated land.

    Attributes
    ----------
    value, se, low, high : float
        Over the whole period, in the index's unit; NaN without matches, errors NaN with too few blocks.
    pixels, matched, blocks : int
        Treated pixels, those with a control, and blocks they lie in.
    """

    value: float
    se: float
    low: float
    high: float
    pixels: int
    matched: int
    blocks: int


def gain(treated: Pixels, outside: Pixels, level: float = 0.95) -> Gain:
    """Mean change of treated pixels less that of their controls, with a block-jackknife interval.

    Parameters
    ----------
    treated, outside : Pixels
    level : float
        Of the interval.

    Returns
    -------
    Gain

    Raises
    ------
    InputError
        If a value is not finite.

    Notes
    -----
    Matching on a greenness measured with error leaves a part of the difference between degraded land and its controls
    to regression to the mean: controls that merely looked as bare recover on their own. The gain is then too small.
    """
    for pixels in (treated, outside):
        if not all(np.isfinite(part).all() for part in (pixels.covariates, pixels.xy_m, pixels.change)):
            raise InputError("restoration.not_finite")
    extra = extra_change(treated, outside)
    known = np.isfinite(extra)
    nothing = Gain(math.nan, math.nan, math.nan, math.nan, len(treated), 0, 0)
    if not known.any():
        return nothing
    keys = np.floor(treated.xy_m[known] / BLOCK_M).astype(np.int64)
    _, block = np.unique(keys, axis=0, return_inverse=True)
    sums = np.bincount(block.ravel(), weights=extra[known])
    sizes = np.bincount(block.ravel()).astype(np.float64)
    value, count = float(sums.sum() / sizes.sum()), len(sizes)
    if count < LEAST_BLOCKS:
        return Gain(value, math.nan, math.nan, math.nan, len(treated), int(known.sum()), count)
    without = (sums.sum() - sums) / (sizes.sum() - sizes)
    se = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    # blocks of unlike size carry fewer degrees of freedom than their number
    effective = sizes.sum() ** 2 / float((sizes**2).sum())
    half = float(t.ppf(0.5 + level / 2, max(effective - 1, 1.0))) * se
    return Gain(value, se, value - half, value + half, len(treated), int(known.sum()), count)


def extra_change(treated: Pixels, outside: Pixels) -> Floats:
    """Change of each treated pixel less the mean change of its controls; NaN where it has none.

    What the covariates still differ by within the calipers is taken out by a line through the controls' changes
    (bias-corrected matching; Abadie & Imbens 2011, doi:10.1198/jbes.2009.07333).
    """
    out = np.full(len(treated), np.nan)
    if not len(treated) or not len(outside):
        return out
    spread = treated.covariates.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0) * CALIPER_SD
    for cover in np.unique(treated.cover):
        here, there = treated.cover == cover, outside.cover == cover
        if not there.any():
            continue
        scaled = [
            np.column_stack([pixels.covariates[mask] / spread, pixels.xy_m[mask] / NEAR_M])
            for pixels, mask in ((treated, here), (outside, there))
        ]
        slope = _slope(outside, there)
        # Chebyshev: every covariate within its own caliper
        distance, index = cKDTree(scaled[1]).query(
            scaled[0], k=min(CONTROLS, int(there.sum())), p=np.inf, distance_upper_bound=1.0
        )
        distance, index = distance.reshape(here.sum(), -1), index.reshape(here.sum(), -1)
        expected = [pixels.covariates[mask] @ slope for pixels, mask in ((treated, here), (outside, there))]
        change = np.append(outside.change[there] - expected[1], np.nan)[np.minimum(index, int(there.sum()))]
        found = np.isfinite(distance)
        count = found.sum(axis=1)
        mean = np.where(found, change, 0.0).sum(axis=1) / np.maximum(count, 1)
        out[here] = np.where(count > 0, treated.change[here] - expected[0] - mean, np.nan)
    return out


def _slope(outside: Pixels, mask: NDArray[np.bool_]) -> Floats:
    """Change of the controls by covariate, least squares, (k,)."""
    known = outside.covariates[mask]
    centred = known - known.mean(axis=0)
    change = outside.change[mask]
    return np.asarray(np.linalg.lstsq(centred, change - change.mean(), rcond=None)[0], dtype=np.float64)
