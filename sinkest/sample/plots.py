"""Draw new field plots: on a grid with a random start, or at random, over all land."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.errors import InputError
from sinkest.estimate.design import draw_stratified, draw_systematic, spacing_for
from sinkest.learn.fields import SCHEMAS
from sinkest.messages import Message
from sinkest.sample.frame import folder_name, frame_map, located, open_run, zone_names
from sinkest.sample.kml import Placemark, kml
from sinkest.sample.output import Drawn, both, empty, geopackage, path_in_config, quoted, write_new
from sinkest.sample.reference import FOLDER, LARGEST, point_ids
from sinkest.stages.context import Run

LAYER = "plots_sample"
README = "README_plots.md"
STREAM = 2
"""Number of the random stream, so that reference points drawn with the same seed lie elsewhere."""
_FILLED_IN = {"number": "number", "date": "date"}


@dataclass(frozen=True)
class PlotOptions:
    """What a sample of plots should be.

    Attributes
    ----------
    count : int or None
        Plots in all; on a grid the number that the spacing gives on average, at least.
    spacing_m : float or None
        Side of the grid's squares, rounded to whole pixels.
    design : {"systematic", "random"}
    seed : int or None
        The configuration's where left out.
    """

    count: int | None = None
    spacing_m: float | None = None
    design: Literal["systematic", "random"] = "systematic"
    seed: int | None = None


def draw_plots(config: Path, out: Path | None = None, options: PlotOptions | None = None) -> Drawn:
    """Draw field plots at pixel centres all over the area of interest and write what crews need.

    No map is needed. Plots outside forest belong to the sample: they carry a volume of 0, which is what makes the mean
    one of all land.

    Parameters
    ----------
    config : Path
    out : Path, optional
        Folder; ``sample`` beside the configuration where left out.
    options : PlotOptions, optional

    Returns
    -------
    Drawn
        ``plots_sample.gpkg`` and ``.kml``, ``README_plots.md``.

    Raises
    ------
    ConfigError, InputError, RunError
        If the options contradict each other, the area cannot hold the plots, or a file is there already.
    """
    options = options or PlotOptions()
    _check(options)
    run = open_run(config)
    seed = run.spec.seed if options.seed is None else options.seed
    rng = np.random.default_rng([seed, STREAM])
    land = frame_map(run, lambda block: np.ones((block.height, block.width), dtype=np.uint8))
    drawn, told = _draw(run, land, options, rng)
    points = located(run, drawn["row"], drawn["col"])
    ids = point_ids(len(points), f"P{run.spec.year}-")
    folder = run.config.base / FOLDER if out is None else out
    files = {
        folder / f"{LAYER}.gpkg": geopackage(
            _columns(points, ids), points["lon"].to_numpy(), points["lat"].to_numpy(), LAYER, run.spec.year
        ),
        folder / f"{LAYER}.kml": _kml(run, points, ids),
        folder / README: _readme(run, folder, seed, options, told).encode(),
    }
    return Drawn(write_new(files), (told, Message.of("sample.next_plots", readme=folder / README)))


def _check(options: PlotOptions) -> None:
    if options.design == "random" and options.spacing_m is not None:
        raise InputError("sample.spacing_of_random")
    if (options.count is None) == (options.spacing_m is None):
        key = "sample.random_needs_count" if options.design == "random" else "sample.count_or_spacing"
        raise InputError(key)


def _draw(
    run: Run, land: NDArray[np.uint8], options: PlotOptions, rng: np.random.Generator
) -> tuple[pd.DataFrame, Message]:
    """Rows and columns of the plots, and what was drawn."""
    pixels = int(np.count_nonzero(land))
    if options.count is not None and not 1 <= options.count <= min(pixels, LARGEST):
        raise InputError("sample.plots_out_of_range", count=options.count, most=min(pixels, LARGEST))
    if options.design == "random":
        drawn = draw_stratified(land, {1: int(options.count or 0)}, rng)
        drawn = drawn.iloc[rng.permutation(len(drawn))]
        return drawn, Message.of("sample.drawn_random", n=len(drawn))
    spacing = _spacing(run, options, pixels)
    if pixels / spacing**2 > LARGEST:
        raise InputError("sample.too_many", n=round(pixels / spacing**2), limit=LARGEST)
    try:
        drawn = draw_systematic(land, spacing, rng)
    except InputError as error:
        if error.key != "smallarea.empty_grid":
            raise
        raise InputError("sample.empty_grid", spacing=f"{spacing * run.resolution_m:g}") from error
    metres = f"{spacing * run.resolution_m:g}"
    return drawn, Message.of("sample.drawn_systematic", n=len(drawn), spacing=metres, pixel=f"{run.resolution_m:g}")


def _spacing(run: Run, options: PlotOptions, pixels: int) -> int:
    """Side of the grid's squares in pixels."""
    if options.spacing_m is None:
        return spacing_for(int(options.count or 0), pixels)
    if options.spacing_m < run.resolution_m:
        raise InputError("sample.spacing", spacing=f"{options.spacing_m:g}", pixel=f"{run.resolution_m:g}")
    return max(1, round(options.spacing_m / run.resolution_m))


def _columns(points: gpd.GeoDataFrame, ids: list[str]) -> dict[str, Any]:
    """The columns of the plots table, empty but for where the plots are."""
    n = len(points)
    known: dict[str, NDArray[Any]] = {
        "plot_id": np.array(ids, dtype=object),
        "lon": points["lon"].to_numpy(),
        "lat": points["lat"].to_numpy(),
        "zone_id": points["zone_id"].to_numpy(dtype=object),
        "simulated": np.zeros(n, dtype=bool),
    }
    schema = SCHEMAS["plots"]
    columns = {
        column.name: known.get(column.name, empty(_FILLED_IN.get(column.kind, "text"), n)) for column in schema.columns
    }
    return {**columns, "crew": empty("text", n), "note": empty("text", n)}


def _kml(run: Run, points: gpd.GeoDataFrame, ids: list[str]) -> bytes:
    names = zone_names(run)
    placemarks = []
    for name, lon, lat, zone in zip(ids, points["lon"], points["lat"], points["zone_id"], strict=True):
        about = both("sample.kml_plot", plot=name, place=names[zone], lon=f"{lon:.6f}", lat=f"{lat:.6f}")
        placemarks.append(Placemark(name, folder_name(names[zone]), about, lon, lat))
    aoi = run.spec.aoi
    title = both("sample.kml_title_plots", " ", place={"zh": aoi.name_zh, "en": aoi.name_en}, year=run.spec.year)
    return kml(title, both("sample.kml_about_plots", count=len(points)), placemarks)


def _readme(run: Run, folder: Path, seed: int, options: PlotOptions, told: Message) -> str:
    plots = quoted(path_in_config(folder / f"{LAYER}.gpkg", run.config.base))
    return both("sample.readme_plots", "\n\n---\n\n", drawn=told, seed=seed, plots=plots, design=options.design) + "\n"
