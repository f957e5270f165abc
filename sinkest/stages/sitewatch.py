"""Each wetland site in the seasonal composites: water and vegetation, and their change since an earlier run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from sinkest.account.sites import SMALL_LIMIT_HA
from sinkest.account.sitewatch import WETNESS, Shares, circle, normalised, shares
from sinkest.aoi.overlay import areas_m2
from sinkest.learn.problems import Problems
from sinkest.learn.table import ROW, read_outlines
from sinkest.mapping.coverage import cover
from sinkest.messages import Message
from sinkest.runstore import RunStore
from sinkest.stages import compose
from sinkest.stages.context import Run
from sinkest.stages.previous import Earlier

COLUMNS = (
    "site_id",
    "name_zh",
    "name_en",
    "zone",
    "kind",
    "in_corridor",
    "area_ha",
    "outline",
    "pixels",
    "season",
    "status",
    "seen",
    "water",
    "vegetation",
    "other",
    "ndvi",
    "wetness",
    "since",
    "water_change",
    "vegetation_change",
    "ndvi_change",
)
STATUSES = ("ok", "too_small", "no_outline", "not_seen", "outside")
NO_CIRCLE = ("river",)
"""Kinds of which a circle of the site's area says nothing."""
UNLIKE_AREA = 0.2
"""Difference of an outline's area from the list's that is told."""


def read_run_outlines(run: Run, sites: pd.DataFrame) -> gpd.GeoDataFrame | None:
    """Outlines of the sites, in EPSG:4326; None where the configuration names none.

    Raises
    ------
    InputError
        If the file is unusable, or has a site that the list has not; by row and column.
    """
    name = run.spec.wetland.outlines
    return None if name is None else outlines_of(run, run.config.file(name), sites)


def outlines_of(run: Run, path: Path, sites: pd.DataFrame) -> gpd.GeoDataFrame:
    """The outlines of a file, each of a site of the list."""
    found = read_outlines(path, datum=run.spec.wetland.outlines_datum)
    problems = Problems(path, found[ROW].to_numpy())
    known = set(sites["site_id"].astype(str))
    for record, site in enumerate(found["site_id"].astype(str)):
        if site not in known:
            problems.at(record, "sitewatch.unknown_site", column="site_id", value=site)
    problems.raise_if_any()
    return found


def watched(
    run: Run, sites: gpd.GeoDataFrame, outlines: gpd.GeoDataFrame | None, earlier: Earlier | None
) -> tuple[pd.DataFrame, list[Message]]:
    """Water and vegetation of every site in every season.

    Parameters
    ----------
    run : Run
    sites : GeoDataFrame
        Points with ``site_id``, ``kind``, ``area_ha``, ``zone_id``, ``in_corridor``.
    outlines : GeoDataFrame or None
        Polygons with ``site_id``; a site without one is looked at in a circle of its area.
    earlier : Earlier or None
        An earlier run: the same ground in its composites.

    Returns
    -------
    table : DataFrame
        :data:`COLUMNS`, a row for each site and season; shares and changes are parts of 1.
    notes : list of Message
    """
    file = run.store.folder(compose.NAME) / compose.FILE
    now = _Seasons.open(file, run)
    if now is None:
        reason = "sitewatch.no_bands" if file.is_file() else "sitewatch.no_composite"
        return pd.DataFrame(columns=list(COLUMNS)), [Message.of(reason)]
    before = (
        None if earlier is None else _Seasons.open(RunStore(earlier.folder).folder(compose.NAME) / compose.FILE, run)
    )
    places = _places(run, sites, outlines)
    rows: list[dict[str, Any]] = []
    for line, (shape, outline) in zip(sites.drop(columns="geometry").to_dict("records"), places, strict=True):
        about = {
            "site_id": str(line["site_id"]),
            "name_zh": line.get("name_zh", ""),
            "name_en": line.get("name_en", ""),
            "zone": str(line.get("zone_id", "")),
            "kind": line["kind"],
            "in_corridor": bool(line.get("in_corridor", False)),
            "area_ha": float(line["area_ha"]),
            "outline": outline,
        }
        rows += _site_rows(about, shape, now, before, run, None if earlier is None else earlier.year)
    table = pd.DataFrame.from_records(rows, columns=list(COLUMNS))
    return table, _notes(run, table, sites, outlines, now, before)


