"""The account of a run: carbon and wetlands, cropland, treated land."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sinkest.account.conversion import load_coefficients
from sinkest.account.cropland import cropland_balance, cropland_totals
from sinkest.account.definitions import definition
from sinkest.account.growth import Removals
from sinkest.account.yearly import AccountOptions, AccountResult, carbon_account
from sinkest.stages.context import Run
from sinkest.stages.estimate.book import Book
from sinkest.stages.greening import gains
from sinkest.stages.inference import CITY, Areas, Stock
from sinkest.stages.landuse import land_use, land_use_rule, read_run_land_use
from sinkest.stages.sitewatch import read_run_outlines, watched
from sinkest.stages.tables import read_run_sites
from sinkest.stages.treatments import read_run_treatments, treated

EVEN = 0.5


def read_account(
    run: Run, book: Book, sums: Mapping[str, pd.DataFrame], areas: Areas | None, stocks: Stock | None
) -> AccountResult | None:
    """Carbon, sink and wetlands; None where stock or areas are not known."""
    spec = run.spec
    if stocks is None or areas is None:
        if spec.land_cover is not None and spec.stock is not None:
            book.say("stages.no_account")
        return None
    by_class = areas.by_class
    arbor = by_class.rename(columns={"class": "type", "se": "area_se"})
    table = stocks.by_type.merge(arbor, on=["zone", "type"], how="left", validate="one_to_one")
    sites = None
    if spec.wetland.sites is not None:
        sites = read_run_sites(run)
        sites = pd.DataFrame(sites.rename(columns={"zone_id": "zone"}).drop(columns="geometry"))
        book.mark(sites)
    account = spec.account
    kinds = spec.wetland.classes
    removals = account.removals_m3_yr
    options = AccountOptions(
        year=spec.year,
        definition_id=book.frame.definition_id,
        conversion_set=account.conversion_set,
        ensemble=dict(account.ensemble) or None,
        type_map=dict(account.forest_types),
        bamboo_class=account.bamboo_class,
        oil_tea_class=account.oil_tea_class,
        shrub_class=account.shrub_class,
        bamboo_culms_per_ha=account.bamboo_culms_per_ha,
        water_classes=tuple(name for name, kind in kinds.items() if kind == "water"),
        marsh_classes=tuple(name for name, kind in kinds.items() if kind == "marsh"),
        gwp_set=spec.wetland.gwp_set,
        removals=None if removals is None else Removals(removals, account.removals_se_m3_yr),
        stand_ages=dict(account.stand_ages),
        definition_doubt=_doubt(account.definition_doubt, book.frame.definition_id),
        oil_tea_counted=definition(book.frame.definition_id).oil_tea != "not_counted",
        accept_provisional=account.accept_provisional,
        level=spec.estimate.level,
        draws=account.draws,
        simulated=book.frame.simulated,
    )
    rng = np.random.default_rng([spec.seed, spec.year])
    return carbon_account(table, by_class, stocks.change, sites, options, rng=rng)


def _doubt(given: float | None, definition_id: str) -> float:
    """Chance that a rule treats oil tea the other way: of one that nobody has verified it is as likely as not."""
    if given is not None:
        return given
    rule = definition(definition_id)
    return EVEN if rule.provisional and rule.oil_tea_counterpart is not None else 0.0


def read_cropland(run: Run, book: Book) -> pd.DataFrame | None:
    """Soil and methane of the fields a table names; None where none is named."""
    spec = run.spec
    if spec.cropland.table is None:
        return None
    coefficients = load_coefficients()
    path = run.config.file(spec.cropland.table)
    table, factors = cropland_balance(coefficients, path, spec.year, spec.wetland.gwp_set)
    for quantity, (value, unit) in cropland_totals(table).items():
        about: dict[str, Any] = {"method": "ipcc_2_25", "definition_id": "", "note": "account.note_cropland"}
        book.rows.append(book.frame.row(quantity, CITY, unit, value, **about))
    used = ", ".join(f"{factor.parameter}/{factor.type_id} {factor.value:g}" for factor in factors)
    book.say("account.cropland_scope", factors=used)
    return table


def read_surveyed(run: Run, book: Book) -> pd.DataFrame | None:
    """Areas of the land-use polygons; None where none are named."""
    section, polygons = run.spec.land_use, read_run_land_use(run)
    if section is None or polygons is None:
        return None
    book.mark(polygons)
    rows, table, told = land_use(polygons, run.zones, book.frame, land_use_rule(section.definition), section.year)
    book.rows += rows
    book.notes += told
    return table


def read_watched(run: Run, book: Book) -> pd.DataFrame | None:
    """Water and vegetation of the wetland sites; None without a list of sites or seasonal composites."""
    if run.spec.wetland.sites is None or run.is_static:
        return None
    sites = read_run_sites(run)
    table, told = watched(run, sites, read_run_outlines(run, sites), book.earlier)
    book.notes += told
    return table


def read_treated(run: Run, book: Book) -> pd.DataFrame | None:
    """Areas of the treatment polygons; None where none are named."""
    polygons = read_run_treatments(run)
    if polygons is None:
        return None
    book.mark(polygons)
    rows, table, told = treated(polygons, run.zones, book.frame)
    grown, said = gains(run, polygons, book.frame, book.earlier)
    book.rows += rows + grown
    book.notes += told + said
    return table
