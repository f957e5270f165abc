"""Does the interval of the yearly sink hold the true sink as often as it says?

``python -m tests.benchmarks.sink [--samples 200] [--resolution 300] [--spacing 4500] [--quick]`` builds the virtual
city at two dates, and then again and again: draws the conversion from volume to carbon that is true this time from the
ensemble, measures a new systematic grid of plots at both dates, estimates stock and change with the functions of the
yearly run, and makes the account. It ends with code 1 where the 95 % interval of the city's sink holds the true sink
less than 92 % or more than 98 % of the time.

The map that assists is made once, from the truth with the errors of a map; nothing is trained, so a sample is cheap.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.account import AccountOptions
from sinkest.account.conversion import load_coefficients
from sinkest.account.forest import type_draws
from sinkest.account.inputs import change_table
from sinkest.account.montecarlo import summarise
from sinkest.account.simulation import World, draw, evaluate
from sinkest.account.sink import change_terms, sink_t_co2_yr
from sinkest.account.yearly import _world
from sinkest.aoi import build_grid, read_zones
from sinkest.shipped import shipped
from sinkest.simulate.classes import ARBOR, NAMES
from sinkest.simulate.fieldwork import inventory_plots, plot_spacing_px
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import Population, population, systematic_sample
from sinkest.stages import inference
from sinkest.stages.inference import CITY, Frame

YEAR, YEARS_BETWEEN, SEED = 2025, 5, 20250101
DAYS_A_YEAR = 365.25
LEVEL, LOWEST, HIGHEST = 0.95, 0.92, 0.98
DRAWS = 4_000
MINIMUM_PLOTS = 10
AREA_CV = 0.03
"""Error of the area of a forest type, as a reference sample leaves it."""
MAP_SHRINKAGE, MAP_SPREAD, MAP_MISTAKES = 0.5, 0.45, 0.12
"""A map's volumes lie half way to their type's mean and scatter; some pixels bear another type."""
OPTIONS = AccountOptions(year=YEAR, definition_id="forest_current_rule")
TYPES = tuple(str(NAMES[code]) for code in ARBOR)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TwoDates:
    """The virtual city at two dates, and a map of the second that assists the plots.

    Attributes
    ----------
    landscape : Landscape
    pixels : Population
    frame : Frame
    mapped : int array (n,)
        Type the map gives each pixel.
    predicted : float array (n,)
        Volume the map gives each pixel, m3/ha.
    map_mean : DataFrame (zones x types)
    area_ha : DataFrame
        ``zone, type, area_ha``: true areas.
    change : DataFrame
        True change of the city: ``zone, type, component, change_m3_yr, se, area_ha_yr``.
    stock : DataFrame
        True stock of the city by type: ``zone, type, stock_m3, se, area_ha``.
    """

    landscape: Landscape
    pixels: Population
    frame: Frame
    mapped: NDArray[np.int64]
    predicted: Floats
    map_mean: pd.DataFrame
    area_ha: pd.DataFrame
    change: pd.DataFrame
    stock: pd.DataFrame


def two_dates(resolution_m: float, seed: int = SEED) -> TwoDates:
    """Build the city at both dates and its map."""
    zones = read_zones(shipped("aoi/zhuzhou.geojson"))
    landscape = Landscape(seed)
    pixels = population(landscape, zones, build_grid(zones, resolution_m), (YEAR - YEARS_BETWEEN, YEAR), workers=1)
    hectares = np.bincount(pixels.zone, pixels.area_ha, minlength=len(pixels.zone_ids))
    frame = Frame(YEAR, LEVEL, OPTIONS.definition_id, True, dict(zip(pixels.zone_ids, hectares.tolist(), strict=True)))
    mapped, predicted = _map(pixels, np.random.default_rng([seed, 1]))
    sums = pd.DataFrame({"zone": pixels.zone, "type": mapped, "m3": pixels.area_ha * predicted})
    means = sums.pivot_table(index="zone", columns="type", values="m3", aggfunc="sum", fill_value=0.0)
    means = means.reindex(index=range(len(pixels.zone_ids)), columns=list(ARBOR), fill_value=0.0).div(hectares, axis=0)
    means.index, means.columns = pd.Index(pixels.zone_ids), pd.Index(TYPES)
    now = pixels.land_cover[YEAR]
    of = pd.DataFrame({"zone": pixels.zone, "type": now, "ha": pixels.area_ha})[np.isin(now, ARBOR)]
    area = of.groupby(["zone", "type"])["ha"].sum().reset_index()
    area = area.assign(zone=np.array(pixels.zone_ids)[area["zone"]], type=NAMES[area["type"]], area_ha=area["ha"])
    change, stock = _true_change(pixels), _true_stock(pixels)
    columns = ["zone", "type", "area_ha"]
    return TwoDates(landscape, pixels, frame, mapped, predicted, means, area[columns], change, stock)


def _map(pixels: Population, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats]:
    """Types and volumes of a map with the usual faults: shrunk to the mean, scattered, sometimes of another type."""
    truth = pixels.land_cover[YEAR].astype(np.int64)
    volume = pixels.volume_m3_ha[YEAR].astype(np.float64)
    arbor = np.isin(truth, ARBOR)
    mapped = np.where(arbor, truth, 0)
    mistaken = arbor & (rng.random(len(truth)) < MAP_MISTAKES)
    mapped[mistaken] = rng.choice(ARBOR, int(mistaken.sum()))
    mean = np.zeros(max(ARBOR) + 1)
    for code in ARBOR:
        mean[code] = volume[mapped == code].mean()
    scatter = np.exp(MAP_SPREAD * rng.standard_normal(len(truth)) - MAP_SPREAD**2 / 2)
    return mapped, np.where(mapped > 0, (volume + MAP_SHRINKAGE * (mean[mapped] - volume)) * scatter, 0.0)


def _true_change(pixels: Population) -> pd.DataFrame:
    """Exact yearly change of the city by type and by what became of the land."""
    before, now = (pixels.volume_m3_ha[year].astype(np.float64) for year in (YEAR - YEARS_BETWEEN, YEAR))
    was, became = pixels.land_cover[YEAR - YEARS_BETWEEN], pixels.land_cover[YEAR]
    stayed, won, gone = (before > 0) & (now > 0), (before == 0) & (now > 0), (before > 0) & (now == 0)
    rows = []
    for name, here, code in (("remaining", stayed, became), ("converted", won, became), ("lost", gone, was)):
        for one in ARBOR:
            of = here & (code == one)
            volume = float((pixels.area_ha[of] * (now - before)[of]).sum()) / YEARS_BETWEEN
            area = -float(pixels.area_ha[of].sum()) / YEARS_BETWEEN if name == "lost" else 0.0
            rows.append((CITY, str(NAMES[one]), name, volume, 0.0, area))
    return pd.DataFrame(rows, columns=["zone", "type", "component", "change_m3_yr", "se", "area_ha_yr"])


def _true_stock(pixels: Population) -> pd.DataFrame:
    rows = []
    for one in ARBOR:
        of = pixels.land_cover[YEAR] == one
        volume = float((pixels.area_ha[of] * pixels.volume_m3_ha[YEAR][of].astype(np.float64)).sum())
        rows.append((CITY, str(NAMES[one]), volume, 0.0, float(pixels.area_ha[of].sum())))
    return pd.DataFrame(rows, columns=["zone", "type", "stock_m3", "se", "area_ha"])


def true_sink(city: TwoDates, rng: np.random.Generator) -> float:
    """The sink of the true change under one conversion drawn from the ensemble, t CO2/yr."""
    world = _world(load_coefficients(), city.stock, pd.DataFrame(), None, None, OPTIONS, None)
    drawn = draw(world, rng, 1)
    conversion = type_draws(
        world.types,
        drawn["conversion_set"]["set"],
        drawn["conversion_set"]["spread"],
        drawn["coefficients"],
        drawn["carbon_fraction"],
        drawn["allometry"],
    )
    terms = change_terms(change_table(city.change), world.stock, world.types.types)
    return float(sink_t_co2_yr(terms, terms.strata.column("change_m3_yr")[None, :], conversion).sum())


def estimated_world(city: TwoDates, spacing_m: float, rng: np.random.Generator) -> World:
    """Draw and measure plots at both dates and estimate stock and change as the yearly run does."""
    pixels = city.pixels
    position = systematic_sample(pixels, plot_spacing_px(pixels, spacing_m), rng)
    plots = inventory_plots(city.landscape, pixels, position, YEAR, YEAR - YEARS_BETWEEN, rng)
    days = (pd.to_datetime(plots["date"]) - pd.to_datetime(plots["previous_date"])).dt.days
    plots = plots.assign(years=days.to_numpy() / DAYS_A_YEAR, x_m=pixels.x[position], y_m=pixels.y[position])
    mapped, volume = city.mapped[position], city.predicted[position]
    predicted = pd.DataFrame(
        {name: np.where(mapped == code, volume, 0.0) for name, code in zip(TYPES, ARBOR, strict=True)}
    )
    found = inference.stock(city.frame, plots, predicted, city.map_mean, TYPES, "systematic", MINIMUM_PLOTS)
    areas = city.area_ha.assign(
        area_ha=city.area_ha["area_ha"] * (1 + AREA_CV * rng.standard_normal(len(city.area_ha)))
    )
    whole = areas.groupby("type", as_index=False)["area_ha"].sum().assign(zone=CITY)
    table = found.by_type.merge(pd.concat([areas, whole]), on=["zone", "type"])
    table["area_se"] = AREA_CV * table["area_ha"]
    table.loc[table["zone"] == CITY, "area_se"] /= math.sqrt(len(city.frame.zone_area_ha))
    return _world(load_coefficients(), table, pd.DataFrame(), found.change, None, OPTIONS, None)


def one_realisation(city: TwoDates, number: int, spacing_m: float) -> tuple[float, float, float, float, float]:
    """True sink, estimate, its standard error and its interval, t CO2/yr; equal numbers give equal results."""
    rng = np.random.default_rng([SEED, number])
    truth = true_sink(city, rng)
    world = estimated_world(city, spacing_m, rng)
    draws = evaluate(world, draw(world, rng, DRAWS))["sink"][:, [world.zones.index(CITY)]]
    summary = summarise(draws, LEVEL)
    return truth, float(draws.mean()), float(summary.se[0]), float(summary.low[0]), float(summary.high[0])


def realisations(city: TwoDates, count: int, spacing_m: float) -> pd.DataFrame:
    """``truth, estimate, se, low, high`` of each realisation."""
    rows = []
    for number in range(count):
        rows.append(one_realisation(city, number, spacing_m))
        if sys.stderr.isatty():
            print(f"\r{number + 1} / {count}", end="", file=sys.stderr, flush=True)
    return pd.DataFrame(rows, columns=["truth", "estimate", "se", "low", "high"])


def coverage(table: pd.DataFrame) -> float:
    """Share of the intervals that hold the truth."""
    return float(((table["low"] <= table["truth"]) & (table["truth"] <= table["high"])).mean())


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--resolution", type=float, default=300.0, help="metres")
    parser.add_argument("--spacing", type=float, default=4500.0, help="of the plots, metres")
    parser.add_argument("--quick", action="store_true", help="a first look: few samples, coarse pixels")
    given = parser.parse_args(arguments)
    count, resolution = (20, 900.0) if given.quick else (given.samples, given.resolution)
    start = time.monotonic()
    table = realisations(two_dates(resolution), count, given.spacing)
    held = coverage(table)
    error = 100 * math.sqrt(LEVEL * (1 - LEVEL) / count)
    ratio = table["se"].mean() / (table["estimate"] - table["truth"]).std()
    print("| quantity | true, mean | estimate, mean | SE / error | coverage |")
    print("| --- | --- | --- | --- | --- |")
    mean = f"{table['truth'].mean() / 1e6:.3f} | {table['estimate'].mean() / 1e6:.3f}"
    print(f"| sink, Mt CO2/yr | {mean} | {ratio:.2f} | {100 * held:.1f} % |")
    print(
        f"\n{count} realisations, pixels of {resolution:g} m, plots every {given.spacing:g} m, "
        f"{time.monotonic() - start:.0f} s. A coverage of {100 * LEVEL:g} % is seen with a standard error of "
        f"{error:.1f} points."
    )
    return int(not LOWEST <= held <= HIGHEST)


if __name__ == "__main__":
    sys.exit(main())
