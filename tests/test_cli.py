import subprocess
import sys
from pathlib import Path

import pytest

from sinkest.cli import _COMMANDS, main
from sinkest.messages import set_language
from sinkest.runstore import RunStore

HEAVY = ("numpy", "pandas", "pydantic", "rasterio", "rich", "sklearn", "xarray", "geopandas", "numba", "ee")


@pytest.fixture(autouse=True)
def _reset_language():
    yield
    set_language(None)


def run(*arguments: str) -> int:
    try:
        main(list(arguments))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom sinkest.cli import main\n"
        "main(['run', '--help'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("command", [name for name, _, _ in _COMMANDS])
def test_every_command_explains_itself(command: str, language: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--lang", language, command, "--help") == 0
    shown = capsys.readouterr().out
    assert f"sinkest {command}" in shown
    assert ("示例" in shown) == (language == "zh")


def test_the_group_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name, _, _ in _COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("sinkest 0.")


def test_a_missing_configuration_is_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", str(tmp_path / "gone.toml")) == 2
    told = capsys.readouterr().err
    assert "gone.toml cannot be read" in told
    assert "Traceback" not in told


def test_an_unknown_command_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rnu") == 2
    assert "rnu" in capsys.readouterr().err


def test_an_interrupt_says_that_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sinkest.project.write_project", interrupted)
    assert run("init", str(tmp_path)) == 130
    assert "Nothing is lost" in capsys.readouterr().err


def test_verify_tells_differences_by_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = RunStore(tmp_path)
    store.run_stage("map", {"a": 1}, lambda folder: (folder / "out").write_text("x") and None)
    store.write_manifest({}, ["map"])
    main(["verify", str(tmp_path)])
    assert "as the manifest says" in capsys.readouterr().out
    (tmp_path / "map" / "out").write_text("y")
    assert run("verify", str(tmp_path)) == 1
    assert "changed since it was written: map/out" in capsys.readouterr().out


def test_doctor_tells_what_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--lang", "zh", "doctor"])
    shown = capsys.readouterr().out
    assert "就绪" in shown
    assert "Earth Engine" in shown


ENGLISH = (
    "Usage",
    "Options",
    "Commands",
    "OPTIONS",
    "ARGS",
    "Show this",
    "Missing",
    "No such",
    "Invalid",
    "Error",
    "Try",
)


def in_english(told: str) -> list[str]:
    return [word for word in ENGLISH if word in told]


@pytest.mark.parametrize("command", ["", *(name for name, _, _ in _COMMANDS)])
def test_help_in_chinese_has_no_english_frame(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--lang", "zh", *([command] if command else []), "--help") == 0
    shown = capsys.readouterr().out
    assert in_english(shown) == []
    assert shown.startswith("用法: sinkest")
    assert "显示本说明并退出。" in shown


@pytest.mark.parametrize(
    ("arguments", "english", "chinese"),
    [
        (["run"], "Error: Missing argument 'CONFIG'.", "错误：缺少参数 'CONFIG'."),
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?", "没有命令 'rnu'。 是否应为 'run'？"),
        (["run", "c", "--wrokers", "2"], "No such option '--wrokers'. Did", "没有选项 '--wrokers'。 是否应为"),
        (
            ["run", "c", "--workers", "0"],
            "'--workers': 0 is not in the range",
            "'--workers' 取值无效：0 超出范围 1<=x<=256",
        ),
        (["run", "c", "--workers", "x"], "'x' is not a valid", "'--workers' 取值无效：'x' 不是有效数值"),
        (["run", "c", "--workers"], "'--workers' requires an argument", "选项 '--workers' 需要取值。"),
        (["run", "c", "d"], "Got unexpected extra argument (d)", "多余的参数（d）"),
    ],
)
def test_a_mistyped_command_is_exit_2_in_both_languages(
    arguments: list[str], english: str, chinese: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--lang", "en", *arguments) == 2
    assert english in capsys.readouterr().err
    assert run("--lang", "zh", *arguments) == 2
    told = capsys.readouterr().err
    assert chinese in told
    assert in_english(told) == []


@pytest.mark.parametrize("command", ["init", "check", "run", "show", "verify"])
def test_a_path_that_is_not_given_is_asked_for(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 2
    assert "Missing argument" in capsys.readouterr().err


def test_the_library_speaks_english_again_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    run("--lang", "zh", "rnu")
    run("--lang", "en", "rnu")
    assert "Usage: sinkest" in capsys.readouterr().err


def test_help_takes_little_time() -> None:
    """Processor time, not the clock's: other programs may be busy. Half of it is Python's own start."""
    code = (
        "import time\nfrom sinkest.cli import main\n"
        "try:\n    main(['--lang', 'zh', 'run', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(time.process_time())"
    )
    spent = [
        float(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()[-1]
        )
        for _ in range(3)
    ]
    assert min(spent) < 0.3
