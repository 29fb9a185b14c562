"""Display of results: the leaderboard as a table, and the summary at the end of a sweep."""

from collections.abc import Mapping, Sequence

from genretune.scripts.terminal import print_error, print_table
from genretune.tune.run.results import (
    format_value,
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
    """Print the leaderboard; columns that do not fit a terminal are left to ``--format csv``.

    Args:
        rows: the best trial first.
        warnings: caveats on the metrics, printed below the table.
        classes: ``machine_classes`` of the sweep; unless empty, there is a column for them.
    """
    parameters = parameter_names(rows)
    class_column = ["machine class"] if classes else []
    headers = ["#", "trial", "status", "epochs", metric, *class_column, *parameters, "why"]
    table = [
        [
            rank,
            row.trial,
            row.status,
            row.epochs,
            "" if row.value is None else format_value(row.value, digits=4),
            *([classes.get(row.trial, "")] if classes else []),
            *(format_value(row.parameters.get(name, ""), digits=4) for name in parameters),
            row.why,
        ]
        for rank, row in enumerate(rows, start=1)
    ]
    print_table(table, headers, full_output="--format csv", min_columns=5)
    if warnings is not None:
        print(warnings)


def show_end(run: RunDir, *, strict: bool, finished: bool = True) -> int:
    """Write and print the leaderboard; return the exit code of a finished sweep.

    Args:
        strict: return 3 if a trial failed or diverged.
        finished: whether all trials are final; then the next step is suggested.
    """
    rows = write_leaderboard(run)
    metric = run.sweep()["space"]["metric"]["name"]
    print_leaderboard(rows, metric, warnings_of(run), machine_classes(run))
    failures = [row for row in rows if row.status in ("failed", "diverged")]
    for row in failures:
        print_error(f"warning: trial {row.trial} {row.status}: {row.why}")
    if finished:
        print(f"\nfinished: {run.path} (genretune replay {run.path})")
    return 3 if failures and strict else 0
