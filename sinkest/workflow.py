"""The yearly run: its stages in order, what can be reused, and why the rest cannot."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from sinkest.config import LoadedConfig, load_config
from sinkest.errors import ConfigError
from sinkest.messages import Message
from sinkest.progress import Progress
from sinkest.runstore import RunStore, content_key
from sinkest.runstore.manifest import describe
from sinkest.stages import compose, estimate, mapping, publish, train
from sinkest.stages.budget import fitted
from sinkest.stages.context import Run
from sinkest.stages.findings import Findings
from sinkest.stages.inputs import inspect

STAGES: tuple[ModuleType, ...] = (compose, train, mapping, estimate, publish)
NAMES = tuple(stage.NAME for stage in STAGES)


def run(
    config: Path,
    *,
    progress: Progress,
    until: str = "report",
    workers: int | None = None,
    block_size: int | None = None,
    scheduler: str | None = None,
    memory_gib: float | None = None,
    accept_provisional: bool = False,
) -> RunStore:
    """Do a run, or go on with one, up to a stage.

    Parameters
    ----------
    config : Path
        The configuration.
    progress : Progress
        Is told what is done, what is reused, and why.
    until : str
        Last stage.
    workers, block_size : int, optional
        In place of the configuration's; no result depends on them.
    scheduler, memory_gib : optional
        As ``execution.scheduler`` and ``execution.memory_gib``; no result depends on them.
    accept_provisional : bool
        As ``account.accept_provisional`` of the configuration, which it can only widen.

    Returns
    -------
    RunStore
        The run folder.

    Raises
    ------
    SinkestError
        For everything a user can mend; what can be found before any work is, and finished stages stay finished.
    """
    loaded = load_config(config)
    if accept_provisional:
        loaded = loaded.accepting_provisional()
    loaded = loaded.executing(scheduler=scheduler, memory_gib=memory_gib)
    return run_loaded(loaded, progress=progress, until=until, workers=workers, block_size=block_size)


def run_loaded(
    loaded: LoadedConfig,
    *,
    progress: Progress,
    until: str = "report",
    workers: int | None = None,
    block_size: int | None = None,
) -> RunStore:
    """As :func:`run`, for a configuration that was read already."""
    if until != compose.NAME and loaded.spec.land_cover is None and loaded.spec.stock is None:
        raise ConfigError("config.nothing", file=loaded.path)
    execution = loaded.spec.execution
    store = RunStore(loaded.run_folder)
    current = Run(loaded, store, progress, workers or execution.workers, block_size or execution.block_size)
    findings = Findings()
    inspect(current, findings, until)
    findings.refuse()
    with store.claimed(loaded.path) as stale:
        if stale is not None:
            progress.say(stale)
        if execution.memory_gib is not None and current.scheduler is None:
            current.workers, current.block_size = fitted(current, execution.memory_gib)
        _run_stages(current, until)
    return store


def _run_stages(current: Run, until: str) -> None:
    for stage in STAGES:
        _run_stage(current, stage)
        if until == stage.NAME:
            break
    if until == NAMES[-1]:
        current.store.write_manifest(describe(current.config, current.store), NAMES)


def _run_stage(current: Run, stage: ModuleType) -> None:
    store, parts = current.store, stage.parts(current)
    state = store.state(stage.NAME, content_key(parts))
    name = Message.of(f"cli.stage_{stage.NAME}")
    if state == "fresh":
        current.progress.say(Message.of("cli.reused", stage=name))
        return
    if state == "stale":
        changed = ", ".join(store.changed_parts(stage.NAME, parts))
        current.progress.say(Message.of("cli.redone", stage=name, changed=changed))
    elif state == "damaged":
        current.progress.say(Message.of("cli.damaged", stage=name))

    def now() -> dict[str, Any]:
        # From the files as they are after the work, with nothing remembered of what they were before.
        return stage.parts(Run(current.config, store, current.progress, current.workers, current.block_size))

    store.run_stage(stage.NAME, parts, lambda folder: stage.work(current, folder), now)
