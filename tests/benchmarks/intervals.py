"""Do the intervals of the yearly run hold the truth as often as they say?

``python -m tests.benchmarks.intervals [--samples 200] [--resolution 300] [--spacing 4500] [--workers 1] [--quick]``
samples the virtual city again and again (see ``tests.benchmarks.resampling``), prints one table, and ends with code 1
where the 95 % intervals of the city's or the counties' forest coverage or growing stock hold the truth less than 92 %
or more than 98 % of the time.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.resampling import LEVEL, OWN, samples, virtual_city

LOWEST, HIGHEST = 0.92, 0.98
JUDGED = ("forest_coverage", "growing_stock")
QUICK = {"samples": 20, "resolution": 900.0, "trees": 10}
BY = ["quantity", "design", "residuals", "scope"]
"""What a row of the summary stands for; classes and types count as one quantity, counties as one place."""


def summary(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """How estimates and intervals of many samples compare with the truth.

    Parameters
    ----------
    tables : iterable of DataFrame
        Of ``samples``.

    Returns
    -------
    DataFrame
        Indexed by quantity, design, residuals and scope (``city`` or ``counties``): ``samples``; ``n``, sampled units;
        ``coverage``, the share of the intervals that hold the truth; ``se_ratio``, mean standard error over the
        standard deviation of the estimates. For single numbers of the city also ``truth``, ``mean`` and ``bias`` with
        its standard error ``bias_se``, in percent of the truth.
    """
    table = pd.concat(list(tables), ignore_index=True)
    held = (table["low"] <= table["truth"]) & (table["truth"] <= table["high"])
    scope = np.where(table["zone"] == "all", "city", "counties")
    name = table["quantity"].str.split(":").str[0]
    table = table.rename(columns={"quantity": "item"}).assign(quantity=name, scope=scope, held=held)
    cells = table.groupby([*BY, "item", "zone"], sort=False).agg(
        samples=("value", "size"),
        n=("n", "mean"),
        truth=("truth", "first"),
        mean=("value", "mean"),
        spread=("value", "std"),
        se=("se", "mean"),
        coverage=("held", "mean"),
    )
    cells["se_ratio"] = cells["se"] / cells["spread"]
    cells["bias"] = 100.0 * (cells["mean"] / cells["truth"] - 1.0)
    cells["bias_se"] = 100.0 * cells["spread"] / cells["truth"] / np.sqrt(cells["samples"])
    found = cells.groupby(BY, sort=False).mean().drop(columns=["spread", "se"])
    several = cells.groupby(BY, sort=False).size() > 1
    found.loc[several, ["truth", "mean", "bias", "bias_se"]] = math.nan
    return found


def missed(found: pd.DataFrame) -> pd.Series:
    """Which rows of a summary have to keep the bounds and don't; bool, indexed as the summary."""
    index = found.index.to_frame()
    judged = index["quantity"].isin(JUDGED) & (index["residuals"] != OWN)
    return judged & ~found["coverage"].between(LOWEST, HIGHEST)


def lines(found: pd.DataFrame) -> list[str]:
    """The summary as a Markdown table."""
    head = ["quantity", "of", "design", "residuals", "n", "truth", "mean", "bias %", "SE / spread", "coverage", ""]
    bad = missed(found)
    rows = [head, ["---"] * len(head)]
    for (quantity, design, residuals, scope), line in found.iterrows():
        truth, mean = (f"{line[key]:,.4g}" if line[key] < 1e4 else f"{line[key]:,.0f}" for key in ("truth", "mean"))
        bias = f"{line['bias']:+.2f} ± {line['bias_se']:.2f}"
        single = [truth, mean, bias] if math.isfinite(line["truth"]) else ["", "", ""]
        note = "MISSED" if bad[quantity, design, residuals, scope] else ""
        shown = [f"{line['n']:.0f}", *single, f"{line['se_ratio']:.2f}", f"{100 * line['coverage']:.1f} %", note]
        rows.append([quantity, scope, design, residuals, *shown])
    return [f"| {' | '.join(row)} |" for row in rows]


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=200, help="of each design")
    parser.add_argument("--resolution", type=float, default=300.0, help="metres")
    parser.add_argument("--spacing", type=float, default=4500.0, help="of the plots, metres")
    parser.add_argument("--workers", type=int, default=1, help="threads; no number depends on it")
    parser.add_argument("--quick", action="store_true", help="a first look: few samples, coarse pixels, small forests")
    parser.add_argument("--save", type=Path, help="keep the tables of all samples in this Parquet file")
    given = parser.parse_args(arguments)
    count, resolution, trees = given.samples, given.resolution, None
    if given.quick:
        count, resolution, trees = QUICK["samples"], QUICK["resolution"], QUICK["trees"]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        city = virtual_city(Path(folder), resolution, given.spacing, trees)
        tables = []
        for table in samples(city, count, workers=given.workers):
            tables.append(table)
            if sys.stderr.isatty():
                print(f"\r{len(tables)} / {2 * count}", end="", file=sys.stderr, flush=True)
    if given.save is not None:
        pd.concat(tables, ignore_index=True).to_parquet(given.save)
    found = summary(tables)
    error = 100 * math.sqrt(LEVEL * (1 - LEVEL) / count)
    print("\n".join(lines(found)))
    print(
        f"\n{count} samples of each design, pixels of {resolution:g} m, plots every {given.spacing:g} m, "
        f"{time.monotonic() - start:.0f} s. A coverage of {100 * LEVEL:g} % is seen with a standard error of "
        f"{error:.1f} points for the city."
    )
    bad = missed(found)
    for place in found.index[bad]:
        print(f"outside {100 * LOWEST:g}-{100 * HIGHEST:g} %: {', '.join(part for part in place if part)}")
    return int(bad.any())


if __name__ == "__main__":
    sys.exit(main())
