"""From GEDI granules on disk to a table of shots, told what was left out and why."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.spatial import cKDTree

from sinkest.errors import InputError
from sinkest.estimate.tracks import two_phase_tracks
from sinkest.estimate.twophase import TwoPhaseEstimate
from sinkest.features.terrain import pixel_sides_m, slope_aspect
from sinkest.imagery.gedi import Terrain, rules
from sinkest.imagery.gedi_granule import read_granules
from sinkest.imagery.source import Period, Source
from sinkest.learn.table import VOLUME, read_plots
from sinkest.messages import Message
from sinkest.runstore import write_bytes

WITHIN_M = 25.0
"""How near a plot must lie to a shot to count as hit by it."""
LEAST_PAIRS = 5

BLOCK = 512
"""Side of the blocks in which the elevation model is read."""


def gather(
    files: Sequence[Path],
    out: Path,
    config: Path | None = None,
    *,
    keep_all: bool = False,
    plots: Path | None = None,
    response: str = VOLUME,
) -> tuple[Message, ...]:
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
    plots : Path, optional
        Field plots; what they say with the shots as a first phase is told, see `compare`.
    response : str
        Column of the plots.

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
    read = Message.of("gedi.read", shots=table.attrs["shots"], files=len(files))
    _write(table, out, keep_all, ", ".join(str(one) for one in files))
    return (read, *_told(table, area is not None), *_compared(table, plots, response))


def gather_from(
    config: Path, out: Path, *, keep_all: bool = False, plots: Path | None = None, response: str = VOLUME
) -> tuple[Message, ...]:
    """Write the shots that the source of a configuration has, as `gather` does those of granules.

    They lie in the configuration's zones and are of the calendar years of its imagery. The source's elevation model, if
    it has one, judges them.

    Raises
    ------
    InputError
        If the source has no shots, or none is usable.
    SourceError
        If there is no shot, or the source does not answer.
    """
    from sinkest.config.run import load_config
    from sinkest.stages.context import place
    from sinkest.stages.sources import make_source

    loaded = load_config(config)
    source, last = make_source(loaded), loaded.spec.year
    period = Period(date(last - loaded.spec.imagery.years + 1, 1, 1), date(last, 12, 31))
    zones, grid = place(loaded)
    area = shapely.union_all(zones.frame.geometry.to_numpy())
    table = source.samples(area, period, terrain_of(source, grid))
    told = Message.of("gedi.served", shots=len(table), source=source.name, period=str(period))
    _write(table, out, keep_all, f"{source.name} {period}")
    return (told, *_told(table, True), *_compared(table, plots, response))


def _write(table: gpd.GeoDataFrame, out: Path, keep_all: bool, where: str) -> None:
    kept = table if keep_all else table[table["usable"]]
    if len(kept) == 0:
        raise InputError("gedi.none_usable", files=where)
    buffer = io.BytesIO()
    written = kept.reset_index(drop=True)
    written.attrs = {}
    written.to_parquet(buffer, index=False)
    write_bytes(out, buffer.getvalue())


def _compared(table: gpd.GeoDataFrame, plots: Path | None, response: str) -> tuple[Message, ...]:
    return (Message.of("gedi.not_ground_truth"),) if plots is None else compare(table, plots, response)


def _told(table: gpd.GeoDataFrame, in_area: bool) -> list[Message]:
    usable = int(table["usable"].sum())
    told = [Message.of("gedi.in_area" if in_area else "gedi.anywhere", shots=len(table), usable=usable)]
    if table.attrs.get("unplaced"):
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
    return told


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


@dataclass(frozen=True)
class Paired:
    """Usable shots with the plots among them, ready for an estimate in two phases; arrays of shape (n1,).

    Attributes
    ----------
    y : float64 array
        Response of the plot at a shot; NaN where there is none.
    z : DataFrame
        The shots' biomass, ``agbd_t_ha``.
    phase2 : bool array
    track : array of str
        Granule and beam.
    """

    y: NDArray[np.float64]
    z: pd.DataFrame
    phase2: NDArray[np.bool_]
    track: NDArray[np.str_]

    def estimate(self) -> TwoPhaseEstimate:
        """Mean of the response over the ground that the shots sample, with the warning among its notes."""
        found = two_phase_tracks(self.y, self.z, self.phase2, self.track)
        return replace(found, notes=(*found.notes, Message.of("gedi.not_ground_truth")))


def pair(shots: gpd.GeoDataFrame, plots: gpd.GeoDataFrame, response: str, within_m: float = WITHIN_M) -> Paired:
    """Find the plots that shots have hit: GEDI as the large, cheap phase and field plots as the small one.

    Each plot goes to its nearest usable shot, and of several plots at one shot the nearest counts. Which plots the
    tracks meet must have nothing to do with what grows there; plots on a grid or at random are met by chance.

    Parameters
    ----------
    shots : GeoDataFrame
        As `sinkest.imagery.gedi.as_table` makes it.
    plots : GeoDataFrame
    response : str
        Column of the plots.
    within_m : float
        Distance from plot to shot; a shot itself is 25 m wide and located to some 10 m.

    Raises
    ------
    InputError
        If fewer than `LEAST_PAIRS` plots have a shot.
    """
    usable = shots[shots["usable"]].reset_index(drop=True)
    crs = plots.estimate_utm_crs()
    sites = [np.column_stack([one.x, one.y]) for one in (table.geometry.to_crs(crs) for table in (usable, plots))]
    y, reach = np.full(len(usable), np.nan), np.full(len(usable), np.inf)
    if len(usable):
        distance, nearest = cKDTree(sites[0]).query(sites[1], distance_upper_bound=within_m)
        for plot in np.lexsort((np.arange(len(plots)), distance)):
            shot = nearest[plot]
            if np.isfinite(distance[plot]) and not np.isfinite(reach[shot]):
                y[shot], reach[shot] = plots[response].iloc[plot], distance[plot]
    phase2 = np.isfinite(reach)
    if phase2.sum() < LEAST_PAIRS:
        fields = {"count": int(phase2.sum()), "plots": len(plots), "within": f"{within_m:g}", "least": LEAST_PAIRS}
        raise InputError("gedi.few_pairs", **fields)
    track = (usable["granule"] + " " + usable["beam"]).to_numpy(dtype=str)
    return Paired(y, usable[["agbd_t_ha"]], phase2, track)


def compare(shots: gpd.GeoDataFrame, plots: Path, response: str) -> tuple[Message, ...]:
    """What a table of plots says with the shots as its first phase, and without them."""
    table = read_plots(plots, response=response, same_place="allow")
    pairs = pair(shots, table, response)
    found = pairs.estimate()
    alone = pairs.y[pairs.phase2]
    low, high = found.interval()
    told = {
        "response": response,
        "unit": "m3/ha" if response == VOLUME else "",
        "value": f"{found.estimate:.1f}",
        "se": f"{found.se:.2f}",
        "low": f"{low:.1f}",
        "high": f"{high:.1f}",
        "n1": len(pairs.y),
        "n2": found.n2,
        "tracks": len(np.unique(pairs.track)),
        "r2": f"{found.r2:.2f}",
        "alone": f"{alone.mean():.1f}",
        "alone_se": f"{alone.std(ddof=1) / math.sqrt(len(alone)):.2f}",
    }
    return (Message.of("gedi.two_phase", **told), *found.notes)
