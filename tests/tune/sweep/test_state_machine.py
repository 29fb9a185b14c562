"""The decisions of the state machine, step by step."""

from collections.abc import Callable

import pytest

from genretune.tune.errors import Contradiction, RunFailure, TuneError
from genretune.tune.space.problems import SpaceError
from genretune.tune.space.space import Space
from genretune.tune.sweep.decisions import CONTINUE, HOLD, STOP, WAIT, Done, Segment
from genretune.tune.sweep.leaderboard import leaderboard
from genretune.tune.sweep.state_machine import StateMachine

Spaces = Callable[..., Space]


@pytest.fixture
def state_machine(space: Spaces) -> StateMachine:
    """Three trials, rungs at 1, 2, 4 and 8 of 10 epochs, one of two is promoted."""
    return StateMachine(space("trials=3"))


def start(state_machine: StateMachine, busy: set[int]) -> int:
    decision = state_machine.next_segment(busy)
    assert isinstance(decision, Segment)
    busy.add(decision.trial)
    return decision.trial


def test_an_early_trial_is_held_until_lower_ones_are_settled(state_machine: StateMachine) -> None:
    busy: set[int] = set()
    assert [start(state_machine, busy) for _ in range(3)] == [0, 1, 2]
    assert state_machine.next_segment(busy) == WAIT
    assert state_machine.report(2, 1, 0.9, "c1") == HOLD
    busy.remove(2)
    assert state_machine.why_idle(busy) == (
        "every trial has been started; trial 2 is held at epoch 1 until trial 0 reports (running)"
    )
    assert state_machine.next_segment(busy) == WAIT
    assert state_machine.report(0, 1, 0.5, "a1") == CONTINUE
    assert state_machine.report(1, 1, 0.5, "b1") == STOP  # a tie goes to the lower index
    busy.remove(1)
    decision = state_machine.next_segment(busy)
    assert isinstance(decision, Segment)
    assert (decision.trial, decision.epochs, decision.new) == (2, 1, False)
    assert [event.event for event in state_machine.take_events()] == [
        *["created"] * 3, "report", "report", "verdict", "report", "verdict", "verdict",
    ]  # fmt: skip
    assert state_machine.counts(busy) == {
        "completed": 0, "stopped": 1, "diverged": 0, "failed": 0, "running": 1, "waiting": 0,
        "paused": 1, "pending": 0,
    }  # fmt: skip


def test_repeated_reports_cause_no_events(state_machine: StateMachine) -> None:
    start(state_machine, set())
    state_machine.report(0, 1, 0.5, "a1")
    state_machine.report(0, 2, 0.6, "a2")
    state_machine.take_events()
    assert [state_machine.report(0, epoch, value, d) for epoch, value, d in
            ((1, 0.5, "a1"), (2, 0.6, "a2"))] == [CONTINUE, CONTINUE]  # fmt: skip
    assert state_machine.take_events() == []


def test_the_same_epoch_with_other_weights_is_a_contradiction(state_machine: StateMachine) -> None:
    start(state_machine, set())
    state_machine.report(0, 1, 0.5, "a1")
    with pytest.raises(Contradiction, match="trial 0, epoch 1: must have the value"):
        state_machine.report(0, 1, 0.5, "a2")
    with pytest.raises(Contradiction):
        state_machine.report(0, 1, 0.4, "a1")
    with pytest.raises(RunFailure, match="epoch 2 of 10 must be reported next, got 3"):
        state_machine.report(0, 3, 0.4, "a3")


def test_a_checkpoint_ahead_of_the_journal_is_held_at_the_rung(state_machine: StateMachine) -> None:
    busy: set[int] = set()
    start(state_machine, busy), start(state_machine, busy)
    assert [state_machine.report(1, epoch, 0.5, f"b{epoch}") for epoch in (1, 2)] == [HOLD, HOLD]
    assert state_machine.state.trials[1].epochs == 1


def test_a_value_that_is_not_finite_is_the_worst(state_machine: StateMachine) -> None:
    busy: set[int] = set()
    [start(state_machine, busy) for _ in range(3)]
    state_machine.report(0, 1, float("nan"), "a1")
    assert state_machine.report(1, 1, -1.0, "b1") == CONTINUE
    assert state_machine.state.trials[0].best is None


