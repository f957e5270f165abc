"""The large shapes and rules of the virtual Zhuzhou, read from ``zhuzhou.toml`` into what the kernels take."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from sinkest.simulate.classes import CODES
from sinkest.simulate.noise import salts

EPSG = 32649
"""The landscape lives in metres of this projection, whatever grid it is looked at on."""

KNOT_M = 4000.0
"""Spacing of the knots between which the large relief is interpolated."""

KNOTS_WEST, KNOTS_SOUTH = 640_000.0, 2_836_000.0
KNOT_COLUMNS, KNOT_ROWS = 60, 82
_BLUR_M = 8000.0
_RIVER_REACH_M = 6500.0  # width of the valley, bends and half width of a river together
_SALTS = 128


class Woodland(NamedTuple):
    """Rules of one kind of woodland; their meaning stands beside them in ``zhuzhou.toml``."""

    base: float
    best_m: float
    width_m: float
    exposure: float
    slope: float
    region: float
    parcel: float
    top_m3_ha: float
    rate: float
    shape: float
    age_median: float
    age_spread: float
    rotation: float
    kept: float


World = np.ndarray
"""What a kernel knows of the landscape: a structured array with one record (kernels pass records around cheaply).

Fields
------
salts : uint64 (128,)
    One for each noise field and each draw.
floor_m, relief_m : float64 (rows, columns)
    Knots of the large relief, ``KNOT_M`` apart, from the south-west corner.
rivers : float64 (n, 7)
    Segments: x, y of both ends (m), half width at both ends (m), one over the squared length.
near : int64 (rows, columns, most)
    Segments that matter between four knots, filled up with -1.
lakes : float64 (n, 5)
    x, y, radius (m), flooded share, 1 for a marsh and 0 for water.
towns : float64 (n, 5)
    x, y, radius (m), strength, growth per year.
woodland : float64 (7, fields of :class:`Woodland`)
    Row k holds the rules of class code k + 1.
farm_base, ... : float64
    The rules of land use, as they are named in ``zhuzhou.toml``.
"""


@lru_cache(maxsize=1)
def geography() -> dict[str, Any]:
    """The contents of ``zhuzhou.toml``."""
    return tomllib.loads(files(__package__).joinpath("zhuzhou.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def build(seed: int) -> World:
    """The world of a seed: the shapes are the same for all seeds, the noise is its own."""
    given = geography()
    floor, relief = _knots(np.array(given["relief"], dtype=float))
    rivers = _segments(given["river"])
    kinds = sorted(given["woodland"], key=_code)
    parts: dict[str, Any] = {
        "salts": salts(seed, _SALTS),
        "floor_m": floor,
        "relief_m": relief,
        "rivers": rivers,
        "near": _near(rivers),
        "lakes": np.concatenate([_lakes(given["reservoir"], 0.0), _lakes(given["marsh"], 1.0)]),
        "towns": _towns(given["town"]),
        "woodland": np.array([[float(kind[name]) for name in Woodland._fields] for kind in kinds]),
        **{name: np.float64(value) for name, value in given["land"].items()},
    }
    world = np.zeros(1, dtype=np.dtype([(name, part.dtype, part.shape) for name, part in parts.items()], align=True))
    for name, part in parts.items():
        world[name][0] = part
    world.flags.writeable = False
    return world


def _code(kind: dict[str, Any]) -> int:
    return CODES[kind["id"]]


def _knots(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean of the points at each knot: Gaussian weights, sharpened so that a point keeps its own value."""
    x = (KNOTS_WEST + KNOT_M * np.arange(KNOT_COLUMNS))[None, :, None] - 1e3 * points[:, 0]
    y = (KNOTS_SOUTH + KNOT_M * np.arange(KNOT_ROWS))[:, None, None] - 1e3 * points[:, 1]
    squared = (x * x + y * y) / _BLUR_M**2
    weight = np.exp(-0.5 * squared) + 1e-3 / (1.0 + squared) ** 2
    weight /= weight.sum(axis=2, keepdims=True)
    return weight @ points[:, 2], weight @ points[:, 3]


def _segments(rivers: list[dict[str, Any]]) -> np.ndarray:
    rows = []
    for river in rivers:
        points = 1e3 * np.array(river["points"])
        source, mouth = river["half_width_m"]
        width = np.linspace(source, mouth, len(points))
        length = np.linalg.norm(np.diff(points, axis=0), axis=1)
        rows.append(np.column_stack([points[:-1], points[1:], width[:-1], width[1:], length**-2.0]))
    return np.concatenate(rows)


def _near(rivers: np.ndarray) -> np.ndarray:
    """Segments within reach of each square between four knots."""
    x = (KNOTS_WEST + KNOT_M * (np.arange(KNOT_COLUMNS) + 0.5))[None, :, None]
    y = (KNOTS_SOUTH + KNOT_M * (np.arange(KNOT_ROWS) + 0.5))[:, None, None]
    along_x, along_y = rivers[:, 2] - rivers[:, 0], rivers[:, 3] - rivers[:, 1]
    t = np.clip(((x - rivers[:, 0]) * along_x + (y - rivers[:, 1]) * along_y) * rivers[:, 6], 0.0, 1.0)
    away = np.hypot(x - rivers[:, 0] - t * along_x, y - rivers[:, 1] - t * along_y)
    reached = away < _RIVER_REACH_M + KNOT_M / np.sqrt(2.0)
    listed = np.full((*reached.shape[:2], int(reached.sum(axis=2).max()) + 1), -1, dtype=np.int64)
    for row, column in np.argwhere(reached.any(axis=2)):
        found = np.flatnonzero(reached[row, column])
        listed[row, column, : found.size] = found
    return listed


def _lakes(lakes: list[dict[str, Any]], kind: float) -> np.ndarray:
    return np.array([[1e3 * one["x_km"], 1e3 * one["y_km"], one["radius_m"], one["flood"], kind] for one in lakes])


def _towns(towns: list[dict[str, Any]]) -> np.ndarray:
    fields = ("radius_m", "strength", "growth_per_year")
    return np.array([[1e3 * one["x_km"], 1e3 * one["y_km"], *(one[name] for name in fields)] for one in towns])
