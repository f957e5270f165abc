"""The composite of a run as features and looks: read from its file, or composed where a window is asked for."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from sinkest.features.cube import CubeSpec
from sinkest.mapping.engine import Arrays, Block
from sinkest.stages import compose
from sinkest.stages.context import Run

MOST_LOOKS, OUTSIDE = 254, 255


class Cube(ABC):
    """The composite of a run, asked window by window; from several threads at once, and picklable.

    Parameters
    ----------
    spec : CubeSpec or None
        What was composed; None for ready predictors, whose bands are the features.
    bands, units : sequence of str
        Names and units of the stored layers.
    """

    def __init__(self, spec: CubeSpec | None, bands: Sequence[str], units: Sequence[str]) -> None:
        self.spec = spec
        self._bands, self._units = tuple(bands), tuple(units)

    @abstractmethod
    def stored(self, window: Window) -> NDArray[Any]:
        """Layers of a window as they are stored, (layers, y, x)."""

    def traced(self, window: Window) -> tuple[NDArray[Any], Arrays]:
        """As `stored`, with what reading the imagery left, see `sinkest.stages.traces`; nothing where none was read."""
        return self.stored(window), {}

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
        return self.features_of(self.stored(window))

    def features_of(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Features of stored layers."""
        if self.spec is None:
            return stored.astype(np.float32, copy=False)
        return self.spec.features({layer.name: layer.decode(stored[i]) for i, layer in enumerate(self.spec.layers)})

    def counts_of(self, stored: NDArray[Any]) -> NDArray[np.int32]:
        """Looks without cloud, int32 (seasons, y, x), negative outside all zones; no season for ready predictors."""
        places = [i for i, layer in enumerate(self.spec.layers) if layer.kind == "count"] if self.spec else []
        return stored[places].astype(np.int32)

    def looks_of(self, stored: NDArray[Any]) -> NDArray[np.uint8]:
        """Looks over all seasons, uint8 (y, x), at most 254; 255 outside all zones."""
        counts = self.counts_of(stored)
        outside = (counts < 0).any(axis=0) if len(counts) else True
        return np.where(outside, OUTSIDE, np.minimum(counts.sum(axis=0), MOST_LOOKS)).astype(np.uint8)


class CubeFile(Cube):
    """A composite file.

    Parameters
    ----------
    path : Path
        What the stage compose wrote.
    spec : CubeSpec or None
    """

    def __init__(self, path: Path, spec: CubeSpec | None) -> None:
        self.path = path
        self._local = threading.local()
        with rasterio.open(path) as source:
            super().__init__(spec, source.descriptions, [unit or "" for unit in source.units])

    def stored(self, window: Window) -> NDArray[Any]:
        """Layers of a window as they are stored, (layers, y, x)."""
        # One handle a thread: a handle is not safe to share.
        if not hasattr(self._local, "source"):
            self._local.source = rasterio.open(self.path)
        # Every tile is read once, so that keeping more of them than a window needs would only take memory.
        with rasterio.Env(GDAL_CACHEMAX=64):
            return np.asarray(self._local.source.read(window=window))

    def __reduce__(self) -> tuple[Any, ...]:
        return _cube_file, (self.path, self.spec)


@lru_cache(maxsize=1)
def _cube_file(path: Path, spec: CubeSpec | None) -> CubeFile:
    """The file in another process, opened once."""
    return CubeFile(path, spec)


class ComposedCube(Cube):
    """A composite that no file keeps: what is asked for is composed, to the very numbers that a file would hold.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._composer = compose.composer(run)
        spec = compose.file_spec(run)
        super().__init__(None if run.is_static else run.cube, spec.bands, spec.units)

    def stored(self, window: Window) -> NDArray[Any]:
        """Layers of a window as they would be stored, (layers, y, x)."""
        return self.traced(window)[0]

    def traced(self, window: Window) -> tuple[NDArray[Any], Arrays]:
        """As `stored`, with what reading the imagery left, see `sinkest.stages.traces`."""
        row, col, height, width = (int(v) for v in (window.row_off, window.col_off, window.height, window.width))
        arrays = self._composer(Block(row, col, height, width))
        return arrays.pop(compose.LAYERS), arrays

    def __reduce__(self) -> tuple[Any, ...]:
        return ComposedCube, (self.run,)


def run_cube(run: Run) -> Cube:
    """The composite of a run whose stage compose is finished."""
    file = run.store.folder(compose.NAME) / compose.FILE
    return CubeFile(file, None if run.is_static else run.cube) if file.is_file() else ComposedCube(run)
