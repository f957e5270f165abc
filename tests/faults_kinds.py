"""The faults: how each is brought about, what a run may say of it, and how it is mended."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import faults_process as do
from tests.project_fixture import CONFIG, run_folder

REFUSED, INTERRUPTED = 2, 130
ABORTED_BY_LOADER = 127
"""The C library ends a process so that cannot have what a thread needs."""
YEARS_S = 3 * 365 * 86400


@dataclass
class Attempt:
    """One fault at one moment: the project, the stage, a scratch folder beside it, and chance."""

    project: Path
    stage: str
    scratch: Path
    rng: random.Random
    before: dict[str, list] | None = None
    other: do.Running | None = None

    @property
    def runs(self) -> Path:
        """Folder of the run folders."""
        return self.project / "runs"


def nothing(_attempt: Attempt) -> None:
    """Not needed."""


@dataclass(frozen=True)
class Kind:
    """A fault.

    ``arrange`` comes before the run, ``inside`` in its process, ``blow`` when the stage is under way, ``mend`` before
    the same command is given again, ``leave`` at the end. ``codes`` are the exit codes it may lead to; 0 where the run
    may have got by. ``says`` must stand in what a refused run says. Where it is ``noisy``, libraries print errors that
    they ignore, and only how the run ends is judged.
    """

    blow: Callable[[Attempt, do.Running], object]
    codes: tuple[int, ...]
    says: tuple[str, ...] = ()
    arrange: Callable[[Attempt], object] = nothing
    inside: Callable[[Attempt], object] = nothing
    mend: Callable[[Attempt], object] = nothing
    leave: Callable[[Attempt], object] = nothing
    noisy: bool = False

    def judge(self, _attempt: Attempt, code: int, said: str) -> str:
        """What is wrong with how the run ended; empty if nothing."""
        if "Traceback" in said and (code == do.CRASHED or not self.noisy):
            return f"traceback: {said.strip().splitlines()[-1]}"
        if code not in self.codes:
            return f"exit code {code}: {said.strip().splitlines()[-1:]}"
        if code == REFUSED and self.says and not any(one in said for one in self.says):
            return f"says {said.strip().splitlines()[-1:]}"
        return ""


def _signal(number: signal.Signals) -> Callable[[Attempt, do.Running], None]:
    return lambda _attempt, running: os.kill(running.process, number)


# -- power ----------------------------------------------------------------------------------------------------------


def _remember(attempt: Attempt) -> None:
    attempt.before = do.disk_state(run_folder(attempt.project))


def _lose_power(attempt: Attempt) -> None:
    run = run_folder(attempt.project)
    do.lose_power(run, attempt.before or {}, attempt.scratch / "syncs", attempt.rng)


# -- disks ----------------------------------------------------------------------------------------------------------


def may_mount() -> bool:
    """Whether this process may mount; else the fault is brought about in the next best way."""
    return os.environ.get("SINKEST_FAULTS_MOUNTS") == "1"


def _on_a_disk(attempt: Attempt) -> None:
    """Put the run folder on a file system of its own."""
    if not may_mount():
        return
    kept = attempt.scratch / "kept"
    attempt.runs.rename(kept)
    attempt.runs.mkdir()
    if not do.mount_memory(attempt.runs, 64 * 2**20):
        raise RuntimeError("a file system in memory cannot be mounted")
    shutil.copytree(kept, attempt.runs, dirs_exist_ok=True)


def _fill(attempt: Attempt, running: do.Running) -> None:
    """Leave only so much room as a part of the stage's outputs takes; without a disk of its own, by the file."""
    if not may_mount():
        do.limit_file_size(running.process, attempt.rng.randrange(1, 4000))
        return
    with (attempt.runs / ".ballast").open("wb", buffering=0) as ballast:
        size = 0
        try:
            while True:
                size += ballast.write(bytes(2**16))
        except OSError:  # full, or all but: the run takes room at the same time
            ballast.truncate(max(size - attempt.rng.randrange(6) * 4096, 0))


def _make_room(attempt: Attempt) -> None:
    (attempt.runs / ".ballast").unlink(missing_ok=True)


def _close(attempt: Attempt, _running: do.Running) -> None:
    """For root by an attribute of the folders, which permissions do not bind."""
    if os.geteuid() != 0:
        _permit(attempt, 0o555)
    elif not do.set_writable(attempt.runs, False):
        raise RuntimeError("the folders cannot be closed")


def _open(attempt: Attempt) -> None:
    if os.geteuid() != 0:
        _permit(attempt, 0o755)
    else:
        do.set_writable(attempt.runs, True)


def _permit(attempt: Attempt, mode: int) -> None:
    for folder in (attempt.runs, *(path for path in attempt.runs.rglob("*") if path.is_dir())):
        folder.chmod(mode)


def _unmount(attempt: Attempt) -> None:
    if may_mount():
        do.unmount(attempt.runs)


# -- shares ---------------------------------------------------------------------------------------------------------


