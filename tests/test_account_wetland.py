"""Wetlands: burial, methane and net apart, sites that count, and hectares that are not counted twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sinkest.account import AccountOptions, carbon_account, check_sites
from sinkest.account.conversion import load_coefficients
from sinkest.account.sites import ceiling_note, small_wetlands
from sinkest.account.wetland import balance, gwp, rates
from sinkest.errors import InputError

COEFFICIENTS = load_coefficients()
STOCK = pd.DataFrame([("all", "fir", 6e4, 1e3, 1e3)], columns=["zone", "type", "stock_m3", "se", "area_ha"])


def sites(*rows: dict[str, object]) -> pd.DataFrame:
    base: dict[str, object] = {"kind": "small_wetland", "area_ha": 5.0}
    return pd.DataFrame([{"site_id": f"s{number}"} | base | row for number, row in enumerate(rows)])


def account(classes: list[tuple[str, str, float, float]], listed: pd.DataFrame | None, **options: object):
    area = pd.DataFrame(classes, columns=["zone", "class", "area_ha", "se"])
    settings = {"year": 2025, "definition_id": "forest_current_rule"} | options
    return carbon_account(STOCK, area, None, listed, AccountOptions(**settings), rng=np.random.default_rng(3))  # type: ignore[arg-type]


def value(rows: pd.DataFrame, quantity: str, zone: str = "all") -> float:
    return float(rows.loc[(rows["quantity"] == quantity) & (rows["zone"] == zone), "value"].item())


def test_520_ha_of_marsh_bury_little_and_emit_more() -> None:
    areas = pd.DataFrame(
        [("all", "small_wetland", "small_wetland", 520.0, 65)], columns=["zone", "kind", "form", "area_ha", "sites"]
    )
    row = balance(COEFFICIENTS, areas).iloc[0]
    # 32.48 gC x 0.01 x 44/12 = 1.191 t CO2/ha; 235 kg x 520 = 122.2 t CH4; x 28 = 3,421.6
    assert row["burial_t_co2_yr"] == pytest.approx(620, abs=1)
    assert row["methane_t_yr"] == pytest.approx(122.2)
    assert row["methane_t_co2e_yr"] == pytest.approx(-3_421.6)
    assert row["net_t_co2e_yr"] == pytest.approx(-2_802, abs=1)
    assert row["provisional"]


@pytest.mark.parametrize(
    ("form", "burial", "net"),
    [
        # 22 gC: 0.807; 71 kg x 28 = 1.988
        ("lake", 0.807, -1.18),
        # 80.3 x 1.09 x 28 = 2.451
        ("reservoir_old", 0.807, -1.64),
        # 127.5 x 1.09 x 28 = 3.891 and 1.46 x 44/12 = 5.353
        ("reservoir_young", 0.0, -9.24),
        ("pond", 0.0, -5.12),
        ("marsh", 1.191, -5.39),
    ],
)
def test_a_hectare_of_each_form(form: str, burial: float, net: float) -> None:
    areas = pd.DataFrame([("all", form, form, 1.0, 1)], columns=["zone", "kind", "form", "area_ha", "sites"])
    row = balance(COEFFICIENTS, areas).iloc[0]
    assert row["burial_t_co2_yr"] == pytest.approx(burial, abs=0.001)
    assert row["net_t_co2e_yr"] == pytest.approx(net, abs=0.006)


def test_methane_of_rivers_is_not_assessed_rather_than_zero() -> None:
    assert np.isnan(rates(COEFFICIENTS, "river").methane_kg)
    assert rates(COEFFICIENTS, "river").burial_t_co2 == 0


def test_the_warming_potential_is_a_choice_and_unknown_names_are_refused() -> None:
    assert (gwp(COEFFICIENTS, "AR5").value, gwp(COEFFICIENTS, "AR6").value) == (28, 27)
    with pytest.raises(InputError) as caught:
        account([], None, gwp_set="AR7")
    assert caught.value.key == "account.unknown_gwp"


@pytest.mark.parametrize(
    ("year", "form"), [(2024, "reservoir_young"), (2031, "reservoir_young"), (2032, "reservoir_old")]
)
def test_a_reservoir_is_young_for_twenty_years(year: int, form: str) -> None:
    listed = sites({"kind": "reservoir", "impounded_year": 2011})
    assert check_sites(listed, year).loc[0, "form"] == form


@pytest.mark.parametrize(
    ("row", "key", "named"),
    [
        ({"kind": "reservoir"}, "account.site_year", "needs its year of impoundment"),
        ({"kind": "reservoir", "impounded_year": np.nan}, "account.site_year", "2025"),
        ({"kind": "reservoir", "impounded_year": 2030}, "account.site_year", "2030"),
        ({"kind": "reservoir", "impounded_year": "1960s"}, "account.site_year", "1960s"),
        ({"kind": "lagoon"}, "account.site_kind", "lagoon"),
        ({"area_ha": 0}, "account.site_area", "0"),
        ({"area_ha": -3}, "account.site_area", "-3"),
        ({"area_ha": None}, "account.site_area", "hectares"),
        ({"area_ha": "5 ha"}, "account.site_area", "5 ha"),
        ({"area_ha": 2e6}, "account.site_area", "1e+06"),
        ({"site_id": ""}, "account.table_empty", "site_id"),
        ({"in_corridor": "maybe"}, "account.site_corridor", "maybe"),
    ],
)
def test_bad_sites_are_refused_by_row(row: dict[str, object], key: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        check_sites(sites(row), 2025)
    assert caught.value.key == key
    assert "row 1" in str(caught.value)
    assert named in str(caught.value)


def test_missing_columns_and_repeated_sites_are_refused() -> None:
    with pytest.raises(InputError, match="missing columns: area_ha"):
        check_sites(sites({})[["site_id", "kind"]], 2025)
    with pytest.raises(InputError, match="site s0 is listed twice"):
        check_sites(sites({}, {"site_id": "s0"}), 2025)


def test_corridor_sites_are_counted_apart_unless_told_otherwise() -> None:
    listed = check_sites(sites({}, {"in_corridor": True}, {"in_corridor": "是"}, {"in_corridor": 0.0}), 2025)
    counted, _ = small_wetlands(listed)
    assert counted["quantity"].value_counts().to_dict() == {"small_wetland_sites": 2, "small_wetland_sites_corridor": 2}
    counted, _ = small_wetlands(listed, corridor_included=True)
    assert counted["quantity"].value_counts().to_dict() == {"small_wetland_sites": 4}


def test_sites_of_8_ha_do_not_count_as_small() -> None:
    listed = check_sites(sites({"area_ha": 7.99}, {"area_ha": 8.0}), 2025)
    counted, notes = small_wetlands(listed)
    assert counted["site_id"].tolist() == ["s0"]
    assert [note.key for note in notes] == ["account.small_wetland_large"]


def test_a_mean_of_8_ha_is_flagged() -> None:
    assert [note.key for note in ceiling_note(65, 520.0)] == ["account.small_wetland_mean"]
    assert ceiling_note(65, 519.0) == ()
    assert ceiling_note(0, 0.0) == ()


def test_listed_sites_are_not_counted_again_as_mapped_water_or_marsh() -> None:
    listed = sites({}, {"kind": "marsh", "area_ha": 40}, {"kind": "lake", "area_ha": 300})
    rows = account([("all", "water", 1_000.0, 50.0), ("all", "marsh", 100.0, 10.0)], listed).rows
    assert value(rows, "wetland_area:lake") == 300
    assert value(rows, "wetland_area:water") == 700
    assert value(rows, "wetland_area:small_wetland") == 5
    # 40 listed + (100 - 40 - 5) mapped beyond the list
    assert value(rows, "wetland_area:marsh") == 95
    # 300 x 0.80667 + 100 x 1.19093
    assert value(rows, "wetland_burial") == pytest.approx(361.1, abs=0.1)


def test_a_list_beyond_the_map_adds_nothing_and_is_noted() -> None:
    result = account([("all", "water", 100.0, 5.0)], sites({"kind": "lake", "area_ha": 300}))
    assert value(result.rows, "wetland_area:water") == 0
    assert any(note.key == "account.listed_exceeds" for note in result.notes)


def test_sites_without_a_zone_are_reckoned_for_the_whole_only() -> None:
    classes = [(zone, "marsh", area, 1.0) for zone, area in (("all", 100.0), ("a", 60.0), ("b", 40.0))]
    result = account(classes, sites({"kind": "marsh", "area_ha": 50}))
    burial = result.rows[result.rows["quantity"] == "wetland_burial"]
    assert burial["zone"].tolist() == ["all"]
    assert value(result.rows, "wetland_burial") == pytest.approx(100 * 1.19093, abs=0.01)
    assert any(note.key == "account.sites_without_zone" for note in result.notes)


def test_zones_of_wetlands_add_up() -> None:
    classes = [(zone, "marsh", area, 1.0) for zone, area in (("all", 100.0), ("a", 60.0), ("b", 40.0))]
    listed = sites({"kind": "marsh", "area_ha": 20, "zone": "a"}, {"zone": "b"})
    rows = account(classes, listed).rows
    for quantity in ("wetland_burial", "small_wetland_sites", "wetland_area:marsh"):
        assert value(rows, quantity) == pytest.approx(value(rows, quantity, "a") + value(rows, quantity, "b"))


def test_zones_add_up_where_one_of_them_lists_more_than_is_mapped() -> None:
    classes = [(zone, "marsh", area, 1.0) for zone, area in (("all", 100.0), ("a", 80.0), ("b", 10.0), ("c", 10.0))]
    listed = sites({"kind": "marsh", "area_ha": 30, "zone": "b"}, {"kind": "marsh", "area_ha": 1, "zone": "c"})
    found = account(classes, listed)
    for quantity in ("wetland_burial", "wetland_methane", "wetland_area:marsh"):
        whole, parts = value(found.rows, quantity), [value(found.rows, quantity, zone) for zone in "abc"]
        assert whole == pytest.approx(sum(parts)), quantity
    # 100 ha are mapped and 31 of them listed: the 20 ha too many in b are taken off a and c, not added to the whole
    assert value(found.rows, "wetland_area:marsh") == pytest.approx(100)
    assert value(found.rows, "wetland_area:marsh", "b") == pytest.approx(30)


def test_listed_areas_carry_no_error_and_mapped_ones_do() -> None:
    rows = account([("all", "marsh", 100.0, 10.0)], sites({"kind": "lake", "area_ha": 30})).rows.set_index("quantity")
    assert np.isnan(rows.loc["wetland_area:lake", "se"])
    assert rows.loc["wetland_area:marsh", "se"] == 10
    # 100 -+ 1.96 x 10
    assert rows.loc["wetland_area:marsh", ["low", "high"]].tolist() == pytest.approx([80.4, 119.6], abs=1e-3)


def test_without_water_marsh_or_sites_there_are_no_wetland_rows() -> None:
    result = account([("all", "bamboo", 100.0, 10.0)], None)
    assert not result.rows["quantity"].str.startswith("wetland").any()
    assert result.wetland.empty
