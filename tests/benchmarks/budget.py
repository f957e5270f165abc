"""Whether ``sinkest check`` foretells time and memory of composing: the virtual city in several block sizes.

``python -m tests.benchmarks check_model`` holds the worst factor between what is foretold and what is measured against
1.5. Composing is measured up to a stage ``compose``, each in a process of its own, after one that compiles the kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.pairs import Case, Measured, Work

FACTOR = 1.5
QUICK, WHOLE = ((256, 1), (512, 2)), ((128, 2), (256, 1), (256, 2), (512, 1), (512, 2))
RESOLUTION_M = (200.0, 400.0)


def foretold(folder: str, ways: list[tuple[int, int]]) -> Callable[[], dict[str, Any]]:
    """Seconds and GiB by block size and workers, from one measured block."""
    from sinkest.mapping.engine import plan_blocks
    from sinkest.stages.budget import block_pixels, measure

    run = _run(Path(folder), *ways[0])

    def work() -> dict[str, Any]:
        cost, told = measure(run), []
        for size, workers in ways:
            blocks = plan_blocks(run.grid, size, run.index.touched)
            pixels, busy = sum(one.height * one.width for one in blocks), min(workers, len(blocks))
            memory = cost.memory_gib(busy, block_pixels(size, run.grid.shape.yx))
            told.append((cost.seconds_a_pixel * pixels / busy, memory))
        return {"told": told}

    return work


def composed(folder: str, ways: list[tuple[int, int]]) -> Callable[[], dict[str, Any]]:
    """What composing takes, seconds and GiB, each way in a process of its own."""
    import multiprocessing

    def work() -> dict[str, Any]:
        found = []
        for size, workers in ways:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found.append(pool.apply(_compose, (folder, size, workers)))
        return {"found": found}

    return work


def _compose(folder: str, size: int, workers: int) -> tuple[float, float]:
    import tempfile
    import time

    from sinkest.mapping.engine import Block, plan_blocks, run_blocks
    from sinkest.stages.compose import composer
    from tests.benchmarks.pairs import _peak_bytes

    run = _run(Path(folder), size, workers)
    compose = composer(run)
    blocks = plan_blocks(run.grid, size, run.index.touched)
    compose(Block(blocks[0].row, blocks[0].col, 16, 16))
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        run_blocks(compose, blocks, Path(scratch), workers=workers)
        return time.perf_counter() - start, _peak_bytes() / 2**30


def _run(folder: Path, size: int, workers: int) -> Any:
    from sinkest.config import load_config
    from sinkest.progress import Silent
    from sinkest.runstore import RunStore
    from sinkest.stages.context import Run

    config = load_config(folder / "config.toml")
    return Run(config, RunStore(config.run_folder, keeps_hashes=False), Silent(), workers, size)


def _work(name: str) -> Callable[[Path, bool], Work]:
    def work(folder: Path, quick: bool) -> Work:
        from sinkest.demo import prepare

        place = folder / f"city-{RESOLUTION_M[quick]:.0f}"
        config = place / "config.toml"
        if not config.is_file():
            made = prepare(place, RESOLUTION_M[quick])
            if made != config:
                made.rename(config)
        given = {"folder": str(place), "ways": QUICK if quick else WHOLE}
        return Work(f"tests.benchmarks.budget:{name}", given)

    return work


def _factors(found: Measured, told: Measured) -> list[float]:
    pairs = zip(found.facts["found"], told.facts["told"], strict=True)
    return [max(a / b, b / a) for one, other in pairs for a, b in zip(one, other, strict=True)]


def nearness(found: Measured, told: Measured) -> float:
    """1.5 over the worst factor."""
    return FACTOR / max(_factors(found, told))


def all_told(found: Measured, told: Measured) -> str:
    """Every way with what was foretold and found."""

    def shown(pair: Mapping[int, float]) -> str:
        return f"{pair[0]:.1f} s {pair[1]:.2f} GiB"

    pairs = zip(found.facts["found"], told.facts["told"], strict=True)
    return "; ".join(f"{shown(b)} foretold, {shown(a)} found" for a, b in pairs)


CASES = {
    "check_model": Case(
        "check_model", 1.0, _work("composed"), _work("foretold"), rounds=1, score=nearness, told=all_told
    )
}
