"""The outcome of a sweep does not depend on workers, clocks, losses, kills or extension."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genretune.tune.run.journal import Journal, read_journal
from genretune.tune.space.space import Space
from genretune.tune.sweep.events import Event
from genretune.tune.sweep.simulate import simulate
from genretune.tune.sweep.state_machine import StateMachine
from genretune.tune.sweep.synthetic_trials import SyntheticTrials

Spaces = Callable[..., Space]
Outcome = Callable[[StateMachine], Any]
TROUBLE = SyntheticTrials(digits=1, failing=0.1, diverging=0.1, patience=0.15, not_finite=0.02)
SAMPLERS = (
    "sampler={type: random}",
    "sampler={type: qmc}",
    "sampler={type: tpe, lag: 4, n_startup: 3}",
    "sampler={type: parzen, lag: 4, n_startup: 3}",
)


def run(space: Space, trials: SyntheticTrials, workers: int) -> tuple[StateMachine, list[Event]]:
    state_machine, events = StateMachine(space, retries=1000), []
    simulate(state_machine, trials, workers, journal=events.extend)
    return state_machine, events


CASES = {
    "results": st.integers(0, 10**6),
    "clock": st.integers(0, 10**6),
    "factor": st.sampled_from([2, 3]),
    "brackets": st.sampled_from([1, 2]),
    "metric": st.sampled_from(["{name: val_acc, mode: max}", "{name: val_loss, mode: min}"]),
    "early": st.sampled_from(["asha", "asha", "none"]),
}


def assert_same_as_one_worker(
    make: Callable[[str], Space], outcome: Outcome, *, results: int, clock: int, rule: str
) -> None:
    """Assert that 2, 4 and 8 workers with another clock and losses give the outcome of one."""
    trials = replace(TROUBLE, result_seed=results)
    alone, _ = run(make(rule), trials, 1)
    for workers in (2, 4, 8):
        shuffled = replace(trials, clock_seed=clock + workers, sigma=1.0, losing=0.05)
        other, _ = run(make(rule), shuffled, workers)
        assert outcome(other) == outcome(alone)


def early_rule(early: str, factor: int, brackets: int) -> str:
    asha = f"{{type: asha, reduction_factor: {factor}, brackets: {brackets}}}"
    return f"early_terminate={asha if early == 'asha' else '{type: none}'}"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(kind=st.sampled_from(["random", "qmc"]), **CASES)
def test_the_number_of_workers_does_not_matter(
    space: Spaces, outcome: Outcome, kind: str, metric: str, results: int, clock: int, **rule: Any
) -> None:
    def make(early: str) -> Space:
        return space(f"sampler={{type: {kind}}}", f"metric={metric}", early)

    assert_same_as_one_worker(make, outcome, results=results, clock=clock, rule=early_rule(**rule))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(kind=st.sampled_from(["tpe", "parzen"]), lag=st.integers(1, 9), **CASES)
def test_the_number_of_workers_does_not_matter_for_a_sampler_that_learns(
    space: Spaces, outcome: Outcome, kind: str, lag: int, metric: str, **case: Any
) -> None:
    def make(early: str) -> Space:
        sampler = f"sampler={{type: {kind}, lag: {lag}, n_startup: 3}}"
        return space(sampler, f"metric={metric}", early, "trials=14")

    clocks = {"results": case.pop("results"), "clock": case.pop("clock")}
    assert_same_as_one_worker(make, outcome, **clocks, rule=early_rule(**case))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sweep_resumed_after_any_event_has_the_same_outcome(
    space: Spaces, outcome: Outcome, sampler: str
) -> None:
    given_space = space(sampler)
    whole, events = run(given_space, replace(TROUBLE, losing=0.05), 4)
    for cut in range(len(events) + 1):
        state_machine = StateMachine(given_space, events[:cut], retries=1000)
        state_machine.begin(host="here", pid=cut, environment={})
        simulate(state_machine, replace(TROUBLE, clock_seed=cut, sigma=1.0), 3)
        assert outcome(state_machine) == outcome(whole)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("early", ["asha", "none"])
def test_an_extended_sweep_is_the_same_as_a_longer_one(
    space: Spaces, outcome: Outcome, sampler: str, early: str
) -> None:
    rule = f"early_terminate={{type: {early}}}"
    state_machine, _ = run(space(sampler, rule, "trials=20"), TROUBLE, 4)
    state_machine.extend(50)
    assert simulate(state_machine, replace(TROUBLE, clock_seed=1), 3).reason == "finished"
    at_once, _ = run(space(sampler, rule, "trials=50"), TROUBLE, 8)
    assert outcome(state_machine) == outcome(at_once)


def test_the_journal_file_gives_the_same_sweep(
    space: Spaces, outcome: Outcome, tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    state_machine = StateMachine(space())
    with Journal(path) as journal:
        simulate(state_machine, TROUBLE, 4, journal=journal.append)
    assert outcome(StateMachine(space(), read_journal(path))) == outcome(state_machine)


def test_a_trial_that_is_always_lost_leaves_the_sweep_undecided(
    space: Spaces, outcome: Outcome
) -> None:
    no_losses = SyntheticTrials(digits=2)
    state_machine, events = StateMachine(space()), []
    result = simulate(state_machine, replace(no_losses, always_lost=5), 4, journal=events.extend)
    assert result.reason == "undecided"
    assert state_machine.state.trials[5].status is None
    assert all(trial.final for trial in state_machine.state.trials[:5])
    assert [e.event for e in events].count("lost") == 1 + 3
    # what was decided without the trial agrees with what is decided with it
    resumed = StateMachine(space(), events)
    resumed.begin(host="here", pid=1, environment={})
    assert simulate(resumed, no_losses, 4).reason == "finished"
    assert outcome(resumed) == outcome(run(space(), no_losses, 1)[0])


def test_a_trial_given_up_settles_the_rungs_it_did_not_reach(space: Spaces) -> None:
    state_machine = StateMachine(space())
    trials = SyntheticTrials(digits=2, always_lost=5)
    simulate(state_machine, trials, 4)
    state_machine.give_up(5, "the node has no disk")
    assert simulate(state_machine, trials, 4).reason == "finished"
    assert state_machine.state.trials[5].status == "failed"
    assert all(trial.final for trial in state_machine.state.trials)


def test_epochs_are_never_trained_twice_without_losses(space: Spaces) -> None:
    state_machine = StateMachine(space())
    result = simulate(state_machine, TROUBLE, 8)
    assert result.epochs == sum(trial.epochs for trial in state_machine.state.trials)


def test_ten_thousand_trials_on_512_workers(space: Spaces) -> None:
    started = time.perf_counter()
    state_machine = StateMachine(space("trials=10000", "trial.epochs=50"))
    assert simulate(state_machine, SyntheticTrials(sigma=0.5), 512).reason == "finished"
    assert time.perf_counter() - started < 60
    assert len(state_machine.state.trials) == 10_000
