"""The command line: one small module a verb, one line for every error, the exit codes of README."""

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


class Verb(NamedTuple):
    """Where a command lives; its module is imported only when it is called."""

    module: str
    attribute: str
    summary: str


VERBS = {
    "data": Verb("data", "app", "Look at a corpus, pack it, split it, or make one."),
    "plan": Verb("plan", "plan", "Show what a search would run; runs nothing."),
    "search": Verb("search", "search", "Run the sweep that a search space describes."),
    "resume": Verb("search", "resume", "Continue a sweep after a kill, or extend it."),
    "stop": Verb("stop", "stop", "End one trial, or drain a sweep."),
    "status": Verb("status", "status", "Say how far a sweep is."),
    "results": Verb("results", "results", "Print the leaderboard, or one trial's story."),
    "replay": Verb("replay", "replay", "Run a recorded trial again; compare to the bit."),
    "train": Verb("train", "train", "Train one configuration without a sweep."),
    "gc": Verb("gc", "gc", "Free disk space in a run directory."),
    "doctor": Verb("doctor", "doctor", "Check every node of a cluster."),
    "predict": Verb("predict", "predict", "Say what genre audio files probably are."),
    "models": Verb("models", "models", "List the models with arguments and defaults."),
    "schema": Verb("schema", "schema", "Print the JSON Schema of a search space."),
    "features": Verb("models", "features", "List the features with arguments and defaults."),
}


class Verbs(TyperGroup):
    """Finds commands in VERBS."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        self.commands = {
            name: self for name in VERBS
        }  # only names matter: what did-you-mean chooses from
        if (verb := VERBS.get(cmd_name)) is None:
            return None
        found = getattr(
            importlib.import_module(f"genretune.scripts.commands.{verb.module}"), verb.attribute
        )
        if not isinstance(found, typer.Typer):
            verb_app = _plain_app()
            verb_app.command(cmd_name)(found)
            return typer.main.get_command(verb_app)
        found.rich_markup_mode = None
        found.info.context_settings = _SETTINGS
        found._add_completion = False
        return typer.main.get_command(found)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # typer would leave without a word
            print_error("interrupted")
            return 130

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


def _plain_app() -> typer.Typer:
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings=_SETTINGS,
    )


app = typer.Typer(
    cls=Verbs,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


@app.callback(invoke_without_command=True)
def genretune(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    """Hyperparameter search for audio classifiers: one seed, one sweep."""
    if version:
        print(f"genretune {metadata.version('genretune')}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; its exit code. A user's mistake is one line, never a traceback."""
    command = typer.main.get_command(app)
    try:
        result = command.main(arguments, prog_name="genretune", standalone_mode=False)
    except typer.Abort:
        print_error("interrupted")
        return 130
    except TyperException as error:
        context = getattr(error, "ctx", None)
        verb = context.command_path if context else "genretune"
        said = error.format_message().rstrip(".").replace(": Value error, ", ": ")
        print_error(f"{said} (see {verb} --help)")
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads any more
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        print_error(f"{error.filename}: must be readable and writable, got {error.strerror}")
        return 1
    except RecursionError:
        print_error("a file: must be data of this program, got one nested too deeply")
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
