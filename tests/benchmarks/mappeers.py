"""What a user would write today for maps with sums by zone: xarray with scikit-learn, and sklearn-raster."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import stacks
from tests.benchmarks.maps import BLOCK, CLASSES, ZONES, zone_of


def xarray_maps(cube: str, models: str, out: str, workers: int, uncertain: bool) -> Callable[[], dict[str, Any]]:
    """``xarray.apply_ufunc`` over the blocks of a rioxarray cube."""
    import joblib
    import rioxarray  # noqa: F401
    import xarray as xr

    given = joblib.load(models)

    def run() -> dict[str, Any]:
        bands = xr.open_dataarray(cube, engine="rasterio", chunks={"band": -1, "x": BLOCK, "y": BLOCK}, lock=False)
        features = bands.astype("float32")
        _write(_predicted(features, given, uncertain), Path(out), workers, features)
        return {"out": out, "mean": _means(Path(out))}

    return run


def sklearn_raster(
    cube: str, models: str, out: str, workers: int, uncertain: bool, package: str
) -> Callable[[], dict[str, Any]]:
    """``FeatureArrayEstimator`` of sklearn-raster around the same fitted forests."""
    sys.path.insert(0, package)
    import joblib
    import rioxarray  # noqa: F401
    import xarray as xr
    from sklearn.base import clone
    from sklearn_raster import FeatureArrayEstimator

    given = joblib.load(models)

    def wrapped(estimator: Any) -> Any:
        rng = np.random.default_rng(0)
        one = FeatureArrayEstimator(clone(estimator).set_params(n_estimators=1))
        one.fit(rng.normal(size=(CLASSES * 10, estimator.n_features_in_)), np.arange(CLASSES * 10) % CLASSES + 1)
        # It fits what it wraps itself; the forests to compare are fitted already.
        one.wrapped_estimator = estimator
        return one

    cover, stock = wrapped(given["cover"]), wrapped(given["stock"])

    def run() -> dict[str, Any]:
        bands = xr.open_dataarray(cube, engine="rasterio", chunks={"band": -1, "x": BLOCK, "y": BLOCK}, lock=False)
        features = bands.astype("float32")
        features.attrs = {}
        made = {
            "kinds": cover.predict(features).squeeze(drop=True).astype("uint8"),
            "stock": stock.predict(features).squeeze(drop=True).astype("float32"),
        }
        _write(made, Path(out), workers, features)
        return {"out": out, "mean": _means(Path(out))}

    return run


def xarray_chain(stack: str, models: str, out: str, workers: int) -> Callable[[], dict[str, Any]]:
    """Mask, median, indices, forests and sums, from the files of the dates."""
    import joblib
    import rioxarray  # noqa: F401
    import xarray as xr

    given = joblib.load(models)
    place = Path(stack)

    def opened(path: Path) -> Any:
        return xr.open_dataarray(path, engine="rasterio", chunks={"band": -1, "x": BLOCK, "y": BLOCK}, lock=False)

    def run() -> dict[str, Any]:
        dates = []
        for path in sorted(place.glob("*_bands.tif")):
            values = opened(path)
            codes = opened(path.with_name(path.name.replace("_bands", "_scl"))).isel(band=0, drop=True)
            seen = codes.isin(stacks.CLEAR) & (values != stacks.NODATA)
            dates.append((values.astype("float32") * np.float32(stacks.SCALE) + np.float32(stacks.ADD)).where(seen))
        whole = xr.concat(dates, "time").chunk({"time": -1})
        median = whole.median("time")
        named = {name: median.isel(band=k, drop=True) for k, name in enumerate(stacks.BANDS)}
        pairs = (("nir", "red"), ("nir", "swir2"), ("nir", "swir1"))
        made = [(named[a] - named[b]) / (named[a] + named[b]) for a, b in pairs]
        features = xr.concat([*named.values(), *made], "band").astype("float32").chunk({"band": -1})
        _write(_predicted(features, given, False), Path(out), workers, median)
        return {"out": out, "mean": _means(Path(out))}

    return run


def _predicted(features: Any, given: Mapping[str, Any], uncertain: bool) -> dict[str, Any]:
    """Lazy maps by name."""
    import xarray as xr

    def ask(predict: Callable[[Any], Any], dtype: str, nodata: float) -> Any:
        def block(values: Any) -> Any:
            rows = values.reshape(-1, values.shape[-1])
            known = np.isfinite(rows).all(axis=1)
            made = np.full(len(rows), nodata, dtype)
            if known.any():
                made[known] = predict(np.ascontiguousarray(rows[known]))
            return made.reshape(values.shape[:-1])

        cores = {"input_core_dims": [["band"]], "dask": "parallelized", "output_dtypes": [dtype]}
        return xr.apply_ufunc(block, features, **cores)

    made = {
        "kinds": ask(given["cover"].predict, "uint8", 0),
        "stock": ask(given["stock"].predict, "float32", np.nan),
    }
    if uncertain:
        made |= {
            "sd": ask(lambda rows: _deviation(given, rows), "float32", np.nan),
            "inside": ask(_Nearest(given["area"]), "uint8", 0),
        }
    return made


def _deviation(given: Mapping[str, Any], rows: Any) -> Any:
    """Standard deviation of the error, from that between the trees."""
    each = np.array([tree.predict(rows) for tree in given["stock"].estimators_])
    return given["spread"].deviation(None, each.std(axis=0)) if given["spread"].kind == "trees" else each.std(axis=0)


class _Nearest:
    """Whether rows are in the area of applicability, by a tree of scipy."""

    def __init__(self, area: Any) -> None:
        from scipy.spatial import cKDTree

        self.area, self.tree = area, cKDTree(area.points)

    def __call__(self, rows: Any) -> Any:
        area = self.area
        distance, _ = self.tree.query((rows - area.center) / area.scale * area.weight)
        return np.where(distance / area.mean_distance <= area.threshold, 1, 2)


def _write(made: Mapping[str, Any], out: Path, workers: int, like: Any) -> None:
    """All maps in one pass through the graph."""
    import dask

    lock = threading.Lock()
    tasks = []
    for name, values in made.items():
        georeferenced = values.rio.write_crs(like.rio.crs).rio.write_transform(like.rio.transform())
        options = {"tiled": True, "compress": "zstd", "lock": lock, "compute": False}
        tasks.append(georeferenced.rio.to_raster(out / f"{name}.tif", **options))
    with dask.config.set(scheduler="threads", num_workers=workers):
        dask.compute(*tasks)


def _means(out: Path) -> list[float]:
    """Mean stock by zone from the written maps, each pixel in the zone of its centre."""
    import rasterio

    with rasterio.open(out / "stock.tif") as source:
        stock = source.read(1).astype(float)
    side = stock.shape[0]
    zone = zone_of(np.arange(side)[:, None], np.arange(side)[None], side)
    known = np.isfinite(stock)
    total = np.bincount(zone[known], weights=stock[known], minlength=ZONES)
    return (total / np.bincount(zone[known], minlength=ZONES)).tolist()
