"""What a sampler may know when it is asked for trial i: a rule, so that workers do not matter.

At the first rung it knows all trials up to i - lag, at rung k (from 0) those up to
i - lag * eta^k; it is asked once they are settled there. Without early termination the end is the
only rung. As in BOHB (https://arxiv.org/abs/1807.01774) it learns from the deepest rung with
enough reports; the trials after those count as pending, whatever is known of them.
"""

from dataclasses import dataclass

from genretune.tune.samplers.history import Observation
from genretune.tune.sweep.state import State, TrialState
from genretune.tune.sweep.sweep_rules import SweepRules


@dataclass
class SamplerRung:
    """A rung of the sampler's view.

    Attributes:
        epoch: where it is.
        lag: how far a trial must be behind to be known here.
        settled: all trials below this index are settled here.
    """

    epoch: int
    lag: int
    settled: int = 0


def levels(rules: SweepRules) -> list[SamplerRung]:
    """From the first rung to the deepest; empty for a sampler that needs no values."""
    if rules.lag is None:
        return []
    epochs = rules.levels or (rules.epochs,)
    return [SamplerRung(epoch, rules.lag * rules.factor**k) for k, epoch in enumerate(epochs)]


def blocker(view: list[SamplerRung], state: State, index: int) -> tuple[int, int] | None:
    """(trial, epoch) that must be settled before trial ``index`` can be chosen; None if nothing."""
    for level in view:
        while level.settled < len(state.trials) and _settled(level, state, level.settled):
            level.settled += 1
        if level.settled <= index - level.lag:
            return level.settled, level.epoch
    return None


def history(view: list[SamplerRung], state: State, index: int, n_startup: int) -> list[Observation]:
    """The trials below ``index`` as a sampler may know them, in index order."""
    for level in reversed(view):
        known = state.trials[: max(0, index - level.lag + 1)]
        if sum(trial.epochs >= level.epoch for trial in known) >= n_startup:
            return _told(level, state, index)
    return _told(view[0], state, index) if view else []


def _told(level: SamplerRung, state: State, index: int) -> list[Observation]:
    known = max(0, index - level.lag + 1)
    return [
        _outcome(trial, level, state.rules)
        if trial.index < known
        else Observation(trial.parameters)
        for trial in state.trials[:index]
    ]


def _outcome(trial: TrialState, level: SamplerRung, rules: SweepRules) -> Observation:
    """Only what was known when the trial was settled at the level, not what came after."""
    if trial.epochs >= level.epoch:
        value = trial.bests[level.epoch - 1]
        return Observation(trial.parameters, "worst" if value is None else "value", value)
    if trial.stopped_at is not None:
        value = trial.bests[trial.stopped_at - 1]
        return Observation(trial.parameters, "stopped", value, trial.stopped_at)
    if trial.status == "diverged":
        return Observation(trial.parameters, "worst")
    if trial.status == "completed" and trial.best is not None:
        return Observation(trial.parameters, "value", trial.best)
    return Observation(trial.parameters, "none")


def _settled(level: SamplerRung, state: State, index: int) -> bool:
    trial = state.trials[index]
    if level.epoch == state.rules.epochs:
        return trial.final
    return trial.epochs >= level.epoch or trial.final
