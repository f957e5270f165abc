"""What tests of Earth Engine share: the world, the server, and a source that asks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sinkest.imagery.earthengine import Account, Choices, EarthEngineSource, Pace
from sinkest.imagery.source import Composition, Period
from tests.servers.earthengine.server import PROJECT, EarthEngineServer
from tests.servers.earthengine.world import World, build

SUMMER, WINTER = Period(date(2023, 6, 1), date(2023, 8, 31)), Period(date(2022, 12, 1), date(2023, 2, 28))
SEASONS = {"summer": (SUMMER,), "winter": (WINTER,)}


@dataclass
class Served:
    """The world behind a server, and a key that the server accepts."""

    world: World
    server: EarthEngineServer
    key: Path
    waits: list[float]

    def account(self, **changes: Any) -> Account:
        """An account that is let in."""
        return Account(
            **{"project": PROJECT, "credentials": self.key, "url": self.server.url, "deadline_s": 30.0} | changes
        )

    def source(self, *, composes: bool = True, pace: Pace | None = None, **choices: Any) -> EarthEngineSource:
        """A source that does not really wait between tries."""
        account, year = self.account(), choices.pop("year", 2023)
        return EarthEngineSource(account, Choices(year, **choices), pace, composes=composes, sleep=self.waits.append)


@contextmanager
def serving(folder: Path, world: World | None = None, **limits: int) -> Iterator[Served]:
    """A server, with a world of its own unless one is given."""
    world = world or build()
    with EarthEngineServer(world.store, **limits) as server:
        yield Served(world, server, write_key(folder, server), [])


def write_key(folder: Path, server: EarthEngineServer, refresh_token: str = "good-refresh") -> Path:
    """Credentials of a user, as a file."""
    key = folder / "key.json"
    key.write_text(json.dumps({"refresh_token": refresh_token, "token_uri": f"{server.url}/token"}), encoding="utf-8")
    return key


def wanted(**changes: Any) -> Composition:
    """A composition of two seasons."""
    usual = {
        "seasons": SEASONS, "bands": ("red", "nir"), "radar_bands": (), "method": "median", "index": None,
        "percentiles": (), "dilate_px": 0, "fills_gaps": False,
    }  # fmt: skip
    return Composition(**usual | changes)
