"""The yearly run: its stages in order, what can be reused, and why the rest cannot."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from sinkest.config import load_config
from sinkest.errors import ConfigError
from sinkest.messages import Message
from sinkest.progress import Progress
from sinkest.runstore import RunStore, code_version, content_key
from sinkest.stages import compose, estimate, mapping, publish, train
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
    if until != compose.NAME and loaded.spec.land_cover is None and loaded.spec.stock is None:
        raise ConfigError("config.nothing", file=config)
    execution = loaded.spec.execution
    store = RunStore(loaded.run_folder)
    current = Run(loaded, store, progress, workers or execution.workers, block_size or execution.block_size)
    findings = Findings()
    inspect(current, findings, until)
    findings.refuse()
    with store.claimed(config):
        _run_stages(current, until)
    return store


def _run_stages(current: Run, until: str) -> None:
    loaded, store = current.config, current.store
    for stage in STAGES:
        _run_stage(current, stage)
        if until == stage.NAME:
            break
    if until == NAMES[-1]:
        about = {"format": 1, "name": loaded.spec.name, "year": loaded.spec.year, "program": code_version()}
        settings = loaded.spec.model_dump(mode="json", exclude={"execution"})
        store.write_manifest({**about, "config": settings}, NAMES)


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
    store.run_stage(stage.NAME, parts, lambda folder: stage.work(current, folder))
