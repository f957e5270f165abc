"""What of the machine and its accounts is ready.

Nothing is changed; only `examine_earthengine` contacts anyone.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import psutil

from sinkest.errors import SinkestError, SourceError
from sinkest.messages import Message

if TYPE_CHECKING:
    from sinkest.imagery.earthengine.auth import Account
    from sinkest.imagery.earthengine.client import Client

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


# -- Earth Engine, step by step -------------------------------------------------------------------------------------

PROBE_PX = 8
APART = ("reach", "project", "key")
"""Steps that need no other."""
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


def examine_earthengine(account: Account) -> list[Finding]:
    """Go the way to Earth Engine step by step, and tell at which one it ends and what to do.

    Parameters
    ----------
    account : Account
        As a run would ask. A few requests are made: one small value and a few pixels are computed.

    Returns
    -------
    list of Finding
        Reach, project, credentials, then token, account, computation, pixels: these are not tried after a failure.
    """
    from sinkest.imagery.earthengine.client import Client
    from sinkest.imagery.earthengine.pace import Pace

    client = Client(account, Pace(attempts=2))
    steps: dict[str, Callable[[], Message]] = {
        "reach": lambda: _reach(account),
        "project": lambda: _project(account),
        "key": lambda: _key(account),
        "token": lambda: _token(account),
        "account": lambda: _account(client),
        "compute": lambda: _compute(client),
        "pixels": lambda: _pixels(client),
    }
    findings: list[Finding] = []
    for step, take in steps.items():
        name = Message.of(f"earthengine.at_{step}")
        if step not in APART and any(finding.state == "missing" for finding in findings):
            findings.append(Finding(name, "limited", Message.of("earthengine.not_tried")))
            continue
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                state, detail = "ready", take()
            except SinkestError as problem:
                state, detail = "missing", problem.message
        if any("restricted mode" in str(one.message) for one in told):
            state, detail = "limited", Message.of("earthengine.restricted")
        findings.append(Finding(name, state, detail))  # type: ignore[arg-type]
    return findings


def account_of(config: Path | None) -> Account:
    """Who asks Earth Engine: under a configuration, or as the environment says.

    Raises
    ------
    ConfigError
        If the configuration cannot be read, or names no account.
    """
    from sinkest.config import load_config
    from sinkest.imagery.earthengine.auth import Account, project_of_environment
    from sinkest.stages.sources import earthengine_account

    if config is not None:
        return earthengine_account(load_config(config))
    return Account(project_of_environment() or "")


def _project(account: Account) -> Message:
    if not account.project:
        raise SourceError("earthengine.no_project", kind="access")
    return Message.of("earthengine.project_ready", project=account.project)


def _key(account: Account) -> Message:
    from sinkest.imagery.earthengine.auth import find_key

    key = find_key(account)
    key.credentials()
    return Message.of("earthengine.key_ready", kind=key.kind, origin=key.origin)


def _reach(account: Account) -> Message:
    """Ask for the description of the API, which needs no account."""
    from sinkest.imagery.earthengine.auth import reach

    reach(account)
    named = [name for name in PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    proxy = (
        Message.of("earthengine.proxy_named", names=", ".join(named)) if named else Message.of("earthengine.proxy_none")
    )
    return Message.of("earthengine.reach_ready", url=account.url, proxy=proxy)


def _token(account: Account) -> Message:
    from sinkest.imagery.earthengine.auth import renew

    renew(account)
    return Message.of("earthengine.token_ready")


def _account(client: Client) -> Message:
    return Message.of("earthengine.account_ready", count=client.algorithms())


def _compute(client: Client) -> Message:
    import ee

    return Message.of("earthengine.compute_ready", value=client.value(ee.Number(1).add(1)))


def _pixels(client: Client) -> Message:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from sinkest.imagery.earthengine import assets, graphs

    model = assets.ELEVATION["glo30"]
    grid = GeoBox((PROBE_PX, PROBE_PX), Affine(30.0, 0, 700_400.0, 0, -30.0, 3_079_600.0), "EPSG:32649")
    start = time.monotonic()
    values = client.pixels(graphs.elevation(model), ["elevation"], grid)["elevation"]
    count = int(np.isfinite(values).sum())
    return Message.of(
        "earthengine.pixels_ready", count=count, asset=model.asset, seconds=f"{time.monotonic() - start:.1f}"
    )
