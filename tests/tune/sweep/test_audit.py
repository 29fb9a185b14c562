"""Every decision can be derived again from the journal, and tampering is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from genretune.tune.space.space import Space
from genretune.tune.sweep.audit import Finding, audit
from genretune.tune.sweep.events import Created, Event, Verdict
from genretune.tune.sweep.explain import explain
from genretune.tune.sweep.simulate import simulate
from genretune.tune.sweep.state import state_from_events
from genretune.tune.sweep.state_machine import StateMachine
from genretune.tune.sweep.sweep_rules import rules_from_space
from genretune.tune.sweep.synthetic_trials import SyntheticTrials

Spaces = Callable[..., Space]
BEHAVIOUR = SyntheticTrials(digits=1, failing=0.1, diverging=0.1, patience=0.1, losing=0.05)


def swept(space: Space) -> tuple[StateMachine, list[Event]]:
    state_machine, events = StateMachine(space, retries=100), []
    simulate(state_machine, BEHAVIOUR, 4, journal=events.extend)
    state_machine.extend(state_machine.state.total + 5)
    simulate(state_machine, BEHAVIOUR, 3, journal=events.extend)
    return state_machine, events


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe", "parzen"])
@pytest.mark.parametrize("order", ["index", "arrival"])
def test_a_sweep_is_derived_again(space: Spaces, sampler: str, order: str) -> None:
    given_space = space(f"sampler={{type: {sampler}}}", f"early_terminate.order={order}")
    _, events = swept(given_space)
    assert audit(given_space, events) == []
    # a restored state machine decides nothing again
    assert StateMachine(given_space, events).take_events() == []


def test_tampering_is_found(space: Spaces) -> None:
    given_space = space()
    _, events = swept(given_space)
    at = next(i for i, e in enumerate(events) if isinstance(e, Verdict) and e.verdict == "stop")
    verdict = events[at]
    assert isinstance(verdict, Verdict)
    changed = [*events[:at], replace(verdict, verdict="continue"), *events[at + 1 :]]
    assert audit(given_space, changed)[0].text.startswith(
        f"trial {verdict.trial}, epoch {verdict.rung}: verdict must be stop (rank "
    )
    first = next(i for i, e in enumerate(events) if isinstance(e, Created))
    created = events[first]
    assert isinstance(created, Created)
    other = replace(created, parameters={**created.parameters, "optimizer.lr": 0.5}, seed=1)
    lines = audit(given_space, [*events[:first], other, *events[first + 1 :]])
    assert not lines[0].last_digits
    assert lines[0].text.startswith("trial 0: must have other parameters, got optimizer.lr 0.5 ")
    assert lines[1].text.startswith("trial 0: must have seed ")


def test_a_last_digit_is_told_from_a_lie(space: Spaces) -> None:
    given_space = space()
    _, events = swept(given_space)
    first = next(i for i, e in enumerate(events) if isinstance(e, Created))
    created = events[first]
    assert isinstance(created, Created)

    def findings(factor: float) -> list[Finding]:
        lr = created.parameters["optimizer.lr"]
        assert isinstance(lr, float)
        other = replace(created, parameters={**created.parameters, "optimizer.lr": lr * factor})
        return audit(given_space, [*events[:first], other, *events[first + 1 :]])

    (last_digit,) = findings(1 + 1e-9)
    assert last_digit.last_digits
    assert last_digit.text.startswith("trial 0: differs in the last digits, got optimizer.lr ")
    (lie,) = findings(1 + 1e-5)
    assert not lie.last_digits


def test_decisions_that_came_too_early_are_found(space: Spaces) -> None:
    """Each is derived from what was known by then, not from the whole journal."""
    given_space = space("sampler={type: tpe, lag: 2}")
    _, events = swept(given_space)
    created = [i for i, e in enumerate(events) if isinstance(e, Created)]
    late = created[5]
    # trial 5 sampled before any trial has reported
    early = [*events[: created[0]], *(events[i] for i in created[:6])]
    rest = [e for i, e in enumerate(events) if i > created[0] and i not in created[:6]]
    texts = [one.text for one in audit(given_space, [*early, *rest])]
    assert events[late].trial == 5  # type: ignore[union-attr]
    assert any(
        text.startswith("trial 5: must be sampled after trial") and text.endswith("got it earlier")
        for text in texts
    )


def test_recorded_verdicts_are_authoritative(space: Spaces) -> None:
    """After an upgrade that would decide differently, the trial continues as recorded."""
    given_space = space("trials=2")
    state_machine = StateMachine(given_space)
    for trial in (0, 1):
        state_machine.next_segment(range(trial))
        state_machine.report(trial, 1, 0.5 - trial / 10, f"{trial}")
    events = state_machine.take_events()
    stop = next(e for e in events if isinstance(e, Verdict) and e.verdict == "stop")
    judged = [replace(e, verdict="continue") if e is stop else e for e in events]
    assert not StateMachine(given_space, judged).state.trials[stop.trial].final


def test_a_stopped_trial_is_explained(space: Spaces) -> None:
    state_machine, _ = swept(space())
    trial = next(t for t in state_machine.state.trials if t.stopped_at is not None)
    text = explain(state_machine.state, trial.index)
    assert text.startswith(f"trial {trial.index}: stopped after {trial.stopped_at} epochs\n")
    assert f"(epoch {trial.stopped_at}): best value so far {trial.best!r} ranks" in text
    assert "stopped (the last one promoted is trial" in text
    assert text.splitlines()[-1].startswith("ended: stopped at rung ")


def test_an_explanation_follows_the_recorded_verdict(space: Spaces) -> None:
    """It decided, also where this version would decide differently."""
    given_space = space()
    _, events = swept(given_space)
    at = next(i for i, e in enumerate(events) if isinstance(e, Verdict) and e.verdict == "stop")
    verdict = events[at]
    assert isinstance(verdict, Verdict)
    other = [*events[:at], replace(verdict, verdict="continue")]
    state = state_from_events(rules_from_space(given_space), given_space.trials, other)
    text = explain(state, verdict.trial)
    assert f"(epoch {verdict.rung}): " in text and ": promoted" in text
    assert "stopped (the last one" not in text
