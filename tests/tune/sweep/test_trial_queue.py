"""Which open trial runs next, and which one has to wait."""

from genretune.tune.sweep.events import Compared, Created, Driver, Event, Lost, Report, Verdict
from genretune.tune.sweep.state import State, state_from_events
from genretune.tune.sweep.sweep_rules import SweepRules
from genretune.tune.sweep.trial_queue import TrialQueue

RULES = SweepRules(epochs=4, mode="max", rung_epochs=(1,))
PROMOTED = Verdict(0, 1, "continue", Compared(0.5, 1, 1, 1, 0, 0.5))


def state_after(*events: Event) -> State:
    created = [Created(trial, {}, 7) for trial in range(3)]
    return state_from_events(RULES, 3, [*created, *events])


def take(queue: TrialQueue, *busy: int) -> int | None:
    trial = queue.take(busy)
    return None if trial is None else trial.index


def test_the_lowest_trial_runs_first_and_each_once() -> None:
    queue = TrialQueue(state_after(), retries=3)
    assert [take(queue) for _ in range(4)] == [0, 1, 2, None]
    queue.put(2)
    queue.put(1)
    assert take(queue) == 1


def test_a_trial_that_is_still_busy_stays_in_the_queue() -> None:
    queue = TrialQueue(state_after(), retries=3)
    assert [take(queue, 0), take(queue, 0, 1), take(queue, 1, 2), take(queue)] == [1, 2, 0, None]


def test_a_held_trial_is_queued_by_its_verdict() -> None:
    state = state_after(Report(0, 1, 0.5, "a"))
    queue = TrialQueue(state, retries=3)
    assert [take(queue), take(queue), take(queue)] == [1, 2, None]
    state.apply(PROMOTED)
    queue.verdict_known(0)
    assert [take(queue), take(queue)] == [0, None]
    queue.verdict_known(1)  # it trains: a verdict that is known at once holds nothing
    assert take(queue) is None


def test_losses_without_progress_are_limited_per_generation() -> None:
    state = state_after(Driver(1, "here", 7), Lost(0, "node died", 1, 0))
    queue = TrialQueue(state, retries=1)
    assert take(queue) == 0
    state.apply(Lost(0, "node died", 1, 0))
    queue.put(0)
    assert [take(queue), take(queue), take(queue)] == [1, 2, None]
    state.apply(Driver(2, "here", 8))
    queue.refill()
    assert take(queue) == 0
