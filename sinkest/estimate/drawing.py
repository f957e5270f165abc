"""Drawing samples from a map of strata: stratified at random, and systematic on a grid.

The map is read row by row, so that a city at ten metres needs little more memory than the map itself. The same seed
gives the same sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError
from sinkest.estimate import checks
from sinkest.messages import Message

COLUMNS = ["row", "col", "stratum", "probability", "weight"]


def stratum_counts(strata: ArrayLike, nodata: int | None = 0) -> dict[int, int]:
    """Count the pixels of each stratum.

    Parameters
    ----------
    strata : array of int, shape (rows, columns)
        Stratum code of each pixel.
    nodata : int or None
        Code that is no stratum.

    Raises
    ------
    InputError
        If the array is no two-dimensional array of whole numbers.
    """
    return _Map.of(_codes(strata), nodata).counts


@dataclass(frozen=True)
class _Map:
    """A map of strata and how many pixels of each stratum every row has."""

    codes: NDArray[Any]
    names: NDArray[np.int64]
    by_row: NDArray[np.int64]

    @classmethod
    def of(cls, codes: NDArray[Any], nodata: int | None) -> _Map:
        if codes.dtype.itemsize == 1 and not np.issubdtype(codes.dtype, np.signedinteger):
            table = np.array([np.bincount(line, minlength=256) for line in codes], dtype=np.int64).reshape(-1, 256)
            names = np.flatnonzero(table.any(axis=0))
            table = table[:, names]
        else:
            names = np.unique(codes).astype(np.int64)
            rows = [np.bincount(np.searchsorted(names, line), minlength=len(names)) for line in codes]
            table = np.array(rows, dtype=np.int64).reshape(-1, len(names))
        keep = np.ones(len(names), dtype=bool) if nodata is None else names != nodata
        return cls(codes, names[keep], table[:, keep])

    @property
    def counts(self) -> dict[int, int]:
        """Pixels of each stratum."""
        return dict(zip(self.names.tolist(), self.by_row.sum(axis=0).tolist(), strict=True))

    def locate(self, ranks: dict[int, NDArray[np.int64]]) -> pd.DataFrame:
        """Positions of the pixels with the given ranks, in reading order, within their stratum; in the same order."""
        parts = [np.empty((0, 3), dtype=np.int64)]
        for code, rank in ranks.items():
            until = np.cumsum(self.by_row[:, int(np.searchsorted(self.names, code))])
            row = np.searchsorted(until, rank, side="right")
            before = np.concatenate([[0], until])[row]
            col = np.empty(len(rank), dtype=np.int64)
            for line in np.unique(row):
                here = row == line
                col[here] = np.flatnonzero(self.codes[line] == code)[rank[here] - before[here]]
            parts.append(np.column_stack([row, col, np.full(len(rank), code)]))
        return pd.DataFrame(np.concatenate(parts), columns=["row", "col", "stratum"])


def draw_stratified(
    strata: ArrayLike,
    n: Mapping[int, int],
    rng: np.random.Generator,
    *,
    floor: int = 0,
    nodata: int | None = 0,
) -> pd.DataFrame:
    """Draw a simple random sample of pixels, without replacement, in every stratum.

    Parameters
    ----------
    strata : array of int, shape (rows, columns)
        Stratum code of each pixel.
    n : mapping
        Pixels to draw by stratum, e.g. ``allocate(...).by_stratum``.
    rng : numpy.random.Generator
    floor : int
        Fewest pixels of every stratum of the map, those not named in ``n`` included.
    nodata : int or None
        Code that is no stratum.

    Returns
    -------
    DataFrame
        row, col, stratum, probability (of inclusion) and weight (pixels that a point stands for), sorted by row and
        column. ``attrs["notes"]`` names strata smaller than wanted, which are taken completely, and strata of the map
        that got no point.

    Raises
    ------
    InputError
        If a stratum is not on the map, or a number is negative.

    Examples
    --------
    >>> grid = np.array([[1, 1, 2], [1, 2, 2]])
    >>> draw_stratified(grid, {1: 3, 2: 1}, np.random.default_rng(1))["stratum"].tolist().count(1)
    3
    """
    grid = _Map.of(_codes(strata), nodata)
    counts = grid.counts
    wanted = _wanted(n, counts, floor)
    notes = _shortfall(wanted, counts)
    ranks = {}
    for code in sorted(wanted):
        take = min(wanted[code], counts[code])
        ranks[code] = rng.choice(counts[code], size=take, replace=False, shuffle=False)
    table = grid.locate(ranks)
    table["weight"] = table["stratum"].map(
        {code: counts[code] / len(rank) for code, rank in ranks.items() if len(rank)}
    )
    table["probability"] = 1.0 / table["weight"]
    table = table.sort_values(["row", "col"], ignore_index=True)[COLUMNS]
    table.attrs["notes"] = notes
    return table


def draw_systematic(
    strata: ArrayLike,
    spacing: int | tuple[int, int],
    rng: np.random.Generator,
    *,
    floor: int = 0,
    nodata: int | None = 0,
) -> pd.DataFrame:
    """Draw the pixels of a grid with a random start, and lift scarce strata to a floor at random.

    Parameters
    ----------
    strata : array of int, shape (rows, columns)
        Stratum code of each pixel.
    spacing : int or (int, int)
        Pixels between grid points, down and across.
    rng : numpy.random.Generator
        Gives the start of the grid and the points added.
    floor : int
        Fewest points of every stratum; what the grid lacks is added at random among the other pixels of the stratum.
    nodata : int or None
        Code that is no stratum.

    Returns
    -------
    DataFrame
        As `draw_stratified`, with a column ``added`` for points that are not of the grid. The probability is that of
        the grid, ``1 / (down * across)``; in strata with added points the share of the stratum's pixels that was
        drawn, so that they are to be estimated as a stratified sample.

    Raises
    ------
    InputError
        If the spacing is below 1 or the grid has no point on any stratum.
    """
    whole = _Map.of(_codes(strata), nodata)
    codes, counts = whole.codes, whole.counts
    down, across = (spacing, spacing) if isinstance(spacing, (int, np.integer)) else spacing
    if down < 1 or across < 1:
        raise InputError("smallarea.spacing", down=down, across=across)
    if floor < 0:
        raise InputError("smallarea.floor", floor=floor)
    start = int(rng.integers(down)), int(rng.integers(across))
    rows, cols = (
        axis.ravel()
        for axis in np.meshgrid(
            np.arange(start[0], codes.shape[0], down), np.arange(start[1], codes.shape[1], across), indexing="ij"
        )
    )
    found = codes[rows, cols]
    inside = np.isin(found, list(counts))
    grid = pd.DataFrame({"row": rows[inside], "col": cols[inside], "stratum": found[inside].astype(np.int64)})
    if grid.empty:
        raise InputError("smallarea.empty_grid", down=down, across=across)
    got = grid["stratum"].value_counts().to_dict()
    lacking = {code: min(floor, count) - got.get(code, 0) for code, count in counts.items()}
    lacking = {code: short for code, short in lacking.items() if short > 0}
    added = _added(whole, grid, lacking, rng)
    table = pd.concat([grid.assign(added=False), added.assign(added=True)], ignore_index=True)
    drawn = table["stratum"].value_counts().to_dict()
    weight = {code: counts[code] / drawn[code] if code in lacking else float(down * across) for code in drawn}
    table["weight"] = table["stratum"].map(weight)
    table["probability"] = 1.0 / table["weight"]
    table = table.sort_values(["row", "col"], ignore_index=True)[[*COLUMNS, "added"]]
    notes = tuple(Message.of("smallarea.points_added", stratum=code, n=short) for code, short in lacking.items())
    missed = [str(code) for code in counts if drawn.get(code, 0) == 0]
    if missed:
        notes += (Message.of("smallarea.strata_without_points", strata=", ".join(missed)),)
    table.attrs["notes"] = notes
    return table


def spacing_for(n: int, pixels: int) -> int:
    """Return the widest square spacing, in pixels, that gives at least n grid points on average.

    Raises
    ------
    InputError
        If more points than pixels are wanted.
    """
    if not 1 <= n <= pixels:
        raise InputError("smallarea.sample_size", n=n)
    return max(int(math.sqrt(pixels / n)), 1)


def _codes(strata: ArrayLike) -> NDArray[Any]:
    codes = np.asarray(strata)
    if codes.ndim != 2 or not (np.issubdtype(codes.dtype, np.integer) or codes.dtype == bool):
        raise InputError("smallarea.not_a_map", shape=codes.shape, dtype=str(codes.dtype))
    return codes


def _wanted(n: Mapping[int, int], counts: dict[int, int], floor: int) -> dict[int, int]:
    if floor < 0:
        raise InputError("smallarea.floor", floor=floor)
    wanted: dict[int, int] = {}
    for key, value in checks.mapping("n", n).items():
        if value < 0 or value != int(value):
            raise InputError("smallarea.sample_size", n=value)
        if int(key) not in counts and value > 0:
            raise InputError("smallarea.stratum_not_on_map", stratum=key, known=", ".join(map(str, counts)))
        wanted[int(key)] = int(value)
    return {code: max(wanted.get(code, 0), floor) for code in counts}


def _shortfall(wanted: dict[int, int], counts: dict[int, int]) -> tuple[Message, ...]:
    whole = [str(code) for code, take in wanted.items() if take >= counts[code]]
    none = [str(code) for code, take in wanted.items() if take == 0]
    notes: tuple[Message, ...] = ()
    if whole:
        notes += (Message.of("smallarea.taken_completely", strata=", ".join(whole)),)
    if none:
        notes += (Message.of("smallarea.strata_without_points", strata=", ".join(none)),)
    return notes


def _added(strata: _Map, grid: pd.DataFrame, lacking: dict[int, int], rng: np.random.Generator) -> pd.DataFrame:
    """Random pixels of the strata that the grid missed, none of them on the grid."""
    counts, ranks = strata.counts, {}
    for code in sorted(lacking):
        # enough draws to replace those that fall on the grid
        spare = int((grid["stratum"] == code).sum())
        ranks[code] = rng.choice(counts[code], size=min(lacking[code] + spare, counts[code]), replace=False)
    drawn = strata.locate(ranks)
    taken = set(zip(grid["row"], grid["col"], strict=True))
    free = [(row, col) not in taken for row, col in zip(drawn["row"], drawn["col"], strict=True)]
    drawn = drawn.loc[np.array(free, dtype=bool)]
    return drawn[drawn.groupby("stratum").cumcount() < drawn["stratum"].map(lacking)]
