"""A sweep before it runs: its size, rungs, first configurations and expected work."""

import statistics
from dataclasses import dataclass, replace

from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig, conditional
from genretune.tune.sweep.decisions import Segment
from genretune.tune.sweep.simulate import simulate
from genretune.tune.sweep.state_machine import StateMachine
from genretune.tune.sweep.sweep_rules import rules_from_space
from genretune.tune.sweep.synthetic_trials import SyntheticTrials

_SIMULATED = 5
SEGMENT_SECONDS = 0.1
"""What starting a segment takes in a reused worker, in epochs of one second."""


@dataclass(frozen=True)
class RungPlan:
    """A rung and how many trials will reach it, as far as can be expected."""

    epoch: int
    trials: float


@dataclass(frozen=True)
class Plan:
    """
    Attributes:
        parameters: swept values, those of all options included.
        conditional: how many of them exist only where their option is taken.
        size: configurations of the space; None where a range is continuous.
        first: configurations of the first trials, those that need no values of earlier ones.
        rungs: without early termination none.
        completed: trials that are expected to run to their end.
        epochs: expected in all.
        epochs_without_rungs: if every trial ran to its end.
        utilisation: expected share of the workers' time spent on epochs.
        rounds: expected time in epochs of mean length, with all workers.
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


def make_plan(space: Space, *, workers: int, first: int = 5, sigma: float = 0.3) -> Plan:
    """Simulate the sweep with the state machine it will run under.

    Args:
        workers: trials at once.
        first: how many configurations to show.
        sigma: of the logarithm of epoch times.
    """
    dimensions = space.dimensions()
    runs = []
    for seed in range(_SIMULATED):
        state_machine = StateMachine(_cheap(space))
        world = SyntheticTrials(results=seed, clock=seed, sigma=sigma)
        runs.append(
            (state_machine, simulate(state_machine, world, workers, overhead=SEGMENT_SECONDS))
        )
    rung_epochs, trials = rules_from_space(space).rung_epochs, len(runs[0][0].state.trials)
    return Plan(
        trials=trials,
        parameters=len(dimensions),
        conditional=sum(conditional(node) for _, node in space.parameters),
        size=space.size(),
        first=first_configurations(space, min(first, space.trials)),
        rungs=[
            RungPlan(
                epoch,
                statistics.mean(
                    sum(trial.epochs >= epoch for trial in state_machine.state.trials)
                    for state_machine, _ in runs
                ),
            )
            for epoch in rung_epochs
        ],
        completed=statistics.mean(
            sum(trial.status == "completed" for trial in state_machine.state.trials)
            for state_machine, _ in runs
        ),
        epochs=statistics.mean(result.epochs for _, result in runs),
        epochs_without_rungs=trials * space.epochs,
        workers=workers,
        utilisation=statistics.mean(result.utilisation(workers) for _, result in runs),
        rounds=statistics.mean(result.seconds for _, result in runs),
        lag=rules_from_space(space).lag,
    )


def first_configurations(space: Space, count: int) -> list[FlatConfig]:
    """The configurations that are certain before anything has run."""
    state_machine, found = StateMachine(space), list[FlatConfig]()
    while len(found) < count:
        segment = state_machine.next_segment(range(len(found)))
        if not isinstance(segment, Segment):
            break
        found.append(dict(segment.parameters))
    return found


def _cheap(space: Space) -> Space:
    """The same waiting without tpe's arithmetic, which does not matter here."""
    if not space.sampler.needs_history:
        return space
    return replace(space, sampler=space.sampler.model_copy(update={"n_startup": 10**9}))
