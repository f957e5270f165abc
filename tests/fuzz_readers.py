"""Every reader of files that may come from anybody, with honest files to start from."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.account.reading import read_csv
from sinkest.aoi import read_zones
from sinkest.archives import unpack
from sinkest.config import load_config
from sinkest.imagery.gedi_granule import read_granules
from sinkest.imagery.local import StackSource
from sinkest.imagery.products.contents import contents_of
from sinkest.imagery.products.safe import read_safe
from sinkest.imagery.raster import probe, read_numbers
from sinkest.learn import artefact, recipes, table
from sinkest.runstore import RunStore
from sinkest.shipped import shipped
from sinkest.targets.file import read_targets
from tests.gedi_granules import write_granule
from tests.test_learn_artefact import trained

GRID = GeoBox((32, 32), Affine(10, 0, 700_000, 0, -10, 3_050_000), "EPSG:32649")
THERE = GeoBox((24, 24), Affine(15, 0, 107_400, 0, -15, 3_054_700), "EPSG:32650")
CLASSES = {"fir": ("1", "杉木林"), "water": ("14", "水域")}
PLOTS = (
    "plot_id,lon,lat,date,volume_m3_ha,forest_type,area_ha,note\n"
    "1,113.10,27.80,2025-10-01,68.5,杉木林,0.0667,a\n"
    '2,113.20,27.70,2025/10/02,0,,0.0667,"b, c"\n'
)
SITES = "site_id,name,kind,lon,lat,area_ha,year\n1,云龙湖,small_wetland,113.1,27.8,3.2,2025\n"
STRATA = "stratum,area_ha\nforest,1000\nother,2000\n"
REFERENCE = "point_id,lon,lat,stratum,reference_class\n1,113.1,27.8,forest,fir\n2,113.2,27.7,other,water\n"
SAFE_XML = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
<n1:General_Info><Product_Info><PRODUCT_START_TIME>2025-07-01T02:56:01.024Z</PRODUCT_START_TIME>
<PROCESSING_BASELINE>05.11</PROCESSING_BASELINE><Datatake><SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME></Datatake>
</Product_Info><Product_Image_Characteristics><QUANTIFICATION_VALUES_LIST>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>
<BOA_ADD_OFFSET_VALUES_LIST><BOA_ADD_OFFSET band_id="3">-1000</BOA_ADD_OFFSET></BOA_ADD_OFFSET_VALUES_LIST>
</Product_Image_Characteristics></n1:General_Info></n1:Level-2A_User_Product>
"""


@dataclass(frozen=True)
class Reader:
    """A reader: ``name`` of the file it gets, what it does with it, and honest files."""

    name: str
    read: Callable[[Path], object]
    seeds: tuple[bytes, ...]


def _raster(path: Path) -> None:
    """All that a run does with a raster."""
    file = probe(path)
    for grid in (GRID, THERE):
        read_numbers(file, [1], grid, "bilinear", 0)
    source = StackSource(path, "single_file", {"red": 1}, date=date(2025, 1, 1), scale=1e-4, qa=2, qa_kind="qa_pixel")
    source.check_overlap(GRID)


def _model(path: Path) -> None:
    """The estimator of a model whose card was rewritten to fit it, as an attacker would."""
    folder = path.parent / "m"
    card = json.loads((folder / "card.json").read_text())
    card["files"]["estimator.skops"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "card.json").write_text(json.dumps(card))
    shutil.copyfile(path, folder / "estimator.skops")
    artefact.load(folder)


def _card(path: Path) -> None:
    shutil.copyfile(path, path.parent / "m" / "card.json")
    artefact.load(path.parent / "m")


def _recipe(path: Path) -> None:
    recipes.load(path.parent)


def _manifest(path: Path) -> None:
    RunStore(path.parent, keeps_hashes=False).verify()


def _archive(path: Path) -> None:
    out = path.parent / "out"
    try:
        unpack(path, out)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _safe(path: Path) -> None:
    read_safe(contents_of(path.parent))


def _coefficients(path: Path) -> None:
    read_csv(path, ["id", "value"])


