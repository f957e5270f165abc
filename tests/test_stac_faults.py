"""What a server can do to a read: see tests/stac_faults.py, which also runs hundreds of schedules by command."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sinkest.errors import SourceError
from sinkest.imagery.source import QA, Gap
from sinkest.imagery.stac.make import make_source
from tests.servers.stac import FAULTS, StacServer
from tests.stac_faults import BANDS, LASTING, PATIENCE, SUMMER, World, failed, run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("faults")
    with StacServer(folder, stall_s=2.5) as server:
        yield World.of(folder, server)


@pytest.mark.parametrize("kind", FAULTS)
def test_what_passes_costs_no_pixel(world: World, kind: str) -> None:
    source = world.fresh()
    for place in ("^/search$", "_B04") if kind == "stalled" else ("^/search$", "^/token/", "_B04", "_scl"):
        world.server.fault(place, kind, 1)
    if kind == "expired":  # a catalogue that refuses its search refuses it for good
        world.server.clear()
        world.server.fault("_B04", kind, 1)
    assert world.is_exact(world.read(source))


@pytest.mark.parametrize("kind", [kind for kind in LASTING if kind not in ("damaged", "stalled")])
def test_what_stays_stops_with_scene_asset_and_cause(world: World, kind: str) -> None:
    source = world.fresh()
    world.server.fault("_B11", kind, 10_000)
    with pytest.raises(SourceError) as told:
        world.read(source)
    text = str(told.value)
    cause = {"404": "no such file", "500": "status 500", "html": "web page", "truncated": "breaks off"}
    assert f"item {world.items[0]['id']}, asset B11 could not be read from http://127.0.0.1" in text
    assert cause.get(kind, "no connection") in text
    assert "sig=" not in text
    world.server.clear()
    assert world.is_exact(world.read(source))


def test_damage_within_a_tile_is_noticed_though_it_unpacks(world: World) -> None:
    source = world.fresh()
    place = next(one for one in sorted(world.server.folder.iterdir()) if "_B04" in one.name)
    whole = place.read_bytes()
    middle = len(whole) * 3 // 4
    place.write_bytes(whole[:middle] + b"\xff\x00" * 64 + whole[middle + 128 :])
    try:
        with pytest.raises(SourceError, match=r"asset B04 .*damaged or no raster"):
            world.read(source)
    finally:
        place.write_bytes(whole)


def test_failures_that_are_allowed_are_counted_and_told(world: World) -> None:
    world.fresh()
    server, grid = world.server, world.truth.fine
    source = make_source(
        "planetary-computer", url=server.url, radar_collection="", token_url=f"{server.url}/token",
        token_host="127.0.0.1", patience=PATIENCE, allowed_failures=1,
    )  # fmt: skip
    server.fault(Path(world.items[0]["assets"]["B11"]["href"]).name, "404", 10_000)
    first, second = source.search(grid, SUMMER)
    found = source.read(grid, first, BANDS)
    assert np.isnan(found["red"]).all()
    assert not found[QA].any()
    (gap,) = source.take_gaps()
    assert isinstance(gap, Gap)
    assert (gap.scene, gap.asset) == (world.items[0]["id"], "B11")
    assert source.take_gaps() == ()
    np.testing.assert_array_equal(source.read(grid, second, BANDS)["red"], world.expected[1]["red"])
    server.fault("_B08", "404", 10_000)
    with pytest.raises(SourceError, match=r"more than 1 reads failed, which imagery\.stac\.allowed_failures allows"):
        source.read(grid[:8, :8], second, ["nir"])


def test_random_schedules_lose_nothing() -> None:
    quick = tuple(kind for kind in LASTING if kind != "stalled")
    outcomes = run(12, seed=20250714, share_lasting=0.2, kinds=quick, stalls=False)
    assert failed(outcomes) == {}
    assert sum(outcomes.values()) == 12
    assert outcomes["exact"] >= 4
