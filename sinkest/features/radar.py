"""Radar of a season: statistics over time in linear power, and where the relief hides the ground from the sensor.

Speckle is fought over time alone: a spatial filter would blur the edges of stands and make a pixel depend on its block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, SourceError
from sinkest.features import composite
from sinkest.features.layover import CLEAR, NOMINAL_INCIDENCE_DEG, Geometry, distortion
from sinkest.imagery.source import Scene, Source

Floats = NDArray[np.float32]
Statistic = Literal["median", "mean", "sd", "cv", "ratio"]
Direction = Literal["ascending", "descending"]
Distortion = Literal["none", "mask", "flag"]

SHORT: Mapping[str, str] = {"ascending": "asc", "descending": "desc"}


@dataclass(frozen=True)
class RadarSpec:
    """What is made of the radar scenes of a season.

    Attributes
    ----------
    bands : tuple of str
    statistics : tuple of {"median", "mean", "sd", "cv", "ratio"}
        Over the dates, in linear power: median, mean and standard deviation (stored in dB), coefficient of variation
        (no unit), and the ratio of the first band to the second, of medians if those are wanted, else of means (dB).
    directions : tuple of {"ascending", "descending"}
        Layers of their own for each; without any, all passes are one series.
    distortion : {"none", "mask", "flag"}
        ``"mask"`` leaves out a date where its pass sees a pixel in layover or shadow; where one direction is blind
        altogether it takes the value of the other. ``"flag"`` adds a layer a direction: 0 clear, 1 layover, 2 shadow.
    """

    bands: tuple[str, ...] = ()
    statistics: tuple[Statistic, ...] = ("median",)
    directions: tuple[Direction, ...] = ()
    distortion: Distortion = "none"

    def __post_init__(self) -> None:
        if "ratio" in self.statistics and (len(self.bands) != 2 or not {"median", "mean"} & set(self.statistics)):
            raise InputError("features.radar_ratio", given=", ".join(self.bands) or "-")

    @property
    def needs_orbits(self) -> bool:
        """Whether every scene must tell its direction."""
        return bool(self.bands) and (bool(self.directions) or self.distortion != "none")

    @property
    def is_plain(self) -> bool:
        """Whether only the median of all passes is wanted, which a source that composes itself can serve."""
        return not self.bands or (self.statistics == ("median",) and not self.needs_orbits)

    def names(self, season: str) -> dict[str, Literal["backscatter", "variation"]]:
        """Layers of a season with their kind."""
        layers: dict[str, Literal["backscatter", "variation"]] = {}
        for direction in self.directions or ("",):
            for band in self.bands:
                for statistic in self.statistics:
                    if statistic != "ratio":
                        name = _name(season, band, direction, statistic)
                        layers[name] = "variation" if statistic == "cv" else "backscatter"
            if "ratio" in self.statistics:
                layers[_name(season, "_by_".join(self.bands), direction, "")] = "backscatter"
        return layers

    @property
    def flags(self) -> tuple[str, ...]:
        """Layers that tell layover and shadow, one a direction; they know no season."""
        if not self.bands or self.distortion != "flag":
            return ()
        return tuple(f"distortion_{SHORT[one]}" for one in self.directions or SHORT)


def _name(season: str, band: str, direction: str, statistic: str) -> str:
    middle = [SHORT[direction]] if direction else []
    return "_".join([season, band, *middle, *([] if statistic in {"", "median"} else [statistic])])


# -- statistics -----------------------------------------------------------------------------------------------------


def decibel(linear: Floats) -> Floats:
    """Power in decibels; NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        level = 10.0 * np.log10(linear)
    return np.where(np.isfinite(level), level, np.nan).astype(np.float32)


def statistic(stack: Floats, wanted: str) -> Floats:
    """A statistic over the dates, (y, x), of linear power (t, y, x); NaN where too few dates have a value.

    The standard deviation is that of a sample (n - 1), so it and the coefficient of variation need two dates.
    """
    if wanted == "median":
        return composite.median(stack)
    values = stack.astype(np.float64)
    count = np.isfinite(values).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.nansum(values, axis=0) / count
        if wanted == "mean":
            return np.where(count > 0, mean, np.nan).astype(np.float32)
        spread = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / (count - 1))
        found = spread if wanted == "sd" else spread / mean
    return np.where(count > 1, found, np.nan).astype(np.float32)


def season_layers(season: str, spec: RadarSpec, stacks: Mapping[str, Mapping[str, Floats]]) -> dict[str, Floats]:
    """All layers of a season.

    Parameters
    ----------
    season : str
    spec : RadarSpec
    stacks : mapping of str to mapping of str to float32 array (t, y, x)
        By direction (``""`` for all passes together), then band: linear power, NaN where nothing was seen.

    Returns
    -------
    dict of str to float32 array (y, x)
        By the names of ``spec.names``.
    """
    made = {direction: _series(spec, bands) for direction, bands in stacks.items()}
    if spec.distortion == "mask" and len(made) == 2:
        first, second = made.values()
        for name in first:
            gaps = np.isnan(first[name]), np.isnan(second[name])
            first[name], second[name] = (
                np.where(gap, other, values)
                for gap, values, other in zip(
                    gaps, (first[name], second[name]), (second[name], first[name]), strict=True
                )
            )
    return {
        _name(season, band, direction, wanted): values
        for direction, layers in made.items()
        for (band, wanted), values in layers.items()
    }


