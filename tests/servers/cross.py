"""One project over one truth, told as many sources: configurations that differ in nothing but where imagery lies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from affine import Affine

from sinkest.config import load_config
from sinkest.imagery.sensors import SCL
from sinkest.stages.context import place, season_period
from tests.project_fixture import CONFIG
from tests.servers.earthengine.fixtures import write_key
from tests.servers.earthengine.lattice import Projection
from tests.servers.earthengine.server import PROJECT, EarthEngineServer
from tests.servers.earthengine.store import Store
from tests.servers.earthengine.values import raster
from tests.servers.formats import write_elevation, write_safe, write_stack
from tests.servers.stac import StacServer, collection
from tests.servers.stac_items import sentinel2_item
from tests.servers.truth import CODES, OFFSET_DN, Truth, build, lattice

FINE_M = 120.0
"""Side of a fine pixel: a city at 10 m would take long, and the lattices are nested alike at any size."""

BANDS = ("red", "nir", "swir1")

_STACK = """
[imagery.stack]
path = "cross/stack"
layout = "folder_per_date"
date_format = "%Y%m%d"
sensor = "sentinel-2"
bands = {{ {bands} }}
scale = 0.0001
offset = -0.1
nodata = 0
qa = "SCL.tif"
qa_kind = "scl"
elevation = "cross/elevation.tif"
"""

_SAFE = """
[imagery.products]
path = "cross/safe"
elevation = "cross/elevation.tif"
"""

_STAC = """
[imagery.stac]
preset = "{preset}"
url = "{url}"
collection = "sentinel-2-l2a"
radar_collection = ""
token_url = "{url}/token"
elevation = "cross/elevation.tif"
retry_delay_s = 0.01
"""


_EARTHENGINE = """
[imagery.earthengine]
project = "{project}"
credentials = "key.json"
url = "{url}"
max_scene_cloud = 100.0
elevation = "nasadem"
"""


def make_truth(project: Path) -> Truth:
    """The truth over the project's area, in its seasons; fine pixels are as large as the run's."""
    config = load_config(project / CONFIG)
    _, grid = place(config)
    box = grid.extent.boundingbox
    step = 8 * FINE_M
    left, top = (box.left // step - 1) * step, (box.top // step + 1) * step
    width, height = (2 * round(float(span) / FINE_M / 2 + step / FINE_M) for span in (box.span_x, box.span_y))
    periods = [season_period(season, config.spec.year) for season in config.spec.imagery.seasons]
    return build(lattice(left, top, width, height, FINE_M, f"EPSG:{grid.crs.epsg}"), periods, scenes=2)


def write_sources(project: Path, truth: Truth, server: StacServer) -> dict[str, str]:
    """Write the truth in all formats; gives the configuration file of each source by its name."""
    cross = project / "cross"
    write_elevation(cross / "elevation.tif", truth)
    write_stack(cross / "stack", truth)
    for number, scene in enumerate(truth.scenes):
        write_safe(cross / "safe", truth, scene, zipped=number % 2 == 1)
    server.collections = {"sentinel-2-l2a": collection("sentinel-2-l2a")}
    bands = ", ".join(f'{band} = "{CODES[band]}.tif"' for band in BANDS)
    told = {
        "stack": ("stack", _STACK.format(bands=bands)),
        "safe": ("products", _SAFE),
        "planetary-computer": ("stac", _STAC.format(preset="planetary-computer", url=server.url)),
        "earth-search": ("stac", _STAC.format(preset="earth-search", url=server.url)),
    }
    return {name: _configured(project, name, source, section) for name, (source, section) in told.items()}


def service_assets(truth: Truth) -> Store:
    """The truth as Earth Engine has it: the offset taken off, clouds as a score."""
    store = Store()
    crs = str(truth.fine.crs)
    fine, coarse = (Projection(crs, Affine(*grid.affine[:6])) for grid in (truth.fine, truth.coarse))
    for scene in truth.scenes:
        name = f"{scene.time:%Y%m%dT%H%M%S}_{scene.time:%Y%m%dT%H%M%S}_T49RGL"
        numbers = {
            CODES[band].replace("B0", "B"): np.where(
                scene.bands[band] == 0, np.nan, scene.bands[band] + float(OFFSET_DN)
            )
            for band in BANDS
        }
        told = {
            "system:index": name,
            "system:time_start": (scene.time - scene.time.min.replace(1970)).total_seconds() * 1e3,
        }
        more = {"system:version": 1, "CLOUDY_PIXEL_PERCENTAGE": scene.cloud, "PROCESSING_BASELINE": "05.09"}
        store.add("COPERNICUS/S2_SR_HARMONIZED", raster(numbers, fine, told | more, grids={"B11": coarse}))
        score = np.where(np.isin(scene.scl, SCL.clear), 0.9, 0.1)
        store.add("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", raster({"cs_cdf": score}, coarse, told))
    store.collections["COPERNICUS/S1_GRD_FLOAT"] = []
    elevation_m = truth.elevation_m.astype(np.float64)
    store.images["NASA/NASADEM_HGT/001"] = raster({"elevation": elevation_m}, fine, {})
    return store


def ask_service(project: Path, server: EarthEngineServer) -> str:
    """Let the project ask Earth Engine; gives its configuration file."""
    write_key(project, server)
    section = _EARTHENGINE.format(project=PROJECT, url=server.url)
    return _configured(project, "service", "earthengine", section)


def publishers(truth: Truth, server: StacServer) -> Mapping[str, Callable[[], None]]:
    """What puts the truth into the catalogue in the way of one provider, by source."""

    def publish(style: str) -> None:
        server.items = [
            sentinel2_item(server.folder, f"{server.url}/files", truth, scene, style=style) for scene in truth.scenes
        ]

    return {name: lambda name=name: publish(name) for name in ("planetary-computer", "earth-search")}  # type: ignore[misc]


def _configured(project: Path, name: str, source: str, section: str) -> str:
    """A copy of the project's configuration with another source, and without what is computed from the totals."""
    text = (project / CONFIG).read_text(encoding="utf-8").partition("\n[account]")[0] + "\n"
    text = re.sub(r"\n\[imagery\.stack\].*?(?=\n\[)", "\n" + section, text, count=1, flags=re.DOTALL)
    text = text.replace('source = "stack"', f'source = "{source}"', 1)
    text = text.replace('name = "districts"', f'name = "{name}"', 1)
    file = f"{name}.toml"
    (project / file).write_text(text, encoding="utf-8")
    return file
