"""The survey's tables: units, order, sums to the last printed digit, and words where a run lacks the data."""

import io
import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkest.messages import LANGUAGES
from sinkest.report.data import CITY, ReportData
from sinkest.report.inventory import inclusion_table, inventory_table, method_table
from sinkest.report.leafs import Leafs
from sinkest.report.survey import SurveyTable, survey_tables
from sinkest.report.xlsx import report_xlsx
from tests.report_fixture import bare_data, report_data

ARBOR = ("fir", "masson_pine", "broadleaf", "mixed")
ROLES = {
    "forest": (*ARBOR, "bamboo", "oil_tea"),
    "arbor": ARBOR,
    "bamboo": ("bamboo",),
    "oil_tea": ("oil_tea",),
    "shrub": ("shrub",),
}
CODES = ["430202", "430203", "430204", "430211", "430212", "430223", "430224", "430225", "430281"]


def split_sink(table: pd.DataFrame) -> pd.DataFrame:
    """The sink's rows again by what became of the land: 110, 5 and -15 % of the whole."""
    rows = table[table["quantity"] == "sink"]
    shares = {"remaining": 1.1, "converted": 0.05, "lost": -0.15}
    parts = [rows.assign(quantity=f"sink:{name}", value=rows["value"] * share) for name, share in shares.items()]
    flows = rows[rows["zone"] == CITY].assign(definition_id="")
    methane = flows.assign(quantity="wetland_methane_co2e", value=-39_909.0, unit="t CO2e/yr")
    return pd.concat([table, *parts, methane], ignore_index=True)


def data(**changes: object) -> ReportData:
    whole = report_data()
    given_data = {"roles": ROLES, "estimates": split_sink(whole.estimates), "details": {"wetland": wetland()}}
    return replace(whole, **{**given_data, **changes})


