"""How areas, coverage and growing stock come about."""

from __future__ import annotations

import pandas as pd

from sinkest.explain.evidence import Evidence
from sinkest.explain.terms import Chain, Term, added, estimate_term, land_term, present, rows_of
from sinkest.report.data import CITY
from sinkest.report.landuse import land_use_name
from sinkest.report.names import Words, zone_name


def coverage_chain(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    """Forest area over all land."""
    terms = present([estimate_term(evidence, "forest_area", zone), land_term(evidence, zone)])
    return Chain(terms, 100 * terms[0].value / terms[1].value) if len(terms) == 2 else Chain(terms)


def sampled_area_chain(evidence: Evidence, _quantity: str, part: str, zone: str) -> Chain:
    """Points of the reference sample, and the map's own sum that the sample corrects."""
    terms: list[Term | None] = [land_term(evidence, zone)]
    confusion = evidence.json("accuracy").get("confusion")
    if confusion and zone == CITY:
        found = Term(Words.of("explain.term_points"), float(confusion["n"]), "1", "estimate/accuracy.json")
        terms.append(found)
        if part in confusion["classes"]:
            column = confusion["classes"].index(part)
            points = float(sum(row[column] for row in confusion["counts"]))
            terms.append(Term(Words.of("explain.term_points_of_class"), points, "1", "estimate/accuracy.json"))
    beside = {"forest_area": "pixel_forest_area"}.get(_quantity, f"pixel_class_area:{part}")
    terms.append(estimate_term(evidence, beside, zone))
    return Chain(present(terms))


def land_use_chain(evidence: Evidence, quantity: str, _part: str, zone: str) -> Chain:
    """Polygons by code; coverage is their forest over all land."""
    if quantity == "land_use_coverage":
        terms = present([estimate_term(evidence, "land_use_forest_area", zone), land_term(evidence, zone)])
        return Chain(terms, 100 * terms[0].value / terms[1].value) if len(terms) == 2 else Chain(terms)
    rows, file = rows_of(evidence, "land_use", zone), "estimate/land_use.csv"
    named = ((str(line["code"]), float(line["counted_ha"])) for line in rows[rows["counts"]].to_dict("records"))
    return added(
        tuple(
            Term(Words.of("explain.term_code", code=code, name=land_use_name(code)), area, "ha", file)
            for code, area in named
        )
    )


def pixels_chain(evidence: Evidence, quantity: str, part: str, zone: str) -> Chain:
    """The sum over the map's pixels."""
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
    return added((Term(Words.of("explain.term_pixels"), value, unit, "map/sums.csv"),))


def stock_chain(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    """Land, plots, and the map that assists them."""
    plots = evidence.plots()
    terms: list[Term | None] = [land_term(evidence, zone), estimate_term(evidence, "pixel_growing_stock", zone)]
    if plots is not None and "zone_id" in plots:
        here = plots if zone == CITY else plots[plots["zone_id"] == zone]
        terms.append(Term(Words.of("explain.term_plots"), float(len(here)), "1", "train/plots.csv"))
        if len(here):
            mean = float(here["volume_m3_ha"].mean())
            terms.append(Term(Words.of("explain.term_plot_mean"), mean, "m3/ha", "train/plots.csv"))
    return Chain(present(terms))


def stock_per_ha_chain(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    """Growing stock over the area of arbor forest."""
    terms = present(estimate_term(evidence, name, zone) for name in ("growing_stock", "arbor_area"))
    return Chain(terms, terms[0].value / terms[1].value) if len(terms) == 2 else Chain(terms)


def stock_by_type_chain(evidence: Evidence, quantity: str, _part: str, zone: str) -> Chain:
    """Of the whole, the zones; of a zone, what it was brought to."""
    if zone == CITY:
        zones = evidence.data.zones["zone_id"].astype(str)
        found = [_renamed(estimate_term(evidence, quantity, item), zone_name(evidence.data, item)) for item in zones]
        return added(present(found))
    return Chain(present(estimate_term(evidence, name, zone) for name in ("growing_stock", "pixel_growing_stock")))


def age_chain(evidence: Evidence, quantity: str, part: str, zone: str) -> Chain:
    """Of the whole, the zones; of a zone, what its groups were brought to."""
    if zone == CITY:
        return stock_by_type_chain(evidence, quantity, part, zone)
    whole = "growing_stock" if quantity.startswith("stock") else "arbor_area"
    return Chain(present([estimate_term(evidence, whole, zone)]))


def _renamed(term: Term | None, name: Words) -> Term | None:
    return None if term is None else Term(name, term.value, term.unit, term.source)


def forest_change_chain(evidence: Evidence, _quantity: str, _part: str, zone: str) -> Chain:
    """The area of forest now."""
    return Chain(present([estimate_term(evidence, "forest_area", zone)]))
