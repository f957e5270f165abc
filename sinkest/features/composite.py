"""One value a pixel out of many dates: medians, percentiles, medoid, geometric median.

A stack holds (t, y, x) or (t, b, y, x) values: float32 with NaN where nothing was seen, or a `StoredStack` with the
numbers as they stand in the files. Dates without a value are left out; a pixel without any stays NaN. Each pixel is
worked on by itself, so no result depends on the block. The order of the dates decides between equal medoids, and the
last digits of a geometric median; nothing else depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinkest.errors import InputError
from sinkest.features import kernels, spectral

Floats = NDArray[np.float32]

GEOMEDIAN_STEPS = 500
GEOMEDIAN_TOLERANCE = 1e-6
"""Step below which a geometric median counts as found: a hundredth of the storage unit of reflectance."""


@dataclass(frozen=True)
class StoredStack:
    """Spectra of several dates with the numbers as stored, and where each date saw the ground.

    Attributes
    ----------
    values : array of integers or float32, (t, b, y, x)
        Any number where nothing was seen.
    seen : bool array (t, y, x)
        Only where all bands have a finite value.
    scale, offset : float
        Value = stored * ``scale`` + ``offset``, rounded to float32; ``scale`` is positive.
    """

    values: NDArray[Any]
    seen: NDArray[np.bool_]
    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, stack: Floats) -> StoredStack:
        """Stack of float32 (t, b, y, x); a date counts where all its bands have a value."""
        values = np.ascontiguousarray(stack, dtype=np.float32)
        if values.ndim != 4 or values.shape[0] == 0:
            raise InputError("features.stack", given=values.shape)
        return cls(values, np.logical_and.reduce(np.isfinite(values), axis=1))

    def count(self, dates: Sequence[int] | None = None) -> NDArray[np.int32]:
        """Number of dates that saw each pixel, (y, x)."""
        seen = self.seen if dates is None else self.seen[list(dates)]
        return seen.sum(axis=0, dtype=np.int32)

    def of_band(self, band: int, dates: Sequence[int]) -> Floats:
        """Values of one band on some dates, (t, y, x); NaN where nothing was seen."""
        found = np.empty((len(dates), *self.seen.shape[1:]), dtype=np.float32)
        for into, date in zip(found, dates, strict=True):
            kernels.decode(self.values[date, band], self.seen[date].view(np.uint8), self.scale, self.offset, into)
        return found


def compose(stack: StoredStack, method: str, dates: Sequence[int] | None = None) -> Floats:
    """Composite of some dates of a stack, (b, y, x).

    Parameters
    ----------
    stack : StoredStack
    method : {"median", "medoid", "geomedian"}
    dates : sequence of int, optional
        Places in the stack; all by default.
    """
    count, bands, height, width = stack.values.shape
    order = np.arange(count) if dates is None else np.array(dates, dtype=np.int64)
    out = np.full((bands, height * width), np.nan, dtype=np.float32)
    if method == "median":
        _ranked(stack, order, (50.0,), out[None])
    else:
        values, seen = _flat(stack)
        if method == "medoid":
            spectral.medoid(values, seen, order, stack.scale, stack.offset, (0,) * bands, out)
        else:
            limits = GEOMEDIAN_TOLERANCE, GEOMEDIAN_STEPS
            spectral.geomedian(values, seen, order, stack.scale, stack.offset, *limits, (0,) * bands, out)
    return out.reshape(bands, height, width)


def count_valid(stack: Floats) -> NDArray[np.int32]:
    """Number of dates with a value, (y, x)."""
    return np.isfinite(stack).sum(axis=0, dtype=np.int32)


def median(stack: Floats) -> Floats:
    """Median of each pixel over the dates, (y, x); of an even number the mean of the middle two.

    Bit for bit what ``numpy.nanmedian`` gives.
    """
    return percentiles(stack, (50.0,))[0]


def percentiles(stack: Floats, wanted: tuple[float, ...]) -> Floats:
    """Percentiles of each pixel over the dates, linear between the two nearest ranks as in ``numpy.nanpercentile``.

    Parameters
    ----------
    stack : float32 array (t, y, x)
    wanted : tuple of float
        Percentiles, 0..100.

    Returns
    -------
    float32 array (len(wanted), y, x)

    Raises
    ------
    InputError
        If the stack has no date or a percentile lies outside 0..100.
    """
    if stack.ndim != 3:
        raise InputError("features.stack", given=stack.shape)
    if not all(0.0 <= each <= 100.0 for each in wanted):
        raise InputError("features.percentile", given=", ".join(map(str, wanted)))
    dates, height, width = stack.shape
    out = np.empty((len(wanted), 1, height * width), dtype=np.float32)
    _ranked(StoredStack.of(stack[:, None]), np.arange(dates), wanted, out)
    return out.reshape(len(wanted), height, width)


def medoid(stack: Floats) -> Floats:
    """The observed spectrum with the least sum of distances to all others, (b, y, x); the earliest of equals.

    Flood (2013), Remote Sensing 5, 6481, with Euclidean distances.

    Parameters
    ----------
    stack : float32 array (t, b, y, x)
        A date counts where all its bands have a value.
    """
    return compose(StoredStack.of(stack), "medoid")


def geomedian(stack: Floats) -> Floats:
    """Geometric median of the spectra, (b, y, x): the point with the least sum of distances to the observed ones.

    Weiszfeld's iteration from the mean, with the step of Vardi & Zhang (2000), PNAS 97, 1423, where it meets an
    observation, so that it neither stalls there nor divides by zero. It ends when a step is shorter than
    `GEOMEDIAN_TOLERANCE`, or after `GEOMEDIAN_STEPS`.

    Parameters
    ----------
    stack : float32 array (t, b, y, x)
        A date counts where all its bands have a value.
    """
    return compose(StoredStack.of(stack), "geomedian")


def _ranked(stack: StoredStack, order: NDArray[np.int64], wanted: tuple[float, ...], out: Floats) -> None:
    values, seen = _flat(stack)
    kind = values.dtype
    top = kind.type(np.inf if kind.kind == "f" else np.iinfo(kind).max)
    networks = kernels.sorting_networks(max(len(order), 1))
    width = kernels.lanes_of(max(len(order), 1), kind.itemsize)
    shares = np.array(wanted, dtype=np.float64) / 100.0
    kernels.percentiles(values, seen, order, stack.scale, stack.offset, shares, *networks, width, top, out)


def _flat(stack: StoredStack) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    values = np.ascontiguousarray(stack.values)
    seen = np.ascontiguousarray(stack.seen).view(np.uint8)
    return values.reshape(*values.shape[:2], -1), seen.reshape(len(seen), -1)
