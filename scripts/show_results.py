"""The leaderboard as a table, and the end of a sweep: what failed, and what to do next."""

from collections.abc import Mapping, Sequence

from genretune.scripts.terminal import print_error, print_table
from genretune.tune.run.results import (
    cell,
    machine_classes,
    parameter_names,
    warnings_of,
    write_leaderboard,
)
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.leaderboard import Row


def print_leaderboard(
    rows: Sequence[Row],
    metric: str,
    warnings: str | None = None,
    classes: Mapping[int, str] | None = None,
) -> None:
    """Print rows by rank; columns that do not fit a terminal are left to ``--format csv``.

    Args:
        warnings: what limits the figures, if anything.
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
    if warnings is not None:
        print(warnings)


def show_end(run: RunDir, *, strict: bool, finished: bool = True) -> int:
    """Write and print the leaderboard; return the exit code of a finished sweep.

    Args:
        strict: return 3 if a trial failed or diverged.
    """
    rows = write_leaderboard(run)
    metric = run.sweep()["space"]["metric"]["name"]
    print_leaderboard(rows, metric, warnings_of(run), machine_classes(run))
    faulty = [row for row in rows if row.status in ("failed", "diverged")]
    for row in faulty:
        print_error(f"warning: trial {row.trial} {row.status}: {row.why}")
    if finished:
        print(f"\nfinished: {run.path} (genretune replay {run.path})")
    return 3 if faulty and strict else 0
