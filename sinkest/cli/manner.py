"""In which manner the command line answers: to a person or a machine, with or without telling what it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from sinkest.messages import Message


@dataclass(frozen=True)
class Manner:
    """How to answer.

    Attributes
    ----------
    json : bool
        One JSON document on standard output, progress and errors as JSON lines on standard error.
    quiet : bool
        No progress, no notes, no tables: paths of what was made, and errors.
    """

    json: bool = False
    quiet: bool = False


_PLAIN = Manner()
_manner: ContextVar[Manner] = ContextVar("sinkest_manner", default=_PLAIN)


def manner() -> Manner:
    """The manner in force."""
    return _manner.get()


def set_manner(arguments: Sequence[str]) -> None:
    """Answer from now on in this context as the arguments of a command line ask for."""
    given = set(arguments)
    _manner.set(Manner(json="--json" in given, quiet=bool(given & {"--quiet", "-q"})))


def answer(person: Callable[[], None], machine: Callable[[], Any], quiet: Callable[[], None] | None = None) -> None:
    """Give the result of a command.

    Parameters
    ----------
    person : callable
        Prints it for a person.
    machine : callable
        Gives it JSON-able; called only where JSON was asked for.
    quiet : callable, optional
        Prints what remains where quiet was asked for; default: as for a person, since it is the command's purpose.
    """
    if manner().json:
        click.echo(as_json(machine(), indent=1))
    elif manner().quiet and quiet is not None:
        quiet()
    else:
        person()


def complain(key: str, message: str, exit_code: int, head: str = "") -> None:
    """Tell of an error on standard error, in the manner in force; ``head`` is a word for people before it."""
    if manner().json:
        click.echo(as_json({"error": {"key": key, "message": message, "exit_code": exit_code}}), err=True)
    else:
        click.echo(f"{head} {message}".lstrip(), err=True)


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON text: paths and messages as texts, what is no number as null."""
    return json.dumps(_bare(value), ensure_ascii=False, indent=indent)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _bare(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_bare(item) for item in value]
    if isinstance(value, Path | Message):
        return str(value)
    if hasattr(value, "item"):  # a number of numpy
        value = value.item()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
