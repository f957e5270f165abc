"""The comparison of sources fails when cubes or totals differ: small files stand for two runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.cross_source import compared


def run(project: Path, name: str, cube: int, total: float) -> None:
    folder = project / "runs" / f"{name}-2025"
    (folder / "compose").mkdir(parents=True)
    (folder / "estimate").mkdir()
    profile = {"driver": "GTiff", "width": 2, "height": 2, "count": 1, "dtype": "int16"}
    transform = rasterio.transform.from_origin(0.0, 2.0, 1.0, 1.0)
    with rasterio.open(folder / "compose" / "composite.tif", "w", **profile, transform=transform) as raster:
        raster.write(np.full((1, 2, 2), cube, dtype="int16"))
    text = f"quantity,zone,year,value,se\nforest_area,all,2025,{total},1.0\nforest_area,z1,2025,{cube},1.0\n"
    (folder / "estimate" / "estimates.csv").write_text(text, encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("cube", "total", "good"), [(100, 5.0, True), (101, 5.0, True), (102, 5.0, False), (100, 5.1, False)]
)
def test_only_the_same_totals_and_near_cubes_pass(tmp_path: Path, cube: int, total: float, good: bool) -> None:
    run(tmp_path, "a", 100, 5.0)
    run(tmp_path, "b", cube, total)
    lines, found = compared(tmp_path)
    assert found is good
    assert lines == [f"a and b: cubes at most {cube - 100} units apart, 1 totals equal: {total == 5.0}"]


def test_one_source_alone_proves_nothing(tmp_path: Path) -> None:
    run(tmp_path, "a", 100, 5.0)
    assert compared(tmp_path) == ([], False)
