"""Topographic correction: the line's C is found, slopes come out as level ground, and no pixel depends on its block."""

from __future__ import annotations

import json
import math
import pickle
import re
import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.config import load_config
from sinkest.errors import InputError, SourceError
from sinkest.features import topography
from sinkest.features.block import build_block
from sinkest.features.cube import CubeSpec
from sinkest.features.mask import clear
from sinkest.features.terrain import slope_aspect
from sinkest.features.topography import NONE, STRATA, Correction, Fit, LevelledSource, Relief, correct, fit, relief_of
from sinkest.imagery.simulated import SimulatedSource
from sinkest.imagery.source import QA, Period, Scene, Source
from sinkest.progress import Silent
from sinkest.runstore import RunStore
from sinkest.stages.context import Run
from tests.project_fixture import SIMULATED, call, copied, edit, run_folder

SUN = (50.0, 150.0)
WINTER = Period(date(2024, 12, 1), date(2025, 2, 20))
# the hills of the virtual city's east
HILLS = GeoBox((600, 600), Affine(60.0, 0.0, 735_000.0, 0.0, -60.0, 2_930_000.0), "EPSG:32649")
BANDS = ("red", "nir", "swir1")


def rough(shape: tuple[int, int], seed: int = 1) -> Relief:
    """Slopes of up to some 35 degrees to all sides."""
    rng = np.random.default_rng(seed)
    slope = rng.uniform(0.0, 35.0, shape)
    aspect = rng.uniform(0.0, 2 * math.pi, shape)
    steep = np.sin(np.radians(slope))
    return Relief(*(one.astype(np.float32) for one in (slope, steep * np.cos(aspect), steep * np.sin(aspect))))


def seen_under_scs_c(level: float, c: float, relief: Relief) -> np.ndarray:
    """Reflectance of a stand on slopes, if SCS+C with this C were the law of nature."""
    cos_i, flat = relief.light(*SUN)
    return (level * (cos_i + c) / (flat + c)).astype(np.float32)


def by_line(a: float, b: float, relief: Relief) -> np.ndarray:
    """Reflectance on a line of cos(i)."""
    return (a * relief.light(*SUN)[0] + b).astype(np.float32)


# -- one scene ------------------------------------------------------------------------------------------------------


def test_the_light_of_a_slope_is_that_of_plain_trigonometry() -> None:
    # 30 degrees to the south; sun in the south, 40 degrees from the zenith: i = 10 degrees
    steep = math.sin(math.radians(30.0))
    relief = Relief(*(np.array([[v]], np.float32) for v in (30.0, -steep, 0.0)))
    cos_i, level = relief.light(40.0, 180.0)
    assert cos_i[0, 0] == pytest.approx(math.cos(math.radians(10.0)), abs=1e-6)
    assert level[0, 0] == pytest.approx(math.cos(math.radians(30.0)) * math.cos(math.radians(40.0)), abs=1e-6)
    # from the north, 70 degrees from the zenith: i = 100 degrees, which the sun does not reach
    assert relief.light(70.0, 0.0)[0][0, 0] == 0.0


def test_c_is_intercept_over_slope_of_the_line() -> None:
    relief = rough((100, 100))
    # nir = 0.3 cos i + 0.15: C = 0.5; red = 0.02 cos i + 0.02: C = 1; their NDVI lies above 0.8 nearly everywhere
    bands = np.stack([by_line(0.02, 0.02, relief), by_line(0.3, 0.15, relief)])
    gathered = Fit(("red", "nir"), SUN)
    gathered.add(bands, relief, np.ones((100, 100), dtype=bool))
    found = gathered.solved()
    assert found.c["nir"][3] == pytest.approx(0.5, abs=1e-3)
    assert found.c["red"][3] == pytest.approx(1.0, abs=1e-3)
    assert found.r["nir"][3] == pytest.approx(1.0, abs=1e-6)
    # strata without pixels take the line of all
    assert found.c["nir"][0] == pytest.approx(0.5, abs=1e-3)
    assert math.isnan(found.r["nir"][0])
    assert found.n[3] > 5000


