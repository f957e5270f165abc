"""Ten times what a city has: is it still bounded, and still right?

``python -m tests.load [--part zones plots dates years]`` makes each problem at 1x and at 10x: 1,000 counties, 10,000
plots, 400 dates, 50 years. It prints seconds of CPU, how they grew, the memory above that of the loaded program, and
whether the answer is the one that is known without it; it ends with 1 where one is wrong, or time or memory grew much
faster than the problem.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from sinkest.aoi import build_grid, read_zones
from sinkest.features.composite import median
from sinkest.finished.series import series
from sinkest.learn.table import read_plots
from sinkest.mapping.engine import plan_blocks
from sinkest.mapping.zonal import ZoneIndex, class_area
from sinkest.runstore import RunStore, pretty_json, write_bytes
from sinkest.tidy import tidy

STEEPEST = 25.0
"""A problem ten times as large may take this many times as long: a sort and a tree cost a logarithm more."""
MEMORY_MIB = 1024


@dataclass(frozen=True)
class Cost:
    """What a problem took, and whether its answer was right."""

    cpu_s: float
    memory_mib: float
    right: bool


def zones(scale: int, folder: Path) -> bool:
    """100 x scale counties in a square degree: their mapped areas are their geodesic areas, and add up."""
    count = 100 * scale
    across = int(math.sqrt(count))
    down = count // across
    edges_x, edges_y = np.linspace(113.0, 114.0, across + 1), np.linspace(27.0, 28.0, down + 1)
    boxes = [
        shapely.box(edges_x[x], edges_y[y], edges_x[x + 1], edges_y[y + 1]) for y in range(down) for x in range(across)
    ]
    names = [f"{number:04d}" for number in range(len(boxes))]
    frame = gpd.GeoDataFrame({"adcode": names, "name": names, "name_en": names}, geometry=boxes, crs="EPSG:4326")
    frame.to_file(folder / "zones.gpkg")
    found = read_zones(folder / "zones.gpkg")
    grid = build_grid(found, 250.0, "auto")
    index = ZoneIndex(found, grid)
    total = np.zeros((len(found), 256))
    for block in plan_blocks(grid, 256, index.touched):
        shape = (block.height, block.width)
        total += class_area(index.block(block.window), np.ones(shape, dtype=np.uint8))
    areas = found.frame["area_m2"].to_numpy()
    return len(found) == len(boxes) and bool(np.allclose(total[:, 1], areas, rtol=1e-6))


def plots(scale: int, folder: Path) -> bool:
    """1,000 x scale plots in a text table: every number comes back."""
    count = 1000 * scale
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "plot_id": [str(number) for number in range(count)],
            "lon": 113.0 + rng.random(count),
            "lat": 27.0 + rng.random(count),
            "date": "2025-10-01",
            "volume_m3_ha": rng.random(count) * 100,
        }
    )
    frame.to_csv(folder / "plots.csv", index=False)
    found = read_plots(folder / "plots.csv")
    return bool(
        np.array_equal(found["volume_m3_ha"].to_numpy(), frame["volume_m3_ha"].to_numpy())
        and np.array_equal(found["lon"].to_numpy(), frame["lon"].to_numpy())
    )


def dates(scale: int, _folder: Path) -> bool:
    """40 x scale dates over a block of 128 x 128: the median of numbers whose median is known."""
    count = 40 * scale + 1
    rng = np.random.default_rng(2)
    order = rng.permuted(np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None], (count, 128, 128)), axis=0)
    return bool(np.all(median(order) == (count - 1) / 2))


def years(scale: int, folder: Path) -> bool:
    """A series of 5 x scale sealed runs with 100 counties each: values and changes are the ones put in."""
    runs = [_sealed_run(folder / str(year), year) for year in range(1975, 1975 + 5 * scale)]
    found = series(runs, quantities=["growing_stock"], zone="050")
    values = [float(1000 + 10 * number) for number in range(5 * scale)]
    changes = found["change"].to_numpy()[1:]
    return found["value"].tolist() == values and bool(np.allclose(changes, 10.0))


def _sealed_run(folder: Path, year: int) -> Path:
    """The least that is a finished run of a year: figures of 100 counties, sealed."""
    names = [f"{number:03d}" for number in range(100)]
    shared = {"quantity": "growing_stock", "year": year, "unit": "m3", "level": 0.95, "n": 30, "method": "greg",
              "definition_id": "forest_current_rule", "provisional": False, "simulated": True, "status": "ok",
              "note": ""}  # fmt: skip
    value = float(1000 + 10 * (year - 1975))
    rows = [
        {**shared, "zone": name, "value": value, "se": 5.0, "low": value - 10, "high": value + 10} for name in names
    ]
    about = {"name": "load", "year": year, "crs": "EPSG:32649", "shape": [40, 40], "resolution_m": 10.0}
    about["zones"] = [{"zone_id": name, "area_ha": 10.0} for name in names]

    def work(place: Path) -> None:
        tidy(rows).to_parquet(place / "estimates.parquet")
        write_bytes(place / "run.json", pretty_json(about))

    store = RunStore(folder)
    store.run_stage("estimate", {"year": year}, work)
    store.write_manifest({"name": "load", "year": year}, ["estimate"])
    return folder


PARTS: Mapping[str, Callable[[int, Path], bool]] = {"zones": zones, "plots": plots, "dates": dates, "years": years}


def measured(part: str, scale: int) -> Cost:
    """Cost of a problem in a process of its own; a copy of one that has done no work and so has no threads."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](1, Path(folder))  # what is loaded and compiled at the first call is no part of the problem
        with tempfile.TemporaryDirectory() as folder:
            begun = time.process_time()
            right = PARTS[part](scale, Path(folder))
            cpu = time.process_time() - begun
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        os.write(writing, f"{cpu} {grown} {int(right)}".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read().split()
    os.waitpid(process, 0)
    return Cost(float(said[0]), float(said[1]), said[2] == "1") if len(said) == 3 else Cost(math.inf, math.inf, False)


def main() -> int:
    """Print the table; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    print(f"{'part':8} {'1x':>9} {'10x':>9} {'growth':>7} {'memory':>10}  answer")
    failed = False
    for part in options.part:
        small, large = measured(part, 1), measured(part, 10)
        growth = large.cpu_s / max(small.cpu_s, 0.05)
        right = small.right and large.right and growth <= STEEPEST and large.memory_mib <= MEMORY_MIB
        failed |= not right
        times = f"{small.cpu_s:7.2f} s {large.cpu_s:7.2f} s {growth:6.1f}x"
        print(f"{part:8} {times} {large.memory_mib:6.0f} MiB  {'right' if right else 'WRONG'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
