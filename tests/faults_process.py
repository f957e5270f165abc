"""Runs as processes of their own that start at once: copies of a program that is loaded, and what can be done to them.

A copy is made with ``fork``, so that a table of many faults does not load the libraries each time; signals, limits and
the loss of a process act on it as on any other. What it says goes through a pipe, which no limit on files touches.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sinkest.workflow  # noqa: F401  the command line would load it in each copy
from sinkest.cli import main
from tests.project_fixture import CONFIG, run_folder

CRASHED = 99
OPTIONS = ("--workers", "2", "--block-size", "128")
LONGEST_S = 300.0
"""Far more than any run of the small project takes, on however busy a machine."""
_NEW_MOUNTS = 0x20000
_PIPE_BYTES = 2**20
"""More than any run says; a full pipe would stop it."""


@dataclass
class Running:
    """A run under way, and the pipe that it speaks into."""

    process: int
    pipe: int
    heard: str | None = None

    def over(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        done, status = os.waitpid(self.process, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if done else None

    def end(self) -> int:
        """Wait for the end."""
        begun = time.monotonic()
        while (code := self.over()) is None:
            if time.monotonic() - begun > LONGEST_S:
                os.kill(self.process, signal.SIGKILL)
            time.sleep(0.003)
        return code

    def said(self) -> str:
        """Everything said on both outputs, after the end."""
        if self.heard is None:
            with open(self.pipe, "rb") as stream:
                self.heard = stream.read().decode("utf-8", errors="replace")
        return self.heard


def start(project: Path, prepare: Callable[[], object] = bool) -> Running:
    """``sinkest run`` in a copy of this process; ``prepare`` is called there before."""
    listen, speak = os.pipe()
    fcntl.fcntl(speak, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    process = os.fork()
    if process:
        os.close(speak)
        return Running(process, listen)
    code = CRASHED
    try:
        os.close(listen)
        os.dup2(speak, 1)
        os.dup2(speak, 2)
        os.close(speak)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        prepare()
        main(["--lang", "en", "run", str(project / CONFIG), *OPTIONS])
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait_for(project: Path, stage: str, running: Running) -> int | None:
    """Wait until a stage is under way; the exit code where the run ends before."""
    while not list(run_folder(project).glob(f".work/{stage}-*")):
        if (code := running.over()) is not None:
            return code
        time.sleep(0.001)
    return None


def strike(project: Path, stage: str, running: Running, seconds: float, blow: Callable[[], object]) -> int | None:
    """Do something to a run so many seconds after a stage began; the exit code where the run ended before."""
    code = wait_for(project, stage, running)
    moment = time.monotonic() + seconds
    while code is None and time.monotonic() < moment:
        code = running.over()
        time.sleep(0.001)
    if code is None:
        blow()
    return code


# -- limits ---------------------------------------------------------------------------------------------------------


def limit_memory(process: int, more_mib: int) -> None:
    """From now on, only so many MiB more than it has."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[0])
    _limit(process, resource.RLIMIT_AS, pages * resource.getpagesize() + more_mib * 2**20)


def limit_open_files(process: int, more: int) -> None:
    """From now on, only so many open files more than it has."""
    highest = max(int(name) for name in os.listdir(f"/proc/{process}/fd"))
    _limit(process, resource.RLIMIT_NOFILE, highest + 1 + more)


def limit_file_size(process: int, size: int) -> None:
    """No file may grow beyond so many bytes: a quota, or an old file system."""
    _limit(process, resource.RLIMIT_FSIZE, size)


def _limit(process: int, kind: int, value: int) -> None:
    hard = resource.prlimit(process, kind)[1]
    resource.prlimit(process, kind, (value, hard))


# -- file systems ---------------------------------------------------------------------------------------------------


def own_mounts() -> bool:
    """Let what this process mounts be seen by nobody else and end with it; False where it may not mount at all."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS) != 0:
        return False
    return _done("mount", "--make-rprivate", "/")


def mount_memory(folder: Path, size_bytes: int) -> bool:
    """A small file system in memory."""
    return _done("mount", "-t", "tmpfs", "-o", f"size={max(size_bytes, 4096)}", "tmpfs", str(folder))


def resize(folder: Path, size_bytes: int) -> bool:
    """Another size for a file system in memory."""
    return _done("mount", "-o", f"remount,size={size_bytes}", str(folder))


def set_writable(folder: Path, writable: bool) -> bool:
    """Let a folder and those in it take new files, or none; a mount would have to wait for the files that are open."""
    if writable:
        return _done("chattr", "-f", "-R", "-i", str(folder))
    return _done("chattr", "+i", *map(str, _folders(folder)))


def _folders(folder: Path) -> list[Path]:
    return [folder, *(path for path in folder.rglob("*") if path.is_dir())]


def unmount(folder: Path) -> bool:
    """Take a file system away."""
    return _done("umount", "--lazy", str(folder))


def _done(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


# -- power ----------------------------------------------------------------------------------------------------------


def record_syncs(record: Path) -> None:
    """Note what reaches the disk for sure: each file with its state, each folder with the names in it, at ``fsync``."""
    sync = os.fsync
    stream = record.open("a", encoding="utf-8")

    def noted(handle: int) -> None:
        sync(handle)
        path = os.readlink(f"/proc/self/fd/{handle}")
        stream.write(json.dumps([path, *_state(Path(path))]) + "\n")
        stream.flush()

    os.fsync = noted


def disk_state(folder: Path) -> dict[str, list]:
    """State of all files and folders below a folder."""
    return {str(path): _state(path) for path in (folder, *folder.rglob("*"))}


def lose_power(folder: Path, before: dict[str, list], record: Path, rng: random.Random) -> int:
    """What a disk may hold after a power cut: nothing is sure that was not synced.

    Files whose present state was never synced get zeros, half their length or nothing; names that their folder was not
    synced with vanish, or stay, by chance.

    Returns
    -------
    int
        How many files and names were lost.
    """
    files = {tuple(row[:3]) for row in before.values()}
    names = {row[0]: set(row[3]) for row in before.values() if row[3] is not None}
    for line in record.read_text(encoding="utf-8").splitlines() if record.exists() else ():
        _, inode, size, changed, listed = json.loads(line)
        files.add((inode, size, changed))
        if listed is not None:
            names[inode] = set(listed)
    lost = 0
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.exists():
            continue
        inode, size, changed, listed = _state(path)
        if listed is None and (inode, size, changed) not in files:
            kept = rng.choice([0, size // 2, size])
            path.write_bytes(bytes(kept))
            lost += 1
        if path.name not in names.get(path.parent.stat().st_ino, set()) and rng.random() < 0.5:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            lost += 1
    return lost


def _state(path: Path) -> list:
    """Inode, size, time of the last change, and for folders the names in it."""
    try:
        status = path.stat()
        listed = sorted(os.listdir(path)) if path.is_dir() else None
    except OSError:
        return [0, 0, 0, None]
    return [status.st_ino, status.st_size, status.st_mtime_ns, listed]
