"""From GEDI granules on disk to a table of shots, told what was left out and why."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from sinkest.errors import InputError
from sinkest.features.terrain import pixel_sides_m, slope_aspect
from sinkest.imagery.gedi import rules
from sinkest.imagery.gedi_granule import Terrain, read_granules
from sinkest.imagery.source import Source
from sinkest.messages import Message
from sinkest.runstore import write_bytes

BLOCK = 512
"""Side of the blocks in which the elevation model is read."""


def gather(files: Sequence[Path], out: Path, config: Path | None = None, keep_all: bool = False) -> tuple[Message, ...]:
    """Write the shots of some granules as GeoParquet.

    Parameters
    ----------
    files : sequence of Path
        Granules, see `sinkest.imagery.gedi_granule.read_granules`.
    out : Path
        GeoParquet file to write.
    config : Path, optional
        Configuration whose zones the shots must lie in, and whose elevation model, if it has one, judges them.
    keep_all : bool
        Write the shots that fail a rule, too.

    Returns
    -------
    tuple of Message
        What was read, what was left out, and that this is no ground truth.

    Raises
    ------
    InputError
        If a granule is refused, or no shot is left.
    """
    area, terrain = None, None
    if config is not None:
        from sinkest.config.run import load_config
        from sinkest.stages.context import place
        from sinkest.stages.sources import make_source

        loaded = load_config(config)
        zones, grid = place(loaded)
        area = shapely.union_all(zones.frame.geometry.to_numpy())
        terrain = terrain_of(make_source(loaded), grid)
    table = read_granules(files, area, terrain)
    kept = table if keep_all else table[table["usable"]]
    if len(kept) == 0:
        raise InputError("gedi.none_usable", files=", ".join(str(one) for one in files))
    buffer = io.BytesIO()
    written = kept.reset_index(drop=True)
    written.attrs = {}
    written.to_parquet(buffer, index=False)
    write_bytes(out, buffer.getvalue())
    return tuple(_told(table, len(files), area is not None))


def _told(table: gpd.GeoDataFrame, files: int, in_area: bool) -> list[Message]:
    usable = int(table["usable"].sum())
    told = [Message.of("gedi.read", shots=table.attrs["shots"], files=files)]
    told.append(Message.of("gedi.in_area" if in_area else "gedi.anywhere", shots=len(table), usable=usable))
    if table.attrs["unplaced"]:
        told.append(Message.of("gedi.unplaced", count=table.attrs["unplaced"]))
    failed = [set(one.split()) for one in table["rejected_by"]]
    for rule in rules():
        count = sum(rule.id in one for one in failed)
        if count:
            status = Message.of("gedi.provisional") if rule.status == "MEM" else ""
            fields = {"column": rule.column, "operator": rule.operator, "value": f"{rule.value:g}"}
            told.append(
                Message.of("gedi.rejected", rule=rule.id, count=count, source=rule.source, status=status, **fields)
            )
    if table.attrs["unchecked"]:
        told.append(Message.of("gedi.unchecked", rules=", ".join(table.attrs["unchecked"])))
    steep = sum(one == {"slope"} for one in failed)
    if steep:
        limit = next(rule.value for rule in rules() if rule.id == "slope")
        percent = f"{100 * steep / (steep + usable):.0f}"
        told.append(Message.of("gedi.domain", limit=f"{limit:g}", percent=percent))
    return [*told, Message.of("gedi.not_ground_truth")]


def terrain_of(source: Source, grid: GeoBox) -> Terrain | None:
    """Elevation and slope at points, from the source's elevation model on a grid; None where it has no such model."""
    if source.elevation(grid[0:1, 0:1]) is None:
        return None
    transformer = Transformer.from_crs("EPSG:4326", str(grid.crs), always_xy=True)

    def look(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        x, y = transformer.transform(lon, lat)
        inverse = ~grid.affine
        col = np.floor(inverse.a * x + inverse.b * y + inverse.c).astype(np.int64)
        row = np.floor(inverse.d * x + inverse.e * y + inverse.f).astype(np.int64)
        found = {name: np.full(len(x), np.nan) for name in ("elevation_m", "slope_deg")}
        inside = (row >= 0) & (col >= 0) & (row < grid.shape[0]) & (col < grid.shape[1])
        blocks = np.where(inside, (row // BLOCK) * (grid.shape[1] // BLOCK + 1) + col // BLOCK, -1)
        for block in np.unique(blocks[inside]):
            here = blocks == block
            top, left = int(row[here].min()), int(col[here].min())
            wide = grid[top : int(row[here].max()) + 1, left : int(col[here].max()) + 1].pad(1)
            elevation = np.asarray(source.elevation(wide))
            slope = slope_aspect(elevation, *pixel_sides_m(wide))[0]
            at = row[here] - top + 1, col[here] - left + 1
            found["elevation_m"][here], found["slope_deg"][here] = elevation[at], slope[at]
        return found

    return look
