"""The sun of a pass of two tiles: the same whichever source lists it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from sinkest.imagery.earthengine.scenes import Granule, _passes
from sinkest.imagery.source import Scene
from sinkest.imagery.stac.items import Looked, scenes_of
from sinkest.imagery.sun import mean_sun
from sinkest.imagery.tiled import Tile

TIME = datetime(2023, 6, 20, 2, 55, 51)
Sun = tuple[float, float] | None


def listed_by_a_catalogue(suns: list[Sun]) -> Scene:
    looked = [
        Looked(
            tile=Tile(f"tile{k}", {}, None, None),
            time=TIME + timedelta(seconds=k),
            sensor="sentinel-2",
            platform="sentinel-2a",
            overpass="pass",
            version=((5, 9), ""),
            product="",
            policy="",
            cloud=None,
            geometry={} if sun is None else {"sun_zenith_deg": sun[0], "sun_azimuth_deg": sun[1]},
        )
        for k, sun in enumerate(suns)
    ]
    (scene,) = scenes_of(looked)
    return scene


def listed_by_earth_engine(suns: list[Sun]) -> Scene:
    granules = [
        Granule(f"pass_{k}", TIME, "1", None, "05.09", (113.0, 27.0, 114.0, 28.0), *(sun or (None, None)))
        for k, sun in enumerate(suns)
    ]
    (scene,) = _passes(granules, "S2", "sentinel-2", lambda granule: granule.index.split("_")[0])
    return scene


@pytest.mark.parametrize("source", [listed_by_a_catalogue, listed_by_earth_engine])
@pytest.mark.parametrize(
    ("suns", "expected"),
    [
        # on both sides of north: the mean of 350 and 30 degrees is 10, not 190
        ([(30.0, 350.0), (32.0, 30.0)], (31.0, 10.0)),
        ([(30.0, 120.0), (33.0, 120.0), (36.0, 120.0)], (33.0, 120.0)),
        ([(30.0, 120.0), None], None),
        ([None, (30.0, 120.0)], None),
    ],
)
def test_a_pass_has_the_mean_sun_of_its_tiles(
    source: Callable[[list[Sun]], Scene], suns: list[Sun], expected: Sun
) -> None:
    found = source(suns).sun_deg
    assert found == (expected and pytest.approx(expected))


def test_the_order_of_tiles_changes_no_bit() -> None:
    suns = [(30.1, 121.7), (33.3, 118.2), (36.7, 119.9)]
    assert mean_sun(suns) == mean_sun(suns[::-1])
    assert mean_sun([]) == {}
