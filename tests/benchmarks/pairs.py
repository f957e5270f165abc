"""Two ways to the same result, run in turn in fresh processes and measured alike.

A :class:`Case` names what is compared and what ratio it must reach. Each way is a :class:`Work`: a function of a module
that takes plain numbers and texts, imports and opens what it needs, and returns the callable that is timed. So neither
the start of the interpreter nor imports count; a compiled kernel's first compilation does not either, since ours is run
once before, and how long that took is told apart.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 3600.0


@dataclass(frozen=True)
class Work:
    """A function to be run in a process of its own.

    Attributes
    ----------
    function : str
        ``"package.module:name"``. Called with ``given``, it returns a callable without arguments; that one is timed,
        and returns facts on the result as a JSON-able mapping.
    given : mapping
        JSON-able keyword arguments.
    pixels : int
        What the work is divided by where times a pixel are compared.
    python : Path
        Interpreter; another one for a library that does not go with ours.
    family : bool
        Whether memory of child processes counts too. Watching them takes a little time.
    """

    function: str
    given: Mapping[str, Any] = field(default_factory=dict)
    pixels: int = 1
    python: Path = Path(sys.executable)
    family: bool = False


@dataclass(frozen=True)
class Measured:
    """Medians over the rounds, the largest peak, and the facts of the last round."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    pixels: int
    facts: Mapping[str, Any]

    @property
    def ns_a_pixel(self) -> float:
        """Wall time a pixel."""
        return self.wall_s / self.pixels * 1e9


def times_faster(ours: Measured, peer: Measured) -> float:
    """Wall time a pixel of the peer over ours."""
    return peer.ns_a_pixel / ours.ns_a_pixel


def evenness(ours: Measured, peer: Measured) -> float:
    """The smaller of two times a pixel over the larger: 1 where cost is linear in pixels."""
    return min(ours.ns_a_pixel, peer.ns_a_pixel) / max(ours.ns_a_pixel, peer.ns_a_pixel)


def flatness(ours: Measured, peer: Measured) -> float:
    """The smaller of two peaks over the larger: 1 where memory does not depend on the size."""
    return min(ours.peak_bytes, peer.peak_bytes) / max(ours.peak_bytes, peer.peak_bytes)


def city(most_s: float, pixels: float) -> dict[str, Callable[[Measured, Measured], Any]]:
    """``score`` and ``told`` of a case that asks how long a city of so many pixels would take at the pace measured."""

    def seconds(ours: Measured) -> float:
        return ours.ns_a_pixel * 1e-9 * pixels

    def told(ours: Measured, _: Measured) -> str:
        return f"EXTRAPOLATED from {ours.pixels / 1e6:.1f} to {pixels / 1e6:.0f} million: {seconds(ours) / 60:.1f} min"

    return {"score": lambda ours, _: most_s / seconds(ours), "told": told}


