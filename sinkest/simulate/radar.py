"""What Sentinel-1 would see: linear gamma0 of a block on a day, with speckle."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sinkest.simulate.noise import SOURCE_STAMP, kernel, lattice, mixed, normal, smooth

BANDS = ("vv", "vh")

# Salts 124-127.
_SPECKLE, _WET = 124, 125
_MIXED, _OIL_TEA, _WATER = 4, 6, 14
_LOOK_EAST = np.array([0.97, 0.22])  # horizontal direction in which a right-looking ascending pass looks
_PER_DB = math.log(10.0) / 10.0


def looks(resolution_m: float) -> float:
    """Equivalent number of looks: 4.4 for a pixel of 10 m, more for larger ones, at most 60."""
    return float(np.clip(4.4 * (resolution_m / 10.0) ** 2, 4.4, 60.0))


def _kernels(stamp: int) -> Any:
    @kernel
    def backscatter(
        x, y, code, closure, visible, elevation, hidden, size_m, table, stock_db, speckle, day, salts, gamma0
    ):
        """Fill ``gamma0`` (2, y, x); the arrays of the ground have a halo of one pixel, ``x`` and ``y`` have none.

        ``stock_db`` holds the saturation (m3/ha) and the rise of vv and vh (dB) to a full stand; ``speckle`` is the
        standard deviation of the logarithm of the intensity.
        """
        for j in range(gamma0.shape[1] if stamp else 0):
            for i in range(gamma0.shape[2]):
                u, v = x[j, i], y[j, i]
                kind, look = code[j + 1, i + 1], hidden[0, j + 1, i + 1]
                # The radar penetrates crowns: of two stands that look alike it does not see the same, nor all of it.
                full = 1.0 - math.exp(-visible[j + 1, i + 1] / stock_db[0])
                open_db = 1.6 * (1.0 - closure[j + 1, i + 1]) if kind <= _OIL_TEA else 0.0
                own = 0.45 * hidden[1, j + 1, i + 1] + 0.35 * hidden[3, j + 1, i + 1]
                east = (elevation[j + 1, i + 2] - elevation[j + 1, i]) / (2.0 * size_m)
                north = (elevation[j, i + 1] - elevation[j + 2, i + 1]) / (2.0 * size_m)
                facing = -1.3 * (east * _LOOK_EAST[0] + north * _LOOK_EAST[1])
                wet = 0.35 * smooth(u + 7e4 * (day % 97), v, 16000.0, salts[_WET]) if kind != _WATER else 0.0
                spot = mixed(lattice(np.int64(np.rint(10.0 * u)), np.int64(np.rint(10.0 * v)), salts[_SPECKLE] + day))
                for p in range(2):
                    level = table[kind, 0, p] * (1.0 - look) + table[kind, 1, p] * look + own + facing + wet - open_db
                    if kind <= _MIXED:
                        level += stock_db[1 + p] * (full - 0.6)
                    spot = mixed(spot)
                    gamma0[p, j, i] = math.exp(_PER_DB * level + speckle * normal(spot) - 0.5 * speckle * speckle)

    return backscatter


backscatter = _kernels(SOURCE_STAMP)
