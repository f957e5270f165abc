"""STAC catalogues on loopback, with the real client: search, offsets, tokens, and what is told where it fails."""

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sinkest.errors import InputError, SourceError
from sinkest.imagery.products.mosaics import Mosaic
from sinkest.imagery.raster import bounds_in
from sinkest.imagery.source import QA, Period
from sinkest.imagery.stac import catalogue
from sinkest.imagery.stac.make import make_source
from sinkest.imagery.stac.patience import Patience
from sinkest.imagery.stac.source import StacSource
from tests.servers.formats import write_raster
from tests.servers.stac import StacServer, collection
from tests.servers.stac_items import elevation_item, sentinel2_item
from tests.servers.truth import FINE, OFFSET_DN, QUANTIFICATION, TrueScene, Truth, build, lattice

SUMMER = Period(date(2025, 6, 1), date(2025, 8, 31))
HASTE = Patience(timeout_s=2, retries=2, delay_s=0.01)
TOKEN_HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def truth() -> Truth:
    return build(lattice(700_000, 3_080_000, 64, 48, 10), [SUMMER], scenes=3)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StacServer]:
    (tmp_path / "files").mkdir()
    with StacServer(tmp_path / "files") as started:
        started.collections = {
            name: collection(name, (112, 25, 115, 29))
            for name in ("sentinel-2-l2a", "sentinel-2-c1-l2a", "cop-dem-glo-30")
        }
        yield started


def publish(server: StacServer, truth: Truth, **options: Any) -> list[dict[str, Any]]:
    server.items = [
        sentinel2_item(server.folder, f"{server.url}/files", truth, scene, **options) for scene in truth.scenes
    ]
    return server.items


def source_of(server: StacServer, preset: str = "planetary-computer", **options: Any) -> StacSource:
    return make_source(
        preset,
        **{
            "url": server.url, "radar_collection": "", "patience": HASTE, "token_url": f"{server.url}/token",
            "token_host": "no.such.host", **options,
        },
    )  # fmt: skip


def expected(scene: TrueScene, band: str) -> np.ndarray:
    numbers = scene.bands[band].astype(np.float64)
    values = np.where(numbers == 0, np.nan, (numbers + OFFSET_DN) / QUANTIFICATION)
    return np.where(np.kron(scene.scl, np.ones((2, 2))) == 0, np.nan, values)


# -- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "style", "name"),
    [
        ("planetary-computer", "planetary-computer", None),
        ("earth-search", "earth-search-c1", None),
        ("earth-search", "earth-search", "sentinel-2-l2a"),
    ],
)
def test_reflectance_is_the_truth_whatever_the_catalogue_stores(
    server: StacServer, truth: Truth, preset: str, style: str, name: str | None
) -> None:
    publish(server, truth, style=style)
    source = source_of(server, preset, collection=name)
    scenes = source.search(truth.fine, SUMMER)
    assert [scene.time for scene in scenes] == [scene.time for scene in truth.scenes]
    for scene, true in zip(scenes, truth.scenes, strict=True):
        found = source.read(truth.fine, scene, FINE)
        for band in FINE:
            values = expected(true, band)
            if style == "earth-search":  # an archive that took the offset off stores nothing below 0.0001
                values = np.where(values < 1e-4, 1e-4, values)
            np.testing.assert_allclose(found[band], values, atol=1e-7)
        np.testing.assert_array_equal(found[QA], np.kron(true.scl, np.ones((2, 2), dtype=np.uint8)))


def test_pages_are_followed_to_the_end(server: StacServer, truth: Truth) -> None:
    publish(server, truth)
    server.page = 1
    assert len(source_of(server).search(truth.fine, SUMMER)) == len(truth.scenes) == 3
    assert server.requests_of("^/search$") == 3


def test_a_list_that_is_not_whole_or_has_no_end_is_refused(
    server: StacServer, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, truth)
    server.unlisted = 2
    with pytest.raises(SourceError, match="announced 5 items and listed 3; start the same command again") as told:
        source_of(server).search(truth.fine, SUMMER)
    assert told.value.retryable
    monkeypatch.setattr(catalogue, "MAX_ITEMS", 2)
    with pytest.raises(SourceError, match="lists more than 2 items"):
        source_of(server).search(truth.fine, SUMMER)


