"""The yearly account: from stocks and areas to carbon, CO2, sink and wetland balance, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sinkest.account import notes as wording
from sinkest.account.conversion import TYPE_MAP, Coefficients, compare_sets, load_coefficients
from sinkest.account.factors import Factor, used_frame
from sinkest.account.forest import area_pool, type_table, type_volumes, with_intercept
from sinkest.account.growth import GAIN_LOSS_COLUMNS, gain_loss
from sinkest.account.inputs import Strata, area_table, change_table, stock_table
from sinkest.account.labels import row_labels
from sinkest.account.layers import layer_terms
from sinkest.account.montecarlo import Array, Draws, Summary, summarise, variance_shares
from sinkest.account.options import AccountOptions
from sinkest.account.propagation import approach_1, comparison
from sinkest.account.restoration import COLUMNS as RESTORATION_COLUMNS
from sinkest.account.restoration import wetland_restoration
from sinkest.account.rows import (
    UNITS,
    Bookkeeping,
    account_rows,
    sink_detail,
    site_rows,
    stock_detail,
    wetland_rows,
    zones_of,
)
from sinkest.account.sensitivity import CASES_COLUMNS, wetland_sensitivity
from sinkest.account.simulation import PoolTerms, World, central, draw, evaluate
from sinkest.account.sink import change_terms
from sinkest.account.sites import check_sites, small_wetlands
from sinkest.account.wetland import WetlandTerms, balance, gwp, wetland_terms
from sinkest.errors import InputError
from sinkest.messages import Message
from sinkest.tidy import CITY, tidy

SHARED = ("carbon:arbor", "carbon:total", "sink", "wetland_burial", "wetland_net")
"""Quantities whose variance is split by source of error."""
BESIDE = ("layers", "root_ratio")


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
    wetland_sensitivity : DataFrame
        The whole's balance under other climate zones, trophic states, factors and warming potentials.
    wetland_restoration : DataFrame
        Restored sites before and after.
    uncertainty : DataFrame
        Error propagation (approach 1) beside the simulation (approach 2), for every quantity and zone.
    gain_loss : DataFrame
        Growth by age and removals beside the stock difference of the whole.
    """

    rows: pd.DataFrame
    factors_used: pd.DataFrame
    shares: pd.DataFrame
    notes: tuple[Message, ...]
    stock_detail: pd.DataFrame
    sink_detail: pd.DataFrame
    conversion_sets: pd.DataFrame
    wetland: pd.DataFrame
    wetland_sensitivity: pd.DataFrame
    wetland_restoration: pd.DataFrame
    uncertainty: pd.DataFrame
    gain_loss: pd.DataFrame


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
    keeping = Bookkeeping(
        options.year, options.level, options.definition_id, options.simulated, options.accept_provisional
    )
    values = evaluate(world, central(world))
    records = account_rows(world, keeping, values, summaries, row_labels(world))
    wetland = world.wetland
    if wetland is not None:
        records += wetland_rows(wetland, keeping)
    notes = _notes(world, options, records)
    if checked is not None and wetland is not None:
        counted, remarks = small_wetlands(checked, options.corridor_included)
        records += site_rows(counted, wetland.zones, keeping)
        notes += remarks
    volumes = dict(zip(world.types.factor_types, world.types.volume_m3_ha.tolist(), strict=True))
    check, growth_factors = _gain_loss(coefficients, world, values, summaries, options)
    return AccountResult(
        rows=tidy(records),
        factors_used=used_frame([*_factors(world), *growth_factors]),
        shares=_shares(world, first, draw(world, second_rng, options.draws)),
        notes=tuple(notes),
        stock_detail=stock_detail(world),
        sink_detail=sink_detail(world),
        conversion_sets=compare_sets(coefficients, volumes),
        wetland=_balance(coefficients, wetland, options.gwp_set),
        wetland_sensitivity=_sensitivity(coefficients, wetland, options.gwp_set),
        wetland_restoration=_restoration(coefficients, sites, options),
        uncertainty=_uncertainty(world, values, summaries, options.level),
        gain_loss=check,
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
        kinds = (options.water_classes, options.marsh_classes)
        wetland = wetland_terms(coefficients, sites, classes, zones, *kinds, options.gwp_set)
    return World(
        zones=zones,
        stock=stock,
        types=table,
        type_of_row=np.array([types.index(name) for name in stock.frame["type"]], dtype=np.intp),
        intercept_used=with_intercept(stock.column("stock_m3"), stock.column("area_ha"), options.min_volume_m3_ha),
        classes=classes,
        pools=_pools(coefficients, classes, options),
        change=terms,
        wetland=wetland,
        layers=layer_terms(coefficients, table, stock, classes, options.bamboo_class),
        stock_covariance=_covariance(stock, stock_covariance, len(stock_by_type)),
        definition_doubt=options.definition_doubt,
        oil_tea_counted=options.oil_tea_counted,
    )


def _zones(tables: list[Strata], sites: pd.DataFrame | None) -> tuple[str, ...]:
    """The whole first, then all zones of any table, in order of their ids."""
    named = {zone for table in tables for zone in table.zones + table.declined}
    if sites is not None:
        named |= set(sites["zone"]) - {""}
    return (CITY, *sorted(named - {CITY}))


def _pools(coefficients: Coefficients, classes: Strata, options: AccountOptions) -> tuple[PoolTerms, ...]:
    """Pools by area, and bamboo by counted culms or by culms a hectare where there are any."""
    pools = []
    for name, land_cover in options.pool_classes().items():
        rows = (classes.frame["class"] == land_cover).to_numpy()
        if not rows.any():
            continue
        area = classes.column("area_ha") * rows
        culms = classes.column("culms")
        per_ha = options.bamboo_culms_per_ha
        if name == "bamboo" and not np.isnan(culms[rows]).any():
            pools.append(PoolTerms(area_pool(coefficients, name, True), np.nan_to_num(culms) * rows, 0.0))
        elif name == "bamboo" and per_ha is not None:
            pools.append(PoolTerms(area_pool(coefficients, name, True), area * per_ha, per_ha))
        else:
            pools.append(PoolTerms(area_pool(coefficients, name), area))
    return tuple(pools)


def _covariance(stock: Strata, given: Array | None, rows: int) -> Array | None:
    if given is None:
        return None
    matrix = np.asarray(given, dtype=np.float64)
    if matrix.shape != (rows, rows) or not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T):
        raise InputError("account.covariance", shape=matrix.shape, rows=rows)
    order = stock.frame["row"].to_numpy()
    return matrix[np.ix_(order, order)]


