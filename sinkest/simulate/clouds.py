"""The weather of a scene: how much cloud, where it drifts, which part of the city the swath covers."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import math
from datetime import date
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from sinkest.simulate.noise import compiled, smooth

# Salts 110-117.
_CLOUD, _HAZE = 110, 115

_SIZES_M = np.array([45000.0, 15000.0, 4600.0, 1400.0])
_WEIGHTS = np.array([0.60, 0.50, 0.33, 0.18])
_SPREAD = math.sqrt(float((_WEIGHTS**2).sum()))
_DRAWN_SPREAD = 1.6  # of the share of cloud over the dates: most are rather clear or rather overcast
_VEIL, _FULL = -0.14, 0.28  # depth at which a veil begins, and from which a cloud is opaque

LATITUDE, LONGITUDE = 27.2, 113.5
_OVERPASS_UTC_H = 2.95  # 10:57 Beijing time


class Weather(NamedTuple):
    """Weather of one overpass.

    Attributes
    ----------
    cloud : float
        Share of the sky that is cloud, 0..1.
    threshold : float
        Value of the cloud field above which there is cloud.
    drift_x, drift_y : float
        Where in the endless cloud field the city lies that day (m).
    height_m : float
        Height of the clouds, which sets how far away their shadows fall.
    haze : float
        Haze left after the atmospheric correction, as reflectance added in the blue band.
    edge_x, side : float
        The swath ends at ``edge_x`` (m at the middle of the city) and covers the side +1 east, -1 west; 0 covers all.
    snowline_m : float
        Height above which snow lies.
    zenith, azimuth : float
        Of the sun, radians; azimuth from north through east.
    """

    cloud: float
    threshold: float
    drift_x: float
    drift_y: float
    height_m: float
    haze: float
    edge_x: float
    side: float
    snowline_m: float
    zenith: float
    azimuth: float

    def record(self) -> np.ndarray:
        """The numbers as kernels take them: a structured array with one record."""
        return np.array([tuple(self)], dtype=[(name, np.float64) for name in self._fields])


def weather(seed: int, day: date, cloudiness: float) -> Weather:
    """Draw the weather of a day; the same for the same seed, day and mean cloudiness (0..1)."""
    rng = np.random.default_rng([abs(seed), int(seed < 0), day.toordinal(), 17])
    drawn, drift_x, drift_y, height, haze, swath, edge, side, cold = rng.random(9)
    if 0.0 < cloudiness < 1.0:
        cloud = float(np.clip(norm.cdf(norm.ppf(cloudiness) * math.hypot(1.0, 1.2) + 1.2 * norm.ppf(drawn)), 0.0, 1.0))
    else:
        cloud = float(cloudiness)
    zenith, azimuth = sun(day)
    winter = day.timetuple().tm_yday < 50 or day.timetuple().tm_yday > 345
    return Weather(
        cloud=cloud,
        threshold=float(np.clip(norm.isf(cloud), -9.0, 9.0)) * _SPREAD,
        drift_x=drift_x * 4e6,
        drift_y=drift_y * 4e6,
        height_m=900.0 + 1900.0 * height,
        haze=0.030 * haze * haze - 0.004,
        edge_x=715e3 + 70e3 * edge,
        side=(1.0 if side < 0.5 else -1.0) if swath < 0.25 else 0.0,
        snowline_m=900.0 + 900.0 * cold if winter and cold < 0.35 else 9999.0,
        zenith=zenith,
        azimuth=azimuth,
    )


def sun(day: date) -> tuple[float, float]:
    """Zenith angle and azimuth of the sun (radians) at the overpass, by the usual declination and hour angle.

    Declination: Cooper (1969), ``23.45 sin(360 (284 + n) / 365)`` degrees.
    """
    declination = math.radians(23.45) * math.sin(math.radians(360.0 * (284 + day.timetuple().tm_yday) / 365.0))
    latitude = math.radians(LATITUDE)
    hour = math.radians(15.0 * (_OVERPASS_UTC_H + LONGITUDE / 15.0 - 12.0))
    cos_zenith = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(
        hour
    )
    east = -math.cos(declination) * math.sin(hour)
    north = math.cos(latitude) * math.sin(declination) - math.sin(latitude) * math.cos(declination) * math.cos(hour)
    return math.acos(cos_zenith), math.atan2(east, north)


@compiled
def opacity(x, y, weather, salts):
    """Opacity (0..1) of the cloud above a point: a thin veil around the edge, opaque within."""
    if weather.threshold > 7.0:
        return 0.0
    u, v = x + weather.drift_x, y + weather.drift_y
    depth = -weather.threshold
    for k in range(4):
        depth += _WEIGHTS[k] * smooth(u, v, _SIZES_M[k], salts[_CLOUD + k])
    if depth < _VEIL:
        return 0.0
    if depth < _FULL:
        thin = (depth - _VEIL) / (_FULL - _VEIL)
        return 0.4 * thin * thin
    return 1.0 - 0.6 * math.exp(-4.0 * (depth - _FULL))


@compiled
def haze(x, y, weather, salts):
    """Haze at a point, as reflectance added in the blue band."""
    drifted = smooth(x + weather.drift_x, y + weather.drift_y, 22000.0, salts[_HAZE])
    return weather.haze * (1.0 + 0.5 * drifted)
