"""Arguments and options of the commands, each made anew in the language in force."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sinkest.cli.common import SHELLS
from sinkest.messages import text

Parameter = Callable[[], click.Parameter]


def path(name: str, *, default: str | None = None) -> Parameter:
    """An argument that is a path; optional where it has a default."""

    def make() -> click.Parameter:
        # A default of None would count as one that is given.
        more: dict[str, Any] = {} if default is None else {"default": default}
        return click.Argument([name], type=click.Path(path_type=Path), required=default is None, **more)

    return make


def word(name: str, *, default: str | None = None) -> Parameter:
    """An argument that is a word; optional where it has a default."""
    return lambda: click.Argument([name], required=default is None, default=default)


def workers() -> click.Parameter:
    """Number of threads."""
    return click.Option(["--workers"], type=click.IntRange(1, 256), help=text("cli.workers_help"))


def block_size() -> click.Parameter:
    """Side of a block."""
    return click.Option(["--block-size"], type=click.IntRange(128), help=text("cli.block_size_help"))


def scheduler() -> click.Parameter:
    """Address of a cluster."""
    return click.Option(["--scheduler"], help=text("cli.scheduler_help"))


def memory() -> click.Parameter:
    """Memory that a run may take."""
    kind = click.FloatRange(0, min_open=True)
    return click.Option(["--memory", "memory_gib"], type=kind, metavar="GiB", help=text("cli.memory_help"))


def accept_provisional() -> click.Parameter:
    """Whether provisional figures are printed."""
    return click.Option(["--accept-provisional"], is_flag=True, help=text("cli.accept_provisional_help"))


def resolution() -> click.Parameter:
    """Pixel size of the simulated run.

    Strata are counted in pixels by their centres. At 250 m they miss the area of the worst county by 0.33 %, at
    400 m by 0.56 %, and 0.5 % is what strata may miss.
    """
    return click.Option(["--resolution"], type=click.FloatRange(10, 250), help=text("cli.resolution_help"))


def sample_parameters() -> list[Parameter]:
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

    def option(names: list[str], kind: click.ParamType) -> Parameter:
        return lambda: click.Option(names, type=kind, help=text(f"sample.{names[0].removeprefix('--')}_help"))

    return [
        path("config"),
        lambda: click.Argument(["kind"], type=click.Choice(("reference", "plots"))),
        *(option(names, kind) for names, kind in options),
    ]


def series_parameters() -> list[Parameter]:
    """Parameters of ``series``."""
    return [
        lambda: click.Argument(["runs"], type=click.Path(path_type=Path), nargs=-1, required=True),
        lambda: click.Option(["--zone"], default="all", help=text("cli.series_zone_help")),
        lambda: click.Option(["--quantity", "quantities"], multiple=True, help=text("cli.series_quantity_help")),
        lambda: click.Option(["--out"], type=click.Path(path_type=Path), help=text("cli.series_out_help")),
    ]


def gedi_parameters() -> list[Parameter]:
    """Parameters of ``gedi``."""
    return [
        lambda: click.Argument(["files"], type=click.Path(path_type=Path), nargs=-1),
        lambda: click.Option(["--from", "source"], type=click.Path(path_type=Path), help=text("cli.gedi_from_help")),
        lambda: click.Option(["--out"], type=click.Path(path_type=Path), required=True, help=text("cli.gedi_out_help")),
        lambda: click.Option(["--aoi"], type=click.Path(path_type=Path), help=text("cli.gedi_aoi_help")),
        lambda: click.Option(["--all", "keep_all"], is_flag=True, help=text("cli.gedi_all_help")),
        lambda: click.Option(["--plots"], type=click.Path(path_type=Path), help=text("cli.gedi_plots_help")),
        lambda: click.Option(["--response"], default="volume_m3_ha", help=text("cli.gedi_response_help")),
    ]


def replay_parameters() -> list[Parameter]:
    """Parameters of ``replay``."""
    return [
        path("manifest"),
        lambda: click.Option(
            ["--out"], type=click.Path(path_type=Path), required=True, help=text("cli.replay_out_help")
        ),
        lambda: click.Option(["--inputs"], type=click.Path(path_type=Path), help=text("cli.replay_inputs_help")),
        lambda: click.Option(["--allow"], multiple=True, metavar="CLASS", help=text("cli.replay_allow_help")),
        workers,
        block_size,
    ]


def bundle_parameters() -> list[Parameter]:
    """Parameters of ``bundle``."""
    return [
        path("run"),
        lambda: click.Option(["--out"], type=click.Path(path_type=Path), help=text("cli.replay_out_help")),
    ]


def compare_parameters() -> list[Parameter]:
    """Parameters of ``compare``."""
    return [
        path("first"),
        path("second"),
        lambda: click.Option(["--zone"], default="all", help=text("cli.series_zone_help")),
        lambda: click.Option(["--quantity", "quantities"], multiple=True, help=text("cli.series_quantity_help")),
    ]


def dry_run() -> click.Parameter:
    """Whether only the cost is told."""
    return click.Option(["--dry-run"], is_flag=True, help=text("cli.fetch_dry_run_help"))


def doctor_parameters() -> list[Parameter]:
    """Parameters of ``doctor``."""
    return [
        lambda: click.Option(["--source"], type=click.Choice(("earthengine",)), help=text("cli.doctor_source_help")),
        lambda: click.Option(["--config"], type=click.Path(path_type=Path), help=text("cli.doctor_config_help")),
    ]


def shell() -> click.Parameter:
    """Name of a shell."""
    return click.Argument(["shell"], type=click.Choice(SHELLS))
