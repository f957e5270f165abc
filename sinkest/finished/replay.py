"""Doing a run again from its manifest, and saying of each output whether it is the same to the byte."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sinkest.config import LoadedConfig, RunConfig
from sinkest.errors import RunError, SinkestError
from sinkest.messages import Message
from sinkest.progress import Progress
from sinkest.runstore import MANIFEST, Problem, RunStore, code_version, environment
from sinkest.runstore.durable import file_sha256
from sinkest.runstore.manifest import FORMAT
from sinkest.shipped import PREFIX, shipped
from sinkest.workflow import run_loaded

MISSING, CHANGED = "missing", "changed"


@dataclass(frozen=True)
class Replay:
    """What came of it.

    Attributes
    ----------
    folder : Path
        The new run.
    same : tuple of str
        Outputs that are equal to the byte.
    different : tuple of Problem
        Outputs that are not, or that only one of the two runs has.
    """

    folder: Path
    same: tuple[str, ...]
    different: tuple[Problem, ...]


def replay(
    manifest: Path,
    out: Path,
    *,
    progress: Progress,
    inputs: Path | None = None,
    allow: Sequence[str] = (),
    workers: int | None = None,
    block_size: int | None = None,
) -> Replay:
    """Repeat a run from its manifest in a new folder.

    Parameters
    ----------
    manifest : Path
        ``manifest.json`` of a run or of an unpacked bundle, or the folder that holds it.
    out : Path
        Folder that gets the new run; must hold none yet.
    progress : Progress
        Is also told what of program and libraries is not what the run was made with.
    inputs : Path, optional
        Folder that relative paths of the configuration start from; by default where the configuration of the run lay.
    allow : sequence of str
        Estimator classes beyond scikit-learn's that the recipes may import; that a manifest names them is not enough.
    workers, block_size : int, optional
        No result depends on them.

    Returns
    -------
    Replay

    Raises
    ------
    SinkestError
        If the manifest cannot serve, an input is missing or does not have its recorded hash, or the run is refused.
    """
    path = manifest / MANIFEST if manifest.is_dir() else manifest
    recorded = RunStore(path.parent, keeps_hashes=False).manifest()
    if recorded.get("format") != FORMAT:
        raise RunError("trust.replay_format", file=path, expected=FORMAT, given=recorded.get("format", "-"))
    base = inputs if inputs is not None else _base(path, recorded)
    loaded = _configuration(path, recorded, base, out)
    unseen = sorted({*loaded.spec.models.allow} - {*allow})
    if unseen:
        raise RunError("trust.replay_classes", file=path, classes=", ".join(unseen), first=unseen[0])
    if loaded.run_folder.exists():
        raise RunError("trust.folder_exists", folder=loaded.run_folder)
    _check_inputs(path, recorded, loaded)
    for message in other_program(recorded):
        progress.say(message)
    store = run_loaded(loaded, progress=progress, workers=workers, block_size=block_size)
    same: list[Problem] = []
    different: list[Problem] = []
    for problem in compare(recorded, store.manifest()):
        (same if problem.kind == "same" else different).append(problem)
    return Replay(store.root, tuple(item.path for item in same), tuple(different))


def compare(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Problem]:
    """Each output of two manifests by name: ``same``, ``changed``, ``missing`` in the second, or ``extra`` there."""
    old, new = _outputs(before), _outputs(after)
    for name in sorted({*old, *new}):
        if name not in new:
            yield Problem(MISSING, name)
        elif name not in old:
            yield Problem("extra", name)
        else:
            yield Problem("same" if old[name] == new[name] else CHANGED, name)


def _outputs(manifest: dict[str, Any]) -> dict[str, str]:
    return {
        f"{stage}/{name}": digest
        for stage, seal in manifest["stages"].items()
        if seal is not None
        for name, digest in seal["outputs"].items()
    }


def _base(path: Path, recorded: dict[str, Any]) -> Path:
    """Folder of the configuration, as seen from the run."""
    config = recorded.get("config")
    where = config.get("path") if isinstance(config, dict) else None
    if not isinstance(where, str):
        raise RunError("run.broken_file", file=path, reason="config")
    return (path.parent / where).resolve().parent


def _configuration(path: Path, recorded: dict[str, Any], base: Path, out: Path) -> LoadedConfig:
    try:
        config = recorded["config"]
        spec = RunConfig.model_validate({**config["settings"], "runs": str(out.resolve())})
        return LoadedConfig(base / Path(config["path"]).name, spec)
    except (KeyError, TypeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise RunError("run.broken_file", file=path, reason=reason) from error


def _check_inputs(path: Path, recorded: dict[str, Any], loaded: LoadedConfig) -> None:
    """Every input that can be found must be the recorded one; the stages look for the others themselves."""
    problems = []
    listed = recorded.get("inputs")
    entries = [(str(item["path"]), item["sha256"]) for item in listed] if isinstance(listed, list) else []
    for name, digest in entries:
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise RunError("run.broken_file", file=path, reason=f"inputs: {name}")
        if "/" not in name and not name.startswith(PREFIX):
            continue
        where = _shipped(name) if name.startswith(PREFIX) else loaded.base / name
        if where is None or not where.is_file():
            problems.append(Message.of("trust.input_missing", file=where or name))
        elif file_sha256(where) != digest:
            problems.append(Message.of("trust.input_changed", file=where))
    problems += _bare(entries, loaded)
    if problems:
        raise RunError("trust.replay_inputs", file=path, count=len(problems), problems=tuple(problems))


def _bare(entries: list[tuple[str, str]], loaded: LoadedConfig) -> Iterator[Message]:
    """Inputs by a bare name: beside the configuration, or anywhere on the machine that made the run.

    The configuration says where; a file of the same name that it does not lead to is another one.
    """
    wanted: dict[str, set[str]] = {}
    for name, digest in entries:
        if "/" not in name and not name.startswith(PREFIX):
            wanted.setdefault(name, set()).add(digest)
    named = _named(loaded)
    folders = [place for place in sorted(named) if os.path.isdir(place)]
    for name, digests in sorted(wanted.items()):
        found = [place for place in sorted(named) if place.name == name]
        found = found or [place / name for place in folders if (place / name).is_file()]
        for where in found:
            if not where.is_file():
                yield Message.of("trust.input_missing", file=where)
            elif file_sha256(where) not in digests:
                yield Message.of("trust.input_changed", file=where)


def _named(loaded: LoadedConfig) -> set[Path]:
    """Where the texts of the configuration lead, taken as paths: those that are none lead to nothing."""
    found = set()
    waiting: list[Any] = [loaded.spec.model_dump(mode="json", exclude={"name", "runs"})]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and value:
            with suppress(SinkestError, RuntimeError):  # no such variable, no such home
                found.add(loaded.file(value))
    return found


def _shipped(name: str) -> Path | None:
    try:
        return shipped(name)
    except SinkestError:
        return None


def other_program(recorded: dict[str, Any]) -> Iterator[Message]:
    """What is not as it was: equal bytes are promised for the same program, libraries and kind of machine."""
    made, here = recorded.get("program", {}), code_version()
    if made != here:
        yield Message.of("trust.other_program", given=_brief(made), here=_brief(here))
    before, now = recorded.get("environment", {}), environment()
    libraries = {**now["libraries"], **before.get("libraries", {})}
    unlike = [
        f"{name} {before.get('libraries', {}).get(name, '-')} / {now['libraries'].get(name, '-')}"
        for name in sorted(libraries)
        if before.get("libraries", {}).get(name) != now["libraries"].get(name)
    ]
    unlike += [
        f"{name} {before.get(name, '-')} / {now[name]}"
        for name in ("python", "machine")
        if before.get(name) != now[name]
    ]
    if unlike:
        yield Message.of("trust.other_libraries", unlike=", ".join(unlike))


def _brief(program: dict[str, str]) -> str:
    return f"{program.get('version', '-')} ({str(program.get('code_sha256', '-'))[:12]})"
