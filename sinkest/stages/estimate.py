"""Stage estimate: the tidy table, the account, the verdicts, and what a reader needs to judge them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray

from sinkest.account.conversion import load_coefficients
from sinkest.account.cropland import cropland_balance, cropland_totals
from sinkest.account.definitions import definition
from sinkest.account.growth import Removals
from sinkest.account.scenarios import declared, scenario_table, widened
from sinkest.account.settling import with_settling
from sinkest.account.yearly import AccountOptions, AccountResult, carbon_account
from sinkest.errors import InputError
from sinkest.learn.places import grid_position
from sinkest.learn.scores import bias_by_bin
from sinkest.learn.table import notes
from sinkest.mapping.outline import outline
from sinkest.messages import Message
from sinkest.runstore import content_key, pretty_json, write_bytes
from sinkest.stages import inference, mapping, previous, response, train
from sinkest.stages.checks import check_estimates
from sinkest.stages.context import Run
from sinkest.stages.greening import gains
from sinkest.stages.inference import CITY, Areas, Frame, Stock
from sinkest.stages.tables import read_run_reference, read_run_sites, read_run_strata
from sinkest.stages.treatments import read_run_treatments, treated
from sinkest.targets import Target, assess, read_targets, remarks, trajectory

NAME = "estimate"
TABLES = (
    "estimates",
    "targets",
    "trajectory",
    "factors",
    "shares",
    "stock_detail",
    "sink_detail",
    "wetland",
    "wetland_sensitivity",
    "wetland_restoration",
    "conversion_sets",
    "uncertainty",
    "gain_loss",
    "cropland",
    "scenarios",
    "treatments",
)
OPTIONAL_TABLES = ("scenarios", "wetland_sensitivity", "wetland_restoration", "gain_loss", "cropland")
"""Written only where there is something in them."""
DAYS_A_YEAR = 365.25
SCENARIO_STREAM = 1
"""Keeps the draws of the scenarios apart from the account's."""


def parts(run: Run) -> dict[str, Any]:
    """What the estimates depend on."""
    spec = run.spec
    return {
        **run.base_parts,
        "map": run.key_of(mapping.NAME),
        "estimate": spec.estimate.model_dump(mode="json"),
        "account": spec.account.model_dump(mode="json"),
        "wetland": spec.wetland.model_dump(mode="json"),
        "cropland": spec.cropland.model_dump(mode="json"),
        "previous_run": previous.key(run),
        "targets": spec.targets.model_dump(mode="json") if spec.targets else None,
        "restoration": spec.restoration.model_dump(mode="json"),
        "scenarios": [item.model_dump(mode="json") for item in spec.scenarios],
        "files": {
            name: run.file_hash(value)
            for name, value in {
                "reference": spec.estimate.reference,
                "strata": spec.estimate.strata,
                "sites": spec.wetland.sites,
                "cropland": spec.cropland.table,
                "treatments": spec.restoration.treatments,
                "targets": spec.targets.path if spec.targets else None,
            }.items()
        },
    }


