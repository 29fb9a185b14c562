"""What a sampler that learns from every rung sees of earlier trials."""

from genretune.tune.samplers.history import Observation
from genretune.tune.sweep.events import Compared, Created, Ended, Event, GiveUp, Report, Verdict
from genretune.tune.sweep.rung_history import RungHistory
from genretune.tune.sweep.sampler_lag import sampler_rungs
from genretune.tune.sweep.state import State, state_from_events
from genretune.tune.sweep.sweep_rules import SweepRules

RULES = SweepRules(epochs=4, mode="max", rung_epochs=(1, 2), factor=2, lag=2)


def state_after(trials: int, *events: Event) -> State:
    created = [Created(trial, {"a": trial}, 7) for trial in range(trials)]
    return state_from_events(RULES, 10, [*created, *events])


def history(state: State) -> RungHistory:
    return RungHistory(sampler_rungs(RULES), state)


def report(trial: int, epoch: int, value: float | None = 0.5) -> Report:
    return Report(trial, epoch, value, f"{trial}.{epoch}")


def verdict(trial: int, rung: int, decision: str = "continue") -> Verdict:
    compared = Compared(0.5, 1, 1, 1, trial, 0.5)
    return Verdict(trial, rung, "stop" if decision == "stop" else "continue", compared)


PROMOTED = [report(0, 1, 0.3), verdict(0, 1), report(0, 2, 0.6), report(1, 1, 0.4)]


def test_a_trial_is_told_at_the_deepest_rung_that_its_lag_allows() -> None:
    known = history(state_after(5, *PROMOTED, report(2, 1, 0.2), report(3, 1, 0.1)))
    # the lag is 2 at the first rung and 4 at the second
    assert list(known.before(3)) == [
        Observation({"a": 0}, "value", 0.3, 1),
        Observation({"a": 1}, "value", 0.4, 1),
        Observation({"a": 2}),
    ]
    assert known.before(4)[0] == Observation({"a": 0}, "value", 0.6, 2)
    assert known.before(4)[1] == Observation({"a": 1}, "value", 0.4, 1)


def test_going_back_forgets_what_was_known_later() -> None:
    state = state_after(5, *PROMOTED)
    known = history(state)
    for index in (1, 2, 3, 4, 5, 3, 2, 4, 0, 1):
        assert list(known.before(index)) == list(history(state).before(index))


def test_every_outcome() -> None:
    state = state_after(
        12,
        *(report(0, 1, 0.3), verdict(0, 1, "stop")),
        *(report(1, 1, 0.4), verdict(1, 1), Ended(1, "diverged", 1, "nan")),
        *(report(2, 1, 0.5), verdict(2, 1), Ended(2, "completed", 1, "patience")),
        *(report(3, 1, 0.6), verdict(3, 1), report(3, 2, None)),
        *(report(4, 1, None), verdict(4, 1, "stop")),
        GiveUp(5, 0, "no disk"),
        *(report(6, 1, 0.7), verdict(6, 1), Ended(6, "failed", 1, "out of memory")),
    )
    assert list(history(state).before(11))[:7] == [
        Observation({"a": 0}, "value", 0.3, 1),
        Observation({"a": 1}, "worst"),
        Observation({"a": 2}, "value", 0.5, 2),
        Observation({"a": 3}, "value", 0.6, 2),
        Observation({"a": 4}, "worst"),
        Observation({"a": 5}, "none"),
        Observation({"a": 6}, "value", 0.7, 1),
    ]
