"""How biomass, carbon, the pools and the sink come about."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from sinkest.account.forest import CO2_PER_C
from sinkest.explain.evidence import Evidence
from sinkest.explain.terms import ADDS_UP, Chain, Term, added, estimate_term, present, rows_of
from sinkest.report.data import CITY
from sinkest.report.names import Words, known, part_name, zone_name

LAYERS = ("understorey", "dead_wood", "litter", "soil")
TREES = ("above_ground", "below_ground")


def _stands(evidence: Evidence, zone: str) -> pd.DataFrame:
    """Stock to CO2 by zone and type; of the whole, the zones' rows where they add up to it, as the account has it."""
    table = evidence.table("stock_detail")
    if table is None:
        return pd.DataFrame(columns=["zone", "type"])
    own = table[table["zone"] == zone]
    parts = table[table["zone"] != CITY]
    if zone != CITY or parts.empty:
        return own
    whole, added = (rows.groupby("type")[["stock_m3", "area_ha"]].sum() for rows in (own, parts))
    near = np.isclose(whole.to_numpy(), added.reindex(whole.index).to_numpy(), rtol=ADDS_UP)
    return parts if own.empty or bool(near.all()) else own


def biomass_chain(evidence: Evidence, quantity: str, part: str, zone: str) -> Chain:
    """Stock, area and the line that turns them into biomass; or a pool by its area."""
    stands = _stands(evidence, zone)
    rows = stands[stands["type"] == part]
    if rows.empty:
        return _density_pool(evidence, quantity, part, zone)
    if len(rows) > 1:
        pairs = zip(rows["zone"], rows["biomass_t"], strict=True)
        named = ((zone_name(evidence.data, str(name)), float(value)) for name, value in pairs)
        return added(tuple(Term(name, value, "t", "estimate/stock_detail.csv") for name, value in named))
    row = {str(name): value for name, value in rows.iloc[0].items()}
    cells = {"stock_m3": "m3", "area_ha": "ha", "slope_t_m3": "t/m3", "intercept_t_ha": "t/ha"}
    terms = tuple(
        Term(Words.of(f"explain.term_{name}"), float(row[name]), unit, "estimate/stock_detail.csv")
        for name, unit in cells.items()
    )
    stock, area, slope, intercept = (term.value for term in terms)
    return Chain(terms, slope * stock + intercept * area)


def carbon_chain(evidence: Evidence, quantity: str, part: str, zone: str) -> Chain:
    """Biomass by type times its carbon fraction; of the total, the pools."""
    if part == "total":
        return added(_carbon_pools(evidence, zone))
    if part != "arbor":
        return _density_pool(evidence, quantity, part, zone)
    rows = _stands(evidence, zone).groupby("type", sort=False).agg({"biomass_t": "sum", "carbon_fraction": "first"})
    terms, total = [], 0.0
    for line in rows.reset_index().to_dict("records"):
        name = part_name(evidence.data, f"stock_by_type:{line['type']}")
        about = Words.of("explain.term_of", what=Words.of("explain.term_biomass"), part=name)
        terms.append(Term(about, float(line["biomass_t"]), "t", "estimate/stock_detail.csv"))
        about = Words.of("explain.term_of", what=Words.of("explain.term_carbon_fraction"), part=name)
        terms.append(Term(about, float(line["carbon_fraction"]), "t C/t", "estimate/stock_detail.csv"))
        total += float(line["biomass_t"]) * float(line["carbon_fraction"])
    return Chain(tuple(terms), total if terms else math.nan)


def _carbon_pools(evidence: Evidence, zone: str, checked_only: bool = False) -> tuple[Term, ...]:
    table = evidence.estimates
    rows = table[table["quantity"].str.startswith("carbon:") & (table["zone"] == zone)]
    rows = rows[rows["quantity"] != "carbon:total"]
    if checked_only:
        rows = rows[~rows["provisional"].astype(bool)]
    return present(estimate_term(evidence, name, zone) for name in rows["quantity"])


