"""Randomised faults against the STAC source: whatever a server does, pixels are exact or one error says what failed.

``python -m tests.stac_faults [schedules] [seed]`` runs many and prints a summary; tests/test_stac_faults.py runs some.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from sinkest.errors import SourceError
from sinkest.imagery.source import Period
from sinkest.imagery.stac.make import make_source
from sinkest.imagery.stac.patience import Patience
from sinkest.imagery.stac.source import StacSource
from tests.servers.stac import FAULTS, StacServer, collection
from tests.servers.stac_items import sentinel2_item
from tests.servers.truth import Truth, build, lattice

SUMMER = Period(date(2025, 6, 1), date(2025, 8, 31))
PATIENCE = Patience(timeout_s=1, retries=5, delay_s=0.005)
BANDS = ("red", "swir1")
PLACES = ("^/search$", "^/token/", "_B04", "_B11", "_scl", "^/files/", "^/$")
LASTING = ("404", "500", "html", "truncated", "reset", "stalled", "damaged")

_WEIGHTS = np.array([3, 3, 3, 3, 3, 0.35, 3, 2])  # of FAULTS


@dataclass
class World:
    """A truth that is served, and what reading it gives."""

    truth: Truth
    server: StacServer
    items: list[dict[str, Any]]
    expected: list[dict[str, np.ndarray]]
    runs: int = 0

    @classmethod
    def of(cls, folder: Path, server: StacServer) -> World:
        """Write the files and read them once, undisturbed."""
        truth = build(lattice(700_000, 3_080_000, 64, 48, 10), [SUMMER], scenes=2)
        items = [sentinel2_item(folder, "@", truth, scene) for scene in truth.scenes]
        server.collections, server.tokens = {"sentinel-2-l2a": collection("sentinel-2-l2a")}, True
        world = cls(truth, server, items, [])
        world.expected = world.read(world.fresh())
        return world

    def fresh(self) -> StacSource:
        """A source that has seen nothing, over addresses that nobody asked for."""
        self.runs += 1
        self.server.clear()
        base = f"{self.server.url}/files/~{self.runs}"
        self.server.items = json.loads(json.dumps(self.items).replace('"@/', f'"{base}/'))
        return make_source(
            "planetary-computer", url=self.server.url, radar_collection="", token_url=f"{self.server.url}/token",
            token_host="127.0.0.1", patience=PATIENCE,
        )  # fmt: skip

    def read(self, source: StacSource) -> list[dict[str, np.ndarray]]:
        """All scenes, in four blocks each."""
        grid, out = self.truth.fine, []
        for scene in source.search(grid, SUMMER):
            blocks = {}
            for rows in (slice(0, 24), slice(24, 48)):
                parts = [source.read(grid[rows, cols], scene, BANDS) for cols in (slice(0, 32), slice(32, 64))]
                blocks[rows.start] = {name: np.hstack([part[name] for part in parts]) for name in parts[0]}
            out.append({name: np.vstack([block[name] for block in blocks.values()]) for name in blocks[0]})
        return out

    def is_exact(self, found: list[dict[str, np.ndarray]]) -> bool:
        """Whether what was read is bit for bit what it is undisturbed."""
        return len(found) == len(self.expected) and all(
            np.array_equal(one[name], values, equal_nan=True)
            for one, right in zip(found, self.expected, strict=True)
            for name, values in right.items()
        )


def passing(world: World, rng: np.random.Generator, weights: np.ndarray) -> str:
    """Faults that pass: reading must give the exact pixels, or an error after which it does."""
    source = world.fresh()
    for _ in range(rng.integers(1, 6)):
        kind = FAULTS[rng.choice(len(FAULTS), p=weights / weights.sum())]
        world.server.fault(PLACES[rng.integers(len(PLACES))], kind, int(rng.integers(1, 4)))
    return _outcome(world, source)


def lasting(world: World, rng: np.random.Generator, kinds: tuple[str, ...] = LASTING) -> str:
    """A fault that stays: reading must stop with one error, and go on once it is mended."""
    source = world.fresh()
    kind, band = kinds[rng.integers(len(kinds))], ("_B04", "_B11", "_scl")[rng.integers(3)]
    if kind == "damaged":
        return _damaged(world, source, band)
    world.server.fault(band, kind, 10_000)
    try:
        world.read(source)
    except SourceError as error:
        world.server.clear()
        named = error.fields.get("asset") == band.removeprefix("_").upper() and "item S2A_" in str(error)
        clean = "sig=" not in str(error) and "vsicurl" not in str(error)
        return f"stopped on {kind}" if named and clean and world.is_exact(world.read(source)) else f"WRONG after {kind}"
    return f"SILENT {kind}"


def _outcome(world: World, source: StacSource) -> str:
    try:
        found = world.read(source)
    except SourceError as error:
        if not error.retryable and error.kind != "access":
            return f"WRONG error {error.key} {error.kind}"
        world.server.clear()
        return "stopped, resumed" if world.is_exact(world.read(source)) else "WRONG after an error"
    return "exact" if world.is_exact(found) else "WRONG pixels"


def _damaged(world: World, source: StacSource, band: str) -> str:
    """A file of which a stretch of bytes is noise; compressed tiles then do not unpack."""
    place = next(one for one in sorted(world.server.folder.iterdir()) if band in one.name)
    whole = place.read_bytes()
    middle = len(whole) * 3 // 4
    place.write_bytes(whole[:middle] + b"\xff\x00" * 64 + whole[middle + 128 :])
    try:
        world.read(source)
    except SourceError as error:
        named = error.fields.get("asset") == band.removeprefix("_").upper()
        return "stopped on damaged" if named and not error.retryable else f"WRONG error {error.key}"
    finally:
        place.write_bytes(whole)
    return "SILENT damaged"


def run(
    schedules: int, seed: int, share_lasting: float = 0.25, kinds: tuple[str, ...] = LASTING, stalls: bool = True
) -> Counter[str]:
    """Run schedules and count how they ended; stalled connections take a second or more each time they are tried."""
    weights = _WEIGHTS * [kind != "stalled" or stalls for kind in FAULTS]
    rng = np.random.default_rng(seed)
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, StacServer(Path(folder), stall_s=2.5) as server:
        world = World.of(Path(folder), server)
        for _ in range(schedules):
            own = np.random.default_rng(rng.integers(2**32))
            stays = rng.random() < share_lasting
            outcomes[lasting(world, own, kinds) if stays else passing(world, own, weights)] += 1
    return outcomes


def failed(outcomes: Counter[str]) -> dict[str, int]:
    """Outcomes that must not be."""
    return {name: count for name, count in outcomes.items() if name.startswith(("WRONG", "SILENT"))}


if __name__ == "__main__":
    wanted, first = int(sys.argv[1]) if len(sys.argv) > 1 else 300, int(sys.argv[2]) if len(sys.argv) > 2 else 1
    start = time.process_time()
    counted = run(wanted, first)
    for outcome, count in sorted(counted.items()):
        print(f"{count:5d}  {outcome}")
    print(f"{wanted} schedules, {time.process_time() - start:.0f} s of CPU")
    sys.exit(1 if failed(counted) else 0)
