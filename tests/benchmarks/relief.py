"""What topographic correction does for the models, on the mountains of the virtual city.

``python -m tests.benchmarks.relief [--resolution 150] [--spacing 1500] [--seeds 1]`` runs the demo's imagery, features
and models over two mountainous counties, once as it is and once with ``topographic_correction = "scs+c"``. It
prints how much the near infrared of arbor forest follows the light on slopes of five degrees and more, season by
season, and the scores at plots and labels that the models have not seen; it ends with code 1 where forest follows the
light more than 0.1 after the correction.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from sinkest.config import LoadedConfig, load_config
from sinkest.demo import _write_table
from sinkest.features.topography import LEAST_SLOPE_DEG, relief_of
from sinkest.imagery.source import Source
from sinkest.progress import Silent
from sinkest.runstore import read_json
from sinkest.shipped import shipped
from sinkest.simulate.fieldwork import project_tables
from sinkest.stages.context import make_landscape, place, season_period
from sinkest.stages.sources import make_source
from sinkest.workflow import run

COUNTIES = ("430204", "430224", "430225")
"""Two in the mountains, and a small one on the river: the list of wetlands begins with that."""
ARBOR = (1, 2, 3, 4)
LIMIT = 0.1
REFERENCE = {"forest": 100, "other_trees": 50, "non_forest": 100}


def prepare(folder: Path, resolution_m: float, spacing_m: float, seed: int) -> Path:
    """Configuration and field tables of the counties."""
    folder.mkdir(parents=True)
    zones = gpd.read_file(shipped("aoi/zhuzhou.geojson"))
    zones[zones["adcode"].isin(COUNTIES)].to_file(folder / "zones.geojson", driver="GeoJSON")
    text = shipped("configs/demo.toml").read_text(encoding="utf-8")
    for old, new in (
        ("resolution_m = 200", f"resolution_m = {resolution_m:g}"),
        ('"shipped:aoi/zhuzhou.geojson"', '"zones.geojson"'),
        ("seed = 20250101", f"seed = {seed}"),
    ):
        text = text.replace(old, new)
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    config = load_config(path)
    found, grid = place(config)
    tables = project_tables(
        make_landscape(config), found, grid, seed, plot_spacing_m=spacing_m, reference_sizes=REFERENCE, workers=1
    )
    for name, table in tables.items():
        _write_table(folder, name, table)
    return path


def follows(path: Path) -> dict[str, float]:
    """Correlation of the forest's near infrared with cos(i) in a composite, by season, under the sun of mid-season."""
    config = load_config(path)
    _, grid = place(config)
    source: Source = make_source(config)
    relief, truth = relief_of(source, grid), make_landscape(config).on(grid, config.spec.year)
    forest = np.isin(truth.land_cover, ARBOR) & (relief.slope_deg >= LEAST_SLOPE_DEG)
    found = {}
    with rasterio.open(config.run_folder / "compose" / "composite.tif") as composite:
        names = list(composite.descriptions)
        scenes = read_json(config.run_folder / "compose" / "scenes.json")
        for season, listed in scenes.items():
            optical = [one for one in listed if one["sensor"] == "sentinel-2"]
            middle = optical[len(optical) // 2]["id"]
            sun = _sun_of(source, grid, config, season, middle)
            values = composite.read(names.index(f"{season}_nir") + 1, masked=True)
            used = forest & ~np.ma.getmaskarray(values)
            cos_i = relief.light(*sun)[0]
            found[season] = float(np.corrcoef(values.data[used], cos_i[used])[0, 1])
    return found


def _sun_of(source: Source, grid: GeoBox, config: LoadedConfig, season: str, scene: str) -> tuple[float, float]:
    section = next(one for one in config.spec.imagery.seasons if one.name == season)
    found = next(one for one in source.search(grid, season_period(section, config.spec.year)) if one.id == scene)
    assert found.sun_deg is not None
    return found.sun_deg


def main() -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=float, default=150.0)
    parser.add_argument("--spacing", type=float, default=1500.0)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    worst = 0.0
    for seed in range(20250101, 20250101 + given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            path = prepare(Path(folder) / "city", given.resolution, given.spacing, seed)
            plain = path.read_text(encoding="utf-8")
            for way in ("none", "scs+c"):
                line = f'[features]\ntopographic_correction = "{way}"\n'
                path.write_text(plain.replace("[features]\n", line), encoding="utf-8")
                store = run(path, until="train", progress=Silent(), workers=1)
                light = follows(path)
                scores = {
                    name: read_json(store.folder("train") / "models" / name / "card.json")["cross_validation"]
                    for name in ("stock", "land_cover")
                }
                stock, cover = (scores[name]["held_out"]["scores"] for name in ("stock", "land_cover"))
                told = "  ".join(f"{season} {value:+.2f}" for season, value in light.items())
                print(f"seed {seed}  {way:6}  follows the light: {told}")
                print(
                    f"    stock R2 {stock['r2']:.4f}  RMSE {stock['rmse']:.2f} m3/ha  accuracy {cover['overall']:.4f}"
                )
                if way != "none":
                    worst = max(worst, *(abs(value) for value in light.values()))
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
