"""The account as one function of its sources of error, so that values and draws come from the same formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinkest.account.forest import AreaPool, TypeTable, arbor_biomass_t, carbon_t, co2_t, type_draws
from sinkest.account.inputs import Strata
from sinkest.account.montecarlo import Array, Draws, correlated, deviations, positive, streams
from sinkest.account.sink import ChangeTerms, sink_t_co2_yr
from sinkest.account.wetland import Rates, WetlandTerms

GROUPS = (
    "sampling",
    "area",
    "conversion_set",
    "coefficients",
    "carbon_fraction",
    "bamboo_density",
    "oil_tea_density",
    "shrub_density",
    "burial_rates",
)
"""Sources of error, in the order of their random streams."""


@dataclass(frozen=True)
class PoolTerms:
    """A pool by area or culms: its density, and the amount (ha or culms) of each row of the class table it has."""

    pool: AreaPool
    amount: Array
    by_area: bool


@dataclass(frozen=True)
class World:
    """Everything an account is computed from."""

    zones: tuple[str, ...]
    stock: Strata
    types: TypeTable
    type_of_row: NDArray[np.intp]
    intercept_used: NDArray[np.bool_]
    classes: Strata
    pools: tuple[PoolTerms, ...]
    change: ChangeTerms | None
    wetland: WetlandTerms | None
    stock_covariance: Array | None = None


def central(world: World) -> dict[str, Any]:
    """The single realisation without any error, under the chosen conversion set."""
    rows, kinds = len(world.stock.frame), len(world.types.types)
    none = np.zeros((1, rows))
    return {
        "sampling": {"stock": none, "change": np.zeros((1, _change_rows(world)))},
        "area": {"stock": none, "stock_area": none, "class": np.zeros((1, len(world.classes.frame)))},
        "conversion_set": {"set": np.zeros(1, dtype=np.intp), "spread": np.ones((1, kinds))},
        "coefficients": np.zeros((1, kinds)),
        "carbon_fraction": np.zeros(1),
        **{f"{terms.pool.name}_density": np.ones((1, 1)) for terms in world.pools},
        "burial_rates": np.ones((1, _burial_rates(world))),
    }


def draw(world: World, rng: np.random.Generator, draws: int) -> dict[str, Any]:
    """Realisations of every source of error, each from a random stream of its own."""
    stream = streams(rng, GROUPS)
    kinds = len(world.types.types)
    sampling, area = _field_errors(world, stream["sampling"], stream["area"], draws)
    table = world.types
    uniform = stream["conversion_set"].random(draws)
    return {
        "sampling": sampling,
        "area": area,
        "conversion_set": {
            "set": np.searchsorted(np.cumsum(table.weights)[:-1], uniform, side="right"),
            "spread": positive(stream["conversion_set"], (draws, kinds), table.stand_in_cv),
        },
        "coefficients": stream["coefficients"].standard_normal((draws, kinds)),
        "carbon_fraction": stream["carbon_fraction"].standard_normal(draws),
        **{
            f"{terms.pool.name}_density": positive(stream[f"{terms.pool.name}_density"], (draws, 1), terms.pool.cv)
            for terms in world.pools
        },
        "burial_rates": _burial_multipliers(world, stream["burial_rates"], draws),
    }


def evaluate(world: World, draws: Draws) -> dict[str, Array]:
    """The account in each realisation: quantity id to an array (draws, zones)."""
    drawn = type_draws(
        world.types,
        draws["conversion_set"]["set"],
        draws["conversion_set"]["spread"],
        draws["coefficients"],
        draws["carbon_fraction"],
    )
    out: dict[str, Array] = {}
    kind = world.type_of_row
    stock_m3 = world.stock.column("stock_m3") + draws["sampling"]["stock"] + draws["area"]["stock"]
    area_ha = world.stock.column("area_ha") + draws["area"]["stock_area"]
    biomass = arbor_biomass_t(stock_m3, area_ha, drawn.slope[:, kind], drawn.intercept[:, kind], world.intercept_used)
    to_zones = world.stock.to_zones(world.zones)
    for index, name in enumerate(world.types.types):
        out[f"biomass:{name}"] = biomass @ (to_zones * (kind == index)[:, None])
    out["carbon:arbor"] = carbon_t(biomass, drawn.carbon_fraction[:, kind]) @ to_zones
    _add_pools(world, draws, out)
    out["carbon:total"] = sum((values for name, values in out.items() if name.startswith("carbon:")), np.zeros(()))
    out["co2_total"] = co2_t(out["carbon:total"])
    if world.change is not None:
        change = world.change.strata.column("change_m3_yr") + draws["sampling"]["change"]
        rows = sink_t_co2_yr(world.change, change, drawn)
        out["sink"] = rows @ world.change.strata.to_zones(world.zones)
    if world.wetland is not None:
        out["wetland_burial"] = _burial(world, world.wetland, draws)
    return out


def _add_pools(world: World, draws: Draws, out: dict[str, Array]) -> None:
    to_zones = world.classes.to_zones(world.zones)
    for terms in world.pools:
        amount = np.broadcast_to(terms.amount, draws["area"]["class"].shape)
        if terms.by_area:
            amount = amount + draws["area"]["class"] * (terms.amount != 0)
        in_zones = (amount @ to_zones) * draws[f"{terms.pool.name}_density"]
        out[f"biomass:{terms.pool.name}"] = in_zones * terms.pool.biomass_per_unit
        out[f"carbon:{terms.pool.name}"] = in_zones * terms.pool.carbon_per_unit


def _burial(world: World, terms: WetlandTerms, draws: Draws) -> Array:
    multipliers = draws["burial_rates"]
    rate = np.array([item.burial_t_co2 for item in terms.rates])
    marsh_ha = terms.marsh_ha + draws["area"]["class"] * (terms.marsh_ha != 0)
    marsh = (marsh_ha @ world.classes.to_zones(world.zones)) * terms.marsh.burial_t_co2
    return (multipliers[:, _rate_columns(terms)] * rate) @ terms.listed_ha + multipliers[:, [0]] * marsh


def _rate_columns(terms: WetlandTerms) -> list[int]:
    """Column of each form's multiplier: forms that share a coefficient share its error; marsh comes first."""
    shared = list(_distinct_rates(terms))
    return [shared.index(_rate_key(item)) for item in terms.rates]


