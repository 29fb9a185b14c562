"""The order of the leaderboard, and the one meaning of the best trial."""

from typing import Literal

import pytest

from genretune.tune.sweep.events import Created, Ended, Event, Report, Stop
from genretune.tune.sweep.leaderboard import best_row, leaderboard
from genretune.tune.sweep.state import State, state_from_events
from genretune.tune.sweep.sweep_rules import SweepRules

Mode = Literal["min", "max"]


def state_after(mode: Mode, *events: Event) -> State:
    created = [Created(trial, {}, 7) for trial in range(8)]
    return state_from_events(SweepRules(2, mode), 8, [*created, *events])


def report(trial: int, epoch: int, value: float | None) -> Report:
    return Report(trial, epoch, value, "a")


def test_completed_trials_come_first_then_stopped_open_and_failed_ones() -> None:
    state = state_after(
        "max",
        *(Ended(0, "failed", 0, "no memory"), report(1, 1, 0.9), Stop(1, 1)),
        *(report(2, 1, 0.1), report(2, 2, 0.2), Stop(2, 2)),
        *(report(3, 1, 0.3), Ended(3, "completed", 1, "patience")),
        *(report(4, 1, 0.4), Ended(4, "completed", 1, "patience")),
        *(report(5, 1, None), Ended(5, "diverged", 1, "nan"), report(6, 1, 0.99)),
    )
    rows = leaderboard(state, running=[7])
    assert [(row.trial, row.status) for row in rows] == [
        *((4, "completed"), (3, "completed")),
        *((2, "stopped"), (1, "stopped")),
        *((7, "running"), (6, "paused")),
        *((5, "diverged"), (0, "failed")),
    ]
    best = best_row(rows, "max")
    assert best is not None and best.trial == 4


@pytest.mark.parametrize(("mode", "trial"), [("max", 0), ("min", 1)])
def test_without_a_completed_trial_the_best_of_all_counts(mode: Mode, trial: int) -> None:
    state = state_after(mode, report(0, 1, 0.9), report(1, 1, 0.2), report(2, 1, None))
    best = best_row(leaderboard(state), mode)
    assert best is not None and best.trial == trial
    assert best_row(leaderboard(state_after(mode, report(2, 1, None))), mode) is None


def test_ties_go_to_the_lower_trial() -> None:
    ends = [Ended(trial, "completed", 1, "patience") for trial in (0, 1)]
    state = state_after("min", report(1, 1, 0.5), report(0, 1, 0.5), *ends)
    rows = leaderboard(state)
    assert [row.trial for row in rows[:2]] == [0, 1]
    best = best_row(rows, "min")
    assert best is not None and best.trial == 0
