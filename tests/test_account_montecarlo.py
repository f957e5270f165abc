"""Draws that add up, and variance shares with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkest.account.montecarlo import correlated, deviations, positive, streams, summarise, variance_shares

KEYS = np.array(["fir"] * 4 + ["pine"] * 2)
CITY = np.array([True, False, False, False, True, False])


def test_zone_errors_add_up_to_the_citys_in_every_draw_and_keep_their_size() -> None:
    z = np.random.default_rng(1).standard_normal((40_000, 6))
    # independent zones: the city's variance is 9 + 16 + 25 = 50
    se = np.array([np.sqrt(50), 3.0, 4.0, 5.0, 2.0, 2.0])
    errors = deviations(z, se, KEYS, CITY, additive=True)
    np.testing.assert_allclose(errors[:, 1:4].sum(axis=1), errors[:, 0], atol=1e-9)
    np.testing.assert_allclose(errors[:, 5], errors[:, 4], atol=1e-12)
    np.testing.assert_allclose(errors.std(axis=0), se, rtol=0.02)


def test_zones_that_do_not_add_up_err_on_their_own() -> None:
    z = np.random.default_rng(1).standard_normal((100, 6))
    np.testing.assert_array_equal(deviations(z, np.ones(6), KEYS, CITY, additive=False), z)


@settings(max_examples=50, deadline=None)
@given(se=st.lists(st.floats(0, 1e6), min_size=6, max_size=6), seed=st.integers(0, 100))
def test_adding_up_holds_for_any_standard_errors(se: list[float], seed: int) -> None:
    z = np.random.default_rng(seed).standard_normal((20, 6))
    errors = deviations(z, np.array(se), KEYS, CITY, additive=True)
    np.testing.assert_allclose(errors[:, 1:4].sum(axis=1), errors[:, 0], rtol=1e-6, atol=1e-6 * (1 + max(se)))


def test_positive_multipliers_have_mean_one_and_the_wanted_spread() -> None:
    values = positive(np.random.default_rng(2), (200_000,), 0.5)
    assert values.min() > 0
    assert values.mean() == pytest.approx(1, abs=0.005)
    assert values.std() == pytest.approx(0.5, abs=0.01)


def test_streams_do_not_depend_on_what_other_streams_draw() -> None:
    first = streams(np.random.default_rng(3), ["a", "b"])
    second = streams(np.random.default_rng(3), ["a", "b"])
    first["a"].standard_normal(1000)
    assert first["b"].random() == second["b"].random()


def test_correlated_errors_have_the_given_covariance_even_a_singular_one() -> None:
    covariance = np.array([[4.0, 4.0], [4.0, 4.0]])
    errors = correlated(np.random.default_rng(4).standard_normal((50_000, 2)), covariance)
    np.testing.assert_allclose(errors[:, 0], errors[:, 1], atol=1e-9)
    assert errors[:, 0].std() == pytest.approx(2, rel=0.02)


def test_the_interval_is_that_of_the_percentiles() -> None:
    draws = np.arange(1001.0)[:, None]
    summary = summarise(draws, 0.9)
    assert [summary.mean[0], summary.low[0], summary.high[0]] == pytest.approx([500, 50, 950])


def test_variance_shares_of_a_sum_are_those_of_its_terms() -> None:
    # y = a + b with variances 4 and 1: shares 0.8 and 0.2; c plays no part; a constant has no variance to share
    def groups(seed: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        return {
            "a": 2 * rng.standard_normal((40_000, 1)),
            "b": rng.standard_normal((40_000, 1)),
            "c": rng.random((40_000, 1)),
        }

    shares = variance_shares(
        lambda draws: {"y": draws["a"] + draws["b"], "flat": 0 * draws["a"] + 7}, groups(5), groups(6)
    )
    assert shares["y"]["a"][0] == pytest.approx(0.8, abs=0.02)
    assert shares["y"]["b"][0] == pytest.approx(0.2, abs=0.02)
    assert shares["y"]["c"][0] == 0
    assert shares["y"]["interaction"][0] == pytest.approx(0, abs=0.03)
    assert np.isnan(shares["flat"]["a"][0])


def test_what_no_single_source_explains_is_interaction() -> None:
    # y = a x b with zero means: all of the variance is interaction
    def groups(seed: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        return {name: rng.standard_normal((40_000, 1)) for name in "ab"}

    shares = variance_shares(lambda draws: {"y": draws["a"] * draws["b"]}, groups(7), groups(8))
    assert shares["y"]["interaction"][0] == pytest.approx(1, abs=0.05)
