"""Files that ship with the program: areas of interest, configurations and model recipes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sinkest.errors import InputError

PREFIX = "shipped:"
_VARIABLE = re.compile(r"\$(\{\w+\}|\w+)")


def shipped(name: str) -> Path:
    """Path of a shipped file or folder.

    Parameters
    ----------
    name : str
        Path below the project's root, e.g. ``"aoi/zhuzhou.geojson"``; a leading ``"shipped:"`` is allowed.

    Raises
    ------
    InputError
        If nothing of that name ships with this installation.
    """
    package = Path(__file__).resolve().parent
    relative = name.removeprefix(PREFIX)
    for root in (package / "shipped_data", package.parent):
        candidate = root / relative
        if candidate.exists():
            return candidate
    raise InputError("core.not_shipped", name=relative)


def resolve(path: str, base: Path) -> Path:
    """A path of a configuration: shipped, absolute, or relative to the folder ``base``.

    ``~`` and environment variables (``$NAME``) are filled in.
    """
    if path.startswith(PREFIX):
        return shipped(path)
    filled = os.path.expandvars(path)
    if unset := _VARIABLE.search(filled):
        raise InputError("core.unset_variable", path=path, variable=unset[0])
    given = Path(filled).expanduser()
    return given if given.is_absolute() else base / given
