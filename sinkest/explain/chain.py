"""From inputs to a number, step by step: the terms of its formula, and what they give when reckoned again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sinkest.account.forest import CO2_PER_C
from sinkest.explain.evidence import Evidence
from sinkest.report.data import CITY
from sinkest.report.names import Words, known, part_name, quantity_name, zone_name

LAYERS = ("understorey", "dead_wood", "litter", "soil")
TREES = ("above_ground", "below_ground")


@dataclass(frozen=True)
class Term:
    """A number that enters another one.

    Attributes
    ----------
    name : Words
    value : float
    unit : str
    source : str
        File of the run folder it stands in.
    """

    name: Words
    value: float
    unit: str
    source: str


@dataclass(frozen=True)
class Chain:
    """Terms of a formula.

    Attributes
    ----------
    terms : tuple of Term
    result : float
        What the terms give; NaN where the run folder does not hold all that the estimator read.
    """

    terms: tuple[Term, ...] = ()
    result: float = math.nan


ESTIMATES = "estimate/estimates.parquet"
ADDS_UP = 1e-3
"""Relative gap within which zones count as adding up to the whole."""


def chain(evidence: Evidence, quantity: str, zone: str) -> Chain:
    """The terms behind a quantity in a zone."""
    head, _, part = quantity.partition(":")
    build = _CHAINS.get(head)
    return Chain() if build is None else build(evidence, quantity, part, zone)


def _estimate(evidence: Evidence, quantity: str, zone: str) -> Term | None:
    rows = evidence.estimates[(evidence.estimates["quantity"] == quantity) & (evidence.estimates["zone"] == zone)]
    if rows.empty:
        return None
    name = quantity_name(evidence.data, quantity)
    return Term(name, float(rows["value"].iloc[0]), str(rows["unit"].iloc[0]), ESTIMATES)


def _terms(found: Iterable[Term | None]) -> tuple[Term, ...]:
    return tuple(term for term in found if term is not None)


def _land(evidence: Evidence, zone: str) -> Term:
    return Term(Words.of("quantities.land_area"), evidence.area_ha(zone), "ha", "estimate/run.json")


def _added(terms: tuple[Term, ...]) -> Chain:
    return Chain(terms, math.fsum(term.value for term in terms) if terms else math.nan)


# -- areas and stock ------------------------------------------------------------------------------------------------


def _coverage(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    terms = _terms([_estimate(evidence, "forest_area", zone), _land(evidence, zone)])
    return Chain(terms, 100 * terms[0].value / terms[1].value) if len(terms) == 2 else Chain(terms)


def _sampled_area(evidence: Evidence, _quantity: str, part: str, zone: str) -> Chain:
    """Points of the reference sample, and the map's own sum that the sample corrects."""
    terms: list[Term | None] = [_land(evidence, zone)]
    confusion = evidence.json("accuracy").get("confusion")
    if confusion and zone == CITY:
        found = Term(Words.of("explain.term_points"), float(confusion["n"]), "1", "estimate/accuracy.json")
        terms.append(found)
        if part in confusion["classes"]:
            column = confusion["classes"].index(part)
            points = float(sum(row[column] for row in confusion["counts"]))
            terms.append(Term(Words.of("explain.term_points_of_class"), points, "1", "estimate/accuracy.json"))
    beside = {"forest_area": "pixel_forest_area"}.get(_quantity, f"pixel_class_area:{part}")
    terms.append(_estimate(evidence, beside, zone))
    return Chain(_terms(terms))


def _pixels(evidence: Evidence, quantity: str, part: str, zone: str) -> Chain:
    measure = {"pixel_growing_stock": "stock_sum", "pixel_forest_area": "forest_m2"}.get(quantity, "class_m2")
    table = evidence.sums().get(measure)
    if table is None:
        return Chain()
    if part:
        code = next((item.code for item in evidence.data.legend if item.id == part), None)
        sums = table[code] if code in table else pd.Series(dtype=float)
    else:
        sums = table.sum(axis=1)
    value = float(sums.sum() if zone == CITY else sums.get(zone, 0.0)) / 1e4
    unit = "m3" if quantity == "pixel_growing_stock" else "ha"
    return _added((Term(Words.of("explain.term_pixels"), value, unit, "map/sums.csv"),))


