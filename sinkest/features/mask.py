"""Which pixels of a scene were seen: quality bands decoded, clouds and shadows widened."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sinkest.errors import InputError
from sinkest.imagery.sensors import QA_CODES, QA_PIXEL_BITS, QA_PIXEL_SPREADS, QA_PIXEL_UNCLEAR


def clear(
    qa: NDArray[np.integer], kind: str, dilate_px: int = 0, codes: Sequence[int] | None = None
) -> NDArray[np.bool_]:
    """Where the ground was seen.

    Clouds and their shadows are widened, since classifiers miss their rims. No data, snow and defective pixels were not
    seen either, but are not widened: the edge of a swath is no cloud.

    Parameters
    ----------
    qa : integer array (..., y, x)
    kind : {"scl", "qa_pixel", "fmask", "clear"}
        What the band holds; the codes and which of them count as seen stand in `sinkest.imagery.sensors`.
    dilate_px : int
        Radius of the disk in pixels. The result is right from this distance off the edge of the array inward.
    codes : sequence of int, optional
        Codes that count as seen, instead of the kind's own choice.

    Raises
    ------
    InputError
        For an unknown kind, codes that the kind has not, or a negative radius.
    """
    if dilate_px < 0:
        raise InputError("features.dilate", given=dilate_px)
    seen, spreading = _pixel_bits(qa, codes) if kind == "qa_pixel" else _classes(qa, kind, codes)
    if dilate_px > 0:
        for layer in np.ndindex(qa.shape[:-2]):
            seen[layer] &= ~widened(spreading[layer], dilate_px)
    return seen


def widened(mask: NDArray[np.bool_], radius_px: int) -> NDArray[np.bool_]:
    """A mask (y, x) grown by a disk: all pixels whose centre is at most the radius from a set pixel's centre."""
    if radius_px <= 0 or not mask.any():
        return mask.copy()
    halves = np.array([math.isqrt(radius_px**2 - dy**2) for dy in range(radius_px + 1)], dtype=np.int32)
    out = np.zeros(mask.shape, dtype=np.uint8)
    _grow(np.ascontiguousarray(mask).view(np.uint8), halves, out)
    return out.view(np.bool_)


@njit(nogil=True, cache=True)
def _grow(mask, halves, out):  # type: ignore[no-untyped-def]
    """Set what lies at most ``halves[dy]`` columns from a set pixel of a row ``dy`` above or below."""
    rows, cols = mask.shape
    radius = halves.size - 1
    away = np.empty(cols, np.int32)
    for row in range(rows):
        nearest = np.int32(radius + 1)
        for col in range(cols):
            nearest = np.int32(0) if mask[row, col] else np.int32(nearest + 1)
            away[col] = nearest
        nearest = np.int32(radius + 1)
        for col in range(cols - 1, -1, -1):
            nearest = np.int32(0) if mask[row, col] else np.int32(nearest + 1)
            away[col] = min(away[col], nearest)
        for other in range(max(row - radius, 0), min(row + radius + 1, rows)):
            into, half = out[other], halves[abs(other - row)]
            for col in range(cols):
                into[col] |= away[col] <= half


def _classes(
    qa: NDArray[np.integer], kind: str, codes: Sequence[int] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if kind not in QA_CODES:
        raise InputError("features.qa_kind", given=kind, expected=", ".join((*QA_CODES, "qa_pixel")))
    table = QA_CODES[kind]
    wanted = table.clear if codes is None else tuple(codes)
    unknown = [code for code in wanted if code not in table.names or code in table.fill]
    if unknown or not wanted:
        usable = ", ".join(f"{code} {name}" for code, name in table.names.items() if code not in table.fill)
        raise InputError("features.qa_codes", kind=kind, given=", ".join(map(str, unknown)) or "-", expected=usable)
    spreads = [code for code in table.spreads if code not in wanted]
    if qa.dtype != np.uint8:
        return np.isin(qa, wanted), np.isin(qa, spreads)
    by_code = np.zeros((2, 256), dtype=np.uint8)
    by_code[0, list(wanted)], by_code[1, spreads] = 1, 1
    found = np.empty((2, qa.size), dtype=np.uint8)
    _look_up(np.ascontiguousarray(qa).reshape(-1), by_code, found)
    seen, spreading = found.view(np.bool_).reshape(2, *qa.shape)
    return seen, spreading


@njit(nogil=True, cache=True)
def _look_up(codes, by_code, found):  # type: ignore[no-untyped-def]
    for k in range(codes.size):
        found[0, k], found[1, k] = by_code[0, codes[k]], by_code[1, codes[k]]


def _pixel_bits(qa: NDArray[np.integer], codes: Sequence[int] | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if codes is not None:
        raise InputError("features.qa_codes", kind="qa_pixel", given=", ".join(map(str, codes)), expected="-")
    bits = qa.astype(np.uint16)
    has_data = (bits & np.uint16(1 << QA_PIXEL_BITS["fill"])) == 0
    unclear, spreads = (
        np.uint16(sum(1 << QA_PIXEL_BITS[name] for name in names)) for names in (QA_PIXEL_UNCLEAR, QA_PIXEL_SPREADS)
    )
    return has_data & ((bits & unclear) == 0), has_data & ((bits & spreads) != 0)
