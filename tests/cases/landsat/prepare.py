"""Unpack the Landsat series beside a copy of the configuration: ``python prepare.py FOLDER``."""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def prepare(folder: Path, data: Path) -> Path:
    """Unpack the images and write ``config.toml`` into a folder; return the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(data / "imagery" / "yatsm_landsat_ts" / "p035r032_testdata.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    config = folder / "config.toml"
    config.write_bytes((HERE / "config.toml").read_bytes())
    return config


if __name__ == "__main__":
    default = HERE.parents[3] / "shared" / "data"
    print(prepare(Path(sys.argv[1]), Path(os.environ.get("SINKEST_TEST_DATA", default))))
