"""The course of the year in an index: percentiles over its dates and the span between them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sinkest.features.composite import percentiles

Floats = NDArray[np.float32]

PERCENTILES = (10.0, 50.0, 90.0)


def layer_names(index: str) -> tuple[str, ...]:
    """Names of the percentile layers of an index, rising."""
    return tuple(f"{index}_p{percent:.0f}" for percent in PERCENTILES)


def span_name(index: str) -> str:
    """Name of the feature that is the highest percentile less the lowest."""
    return f"{index}_span"


def percentile_layers(index: str, series: Floats) -> dict[str, Floats]:
    """Percentiles of an index over all dates (t, y, x), by layer name; NaN where no date saw the pixel.

    Percentiles instead of the extremes, since one missed cloud makes a minimum.
    """
    return dict(zip(layer_names(index), percentiles(series, PERCENTILES), strict=True))


def span(index: str, layers: Mapping[str, Floats]) -> Floats:
    """Amplitude of the year: the highest percentile less the lowest."""
    low, *_, high = layer_names(index)
    return layers[high] - layers[low]
