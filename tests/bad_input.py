"""What the tests of bad input share: ways to spoil a finished project, and what must hold when it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio

from tests.project_fixture import CONFIG, call, outputs, run_folder, sealed_stages

Spoil = Callable[[Path], object]


def refused(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    english: tuple[str, ...],
    chinese: tuple[str, ...],
    *,
    config: str = CONFIG,
    late: bool = False,
) -> None:
    """``check`` tells it in Chinese, ``run`` in English, both end with 2, and the run folder stays as it was.

    Without Chinese only ``run`` is tried: both look at the same things. ``late``: a run finds it only when it composes,
    so that a working folder is left, which counts for nothing.
    """
    run = run_folder(project)
    whole, stages, hidden = outputs(run), sealed_stages(run), everything(run)
    if chinese:
        assert call("--lang", "zh", "check", project / config) == 2
        captured = capsys.readouterr()
        _tells(captured.out + captured.err, chinese)
        assert everything(run) == hidden, "a check changed the run folder"
    assert call("--lang", "en", "run", project / config) == 2
    said = capsys.readouterr().err
    _tells(said[said.index("Error:") :], english)
    assert outputs(run) == whole
    assert sealed_stages(run) == stages
    if not late:
        assert everything(run) == hidden


def _tells(said: str, expected: tuple[str, ...]) -> None:
    assert "Traceback" not in said
    for one in expected:
        assert one in said, f"{one!r} is not told in:\n{said}"


def everything(run: Path) -> dict[str, bytes]:
    """Every file of a run with its content, hidden ones too."""
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}


# -- tables ---------------------------------------------------------------------------------------------------------


def change(name: str, how: Callable[[pd.DataFrame], pd.DataFrame]) -> Spoil:
    """Change a CSV table as text."""

    def spoil(project: Path) -> None:
        file = project / f"{name}.csv"
        frame = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        how(frame).to_csv(file, index=False, encoding="utf-8-sig")

    return spoil


def cell(name: str, row: int, column: str, value: str) -> Spoil:
    """Change one cell; ``row`` counts as a spreadsheet does, the header being row 1."""

    def how(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[row - 2, column] = value
        return frame

    return change(name, how)


def without(name: str, *columns: str) -> Spoil:
    """Leave columns out."""
    return change(name, lambda frame: frame.drop(columns=list(columns)))


def features(file: Path, how: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Change the features of a GeoJSON file."""
    content = json.loads(file.read_text(encoding="utf-8"))
    content["features"] = how(content["features"])
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


# -- rasters --------------------------------------------------------------------------------------------------------


def scenes(project: Path) -> list[Path]:
    """Scene files by date: three of winter, then three of summer."""
    return sorted((project / "stack").glob("*.tif"))


def rewrite(file: Path, how: Callable[[np.ndarray], np.ndarray] = lambda values: values, **profile: Any) -> None:
    """Write a raster anew with other values or another profile; a value of None leaves an entry out."""
    with rasterio.open(file) as source:
        kept, values = dict(source.profile), how(source.read())
    kept |= {"count": values.shape[0], "height": values.shape[1], "width": values.shape[2], "dtype": values.dtype.name}
    wanted = {name: value for name, value in {**kept, **profile}.items() if value is not None}
    for name in ("blockxsize", "blockysize", "tiled", "interleave"):
        wanted.pop(name, None)
    file.unlink()
    with rasterio.open(file, "w", **wanted) as target:
        target.write(values)
