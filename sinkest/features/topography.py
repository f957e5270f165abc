"""Topographic correction of optical scenes: SCS+C by strata of greenness.

A slope that faces the sun sends more light back than the same stand on level ground. SCS+C (Soenen, Peddle & Coburn
2005, IEEE Trans. Geosci. Remote Sens. 43:2148) brings both to level ground by the geometry of sun, canopy and sensor:

    corrected = reflectance * (cos(slope) cos(zenith) + C) / (cos(i) + C)

with i the angle between the sun and the slope's normal, and C = b / a from the line ``reflectance = a cos(i) + b``,
which stands for the light of the sky. C differs by band and by cover, so it is fitted for each scene, band and stratum
of NDVI, which itself hardly depends on the light. Trees grow upwards on any slope, which is what SCS is about; ground
below the first stratum (water, rock, roofs, bare fields) is left as it is.

The lines are fitted once a scene on windows spread over the whole grid, before any block is worked on: no pixel depends
on its block.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.features.mask import clear
from sinkest.features.terrain import illumination, pixel_sides_m, slope_aspect
from sinkest.imagery.source import QA, Scene, Source

Floats = NDArray[np.float32]

STRATA = (0.3, 0.5, 0.65, 0.8)
"""Least NDVI of each stratum; what lies below the first is not corrected."""

WINDOWS = 6
"""Windows along each side of the grid that the lines are fitted on."""
SIDE = 64
"""Side of a window in pixels."""

LEAST_SLOPE_DEG = 5.0
"""Gentler ground tells nothing of the relief's effect and is not used to fit."""
LEAST_PIXELS = 300
LEAST_R = 0.1
"""A line through fewer pixels, or with a smaller correlation, is not believed."""
LARGEST_FACTOR = 3.0
"""Bound on what a pixel may be multiplied or divided by: ground that the sun hardly touches tells little."""

NONE = math.inf
"""C of what stays as it is: the larger C, the nearer to 1 the factor."""


