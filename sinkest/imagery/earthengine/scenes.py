"""Which passes of Sentinel-2 and Sentinel-1 there are: found once for an area, then looked up block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import ee
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from sinkest.errors import SourceError
from sinkest.imagery.earthengine import assets, graphs
from sinkest.imagery.earthengine.client import Client
from sinkest.imagery.source import Period, Scene, in_order
from sinkest.imagery.sun import mean_sun

Bounds = tuple[float, float, float, float]

MARGIN_DEGREES = 0.02
"""Boxes are widened by this, more than edges of a block bend between its corners."""

_SENTINEL2 = {
    "index": "system:index",
    "time": "system:time_start",
    "version": "system:version",
    "cloud": "CLOUDY_PIXEL_PERCENTAGE",
    "processing": "PROCESSING_BASELINE",
    "sun_zenith": "MEAN_SOLAR_ZENITH_ANGLE",
    "sun_azimuth": "MEAN_SOLAR_AZIMUTH_ANGLE",
}
_SENTINEL1 = {
    "index": "system:index",
    "time": "system:time_start",
    "version": "system:version",
    "processing": "orbitProperties_pass",
}


@dataclass(frozen=True)
class Granule:
    """One asset of a collection.

    Attributes
    ----------
    index : str
        Its id within the collection.
    time : datetime
        UTC.
    version : str
        Version of the asset: it changes when the provider replaces it.
    cloud : float or None
        Percent.
    processing : str
        Baseline of Sentinel-2, direction of the pass of Sentinel-1.
    box : (west, south, east, north)
        Degrees.
    sun_zenith_deg, sun_azimuth_deg : float or None
        Means over the granule.
    """

    index: str
    time: datetime
    version: str
    cloud: float | None
    processing: str
    box: Bounds
    sun_zenith_deg: float | None = None
    sun_azimuth_deg: float | None = None

    @property
    def sun_deg(self) -> tuple[float, float] | None:
        """Zenith angle and azimuth of the sun, where both are told."""
        zenith, azimuth = self.sun_zenith_deg, self.sun_azimuth_deg
        return None if zenith is None or azimuth is None else (zenith, azimuth)

    def touches(self, bounds: Bounds) -> bool:
        """Whether the boxes meet."""
        west, south, east, north = bounds
        return self.box[0] <= east and self.box[2] >= west and self.box[1] <= north and self.box[3] >= south


def bounds_of(grid: GeoBox) -> Bounds:
    """Box around a grid in degrees, a little wider."""
    box, margin = grid.boundingbox, MARGIN_DEGREES
    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(box.left, box.bottom, box.right, box.top)
    return west - margin, south - margin, east + margin, north + margin


def sentinel2(client: Client, bounds: Bounds, period: Period, max_cloud: float) -> list[Scene]:
    """Passes of Sentinel-2, granules with more cloud left out."""
    collection = ee.ImageCollection(assets.SENTINEL2)
    if max_cloud < 100:
        collection = collection.filter(ee.Filter.lte("CLOUDY_PIXEL_PERCENTAGE", max_cloud))
    found = _granules(client, collection, bounds, period, _SENTINEL2)
    # The first part of a granule's name is the moment at which the instrument began the pass.
    return _passes(found, "S2", "sentinel-2", lambda granule: granule.index.split("_")[0])


def sentinel1(client: Client, bounds: Bounds, period: Period, bands: Iterable[str], orbit: str) -> list[Scene]:
    """Passes of Sentinel-1 in the mode over land with all of ``bands``."""
    collection = ee.ImageCollection(assets.SENTINEL1).filter(ee.Filter.eq("instrumentMode", "IW"))
    for band in bands:
        name = assets.RADAR[band]
        collection = collection.filter(ee.Filter.listContains("transmitterReceiverPolarisation", name))
    if orbit != "both":
        collection = collection.filter(ee.Filter.eq("orbitProperties_pass", orbit.upper()))
    found = _granules(client, collection, bounds, period, _SENTINEL1)
    return _passes(found, "S1", "sentinel-1", _orbit)


def _orbit(granule: Granule) -> str:
    """Satellite and number of the orbit, out of a name like S1A_IW_GRDH_1SDV_<start>_<end>_048900_..."""
    parts = granule.index.split("_")
    return f"{parts[0]}_{parts[6]}_{granule.processing.lower()}" if len(parts) > 6 else granule.index


def _granules(
    client: Client, collection: ee.ImageCollection, bounds: Bounds, period: Period, wanted: Mapping[str, str]
) -> list[Granule]:
    end = period.end + timedelta(days=1)
    listed = graphs.granules(collection, bounds, period.start.isoformat(), end.isoformat(), wanted)
    return [_granule(feature) for feature in client.features(listed)]


def _granule(feature: Mapping[str, Any]) -> Granule:
    told = feature.get("properties") or {}
    try:
        ring = feature["geometry"]["coordinates"][0]
        longitudes, latitudes = zip(*((float(x), float(y)) for x, y, *_ in ring), strict=True)
        cloud, zenith, azimuth = (_number(told.get(name)) for name in ("cloud", "sun_zenith", "sun_azimuth"))
        return Granule(
            str(told["index"]),
            datetime.fromtimestamp(float(told["time"]) / 1000.0, UTC).replace(tzinfo=None),
            str(told.get("version", "")),
            cloud,
            str(told.get("processing", "")),
            (min(longitudes), min(latitudes), max(longitudes), max(latitudes)),
            zenith,
            azimuth,
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SourceError("earthengine.bad_list", kind="unreadable", given=str(feature)[:200]) from error


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _passes(found: Iterable[Granule], prefix: str, sensor: str, pass_of: Callable[[Granule], str]) -> list[Scene]:
    grouped: dict[str, list[Granule]] = {}
    for granule in sorted(found, key=lambda one: one.index):
        grouped.setdefault(pass_of(granule), []).append(granule)
    return sorted((_scene(f"{prefix}_{key}", sensor, group) for key, group in grouped.items()), key=in_order)


def _scene(name: str, sensor: str, group: list[Granule]) -> Scene:
    optical = sensor == "sentinel-2"
    clouds = [granule.cloud for granule in group if granule.cloud is not None]
    processing = ", ".join(sorted({granule.processing for granule in group}))
    assets_named = ", ".join(f"{granule.index}@{granule.version or '?'}" for granule in group)
    collection = assets.SENTINEL2 if optical else assets.SENTINEL1
    return Scene(
        name,
        min(granule.time for granule in group),
        sensor,
        cloud=round(sum(clouds) / len(clouds), 2) if clouds else None,
        product=f"{collection} {processing}: {assets_named}",
        offset_policy=assets.REFLECTANCE_POLICY if optical else assets.BACKSCATTER_POLICY,
        extra={"granules": tuple(group), **_geometry(group, optical)},
    )


def _geometry(group: list[Granule], optical: bool) -> dict[str, Any]:
    """What is known of the view: the sun over all granules, or the direction of the pass."""
    if not optical:
        return {"orbit": group[0].processing.lower()}
    return dict(mean_sun(granule.sun_deg for granule in group))


def within(scene: Scene, bounds: Bounds) -> Scene | None:
    """The part of a pass that touches some bounds, or None."""
    granules = tuple(one for one in scene.extra["granules"] if one.touches(bounds))
    if not granules:
        return None
    return replace(scene, extra={**scene.extra, "granules": granules})


def groups(scenes: Iterable[Scene]) -> list[list[str]]:
    """Granules of each pass, by their ids within the collection."""
    return [[granule.index for granule in scene.extra["granules"]] for scene in scenes]
