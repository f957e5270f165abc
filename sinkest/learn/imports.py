"""Which classes a recipe may name: those of scikit-learn and of this program, and what the user allows by name.

A recipe is a text from anywhere, and what it imports is run. Nothing is allowed because a recipe or a saved model asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from inspect import isclass
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from sinkest.errors import ModelError

ALLOWED_ROOTS = ("sklearn.", "sinkest.")
"""Packages that a recipe may import from unless the user allows more."""


def is_allowed(path: str, allowed: Iterable[str]) -> bool:
    """Whether a class is one of the allowed, or of an allowed package (one with a dot at its end)."""
    return any(path.startswith(one) if one.endswith(".") else path == one for one in allowed)


def estimator_class(file: Path, key: str, path: Any, allowed: Sequence[str]) -> type[BaseEstimator]:
    """The class of a recipe.

    Parameters
    ----------
    file : Path
        The recipe, named in messages.
    key : str
        Where in the recipe.
    path : str
        ``package.module.Class``.
    allowed : sequence of str
        See :func:`is_allowed`.

    Raises
    ------
    ModelError
        If the class is not allowed, cannot be imported, or is no estimator.
    """
    if not isinstance(path, str) or "." not in path:
        raise ModelError("learn.recipe_value", file=file, key=f"{key}.class", expected="package.module.Class")
    if not is_allowed(path, allowed):
        roots = ", ".join(one.rstrip(".") for one in allowed)
        raise ModelError("learn.root_not_allowed", file=file, given=path, roots=roots)
    found = imported(file, path)
    if not isclass(found) or not issubclass(found, BaseEstimator):
        raise ModelError("learn.no_estimator", file=file, given=path)
    return found


def imported(file: Path, path: str) -> Any:
    """What an import path stands for.

    Raises
    ------
    ModelError
        If it cannot be imported, whatever its module raises.
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # a module of the user's own may raise anything while it is read
        reason = f"{type(error).__name__}: {error}"
        raise ModelError("learn.no_such_class", file=file, given=path, reason=reason) from error


def trusted_names(file: Path, allowed: Sequence[str]) -> set[str]:
    """Names under which the singly allowed classes stand in a saved model: also where they are really defined."""
    names = set()
    for path in allowed:
        if not path.endswith("."):
            found = imported(file, path)
            names |= {path, f"{found.__module__}.{found.__qualname__}"} if isclass(found) else {path}
    return names


def source_hashes(classes: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the file that each class is imported from, "" where there is none; no code of it is run.

    Only packages above a module are imported to find it.
    """
    found = {}
    for path in sorted(classes):
        try:
            spec = find_spec(path.rpartition(".")[0])
        except (ImportError, AttributeError, ValueError):
            spec = None
        origin = Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
        found[path] = hashlib.sha256(origin.read_bytes()).hexdigest() if origin and origin.is_file() else ""
    return found
