"""The account against figures others published or measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sinkest.account import AccountOptions, AccountResult, carbon_account
from sinkest.account.conversion import chosen_conversion, compare_sets, conversion, load_coefficients
from tests.benchmarks.sink import coverage, realisations, two_dates
from tests.test_account_sink import city

COEFFICIENTS = load_coefficients()
OPTIONS = AccountOptions(year=2025, definition_id="forest_current_rule")
TARGET = pd.DataFrame([("all", (40.18e6 - 34.46e6) / 5, 0.2e6)], columns=["zone", "change_m3_yr", "se"])
LAND_HA = 1_124_755.0
FOREST_HA = 0.5387 * LAND_HA


def account(arbor_ha: float) -> AccountResult:
    bamboo = pd.DataFrame([("all", "bamboo", 0.10 * FOREST_HA, 0.0)], columns=["zone", "class", "area_ha", "se"])
    return carbon_account(city(34.46e6, arbor_ha), bamboo, TARGET, None, OPTIONS, rng=np.random.default_rng(2))


@pytest.fixture(scope="module")
def target() -> AccountResult:
    """The plan's figures of 2025 on 83 % of the forest (502,000 ha of arbor forest), with Hunan's composition."""
    return account(0.83 * FOREST_HA)


def value(result: AccountResult, quantity: str) -> float:
    return float(result.rows.set_index("quantity").loc[quantity, "value"])


# Ranges that figures for the city must lie in, from official totals of the province and published densities.
@pytest.mark.parametrize(
    ("what", "low", "high"),
    [
        ("forest area, kha", 580, 632),
        ("stock per ha of all forest, m3/ha", 55, 59),
        ("stock per ha of arbor forest, m3/ha", 65, 77),
        ("arbor carbon, Mt C", 12, 19),
        ("vegetation carbon per ha of forest, t C/ha", 22, 38),
        ("sink of the stock target, Mt CO2/yr", 1.0, 1.9),
        ("growth of the stock, %/yr", 2.5, 3.5),
        ("sink per ha of forest, t C/ha/yr", 0.35, 0.9),
        ("litter, t C/ha", 0.4, 6.2),
        ("dead wood, t C/ha", 0.5, 3.0),
        ("soil, t C/ha", 70, 140),
    ],
)
def test_the_plan_of_2025_lies_in_the_sane_ranges(target: AccountResult, what: str, low: float, high: float) -> None:
    arbor = 0.83 * FOREST_HA
    with_layers = arbor + 0.10 * FOREST_HA
    found = {
        "forest area, kha": FOREST_HA / 1e3,
        "stock per ha of all forest, m3/ha": 34.46e6 / FOREST_HA,
        "stock per ha of arbor forest, m3/ha": 34.46e6 / arbor,
        "arbor carbon, Mt C": value(target, "carbon:arbor") / 1e6,
        "vegetation carbon per ha of forest, t C/ha": value(target, "carbon:total") / FOREST_HA,
        "sink of the stock target, Mt CO2/yr": value(target, "sink") / 1e6,
        "growth of the stock, %/yr": 100 * ((4018 / 3446) ** 0.2 - 1),
        "sink per ha of forest, t C/ha/yr": value(target, "sink") * 12 / 44 / FOREST_HA,
        "litter, t C/ha": value(target, "carbon_pool:litter") / with_layers,
        "dead wood, t C/ha": value(target, "carbon_pool:dead_wood") / arbor,
        "soil, t C/ha": value(target, "carbon_pool:soil") / with_layers,
    }
    assert low < found[what] < high


@pytest.mark.parametrize(("arbor_ha", "ratio"), [(450_000, 1.84), (502_000, 1.90)])
def test_the_ratio_depends_on_the_area_and_the_slope_does_not(arbor_ha: float, ratio: float) -> None:
    detail = account(arbor_ha).sink_detail.iloc[0]
    # slope: 1.144e6 x 0.6359 x 0.5 x 44/12 whatever the area; ratio: the intercept of 18.43 t/ha comes on top, over
    # 76.6 m3/ha (450,000 ha of arbor forest) 0.8766 t/m3, over 68.6 m3/ha (502,000 ha, 83 % of the forest) 0.9044 t/m3
    assert detail["sink_t_co2_yr"] == pytest.approx(1.33e6, abs=0.005e6)
    assert detail["by_ratio_t_co2_yr"] == pytest.approx(ratio * 1e6, abs=0.005e6)


# -- Mozambique: volume, biomass above and below ground of 3,272 plots ------------------------------------------------


@pytest.fixture(scope="module")
def plots(real_data: Path) -> pd.DataFrame:
    path = real_data / "inventory" / "mozambique_nfi" / "mozambique_nfi_plots_3272.csv"
    table = pd.read_csv(path, encoding="latin-1")
    table.columns = table.columns.str.strip()
    names = {"Estrato Florestal": "stratum", "Vt (m3_ha)": "volume", "AGB (ton_ha)": "above", "BGB (ton_ha)": "below"}
    return table.rename(columns=names).assign(total=lambda t: t["above"] + t["below"], half=np.arange(len(table)) % 2)


def own_set(folder: Path, plots: pd.DataFrame) -> Path:
    """A conversion set fitted to the plots: a line for each stratum, roots included."""
    lines = ["set,parameter,type,value,unit,status,source"]
    for number, (_, part) in enumerate(plots.groupby("stratum")):
        slope, intercept = np.polyfit(part["volume"], part["total"], 1)
        lines.append(f"OWN,slope,stratum_{number},{slope:.6f},t/m3,SRC,plots")
        lines.append(f"OWN,intercept,stratum_{number},{max(intercept, 0):.6f},t/ha,SRC,plots")
    path = folder / "conversion.csv"
    path.write_text("\n".join([*lines, "OWN,carbon_fraction,any,0.47,t C/t,SRC,IPCC\n"]), encoding="utf-8")
    return path


def test_a_line_fitted_on_half_the_plots_gives_the_biomass_of_the_other_half(
    plots: pd.DataFrame, tmp_path: Path
) -> None:
    coefficients = load_coefficients({"conversion": own_set(tmp_path, plots[plots["half"] == 0])})
    for number, (name, part) in enumerate(plots[plots["half"] == 1].groupby("stratum")):
        found = compare_sets(coefficients, {f"stratum_{number}": float(part["volume"].mean())}).iloc[0]
        assert found["biomass_t_ha"] == pytest.approx(part["total"].mean(), rel=0.06), name


def test_the_slope_follows_a_change_of_volume_and_the_ratio_overstates_it(plots: pd.DataFrame) -> None:
    for name, part in plots.groupby("stratum"):
        slope, _ = np.polyfit(part["volume"], part["total"], 1)
        ratio = part["total"].mean() / part["volume"].mean()
        middle = part["volume"].median()
        low, high = part[part["volume"] <= middle], part[part["volume"] > middle]
        measured = high["total"].mean() - low["total"].mean()
        change = high["volume"].mean() - low["volume"].mean()
        assert slope * change == pytest.approx(measured, rel=0.08), name
        assert ratio * change > 1.02 * measured, name


def test_the_default_line_of_hard_broadleaf_meets_three_strata_of_four(plots: pd.DataFrame) -> None:
    row = chosen_conversion(COEFFICIENTS, "LI2016", "hard_broadleaf")
    off = {}
    for name, part in plots.groupby("stratum"):
        found = row.slope_t_m3 * part["volume"].mean() + row.intercept_t_ha
        off[str(name)[:20]] = found / part["total"].mean() - 1
    within = [error for error in off.values() if abs(error) < 0.05]
    # the evergreen forest has heavier stands: 21 % too low there, as wide as the spread between sets
    assert len(within) == 3
    assert min(off.values()) == pytest.approx(-0.21, abs=0.02)


def test_adding_roots_to_a_line_that_has_them_would_overstate(plots: pd.DataFrame) -> None:
    part = plots[plots["stratum"].str.startswith("Floresta (semi-) decidua")]
    row = chosen_conversion(COEFFICIENTS, "LI2016", "hard_broadleaf")
    once = row.slope_t_m3 * part["volume"].mean() + row.intercept_t_ha
    twice = once * (1 + part["below"].mean() / part["above"].mean())
    assert once == pytest.approx(part["total"].mean(), rel=0.02)
    assert twice > 1.35 * part["total"].mean()


def test_expansion_factors_of_the_temperate_zone_overstate_these_woodlands(plots: pd.DataFrame) -> None:
    for name, part in plots.groupby("stratum"):
        volume = float(part["volume"].mean())
        row = conversion(COEFFICIENTS, "IPCC", "oak", volume)
        assert row is not None
        assert 1.1 < row.slope_t_m3 * volume / part["total"].mean() < 1.5, name


# -- the virtual city ------------------------------------------------------------------------------------------------


def test_the_interval_of_the_sink_holds_the_true_one() -> None:
    # 16 realisations at 900 m: 12 or fewer of 16 would be seen once in 1,000 times at 95 %
    table = realisations(two_dates(900.0), 16, 6000.0)
    assert coverage(table) >= 13 / 16
    assert 0.7 < table["se"].mean() / (table["estimate"] - table["truth"]).std() < 1.7
