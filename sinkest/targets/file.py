"""The file that a plan's targets stand in, read strictly.

A target is a ``[[target]]`` table; values are converted to the unit of their quantity once, here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sinkest.account.definitions import Definition, comparable, definition
from sinkest.account.reading import nearest, read_toml
from sinkest.account.sites import ceiling_note
from sinkest.errors import ConfigError, InputError
from sinkest.messages import Message

VERSION = 1
COMPARISONS = ("about", "at_least", "count", "area")
QUANTITIES: Mapping[str, str] = MappingProxyType(
    {
        "forest_coverage": "%",
        "tree_cover": "%",
        "forest_area": "ha",
        "growing_stock": "m3",
        "growing_stock_per_ha": "m3/ha",
        "stock_change": "m3/yr",
        "co2_total": "t CO2",
        "sink": "t CO2/yr",
        "wetland_burial": "t CO2/yr",
        "small_wetland_sites": "count",
        "small_wetland_sites_corridor": "count",
        "small_wetland_area": "ha",
        "karst_treated_area": "ha",
        "karst_planted_area": "ha",
        "karst_closure_area": "ha",
        "class_area:": "ha",
        "stock_by_type:": "m3",
        "biomass:": "t",
        "carbon:": "t C",
        "wetland_area:": "ha",
    }
)
"""Quantities that can have a target, and their unit; one that ends in ``:`` takes a class, type, pool or kind."""
UNITS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        **{unit: (unit, 1.0) for unit in set(QUANTITIES.values())},
        "万m3": ("m3", 1e4),
        "亿m3": ("m3", 1e8),
        "万m3/yr": ("m3/yr", 1e4),
        "m3/亩": ("m3/ha", 15.0),
        "公顷": ("ha", 1.0),
        "万公顷": ("ha", 1e4),
        "亩": ("ha", 1 / 15),
        "万亩": ("ha", 1e4 / 15),
        "km2": ("ha", 100.0),
        "处": ("count", 1.0),
        "万t": ("t", 1e4),
        "万t C": ("t C", 1e4),
        "万t CO2": ("t CO2", 1e4),
        "万t CO2/yr": ("t CO2/yr", 1e4),
    }
)
"""Units a target may be written in: the quantity's unit they belong to, and how many of it they are."""
NEEDS_DEFINITION = ("forest_coverage", "forest_area")
_REQUIRED: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "id": (str,),
        "quantity": (str,),
        "year": (int,),
        "value": (int, float),
        "unit": (str,),
        "comparison": (str,),
        "wording_zh": (str,),
        "wording_en": (str,),
        "source": (str,),
    }
)
_OPTIONAL: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {"zone": (str,), "half_width": (int, float), "definition_id": (str,), "parts": (list,)}
)
_ID = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


@dataclass(frozen=True)
class Target:
    """A target of a plan.

    Attributes
    ----------
    id, quantity, zone : str
        ``zone`` is ``"all"`` for the whole.
    year : int
    value : float
        In ``unit``, the unit of the quantity.
    unit : str
    comparison : str
        ``"about"`` (within ``half_width`` on either side), ``"at_least"``, or ``"count"`` and ``"area"`` (at least, of
        a list that is taken as exact).
    wording_zh, wording_en, source : str
        The plan's words and clause.
    given_value : float
    given_unit : str
        As the plan writes it.
    half_width : float or None
        In ``unit``.
    definition_id : str
        Definition of the areas it is about; ``""`` where none applies.
    parts : tuple of str
        Ids of targets that add up to this one.
    """

    id: str
    quantity: str
    zone: str
    year: int
    value: float
    unit: str
    comparison: str
    wording_zh: str
    wording_en: str
    source: str
    given_value: float
    given_unit: str
    half_width: float | None = None
    definition_id: str = ""
    parts: tuple[str, ...] = ()


def read_targets(path: str | Path, definitions: Mapping[str, Definition] | None = None) -> tuple[Target, ...]:
    """Read a plan's targets.

    Parameters
    ----------
    path : path-like
        TOML file with ``version = 1`` and ``[[target]]`` tables.
    definitions : mapping, optional
        Definitions by id, where not the shipped ones.

    Raises
    ------
    InputError
        If the file cannot be read or is not TOML.
    ConfigError
        For unknown or missing keys, values of a wrong kind, unknown quantities, units, comparisons and definitions, a
        unit that does not belong to the quantity, "about" without a half-width, coverage without a definition,
        repeated ids, two targets for one year, and parts that do not add up.
    """
    file = str(path)
    content = read_toml(path)
    for key in content:
        if key not in ("version", "target"):
            raise ConfigError(
                "targets.unknown_key", file=file, id="-", key=key, nearest=nearest(key, ("version", "target"))
            )
    if content.get("version") != VERSION or isinstance(content.get("version"), bool):
        raise ConfigError("targets.version", file=file, given=content.get("version"), expected=VERSION)
    tables = content.get("target")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigError("targets.no_targets", file=file)
    targets = tuple(_target(file, place, table, definitions) for place, table in enumerate(tables, start=1))
    _check_together(file, targets)
    return targets