def test_nothing_is_fetched_before_it_is_needed(server: StacServer, truth: Truth) -> None:
    publish(server, truth)
    source = source_of(server)
    stack = source.open(truth.fine, ["red", "nir"], SUMMER, chunks=32)
    assert server.requests_of("^/files/") == 0
    red = stack["red"].isel(time=0).values
    np.testing.assert_allclose(red, expected(truth.scenes[0], "red"), atol=1e-7)
    assert stack.attrs["offset_policies"][0].startswith("reflectance = (stored -1000) / 10000; baseline 05.11")


@pytest.mark.parametrize("crs", ["EPSG:32649", "EPSG:32650"])
def test_blocks_are_parts_of_the_whole(server: StacServer, truth: Truth, crs: str) -> None:
    """Also in another zone, where pixels are resampled: no pixel depends on the block that it is read in."""
    publish(server, truth)
    left, _, _, top = bounds_in(truth.fine, crs)
    grid = truth.fine if crs == "EPSG:32649" else lattice(left, top, 50, 40, 13, crs)
    source = source_of(server)
    scene = source.search(grid, SUMMER)[0]
    whole = source.read(grid, scene, ["red", "swir1"])
    assert np.isfinite(whole["red"]).sum() > 100
    rng = np.random.default_rng(7)
    for _ in range(12):
        rows, cols = (slice(*sorted(rng.choice(length + 1, 2, replace=False))) for length in grid.shape.yx)
        for name, values in source.read(grid[rows, cols], scene, ["red", "swir1"]).items():
            np.testing.assert_array_equal(values, whole[name][rows, cols])


def test_tiles_of_one_pass_are_one_scene(server: StacServer, truth: Truth) -> None:
    older = sentinel2_item(
        server.folder, f"{server.url}/files", truth, truth.scenes[0], baseline="03.01", tile="T49RGL"
    )
    newer = sentinel2_item(server.folder, f"{server.url}/files", truth, truth.scenes[0], tile="T49RGM")
    for name in ("s2:datatake_id",):  # also where the catalogue does not tell the pass
        del older["properties"][name]
    server.items = [older, newer]
    (found,) = source_of(server).search(truth.fine, SUMMER)
    assert [tile.id for tile in found.extra["tiles"]] == [newer["id"], older["id"]]
    assert found.offset_policy.count("reflectance =") == 2
    assert found.sun_deg == pytest.approx((30.5, 120.25))


def test_a_tile_without_a_band_does_not_take_the_pass_with_it(server: StacServer, truth: Truth) -> None:
    """Two halves of one pass, of which the western lacks a band: the other is seen, all else is seen on both."""
    halves = [
        Truth(truth.fine[:, fine], truth.coarse[:, coarse], (), truth.elevation_m[:, fine])
        for fine, coarse in ((slice(0, 32), slice(0, 16)), (slice(32, 64), slice(16, 32)))
    ]
    whole = truth.scenes[0]
    for k, half in enumerate(halves):
        bands = {
            name: numbers[:, half.grid_of(name).shape.x * k : half.grid_of(name).shape.x * (k + 1)]
            for name, numbers in whole.bands.items()
        }
        scene = replace(whole, bands=bands, scl=whole.scl[:, 16 * k : 16 * (k + 1)])
        base = f"{server.url}/files"
        server.items.append(sentinel2_item(server.folder, base, half, scene, tile=f"T49RG{'LM'[k]}"))
    del server.items[0]["assets"]["B11"]
    source = source_of(server)
    (found,) = source.search(truth.fine, SUMMER)
    assert "swir1" in source.bands_of(found)
    read = source.read(truth.fine, found, ["red", "swir1"])
    assert np.isnan(read["swir1"][:, :30]).all()
    both = source.read(truth.fine, found, ["red"])["red"]
    assert np.isfinite(both[:, :32]).any()
    np.testing.assert_array_equal(read["red"][:, 32:], both[:, 32:])
    assert np.isfinite(read["swir1"][:, 32:]).any()
    assert "B11" in str(source.notes()[0])


def test_elevation_comes_out_of_the_catalogue(server: StacServer, truth: Truth) -> None:
    publish(server, truth)
    server.items.append(elevation_item(server.folder, f"{server.url}/files", truth))
    elevation = source_of(server, elevation="catalogue").elevation(truth.fine[3:20, 5:30])
    assert elevation is not None
    np.testing.assert_array_equal(elevation, truth.elevation_m[3:20, 5:30])


