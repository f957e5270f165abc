"""What is fixed for a sensor: band names, number scales, and the meaning of its quality band.

Sources of the tables: Sentinel-2 Products Specification Document (bands, scene classification), Landsat Collection 2
Level-2 Science Product Guide (bands, scale, QA_PIXEL bits), Zhu & Woodcock 2012 (Fmask classes as distributed with
Landsat surface reflectance).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BANDS: Mapping[str, Mapping[str, str]] = {
    "sentinel-2": {
        "B02": "blue",
        "B03": "green",
        "B04": "red",
        "B05": "rededge1",
        "B06": "rededge2",
        "B07": "rededge3",
        "B08": "nir",
        "B8A": "nir08",
        "B11": "swir1",
        "B12": "swir2",
    },
    "landsat-5": {"B1": "blue", "B2": "green", "B3": "red", "B4": "nir", "B5": "swir1", "B7": "swir2"},
    "landsat-7": {"B1": "blue", "B2": "green", "B3": "red", "B4": "nir", "B5": "swir1", "B7": "swir2"},
    "landsat-8": {"B2": "blue", "B3": "green", "B4": "red", "B5": "nir", "B6": "swir1", "B7": "swir2"},
    "landsat-9": {"B2": "blue", "B3": "green", "B4": "red", "B5": "nir", "B6": "swir1", "B7": "swir2"},
    "sentinel-1": {"VV": "vv", "VH": "vh"},
}
"""Provider's band name to common name, by sensor."""

COMMON_BANDS = (
    "blue",
    "green",
    "red",
    "rededge1",
    "rededge2",
    "rededge3",
    "nir",
    "nir08",
    "swir1",
    "swir2",
    "vv",
    "vh",
)


@dataclass(frozen=True)
class NumberScale:
    """How stored numbers become physical values: ``value = stored * scale + offset``."""

    scale: float
    offset: float
    nodata: float | None


LANDSAT_C2_L2 = NumberScale(scale=0.0000275, offset=-0.2, nodata=0)

DEFAULT_SCALE: Mapping[str, NumberScale] = {
    "landsat-5": LANDSAT_C2_L2,
    "landsat-7": LANDSAT_C2_L2,
    "landsat-8": LANDSAT_C2_L2,
    "landsat-9": LANDSAT_C2_L2,
}
"""Scale of the current standard product. Sentinel-2 is absent on purpose: its offset is 0 before processing baseline
04.00 and -0.1 from it on, archives have removed or kept it, and the acquisition date does not tell which."""


PALSAR_OFFSET_DB = -83.0
"""Of the yearly PALSAR and PALSAR-2 mosaics of JAXA: gamma0 in dB = 10 log10(DN ** 2) + this (Shimada et al. 2014,
Remote Sensing of Environment 155)."""


@dataclass(frozen=True)
class QaCodes:
    """Meaning of the values of a class-coded quality band.

    Attributes
    ----------
    names : mapping of int to str
        Class by code.
    clear : tuple of int
        Codes counted as a clear view of the ground unless the user declares others.
    spreads : tuple of int
        Codes whose edges are not to be trusted, so that a dilation grows them: clouds and their shadows.
    fill : tuple of int
        Codes of no data; never clear, never dilated.
    """

    names: Mapping[int, str]
    clear: tuple[int, ...]
    spreads: tuple[int, ...]
    fill: tuple[int, ...]


SCL = QaCodes(
    names={
        0: "no data",
        1: "saturated or defective",
        2: "dark area or topographic shadow",
        3: "cloud shadow",
        4: "vegetation",
        5: "not vegetated",
        6: "water",
        7: "unclassified",
        8: "cloud, medium probability",
        9: "cloud, high probability",
        10: "thin cirrus",
        11: "snow or ice",
    },
    # 2 stays: in winter it covers shaded northern slopes on every date, so refusing it leaves them without any
    # observation. 7 stays: it is the classifier's undecided remainder, a quarter of some cloudless mountain scenes. The
    # odd cloud rim or dark shadow among both is what a median of several dates removes.
    clear=(2, 4, 5, 6, 7),
    spreads=(3, 8, 9, 10),
    fill=(0,),
)

FMASK = QaCodes(
    names={0: "clear land", 1: "clear water", 2: "cloud shadow", 3: "snow", 4: "cloud", 255: "no data"},
    clear=(0, 1),
    spreads=(2, 4),
    fill=(255,),
)

CLEAR = QaCodes(names={0: "not clear", 1: "clear", 255: "no data"}, clear=(1,), spreads=(0,), fill=(255,))

QA_CODES: Mapping[str, QaCodes] = {"scl": SCL, "fmask": FMASK, "clear": CLEAR}

QA_PIXEL_BITS: Mapping[str, int] = {
    "fill": 0,
    "dilated_cloud": 1,
    "cirrus": 2,
    "cloud": 3,
    "cloud_shadow": 4,
    "snow": 5,
    "clear": 6,
    "water": 7,
}
"""Bit numbers of the Landsat Collection 2 QA_PIXEL band; bits 8 to 15 hold two-bit confidences and are not used."""

QA_PIXEL_UNCLEAR = ("dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow")
QA_PIXEL_SPREADS = ("cirrus", "cloud", "cloud_shadow")
"""The bit ``dilated_cloud`` is a dilation already and is not dilated again."""
