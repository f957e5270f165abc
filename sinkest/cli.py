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
from typing import Any, Literal

import click

from sinkest import __version__
from sinkest.clicktexts import spoken
from sinkest.errors import SinkestError
from sinkest.messages import LANGUAGES, set_language, text

DIFFERENT = 1
WRONG_INPUT = 2
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``sinkest`` command."""
    given = sys.argv[1:] if arguments is None else arguments
    set_language(_language(given))
    with spoken(), _stoppable():
        _obey(given)


def _obey(given: list[str]) -> None:
    try:
        build().main(args=given, prog_name="sinkest", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as problem:
        problem.show()
        sys.exit(WRONG_INPUT)
    except (KeyboardInterrupt, click.Abort):
        click.echo(text("cli.interrupted"), err=True)
        sys.exit(INTERRUPTED)
    except SinkestError as problem:
        click.echo(f"{text('cli.error')} {problem}", err=True)
        sys.exit(problem.exit_code)
    except MemoryError:
        click.echo(f"{text('cli.error')} {text('trust.out_of_memory')}", err=True)
        sys.exit(WRONG_INPUT)
    except OSError as problem:
        click.echo(f"{text('cli.error')} {text('trust.system_refused', reason=problem)}", err=True)
        sys.exit(WRONG_INPUT)


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
    group.params.append(
        click.Option(["--lang"], type=click.Choice(LANGUAGES), expose_value=False, help=text("cli.lang_help"))
    )
    group.params.append(_version())
    for name, function, parameters in _COMMANDS:
        command = click.Command(name, callback=function, help=text(f"cli.{name}_help"), no_args_is_help=False)
        command.options_metavar = text("cli.options")
        for decorate in parameters:
            command.params.append(decorate())
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


# -- parameters -----------------------------------------------------------------------------------------------------


def _path(name: str, *, default: str | None = None) -> Callable[[], click.Parameter]:
    def make() -> click.Parameter:
        # A default of None would count as one that is given.
        more: dict[str, Any] = {} if default is None else {"default": default}
        return click.Argument([name], type=click.Path(path_type=Path), required=default is None, **more)

    return make


def _word(name: str, *, default: str | None = None) -> Callable[[], click.Parameter]:
    return lambda: click.Argument([name], required=default is None, default=default)


def _workers() -> click.Parameter:
    return click.Option(["--workers"], type=click.IntRange(1, 256), help=text("cli.workers_help"))


def _block_size() -> click.Parameter:
    return click.Option(["--block-size"], type=click.IntRange(128), help=text("cli.block_size_help"))


def _accept_provisional() -> click.Parameter:
    return click.Option(["--accept-provisional"], is_flag=True, help=text("cli.accept_provisional_help"))


def _resolution() -> click.Parameter:
    return click.Option(["--resolution"], type=click.FloatRange(10, 1000), help=text("cli.resolution_help"))


def _sample_parameters() -> list[Callable[[], click.Parameter]]:
    """Parameters of ``sample``; a None tells the drawing to take its own default."""
    options: list[tuple[list[str], Any]] = [
        (["--out"], click.Path(path_type=Path)),
        (["--count"], click.IntRange(1)),
        (["--se"], click.FloatRange(0, 50, min_open=True)),
        (["--strata"], click.Choice(("classes", "groups"))),
        (["--allocation"], click.Choice(("equal", "proportional", "neyman", "power"))),
        (["--minimum"], click.IntRange(2)),
        (["--spacing", "spacing_m"], click.FloatRange(0, min_open=True)),
        (["--design"], click.Choice(("systematic", "random"))),
        (["--seed"], click.IntRange(0)),
    ]

    def option(names: list[str], kind: click.ParamType) -> Callable[[], click.Parameter]:
        return lambda: click.Option(names, type=kind, help=text(f"sample.{names[0].removeprefix('--')}_help"))

    return [
        _path("config"),
        lambda: click.Argument(["kind"], type=click.Choice(("reference", "plots"))),
        *(option(names, kind) for names, kind in options),
    ]


def _series_parameters() -> list[Callable[[], click.Parameter]]:
    return [
        lambda: click.Argument(["runs"], type=click.Path(path_type=Path), nargs=-1, required=True),
        lambda: click.Option(["--zone"], default="all", help=text("cli.series_zone_help")),
        lambda: click.Option(["--quantity", "quantities"], multiple=True, help=text("cli.series_quantity_help")),
        lambda: click.Option(["--out"], type=click.Path(path_type=Path), help=text("cli.series_out_help")),
    ]


def _gedi_parameters() -> list[Callable[[], click.Parameter]]:
    return [
        lambda: click.Argument(["files"], type=click.Path(path_type=Path), nargs=-1, required=True),
        lambda: click.Option(["--out"], type=click.Path(path_type=Path), required=True, help=text("cli.gedi_out_help")),
        lambda: click.Option(["--aoi"], type=click.Path(path_type=Path), help=text("cli.gedi_aoi_help")),
        lambda: click.Option(["--all", "keep_all"], is_flag=True, help=text("cli.gedi_all_help")),
    ]


# -- commands -------------------------------------------------------------------------------------------------------


def demo(folder: Path, resolution: float | None, workers: int | None, block_size: int | None) -> None:
    """Simulate field tables, then run the virtual city."""
    from sinkest.demo import prepare
    from sinkest.terminal import listen

    with listen() as progress:
        config = prepare(folder, resolution)
        _run(config, "report", progress, workers, block_size)


def init(folder: Path) -> None:
    """Write a project folder to start from."""
    from sinkest.project import write_project

    for path in write_project(folder):
        click.echo(str(path))
    click.echo(text("cli.init_next", folder=folder))


def check(config: Path) -> None:
    """Validate everything and print what would be done."""
    from sinkest.check import check_run
    from sinkest.terminal import show_check

    plan = check_run(config)
    show_check(plan)
    if plan.problems:
        sys.exit(WRONG_INPUT)


def _stage_command(until: str) -> Callable[..., None]:
    def command(config: Path, workers: int | None, block_size: int | None, accept_provisional: bool = False) -> None:
        from sinkest.terminal import listen

        with listen() as progress:
            _run(config, until, progress, workers, block_size, accept_provisional)

    return command


def _run(
    config: Path,
    until: str,
    progress: Any,
    workers: int | None,
    block_size: int | None,
    accept_provisional: bool = False,
) -> None:
    from sinkest.terminal import show_summary
    from sinkest.workflow import run

    store = run(
        config,
        until=until,
        progress=progress,
        workers=workers,
        block_size=block_size,
        accept_provisional=accept_provisional,
    )
    progress.close()
    if until == "report":
        show_summary(store.root)
    else:
        click.echo(text("cli.stage_done", stage=until, folder=store.folder(until)))


def sample(config: Path, kind: Literal["reference", "plots"], out: Path | None, **given: Any) -> None:
    """Draw reference points or plots."""
    from sinkest.sample import draw

    drawn = draw(config, kind, out, given)
    for message in drawn.told:
        click.echo(str(message))
    for path in drawn.files:
        click.echo(str(path))


def show(run: Path) -> None:
    """Print the summary of a finished run."""
    from sinkest.terminal import show_summary

    show_summary(run)


def explain(run: Path, quantity: str, zone: str) -> None:
    """Print the chain of a number."""
    from sinkest.explain import explain as chain_of
    from sinkest.messages import current_language

    for line in chain_of(run, quantity, zone).lines(current_language()):
        click.echo(line)


def series(runs: tuple[Path, ...], zone: str, quantities: tuple[str, ...], out: Path | None) -> None:
    """Print several runs of one area side by side."""
    from sinkest.runstore import write_bytes
    from sinkest.series import series as series_of
    from sinkest.terminal import show_series

    found = series_of(runs, quantities=quantities, zone=zone)
    show_series(runs, found)
    if out is not None:
        write_bytes(out, found.to_csv(index=False).encode("utf-8-sig"))
        click.echo(text("series.written", file=out))


def gedi(files: tuple[Path, ...], out: Path, aoi: Path | None, keep_all: bool) -> None:
    """Make a table of shots from GEDI granules."""
    from sinkest.shots import gather

    for message in gather(files, out, aoi, keep_all):
        click.echo(str(message))
    click.echo(str(out))


def verify(run: Path) -> None:
    """Check every output against the manifest."""
    from sinkest.runstore import RunStore

    problems = RunStore(run).verify()
    for problem in problems:
        click.echo(text(problem.key, path=problem.path))
    if problems:
        click.echo(text("cli.verify_failed", count=len(problems), run=run), err=True)
        sys.exit(DIFFERENT)
    click.echo(text("cli.verify_ok", run=run))


def replay(manifest: Path, out: Path, inputs: Path | None, workers: int | None, block_size: int | None) -> None:
    """Repeat a run from its manifest and compare every output."""
    from sinkest.replay import replay as again
    from sinkest.terminal import listen

    with listen() as progress:
        found = again(manifest, out, progress=progress, inputs=inputs, workers=workers, block_size=block_size)
    for name in found.same:
        click.echo(text("trust.replay_same", path=name))
    for problem in found.different:
        click.echo(text(f"trust.replay_{problem.kind}", path=problem.path))
    if found.different:
        click.echo(text("trust.replay_unequal", run=found.folder, count=len(found.different)), err=True)
        sys.exit(DIFFERENT)
    click.echo(text("trust.replay_equal", run=found.folder, count=len(found.same)))


def _replay_parameters() -> list[Callable[[], click.Parameter]]:
    return [
        _path("manifest"),
        lambda: click.Option(
            ["--out"], type=click.Path(path_type=Path), required=True, help=text("cli.replay_out_help")
        ),
        lambda: click.Option(["--inputs"], type=click.Path(path_type=Path), help=text("cli.replay_inputs_help")),
        _workers,
        _block_size,
    ]


def bundle(run: Path, out: Path | None) -> None:
    """Put a finished run into one archive."""
    from sinkest.bundle import bundle as pack

    click.echo(str(pack(run, out)))


def _bundle_parameters() -> list[Callable[[], click.Parameter]]:
    return [
        _path("run"),
        lambda: click.Option(["--out"], type=click.Path(path_type=Path), help=text("cli.replay_out_help")),
    ]


def doctor() -> None:
    """Tell what of the machine and its accounts is ready."""
    from sinkest.doctor import examine
    from sinkest.terminal import show_doctor

    show_doctor(examine())


_RUN_OPTIONS: list[Callable[[], click.Parameter]] = [_path("config"), _workers, _block_size]
_FINAL_OPTIONS = [*_RUN_OPTIONS, _accept_provisional]
_COMMANDS: list[tuple[str, Callable[..., None], list[Callable[[], click.Parameter]]]] = [
    ("demo", demo, [_path("folder", default="sinkest-demo"), _resolution, _workers, _block_size]),
    ("init", init, [_path("folder")]),
    ("check", check, [_path("config")]),
    ("run", _stage_command("report"), _FINAL_OPTIONS),
    ("compose", _stage_command("compose"), _RUN_OPTIONS),
    ("train", _stage_command("train"), _RUN_OPTIONS),
    ("map", _stage_command("map"), _RUN_OPTIONS),
    ("estimate", _stage_command("estimate"), _FINAL_OPTIONS),
    ("report", _stage_command("report"), _FINAL_OPTIONS),
    ("sample", sample, _sample_parameters()),
    ("show", show, [_path("run")]),
    ("explain", explain, [_path("run"), _word("quantity"), _word("zone", default="all")]),
    ("series", series, _series_parameters()),
    ("gedi", gedi, _gedi_parameters()),
    ("verify", verify, [_path("run")]),
    ("replay", replay, _replay_parameters()),
    ("bundle", bundle, _bundle_parameters()),
    ("doctor", doctor, []),
]
