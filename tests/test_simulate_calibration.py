"""The virtual city against what is known of the real one and of mapping it: an easy simulation proves nothing.

``python tests/test_simulate_calibration.py [resolution_m [seed]]`` prints the table.
"""

from __future__ import annotations

import sys
from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from sinkest.aoi import build_grid, read_zones
from sinkest.imagery.simulated import SimulatedSource
from sinkest.imagery.source import Period
from sinkest.shipped import shipped
from sinkest.simulate.classes import ARBOR, CODES, FOREST
from sinkest.simulate.fieldwork import inventory_plots
from sinkest.simulate.labels import label_polygons
from sinkest.simulate.landscape import rounded
from sinkest.simulate.optics import BANDS, HALO
from sinkest.simulate.population import population, simple_sample, systematic_sample
from sinkest.simulate.scenes import ground_at
from sinkest.simulate.truth import ALL

SEED = 20250101
SEASONS = (
    Period(date(2024, 12, 1), date(2025, 2, 28)),
    Period(date(2025, 3, 1), date(2025, 5, 31)),
    Period(date(2025, 6, 1), date(2025, 8, 31)),
    Period(date(2025, 9, 1), date(2025, 11, 30)),
)
CLEAR = (2, 4, 5, 6, 7)
FOLDS, FOLD_SIZE_M = 5, 12_000

# What each figure should be, and why: the city's targets and the province's ratios (coverage 53.87 %, 34.46 million m3,
# 0.83 of the forest arbor, 65-77 m3/ha of it, +3 % a year), county reports, the spread of Hunan's inventory plots, and
# the accuracy that published maps of Hunan reach.
BANDS_OF_FIGURES = {
    "forest coverage 2025 (%)": (53.0, 55.0),
    "coverage gained since 2020 (pp)": (0.5, 2.5),
    "tree cover 2025 (%)": (57.0, 68.0),
    "arbor share of forest": (0.80, 0.86),
    "growing stock 2025 (million m3)": (33.0, 36.0),
    "growing stock per ha of arbor (m3/ha)": (65.0, 77.0),
    "net growth of the stock (%/yr)": (2.5, 3.5),
    "water (% of the city)": (2.0, 6.0),
    "coverage of Yanling (%)": (76.0, 86.0),
    "coverage of Youxian (%)": (50.0, 60.0),
    "coverage of the northern districts (%)": (12.0, 35.0),
    "CV of plot volume (arbor plots)": (0.68, 0.84),
    "correlation of unseen variation at 0.5 km": (0.15, 0.60),
    "correlation of unseen variation at 10 km": (-0.08, 0.10),
    "pixels seen in all four seasons (%)": (94.0, 100.0),
    "overall accuracy, spatial CV": (0.58, 0.78),
    "user's accuracy of forest, spatial CV": (0.88, 0.95),
    "user's accuracy of forest, map": (0.90, 0.96),
    "producer's accuracy of forest, map": (0.89, 0.96),
    "producer's accuracy of fir, map": (0.45, 0.80),
    "producer's accuracy of masson pine, map": (0.35, 0.75),
    "producer's accuracy of bamboo, map": (0.60, 0.90),
    "R2 of arbor stock, spatial CV": (0.43, 0.60),
    "RMSE of arbor stock, spatial CV (m3/ha)": (32.0, 41.0),
}


