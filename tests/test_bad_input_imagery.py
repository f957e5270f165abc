"""Imagery that cannot serve is refused by file, band and key; what only looks odd is read right."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.warp import Resampling, calculate_default_transform, reproject

from sinkest.runstore import file_sha256
from tests.bad_input import Spoil, refused, rewrite, scenes
from tests.project_fixture import CONFIG, call, edit, outputs, run_folder

Case = tuple[Spoil, tuple[str, ...], tuple[str, ...]]


def setting(old: str, new: str) -> Spoil:
    return lambda folder: edit(folder / CONFIG, old, new)


def first(**profile: object) -> Spoil:
    """Another profile for the first scene."""
    return lambda folder: rewrite(scenes(folder)[0], **profile)  # type: ignore[arg-type]


def every(**profile: object) -> Spoil:
    def spoil(folder: Path) -> None:
        for file in scenes(folder):
            rewrite(file, **profile)  # type: ignore[arg-type]

    return spoil


def cut(share: float) -> Spoil:
    def spoil(folder: Path) -> None:
        content = scenes(folder)[0].read_bytes()
        scenes(folder)[0].write_bytes(content[: int(share * len(content))])

    return spoil


def clouded(folder: Path) -> None:
    """All of winter under clouds."""
    for file in scenes(folder)[:3]:
        rewrite(file, lambda values: np.concatenate([values[:3], np.full_like(values[3:], 9)]))


def half_blank(folder: Path) -> None:
    """No data in the west, where most plots lie."""

    def how(values: np.ndarray) -> np.ndarray:
        values[:, :, : values.shape[2] // 2 + 60] = 0
        return values

    for file in scenes(folder):
        rewrite(file, how)


def emptied(folder: Path) -> None:
    for file in scenes(folder):
        file.unlink()


SCENE = "scene_20241205.tif"
DAMAGED = (SCENE, "it is damaged or was cut short", "Copy or download it again")
CASES: dict[str, Case] = {
    "cut in half": (cut(0.5), DAMAGED, (SCENE, "文件已损坏或不完整")),
    "all but the last bytes": (cut(0.999), DAMAGED, ()),
    "the first bytes only": (cut(0.0002), DAMAGED, ()),
    "nothing in it": (cut(0.0), DAMAGED, ()),
    "no coordinate reference system": (
        first(crs=None),
        (SCENE, "no coordinate reference system", "gdal_edit.py -a_srs"),
        (SCENE, "没有坐标参考系"),
    ),
    "another coordinate reference system": (
        every(crs="EPSG:32650"),
        ("lies outside the area of interest", "119.0276..119.3646 E", "check the files' coordinate reference system"),
        ("位于研究区", "请检查影像的坐标参考系或研究区"),
    ),
    "complex numbers": (
        lambda folder: rewrite(scenes(folder)[0], lambda values: values.astype("complex64")),
        (SCENE, "numbers of type complex64; expected whole or decimal numbers"),
        (),
    ),
    "bytes among longer numbers": (
        lambda folder: rewrite(scenes(folder)[0], lambda values: np.minimum(values, 255).astype("uint8")),
        (SCENE, "the band red holds numbers of type uint8, but in scene_20250119.tif of type uint16", "one scale"),
        (SCENE, "波段 red 的数据类型为 uint8"),
    ),
    "decimals among whole numbers": (
        lambda folder: rewrite(scenes(folder)[0], lambda values: values.astype("float32")),
        (SCENE, "the band red holds numbers of type float32, but in scene_20250119.tif of type uint16"),
        (),
    ),
    "no nodata": (
        setting("nodata = 0\n", ""),
        (SCENE, "whole numbers (uint16) without a declared nodata value; set imagery.stack.nodata"),
        (),
    ),
    "too few bands": (
        lambda folder: rewrite(scenes(folder)[0], lambda values: values[:2]),
        (SCENE, "the band swir1 should be number 3, but the file has 2 band(s); correct imagery.stack.bands"),
        (SCENE, "波段 swir1 应为第 3 个，但该文件只有 2 个波段"),
    ),
    "an unknown band": (
        setting("swir1 = 3", "swirl = 3"),
        ("imagery.stack.bands names swirl; expected common band names out of: blue, green, red",),
        (),
    ),
    "a band that the imagery lacks": (
        setting('bands = ["red", "nir", "swir1"]', 'bands = ["red", "nir", "swir2"]'),
        ("features.bands: source stack has no band swir2; it has: red, nir, swir1",),
        (),
    ),
    "radar that the imagery lacks": (
        setting('indices = ["NDVI"]', 'indices = ["NDVI"]\nradar_bands = ["vv"]'),
        ("features.radar_bands: source stack has no band vv",),
        (),
    ),
    "an unknown index": (
        setting('indices = ["NDVI"]', 'indices = ["NDVJ"]'),
        ("features: spyndex knows no index 'NDVJ'; nearest name: NDVI",),
        (),
    ),
    "an index without its bands": (
        setting('indices = ["NDVI"]', 'indices = ["EVI"]'),
        ("features: the index EVI needs the band(s) blue, but features.bands has red, nir, swir1",),
        (),
    ),
    "no features at all": (
        setting('bands = ["red", "nir", "swir1"]\nindices = ["NDVI"]', "terrain = false"),
        ("config.toml: [features] names no bands, radar_bands or terrain",),
        (),
    ),
    "an empty folder": (emptied, ("stack: no raster file in it; put the images of the date there",), ("没有栅格文件",)),
    "no folder": (
        lambda folder: shutil.rmtree(folder / "stack"),
        ("stack: there is no such folder; check imagery.stack.path",),
        (),
    ),
    "no dates of a season": (
        lambda folder: [file.unlink() for file in scenes(folder)[:3]],
        ("imagery.seasons, winter: no optical scene in 2024-12-01/2025-02-28", "add dates, widen the season"),
        ("时段 winter：2024-12-01/2025-02-28 内没有光学影像",),
    ),
    "no dates in the names": (
        setting("scene_%Y%m%d", "S2_%Y%m%d"),
        ("no name fits the date_format 'S2_%Y%m%d'; found: scene_20241205.tif", "Adapt date_format"),
        (),
    ),
    "no elevation": (
        setting('elevation = "elevation.tif"\n', ""),
        ("features.terrain is true, but the source stack has no elevation; give imagery.stack.elevation",),
        (),
    ),
    "elevation elsewhere": (
        lambda folder: rewrite(folder / "elevation.tif", crs="EPSG:32650"),
        ("elevation.tif: the layer (119.", "lies outside the area of interest (113."),
        ("elevation.tif：图层（119.",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_imagery_is_refused_before_any_work(
    name: str,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil, english, chinese = CASES[name]
    spoil(copy)
    refused(copy, capsys, english, chinese)


PIXELS: dict[str, Case] = {
    "a season under clouds": (
        clouded,
        ("season winter: not one pixel of the area was seen without cloud", "widen the season"),
        ("时段 winter：整个区域没有任何晴空像元",),
    ),
    "codes that are none": (
        lambda folder: rewrite(scenes(folder)[3], lambda values: np.concatenate([values[:3], values[3:] + 900])),
        ("scene_20250623.tif, band 4: the value 90", "cannot be a quality code of kind 'scl'; check imagery.stack.qa"),
        ("不是“scl”类型的质量代码",),
    ),
    "a wrong scale": (
        setting("scale = 0.0001", "scale = 1.0"),
        ("most pixels of the band red lie outside -0.05 to 2", "correct imagery.stack.scale and offset"),
        ("请更正 imagery.stack.scale 与 offset",),
    ),
    "nothing seen where the plots lie": (
        half_blank,
        ("labels.geojson", "records have no imagery, which is too many for clouds"),
        ("labels.geojson：抽查的", "plots.csv：抽查的", "条记录", "没有影像数据，超出云遮挡可以解释的程度"),
    ),
}


@pytest.mark.parametrize("name", PIXELS)
def test_what_only_pixels_tell_is_found_by_check_and_stops_a_run(
    name: str,
    copy: Path,
    finished: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run finds it in its first stages. Training needs the composite, so that alone is new then."""
    spoil, english, chinese = PIXELS[name]
    spoil(copy)
    run = run_folder(copy)
    kept = {one: digest for one, digest in outputs(run).items() if not one.startswith(("compose/", "stages/compose"))}
    assert call("--lang", "zh", "check", copy / CONFIG) == 2
    told = capsys.readouterr().out
    assert all(one in told for one in chinese), told
    assert outputs(run) == outputs(run_folder(finished))
    assert call("--lang", "en", "run", copy / CONFIG) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert all(one in said for one in english), said
    assert "Traceback" not in said
    after = outputs(run)
    assert {one: digest for one, digest in after.items() if one in kept} == kept
    assert {one for one in after if one not in kept} == {"compose/composite.tif", "compose/scenes.json"} | {
        "stages/compose.json"
    }


