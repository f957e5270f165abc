"""Cropland soil by equation 2.25 and the methane of paddies beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sinkest.account.conversion import load_coefficients
from sinkest.account.cropland import cropland_balance, cropland_totals
from sinkest.errors import InputError

COEFFICIENTS = load_coefficients()
FIELD = {
    "field_id": "a",
    "area_ha": "100",
    "soil": "lac",
    "use_before": "annual",
    "tillage_before": "full",
    "input_before": "medium",
    "use_after": "annual",
    "tillage_after": "none",
    "input_after": "medium",
    "changed_year": "2020",
    "zone": "",
    "paddy_days": "",
    "amendment_t_ha": "",
    "amendment_factor": "",
}
PADDY = {"use_before": "paddy", "use_after": "paddy", "tillage_after": "full", "paddy_days": "120"}


def table(folder: Path, *fields: dict[str, str]) -> Path:
    path = folder / "cropland.csv"
    rows = [FIELD | field for field in (fields or ({},))]
    lines = [",".join(FIELD), *(",".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_conventional_to_no_till_on_red_earth(tmp_path: Path) -> None:
    found, factors = cropland_balance(COEFFICIENTS, table(tmp_path), 2025)
    # 55 x 0.69 = 37.95; x 1.10 = 41.745; over 20 years 0.18975 t C/ha/yr x 44/12 x 100 ha
    row = found.iloc[0]
    assert (row["soil_before_t_c_ha"], row["soil_after_t_c_ha"]) == (pytest.approx(37.95), pytest.approx(41.745))
    assert row["soil_change_t_co2_yr"] == pytest.approx(69.575)
    assert row["net_t_co2e_yr"] == pytest.approx(69.575)
    assert {factor.set_id for factor in factors} == {"2019", "AR5"}
    assert not row["provisional"]


def test_the_change_ends_after_twenty_years(tmp_path: Path) -> None:
    path = table(tmp_path, {"changed_year": "2005"}, {"field_id": "b", "changed_year": "2006"})
    assert cropland_balance(COEFFICIENTS, path, 2025)[0]["soil_change_t_co2_yr"].tolist() == [
        0,
        pytest.approx(69.575),
    ]


def test_a_paddy_is_never_a_sink_without_its_methane(tmp_path: Path) -> None:
    straw = PADDY | {"input_after": "high", "amendment_t_ha": "6", "amendment_factor": "0.29"}
    row = cropland_balance(COEFFICIENTS, table(tmp_path, straw), 2025)[0].iloc[0]
    # 55 x 1.35 x 0.11 / 20 x 44/12 x 100 ha = 149.7 t CO2 won in the soil
    assert row["soil_change_t_co2_yr"] == pytest.approx(149.74, abs=0.01)
    # 1.32 kg x 120 d x (1 + 6 x 0.29)^0.59 x 100 ha = 28.7 t CH4, x 28
    assert row["paddy_methane_t_yr"] == pytest.approx(0.1584 * 2.74**0.59 * 100)
    assert row["net_t_co2e_yr"] == pytest.approx(149.74 - 28 * row["paddy_methane_t_yr"], abs=0.01)
    assert row["net_t_co2e_yr"] < 0


def test_totals_carry_their_units(tmp_path: Path) -> None:
    found = cropland_totals(cropland_balance(COEFFICIENTS, table(tmp_path, {}, PADDY | {"field_id": "b"}), 2025)[0])
    assert {name: unit for name, (_, unit) in found.items()} == {
        "cropland_soil": "t CO2/yr",
        "paddy_methane_co2e": "t CO2e/yr",
        "cropland_net": "t CO2e/yr",
    }
    assert found["cropland_net"][0] == pytest.approx(found["cropland_soil"][0] + found["paddy_methane_co2e"][0])


def test_editions_are_not_mixed() -> None:
    # the reference stock of the 2006 edition would be 88 and 63, its paddy factor 1.10
    assert COEFFICIENTS.cropland.sets() == ("2019",)
    values = {
        (factor.parameter, factor.type_id): factor.value
        for factor in COEFFICIENTS.cropland.factors
        if factor.parameter in ("soil_reference", "land_use_factor")
    }
    assert values["soil_reference", "hac"] == 64
    assert values["soil_reference", "lac"] == 55
    assert values["land_use_factor", "paddy"] == 1.35


@pytest.mark.parametrize(
    ("field", "key", "named"),
    [
        ({"soil": "red"}, "account.cropland_class", "soil_reference"),
        ({"use_after": "rice"}, "account.cropland_class", "rice"),
        ({"area_ha": "-1"}, "account.outside", "area_ha"),
        ({"area_ha": "1 ha"}, "account.not_number", "1 ha"),
        ({"area_ha": ""}, "account.empty_cell", "area_ha"),
        ({"changed_year": "2030"}, "account.outside", "2025"),
        (PADDY | {"paddy_days": ""}, "account.paddy_days", "methane"),
        (PADDY | {"paddy_days": "400"}, "account.outside", "366"),
        (PADDY | {"amendment_t_ha": "6"}, "account.amendment_pair", "amendment_factor"),
    ],
)
def test_bad_fields_are_refused_by_row(tmp_path: Path, field: dict[str, str], key: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        cropland_balance(COEFFICIENTS, table(tmp_path, field), 2025)
    assert caught.value.key == key
    assert named in str(caught.value)
    assert "line 2" in str(caught.value)


def test_a_field_listed_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="field a is listed twice"):
        cropland_balance(COEFFICIENTS, table(tmp_path, {}, {}), 2025)


def test_unknown_columns_and_warming_potentials_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path)
    with pytest.raises(InputError) as caught:
        cropland_balance(COEFFICIENTS, path, 2025, "AR7")
    assert caught.value.key == "account.unknown_gwp"
    path.write_text(path.read_text(encoding="utf-8").replace("area_ha", "area_mu"), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        cropland_balance(COEFFICIENTS, path, 2025)
    assert caught.value.key == "account.unknown_column"
