"""Compiled kernels of the composites.

Neighbouring pixels lie in lanes side by side, so that one instruction serves many of them; dates that none of them saw
are left out. A pixel's result depends on its own values alone: lanes never mix, and each stops by itself.

All kernels take values (t, b, p) as stored, whether each pixel was seen (t, p) as 0 or 1, and the dates that count, in
order. A stored number times ``scale`` plus ``offset``, rounded to single precision, is the value.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANE_BYTES = 16_384
"""Size of the lanes that are sorted together: half of the innermost cache of common processors."""


class Networks(NamedTuple):
    """Sorting networks one behind the other: ``pairs[starts[k]:starts[k + 1]]`` sort ``sizes[k]`` values."""

    pairs: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]


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


@cache
def sorting_networks(n: int) -> Networks:
    """Networks for every number of values up to 16, and from there in steps of an eighth, up to ``n``."""
    sizes = [1]
    while sizes[-1] < n:
        sizes.append(min(n, sizes[-1] + max(1, sizes[-1] // 8)))
    networks = [sorting_network(size) for size in sizes]
    starts = np.cumsum([0, *(len(network) for network in networks)])
    return Networks(np.concatenate(networks), starts.astype(np.int64), np.array(sizes, dtype=np.int64))


def lanes_of(dates: int, itemsize: int) -> int:
    """Pixels that are sorted side by side."""
    return int(np.clip(LANE_BYTES // (dates * itemsize) // 32 * 32, 32, 256))


@njit(nogil=True, cache=True)
def decode(values, seen, scale, offset, out):  # type: ignore[no-untyped-def]
    """Values (t, p) of stored numbers; NaN where nothing was seen."""
    for t in range(out.shape[0]):
        row, known, into = values[t], seen[t], out[t]
        for i in range(into.size):
            into[i] = np.float32(row[i] * scale + offset) if known[i] else np.float32(np.nan)


@njit(nogil=True, cache=True, error_model="numpy")
def in_sight(seen, order, start, stop, dates, counts):  # type: ignore[no-untyped-def]
    """Dates on which any of the lanes was seen, and the number of dates of each lane."""
    counts[:] = 0
    used = 0
    for k in range(order.size):
        row = seen[order[k], start:stop]
        total = 0
        for i in range(row.size):
            counts[i] += row[i]
            total += row[i]
        if total > 0:
            dates[used] = order[k]
            used += 1
    return used


@njit(nogil=True, cache=True, error_model="numpy")
def _sort(lanes, pairs, first, last):  # type: ignore[no-untyped-def]
    for c in range(first, last):
        low, high = lanes[pairs[c, 0]], lanes[pairs[c, 1]]
        for i in range(low.size):
            a, b = low[i], high[i]
            low[i] = a if a < b else b
            high[i] = b if a < b else a


@njit(nogil=True, cache=True, error_model="numpy")
def percentiles(values, seen, order, scale, offset, shares, pairs, starts, sizes, width, top, out):  # type: ignore[no-untyped-def]
    """Percentiles (k, b, p) at ``shares`` 0..1 of the way from the least to the largest; ``scale`` must be positive.

    ``top`` is the largest number of the stored type: it stands in for what was not seen, and sorts behind.
    """
    bands, pixels = values.shape[1:]
    lanes = np.empty((sizes[-1], width), values.dtype)
    dates = np.empty(order.size, np.int64)
    counts = np.empty(width, np.int64)
    below = np.empty((shares.size, width), np.int64)
    part = np.empty((shares.size, width), np.float64)
    for start in range(0, pixels, width):
        stop = min(start + width, pixels)
        used = in_sight(seen, order, start, stop, dates, counts)
        size = np.searchsorted(sizes, used)
        for k in range(shares.size):
            for i in range(stop - start):
                rank = shares[k] * max(counts[i] - 1, 0)
                below[k, i] = int(np.floor(rank))
                part[k, i] = rank - below[k, i]
        for b in range(bands):
            for t in range(sizes[size] if used else 0):
                lane = lanes[t]
                lane[:] = top
                if t < used:
                    row, known = values[dates[t], b, start:stop], seen[dates[t], start:stop]
                    for i in range(row.size):
                        lane[i] = row[i] if known[i] else top
            if used:
                _sort(lanes, pairs, starts[size], starts[size + 1])
            for k in range(shares.size):
                for i in range(stop - start):
                    if counts[i] == 0:
                        out[k, b, start + i] = np.nan
                        continue
                    at, over = below[k, i], part[k, i]
                    low = np.float32(lanes[at, i] * scale + offset)
                    high = np.float32(lanes[min(at + 1, counts[i] - 1), i] * scale + offset)
                    out[k, b, start + i] = np.float32(low * (1.0 - over) + high * over)
