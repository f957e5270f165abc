"""From inputs to a number, step by step: the terms of its formula, and what they give when reckoned again."""

from __future__ import annotations

from collections.abc import Callable

from sinkest.explain.carbon import (
    biomass_chain,
    carbon_chain,
    carbon_checked_chain,
    change_chain,
    co2_chain,
    culms_chain,
    layer_chain,
    sink_chain,
)
from sinkest.explain.evidence import Evidence
from sinkest.explain.forest import (
    age_chain,
    coverage_chain,
    forest_change_chain,
    land_use_chain,
    pixels_chain,
    sampled_area_chain,
    stock_by_type_chain,
    stock_chain,
    stock_per_ha_chain,
)
from sinkest.explain.terms import Chain
from sinkest.explain.wetland import (
    TREATED_KINDS,
    WETLAND_COLUMNS,
    cropland_chain,
    treated_chain,
    wetland_chain,
    wetland_net_chain,
)


def chain(evidence: Evidence, quantity: str, zone: str) -> Chain:
    """The terms behind a quantity in a zone."""
    head, _, part = quantity.partition(":")
    build = _CHAINS.get(head)
    return Chain() if build is None else build(evidence, quantity, part, zone)


_CHAINS: dict[str, Callable[[Evidence, str, str, str], Chain]] = {
    "forest_coverage": coverage_chain,
    "forest_area": sampled_area_chain,
    "land_use_forest_area": land_use_chain,
    "land_use_coverage": land_use_chain,
    "tree_cover": sampled_area_chain,
    "coverage_with_oil_tea": sampled_area_chain,
    "coverage_without_oil_tea": sampled_area_chain,
    "arbor_area": sampled_area_chain,
    "class_area": sampled_area_chain,
    "pixel_class_area": pixels_chain,
    "pixel_forest_area": pixels_chain,
    "pixel_growing_stock": pixels_chain,
    "growing_stock": stock_chain,
    "growing_stock_per_ha": stock_per_ha_chain,
    "stock_by_type": stock_by_type_chain,
    "stock_by_age": age_chain,
    "area_by_age": age_chain,
    "forest_area_change": forest_change_chain,
    "stock_change": change_chain,
    "biomass": biomass_chain,
    "carbon": carbon_chain,
    "bamboo_culms": culms_chain,
    "carbon_checked": carbon_checked_chain,
    "carbon_pool": layer_chain,
    "co2_total": co2_chain,
    "sink": sink_chain,
    "wetland_net": wetland_net_chain,
    **dict.fromkeys(TREATED_KINDS, treated_chain),
    **dict.fromkeys(WETLAND_COLUMNS, wetland_chain),
    **dict.fromkeys(("cropland_soil", "paddy_methane_co2e", "cropland_net"), cropland_chain),
}