@dataclass(frozen=True)
class _Seasons:
    """A composite on the run's grid: its seasons with the bands that are looked at."""

    file: Path
    seasons: tuple[str, ...]
    bands: tuple[str, ...]
    wetness: tuple[str, str, str] | None
    shape: tuple[int, int]

    @classmethod
    def open(cls, file: Path, run: Run) -> _Seasons | None:
        """None where the file is not on the run's grid, or no season has red and nir."""
        if not file.is_file():
            return None
        with rasterio.open(file) as source:
            alike = source.shape == tuple(run.grid.shape) and source.transform.almost_equals(run.grid.affine)
            layers, shape = set(source.descriptions), (source.shape[0], source.shape[1])
        names = [season.name for season in run.spec.imagery.seasons]
        seasons = tuple(name for name in names if {f"{name}_red", f"{name}_nir"} <= layers)
        if not alike or not seasons:
            return None
        fit = (one for one in WETNESS if all(f"{name}_{band}" in layers for name in seasons for band in one[1:]))
        wetness = next(fit, None)
        return cls(file, seasons, tuple(dict.fromkeys(("red", "nir", *(wetness or ())[1:]))), wetness, shape)

    def pixels(self, shape: BaseGeometry) -> float:
        """Number of pixels of a shape (in pixel coordinates) on the grid, parts of pixels added up."""
        height, width = self.shape
        return float(shapely.area(shapely.intersection(shape, shapely.box(0, 0, width, height))))

    def look(self, shape: BaseGeometry) -> dict[str, Shares]:
        """Shares of a shape (in pixel coordinates) by season."""
        window, weight = _weights(shape, self.shape)
        found = {}
        with rasterio.open(self.file) as source:
            for season in self.seasons:
                values = {band: _layer(source, f"{season}_{band}", window)[weight > 0] for band in self.bands}
                wet = None if self.wetness is None else normalised(*(values[band] for band in self.wetness[1:]))
                found[season] = shares(weight[weight > 0], normalised(values["nir"], values["red"]), wet)
        return found


def _weights(shape: BaseGeometry, grid: tuple[int, int]) -> tuple[Window, NDArray[np.float64]]:
    """The window around a shape in pixel coordinates, and the part of each of its pixels inside, (y, x)."""
    height, width = grid
    west, north, east, south = shape.bounds
    col, row = max(math.floor(west), 0), max(math.floor(north), 0)
    end, low = min(math.ceil(east), width), min(math.ceil(south), height)
    if end <= col or low <= row:
        return Window(0, 0, 0, 0), np.zeros((0, 0))
    weight = np.zeros((low - row, end - col))
    held = shapely.intersection(shape, shapely.box(col, row, end, low))
    found = cover(shapely.transform(held, lambda xy: xy - [col, row]), *weight.shape)
    for line, first, last in zip(found.run_row, found.run_first, found.run_end, strict=True):
        weight[line, first:last] = 1.0
    weight[found.edge_row, found.edge_col] = found.edge_fraction
    return Window(col, row, end - col, low - row), weight


def _layer(source: rasterio.io.DatasetReader, name: str, window: Window) -> NDArray[np.float64]:
    place = source.descriptions.index(name) + 1
    stored = source.read(place, window=window)
    values: NDArray[np.float64] = stored * source.scales[place - 1] + source.offsets[place - 1]
    values[stored == source.nodata] = np.nan
    return values


