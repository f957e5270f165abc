"""The wetlands' balance with its errors, what it is sensitive to, restored sites, and the plan's named sites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sinkest.account import AccountOptions, AccountResult, carbon_account, check_sites
from sinkest.account.conversion import load_coefficients
from sinkest.account.reading import read_csv
from sinkest.account.restoration import wetland_restoration
from sinkest.account.sensitivity import wetland_sensitivity
from sinkest.errors import InputError
from sinkest.learn.table import read_sites
from sinkest.shipped import shipped

COEFFICIENTS = load_coefficients()
STOCK = pd.DataFrame([("all", "fir", 6e4, 1e3, 1e3)], columns=["zone", "type", "stock_m3", "se", "area_ha"])
MARSHES = pd.DataFrame(
    [(f"m{number}", "marsh", 8.0, "") for number in range(65)], columns=["site_id", "kind", "area_ha", "impounded_year"]
)


def account(sites: pd.DataFrame, classes: pd.DataFrame | None = None, **options: object) -> AccountResult:
    given = AccountOptions(year=2025, definition_id="forest_current_rule", **options)  # type: ignore[arg-type]
    area = pd.DataFrame() if classes is None else classes
    return carbon_account(STOCK, area, None, sites, given, rng=np.random.default_rng(3))


def rows(result: AccountResult) -> pd.DataFrame:
    return result.rows[result.rows["zone"] == "all"].set_index("quantity")


def site(kind: str, area_ha: float, year: object = "", name: str = "s", **more: object) -> pd.DataFrame:
    return pd.DataFrame([{"site_id": name, "kind": kind, "area_ha": area_ha, "impounded_year": year, **more}])


def test_520_ha_of_marsh_as_the_table_prints_them() -> None:
    found = rows(account(MARSHES))
    # 520 ha x 1.191 t CO2; 520 x 235 kg CH4, x 28; the sum of both
    assert found.loc["wetland_burial", "value"] == pytest.approx(0.62e3, abs=5)
    assert found.loc["wetland_methane", "value"] == pytest.approx(122.2)
    assert found.loc["wetland_methane_co2e", "value"] == pytest.approx(-3.42e3, abs=5)
    assert found.loc["wetland_net", "value"] == pytest.approx(-2.80e3, abs=5)
    assert found.loc[found.index.str.startswith("wetland_"), "unit"].to_dict() == {
        "wetland_burial": "t CO2/yr",
        "wetland_methane": "t CH4/yr",
        "wetland_methane_co2e": "t CO2e/yr",
        "wetland_net": "t CO2e/yr",
        "wetland_area:marsh": "ha",
    }
    # the burial rests on an unchecked rate, and so does the net; the methane does not
    assert found.loc[["wetland_burial", "wetland_net"], "status"].tolist() == ["provisional"] * 2
    assert found.loc["wetland_methane_co2e", "status"] == "ok"


def test_the_net_lies_in_the_sane_range_under_every_case() -> None:
    table = account(MARSHES).wetland_sensitivity.set_index("case")["net_t_co2e_yr"]
    assert -4.0e3 < table["default"] < 0.6e3
    assert table["chinese_means"] > table["default"] > table["tropical_moist"]


def test_set_and_horizon_are_named() -> None:
    result = account(MARSHES, gwp_set="AR6")
    found = rows(result)
    assert found.loc["wetland_net", "method"] == "gwp100_ar6"
    # 122.2 t x 27.0
    assert found.loc["wetland_methane_co2e", "value"] == pytest.approx(-3_299.4)
    note = next(note for note in result.notes if note.key == "account.wetland_horizon").text("en")
    assert "AR6: 27" in note
    assert "100 years" in note


def test_the_intervals_carry_the_errors_of_both_rates() -> None:
    found = rows(account(MARSHES, accept_provisional=True))
    # methane of marsh 64.2 / 235 = 27 %, burial 100 %: sqrt((0.273 x 3,422)^2 + 619^2) = 1,121
    assert found.loc["wetland_methane_co2e", "se"] == pytest.approx(0.273 * 3_422, rel=0.05)
    assert found.loc["wetland_net", "se"] == pytest.approx(1_121, rel=0.08)
    assert found.loc["wetland_net", "high"] < 0


def test_mapped_and_listed_marsh_share_the_error_of_their_rate() -> None:
    mapped = pd.DataFrame([("all", "marsh", 520.0, 0.0)], columns=["zone", "class", "area_ha", "se"])
    half = rows(account(MARSHES[:32], mapped))
    # 256 ha listed and 264 ha mapped are 520 ha of one form, whose error does not average out
    assert half.loc["wetland_methane", "value"] == pytest.approx(122.2)
    assert half.loc["wetland_methane", "se"] == pytest.approx(
        rows(account(MARSHES)).loc["wetland_methane", "se"], rel=0.05
    )


def test_water_without_a_factor_is_left_out_and_said() -> None:
    sites = pd.concat([site("river", 500.0, name="r"), site("lake", 100.0, name="l")])
    result = account(sites)
    # 100 ha of lake x 71 kg
    assert rows(result).loc["wetland_methane", "value"] == pytest.approx(7.1)
    note = next(note for note in result.notes if note.key == "account.methane_not_assessed").text("en")
    assert "500.0 ha" in note
    assert "river" in note


def test_zones_of_the_balance_add_up_in_every_row() -> None:
    sites = pd.concat([site("lake", 100.0, name="l", zone="a"), site("reservoir", 50.0, 2015, name="r", zone="b")])
    mapped = pd.DataFrame(
        [(zone, "marsh", area, 5.0) for zone, area in (("all", 90.0), ("a", 60.0), ("b", 30.0))],
        columns=["zone", "class", "area_ha", "se"],
    )
    table = account(sites, mapped).rows.pivot_table(index="quantity", columns="zone", values="value")
    for quantity in ("wetland_burial", "wetland_methane", "wetland_methane_co2e", "wetland_flooding", "wetland_net"):
        assert table.loc[quantity, ["a", "b"]].sum() == pytest.approx(table.loc[quantity, "all"]), quantity


def test_each_case_changes_one_thing() -> None:
    areas = pd.DataFrame(
        [("all", "reservoir", "reservoir_old", 100.0, 1), ("all", "lake", "lake", 100.0, 1)],
        columns=["zone", "kind", "form", "area_ha", "sites"],
    )
    table = wetland_sensitivity(COEFFICIENTS, areas).set_index("case")
    reservoir, lake = 80.3 * 1.09 / 10, 7.1
    methane = table["methane_t_yr"]
    assert methane["default"] == pytest.approx(reservoir + lake)
    # the trophic state multiplies the reservoir and not the lake
    assert methane["eutrophic"] == pytest.approx(10 * reservoir + lake)
    assert methane["oligotrophic"] == pytest.approx(0.7 * reservoir + lake)
    # 141.1 kg in the tropical moist zone; the lake keeps its factor
    assert methane["tropical_moist"] == pytest.approx(141.1 * 1.09 / 10 + lake)
    assert table.loc["gwp_ar6", "methane_t_co2e_yr"] == pytest.approx(-27.0 * methane["default"])
    assert (table["burial_t_co2_yr"] == table.loc["default", "burial_t_co2_yr"]).all()
    assert (table["gwp_set"] == ["AR5"] * 7 + ["AR4", "AR5_FEEDBACK", "AR6"]).all()


def test_a_user_table_without_alternatives_has_the_default_only(tmp_path: Path) -> None:
    path = tmp_path / "wetland.csv"
    path.write_text(
        "set,parameter,type,value,unit,status,source\nmethane,methane,lake,50,kg CH4/ha/yr,SRC,own\n", encoding="utf-8"
    )
    own = load_coefficients({"wetland": path})
    areas = pd.DataFrame([("all", "lake", "lake", 10.0, 1)], columns=["zone", "kind", "form", "area_ha", "sites"])
    assert wetland_sensitivity(own, areas)["case"].tolist() == ["default", "gwp_ar4", "gwp_ar5_feedback", "gwp_ar6"]


# -- restoration -----------------------------------------------------------------------------------------------------


def restored(**more: object) -> pd.DataFrame:
    given = {"restored_year": 2020, "before_kind": "pond", "restoration_method": "bank reshaped, reeds planted"}
    return site("marsh", 10.0, **(given | more))


def test_restoration_is_a_difference_over_a_period_with_its_method() -> None:
    row = wetland_restoration(COEFFICIENTS, restored(), 2025).iloc[0]
    # pond 183 kg x 28 = -5.124 t/ha; marsh 1.191 - 6.58 = -5.389 t/ha
    assert row["before_t_co2e_yr"] == pytest.approx(-51.24)
    assert row["after_t_co2e_yr"] == pytest.approx(-53.89, abs=0.01)
    assert row["change_t_co2e_yr"] == pytest.approx(-2.65, abs=0.01)
    assert row["change_t_co2e"] == pytest.approx(5 * row["change_t_co2e_yr"])
    assert (row["from_year"], row["to_year"]) == (2020, 2025)
    assert row["method"] == "bank reshaped, reeds planted"
    assert row["provisional"]


def test_dry_land_before_is_nothing_and_another_area_counts() -> None:
    dry = wetland_restoration(COEFFICIENTS, restored(before_kind="dry"), 2025).iloc[0]
    assert dry["before_t_co2e_yr"] == 0
    grown = wetland_restoration(COEFFICIENTS, restored(before_kind="marsh", before_area_ha=4.0), 2025).iloc[0]
    assert grown["change_t_co2e_yr"] == pytest.approx(0.6 * grown["after_t_co2e_yr"])


def test_a_reservoir_before_has_the_age_it_had() -> None:
    old = wetland_restoration(COEFFICIENTS, restored(before_kind="reservoir", impounded_year=1960), 2025).iloc[0]
    # 22 g: 0.807; 80.3 x 1.09 x 28 = 2.451
    assert old["before_t_co2e_yr"] == pytest.approx(-16.4, abs=0.1)


def test_sites_that_were_not_restored_have_no_row() -> None:
    assert wetland_restoration(COEFFICIENTS, site("marsh", 10.0), 2025).empty
    both = pd.concat([restored(), site("lake", 5.0, name="l")])
    assert wetland_restoration(COEFFICIENTS, both, 2025)["site_id"].tolist() == ["s"]
    assert len(account(both).wetland_restoration) == 1


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"restored_year": 2025}, "account.restored_year"),
        ({"restored_year": "soon"}, "account.restored_year"),
        ({"before_kind": ""}, "account.before_kind"),
        ({"before_kind": "swamp"}, "account.before_kind"),
        ({"restoration_method": " "}, "account.restoration_method"),
        ({"before_area_ha": -2}, "account.before_area"),
        ({"before_kind": "reservoir"}, "account.site_year"),
        ({"before_kind": "reservoir", "impounded_year": 2022}, "account.site_year"),
    ],
)
def test_a_restoration_that_does_not_say_enough_is_refused(more: dict[str, object], key: str) -> None:
    with pytest.raises(InputError) as caught:
        wetland_restoration(COEFFICIENTS, restored(**more), 2025)
    assert caught.value.key == key
    assert "site s" in str(caught.value)


# -- the plan's named sites ------------------------------------------------------------------------------------------


def named_sites() -> dict[str, dict[str, str]]:
    path = shipped("aoi/wetland_sites_zhuzhou.csv")
    columns = path.read_text(encoding="utf-8-sig").splitlines()[0].split(",")
    return {row.cells["site_id"]: row.cells for row in read_csv(path, columns)}


def test_known_figures_of_named_sites_stand_with_their_source_and_nothing_is_invented() -> None:
    sites = named_sites()
    assert {row["name_zh"][:3] for row in sites.values()} == {"酒埠江", "东阳湖", "官庄湖", "湖里沼", "湘江干"}
    assert all(row["lon"] == "" and row["lat"] == "" for row in sites.values())
    assert {name: row["area_ha"] for name, row in sites.items() if row["area_ha"]} == {"guanzhuang": "795.9"}
    assert sites["dongyang"]["impounded_year"] == "2011"
    assert sites["jiubujiang"]["impounded_year"] == "1960"
    assert all(row["source"] for row in sites.values() if row["known"])


def test_the_uncompleted_table_is_refused_row_by_row() -> None:
    with pytest.raises(InputError, match="dongyang") as caught:
        read_sites(shipped("aoi/wetland_sites_zhuzhou.csv"))
    assert "column 'lon': no value" in str(caught.value)


@pytest.mark.parametrize(
    ("year", "form"), [(2025, "reservoir_young"), (2031, "reservoir_young"), (2032, "reservoir_old")]
)
def test_dongyang_lake_is_newly_flooded_until_2031(year: int, form: str) -> None:
    impounded = int(named_sites()["dongyang"]["impounded_year"])
    assert check_sites(site("reservoir", 1_000.0, impounded), year)["form"].tolist() == [form]


def test_guanzhuang_needs_its_year_before_it_counts_as_a_reservoir() -> None:
    row = named_sites()["guanzhuang"]
    with pytest.raises(InputError, match="guanzhuang") as caught:
        check_sites(site(row["kind"], float(row["area_ha"]), row["impounded_year"], "guanzhuang"), 2025)
    assert caught.value.key == "account.site_year"
