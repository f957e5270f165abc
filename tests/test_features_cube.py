from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, SourceError
from sinkest.features import composite, looks
from sinkest.features.block import build_block
from sinkest.features.cube import NODATA, CubeSpec, check_counts
from sinkest.imagery.source import QA, Period, Scene, Source

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

GRID = GeoBox((120, 130), Affine(10, 0, 700_000, 0, -10, 3_050_000), "EPSG:32649")
WHOLE = (slice(0, 120), slice(0, 130))
OPTICAL = ("blue", "red", "nir")


def noise(rows: np.ndarray, cols: np.ndarray, key: int) -> np.ndarray:
    """Numbers in 0..1 from place and key alone, whatever the block."""
    mixed = (rows.astype(np.uint64)[:, None] * np.uint64(73856093)) ^ (cols.astype(np.uint64) * np.uint64(19349663))
    mixed = (mixed ^ np.uint64(key * 83492791 % 2**31)) * np.uint64(2654435761)
    return ((mixed >> np.uint64(7)) % np.uint64(100_003)).astype(np.float64) / 100_003


class Field(Source):
    """Reflectance, clouds and terrain that are functions of place and date."""

    name = "field"
    bands = (*OPTICAL, "vv", "vh")

    def __init__(self, cloud: float = 0.3, terrain: bool = True, qa: bool = True) -> None:
        self.cloud, self.terrain = cloud, terrain
        self.qa_kind = "scl" if qa else None

    def describe(self) -> dict[str, object]:
        return {"kind": "field"}

    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        raise NotImplementedError

    def read(self, grid: GeoBox, scene: Scene, bands: Sequence[str]) -> dict[str, np.ndarray]:
        rows, cols = places(grid)
        day = scene.time.timetuple().tm_yday
        read = {}
        for k, band in enumerate(self.bands):
            if band in bands:
                read[band] = (0.05 * (k + 1) + 0.1 * noise(rows, cols, day * 10 + k)).astype(np.float32)
        if not scene.is_radar and self.qa_kind:
            big = noise(rows // 9 + 1000, cols // 9 + 1000, day)
            read[QA] = np.where(big < self.cloud, 9, 4).astype(np.uint8)
        return read

    def elevation(self, grid: GeoBox) -> np.ndarray | None:
        if not self.terrain:
            return None
        rows, cols = places(grid)
        return (300 + 5 * rows[:, None] - 2 * cols + 20 * noise(rows, cols, 1)).astype(np.float32)


def places(grid: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    top, left = round((3_050_000 - grid.affine.f) / 10), round((grid.affine.c - 700_000) / 10)
    return top + 50 + np.arange(grid.shape[0]), left + 50 + np.arange(grid.shape[1])


def optical(first: datetime, n: int) -> list[Scene]:
    return [Scene(f"o{time:%m%d}", time, "sentinel-2") for time in (first + timedelta(days=5 * k) for k in range(n))]


def radar(first: datetime, n: int) -> list[Scene]:
    return [Scene(f"r{time:%m%d}", time, "sentinel-1") for time in (first + timedelta(days=12 * k) for k in range(n))]


SCENES = {
    "winter": optical(datetime(2025, 1, 1), 3) + radar(datetime(2025, 1, 2), 2),
    "summer": optical(datetime(2025, 7, 1), 4) + radar(datetime(2025, 7, 2), 3),
}


def spec(**more: object) -> CubeSpec:
    options = {"radar_bands": ("vv", "vh"), "indices": ("NDVI",), "phenology_index": "NDVI", "dilate_px": 2, **more}
    return CubeSpec(("winter", "summer"), OPTICAL, **options)


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize("method", ["median", "medoid", "geomedian"])
def test_blocks_of_any_size_give_the_same_bits(method: str) -> None:
    what, source = spec(method=method), Field()
    whole = build_block(source, GRID, WHOLE, what, SCENES)
    for size in (64, 100):
        for row in range(0, 120, size):
            for col in range(0, 130, size):
                block = (slice(row, min(row + size, 120)), slice(col, min(col + size, 130)))
                part = build_block(source, GRID, block, what, SCENES)
                assert_same(part, {name: values[block] for name, values in whole.items()})


def test_memory_kept_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    what, source = spec(), Field(cloud=0.6)
    roomy = build_block(source, GRID, WHOLE, what, SCENES)
    monkeypatch.setattr(looks.Looks.__init__, "__defaults__", (7 * 3 * 130 * 4 * 11,))
    assert_same(build_block(source, GRID, WHOLE, what, SCENES), roomy)


def test_a_season_is_the_median_of_its_clear_dates() -> None:
    what, source = spec(gap_fill="none", dilate_px=0), Field()
    layers = build_block(source, GRID, WHOLE, what, SCENES)
    stack = []
    for scene in SCENES["summer"][:4]:
        read = source.read(GRID, scene, ("nir",))
        stack.append(np.where(read[QA] == 4, read["nir"], np.nan))
    seen = np.isfinite(stack).sum(axis=0)
    np.testing.assert_array_equal(layers["count_summer"], seen)
    np.testing.assert_array_equal(layers["summer_nir"], composite.median(np.stack(stack)))
    assert np.isnan(layers["summer_nir"][seen == 0]).all()
    assert (seen == 0).any()


def test_clouds_beyond_the_block_count() -> None:
    source = Field(cloud=0.25)
    wide, narrow = (build_block(source, GRID, WHOLE, spec(dilate_px=px), SCENES)["count_winter"] for px in (3, 0))
    assert (wide <= narrow).all()
    assert (wide[0] < narrow[0]).any()
    corner = build_block(source, GRID, (slice(40, 41), slice(40, 41)), spec(dilate_px=3), SCENES)
    assert corner["count_winter"][0, 0] == wide[40, 40]


def test_a_gap_takes_the_years_composite_and_says_so_in_the_count() -> None:
    source = Field(cloud=0.5)
    filled = build_block(source, GRID, WHOLE, spec(gap_fill="year", dilate_px=0), SCENES)
    open_ = build_block(source, GRID, WHOLE, spec(gap_fill="none", dilate_px=0), SCENES)
    gap = open_["count_winter"] == 0
    assert gap.any()
    np.testing.assert_array_equal(filled["count_winter"], open_["count_winter"])
    np.testing.assert_array_equal(filled["winter_red"][~gap], open_["winter_red"][~gap])
    stack = []
    for scene in [*SCENES["winter"][:3], *SCENES["summer"][:4]]:
        read = source.read(GRID, scene, ("red",))
        stack.append(np.where(read[QA] == 4, read["red"], np.nan))
    np.testing.assert_array_equal(filled["winter_red"][gap], composite.median(np.stack(stack))[gap])


def test_a_scene_of_two_seasons_counts_once_in_the_year() -> None:
    shared = optical(datetime(2025, 4, 1), 2)
    both = {"winter": shared, "summer": shared}
    one = {"winter": shared, "summer": []}
    source, what = Field(), spec(radar_bands=(), terrain=False)
    twice = build_block(source, GRID, WHOLE, what, both)
    once = build_block(source, GRID, WHOLE, what, one)
    np.testing.assert_array_equal(twice["NDVI_p10"], once["NDVI_p10"])
    np.testing.assert_array_equal(once["summer_red"], twice["summer_red"])
    assert (once["count_summer"] == 0).all()


def test_radar_is_composed_in_linear_units_and_told_in_decibel() -> None:
    source = Field()
    layers = build_block(source, GRID, WHOLE, spec(), SCENES)
    stack = np.stack([source.read(GRID, scene, ("vv",))["vv"] for scene in SCENES["summer"][4:]])
    np.testing.assert_allclose(layers["summer_vv"], 10 * np.log10(np.median(stack, axis=0)), rtol=1e-5)


def test_a_cube_of_radar_alone_counts_its_dates() -> None:
    what = CubeSpec(("winter", "summer"), (), radar_bands=("vv",), terrain=False)
    layers = build_block(Field(), GRID, (slice(0, 4), slice(0, 5)), what, SCENES)
    assert (layers["count_winter"] == 2).all()
    assert (layers["count_summer"] == 3).all()
    assert what.feature_names == ("winter_vv", "summer_vv")


def test_a_source_without_quality_band_is_taken_as_clear() -> None:
    layers = build_block(Field(qa=False), GRID, WHOLE, spec(), SCENES)
    assert (layers["count_summer"] == 4).all()


def test_layers_and_features_stand_in_the_declared_order() -> None:
    what = spec(indices=("NDVI", "EVI"))
    assert [layer.name for layer in what.layers] == [
        *("winter_blue", "winter_red", "winter_nir", "winter_vv", "winter_vh"),
        *("summer_blue", "summer_red", "summer_nir", "summer_vv", "summer_vh"),
        *("NDVI_p10", "NDVI_p50", "NDVI_p90"),
        *("elevation", "slope", "northness", "eastness"),
        *("count_winter", "count_summer"),
    ]
    assert what.feature_names[-5:] == ("winter_NDVI", "winter_EVI", "summer_NDVI", "summer_EVI", "NDVI_span")
    assert {layer.name: layer.unit for layer in what.layers}["summer_vv"] == "dB"


def test_features_follow_from_the_stored_layers() -> None:
    what = spec()
    layers = build_block(Field(), GRID, WHOLE, what, SCENES)
    stored = {layer.name: layer.decode(layer.encode(layers[layer.name])) for layer in what.layers}
    features = what.features(stored)
    assert features.shape == (len(what.feature_names), 120, 130)
    assert features.dtype == np.float32
    by_name = dict(zip(what.feature_names, features, strict=True))
    red, nir = stored["summer_red"].astype(float), stored["summer_nir"].astype(float)
    np.testing.assert_allclose(by_name["summer_NDVI"], (nir - red) / (nir + red), rtol=1e-6)
    np.testing.assert_array_equal(by_name["NDVI_span"], stored["NDVI_p90"] - stored["NDVI_p10"])


def test_features_of_single_points_equal_those_of_the_map() -> None:
    what = spec()
    layers = build_block(Field(), GRID, WHOLE, what, SCENES)
    rows, cols = np.array([3, 77, 119]), np.array([0, 64, 129])
    at_points = what.features({name: values[rows, cols] for name, values in layers.items()})
    np.testing.assert_array_equal(at_points, what.features(layers)[:, rows, cols])


def test_storing_keeps_half_a_step_and_no_data() -> None:
    for layer in spec().layers:
        values = np.array([0.0, 1.2345678, -0.5, np.nan], np.float32)
        values = np.abs(values) if layer.kind == "count" else values
        again = layer.decode(layer.encode(values))
        np.testing.assert_allclose(again[:3], values[:3], atol=layer.scale * 0.5001)
        assert np.isnan(again[3])


def test_numbers_beyond_the_stored_range_become_its_end_never_no_data() -> None:
    reflectance = spec().layers[0]
    stored = reflectance.encode(np.float32([5, -5, np.inf, 3.2767]))
    assert stored.tolist() == [32767, -32767, NODATA, 32767]


def test_an_index_without_its_bands_is_refused() -> None:
    with pytest.raises(InputError, match=r"NBR needs the band\(s\) swir2"):
        spec(indices=("NBR",))


def test_terrain_of_a_source_without_elevation_is_refused() -> None:
    with pytest.raises(SourceError, match="has no elevation"):
        build_block(Field(terrain=False), GRID, WHOLE, spec(), SCENES)


def test_scenes_without_the_bands_are_refused() -> None:
    with pytest.raises(SourceError, match="blue, red, nir"):
        build_block(Field(), GRID, WHOLE, spec(), {"winter": SCENES["winter"][3:], "summer": []})


def test_an_all_cloud_season_is_refused_by_name() -> None:
    with pytest.raises(SourceError, match="season summer: not one pixel") as caught:
        check_counts("summer", {0: 15_600})
    assert caught.value.kind == "empty"
    check_counts("summer", {0: 15_599, 1: 1})


def test_a_year_of_clouds_leaves_no_data() -> None:
    layers = build_block(Field(cloud=1.1), GRID, (slice(0, 9), slice(0, 9)), spec(), SCENES)
    assert np.isnan(layers["winter_red"]).all()
    assert np.isnan(layers["NDVI_p50"]).all()
    assert (layers["count_winter"] == 0).all()
    assert np.isfinite(layers["elevation"]).all()


def test_a_lazy_stack_and_a_block_read_the_same() -> None:
    class Dated(Field):
        def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
            return tuple(scene for scene in SCENES["summer"] if period.holds(scene.time))

    source = Dated()
    stack = source.open(GRID, OPTICAL, Period(date(2025, 7, 1), date(2025, 7, 31)), chunks=50)
    masked = stack.red.where(stack.qa == 4).values
    layers = build_block(source, GRID, WHOLE, spec(dilate_px=0, gap_fill="none"), SCENES)
    np.testing.assert_array_equal(layers["summer_red"], composite.median(masked))
