"""Terminal output shared by all commands: errors, JSON, tables, progress."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tabulate import tabulate


def print_error(*lines: str) -> None:
    """Print errors to standard error, one line each."""
    for line in lines:
        print(f"genretune: {printable(line)}", file=sys.stderr)


def print_json(value: Any) -> None:
    """Print facts for scripts as JSON on standard output; floats round-trip."""
    print(json.dumps(value, indent=1, allow_nan=False))


def print_table(
    rows: Sequence[Sequence[Any]],
    headers: Sequence[str],
    *,
    full_output: str | None = None,
    min_columns: int = 2,
) -> None:
    """Print a plain table that stays readable in a pipe.

    Args:
        full_output: options that print all columns. If given, a terminal that is too narrow gets
            only the first columns, with a note that names these options.
        min_columns: columns to print however narrow the terminal is.
    """
    columns = len(headers)
    text = _table(rows, headers, columns)
    if full_output is not None and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        while columns > min_columns and max(map(len, text.splitlines())) > width:
            columns -= 1
            text = _table(rows, headers, columns)
    print(text)
    if columns < len(headers):
        print(f"({len(headers) - columns} columns omitted; {full_output} prints all)")


def _table(rows: Sequence[Sequence[Any]], headers: Sequence[str], columns: int) -> str:
    shown = [row[:columns] for row in rows]
    return printable(tabulate(shown, headers=headers[:columns], disable_numparse=True))


def printable(text: str) -> str:
    """Return ``text`` with control characters escaped.

    Text from files may contain escape sequences, which a terminal would execute.
    """
    return "".join(
        char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in text
    )


@contextmanager
def status_spinner(message: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner with a message on standard error for a ``with`` block, if it is a terminal.

    Yields a function that replaces the message.
    """
    if not sys.stderr.isatty():
        yield lambda message: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots", Text(message))
    # a descriptor of its own: the process's is closed around decoders that print warnings
    # (data/suppress_stderr.py)
    with (
        os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal,
        Live(spinner, console=Console(file=terminal), transient=True, redirect_stdout=False),
    ):
        yield lambda message: spinner.update(text=Text(message))


def packing_progress(say: Callable[[str], None]) -> Callable[[int, int], None]:
    """Return a progress callback (clips done, clips in total) for the packing of a corpus.

    Args:
        say: shows a message, as ``status_spinner`` yields it.
    """
    return lambda done, total: say(f"packing the corpus, once: {done} of {total} clips")


def format_duration(minutes: float) -> str:
    """Return a duration for people: ``40 s``, ``12 min``, ``3.5 h``."""
    seconds = round(minutes * 60)
    if seconds < 90:
        return f"{seconds} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
