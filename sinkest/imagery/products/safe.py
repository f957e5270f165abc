"""Sentinel-2 Level-2A products in the format they are delivered in: a folder ``*.SAFE``, or its zip.

Names and elements as in the Sentinel-2 Products Specification Document: ``MTD_MSIL2A.xml`` beside a folder ``GRANULE``
with one JPEG 2000 file a band and resolution.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from sinkest.errors import SourceError
from sinkest.imagery import sentinel2
from sinkest.imagery.products.contents import Contents, file_name, finite_number, parse_xml
from sinkest.imagery.products.product import Product
from sinkest.imagery.sensors import BANDS
from sinkest.imagery.tiled import Tile, TileBand

METADATA = "MTD_MSIL2A.xml"
METADATA_L1C = "MTD_MSIL1C.xml"
METADATA_TILE = "MTD_TL.xml"
KIND = "Sentinel-2 L2A"
OFFSET, QUANTIFICATION, CLOUD = "BOA_ADD_OFFSET", "BOA_QUANTIFICATION_VALUE", "Cloud_Coverage_Assessment"

_IMAGE = re.compile(r".*IMG_DATA/.*_(?P<band>B\d[\dA]|SCL)_(?P<metres>10|20|60)m\.jp2\Z")


def split(contents: Contents) -> list[Contents]:
    """The products of a folder or archive, each with its own files.

    A folder is a product only where the metadata file lies in it at once; one that holds products deeper down is none,
    whatever its name. An archive may hold any number of products. What is named like a product but has no metadata
    file at all is given as it is, so that :func:`read_safe` can say what is missing.
    """
    metadata = _metadata(contents)
    if metadata:
        return [_part(contents, name.removesuffix(METADATA)) for name in metadata]
    deeper = any(file_name(name) == METADATA for name in contents.names)
    named = re.search(r"S2._MSIL2A_", contents.path.name) is not None
    return [contents] if named and not deeper else []


def read_safe(contents: Contents, bands: Sequence[str] | None = None) -> Product:
    """Read the metadata of a product.

    Parameters
    ----------
    contents : Contents
    bands : sequence of str, optional
        Common names of the bands that must be there; default all of the sensor.

    Raises
    ------
    SourceError
        If the metadata file or a band is missing, or the metadata do not tell the processing baseline or, from
        baseline 04.00 on, the offsets.
    """
    metadata = _metadata(contents)
    if not metadata:
        raise SourceError("products.no_metadata", kind="missing", product=contents.path, wanted=METADATA)
    name = metadata[0]
    root = parse_xml(contents, name)
    told = contents.told(name)
    baseline = sentinel2.baseline_of(_text(root, "PROCESSING_BASELINE"))
    if baseline is None:
        given = _text(root, "PROCESSING_BASELINE") or "-"
        raise SourceError("products.baseline", kind="mismatch", file=told, given=given)
    wanted = tuple(bands or BANDS["sentinel-2"].values())
    offsets = _offsets(root, told, baseline)
    stated = _text(root, QUANTIFICATION)
    quantification = finite_number(stated, told, QUANTIFICATION, positive=True) if stated else sentinel2.QUANTIFICATION
    inside = PurePosixPath(name).parent.name
    tile = _tile(contents, inside or contents.path.name, wanted, offsets, quantification)
    datatake = _attribute(root, "Datatake", "datatakeIdentifier")
    cloud = _text(root, CLOUD)
    shared = {offsets.get(band, 0.0) for band in wanted}
    version = f"{baseline[0]:02d}.{baseline[1]:02d}"
    return Product(
        path=contents.path,
        kind=KIND,
        sensor="sentinel-2",
        time=_time(root, told),
        # the identifier ends with the baseline, which must not part tiles that were processed at different times
        overpass=re.sub(r"_N\d\d\.\d\d\Z", "", datatake) or tile.id,
        tile=tile,
        version=baseline,
        name=f"{_text(root, 'PRODUCT_TYPE') or 'S2MSI2A'} {version}",
        offset_policy=sentinel2.policy(
            shared.pop() if len(shared) == 1 else float("nan"), f"BOA_ADD_OFFSET of {METADATA}, baseline {version}"
        ),
        cloud=finite_number(cloud, told, CLOUD) if cloud else None,
        sun_deg=_sun(contents),
    )


def _metadata(contents: Contents) -> list[str]:
    """The metadata files: of a folder its own, of an archive those of all its products."""
    return [name for name in contents.names if file_name(name) == METADATA and (contents.packed or "/" not in name)]


def _part(contents: Contents, folder: str) -> Contents:
    return Contents(contents.path, tuple(name for name in contents.names if name.startswith(folder)))


def _sun(contents: Contents) -> tuple[float, float] | None:
    """Mean zenith angle and azimuth of the sun out of the tile's own metadata, where they are there."""
    name = next((one for one in contents.names if file_name(one) == METADATA_TILE), None)
    if name is None:
        return None
    mean = next((one for one in parse_xml(contents, name).iter() if one.tag.endswith("Mean_Sun_Angle")), None)
    angles = [] if mean is None else [_text(mean, "ZENITH_ANGLE"), _text(mean, "AZIMUTH_ANGLE")]
    if not angles or not all(angles):
        return None
    zenith, azimuth = (finite_number(one, contents.told(name), "Mean_Sun_Angle") for one in angles)
    return zenith, azimuth


