"""Dated stacks of rasters on disk as a source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, SourceError
from sinkest.imagery.catalogue import BandRef, DatePattern, Part, dated_files, dated_folders, listed_files, parts_of
from sinkest.imagery.raster import (
    RasterFile,
    grid_of,
    in_degrees,
    meets,
    nodata_of,
    probe,
    read_numbers,
    require_overlap,
)
from sinkest.imagery.sensors import COMMON_BANDS, DEFAULT_SCALE
from sinkest.imagery.source import (
    QA,
    QA_DTYPE,
    QA_FILL,
    RADAR_BANDS,
    Period,
    QaKind,
    Scene,
    Source,
    StoredAs,
    in_order,
)
from sinkest.imagery.static import StaticSource
from sinkest.imagery.stored import common_storage, owned, read_codes, read_part

__all__ = ["StackSource", "StaticSource", "grid_of"]

Layout = Literal["folder_per_date", "file_per_date", "single_file", "list"]
Resampling = Literal["nearest", "bilinear", "cubic"]

PLAUSIBLE_REFLECTANCE = (-0.05, 2.0)
"""Range that atmospheric correction, clouds and sun glint leave seldom. A block with most pixels beyond it has a wrong
scale, or an offset taken off twice: dark forest then comes out at -0.07."""


class StackSource(Source):
    """GeoTIFF or COG files of several dates.

    Parameters
    ----------
    path : path
        Folder, or the one file of ``single_file``; the folder that listed files are relative to.
    layout : {"folder_per_date", "file_per_date", "single_file", "list"}
    bands : mapping of str to int or str
        Common band name to the band's number in the multiband files of a scene, or to a pattern (``*``, ``?``) of the
        names of its own files; ``"*_BOA.tif:3"`` is the third band of such files.
    date_format : str, optional
        Where the date stands in the names, see :class:`~sinkest.imagery.catalogue.DatePattern`.
    date : date, optional
        Date of a single file.
    scenes : mapping of date to sequence of path, optional
        Files of each date, for the layout ``list``.
    sensor : str
        Sensor id, for the record; ids that begin with ``sentinel-1`` mark radar.
    scale, offset : float, optional
        Reflectance (radar: linear gamma0) = stored * scale + offset. Without either, those of the sensor's standard
        product in `sinkest.imagery.sensors.DEFAULT_SCALE`, and 1 and 0 for sensors that it lacks.
    nodata : float, optional
        Stored number that means no data, instead of what each file declares. Files of whole numbers that declare none
        are refused without it; if every pixel holds data, give a number that does not occur.
    qa : int or str, optional
        Quality band, as in ``bands``; always read by nearest neighbour.
    qa_kind : {"scl", "qa_pixel", "fmask", "clear"}, optional
    elevation : path, optional
        Elevation model in metres; read by cubic convolution, since bilinear leaves facets in the slope.
    resampling : {"bilinear", "cubic", "nearest"}
        For bands whose grid is not the run's.

    Raises
    ------
    InputError, SourceError
        If the declaration is incomplete, or the files do not hold what it says.
    """

    def __init__(
        self,
        path: Path | str,
        layout: Layout,
        bands: Mapping[str, BandRef],
        *,
        date_format: str | None = None,
        date: date | None = None,
        scenes: Mapping[date, Sequence[Path | str]] | None = None,
        sensor: str = "optical",
        scale: float | None = None,
        offset: float | None = None,
        nodata: float | None = None,
        qa: BandRef | None = None,
        qa_kind: QaKind | None = None,
        elevation: Path | str | None = None,
        resampling: Resampling = "bilinear",
        name: str = "stack",
    ) -> None:
        self.name = name
        self.bands = tuple(bands)
        self.qa_kind = qa_kind
        self._refs = dict(bands)
        self._sensor = sensor
        self._scale, self._offset, self._nodata, self._policy = _number_scale(sensor, scale, offset, nodata)
        self._layout, self._date_format, self._qa, self._resampling = layout, date_format, qa, resampling
        self._check_declared()
        refs = {**self._refs, **({QA: qa} if qa is not None else {})}
        dated = _find(Path(path), layout, date_format, date, scenes)
        self._times = {key: time for key, (time, _) in dated.items()}
        self._parts = {key: parts_of(key, files, refs) for key, (_, files) in dated.items()}
        self._elevation = None if elevation is None else probe(elevation)
        self._check_files()

    def describe(self) -> dict[str, Any]:
        """Tell what is read and how; files are named by :meth:`files`."""
        return {
            "kind": "stack",
            "layout": self._layout,
            "date_format": self._date_format,
            "sensor": self._sensor,
            "bands": dict(self._refs),
            "scale": self._scale,
            "offset": self._offset,
            "nodata": self._nodata,
            "qa": self._qa,
            "qa_kind": self.qa_kind,
            "resampling": self._resampling,
            "elevation": None if self._elevation is None else self._elevation.path.name,
            "scenes": len(self._times),
        }

    def files(self) -> tuple[Path, ...]:
        """Name every file that a read may open."""
        found = {raster.path for parts in self._parts.values() for part in parts for raster, _ in part.bands.values()}
        return tuple(sorted(found | ({self._elevation.path} if self._elevation else set())))

    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        """Find the scenes of a period that touch the grid.

        Raises
        ------
        SourceError
            If the period has scenes, but the grid lies outside all of them.
        """
        of_period = [key for key, time in self._times.items() if period.holds(time)]
        touching = [key for key in of_period if any(_touches(part, grid) for part in self._parts[key])]
        if of_period and not touching:
            file = self._parts[of_period[0]][0].any_file
            raise SourceError(
                "imagery.no_overlap",
                kind="mismatch",
                file=str(file.path),
                extent=in_degrees(file.grid),
                grid=in_degrees(grid),
                period=str(period),
            )
        return tuple(sorted((self._scene(key) for key in touching), key=in_order))

    def check_overlap(self, grid: GeoBox) -> None:
        """Refuse a grid outside the elevation model."""
        if self._elevation is not None:
            require_overlap(self._elevation, grid)

    def files_beside(self, grid: GeoBox) -> tuple[Path, ...]:
        """Name one file of each tile that lies outside a grid."""
        parts = [part for of_scene in self._parts.values() for part in of_scene]
        return tuple(sorted(part.any_file.path for part in parts if not _touches(part, grid)))

    def read(self, grid: GeoBox, scene: Scene, bands: Sequence[str]) -> dict[str, np.ndarray]:
        """Read one block of one scene, see :meth:`Source.read`; of overlapping tiles the first by name counts."""
        return self.read_with_margin(grid, scene, bands, 0)

    def read_with_margin(self, grid: GeoBox, scene: Scene, bands: Sequence[str], margin: int) -> dict[str, np.ndarray]:
        """Read as :meth:`Source.read_with_margin` does; only the quality band is read across the block's border."""
        if bands:
            self.check_bands(bands)
        wide = grid.pad(margin) if margin else grid
        inner = tuple(slice(margin, margin + length) for length in grid.shape.yx)
        out = {band: np.full(grid.shape.yx, np.nan, dtype=np.float32) for band in bands}
        taken = np.zeros(wide.shape.yx, dtype=bool)
        if self.qa_kind is not None:
            out[QA] = np.full(wide.shape.yx, QA_FILL[self.qa_kind], dtype=QA_DTYPE[self.qa_kind])
        for part in self._parts[scene.id]:
            if not _touches(part, wide):
                continue
            values = self._numbers(part, bands, grid)
            if self.qa_kind is not None:
                codes = self._codes(part, wide, self.qa_kind)
                new = ~taken & (codes != QA_FILL[self.qa_kind])
                out[QA][new] = codes[new]
            else:
                new = np.zeros(wide.shape.yx, dtype=bool)
                new[inner] = np.logical_or.reduce([np.isfinite(one) for one in values.values()])
                new &= ~taken
            for band in bands:
                out[band][new[inner]] = values[band][new[inner]]
            taken |= new
        self._check_plausible(scene, {band: out[band][::4, ::4] for band in bands})
        return out

    def stored_as(self, grid: GeoBox, scenes: Sequence[Scene], bands: Sequence[str]) -> StoredAs | None:
        """Tell how whole numbers of scenes are stored, see :meth:`Source.stored_as`."""
        parts = [part for scene in scenes for part in self._parts[scene.id]]
        if self.qa_kind is None or not bands:
            return None
        return common_storage(parts, bands, grid, self._scale, self._offset)

    def look(
        self,
        grid: GeoBox,
        scene: Scene,
        bands: Sequence[str],
        margin: int,
        clear: Callable[[np.ndarray], np.ndarray],
        into: np.ndarray,
    ) -> np.ndarray:
        """Read a block into a stack as :meth:`Source.look` does; as stored, only tiles with a clear pixel are read."""
        if into.dtype == np.float32 or self.qa_kind is None:
            return super().look(grid, scene, bands, margin, clear, into)
        kind = self.qa_kind
        wide, inner = grid.pad(margin) if margin else grid, slice(margin, -margin or None)
        codes, parts = owned(self._parts[scene.id], wide, lambda part: self._codes(part, wide, kind), QA_FILL[kind])
        seen = clear(codes)[inner, inner]
        for part, own in parts:
            wanted = seen & own[inner, inner]
            if wanted.any():
                has_data = read_part(part, bands, grid, self._nodata_of, wanted, into, len(parts) == 1)
                seen[wanted] = has_data[wanted]
        self._check_stored(scene, bands, into, seen)
        return seen

    def _nodata_of(self, file: RasterFile, number: int) -> float | None:
        return nodata_of(file, number, self._nodata)

    def _check_stored(self, scene: Scene, bands: Sequence[str], stored: np.ndarray, seen: np.ndarray) -> None:
        """Check what was seen of a block that was seen for the most part."""
        sample = seen[::4, ::4]
        if sample.sum() < sample.size / 2:
            return
        values = stored[:, ::4, ::4].astype(np.float32) * np.float32(self._scale) + np.float32(self._offset)
        values[:, ~sample] = np.nan
        self._check_plausible(scene, dict(zip(bands, values, strict=True)))

    def elevation(self, grid: GeoBox) -> np.ndarray | None:
        """Read the elevation model, metres."""
        if self._elevation is None:
            return None
        nodata = nodata_of(self._elevation, 1, None)
        return read_numbers(self._elevation, [1], grid, "cubic", nodata)[0].astype(np.float32)

    def _scene(self, key: str) -> Scene:
        return Scene(key, self._times[key], self._sensor, offset_policy=self._policy)

    def _numbers(self, part: Part, bands: Sequence[str], grid: GeoBox) -> dict[str, np.ndarray]:
        """Read bands of a part; those in one file are read together."""
        by_file: dict[tuple[Path, float | None], list[str]] = {}
        for band in bands:
            file, number = part.bands[band]
            by_file.setdefault((file.path, nodata_of(file, number, self._nodata)), []).append(band)
        values: dict[str, np.ndarray] = {}
        for (_, nodata), of_file in by_file.items():
            file = part.bands[of_file[0]][0]
            stored = read_numbers(file, [part.bands[band][1] for band in of_file], grid, self._resampling, nodata)
            with np.errstate(over="ignore", invalid="ignore"):
                scaled = (stored.astype(np.float64) * self._scale + self._offset).astype(np.float32)
            values.update(zip(of_file, scaled, strict=True))
        return values

    def _codes(self, part: Part, grid: GeoBox, kind: QaKind) -> np.ndarray:
        file, number = part.bands[QA]
        # A mask of zeros and ones often declares 0 as nodata, to be drawn see-through; it is "not clear" all the same.
        nodata = None if kind == "clear" else file.nodata[number - 1]
        if file.dtypes[number - 1] == np.dtype(QA_DTYPE[kind]).name:
            codes = read_codes(file, number, grid, nodata, QA_FILL[kind])
            if codes is not None:
                return codes
        stored = read_numbers(file, [number], grid, "nearest", nodata)[0]
        blank = ~np.isfinite(stored)
        codes = np.where(blank, QA_FILL[kind], stored)
        limits = np.iinfo(QA_DTYPE[kind])
        odd = (codes != np.round(codes)) | (codes < limits.min) | (codes > limits.max)
        if odd.any():
            raise SourceError(
                "imagery.qa_values",
                kind="mismatch",
                file=str(file.path),
                band=number,
                given=f"{codes[odd][0]:g}",
                qa_kind=kind,
            )
        return codes.astype(QA_DTYPE[kind])

    def _check_declared(self) -> None:
        unknown = [band for band in self._refs if band not in COMMON_BANDS]
        if unknown or not self._refs:
            given = ", ".join(unknown) or "-"
            raise InputError("imagery.band_names", given=given, expected=", ".join(COMMON_BANDS))
        if (self._qa is None) != (self.qa_kind is None):
            raise InputError("imagery.qa_pair")
        if self.qa_kind is not None and self.qa_kind not in QA_DTYPE:
            raise InputError("imagery.qa_kind", given=self.qa_kind, expected=", ".join(QA_DTYPE))
        if self._sensor.startswith("sentinel-1") != all(band in RADAR_BANDS for band in self._refs):
            raise InputError("imagery.radar_sensor", given=", ".join(self._refs), sensor=self._sensor)

    def _check_files(self) -> None:
        """All files of a band must tell their nodata and hold numbers of one kind: one scale serves them all."""
        kinds: dict[str, dict[str, list[tuple[RasterFile, str]]]] = {}
        for part in (part for parts in self._parts.values() for part in parts):
            for band, (file, number) in part.bands.items():
                if band != QA:
                    nodata_of(file, number, self._nodata)
                    dtype = file.dtypes[number - 1]
                    kinds.setdefault(band, {}).setdefault(_family(dtype), []).append((file, dtype))
        for band, found in kinds.items():
            if len(found) > 1:
                few, *_, many = sorted(found.values(), key=len)
                (file, given), (other, expected) = few[0], many[0]
                raise SourceError(
                    "imagery.dtype_differs",
                    kind="mismatch",
                    file=str(file.path),
                    band=band,
                    given=given,
                    other=other.path.name,
                    expected=expected,
                )

    def _check_plausible(self, scene: Scene, values: Mapping[str, np.ndarray]) -> None:
        """Refuse a sample of a block most of which no reflectance can be."""
        low, high = (0.0, 1e3) if scene.is_radar else PLAUSIBLE_REFLECTANCE
        for band, block in values.items():
            known = int(np.isfinite(block).sum())
            beyond = int((block < low).sum() + (block > high).sum())
            if beyond > known / 2:
                file, _ = self._parts[scene.id][0].bands[band]
                raise SourceError(
                    "imagery.implausible",
                    kind="mismatch",
                    file=str(file.path),
                    band=band,
                    value=f"{float(np.nanmedian(block)):.4g}",
                    low=f"{low:g}",
                    high=f"{high:g}",
                    scale=f"{self._scale:g}",
                    offset=f"{self._offset:g}",
                )