@pytest.mark.parametrize("resampling", ["bilinear", "nearest"])
def test_elevation_in_items_is_read_by_cubic_as_one_raster(server: StacServer, truth: Truth, resampling: str) -> None:
    """What another tile of the lattice adds is there, whatever the reflectance is resampled by."""
    publish(server, truth)
    whole = write_raster(server.folder / "whole.tif", truth.fine, truth.elevation_m, np.nan)
    for k, rows in enumerate((slice(0, 20), slice(20, 48))):
        part = Truth(truth.fine[rows], truth.coarse, (), truth.elevation_m[rows])
        server.items.append(elevation_item(server.folder, f"{server.url}/files", part) | {"id": f"N27_{k}"})
    grid = truth.fine.zoom_out(0.5)
    expected = Mosaic.of([whole]).read(grid, "cubic")
    source = source_of(server, elevation="catalogue", resampling=resampling)
    source.search(grid, SUMMER)
    np.testing.assert_array_equal(source.elevation(grid), expected)
    np.testing.assert_array_equal(source.elevation(grid[:35, 9:70]), expected[:35, 9:70])


def test_a_catalogue_without_the_elevation_says_so(server: StacServer, truth: Truth) -> None:
    publish(server, truth)
    with pytest.raises(SourceError, match=r"collection cop-dem-glo-30: no elevation asset 'data' for 113\..*on disk"):
        source_of(server, elevation="catalogue").elevation(truth.fine)


def test_cloudy_items_can_be_left_out(server: StacServer, truth: Truth) -> None:
    publish(server, truth)
    clouds = sorted(scene.cloud for scene in truth.scenes)
    assert len(source_of(server, max_cloud=clouds[0]).search(truth.fine, SUMMER)) == 1


def test_a_source_can_be_sent_to_another_process(server: StacServer, truth: Truth) -> None:
    publish(server, truth)
    source = source_of(server)
    scene = source.search(truth.fine, SUMMER)[0]
    again, sent = pickle.loads(pickle.dumps((source, scene)))
    np.testing.assert_array_equal(
        again.read(truth.fine, sent, ["red"])["red"], source.read(truth.fine, scene, ["red"])["red"]
    )


# -- saved items ----------------------------------------------------------------------------------------------------


def test_saved_items_work_without_a_server(tmp_path: Path, truth: Truth) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    items = [sentinel2_item(folder, "files", truth, scene) for scene in truth.scenes]
    saved = tmp_path / "items.json"
    saved.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    source = make_source("planetary-computer", items=saved, radar_collection="")
    source.check_overlap(truth.fine)
    scene = source.search(truth.fine, SUMMER)[0]
    np.testing.assert_allclose(
        source.read(truth.fine, scene, ["red"])["red"], expected(truth.scenes[0], "red"), atol=1e-7
    )
    assert len(source.files()) == 1 + 11 * len(items)
    assert source.search(truth.fine, Period(date(2024, 1, 1), date(2024, 12, 31))) == ()
    with pytest.raises(SourceError, match="covers 113"):
        source.check_overlap(lattice(300_000, 2_000_000, 4, 4, 10))


@pytest.mark.parametrize("content", ["", "{}", '{"features": [{"id": 1}]}', "[1"])
def test_a_file_that_holds_no_items_is_refused(tmp_path: Path, content: str) -> None:
    saved = tmp_path / "items.json"
    saved.write_text(content)
    with pytest.raises(SourceError, match=r"items\.json is no STAC ItemCollection"):
        make_source("planetary-computer", items=saved)
    with pytest.raises(SourceError, match="there is no such file"):
        make_source("planetary-computer", items=tmp_path / "other.json")


# -- tokens ---------------------------------------------------------------------------------------------------------


def test_tokens_are_asked_for_once_and_anew_when_refused(server: StacServer, truth: Truth) -> None:
    publish(server, truth)
    server.tokens = True
    source = source_of(server, token_host=TOKEN_HOST)
    scenes = source.search(truth.fine, SUMMER)
    assert server.requests_of("^/token/") == 0
    source.read(truth.fine, scenes[0], ["red"])
    assert server.requests_of("^/token/") == 1
    server.fault("_B04", "expired")
    found = source.read(truth.fine, scenes[1], ["red"])["red"]
    np.testing.assert_allclose(found, expected(truth.scenes[1], "red"), atol=1e-7)
    assert server.requests_of("^/token/") == 2


