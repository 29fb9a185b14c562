"""What a sampler may know of earlier trials when it is asked for trial i.

As in BOHB (https://arxiv.org/abs/1807.01774) it learns from the deepest rung with enough reports.
Later trials count as pending, whatever is known of them: what one worker knows by then another may
not, and a suggestion must not depend on it.
"""

from genretune.tune.samplers.history import Observation
from genretune.tune.sweep.sampler_lag import SamplerRung
from genretune.tune.sweep.state import State, TrialState
from genretune.tune.sweep.sweep_rules import SweepRules


def sampler_history(
    rungs: list[SamplerRung], state: State, index: int, n_startup: int
) -> list[Observation]:
    """Return the trials below ``index`` as a sampler may know them, in index order."""
    for rung in reversed(rungs):
        known = state.trials[: max(0, index - rung.lag + 1)]
        if sum(trial.epochs >= rung.epoch for trial in known) >= n_startup:
            return _observations(rung, state, index)
    return _observations(rungs[0], state, index) if rungs else []


def _observations(rung: SamplerRung, state: State, index: int) -> list[Observation]:
    known = max(0, index - rung.lag + 1)
    return [
        _observation(trial, rung, state.rules)
        if trial.index < known
        else Observation(trial.parameters)
        for trial in state.trials[:index]
    ]


def _observation(trial: TrialState, rung: SamplerRung, rules: SweepRules) -> Observation:
    """Only what was known when the trial was settled at the rung, not what came after."""
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
