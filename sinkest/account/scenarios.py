"""The road ahead: growing stock and forest area year by year under declared rates, with the errors of both.

Each realisation draws today's stock and area from their estimates and every rate of the scenario once, and carries them
through all years, so that a rate that is too high stays too high.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.account.definitions import comparable
from sinkest.account.montecarlo import streams
from sinkest.errors import InputError
from sinkest.targets.file import Target
from sinkest.tidy import CITY, WITHHELD

Floats = NDArray[np.float64]

COLUMNS = (
    "scenario", "scenario_zh", "scenario_en", "quantity", "zone", "definition_id", "year", "value", "unit", "low",
    "high", "target_id", "target_year", "target_value", "probability",
)  # fmt: skip
STREAMS = ("stock", "area", "change", "growth", "harvest", "planting", "loss", "young")
TARGETED = ("growing_stock", "forest_coverage", "forest_area")


@dataclass(frozen=True)
class Rate:
    """A rate a year with its uncertainty: normal, cut at zero where a rate cannot be negative."""

    mean: float = 0.0
    sd: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """What is assumed of the years to come.

    Attributes
    ----------
    id, zh, en : str
    growth_percent : Rate or None
        Growth of the stock in percent a year, before harvest; None: the change measured until now goes on, in which
        today's harvest is contained.
    harvest_m3 : Rate
        Volume cut a year; where the measured change goes on, beyond today's.
    planting_ha, loss_ha : Rate
        Land that becomes forest and forest that is lost a year; lost forest takes the mean stock with it.
    young_m3_ha : Rate
        Growth a year of a hectare planted in an earlier year.
    """

    id: str
    zh: str
    en: str
    growth_percent: Rate | None = None
    harvest_m3: Rate = Rate()
    planting_ha: Rate = Rate()
    loss_ha: Rate = Rate()
    young_m3_ha: Rate = Rate()


@dataclass(frozen=True)
class Start:
    """Where the road begins: estimates of the run's year with their standard errors.

    Attributes
    ----------
    stock_m3, area_ha, change_m3_yr : Rate
        Growing stock, forest area, and the measured change of stock; mean NaN where the run has none.
    land_ha : float
        Area of the zone.
    """

    stock_m3: Rate
    area_ha: Rate
    change_m3_yr: Rate
    land_ha: float


def declared(given: Mapping[str, Any]) -> Scenario:
    """A scenario as a configuration declares it: rates as mappings of ``mean`` and ``sd``."""
    rates = {name: Rate(**value) for name, value in given.items() if isinstance(value, Mapping)}
    return Scenario(id=given["id"], zh=given["zh"], en=given["en"], **rates)


def widened(targets: Sequence[Target], half_width: float | None) -> list[Target]:
    """Targets with another half-width of "about" for forest coverage, where one is given."""
    if half_width is None:
        return list(targets)
    return [
        replace(target, half_width=half_width)
        if target.quantity == "forest_coverage" and target.comparison == "about"
        else target
        for target in targets
    ]


def project(start: Start, scenario: Scenario, years: int, rng: np.random.Generator, draws: int) -> dict[str, Floats]:
    """Carry stock and area on.

    Parameters
    ----------
    start : Start
    scenario : Scenario
    years : int
        Number of years ahead, 0 gives today alone.
    rng : numpy.random.Generator
    draws : int
        Number of realisations; 0 gives the single one without errors.

    Returns
    -------
    dict of str to ndarray (draws, years + 1)
        ``growing_stock`` (m3), ``forest_area`` (ha), ``forest_coverage`` (%); a quantity without a beginning, or stock
        without growth and without a measured change, is left out.
    """
    stream = streams(rng, STREAMS)
    size = max(draws, 1)

    def drawn(name: str, rate: Rate, *, positive: bool = True) -> Floats:
        values = np.full(size, rate.mean)
        if draws:
            values = values + rate.sd * stream[name].standard_normal(size)
        return np.maximum(values, 0.0) if positive else values

    planting, loss = drawn("planting", scenario.planting_ha), drawn("loss", scenario.loss_ha)
    harvest, young = drawn("harvest", scenario.harvest_m3), drawn("young", scenario.young_m3_ha)
    measured = drawn("change", start.change_m3_yr, positive=False)
    growth = None if scenario.growth_percent is None else drawn("growth", scenario.growth_percent, positive=False)
    area = drawn("area", start.area_ha)[:, None] + np.arange(years + 1) * (planting - loss)[:, None]
    area = np.maximum(area, 0.0)
    out: dict[str, Floats] = {}
    if math.isfinite(start.area_ha.mean):
        out = {"forest_area": area, "forest_coverage": 100 * area / start.land_ha}
    if not math.isfinite(start.stock_m3.mean) or (growth is None and not math.isfinite(start.change_m3_yr.mean)):
        return out
    stock = np.empty((size, years + 1))
    stock[:, 0] = drawn("stock", start.stock_m3)
    # without an area a hectare lost has no known stock; forest areas are then taken not to change it
    dense = np.divide(stock[:, :1], area, out=np.zeros_like(area), where=np.isfinite(area) & (area > 0))[:, 0]
    for year in range(years):
        before = stock[:, year]
        grown = measured if growth is None else before * growth / 100
        stock[:, year + 1] = np.maximum(before + grown - harvest - loss * dense + young * planting * year, 0.0)
    return out | {"growing_stock": stock}


def scenario_table(
    estimates: pd.DataFrame,
    targets: Sequence[Target],
    scenarios: Sequence[Scenario],
    year: int,
    land_ha: float,
    definition_id: str,
    *,
    rng: np.random.Generator,
    draws: int,
    level: float = 0.95,
) -> pd.DataFrame:
    """Every scenario to the last target's year, with the probability that each target's value holds in each year.

    A target of "about" is judged up to its own year; one to be reached also later, since it may be reached late.

    Parameters
    ----------
    estimates : DataFrame
        The tidy table.
    targets : sequence of Target
        Those of the whole on growing stock, forest area and coverage are judged; unlike definitions are passed over.
    scenarios : sequence of Scenario
    year : int
        Of the estimates.
    land_ha : float
        Area of the whole.
    definition_id : str
        Of the forest area.
    rng : numpy.random.Generator
    draws : int
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        :data:`COLUMNS`; a row for each scenario, quantity, year and target, with an empty target where there is none.
        The value is the realisation without errors; low and high span the draws.

    Raises
    ------
    InputError
        If two scenarios share an id.
    """
    names = [scenario.id for scenario in scenarios]
    if len(set(names)) < len(names):
        raise InputError("scenario.twice", ids=", ".join(sorted({name for name in names if names.count(name) > 1})))
    start = starting_point(estimates, year, land_ha)
    last = max([target.year for target in targets if target.quantity in TARGETED], default=year)
    if last <= year:
        return pd.DataFrame(columns=list(COLUMNS))
    records = []
    seed = int(rng.integers(2**63))
    for scenario in scenarios:
        # the same random numbers for all: scenarios differ by what they assume, not by chance
        central = project(start, scenario, last - year, np.random.default_rng(seed), 0)
        spread = project(start, scenario, last - year, np.random.default_rng(seed), draws)
        for quantity, values in central.items():
            wanted = [
                target
                for target in targets
                if target.quantity == quantity
                and target.zone == CITY
                and (not target.definition_id or comparable(target.definition_id, definition_id))
            ]
            for step in range(last - year + 1):
                record = _record(
                    scenario, quantity, definition_id, year + step, values[0, step], spread[quantity][:, step], level
                )
                due = [item for item in wanted if item.comparison != "about" or year + step <= item.year]
                records += [record | _chance(target, spread[quantity][:, step]) for target in due] or [record]
    return pd.DataFrame.from_records(records, columns=list(COLUMNS))


def starting_point(estimates: pd.DataFrame, year: int, land_ha: float) -> Start:
    """Estimates of the whole that a projection begins from; NaN where the run has none it may use."""

    def found(quantity: str) -> Rate:
        rows = estimates[
            (estimates["quantity"] == quantity) & (estimates["zone"].astype(str) == CITY) & (estimates["year"] == year)
        ]
        rows = rows[rows["status"] != WITHHELD]
        if rows.empty or not math.isfinite(float(rows["se"].iloc[0])):
            return Rate(math.nan, 0.0)
        return Rate(float(rows["value"].iloc[0]), float(rows["se"].iloc[0]))

    return Start(found("growing_stock"), found("forest_area"), found("stock_change"), land_ha)


_UNITS = {"growing_stock": "m3", "forest_area": "ha", "forest_coverage": "%"}


def _record(
    scenario: Scenario, quantity: str, definition_id: str, year: int, value: float, drawn: Floats, level: float
) -> dict[str, object]:
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    return {
        "scenario": scenario.id,
        "scenario_zh": scenario.zh,
        "scenario_en": scenario.en,
        "quantity": quantity,
        "zone": CITY,
        "definition_id": definition_id,
        "year": year,
        "value": value,
        "unit": _UNITS[quantity],
        "low": float(low),
        "high": float(high),
        "target_id": "",
        "target_year": math.nan,
        "target_value": math.nan,
        "probability": math.nan,
    }


def _chance(target: Target, drawn: Floats) -> dict[str, object]:
    """Share of the draws in which a target's value holds."""
    if target.comparison == "about":
        holds = np.abs(drawn - target.value) <= (target.half_width or 0.0)
    else:
        holds = drawn >= target.value
    return {
        "target_id": target.id,
        "target_year": target.year,
        "target_value": target.value,
        "probability": float(holds.mean()),
    }
