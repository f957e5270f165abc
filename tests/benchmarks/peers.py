"""What a user would write today in place of ours, with the libraries at hand. Only standard imports at the top: each
peer runs in a process of its own, one of them under another interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

TILE = 512


def xarray_median(
    bands: Sequence[str], scl: Sequence[str], clear: Sequence[int], out: str, workers: int
) -> Callable[[], dict[str, Any]]:
    """``where`` and ``median`` of xarray on dask arrays in chunks of whole tiles, written with a lock."""
    import threading

    import dask
    import rioxarray
    import xarray as xr

    def opened(files: Sequence[str]) -> xr.DataArray:
        chunks = {"band": -1, "x": TILE, "y": TILE}
        scenes = [rioxarray.open_rasterio(file, chunks=chunks, lock=False) for file in files]
        return xr.concat(scenes, dim="time").chunk(time=-1)

    def work() -> dict[str, Any]:
        with dask.config.set(scheduler="threads", num_workers=workers):
            codes = opened(scl).isel(band=0, drop=True)
            median = opened(bands).where(codes.isin(list(clear))).median("time", skipna=True)
            median = median.astype("float32").rio.write_crs(codes.rio.crs)
            median.rio.to_raster(out, tiled=True, compress="zstd", lock=threading.Lock(), BIGTIFF="IF_SAFER")
        return {"file": out}

    return work


def odc_median(
    bands: Sequence[Sequence[str]],
    names: Sequence[str],
    scl: Sequence[str],
    days: Sequence[str],
    clear: Sequence[int],
    out: str,
    workers: int,
) -> Callable[[], dict[str, Any]]:
    """``odc.stac.load`` of items with one asset a band, then ``where`` and ``median``."""
    import threading
    from datetime import datetime

    import dask
    import odc.stac
    import pystac
    import rasterio
    import rioxarray  # noqa: F401 - the accessor that writes
    from odc.geo.geobox import GeoBox

    with rasterio.open(scl[0]) as one:
        grid = GeoBox(one.shape, one.transform, one.crs)

    def item(day: str, files: Sequence[str], codes: str) -> pystac.Item:
        area = grid.geographic_extent
        made = pystac.Item(day, area.json, list(area.boundingbox.bbox), datetime.fromisoformat(day), {})
        made.properties |= {"proj:code": "EPSG:32649", "proj:shape": list(grid.shape.yx)}
        made.properties |= {"proj:transform": list(grid.affine)[:6]}
        made.stac_extensions.append("https://stac-extensions.github.io/projection/v2.0.0/schema.json")
        for name, file in zip((*names, "scl"), (*files, codes), strict=True):
            made.add_asset(name, pystac.Asset(file, media_type=pystac.MediaType.COG, roles=["data"]))
        return made

    items = [item(*one) for one in zip(days, bands, scl, strict=True)]

    def work() -> dict[str, Any]:
        with dask.config.set(scheduler="threads", num_workers=workers):
            cube = odc.stac.load(items, bands=[*names, "scl"], geobox=grid, chunks={"x": TILE, "y": TILE, "time": -1})
            seen = cube[list(names)].where(cube["scl"].isin(list(clear)))
            median = seen.median("time", skipna=True).to_array("band").astype("float32")
            median.rio.write_crs("EPSG:32649").rio.to_raster(
                out, tiled=True, compress="zstd", lock=threading.Lock(), BIGTIFF="IF_SAFER"
            )
        return {"file": out}

    return work


def hdstats_geomedian(
    bands: Sequence[str],
    scl: Sequence[str],
    clear: Sequence[int],
    size: tuple[int, int],
    scale: tuple[float, float],
    tolerance: float,
    out: str,
    workers: int,
) -> Callable[[], dict[str, Any]]:
    """Block by block: rasterio reads whole tiles, hdstats makes the geometric median, rasterio writes."""
    import hdstats
    import numpy as np
    import rasterio
    from rasterio.windows import Window

    def work() -> dict[str, Any]:
        with rasterio.open(bands[0]) as one:
            profile = one.profile | {"dtype": "float32", "nodata": np.nan, "compress": "zstd", "predictor": 3}
        profile |= {"height": size[0], "width": size[1]}
        with rasterio.open(out, "w", **profile) as target:
            for top in range(0, size[0], TILE):
                for left in range(0, size[1], TILE):
                    window = Window(left, top, min(TILE, size[1] - left), min(TILE, size[0] - top))
                    stack = np.full((window.height, window.width, profile["count"], len(bands)), np.nan, np.float32)
                    for k, (file, codes) in enumerate(zip(bands, scl, strict=True)):
                        with rasterio.open(file) as source, rasterio.open(codes) as quality:
                            seen = np.isin(quality.read(1, window=window), clear)
                            values = source.read(window=window) * scale[0] + scale[1]
                            stack[..., k] = np.where(seen, values, np.nan).transpose(1, 2, 0)
                    found = hdstats.nangeomedian_pcm(stack, eps=tolerance, maxiters=500, num_threads=workers)
                    target.write(np.ascontiguousarray(found.transpose(2, 0, 1)), window=window)
        return {"file": out, "program": f"hdstats, numpy {np.__version__}"}

    return work


def nothing() -> Callable[[], dict[str, Any]]:
    """No peer: for what is held against a bound instead."""
    return dict


def folder_files(place: Path, ending: str) -> list[str]:
    """Files of a stack in the order of their dates."""
    return [str(file) for file in sorted(place.glob(f"*_{ending}.tif"))]
