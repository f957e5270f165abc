"""Stage train: models from field tables and composites, cross-validated, with held-out predictions at every plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.aoi import check_points
from sinkest.errors import InputError, ModelError
from sinkest.imagery.gedi import ORIGIN
from sinkest.learn import artefact, recipes
from sinkest.learn.extract import extract, with_data
from sinkest.learn.imports import source_hashes
from sinkest.learn.model import TrainedModel, check_features
from sinkest.learn.places import check_in_grid
from sinkest.learn.problems import Problems
from sinkest.learn.recipes import Recipe
from sinkest.learn.table import ROW, notes, read_labels, read_plots
from sinkest.learn.train import Observations, Training, train
from sinkest.messages import Message
from sinkest.runstore import read_json, write_bytes
from sinkest.stages import compose
from sinkest.stages.context import Run
from sinkest.stages.cubefile import Cube, run_cube

NAME = "train"
MODELS = "models"
PLOTS = "plots.csv"
LAND_COVER = "land_cover"
STOCK = "stock"


def parts(run: Run) -> dict[str, Any]:
    """What the models depend on."""
    spec = run.spec
    cover, stock = spec.land_cover, spec.stock
    return {
        **run.base_parts,
        "compose": run.key_of(compose.NAME, without=compose.KEPT),
        "land_cover": cover.model_dump(mode="json") if cover else None,
        "labels": run.file_hash(cover.labels) if cover else None,
        "stock": stock.model_dump(mode="json") if stock else None,
        "plots": run.file_hash(stock.plots) if stock else None,
        "arbor": list(spec.forest.arbor_classes) if spec.forest else [],
        **({"own_classes": source_hashes(spec.models.allow)} if spec.models.allow else {}),
        "models": run.hashes(
            path
            for section in (cover, stock)
            if section is not None
            for path in sorted(run.config.file(section.model).glob("*"))
            if path.is_file()
        ),
    }


def work(run: Run, folder: Path) -> None:
    """Train what the configuration names and save models, cards and held-out predictions."""
    run.progress.begin(NAME, 2)
    cube = run_cube(run)
    if run.spec.land_cover is not None:
        model = _land_cover(run, cube)
        artefact.save(folder / MODELS / LAND_COVER, model)
    run.progress.advance(1)
    if run.spec.stock is not None:
        model, plots = _stock(run, cube)
        artefact.save(folder / MODELS / STOCK, model)
        if model.card["training"]["simulated"]:
            plots = plots.assign(simulated=True)
        write_bytes(folder / PLOTS, plots.to_csv(index=False).encode())
    run.progress.advance(1)
    run.progress.end(NAME)


def load_models(run: Run) -> tuple[TrainedModel | None, TrainedModel | None]:
    """The land-cover and the stock model of the run, checked against their cards."""
    folder = run.store.folder(NAME) / MODELS
    own = run.spec.models.allow
    cover = artefact.load(folder / LAND_COVER, classes=own) if run.spec.land_cover is not None else None
    stock = artefact.load(folder / STOCK, classes=own) if run.spec.stock is not None else None
    return cover, stock


def cards(run: Run) -> list[dict[str, Any]]:
    """What is known of the run's models, by name of the folder."""
    folder = run.store.folder(NAME) / MODELS
    return [read_json(path) for path in sorted(folder.glob(f"*/{artefact.CARD_FILE}"))]


def learned_from_simulated(run: Run) -> bool:
    """Whether a model of the run comes of simulated imagery or field data."""
    return any(card["training"]["simulated"] for card in cards(run))


def class_names(run: Run) -> dict[str, tuple[str, ...]]:
    """Class ids with the other names that field tables may use."""
    cover = run.spec.land_cover
    return {item.id: (str(item.code), item.zh, item.en) for item in cover.classes} if cover else {}


def read_run_plots(run: Run) -> gpd.GeoDataFrame:
    """The plots of the run with ``zone_id``, ``x_m`` and ``y_m``; without coordinates where the table has features."""
    stock = run.spec.stock
    if stock is None:
        raise InputError("stages.no_stock")
    path = run.config.file(stock.plots)
    if stock.features_in_table:
        names = _static_names(run)
        return read_plots(path, response=stock.response, response_unit=stock.unit, features=names)
    plots = read_plots(
        path,
        classes=class_names(run) or None,
        response=stock.response,
        response_unit=stock.unit,
        datum=stock.datum,
    )
    if from_lidar(plots) and stock.design != "purposive":
        raise InputError("gedi.design", file=path, given=stock.design)
    return with_zones(run, plots, path)