@dataclass(frozen=True)
class Case:
    """What is compared and what must come of it.

    Attributes
    ----------
    name : str
    required : float
        Least ``score``.
    ours, peer : callable
        ``(folder, quick) -> Work``; prepares in the folder what is not there yet. Cases of a run share the folder.
    rounds : int
        Pairs of runs; a quick run makes one.
    memory : float, optional
        Most that our peak may be of the peer's.
    score : callable
        ``(ours, peer) -> float``; larger is better.
    check : callable, optional
        ``(facts of ours, facts of peer) -> text``: how far the results differ. Raises AssertionError where they differ
        by more than they may.
    told : callable, optional
        ``(ours, peer) -> text``: what follows from the measurements, for the line.
    most_bytes : float, optional
        Most that our peak may be.
    """

    name: str
    required: float
    ours: Callable[[Path, bool], Work]
    peer: Callable[[Path, bool], Work]
    rounds: int = 3
    memory: float | None = None
    score: Callable[[Measured, Measured], float] = times_faster
    check: Callable[[Mapping[str, Any], Mapping[str, Any]], str] | None = None
    told: Callable[[Measured, Measured], str] | None = None
    most_bytes: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What a case came to."""

    case: Case
    ours: Measured
    peer: Measured
    score: float
    warm_up_s: float
    difference: str

    @property
    def ok(self) -> bool:
        """Whether the score and the memory are as required."""
        case, ours = self.case, self.ours.peak_bytes
        small = case.memory is None or ours <= case.memory * self.peer.peak_bytes
        return self.score >= case.required and small and (case.most_bytes is None or ours <= case.most_bytes)

    @property
    def line(self) -> str:
        """Name, score, required, times and peaks of both, verdict."""
        ours, peer = self.ours, self.peer
        cpu_ratio = (peer.cpu_s / peer.pixels) / (ours.cpu_s / ours.pixels)
        memory = "" if self.case.memory is None else f" (at most {self.case.memory:g} of the peer's)"
        follows = "" if self.case.told is None else self.case.told(ours, peer)
        told = "".join(f"; {text}" for text in (self.difference, follows) if text)
        return (
            f"{self.case.name:18s} {self.score:7.2f} (required {self.case.required:g}; by CPU time {cpu_ratio:.2f})  "
            f"{ours.wall_s:.2f} s against {peer.wall_s:.2f} s, {ours.ns_a_pixel:.0f} against {peer.ns_a_pixel:.0f} "
            f"ns/pixel, peak {ours.peak_bytes / 2**20:.0f} against {peer.peak_bytes / 2**20:.0f} MiB{memory}, "
            f"first run {self.warm_up_s:.1f} s{told}  {'ok' if self.ok else 'SHORT'}"
        )


def run_case(case: Case, folder: Path, quick: bool) -> Outcome:
    """Run both ways in turn.

    Raises
    ------
    RuntimeError
        If a process fails; its error stream is in the text.
    AssertionError
        If the results differ by more than they may.
    """
    ours, peer = case.ours(folder, quick), case.peer(folder, quick)
    warm_up = _run(ours)["process_s"]
    rounds = [(_run(ours), _run(peer)) for _ in range(1 if quick else case.rounds)]
    first, second = (_measured(work, [pair[k] for pair in rounds]) for k, work in enumerate((ours, peer)))
    difference = "" if case.check is None else case.check(first.facts, second.facts)
    return Outcome(case, first, second, case.score(first, second), warm_up, difference)


def _measured(work: Work, runs: list[dict[str, Any]]) -> Measured:
    return Measured(
        median(run["wall_s"] for run in runs),
        median(run["cpu_s"] for run in runs),
        max(run["peak_bytes"] for run in runs),
        work.pixels,
        runs[-1]["facts"],
    )


def _run(work: Work) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        told = Path(scratch) / "told.json"
        command = [work.python, "-m", __spec__.name, work.function, json.dumps(dict(work.given)), told]
        before = time.perf_counter()
        with (Path(scratch) / "errors.txt").open("w+") as errors:
            environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=errors, stderr=errors)
            family = _watch(process) if work.family else 0
            if process.wait(LONGEST_S) != 0:
                errors.seek(0)
                raise RuntimeError(f"{work.function} failed:\n{errors.read()[-4000:]}")
        found: dict[str, Any] = json.loads(told.read_text())
        found["process_s"] = time.perf_counter() - before
        found["peak_bytes"] = max(found["peak_bytes"], family)
        return found


def _watch(process: subprocess.Popen[bytes]) -> int:
    """Largest sum of resident memory of a process and its descendants, looked at five times a second."""
    import psutil  # an interpreter of a peer's own need not have it

    most, parent = 0, psutil.Process(process.pid)
    while process.poll() is None:
        total = 0
        try:
            for one in (parent, *parent.children(recursive=True)):
                total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        most = max(most, total)
        time.sleep(0.2)
    return most


def _peak_bytes() -> int:
    """Most memory that this process ever held; ``ru_maxrss`` would begin at that of the process it was forked from."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status holds no VmHWM")


def _cpu_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _child(function: str, given: str, told: str) -> None:
    module, name = function.split(":")
    work = getattr(importlib.import_module(module), name)(**json.loads(given))
    cpu, wall = _cpu_s(), time.perf_counter()
    facts = work()
    measured = {"wall_s": time.perf_counter() - wall, "cpu_s": _cpu_s() - cpu, "peak_bytes": _peak_bytes()}
    Path(told).write_text(json.dumps(measured | {"facts": facts or {}}))


if __name__ == "__main__":
    _child(*sys.argv[1:])
