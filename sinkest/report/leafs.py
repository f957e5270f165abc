"""Printed numbers of the survey: each rounded once, so that all sums over them agree to the last digit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from sinkest.report.book import rounded_to_sum
from sinkest.report.data import CITY, WITHHELD, ReportData
from sinkest.report.names import Words, zone_order
from sinkest.report.units import finite, rounded

Cell = Decimal | Words | None
"""A number in the shown unit, words in place of one, or nothing."""

HUNDREDTH = -2
ADDS_UP = 1e-3
"""Relative gap within which parts count as adding up to their whole."""
NO_DATA = Words.of("survey.no_data")
"""In place of a number that needs data the run has not."""


class Leafs:
    """Printed numbers by quantity and zone, rounded once so that every sum over them agrees.

    Parameters
    ----------
    data : ReportData
    """

    def __init__(self, data: ReportData) -> None:
        self.data = data
        self.zones = zone_order(data)
        table = data.estimates[data.estimates["year"] == data.year]
        # of several definitions the report's own
        own = table["definition_id"].eq(data.definition.id)
        table = table[own | ~table.duplicated(["quantity", "zone"], keep=False)]
        self._values: dict[tuple[str, str], float] = {}
        self._status: dict[tuple[str, str], str] = {}
        for line in table.to_dict("records"):
            key = str(line["quantity"]), str(line["zone"])
            self._status[key] = str(line["status"])
            value = finite(line["value"])
            if value is not None and line["status"] != WITHHELD:
                self._values[key] = value

    def value(self, quantity: str, zone: str = CITY) -> float | None:
        """The unrounded number, None where there is none to print."""
        return self._values.get((quantity, zone))

    def known(self, quantity: str, zone: str = CITY) -> bool:
        """Whether the run has a row of the quantity, with a number or without."""
        return (quantity, zone) in self._status

    def words(self, quantity: str, zone: str = CITY) -> Words:
        """What stands in place of a number that is not there."""
        status = self._status.get((quantity, zone))
        return Words.of(f"quantities.status_{status}") if status in ("declined", WITHHELD) else NO_DATA

    def column(self, quantity: str, power: int = 0, step: int = HUNDREDTH) -> dict[str, Cell]:
        """A quantity by zone, in units of ``10**power``, rounded so that zones add up to the rounded whole.

        Where they do not add up before rounding, the whole stands in it too, under :data:`~sinkest.report.data.CITY`.
        """
        found = [self.value(quantity, zone) for zone in self.zones]
        whole = self.value(quantity)
        numbers = [value / 10.0**power for value in found if value is not None]
        if len(numbers) < len(found):
            cells = {zone: self.own(quantity, zone, power, step) for zone in self.zones}
            return cells | {CITY: self.own(quantity, CITY, power, step)}
        total = math.fsum(numbers) if whole is None else whole / 10.0**power
        if abs(total - math.fsum(numbers)) > 0.5 * 10.0**step:
            cells = {zone: rounded(value, step) for zone, value in zip(self.zones, numbers, strict=True)}
            return cells | {CITY: rounded(total, step)}
        return dict(zip(self.zones, rounded_to_sum(numbers, rounded(total, step), step), strict=True))

    def own(self, quantity: str, zone: str, power: int, step: int) -> Cell:
        """A number rounded by itself, or the words in its place."""
        value = self.value(quantity, zone)
        return self.words(quantity, zone) if value is None else rounded(value / 10.0**power, step)

    def split(
        self, whole: Mapping[str, Cell], quantities: Sequence[str], power: int = 0, step: int = HUNDREDTH
    ) -> dict[str, dict[str, Cell]]:
        """Parts of a printed column by zone, rounded so that they add up to it where they do before rounding.

        Returns
        -------
        dict
            Quantity to zone to cell.
        """
        out: dict[str, dict[str, Cell]] = {quantity: {} for quantity in quantities}
        for zone in self.zones:
            found = [self.value(quantity, zone) for quantity in quantities]
            total = whole.get(zone)
            numbers = [value / 10.0**power for value in found if value is not None]
            if len(numbers) < len(found) or not isinstance(total, Decimal):
                cells: Sequence[Cell] = [self.own(quantity, zone, power, step) for quantity in quantities]
            else:
                gap = abs(math.fsum(numbers) - float(total))
                near = gap <= max(10.0**step * (0.5 + len(numbers)), ADDS_UP * abs(float(total)))
                wanted = total if near else rounded(math.fsum(numbers), step)
                cells = rounded_to_sum(numbers, wanted, step)
            for quantity, cell in zip(quantities, cells, strict=True):
                out[quantity][zone] = cell
        return out


def added(cells: Sequence[Cell]) -> Cell:
    """Sum of printed cells; words where one of them is not a number."""
    for cell in cells:
        if not isinstance(cell, Decimal):
            return cell if isinstance(cell, Words) else NO_DATA
    return sum((cell for cell in cells if isinstance(cell, Decimal)), Decimal(0)) if cells else NO_DATA


def quotient(top: Cell, bottom: Cell, places: int, factor: int = 1) -> Cell:
    """Quotient of two printed cells, rounded half to even."""
    for cell in (top, bottom):
        if not isinstance(cell, Decimal):
            return cell if isinstance(cell, Words) else NO_DATA
    if not isinstance(top, Decimal) or not isinstance(bottom, Decimal) or bottom == 0:
        return NO_DATA
    return (factor * top / bottom).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