class City:
    """A virtual city, its pixels at 400 m, and what a sensor records around any points."""

    def __init__(self, resolution_m: float, seed: int) -> None:
        self.zones = read_zones(shipped("aoi/zhuzhou.geojson"))
        self.source = SimulatedSource(seed)
        self.landscape = self.source.landscape
        self.resolution_m = resolution_m
        self.pixels = population(self.landscape, self.zones, build_grid(self.zones, 400), (2020, 2025))

    def features(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Seasonal medians, two indices, radar means and terrain at points, from windows laid side by side."""
        edge = 2 * HALO + 1
        step = np.arange(-HALO, HALO + 1) * self.resolution_m
        east = (x[None, :, None] + step[None, None, :] + np.zeros((edge, 1, 1))).reshape(edge, -1)
        north = (y[None, :, None] - step[:, None, None] + np.zeros((1, 1, edge))).reshape(edge, -1)
        ground = ground_at(self.landscape, rounded(east), rounded(north), self.resolution_m, 2025)
        columns: list[np.ndarray] = []
        for season in SEASONS:
            clear, echoes = [], []
            for scene in self.source.search(self.pixels.grid, season):
                day = scene.time.date()
                if scene.is_radar:
                    echoes.append(10 * np.log10(self.source.camera.echo(ground, day)[:, 0, ::edge]))
                    continue
                values, scl = self.source.camera.expose(ground, day, BANDS)
                values = values[:, 0, ::edge].copy()
                values[:, ~np.isin(scl[0, ::edge], CLEAR)] = np.nan
                clear.append(values)
            median = np.ma.median(np.ma.masked_invalid(np.stack(clear)), axis=0).filled(np.nan)
            red, nir, swir = median[2], median[6], median[8]
            columns += [*median, (nir - red) / (nir + red), (nir - swir) / (nir + swir), *np.mean(echoes, axis=0)]
        height = ground.truth.elevation_m
        rise = np.hypot(height[2, 3::edge] - height[2, 1::edge], height[1, 2::edge] - height[3, 2::edge])
        return np.column_stack([*columns, height[2, 2::edge], rise / (2 * self.resolution_m)])


def spatial_cv(model, features, response, x, y):
    """Predictions for each block of 12 km by a model that has not seen it."""
    block = (x // FOLD_SIZE_M).astype(int) * 10_000 + (y // FOLD_SIZE_M).astype(int)
    found, which = np.unique(block, return_inverse=True)
    fold = (np.random.default_rng(0).permutation(found.size) % FOLDS)[which]
    predicted = np.empty_like(response)
    for one in range(FOLDS):
        predicted[fold == one] = model.fit(features[fold != one], response[fold != one]).predict(features[fold == one])
    return predicted


def filled(features):
    return np.where(np.isnan(features), np.nanmedian(features, axis=0), features)


def totals_figures(city):
    totals = city.landscape.truth(city.zones, build_grid(city.zones, 400), 2025, 2020).set_index(
        ["quantity", "zone", "year"]
    )["value"]

    def of(quantity, zone=ALL, year=2025):
        return float(totals[quantity, zone, year])

    northern = [of("forest_coverage", zone) for zone in ("430202", "430203", "430204", "430211")]
    arbor = sum(of(f"class_area:{kind}") for kind, code in CODES.items() if code in ARBOR)
    return {
        "forest coverage 2025 (%)": of("forest_coverage"),
        "coverage gained since 2020 (pp)": of("forest_coverage") - of("forest_coverage", year=2020),
        "tree cover 2025 (%)": of("tree_cover"),
        "arbor share of forest": arbor / of("forest_area"),
        "growing stock 2025 (million m3)": of("growing_stock") / 1e6,
        "growing stock per ha of arbor (m3/ha)": of("growing_stock_per_ha"),
        "net growth of the stock (%/yr)": 100 * ((of("growing_stock") / of("growing_stock", year=2020)) ** 0.2 - 1),
        "water (% of the city)": of("class_area:water") / (city.zones.area_m2 / 1e6),
        "coverage of Yanling (%)": of("forest_coverage", "430225"),
        "coverage of Youxian (%)": of("forest_coverage", "430223"),
        "coverage of the northern districts (%)": float(np.mean(northern)),
    }


def unseen_figures(city):
    """Correlation over distance of the logarithm of the volume beyond what a sensor could know."""
    rng = np.random.default_rng(6)
    start = simple_sample(city.pixels, 12_000, rng)[0]
    x, y = city.pixels.x[start], city.pixels.y[start]
    found = {}
    for distance, name in ((500.0, "0.5 km"), (10_000.0, "10 km")):
        turn = rng.uniform(0, 2 * np.pi, x.size)
        ends = [city.landscape.at_metres(x + s * np.cos(turn), y + s * np.sin(turn), 2025) for s in (0.0, distance)]
        arbor = np.logical_and(*(end.volume_m3_ha > 0 for end in ends))
        beyond = [np.log(end.volume_m3_ha[arbor] / end.visible_m3_ha[arbor]) for end in ends]
        found[f"correlation of unseen variation at {name}"] = float(np.corrcoef(*beyond)[0, 1])
    return found


def land_cover_figures(city):
    rng = np.random.default_rng(5)
    labels = label_polygons(city.landscape, city.pixels, 2025, rng)
    centre = labels.to_crs(32649).geometry.centroid
    x, y = centre.x.to_numpy(), centre.y.to_numpy()
    code = np.array([CODES[kind] for kind in labels["land_cover"]])
    model = RandomForestClassifier(120, min_samples_leaf=2, random_state=0, n_jobs=1)
    features = filled(city.features(x, y))
    crossed = spatial_cv(model, features, code, x, y)
    checked = simple_sample(city.pixels, 3000, rng)[0]
    seen = city.features(city.pixels.x[checked], city.pixels.y[checked])
    mapped = model.fit(features, code).predict(filled(seen))
    truth = city.pixels.land_cover[2025][checked]
    forest = {name: values <= max(FOREST) for name, values in {"true": truth, "map": mapped}.items()}

    def producer(kind):
        return float((mapped[truth == CODES[kind]] == CODES[kind]).mean())

    return {
        "pixels seen in all four seasons (%)": 100 * float(np.isfinite(seen).all(axis=1).mean()),
        "overall accuracy, spatial CV": float((crossed == code).mean()),
        "user's accuracy of forest, spatial CV": float((code <= max(FOREST))[crossed <= max(FOREST)].mean()),
        "user's accuracy of forest, map": float(forest["true"][forest["map"]].mean()),
        "producer's accuracy of forest, map": float(forest["map"][forest["true"]].mean()),
        "producer's accuracy of fir, map": producer("fir"),
        "producer's accuracy of masson pine, map": producer("masson_pine"),
        "producer's accuracy of bamboo, map": producer("bamboo"),
    }


def stock_figures(city):
    rng = np.random.default_rng(4)
    position = systematic_sample(city.pixels, 8, rng)  # every 3.2 km
    plots = inventory_plots(city.landscape, city.pixels, position, 2025, 2020, rng)
    arbor = (plots["volume_m3_ha"] > 0).to_numpy()
    x, y = city.pixels.x[position][arbor], city.pixels.y[position][arbor]
    volume = plots["volume_m3_ha"].to_numpy()[arbor]
    model = RandomForestRegressor(150, min_samples_leaf=3, max_features=0.33, random_state=0, n_jobs=1)
    error = spatial_cv(model, filled(city.features(x, y)), volume, x, y) - volume
    return {
        "CV of plot volume (arbor plots)": float(volume.std() / volume.mean()),
        "R2 of arbor stock, spatial CV": float(1 - (error**2).mean() / volume.var()),
        "RMSE of arbor stock, spatial CV (m3/ha)": float(np.sqrt((error**2).mean())),
    }


@cache
def calibration_table(resolution_m: float = 100.0, seed: int = SEED) -> pd.DataFrame:
    """Each figure with its band: columns figure, low, high, measured."""
    city = City(resolution_m, seed)
    measured = {**totals_figures(city), **unseen_figures(city), **land_cover_figures(city), **stock_figures(city)}
    return pd.DataFrame(
        [(figure, low, high, measured[figure]) for figure, (low, high) in BANDS_OF_FIGURES.items()],
        columns=["figure", "low", "high", "measured"],
    )


@pytest.mark.parametrize("figure", BANDS_OF_FIGURES)
def test_figure_lies_in_its_band(figure):
    row = calibration_table().set_index("figure").loc[figure]
    assert row["low"] <= row["measured"] <= row["high"]


def main() -> None:
    given = sys.argv[1:]
    table = calibration_table(float(given[0]) if given else 100.0, int(given[1]) if len(given) > 1 else SEED)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))


if __name__ == "__main__":
    main()
