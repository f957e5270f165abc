"""Everything that can be known before a run: what is wrong, what would be done, what it needs.

Nothing is written and nothing is computed but one small block, whose time tells the time of all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from sinkest.config import load_config
from sinkest.errors import InputError, SinkestError
from sinkest.learn import artefact, recipes
from sinkest.learn.table import read_labels, read_sites, read_strata
from sinkest.mapping.engine import TILE, Block, plan_blocks
from sinkest.messages import Message
from sinkest.progress import Silent
from sinkest.runstore import RunStore, content_key
from sinkest.stages import train
from sinkest.stages.compose import composer
from sinkest.stages.context import Run
from sinkest.stages.estimate import check_definition, read_run_reference
from sinkest.stages.previous import read_earlier
from sinkest.targets import read_targets
from sinkest.workflow import STAGES

GIB = 1024**3
BASE_MEMORY_GIB = 0.6
"""What program and libraries take before the first block."""
COPIES = 3
"""A composite lies on disk as blocks, as a plain file and as the final one for a moment."""


@dataclass
class Plan:
    """What was found.

    Attributes
    ----------
    facts : list of Message
        What the run is and would do.
    problems : list of Message
        What must be mended before.
    """

    facts: list[Message] = field(default_factory=list)
    problems: list[Message] = field(default_factory=list)

    def lines(self) -> list[Message]:
        """All lines for a person, problems last."""
        if not self.problems:
            return [*self.facts, Message.of("check.fine")]
        return [*self.facts, Message.of("check.problems", count=len(self.problems)), *self.problems]

    def attempt(self, look: Callable[[], None]) -> bool:
        """Look at one thing; keep what is wrong with it and go on."""
        try:
            look()
        except SinkestError as error:
            self.problems.append(error.message)
            return False
        return True


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
    run = Run(
        loaded, RunStore(loaded.run_folder), Silent(), loaded.spec.execution.workers, loaded.spec.execution.block_size
    )
    plan = Plan()
    plan.facts.append(Message.of("check.run", name=loaded.spec.name, year=loaded.spec.year, folder=loaded.run_folder))
    if plan.attempt(lambda: _place(run, plan)):
        plan.attempt(lambda: _tables(run, plan))
        if plan.attempt(lambda: _imagery(run, plan)):
            plan.attempt(lambda: _cost(run, plan))
    plan.attempt(lambda: _models(run, plan))
    plan.attempt(lambda: check_definition(run))
    plan.attempt(lambda: _earlier(run, plan))
    if loaded.spec.targets is not None:
        path = loaded.file(loaded.spec.targets.path)
        plan.attempt(lambda: plan.facts.append(Message.of("check.targets", count=len(read_targets(path)))))
    if not plan.problems:
        _stages(run, plan)
    return plan


def _place(run: Run, plan: Plan) -> None:
    height, width = run.grid.shape
    plan.facts += run.zones.notes
    plan.facts.append(
        Message.of(
            "check.place",
            zones=len(run.zones),
            area=f"{run.zones.area_m2 / 1e6:,.1f}",
            crs=str(run.grid.crs),
            width=width,
            height=height,
            resolution=f"{run.resolution_m:g}",
        )
    )


def _tables(run: Run, plan: Plan) -> None:
    """Read every field table as the run would; each is looked at, whatever is wrong with another."""
    spec, file = run.spec, run.config.file
    classes = train.class_names(run)

    def read(key: str, name: str | None, reader: Callable[[Path], int]) -> None:
        if name is None:
            plan.facts.append(Message.of("check.no_table", key=key))
            return
        path = file(name)
        plan.attempt(lambda: plan.facts.append(Message.of("check.table", key=key, file=path, rows=reader(path))))

    def labels(path: Path) -> int:
        cover = spec.land_cover
        return len(read_labels(path, classes=classes, class_field=cover.class_field if cover else "", grid=run.grid))

    def sites(path: Path) -> int:
        return len(train.with_zones(run, read_sites(path, grid=run.grid), path))

    if spec.land_cover is not None:
        read("land_cover.labels", spec.land_cover.labels, labels)
        read("estimate.reference", spec.estimate.reference, lambda _: len(read_run_reference(run)))
        read("estimate.strata", spec.estimate.strata, lambda path: len(read_strata(path)))
        read("wetland.sites", spec.wetland.sites, sites)
    if spec.stock is not None:
        read("stock.plots", spec.stock.plots, lambda _: len(train.read_run_plots(run)))


def _imagery(run: Run, plan: Plan) -> None:
    if run.is_static:
        plan.facts.append(Message.of("check.layers", count=len(run.source.layers)))
        return
    for season, scenes in run.scenes().items():
        optical = [scene for scene in scenes if not scene.is_radar]
        if not optical:
            raise InputError("check.no_scene", season=season, periods=", ".join(map(str, run.periods[season])))
        plan.facts.append(
            Message.of(
                "check.scenes",
                season=season,
                count=len(optical),
                radar=len(scenes) - len(optical),
                first=optical[0].time.date().isoformat(),
                last=optical[-1].time.date().isoformat(),
            )
        )


def _models(run: Run, plan: Plan) -> None:
    for key, section in (("land_cover", run.spec.land_cover), ("stock", run.spec.stock)):
        if section is None:
            continue
        folder = run.config.file(section.model)
        if artefact.is_trained(folder):
            artefact.load(folder)
            plan.facts.append(Message.of("check.trained", key=key, folder=folder))
        else:
            plan.facts.append(Message.of("check.recipe", key=key, name=recipes.load(folder).name))


def _earlier(run: Run, plan: Plan) -> None:
    earlier = read_earlier(run)
    if earlier is not None:
        plan.facts.append(Message.of("check.earlier", folder=earlier.folder, year=earlier.year))


def _cost(run: Run, plan: Plan) -> None:
    """Disk, memory and time, from the measured time of one small block in the middle of the area."""
    blocks = plan_blocks(run.grid, run.block_size, run.index.touched)
    tiles = plan_blocks(run.grid, TILE, run.index.touched)
    height, width = run.grid.shape
    middle = min(tiles, key=lambda tile: math.hypot(tile.row - height / 2, tile.col - width / 2))
    compose = composer(run, run.scenes())
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
    free_memory, place = psutil.virtual_memory().available / GIB, _existing(run.store.root)
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


def _existing(path: Path) -> Path:
    """The nearest folder above a path that is there."""
    while not path.exists():
        path = path.parent
    return path


def _stages(run: Run, plan: Plan) -> None:
    """What would be reused. A stage's key rests on the stages before it, so the first change decides for the rest."""
    for stage in STAGES:
        name = Message.of(f"cli.stage_{stage.NAME}")
        if run.store.seal(stage.NAME) is None or run.store.state(stage.NAME, content_key(stage.parts(run))) != "fresh":
            plan.facts.append(Message.of("check.from", stage=name))
            return
        plan.facts.append(Message.of("check.reused", stage=name))
