import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.errors import InputError, SourceError
from sinkest.imagery.catalogue import DatePattern
from sinkest.imagery.local import StackSource, StaticSource
from sinkest.imagery.source import QA, Period, Scene

# odc-geo multiplies affine transforms with the operator that affine 3 will retire.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

EAST, NORTH = 700_000.0, 3_050_000.0
YEAR = Period(date(2025, 1, 1), date(2025, 12, 31))


def write(
    path: Path, values: np.ndarray, step: float = 10, east: float = EAST, crs: str = "EPSG:32649", **more: object
) -> Path:
    values = values if values.ndim == 3 else values[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"count": values.shape[0], "height": values.shape[1], "width": values.shape[2]}
    transform = Affine(step, 0, east, 0, -step, NORTH)
    with rasterio.open(
        path, "w", driver="GTiff", dtype=values.dtype.name, crs=crs, transform=transform, **shape, **more
    ) as file:
        file.write(values)
    return path


def filled(number: float, rows: int = 8, cols: int = 8, dtype: str = "int16") -> np.ndarray:
    return np.full((rows, cols), number, dtype=dtype)


def grid(rows: int = 8, cols: int = 8, step: float = 10, east: float = EAST) -> GeoBox:
    return GeoBox((rows, cols), Affine(step, 0, east, 0, -step, NORTH), "EPSG:32649")


def by_folder(folder: Path, **more: object) -> StackSource:
    """Two dates, red and near infrared in files of their own, SCL at 20 m."""
    for k, day in enumerate(("20250114", "20250311")):
        write(folder / day / f"T49RGM_{day}_B04_10m.tif", filled(1000 + k), nodata=0)
        write(folder / day / f"T49RGM_{day}_B08_10m.tif", filled(3000 + k), nodata=0)
        write(folder / day / f"T49RGM_{day}_SCL_20m.tif", filled(4, 4, 4, "uint8"), step=20, nodata=0)
    options = {"date_format": "%Y%m%d", "scale": 1e-4, "qa": "*SCL*", "qa_kind": "scl", "sensor": "sentinel-2"}
    return StackSource(folder, "folder_per_date", {"red": "*B04*", "nir": "*B08*"}, **{**options, **more})


def only(source: StackSource, where: GeoBox | None = None) -> Scene:
    (scene,) = source.search(where or grid(), YEAR)
    return scene


# -- layouts ------------------------------------------------------------------------------------------------------


def test_a_folder_per_date(tmp_path: Path) -> None:
    source = by_folder(tmp_path)
    scenes = source.search(grid(), YEAR)
    assert [(scene.id, scene.time) for scene in scenes] == [
        ("20250114", datetime(2025, 1, 14)),
        ("20250311", datetime(2025, 3, 11)),
    ]
    read = source.read(grid(), scenes[1], ("red", "nir"))
    # 1001 and 3001 times 0.0001
    np.testing.assert_array_equal(read["red"], np.float32(0.1001))
    np.testing.assert_array_equal(read["nir"], np.float32(0.3001))
    assert read[QA].dtype == np.uint8
    assert (read[QA] == 4).all()


def test_the_search_keeps_to_the_period(tmp_path: Path) -> None:
    source = by_folder(tmp_path)
    assert [s.id for s in source.search(grid(), Period(date(2025, 3, 11), date(2025, 3, 11)))] == ["20250311"]
    assert source.search(grid(), Period(date(2024, 1, 1), date(2024, 12, 31))) == ()


def test_dated_files_of_one_day_make_one_scene(tmp_path: Path) -> None:
    for day in ("2025-06-01", "2025-07-01"):
        write(tmp_path / f"red_{day}.tif", filled(500), nodata=-1)
        write(tmp_path / f"nir_{day}.tif", filled(2500), nodata=-1)
    write(tmp_path / "dem.tif", filled(100), nodata=-1)
    bands = {"red": "red*", "nir": "nir*"}
    source = StackSource(tmp_path, "file_per_date", bands, date_format="%Y-%m-%d", scale=1e-4)
    assert [scene.id for scene in source.search(grid(), YEAR)] == ["2025-06-01", "2025-07-01"]
    assert len(source.files()) == 4


