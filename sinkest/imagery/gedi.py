"""The table of GEDI L4A shots, whichever source they come from: columns, quality rules, file.

A shot's biomass is what a regression on lidar heights says, not what anyone has measured: it is no ground truth. The
table says so in its column ``origin``, and what learns from it passes that on.
"""

from __future__ import annotations

import csv
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError

ORIGIN = "gedi_l4a"
"""Value of the column ``origin``."""

EPOCH = np.datetime64("2018-01-01T00:00:00", "ms")
"""UTC time from which the product counts its seconds."""

POWER_BEAMS = ("BEAM0101", "BEAM0110", "BEAM1000", "BEAM1011")
"""The four beams of full power."""

Kind = Literal["number", "flag", "text", "bool", "shot", "time"]

COLUMNS: Mapping[str, tuple[Kind, str]] = {
    "plot_id": ("text", ""),
    "shot_number": ("shot", ""),
    "origin": ("text", ""),
    "granule": ("text", ""),
    "beam": ("text", ""),
    "power_beam": ("bool", ""),
    "time": ("time", "UTC"),
    "date": ("text", ""),
    "lon": ("number", "degree"),
    "lat": ("number", "degree"),
    "agbd_t_ha": ("number", "t/ha"),
    "agbd_se_t_ha": ("number", "t/ha"),
    "agbd_low_t_ha": ("number", "t/ha"),
    "agbd_high_t_ha": ("number", "t/ha"),
    "sensitivity": ("number", "1"),
    "l4_quality_flag": ("flag", ""),
    "l2_quality_flag": ("flag", ""),
    "degrade_flag": ("flag", ""),
    "surface_flag": ("flag", ""),
    "leaf_off_flag": ("flag", ""),
    "pft": ("flag", ""),
    "predict_stratum": ("text", ""),
    "water_percent": ("number", "percent"),
    "urban_percent": ("number", "percent"),
    "solar_elevation_deg": ("number", "degree"),
    "elevation_m": ("number", "m"),
    "above_dem_m": ("number", "m"),
    "slope_deg": ("number", "degree"),
    "usable": ("bool", ""),
    "rejected_by": ("text", ""),
    "simulated": ("bool", ""),
}
"""Columns of the table in order, with kind and unit. All but those in `NEEDED` may be empty.

``plot_id`` (``gedi_`` and the shot number), ``date``, ``lon`` and ``lat`` let the table stand as a table of plots whose
response is ``agbd_t_ha``. ``agbd_low_t_ha`` and ``agbd_high_t_ha`` bound the product's prediction interval. ``pft`` is
the plant functional type (1 evergreen needleleaf, 2 evergreen broadleaf, 3 deciduous needleleaf, 4 deciduous broadleaf,
5, 6, 11 grass, shrub, woodland). ``above_dem_m`` and ``slope_deg`` are known only where an elevation model is at hand:
the shot's ground against the model's, and the model's slope. ``rejected_by`` lists the quality rules that a shot fails;
``usable`` shots fail none.
"""

PRODUCT: Mapping[str, str] = {
    "agbd_t_ha": "agbd",
    "agbd_se_t_ha": "agbd_se",
    "agbd_low_t_ha": "agbd_pi_lower",
    "agbd_high_t_ha": "agbd_pi_upper",
    "sensitivity": "sensitivity",
    "l4_quality_flag": "l4_quality_flag",
    "l2_quality_flag": "l2_quality_flag",
    "degrade_flag": "degrade_flag",
    "surface_flag": "surface_flag",
    "leaf_off_flag": "land_cover_data/leaf_off_flag",
    "pft": "land_cover_data/pft_class",
    "water_percent": "land_cover_data/landsat_water_persistence",
    "urban_percent": "land_cover_data/urban_proportion",
    "solar_elevation_deg": "solar_elevation",
    "elevation_m": "elev_lowestmode",
}
"""Column of the table to dataset of a beam in the product, by its path there; Mg/ha are t/ha."""

Terrain = Callable[[NDArray[np.float64], NDArray[np.float64]], Mapping[str, NDArray[np.float64]]]
"""Longitudes and latitudes to ``elevation_m`` and ``slope_deg`` of an elevation model there, NaN where it has none."""

