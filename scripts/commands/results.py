"""``genretune results``: the leaderboard of a run directory, or one trial."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from genretune.scripts.terminal import print_json, printable
from genretune.tune.errors import TuneError
from genretune.tune.storage.run_dir import RunDir


class Format(StrEnum):
    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


def results(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="the run directory")],
    format: Annotated[Format, typer.Option(help="parquet needs --out")] = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="short for --format json")] = False,
    top: Annotated[int | None, typer.Option(min=1, help="only the first so many")] = None,
    trial: Annotated[int | None, typer.Option(min=0, help="one trial, and why it ended")] = None,
    out: Annotated[Path | None, typer.Option(help="write there instead of printing")] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="derive every decision again from the journal")
    ] = False,
) -> int:
    """Print the leaderboard: completed trials by value, stopped ones, failures.

    Example: genretune results runs/quickstart --top 5 --format csv
    """
    from genretune.scripts.show_results import print_leaderboard
    from genretune.tune.run import results as reading
    from genretune.tune.sweep.explain import explain

    run = RunDir(run_directory)
    if audit:
        return _audit(reading.audit_run(run), as_json)
    rows = reading.read_rows(run)
    if trial is not None:
        rows = [row for row in rows if row.trial == trial]
        if not rows:
            raise TuneError(f"--trial: must have been created, got {trial}")
    rows = rows[:top]
    chosen = Format.json if as_json else format
    classes = reading.machine_classes(run)
    if chosen is Format.parquet:
        if out is None:
            raise TuneError("--out: must name the file for parquet, got nothing (--out FILE)")
        reading.write_parquet(rows, out, classes)
    elif chosen is Format.table and out is None:
        metric = run.sweep()["space"]["metric"]["name"]
        print_leaderboard(rows, metric, reading.warnings_of(run), classes)
        if trial is not None:
            print(printable(f"\n{explain(reading.read_state(run), trial)}"))
    elif chosen is Format.table:
        raise TuneError("--out: needs --format csv, json or parquet")
    else:
        facts = reading.as_json(rows, classes)
        text = json.dumps(facts, indent=1, allow_nan=False) + "\n"
        if chosen is Format.csv:
            text = reading.as_csv(rows, classes)
        if out is None:
            sys.stdout.write(text)
        else:
            out.write_text(text)
    return 0


def _audit(differences: list[str], as_json: bool) -> int:
    """Say what an audit found; exit code 1 where a decision is not derived again."""
    if as_json:
        print_json({"differences": differences})
    else:
        print(printable("\n".join(differences)) or "every decision follows from the journal")
    return 1 if differences else 0
