"""Features where the field data lie: the pixel of each plot, the pixels inside each polygon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from sinkest.errors import InputError
from sinkest.learn.places import GEOGRAPHIC, grid_position, pixel_position
from sinkest.learn.table import ROW
from sinkest.messages import Message

Reader = Callable[[Window], NDArray[np.float32]]
"""Window of the grid -> features (f, y, x), NaN without data."""

MOST_WITHOUT_DATA = 0.5
SHOWN_ROWS = 10


@dataclass(frozen=True)
class Extraction:
    """Features of pixels that field records lie on; one row a pixel.

    Attributes
    ----------
    X : float32 array (n, f)
        NaN without data and outside the grid.
    record : int64 array (n,)
        Position (0-based) of the field record in its table; several rows may share one.
    row, col : int64 arrays (n,)
        Pixel; -1 outside the grid.
    x_m, y_m : float64 arrays (n,)
        Coordinates in metres: of the point, or of the pixel's centre for a polygon.
    """

    X: NDArray[np.float32]
    record: NDArray[np.int64]
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which rows have all features."""
        return np.asarray(np.isfinite(self.X).all(axis=1))

    def where(self, chosen: NDArray[np.bool_]) -> Extraction:
        """Some of the rows."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})


def extract(
    places: gpd.GeoDataFrame | gpd.GeoSeries,
    grid: GeoBox,
    reader: Reader,
    *,
    block: int = 256,
    window_px: int = 1,
    max_pixels: int | None = None,
    seed: int = 0,
) -> Extraction:
    """Features at points, and of the pixels whose centres lie inside polygons.

    A polygon too small to hold a centre gets the pixel of a point inside it. Every block of the grid is read once.

    Parameters
    ----------
    places : GeoDataFrame or GeoSeries
        Points or polygons; EPSG:4326 where no CRS is declared.
    grid : GeoBox
    reader : callable
        Window -> float32 array (f, y, x).
    block : int
        Side in pixels of what is read at once; no result depends on it.
    window_px : int
        Odd; a point gets the mean over so many pixels square (those with data, if its own pixel has data).
    max_pixels : int, optional
        Polygons with more pixels are thinned to so many, at random.
    seed : int
        Of the thinning.

    Raises
    ------
    InputError
        If ``window_px`` is even, or no place lies in the grid.
    """
    if window_px < 1 or window_px % 2 == 0:
        raise InputError("learn.window_even", value=window_px)
    series = places.geometry if isinstance(places, gpd.GeoDataFrame) else places
    series = (series if series.crs is not None else series.set_crs(GEOGRAPHIC)).reset_index(drop=True)
    pixels = _pixels(series, grid, max_pixels, seed)
    return replace(pixels, X=_features(pixels, grid, reader, block, window_px // 2))


def with_data(
    found: Extraction, frame: gpd.GeoDataFrame, file: str | Path, *, max_share: float = MOST_WITHOUT_DATA
) -> tuple[Extraction, Message | None]:
    """Leave out pixels without data; say which records are lost by that.

    Parameters
    ----------
    found : Extraction
    frame : GeoDataFrame
        The table that was extracted.
    file : path
        Named in messages.
    max_share : float
        More records without data than this share are a wrong file rather than clouds.

    Returns
    -------
    Extraction
        Complete rows only.
    Message or None
        The records that were left out.

    Raises
    ------
    InputError
        If a larger share of the records has no pixel with data, naming their rows.
    """
    kept = found.where(found.complete)
    lost = np.setdiff1d(np.arange(len(frame)), kept.record)
    if len(lost) == 0:
        return kept, None
    rows = frame[ROW].to_numpy()[lost] if ROW in frame else lost + 2
    shown = ", ".join(str(int(row)) for row in rows[:SHOWN_ROWS]) + (", ..." if len(rows) > SHOWN_ROWS else "")
    fields: dict[str, Any] = {"file": str(file), "lost": len(lost), "n": len(frame), "rows": shown}
    if len(lost) > max_share * len(frame):
        raise InputError("learn.mostly_without_data", **fields)
    return kept, Message.of("learn.without_data", **fields)


def _pixels(series: gpd.GeoSeries, grid: GeoBox, max_pixels: int | None, seed: int) -> Extraction:
    """Which pixels are wanted, without their features yet."""
    shapes = np.asarray(series.values, dtype=object)
    areas = np.isin(shapely.get_type_id(shapes), [3, 6])
    anchors = np.asarray(gpd.GeoSeries(shapely.point_on_surface(shapes), crs=series.crs).to_crs(GEOGRAPHIC).values)
    lon, lat = shapely.get_x(anchors), shapely.get_y(anchors)
    row, col, _ = grid_position(grid, lon, lat)
    parts = []
    on_grid = np.asarray(series.to_crs(str(grid.crs)).values, dtype=object) if areas.any() else shapes
    for record in range(len(shapes)):
        inside = _inside(on_grid[record], grid) if areas[record] else np.empty((0, 2), dtype=np.int64)
        if max_pixels is not None and len(inside) > max_pixels:
            chosen = np.random.default_rng([seed, record]).permutation(len(inside))[:max_pixels]
            inside = inside[np.sort(chosen)]
        if len(inside) == 0:
            inside = np.array([[row[record], col[record]]])
        parts.append(np.column_stack([np.full(len(inside), record), inside]))
    table = np.concatenate(parts).astype(np.int64)
    record, row, col = table.T
    x_m, y_m = _metres(grid, record, row, col, areas, lon, lat)
    return Extraction(np.empty((len(record), 0), dtype=np.float32), record, row, col, x_m, y_m)


def _inside(shape: Any, grid: GeoBox) -> NDArray[np.int64]:
    """Rows and columns of the pixels of the grid whose centres lie in a polygon."""
    height, width = grid.shape
    left, low, right, high = shape.bounds
    columns, lines = pixel_position(grid, np.array([left, left, right, right]), np.array([low, high, low, high]))
    c0, c1 = max(0, int(np.floor(columns.min()))), min(width, int(np.ceil(columns.max())))
    r0, r1 = max(0, int(np.floor(lines.min()))), min(height, int(np.ceil(lines.max())))
    if c0 >= c1 or r0 >= r1:
        return np.empty((0, 2), dtype=np.int64)
    to = grid.affine
    corner = (to.a * c0 + to.b * r0 + to.c, to.d * c0 + to.e * r0 + to.f)
    window = Affine(to.a, to.b, corner[0], to.d, to.e, corner[1])
    mask = rasterio.features.rasterize([(shape, 1)], (r1 - r0, c1 - c0), transform=window, dtype="uint8")
    return np.argwhere(mask == 1) + np.array([r0, c0])


def _metres(
    grid: GeoBox,
    record: NDArray[np.int64],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    areas: NDArray[np.bool_],
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates in metres: the grid's own, or those of a plane around the data where the grid counts in degrees."""
    crs = pyproj.CRS.from_user_input(str(grid.crs))
    to = grid.affine
    x = to.a * (col + 0.5) + to.b * (row + 0.5) + to.c
    y = to.d * (col + 0.5) + to.e * (row + 0.5) + to.f
    to_grid = pyproj.Transformer.from_crs(GEOGRAPHIC, crs, always_xy=True)
    point_x, point_y = to_grid.transform(lon[record], lat[record])
    own = areas[record] & (row >= 0)
    x, y = np.where(own, x, point_x), np.where(own, y, point_y)
    if crs.is_geographic:
        plane = pyproj.CRS.from_dict({"proj": "aeqd", "lon_0": float(np.mean(x)), "lat_0": float(np.mean(y))})
        x, y = pyproj.Transformer.from_crs(crs, plane, always_xy=True).transform(x, y)
    return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)


