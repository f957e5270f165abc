"""One block of the feature cube: all its layers, from scenes or from a source that composes them itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.features import phenology, terrain
from sinkest.features.cube import TERRAIN, CubeSpec
from sinkest.features.looks import Looks
from sinkest.features.radar import Passes, decibel
from sinkest.imagery.source import Composition, Scene, Source

Floats = NDArray[np.float32]


def build_block(
    source: Source,
    grid: GeoBox,
    block: tuple[slice, slice],
    spec: CubeSpec,
    scenes: Mapping[str, Sequence[Scene]],
) -> dict[str, Floats]:
    """All layers of one block, from its scenes.

    Reads as many pixels more on each side as the values depend on, so that they do not depend on the block.

    Parameters
    ----------
    source : Source
    grid : GeoBox
        Grid of the run.
    block : (slice, slice)
        Rows and columns.
    spec : CubeSpec
    scenes : mapping of str to sequence of Scene
        Scenes by season; a scene of two seasons counts once in the year.

    Returns
    -------
    dict of str to float32 array (y, x)
        By the names of ``spec.layers``; radar in dB. NaN where nothing was seen.

    Raises
    ------
    SourceError
        If no scene has the bands, or terrain is wanted of a source without elevation.
    """
    here = grid[block]
    looks = Looks(source, here, spec, scenes)
    layers: dict[str, Floats] = {}
    series: dict[str, Floats] = {}
    passes = Passes(source, grid, block, spec.radar)
    for season in spec.seasons:
        radar, radar_count = passes.season(season, scenes[season])
        stack = looks.of_season(season)
        count = looks.count(stack) if spec.bands else radar_count
        layers |= {**radar, f"count_{season}": count.astype(np.float32)}
        layers |= {f"{season}_{band}": values for band, values in zip(spec.bands, looks.composed(stack), strict=True)}
        if spec.phenology_index:
            series |= looks.series(season, stack, spec.phenology_index)
    if spec.gap_fill == "year" and spec.bands:
        looks.fill_gaps(layers)
    if spec.phenology_index:
        layers |= phenology.percentile_layers(spec.phenology_index, np.stack(list(series.values())))
    layers |= passes.flags()
    if spec.terrain:
        layers |= _terrain(source, here)
    return layers


def served_block(
    source: Source, grid: GeoBox, block: tuple[slice, slice], spec: CubeSpec, wanted: Composition
) -> dict[str, Floats]:
    """All layers of one block from a source that makes the composites itself; as `build_block` returns them."""
    here = grid[block]
    layers = source.composite(here, wanted)
    for season in spec.seasons:
        layers |= {f"{season}_{band}": decibel(layers[f"{season}_{band}"]) for band in spec.radar_bands}
    return layers | (_terrain(source, here) if spec.terrain else {})


def _terrain(source: Source, grid: GeoBox) -> dict[str, Floats]:
    wide = grid.pad(1)
    elevation = source.elevation(wide)
    if elevation is None:
        raise SourceError("features.no_elevation", kind="missing", source=source.name)
    values = (elevation, *terrain.slope_aspect(elevation, *terrain.pixel_sides_m(wide)))
    return {name: layer[1:-1, 1:-1] for name, layer in zip(TERRAIN, values, strict=True)}
