"""Whatever goes wrong between here and the service: the exact pixels, or one error that says what to do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sinkest.errors import SourceError
from sinkest.imagery.earthengine import Choices, EarthEngineSource, Pace
from sinkest.imagery.earthengine.pace import Gate
from tests.servers.earthengine.faults import PASSING
from tests.servers.earthengine.fixtures import SUMMER, Served, serving, wanted
from tests.source_faults import clean, run_schedule

ASKED = wanted(seasons={"summer": (SUMMER,)}, bands=("red", "nir"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("ee")) as one:
        yield one


@pytest.fixture(scope="module")
def undisturbed(served: Served) -> dict[str, np.ndarray]:
    return served.source().composite(served.world.grid[20:40, 30:50], ASKED)


@pytest.fixture(autouse=True)
def _quiet(served: Served) -> Iterator[None]:
    yield
    served.server.faults.clear()


def compose(
    served: Served, pace: Pace | None = None, **account: object
) -> tuple[EarthEngineSource, dict[str, np.ndarray]]:
    source = EarthEngineSource(served.account(**account), Choices(2023), pace, sleep=served.waits.append)
    return source, source.composite(served.world.grid[20:40, 30:50], ASKED)


@pytest.mark.parametrize("kind", [kind for kind in PASSING if kind != "stall"])
def test_a_passing_fault_costs_a_second_request_and_no_bit(
    served: Served, undisturbed: dict[str, np.ndarray], kind: str
) -> None:
    served.server.faults.add(kind, times=2)
    source, found = compose(served)
    assert served.server.faults.met[-2:] == [kind, kind]
    # an expired token is renewed inside one try
    assert source.client.tally.retries == (0 if kind == "expire" else 2)
    for name, values in undisturbed.items():
        assert found[name].tobytes() == values.tobytes()


def test_a_stalled_connection_ends_at_the_deadline(served: Served, undisturbed: dict[str, np.ndarray]) -> None:
    served.server.faults.add("stall")
    start = time.monotonic()
    source, found = compose(served, deadline_s=2.0)
    assert 2.0 <= time.monotonic() - start < 25.0
    assert source.client.tally.retries >= 1
    for name, values in undisturbed.items():
        assert found[name].tobytes() == values.tobytes()


def test_waits_double_and_are_not_all_the_same(served: Served) -> None:
    served.server.faults.add("unavailable", times=5)
    del served.waits[:]
    compose(served, Pace(first_wait_s=1.0, longest_wait_s=6.0))
    for wait, longest in zip(served.waits, (1, 2, 4, 6, 6), strict=True):
        assert longest / 2 <= wait <= longest
    assert len(set(served.waits)) == 5


def test_a_wait_that_the_service_asks_for_is_kept(served: Served) -> None:
    served.server.faults.add("soon")
    del served.waits[:]
    compose(served)
    assert served.waits == [90.0]


@pytest.mark.parametrize(("kind", "minutes"), [("tomorrow", "1440"), ("endless", "inf")])
def test_nobody_sleeps_for_a_day(served: Served, kind: str, minutes: str) -> None:
    served.server.faults.add(kind, times=9)
    del served.waits[:]
    with pytest.raises(SourceError, match=f"asks to wait {minutes} minutes.*Finished blocks are kept") as caught:
        compose(served)
    assert caught.value.retryable
    assert (caught.value.status, served.waits) == (503, [])


def test_a_tile_that_failed_for_good_ends_the_waits_of_the_others(served: Served) -> None:
    # Three tiles are told to come back, the fourth is refused; the three would wait fifteen seconds at least.
    served.server.faults.add("unavailable", times=3)
    served.server.faults.add("permission")
    source = EarthEngineSource(served.account(), Choices(2023), Pace(4, first_wait_s=30.0, tile_px=32))
    source.search(served.world.grid, SUMMER)
    start = time.monotonic()
    with pytest.raises(SourceError) as caught:
        source.composite(served.world.grid[:64, :64], ASKED)
    assert caught.value.key == "earthengine.permission"
    assert time.monotonic() - start < 10.0


def test_too_much_memory_is_asked_for_in_halves(tmp_path: Path) -> None:
    with serving(tmp_path, largest_side=16) as small:
        grid = small.world.grid[:40, :30]
        source = small.source()
        found = source.composite(grid, ASKED)
        assert source.client.tally.splits >= 3
        sizes = [max(asked["grid"]["dimensions"].values()) for asked in small.server.pixel_requests]
        assert max(sizes) == 40
        assert min(sizes) >= 8
        small.server.largest_side = 32768
        whole = small.source().composite(grid, ASKED)
        for name, values in whole.items():
            assert found[name].tobytes() == values.tobytes()


def test_too_much_memory_for_the_smallest_tile_is_an_error(served: Served) -> None:
    served.server.faults.add("memory", times=50)
    with pytest.raises(SourceError, match="even a small tile is too much") as caught:
        compose(served)
    assert caught.value.key == "earthengine.too_large"
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("kind", "key", "status", "retryable", "tries"),
    [
        ("quota", "earthengine.quota", 429, True, 1),
        ("busy", "earthengine.quota", 429, True, 3),
        ("unavailable", "earthengine.network", 503, True, 3),
        ("page", "earthengine.network", None, True, 3),
        ("permission", "earthengine.permission", 403, False, 1),
        ("bad", "earthengine.rejected", 400, False, 1),
        ("login", "earthengine.redirected", 302, False, 1),
    ],
)
def test_what_does_not_pass_is_one_error(
    served: Served, kind: str, key: str, status: int | None, retryable: bool, tries: int
) -> None:
    compose(served)
    served.server.faults.add(kind, times=50)
    before = len(served.server.faults.met)
    with pytest.raises(SourceError) as caught:
        compose(served, Pace(attempts=3))
    problem = caught.value
    assert (problem.key, problem.status, problem.retryable) == (key, status, retryable)
    assert len(served.server.faults.met) - before == tries
    assert problem.message.text("zh").startswith("Earth Engine")
    assert "Traceback" not in str(problem)
    assert "<html" not in str(problem).lower()


def test_a_missing_asset_is_named(served: Served) -> None:
    source = served.source(elevation="nasadem")
    kept = served.server.store.images.pop("NASA/NASADEM_HGT/001")
    try:
        with pytest.raises(SourceError, match="'NASA/NASADEM_HGT/001' not found") as caught:
            source.elevation(served.world.grid)
    finally:
        served.server.store.images["NASA/NASADEM_HGT/001"] = kept
    assert (caught.value.kind, caught.value.status) == ("missing", 404)


def test_a_server_that_is_gone_is_a_network_error(tmp_path: Path) -> None:
    with serving(tmp_path) as gone:
        source = gone.source(pace=Pace(attempts=2))
    with pytest.raises(SourceError, match="no usable answer after 2 tries") as caught:
        source.search(gone.world.grid, SUMMER)
    assert caught.value.kind == "network"
    assert "refused" in str(caught.value).lower()


def test_fewer_are_let_through_after_a_word_to_slow_down() -> None:
    gate = Gate(16)
    gate.narrow()
    gate.narrow()
    assert gate.limit == 4
    for _ in range(15):
        gate.widen()
    assert gate.limit == 4
    gate.widen()
    assert gate.limit == 5
    for _ in range(10):
        gate.narrow()
    assert gate.limit == 1


def test_a_crowded_service_gets_fewer_requests_at_a_time(tmp_path: Path) -> None:
    with serving(tmp_path, most_at_once=2) as crowded:
        expected = crowded.source(pace=Pace(1)).composite(crowded.world.grid[:40, :40], ASKED)
        source = crowded.source(pace=Pace(8, attempts=20, tile_px=16))
        found = source.composite(crowded.world.grid[:40, :40], ASKED)
        assert source.client.gate.limit < 8
        for name, values in expected.items():
            assert found[name].tobytes() == values.tobytes()


def test_random_schedules_of_faults_lose_nothing(served: Served, tmp_path: Path) -> None:
    """Eight of the schedules of ``python -m tests.source_faults``."""
    expected, met = clean(served), Counter[str]()
    for seed in range(8):
        met += run_schedule(served, seed, tmp_path, expected, deadline_s=3.0).met
    assert set(met) >= {"busy", "reset", "truncate", "page", "expire"}
