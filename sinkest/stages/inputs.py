"""What can be wrong with a run's inputs, found before any work begins: folder, place, imagery, models, settings.

``check`` shows all of it; ``run`` looks at what its stages need and refuses before the first of them begins.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from pyproj import CRS

from sinkest.account.conversion import TYPE_MAP, chosen_conversion, conversion, load_coefficients
from sinkest.account.cropland import cropland_balance
from sinkest.account.definitions import definition
from sinkest.account.wetland import gwp
from sinkest.config import LandCoverSection, StockSection
from sinkest.errors import ConfigError, InputError, RunError, SinkestError, SourceError
from sinkest.learn import artefact, recipes
from sinkest.learn.model import check_features
from sinkest.messages import Message
from sinkest.stages import geometry, tables, train
from sinkest.stages.context import Run
from sinkest.stages.estimate import check_definition
from sinkest.stages.findings import Findings
from sinkest.stages.landuse import land_use_rule
from sinkest.stages.previous import read_earlier
from sinkest.targets import read_targets

SHOWN_FILES = 3
USUAL_VOLUME_M3_HA = 70.0
"""Any volume serves to see whether a conversion covers a type."""


def inspect(run: Run, findings: Findings, until: str = "report") -> bool:
    """Look at everything that the stages up to ``until`` would use.

    Parameters
    ----------
    run : Run
    findings : Findings
        Gets facts and problems; each thing is looked at, whatever is wrong with another.
    until : str
        Last stage.

    Returns
    -------
    bool
        Whether the imagery can be read on the run's grid.
    """
    findings.attempt(lambda: _folder(run))
    placed = findings.attempt(lambda: _place(run, findings))
    if placed and until != "compose":
        tables.inspect(run, findings, estimated=until in {"estimate", "report"})
    readable = placed and findings.attempt(lambda: _imagery(run, findings))
    if until == "compose":
        return readable
    for key, kind, section in (
        (train.LAND_COVER, "classification", run.spec.land_cover),
        (train.STOCK, "regression", run.spec.stock),
    ):
        if section is not None:
            findings.attempt(partial(_model, run, findings, key, kind, section), at=f"{key}.model")
    if until in {"estimate", "report"}:
        _settings(run, findings, placed)
    return readable


# -- folder and place -----------------------------------------------------------------------------------------------


def _folder(run: Run) -> None:
    """The run's folder must be this configuration's own, and one that can be written to."""
    folder = run.store.root
    run.store.check_owner(run.config.path)
    place = existing(folder)
    if not place.is_dir():
        raise RunError("inputs.no_folder", folder=folder, file=place)
    if not os.access(place, os.W_OK | os.X_OK):
        raise RunError("inputs.read_only", folder=folder, place=place)


def existing(path: Path) -> Path:
    """The nearest folder or file above a path that is there."""
    while not path.exists():
        path = path.parent
    return path


def _place(run: Run, findings: Findings) -> None:
    height, width = run.grid.shape
    findings.facts += run.zones.notes
    findings.facts.append(
        Message.of(
            "check.place",
            zones=len(run.zones),
            area=f"{run.zones.area_m2 / 1e6:,.1f}",
            crs=_crs_name(run),
            width=width,
            height=height,
            resolution=f"{run.resolution_m:g}",
        )
    )


def _crs_name(run: Run) -> str:
    crs = CRS.from_user_input(str(run.grid.crs))
    code = crs.to_epsg()
    return f"EPSG:{code}" if code is not None else crs.name


# -- imagery --------------------------------------------------------------------------------------------------------


def _imagery(run: Run, findings: Findings) -> None:
    """Files, bands, indices and terrain; then the dates of each season."""
    source = run.source
    source.check_overlap(run.grid)
    if run.is_static:
        findings.facts.append(Message.of("check.layers", count=len(source.layers)))
        return
    features = run.spec.features
    if not run.cube.feature_names:
        raise ConfigError("inputs.no_features", file=run.config.path)
    for key, bands in (("features.bands", features.bands), ("features.radar_bands", features.radar_bands)):
        if bands:
            _check_bands(run, key, bands)
    if features.terrain and source.elevation(run.grid[:1, :1]) is None:
        raise SourceError("features.no_elevation", kind="missing", source=source.name)
    beside = source.files_beside(run.grid)
    if beside:
        shown = ", ".join(str(file) for file in beside[:SHOWN_FILES]) + (", ..." if len(beside) > SHOWN_FILES else "")
        findings.facts.append(Message.of("inputs.files_beside", count=len(beside), files=shown))
    _seasons(run, findings)
    geometry.inspect(run, findings)


def _check_bands(run: Run, key: str, bands: tuple[str, ...]) -> None:
    try:
        run.source.check_bands(bands)
    except InputError as error:
        raise InputError("inputs.at", at=key, problem=error.message) from error


def _seasons(run: Run, findings: Findings) -> None:
    radar_bands = run.spec.features.radar_bands
    for season, scenes in run.scenes().items():
        optical = [scene for scene in scenes if not scene.is_radar]
        radar = [scene for scene in scenes if scene.is_radar]
        periods = ", ".join(map(str, run.periods[season]))
        if run.spec.features.bands and not optical:
            raise InputError("check.no_scene", season=season, periods=periods)
        if radar_bands and not radar:
            raise InputError("inputs.no_radar", season=season, periods=periods, bands=", ".join(radar_bands))
        dates = [scene.time.date().isoformat() for scene in (optical or radar)]
        findings.facts.append(
            Message.of(
                "check.scenes",
                season=season,
                count=len(optical),
                radar=len(radar),
                first=dates[0] if dates else "-",
                last=dates[-1] if dates else "-",
            )
        )


# -- models ---------------------------------------------------------------------------------------------------------


def _model(run: Run, findings: Findings, key: str, kind: str, section: LandCoverSection | StockSection) -> None:
    """A recipe or a trained model: whole, of the right kind, and of features that the run has."""
    folder = run.config.file(section.model)
    try:
        units: dict[str, str] | None = train.feature_units(run)
    except SinkestError:
        units = None  # what is wrong with the imagery is told where imagery is looked at
    if not artefact.is_trained(folder):
        recipe = train.checked_kind(recipes.load(folder, classes=run.spec.models.allow), kind)
        if units is not None:
            recipe.select(list(units))
        findings.facts.append(Message.of("check.recipe", key=key, name=recipe.name))
        return
    model = artefact.load(folder, classes=run.spec.models.allow)
    train.checked_kind(model.recipe, kind)
    if units is not None:
        check_features(model, list(units), units=units, spec=train.feature_spec(run))
    if isinstance(section, StockSection) and run.config.file(section.plots).is_file():
        train.refuse_own_plots(model, folder, str(run.file_hash(section.plots)))
    findings.facts.append(Message.of("check.trained", key=key, folder=folder))


# -- settings -------------------------------------------------------------------------------------------------------


def _settings(run: Run, findings: Findings, placed: bool) -> None:
    """Definitions, conversion factors, targets and the earlier run."""
    spec = run.spec
    if spec.forest is not None:
        name = spec.forest.definition
        if findings.attempt(lambda: _defined(name), at="forest.definition"):
            findings.attempt(lambda: check_definition(run))
    labelled = spec.estimate.labelled_under
    if labelled is not None:
        findings.attempt(lambda: _defined(labelled), at="estimate.labelled_under")
    if spec.land_cover is not None and spec.stock is not None and spec.estimate.reference is not None:
        _conversion(run, findings)
    findings.attempt(lambda: gwp(load_coefficients(), spec.wetland.gwp_set), at="wetland.gwp_set")
    if spec.cropland.table is not None:
        fields = run.config.file(spec.cropland.table)
        findings.attempt(lambda: cropland_balance(load_coefficients(), fields, spec.year), at="cropland.table")
    if spec.land_use is not None:
        ruled = spec.land_use.definition
        findings.attempt(lambda: land_use_rule(ruled), at="land_use.definition")
    if spec.targets is not None:
        section = spec.targets
        if section.coverage_definition is not None:
            meant = section.coverage_definition
            findings.attempt(lambda: _defined(meant), at="targets.coverage_definition")
        findings.attempt(
            lambda: findings.facts.append(
                Message.of("check.targets", count=len(read_targets(run.config.file(section.path))))
            )
        )
    if placed:
        findings.attempt(lambda: _earlier(run, findings))


def _defined(name: str) -> None:
    definition(name)


def _conversion(run: Run, findings: Findings) -> None:
    account, forest = run.spec.account, run.spec.forest
    coefficients = load_coefficients()
    types: dict[str, Any] = {**TYPE_MAP, **account.forest_types}
    chosen = account.conversion_set
    for name in account.ensemble:
        findings.attempt(partial(_known_set, coefficients, name), at=f"account.ensemble.{name}")
    if account.ensemble and not account.ensemble.get(chosen):
        findings.attempt(partial(_weightless, account.ensemble, chosen), at="account.ensemble")
    if findings.attempt(lambda: _known_set(coefficients, chosen), at="account.conversion_set"):
        for name in forest.arbor_classes if forest else ():
            look = partial(chosen_conversion, coefficients, chosen, types.get(name, name), USUAL_VOLUME_M3_HA)
            findings.attempt(look, at=f"account.forest_types.{name}")


def _weightless(ensemble: dict[str, float], chosen: str) -> None:
    raise InputError("account.ensemble_without_chosen", set=chosen, ensemble=", ".join(ensemble))


def _known_set(coefficients: Any, name: str) -> None:
    conversion(coefficients, name, "fir", USUAL_VOLUME_M3_HA)


def _earlier(run: Run, findings: Findings) -> None:
    earlier = read_earlier(run)
    if earlier is not None:
        findings.facts.append(Message.of("check.earlier", folder=earlier.folder, year=earlier.year))
