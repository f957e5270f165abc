"""The yearly account: from stocks and areas to carbon, CO2, sink and wetland balance, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from sinkest.account import notes as wording
from sinkest.account.conversion import (
    DEFAULT_ENSEMBLE,
    DEFAULT_SET,
    TYPE_MAP,
    Coefficients,
    compare_sets,
    load_coefficients,
)
from sinkest.account.factors import Factor, used_frame
from sinkest.account.forest import MIN_VOLUME_M3_HA, area_pool, type_table, type_volumes, with_intercept
from sinkest.account.inputs import CITY, Strata, area_table, change_table, stock_table
from sinkest.account.montecarlo import MAX_DRAWS, MIN_DRAWS, Array, Draws, summarise, variance_shares
from sinkest.account.rows import (
    Bookkeeping,
    Label,
    account_rows,
    sink_detail,
    site_rows,
    stock_detail,
    tidy,
    wetland_rows,
    zones_of,
)
from sinkest.account.simulation import PoolTerms, World, central, draw, evaluate
from sinkest.account.sink import change_terms
from sinkest.account.sites import check_sites, small_wetlands
from sinkest.account.wetland import WetlandTerms, balance, gwp, wetland_terms
from sinkest.errors import InputError
from sinkest.messages import Message

SHARED = ("carbon:arbor", "carbon:total", "sink", "wetland_burial")
"""Quantities whose variance is split by source of error."""


@dataclass(frozen=True, kw_only=True)
class AccountOptions:
    """How an account is made.

    Attributes
    ----------
    year : int
        Year of the stock.
    definition_id : str
        Definition the forest areas were estimated under; it travels with every forest figure.
    conversion_set : str
        Volume-to-biomass set that gives the values.
    ensemble : mapping, optional
        Set to its weight in the draws. By default the chosen set weighs as much as all its alternatives together, and
        the alternatives are the default sets without provisional coefficients.
    type_map : mapping
        Forest type of the stock table to factor type, where it differs from the default map.
    bamboo_class, oil_tea_class, shrub_class : str or None
        Land-cover classes of the pools without growing stock; None leaves a pool out.
    water_classes, marsh_classes : tuple of str
        Land-cover classes of open water and marsh.
    min_volume_m3_ha : float
        Below this mean volume a stratum is converted by the slope alone.
    gwp_set : str
        Methane's global warming potential: ``"AR5"`` (28, the default), ``"AR6"`` (27.0 non-fossil), ...
    corridor_included : bool
        Whether corridor sites count among the small wetlands; by default they are counted apart.
    level : float
        Of the intervals.
    draws : int
        Realisations, at least 10,000.
    simulated : bool
        Whether the input comes from a simulation; carried into every row.
    factor_tables : mapping
        Table name to the path of a table of one's own.
    """

    year: int
    definition_id: str
    conversion_set: str = DEFAULT_SET
    ensemble: Mapping[str, float] | None = None
    type_map: Mapping[str, str] = field(default_factory=dict)
    bamboo_class: str | None = "bamboo"
    oil_tea_class: str | None = "oil_tea"
    shrub_class: str | None = "shrub"
    water_classes: tuple[str, ...] = ("water",)
    marsh_classes: tuple[str, ...] = ("marsh",)
    min_volume_m3_ha: float = MIN_VOLUME_M3_HA
    gwp_set: str = "AR5"
    corridor_included: bool = False
    level: float = 0.95
    draws: int = MIN_DRAWS
    simulated: bool = False
    factor_tables: Mapping[str, str | Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not MIN_DRAWS <= self.draws <= MAX_DRAWS:
            raise InputError("account.draws", given=self.draws, least=MIN_DRAWS, most=MAX_DRAWS)
        if not 0.5 < self.level < 1:
            raise InputError("account.level", given=self.level)
        if not self.min_volume_m3_ha >= 0:
            raise InputError("account.min_volume", given=self.min_volume_m3_ha)

    def weights(self) -> dict[str, float]:
        """Weight of each conversion set in the draws."""
        if self.ensemble is not None:
            return dict(self.ensemble)
        others = [name for name in DEFAULT_ENSEMBLE if name != self.conversion_set]
        return {self.conversion_set: 0.5, **{name: 0.5 / len(others) for name in others}}

    def pool_classes(self) -> dict[str, str]:
        """Pool to its land-cover class."""
        given = {"bamboo": self.bamboo_class, "oil_tea": self.oil_tea_class, "shrub": self.shrub_class}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class AccountResult:
    """The account of a year.

    Attributes
    ----------
    rows : DataFrame
        Estimates in the tidy columns of the project.
    factors_used : DataFrame
        Every coefficient behind the rows and their intervals, with unit, source and status.
    shares : DataFrame
        ``quantity, zone, source, share``: which source of error carries how much of the variance; ``source`` is the id
        of a text, e.g. ``"account.source_sampling"``.
    notes : tuple of Message
        What a reader must know.
    stock_detail, sink_detail : DataFrame
        Stock to CO2 step by step, and sink by slope and by ratio, by zone and type.
    conversion_sets : DataFrame
        What each conversion set makes of the same mean volumes.
    wetland : DataFrame
        Burial, methane, its CO2 equivalent and the net by zone and kind.
    """

    rows: pd.DataFrame
    factors_used: pd.DataFrame
    shares: pd.DataFrame
    notes: tuple[Message, ...]
    stock_detail: pd.DataFrame
    sink_detail: pd.DataFrame
    conversion_sets: pd.DataFrame
    wetland: pd.DataFrame


def carbon_account(
    stock_by_type: pd.DataFrame,
    class_area: pd.DataFrame,
    change: pd.DataFrame | None,
    sites: pd.DataFrame | None,
    options: AccountOptions,
    *,
    rng: np.random.Generator,
    stock_covariance: Array | None = None,
) -> AccountResult:
    """Make the account of a year.

    Parameters
    ----------
    stock_by_type : DataFrame
        ``zone, type, stock_m3, se, area_ha, area_se``: growing stock of arbor forest; zone ``"all"`` is the whole.
    class_area : DataFrame
        ``zone, class, area_ha, se``: land-cover areas; of bamboo optionally ``culms``. May be empty.
    change : DataFrame or None
        ``zone, type, component, change_m3_yr, se, area_ha_yr``; see :func:`sinkest.account.sink.difference`.
    sites : DataFrame or None
        Wetland sites; see :func:`sinkest.account.sites.check_sites`.
    options : AccountOptions
    rng : numpy.random.Generator
    stock_covariance : ndarray, (rows, rows), optional
        Covariance of the stocks (m6) in the order of ``stock_by_type``, in place of independent standard errors.

    Returns
    -------
    AccountResult
        The value of a row is the account without errors under the chosen set; its interval spans the draws.

    Raises
    ------
    InputError
        For tables, coefficients or options that cannot be used; the message says what and where.
    """
    coefficients = load_coefficients(options.factor_tables)
    gwp(coefficients, options.gwp_set)
    checked = None if sites is None else check_sites(sites, options.year)
    world = _world(coefficients, stock_by_type, class_area, change, checked, options, stock_covariance)
    first_rng, second_rng = rng.spawn(2)
    first = draw(world, first_rng, options.draws)
    drawn = evaluate(world, first)
    summaries = {name: summarise(values, options.level) for name, values in drawn.items()}
    keeping = Bookkeeping(options.year, options.level, options.definition_id, options.simulated)
    records = account_rows(world, keeping, evaluate(world, central(world)), summaries, _labels(world))
    notes = _notes(world, options)
    wetland = world.wetland
    if wetland is not None:
        records += wetland_rows(wetland, keeping)
    if checked is not None and wetland is not None:
        counted, remarks = small_wetlands(checked, options.corridor_included)
        records += site_rows(counted, wetland.zones, keeping)
        notes += remarks
    volumes = dict(zip(world.types.factor_types, world.types.volume_m3_ha.tolist(), strict=True))
    return AccountResult(
        rows=tidy(records),
        factors_used=used_frame(_factors(world)),
        shares=_shares(world, first, draw(world, second_rng, options.draws)),
        notes=tuple(notes),
        stock_detail=stock_detail(world),
        sink_detail=sink_detail(world),
        conversion_sets=compare_sets(coefficients, volumes),
        wetland=_balance(coefficients, wetland, options.gwp_set),
    )


def _world(
    coefficients: Coefficients,
    stock_by_type: pd.DataFrame,
    class_area: pd.DataFrame,
    change: pd.DataFrame | None,
    sites: pd.DataFrame | None,
    options: AccountOptions,
    stock_covariance: Array | None,
) -> World:
    stock, classes = stock_table(stock_by_type), area_table(class_area)
    types = tuple(dict.fromkeys(stock.frame["type"]))
    table = type_table(
        coefficients,
        types,
        type_volumes(stock, types),
        type_map={**TYPE_MAP, **options.type_map},
        conversion_set=options.conversion_set,
        ensemble=options.weights(),
    )
    terms = None if change is None else change_terms(change_table(change), stock, types)
    tables = [stock, classes] if terms is None else [stock, classes, terms.strata]
    zones = _zones(tables, sites)
    mapped = classes.frame["class"].isin([*options.water_classes, *options.marsh_classes]).any()
    wetland = None
    if sites is not None or mapped:
        wetland = wetland_terms(coefficients, sites, classes, zones, options.water_classes, options.marsh_classes)
    return World(
        zones=zones,
        stock=stock,
        types=table,
        type_of_row=np.array([types.index(name) for name in stock.frame["type"]], dtype=np.intp),
        intercept_used=with_intercept(stock.column("stock_m3"), stock.column("area_ha"), options.min_volume_m3_ha),
        classes=classes,
        pools=_pools(coefficients, classes, options.pool_classes()),
        change=terms,
        wetland=wetland,
        stock_covariance=_covariance(stock, stock_covariance, len(stock_by_type)),
    )


def _zones(tables: list[Strata], sites: pd.DataFrame | None) -> tuple[str, ...]:
    """The whole first, then all zones of any table, in order of their ids."""
    named = {zone for table in tables for zone in table.zones + table.declined}
    if sites is not None:
        named |= set(sites["zone"]) - {""}
    return (CITY, *sorted(named - {CITY}))


def _pools(coefficients: Coefficients, classes: Strata, pool_classes: Mapping[str, str]) -> tuple[PoolTerms, ...]:
    pools = []
    for name, land_cover in pool_classes.items():
        rows = (classes.frame["class"] == land_cover).to_numpy()
        if not rows.any():
            continue
        culms = np.nan_to_num(classes.column("culms")) * rows
        by_culms = name == "bamboo" and not np.isnan(classes.column("culms")[rows]).any()
        amount = culms if by_culms else classes.column("area_ha") * rows
        pools.append(PoolTerms(area_pool(coefficients, name, by_culms), amount, not by_culms))
    return tuple(pools)


def _covariance(stock: Strata, given: Array | None, rows: int) -> Array | None:
    if given is None:
        return None
    matrix = np.asarray(given, dtype=np.float64)
    if matrix.shape != (rows, rows) or not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T):
        raise InputError("account.covariance", shape=matrix.shape, rows=rows)
    order = stock.frame["row"].to_numpy()
    return matrix[np.ix_(order, order)]


def _labels(world: World) -> dict[str, Label]:
    table = world.types
    arbor = any(factor.provisional for factor in table.factors)
    everything = arbor or any(terms.pool.provisional for terms in world.pools)
    labels = {f"biomass:{name}": Label(table.sets[0], arbor) for name in table.types}
    labels["carbon:arbor"] = Label(table.sets[0], arbor)
    for terms in world.pools:
        method = "area_density" if terms.by_area else "culms"
        note = "account.note_bamboo" if terms.pool.name == "bamboo" and terms.by_area else ""
        for quantity in (f"biomass:{terms.pool.name}", f"carbon:{terms.pool.name}"):
            labels[quantity] = Label(method, terms.pool.provisional, note)
    labels["carbon:total"] = labels["co2_total"] = Label(table.sets[0], everything)
    labels["sink"] = Label("stock_difference", arbor, "account.note_sink")
    burial = world.wetland is not None and any(factor.provisional for factor in world.wetland.factors)
    labels["wetland_burial"] = Label("gross_burial", burial, "account.note_burial")
    return labels


def _notes(world: World, options: AccountOptions) -> list[Message]:
    notes = wording.conversion_notes(world, options.min_volume_m3_ha)
    notes += wording.table_notes(world.stock, "stock_by_type") + wording.table_notes(world.classes, "class_area")
    if world.change is not None:
        notes += wording.table_notes(world.change.strata, "change")
    notes += wording.pool_notes(terms.pool for terms in world.pools)
    notes += wording.sink_notes(world, sink_detail(world))
    if world.wetland is not None:
        notes += [Message.of("account.burial_gross"), *world.wetland.notes]
    return notes + wording.provisional_note(_factors(world))


def _factors(world: World) -> list[Factor]:
    pools = [factor for terms in world.pools for factor in terms.pool.factors]
    return [*world.types.factors, *pools, *(() if world.wetland is None else world.wetland.factors)]


def _balance(coefficients: Coefficients, wetland: WetlandTerms | None, gwp_set: str) -> pd.DataFrame:
    columns = ["zone", "kind", "form", "area_ha", "sites"]
    if wetland is None:
        return balance(coefficients, pd.DataFrame(columns=columns), gwp_set)
    return balance(coefficients, wetland.areas.loc[wetland.areas["zone"].isin(wetland.zones), columns], gwp_set)


def _shares(world: World, first: Draws, second: Draws) -> pd.DataFrame:
    """Variance shares of the main quantities, for every zone with an answer."""

    def main(draws: Draws) -> dict[str, Array]:
        return {name: values for name, values in evaluate(world, draws).items() if name in SHARED}

    records = []
    for quantity, groups in variance_shares(main, first, second).items():
        for zone in zones_of(world, quantity)[0]:
            index = world.zones.index(zone)
            records += [
                {"quantity": quantity, "zone": zone, "source": f"account.source_{group}", "share": float(values[index])}
                for group, values in groups.items()
            ]
    return pd.DataFrame.from_records(records, columns=["quantity", "zone", "source", "share"])
