"""The Amazon: a real Sentinel-2 image with labelled polygons, held out polygon by polygon."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from sinkest.learn import recipes
from sinkest.learn.extract import extract, with_data
from sinkest.learn.table import read_labels
from sinkest.learn.train import Observations, Training, train
from sinkest.shipped import shipped

CODES = {"forest": 1, "water": 2, "village": 3, "dryout": 4}


@pytest.fixture(scope="module")
def image(real_data: Path) -> tuple[GeoBox, np.ndarray, tuple[str, ...]]:
    with rasterio.open(real_data / "imagery" / "RStoolbox_S2_L5" / "sen2.tif") as source:
        return GeoBox(source.shape, source.transform, source.crs.to_wkt()), source.read(), source.descriptions


@pytest.fixture(scope="module")
def labels(real_data: Path, image: tuple) -> gpd.GeoDataFrame:
    path = real_data / "imagery" / "RStoolbox_S2_L5" / "trainingPolygons_sen2.gpkg"
    return read_labels(path, classes=list(CODES), class_field="class", grid=image[0])


@pytest.fixture(scope="module")
def training(labels: gpd.GeoDataFrame, image: tuple) -> Training:
    grid, bands, names = image
    found, lost = with_data(extract(labels, grid, lambda w: bands[:, *w.toslices()]), labels, "labels.gpkg")
    assert lost is None
    data = Observations(
        X=found.X,
        y=labels["land_cover"].to_numpy()[found.record],
        features=names,
        x_m=found.x_m,
        y_m=found.y_m,
        groups=found.record,
    )
    return train(recipes.load(shipped("models/land_cover")), data, seed=0, classes=CODES)


def test_the_polygons_are_read(labels: gpd.GeoDataFrame) -> None:
    assert labels["land_cover"].value_counts().to_dict() == {"village": 9, "forest": 8, "water": 4, "dryout": 4}


def test_whole_polygons_are_held_out(training: Training) -> None:
    # The image is 2.5 km wide: no two blocks of 10 km, so whole polygons take their place.
    assert training.held_out_by == "groups"
    assert training.model.card["training"]["groups"] == 25


def test_held_out_polygons_are_recognised(training: Training) -> None:
    scores = training.held_out.scores
    assert scores.classes == ("1", "2", "3", "4")
    assert scores.overall > 0.98
    assert min(scores.f1) > 0.95
    assert training.random.scores.overall >= scores.overall - 0.01


def test_the_image_is_mapped(training: Training, image: tuple) -> None:
    bands = image[1]
    pixels = bands.reshape(len(bands), -1).T
    codes = training.model.predict(pixels)
    share = np.bincount(codes, minlength=5) / len(codes)
    assert share[0] == 0
    # Most of the window is forest; river and lakes take a smaller part.
    assert 0.4 < share[1] < 0.9
    assert 0.05 < share[2] < 0.5
    # The brightest near infrared over the darkest red belongs to vegetation, never to water.
    ndvi = (bands[7] - bands[3]) / (bands[7] + bands[3])
    assert ndvi.reshape(-1)[codes == 1].mean() > ndvi.reshape(-1)[codes == 2].mean() + 0.2
    assert training.model.applicability(pixels)[1].mean() > 0.7
