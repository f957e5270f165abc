"""A second run: what is reused, what is done anew, and that it says so."""

from pathlib import Path

import pytest

from sinkest.runstore import RunStore
from tests.project_fixture import CONFIG, STAGES, call, edit, outputs, run_folder

NAMES = {
    "compose": "compose imagery",
    "train": "train models",
    "map": "make maps",
    "estimate": "estimate",
    "report": "write report",
}


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said on standard error, wrapped lines joined."""
    return " ".join(capsys.readouterr().err.split())


def reused(said: str) -> list[str]:
    return [stage for stage in STAGES if f"{NAMES[stage]}: reused; inputs, models, configuration" in said]


def changed_stages(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Stages of which at least one output differs, and not only its seal."""
    return {name.split("/")[0] for name in {*before, *after} if before.get(name) != after.get(name)} & set(STAGES)


def test_an_unchanged_run_is_reused_whole_and_says_so(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for stage in STAGES for path in (run_folder(copy) / stage).rglob("*")}
    content = outputs(run_folder(copy))
    assert call("run", copy / CONFIG) == 0
    assert reused(told(capsys)) == list(STAGES)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert outputs(run_folder(copy)) == content


def test_a_moved_project_is_reused_whole(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy.rename(tmp_path / "elsewhere")
    assert call("run", tmp_path / "elsewhere" / CONFIG) == 0
    assert reused(told(capsys)) == list(STAGES)


def test_how_the_work_is_done_changes_nothing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = outputs(run_folder(copy))
    assert call("run", copy / CONFIG, "--workers", "2", "--block-size", "512") == 0
    assert reused(told(capsys)) == list(STAGES)
    assert outputs(run_folder(copy)) == content
    manifest = RunStore(run_folder(copy)).manifest()
    edit(copy / CONFIG, "block_size = 256\nworkers = 1", "block_size = 128\nworkers = 2")
    assert call("run", copy / CONFIG) == 0
    assert reused(told(capsys)) == list(STAGES)
    after = RunStore(run_folder(copy)).manifest()
    assert after["config"].pop("sha256") != manifest["config"].pop("sha256"), "the record names the file as it is"
    assert after.pop("manifest_sha256") != manifest.pop("manifest_sha256")
    assert after == manifest
    assert changed_stages(content, outputs(run_folder(copy))) == set()


def test_another_level_redoes_estimates_and_report_and_going_back_gives_the_same_bytes(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = outputs(run_folder(copy))
    edit(copy / CONFIG, "level = 0.95", "level = 0.9")
    assert call("run", copy / CONFIG) == 0
    said = told(capsys)
    assert reused(said) == ["compose", "train", "map"]
    assert "estimate: done anew, because this changed: estimate" in said
    assert "write report: done anew, because this changed: estimate" in said
    assert changed_stages(before, outputs(run_folder(copy))) == {"estimate", "report"}
    assert call("verify", run_folder(copy)) == 0
    edit(copy / CONFIG, "level = 0.9", "level = 0.95")
    assert call("run", copy / CONFIG) == 0
    assert outputs(run_folder(copy)) == before


def test_another_title_redoes_the_report_only(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = outputs(run_folder(copy))
    with (copy / CONFIG).open("a", encoding="utf-8") as config:
        config.write('\n[report]\ntitle_en = "Districts under review"\nmap_pixels = 100\n')
    assert call("run", copy / CONFIG) == 0
    said = told(capsys)
    assert reused(said) == ["compose", "train", "map", "estimate"]
    assert "write report: done anew, because this changed: report" in said
    assert changed_stages(before, outputs(run_folder(copy))) == {"report"}
    page = (run_folder(copy) / "report" / "report.html").read_text(encoding="utf-8")
    assert "Districts under review" in page


@pytest.mark.parametrize(
    ("until", "old", "new", "kept", "what"),
    [
        ("map", "min_area_ha = 0.0667", "min_area_ha = 5.0", ["compose", "train"], "make maps"),
        ("train", 'design = "systematic"', 'design = "systematic"\nfold_block_m = 5000', ["compose"], "train models"),
    ],
)
def test_a_changed_key_redoes_only_what_depends_on_it(
    copy: Path, capsys: pytest.CaptureFixture[str], until: str, old: str, new: str, kept: list[str], what: str
) -> None:
    edit(copy / CONFIG, old, new)
    assert call(until, copy / CONFIG) == 0
    said = told(capsys)
    assert reused(said) == kept
    part = {"map": "forest", "train": "stock"}[until]
    assert f"{what}: done anew, because this changed: {part}" in said


def test_a_changed_table_redoes_the_models(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (copy / "plots.csv").read_text(encoding="utf-8-sig").splitlines()
    (copy / "plots.csv").write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8-sig")
    assert call("train", copy / CONFIG) == 0
    said = told(capsys)
    assert reused(said) == ["compose"]
    assert "train models: done anew, because this changed: plots" in said


def test_a_changed_scene_redoes_the_composite(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = sorted((copy / "stack").glob("*.tif"))
    scenes[0].unlink()
    assert call("compose", copy / CONFIG) == 0
    said = told(capsys)
    assert "compose imagery: done anew, because this changed: files, source" in said


def test_a_damaged_output_is_made_again(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = outputs(run_folder(copy))
    target = run_folder(copy) / "report" / "report.html"
    target.write_bytes(target.read_bytes()[:-1])
    assert call("verify", run_folder(copy)) == 1
    assert "changed since it was written: report/report.html" in capsys.readouterr().out
    assert call("run", copy / CONFIG) == 0
    said = told(capsys)
    assert reused(said) == ["compose", "train", "map", "estimate"]
    assert "write report: done anew, because outputs on disk are not as they were written" in said
    assert outputs(run_folder(copy)) == before


def test_two_names_do_not_share_a_folder(copy: Path) -> None:
    before = outputs(run_folder(copy))
    edit(copy / CONFIG, 'name = "districts"', 'name = "other"')
    assert call("compose", copy / CONFIG) == 0
    assert (copy / "runs" / "other-2025" / "compose" / "composite.tif").is_file()
    assert outputs(run_folder(copy)) == before
