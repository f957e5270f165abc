"""Conversion sets against published numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sinkest.account.conversion import chosen_conversion, compare_sets, conversion, load_coefficients
from sinkest.errors import InputError

# Hunan inventory of 2005 (nyaybz.com, 2006-01-12): area in ha, growing stock in m3; "other" taken as mixed conifer and
# broadleaf, poplar as soft broadleaf.
HUNAN_2005 = [
    ("fir", 2_512_320, 144.65e6),
    ("masson_pine", 1_411_900, 58.45e6),
    ("other_pine", 138_360, 4.66e6),
    ("cypress", 49_300, 1.30e6),
    ("soft_broadleaf", 46_720, 0.72e6),
    ("hard_broadleaf", 702_500, 29.83e6),
    ("soft_broadleaf", 189_540, 5.48e6),
    ("conifer_broadleaf", 2_224_460, 100.36e6),
]
COEFFICIENTS = load_coefficients()


def test_hunan_2005_gives_the_published_carbon_density() -> None:
    # published for 2016: 24.27 t C/ha; the default set gives 24.31 t C/ha and 176.9 Tg C over 7,275,100 ha
    carbon = 0.0
    for type_id, area_ha, stock_m3 in HUNAN_2005:
        row = chosen_conversion(COEFFICIENTS, "LI2016", type_id)
        carbon += (row.slope_t_m3 * stock_m3 + row.intercept_t_ha * area_ha) * row.carbon_fraction
    assert carbon / 7_275_100 == pytest.approx(24.3, abs=0.05)
    assert carbon == pytest.approx(176.9e6, rel=1e-3)


@pytest.mark.parametrize(
    ("set_id", "fir", "masson_pine"),
    [
        ("LI2016", 23.0, 20.7),
        ("FANG2001", 22.8, 11.1),
        ("SVDXBEF", 18.7, 12.6),
        # 57.6 x 1.0 x 1.29 x 0.47 and 41.4 x 0.75 x 1.40 x 0.47
        ("IPCC_TEMPERATE_R", 34.9, 20.4),
        # with the root ratio of the humid subtropics, 0.230: 57.6 x 1.23 x 0.47 and 41.4 x 0.75 x 1.23 x 0.47
        ("IPCC", 33.3, 17.95),
    ],
)
def test_tree_carbon_at_hunan_mean_volumes_by_set(set_id: str, fir: float, masson_pine: float) -> None:
    table = compare_sets(COEFFICIENTS, {"fir": 57.6, "masson_pine": 41.4}, [set_id]).set_index("type_id")
    assert table.loc["fir", "carbon_t_ha"] == pytest.approx(fir, abs=0.05)
    assert table.loc["masson_pine", "carbon_t_ha"] == pytest.approx(masson_pine, abs=0.05)


def test_the_guideline_density_of_masson_pine_is_22_percent_below_the_independent_one() -> None:
    table = compare_sets(COEFFICIENTS, {"masson_pine": 41.4}, ["SVDXBEF", "SVDXBEF_GWDD"]).set_index("set_id")
    # 0.380 / 0.485 = 0.784
    assert table.loc["SVDXBEF", "carbon_t_ha"] / table.loc["SVDXBEF_GWDD", "carbon_t_ha"] == pytest.approx(
        0.784, abs=1e-3
    )


def test_sets_resting_on_unchecked_values_are_provisional_and_the_default_is_not() -> None:
    table = compare_sets(COEFFICIENTS, {"fir": 57.6}).set_index("set_id")["provisional"]
    assert table.to_dict() == {
        "LI2016": False,
        "FANG2001": True,
        "SVDXBEF": True,
        "SVDXBEF_GWDD": True,
        "IPCC": False,
        "IPCC_TEMPERATE_R": False,
    }


def test_the_change_of_an_ipcc_stock_uses_the_factor_of_increment() -> None:
    row = conversion(COEFFICIENTS, "IPCC", "mixed_broadleaf", 63.0)
    assert row is not None
    # hardwoods, 40-100 m3/ha: stock 1.4, increment 0.9; root ratio 0.230 below 125 t/ha
    assert row.slope_t_m3 == pytest.approx(1.4 * 1.23)
    assert row.slope_change_t_m3 == pytest.approx(0.9 * 1.23)
    assert row.intercept_t_ha == 0


def test_linear_sets_convert_a_change_by_the_slope() -> None:
    row = chosen_conversion(COEFFICIENTS, "LI2016", "fir")
    assert (row.slope_t_m3, row.slope_change_t_m3, row.intercept_t_ha) == (0.4652, 0.4652, 19.141)


def test_the_temperate_row_for_chinese_fir_is_shown_but_not_drawn() -> None:
    row = conversion(COEFFICIENTS, "IPCC", "fir", 57.6)
    assert row is not None
    assert not row.ensemble


def test_a_type_that_a_set_does_not_cover_is_none_or_refused() -> None:
    assert conversion(COEFFICIENTS, "ZHANG2013", "fir", 57.6) is None
    with pytest.raises(InputError, match="set ZHANG2013 has no slope for: fir") as caught:
        chosen_conversion(COEFFICIENTS, "ZHANG2013", "fir", 57.6)
    assert caught.value.key == "account.missing_types"


def test_an_unknown_set_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="LI2016"):
        conversion(COEFFICIENTS, "LI2061", "fir")


def test_a_set_by_level_needs_the_volume() -> None:
    with pytest.raises(InputError) as caught:
        conversion(COEFFICIENTS, "IPCC", "fir")
    assert caught.value.key == "account.volume_needed"


def test_a_table_of_ones_own_replaces_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "conversion.csv"
    path.write_text(
        "set,parameter,type,value,unit,status,source\n"
        "HERE,slope,fir,0.5,t/m3,SRC,own plots\n"
        "HERE,intercept,fir,10,t/ha,SRC,own plots\n"
        "HERE,carbon_fraction,any,0.48,t C/t,SRC,own laboratory\n",
        encoding="utf-8",
    )
    own = load_coefficients({"conversion": path})
    assert own.conversion_sets() == ("HERE",)
    # (0.5 x 60 + 10) x 0.48 = 19.2
    assert compare_sets(own, {"fir": 60.0}).loc[0, "carbon_t_ha"] == pytest.approx(19.2)


def test_a_set_without_a_carbon_fraction_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "conversion.csv"
    path.write_text(
        "set,parameter,type,value,unit,status,source\n"
        "HERE,slope,fir,0.5,t/m3,SRC,own\nHERE,intercept,fir,10,t/ha,SRC,own\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="no carbon_fraction for: fir"):
        chosen_conversion(load_coefficients({"conversion": path}), "HERE", "fir")


def test_an_unknown_table_name_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean conversion"):
        load_coefficients({"conversions": "x.csv"})
