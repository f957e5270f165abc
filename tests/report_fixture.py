"""A made-up but realistic report: nine counties, fifteen classes, every part filled, exact and reproducible."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import shapely
from scipy import ndimage

from sinkest.config import ReportSection
from sinkest.messages import Message
from sinkest.report.data import Accuracy, Confusion, Definition, LegendClass, MapLayer, ReportData
from sinkest.report.html import report_html
from sinkest.report.names import map_title
from sinkest.report.xlsx import report_xlsx
from sinkest.shipped import shipped
from sinkest.targets import assess
from sinkest.targets.file import read_targets
from sinkest.targets.trajectory import trajectory

YEAR = 2025
DEFINITION = "forest_current_rule"
FULL_CITY = (21772, 11503)
"""Rows and columns of the whole city at 10 m."""
CLASSES = (
    LegendClass(1, "fir", "杉木林", "Chinese fir", "#1f5c3a"),
    LegendClass(2, "masson_pine", "马尾松林", "Masson pine", "#4d7f3a"),
    LegendClass(3, "broadleaf", "阔叶林", "Broadleaf", "#7fb04f"),
    LegendClass(4, "mixed", "针阔混交林", "Mixed forest", "#3f8f6b"),
    LegendClass(5, "bamboo", "毛竹林", "Moso bamboo", "#b5d36a"),
    LegendClass(6, "oil_tea", "油茶林", "Oil tea", "#c9a227"),
    LegendClass(7, "shrub", "其他灌木", "Other shrub", "#a89a5b"),
    LegendClass(8, "orchard", "园地", "Orchard", "#e0a060"),
    LegendClass(9, "urban_trees", "城市树木", "Urban trees", "#94c9a0"),
    LegendClass(10, "paddy", "水田", "Paddy", "#d8e8c0"),
    LegendClass(11, "dry_crop", "旱地", "Dry cropland", "#f0e2b0"),
    LegendClass(12, "built_up", "建设用地", "Built-up", "#b0574f"),
    LegendClass(13, "bare", "裸地", "Bare", "#cfc6bb"),
    LegendClass(14, "water", "水域", "Water", "#3c7fb5"),
    LegendClass(15, "marsh", "沼泽", "Marsh", "#6fb3b8"),
)
# coverage %, stock m3/ha of arbor forest, by county in the order of the codes
COVERAGE = (41.2, 44.6, 38.3, 36.1, 50.4, 50.1, 54.9, 73.8, 45.2)
DENSITY = (52.0, 55.0, 49.0, 50.0, 62.0, 66.0, 70.0, 84.0, 60.0)
ARBOR = {"fir": 0.44, "masson_pine": 0.24, "broadleaf": 0.22, "mixed": 0.10}
AGES = {"young": 0.18, "middle": 0.41, "near": 0.2, "mature": 0.15, "over": 0.02, "unknown": 0.04}
Z95 = 1.959963984540054


def counties(height: int = 420) -> tuple[pd.DataFrame, dict[str, list[np.ndarray]], np.ndarray, float]:
    """Zones, outlines in pixels, zone index raster (-1 outside), pixel size; from the shipped boundaries, north up."""
    features = json.loads(shipped("aoi/zhuzhou.geojson").read_text(encoding="utf-8"))["features"]
    features.sort(key=lambda feature: feature["properties"]["adcode"])
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    west, south, east, north = shapely.union_all(shapes).bounds
    per_degree = 111_195.0
    squeeze = np.cos(np.radians((south + north) / 2))
    pixel = (north - south) * per_degree / height
    width = int(np.ceil((east - west) * per_degree * squeeze / pixel))
    outlines, areas = {}, []
    for feature, shape in zip(features, shapes, strict=True):
        flat = shapely.transform(
            shape, lambda p: np.c_[(p[:, 0] - west) * per_degree * squeeze, (north - p[:, 1]) * per_degree] / pixel
        )
        parts = getattr(flat, "geoms", [flat])
        outlines[feature["properties"]["adcode"]] = [np.asarray(part.exterior.coords) for part in parts]
        areas.append(flat.area * pixel**2 / 1e4)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    index = np.full((height, width), -1)
    for place, rings in enumerate(outlines.values()):
        for ring in rings:
            index[shapely.contains_xy(shapely.Polygon(ring), x, y)] = place
    frame = pd.DataFrame(
        {
            "zone_id": list(outlines),
            "name_zh": [feature["properties"]["name"] for feature in features],
            "name_en": [feature["properties"]["name_en"] for feature in features],
            "area_ha": areas,
        }
    )
    return frame, outlines, index, pixel


def maps(index: np.ndarray) -> tuple[MapLayer, ...]:
    """Land cover, stock, its standard deviation, area of applicability and valid observations."""
    rng = np.random.default_rng(3)
    rows, columns = index.shape
    inside = index >= 0

    def field(scale: float) -> np.ndarray:
        rough = ndimage.gaussian_filter(rng.standard_normal((rows, columns)), scale)
        return rough / rough[inside].std()

    south = np.linspace(-0.8, 1.0, rows)[:, None] + np.linspace(-0.4, 0.5, columns)[None, :]
    wild = 0.9 * field(16) + 0.55 * field(3) + 0.9 * south
    kind = field(7) + 0.35 * field(1.2)
    forest = wild > np.quantile(wild[inside], 0.45)
    species = np.select([kind < limit for limit in (-0.6, 0.0, 0.55, 0.9, 1.4)], [1, 2, 3, 4, 5], 6)
    code = np.where(forest, species, 10)
    crop = ~forest
    code = np.where(crop & (kind > 0.5), 11, code)
    code = np.where(crop & (wild < np.quantile(wild[inside], 0.06)), 12, code)
    code = np.where(crop & (np.abs(field(10)) < 0.035), 14, code)
    code = np.where(crop & (kind > 1.9), 15, code)
    code = np.where(crop & (kind < -2.1), 8, code)
    land_cover = np.where(inside, code, 0).astype(np.uint8)
    arbor = (land_cover >= 1) & (land_cover <= 4)
    volume = np.where(arbor, np.clip(68 + 34 * wild + 12 * field(1), 4, 260), 0.0)
    stock = np.where(inside, volume, np.nan).astype(np.float32)
    sd = np.where(stock > 0, 14 + 0.22 * stock + 3 * field(2), np.nan).astype(np.float32)
    known = np.where(inside, np.where(field(20) > 2.1, 2, 1), 0).astype(np.uint8)
    looks = np.where(inside, np.clip(np.round(12 + 4 * field(30)), 1, 30), np.nan).astype(np.float32)
    applicable = (
        LegendClass(1, "inside", "适用范围内", "inside", "#9cc5a1"),
        LegendClass(2, "outside", "适用范围外", "outside", "#c2185b"),
    )
    return (
        MapLayer("land_cover", Message.of("maps.land_cover"), "classes", land_cover, legend=CLASSES),
        MapLayer("stock", map_title("stock"), "continuous", stock, (), 0, 200, "m3/ha", "YlGn"),
        MapLayer("stock_sd", map_title("stock_sd"), "continuous", sd, (), 0, 60, "m3/ha", "magma_r"),
        MapLayer("aoa", map_title("applicability"), "classes", known, legend=applicable),
        MapLayer("valid_count", Message.of("maps.looks"), "continuous", looks, (), 0, 25, "", "viridis"),
    )


def _row(quantity: str, zone: str, value: float, unit: str, cv: float, **more: Any) -> dict[str, Any]:
    se = abs(value) * cv
    row = {
        "quantity": quantity,
        "zone": zone,
        "year": YEAR,
        "value": value,
        "unit": unit,
        "se": se,
        "low": value - Z95 * se,
        "high": value + Z95 * se,
        "level": 0.95,
        "method": "greg",
        "n": 2400.0 if zone == "all" else 260.0,
        "definition_id": DEFINITION,
        "provisional": False,
        "simulated": True,
        "status": "ok",
        "note": "",
    }
    return row | more


def _map_only(quantity: str, zone: str, value: float, unit: str) -> dict[str, Any]:
    nothing = {"se": np.nan, "low": np.nan, "high": np.nan, "level": np.nan, "n": np.nan}
    return _row(quantity, zone, value, unit, 0.0, method="pixel_sum", status="map_only") | nothing


def estimates(zones: pd.DataFrame) -> pd.DataFrame:
    """A tidy table in which counties, types and pools add up to their wholes."""
    rows: list[dict[str, Any]] = []
    totals: dict[tuple[str, str], float] = {}

    def both(quantity: str, values: np.ndarray, unit: str, cv: float, county_cv: float, **more: Any) -> None:
        for zone, value in zip(zones["zone_id"], values, strict=True):
            small = float(np.sqrt(2.5e5 / zones["area_ha"][zones["zone_id"] == zone].iloc[0]))
            rows.append(_row(quantity, zone, float(value), unit, county_cv * small, **more))
        totals[quantity, unit] = float(values.sum())
        rows.append(_row(quantity, "all", float(values.sum()), unit, cv, **more))

    area = zones["area_ha"].to_numpy()
    forest = area * np.array(COVERAGE) / 100
    both("forest_area", forest, "ha", 0.0185, 0.045, method="poststratified")
    for zone, value in zip([*zones["zone_id"], "all"], [*COVERAGE, 100 * forest.sum() / area.sum()], strict=True):
        share = 1.0 if zone == "all" else area[list(zones["zone_id"]).index(zone)] / area.sum()
        rows.append(_row("forest_coverage", zone, value, "%", 0.0185 / np.sqrt(share), method="poststratified"))
    rows.append(_row("tree_cover", "all", 63.17, "%", 0.016, method="poststratified"))
    arbor = forest * 0.83
    stock = arbor * np.array(DENSITY)
    both("growing_stock", stock, "m3", 0.021, 0.055)
    for zone, value in zip([*zones["zone_id"], "all"], [*DENSITY, stock.sum() / arbor.sum()], strict=True):
        rows.append(_row("growing_stock_per_ha", zone, value, "m3/ha", 0.021 if zone == "all" else 0.06))
    for name, share in ARBOR.items():
        both(f"stock_by_type:{name}", stock * share, "m3", 0.05, 0.12)
        both(f"class_area:{name}", arbor * share, "ha", 0.04, 0.1, method="stratified")
    for name, share in AGES.items():
        both(f"stock_by_age:{name}", stock * share, "m3", 0.06, 0.15)
        both(f"area_by_age:{name}", arbor * share, "ha", 0.05, 0.14, method="age_shares")
    for name, share in {"bamboo": 0.10, "oil_tea": 0.07}.items():
        both(f"class_area:{name}", forest * share, "ha", 0.06, 0.14, method="stratified")
    both("stock_change", stock * 0.031, "m3/yr", 0.16, 0.4, method="stock_difference")
    for zone, value in zip([*zones["zone_id"], "all"], [*(stock * 1.06), stock.sum() * 1.06], strict=True):
        rows.append(_map_only("pixel_growing_stock", zone, value, "m3"))
    for zone, value in zip([*zones["zone_id"], "all"], [*(forest * 1.045), forest.sum() * 1.045], strict=True):
        rows.append(_map_only("pixel_forest_area", zone, value, "ha"))
    carbon = {"arbor": stock * 0.42, "bamboo": forest * 2.4, "oil_tea": forest * 1.2, "shrub": forest * 0.3}
    account = {"provisional": True, "method": "continuous_bef"}
    for pool, values in carbon.items():
        both(f"carbon:{pool}", values, "t C", 0.09, 0.14, **account)
    total = sum(carbon.values())
    both("carbon:total", np.asarray(total), "t C", 0.075, 0.12, **account)
    both("co2_total", np.asarray(total) * 44 / 12, "t CO2", 0.075, 0.12, **account)
    both("sink", stock * 0.031 * 0.5 * 0.636 * 44 / 12, "t CO2/yr", 0.21, 0.45, **account)
    wetlands = {"river": 14_320.0, "lake": 2_130.0, "reservoir": 9_870.0, "pond": 11_460.0, "marsh": 845.0}
    for kind, hectares in wetlands.items():
        rows.append(_row(f"wetland_area:{kind}", "all", hectares, "ha", 0.06, method="stratified"))
    rows.append(_row("wetland_burial", "all", 41_230.0, "t CO2/yr", 0.3, **account))
    rows.append(_row("small_wetland_sites", "all", 65.0, "count", 0.0, method="site_list", level=np.nan))
    rows.append(_row("small_wetland_area", "all", 511.4, "ha", 0.0, method="site_list", level=np.nan))
    table = pd.DataFrame(rows)
    small = (table["zone"] == "430204") & table["quantity"].isin(["growing_stock_per_ha"])
    gone = ["value", "se", "low", "high"]
    table.loc[small, gone] = np.nan
    table.loc[small, "status"] = "insufficient"
    counted = table["method"] == "site_list"
    table.loc[counted, ["se", "low", "high"]] = np.nan
    return table


def targets(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The shipped targets held against the table, and their trajectory; an estimate of 2021 is put before it."""
    plan = read_targets(shipped("configs/targets-zhuzhou.toml"))
    earlier = table[table["quantity"].isin(["forest_coverage", "growing_stock"]) & (table["zone"] == "all")]
    earlier = earlier.assign(year=2021, value=earlier["value"] * 0.93, se=earlier["se"] * 1.3)
    return assess(table, plan, YEAR), trajectory(plan, pd.concat([table, earlier]), YEAR)


