"""Footprints of a spaceborne lidar: biomass along tracks, with the errors of such a product."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from sinkest.simulate.landscape import Landscape, rounded_degrees
from sinkest.simulate.population import Population

_TRACKS_M, _STEP_M, _KEPT = 600.0, 60.0, 0.33
_ERROR, _NOISE_T_HA, _LOCATION_M = 0.22, 9.0, 10.0

# Above-ground biomass per stock (t/m3) of the arbor classes, and per hectare (t) of the others, by code.
_BIOMASS_PER_M3 = np.array([0, 0.46, 0.62, 0.86, 0.68, *[0] * 11])
_BIOMASS_T_HA = np.array([0, 0, 0, 0, 0, 44.0, 22.0, 12.0, 15.0, 35.0, 1.5, 2.0, 1.0, 0.5, 0.0, 2.0])


def lidar_shots(
    landscape: Landscape, pixels: Population, year: int, rng: np.random.Generator, orbits: int = 6
) -> pd.DataFrame:
    """Footprints as of a spaceborne lidar: tracks across the city with the biomass density they would report.

    Parameters
    ----------
    landscape, pixels : Landscape, Population
    year : int
    rng : numpy.random.Generator
    orbits : int
        Passes of eight tracks, 600 m apart, a shot every 60 m; two of three shots are lost to clouds and quality.

    Returns
    -------
    DataFrame
        shot_id, lon, lat, date, beam, agbd (above-ground biomass, t/ha), agbd_se, sensitivity, l4_quality_flag,
        degrade_flag, simulated.
    """
    tracks = np.concatenate([_tracks(pixels, orbit, rng) for orbit in range(orbits)], axis=1)
    x, y, beam, orbit = tracks[:, _in_population(pixels, tracks[0], tracks[1])]
    truth = landscape.at_metres(x, y, year)
    agbd = truth.volume_m3_ha * _BIOMASS_PER_M3[truth.land_cover] + _BIOMASS_T_HA[truth.land_cover]
    read = agbd * np.exp(_ERROR * rng.standard_normal(x.size)) + _NOISE_T_HA * rng.standard_normal(x.size)
    lon, lat = rounded_degrees(*(axis + _LOCATION_M * rng.standard_normal(x.size) for axis in (x, y)))
    days = rng.integers(date(year, 4, 1).toordinal(), date(year, 10, 31).toordinal(), size=orbits)
    return pd.DataFrame(
        {
            "shot_id": [f"G{number:06d}" for number in range(1, x.size + 1)],
            "lon": lon,
            "lat": lat,
            "date": [date.fromordinal(int(days[int(one)])).isoformat() for one in orbit],
            "beam": [f"BEAM{int(one):04b}" for one in beam],
            "agbd": np.round(np.maximum(read, 0.5), 2),
            "agbd_se": np.round(np.hypot(0.2 * np.maximum(read, 0.5), _NOISE_T_HA), 2),
            "sensitivity": np.round(0.93 + 0.06 * rng.random(x.size), 3),
            "l4_quality_flag": (rng.random(x.size) < 0.9).astype(int),
            "degrade_flag": 0,
            "simulated": True,
        }
    )


def _tracks(pixels: Population, orbit: int, rng: np.random.Generator) -> np.ndarray:
    """Shots of one pass: x, y (m), number of the beam and of the pass, shape (4, n)."""
    west, east, south, north = pixels.x.min(), pixels.x.max(), pixels.y.min(), pixels.y.max()
    lean = 1.1 if rng.random() < 0.5 else -1.1
    start = rng.uniform(west - 6e4, east + 6e4)
    along = np.arange(south, north, _STEP_M)
    shots = []
    for beam in range(8):
        y = along[rng.random(along.size) < _KEPT]
        x = start + lean * (y - 0.5 * (south + north)) + beam * _TRACKS_M
        shots.append(np.stack([x, y, np.full(y.size, beam), np.full(y.size, orbit)]))
    return np.concatenate(shots, axis=1)


def _in_population(pixels: Population, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points lie in a square kilometre that holds pixels of the pixels."""
    there = np.unique((pixels.x // 1000).astype(np.int64) * 100_000 + (pixels.y // 1000).astype(np.int64))
    return np.isin((x // 1000).astype(np.int64) * 100_000 + (y // 1000).astype(np.int64), there)
