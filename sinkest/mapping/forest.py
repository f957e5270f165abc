"""Forest by its definition: which classes count, and the smallest patch that does."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sinkest.errors import InputError

_EIGHT = np.ones((3, 3), dtype=bool)


def minimum_pixels(min_area_ha: float, resolution_m: float) -> int:
    """Smallest number of pixels of which the nominal area reaches the minimum area.

    Raises
    ------
    InputError
        If the area is negative or the resolution is not positive.
    """
    if not (math.isfinite(min_area_ha) and min_area_ha >= 0 and resolution_m > 0):
        raise InputError("mapping.minimum_area", area=min_area_ha, resolution=resolution_m)
    return max(1, math.ceil(min_area_ha * 10_000 / resolution_m**2 - 1e-9))


def class_mask(classes: NDArray[np.uint8], codes: Iterable[int]) -> NDArray[np.bool_]:
    """Where the class is one of ``codes``; same shape as ``classes``."""
    lookup = np.zeros(256, dtype=bool)
    lookup[list(codes)] = True
    return lookup[classes]


def drop_small_patches(mask: NDArray[np.bool_], min_pixels: int) -> NDArray[np.bool_]:
    """Remove 8-connected patches of fewer than ``min_pixels`` pixels.

    A patch below the minimum cannot reach further than ``min_pixels - 1`` pixels from any of its own, so a window with
    a halo of ``min_pixels`` pixels (or up to the grid's edge) decides its inner part exactly as the whole grid would: a
    patch that is cut at the halo's edge and touches the inner part is at least ``min_pixels`` long.

    Parameters
    ----------
    mask : bool array (y, x)
    min_pixels : int

    Returns
    -------
    bool array (y, x)
    """
    if min_pixels <= 1:
        return mask.copy()
    labels, count = ndimage.label(mask, structure=_EIGHT)
    if count == 0:
        return mask.copy()
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = sizes >= min_pixels
    keep[0] = False
    return keep[labels]
