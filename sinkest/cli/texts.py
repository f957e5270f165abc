"""The command-line library's own words ("Usage:", "Missing argument") in the language in force.

The library marks them for translation, but would look for compiled catalogues chosen by the machine's locale, which
``--lang`` cannot change. Its lookup is replaced by one in ours, for as long as a command runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click.core
import click.decorators
import click.exceptions
import click.formatting
import click.parser
import click.types

from sinkest.messages import current_language, room

_MODULES = (click.core, click.decorators, click.exceptions, click.formatting, click.parser, click.types)


@contextmanager
def spoken() -> Iterator[None]:
    """Let the command-line library speak the language in force; what the catalogue lacks stays English."""
    language = current_language()
    if language == "en":
        yield
        return
    table = {texts["en"]: texts[language] for texts in room("click").values()}

    def one(message: str) -> str:
        return table.get(message, message)

    def counted(singular: str, plural: str, n: int) -> str:
        return one(singular if n == 1 else plural)

    ours = {"_": one, "ngettext": counted}
    before = [(module, name, vars(module)[name]) for module in _MODULES for name in ours if name in vars(module)]
    for module, name, _ in before:
        setattr(module, name, ours[name])
    try:
        yield
    finally:
        for module, name, theirs in before:
            setattr(module, name, theirs)
