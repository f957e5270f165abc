"""What all rows of a run share, and how estimates become rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sinkest.estimate.domains import CountyTable
from sinkest.tidy import CITY


@dataclass(frozen=True)
class Frame:
    """What all rows of a run share.

    Attributes
    ----------
    year : int
    level : float
        Confidence level.
    definition_id : str
    simulated : bool
    zone_area_ha : mapping
        True area of each zone; their sum is the whole.
    """

    year: int
    level: float
    definition_id: str
    simulated: bool
    zone_area_ha: Mapping[str, float]

    @property
    def total_ha(self) -> float:
        """Area of the whole."""
        return math.fsum(self.zone_area_ha.values())

    def row(
        self,
        quantity: str,
        zone: str,
        unit: str,
        value: float,
        se: float = math.nan,
        low: float = math.nan,
        high: float = math.nan,
        **more: Any,
    ) -> dict[str, Any]:
        """One row of the tidy table."""
        defaults = {"method": "", "n": 0, "definition_id": self.definition_id, "status": "ok", "note": ""}
        return {
            "quantity": quantity,
            "zone": zone,
            "year": self.year,
            "value": value,
            "unit": unit,
            "se": se,
            "low": low,
            "high": high,
            "level": self.level,
            "provisional": False,
            "simulated": self.simulated,
            **defaults,
            **more,
        }

    def county_rows(
        self, quantity: str, unit: str, found: CountyTable, scale: Mapping[str, float] | float = 1.0, **more: Any
    ) -> list[dict[str, Any]]:
        """Rows of a county table and of the whole, times ``scale`` (one number, or one by zone)."""
        by_zone = scale if isinstance(scale, Mapping) else dict.fromkeys([CITY, *found.table.index], scale)
        low, high = found.city.interval(self.level)
        k = by_zone[CITY]
        city = found.city
        shared = {"n": city.n, "method": city.method, **more}
        rows = [self.row(quantity, CITY, unit, city.estimate * k, city.se * k, low * k, high * k, **shared)]
        for zone, line in found.table.iterrows():
            k = by_zone[str(zone)]
            about = {"n": int(line["n"]), "method": line["method"], "status": line["status"], "note": line["note"]}
            numbers = (line[name] * k for name in ("estimate", "se", "low", "high"))
            rows.append(self.row(quantity, str(zone), unit, *numbers, **{**about, **more}))
        return rows


def positive_interval(value: float, half: float) -> tuple[float, float]:
    """Ends of the interval of an amount that cannot be negative; the value lies inside even where it came out so."""
    return min(max(value - half, 0.0), value), value + half


def spread_table(found: CountyTable, zones: Sequence[str], level: float) -> pd.DataFrame:
    """Errors of zones and, last, of the whole.

    Returns
    -------
    DataFrame
        ``zone``, ``se`` and ``half``, the half-width of the interval that each was given by its own degrees of freedom;
        few points of a zone give wider ones than a normal quantile would.
    """
    table = found.table.loc[list(zones)]
    low, high = found.city.interval(level)
    half = (table["high"] - table["low"]).to_numpy(dtype=float) / 2
    errors = {"se": [*table["se"], found.city.se], "half": [*half, (high - low) / 2]}
    return pd.DataFrame({"zone": [*zones, CITY], **errors})
