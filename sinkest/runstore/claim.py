"""One program at a time in a run folder: a lock that says whose it is and since when, and is known to be stale.

Where the file system knows locks (``flock``), the hold ends with the process, however that ends, and what the file says
is for people. Where it does not (Windows, some network shares), the file itself is the lock: it is stale if it names a
process of this machine that is gone.
"""

from __future__ import annotations

import errno
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import psutil

from sinkest.errors import RunError
from sinkest.messages import Message

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
GATE = ".lock.tmp"
"""Made, and gone again, while a process looks at a lock that is a file and takes it; a half like others if killed."""
KERNEL, FILE = "kernel", "file"
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_START_TOLERANCE_S = 2.0
_GATE_S = 5.0
"""A gate that stands for so long was left by a process that was killed at it: passing takes milliseconds."""


@contextmanager
def claim(folder: Path) -> Iterator[Message | None]:
    """Hold a folder while the work lasts.

    Parameters
    ----------
    folder : Path
        Exists.

    Yields
    ------
    Message or None
        That an earlier holder ended without letting go, where one did.

    Raises
    ------
    RunError
        If another process holds the folder; says which, whose, on which machine and for how long.
    OSError
        If the lock cannot be written.
    """
    path = folder / LOCK
    with path.open("a+", encoding="utf-8") as lock:
        kind = _take(folder, lock)
        with _alone(folder / GATE, kind):
            before = _read(lock)
            if before and not _is_over(before, kind):
                raise _busy(folder, before)
            _write(lock, kind)
        try:
            yield _left_behind(folder, before) if before else None
        finally:
            with suppress(OSError):  # the disk may be gone; a lock that is left is known to be stale
                lock.truncate(0)


def _take(folder: Path, lock: TextIO) -> str:
    """Take the lock of the kernel, if there is one; what kind of lock it is."""
    if fcntl is None:
        return FILE
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _busy(folder, _read(lock)) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return FILE
    return KERNEL


@contextmanager
def _alone(gate: Path, kind: str) -> Iterator[None]:
    """Let one process at a time look at a lock that is a file, so that two that start at once do not both find it free.

    The file system makes a file that must not exist for one of them only, whether or not it knows locks.
    """
    if kind == KERNEL:
        yield
        return
    seen, since = None, time.monotonic()
    while True:
        try:
            os.close(os.open(gate, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            with suppress(FileNotFoundError):  # gone meanwhile
                status = gate.stat()
                if seen != (mark := (status.st_ino, status.st_mtime_ns)):
                    seen, since = mark, time.monotonic()
                elif time.monotonic() - since > _GATE_S:
                    gate.unlink()
            time.sleep(0.01)
    try:
        yield
    finally:
        gate.unlink(missing_ok=True)


def _is_over(holder: dict[str, Any], kind: str) -> bool:
    """Whether the process that a lock names is known to have ended."""
    if kind == KERNEL and holder.get("kind") != FILE:
        return True  # the kernel let go of it
    if holder.get("host") != socket.gethostname():
        return False
    try:
        started = psutil.Process(int(holder["process"])).create_time()
    except (psutil.NoSuchProcess, KeyError, TypeError, ValueError):
        return True
    except psutil.AccessDenied:
        return False
    # Numbers of processes are used again: it is the same one only if it began when the holder did.
    return abs(started - float(holder.get("began", 0.0))) > _START_TOLERANCE_S


def _read(lock: TextIO) -> dict[str, Any]:
    lock.seek(0)
    try:
        found = json.loads(lock.read() or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {"process": found}


def _write(lock: TextIO, kind: str) -> None:
    process = os.getpid()
    holder = {
        "process": process,
        "began": psutil.Process(process).create_time(),
        "host": socket.gethostname(),
        "owner": _owner(),
        "since": time.time(),
        "kind": kind,
    }
    lock.seek(0)
    lock.truncate(0)
    json.dump(holder, lock)
    lock.flush()
    os.fsync(lock.fileno())


def _owner() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "?"


def _busy(folder: Path, holder: dict[str, Any]) -> RunError:
    return RunError("run.busy", folder=folder, lock=folder / LOCK, **_told(holder))


def _left_behind(folder: Path, holder: dict[str, Any]) -> Message:
    return Message.of("run.stale_lock", folder=folder, **_told(holder))


def _told(holder: dict[str, Any]) -> dict[str, str]:
    """Process, owner, machine, since when, and age in hours and minutes, as far as the lock says."""
    said = {name: str(holder.get(name, "?")) for name in ("process", "owner", "host")}
    try:
        since = float(holder["since"])
        # A clock that was set back must not make an age below zero.
        minutes = int(max(time.time() - since, 0.0) // 60)
        moment = datetime.fromtimestamp(since).astimezone().isoformat(" ", "minutes")
        return {**said, "since": moment, "age": f"{minutes // 60}:{minutes % 60:02d}"}
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return {**said, "since": "?", "age": "?"}
