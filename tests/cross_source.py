"""The same truth through every source: the same cube and the same totals.

``python -m tests.cross_source`` runs the whole chain up to the estimates for each source, Earth Engine among them, and
prints what differs; tests/test_cross_source.py and tests/test_earthengine_cross.py compare the cubes. SIMULATED
模拟数据.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio

from tests.project_fixture import build_project, call
from tests.servers.cross import ask_service, make_truth, publishers, service_assets, write_sources
from tests.servers.earthengine.server import EarthEngineServer
from tests.servers.stac import StacServer
from tests.servers.truth import stepped

CUBE_TOLERANCE = 1
"""Units of storage, 0.0001 of reflectance: archives that took the offset off store other numbers for the same value, so
a median of an even number of dates may round to the other side."""


def cube(project: Path, name: str) -> np.ndarray:
    """Stored numbers of a source's composite, (layer, y, x)."""
    with rasterio.open(project / "runs" / f"{name}-2025" / "compose" / "composite.tif") as raster:
        return raster.read().astype(np.int64)


def totals(project: Path, name: str) -> pd.DataFrame:
    """Estimates of a source's run for the city, by quantity."""
    file = project / "runs" / f"{name}-2025" / "estimate" / "estimates.csv"
    table = pd.read_csv(file, dtype={"zone": str}, encoding="utf-8-sig")
    return table[table["zone"] == "all"].set_index(["quantity", "year"])[["value", "se"]]


def run_all(folder: Path, stage: str) -> Path:
    """Build the project and run every source up to a stage; gives the project's folder.

    Composites of the truth lie on steps of storage, so nothing is left to rounding and totals can be compared.
    """
    project = folder / "project"
    build_project(project)
    truth = stepped(make_truth(project))
    (folder / "files").mkdir()
    with StacServer(folder / "files") as server, EarthEngineServer(service_assets(truth)) as service:
        publish = publishers(truth, server)
        files = {**write_sources(project, truth, server), "service": ask_service(project, service)}
        for name, file in files.items():
            publish.get(name, lambda: None)()
            if call("--lang", "en", "-q", stage, project / file) != 0:
                raise RuntimeError(name)
    return project


def compared(project: Path) -> tuple[list[str], bool]:
    """What differs between the sources of a project, a line each, and whether all is as it must be."""
    names = sorted(path.name.removesuffix("-2025") for path in (project / "runs").iterdir())
    first_cube, first_totals, lines, good = cube(project, names[0]), totals(project, names[0]), [], len(names) > 1
    for one in names[1:]:
        apart = int(np.abs(cube(project, one) - first_cube).max())
        same = totals(project, one).equals(first_totals)
        good = good and same and apart <= CUBE_TOLERANCE
        lines.append(
            f"{names[0]} and {one}: cubes at most {apart} units apart, {len(first_totals)} totals equal: {same}"
        )
    return lines, good


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        told, fine = compared(run_all(Path(place), "estimate"))
        print(*told, sep="\n")
        sys.exit(not fine)