def accuracy() -> Accuracy:
    """A confusion matrix with the hard pairs confused, two schemes of cross-validation, shrunken predictions."""
    rng = np.random.default_rng(11)
    k = len(CLASSES)
    counts = np.zeros((k, k), dtype=int)
    for i in range(k):
        counts[i, i] = 60 + int(rng.integers(0, 120))
        for j in rng.choice(k, 5, replace=False):
            counts[i, j] += int(rng.integers(1, 9))
    counts[0, 1] += 24
    counts[1, 0] += 19
    users, producers = np.diag(counts) / counts.sum(1), np.diag(counts) / counts.sum(0)
    confusion = Confusion(
        class_ids=tuple(item.id for item in CLASSES),
        counts=counts,
        users=users,
        users_se=np.sqrt(users * (1 - users) / counts.sum(1)),
        producers=producers,
        producers_se=np.sqrt(producers * (1 - producers) / counts.sum(0)),
        overall=float(np.diag(counts).sum() / counts.sum()),
        overall_se=0.0071,
        n=int(counts.sum()),
    )
    cv = pd.DataFrame(
        [
            ("land_cover", "spatial", "overall_accuracy", 0.781, "1"),
            ("land_cover", "random", "overall_accuracy", 0.836, "1"),
            ("land_cover", "spatial", "macro_f1", 0.742, "1"),
            ("land_cover", "random", "macro_f1", 0.808, "1"),
            ("stock", "spatial", "r2", 0.524, "1"),
            ("stock", "random", "r2", 0.612, "1"),
            ("stock", "spatial", "rmse", 36.41, "m3/ha"),
            ("stock", "random", "rmse", 32.87, "m3/ha"),
            ("stock", "spatial", "bias", -0.42, "m3/ha"),
            ("stock", "random", "bias", 0.08, "m3/ha"),
        ],
        columns=["model", "scheme", "metric", "value", "unit"],
    )
    observed = rng.gamma(1.8, 38.0, 900)
    predicted = np.clip(30 + 0.55 * observed + rng.normal(0, 21, 900), 0, None)
    edges = [0.0, 30.0, 60.0, 90.0, 120.0, 160.0, np.inf]
    bins = []
    for low, high in itertools.pairwise(edges):
        here = (observed >= low) & (observed < high)
        mean_o, mean_p = float(observed[here].mean()), float(predicted[here].mean())
        bins.append((low, high, int(here.sum()), mean_p - mean_o))
    bias = pd.DataFrame(bins, columns=["low", "high", "n", "bias"])
    return Accuracy(confusion, cv, bias, observed, predicted)


