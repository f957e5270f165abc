"""Reading features and valid counts out of a composite file, block by block, from several threads."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from sinkest.features.cube import CubeSpec


class CubeFile:
    """The composite of a run as features.

    Parameters
    ----------
    path : Path
        What the stage compose wrote.
    spec : CubeSpec or None
        What was composed; None for ready predictors, whose bands are the features.
    """

    def __init__(self, path: Path, spec: CubeSpec | None) -> None:
        self.path = path
        self.spec = spec
        self._local = threading.local()
        with rasterio.open(path) as source:
            self._bands: tuple[str, ...] = tuple(source.descriptions)
            self._units: tuple[str, ...] = tuple(unit or "" for unit in source.units)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return self.spec.feature_names if self.spec else self._bands

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the features, in order."""
        if self.spec is None:
            return self._units
        stored = dict(zip(self._bands, self._units, strict=True))
        return tuple(stored.get(name, "1") for name in self.feature_names)

    def features(self, window: Window) -> NDArray[np.float32]:
        """Features of a window, float32 (n_features, y, x); NaN where there is no data."""
        stored = self._source().read(window=window)
        if self.spec is None:
            return stored.astype(np.float32, copy=False)
        return self.spec.features({layer.name: layer.decode(stored[i]) for i, layer in enumerate(self.spec.layers)})

    def counts(self, window: Window) -> NDArray[np.uint8]:
        """Looks without cloud over all seasons, uint8 (y, x), at most 254; 255 outside all zones."""
        if self.spec is None:
            return np.full((int(window.height), int(window.width)), 255, dtype=np.uint8)
        places = [i for i, layer in enumerate(self.spec.layers, start=1) if layer.kind == "count"]
        stored = self._source().read(places, window=window).astype(np.int32)
        outside = (stored < 0).any(axis=0)
        return np.where(outside, 255, np.minimum(stored.sum(axis=0), 254)).astype(np.uint8)

    def _source(self) -> rasterio.io.DatasetReader:
        """One handle a thread: a handle is not safe to share."""
        if not hasattr(self._local, "source"):
            self._local.source = rasterio.open(self.path)
        source: rasterio.io.DatasetReader = self._local.source
        return source
