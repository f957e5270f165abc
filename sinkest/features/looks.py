"""What the scenes of a block saw, read with bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.features import indices
from sinkest.features.composite import StoredStack, compose
from sinkest.features.mask import clear
from sinkest.imagery.source import Scene, Source, StoredAs

if TYPE_CHECKING:
    from sinkest.features.cube import CubeSpec

Floats = NDArray[np.float32]

KEPT_BYTES = 256 * 2**20
"""Looks of a block's whole year are kept in memory up to this size, and read anew where needed beyond it."""

DATES_AT_ONCE = 8
"""Dates whose index is computed together: each call has a cost of its own, each date takes memory."""


@dataclass(frozen=True)
class Dates:
    """Some dates of a stack, by their places in it."""

    stack: StoredStack
    places: tuple[int, ...]


def block_bytes(spec: CubeSpec, dates: int, pixels: int, itemsize: int) -> int:
    """Most memory that the arrays of one block take at once; the area, and so the number of blocks, does not count.

    Parameters
    ----------
    spec : CubeSpec
    dates : int
        Optical scenes of the year.
    pixels : int
        Of the block.
    itemsize : int
        Bytes of a stored number, see `Source.stored_as`; 4 where looks are kept as reflectance.

    Returns
    -------
    int
        Stack of all dates, index of each date twice and its terms for `DATES_AT_ONCE`, masks and one scene as it is
        read, and the layers twice.
    """
    stack = dates * (len(spec.bands) * itemsize + 1)
    series = 9 * dates + 24 * min(dates, DATES_AT_ONCE) if spec.phenology_index else 0
    scene = 4 * len(spec.bands) + 16
    return pixels * (stack + series + scene + 2 * 4 * len(spec.layers))


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
        stored = source.stored_as(grid, self._year, spec.bands) if wanted else None
        self._stored = stored or StoredAs(np.dtype(np.float32), 1.0, 0.0)
        rows, cols = grid.shape.yx
        self._strip = min(rows, max(1, kept_bytes // max(1, self._bytes_a_pixel(len(self._year)) * cols)))
        self._kept = self._read(self._year, slice(0, rows)) if self._strip == rows else None

    def of_season(self, season: str) -> Dates:
        """Looks of a season's dates."""
        dates = self._ordered(self._seasons[season])
        if self._kept is None:
            return _all(self._read(dates, slice(0, self._grid.shape[0])))
        return Dates(self._kept, tuple(self._place[scene.id] for scene in dates))

    def count(self, dates: Dates) -> NDArray[np.int32]:
        """Number of looks at each pixel, (y, x)."""
        return dates.stack.count(dates.places)

    def composed(self, dates: Dates) -> Floats:
        """Composite of some dates, (b, y, x)."""
        if not dates.places or not self._spec.bands:
            return np.full(dates.stack.values.shape[1:], np.nan, dtype=np.float32)
        return compose(dates.stack, self._spec.method, dates.places)

    def series(self, season: str, dates: Dates, index: str) -> dict[str, Floats]:
        """An index (y, x) by scene id, for the dates of a season."""
        scenes = self._ordered(self._seasons[season])
        needed = {band: self._spec.bands.index(band) for band in indices.needed_bands(index)}
        found: dict[str, Floats] = {}
        for first in range(0, len(scenes), DATES_AT_ONCE):
            some = slice(first, first + DATES_AT_ONCE)
            bands = {band: dates.stack.of_band(k, dates.places[some]) for band, k in needed.items()}
            values = indices.compute([index], bands)[index]
            found |= {scene.id: one for scene, one in zip(scenes[some], values, strict=True)}
        return found

    def fill_gaps(self, layers: dict[str, Floats]) -> None:
        """Give pixels that a season never saw the composite of all dates; their count stays 0."""
        gaps = {season: layers[f"count_{season}"] == 0 for season in self._spec.seasons}
        blind = np.logical_or.reduce(list(gaps.values()))
        for top in range(0, len(blind), self._strip):
            rows = slice(top, min(top + self._strip, len(blind)))
            if not blind[rows].any():
                continue
            year = self.composed(_all(self._kept if self._kept is not None else self._read(self._year, rows)))
            for season, gap in gaps.items():
                for band, values in zip(self._spec.bands, year, strict=True):
                    part = layers[f"{season}_{band}"][rows]
                    part[gap[rows]] = values[gap[rows]]

    def _bytes_a_pixel(self, dates: int) -> int:
        """Size of the stack: every band as stored, and whether the date was seen."""
        return dates * (len(self._spec.bands) * self._stored.dtype.itemsize + 1)

    def _ordered(self, scenes: Sequence[Scene]) -> list[Scene]:
        return sorted(scenes, key=lambda scene: self._place[scene.id])

    def _read(self, scenes: Sequence[Scene], rows: slice) -> StoredStack:
        grid, margin, bands = self._grid[rows, :], self._spec.dilate_px, self._spec.bands
        ordered = self._ordered(scenes)
        values = np.empty((len(ordered), len(bands), *grid.shape.yx), dtype=self._stored.dtype)
        seen = np.zeros((len(ordered), *grid.shape.yx), dtype=bool)
        to_clear = partial(clear, kind=self._source.qa_kind or "", dilate_px=margin)
        for scene, into, saw in zip(ordered, values, seen, strict=True):
            saw[:] = self._source.look(grid, scene, bands, margin, to_clear, into)
        return StoredStack(values, seen, self._stored.scale, self._stored.offset)


def _all(stack: StoredStack) -> Dates:
    return Dates(stack, tuple(range(len(stack.values))))
