"""Answers to machines and to those who want quiet; runs listed and compared; words completed in a shell."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sinkest.cli.listeners import Bars, JsonLines, Lines, rate
from sinkest.cli.manner import as_json
from sinkest.errors import InputError, RunError
from sinkest.finished.compare import compare
from sinkest.finished.runlist import list_runs
from sinkest.messages import Message
from sinkest.report.summary import summary
from tests.project_fixture import call, edit, estimates, run_folder
from tests.report_fixture import report_data


@pytest.fixture(scope="module")
def folder(finished: Path) -> Path:
    return run_folder(finished)


def asked(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, int]:
    code = call("--json", *arguments)
    return json.loads(capsys.readouterr().out), code


# -- machines ---------------------------------------------------------------------------------------------------------


def test_a_run_answers_with_its_figures_and_verdicts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, code = asked(capsys, "show", folder)
    assert code == 0
    figures = {item["quantity"]: item for item in found["figures"]}
    table = estimates(folder).set_index(["quantity", "zone"])
    stock = figures["growing_stock"]
    assert stock["value"] == table.loc[("growing_stock", "all"), "value"]
    assert stock["unit"] == "m3"
    assert Path(found["report"]).is_file()
    assert {item["verdict"] for item in found["targets"]} <= {"met", "not_met", "cannot_tell", "not_assessed"}


def test_options_stand_before_or_after_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, _ = asked(capsys, "verify", folder)
    assert call("verify", folder, "--json") == 0
    assert json.loads(capsys.readouterr().out) == before == {"run": str(folder), "ok": True, "problems": []}


def test_a_finished_run_asked_again_tells_events_and_answers(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", copy / "config.toml", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["run"] == str(run_folder(copy))
    events = [json.loads(line) for line in told.err.splitlines()]
    assert {event["event"] for event in events} == {"say"}
    assert {event["key"] for event in events} == {"cli.reused"}


def test_a_check_answers_with_its_problems(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "plots.csv").unlink()
    found, code = asked(capsys, "check", copy / "config.toml")
    assert code == 2
    assert not found["ok"]
    assert any("plots.csv" in problem for problem in found["problems"])


@pytest.mark.parametrize(
    ("arguments", "key"), [(["show", "/nowhere"], "run.no_manifest"), (["run"], "cli.usage"), (["rnu"], "cli.usage")]
)
def test_errors_are_json_too(arguments: list[str], key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--json", *arguments) == 2
    told = capsys.readouterr()
    error = json.loads(told.err)["error"]
    assert (error["key"], error["exit_code"]) == (key, 2)
    assert told.out == ""


def test_differences_are_exit_1_in_json(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run_folder(copy) / "map" / "sums.csv").write_text("changed")
    code = call("--json", "verify", run_folder(copy))
    told = capsys.readouterr()
    assert code == 1
    assert json.loads(told.out)["problems"] == [{"kind": "changed", "path": "map/sums.csv"}]
    assert json.loads(told.err)["error"]["key"] == "cli.verify_failed"


def test_doctor_and_explain_answer_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = asked(capsys, "doctor")
    assert {item["state"] for item in found} <= {"ready", "limited", "missing"}
    found, _ = asked(capsys, "explain", folder, "growing_stock")
    assert found["quantity"] == "growing_stock"
    assert all(isinstance(line, str) for lines in found["parts"].values() for line in lines)


def test_what_is_no_number_is_null() -> None:
    assert json.loads(as_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": Path("x")})) == {
        "a": None,
        "b": [None, 1.5],
        "c": "x",
    }


# -- quiet ------------------------------------------------------------------------------------------------------------


def test_quiet_prints_what_was_made_and_nothing_else(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("-q", "run", copy / "config.toml") == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.splitlines() == [str(run_folder(copy) / "report")]


def test_quiet_still_tells_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--quiet", "show", "/nowhere") == 2
    assert "manifest.json" in capsys.readouterr().err


# -- listeners --------------------------------------------------------------------------------------------------------


def test_a_log_gets_the_start_each_tenth_and_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin("map", 40)
    for _ in range(40):
        lines.advance(1)
    lines.end("map")
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "make maps ..."
    assert told[1].startswith("make maps: 4 of 40 blocks, ")
    assert len(told) == 1 + 9 + 1
    assert told[-1].startswith("make maps: done in ")


def test_a_terminal_gets_stage_blocks_rate_and_time_left() -> None:
    stream = io.StringIO()
    bars = Bars(Console(file=stream, force_terminal=True, width=120, color_system=None))
    bars.begin("map", 4)
    bars.advance(1)
    bars.advance(1)
    bars.say(Message.of("cli.init_next", folder="x"))
    bars.end("map")
    bars.close()
    shown = stream.getvalue()
    assert "make maps" in shown
    assert "4/4" in shown
    assert "blocks" in shown
    assert "sinkest check x/config.toml" in shown
    assert "0:00:00" in shown


def test_rates_read_well() -> None:
    assert (rate(12.34), rate(0.25)) == ("12.3/s", "4.0 s each")


def test_a_machine_gets_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = JsonLines()
    lines.begin("map", 2)
    lines.advance(2)
    lines.end("map")
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in events] == ["begin", "advance", "end"]
    assert events[0] == {"event": "begin", "stage": "map", "total": 2}


# -- runs and compare -------------------------------------------------------------------------------------------------


def test_runs_are_listed_with_their_verdicts(folder: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (listed,) = list_runs(copy)
    assert (listed.name, listed.year, listed.finished, listed.simulated) == ("districts", 2025, True, True)
    assert sum(listed.verdicts.values()) == len(listed.targets) > 0
    assert call("runs", copy) == 0
    shown = capsys.readouterr().out
    assert "finished" in shown
    assert "SIMULATED" in shown
    assert call("--json", "runs", copy) == 0
    assert json.loads(capsys.readouterr().out)[0]["verdicts"] == listed.verdicts
    assert call("-q", "runs", copy) == 0
    assert capsys.readouterr().out.split() == [str(listed.folder)]


def test_an_unfinished_run_is_listed_with_what_is_left(
    copy: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    run = run_folder(copy)
    (run / "manifest.json").unlink()
    (run / "stages" / "report.json").unlink()
    (listed,) = list_runs(copy)
    assert not listed.finished
    assert listed.stages == ("compose", "train", "map", "estimate")
    assert call("runs", copy) == 0
    assert "unfinished, left: report" in capsys.readouterr().out


def test_a_folder_without_runs_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("runs", tmp_path) == 0
    assert "sinkest run CONFIG" in capsys.readouterr().out
    with pytest.raises(RunError) as refused:
        list_runs(tmp_path / "gone")
    assert refused.value.key == "runlist.no_folder"


def test_a_run_compared_with_itself_has_no_difference(folder: Path) -> None:
    found = compare(folder, folder)
    assert found.years == (2025, 2025)
    assert set(found.figures["difference"].dropna()) == {0.0}
    assert set(found.figures["judged"]) <= {"inside", ""}
    assert found.settings == found.inputs == []
    assert (found.scores["first"] == found.scores["second"]).all()
    assert set(found.scores["metric"]) == {"overall", "r2", "rmse", "bias"}


@pytest.fixture(scope="module")
def second_model(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the same year with another recipe for the stock."""
    project = Path(shutil.copytree(finished, tmp_path_factory.mktemp("model") / "project"))
    edit(project / "config.toml", 'name = "districts"', 'name = "smaller"')
    edit(project / "models" / "stock" / "model.toml", "max_depth = 8", "max_depth = 1")
    assert call("-q", "run", project / "config.toml") == 0
    return project / "runs" / "smaller-2025"


