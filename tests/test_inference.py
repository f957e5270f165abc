"""Areas and stock by zone: every class keeps a plausible share in zones whose own points never met it."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sinkest.estimate.domains import CountyTable
from sinkest.estimate.result import Estimate
from sinkest.stages.inference import CITY, Frame, Stock, areas, rake, stock, stock_per_ha
from sinkest.stages.inference.frame import spread_table

AREA_HA = {"east": 6_000.0, "west": 4_000.0}
FRAME = Frame(year=2025, level=0.95, definition_id="test", simulated=True, zone_area_ha=AREA_HA)
VOLUMES = ("volume_m3_ha", "previous_volume_m3_ha")
CLASSES = ["fir", "bamboo", "paddy"]


def reference() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forty points a stratum; all of the fir found in the west, though the map has most of its woods in the east."""
    rows = []
    for stratum, truth in (("woods", ["fir"] * 10 + ["bamboo"] * 26 + ["paddy"] * 4), ("open", ["paddy"] * 40)):
        for k, name in enumerate(truth):
            zone = "west" if name == "fir" or k % 3 == 0 else "east"
            rows.append((stratum, zone, name, "fir" if stratum == "woods" else "paddy"))
    points = pd.DataFrame(rows, columns=["stratum", "zone_id", "reference_class", "map_class"])
    strata = pd.DataFrame(
        [("woods", "east", 4_000.0), ("open", "east", 2_000.0), ("woods", "west", 1_000.0), ("open", "west", 3_000.0)],
        columns=["stratum", "zone_id", "area_ha"],
    )
    return points, strata


def test_a_class_no_point_of_a_zone_met_keeps_a_share_of_what_its_strata_give_it() -> None:
    points, strata = reference()
    found = areas(FRAME, points, strata, CLASSES, ["fir", "bamboo"], ["fir"], [], minimum=200)
    table = found.by_class.pivot_table(index="zone", columns="class", values="area_ha")
    # a quarter of the woods is fir, 1,000 ha of the 4,000 in the east, where no point met it: a tenth of that at least
    assert 0.09 * 1_000 < table.loc["east", "fir"] < 1_000
    assert table.loc[CITY, "fir"] == pytest.approx(table.loc[["east", "west"], "fir"].sum())
    forest = found.groups["forest"].table["estimate"]
    assert table.loc["east", ["fir", "bamboo"]].sum() == pytest.approx(forest["east"], rel=1e-9)


def test_stock_of_a_type_follows_the_map_where_a_zone_has_none_of_its_plots() -> None:
    rng = np.random.default_rng(3)
    n = 60
    kinds = np.where(np.arange(n) % 2 == 0, "fir", "masson_pine")
    zone = np.where((kinds == "fir") & (np.arange(n) % 4 == 0), "west", "east")
    zone = np.where(kinds == "masson_pine", "east", zone)
    volume = rng.gamma(4.0, 20.0, n)
    plots = pd.DataFrame(
        {
            "volume_m3_ha": volume,
            "forest_type": kinds,
            "zone_id": zone,
            "x_m": rng.uniform(0, 1e4, n),
            "y_m": rng.uniform(0, 1e4, n),
        }
    )
    guess = 0.7 * volume + 24
    predicted = pd.DataFrame({name: np.where(kinds == name, guess, 0.0) for name in ("fir", "masson_pine")})
    map_mean = pd.DataFrame({"fir": [40.0, 30.0], "masson_pine": [40.0, 10.0]}, index=["east", "west"])
    found = stock(FRAME, plots, predicted, map_mean, ["fir", "masson_pine"], "random", minimum=10)
    table = found.by_type.pivot_table(index="zone", columns="type", values="stock_m3")
    # no pine plot lies in the west, the map shows some: a trace would be a share of 1e-9
    assert 0.05 < table.loc["west", "masson_pine"] / table.loc["west"].sum() < 0.6
    assert table.loc["west"].sum() == pytest.approx(found.total.table.loc["west", "estimate"])
    for name in ("fir", "masson_pine"):
        assert table.loc[CITY, name] == pytest.approx(table.loc[["east", "west"], name].sum())


