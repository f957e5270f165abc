"""Who listens to a run: bars on a terminal, lines in a log, JSON lines for a machine, nobody where it is quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from sinkest.cli.manner import as_json, manner
from sinkest.messages import Message, text
from sinkest.progress import Silent

BLOCKWISE = ("compose", "map")
"""Stages whose steps are blocks of the grid."""
EVERY = 10
"""A log gets a line each so many percent."""


class Listener(Protocol):
    """A listener of a run that can be taken down."""

    def begin(self, stage: str, total: int) -> None:
        """Start a stage of ``total`` steps."""

    def advance(self, steps: int) -> None:
        """Count finished steps of the stage that began last."""

    def end(self, stage: str) -> None:
        """Finish a stage."""

    def say(self, message: Message) -> None:
        """Tell something that a person should know."""

    def close(self) -> None:
        """Stop listening."""


class _Rate(ProgressColumn):
    """Steps a second, or seconds a step where they are slow."""

    def render(self, task: Task) -> Text:
        """The rate of a stage, once two steps are done."""
        return Text("" if not task.speed else rate(task.speed), style="progress.data.speed")


def rate(steps_per_second: float) -> str:
    """A rate in the language in force: ``3.2/s`` or ``4.0 s each``."""
    if steps_per_second >= 1:
        return text("terminal.rate", value=f"{steps_per_second:.1f}")
    return text("terminal.rate_slow", value=f"{1 / steps_per_second:.1f}")


class Bars:
    """Bars on standard error: stage, blocks done, rate, time taken and remaining.

    Parameters
    ----------
    console : Console
        A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[step]}"),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None
        self._progress.start()

    def begin(self, stage: str, total: int) -> None:
        """Start a stage of ``total`` steps."""
        step = text("terminal.blocks" if stage in BLOCKWISE else "terminal.steps")
        self._task = self._progress.add_task(text(f"cli.stage_{stage}"), total=total, step=step)

    def advance(self, steps: int) -> None:
        """Count finished steps."""
        if self._task is not None:
            self._progress.advance(self._task, steps)

    def end(self, stage: str) -> None:
        """Finish a stage."""
        if self._task is not None:
            task = self._progress.tasks[self._progress.task_ids.index(self._task)]
            self._progress.update(self._task, completed=task.total)

    def say(self, message: Message) -> None:
        """Print a message above the bars."""
        self._console.print(str(message), markup=False, highlight=False)

    def close(self) -> None:
        """Take the bars down."""
        self._progress.stop()


class Lines:
    """Plain lines on standard error, for a log: the start of a stage, each tenth of its blocks, its end."""

    def __init__(self) -> None:
        self._stage, self._done, self._total, self._told, self._since = "", 0, 0, 0, 0.0

    def begin(self, stage: str, total: int) -> None:
        """Start a stage of ``total`` steps."""
        self._stage, self._done, self._total, self._told, self._since = stage, 0, total, 0, time.monotonic()
        self._print(f"{text(f'cli.stage_{stage}')} ...")

    def advance(self, steps: int) -> None:
        """Count finished steps; blocks are told each tenth of them."""
        self._done += steps
        percent = 100 * self._done // max(self._total, 1)
        if self._stage not in BLOCKWISE or self._total < EVERY or percent < self._told + EVERY or percent >= 100:
            return
        self._told = percent
        speed = self._done / max(time.monotonic() - self._since, 1e-9)
        left = (self._total - self._done) / speed
        self._print(
            text(
                "terminal.log_line",
                stage=text(f"cli.stage_{self._stage}"),
                done=self._done,
                total=self._total,
                rate=rate(speed),
                left=f"{left:.0f}",
            )
        )

    def end(self, stage: str) -> None:
        """Finish a stage."""
        taken = f"{time.monotonic() - self._since:.0f}"
        self._print(text("terminal.log_end", stage=text(f"cli.stage_{stage}"), seconds=taken))

    def say(self, message: Message) -> None:
        """Print a message."""
        self._print(str(message))

    def close(self) -> None:
        """Nothing is left open."""

    def _print(self, line: str) -> None:
        click.echo(line, err=True)


class JsonLines:
    """One JSON object a line on standard error: ``begin``, ``advance``, ``end`` and ``say``."""

    def begin(self, stage: str, total: int) -> None:
        """Start a stage of ``total`` steps."""
        self._tell(event="begin", stage=stage, total=total)

    def advance(self, steps: int) -> None:
        """Count finished steps."""
        self._tell(event="advance", steps=steps)

    def end(self, stage: str) -> None:
        """Finish a stage."""
        self._tell(event="end", stage=stage)

    def say(self, message: Message) -> None:
        """Tell a message with its id."""
        self._tell(event="say", key=message.key, message=str(message))

    def close(self) -> None:
        """Nothing is left open."""

    def _tell(self, **event: object) -> None:
        click.echo(as_json(event), err=True)


class Nobody(Silent):
    """Listens and shows nothing."""

    def close(self) -> None:
        """Nothing is left open."""


@contextmanager
def listen() -> Iterator[Listener]:
    """A listener for the time of a run, in the manner in force."""
    chosen = manner()
    listener: Listener
    if chosen.json:
        listener = JsonLines()
    elif chosen.quiet:
        listener = Nobody()
    else:
        listener = Bars(Console(stderr=True)) if sys.stderr.isatty() else Lines()
    try:
        yield listener
    finally:
        listener.close()
