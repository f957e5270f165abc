"""Counties that lean on their own plots by what these are worth, in place of in full or not at all."""

import numpy as np
import pandas as pd
import pytest

from sinkest.estimate.domains import county_areas, county_totals

COUNTIES = [f"c{number}" for number in range(8)]
AREA = dict.fromkeys(COUNTIES, 1_000.0)


def drawn(rng: np.random.Generator, n: int, spread: float, noise: float) -> tuple[pd.DataFrame, np.ndarray]:
    """Plots of eight counties whose true means differ from the map's by a normal error of their own."""
    bias = rng.normal(0, spread, len(COUNTIES))
    county = rng.integers(0, len(COUNTIES), n)
    x = rng.uniform(0, 100, n)
    y = x + bias[county] + rng.normal(0, noise, n)
    return pd.DataFrame({"county": np.array(COUNTIES)[county], "x": x, "y": y}), 1_000.0 * (50.0 + bias)


def estimated(plots: pd.DataFrame, **options: object) -> pd.DataFrame:
    means = dict.fromkeys(COUNTIES, 50.0)
    return county_totals(plots["y"], plots["x"], plots["county"], means, AREA, minimum=2, **options).table


@pytest.mark.parametrize(("spread", "noise"), [(2.0, 40.0), (30.0, 5.0)])
def test_the_error_is_no_larger_and_the_intervals_hold(spread: float, noise: float) -> None:
    rng = np.random.default_rng(1)
    squares, held = {False: [], True: []}, []
    for _ in range(150):
        plots, truth = drawn(rng, 80, spread, noise)
        for composite in (False, True):
            table = estimated(plots, composite=composite)
            squares[composite].append((table["estimate"].to_numpy() - truth) ** 2)
            if composite:
                held.append((table["low"].to_numpy() <= truth) & (truth <= table["high"].to_numpy()))
    ratio = np.mean(squares[True]) / np.mean(squares[False])
    # much is won where counties differ by little, nothing lost where they differ by much
    assert ratio < (0.6 if noise > spread else 1.05)
    assert 0.92 < np.mean(held) <= 0.995


def test_composites_add_up_to_the_whole() -> None:
    plots, _ = drawn(np.random.default_rng(2), 60, 5.0, 20.0)
    found = county_totals(plots["y"], plots["x"], plots["county"], dict.fromkeys(COUNTIES, 50.0), AREA, composite=True)
    assert found.table["estimate"].sum() == pytest.approx(found.city.estimate, rel=1e-12)
    assert set(found.table["method"]) == {"composite"}


def test_a_county_without_points_is_synthetic_and_says_how_unsure_that_is() -> None:
    rng = np.random.default_rng(3)
    stratum = np.repeat(["woods", "open"], 60)
    county = np.array(COUNTIES[:7])[rng.integers(0, 7, 120)]
    hit = rng.random(120) < np.where(stratum == "woods", 0.9, 0.1)
    sizes = pd.DataFrame({"woods": 500.0, "open": 500.0}, index=COUNTIES)
    table = county_areas(hit, stratum, county, sizes, composite=True).table
    assert table.loc["c7", "n"] == 0
    assert table.loc["c7", "se"] > 0
    assert table.loc["c7", "estimate"] == pytest.approx(500.0, rel=0.25)