def test_two_models_of_one_year_are_compared_without_an_interval_of_the_difference(
    folder: Path, second_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compare(folder, second_model, quantities=["growing_stock"])
    (row,) = found.figures.to_dict("records")
    first, second = (
        estimates(run).set_index(["quantity", "zone"]).loc[("growing_stock", "all"), "value"]
        for run in (folder, second_model)
    )
    assert row["difference"] == second - first != 0
    assert row["judged"] in ("inside", "apart")
    assert row["difference_low"] != row["difference_low"]
    r2 = found.scores.set_index("metric").loc["r2"]
    assert r2["first"] != r2["second"]
    assert [item[0] for item in found.settings] == ["name"]
    assert any("models/stock/model.toml" in item[0] for item in found.inputs)
    assert call("compare", folder, second_model) == 0
    shown = capsys.readouterr().out
    assert "name: districts | smaller" in shown
    assert "Model of growing stock, R²" in shown
    assert call("--json", "compare", folder, second_model) == 0
    assert json.loads(capsys.readouterr().out)["settings"] == [
        {"key": "name", "first": "districts", "second": "smaller"}
    ]


def test_runs_on_unlike_grids_are_compared_and_it_is_said(
    folder: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = run_folder(copy) / "estimate" / "run.json"
    content = json.loads(about.read_text(encoding="utf-8"))
    about.write_text(json.dumps({**content, "resolution_m": 60.0}), encoding="utf-8")
    assert compare(folder, folder).grids is None
    assert call("compare", folder, run_folder(copy)) == 0
    assert "lie on unlike grids: EPSG:32649, 120 m" in capsys.readouterr().out


def test_unlike_quantities_zones_and_areas_are_refused(folder: Path, copy: Path) -> None:
    with pytest.raises(InputError) as refused:
        compare(folder, folder, quantities=["gold"])
    assert refused.value.key == "compare.unknown_quantity"
    with pytest.raises(InputError) as refused:
        compare(folder, folder, zone="999999")
    assert refused.value.key == "series.unknown_zone"
    about = run_folder(copy) / "estimate" / "run.json"
    content = json.loads(about.read_text(encoding="utf-8"))
    content["zones"][0]["area_ha"] *= 2
    about.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        compare(folder, run_folder(copy))
    assert refused.value.key == "compare.unlike_areas"
    (run_folder(copy) / "stages" / "estimate.json").unlink()
    with pytest.raises(InputError) as refused:
        compare(folder, run_folder(copy))
    assert refused.value.key == "series.no_estimate"


def test_the_terminal_names_what_would_settle_an_open_verdict(
    folder: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = report_data()
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("sinkest.stages.publish.report_data", lambda *_, **__: whole)
    rows = [row for row in summary(whole, "en") if row.settling]
    assert rows
    assert call("--lang", "en", "show", folder) == 0
    shown = capsys.readouterr().out
    assert all(row.settling in shown for row in rows)


# -- completion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("completion", shell) == 0
    assert "_SINKEST_COMPLETE" in capsys.readouterr().out


def test_commands_and_options_are_completed() -> None:
    def complete(words: str, place: int) -> list[str]:
        environment = {
            **os.environ,
            "_SINKEST_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(place),
        }
        code = "from sinkest.cli import main; main([])"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
        )
        return [line.split(",")[1] for line in done.stdout.splitlines()]

    assert complete("sinkest comp", 1) == ["compose", "compare", "completion"]
    assert "--accept-provisional" in complete("sinkest run --", 2)
