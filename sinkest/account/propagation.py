"""Error propagation (IPCC 2006 V1 Ch. 3, approach 1) beside the simulation (approach 2).

Approach 1 adds variances: each source of error moves the account by what one standard deviation of it moves, and the
squares of the moves add up. It takes the account for linear and the sources for independent, which is held to be good
enough below about 30 %; the simulation needs neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from sinkest.account.montecarlo import Array, Draws, Summary
from sinkest.account.simulation import World, burial_cvs, central, evaluate, field_errors, methane_moves

LINEAR_LIMIT_PERCENT = 30.0
COLUMNS = (
    "quantity",
    "zone",
    "value",
    "unit",
    "se_approach_1",
    "percent_approach_1",
    "se_approach_2",
    "percent_low_approach_2",
    "percent_high_approach_2",
    "within_limit",
)


def approach_1(world: World) -> dict[str, Array]:
    """Standard error of every quantity by error propagation, each (zones,)."""
    base = evaluate(world, central(world))
    variance = {name: np.zeros(values.shape[1]) for name, values in base.items()}
    for step in _steps(world):
        for name, values in evaluate(world, step).items():
            variance[name] += ((values - base[name]) ** 2).sum(axis=0)
    sets = central(world) | {"conversion_set": _choices(world)}
    weights = world.types.weights[:, None]
    for name, values in evaluate(world, sets).items():
        every = np.broadcast_to(values, (len(weights), values.shape[1]))
        variance[name] += (weights * (every - (weights * every).sum(axis=0)) ** 2).sum(axis=0)
    if world.definition_doubt > 0:
        both, doubt = central(world) | {"definition": np.array([1.0, 0.0])}, world.definition_doubt
        for name, values in evaluate(world, both).items():
            variance[name] += doubt * (1 - doubt) * np.diff(values, axis=0)[0] ** 2 if len(values) == 2 else 0.0
    for step, start, weight in _spreads(world):
        held = evaluate(world, start)
        for name, values in evaluate(world, step).items():
            variance[name] += weight * ((values - held[name]) ** 2).sum(axis=0)
    return {name: np.sqrt(values) for name, values in variance.items()}


def comparison(
    values: Mapping[str, Array],
    first: Mapping[str, Array],
    second: Mapping[str, Summary],
    zones: Sequence[str],
    units: Mapping[str, str],
    level: float,
) -> pd.DataFrame:
    """Both approaches side by side.

    Parameters
    ----------
    values : mapping
        Quantity to (1, zones): the account without errors.
    first : mapping
        Standard errors of :func:`approach_1`.
    second : mapping
        Summaries of the draws.
    zones : sequence of str
    units : mapping
        Quantity to its unit.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        Half-widths in percent of the value. ``within_limit`` says whether approach 1 is below 30 %, where it holds.
    """
    half = float(norm.ppf(0.5 + level / 2))
    records = []
    for quantity, value in values.items():
        summary = second[quantity]
        for index, zone in enumerate(zones):
            here = float(value[0, index])
            size = abs(here) if here else math.nan
            percent = 100 * half * float(first[quantity][index]) / size
            low, high = (100 * (float(end[index]) - here) / size for end in (summary.low, summary.high))
            errors = float(first[quantity][index]), float(summary.se[index])
            within = bool(percent < LINEAR_LIMIT_PERCENT)
            records.append((quantity, zone, here, units[quantity], errors[0], percent, errors[1], low, high, within))
    return pd.DataFrame.from_records(records, columns=list(COLUMNS))


def _steps(world: World) -> Iterator[Draws]:
    """One standard deviation of each source at a time, one row of draws a source."""
    start = central(world)
    stock, change, classes = (
        start["sampling"]["stock"].shape[1],
        start["sampling"]["change"].shape[1],
        start["area"]["class"].shape[1],
    )
    sizes = {"stock": stock, "area": stock, "change": change, "class": classes}
    for moved, size in sizes.items():
        z = {name: np.eye(size) if name == moved else np.zeros((size, other)) for name, other in sizes.items()}
        sampling, area = field_errors(world, z["stock"], z["area"], z["change"], z["class"])
        yield start | {"sampling": sampling, "area": area}
    kinds = len(world.types.types)
    yield start | {"coefficients": np.eye(kinds)}
    yield start | {"carbon_fraction": np.ones(1)}
    for terms in world.pools:
        yield start | {f"{terms.pool.name}_density": np.array([[1 + terms.pool.cv]])}
    yield start | {"layers": start["layers"] | {"z": np.eye(start["layers"]["z"].shape[1])}}
    yield start | {"root_ratio": np.ones(1)}
    yield start | {"allometry": np.array([1 + world.types.allometry_cv])}
    if world.wetland is not None:
        yield start | {"burial_rates": 1 + np.diag(burial_cvs(world))}
        yield start | {"methane_rates": 1 + methane_moves(world)}


def _choices(world: World) -> dict[str, Array | NDArray[np.intp]]:
    """Each conversion set of the ensemble once."""
    count = len(world.types.sets)
    return {"set": np.arange(count, dtype=np.intp), "spread": np.ones((count, len(world.types.types)))}


def _spreads(world: World) -> Iterator[tuple[Draws, Draws, float]]:
    """For each set that lacks types: one standard deviation of the spread that stands in for each of them."""
    start, table = central(world), world.types
    kinds = len(table.types)
    for index in np.flatnonzero(table.stand_in.any(axis=1)):
        chosen = np.full(1, index, dtype=np.intp)
        held = {"set": chosen, "spread": np.ones((1, kinds))}
        moved = {"set": np.repeat(chosen, kinds), "spread": 1 + table.stand_in_cv * np.eye(kinds)}
        yield start | {"conversion_set": moved}, start | {"conversion_set": held}, float(table.weights[index])