def make_readers(folder: Path) -> Mapping[str, Reader]:
    """All readers, with honest files made in a folder.

    The folder also gets what readers find beside their file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    zones, points = _zones(), _points()
    config, targets = shipped("configs/demo.toml").read_bytes(), shipped("configs/targets-zhuzhou.toml").read_bytes()
    frame = pd.read_csv(io.StringIO(PLOTS))
    plots = table.read_plots
    return {
        "tiff": Reader("a.tif", _raster, (_tiff(folder), _tiff(folder, tiled=True, blockxsize=16, blockysize=16))),
        "zones geojson": Reader("z.geojson", read_zones, (_vector(zones, folder, "z.geojson", "GeoJSON"),)),
        "zones gpkg": Reader("z.gpkg", read_zones, (_vector(zones, folder, "z.gpkg", "GPKG"),)),
        "zones zip": Reader("z.zip", read_zones, (_shapefile(zones, folder),)),
        "zones kml": Reader("z.kml", read_zones, (_vector(zones, folder, "z.kml", "KML"),)),
        "plots csv": Reader(
            "p.csv", lambda path: plots(path, classes=CLASSES), (PLOTS.encode(), PLOTS.encode("gb18030"))
        ),
        "plots xlsx": Reader("p.xlsx", lambda path: plots(path, classes=CLASSES), (_sheet(frame, folder),)),
        "plots parquet": Reader("p.parquet", lambda path: plots(path, classes=CLASSES), (_parquet(points, folder),)),
        "plots gpkg": Reader("p.gpkg", lambda path: plots(path), (_vector(points, folder, "p.gpkg", "GPKG"),)),
        "reference csv": Reader(
            "r.csv", lambda path: table.read_reference(path, classes=CLASSES), (REFERENCE.encode(),)
        ),
        "strata csv": Reader("s.csv", table.read_strata, (STRATA.encode(),)),
        "sites csv": Reader("w.csv", table.read_sites, (SITES.encode(),)),
        "labels geojson": Reader(
            "l.geojson", table.read_labels, (_vector(zones, folder, "l.geojson", "GeoJSON", land_cover="fir"),)
        ),
        "configuration": Reader("config.toml", load_config, (config,)),
        "targets": Reader("targets.toml", read_targets, (targets,)),
        "coefficients": Reader("c.csv", _coefficients, (b"id,value,unit\na,1,t\nb,2,t\n",)),
        "recipe": Reader("model.toml", _recipe, (shipped("models/stock/model.toml").read_bytes(),)),
        "model": Reader("estimator.skops", _model, _model_files(folder)[:1]),
        "model card": Reader("card.json", _card, _model_files(folder)[1:]),
        "manifest": Reader("manifest.json", _manifest, (_run_manifest(folder),)),
        "archive": Reader("a.zip", _archive, (_zip(folder),)),
        "tar": Reader("a.tar", _archive, (_tar(tarfile.PAX_FORMAT), _tar(tarfile.GNU_FORMAT))),
        "safe xml": Reader("MTD_MSIL2A.xml", _safe, (SAFE_XML.encode(),)),
        "gedi": Reader("g.h5", lambda path: read_granules([path]), (_granule(folder),)),
    }


def _zones() -> gpd.GeoDataFrame:
    boxes = [shapely.box(113.0, 27.0, 113.1, 27.1), shapely.box(113.1, 27.0, 113.2, 27.1)]
    columns = {"adcode": ["a", "b"], "name": ["甲区", "乙区"], "name_en": ["A", "B"]}
    return gpd.GeoDataFrame(columns, geometry=boxes, crs="EPSG:4326")


def _points() -> gpd.GeoDataFrame:
    columns = {"plot_id": ["1", "2"], "date": ["2025-10-01", "2025-10-02"], "volume_m3_ha": [68.5, 0.0]}
    places = gpd.points_from_xy([113.1, 113.2], [27.8, 27.7])
    return gpd.GeoDataFrame(columns, geometry=places, crs="EPSG:4326")


def _vector(frame: gpd.GeoDataFrame, folder: Path, name: str, driver: str, **more: object) -> bytes:
    frame.assign(**more).to_file(folder / f"seed-{name}", driver=driver)
    return (folder / f"seed-{name}").read_bytes()


def _shapefile(frame: gpd.GeoDataFrame, folder: Path) -> bytes:
    (folder / "shape").mkdir()
    frame.to_file(folder / "shape" / "z.shp", encoding="gbk")
    with zipfile.ZipFile(folder / "seed-z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "shape").iterdir()):
            archive.write(path, path.name)
    return (folder / "seed-z.zip").read_bytes()


def _sheet(frame: pd.DataFrame, folder: Path) -> bytes:
    frame.to_excel(folder / "seed.xlsx", index=False)
    return (folder / "seed.xlsx").read_bytes()


def _parquet(frame: gpd.GeoDataFrame, folder: Path) -> bytes:
    frame.to_parquet(folder / "seed.parquet")
    return (folder / "seed.parquet").read_bytes()


def _tiff(folder: Path, **more: object) -> bytes:
    values = np.random.default_rng(7).integers(1, 4000, (2, 32, 32)).astype(np.uint16)
    profile = {"driver": "GTiff", "count": 2, "height": 32, "width": 32, "dtype": "uint16", "nodata": 0}
    with rasterio.open(
        folder / "seed.tif", "w", crs="EPSG:32649", transform=GRID.affine, compress="deflate", **profile, **more
    ) as file:
        file.write(values)
    return (folder / "seed.tif").read_bytes()


def _model_files(folder: Path) -> tuple[bytes, bytes]:
    if not (folder / "m").exists():
        artefact.save(folder / "m", trained('class = "sklearn.linear_model.Ridge"'))
    return tuple((folder / "m" / name).read_bytes() for name in ("estimator.skops", "card.json"))


def _run_manifest(folder: Path) -> bytes:
    store = RunStore(folder)
    store.run_stage("map", {"a": 1}, lambda work: (work / "out.txt").write_text("x"))
    store.write_manifest({"name": "t"}, ["map"])
    return (folder / "manifest.json").read_bytes()


def _tar(kind: int) -> bytes:
    """Short, long and Chinese names, with the headers that either format has for them."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=kind) as archive:
        for name in ("a/b.txt", "影像.jp2", "/".join(["long" * 20] * 3)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = 700, 0
            archive.addfile(entry, io.BytesIO(bytes(700)))
    return held.getvalue()


def _zip(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "seed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a/b.txt", "影像.tif", "c"):
            archive.writestr(name, name * 20)
    return (folder / "seed.zip").read_bytes()


def _granule(folder: Path) -> bytes:
    return write_granule(folder / "seed.h5", {"BEAM0000": {"lon": [113.1, 113.2], "lat": [27.8, 27.7]}}).read_bytes()


def repack(content: bytes, change: Callable[[bytes], bytes], pick: Callable[[int], int]) -> bytes:
    """A zip with one of its files changed, so that what lies behind the packing is reached too."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as given:
            files = {name: given.read(name) for name in given.namelist()}
    except (zipfile.BadZipFile, OSError):
        return content
    name = sorted(files)[pick(len(files))]
    files[name] = change(files[name])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held in files.items():
            archive.writestr(name, held)
    return stream.getvalue()
