"""Stopped in whatever way and wherever: what was finished stays, nothing half written counts, the same command goes on.

``python -m tests.kill_resume`` does the same at more moments and prints a table.
"""

import errno
import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sinkest.cli.listeners import Lines
from sinkest.runstore import RunStore
from tests.kill_resume import is_sound, kill_after
from tests.project_fixture import CONFIG, STAGES, call, edit, forget, outputs, run_folder, sealed_stages

LEFT_OVER = "what was finished before stays as it was, and the same command goes on from there"


def others(run: Path, stage: str) -> dict[str, str]:
    """Outputs of all other stages."""
    own = (f"{stage}/", "stages/", "manifest.json")
    return {name: digest for name, digest in outputs(run).items() if not name.startswith(own)}


def interrupt_in(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ctrl-C come when a stage tells its first finished step."""
    begin, advance = Lines.begin, Lines.advance
    current: list[str] = []

    def remembered(self: Lines, name: str, total: int) -> None:
        current.append(name)
        begin(self, name, total)

    def interrupted(self: Lines, steps: int) -> None:
        if current[-1] == stage:
            raise KeyboardInterrupt
        advance(self, steps)

    monkeypatch.setattr(Lines, "begin", remembered)
    monkeypatch.setattr(Lines, "advance", interrupted)


@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupted_stage_leaves_no_output_and_goes_on(
    copy: Path, stage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_folder(copy)
    whole, kept = outputs(run), others(run, stage)
    forget(run, stage)
    with monkeypatch.context() as patch:
        interrupt_in(stage, patch)
        assert call("run", copy / CONFIG, "--workers", "2", "--block-size", "128") == 130
    assert "Interrupted. Nothing is lost" in capsys.readouterr().err
    assert not (run / stage).exists()
    assert sealed_stages(run) == [name for name in STAGES if name != stage]
    assert others(run, stage) == kept
    assert call("run", copy / CONFIG, "--workers", "2", "--block-size", "128") == 0
    said = capsys.readouterr().err
    assert said.count(": reused;") == len(STAGES) - 1
    if stage in {"compose", "map"}:
        assert "goes on" in said
    assert outputs(run) == whole


def test_a_run_stopped_in_every_way_goes_on_to_the_same_bytes(
    project: Path,
    finished: Path,
    tmp_path: Path,
) -> None:
    """Ctrl-C, a request to terminate, and a kill, each on the run that the one before has left."""
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    for sign, seconds in ((signal.SIGINT, 0.0), (signal.SIGTERM, 0.3)):
        code, said = kill_after(copy, seconds, sign)
        assert code == 130
        assert said.splitlines()[-1] == "Interrupted. Nothing is lost: the same command goes on where it was."
        assert "Traceback" not in said
        assert is_sound(run_folder(copy))
    rng = random.Random(20250101)
    kill_after(copy, rng.uniform(0.2, 4.0))
    assert is_sound(run_folder(copy))
    assert call("run", copy / CONFIG) == 0
    assert outputs(run_folder(copy)) == outputs(run_folder(finished))


# -- no space on the disk -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_in_a_stage_is_one_clear_error(
    copy: Path, stage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_folder(copy)
    kept = others(run, stage)
    forget(run, stage)
    sync = os.fsync

    def full(handle: int) -> None:
        if f"/.work/{stage}-" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert call("run", copy / CONFIG) == 2
    said = capsys.readouterr().err
    last = said.splitlines()[-1]
    assert last.startswith(f"Error: {run}")
    assert f"/.work/{stage}-" in last
    assert "cannot be written: No space left on device. Check free disk space" in last
    assert LEFT_OVER in last
    assert not (run / stage).exists()
    assert others(run, stage) == kept


def test_no_memory_for_another_thread_is_one_clear_error(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python gives it another name than other want of memory."""
    run = run_folder(copy)
    whole = outputs(run)
    forget(run, "map")

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        assert call("map", copy / CONFIG, "--workers", "2", "--block-size", "128") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("Error: memory is not enough. Nothing is lost: the same command goes on where it was.")
    assert call("run", copy / CONFIG) == 0
    assert outputs(run) == whole


def test_ctrl_c_within_a_compiled_function_is_ctrl_c(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python makes another error of it there."""

    def stopped(*_: object, **__: object) -> None:
        raise SystemError("returned a result with an exception set") from KeyboardInterrupt()

    monkeypatch.setattr("sinkest.workflow.run", stopped)
    assert call("run", copy / CONFIG) == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("Interrupted. Nothing is lost")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory, to be mounted with a size; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not mounted(folder, 64):
        pytest.skip("no right to mount a small file system here")
    subprocess.run(["umount", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=False, capture_output=True)


def mounted(folder: Path, kib: int, more: str = "") -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"{more}size={kib}k", "tmpfs", str(folder)]
    return shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("share", [0.1, 0.7, 0.95, 1.02])
def test_a_run_on_a_disk_that_fills_up_is_refused_or_right(
    project: Path,
    finished: Path,
    small_disk: Path,
    tmp_path: Path,
    share: float,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A real file system of too few bytes: ``share`` of what the first stage needs at its peak (blocks and map)."""
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    edit(copy / CONFIG, "seed = 7\n", f'seed = 7\nruns = "{small_disk}"\n')
    composite = (run_folder(finished) / "compose" / "composite.tif").stat().st_size
    blocks = 270 * 256 * 12 * 2  # pixels, layers, bytes a number
    assert mounted(small_disk, int(share * (blocks + 2 * composite) / 1024))
    code = call("compose", copy / CONFIG)
    said = capsys.readouterr().err
    run = small_disk / "districts-2025"
    if code == 0:
        assert RunStore(run).state("compose", RunStore(run).seal("compose")["key"]) == "fresh"  # type: ignore[index]
    else:
        assert code == 2, said
        assert "Check free disk space" in said
        assert "Traceback" not in said
        assert not (run / "compose").exists()
        subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
        assert call("compose", copy / CONFIG) == 0
    made, expected = (folder / "compose" / "composite.tif" for folder in (run, run_folder(finished)))
    assert made.read_bytes() == expected.read_bytes()