def _features(pixels: Extraction, grid: GeoBox, reader: Reader, block: int, reach: int) -> NDArray[np.float32]:
    """Features of all pixels, block by block."""
    height, width = grid.shape
    inside = np.flatnonzero(pixels.row >= 0)
    tile = (pixels.row[inside] // block) * (width // block + 1) + pixels.col[inside] // block
    X: NDArray[np.float32] | None = None
    for one in np.unique(tile):
        chosen = inside[tile == one]
        row, col = pixels.row[chosen], pixels.col[chosen]
        r0, c0 = max(0, row.min() - reach), max(0, col.min() - reach)
        r1, c1 = min(height, row.max() + reach + 1), min(width, col.max() + reach + 1)
        values = np.asarray(reader(Window(int(c0), int(r0), int(c1 - c0), int(r1 - r0))), dtype=np.float32)
        if values.ndim != 3 or values.shape[1:] != (r1 - r0, c1 - c0):
            raise InputError("learn.unequal", first=values.shape, second=(int(r1 - r0), int(c1 - c0)))
        if X is None:
            X = np.full((len(pixels.row), values.shape[0]), np.nan, dtype=np.float32)
        X[chosen] = _around(values, row - r0, col - c0, reach)
    if X is None:
        raise InputError("learn.none_in_grid", n=len(np.unique(pixels.record)))
    return X


def _around(
    values: NDArray[np.float32], row: NDArray[np.int64], col: NDArray[np.int64], reach: int
) -> NDArray[np.float32]:
    """Value at each pixel (n, f), or the mean over the pixels around it that have data."""
    center = values[:, row, col].T
    if reach == 0:
        return center
    height, width = values.shape[1:]
    total = np.zeros(center.shape, dtype=np.float64)
    count = np.zeros(center.shape, dtype=np.int64)
    for dr in range(-reach, reach + 1):
        for dc in range(-reach, reach + 1):
            r, c = row + dr, col + dc
            there = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            near = np.full(center.shape, np.nan)
            near[there] = values[:, r[there], c[there]].T
            known = np.isfinite(near)
            total[known] += near[known]
            count += known
    mean = np.divide(total, count, out=np.full(center.shape, np.nan), where=count > 0)
    return np.where(np.isfinite(center), mean, np.nan).astype(np.float32)
