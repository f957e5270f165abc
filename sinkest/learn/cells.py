"""From the cells of a column to values: numbers, dates, flags, names. A cell is a text, or what a typed file holds."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "#n/a", "nat", "-", "—", "/"})
"""Texts, in lower case, that stand for an empty cell."""

FLAGS = {"true": True, "1": True, "yes": True, "是": True, "false": False, "0": False, "no": False, "否": False}
EARLIEST_DATE = np.datetime64("1900-01-01")
LATEST_DATE = np.datetime64("2100-12-31")

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATES = (
    re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?"),
    re.compile(r"([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})"),
    re.compile(r"([0-9]{4})\.([0-9]{1,2})\.([0-9]{1,2})"),
    re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})"),
    re.compile(r"([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日"),
)

_WIDE = {0xFF00 + place: 0x20 + place for place in range(1, 0x5F)} | {0x3000: 0x20}
"""Characters of the full width of an input method, and the plain ones that they are."""
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:[ ,'\u00a0\u202f][0-9]{3})+(?:[.,][0-9]+)?")
_SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]+)?E\+[0-9]{2,3}")
_SERIAL = re.compile(r"[1-6][0-9]{4}(?:\.[0-9]+)?")
"""Days since 1900 as spreadsheets count them, from 1927 to 2091."""

Parsed = tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]
"""Values, which cells are empty, which cells cannot be read."""


def numbers(cells: NDArray[Any]) -> Parsed:
    """Numbers of a column as float64; empty cells are NaN, infinite ones cannot be read."""
    if cells.dtype.kind in "iuf":
        values = cells.astype(np.float64)
        missing = np.isnan(values)
        return values, missing, np.isinf(values)
    return _each(cells, _number, np.float64, np.nan)


def dates(cells: NDArray[Any]) -> Parsed:
    """Days of a column as datetime64[s] (what files and tables share); empty cells are NaT."""
    if cells.dtype.kind == "M":
        values = cells.astype("datetime64[D]").astype("datetime64[s]")
        missing = np.isnat(values)
        return values, missing, ~missing & ((values < EARLIEST_DATE) | (values > LATEST_DATE))
    return _each(cells, _date, np.dtype("datetime64[s]"), np.datetime64("NaT"))


def flags(cells: NDArray[Any]) -> Parsed:
    """True or false; empty cells are false."""
    if cells.dtype.kind == "b":
        none = np.zeros(len(cells), dtype=bool)
        return cells.copy(), none, none.copy()
    return _each(cells, _flag, np.bool_, False)


def identifiers(cells: NDArray[Any]) -> Parsed:
    """Names, of which a spreadsheet has not cut the digits: ``4.30203E+11`` once was a longer number."""
    values, missing, bad = names(cells)
    cut = [isinstance(cell, str) and _SCIENTIFIC.fullmatch(cell.strip()) is not None for cell in cells]
    return values, missing, bad | np.array(cut, dtype=bool)


def quirk(cell: Any, kind: str) -> str:
    """Id of the message that explains a cell by what a spreadsheet made of it; empty where it explains nothing."""
    text = str(_plain(cell)).translate(_WIDE).strip()
    patterns = {
        "date": (_SERIAL, "learn.cell_serial_date"),
        "number": (_GROUPED, "learn.cell_grouped"),
        "id": (_SCIENTIFIC, "learn.cell_scientific"),
    }
    pattern, key = patterns.get(kind, (None, ""))
    return key if pattern is not None and pattern.fullmatch(text) else ""


def names(cells: NDArray[Any]) -> Parsed:
    """Texts without outer blanks; whole numbers lose their ``.0``; empty cells are the empty text."""
    return _each(cells, _name, np.object_, "")


def classes(cells: NDArray[Any], known: Mapping[str, str] | None) -> Parsed:
    """Class ids of a column.

    Parameters
    ----------
    cells : array (n,)
    known : mapping or None
        Accepted spelling, case-folded -> class id; None accepts every text.
    """
    if known is None:
        return names(cells)

    def one(cell: Any) -> str | None:
        text = _name(cell)
        return None if text is None else known.get(text.casefold())

    return _each(cells, one, np.object_, "")


def shown(cell: Any) -> str:
    """A cell as a message quotes it: one line, not too long."""
    text = str(cell) if isinstance(cell, str) else str(_plain(cell))
    text = " ".join("".join(character if character.isprintable() else "?" for character in text).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing."""
    if cell is None:
        return True
    if isinstance(cell, str):
        return cell.strip().casefold() in MISSING
    return bool(isinstance(cell, float | np.floating) and math.isnan(cell)) or str(cell) in {"NaT", "<NA>"}


def _each(cells: NDArray[Any], read: Callable[[Any], Any], dtype: Any, empty: Any) -> Parsed:
    """Read cell by cell; ``read`` returns None for what it cannot read."""
    values = np.full(len(cells), empty, dtype=dtype)
    missing = np.zeros(len(cells), dtype=bool)
    bad = np.zeros(len(cells), dtype=bool)
    for i, cell in enumerate(cells):
        if is_empty(cell):
            missing[i] = True
            continue
        value = read(cell)
        if value is None:
            bad[i] = True
        else:
            values[i] = value
    return values, missing, bad


def _plain(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.generic) else cell


def _number(cell: Any) -> float | None:
    cell = _plain(cell)
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        value = float(str(cell))
    elif isinstance(cell, str) and _NUMBER.fullmatch(text := cell.translate(_WIDE).strip()):
        value = float(text)  # digits of an input method, １２．５, are the same digits
    else:
        return None
    return value if math.isfinite(value) else None


def _date(cell: Any) -> np.datetime64 | None:
    day: Any = None
    if isinstance(cell, dt.date):
        day = np.datetime64(f"{cell.year:04d}-{cell.month:02d}-{cell.day:02d}", "s")
    elif isinstance(cell, np.datetime64):
        day = cell.astype("datetime64[D]").astype("datetime64[s]")
    elif isinstance(cell, str | int | np.integer):
        day = _written_date(str(cell).translate(_WIDE).strip())
    return day if day is not None and EARLIEST_DATE <= day <= LATEST_DATE else None


def _written_date(text: str) -> np.datetime64 | None:
    for pattern in _DATES:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        try:
            return np.datetime64(dt.date(*(int(part) for part in match.groups())), "s")
        except ValueError:
            return None
    return None


def _flag(cell: Any) -> bool | None:
    cell = _plain(cell)
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return FLAGS.get(str(cell).strip().casefold())


def _name(cell: Any) -> str | None:
    cell = _plain(cell)
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, str | int | float):
        text = str(cell).strip()
        return text if text.isprintable() else None
    return None
