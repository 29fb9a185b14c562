"""What a run directory says, read without a lock: leaderboard, one trial's records, choices."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genretune.tune.errors import TuneError
from genretune.tune.run.journal import read_journal
from genretune.tune.space.load import space_from_json
from genretune.tune.storage.atomic_io import write_atomically
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.untrusted import read_result
from genretune.tune.sweep.audit import audit
from genretune.tune.sweep.events import MIXED, Created, Driver
from genretune.tune.sweep.leaderboard import Row, best_row, leaderboard
from genretune.tune.sweep.state import State
from genretune.tune.sweep.sweep_rules import rules_from_space


def read_state(run: RunDir) -> State:
    """The state of a sweep, folded from its journal.

    Raises:
        TuneError: this is no run directory.
        DamagedRecord: the journal is damaged.
    """
    space = space_from_json(run.sweep()["space"])
    state = State(rules_from_space(space), space.trials)
    if run.journal.exists():
        state.recall(read_journal(run.journal))
    return state


def audit_run(run: RunDir) -> list[str]:
    """Every decision of the journal that is not derived again from it; a line each.

    Raises:
        DamagedRecord: the journal is damaged, or contradicts itself.
    """
    events = read_journal(run.journal) if run.journal.exists() else []
    return audit(space_from_json(run.sweep()["space"]), events)


def warnings_of(run: RunDir) -> str | None:
    """What every table of a sweep must say about its figures; None where there is nothing."""
    leakage = run.sweep()["leakage"]
    told = []
    if leakage.get("split") == "contaminated":
        told = ["contaminated: windows of the same clips train and validate: figures are too good"]
    elif found := leakage.get("leaks"):
        told = [f"leaking: {len(found)} clips, groups or duplicates are on two sides of the fold"]
    if machine_classes(run):
        told.append("several machine classes: equal bits are promised within a class only")
    return "\n".join(told) or None


def machine_classes(run: RunDir) -> dict[int, str]:
    """The machine classes that each trial ran on, where the sweep ran on several; else empty."""
    events = read_journal(run.journal) if run.journal.exists() else []
    told = {str(e.environment.get("machine_class")) for e in events if isinstance(e, Driver)}
    if told <= {"None"} or (len(told) == 1 and told != {MIXED}):
        return {}
    found = {}
    for event in events:
        if isinstance(event, Created):
            result = read_result(run.trial_path(event.trial))
            segments = [] if result is None else result["segments"]
            classes = {one["environment"]["machine_class"] for one in segments}
            found[event.trial] = " + ".join(sorted(classes))
    return found


def read_rows(run: RunDir) -> list[Row]:
    """The leaderboard by rank."""
    return leaderboard(read_state(run))


def as_json(rows: Sequence[Row], classes: Mapping[int, str] | None = None) -> list[dict[str, Any]]:
    """Rows as plain JSON values, in the order of rank.

    Args:
        classes: of a mixed sweep, as ``machine_classes`` gives them; each row then has its
            ``machine_class``, None for a trial that has not run.
    """
    if not classes:
        return [asdict(row) for row in rows]
    return [asdict(row) | {"machine_class": classes.get(row.trial) or None} for row in rows]


def as_csv(rows: Sequence[Row], classes: Mapping[int, str] | None = None) -> str:
    """Rows as CSV, a column for each parameter that any trial has; floats round-trip.

    Args:
        classes: of a mixed sweep: a column ``machine_class`` before the parameters.
    """
    parameters = parameter_names(rows)
    fixed = ["rank", *_columns(classes)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*fixed, *parameters])
    for rank, (row, fact) in enumerate(zip(rows, as_json(rows, classes), strict=True), start=1):
        facts = fact | {"rank": rank}
        writer.writerow(
            [
                *("" if facts[key] is None else cell(facts[key]) for key in fixed),
                *(cell(row.parameters.get(p, "")) for p in parameters),
            ]
        )
    return text.getvalue()


def parameter_names(rows: Sequence[Row]) -> list[str]:
    """Every parameter that any trial has, in the order in which the trials name them."""
    return list(dict.fromkeys(name for row in rows for name in row.parameters))


def cell(value: object, *, digits: int | None = None) -> str:
    """A value in a table, as a space file writes it: ``null``, ``true``, ``[null, 4, 8]``.

    Args:
        digits: significant ones of a float; without, floats round-trip.
    """
    if isinstance(value, float):
        return repr(value) if digits is None else f"{value:.{digits}g}"
    if isinstance(value, list):
        return f"[{', '.join(cell(item, digits=digits) for item in value)}]"
    return value if isinstance(value, str) else json.dumps(value)


def write_leaderboard(run: RunDir) -> list[Row]:
    """Write ``leaderboard.csv`` from the journal; its rows."""
    rows = read_rows(run)
    write_atomically(run.leaderboard_csv, as_csv(rows, machine_classes(run)).encode())
    return rows


def choose(path: Path, trial: str) -> list[tuple[Path, int | None]]:
    """Folders and indices of the trials that ``trial`` means: ``best``, ``all`` or a number.

    Raises:
        TuneError: there is no such trial.
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
    """What a table says of a trial beside its rank and parameters."""
    own = [key for key in Row.__slots__ if key != "parameters"]
    return [*own, "machine_class"] if classes else own


def write_parquet(
    rows: Sequence[Row], path: Path, classes: Mapping[int, str] | None = None
) -> None:
    """Write rows to a Parquet file; parameters are one column of JSON.

    Args:
        classes: of a mixed sweep: one more column, ``machine_class``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    facts = as_json(rows, classes)
    columns = {key: [fact[key] for fact in facts] for key in _columns(classes)}
    columns["parameters"] = [json.dumps(fact["parameters"]) for fact in facts]
    pq.write_table(pa.table(columns), path)
