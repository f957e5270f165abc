"""Strict reading of the small CSV and TOML tables that coefficients, definitions and targets are kept in."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sinkest.errors import InputError
from sinkest.limits import TARGETS_BYTES

MAX_BYTES = TARGETS_BYTES

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


class Row(NamedTuple):
    """A record of a CSV file: the line it ends on, and its cells by column, without surrounding blanks."""

    line: int
    cells: dict[str, str]


def nearest(given: str, known: Iterable[str]) -> str:
    """The known name most like the given one; all of them where none comes near."""
    names = sorted(known)
    close = difflib.get_close_matches(given, names, n=1)
    return close[0] if close else ", ".join(names)


def number(text: str) -> float | None:
    """The finite number a cell spells in plain digits, else None (no ``nan``, ``inf``, ``1_000`` or ``1,000``)."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def read_text(path: str | Path) -> str:
    """Text of a UTF-8 file, with or without a byte-order mark.

    Raises
    ------
    InputError
        If the file is missing, is not a file, is larger than 2 MB, or is not UTF-8.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise InputError("account.file_large", file=str(path), size=size, limit=MAX_BYTES)
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("account.file_missing", file=str(path)) from None
    except UnicodeDecodeError as error:
        raise InputError("account.file_encoding", file=str(path), position=error.start) from None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("account.file_unreadable", file=str(path), problem=str(error)) from None


def read_csv(path: str | Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """Records of a CSV file that has exactly the columns it may have.

    Parameters
    ----------
    path : path-like
    required, optional : sequence of str
        Column names; any order in the file. A missing optional column reads as empty cells.

    Raises
    ------
    InputError
        For an unreadable file, a missing, repeated or unknown column, a record with too few or too many cells, or a
        file without records.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[Row] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(str(path), header, required, optional)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise InputError(
                    "account.ragged", file=str(path), row=reader.line_num, given=len(cells), expected=len(header)
                )
            record = dict.fromkeys(optional, "")
            record.update(zip(header, (cell.strip() for cell in cells), strict=True))
            rows.append(Row(reader.line_num, record))
    except csv.Error as error:
        raise InputError("account.not_csv", file=str(path), row=reader.line_num, problem=str(error)) from None
    if not rows:
        raise InputError("account.no_rows", file=str(path))
    return rows


def _check_header(path: str, header: list[str], required: Sequence[str], optional: Sequence[str]) -> None:
    known = [*required, *optional]
    for name in header:
        if name not in known:
            raise InputError("account.unknown_column", file=path, column=name, nearest=nearest(name, known))
        if header.count(name) > 1:
            raise InputError("account.repeated_column", file=path, column=name)
    missing = [name for name in required if name not in header]
    if missing:
        raise InputError("account.missing_columns", file=path, columns=", ".join(missing))


def read_toml(path: str | Path) -> dict[str, Any]:
    """Content of a TOML file.

    Raises
    ------
    InputError
        If the file cannot be read or is not TOML.
    """
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InputError("account.not_toml", file=str(path), problem=str(error)) from None
