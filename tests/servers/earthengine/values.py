"""What expressions evaluate to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import box, mapping
from shapely.geometry.base import BaseGeometry

from tests.servers.earthengine.lattice import Lattice, Projection, interpolated, nearest

Array = NDArray[Any]
Drawn = list[tuple[Array, Array]]
"""Values and masks (y, x) of some bands."""


class RefusedError(Exception):
    """The error that the service would answer with."""

    def __init__(self, message: str, code: int = 400, status: str = "INVALID_ARGUMENT") -> None:
        super().__init__(message)
        self.code, self.status = code, status


class NotKnownError(RefusedError):
    """Something real that the stand-in does not evaluate."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the stand-in does not evaluate {what}", 400, "UNIMPLEMENTED")


@dataclass(frozen=True)
class Band:
    """A band: its name, ``float`` for 32 bits or ``double``, which stands for all other types too, and its own grid.

    What is made of several images has no grid worth the name, and None here.
    """

    name: str
    kind: str = "double"
    grid: Projection | None = None

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32 if self.kind == "float" else np.float64)


@dataclass(frozen=True, eq=False)
class Image:
    """Bands that are computed when and where pixels are asked for."""

    bands: tuple[Band, ...]
    make: Callable[[Lattice, Sequence[int]], Drawn]
    properties: dict[str, Any] = field(default_factory=dict)
    footprint: BaseGeometry | None = None
    _drawn: dict[tuple[Lattice, int], tuple[Array, Array]] = field(default_factory=dict, init=False, repr=False)

    def draw(self, lattice: Lattice, picks: Sequence[int]) -> Drawn:
        """Some bands on a lattice; each is computed once."""
        missing = [pick for pick in dict.fromkeys(picks) if (lattice, pick) not in self._drawn]
        if missing:
            made = self.make(lattice, missing)
            self._drawn.update({(lattice, pick): one for pick, one in zip(missing, made, strict=True)})
        return [self._drawn[lattice, pick] for pick in picks]

    def all(self, lattice: Lattice) -> Drawn:
        return self.draw(lattice, range(len(self.bands)))

    def positions(self, selector: Any) -> list[int]:
        """Bands that a selector names: a number, a name, or a pattern."""
        names = [band.name for band in self.bands]
        if isinstance(selector, int | float):
            if not 0 <= int(selector) < len(names):
                raise RefusedError(f"Image.select: Band index {int(selector)} out of bounds.")
            return [int(selector)]
        if selector in names:
            return [names.index(selector)]
        found = [i for i, name in enumerate(names) if re.fullmatch(selector, name)]
        if not found:
            raise RefusedError(
                f"Image.select: Band pattern '{selector}' did not match any bands. Available bands: {names}"
            )
        return found

    def named(self, names: Sequence[str]) -> Image:
        if len(names) != len(self.bands):
            raise RefusedError(f"Image.rename: got {len(names)} names for {len(self.bands)} bands.")
        bands = tuple(replace(band, name=name) for band, name in zip(self.bands, names, strict=True))
        return replace(self, bands=bands)


@dataclass(frozen=True)
class Feature:
    geometry: BaseGeometry | None
    properties: dict[str, Any]

    def answer(self) -> dict[str, Any]:
        shape = None if self.geometry is None else mapping(self.geometry)
        known = {name: value for name, value in self.properties.items() if value is not None}
        return {"type": "Feature", "geometry": shape, "properties": known}


@dataclass(frozen=True)
class Collection:
    items: tuple[Any, ...]


@dataclass(frozen=True)
class Reducer:
    """A reducer of a stack (n, y, x): suffix of each output, and what makes them of values and masks."""

    outputs: tuple[str, ...]
    reduce: Callable[[Array, Array], Drawn]


@dataclass(frozen=True)
class DateRange:
    start_ms: float
    end_ms: float


def raster(
    bands: dict[str, Array],
    grid: Projection,
    properties: dict[str, Any],
    *,
    masks: dict[str, Array] | None = None,
    grids: dict[str, Projection] | None = None,
) -> Image:
    """An image of arrays.

    Parameters
    ----------
    bands : dict of str to array (y, x)
        NaN is masked.
    grid : Projection
    properties : dict
    masks : dict of str to array (y, x), optional
        Masks of bands of whole numbers, which have no NaN.
    grids : dict of str to Projection, optional
        Grids of bands that differ from ``grid``.
    """
    of_band = {name: (grids or {}).get(name, grid) for name in bands}
    values = {name: np.nan_to_num(np.asarray(array, dtype=float)) for name, array in bands.items()}
    known = {name: np.isfinite(np.asarray(array, dtype=float)) for name, array in bands.items()}
    for name, mask in (masks or {}).items():
        known[name] = known[name] & (mask > 0)
    names = list(bands)

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        out = []
        for pick in picks:
            name = names[pick]
            _refuse_coarser(lattice, of_band[name])
            rows, cols = lattice.positions_in(of_band[name])
            out.append(nearest(values[name], known[name].astype(float), rows, cols))
        return out

    first = next(iter(bands.values()))
    extent = box(*Lattice(grid, *first.shape).bounds_lonlat())
    return Image(tuple(Band(name, grid=of_band[name]) for name in bands), draw, properties, extent)


def _refuse_coarser(lattice: Lattice, grid: Projection) -> None:
    """The service reads coarser pixels from reduced copies, of which too little is documented to mimic them."""
    if lattice.projection.crs != grid.crs:
        return
    if abs(lattice.projection.affine.a) >= 2 * abs(grid.affine.a):
        raise NotKnownError("pixels twice as large as the data's, or more")


def constant(value: float, name: str = "constant") -> Image:
    """The same number everywhere."""

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        return [(np.full(lattice.shape, float(value)), np.ones(lattice.shape)) for _ in picks]

    return Image((Band(name),), draw)


def as_image(value: Any) -> Image:
    """A number counts as an image of it."""
    if isinstance(value, Image):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return constant(float(value))
    raise RefusedError(f"Cannot convert {type(value).__name__} to Image.")


def between_pixels(image: Image, mode: str) -> Image:
    """The image read by interpolation between the pixels of its own grid."""
    if mode not in ("bilinear", "bicubic"):
        raise RefusedError(f"Image.resample: Unknown mode '{mode}'.")
    if any(band.grid is None for band in image.bands):
        raise NotKnownError("interpolation of an image without a grid of its own")

    def draw(lattice: Lattice, picks: Sequence[int]) -> Drawn:
        return [_between_pixels(image, pick, lattice, mode) for pick in picks]

    return replace(image, make=draw)


def _between_pixels(image: Image, pick: int, lattice: Lattice, mode: str) -> tuple[Array, Array]:
    grid = image.bands[pick].grid
    assert grid is not None
    rows, cols = lattice.positions_in(grid)
    top, left = int(np.floor(rows.min())) - 3, int(np.floor(cols.min())) - 3
    height, width = int(np.ceil(rows.max())) + 3 - top, int(np.ceil(cols.max())) + 3 - left
    ((values, mask),) = image.draw(Lattice(grid.shifted(left, top), height, width), [pick])
    return interpolated(values, mask, rows - top, cols - left, mode)
