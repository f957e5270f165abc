import json
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
