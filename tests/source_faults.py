"""Random schedules of faults between the program and Earth Engine's stand-in: does anything get lost?

Every schedule works through a few blocks with a cache on disk while requests meet random faults: refused for being too
many, failed, cut short, reset, answered with web pages, stalled, or ended by an expired token; some schedules also use
up the quota or take too much memory midway. What stops with an error is started again. In the end every block must be
there with the very bits of an undisturbed run, and no error may be of any other kind than that of a source.

    python -m tests.source_faults [--schedules 200] [--first 0]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sinkest.errors import SourceError
from sinkest.imagery.earthengine import Choices, EarthEngineSource, Pace
from sinkest.imagery.source import Composition
from sinkest.mapping.engine import Arrays, Block, iterate_parts, run_blocks
from tests.servers.earthengine.faults import PASSING
from tests.servers.earthengine.fixtures import SUMMER, Served, serving, wanted

BLOCKS = [Block(row, col, 8, 8) for row in (0, 8) for col in (30, 38)]
STOPPING = ("quota", "memory")
STOPS = {f"earthengine.{name}" for name in ("network", "quota", "too_large", "token")}
MOST_STARTS = 40


@dataclass
class Outcome:
    """What a schedule came to."""

    starts: int = 0
    met: Counter[str] = field(default_factory=Counter)
    stopped_by: Counter[str] = field(default_factory=Counter)


def composition() -> Composition:
    """One band of one season: small, so that many schedules take little time."""
    return wanted(seasons={"summer": (SUMMER,)}, bands=("red",))


def clean(served: Served) -> dict[str, Arrays]:
    """The blocks as an undisturbed client gets them."""
    source = served.source()
    return {block.name: source.composite(served.world.grid[block.slices], composition()) for block in BLOCKS}


def run_schedule(served: Served, seed: int, folder: Path, expected: dict[str, Arrays], deadline_s: float) -> Outcome:
    """Work through a schedule of faults; raises AssertionError if anything is lost."""
    rng = np.random.default_rng(seed)
    faults, outcome = served.server.faults, Outcome()
    faults.clear()
    before = len(faults.met)
    for kind in rng.choice(PASSING, size=rng.integers(1, 7), p=_odds()):
        faults.add(str(kind), times=int(rng.integers(1, 4)))
    if rng.random() < 0.4:
        faults.add(str(rng.choice(STOPPING)), times=int(rng.integers(1, 3)))
    pace = Pace(int(rng.integers(1, 5)), attempts=int(rng.integers(2, 7)), tile_px=int(rng.choice([4, 8, 64])))
    source = EarthEngineSource(
        served.account(deadline_s=deadline_s), Choices(2023), pace, sleep=lambda _: time.sleep(0)
    )
    parts, workers = folder / f"s{seed}", int(rng.integers(1, 4))
    while True:
        outcome.starts += 1
        assert outcome.starts < MOST_STARTS, "starting again does not help"
        try:
            source.search(served.world.grid, SUMMER)  # as a run does before its blocks
            run_blocks(
                lambda b: source.composite(served.world.grid[b.slices], composition()), BLOCKS, parts, workers=workers
            )
            break
        except SourceError as problem:
            assert problem.key in STOPS, str(problem)
            outcome.stopped_by[problem.key] += 1
    for block, arrays in iterate_parts(parts, BLOCKS):
        for name, values in expected[block.name].items():
            assert arrays[name].tobytes() == values.tobytes(), f"seed {seed}, {block.name}, {name}"
    outcome.met.update(faults.met[before:])
    return outcome


def _odds() -> list[float]:
    """A stall lasts until the deadline, so it comes seldom."""
    share = [0.1 if kind == "stall" else 1.0 for kind in PASSING]
    return [one / sum(share) for one in share]


def main() -> None:
    """Work through the schedules and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", "Use `@` matmul", PendingDeprecationWarning)  # of libraries in between
    met: Counter[str] = Counter()
    stopped: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch, serving(Path(scratch)) as served:
        expected = clean(served)
        for seed in range(given.first, given.first + given.schedules):
            outcome = run_schedule(served, seed, Path(scratch), expected, deadline_s=3.0)
            met += outcome.met
            stopped += outcome.stopped_by
    print(f"{given.schedules} schedules, every block bit for bit as undisturbed")
    print("faults met:", dict(met.most_common()))
    print("stopped and started again:", dict(stopped.most_common()))


if __name__ == "__main__":
    main()
