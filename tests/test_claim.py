"""One program in a run folder: who holds it is told, and a lock that nobody holds any more is recognised."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TextIO

import psutil
import pytest

from sinkest.errors import RunError
from sinkest.runstore import claim as module
from sinkest.runstore.claim import GATE, LOCK, claim

SPAWN = multiprocessing.get_context("spawn")
"""A copy of this process would lack the threads that libraries have started in it."""


def hold(folder: Path, kind: str, held: Event, leave: Event) -> None:
    if kind == "file":
        module.fcntl = None  # type: ignore[assignment]
    with claim(folder):
        held.set()
        leave.wait(30)


@pytest.fixture(params=["kernel", "file"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With locks of the kernel, and on a file system that has none."""
    if request.param == "file":
        monkeypatch.setattr(module, "fcntl", None)
    return str(request.param)


def lock(folder: Path, **more: object) -> None:
    """A lock as it is left by a process that ended without letting go."""
    holder = {"process": 999_999_999, "began": 1.0, "host": socket.gethostname(), "owner": "li", "since": 1.0}
    (folder / LOCK).write_text(json.dumps({**holder, "kind": "file", **more}), encoding="utf-8")


def test_a_folder_that_is_free_is_held_and_let_go(tmp_path: Path, kind: str) -> None:
    for _ in range(2):
        with claim(tmp_path) as stale:
            assert stale is None
            held = json.loads((tmp_path / LOCK).read_text())
            assert (held["process"], held["host"], held["kind"]) == (os.getpid(), socket.gethostname(), kind)
        assert (tmp_path / LOCK).read_text() == ""


def test_a_second_process_is_refused_with_owner_and_age(tmp_path: Path, kind: str) -> None:
    held, leave = SPAWN.Event(), SPAWN.Event()
    other = SPAWN.Process(target=hold, args=(tmp_path, kind, held, leave))
    other.start()
    try:
        assert held.wait(30)
        with pytest.raises(RunError) as refused, claim(tmp_path):
            pass
        said = str(refused.value)
        assert f"process {other.pid} of " in said
        assert f"on {socket.gethostname()}, since 20" in said
        assert "age 0:00 h" in said
    finally:
        leave.set()
        other.join(30)
    with claim(tmp_path) as stale:
        assert stale is None


def test_of_those_that_start_at_once_one_holds_the_folder(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All find the lock free before the first of them has written it, were they let."""
    write, begin, tried = module._write, threading.Barrier(4), threading.Barrier(4)

    def slowly(lock: TextIO, of_kind: str) -> None:
        time.sleep(0.1)
        write(lock, of_kind)

    def start(_: int) -> bool:
        begin.wait(30)
        try:
            with claim(tmp_path):
                tried.wait(30)
                return True
        except RunError:
            tried.wait(30)
            return False

    monkeypatch.setattr(module, "_write", slowly)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(start, range(4))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_gate_that_a_killed_process_left_is_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fcntl", None)
    monkeypatch.setattr(module, "_GATE_S", 0.05)
    (tmp_path / GATE).touch()
    with claim(tmp_path):
        assert not (tmp_path / GATE).exists()


def test_a_killed_process_leaves_a_stale_lock(tmp_path: Path, kind: str) -> None:
    held, leave = SPAWN.Event(), SPAWN.Event()
    other = SPAWN.Process(target=hold, args=(tmp_path, kind, held, leave))
    other.start()
    assert held.wait(30)
    other.kill()
    other.join(30)
    with claim(tmp_path) as stale:
        assert stale is not None
        assert f"process {other.pid} of " in stale.text("en")
        assert "stale" in stale.text("en")
        assert "锁已失效" in stale.text("zh")


def test_a_number_that_another_process_has_now_is_stale(tmp_path: Path) -> None:
    """The same number, but of a process that began at another time."""
    mine = psutil.Process().create_time()
    lock(tmp_path, process=os.getpid(), began=mine - 3600)
    with claim(tmp_path) as stale:
        assert stale is not None
    lock(tmp_path, process=os.getpid(), began=mine)
    with pytest.raises(RunError, match=f"process {os.getpid()} of li"), claim(tmp_path):
        pass


def test_a_file_lock_of_another_machine_is_never_taken(tmp_path: Path) -> None:
    lock(tmp_path, host="the-other-one", since=time.time() - 7500)
    with pytest.raises(RunError, match=r"on the-other-one, .* age 2:05 h.* remove .*\.lock"), claim(tmp_path):
        pass


def test_a_clock_that_was_set_back_gives_no_age_below_zero(tmp_path: Path) -> None:
    lock(tmp_path, host="the-other-one", since=time.time() + 1e6)
    with pytest.raises(RunError, match="age 0:00 h"), claim(tmp_path):
        pass


@pytest.mark.parametrize("content", ["4711", "{", "[]", '{"process": "x"}', '{"since": 1e99, "process": null}'])
def test_a_lock_that_says_nothing_of_use_does_not_stop_a_run(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK).write_text(content)
    with claim(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()


@pytest.mark.parametrize("number, taken", [(errno.ENOLCK, True), (errno.EIO, False)])
def test_a_share_without_locks_is_told_from_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, taken: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.fcntl, "flock", refuse)
    if taken:
        with claim(tmp_path):
            assert json.loads((tmp_path / LOCK).read_text())["kind"] == "file"
    else:
        with pytest.raises(OSError, match="Input/output"), claim(tmp_path):
            pass