def _find(
    path: Path,
    layout: Layout,
    date_format: str | None,
    day: date | None,
    scenes: Mapping[date, Sequence[Path | str]] | None,
) -> dict[str, tuple[datetime, tuple[Path, ...]]]:
    """Time and files of each scene, by its id."""
    if layout in ("folder_per_date", "file_per_date"):
        if date_format is None:
            raise InputError("imagery.layout_needs", layout=layout, key="date_format")
        pattern = DatePattern(date_format)
        return dated_folders(path, pattern) if layout == "folder_per_date" else dated_files(path, pattern)
    if layout == "single_file":
        if day is None:
            raise InputError("imagery.layout_needs", layout=layout, key="date")
        return listed_files({day: [path]})
    if layout == "list":
        if scenes is None:
            raise InputError("imagery.layout_needs", layout=layout, key="scenes")
        return listed_files({when: [path / file for file in files] for when, files in scenes.items()})
    raise InputError("imagery.layout", given=layout, expected="folder_per_date, file_per_date, single_file, list")


def _number_scale(
    sensor: str, scale: float | None, offset: float | None, nodata: float | None
) -> tuple[float, float, float | None, str]:
    """Scale, offset, nodata and where they come from."""
    standard = DEFAULT_SCALE.get(sensor)
    if standard is None or scale is not None or offset is not None:
        scale, offset, origin = 1.0 if scale is None else scale, offset or 0.0, "as declared"
    else:
        scale, offset, origin = standard.scale, standard.offset, f"standard of {sensor}"
        nodata = standard.nodata if nodata is None else nodata
    return scale, offset, nodata, f"scale {scale:g}, offset {offset:g}, {origin}"


def _family(dtype: str) -> str:
    """Kinds of numbers that never share a scale: decimals, bytes, and longer whole numbers."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return "decimal"
    return "byte" if kind.itemsize == 1 else "whole"


def _touches(part: Part, grid: GeoBox) -> bool:
    return meets(part.any_file.grid, grid)
