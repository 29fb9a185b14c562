"""The state derived from events: what counts, what is ignored, and what is a contradiction."""

import pytest

from genretune.tune.errors import Contradiction, DamagedRecord, RunFailure
from genretune.tune.sweep.events import (
    Compared,
    Created,
    Driver,
    Ended,
    Event,
    Exhausted,
    Extended,
    GiveUp,
    Lost,
    Report,
    Stop,
    Verdict,
)
from genretune.tune.sweep.state import State, state_from_events
from genretune.tune.sweep.sweep_rules import SweepRules

RULES = SweepRules(epochs=4, mode="max", rung_epochs=(1,))
CREATED = Created(0, {"a": 1}, 7)
REPORT = Report(0, 1, 0.5, "a1")
PROMOTED = Verdict(0, 1, "continue", Compared(0.5, 1, 1, 1, 0, 0.5))
STOPPED = Verdict(0, 1, "stop", Compared(0.5, 2, 2, 1, 1, 0.6))
ENDED = Ended(0, "completed", 1, "patience")


def state_after(*events: Event) -> State:
    return state_from_events(RULES, 3, events)


def test_the_best_epoch_is_the_first_of_equal_values_and_the_first_of_none() -> None:
    values = [None, 0.5, 0.7, 0.7]
    reports = [Report(0, epoch, value, "a") for epoch, value in enumerate(values, start=1)]
    trial = state_after(CREATED, reports[0], PROMOTED, *reports[1:]).trials[0]
    assert (trial.best, trial.best_epoch, trial.bests) == (0.7, 3, [None, 0.5, 0.7, 0.7])
    trial = state_after(CREATED, reports[0]).trials[0]
    assert (trial.best, trial.best_epoch) == (None, 1)


@pytest.mark.parametrize("event", [CREATED, REPORT, PROMOTED, ENDED])
def test_a_repeated_event_changes_nothing(event: Event) -> None:
    state = state_after(CREATED, REPORT, PROMOTED, ENDED)
    assert not state.apply(event)
    assert len(state.trials) == 1 and state.trials[0].epochs == 1


@pytest.mark.parametrize(
    "event",
    [
        Created(0, {"a": 1}, 8),
        Created(0, {"a": 2}, 7),
        Report(0, 1, 0.5, "a2"),
        Report(0, 1, 0.4, "a1"),
        STOPPED,
        Ended(0, "failed", 1, "out of memory"),
    ],
)
def test_an_event_that_differs_from_the_recorded_one_is_a_contradiction(event: Event) -> None:
    with pytest.raises(Contradiction):
        state_after(CREATED, REPORT, PROMOTED, ENDED).apply(event)


@pytest.mark.parametrize(
    "event",
    [
        Created(2, {}, 7),
        Report(1, 1, 0.5, "b1"),
        Report(0, 2, 0.5, "a2"),
        Verdict(0, 2, "stop", STOPPED.compared),
        Lost(-1, "node died", 1, 0),
        Ended(0, "completed", 2, "all epochs"),  # of which only one was reported
    ],
)
def test_an_event_out_of_order_is_refused_with_its_number(event: Event) -> None:
    with pytest.raises(RunFailure):
        state_after(CREATED, REPORT).apply(event)
    with pytest.raises(DamagedRecord, match="journal, event 3: "):
        state_after(CREATED, REPORT, event)


def test_a_report_after_the_end_does_not_count() -> None:
    state = state_after(CREATED, REPORT, PROMOTED, Stop(0, 1))
    assert not state.apply(Report(0, 2, 0.9, "a2"))
    assert state.trials[0].epochs == 1


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], None),
        ([Lost(0, "node died", 1, 1)], None),
        ([ENDED], "completed"),
        ([GiveUp(0, 1, "no disk")], "failed"),
        ([STOPPED], "stopped"),
        ([ENDED, STOPPED], "stopped"),
        ([STOPPED, ENDED], "stopped"),
        ([Stop(0, 1), ENDED], "stopped"),
        ([GiveUp(0, 1, "no disk"), ENDED], "failed"),
    ],
)
def test_a_verdict_and_the_user_take_precedence(events: list[Event], status: str | None) -> None:
    trial = state_after(CREATED, REPORT, *events).trials[0]
    assert (trial.status, trial.final) == (status, status is not None)


def test_the_number_of_trials_is_limited_by_the_space_and_a_drain_by_the_next_driver() -> None:
    state = state_after(Extended(5))
    assert state.total == 5
    state.apply(Exhausted(4))
    assert (state.target, state.total) == (5, 4)
    state.apply(Stop(None, 0))
    assert state.draining
    state.apply(Driver(2, "here", 7, {}))
    assert not state.draining and state.generation == 2
