"""Readers on real images: Sentinel-2 with scene classification, a multiband file in degrees, ready predictors."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from sinkest.features.mask import clear
from sinkest.imagery.local import StackSource, StaticSource, grid_of
from sinkest.imagery.source import QA, Period

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


@pytest.fixture(scope="module")
def alps(real_data: Path) -> StackSource:
    """Two dates of Sentinel-2 at 10 m with SCL at 20 m, by sen2r."""
    boa = "S2A2A_*_BOA_10.tif"
    return StackSource(
        real_data / "imagery" / "sen2r_S2",
        "file_per_date",
        {"green": f"{boa}:3", "red": f"{boa}:4", "nir": f"{boa}:8"},
        date_format="S2A2A_%Y%m%d_*",
        sensor="sentinel-2",
        scale=1e-4,
        qa="S2A2A_*_SCL_10.tif",
        qa_kind="scl",
    )


def test_both_dates_are_found(alps: StackSource) -> None:
    scenes = alps.search(grid_of(alps.files()[0]), Period(date(2017, 1, 1), date(2019, 12, 31)))
    assert [scene.id for scene in scenes] == ["2017-07-03", "2019-07-23"]


def test_scene_classification_lies_on_the_reflectance(alps: StackSource, real_data: Path) -> None:
    grid = grid_of(alps.files()[0])
    scene = alps.search(grid, Period(date(2019, 7, 23), date(2019, 7, 23)))[0]
    read = alps.read(grid, scene, ("green", "red", "nir"))
    with rasterio.open(real_data / "imagery" / "sen2r_S2" / "S2A2A_20190723_022_Barbellino_SCL_10.tif") as file:
        np.testing.assert_array_equal(read[QA], np.kron(file.read(1), np.ones((2, 2), np.uint8)))
    ndvi = (read["nir"] - read["red"]) / (read["nir"] + read["red"])
    median = {code: float(np.nanmedian(ndvi[read[QA] == code])) for code in (4, 5, 6)}
    # vegetation is green, bare ground is not, the lake is dark in the near infrared
    assert median[4] > 0.6
    assert 0.1 < median[5] < 0.4
    assert median[6] < -0.5


def test_the_index_agrees_with_the_one_that_came_with_the_image(alps: StackSource, real_data: Path) -> None:
    grid = grid_of(alps.files()[0])
    scene = alps.search(grid, Period(date(2019, 7, 23), date(2019, 7, 23)))[0]
    read = alps.read(grid, scene, ("red", "nir"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ndvi = (read["nir"] - read["red"]) / (read["nir"] + read["red"])
    with rasterio.open(real_data / "imagery" / "sen2r_S2" / "S2A2A_20190723_022_Barbellino_NDVI_10.tif") as file:
        theirs = file.read(1, masked=True) / 10_000
    both = np.isfinite(ndvi) & ~np.ma.getmaskarray(theirs) & (read["red"] > 0) & (read["nir"] > 0)
    assert both.sum() > 700
    np.testing.assert_allclose(ndvi[both], theirs.data[both], atol=1e-4)


def test_clear_pixels_of_real_scenes(alps: StackSource) -> None:
    grid = grid_of(alps.files()[0])
    share = {}
    for scene in alps.search(grid, Period(date(2017, 1, 1), date(2019, 12, 31))):
        share[scene.id] = clear(alps.read(grid, scene, ())[QA], "scl").mean()
    # 2017: 30 of 252 pixels at 20 m are cloud of medium, 3 of high probability; 2019: none
    assert share["2017-07-03"] == pytest.approx(219 / 252)
    assert share["2019-07-23"] == 1


def amazon(real_data: Path) -> StackSource:
    folder = real_data / "imagery" / "RStoolbox_S2_L5"
    bands = {"blue": 2, "green": 3, "red": 4, "nir": 8, "swir1": 11, "swir2": 12}
    return StackSource(
        folder / "sen2.tif", "single_file", bands, date=date(2017, 8, 1), elevation=folder / "srtm_sen2.tif"
    )


def test_a_file_in_degrees_passes_through_on_its_own_grid(real_data: Path) -> None:
    source = amazon(real_data)
    path = real_data / "imagery" / "RStoolbox_S2_L5" / "sen2.tif"
    grid = grid_of(path)
    scene = source.search(grid, Period(date(2017, 8, 1), date(2017, 8, 1)))[0]
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(source.read(grid, scene, ("nir",))["nir"], file.read(8))
        left = grid[40:90, 30:100]
        np.testing.assert_array_equal(source.read(left, scene, ("nir",))["nir"], file.read(8)[40:90, 30:100])


def test_a_file_in_degrees_warped_to_metres_keeps_its_mean(real_data: Path) -> None:
    source = amazon(real_data)
    # UTM zone 21 south; the window lies wholly inside the image
    grid = GeoBox((150, 150), Affine(10, 0, 570_200, 0, -10, 9_838_300), "EPSG:32721")
    scene = source.search(grid, Period(date(2017, 8, 1), date(2017, 8, 1)))[0]
    warped = source.read(grid, scene, ("nir", "red"))
    assert np.isfinite(warped["nir"]).all()
    own = source.read(grid_of(source.files()[0]), scene, ("nir", "red"))
    for band in ("nir", "red"):
        assert own[band].min() <= warped[band].min()
        assert warped[band].max() <= own[band].max()
    elevation = source.elevation(grid)
    assert elevation is not None
    assert 0 < np.nanmin(elevation) < np.nanmax(elevation) < 100


def test_ready_predictors_come_through_unchanged(real_data: Path) -> None:
    folder = real_data / "imagery" / "swo_ecoplot_128"
    layers = {path.stem: path for path in sorted(folder.glob("*.tif"))}
    source = StaticSource(layers)
    assert len(source.layers) == 18
    grid = grid_of(layers["NBR"])
    read = source.static(grid, list(layers))
    for name, path in layers.items():
        with rasterio.open(path) as file:
            stored = file.read(1, masked=True)
        np.testing.assert_array_equal(read[name], np.where(np.ma.getmaskarray(stored), np.nan, stored.data))
