"""Landsat 8 and 9, Collection 2 Level-2: surface reflectance as delivered, GeoTIFFs and an MTL file in a folder or tar.

Groups and keys as in the Landsat 8-9 Collection 2 Level-2 Science Product Guide. The metadata repeat the keys of
Level-1, with other numbers, so a key counts only within its group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from sinkest.errors import SourceError
from sinkest.imagery.products.contents import Contents, file_name, finite_number
from sinkest.imagery.products.product import Product
from sinkest.imagery.sensors import BANDS, LANDSAT_C2_L2
from sinkest.imagery.tiled import Tile, TileBand

KIND = "Landsat C2 L2"
SUFFIX = "_MTL.txt"

_CONTENTS, _ATTRIBUTES = "PRODUCT_CONTENTS", "IMAGE_ATTRIBUTES"
_RECORD = "LEVEL2_PROCESSING_RECORD"
_SCALES = "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"
_LEVELS = ("L2SP", "L2SR")
_QUALITY = "FILE_NAME_QUALITY_L1_PIXEL"

Groups = Mapping[str, Mapping[str, str]]


def metadata_files(contents: Contents) -> tuple[str, ...]:
    """MTL files of a folder or archive, one a product."""
    return tuple(name for name in contents.names if name.endswith(SUFFIX))


def read_landsat(contents: Contents, metadata: str, bands: Sequence[str] | None = None) -> Product:
    """Read the metadata of a product.

    Parameters
    ----------
    contents : Contents
    metadata : str
        Its MTL file.
    bands : sequence of str, optional
        Common names of the bands that must be there; default all that the sensor has.

    Raises
    ------
    SourceError
        If the product is not Collection 2 Level-2 of a known sensor, or a key or a file is missing.
    """
    told = contents.told(metadata)
    groups = parse_mtl(contents.text(metadata).decode("utf-8", "replace"))
    sensor = _sensor(groups, told)
    known = {code: band for code, band in BANDS[sensor].items() if bands is None or band in bands}
    product = _get(groups, told, _CONTENTS, "LANDSAT_PRODUCT_ID")
    day, hour = _get(groups, told, _ATTRIBUTES, "DATE_ACQUIRED"), _get(groups, told, _ATTRIBUTES, "SCENE_CENTER_TIME")
    track = _get(groups, told, _ATTRIBUTES, "WRS_PATH").zfill(3)
    try:
        time = datetime.fromisoformat(f"{day}T{hour.removesuffix('Z')[:15]}")
        tile = _tile(contents, metadata, groups, known)
        cloud = float(groups[_ATTRIBUTES].get("CLOUD_COVER", "nan"))
        sun = tuple(groups[_ATTRIBUTES].get(key) for key in ("SUN_ELEVATION", "SUN_AZIMUTH"))
        sun_deg = None if sun[0] is None or sun[1] is None else (90.0 - float(sun[0]), float(sun[1]) % 360.0)
        made = datetime.fromisoformat(_get(groups, told, _RECORD, "DATE_PRODUCT_GENERATED").removesuffix("Z"))
    except ValueError as error:
        raise SourceError("products.mtl_value", kind="mismatch", file=told, reason=str(error)) from error
    one = tile.any_band
    return Product(
        path=contents.path,
        kind=KIND,
        sensor=sensor,
        time=time,
        overpass=f"{sensor}_{track}_{day}",
        tile=tile,
        version=made.timetuple()[:6],
        name=f"{product[:4]} {_get(groups, told, _CONTENTS, 'PROCESSING_LEVEL')} collection 02",
        offset_policy=f"scale {one.scale:g}, offset {one.offset:g}, of the MTL file",
        cloud=None if cloud != cloud or cloud < 0 else cloud,
        sun_deg=sun_deg,
    )


def parse_mtl(text: str) -> dict[str, dict[str, str]]:
    """Groups of an MTL file: name to keys and values, quotes taken off; the innermost group holds a key."""
    groups: dict[str, dict[str, str]] = {}
    within: list[str] = []
    for line in text.splitlines():
        key, equals, value = (piece.strip() for piece in line.partition("="))
        if not equals:
            continue
        if key == "GROUP":
            within.append(value)
        elif key == "END_GROUP":
            within = within[:-1]
        elif within:
            groups.setdefault(within[-1], {})[key] = value.strip('"')
    return groups


def _sensor(groups: Groups, told: str) -> str:
    flat = {key: value for group in groups.values() for key, value in group.items()}
    spacecraft = flat.get("SPACECRAFT_ID", "-")
    sensor = spacecraft.lower().replace("_", "-")
    level = groups.get(_CONTENTS, {}).get("PROCESSING_LEVEL") or flat.get("PRODUCT_TYPE", flat.get("DATA_TYPE", "-"))
    collection = groups.get(_CONTENTS, {}).get("COLLECTION_NUMBER") or flat.get("COLLECTION_NUMBER", "-")
    if level not in _LEVELS or collection not in ("02", "2") or sensor not in BANDS:
        raise SourceError(
            "products.not_c2_l2", kind="mismatch", file=told, given=f"{spacecraft}, {level}, collection {collection}"
        )
    return sensor


def _tile(contents: Contents, metadata: str, groups: Groups, known: Mapping[str, str]) -> Tile:
    told, folder = contents.told(metadata), PurePosixPath(metadata).parent
    found: dict[str, TileBand] = {}
    for code, band in known.items():
        number = code.removeprefix("B")
        found[band] = TileBand(
            asset=code,
            place=_file(contents, folder, groups, told, f"FILE_NAME_BAND_{number}"),
            scale=_scale(groups, told, f"REFLECTANCE_MULT_BAND_{number}", positive=True),
            offset=_scale(groups, told, f"REFLECTANCE_ADD_BAND_{number}"),
            nodata=LANDSAT_C2_L2.nodata,
        )
    qa = TileBand("QA_PIXEL", _file(contents, folder, groups, told, _QUALITY), nodata=1)
    return Tile(file_name(metadata).removesuffix(SUFFIX), found, qa, "qa_pixel")


def _scale(groups: Groups, told: str, key: str, *, positive: bool = False) -> float:
    return finite_number(_get(groups, told, _SCALES, key), told, key, positive=positive)


def _file(contents: Contents, folder: PurePosixPath, groups: Groups, told: str, key: str) -> str:
    name = (folder / file_name(_get(groups, told, _CONTENTS, key))).as_posix()
    if name not in contents.names:
        raise SourceError("products.no_file", kind="missing", product=contents.path, wanted=name, key=key)
    return contents.place(name)


def _get(groups: Groups, told: str, group: str, key: str) -> str:
    value = groups.get(group, {}).get(key)
    if value is None:
        raise SourceError("products.no_key", kind="mismatch", file=told, key=key, group=group)
    return value
