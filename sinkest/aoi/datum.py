"""GCJ-02, the offset datum of Chinese web maps: conversion, and telling from its lines which datum a file is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry.base import BaseGeometry

from sinkest.aoi.geodesy import local_plane
from sinkest.shipped import shipped

DATUMS = ("wgs84", "gcj02")
SEMI_MAJOR_M = 6378245.0
ECCENTRICITY_SQUARED = 0.00669342162296594323
CHINA = (72.004, 0.8293, 137.8347, 55.8271)
"""Bounds (west, south, east, north) inside which web maps apply the offset."""
SAMPLE_EVERY_M = 250.0
NEAR_M = 1500.0
MATCH_M = 200.0
MIN_SAMPLES = 40
MAX_SAMPLES = 50_000


def wgs84_to_gcj02(lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offset WGS84 (or CGCS2000) degrees to GCJ-02 as web maps in China do.

    Parameters
    ----------
    lon, lat : array_like
        Degrees, any shape. Points outside `CHINA` come back unchanged.

    Returns
    -------
    lon, lat : float64 arrays
        Degrees in GCJ-02.

    Notes
    -----
    The transformation was never published; these are the constants and series that went round in 2010 with the code
    of a map viewer and that agree with the services to centimetres: Krasovsky's ellipsoid and sums of sines.
    """
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    shift_lon, shift_lat = _shift(lon, lat)
    inside = _in_china(lon, lat)
    return np.where(inside, lon + shift_lon, lon), np.where(inside, lat + shift_lat, lat)