def _stock(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    plots = evidence.plots()
    terms: list[Term | None] = [_land(evidence, zone), _estimate(evidence, "pixel_growing_stock", zone)]
    if plots is not None and "zone_id" in plots:
        here = plots if zone == CITY else plots[plots["zone_id"] == zone]
        terms.append(Term(Words.of("explain.term_plots"), float(len(here)), "1", "train/plots.csv"))
        if len(here):
            mean = float(here["volume_m3_ha"].mean())
            terms.append(Term(Words.of("explain.term_plot_mean"), mean, "m3/ha", "train/plots.csv"))
    return Chain(_terms(terms))


def _stock_per_ha(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    terms = _terms(_estimate(evidence, name, zone) for name in ("growing_stock", "arbor_area"))
    return Chain(terms, terms[0].value / terms[1].value) if len(terms) == 2 else Chain(terms)


def _stock_by_type(evidence: Evidence, quantity: str, _part: str, zone: str) -> Chain:
    if zone == CITY:
        zones = evidence.data.zones["zone_id"].astype(str)
        found = [_renamed(_estimate(evidence, quantity, item), zone_name(evidence.data, item)) for item in zones]
        return _added(_terms(found))
    return Chain(_terms(_estimate(evidence, name, zone) for name in ("growing_stock", "pixel_growing_stock")))


def _renamed(term: Term | None, name: Words) -> Term | None:
    return None if term is None else Term(name, term.value, term.unit, term.source)


def _forest_change(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    return Chain(_terms([_estimate(evidence, "forest_area", zone)]))


# -- account --------------------------------------------------------------------------------------------------------


def _rows(evidence: Evidence, name: str, zone: str, **where: str) -> pd.DataFrame:
    table = evidence.table(name)
    if table is None:
        return pd.DataFrame()
    keep = table["zone"] == zone
    for column, value in where.items():
        keep &= table[column].astype(str) == value
    return table[keep]


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


def _biomass(evidence: Evidence, quantity: str, part: str, zone: str) -> Chain:
    stands = _stands(evidence, zone)
    rows = stands[stands["type"] == part]
    if rows.empty:
        return _density_pool(evidence, quantity, part, zone)
    if len(rows) > 1:
        pairs = zip(rows["zone"], rows["biomass_t"], strict=True)
        named = ((zone_name(evidence.data, str(name)), float(value)) for name, value in pairs)
        return _added(tuple(Term(name, value, "t", "estimate/stock_detail.csv") for name, value in named))
    row = {str(name): value for name, value in rows.iloc[0].items()}
    cells = {"stock_m3": "m3", "area_ha": "ha", "slope_t_m3": "t/m3", "intercept_t_ha": "t/ha"}
    terms = tuple(
        Term(Words.of(f"explain.term_{name}"), float(row[name]), unit, "estimate/stock_detail.csv")
        for name, unit in cells.items()
    )
    stock, area, slope, intercept = (term.value for term in terms)
    return Chain(terms, slope * stock + intercept * area)


def _carbon(evidence: Evidence, quantity: str, part: str, zone: str) -> Chain:
    if part == "total":
        return _added(_carbon_pools(evidence, zone))
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
    return _terms(_estimate(evidence, name, zone) for name in rows["quantity"])


def _carbon_checked(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    return _added(_carbon_pools(evidence, zone, checked_only=True))


def _co2(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    terms = _terms([_estimate(evidence, "carbon:total", zone)])
    ratio = Term(Words.of("explain.term_co2_per_c"), CO2_PER_C, "t CO2/t C", "44/12")
    return Chain((*terms, ratio), terms[0].value * CO2_PER_C) if terms else Chain()


def _density_pool(evidence: Evidence, quantity: str, pool: str, zone: str) -> Chain:
    """A pool by area: hectares times a density, and the carbon fraction between biomass and carbon."""
    name = evidence.parts.get("account", {}).get(f"{pool}_class")
    area = None if name is None else _estimate(evidence, f"class_area:{name}", zone)
    factors = evidence.table("factors")
    if area is None or factors is None:
        return Chain(_terms([area]))
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
    by_area = _method(evidence, quantity, zone) == "area_density"
    per_ha = carbon if quantity.startswith("carbon:") else carbon / fraction
    return Chain((area, *terms), area.value * per_ha if by_area else math.nan)


def _method(evidence: Evidence, quantity: str, zone: str) -> str:
    rows = evidence.estimates[(evidence.estimates["quantity"] == quantity) & (evidence.estimates["zone"] == zone)]
    return str(rows["method"].iloc[0]) if len(rows) else ""


def _layer(evidence: Evidence, _quantity: str, part: str, zone: str) -> Chain:
    if part in TREES:
        other = f"carbon_pool:{TREES[1 - TREES.index(part)]}"
        both = _terms([_estimate(evidence, "carbon:arbor", zone), _estimate(evidence, other, zone)])
        return Chain(both, both[0].value - both[1].value) if len(both) == 2 else Chain(both)
    factors = evidence.table("factors")
    if factors is None:
        return Chain()
    own = factors[(factors["table"] == "layers") & (factors["parameter"] == part)].set_index("type_id")["value"]
    rows = _rows(evidence, "stock_detail", zone)
    stands = [(str(line["type"]), str(line["factor_type"]), float(line["area_ha"])) for line in rows.to_dict("records")]
    bamboo = evidence.parts.get("account", {}).get("bamboo_class")
    hectares = None if bamboo is None else _estimate(evidence, f"class_area:{bamboo}", zone)
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
    own, table = _rows(evidence, "sink_detail", zone), evidence.table("sink_detail")
    if zone != CITY or table is None:
        return own
    columns, keys = ["change_m3_yr", "sink_t_co2_yr"], ["type", "component"]
    added = table[table["zone"] != CITY].groupby(keys)[columns].sum()
    if added.empty or own.empty:
        return own if added.empty else added.reset_index()
    whole = own.set_index(keys)["change_m3_yr"].reindex(added.index)
    near = np.isclose(whole.to_numpy(), added["change_m3_yr"].to_numpy(), rtol=ADDS_UP, atol=1e-9)
    return added.reset_index() if bool(near.all()) else own


def _change(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    return _change_rows(evidence, _changes(evidence, zone), "change_m3_yr", "m3/yr")


def _sink(evidence: Evidence, _quantity: str, part: str, zone: str) -> Chain:
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
    return _added(tuple(terms))


_WETLAND_COLUMNS = {
    "wetland_area": ("area_ha", "ha"),
    "wetland_burial": ("burial_t_co2_yr", "t CO2/yr"),
    "wetland_methane": ("methane_t_yr", "t CH4/yr"),
    "wetland_methane_co2e": ("methane_t_co2e_yr", "t CO2e/yr"),
    "wetland_flooding": ("flooding_t_co2_yr", "t CO2/yr"),
}


def _wetland(evidence: Evidence, quantity: str, part: str, zone: str) -> Chain:
    column, unit = _WETLAND_COLUMNS[quantity.partition(":")[0]]
    rows = _rows(evidence, "wetland", zone, kind=part) if part else _balances(evidence, zone)
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
    own, table = _rows(evidence, "wetland", zone), evidence.table("wetland")
    if zone != CITY or table is None:
        return own
    parts = table[table["zone"] != CITY]
    if parts.empty or int(parts["sites"].sum()) != int(own["sites"].sum()):
        return own
    columns = ["area_ha", *(name for name, _ in _WETLAND_COLUMNS.values() if name != "area_ha")]
    return parts.groupby("kind", as_index=False)[columns].sum(min_count=1)


def _wetland_net(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    names = ("wetland_burial", "wetland_methane_co2e", "wetland_flooding")
    return _added(_terms(_estimate(evidence, name, zone) for name in names))


def _cropland(evidence: Evidence, _quantity: str, _part: str, _zone: str) -> Chain:
    table = evidence.table("cropland")
    if table is None:
        return Chain()
    file, fields = "estimate/cropland.csv", float(len(table))
    area = Term(Words.of("explain.term_area_ha"), float(table["area_ha"].sum()), "ha", file)
    return Chain((Term(Words.of("explain.term_fields"), fields, "1", file), area))


_KINDS = {
    "karst_treated_area": ("planted", "closure"),
    "karst_planted_area": ("planted",),
    "karst_closure_area": ("closure",),
    "corridor_treated_area": ("corridor",),
}


def _treated(evidence: Evidence, quantity: str, _part: str, zone: str) -> Chain:
    """Treatments by number, and what of each counts."""
    table = evidence.table("treatments")
    if table is None:
        return Chain((), 0.0)
    rows = table[table["kind"].isin(_KINDS[quantity]) & ((table["zone"] == zone) | (zone == CITY))]
    names = rows.groupby("treatment_id", sort=True)["counted_ha"].sum()
    file = "estimate/treatments.csv"
    terms = tuple(Term(Words.same(name), float(value), "ha", file) for name, value in names.items())
    return Chain(terms, math.fsum(names))


_CHAINS: dict[str, Callable[[Evidence, str, str, str], Chain]] = {
    "forest_coverage": _coverage,
    "forest_area": _sampled_area,
    "tree_cover": _sampled_area,
    "coverage_with_oil_tea": _sampled_area,
    "coverage_without_oil_tea": _sampled_area,
    "arbor_area": _sampled_area,
    "class_area": _sampled_area,
    "pixel_class_area": _pixels,
    "pixel_forest_area": _pixels,
    "pixel_growing_stock": _pixels,
    "growing_stock": _stock,
    "growing_stock_per_ha": _stock_per_ha,
    "stock_by_type": _stock_by_type,
    "forest_area_change": _forest_change,
    "stock_change": _change,
    "biomass": _biomass,
    "carbon": _carbon,
    "carbon_checked": _carbon_checked,
    "carbon_pool": _layer,
    "co2_total": _co2,
    "sink": _sink,
    "wetland_net": _wetland_net,
    **dict.fromkeys(_KINDS, _treated),
    **dict.fromkeys(_WETLAND_COLUMNS, _wetland),
    **dict.fromkeys(("cropland_soil", "paddy_methane_co2e", "cropland_net"), _cropland),
}
