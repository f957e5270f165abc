"""Rows and notes of a run as they come in."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pandas as pd

from sinkest.messages import Message
from sinkest.stages import previous, train
from sinkest.stages.context import Run
from sinkest.stages.inference import CITY, Frame


class Book:
    """Rows and notes as they come in."""

    def __init__(self, run: Run) -> None:
        spec = run.spec
        area = dict(zip(run.zones.ids, (run.zones.frame["area_m2"] / 1e4).tolist(), strict=True))
        self.frame = Frame(
            year=spec.year,
            level=spec.estimate.level,
            definition_id=spec.forest.definition if spec.forest else "",
            simulated=bool(run.source.simulated or train.learned_from_simulated(run)),
            zone_area_ha=area,
        )
        self.earlier = previous.read_earlier(run)
        if self.earlier is not None and self.earlier.simulated:
            self.frame = dataclasses.replace(self.frame, simulated=True)
        self.rows: list[dict[str, Any]] = []
        self.notes: list[Message] = list(run.zones.notes)

    def say(self, key: str, **fields: Any) -> None:
        """Keep something that the reader must know."""
        self.notes.append(Message.of(key, **fields))

    def mark(self, table: pd.DataFrame) -> None:
        """Let simulated field data mark everything that follows."""
        if "simulated" in table and bool(table["simulated"].any()):
            self.frame = dataclasses.replace(self.frame, simulated=True)

    def decline(self, quantity: str, unit: str, note: str) -> None:
        """Say why there is no figure of a quantity, in its place and among the notes."""
        self.rows.append(self.frame.row(quantity, CITY, unit, math.nan, status="declined", note=note))
        self.say(note)
