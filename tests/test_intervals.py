"""A small version of ``python -m tests.benchmarks.intervals``: few samples, coarse pixels, small forests."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.intervals import QUICK, lines, missed, summary
from tests.benchmarks.resampling import HELD_OUT, OWN, City, one_sample, samples, virtual_city

COUNT = 8
SPACING_M = 5_400.0


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    """The virtual city at 900 m."""
    return virtual_city(tmp_path_factory.mktemp("city"), float(QUICK["resolution"]), SPACING_M, int(QUICK["trees"]))


@pytest.fixture(scope="module")
def found(city: City) -> pd.DataFrame:
    """Summary of all samples."""
    return summary(samples(city, COUNT))


@pytest.mark.parametrize(
    ("quantity", "residuals"), [("forest_coverage", ""), ("growing_stock", HELD_OUT), ("stock_change", HELD_OUT)]
)
def test_intervals_hold_the_truth_of_the_city(found: pd.DataFrame, quantity: str, residuals: str) -> None:
    rows = found.xs((quantity, residuals, "city"), level=("quantity", "residuals", "scope"))
    tried = int(rows["samples"].sum())
    held = float((rows["coverage"] * rows["samples"]).sum())
    # of 16 intervals of 95 %, 12 or fewer hold the truth with a probability of 0.7 %
    assert tried == 2 * COUNT
    assert held >= 13


@pytest.mark.parametrize("quantity", ["forest_coverage", "growing_stock"])
def test_estimates_are_not_biased_beyond_their_own_scatter(found: pd.DataFrame, quantity: str) -> None:
    rows = found.xs((quantity, "city"), level=("quantity", "scope"))
    rows = rows[rows.index.get_level_values("residuals") != OWN]
    assert (rows["bias"].abs() <= 4 * rows["bias_se"]).all()


def test_own_residuals_fake_precision(found: pd.DataFrame) -> None:
    stock = found.xs(("growing_stock", "city"), level=("quantity", "scope"))
    ratio = stock["se_ratio"].groupby("residuals").mean()
    assert ratio[OWN] < 0.8 * ratio[HELD_OUT]


def test_a_sample_is_the_same_whenever_it_is_drawn(city: City) -> None:
    first, again = (one_sample(city, "random", 3) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    other = one_sample(city, "random", 4)
    assert not np.allclose(first["value"], other["value"])


def test_the_summary_judges_what_it_should() -> None:
    rows = [
        {
            "quantity": "growing_stock",
            "zone": "all",
            "value": 100.0 + number,
            "se": 1.0,
            "low": 98.0,
            "high": 99.0 if number < misses else 200.0,
            "n": 50,
            "truth": 101.0,
            "sample": number,
            "design": "random",
            "residuals": residuals,
        }
        for residuals, misses in ((HELD_OUT, 4), (OWN, 40))
        for number in range(100)
    ]
    found = summary([pd.DataFrame(rows)])
    coverage = found["coverage"].droplevel(["quantity", "design", "scope"])
    assert coverage[HELD_OUT] == pytest.approx(0.96)
    assert coverage[OWN] == pytest.approx(0.60)
    # own residuals are shown, not judged
    assert not missed(found).any()
    assert found["se_ratio"].iloc[0] == pytest.approx(1.0 / np.std(np.arange(100), ddof=1))
    bad = summary([pd.DataFrame(rows).assign(high=99.0)])
    assert missed(bad).sum() == 1
    assert any("MISSED" in line for line in lines(bad))
    assert math.isclose(found["bias"].iloc[0], 100 * (149.5 / 101 - 1))
