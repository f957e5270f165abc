"""What rests on coefficients not checked at their source: kept as data, in no table and no verdict unless accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sinkest.account import AccountOptions, AccountResult, carbon_account
from sinkest.account.conversion import DEFAULT_ENSEMBLE, DEFAULT_SET, TYPE_MAP, conversion, load_coefficients
from sinkest.config import load_config
from sinkest.report.book import Book
from sinkest.report.data import ReportData
from sinkest.report.listings import listings
from sinkest.report.summary import banners, summary
from sinkest.shipped import shipped
from sinkest.targets import assess
from sinkest.targets.file import read_targets
from tests.report_fixture import report_data

STOCK = pd.DataFrame(
    [("all", "fir", 6e6, 3e5, 1e5, 2e3), ("all", "broadleaf", 2e6, 1e5, 3e4, 1e3)],
    columns=["zone", "type", "stock_m3", "se", "area_ha", "area_se"],
)
CLASSES = pd.DataFrame(
    [("all", "bamboo", 5e4, 2e3), ("all", "oil_tea", 4e4, 2e3), ("all", "marsh", 500.0, 50.0)],
    columns=["zone", "class", "area_ha", "se"],
)
CHANGE = pd.DataFrame([("all", 2e5, 3e4)], columns=["zone", "change_m3_yr", "se"])
WITHHELD = {
    "biomass:oil_tea",
    "carbon:oil_tea",
    "carbon:total",
    "co2_total",
    "wetland_burial",
    "wetland_net",
}


def account(**options: object) -> AccountResult:
    given = AccountOptions(year=2025, definition_id="forest_current_rule", **options)  # type: ignore[arg-type]
    return carbon_account(STOCK, CLASSES, CHANGE, None, given, rng=np.random.default_rng(4))


def table(result: AccountResult) -> pd.DataFrame:
    return result.rows.set_index("quantity")


def printed(result: AccountResult) -> ReportData:
    estimates = result.rows.assign(simulated=False)
    return replace(
        report_data(),
        estimates=estimates,
        targets=None,
        trajectory=None,
        provisional=bool((estimates["provisional"] & (estimates["status"] != "provisional")).any()),
        details={"wetland_sensitivity": result.wetland_sensitivity},
    )


def test_values_stay_in_the_data_under_a_status_of_their_own() -> None:
    rows = table(account())
    withheld = rows[rows["status"] == "provisional"]
    assert set(withheld.index) == WITHHELD
    assert withheld["provisional"].all()
    assert withheld[["value", "se", "low", "high"]].notna().all(axis=None)
    assert set(withheld["note"]) == {"account.note_withheld"}
    assert set(rows.loc[rows["status"] == "ok", "provisional"]) == {False}


def test_accepting_changes_the_status_and_not_one_number() -> None:
    kept, accepted = table(account()), table(account(accept_provisional=True))
    pd.testing.assert_frame_equal(kept[["value", "se", "low", "high"]], accepted[["value", "se", "low", "high"]])
    assert set(accepted["status"]) == {"ok"}
    assert set(accepted.index[accepted["provisional"]]) == WITHHELD


def test_what_can_be_said_without_them_is_said() -> None:
    rows = table(account())
    # arbor and bamboo rest on checked coefficients; oil tea does not
    assert rows.loc["carbon_checked", "value"] == pytest.approx(
        rows.loc["carbon:arbor", "value"] + rows.loc["carbon:bamboo", "value"]
    )
    assert rows.loc["carbon_checked", "value"] < rows.loc["carbon:total", "value"]
    assert set(rows.loc[["carbon_checked", "carbon:arbor", "sink", "wetland_methane"], "status"]) == {"ok"}


def test_the_notes_name_what_is_withheld_and_how_to_accept_it() -> None:
    notes = {note.key: note for note in account().notes}
    said = notes["account.withheld"].text("en")
    assert all(quantity in said for quantity in WITHHELD)
    assert "--accept-provisional" in said
    assert "accept_provisional = true" in said
    assert "account.withheld" not in {note.key for note in account(accept_provisional=True).notes}


def test_tables_show_the_row_without_its_number() -> None:
    book = Book(printed(account()))
    entry = book.entry("carbon:total")
    assert entry is not None
    assert (entry.value, entry.low, entry.raw, entry.status) == (None, None, None, "provisional")
    assert book.entry("carbon:arbor").value is not None  # type: ignore[union-attr]
    lines = {line.label: line for line in summary(printed(account()), "en")}
    assert lines["Carbon, all vegetation"].interval == "withheld: rests on coefficients not checked at their source"
    assert "million t C" in lines["Carbon, pools with checked coefficients only"].estimate


def test_the_banner_stands_only_above_printed_provisional_values() -> None:
    assert not any("PROVISIONAL" in line for line in banners(printed(account()), "en"))
    assert any("PROVISIONAL" in line for line in banners(printed(account(accept_provisional=True)), "en"))


def test_listings_withhold_too() -> None:
    def cells(result: AccountResult) -> Sequence[str]:
        data = printed(result)
        return [cell.en for cell in listings(data, Book(data))["wetland_sensitivity"].rows[0]]

    assert cells(account()) == ["default", *["withheld (provisional)"] * 5]
    # 500 ha x 32.48 g: 595 t CO2; x 235 kg: 118 t CH4 (117.5), x 28: 3,290 t
    assert cells(account(accept_provisional=True)) == ["default", "595", "118", "-3,290", "0", "-2,695"]


def test_no_verdict_rests_on_a_withheld_value() -> None:
    targets = [item for item in read_targets(shipped("configs/targets-zhuzhou.toml")) if item.id == "stock_2025"]
    row = {"quantity": "growing_stock", "zone": "all", "year": 2025, "value": 36e6, "se": 1e5}
    row |= {"definition_id": "forest_current_rule", "status": "provisional"}
    judged = assess(pd.DataFrame([row]), targets, 2025).iloc[0]
    assert (judged["verdict"], judged["reason"]) == ("cannot_tell", "targets.reason_provisional")
    assert np.isnan(judged["probability"])
    assert assess(pd.DataFrame([row | {"status": "ok"}]), targets, 2025).iloc[0]["verdict"] == "met"


def test_the_default_set_and_its_alternatives_are_checked() -> None:
    coefficients = load_coefficients()
    assert DEFAULT_SET in DEFAULT_ENSEMBLE
    for name in DEFAULT_ENSEMBLE:
        for kind in TYPE_MAP.values():
            found = conversion(coefficients, name, kind, 60.0)
            assert found is None or not found.provisional, (name, kind)


def test_an_unchecked_set_is_named_and_its_figures_are_withheld() -> None:
    result = account(ensemble={"LI2016": 0.5, "SVDXBEF": 0.5})
    assert table(result).loc["sink", "status"] == "provisional"
    note = next(note for note in result.notes if note.key == "account.set_provisional")
    assert "SVDXBEF" in note.text("en")
    assert "LI2016, ZHANG2013, IPCC" in note.text("en")
    assert "account.set_provisional" not in {note.key for note in account().notes}


def test_the_option_widens_the_configuration_and_nothing_else() -> None:
    config = load_config(shipped("configs/zhuzhou-2025.toml"))
    wider = config.accepting_provisional()
    assert not config.spec.account.accept_provisional
    assert wider.spec.account.accept_provisional
    assert wider.spec.model_copy(update={"account": config.spec.account}) == config.spec
    assert load_config(shipped("configs/demo.toml")).spec.account.accept_provisional
