"""The virtual city, sampled again and again, and estimated each time by the functions of the yearly run.

The city is composed and mapped once; its pixels are a population of which every total is known. Then plots and
reference points are drawn with the errors of crews and interpreters, the stock recipe is trained on the plots, the
whole map is predicted, and the functions of the stage ``estimate`` make their table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rasterio.windows import Window

from sinkest import workflow
from sinkest.config import ForestSection, RunConfig, StockSection, load_config
from sinkest.demo import RESOLUTION_LINE
from sinkest.learn import recipes, validate
from sinkest.learn.extract import extract
from sinkest.learn.places import grid_position
from sinkest.learn.recipes import Recipe
from sinkest.learn.spread import moments
from sinkest.progress import Silent
from sinkest.shipped import shipped
from sinkest.simulate.classes import ARBOR, CODES, FOREST, NAMES
from sinkest.simulate.fieldwork import inventory_plots, plot_spacing_px, reference_sample
from sinkest.simulate.labels import label_polygons
from sinkest.simulate.landscape import Landscape
from sinkest.simulate.population import Population, population, simple_sample, systematic_sample
from sinkest.stages import compose, inference
from sinkest.stages.context import Run, make_landscape
from sinkest.stages.cubefile import CubeFile
from sinkest.stages.inference import CITY, Areas, Design, Frame
from sinkest.tidy import tidy

DESIGNS: tuple[Design, ...] = ("systematic", "random")
HELD_OUT, OWN = "held out", "own plots"
"""Where predictions at training plots come from: models that have not seen the plot, or (wrongly) the map's model."""

YEARS_BETWEEN = 5
DAYS_A_YEAR = 365.25
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class City:
    """What stays the same from sample to sample.

    Attributes
    ----------
    landscape : Landscape
    run : Run
        Configuration, zones and grid.
    pixels : Population
    features : float32 array (n, f)
        Of each pixel; NaN where there is no data.
    mapped : uint8 array (n,)
        The land-cover map: class codes, 0 where there is no data.
    recipe : Recipe
        Of the stock model.
    spacing_m : float
        Of the systematic plots; simple random samples have as many plots.
    """

    landscape: Landscape
    run: Run
    pixels: Population
    features: NDArray[np.float32]
    mapped: NDArray[np.uint8]
    recipe: Recipe
    spacing_m: float

    @property
    def spec(self) -> RunConfig:
        """The configuration."""
        return self.run.spec

    @property
    def forest(self) -> ForestSection:
        """The part of the configuration on forest."""
        if self.spec.forest is None:
            raise ValueError("the demo maps forest")
        return self.spec.forest

    @property
    def stock(self) -> StockSection:
        """The part of the configuration on growing stock."""
        if self.spec.stock is None:
            raise ValueError("the demo maps growing stock")
        return self.spec.stock

    @cached_property
    def frame(self) -> Frame:
        """As of a run, but with the pixels' own areas, so that the pixels are exactly the population."""
        area = np.bincount(self.pixels.zone, self.pixels.area_ha, minlength=len(self.pixels.zone_ids))
        zones = dict(zip(self.pixels.zone_ids, area.tolist(), strict=True))
        return Frame(self.spec.year, LEVEL, self.forest.definition, True, zones)

    @cached_property
    def at(self) -> NDArray[np.int64]:
        """Position in the population of each pixel of the grid (y, x); -1 outside."""
        found = np.full(self.run.grid.shape, -1)
        found[self.pixels.row, self.pixels.column] = np.arange(len(self.pixels))
        return found

    def position(self, points: pd.DataFrame) -> NDArray[np.int64]:
        """Pixels that points lie on, as positions in the population."""
        row, column, _ = grid_position(self.run.grid, points["lon"].to_numpy(), points["lat"].to_numpy())
        return self.at[row, column]

    @cached_property
    def truth(self) -> pd.Series:
        """Exact value by quantity and zone."""
        pixels, year = self.pixels, self.spec.year
        code, volume = pixels.land_cover[year], pixels.volume_m3_ha[year].astype(float)
        growth = (volume - pixels.volume_m3_ha[year - YEARS_BETWEEN]) / YEARS_BETWEEN
        trees = [CODES[name] for name in self.forest.tree_cover_classes]
        found: dict[tuple[str, str], float] = {}
        for position, zone in enumerate((*pixels.zone_ids, CITY)):
            area = pixels.area_ha if zone == CITY else np.where(pixels.zone == position, pixels.area_ha, 0.0)
            hectares, stock = (np.bincount(code, each, minlength=len(NAMES)) for each in (area, area * volume))
            arbor = hectares[list(ARBOR)].sum()
            found |= {
                ("forest_coverage", zone): 100.0 * hectares[list(FOREST)].sum() / area.sum(),
                ("tree_cover", zone): 100.0 * hectares[trees].sum() / area.sum(),
                ("arbor_area", zone): arbor,
                ("growing_stock", zone): stock.sum(),
                ("growing_stock_per_ha", zone): stock.sum() / arbor,
                ("stock_change", zone): (area * growth).sum(),
            }
            found |= {(f"class_area:{name}", zone): hectares[one] for name, one in CODES.items()}
            found |= {(f"stock_by_type:{NAMES[one]}", zone): stock[one] for one in ARBOR}
        return pd.Series(found, name="truth", dtype=float).rename_axis(["quantity", "zone"])