def test_windows_add_up_to_one_fit() -> None:
    relief = rough((80, 60))
    bands = np.stack([by_line(0.02, 0.02, relief), by_line(0.3, 0.15, relief)])
    seen = np.random.default_rng(2).random((80, 60)) < 0.7
    whole, parts = Fit(("red", "nir"), SUN), Fit(("red", "nir"), SUN)
    whole.add(bands, relief, seen)
    for rows in (slice(0, 30), slice(30, 80)):
        part = Relief(relief.slope_deg[rows], relief.northness[rows], relief.eastness[rows])
        parts.add(bands[:, rows], part, seen[rows])
    assert parts.solved().n == whole.solved().n
    assert parts.solved().c["nir"] == pytest.approx(whole.solved().c["nir"], rel=1e-9)


def test_slopes_come_out_as_level_ground() -> None:
    relief = rough((90, 90))
    correction = Correction(*SUN, {"red": (0.8,) * 4, "nir": (0.4,) * 4}, {}, (0,) * 4)
    given = {"red": seen_under_scs_c(0.03, 0.8, relief), "nir": seen_under_scs_c(0.35, 0.4, relief)}
    assert given["nir"].std() > 0.05
    found = correct(given, relief, correction)
    lit = relief.light(*SUN)[0] > 0.05
    assert np.abs(found["nir"][lit] - 0.35).max() < 1e-4
    assert np.abs(found["red"][lit] - 0.03).max() < 1e-4


def test_level_ground_bare_ground_and_the_unknown_stay_as_they_are() -> None:
    correction = Correction(*SUN, {"red": (0.5,) * 4, "nir": (0.5, 0.5, NONE, 0.5)}, {}, (0,) * 4)
    slope = np.array([[0.0, 30.0, 30.0, np.nan]], np.float32)
    relief = Relief(slope, -np.sin(np.radians(slope)), np.zeros_like(slope))
    red = np.array([[0.03, 0.2, 0.05, 0.03]], np.float32)
    nir = np.array([[0.35, 0.25, 0.35, 0.35]], np.float32)
    # green and level; NDVI 0.11; NDVI 0.75, whose nir has no line; green, but no relief
    found = correct({"red": red, "nir": nir}, relief, correction)
    assert found["nir"].tolist() == nir.tolist()
    assert found["red"][0, [0, 1, 3]].tolist() == red[0, [0, 1, 3]].tolist()
    assert found["red"][0, 2] != red[0, 2]


def test_ground_in_the_shade_is_not_blown_up() -> None:
    slope = np.full((1, 1), 60.0, np.float32)
    relief = Relief(slope, np.sin(np.radians(slope)), np.zeros_like(slope))
    correction = Correction(70.0, 180.0, {"red": (0.0,) * 4, "nir": (0.0,) * 4}, {}, (0,) * 4)
    found = correct(
        {"red": np.full((1, 1), 0.01, np.float32), "nir": np.full((1, 1), 0.1, np.float32)}, relief, correction
    )
    assert found["nir"][0, 0] == pytest.approx(0.1 * topography.LARGEST_FACTOR)


def test_noise_is_not_taken_for_relief() -> None:
    relief = rough((60, 60))
    noise = np.random.default_rng(3).normal(0.3, 0.05, (60, 60)).astype(np.float32)
    gathered = Fit(("red", "nir"), SUN)
    gathered.add(np.stack([0.1 * noise, noise]), relief, np.ones((60, 60), dtype=bool))
    assert set(gathered.solved().c["nir"]) == {NONE}
    few = Fit(("red", "nir"), SUN)
    few.add(np.stack([by_line(0.02, 0.02, relief), by_line(0.3, 0.15, relief)]), relief, relief.slope_deg > 34.0)
    assert set(few.solved().c["nir"]) == {NONE}


