"""Whether the tiles of a deflated GeoTIFF are as they were written.

Every deflated tile ends with a checksum. GDAL stops unpacking when the tile is full and does not compare it, so damage
in the middle of a tile comes out as wrong pixels without a word. Here the packed bytes are looked at once more, from
what GDAL keeps in memory of the file it has just read.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import rasterio
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.imagery.raster import bounds_in

RAW_ALLOWED = {"GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE": "ALL"}
"""GDAL reads plain bytes only where it is told that it may."""

_RAW = (
    '<VRTDataset rasterXSize="{size}" rasterYSize="1">'
    "<GeoTransform>0,1,0,1,0,-1</GeoTransform>"  # any: GDAL warns where there is none
    '<VRTRasterBand dataType="Byte" band="1" '
    'subClass="VRTRawRasterBand"><SourceFilename relativeToVRT="0">{path}</SourceFilename>'
    "<ImageOffset>{offset}</ImageOffset><PixelOffset>1</PixelOffset><LineOffset>{size}</LineOffset>"
    "</VRTRasterBand></VRTDataset>"
)
_REACH_PX = 8
"""Pixels around a block that its resampling may draw on."""


def check_tiles(path: Path, grid: GeoBox, native: GeoBox, number: int, checked: set[tuple[int, int]]) -> None:
    """Compare the checksums of the tiles that a block was read from.

    Parameters
    ----------
    path : Path
        The file, as GDAL opens it.
    grid, native : GeoBox
        The block and the file's grid.
    number : int
        Band, counted from 1.
    checked : set of (int, int)
        Offset and size of tiles that are known to be whole; gets those that are found so.

    Raises
    ------
    SourceError
        If a tile does not unpack to its checksum.
    """
    with rasterio.open(path) as raster:
        if raster.driver != "GTiff" or str(raster.profile.get("compress", "")).lower() != "deflate":
            return
        for place in _touched(raster, grid, native, number):
            if place in checked:
                continue
            if not _is_whole(path, *place):
                raise SourceError("imagery.damaged", kind="unreadable", file=str(path), detail="checksum of a tile")
            checked.add(place)


def _touched(raster: Any, grid: GeoBox, native: GeoBox, number: int) -> Iterator[tuple[int, int]]:
    """Offset and size of the tiles that a block may draw on; tiles that were left out as empty have none."""
    left, bottom, right, top = bounds_in(grid, str(native.crs))
    columns, rows = zip(*(~native.affine * corner for corner in ((left, top), (right, bottom))), strict=True)
    height, width = raster.block_shapes[number - 1]
    for row in _span(rows, height, raster.height):
        for column in _span(columns, width, raster.width):
            offset = raster.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=number)
            size = raster.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=number)
            if offset is not None and size is not None and int(size) > 0:
                yield int(offset), int(size)


def _span(edges: tuple[float, ...], tile: int, length: int) -> range:
    first = max(0, math.floor(min(edges)) - _REACH_PX)
    last = min(length - 1, math.ceil(max(edges)) + _REACH_PX)
    return range(first // tile, last // tile + 1) if last >= first else range(0)


def _is_whole(path: Path, offset: int, size: int) -> bool:
    with rasterio.open(_RAW.format(path=escape(str(path)), offset=offset, size=size)) as raw:
        packed = raw.read(1).tobytes()
    unpacking = zlib.decompressobj()
    try:
        while packed and not unpacking.eof:
            unpacking.decompress(packed, 1 << 20)
            packed = unpacking.unconsumed_tail
    except zlib.error:
        return False
    return unpacking.eof
