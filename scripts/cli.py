"""The command line: finds the command, prints errors as one line, returns the exit code.

Each command is a small module in ``scripts/commands``. The exit codes are listed in the README.
"""

import importlib
import os
import sys
from importlib import metadata
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from genretune.scripts.terminal import print_error

_SETTINGS = {"help_option_names": ["-h", "--help"]}


class Command(NamedTuple):
    """A function or Typer app in a module of ``scripts/commands``, imported when it is called."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "data": Command("data", "app", "Scan, pack or split a corpus, or synthesise one."),
    "plan": Command("plan", "plan", "Show what a search would run, without running it."),
    "search": Command("search", "search", "Run the sweep that a search space describes."),
    "resume": Command("search", "resume", "Continue an interrupted sweep, or extend it."),
    "stop": Command("stop", "stop", "Stop one trial, or drain a sweep."),
    "status": Command("status", "status", "Show the progress of a sweep."),
    "results": Command("results", "results", "Print the leaderboard, or the history of one trial."),
    "replay": Command("replay", "replay", "Run a recorded trial again and compare it bit for bit."),
    "train": Command("train", "train", "Train one configuration without a sweep."),
    "gc": Command("gc", "gc", "Free disk space in a run directory."),
    "doctor": Command("doctor", "doctor", "Check every node of a cluster."),
    "predict": Command("predict", "predict", "Predict the genre of audio files."),
    "models": Command("models", "models", "List the models with their arguments and defaults."),
    "schema": Command("schema", "schema", "Print the JSON Schema of a search space."),
    "features": Command(
        "models", "features", "List the features with their arguments and defaults."
    ),
}


class LazyCommands(TyperGroup):
    """The commands of COMMANDS, each imported only when it is called: torch and Ray load slowly."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        # click suggests close names from the keys and uses nothing else of this dict
        self.commands = {name: self for name in COMMANDS}
        if (entry := COMMANDS.get(cmd_name)) is None:
            return None
        module = importlib.import_module(f"genretune.scripts.commands.{entry.module}")
        command = getattr(module, entry.attribute)
        if not isinstance(command, typer.Typer):
            command_app = _plain_app()
            command_app.command(cmd_name)(command)
            return typer.main.get_command(command_app)
        command.rich_markup_mode = None
        command.info.context_settings = _SETTINGS
        command._add_completion = False
        return typer.main.get_command(command)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # typer would exit without a message
            print_error("interrupted")
            return 130

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


def _plain_app() -> typer.Typer:
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings=_SETTINGS,
    )


app = typer.Typer(
    cls=LazyCommands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


@app.callback(invoke_without_command=True)
def genretune(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    """Reproducible hyperparameter search for audio classifiers."""
    if version:
        print(f"genretune {metadata.version('genretune')}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code.

    Expected errors are printed as one line each; only a bug ends in a traceback.
    """
    command = typer.main.get_command(app)
    try:
        result = command.main(arguments, prog_name="genretune", standalone_mode=False)
    except typer.Abort:
        print_error("interrupted")
        return 130
    except TyperException as error:
        context = getattr(error, "ctx", None)
        command_path = context.command_path if context else "genretune"
        message = error.format_message().rstrip(".").replace(": Value error, ", ": ")
        print_error(f"{message} (see {command_path} --help)")
        return 2
    except BrokenPipeError:
        # stdout is closed (| head): without this, Python's flush at exit would fail once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        print_error(f"{error.filename}: must be readable and writable, got {error.strerror}")
        return 1
    except RecursionError:
        print_error("a file: must be written by this program, got one that is nested too deeply")
        return 5
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int):
            raise
        print_error(*str(error).splitlines())
        return code
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()
