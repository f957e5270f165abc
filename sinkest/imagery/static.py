"""Ready rasters without a date as a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError
from sinkest.imagery.raster import nodata_of, probe, read_numbers, require_overlap
from sinkest.imagery.source import Period, Scene, Source


class StaticSource(Source):
    """Ready predictor rasters without a date, each in a unit of its own.

    Parameters
    ----------
    layers : mapping of str to path
        Layer name to a raster file, of which the first band is read. A scale and an offset that the file declares are
        applied; the nodata value is the file's.
    units : mapping of str to str, optional
        Units of layers whose files do not tell them.
    nodata : float, optional
        For files that declare none.
    """

    def __init__(
        self,
        layers: Mapping[str, Path | str],
        *,
        units: Mapping[str, str] | None = None,
        nodata: float | None = None,
        name: str = "static",
    ) -> None:
        if not layers:
            raise InputError("imagery.no_layers")
        self.name = name
        self._files = {layer: probe(path) for layer, path in layers.items()}
        self._nodata = {layer: nodata_of(file, 1, None, nodata) for layer, file in self._files.items()}
        told = units or {}
        self.layers = {layer: told.get(layer) or file.units[0] for layer, file in self._files.items()}

    def describe(self) -> dict[str, Any]:
        """Tell which layers there are."""
        return {"kind": "static", "layers": dict(self.layers), "nodata": dict(self._nodata)}

    def files(self) -> tuple[Path, ...]:
        """Name the layers' files."""
        return tuple(sorted({file.path for file in self._files.values()}))

    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        """Find nothing: layers have no date."""
        return ()

    def read(self, grid: GeoBox, scene: Scene, bands: Sequence[str]) -> dict[str, np.ndarray]:
        """Refuse: there are no scenes."""
        raise InputError("imagery.unknown_bands", source=self.name, given=", ".join(bands), expected="-")

    def static(self, grid: GeoBox, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Read layers on a grid: float32 (y, x), NaN for no data and beyond a file.

        Raises
        ------
        InputError
            If there is no such layer.
        SourceError
            If a file cannot be read.
        """
        unknown = [layer for layer in names if layer not in self._files]
        if unknown:
            raise InputError(
                "imagery.unknown_layers", source=self.name, given=", ".join(unknown), expected=", ".join(self._files)
            )
        return {layer: self._values(layer, grid) for layer in names}

    def check_overlap(self, grid: GeoBox) -> None:
        """Refuse a grid that lies outside one of the layers.

        Raises
        ------
        SourceError
            Names the first such file and both extents.
        """
        for file in self._files.values():
            require_overlap(file, grid)

    def _values(self, layer: str, grid: GeoBox) -> np.ndarray:
        file = self._files[layer]
        stored = read_numbers(file, [1], grid, "bilinear", self._nodata[layer])[0]
        if (file.scales[0], file.offsets[0]) != (1.0, 0.0):
            stored = stored.astype(np.float64) * file.scales[0] + file.offsets[0]
        return stored.astype(np.float32)
