"""Stage map: land cover, forest, stock, its standard deviation and the area of applicability, with sums by zone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rasterio.windows import Window

from sinkest.features.cube import check_counts
from sinkest.learn.model import TrainedModel, check_features
from sinkest.mapping.cog import RasterClass, RasterSpec
from sinkest.mapping.engine import Arrays, Block, iterate_parts, plan_blocks, run_blocks
from sinkest.mapping.forest import class_mask, drop_small_patches, minimum_pixels
from sinkest.mapping.style import qgis_style
from sinkest.mapping.zonal import class_area, value_by_class, value_total
from sinkest.runstore import content_key, write_bytes
from sinkest.stages import compose, traces, train
from sinkest.stages.compose import tell_resumed
from sinkest.stages.context import SIMULATED, Run
from sinkest.stages.cubefile import Cube, run_cube
from sinkest.stages.mapfile import write_map

NAME = "map"
SUMS = "sums.csv"
LARGEST = 10_000.0
"""Bound of a mapped density, in its unit per hectare."""
INSIDE, OUTSIDE = 1, 2
UNSEEN = 255

_APPLICABILITY = (
    RasterClass(INSIDE, "inside the area of applicability", "适用区内", "#4c9f70"),
    RasterClass(OUTSIDE, "outside the area of applicability", "适用区外", "#d95f43"),
)
_FOREST = (RasterClass(1, "not forest", "非森林", "#e8e4d8"), RasterClass(2, "forest", "森林", "#2f6b3a"))


@dataclass(frozen=True)
class Mapper:
    """The block function of the maps: pure, block in, arrays out.

    Attributes
    ----------
    run : Run
    cube : Cube
    land_cover, stock : TrainedModel or None
    """

    run: Run
    cube: Cube
    land_cover: TrainedModel | None
    stock: TrainedModel | None

    def __call__(self, block: Block) -> Arrays:
        """Maps of a block and its sums by zone."""
        height, width = self.run.grid.shape
        outer, inner = block.padded(self._halo, (height, width))
        stored, traced = self.cube.traced(outer.window)
        features = self.cube.features_of(stored)
        own = stored[(slice(None), *inner)]
        seen = (self.cube.counts_of(own) > 0).sum(axis=(1, 2))
        arrays: Arrays = {"looks": self.cube.looks_of(own), "seen": seen, **traced}
        inside = self.run.inside(block)
        if self.land_cover is None:
            where = inside & np.isfinite(features).all(axis=0)
            return arrays | self._density(block, features, where, where.astype(np.uint8))
        classes = self._classes(features, self.run.inside(outer))
        forest = self._forest(classes)[inner]
        classes, features = classes[inner], features[(slice(None), *inner)]
        arrays["land_cover"] = classes
        arrays["forest"] = np.where(classes == 0, 0, np.where(forest, 2, 1)).astype(np.uint8)
        zones = self.run.index.block(block.window)
        arrays["class_m2"] = class_area(zones, classes)
        arrays["forest_m2"] = class_area(zones, arrays["forest"])[:, 2]
        if self.stock is None:
            return arrays
        arbor = forest & class_mask(classes, self._arbor)
        return arrays | self._density(block, features, arbor, np.where(arbor, classes, 0).astype(np.uint8))

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: it reads composite and models itself, once."""
        return _mapper, (self.run, self.cube)

    @property
    def _halo(self) -> int:
        forest = self.run.spec.forest
        if self.land_cover is None or forest is None:
            return 0
        pixels = minimum_pixels(forest.min_area_ha, self.run.resolution_m)
        return pixels if pixels > 1 else 0

    @property
    def _arbor(self) -> list[int]:
        forest = self.run.spec.forest
        return self.run.config.codes(forest.arbor_classes if forest else ())

    def _classes(self, features: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
        classes = np.zeros(inside.shape, dtype=np.uint8)
        if self.land_cover is not None:
            classes[inside] = self.land_cover.predict(self._rows(self.land_cover, features, inside))
        return classes

    def _forest(self, classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
        forest = self.run.spec.forest
        if forest is None:
            return np.zeros(classes.shape, dtype=bool)
        mask = class_mask(classes, self.run.config.codes(forest.forest_classes))
        return drop_small_patches(mask, minimum_pixels(forest.min_area_ha, self.run.resolution_m))

    def _density(
        self, block: Block, features: NDArray[np.float32], where: NDArray[np.bool_], kinds: NDArray[np.uint8]
    ) -> Arrays:
        """The response where it is mapped, its standard deviation, applicability, and sums by zone and class."""
        if self.stock is None:
            return {}
        mean = np.full(where.shape, np.nan, dtype=np.float32)
        deviation = mean.copy()
        applicable = np.zeros(where.shape, dtype=np.uint8)
        if where.any():
            rows = self._rows(self.stock, features, where)
            mean[where], deviation[where] = self.stock.predict_with_sd(rows)
            applicable[where] = np.where(self.stock.inside(rows), INSIDE, OUTSIDE)
        zones = self.run.index.block(block.window)
        filled = np.where(where, mean, 0.0)
        return {
            "stock": mean,
            "stock_sd": deviation,
            "applicability": applicable,
            "stock_sum": value_by_class(zones, filled, kinds, largest=LARGEST),
            "stock_m2": class_area(zones, kinds),
            "outside_m2": value_total(zones, (applicable == OUTSIDE).astype(np.float64), where),
        }

    def _rows(
        self, model: TrainedModel, features: NDArray[np.float32], where: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        columns = check_features(model, self.cube.feature_names)
        return features[columns][:, where].T


@lru_cache(maxsize=1)
def _mapper(run: Run, cube: Cube) -> Mapper:
    return Mapper(run, cube, *train.load_models(run))


def parts(run: Run) -> dict[str, Any]:
    """What the maps depend on."""
    return {
        **run.base_parts,
        "compose": run.key_of(compose.NAME, without=compose.KEPT),
        "train": run.key_of(train.NAME),
        "forest": run.spec.forest.model_dump(mode="json") if run.spec.forest else None,
    }


def work(run: Run, folder: Path) -> None:
    """Map all blocks, then write the files and the sums."""
    blocks = plan_blocks(run.grid, run.block_size, run.index.touched)
    cube = run_cube(run)
    mapper = Mapper(run, cube, *train.load_models(run))
    cache = folder / f".parts-{run.block_size}"
    run.progress.begin(NAME, len(blocks))
    ready = run_blocks(
        mapper, blocks, cache, workers=run.workers, scheduler=run.scheduler, advance=run.progress.advance
    )
    tell_resumed(run, NAME, ready, len(blocks))
    _check_seasons(run, cache, blocks)
    if not run.keep_composite:  # the imagery was read here, so here is known what its pixels tell
        compose.tell_notes(run, traces.gathered(arrays for _, arrays in iterate_parts(cache, blocks))[1])
    tags = _tags(run)
    for name, spec in layer_specs(run, mapper.land_cover is not None, mapper.stock, tags).items():
        file = folder / f"{name}.tif"
        write_map(file, run.grid, spec, _layer(cache, blocks, name))
        write_bytes(folder / f"{name}.qml", qgis_style(file, spec, name))
    sums = _sums(run, cache, blocks).assign(stage_key=tags["STAGE_KEY"], definition_id=tags["DEFINITION"])
    write_bytes(folder / SUMS, sums.assign(simulated="SIMULATED" in tags).to_csv(index=False).encode())
    for stale in folder.glob(".parts-*"):  # of an interrupted run with another block size too
        shutil.rmtree(stale)
    run.progress.end(NAME)


def _check_seasons(run: Run, cache: Path, blocks: Sequence[Block]) -> None:
    """Refuse a season in which nothing was seen; where a composite file was made, this has been found before."""
    seen = sum((arrays["seen"] for _, arrays in iterate_parts(cache, blocks)), np.zeros((), dtype=np.int64))
    for season, pixels in zip(() if run.is_static else run.cube.seasons, np.atleast_1d(seen).tolist(), strict=False):
        check_counts(season, {1: pixels})


def _tags(run: Run) -> dict[str, str]:
    """What the maps say of themselves: what simulated data has taught is simulated too."""
    forest = run.spec.forest
    tags = {"DEFINITION": forest.definition if forest else "", "STAGE_KEY": content_key(parts(run))}
    return {**run.tags, **tags, **(SIMULATED if train.learned_from_simulated(run) else {})}


def layer_specs(
    run: Run, has_cover: bool, stock: TrainedModel | None, tags: Mapping[str, str]
) -> dict[str, RasterSpec]:
    """The map files of a run by name."""
    specs = {}
    if not run.is_static:
        specs["looks"] = RasterSpec("uint8", UNSEEN, ["looks without cloud"], ["1"], tags=tags)
    if has_cover and run.spec.land_cover is not None:
        legend = tuple(RasterClass(c.code, c.en, c.zh, c.colour) for c in run.spec.land_cover.classes)
        specs["land_cover"] = RasterSpec("uint8", 0, ["land cover"], classes=legend, tags=tags)
        specs["forest"] = RasterSpec("uint8", 0, ["forest"], classes=_FOREST, tags=tags)
    if stock is not None:
        unit = [stock.recipe.unit]
        specs["stock"] = RasterSpec("float32", float("nan"), [stock.recipe.response], unit, tags=tags)
        specs["stock_sd"] = RasterSpec("float32", float("nan"), ["standard deviation"], unit, tags=tags)
        specs["applicability"] = RasterSpec("uint8", 0, ["area of applicability"], classes=_APPLICABILITY, tags=tags)
    return specs


def _layer(cache: Path, blocks: Sequence[Block], name: str) -> Iterator[tuple[Window, NDArray[Any]]]:
    for block, arrays in iterate_parts(cache, blocks):
        yield block.window, arrays[name]


def _sums(run: Run, cache: Path, blocks: Sequence[Block]) -> pd.DataFrame:
    """Exact sums over all blocks: one row a zone, measure and class code."""
    totals: dict[str, NDArray[np.float64]] = {}
    for _, arrays in iterate_parts(cache, blocks):
        for name in ("class_m2", "forest_m2", "stock_sum", "stock_m2", "outside_m2"):
            if name in arrays:
                totals[name] = totals.get(name, 0.0) + arrays[name]
    rows = []
    for name, values in totals.items():
        table = values if values.ndim == 2 else values[:, None]
        for z, zone in enumerate(run.zones.ids):
            rows += [
                {"measure": name, "zone": zone, "code": code, "value": repr(float(table[z, code]))}
                for code in range(table.shape[1])
                if table[z, code] != 0
            ]
    return pd.DataFrame(rows, columns=["measure", "zone", "code", "value"])


def read_sums(folder: Path) -> dict[str, pd.DataFrame]:
    """Sums by measure: zones x class codes, m2 or the mapped unit times m2."""
    table = pd.read_csv(folder / SUMS, dtype={"zone": str})
    return {
        str(name): part.pivot_table(index="zone", columns="code", values="value", aggfunc="sum", fill_value=0.0)
        for name, part in table.groupby("measure")
    }
