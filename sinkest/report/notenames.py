"""Notes as a reader wants them: names of zones, classes, coefficients and quantities in place of their ids."""

from __future__ import annotations

import re
from typing import Any

from sinkest.messages import Message
from sinkest.report.data import CITY, ReportData
from sinkest.report.names import Words, class_names, known, quantity_name, zone_name

LISTS = ("strata", "zones", "zone", "sets", "types")
"""Fields that hold ids of zones and classes among other words."""
_ID = re.compile(r"[A-Za-z0-9_]+", re.ASCII)


def named_notes(data: ReportData) -> tuple[Message, ...]:
    """The notes of a run with names in place of ids; a word that is no id stays as it is."""
    zones = {str(zone): zone_name(data, str(zone)) for zone in data.zones["zone_id"]}
    names = {**class_names(data), **zones, CITY: zone_name(data, CITY)}
    found = []
    for note in data.notes:
        fields = {name: _named(data, names, name, value) for name, value in note.fields}
        found.append(Message.of(note.key, **fields))
    return tuple(found)


def _named(data: ReportData, names: dict[str, Words], field: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if field == "quantities":
        return _either([quantity_name(data, part) for part in value.split(", ")])
    if field == "factors":
        return _either([_factor(part) for part in value.split(", ")])
    if field in LISTS and any(token in names for token in _ID.findall(value)):
        return _either([Words(_replaced(names, value, "zh"), _replaced(names, value, "en"))])
    return value


def _replaced(names: dict[str, Words], value: str, language: str) -> str:
    def name(token: re.Match[str]) -> str:
        return names[token[0]][language] if token[0] in names else token[0]

    return _ID.sub(name, value)


def _factor(identifier: str) -> Words:
    """Name of a coefficient given as set/parameter/type."""
    parts = identifier.split("/")
    if len(parts) != 3:
        return Words.same(identifier)
    kinds = known(f"account.parameter_{parts[1]}", parts[1]), known(f"account.type_{parts[2]}", parts[2])
    return Words(f"{kinds[1].zh}{kinds[0].zh}", f"{kinds[0].en} of {kinds[1].en}")


def _either(words: list[Words]) -> Message:
    """A list as one field that is a text of its own in each language."""
    return Message.of("report.either", zh="、".join(item.zh for item in words), en=", ".join(item.en for item in words))
