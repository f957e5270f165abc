"""The account as one function of its sources of error, so that values and draws come from the same formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinkest.account.forest import AreaPool, TypeDraws, TypeTable, arbor_biomass_t, carbon_t, co2_t, type_draws
from sinkest.account.inputs import COMPONENTS, Strata
from sinkest.account.layers import LAYERS, LayerTerms, layer_stocks
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
    "methane_rates",
    "layers",
    "root_ratio",
    "allometry",
    "definition",
)
"""Sources of error, in the order of their random streams."""
CULMS = "bamboo_culms"
OIL_TEA = "carbon:oil_tea"
"""The pool whose place in the forest hangs on the definition."""


@dataclass(frozen=True)
class PoolTerms:
    """A pool by area or culms.

    Attributes
    ----------
    pool : AreaPool
        Its density.
    amount : ndarray, (rows of the class table,)
        Hectares or culms of each row; zero where the row is of another class.
    per_ha : float
        What a hectare more or less adds to the amount: 1 for an area, the culms of a hectare where culms follow from
        the area, 0 for counted culms.
    """

    pool: AreaPool
    amount: Array
    per_ha: float = 1.0

    @property
    def by_area(self) -> bool:
        """Whether the pool is reckoned by a density per hectare."""
        return self.pool.unit == "ha"


@dataclass(frozen=True)
class World:
    """Everything an account is computed from.

    ``oil_tea_counted`` is what the definition says of oil tea in all carbon; ``definition_doubt`` the probability that,
    once verified, it says the other.
    """

    zones: tuple[str, ...]
    stock: Strata
    types: TypeTable
    type_of_row: NDArray[np.intp]
    intercept_used: NDArray[np.bool_]
    classes: Strata
    pools: tuple[PoolTerms, ...]
    change: ChangeTerms | None
    wetland: WetlandTerms | None
    layers: LayerTerms | None = None
    stock_covariance: Array | None = None
    definition_doubt: float = 0.0
    oil_tea_counted: bool = True

    @property
    def bamboo_mapped(self) -> bool:
        """Whether the class table has bamboo, which has layers of its own."""
        return self.layers is not None and bool(self.layers.bamboo_rows.any())

    @property
    def provisional_pools(self) -> tuple[str, ...]:
        """Pools that rest on a coefficient not checked against its source."""
        arbor = ("arbor",) if any(factor.provisional for factor in self.types.factors) else ()
        return (*arbor, *(terms.pool.name for terms in self.pools if terms.pool.provisional))


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
        "methane_rates": np.ones((1, _methane_rates(world))),
        "layers": {"z": np.zeros((1, len(LAYERS))), "spread": 0.0},
        "root_ratio": np.zeros(1),
        "allometry": np.ones(1),
        "definition": np.full(1, float(world.oil_tea_counted)),
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
        "methane_rates": _methane_multipliers(world, stream["methane_rates"], draws),
        "layers": {"z": stream["layers"].standard_normal((draws, len(LAYERS))), "spread": 1.0},
        "root_ratio": stream["root_ratio"].standard_normal(draws),
        "allometry": positive(stream["allometry"], (draws,), table.allometry_cv),
        "definition": ((stream["definition"].random(draws) < world.definition_doubt) != world.oil_tea_counted) * 1.0,
    }


def evaluate(world: World, draws: Draws) -> dict[str, Array]:
    """The account in each realisation: quantity id to an array (draws, zones)."""
    drawn = type_draws(
        world.types,
        draws["conversion_set"]["set"],
        draws["conversion_set"]["spread"],
        draws["coefficients"],
        draws["carbon_fraction"],
        draws["allometry"],
    )
    out: dict[str, Array] = {}
    kind = world.type_of_row
    stock_m3 = world.stock.column("stock_m3") + draws["sampling"]["stock"] + draws["area"]["stock"]
    area_ha = world.stock.column("area_ha") + draws["area"]["stock_area"]
    biomass = arbor_biomass_t(stock_m3, area_ha, drawn.slope[:, kind], drawn.intercept[:, kind], world.intercept_used)
    to_zones = world.stock.to_zones(world.zones)
    for index, name in enumerate(world.types.types):
        out[f"biomass:{name}"] = biomass @ (to_zones * (kind == index)[:, None])
    arbor = carbon_t(biomass, drawn.carbon_fraction[:, kind])
    out["carbon:arbor"] = arbor @ to_zones
    _add_pools(world, draws, out)
    _add_totals(world, draws["definition"], out)
    if world.layers is not None:
        _add_layers(world, world.layers, draws, arbor, area_ha, out)
    if world.change is not None:
        _add_sink(world, world.change, draws, drawn, out)
    if world.wetland is not None:
        _add_wetland(world, world.wetland, draws, out)
    return out


def _add_pools(world: World, draws: Draws, out: dict[str, Array]) -> None:
    to_zones = world.classes.to_zones(world.zones)
    for terms in world.pools:
        amount = terms.amount + draws["area"]["class"] * (terms.amount != 0) * terms.per_ha
        in_zones = (amount @ to_zones) * draws[f"{terms.pool.name}_density"]
        out[f"biomass:{terms.pool.name}"] = in_zones * terms.pool.biomass_per_unit
        out[f"carbon:{terms.pool.name}"] = in_zones * terms.pool.carbon_per_unit
        if not terms.by_area:
            out[CULMS] = amount @ to_zones


def _add_totals(world: World, oil_tea: Array, out: dict[str, Array]) -> None:
    """All pools together, and apart from that the pools without a provisional coefficient.

    ``oil_tea`` (draws,) is 1 where oil tea counts and 0 where it does not.
    """
    pools = [name for name in out if name.startswith("carbon:")]
    checked = [name for name in pools if name.partition(":")[2] not in world.provisional_pools]
    held = {name: out[name] * oil_tea[:, None] if name == OIL_TEA else out[name] for name in pools}
    out["carbon:total"] = sum(held.values(), np.zeros(()))
    out["co2_total"] = co2_t(out["carbon:total"])
    if 0 < len(checked) < len(pools):
        out["carbon_checked"] = sum((held[name] for name in checked), np.zeros(()))
    if not world.oil_tea_counted:
        # A rule without oil tea has no such pool: what is listed adds up to all carbon.
        for name in (OIL_TEA, OIL_TEA.replace("carbon", "biomass")):
            out.pop(name, None)


def _add_layers(
    world: World, terms: LayerTerms, draws: Draws, arbor_t_c: Array, area_ha: Array, out: dict[str, Array]
) -> None:
    """Above and below ground of the trees, and the stocks beside them."""
    to_zones, of_class = world.stock.to_zones(world.zones), world.classes.to_zones(world.zones)
    kind = world.type_of_row
    share = terms.root_share[kind] + terms.root_share_sd[kind] * draws["root_ratio"][:, None]
    out["carbon_pool:above_ground"] = (arbor_t_c * (1 - share)) @ to_zones
    out["carbon_pool:below_ground"] = (arbor_t_c * share) @ to_zones
    bamboo_ha = (world.classes.column("area_ha") + draws["area"]["class"]) * terms.bamboo_rows
    arbor, bamboo = layer_stocks(terms, **draws["layers"], type_of_row=kind, area_ha=area_ha, bamboo_ha=bamboo_ha)
    for name, trees, canes in zip(LAYERS, arbor, bamboo, strict=True):
        out[f"carbon_pool:{name}"] = trees @ to_zones + canes @ of_class


def _add_sink(world: World, terms: ChangeTerms, draws: Draws, drawn: TypeDraws, out: dict[str, Array]) -> None:
    """The sink, and its split by what became of the land."""
    change = terms.strata.column("change_m3_yr") + draws["sampling"]["change"]
    rows, to_zones = sink_t_co2_yr(terms, change, drawn), terms.strata.to_zones(world.zones)
    out["sink"] = rows @ to_zones
    component = terms.strata.frame["component"].to_numpy()
    for name in COMPONENTS:
        if (component == name).any():
            out[f"sink:{name}"] = rows @ (to_zones * (component == name)[:, None])


def _add_wetland(world: World, terms: WetlandTerms, draws: Draws, out: dict[str, Array]) -> None:
    """Burial, methane, its CO2 equivalent, CO2 of newly flooded land and the net; positive = sink.

    Methane and what follows from it hold for the forms of which methane is assessed.
    """
    burial_rate, methane_rate = draws["burial_rates"], draws["methane_rates"]
    marsh_ha = terms.marsh_ha + draws["area"]["class"] * (terms.marsh_ha != 0)
    marsh_ha = marsh_ha @ world.classes.to_zones(world.zones)
    columns = _rate_columns(terms)
    burial = burial_rate[:, columns] * [item.burial_t_co2 for item in terms.rates] @ terms.listed_ha
    out["wetland_burial"] = burial + burial_rate[:, [0]] * marsh_ha * terms.marsh.burial_t_co2
    per_ha = methane_rate[:, 1:] * np.nan_to_num([item.methane_kg for item in terms.rates]) / 1000
    methane = per_ha @ terms.listed_ha + methane_rate[:, [0]] * marsh_ha * terms.marsh.methane_kg / 1000
    flooded = np.array([item.flooding_t_co2 for item in terms.rates]) @ terms.listed_ha
    out["wetland_methane"] = methane
    out["wetland_methane_co2e"] = -methane * terms.gwp.value
    if flooded.any():
        out["wetland_flooding"] = np.broadcast_to(-flooded, methane.shape)
    out["wetland_net"] = out["wetland_burial"] + out["wetland_methane_co2e"] - flooded


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


def _methane_rates(world: World) -> int:
    return 1 if world.wetland is None else 1 + len(world.wetland.rates)


def _methane_multipliers(world: World, rng: np.random.Generator, draws: int) -> Array:
    """A multiplier for mapped marsh and for each listed form; small wetlands are marsh and share its error."""
    if world.wetland is None:
        return np.ones((draws, 1))
    marsh = world.wetland.marsh
    first = positive(rng, (draws,), marsh.methane_cv)
    columns = [first if item == marsh else positive(rng, (draws,), item.methane_cv) for item in world.wetland.rates]
    return np.stack([first, *columns], axis=1)


def burial_cvs(world: World) -> Array:
    """Coefficient of variation of each burial multiplier."""
    return np.array([] if world.wetland is None else list(_distinct_rates(world.wetland).values()), dtype=np.float64)


def methane_moves(world: World) -> Array:
    """Matrix (sources, multipliers): what one standard deviation of each methane factor moves."""
    if world.wetland is None:
        return np.zeros((0, 1))
    items = (world.wetland.marsh, *world.wetland.rates)
    sources = list(dict.fromkeys(items))
    return np.array([[item.methane_cv if item == source else 0.0 for item in items] for source in sources])


def _change_rows(world: World) -> int:
    return 0 if world.change is None else len(world.change.strata.frame)


def _field_errors(
    world: World, sampling: np.random.Generator, area: np.random.Generator, draws: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Errors of stock, change and areas in each realisation."""
    rows = len(world.stock.frame)
    z_stock, z_area = sampling.standard_normal((draws, rows)), area.standard_normal((draws, rows))
    z_change = sampling.standard_normal((draws, _change_rows(world)))
    z_class = area.standard_normal((draws, len(world.classes.frame)))
    return field_errors(world, z_stock, z_area, z_change, z_class)