def remarks(targets: Sequence[Target], definitions: Mapping[str, Definition] | None = None) -> tuple[Message, ...]:
    """What is odd about the targets themselves: mean areas at a ceiling, and figures that must not be compared."""
    notes: list[Message] = []
    by_quantity: dict[str, list[Target]] = {}
    for target in targets:
        by_quantity.setdefault(target.quantity, []).append(target)
    for sites in by_quantity.get("small_wetland_sites", []):
        for area in by_quantity.get("small_wetland_area", []):
            if (sites.year, sites.zone) == (area.year, area.zone):
                notes.extend(ceiling_note(sites.value, area.value))
    for group in by_quantity.values():
        first = group[0]
        notes.extend(
            Message.of(
                "targets.remark_unlike",
                target=other.id,
                value=other.given_value,
                unit=other.given_unit,
                year=other.year,
                definition=other.definition_id,
                main=first.definition_id,
            )
            for other in group[1:]
            if first.definition_id and not comparable(first.definition_id, other.definition_id, definitions)
        )
    return tuple(notes)


def _target(file: str, place: int, table: dict[str, Any], definitions: Mapping[str, Definition] | None) -> Target:
    name = table["id"] if isinstance(table.get("id"), str) and table["id"] else f"#{place}"
    known = {**_REQUIRED, **_OPTIONAL}
    for key in table:
        if key not in known:
            raise ConfigError("targets.unknown_key", file=file, id=name, key=key, nearest=nearest(key, known))
    for key, kinds in known.items():
        if key in table:
            if not isinstance(table[key], kinds) or isinstance(table[key], bool) or table[key] in ("", []):
                expected = " / ".join(kind.__name__ for kind in kinds)
                raise ConfigError(
                    "targets.kind", file=file, id=name, key=key, given=repr(table[key]), expected=expected
                )
        elif key in _REQUIRED:
            raise ConfigError("targets.missing_key", file=file, id=name, key=key)
    unit, factor = _unit(file, name, table)
    half = table.get("half_width")
    if (half is not None) != (table["comparison"] == "about"):
        raise ConfigError("targets.half_width", file=file, id=name)
    return Target(
        id=name,
        quantity=table["quantity"],
        zone=table.get("zone", "all"),
        year=table["year"],
        value=table["value"] * factor,
        unit=unit,
        comparison=table["comparison"],
        wording_zh=table["wording_zh"],
        wording_en=table["wording_en"],
        source=table["source"],
        given_value=float(table["value"]),
        given_unit=table["unit"],
        half_width=None if half is None else half * factor,
        definition_id=_definition(file, name, table, definitions),
        parts=tuple(table.get("parts", ())),
    )


def _unit(file: str, name: str, table: dict[str, Any]) -> tuple[str, float]:
    """Unit of the quantity and the factor to it, after every single value was checked."""
    if not _ID.fullmatch(table["id"]):
        raise ConfigError("targets.value", file=file, id=name, key="id", given=table["id"], expected="a-z, 0-9, _")
    head, colon, part = table["quantity"].partition(":")
    base = QUANTITIES.get(head + colon)
    if base is None or bool(colon) != bool(part):
        raise ConfigError(
            "targets.unknown_quantity",
            file=file,
            id=name,
            given=table["quantity"],
            nearest=nearest(table["quantity"], QUANTITIES),
        )
    for key, low, high in (("year", 1900, 2200), ("value", 0, 1e15), ("half_width", 1e-12, 1e15)):
        if key in table and not (math.isfinite(table[key]) and low <= table[key] <= high):
            raise ConfigError(
                "targets.value", file=file, id=name, key=key, given=table[key], expected=f"{low:g} ... {high:g}"
            )
    if table["comparison"] not in COMPARISONS:
        expected = ", ".join(COMPARISONS)
        raise ConfigError(
            "targets.value", file=file, id=name, key="comparison", given=table["comparison"], expected=expected
        )
    belonging = [unit for unit, (of, _) in UNITS.items() if of == base]
    if table["unit"] not in belonging:
        raise ConfigError(
            "targets.unit",
            file=file,
            id=name,
            given=table["unit"],
            quantity=table["quantity"],
            expected=", ".join(sorted(belonging)),
        )
    return base, UNITS[table["unit"]][1]


def _definition(file: str, name: str, table: dict[str, Any], definitions: Mapping[str, Definition] | None) -> str:
    given = table.get("definition_id", "")
    if not given:
        if table["quantity"] in NEEDS_DEFINITION:
            raise ConfigError("targets.missing_key", file=file, id=name, key="definition_id")
        return ""
    try:
        definition(given, definitions)
    except InputError as error:
        raise ConfigError("targets.definition", file=file, id=name, problem=error.message) from None
    return str(given)


def _check_together(file: str, targets: tuple[Target, ...]) -> None:
    by_id: dict[str, Target] = {}
    slots: dict[tuple[str, str, str, int], str] = {}
    for target in targets:
        if target.id in by_id:
            raise ConfigError("targets.repeated", file=file, id=target.id)
        by_id[target.id] = target
        slot = (target.quantity, target.zone, target.definition_id, target.year)
        if slot in slots:
            raise ConfigError("targets.same_slot", file=file, id=target.id, other=slots[slot])
        slots[slot] = target.id
    for target in targets:
        missing = [str(part) for part in target.parts if not isinstance(part, str) or part not in by_id]
        if missing:
            raise ConfigError("targets.unknown_part", file=file, id=target.id, part=", ".join(missing))
        total = sum(by_id[part].value for part in target.parts)
        if target.parts and not math.isclose(total, target.value, rel_tol=1e-9):
            raise ConfigError("targets.parts_sum", file=file, id=target.id, total=total, value=target.value)
