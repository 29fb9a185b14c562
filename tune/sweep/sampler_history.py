"""What a sampler may know of the earlier trials when trial i is sampled.

As in BOHB (https://arxiv.org/abs/1807.01774), it learns from the deepest rung with enough reports.
Trials within the lag count as pending even if they have finished: how far they are by then depends
on the number and speed of workers, and a suggestion must not.
"""

from genretune.tune.samplers.history import Observation
from genretune.tune.sweep.sampler_lag import SamplerRung
from genretune.tune.sweep.state import State, TrialState


def sampler_history(
    rungs: list[SamplerRung], state: State, index: int, n_startup: int
) -> list[Observation]:
    """Return the trials below ``index`` as a sampler may know them, in index order.

    Args:
        rungs: those at which the sampler learns, ascending; none gives an empty history.
        n_startup: reports that a rung must have to be learned from; below that, the first rung is
            used.
    """
    for rung in reversed(rungs):
        observable = state.trials[: _observable_count(rung, index)]
        if sum(trial.epochs >= rung.epoch for trial in observable) >= n_startup:
            return _observations(rung, state, index)
    return _observations(rungs[0], state, index) if rungs else []


def _observable_count(rung: SamplerRung, index: int) -> int:
    """Return how many trials, from trial 0, are settled at the rung when ``index`` is sampled."""
    return max(0, index - rung.lag + 1)


def _observations(rung: SamplerRung, state: State, index: int) -> list[Observation]:
    observable = _observable_count(rung, index)
    return [
        _observation(trial, rung)
        if trial.index < observable
        else Observation(trial.parameters, "pending")
        for trial in state.trials[:index]
    ]


def _observation(trial: TrialState, rung: SamplerRung) -> Observation:
    """Return what was known of a trial when it was settled at the rung, and nothing later."""
    if trial.epochs >= rung.epoch:
        value = trial.bests[rung.epoch - 1]
        return Observation(trial.parameters, "worst" if value is None else "value", value)
    if trial.stopped_at is not None:
        value = trial.bests[trial.stopped_at - 1]
        return Observation(trial.parameters, "stopped", value, trial.stopped_at)
    if trial.status == "diverged":
        return Observation(trial.parameters, "worst")
    if trial.status == "completed" and trial.best is not None:
        return Observation(trial.parameters, "value", trial.best)
    return Observation(trial.parameters, "none")
