"""One value a pixel out of many dates: medians, percentiles, medoid, geometric median.

All functions take a stack (t, y, x) or (t, b, y, x) of float32 with NaN where nothing was seen. Dates without a value
are left out; a pixel without any stays NaN. Every result is the same whatever the order of blocks or dates.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sinkest.errors import InputError

Floats = NDArray[np.float32]
GEOMEDIAN_STEPS = 200
GEOMEDIAN_TOLERANCE = 1e-5


def count_valid(stack: Floats) -> NDArray[np.int32]:
    """Number of dates with a value, (y, x)."""
    return np.isfinite(stack).sum(axis=0, dtype=np.int32)


def median(stack: Floats) -> Floats:
    """Median of each pixel over the dates, (y, x); of an even number the mean of the middle two, as numpy does."""
    return percentiles(stack, (50.0,))[0]


def percentiles(stack: Floats, wanted: tuple[float, ...]) -> Floats:
    """Percentiles of each pixel over the dates, linear between the two nearest ranks.

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
    values = np.ascontiguousarray(stack, dtype=np.float32)
    if values.ndim != 3 or values.shape[0] == 0:
        raise InputError("features.stack", given=values.shape)
    if not all(0.0 <= each <= 100.0 for each in wanted):
        raise InputError("features.percentile", given=", ".join(map(str, wanted)))
    dates, height, width = values.shape
    out = np.empty((len(wanted), height * width), dtype=np.float32)
    _percentiles(values.reshape(dates, -1), np.array(wanted, dtype=np.float64) / 100.0, out)
    return out.reshape(len(wanted), height, width)


def medoid(stack: Floats) -> Floats:
    """The date whose spectrum lies nearest to all others, (b, y, x); the earliest of equals.

    Parameters
    ----------
    stack : float32 array (t, b, y, x)
        A date counts where all its bands have a value.
    """
    flat, shape = _flat(stack)
    out = np.full(flat.shape[1:], np.nan, dtype=np.float32)
    _medoid(flat, out)
    return out.reshape(shape)


def geomedian(stack: Floats) -> Floats:
    """Geometric median of the spectra, (b, y, x), by Weiszfeld's iteration (Weiszfeld 1937; Roberts et al. 2017).

    The iteration ends when a step is shorter than 1e-5 (a tenth of the storage unit of reflectance), or after 200.

    Parameters
    ----------
    stack : float32 array (t, b, y, x)
        A date counts where all its bands have a value.
    """
    flat, shape = _flat(stack)
    out = np.full(flat.shape[1:], np.nan, dtype=np.float32)
    _geomedian(flat, GEOMEDIAN_TOLERANCE, GEOMEDIAN_STEPS, out)
    return out.reshape(shape)


def _flat(stack: Floats) -> tuple[Floats, tuple[int, ...]]:
    values = np.ascontiguousarray(stack, dtype=np.float32)
    if values.ndim != 4 or values.shape[0] == 0:
        raise InputError("features.stack", given=values.shape)
    return values.reshape(values.shape[0], values.shape[1], -1), values.shape[1:]


@njit(nogil=True, cache=True)
def _percentiles(stack, wanted, out):  # type: ignore[no-untyped-def]
    dates, pixels = stack.shape
    line = np.empty(dates, dtype=np.float32)
    for p in range(pixels):
        n = 0
        for t in range(dates):
            value = stack[t, p]
            if np.isfinite(value):
                at = n
                while at > 0 and line[at - 1] > value:
                    line[at] = line[at - 1]
                    at -= 1
                line[at] = value
                n += 1
        for k in range(wanted.size):
            if n == 0:
                out[k, p] = np.nan
                continue
            rank = wanted[k] * (n - 1)
            low = int(np.floor(rank))
            high = min(low + 1, n - 1)
            share = rank - low
            out[k, p] = np.float32(line[low] * (1.0 - share) + line[high] * share)


@njit(nogil=True, cache=True)
def _seen(stack, p, dates):  # type: ignore[no-untyped-def]
    """Dates on which all bands of a pixel have a value."""
    n = 0
    for t in range(stack.shape[0]):
        whole = True
        for b in range(stack.shape[1]):
            if not np.isfinite(stack[t, b, p]):
                whole = False
                break
        if whole:
            dates[n] = t
            n += 1
    return n


@njit(nogil=True, cache=True)
def _medoid(stack, out):  # type: ignore[no-untyped-def]
    dates = np.empty(stack.shape[0], dtype=np.int64)
    for p in range(stack.shape[2]):
        n = _seen(stack, p, dates)
        best, best_sum = -1, np.inf
        for i in range(n):
            total = 0.0
            for j in range(n):
                square = 0.0
                for b in range(stack.shape[1]):
                    step = np.float64(stack[dates[i], b, p]) - np.float64(stack[dates[j], b, p])
                    square += step * step
                total += np.sqrt(square)
            if total < best_sum:
                best, best_sum = dates[i], total
        if best >= 0:
            out[:, p] = stack[best, :, p]


@njit(nogil=True, cache=True)
def _geomedian(stack, tolerance, steps, out):  # type: ignore[no-untyped-def]
    bands = stack.shape[1]
    dates = np.empty(stack.shape[0], dtype=np.int64)
    here, following = np.empty(bands), np.empty(bands)
    for p in range(stack.shape[2]):
        n = _seen(stack, p, dates)
        if n == 0:
            continue
        for b in range(bands):
            here[b] = 0.0
            for i in range(n):
                here[b] += stack[dates[i], b, p]
            here[b] /= n
        for _ in range(steps):
            weight_sum = 0.0
            following[:] = 0.0
            for i in range(n):
                square = 0.0
                for b in range(bands):
                    step = stack[dates[i], b, p] - here[b]
                    square += step * step
                # A point that the iteration stands on would have an infinite weight.
                weight = 1.0 / max(np.sqrt(square), 1e-9)
                weight_sum += weight
                for b in range(bands):
                    following[b] += weight * stack[dates[i], b, p]
            moved = 0.0
            for b in range(bands):
                following[b] /= weight_sum
                step = following[b] - here[b]
                moved += step * step
                here[b] = following[b]
            if moved < tolerance * tolerance:
                break
        for b in range(bands):
            out[b, p] = np.float32(here[b])