def work(run: Run, folder: Path) -> None:
    """Estimate everything the run has the data for, and say what it has not."""
    run.progress.begin(NAME, 4)
    book = _Book(run)
    sums = mapping.read_sums(run.store.folder(mapping.NAME))
    areas = _areas(run, book, sums)
    run.progress.advance(1)
    stocks = _stock(run, book, sums, areas)
    if run.spec.land_cover is None:
        _response(run, book, sums)
    run.progress.advance(1)
    account = _account(run, book, sums, areas, stocks)
    cropland = _cropland(run, book)
    treatments = _treated(run, book)
    run.progress.advance(1)
    estimates = inference.tidy(book.rows)
    if account is not None:
        estimates = pd.concat([estimates, account.rows[list(inference.COLUMNS)]], ignore_index=True)
    # Field data that a later step has read may be what makes earlier rows simulated.
    estimates["simulated"] |= book.frame.simulated
    check_estimates(estimates, book.frame, run.zones.area_m2, sums)
    tables = {"estimates": estimates, **_judged(run, book, estimates)}
    if account is not None:
        tables |= {
            "factors": account.factors_used,
            "shares": account.shares,
            "stock_detail": account.stock_detail,
            "sink_detail": account.sink_detail,
            "wetland": account.wetland,
            "wetland_sensitivity": account.wetland_sensitivity,
            "wetland_restoration": account.wetland_restoration,
            "conversion_sets": account.conversion_sets,
            "uncertainty": account.uncertainty,
            "gain_loss": account.gain_loss,
        }
        book.notes += account.notes
    if cropland is not None:
        tables |= {"cropland": cropland}
    if treatments is not None:
        tables |= {"treatments": treatments}
    tables = {name: table for name, table in tables.items() if len(table) or name not in OPTIONAL_TABLES}
    _write(run, folder, book, tables, areas, stocks)
    run.progress.advance(1)
    run.progress.end(NAME)


class _Book:
    """Rows and notes as they come in."""

    def __init__(self, run: Run) -> None:
        spec = run.spec
        area = dict(zip(run.zones.ids, (run.zones.frame["area_m2"] / 1e4).tolist(), strict=True))
        self.frame = Frame(
            year=spec.year,
            level=spec.estimate.level,
            definition_id=spec.forest.definition if spec.forest else "",
            simulated=bool(run.source.simulated or train.learned_from_simulated(run)),
            zone_area_ha=area,
        )
        self.earlier = previous.read_earlier(run)
        if self.earlier is not None and self.earlier.simulated:
            self.frame = dataclasses.replace(self.frame, simulated=True)
        self.rows: list[dict[str, Any]] = []
        self.notes: list[Message] = list(run.zones.notes)

    def say(self, key: str, **fields: Any) -> None:
        """Keep something that the reader must know."""
        self.notes.append(Message.of(key, **fields))

    def mark(self, table: pd.DataFrame) -> None:
        """Let simulated field data mark everything that follows."""
        if "simulated" in table and bool(table["simulated"].any()):
            self.frame = dataclasses.replace(self.frame, simulated=True)


# -- areas ----------------------------------------------------------------------------------------------------------


def _areas(run: Run, book: _Book, sums: Mapping[str, pd.DataFrame]) -> Areas | None:
    spec = run.spec
    if spec.land_cover is None or spec.forest is None:
        return None
    check_definition(run)
    _pixel_areas(run, book, sums)
    if spec.estimate.reference is None:
        book.rows.append(_declined(book.frame, "forest_coverage", "%", "stages.no_reference"))
        book.say("stages.no_reference")
        return None
    strata = read_run_strata(run)
    reference = _reference(run)
    book.mark(reference)
    labelled = spec.estimate.labelled_under
    if labelled is None:
        book.say("stages.not_labelled")
    frame = dataclasses.replace(book.frame, definition_id=labelled or "tree_cover")
    found = inference.areas(
        frame,
        reference,
        strata,
        [item.id for item in spec.land_cover.classes],
        spec.forest.forest_classes,
        spec.forest.arbor_classes,
        spec.forest.tree_cover_classes,
        spec.estimate.min_plots,
        _other_oil_tea(frame.definition_id, spec.forest.forest_classes, [item.id for item in spec.land_cover.classes]),
    )
    if not definition(frame.definition_id).coverage:
        found = dataclasses.replace(found, rows=[_without_coverage(row) for row in found.rows])
    book.rows += found.rows
    book.notes += found.accuracy.notes
    if book.earlier is not None:
        rows = previous.change_rows(frame, book.earlier, found.rows, "forest_area", "forest_area_change", "ha/yr")
        book.rows += rows
        if not rows:
            book.say("stages.previous_definition", definition=frame.definition_id)
    return found


