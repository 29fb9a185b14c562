"""Reading a genretune command line as the program does, without running it."""

from typing import Any

import typer

from genretune.scripts import cli
from genretune.scripts.sweep_options import run_options
from genretune.tune.dispatch.run_options import RunOptions

_RUN_OPTIONS = (
    "address concurrency resources time until hang_timeout io_timeout keep machine_class "
    "allow_mixed takeover storage"
)


def parse(arguments: list[str]) -> dict[str, Any]:
    """Return the parameters of ``genretune ARGUMENTS``; an unknown option or value raises."""
    command: Any = typer.main.get_command(cli.app)
    rest = list(arguments)
    while hasattr(command, "resolve_command"):  # genretune itself, and data
        _, command, rest = command.resolve_command(command.make_context("", [*rest]), rest)
    return dict(command.make_context("", rest).params)


def options_of_sweep(parameters: dict[str, Any]) -> RunOptions:
    """Return the run options of a parsed ``search`` or ``resume``, their values checked."""
    names = [name for name in _RUN_OPTIONS.split() if name in parameters]
    return run_options(**{name: parameters[name] for name in names})
