"""Terrain, maps of others, lists of passes and GEDI shots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import shapely
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from sinkest.errors import InputError, SourceError
from sinkest.imagery.earthengine import assets, client
from sinkest.imagery.earthengine.scenes import bounds_of
from sinkest.imagery.source import Period
from tests.servers.earthengine.fixtures import SUMMER, WINTER, Served, serving
from tests.servers.earthengine.world import LEFT, SHOTS, TOP, elevation_m, shot_number


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("ee")) as one:
        yield one


@pytest.mark.parametrize("model", ["glo30", "nasadem"])
def test_elevation_is_interpolated_across_tiles(served: Served, model: str) -> None:
    grid = served.world.grid.pad(1)
    rows, cols = grid.shape.yx
    x = grid.affine.c + grid.affine.a * (np.arange(cols) + 0.5)
    y = grid.affine.f + grid.affine.e * (np.arange(rows) + 0.5)
    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    expected = elevation_m(*to_degrees.transform(*np.meshgrid(x, y)))
    found = served.source(elevation=model).elevation(grid)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)  # a thousandth of the slope of a pixel


def test_maps_of_others_come_in_one_request_in_their_units(served: Served) -> None:
    world, names = served.world, tuple(assets.LAYER_UNITS)
    source = served.source(layers=names)
    assert source.layers == dict(assets.LAYER_UNITS)
    before = served.server.count(":computePixels")
    found = source.static(world.grid, names)
    assert served.server.count(":computePixels") - before == 1
    for name in names:
        np.testing.assert_allclose(found[name], world.inner(world.maps[name]), rtol=1e-6, err_msg=name)


def test_a_layer_that_was_not_asked_for_is_refused(served: Served) -> None:
    with pytest.raises(InputError, match="worldcover"):
        served.source(layers=("jrc_water",)).static(served.world.grid, ["worldcover"])


def test_a_yearly_map_that_is_not_there_for_the_year_is_named(served: Served) -> None:
    names = ("palsar_hv", "worldcover", "dynamic_world")
    served.source(layers=names).check_layers(served.world.grid)
    served.source(layers=("worldcover", "jrc_water"), year=1990).check_layers(served.world.grid)
    with pytest.raises(SourceError, match="palsar_hv, dynamic_world of 2026 does not exist") as caught:
        served.source(layers=names, year=2026).check_layers(served.world.grid)
    assert caught.value.kind == "missing"
    assert "which then are: worldcover" in str(caught.value)


def test_passes_are_listed_with_what_they_are_made_of(served: Served) -> None:
    found = served.source().search(served.world.grid, WINTER)
    assert [scene.id for scene in found] == [
        "S2_20230110T025551",
        "S1_S1A_046740_ascending",
        "S2_20230204T025551",
    ]
    optical, radar = found[:2]
    assert optical.sun_deg == pytest.approx((20.5, 110.25))
    assert "offset 0" in optical.offset_policy
    assert radar.orbit == "ascending"
    assert "gamma0" in radar.offset_policy
    assert optical.cloud is not None
    assert 30 < optical.cloud < 50


def test_a_block_has_the_granules_that_touch_it_and_the_list_is_asked_for_once(served: Served) -> None:
    grid, source = served.world.grid, served.source()
    before = served.server.count(":computeFeatures")
    whole = source.search(grid, SUMMER)
    assert served.server.count(":computeFeatures") - before == 2  # optical and radar
    assert source.search(grid[:10, :10], SUMMER) != ()
    assert served.server.count(":computeFeatures") - before == 2
    assert len(whole[0].extra["granules"]) == 2
    far = GeoBox(grid.shape, grid.affine, "EPSG:32650")
    assert source.search(far, SUMMER) == ()


def test_the_days_of_a_period_count_from_the_first_to_the_last(served: Served) -> None:
    source = served.source()
    for first, last, expected in ((20, 20, 1), (21, 30, 0), (19, 20, 1), (20, 21, 1)):
        period = Period(date(2023, 6, first), date(2023, 6, last))
        optical = [scene for scene in source.search(served.world.grid, period) if not scene.is_radar]
        assert len(optical) == expected


# -- GEDI -----------------------------------------------------------------------------------------------------------


def test_shots_come_page_by_page_with_all_their_digits(served: Served) -> None:
    source, area = served.source(), shapely.box(*bounds_of(served.world.grid))
    before = served.server.count(":computeFeatures")
    table = source.samples(area, Period(date(2022, 12, 1), date(2022, 12, 31)))
    assert served.server.count(":computeFeatures") - before == 1 + 3
    assert len(table) == SHOTS
    assert str(table["shot_number"].dtype) == "UInt64"
    assert table["shot_number"].tolist() == [shot_number(k) for k in range(SHOTS)]
    first = table.iloc[0]
    to_degrees = Transformer.from_crs("EPSG:32649", "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(LEFT + 85, TOP - 85)
    assert (first["lon"], first["lat"]) == pytest.approx((lon, lat), abs=1e-12)
    assert (first["agbd_t_ha"], first["agbd_se_t_ha"], first["date"]) == (50.0, 9.0, "2022-12-11")
    assert table["beam"].tolist()[:8] == [
        "BEAM0000", "BEAM0001", "BEAM0010", "BEAM0011", "BEAM0101", "BEAM0110", "BEAM1000", "BEAM1011",
    ]  # fmt: skip
    assert table["usable"].tolist()[:4] == [False, True, True, False]
    assert table["rejected_by"].iloc[0] == "sensitivity"


def test_shots_are_those_inside_the_area_and_the_period(served: Served) -> None:
    source = served.source()
    to_degrees = Transformer.from_crs("EPSG:32649", "EPSG:4326", always_xy=True)
    corners = [to_degrees.transform(LEFT + x, TOP - y) for x, y in ((80, 80), (150, 80), (80, 150))]
    table = source.samples(shapely.Polygon(corners), Period(date(2022, 12, 11), date(2022, 12, 11)))
    # rows 19 m apart from 85 m on, shots 13 m apart from 85 m on, within a right triangle of 70 m legs
    expected = [(r, c) for r in range(4) for c in range(6) if (85 + 13 * c - 80) + (85 + 19 * r - 80) < 70]
    assert len(table) == len(expected)
    with pytest.raises(SourceError, match="no GEDI L4A shot in 2022-12-12"):
        source.samples(shapely.Polygon(corners), Period(date(2022, 12, 12), date(2022, 12, 31)))
    with pytest.raises(SourceError, match="no GEDI L4A shot"):
        source.samples(shapely.box(10.0, 50.0, 10.1, 50.1), Period(date(2022, 12, 11), date(2022, 12, 11)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("delta_time", None), ("beam", None), ("shot_number", None), ("beam", "strong"), ("delta_time", "noon")],
)
def test_a_shot_that_does_not_tell_what_it_must_is_refused(served: Served, name: str, value: str | None) -> None:
    table = next(key for key in served.server.store.tables if "INDEX" not in key)
    kept = served.server.store.tables[table]
    told = {key: one for key, one in kept[0].properties.items() if key != name}
    broken = replace(kept[0], properties=told if value is None else told | {name: value})
    served.server.store.tables[table] = [broken, *kept[1:]]
    area = shapely.box(*bounds_of(served.world.grid))
    try:
        with pytest.raises(SourceError, match="has no number, place, time") as caught:
            served.source().samples(area, Period(date(2022, 12, 1), date(2022, 12, 31)))
    finally:
        served.server.store.tables[table] = kept
    assert table.rsplit("/", 1)[-1] in str(caught.value)


def test_a_table_without_an_end_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_PAGES", 2)
    area = shapely.box(*bounds_of(served.world.grid))
    with pytest.raises(SourceError, match="goes on after 2 pages with 2000 rows"):
        served.source().samples(area, Period(date(2022, 12, 1), date(2022, 12, 31)))
