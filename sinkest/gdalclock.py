"""The time that GDAL writes into files, held still so that the same content gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyogrio

CLOCK = "OGR_CURRENT_DATE"
"""Setting of GDAL: the time that a GeoPackage says it was written at."""


@contextmanager
def stopped_clock(year: int) -> Iterator[None]:
    """Let everything that GDAL writes meanwhile be of the first of January of a year."""
    before = pyogrio.get_gdal_config_option(CLOCK)
    pyogrio.set_gdal_config_options({CLOCK: f"{year:04d}-01-01T00:00:00.000Z"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({CLOCK: before})