@dataclass(frozen=True)
class Correction:
    """What is done to a scene.

    Attributes
    ----------
    sun_zenith_deg, sun_azimuth_deg : float
    c : mapping of str to tuple of float
        C by band, one a stratum; infinite where nothing is corrected.
    r : mapping of str to tuple of float
        Correlation of reflectance and cos(i) behind each C; NaN where it was not fitted.
    n : tuple of int
        Pixels of each stratum that were fitted.
    """

    sun_zenith_deg: float
    sun_azimuth_deg: float
    c: Mapping[str, tuple[float, ...]]
    r: Mapping[str, tuple[float, ...]]
    n: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """As plain values for JSON; what is not corrected or fitted as None."""
        return {
            "sun_zenith_deg": self.sun_zenith_deg,
            "sun_azimuth_deg": self.sun_azimuth_deg,
            "pixels": list(self.n),
            "c": {band: [one if math.isfinite(one) else None for one in values] for band, values in self.c.items()},
            "r": {band: [one if math.isfinite(one) else None for one in values] for band, values in self.r.items()},
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Correction:
        """From what `as_dict` gave."""

        def filled(table: Mapping[str, Sequence[float | None]], empty: float) -> dict[str, tuple[float, ...]]:
            return {band: tuple(empty if one is None else float(one) for one in row) for band, row in table.items()}

        return cls(
            float(given["sun_zenith_deg"]),
            float(given["sun_azimuth_deg"]),
            filled(given["c"], NONE),
            filled(given["r"], math.nan),
            tuple(int(one) for one in given["pixels"]),
        )


@dataclass(frozen=True)
class Relief:
    """The shape of the ground of a block: slope in degrees, and northness and eastness as `slope_aspect` has them."""

    slope_deg: Floats
    northness: Floats
    eastness: Floats

    def light(self, zenith_deg: float, azimuth_deg: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cosine of i, not below 0, and cosine of the slope times that of the zenith angle; (y, x) each."""
        facing = illumination(self.slope_deg, self.northness, self.eastness, zenith_deg, azimuth_deg)
        level = np.cos(np.radians(self.slope_deg.astype(np.float64))) * math.cos(math.radians(zenith_deg))
        return np.maximum(facing.astype(np.float64), 0.0), level


def relief_of(source: Source, grid: GeoBox) -> Relief:
    """The relief of a block by the source's elevation model.

    Raises
    ------
    SourceError
        If the source has none.
    """
    wide = grid.pad(1)
    elevation = source.elevation(wide)
    if elevation is None:
        raise SourceError("features.topography_elevation", kind="missing", source=source.name)
    return Relief(*(layer[1:-1, 1:-1] for layer in slope_aspect(elevation, *pixel_sides_m(wide))))


# -- one scene ------------------------------------------------------------------------------------------------------


def strata_of(red: Floats, nir: Floats) -> NDArray[np.int64]:
    """Stratum of each pixel by its NDVI; -1 below the first, and where there is no NDVI."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ndvi = (nir.astype(np.float64) - red) / (nir.astype(np.float64) + red)
    return np.where(np.isfinite(ndvi), np.digitize(ndvi, STRATA) - 1, -1)


class Fit:
    """The lines of one scene, gathered window by window.

    Parameters
    ----------
    bands : sequence of str
    sun_deg : (float, float)
        Zenith angle and azimuth.
    """

    def __init__(self, bands: Sequence[str], sun_deg: tuple[float, float]) -> None:
        self._bands, self._sun = tuple(bands), sun_deg
        # by stratum: pixels, sum and sum of squares of cos(i); by stratum and band: of reflectance, and products
        self._light = np.zeros((len(STRATA), 3))
        self._seen = np.zeros((len(STRATA), len(self._bands), 3))

    def add(self, reflectance: Floats, relief: Relief, seen: NDArray[np.bool_]) -> None:
        """Take in a window: reflectance (band, y, x), its relief, and where the ground was seen (y, x)."""
        cos_i = relief.light(*self._sun)[0]
        place = {band: k for k, band in enumerate(self._bands)}
        stratum = strata_of(reflectance[place["red"]], reflectance[place["nir"]])
        used = seen & (relief.slope_deg >= LEAST_SLOPE_DEG) & (cos_i > 0.0)
        for one in range(len(STRATA)):
            here = used & (stratum == one)
            x = cos_i[here]
            y = reflectance[:, here].astype(np.float64)
            self._light[one] += len(x), x.sum(), (x * x).sum()
            self._seen[one] += np.stack([y.sum(axis=1), (y * y).sum(axis=1), y @ x], axis=1)

    def solved(self) -> Correction:
        """The correction: C of each stratum by its own line, else by that of all strata together, else none."""
        parts = [self._line(self._light[one], self._seen[one]) for one in range(len(STRATA))]
        together = self._line(self._light.sum(axis=0), self._seen.sum(axis=0))
        c: dict[str, tuple[float, ...]] = {}
        r: dict[str, tuple[float, ...]] = {}
        for k, band in enumerate(self._bands):
            own = [part[k] for part in parts]
            c[band] = tuple(one[0] if math.isfinite(one[0]) else together[k][0] for one in own)
            r[band] = tuple(one[1] for one in own)
        return Correction(*self._sun, c, r, tuple(int(one) for one in self._light[:, 0]))

    @staticmethod
    def _line(light: NDArray[np.float64], seen: NDArray[np.float64]) -> list[tuple[float, float]]:
        """C and r by band of ``reflectance = a cos(i) + b``."""
        n, sum_x, sum_xx = light
        if n < LEAST_PIXELS:
            return [(NONE, math.nan)] * len(seen)
        spread_x = sum_xx - sum_x**2 / n
        found = []
        for sum_y, sum_yy, sum_xy in seen:
            spread_y, joint = sum_yy - sum_y**2 / n, sum_xy - sum_x * sum_y / n
            if spread_x <= 0.0 or spread_y <= 0.0:
                found.append((NONE, math.nan))
                continue
            r = joint / math.sqrt(spread_x * spread_y)
            slope = joint / spread_x
            # where more sun does not mean more light back, there is nothing to mend; the sky gives, it does not take
            c = max((sum_y / n - slope * sum_x / n) / slope, 0.0) if r >= LEAST_R else NONE
            found.append((float(c), float(r)))
        return found


def correct(values: Mapping[str, Floats], relief: Relief, correction: Correction) -> dict[str, Floats]:
    """Reflectance (y, x) of bands, among them red and nir, as on level ground.

    Where the relief or the greenness is unknown, it stays as it is.
    """
    cos_i, level = relief.light(correction.sun_zenith_deg, correction.sun_azimuth_deg)
    stratum = strata_of(values["red"], values["nir"])
    known = (stratum >= 0) & np.isfinite(cos_i) & np.isfinite(level)
    found = {}
    for band, given in values.items():
        c = np.array([*correction.c.get(band, (NONE,) * len(STRATA)), NONE])[stratum]
        mended = known & np.isfinite(c)
        factor = np.ones(given.shape)
        with np.errstate(divide="ignore"):
            factor[mended] = (level[mended] + c[mended]) / (cos_i[mended] + c[mended])
        found[band] = (given * np.clip(factor, 1.0 / LARGEST_FACTOR, LARGEST_FACTOR)).astype(np.float32)
    return found


# -- all scenes -----------------------------------------------------------------------------------------------------


def windows(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """The windows that lines are fitted on, in order: a regular lattice over the grid, each pixel in one at most."""
    spans = []
    for size in shape:
        borders = [k * size // WINDOWS for k in range(WINDOWS + 1)]
        parts = [(low, high) for low, high in pairwise(borders) if high > low]
        spans.append(
            [slice(max(low, (low + high - SIDE) // 2), min(high, (low + high + SIDE) // 2)) for low, high in parts]
        )
    for rows in spans[0]:
        for cols in spans[1]:
            yield rows, cols


def fit(
    source: Source,
    grid: GeoBox,
    scenes: Sequence[Scene],
    bands: Sequence[str],
    dilate_px: int = 0,
    advance: Callable[[int], None] | None = None,
) -> dict[str, Correction]:
    """Fit the corrections of scenes on windows spread over the grid.

    Parameters
    ----------
    source : Source
    grid : GeoBox
        Grid of the run.
    scenes : sequence of Scene
        Those without the bands, or of which the source does not know the sun, are passed over.
    bands : sequence of str
        Bands to correct, among them red and nir.
    dilate_px : int
        Radius by which clouds and shadows are widened.
    advance : callable, optional
        Called with 1 after each window.

    Returns
    -------
    dict of str to Correction
        By scene id.
    """
    fits: dict[str, Fit] = {}
    wanted = []
    for scene in {scene.id: scene for scene in scenes}.values():
        sun = scene.sun_deg
        if not scene.is_radar and sun is not None and set(bands) <= set(source.bands_of(scene)):
            fits[scene.id] = Fit(bands, sun)
            wanted.append(scene)
    for rows, cols in windows(grid.shape.yx):
        here = grid[rows, cols]
        relief = relief_of(source, here)
        for scene in wanted if (relief.slope_deg >= LEAST_SLOPE_DEG).any() else ():
            read = source.read_with_margin(here, scene, tuple(bands), dilate_px)
            reflectance = np.stack([read[band] for band in bands])
            seen = np.isfinite(reflectance).all(axis=0)
            if source.qa_kind is not None:
                inner = slice(dilate_px, -dilate_px or None)
                seen &= clear(read[QA], source.qa_kind, dilate_px)[inner, inner]
            fits[scene.id].add(reflectance, relief, seen)
        if advance is not None:
            advance(1)
    return {name: one.solved() for name, one in fits.items()}


class LevelledSource(Source):
    """A source whose optical scenes are read as if the ground were level; all else is as the source has it.

    Parameters
    ----------
    source : Source
    corrections : mapping of str to Correction
        By scene id; other scenes stay as they are.

    Attributes
    ----------
    corrections : dict of str to Correction
    """

    def __init__(self, source: Source, corrections: Mapping[str, Correction]) -> None:
        self._source, self.corrections = source, dict(corrections)
        self.name, self.simulated, self.qa_kind = source.name, source.simulated, source.qa_kind
        self.bands, self.layers = source.bands, source.layers
        self._kept = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return LevelledSource, (self._source, self.corrections)

    def describe(self) -> dict[str, Any]:
        """What the source is; the corrections come of it and of the grid."""
        return self._source.describe()

    def search(self, grid: GeoBox, period: Any) -> tuple[Scene, ...]:
        """Scenes of the source."""
        return self._source.search(grid, period)

    def bands_of(self, scene: Scene) -> tuple[str, ...]:
        """Bands of a scene of the source."""
        return self._source.bands_of(scene)

    def elevation(self, grid: GeoBox) -> np.ndarray | None:
        """Elevation of the source."""
        return self._source.elevation(grid)

    def read(self, grid: GeoBox, scene: Scene, bands: Sequence[str]) -> dict[str, np.ndarray]:
        """One block of one scene, corrected; see :meth:`Source.read`."""
        return self._levelled(grid, scene, bands, lambda wanted: self._source.read(grid, scene, wanted))

    def read_with_margin(self, grid: GeoBox, scene: Scene, bands: Sequence[str], margin: int) -> dict[str, np.ndarray]:
        """One block of one scene, corrected; see :meth:`Source.read_with_margin`."""
        return self._levelled(
            grid, scene, bands, lambda wanted: self._source.read_with_margin(grid, scene, wanted, margin)
        )

    def _levelled(
        self, grid: GeoBox, scene: Scene, bands: Sequence[str], read: Callable[[Sequence[str]], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        correction = self.corrections.get(scene.id)
        if correction is None:
            return read(bands)
        found = read((*bands, *(band for band in ("red", "nir") if band not in bands)))
        optical = {band: values for band, values in found.items() if band != QA}
        mended = correct(optical, self._relief(grid), correction)
        return {band: mended.get(band, values) for band, values in found.items() if band == QA or band in bands}

    def _relief(self, grid: GeoBox) -> Relief:
        """The relief of a block, remembered for the next scene: a thread works on one block at a time."""
        key = (tuple(grid.affine), tuple(grid.shape), str(grid.crs))
        if getattr(self._kept, "key", None) != key:
            self._kept.relief, self._kept.key = relief_of(self._source, grid), key
        return self._kept.relief