def _other_oil_tea(
    definition_id: str, forest: Sequence[str], classes: Sequence[str]
) -> list[tuple[str, list[str], str]]:
    """Coverage under the same rule with the other treatment of oil tea, where the rule has such a counterpart."""
    rule = definition(definition_id)
    if rule.oil_tea_counterpart is None or set(rule.classes) != set(forest):
        return []
    other = definition(rule.oil_tea_counterpart)
    if not set(other.classes) <= set(classes):
        return []
    name = "coverage_with_oil_tea" if other.oil_tea == "counted" else "coverage_without_oil_tea"
    return [(name, list(other.classes), other.id)]


def _without_coverage(row: Mapping[str, Any]) -> dict[str, Any]:
    """Decline forest coverage where the points were not labelled under a rule of forest: it is tree cover."""
    if row["quantity"] != "forest_coverage":
        return dict(row)
    blank = dict.fromkeys(("value", "se", "low", "high"), math.nan)
    return {**row, **blank, "status": "declined", "note": "stages.not_labelled_row"}


def check_definition(run: Run) -> None:
    """Refuse a definition of coverage whose classes are not the ones the configuration counts.

    Raises
    ------
    InputError
        If the definition is unknown, or its classes differ from ``forest.forest_classes``.
    """
    forest = run.spec.forest
    if forest is None:
        return
    rule = definition(forest.definition)
    if rule.coverage and rule.classes and set(rule.classes) != set(forest.forest_classes):
        raise InputError(
            "stages.definition_classes",
            definition=forest.definition,
            expected=", ".join(sorted(rule.classes)),
            given=", ".join(sorted(forest.forest_classes)),
        )


def _pixel_areas(run: Run, book: _Book, sums: Mapping[str, pd.DataFrame]) -> None:
    """Sums of pixels, labelled as such: they carry the map's errors and no interval."""
    for item in run.spec.land_cover.classes if run.spec.land_cover else ():
        area = float(sums["class_m2"].get(item.code, pd.Series(dtype=float)).sum()) / 1e4
        name = f"pixel_class_area:{item.id}"
        book.rows.append(book.frame.row(name, CITY, "ha", area, method="pixel_sum", status="map_only"))
    forest = sums["forest_m2"].sum(axis=1) / 1e4
    for zone, value in [(CITY, float(forest.sum())), *((zone, float(forest.get(zone, 0.0))) for zone in run.zones.ids)]:
        book.rows.append(book.frame.row("pixel_forest_area", zone, "ha", value, method="pixel_sum", status="map_only"))
    blank = float(sums["class_m2"].get(0, pd.Series(dtype=float)).sum()) / 1e4
    if blank > 0:
        share = 100.0 * blank / book.frame.total_ha
        book.say("stages.blank_map", area=f"{blank:,.0f}", share=f"{share:.2f}")


def _declined(frame: Frame, quantity: str, unit: str, note: str) -> dict[str, Any]:
    return frame.row(quantity, CITY, unit, math.nan, status="declined", note=note)


def _reference(run: Run) -> gpd.GeoDataFrame:
    """Reference points with their zone and the class the map gives them."""
    points = read_run_reference(run)
    for message in notes(points):
        run.progress.say(message)
    cover = run.spec.land_cover
    names = {item.code: item.id for item in cover.classes} if cover else {}
    return points.assign(map_class=[names.get(int(code), "no_data") for code in classes_at(run, points)])