def _inputs_gone(attempt: Attempt, _running: do.Running) -> None:
    lost = attempt.scratch / "lost"
    lost.mkdir()
    for path in attempt.project.iterdir():
        if path.name not in {CONFIG, "runs"}:
            path.rename(lost / path.name)


def _inputs_back(attempt: Attempt) -> None:
    for path in (attempt.scratch / "lost").glob("*"):
        path.rename(attempt.project / path.name)


def _results_gone(attempt: Attempt, _running: do.Running) -> None:
    attempt.runs.rename(attempt.scratch / "gone")


def _results_back(attempt: Attempt) -> None:
    """What was written to the empty place meanwhile is not looked at."""
    if (attempt.scratch / "gone").exists():
        shutil.rmtree(attempt.runs, ignore_errors=True)
        (attempt.scratch / "gone").rename(attempt.runs)


# -- clock, inputs, a second run ------------------------------------------------------------------------------------


def _back_in_time(_attempt: Attempt) -> None:
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() - YEARS_S
    time.time_ns = lambda: now_ns() - YEARS_S * 10**9


def _all_in_future(attempt: Attempt) -> None:
    """What a clock that was set back by years makes of everything that is there."""
    for path in attempt.project.rglob("*"):
        if path.is_file():
            status = path.stat()
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + YEARS_S * 10**9))


TABLE = "plots.csv"


def _edit(attempt: Attempt, _running: do.Running) -> None:
    table = attempt.project / TABLE
    shutil.copy2(table, attempt.scratch / TABLE)
    table.write_bytes(table.read_bytes().replace(b",2025-", b",2024-", 3))


def _edit_back(attempt: Attempt) -> None:
    if (attempt.scratch / TABLE).exists():
        shutil.copy2(attempt.scratch / TABLE, attempt.project / TABLE)


def _second(attempt: Attempt, _running: do.Running) -> None:
    attempt.other = do.start(attempt.project)


def _second_was_refused(attempt: Attempt) -> None:
    """The second run ends at once, or does nothing where it came when the first was over."""
    if attempt.other is None:
        return
    code, said = attempt.other.end(), attempt.other.said()
    if code not in {0, REFUSED} or (code == REFUSED and "another sinkest is at work" not in said):
        raise RuntimeError(f"the second run ended with {code}: {said.strip().splitlines()[-1:]}")


_WRITE = ("cannot be written", "cannot be read", "written cannot be read back", "system refused", "is not finished in",
          "is not what sinkest wrote", "is no longer the folder", "holds no trained model")  # fmt: skip
_READ = ("cannot be read", "no such file", "No such file", "is missing", "does not exist", "not found", "damaged",
         "changed while", "system refused", "There is no", "there is no")  # fmt: skip

KINDS: Mapping[str, Kind] = {
    "kill": Kind(_signal(signal.SIGKILL), (-signal.SIGKILL,)),
    "terminate": Kind(_signal(signal.SIGTERM), (INTERRUPTED,), ("Nothing is lost",)),
    "Ctrl-C": Kind(_signal(signal.SIGINT), (INTERRUPTED,), ("Nothing is lost",)),
    "power cut": Kind(
        _signal(signal.SIGKILL),
        (-signal.SIGKILL,),
        arrange=_remember,
        inside=lambda attempt: do.record_syncs(attempt.scratch / "syncs"),
        mend=_lose_power,
    ),
    "full disk": Kind(_fill, (0, REFUSED), _WRITE, arrange=_on_a_disk, mend=_make_room, leave=_unmount),
    "file too large": Kind(
        lambda attempt, running: do.limit_file_size(running.process, attempt.rng.randrange(1, 4000)),
        (0, REFUSED),
        _WRITE,
    ),
    "read only": Kind(_close, (0, REFUSED), _WRITE, mend=_open, leave=_open),
    "inputs lost": Kind(_inputs_gone, (0, REFUSED), _READ, mend=_inputs_back),
    "results lost": Kind(_results_gone, (0, REFUSED), _WRITE, mend=_results_back),
    "out of memory": Kind(
        lambda attempt, running: do.limit_memory(running.process, attempt.rng.randrange(0, 24)),
        (0, REFUSED, -signal.SIGABRT, -signal.SIGSEGV, ABORTED_BY_LOADER),
        (*_WRITE, *_READ, "memory"),
        noisy=True,
    ),
    "no more files": Kind(
        lambda attempt, running: do.limit_open_files(running.process, attempt.rng.randrange(0, 3)),
        (0, REFUSED),
        (*_WRITE, *_READ, "open files"),
    ),
    "clock set back": Kind(_signal(signal.SIGKILL), (-signal.SIGKILL,), inside=_back_in_time, mend=_all_in_future),
    "input edited": Kind(_edit, (0, REFUSED), ("changed while", "plots.csv"), mend=_edit_back),
    "second run": Kind(_second, (0,), mend=_second_was_refused),
}
