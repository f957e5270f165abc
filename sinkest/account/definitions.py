"""What counts as forest, as data: versioned definitions, and the refusal to compare unlike ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sinkest.account.factors import STATUSES
from sinkest.account.reading import nearest, read_toml
from sinkest.errors import InputError

OIL_TEA = ("counted", "not_counted", "unknown")
DENOMINATORS = ("administrative_area", "area", "unknown")
_LAND_USE = re.compile(r"[0-9]{2,4}", re.ASCII)
_ID = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_KINDS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "version": (int,),
        "name_en": (str,),
        "name_zh": (str,),
        "text_en": (str,),
        "text_zh": (str,),
        "classes": (list,),
        "coverage": (bool,),
        "min_area_ha": (int, float),
        "closure": (int, float),
        "shrub_cover": (int, float),
        "oil_tea": (str,),
        "denominator": (str,),
        "comparable_with": (list,),
        "oil_tea_counterpart": (str,),
        "land_use": (list,),
        "source": (str,),
        "status": (str,),
    }
)
_OPTIONAL = ("min_area_ha", "closure", "shrub_cover", "oil_tea_counterpart", "land_use")


@dataclass(frozen=True)
class Definition:
    """A rule that says which land is forest.

    Attributes
    ----------
    id : str
        Id without the version, e.g. ``"forest_current_rule"``.
    version : int
    name_en, name_zh : str
    text_en, text_zh : str
        The rule in words.
    classes : tuple of str
        Ids of the land-cover classes that count; empty where they are not published.
    coverage : bool
        Whether the area under this rule over the denominator is forest coverage (森林覆盖率).
    min_area_ha, closure, shrub_cover : float or None
        Smallest patch (ha), least canopy closure and least shrub cover (0..1).
    oil_tea : str
        ``"counted"``, ``"not_counted"`` or ``"unknown"``.
    denominator : str
        ``"administrative_area"`` (land and inland waters), ``"area"`` (whatever is looked at) or ``"unknown"``.
    comparable_with : tuple of str
        Ids of other rules whose figures mean the same.
    source, status : str
    land_use : tuple of str
        Codes of the national land survey (三调) the ground must have to count, from polygons of the user's own; empty
        where the rule is applied by whoever labels the ground.
    oil_tea_counterpart : str or None
        Id of the same rule with the other treatment of oil tea.
    """

    id: str
    version: int
    name_en: str
    name_zh: str
    text_en: str
    text_zh: str
    classes: tuple[str, ...]
    coverage: bool
    oil_tea: str
    denominator: str
    comparable_with: tuple[str, ...]
    source: str
    status: str
    min_area_ha: float | None = None
    closure: float | None = None
    shrub_cover: float | None = None
    oil_tea_counterpart: str | None = None
    land_use: tuple[str, ...] = ()

    @property
    def versioned_id(self) -> str:
        """Id with the version, e.g. ``"forest_current_rule@1"``."""
        return f"{self.id}@{self.version}"

    @property
    def provisional(self) -> bool:
        """Whether the rule has not been checked against its source."""
        return self.status == "MEM"

    def name(self, language: str) -> str:
        """Name in ``"zh"`` or ``"en"``."""
        return self.name_zh if language == "zh" else self.name_en


def load_definitions(path: str | Path) -> dict[str, Definition]:
    """Read definitions from a TOML file: one table a definition, named by its id.

    Raises
    ------
    InputError
        For unknown or missing keys, values of a wrong kind, and ids in ``comparable_with`` that the file lacks.
    """
    file = str(path)
    found = {name: _definition(file, name, table) for name, table in read_toml(path).items()}
    if not found:
        raise InputError("account.no_rows", file=file)
    for name, definition in found.items():
        for other in definition.comparable_with:
            if other not in found:
                raise InputError(
                    "account.definition_value",
                    file=file,
                    id=name,
                    key="comparable_with",
                    given=other,
                    expected=", ".join(found),
                )
        _check_counterpart(file, found, definition)
    return found


@lru_cache(maxsize=1)
def shipped_definitions() -> Mapping[str, Definition]:
    """The definitions that come with the program, by id."""
    path = Path(str(files("sinkest.account").joinpath("factors", "definitions.toml")))
    return MappingProxyType(load_definitions(path))


def definition(identifier: str, known: Mapping[str, Definition] | None = None) -> Definition:
    """The definition of an id, with or without its version (``"tree_cover"`` or ``"tree_cover@1"``).

    Raises
    ------
    InputError
        If there is no such definition, or it has another version.
    """
    known = shipped_definitions() if known is None else known
    name, _, version = identifier.partition("@")
    if name not in known:
        raise InputError("account.unknown_definition", given=identifier, nearest=nearest(name, known))
    found = known[name]
    if version and version != str(found.version):
        raise InputError("account.definition_version", given=identifier, expected=found.versioned_id)
    return found


def comparable(a: str, b: str, known: Mapping[str, Definition] | None = None) -> bool:
    """Whether figures under two definitions may be differenced or held against each other.

    Equal ids always may, also ids that are not known here; unlike ids only where a definition says so. An id without
    a version means the version known here.
    """
    known = shipped_definitions() if known is None else known
    if a == b:
        return True
    try:
        first, second = definition(a, known), definition(b, known)
    except InputError:
        return False
    return first.id == second.id or second.id in first.comparable_with or first.id in second.comparable_with


def require_same(a: str, b: str, known: Mapping[str, Definition] | None = None) -> None:
    """Refuse to difference or compare figures under unlike definitions.

    Raises
    ------
    InputError
        If the two ids are not :func:`comparable`.
    """
    if not comparable(a, b, known):
        raise InputError("account.definitions_unlike", first=a or "-", second=b or "-")


def _check_counterpart(file: str, found: Mapping[str, Definition], rule: Definition) -> None:
    """The counterpart exists, differs in oil tea, and names the rule in turn."""
    if rule.oil_tea_counterpart is None:
        return
    other = found.get(rule.oil_tea_counterpart)
    paired = other is not None and other.oil_tea_counterpart == rule.id
    if other is None or not paired or {rule.oil_tea, other.oil_tea} != {"counted", "not_counted"}:
        known = ", ".join(name for name, item in found.items() if item.oil_tea not in (rule.oil_tea, "unknown"))
        _refuse(file, rule.id, "oil_tea_counterpart", rule.oil_tea_counterpart, known)


def _definition(file: str, name: str, table: Any) -> Definition:
    if not _ID.fullmatch(name) or not isinstance(table, dict):
        raise InputError("account.definition_id", file=file, given=name)
    for key in table:
        if key not in _KINDS:
            raise InputError("account.definition_key", file=file, id=name, key=key, nearest=nearest(key, _KINDS))
    for key, kinds in _KINDS.items():
        if key not in table:
            if key in _OPTIONAL:
                continue
            raise InputError("account.definition_missing", file=file, id=name, key=key)
        if not isinstance(table[key], kinds) or (isinstance(table[key], bool) and bool not in kinds):
            _refuse(file, name, key, table[key], " / ".join(kind.__name__ for kind in kinds))
    _check_values(file, name, table)
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    return Definition(id=name, **values)


def _check_values(file: str, name: str, table: dict[str, Any]) -> None:
    if table["version"] < 1:
        _refuse(file, name, "version", table["version"], ">= 1")
    for key, allowed in (("oil_tea", OIL_TEA), ("denominator", DENOMINATORS), ("status", STATUSES)):
        if table[key] not in allowed:
            _refuse(file, name, key, table[key], ", ".join(allowed))
    for key, highest in (("min_area_ha", 100.0), ("closure", 1.0), ("shrub_cover", 1.0)):
        if key in table and not 0 <= table[key] <= highest:
            _refuse(file, name, key, table[key], f"0 ... {highest:g}")
    for key, shape in (("classes", _ID), ("comparable_with", _ID), ("land_use", _LAND_USE)):
        items = table.get(key, [])
        wrong = [item for item in items if not isinstance(item, str) or not shape.fullmatch(item)]
        if wrong or len(set(items)) != len(items):
            _refuse(file, name, key, items, '["...", "..."]')


def _refuse(file: str, name: str, key: str, given: Any, expected: str) -> None:
    raise InputError("account.definition_value", file=file, id=name, key=key, given=repr(given), expected=expected)
