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
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

import sinkest
from sinkest.errors import InputError, RunError

try:
    import fcntl
except ImportError:  # Windows has no such locks; two programs in one folder go unnoticed there
    fcntl = None  # type: ignore[assignment]

MANIFEST = "manifest.json"
OWNER, LOCK = ".owner.json", ".lock"
_CHUNK = 1 << 20


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises
    ------
    InputError
        If the file does not exist or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError("run.unreadable", file=path, reason=error.strerror or str(error)) from error
    return digest.hexdigest()


def content_key(parts: Any) -> str:
    """SHA-256 of a JSON-able structure, independent of the order of its keys."""
    return hashlib.sha256(canonical_json(parts)).hexdigest()


def canonical_json(value: Any) -> bytes:
    """JSON bytes that are the same for equal values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def pretty_json(value: Any) -> bytes:
    """JSON bytes for people, equal for equal values."""
    return (json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1, default=str) + "\n").encode()


@lru_cache(maxsize=1)
def code_version() -> dict[str, str]:
    """Version of the program and the SHA-256 over its own source and data files."""
    package = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.suffix in {".py", ".csv", ".toml", ".j2", ".html", ".css", ".js"} and "shipped_data" not in path.parts:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return {"version": sinkest.__version__, "code_sha256": digest.hexdigest()}


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> Path:
    """Create a folder and its parents; a clear error where that is not possible."""
    with _writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one clear error."""
    try:
        yield
    except OSError as error:
        raise RunError("run.cannot_write", file=path, reason=error.strerror or str(error)) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it, synced to disk, when the block ends without an error."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _writing(path):
        try:
            yield temporary
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_json(path: Path) -> Any:
    """Content of a JSON file of the run.

    Raises
    ------
    RunError
        If the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError("run.broken_file", file=path, reason=str(error)) from error


@dataclass(frozen=True)
class Problem:
    """One difference between the run folder and its manifest."""

    kind: str
    path: str

    @property
    def key(self) -> str:
        """Id in the message catalogue."""
        return f"run.verify_{self.kind}"


@dataclass
class RunStore:
    """A run folder.

    Parameters
    ----------
    root : Path
        The folder; created at the first write.
    keeps_hashes : bool
        Whether hashes of inputs are remembered on disk for the next time.
    """

    root: Path
    keeps_hashes: bool = True
    _hash_cache: dict[str, list[Any]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.root = Path(self.root)
        cache = self.root / ".hashes.json"
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
    def claimed(self, config: Path) -> Iterator[None]:
        """Hold the folder for one configuration and one process while the work lasts.

        The hold ends with the process, however that ends.

        Raises
        ------
        RunError
            If the folder belongs to another configuration, or another process is at work in it.
        """
        self.check_owner(config)
        make_folder(self.root)
        with ExitStack() as held:
            with _writing(self.root):
                lock = held.enter_context((self.root / LOCK).open("a+", encoding="utf-8"))
                self._lock(lock)
                mark = {"config": os.path.relpath(config.resolve(), self.root.resolve())}
                write_bytes(self.root / OWNER, canonical_json(mark))
            yield

    def _lock(self, lock: TextIO) -> None:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise RunError("run.busy", folder=self.root, process=lock.read().strip() or "?") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()

    # -- inputs -------------------------------------------------------------------------------------------------

    def input_hash(self, path: Path) -> str:
        """SHA-256 of an input file; remembered while its size and modification time stay the same."""
        try:
            status = path.stat()
        except OSError as error:
            raise InputError("run.unreadable", file=path, reason=error.strerror or str(error)) from error
        mark = [status.st_size, status.st_mtime_ns]
        known = self._hash_cache.get(str(path.resolve()))
        if known is not None and known[:2] == mark:
            return str(known[2])
        digest = file_sha256(path)
        self._hash_cache[str(path.resolve())] = [*mark, digest]
        return digest

    def input_hashes(self, paths: Iterable[Path]) -> dict[str, str]:
        """File name (as given) to SHA-256, for several inputs."""
        hashes = {str(path): self.input_hash(Path(path)) for path in sorted({Path(p) for p in paths})}
        if self.keeps_hashes and self.root.is_dir():
            write_bytes(self.root / ".hashes.json", canonical_json(self._hash_cache))
        return hashes

    # -- stages -------------------------------------------------------------------------------------------------

    def folder(self, stage: str) -> Path:
        """Where a finished stage's outputs lie."""
        return self.root / stage

    def seal(self, stage: str) -> dict[str, Any] | None:
        """The seal of a finished stage, or None."""
        path = self.root / "stages" / f"{stage}.json"
        if not path.is_file():
            return None
        try:
            seal = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return None
        return seal if isinstance(seal, dict) and {"key", "parts", "outputs"} <= seal.keys() else None

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
        before = seal["parts"] if seal else {}
        return sorted(
            name for name in {*before, *parts} if canonical_json(before.get(name)) != canonical_json(parts.get(name))
        )

    def run_stage(self, stage: str, parts: Mapping[str, Any], work: Callable[[Path], None]) -> bool:
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

        Returns
        -------
        bool
            True if the stage was run, False if the sealed result was reused.
        """
        key = content_key(parts)
        if self.state(stage, key) == "fresh":
            return False
        working = make_folder(self.root / ".work" / f"{stage}-{key[:16]}")
        with _writing(self.root):
            for other in self.root.glob(f".work/{stage}-*"):
                if other != working:
                    shutil.rmtree(other)
        work(working)
        outputs = {name: file_sha256(working / name) for name in _files(working)}
        with _writing(working):
            for name in outputs:
                with (working / name).open("rb+") as stream:
                    os.fsync(stream.fileno())
            self._put_in_place(stage, working)
        seal = {"stage": stage, "key": key, "parts": dict(parts), "outputs": outputs}
        write_bytes(self.root / "stages" / f"{stage}.json", pretty_json(seal))
        return True

    def _put_in_place(self, stage: str, working: Path) -> None:
        target, scratch = self.folder(stage), self.root / ".work" / f"old-{stage}"
        for hidden in [path for path in working.rglob(".*") if path.exists()]:
            shutil.rmtree(hidden) if hidden.is_dir() else hidden.unlink()
        if scratch.exists():
            shutil.rmtree(scratch)
        (self.root / "stages" / f"{stage}.json").unlink(missing_ok=True)
        if target.exists():
            os.replace(target, scratch)
        os.replace(working, target)
        _sync_folder(self.root)
        if scratch.exists():
            shutil.rmtree(scratch)

    def _problems(self, stage: str, seal: Mapping[str, Any]) -> list[Problem]:
        folder = self.folder(stage)
        present = set(_files(folder)) if folder.is_dir() else set()
        problems = [Problem("missing", f"{stage}/{name}") for name in sorted(set(seal["outputs"]) - present)]
        problems += [Problem("extra", f"{stage}/{name}") for name in sorted(present - set(seal["outputs"]))]
        for name in sorted(present & set(seal["outputs"])):
            if file_sha256(folder / name) != seal["outputs"][name]:
                problems.append(Problem("changed", f"{stage}/{name}"))
        return problems

    # -- manifest -----------------------------------------------------------------------------------------------

    def write_manifest(self, content: Mapping[str, Any], stages: Iterable[str]) -> None:
        """Write the manifest: ``content`` and the seals of the stages."""
        seals = {stage: self.seal(stage) for stage in stages}
        write_bytes(self.root / MANIFEST, pretty_json({**content, "stages": seals}))

    def manifest(self) -> dict[str, Any]:
        """The manifest of a finished run."""
        path = self.root / MANIFEST
        if not path.is_file():
            raise RunError("run.no_manifest", folder=self.root)
        content = read_json(path)
        if not isinstance(content, dict) or not isinstance(content.get("stages"), dict):
            raise RunError("run.broken_file", file=path, reason="no stages")
        return content

    def verify(self) -> list[Problem]:
        """Every difference between the outputs on disk and the manifest; empty if all is as it was written."""
        problems: list[Problem] = []
        for stage, seal in self.manifest()["stages"].items():
            if seal is None or canonical_json(self.seal(stage)) != canonical_json(seal):
                problems.append(Problem("changed", f"stages/{stage}.json"))
            if seal is not None:
                problems += self._problems(stage, seal)
        return problems


def _files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
