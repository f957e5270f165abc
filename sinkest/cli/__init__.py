"""The command line: parse, call one function, print.

Everything heavy is imported inside the commands, so that help answers at once.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NoReturn

import click

from sinkest import __version__
from sinkest.cli import parameters as options
from sinkest.cli.common import common_options, completion_script
from sinkest.cli.manner import Manner, answer, complain, manner, set_manner
from sinkest.cli.shortage import Reserve
from sinkest.cli.texts import spoken
from sinkest.errors import InputError, SinkestError
from sinkest.messages import LANGUAGES, set_language, text

DIFFERENT = 1
WRONG_INPUT = 2
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``sinkest`` command."""
    given = sys.argv[1:] if arguments is None else arguments
    set_language(_language(given))
    set_manner(given)
    with spoken(), _stoppable():
        _obey(given)


def _obey(given: list[str]) -> None:
    reserve = Reserve()
    try:
        build().main(args=given, prog_name="sinkest", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as problem:
        if manner().json:
            complain("cli.usage", problem.format_message(), WRONG_INPUT)
        else:
            problem.show()
        sys.exit(WRONG_INPUT)
    except (KeyboardInterrupt, click.Abort):
        _say_interrupted()
    except SinkestError as problem:
        complain(problem.key, str(problem), problem.exit_code, text("cli.error"))
        sys.exit(problem.exit_code)
    except OSError as problem:
        told = text("trust.system_refused", reason=problem)
        complain("trust.system_refused", told, WRONG_INPUT, text("cli.error"))
        sys.exit(WRONG_INPUT)
    except Exception as problem:
        if isinstance(problem, SystemError) and isinstance(problem.__cause__ or problem.__context__, KeyboardInterrupt):
            _say_interrupted()  # it came in the middle of a compiled function
        if not reserve.was_needed(problem):
            raise
        reserve.say(problem, WRONG_INPUT)
        sys.exit(WRONG_INPUT)


def _say_interrupted() -> NoReturn:
    complain("cli.interrupted", text("cli.interrupted"), INTERRUPTED)
    sys.exit(INTERRUPTED)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let a request to terminate end the work as Ctrl-C does, with a word on how to go on."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _language(arguments: list[str]) -> str | None:
    """The language asked for by ``--lang``, needed before the help texts are made."""
    for position, argument in enumerate(arguments):
        value = arguments[position + 1] if argument == "--lang" and position + 1 < len(arguments) else ""
        value = argument.removeprefix("--lang=") if argument.startswith("--lang=") else value
        if value in LANGUAGES:
            return value
    return None


class _InOrder(click.Group):
    """A group that lists its commands in the order a user meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def build() -> click.Group:
    """Make the command group in the language in force."""
    group = _InOrder("sinkest", help=text("cli.help"), context_settings={"help_option_names": ["-h", "--help"]})
    group.options_metavar, group.subcommand_metavar = text("cli.options"), text("cli.command")
    group.params += [*common_options(), _version()]
    for name, function, parameters in _COMMANDS:
        command = click.Command(name, callback=function, help=text(f"cli.{name}_help"), no_args_is_help=False)
        command.options_metavar = text("cli.options")
        for decorate in parameters:
            command.params.append(decorate())
        command.params += common_options()
        group.add_command(command)
    return group


def _version() -> click.Option:
    def show(context: click.Context, _option: click.Parameter, value: bool) -> None:
        if value and not context.resilient_parsing:
            click.echo(f"sinkest {__version__}")
            context.exit()

    return click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help=text("cli.version_help")
    )


# -- commands -------------------------------------------------------------------------------------------------------


def demo(folder: Path, resolution: float | None, workers: int | None, block_size: int | None) -> None:
    """Simulate field tables, then run the virtual city."""
    from sinkest.cli.listeners import listen
    from sinkest.demo import prepare

    with listen() as progress:
        config = prepare(folder, resolution)
        _run(config, "report", progress, workers=workers, block_size=block_size)


def init(folder: Path) -> None:
    """Write a project folder to start from."""
    from sinkest.project import write_project

    files = write_project(folder)
    answer(
        lambda: _lines(*files, text("cli.init_next", folder=folder)), lambda: {"files": files}, lambda: _lines(*files)
    )


def check(config: Path) -> None:
    """Validate everything and print what would be done."""
    from sinkest.check import check_run
    from sinkest.cli import answers
    from sinkest.cli.terminal import show_check

    plan = check_run(config)
    answer(lambda: show_check(plan), lambda: answers.of_plan(plan), lambda: _lines(*plan.problems))
    if plan.problems:
        sys.exit(WRONG_INPUT)


def _stage_command(until: str) -> Callable[..., None]:
    def command(config: Path, **given: Any) -> None:
        from sinkest.cli.listeners import listen

        with listen() as progress:
            _run(config, until, progress, **given)

    return command


def _run(config: Path, until: str, progress: Any, **given: Any) -> None:
    from sinkest.cli import answers
    from sinkest.cli.terminal import show_summary
    from sinkest.workflow import run

    store = run(config, until=until, progress=progress, **given)
    progress.close()
    folder = store.folder(until)
    if until == "report":
        answer(lambda: show_summary(store.root), lambda: answers.of_run(store.root), lambda: _lines(folder))
    else:
        told = text("cli.stage_done", stage=until, folder=folder)
        answer(lambda: _lines(told), lambda: {"stage": until, "folder": folder}, lambda: _lines(folder))


def _lines(*shown: object) -> None:
    for line in shown:
        click.echo(str(line))


def sample(config: Path, kind: Literal["reference", "plots"], out: Path | None, **given: Any) -> None:
    """Draw reference points or plots."""
    from sinkest.sample import draw

    drawn = draw(config, kind, out, given)
    answer(
        lambda: _lines(*drawn.told, *drawn.files),
        lambda: {"files": drawn.files, "told": drawn.told},
        lambda: _lines(*drawn.files),
    )


def show(run: Path) -> None:
    """Print the summary of a finished run."""
    from sinkest.cli import answers
    from sinkest.cli.terminal import show_summary

    answer(lambda: show_summary(run), lambda: answers.of_run(run))


def explain(run: Path, quantity: str, zone: str) -> None:
    """Print the chain of a number."""
    from sinkest.cli import answers
    from sinkest.explain import explain as chain_of
    from sinkest.messages import current_language

    found = chain_of(run, quantity, zone)
    answer(lambda: _lines(*found.lines(current_language())), lambda: answers.of_explanation(found))


def series(runs: tuple[Path, ...], zone: str, quantities: tuple[str, ...], out: Path | None) -> None:
    """Print several runs of one area side by side."""
    from sinkest.cli.terminal import show_series
    from sinkest.finished.series import series as series_of
    from sinkest.runstore import write_bytes

    found = series_of(runs, quantities=quantities, zone=zone)
    if out is not None:
        write_bytes(out, found.to_csv(index=False).encode("utf-8-sig"))
    answer(lambda: show_series(runs, found), lambda: found.to_dict("records"))
    if out is not None and manner() == Manner():
        click.echo(text("series.written", file=out))


def gedi(
    files: tuple[Path, ...],
    source: Path | None,
    out: Path,
    aoi: Path | None,
    keep_all: bool,
    plots: Path | None,
    response: str,
) -> None:
    """Make a table of shots from GEDI granules, or from what the source of a configuration has."""
    from sinkest.shots import gather, gather_from

    if source is not None and (files or aoi):
        raise InputError("gedi.either")
    if source is not None:
        told = list(gather_from(source, out, keep_all=keep_all, plots=plots, response=response))
    else:
        told = list(gather(files, out, aoi, keep_all=keep_all, plots=plots, response=response))
    answer(lambda: _lines(*told, out), lambda: {"file": out, "told": told}, lambda: _lines(out))


def verify(run: Path) -> None:
    """Check every output against the manifest."""
    from sinkest.runstore import RunStore

    problems = RunStore(run).verify()
    found = [{"kind": problem.kind, "path": problem.path} for problem in problems]
    changed = [text(problem.key, path=problem.path) for problem in problems]
    told = changed or [text("cli.verify_ok", run=run)]
    answer(lambda: _lines(*told), lambda: {"run": run, "ok": not found, "problems": found}, lambda: _lines(*changed))
    if problems:
        complain("cli.verify_failed", text("cli.verify_failed", count=len(problems), run=run), DIFFERENT)
        sys.exit(DIFFERENT)


def compare(first: Path, second: Path, zone: str, quantities: tuple[str, ...]) -> None:
    """Hold two runs against each other."""
    from sinkest.cli import answers
    from sinkest.cli.runtables import show_comparison
    from sinkest.finished.compare import compare as comparison_of

    found = comparison_of(first, second, quantities=quantities, zone=zone)
    answer(lambda: show_comparison(first, second, found), lambda: answers.of_comparison(found))


def runs(folder: Path) -> None:
    """List runs with their verdicts."""
    from sinkest.cli import answers
    from sinkest.cli.runtables import show_runs
    from sinkest.finished.runlist import list_runs

    found = list_runs(folder)
    answer(lambda: show_runs(folder, found), lambda: answers.of_runs(found), lambda: _lines(*(r.folder for r in found)))


def completion(shell: str) -> None:
    """Print the script that completes words in a shell."""
    click.echo(completion_script(build(), shell))


def replay(manifest: Path, out: Path, **given: Any) -> None:
    """Repeat a run from its manifest and compare every output."""
    from sinkest.cli.listeners import listen
    from sinkest.finished.replay import replay as again

    with listen() as progress:
        found = again(manifest, out, progress=progress, **given)
    changed = [text(f"trust.replay_{problem.kind}", path=problem.path) for problem in found.different]
    told = [*(text("trust.replay_same", path=name) for name in found.same), *changed]
    if not changed:
        told.append(text("trust.replay_equal", run=found.folder, count=len(found.same)))
    listed = [{"kind": problem.kind, "path": problem.path} for problem in found.different]
    answer(
        lambda: _lines(*told),
        lambda: {"folder": found.folder, "same": found.same, "different": listed},
        lambda: _lines(*changed),
    )
    if changed:
        complain("trust.replay_unequal", text("trust.replay_unequal", run=found.folder, count=len(changed)), DIFFERENT)
        sys.exit(DIFFERENT)


def bundle(run: Path, out: Path | None) -> None:
    """Put a finished run into one archive."""
    from sinkest.finished.bundle import bundle as pack

    file = pack(run, out)
    answer(lambda: _lines(file), lambda: {"file": file})


def fetch(config: Path, dry_run: bool, **given: Any) -> None:
    """Acquire the imagery of a run, or tell what that takes."""
    from sinkest.cli.listeners import listen
    from sinkest.fetch import fetch as acquire
    from sinkest.fetch import plan_fetch

    if dry_run:
        told = plan_fetch(config)
        answer(lambda: _lines(*told), lambda: {"told": told})
        return
    with listen() as progress:
        folders = acquire(config, progress=progress, **given)
    done = [text("fetch.done", folder=folder) for folder in folders]
    answer(lambda: _lines(*done), lambda: {"folders": folders}, lambda: _lines(*folders))


def doctor(source: str | None, config: Path | None) -> None:
    """Tell what of the machine and its accounts is ready; of a source, go the whole way to it."""
    from sinkest.cli import answers
    from sinkest.cli.terminal import show_doctor
    from sinkest.doctor import account_of, examine, examine_earthengine

    found = examine() if source is None else examine_earthengine(account_of(config))
    answer(lambda: show_doctor(found), lambda: answers.of_findings(found))
    if source is not None and any(finding.state == "missing" for finding in found):
        sys.exit(WRONG_INPUT)


_RUN_OPTIONS: list[options.Parameter] = [
    options.path("config"),
    options.workers,
    options.block_size,
    options.memory,
    options.scheduler,
]
_FINAL_OPTIONS = [*_RUN_OPTIONS, options.accept_provisional]
_COMMANDS: list[tuple[str, Callable[..., None], list[options.Parameter]]] = [
    (
        "demo",
        demo,
        [options.path("folder", default="sinkest-demo"), options.resolution, options.workers, options.block_size],
    ),
    ("init", init, [options.path("folder")]),
    ("check", check, [options.path("config")]),
    ("fetch", fetch, [*_RUN_OPTIONS, options.dry_run]),
    ("run", _stage_command("report"), _FINAL_OPTIONS),
    ("compose", _stage_command("compose"), _RUN_OPTIONS),
    ("train", _stage_command("train"), _RUN_OPTIONS),
    ("map", _stage_command("map"), _RUN_OPTIONS),
    ("estimate", _stage_command("estimate"), _FINAL_OPTIONS),
    ("report", _stage_command("report"), _FINAL_OPTIONS),
    ("sample", sample, options.sample_parameters()),
    ("show", show, [options.path("run")]),
    ("explain", explain, [options.path("run"), options.word("quantity"), options.word("zone", default="all")]),
    ("series", series, options.series_parameters()),
    ("gedi", gedi, options.gedi_parameters()),
    ("compare", compare, options.compare_parameters()),
    ("runs", runs, [options.path("folder", default=".")]),
    ("verify", verify, [options.path("run")]),
    ("replay", replay, options.replay_parameters()),
    ("bundle", bundle, options.bundle_parameters()),
    ("doctor", doctor, options.doctor_parameters()),
    ("completion", completion, [options.shell]),
]
