"""The mean of a mapped response where there is no land cover: design-based where plots allow it, else model-based."""

from __future__ import annotations

import math
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rasterio.windows import Window

from sinkest.estimate.bootstrap import bootstrap_mapped_total
from sinkest.estimate.domains import county_totals
from sinkest.estimate.result import quantile
from sinkest.learn.extract import extract
from sinkest.learn.model import TrainedModel, check_features
from sinkest.learn.recipes import Recipe
from sinkest.stages.context import Run
from sinkest.stages.cubefile import Cube, run_cube
from sinkest.stages.inference import CITY, Frame
from sinkest.stages.train import from_lidar

MAP_SAMPLE = 2000
"""Pixels of the map that stand for it in the bootstrap, on a regular lattice."""


def mean_rows(
    run: Run, frame: Frame, plots: pd.DataFrame, sums: dict[str, pd.DataFrame], model: TrainedModel
) -> list[dict[str, Any]]:
    """Rows of the mean of the response over the area.

    Parameters
    ----------
    run : Run
    frame : Frame
    plots : DataFrame
        The plots as the stage train wrote them, with ``prediction`` and ``fold``.
    sums : dict of str to DataFrame
        Sums of the maps.
    model : TrainedModel
    """
    stock = run.spec.stock
    if stock is None:
        return []
    name = f"mean:{stock.response}"
    mapped = float(sums["stock_sum"].to_numpy().sum() / sums["stock_m2"].to_numpy().sum())
    rows = [frame.row(f"pixel_mean:{stock.response}", CITY, stock.unit, mapped, method="pixel_sum", status="map_only")]
    if stock.design != "purposive":
        return rows + _design_based(frame, plots, sums, name, stock.unit, stock.response, stock.design)
    learned = plots[plots["fold"] >= 0]
    residual = learned[stock.response].to_numpy(dtype=float) - learned["prediction"].to_numpy(dtype=float)
    refits = _refit_variance(run, model, learned)
    between, df = _between_folds(residual, learned["fold"].to_numpy())
    se = math.sqrt(refits + between)
    span = quantile(frame.level, df) * se
    note = "gedi.note_row" if from_lidar(plots) else "stages.note_model_based"
    about = {"method": "model_based", "n": len(plots), "note": note}
    return [*rows, frame.row(name, CITY, stock.unit, mapped, se, mapped - span, mapped + span, **about)]


def _design_based(
    frame: Frame, plots: pd.DataFrame, sums: dict[str, pd.DataFrame], name: str, unit: str, response: str, design: Any
) -> list[dict[str, Any]]:
    zones = list(frame.zone_area_ha)
    total, area = (sums[key].sum(axis=1).reindex(zones) for key in ("stock_sum", "stock_m2"))
    found = county_totals(
        plots[response].to_numpy(dtype=float),
        plots["prediction"].fillna(0.0).to_numpy(),
        plots["zone_id"].astype(str).to_numpy(),
        (total / area).to_dict(),
        frame.zone_area_ha,
        coordinates=plots[["x_m", "y_m"]].to_numpy(dtype=float),
        design=design,
        level=frame.level,
    )
    per_ha = {CITY: 1.0 / frame.total_ha} | {zone: 1.0 / ha for zone, ha in frame.zone_area_ha.items()}
    return frame.county_rows(name, unit, found, per_ha)


def _refit_variance(run: Run, model: TrainedModel, plots: pd.DataFrame) -> float:
    """Variance of the map's mean over models refitted on resampled plots."""
    stock = run.spec.stock
    if stock is None:
        return 0.0
    cube = run_cube(run)
    if stock.features_in_table:
        X = plots[list(model.features)].to_numpy(dtype=np.float32)
    else:
        places = gpd.GeoSeries.from_xy(plots["lon"], plots["lat"], crs="EPSG:4326")
        X = extract(places, run.grid, cube.features).X[:, check_features(model, cube.feature_names)]
    y = plots[stock.response].to_numpy(dtype=float)
    pixels = _lattice(run, cube, model)
    found = bootstrap_mapped_total(
        _Refit(model.recipe.bound(model.features), run.spec.seed),
        X,
        y,
        pixels,
        np.full(len(pixels), 1.0 / len(pixels)),
        stock.bootstrap,
        np.random.default_rng(run.spec.seed),
    )
    return float(np.var(found.replicates[:, -1], ddof=1))


class _Refit:
    """The recipe as an estimator that a bootstrap can fit again and again."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe, self.seed = recipe, seed
        self._estimator: Any = None

    def fit(self, X: NDArray[np.float32], y: NDArray[np.float64]) -> _Refit:
        """Fit anew."""
        self._estimator = self.recipe.build(self.seed).fit(X, y)
        return self

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict, within the recipe's bounds."""
        return np.clip(self._estimator.predict(X), self.recipe.minimum, self.recipe.maximum)


def _lattice(run: Run, cube: Cube, model: TrainedModel) -> NDArray[np.float32]:
    """Features of pixels on a regular lattice over the area, (n, f)."""
    height, width = run.grid.shape
    step = max(1, int(math.sqrt(height * width / MAP_SAMPLE)))
    columns = check_features(model, cube.feature_names)
    rows = []
    for row in range(step // 2, height, step):
        line = cube.features(Window(0, row, width, 1))[columns][:, 0, step // 2 :: step].T
        rows.append(line[np.isfinite(line).all(axis=1)])
    return np.concatenate(rows)


def _between_folds(residual: NDArray[np.float64], fold: NDArray[np.int64]) -> tuple[float, float]:
    """Variance of the mean error from one held-out environment to another, and its degrees of freedom.

    How errors correlate over the area is unknown. The mean error in an environment (or, of plots with coordinates, in
    blocks) that the model has not seen bounds it: the area may be off as a whole by that much.
    """
    means = np.array([residual[fold == one].mean() for one in np.unique(fold)])
    return float(means.var(ddof=1)), float(len(means) - 1)
