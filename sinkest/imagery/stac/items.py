"""From the items of a catalogue to scenes: which assets are which bands, and which items were seen in one pass."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import odc.stac
import pystac
from odc.geo.geobox import GeoBox

from sinkest.errors import SourceError
from sinkest.imagery.sensors import BANDS
from sinkest.imagery.source import QA_FILL, Scene
from sinkest.imagery.stac.catalogue import time_of
from sinkest.imagery.stac.offsets import baseline_of, scale_of
from sinkest.imagery.stac.presets import Layout
from sinkest.imagery.sun import mean_sun, sun_of
from sinkest.imagery.tiled import TILES, Tile, TileBand

SAME_PASS = timedelta(minutes=10)
"""Tiles of one pass are seconds apart, passes of one satellite over one place a day and more."""


@dataclass(frozen=True)
class Looked:
    """An item as a tile of a scene."""

    tile: Tile
    time: datetime
    sensor: str
    platform: str
    overpass: str
    version: tuple[Any, ...]
    product: str
    policy: str
    cloud: float | None
    geometry: Mapping[str, Any]


def look_at(item: pystac.Item, layout: Layout) -> Looked:
    """Read what an item tells.

    Raises
    ------
    SourceError
        If its sensor or the offset of its numbers cannot be told.
    """
    told = item.properties
    platform = str(told.get("platform") or told.get("constellation") or "-").lower()
    sensor = layout.sensor or platform
    if sensor not in BANDS:
        raise SourceError("stac.sensor", kind="mismatch", item=item.id, given=sensor, expected=", ".join(BANDS))
    grids = _grids(item)
    bands, policies = {}, []
    for band, name in layout.assets.items():
        if name in item.assets:
            asset = item.assets[name]
            scale, policy = scale_of(item.id, told, asset.extra_fields, sensor, layout.offsets)
            nodata = _nodata(asset, 0.0 if sensor != "sentinel-1" else None)
            bands[band] = TileBand(name, asset.href, 1, scale.scale, scale.offset, nodata, grids.get(name))
            policies.append(policy)
    qa = None
    if layout.qa is not None and layout.qa in item.assets and layout.qa_kind is not None:
        fill = float(QA_FILL[layout.qa_kind])
        qa = TileBand(layout.qa, item.assets[layout.qa].href, nodata=fill, grid=grids.get(layout.qa))
    baseline = baseline_of(told, item.id) if sensor == "sentinel-2" else None
    made = str(told.get("s2:generation_time") or told.get("created") or told.get("updated") or "")
    shown = "" if baseline is None else f" {baseline[0]:02d}.{baseline[1]:02d}"
    return Looked(
        tile=Tile(item.id, bands, qa, layout.qa_kind if qa else None),
        time=time_of(item),
        sensor=sensor,
        platform=platform,
        # the identifier ends with the baseline, which must not part tiles that were processed at different times
        overpass=re.sub(r"_N\d\d\.\d\d\Z", "", str(told.get("s2:datatake_id") or "")),
        version=(baseline or (0, 0), made),
        product=f"{item.collection_id}{shown}",
        policy=", ".join(sorted(set(policies))),
        cloud=None if told.get("eo:cloud_cover") is None else float(told["eo:cloud_cover"]),
        geometry=_geometry(told),
    )


def scenes_of(looked: Sequence[Looked]) -> list[Scene]:
    """Put tiles of one pass together; where they overlap, the one with the newest processing comes first."""
    groups: list[list[Looked]] = []
    for one in sorted(looked, key=lambda each: (each.platform, each.time, each.tile.id)):
        last = groups[-1][-1] if groups else None
        joins = last is not None and last.platform == one.platform and (
            last.overpass == one.overpass if last.overpass and one.overpass else one.time - last.time <= SAME_PASS
        )  # fmt: skip
        groups[-1].append(one) if joins else groups.append([one])
    return [_scene(group) for group in groups]


def _scene(group: Sequence[Looked]) -> Scene:
    ordered = sorted(sorted(group, key=lambda one: one.tile.id), key=lambda one: one.version, reverse=True)
    first = min(group, key=lambda one: one.time)
    clouds = [one.cloud for one in group if one.cloud is not None]
    name = ordered[0].tile.id if len(group) == 1 else f"{first.platform}_{first.time:%Y%m%dT%H%M%S}"
    return Scene(
        id=name,
        time=first.time,
        sensor=first.sensor,
        cloud=round(sum(clouds) / len(clouds), 2) if clouds else None,
        product=", ".join(sorted({one.product for one in group})),
        offset_policy="; ".join(sorted({one.policy for one in group})),
        extra={TILES: tuple(one.tile for one in ordered), **_view(first, group)},
    )


def _view(first: Looked, group: Sequence[Looked]) -> dict[str, Any]:
    """Orbit as the first tile tells it, and the mean sun of all tiles."""
    orbit = {name: value for name, value in first.geometry.items() if not name.startswith("sun_")}
    return {**orbit, **mean_sun(sun_of(one.geometry) for one in group)}


def _grids(item: pystac.Item) -> dict[str, GeoBox]:
    """Native grids as the projection extension tells them, by asset."""
    try:
        parsed = odc.stac.parse_item(item)
    except (ValueError, KeyError, TypeError):
        return {}
    grids = {name: getattr(source, "geobox", None) for (name, _), source in parsed.bands.items()}
    return {
        name: grid
        for name, grid in grids.items()
        if isinstance(grid, GeoBox) and item.assets[name].extra_fields.get("proj:shape")
    }


def _nodata(asset: pystac.Asset, fallback: float | None) -> float | None:
    bands = asset.extra_fields.get("raster:bands") or asset.extra_fields.get("bands") or [{}]
    told = bands[0].get("nodata", asset.extra_fields.get("nodata")) if isinstance(bands[0], dict) else None
    if told is None:
        return fallback
    return float("nan") if isinstance(told, str) and told.lower() == "nan" else float(told)


def _geometry(told: Mapping[str, Any]) -> dict[str, Any]:
    """Sun and orbit, as far as they are told."""
    found: dict[str, Any] = {}
    if "s2:mean_solar_zenith" in told and "s2:mean_solar_azimuth" in told:
        found["sun_zenith_deg"] = float(told["s2:mean_solar_zenith"])
        found["sun_azimuth_deg"] = float(told["s2:mean_solar_azimuth"])
    elif "view:sun_elevation" in told and "view:sun_azimuth" in told:
        found["sun_zenith_deg"] = 90.0 - float(told["view:sun_elevation"])
        found["sun_azimuth_deg"] = float(told["view:sun_azimuth"])
    if told.get("sat:orbit_state") in ("ascending", "descending"):
        found["orbit"] = told["sat:orbit_state"]
    if "view:incidence_angle" in told:
        found["incidence_deg"] = float(told["view:incidence_angle"])
    return found
