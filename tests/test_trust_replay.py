"""A run is repeated from its manifest to the same bytes, and put into one archive that proves itself."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from sinkest.archives import unpack
from sinkest.config import LoadedConfig, RunConfig, load_config
from sinkest.errors import RunError
from sinkest.finished.bundle import bundle
from sinkest.finished.replay import _check_inputs, compare, other_program, replay
from sinkest.progress import Silent
from sinkest.runstore import RunStore
from sinkest.runstore.durable import content_key, file_sha256, pretty_json
from sinkest.runstore.manifest import coefficients
from tests.project_fixture import CONFIG, call, outputs, run_folder


@pytest.fixture
def run(finished: Path) -> Path:
    return run_folder(finished)


def rewritten(run: Path, folder: Path, **more: object) -> Path:
    """A manifest with other content, sealed anew."""
    content = RunStore(run).manifest() | more
    content.pop("manifest_sha256")
    folder.mkdir(exist_ok=True)
    path = folder / "manifest.json"
    path.write_bytes(pretty_json({**content, "manifest_sha256": content_key(content)}))
    return path


# -- manifest -------------------------------------------------------------------------------------------------------


def test_the_manifest_names_every_input_by_its_hash(finished: Path, run: Path) -> None:
    manifest = RunStore(run).manifest()
    listed = {item["path"]: item["sha256"] for item in manifest["inputs"]}
    tables = ["labels.geojson", "plots.csv", "reference.csv", "strata.csv", "wetland_sites.csv", "zones.geojson"]
    models = [f"models/{name}/model.toml" for name in ("land_cover", "stock")]
    scenes = [path.relative_to(finished).as_posix() for path in (finished / "stack").iterdir()]
    own = {*tables, *models, *scenes, "elevation.tif"}
    assert set(listed) == {*own, "shipped:configs/targets-zhuzhou.toml"}
    assert {name: listed[name] for name in own} == {name: file_sha256(finished / name) for name in own}
    assert manifest["config"]["sha256"] == file_sha256(finished / CONFIG)
    assert manifest["coefficients"] == coefficients()
    assert "conversion.csv" in coefficients()
    assert {"version", "code_sha256"} == set(manifest["program"])
    assert {"numpy", "rasterio", "scikit-learn"} <= set(manifest["environment"]["libraries"])


def test_a_default_that_is_written_out_changes_no_key(finished: Path, tmp_path: Path) -> None:
    """10000 as the program's default and 10000.0 as a file's number are one setting."""
    text = (finished / CONFIG).read_text(encoding="utf-8")
    (tmp_path / "config.toml").write_text(text.replace("folds = 2", "folds = 2\nfold_block_m = 10000.0"))
    plain, stated = (load_config(path).spec.model_dump_json() for path in (finished / CONFIG, tmp_path / "config.toml"))
    assert plain == stated


# -- replay ---------------------------------------------------------------------------------------------------------


def test_a_run_is_repeated_from_an_unpacked_bundle(
    finished: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack(bundle(run, tmp_path / "a.zip"), tmp_path / "record")
    manifest = tmp_path / "record" / run.name / "manifest.json"
    out = tmp_path / "again"
    assert call("replay", manifest, "--inputs", finished, "--out", out, "--workers", 2, "--block-size", 128) == 0
    said = capsys.readouterr().out
    assert "DIFFERENT" not in said
    sealed = [name for name in outputs(run) if not name.startswith("stages/") and name != "manifest.json"]
    assert f"all {len(sealed)} outputs are equal to the byte" in said
    assert {name: outputs(out / run.name)[name] for name in sealed} == {name: outputs(run)[name] for name in sealed}
    with pytest.raises(RunError, match="exists already"):
        replay(manifest, out, progress=Silent(), inputs=finished)


def test_inputs_that_are_not_the_recorded_ones_stop_a_replay(finished: Path, run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "inputs"
    shutil.copytree(finished, copy, ignore=shutil.ignore_patterns("runs"))
    (copy / "plots.csv").write_bytes((copy / "plots.csv").read_bytes() + b"\n")
    scene = sorted((copy / "stack").iterdir())[0]
    scene.unlink()
    with pytest.raises(RunError) as refused:
        replay(run, tmp_path / "out", progress=Silent(), inputs=copy)
    assert "2 input(s)" in str(refused.value)
    assert f"{copy / 'plots.csv'} has another SHA-256" in str(refused.value)
    assert f"{scene} is missing" in str(refused.value)
    assert not (tmp_path / "out").exists()


def described(finished: Path, run: Path, plots: Path | str) -> tuple[dict, LoadedConfig]:
    """A manifest whose plots lie elsewhere, kept by their bare name, and its configuration."""
    manifest = RunStore(run).manifest()
    settings = manifest["config"]["settings"]
    settings["stock"]["plots"] = str(plots)
    digest = file_sha256(finished / "plots.csv")
    manifest["inputs"] = [{"path": "measured.csv", "sha256": digest}]
    return manifest, LoadedConfig(finished / CONFIG, RunConfig.model_validate(settings))


@pytest.mark.parametrize("state", ["same", "changed", "moved"])
def test_an_input_beyond_the_folder_is_looked_for_where_the_configuration_says(
    finished: Path, run: Path, tmp_path: Path, state: str
) -> None:
    plots = tmp_path / "measured.csv"
    manifest, loaded = described(finished, run, plots)
    if state != "moved":
        plots.write_bytes((finished / "plots.csv").read_bytes() + b"\n" * (state == "changed"))
    if state == "same":
        _check_inputs(run, manifest, loaded)
        return
    says = "has another SHA-256" if state == "changed" else "is missing"
    with pytest.raises(RunError, match=rf"1 input.*measured\.csv {says}"):
        _check_inputs(run, manifest, loaded)


def test_another_file_of_that_name_beside_the_configuration_refuses_nothing(copy: Path, tmp_path: Path) -> None:
    """Nor does a folder that the configuration names: it is looked into."""
    plots = tmp_path / "far" / "measured.csv"
    plots.parent.mkdir()
    plots.write_bytes((copy / "plots.csv").read_bytes())
    (copy / "measured.csv").write_bytes(b"of another project")
    _check_inputs(copy, *described(copy, run_folder(copy), plots))
    (plots.parent / "measured.csv").write_bytes(b"of another project")
    with pytest.raises(RunError, match=r"far/measured\.csv has another SHA-256"):
        _check_inputs(copy, *described(copy, run_folder(copy), plots.parent))


@pytest.mark.parametrize(
    "more, says",
    [
        ({"format": 1}, "manifest of format 1"),
        ({"config": {}}, "not what sinkest wrote"),
        ({"config": {"path": "config.toml", "settings": {"version": 1}}}, "not what sinkest wrote"),
        ({"inputs": [{"path": "../../etc/passwd", "sha256": "0"}]}, "inputs: ../../etc/passwd"),
        ({"inputs": [{"path": "/etc/passwd", "sha256": "0"}]}, "inputs: /etc/passwd"),
        ({"stages": {"../x": None}}, "not what sinkest wrote"),
        ({"stages": {"map": {"key": 1}}}, "not what sinkest wrote"),
    ],
)
def test_a_manifest_that_cannot_serve_is_refused(
    run: Path, finished: Path, tmp_path: Path, more: dict, says: str
) -> None:
    with pytest.raises(RunError, match=says):
        replay(rewritten(run, tmp_path / "m", **more), tmp_path / "out", progress=Silent(), inputs=finished)
    assert not (tmp_path / "out").exists()


def test_another_program_and_other_libraries_are_told(run: Path) -> None:
    manifest = RunStore(run).manifest()
    assert list(other_program(manifest)) == []
    environment = {**manifest["environment"], "python": "3.9.0", "libraries": {"numpy": "1.0"}}
    program = {"version": "0.0.1", "code_sha256": "0" * 64}
    said = " ".join(note.text("en") for note in other_program({"program": program, "environment": environment}))
    assert "made with sinkest 0.0.1 (000000000000)" in said
    assert "numpy 1.0 / " in said
    assert "python 3.9.0 / " in said


def test_a_manifest_without_its_configuration_needs_a_folder(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"not what sinkest wrote \(config\)"):
        replay(rewritten(run, tmp_path / "m", config=None), tmp_path / "out", progress=Silent())


def test_outputs_are_compared_one_by_one() -> None:
    before = {"stages": {"map": {"outputs": {"a": "1", "b": "1", "c": "1"}}, "train": None}}
    after = {"stages": {"map": {"outputs": {"a": "1", "b": "2", "d": "1"}}}}
    found = [(problem.kind, problem.path) for problem in compare(before, after)]
    assert found == [("same", "map/a"), ("changed", "map/b"), ("missing", "map/c"), ("extra", "map/d")]


# -- bundle ---------------------------------------------------------------------------------------------------------


def test_equal_runs_give_equal_bundles_wherever_and_whenever(run: Path, tmp_path: Path) -> None:
    first = bundle(run, tmp_path / "a.zip")
    other = tmp_path / "elsewhere" / run.name
    shutil.copytree(run, other, copy_function=shutil.copyfile)
    assert bundle(other).read_bytes() == first.read_bytes()
    assert (tmp_path / "elsewhere" / f"{run.name}.bundle.zip").is_file()


def test_a_bundle_proves_itself_with_and_without_the_program(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record"
    unpack(bundle(run, tmp_path / "a.zip"), record)
    assert call("verify", record / run.name) == 0
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=record, check=False).returncode == 0
    assert outputs(record / run.name) == outputs(run)
    with (record / "INPUTS.csv").open(encoding="utf-8-sig", newline="") as stream:
        listed = {row["name"]: (row["kind"], row["sha256"]) for row in csv.DictReader(stream)}
    manifest = RunStore(run).manifest()
    assert listed["plots.csv"] == ("input", next(i["sha256"] for i in manifest["inputs"] if i["path"] == "plots.csv"))
    assert listed["config.toml"] == ("configuration", manifest["config"]["sha256"])
    assert {"coefficients", "program"} <= {kind for kind, _ in listed.values()}
    page = record / run.name / "report" / "report.html"
    page.write_bytes(page.read_bytes() + b" ")
    assert call("verify", record / run.name) == 1
    assert "changed since it was written: report/report.html" in capsys.readouterr().out
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=record, check=False).returncode == 1


def test_what_is_not_of_the_run_is_left_out(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / run.name
    shutil.copytree(run, copy)
    (copy / "notes.txt").write_text("mine")
    with zipfile.ZipFile(bundle(copy, tmp_path / "a.zip")) as archive:
        names = archive.namelist()
    assert not [name for name in names if "notes" in name or "/." in name]


def test_a_run_that_was_changed_is_not_put_on_record(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / run.name
    shutil.copytree(run, copy)
    (copy / "estimate" / "estimates.csv").write_text("forged")
    with pytest.raises(RunError, match=r"would be wrong|estimates\.csv"):
        bundle(copy, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
    (copy / "manifest.json").unlink()
    with pytest.raises(RunError, match=r"no manifest\.json"):
        bundle(copy)


def test_a_manifest_survives_the_round_trip(run: Path) -> None:
    content = (run / "manifest.json").read_bytes()
    assert pretty_json(json.loads(content)) == content
