"""``genretune status``: how far a sweep is, read without a lock."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from genretune.scripts.terminal import print_json, printable
from genretune.tune.storage.run_dir import RunDir


def status(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="the run directory")],
    watch: Annotated[bool, typer.Option("--watch", help="again every two seconds")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print facts as JSON")] = False,
) -> int:
    """Say how far a sweep is, who drives it, and why a worker idles.

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
        time.sleep(2.0)


def _facts(run: RunDir) -> dict[str, Any]:
    from genretune.tune.run.results import as_json
    from genretune.tune.run.status import read_status

    found = read_status(run)
    return {
        "trials": found.counts,
        "epochs": found.epochs,
        "best": as_json([found.best])[0] if found.best else None,
        "driver": found.driver,
        "idle": found.idle,
    }


def _in_words(facts: dict[str, Any]) -> str:
    shown = [f"{number} {name}" for name, number in facts["trials"].items() if number]
    parts = [f"trials: {', '.join(shown)}", f"{facts['epochs']} epochs"]
    if facts["best"]:
        parts.append(f"best: trial {facts['best']['trial']}, {facts['best']['value']:.4f}")
    parts.append(f"driver: {facts['driver'] or 'none'}")
    if facts["idle"]:
        parts.append(f"waiting: {facts['idle']}")
    return "; ".join(parts)
