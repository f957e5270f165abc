"""The virtual Zhuzhou: a field of truth that can be asked anywhere, at any resolution and in any year."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer

from sinkest.errors import InputError
from sinkest.simulate import cover
from sinkest.simulate.memory import Memory, grid_key
from sinkest.simulate.world import EPSG, World, build

if TYPE_CHECKING:
    import pandas as pd

    from sinkest.aoi import Zones

_MILLIMETRES = 1000.0


@dataclass(frozen=True)
class Truth:
    """What stands on each pixel of a grid, or at each of a list of points; arrays of one shape.

    Attributes
    ----------
    land_cover : ndarray of uint8
        Class codes 1-15.
    age_years, volume_m3_ha, canopy_closure, elevation_m : ndarray of float32
        Age is 0 outside woodland; volume is 0 outside arbor forest (codes 1-4).
    visible_m3_ha : ndarray of float32
        The volume as it would be if stands of one look carried one volume: what a sensor can know at best.
    parcel : ndarray of uint64
        Hash of the parcel, the same for all points of a parcel.
    border_m : ndarray of float32
        Rough distance to the border of the parcel.
    """

    land_cover: np.ndarray
    age_years: np.ndarray
    volume_m3_ha: np.ndarray
    visible_m3_ha: np.ndarray
    canopy_closure: np.ndarray
    elevation_m: np.ndarray
    parcel: np.ndarray
    border_m: np.ndarray

    def fields(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return dict(vars(self))


class Landscape:
    """A virtual city over the real county boundaries, the same for the same seed.

    A pixel shows what stands at its centre, so the pixels of any grid are a systematic sample of one continuous
    landscape, and neither the resolution nor the way a map is cut into blocks changes it.

    Parameters
    ----------
    seed : int
        Which of the virtual cities; the large relief, the rivers and the towns are the same in all of them.
    """

    def __init__(self, seed: int = 20250101) -> None:
        self.seed = int(seed)
        self.world: World = build(self.seed)
        self.salts = self.world["salts"][0]
        self._memory: Memory[Truth] = Memory(2)

    def __repr__(self) -> str:
        return f"Landscape(seed={self.seed})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Landscape, (self.seed,)

    def on(self, grid: GeoBox, year: float) -> Truth:
        """Everything on a grid in a year, arrays of shape (y, x); the last blocks of each thread are remembered."""
        check_year(year)
        return self._memory.get(
            (grid_key(grid), float(year)), lambda: self.look(*grid_metres(grid), tuple(grid.shape), year)
        )

    def fields(self, grid: GeoBox, year: float) -> dict[str, np.ndarray]:
        """As :meth:`on`, a dict by name; the arrays are shared and read-only."""
        return self.on(grid, year).fields()

    def at(self, lon: Any, lat: Any, year: float) -> Truth:
        """Everything at points given in WGS84 degrees, arrays of shape (n,)."""
        x, y = to_metres(np.atleast_1d(lon), np.atleast_1d(lat))
        return self.at_metres(x, y, year)

    def at_metres(self, x: np.ndarray, y: np.ndarray, year: float) -> Truth:
        """As :meth:`at`, for points in metres of EPSG:32649."""
        check_year(year)
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise InputError("simulate.point", given=int((~(np.isfinite(x) & np.isfinite(y))).sum()))
        return self.look(rounded(x), rounded(y), x.shape, year)

    def elevation(self, grid: GeoBox) -> np.ndarray:
        """Elevation in metres on a grid, float32 (y, x)."""
        x, y = grid_metres(grid)
        elevation = np.empty(x.size, np.float32)
        cover.elevation_at(x, y, self.world, elevation)
        return elevation.reshape(tuple(grid.shape))

    def truth(self, zones: Zones, grid: GeoBox, year: int, previous_year: int | None = None) -> pd.DataFrame:
        """Exact totals by zone; see :func:`sinkest.simulate.truth.truth`."""
        from sinkest.simulate.truth import truth  # sums need zones and exact coverage, which points and blocks do not

        return truth(self, zones, grid, year, previous_year)

    def look(self, x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], year: float) -> Truth:
        """As :meth:`at_metres`, for coordinates that are rounded already; nothing is remembered."""
        arrays = cover.outputs(x.size)
        cover.look_at(x.ravel(), y.ravel(), float(year), self.world, *arrays)
        code, age, volume, visible, closure, elevation, stand, gap = (_frozen(array.reshape(shape)) for array in arrays)
        return Truth(code, age, volume, visible, closure, elevation, stand, gap)


def check_year(year: float) -> None:
    """Refuse a year that the landscape does not reach."""
    if not 2000 <= year <= 2060:
        raise InputError("simulate.year", given=year)


def grid_metres(grid: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres of a grid in metres of EPSG:32649, row by row, rounded to millimetres.

    Pixels are counted from the origin of the projection, not of the block, so that the coordinates of a pixel are the
    same bits whichever block it is computed in.

    Raises
    ------
    InputError
        If the grid has no CRS or is turned, or reaches where EPSG:32649 has no coordinates.
    """
    if grid.crs is None:
        raise InputError("simulate.no_crs")
    affine, (height, width) = grid.affine, grid.shape
    if affine.b or affine.d:
        raise InputError("simulate.turned_grid")
    across, down = _centres(affine.c, affine.a, width), _centres(affine.f, affine.e, height)
    x, y = np.tile(across, height), np.repeat(down, width)
    crs = CRS.from_user_input(str(grid.crs))
    if crs != CRS.from_epsg(EPSG):
        x, y = Transformer.from_crs(crs, EPSG, always_xy=True).transform(x, y)
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise InputError("simulate.outside_projection", crs=str(grid.crs))
    return rounded(x), rounded(y)


def _centres(edge: float, step: float, count: int) -> np.ndarray:
    """Centres of ``count`` pixels from an edge on, by whole pixels from zero and a part rounded to a millionth."""
    whole = np.rint(edge / step)
    return (whole + np.arange(count) + (0.5 + round(edge / step - whole, 6))) * step


def to_metres(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """WGS84 degrees to metres of EPSG:32649."""
    return Transformer.from_crs(4326, EPSG, always_xy=True).transform(lon, lat)


def to_degrees(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Metres of EPSG:32649 to WGS84 degrees."""
    return Transformer.from_crs(EPSG, 4326, always_xy=True).transform(x, y)


def rounded_degrees(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`to_degrees`, to six decimals (a tenth of a metre), as tables carry them."""
    lon, lat = to_degrees(x, y)
    return np.round(lon, 6), np.round(lat, 6)


def rounded(metres: np.ndarray) -> np.ndarray:
    """To the nearest millimetre."""
    return np.rint(metres * _MILLIMETRES) / _MILLIMETRES


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