def test_a_token_service_that_is_busy_is_asked_again(server: StacServer, truth: Truth) -> None:
    publish(server, truth)
    server.tokens = True
    server.fault("^/token/", "429", 2)
    source = source_of(server, token_host=TOKEN_HOST)
    source.read(truth.fine, source.search(truth.fine, SUMMER)[0], ["red"])
    server.fault("^/token/", "503", 99)
    other = source_of(server, token_host=TOKEN_HOST)
    with pytest.raises(SourceError, match="no access token from") as told:
        other.read(truth.fine, other.search(truth.fine, SUMMER)[0], ["red"])
    assert (told.value.kind, told.value.status, told.value.retryable) == ("access", 503, True)


# -- bad input ------------------------------------------------------------------------------------------------------


def test_no_network_is_told_with_a_way_out(truth: Truth, tmp_path: Path) -> None:
    with StacServer(tmp_path) as gone:
        url = gone.url
    source = make_source("earth-search", url=url, patience=HASTE)
    with pytest.raises(SourceError, match=r"cannot be asked for .*no connection.*imagery\.stac\.items") as told:
        source.search(truth.fine, SUMMER)
    assert (told.value.kind, told.value.retryable) == ("network", True)


def test_an_unknown_collection_is_told_with_those_there_are(server: StacServer, truth: Truth) -> None:
    source = source_of(server, collection="sentinel-3", layout={"sensor": "sentinel-2", "assets": {"red": "B04"}})
    with pytest.raises(SourceError, match="no collection 'sentinel-3'; it has: cop-dem-glo-30, sentinel-2-c1-l2a"):
        source.check_overlap(truth.fine)


def test_an_area_outside_the_collection_is_told(server: StacServer) -> None:
    with pytest.raises(SourceError, match="covers 112, 25, 115, 29"):
        source_of(server).check_overlap(lattice(300_000, 2_000_000, 4, 4, 10))


def test_a_period_without_items_has_no_scenes(server: StacServer, truth: Truth) -> None:
    publish(server, truth)
    source = source_of(server)
    assert source.search(truth.fine, Period(date(2023, 1, 1), date(2023, 2, 1))) == ()
    with pytest.raises(SourceError, match="no scene with the wanted bands"):
        source.open(truth.fine, ["red"], Period(date(2023, 1, 1), date(2023, 2, 1)))


def test_an_asset_that_no_item_has_is_named(server: StacServer, truth: Truth) -> None:
    publish(server, truth)
    source = source_of(server, layout={"assets": {"red": "B4"}})
    with pytest.raises(SourceError, match=r"no item has the asset 'B4'.*they have: B02"):
        source.search(truth.fine, SUMMER)
    with pytest.raises(InputError, match="crimson"):
        source_of(server, layout={"assets": {"crimson": "B04"}})
    with pytest.raises(InputError, match="has no band vv"):
        source_of(server).open(truth.fine, ["vv"], SUMMER)


def test_items_that_lack_an_asset_are_left_out_and_told(server: StacServer, truth: Truth) -> None:
    items = publish(server, truth)
    del items[1]["assets"]["B11"], items[2]["assets"]["SCL"]
    source = source_of(server)
    scenes = source.search(truth.fine, SUMMER)
    assert [("swir1" in source.bands_of(scene)) for scene in scenes] == [True, False]
    told = [str(note) for note in source.notes()]
    assert ["B11" in told[0], "SCL" in told[1], len(told)] == [True, True, 2]


@pytest.mark.parametrize(
    ("change", "options", "named"),
    [
        ({"s2:processing_baseline": "newest"}, {}, r"processing baseline is not known"),
        ({"earthsearch:boa_offset_applied": None}, {"style": "earth-search"}, r"lacks earthsearch:boa_offset_applied"),
    ],
)
def test_an_offset_that_is_not_told_is_refused(
    server: StacServer, truth: Truth, change: dict[str, Any], options: dict[str, Any], named: str
) -> None:
    for one in publish(server, truth, **options):
        one["properties"] |= change
    preset = "earth-search" if options else "planetary-computer"
    source = source_of(server, preset, collection="sentinel-2-l2a")
    with pytest.raises(SourceError, match=named + r".*imagery\.stac\.offsets"):
        source.search(truth.fine, SUMMER)


