"""Everything that can be known before a run: what is wrong, what would be done, what it needs.

Nothing is written, and nothing is computed but one small block, whose time tells the time of all, and what the imagery
saw of some plots and labels.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import psutil

from sinkest.config import load_config
from sinkest.errors import InputError
from sinkest.mapping.engine import TILE, Block, plan_blocks
from sinkest.messages import Message
from sinkest.progress import Silent
from sinkest.runstore import RunStore, content_key
from sinkest.stages import sight
from sinkest.stages.compose import composer
from sinkest.stages.context import Run
from sinkest.stages.findings import Findings
from sinkest.stages.inputs import existing, inspect
from sinkest.workflow import STAGES

GIB = 1024**3
BASE_MEMORY_GIB = 0.6
"""What program and libraries take before the first block."""
COPIES = 3
"""A composite lies on disk as blocks, as a plain file and as the final one for a moment."""


class Plan(Findings):
    """What was found, for a person to read."""

    def lines(self) -> list[Message]:
        """All lines, problems last."""
        if not self.problems:
            return [*self.facts, Message.of("check.fine")]
        return [*self.facts, Message.of("check.problems", count=len(self.problems)), *self.problems]


def check_run(config: Path) -> Plan:
    """Look at everything a run would use.

    Parameters
    ----------
    config : Path

    Returns
    -------
    Plan
        All problems together; a run of a plan without problems finds all its inputs usable.

    Raises
    ------
    ConfigError
        If the configuration itself cannot be read: nothing else can be looked at then.
    """
    loaded = load_config(config)
    execution, store = loaded.spec.execution, RunStore(loaded.run_folder, keeps_hashes=False)
    run = Run(loaded, store, Silent(), execution.workers, execution.block_size)
    plan = Plan()
    plan.facts.append(Message.of("check.run", name=loaded.spec.name, year=loaded.spec.year, folder=loaded.run_folder))
    if inspect(run, plan):
        if plan.attempt(lambda: _cost(run, plan)):
            plan.attempt(lambda: sight.look(run, plan))
        plan.facts += run.source.notes()  # after some reading, which is when a source can judge its offsets
    if not plan.problems:
        _stages(run, plan)
    return plan


def _cost(run: Run, plan: Plan) -> None:
    """Disk, memory and time, from the measured time of one small block in the middle of the area."""
    blocks = plan_blocks(run.grid, run.block_size, run.index.touched)
    tiles = plan_blocks(run.grid, TILE, run.index.touched)
    height, width = run.grid.shape
    middle = min(tiles, key=lambda tile: math.hypot(tile.row - height / 2, tile.col - width / 2))
    compose = composer(run)
    # The first block also pays for compiled code and opened files, so the second one is the measure.
    compose(Block(middle.row, middle.col, 16, 16) if middle.height >= 16 <= middle.width else middle)
    start = time.perf_counter()
    layers = compose(middle)["layers"]
    seconds = (time.perf_counter() - start) * len(tiles) / run.workers
    pixels = sum(tile.height * tile.width for tile in tiles)
    scenes = sum(len(found) for found in run.scenes().values())
    side = min(run.block_size, max(height, width))
    stacked = side**2 * 4 * (scenes * len(run.spec.features.bands) + 3 * layers.shape[0])
    memory = BASE_MEMORY_GIB + run.workers * stacked / GIB
    disk = COPIES * pixels * layers.shape[0] * layers.dtype.itemsize / GIB
    free_memory, place = psutil.virtual_memory().available / GIB, existing(run.store.root)
    free_disk = psutil.disk_usage(str(place)).free / GIB
    plan.facts.append(
        Message.of(
            "check.cost",
            blocks=len(blocks),
            size=run.block_size,
            workers=run.workers,
            minutes=f"{seconds / 60:.1f}",
            memory=f"{memory:.1f}",
            free_memory=f"{free_memory:.1f}",
            disk=f"{disk:.1f}",
            free_disk=f"{free_disk:.0f}",
        )
    )
    if disk > free_disk:
        raise InputError("check.disk", needed=f"{disk:.1f}", free=f"{free_disk:.1f}", folder=place)
    if memory > free_memory:
        raise InputError("check.memory", needed=f"{memory:.1f}", free=f"{free_memory:.1f}", size=run.block_size)


def _stages(run: Run, plan: Plan) -> None:
    """What would be reused. A stage's key rests on the stages before it, so the first change decides for the rest."""
    for stage in STAGES:
        name = Message.of(f"cli.stage_{stage.NAME}")
        if run.store.seal(stage.NAME) is None or run.store.state(stage.NAME, content_key(stage.parts(run))) != "fresh":
            plan.facts.append(Message.of("check.from", stage=name))
            return
        plan.facts.append(Message.of("check.reused", stage=name))
