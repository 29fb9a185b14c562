"""``genretune results``: print or export the leaderboard of a run directory, or one trial."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genretune.scripts.terminal import print_json, printable
from genretune.tune.errors import TuneError
from genretune.tune.storage.run_dir import RunDir

if TYPE_CHECKING:
    from genretune.tune.sweep.audit import Finding


class Format(StrEnum):
    """Output formats of the leaderboard."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


def results(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="the run directory")],
    format: Annotated[Format, typer.Option(help="parquet needs --out")] = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="short for --format json")] = False,
    top: Annotated[int | None, typer.Option(min=1, help="the top N trials only")] = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="one trial only, with its verdicts and why it ended")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="write to a file instead of printing")] = None,
    audit: Annotated[
        bool,
        typer.Option("--audit", help="check every decision by deriving it again from the journal"),
    ] = False,
) -> int:
    """Print the leaderboard: completed trials by value, then stopped and open ones, then failures.

    Example: genretune results runs/quickstart --top 5 --format csv
    """
    from genretune.scripts.show_results import print_leaderboard
    from genretune.tune.run import results as run_results
    from genretune.tune.sweep.explain import explain

    run = RunDir(run_directory)
    if audit:
        return _show_audit(run_results.audit_run(run), as_json)
    rows = run_results.read_rows(run)
    if trial is not None:
        rows = [row for row in rows if row.trial == trial]
        if not rows:
            raise TuneError(f"--trial: must have been created, got {trial}")
    rows = rows[:top]
    output_format = Format.json if as_json else format
    classes = run_results.machine_classes(run)
    if output_format is Format.parquet:
        if out is None:
            raise TuneError("--out: must name the file for parquet, got nothing (--out FILE)")
        run_results.write_parquet(rows, out, classes)
    elif output_format is Format.table and out is None:
        metric = run.sweep()["space"]["metric"]["name"]
        print_leaderboard(rows, metric, run_results.warnings_of(run), classes)
        if trial is not None:
            print(printable(f"\n{explain(run_results.read_state(run), trial)}"))
    elif output_format is Format.table:
        raise TuneError("--out: must be combined with --format csv, json or parquet, got a table")
    else:
        if output_format is Format.csv:
            text = run_results.as_csv(rows, classes)
        else:
            records = run_results.as_json(rows, classes)
            text = json.dumps(records, indent=1, allow_nan=False) + "\n"
        if out is None:
            sys.stdout.write(text)
        else:
            out.write_text(text)
    return 0


def _show_audit(findings: "list[Finding]", as_json: bool) -> int:
    """Print what an audit found; return 1 if more than the last digits of parameters differs."""
    differences = [one.text for one in findings if not one.last_digits]
    last_digits = [one.text for one in findings if one.last_digits]
    if as_json:
        print_json({"differences": differences, "last_digits": last_digits})
        return 1 if differences else 0
    if not differences:
        print("every decision follows from the journal")
    if last_digits:
        print(
            "but for the last digits of some parameters, which another CPU or another version of a "
            "library computes:"
        )
    print(printable("\n".join((*differences, *last_digits))), end="\n" if findings else "")
    return 1 if differences else 0
