"""Spectral indices, computed by spyndex from common band names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import ee  # noqa: F401  spyndex looks for it at every call: loaded before the work, not in the middle of it
import numpy as np
import spyndex
from numpy.typing import NDArray

from sinkest.errors import InputError

SYMBOLS: Mapping[str, str] = {
    "blue": "B",
    "green": "G",
    "red": "R",
    "rededge1": "RE1",
    "rededge2": "RE2",
    "rededge3": "RE3",
    "nir": "N",
    "nir08": "N2",
    "swir1": "S1",
    "swir2": "S2",
    "vv": "VV",
    "vh": "VH",
}
"""Common band name to the symbol that spyndex uses."""


def needed_bands(name: str) -> tuple[str, ...]:
    """Common names of the bands that an index needs.

    Raises
    ------
    InputError
        If spyndex knows no such index, or it needs something that is no band here.
    """
    bands, _ = _recipe(name)
    return bands


def compute(names: Sequence[str], bands: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Indices by name, each of the shape of the bands, float32; NaN where a band is NaN or the formula has no value.

    Raises
    ------
    InputError
        For an unknown index, or one whose bands are not all given.
    """
    results = {}
    for name in names:
        wanted, constants = _recipe(name)
        missing = [band for band in wanted if band not in bands]
        if missing:
            raise InputError("features.index_bands", index=name, missing=", ".join(missing), given=", ".join(bands))
        parameters: dict[str, Any] = {SYMBOLS[band]: bands[band].astype(np.float64) for band in wanted}
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.asarray(spyndex.computeIndex(name, {**parameters, **constants}), dtype=np.float64)
        results[name] = np.where(np.isfinite(value), value, np.nan).astype(np.float32)
    return results


@cache
def _recipe(name: str) -> tuple[tuple[str, ...], dict[str, float]]:
    """Bands and constants of an index."""
    if name not in spyndex.indices:
        by_fold = {known.casefold(): known for known in spyndex.indices}
        near = difflib.get_close_matches(name.casefold(), by_fold, 1)
        raise InputError("features.unknown_index", given=name, nearest=by_fold[near[0]] if near else "-")
    common = {symbol: band for band, symbol in SYMBOLS.items()}
    bands, constants = [], {}
    for symbol in spyndex.indices[name].bands:
        if symbol in common:
            bands.append(common[symbol])
        elif symbol in spyndex.constants and spyndex.constants[symbol].default is not None:
            constants[symbol] = float(spyndex.constants[symbol].default)
        else:
            raise InputError("features.index_symbol", index=name, symbol=symbol)
    return tuple(bands), constants
