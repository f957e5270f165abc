"""One truth through GeoTIFFs, SAFE products and two catalogues: the same cube, also after a server failed mid-run."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.cross_source import CUBE_TOLERANCE, cube
from tests.project_fixture import call, copied, edit
from tests.servers.cross import make_truth, publishers, write_sources
from tests.servers.stac import StacServer

NAME = "planetary-computer"


@pytest.fixture(scope="module")
def served(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, StacServer]]:
    """The project with a composite of every source, and the server that still tells the last catalogue."""
    folder = tmp_path_factory.mktemp("cross")
    made = copied(project, folder)
    (folder / "files").mkdir()
    truth = make_truth(made)
    with StacServer(folder / "files") as server:
        files, publish = write_sources(made, truth, server), publishers(truth, server)
        for name in ("stack", "safe", "earth-search", NAME):
            publish.get(name, lambda: None)()
            assert call("--lang", "en", "-q", "compose", made / files[name]) == 0
        yield made, server


@pytest.mark.parametrize("name", ["safe", NAME])
def test_sources_that_store_the_same_numbers_give_the_same_cube(served: tuple[Path, StacServer], name: str) -> None:
    np.testing.assert_array_equal(cube(served[0], name), cube(served[0], "stack"))


def test_an_archive_without_the_offset_gives_the_same_cube_but_for_rounding(served: tuple[Path, StacServer]) -> None:
    found, expected = cube(served[0], "earth-search"), cube(served[0], "stack")
    assert (expected[0] > 0).mean() > 0.3
    assert np.abs(found - expected).max() <= CUBE_TOLERANCE


# -- when a server fails --------------------------------------------------------------------------------------------


def compose(project: Path, name: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = call("--lang", "en", "compose", project / f"{name}.toml")
    told = capsys.readouterr()
    return code, told.out + told.err


def variant(project: Path, name: str, extra: str) -> Path:
    """The configuration under another name, with more settings of the catalogue."""
    text = (project / f"{NAME}.toml").read_text(encoding="utf-8").replace(f'name = "{NAME}"', f'name = "{name}"', 1)
    text = text.replace("retry_delay_s = 0.01", f"retry_delay_s = 0.01\nretries = 1\n{extra}")
    (project / f"{name}.toml").write_text(text, encoding="utf-8")
    return project / "runs" / f"{name}-2025" / "compose"


def fresh(server: StacServer, mark: str) -> None:
    """Serve the same files under addresses that nobody asked for."""
    text = json.dumps(server.items)
    base = f"{server.url}/files/"
    old = text[text.index(base) + len(base) :].split("/")[0]
    server.items = json.loads(text.replace(f"{base}{old}/" if old.startswith("~") else base, f"{base}~{mark}/"))


def digest(folder: Path) -> str:
    with rasterio.open(folder / "composite.tif") as raster:
        return hashlib.sha256(raster.read().tobytes()).hexdigest()


def test_a_run_that_stops_goes_on_and_one_that_may_miss_tells(
    served: tuple[Path, StacServer], capsys: pytest.CaptureFixture[str]
) -> None:
    project, server = served
    lost, name = server.items[2]["id"], Path(server.items[2]["assets"]["B11"]["href"]).name
    whole = project / "runs" / f"{NAME}-2025" / "compose"
    fresh(server, "broken")
    broken = variant(project, "broken", "")
    server.fault(f"~broken/{name}", "404", 10_000)
    code, told = compose(project, "broken", capsys)
    assert code == 2
    assert f"item {lost}, asset B11 could not be read" in told
    assert "no such file" in told
    server.clear()
    fresh(server, "mended")
    assert compose(project, "broken", capsys)[0] == 0
    assert digest(broken) == digest(whole)

    fresh(server, "missing")
    missing = variant(project, "missing", "allowed_failures = 500")
    server.fault(f"~missing/{name}", "404", 10_000)
    code, told = compose(project, "missing", capsys)
    assert code == 0
    gaps = json.loads((missing / "gaps.json").read_text(encoding="utf-8"))
    assert {(gap["scene"], gap["asset"]) for gap in gaps} == {(lost, "B11")}
    assert f"{len(gaps)} reads failed and count as not seen" in " ".join(told.split())
    assert digest(missing) != digest(whole)
    assert not list(missing.glob(".parts*"))
    server.clear()


def test_a_wrong_offset_is_noticed_in_one_pass_too(
    served: tuple[Path, StacServer], capsys: pytest.CaptureFixture[str]
) -> None:
    project, server = served
    fresh(server, "once")
    variant(project, "once", 'offsets = "none"')
    edit(project / "once.toml", "workers = 1", "workers = 1\nkeep_composite = false")
    assert call("--lang", "en", "map", project / "once.toml") == 0
    told = capsys.readouterr()
    assert (told.out + told.err).count("scenes have hardly a dark pixel") == 1


def test_check_tells_what_a_folder_of_products_holds(
    served: tuple[Path, StacServer], capsys: pytest.CaptureFixture[str]
) -> None:
    project, _ = served
    (project / "cross" / "safe" / "odd.tif").write_bytes(b"no raster")
    text = (project / "safe.toml").read_text(encoding="utf-8").partition("\n[land_cover]")[0]
    (project / "look.toml").write_text(text.replace('name = "safe"', 'name = "look"', 1), encoding="utf-8")
    assert call("--lang", "en", "check", project / "look.toml") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Sentinel-2 L2A 4" in told
    assert "1 not used: odd.tif" in told