def bamboo_beside_fir() -> pd.DataFrame:
    """Grid of 100 plots of 100 ha: 40 of fir, growing from 90 to 100; 10 of bamboo with trees of 6, then 8 m3/ha."""
    volume = np.repeat([100.0, 8.0, 0.0], [40, 10, 50])
    return pd.DataFrame(
        {
            "volume_m3_ha": volume,
            "previous_volume_m3_ha": np.repeat([90.0, 6.0, 0.0], [40, 10, 50]),
            "years": 5.0,
            "forest_type": np.repeat(["fir", "bamboo", ""], [40, 10, 50]),
            "zone_id": np.where(np.arange(100) % 5 < 3, "east", "west"),
            "x_m": 1e3 * (np.arange(100) % 10),
            "y_m": 1e3 * (np.arange(100) // 10),
        }
    )


def stock_of(plots: pd.DataFrame) -> Stock:
    predicted = pd.DataFrame({"fir": np.where(plots["forest_type"] == "fir", 70.0 + np.arange(100) % 7, 0.0)})
    map_mean = pd.DataFrame({"fir": [float(predicted["fir"].mean())] * 2}, index=["east", "west"])
    return stock(FRAME, plots, predicted, map_mean, ["fir"], "random", minimum=10)


def test_trees_outside_arbor_forest_are_no_growing_stock() -> None:
    plots = bamboo_beside_fir()
    found = stock_of(plots)
    without = stock_of(
        plots.assign(**{name: plots[name].where(plots["forest_type"] == "fir", 0.0) for name in VOLUMES})
    )
    assert found.total.city.estimate == without.total.city.estimate == pytest.approx(400_000, rel=1e-3)
    for zone in ("east", "west", CITY):
        parts = found.by_type.loc[found.by_type["zone"] == zone, "stock_m3"].sum()
        whole = next(row["value"] for row in found.rows if (row["quantity"], row["zone"]) == ("growing_stock", zone))
        assert parts == pytest.approx(whole, rel=1e-9)
    assert found.change is not None
    assert without.change is not None
    pd.testing.assert_frame_equal(found.change, without.change)
    # 10 plots with 8 m3/ha stand for 1,000 ha
    (note,) = found.notes
    assert dict(note.fields) == {"plots": 10, "volume": "8,000"}
    assert without.notes == ()


def test_a_stand_that_was_felled_is_lost_though_its_plot_has_no_arbor_type_any_more() -> None:
    plots = bamboo_beside_fir()
    felled = plots.assign(
        volume_m3_ha=plots["volume_m3_ha"].mask(plots.index < 4, 0.0),
        forest_type=plots["forest_type"].mask(plots.index < 4, ""),
    )
    change = stock_of(felled).change
    assert change is not None
    # 4 plots with 90 m3/ha stand for 400 ha: 36,000 m3 in 5 years
    lost = change.query("zone == 'all' and component == 'lost'")["change_m3_yr"].item()
    assert lost == pytest.approx(-7_200, rel=0.1)


def test_raking_meets_both_margins_and_gives_an_empty_column_the_share_of_the_rows() -> None:
    rows, columns = np.array([30.0, 70.0]), np.array([60.0, 40.0])
    fitted = rake(np.array([[1.0, 0.0], [3.0, 0.0]]), rows, columns)
    assert fitted.sum(axis=0) == pytest.approx(columns)
    assert fitted.sum(axis=1) == pytest.approx(rows)
    assert (fitted > 0).all()
    assert math.fsum(rake(np.zeros((2, 2)), np.zeros(2), np.zeros(2)).ravel()) == 0


def test_raking_reaches_its_margins_where_the_start_is_empty_in_the_wrong_places() -> None:
    start, rows, columns = np.diag([60.0, 40.0]), np.array([60.0, 40.0]), np.array([59.99, 40.01])
    fitted = rake(start, rows, columns)
    assert np.abs(fitted.sum(axis=1) - rows).max() <= 1e-9 * 100
    assert np.abs(fitted.sum(axis=0) - columns).max() <= 1e-9 * 100
    # what was mixed in moves less than half a percent of the sum off the diagonal
    assert np.diag(fitted) == pytest.approx([59.99, 40.0], abs=0.5)
    assert (fitted == rake(start, rows, columns)).all()


def test_a_negative_row_shares_its_total_out_and_every_margin_is_met() -> None:
    rows, columns = np.array([-10.0, 110.0]), np.array([60.0, 40.0])
    fitted = rake(np.array([[2.0, 1.0], [50.0, 50.0]]), rows, columns)
    assert fitted[0] == pytest.approx([-6.0, -4.0])
    assert fitted.sum(axis=0) == pytest.approx(columns)
    assert fitted.sum(axis=1) == pytest.approx(rows)


def test_a_zone_whose_stock_came_out_negative_is_noted_and_its_parts_add_up() -> None:
    """In the west the map shows 60 m3/ha where the plots have none, and the correction takes it below zero."""
    plots = bamboo_beside_fir()
    west = (plots["zone_id"] == "west").to_numpy()
    fir = (plots["forest_type"] == "fir").to_numpy() & ~west
    plots = plots.assign(volume_m3_ha=np.where(fir, 100.0, 0.0), forest_type=np.where(fir, "fir", ""))
    plots = plots.drop(columns=["previous_volume_m3_ha"])
    guess = np.where(fir, 80.0, np.where(west, 60.0 + np.arange(100) % 3, 0.0))
    map_mean = pd.DataFrame({"fir": [32.0, 20.0]}, index=["east", "west"])
    found = stock(FRAME, plots, pd.DataFrame({"fir": guess}), map_mean, ["fir"], "random", minimum=10)
    (row,) = (row for row in found.rows if (row["quantity"], row["zone"]) == ("growing_stock", "west"))
    (part,) = (row for row in found.rows if (row["quantity"], row["zone"]) == ("stock_by_type:fir", "west"))
    assert row["value"] < 0
    assert row["note"] == "estimate.note_negative_county"
    assert part["value"] == pytest.approx(row["value"], rel=1e-6)
    assert part["low"] <= part["value"] <= part["high"]


def test_parts_keep_the_degrees_of_freedom_of_their_own_estimate() -> None:
    """A zone's class and its stock per hectare have half-widths of Student's t, not of the normal."""
    found = spread_table(county(df=4.0), ["a"], 0.95).set_index("zone")
    # t at 97.5 % with 4 degrees of freedom is 2.776; the whole has 9: 2.262
    assert found.loc["a", "half"] == pytest.approx(2.776 * 3.0, rel=1e-3)
    assert found.loc[CITY, "half"] == pytest.approx(2.262 * 5.0, rel=1e-3)
    frame = Frame(2025, 0.95, "x", False, {"a": 1000.0})
    rows = stock_per_ha(frame, county(df=4.0), county(df=4.0, estimate=50.0))
    (zone,) = (row for row in rows if row["zone"] == "a")
    assert zone["value"] == pytest.approx(2.0)
    assert zone["high"] - zone["value"] == pytest.approx(2.0 * math.hypot(8.328 / 100, 8.328 / 50), rel=1e-3)
    assert zone["se"] == pytest.approx(2.0 * math.hypot(3 / 100, 3 / 50))


def county(df: float, estimate: float = 100.0) -> CountyTable:
    half = float(stats.t.ppf(0.975, df)) * 3.0
    line = {"estimate": estimate, "se": 3.0, "low": estimate - half, "high": estimate + half, "n": 12, "status": "ok"}
    city = Estimate(estimate=estimate, variance=25.0, n=12, method="m", df=9.0)
    return CountyTable(pd.DataFrame([line], index=pd.Index(["a"])), city)
