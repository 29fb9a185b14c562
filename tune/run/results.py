"""Results read from a run directory without a lock: leaderboard, warnings, choice of trials."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genretune.tune.errors import TuneError
from genretune.tune.run.journal import read_events
from genretune.tune.run.running import read_running
from genretune.tune.space.load import space_from_json
from genretune.tune.storage.atomic_io import write_atomically
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.untrusted import read_result
from genretune.tune.sweep.audit import Finding, audit
from genretune.tune.sweep.events import MIXED, Created, Driver
from genretune.tune.sweep.leaderboard import Row, best_row, leaderboard
from genretune.tune.sweep.state import State, state_from_events
from genretune.tune.sweep.sweep_rules import rules_from_space


def read_state(run: RunDir) -> State:
    """Return the state of a sweep, derived from its journal.

    Raises:
        TuneError: not a run directory.
        DamagedRecord: the journal is damaged.
    """
    space = space_from_json(run.sweep()["space"])
    return state_from_events(rules_from_space(space), space.trials, read_events(run))


def audit_run(run: RunDir) -> list[Finding]:
    """Return the decisions in the journal that are not derived again from it.

    Raises:
        DamagedRecord: the journal is damaged or contradicts itself.
    """
    return audit(space_from_json(run.sweep()["space"]), read_events(run))


def warnings_of(run: RunDir) -> str | None:
    """Return the caveats on a sweep's metrics, one per line, for its tables; None without any."""
    leakage = run.sweep()["leakage"]
    lines = []
    if leakage.get("split") == "contaminated":
        lines = [
            "contaminated: windows of the same clips are in training and validation, so metrics "
            "are too optimistic"
        ]
    elif leaks := leakage.get("leaks"):
        lines = [f"leaking: {len(leaks)} clips, groups or duplicates are in two subsets"]
    if machine_classes(run):
        lines.append("several machine classes: bit equality holds within one machine class only")
    return "\n".join(lines) or None


def machine_classes(run: RunDir) -> dict[int, str]:
    """Return trial -> the machine classes it ran on, for a sweep on several; else empty.

    A trial without a record yet has an empty string.
    """
    events = read_events(run)
    drivers = [event for event in events if isinstance(event, Driver)]
    classes = {str(driver.environment.get("machine_class")) for driver in drivers}
    if classes <= {"None"} or (len(classes) == 1 and MIXED not in classes):
        return {}
    classes_by_trial = {}
    for event in events:
        if isinstance(event, Created):
            result = read_result(run.trial_path(event.trial))
            segments = [] if result is None else result["segments"]
            names = {segment["environment"]["machine_class"] for segment in segments}
            classes_by_trial[event.trial] = " + ".join(sorted(names))
    return classes_by_trial


def read_rows(run: RunDir) -> list[Row]:
    """Return the leaderboard, the best trial first."""
    running = read_running(run)
    return leaderboard(read_state(run), () if running is None else running.indices)


def as_json(rows: Sequence[Row], classes: Mapping[int, str] | None = None) -> list[dict[str, Any]]:
    """Return rows as plain JSON values, in the order given.

    Args:
        classes: ``machine_classes`` of the sweep; unless empty, each row has a ``machine_class``,
            which is None for a trial that has not run.
    """
    if not classes:
        return [asdict(row) for row in rows]
    return [asdict(row) | {"machine_class": classes.get(row.trial) or None} for row in rows]


def as_csv(rows: Sequence[Row], classes: Mapping[int, str] | None = None) -> str:
    """Return rows as CSV with one column per parameter; floats round-trip.

    A parameter that a trial does not have is an empty cell; one that is null is ``null``.

    Args:
        classes: ``machine_classes`` of the sweep; unless empty, there is a column
            ``machine_class`` before the parameters.
    """
    parameters = parameter_names(rows)
    columns = ["rank", *_columns(classes)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, *parameters])
    for rank, (row, fields) in enumerate(zip(rows, as_json(rows, classes), strict=True), start=1):
        fields["rank"] = rank
        writer.writerow(
            [
                *("" if fields[key] is None else format_value(fields[key]) for key in columns),
                *(format_value(row.parameters.get(name, "")) for name in parameters),
            ]
        )
    return text.getvalue()


def parameter_names(rows: Sequence[Row]) -> list[str]:
    """Return the parameters of any trial, in order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.parameters))


def format_value(value: object, *, digits: int | None = None) -> str:
    """Return a value as a space file writes it: ``null``, ``true``, ``[null, 4, 8]``.

    Args:
        digits: significant digits of floats; None writes as many as they need to round-trip.
    """
    if isinstance(value, float):
        return repr(value) if digits is None else f"{value:.{digits}g}"
    if isinstance(value, list):
        return f"[{', '.join(format_value(item, digits=digits) for item in value)}]"
    return value if isinstance(value, str) else json.dumps(value)


def write_leaderboard(run: RunDir) -> list[Row]:
    """Write ``leaderboard.csv`` from the journal and return its rows."""
    rows = read_rows(run)
    write_atomically(run.leaderboard_csv, as_csv(rows, machine_classes(run)).encode())
    return rows


def write_parquet(
    rows: Sequence[Row], path: Path, classes: Mapping[int, str] | None = None
) -> None:
    """Write rows to a Parquet file; the parameters are one column of JSON.

    Args:
        classes: ``machine_classes`` of the sweep; unless empty, there is a column
            ``machine_class``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    records = as_json(rows, classes)
    columns = {key: [record[key] for record in records] for key in _columns(classes)}
    columns["parameters"] = [json.dumps(record["parameters"]) for record in records]
    pq.write_table(pa.table(columns), path)


def choose_trials(path: Path, trial: str) -> list[tuple[Path, int | None]]:
    """Return (folder, index) of the trials that ``--trial`` selects.

    Args:
        path: the run directory.
        trial: ``best``, ``all`` or a trial's number; trials without a finished epoch are left out.

    Raises:
        TuneError: no trial is selected.
    """
    run = RunDir(path)
    state = read_state(run)
    rows = [row for row in leaderboard(state) if row.epochs > 0]
    if trial == "all":
        chosen = sorted(row.trial for row in rows)
    elif trial == "best":
        best = best_row(rows, state.rules.mode)
        chosen = [] if best is None else [best.trial]
    elif trial.isdecimal():
        chosen = [row.trial for row in rows if row.trial == int(trial)]
    else:
        raise TuneError(f"--trial: must be best, all or a trial's number, got {trial}")
    if not chosen:
        raise TuneError(f"--trial: must have finished an epoch, got {trial} of {path}")
    return [(run.trial_path(index), index) for index in chosen]


def _columns(classes: Mapping[int, str] | None) -> list[str]:
    """Return the columns of a table between the rank and the parameters."""
    fields = [key for key in Row.__slots__ if key != "parameters"]
    return [*fields, "machine_class"] if classes else fields
