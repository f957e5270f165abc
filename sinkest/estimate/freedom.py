"""Degrees of freedom that a variance estimate deserves, given how heavy the tails of what it was computed from are.

A variance from n values is as good as n - 1 degrees of freedom promise only for values like the normal's. Where most
plots show nothing and a few show a great loss, it rests on those few: its own variance is
``V^2 (kurtosis - 1) / n``, and matching that with the ``2 V^2 / df`` of a chi-square (Satterthwaite 1946, Biometrics
Bull. 2:110) gives ``df = 2 n / (kurtosis - 1)``, which is about n for the normal and far less for heavy tails. Samples
that missed the rare large values claim too much all the same; no interval from their own values can mend that wholly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sinkest.estimate.checks import Floats


@dataclass(frozen=True)
class Scores:
    """What each sampling unit adds to the error of k estimates, sorted by the part of the variance it belongs to.

    Attributes
    ----------
    values : array, shape (m, k)
        With a mean of zero in every part.
    part : array of int, shape (m,)
        Stratum, or whatever the variance is a sum over.
    count : array, shape (m,)
        How many identical units a row stands for.
    """

    values: Floats
    part: NDArray[np.intp]
    count: Floats

    @classmethod
    def of(cls, values: Floats) -> Scores:
        """One value a unit, all in one part."""
        return cls(values.reshape(len(values), -1), np.zeros(len(values), dtype=np.intp), np.ones(len(values)))

    def freedom(self, contrast: Floats, spare: Floats) -> Floats:
        """Degrees of freedom of each part of the variance of a combination of the estimates.

        Parameters
        ----------
        contrast : array, shape (k,)
        spare : array, shape (H,)
            Degrees of freedom by counting units, which are never exceeded; they stand where a part has no spread.
        """
        u = self.values @ contrast
        n, second, fourth = (np.bincount(self.part, self.count * u**k, minlength=len(spare)) for k in (0, 2, 4))
        # relative to the largest part: what is left of rounding is no spread
        known = second > 1e-24 * max(float(second.max(initial=0.0)), 1e-300)
        kurtosis = np.divide(n * fourth, second**2, out=np.ones_like(n), where=known)
        found = np.divide(2.0 * n, kurtosis - 1.0, out=np.full_like(n, np.inf), where=kurtosis - 1.0 > 1e-9)
        return np.where(known, np.minimum(found, spare), spare)


def joined(groups: list[Scores], parts: list[int]) -> Scores:
    """Scores of several groups with so many parts each, the parts numbered on."""
    offset = np.concatenate([[0], np.cumsum(parts)])[: len(groups)]
    return Scores(
        np.concatenate([scores.values for scores in groups]),
        np.concatenate([scores.part + first for scores, first in zip(groups, offset, strict=True)]).astype(np.intp),
        np.concatenate([scores.count for scores in groups]),
    )


def effective(values: Floats, spare: float) -> float:
    """Degrees of freedom of a variance from values with a mean of zero; at most ``spare``."""
    return float(Scores.of(values).freedom(np.ones(1), np.array([spare]))[0])


def excess_kurtosis(values: Floats) -> float:
    """Fourth central moment over the squared variance, less the 3 of the normal; 0 for values without spread."""
    away = values - values.mean()
    square = float((away**2).mean())
    return float((away**4).mean()) / square**2 - 3.0 if square > 0 else 0.0


def satterthwaite(parts: Floats, spare: Floats) -> float:
    """Degrees of freedom of a sum of independent variances (Cochran 1977, eq. 5.16).

    A sample without any spread says nothing on the spread of its parts; their degrees of freedom are then added.
    """
    squares = float((parts**2 / spare).sum())
    return float(parts.sum()) ** 2 / squares if squares > 0 else float(spare.sum())
