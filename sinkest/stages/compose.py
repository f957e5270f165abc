"""Stage compose: from scenes to cloud-free seasonal composites, one file on the run's grid."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from sinkest.features.block import build_block, served_block
from sinkest.features.cube import NODATA, check_counts
from sinkest.imagery.source import Scene
from sinkest.mapping.cog import RasterSpec
from sinkest.mapping.engine import Arrays, Block, iterate_parts, plan_blocks, run_blocks
from sinkest.messages import Message
from sinkest.runstore import content_key, pretty_json, write_bytes
from sinkest.stages.context import Run
from sinkest.stages.mapfile import write_map

NAME = "compose"
FILE = "composite.tif"
SCENES = "scenes.json"
LAYERS = "layers"


def parts(run: Run) -> dict[str, Any]:
    """What the composites depend on."""
    spec = run.spec
    return {
        **run.base_parts,
        "aoi": spec.aoi.model_dump(mode="json"),
        "aoi_file": run.file_hash(spec.aoi.path),
        "imagery": spec.imagery.model_dump(mode="json"),
        "source": run.source.describe(),
        "files": run.hashes(run.source.files()),
        "features": spec.features.model_dump(mode="json"),
    }


def work(run: Run, folder: Path) -> None:
    """Compose all blocks, then write the file and the list of scenes."""
    blocks = plan_blocks(run.grid, run.block_size, run.index.touched)
    scenes = run.scenes()
    cache = folder / f".parts-{run.block_size}"
    run.progress.begin(NAME, len(blocks))
    ready = run_blocks(composer(run, scenes), blocks, cache, workers=run.workers, advance=run.progress.advance)
    tell_resumed(run, NAME, ready, len(blocks))
    if not run.is_static:
        _check_seasons(run, cache, blocks)
    write_map(folder / FILE, run.grid, _file_spec(run), _windows(cache, blocks))
    listed = {season: [_listed(scene) for scene in found] for season, found in scenes.items()}
    write_bytes(folder / SCENES, pretty_json(listed))
    shutil.rmtree(cache)
    run.progress.end(NAME)


def tell_resumed(run: Run, stage: str, ready: int, total: int) -> None:
    """Say how many blocks an earlier, interrupted run left ready."""
    if ready:
        name = Message.of(f"cli.stage_{stage}")
        run.progress.say(Message.of("cli.resumed", stage=name, ready=ready, total=total))


def composer(run: Run, scenes: Mapping[str, Sequence[Scene]]) -> Callable[[Block], Arrays]:
    """Block function: stored layers (n, y, x), nodata outside all zones."""

    def ready_layers(block: Block) -> Arrays:
        names = list(run.source.layers)
        values = run.source.static(run.grid[block.slices], names)
        stack = np.stack([values[name] for name in names]).astype(np.float32)
        stack[:, ~run.inside(block)] = np.nan
        return {LAYERS: stack}

    def composed(block: Block) -> Arrays:
        return encoded(block, build_block(run.source, run.grid, block.slices, run.cube, scenes))

    def served(block: Block) -> Arrays:
        wanted = run.cube.composition(run.periods)
        return encoded(block, served_block(run.source, run.grid, block.slices, run.cube, wanted))

    def encoded(block: Block, values: Mapping[str, NDArray[np.float32]]) -> Arrays:
        stack = np.stack([layer.encode(values[layer.name]) for layer in run.cube.layers])
        stack[:, ~run.inside(block)] = NODATA
        return {LAYERS: stack}

    if run.is_static:
        return ready_layers
    return served if run.source.composes else composed


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


def _file_spec(run: Run) -> RasterSpec:
    tags = {**run.tags, "STAGE_KEY": content_key(parts(run))}
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


def _listed(scene: Scene) -> dict[str, Any]:
    return {
        "id": scene.id,
        "time": scene.time.isoformat(),
        "sensor": scene.sensor,
        "cloud": scene.cloud,
        "product": scene.product,
        "offset_policy": scene.offset_policy,
    }
