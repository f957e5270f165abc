"""What Sentinel-2 would see: surface reflectance and scene classification of a block on a day."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from sinkest.simulate.appearance import signatures
from sinkest.simulate.clouds import haze, opacity
from sinkest.simulate.noise import SOURCE_STAMP, chance, compiled, kernel, lattice, mixed, normal, smooth

HALO = 2
"""Pixels a block needs around it: one for the blur of the sensor, one more for the slope of the ground."""

BANDS = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir1", "swir2")

# Salts 120-124.
_NOISE, _MISSED, _FOOLED = 120, 121, 122
_BLUE, _GREEN, _RED, _NIR, _SWIR1 = 0, 1, 2, 6, 8
_OIL_TEA, _PADDY, _DRY, _BUILT, _BARE = 6, 10, 11, 12, 13
_BLUR_SIDE = 0.10  # share of the light of each of the four neighbours
_SWATH_LEAN = 0.21  # metres to the west for each metre south along the edge of a swath
_MIDDLE_Y = 2_993_000.0
_CLOUD_COLOUR = np.array([1.0, 0.98, 0.97, 0.98, 0.99, 0.99, 1.0, 1.0, 0.72, 0.55])
_SNOW = np.array([0.78, 0.78, 0.77, 0.76, 0.74, 0.73, 0.70, 0.68, 0.12, 0.10])


@lru_cache(maxsize=1)
def response() -> np.ndarray:
    """The sensor's response out of ``signatures.toml``: a structured array with one record, as kernels take it."""
    parts = {name: np.asarray(value, dtype=float) for name, value in signatures()["optics"].items()}
    record = np.zeros(1, dtype=[(name, part.dtype, part.shape) for name, part in parts.items()])
    for name, part in parts.items():
        record[name][0] = part
    return record


@compiled
def _classified(light, cloud, shadow, kind, stand, elevation, salts):
    """Scene classification of one pixel, with the errors it is known for."""
    blue, green, red, nir, swir = light[_BLUE], light[_GREEN], light[_RED], light[_NIR], light[_SWIR1]
    if cloud > 0.52:
        return 9
    if cloud > 0.30:
        return 8
    if cloud > 0.16:
        return 10
    bright = blue > 0.105 and (kind in (_BUILT, _BARE))
    if bright and chance(stand, salts[_FOOLED]) < 0.20:
        return 9 if blue > 0.20 else 8
    if blue > 0.45 and nir > 0.55 and swir > 0.4:
        return 1
    if green - swir > 0.4 * (green + swir) and green > 0.25:
        return 11 if elevation > 700.0 else 8
    if shadow > 0.42:
        return 3
    return _surface(green, red, nir, swir)


@compiled
def _surface(green, red, nir, swir):
    greenness = (nir - red) / (nir + red)
    if nir < 0.11 and green > nir and greenness < 0.2:
        return 6
    if nir < 0.09 and swir < 0.06:
        return 2
    if greenness > 0.36:
        return 4
    return 5 if swir > 0.12 else 7


