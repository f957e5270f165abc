"""Stage estimate: the tidy table, the account, the verdicts, and what a reader needs to judge them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from sinkest.messages import Message
from sinkest.runstore import content_key, read_json
from sinkest.stages import compose, mapping, previous
from sinkest.stages.checks import check_estimates
from sinkest.stages.context import Run
from sinkest.stages.estimate.account import read_account, read_cropland, read_surveyed, read_treated, read_watched
from sinkest.stages.estimate.ahead import judged
from sinkest.stages.estimate.areas import read_areas
from sinkest.stages.estimate.book import Book
from sinkest.stages.estimate.output import write_results
from sinkest.stages.estimate.stock import read_response, read_stock
from sinkest.stages.selfchecks import check_maps, check_table
from sinkest.tidy import COLUMNS, tidy

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
    "land_use",
    "wetland_sites",
)
OPTIONAL_TABLES = ("scenarios", "wetland_sensitivity", "wetland_restoration", "gain_loss", "cropland", "wetland_sites")
"""Written only where there is something in them."""


def parts(run: Run) -> dict[str, Any]:
    """What the estimates depend on."""
    spec = run.spec
    return {
        **run.base_parts,
        "compose": run.key_of(compose.NAME),  # sites and treatments are looked at in its file, where one is kept
        "map": run.key_of(mapping.NAME),
        "estimate": spec.estimate.model_dump(mode="json"),
        "account": spec.account.model_dump(mode="json"),
        "wetland": spec.wetland.model_dump(mode="json"),
        "cropland": spec.cropland.model_dump(mode="json"),
        "previous_run": previous.key(run),
        "targets": spec.targets.model_dump(mode="json") if spec.targets else None,
        "land_use": spec.land_use.model_dump(mode="json") if spec.land_use else None,
        "restoration": spec.restoration.model_dump(mode="json"),
        "scenarios": [item.model_dump(mode="json") for item in spec.scenarios],
        "files": {
            name: run.file_hash(value)
            for name, value in {
                "reference": spec.estimate.reference,
                "strata": spec.estimate.strata,
                "sites": spec.wetland.sites,
                "outlines": spec.wetland.outlines,
                "cropland": spec.cropland.table,
                "treatments": spec.restoration.treatments,
                "land_use": spec.land_use.polygons if spec.land_use else None,
                "targets": spec.targets.path if spec.targets else None,
            }.items()
        },
    }


def work(run: Run, folder: Path) -> None:
    """Estimate everything the run has the data for, and say what it has not."""
    run.progress.begin(NAME, 4)
    book = Book(run)
    book.notes += _gaps(run)
    sums = mapping.read_sums(run.store.folder(mapping.NAME))
    areas = read_areas(run, book, sums)
    run.progress.advance(1)
    stocks = read_stock(run, book, sums, areas)
    if run.spec.land_cover is None:
        read_response(run, book, sums)
    run.progress.advance(1)
    account = read_account(run, book, sums, areas, stocks)
    cropland = read_cropland(run, book)
    treatments = read_treated(run, book)
    surveyed = read_surveyed(run, book)
    sites = read_watched(run, book)
    run.progress.advance(1)
    estimates = tidy(book.rows)
    if account is not None:
        estimates = pd.concat([estimates, account.rows[list(COLUMNS)]], ignore_index=True)
    # Field data that a later step has read may be what makes earlier rows simulated.
    estimates["simulated"] |= book.frame.simulated
    check_estimates(estimates, book.frame, run.zones.area_m2, sums)
    check_table(estimates, book.frame.zone_area_ha, run.spec.year)
    check_maps(run, run.store.folder(mapping.NAME), sums)
    tables = {"estimates": estimates, **judged(run, book, estimates)}
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
    found = {"cropland": cropland, "treatments": treatments, "land_use": surveyed, "wetland_sites": sites}
    tables |= {name: table for name, table in found.items() if table is not None}
    tables = {name: table for name, table in tables.items() if len(table) or name not in OPTIONAL_TABLES}
    write_results(run, folder, content_key(parts(run)), book, tables, (areas, stocks))
    run.progress.advance(1)
    run.progress.end(NAME)


def _gaps(run: Run) -> list[Message]:
    """Whether reads of imagery failed and were let pass: the reader of the numbers must know."""
    file = run.store.folder(compose.NAME) / compose.GAPS_FILE
    if not file.is_file():
        return []
    return [Message.of("stac.gaps", count=len(read_json(file)), file=f"{compose.NAME}/{compose.GAPS_FILE}")]