def test_one_multiband_file(tmp_path: Path) -> None:
    stack = np.stack([filled(n) for n in (100, 200, 300, 5)])
    path = write(tmp_path / "all.tif", stack, nodata=-1)
    bands = {"blue": 1, "red": 3}
    source = StackSource(
        path, "single_file", bands, date=date(2025, 8, 1), scale=1e-3, offset=0.01, qa=4, qa_kind="scl"
    )
    read = source.read(grid(), only(source), ("red", "blue"))
    # 300 * 0.001 + 0.01 and 100 * 0.001 + 0.01
    assert (read["red"][0, 0], read["blue"][0, 0]) == (np.float32(0.31), np.float32(0.11))
    assert (read[QA] == 5).all()


def test_a_list_of_files_with_dates(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.tif", filled(0.25, dtype="float32"))
    scenes = {date(2025, 5, 2): ["b.tif"], date(2025, 5, 1): ["a.tif"]}
    source = StackSource(tmp_path, "list", {"red": 1}, scenes=scenes)
    assert [scene.id for scene in source.search(grid(), YEAR)] == ["2025-05-01", "2025-05-02"]


def test_a_pattern_may_name_a_band_of_its_files(tmp_path: Path) -> None:
    write(tmp_path / "x_20250101_BOA.tif", np.stack([filled(1), filled(2), filled(3)]), nodata=-1)
    write(tmp_path / "x_20250101_SCL.tif", filled(6, dtype="uint8"), nodata=0)
    source = StackSource(
        tmp_path, "file_per_date", {"red": "*_BOA*:3"}, date_format="%Y%m%d", scale=0.1, qa="*_SCL*", qa_kind="scl"
    )
    read = source.read(grid(), only(source), ("red",))
    assert read["red"][0, 0] == np.float32(0.3)


@pytest.mark.parametrize(
    "template, name, expected",
    [
        ("%Y%m%d", "S2A_20250114_T49RGM.tif", datetime(2025, 1, 14)),
        ("%Y%m%dT%H%M%S", "S2A_MSIL2A_20250114T025641_N0511", datetime(2025, 1, 14, 2, 56, 41)),
        ("???035032%Y%j*", "LE70350321999205EDC00", datetime(1999, 7, 24)),
        ("%Y%m%d", "tile_120250114.tif", None),
        ("%Y%m%d", "20251314", None),
        ("a_%Y.tif", "a_2025xtif", None),
    ],
)
def test_dates_in_names(template: str, name: str, expected: datetime | None) -> None:
    assert DatePattern(template).date_in(name) == expected


# -- mosaics and grids ----------------------------------------------------------------------------------------------


def tiles(folder: Path, left: float, right: float, right_qa: int = 4, left_qa: int = 4) -> StackSource:
    """Two tiles of 8 columns that overlap by 2: columns 0..7 and 6..13."""
    for name, east, number, code in (("t1", EAST, left, left_qa), ("t2", EAST + 60, right, right_qa)):
        write(folder / "20250601" / f"{name}_red.tif", filled(number), east=east, nodata=0)
        write(folder / "20250601" / f"{name}_scl.tif", filled(code, dtype="uint8"), east=east, nodata=0)
    bands = {"red": "*red*"}
    return StackSource(folder, "folder_per_date", bands, date_format="%Y%m%d", scale=1e-4, qa="*scl*", qa_kind="scl")


def test_tiles_of_one_date_are_put_together_the_first_by_name_above(tmp_path: Path) -> None:
    source = tiles(tmp_path, 1000, 2000)
    wide = grid(8, 14)
    read = source.read(wide, only(source, wide), ("red",))
    np.testing.assert_allclose(read["red"][0], [0.1] * 8 + [0.2] * 6, rtol=1e-6)


def test_band_and_quality_of_a_pixel_come_from_one_tile(tmp_path: Path) -> None:
    # the left tile has no data at all by its quality band, though its red band has numbers
    source = tiles(tmp_path, 1000, 2000, left_qa=0, right_qa=5)
    wide = grid(8, 14)
    read = source.read(wide, only(source, wide), ("red",))
    assert np.isnan(read["red"][:, :6]).all()
    np.testing.assert_allclose(read["red"][:, 6:], 0.2, rtol=1e-6)
    assert read[QA][0].tolist() == [0] * 6 + [5] * 8


def test_tiles_without_quality_band_fill_each_others_gaps(tmp_path: Path) -> None:
    left = filled(1000)
    left[:, 6:] = 0
    write(tmp_path / "20250601" / "t1.tif", left, nodata=0)
    write(tmp_path / "20250601" / "t2.tif", filled(2000), east=EAST + 60, nodata=0)
    source = StackSource(tmp_path, "folder_per_date", {"red": 1}, date_format="%Y%m%d", scale=1e-4)
    read = source.read(grid(8, 14), only(source), ("red",))
    np.testing.assert_allclose(read["red"][0], [0.1] * 6 + [0.2] * 8, rtol=1e-6)


def test_reads_do_not_depend_on_the_block(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for name, east in (("t1", EAST), ("t2", EAST + 900)):
        write(
            tmp_path / "20250601" / f"{name}_red.tif",
            rng.integers(1, 5000, (120, 120)).astype(np.int16),
            east=east,
            nodata=0,
        )
        write(
            tmp_path / "20250601" / f"{name}_scl.tif",
            rng.integers(0, 12, (60, 60)).astype(np.uint8),
            20,
            east,
            nodata=0,
        )
    source = StackSource(
        tmp_path, "folder_per_date", {"red": "*red*"}, date_format="%Y%m%d", scale=1e-4, qa="*scl*", qa_kind="scl"
    )
    whole = grid(100, 190, 11, EAST - 35)
    scene = only(source, whole)
    at_once = source.read_with_margin(whole, scene, ("red",), 2)
    for size in (33, 64):
        for row in range(0, 100, size):
            for column in range(0, 190, size):
                rows, cols = slice(row, min(row + size, 100)), slice(column, min(column + size, 190))
                part = source.read_with_margin(whole[rows, cols], scene, ("red",), 2)
                np.testing.assert_array_equal(part["red"], at_once["red"][rows, cols])
                np.testing.assert_array_equal(part[QA], at_once[QA][row : rows.stop + 4, column : cols.stop + 4])


def test_threads_read_the_same_as_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    path = write(tmp_path / "a.tif", rng.random((64, 64)).astype(np.float32))
    source = StackSource(path, "single_file", {"red": 1}, date=date(2025, 1, 1))
    where = grid(64, 64)
    scene = only(source, where)
    alone = source.read(where, scene, ("red",))["red"]
    with ThreadPoolExecutor(4) as pool:
        for read in pool.map(lambda _: source.read(where, scene, ("red",))["red"], range(24)):
            np.testing.assert_array_equal(read, alone)


def test_a_source_survives_pickling(tmp_path: Path) -> None:
    source = by_folder(tmp_path)
    again = pickle.loads(pickle.dumps(source))
    assert again.describe() == source.describe()
    scene = again.search(grid(), YEAR)[0]
    np.testing.assert_array_equal(again.read(grid(), scene, ("red",))["red"], np.float32(0.1))


def test_what_it_tells_of_itself_names_no_folder(tmp_path: Path) -> None:
    import json

    told = json.dumps(by_folder(tmp_path).describe())
    assert str(tmp_path) not in told
    assert '"scale": 0.0001' in told


# -- nodata, quality, elevation -------------------------------------------------------------------------------------


def test_a_declared_nodata_replaces_the_files_own(tmp_path: Path) -> None:
    values = filled(100)
    values[0, 0], values[0, 1] = 0, -1
    path = write(tmp_path / "a.tif", values, nodata=0)
    source = StackSource(path, "single_file", {"red": 1}, date=date(2025, 1, 1), scale=1e-3, nodata=-1)
    read = source.read(grid(), only(source), ("red",))["red"]
    assert read[0, 0] == 0
    assert np.isnan(read[0, 1])


def test_the_quality_band_is_never_blended(tmp_path: Path) -> None:
    write(tmp_path / "20250601" / "red.tif", filled(1000), nodata=0)
    scl = np.array([[3, 9], [4, 6]], np.uint8)
    write(tmp_path / "20250601" / "scl.tif", np.kron(scl, np.ones((2, 2), np.uint8)), step=20, nodata=0)
    bands = {"red": "red*"}
    source = StackSource(tmp_path, "folder_per_date", bands, date_format="%Y%m%d", scale=1e-4, qa="scl*", qa_kind="scl")
    found = source.read(grid(24, 24, 10 / 3), only(source), ("red",))[QA]
    assert set(np.unique(found)) == {3, 4, 6, 9}


def test_a_clear_mask_keeps_its_zeros_though_the_file_calls_them_nodata(tmp_path: Path) -> None:
    mask = filled(1, dtype="uint8")
    mask[0, 0] = 0
    path = write(tmp_path / "a.tif", np.stack([filled(200, dtype="uint8"), mask]), nodata=0)
    source = StackSource(path, "single_file", {"red": 1}, date=date(2025, 1, 1), scale=1e-3, qa=2, qa_kind="clear")
    assert source.read(grid(), only(source), ("red",))[QA][0, :2].tolist() == [0, 1]


def test_elevation_comes_from_its_own_file_and_grid(tmp_path: Path) -> None:
    row = np.arange(10, dtype=np.float32)[:, None] * np.ones((1, 10), np.float32)
    dem = write(tmp_path / "dem.tif", row * 30, step=30)
    path = write(tmp_path / "a.tif", filled(0.1, dtype="float32"))
    source = StackSource(path, "single_file", {"red": 1}, date=date(2025, 1, 1), elevation=dem)
    # one metre a metre southward: the centre of row 12 at 10 m is 125 m south, 110 m behind the first centre's 15 m
    assert source.elevation(grid(30, 30))[12, 12] == pytest.approx(110, abs=1e-3)
    assert dem in source.files()


def test_without_elevation_there_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", filled(0.1, dtype="float32"))
    assert StackSource(path, "single_file", {"red": 1}, date=date(2025, 1, 1)).elevation(grid()) is None


# -- static layers --------------------------------------------------------------------------------------------------


def test_static_layers_keep_their_units_and_numbers(tmp_path: Path) -> None:
    a = write(tmp_path / "rain.tif", filled(1234), nodata=-32768)
    b = write(tmp_path / "height.tif", filled(5), nodata=-32768)
    with rasterio.open(b, "r+") as file:
        file.scales, file.offsets, file.units = (0.5,), (1.0,), ("m",)
    source = StaticSource({"rain": a, "height": b}, units={"rain": "mm"})
    assert source.layers == {"rain": "mm", "height": "m"}
    read = source.static(grid(), ["height", "rain"])
    assert list(read) == ["height", "rain"]
    # 5 * 0.5 + 1
    assert (read["height"][0, 0], read["rain"][0, 0]) == (3.5, 1234)
    assert read["rain"].dtype == np.float32


def test_static_layers_have_no_scenes(tmp_path: Path) -> None:
    source = StaticSource({"rain": write(tmp_path / "rain.tif", filled(1), nodata=-1)})
    assert source.search(grid(), YEAR) == ()
    with pytest.raises(InputError, match="no band red"):
        source.read(grid(), Scene("x", datetime(2025, 1, 1), "optical"), ("red",))


def test_unknown_static_layers_are_refused(tmp_path: Path) -> None:
    source = StaticSource({"rain": write(tmp_path / "rain.tif", filled(1), nodata=-1)})
    with pytest.raises(InputError, match="no layer snow; it has: rain"):
        source.static(grid(), ["snow"])
    with pytest.raises(InputError, match=r"imagery\.static\.layers is empty"):
        StaticSource({})


def test_a_static_layer_beside_the_grid_is_refused(tmp_path: Path) -> None:
    source = StaticSource({"rain": write(tmp_path / "rain.tif", filled(1), nodata=-1)})
    with pytest.raises(SourceError, match=r"rain\.tif: the layer .* lies outside"):
        source.check_overlap(grid(east=EAST + 5000))


# -- what is refused ------------------------------------------------------------------------------------------------


def single(path: Path, **more: object) -> StackSource:
    return StackSource(path, "single_file", **{"bands": {"red": 1}, "date": date(2025, 1, 1), **more})


def test_whole_numbers_without_nodata_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", filled(100))
    with pytest.raises(InputError, match=r"a\.tif: whole numbers \(int16\) without a declared nodata"):
        single(path)


def test_a_band_number_beyond_the_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", filled(0.1, dtype="float32"))
    with pytest.raises(SourceError, match=r"band nir should be number 4, but the file has 1"):
        single(path, bands={"nir": 4})


def test_a_missing_band_file_is_named(tmp_path: Path) -> None:
    by_folder(tmp_path)
    (tmp_path / "20250311" / "T49RGM_20250311_B08_10m.tif").unlink()
    with pytest.raises(SourceError, match=r"scene 20250311: no file for the band nir \(wanted: \*B08\*\)"):
        by_folder_again(tmp_path)


def by_folder_again(folder: Path) -> StackSource:
    return StackSource(
        folder,
        "folder_per_date",
        {"red": "*B04*", "nir": "*B08*"},
        date_format="%Y%m%d",
        scale=1e-4,
        qa="*SCL*",
        qa_kind="scl",
    )


def test_a_band_of_another_extent_is_refused_with_both_extents(tmp_path: Path) -> None:
    by_folder(tmp_path)
    write(tmp_path / "20250311" / "T49RGM_20250311_B08_10m.tif", filled(3000, 8, 7), nodata=0)
    with pytest.raises(SourceError, match=r"8x8 px.*7x8 px") as caught:
        by_folder_again(tmp_path)
    assert caught.value.kind == "mismatch"


def test_a_band_of_another_crs_is_refused(tmp_path: Path) -> None:
    by_folder(tmp_path)
    write(
        tmp_path / "20250311" / "T49RGM_20250311_SCL_20m.tif", filled(4, 4, 4, "uint8"), 20, crs="EPSG:32650", nodata=0
    )
    with pytest.raises(SourceError, match=r"EPSG:32649.*EPSG:32650"):
        by_folder_again(tmp_path)


def test_two_files_for_one_band_are_refused(tmp_path: Path) -> None:
    by_folder(tmp_path)
    write(tmp_path / "20250311" / "T49RGM_20250311_B04_copy.tif", filled(1), nodata=0)
    with pytest.raises(SourceError, match=r"two files for the band red .*B04_10m\.tif and .*B04_copy\.tif"):
        by_folder_again(tmp_path)


def test_a_truncated_file_is_refused_before_any_read(tmp_path: Path) -> None:
    by_folder(tmp_path)
    path = tmp_path / "20250311" / "T49RGM_20250311_B08_10m.tif"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SourceError, match=r"B08_10m\.tif: the raster cannot be read"):
        by_folder_again(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no raster file in it"):
        by_folder_again(tmp_path)
    (tmp_path / "20250101").mkdir()
    with pytest.raises(SourceError, match="20250101: no raster file in it"):
        by_folder_again(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such folder"):
        by_folder_again(tmp_path / "nowhere")


def test_names_without_a_date_are_shown(tmp_path: Path) -> None:
    write(tmp_path / "january" / "B04.tif", filled(1), nodata=0)
    with pytest.raises(SourceError, match="no name fits the date_format '%Y%m%d'; found: january"):
        by_folder_again(tmp_path)


@pytest.mark.parametrize("template", ["%m%d", "date", "%Y%m%Q", "%Y_%Y%m%d", "%y%Y"])
def test_a_date_format_that_cannot_tell_a_date_is_refused(tmp_path: Path, template: str) -> None:
    by_folder(tmp_path)
    with pytest.raises(SourceError, match="expected one year"):
        StackSource(tmp_path, "folder_per_date", {"red": "*B04*"}, date_format=template)


def test_imagery_beside_the_grid_is_refused_with_both_places(tmp_path: Path) -> None:
    source = by_folder(tmp_path)
    with pytest.raises(SourceError, match=r"lies outside the area of interest \(113\.") as caught:
        source.search(grid(east=EAST + 90_000), YEAR)
    assert caught.value.kind == "mismatch"


def test_a_forgotten_scale_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", filled(1200), nodata=0)
    source = single(path)
    with pytest.raises(SourceError, match=r"median 1200\) with scale 1 and offset 0"):
        source.read(grid(), only(source), ("red",))


def test_an_offset_taken_off_twice_is_noticed(tmp_path: Path) -> None:
    # red reflectance of forest, 0.03, whose offset of -0.1 the archive had removed already
    path = write(tmp_path / "a.tif", filled(300), nodata=0)
    source = single(path, scale=1e-4, offset=-0.1)
    with pytest.raises(SourceError, match=r"median -0\.07\) with scale 0\.0001 and offset -0\.1"):
        source.read(grid(), only(source), ("red",))


def test_landsat_numbers_are_scaled_by_the_standard_unless_declared(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", filled(20_000, dtype="uint16"))
    standard = single(path, sensor="landsat-9")
    # 20000 * 0.0000275 - 0.2
    assert standard.read(grid(), only(standard), ("red",))["red"][0, 0] == pytest.approx(0.35, abs=1e-6)
    assert only(standard).offset_policy == "scale 2.75e-05, offset -0.2, standard of landsat-9"
    declared = single(path, sensor="landsat-9", scale=1e-5, nodata=0)
    assert declared.read(grid(), only(declared), ("red",))["red"][0, 0] == pytest.approx(0.2, abs=1e-6)
    assert only(declared).offset_policy == "scale 1e-05, offset 0, as declared"


def test_a_few_odd_pixels_are_left_alone(tmp_path: Path) -> None:
    values = filled(300)
    values[:3] = 30_000
    source = single(write(tmp_path / "a.tif", values, nodata=0), scale=1e-4)
    assert source.read(grid(), only(source), ("red",))["red"][0, 0] == 3


def test_radar_in_decibel_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", filled(-12.5, dtype="float32"))
    source = single(path, bands={"vv": 1}, sensor="sentinel-1")
    with pytest.raises(SourceError, match="linear, not dB"):
        source.read(grid(), only(source), ("vv",))


@pytest.mark.parametrize("number", [300.0, 4.5, -1.0])
def test_codes_that_the_quality_kind_cannot_have_are_refused(tmp_path: Path, number: float) -> None:
    path = write(tmp_path / "a.tif", np.stack([filled(0.2, dtype="float32"), filled(number, dtype="float32")]))
    source = single(path, qa=2, qa_kind="scl")
    with pytest.raises(SourceError, match=f"the value {number:g} cannot be a quality code"):
        source.read(grid(), only(source), ("red",))


@pytest.mark.parametrize(
    "more, words",
    [
        ({"bands": {"B04": 1}}, "names B04"),
        ({"bands": {}}, "names -"),
        ({"qa": 1}, "belong together"),
        ({"qa": 1, "qa_kind": "cloudy"}, "'cloudy'"),
        ({"sensor": "sentinel-1"}, "begins with sentinel-1"),
        ({"bands": {"red": 1, "vv": 1}, "sensor": "sentinel-1"}, "begins with sentinel-1"),
        ({"date": None}, "needs the key date"),
        ({"layout": "folder_per_date"}, "needs the key date_format"),
        ({"layout": "list"}, "needs the key scenes"),
        ({"layout": "heap"}, "layout 'heap'"),
    ],
)
def test_incomplete_declarations_are_refused(tmp_path: Path, more: dict[str, object], words: str) -> None:
    path = write(tmp_path / "a.tif", filled(0.1, dtype="float32"))
    options = {"layout": "single_file", "bands": {"red": 1}, "date": date(2025, 1, 1), **more}
    with pytest.raises(InputError, match=words):
        StackSource(path, **options)


def test_bands_the_stack_lacks_are_refused(tmp_path: Path) -> None:
    source = by_folder(tmp_path)
    with pytest.raises(InputError, match="no band swir1; it has: red, nir"):
        source.read(grid(), source.search(grid(), YEAR)[0], ("swir1",))