def test_a_damaged_tile_in_the_middle_stops_the_run_by_its_file(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = bytearray(scenes(copy)[4].read_bytes())
    third = len(content) // 3
    content[third : third + 20_000] = b"\xff" * 20_000
    scenes(copy)[4].write_bytes(bytes(content))
    before = outputs(run_folder(copy))
    assert call("run", copy / CONFIG) == 2
    assert "scene_20250723.tif: the raster cannot be read" in capsys.readouterr().err
    assert outputs(run_folder(copy)) == before


READY = """version = 1
name = "districts"
year = 2025

[aoi]
path = "zones.geojson"
resolution_m = 120

[imagery]
source = "static"

[imagery.static.layers]
elevation = "elevation.tif"

[stock]
plots = "plots.csv"
model = "models/stock"
design = "systematic"
folds = 2
"""
"""Ready rasters as predictors; the name is that of the finished run, whose outputs must survive."""


@pytest.mark.parametrize(
    ("spoil", "english"),
    [
        (
            lambda folder: rewrite(folder / "elevation.tif", crs="EPSG:32650"),
            ("elevation.tif: the layer (119.", "lies outside the area of interest (113."),
        ),
        (lambda folder: (folder / "elevation.tif").unlink(), ("elevation.tif: there is no such file",)),
        (
            lambda folder: rewrite(folder / "elevation.tif", lambda values: np.full_like(values, -9999.0)),
            ("plots.csv", "60 of 60 records looked at (of 258) have no imagery"),
        ),
    ],
)
def test_ready_rasters_that_miss_the_area_or_the_plots_are_refused(
    spoil: Spoil,
    english: tuple[str, ...],
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (copy / CONFIG).write_text(READY, encoding="utf-8")
    assert call("check", copy / CONFIG) == 0
    spoil(copy)
    before = outputs(run_folder(copy))
    capsys.readouterr()
    assert call("--lang", "en", "check", copy / CONFIG) == 2
    told = capsys.readouterr().out
    assert all(one in told for one in english), told
    assert outputs(run_folder(copy)) == before


# -- what is odd but usable -----------------------------------------------------------------------------------------


def test_a_scene_that_lies_elsewhere_is_named_and_not_used(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first(crs="EPSG:32650")(copy)
    assert call("--lang", "en", "check", copy / CONFIG) == 0
    told = capsys.readouterr().out
    assert "1 file(s) lie outside the area and are not used" in told
    assert SCENE in told
    assert "imagery, winter: 2 optical dates" in told


def in_degrees(file: Path) -> None:
    """Bring a scene to another coordinate reference system, size and resolution, by nearest neighbour."""
    with rasterio.open(file) as source:
        profile, values = dict(source.profile), source.read()
        transform, width, height = calculate_default_transform(
            source.crs, "EPSG:4326", source.width, source.height, *source.bounds, resolution=0.0004
        )
        warped = np.zeros((len(values), height, width), dtype=values.dtype)
        reproject(
            values,
            warped,
            src_transform=source.transform,
            src_crs=source.crs,
            dst_transform=transform,
            dst_crs="EPSG:4326",
            resampling=Resampling.nearest,
        )
    file.unlink()
    kept = {**profile, "crs": "EPSG:4326", "transform": transform, "width": width, "height": height}
    with rasterio.open(file, "w", **kept) as target:
        target.write(warped)


def test_scenes_of_other_systems_and_sizes_come_to_the_same_composite(copy: Path, finished: Path) -> None:
    for file in scenes(copy):
        in_degrees(file)
    assert call("compose", copy / CONFIG) == 0
    composites = [run_folder(one) / "compose" / "composite.tif" for one in (finished, copy)]
    assert file_sha256(composites[0]) != file_sha256(composites[1])
    values = []
    for path in composites:
        with rasterio.open(path) as source:
            values.append(source.read(2, masked=True).astype(float) * source.scales[1])  # summer, near infrared
    difference = np.ma.abs(values[0] - values[1])
    # Measured: 0.006 and 0.98. The same composite shifted by one pixel gives 0.019 and 0.77.
    assert float(np.ma.median(difference)) < 0.012
    assert float(np.ma.corrcoef(values[0].ravel(), values[1].ravel())[0, 1]) > 0.95
