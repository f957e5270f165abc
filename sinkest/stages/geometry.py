"""What the scenes of a run know of their geometry: sun and relief for the optical ones, the pass for radar."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sinkest.errors import InputError, SourceError
from sinkest.features import topography
from sinkest.features.radar import check_orbits
from sinkest.features.topography import Correction, LevelledSource
from sinkest.imagery.composite import CompositeSource
from sinkest.imagery.source import Gap, Scene, Source
from sinkest.messages import Message
from sinkest.runstore import content_key, pretty_json, read_json, write_bytes
from sinkest.stages.context import Run
from sinkest.stages.findings import Findings

RECORD = "topography.json"
_KEPT = ".topography.json"


def levelled(run: Run) -> Source:
    """The source as composites read it: as if the ground were level, where the configuration asks for that.

    The lines behind the correction are fitted once a run, on windows that only the grid decides on. They are kept in
    the run's folder under a key of all that they depend on, so that a resumed run, and every process of a cluster, has
    the same ones.
    """
    if run.cube.topographic_correction == "none" or isinstance(run.source, CompositeSource):
        return run.source
    key = _key(run)
    kept = _kept(run, key)
    if kept is None:
        kept = topography.fit(run.source, run.grid, _optical(run), run.cube.bands, run.cube.dilate_px)
        scenes = {name: one.as_dict() for name, one in sorted(kept.items())}
        missed = [asdict(gap) for gap in run.source.take_gaps()]
        write_bytes(run.store.root / _KEPT, pretty_json({"key": key, "scenes": scenes, "gaps": missed}))
        windows = len(list(topography.windows(run.grid.shape.yx)))
        run.progress.say(Message.of("features.topography_told", count=len(kept), windows=windows))
    return LevelledSource(run.source, kept)


def record(run: Run) -> dict[str, Any] | None:
    """What was done to each optical scene, for the run's record; None where nothing was."""
    source = run.levelled
    if not isinstance(source, LevelledSource):
        return None
    about = {
        "method": "SCS+C",
        "least_ndvi_of_strata": topography.STRATA,
        "least_slope_deg": topography.LEAST_SLOPE_DEG,
        "windows": len(list(topography.windows(run.grid.shape.yx))),
    }
    done = source.corrections
    return about | {"scenes": {one.id: done[one.id].as_dict() if one.id in done else None for one in _optical(run)}}


def gaps(run: Run) -> tuple[Gap, ...]:
    """Reads that were given up while the correction was fitted, in this start of the run or an earlier one."""
    if not isinstance(run.levelled, LevelledSource):
        return ()
    return _gaps(read_json(run.store.root / _KEPT))


def inspect(run: Run, findings: Findings) -> None:
    """Refuse what the scenes cannot give, and tell what stays as it is.

    Raises
    ------
    InputError, SourceError
        If the source composes itself and more is asked than it can give; if no scene tells where the sun stood; if
        radar scenes do not tell their pass, or a season has none of a pass that is asked for.
    """
    cube = run.cube
    if isinstance(run.source, CompositeSource):
        return  # what its layers are was settled where they were made
    if run.source.composes:
        cube.composition(run.periods)
        return
    if cube.topographic_correction != "none":
        if run.source.elevation(run.grid[:1, :1]) is None:
            raise SourceError("features.topography_elevation", kind="missing", source=run.source.name)
        optical = _optical(run)
        silent = sum(scene.sun_deg is None for scene in optical)
        if optical and silent == len(optical):
            raise InputError("features.topography_sunless", source=run.source.name)
        if silent:
            findings.facts.append(Message.of("features.topography_no_sun", count=silent, total=len(optical)))
    if cube.radar.needs_orbits:
        for season, scenes in run.scenes().items():
            radar = [scene for scene in scenes if scene.is_radar]
            check_orbits(run.source.name, radar)
            for direction in cube.radar.directions:
                if not any(scene.orbit == direction for scene in radar):
                    named = Message.of(f"features.pass_{direction}")
                    raise InputError("features.no_pass", season=season, direction=named, count=len(radar))


def grid_part(run: Run) -> list[Any]:
    """The grid as part of a key, wherever it comes from: transform, rows and columns, reference system."""
    return [list(run.grid.affine), list(run.grid.shape), str(run.grid.crs)]


def _optical(run: Run) -> list[Scene]:
    """Optical scenes of all seasons that have the bands, each once."""
    found = {scene.id: scene for scenes in run.scenes().values() for scene in scenes}
    return [one for one in found.values() if set(run.cube.bands) <= set(run.source.bands_of(one)) and not one.is_radar]


def _key(run: Run) -> str:
    source = run.source
    return content_key(
        {
            **run.base_parts,
            "source": source.describe(),
            "files": run.hashes(source.files()),
            "grid": grid_part(run),
            "bands": run.cube.bands,
            "dilate_px": run.cube.dilate_px,
            "scenes": [(scene.id, scene.sun_deg) for scene in _optical(run)],
        }
    )


def _gaps(values: Mapping[str, Any]) -> tuple[Gap, ...]:
    return tuple(Gap(**one) for one in values["gaps"])


def _kept(run: Run, key: str) -> dict[str, Correction] | None:
    """Corrections that an earlier start of the run has fitted, if they are of the same imagery and settings."""
    try:
        values = json.loads((run.store.root / _KEPT).read_text(encoding="utf-8"))
        if values["key"] != key:
            return None
        _gaps(values)
        return {name: Correction.from_dict(one) for name, one in values["scenes"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # only kept to save time: they are fitted again
