"""Greenness of treated land against matched land outside, from the composites of this run and of an earlier one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.features import geometry_mask
from rasterio.transform import Affine
from rasterio.windows import Window
from rasterio.windows import transform as window_transform

from sinkest.account.greenness import Gain, Pixels, gain
from sinkest.messages import Message
from sinkest.runstore import RunStore
from sinkest.stages import compose, mapping
from sinkest.stages.context import Run
from sinkest.stages.inference import CITY, Frame
from sinkest.stages.previous import Earlier

KINDS = ("planted", "closure", "corridor")
UNIT = "NDVI/yr"
METHOD = "matched_controls"
LATTICE = 1200
"""Most rows or columns of the lattice that controls are taken from."""
BUFFER_PX = 3
"""Pixels around treated land that serve as no control."""
TERRAIN = ("elevation", "slope")

Values = dict[str, NDArray[np.float64]]


def gains(
    run: Run, treatments: gpd.GeoDataFrame, frame: Frame, earlier: Earlier | None
) -> tuple[list[dict[str, Any]], list[Message]]:
    """Extra change of NDVI a year on land treated between the two runs, by kind.

    Without an earlier run, or with one of another grid or other bands, there is no row and a note says so.
    """
    if earlier is None:
        return [], [Message.of("restoration.no_trend")]
    store = RunStore(earlier.folder)
    pair = _Pair.open(run, store)
    if pair is None:
        return [], [Message.of("restoration.unlike_images", folder=earlier.folder)]
    polygons = treatments.to_crs(str(run.grid.crs))
    outside = pair.pixels(*pair.lattice(polygons))
    rows, years = [], frame.year - earlier.year
    for kind in KINDS:
        between = (polygons["kind"] == kind) & (polygons["year"] > earlier.year) & (polygons["year"] <= frame.year)
        if between.any():
            found = gain(pair.pixels(*pair.inside(polygons.geometry[between])), outside, frame.level)
            rows.append(_row(frame, kind, found, years))
    note = "restoration.trend" if rows else "restoration.none_between"
    return rows, [Message.of(note, season=pair.season, before=earlier.year, after=frame.year)]


def _row(frame: Frame, kind: str, found: Gain, years: int) -> dict[str, Any]:
    numbers = [value / years for value in (found.value, found.se, found.low, found.high)]
    status = "declined" if math.isnan(found.value) else "ok" if math.isfinite(found.se) else "insufficient"
    note = "restoration.note_gain" if status == "ok" else f"restoration.note_{status}"
    about: dict[str, Any] = {"method": METHOD, "n": found.matched, "definition_id": "", "status": status, "note": note}
    return frame.row(f"greenness_gain:{kind}", CITY, UNIT, *numbers, **about)


class _Pair:
    """The composites of two runs on one grid, and the earlier land cover."""

    def __init__(self, files: tuple[Path, Path, Path], season: str, terrain: tuple[str, ...]) -> None:
        self.before, self.after, self.cover = files
        self.season = season
        self.terrain = terrain
        with rasterio.open(self.after) as source:
            self.transform: Affine = source.transform
            self.shape: tuple[int, int] = source.shape

    @classmethod
    def open(cls, run: Run, earlier: RunStore) -> _Pair | None:
        """The pair, or None where the two do not show the same land in the same bands."""
        before, after = (store.folder(compose.NAME) / compose.FILE for store in (earlier, run.store))
        cover = earlier.folder(mapping.NAME) / "land_cover.tif"
        if not (before.is_file() and after.is_file() and cover.is_file()):
            return None
        with rasterio.open(before) as first, rasterio.open(after) as second, rasterio.open(cover) as classes:
            alike = {(item.shape, item.transform, str(item.crs)) for item in (first, second, classes)}
            common = set(first.descriptions) & set(second.descriptions)
        wanted = run.spec.restoration.season
        names = [wanted] if wanted else [season.name for season in run.spec.imagery.seasons]
        seasons = [name for name in names if {f"{name}_red", f"{name}_nir"} <= common]
        if len(alike) > 1 or not seasons:
            return None
        return cls((before, after, cover), seasons[0], tuple(name for name in TERRAIN if name in common))

    def inside(self, shapes: Iterable[Any]) -> tuple[NDArray[np.float64], Values]:
        """Coordinates and layers of the pixels whose centre lies in a polygon, each once."""
        seen: dict[int, tuple[float, ...]] = {}
        height, width = self.shape
        names: list[str] = []
        for shape in shapes:
            west, south, east, north = shape.bounds
            left, top = ~self.transform * (west, north)
            end, bottom = ~self.transform * (east, south)
            col, row = max(math.floor(left), 0), max(math.floor(top), 0)
            right, low = min(math.ceil(end), width), min(math.ceil(bottom), height)
            if col >= right or row >= low:
                continue
            part = Window(col, row, right - col, low - row)
            placed = window_transform(part, self.transform)
            mask = ~geometry_mask([shape], (low - row, right - col), placed)
            values = self._read(part, None)
            names = list(values)
            rows, cols = np.nonzero(mask)
            x, y = _centres(placed, rows, cols)
            stacked = np.column_stack([x, y, *(values[name][rows, cols] for name in names)])
            for key, line in zip(((rows + row) * width + cols + col).tolist(), stacked.tolist(), strict=True):
                seen.setdefault(int(key), tuple(line))
        table = np.array([seen[key] for key in sorted(seen)], dtype=np.float64).reshape(len(seen), -1)
        if not len(table):
            return np.zeros((0, 2)), {}
        return table[:, :2], {name: table[:, place] for place, name in enumerate(names, 2)}

    def lattice(self, polygons: gpd.GeoDataFrame) -> tuple[NDArray[np.float64], Values]:
        """Coordinates and layers of a regular lattice over all land, without treated land and its rim."""
        height, width = self.shape
        step = max(1.0, max(self.shape) / LATTICE)
        shape = (max(1, int(height / step)), max(1, int(width / step)))
        placed = self.transform * Affine.scale(width / shape[1], height / shape[0])
        rim = polygons.geometry.buffer(BUFFER_PX * abs(placed.a))
        free = geometry_mask(list(rim), shape, placed, all_touched=True)
        values = self._read(Window(0, 0, width, height), shape)
        rows, cols = np.nonzero(free)
        x, y = _centres(placed, rows, cols)
        return np.column_stack([x, y]), {name: layer[rows, cols] for name, layer in values.items()}

    def pixels(self, xy_m: NDArray[np.float64], values: Values) -> Pixels:
        """Pixels that were seen at both dates."""
        if not values:
            nothing = np.zeros(0)
            return Pixels(nothing.astype(np.int64), np.zeros((0, 1 + len(self.terrain))), np.zeros((0, 2)), nothing)
        covariates = np.column_stack([values[name] for name in (*self.terrain, "before")])
        change = values["after"] - values["before"]
        known = np.isfinite(covariates).all(axis=1) & np.isfinite(change) & (values["cover"] > 0)
        cover = values["cover"][known].astype(np.int64)
        return Pixels(cover, covariates[known], xy_m[known], change[known])

    def _read(self, window: Window, shape: tuple[int, int] | None) -> Values:
        """NDVI before and after, terrain, earlier land cover; NaN where there is no data."""
        out = {"before": self._ndvi(self.before, window, shape), "after": self._ndvi(self.after, window, shape)}
        out |= {name: _layer(self.after, name, window, shape) for name in self.terrain}
        with rasterio.open(self.cover) as source:
            out["cover"] = _plain(source, 1, window, shape)
        return out

    def _ndvi(self, file: Path, window: Window, shape: tuple[int, int] | None) -> NDArray[np.float64]:
        red, nir = (_layer(file, f"{self.season}_{band}", window, shape) for band in ("red", "nir"))
        total = red + nir
        return np.divide(nir - red, total, out=np.full_like(total, np.nan), where=total > 0)


def _layer(file: Path, name: str, window: Window, shape: tuple[int, int] | None) -> NDArray[np.float64]:
    """A named layer as values, float64 (y, x)."""
    with rasterio.open(file) as source:
        place = source.descriptions.index(name) + 1
        stored = _plain(source, place, window, shape)
        scaled: NDArray[np.float64] = stored * source.scales[place - 1] + source.offsets[place - 1]
    return scaled


def _plain(
    source: rasterio.io.DatasetReader, place: int, window: Window, shape: tuple[int, int] | None
) -> NDArray[np.float64]:
    """Stored numbers with NaN for nodata; of a lattice the nearest pixels."""
    stored = source.read(place, window=window, out_shape=shape, resampling=Resampling.nearest)
    values = stored.astype(np.float64)
    if source.nodata is not None:
        values[stored == source.nodata] = np.nan
    return values


def _centres(
    placed: Affine, rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of pixel centres of a north-up grid."""
    return placed.c + placed.a * (cols + 0.5), placed.f + placed.e * (rows + 0.5)
