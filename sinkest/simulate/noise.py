"""Random numbers that belong to a place: hashes of a lattice, smooth noise and irregular cells.

Everything here is a pure function of the coordinates and a salt, so a field looks the same however a map is cut into
blocks. The hash is the finaliser of SplitMix64 (Steele, Lea & Flood 2014); the smooth noise is gradient noise (Perlin
1985) with the quintic fade (Perlin 2002); the cells are those of jittered points (Worley 1996).
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numba as nb
import numpy as np

_DIRECTIONS = 64
_COS = np.cos(2.0 * np.pi * (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS)
_SIN = np.sin(2.0 * np.pi * (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS)

_UNIT_GAIN = 4.59
"""Brings gradient noise to about unit standard deviation over the plane (measured: 0.218 without it)."""

_JITTER = 0.8 / 4294967296.0
_WORD = (1 << 64) - 1
_TO_UNIT = 1.0 / 9007199254740992.0  # 2**-53: a double holds 53 random bits


_KERNEL_FILES = ("noise.py", "terrain.py", "growth.py", "cover.py", "clouds.py", "optics.py", "radar.py")

SOURCE_STAMP = zlib.crc32(b"".join(Path(__file__).with_name(name).read_bytes() for name in _KERNEL_FILES))
"""Checksum of the sources of all kernels.

The cache of the compiler sees a change in the file of a kernel, but not in the files of what the kernel calls. A kernel
that closes over this number is compiled again whenever any of them changes.
"""

compiled = nb.njit(nogil=True, error_model="numpy")
"""How parts of kernels are compiled: for kernels to call; not cached, as kernels hold them."""

kernel = nb.njit(nogil=True, error_model="numpy", cache=True)
"""How kernels are compiled: callable from Python, without the interpreter lock, cached on disk."""


@compiled
def mixed(value):
    """Finaliser of SplitMix64: uint64 to uint64, every input bit flips half of the output bits."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@compiled
def lattice(column, row, salt):
    """Hash of a lattice point (two int64) and a salt (uint64)."""
    first = np.uint64(column) * np.uint64(0x9E3779B97F4A7C15)
    second = np.uint64(row) * np.uint64(0xC2B2AE3D27D4EB4F)
    return mixed(first ^ (second + salt))


@compiled
def uniform(value):
    """A hash as a number in [0, 1)."""
    return (value >> np.uint64(11)) * _TO_UNIT


@compiled
def normal(value):
    """A hash as a nearly normal number: the sum of its four 16-bit parts, centred, with unit variance (|z| < 3.5)."""
    low = np.uint64(0xFFFF)
    total = (
        (value & low) + ((value >> np.uint64(16)) & low) + ((value >> np.uint64(32)) & low) + (value >> np.uint64(48))
    )
    return (float(total) - 131070.0) * 2.6429e-05  # 1 / (65536 sqrt(4 / 12))


@compiled
def chance(code, salt):
    """A number in [0, 1) that belongs to a cell or stand; each salt gives an independent one."""
    return uniform(mixed(code + salt))


@compiled
def gauss(code, salt):
    """As :func:`chance`, a nearly normal number."""
    return normal(mixed(code + salt))


@compiled
def smooth(x, y, size_m, salt):
    """Gradient noise at a point in metres with features of about ``size_m``; mean 0, standard deviation about 1."""
    # Each salt turns the lattice by its own angle: layers of one size do not share an axis along which they vanish.
    turn = (salt >> np.uint64(58)) & np.uint64(_DIRECTIONS - 1)
    u = (x * _COS[turn] - y * _SIN[turn]) / size_m
    v = (x * _SIN[turn] + y * _COS[turn]) / size_m
    left, bottom = math.floor(u), math.floor(v)
    du, dv = u - left, v - bottom
    column, row = np.int64(left), np.int64(bottom)
    fade_u = du * du * du * (du * (du * 6.0 - 15.0) + 10.0)
    fade_v = dv * dv * dv * (dv * (dv * 6.0 - 15.0) + 10.0)
    at = lattice(column, row, salt) >> np.uint64(58)
    east = lattice(column + 1, row, salt) >> np.uint64(58)
    north = lattice(column, row + 1, salt) >> np.uint64(58)
    far = lattice(column + 1, row + 1, salt) >> np.uint64(58)
    low = _COS[at] * du + _SIN[at] * dv
    low += fade_u * (_COS[east] * (du - 1.0) + _SIN[east] * dv - low)
    high = _COS[north] * du + _SIN[north] * (dv - 1.0)
    high += fade_u * (_COS[far] * (du - 1.0) + _SIN[far] * (dv - 1.0) - high)
    return _UNIT_GAIN * (low + fade_v * (high - low))


