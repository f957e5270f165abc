"""Tiles of a GeoTIFF, taken from the file and unpacked straight into the array of whoever needs them.

This is for the layout that reflectance is sold in: tiles of whole numbers, deflated, with differences between
neighbours stored instead of the numbers themselves. GDAL copies each tile into a cache and from there, band by band,
into the caller's array, which costs as much again as unpacking. Any other layout is left to it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import deflate
import numpy as np
from numba import njit
from numpy.typing import NDArray

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _FILL_ORDER, _SAMPLES, _PLANAR = 256, 257, 258, 259, 266, 277, 284
_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _SIZES, _FORMAT = 317, 322, 323, 324, 325, 339
_DEFAULTS = {_COMPRESSION: 1, _FILL_ORDER: 1, _SAMPLES: 1, _PLANAR: 1, _PREDICTOR: 1, _FORMAT: 1, _BITS: 1}
_FIELD_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_DTYPES = {(8, 1): np.uint8, (16, 1): np.uint16, (16, 2): np.int16}
_DEFLATE = (8, 32946)
_MOST_TAGS = 1000
_MOST_TILES = 10_000_000


@dataclass(frozen=True, eq=False)
class TileIndex:
    """Where the tiles of a file lie and how they are packed.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of the raster.
    bands : int
    dtype : numpy dtype
    tile : (int, int)
        Rows and columns of a tile.
    planar : bool
        Whether each band has tiles of its own.
    differences : bool
        Whether each number is stored as its difference to the one before.
    offsets, sizes : int64 array
        In bytes, a tile; size 0 where a tile was never written.
    """

    shape: tuple[int, int]
    bands: int
    dtype: np.dtype[Any]
    tile: tuple[int, int]
    planar: bool
    differences: bool
    deflated: bool
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]


def tile_index(path: Path) -> TileIndex | None:
    """Index of a file's first image; None for a file of any other layout.

    The TIFF 6.0 specification (1992), Adobe's supplement on deflate (2002), and BigTIFF.
    """
    with path.open("rb") as file:
        try:
            tags = _tags(file)
        except (struct.error, ValueError, KeyError, OSError, OverflowError, MemoryError):
            return None
    if tags is None or not {_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _SIZES} <= set(tags):
        return None
    first = {tag: values[0] for tag, values in tags.items()}
    bands = first[_SAMPLES]
    kinds = {(bits, form) for bits in tags[_BITS] for form in tags[_FORMAT]}
    dtype = _DTYPES.get(kinds.pop()) if len(kinds) == 1 else None
    usual = first[_COMPRESSION] in (1, *_DEFLATE) and first[_PREDICTOR] in (1, 2) and first[_FILL_ORDER] == 1
    shape, tile = (first[_HEIGHT], first[_WIDTH]), (first[_TILE_HEIGHT], first[_TILE_WIDTH])
    if dtype is None or not usual or min(*shape, *tile, bands) < 1:
        return None
    planar = first[_PLANAR] == 2
    expected = _count(shape[0], tile[0]) * _count(shape[1], tile[1]) * (bands if planar else 1)
    offsets, sizes = (np.array(tags[tag], dtype=np.int64) for tag in (_OFFSETS, _SIZES))
    if not len(offsets) == len(sizes) == expected:
        return None
    kept = (first[_PREDICTOR] == 2, first[_COMPRESSION] in _DEFLATE)
    return TileIndex(shape, bands, np.dtype(dtype), tile, planar, *kept, offsets, sizes)


def _tags(file: IO[bytes]) -> dict[int, tuple[int, ...]] | None:
    """Tags of the first directory of a little-endian file; None for what is no such file."""
    head = file.read(16)
    big = head[:4] == b"II\x2b\x00"
    if not big and head[:4] != b"II\x2a\x00":
        return None
    entry, pointer, count = ("<HHQ8s", "<Q", "<Q") if big else ("<HHI4s", "<I", "<H")
    file.seek(struct.unpack_from(pointer, head, 8 if big else 4)[0])
    (entries,) = struct.unpack(count, file.read(struct.calcsize(count)))
    if entries > _MOST_TAGS:
        return None
    step = struct.calcsize(entry)
    table = file.read(entries * step)
    tags: dict[int, tuple[int, ...]] = {tag: (value,) for tag, value in _DEFAULTS.items()}
    for k in range(entries):
        tag, kind, number, inline = struct.unpack_from(entry, table, k * step)
        if kind not in _FIELD_TYPES or number > _MOST_TILES:
            continue
        form = f"<{number}{_FIELD_TYPES[kind]}"
        size = struct.calcsize(form)
        if size > len(inline):
            file.seek(struct.unpack(pointer, inline)[0])
            inline = file.read(size)
        tags[tag] = struct.unpack_from(form, inline)
    return tags


def read_tiles(
    path: Path,
    index: TileIndex,
    bands: Sequence[int],
    corner: tuple[int, int],
    out: NDArray[Any],
    blank: float,
    wanted: NDArray[np.bool_] | None = None,
) -> None:
    """Read a window of some bands.

    Parameters
    ----------
    path : Path
    index : TileIndex
        Of this file.
    bands : sequence of int
        Counted from 1.
    corner : (int, int)
        Row and column of the window's first pixel.
    out : array (band, y, x) of the file's type
        Filled; the window must lie inside the raster.
    blank : number
        What tiles hold that were never written.
    wanted : bool array (y, x), optional
        Tiles without a wanted pixel are not read, nor rows of a tile unpacked beyond the last; ``out`` keeps there what
        it held.

    Raises
    ------
    OSError, ValueError, deflate.DeflateError
        If a tile cannot be read or unpacked.
    """
    samples = np.array(bands, dtype=np.int64) - 1
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        for row, rows, its_rows in _cut(corner[0], out.shape[1], index.tile[0]):
            for col, cols, its_cols in _cut(corner[1], out.shape[2], index.tile[1]):
                ends = _ends(rows, cols, wanted)
                if not ends.any():
                    continue
                place = row * _count(index.shape[1], index.tile[1]) + col
                _fill(handle, index, place, samples, out[:, rows, cols], (its_rows.start, its_cols.start), ends, blank)
    finally:
        os.close(handle)


def _ends(rows: slice, cols: slice, wanted: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """For each row, one past the last column that is wanted; 0 where none is."""
    length, width = rows.stop - rows.start, cols.stop - cols.start
    if wanted is None:
        return np.full(length, width)
    part = wanted[rows, cols]
    return np.where(part.any(axis=1), width - part[:, ::-1].argmax(axis=1), 0)


def _fill(
    handle: int,
    index: TileIndex,
    place: int,
    samples: NDArray[np.int64],
    out: NDArray[Any],
    corner: tuple[int, int],
    ends: NDArray[np.int64],
    blank: float,
) -> None:
    """Unpack the part of a tile that ``out`` covers, in all its bands."""
    if not index.planar:
        _unpack_into(_tile(handle, index, place), index.bands, samples, out, corner, ends, index, blank)
        return
    plane = len(index.offsets) // index.bands
    for k, sample in enumerate(samples):
        stored = _tile(handle, index, sample * plane + place)
        _unpack_into(stored, 1, np.zeros(1, np.int64), out[k : k + 1], corner, ends, index, blank)


def _unpack_into(
    stored: NDArray[Any] | None,
    width: int,
    samples: NDArray[np.int64],
    out: NDArray[Any],
    corner: tuple[int, int],
    ends: NDArray[np.int64],
    index: TileIndex,
    blank: float,
) -> None:
    if stored is None:
        out[:] = blank
    else:
        _unpack(stored.reshape(index.tile[0], -1), width, samples, index.differences, *corner, ends, out)


def _tile(handle: int, index: TileIndex, place: int) -> NDArray[Any] | None:
    """Numbers of a tile as packed; None for a tile that was never written."""
    size, whole = int(index.sizes[place]), index.tile[0] * index.tile[1] * index.dtype.itemsize
    whole *= 1 if index.planar else index.bands
    if size == 0:
        return None
    packed = _read_at(handle, size, int(index.offsets[place]))
    unpacked = deflate.zlib_decompress(packed, whole) if index.deflated else bytearray(packed)
    if len(packed) != size or len(unpacked) != whole:
        raise ValueError(f"tile {place}: {len(unpacked)} bytes of {whole}")
    return np.frombuffer(unpacked, dtype=index.dtype)


def _read_at_position(handle: int, size: int, offset: int) -> bytes:
    os.lseek(handle, offset, os.SEEK_SET)
    return os.read(handle, size)


_read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", _read_at_position)


def _cut(first: int, length: int, tile: int) -> list[tuple[int, slice, slice]]:
    """Tiles along an axis that a window meets: number, where in the window, and where in the tile."""
    found = []
    for number in range(first // tile, (first + length - 1) // tile + 1):
        start, stop = max(first, number * tile), min(first + length, (number + 1) * tile)
        found.append((number, slice(start - first, stop - first), slice(start - number * tile, stop - number * tile)))
    return found


def _count(length: int, tile: int) -> int:
    return -(-length // tile)


@njit(nogil=True, cache=True)
def _unpack(stored, width, samples, differences, top, left, ends, out):  # type: ignore[no-untyped-def]
    """Part the bands that lie interleaved in each row; where they are differences, sum them up."""
    for r in range(out.shape[1]):
        if ends[r] == 0:
            continue
        for s in range(samples.size):
            row, into = stored[top + r, samples[s] :], out[s, r, : ends[r]]
            if not differences:
                for c in range(into.size):
                    into[c] = row[(left + c) * width]
                continue
            total = into.dtype.type(0)
            for c in range(left):
                total = into.dtype.type(total + row[c * width])
            for c in range(into.size):
                total = into.dtype.type(total + row[(left + c) * width])
                into[c] = total
