"""Reading vector files of any kind: GeoJSON, GeoPackage, Shapefile (also zipped), KML, file geodatabase, GeoParquet."""

from __future__ import annotations

import shutil
import tempfile
import warnings
import zipfile
import zlib
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import geopandas as gpd
import pyarrow
import pyogrio
import pyogrio.errors
import pyproj.exceptions
import shapely

from sinkest.aoi.container import HEAD_BYTES, refuse_directions, refuse_programs
from sinkest.archives import members
from sinkest.errors import InputError
from sinkest.limits import VECTOR_BYTES

ZIPPED = (".shp", ".geojson", ".json", ".gpkg", ".kml", ".fgb")
TEXTUAL = {".geojson", ".json", ".kml", ".zip"}
"""Formats that are read as a whole, whatever is wanted of them."""
PARQUET = {".parquet", ".geoparquet", ".pq"}
UNREADABLE = (
    pyogrio.errors.CRSError,
    pyogrio.errors.DataLayerError,
    pyogrio.errors.DataSourceError,
    pyogrio.errors.FeatureError,
    pyogrio.errors.FieldError,
    pyogrio.errors.GeometryError,
    pyproj.exceptions.ProjError,
    shapely.errors.ShapelyError,
    pyarrow.ArrowException,
    UnboundLocalError,  # of pyogrio, where a layer's coordinate system cannot be told
    OSError,
    LookupError,
    TypeError,
    UnicodeError,
    ValueError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_vector(path: str | Path, layer: str | None = None) -> gpd.GeoDataFrame:
    """Read one layer of a vector file, with every column and as it stands.

    Parameters
    ----------
    path : path
        GeoJSON, GeoPackage, Shapefile (``.shp``, or a ``.zip`` with one inside), KML, ``.gdb`` or GeoParquet.
    layer : str, optional
        Needed where the file holds more than one layer with geometry.

    Returns
    -------
    GeoDataFrame
        In the CRS of the file, which may be None. Chinese text in Shapefiles that don't say their encoding is read
        as GBK.

    Raises
    ------
    InputError
        If the file is missing, unreadable or damaged, leads to other files or services, computes its layers with SQL,
        holds no layer with geometry, or several and none was named.
    """
    file = Path(path)
    if not file.exists():
        raise InputError("aoi.no_file", file=file)
    if file.is_dir() and file.suffix.lower() != ".gdb":
        raise InputError("aoi.folder", file=file)
    if file.is_file() and file.stat().st_size > VECTOR_BYTES and file.suffix.lower() in TEXTUAL:
        raise InputError("aoi.too_large", file=file, limit=VECTOR_BYTES)
    try:
        with warnings.catch_warnings():
            # What GDAL only warns of (unclosed rings, unusual nesting) is checked by the caller on the geometry itself.
            warnings.simplefilter("ignore")
            frame = gpd.read_parquet(file) if file.suffix.lower() in PARQUET else _read_ogr(file, layer)
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError("aoi.unreadable", file=file, reason=_first_line(error)) from error
    _refuse_twins(file, frame)
    if file.suffix.lower() not in {".shp", ".zip"}:
        return frame
    mended = _mend_encoding(frame)
    _refuse_twins(file, mended)
    return mended


def _refuse_twins(file: Path, frame: gpd.GeoDataFrame) -> None:
    twins = [str(name) for name in frame.columns[frame.columns.duplicated()]]
    if twins:
        raise InputError("aoi.unreadable", file=file, reason=f"two columns {ascii(twins[0])[:60]}")


def _read_ogr(file: Path, layer: str | None) -> gpd.GeoDataFrame:
    if file.suffix.lower() == ".zip":
        return _read_zip(file, layer)
    if file.is_file():
        refuse_programs(file)
    layers = [str(name) for name, kind in pyogrio.list_layers(file) if kind is not None]
    return gpd.read_file(file, layer=_chosen(file, layers, layer), engine="pyogrio")


def _read_zip(file: Path, layer: str | None) -> gpd.GeoDataFrame:
    """The vector file inside an archive, in whatever folder; its stem serves as the name of the layer."""
    members(file)  # nothing that would lead out of it or unpack to more than a machine holds
    with zipfile.ZipFile(file) as archive:
        found = {
            PurePosixPath(name).stem: name
            for name in archive.namelist()
            if name.lower().endswith(ZIPPED) and "__MACOSX" not in name
        }
        chosen = found[_chosen(file, sorted(found), layer)]
        with archive.open(chosen) as packed:
            database = refuse_directions(file, packed.read(HEAD_BYTES))
        if database:
            return _read_database(file, archive, chosen)
    return gpd.read_file(f"/vsizip/{{{file.resolve()}}}/{chosen}", engine="pyogrio")


def _read_database(file: Path, archive: zipfile.ZipFile, name: str) -> gpd.GeoDataFrame:
    """A GeoPackage out of an archive: only unpacked can it be looked into first."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / PurePosixPath(name).name
        with archive.open(name) as packed, place.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
        try:
            return _read_ogr(place, None)
        except InputError as error:
            raise InputError(error.key, **{**error.fields, "file": file}) from error


def _chosen(file: Path, layers: list[str], layer: str | None) -> str:
    if not layers:
        raise InputError("aoi.no_layer", file=file)
    if layer is None and len(layers) > 1:
        raise InputError("aoi.several_layers", file=file, layers=", ".join(layers))
    if layer is not None and layer not in layers:
        raise InputError("aoi.unknown_layer", file=file, layer=layer, layers=", ".join(layers))
    return layer or layers[0]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _mend_encoding(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Turn GBK text that was taken for Latin-1 back into Chinese, in values and column names."""
    mended = frame.rename(columns={name: _as_gbk(name) for name in frame.columns if name != frame.geometry.name})
    for name in mended.columns:
        if name != mended.geometry.name and mended[name].map(lambda value: isinstance(value, str)).any():
            mended[name] = mended[name].map(lambda value: _as_gbk(value) if isinstance(value, str) else value)
    return mended


def _as_gbk(text: str) -> str:
    """Chinese text if this is GBK read as Latin-1, which shows as runs of an even number of high characters."""
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        return text
    runs = "".join(character if ord(character) >= 0xA1 else " " for character in text).split()
    if not runs or any(len(run) % 2 for run in runs):
        return text
    try:
        chinese = raw.decode("gbk")
    except UnicodeDecodeError:
        return text
    return chinese if all(ord(character) < 0x80 or ord(character) >= 0x2E80 for character in chinese) else text


def nearest_column(wanted: str, columns: list[str], synonyms: tuple[str, ...] = ()) -> str | None:
    """The existing column that was most likely meant, or None."""
    folded = {column.casefold(): column for column in reversed(columns)}
    for name in (wanted, *synonyms):
        if name.casefold() in folded:
            return folded[name.casefold()]
    close = get_close_matches(wanted.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None
