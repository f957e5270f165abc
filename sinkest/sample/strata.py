"""Strata out of a run's map: their pixels, their true areas by zone, and the forest to be expected in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray

from sinkest.config import LandCoverClass
from sinkest.errors import InputError, RunError
from sinkest.estimate.design import stratum_counts
from sinkest.learn import artefact
from sinkest.mapping.engine import Block
from sinkest.messages import Message
from sinkest.runstore import content_key, read_json
from sinkest.sample.frame import Codes, frame_map
from sinkest.stages import compose, mapping, train
from sinkest.stages.context import Run

Kind = Literal["classes", "groups"]

NO_DATA = "no_data"
FOREST, OTHER_TREES, OTHER = "forest", "other_trees", "other"
FEWEST_PIXELS = 2
"""A spread cannot be told from fewer."""
ASSUMED = 0.85
"""Share of a class that is forest, or not forest, as mapped, where nothing is known of the map."""
SUREST = 0.95
"""Training labels are drawn where a class is plain to see, so they make a map look better than it is."""
UNKNOWN = 0.5


@dataclass(frozen=True)
class MapStrata:
    """A partition of the frame by the run's map.

    Attributes
    ----------
    names : tuple of str
        Class ids or groups; stratum ``names[i]`` has the number ``i + 1``.
    pixels : uint8 array (y, x)
        Stratum number of each pixel that can be drawn, 0 elsewhere.
    counts : dict of str to int
        Pixels that can be drawn.
    area_ha : DataFrame
        Zones x strata, true areas; rows add up to the zones.
    forest_share : dict of str to float
        Share of forest that is expected to be found.
    evidence : Message
        What that rests on.
    notes : tuple of Message
    """

    names: tuple[str, ...]
    pixels: NDArray[np.uint8]
    counts: dict[str, int]
    area_ha: pd.DataFrame
    forest_share: dict[str, float]
    evidence: Message
    notes: tuple[Message, ...] = field(default=())


def map_strata(run: Run, kind: Kind) -> MapStrata:
    """Strata of the land cover that the run has mapped.

    Parameters
    ----------
    run : Run
    kind : {"classes", "groups"}
        One stratum a class of the legend; or forest, other trees, and the rest. What the map could not see is a
        stratum of its own.

    Raises
    ------
    InputError
        If the configuration has no land cover, or hardly a pixel can be drawn.
    RunError
        If the maps are missing, stale or damaged.
    """
    require_map(run)
    sums = mapping.read_sums(run.store.folder(mapping.NAME))
    by_class, evidence = expected_forest(run)
    if kind == "classes":
        names, codes, area, share = _by_class(run, sums, by_class)
    else:
        names, codes, area, share = _by_group(run, sums, by_class)
    drawn = frame_map(run, codes)
    found = stratum_counts(drawn)
    counts = {name: found.get(number, 0) for number, name in enumerate(names, start=1)}
    return _without_slivers(drawn, counts, area, share, evidence)


def require_map(run: Run) -> None:
    """Refuse to draw from maps that are not there, not of this configuration, or not as they were written.

    Raises
    ------
    InputError, RunError
    """
    if run.spec.land_cover is None:
        raise InputError("stages.no_land_cover")
    store, config = run.store, run.config.path
    for stage in (compose, train, mapping):
        seal = store.seal(stage.NAME)
        if seal is None:
            raise RunError("sample.no_map", folder=store.root, config=config)
        parts = stage.parts(run)
        if seal["key"] != content_key(parts):
            changed = ", ".join(store.changed_parts(stage.NAME, parts))
            raise RunError("sample.stale_map", folder=store.root, config=config, changed=changed)
    if store.state(mapping.NAME, content_key(mapping.parts(run))) != "fresh":
        raise RunError("sample.damaged_map", folder=store.folder(mapping.NAME), config=config)


# -- strata ---------------------------------------------------------------------------------------------------------

_Made = tuple[list[str], Codes, pd.DataFrame, dict[str, float]]


def _classes(run: Run) -> Sequence[LandCoverClass]:
    return run.spec.land_cover.classes if run.spec.land_cover else ()


def _areas(run: Run, table: pd.DataFrame, codes: Sequence[int]) -> NDArray[np.float64]:
    """Area of some codes in each zone, ha."""
    wanted = table.reindex(index=list(run.zones.ids), columns=list(codes), fill_value=0.0)
    return wanted.to_numpy(dtype=np.float64).sum(axis=1) / 1e4


def _by_class(run: Run, sums: Mapping[str, pd.DataFrame], by_class: Mapping[str, float]) -> _Made:
    classes = _classes(run)
    names = [*(item.id for item in classes), NO_DATA]
    number = np.zeros(256, dtype=np.uint8)
    number[0] = len(names)
    number[[item.code for item in classes]] = np.arange(1, len(names))
    areas = {item.id: _areas(run, sums["class_m2"], [item.code]) for item in classes}
    areas[NO_DATA] = _areas(run, sums["class_m2"], [0])
    read = _reader(run, "land_cover")
    return names, lambda block: number[read(block)], _table(run, areas), {**by_class, NO_DATA: UNKNOWN}


def _by_group(run: Run, sums: Mapping[str, pd.DataFrame], by_class: Mapping[str, float]) -> _Made:
    forest, classes = run.spec.forest, _classes(run)
    counted = set(forest.forest_classes) if forest else set()
    trees = counted | (set(forest.tree_cover_classes) if forest else set())
    tree_code = np.zeros(256, dtype=bool)
    tree_code[run.config.codes(list(trees))] = True
    names = [FOREST, OTHER_TREES, OTHER, NO_DATA]
    cover, forest_map = _reader(run, "land_cover"), _reader(run, "forest")

    def codes(block: Block) -> NDArray[np.uint8]:
        seen = cover(block)
        return np.select([forest_map(block) == 2, tree_code[seen], seen > 0], [1, 2, 3], 4).astype(np.uint8)

    table = sums["class_m2"]
    mapped = sums["forest_m2"].sum(axis=1).reindex(list(run.zones.ids), fill_value=0.0).to_numpy(dtype=np.float64) / 1e4
    under_trees = _areas(run, table, [item.code for item in classes if item.id in trees])
    areas = {
        FOREST: mapped,
        # Patches of forest too small to be forest by the rule stand among the other trees.
        OTHER_TREES: under_trees - mapped,
        OTHER: _areas(run, table, [item.code for item in classes if item.id not in trees]),
        NO_DATA: _areas(run, table, [0]),
    }
    members = {FOREST: counted, OTHER_TREES: trees - counted, OTHER: {item.id for item in classes} - trees}
    weight = {item.id: float(_areas(run, table, [item.code]).sum()) for item in classes}
    share = {name: _mean_share(sorted(ids), by_class, weight) for name, ids in members.items()}
    return names, codes, _table(run, areas), {**share, NO_DATA: UNKNOWN}


def _mean_share(ids: Sequence[str], by_class: Mapping[str, float], weight: Mapping[str, float]) -> float:
    total = sum(weight[name] for name in ids)
    return sum(weight[name] * by_class[name] for name in ids) / total if total > 0 else UNKNOWN


def _table(run: Run, areas: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
    return pd.DataFrame(dict(areas), index=pd.Index(run.zones.ids, name="zone_id")).clip(lower=0.0)


def _reader(run: Run, name: str) -> Codes:
    path = run.store.folder(mapping.NAME) / f"{name}.tif"

    def read(block: Block) -> NDArray[np.uint8]:
        with rasterio.open(path) as source:
            values: NDArray[np.uint8] = source.read(1, window=block.window)
        return values

    return read


def _without_slivers(
    pixels: NDArray[np.uint8],
    counts: dict[str, int],
    area: pd.DataFrame,
    share: Mapping[str, float],
    evidence: Message,
) -> MapStrata:
    """Let strata with hardly a pixel join the smallest other one: their area counts, but cannot be sampled."""
    names = list(counts)
    present = [name for name in names if counts[name] > 0 or area[name].sum() > 0]
    kept = [name for name in present if counts[name] >= FEWEST_PIXELS and area[name].sum() > 0]
    if not kept:
        raise InputError("sample.no_pixels", pixels=sum(counts.values()))
    host = min(kept, key=lambda name: counts[name])
    joined = [name for name in present if name not in kept]
    number = np.zeros(256, dtype=np.uint8)
    for name in present:
        number[names.index(name) + 1] = kept.index(name if name in kept else host) + 1
    summed = area[kept].copy()
    for name in joined:
        summed[host] += area[name]
    merged = {name: counts[name] for name in kept}
    merged[host] += sum(counts[name] for name in joined)
    notes: tuple[Message, ...] = ()
    if joined:
        notes = (Message.of("sample.joined", strata=", ".join(joined), host=host, fewest=FEWEST_PIXELS),)
    shares = {name: share[name] for name in kept}
    return MapStrata(tuple(kept), number[pixels], merged, summed, shares, evidence, notes)


# -- what to expect -------------------------------------------------------------------------------------------------


def expected_forest(run: Run) -> tuple[dict[str, float], Message]:
    """Share of forest to be expected where each class is mapped, and what that rests on.

    The share at training labels that the model had not seen, as ``(x + 1) / (n + 2)`` so that few labels say little,
    and between ``1 - SUREST`` and ``SUREST``.
    """
    forest = set(run.spec.forest.forest_classes) if run.spec.forest else set()
    assumed = {item.id: ASSUMED if item.id in forest else 1.0 - ASSUMED for item in _classes(run)}
    card = read_json(run.store.folder(train.NAME) / train.MODELS / train.LAND_COVER / artefact.CARD_FILE)
    seen = _confusion(card)
    if seen is None:
        return assumed, Message.of("sample.evidence_assumed", percent=f"{100 * ASSUMED:g}")
    classes, table = seen
    is_forest = np.isin(classes, list(forest))
    for name, row in zip(classes, table, strict=True):
        if name in assumed and row.sum() > 0:
            share = (row[is_forest].sum() + 1.0) / (row.sum() + 2.0)
            assumed[name] = float(np.clip(share, 1.0 - SUREST, SUREST))
    labels, surest = int(table.sum()), f"{100 * SUREST:g}"
    return assumed, Message.of("sample.evidence_held_out", labels=labels, surest=surest)


def _confusion(card: Mapping[str, Any]) -> tuple[list[str], NDArray[np.float64]] | None:
    """Classes, and labels by predicted (rows) and observed class, where the model was cross-validated."""
    held_out = (card.get("cross_validation") or {}).get("held_out") or {}
    scores = held_out.get("scores") or {}
    table = np.asarray(scores.get("confusion_predicted_by_observed", ()), dtype=np.float64)
    classes = [str(name) for name in scores.get("classes", ())]
    return (classes, table) if classes and table.shape == (len(classes), len(classes)) else None
