"""The run directory: stages keyed by content, atomic writes, manifest, verification.

A stage writes into a working folder named after its key. When the stage is complete, the folder is renamed into place
and a seal (``stages/<stage>.json``: key, what the key was made of, SHA-256 of every output) is written last. A stage is
reused only if its seal carries the same key and every output still has the sealed hash, so nothing that another model,
configuration or version made is ever mixed in, whatever moment a run was interrupted at.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import sinkest
from sinkest.errors import InputError, RunError
from sinkest.messages import Message
from sinkest.runstore.claim import LOCK, claim
from sinkest.runstore.durable import (
    atomic_path,
    canonical_json,
    content_key,
    file_sha256,
    make_folder,
    pretty_json,
    read_json,
    sync_folder,
    sync_tree,
    write_bytes,
    writing,
)

__all__ = [
    "MANIFEST",
    "Problem",
    "RunStore",
    "atomic_path",
    "canonical_json",
    "code_version",
    "content_key",
    "file_sha256",
    "make_folder",
    "pretty_json",
    "read_json",
    "write_bytes",
]

MANIFEST = "manifest.json"
SEALS, WORK = "stages", ".work"
OWNER, HASHES = ".owner.json", ".hashes.json"
OURS = frozenset({MANIFEST, SEALS, WORK, OWNER, HASHES, LOCK})
"""What a run folder holds besides its stages."""
NUMERIC = ("numba", "numpy", "pandas", "pyproj", "rasterio", "scikit-learn", "scipy", "shapely")
"""Looked up even where the program runs from its sources, without an installation that states what it needs."""
_SETTLED_NS = 2_000_000_000
"""Age from which the times of a file tell it from a later one; the coarsest file systems count in 2 s."""


@lru_cache(maxsize=1)
def code_version() -> dict[str, str]:
    """Version of the program and the SHA-256 over its own source and data files."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.suffix in {".py", ".csv", ".toml", ".j2", ".html", ".css", ".js"} and "shipped_data" not in path.parts:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return {"version": sinkest.__version__, "code_sha256": digest.hexdigest()}


@lru_cache(maxsize=1)
def environment() -> dict[str, Any]:
    """Interpreter, machine and releases of the libraries that numbers pass through."""
    from importlib.metadata import PackageNotFoundError, requires, version

    libraries = {}
    try:
        needed = [re.split(r"[^\w.-]", line)[0] for line in requires("sinkest") or () if "extra ==" not in line]
    except PackageNotFoundError:
        needed = []
    for name in sorted({*needed, *NUMERIC}):
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "machine": platform.machine(), "libraries": libraries}


@dataclass(frozen=True)
class Problem:
    """One difference between the run folder and its manifest."""

    kind: str
    path: str

    @property
    def key(self) -> str:
        """Id in the message catalogue."""
        return f"run.verify_{self.kind}"

    @property
    def message(self) -> Message:
        """What is different, for a person."""
        return Message.of(self.key, path=self.path)


