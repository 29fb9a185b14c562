"""What the state machine answers a driver, step by step."""

from collections.abc import Callable

import pytest

from genretune.tune.errors import Contradiction, RunFailure, TuneError
from genretune.tune.space.problems import SpaceError
from genretune.tune.space.space import Space
from genretune.tune.sweep.decisions import CONTINUE, HOLD, STOP, WAIT, Done, Segment
from genretune.tune.sweep.leaderboard import leaderboard
from genretune.tune.sweep.state_machine import Machine

Spaces = Callable[..., Space]


@pytest.fixture
def machine(space: Spaces) -> Machine:
    """Three trials, rungs at 1, 2, 4 and 8 of 10 epochs, one of two goes on."""
    return Machine(space("trials=3"))


def start(machine: Machine, busy: set[int]) -> int:
    answer = machine.next_segment(busy)
    assert isinstance(answer, Segment)
    busy.add(answer.trial)
    return answer.trial


def test_an_early_trial_is_held_until_lower_ones_are_settled(machine: Machine) -> None:
    busy: set[int] = set()
    assert [start(machine, busy) for _ in range(3)] == [0, 1, 2]
    assert machine.next_segment(busy) == WAIT
    assert machine.report(2, 1, 0.9, "c1") == HOLD
    busy.remove(2)
    assert machine.why_idle(busy) == (
        "every trial has been started; trial 2 is held at epoch 1 for trial 0 (running)"
    )
    assert machine.next_segment(busy) == WAIT
    assert machine.report(0, 1, 0.5, "a1") == CONTINUE
    assert machine.report(1, 1, 0.5, "b1") == STOP  # a tie goes to the lower index
    busy.remove(1)
    answer = machine.next_segment(busy)
    assert isinstance(answer, Segment)
    assert (answer.trial, answer.epochs, answer.new) == (2, 1, False)
    assert [event.event for event in machine.take()] == [
        *["created"] * 3, "report", "report", "verdict", "report", "verdict", "verdict",
    ]  # fmt: skip
    assert machine.counts(busy) == {
        "completed": 0, "stopped": 1, "diverged": 0, "failed": 0, "running": 1, "paused": 1,
        "pending": 0,
    }  # fmt: skip


def test_repeated_reports_are_no_news(machine: Machine) -> None:
    start(machine, set())
    machine.report(0, 1, 0.5, "a1")
    machine.report(0, 2, 0.6, "a2")
    machine.take()
    assert [machine.report(0, epoch, value, d) for epoch, value, d in
            ((1, 0.5, "a1"), (2, 0.6, "a2"))] == [CONTINUE, CONTINUE]  # fmt: skip
    assert machine.take() == []


def test_the_same_epoch_with_other_weights_is_a_contradiction(machine: Machine) -> None:
    start(machine, set())
    machine.report(0, 1, 0.5, "a1")
    with pytest.raises(Contradiction, match="trial 0, epoch 1: must have the value"):
        machine.report(0, 1, 0.5, "a2")
    with pytest.raises(Contradiction):
        machine.report(0, 1, 0.4, "a1")
    with pytest.raises(RunFailure, match="epoch 2 of 10 must be reported next, got 3"):
        machine.report(0, 3, 0.4, "a3")


def test_a_checkpoint_ahead_of_the_journal_is_held_at_the_rung(machine: Machine) -> None:
    busy: set[int] = set()
    start(machine, busy), start(machine, busy)
    assert [machine.report(1, epoch, 0.5, f"b{epoch}") for epoch in (1, 2)] == [HOLD, HOLD]
    assert machine.state.trials[1].epochs == 1


def test_a_value_that_is_not_finite_is_the_worst(machine: Machine) -> None:
    busy: set[int] = set()
    [start(machine, busy) for _ in range(3)]
    machine.report(0, 1, float("nan"), "a1")
    assert machine.report(1, 1, -1.0, "b1") == CONTINUE
    assert machine.state.trials[0].best is None


