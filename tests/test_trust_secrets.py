"""Nothing that a run writes tells a secret, may be written by others, or was fetched from anywhere it should not be."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from sinkest.archives import unpack
from sinkest.finished.bundle import bundle
from tests.project_fixture import CONFIG, call, edit, run_folder

SECRET = "s3cr3t-" + "k0pf-" * 4
PLACE = "where-the-key-of-the-account-lies"
PLANTED = {
    "EARTHENGINE_TOKEN": SECRET,
    "EE_SERVICE_ACCOUNT_KEY": SECRET,
    "GOOGLE_APPLICATION_CREDENTIALS": f"/home/wang/{PLACE}/key.json",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": SECRET,
    "PC_SDK_SUBSCRIPTION_KEY": SECRET,
    "EARTHDATA_PASSWORD": SECRET,
    "HTTPS_PROXY": f"http://wang:{SECRET}@proxy.invalid:8080",
}


@pytest.fixture
def planted(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose tables lie in a folder that only a variable names, with secrets all around."""
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    vault = tmp_path / SECRET
    vault.mkdir()
    (copy / "wetland_sites.csv").rename(vault / "wetland_sites.csv")
    key = {"type": "service_account", "private_key": SECRET, "client_email": "run@invalid"}
    (vault / "key.json").write_text(json.dumps(key))
    monkeypatch.setenv("SITES_FOLDER", str(vault))
    edit(copy / CONFIG, '"wetland_sites.csv"', '"$SITES_FOLDER/wetland_sites.csv"')
    shutil.rmtree(run_folder(copy) / "report")
    return copy


def holding(folder: Path, *needles: str) -> list[str]:
    """Files below a folder whose bytes, packed ones unpacked, hold one of the strings."""
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        contents = [path.read_bytes()]
        if path.suffix in {".xlsx", ".docx", ".skops", ".zip"}:
            out = folder.parent / f"unpacked-{path.name}"
            contents += [inner.read_bytes() for inner in unpack(path, out)]
            shutil.rmtree(out)
        if any(needle.encode() in content for needle in needles for content in contents):
            found.append(path.relative_to(folder).as_posix())
    return found


def test_a_run_writes_no_secret_and_nothing_that_others_may_change(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    contacted: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _self, address: contacted.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_args, **_named: contacted.append(host) or [])
    run = run_folder(planted)
    before = os.umask(0o022)
    try:
        assert call("run", planted / CONFIG) == 0
    finally:
        os.umask(before)
    modes = {path.relative_to(run).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in run.rglob("*")}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o022} == {}, "others may write it"
    assert {name for name, mode in modes.items() if (run / name).is_file() and mode & 0o111} == set()
    for command in (("verify", run), ("show", run), ("explain", run, "growing_stock"), ("doctor",)):
        assert call(*command) == 0
    assert contacted == [], "a run on files of this machine needs no other one"
    said = capsys.readouterr()
    # What the bundle lists and what any file of the run holds; the cache of hashes names files by their place.
    unpack(bundle(run, tmp_path / "a.zip"), tmp_path / "record")
    assert holding(tmp_path / "record", SECRET, PLACE) == []
    assert set(holding(run, SECRET, PLACE)) <= {".hashes.json"}
    assert "private_key" not in said.out + said.err
    # doctor may tell on the terminal where it looked for a key, never what stands in it
    assert SECRET not in said.out
    listed = json.loads((run / "manifest.json").read_text())["inputs"]
    assert "wetland_sites.csv" in [item["path"] for item in listed]
