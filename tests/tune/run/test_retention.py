"""Which checkpoints of a trial are kept, and what its record says once it is final."""

import json
from pathlib import Path

import pytest

from genretune.tune.run.retention import close_trial, epochs_to_keep, surplus_checkpoints
from genretune.tune.space.settings import Keep
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.events import Created, Ended, Report, Stop
from genretune.tune.sweep.state import state_from_events
from genretune.tune.sweep.sweep_rules import SweepRules

RULES = SweepRules(epochs=2, mode="min")
ENDED = Ended(0, "completed", 2, "all 2 epochs")
STOPPED = Stop(0, 2)


@pytest.fixture
def folder(run: RunDir) -> Path:
    """The folder of trial 0: two epochs, the first one the best, and a record without an end."""
    folder = run.trial_path(0)
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("00001", "00002", "best"):
        (folder / "checkpoints" / f"{name}.safetensors").touch()
    (folder / "result.json").write_text(json.dumps({"best_epoch": 1, "history": [{}, {}]}))
    return folder


def kept(folder: Path, status: str | None, keep: Keep) -> list[str]:
    surplus = surplus_checkpoints(folder, status, keep)
    return sorted(p.stem for p in (folder / "checkpoints").iterdir() if p not in surplus)


def test_checkpoints_of_an_open_trial_are_kept(folder: Path) -> None:
    for keep in ("usual", "best", "all", "none"):
        assert kept(folder, None, keep) == ["00001", "00002", "best"]
        assert epochs_to_keep(folder, None, keep) is None


@pytest.mark.parametrize(
    ("keep", "completed", "epochs"),
    [
        ("usual", ["00002", "best"], {1, 2}),
        ("best", ["best"], {1}),
        ("none", [], set()),
        ("all", ["00001", "00002", "best"], None),
    ],
)
def test_checkpoints_of_a_finished_trial(
    keep: Keep, completed: list[str], epochs: set[int] | None, folder: Path
) -> None:
    assert kept(folder, "completed", keep) == completed
    assert epochs_to_keep(folder, "completed", keep) == epochs
    assert kept(folder, "stopped", keep) == ([] if keep != "all" else completed)
    assert epochs_to_keep(folder, "stopped", keep) == (set() if keep != "all" else None)


@pytest.mark.parametrize(
    ("end", "status", "why"),
    [
        (ENDED, "completed", "all 2 epochs"),
        (STOPPED, "stopped", "stopped by the user after epoch 2"),
    ],
)
def test_closing_writes_the_end_into_the_record_and_may_be_repeated(
    end: Ended | Stop, status: str, why: str, run: RunDir, folder: Path
) -> None:
    reports = [Report(0, 1, 0.4, "a"), Report(0, 2, 0.5, "b")]
    state = state_from_events(RULES, 1, [Created(0, {}, 7), *reports, end])
    for _ in range(2):
        close_trial(run, state.trials[0], RULES, "usual")
        record = json.loads((folder / "result.json").read_text())
        assert (record["status"], record["why"]) == (status, why)
        assert record["best_epoch"] == 1
        assert kept(folder, None, "all") == (["00002", "best"] if status == "completed" else [])


def test_a_damaged_record_is_left_as_it_is(run: RunDir, folder: Path) -> None:
    (folder / "result.json").write_text("{")
    state = state_from_events(RULES, 1, [Created(0, {}, 7), Ended(0, "failed", 0, "no memory")])
    close_trial(run, state.trials[0], RULES, "usual")
    assert (folder / "result.json").read_text() == "{"
    assert kept(folder, None, "all") == []
