"""The files of a run as a STAC catalogue describes them: what lies where, how large, with which hash."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import rasterio
from shapely.geometry.base import BaseGeometry

from sinkest.messages import LANGUAGES, Message
from sinkest.report.data import ReportData
from sinkest.report.names import map_title
from sinkest.report.stac import COLLECTION, ITEM, Asset, Band, Raster, stac_collection, stac_item
from sinkest.runstore import MANIFEST, RunStore, file_sha256, pretty_json, write_bytes
from sinkest.stages import estimate, mapping

FOLDER = "stac"
_UP = "../.."
_TABLES = {"estimates.csv": "estimates", "estimates.parquet": "estimates", "targets.csv": "targets"}
_PAPERS = {
    "report.html": ("page", ("overview", "data")),
    "report.docx": ("word", ("overview",)),
    "workbook.xlsx": ("workbook", ("data",)),
    "overview.png": ("overview", ("thumbnail", "overview")),
    "counties.gpkg": ("counties", ("data",)),
    "counties.parquet": ("counties", ("data",)),
}


def write_catalogue(store: RunStore, data: ReportData, outline: BaseGeometry, folder: Path, name: str) -> None:
    """Write the collection and the item of a run.

    Parameters
    ----------
    store : RunStore
        With its stages up to the estimates sealed.
    data : ReportData
    outline : geometry
        Of the whole, WGS84 degrees.
    folder : Path
        Where the report's files lie while they are made.
    name : str
        Of the folder in which they will lie.
    """
    assets = [*_maps(store, data.response), *_tables(store), *_papers(folder, name)]
    assets.append(Asset("manifest", f"{_UP}/{MANIFEST}", _title("asset_manifest"), ("metadata",)))
    write_bytes(folder / FOLDER / ITEM, pretty_json(stac_item(data, outline, assets)))
    write_bytes(folder / FOLDER / COLLECTION, pretty_json(stac_collection(data, outline)))


def _title(key: str, **fields: str) -> str:
    return _in_all(Message.of(f"document.{key}", **fields))


def _in_all(message: Message) -> str:
    return " ".join(message.text(language) for language in LANGUAGES)


def _outputs(store: RunStore, stage: str) -> Mapping[str, str]:
    """Hashes of a stage's files, as they were sealed."""
    seal = store.seal(stage)
    found: Mapping[str, str] = seal["outputs"] if seal else {}
    return found


def _maps(store: RunStore, response: str) -> list[Asset]:
    assets = []
    for file, digest in _outputs(store, mapping.NAME).items():
        path = store.folder(mapping.NAME) / file
        href = f"{_UP}/{mapping.NAME}/{file}"
        if path.suffix == ".tif":
            title = _in_all(map_title(path.stem, response))
            roles, raster = ("data",), raster_facts(path)
            assets.append(Asset(path.stem, href, title, roles, path.stat().st_size, digest, raster))
        elif path.suffix == ".qml":
            title = _title("asset_style", name=path.stem)
            assets.append(Asset(f"{path.stem}_style", href, title, ("metadata",), path.stat().st_size, digest))
    return assets


def _tables(store: RunStore) -> list[Asset]:
    assets = []
    for file, digest in _outputs(store, estimate.NAME).items():
        if file in _TABLES:
            path = store.folder(estimate.NAME) / file
            href, title = f"{_UP}/{estimate.NAME}/{file}", _title(f"asset_{_TABLES[file]}")
            key = file.replace(".", "_")
            assets.append(Asset(key, href, title, ("data",), path.stat().st_size, digest))
    return assets


def _papers(folder: Path, name: str) -> list[Asset]:
    assets = []
    for file, (kind, roles) in _PAPERS.items():
        path = folder / file
        href, title = f"{_UP}/{name}/{file}", _title(f"asset_{kind}")
        key = "thumbnail" if "thumbnail" in roles else file.replace(".", "_")
        assets.append(Asset(key, href, title, roles, path.stat().st_size, file_sha256(path)))
    return assets


def raster_facts(path: Path) -> Raster:
    """What a map of a run says of itself."""
    with rasterio.open(path) as source:
        code = source.crs.to_epsg()
        names = {k: v for k, v in source.tags(1).items() if k.startswith("CLASS_")}
        colours = source.colormap(1) if names else {}
        classes = []
        for key, value in names.items():
            number = int(key.removeprefix("CLASS_"))
            red, green, blue, _ = colours[number]
            classes.append((number, value, f"#{red:02x}{green:02x}{blue:02x}"))
        bands = tuple(
            Band(name or f"band_{n}", unit or "", dtype, nodata)
            for n, (name, unit, dtype, nodata) in enumerate(
                zip(source.descriptions, source.units, source.dtypes, source.nodatavals, strict=True), 1
            )
        )
        return Raster(
            code=f"EPSG:{code}" if code else source.crs.to_wkt(),
            shape=(source.height, source.width),
            transform=tuple(source.transform)[:6],
            bands=bands,
            classes=tuple(sorted(classes)),
        )
