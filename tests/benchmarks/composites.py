"""How fast composites are made, and in how much memory: dates on disk to one file, against what a user would write.

Ours is the chain of the stage ``compose``: blocks of whole tiles through `sinkest.features.block.build_block`, encoded
as they are stored, each kept as a part, then one file that is compared with the parts. SIMULATED scenes, see
`tests.benchmarks.stacks`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks import stacks
from tests.benchmarks.pairs import Case, Work, city, evenness, flatness
from tests.benchmarks.peers import folder_files

BLOCK = 512
HDSTATS = ("hdstats==0.2.1", "scipy<1.15", "numpy<2", "rasterio<1.5")
"""hdstats calls a function that scipy has dropped since."""

CITY_PIXELS = 125e6
"""Pixels of 10 m inside Zhuzhou and in the blocks along its border."""
CITY_S, CITY_BYTES = 8 * 60.0, 2 * 2**30
WORST_DIFFERENCE = 0.5001
"""Stored units that rounding to them leaves between two equal medians."""


def composed(
    stack: str, size: tuple[int, int], method: str, workers: int, out: str, single: bool = False
) -> Callable[[], dict[str, Any]]:
    """Composite of the upper left ``size`` of a stack, as the stage makes it."""
    import numpy as np

    from sinkest.features.block import build_block
    from sinkest.features.cube import NODATA, CubeSpec
    from sinkest.imagery.local import StackSource, grid_of
    from sinkest.imagery.source import Period
    from sinkest.mapping.cog import RasterSpec
    from sinkest.mapping.engine import Arrays, Block, iterate_parts, plan_blocks, run_blocks
    from sinkest.stages.mapfile import write_map

    place = Path(stack)
    bands = {b: f"*_{b}.tif" if single else f"*_bands.tif:{k}" for k, b in enumerate(stacks.BANDS, start=1)}
    own = {"scale": stacks.SCALE, "offset": stacks.ADD, "qa": "*_scl.tif", "qa_kind": "scl"}
    source = StackSource(place, "file_per_date", bands, date_format="%Y%m%d", sensor="sentinel-2", **own)
    grid = grid_of(folder_files(place, "scl")[0])[: size[0], : size[1]]
    days = stacks.days()
    scenes = {"year": source.search(grid, Period(days[0], days[-1]))}
    options = {"terrain": False, "dilate_px": 0, "gap_fill": "none"}
    spec = CubeSpec(seasons=("year",), bands=stacks.BANDS, method=method, **options)

    def block(one: Block) -> Arrays:
        layers = build_block(source, grid, one.slices, spec, scenes)
        return {"layers": np.stack([layer.encode(layers[layer.name]) for layer in spec.layers])}

    def work() -> dict[str, Any]:
        blocks, parts = plan_blocks(grid, BLOCK), Path(out).with_suffix(".parts")
        shutil.rmtree(parts, ignore_errors=True)
        run_blocks(block, blocks, parts, workers=workers)
        written = ((one.window, arrays["layers"]) for one, arrays in iterate_parts(parts, blocks))
        names, units, scales = zip(*((layer.name, layer.unit, layer.scale) for layer in spec.layers), strict=True)
        write_map(Path(out), grid, RasterSpec("int16", NODATA, names, units, scales, overviews=False), written)
        shutil.rmtree(parts)
        return {"file": out}

    block(Block(0, 0, 64, 64))  # loads the compiled kernels from their cache, as an import loads a module
    return work


def _ours(
    side: tuple[int, int], rows: float = 1.0, method: str = "median", workers: int = 2, single: bool = False
) -> Callable[[Path, bool], Work]:
    """Our work on a stack of the side given for a full or a quick run; ``rows`` is the share of its rows."""

    def work(folder: Path, quick: bool) -> Work:
        length, dates = side[quick], stacks.DATES
        stack = stacks.make_stack(folder, length, dates, single=single)
        size = (int(length * rows), length)
        out = str(folder / f"ours-{method}-{size[0]}-{workers}.tif")
        given = {"stack": str(stack), "size": size, "method": method, "workers": workers, "out": out, "single": single}
        return Work("tests.benchmarks.composites:composed", given, size[0] * size[1])

    return work


def _xarray(side: tuple[int, int]) -> Callable[[Path, bool], Work]:
    def work(folder: Path, quick: bool) -> Work:
        stack = stacks.make_stack(folder, side[quick])
        given = {"bands": folder_files(stack, "bands"), "scl": folder_files(stack, "scl"), "clear": stacks.CLEAR}
        given |= {"out": str(folder / "xarray.tif"), "workers": 2}
        return Work("tests.benchmarks.peers:xarray_median", given, side[quick] ** 2)

    return work


def _odc(side: tuple[int, int]) -> Callable[[Path, bool], Work]:
    def work(folder: Path, quick: bool) -> Work:
        stack = stacks.make_stack(folder, side[quick], single=True)
        files = [folder_files(stack, band) for band in stacks.BANDS]
        given = {"bands": list(zip(*files, strict=True)), "names": stacks.BANDS, "scl": folder_files(stack, "scl")}
        given |= {"days": [day.isoformat() for day in stacks.days()], "clear": stacks.CLEAR}
        given |= {"out": str(folder / "odc.tif"), "workers": 2}
        return Work("tests.benchmarks.peers:odc_median", given, side[quick] ** 2)

    return work


def _hdstats(side: tuple[int, int], rows: float) -> Callable[[Path, bool], Work]:
    def work(folder: Path, quick: bool) -> Work:
        from sinkest.features.composite import GEOMEDIAN_TOLERANCE

        stack = stacks.make_stack(folder, side[quick])
        size = (int(side[quick] * rows), side[quick])
        given = {"bands": folder_files(stack, "bands"), "scl": folder_files(stack, "scl"), "clear": stacks.CLEAR}
        given |= {"size": size, "scale": (stacks.SCALE, stacks.ADD), "tolerance": GEOMEDIAN_TOLERANCE}
        given |= {"out": str(folder / "hdstats.tif"), "workers": 2}
        python = _environment(folder / "hdstats-environment")
        return Work("tests.benchmarks.peers:hdstats_geomedian", given, size[0] * size[1], python)

    return work


def _environment(place: Path) -> Path:
    """Interpreter of an environment that hdstats imports in."""
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *HDSTATS], check=True, stdout=sys.stderr)
    return python


def _no_peer(folder: Path, quick: bool) -> Work:
    return Work("tests.benchmarks.peers:nothing")


def _differences(ours: Mapping[str, Any], peer: Mapping[str, Any], scale: float, offset: float) -> Any:
    """Stored units between two composites, pixel by pixel, where both have a value."""
    import numpy as np
    import rasterio

    found = []
    with rasterio.open(ours["file"]) as one, rasterio.open(peer["file"]) as other:
        for k in range(1, len(stacks.BANDS) + 1):
            mine = one.read(k).astype(float)
            mine[mine == one.nodata] = np.nan
            its = (other.read(k).astype(float) * scale + offset) / stacks.SCALE
            if not np.array_equal(np.isnan(mine), np.isnan(its)):
                raise AssertionError(f"band {k}: not the same pixels have a value")
            found.append(np.abs(mine - its)[np.isfinite(mine)])
    return np.concatenate(found)


def same_medians(ours: Mapping[str, Any], peer: Mapping[str, Any]) -> str:
    """Medians of stored numbers must be equal but for the rounding to stored units."""
    apart = _differences(ours, peer, stacks.SCALE, stacks.ADD)
    if apart.max() > WORST_DIFFERENCE:
        raise AssertionError(f"medians differ by {apart.max():.3f} stored units")
    return f"all {apart.size:,} values equal but for rounding to 0.0001"


def near_geomedians(ours: Mapping[str, Any], peer: Mapping[str, Any]) -> str:
    """Geometric medians at one tolerance end a little apart; rounding to stored units alone makes 0.25 on average."""
    import numpy as np

    apart = _differences(ours, peer, 1.0, 0.0)
    middle, high = np.percentile(apart, [50, 99])
    if high > 1.0:
        raise AssertionError(f"geometric medians: 1 % differ by more than {high:.2f} stored units")
    return f"apart by {middle:.2f} units at the median, {high:.2f} at the 99th percentile, {apart.max():.1f} at most"


USUAL, LARGE = (2048, 1024), (4096, 1024)
HALF_OF_QUARTER = 0.125

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case("composite", 15.0, _ours(USUAL), _xarray(USUAL), memory=0.25, check=same_medians),
        Case("composite_odc", 15.0, _ours(USUAL, single=True), _odc(USUAL), rounds=1, memory=0.25, check=same_medians),
        Case(
            "geomedian",
            5.0,
            _ours(USUAL, rows=0.5, method="geomedian"),
            _hdstats(USUAL, rows=0.5),
            check=near_geomedians,
        ),
        Case("scaling", 1.7, _ours(USUAL, workers=2), _ours(USUAL, workers=1), rounds=5),
        Case("linear", 1 / 1.15, _ours(LARGE), _ours(LARGE, rows=HALF_OF_QUARTER), score=evenness),
        Case("memory", 1 / 1.1, _ours(LARGE), _ours(LARGE, rows=0.25), score=flatness),
        Case("city_composite", 1.0, _ours(LARGE), _no_peer, **city(CITY_S, CITY_PIXELS), most_bytes=CITY_BYTES),
    )
}
