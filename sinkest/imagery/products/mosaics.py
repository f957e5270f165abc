"""Single rasters that are known by their names: radar mosaics, yearly PALSAR mosaics, tiles of elevation models.

Conversions: Sentinel-1 in decibels, gamma0 = 10 ** (stored / 10). PALSAR and PALSAR-2 yearly mosaics of JAXA, see
`PALSAR_OFFSET_DB` of `sinkest.imagery.sensors`, 0 is no data.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.imagery.joined import read_joined
from sinkest.imagery.raster import RasterFile, bounds_in, meets, nodata_of, probe, read_numbers
from sinkest.imagery.resample import Kernel
from sinkest.imagery.sensors import PALSAR_OFFSET_DB

RadarValues = Literal["linear", "db", "amplitude"]
MAX_SUBPIXELS = 16
"""Places a side of a pixel that are looked at, at most."""

_SENTINEL1 = re.compile(
    r"(?i)(?:\A|_)S1[ABCD]?_.*?(?<!\d)(?P<date>20\d{6})(?!\d{2}).*_(?P<band>VV|VH)(?:_[A-Za-z0-9]+)?\.tiff?\Z"
)
_PALSAR = re.compile(r"(?P<place>[NS]\d{2}[EW]\d{3})_(?P<year>\d{2})_sl_(?P<band>HH|HV)_F02DAR?(?:\.tiff?)?\Z")
_DEM = re.compile(
    r"(?i)(?:Copernicus_DSM_.*_DEM|ASTGTM.*_dem|(?:\A|.*_)SRTM.*|[NS]\d{2}[EW]\d{3}(?:_AVE_DSM)?|.*_DEM|dem)\.(?:tiff?|hgt)\Z"
)


@dataclass(frozen=True)
class RadarFile:
    """One polarisation of a Sentinel-1 mosaic: its day, orbit direction if the name tells, and band."""

    path: Path
    time: datetime
    orbit: str | None
    band: str


@dataclass(frozen=True)
class Mosaic:
    """Tiles of one layer that lie side by side.

    Attributes
    ----------
    files : tuple of RasterFile
        Where several have data, the first counts.
    values : {"linear", "db", "amplitude"}
        What is stored: the quantity itself, decibels of it, or JAXA's amplitude numbers.
    """

    files: tuple[RasterFile, ...]
    values: RadarValues = "linear"

    @classmethod
    def of(cls, paths: Sequence[Path], values: RadarValues = "linear") -> Mosaic:
        """Open files, by name."""
        return cls(tuple(probe(path) for path in sorted(paths)), values)

    def read(self, grid: GeoBox, kernel: Kernel) -> NDArray[np.float32]:
        """The layer on a grid: float32 (y, x), NaN where no tile has data.

        Means of decibels or amplitudes are not means of backscatter. What is stored so is taken pixel by pixel, made
        linear, and averaged then where the grid is coarser. Tiles of one lattice are resampled as one raster.
        """
        if self.values == "linear":
            return read_joined([file.grid for file in self.files], self._numbers, grid, kernel)
        out = np.full(grid.shape.yx, np.nan, dtype=np.float32)
        for file in self.files:
            if not meets(file.grid, grid):
                continue
            nodata = nodata_of(file, 1, None, 0.0 if self.values == "amplitude" else None)
            found = _averaged(file, grid, nodata, self.values)
            new = np.isnan(out) & np.isfinite(found)
            out[new] = found[new]
        return out

    def _numbers(self, number: int, grid: GeoBox, kernel: Kernel) -> NDArray[np.floating]:
        file = self.files[number]
        return read_numbers(file, [1], grid, kernel, nodata_of(file, 1, None))[0]

    def meets(self, grid: GeoBox) -> bool:
        """Whether any tile may overlap a grid."""
        return any(meets(file.grid, grid) for file in self.files)


def linear(stored: NDArray[np.floating], values: RadarValues) -> NDArray[np.float32]:
    """The linear quantity of stored numbers; NaN stays."""
    numbers = stored.astype(np.float64)
    if values == "db":
        return np.power(10.0, numbers / 10.0).astype(np.float32)
    if values == "amplitude":
        return (numbers**2 * 10.0 ** (PALSAR_OFFSET_DB / 10.0)).astype(np.float32)
    return numbers.astype(np.float32)


def decibels(gamma0: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decibels of a linear quantity; NaN where it is not above 0."""
    power = np.where(gamma0 > 0, gamma0, np.nan).astype(np.float64)
    return (10.0 * np.log10(power)).astype(np.float32)


def _averaged(file: RasterFile, grid: GeoBox, nodata: float | None, values: RadarValues) -> NDArray[np.float32]:
    """Linear means over the pixels of a grid, each looked at in k x k places."""
    left, bottom, right, top = bounds_in(file.grid, str(grid.crs))
    rows, cols = file.grid.shape.yx
    native = math.sqrt((right - left) / cols * (top - bottom) / rows)
    k = min(max(1, math.ceil(abs(grid.affine.a) / native - 0.1)), MAX_SUBPIXELS)
    height, width = grid.shape.yx
    fine = GeoBox((height * k, width * k), grid.affine * Affine.scale(1 / k), grid.crs)
    gamma0 = linear(read_numbers(file, [1], fine, "nearest", nodata)[0], values)
    pieces = gamma0.reshape(height, k, width, k).transpose(0, 2, 1, 3).reshape(height, width, k * k).astype(np.float64)
    known = np.isfinite(pieces)
    count = known.sum(axis=2)
    total = np.where(known, pieces, 0.0).sum(axis=2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def sentinel1_file(path: Path) -> RadarFile | None:
    """What a name tells of a Sentinel-1 mosaic, None if it is none.

    Names are ``S1``, the platform or nothing, the day as ``20250714`` and, last, ``VV`` or ``VH`` between underscores;
    ``_ASC_`` or ``_DESC_`` tells the orbit direction.
    """
    found = _SENTINEL1.search(path.name)
    if found is None:
        return None
    orbit = re.search(r"(?i)_(ASC|DESC)(?:ENDING)?_", path.name)
    direction = None if orbit is None else {"a": "ascending", "d": "descending"}[orbit[1][0].lower()]
    try:
        time = datetime.strptime(found["date"], "%Y%m%d")
    except ValueError:
        return None
    return RadarFile(path, time, direction, found["band"].lower())


def palsar_band(path: Path) -> tuple[str, int] | None:
    """Polarisation and year of a tile of JAXA's yearly mosaics, None if it is none."""
    found = _PALSAR.search(path.name)
    return None if found is None else (found["band"].lower(), 2000 + int(found["year"]))


def is_elevation(path: Path) -> bool:
    """Whether a name is one that elevation models are delivered with."""
    return _DEM.match(path.name) is not None


def check_decibels(path: Path, file: RasterFile, values: RadarValues | None) -> RadarValues:
    """What a Sentinel-1 file holds: as declared, else by its unit.

    Raises
    ------
    SourceError
        If neither tells.
    """
    if values is not None:
        return values
    unit = file.units[0].strip().lower()
    if unit in ("db", "decibel", "decibels"):
        return "db"
    if unit in ("1", "linear", "power"):
        return "linear"
    raise SourceError("products.radar_values", kind="mismatch", file=path)
