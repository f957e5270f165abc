import hashlib
import json
import os
from pathlib import Path

import pytest

from sinkest.errors import InputError, RunError
from sinkest.runstore import RunStore, atomic_path, canonical_json, content_key, file_sha256, write_bytes


def work(content: str, calls: list[str] | None = None):
    def do(folder: Path) -> None:
        if calls is not None:
            calls.append(content)
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub" / "out.txt").write_text(content)
        (folder / ".parts").mkdir(exist_ok=True)

    return do


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "run")


def test_a_stage_runs_once_for_equal_parts(store: RunStore) -> None:
    calls: list[str] = []
    assert store.run_stage("map", {"a": 1, "b": 2}, work("x", calls))
    assert not store.run_stage("map", {"b": 2, "a": 1}, work("x", calls))
    assert calls == ["x"]
    assert (store.folder("map") / "sub" / "out.txt").read_text() == "x"
    assert not (store.folder("map") / ".parts").exists()


def test_a_half_that_a_killed_run_left_in_a_hidden_folder_does_not_stop_the_next(store: RunStore) -> None:
    """Killed while a block was written, and gone on with another size of blocks: nobody else clears that folder."""
    left = store.root / ".work" / f"map-{content_key({'a': 1})[:16]}" / ".parts-256"
    left.mkdir(parents=True)
    (left / ".0-0.npz.77.tmp").write_bytes(b"half")
    assert store.run_stage("map", {"a": 1}, work("x"))
    assert [path.name for path in store.folder("map").rglob("*")] == ["sub", "out.txt"]
    assert store.state("map", content_key({"a": 1})) == "fresh"


def test_a_stage_runs_again_when_a_part_changes(store: RunStore) -> None:
    store.run_stage("map", {"a": 1, "b": 2}, work("x"))
    assert store.changed_parts("map", {"a": 1, "b": 3}) == ["b"]
    assert store.run_stage("map", {"a": 1, "b": 3}, work("y"))
    assert (store.folder("map") / "sub" / "out.txt").read_text() == "y"


@pytest.mark.parametrize("harm", ["change", "remove", "add"])
def test_a_damaged_stage_is_not_reused(store: RunStore, harm: str) -> None:
    store.run_stage("map", {"a": 1}, work("x"))
    output = store.folder("map") / "sub" / "out.txt"
    if harm == "change":
        output.write_text("z")
    elif harm == "remove":
        output.unlink()
    else:
        (store.folder("map") / "other.txt").write_text("z")
    assert store.state("map", content_key({"a": 1})) == "damaged"
    assert store.run_stage("map", {"a": 1}, work("x"))