def test_a_correction_survives_json() -> None:
    given = Correction(*SUN, {"nir": (0.1, NONE, 1 / 3, 0.5)}, {"nir": (0.5, math.nan, 0.2, 0.1)}, (400, 0, 5, 6))
    found = Correction.from_dict(json.loads(json.dumps(given.as_dict())))
    assert found.c == given.c
    assert (found.sun_zenith_deg, found.sun_azimuth_deg, found.n) == (*SUN, given.n)
    assert math.isnan(found.r["nir"][1])


# -- the windows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (64, 64), (383, 384), (5000, 3000)])
def test_windows_lie_in_the_grid_and_do_not_overlap(shape: tuple[int, int]) -> None:
    count = np.zeros(shape, dtype=np.uint8)
    for window in topography.windows(shape):
        count[window] += 1
    assert count.max() == 1
    if max(shape) <= topography.WINDOWS * topography.SIDE:
        assert count.all()
    assert sum(1 for _ in topography.windows(shape)) <= topography.WINDOWS**2


# -- scenes ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hills() -> tuple[SimulatedSource, list[Scene], dict[str, Correction]]:
    """Winter dates of the virtual hills with their corrections."""
    source = SimulatedSource(seed=20250101, scenes_per_season=2, cloudiness=0.2, radar=False)
    scenes = list(source.search(HILLS, WINTER))
    return source, scenes, fit(source, HILLS, scenes, BANDS, 1)