def _distinct_rates(terms: WetlandTerms) -> dict[tuple[float, float], float]:
    return {_rate_key(item): item.burial_cv for item in (terms.marsh, *terms.rates)}


def _rate_key(item: Rates) -> tuple[float, float]:
    return item.burial_t_co2, item.burial_cv


def _burial_rates(world: World) -> int:
    return 1 if world.wetland is None else len(_distinct_rates(world.wetland))


def _burial_multipliers(world: World, rng: np.random.Generator, draws: int) -> Array:
    if world.wetland is None:
        return np.ones((draws, 1))
    columns = [positive(rng, (draws,), cv) for cv in _distinct_rates(world.wetland).values()]
    return np.stack(columns, axis=1)


def _change_rows(world: World) -> int:
    return 0 if world.change is None else len(world.change.strata.frame)


def _field_errors(
    world: World, sampling: np.random.Generator, area: np.random.Generator, draws: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Errors of stock, change and areas.

    A stock total carries the error of its area: with a mean volume v and an error of the mean independent of that of
    the area, their correlation is v x se(area) / se(stock). That part of the stock's error is drawn with the area's.
    """
    stock = world.stock
    se, area_se = stock.column("se"), np.nan_to_num(stock.column("area_se"))
    value, area_ha = stock.column("stock_m3"), stock.column("area_ha")
    volume = np.divide(value, area_ha, out=np.zeros_like(value), where=area_ha > 0)
    share = np.divide(volume * area_se, se, out=np.zeros_like(se), where=se > 0).clip(0, 1)
    z_stock = sampling.standard_normal((draws, len(se)))
    z_area = area.standard_normal((draws, len(se)))
    if world.stock_covariance is not None:
        own, carried = correlated(z_stock, world.stock_covariance), np.zeros_like(z_area)
    else:
        own = deviations(z_stock, se * np.sqrt(1 - share**2), stock.keys, stock.city, stock.additive)
        carried = deviations(z_area, se * share, stock.keys, stock.city, stock.additive)
    change = np.zeros((draws, 0))
    if world.change is not None:
        rows = world.change.strata
        z = sampling.standard_normal((draws, len(rows.frame)))
        change = deviations(z, rows.column("se"), rows.keys, rows.city, rows.additive)
    classes = world.classes
    z = area.standard_normal((draws, len(classes.frame)))
    return (
        {"stock": own, "change": change},
        {
            "stock": carried,
            "stock_area": deviations(z_area, area_se, stock.keys, stock.city, stock.additive),
            "class": deviations(z, classes.column("se"), classes.keys, classes.city, classes.additive),
        },
    )