def wetland() -> pd.DataFrame:
    """520 ha of small wetland as marsh, and a river of which methane is not assessed."""
    rows = [
        ("all", "small_wetland", 65, 520.0, 619.2853, 122.2, -3421.6, 0.0, -2802.3147, False),
        ("all", "river", 1, 5784.96, 0.0, np.nan, np.nan, 0.0, np.nan, False),
        ("430202", "river", 1, 5784.96, 0.0, np.nan, np.nan, 0.0, np.nan, False),
    ]
    columns = ["zone", "kind", "sites", "area_ha", "burial_t_co2_yr", "methane_t_yr", "methane_t_co2e_yr",
               "flooding_t_co2_yr", "net_t_co2e_yr", "provisional"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def table(number: str, source: ReportData | None = None) -> SurveyTable:
    return next(item for item in survey_tables(source or data()) if item.id == number)


def column(found: SurveyTable, english: str) -> list[object]:
    place = [head.name.en for head in found.heads].index(english)
    return [cells[place] for _, cells in found.rows]


def total(found: SurveyTable, english: str) -> object:
    assert found.total is not None
    return found.total[[head.name.en for head in found.heads].index(english)]


def test_counties_stand_in_the_order_of_their_codes() -> None:
    names = dict(zip(data().zones["zone_id"], data().zones["name_en"], strict=True))
    for number in ("1", "2", "4", "5", "6"):
        assert [name.en for name, _ in table(number).rows] == [names[code] for code in CODES]


def test_every_total_is_the_sum_of_its_printed_rows() -> None:
    checked = 0
    for found in survey_tables(data()):
        for place, head in enumerate(found.heads):
            cells = [cells[place] for _, cells in found.rows]
            whole = None if found.total is None else found.total[place]
            if head.sums and isinstance(whole, Decimal) and all(isinstance(cell, Decimal) for cell in cells):
                assert sum(cells) == whole, (found.id, head.name.en)
                assert -whole.as_tuple().exponent <= 2
                checked += 1
    assert checked >= 18


def test_forest_is_the_sum_of_its_printed_classes_in_every_county() -> None:
    land = table("1")
    names = ("Arbor forest", "Bamboo forest", "Specially designated shrub")
    for *parts, forest in zip(*(column(land, name) for name in names), column(land, "Forest area"), strict=True):
        assert sum(parts) == forest
    assert sum(total(land, name) for name in names) == total(land, "Forest area")


def test_species_add_up_to_the_arbor_forest_and_stock_of_the_county_tables() -> None:
    land, stock, species = table("1"), table("2"), table("3")
    assert total(species, "Area") == total(land, "Arbor forest")
    assert total(species, "Growing stock") == total(stock, "Forest growing stock")
    assert sum(column(species, "Growing stock")) == total(stock, "Forest growing stock")


def test_one_number_reads_the_same_in_every_table() -> None:
    land, bamboo, sink = table("1"), table("4"), table("6")
    assert column(land, "Bamboo forest") == column(bamboo, "Bamboo forest")
    assert column(land, "Forest area") == column(sink, "Forest area")
    assert column(land, "Specially designated shrub") == column(bamboo, "Oil tea")


def test_totals_are_the_estimates_in_the_bureaus_units() -> None:
    tidy = data().estimates.query("zone == 'all'").set_index("quantity")["value"]
    assert float(total(table("2"), "Forest growing stock")) == pytest.approx(tidy["growing_stock"] / 1e4, abs=0.0051)
    assert float(total(table("5"), "Vegetation as CO₂")) == pytest.approx(tidy["co2_total"] / 1e4, abs=0.0051)
    assert float(total(table("6"), "Yearly sink")) == pytest.approx(tidy["sink"] / 1e4, abs=0.0051)
    land = table("1")
    coverage = 100 * total(land, "Forest area") / total(land, "Land area")
    assert total(land, "Forest coverage") == coverage.quantize(Decimal("0.01"))


def test_carbon_pools_add_up_to_the_vegetation_in_every_county() -> None:
    table_5 = table("5", with_pools())
    pools = ("Trees above ground", "Trees below ground", "Bamboo", "Oil tea", "Shrub")
    for *parts, whole in zip(
        *(column(table_5, name) for name in pools), column(table_5, "Carbon stock of the vegetation"), strict=True
    ):
        assert sum(parts) == whole
    assert sum(total(table_5, name) for name in pools) == total(table_5, "Carbon stock of the vegetation")


def with_pools() -> ReportData:
    """The data with the trees split above and below ground, three to one."""
    known = data().estimates
    trees = known[known["quantity"] == "carbon:arbor"]
    above = trees.assign(quantity="carbon_pool:above_ground", value=trees["value"] * 0.75)
    below = trees.assign(quantity="carbon_pool:below_ground", value=trees["value"] * 0.25)
    return data(estimates=pd.concat([known, above, below], ignore_index=True))


def test_where_counties_do_not_add_up_the_whole_is_printed_and_it_is_said() -> None:
    known = data().estimates
    whole = (known["quantity"] == "sink") & (known["zone"] == CITY)
    found = table("6", data(estimates=known.assign(value=known["value"].mask(whole, 2e6))))
    assert total(found, "Yearly sink") == Decimal("200.00")
    assert any(note.en.startswith("Counties do not add up to the whole in: Yearly sink") for note in found.notes)
    assert not any(note.en.startswith("Counties do not add up") for note in table("6").notes)


def test_wetlands_net_is_the_sum_of_its_printed_flows_and_what_is_not_assessed_says_so() -> None:
    found = table("7")
    small, river = (cells for _, cells in found.rows)
    # 619.29 - 3421.60 + 0.00
    assert small[2:] == tuple(Decimal(text) for text in ("619.29", "122.20", "-3421.60", "0.00", "-2802.31"))
    assert river[3].en == "not assessed"
    assert total(found, "Net") == Decimal("-2802.31")
    assert total(found, "Listed sites") == Decimal(66)


def test_what_rests_on_unchecked_coefficients_is_withheld() -> None:
    known = data().estimates
    held = known["quantity"].isin(["sink", "carbon:total"])
    withheld = data(estimates=known.assign(status=known["status"].mask(held, "provisional")))
    assert {cell.en for cell in column(table("6", withheld), "Yearly sink")} == {
        "withheld: rests on coefficients not checked at their source"
    }
    assert any("withheld" in note.en for note in inclusion_table(withheld).notes)


def test_the_inventory_has_removals_negative_and_names_what_is_not_estimated() -> None:
    known = data().estimates.query("zone == 'all'").set_index("quantity")["value"]
    rows = {name.en: cells[0] for name, cells in inventory_table(data()).rows}
    remaining = next(cell for name, cell in rows.items() if name.startswith("4.A.1"))
    assert float(remaining) == pytest.approx(-known["sink:remaining"] / 1e3, abs=0.0051)
    lost = next(cell for name, cell in rows.items() if name.startswith("4.B.2"))
    assert float(lost) == pytest.approx(-known["sink:lost"] / 1e3, abs=0.0051)
    assert lost > 0 > remaining
    assert rows["4(II) Wetlands: methane as CO₂ equivalent"] == Decimal("39.91")
    assert rows["4.G Harvested wood products"].en.startswith("NE")
    numbers = [cell for cell in rows.values() if isinstance(cell, Decimal)]
    assert inventory_table(data()).total[0] == sum(numbers)


def test_carbon_inclusion_never_calls_a_stock_a_credit() -> None:
    rows = {name.en: cells for name, cells in inclusion_table(data()).rows}
    assert rows["Quantity that may be claimed"][0].en == "none stated"
    assert {"Baseline", "Additionality", "No double counting"} <= set(rows)
    assert "neither a yearly quantity nor a credit" in rows["Carbon stock of the vegetation, as CO₂"][1].en


def test_a_run_without_data_says_what_is_missing_on_every_sheet() -> None:
    book = openpyxl.load_workbook(io.BytesIO(report_xlsx(bare_data())))
    assert sum(name.startswith("表") for name in book.sheetnames) == 9
    for number, word in (("1", "reference points"), ("2", "field plots"), ("6", "measured twice"), ("7", "site list")):
        sheet = next(book[name] for name in book.sheetnames if name.startswith(f"表{number} "))
        assert any(word in str(cell.value) for cell in sheet["A"] if cell.value), number
    assert method_table(bare_data()).rows


def test_the_sheets_hold_the_tables_with_sums_as_formulas_and_the_rule_below() -> None:
    content = report_xlsx(data())
    shown, results = (openpyxl.load_workbook(io.BytesIO(content), data_only=flag) for flag in (False, True))
    sheet, computed = shown["表1 土地面积 Land"], results["表1 土地面积 Land"]
    formulas = [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert len(formulas) >= 5
    for cell in formulas:
        first, last = re.fullmatch(r"=SUM\((\w+):(\w+)\)", cell.value).groups()
        rows = [Decimal(str(item[0].value)) for item in computed[f"{first}:{last}"]]
        assert sum(rows) == Decimal(str(computed[cell.coordinate].value))
    texts = [str(cell.value) for cell in sheet["A"] if cell.value]
    assert any(text.startswith("Rounding: counties") for text in texts)
    assert any(text.startswith("修约规则：") for text in texts)


def test_all_texts_are_filled_in_both_languages() -> None:
    for found in (*survey_tables(data()), inventory_table(data()), inclusion_table(data()), method_table(data())):
        words = [found.first, *(head.name for head in found.heads), *(name for name, _ in found.rows), *found.notes]
        words += [cell for _, cells in found.rows for cell in cells if hasattr(cell, "en")]
        for item in words:
            assert all("{" not in item[language] for language in LANGUAGES)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1e7, allow_nan=False), min_size=36, max_size=36))
