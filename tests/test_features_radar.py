"""Radar features: statistics in linear power, passes apart, layover and shadow."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.config.imagery import FeaturesSection
from sinkest.errors import InputError, SourceError
from sinkest.features import layover, radar
from sinkest.features.block import build_block, served_block
from sinkest.features.cube import CubeSpec
from sinkest.features.layover import CLEAR, LAYOVER, SHADOW, Geometry, distortion, look_azimuth_deg
from sinkest.features.radar import RadarSpec
from sinkest.imagery.simulated import SimulatedSource
from sinkest.imagery.source import Composition, Period, Scene, Source

GRID = GeoBox((40, 50), Affine(30.0, 0.0, 700_000.0, 0.0, -30.0, 3_000_000.0), "EPSG:32649")
EAST = "ascending"  # it looks east, from the west


def hill(grid: GeoBox, width_m: float, height_m: float) -> np.ndarray:
    """A ridge from north to south in the middle of the grid: a triangle of this half width and height."""
    x = grid.affine.c + (np.arange(grid.shape[1]) + 0.5) * grid.affine.a
    middle = GRID.affine.c + 25.5 * 30.0
    profile = np.maximum(0.0, height_m * (1.0 - np.abs(x - middle) / width_m))
    return np.broadcast_to(profile, grid.shape.yx).astype(np.float32)


class Passing(Source):
    """Constant backscatter by scene: what each date saw is known."""

    name = "passing"
    bands = ("vv", "vh")

    def __init__(self, levels: dict[str, tuple[float, float]], *, relief: tuple[float, float] | None = None) -> None:
        self.levels, self.relief = levels, relief

    def describe(self) -> dict[str, str]:
        return {"source": self.name}

    def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
        del grid, period
        orbits = {"a": "ascending", "d": "descending"}
        return tuple(
            Scene(name, datetime(2025, 7, 1 + k), "sentinel-1", extra={"orbit": orbits.get(name[0])})
            for k, name in enumerate(self.levels)
        )

    def read(self, grid: GeoBox, scene: Scene, bands: list[str]) -> dict[str, np.ndarray]:
        value = dict(zip(self.bands, self.levels[scene.id], strict=True))
        return {band: np.full(grid.shape.yx, value[band], np.float32) for band in bands}

    def elevation(self, grid: GeoBox) -> np.ndarray | None:
        return None if self.relief is None else hill(grid, *self.relief)


def built(source: Passing, **given: object) -> dict[str, np.ndarray]:
    """Layers of one season of the whole grid."""
    spec = CubeSpec(("wet",), (), ("vv", "vh"), terrain=False, **given)  # type: ignore[arg-type]
    scenes = {"wet": source.search(GRID, Period(datetime(2025, 7, 1), datetime(2025, 7, 31)))}
    layers = build_block(source, GRID, (slice(0, 40), slice(0, 50)), spec, scenes)
    assert set(layers) == {layer.name for layer in spec.layers}
    return layers


DATES = {"a1": (0.1, 0.02), "a2": (0.3, 0.04), "d1": (0.2, 0.09)}


# -- statistics -----------------------------------------------------------------------------------------------------


def test_by_default_the_layers_are_the_medians_of_all_passes() -> None:
    layers = built(Passing(DATES))
    assert list(layers) == ["wet_vv", "wet_vh", "count_wet"]
    assert layers["wet_vv"][0, 0] == pytest.approx(10 * math.log10(0.2))
    assert layers["wet_vh"][0, 0] == pytest.approx(10 * math.log10(0.04))
    assert layers["count_wet"][0, 0] == 3


def test_statistics_are_taken_in_linear_power() -> None:
    layers = built(Passing(DATES), radar_statistics=("mean", "sd", "cv", "ratio"))
    # mean of 0.1, 0.3, 0.2 is 0.2 (in decibels -6.99; the mean of the decibels would be -7.41); sd 0.1, cv 0.5
    assert layers["wet_vv_mean"][3, 4] == pytest.approx(-6.9897, abs=1e-4)
    assert layers["wet_vv_sd"][3, 4] == pytest.approx(-10.0, abs=1e-4)
    assert layers["wet_vv_cv"][3, 4] == pytest.approx(0.5, abs=1e-6)
    # mean of vh is 0.05: 0.2 / 0.05 = 4
    assert layers["wet_vv_by_vh"][3, 4] == pytest.approx(10 * math.log10(4.0), abs=1e-4)


def test_one_date_has_a_mean_but_no_spread() -> None:
    stack = np.full((2, 1, 2), np.nan, np.float32)
    stack[0] = 0.4
    stack[1, 0, 1] = 0.6
    assert radar.statistic(stack, "mean").tolist() == [[pytest.approx(0.4), pytest.approx(0.5)]]
    spread = radar.statistic(stack, "sd")
    assert np.isnan(spread[0, 0])
    assert spread[0, 1] == pytest.approx(math.sqrt(0.02))
    assert np.isnan(radar.statistic(np.full((3, 1, 1), np.nan, np.float32), "mean")).all()


def test_more_dates_leave_less_speckle() -> None:
    """Speckle of 4.4 looks has a coefficient of variation of 1 / sqrt(4.4); the mean of n dates sqrt(n) less."""
    rng = np.random.default_rng(5)
    stack = rng.gamma(4.4, 0.1 / 4.4, (16, 100, 100)).astype(np.float32)
    mean = radar.statistic(stack, "mean")
    assert mean.std() / mean.mean() == pytest.approx(1 / math.sqrt(4.4 * 16), rel=0.05)
    # median of dates, bias of the small sample (n - 1) included
    assert np.median(radar.statistic(stack, "cv")) == pytest.approx(1 / math.sqrt(4.4), rel=0.05)


# -- passes ---------------------------------------------------------------------------------------------------------


def test_passes_apart_have_layers_of_their_own() -> None:
    layers = built(Passing(DATES), radar_by_orbit=("ascending", "descending"), radar_statistics=("median", "ratio"))
    assert list(layers) == [
        "wet_vv_asc",
        "wet_vh_asc",
        "wet_vv_by_vh_asc",
        "wet_vv_desc",
        "wet_vh_desc",
        "wet_vv_by_vh_desc",
        "count_wet",
    ]
    assert layers["wet_vv_asc"][0, 0] == pytest.approx(10 * math.log10(0.2))
    assert layers["wet_vv_desc"][0, 0] == pytest.approx(10 * math.log10(0.2))
    assert layers["wet_vh_desc"][0, 0] == pytest.approx(10 * math.log10(0.09))
    assert layers["wet_vv_by_vh_desc"][0, 0] == pytest.approx(10 * math.log10(0.2 / 0.09), abs=1e-4)
    assert layers["count_wet"][0, 0] == 3


def test_one_direction_leaves_the_other_out() -> None:
    layers = built(Passing(DATES), radar_by_orbit=("descending",))
    assert list(layers) == ["wet_vv_desc", "wet_vh_desc", "count_wet"]
    assert layers["count_wet"][0, 0] == 1


def test_scenes_that_do_not_tell_their_pass_are_refused_only_where_it_matters() -> None:
    silent = Passing({"x1": (0.1, 0.02), "a1": (0.3, 0.04)})
    assert built(silent)["count_wet"][0, 0] == 2
    with pytest.raises(SourceError, match=r"1 radar scene\(s\) of passing .* \(x1\)"):
        built(silent, radar_by_orbit=("ascending",))
    with pytest.raises(SourceError) as refused:
        built(Passing({"x1": (0.1, 0.02)}, relief=(100.0, 50.0)), radar_distortion="mask")
    assert refused.value.key == "features.no_orbit"


def test_a_ratio_needs_two_bands_and_an_average() -> None:
    for bands, statistics in ((("vv",), ("median", "ratio")), (("vv", "vh"), ("cv", "ratio"))):
        with pytest.raises(InputError) as refused:
            RadarSpec(bands, statistics)  # type: ignore[arg-type]
        assert refused.value.key == "features.radar_ratio"


def test_a_source_that_composes_itself_is_not_asked_for_more_than_it_can_give() -> None:
    spec = CubeSpec(("wet",), ("red", "nir"), ("vv", "vh"), radar_by_orbit=("ascending",))
    with pytest.raises(InputError, match=r"features\.radar_"):
        spec.composition({})
    with pytest.raises(InputError, match=r"features\.topographic_correction"):
        CubeSpec(("wet",), ("red", "nir"), topographic_correction="scs+c").composition({})


def test_linear_composites_of_such_a_source_become_decibels() -> None:
    class Serving(Passing):
        composes = True

        def composite(self, grid: GeoBox, wanted: Composition) -> dict[str, np.ndarray]:
            assert wanted.radar_bands == ("vv", "vh")
            return {name: np.full(grid.shape.yx, 0.1, np.float32) for name in ("wet_vv", "wet_vh", "count_wet")}

    spec = CubeSpec(("wet",), (), ("vv", "vh"), terrain=False)
    layers = served_block(Serving(DATES), GRID, (slice(0, 9), slice(0, 9)), spec, spec.composition({}))
    assert layers["wet_vv"].tolist() == np.full((9, 9), -10.0).tolist()


def test_what_came_later_is_not_written_at_its_default() -> None:
    """Cards of models hold the section; it must not differ from that of models learned before."""
    assert "radar_statistics" not in FeaturesSection(bands=("red",)).model_dump(mode="json")
    told = FeaturesSection(radar_bands=("vv",), radar_statistics=("mean", "cv")).model_dump(mode="json")
    assert told["radar_statistics"] == ["mean", "cv"]
    assert FeaturesSection(**told) == FeaturesSection(radar_bands=("vv",), radar_statistics=("mean", "cv"))


# -- geometry -------------------------------------------------------------------------------------------------------


def test_look_directions_follow_the_ground_track() -> None:
    # The satellite's ground track over Zhuzhou heads some 12.6 degrees west of north going up: it looks to 77 degrees.
    assert look_azimuth_deg("ascending", 27.5) == pytest.approx(77.4, abs=0.2)
    assert look_azimuth_deg("descending", 27.5) == pytest.approx(282.6, abs=0.2)
    # the heading at the equator, 12.0 degrees: atan((cos 98.18 - 98.6 / 1436.07) / sin 98.18)
    assert look_azimuth_deg("ascending", 0.0) == pytest.approx(90 - 12.03, abs=0.05)
    assert look_azimuth_deg("descending", -89.0) < 360.0


def looked(relief: tuple[float, float], direction: str = EAST, incidence_deg: float = 39.0) -> np.ndarray:
    """Distortion along a line across the ridge, looking exactly east or west."""
    steps = tuple(range(1, 34))
    sign = 1 if direction == EAST else -1
    geometry = Geometry((0,) * len(steps), tuple(sign * k for k in steps), tuple(30.0 * k for k in steps))
    found = distortion(hill(GRID.pad(geometry.margin), *relief), geometry, incidence_deg)
    assert (found == found[0]).all()
    return found[0]


def test_flat_ground_and_gentle_hills_are_clear() -> None:
    assert (looked((300.0, 0.0)) == CLEAR).all()
    # 200 m up over 300 m is a slope of 34 degrees: less than the incidence of 39, so the order of echoes holds
    assert (looked((300.0, 200.0)) == CLEAR).all()


def test_a_slope_steeper_than_the_incidence_lies_over() -> None:
    # 300 m up over 300 m (10 pixels), 45 degrees: it faces the sensor in the west, columns 15 to 25
    line = looked((300.0, 300.0))
    assert (line[16:25] == LAYOVER).all()
    # the top comes back as soon as the ground (300 / tan 39 =) 370 m nearer: 12.3 pixels from column 25
    assert np.flatnonzero(line == LAYOVER).min() == 25 - 12
    # the first pixel behind the top, 270 m up, still meets the echo of the foot 330 m nearer (267 m); the next does not
    assert line[26] == LAYOVER
    assert (line[27:] == CLEAR).all()
    # at 45 degrees downhill, the back slope is no steeper than the ray (90 - 39 = 51 degrees): no shadow
    assert (line != SHADOW).all()
    # seen from the east, it is the other way round
    mirrored = looked((300.0, 300.0), "descending")
    assert mirrored[1:50].tolist() == line[1:50][::-1].tolist()


def test_a_cliff_throws_a_shadow_as_long_as_the_ray_is_flat() -> None:
    # 300 m down within 60 m: the ray that passes the top (column 25) meets the ground 300 tan 39 = 243 m beyond, 8.1
    # pixels. Column 26, half-way down, lies over the ground before the cliff, too.
    line = looked((60.0, 300.0))
    assert line[26] == LAYOVER
    assert np.flatnonzero(line == SHADOW).tolist() == [*range(27, 34)]


def test_incidence_decides_between_layover_and_shadow() -> None:
    steep_look, flat_look = looked((120.0, 120.0), incidence_deg=30.0), looked((120.0, 120.0), incidence_deg=60.0)
    assert (steep_look == LAYOVER).any()
    assert not (steep_look == SHADOW).any()
    assert (flat_look == SHADOW).any()
    assert not (flat_look == LAYOVER).any()


def test_unknown_ground_hides_nothing() -> None:
    geometry = Geometry.of(GRID, EAST, 300.0)
    elevation = hill(GRID.pad(geometry.margin), 300.0, 400.0)
    elevation[:, 25 + geometry.margin :] = np.nan
    assert distortion(elevation, geometry, 39.0).shape == GRID.shape.yx
    assert (distortion(np.full_like(elevation, np.nan), geometry, 39.0) == CLEAR).all()


def test_offsets_point_away_from_the_sensor_and_reach_as_far_as_said() -> None:
    geometry = Geometry.of(GRID, "descending")
    assert max(geometry.distances_m) == pytest.approx(layover.REACH_M, abs=30.0)
    # it looks to 282.6 degrees: west and a little north, so columns go down and rows go up
    assert geometry.cols[-1] < -25
    assert -12 < geometry.rows[-1] < 0
    degrees = GeoBox((30, 30), Affine(0.0003, 0.0, 113.0, 0.0, -0.0003, 27.5), "EPSG:4326")
    found = Geometry.of(degrees, EAST, 300.0)
    for row, col, distance in zip(found.rows, found.cols, found.distances_m, strict=True):
        # a degree of longitude has 98.8 km there, one of latitude 110.8 km
        assert distance == pytest.approx(math.hypot(row * 0.0003 * 110_812, col * 0.0003 * 98_834), rel=1e-3)


# -- flags and masks ------------------------------------------------------------------------------------------------


def test_flags_are_layers_of_their_own() -> None:
    layers = built(Passing(DATES, relief=(300.0, 400.0)), radar_distortion="flag")
    assert list(layers) == ["wet_vv", "wet_vh", "count_wet", "distortion_asc", "distortion_desc"]
    assert set(np.unique(layers["distortion_asc"])) == {CLEAR, LAYOVER, SHADOW}
    assert layers["count_wet"].min() == 3


def test_masked_dates_do_not_count_and_a_blind_direction_takes_the_other() -> None:
    source = Passing({"a1": (0.1, 0.02), "d1": (0.2, 0.09)}, relief=(300.0, 350.0))
    flags = built(source, radar_distortion="flag")
    hidden = {name: flags[f"distortion_{name}"] != CLEAR for name in ("asc", "desc")}
    one_blind = hidden["asc"] & ~hidden["desc"]
    assert one_blind.any()
    merged = built(source, radar_distortion="mask")
    assert (merged["count_wet"] == 2 - hidden["asc"].astype(int) - hidden["desc"]).all()
    assert merged["wet_vv"][one_blind] == pytest.approx(10 * math.log10(0.2))
    apart = built(source, radar_distortion="mask", radar_by_orbit=("ascending", "descending"))
    assert apart["wet_vv_asc"][one_blind] == pytest.approx(10 * math.log10(0.2))
    seen = ~hidden["asc"]
    assert apart["wet_vv_asc"][seen] == pytest.approx(-10.0)


def test_masking_needs_elevation() -> None:
    with pytest.raises(SourceError) as refused:
        built(Passing(DATES), radar_distortion="mask")
    assert refused.value.key == "features.radar_elevation"


def test_no_layer_depends_on_the_block() -> None:
    source = SimulatedSource(seed=3, scenes_per_season=2)
    # the steep east of the virtual city
    grid = GeoBox((70, 90), Affine(60.0, 0.0, 745_000.0, 0.0, -60.0, 2_905_000.0), "EPSG:32649")
    spec = CubeSpec(
        ("wet",), (), ("vv", "vh"), terrain=False, radar_statistics=("median", "cv", "ratio"),
        radar_by_orbit=("ascending",), radar_distortion="mask",
    )  # fmt: skip
    scenes = {"wet": source.search(grid, Period(datetime(2025, 6, 1).date(), datetime(2025, 8, 31).date()))}
    scenes = {"wet": [scene for scene in scenes["wet"] if scene.is_radar]}
    whole = build_block(source, grid, (slice(0, 70), slice(0, 90)), spec, scenes)
    for rows, cols in ((slice(0, 33), slice(0, 41)), (slice(33, 70), slice(41, 90))):
        part = build_block(source, grid, (rows, cols), spec, scenes)
        for name, values in part.items():
            assert np.array_equal(values, whole[name][rows, cols], equal_nan=True), name
