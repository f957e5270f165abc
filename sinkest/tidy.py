"""The tidy table that holds every number of a run: its columns, the words of its cells, and rows made into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

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


def tidy(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Records as a table with the columns of the estimates, in their order and kinds."""
    frame = pd.DataFrame.from_records(list(records), columns=list(COLUMNS))
    numbers = dict.fromkeys(("value", "se", "low", "high", "level", "n"), "float64")
    return frame.astype({**numbers, "year": "int64", "provisional": "bool", "simulated": "bool"})