def from_lidar(plots: pd.DataFrame) -> bool:
    """Whether any of the plots are shots of a lidar, whose biomass nobody has measured."""
    return "origin" in plots and bool(plots["origin"].eq(ORIGIN).any())


def with_zones(run: Run, points: gpd.GeoDataFrame, path: Path) -> gpd.GeoDataFrame:
    """Points with the zone they lie in and projected coordinates; points outside all zones are refused by row."""
    declared = points["zone_id"].tolist() if "zone_id" in points else None
    # The zones first: they also tell GCJ-02 and swapped axes. A point just outside its zone may still miss the grid.
    zone = check_points(points, declared, run.zones, file=path, rows=points[ROW].tolist())
    problems = Problems(path, points[ROW].to_numpy())
    check_in_grid(points.geometry, run.grid, problems)
    problems.raise_if_any()
    projected = points.geometry.to_crs(str(run.grid.crs))
    return points.assign(zone_id=zone, x_m=projected.x.to_numpy(), y_m=projected.y.to_numpy())


def feature_units(run: Run) -> dict[str, str]:
    """The features that the run has, in order, with their units."""
    if run.is_static:
        return dict(run.source.layers)
    stored = {layer.name: layer.unit for layer in run.cube.layers}
    return {name: stored.get(name, "1") for name in run.cube.feature_names}


def feature_spec(run: Run) -> dict[str, Any] | None:
    """How the features are made; None where they are ready rasters."""
    return None if run.is_static else run.spec.features.model_dump(mode="json")


def checked_kind(recipe: Recipe, kind: str) -> Recipe:
    """The recipe, if it makes a model of this kind.

    Raises
    ------
    ModelError
        For a classification where growing stock is to be mapped, or a regression for land cover.
    """
    if recipe.kind != kind:
        raise ModelError("stages.model_kind", file=recipe.file, given=recipe.kind, expected=kind)
    return recipe


def _static_names(run: Run) -> tuple[str, ...]:
    static = run.spec.imagery.static
    return tuple(static.layers) if static else ()


def _observed(run: Run, cube: Cube, section: str, **given: Any) -> Observations:
    return Observations(
        features=cube.feature_names,
        units=dict(zip(cube.feature_names, cube.units, strict=True)),
        files={section: str(parts(run)["labels" if section == LAND_COVER else "plots"])},
        spec=feature_spec(run),
        **given,
    )


def _land_cover(run: Run, cube: Cube) -> TrainedModel:
    cover = run.spec.land_cover
    if cover is None:
        raise InputError("stages.no_land_cover")
    recipe_folder = run.config.file(cover.model)
    if artefact.is_trained(recipe_folder):
        return _ready(recipe_folder, cube, run, "classification")
    path = run.config.file(cover.labels)
    labels = read_labels(path, classes=class_names(run), class_field=cover.class_field, grid=run.grid)
    _say(run, *notes(labels))
    found, lost = with_data(extract(labels, run.grid, cube.features, seed=run.spec.seed), labels, path)
    _say(run, lost)
    data = _observed(
        run,
        cube,
        LAND_COVER,
        X=found.X,
        y=labels["land_cover"].to_numpy()[found.record],
        x_m=found.x_m,
        y_m=found.y_m,
        groups=found.record,
        simulated=bool(run.source.simulated or _simulated(labels)),
    )
    codes = {item.id: item.code for item in cover.classes}
    present = {name: code for name, code in codes.items() if name in set(data.y)}
    recipe = checked_kind(recipes.load(recipe_folder, classes=run.spec.models.allow), "classification")
    trained = train(
        recipe,
        data,
        seed=run.spec.seed,
        classes=present,
        folds=cover.folds,
        block_m=cover.fold_block_m,
        workers=run.workers,
    )
    return trained.model


