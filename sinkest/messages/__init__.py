"""Every string that a person reads, in Chinese and English.

The texts live in the ``*.toml`` files of this folder, one file a room. An entry is a table with the keys ``en`` and
``zh``; its id is ``<file>.<table>``, so ``[self_crossing]`` in ``aoi.toml`` is ``aoi.self_crossing``. Texts are
``str.format`` templates; both languages of an entry use the same fields.
"""

from __future__ import annotations

import os
import tomllib
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("zh", "en")

_chosen: ContextVar[str | None] = ContextVar("sinkest_language", default=None)


def set_language(language: str | None) -> None:
    """Choose the language of all texts in this context; ``None`` returns to the environment's."""
    if language is not None and language not in LANGUAGES:
        raise ValueError(f"language {language!r} is not one of {LANGUAGES}")
    _chosen.set(language)


def current_language() -> str:
    """The language in force: the chosen one, else ``SINKEST_LANG``, ``LC_ALL``, ``LC_MESSAGES``, ``LANG``, else en."""
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    for variable in ("SINKEST_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@cache
def room(name: str) -> dict[str, dict[str, str]]:
    """Entries of one file by their names; each maps a language to its template."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def catalogue() -> dict[str, dict[str, str]]:
    """All entries by id; each maps a language to its template."""
    names = sorted(
        item.name.removesuffix(".toml") for item in files(__package__).iterdir() if item.name.endswith(".toml")
    )
    return {f"{name}.{entry}": texts for name in names for entry, texts in room(name).items()}


def text(key: str, language: str | None = None, /, **fields: Any) -> str:
    """The text of an entry, filled in.

    Raises
    ------
    KeyError
        If the catalogue has no such entry, or the template needs a field that is not given.
    """
    name, _, entry = key.partition(".")
    return room(name)[entry][language or current_language()].format(**fields)


@dataclass(frozen=True)
class Message:
    """A text that is not yet in a language: an id of the catalogue and the fields that fill it.

    A field may itself be a message, or a tuple of messages, which becomes indented lines.
    """

    key: str
    fields: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, key: str, /, **fields: Any) -> Message:
        """Make a message from an id and fields by name."""
        return cls(key, tuple(fields.items()))

    def text(self, language: str | None = None) -> str:
        """The message in a language; the current one unless told."""
        chosen = language or current_language()
        return text(self.key, chosen, **{name: _filled(value, chosen) for name, value in self.fields})

    def __str__(self) -> str:
        return self.text()


def _filled(value: Any, language: str) -> Any:
    """A field in a language: a message becomes its text, a tuple of messages one indented line each."""
    if isinstance(value, Message):
        return value.text(language)
    if isinstance(value, tuple) and value and all(isinstance(item, Message) for item in value):
        return "\n".join(f"  {item.text(language)}" for item in value)
    return value