def test_an_interrupted_stage_keeps_its_working_folder(store: RunStore) -> None:
    def broken(folder: Path) -> None:
        (folder / ".parts").mkdir()
        (folder / ".parts" / "one").write_text("1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.run_stage("map", {"a": 1}, broken)
    seen: list[bool] = []
    store.run_stage("map", {"a": 1}, lambda folder: seen.append((folder / ".parts" / "one").is_file()))
    assert seen == [True]


def test_the_working_folder_of_another_key_is_dropped(store: RunStore) -> None:
    def broken(folder: Path) -> None:
        (folder / "left").write_text("1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.run_stage("map", {"a": 1}, broken)
    store.run_stage("map", {"a": 2}, work("x"))
    assert list((store.root / ".work").glob("map-*")) == []
    assert not (store.folder("map") / "left").exists()


def test_verify_names_what_differs(store: RunStore) -> None:
    store.run_stage("map", {"a": 1}, work("x"))
    store.run_stage("report", {"a": 1}, work("r"))
    store.write_manifest({"name": "t"}, ["map", "report"])
    assert store.verify() == []
    (store.folder("map") / "sub" / "out.txt").write_text("z")
    (store.folder("report") / "more.txt").write_text("z")
    (store.folder("report") / "sub" / "out.txt").unlink()
    found = [(problem.kind, problem.path) for problem in store.verify()]
    assert found == [("changed", "map/sub/out.txt"), ("missing", "report/sub/out.txt"), ("extra", "report/more.txt")]


def test_verify_sees_a_changed_seal(store: RunStore) -> None:
    store.run_stage("map", {"a": 1}, work("x"))
    store.write_manifest({}, ["map"])
    seal = store.root / "stages" / "map.json"
    content = json.loads(seal.read_text())
    content["parts"]["a"] = 2
    seal.write_text(json.dumps(content))
    assert [problem.path for problem in store.verify()] == ["stages/map.json"]


@pytest.fixture
def finished(store: RunStore) -> RunStore:
    store.run_stage("map", {"a": 1}, work("x"))
    store.write_manifest({"name": "t"}, ["map"])
    assert store.verify() == []
    return store


def found(store: RunStore) -> list[tuple[str, str]]:
    return [(problem.kind, problem.path) for problem in store.verify()]


@pytest.mark.parametrize("name", ["manifest.json", "stages/map.json", "map/sub/out.txt"])
def test_verify_names_any_changed_byte(finished: RunStore, name: str) -> None:
    path = finished.root / name
    whole = path.read_bytes()
    for place in range(0, len(whole), max(len(whole) // 20, 1)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert ("changed", name) in found(finished)
        except RunError as error:
            assert name == "manifest.json"
            assert "not what sinkest wrote" in str(error)
    for other in (whole + b"\n", whole[:-1]):
        path.write_bytes(other)
        assert ("changed", name) in found(finished)


@pytest.mark.parametrize("name", ["map/.hidden", "map/sub/more", "more.html", "stages/old.json", ".extra", "map/link"])
def test_verify_names_whatever_was_added(finished: RunStore, name: str) -> None:
    path = finished.root / name
    if name.endswith("link"):
        path.symlink_to("/etc/passwd")
    else:
        path.write_text("x")
    assert found(finished) == [("extra", name)]


def test_a_link_to_the_same_bytes_is_not_the_output(finished: RunStore, tmp_path: Path) -> None:
    output = finished.folder("map") / "sub" / "out.txt"
    output.rename(tmp_path / "kept")
    output.symlink_to(tmp_path / "kept")
    assert found(finished) == [("changed", "map/sub/out.txt")]
    output.unlink()
    (tmp_path / "kept").rename(output)
    finished.folder("map").rename(tmp_path / "map")
    finished.folder("map").symlink_to(tmp_path / "map")
    assert found(finished) == [("changed", "map")]


def test_a_pipe_in_place_of_an_output_does_not_hang(finished: RunStore) -> None:
    output = finished.folder("map") / "sub" / "out.txt"
    output.unlink()
    os.mkfifo(output)
    assert found(finished) == [("changed", "map/sub/out.txt")]


def test_an_input_that_changes_under_the_work_is_not_sealed(store: RunStore, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("1")

    def parts() -> dict[str, str]:
        return {"file": RunStore(store.root).input_hash(source), "seed": "1"}

    def changing(folder: Path) -> None:
        (folder / "out").write_text(source.read_text())
        source.write_text("2")

    with pytest.raises(RunError, match=r"stage map changed while it was at work \(file\)"):
        store.run_stage("map", parts(), changing, parts)
    assert store.seal("map") is None
    assert not store.folder("map").exists()
    assert list((store.root / ".work").iterdir()) == []
    assert store.run_stage("map", parts(), work("x"), parts)


def test_halves_of_a_killed_writer_are_removed(finished: RunStore, tmp_path: Path) -> None:
    for name in (".manifest.json.77.tmp", "stages/.map.json.77.tmp"):
        (finished.root / name).write_text("half")
    assert len(found(finished)) == 2
    with finished.claimed(tmp_path / "config.toml"):
        assert found(finished) == []


def test_everything_is_synced_before_it_is_put_in_place(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and the folders that name them first, then the rename, then the folder that holds it, then the seal."""
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append("sync " + os.path.relpath(os.readlink(f"/proc/self/fd/{handle}"), store.root))
        sync(handle)

    def replaced(old: str, new: str) -> None:
        done.append("put " + os.path.relpath(new, store.root))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    store.run_stage("map", {"a": 1}, work("x"))
    working = f".work/map-{content_key({'a': 1})[:16]}"
    first = done.index(f"sync {working}/sub/out.txt")
    assert done[first : first + 5] == [
        f"sync {working}/sub/out.txt",
        f"sync {working}/sub",
        f"sync {working}",
        "put map",
        "sync .",
    ]
    assert done[-2:] == ["put stages/map.json", "sync stages"]


def test_a_hash_is_remembered_only_of_a_file_at_rest(tmp_path: Path) -> None:
    """A file that was just written, or whose time lies ahead of a clock that was set back, is hashed each time."""
    source = tmp_path / "in"
    store = RunStore(tmp_path / "run")
    for content in (b"one", b"two"):
        source.write_bytes(content)
        os.utime(source, ns=(10**18, 10**18))
        assert store.input_hash(source) == hashlib.sha256(content).hexdigest()
    os.utime(source, ns=(4 * 10**18, 4 * 10**18))
    store.input_hash(source)
    assert store._hash_cache == {}


def test_inputs_that_were_used_are_known(tmp_path: Path, store: RunStore) -> None:
    (tmp_path / "in").write_bytes(b"one")
    digest = store.input_hash(tmp_path / "in")
    assert store.used == {tmp_path / "in": digest}


def test_a_folder_without_manifest_is_refused(store: RunStore) -> None:
    with pytest.raises(RunError, match=r"no manifest\.json"):
        store.verify()


def test_a_broken_manifest_is_refused(store: RunStore) -> None:
    write_bytes(store.root / "manifest.json", b"{")
    with pytest.raises(RunError, match="not what sinkest wrote"):
        store.manifest()


def test_atomic_write_leaves_the_old_file_after_an_error(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_bytes(target, b"old")

    def spoil() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        spoil()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(RunError, match="file cannot be written"):
        write_bytes(tmp_path / "file", b"x")


def test_input_hash_follows_the_content(tmp_path: Path, store: RunStore) -> None:
    source = tmp_path / "in"
    source.write_bytes(b"one")
    first = store.input_hash(source)
    source.write_bytes(b"three")
    assert first == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"  # sha256 of b"one"
    assert store.input_hash(source) == file_sha256(source) != first


def test_a_missing_input_is_named(tmp_path: Path, store: RunStore) -> None:
    with pytest.raises(InputError, match=r"gone\.csv cannot be read"):
        store.input_hash(tmp_path / "gone.csv")


def test_canonical_json_ignores_key_order() -> None:
    assert canonical_json({"b": 1, "a": [1, 2]}) == canonical_json({"a": [1, 2], "b": 1})