def test_a_stopped_trial_counts_at_its_rungs_and_is_skipped_later(space: Spaces) -> None:
    state_machine = StateMachine(space("trials=3"))
    busy: set[int] = set()
    [start(state_machine, busy) for _ in range(2)]
    state_machine.report(0, 1, 0.9, "a1")
    state_machine.stop(0)
    assert state_machine.report(0, 2, 0.9, "a2") == STOP
    assert state_machine.state.trials[0].epochs == 1
    assert state_machine.report(1, 1, 0.8, "b1") == STOP
    rows = leaderboard(state_machine.state)
    assert [(row.trial, row.status, row.why) for row in rows] == [
        (0, "stopped", "stopped by the user after epoch 1"),
        (1, "stopped", "stopped at rung 1 (epoch 1): rank 2 of 2, top 1 promoted"),
    ]
    with pytest.raises(TuneError, match="trial 0: must be open to be stopped, got stopped"):
        state_machine.stop(0)
    with pytest.raises(TuneError, match="trial 2: must have been created to be given up"):
        state_machine.give_up(2, "why")


def test_draining_holds_every_trial_and_changes_nothing(state_machine: StateMachine) -> None:
    busy: set[int] = set()
    start(state_machine, busy)
    state_machine.stop(None)
    assert state_machine.next_segment(busy) == WAIT
    assert state_machine.report(0, 1, 0.5, "a1") == HOLD
    busy.clear()
    assert state_machine.next_segment(busy) == Done("drained")
    resumed = StateMachine(state_machine.space, state_machine.take_events())
    assert resumed.next_segment(busy) == Done("drained")
    resumed.begin(host="here", pid=1, environment={})
    decision = resumed.next_segment(busy)
    assert isinstance(decision, Segment)
    assert (decision.trial, decision.epochs) == (0, 1)


def test_the_last_epoch_of_a_draining_sweep_may_end(space: Spaces) -> None:
    state_machine = StateMachine(
        space("trials=1", "early_terminate={type: none}", "trial.epochs=1")
    )
    start(state_machine, set())
    state_machine.drain()
    assert state_machine.report(0, 1, 0.5, "a1") == CONTINUE
    state_machine.ended(0, "completed", 1, "all 1 epochs")
    assert state_machine.next_segment(set()) == Done("finished")


def test_a_lost_trial_is_requeued_and_progress_resets_its_retries(space: Spaces) -> None:
    state_machine = StateMachine(space("trials=1", "early_terminate={type: none}"), retries=1)
    for epoch in (1, 2, 3):
        assert isinstance(state_machine.next_segment(set()), Segment)
        state_machine.report(0, epoch, 0.5, f"a{epoch}")
        state_machine.lost(0, "node died")
    assert isinstance(state_machine.next_segment(set()), Segment)
    state_machine.lost(0, "node died")
    assert state_machine.next_segment(set()) == Done("undecided")
    state_machine.begin(host="here", pid=1, environment={})
    assert isinstance(state_machine.next_segment(set()), Segment)


def test_tpe_waits_for_its_lag(space: Spaces) -> None:
    state_machine = StateMachine(space("sampler={type: tpe, lag: 2}"))
    busy: set[int] = set()
    assert [start(state_machine, busy) for _ in range(2)] == [0, 1]
    assert state_machine.next_segment(busy) == WAIT
    assert state_machine.why_idle(busy).startswith(
        "trial 2 is sampled once trial 0 is settled at epoch 1"
    )
    state_machine.report(0, 1, 0.5, "a1")
    assert start(state_machine, busy) == 2


def test_seeds_are_per_trial_or_shared(space: Spaces) -> None:
    for seeds, different in (("per_trial", 3), ("shared", 1)):
        state_machine = StateMachine(space(f"seeds={seeds}"))
        busy: set[int] = set()
        [start(state_machine, busy) for _ in range(3)]
        assert len({trial.seed for trial in state_machine.state.trials}) == different


def test_a_sweep_cannot_be_shortened(state_machine: StateMachine) -> None:
    with pytest.raises(TuneError, match="trials: must not become fewer, got 2 after 3"):
        state_machine.extend(2)
    state_machine.extend(3)
    assert state_machine.take_events() == []
    state_machine.extend(4)
    assert state_machine.state.total == 4


def test_a_grid_cannot_be_extended_beyond_its_size(space: Spaces) -> None:
    values = "parameters={a: {values: [1, 2]}, b: {values: [1, 2]}}"
    state_machine = StateMachine(space("sampler={type: grid}", values, "trials=4"))
    with pytest.raises(SpaceError, match="must be at most the grid's 4 configurations, got 5"):
        state_machine.extend(5)
