"""What of the machine and its accounts is ready. Nothing is contacted and nothing is changed."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil

from sinkest.messages import Message

GIB = 1024**3
LIBRARIES = (
    "numpy",
    "xarray",
    "rioxarray",
    "rasterio",
    "scikit-learn",
    "numba",
    "geopandas",
    "odc-geo",
    "earthengine-api",
)
DRIVERS = ("GTiff", "COG", "JP2OpenJPEG", "GPKG", "GeoJSON")

State = Literal["ready", "limited", "missing"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its name, its state, and what was found or what to do."""

    name: Message
    state: State
    detail: Message


def examine(folder: Path | None = None) -> list[Finding]:
    """Look at Python, libraries, processors, memory, disk, drivers and Earth Engine credentials.

    Parameters
    ----------
    folder : Path, optional
        Where runs would be written; the current folder unless told.
    """
    return [*_machine(folder or Path.cwd()), *_libraries(), *_drivers(), *_earth_engine()]


def _finding(name: str, state: State, **fields: object) -> Finding:
    return Finding(Message.of(f"doctor.{name}"), state, Message.of(f"doctor.{name}_{state}", **fields))


def _machine(folder: Path) -> Iterator[Finding]:
    python = platform.python_version()
    yield _finding("python", "ready" if sys.version_info >= (3, 11) else "missing", version=python)
    yield _finding("cores", "ready", count=os.cpu_count() or 1)
    memory = psutil.virtual_memory().available / GIB
    yield _finding("memory", "ready" if memory >= 2 else "limited", free=f"{memory:.1f}")
    disk = psutil.disk_usage(str(folder)).free / GIB
    yield _finding("disk", "ready" if disk >= 20 else "limited", free=f"{disk:.0f}", folder=folder)
    state: State = "ready" if os.access(folder, os.W_OK) else "missing"
    yield _finding("write", state, folder=folder)


def _libraries() -> Iterator[Finding]:
    for library in LIBRARIES:
        try:
            version = metadata.version(library)
        except metadata.PackageNotFoundError:
            yield Finding(Message.of("doctor.package", name=library), "missing", Message.of("doctor.package_missing"))
            continue
        detail = Message.of("doctor.package_ready", version=version)
        yield Finding(Message.of("doctor.package", name=library), "ready", detail)


def _drivers() -> Iterator[Finding]:
    import pyogrio
    import rasterio
    from rasterio.drivers import raster_driver_extensions

    with rasterio.Env() as environment:
        known = set(environment.drivers()) | set(pyogrio.list_drivers()) | set(raster_driver_extensions().values())
    absent = [driver for driver in DRIVERS if driver not in known]
    yield _finding("formats", "limited" if absent else "ready", names=", ".join(absent or DRIVERS))


def _earth_engine() -> Iterator[Finding]:
    """Whether credentials lie where earthengine-api looks for them; they are not used."""
    import ee.oauth

    adc = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    places = [Path(adc)] if adc else []
    places.append(Path(ee.oauth.get_credentials_path()))
    found = next((place for place in places if place.is_file()), None)
    project = os.environ.get("GOOGLE_CLOUD_PROJECT") or os.environ.get("EE_PROJECT_ID")
    if found is None:
        yield _finding("earthengine", "missing", places=", ".join(map(str, places)))
    elif not project:
        yield _finding("earthengine", "limited", file=found)
    else:
        yield _finding("earthengine", "ready", file=found, project=project)
