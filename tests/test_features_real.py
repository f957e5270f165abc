"""Composites and phenology of a real Sentinel-2 series with known clouds, elevation and land cover."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sinkest.features.composite import count_valid, median
from sinkest.features.mask import clear
from sinkest.features.phenology import percentile_layers, span
from sinkest.features.terrain import illumination, slope_aspect

FOREST, GRASSLAND = 2, 3


@dataclass
class Series:
    """68 dates of 101 x 100 pixels in Slovenia."""

    ndvi: np.ndarray
    cloud: np.ndarray
    cover: np.ndarray
    elevation: np.ndarray


@pytest.fixture(scope="module")
def series(real_data: Path) -> Series:
    folder = real_data / "imagery" / "eolearn_S2_ts"
    load = [np.load(folder / f"{name}.npy")[..., 0] for name in ("NDVI", "CLM", "LULC", "DEM")]
    return Series(*load)


@pytest.fixture(scope="module")
def seen(series: Series) -> np.ndarray:
    qa = (series.cloud == 0).astype(np.uint8)
    return clear(qa, "clear", 2)


def test_a_dilation_takes_the_rims_of_clouds(series: Series, seen: np.ndarray) -> None:
    undilated = clear((series.cloud == 0).astype(np.uint8), "clear")
    np.testing.assert_array_equal(undilated, series.cloud == 0)
    assert (seen <= undilated).all()
    rim = undilated & ~seen
    assert 0 < rim.mean() < 0.2
    # what the dilation takes on partly cloudy dates is dimmer in the index than what it leaves, by contaminated pixels
    partly = (undilated.mean(axis=(1, 2)) > 0.3) & (rim.mean(axis=(1, 2)) > 0.005)
    lower = [series.ndvi[t][rim[t]].mean() < series.ndvi[t][seen[t]].mean() for t in np.flatnonzero(partly)]
    assert np.mean(lower) > 0.5


def test_counts_and_medians_are_numpys(series: Series, seen: np.ndarray) -> None:
    stack = np.where(seen, series.ndvi, np.nan).astype(np.float32)
    np.testing.assert_array_equal(count_valid(stack), seen.sum(axis=0))
    np.testing.assert_array_equal(median(stack), np.nanmedian(stack, axis=0))


def test_forest_keeps_more_green_in_winter_than_grassland(series: Series, seen: np.ndarray) -> None:
    layers = percentile_layers("NDVI", np.where(seen, series.ndvi, np.nan).astype(np.float32))
    expected = np.nanpercentile(np.where(seen, series.ndvi, np.nan), [10, 50, 90], axis=0)
    np.testing.assert_allclose(np.stack(list(layers.values())), expected, atol=1e-5)
    width = span("NDVI", layers)
    forest, grass = series.cover == FOREST, series.cover == GRASSLAND
    assert np.median(layers["NDVI_p10"][forest]) > np.median(layers["NDVI_p10"][grass]) + 0.1
    assert np.median(width[forest]) < np.median(width[grass]) - 0.1
    assert (np.median(layers["NDVI_p90"][forest]) > 0.65) & (np.median(layers["NDVI_p90"][grass]) > 0.65)


def test_real_terrain_has_plausible_slopes(series: Series) -> None:
    slope, northness, eastness = slope_aspect(series.elevation, 10)
    row, col = 50, 50
    # Horn's differences by hand at one pixel of the model
    z = series.elevation[row - 1 : row + 2, col - 1 : col + 2].astype(float)
    east = ((z[0, 2] + 2 * z[1, 2] + z[2, 2]) - (z[0, 0] + 2 * z[1, 0] + z[2, 0])) / 80
    north = ((z[0, 0] + 2 * z[0, 1] + z[0, 2]) - (z[2, 0] + 2 * z[2, 1] + z[2, 2])) / 80
    assert slope[row, col] == pytest.approx(np.degrees(np.arctan(np.hypot(east, north))), rel=1e-5)
    assert 5 < np.median(slope) < 30
    assert slope.max() < 60
    cosine = illumination(slope, northness, eastness, 45, 160)
    # a slope that faces the sun is lit more than the flat, one that turns away less
    toward = -(northness * np.cos(np.radians(160)) + eastness * np.sin(np.radians(160))) < -0.1
    assert cosine[toward].min() > np.cos(np.radians(45)) - 0.05
