"""What maps of others depend on: files and settings, each of which must make them be read anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from sinkest.fetch import LAYER_FILE, _layer_parts, _read_layers, _run
from sinkest.progress import Silent
from sinkest.runstore import content_key
from tests.project_fixture import CONFIG, edit

PRODUCTS = """
[imagery.products]
path = "palsar"
palsar_year = 2020
"""


def tile(folder: Path, year: int, digital_number: int) -> None:
    """A PALSAR mosaic over the project's area."""
    profile = {"driver": "GTiff", "width": 40, "height": 40, "count": 1, "dtype": "uint16", "crs": "EPSG:4326"}
    name = folder / f"N28E113_{year % 100}_sl_HV_F02DAR.tif"
    with rasterio.open(name, "w", **profile, transform=from_origin(112.0, 29.0, 0.1, 0.1)) as raster:
        raster.write(np.full((1, 40, 40), digital_number, dtype="uint16"))


@pytest.fixture
def config(project: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "p"
    (folder / "palsar").mkdir(parents=True)
    for year, number in ((2020, 3000), (2021, 4000)):
        tile(folder / "palsar", year, number)
    shutil.copy(project / "zones.geojson", folder)
    text = (project / CONFIG).read_text(encoding="utf-8")
    head = text[: text.index("[imagery.stack]")].replace('source = "stack"', 'source = "products"')
    (folder / CONFIG).write_text(head + PRODUCTS, encoding="utf-8")
    return folder / CONFIG


def other_numbers(config: Path) -> None:
    tile(config.parent / "palsar", 2020, 5000)


def other_year(config: Path) -> None:
    edit(config, "palsar_year = 2020", "palsar_year = 2021")


def other_reading(config: Path) -> None:
    edit(config, "palsar_year = 2020", 'palsar_year = 2020\nresampling = "nearest"')


def other_grid(config: Path) -> None:
    edit(config, "resolution_m = 120", "resolution_m = 240")


@pytest.mark.parametrize("change", [other_numbers, other_year, other_reading, other_grid])
def test_other_maps_have_another_key(config: Path, change: Callable[[Path], None]) -> None:
    before = content_key(_layer_parts(_run(config, None, Silent(), None, None)))
    assert content_key(_layer_parts(_run(config, None, Silent(), None, None))) == before
    change(config)
    assert content_key(_layer_parts(_run(config, None, Silent(), None, None))) != before


def test_the_maps_are_those_of_the_year(config: Path, tmp_path: Path) -> None:
    means = []
    for change in (lambda _: None, other_year):
        change(config)
        current = _run(config, None, Silent(), None, None)
        _read_layers(current, tmp_path)
        with rasterio.open(tmp_path / LAYER_FILE) as raster:
            means.append(float(np.nanmean(raster.read(1))))
    # gamma0 = 10 log10(DN^2) - 83 dB (JAXA)
    np.testing.assert_allclose(means, [20 * np.log10(3000) - 83, 20 * np.log10(4000) - 83], rtol=1e-5)
