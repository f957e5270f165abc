"""From an expression graph to a value, each call checked against the signatures of the service."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tests.servers.earthengine.values import Collection, Image, NotKnownError, RefusedError

Function = Callable[..., Any]


@lru_cache(maxsize=1)
def algorithms() -> dict[str, dict[str, Any]]:
    """Algorithms of the service by name, as the client's own package lists them for its tests."""
    listed = importlib.resources.files("ee").joinpath("tests/algorithms.json")
    if not listed.is_file():
        raise AssertionError("this earthengine-api ships no ee/tests/algorithms.json; install another version")
    found = json.loads(listed.read_text(encoding="utf-8"))["algorithms"]
    return {item["name"].removeprefix("algorithms/"): item for item in found}


@dataclass
class _Scope:
    """Arguments of the function at work, and what references mean with them."""

    given: dict[str, Any]
    known: dict[str, Any] = field(default_factory=dict)


class Interpreter:
    """Evaluates expressions over the assets of a store.

    Parameters
    ----------
    functions : dict of str to callable
        By the algorithm's name; takes the store, then the arguments by name.
    store : Store
    """

    def __init__(self, functions: dict[str, Function], store: Any) -> None:
        self._functions, self._store = functions, store
        self.used: set[str] = set()

    def evaluate(self, expression: dict[str, Any]) -> Any:
        """The value of an expression as requests carry it."""
        values = expression["values"]

        def node_of(reference: str, scope: _Scope) -> Any:
            if reference not in scope.known:
                scope.known[reference] = value(values[reference], scope)
            return scope.known[reference]

        def value(node: dict[str, Any], scope: _Scope) -> Any:
            kind, content = next(iter(node.items()))
            if kind in ("constantValue", "integerValue"):
                return content
            if kind == "valueReference":
                return node_of(content, scope)
            if kind == "arrayValue":
                return [value(item, scope) for item in content["values"]]
            if kind == "dictionaryValue":
                return {name: value(item, scope) for name, item in content["values"].items()}
            if kind == "argumentReference":
                return scope.given[content]
            if kind == "functionDefinitionValue":
                names, body = content["argumentNames"], content["body"]
                return lambda *given: node_of(body, _Scope({**scope.given, **dict(zip(names, given, strict=True))}))
            if kind == "functionInvocationValue" and "functionName" in content:
                given = {name: value(item, scope) for name, item in content.get("arguments", {}).items()}
                return self._call(content["functionName"], given)
            raise NotKnownError(f"a node {kind}")

        return node_of(expression["result"], _Scope({}))

    def _call(self, name: str, given: dict[str, Any]) -> Any:
        known = algorithms().get(name)
        if known is None:
            raise RefusedError(f"Unknown algorithm '{name}'.")
        expected = {item["argumentName"]: item for item in known.get("arguments", [])}
        for argument, passed in given.items():
            if argument not in expected:
                raise RefusedError(f"{name}: Unrecognized argument '{argument}'.")
            _check_type(name, expected[argument], passed)
        for argument, item in expected.items():
            if given.get(argument) is None and not item.get("optional"):
                raise RefusedError(f"{name}: Parameter '{argument}' is required and may not be null.")
        if name not in self._functions:
            raise NotKnownError(f"'{name}'")
        self.used.add(name)
        return self._functions[name](self._store, **given)


def _check_type(name: str, item: dict[str, Any], passed: Any) -> None:
    """Refuse what can be told from the declared type without doubt."""
    declared, argument = item["type"], item["argumentName"]
    fits = {
        "Integer": lambda: isinstance(passed, int | float) and not isinstance(passed, bool) and passed == int(passed),
        "Float": lambda: isinstance(passed, int | float) and not isinstance(passed, bool),
        "Boolean": lambda: isinstance(passed, bool),
        "String": lambda: isinstance(passed, str),
        "ImageCollection": lambda: isinstance(passed, Collection),
        "FeatureCollection": lambda: isinstance(passed, Collection),
        "Image<unknown bands>": lambda: isinstance(passed, Image | int | float),
    }.get(declared)
    if passed is not None and (
        (fits is not None and not fits()) or (declared.startswith("List<") and not isinstance(passed, list))
    ):
        raise RefusedError(
            f"{name}, argument '{argument}': Invalid type. Expected {declared}, got {type(passed).__name__}."
        )
