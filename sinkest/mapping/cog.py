"""Writer of maps: cloud-optimised GeoTIFFs that carry class names, colours, units and provenance inside.

Blocks may arrive in any size and order; the file's bytes depend on the pixels alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from sinkest.errors import RunError
from sinkest.runstore import atomic_path, write_bytes

FILE_TILE = 256
_PREDICTORS = {"NO": 1, "STANDARD": 2, "FLOATING_POINT": 3}
_GDAL = {"GDAL_CACHEMAX": 64, "GDAL_NUM_THREADS": "1", "GDAL_PAM_ENABLED": "NO"}


@dataclass(frozen=True)
class RasterClass:
    """A class of a map: its code, names and colour ``#rrggbb``."""

    code: int
    name_en: str
    name_zh: str
    colour: str

    @property
    def rgba(self) -> tuple[int, int, int, int]:
        """Colour as red, green, blue and opacity, 0..255."""
        red, green, blue = (int(self.colour[i : i + 2], 16) for i in (1, 3, 5))
        return red, green, blue, 255


@dataclass(frozen=True)
class RasterSpec:
    """What a map file is.

    Parameters
    ----------
    dtype : str
    nodata : float or int
    bands : sequence of str
        Band descriptions, in order.
    units : sequence of str
        Unit of each band; empty where it has none.
    scales : sequence of float
        Factor from stored to real values, a band.
    classes : sequence of RasterClass
        For class maps of one band: colour table and names.
    tags : mapping
        Metadata of the file; texts.
    overviews : bool
        Whether reduced copies are stored, by nearest neighbour for classes, by average otherwise.
    """

    dtype: str
    nodata: float
    bands: Sequence[str]
    units: Sequence[str] = ()
    scales: Sequence[float] = ()
    classes: Sequence[RasterClass] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    overviews: bool = True


def write_cog(path: Path, grid: GeoBox, spec: RasterSpec, blocks: Iterable[tuple[Window, NDArray]]) -> None:
    """Write a map from blocks, atomically.

    Parameters
    ----------
    path : Path
    grid : GeoBox
    spec : RasterSpec
    blocks : iterable of (Window, array)
        Arrays (y, x) or (band, y, x) in the map's dtype. What no block covers is nodata.

    Raises
    ------
    RunError
        If a block has another dtype or shape than declared, or the disk refuses.
    """
    try:
        with rasterio.Env(**_GDAL), atomic_path(path) as temporary:
            scratch = path.with_name(f".{path.name}.scratch.tif")
            try:
                _write_tiled(scratch, grid, spec, blocks)
                _copy_as_cog(scratch, temporary, spec)
            finally:
                scratch.unlink(missing_ok=True)
        if spec.classes:
            write_bytes(path.with_name(path.name + ".aux.xml"), _class_names(spec))
    except rasterio.errors.RasterioError as error:
        raise RunError("run.cannot_write", file=path, reason=str(error)) from error


def _write_tiled(scratch: Path, grid: GeoBox, spec: RasterSpec, blocks: Iterable[tuple[Window, NDArray]]) -> None:
    height, width = grid.shape
    if grid.crs is None:
        raise RunError("mapping.no_crs", file=scratch.name)
    profile = {
        "driver": "GTiff",
        "dtype": spec.dtype,
        "count": len(spec.bands),
        "height": height,
        "width": width,
        "crs": rasterio.crs.CRS.from_wkt(grid.crs.to_wkt()),
        "transform": grid.affine,
        "nodata": spec.nodata,
        "tiled": True,
        "blockxsize": FILE_TILE,
        "blockysize": FILE_TILE,
        "compress": "zstd",
        "zstd_level": 1,
        "predictor": _PREDICTORS[_predictor(spec)],
        "interleave": "pixel",
        "bigtiff": "if_safer",
        "sparse_ok": True,
    }
    with rasterio.open(scratch, "w", **profile) as target:
        for window, values in blocks:
            stack = values if values.ndim == 3 else values[None]
            expected = (len(spec.bands), window.height, window.width)
            if stack.shape != expected or stack.dtype != np.dtype(spec.dtype):
                raise RunError(
                    "mapping.block_mismatch",
                    file=scratch.name,
                    given=f"{stack.dtype} {stack.shape}",
                    expected=f"{spec.dtype} {expected}",
                )
            target.write(stack, window=window)
        _describe(target, spec)


def _describe(target: rasterio.io.DatasetWriter, spec: RasterSpec) -> None:
    for index, name in enumerate(spec.bands, start=1):
        target.set_band_description(index, name)
    if spec.units:
        target.units = tuple(spec.units)
    if spec.scales:
        target.scales = tuple(spec.scales)
    if spec.classes:
        target.write_colormap(1, {item.code: item.rgba for item in spec.classes} | {int(spec.nodata): (0, 0, 0, 0)})
        target.colorinterp = [ColorInterp.palette]
        target.update_tags(1, **{f"CLASS_{item.code}": f"{item.name_en} | {item.name_zh}" for item in spec.classes})
    target.update_tags(**spec.tags)


def _copy_as_cog(scratch: Path, target: Path, spec: RasterSpec) -> None:
    kind = np.dtype(spec.dtype).kind
    options = {
        "driver": "COG",
        "compress": "ZSTD",
        # of numbers the highest level takes 9 % less room than the lowest, and five times as long
        "level": "9" if spec.classes else "1",
        "predictor": _predictor(spec),
        "blocksize": str(FILE_TILE),
        "overviews": "AUTO" if spec.overviews else "NONE",
        "overview_resampling": "NEAREST" if spec.classes or kind != "f" else "AVERAGE",
        "bigtiff": "IF_SAFER",
        "num_threads": "2",
        "geotiff_version": "1.1",
    }
    rasterio.shutil.copy(str(scratch), str(target), **options)


def _predictor(spec: RasterSpec) -> str:
    """How neighbours are told from each other; codes of classes are stored as they are."""
    return "FLOATING_POINT" if np.dtype(spec.dtype).kind == "f" else "NO" if spec.classes else "STANDARD"


def _class_names(spec: RasterSpec) -> bytes:
    """Class names as a side file, where GIS programs look for them."""
    names = {item.code: f"{item.name_zh} {item.name_en}" for item in spec.classes}
    rows = "".join(f"      <Category>{escape(names.get(code, ''))}</Category>\n" for code in range(max(names) + 1))
    return (
        '<PAMDataset>\n  <PAMRasterBand band="1">\n    <CategoryNames>\n'
        f"{rows}    </CategoryNames>\n  </PAMRasterBand>\n</PAMDataset>\n"
    ).encode()