def test_a_stopped_trial_counts_where_it_was_and_is_passed_over_later(space: Spaces) -> None:
    machine = Machine(space("trials=3"))
    busy: set[int] = set()
    [start(machine, busy) for _ in range(2)]
    machine.report(0, 1, 0.9, "a1")
    machine.stop(0)
    assert machine.report(0, 2, 0.9, "a2") == STOP
    assert machine.state.trials[0].epochs == 1
    assert machine.report(1, 1, 0.8, "b1") == STOP
    rows = leaderboard(machine.state)
    assert [(row.trial, row.status, row.why) for row in rows] == [
        (0, "stopped", "stopped by the user after epoch 1"),
        (1, "stopped", "place 2 of 2 at epoch 1, 1 went on"),
    ]
    with pytest.raises(TuneError, match="trial 0: must be open to be stopped, got stopped"):
        machine.stop(0)
    with pytest.raises(TuneError, match="trial 2: must have been created to be given up"):
        machine.give_up(2, "why")


def test_draining_holds_everything_and_changes_nothing(machine: Machine) -> None:
    busy: set[int] = set()
    start(machine, busy)
    machine.stop(None)
    assert machine.next_segment(busy) == WAIT
    assert machine.report(0, 1, 0.5, "a1") == HOLD
    busy.clear()
    assert machine.next_segment(busy) == Done("drained")
    resumed = Machine(machine.space, machine.take())
    assert resumed.next_segment(busy) == Done("drained")
    resumed.begin(host="here", pid=1, environment={})
    answer = resumed.next_segment(busy)
    assert isinstance(answer, Segment)
    assert (answer.trial, answer.epochs) == (0, 1)


def test_the_last_epoch_of_a_draining_sweep_may_end(space: Spaces) -> None:
    machine = Machine(space("trials=1", "early_terminate={type: none}", "trial.epochs=1"))
    start(machine, set())
    machine.drain()
    assert machine.report(0, 1, 0.5, "a1") == CONTINUE
    machine.ended(0, "completed", 1, "all 1 epochs")
    assert machine.next_segment(set()) == Done("finished")


def test_a_lost_trial_comes_again_and_progress_counts_anew(space: Spaces) -> None:
    machine = Machine(space("trials=1", "early_terminate={type: none}"), retries=1)
    for epoch in (1, 2, 3):
        assert isinstance(machine.next_segment(set()), Segment)
        machine.report(0, epoch, 0.5, f"a{epoch}")
        machine.lost(0, "node died")
    assert isinstance(machine.next_segment(set()), Segment)
    machine.lost(0, "node died")
    assert machine.next_segment(set()) == Done("undecided")
    machine.begin(host="here", pid=1, environment={})
    assert isinstance(machine.next_segment(set()), Segment)


def test_tpe_waits_for_its_lag(space: Spaces) -> None:
    machine = Machine(space("sampler={type: tpe, lag: 2}"))
    busy: set[int] = set()
    assert [start(machine, busy) for _ in range(2)] == [0, 1]
    assert machine.next_segment(busy) == WAIT
    assert machine.why_idle(busy).startswith("trial 2 is chosen once trial 0 is settled at epoch 1")
    machine.report(0, 1, 0.5, "a1")
    assert start(machine, busy) == 2


def test_seeds_are_the_trials_or_shared(space: Spaces) -> None:
    for seeds, different in (("per_trial", 3), ("shared", 1)):
        machine = Machine(space(f"seeds={seeds}"))
        busy: set[int] = set()
        [start(machine, busy) for _ in range(3)]
        assert len({trial.seed for trial in machine.state.trials}) == different


def test_extension_goes_upward_only(machine: Machine) -> None:
    with pytest.raises(TuneError, match="trials: must not become fewer, got 2 after 3"):
        machine.extend(2)
    machine.extend(3)
    assert machine.take() == []
    machine.extend(4)
    assert machine.state.total == 4


def test_a_grid_cannot_be_extended_beyond_its_size(space: Spaces) -> None:
    values = "parameters={a: {values: [1, 2]}, b: {values: [1, 2]}}"
    machine = Machine(space("sampler={type: grid}", values, "trials=4"))
    with pytest.raises(SpaceError, match="must be at most the grid's 4 configurations, got 5"):
        machine.extend(5)
