"""What the imagery of a run saw of its plots and labels, looked up at single pixels before any work begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from sinkest.errors import InputError
from sinkest.features.cube import NODATA, check_counts
from sinkest.learn.extract import MOST_WITHOUT_DATA, SHOWN_ROWS
from sinkest.learn.places import grid_position
from sinkest.learn.table import ROW
from sinkest.mapping.engine import TILE, Arrays, Block, plan_blocks
from sinkest.stages.compose import LAYERS, composer
from sinkest.stages.context import Run
from sinkest.stages.findings import Findings

SAMPLES = ((12, 0.25), (60, MOST_WITHOUT_DATA))
"""How many records of a table are looked at, and the share of them without data up to which that is enough."""


@dataclass
class _Sight:
    """A run's imagery at single pixels, and the seasons in which any of them was seen."""

    run: Run
    compose: Callable[[Block], Arrays]
    seen: set[str]

    def sees(self, block: Block) -> bool:
        """Whether any pixel of a block has data in all layers; remembers the seasons with a look."""
        stored = self.compose(block)[LAYERS]
        if self.run.is_static:
            return bool(np.isfinite(stored).all(axis=0).any())
        counts = [layer.kind == "count" for layer in self.run.cube.layers]
        for season, values in zip(self.run.cube.seasons, stored[counts], strict=True):
            if (values > 0).any():
                self.seen.add(season)
        return bool((stored[np.logical_not(counts)] != NODATA).all(axis=0).any())


def look(run: Run, findings: Findings) -> None:
    """Refuse tables of which most records were not seen, and seasons in which nothing was.

    Parameters
    ----------
    run : Run
        With imagery that can be read.
    findings : Findings
        Its tables are looked at; gets the problems.
    """
    sight = _Sight(run, composer(run), set())
    for key in ("land_cover.labels", "stock.plots"):
        if key in findings.tables:
            file, table = findings.tables[key]
            findings.attempt(lambda file=file, table=table: _seen(sight, file, table))  # type: ignore[misc]
    if not run.is_static:
        _seasons(sight, findings)


def _seen(sight: _Sight, file: str, table: gpd.GeoDataFrame) -> None:
    """Look at some records, and at more where many of those have no data, as training would refuse the table."""
    shapes = np.asarray(table.geometry.values, dtype=object)
    if shapely.is_missing(shapes).all():
        return
    anchors = shapely.point_on_surface(shapes)
    row, col, _ = grid_position(sight.run.grid, shapely.get_x(anchors), shapely.get_y(anchors))

    def lost(records: NDArray[np.int64]) -> NDArray[np.int64]:
        unseen = [row[one] < 0 or not sight.sees(Block(int(row[one]), int(col[one]), 1, 1)) for one in records]
        return records[np.array(unseen, dtype=bool)]

    for size, share in SAMPLES:
        some = np.unique(np.linspace(0, len(table) - 1, size).astype(np.int64))
        missing = lost(some)
        if len(missing) <= share * len(some):
            return
    rows = table[ROW].to_numpy()[missing]
    shown = ", ".join(str(int(one)) for one in rows[:SHOWN_ROWS]) + (", ..." if len(rows) > SHOWN_ROWS else "")
    raise InputError("inputs.mostly_unseen", file=file, lost=len(missing), looked=len(some), n=len(table), rows=shown)


def _seasons(sight: _Sight, findings: Findings) -> None:
    """A season that none of the records was seen in is looked for block by block, until it is seen once."""
    run = sight.run
    for tile in plan_blocks(run.grid, TILE, run.index.touched):
        if sight.seen >= set(run.cube.seasons):
            return
        sight.sees(tile)
    counts: Mapping[int, int] = {0: 1}
    for season in run.cube.seasons:
        if season not in sight.seen:
            findings.attempt(lambda season=season: check_counts(season, counts))  # type: ignore[misc]