def carbon_checked_chain(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    """The pools whose coefficients were checked at their source."""
    return added(_carbon_pools(evidence, zone, checked_only=True))


def co2_chain(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    """All carbon, and the ratio of molar masses."""
    terms = present([estimate_term(evidence, "carbon:total", zone)])
    ratio = Term(Words.of("explain.term_co2_per_c"), CO2_PER_C, "t CO2/t C", "44/12")
    return Chain((*terms, ratio), terms[0].value * CO2_PER_C) if terms else Chain()


def _density_pool(evidence: Evidence, quantity: str, pool: str, zone: str) -> Chain:
    """A pool by area: hectares times a density, and the carbon fraction between biomass and carbon."""
    name = evidence.parts.get("account", {}).get(f"{pool}_class")
    area = None if name is None else estimate_term(evidence, f"class_area:{name}", zone)
    factors = evidence.table("factors")
    if area is None or factors is None:
        return Chain(present([area]))
    own = factors[(factors["table"] == "pools") & (factors["type_id"] == pool)].set_index("parameter")["value"]
    file = "estimate/factors.csv"
    terms = [
        Term(known(f"account.parameter_{key}", key), float(own[key]), unit, file)
        for key, unit in (("carbon_density", "t C/ha"), ("biomass_density", "t/ha"), ("carbon_fraction", "t C/t"))
        if key in own
    ]
    fraction = float(own.get("carbon_fraction", math.nan))
    carbon = float(own["carbon_density"]) if "carbon_density" in own else math.nan
    if math.isnan(carbon):
        carbon = float(own.get("biomass_density", math.nan)) * fraction
    if _method(evidence, quantity, zone) == "culms":
        return _by_culms(evidence, quantity, area, own)
    by_area = _method(evidence, quantity, zone) == "area_density"
    per_ha = carbon if quantity.startswith("carbon:") else carbon / fraction
    return Chain((area, *terms), area.value * per_ha if by_area else math.nan)


def culms_chain(evidence: Evidence, quantity: str, _part: str, zone: str) -> Chain:
    """Area of bamboo times the culms of a hectare."""
    area = _bamboo_area(evidence, zone)
    per_ha = _culms_per_ha(evidence)
    return Chain(present([area, per_ha]), area.value * per_ha.value) if area and per_ha else Chain(present([area]))


def _by_culms(evidence: Evidence, quantity: str, area: Term, factors: pd.Series) -> Chain:
    """Bamboo by its culms: how many, what one weighs, what of it is carbon."""
    per_ha, file = _culms_per_ha(evidence), "estimate/factors.csv"
    terms = [area, per_ha] + [
        Term(known(f"account.parameter_{key}", key), float(factors[key]), unit, file)
        for key, unit in (("culm_biomass", "kg/culm"), ("carbon_fraction", "t C/t"))
        if key in factors
    ]
    if per_ha is None or not {"culm_biomass", "carbon_fraction"} <= set(factors.index):
        return Chain(present(terms))
    biomass = area.value * per_ha.value * float(factors["culm_biomass"]) / 1000
    carbon = biomass * float(factors["carbon_fraction"])
    return Chain(present(terms), carbon if quantity.startswith("carbon:") else biomass)


def _bamboo_area(evidence: Evidence, zone: str) -> Term | None:
    name = evidence.parts.get("account", {}).get("bamboo_class")
    return None if name is None else estimate_term(evidence, f"class_area:{name}", zone)


def _culms_per_ha(evidence: Evidence) -> Term | None:
    given = evidence.parts.get("account", {}).get("bamboo_culms_per_ha")
    return None if given is None else Term(Words.of("explain.term_culms_per_ha"), float(given), "1/ha", "config")


def _method(evidence: Evidence, quantity: str, zone: str) -> str:
    rows = evidence.estimates[(evidence.estimates["quantity"] == quantity) & (evidence.estimates["zone"] == zone)]
    return str(rows["method"].iloc[0]) if len(rows) else ""


def layer_chain(evidence: Evidence, _quantity: str, part: str, zone: str) -> Chain:
    """Hectares by type times the density of a pool beside the trees."""
    if part in TREES:
        other = f"carbon_pool:{TREES[1 - TREES.index(part)]}"
        both = present([estimate_term(evidence, "carbon:arbor", zone), estimate_term(evidence, other, zone)])
        return Chain(both, both[0].value - both[1].value) if len(both) == 2 else Chain(both)
    factors = evidence.table("factors")
    if factors is None:
        return Chain()
    own = factors[(factors["table"] == "layers") & (factors["parameter"] == part)].set_index("type_id")["value"]
    rows = rows_of(evidence, "stock_detail", zone)
    stands = [(str(line["type"]), str(line["factor_type"]), float(line["area_ha"])) for line in rows.to_dict("records")]
    bamboo = evidence.parts.get("account", {}).get("bamboo_class")
    hectares = None if bamboo is None else estimate_term(evidence, f"class_area:{bamboo}", zone)
    if hectares is not None and "bamboo" in own and part != "dead_wood":
        stands.append((str(bamboo), "bamboo", hectares.value))
    terms, total = [], 0.0
    for name, kind, area in stands:
        density = float(own.get(kind, own.get("any", math.nan)))
        title = part_name(evidence.data, f"class_area:{name}")
        for key, value, unit in (("area_ha", area, "ha"), ("density", density, "t C/ha")):
            about = Words.of("explain.term_of", what=Words.of(f"explain.term_{key}"), part=title)
            terms.append(Term(about, value, unit, "estimate/stock_detail.csv · estimate/factors.csv"))
        total += area * density
    return Chain(tuple(terms), total if terms else math.nan)


def _changes(evidence: Evidence, zone: str) -> pd.DataFrame:
    """Change and sink by type and component; of the whole, the zones' added where their changes add up to it."""
    own, table = rows_of(evidence, "sink_detail", zone), evidence.table("sink_detail")
    if zone != CITY or table is None:
        return own
    columns, keys = ["change_m3_yr", "sink_t_co2_yr"], ["type", "component"]
    added = table[table["zone"] != CITY].groupby(keys)[columns].sum()
    if added.empty or own.empty:
        return own if added.empty else added.reset_index()
    whole = own.set_index(keys)["change_m3_yr"].reindex(added.index)
    near = np.isclose(whole.to_numpy(), added["change_m3_yr"].to_numpy(), rtol=ADDS_UP, atol=1e-9)
    return added.reset_index() if bool(near.all()) else own


def change_chain(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    """Change of stock by type and by what became of the land."""
    return _change_rows(evidence, _changes(evidence, zone), "change_m3_yr", "m3/yr")


def sink_chain(evidence: Evidence, _quantity: str, part: str, zone: str) -> Chain:
    """The same changes, and the sink each gives."""
    rows = _changes(evidence, zone)
    rows = rows[rows["component"] == part] if part and len(rows) else rows
    changes = _change_rows(evidence, rows, "change_m3_yr", "m3/yr").terms
    sinks = _change_rows(evidence, rows, "sink_t_co2_yr", "t CO2/yr")
    return Chain((*changes, *sinks.terms), sinks.result)


def _change_rows(evidence: Evidence, rows: pd.DataFrame, column: str, unit: str) -> Chain:
    terms = []
    for line in rows.to_dict("records"):
        component = known(f"quantities.component_{line['component']}", line["component"])
        kind = part_name(evidence.data, f"stock_by_type:{line['type']}")
        about = Words.of("explain.term_of", what=kind, part=component)
        terms.append(Term(about, float(line[column]), unit, "estimate/sink_detail.csv"))
    return added(tuple(terms))
