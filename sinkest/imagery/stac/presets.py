"""Catalogues that are known by name, and what their collections call things.

Addresses, collections and asset names as Element 84 and Microsoft document them for Earth Search v1 and the Planetary
Computer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sinkest.imagery.source import QaKind

OffsetRule = Literal["auto", "baseline", "flag", "declared", "none"]
"""How the offset of Sentinel-2 is told, see `sinkest.imagery.stac.offsets`."""

_SENTINEL2_NAMES = {
    "blue": "blue",
    "green": "green",
    "red": "red",
    "rededge1": "rededge1",
    "rededge2": "rededge2",
    "rededge3": "rededge3",
    "nir": "nir",
    "nir08": "nir08",
    "swir1": "swir16",
    "swir2": "swir22",
}
_SENTINEL2_CODES = {
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "rededge2": "B06",
    "rededge3": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "swir1": "B11",
    "swir2": "B12",
}
_LANDSAT_NAMES = {
    "blue": "blue",
    "green": "green",
    "red": "red",
    "nir": "nir08",
    "swir1": "swir16",
    "swir2": "swir22",
}


@dataclass(frozen=True)
class Layout:
    """How a collection is to be read.

    Attributes
    ----------
    sensor : str
        Sensor id; empty where each item tells its platform.
    assets : mapping of str to str
        Common band name to asset.
    qa : str or None
        Asset of the quality band.
    qa_kind : {"scl", "qa_pixel"} or None
    offsets : str
        Rule for Sentinel-2, see `OffsetRule`.
    """

    sensor: str
    assets: Mapping[str, str]
    qa: str | None = None
    qa_kind: QaKind | None = None
    offsets: OffsetRule = "auto"


@dataclass(frozen=True)
class Preset:
    """A catalogue known by name.

    Attributes
    ----------
    url : str
    collection, radar, elevation : str
        Collections used by default; empty where the catalogue has none that fits.
    layouts : mapping of str to Layout
        By collection.
    sas : str
        Address that gives access tokens; empty where none are needed.
    """

    url: str
    collection: str
    radar: str = ""
    elevation: str = ""
    layouts: Mapping[str, Layout] = field(default_factory=dict)
    sas: str = ""


PRESETS: Mapping[str, Preset] = {
    "earth-search": Preset(
        url="https://earth-search.aws.element84.com/v1",
        # The older collection, sentinel-2-l2a, reaches back further, but what it tells of offsets is wrong for some
        # items, which nobody sees; that scenes are missing from the newer one can be seen.
        collection="sentinel-2-c1-l2a",
        elevation="cop-dem-glo-30",
        layouts={
            "sentinel-2-c1-l2a": Layout("sentinel-2", _SENTINEL2_NAMES, "scl", "scl", "baseline"),
            "sentinel-2-l2a": Layout("sentinel-2", _SENTINEL2_NAMES, "scl", "scl", "flag"),
        },
    ),
    "planetary-computer": Preset(
        url="https://planetarycomputer.microsoft.com/api/stac/v1",
        collection="sentinel-2-l2a",
        radar="sentinel-1-rtc",
        elevation="cop-dem-glo-30",
        layouts={
            "sentinel-2-l2a": Layout("sentinel-2", _SENTINEL2_CODES, "SCL", "scl", "baseline"),
            "landsat-c2-l2": Layout("", _LANDSAT_NAMES, "qa_pixel", "qa_pixel", "declared"),
            "sentinel-1-rtc": Layout("sentinel-1", {"vv": "vv", "vh": "vh"}),
        },
        sas="https://planetarycomputer.microsoft.com/api/sas/v1/token",
    ),
}

ELEVATION_ASSET = "data"
"""Asset of an elevation collection that holds metres."""
