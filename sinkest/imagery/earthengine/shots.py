"""GEDI L4A shots out of the catalogue's tables, one a granule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ee
import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from sinkest.errors import SourceError
from sinkest.imagery.earthengine import assets, graphs
from sinkest.imagery.earthengine.client import Client
from sinkest.imagery.gedi import EPOCH, PRODUCT, Terrain, against, as_table
from sinkest.imagery.source import Period

COLUMNS: Mapping[str, str] = {ours: path.rsplit("/", 1)[-1] for ours, path in PRODUCT.items()}
"""Column of the table to property of a shot: the product's own name, without its group."""

_TEXTS: Mapping[str, str] = {"predict_stratum": "predict_stratum"}


def gedi_shots(client: Client, area: BaseGeometry, period: Period, terrain: Terrain | None = None) -> gpd.GeoDataFrame:
    """Shots in an area, whatever their quality; the table's own rules tell which are usable.

    Parameters
    ----------
    client : Client
    area : shapely geometry
        In EPSG:4326.
    period : Period
        Days of the shots.
    terrain : callable, optional
        An elevation model. Without it the rules that need one are not checked.

    Raises
    ------
    SourceError
        If there is none, or a shot lacks its number, or the service does not answer.
    """
    bounds = graphs.region(area.bounds)
    shots = [
        _shot(feature, name)
        for name in _tables(client, bounds, period)
        for feature in client.features(ee.FeatureCollection(name).filterBounds(bounds))
    ]
    shapely.prepare(area)
    inside = [shot for shot in shots if area.covers(shapely.Point(shot["point"])) and period.holds(_time(shot))]
    if not inside:
        box = " ".join(f"{edge:.3f}" for edge in area.bounds)
        raise SourceError("earthengine.no_shots", kind="empty", period=str(period), box=box)
    ordered = sorted(inside, key=lambda shot: shot["shot_number"])
    columns = _measured(ordered)
    return as_table(columns | (against(terrain, columns) if terrain else {}), where=assets.GEDI_INDEX)


def _shot(feature: Mapping[str, Any], granule: str) -> dict[str, Any]:
    """What a table tells of a shot, refused if it has no number, place, time or beam."""
    try:
        told = dict(feature["properties"])
        x, y = (float(value) for value in feature["geometry"]["coordinates"][:2])
        shot = {**told, "shot_number": int(told["shot_number"]), "beam": int(told["beam"])}
        return {**shot, "delta_time": float(told["delta_time"]), "granule": granule, "point": (x, y)}
    except (KeyError, TypeError, ValueError) as error:
        given, name = str(feature)[:200], granule.rsplit("/", 1)[-1]
        raise SourceError("earthengine.bad_shot", kind="unreadable", table=name, given=given) from error


def _tables(client: Client, bounds: ee.Geometry, period: Period) -> list[str]:
    """Tables of the granules that cross the bounds; the index dates them to the day."""
    index = (
        ee.FeatureCollection(assets.GEDI_INDEX)
        .filterBounds(bounds)
        .filter(ee.Filter.lte("time_start", f"{period.end.isoformat()}T23:59:59Z"))
        .filter(ee.Filter.gte("time_end", period.start.isoformat()))
    )
    return sorted({str(feature["properties"]["table_id"]) for feature in client.features(index)})


def _time(shot: Mapping[str, Any]) -> Any:
    return (EPOCH + np.timedelta64(round(shot["delta_time"] * 1000), "ms")).item()


def _measured(shots: list[dict[str, Any]]) -> dict[str, Any]:
    def numbers(name: str) -> np.ndarray:
        values = [shot.get(name) for shot in shots]
        return np.array([np.nan if value is None else float(value) for value in values])

    named: dict[str, Any] = {ours: numbers(theirs) for ours, theirs in COLUMNS.items()}
    named |= {ours: [str(shot.get(theirs, "")) for shot in shots] for ours, theirs in _TEXTS.items()}
    points = np.array([shot["point"] for shot in shots], dtype=float)
    return {
        **named,
        # The number has more digits than a double holds, so it travels as a text.
        "shot_number": np.array([shot["shot_number"] for shot in shots], dtype=np.uint64),
        "granule": [shot["granule"].rsplit("/", 1)[-1] for shot in shots],
        "beam": [f"BEAM{shot['beam']:04b}" for shot in shots],
        "time": np.array([_time(shot) for shot in shots], dtype="datetime64[ms]"),
        "lon": points[:, 0],
        "lat": points[:, 1],
    }