def _series(spec: RadarSpec, bands: Mapping[str, Floats]) -> dict[tuple[str, str], Floats]:
    """Layers of one series of dates by band and statistic."""
    layers: dict[tuple[str, str], Floats] = {}
    for band in spec.bands:
        for wanted in spec.statistics:
            if wanted != "ratio":
                values = statistic(bands[band], wanted)
                layers[band, wanted] = values if wanted == "cv" else decibel(values)
    if "ratio" in spec.statistics:
        center = "median" if "median" in spec.statistics else "mean"
        first, second = (layers[band, center] for band in spec.bands)
        layers["_by_".join(spec.bands), ""] = first - second
    return layers


# -- a block --------------------------------------------------------------------------------------------------------


class Passes:
    """Radar scenes of one block: read, sorted by direction, freed of what the relief distorts.

    Parameters
    ----------
    source : Source
    grid : GeoBox
        Grid of the run.
    block : (slice, slice)
        Rows and columns.
    spec : RadarSpec
    """

    def __init__(self, source: Source, grid: GeoBox, block: tuple[slice, slice], spec: RadarSpec) -> None:
        self._source, self._grid, self._here, self._spec = source, grid, grid[block], spec
        self._distorted: dict[tuple[str, float], NDArray[np.uint8]] = {}

    def season(self, season: str, scenes: Sequence[Scene]) -> tuple[dict[str, Floats], NDArray[np.int32]]:
        """Layers of a season, and the number of dates at each pixel.

        Raises
        ------
        SourceError
            If directions matter and a scene does not tell its own.
        """
        bands = self._spec.bands
        dates = [scene for scene in scenes if bands and set(bands) <= set(self._source.bands_of(scene))]
        if self._spec.needs_orbits:
            check_orbits(self._source.name, dates)
        if not bands:
            return {}, np.zeros(self._here.shape.yx, dtype=np.int32)
        reads = [self._read(scene) for scene in dates]
        stacks: dict[str, dict[str, Floats]] = {
            direction: {
                band: self._stack(
                    [read[band] for read, scene in zip(reads, dates, strict=True) if direction in {"", scene.orbit}]
                )
                for band in bands
            }
            for direction in self._spec.directions or ("",)
        }
        layers = season_layers(season, self._spec, stacks)
        # of what every band saw; the bands of a scene are seen together
        counts = [composite.count_valid(stack[bands[-1]]) for stack in stacks.values()]
        return layers, np.sum(counts, axis=0, dtype=np.int32)

    def flags(self) -> dict[str, Floats]:
        """Layers of layover and shadow by the nominal incidence."""
        names = {short: direction for direction, short in SHORT.items()}
        return {
            name: self._distortion(names[name.removeprefix("distortion_")], NOMINAL_INCIDENCE_DEG).astype(np.float32)
            for name in self._spec.flags
        }

    def _stack(self, dates: list[Floats]) -> Floats:
        if dates:
            return np.stack(dates)
        return np.full((1, *self._here.shape.yx), np.nan, dtype=np.float32)

    def _read(self, scene: Scene) -> Mapping[str, Floats]:
        read = self._source.read(self._here, scene, self._spec.bands)
        if self._spec.distortion != "mask":
            return read
        incidence = scene.incidence_deg or NOMINAL_INCIDENCE_DEG
        hidden = self._distortion(str(scene.orbit), incidence) != CLEAR
        return {band: np.where(hidden, np.float32(np.nan), values) for band, values in read.items()}

    def _distortion(self, direction: str, incidence_deg: float) -> NDArray[np.uint8]:
        key = direction, round(float(incidence_deg), 2)
        if key not in self._distorted:
            geometry = Geometry.of(self._grid, direction)
            elevation = self._source.elevation(self._here.pad(geometry.margin))
            if elevation is None:
                raise SourceError("features.radar_elevation", kind="missing", source=self._source.name)
            self._distorted[key] = distortion(elevation, geometry, key[1])
        return self._distorted[key]


def check_orbits(source: str, scenes: Sequence[Scene]) -> None:
    """Refuse scenes that do not tell the direction of their pass.

    Raises
    ------
    SourceError
        Names the first of them.
    """
    silent = [scene.id for scene in scenes if scene.orbit not in SHORT]
    if silent:
        shown = ", ".join(silent[:3]) + (", ..." if len(silent) > 3 else "")
        raise SourceError("features.no_orbit", kind="missing", source=source, scenes=shown, count=len(silent))
