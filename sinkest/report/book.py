"""The printed numbers: every estimate rounded once, so that no two tables can show it differently.

The rule, which the report prints:

* The last printed digit of a quantity follows its standard errors (:func:`sinkest.report.units.step_of`); all zones and
  parts of a quantity share it.
* Ties go to the even digit.
* Where parts add up to their whole before rounding, they are rounded so that the printed parts add up to the printed
  whole: each is rounded up or down to the next step, never further.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd

from sinkest.errors import InputError
from sinkest.report.data import CITY, WITHHELD, ReportData
from sinkest.report.names import Words, said, zone_order
from sinkest.report.units import (
    MISSING,
    absent,
    base_unit,
    finite,
    interval,
    number,
    rounded,
    significant,
    step_of,
    unit_of,
)

# parts of the left head add up to the right quantity, and are printed to the same digit
_WHOLE = {
    "stock_by_type": "growing_stock",
    "stock_by_age": "growing_stock",
    "area_by_age": "arbor_area",
    "pixel_growing_stock": "growing_stock",
    "pixel_forest_area": "forest_area",
    "carbon": "carbon:total",
    "carbon_checked": "carbon:total",
    "carbon_pool": "carbon:total",
    "biomass": "biomass:total",
    "class_area": "class_area",
    "wetland_area": "wetland_area",
}
_CELLS = ("quantity", "zone", "value", "unit", "status")
_ADDED = ("stock_by_type", "stock_by_age", "area_by_age", "carbon", "biomass")
_FOLLOWING = ("stock_by_age", "area_by_age")
"""Parts printed to the digit of their whole, whatever their own errors: a finer split must not change its print."""


@dataclass(frozen=True)
class Entry:
    """One estimate as printed; numbers are in the base unit, ``None`` where there is none.

    Attributes
    ----------
    value, low, high : Decimal or None
        Rounded to ``10**step``.
    raw : float or None
        The estimate as it stands in the tidy table.
    """

    quantity: str
    zone: str
    unit: str
    step: int
    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    raw: float | None
    relative: float | None
    level: float | None
    method: str
    n: float | None
    status: str
    note: Words
    provisional: bool
    simulated: bool

    def shown(self, language: str) -> str:
        """The value in the shown unit, without the unit."""
        return MISSING if self.value is None else number(self.value, self.unit, language, self.step)

    def shown_interval(self, language: str) -> str:
        """The interval in the shown unit; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        low, high = (number(end, self.unit, language, self.step) for end in (self.low, self.high))
        return interval(low, high, language)

    def shown_relative(self) -> str:
        """Half-width of the interval as a percentage of the estimate, two significant digits."""
        return "" if self.relative is None else significant(self.relative, 2)


class Book:
    """The estimates of a report's year, printed.

    Parameters
    ----------
    data : ReportData

    Raises
    ------
    InputError
        If the tidy table has two rows for one quantity, zone, year and definition, or one quantity in two units.
    """

    def __init__(self, data: ReportData) -> None:
        table = data.estimates
        rows = _under_one_definition(table[table["year"] == data.year], data.definition.id)
        twice = rows.duplicated(["quantity", "zone"])
        if twice.any():
            first = rows[twice].iloc[0]
            raise InputError("report.duplicate", quantity=first["quantity"], zone=first["zone"], year=data.year)
        self.zones = zone_order(data)
        self.quantities: tuple[str, ...] = tuple(dict.fromkeys(rows["quantity"].astype(str)))
        self._units = _units(rows)
        self._raw = {
            (str(quantity), str(zone)): None if status == WITHHELD else _in_base(value, unit)
            for quantity, zone, value, unit, status in rows[list(_CELLS)].itertuples(index=False)
        }
        self._steps = _steps(rows, self._units)
        self._added: set[tuple[str, str]] = set()
        self._values = self._print()
        self._entries = {
            (str(row["quantity"]), str(row["zone"])): self._entry({str(name): item for name, item in row.items()})
            for row in rows.to_dict(orient="records")
        }

    def entry(self, quantity: str, zone: str = CITY) -> Entry | None:
        """The printed estimate, or ``None`` where the tidy table has no row."""
        return self._entries.get((quantity, zone))

    def has(self, quantity: str, *, zones: bool = False) -> bool:
        """Whether there is a row of the quantity (for any single zone, if ``zones``)."""
        return any(q == quantity and (zone != CITY or not zones) for q, zone in self._entries)

    def parts(self, head: str) -> list[str]:
        """Quantities ``head:<part>`` in the order of the tidy table."""
        return [quantity for quantity in self.quantities if quantity.partition(":")[0] == head and ":" in quantity]

    def unit(self, quantity: str) -> str:
        """Base unit of a quantity."""
        return self._units[quantity]

    def step(self, quantity: str) -> int:
        """Power of ten of the last printed digit of a quantity, in its base unit."""
        return self._steps[quantity]

    def zones_add_up(self, quantity: str) -> bool:
        """Whether the printed zones add up to the printed whole."""
        return ("zones", quantity) in self._added

    def parts_add_up(self, head: str) -> bool:
        """Whether the printed parts of the whole city add up to their printed whole."""
        return ("parts", head) in self._added

    def _print(self) -> dict[tuple[str, str], Decimal]:
        printed = {key: rounded(value, self._steps[key[0]]) for key, value in self._raw.items() if value is not None}
        for head in _ADDED:
            whole = _WHOLE[head]
            parts = [part for part in self.parts(head) if part != whole]
            if self._fit(printed, (whole, CITY), [(part, CITY) for part in parts], self._steps.get(whole, 0)):
                self._added.add(("parts", head))
        for quantity in self.quantities:
            if not unit_of(self._units[quantity]).additive:
                continue
            keys = [(quantity, zone) for zone in self.zones if (quantity, zone) in self._raw]
            if self._fit(printed, (quantity, CITY), keys, self._steps[quantity]):
                self._added.add(("zones", quantity))
        return printed

    def _fit(
        self,
        printed: dict[tuple[str, str], Decimal],
        whole: tuple[str, str],
        parts: list[tuple[str, str]],
        step: int,
    ) -> bool:
        """Round the parts so that they add up to the printed whole; False where they do not add up to begin with."""
        values = [self._raw.get(key) for key in parts]
        total = self._raw.get(whole)
        if not parts or total is None or any(value is None for value in values):
            return False
        numbers = [value for value in values if value is not None]
        if abs(math.fsum(numbers) - total) > 0.5 * 10.0**step:
            return False
        for key, value in zip(parts, rounded_to_sum(numbers, printed[whole], step), strict=True):
            printed[key] = value
        return True

    def _entry(self, row: dict[str, object]) -> Entry:
        quantity, zone = str(row["quantity"]), str(row["zone"])
        step, unit = self._steps[quantity], str(row["unit"])
        value, raw = self._values.get((quantity, zone)), self._raw.get((quantity, zone))
        low, high = (_in_base(row[name], unit) for name in ("low", "high"))
        ends = (low, high) if value is not None and low is not None and high is not None else None
        return Entry(
            quantity=quantity,
            zone=zone,
            unit=self._units[quantity],
            step=step,
            value=value,
            low=rounded(ends[0], step) if ends else None,
            high=rounded(ends[1], step) if ends else None,
            raw=raw,
            relative=50 * (ends[1] - ends[0]) / abs(raw) if ends and raw else None,
            level=finite(row["level"]),
            method=_text(row["method"]),
            n=finite(row["n"]),
            status=_text(row["status"]) or "ok",
            note=said(row["note"]),
            provisional=_flag(row["provisional"]),
            simulated=_flag(row["simulated"]),
        )


