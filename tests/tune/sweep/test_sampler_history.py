"""What a sampler sees of earlier trials, and when: the lag rule and the rung it learns from."""

from genretune.tune.samplers.history import Observation
from genretune.tune.sweep.events import Compared, Created, Ended, Event, GiveUp, Report, Verdict
from genretune.tune.sweep.sampler_history import sampler_history
from genretune.tune.sweep.sampler_lag import blocking_trial, sampler_rungs
from genretune.tune.sweep.state import State, state_from_events
from genretune.tune.sweep.sweep_rules import SweepRules

RULES = SweepRules(epochs=4, mode="max", rung_epochs=(1, 2), factor=2, lag=2)


def state_after(trials: int, *events: Event) -> State:
    created = [Created(trial, {"a": trial}, 7) for trial in range(trials)]
    return state_from_events(RULES, 10, [*created, *events])


def report(trial: int, epoch: int, value: float | None = 0.5) -> Report:
    return Report(trial, epoch, value, f"{trial}.{epoch}")


def verdict(trial: int, rung: int, decision: str = "continue") -> Verdict:
    compared = Compared(0.5, 1, 1, 1, trial, 0.5)
    return Verdict(trial, rung, "stop" if decision == "stop" else "continue", compared)


def test_the_lag_grows_with_the_rung() -> None:
    assert [(rung.epoch, rung.lag) for rung in sampler_rungs(RULES)] == [(1, 2), (2, 4)]
    assert [rung.epoch for rung in sampler_rungs(SweepRules(4, "max", lag=2))] == [4]
    assert sampler_rungs(SweepRules(4, "max", (1, 2))) == []


def test_a_trial_waits_for_the_lowest_one_that_is_not_settled() -> None:
    state = state_after(4, report(1, 1), report(2, 1))
    rungs = sampler_rungs(RULES)
    assert blocking_trial(rungs, state, 1) is None
    assert blocking_trial(rungs, state, 2) == (0, 1)
    state.apply(report(0, 1))
    assert blocking_trial(rungs, state, 2) is None
    assert blocking_trial(rungs, state, 4) == (0, 2)
    state.apply(verdict(0, 1, "stop"))
    assert blocking_trial(rungs, state, 4) is None
    assert blocking_trial(rungs, state, 5) == (3, 1)


def test_trials_within_the_lag_are_pending_even_if_they_have_reported() -> None:
    state = state_after(3, report(0, 1, 0.1), report(1, 1, 0.2), report(2, 1, 0.3))
    assert sampler_history(sampler_rungs(RULES), state, 3, n_startup=1) == [
        Observation({"a": 0}, "value", 0.1),
        Observation({"a": 1}, "value", 0.2),
        Observation({"a": 2}, "pending"),
    ]


def test_the_deepest_rung_with_enough_reports_is_learned_from() -> None:
    events = [report(0, 1, 0.1), verdict(0, 1), report(0, 2, 0.9), report(1, 1, 0.2)]
    state = state_after(5, *events)
    rungs = sampler_rungs(RULES)
    deepest = sampler_history(rungs, state, 4, n_startup=1)
    assert [(one.outcome, one.value) for one in deepest[:2]] == [("value", 0.9), ("pending", None)]
    # with a larger n_startup the first rung is used, and what the trial reported later is not
    first = sampler_history(rungs, state, 4, n_startup=2)
    assert [(one.outcome, one.value) for one in first[:2]] == [("value", 0.1), ("value", 0.2)]


def test_every_outcome_at_a_rung() -> None:
    events: list[Event] = [
        *(report(0, 1, 0.3), verdict(0, 1, "stop")),
        *(report(1, 1, 0.4), verdict(1, 1), Ended(1, "diverged", 1, "nan")),
        *(report(2, 1, 0.5), verdict(2, 1), Ended(2, "completed", 1, "patience")),
        *(report(3, 1, 0.6), verdict(3, 1), report(3, 2, None)),
        *(report(4, 1, None), verdict(4, 1), report(4, 2, None)),
        GiveUp(5, 0, "no disk"),
    ]
    history = sampler_history(sampler_rungs(RULES)[1:], state_after(9, *events), 9, n_startup=1)
    assert history == [
        Observation({"a": 0}, "stopped", 0.3, 1),
        Observation({"a": 1}, "worst"),
        Observation({"a": 2}, "value", 0.5),
        Observation({"a": 3}, "value", 0.6),
        Observation({"a": 4}, "worst"),
        Observation({"a": 5}, "none"),
        *(Observation({"a": trial}, "pending") for trial in (6, 7, 8)),
    ]
