"""The real case of 447 cloudy Landsat dates: what is composited are the Fmask-clear observations, and nothing else.

The images came with a second copy of their pixels, arrays that another program wrote; numpy alone takes the expected
composites from them.
"""

import tarfile
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sinkest.features.block import build_block
from sinkest.features.composite import count_valid, geomedian, median, medoid
from sinkest.features.cube import CubeSpec
from sinkest.features.mask import clear
from sinkest.imagery.local import StackSource, grid_of
from sinkest.imagery.source import Period, Scene

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

BANDS = {"blue": 1, "green": 2, "red": 3, "nir": 4, "swir1": 5, "swir2": 6}
NODATA = -9999
SEASONS = {"spring": ("03-01", "05-31"), "summer": ("06-01", "08-31"), "autumn": ("09-01", "11-30")}
YEARS = range(1984, 2015)
WHOLE = (slice(0, 5), slice(0, 5))


@pytest.fixture(scope="module")
def folder(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("landsat")
    with tarfile.open(real_data / "imagery" / "yatsm_landsat_ts" / "p035r032_testdata.tar.gz") as archive:
        archive.extractall(place, filter="data")
    return place / "p035r032"


@pytest.fixture(scope="module")
def source(folder: Path) -> StackSource:
    return StackSource(
        folder / "images",
        "folder_per_date",
        BANDS,
        date_format="???035032%Y%j*",
        sensor="landsat-7",
        scale=1e-4,
        qa=8,
        qa_kind="fmask",
    )


@pytest.fixture(scope="module")
def pixels(folder: Path) -> np.ndarray:
    """Stored numbers (date, band, y, x) from the arrays of the other program, dates in the order of their names."""
    rows, ids = [], None
    for row in range(5):
        with np.load(folder / "cache" / f"yatsm_r{row}_n447_b8.npy.npz") as arrays:
            rows.append(arrays["Y"].astype(np.float64))
            assert ids is None or (arrays["image_IDs"] == ids).all()
            ids = arrays["image_IDs"]
    assert ids is not None
    order = np.argsort([name.decode() for name in ids], kind="stable")
    return np.stack(rows, axis=2).transpose(1, 0, 2, 3)[order]


@pytest.fixture(scope="module")
def seasons(source: StackSource) -> dict[str, list[Scene]]:
    grid = grid_of(source.files()[0])
    found = {}
    for season, (start, end) in SEASONS.items():
        periods = [Period(date.fromisoformat(f"{y}-{start}"), date.fromisoformat(f"{y}-{end}")) for y in YEARS]
        found[season] = [scene for period in periods for scene in source.search(grid, period)]
    return found


@pytest.fixture(scope="module")
def layers(source: StackSource, seasons: dict[str, list[Scene]]) -> dict[str, np.ndarray]:
    spec = CubeSpec(tuple(SEASONS), tuple(BANDS), phenology_index="NDVI", terrain=False, dilate_px=0, gap_fill="none")
    return build_block(source, grid_of(source.files()[0]), WHOLE, spec, seasons)


def masked(pixels: np.ndarray, source: StackSource, scenes: list[Scene]) -> np.ndarray:
    """Reflectance of the Fmask-clear observations of these scenes, straight from the arrays."""
    names = sorted(scene.id for scene in source.search(grid_of(source.files()[0]), Period(date(1984, 1, 1), date.max)))
    chosen = pixels[[names.index(scene.id) for scene in scenes]]
    seen = np.isin(chosen[:, 7], (0, 1)) & (chosen[:, :6] != NODATA).all(axis=1)
    return np.where(seen[:, None], chosen[:, :6] * 1e-4, np.nan).astype(np.float32)


def test_every_date_is_found_with_the_day_its_name_tells(source: StackSource) -> None:
    scenes = source.search(grid_of(source.files()[0]), Period(date(1984, 1, 1), date(2015, 1, 1)))
    assert len(scenes) == 447
    for scene in scenes:
        # one name tells day 366 of 1999, which had 365: the first of January 2000
        new_year = datetime(int(scene.id[9:13]), 1, 1)
        assert scene.time == new_year + timedelta(days=int(scene.id[13:16]) - 1)
    assert scenes == tuple(sorted(scenes, key=lambda scene: (scene.time, scene.id)))


def test_reads_equal_the_other_programs_pixels(source: StackSource, pixels: np.ndarray) -> None:
    grid = grid_of(source.files()[0])
    scenes = sorted(source.search(grid, Period(date(1984, 1, 1), date(2015, 1, 1))), key=lambda scene: scene.id)
    for scene, stored in zip(scenes[::10], pixels[::10], strict=True):
        read = source.read(grid, scene, tuple(BANDS))
        for band, numbers in zip(BANDS, stored, strict=False):
            none = (numbers == NODATA) | np.isin(stored[7], (NODATA, 255))
            expected = np.where(none, np.nan, numbers * 1e-4).astype(np.float32)
            np.testing.assert_array_equal(read[band], expected)
        np.testing.assert_array_equal(read["qa"], np.where(stored[7] == NODATA, 255, stored[7]))


def test_seasonal_medians_are_those_of_the_clear_observations(
    source: StackSource, pixels: np.ndarray, seasons: dict[str, list[Scene]], layers: dict[str, np.ndarray]
) -> None:
    for season, scenes in seasons.items():
        values = masked(pixels, source, scenes)
        counts = np.isfinite(values[:, 0]).sum(axis=0)
        np.testing.assert_array_equal(layers[f"count_{season}"], counts)
        with np.errstate(all="ignore"):
            expected = np.stack(
                [[np.nanmedian(v[:, i]) if c.any() else np.nan for i, c in columns(v)] for v in flat(values)]
            )
        for k, band in enumerate(BANDS):
            np.testing.assert_array_equal(layers[f"{season}_{band}"].ravel(), expected[k].astype(np.float32))
        assert counts[1:, 1:].min() >= 9


def flat(values: np.ndarray) -> list[np.ndarray]:
    """Per band the observations (date, pixel)."""
    return [values[:, k].reshape(len(values), -1) for k in range(values.shape[1])]


def columns(values: np.ndarray) -> list[tuple[int, np.ndarray]]:
    return [(i, np.isfinite(values[:, i])) for i in range(values.shape[1])]


def test_the_phenology_of_the_year_follows_the_clear_observations(
    source: StackSource, pixels: np.ndarray, seasons: dict[str, list[Scene]], layers: dict[str, np.ndarray]
) -> None:
    values = masked(pixels, source, [scene for scenes in seasons.values() for scene in scenes]).astype(np.float64)
    ndvi = (values[:, 3] - values[:, 2]) / (values[:, 3] + values[:, 2])
    seen = np.s_[1:, :]
    expected = np.nanpercentile(ndvi[(slice(None), *seen)], [10, 50, 90], axis=0)
    found = np.stack([layers[f"NDVI_p{percent}"][seen] for percent in (10, 50, 90)])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_masking_matters(
    source: StackSource, pixels: np.ndarray, seasons: dict[str, list[Scene]], layers: dict[str, np.ndarray]
) -> None:
    """Clouds brighten a composite of all dates; the clear one lies among the darker observations."""
    scenes = seasons["spring"]
    ids = sorted(scene.id for scene in source.search(grid_of(source.files()[0]), Period(date(1984, 1, 1), date.max)))
    raw = pixels[[ids.index(scene.id) for scene in scenes], 0] * 1e-4
    everything = np.median(raw[:, 1:], axis=0)
    assert (layers["spring_blue"][1:] < 0.6 * everything).all()


def test_medoid_and_geometric_median_stay_near_the_median(
    source: StackSource, pixels: np.ndarray, seasons: dict[str, list[Scene]]
) -> None:
    values = masked(pixels, source, seasons["summer"])[:, :, 1:, 1::4]
    middle = np.stack([median(np.ascontiguousarray(values[:, k])) for k in range(6)])
    spread = np.nanpercentile(values, 75, axis=0) - np.nanpercentile(values, 25, axis=0)
    for function in (medoid, geomedian):
        assert (np.abs(function(values) - middle) < spread).mean() > 0.95


def test_another_scene_of_clouds_in_one_array(real_data: Path) -> None:
    """423 dates of 300 pixels: the composite of a cloudy forest, against numpy."""
    with np.load(real_data / "imagery" / "yatsm_landsat_ts" / "p013r030_r50_n423_b8.npz") as arrays:
        numbers = arrays["Y"].transpose(1, 0, 2)[:, :, None]
        days = np.array([date.fromordinal(day) for day in arrays["dates"]])
    summer = np.array([6 <= day.month <= 8 for day in days])
    qa = np.where(numbers[:, 7] == NODATA, 255, numbers[:, 7]).astype(np.uint8)
    seen = clear(qa, "fmask") & (numbers[:, :6] != NODATA).all(axis=1)
    stack = np.where(seen[:, None], numbers[:, :6] * 1e-4, np.nan)[summer].astype(np.float32)
    assert 0.6 < clear(qa, "fmask").mean() < 0.7
    nir = median(np.ascontiguousarray(stack[:, 3]))
    np.testing.assert_array_equal(nir, np.nanmedian(stack[:, 3], axis=0))
    np.testing.assert_array_equal(count_valid(stack[:, 3]), seen[summer].sum(axis=0))
    red = median(np.ascontiguousarray(stack[:, 2]))
    ndvi = (nir - red) / (nir + red)
    # northern hardwoods of the Adirondacks in summer
    assert np.median(ndvi) > 0.8