def field_errors(
    world: World, z_stock: Array, z_area: Array, z_change: Array, z_class: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Errors of stock, change and areas from standard normal numbers, in which they are linear.

    A stock total carries the error of its area: with a mean volume v and an error of the mean independent of that of
    the area, their correlation is v x se(area) / se(stock). That part of the stock's error is drawn with the area's.
    """
    stock = world.stock
    se, area_se = stock.column("se"), np.nan_to_num(stock.column("area_se"))
    value, area_ha = stock.column("stock_m3"), stock.column("area_ha")
    volume = np.divide(value, area_ha, out=np.zeros_like(value), where=area_ha > 0)
    share = np.divide(volume * area_se, se, out=np.zeros_like(se), where=se > 0).clip(0, 1)
    if world.stock_covariance is not None:
        own, carried = correlated(z_stock, world.stock_covariance), np.zeros_like(z_area)
    else:
        own = deviations(z_stock, se * np.sqrt(1 - share**2), stock.keys, stock.city, stock.additive)
        carried = deviations(z_area, se * share, stock.keys, stock.city, stock.additive)
    change = np.zeros((len(z_change), 0))
    if world.change is not None:
        rows = world.change.strata
        change = deviations(z_change, rows.column("se"), rows.keys, rows.city, rows.additive)
    classes = world.classes
    return (
        {"stock": own, "change": change},
        {
            "stock": carried,
            "stock_area": deviations(z_area, area_se, stock.keys, stock.city, stock.additive),
            "class": deviations(z_class, classes.column("se"), classes.keys, classes.city, classes.additive),
        },
    )
