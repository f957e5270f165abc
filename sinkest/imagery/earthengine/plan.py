"""What a composite will cost in requests and bytes, told before any pixel is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from sinkest.imagery.earthengine.source import EarthEngineSource, band_names
from sinkest.imagery.earthengine.wire import PIXEL_BYTES, Window, plan_tiles
from sinkest.imagery.source import Composition


@dataclass(frozen=True)
class Cost:
    """Requests for pixels.

    Attributes
    ----------
    requests : int
    bytes : int
        Uncompressed, as the service counts them.
    largest_bytes : int
        The largest request.
    for_gaps : int
        Requests that come on top at most, where a season saw nothing.
    """

    requests: int = 0
    bytes: int = 0
    largest_bytes: int = 0
    for_gaps: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.requests + other.requests,
            self.bytes + other.bytes,
            max(self.largest_bytes, other.largest_bytes),
            self.for_gaps + other.for_gaps,
        )


def cost(source: EarthEngineSource, grid: GeoBox, blocks: Iterable[Window], wanted: Composition, terrain: bool) -> Cost:
    """What all blocks of a grid will ask for; lists of scenes are asked for here, pixels are not.

    Parameters
    ----------
    source : EarthEngineSource
    grid : GeoBox
    blocks : iterable of (slice, slice)
    wanted : Composition
    terrain : bool
        Whether elevation is read too.
    """
    total = Cost()
    for block in blocks:
        here = grid[block]
        total += _composed(source, here, wanted) if source.composes else _passes(source, here, wanted)
        if terrain:
            total += _request(source, here.pad(1).shape.yx, 1)
    return total


def _composed(source: EarthEngineSource, grid: GeoBox, wanted: Composition) -> Cost:
    optical = {season: source.passes(grid, periods, False) for season, periods in wanted.seasons.items()}
    radar = {season: source.passes(grid, periods, True) for season, periods in wanted.seasons.items()}
    any_optical = any(optical.values())
    total = _request(source, grid.shape.yx, len(band_names(wanted, optical, radar, any_optical)))
    if wanted.fills_gaps and wanted.bands and any_optical:
        total += Cost(for_gaps=_request(source, grid.shape.yx, len(wanted.bands)).requests)
    return total


def _passes(source: EarthEngineSource, grid: GeoBox, wanted: Composition) -> Cost:
    """Every pass is a request of its own; a pass of two seasons is read once for each."""
    total = Cost()
    for periods in wanted.seasons.values():
        for radar, bands in ((False, len(wanted.bands) + 1), (True, len(wanted.radar_bands))):
            if (wanted.radar_bands if radar else wanted.bands) and bands:
                for _ in source.passes(grid, periods, radar):
                    total += _request(source, grid.shape.yx, bands)
    return total


def _request(source: EarthEngineSource, shape: tuple[int, int], bands: int) -> Cost:
    if bands == 0:
        return Cost()
    sizes = [
        (rows.stop - rows.start) * (cols.stop - cols.start) * bands * PIXEL_BYTES
        for rows, cols in plan_tiles(shape, bands, source.client.pace.tile_px)
    ]
    return Cost(len(sizes), sum(sizes), max(sizes))
