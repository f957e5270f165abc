"""What all commands share: language, manner of answering, and the script that completes words in a shell."""

from __future__ import annotations

import click

from sinkest.messages import LANGUAGES, text

SHELLS = ("bash", "zsh", "fish")
_COMPLETE = "_SINKEST_COMPLETE"


def common_options() -> list[click.Parameter]:
    """Options that stand before or after the name of a command; read before all others."""
    flags = ((["--json"], "cli.json_help"), (["-q", "--quiet"], "cli.quiet_help"))
    return [
        click.Option(["--lang"], type=click.Choice(LANGUAGES), expose_value=False, help=text("cli.lang_help")),
        *(click.Option(names, is_flag=True, expose_value=False, help=text(key)) for names, key in flags),
    ]


def completion_script(group: click.Group, shell: str) -> str:
    """The text that a shell reads to complete commands, options and paths of ``sinkest``."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise ValueError(f"no completion for {shell!r}")
    return kind(group, {}, "sinkest", _COMPLETE).source()
