"""Files that once broke a reader, and a few new ones each time; ``python -m tests.fuzz`` reads a hundred thousand."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fuzz import KEPT, fuzz, judge, mutated
from tests.fuzz_readers import Reader, make_readers

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "files"


@pytest.fixture(scope="module")
def readers(folder: Path) -> Mapping[str, Reader]:
    return make_readers(folder)


def seeds() -> list[Path]:
    return sorted(KEPT.glob("*--*"))


def test_there_are_seeds() -> None:
    assert len(seeds()) >= 10


@pytest.mark.parametrize("seed", seeds(), ids=lambda path: path.name)
def test_what_once_broke_a_reader_is_refused(readers: Mapping[str, Reader], folder: Path, seed: Path) -> None:
    reader = readers[seed.name.split("--")[0].replace("-", " ")]
    path = folder / reader.name
    path.write_bytes(seed.read_bytes())
    assert judge(reader, path) == "refused"


def test_honest_files_are_read(readers: Mapping[str, Reader], folder: Path) -> None:
    """But for the XML of a product, which names bands that do not lie beside it, and a bare archive's like."""
    refused = set()
    for name, reader in readers.items():
        (folder / reader.name).write_bytes(reader.seeds[0])
        verdict = judge(reader, folder / reader.name)
        assert verdict in {"read", "refused"}, name
        if verdict == "refused":
            refused.add(name)
    assert refused <= {"safe xml", "coefficients", "zones kml", "labels geojson"}


@pytest.mark.parametrize("name", ["tiff", "plots xlsx", "zones zip", "model", "manifest", "archive", "configuration"])
def test_changed_files_are_read_or_refused(readers: Mapping[str, Reader], folder: Path, name: str) -> None:
    rng, reader = random.Random(name), readers[name]
    path = folder / reader.name
    for _ in range(25):
        content = mutated(reader.seeds, rng)
        path.write_bytes(content)
        assert judge(reader, path) in {"read", "refused"}, content[:200]


def test_a_reader_that_breaks_hangs_or_dies_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The judge itself: what is not one of our errors counts as wrong, also the end of the process."""
    import os

    def broken(_path: Path) -> None:
        raise KeyError("x")

    assert judge(Reader("a", broken, (b"",)), tmp_path).startswith("KeyError")
    dying = {"dying": Reader("a", lambda _path: os.kill(os.getpid(), 9), ())}

    def make(folder: Path) -> dict[str, Reader]:
        folder.mkdir()
        return {"dying": Reader("a", dying["dying"].read, ())} | {}

    def changed(_seeds: object, _rng: object) -> bytes:
        return b"deadly"

    monkeypatch.setattr("tests.fuzz.make_readers", make)
    monkeypatch.setattr("tests.fuzz.mutated", changed)
    tally = fuzz("dying", 1, 1, tmp_path)
    assert tally.counts["wrong"] == 1
    assert tally.wrong == ["the process ended with -9"]
    assert [path.read_bytes() for path in (tmp_path / "kept").iterdir()] == [b"deadly"]
