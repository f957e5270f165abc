"""The runs in a folder: which are finished, of what year, and what they say of the targets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sinkest.errors import RunError
from sinkest.runstore import MANIFEST, RunStore, read_json
from sinkest.tidy import read_estimates

DEEPEST = 3
"""Levels of folders below the given one that are looked at."""
STAGES = ("compose", "train", "map", "estimate", "report")
VERDICTS = ("met", "not_met", "cannot_tell", "not_assessed")


@dataclass(frozen=True)
class Listed:
    """A run as it is listed.

    Attributes
    ----------
    folder : Path
    name, run_id : str
        Empty where the run has not come so far.
    year : int or None
    finished : bool
    stages : tuple of str
        Stages that are sealed.
    simulated, provisional : bool
    verdicts : mapping of str to int
        How many targets have each verdict.
    targets : tuple of (target id, verdict)
    """

    folder: Path
    name: str
    run_id: str
    year: int | None
    finished: bool
    stages: tuple[str, ...]
    simulated: bool
    provisional: bool
    verdicts: dict[str, int]
    targets: tuple[tuple[str, str], ...]


def list_runs(folder: Path) -> list[Listed]:
    """Runs below a folder, by year and name.

    Parameters
    ----------
    folder : Path
        A run, a project, or any folder that holds some.

    Raises
    ------
    RunError
        If the folder does not exist, or a finished run's files cannot be read.
    """
    if not folder.is_dir():
        raise RunError("runlist.no_folder", folder=folder)
    found = [_listed(path) for path in sorted(_runs(folder, DEEPEST))]
    return sorted(found, key=lambda run: (run.year or 9999, run.name, str(run.folder)))


def _runs(folder: Path, deep: int) -> list[Path]:
    if (folder / MANIFEST).is_file() or (folder / "stages").is_dir():
        return [folder]
    if deep == 0:
        return []
    below = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return [run for path in below for run in _runs(path, deep - 1)]


def _listed(folder: Path) -> Listed:
    store = RunStore(folder, keeps_hashes=False)
    stages = tuple(stage for stage in STAGES if store.seal(stage) is not None)
    manifest = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else {}
    about = read_json(store.folder("estimate") / "run.json") if "estimate" in stages else {}
    targets, provisional = _judged(store) if about else ((), False)
    counts = Counter(verdict for _, verdict in targets)
    return Listed(
        folder=folder,
        name=str(manifest.get("name") or about.get("name") or folder.name),
        run_id=str(about.get("run_id", "")),
        year=int(about["year"]) if "year" in about else int(manifest["year"]) if "year" in manifest else None,
        finished=bool(manifest) and stages == STAGES,
        stages=stages,
        simulated=bool(about.get("simulated", False)),
        provisional=provisional,
        verdicts={verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]},
        targets=targets,
    )


def _judged(store: RunStore) -> tuple[tuple[tuple[str, str], ...], bool]:
    """Verdicts by target, and whether any printed figure is provisional."""
    folder = store.folder("estimate")
    table = read_estimates(folder, ["provisional", "status"])
    provisional = bool((table["provisional"] & (table["status"] != "provisional")).any())
    path = folder / "targets.csv"
    if not path.is_file():
        return (), provisional
    rows = pd.read_csv(path, encoding="utf-8-sig", dtype={"target_id": str, "verdict": str})
    return tuple(rows[["target_id", "verdict"]].itertuples(index=False, name=None)), provisional
