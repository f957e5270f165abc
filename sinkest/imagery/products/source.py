"""A folder of products as a source: Sentinel-2, Landsat, radar mosaics, elevation and declared multiband files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, SourceError
from sinkest.imagery.local import StackSource
from sinkest.imagery.products import store
from sinkest.imagery.products.inventory import take_stock
from sinkest.imagery.products.mosaics import Mosaic, RadarFile, RadarValues, check_decibels, decibels
from sinkest.imagery.products.product import Product
from sinkest.imagery.raster import RasterFile, in_degrees, meets, probe, require_overlap
from sinkest.imagery.resample import Kernel
from sinkest.imagery.sensors import BANDS, COMMON_BANDS
from sinkest.imagery.source import QA, QA_DTYPE, QA_FILL, RADAR_BANDS, Evidence, Period, QaKind, Scene, in_order
from sinkest.imagery.sun import mean_sun
from sinkest.imagery.tiled import TILES, Tile, TileBand, TiledSource
from sinkest.messages import Message

STACK, MOSAICS, ORBIT = "stack", "mosaics", "orbit"
SHOWN = 5
UNMASKED_CLASS = 7
"""Scene class of pixels that no quality band speaks of: unclassified, which counts as seen."""


@dataclass(frozen=True)
class Declared:
    """Multiband files that metadata do not tell, as they are declared; see `sinkest.imagery.local.StackSource`."""

    path: str
    date_format: str
    sensor: str
    bands: Mapping[str, int | str]
    scale: float
    offset: float = 0.0
    nodata: float | None = None


class ProductsSource(TiledSource):
    """Products of one folder, sorted by their metadata.

    Products of one pass make one scene. Where they overlap, the one with the newest processing comes first.

    Parameters
    ----------
    folder : path
    bands : sequence of str, optional
        Common names of the bands that optical products must have; default all of their sensor.
    sensors : sequence of str, optional
        Optical sensors to use; default all that are found.
    radar : {"linear", "db"}, optional
        What Sentinel-1 mosaics hold; default what the unit of their files says.
    palsar_year : int, optional
        Year of the PALSAR mosaics; default the latest there is.
    elevation : path, optional
        Elevation model in metres; default the tiles found in the folder.
    resampling : {"bilinear", "cubic", "nearest"}
    declared : sequence of Declared
        Files that metadata do not tell.

    Raises
    ------
    SourceError
        If the folder holds nothing that can be read, or a product is incomplete or damaged.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        bands: Sequence[str] = (),
        sensors: Sequence[str] = (),
        radar: RadarValues | None = None,
        palsar_year: int | None = None,
        elevation: Path | str | None = None,
        resampling: Kernel = "bilinear",
        declared: Sequence[Declared] = (),
        name: str = "products",
    ) -> None:
        self.name, self.resampling = name, resampling
        self._folder = Path(folder)
        unknown = [band for band in bands if band not in BANDS["sentinel-2"].values()]
        if unknown:
            expected = ", ".join(BANDS["sentinel-2"].values())
            raise InputError("imagery.band_names", given=", ".join(unknown), expected=expected)
        claimed = [self._folder / one.path for one in declared]
        self._palsar_year = palsar_year
        self._stock = take_stock(self._folder, bands=bands or None, palsar_year=palsar_year, claimed=claimed)
        self._products = _of_sensors(self._stock.products, sensors, self._folder)
        self._stacks = tuple(_stack(self._folder, one, resampling) for one in declared)
        self._headers: dict[str, RasterFile] = {}
        self._check_files()
        tiles = [Path(elevation)] if elevation is not None else self._stock.elevation
        self._elevation = Mosaic.of(tiles) if tiles else None
        self._palsar = {f"palsar_{band}": Mosaic.of(paths, "amplitude") for band, paths in self._stock.palsar.items()}
        self.layers = dict.fromkeys(self._palsar, "dB")
        self.qa_kind = self._quality()
        self._scenes = sorted([*_optical(self._products), *_radar(self._stock.radar, radar)], key=in_order)
        self.bands = self._all_bands()

    def describe(self) -> dict[str, Any]:
        """Tell what is read and how; files are named by :meth:`files`."""
        return {
            "kind": "products",
            "products": dict(sorted(Counter(product.kind for product in self._products).items())),
            "policies": sorted({scene.offset_policy for scene in self._scenes}),
            "qa_kind": self.qa_kind,
            "resampling": self.resampling,
            "declared": [stack.describe() for stack in self._stacks],
            "scenes": len(self._scenes),
            "palsar_year": self._palsar_year,
        }

    def notes(self, evidence: Evidence | None = None) -> tuple[Message, ...]:
        """What was found of which kind, and what is left unused."""
        counts: Counter[str] = Counter(product.kind for product in self._products)
        counts["Sentinel-1"] += len(self._stock.radar)
        counts["PALSAR"] += sum(map(len, self._stock.palsar.values()))
        counts["DEM"] += len(self._stock.elevation)
        for stack in self._stacks:
            counts[stack.name] += int(stack.describe()["scenes"])
        found = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()) if count)
        told = [Message.of("products.found", folder=self._folder, found=found)]
        if self._stock.left:
            names = [f"{path.name} ({what})" if what else path.name for path, what in self._stock.left.items()]
            shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
            told.append(Message.of("products.left", count=len(names), names=shown))
        if self._stacks:
            told.append(Message.of("products.unmasked", sensors=", ".join(stack.name for stack in self._stacks)))
        return tuple(told)

    def files(self) -> tuple[Path, ...]:
        """Name every file or archive that a read may open."""
        found = {path for product in self._products for path in _files_of(product)}
        mosaics = [*self._palsar.values(), *([self._elevation] if self._elevation else [])]
        found |= {file.path for mosaic in mosaics for file in mosaic.files}
        found |= {file.path for file in self._stock.radar} | {path for one in self._stacks for path in one.files()}
        return tuple(sorted(found))

    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        """Find the scenes of a period that touch the grid.

        Raises
        ------
        SourceError
            If the period has optical or radar scenes, but the grid lies outside all of them.
        """
        of_period = [scene for scene in self._scenes if period.holds(scene.time)]
        touching = [scene for scene in of_period if self._touches(scene, grid)]
        for number, stack in enumerate(self._stacks):
            touching += [_renamed(scene, number) for scene in stack.search(grid, period)]
        if of_period and not touching:
            file = self._any_file(of_period[0])
            raise SourceError(
                "imagery.no_overlap",
                kind="mismatch",
                file=str(file.path),
                extent=in_degrees(file.grid),
                grid=in_degrees(grid),
                period=str(period),
            )
        return tuple(sorted(touching, key=in_order))

    def bands_of(self, scene: Scene) -> tuple[str, ...]:
        """Bands of the scene's products."""
        if STACK in scene.extra:
            return self._stacks[scene.extra[STACK]].bands
        if MOSAICS in scene.extra:
            return tuple(scene.extra[MOSAICS])
        return super().bands_of(scene)

    def read_with_margin(self, grid: GeoBox, scene: Scene, bands: Sequence[str], margin: int) -> dict[str, np.ndarray]:
        """Read as :meth:`Source.read_with_margin` does, from whatever the scene is stored in."""
        if MOSAICS in scene.extra:
            self.check_bands(bands)
            found = {band: scene.extra[MOSAICS][band].read(grid, self.resampling) for band in bands}
            for band, values in found.items():
                self._check_plausible(scene, band, values)
            return found
        if STACK in scene.extra:
            return self._of_stack(grid, scene, bands, margin)
        return super().read_with_margin(grid, scene, bands, margin)

    def header(self, tile: Tile, band: TileBand) -> RasterFile:
        """What the file of a band declares."""
        if band.place not in self._headers:
            self._headers[band.place] = probe(band.place)
        return self._headers[band.place]

    def elevation(self, grid: GeoBox) -> np.ndarray | None:
        """Elevation in metres; of overlapping tiles the first by name counts."""
        return None if self._elevation is None else self._elevation.read(grid, "cubic")

    def static(self, grid: GeoBox, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Yearly PALSAR backscatter, gamma0 in dB: ``palsar_hh`` and ``palsar_hv``; means are those of linear power."""
        unknown = [name for name in names if name not in self._palsar]
        if unknown:
            expected = ", ".join(self._palsar) or "-"
            raise InputError("imagery.unknown_layers", source=self.name, given=", ".join(unknown), expected=expected)
        return {name: decibels(self._palsar[name].read(grid, self.resampling)) for name in names}

    def check_overlap(self, grid: GeoBox) -> None:
        """Refuse a grid outside all tiles of the elevation model."""
        if self._elevation is not None and not self._elevation.meets(grid):
            require_overlap(self._elevation.files[0], grid)

    def files_beside(self, grid: GeoBox) -> tuple[Path, ...]:
        """Name the products that lie outside a grid."""
        return tuple(sorted(product.path for product in self._products if not meets(self._grid_of(product.tile), grid)))

    def _of_stack(self, grid: GeoBox, scene: Scene, bands: Sequence[str], margin: int) -> dict[str, np.ndarray]:
        stack = self._stacks[scene.extra[STACK]]
        found = stack.read(grid, scene.extra["scene"], bands)
        if self.qa_kind is not None:
            seen = np.logical_or.reduce([np.isfinite(found[band]) for band in bands])
            codes = np.where(seen, UNMASKED_CLASS, QA_FILL["scl"]).astype(QA_DTYPE["scl"])
            found[QA] = np.pad(codes, margin, constant_values=QA_FILL["scl"])
        return found

    def _quality(self) -> QaKind | None:
        """The kind that serves all scenes: bits only where all have bits, classes where sensors are mixed."""
        kinds = {product.tile.qa_kind for product in self._products}
        if not kinds:
            return None
        return "qa_pixel" if kinds == {"qa_pixel"} and not self._stacks else "scl"

    def _all_bands(self) -> tuple[str, ...]:
        have = {band for scene in self._scenes for band in self.bands_of(scene)}
        have |= {band for stack in self._stacks for band in stack.bands}
        return tuple(band for band in COMMON_BANDS if band in have)

    def _check_files(self) -> None:
        for product in self._products:
            for band in (*product.tile.bands.values(), *([product.tile.qa] if product.tile.qa else [])):
                self.header(product.tile, band)

    def _grid_of(self, tile: Tile) -> GeoBox:
        return self.native_grid(tile, tile.any_band)

    def _touches(self, scene: Scene, grid: GeoBox) -> bool:
        if MOSAICS in scene.extra:
            return any(mosaic.meets(grid) for mosaic in scene.extra[MOSAICS].values())
        return any(meets(self._grid_of(tile), grid) for tile in scene.extra[TILES])

    def _any_file(self, scene: Scene) -> RasterFile:
        if MOSAICS in scene.extra:
            return next(iter(scene.extra[MOSAICS].values())).files[0]
        tile = scene.extra[TILES][0]
        return self.header(tile, tile.any_band)


def _of_sensors(products: Sequence[Product], sensors: Sequence[str], folder: Path) -> list[Product]:
    found = {product.sensor for product in products}
    missing = [sensor for sensor in sensors if sensor not in found]
    if missing:
        expected = ", ".join(sorted(found)) or "-"
        raise SourceError(
            "products.no_sensor", kind="missing", folder=folder, given=", ".join(missing), expected=expected
        )
    return [product for product in products if not sensors or product.sensor in sensors]


def _optical(products: Sequence[Product]) -> list[Scene]:
    by_pass: dict[str, list[Product]] = {}
    for product in products:
        by_pass.setdefault(product.overpass, []).append(product)
    scenes = []
    for overpass, found in by_pass.items():
        ordered = sorted(sorted(found, key=lambda one: one.tile.id), key=lambda one: one.version, reverse=True)
        clouds = [one.cloud for one in found if one.cloud is not None]
        scenes.append(
            Scene(
                id=overpass,
                time=min(one.time for one in found),
                sensor=found[0].sensor,
                cloud=round(sum(clouds) / len(clouds), 2) if clouds else None,
                product=", ".join(sorted({one.name for one in found})),
                offset_policy=", ".join(sorted({one.offset_policy for one in found})),
                extra={TILES: tuple(one.tile for one in ordered), **mean_sun(one.sun_deg for one in ordered)},
            )
        )
    return scenes


def _radar(files: Sequence[RadarFile], declared: RadarValues | None) -> list[Scene]:
    """One scene a day and orbit direction; each band a mosaic of its files."""
    groups: dict[tuple[Any, str], dict[str, list[Path]]] = {}
    for file in files:
        groups.setdefault((file.time, file.orbit or ""), {}).setdefault(file.band, []).append(file.path)
    scenes = []
    for (time, orbit), by_band in groups.items():
        values = {band: check_decibels(paths[0], probe(paths[0]), declared) for band, paths in by_band.items()}
        bands = {band: Mosaic.of(by_band[band], values[band]) for band in RADAR_BANDS if band in by_band}
        scenes.append(
            Scene(
                id=f"S1_{time:%Y%m%d}" + (f"_{orbit}" if orbit else ""),
                time=time,
                sensor="sentinel-1",
                product="mosaic",
                offset_policy=f"stored {', '.join(sorted(set(values.values())))}",
                extra={MOSAICS: bands, ORBIT: orbit or None},
            )
        )
    return scenes


def _stack(folder: Path, one: Declared, resampling: Kernel) -> StackSource:
    return StackSource(
        folder / one.path,
        "file_per_date",
        one.bands,
        date_format=one.date_format,
        sensor=one.sensor,
        scale=one.scale,
        offset=one.offset,
        nodata=one.nodata,
        resampling=resampling,
        name=one.sensor,
    )


def _renamed(scene: Scene, number: int) -> Scene:
    extra = {STACK: number, "scene": scene}
    return Scene(f"{scene.sensor}_{scene.id}", scene.time, scene.sensor, offset_policy=scene.offset_policy, extra=extra)


def _files_of(product: Product) -> set[Path]:
    if product.path.is_file():
        return {product.path}
    if product.kind == store.KIND:
        return {file for file in product.path.rglob("*") if file.is_file()}
    bands = [*product.tile.bands.values(), *([product.tile.qa] if product.tile.qa else [])]
    return {Path(band.place) for band in bands}