def classes_at(run: Run, points: pd.DataFrame, name: str = "land_cover") -> NDArray[np.uint8]:
    """Codes of a class map at points, uint8 (n,); 0 where there is no data."""
    row, col, _ = grid_position(run.grid, points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    with rasterio.open(run.store.folder(mapping.NAME) / f"{name}.tif") as source:
        values = source.read(1)
    inside = (row >= 0) & (col >= 0)
    codes = np.zeros(len(points), dtype=np.uint8)
    codes[inside] = values[row[inside], col[inside]]
    return codes


# -- growing stock --------------------------------------------------------------------------------------------------


def _stock(run: Run, book: _Book, sums: Mapping[str, pd.DataFrame], areas: Areas | None) -> Stock | None:
    spec = run.spec
    if spec.stock is None or spec.land_cover is None or spec.forest is None:
        return None
    total = sums["stock_sum"].sum(axis=1) / 1e4
    for zone, value in [(CITY, float(total.sum())), *((zone, float(total.get(zone, 0.0))) for zone in run.zones.ids)]:
        book.rows.append(
            book.frame.row("pixel_growing_stock", zone, "m3", value, method="pixel_sum", status="map_only")
        )
    if spec.stock.design == "purposive":
        book.rows.append(_declined(book.frame, "growing_stock", "m3", "stages.purposive"))
        book.say("stages.purposive")
        return None
    plots = train.read_run_plots(run)
    book.mark(plots)
    plots = _with_years(_measured_twice(run, book, plots))
    predicted, means = assisting(run, plots, sums)
    found = inference.stock(
        book.frame, plots, predicted, means, spec.forest.arbor_classes, spec.stock.design, spec.estimate.min_plots
    )
    book.rows += found.rows
    book.notes += found.total.city.notes
    if found.change is None and book.earlier is not None and areas is not None:
        found = _since_earlier(book, book.earlier, found, areas)
    if found.change is None:
        book.say("stages.no_remeasurement")
    if areas is not None and "arbor" in areas.groups:
        book.rows += inference.stock_per_ha(book.frame, found.total, areas.groups["arbor"])
    return found


def _measured_twice(run: Run, book: _Book, plots: gpd.GeoDataFrame) -> pd.DataFrame:
    """Plots with their earlier measurement: of the earlier run where one is named, else of their own table."""
    earlier = book.earlier
    if earlier is None:
        return plots
    known = previous.measured_before(earlier, plots, str(run.grid.crs))
    if known is not None:
        book.say("stages.previous_plots", plots=len(plots), year=earlier.year)
        return known
    book.say("stages.previous_apart", shared=previous.shared_plots(earlier, plots), plots=len(plots), year=earlier.year)
    return plots.drop(columns=["previous_date", "previous_volume_m3_ha"], errors="ignore")


def _since_earlier(book: _Book, earlier: previous.Earlier, found: Stock, areas: Areas) -> Stock:
    """The change between the two runs' estimates."""
    definition_id = areas.rows[0]["definition_id"]
    rows = previous.change_rows(book.frame, earlier, found.rows, "growing_stock", "stock_change", "m3/yr")
    if not rows:
        return found
    book.rows += rows
    table = previous.change_by_type(book.frame, earlier, found.by_type, areas.by_class, definition_id)
    return dataclasses.replace(found, change=table)


def _response(run: Run, book: _Book, sums: Mapping[str, pd.DataFrame]) -> None:
    """Mean of a response that is mapped everywhere, without land cover."""
    plots = pd.read_csv(run.store.folder(train.NAME) / train.PLOTS, dtype={"plot_id": str, "zone_id": str})
    book.mark(plots)
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


# -- account and targets --------------------------------------------------------------------------------------------


def _account(
    run: Run, book: _Book, sums: Mapping[str, pd.DataFrame], areas: Areas | None, stocks: Stock | None
) -> AccountResult | None:
    spec = run.spec
    if stocks is None or areas is None:
        if spec.land_cover is not None and spec.stock is not None:
            book.say("stages.no_account")
        return None
    by_class = areas.by_class
    arbor = by_class.rename(columns={"class": "type", "se": "area_se"})
    table = stocks.by_type.merge(arbor, on=["zone", "type"], how="left", validate="one_to_one")
    sites = None
    if spec.wetland.sites is not None:
        sites = read_run_sites(run)
        sites = pd.DataFrame(sites.rename(columns={"zone_id": "zone"}).drop(columns="geometry"))
        book.mark(sites)
    account = spec.account
    kinds = spec.wetland.classes
    removals = account.removals_m3_yr
    options = AccountOptions(
        year=spec.year,
        definition_id=book.frame.definition_id,
        conversion_set=account.conversion_set,
        ensemble=dict(account.ensemble) or None,
        type_map=dict(account.forest_types),
        bamboo_class=account.bamboo_class,
        oil_tea_class=account.oil_tea_class,
        shrub_class=account.shrub_class,
        bamboo_culms_per_ha=account.bamboo_culms_per_ha,
        water_classes=tuple(name for name, kind in kinds.items() if kind == "water"),
        marsh_classes=tuple(name for name, kind in kinds.items() if kind == "marsh"),
        gwp_set=spec.wetland.gwp_set,
        removals=None if removals is None else Removals(removals, account.removals_se_m3_yr),
        stand_ages=dict(account.stand_ages),
        accept_provisional=account.accept_provisional,
        level=spec.estimate.level,
        draws=account.draws,
        simulated=book.frame.simulated,
    )
    rng = np.random.default_rng([spec.seed, spec.year])
    return carbon_account(table, by_class, stocks.change, sites, options, rng=rng)


def _cropland(run: Run, book: _Book) -> pd.DataFrame | None:
    """Soil and methane of the fields a table names; None where none is named."""
    spec = run.spec
    if spec.cropland.table is None:
        return None
    coefficients = load_coefficients()
    path = run.config.file(spec.cropland.table)
    table, factors = cropland_balance(coefficients, path, spec.year, spec.wetland.gwp_set)
    for quantity, (value, unit) in cropland_totals(table).items():
        about: dict[str, Any] = {"method": "ipcc_2_25", "definition_id": "", "note": "account.note_cropland"}
        book.rows.append(book.frame.row(quantity, CITY, unit, value, **about))
    used = ", ".join(f"{factor.parameter}/{factor.type_id} {factor.value:g}" for factor in factors)
    book.say("account.cropland_scope", factors=used)
    return table


def _treated(run: Run, book: _Book) -> pd.DataFrame | None:
    """Areas of the treatment polygons; None where none are named."""
    polygons = read_run_treatments(run)
    if polygons is None:
        return None
    book.mark(polygons)
    rows, table, told = treated(polygons, run.zones, book.frame)
    grown, said = gains(run, polygons, book.frame, book.earlier)
    book.rows += rows + grown
    book.notes += told + said
    return table


def _judged(run: Run, book: _Book, estimates: pd.DataFrame) -> dict[str, pd.DataFrame]:
    section = run.spec.targets
    if section is None:
        return {}
    targets = read_targets(run.config.file(section.path))
    book.notes += remarks(targets)
    band = {"forest_coverage": section.coverage_band_pp} if section.coverage_band_pp is not None else None
    assessed = assess(estimates, targets, run.spec.year, half_width=band)
    return {
        "targets": with_settling(assessed, estimates),
        "trajectory": trajectory(targets, estimates, run.spec.year),
        "scenarios": _ahead(run, book, estimates, targets),
    }


def _ahead(run: Run, book: _Book, estimates: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """The declared scenarios, carried to the last target's year."""
    spec = run.spec
    scenarios = [declared(item.model_dump()) for item in spec.scenarios]
    table = scenario_table(
        estimates,
        widened(targets, spec.targets.coverage_band_pp if spec.targets else None),
        scenarios,
        spec.year,
        book.frame.total_ha,
        spec.estimate.labelled_under or "",
        rng=np.random.default_rng([spec.seed, spec.year, SCENARIO_STREAM]),
        draws=spec.account.draws,
        level=spec.estimate.level,
    )
    if scenarios:
        book.say("scenario.scope" if len(table) else "scenario.nothing")
    return table


# -- output ---------------------------------------------------------------------------------------------------------


def _write(
    run: Run, folder: Path, book: _Book, tables: Mapping[str, pd.DataFrame], areas: Areas | None, stocks: Stock | None
) -> None:
    run_id = content_key(parts(run))[:12]
    about: dict[str, str | bool] = {
        "definition_id": book.frame.definition_id,
        "simulated": book.frame.simulated,
        "run_id": run_id,
    }
    for name, table in tables.items():
        marked = table.assign(**{column: value for column, value in about.items() if column not in table})
        write_bytes(folder / f"{name}.csv", marked.to_csv(index=False).encode("utf-8-sig"))
    parquet = tables["estimates"].assign(run_id=run_id).to_parquet(index=False)
    write_bytes(folder / "estimates.parquet", parquet)
    write_bytes(folder / "run.json", pretty_json(_about(run, book, run_id, stocks)))
    height, width = run.grid.shape
    rings = {item.zone_id: [ring.round(2).tolist() for ring in item.rings] for item in outline(run.zones, run.grid)}
    write_bytes(folder / "outlines.json", pretty_json({**about, "height": height, "width": width, "rings": rings}))
    write_bytes(folder / "accuracy.json", pretty_json({**about, **_accuracy(run, areas)}))


def _about(run: Run, book: _Book, run_id: str, stocks: Stock | None) -> dict[str, Any]:
    spec = run.spec
    frame = run.zones.frame
    return {
        "run_id": run_id,
        "name": spec.name,
        "year": spec.year,
        "area": {"zh": spec.aoi.name_zh, "en": spec.aoi.name_en},
        "simulated": book.frame.simulated,
        "definition_id": book.frame.definition_id,
        "zones": [
            {
                "zone_id": line["zone_id"],
                "name_zh": line["name_zh"],
                "name_en": line["name_en"],
                "area_ha": line["area_m2"] / 1e4,
            }
            for line in frame.drop(columns="geometry").to_dict("records")
        ],
        "legend": [item.model_dump() for item in spec.land_cover.classes] if spec.land_cover else [],
        "response": {"name": spec.stock.response, "unit": spec.stock.unit} if spec.stock else None,
        "source": run.source.describe(),
        "notes": [[note.key, dict(note.fields)] for note in book.notes],
        "relative_efficiency": stocks.relative_efficiency if stocks else None,
        "n_plots": stocks.total.city.n if stocks else None,
        "resolution_m": run.resolution_m,
        "shape": list(run.grid.shape),
        "crs": str(run.grid.crs),
    }


def _accuracy(run: Run, areas: Areas | None) -> dict[str, Any]:
    """What is known of the maps' quality."""
    found: dict[str, Any] = {"confusion": _confusion(areas) if areas else None, "models": {}}
    for card in train.cards(run):
        found["models"][card["kind"]] = card.get("cross_validation")
    plots = run.store.folder(train.NAME) / train.PLOTS
    if plots.is_file() and run.spec.stock is not None:
        table = pd.read_csv(plots, dtype={"plot_id": str})
        table = table[table["fold"] >= 0]
        observed, predicted = (table[name].to_numpy(dtype=float) for name in (run.spec.stock.response, "prediction"))
        if len(table):
            found["observed"], found["predicted"] = observed.tolist(), predicted.tolist()
            found["bias"] = bias_by_bin(observed, predicted).to_dict("records")
    return found


def _confusion(areas: Areas) -> dict[str, Any]:
    accuracy = areas.accuracy
    fields = ("users_accuracy", "users_accuracy_se", "producers_accuracy", "producers_accuracy_se")
    return {
        "classes": list(accuracy.classes),
        "counts": areas.counts.tolist(),
        "overall_accuracy": accuracy.overall_accuracy,
        "overall_accuracy_se": accuracy.overall_accuracy_se,
        "n": accuracy.n,
        **{name: _plain(getattr(accuracy, name)) for name in fields},
    }


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    """Numbers as a list, with None for NaN, which JSON does not know."""
    return [value if math.isfinite(value) else None for value in values.tolist()]
