"""The plan of a sweep: its size, rungs, first configurations and expected work."""

from dataclasses import dataclass, replace
from statistics import mean

from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig, conditional
from genretune.tune.sweep.decisions import Segment
from genretune.tune.sweep.recommendation import Recommendation, recommendations
from genretune.tune.sweep.simulate import simulate
from genretune.tune.sweep.state_machine import StateMachine
from genretune.tune.sweep.sweep_rules import rules_from_space
from genretune.tune.sweep.synthetic_trials import SyntheticTrials

_SIMULATIONS = 5
SEGMENT_SECONDS = 0.1
"""Seconds to start a segment in a reused worker, for epochs of about one second."""


@dataclass(frozen=True)
class RungPlan:
    """A rung, and how many trials are expected to reach it."""

    epoch: int
    trials: float


@dataclass(frozen=True)
class Plan:
    """What is known or expected of a sweep before it runs.

    Attributes:
        trials: number of trials; a finite space may have fewer than asked for.
        parameters: number of swept values, including those of every option.
        conditional: how many of them exist only if their option is taken.
        size: number of configurations of the space; None if a range is continuous.
        first: configurations of the first trials, as far as they need no values of earlier ones.
        rungs: empty without early termination.
        completed: expected number of trials that run to their end.
        epochs: expected in total.
        epochs_without_rungs: in total if every trial ran to its end.
        workers: number of concurrent trials.
        utilisation: expected share of the workers' time spent on epochs.
        rounds: expected duration of the sweep, in mean durations of an epoch.
        lag: of a sampler that learns from earlier trials, else None.
        recommended: settings of the sampler and of early termination that would find more.
    """

    trials: int
    parameters: int
    conditional: int
    size: int | None
    first: list[FlatConfig]
    rungs: list[RungPlan]
    completed: float
    epochs: float
    epochs_without_rungs: int
    workers: int
    utilisation: float
    rounds: float
    lag: int | None
    recommended: list[Recommendation]


def make_plan(space: Space, *, workers: int, first: int = 5, sigma: float = 0.3) -> Plan:
    """Return the plan of a sweep, by simulating it with its own state machine.

    Args:
        workers: number of concurrent trials.
        first: how many configurations to show.
        sigma: standard deviation of the logarithm of epoch times.
    """
    simulated, results = [], []
    for seed in range(_SIMULATIONS):
        state_machine = StateMachine(_without_learning(space))
        behaviour = SyntheticTrials(result_seed=seed, clock_seed=seed, sigma=sigma)
        results.append(simulate(state_machine, behaviour, workers, overhead=SEGMENT_SECONDS))
        simulated.append(state_machine.state.trials)
    rules, trials = rules_from_space(space), len(simulated[0])
    return Plan(
        trials=trials,
        parameters=len(space.dimensions()),
        conditional=sum(conditional(node) for _, node in space.parameters),
        size=space.size(),
        first=first_configurations(space, min(first, space.trials)),
        rungs=[
            RungPlan(epoch, mean(sum(t.epochs >= epoch for t in sweep) for sweep in simulated))
            for epoch in rules.rung_epochs
        ],
        completed=mean(sum(t.status == "completed" for t in sweep) for sweep in simulated),
        epochs=mean(result.epochs for result in results),
        epochs_without_rungs=trials * space.epochs,
        workers=workers,
        utilisation=mean(result.utilisation(workers) for result in results),
        rounds=mean(result.seconds for result in results),
        lag=rules.lag,
        recommended=recommendations(space, workers),
    )


def first_configurations(space: Space, count: int) -> list[FlatConfig]:
    """Return up to ``count`` configurations that are certain before anything has run."""
    state_machine, configurations = StateMachine(space), list[FlatConfig]()
    while len(configurations) < count:
        segment = state_machine.next_segment(range(len(configurations)))
        if not isinstance(segment, Segment):
            break
        configurations.append(dict(segment.parameters))
    return configurations


def _without_learning(space: Space) -> Space:
    """Return the space with a sampler that waits as it would if it learned, but draws at random.

    Synthetic trials do not depend on how good a configuration is, and random draws are fast.
    """
    if not space.sampler.needs_history:
        return space
    return replace(space, sampler=space.sampler.model_copy(update={"n_startup": 10**9}))