@dataclass
class RunStore:
    """A run folder.

    Parameters
    ----------
    root : Path
        The folder; created at the first write.
    keeps_hashes : bool
        Whether hashes of inputs are remembered on disk for the next time.
    used : dict of Path to str
        SHA-256 of every input that was asked for.
    """

    root: Path
    keeps_hashes: bool = True
    used: dict[Path, str] = field(default_factory=dict, repr=False)
    _hash_cache: dict[str, list[Any]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.root = Path(self.root)
        cache = self.root / HASHES
        if cache.is_file():
            try:
                loaded = json.loads(cache.read_text(encoding="utf-8"))
                self._hash_cache = loaded if isinstance(loaded, dict) else {}
            except (OSError, ValueError):
                self._hash_cache = {}  # only a cache: inputs are hashed again

    # -- owner --------------------------------------------------------------------------------------------------

    def check_owner(self, config: Path) -> None:
        """Refuse a folder that holds the run of another configuration, unless that one is gone.

        Raises
        ------
        RunError
            Names the other configuration.
        """
        mark = self.root / OWNER
        if not mark.is_file():
            return
        try:
            owner = (self.root / json.loads(mark.read_text(encoding="utf-8"))["config"]).resolve()
        except (OSError, ValueError, KeyError, TypeError):
            return  # only a mark: without it the folder is free
        if owner.is_file() and not owner.samefile(config):
            raise RunError("run.other_owner", folder=self.root, owner=owner, file=config)

    @contextmanager
    def claimed(self, config: Path) -> Iterator[Message | None]:
        """Hold the folder for one configuration and one process while the work lasts.

        Yields
        ------
        Message or None
            That an earlier run ended without letting go, where one did.

        Raises
        ------
        RunError
            If the folder belongs to another configuration, or another process is at work in it.
        """
        self.check_owner(config)
        make_folder(self.root)
        with ExitStack() as held:
            with writing(self.root):
                before = held.enter_context(claim(self.root))
                self._drop_halves()
                write_bytes(self.root / OWNER, canonical_json({"config": self.relative(config)}))
            yield before

    def relative(self, path: Path) -> str:
        """A path as seen from the run folder, so that both may be moved together."""
        try:
            return os.path.relpath(path.resolve(), self.root.resolve())
        except ValueError:  # another drive of Windows
            return str(path.resolve())

    def _drop_halves(self) -> None:
        """Remove what a writer that was killed has left beside its file."""
        for folder in (self.root, self.root / SEALS):
            for half in folder.glob(".*.tmp"):
                half.unlink()

    # -- inputs -------------------------------------------------------------------------------------------------

    def input_hash(self, path: Path) -> str:
        """SHA-256 of an input file; remembered while its size and its times stay the same.

        A file that changed within the last seconds, or in the future of a clock that was set back, is not remembered:
        a later change could leave its times as they are.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise InputError("run.unreadable", file=path, reason=error.strerror or str(error)) from error
        mark = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        known = self._hash_cache.get(str(path.resolve()))
        if known is not None and known[:-1] == mark:
            digest = str(known[-1])
        else:
            digest = file_sha256(path)
            if max(status.st_mtime_ns, status.st_ctime_ns) + _SETTLED_NS < time.time_ns():
                self._hash_cache[str(path.resolve())] = [*mark, digest]
        self.used[path] = digest
        return digest

    def input_hashes(self, paths: Iterable[Path]) -> dict[str, str]:
        """File name (as given) to SHA-256, for several inputs."""
        hashes = {str(path): self.input_hash(Path(path)) for path in sorted({Path(p) for p in paths})}
        if self.keeps_hashes and self.root.is_dir():
            write_bytes(self.root / HASHES, canonical_json(self._hash_cache))
        return hashes

    # -- stages -------------------------------------------------------------------------------------------------

    def folder(self, stage: str) -> Path:
        """Where a finished stage's outputs lie."""
        return self.root / stage

    def seal_path(self, stage: str) -> Path:
        """File of a stage's seal."""
        return self.root / SEALS / f"{stage}.json"

    def seal(self, stage: str) -> dict[str, Any] | None:
        """The seal of a finished stage, or None."""
        path = self.seal_path(stage)
        if not path.is_file():
            return None
        try:
            seal = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return seal if _is_seal(seal) else None

    def state(self, stage: str, key: str) -> str:
        """Why a stage can be reused or not: ``fresh``, ``missing``, ``stale`` or ``damaged``."""
        seal = self.seal(stage)
        if seal is None:
            return "missing"
        if seal["key"] != key:
            return "stale"
        return "fresh" if not self._problems(stage, seal) else "damaged"

    def changed_parts(self, stage: str, parts: Mapping[str, Any]) -> list[str]:
        """Names of the parts of the key that differ from the sealed ones."""
        seal = self.seal(stage)
        return _unlike(seal["parts"] if seal else {}, parts)

    def run_stage(
        self,
        stage: str,
        parts: Mapping[str, Any],
        work: Callable[[Path], None],
        again: Callable[[], Mapping[str, Any]] | None = None,
    ) -> bool:
        """Run a stage unless its sealed result can be reused.

        Parameters
        ----------
        stage : str
            Name of the stage; its outputs end in the folder of that name.
        parts : mapping
            Everything the result depends on, JSON-able.
        work : callable
            Gets the working folder. Whatever is left there, but for names with a leading dot, becomes the output. The
            folder survives an interruption, so that the work can go on where it was.
        again : callable, optional
            Gives the parts as they are after the work, so that an input which changed under it is noticed.

        Returns
        -------
        bool
            True if the stage was run, False if the sealed result was reused.

        Raises
        ------
        RunError
            If the folder cannot be written, or an input changed while the work lasted; nothing is sealed then.
        """
        key = content_key(parts)
        if self.state(stage, key) == "fresh":
            return False
        working = make_folder(self.root / WORK / f"{stage}-{key[:16]}")
        with writing(self.root):
            for other in self.root.glob(f"{WORK}/{stage}-*"):
                if other != working:
                    shutil.rmtree(other)
        work(working)
        if again is not None and content_key(after := again()) != key:
            with writing(working):
                shutil.rmtree(working)  # part of it may come of the one, part of the other
            changed = ", ".join(_unlike(parts, after))
            raise RunError("run.inputs_changed", stage=stage, changed=changed)
        with writing(working):
            for hidden in list(working.rglob(".*")):  # what lies in a hidden folder has gone with it
                shutil.rmtree(hidden) if hidden.is_dir() else hidden.unlink(missing_ok=True)
        outputs = {name: file_sha256(working / name) for name in _files(working)}
        with writing(working):
            sync_tree(working, outputs)
            self._put_in_place(stage, working)
        seal = {"stage": stage, "key": key, "parts": dict(parts), "outputs": outputs}
        write_bytes(self.seal_path(stage), pretty_json(seal))
        return True

    def _put_in_place(self, stage: str, working: Path) -> None:
        target, scratch = self.folder(stage), self.root / WORK / f"old-{stage}"
        if scratch.exists():
            shutil.rmtree(scratch)
        self.seal_path(stage).unlink(missing_ok=True)
        if target.exists():
            os.replace(target, scratch)
        os.replace(working, target)
        sync_folder(self.root)
        if scratch.exists():
            shutil.rmtree(scratch)

    def _problems(self, stage: str, seal: Mapping[str, Any], *, hidden: bool = False) -> list[Problem]:
        folder = self.folder(stage)
        present = set(_files(folder, hidden=hidden)) if folder.is_dir() else set()
        problems = [Problem("missing", f"{stage}/{name}") for name in sorted(set(seal["outputs"]) - present)]
        problems += [Problem("extra", f"{stage}/{name}") for name in sorted(present - set(seal["outputs"]))]
        for name in sorted(present & set(seal["outputs"])):
            path = folder / name
            if path.is_symlink() or not path.is_file() or file_sha256(path) != seal["outputs"][name]:
                problems.append(Problem("changed", f"{stage}/{name}"))
        return problems

    # -- manifest -----------------------------------------------------------------------------------------------

    def write_manifest(self, content: Mapping[str, Any], stages: Iterable[str]) -> None:
        """Write the manifest: ``content``, the seals of the stages, and a SHA-256 over all of it."""
        whole = {**content, "stages": {stage: self.seal(stage) for stage in stages}}
        write_bytes(self.root / MANIFEST, pretty_json({**whole, "manifest_sha256": content_key(whole)}))

    def manifest(self) -> dict[str, Any]:
        """The manifest of a finished run."""
        path = self.root / MANIFEST
        if not path.is_file():
            raise RunError("run.no_manifest", folder=self.root)
        content = read_json(path)
        if not isinstance(content, dict) or not isinstance(content.get("stages"), dict):
            raise RunError("run.broken_file", file=path, reason="no stages")
        for stage, seal in content["stages"].items():
            if stage != Path(stage).name or not (seal is None or _is_seal(seal)):
                raise RunError("run.broken_file", file=path, reason=f"stages: {ascii(stage)[:60]}")
        return content

    def verify(self) -> list[Problem]:
        """Every difference between the run folder and the manifest, to the byte; empty if all is as it was written."""
        manifest = self.manifest()
        problems = [] if self._manifest_is_whole(manifest) else [Problem("changed", MANIFEST)]
        stages = manifest["stages"]
        for stage, seal in stages.items():
            if seal is None or not self._is_written(self.seal_path(stage), seal):
                problems.append(Problem("changed", f"{SEALS}/{stage}.json"))
            if seal is not None:
                problems += self._problems(stage, seal, hidden=True)
        seals = {f"{stage}.json" for stage in stages}
        present = _files(self.root / SEALS, hidden=True) if (self.root / SEALS).is_dir() else []
        problems += [Problem("extra", f"{SEALS}/{name}") for name in present if name not in seals]
        known = OURS | set(stages)
        for path in sorted(self.root.iterdir()):
            if path.name not in known:
                problems.append(Problem("extra", path.name))
            elif path.is_symlink():
                problems.append(Problem("changed", path.name))
        return problems

    def _manifest_is_whole(self, manifest: Mapping[str, Any]) -> bool:
        content = {name: value for name, value in manifest.items() if name != "manifest_sha256"}
        right = manifest.get("manifest_sha256") == content_key(content)
        return right and self._is_written(self.root / MANIFEST, manifest)

    def _is_written(self, path: Path, content: Any) -> bool:
        """Whether a file holds just the bytes that this content is written as."""
        try:
            return not path.is_symlink() and path.read_bytes() == pretty_json(content)
        except OSError:
            return False


def _unlike(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(
        name for name in {*before, *after} if canonical_json(before.get(name)) != canonical_json(after.get(name))
    )


def _is_seal(content: Any) -> bool:
    """Whether this is what a seal is: a key, what it was made of, and a hash of each output."""
    if not isinstance(content, dict) or not isinstance(content.get("key"), str):
        return False
    parts, outputs = content.get("parts"), content.get("outputs")
    if not isinstance(parts, dict) or not isinstance(outputs, dict):
        return False
    return all(isinstance(digest, str) for digest in outputs.values())


def _files(folder: Path, *, hidden: bool = False) -> list[str]:
    """Names of all files and links below a folder, of hidden ones too where asked."""
    return sorted(
        name.as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
        if (name := path.relative_to(folder)) and (hidden or not any(part.startswith(".") for part in name.parts))
    )
