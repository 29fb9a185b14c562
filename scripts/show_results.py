"""The leaderboard as a table."""

import shutil
import sys
from collections.abc import Mapping, Sequence

from tabulate import tabulate

from genretune.scripts.terminal import plain
from genretune.tune.results import cell, parameter_names
from genretune.tune.sweep.leaderboard import Row


def print_leaderboard(
    rows: Sequence[Row],
    metric: str,
    caution: str | None = None,
    classes: Mapping[int, str] | None = None,
) -> None:
    """Print rows by rank; columns that do not fit a terminal are left to ``--format csv``.

    Args:
        caution: what must be said about the figures, if anything.
        classes: the machine class of each trial, where there are several.
    """
    parameters = parameter_names(rows)
    several = ["machine class"] if classes else []
    headers = ["#", "trial", "status", "epochs", metric, *several, *parameters, "why"]
    table = [
        [
            rank,
            row.trial,
            row.status,
            row.epochs,
            "" if row.value is None else cell(row.value, digits=4),
            *([classes.get(row.trial, "")] if classes else []),
            *(cell(row.parameters.get(name, ""), digits=4) for name in parameters),
            row.why,
        ]
        for rank, row in enumerate(rows, start=1)
    ]
    text = tabulate(table, headers=headers, disable_numparse=True)
    if sys.stdout.isatty():
        text = _narrowed(table, headers, text)
    print(plain(text))
    if caution is not None:
        print(caution)


def _narrowed(table: list[list[object]], headers: list[str], text: str) -> str:
    """The table without its last columns, as far as the terminal is too narrow for them."""
    width = shutil.get_terminal_size().columns
    kept = len(headers)
    while kept > 5 and max(len(line) for line in text.splitlines()) > width:
        kept -= 1
        text = tabulate(
            [row[:kept] for row in table], headers=headers[:kept], disable_numparse=True
        )
    left_out = len(headers) - kept
    return f"{text}\n({left_out} columns more in --format csv)" if left_out else text
