"""Stocks beside the trees, the trees above and below ground, and bamboo by culms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sinkest.account import AccountOptions, carbon_account
from sinkest.account.layers import LAYERS
from sinkest.errors import InputError

STOCK = pd.DataFrame(
    [("all", "fir", 6e6, 3e5, 1e5, 2e3), ("all", "broadleaf", 2e6, 1e5, 3e4, 1e3)],
    columns=["zone", "type", "stock_m3", "se", "area_ha", "area_se"],
)
BAMBOO = pd.DataFrame([("all", "bamboo", 5e4, 2e3)], columns=["zone", "class", "area_ha", "se"])
CHANGE = pd.DataFrame([("all", 2e5, 3e4)], columns=["zone", "change_m3_yr", "se"])


def rows(classes: pd.DataFrame = BAMBOO, change: pd.DataFrame | None = None, **options: object) -> pd.DataFrame:
    given = AccountOptions(year=2025, definition_id="forest_current_rule", **options)  # type: ignore[arg-type]
    result = carbon_account(STOCK, classes, change, None, given, rng=np.random.default_rng(4))
    return result.rows.set_index("quantity")


def test_layers_follow_area_and_type() -> None:
    found = rows()["value"]
    # fir 2.11, broadleaf mixed 3.43, bamboo 0.94 t C/ha
    assert found["carbon_pool:understorey"] == pytest.approx(1e5 * 2.11 + 3e4 * 3.43 + 5e4 * 0.94)
    # fir 2.68, broadleaf mixed 2.88, bamboo 0.63
    assert found["carbon_pool:litter"] == pytest.approx(1e5 * 2.68 + 3e4 * 2.88 + 5e4 * 0.63)
    # fir 98.96, broadleaf mixed 106.24, bamboo 71.63, to a depth of one metre
    assert found["carbon_pool:soil"] == pytest.approx(1e5 * 98.96 + 3e4 * 106.24 + 5e4 * 71.63)
    # dead wood under trees only
    assert found["carbon_pool:dead_wood"] == pytest.approx(1.3e5 * 1.38)


def test_layers_per_hectare_lie_in_the_sane_ranges() -> None:
    found = rows()["value"]
    assert 0.4 < found["carbon_pool:litter"] / 1.8e5 < 6.2
    assert 0.5 < found["carbon_pool:dead_wood"] / 1.3e5 < 3
    assert 70 < found["carbon_pool:soil"] / 1.8e5 < 140


def test_no_layer_carries_an_annual_sink() -> None:
    found = rows(change=CHANGE)
    sinks = [name for name in found.index if found.loc[name, "unit"].endswith("/yr")]
    assert set(sinks) == {"sink", "sink:remaining"}
    assert set(found.loc[[f"carbon_pool:{name}" for name in LAYERS], "note"]) == {"account.note_layer"}


def test_roots_are_part_of_the_trees_and_not_counted_again() -> None:
    found = rows()["value"]
    above, below = found["carbon_pool:above_ground"], found["carbon_pool:below_ground"]
    assert above + below == pytest.approx(found["carbon:arbor"])
    # root ratio 0.230 below 125 t/ha above ground: 0.230 / 1.230 of the whole
    assert below / found["carbon:arbor"] == pytest.approx(0.230 / 1.230)
    # neither pool is in the total of the vegetation
    assert found["carbon:total"] == pytest.approx(found["carbon:arbor"] + found["carbon:bamboo"])


def test_a_wide_spread_of_densities_shows_in_the_interval() -> None:
    found = rows()
    # soil sd 27 % under fir and 26 % under broadleaf: one number for all types
    assert found.loc["carbon_pool:soil", "se"] / found.loc["carbon_pool:soil", "value"] == pytest.approx(0.27, abs=0.03)


def test_bamboo_by_culms_a_hectare() -> None:
    found = rows(bamboo_culms_per_ha=2283.0)
    # 5e4 ha x 2,283 x 19.3 kg = 2.203e6 t; x 0.475
    assert found.loc["biomass:bamboo", "value"] == pytest.approx(2.2031e6, rel=1e-4)
    assert found.loc["carbon:bamboo", "value"] == pytest.approx(1.04647e6, rel=1e-4)
    assert found.loc["carbon:bamboo", "method"] == "culms"


def test_an_area_error_moves_culms_that_follow_from_the_area() -> None:
    sure = pd.DataFrame([("all", "bamboo", 5e4, 0.0)], columns=BAMBOO.columns)
    unsure = sure.assign(se=2e4)
    narrow, wide = (rows(table, bamboo_culms_per_ha=2283.0).loc["carbon:bamboo", "se"] for table in (sure, unsure))
    assert wide > 1.5 * narrow


@pytest.mark.parametrize("given", [0.0, -5.0, 40_000.0, float("nan")])
def test_impossible_culms_are_refused(given: float) -> None:
    with pytest.raises(InputError) as caught:
        rows(bamboo_culms_per_ha=given)
    assert caught.value.key == "account.culms"


def test_biomass_carbon_and_co2_never_share_a_column() -> None:
    found = rows(change=CHANGE)
    assert set(found.loc[found.index.str.startswith("biomass:"), "unit"]) == {"t"}
    assert set(found.loc[found.index.str.startswith(("carbon:", "carbon_")), "unit"]) == {"t C"}
    assert set(found.loc[["co2_total"], "unit"]) == {"t CO2"}
    assert set(found.loc[["sink"], "unit"]) == {"t CO2/yr"}


def test_culms_are_a_row_of_their_own() -> None:
    found = rows(bamboo_culms_per_ha=2283.0)
    assert found.loc["bamboo_culms", "value"] == pytest.approx(5e4 * 2283)
    assert found.loc["bamboo_culms", "unit"] == "count"
    assert "bamboo_culms" not in rows().index
