"""Checks of the tables an account starts from, and how their rows add up over zones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sinkest.account.montecarlo import Array
from sinkest.errors import InputError
from sinkest.tidy import CITY

MAX_VOLUME_M3_HA = 2_000.0
ERRORS_ALLOWED = 3.0
"""Standard errors by which an honest estimate may lie beyond what is possible."""
COMPONENTS = ("remaining", "converted", "lost", "unsplit", "definition")
"""What became of the land: stayed forest, became forest, was forest, not told apart, and counted under another rule."""
ARBOR = "arbor"
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Strata:
    """Checked rows of a table, in order of key and zone, and how they add up.

    Attributes
    ----------
    frame : DataFrame
        Rows with finite values only; ``row`` is the position in the given table.
    keys : ndarray of str, (rows,)
        What a row is a total of, within its zone.
    city : ndarray of bool, (rows,)
    additive : bool
        Whether the zones are complete and add up to the city; the city is then the sum of its zones.
    zones : tuple of str
        Zones with an answer, ``"all"`` among them where there is one.
    declined : tuple of str
        Zones with a row that has no value.
    gap : float
        Largest relative difference between the sum of the zones and the city; NaN where there is nothing to compare.
    """

    frame: pd.DataFrame
    keys: NDArray[np.str_]
    city: NDArray[np.bool_]
    additive: bool
    zones: tuple[str, ...]
    declined: tuple[str, ...]
    gap: float

    def column(self, name: str) -> Array:
        """A numeric column, (rows,)."""
        return self.frame[name].to_numpy(dtype=np.float64)

    def to_zones(self, zones: Sequence[str]) -> Array:
        """Matrix (rows, zones) of zeros and ones that sums rows into zones."""
        names = self.frame["zone"].to_numpy()
        matrix = np.array([[name == zone for zone in zones] for name in names], dtype=np.float64)
        matrix = matrix.reshape(len(names), len(zones))
        if self.additive and (~self.city).any() and CITY in zones:
            matrix[:, list(zones).index(CITY)] = ~self.city
        return matrix


def stock_table(frame: pd.DataFrame) -> Strata:
    """Growing stock and area by zone and forest type.

    Parameters
    ----------
    frame : DataFrame
        ``zone, type, stock_m3, se, area_ha`` and, where known, ``area_se``. A row without a stock, an area or a
        standard error declines its zone.

    Raises
    ------
    InputError
        For missing columns, text in numbers, repeated rows, and beyond three standard errors negative values, a stock
        without area, and more than 2,000 m3/ha. The message names table, row and column.
    """
    name = "stock_by_type"
    free = {"stock_m3": -math.inf, "se": 0.0, "area_ha": -math.inf}
    clean = _clean(frame, name, ("zone", "type"), free, {"area_se": 0.0})
    _not_negative(clean, name, "stock_m3", "se")
    _not_negative(clean, name, "area_ha", "area_se")
    for index, row in clean.iterrows():
        surely = row["stock_m3"] - ERRORS_ALLOWED * row["se"]
        if surely > MAX_VOLUME_M3_HA * max(row["area_ha"], 0.0):
            raise InputError(
                "account.volume_absurd",
                table=name,
                row=index,
                stock=row["stock_m3"],
                area=row["area_ha"],
                limit=MAX_VOLUME_M3_HA,
            )
    return _strata(clean, ("type",), ("stock_m3", "area_ha"), ("stock_m3", "area_ha", "se"))


def area_table(frame: pd.DataFrame) -> Strata:
    """Area by zone and land-cover class: ``zone, class, area_ha`` and, where known, ``se`` and ``culms`` (bamboo).

    Raises
    ------
    InputError
        As :func:`stock_table`.
    """
    if len(frame.columns) == 0:
        frame = pd.DataFrame({"zone": [], "class": [], "area_ha": []})
    clean = _clean(frame, "class_area", ("zone", "class"), {"area_ha": -math.inf}, {"se": 0.0, "culms": 0.0})
    _not_negative(clean, "class_area", "area_ha", "se")
    clean["se"] = clean["se"].fillna(0.0)
    return _strata(clean, ("class",), ("area_ha",), ("area_ha",))


def change_table(frame: pd.DataFrame) -> Strata:
    """Change of growing stock by zone, forest type and component.

    Parameters
    ----------
    frame : DataFrame
        ``zone, change_m3_yr, se`` and, where known, ``type`` (a forest type, or ``"arbor"`` for all of them together,
        the default), ``component`` (one of :data:`COMPONENTS`; default ``remaining``)
        and ``area_ha_yr`` (change of area, negative for a loss; counted for ``lost`` only).

    Raises
    ------
    InputError
        As :func:`stock_table`; also for an unknown component, and for a loss that grows.
    """
    name = "change"
    filled = frame.copy()
    for column, default in (("type", ARBOR), ("component", "remaining")):
        if column not in filled.columns:
            filled[column] = default
    keys = ("zone", "type", "component")
    clean = _clean(filled, name, keys, {"change_m3_yr": -math.inf, "se": 0.0}, {"area_ha_yr": -math.inf})
    clean["area_ha_yr"] = clean["area_ha_yr"].fillna(0.0)
    for index, row in clean.iterrows():
        if row["component"] not in COMPONENTS:
            raise InputError(
                "account.unknown_component",
                table=name,
                row=index,
                given=row["component"],
                expected=", ".join(COMPONENTS),
            )
        if row["component"] == "lost" and (row["change_m3_yr"] > 0 or row["area_ha_yr"] > 0):
            raise InputError("account.loss_sign", table=name, row=index)
    return _strata(clean, ("type", "component"), ("change_m3_yr",), ("change_m3_yr", "se"))


def _clean(
    frame: pd.DataFrame,
    name: str,
    keys: Sequence[str],
    numbers: Mapping[str, float],
    optional: Mapping[str, float],
) -> pd.DataFrame:
    missing = [column for column in (*keys, *numbers) if column not in frame.columns]
    if missing:
        raise InputError("account.table_columns", table=name, columns=", ".join(missing))
    clean = pd.DataFrame({"row": np.arange(len(frame))}, index=pd.RangeIndex(1, len(frame) + 1))
    for column in keys:
        values = frame[column].astype("string").str.strip()
        empty = (values.isna() | (values == "")).to_numpy(dtype=bool)
        if empty.any():
            raise InputError("account.table_empty", table=name, row=int(empty.argmax()) + 1, column=column)
        clean[column] = values.astype(object).to_numpy()
    for column, least in {**numbers, **optional}.items():
        clean[column] = _numbers(frame, name, column, least) if column in frame.columns else np.nan
    twice = clean.duplicated(list(keys)).to_numpy()
    if twice.any():
        row = int(twice.argmax()) + 1
        raise InputError(
            "account.table_repeated",
            table=name,
            row=row,
            name=" / ".join(str(clean.loc[row, column]) for column in keys),
        )
    return clean


def _numbers(frame: pd.DataFrame, name: str, column: str, least: float) -> Array:
    given = frame[column]
    values = pd.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    text = np.isnan(values) & ~given.isna().to_numpy()
    wrong = text | np.isinf(values)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError("account.table_number", table=name, row=row + 1, column=column, given=given.iloc[row])
    negative = values < least
    if negative.any():
        row = int(negative.argmax())
        raise InputError("account.table_negative", table=name, row=row + 1, column=column, given=values[row])
    return values


def _not_negative(clean: pd.DataFrame, name: str, column: str, error: str) -> None:
    """Refuse a negative total, but not an estimate of little or nothing that its error carries below zero."""
    wrong = (clean[column] < -ERRORS_ALLOWED * clean[error].fillna(0.0)).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            "account.table_negative", table=name, row=row + 1, column=column, given=clean[column].iloc[row]
        )


def _strata(clean: pd.DataFrame, keys: Sequence[str], values: Sequence[str], needed: Sequence[str]) -> Strata:
    known = clean[list(needed)].notna().all(axis=1).to_numpy()
    declined = tuple(sorted(set(clean.loc[~known, "zone"])))
    frame = clean[known].sort_values([*keys, "zone"], kind="stable", ignore_index=True)
    city = (frame["zone"] == CITY).to_numpy(dtype=bool)
    joined = frame[list(keys)].agg(" / ".join, axis=1) if len(frame) else pd.Series([], dtype=object)
    labels = joined.to_numpy(dtype=str)
    parts = sorted(set(frame.loc[~city, "zone"]) - set(declined))
    complete = not any(zone != CITY for zone in declined)
    gap = _gap(frame, labels, city, values) if city.any() and parts and complete else math.nan
    additive = bool(parts) and complete and (not city.any() or gap <= _TOLERANCE)
    zones = [CITY] if (city.any() and CITY not in declined) or additive else []
    return Strata(frame, labels, city, additive, (*zones, *parts), declined, gap)


def _gap(frame: pd.DataFrame, labels: NDArray[np.str_], city: NDArray[np.bool_], values: Sequence[str]) -> float:
    worst = 0.0
    for label in dict.fromkeys(labels.tolist()):
        here = labels == label
        for column in values:
            numbers = frame[column].to_numpy(dtype=np.float64)
            whole, parts = numbers[here & city].sum(), numbers[here & ~city]
            size = max(abs(whole), float(np.abs(parts).sum()))
            if size > 0:
                worst = max(worst, abs(whole - parts.sum()) / size)
    return worst
