"""What commands share in talking to people: errors, JSON, tables."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tabulate import tabulate


def print_error(*lines: str) -> None:
    """Write errors, a line each, to standard error."""
    for line in lines:
        print(f"genretune: {printable(line)}", file=sys.stderr)


def print_json(value: Any) -> None:
    """Facts for scripts: JSON on standard output, floats round-trip."""
    print(json.dumps(value, indent=1, allow_nan=False))


def print_table(
    rows: Sequence[Sequence[Any]],
    headers: Sequence[str],
    *,
    rest: str | None = None,
    least: int = 2,
) -> None:
    """A plain table that a pipe keeps readable.

    Args:
        rest: where the last columns are found, which are left out where a terminal is too narrow;
            without it all are printed.
        least: so many columns are printed in any case.
    """
    kept = len(headers)
    text = _table(rows, headers, kept)
    if rest is not None and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        while kept > least and max(map(len, text.splitlines())) > width:
            kept -= 1
            text = _table(rows, headers, kept)
    print(text)
    if kept < len(headers):
        print(f"({len(headers) - kept} columns more in {rest})")


def _table(rows: Sequence[Sequence[Any]], headers: Sequence[str], kept: int) -> str:
    shown = [row[:kept] for row in rows]
    return printable(tabulate(shown, headers=headers[:kept], disable_numparse=True))


def printable(text: str) -> str:
    """Text for a terminal, which must obey nothing that stands in somebody's file."""
    return "".join(one if one.isprintable() or one in "\n\t" else repr(one)[1:-1] for one in text)


@contextmanager
def status_spinner(words: str) -> Iterator[Callable[[str], None]]:
    """Say on standard error what is being done, on a terminal only; gone when the block ends.

    Called with other words, what is yielded replaces them.
    """
    if not sys.stderr.isatty():
        yield lambda words: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots", Text(words))
    # a descriptor of its own: decoders that chatter close the process's (data/suppress_stderr.py)
    with (
        os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal,
        Live(spinner, console=Console(file=terminal), transient=True, redirect_stdout=False),
    ):
        yield lambda words: spinner.update(text=Text(words))


def packing_progress(say: Callable[[str], None]) -> Callable[[int, int], None]:
    """What is told how many clips of a corpus are packed, and says so."""
    return lambda done, total: say(f"packing the corpus, once: {done} of {total} clips")


def format_duration(minutes: float) -> str:
    """A length of time for people: ``40 s``, ``12 min``, ``3.5 h``."""
    seconds = round(minutes * 60)
    if seconds < 90:
        return f"{seconds} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
