"""What was found in looking at a run's inputs, gathered so that it can be told at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import geopandas as gpd

from sinkest.errors import InputError, SinkestError
from sinkest.messages import Message


@dataclass
class Findings:
    """What a run is and would do, and what is wrong with it.

    Attributes
    ----------
    facts : list of Message
        What the run is and would do.
    problems : list of Message
        What must be mended before.
    tables : dict of str to (str, GeoDataFrame)
        By configuration key, file and content of the field tables that were found usable.
    """

    facts: list[Message] = field(default_factory=list)
    problems: list[Message] = field(default_factory=list)
    tables: dict[str, tuple[str, gpd.GeoDataFrame]] = field(default_factory=dict)
    _errors: list[SinkestError] = field(default_factory=list, repr=False)

    def attempt(self, look: Callable[[], object], at: str = "") -> bool:
        """Look at one thing; keep what is wrong with it, with the key or file it stands ``at``, and go on."""
        try:
            look()
        except SinkestError as error:
            told = Message.of("inputs.at", at=at, problem=error.message) if at else error.message
            self._errors.append(InputError("inputs.at", at=at, problem=error.message) if at else error)
            self.problems.append(told)
            return False
        return True

    def refuse(self) -> None:
        """Stop if anything is wrong.

        Raises
        ------
        SinkestError
            The one problem as it was found, or all of them together.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise InputError("inputs.several", count=len(self.problems), problems=tuple(self.problems))
