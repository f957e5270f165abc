"""Composites of another run as a source: made where there is a network, used where there is none."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from sinkest.errors import InputError, SourceError
from sinkest.imagery.raster import grid_of
from sinkest.imagery.sensors import COMMON_BANDS
from sinkest.imagery.source import Evidence, Period, Scene, Source, in_order
from sinkest.messages import Message

FILE, SCENES = "composite.tif", "scenes.json"
SETTINGS_TAG = "SETTINGS"


class CompositeSource(Source):
    """Layers that a run composed, read back on the very grid of that run.

    Which layers there are, their units, the year, the scenes and the settings that made the pixels are checked against
    what is asked for. Files of early versions do not tell the settings; a note says so.

    Parameters
    ----------
    path : path
        The folder ``compose`` of a run, or its ``composite.tif`` with ``scenes.json`` beside it.
    year : int
        Year of the run that uses it.

    Raises
    ------
    SourceError
        If a file is missing, damaged, of another year, or not one that a run composed.
    """

    name = "composite"

    def __init__(self, path: Path | str, year: int) -> None:
        given = Path(path)
        self._file = given / FILE if given.is_dir() else given
        self._list = self._file.with_name(SCENES)
        for file in (self._file, self._list):
            if not file.is_file():
                raise SourceError("composite.no_file", kind="missing", file=str(file))
        self._year = year
        self._grid = grid_of(self._file)
        self._local = threading.local()
        with rasterio.open(self._file) as dataset:
            tags = dataset.tags()
            self._layers = {name or "": k for k, name in enumerate(dataset.descriptions, start=1)}
            self._scales, self._units, self._nodata = dataset.scales, dataset.units, dataset.nodata
            dtypes = set(dataset.dtypes)
        if "STAGE_KEY" not in tags or dtypes != {"int16"}:
            raise SourceError("composite.foreign", kind="mismatch", file=str(self._file))
        if tags.get("YEAR") != str(year):
            made = tags.get("YEAR", "-")
            raise SourceError("composite.year", kind="mismatch", file=str(self._file), given=made, expected=year)
        self.simulated = "SIMULATED" in tags
        self._settings = _settings(tags.get(SETTINGS_TAG), self._file)
        self._made_by = {name: tags.get(name, "") for name in ("RUN", "SOFTWARE")}
        self._seasons = _scenes(self._list)
        found = {band for band in COMMON_BANDS for season in self._seasons if f"{season}_{band}" in self._layers}
        self.bands = tuple(band for band in COMMON_BANDS if band in found)

    def __reduce__(self) -> tuple[Any, ...]:
        return CompositeSource, (self._file, self._year)

    def describe(self) -> dict[str, Any]:
        """Tell which run made the composites."""
        return {"source": self.name, "simulated": self.simulated, "layers": list(self._layers), **self._made_by}

    def files(self) -> tuple[Path, ...]:
        """Name the composites and the list of their scenes."""
        return self._file, self._list

    def notes(self, evidence: Evidence | None = None) -> tuple[Message, ...]:
        """Say where the file does not tell how its pixels were made."""
        return () if self._settings is not None else (Message.of("composite.untold", file=str(self._file)),)

    def check_overlap(self, grid: GeoBox) -> None:
        """Refuse a grid that is not the one of the composites.

        Raises
        ------
        SourceError
            Names both grids.
        """
        if grid != self._grid:
            raise SourceError(
                "composite.grid", kind="mismatch", file=str(self._file), given=_told(self._grid), expected=_told(grid)
            )

    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        """Find the scenes that went into the composites."""
        known = {scene.id: scene for found in self._seasons.values() for scene in found}
        return tuple(sorted((scene for scene in known.values() if period.holds(scene.time)), key=in_order))

    def read(self, grid: GeoBox, scene: Scene, bands: Sequence[str]) -> dict[str, np.ndarray]:
        """Refuse: the scenes themselves were left where the composites were made."""
        raise InputError("composite.no_scenes", file=str(self._file), scene=scene.id)

    def stored(
        self,
        grid: GeoBox,
        layers: Mapping[str, tuple[str, float]],
        seasons: Mapping[str, Sequence[Period]],
        settings: Mapping[str, Any] | None = None,
    ) -> NDArray[np.int16]:
        """Layers of one block as numbers of the file, (layer, y, x).

        Parameters
        ----------
        grid : GeoBox
            The block.
        layers : mapping of str to (str, float)
            Unit and scale by name.
        seasons : mapping of str to sequence of Period
            Days that each season may use.
        settings : mapping, optional
            What the pixels must have been made with: values of the section ``features`` by key.

        Raises
        ------
        SourceError
            If a layer is missing or of another unit or scale, or was made with other settings or of scenes of other
            days.
        """
        self._check_layers(layers)
        self._check_settings(settings or {})
        self._check_days(seasons)
        return self._read(grid, list(layers))

    def elevation(self, grid: GeoBox) -> np.ndarray | None:
        """Elevation in metres as it was stored; None without terrain."""
        if "elevation" not in self._layers:
            return None
        values = self._read(grid, ["elevation"])[0]
        real = (values.astype(np.float64) * self._scales[self._layers["elevation"] - 1]).astype(np.float32)
        return np.where(values == self._nodata, np.float32(np.nan), real)

    def _check_layers(self, layers: Mapping[str, tuple[str, float]]) -> None:
        missing = [name for name in layers if name not in self._layers]
        if missing:
            given, absent = ", ".join(self._layers), ", ".join(missing)
            raise SourceError("composite.layers", kind="mismatch", file=str(self._file), missing=absent, given=given)
        for name, (unit, scale) in layers.items():
            place = self._layers[name] - 1
            found, factor = self._units[place] or "1", self._scales[place]
            if found != unit or not math.isclose(factor, scale, rel_tol=1e-9):
                raise SourceError(
                    "composite.unit",
                    kind="mismatch",
                    file=str(self._file),
                    layer=name,
                    given=f"{factor:g} {found}",
                    expected=f"{scale:g} {unit}",
                )

    def _check_settings(self, settings: Mapping[str, Any]) -> None:
        for name, expected in settings.items():
            given = (self._settings or settings).get(name)
            if given != expected:
                raise SourceError(
                    "composite.setting",
                    kind="mismatch",
                    file=str(self._file),
                    key=f"features.{name}",
                    given=_shown(given),
                    expected=_shown(expected),
                )

    def _check_days(self, seasons: Mapping[str, Sequence[Period]]) -> None:
        every = {scene.id: scene for found in self._seasons.values() for scene in found}.values()
        for season, periods in seasons.items():
            recorded = {scene.id for scene in self._seasons.get(season, ())}
            fitting = {scene.id for scene in every if any(period.holds(scene.time) for period in periods)}
            if recorded != fitting:
                raise SourceError(
                    "composite.days",
                    kind="mismatch",
                    file=str(self._list),
                    season=season,
                    scene=min(recorded ^ fitting),
                    periods=", ".join(map(str, periods)),
                )

    def _read(self, grid: GeoBox, names: Sequence[str]) -> NDArray[np.int16]:
        row, col = self._place(grid)
        window = Window(col, row, grid.shape[1], grid.shape[0])
        try:
            return np.asarray(self._dataset().read([self._layers[name] for name in names], window=window))
        except rasterio.errors.RasterioError as error:
            detail = " ".join(str(error.__cause__ or error).split())[:200]
            raise SourceError("imagery.damaged", kind="unreadable", file=str(self._file), detail=detail) from error

    def _place(self, grid: GeoBox) -> tuple[int, int]:
        """Row and column of a block."""
        own, block = self._grid.affine, grid.affine
        col, row = (block.c - own.c) / own.a, (block.f - own.f) / own.e
        top, left = round(row), round(col)
        (height, width), (rows, cols) = self._grid.shape.yx, grid.shape.yx
        fits = 0 <= top <= height - rows and 0 <= left <= width - cols
        if not fits or max(abs(row - top), abs(col - left)) > 1e-6 or grid.crs != self._grid.crs:
            given, expected = _told(self._grid), _told(grid)
            raise SourceError("composite.grid", kind="mismatch", file=str(self._file), given=given, expected=expected)
        return top, left

    def _dataset(self) -> rasterio.io.DatasetReader:
        """One handle a thread: a handle is not safe to share."""
        if not hasattr(self._local, "dataset"):
            self._local.dataset = rasterio.open(self._file)
        dataset: rasterio.io.DatasetReader = self._local.dataset
        return dataset


def _settings(tag: str | None, file: Path) -> dict[str, Any] | None:
    """Settings out of the tag that `settings_tag` made; None where there is none."""
    if not tag:
        return None
    try:
        return dict(json.loads(tag))
    except (ValueError, TypeError) as error:
        raise SourceError("composite.foreign", kind="mismatch", file=str(file)) from error


def settings_tag(settings: Mapping[str, Any]) -> dict[str, str]:
    """The tag by which a composite tells what its pixels were made with."""
    return {SETTINGS_TAG: json.dumps(settings, sort_keys=True)}


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _scenes(file: Path) -> dict[str, tuple[Scene, ...]]:
    """Scenes by season out of the list that a run wrote."""
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
        return {
            str(season): tuple(
                Scene(
                    str(item["id"]),
                    datetime.fromisoformat(item["time"]),
                    str(item["sensor"]),
                    item.get("cloud"),
                    str(item.get("product", "")),
                    str(item.get("offset_policy", "")),
                )
                for item in found
            )
            for season, found in listed.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError("composite.list", kind="unreadable", file=str(file), reason=str(error)[:200]) from error


def _told(grid: GeoBox) -> str:
    rows, cols = grid.shape.yx
    return f"{grid.crs}, {cols} x {rows} px of {grid.affine.a:g}, corner {grid.affine.c:.3f} {grid.affine.f:.3f}"
