"""``python -m tests.benchmarks [--quick] [--folder FOLDER] [NAME ...]``: how we do against what there is.

One line a case; ends with 1 where one falls short. ``--quick`` takes smaller rasters and one pair of runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import budget, composites, maps
from tests.benchmarks.pairs import run_case

CASES = composites.CASES | maps.CASES | budget.CASES


def main(arguments: list[str] | None = None) -> int:
    """Run the named cases, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, help="keeps what is prepared, for a later call")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CASES))
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; there are {', '.join(CASES)}")
    short = 0
    with tempfile.TemporaryDirectory(prefix="sinkest-benchmarks-") as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.names or CASES:
            outcome = run_case(CASES[name], folder, options.quick)
            print(outcome.line, flush=True)
            short += not outcome.ok
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
