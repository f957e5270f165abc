"""A run as a STAC collection with one item, so that copying the run's folder publishes it.

STAC 1.1.0 with the extensions projection 2.0.0, file 2.1.0 and classification 2.0.0. All links and addresses are
relative to the files themselves; nothing names the machine they were made on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from sinkest.messages import LANGUAGES, text
from sinkest.report.data import ReportData

VERSION = "1.1.0"
ITEM, COLLECTION = "item.json", "collection.json"
EXTENSIONS = {
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "file": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "classification": "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
}
MEDIA = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".gpkg": "application/geopackage+sqlite3",
    ".json": "application/json",
    ".html": "text/html",
    ".png": "image/png",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".qml": "application/xml",
    ".xml": "application/xml",
}
_SIMPLE_DEGREES = 0.002
_DECIMALS = 6


@dataclass(frozen=True)
class Band:
    """A band of a raster: its name, unit, data type and nodata value."""

    name: str
    unit: str
    data_type: str
    nodata: float | None


@dataclass(frozen=True)
class Raster:
    """What a raster says of itself; the classes are (code, name, colour ``#rrggbb``).

    ``code`` is the reference system as ``EPSG:n``, or in full as WKT where it has no number.
    """

    code: str
    shape: tuple[int, int]
    transform: tuple[float, ...]
    bands: tuple[Band, ...]
    classes: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True)
class Asset:
    """A file of the run.

    Attributes
    ----------
    key : str
        Unique within the item.
    href : str
        Path from the item to the file.
    title : str
    roles : sequence of str
    size : int or None
        Bytes.
    sha256 : str
        Empty where the file is written after the item.
    raster : Raster, optional
    """

    key: str
    href: str
    title: str
    roles: Sequence[str]
    size: int | None = None
    sha256: str = ""
    raster: Raster | None = None


def stac_item(data: ReportData, outline: BaseGeometry, assets: Sequence[Asset]) -> dict[str, Any]:
    """The run as an item.

    Parameters
    ----------
    data : ReportData
    outline : geometry
        Of the whole, WGS84 degrees; it is simplified to about 200 m.
    assets : sequence of Asset

    Returns
    -------
    dict
        JSON-able.
    """
    footprint = outline.simplify(_SIMPLE_DEGREES)
    properties: dict[str, Any] = {
        "title": _title(data),
        "description": _description(data),
        "datetime": None,
        **dict(zip(("start_datetime", "end_datetime"), _period(data.year), strict=True)),
        "sinkest:run_id": data.run_id,
        "sinkest:definition_id": data.definition.id,
        "sinkest:simulated": data.simulated,
        "sinkest:provisional": data.provisional,
    }
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": list(EXTENSIONS.values()),
        "id": _identifier(data),
        "collection": data.name,
        "geometry": _rounded(mapping(footprint)),
        "bbox": _bounds(outline),
        "properties": properties,
        "links": [
            {"rel": relation, "href": f"./{COLLECTION}", "type": MEDIA[".json"], "title": _title(data)}
            for relation in ("root", "parent", "collection")
        ],
        "assets": {asset.key: _asset(asset) for asset in assets},
    }


def stac_collection(data: ReportData, outline: BaseGeometry) -> dict[str, Any]:
    """The collection that the item belongs to; items of other years may be added to it."""
    start, end = _period(data.year)
    return {
        "type": "Collection",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": data.name,
        "title": _title(data),
        "description": _description(data),
        "keywords": ["forest", "growing stock", "carbon", "wetland", *(("simulated",) if data.simulated else ())],
        "license": "other",
        "extent": {
            "spatial": {"bbox": [_bounds(outline)]},
            "temporal": {"interval": [[start, end]]},
        },
        "links": [
            {"rel": "root", "href": f"./{COLLECTION}", "type": MEDIA[".json"], "title": _title(data)},
            {"rel": "item", "href": f"./{ITEM}", "type": "application/geo+json", "title": _identifier(data)},
        ],
    }


def _identifier(data: ReportData) -> str:
    return f"{data.name}-{data.year}-{data.run_id}"


def _title(data: ReportData) -> str:
    return " | ".join(text("report.title", lang, city=data.city(lang), year=data.year) for lang in LANGUAGES)


def _description(data: ReportData) -> str:
    """What the run is, and what must be known of all its numbers."""
    told = [text("document.stac", lang, city=data.city(lang), year=data.year) for lang in LANGUAGES]
    for kind, present in (("simulated", data.simulated), ("provisional", data.provisional)):
        told += [text(f"report.{kind}_text", lang) for lang in LANGUAGES if present]
    return "\n\n".join(told)


def _period(year: int) -> tuple[str, str]:
    return f"{year:04d}-01-01T00:00:00Z", f"{year:04d}-12-31T23:59:59Z"


def _asset(asset: Asset) -> dict[str, Any]:
    ending = "." + asset.href.rsplit(".", 1)[-1]
    found: dict[str, Any] = {
        "href": asset.href,
        "type": MEDIA.get(ending, "application/octet-stream"),
        "title": asset.title,
        "roles": list(asset.roles),
    }
    if asset.size is not None:
        found["file:size"] = asset.size
    if asset.sha256:
        found["file:checksum"] = f"1220{asset.sha256}"  # a multihash: SHA-256, 32 bytes
    return found if asset.raster is None else found | _raster(asset.raster)


def _raster(raster: Raster) -> dict[str, Any]:
    classes = [
        {"value": code, "name": f"class_{code}", "title": name, "color_hint": colour.removeprefix("#").upper()}
        for code, name, colour in raster.classes
    ]
    bands = [
        {
            "name": band.name,
            "data_type": band.data_type,
            **({"unit": band.unit} if band.unit else {}),
            **({} if band.nodata is None else {"nodata": "nan" if band.nodata != band.nodata else band.nodata}),
            **({"classification:classes": classes} if classes else {}),
        }
        for band in raster.bands
    ]
    known = raster.code.startswith("EPSG:")
    return {
        "proj:code": raster.code if known else None,
        **({} if known else {"proj:wkt2": raster.code}),
        "proj:shape": list(raster.shape),
        "proj:transform": list(raster.transform),
        "bands": bands,
    }


def _bounds(outline: BaseGeometry) -> list[float]:
    return [round(float(value), _DECIMALS) for value in outline.bounds]


def _rounded(geometry: Mapping[str, Any]) -> dict[str, Any]:
    def each(value: Any) -> Any:
        return [each(item) for item in value] if isinstance(value, list | tuple) else round(float(value), _DECIMALS)

    return {"type": geometry["type"], "coordinates": each(geometry["coordinates"])}
