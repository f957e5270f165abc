"""Variance of means from systematic grids, by local differences."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats, matrix, require_rows

Pattern = Literal["random", "systematic"]
NEIGHBOURS = 4


def local_variance(scores: ArrayLike, coordinates: ArrayLike, neighbours: int = NEIGHBOURS) -> float:
    """Variance of a sum of scores from a systematic (or spatially balanced) sample.

    Every score is compared with the mean of its neighbourhood, itself included, instead of with the mean of the whole
    sample, so trends over the area, which a grid catches and simple random sampling would not, do not count as error:
    ``sum(m / (m - 1) * (u - mean of the m scores around u)^2)`` (Grafström & Schelin 2014, Scand. J. Stat. 41:277,
    eq. 9; Stevens & Olsen 2003). For the mean of n values the scores are ``y / n``.

    Parameters
    ----------
    scores : array, shape (n,)
        What each unit adds to the estimate; for a mean of y, ``y / n``; for a regression estimate, weighted residuals.
    coordinates : array, shape (n, 2)
        Positions in a projected system (metres); degrees of longitude and latitude would distort distances.
    neighbours : int
        Nearest neighbours in a neighbourhood besides the unit itself; ties at the last distance are all included, so
        that the order of rows does not matter.

    Returns
    -------
    float
        In the unit of the scores, squared.

    Raises
    ------
    InputError
        If there are fewer units than a neighbourhood needs, or positions are missing.
    """
    values = np.asarray(scores, dtype=np.float64)
    return float(local_covariance(values[:, None], coordinates, neighbours)[0, 0])


def local_covariance(scores: Floats, coordinates: ArrayLike, neighbours: int = NEIGHBOURS) -> Floats:
    """Covariance of the sums of several scores, by the rule of `local_variance`.

    Parameters
    ----------
    scores : array, shape (n, k)
    coordinates, neighbours
        As in `local_variance`.

    Returns
    -------
    array, shape (k, k)

    Raises
    ------
    InputError
        As `local_variance`.
    """
    points = matrix("coordinates", coordinates)
    n = len(scores)
    if points.shape != (n, 2):
        raise InputError("estimate.coordinates_shape", shape=points.shape, n=n)
    require_rows("coordinates", n, neighbours + 1)
    mean, size = _neighbourhood_means(scores, points, neighbours)
    away = (scores - mean) * np.sqrt(size / (size - 1.0))[:, None]
    return away.T @ away


def by_pattern(
    variance: float, scores: Floats, coordinates: ArrayLike | None, design: Pattern, fraction: float = 0.0
) -> tuple[float, float | None]:
    """Choose between the variance for random samples and the local one.

    Parameters
    ----------
    variance : float
        For a random sample.
    scores : array, shape (n,)
        What each unit adds to the estimate.
    coordinates : array, shape (n, 2), optional
        Positions in a projected system.
    design : {"random", "systematic"}
        How the units were laid out.
    fraction : float
        Sampled share of the population.

    Returns
    -------
    chosen : float
    local : float or None
        None where no positions are given.

    Raises
    ------
    InputError
        If the design is unknown, or systematic without positions.
    """
    if design not in ("random", "systematic"):
        raise InputError("estimate.option", name="design", value=str(design), options="random, systematic")
    local = None if coordinates is None else (1.0 - fraction) * local_variance(scores, coordinates)
    if design == "random":
        return variance, local
    if local is None:
        raise InputError("estimate.coordinates_missing")
    return local, local


def _neighbourhood_means(values: Floats, points: Floats, neighbours: int) -> tuple[Floats, Floats]:
    tree = cKDTree(points)
    reach = tree.query(points, k=neighbours + 1)[0][:, -1]
    # grids carry rounded coordinates: neighbours that are equally far on paper differ in the last digits
    around = tree.query_ball_point(points, reach * (1.0 + 1e-6))
    size = np.array([len(group) for group in around], dtype=np.float64)
    mean = np.array([values[sorted(group)].mean(axis=0) for group in around])
    return mean, size
