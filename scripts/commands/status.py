"""``genretune status``: print the progress of a sweep, without taking its lock."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from genretune.scripts.terminal import print_json, printable
from genretune.tune.storage.run_dir import RunDir

_WATCH_INTERVAL = 2.0  # s


def status(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="the run directory")],
    watch: Annotated[
        bool,
        typer.Option("--watch", help="repeat every two seconds until the sweep has no driver"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print facts as JSON")] = False,
) -> int:
    """Print the progress of a sweep, its driver, and why workers are idle.

    Example: genretune status runs/quickstart --watch
    """
    run = RunDir(run_directory)
    while True:
        facts = _facts(run)
        if as_json:
            print_json(facts)
        else:
            print(printable(_in_words(facts)), flush=True)
        if not watch or facts["driver"] is None:
            return 0
        time.sleep(_WATCH_INTERVAL)


def _facts(run: RunDir) -> dict[str, Any]:
    from genretune.tune.run.results import as_json
    from genretune.tune.run.status import read_status

    status = read_status(run)
    return {
        "trials": status.counts,
        "epochs": status.epochs,
        "best": as_json([status.best])[0] if status.best else None,
        "driver": status.driver,
        "idle": status.idle,
    }


def _in_words(facts: dict[str, Any]) -> str:
    counts = [f"{number} {name}" for name, number in facts["trials"].items() if number]
    parts = [f"trials: {', '.join(counts)}", f"{facts['epochs']} epochs"]
    if facts["best"]:
        parts.append(f"best: trial {facts['best']['trial']}, {facts['best']['value']:.4f}")
    parts.append(f"driver: {facts['driver'] or 'none'}")
    if facts["idle"]:
        parts.append(f"waiting: {facts['idle']}")
    return "; ".join(parts)