def factors() -> pd.DataFrame:
    """Four coefficients, one of them provisional."""
    rows = [
        ("a, fir", "杉木 a", "Chinese fir, a", 0.4652, "t/m3", "Li et al. 2016, Table 1", "SRC"),
        ("b, fir", "杉木 b", "Chinese fir, b", 19.141, "t/ha", "Li et al. 2016, Table 1", "SRC"),
        ("CF", "含碳率", "carbon fraction", 0.5, "t C/t", "IPCC 2006, Vol. 4", "SRC2"),
        ("lake burial", "湖泊碳埋藏速率", "burial rate, lakes", 56.67, "g C/m2/yr", "段晓男等 2008", "MEM"),
    ]
    return pd.DataFrame(rows, columns=["name", "name_zh", "name_en", "value", "unit", "source", "status"])


def report_data(**changes: Any) -> ReportData:
    """The whole report; keyword arguments replace single parts."""
    return replace(_whole(), **changes)


@cache
def _whole() -> ReportData:
    zones, outlines, index, pixel = counties()
    table = estimates(zones)
    assessed, courses = targets(table)
    return ReportData(
        run_id="demo-2025-3f9c1a7e",
        name="demo",
        year=YEAR,
        city_zh="株洲市",
        city_en="Zhuzhou",
        simulated=True,
        provisional=True,
        definition=Definition(
            DEFINITION, "现行口径", "current rule",
            "森林面积为乔木林地、竹林地与国家特别规定灌木林地之和；不含园地、城市树木与四旁树。",
            "Forest is arbor forest, bamboo and the specially designated shrub; orchards and urban trees do not count.",
        ),
        zones=zones,
        estimates=table,
        targets=assessed,
        trajectory=courses,
        accuracy=accuracy(),
        legend=CLASSES,
        maps=maps(index),
        outlines=outlines,
        pixel_size_m=pixel,
        factors_used=factors(),
        provenance={
            "versions": {"sinkest": "0.1.0", "numpy": "2.4.0", "scikit-learn": "1.9.0"},
            "inputs": [
                {"file": "aoi/zhuzhou.geojson", "sha256": "9f" * 32, "bytes": 48211},
                {"file": "fields/plots.csv", "sha256": "0c" * 32, "bytes": 130022},
            ],
            "source": {"name": "simulated", "seed": 20250101, "scenes": 12},
            "models": [{"name": "land_cover", "estimator": "ExtraTreesClassifier", "sha256": "ab" * 32}],
        },
        notes=(Message.of("report.pixel_rule"),),
        relative_efficiency=2.14,
        n_plots=352,
        n_reference=2400,
    )  # fmt: skip