def virtual_city(folder: Path, resolution_m: float, spacing_m: float, trees: int | None = None) -> City:
    """Compose and map the city of the demo.

    Parameters
    ----------
    folder : Path
        Empty; the composite is written there.
    resolution_m : float
        At least 30: a pixel is no smaller than the smallest forest, so that no patch of the map is too small.
    spacing_m : float
        Of the systematic plots.
    trees : int, optional
        Size of the forests in the stock recipe, for a quicker look; that of the recipe unless told.
    """
    config = folder / "config.toml"
    template = shipped("configs/demo.toml").read_text(encoding="utf-8")
    config.write_text(template.replace(RESOLUTION_LINE, f"resolution_m = {resolution_m:g}", 1), encoding="utf-8")
    store = workflow.run(config, progress=Silent(), until=compose.NAME, workers=1)
    run = Run(load_config(config), store, Silent(), 1, 512)
    landscape, year = make_landscape(run.config), run.spec.year
    pixels = population(landscape, run.zones, run.grid, (year - YEARS_BETWEEN, year), workers=1)
    cube = CubeFile(store.folder(compose.NAME) / compose.FILE, run.cube)
    height, width = run.grid.shape
    features = np.ascontiguousarray(cube.features(Window(0, 0, width, height))[:, pixels.row, pixels.column].T)
    mapped = _land_cover(run, landscape, pixels, cube, features)
    recipe = recipes.load(shipped("models/stock")).bound(cube.feature_names)
    if trees is not None:
        recipe = replace(recipe, estimator=_with_trees(recipe.estimator, trees))
    return City(landscape, run, pixels, features, mapped, recipe, spacing_m)


def _land_cover(
    run: Run, landscape: Landscape, pixels: Population, cube: CubeFile, features: NDArray[np.float32]
) -> NDArray[np.uint8]:
    seed = run.spec.seed
    labels = label_polygons(landscape, pixels, run.spec.year, np.random.default_rng(seed))
    found = extract(labels, run.grid, cube.features, seed=seed)
    found = found.where(found.complete)
    code = labels["land_cover"].map(CODES).to_numpy(dtype=np.int64)[found.record]
    recipe = recipes.load(shipped("models/land_cover")).bound(cube.feature_names)
    model = validate.fit(recipe, found.X, code, seed=seed, groups=found.record)
    mapped = np.zeros(len(pixels), dtype=np.uint8)
    known = np.isfinite(features).all(axis=1)
    mapped[known] = model.predict(features[known])
    return mapped


def _with_trees(value: Any, trees: int) -> Any:
    if isinstance(value, dict):
        return {key: trees if key == "n_estimators" else _with_trees(item, trees) for key, item in value.items()}
    return [_with_trees(item, trees) for item in value] if isinstance(value, list) else value


def one_sample(city: City, design: Design, number: int) -> pd.DataFrame:
    """Draw plots and reference points, train, map, and estimate as the yearly run does.

    Parameters
    ----------
    city : City
    design : {"systematic", "random"}
        How the plots are placed.
    number : int
        Which sample; equal numbers give equal samples.

    Returns
    -------
    DataFrame
        Rows of the tidy table with ``truth``, ``sample``, ``design`` (of the plots, or ``stratified`` for reference
        points) and ``residuals`` (``held out`` or ``own plots``, empty where no plots are involved).
    """
    rng = np.random.default_rng([city.spec.seed, number, DESIGNS.index(design)])
    areas = estimated_areas(city, rng)
    tables = [tidy(areas.rows).assign(design="stratified", residuals="")]
    plots = drawn_plots(city, design, rng)
    held_out, own, map_mean = trained(city, plots)
    arbor, mapped = list(NAMES[list(ARBOR)]), city.mapped[city.position(plots)]
    for residuals, prediction in ((HELD_OUT, held_out), (OWN, own)):
        predicted = pd.DataFrame({name: np.where(mapped == CODES[name], prediction, 0.0) for name in arbor})
        found = inference.stock(city.frame, plots, predicted, map_mean, arbor, design, city.spec.estimate.min_plots)
        rows = [*found.rows, *inference.stock_per_ha(city.frame, found.total, areas.groups["arbor"])]
        tables.append(tidy(rows).assign(design=design, residuals=residuals))
    table = pd.concat(tables, ignore_index=True).assign(sample=number)
    return table.join(city.truth, on=["quantity", "zone"], how="inner")


