"""How the balance of wetlands, cropland and treated land comes about."""

from __future__ import annotations

import math

import pandas as pd

from sinkest.explain.evidence import Evidence
from sinkest.explain.terms import Chain, Term, added, estimate_term, present, rows_of
from sinkest.report.data import CITY
from sinkest.report.names import Words, known

WETLAND_COLUMNS = {
    "wetland_area": ("area_ha", "ha"),
    "wetland_burial": ("burial_t_co2_yr", "t CO2/yr"),
    "wetland_methane": ("methane_t_yr", "t CH4/yr"),
    "wetland_methane_co2e": ("methane_t_co2e_yr", "t CO2e/yr"),
    "wetland_flooding": ("flooding_t_co2_yr", "t CO2/yr"),
}


def wetland_chain(evidence: Evidence, quantity: str, part: str, zone: str) -> Chain:
    """Areas and flows by kind."""
    column, unit = WETLAND_COLUMNS[quantity.partition(":")[0]]
    rows = rows_of(evidence, "wetland", zone, kind=part) if part else _balances(evidence, zone)
    terms, total = [], 0.0
    for line in rows.to_dict("records"):
        kind = known(f"quantities.kind_{line['kind']}", line["kind"])
        for name, shown in dict.fromkeys((("area_ha", "ha"), (column, unit))):
            if float(line[name]) == float(line[name]):
                about = Words.of("explain.term_of", what=Words.of(f"explain.term_{name}"), part=kind)
                terms.append(Term(about, float(line[name]), shown, "estimate/wetland.csv"))
        total += 0.0 if float(line[column]) != float(line[column]) else float(line[column])
    return Chain(tuple(terms), total if terms else math.nan)


def _balances(evidence: Evidence, zone: str) -> pd.DataFrame:
    """Balances by kind; of the whole, the zones' added, which is how the account has it where each site has a zone."""
    own, table = rows_of(evidence, "wetland", zone), evidence.table("wetland")
    if zone != CITY or table is None:
        return own
    parts = table[table["zone"] != CITY]
    if parts.empty or int(parts["sites"].sum()) != int(own["sites"].sum()):
        return own
    columns = ["area_ha", *(name for name, _ in WETLAND_COLUMNS.values() if name != "area_ha")]
    return parts.groupby("kind", as_index=False)[columns].sum(min_count=1)


def wetland_net_chain(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    """Burial, methane and newly flooded land."""
    names = ("wetland_burial", "wetland_methane_co2e", "wetland_flooding")
    return added(present(estimate_term(evidence, name, zone) for name in names))


def cropland_chain(evidence: Evidence, _quantity: str, _part: str, _zone: str) -> Chain:
    """Number of fields and their area."""
    table = evidence.table("cropland")
    if table is None:
        return Chain()
    file, fields = "estimate/cropland.csv", float(len(table))
    area = Term(Words.of("explain.term_area_ha"), float(table["area_ha"].sum()), "ha", file)
    return Chain((Term(Words.of("explain.term_fields"), fields, "1", file), area))


TREATED_KINDS = {
    "karst_treated_area": ("planted", "closure"),
    "karst_planted_area": ("planted",),
    "karst_closure_area": ("closure",),
    "corridor_treated_area": ("corridor",),
}


def treated_chain(evidence: Evidence, quantity: str, _part: str, zone: str) -> Chain:
    """Treatments by number, and what of each counts."""
    table = evidence.table("treatments")
    if table is None:
        return Chain((), 0.0)
    rows = table[table["kind"].isin(TREATED_KINDS[quantity]) & ((table["zone"] == zone) | (zone == CITY))]
    names = rows.groupby("treatment_id", sort=True)["counted_ha"].sum()
    file = "estimate/treatments.csv"
    terms = tuple(Term(Words.same(name), float(value), "ha", file) for name, value in names.items())
    return Chain(terms, math.fsum(names))
