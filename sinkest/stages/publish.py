"""Stage report: page, workbook, document and overview, made from what the run folder holds and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from shapely import union_all

from sinkest.account.definitions import definition
from sinkest.config import ReportSection
from sinkest.mapping.style import COLORMAPS, TOP_PERCENTILE
from sinkest.messages import Message
from sinkest.report.data import WITHHELD, Accuracy, Confusion, Definition, LegendClass, MapLayer, ReportData
from sinkest.report.figures import overview_png
from sinkest.report.gis import report_geopackage, report_geoparquet
from sinkest.report.html import report_html
from sinkest.report.listings import detail_tables
from sinkest.report.names import map_title
from sinkest.report.notenames import named_notes
from sinkest.report.wetlandlayer import wetland_layer
from sinkest.report.word import report_docx
from sinkest.report.xlsx import report_xlsx
from sinkest.runstore import RunStore, code_version, read_json, write_bytes
from sinkest.stages import estimate, mapping, train
from sinkest.stages.catalogue import write_catalogue
from sinkest.stages.context import Run
from sinkest.tidy import read_estimates

NAME = "report"
PAGE = "report.html"

_CLASSES = ("land_cover", "forest", "applicability")
_SECTIONS = ("forest", "account")


def parts(run: Run) -> dict[str, Any]:
    """What the report depends on."""
    return {
        **run.base_parts,
        "estimate": run.key_of(estimate.NAME),
        "map": run.key_of(mapping.NAME),
        "train": run.key_of(train.NAME),
        "report": run.spec.report.model_dump(mode="json"),
    }


def work(run: Run, folder: Path) -> None:
    """Write the page, the workbook, the document, the overview, the county layers and the catalogue."""
    run.progress.begin(NAME, 5)
    data = report_data(run.store, run.spec.report)
    write_bytes(folder / PAGE, report_html(data).encode())
    run.progress.advance(1)
    write_bytes(folder / "workbook.xlsx", report_xlsx(data))
    run.progress.advance(1)
    write_bytes(folder / "report.docx", report_docx(data))
    run.progress.advance(1)
    write_bytes(folder / "overview.png", overview_png(data))
    run.progress.advance(1)
    zones = run.zones.frame
    write_bytes(folder / "counties.gpkg", report_geopackage(data, zones))
    write_bytes(folder / "counties.parquet", report_geoparquet(data, zones))
    write_catalogue(run.store, data, union_all(zones.geometry.to_numpy()), folder, NAME)
    run.progress.advance(1)
    run.progress.end(NAME)


def report_data(store: RunStore, settings: ReportSection | None = None, *, with_maps: bool = True) -> ReportData:
    """What a finished run has to say.

    Parameters
    ----------
    store : RunStore
        With its stages up to the estimates finished.
    settings : ReportSection, optional
        Titles, and how large the maps are.
    with_maps : bool
        Whether the maps are read too.

    Raises
    ------
    RunError
        If the run is not finished or its files are not as they were written.
    """
    settings = settings or ReportSection()
    folder = store.folder(estimate.NAME)
    about = read_json(folder / "run.json")
    estimates = read_estimates(folder).drop(columns="run_id")
    rule = definition(about["definition_id"]) if about["definition_id"] else None
    accuracy = read_json(folder / "accuracy.json")
    factors = _table(folder, "factors")
    legend = tuple(LegendClass(**item) for item in about["legend"])
    response = about["response"] or {"name": "volume_m3_ha", "unit": "m3/ha"}
    maps = _maps(store, legend, settings.map_pixels, response["name"]) if with_maps else ()
    data = ReportData(
        run_id=about["run_id"],
        name=about["name"],
        year=about["year"],
        city_zh=about["area"]["zh"],
        city_en=about["area"]["en"],
        simulated=about["simulated"],
        provisional=bool((estimates["provisional"] & (estimates["status"] != WITHHELD)).any()),
        definition=Definition(
            id=rule.id if rule else "",
            name_zh=rule.name_zh if rule else "",
            name_en=rule.name_en if rule else "",
            text_zh=rule.text_zh if rule else "",
            text_en=rule.text_en if rule else "",
        ),
        zones=pd.DataFrame(about["zones"]),
        estimates=estimates,
        targets=_table(folder, "targets"),
        trajectory=_table(folder, "trajectory"),
        accuracy=_accuracy(accuracy, about),
        legend=legend,
        maps=maps,
        outlines=_outlines(folder, maps),
        pixel_size_m=about["resolution_m"] * about["shape"][0] / maps[0].array.shape[0] if maps else None,
        factors_used=factors,
        provenance=_provenance(store, about),
        notes=tuple(Message.of(key, **fields) for key, fields in about["notes"]),
        relative_efficiency=about["relative_efficiency"],
        n_plots=about["n_plots"],
        n_reference=(accuracy["confusion"] or {}).get("n"),
        variance_shares=_city_shares(_table(folder, "shares")),
        response=response["name"],
        response_unit=response["unit"],
        details=detail_tables(lambda name: _table(folder, name)),
        roles=_roles(store),
        title_zh=settings.title_zh,
        title_en=settings.title_en,
    )
    return replace(data, notes=named_notes(data))


def _table(folder: Path, name: str) -> pd.DataFrame | None:
    path = folder / f"{name}.csv"
    if not path.is_file():
        return None
    return pd.read_csv(path, dtype={"zone": str, "code": str}, encoding="utf-8-sig").drop(columns="run_id")


def _roles(store: RunStore) -> dict[str, tuple[str, ...]]:
    """Land-cover classes by what they are in the survey, as the run was sealed."""
    seals = [store.seal(stage) for stage in (mapping.NAME, estimate.NAME)]
    forest, account = (
        (seal or {"parts": {}})["parts"].get(key) or {} for seal, key in zip(seals, _SECTIONS, strict=True)
    )
    found = {name: tuple(forest.get(f"{name}_classes", ())) for name in ("forest", "arbor")}
    single = {name: account.get(f"{name}_class") for name in ("bamboo", "oil_tea", "shrub")}
    return found | {name: (value,) for name, value in single.items() if value}


def _city_shares(table: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if table is None else table[table["zone"] == "all"]


def _accuracy(found: Mapping[str, Any], about: Mapping[str, Any]) -> Accuracy:
    pairs = {name: np.array(found[name]) for name in ("observed", "predicted") if name in found}
    return Accuracy(
        confusion=_confusion(found["confusion"]) if found["confusion"] else None,
        cv=_cross_validation(found["models"], about),
        bias=pd.DataFrame(found["bias"]) if found.get("bias") else None,
        observed=pairs.get("observed"),
        predicted=pairs.get("predicted"),
    )


def _confusion(found: Mapping[str, Any]) -> Confusion:
    def numbers(name: str) -> NDArray[np.float64]:
        return np.array([math.nan if value is None else value for value in found[name]], dtype=float)

    return Confusion(
        class_ids=tuple(found["classes"]),
        counts=np.array(found["counts"]),
        users=numbers("users_accuracy"),
        users_se=numbers("users_accuracy_se"),
        producers=numbers("producers_accuracy"),
        producers_se=numbers("producers_accuracy_se"),
        overall=found["overall_accuracy"],
        overall_se=found["overall_accuracy_se"],
        n=found["n"],
    )


def _cross_validation(models: Mapping[str, Any], about: Mapping[str, Any]) -> pd.DataFrame | None:
    """Scores of the models, held out by blocks and at random."""
    wanted = {
        "classification": ("land_cover", {"overall": ("overall_accuracy", "1")}),
        "regression": ("stock", {"r2": ("r2", "1"), "rmse": ("rmse", ""), "bias": ("bias", "")}),
    }
    rows = []
    for kind, (model, metrics) in wanted.items():
        if not models.get(kind):
            continue
        for scheme, part in (("spatial", "held_out"), ("random", "random")):
            scores = models[kind][part]["scores"]
            unit = (about["response"] or {}).get("unit", "")
            rows += [
                {"model": model, "scheme": scheme, "metric": metric, "value": scores[name], "unit": own or unit}
                for name, (metric, own) in metrics.items()
            ]
    return pd.DataFrame(rows, columns=["model", "scheme", "metric", "value", "unit"]) if rows else None


# -- maps -----------------------------------------------------------------------------------------------------------


def _maps(store: RunStore, legend: tuple[LegendClass, ...], longest: int, response: str) -> tuple[MapLayer, ...]:
    folder = store.folder(mapping.NAME)
    layers = []
    for name in ("land_cover", "forest", "stock", "stock_sd", "applicability", "looks"):
        path = folder / f"{name}.tif"
        if not path.is_file():
            continue
        title = map_title(name, response)
        if name in _CLASSES:
            layers.append(_class_layer(path, name, title, legend, longest))
            wetlands = wetland_layer(layers[-1], _wetland_classes(store)) if name == "land_cover" else None
            layers += [] if wetlands is None else [wetlands]
        else:
            layers.append(_value_layer(path, name, title, longest))
    return tuple(layers)


def _wetland_classes(store: RunStore) -> tuple[str, ...]:
    """Land-cover classes that count as wetland, as the estimates were sealed."""
    seal = store.seal(estimate.NAME) or {"parts": {}}
    return tuple((seal["parts"].get("wetland") or {}).get("classes") or ())


def _reduced(source: rasterio.io.DatasetReader, longest: int, resampling: Resampling) -> np.ma.MaskedArray[Any, Any]:
    factor = max(1.0, max(source.shape) / longest)
    shape = (max(1, round(source.height / factor)), max(1, round(source.width / factor)))
    return source.read(1, out_shape=shape, resampling=resampling, masked=True)


def _class_layer(path: Path, name: str, title: Message, legend: tuple[LegendClass, ...], longest: int) -> MapLayer:
    with rasterio.open(path) as source:
        array = _reduced(source, longest, Resampling.nearest).filled(0)
        shown = legend if name == "land_cover" else _file_legend(source)
    return MapLayer(name, title, "classes", array.astype(np.uint8), legend=shown)


def _file_legend(source: rasterio.io.DatasetReader) -> tuple[LegendClass, ...]:
    """Classes as the file itself names and colours them."""
    colours = source.colormap(1)
    found = []
    for key, value in sorted(source.tags(1).items()):
        if key.startswith("CLASS_"):
            code = int(key.removeprefix("CLASS_"))
            english, chinese = value.split(" | ")
            red, green, blue, _ = colours[code]
            found.append(LegendClass(code, f"class_{code}", chinese, english, f"#{red:02x}{green:02x}{blue:02x}"))
    return tuple(found)


def _value_layer(path: Path, name: str, title: Message, longest: int) -> MapLayer:
    with rasterio.open(path) as source:
        resampling = Resampling.nearest if source.dtypes[0] == "uint8" else Resampling.average
        reduced = _reduced(source, longest, resampling)
        array = np.where(np.ma.getmaskarray(reduced), np.nan, reduced.data).astype(np.float32)
        unit = source.units[0] or ""
    known = array[np.isfinite(array)]
    top = float(np.percentile(known, TOP_PERCENTILE)) if known.size else 1.0
    high, colours = max(top, 1.0), COLORMAPS[name]
    return MapLayer(name, title, "continuous", array, vmin=0.0, vmax=high, unit=unit, colormap=colours)


def _outlines(folder: Path, maps: tuple[MapLayer, ...]) -> dict[str, list[NDArray[np.float64]]]:
    if not maps:
        return {}
    found = read_json(folder / "outlines.json")
    height, width = maps[0].array.shape
    scale = np.array([width / found["width"], height / found["height"]])
    return {zone: [np.array(ring) * scale for ring in rings] for zone, rings in found["rings"].items()}


# -- provenance -----------------------------------------------------------------------------------------------------


def _provenance(store: RunStore, about: Mapping[str, Any]) -> dict[str, Any]:
    inputs: list[dict[str, str]] = []
    for stage in ("compose", train.NAME, estimate.NAME):
        seal = store.seal(stage)
        given = dict(seal["parts"]) if seal else {}
        files = {**given.get("files", {}), **given.get("models", {})}
        named = {name: given.get(name) for name in ("aoi_file", "labels", "plots")}
        inputs += [{"name": name, "sha256": digest} for name, digest in {**files, **named}.items() if digest]
    models = []
    for kind in (train.LAND_COVER, train.STOCK):
        card = store.folder(train.NAME) / train.MODELS / kind / "card.json"
        if card.is_file():
            content = read_json(card)
            models.append({"name": content["name"], "kind": content["kind"], "n": content["training"]["n"]})
    versions = {"sinkest": code_version()["version"], "code_sha256": code_version()["code_sha256"]}
    return {"versions": versions, "inputs": inputs, "source": about["source"], "models": models}
