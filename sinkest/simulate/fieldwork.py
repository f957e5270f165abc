"""What crews and interpreters would bring home from the landscape: plots, reference points and all tables of a project.

Everything is drawn from the truth of a :class:`~sinkest.simulate.population.Population` with a seeded generator, and
carries the errors that such data have. Tables have the columns of the documented field tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import geopandas as gpd
import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox

from sinkest.aoi import Zones
from sinkest.simulate.classes import ARBOR, CODES, CONFUSED_CODE, FOREST, NAMES
from sinkest.simulate.labels import label_polygons
from sinkest.simulate.landscape import Landscape, Truth, rounded_degrees
from sinkest.simulate.lidar import lidar_shots
from sinkest.simulate.population import (
    PRIOR_STRATA,
    Population,
    population,
    prior_map,
    stratified_sample,
    systematic_sample,
)
from sinkest.simulate.sites import wetland_sites

PLOT_HA = 0.0667
_GPS_ERROR_M = 4.0
_VOLUME_ERROR = 0.06  # relative standard deviation of a plot's volume: heights, diameters, tables
_FIELD_TYPE_ERROR = 0.02

_INTERPRETER_ERROR = np.array([0, *(0.03 if code <= 4 else 0.012 for code in CODES.values())])


def plot_spacing_px(pixels: Population, spacing_m: float) -> int:
    """Spacing of a plot grid as a whole number of pixels, at least one."""
    return max(1, round(spacing_m / abs(pixels.grid.affine.a)))


def inventory_plots(
    landscape: Landscape,
    pixels: Population,
    position: np.ndarray,
    year: int,
    previous_year: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Measure plots at pixels of the population, in both years.

    Parameters
    ----------
    landscape : Landscape
    pixels : Population
    position : ndarray of int
        Where the plots lie, e.g. out of ``systematic_sample`` or ``simple_sample``.
    year, previous_year : int
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        One row a plot with the columns of the plots table, ``land_cover``, ``age_years`` and their previous values.
        Coordinates carry the error of a handheld receiver.
    """
    x, y = pixels.x[position], pixels.y[position]
    now, before = (landscape.at_metres(x, y, one) for one in (year, previous_year))
    lon, lat = rounded_degrees(
        x + _GPS_ERROR_M * rng.standard_normal(x.size), y + _GPS_ERROR_M * rng.standard_normal(x.size)
    )
    tables = [_measured(truth, rng) for truth in (now, before)]
    days = [_field_days(one, x.size, rng) for one in (year, previous_year)]
    return pd.DataFrame(
        {
            "plot_id": [f"P{number:05d}" for number in range(1, x.size + 1)],
            "lon": lon,
            "lat": lat,
            "date": days[0],
            "volume_m3_ha": tables[0]["volume_m3_ha"],
            "forest_type": tables[0]["forest_type"],
            "land_cover": tables[0]["land_cover"],
            "age_years": tables[0]["age_years"],
            "area_ha": PLOT_HA,
            "zone_id": np.array(pixels.zone_ids)[pixels.zone[position]],
            "previous_date": days[1],
            "previous_volume_m3_ha": tables[1]["volume_m3_ha"],
            "previous_forest_type": tables[1]["forest_type"],
            "previous_land_cover": tables[1]["land_cover"],
            "simulated": True,
        }
    )


def _measured(truth: Truth, rng: np.random.Generator) -> dict[str, np.ndarray]:
    error = np.exp(_VOLUME_ERROR * rng.standard_normal(truth.land_cover.size) - 0.5 * _VOLUME_ERROR**2)
    volume = np.where(truth.volume_m3_ha > 0, np.maximum(np.round(truth.volume_m3_ha * error, 1), 0.1), 0.0)
    seen = np.where(rng.random(volume.size) < _FIELD_TYPE_ERROR, CONFUSED_CODE[truth.land_cover], truth.land_cover)
    # A crew mistakes one tree species for another, but not forest for what is no forest, nor arbor for bamboo.
    code = np.where((truth.land_cover <= max(ARBOR)) & (seen <= max(ARBOR)), seen, truth.land_cover)
    return {
        "volume_m3_ha": volume,
        "forest_type": np.where(code <= max(FOREST), NAMES[code], ""),
        "land_cover": NAMES[code],
        "age_years": np.where(code <= max(FOREST), np.round(truth.age_years), 0).astype(int),
    }


def _field_days(year: int, count: int, rng: np.random.Generator) -> list[str]:
    first = date(year, 5, 10).toordinal()
    return [date.fromordinal(first + int(day)).isoformat() for day in rng.integers(0, 150, size=count)]


