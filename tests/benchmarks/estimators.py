"""Do the estimators do what they say? Thousands of samples of a population of which everything is known.

``python -m tests.benchmarks.estimators [--samples 1000] [--resolution 300] [--workers 1] [--only NAME] [--quick]``
maps the virtual city once, draws samples of 30, 300 and 1,500 units, and prints for every estimator the relative bias,
the mean estimated standard error over the standard deviation of the estimates, and how often the 95 % interval holds
the truth. It ends with code 1 where a variant that is meant to be used (those with a star) holds it less than 93 or
more than 97 % of the time with 300 units, by more than the Monte Carlo error of that share.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tests.benchmarks.estimator_cases import SIZES, Answer, Case, cases
from tests.benchmarks.virtual_forest import Draw, Floats, Forest, virtual_forest

USUAL = 300
LOWEST, HIGHEST = 0.93, 0.97
QUICK = {"samples": 60, "resolution": 600.0, "trees": 10}
CHUNK = 25

Key = tuple[int, str, int]
"""Position of a case, variant, sample size."""


class Performance(NamedTuple):
    """How one variant did with one sample size; over several domains, means.

    Attributes
    ----------
    bias, bias_error : float
        Relative bias and its Monte Carlo standard error.
    se_ratio : float
        Mean estimated standard error over the standard deviation of the estimates.
    coverage, coverage_error : float
        Share of the intervals that hold the truth, and its Monte Carlo standard error.
    above, below : float
        Share of the intervals that lie wholly above and below the truth.
    samples : int
    """

    bias: float
    bias_error: float
    se_ratio: float
    coverage: float
    coverage_error: float
    above: float
    below: float
    samples: int


def performance(answers: Sequence[Answer], truth: Floats) -> Performance:
    """Hold answers of many samples against the truth.

    Parameters
    ----------
    answers : sequence of Answer
        Domains without an interval count for nothing.
    truth : array, shape (domains,)
    """
    estimate, se, low, high = (np.array(column) for column in zip(*answers, strict=True))
    known = np.isfinite(low) & np.isfinite(high)
    used = known.sum(axis=0) > 1
    if not used.any():
        return Performance(*[math.nan] * 7, samples=len(answers))
    estimate, se, low, high = (np.where(known, column, np.nan)[:, used] for column in (estimate, se, low, high))
    truth, known = truth[used], known[:, used]
    spread, count = np.nanstd(estimate, axis=0, ddof=1), known.sum(axis=0)
    held = np.where(known, (low <= truth) & (truth <= high), np.nan)
    coverage, domains = float(np.nanmean(held)), len(truth)
    return Performance(
        bias=float((np.nanmean(estimate, axis=0) / truth - 1.0).mean()),
        bias_error=float(np.sqrt((spread**2 / count / truth**2).sum()) / domains),
        se_ratio=float((np.nanmean(se, axis=0) / spread).mean()),
        coverage=coverage,
        # domains of one sample are not independent of each other, so their mean is one observation
        coverage_error=float(np.nanstd(np.nanmean(held[known.any(axis=1)], axis=1)) / np.sqrt(known.any(axis=1).sum())),
        above=float(np.nanmean(np.where(known, low > truth, np.nan))),
        below=float(np.nanmean(np.where(known, high < truth, np.nan))),
        samples=len(answers),
    )


def run(
    forest: Forest, chosen: Sequence[int], count: int, sizes: Sequence[int] = SIZES, workers: int = 1
) -> dict[Key, Performance]:
    """Draw samples and estimate.

    Parameters
    ----------
    forest : Forest
    chosen : sequence of int
        Positions of the cases.
    count : int
        Samples of each size.
    sizes : sequence of int
    workers : int
        Processes; no number depends on it.
    """
    jobs = [(n, range(first, min(first + CHUNK, count))) for n in sizes for first in range(0, count, CHUNK)]
    answers: dict[Key, list[Answer]] = {}
    for found in _mapped(partial(_chunk, forest, tuple(chosen)), jobs, workers):
        for key, more in found.items():
            answers.setdefault(key, []).extend(more)
    every = cases()
    truth = {i: np.atleast_1d(np.asarray(every[i].truth(forest), float)) for i in chosen}
    order = sorted(answers, key=lambda key: (chosen.index(key[0]), key[2]))
    return {key: performance(answers[key], truth[key[0]]) for key in order}


def _mapped(job: partial, jobs: Sequence[tuple[int, range]], workers: int) -> Iterable[dict[Key, list[Answer]]]:
    if workers == 1:
        yield from map(job, jobs)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(job, jobs)


def _chunk(forest: Forest, chosen: tuple[int, ...], job: tuple[int, range]) -> dict[Key, list[Answer]]:
    n, numbers = job
    every, found = cases(), {}
    for number in numbers:
        draw = Draw(forest, n, number)
        for i in chosen:
            if n in every[i].sizes:
                for variant, answer in every[i].answers(draw).items():
                    found.setdefault((i, variant, n), []).append(answer)
    return found


def missed(found: dict[Key, Performance]) -> list[Key]:
    """Variants meant to be used whose intervals do not keep the bounds with the usual sample size."""
    every = cases()
    return [
        (i, variant, n)
        for (i, variant, n), seen in found.items()
        if n == USUAL
        and variant in every[i].judged
        and not LOWEST - seen.coverage_error <= seen.coverage <= HIGHEST + seen.coverage_error
    ]


def lines(found: dict[Key, Performance]) -> list[str]:
    """The performances as a Markdown table; variants that are meant to be used carry a star."""
    every, bad = cases(), missed(found)
    sizes = sorted({n for _, _, n in found})
    head = [
        "estimator",
        "design",
        "interval",
        *(f"{what}, n = {n}" for what in ("bias %", "SE", "cover %") for n in sizes),
    ]
    rows = [head, ["---"] * len(head)]
    family = ""
    for i, variant in dict.fromkeys((i, variant) for i, variant, _ in found):
        case: Case = every[i]
        if case.family != family:
            family = case.family
            rows.append([f"**{family}**", *[""] * (len(head) - 1)])
        seen = [found.get((i, variant, n)) for n in sizes]
        bias = ["" if one is None else f"{100 * one.bias:+.1f} ± {100 * one.bias_error:.1f}" for one in seen]
        ratio = ["" if one is None else f"{one.se_ratio:.2f}" for one in seen]
        cover = ["" if one is None else f"{100 * one.coverage:.1f}" for one in seen]
        mark = " *" if variant in case.judged else ""
        mark += " MISSED" if any((i, variant, n) in bad for n in sizes) else ""
        rows.append([case.name, case.design, variant + mark, *bias, *ratio, *cover])
    return [f"| {' | '.join(row)} |" for row in rows]


def _table(found: dict[Key, Performance]) -> pd.DataFrame:
    every = cases()
    index = [(every[i].family, every[i].name, every[i].design, variant, n) for i, variant, n in found]
    names = ["family", "name", "design", "variant", "n"]
    return pd.DataFrame(found.values(), pd.MultiIndex.from_tuples(index, names=names), Performance._fields)


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000, help="of each size")
    parser.add_argument("--resolution", type=float, default=300.0, help="metres")
    parser.add_argument("--workers", type=int, default=1, help="processes; no number depends on it")
    parser.add_argument("--only", help="estimators whose family or name contains this")
    parser.add_argument("--quick", action="store_true", help="a first look: few samples, coarse pixels")
    parser.add_argument("--save", type=Path, help="keep all figures in this CSV file")
    given = parser.parse_args(arguments)
    count, resolution, trees = given.samples, given.resolution, 30
    if given.quick:
        count, resolution, trees = QUICK["samples"], QUICK["resolution"], QUICK["trees"]
    chosen = [i for i, case in enumerate(cases()) if given.only is None or given.only in f"{case.family} {case.name}"]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        forest = virtual_forest(Path(folder), resolution, trees)
    found = run(forest, chosen, count, workers=given.workers)
    if given.save is not None:
        _table(found).to_csv(given.save)
    print("\n".join(lines(found)))
    error = 100 * math.sqrt(0.95 * 0.05 / count)
    print(
        f"\nSIMULATED: {count} samples of each size from {len(forest):,} pixels of {resolution:g} m, "
        f"{time.monotonic() - start:.0f} s. A coverage of 95 % is seen with a standard error of {error:.1f} points."
    )
    bad = missed(found)
    for i, variant, n in bad:
        case = cases()[i]
        print(f"outside {100 * LOWEST:g}-{100 * HIGHEST:g} % with n = {n}: {case.name}, {case.design}, {variant}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
