"""What a reader of the account must know: the set that was used, what was left out, what is provisional."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sinkest.account.factors import Factor
from sinkest.account.forest import AreaPool
from sinkest.account.inputs import Strata
from sinkest.account.simulation import World
from sinkest.messages import Message
from sinkest.tidy import CITY


def conversion_notes(world: World, least_m3_ha: float) -> list[Message]:
    """The chosen set, the ensemble behind the intervals, and strata converted by the slope alone."""
    table = world.types
    shares = ", ".join(f"{name} {weight:.0%}" for name, weight in zip(table.sets, table.weights, strict=True))
    notes = [Message.of("account.set_chosen", set=table.sets[0], ensemble=shares)]
    unchecked = [name for name, cells in zip(table.sets, table.provisional, strict=True) if cells]
    if unchecked:
        notes.append(Message.of("account.set_provisional", sets=", ".join(unchecked)))
    uncovered = [
        f"{name} ({', '.join(kind for kind, gap in zip(table.types, gaps, strict=True) if gap)})"
        for name, gaps in zip(table.sets, table.stand_in, strict=True)
        if gaps.any()
    ]
    if uncovered:
        notes.append(Message.of("account.set_gaps", sets="; ".join(uncovered), cv=table.stand_in_cv))
    linear = table.intercept[0][world.type_of_row] > 0
    low = world.stock.frame[~world.intercept_used & linear & (world.stock.column("area_ha") > 0)]
    if len(low):
        names = ", ".join(f"{zone}/{kind}" for zone, kind in zip(low["zone"], low["type"], strict=True))
        notes.append(Message.of("account.low_volume", strata=names, limit=least_m3_ha))
    return notes


def term_notes(world: World) -> list[Message]:
    """Errors that are drawn beside those of the samples and the coefficients: single-tree models and the definition."""
    notes = []
    if world.types.allometry_cv > 0:
        notes.append(Message.of("account.allometry_term", cv=world.types.allometry_cv))
    if world.definition_doubt > 0 and any(terms.pool.name == "oil_tea" for terms in world.pools):
        if world.oil_tea_counted:
            notes.append(Message.of("account.definition_term", doubt=world.definition_doubt))
        else:
            notes.append(Message.of("account.definition_term_without", doubt=world.definition_doubt))
    if not world.oil_tea_counted and any(terms.pool.name == "oil_tea" for terms in world.pools):
        notes.append(Message.of("account.oil_tea_apart"))
    return notes


def table_notes(strata: Strata, name: str) -> list[Message]:
    """Zones that do not add up to the city, and zones without a value."""
    notes = []
    if not strata.additive and not math.isnan(strata.gap):
        notes.append(Message.of("account.zones_do_not_add", table=name, gap=strata.gap))
    if strata.declined:
        notes.append(Message.of("account.zones_declined", table=name, zones=", ".join(strata.declined)))
    return notes


def pool_notes(pools: Iterable[AreaPool]) -> list[Message]:
    """Where each pool without growing stock comes from."""
    return [
        Message.of(
            f"account.pool_{pool.name}",
            density=pool.carbon_per_unit * (1000 if pool.unit == "culm" else 1),
            unit="kg C/culm" if pool.unit == "culm" else "t C/ha",
            cv=pool.cv,
        )
        for pool in pools
    ]


def sink_notes(world: World, detail: pd.DataFrame) -> list[Message]:
    """Slope against ratio with both figures, and what the sink leaves out."""
    if world.change is None:
        return [Message.of("account.no_change")]
    strata = world.change.strata
    notes = [Message.of("account.sink_scope")]
    if CITY in strata.zones:
        weights = strata.to_zones([CITY])[:, 0]
        slope = float(weights @ detail["sink_t_co2_yr"].to_numpy(dtype=np.float64))
        ratio = float(weights @ detail["by_ratio_t_co2_yr"].to_numpy(dtype=np.float64))
        notes.append(Message.of("account.sink_slope_ratio", slope=slope, ratio=ratio))
    if (strata.frame["type"] == "arbor").any():
        notes.append(Message.of("account.change_not_by_type"))
    if (strata.frame["component"] == "unsplit").any():
        notes.append(Message.of("account.sink_unsplit"))
    if (strata.frame["component"] == "definition").any():
        notes.append(Message.of("account.definition_not_sink"))
    return notes


def layer_notes(world: World) -> list[Message]:
    """Where the stocks beside the trees come from, and that no annual sink goes with them."""
    if world.layers is None or not world.layers.factors:
        return []
    return [Message.of("account.layers_scope")]


def provisional_notes(factors: Iterable[Factor], records: Iterable[Mapping[str, Any]]) -> list[Message]:
    """The coefficients that have not been checked against their source, and what is withheld on their account."""
    names = [f"{factor.set_id}/{factor.parameter}/{factor.type_id}" for factor in factors if factor.provisional]
    notes = [Message.of("account.provisional", factors=", ".join(dict.fromkeys(names)))] if names else []
    withheld = dict.fromkeys(str(row["quantity"]) for row in records if row["status"] == "provisional")
    if withheld:
        notes.append(Message.of("account.withheld", quantities=", ".join(withheld)))
    return notes
