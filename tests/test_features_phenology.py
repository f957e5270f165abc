import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkest.features.phenology import layer_names, percentile_layers, span, span_name


def test_names_of_layers_and_span() -> None:
    assert layer_names("NDVI") == ("NDVI_p10", "NDVI_p50", "NDVI_p90")
    assert span_name("NDVI") == "NDVI_span"


def test_percentiles_of_a_year() -> None:
    series = (np.arange(11, dtype=np.float32) / 10)[:, None, None]
    layers = percentile_layers("NDVI", series)
    np.testing.assert_allclose([layer[0, 0] for layer in layers.values()], [0.1, 0.5, 0.9], rtol=1e-6)
    assert span("NDVI", layers)[0, 0] == np.float32(0.9) - np.float32(0.1)


def test_dates_that_saw_nothing_do_not_count() -> None:
    series = np.array([0.2, np.nan, 0.6, np.nan], np.float32)[:, None, None]
    layers = percentile_layers("NDVI", series)
    # of two values the 10th percentile lies a tenth of the way up
    np.testing.assert_allclose([layer[0, 0] for layer in layers.values()], [0.24, 0.4, 0.56], rtol=1e-6)


def test_a_pixel_never_seen_has_no_year() -> None:
    layers = percentile_layers("NDVI", np.full((3, 1, 1), np.nan, np.float32))
    assert np.isnan(span("NDVI", layers)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_percentiles_rise_and_one_outlier_moves_the_span_little(seed: int) -> None:
    series = np.random.default_rng(seed).random((30, 2, 2)).astype(np.float32)
    layers = percentile_layers("NDVI", series)
    low, middle, high = layers.values()
    assert (low <= middle).all()
    assert (middle <= high).all()
    series[0] = -1
    assert (np.abs(span("NDVI", percentile_layers("NDVI", series)) - span("NDVI", layers)) < 0.5).all()
