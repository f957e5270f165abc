"""The truth written out as deliveries: Sentinel-2 SAFE, GeoTIFF stacks, elevation models."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from tests.servers.truth import CODES, FINE, OFFSET_DN, TrueScene, Truth

METADATA = "MTD_MSIL2A.xml"

_BAND_IDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")


def write_raster(path: Path, grid: GeoBox, values: NDArray, nodata: float | None = 0, **options: object) -> Path:
    """One GeoTIFF, bands first if there are several."""
    stack = values if values.ndim == 3 else values[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff", "count": len(stack), "height": grid.shape.y, "width": grid.shape.x, "dtype": stack.dtype,
        "crs": str(grid.crs), "transform": grid.affine, "nodata": nodata, **options,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(stack)
    return path


def write_jp2(path: Path, grid: GeoBox, values: NDArray) -> Path:
    """One lossless JPEG 2000 file, as products hold them: georeferenced, without a declared nodata number."""
    return write_raster(path, grid, values, None, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES", YCBCR420="NO")


def metadata_xml(scene: TrueScene, baseline: str, offset_dn: int | None) -> str:
    """What of MTD_MSIL2A.xml tells time, processing and numbers."""
    spectral = "".join(f'<Spectral_Information bandId="{k}" physicalBand="{b}"/>' for k, b in enumerate(_BAND_IDS))
    rows = "".join(f'<BOA_ADD_OFFSET band_id="{k}">{offset_dn}</BOA_ADD_OFFSET>' for k in range(len(_BAND_IDS)))
    offsets = "" if offset_dn is None else f"<BOA_ADD_OFFSET_VALUES_LIST>{rows}</BOA_ADD_OFFSET_VALUES_LIST>"
    time = f"{scene.time:%Y-%m-%dT%H:%M:%S}.000Z"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
<n1:General_Info><Product_Info><PRODUCT_START_TIME>{time}</PRODUCT_START_TIME>
<PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL><PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE>
<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<Datatake datatakeIdentifier="{scene.datatake}_N{baseline}"><SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
<DATATAKE_SENSING_START>{time}</DATATAKE_SENSING_START></Datatake></Product_Info>
<Product_Image_Characteristics><QUANTIFICATION_VALUES_LIST>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>{offsets}
<Spectral_Information_List>{spectral}</Spectral_Information_List></Product_Image_Characteristics></n1:General_Info>
<n1:Quality_Indicators_Info><Cloud_Coverage_Assessment>{scene.cloud}</Cloud_Coverage_Assessment>
</n1:Quality_Indicators_Info></n1:Level-2A_User_Product>
"""


def safe_name(scene: TrueScene, tile: str = "T49RGM", baseline: str = "05.11") -> str:
    """Product name."""
    when = f"{scene.time:%Y%m%dT%H%M%S}"
    return f"S2A_MSIL2A_{when}_N{baseline.replace('.', '')}_R032_{tile}_{when}.SAFE"


def write_safe(
    folder: Path, truth: Truth, scene: TrueScene, *, tile: str = "T49RGM", baseline: str = "05.11", zipped: bool = False
) -> Path:
    """A Level-2A product, or its zip. Before baseline 04.00 numbers are stored without the offset and 0 is no data."""
    product = folder / safe_name(scene, tile, baseline)
    images = product / "GRANULE" / f"L2A_{tile}_A052000_{scene.time:%Y%m%dT%H%M%S}" / "IMG_DATA"
    newer = baseline >= "04.00"
    for band, numbers in scene.bands.items():
        metres = 10 if band in FINE else 20
        name = f"{tile}_{scene.time:%Y%m%dT%H%M%S}_{CODES[band]}_{metres}m.jp2"
        write_jp2(
            _made(images / f"R{metres}m") / name, truth.grid_of(band), numbers if newer else without_offset(numbers)
        )
    scl = _made(images / "R20m") / f"{tile}_{scene.time:%Y%m%dT%H%M%S}_SCL_20m.jp2"
    write_jp2(scl, truth.coarse, scene.scl)
    text = metadata_xml(scene, baseline, OFFSET_DN if newer else None)
    (product / METADATA).write_text(text, encoding="utf-8")
    if not zipped:
        return product
    archive = folder / f"{product.stem}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(product.rglob("*")):
            if file.is_file():
                packed.write(file, file.relative_to(folder).as_posix())
    shutil.rmtree(product)
    return archive


def without_offset(numbers: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The numbers of an archive that took the offset off: reflectance = stored / 10000."""
    out = np.clip(numbers.astype(np.int32) + OFFSET_DN, 1, None)
    return np.where(numbers == 0, 0, out).astype(np.uint16)


def write_stack(folder: Path, truth: Truth) -> Path:
    """A folder a date with one GeoTIFF a band, as StackSource reads them."""
    for scene in truth.scenes:
        day = folder / f"{scene.time:%Y%m%d}"
        for band, numbers in scene.bands.items():
            write_raster(day / f"{CODES[band]}.tif", truth.grid_of(band), numbers)
        write_raster(day / "SCL.tif", truth.coarse, scene.scl)
    return folder


def write_elevation(path: Path, truth: Truth) -> Path:
    """The elevation model, metres."""
    return write_raster(path, truth.fine, truth.elevation_m, float("nan"))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
