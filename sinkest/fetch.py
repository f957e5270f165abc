"""Acquire the imagery of a run, and nothing else; or tell what that would take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from sinkest.config import load_config
from sinkest.imagery.source import Composition
from sinkest.mapping.cog import RasterSpec
from sinkest.mapping.engine import TILE, plan_blocks
from sinkest.messages import Message
from sinkest.progress import Progress, Silent
from sinkest.runstore import RunStore, content_key
from sinkest.stages import compose
from sinkest.stages.context import Run
from sinkest.stages.findings import Findings
from sinkest.stages.inputs import inspect
from sinkest.stages.mapfile import write_map
from sinkest.workflow import run

MIB, GIB = 1024**2, 1024**3
LAYERS, LAYER_FILE = "layers", "layers.tif"
"""Where maps of others lie in a run folder; no later stage reads them."""


def fetch(
    config: Path, *, progress: Progress, workers: int | None = None, block_size: int | None = None, **given: Any
) -> list[Path]:
    """Compose the imagery of a run, and read the maps of others that the source is asked for.

    Interrupted, it goes on where it was; what is finished and still current is not fetched again.

    Parameters
    ----------
    config : Path
    progress : Progress
    workers, block_size : int, optional
        In place of the configuration's; no result depends on them.
    **given
        ``scheduler`` and ``memory_gib``, as for `sinkest.workflow.run`.

    Returns
    -------
    list of Path
        Folders with what was fetched.

    Raises
    ------
    SinkestError
        For everything a user can mend; finished blocks stay finished.
    """
    asked = _run(config, None, progress, workers, block_size)
    if not asked.is_static:
        asked.source.check_layers(asked.grid)
    store = run(config, progress=progress, until=compose.NAME, workers=workers, block_size=block_size, **given)
    current = _run(config, store, progress, workers, block_size)
    if current.is_static or not current.source.layers:
        return [store.folder(compose.NAME)]
    parts = _layer_parts(current)
    with store.claimed(config):
        if store.state(LAYERS, content_key(parts)) == "fresh":
            progress.say(Message.of("cli.reused", stage=Message.of("fetch.layers")))
        else:
            store.run_stage(LAYERS, parts, lambda folder: _read_layers(current, folder))
    return [store.folder(compose.NAME), store.folder(LAYERS)]


def plan_fetch(config: Path) -> list[Message]:
    """What `fetch` would ask for. Lists of scenes are read; no pixel is.

    Raises
    ------
    SinkestError
        If the imagery cannot be had as the configuration says.
    """
    current = _run(config, None, Silent(), None, None)
    findings = Findings()
    inspect(current, findings, compose.NAME)
    findings.refuse()
    current.source.check_layers(current.grid)
    blocks = plan_blocks(current.grid, current.block_size, current.index.touched)
    if current.spec.imagery.source == "earthengine":
        return [*findings.facts, *_earthengine(current, [block.slices for block in blocks])]
    files = current.source.files()
    size = sum(file.stat().st_size for file in files if file.is_file())
    scenes = {scene.id for found in current.scenes().values() for scene in found}
    told = Message.of(
        "fetch.plan_files", scenes=len(scenes), blocks=len(blocks), files=len(files), gib=f"{size / GIB:.2f}"
    )
    return [*findings.facts, told]


def _earthengine(current: Run, blocks: list[tuple[slice, slice]]) -> list[Message]:
    from sinkest.imagery.earthengine import EarthEngineSource
    from sinkest.imagery.earthengine.plan import cost

    source = current.source
    if not isinstance(source, EarthEngineSource):
        raise TypeError(type(source).__name__)
    wanted = _wanted(current)
    lines = []
    for season, scenes in current.scenes().items():
        radar = sum(scene.is_radar for scene in scenes)
        granules = sum(len(scene.extra["granules"]) for scene in scenes)
        lines.append(
            Message.of(
                "earthengine.plan_scenes", season=season, optical=len(scenes) - radar, radar=radar, granules=granules
            )
        )
    total = cost(source, current.grid, blocks, wanted, current.cube.terrain)
    size = current.block_size
    lines.append(
        Message.of(
            "earthengine.plan_requests",
            blocks=len(blocks),
            size=size,
            requests=total.requests,
            gib=f"{total.bytes / GIB:.3f}",
            more=total.for_gaps,
        )
    )
    largest, concurrency = f"{total.largest_bytes / MIB:.1f}", source.client.pace.concurrency
    return [*lines, Message.of("earthengine.plan_limits", largest=largest, concurrency=concurrency)]


def _wanted(current: Run) -> Composition:
    """What is asked for; passes that are put together here are read as for the plain composite."""
    cube = replace(
        current.cube,
        radar_statistics=("median",),
        radar_by_orbit=(),
        radar_distortion="none",
        topographic_correction="none",
    )
    return cube.composition(current.periods)


def _run(config: Path, store: RunStore | None, progress: Progress, workers: int | None, block_size: int | None) -> Run:
    loaded = load_config(config)
    execution = loaded.spec.execution
    kept = store or RunStore(loaded.run_folder, keeps_hashes=False)
    return Run(loaded, kept, progress, workers or execution.workers, block_size or execution.block_size)


# -- maps of others -------------------------------------------------------------------------------------------------


def _layer_parts(current: Run) -> dict[str, Any]:
    spec = current.spec
    return {
        **current.base_parts,
        "aoi": spec.aoi.model_dump(mode="json"),
        "aoi_file": current.file_hash(spec.aoi.path),
        "grid": {"crs": str(current.grid.crs), "affine": list(current.grid.affine)[:6], "shape": current.grid.shape.yx},
        "imagery": spec.imagery.model_dump(mode="json"),
        "source": current.source.describe(),
        "files": current.hashes(current.source.files()),
    }


def _read_layers(current: Run, folder: Path) -> None:
    names = list(current.source.layers)
    units = [current.source.layers[name] for name in names]
    spec = RasterSpec("float32", float("nan"), names, units, tags=current.tags, overviews=False)
    write_map(folder / LAYER_FILE, current.grid, spec, _layer_blocks(current, names))


def _layer_blocks(current: Run, names: list[str]) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    side = max(TILE, current.block_size)
    for block in plan_blocks(current.grid, side, current.index.touched):
        values = current.source.static(current.grid[block.slices], names)
        yield block.window, np.stack([values[name] for name in names]).astype(np.float32)