def gcj02_to_wgs84(lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Undo `wgs84_to_gcj02`, by fixed-point iteration to below a millimetre.

    Parameters
    ----------
    lon, lat : array_like
        Degrees in GCJ-02, any shape. Points outside `CHINA` come back unchanged.

    Returns
    -------
    lon, lat : float64 arrays
        Degrees in WGS84.
    """
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    guess_lon, guess_lat = lon, lat
    # The shift changes by at most a few parts in a thousand over its own length, so each step gains over two digits.
    for _ in range(6):
        shift_lon, shift_lat = _shift(guess_lon, guess_lat)
        guess_lon, guess_lat = lon - shift_lon, lat - shift_lat
    inside = _in_china(lon, lat)
    return np.where(inside, guess_lon, lon), np.where(inside, guess_lat, lat)


def _in_china(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.bool_]:
    west, south, east, north = CHINA
    return (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)


def _shift(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Degrees to add to WGS84."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    short = (20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + short
    north = north + (20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi / 3.0 * y)) * 2.0 / 3.0
    north = north + (160.0 * np.sin(np.pi / 12.0 * y) + 320.0 * np.sin(np.pi / 30.0 * y)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + short
    east = east + (20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi / 3.0 * x)) * 2.0 / 3.0
    east = east + (150.0 * np.sin(np.pi / 12.0 * x) + 300.0 * np.sin(np.pi / 30.0 * x)) * 2.0 / 3.0
    phi = np.deg2rad(lat)
    magic = 1.0 - ECCENTRICITY_SQUARED * np.sin(phi) ** 2
    meridian_m = SEMI_MAJOR_M * (1.0 - ECCENTRICITY_SQUARED) / magic**1.5
    normal_m = SEMI_MAJOR_M / np.sqrt(magic)
    return np.rad2deg(east / (normal_m * np.cos(phi))), np.rad2deg(north / meridian_m)


def geometry_to_wgs84(geometry: BaseGeometry) -> BaseGeometry:
    """A geometry in GCJ-02 degrees, vertex by vertex in WGS84."""
    return shapely.transform(geometry, lambda xy: np.column_stack(gcj02_to_wgs84(xy[:, 0], xy[:, 1])))


@dataclass(frozen=True)
class DatumEvidence:
    """How well lines fit reference lines as given and after conversion from GCJ-02 to WGS84.

    Attributes
    ----------
    datum : str or None
        ``"wgs84"`` or ``"gcj02"``; None where the lines don't say.
    as_given_m, converted_m : float
        Median distance to the nearest reference line; NaN without samples.
    n : int
        Samples along the lines that lie near a reference line under either reading.
    """

    datum: str | None
    as_given_m: float
    converted_m: float
    n: int


def detect_datum(geometries: Sequence[BaseGeometry], reference: Sequence[BaseGeometry]) -> DatumEvidence:
    """Tell by known lines whether polygons are in WGS84 or in GCJ-02.

    Borders are sampled every 250 m; samples within 1.5 km of a reference line count. A datum is named only where its
    median distance is under 200 m and under half of the other's: lines of another scale or another year still match
    within that, while the offset is about 670 m in Hunan.

    Parameters
    ----------
    geometries : sequence of polygons
        Lon/lat as they stand in the file.
    reference : sequence of polygons
        Lon/lat in WGS84, e.g. ``zones.frame.geometry``.
    """
    known = shapely.union_all(shapely.boundary(np.asarray(list(reference), dtype=object)))
    to_plane = local_plane(known.centroid.x, known.centroid.y)
    segments = shapely.STRtree(_segments(shapely.transform(known, to_plane)))
    given = _samples(geometries, known)
    if len(given) == 0:
        return DatumEvidence(None, float("nan"), float("nan"), 0)
    converted = np.column_stack(gcj02_to_wgs84(given[:, 0], given[:, 1]))
    distance_given = _distance_m(segments, to_plane(given))
    distance_converted = _distance_m(segments, to_plane(converted))
    near = np.minimum(distance_given, distance_converted) < NEAR_M
    n = int(near.sum())
    if n == 0:
        return DatumEvidence(None, float("nan"), float("nan"), 0)
    as_given_m = float(np.median(distance_given[near]))
    converted_m = float(np.median(distance_converted[near]))
    datum = None
    if n >= MIN_SAMPLES:
        if as_given_m < MATCH_M and as_given_m < converted_m / 2:
            datum = "wgs84"
        elif converted_m < MATCH_M and converted_m < as_given_m / 2:
            datum = "gcj02"
    return DatumEvidence(datum, as_given_m, converted_m, n)


def _segments(lines: BaseGeometry) -> NDArray[np.object_]:
    corners = [shapely.get_coordinates(line) for line in shapely.get_parts(lines)]
    return np.concatenate([shapely.linestrings(np.stack([line[:-1], line[1:]], axis=1)) for line in corners])


def _distance_m(segments: shapely.STRtree, points: NDArray[np.float64]) -> NDArray[np.float64]:
    _, distance = segments.query_nearest(shapely.points(points), return_distance=True, all_matches=False)
    return np.asarray(distance, dtype=np.float64)


def _samples(geometries: Sequence[BaseGeometry], known: BaseGeometry) -> NDArray[np.float64]:
    """Points (n, 2) every `SAMPLE_EVERY_M` or so along the borders that lie in the neighbourhood of known lines."""
    west, south, east, north = known.bounds
    margin = 0.05
    borders = shapely.union_all(shapely.boundary(np.asarray(list(geometries), dtype=object)))
    borders = shapely.clip_by_rect(borders, west - margin, south - margin, east + margin, north + margin)
    length = borders.length
    if length == 0:
        return np.empty((0, 2))
    # Degrees of latitude; along a parallel the spacing is a little shorter, which does no harm.
    spacing = max(SAMPLE_EVERY_M / 111_000.0, length / MAX_SAMPLES)
    points = []
    for line in shapely.get_parts(shapely.line_merge(borders)):
        along = np.arange(spacing / 2.0, line.length, spacing)
        points.append(shapely.get_coordinates(shapely.line_interpolate_point(line, along)))
    return np.vstack(points)


@lru_cache(maxsize=1)
def reference_lines() -> tuple[BaseGeometry, ...]:
    """The shipped WGS84 counties of Zhuzhou."""
    return tuple(gpd.read_file(shipped("aoi/zhuzhou.geojson")).geometry)
