"""Kill a run at random moments, resume it, and compare every byte with a run that nobody disturbed.

``python -m tests.kill_resume [--moments 10] [--seed 1]`` prints one line a moment and ends with 1 if a byte differs.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sinkest.runstore import RunStore
from tests.project_fixture import CONFIG, STAGES, build_project, outputs, run_folder, sealed_stages

PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from sinkest.cli import main
main()
"""
"""Heeds Ctrl-C, too, where the shell that started the tests in the background has told its children not to."""
OPTIONS = ("--block-size", "128", "--workers", "2")
"""Small blocks and two workers, so that moments fall into many different writes."""


@dataclass(frozen=True)
class Killed:
    """What was found after a kill and a resume; ``ended``: the run was over before the last kill came."""

    seconds: float
    ended: bool
    sealed: list[str]
    underway: str
    blocks: int
    sound: bool
    resumed: str
    identical: bool


def start(project: Path, *options: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """``sinkest run`` in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, "--lang", "en", "run", str(project / CONFIG), *OPTIONS, *options]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)


def wait_for_work(project: Path, process: subprocess.Popen[str]) -> float:
    """When the first working folder is there: before that, programs are only being loaded."""
    while process.poll() is None and not list(run_folder(project).glob(".work/*")):
        time.sleep(0.005)
    return time.monotonic()


def kill_after(project: Path, seconds: float, sign: signal.Signals = signal.SIGKILL) -> tuple[int, str]:
    """Send a signal so many seconds after the work began; exit code and what was said on standard error."""
    process = start(project)
    begun = wait_for_work(project, process)
    while process.poll() is None and time.monotonic() - begun < seconds:
        time.sleep(0.002)
    process.send_signal(sign)
    said = process.communicate()[1]
    return process.returncode, said


def undisturbed(project: Path, folder: Path) -> tuple[Path, float]:
    """A copy of the project with a whole run, and how many seconds its work took."""
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("runs"))
    process = start(folder)
    begun = wait_for_work(folder, process)
    said = process.communicate()[1]
    if process.returncode != 0:
        raise RuntimeError(said)
    return folder, time.monotonic() - begun


def kill_and_resume(project: Path, folder: Path, moments: Sequence[float], expected: dict[str, str]) -> Killed:
    """Kill a fresh run at each moment in turn, each time going on from where it was; then let it finish."""
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("runs"))
    run = run_folder(folder)
    sound = True
    code = 0
    for seconds in moments:
        code, _ = kill_after(folder, seconds)
        sound &= is_sound(run)
    sealed, underway, blocks = sealed_stages(run), _underway(run), len(list(run.glob(".work/*/.parts*/r*.npz")))
    process = start(folder)
    said = process.communicate()[1]
    found = outputs(run)
    shutil.rmtree(folder)
    resumed = f"{said.count(': reused;')} reused" + ("" if "goes on" not in said else ", goes on")
    identical = process.returncode == 0 and found == expected
    return Killed(moments[-1], code == 0, sealed, underway, blocks, sound, resumed, identical)


def is_sound(run: Path) -> bool:
    """Whether every stage that says it is finished has exactly the outputs that it says."""
    store = RunStore(run)
    return all(store.state(stage, store.seal(stage)["key"]) == "fresh" for stage in sealed_stages(run))  # type: ignore[index]


def _underway(run: Path) -> str:
    names = sorted(path.name.split("-")[0] for path in run.glob(".work/*") if not path.name.startswith("old-"))
    return ", ".join(names) or "-"


def main() -> int:
    """Print a table; 1 if a resumed run differs from an undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "project"
        build_project(project)
        whole, seconds = undisturbed(project, Path(scratch) / "whole")
        expected = outputs(run_folder(whole))
        print(f"undisturbed: {seconds:.1f} s of work, {len(expected)} files, stages {', '.join(STAGES)}")
        print(f"{'killed after':>12}  {'finished stages':28}  {'underway':8}  {'blocks':>6}  {'sound':5}  "
              f"{'resumed':20}  same bytes")  # fmt: skip
        results: list[Killed] = []
        while len(results) < options.moments:
            moment = rng.uniform(0.0, seconds)
            found = kill_and_resume(project, Path(scratch) / "killed", [moment], expected)
            if found.ended:
                seconds = moment  # the machine is faster now than it was when the time was taken
                continue
            results.append(found)
            sealed, sound = " ".join(found.sealed) or "-", "yes" if found.sound else "NO"
            line = f"{found.seconds:10.2f} s  {sealed:28}  {found.underway:8}  {found.blocks:6d}  {sound:5}"
            print(f"{line}  {found.resumed:20}  {'yes' if found.identical else 'NO'}", flush=True)
    return 0 if all(found.identical and found.sound for found in results) else 1


if __name__ == "__main__":
    sys.exit(main())
