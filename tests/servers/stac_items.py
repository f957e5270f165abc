"""The truth as items of a catalogue: cloud-optimised files, and what well-known catalogues tell of them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.shutil import copy

from sinkest.imagery.raster import bounds_in
from tests.servers.formats import without_offset, write_raster
from tests.servers.truth import CODES, TrueScene, Truth

_EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
]
_NAMES = {"swir1": "swir16", "swir2": "swir22"}
_fresh = itertools.count()


def write_cog(path: Path, grid: GeoBox, values: NDArray, nodata: float | None = 0) -> Path:
    """A cloud-optimised GeoTIFF."""
    plain = write_raster(path.with_suffix(".plain.tif"), grid, values, nodata)
    with rasterio.open(plain) as raster:
        copy(raster, path, driver="COG", compress="deflate", blocksize=128, overviews="NONE")
    plain.unlink()
    return path


def asset(href: str, grid: GeoBox, **raster: Any) -> dict[str, Any]:
    """An asset with its grid."""
    transform = list(grid.affine)[:6]
    told = {"href": href, "type": "image/tiff; application=geotiff; profile=cloud-optimized", "roles": ["data"]}
    return {**told, "proj:shape": list(grid.shape.yx), "proj:transform": transform, "raster:bands": [raster]}


def item(name: str, collection: str, grid: GeoBox, assets: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """An item over a grid."""
    left, bottom, right, top = bounds_in(grid, "EPSG:4326")
    ring = [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "links": [],
        "stac_extensions": _EXTENSIONS, "bbox": [left, bottom, right, top],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"proj:epsg": grid.crs.epsg if grid.crs else None, **properties}, "assets": assets,
    }  # fmt: skip


def sentinel2_item(
    folder: Path,
    base: str,
    truth: Truth,
    scene: TrueScene,
    *,
    style: str = "planetary-computer",
    baseline: str = "05.11",
    tile: str = "T49RGM",
) -> dict[str, Any]:
    """Write the files of a scene under names that were never used before, and tell of them.

    Parameters
    ----------
    folder, base : path, str
        Where files lie, and the address or folder that they are found under.
    style : {"planetary-computer", "earth-search", "earth-search-c1"}
        Planetary Computer and Collection 1: stored as the products are. Earth Search: the offset taken off, told by a
        flag, and listed all the same.
    """
    removed = style == "earth-search"
    mark = f"{next(_fresh)}_{folder.parent.name}"
    assets = {}
    for band, numbers in scene.bands.items():
        name = CODES[band] if style == "planetary-computer" else _NAMES.get(band, band)
        file = write_cog(
            folder / f"{mark}_{name}.tif", truth.grid_of(band), without_offset(numbers) if removed else numbers
        )
        listed = {} if style == "planetary-computer" else {"scale": 0.0001, "offset": -0.1}
        assets[name] = asset(f"{base}/{file.name}", truth.grid_of(band), nodata=0, **listed)
    file = write_cog(folder / f"{mark}_scl.tif", truth.coarse, scene.scl)
    assets["SCL" if style == "planetary-computer" else "scl"] = asset(f"{base}/{file.name}", truth.coarse, nodata=0)
    properties: dict[str, Any] = {
        "datetime": f"{scene.time:%Y-%m-%dT%H:%M:%S}Z",
        "platform": "Sentinel-2A" if style == "planetary-computer" else "sentinel-2a",
        "eo:cloud_cover": scene.cloud,
        "s2:processing_baseline": baseline,
        "s2:datatake_id": f"{scene.datatake}_N{baseline}",
        "s2:mean_solar_zenith": 30.5,
        "s2:mean_solar_azimuth": 120.25,
    }
    if removed:
        properties["earthsearch:boa_offset_applied"] = True
    collection = "sentinel-2-c1-l2a" if style == "earth-search-c1" else "sentinel-2-l2a"
    return item(f"S2A_{tile}_{scene.time:%Y%m%dT%H%M%S}", collection, truth.fine, assets, **properties)


def elevation_item(folder: Path, base: str, truth: Truth) -> dict[str, Any]:
    """Write the elevation model and tell of it."""
    file = write_cog(folder / f"{next(_fresh)}_{folder.parent.name}_dem.tif", truth.fine, truth.elevation_m, np.nan)
    when = {"datetime": "2021-04-22T00:00:00Z"}
    assets = {"data": asset(f"{base}/{file.name}", truth.fine)}
    return item("Copernicus_DSM_N27", "cop-dem-glo-30", truth.fine, assets, **when)
