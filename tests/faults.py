"""Every stage under every fault: what is left is sound, the same command goes on, and the bytes are those of peace.

``python -m tests.faults [--quick] [--seed 1] [--jobs 2] [--kinds KIND ...]`` prints one line a cell and ends with 1
where one fails. A cell takes a finished run, forgets one stage and does it again under a fault, at several random
moments (``--quick``: one). Then the fault is mended and the same command is given again. It must end well, ``verify``
must find nothing, and every file must be the undisturbed run's to the byte.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sinkest.runstore import RunStore
from tests.faults_kinds import KINDS, Attempt
from tests.faults_process import own_mounts, start, strike
from tests.kill_resume import is_sound
from tests.project_fixture import STAGES, build_project, forget, outputs, run_folder

MOMENTS = 3
TRIES = 4
"""How often an earlier moment is taken where the stage was over before the blow."""


@dataclass(frozen=True)
class Task:
    """A cell of the table at one moment."""

    stage: str
    kind: str
    seed: int
    seconds: float
    finished: Path
    scratch: Path


@dataclass(frozen=True)
class Found:
    """What came of it; ``wrong`` is empty where all is as it must be."""

    stage: str
    kind: str
    struck: bool
    code: int
    wrong: str


def try_cell(task: Task) -> Found:
    """One fault in one stage; an earlier moment where the stage was over too soon."""
    rng = random.Random(f"{task.stage} {task.kind} {task.seed}")
    seconds = task.seconds
    for _ in range(TRIES):
        folder = Path(tempfile.mkdtemp(dir=task.scratch))
        try:
            found = _once(task, folder, rng, rng.uniform(0.0, seconds))
        except (RuntimeError, OSError) as error:
            return Found(task.stage, task.kind, True, 0, str(error))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if found.struck or found.wrong:
            return found
        seconds /= 2
    return found


def _once(task: Task, folder: Path, rng: random.Random, seconds: float) -> Found:
    project = folder / "project"
    shutil.copytree(task.finished, project)
    expected = outputs(run_folder(project))
    forget(run_folder(project), task.stage)
    kind = KINDS[task.kind]
    attempt = Attempt(project, task.stage, folder, rng)
    kind.arrange(attempt)
    try:
        running = start(project, lambda: kind.inside(attempt))
        ended = strike(project, task.stage, running, seconds, lambda: kind.blow(attempt, running))
        code = running.end() if ended is None else ended
        struck, said = ended is None, running.said()
        wrong = kind.judge(attempt, code, said) if struck else ""
        kind.mend(attempt)
        if not wrong and not is_sound(run_folder(project)):
            wrong = "a finished stage is not what its seal says"
        wrong = wrong or _resumed(project, expected)
    finally:
        kind.leave(attempt)
    return Found(task.stage, task.kind, struck, code, wrong)


def _resumed(project: Path, expected: dict[str, str]) -> str:
    """Give the same command again; what is wrong with what it leaves."""
    again = start(project)
    code, said = again.end(), again.said()
    if code != 0:
        return f"resumed run ended with {code}: {said.strip().splitlines()[-1:]}"
    run = run_folder(project)
    problems = [problem.path for problem in RunStore(run).verify()]
    if problems:
        return f"verify: {', '.join(problems)}"
    found = outputs(run)
    unlike = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    return f"other bytes: {', '.join(unlike)}" if unlike else ""


def peace(folder: Path) -> tuple[Path, dict[str, float]]:
    """A project with an undisturbed run, and the seconds that each stage takes in a loaded program."""
    build_project(folder)
    undisturbed = start(folder)  # a copy: threads of GDAL here would stop every later one
    code, said = undisturbed.end(), undisturbed.said()
    if code != 0:
        raise RuntimeError(said)
    lasted = {}
    for stage in STAGES:
        forget(run_folder(folder), stage)
        running = start(folder)
        begun: list[float] = []
        strike(folder, stage, running, 0.0, lambda begun=begun: begun.append(time.monotonic()))
        while RunStore(run_folder(folder)).seal(stage) is None and running.over() is None:
            time.sleep(0.002)
        lasted[stage] = time.monotonic() - begun[0]
        code, said = running.end(), running.said()
        if code != 0:
            raise RuntimeError(said)
    return folder, lasted


def tasks(
    finished: Path, lasted: dict[str, float], scratch: Path, moments: int, seed: int, kinds: Sequence[str]
) -> list[Task]:
    """All cells, stage by stage."""
    return [
        Task(stage, kind, seed + moment, lasted[stage] * 0.9, finished, scratch)
        for stage in STAGES
        for kind in kinds
        for moment in range(moments)
    ]


def _begin(*_: object) -> None:
    os.environ["SINKEST_FAULTS_MOUNTS"] = "1" if own_mounts() else "0"


def main() -> int:
    """Print the table; 1 if a cell fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one moment a cell")
    parser.add_argument("--moments", type=int, default=MOMENTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=list(KINDS))
    options = parser.parse_args()
    begun, cells = time.monotonic(), len(STAGES) * len(options.kinds)
    with tempfile.TemporaryDirectory() as scratch:
        finished, lasted = peace(Path(scratch) / "peace")
        stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in lasted.items())
        print(f"undisturbed: {stages}; {cells} cells")
        print(f"{'stage':9} {'fault':18} {'struck':>7} {'exit':>6}  what must hold", flush=True)
        moments = 1 if options.quick else options.moments
        todo = tasks(finished, lasted, Path(scratch), moments, options.seed, options.kinds)
        failed = late = 0
        with multiprocessing.get_context("spawn").Pool(options.jobs, _begin) as pool:
            for found in pool.imap(try_cell, todo):
                failed, late = failed + bool(found.wrong), late + (not found.struck)
                struck = "yes" if found.struck else "late"
                print(
                    f"{found.stage:9} {found.kind:18} {struck:>7} {found.code:6d}  {found.wrong or 'holds'}", flush=True
                )
    print(f"{len(todo)} faults in {cells} cells, {failed} failed, {late} too late, {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
