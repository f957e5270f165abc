"""Turns what callers hand in (lists, Series, masked arrays) into one normal form, or says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sinkest.errors import InputError

Floats = NDArray[np.float64]


def vector(name: str, values: ArrayLike, n: int | None = None, *, allow_nan: bool = False) -> Floats:
    """Return a one-dimensional float array of ``n`` finite values.

    Raises
    ------
    InputError
        If the values are not numbers, not one-dimensional, not ``n`` long, infinite, or NaN where that is not allowed.
    """
    array = _floats(name, values)
    if array.ndim != 1:
        raise InputError("estimate.not_one_dimensional", name=name, shape=array.shape)
    if n is not None and len(array) != n:
        raise InputError("estimate.wrong_length", name=name, given=len(array), expected=n)
    bad = np.isinf(array) if allow_nan else ~np.isfinite(array)
    if bad.any():
        raise InputError("estimate.not_finite", name=name, count=int(bad.sum()), row=int(np.flatnonzero(bad)[0]))
    return array


def matrix(name: str, values: ArrayLike, n: int | None = None, *, allow_nan: bool = False) -> Floats:
    """Return a two-dimensional float array with ``n`` rows; a vector becomes one column.

    Raises
    ------
    InputError
        As for `vector`.
    """
    array = _floats(name, values)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise InputError("estimate.not_two_dimensional", name=name, shape=array.shape)
    if n is not None and len(array) != n:
        raise InputError("estimate.wrong_length", name=name, given=len(array), expected=n)
    bad = np.isinf(array).any(axis=1) if allow_nan else ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise InputError("estimate.not_finite", name=name, count=int(bad.sum()), row=int(np.flatnonzero(bad)[0]))
    return array


def _floats(name: str, values: ArrayLike) -> Floats:
    # a masked value is a missing value, never the number that happens to lie under the mask
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        if isinstance(values, (pd.Series, pd.DataFrame)):
            return np.ascontiguousarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("estimate.not_numbers", name=name, problem=str(error)) from error


def labels(name: str, values: ArrayLike, n: int | None = None) -> NDArray[Any]:
    """Return a one-dimensional array of labels (strata, classes, counties, clusters), none missing.

    Raises
    ------
    InputError
        If a label is missing or the length is wrong.
    """
    if isinstance(values, np.ma.MaskedArray):
        hidden, values = np.ma.getmaskarray(values), values.data.astype(object)
        values[hidden] = None
    array = values if isinstance(values, np.ndarray) else pd.Series(values).to_numpy()
    if array.ndim != 1:
        raise InputError("estimate.not_one_dimensional", name=name, shape=array.shape)
    if n is not None and len(array) != n:
        raise InputError("estimate.wrong_length", name=name, given=len(array), expected=n)
    missing = np.asarray(pd.isna(array))
    if missing.any():
        raise InputError(
            "estimate.missing_label", name=name, count=int(missing.sum()), row=int(np.flatnonzero(missing)[0])
        )
    return array


def mapping(name: str, values: Mapping[Any, float] | pd.Series) -> dict[Any, float]:
    """Return a dict of finite numbers from a dict or Series.

    Raises
    ------
    InputError
        If a value is not a finite number, or a key appears twice.
    """
    if isinstance(values, pd.Series):
        if not values.index.is_unique:
            raise InputError("estimate.duplicate_key", name=name, key=str(values.index[values.index.duplicated()][0]))
        values = values.to_dict()
    result: dict[Any, float] = {}
    for key, value in values.items():
        number = float(_floats(f"{name}[{key}]", [value])[0])
        if not np.isfinite(number):
            raise InputError("estimate.bad_value", name=name, key=str(key), value=number)
        result[key] = number
    return result


def at_least(name: str, values: Floats, minimum: float = 0.0, *, strict: bool = False) -> Floats:
    """Return the values unchanged if none lies below the minimum (or on it, if strict).

    Raises
    ------
    InputError
        Naming the first value that does.
    """
    bad = values <= minimum if strict else values < minimum
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError("estimate.too_small", name=name, value=float(values[row]), row=row, minimum=minimum)
    return values


def require_rows(name: str, n: int, minimum: int) -> None:
    """Refuse a sample with fewer than ``minimum`` units.

    Raises
    ------
    InputError
        With both numbers.
    """
    if n < minimum:
        raise InputError("estimate.too_few", name=name, given=n, expected=minimum)
