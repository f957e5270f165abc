"""What a manifest says besides the seals of stages: program, libraries, configuration, inputs, coefficients."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from sinkest.config import LoadedConfig
from sinkest.runstore.durable import file_sha256
from sinkest.runstore.store import MANIFEST, RunStore, code_version, environment
from sinkest.shipped import PREFIX, shipped

FORMAT = 2
FACTORS = "account/factors"


def describe(config: LoadedConfig, store: RunStore) -> dict[str, Any]:
    """Everything that a run rests on, each file by its SHA-256.

    Parameters
    ----------
    config : LoadedConfig
    store : RunStore
        Of the run, after all its stages have named their inputs.

    Returns
    -------
    dict
        ``format``, ``name``, ``year``, ``program``, ``environment``, ``config``, ``inputs``, ``coefficients``.
    """
    spec = config.spec
    about: dict[str, Any] = {
        "format": FORMAT,
        "name": spec.name,
        "year": spec.year,
        "program": code_version(),
        "environment": environment(),
        "config": {
            "path": store.relative(config.path),
            "sha256": store.input_hash(config.path) if config.path.is_file() else None,
            "settings": {
                **spec.model_dump(mode="json", exclude={"execution"}),
                "execution": spec.execution.model_dump(mode="json", include={"keep_composite"}),
            },
        },
        "coefficients": coefficients(),
    }
    if spec.account.previous_run is not None:
        store.input_hash(config.file(spec.account.previous_run) / MANIFEST)
    return {**about, "inputs": inputs(config, store)}


def inputs(config: LoadedConfig, store: RunStore) -> list[dict[str, Any]]:
    """Name and SHA-256 of every file that a stage has asked for, by name; equal files of one name once."""
    found = {(place(config, path), digest) for path, digest in store.used.items() if path != config.path}
    return [{"path": name, "sha256": digest} for name, digest in sorted(found)]


def place(config: LoadedConfig, path: Path) -> str:
    """Where an input lies, so that a copy finds it: below the configuration's folder, shipped, or its bare name.

    Folders of the machine beyond these are left out: they may tell more than the reader of a record should know.
    """
    resolved = path.resolve()
    roots = (shipped("aoi").parent.resolve(), shipped("configs").parent.resolve())
    if resolved.is_relative_to(config.base):
        return resolved.relative_to(config.base).as_posix()
    for root in roots:
        if resolved.is_relative_to(root):
            return PREFIX + resolved.relative_to(root).as_posix()
    return resolved.name


def coefficients() -> dict[str, str]:
    """SHA-256 of every table of coefficients and definitions that ships with the program, by name."""
    folder = Path(str(files("sinkest").joinpath(FACTORS)))
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}
