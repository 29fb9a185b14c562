"""Results of a sweep that ran on several machine classes."""

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from genretune.tune.run.journal import Journal
from genretune.tune.run.results import (
    as_csv,
    as_json,
    machine_classes,
    read_rows,
    warnings_of,
    write_leaderboard,
    write_parquet,
)
from genretune.tune.space.load import space_from_text
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.events import MIXED
from genretune.tune.sweep.state_machine import StateMachine
from tests.spaces import SWEEP, tiny_space

SPACE = tiny_space(1)
KEYS = [
    *("trial", "status", "epochs", "value", "parameters", "seed", "weights_sha256"),
    *("best_epoch", "why"),
]


def sweep(path: Path, machine_class: str) -> RunDir:
    """A sweep of three trials; two have run, each on a different machine class."""
    space = space_from_text(SPACE, "tiny.yaml", [])
    run = RunDir(path)
    run.create(SPACE, SWEEP | {"space": space.as_json()})
    with Journal(run.journal) as journal:
        state_machine = StateMachine(space)
        state_machine.begin(host="here", pid=1, environment={"machine_class": machine_class})
        for trial in range(3):
            state_machine.next_segment(range(trial))
        for trial, value in ((0, 0.5), (1, 0.4)):
            state_machine.report(trial, 1, value, "a")
            state_machine.ended(trial, "completed", 1, "all epochs")
            folder = run.trial_path(trial)
            folder.mkdir(parents=True)
            ran_on = [{"environment": {"machine_class": f"class {trial}"}}]
            (folder / "result.json").write_text(json.dumps({"segments": ran_on}))
        journal.append(state_machine.take_events())
    return run


def test_a_mixed_sweep_shows_the_class_of_each_trial_in_every_format(tmp_path: Path) -> None:
    run = sweep(tmp_path / "run", MIXED)
    rows, classes = read_rows(run), machine_classes(run)
    assert classes == {0: "class 0", 1: "class 1", 2: ""}
    facts = as_json(rows, classes)
    assert [fact["machine_class"] for fact in facts] == ["class 1", "class 0", None]
    assert all(list(fact) == [*KEYS, "machine_class"] for fact in facts)
    table = list(csv.DictReader(io.StringIO(as_csv(rows, classes))))
    assert [line["machine_class"] for line in table] == ["class 1", "class 0", ""]
    write_leaderboard(run)
    assert run.leaderboard_csv.read_text() == as_csv(rows, classes)
    write_parquet(rows, tmp_path / "rows.parquet", classes)
    column = pq.read_table(tmp_path / "rows.parquet")["machine_class"].to_pylist()
    assert column == ["class 1", "class 0", None]


def test_a_sweep_on_one_class_has_no_such_column(tmp_path: Path) -> None:
    run = sweep(tmp_path / "run", "class 0")
    rows = read_rows(run)
    assert machine_classes(run) == {}
    assert all(list(fact) == KEYS for fact in as_json(rows, {}))
    assert as_csv(rows, {}) == as_csv(rows)
    assert "class" not in as_csv(rows)


@pytest.mark.parametrize(
    ("leakage", "first_line"),
    [({}, ""), ({"split": "contaminated"}, "contaminated: "), ({"leaks": [1, 2]}, "leaking: 2")],
)
def test_leakage_warnings_do_not_hide_that_of_machine_classes(
    leakage: dict[str, object], first_line: str, tmp_path: Path
) -> None:
    run = sweep(tmp_path / "run", MIXED)
    run.sweep_json.write_text(json.dumps(run.sweep() | {"leakage": leakage}))
    *before, last = (warnings_of(run) or "").splitlines()
    assert last == "several machine classes: bit equality holds within one machine class only"
    assert "".join(before).startswith(first_line)
