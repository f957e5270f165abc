"""The field tables of a run: reading them, and what can be found wrong with them before any work begins."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from sinkest.account.sites import check_sites
from sinkest.errors import InputError
from sinkest.learn import artefact
from sinkest.learn.problems import Problems, marked
from sinkest.learn.table import ROW, notes, read_labels, read_reference, read_sites, read_strata
from sinkest.messages import Message
from sinkest.stages import train
from sinkest.stages.context import Run
from sinkest.stages.findings import Findings
from sinkest.stages.landuse import land_use_of
from sinkest.stages.sitewatch import outlines_of
from sinkest.stages.treatments import treatments_of

LEAST = 4
"""Observations that a model needs at least: some are held out."""
STRATA_TOLERANCE = 0.005
"""Share by which the strata of a zone may differ from its area."""


def read_run_reference(run: Run) -> gpd.GeoDataFrame:
    """The reference points of the run with the zone they lie in."""
    section = run.spec.estimate
    path = run.config.file(str(section.reference))
    points = read_reference(path, classes=train.class_names(run), datum=section.reference_datum)
    return train.with_zones(run, points, path)


def read_run_strata(run: Run) -> pd.DataFrame:
    """Areas of the strata of the reference points, zone by zone.

    Raises
    ------
    InputError
        If the configuration names no such table, or it is unusable.
    """
    name = run.spec.estimate.strata
    if name is None:
        raise InputError("stages.no_strata")
    return read_strata(run.config.file(name), by_zone=True)


def read_run_sites(run: Run) -> gpd.GeoDataFrame:
    """The wetland sites of the run with the zone they lie in."""
    path = run.config.file(str(run.spec.wetland.sites))
    return train.with_zones(run, read_sites(path), path)


def inspect(run: Run, findings: Findings, *, estimated: bool) -> None:
    """Read the field tables as the run would.

    Parameters
    ----------
    run : Run
    findings : Findings
        Gets facts and problems; each table is looked at, whatever is wrong with another.
    estimated : bool
        Whether the tables that only the estimates need are looked at too.
    """
    spec = run.spec
    if spec.land_cover is not None:
        _read(run, findings, "land_cover.labels", spec.land_cover.labels, _labels)
    if spec.stock is not None:
        _read(run, findings, "stock.plots", spec.stock.plots, _plots)
    if spec.land_cover is None or not estimated:
        return
    _read(run, findings, "estimate.reference", spec.estimate.reference, _reference)
    if spec.estimate.reference is not None:
        findings.attempt(partial(_strata, run, findings))
    _read(run, findings, "wetland.sites", spec.wetland.sites, _sites)
    if spec.wetland.outlines is not None:
        _read(run, findings, "wetland.outlines", spec.wetland.outlines, _outlines)
    if spec.land_use is not None:
        _read(run, findings, "land_use.polygons", spec.land_use.polygons, land_use_of)
    if spec.restoration.treatments is not None:
        _read(run, findings, "restoration.treatments", spec.restoration.treatments, treatments_of)


def _read(
    run: Run, findings: Findings, key: str, name: str | None, reader: Callable[[Run, Path], gpd.GeoDataFrame]
) -> None:
    """One table: its rows and what was done on the way in, or what is wrong with it."""
    if name is None:
        findings.facts.append(Message.of("check.no_table", key=key))
        return

    def look() -> None:
        path = run.config.file(name)
        table = reader(run, path)
        findings.tables[key] = (str(path), table)
        findings.facts.append(Message.of("check.table", key=key, file=path, rows=len(table)))
        findings.facts.extend(notes(table))

    findings.attempt(look)


def _labels(run: Run, path: Path) -> gpd.GeoDataFrame:
    cover = run.spec.land_cover
    if cover is None:
        raise InputError("stages.no_land_cover")
    labels = read_labels(path, classes=train.class_names(run), class_field=cover.class_field, grid=run.grid)
    if not artefact.is_trained(run.config.file(cover.model)):
        present = sorted(set(labels["land_cover"]))
        if len(present) < 2:
            raise InputError("inputs.one_class", file=path, column=cover.class_field, classes=", ".join(present))
        _enough(len(labels), path)
    return labels


def _plots(run: Run, path: Path) -> gpd.GeoDataFrame:
    plots = train.read_run_plots(run)
    _enough(int(train.learning_rows(run, plots).sum()), path)
    return plots


def _enough(count: int, path: Path) -> None:
    if count < LEAST:
        raise InputError("inputs.too_few", file=path, count=count, least=LEAST)


def _outlines(run: Run, path: Path) -> gpd.GeoDataFrame:
    if run.spec.wetland.sites is None:
        raise InputError("sitewatch.outlines_without_sites")
    return outlines_of(run, path, read_run_sites(run))


def _reference(run: Run, path: Path) -> gpd.GeoDataFrame:
    del path  # the run knows it
    return read_run_reference(run)


def _sites(run: Run, path: Path) -> gpd.GeoDataFrame:
    sites = read_run_sites(run)
    try:
        check_sites(pd.DataFrame(sites.drop(columns="geometry")), run.spec.year)
    except InputError as error:
        raise InputError("inputs.at", at=path, problem=error.message) from error
    return sites


# -- strata ---------------------------------------------------------------------------------------------------------


def _strata(run: Run, findings: Findings) -> None:
    """Strata against the zones, and the points against the strata."""
    strata = read_run_strata(run)
    path = run.config.file(str(run.spec.estimate.strata))
    findings.facts.append(Message.of("check.table", key="estimate.strata", file=path, rows=len(strata)))
    _known_zones(run, strata, path)
    _add_up(run, strata, path)
    if "estimate.reference" in findings.tables:
        file, reference = findings.tables["estimate.reference"]
        _known_strata(reference, strata, Path(file), path)


def _known_zones(run: Run, strata: pd.DataFrame, path: Path) -> None:
    problems = Problems(path, strata[ROW].to_numpy())
    known = ", ".join(run.zones.ids)
    for record in marked(~strata["zone_id"].isin(run.zones.ids)):
        given = strata["zone_id"].iloc[record]
        problems.at(record, "inputs.unknown_zone", column="zone_id", value=given, known=known)
    problems.raise_if_any()


def _add_up(run: Run, strata: pd.DataFrame, path: Path) -> None:
    areas = dict(zip(run.zones.ids, (run.zones.frame["area_m2"] / 1e4).tolist(), strict=True))
    for zone, area in areas.items():
        given = math.fsum(strata.loc[strata["zone_id"] == zone, "area_ha"])
        if abs(given - area) > STRATA_TOLERANCE * area:
            fields = {"given": f"{given:.1f}", "expected": f"{area:.1f}", "percent": 100 * STRATA_TOLERANCE}
            raise InputError("inputs.strata_area", file=path, zone=zone, **fields)


def _known_strata(reference: gpd.GeoDataFrame, strata: pd.DataFrame, points: Path, path: Path) -> None:
    """Every point's stratum needs an area, and every stratum with an area needs points."""
    names = list(dict.fromkeys(strata["stratum"]))
    problems = Problems(points, reference[ROW].to_numpy())
    for record in marked(~reference["stratum"].isin(names)):
        value = reference["stratum"].iloc[record]
        fields = {"column": "stratum", "value": value, "file": path.name, "known": ", ".join(names)}
        problems.at(record, "inputs.unknown_stratum", **fields)
    problems.raise_if_any()
    sampled = reference["stratum"].value_counts()
    empty = [name for name in names if name not in sampled.index]
    if empty:
        raise InputError("inputs.empty_strata", file=points, strata=", ".join(empty), path=path.name)
    if np.all(sampled.to_numpy() < 2):
        raise InputError("inputs.single_points", file=points)
