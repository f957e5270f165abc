"""The estimates of a run as files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.aoi.record import grid_record
from sinkest.learn.scores import bias_by_bin
from sinkest.mapping.outline import outline
from sinkest.runstore import pretty_json, write_bytes
from sinkest.stages import train
from sinkest.stages.context import Run
from sinkest.stages.estimate.book import Book
from sinkest.stages.inference import Areas, Stock
from sinkest.tidy import ESTIMATES_FILE

Found = tuple[Areas | None, Stock | None]


def write_results(
    run: Run, folder: Path, key: str, book: Book, tables: Mapping[str, pd.DataFrame], found: Found
) -> None:
    """Write tables, outlines and what the report says of the run; ``key`` is the stage's."""
    run_id, (areas, stocks) = key[:12], found
    about: dict[str, str | bool] = {
        "definition_id": book.frame.definition_id,
        "simulated": book.frame.simulated,
        "run_id": run_id,
    }
    for name, table in tables.items():
        marked = table.assign(**{column: value for column, value in about.items() if column not in table})
        write_bytes(folder / f"{name}.csv", marked.to_csv(index=False).encode("utf-8-sig"))
    parquet = tables["estimates"].assign(run_id=run_id).to_parquet(index=False)
    write_bytes(folder / ESTIMATES_FILE, parquet)
    write_bytes(folder / "run.json", pretty_json(_about(run, book, run_id, stocks)))
    height, width = run.grid.shape
    rings = {item.zone_id: [ring.round(2).tolist() for ring in item.rings] for item in outline(run.zones, run.grid)}
    write_bytes(folder / "outlines.json", pretty_json({**about, "height": height, "width": width, "rings": rings}))
    write_bytes(folder / "accuracy.json", pretty_json({**about, **_accuracy(run, areas)}))


def _about(run: Run, book: Book, run_id: str, stocks: Stock | None) -> dict[str, Any]:
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
        **grid_record(run.grid),
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