def forest_of(source: SimulatedSource, grid: GeoBox, scene: Scene) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Arbor forest on slopes in a clear sky: band, reflectance and where it is, raw."""
    read = source.read(grid, scene, BANDS)
    truth = source.landscape.on(grid, 2025)
    ok = clear(read[QA], "scl", 1) & (truth.land_cover >= 1) & (truth.land_cover <= 4)
    for band in BANDS:
        yield band, read[band], ok & (truth.elevation_m < 800.0)


def test_simulated_forest_no_longer_follows_the_light(hills: tuple) -> None:
    """The simulator lights slopes by its own law, (cos i + d) / (cos zenith + d), not by SCS+C."""
    source, scenes, corrections = hills
    here = HILLS[150:400, 150:400]
    relief = relief_of(source, here)
    for scene in scenes:
        cos_i = relief.light(*scene.sun_deg)[0]  # type: ignore[misc]
        mended = LevelledSource(source, corrections).read(here, scene, BANDS)
        for band, raw, where in forest_of(source, here, scene):
            used = where & (relief.slope_deg > 5.0)
            assert used.sum() > 5_000
            before, after = (np.corrcoef(one[used], cos_i[used])[0, 1] for one in (raw, mended[band]))
            if band == "nir":
                assert before > 0.4, scene.id
            assert abs(after) < 0.1, (scene.id, band, after)
            assert mended[band][used].std() < raw[used].std()


def test_c_of_the_simulated_forest_is_the_light_of_its_sky(hills: tuple) -> None:
    _, scenes, corrections = hills
    # the diffuse share of nir in simulate/signatures.toml is 0.50: C of the line if stands were alike
    for scene in scenes:
        assert corrections[scene.id].c["nir"][2] == pytest.approx(0.5, abs=0.25)
        assert corrections[scene.id].n[2] > 3_000


def test_a_scene_without_sun_stays_as_it_is(hills: tuple) -> None:
    source, scenes, corrections = hills
    silent = Scene(scenes[0].id, scenes[0].time, scenes[0].sensor)
    assert fit(source, HILLS, [silent], BANDS) == {}
    here = HILLS[10:40, 10:40]
    raw = source.read(here, scenes[0], BANDS)
    same = LevelledSource(source, {}).read(here, scenes[0], BANDS)
    assert all(np.array_equal(raw[name], same[name], equal_nan=True) for name in raw)
    assert scenes[0].id in corrections


def test_bands_and_margins_come_as_asked_for(hills: tuple) -> None:
    source, scenes, corrections = hills
    levelled = pickle.loads(pickle.dumps(LevelledSource(source, corrections)))
    here = HILLS[200:240, 200:260]
    all_bands = levelled.read(here, scenes[0], BANDS)
    one = levelled.read(here, scenes[0], ("swir1",))
    assert set(one) == {"swir1", QA}
    assert np.array_equal(one["swir1"], all_bands["swir1"], equal_nan=True)
    wide = levelled.read_with_margin(here, scenes[0], BANDS, 2)
    assert wide[QA].shape == (44, 64)
    assert np.array_equal(wide["nir"], all_bands["nir"], equal_nan=True)
    assert levelled.describe() == source.describe()


def test_no_pixel_depends_on_its_block(hills: tuple) -> None:
    source, scenes, corrections = hills
    spec = CubeSpec(("winter",), BANDS, terrain=False, topographic_correction="scs+c", phenology_index="NDVI")
    levelled = LevelledSource(source, corrections)
    grid = HILLS[200:300, 200:320]
    whole = build_block(levelled, grid, (slice(0, 100), slice(0, 120)), spec, {"winter": scenes})
    plain = build_block(source, grid, (slice(0, 100), slice(0, 120)), spec, {"winter": scenes})
    assert not np.array_equal(whole["winter_nir"], plain["winter_nir"], equal_nan=True)
    for rows, cols in ((slice(0, 37), slice(0, 64)), (slice(37, 100), slice(64, 120))):
        part = build_block(levelled, grid, (rows, cols), spec, {"winter": scenes})
        for name, values in part.items():
            assert np.array_equal(values, whole[name][rows, cols], equal_nan=True), name


def test_without_elevation_it_is_refused() -> None:
    class Flat(Source):
        name = "flat"
        bands = ("red", "nir")

        def describe(self) -> dict[str, str]:
            return {}

        def search(self, grid: GeoBox, period: Period) -> tuple[Scene, ...]:
            return ()

        def read(self, grid: GeoBox, scene: Scene, bands: object) -> dict[str, np.ndarray]:
            return {}

    with pytest.raises(SourceError) as refused:
        fit(Flat(), HILLS, [Scene("a", datetime(2025, 1, 1), "sentinel-2")], ("red", "nir"))
    assert refused.value.key == "features.topography_elevation"


def test_it_needs_the_bands_of_greenness() -> None:
    with pytest.raises(InputError, match="needs the bands red and nir"):
        CubeSpec(("winter",), ("nir", "swir1"), topographic_correction="scs+c")


# -- real relief ----------------------------------------------------------------------------------------------------


def amazon(folder: Path) -> tuple[np.ndarray, np.ndarray, Relief, tuple[float, float]]:
    """Red and nir reflectance of Landsat 5 over hills of the Amazon, the relief by SRTM, the sun by the metadata.

    Radiance less that of the darkest pixels (haze), over the sun's at the top of the atmosphere: 1536 and 1031 W m-2
    um-1 (Chander, Markham & Helder 2009, Remote Sens. Environ. 113:893, Table 3).
    """
    told = (folder / "LT52240631988227CUB02_MTL.txt").read_text(encoding="latin-1")

    def number(name: str) -> float:
        return float(re.search(rf"{name} = ([-\d.E+]+)", told)[1])  # type: ignore[index]

    sun = (90.0 - number("SUN_ELEVATION"), number("SUN_AZIMUTH"))
    with rasterio.open(folder / "lsat.tif") as image:
        stored = {band: image.read(band).astype(np.float64) for band in (3, 4)}
    bands = []
    for band, irradiance in ((3, 1536.0), (4, 1031.0)):
        radiance = number(f"RADIANCE_MULT_BAND_{band}") * stored[band] + number(f"RADIANCE_ADD_BAND_{band}")
        radiance -= np.quantile(radiance, 0.001)
        bands.append(math.pi * radiance / (irradiance * math.cos(math.radians(sun[0]))) + 0.01)
    with rasterio.open(folder / "srtm_lsat.tif") as model:
        relief = Relief(*slope_aspect(model.read(1).astype(np.float32), 30.0))
    return bands[0].astype(np.float32), bands[1].astype(np.float32), relief, sun


def test_real_landsat_forest_on_real_relief(real_data: Path) -> None:
    """Lines of the western half take the light out of the forest of the eastern half."""
    red, nir, relief, sun = amazon(real_data / "imagery" / "RStoolbox_S2_L5")
    west = np.arange(red.shape[1])[None, :] < red.shape[1] // 2
    gathered = Fit(("red", "nir"), sun)
    gathered.add(np.stack([red, nir]), relief, np.broadcast_to(west, red.shape))
    mended = correct({"red": red, "nir": nir}, relief, gathered.solved())["nir"]
    cos_i = relief.light(*sun)[0]
    forest = (topography.strata_of(red, nir) >= STRATA.index(0.65)) & (relief.slope_deg >= 5.0) & ~west
    before, after = (np.corrcoef(one[forest], cos_i[forest])[0, 1] for one in (nir, mended))
    assert forest.sum() > 20_000
    assert before > 0.35
    assert abs(after) < 0.1
    assert mended[forest].std() < nir[forest].std()


# -- a run ----------------------------------------------------------------------------------------------------------


def test_a_run_fits_once_records_it_and_does_not_depend_on_blocks(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(project, tmp_path)
    config = folder / SIMULATED
    edit(config, "[features]\n", '[features]\ntopographic_correction = "scs+c"\n')
    assert call("compose", config) == 0
    assert "topographic correction (SCS+C)" in "".join(capsys.readouterr())
    run = run_folder(folder, SIMULATED)
    kept = json.loads((run / "compose" / "topography.json").read_text(encoding="utf-8"))
    scenes = json.loads((run / "compose" / "scenes.json").read_text(encoding="utf-8"))
    assert set(kept["scenes"]) == {one["id"] for found in scenes.values() for one in found}
    assert all(one["sun_zenith_deg"] > 0 for one in kept["scenes"].values())
    first = (run / "compose" / "composite.tif").read_bytes()
    other = copied(folder, tmp_path / "again")
    shutil.rmtree(other / "runs")
    assert call("compose", other / SIMULATED, "--block-size", "128") == 0
    assert (run_folder(other, SIMULATED) / "compose" / "composite.tif").read_bytes() == first
    # a run that goes on does not fit again
    monkeypatch.setattr(topography, "fit", lambda *given: pytest.fail("fitted again"))
    again = Run(load_config(other / SIMULATED), RunStore(run_folder(other, SIMULATED)), Silent(), 1, 256)
    assert {name: one.as_dict() for name, one in again.levelled.corrections.items()} == kept["scenes"]  # type: ignore[attr-defined]


def test_imagery_that_does_not_tell_the_sun_is_refused_by_the_check(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(project, tmp_path)
    edit(folder / "config.toml", "[features]\n", '[features]\ntopographic_correction = "scs+c"\n')
    assert call("check", folder / "config.toml") == 2
    assert "tells where the sun stood" in "".join(capsys.readouterr())


def test_a_pass_that_a_season_lacks_is_refused_by_the_check(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(project, tmp_path)
    edit(folder / SIMULATED, "radar = false", "radar = true")
    wanted = 'radar_bands = ["vv"]\nradar_by_orbit = ["ascending", "descending"]\n'
    edit(folder / SIMULATED, "[features]\n", f"[features]\n{wanted}")
    assert call("check", folder / SIMULATED) == 2
    assert "radar scenes is of the descending pass" in "".join(capsys.readouterr())