def _text(root: Element, tag: str) -> str:
    """Text of the first element of a name, whatever its namespace; empty where there is none."""
    element = next((one for one in root.iter() if one.tag.rpartition("}")[2] == tag), None)
    return "" if element is None or element.text is None else element.text.strip()


def _attribute(root: Element, tag: str, name: str) -> str:
    element = next((one for one in root.iter() if one.tag.rpartition("}")[2] == tag), None)
    return "" if element is None else str(element.get(name, ""))


def _time(root: Element, told: str) -> datetime:
    text = _text(root, "DATATAKE_SENSING_START") or _text(root, "PRODUCT_START_TIME")
    try:
        return datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError as error:
        raise SourceError("products.no_time", kind="mismatch", file=told, given=text or "-") from error


def _offsets(root: Element, told: str, baseline: tuple[int, int]) -> dict[str, float]:
    """Offset in stored numbers by common band name."""
    listed = [one for one in root.iter() if one.tag.rpartition("}")[2] == OFFSET]
    if not listed:
        if sentinel2.has_offset(baseline):
            raise SourceError(
                "products.no_offsets", kind="mismatch", file=told, baseline=f"{baseline[0]:02d}.{baseline[1]:02d}"
            )
        return {}
    order = _band_order(root)
    found: dict[str, float] = {}
    for one in listed:
        band = BANDS["sentinel-2"].get(order.get(str(one.get("band_id")), ""))
        if band is not None:
            found[band] = finite_number(one.text or "0", told, OFFSET)
    missing = [band for band in BANDS["sentinel-2"].values() if band not in found]
    if missing:
        raise SourceError("products.offsets_of", kind="mismatch", file=told, bands=", ".join(missing))
    return found


def _band_order(root: Element) -> dict[str, str]:
    """Band by ``band_id``: as the file's spectral information lists them, else in the order of the specification."""
    listed = [one for one in root.iter() if one.tag.rpartition("}")[2] == "Spectral_Information"]
    names = {str(one.get("bandId")): str(one.get("physicalBand")) for one in listed}
    if not names:
        usual = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
        names = {str(k): name for k, name in enumerate(usual)}
    return {key: f"B0{name[1]}" if len(name) == 2 else name for key, name in names.items()}


def _tile(
    contents: Contents, name: str, wanted: Sequence[str], offsets: dict[str, float], quantification: float
) -> Tile:
    """The finest file of every band."""
    finest: dict[str, tuple[int, str]] = {}
    for file in contents.names:
        found = _IMAGE.match(file)
        if found is not None:
            one = (int(found["metres"]), file)
            finest[found["band"]] = min(finest.get(found["band"], one), one)
    common = {code: band for code, band in BANDS["sentinel-2"].items() if band in wanted}
    missing = [code for code in (*common, "SCL") if code not in finest]
    if missing:
        raise SourceError(
            "products.no_band",
            kind="missing",
            product=contents.path,
            bands=", ".join(missing),
            wanted=f"*_{missing[0]}_*m.jp2",
        )
    return Tile(
        id=name,
        bands={
            band: TileBand(
                asset=code,
                place=contents.place(finest[code][1]),
                scale=1 / quantification,
                offset=offsets.get(band, 0.0) / quantification,
                nodata=sentinel2.NODATA,
            )
            for code, band in common.items()
        },
        qa=TileBand("SCL", contents.place(finest["SCL"][1]), nodata=0),
        qa_kind="scl",
    )
