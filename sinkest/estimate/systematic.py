"""Variance of means from systematic grids, by local differences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from sinkest.errors import InputError
from sinkest.estimate.checks import Floats, matrix, require_rows
from sinkest.estimate.freedom import excess_kurtosis

Pattern = Literal["random", "systematic"]
NEIGHBOURS = 4


@dataclass(frozen=True)
class Neighbourhoods:
    """Which units lie around each unit, itself included.

    Attributes
    ----------
    member, centre : array of int, shape (pairs,)
        Unit ``member`` lies in the neighbourhood of unit ``centre``.
    size : array, shape (n,)
        Units in each neighbourhood.
    """

    member: NDArray[np.intp]
    centre: NDArray[np.intp]
    size: Floats

    @classmethod
    def of(cls, coordinates: ArrayLike, n: int, neighbours: int = NEIGHBOURS) -> Neighbourhoods:
        """Find the nearest neighbours of n units; ties at the last distance are all included.

        Raises
        ------
        InputError
            If there are fewer units than a neighbourhood needs, or positions are missing.
        """
        points = matrix("coordinates", coordinates)
        if points.shape != (n, 2):
            raise InputError("estimate.coordinates_shape", shape=points.shape, n=n)
        require_rows("coordinates", n, neighbours + 1)
        tree = cKDTree(points)
        wanted = min(2 * neighbours + 5, n)
        while True:
            distance, unit = tree.query(points, k=wanted)
            # grids carry rounded coordinates: neighbours that are equally far on paper differ in the last digits
            near = distance <= distance[:, neighbours, None] * (1.0 + 1e-6)
            if wanted == n or not near[:, -1].any():
                break
            wanted = min(2 * wanted, n)
        centre, place = np.nonzero(near)
        return cls(unit[centre, place].astype(np.intp), centre, near.sum(axis=1).astype(np.float64))

    def differences(self, values: Floats) -> Floats:
        """Units less the mean around them, scaled so that their squares sum to the variance; shape of the values."""
        size = self.size.reshape(-1, *[1] * (values.ndim - 1))
        return (values - self._sums @ values / size) * np.sqrt(size / (size - 1.0))

    @cached_property
    def _sums(self) -> sparse.csr_matrix:
        """Matrix that adds up each neighbourhood."""
        n = len(self.size)
        return sparse.csr_matrix((np.ones(len(self.member)), (self.centre, self.member)), shape=(n, n))

    def variance(self, scores: Floats) -> float:
        """Sum of the squared differences."""
        return float((self.differences(scores) ** 2).sum())

    def freedom(self, excess: float = 0.0) -> float:
        """Degrees of freedom of that sum, for unrelated scores of a given excess kurtosis.

        It is a quadratic form ``u' Q u``, of which the variance is ``2 tr(Q^2) + excess * sum(Q_ii^2)`` times ``s^4``,
        so ``df = 2 tr(Q)^2`` over that. Differences overlap: on a square grid normal scores give about n / 1.6.
        """
        # a unit is the first of its own neighbourhood, unless several stand on one spot
        own = (self.centre == self.member) - 1.0 / self.size[self.centre]
        weighted = own * np.sqrt(self.size / (self.size - 1.0))[self.centre]
        n = len(self.size)
        contrast = sparse.csr_matrix((weighted, (self.centre, self.member)), shape=(n, n))
        form = (contrast.T @ contrast).tocsr()
        diagonal = form.diagonal()
        # the second term never outweighs the first: an excess kurtosis is at least -2
        noise = 2.0 * float((form.data**2).sum()) + excess * float((diagonal**2).sum())
        return 2.0 * float(diagonal.sum()) ** 2 / max(noise, 1e-300)


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
    return Neighbourhoods.of(coordinates, len(values), neighbours).variance(values)


class Chosen(NamedTuple):
    """The variance that fits how a sample was laid out.

    Attributes
    ----------
    variance : float
    local : float or None
        From local differences; None where no positions are given.
    df : float
        Degrees of freedom of the chosen one.
    """

    variance: float
    local: float | None
    df: float


def by_pattern(
    variance: float,
    df: float,
    scores: Floats,
    coordinates: ArrayLike | None,
    design: Pattern,
    fraction: float = 0.0,
) -> Chosen:
    """Choose between the variance for random samples and the local one.

    Parameters
    ----------
    variance, df : float
        For a random sample.
    scores : array, shape (n,)
        What each unit adds to the estimate.
    coordinates : array, shape (n, 2), optional
        Positions in a projected system.
    design : {"random", "systematic"}
        How the units were laid out.
    fraction : float
        Sampled share of the population.

    Raises
    ------
    InputError
        If the design is unknown, or systematic without positions.
    """
    if design not in ("random", "systematic"):
        raise InputError("estimate.option", name="design", value=str(design), options="random, systematic")
    if coordinates is None:
        if design == "systematic":
            raise InputError("estimate.coordinates_missing")
        return Chosen(variance, None, df)
    around = Neighbourhoods.of(coordinates, len(scores))
    local = (1.0 - fraction) * around.variance(scores)
    if design == "random":
        return Chosen(variance, local, df)
    return Chosen(local, local, min(df, around.freedom(excess_kurtosis(scores))))
