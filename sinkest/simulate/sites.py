"""The list of wetland sites a bureau would keep: named waters, and small wetlands under 8 ha."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import shapely
from scipy import ndimage

from sinkest.aoi import Zones, zone_of_points
from sinkest.simulate import cover
from sinkest.simulate.classes import CODES
from sinkest.simulate.landscape import Landscape, rounded_degrees
from sinkest.simulate.world import EPSG, geography

SMALL_BELOW_HA = 8.0
SMALL_FROM_HA = 3.5
_CORRIDOR_SITES = 18
_STEP_M, _FINE_STEP_M = 40.0, 10.0
_RIVER_REACH_M = 3500.0
_WATER, _MARSH = CODES["water"], CODES["marsh"]


def wetland_sites(
    landscape: Landscape, zones: Zones, year: int, rng: np.random.Generator, count: int = 65
) -> gpd.GeoDataFrame:
    """The site list: the Xiang within the city, the reservoirs, the named marsh and ``count`` small wetlands.

    Parameters
    ----------
    landscape : Landscape
    zones : Zones
    year : int
    rng : numpy.random.Generator
        Chooses the small wetlands among the larger ponds and marshes.
    count : int

    Returns
    -------
    GeoDataFrame
        Columns of the table of wetland sites and points (EPSG:4326); ``habitat`` says whether a small wetland is pond
        or marsh. Areas are measured on the landscape.
    """
    rows = [_river(landscape, zones, year), *_named(landscape, zones, year)]
    rows += _small(landscape, zones, year, rng, count)
    x, y = (np.array([row.pop(axis) for row in rows]) for axis in ("x", "y"))
    lon, lat = rounded_degrees(x, y)
    frame = gpd.GeoDataFrame(rows, geometry=gpd.points_from_xy(lon, lat), crs=4326)
    frame.insert(4, "lon", lon)
    frame.insert(5, "lat", lat)
    frame["in_corridor"] = _corridor(frame, x, y)
    frame["impounded_year"] = frame["impounded_year"].astype("Int64")
    frame["simulated"] = True
    return frame


def _row(site_id: str, zh: str, en: str, kind: str, x: float, y: float, area_ha: float, **more: object) -> dict:
    known = {"site_id": site_id, "name_zh": zh, "name_en": en, "kind": kind, "x": x, "y": y}
    return {
        **known,
        "area_ha": round(area_ha, 2),
        "impounded_year": more.get("year"),
        "habitat": more.get("habitat", ""),
    }


def _measured(
    landscape: Landscape, x: float, y: float, reach_m: float, step_m: float, year: int, code: int
) -> tuple[float, float, float]:
    """Area (ha) of the patches of a class around a point that touch its inner part, and a point within them."""
    axis = np.arange(-reach_m, reach_m + step_m, step_m)
    east, north = np.meshgrid(x + axis, y + axis)
    labels, _ = ndimage.label(
        landscape.at_metres(east.ravel(), north.ravel(), year).land_cover.reshape(east.shape) == code
    )
    inner = np.unique(labels[np.hypot(east - x, north - y) < 0.4 * reach_m])
    found = np.isin(labels, inner[inner > 0])
    if not found.any():
        return 0.0, x, y
    deepest = np.unravel_index(np.argmax(ndimage.distance_transform_edt(found)), found.shape)
    return float(found.sum()) * step_m**2 / 1e4, float(east[deepest]), float(north[deepest])


def _named(landscape: Landscape, zones: Zones, year: int) -> list[dict]:
    rows = []
    for kind, code in (("reservoir", _WATER), ("marsh", _MARSH)):
        for one in geography()[kind]:
            reach = 1.2 * one["radius_m"]
            area, x, y = _measured(landscape, 1e3 * one["x_km"], 1e3 * one["y_km"], reach, _STEP_M, year, code)
            if area > 0 and zone_of_points(zones, *rounded_degrees(np.array([x]), np.array([y])))[0] >= 0:
                rows.append(
                    _row(one["id"], one["name_zh"], one["name_en"], kind, x, y, area, year=one.get("impounded_year"))
                )
    return rows


def _river(landscape: Landscape, zones: Zones, year: int) -> dict:
    """The Xiang: water near its course, within the zones, in patches too large for ponds."""
    river = next(one for one in geography()["river"] if one["id"] == "xiang")
    course = shapely.LineString(1e3 * np.array(river["points"])).buffer(_RIVER_REACH_M)
    city = shapely.union_all(zones.frame.to_crs(EPSG).geometry.values)
    west, south, east, north = shapely.intersection(course, city).bounds
    step = 2.0 * _STEP_M
    x, y = np.meshgrid(np.arange(west, east, step), np.arange(south, north, step))
    shapely.prepare([course, city])
    inside = shapely.contains_xy(course, x, y)
    inside[inside] = shapely.contains_xy(city, x[inside], y[inside])
    water = np.zeros(x.shape, dtype=bool)
    water[inside] = landscape.at_metres(x[inside], y[inside], year).land_cover == _WATER
    labels, _ = ndimage.label(water)
    sizes = np.bincount(labels.ravel()) * step**2 / 1e4
    water &= sizes[labels] > 3.0 * SMALL_BELOW_HA
    middle = np.argmin(np.where(water, np.abs(y - np.median(y[water])), np.inf))
    area = float(water.sum()) * step**2 / 1e4
    name_en = "Main course of the Xiang in Zhuzhou"
    return _row("xiang", "湘江干流株洲段", name_en, "river", float(x.flat[middle]), float(y.flat[middle]), area)


def _small(landscape: Landscape, zones: Zones, year: int, rng: np.random.Generator, count: int) -> list[dict]:
    west, south, east, north = zones.frame.to_crs(EPSG).total_bounds
    found = np.empty((200_000, 4))
    listed = found[: cover.pond_sites(west, south, east, north, float(year), landscape.world, found)]
    listed = listed[math.pi * listed[:, 2] ** 2 / 1e4 >= SMALL_FROM_HA]
    listed = listed[zone_of_points(zones, *rounded_degrees(listed[:, 0], listed[:, 1])) >= 0]
    rows: list[dict] = []
    for x, y, radius, kind in listed[rng.permutation(len(listed))]:
        if len(rows) == count:
            break
        habitat, code = ("pond", _WATER) if kind == 1 else ("marsh", _MARSH)
        area, inner_x, inner_y = _measured(landscape, x, y, 2.0 * radius, _FINE_STEP_M, year, code)
        if SMALL_FROM_HA <= area < SMALL_BELOW_HA:
            number = len(rows) + 1
            names = (f"小微湿地 {number:02d} 号", f"Small wetland {number:02d}")
            rows.append(_row(f"W{number:03d}", *names, "small_wetland", inner_x, inner_y, area, habitat=habitat))
    return rows


def _corridor(frame: gpd.GeoDataFrame, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The small wetlands nearest to a river lie in its ecological corridor."""
    courses = shapely.MultiLineString([1e3 * np.array(river["points"]) for river in geography()["river"]])
    distance = shapely.distance(courses, shapely.points(x, y))
    small = (frame["kind"] == "small_wetland").to_numpy()
    nearest = np.flatnonzero(small)[np.argsort(distance[small], kind="stable")[:_CORRIDOR_SITES]]
    inside = np.zeros(len(frame), dtype=bool)
    inside[nearest] = True
    return inside
