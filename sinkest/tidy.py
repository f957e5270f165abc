"""The tidy table that holds every number of a run: its columns, the words of its cells, and rows made into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

ESTIMATES_FILE = "estimates.parquet"
"""Name of the table in the folder of a run's estimates."""
COLUMNS = (
    "quantity",
    "zone",
    "year",
    "value",
    "unit",
    "se",
    "low",
    "high",
    "level",
    "method",
    "n",
    "definition_id",
    "provisional",
    "simulated",
    "status",
    "note",
)
CITY = "all"
"""The zone id of the whole."""
WITHHELD = "provisional"
"""Status of a value that rests on a coefficient not checked against its source: kept as data, in no final table."""
LAND_USE = "land_use_polygons"
"""Method of a figure that is a census of land-use polygons: it has no sampling error."""
CENSUS_OF_OTHER_YEAR = "landuse.note_other_year"
"""Note of a census that is not of the run's year, or of no known year."""


def read_estimates(folder: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The table of a run, from the folder of its estimates; all columns, or those named.

    Read by the calling thread alone: a table this small needs no other, and where the system refuses a thread Arrow
    waits for it for ever.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    chosen = None if columns is None else list(columns)
    return pd.read_parquet(folder / ESTIMATES_FILE, columns=chosen, use_threads=False, pre_buffer=False)


def tidy(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Records as a table with the columns of the estimates, in their order and kinds."""
    frame = pd.DataFrame.from_records(list(records), columns=list(COLUMNS))
    numbers = dict.fromkeys(("value", "se", "low", "high", "level", "n"), "float64")
    return frame.astype({**numbers, "year": "int64", "provisional": "bool", "simulated": "bool"})