@compiled
def sloping(x, y, size_m, salt):
    """The same noise as :func:`smooth` with its derivatives along x and y, per metre."""
    turn = (salt >> np.uint64(58)) & np.uint64(_DIRECTIONS - 1)
    cos, sin = _COS[turn], _SIN[turn]
    u, v = (x * cos - y * sin) / size_m, (x * sin + y * cos) / size_m
    left, bottom = math.floor(u), math.floor(v)
    du, dv = u - left, v - bottom
    column, row = np.int64(left), np.int64(bottom)
    fade_u = du * du * du * (du * (du * 6.0 - 15.0) + 10.0)
    fade_v = dv * dv * dv * (dv * (dv * 6.0 - 15.0) + 10.0)
    steep_u = 30.0 * du * du * (du * (du - 2.0) + 1.0)
    steep_v = 30.0 * dv * dv * (dv * (dv - 2.0) + 1.0)
    at = lattice(column, row, salt) >> np.uint64(58)
    east = lattice(column + 1, row, salt) >> np.uint64(58)
    north = lattice(column, row + 1, salt) >> np.uint64(58)
    far = lattice(column + 1, row + 1, salt) >> np.uint64(58)
    n00 = _COS[at] * du + _SIN[at] * dv
    n10 = _COS[east] * (du - 1.0) + _SIN[east] * dv
    n01 = _COS[north] * du + _SIN[north] * (dv - 1.0)
    n11 = _COS[far] * (du - 1.0) + _SIN[far] * (dv - 1.0)
    low, high = n00 + fade_u * (n10 - n00), n01 + fade_u * (n11 - n01)
    low_u = _COS[at] + fade_u * (_COS[east] - _COS[at]) + steep_u * (n10 - n00)
    high_u = _COS[north] + fade_u * (_COS[far] - _COS[north]) + steep_u * (n11 - n01)
    low_v = _SIN[at] + fade_u * (_SIN[east] - _SIN[at])
    high_v = _SIN[north] + fade_u * (_SIN[far] - _SIN[north])
    along_u = (low_u + fade_v * (high_u - low_u)) * _UNIT_GAIN / size_m
    along_v = (low_v + fade_v * (high_v - low_v) + steep_v * (high - low)) * _UNIT_GAIN / size_m
    return _UNIT_GAIN * (low + fade_v * (high - low)), along_u * cos + along_v * sin, along_v * cos - along_u * sin


@compiled
def centre(column, row, code):
    """Jittered point of a lattice cell with its hash, in lattice units."""
    first, second = code >> np.uint64(32), code & np.uint64(0xFFFFFFFF)
    return column + 0.1 + first * _JITTER, row + 0.1 + second * _JITTER


@compiled
def cell(x, y, size_m, salt):
    """Irregular cell around a point: hash of the nearest of the points jittered on a lattice, and its distances.

    Returns
    -------
    tuple
        Hash of the cell (uint64), its centre x and y in metres, and how much further (in metres) the second nearest
        centre is: zero on the border between two cells.
    """
    u, v = x / size_m, y / size_m
    column, row = np.int64(math.floor(u)), np.int64(math.floor(v))
    best, second = 1e9, 1e9
    found, centre_u, centre_v = np.uint64(0), 0.0, 0.0
    for j in range(row - 1, row + 2):
        for i in range(column - 1, column + 2):
            code = lattice(i, j, salt)
            cu, cv = centre(i, j, code)
            distance = (cu - u) * (cu - u) + (cv - v) * (cv - v)
            if distance < best:
                best, second = distance, best
                found, centre_u, centre_v = code, cu, cv
            elif distance < second:
                second = distance
    gap = (math.sqrt(second) - math.sqrt(best)) * size_m
    return found, centre_u * size_m, centre_v * size_m, gap


def salts(seed: int, count: int) -> np.ndarray:
    """``count`` salts (uint64) out of a seed; the first ones do not change when more are asked for.

    The seed is hashed before salts are counted off, because the salts of seeds that follow each other would otherwise
    be the same numbers, shifted. Python integers allow any seed, even a negative or a huge one.
    """
    state = _finalised(seed & _WORD)
    return np.array([_finalised((state + number * 0x9E3779B97F4A7C15) & _WORD) for number in range(count)], np.uint64)


def _finalised(value: int) -> int:
    """As :func:`mixed`, in Python."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _WORD
    return value ^ (value >> 31)
