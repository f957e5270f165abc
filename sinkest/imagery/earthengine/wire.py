"""What goes over the wire: grids cut into requests that the service takes, and the pixels of its answers."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.imagery.earthengine.faults import GarbledError

Floats = NDArray[np.float32]
Window = tuple[slice, slice]

REQUEST_BYTES = 48 * 2**20
"""Most uncompressed bytes of one request for pixels (documentation of computePixels)."""
REQUEST_SIDE = 32768
PIXEL_BYTES = 5
"""Bytes of one number: four of float32, and one of a mask, which may count."""


def plan_tiles(shape: tuple[int, int], bands: int, side: int) -> list[Window]:
    """Windows of at most ``side`` pixels a side, each small enough for one request with all bands.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    bands : int
    side : int

    Returns
    -------
    list of (slice, slice)
        In row order; near equal in size.
    """
    rows, cols = shape
    most = REQUEST_BYTES // (PIXEL_BYTES * bands)
    side = min(side, REQUEST_SIDE, math.isqrt(most))
    down, across = -(-rows // side), -(-cols // side)
    row_edges = [rows * k // down for k in range(down + 1)]
    col_edges = [cols * k // across for k in range(across + 1)]
    return [
        (slice(top, bottom), slice(left, right))
        for top, bottom in itertools.pairwise(row_edges)
        for left, right in itertools.pairwise(col_edges)
    ]


def pixel_grid(grid: GeoBox) -> dict[str, Any]:
    """A grid as requests spell it."""
    affine = grid.affine
    rows, cols = grid.shape.yx
    code = None if grid.crs is None else grid.crs.to_epsg()
    crs = {"crsCode": f"EPSG:{code}"} if code else {"crsWkt": str(grid.crs and grid.crs.to_wkt())}
    transform = {
        "scaleX": affine.a,
        "shearX": affine.b,
        "translateX": affine.c,
        "shearY": affine.d,
        "scaleY": affine.e,
        "translateY": affine.f,
    }
    return {"dimensions": {"width": cols, "height": rows}, "affineTransform": transform, **crs}


def decode(content: bytes, bands: Sequence[str], shape: tuple[int, int]) -> Floats:
    """Bands out of an answer in NumPy's format, (band, y, x).

    Raises
    ------
    GarbledError
        If the answer is cut short, is something else, or is of other bands or another shape than asked for.
    """
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        page = content.lstrip()[:1] == b"<"
        raise GarbledError("a web page instead of pixels" if page else "pixels cut short or damaged") from error
    names = getattr(getattr(array, "dtype", None), "names", None)
    if names is None or set(names) != set(bands) or array.shape != shape:
        raise GarbledError(f"pixels {getattr(array, 'shape', '?')} of {len(names or ())} bands instead of {shape}")
    return np.stack([array[band] for band in bands]).astype(np.float32, copy=False)
