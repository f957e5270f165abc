"""Which pixels of a scene were seen: quality bands decoded, clouds and shadows widened."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sinkest.errors import InputError

SCL_CLEAR = (2, 4, 5, 6, 7)
"""Scene classes that count as seen: dark area (in mountains mostly slopes in shade), vegetation, bare, water,
unclassified. Not: no data, saturated, cloud shadow, clouds of medium and high probability, cirrus, snow."""
FMASK_CLEAR = (0, 1)
"""Fmask classes that count as seen: land and water."""
QA_PIXEL_BLIND = 0b111111
"""Landsat QA_PIXEL bits that blind a pixel: fill, dilated cloud, cirrus, cloud, cloud shadow, snow."""


def clear(qa: NDArray[np.integer], kind: str, dilate_px: int = 0) -> NDArray[np.bool_]:
    """Where the ground was seen.

    Parameters
    ----------
    qa : integer array (y, x)
    kind : {"scl", "qa_pixel", "fmask", "clear"}
        What the band holds; ``clear`` is 1 where the ground was seen.
    dilate_px : int
        Everything not clear is widened by a disk of this radius.

    Raises
    ------
    InputError
        For an unknown kind or a negative radius.
    """
    if kind == "scl":
        seen = np.isin(qa, SCL_CLEAR)
    elif kind == "fmask":
        seen = np.isin(qa, FMASK_CLEAR)
    elif kind == "qa_pixel":
        seen = (qa & QA_PIXEL_BLIND) == 0
    elif kind == "clear":
        seen = qa == 1
    else:
        raise InputError("features.qa_kind", given=kind, expected="scl, qa_pixel, fmask, clear")
    if dilate_px < 0:
        raise InputError("features.dilate", given=dilate_px)
    if dilate_px == 0:
        return seen
    return ~ndimage.binary_dilation(~seen, structure=disk(dilate_px))


@cache
def disk(radius: int) -> NDArray[np.bool_]:
    """Pixels whose centre is at most ``radius`` pixels away; bool (2 radius + 1, 2 radius + 1)."""
    offset = np.arange(-radius, radius + 1)
    return offset[:, None] ** 2 + offset**2 <= radius**2
