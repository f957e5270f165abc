"""One truth for all sources: scenes of the virtual Zhuzhou as the numbers that Sentinel-2 Level-2A products store.

SIMULATED 模拟数据. Ten bands as whole numbers, reflectance = (stored - 1000) / 10000 as since baseline 04.00, 0 for no
data; bands of 20 m and the scene classification on the coarse lattice. How a source packs them is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.imagery.simulated import SimulatedSource
from sinkest.imagery.source import QA, Period

FINE = ("blue", "green", "red", "nir")
COARSE = ("rededge1", "rededge2", "rededge3", "nir08", "swir1", "swir2")
CODES = {
    "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05", "rededge2": "B06", "rededge3": "B07",
    "nir": "B08", "nir08": "B8A", "swir1": "B11", "swir2": "B12",
}  # fmt: skip
OFFSET_DN = -1000
QUANTIFICATION = 10_000


@dataclass(frozen=True)
class TrueScene:
    """Stored numbers of one date.

    Attributes
    ----------
    time : datetime
    bands : dict of str to uint16 array (y, x)
        By common name; `FINE` on the fine grid, `COARSE` on the coarse one.
    scl : uint8 array (y, x)
        On the coarse grid.
    cloud : float
        Percent.
    """

    time: datetime
    bands: dict[str, NDArray[np.uint16]]
    scl: NDArray[np.uint8]
    cloud: float

    @property
    def datatake(self) -> str:
        """Identifier of the pass, without the baseline."""
        return f"GS2A_{self.time:%Y%m%dT%H%M%S}_052000"


@dataclass(frozen=True)
class Truth:
    """Scenes and terrain on two nested lattices of one UTM zone."""

    fine: GeoBox
    coarse: GeoBox
    scenes: tuple[TrueScene, ...]
    elevation_m: NDArray[np.float32]

    def grid_of(self, band: str) -> GeoBox:
        """Lattice of a band."""
        return self.fine if band in FINE else self.coarse


def lattice(left: float, top: float, width: int, height: int, metres: float, crs: str = "EPSG:32649") -> GeoBox:
    """A fine lattice with an even number of pixels a side."""
    assert width % 2 == height % 2 == 0
    return GeoBox((height, width), Affine(metres, 0, left, 0, -metres, top), crs)


def build(
    fine: GeoBox,
    periods: Sequence[Period],
    *,
    seed: int = 20250101,
    year: int = 2025,
    scenes: int = 2,
    cloud: float = 0.45,
) -> Truth:
    """Look at the virtual city with a satellite that stores whole numbers."""
    source = SimulatedSource(seed=seed, year=year, scenes_per_season=scenes, cloudiness=cloud, radar=False)
    coarse = fine.zoom_out(2)
    found = {scene.id: scene for period in periods for scene in source.search(fine, period)}
    looked = []
    for scene in sorted(found.values(), key=lambda one: one.time):
        near, far = source.read(fine, scene, FINE), source.read(coarse, scene, COARSE)
        bands = {band: stored(values[band]) for values, names in ((near, FINE), (far, COARSE)) for band in names}
        looked.append(TrueScene(scene.time, bands, far[QA], float(scene.cloud or 0)))
    return Truth(fine, coarse, tuple(looked), source.elevation(fine))


def stored(reflectance: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Numbers as products of baseline 04.00 and later store them; 0 where nothing was seen."""
    numbers = np.round(reflectance.astype(np.float64) * QUANTIFICATION) - OFFSET_DN
    seen = np.isfinite(numbers)
    out = np.zeros(reflectance.shape, dtype=np.uint16)
    out[seen] = np.clip(numbers[seen], 1, 65_534).astype(np.uint16)
    return out


def stepped(truth: Truth) -> Truth:
    """The truth in steps so wide that composites lie on whole numbers; no data stays 0.

    Steps of two keep the median of two dates whole. Between coarse pixels a fine one is interpolated with sixteenths,
    so steps of 32 leave it in steps of two.
    """
    scenes = []
    for scene in truth.scenes:
        bands = {}
        for band, numbers in scene.bands.items():
            step = 2 if band in FINE else 32
            bands[band] = np.where(numbers == 0, 0, np.maximum(numbers // step * step, step)).astype(np.uint16)
        scenes.append(replace(scene, bands=bands))
    return replace(truth, scenes=tuple(scenes))


def day(text: str) -> date:
    """A date of the form 2025-07-14."""
    return date.fromisoformat(text)
