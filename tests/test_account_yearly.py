"""The yearly account as a whole."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sinkest.account
from sinkest.account import AccountOptions, AccountResult, carbon_account, yearly
from sinkest.account.conversion import load_coefficients
from sinkest.account.simulation import draw, evaluate
from sinkest.errors import InputError
from sinkest.messages import LANGUAGES, Message, catalogue
from sinkest.tidy import COLUMNS

OPTIONS = AccountOptions(year=2025, definition_id="forest_current_rule")
ZONES = {"430202": 0.02, "430225": 0.3, "430281": 0.68}
# 34.46 million m3 on 502,000 ha of arbor forest (68.6 m3/ha), by the shares of Hunan's inventory of 2005
CITY = {
    "fir": (14.43e6, 173_300.0),
    "masson_pine": (6.30e6, 107_000.0),
    "broadleaf": (3.72e6, 68_200.0),
    "mixed": (10.01e6, 153_500.0),
}
POOLS = {"bamboo": 63_000.0, "oil_tea": 41_000.0, "shrub": 20_000.0}


def stock(zones: bool = True) -> pd.DataFrame:
    rows = []
    for name, (volume, area) in CITY.items():
        rows.append(("all", name, volume, 0.06 * volume, area, 0.02 * area))
        for zone, share in ZONES.items() if zones else ():
            rows.append((zone, name, volume * share, 0.1 * volume * share, area * share, 0.04 * area * share))
    return pd.DataFrame(rows, columns=["zone", "type", "stock_m3", "se", "area_ha", "area_se"])


def areas(zones: bool = True) -> pd.DataFrame:
    parts = {"all": 1.0} | (ZONES if zones else {})
    rows = [
        (zone, name, area * share, 0.05 * area * share) for zone, share in parts.items() for name, area in POOLS.items()
    ]
    return pd.DataFrame(rows, columns=["zone", "class", "area_ha", "se"])


def change() -> pd.DataFrame:
    parts = {"all": 1.0} | ZONES
    return pd.DataFrame(
        [(zone, 1.144e6 * share, 0.2e6 * share) for zone, share in parts.items()],
        columns=["zone", "change_m3_yr", "se"],
    )


def run(**given: object) -> AccountResult:
    arguments: dict[str, object] = {
        "stock_by_type": stock(),
        "class_area": areas(),
        "change": change(),
        "sites": None,
        "options": OPTIONS,
    }
    return carbon_account(**(arguments | given), rng=np.random.default_rng(1))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def result() -> AccountResult:
    return run()


def row(result: AccountResult, quantity: str, zone: str = "all") -> pd.Series:
    rows = result.rows
    return rows[(rows["quantity"] == quantity) & (rows["zone"] == zone)].iloc[0]


def test_rows_have_the_columns_of_the_estimates_table(result: AccountResult) -> None:
    assert tuple(result.rows.columns) == COLUMNS
    assert not result.rows.duplicated(["quantity", "zone"]).any()
    assert (result.rows["year"] == 2025).all()
    assert set(result.rows["status"]) == {"ok", "provisional"}


def test_the_targets_of_2025_lie_in_the_sane_ranges(result: AccountResult) -> None:
    arbor, total = row(result, "carbon:arbor"), row(result, "carbon:total")
    assert 12e6 < arbor["value"] < 19e6
    # the range is that of the figure; models put 15-25 % on the carbon
    assert 11e6 < arbor["low"] < arbor["value"] < arbor["high"] < 22e6
    # all forest: 606,000 ha; vegetation carbon 22-38 t C/ha
    assert 22 < total["value"] / 606_000 < 38
    sink = row(result, "sink")
    assert 1.0e6 < sink["value"] < 1.9e6
    # 0.35-0.9 t C per ha of forest and year
    assert 0.35 < sink["value"] * 12 / 44 / 606_000 < 0.9


def test_value_and_steps_agree(result: AccountResult) -> None:
    detail = result.stock_detail
    city = detail[detail["zone"] == "all"]
    assert city["carbon_t"].sum() == pytest.approx(row(result, "carbon:arbor")["value"])
    assert city.set_index("type").loc["fir", "biomass_t"] == pytest.approx(row(result, "biomass:fir")["value"])
    assert row(result, "co2_total")["value"] == pytest.approx(row(result, "carbon:total")["value"] * 44 / 12)


def test_bamboo_oil_tea_and_shrub_are_pools_of_their_own(result: AccountResult) -> None:
    assert row(result, "carbon:bamboo")["value"] == pytest.approx(63_000 * 23.78)
    parts = [row(result, f"carbon:{pool}")["value"] for pool in ("arbor", "bamboo", "oil_tea", "shrub")]
    assert row(result, "carbon:total")["value"] == pytest.approx(sum(parts))


def test_provisional_marks_what_rests_on_unchecked_values_and_nothing_else(result: AccountResult) -> None:
    flags = result.rows.groupby("quantity")["provisional"].any()
    assert flags[["carbon:oil_tea", "carbon:shrub", "carbon:total", "co2_total"]].all()
    assert not flags[["carbon:arbor", "carbon:bamboo", "sink", "biomass:fir"]].any()
    assert set(result.factors_used.loc[result.factors_used["provisional"], "type_id"]) == {"oil_tea", "shrub"}


def test_zones_add_up_to_the_city_in_every_draw() -> None:
    world = yearly._world(load_coefficients(), stock(), areas(), change(), None, OPTIONS, None)
    drawn = evaluate(world, draw(world, np.random.default_rng(2), 200))
    for quantity, values in drawn.items():
        np.testing.assert_allclose(values[:, 1:].sum(axis=1), values[:, 0], rtol=1e-9, err_msg=quantity)


def test_the_city_keeps_its_own_error_when_zones_are_given(result: AccountResult) -> None:
    alone = run(stock_by_type=stock(False), class_area=areas(False), change=change()[:1])
    for quantity in ("carbon:arbor", "sink"):
        assert row(result, quantity)["value"] == pytest.approx(row(alone, quantity)["value"])
        assert row(result, quantity)["se"] == pytest.approx(row(alone, quantity)["se"], rel=0.03)


def test_the_order_of_rows_does_not_matter(result: AccountResult) -> None:
    again = run(stock_by_type=stock()[::-1], class_area=areas().sample(frac=1, random_state=3), change=change()[::-1])
    pd.testing.assert_frame_equal(result.rows, again.rows)
    pd.testing.assert_frame_equal(result.shares, again.shares)


def test_another_seed_moves_the_interval_but_not_the_value(result: AccountResult) -> None:
    other = carbon_account(stock(), areas(), change(), None, OPTIONS, rng=np.random.default_rng(9))
    assert (other.rows["value"] == result.rows["value"]).all()
    assert (other.rows["se"] != result.rows["se"]).any()
    np.testing.assert_allclose(other.rows["se"], result.rows["se"], rtol=0.08)


def test_variance_shares_are_shares(result: AccountResult) -> None:
    sums = result.shares.groupby(["quantity", "zone"])["share"].sum()
    assert ((sums > 0.97) & (sums < 1.03)).all()
    city = result.shares[result.shares["zone"] == "all"].pivot_table(index="source", columns="quantity", values="share")
    # the change is known to 17 %: sampling carries the sink; the stock hangs on models, of single trees and
    # of whole stands
    assert city["sink"].idxmax() == "account.source_sampling"
    models = city.loc[["account.source_conversion_set", "account.source_allometry"], "carbon:arbor"]
    assert models.sum() > 0.75
    assert models.min() > 0.15
    assert city.loc["account.source_bamboo_density", "sink"] == 0
    assert set(city.index) <= set(catalogue())


def test_the_definition_is_a_source_of_error_where_it_is_in_doubt(result: AccountResult) -> None:
    """Oil tea leaves all carbon in the draws in which it does not count, and nothing else moves."""
    options = AccountOptions(year=2025, definition_id="forest_current_rule", definition_doubt=0.5)
    doubted = run(options=options)
    assert row(doubted, "carbon:total")["value"] == row(result, "carbon:total")["value"]
    for quantity in ("carbon:arbor", "carbon:oil_tea", "sink"):
        assert row(doubted, quantity)["se"] == row(result, quantity)["se"]
    share = doubted.shares.set_index(["source", "quantity", "zone"])["share"]
    assert share["account.source_definition", "carbon:total", "all"] > 0.001
    assert share["account.source_definition", "carbon:arbor", "all"] == 0
    # approach 1: the variance of a coin over the oil tea's carbon comes on top
    first, second = (
        made.uncertainty.set_index(["quantity", "zone"]).loc[("carbon:total", "all"), "se_approach_1"]
        for made in (result, doubted)
    )
    oil_tea = row(result, "carbon:oil_tea")["value"]
    assert second**2 - first**2 == pytest.approx(0.25 * oil_tea**2, rel=1e-6)
    assert "account.definition_term" in [note.key for note in doubted.notes]


def test_a_rule_without_oil_tea_leaves_it_out_and_its_draws_hold_it_where_it_counts() -> None:
    rule = "forest_current_rule_without_oil_tea"
    without, doubted, counted = (
        run(options=AccountOptions(year=2025, definition_id=rule, definition_doubt=doubt, oil_tea_counted=held))
        for doubt, held in ((0.0, False), (0.3, False), (0.3, True))
    )
    oil_tea = row(counted, "carbon:oil_tea")["value"]
    whole = row(counted, "carbon:total")["value"]
    assert row(without, "carbon:total")["value"] == pytest.approx(whole - oil_tea)
    assert row(doubted, "carbon:total")["value"] == row(without, "carbon:total")["value"]
    parts = without.rows[(without.rows["zone"] == "all") & without.rows["quantity"].str.startswith("carbon:")]
    assert "carbon:oil_tea" not in set(parts["quantity"])
    assert parts["value"].sum() == pytest.approx(2 * row(without, "carbon:total")["value"])
    # oil tea comes in with 0.3, so that the draws lean to more; where the rule counts it, to less
    assert row(doubted, "carbon:total")["high"] > row(without, "carbon:total")["high"]
    assert row(doubted, "carbon:total")["high"] < row(counted, "carbon:total")["high"]
    first, second = (
        made.uncertainty.set_index(["quantity", "zone"]).loc[("carbon:total", "all"), "se_approach_1"]
        for made in (without, doubted)
    )
    assert second**2 - first**2 == pytest.approx(0.21 * oil_tea**2, rel=1e-6)
    keys = [note.key for note in doubted.notes]
    assert "account.definition_term_without" in keys
    assert "account.oil_tea_apart" in keys


def test_a_doubt_is_a_probability() -> None:
    with pytest.raises(InputError) as caught:
        AccountOptions(year=2025, definition_id="x", definition_doubt=0.51)
    assert caught.value.message.key == "account.doubt"


def test_the_interval_spans_the_other_sets(result: AccountResult) -> None:
    narrow = run(options=AccountOptions(year=2025, definition_id="forest_current_rule", ensemble={"LI2016": 1.0}))
    assert row(narrow, "carbon:arbor")["value"] == row(result, "carbon:arbor")["value"]
    assert row(narrow, "carbon:arbor")["se"] < 0.9 * row(result, "carbon:arbor")["se"]


def test_a_type_map_of_ones_own_changes_only_what_it_names(result: AccountResult) -> None:
    options = AccountOptions(year=2025, definition_id="forest_current_rule", type_map={"broadleaf": "oak"})
    made = run(options=options).stock_detail.set_index(["zone", "type"]).loc["all"]
    assert made["factor_type"].to_dict() == {
        "broadleaf": "oak",
        "fir": "fir",
        "masson_pine": "masson_pine",
        "mixed": "conifer_broadleaf",
    }


def test_notes_can_be_kept_as_json() -> None:
    sites = pd.DataFrame(
        [("a", "lake", 900.0, 0), ("b", "reservoir", 50.0, 1960), ("c", "small_wetland", 8.0, 0)],
        columns=["site_id", "kind", "area_ha", "impounded_year"],
    )
    water = pd.DataFrame([("all", "water", 500.0, 5.0)], columns=["zone", "class", "area_ha", "se"])
    frame = stock()
    frame.loc[frame["zone"] == "430281", "stock_m3"] *= 1.1
    made = run(stock_by_type=frame, class_area=pd.concat([areas(False), water]), sites=sites)
    assert {"account.listed_exceeds", "account.small_wetland_mean"} <= {note.key for note in made.notes}
    kept = json.loads(json.dumps([[note.key, dict(note.fields)] for note in made.notes]))
    for (key, fields), note in zip(kept, made.notes, strict=True):
        for language in LANGUAGES:
            assert Message.of(key, **fields).text(language) == note.text(language)


def test_the_chosen_set_is_printed(result: AccountResult) -> None:
    chosen = next(note for note in result.notes if note.key == "account.set_chosen")
    assert "LI2016 50%" in chosen.text("en")
    assert set(result.conversion_sets["set_id"]) >= {"LI2016", "ZHANG2013", "SVDXBEF", "IPCC", "FANG2001"}


def test_a_stratum_of_low_volume_loses_its_intercept_and_is_named() -> None:
    low = pd.DataFrame([("all", "fir", 1_000.0, 50.0, 100.0)], columns=["zone", "type", "stock_m3", "se", "area_ha"])
    made = run(stock_by_type=low, class_area=pd.DataFrame(), change=None)
    assert row(made, "biomass:fir")["value"] == pytest.approx(465.2)
    assert any(note.key == "account.low_volume" and "all/fir" in note.text() for note in made.notes)


def test_a_zone_without_a_value_is_declined_and_the_rest_stands() -> None:
    frame = stock()
    frame.loc[(frame["zone"] == "430202") & (frame["type"] == "fir"), ["stock_m3", "se"]] = np.nan
    made = run(stock_by_type=frame)
    gone = row(made, "carbon:arbor", "430202")
    assert gone["status"] == "declined"
    assert np.isnan(gone["value"])
    assert row(made, "carbon:arbor", "430281")["status"] == "ok"
    assert row(made, "carbon:arbor")["value"] == pytest.approx(row(run(), "carbon:arbor")["value"])
    assert {"account.zones_declined"} <= {note.key for note in made.notes}


def test_zones_that_do_not_add_up_are_noted() -> None:
    frame = stock()
    frame.loc[frame["zone"] == "430281", "stock_m3"] *= 1.1
    made = run(stock_by_type=frame)
    assert any(note.key == "account.zones_do_not_add" for note in made.notes)
    assert row(made, "carbon:arbor")["value"] == pytest.approx(row(run(), "carbon:arbor")["value"])


def test_a_type_estimated_below_zero_still_gives_an_account() -> None:
    tiny = pd.DataFrame([("all", "broadleaf", -50.0, 40.0, 2.0)], columns=["zone", "type", "stock_m3", "se", "area_ha"])
    frame = pd.concat([stock(False)[lambda rows: rows["type"] != "broadleaf"], tiny])
    made = row(run(stock_by_type=frame, change=change()[:1]), "biomass:broadleaf")
    # -50 m3 x 0.9788, without the intercept
    assert made["value"] == pytest.approx(-48.94)
    assert made["low"] < 0 < made["high"]


def test_culms_replace_the_density_where_they_are_given() -> None:
    classes = pd.DataFrame(
        [("all", "bamboo", 63_000.0, 1_000.0, 143.8e6)], columns=["zone", "class", "area_ha", "se", "culms"]
    )
    bamboo = row(run(class_area=classes), "carbon:bamboo")
    # 143.8e6 x 19.3 kg x 0.475 = 1.318e6 t C
    assert bamboo["value"] == pytest.approx(1.318e6, rel=1e-3)
    assert bamboo["method"] == "culms"


def test_the_area_error_is_part_of_the_stock_error_not_added_to_it() -> None:
    # one type, no intercept in effect: all error of the stock comes from its area
    one = pd.DataFrame(
        [("all", "fir", 6e6, 0.3e6, 1e5, 5e3)], columns=["zone", "type", "stock_m3", "se", "area_ha", "area_se"]
    )
    options = AccountOptions(year=2025, definition_id="x", ensemble={"LI2016": 1.0})
    made = run(stock_by_type=one, class_area=pd.DataFrame(), change=None, options=options)
    shares = made.shares[made.shares["quantity"] == "carbon:arbor"].set_index("source")["share"]
    assert shares["account.source_sampling"] == pytest.approx(0, abs=0.01)
    # 5 % from the area, 2.7 % from the line, 4.6 % from the carbon fraction, 11.6 % from allometry: of 187.9 in squares
    # 25, 7.3, 21.2 and 134.6
    assert shares["account.source_area"] == pytest.approx(0.133, abs=0.03)
    assert shares["account.source_allometry"] == pytest.approx(0.716, abs=0.03)


def test_a_covariance_replaces_independent_errors_in_any_row_order() -> None:
    frame = stock(False)
    se = frame["se"].to_numpy()
    together = run(stock_by_type=frame, class_area=pd.DataFrame(), stock_covariance=np.outer(se, se))
    apart = run(stock_by_type=frame, class_area=pd.DataFrame(), stock_covariance=np.diag(se**2))
    back = run(stock_by_type=frame[::-1], class_area=pd.DataFrame(), stock_covariance=np.outer(se, se)[::-1, ::-1])
    assert row(together, "carbon:arbor")["se"] > row(apart, "carbon:arbor")["se"]
    assert row(back, "carbon:arbor")["se"] == pytest.approx(row(together, "carbon:arbor")["se"])
    with pytest.raises(InputError) as caught:
        run(stock_covariance=np.eye(2))
    assert caught.value.key == "account.covariance"


def test_a_provisional_set_makes_the_sink_provisional() -> None:
    options = AccountOptions(year=2025, definition_id="x", ensemble={"LI2016": 0.5, "SVDXBEF": 0.5}, simulated=True)
    made = run(options=options)
    assert row(made, "sink")["provisional"]
    assert any(note.key == "account.provisional" for note in made.notes)
    assert made.rows["simulated"].all()


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"draws": 9_999}, "account.draws"),
        ({"draws": 200_001}, "account.draws"),
        ({"level": 95}, "account.level"),
        ({"min_volume_m3_ha": float("nan")}, "account.min_volume"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, float], key: str) -> None:
    with pytest.raises(InputError) as caught:
        AccountOptions(year=2025, definition_id="x", **options)  # type: ignore[arg-type]
    assert caught.value.key == key


def test_an_unknown_set_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="LI2016"):
        run(options=AccountOptions(year=2025, definition_id="x", conversion_set="LI2061"))


def test_the_interval_of_the_sink_holds_the_truth_as_often_as_it_says() -> None:
    # Each truth draws its conversion from the ensemble and its change from around 1.144e6 m3/yr; what is observed has
    # an error of 0.15e6. 400 truths: 95 % +- 2.2 %.
    frame = pd.DataFrame([("all", 1.144e6, 0.15e6)], columns=["zone", "change_m3_yr", "se"])
    world = yearly._world(load_coefficients(), stock(False), pd.DataFrame(), frame, None, OPTIONS, None)
    truths = draw(world, np.random.default_rng(11), 400)
    truths["sampling"]["change"] = np.zeros_like(truths["sampling"]["change"])
    true_sink = evaluate(world, truths)["sink"][:, 0]
    observed = 1.144e6 + 0.15e6 * np.random.default_rng(12).standard_normal(400)
    draws = draw(world, np.random.default_rng(13), 4_000)
    error = draws["sampling"]["change"].copy()
    held = 0
    for truth, seen in zip(true_sink, observed, strict=True):
        draws["sampling"]["change"] = error + (seen - 1.144e6)
        low, high = np.quantile(evaluate(world, draws)["sink"][:, 0], [0.025, 0.975])
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.98


def test_every_text_the_account_names_exists_in_both_languages() -> None:
    folder = Path(inspect.getfile(sinkest.account)).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    for key in set(re.findall(r'"(account\.[a-z0-9_]+)"', source)):
        assert set(catalogue()[key]) == set(LANGUAGES), key
