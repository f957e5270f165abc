"""County tables: they add up, say what is too thin, and hold what their intervals promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkest.errors import InputError
from sinkest.estimate import total
from sinkest.estimate.additive import between_domains
from sinkest.estimate.area import stratified_area_from_sample
from sinkest.estimate.domains import county_areas, county_totals

AREA = {"a": 100.0, "b": 200.0, "c": 300.0, "d": 50.0, "e": 400.0, "f": 20.0}
MAP_MEAN = {"a": 60.0, "b": 40.0, "c": 45.0, "d": 30.0, "e": 40.0, "f": 20.0}
POINT_AREA = pd.DataFrame(
    {"forest": [60.0, 120, 100, 20, 300, 2], "other": [40.0, 80, 200, 30, 100, 18]}, index=list(AREA)
)


def plots(rng: np.random.Generator, n: int = 200) -> pd.DataFrame:
    """Plots spread over counties by area, a map with an error of its own in every county."""
    share = np.array(list(AREA.values())) / sum(AREA.values())
    county = rng.choice(list(AREA), n, p=share)
    x = np.array([MAP_MEAN[c] for c in county]) + rng.normal(0, 15, n)
    off = dict(zip(AREA, rng.normal(0, 4, len(AREA)), strict=True))
    y = 5 + 0.9 * x + np.array([off[c] for c in county]) + rng.normal(0, 20, n)
    return pd.DataFrame({"y": y, "x": x, "county": county, "east": rng.random(n) * 5e4, "north": rng.random(n) * 5e4})


def points(rng: np.random.Generator, n: int = 300) -> pd.DataFrame:
    """Reference points drawn by stratum."""
    rows = []
    for stratum, right in (("forest", 0.9), ("other", 0.07)):
        share = (POINT_AREA[stratum] / POINT_AREA[stratum].sum()).to_numpy()
        county = rng.choice(list(AREA), n // 2, p=share)
        rows.append(pd.DataFrame({"county": county, "stratum": stratum, "hit": rng.random(n // 2) < right}))
    return pd.concat(rows, ignore_index=True)


# totals


@given(seed=st.integers(0, 10**6), method=st.sampled_from(["greg", "difference"]), minimum=st.integers(2, 60))
@settings(max_examples=40, deadline=None)
def test_counties_add_up_to_the_city(seed: int, method: Any, minimum: int) -> None:
    data = plots(np.random.default_rng(seed))
    table, city = county_totals(data["y"], data["x"], data["county"], MAP_MEAN, AREA, method=method, minimum=minimum)
    assert table["estimate"].sum() == pytest.approx(city.estimate, rel=1e-12)
    assert (table["unadjusted"] + table["adjustment"]).to_numpy() == pytest.approx(table["estimate"].to_numpy())
    assert table.index.tolist() == sorted(AREA)
    assert (table["se"] > 0).all()


def test_the_city_is_the_regression_estimate() -> None:
    data = plots(np.random.default_rng(1))
    _, city = county_totals(data["y"], data["x"], data["county"], MAP_MEAN, AREA)
    whole = sum(AREA.values())
    mean = sum(AREA[c] * MAP_MEAN[c] for c in AREA) / whole
    expected = total.greg(data["y"], data["x"], [mean]).scaled(whole)
    assert (city.estimate, city.variance) == (pytest.approx(expected.estimate), pytest.approx(expected.variance))
    assert (city.n, city.df) == (200, 198)


def test_the_city_by_difference_takes_the_map_at_its_word() -> None:
    data = plots(np.random.default_rng(2))
    table, city = county_totals(data["y"], data["x"], data["county"], MAP_MEAN, AREA, method="difference", minimum=5)
    whole = sum(AREA.values())
    mean = sum(AREA[c] * MAP_MEAN[c] for c in AREA) / whole
    assert city.estimate == pytest.approx(whole * (mean + (data["y"] - data["x"]).mean()))
    inside = data[data["county"] == "b"]
    expected = 200 * (40 + (inside["y"] - inside["x"]).mean())
    assert table.loc["b", "unadjusted"] == pytest.approx(expected)
    assert table.loc["b", "unadjusted_se"] ** 2 == pytest.approx(
        200**2 * (inside["y"] - inside["x"]).var() / len(inside)
    )


def test_a_county_is_the_model_plus_its_own_mean_residual() -> None:
    data = plots(np.random.default_rng(3))
    table, _ = county_totals(data["y"], data["x"], data["county"], MAP_MEAN, AREA)
    slope, intercept = np.polyfit(data["x"], data["y"], 1)
    inside = data[data["county"] == "c"]
    residual = (inside["y"] - intercept - slope * inside["x"]).mean()
    assert table.loc["c", "unadjusted"] == pytest.approx(300 * (intercept + slope * 45 + residual))
    assert table.loc["c", "status"] == "ok"
    assert table.loc["c", "method"] == "modified_greg"
    assert table.loc["c", "mean"] == pytest.approx(table.loc["c", "estimate"] / 300)


def test_thin_counties_are_marked_and_synthetic() -> None:
    data = plots(np.random.default_rng(4))
    thin = data["county"].value_counts().reindex(list(AREA), fill_value=0) < 10
    table, _ = county_totals(data["y"], data["x"], data["county"], MAP_MEAN, AREA)
    assert thin.any()
    assert (table["status"] == "insufficient").tolist() == thin.tolist()
    slope, intercept = np.polyfit(data["x"], data["y"], 1)
    assert table.loc["f", "unadjusted"] == pytest.approx(20 * (intercept + slope * 20))
    assert table.loc["f", "note"] == "estimate.note_synthetic_county"
    # per hectare they are the least certain
    assert table.loc[thin, "mean_se"].min() > table.loc[~thin, "mean_se"].median()


def test_a_county_without_plots_is_still_in_the_table() -> None:
    data = plots(np.random.default_rng(5))
    data = data[data["county"] != "d"]
    table, city = county_totals(data["y"], data["x"], data["county"], MAP_MEAN, AREA)
    assert table.loc["d", "n"] == 0
    assert table.loc["d", "status"] == "insufficient"
    assert table["estimate"].sum() == pytest.approx(city.estimate)


def test_the_least_certain_county_gives_way_most() -> None:
    data = plots(np.random.default_rng(6))
    table, _ = county_totals(data["y"], data["x"], data["county"], MAP_MEAN, AREA)
    share = table["adjustment"] / table["adjustment"].sum()
    expected = table["unadjusted_se"] ** 2 / (table["unadjusted_se"] ** 2).sum()
    assert share.to_numpy() == pytest.approx(expected.to_numpy())


def test_several_auxiliaries_come_as_tables() -> None:
    data = plots(np.random.default_rng(7)).assign(cover=lambda d: d["x"] / 100 + 0.1)
    means = pd.DataFrame({"x": pd.Series(MAP_MEAN), "cover": pd.Series(MAP_MEAN) / 100 + 0.1})
    both = county_totals(data["y"], data[["x", "cover"]], data["county"], means, AREA)
    one = county_totals(data["y"], data["x"], data["county"], MAP_MEAN, AREA)
    # the second is a multiple of the first and drops out
    assert both.table["estimate"].to_numpy() == pytest.approx(one.table["estimate"].to_numpy())
    assert both.city.notes[0].key == "estimate.note_dropped_auxiliaries"


def test_a_grid_uses_local_variances() -> None:
    rng = np.random.default_rng(8)
    east, north = (axis.ravel() for axis in np.meshgrid(np.arange(16) * 2000.0, np.arange(16) * 2000.0))
    county = np.where(east < 16000, "west", "east")
    y = 50 + east / 500 + north / 400 + rng.normal(0, 4, 256)
    x = rng.normal(0, 1, 256)
    size, mean = {"west": 10.0, "east": 10.0}, {"west": 0.0, "east": 0.0}
    random = county_totals(y, x, county, mean, size)
    grid = county_totals(y, x, county, mean, size, coordinates=np.column_stack([east, north]), design="systematic")
    assert grid.city.se < 0.5 * random.city.se
    assert (grid.table["se"] < 0.6 * random.table["se"]).all()


def test_plots_without_any_spread_borrow_it() -> None:
    rng = np.random.default_rng(9)
    county = np.repeat(["bare", "wood"], [12, 40])
    y = np.where(county == "bare", 0.0, rng.gamma(4, 20, 52))
    table, city = county_totals(
        y, np.zeros(52) + y * 0, county, {"bare": 0.0, "wood": 0.0}, {"bare": 5.0, "wood": 20.0}, method="difference"
    )
    assert table.loc["bare", "unadjusted_se"] > 0
    assert city.notes[-1].key == "estimate.note_flat_county"


def test_a_perfect_map_leaves_no_error() -> None:
    data = plots(np.random.default_rng(10))
    table, city = county_totals(3 + 2 * data["x"], data["x"], data["county"], MAP_MEAN, AREA)
    assert city.se == pytest.approx(0.0, abs=1e-8)
    assert table["se"].to_numpy() == pytest.approx(np.zeros(6), abs=1e-8)
    assert table["mean"].to_numpy() == pytest.approx([3 + 2 * MAP_MEAN[c] for c in AREA])


@given(seed=st.integers(0, 10**6), factor=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_units_carry_through(seed: int, factor: float) -> None:
    data = plots(np.random.default_rng(seed))
    plain = county_totals(data["y"], data["x"], data["county"], MAP_MEAN, AREA)
    scaled = county_totals(data["y"] * factor, data["x"], data["county"], MAP_MEAN, AREA)
    assert scaled.table["estimate"].to_numpy() == pytest.approx(factor * plain.table["estimate"].to_numpy(), rel=1e-6)
    assert scaled.table["se"].to_numpy() == pytest.approx(factor * plain.table["se"].to_numpy(), rel=1e-3)


# areas


@given(seed=st.integers(0, 10**6), minimum=st.integers(2, 60))
@settings(max_examples=40, deadline=None)
def test_county_areas_add_up_to_the_city(seed: int, minimum: int) -> None:
    data = points(np.random.default_rng(seed))
    table, city = county_areas(data["hit"], data["stratum"], data["county"], POINT_AREA, minimum=minimum)
    assert table["estimate"].sum() == pytest.approx(city.estimate, rel=1e-12)
    assert table["area"].to_numpy() == pytest.approx(POINT_AREA.sum(axis=1).to_numpy())


def test_the_area_of_the_city_is_the_stratified_estimate() -> None:
    data = points(np.random.default_rng(11))
    _, city = county_areas(data["hit"], data["stratum"], data["county"], POINT_AREA)
    expected = stratified_area_from_sample(
        data["stratum"], data["stratum"] == "forest", data["hit"], POINT_AREA.sum(), finite_population=False
    ).combined([True])
    assert city.estimate == pytest.approx(expected.estimate)
    assert city.variance == pytest.approx(expected.variance)
    assert city.df == pytest.approx(expected.df)


def test_a_county_area_is_its_strata_corrected_by_its_points() -> None:
    data = points(np.random.default_rng(12))
    table, _ = county_areas(data["hit"], data["stratum"], data["county"], POINT_AREA)
    share = data.groupby("stratum")["hit"].mean()
    weight = data["stratum"].map(POINT_AREA.sum() / data["stratum"].value_counts())
    residual = data["hit"] - data["stratum"].map(share)
    inside = data["county"] == "e"
    synthetic = 300 * share["forest"] + 100 * share["other"]
    expected = synthetic + 400 * np.average(residual[inside], weights=weight[inside])
    assert table.loc["e", "unadjusted"] == pytest.approx(expected)
    assert table.loc["e", "mean"] == pytest.approx(table.loc["e", "estimate"] / 400)


def test_sizes_may_come_by_pairs() -> None:
    data = points(np.random.default_rng(13))
    pairs = {(c, s): POINT_AREA.loc[c, s] for c in POINT_AREA.index for s in POINT_AREA.columns}
    first = county_areas(data["hit"], data["stratum"], data["county"], pairs)
    second = county_areas(data["hit"], data["stratum"], data["county"], POINT_AREA)
    pd.testing.assert_frame_equal(first.table, second.table)


# how the model's error differs between counties


def test_between_variance_is_positive_even_where_sampling_explains_all() -> None:
    value, df = between_domains(np.array([0.1, -0.1, 0.05, -0.05, 0.0]), np.ones(5), np.full(5, 20.0), 20.0)
    assert 0.05 < value < 2.0
    assert df == 4


def test_between_variance_finds_large_differences() -> None:
    rng = np.random.default_rng(14)
    error = rng.normal(0, 5, 200) + rng.normal(0, 1, 200)
    value, _ = between_domains(error, np.ones(200), np.full(200, 20.0), 20.0)
    assert value == pytest.approx(25.0, rel=0.25)


def test_with_few_counties_the_plain_variance_serves() -> None:
    value, df = between_domains(np.array([1.0, 3.0, 0.0]), np.ones(3), np.array([20.0, 20.0, 1.0]), 9.0)
    assert (value, df) == (2.0, 1.0)
    assert between_domains(np.array([1.0]), np.ones(1), np.array([20.0]), 9.0) == (9.0, 1.0)


# what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"county_area": {"a": 1.0}}, "county_area has no entry for: b"),
        ({"county_area": AREA | {"a": 0.0}}, "the area of a is 0.0"),
        ({"county_x_mean": {"a": 1.0}}, "no map mean for the counties: b, c, d, e, f"),
        ({"county_x_mean": pd.DataFrame({"x": [1.0]}, index=["a"])}, "no map mean for the counties: b, c"),
        ({"county_x_mean": pd.DataFrame({"z": 1.0}, index=list(AREA))}, "lacks a finite mean for: x"),
        ({"county_x_mean": MAP_MEAN | {"b": np.nan}}, "finite number"),
        ({"x": np.ones((200, 2))}, "x has 2 columns"),
        ({"method": "kriging"}, "greg, difference"),
        ({"design": "systematic"}, "needs coordinates"),
        ({"county": [None] * 200}, "county is missing"),
        ({"y": [np.nan] * 200}, "y holds 200 missing"),
    ],
)
def test_totals_that_cannot_be_made_are_refused(change: dict[str, Any], message: str) -> None:
    data = plots(np.random.default_rng(15))
    arguments: dict[str, Any] = {
        "y": data["y"],
        "x": data["x"],
        "county": data["county"],
        "county_x_mean": MAP_MEAN,
        "county_area": AREA,
    }
    with pytest.raises(InputError, match=message):
        county_totals(**(arguments | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"is_class": np.full(300, 2)}, "is_class must be true or false"),
        ({"county_stratum_area": POINT_AREA.drop(index="a")}, "county_stratum_area .domain. has no entry for: a"),
        ({"county_stratum_area": POINT_AREA.assign(water=5.0)}, "no sampled unit lies in the strata: water"),
        ({"county_stratum_area": POINT_AREA.drop(columns="other")}, "has no entry for: other"),
        ({"design": "systematic"}, "needs coordinates"),
    ],
)
def test_areas_that_cannot_be_made_are_refused(change: dict[str, Any], message: str) -> None:
    data = points(np.random.default_rng(16))
    arguments: dict[str, Any] = {
        "is_class": data["hit"],
        "stratum": data["stratum"],
        "county": data["county"],
        "county_stratum_area": POINT_AREA,
    }
    with pytest.raises(InputError, match=message):
        county_areas(**(arguments | change))


# intervals hold what they promise


def test_county_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(17)
    size = np.array([9000, 7000, 5000, 4000, 3000, 2500, 2000, 800, 400])
    names = np.array([f"c{k}" for k in range(9)])
    county = np.repeat(names, size)
    hits, thin, tries, thin_tries = 0, 0, 0, 0
    for _ in range(150):
        # every repetition is another city: the map's error differs from county to county
        off = np.repeat(rng.normal(0, 6, 9), size)
        x = rng.gamma(3, 25, len(county))
        y = 0.8 * x + 10 + off + rng.normal(0, 30, len(county))
        rows = rng.choice(len(county), 300, replace=False)
        means = {name: float(x[county == name].mean()) for name in names}
        area = dict(zip(names, size.astype(float), strict=True))
        table, _ = county_totals(y[rows], x[rows], county[rows], means, area)
        truth = pd.Series(y).groupby(county).sum()
        inside = (table["low"] <= truth) & (truth <= table["high"])
        few = table["status"] == "insufficient"
        hits, tries = hits + int(inside[~few].sum()), tries + int((~few).sum())
        thin, thin_tries = thin + int(inside[few].sum()), thin_tries + int(few.sum())
    assert 0.92 <= hits / tries <= 0.98
    assert thin_tries > 100
    assert 0.90 <= thin / thin_tries <= 0.995