def test_catalogues_that_contradict_themselves_are_refused_where_no_rule_is_known(
    server: StacServer, truth: Truth
) -> None:
    for one in publish(server, truth, style="earth-search-c1"):
        one["properties"]["s2:processing_baseline"] = "03.01"
    layout = {"sensor": "sentinel-2", "assets": {"red": "red"}, "qa": "scl", "qa_kind": "scl"}
    source = make_source(url=server.url, collection="sentinel-2-c1-l2a", layout=layout, patience=HASTE)
    with pytest.raises(SourceError, match=r"baseline 03\.01 and the offset listed for it \(-1000\) contradict"):
        source.search(truth.fine, SUMMER)


@pytest.mark.parametrize(
    ("layout", "named"),
    [
        ({"sensor": "sentinel-9"}, "is of 'sentinel-9', which is none of: .*sentinel-2"),
        ({"offsets": "declared"}, "does not tell how its numbers become reflectance"),
    ],
)
def test_items_of_a_kind_that_cannot_be_read_are_refused(
    server: StacServer, truth: Truth, layout: dict[str, str], named: str
) -> None:
    items = publish(server, truth)
    with pytest.raises(SourceError, match=f"item {items[0]['id']} .*{named}"):
        source_of(server, layout=layout).search(truth.fine, SUMMER)


def test_a_grid_that_the_catalogue_tells_wrong_is_refused(server: StacServer, truth: Truth) -> None:
    for one in publish(server, truth):
        one["assets"]["B04"]["proj:transform"][2] += 10
    source = source_of(server)
    with pytest.raises(SourceError, match="the catalogue tells the grid 64x48 px, 700010"):
        source.read(truth.fine, source.search(truth.fine, SUMMER)[0], ["red"])


def test_a_catalogue_that_says_nothing_of_its_assets_needs_telling() -> None:
    with pytest.raises(InputError, match="not known; give collection"):
        make_source(url="http://127.0.0.1:9", collection="x")
    with pytest.raises(InputError, match="give a preset"):
        make_source(collection="x")


# -- the guard ------------------------------------------------------------------------------------------------------


def test_wrong_flags_are_noticed_in_the_data(server: StacServer, truth: Truth) -> None:
    """An item that says its offset was taken off, and was not, reads 0.1 too bright; the reverse, too dark."""
    raised = publish(server, truth, style="earth-search-c1")
    for one in raised:
        one["collection"] = "sentinel-2-l2a"
        one["properties"]["earthsearch:boa_offset_applied"] = True
    source = source_of(server, "earth-search", collection="sentinel-2-l2a")
    for scene in source.search(truth.fine, SUMMER):
        source.read(truth.fine, scene, ["red"])
    assert any("hardly a dark pixel" in str(note) for note in source.notes())
    right = publish(server, truth, style="earth-search")
    source = source_of(server, "earth-search", collection="sentinel-2-l2a")
    for scene in source.search(truth.fine, SUMMER):
        source.read(truth.fine, scene, ["red"])
    assert source.notes() == ()
    for one in right:
        one["properties"]["earthsearch:boa_offset_applied"] = False
    source = source_of(server, "earth-search", collection="sentinel-2-l2a")
    scene = source.search(truth.fine, SUMMER)[0]
    with pytest.raises(SourceError, match=r"most pixels of the band red lie outside .*stored -1000"):
        source.read(truth.fine, scene, ["red"])


def test_the_date_never_decides(server: StacServer, truth: Truth) -> None:
    """An old acquisition processed anew has the offset, a new one of an old baseline has not."""
    items = publish(server, truth)
    items[0]["properties"] |= {"datetime": "2019-06-02T02:57:00Z"}
    items[1]["properties"] |= {"s2:processing_baseline": "03.01"}
    source = source_of(server)
    long = Period(date(2019, 1, 1), date(2025, 12, 31))
    policies = {scene.time.year: scene.offset_policy for scene in source.search(truth.fine, long)[:2]}
    assert policies[2019].startswith("reflectance = (stored -1000)")
    assert policies[2025].startswith("reflectance = (stored +0)")
    assert isinstance(source.search(truth.fine, long)[0].time, datetime)
