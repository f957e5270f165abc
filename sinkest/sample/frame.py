"""The sampling frame: pixels of the run's grid whose centre lies in a zone, and where their centres are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer

from sinkest.aoi import check_points
from sinkest.aoi.points import zone_of_points
from sinkest.config import load_config
from sinkest.mapping.engine import Block, plan_blocks
from sinkest.progress import Silent
from sinkest.runstore import RunStore
from sinkest.stages.context import Run

DECIMALS = 7
"""Of degrees: about a centimetre, so a point never leaves its pixel."""

Codes = Callable[[Block], NDArray[np.uint8]]


def open_run(config: Path) -> Run:
    """The run of a configuration, as its stages left it.

    Raises
    ------
    ConfigError
        If the configuration cannot be read.
    """
    loaded = load_config(config)
    execution = loaded.spec.execution
    return Run(loaded, RunStore(loaded.run_folder), Silent(), execution.workers, execution.block_size)


def frame_map(run: Run, codes: Codes) -> NDArray[np.uint8]:
    """Codes of the pixels that can be drawn, uint8 (y, x); 0 for all others.

    Only pixels whose centre lies in a zone can be drawn, so that no interpreter or crew is sent across the border.

    Parameters
    ----------
    run : Run
    codes : callable
        Block -> uint8 (y, x), above 0.
    """
    found = np.zeros(run.grid.shape, dtype=np.uint8)
    for block in plan_blocks(run.grid, run.block_size, run.index.touched):
        found[block.slices] = np.where(_drawable(run, block), codes(block), 0)
    return found


def _drawable(run: Run, block: Block) -> NDArray[np.bool_]:
    zones = run.index.block(block.window)
    inside = zones.label >= 0
    pixels = np.unique(zones.edge_row.astype(np.int64) * block.width + zones.edge_col)
    if pixels.size:
        row, col = np.divmod(pixels, block.width)
        lon, lat = pixel_centres(run, row + block.row, col + block.col)
        inside[row, col] = zone_of_points(run.zones, lon, lat) >= 0
    return inside


def pixel_centres(run: Run, row: ArrayLike, col: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude (WGS84, degrees) of the centres of pixels, float64 (n,) each."""
    to = run.grid.affine
    across, down = np.asarray(col, dtype=np.float64) + 0.5, np.asarray(row, dtype=np.float64) + 0.5
    x, y = to.a * across + to.b * down + to.c, to.d * across + to.e * down + to.f
    lon, lat = Transformer.from_crs(str(run.grid.crs), "EPSG:4326", always_xy=True).transform(x, y)
    return np.round(np.asarray(lon), DECIMALS), np.round(np.asarray(lat), DECIMALS)


def located(run: Run, row: ArrayLike, col: ArrayLike) -> gpd.GeoDataFrame:
    """Drawn pixels as points: ``lon``, ``lat``, ``zone_id`` and geometry (EPSG:4326)."""
    lon, lat = pixel_centres(run, row, col)
    points = gpd.GeoDataFrame({"lon": lon, "lat": lat}, geometry=shapely.points(lon, lat), crs="EPSG:4326")
    return points.assign(zone_id=check_points(points, None, run.zones, file=run.config.path))


def zone_names(run: Run) -> dict[str, dict[str, str]]:
    """Names of the zones by id and language; a zone without an English name goes by its Chinese one."""
    return {
        str(line["zone_id"]): {"zh": str(line["name_zh"]), "en": str(line["name_en"] or line["name_zh"])}
        for line in run.zones.frame.drop(columns="geometry").to_dict("records")
    }


def folder_name(names: Mapping[str, str]) -> str:
    """Heading of a zone in both languages."""
    return " ".join(dict.fromkeys(names.values()))
