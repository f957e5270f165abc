"""Data sets of the Earth Engine catalogue that are used, and what their numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sinkest.imagery.sensors import BANDS

SENTINEL2 = "COPERNICUS/S2_SR_HARMONIZED"
CLOUD_SCORE = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
SENTINEL1 = "COPERNICUS/S1_GRD_FLOAT"
GEDI_INDEX = "LARSE/GEDI/GEDI04_A_002_INDEX"

REFLECTANCE_SCALE = 1e-4
REFLECTANCE_POLICY = "scale 0.0001, offset 0: the harmonised collection has the offset of baseline 04.00 taken off"
BACKSCATTER_POLICY = "linear sigma0 / cos(incidence on the ellipsoid) = gamma0; terrain not flattened"

OPTICAL: Mapping[str, str] = {common: band.replace("B0", "B") for band, common in BANDS["sentinel-2"].items()}
"""Common band name to the collection's: B2 where the product itself has B02."""

RADAR: Mapping[str, str] = {common: band for band, common in BANDS["sentinel-1"].items()}

INCIDENCE = "angle"


@dataclass(frozen=True)
class ElevationModel:
    """An elevation model: one image, or tiles of one lattice ``transform`` in EPSG:4326."""

    asset: str
    band: str
    transform: tuple[float, ...] | None


ELEVATION: Mapping[str, ElevationModel] = {
    # Pixel centres lie on whole arc seconds. North and south of 50 degrees the tiles are coarser from west to east, and
    # their columns come out in steps there.
    "glo30": ElevationModel(
        "COPERNICUS/DEM/GLO30", "DEM", (1 / 3600, 0.0, -180.0 - 0.5 / 3600, 0.0, -1 / 3600, 90.0 + 0.5 / 3600)
    ),
    "nasadem": ElevationModel("NASA/NASADEM_HGT/001", "elevation", None),
}

LAYER_UNITS: Mapping[str, str] = {
    "palsar_hh": "dB",
    "palsar_hv": "dB",
    "worldcover": "class",
    "dynamic_world": "class",
    "jrc_water": "percent",
}
"""Maps of others by name: units. Classes are those of the data set's own legend."""

PALSAR = "JAXA/ALOS/PALSAR/YEARLY/SAR_EPOCH"
PALSAR_UNUSABLE = (0, 100, 150)
"""Values of its quality band: no data, layover, shadow."""
WORLDCOVER = "ESA/WorldCover/v200"
DYNAMIC_WORLD = "GOOGLE/DYNAMICWORLD/V1"
JRC_WATER = "JRC/GSW1_4/GlobalSurfaceWater"

YEARLY: Mapping[str, str] = {"palsar_hh": PALSAR, "palsar_hv": PALSAR, "dynamic_world": DYNAMIC_WORLD}
"""Collections of the maps that are made for each year."""
