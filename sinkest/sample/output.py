"""Files of a sample: GeoPackage, CSV and the refusal to write over anything that may hold somebody's work."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray

from sinkest.errors import RunError
from sinkest.gdalclock import stopped_clock
from sinkest.messages import LANGUAGES, Message
from sinkest.runstore import make_folder, write_bytes

_EMPTY: Mapping[str, tuple[Any, Any]] = {
    "text": (object, None),
    "number": (np.float64, np.nan),
    "date": (np.dtype("datetime64[D]"), np.datetime64("NaT")),
}


@dataclass(frozen=True)
class Drawn:
    """A sample that was drawn.

    Attributes
    ----------
    files : tuple of Path
        What was written, or lay there already with the same content.
    told : tuple of Message
        How it was planned and what to do next.
    """

    files: tuple[Path, ...]
    told: tuple[Message, ...]


def empty(kind: str, count: int) -> NDArray[Any]:
    """A column to be filled in: ``text``, ``number`` or ``date``."""
    dtype, value = _EMPTY[kind]
    return np.full(count, value, dtype=dtype)


def geopackage(
    columns: Mapping[str, NDArray[Any]], lon: NDArray[np.float64], lat: NDArray[np.float64], layer: str, year: int
) -> bytes:
    """Points as a GeoPackage (EPSG:4326) that is the same bytes for the same content.

    Parameters
    ----------
    columns : mapping of str to array (n,)
        Texts (object), numbers, days (datetime64[D]), flags (bool).
    lon, lat : float64 arrays (n,)
    layer : str
    year : int
        Stands in for the time of writing, which would change the bytes.
    """
    buffer = io.BytesIO()
    with stopped_clock(year):
        pyogrio.raw.write(
            buffer,
            np.asarray(shapely.to_wkb(shapely.points(lon, lat)), dtype=object),
            list(columns.values()),
            list(columns),
            driver="GPKG",
            layer=layer,
            geometry_type="Point",
            crs="EPSG:4326",
        )
    return buffer.getvalue()


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV; the byte order mark makes spreadsheets show the Chinese."""
    return table.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def write_new(contents: Mapping[Path, bytes]) -> tuple[Path, ...]:
    """Write files unless one of them exists with other content; then none is written.

    Raises
    ------
    RunError
        If a file is there that differs, which may be the work of weeks.
    """
    for path, content in contents.items():
        if path.exists() and not _holds(path, content):
            raise RunError("sample.exists", file=path)
    for path, content in contents.items():
        if not path.exists():
            make_folder(path.parent)
            write_bytes(path, content)
    return tuple(contents)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.is_file() and path.read_bytes() == content
    except OSError:
        return False


def path_in_config(path: Path, base: Path) -> str:
    """How a configuration in ``base`` names a file: relative and with slashes where that is possible."""
    full = path.resolve()
    return Path(os.path.relpath(full, base)).as_posix() if full.is_relative_to(base) else full.as_posix()


def quoted(value: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(value, ensure_ascii=False)


def both(key: str, /, joint: str = "\n", **fields: Any) -> str:
    """A text in Chinese, then in English.

    Parameters
    ----------
    key : str
        Id in the message catalogue.
    joint : str
        Stands between the two.
    **fields
        A mapping has a value for each language.
    """

    def one(language: str) -> str:
        chosen = {name: value[language] if isinstance(value, Mapping) else value for name, value in fields.items()}
        return Message.of(key, **chosen).text(language)

    return joint.join(one(language) for language in LANGUAGES)