def _notes(world: World, options: AccountOptions, records: list[dict[str, Any]]) -> list[Message]:
    notes = wording.conversion_notes(world, options.min_volume_m3_ha)
    notes += wording.table_notes(world.stock, "stock_by_type") + wording.table_notes(world.classes, "class_area")
    if world.change is not None:
        notes += wording.table_notes(world.change.strata, "change")
    notes += wording.term_notes(world)
    notes += wording.pool_notes(terms.pool for terms in world.pools)
    notes += wording.layer_notes(world)
    notes += wording.sink_notes(world, sink_detail(world))
    if world.wetland is not None:
        horizon = Message.of("account.wetland_horizon", set=options.gwp_set, gwp=world.wetland.gwp.value)
        notes += [Message.of("account.burial_gross"), horizon, *world.wetland.notes]
    return notes + wording.provisional_notes(_factors(world), records)


def _factors(world: World) -> list[Factor]:
    pools = [factor for terms in world.pools for factor in terms.pool.factors]
    layers = () if world.layers is None else world.layers.factors
    return [*world.types.factors, *pools, *layers, *(() if world.wetland is None else world.wetland.factors)]


def _gain_loss(
    coefficients: Coefficients,
    world: World,
    values: Mapping[str, Array],
    summaries: Mapping[str, Summary],
    options: AccountOptions,
) -> tuple[pd.DataFrame, tuple[Factor, ...]]:
    """The check of the whole's sink by growth and removals, where there is a sink of the whole."""
    if world.change is None or CITY not in world.change.strata.zones or CITY not in world.stock.zones:
        return pd.DataFrame(columns=list(GAIN_LOSS_COLUMNS)), ()
    table, layers = world.types, world.layers
    to_city = world.stock.to_zones([CITY])[:, 0]
    of_type = [to_city * (world.type_of_row == index) for index in range(len(table.types))]
    area, stock = ([float(world.stock.column(name) @ rows) for rows in of_type] for name in ("area_ha", "stock_m3"))
    return gain_loss(
        coefficients,
        table.types,
        table.factor_types,
        area,
        slope_t_c_m3=(table.slope_change[0] * table.carbon_fraction[0]).tolist(),
        root_share=[0.0] * len(area) if layers is None else layers.root_share.tolist(),
        stock_m3=stock,
        sink_t_co2_yr=float(values["sink"][0, world.zones.index(CITY)]),
        sink_se_t_co2_yr=float(summaries["sink"].se[world.zones.index(CITY)]),
        ages=options.stand_ages,
        removals=options.removals,
    )