def test_any_stock_by_county_and_type_adds_up_both_ways(values: list[float]) -> None:
    grid = np.array(values).reshape(9, 4)
    rows = [("growing_stock", CITY, grid.sum())]
    for place, code in enumerate(CODES):
        rows.append(("growing_stock", code, grid[place].sum()))
        rows += [(f"stock_by_type:{name}", code, grid[place, k]) for k, name in enumerate(ARBOR)]
    rows += [(f"stock_by_type:{name}", CITY, grid[:, k].sum()) for k, name in enumerate(ARBOR)]
    template = report_data().estimates.query("quantity == 'growing_stock' and zone == 'all'").iloc[0].to_dict()
    made = pd.DataFrame([{**template, "quantity": q, "zone": z, "value": v} for q, z, v in rows])
    source = data(estimates=made)
    leafs = Leafs(source)
    stock = leafs.column("growing_stock", 4)
    split = leafs.split(stock, [f"stock_by_type:{name}" for name in ARBOR], 4)
    for place, code in enumerate(CODES):
        cells = [part[code] for part in split.values()]
        assert sum(cells) == stock[code]
        # rounded twice, each time to a next digit: never more than two digits off
        assert np.allclose([float(cell) for cell in cells], grid[place] / 1e4, atol=0.0201)
    species, counties = table("3", source), table("2", source)
    assert sum(column(species, "Growing stock")) == total(counties, "Forest growing stock")
