"""The result type of all estimators, and the checks on what goes in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.estimate.result import Estimate, MeanEstimate, quantile
from sinkest.messages import LANGUAGES, Message, catalogue


def test_interval_is_normal_without_degrees_of_freedom() -> None:
    low, high = Estimate(estimate=100.0, variance=25.0, n=50, method="greg").interval()
    # 100 -+ 1.959964 * 5
    assert (low, high) == pytest.approx((90.20018, 109.79982), abs=1e-5)


def test_interval_uses_t_where_degrees_of_freedom_are_known() -> None:
    low, high = Estimate(estimate=0.0, variance=1.0, n=11, method="greg", df=10).interval(0.9)
    # t(0.95; 10) = 1.812461 in any table
    assert (low, high) == pytest.approx((-1.812461, 1.812461), abs=1e-6)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.1])
def test_a_level_outside_0_to_1_is_refused(level: float) -> None:
    with pytest.raises(InputError, match=r"95 % is written 0\.95"):
        quantile(level)


def test_unknown_variance_gives_unknown_interval() -> None:
    found = Estimate(estimate=1.0, variance=float("nan"), n=1, method="greg")
    assert np.isnan(found.se)
    assert np.isnan(found.interval()).all()


def test_scaling_scales_estimate_by_the_factor_and_every_variance_by_its_square() -> None:
    found = MeanEstimate(
        estimate=2.0, variance=0.25, n=9, method="greg", df=8, variance_random=0.25, variance_local=0.16
    ).scaled(10.0)
    assert (found.estimate, found.se) == (20.0, 5.0)
    assert (found.variance_random, found.variance_local) == (25.0, 16.0)
    assert found.df == 8


def test_total_multiplies_by_the_population_size() -> None:
    found = MeanEstimate(estimate=2.0, variance=0.25, n=9, method="greg", variance_random=0.25, population_size=40.0)
    assert (found.total().estimate, found.total().se) == (80.0, 20.0)


def test_total_without_population_size_is_refused() -> None:
    with pytest.raises(InputError, match="population_size"):
        MeanEstimate(estimate=2.0, variance=0.25, n=9, method="greg", variance_random=0.25).total()


def test_relative_se_is_a_share_of_the_size_of_the_estimate() -> None:
    assert Estimate(estimate=-50.0, variance=25.0, n=9, method="greg").relative_se == 0.1


def test_repr_shows_estimate_error_interval_and_notes() -> None:
    note = Message.of("estimate.note_negative_county")
    text = repr(Estimate(estimate=100.0, variance=25.0, n=50, method="greg", notes=(note,)))
    for part in ("100", "se=5", "95%=[90.2002, 109.8]", "n=50", "'greg'", "note_negative_county"):
        assert part in text


def test_every_method_has_a_name_in_both_languages() -> None:
    for key in catalogue():
        if key.startswith("estimate.method_"):
            found = Estimate(estimate=0.0, variance=0.0, n=2, method=key.removeprefix("estimate.method_"))
            assert all(found.method_label(language) for language in LANGUAGES)


def test_results_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Estimate(estimate=0.0, variance=0.0, n=2, method="greg").estimate = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.nan], "first in row 1"),
        ([np.inf, 1.0], "first in row 0"),
        (["a", 1.0], "numbers only"),
        ([[1.0, 2.0]], "one dimension"),
        ([1.0, 2.0, 3.0], "3 entries where 2"),
    ],
)
def test_vectors_that_cannot_be_used_are_refused(values: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        checks.vector("y", values, 2 if message != "first in row 0" else None)  # type: ignore[arg-type]


def test_a_masked_value_is_missing_whatever_lies_under_the_mask() -> None:
    with pytest.raises(InputError, match="1 missing"):
        checks.vector("y", np.ma.MaskedArray([1.0, 2.0], mask=[False, True]))


def test_missing_labels_are_refused() -> None:
    with pytest.raises(InputError, match="stratum is missing for 1 units, the first in row 1"):
        checks.labels("stratum", ["a", None])


def test_mappings_take_dicts_and_series_alike() -> None:
    assert checks.mapping("w", {"a": 1}) == checks.mapping("w", pd.Series({"a": 1.0})) == {"a": 1.0}


def test_mappings_with_doubled_or_missing_values_are_refused() -> None:
    with pytest.raises(InputError, match="more than once"):
        checks.mapping("w", pd.Series([1.0, 2.0], index=["a", "a"]))
    with pytest.raises(InputError, match="finite number"):
        checks.mapping("w", {"a": np.nan})