def _uncertainty(
    world: World, values: Mapping[str, Array], summaries: Mapping[str, Summary], level: float
) -> pd.DataFrame:
    """Both approaches for every quantity, in the zones that have an answer."""
    units = {name: UNITS[name.partition(":")[0]] for name in values}
    table = comparison(values, approach_1(world), summaries, world.zones, units, level)
    answered = {name: set(zones_of(world, name)[0]) for name in values}
    keep = [zone in answered[name] for name, zone in zip(table["quantity"], table["zone"], strict=True)]
    return table[keep].reset_index(drop=True)


def _sensitivity(coefficients: Coefficients, wetland: WetlandTerms | None, gwp_set: str) -> pd.DataFrame:
    if wetland is None or CITY not in wetland.zones:
        return pd.DataFrame(columns=list(CASES_COLUMNS))
    return wetland_sensitivity(coefficients, wetland.areas[wetland.areas["zone"] == CITY], gwp_set)


def _restoration(coefficients: Coefficients, sites: pd.DataFrame | None, options: AccountOptions) -> pd.DataFrame:
    if sites is None:
        return pd.DataFrame(columns=list(RESTORATION_COLUMNS))
    return wetland_restoration(coefficients, sites, options.year, options.gwp_set)


def _balance(coefficients: Coefficients, wetland: WetlandTerms | None, gwp_set: str) -> pd.DataFrame:
    columns = ["zone", "kind", "form", "area_ha", "sites"]
    if wetland is None:
        return balance(coefficients, pd.DataFrame(columns=columns), gwp_set)
    return balance(coefficients, wetland.areas.loc[wetland.areas["zone"].isin(wetland.zones), columns], gwp_set)


def _shares(world: World, first: Draws, second: Draws) -> pd.DataFrame:
    """Variance shares of the main quantities, for every zone with an answer."""
    # the stocks beside the trees touch none of these quantities
    lean = replace(world, layers=None)
    first, second = ({name: part for name, part in draws.items() if name not in BESIDE} for draws in (first, second))

    def main(draws: Draws) -> dict[str, Array]:
        return {name: values for name, values in evaluate(lean, draws).items() if name in SHARED}

    records = []
    for quantity, groups in variance_shares(main, first, second).items():
        for zone in zones_of(world, quantity)[0]:
            index = world.zones.index(zone)
            records += [
                {"quantity": quantity, "zone": zone, "source": f"account.source_{group}", "share": float(values[index])}
                for group, values in groups.items()
            ]
    return pd.DataFrame.from_records(records, columns=["quantity", "zone", "source", "share"])