def rounded_to_sum(values: list[float], total: Decimal, step: int) -> list[Decimal]:
    """Round values to multiples of ``10**step`` that add up to ``total``.

    Each value is rounded to the next multiple below or above. The ones that are changed against plain rounding are
    those that were nearest to the other side; ties are broken by position.

    >>> rounded_to_sum([1.4, 1.4, 1.2], Decimal(4), 0)
    [Decimal('2'), Decimal('1'), Decimal('1')]
    """
    quantum = Decimal(1).scaleb(step)
    result = [rounded(value, step) for value in values]
    missing = int((total - sum(result, Decimal(0))) / quantum)
    direction = 1 if missing > 0 else -1
    # how far each lies from its rounded value, towards the side it has to move to
    pull = [direction * (Decimal(repr(float(v))) - r) for v, r in zip(values, result, strict=True)]
    for position in sorted(range(len(values)), key=lambda i: (-pull[i], i))[: abs(missing)]:
        moved = result[position] + direction * quantum
        result[position] = abs(moved) if moved == 0 else moved
    return result


def _under_one_definition(rows: pd.DataFrame, definition_id: str) -> pd.DataFrame:
    """Where a quantity is given under several definitions, only the report's own; the data sheet keeps them all."""
    several = rows.groupby(["quantity", "zone"])["definition_id"].transform("nunique") > 1
    return rows[~several | (rows["definition_id"] == definition_id)]


def _units(rows: pd.DataFrame) -> dict[str, str]:
    units: dict[str, str] = {}
    for quantity, unit in rows[["quantity", "unit"]].drop_duplicates().itertuples(index=False):
        base = base_unit(str(unit))[0]
        if units.setdefault(str(quantity), base) != base:
            raise InputError("report.two_units", quantity=quantity, first=units[str(quantity)], second=base)
    return units


def _steps(rows: pd.DataFrame, units: dict[str, str]) -> dict[str, int]:
    errors: dict[str, list[float]] = {}
    whole: dict[str, float] = {}
    for quantity, zone, unit, error in rows[["quantity", "zone", "unit", "se"]].itertuples(index=False):
        shown = _in_base(error, unit)
        if shown is None or (str(quantity).partition(":")[0] in _FOLLOWING and _family(str(quantity)) in units):
            continue
        errors.setdefault(_family(str(quantity)), []).append(shown)
        if zone == CITY and quantity == _family(str(quantity)):
            whole[str(quantity)] = shown
    families = {quantity: _family(quantity) for quantity in units}
    return {q: step_of(units[q], errors.get(family, []), whole.get(family)) for q, family in families.items()}


def _family(quantity: str) -> str:
    return _WHOLE.get(quantity.partition(":")[0], quantity)


def _in_base(value: object, unit: object) -> float | None:
    shown, factor = finite(value), base_unit(str(unit))[1]
    return shown * 10.0**factor if shown is not None and factor else shown


def _text(value: object) -> str:
    return "" if absent(value) else str(value)


def _flag(value: object) -> bool:
    return not absent(value) and bool(value)