@cache
def page() -> str:
    """The page of the whole report."""
    return report_html(report_data())


@cache
def largest_page() -> str:
    """The page of the whole city at 10 m: layers are reduced to ``map_pixels``, and noise is the worst for a PNG."""
    side, usual = ReportSection().map_pixels, report_data()
    shape = (side, round(side * FULL_CITY[1] / FULL_CITY[0]))
    rng = np.random.default_rng(0)
    outlines = {zone: [ring * (shape[0] / 420) for ring in rings] for zone, rings in usual.outlines.items()}
    classes = rng.integers(1, 16, shape).astype(np.uint8)
    layers = [replace(layer, array=classes, legend=CLASSES) for layer in usual.maps if layer.kind == "classes"]
    for place in range(5):
        values = rng.uniform(0, 200, shape).astype(np.float32)
        layers.append(MapLayer(f"l{place}", map_title("stock"), "continuous", values, (), 0, 200, "m3/ha"))
    return report_html(report_data(maps=tuple(layers), outlines=outlines))


@cache
def workbook() -> bytes:
    """The workbook of the whole report."""
    return report_xlsx(report_data())


def bare_data() -> ReportData:
    """A report of a run that has nothing but its zones: no estimate, map, target, accuracy, coefficient or source."""
    whole = _whole()
    return ReportData(
        run_id="bare-1",
        name="bare",
        year=YEAR,
        city_zh="株洲市",
        city_en="Zhuzhou",
        simulated=False,
        provisional=False,
        definition=Definition("", "", "", "", ""),
        zones=whole.zones,
        estimates=whole.estimates.iloc[:0],
    )