def reference_sample(
    pixels: Population,
    year: int,
    prior_year: int,
    seed: int,
    rng: np.random.Generator,
    sizes: Mapping[str, int] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw a stratified reference sample, interpreted at the pixel centres, and its strata.

    Parameters
    ----------
    pixels : Population
    year : int
        Year that is interpreted.
    prior_year : int
        Year of the map that the strata come from.
    seed : int
        Of the errors of that map.
    rng : numpy.random.Generator
    sizes : mapping of stratum to int, optional
        Points per stratum; 1,500 in all if left out.

    Returns
    -------
    reference : DataFrame
        point_id, lon, lat, stratum, reference_class, zone_id, simulated; in random order, as interpreters get them.
    strata : DataFrame
        stratum, zone_id, area_ha, simulated; every stratum of every zone.
    """
    sizes = sizes or {"forest": 700, "other_trees": 350, "non_forest": 450}
    stratum = prior_map(pixels, prior_year, seed)
    wanted = {PRIOR_STRATA.index(name): size for name, size in sizes.items()}
    position = rng.permutation(stratified_sample(stratum, wanted, rng)[0])
    truth = pixels.land_cover[year][position]
    wrong = rng.random(position.size) < _INTERPRETER_ERROR[truth]
    lon, lat = rounded_degrees(pixels.x[position], pixels.y[position])
    reference = pd.DataFrame(
        {
            "point_id": [f"R{number:05d}" for number in range(1, position.size + 1)],
            "lon": lon,
            "lat": lat,
            "stratum": np.array(PRIOR_STRATA)[stratum[position]],
            "reference_class": NAMES[np.where(wrong, CONFUSED_CODE[truth], truth)],
            "zone_id": np.array(pixels.zone_ids)[pixels.zone[position]],
            "simulated": True,
        }
    )
    return reference, strata_table(pixels, stratum)


def strata_table(pixels: Population, stratum: np.ndarray) -> pd.DataFrame:
    """Area of each stratum in each zone."""
    cells = pixels.zone.astype(np.int64) * len(PRIOR_STRATA) + stratum
    area = np.bincount(cells, weights=pixels.area_ha, minlength=len(pixels.zone_ids) * len(PRIOR_STRATA))
    rows = [
        (name, zone, round(float(area[z * len(PRIOR_STRATA) + s]), 2))
        for z, zone in enumerate(pixels.zone_ids)
        for s, name in enumerate(PRIOR_STRATA)
    ]
    frame = pd.DataFrame(rows, columns=["stratum", "zone_id", "area_ha"])
    frame["simulated"] = True
    return frame[frame["area_ha"] > 0].reset_index(drop=True)


def project_tables(
    landscape: Landscape,
    zones: Zones,
    grid: GeoBox,
    seed: int,
    *,
    year: int = 2025,
    previous_year: int = 2020,
    plot_spacing_m: float = 3000.0,
    labels: int = 600,
    reference_sizes: Mapping[str, int] | None = None,
    workers: int = 2,
) -> dict[str, pd.DataFrame | gpd.GeoDataFrame]:
    """Every table that a project of the bureau holds, drawn from the landscape.

    Plots stand on a square grid with a random start, remeasured; reference points come from a stratified random sample.
    All lie at pixel centres of ``grid``, so that the pixels are exactly the population they were drawn from.

    Parameters
    ----------
    landscape : Landscape
    zones : Zones
    grid : GeoBox
        Covers all zones.
    seed : int
        Of all the sampling; the landscape has a seed of its own.
    year, previous_year : int
    plot_spacing_m : float
        Rounded to whole pixels.
    labels : int
        Polygons in all.
    reference_sizes : mapping of stratum to int, optional
    workers : int
        Threads; the result does not depend on it.

    Returns
    -------
    dict
        ``plots``, ``labels``, ``reference``, ``strata``, ``wetland_sites``, ``lidar``.
    """
    pixels = population(landscape, zones, grid, (previous_year, year), workers)
    streams = [np.random.default_rng([abs(seed), number]) for number in range(5)]
    plots = systematic_sample(pixels, plot_spacing_px(pixels, plot_spacing_m), streams[0])
    reference, strata = reference_sample(pixels, year, previous_year, seed, streams[1], reference_sizes)
    return {
        "plots": inventory_plots(landscape, pixels, plots, year, previous_year, streams[0]),
        "labels": label_polygons(landscape, pixels, year, streams[2], labels),
        "reference": reference,
        "strata": strata,
        "wetland_sites": wetland_sites(landscape, zones, year, streams[3]),
        "lidar": lidar_shots(landscape, pixels, year, streams[4]),
    }