def _kernels(stamp: int) -> Any:
    @kernel
    def lit_ground(code, closure, visible, elevation, hidden, size_m, looks, understorey, admixture, response, weather):
        """Reflectance of the ground under the sun, without air: float32 (y - 2, x - 2, band) of the given block."""
        seen, sky = response[0], weather[0]
        rows, columns = code.shape
        bands = understorey.size
        cos_zenith = math.cos(sky.zenith)
        sun_x = math.sin(sky.zenith) * math.sin(sky.azimuth)
        sun_y = math.sin(sky.zenith) * math.cos(sky.azimuth)
        found = np.empty((rows - 2, columns - 2, bands), np.float32)
        for j in range(1, rows - 1 if stamp else 0):
            for i in range(1, columns - 1):
                kind, look = code[j, i], hidden[0, j, i]
                tone, vigour, moisture = hidden[1, j, i], hidden[2, j, i], hidden[3, j, i]
                cover = min(closure[j, i] * 1.12, 1.0) if kind <= _OIL_TEA else 1.0
                shade = 1.0 - math.exp(-visible[j, i] / seen.saturation_m3_ha)
                east = (elevation[j, i + 1] - elevation[j, i - 1]) / (2.0 * size_m)
                north = (elevation[j - 1, i] - elevation[j + 1, i]) / (2.0 * size_m)
                facing = (cos_zenith - sun_x * east - sun_y * north) / math.sqrt(1.0 + east * east + north * north)
                facing = max(facing, 0.0)
                snow = 0.0
                if elevation[j, i] > sky.snowline_m:
                    snow = 0.75 - 0.45 * cover if kind <= _OIL_TEA else 0.8
                for b in range(bands):
                    full = looks[kind, 0, b] * (1.0 - look) + looks[kind, 1, b] * look
                    value = cover * full * (1.0 - seen.shading[b] * shade) + (1.0 - cover) * understorey[b]
                    if kind < _PADDY or kind == _DRY:
                        for k in range(3):
                            value += hidden[4 + k, j, i] * (admixture[k, b] - value)
                    value *= 1.0 + seen.tone[b] * tone + seen.vigour[b] * vigour + seen.moisture[b] * moisture
                    value += snow * (_SNOW[b] - value)
                    value *= (facing + seen.diffuse[b]) / (cos_zenith + seen.diffuse[b])
                    found[j - 1, i - 1, b] = max(value, 0.0005)
        return found

    @kernel
    def observed(x, y, ground, code, stand, elevation, wanted, response, weather, salts, day, reflectance, scl):
        """Put the air before the ground: fill ``reflectance`` (band, y, x) of the wanted bands and ``scl`` (y, x).

        ``ground`` has a halo of one pixel; the other arrays have none.
        """
        seen, sky = response[0], weather[0]
        bands = ground.shape[2]
        light = np.empty(bands)
        shift = sky.height_m * math.tan(sky.zenith)
        away_x, away_y = shift * math.sin(sky.azimuth), shift * math.cos(sky.azimuth)
        cloud_brightness = 0.45 + 0.25 * math.cos(sky.zenith)
        for j in range(code.shape[0] if stamp else 0):
            for i in range(code.shape[1]):
                u, v = x[j, i], y[j, i]
                edge = sky.edge_x + _SWATH_LEAN * (v - _MIDDLE_Y)
                if sky.side * (u - edge) < 0.0:
                    scl[j, i] = 0
                    for k in range(wanted.size):
                        reflectance[k, j, i] = np.nan
                    continue
                cloud = opacity(u, v, sky, salts)
                shadow = opacity(u + away_x, v + away_y, sky, salts) * (1.0 - cloud)
                air = haze(u, v, sky, salts)
                spot = lattice(np.int64(np.rint(10.0 * u)), np.int64(np.rint(10.0 * v)), salts[_NOISE] + day)
                for b in range(bands):
                    side = ground[j, i + 1, b] + ground[j + 2, i + 1, b] + ground[j + 1, i, b] + ground[j + 1, i + 2, b]
                    value = (1.0 - 4.0 * _BLUR_SIDE) * ground[j + 1, i + 1, b] + _BLUR_SIDE * side
                    value *= 1.0 - shadow * (0.80 - 0.22 * seen.haze[b])
                    value += air * seen.haze[b] * (1.0 - value)
                    value += cloud * (cloud_brightness * _CLOUD_COLOUR[b] * (0.6 + 0.4 * cloud) - value)
                    spot = mixed(spot)
                    light[b] = max(value + (seen.noise + seen.relative_noise * value) * normal(spot), 0.0001)
                for k in range(wanted.size):
                    reflectance[k, j, i] = light[wanted[k]]
                patch = 0.09 * smooth(u, v, 700.0, salts[_MISSED])
                scl[j, i] = _classified(
                    light,
                    cloud * (1.0 + 3.0 * patch) + 0.3 * patch,
                    shadow + patch,
                    code[j, i],
                    stand[j, i],
                    elevation[j, i],
                    salts,
                )

    return lit_ground, observed


lit_ground, observed = _kernels(SOURCE_STAMP)
