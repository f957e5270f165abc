"""The feature cube: what a composite stores, and which features come of it in what order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sinkest.errors import InputError, SourceError
from sinkest.features import indices, phenology
from sinkest.features.radar import Direction, Distortion, RadarSpec, Statistic
from sinkest.imagery.source import Composition, Period

Floats = NDArray[np.float32]
Kind = Literal["reflectance", "backscatter", "variation", "flag", "index", "terrain", "count"]

TERRAIN = ("elevation", "slope", "northness", "eastness")
_STORE: Mapping[str, tuple[float, str]] = {
    "reflectance": (1e-4, "1"),
    "index": (1e-4, "1"),
    "backscatter": (1e-3, "dB"),
    "variation": (1e-3, "1"),
    "flag": (1.0, "1"),
    "count": (1.0, "1"),
    "elevation": (0.25, "m"),
    "slope": (0.01, "degree"),
    "northness": (1e-4, "1"),
    "eastness": (1e-4, "1"),
}
NODATA = -32768
"""Stored value of a pixel without data; all layers are stored as int16."""


@dataclass(frozen=True)
class Layer:
    """One layer of the composite file: stored int16 times ``scale`` is the value in ``unit``."""

    name: str
    kind: Kind
    scale: float
    unit: str

    def encode(self, values: Floats) -> NDArray[np.int16]:
        """Values as they are stored; NaN becomes nodata, values beyond the range of the type its end."""
        steps = np.rint(values.astype(np.float64) / self.scale)
        stored = np.clip(np.where(np.isfinite(steps), steps, 0), NODATA + 1, 32767).astype(np.int16)
        stored[~np.isfinite(values)] = NODATA
        return stored

    def decode(self, stored: NDArray[np.int16]) -> Floats:
        """Stored numbers as values; nodata becomes NaN."""
        values = (stored.astype(np.float64) * self.scale).astype(np.float32)
        values[stored == NODATA] = np.nan
        return values


@dataclass(frozen=True)
class CubeSpec:
    """What is composed and which features are made of it.

    Attributes
    ----------
    seasons : tuple of str
        Names; each gets a composite of its own.
    bands, radar_bands : tuple of str
        Common band names of every season.
    indices : tuple of str
        Spectral indices of every season, names of spyndex.
    phenology_index : str or None
        Index of which the 10th, 50th and 90th percentile over all dates and their span are features.
    terrain : bool
    method : {"median", "medoid", "geomedian"}
    dilate_px : int
        Radius by which clouds and shadows are widened.
    radar_statistics, radar_by_orbit, radar_distortion
        See `RadarSpec`.
    topographic_correction : {"none", "scs+c"}
        Of every optical date before it is composed, see `sinkest.features.topography`.
    gap_fill : {"none", "year"}
        With ``"year"``, a season without a look takes the composite of all dates; its count stays 0.
    """

    seasons: tuple[str, ...]
    bands: tuple[str, ...]
    radar_bands: tuple[str, ...] = ()
    indices: tuple[str, ...] = ()
    phenology_index: str | None = None
    terrain: bool = True
    method: Literal["median", "medoid", "geomedian"] = "median"
    dilate_px: int = 1
    gap_fill: Literal["none", "year"] = "year"
    radar_statistics: tuple[Statistic, ...] = ("median",)
    radar_by_orbit: tuple[Direction, ...] = ()
    radar_distortion: Distortion = "none"
    topographic_correction: Literal["none", "scs+c"] = "none"

    def __post_init__(self) -> None:
        if self.topographic_correction != "none" and not {"red", "nir"} <= set(self.bands):
            raise InputError("features.topography_bands", given=", ".join(self.bands) or "-")
        for name in (*self.indices, *([self.phenology_index] if self.phenology_index else [])):
            missing = [band for band in indices.needed_bands(name) if band not in self.bands]
            if missing:
                given = ", ".join(self.bands)
                raise InputError("features.index_bands", index=name, missing=", ".join(missing), given=given)

    @cached_property
    def radar(self) -> RadarSpec:
        """What is made of the radar scenes."""
        return RadarSpec(self.radar_bands, self.radar_statistics, self.radar_by_orbit, self.radar_distortion)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Layers of the composite file, in order."""
        layers = []
        for season in self.seasons:
            layers += [_layer(f"{season}_{band}", "reflectance") for band in self.bands]
            layers += [_layer(name, kind) for name, kind in self.radar.names(season).items()]
        if self.phenology_index:
            layers += [_layer(name, "index") for name in phenology.layer_names(self.phenology_index)]
        layers += [_layer(name, "flag") for name in self.radar.flags]
        if self.terrain:
            layers += [_layer(name, "terrain", name) for name in TERRAIN]
        return (*layers, *(_layer(f"count_{season}", "count") for season in self.seasons))

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in the order of `features`."""
        stored = [layer.name for layer in self.layers if layer.kind != "count"]
        made = [f"{season}_{name}" for season in self.seasons for name in self.indices]
        span = [phenology.span_name(self.phenology_index)] if self.phenology_index else []
        return (*stored, *made, *span)

    def composition(self, periods: Mapping[str, tuple[Period, ...]]) -> Composition:
        """What a source that makes composites itself is asked for.

        Raises
        ------
        InputError
            If more is wanted than such a source can give.
        """
        if not self.radar.is_plain:
            raise InputError("features.served_only_plain", asked="features.radar_*")
        if self.topographic_correction != "none":
            raise InputError("features.served_only_plain", asked="features.topographic_correction")
        return Composition(
            seasons=periods,
            bands=self.bands,
            radar_bands=self.radar_bands,
            method=self.method,
            index=self.phenology_index,
            percentiles=phenology.PERCENTILES if self.phenology_index else (),
            dilate_px=self.dilate_px,
            fills_gaps=self.gap_fill == "year",
        )

    def features(self, layers: Mapping[str, Floats]) -> Floats:
        """Features of a block.

        Parameters
        ----------
        layers : mapping of str to float32 array (y, x)
            Decoded layers by name.

        Returns
        -------
        float32 array (n_features, y, x)
            NaN where a layer it needs is NaN.
        """
        stored = [layers[layer.name] for layer in self.layers if layer.kind != "count"]
        made = []
        for season in self.seasons:
            bands = {band: layers[f"{season}_{band}"] for band in self.bands}
            made += list(indices.compute(self.indices, bands).values())
        span = [phenology.span(self.phenology_index, layers)] if self.phenology_index else []
        return np.stack([*stored, *made, *span]).astype(np.float32, copy=False)


def _layer(name: str, kind: Kind, store: str | None = None) -> Layer:
    scale, unit = _STORE[store or kind]
    return Layer(name, kind, scale, unit)


def check_counts(season: str, counts: Mapping[int, int]) -> None:
    """Refuse a season in which no pixel of the area was ever seen.

    Parameters
    ----------
    season : str
    counts : mapping of int to int
        Number of looks to number of pixels.

    Raises
    ------
    SourceError
        If every pixel has 0 looks.
    """
    if not any(pixels for looks, pixels in counts.items() if looks > 0):
        raise SourceError("features.blind_season", kind="empty", season=season)
