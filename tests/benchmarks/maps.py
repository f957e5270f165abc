"""How fast maps are made, and in how much memory: land cover and growing stock with their sums by zone.

Ours is the chain of the stage ``map``: blocks of whole tiles, packed trees, exact sums by zone, each block kept as a
part, then the files. SIMULATED cube of thirteen bands; labels and stock are functions of the bands with noise added.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import stacks
from tests.benchmarks.pairs import Case, Work, city

BLOCK, TREES, DEPTH, LEAF = 512, 100, 16, 3
BANDS = 13
CLASSES, ZONES = 8, 9
LEARNED, REFERENCE = 8000, 3000
SKLEARN_RASTER = "sklearn-raster==0.1.0.dev2"
"""There is no later release than this one before the first."""
CITY_PIXELS = 113e6
CITY_S, CITY_BYTES = 5 * 60.0, 2**30
LARGEST = 10_000.0


def _mixture() -> Any:
    """What each band sees of four properties of the land: the cube and what the models learn from are of one kind."""
    return np.random.default_rng(12).normal(size=(BANDS, 4)).astype(np.float32)


def make_cube(folder: Path, side: int) -> Path:
    """A cube of thirteen uint16 bands of correlated noise, once."""
    import rasterio
    from rasterio.windows import Window

    path = folder / f"cube-{side}.tif"
    if path.is_file():
        return path
    rng = np.random.default_rng(11)
    land = [stacks._field(rng, side, spacing=96) for _ in range(4)]
    profile = {"driver": "GTiff", "dtype": "uint16", "count": BANDS, "width": side, "height": side, "nodata": 0}
    layout = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "zstd", "zstd_level": 1}
    place = {"crs": stacks.CRS, "transform": rasterio.transform.from_origin(*stacks.CORNER, 10.0, 10.0)}
    half = path.with_suffix(".half.tif")
    with rasterio.open(half, "w", **profile, **layout, **place, predictor=2, interleave="pixel") as target:
        for top in range(0, side, BLOCK):
            part = np.stack([field[top : top + BLOCK] for field in land])
            values = np.tensordot(_mixture(), part, axes=1) + 0.3 * rng.standard_normal((BANDS, *part.shape[1:]))
            target.write(np.clip(3000 + 600 * values, 1, 60_000).astype(np.uint16), window=Window(0, top, side, BLOCK))
    half.rename(path)
    return path


def make_models(folder: Path) -> Path:
    """Forests of 100 trees for classes and stock, the spread of their errors and their area of applicability, once."""
    import joblib
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    from sinkest.learn.applicability import AreaOfApplicability
    from sinkest.learn.spread import Spread, moments

    path = folder / "models.joblib"
    if path.is_file():
        return path
    rng = np.random.default_rng(5)
    X = (3000 + 600 * rng.normal(size=(LEARNED, 4)) @ _mixture().T).astype(np.float32)
    X += 180 * rng.standard_normal(X.shape, dtype=np.float32)
    signal = (X[:, 0] - 3000) / 600 + np.abs(X[:, 3] - 3000) / 900 - (X[:, 7] - 3000) * (X[:, 2] - 3000) / 9e5
    stock = np.maximum(80 + 30 * signal + 15 * rng.standard_normal(LEARNED), 0)
    kinds = np.searchsorted(np.quantile(signal, np.arange(1, CLASSES) / CLASSES), signal).astype(np.uint8) + 1
    shape = {"n_estimators": TREES, "max_depth": DEPTH, "min_samples_leaf": LEAF, "random_state": 0, "n_jobs": 1}
    cover, volume = RandomForestClassifier(**shape).fit(X, kinds), RandomForestRegressor(**shape).fit(X, stock)
    found, between = moments(volume, X)
    area = AreaOfApplicability.fit(X[:REFERENCE], volume.feature_importances_, np.arange(REFERENCE) % 5)
    joblib.dump({"cover": cover, "stock": volume, "spread": Spread.fit(stock, found, between), "area": area}, path)
    return path


def zone_of(row: Any, col: Any, side: int) -> Any:
    """Nine zones: a square of three by three."""
    return np.minimum(row * 3 // side, 2) * 3 + np.minimum(col * 3 // side, 2)


def mapped(cube: str, models: str, out: str, workers: int, uncertain: bool) -> Callable[[], dict[str, Any]]:
    """Class and stock maps of a ready cube with sums by zone, as the stage makes them."""
    import joblib
    import rasterio
    from odc.geo.geobox import GeoBox

    from sinkest.stages.cubefile import CubeFile

    with rasterio.open(cube) as source:
        grid = GeoBox(source.shape, source.transform, str(source.crs))
    reader = CubeFile(Path(cube), None)
    return _work(grid, lambda block: reader.features(block.window), joblib.load(models), out, workers, uncertain)


def chained(stack: str, side: int, models: str, out: str, workers: int) -> Callable[[], dict[str, Any]]:
    """Maps and sums from dates on disk in one pass, through the numbers that a composite file would hold."""
    import joblib

    from sinkest.features.block import build_block
    from sinkest.features.cube import CubeSpec
    from sinkest.imagery.local import StackSource, grid_of
    from sinkest.imagery.source import Period

    place = Path(stack)
    bands = {band: f"*_bands.tif:{k}" for k, band in enumerate(stacks.BANDS, start=1)}
    own = {"scale": stacks.SCALE, "offset": stacks.ADD, "qa": "*_scl.tif", "qa_kind": "scl"}
    source = StackSource(place, "file_per_date", bands, date_format="%Y%m%d", sensor="sentinel-2", **own)
    grid = grid_of(sorted(place.glob("*_scl.tif"))[0])[:side, :side]
    days = stacks.days()
    scenes = {"year": source.search(grid, Period(days[0], days[-1]))}
    options = {"terrain": False, "dilate_px": 0, "gap_fill": "none", "indices": ("NDVI", "NBR", "NDMI")}
    spec = CubeSpec(seasons=("year",), bands=stacks.BANDS, **options)

    def features(block: Any) -> Any:
        layers = build_block(source, grid, block.slices, spec, scenes)
        return spec.features({layer.name: layer.decode(layer.encode(layers[layer.name])) for layer in spec.layers})

    return _work(grid, features, joblib.load(models), out, workers, False)


def _work(
    grid: Any, features: Callable[[Any], Any], models: Mapping[str, Any], out: str, workers: int, uncertain: bool
) -> Callable[[], dict[str, Any]]:
    import shutil

    from sinkest.learn.fast import fast
    from sinkest.mapping.cog import RasterSpec
    from sinkest.mapping.engine import Arrays, Block, iterate_parts, plan_blocks, run_blocks
    from sinkest.mapping.zonal import ZoneIndex, class_area, value_by_class
    from sinkest.stages.mapfile import write_map

    index = ZoneIndex(_zones(grid), grid)
    cover, stock = fast(models["cover"]), fast(models["stock"])

    def block(one: Block) -> Arrays:
        values = features(one)
        known = np.isfinite(values).all(axis=0)
        rows = np.ascontiguousarray(values[:, known].T, dtype=np.float32)
        kinds, mean = np.zeros(known.shape, np.uint8), np.full(known.shape, np.nan, np.float32)
        kinds[known] = cover.predict(rows)
        made: Arrays = {}
        if uncertain:
            found, between = stock.moments(rows)
            mean[known] = found
            sd, inside = mean.copy(), np.zeros(known.shape, np.uint8)
            sd[known] = models["spread"].deviation(found, between)
            inside[known] = 2 - models["area"].inside(rows)
            made = {"sd": sd, "inside": inside}
        else:
            mean[known] = stock.predict(rows)
        zones = index.block(one.window)
        sums = value_by_class(zones, np.where(known, mean, 0.0), kinds, largest=LARGEST)
        return {"kinds": kinds, "stock": mean, "m2": class_area(zones, kinds), "sum": sums, **made}

    def run() -> dict[str, Any]:
        cache, blocks = Path(out) / "parts", plan_blocks(grid, BLOCK, index.touched)
        shutil.rmtree(cache, ignore_errors=True)
        run_blocks(block, blocks, cache, workers=workers)
        for name in ("kinds", "stock", *(("sd", "inside") if uncertain else ())):
            dtype, nodata = ("uint8", 0) if name in {"kinds", "inside"} else ("float32", np.nan)
            parts = ((one.window, arrays[name]) for one, arrays in iterate_parts(cache, blocks))
            write_map(Path(out) / f"{name}.tif", grid, RasterSpec(dtype, nodata, [name]), parts)
        m2, total = 0.0, 0.0
        for _, arrays in iterate_parts(cache, blocks):
            m2, total = m2 + arrays["m2"], total + arrays["sum"]
        return {"out": out, "mean": (total.sum(axis=1) / m2[:, 1:].sum(axis=1)).tolist()}

    return run


def _zones(grid: Any) -> Any:
    """Three by three rectangles of the grid as zones."""
    import geopandas as gpd
    import shapely

    from sinkest.aoi import geodesic_area_m2
    from sinkest.aoi.zones import Zones

    (height, width), to = grid.shape, grid.affine
    # A hair inside the grid and with many vertices: a straight side is none in longitude and latitude.
    x = [to.c + to.a * (0.01 + (width - 0.02) * k / 3) for k in range(4)]
    y = [to.f + to.e * (0.01 + (height - 0.02) * k / 3) for k in range(4)]
    corners = [(x[c], y[r + 1], x[c + 1], y[r]) for r in range(3) for c in range(3)]
    boxes = shapely.segmentize([shapely.box(*corner) for corner in corners], 100.0)
    shapes = gpd.GeoSeries(boxes, crs=str(grid.crs)).to_crs("EPSG:4326")
    names = [str(k) for k in range(ZONES)]
    areas = [geodesic_area_m2(shape) for shape in shapes]
    frame = gpd.GeoDataFrame({"zone_id": names, "name_zh": names, "name_en": names, "area_m2": areas}, geometry=shapes)
    return Zones(frame, "benchmark", "wgs84")


def forest(folder: str, packed: bool) -> Callable[[], dict[str, Any]]:
    """Predictions of a forest of 300 trees on one core; kept, so that they can be compared."""
    import joblib

    from sinkest.learn.fast import fast

    place = Path(folder)
    model, rows = joblib.load(place / "forest.joblib"), np.load(place / "rows.npy")
    ask = fast(model).predict if packed else model.predict
    ask(rows[:100])

    def run() -> dict[str, Any]:
        file = place / f"predicted-{packed}.npy"
        np.save(file, ask(rows))
        return {"file": str(file)}

    return run


# -- cases ----------------------------------------------------------------------------------------------------------


def _ours(side: tuple[int, int], uncertain: bool = False) -> Callable[[Path, bool], Work]:
    def work(folder: Path, quick: bool) -> Work:
        given = {"cube": str(make_cube(folder, side[quick])), "models": str(make_models(folder)), "workers": 2}
        out = folder / f"maps-{side[quick]}-{uncertain}"
        out.mkdir(exist_ok=True)
        given |= {"out": str(out), "uncertain": uncertain}
        return Work("tests.benchmarks.maps:mapped", given, side[quick] ** 2)

    return work


def _peer(name: str, side: tuple[int, int], uncertain: bool = False) -> Callable[[Path, bool], Work]:
    def work(folder: Path, quick: bool) -> Work:
        given = {"cube": str(make_cube(folder, side[quick])), "models": str(make_models(folder)), "workers": 2}
        out = folder / f"{name}-{side[quick]}-{uncertain}"
        out.mkdir(exist_ok=True)
        given |= {"out": str(out), "uncertain": uncertain}
        if name == "sklearn_raster":
            given["package"] = str(_package(folder / "sklearn-raster"))
        return Work(f"tests.benchmarks.mappeers:{name}", given, side[quick] ** 2)

    return work


def _package(place: Path) -> Path:
    """Folder that sklearn-raster is imported from; it goes with our own releases of everything else."""
    if not (place / "sklearn_raster").is_dir():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", place, SKLEARN_RASTER]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return place


def _forest(packed: bool) -> Callable[[Path, bool], Work]:
    def work(folder: Path, quick: bool) -> Work:
        rows = 60_000 if quick else 200_000
        place = folder / f"forest-{rows}"
        if not (place / "rows.npy").is_file():
            _make_forest(place, rows)
        return Work("tests.benchmarks.maps:forest", {"folder": str(place), "packed": packed}, rows)

    return work


def _make_forest(place: Path, rows: int) -> None:
    import joblib
    from sklearn.ensemble import RandomForestRegressor

    place.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    X = rng.normal(size=(20_000, 24)).astype(np.float32)
    X[:, 1:] += X[:, :1]
    y = 10 * X[:, 0] + 3 * np.abs(X[:, 3]) * X[:, 5] + 5 * rng.standard_normal(len(X))
    model = RandomForestRegressor(
        300, max_depth=DEPTH, min_samples_leaf=LEAF, max_features=8, random_state=0, n_jobs=1
    ).fit(X, y)
    joblib.dump(model, place / "forest.joblib")
    asked = rng.normal(size=(rows, 24)).astype(np.float32)
    asked[:, 1:] += asked[:, :1]
    np.save(place / "rows.npy", asked)


def _chain(side: tuple[int, int], ours: bool) -> Callable[[Path, bool], Work]:
    def work(folder: Path, quick: bool) -> Work:
        stack = stacks.make_stack(folder, side[quick])
        out = folder / f"chain-{side[quick]}-{ours}"
        out.mkdir(exist_ok=True)
        given = {"stack": str(stack), "models": str(make_models(folder)), "out": str(out), "workers": 2}
        if ours:
            return Work("tests.benchmarks.maps:chained", given | {"side": side[quick]}, side[quick] ** 2)
        return Work("tests.benchmarks.mappeers:xarray_chain", given, side[quick] ** 2)

    return work


def _nothing(folder: Path, quick: bool) -> Work:
    return Work("tests.benchmarks.peers:nothing")


def same_numbers(ours: Mapping[str, Any], peer: Mapping[str, Any]) -> str:
    """Predictions must be equal to the last bit."""
    one, other = np.load(ours["file"]), np.load(peer["file"])
    if not np.array_equal(one, other):
        raise AssertionError(f"{(one != other).sum()} of {one.size} predictions differ")
    return f"all {one.size:,} numbers equal"


def same_maps(ours: Mapping[str, Any], peer: Mapping[str, Any]) -> str:
    """Maps must be equal; means of zones differ by true areas and border pixels, which peers ignore."""
    import rasterio

    for name in ("kinds", "stock"):
        read = []
        for one in (ours, peer):
            with rasterio.open(Path(one["out"]) / f"{name}.tif") as source:
                read.append(source.read(1))
        if not np.array_equal(*read, equal_nan=name == "stock"):
            raise AssertionError(f"{name}: maps differ")
    return "maps equal; " + near_means(ours, peer)


def near_means(ours: Mapping[str, Any], peer: Mapping[str, Any]) -> str:
    """Mean stock of the zones."""
    apart = np.abs(np.array(ours["mean"]) / np.array(peer["mean"]) - 1).max()
    if apart > 2e-3:
        raise AssertionError(f"mean stock of a zone differs by {apart:.2%}")
    return f"mean stock of the zones within {apart:.1e}"


USUAL, LARGE = (2048, 1024), (6144, 1024)

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case("maps", 3.5, _ours(USUAL), _peer("sklearn_raster", USUAL), memory=1.0, check=same_maps),
        Case("maps_xarray", 3.0, _ours(USUAL), _peer("xarray_maps", USUAL), memory=1.0, check=same_maps),
        Case(
            "maps_uncertainty",
            8.0,
            _ours(USUAL, uncertain=True),
            _peer("xarray_maps", USUAL, uncertain=True),
            rounds=1,
            check=same_maps,
        ),
        Case("forest", 4.0, _forest(packed=True), _forest(packed=False), check=same_numbers),
        Case("chain", 10.0, _chain(USUAL, ours=True), _chain(USUAL, ours=False), rounds=1, check=near_means),
        Case("city_maps", 1.0, _ours(LARGE), _nothing, rounds=1, **city(CITY_S, CITY_PIXELS), most_bytes=CITY_BYTES),
    )
}
