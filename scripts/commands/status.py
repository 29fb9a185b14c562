"""``genretune status``: print the progress of a sweep, without taking its lock."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from genretune.scripts.terminal import print_json, print_table, printable
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
            _show_running(facts)
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
        "concurrency": None if status.running is None else status.running.concurrency,
        "running": [] if status.running is None else list(map(asdict, status.running.trials)),
        "waiting": [] if status.running is None else list(status.running.waiting),
        "set_aside": {} if status.running is None else status.running.set_aside,
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


def _show_running(facts: dict[str, Any]) -> None:
    """Print a line for each running trial, for those that wait and for nodes set aside."""
    if facts["running"]:
        rows = [
            [
                one["trial"],
                one["epoch"],
                "" if one["seconds"] is None else f"{one['seconds']:.1f}",
                one["host"],
                one["device"],
                _gigabytes(one["device_bytes"]),
                _gigabytes(one["process_bytes"]),
            ]
            for one in facts["running"]
        ]
        headers = ["trial", "epoch", "s/epoch", "host", "device", "device GB", "process GB"]
        print_table(rows, headers, full_output="--json")
    if facts["waiting"]:
        waiting = ", ".join(map(str, facts["waiting"]))
        print(f"waiting for a node: trials {waiting}")
    for name, why in facts["set_aside"].items():
        print(printable(f"set aside for now: node {name}: {why}"))


def _gigabytes(number: int | None) -> str:
    return "" if number is None else f"{number / 1e9:.1f}"
