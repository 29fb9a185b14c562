"""The leaderboard as a table."""

from collections.abc import Mapping, Sequence

from genretune.scripts.terminal import print_table
from genretune.tune.run.results import cell, parameter_names
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
    print_table(table, headers, rest="--format csv", least=5)
    if caution is not None:
        print(caution)
