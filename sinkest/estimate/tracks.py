"""Two phases where the first lies along tracks, as the shots of a lidar in orbit do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate.twophase import TwoPhaseEstimate, two_phase

LEAST_TRACKS = 3


def two_phase_tracks(y: ArrayLike, z: pd.DataFrame, phase2: ArrayLike, track: ArrayLike) -> TwoPhaseEstimate:
    """Mean per unit from auxiliaries along tracks and ground plots at some of them.

    Estimator and residual variance are those of `two_phase`. Its variance of the first phase counts units as drawn one
    by one; neighbours on a track resemble each other and are drawn together. Tracks then are the units that were drawn,
    and with M_k units of mean prediction p_k on track k of K, the mean p of all has the variance of a ratio (Cochran
    1977, Sampling Techniques, chapter 6, without the finite population correction)

        v = sum_k (M_k / mean(M))^2 (p_k - p)^2 / (K (K - 1))

    which takes the place of the other where it is larger. Residuals of the plots count as independent, so plots must
    not lie in clusters.

    Parameters
    ----------
    y : array, shape (n1,)
        Response per unit area; NaN outside phase 2.
    z : DataFrame, shape (n1, p)
        Numbers; no intercept column.
    phase2 : array of bool, shape (n1,)
    track : array, shape (n1,)
        Track of each unit.

    Returns
    -------
    TwoPhaseEstimate
        With at most K - 1 degrees of freedom.

    Raises
    ------
    InputError
        As `two_phase`; or if there are fewer than three tracks.
    """
    names, place = np.unique(np.asarray(track).astype(str), return_inverse=True)
    if len(names) < LEAST_TRACKS:
        raise InputError("gedi.few_tracks", count=len(names), least=LEAST_TRACKS)
    found = two_phase(y, z, phase2)
    slopes = [name for name in z.columns if name in found.coefficients.index]
    predicted = z[slopes].to_numpy(dtype=np.float64) @ found.coefficients[slopes].to_numpy(dtype=np.float64)
    complete = np.isfinite(predicted)
    predicted, place = predicted[complete], place[complete]
    alone = float(np.var(predicted, ddof=1)) / len(predicted)
    more = max(0.0, _between(predicted, place) - alone)
    return dataclasses.replace(
        found,
        method="two_phase_tracks",
        variance=found.variance + more,
        variance_g=found.variance_g + more,
        variance_external=found.variance_external + more,
        df=min(found.df or np.inf, len(np.unique(place)) - 1.0),
    )


def _between(values: NDArray[np.float64], track: NDArray[np.intp]) -> float:
    """Variance of the mean of values that were drawn by tracks of unequal length."""
    size = np.bincount(track)
    total = np.bincount(track, values)[size > 0]
    size = size[size > 0]
    count = len(size)
    off = (total - size * values.mean()) / size.mean()
    return float((off**2).sum()) / (count * (count - 1))
