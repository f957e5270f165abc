"""Age groups of arbor forest in print: their order, and areas that add up to the printed whole."""

from __future__ import annotations

import math
from decimal import Decimal

from sinkest.learn.fields import AGE_GROUPS
from sinkest.report.book import rounded_to_sum
from sinkest.report.data import CITY
from sinkest.report.leafs import ADDS_UP, HUNDREDTH, Cell, Leafs
from sinkest.report.units import rounded

AGES = tuple(AGE_GROUPS)
"""The groups from the youngest on."""
UNKNOWN = "unknown"
"""Group of the plots that have none; it stands last."""


def has_ages(leafs: Leafs) -> bool:
    """Whether the run has an area by age group."""
    return any(leafs.known(f"area_by_age:{age}") for age in AGES)


def age_cells(leafs: Leafs, area: Cell) -> list[Cell]:
    """Area of the whole by age group, ha.

    Rounded so that all groups, the unknown one too, add up to the printed area of arbor forest where they do before
    rounding; a group that no plot belongs to has none.
    """
    groups = [age for age in (*AGES, UNKNOWN) if leafs.known(f"area_by_age:{age}")]
    found = [leafs.value(f"area_by_age:{age}") for age in groups]
    numbers = [value for value in found if value is not None]
    if not numbers or len(numbers) < len(groups):
        return [leafs.own(f"area_by_age:{age}", CITY, 0, HUNDREDTH) for age in AGES]
    whole = math.fsum(numbers)
    near = isinstance(area, Decimal) and abs(whole - float(area)) <= ADDS_UP * whole
    wanted = area if isinstance(area, Decimal) and near else rounded(whole, HUNDREDTH)
    cells = dict(zip(groups, rounded_to_sum(numbers, wanted, HUNDREDTH), strict=True))
    return [cells.get(age, Decimal(0)) for age in AGES]
