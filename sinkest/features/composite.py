"""One value a pixel out of many dates: medians, percentiles, medoid, geometric median.

All functions take a stack (t, y, x) or (t, b, y, x) of float32 with NaN where nothing was seen. Dates without a value
are left out; a pixel without any stays NaN. Each pixel is worked on by itself, so no result depends on the block, and
none but the choice between equal medoids depends on the order of the dates.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sinkest.errors import InputError

Floats = NDArray[np.float32]

GEOMEDIAN_STEPS = 500
GEOMEDIAN_TOLERANCE = 1e-5
"""Step below which a geometric median counts as found: a tenth of the storage unit of reflectance."""

_LANES = 64


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
    values = np.ascontiguousarray(stack, dtype=np.float32)
    if values.ndim != 3 or values.shape[0] == 0:
        raise InputError("features.stack", given=values.shape)
    if not all(0.0 <= each <= 100.0 for each in wanted):
        raise InputError("features.percentile", given=", ".join(map(str, wanted)))
    dates, height, width = values.shape
    out = np.empty((len(wanted), height * width), dtype=np.float32)
    shares = np.array(wanted, dtype=np.float64) / 100.0
    _percentiles(values.reshape(dates, -1), shares, sorting_network(dates), out)
    return out.reshape(len(wanted), height, width)


def medoid(stack: Floats) -> Floats:
    """The observed spectrum with the least sum of distances to all others, (b, y, x); the earliest of equals.

    Flood (2013), Remote Sensing 5, 6481, with Euclidean distances.

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
    """Geometric median of the spectra, (b, y, x): the point with the least sum of distances to the observed ones.

    Weiszfeld's iteration from the mean, with the step of Vardi & Zhang (2000), PNAS 97, 1423, where it meets an
    observation, so that it neither stalls there nor divides by zero. It ends when a step is shorter than
    `GEOMEDIAN_TOLERANCE`, or after `GEOMEDIAN_STEPS`.

    Parameters
    ----------
    stack : float32 array (t, b, y, x)
        A date counts where all its bands have a value.
    """
    flat, shape = _flat(stack)
    out = np.full(flat.shape[1:], np.nan, dtype=np.float32)
    _geomedian(flat, GEOMEDIAN_TOLERANCE, GEOMEDIAN_STEPS, out)
    return out.reshape(shape)


@cache
def sorting_network(n: int) -> NDArray[np.int64]:
    """Comparators that sort ``n`` values, (comparator, 2): Batcher's merge exchange (Knuth, TAOCP 3, algorithm M).

    The comparators do not depend on the values, so one of them can serve many pixels at a time.
    """
    pairs: list[tuple[int, int]] = []
    top = 1 << max(n - 1, 0).bit_length() >> 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _flat(stack: Floats) -> tuple[Floats, tuple[int, ...]]:
    values = np.ascontiguousarray(stack, dtype=np.float32)
    if values.ndim != 4 or values.shape[0] == 0:
        raise InputError("features.stack", given=values.shape)
    return values.reshape(values.shape[0], values.shape[1], -1), values.shape[1:]


@njit(nogil=True, cache=True)
def _percentiles(stack, shares, network, out):  # type: ignore[no-untyped-def]
    dates, pixels = stack.shape
    lanes = np.full((dates, _LANES), np.inf, np.float32)
    seen = np.empty(_LANES, np.int64)
    for start in range(0, pixels, _LANES):
        width = min(_LANES, pixels - start)
        seen[:] = 0
        for t in range(dates):
            for i in range(width):
                value = stack[t, start + i]
                if np.isfinite(value):
                    lanes[t, i] = value
                    seen[i] += 1
                else:
                    lanes[t, i] = np.inf
        for c in range(network.shape[0]):
            low, high = lanes[network[c, 0]], lanes[network[c, 1]]
            for i in range(_LANES):
                a, b = low[i], high[i]
                low[i] = a if a < b else b
                high[i] = b if a < b else a
        for i in range(width):
            n = seen[i]
            for k in range(shares.size):
                if n == 0:
                    out[k, start + i] = np.nan
                    continue
                rank = shares[k] * (n - 1)
                below = int(np.floor(rank))
                above = min(below + 1, n - 1)
                part = rank - below
                out[k, start + i] = np.float32(lanes[below, i] * (1.0 - part) + lanes[above, i] * part)


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
    sums = np.empty(stack.shape[0], dtype=np.float64)
    for p in range(stack.shape[2]):
        n = _seen(stack, p, dates)
        sums[:] = 0.0
        for i in range(n):
            for j in range(i):
                square = 0.0
                for b in range(stack.shape[1]):
                    step = np.float64(stack[dates[i], b, p]) - np.float64(stack[dates[j], b, p])
                    square += step * step
                distance = np.sqrt(square)
                sums[i] += distance
                sums[j] += distance
        best = 0
        for i in range(1, n):
            if sums[i] < sums[best]:
                best = i
        if n > 0:
            for b in range(stack.shape[1]):
                out[b, p] = stack[dates[best], b, p]


@njit(nogil=True, cache=True)
def _geomedian(stack, tolerance, steps, out):  # type: ignore[no-untyped-def]
    bands = stack.shape[1]
    dates = np.empty(stack.shape[0], dtype=np.int64)
    here, pull = np.empty(bands), np.empty(bands)
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
            weights, met = 0.0, 0.0
            pull[:] = 0.0
            for i in range(n):
                square = 0.0
                for b in range(bands):
                    step = stack[dates[i], b, p] - here[b]
                    square += step * step
                if square < 1e-24:
                    met += 1.0
                    continue
                weight = 1.0 / np.sqrt(square)
                weights += weight
                for b in range(bands):
                    pull[b] += weight * (stack[dates[i], b, p] - here[b])
            # The others pull with the resultant of their unit vectors; the observations met hold back with one each.
            force = 0.0
            for b in range(bands):
                force += pull[b] * pull[b]
            force = np.sqrt(force)
            if force <= met:
                break
            moved = (1.0 - met / force) / weights
            for b in range(bands):
                here[b] += moved * pull[b]
            if moved * force < tolerance:
                break
        for b in range(bands):
            out[b, p] = np.float32(here[b])
