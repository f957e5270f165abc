"""Zarr stores as xarray writes them: one array a band over (time, y, x), with numbers that their attributes explain.

GDAL reads the pixels. The version it comes in reads stores of format 2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from sinkest.errors import SourceError
from sinkest.imagery.products.contents import Contents, contents_of, finite_number
from sinkest.imagery.products.product import Product
from sinkest.imagery.sensors import BANDS, COMMON_BANDS
from sinkest.imagery.source import QA_FILL, RADAR_BANDS, QaKind
from sinkest.imagery.tiled import Tile, TileBand

KIND = "Zarr"
TIME = "time"
QUALITY: Mapping[str, QaKind] = {"scl": "scl", "qa_pixel": "qa_pixel"}

_FORMAT_3 = "zarr.json"


def read_store(path: Path, bands: Sequence[str] | None = None) -> list[Product]:
    """Read what a store tells: one product a date.

    Parameters
    ----------
    path : Path
    bands : sequence of str, optional
        Common names of the bands that must be there; default whatever is there.

    Raises
    ------
    SourceError
        If the store is of another format, or lacks a band, its times or what its numbers mean.
    """
    contents = contents_of(path)
    if _FORMAT_3 in contents.names:
        raise SourceError("products.zarr_format", kind="unreadable", store=path)
    have = [band for band in COMMON_BANDS if f"{band}/.zarray" in contents.names and band not in RADAR_BANDS]
    missing = [band for band in bands or () if band not in have]
    if missing or not have:
        raise SourceError(
            "products.zarr_bands", kind="missing", store=path, given=", ".join(missing) or "-",
            expected=", ".join(COMMON_BANDS),
        )  # fmt: skip
    quality = next((name for name in QUALITY if f"{name}/.zarray" in contents.names), None)
    if quality is None:
        raise SourceError("products.no_quality", kind="missing", tile=path.name)
    sensor = str(_attributes(contents, "").get("sensor", "sentinel-2"))
    if sensor not in BANDS:
        raise SourceError("products.zarr_sensor", kind="mismatch", store=path, given=sensor, expected=", ".join(BANDS))
    numbers = {band: _numbers(contents, band) for band in bands or have}
    products = []
    for k, time in enumerate(_times(contents)):
        told = {
            band: TileBand(band, _place(path, band, k), scale=scale, offset=offset, nodata=nodata)
            for band, (scale, offset, nodata) in numbers.items()
        }
        kind = QUALITY[quality]
        qa = TileBand(quality, _place(path, quality, k), nodata=QA_FILL[kind])
        shared = sorted({(scale, offset) for scale, offset, _ in numbers.values()})
        products.append(
            Product(
                path=path,
                kind=KIND,
                sensor=sensor,
                time=time,
                overpass=f"{path.stem}_{time:%Y%m%dT%H%M%S}",
                tile=Tile(f"{path.name} {time:%Y-%m-%d}", told, qa, kind),
                version=(0,),
                name=KIND,
                offset_policy=", ".join(f"scale {scale:g}, offset {offset:g}" for scale, offset in shared) + ", listed",
            )
        )
    return products


def _place(path: Path, name: str, number: int | None = None) -> str:
    return f'ZARR:"{path.resolve()}":/{name}' + ("" if number is None else f":{number}")


def _attributes(contents: Contents, name: str) -> dict[str, Any]:
    """Attributes of an array, or of the store."""
    file = f"{name}/.zattrs" if name else ".zattrs"
    return _json(contents, file) if file in contents.names else {}


def _json(contents: Contents, name: str) -> dict[str, Any]:
    try:
        told = json.loads(contents.text(name))
    except ValueError as error:
        raise SourceError(
            "products.unreadable", kind="unreadable", file=contents.told(name), reason=str(error)
        ) from error
    if not isinstance(told, dict):
        raise SourceError(
            "products.unreadable", kind="unreadable", file=contents.told(name), reason=type(told).__name__
        )
    return told


def _numbers(contents: Contents, band: str) -> tuple[float, float, float | None]:
    """Scale, offset and fill of a band, as the CF conventions write them; whole numbers must tell their scale."""
    told, array = _attributes(contents, band), _json(contents, f"{band}/.zarray")
    whole = np.dtype(str(array["dtype"])).kind in "iu"
    if len(array["shape"]) != 3 or (whole and "scale_factor" not in told):
        raise SourceError("products.zarr_scale", kind="mismatch", store=contents.path, band=band)
    fill = told.get("_FillValue", array.get("fill_value"))
    nodata = 0.0 if fill is None and whole else fill
    number = None if nodata is None or isinstance(nodata, str) else float(nodata)
    place = str(contents.path)
    scale = finite_number(told.get("scale_factor", 1.0), place, f"{band} scale_factor", positive=True)
    return scale, finite_number(told.get("add_offset", 0.0), place, f"{band} add_offset"), number


def _times(contents: Contents) -> list[datetime]:
    """Times of the store in UTC."""
    import xarray as xr  # half a second that other products need not wait for

    try:
        with rasterio.open(_place(contents.path, TIME)) as raster:
            stored = raster.read(1).ravel()
        attributes = _attributes(contents, TIME)
        decoded = xr.decode_cf(xr.Dataset({TIME: (TIME, stored, attributes)}))[TIME].to_numpy()
        return [datetime.fromisoformat(str(one)[:19]) for one in decoded.astype("datetime64[s]")]
    except (RasterioError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            "products.zarr_time", kind="mismatch", store=contents.path, reason=str(error)[:200]
        ) from error
