"""What the scenes of a block saw, read with bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.features import composite, indices
from sinkest.features.mask import clear
from sinkest.imagery.source import QA, Scene, Source

if TYPE_CHECKING:
    from sinkest.features.cube import CubeSpec

Floats = NDArray[np.float32]

KEPT_BYTES = 256 * 2**20
"""Reflectance of a block's whole year is kept in memory up to this size, and read anew where needed beyond it."""


DATES_AT_ONCE = 8
"""Dates whose index is computed together: each call has a cost of its own, each date takes memory."""


class Looks:
    """Optical scenes of one block, masked to what they saw of the ground.

    Parameters
    ----------
    source : Source
    grid : GeoBox
        The block.
    spec : CubeSpec
    scenes : mapping of str to sequence of Scene
        Scenes by season; those without the bands of ``spec`` are left out.
    kept_bytes : int
        Size up to which the stack of all dates stays in memory; no result depends on it.
    """

    def __init__(
        self,
        source: Source,
        grid: GeoBox,
        spec: CubeSpec,
        scenes: Mapping[str, Sequence[Scene]],
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._source, self._grid, self._spec = source, grid, spec
        wanted = set(spec.bands)
        self._seasons = {
            season: [scene for scene in found if wanted and wanted <= set(source.bands_of(scene))]
            for season, found in scenes.items()
        }
        self._year = list({scene.id: scene for found in self._seasons.values() for scene in found}.values())
        self._place = {scene.id: place for place, scene in enumerate(self._year)}
        if wanted and not self._year:
            raise SourceError("features.no_scene", kind="empty", source=source.name, bands=", ".join(spec.bands))
        rows, cols = grid.shape.yx
        bytes_per_row = max(1, len(self._year) * len(spec.bands) * cols * 4)
        self._strip = min(rows, max(1, kept_bytes // bytes_per_row))
        self._kept = self._read(self._year, slice(0, rows)) if self._strip == rows else None

    def of_season(self, season: str) -> Floats:
        """Reflectance of a season's dates, (t, b, y, x); NaN where a date did not see the ground."""
        if self._kept is None:
            return self._read(self._seasons[season], slice(0, self._grid.shape[0]))
        places = sorted(self._place[scene.id] for scene in self._seasons[season])
        if places and places[-1] - places[0] == len(places) - 1:
            return self._kept[places[0] : places[-1] + 1]
        return self._kept[places]

    def count(self, stack: Floats) -> NDArray[np.int32]:
        """Number of looks at each pixel, (y, x)."""
        if stack.shape[1] == 0 or len(stack) == 0:
            return np.zeros(stack.shape[2:], dtype=np.int32)
        return composite.count_valid(stack[:, 0])

    def composed(self, stack: Floats) -> Floats:
        """Composite of a stack, (b, y, x)."""
        if len(stack) == 0 or stack.shape[1] == 0:
            return np.full(stack.shape[1:], np.nan, dtype=np.float32)
        if self._spec.method == "median":
            return np.stack([composite.median(stack[:, band]) for band in range(stack.shape[1])])
        return composite.medoid(stack) if self._spec.method == "medoid" else composite.geomedian(stack)

    def series(self, season: str, stack: Floats, index: str) -> dict[str, Floats]:
        """An index (y, x) by scene id, for the dates of a season."""
        dates = self._ordered(self._seasons[season])
        found: dict[str, Floats] = {}
        for first in range(0, len(dates), DATES_AT_ONCE):
            some = slice(first, first + DATES_AT_ONCE)
            bands = {band: stack[some, k] for k, band in enumerate(self._spec.bands)}
            values = indices.compute([index], bands)[index]
            found |= {scene.id: one for scene, one in zip(dates[some], values, strict=True)}
        return found

    def fill_gaps(self, layers: dict[str, Floats]) -> None:
        """Give pixels that a season never saw the composite of all dates; their count stays 0."""
        gaps = {season: layers[f"count_{season}"] == 0 for season in self._spec.seasons}
        blind = np.logical_or.reduce(list(gaps.values()))
        for top in range(0, len(blind), self._strip):
            rows = slice(top, min(top + self._strip, len(blind)))
            if not blind[rows].any():
                continue
            year = self.composed(self._kept if self._kept is not None else self._read(self._year, rows))
            for season, gap in gaps.items():
                for band, values in zip(self._spec.bands, year, strict=True):
                    part = layers[f"{season}_{band}"][rows]
                    part[gap[rows]] = values[gap[rows]]

    def _ordered(self, scenes: Sequence[Scene]) -> list[Scene]:
        return sorted(scenes, key=lambda scene: self._place[scene.id])

    def _read(self, scenes: Sequence[Scene], rows: slice) -> Floats:
        grid = self._grid[rows, :]
        ordered = self._ordered(scenes)
        stack = np.full((len(ordered), len(self._spec.bands), *grid.shape.yx), np.nan, dtype=np.float32)
        for values, scene in zip(stack, ordered, strict=True):
            seen = self._look(grid, scene, values)
            values[:, ~seen] = np.nan
        return stack

    def _look(self, grid: GeoBox, scene: Scene, into: Floats) -> NDArray[np.bool_]:
        """Read one scene; returns where it saw the ground in all bands."""
        margin = self._spec.dilate_px
        read = self._source.read_with_margin(grid, scene, self._spec.bands, margin)
        for values, band in zip(into, self._spec.bands, strict=True):
            values[:] = read[band]
        seen: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(into), axis=0)
        if self._source.qa_kind is not None:
            inner = slice(margin, -margin or None)
            seen &= clear(read[QA], self._source.qa_kind, margin)[inner, inner]
        return seen
