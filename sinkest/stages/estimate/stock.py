"""Growing stock and its change of a run, or the mean of another response."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import pandas as pd

from sinkest.stages import inference, previous, response, train
from sinkest.stages.ages import age_groups
from sinkest.stages.context import Run
from sinkest.stages.estimate.book import Book
from sinkest.stages.estimate.maps import classes_at
from sinkest.stages.inference import CITY, Areas, Stock

DAYS_A_YEAR = 365.25


def read_stock(run: Run, book: Book, sums: Mapping[str, pd.DataFrame], areas: Areas | None) -> Stock | None:
    """Growing stock from the plots with the map beside them; None where the run has no plots of a sample."""
    spec = run.spec
    if spec.stock is None or spec.land_cover is None or spec.forest is None:
        return None
    total = sums["stock_sum"].sum(axis=1) / 1e4
    for zone, value in [(CITY, float(total.sum())), *((zone, float(total.get(zone, 0.0))) for zone in run.zones.ids)]:
        book.rows.append(
            book.frame.row("pixel_growing_stock", zone, "m3", value, method="pixel_sum", status="map_only")
        )
    if spec.stock.design == "purposive":
        book.decline("growing_stock", "m3", "stages.purposive")
        return None
    plots = train.read_run_plots(run)
    book.mark(plots)
    plots = _with_years(_measured_twice(run, book, plots))
    predicted, means = assisting(run, plots, sums)
    types = spec.forest.arbor_classes
    groups, told = age_groups(plots, spec.stock.age_limits, types)
    if groups is not None:
        plots = plots.assign(stand_age=groups)
    book.notes += told
    found = inference.stock(
        book.frame,
        plots,
        predicted,
        means,
        types,
        spec.stock.design,
        spec.estimate.min_plots,
        areas.groups.get("arbor") if areas is not None else None,
    )
    book.rows += found.rows
    book.notes += [*found.total.city.notes, *found.notes]
    if found.change is None and book.earlier is not None and areas is not None:
        found = _since_earlier(book, book.earlier, found, areas)
    if found.change is None:
        book.say("stages.no_remeasurement")
    if areas is not None and "arbor" in areas.groups:
        book.rows += inference.stock_per_ha(book.frame, found.total, areas.groups["arbor"])
    return found


def _measured_twice(run: Run, book: Book, plots: gpd.GeoDataFrame) -> pd.DataFrame:
    """Plots with their earlier measurement: of the earlier run where one is named, else of their own table."""
    earlier = book.earlier
    if earlier is None:
        return plots
    known = previous.measured_before(earlier, plots)
    if known is not None:
        book.say("stages.previous_plots", plots=len(plots), year=earlier.year)
        return known
    book.say("stages.previous_apart", shared=previous.shared_plots(earlier, plots), plots=len(plots), year=earlier.year)
    return plots.drop(columns=["previous_date", "previous_volume_m3_ha"], errors="ignore")


def _since_earlier(book: Book, earlier: previous.Earlier, found: Stock, areas: Areas) -> Stock:
    """The change between the two runs' estimates."""
    definition_id = areas.rows[0]["definition_id"]
    rows = previous.change_rows(book.frame, earlier, found.rows, "growing_stock", "stock_change", "m3/yr")
    if not rows:
        return found
    book.rows += rows
    table = previous.change_by_type(book.frame, earlier, found.by_type, areas.by_class, definition_id)
    if table is None:
        book.say("stages.previous_no_areas", year=earlier.year)
        return found
    return dataclasses.replace(found, change=table)


def read_response(run: Run, book: Book, sums: Mapping[str, pd.DataFrame]) -> None:
    """Mean of a response that is mapped everywhere, without land cover."""
    plots = pd.read_csv(run.store.folder(train.NAME) / train.PLOTS, dtype={"plot_id": str, "zone_id": str})
    book.mark(plots)
    if train.from_lidar(plots):
        book.say("gedi.not_ground_truth")
    model = train.load_models(run)[1]
    if model is not None:
        book.rows += response.mean_rows(run, book.frame, plots, dict(sums), model)


def _with_years(plots: pd.DataFrame) -> pd.DataFrame:
    """Years between the two measurements of each plot."""
    if "previous_date" not in plots or plots["previous_date"].isna().any():
        return plots.drop(columns=["previous_volume_m3_ha"], errors="ignore")
    days = (pd.to_datetime(plots["date"]) - pd.to_datetime(plots["previous_date"])).dt.days
    return plots.assign(years=days.to_numpy() / DAYS_A_YEAR)


def assisting(run: Run, plots: pd.DataFrame, sums: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the map says at the plots (held out) and on average over each zone, by mapped type, m3/ha of all land."""
    forest = run.spec.forest
    types = forest.arbor_classes if forest else ()
    held_out = pd.read_csv(run.store.folder(train.NAME) / train.PLOTS, dtype={"plot_id": str})
    prediction = held_out["prediction"].fillna(0.0).to_numpy()
    counted = classes_at(run, plots, "forest") == 2
    mapped = classes_at(run, plots)
    code = {name: run.config.codes([name])[0] for name in types}
    predicted = pd.DataFrame({name: np.where(counted & (mapped == code[name]), prediction, 0.0) for name in types})
    table = sums["stock_sum"]
    zones = list(run.zones.ids)
    area = (run.zones.frame["area_m2"]).to_numpy()
    means = pd.DataFrame(
        {
            name: table.get(code[name], pd.Series(dtype=float)).reindex(zones, fill_value=0.0).to_numpy() / area
            for name in types
        },
        index=zones,
    )
    return predicted, means
