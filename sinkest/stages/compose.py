"""Stage compose: from scenes to cloud-free seasonal composites, one file on the run's grid."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from sinkest.errors import ConfigError
from sinkest.features.block import build_block, served_block
from sinkest.features.cube import NODATA, check_counts
from sinkest.imagery.composite import CompositeSource, settings_tag
from sinkest.imagery.source import Evidence, Gap, Scene
from sinkest.mapping.cog import RasterSpec
from sinkest.mapping.engine import Arrays, Block, iterate_parts, plan_blocks, run_blocks
from sinkest.messages import Message
from sinkest.runstore import content_key, pretty_json, write_bytes
from sinkest.stages import geometry, traces
from sinkest.stages.context import Run
from sinkest.stages.mapfile import write_map

NAME = "compose"
FILE = "composite.tif"
SCENES = "scenes.json"
GAPS_FILE = "gaps.json"
LAYERS = "layers"
MAKING: Mapping[str, tuple[str, ...]] = {
    "optical": ("composite", "dilate_px", "gap_fill", "topographic_correction"),
    "radar": ("radar_statistics", "radar_by_orbit", "radar_distortion"),
}
"""Settings of the section ``features`` that change pixels, by the kind of layers that they change."""
KEPT = "keep_composite"
"""Part of the key: whether the file is written. The layers, and what models and maps make of them, are the same."""


def parts(run: Run) -> dict[str, Any]:
    """What the composites depend on."""
    spec = run.spec
    return {
        **run.base_parts,
        "aoi": spec.aoi.model_dump(mode="json"),
        "aoi_file": run.file_hash(spec.aoi.path),
        "grid": geometry.grid_part(run),
        "imagery": spec.imagery.model_dump(mode="json"),
        "source": run.source.describe(),
        "files": run.hashes(run.source.files()),
        "features": spec.features.model_dump(mode="json"),
        KEPT: run.keep_composite,
    }


def work(run: Run, folder: Path) -> None:
    """Write the list of scenes and, unless the composite is not to be kept, compose all blocks and write the file."""
    if not run.keep_composite and _may_miss(run):
        raise ConfigError("stac.gaps_unlisted", file=run.config.path)  # there is nowhere to list them
    listed = {season: [_listed(scene) for scene in found] for season, found in composer(run).scenes.items()}
    levelling = geometry.record(run)  # fitted before any block, by one thread
    if run.keep_composite:
        _compose(run, folder, content_key([listed, levelling])[:12])
    else:
        run.progress.begin(NAME, 0)
    write_bytes(folder / SCENES, pretty_json(listed))
    if levelling is not None:
        write_bytes(folder / geometry.RECORD, pretty_json(levelling))
    run.progress.end(NAME)


def _compose(run: Run, folder: Path, made_of: str) -> None:
    """Compose all blocks; those of an interrupted run count only if a catalogue still lists the same scenes."""
    blocks = plan_blocks(run.grid, run.block_size, run.index.touched)
    cache = folder / f".parts-{run.block_size}-{made_of}"
    missed = set(geometry.gaps(run))
    if _may_miss(run):
        traces.resume(run.source, cache, blocks, missed)
    run.progress.begin(NAME, len(blocks))
    ready = run_blocks(
        composer(run), blocks, cache, workers=run.workers, scheduler=run.scheduler, advance=run.progress.advance
    )
    tell_resumed(run, NAME, ready, len(blocks))
    if not run.is_static:
        _check_seasons(run, cache, blocks)
    gaps, evidence = traces.gathered(arrays for _, arrays in iterate_parts(cache, blocks))
    run.source.recall_gaps(missed | gaps)  # each process has counted its own: the limit is for all of them
    write_map(folder / FILE, run.grid, file_spec(run), _windows(cache, blocks))
    tell_notes(run, evidence)
    _list_gaps(run, folder, sorted(missed | gaps))
    for stale in folder.glob(".parts-*"):
        shutil.rmtree(stale)


def _may_miss(run: Run) -> bool:
    """Whether reads may fail and be let pass."""
    section = run.spec.imagery.stac
    return run.spec.imagery.source == "stac" and section is not None and section.allowed_failures > 0


def tell_notes(run: Run, evidence: Evidence) -> None:
    """Say what the source noticed, by what all its reads have left."""
    for note in run.source.notes(evidence):
        run.progress.say(note)


def _list_gaps(run: Run, folder: Path, gaps: Sequence[Gap]) -> None:
    """List the reads that failed and were let pass, if there are any."""
    if gaps:
        write_bytes(folder / GAPS_FILE, pretty_json([asdict(gap) for gap in gaps]))
        run.progress.say(Message.of("stac.gaps", count=len(gaps), file=folder / GAPS_FILE))


def tell_resumed(run: Run, stage: str, ready: int, total: int) -> None:
    """Say how many blocks an earlier, interrupted run left ready."""
    if ready:
        name = Message.of(f"cli.stage_{stage}")
        run.progress.say(Message.of("cli.resumed", stage=name, ready=ready, total=total))


@dataclass(frozen=True)
class Composer:
    """The block function of the composites: stored layers (n, y, x), nodata outside all zones.

    Attributes
    ----------
    run : Run
    scenes : mapping
        By season; none for ready predictors.
    """

    run: Run
    scenes: Mapping[str, Sequence[Scene]]

    def __call__(self, block: Block) -> Arrays:
        """Layers of a block, in the order and type in which they are stored, and what reading them left."""
        traces.forget(self.run.source)
        return {LAYERS: self.stored(block), **traces.left_by(self.run.source)}

    def stored(self, block: Block) -> NDArray[Any]:
        """Layers of a rectangle of the grid, which need not begin or end at a tile."""
        run = self.run
        if run.is_static:
            names = list(run.source.layers)
            values = run.source.static(run.grid[block.slices], names)
            stack = np.stack([values[name] for name in names]).astype(np.float32)
            stack[:, ~run.inside(block)] = np.nan
            return stack
        if isinstance(run.source, CompositeSource):
            asked = {layer.name: (layer.unit, layer.scale) for layer in run.cube.layers}
            read = run.source.stored(run.grid[block.slices], asked, run.periods, _settings(run))
            read[:, ~run.inside(block)] = NODATA
            return read
        if run.source.composes:
            wanted = run.cube.composition(run.periods)
            values = served_block(run.source, run.grid, block.slices, run.cube, wanted)
        else:
            values = build_block(run.levelled, run.grid, block.slices, run.cube, self.scenes)
        stack = np.stack([layer.encode(values[layer.name]) for layer in run.cube.layers])
        stack[:, ~run.inside(block)] = NODATA
        return stack

    def __reduce__(self) -> tuple[Any, ...]:
        return composer, (self.run,)


@lru_cache(maxsize=1)
def composer(run: Run) -> Composer:
    """The block function of a run; a process searches the scenes once."""
    return Composer(run, run.scenes())


def _check_seasons(run: Run, cache: Path, blocks: Sequence[Block]) -> None:
    names = [layer.name for layer in run.cube.layers]
    for season in run.cube.seasons:
        position = names.index(f"count_{season}")
        looks: Counter[int] = Counter()
        for _, arrays in iterate_parts(cache, blocks):
            values, pixels = np.unique(arrays[LAYERS][position], return_counts=True)
            looks.update(dict(zip(values.tolist(), pixels.tolist(), strict=True)))
        check_counts(season, looks)


def _windows(cache: Path, blocks: Sequence[Block]) -> Iterator[tuple[Window, NDArray[Any]]]:
    for block, arrays in iterate_parts(cache, blocks):
        yield block.window, arrays[LAYERS]


def file_spec(run: Run) -> RasterSpec:
    """What the composite file is."""
    tags = {**run.tags, "STAGE_KEY": content_key(parts(run))}
    tags |= {} if run.is_static else settings_tag(_settings(run))
    if run.is_static:
        names = list(run.source.layers)
        units = [run.source.layers[name] for name in names]
        return RasterSpec("float32", float("nan"), names, units, tags=tags, overviews=False)
    layers = run.cube.layers
    return RasterSpec(
        "int16",
        NODATA,
        [layer.name for layer in layers],
        [layer.unit for layer in layers],
        [layer.scale for layer in layers],
        tags=tags,
        overviews=False,
    )


def _settings(run: Run) -> dict[str, Any]:
    """What makes the pixels of layers that go by the same names, by keys of the section ``features``."""
    features = run.spec.features
    names = [name for name, bands in (("optical", features.bands), ("radar", features.radar_bands)) if bands]
    told = {name: getattr(features, name) for kind in names for name in MAKING[kind]}
    if features.bands and features.composite != "median":
        told["bands"] = features.bands  # a date is chosen, or a vector found, by all bands together
    return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}


def _listed(scene: Scene) -> dict[str, Any]:
    return {
        "id": scene.id,
        "time": scene.time.isoformat(),
        "sensor": scene.sensor,
        "cloud": scene.cloud,
        "product": scene.product,
        "offset_policy": scene.offset_policy,
    }
