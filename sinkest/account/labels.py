"""What stands beside each number of the account: how it was reckoned, and whether it is provisional."""

from __future__ import annotations

from sinkest.account.inputs import COMPONENTS
from sinkest.account.layers import LAYERS
from sinkest.account.rows import Label
from sinkest.account.simulation import CULMS, World
from sinkest.account.wetland import WetlandTerms


def row_labels(world: World) -> dict[str, Label]:
    """Method, note and provisional mark of every quantity, by its id."""
    table = world.types
    arbor = any(factor.provisional for factor in table.factors)
    everything = bool(world.provisional_pools)
    labels = {f"biomass:{name}": Label(table.sets[0], arbor) for name in table.types}
    labels["carbon:arbor"] = Label(table.sets[0], arbor)
    for terms in world.pools:
        method = "area_density" if terms.by_area else "culms"
        note = "account.note_bamboo" if terms.pool.name == "bamboo" and terms.by_area else ""
        for quantity in (f"biomass:{terms.pool.name}", f"carbon:{terms.pool.name}"):
            labels[quantity] = Label(method, terms.pool.provisional, note)
        if not terms.by_area:
            labels[CULMS] = Label("culms", False, "account.note_culms")
    labels["carbon:total"] = labels["co2_total"] = Label(table.sets[0], everything)
    labels["carbon_checked"] = Label(table.sets[0], False, "account.note_checked")
    layers = world.layers is not None and any(factor.provisional for factor in world.layers.factors)
    for name in ("above_ground", "below_ground"):
        labels[f"carbon_pool:{name}"] = Label(table.sets[0], arbor or layers, "account.note_roots")
    for name in LAYERS:
        labels[f"carbon_pool:{name}"] = Label("area_density", layers, "account.note_layer")
    labels["sink"] = Label("stock_difference", arbor, "account.note_sink")
    for name in COMPONENTS:
        labels[f"sink:{name}"] = Label("stock_difference", arbor, f"account.note_sink_{name}")
    return labels | _wetland_labels(world.wetland)


def _wetland_labels(wetland: WetlandTerms | None) -> dict[str, Label]:
    if wetland is None:
        return {}
    used = wetland.factors
    burial = any(factor.provisional for factor in used if factor.parameter == "burial")
    methane = any(factor.provisional for factor in used if factor.parameter != "burial")
    horizon = f"gwp100_{wetland.gwp.set_id.lower()}"
    return {
        "wetland_burial": Label("gross_burial", burial, "account.note_burial"),
        "wetland_methane": Label("emission_factor", methane, "account.note_methane"),
        "wetland_methane_co2e": Label(horizon, methane, "account.note_methane_co2e"),
        "wetland_flooding": Label("emission_factor", methane, "account.note_flooding"),
        "wetland_net": Label(horizon, burial or methane, "account.note_wetland_net"),
    }
