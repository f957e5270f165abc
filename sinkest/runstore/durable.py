"""Files that are either whole or not there: hashes, JSON of fixed form, writes that survive a power cut."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sinkest.errors import InputError, RunError

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


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; renames and new files are lost in a power cut without it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> Path:
    """Create a folder and its parents, synced to disk; a clear error where that is not possible."""
    if path.is_dir():
        return path
    with writing(path):
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)
    return path


@contextmanager
def writing(path: Path) -> Iterator[None]:
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
    with writing(path):
        try:
            yield temporary
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
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


def sync_tree(folder: Path, names: Iterable[str]) -> None:
    """Bring files, and the folders that name them, to the disk before the whole is put in place."""
    for name in names:
        with (folder / name).open("rb+") as stream:
            os.fsync(stream.fileno())
    for inner in [path for path in folder.rglob("*") if path.is_dir()]:
        sync_folder(inner)
    sync_folder(folder)
