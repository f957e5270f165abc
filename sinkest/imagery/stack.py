"""A period of scenes as one lazy dataset."""

from __future__ import annotations

from collections.abc import Sequence

import dask
import dask.array as da
import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from sinkest.imagery.source import QA, QA_DTYPE, RADAR_BANDS, Scene, Source


def lazy_stack(source: Source, grid: GeoBox, bands: Sequence[str], scenes: Sequence[Scene], chunks: int) -> xr.Dataset:
    """Dataset (time, y, x) whose chunks call ``source.read``; all bands of a chunk come from one call."""
    dtypes: dict[str, np.dtype] = {band: np.dtype(np.float32) for band in bands}
    if source.qa_kind is not None and not scenes[0].is_radar:
        dtypes[QA] = np.dtype(QA_DTYPE[source.qa_kind])
    rows, columns = _edges(grid.shape[0], chunks), _edges(grid.shape[1], chunks)
    read = dask.delayed(source.read, pure=True)
    blocks: dict[str, list[list[list[da.Array]]]] = {name: [] for name in dtypes}
    for scene in scenes:
        for name in dtypes:
            blocks[name].append([[] for _ in rows])
        for i, (top, bottom) in enumerate(rows):
            for left, right in columns:
                part = read(grid[top:bottom, left:right], scene, tuple(bands))
                shape = (bottom - top, right - left)
                for name, dtype in dtypes.items():
                    block = da.from_delayed(part[name], shape=shape, dtype=dtype)
                    blocks[name][-1][i].append(block)
    arrays = {name: da.stack([da.block(scene) for scene in of_name]) for name, of_name in blocks.items()}
    coords = dict(xr_coords(grid))
    y, x = grid.dimensions
    coords["time"] = xr.DataArray(np.array([s.time for s in scenes], dtype="datetime64[ns]"), dims="time")
    coords["scene"] = xr.DataArray(np.array([s.id for s in scenes]), dims="time")
    stack = xr.Dataset(
        {name: xr.DataArray(array, dims=("time", y, x), attrs=_attrs(name, source)) for name, array in arrays.items()},
        coords=coords,
        attrs={
            "source": source.name,
            "simulated": int(source.simulated),
            "scene_ids": [s.id for s in scenes],
            "products": [s.product for s in scenes],
            "offset_policies": [s.offset_policy for s in scenes],
        },
    )
    for name in arrays:
        stack[name].encoding["grid_mapping"] = "spatial_ref"
    return stack


def _edges(length: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def _attrs(name: str, source: Source) -> dict[str, str]:
    if name == QA:
        return {"units": "1", "long_name": f"quality band ({source.qa_kind})"}
    if name in RADAR_BANDS:
        return {"units": "1", "long_name": f"gamma nought {name.upper()}, linear"}
    return {"units": "1", "long_name": f"surface reflectance {name}"}
