"""How a run tells what it is doing, whoever listens."""

from __future__ import annotations

from typing import Protocol

from sinkest.messages import Message


class Progress(Protocol):
    """A listener of a run."""

    def begin(self, stage: str, total: int) -> None:
        """Start a stage of ``total`` steps."""

    def advance(self, steps: int) -> None:
        """Count finished steps of the stage that began last."""

    def end(self, stage: str) -> None:
        """Finish a stage."""

    def say(self, message: Message) -> None:
        """Tell something that a person should know."""


class Silent:
    """A listener that keeps what was said and shows nothing."""

    def __init__(self) -> None:
        self.said: list[Message] = []

    def begin(self, stage: str, total: int) -> None:
        """Start a stage."""

    def advance(self, steps: int) -> None:
        """Count finished steps."""

    def end(self, stage: str) -> None:
        """Finish a stage."""

    def say(self, message: Message) -> None:
        """Keep a message."""
        self.said.append(message)
