"""Everything that can be known before a run: what is wrong, what would be done, what it needs.

Nothing is written, and nothing is computed but one small block, whose time tells the time of all, and what the imagery
saw of some plots and labels.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from sinkest.config import load_config
from sinkest.errors import InputError
from sinkest.mapping.engine import plan_blocks
from sinkest.messages import Message
from sinkest.progress import Silent
from sinkest.runstore import RunStore, content_key
from sinkest.stages import sight
from sinkest.stages.budget import GIB, block_pixels, measure
from sinkest.stages.context import Run
from sinkest.stages.findings import Findings
from sinkest.stages.inputs import existing, inspect
from sinkest.workflow import STAGES

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
    """Disk, memory and time, from what was measured on one small block in the middle of the area."""
    blocks = plan_blocks(run.grid, run.block_size, run.index.touched)
    cost = measure(run)
    pixels = sum(block.height * block.width for block in blocks)
    seconds = cost.seconds_a_pixel * pixels / min(run.workers, len(blocks))
    memory = cost.memory_gib(min(run.workers, len(blocks)), block_pixels(run.block_size, run.grid.shape.yx))
    disk = COPIES * pixels * cost.layers * cost.item_bytes / GIB
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