def _places(
    run: Run, sites: gpd.GeoDataFrame, outlines: gpd.GeoDataFrame | None
) -> list[tuple[BaseGeometry | None, str]]:
    """Each site's shape in pixel coordinates and what it is: its polygon, a circle of its area, or nothing."""
    affine, crs = run.grid.affine, str(run.grid.crs)

    def to_pixels(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([(xy[:, 0] - affine.c) / affine.a, (xy[:, 1] - affine.f) / affine.e])

    drawn = {}
    if outlines is not None:
        shapes = outlines.to_crs(crs).geometry.to_numpy()
        drawn = dict(zip(outlines["site_id"].astype(str), shapely.transform(shapes, to_pixels), strict=True))
    points = sites.to_crs(crs).geometry
    found: list[tuple[BaseGeometry | None, str]] = []
    for site, kind, area, point in zip(
        sites["site_id"].astype(str), sites["kind"], sites["area_ha"], points, strict=True
    ):
        if site in drawn:
            found.append((drawn[site], "polygon"))
        elif kind in NO_CIRCLE or point is None or point.is_empty:
            found.append((None, "none"))
        else:
            found.append((shapely.Polygon(to_pixels(circle(point.x, point.y, float(area)))), "circle"))
    return found


def _site_rows(
    about: dict[str, Any],
    shape: BaseGeometry | None,
    now: _Seasons,
    before: _Seasons | None,
    run: Run,
    since: int | None,
) -> list[dict[str, Any]]:
    """A site in every season of the run."""
    pixels = math.nan if shape is None else now.pixels(shape)
    status = "no_outline" if shape is None else "outside" if pixels == 0 else ""
    if not status and pixels < run.spec.wetland.least_pixels:
        status = "too_small"
    here = {} if shape is None or status else now.look(shape)
    then = {} if before is None or shape is None or status else before.look(shape)
    rows = []
    for season in now.seasons:
        row = {**about, "pixels": pixels, "season": season, "status": status or "ok"}
        found, earlier = here.get(season), then.get(season)
        if status or found is None:
            rows.append(row)
            continue
        if math.isnan(found.ndvi):
            rows.append(row | {"status": "not_seen", "seen": found.seen})
            continue
        names = ("seen", "water", "vegetation", "other", "ndvi", "wetness")
        row |= {name: getattr(found, name) for name in names}
        if earlier is not None and math.isfinite(earlier.ndvi):
            # What is water by one index need not be by another; NDVI is one and the same.
            alike = before is not None and before.wetness == now.wetness
            compared = CHANGED if alike else ("ndvi",)
            changed = {f"{name}_change": getattr(found, name) - getattr(earlier, name) for name in compared}
            row |= {"since": since, **changed}
        rows.append(row)
    return rows


CHANGED = ("water", "vegetation", "ndvi")


def _notes(
    run: Run,
    table: pd.DataFrame,
    sites: gpd.GeoDataFrame,
    outlines: gpd.GeoDataFrame | None,
    now: _Seasons,
    before: _Seasons | None,
) -> list[Message]:
    """How the sites were looked at, and how many could be."""
    index = now.wetness[0] if now.wetness else "—"
    notes = [Message.of("sitewatch.scope", index=index, pixels=run.spec.wetland.least_pixels)]
    by_site = table.groupby("site_id", sort=False).agg(
        kind=("kind", "first"), corridor=("in_corridor", "first"), area_ha=("area_ha", "first"), status=("status", set)
    )
    small = by_site[(by_site["kind"] == "small_wetland") & (by_site["area_ha"] < SMALL_LIMIT_HA)]
    for apart in (False, True):
        group = small[small["corridor"] == apart]
        if len(group):
            counts = {key: int(group["status"].map(lambda found, key=key: key in found).sum()) for key in STATUSES}
            fields = {"total": len(group), "seen": counts["ok"], "small": counts["too_small"]}
            notes.append(Message.of("sitewatch.corridor" if apart else "sitewatch.counted", **fields))
    if outlines is not None:
        listed = dict(zip(sites["site_id"].astype(str), sites["area_ha"].astype(float), strict=True))
        drawn = zip(outlines["site_id"].astype(str), areas_m2(outlines.geometry.to_numpy()) / 1e4, strict=True)
        unlike = [site for site, area in drawn if abs(area - listed[site]) > UNLIKE_AREA * listed[site]]
        if unlike:
            notes.append(Message.of("sitewatch.unlike_area", sites=", ".join(unlike[:10]), share=UNLIKE_AREA))
    if run.spec.account.previous_run is not None:
        if before is None:
            notes.append(Message.of("sitewatch.not_compared"))
        else:
            alike = before.wetness == now.wetness
            notes.append(Message.of("sitewatch.compared" if alike else "sitewatch.compared_unlike"))
    return notes