NEEDED = ("shot_number", "beam", "time", "lon", "lat", "agbd_t_ha", "agbd_se_t_ha", "l4_quality_flag", "degrade_flag")
"""What a source must deliver of every shot."""

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Rule:
    """A quality rule: a shot is kept where ``column operator value`` holds.

    Attributes
    ----------
    id, column, operator : str
    value : float
    only : (str, float) or None
        The rule concerns only shots with this value in this column.
    status, source, note : str
        Where the rule comes from, and how well that was checked.
    """

    id: str
    column: str
    operator: str
    value: float
    only: tuple[str, float] | None
    status: str
    source: str
    note: str

    def holds(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Whether each shot passes, (n,); an empty cell does not."""
        values = table[self.column].to_numpy(dtype=float, na_value=np.nan)
        kept = np.asarray(_COMPARE[self.operator](values, self.value), dtype=bool)
        if self.only is not None:
            concerned = table[self.only[0]].to_numpy(dtype=float, na_value=np.nan) == self.only[1]
            kept |= ~concerned
        return kept


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """The quality rules of ``gedi_filters.csv``, in order."""
    lines = files(__package__).joinpath("gedi_filters.csv").read_text(encoding="utf-8").splitlines()
    return tuple(
        Rule(
            row["rule"],
            row["column"],
            row["operator"],
            float(row["value"]),
            (row["only_column"], float(row["only_value"])) if row["only_column"] else None,
            row["status"],
            row["source"],
            row["note"],
        )
        for row in csv.DictReader(lines)
    )


def against(terrain: Terrain, columns: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """Columns that need an elevation model: ``above_dem_m`` and ``slope_deg`` of shots, (n,)."""
    model = terrain(np.asarray(columns["lon"], dtype=np.float64), np.asarray(columns["lat"], dtype=np.float64))
    above_m = np.asarray(columns["elevation_m"], dtype=np.float64) - model["elevation_m"]
    return {"above_dem_m": above_m, "slope_deg": model["slope_deg"]}


def as_table(measured: Mapping[str, ArrayLike], *, where: str, simulated: bool = False) -> gpd.GeoDataFrame:
    """Shots in the table's normal form, judged by the quality rules.

    Parameters
    ----------
    measured : mapping of str to array (n,)
        Columns of `COLUMNS` that the source has, at least those in `NEEDED`. ``time`` as datetime64 in UTC. NaN, None
        or NaT where a shot has no value.
    where : str
        File or collection the shots come from, for messages.
    simulated : bool
        Whether they were computed instead of observed.

    Returns
    -------
    GeoDataFrame
        EPSG:4326 points with all of `COLUMNS`, in the order given. A column that the source lacks is empty, and no
        shot is rejected by a rule on it; ``attrs["unchecked"]`` lists such rules.

    Raises
    ------
    InputError
        If a needed column is missing, columns are of unequal length, or a shot number comes twice.
    """
    missing = [name for name in NEEDED if name not in measured]
    if missing:
        raise InputError("gedi.columns", where=where, missing=", ".join(missing), given=", ".join(measured))
    lengths = {name: len(np.asarray(values, dtype=object)) for name, values in measured.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError("gedi.lengths", where=where, listed=listed)
    table = pd.DataFrame({name: _typed(kind, measured.get(name), lengths) for name, (kind, _) in COLUMNS.items()})
    repeated = table["shot_number"][table["shot_number"].duplicated()]
    if len(repeated):
        raise InputError("gedi.repeated", where=where, shot=int(repeated.iloc[0]), count=len(repeated))
    table["plot_id"] = "gedi_" + table["shot_number"].astype(str)
    table["origin"], table["simulated"] = ORIGIN, simulated
    table["power_beam"] = table["beam"].isin(POWER_BEAMS)
    table["date"] = table["time"].dt.strftime("%Y-%m-%d").astype(object)
    unchecked = tuple(rule.id for rule in rules() if rule.column not in measured)
    table["rejected_by"] = _rejections(table, [rule for rule in rules() if rule.id not in unchecked])
    table["usable"] = table["rejected_by"] == ""
    points = gpd.points_from_xy(table["lon"], table["lat"], crs="EPSG:4326")
    found = gpd.GeoDataFrame(table, geometry=points)
    found.attrs["unchecked"] = unchecked
    return found


def _rejections(table: pd.DataFrame, checked: Sequence[Rule]) -> NDArray[np.object_]:
    """Ids of the rules that each shot fails, with spaces between, (n,)."""
    failed = np.zeros(len(table), dtype=np.int64)
    for position, rule in enumerate(checked):
        failed |= np.where(rule.holds(table), 0, 1 << position)
    sets, place = np.unique(failed, return_inverse=True)
    names = [" ".join(rule.id for k, rule in enumerate(checked) if one >> k & 1) for one in sets.tolist()]
    return np.array(names, dtype=object)[place]


def _typed(kind: Kind, values: ArrayLike | None, lengths: Mapping[str, int]) -> Any:
    """A column of the table's type; empty where the source has none."""
    count = next(iter(lengths.values()))
    if kind == "shot":
        return pd.array(np.asarray(values, dtype=np.uint64))
    if kind == "time":
        return pd.Series(np.asarray(values, dtype="datetime64[ms]"))
    if kind == "number":
        return np.full(count, np.nan) if values is None else np.asarray(values, dtype=np.float64)
    if kind == "flag":
        numbers = np.full(count, np.nan) if values is None else np.asarray(values, dtype=np.float64)
        return pd.Series(np.where(np.isfinite(numbers), np.rint(numbers), np.nan)).astype("Int32")
    if kind == "bool":
        return np.zeros(count, dtype=bool)
    text = np.full(count, "", dtype=object) if values is None else np.asarray(values, dtype=object)
    return pd.Series(text, dtype=object)