def samples(city: City, count: int, designs: Sequence[Design] = DESIGNS, workers: int = 1) -> Iterator[pd.DataFrame]:
    """Tables of ``count`` samples of each design, in order; the number of workers changes nothing in them."""
    jobs = [(design, number) for number in range(count) for design in designs]
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(lambda job: one_sample(city, *job), jobs)


def estimated_areas(city: City, rng: np.random.Generator) -> Areas:
    """Areas from a new stratified reference sample."""
    year = city.spec.year
    reference, strata = reference_sample(city.pixels, year, year - YEARS_BETWEEN, city.spec.seed, rng)
    legend = np.array(["no_data", *CODES])
    return inference.areas(
        city.frame,
        reference.assign(map_class=legend[city.mapped[city.position(reference)]]),
        strata,
        list(CODES),
        city.forest.forest_classes,
        city.forest.arbor_classes,
        city.forest.tree_cover_classes,
        city.spec.estimate.min_plots,
    )


def drawn_plots(city: City, design: Design, rng: np.random.Generator) -> pd.DataFrame:
    """New plots, measured twice."""
    spacing = plot_spacing_px(city.pixels, city.spacing_m)
    if design == "systematic":
        position = systematic_sample(city.pixels, spacing, rng)
    else:
        position = simple_sample(city.pixels, round(len(city.pixels) / spacing**2), rng)[0]
    year = city.spec.year
    plots = inventory_plots(city.landscape, city.pixels, position, year, year - YEARS_BETWEEN, rng)
    days = (pd.to_datetime(plots["date"]) - pd.to_datetime(plots["previous_date"])).dt.days
    return plots.assign(years=days.to_numpy() / DAYS_A_YEAR, x_m=city.pixels.x[position], y_m=city.pixels.y[position])


def trained(city: City, plots: pd.DataFrame) -> tuple[Floats, Floats, pd.DataFrame]:
    """Train the stock recipe on plots and map the city.

    Returns
    -------
    held_out, own : float64 arrays (n,)
        Prediction at each plot, by a model that has not seen the plot and by the model of the map, m3/ha.
    map_mean : DataFrame (zones x mapped types)
        Mean of the map over all land of the zone, m3/ha.
    """
    seed, pixels = city.spec.seed, city.pixels
    X, y = city.features[city.position(plots)], plots["volume_m3_ha"].to_numpy()
    known = np.isfinite(X).all(axis=1)
    learn = known & plots["forest_type"].isin(city.forest.arbor_classes).to_numpy()
    model = validate.fit(city.recipe, X[learn], y[learn], seed=seed)
    own = np.zeros(len(plots))
    own[known] = _predicted(city, model, X[known])
    held_out = own.copy()
    x_m, y_m = (plots[name].to_numpy()[learn] for name in ("x_m", "y_m"))
    fold = validate.block_folds(x_m, y_m, city.stock.fold_block_m, city.stock.folds, seed)
    held_out[learn] = validate.cross_validate(city.recipe, X[learn], y[learn], fold, seed=seed).prediction
    arbor = np.isin(city.mapped, ARBOR)
    volume_m3 = pixels.area_ha[arbor] * _predicted(city, model, city.features[arbor])
    cell = pixels.zone[arbor].astype(np.int64) * len(NAMES) + city.mapped[arbor]
    shape = (len(pixels.zone_ids), len(NAMES))
    total = np.bincount(cell, volume_m3, minlength=shape[0] * shape[1]).reshape(shape)[:, list(ARBOR)]
    hectares = np.array([city.frame.zone_area_ha[zone] for zone in pixels.zone_ids])
    return held_out, own, pd.DataFrame(total / hectares[:, None], list(pixels.zone_ids), list(NAMES[list(ARBOR)]))


def _predicted(city: City, model: Any, X: NDArray[np.float32]) -> Floats:
    return np.clip(moments(model, X)[0], city.recipe.minimum, city.recipe.maximum)