def _stock(run: Run, cube: Cube) -> tuple[TrainedModel, pd.DataFrame]:
    """The stock model, and the plots with a prediction each that did not come from the plot itself."""
    stock = run.spec.stock
    if stock is None:
        raise InputError("stages.no_stock")
    plots = read_run_plots(run)
    _say(run, *notes(plots), Message.of("gedi.not_ground_truth") if from_lidar(plots) else None)
    if stock.features_in_table:
        X = plots[list(cube.feature_names)].to_numpy(dtype=np.float32)
        row = np.arange(len(plots))
    else:
        found, lost = with_data(extract(plots, run.grid, cube.features), plots, run.config.file(stock.plots))
        _say(run, lost)
        X, row = found.X, found.record
    seen = plots.iloc[row]
    response = seen[stock.response].to_numpy(dtype=float)
    learn = learning_rows(run, seen)
    recipe_folder = run.config.file(stock.model)
    if artefact.is_trained(recipe_folder):
        model = _ready(recipe_folder, cube, run, "regression")
        refuse_own_plots(model, recipe_folder, str(run.file_hash(stock.plots)))
        held_out = None
    else:
        recipe = checked_kind(recipes.load(recipe_folder, classes=run.spec.models.allow), "regression")
        recipe = recipe.with_response(stock.response, stock.unit)
        places = (
            {}
            if stock.features_in_table
            else {"x_m": seen["x_m"].to_numpy()[learn], "y_m": seen["y_m"].to_numpy()[learn]}
        )
        data = _observed(
            run,
            cube,
            STOCK,
            X=X[learn],
            y=response[learn],
            simulated=bool(run.source.simulated or _simulated(plots)),
            origin=ORIGIN if from_lidar(plots) else "",
            **places,
        )
        held_out = train(
            recipe,
            data,
            seed=run.spec.seed,
            folds=stock.folds,
            block_m=stock.fold_block_m,
            clusters=stock.clusters,
            workers=run.workers,
        )
        model = held_out.model
    return model, _with_predictions(plots, row, X, learn, model, cube, held_out)


def _with_predictions(
    plots: gpd.GeoDataFrame,
    row: NDArray[np.intp],
    X: NDArray[np.float32],
    learn: NDArray[np.bool_],
    model: TrainedModel,
    cube: Cube,
    held_out: Training | None,
) -> pd.DataFrame:
    """Plots with ``prediction`` (held out where the plot was learned from), ``random_prediction`` and ``fold``."""
    columns = check_features(model, cube.feature_names)
    prediction, at_random = np.full(len(plots), np.nan), np.full(len(plots), np.nan)
    fold = np.full(len(plots), -1)
    prediction[row] = model.predict(X[:, columns])
    if held_out is not None:
        learned = row[learn]
        prediction[learned] = held_out.held_out.prediction
        at_random[learned] = held_out.random.prediction
        fold[learned] = held_out.held_out.fold
    table = pd.DataFrame(plots.drop(columns=plots.geometry.name)) if isinstance(plots, gpd.GeoDataFrame) else plots
    return table.assign(prediction=prediction, random_prediction=at_random, fold=fold)


def learning_rows(run: Run, plots: pd.DataFrame) -> NDArray[np.bool_]:
    """Plots that the stock model learns from: those on arbor forest, or all where there is no land cover; bool (n,).

    Raises
    ------
    InputError
        If the plots do not say which of them lie in arbor forest, or none does.
    """
    forest, stock = run.spec.forest, run.spec.stock
    if forest is None or stock is None or not forest.arbor_classes:
        return np.ones(len(plots), dtype=bool)
    fields = {"file": run.config.file(stock.plots), "classes": ", ".join(forest.arbor_classes)}
    if "forest_type" not in plots:
        raise InputError("stages.no_forest_type", **fields)
    learn = plots["forest_type"].isin(forest.arbor_classes).to_numpy()
    if not learn.any():
        raise InputError("stages.no_arbor_plots", **fields)
    return learn


def _ready(folder: Path, cube: Cube, run: Run, kind: str) -> TrainedModel:
    """A model that was trained before, if it is of the kind and fits the run's features."""
    model = artefact.load(folder, classes=run.spec.models.allow)
    checked_kind(model.recipe, kind)
    units = dict(zip(cube.feature_names, cube.units, strict=True))
    check_features(model, cube.feature_names, units=units, spec=feature_spec(run))
    return model


def refuse_own_plots(model: TrainedModel, folder: Path, plots_hash: str) -> None:
    """Residuals at plots that a model has learned from are too small to carry an interval.

    Raises
    ------
    ModelError
        If the model learned from the file with this hash.
    """
    if plots_hash in set(model.card.get("training", {}).get("files", {}).values()):
        raise ModelError("stages.own_plots", file=folder)


def _say(run: Run, *messages: Message | None) -> None:
    for message in messages:
        if message is not None:
            run.progress.say(message)


def _simulated(table: pd.DataFrame) -> bool:
    return "simulated" in table and bool(table["simulated"].any())
