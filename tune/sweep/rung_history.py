"""What a sampler that learns from every rung may know of the earlier trials.

The lag rule of ``sampler_lag`` says at which rungs a trial is known when trial i is sampled. Each
trial is told with its value at the deepest of them. The list is kept and only what became known
since the last call is changed, so that a sampling costs as much after 10,000 trials as after 10.
"""

from collections.abc import Sequence

from genretune.tune.samplers.history import Observation
from genretune.tune.sweep.sampler_lag import SamplerRung
from genretune.tune.sweep.state import State, TrialState


class RungHistory:
    """The trials of a sweep as a sampler may know them.

    Args:
        rungs: those at which the sampler learns, ascending.
        state: of the sweep; its trials are read, never changed.
    """

    def __init__(self, rungs: Sequence[SamplerRung], state: State) -> None:
        self._rungs = rungs
        self._state = state
        self._observations: list[Observation] = []
        self._known = [0] * len(rungs)

    def before(self, index: int) -> Sequence[Observation]:
        """Return the trials below ``index`` in index order; the list changes with the next call."""
        observations, trials = self._observations, self._state.trials
        if index < len(observations):
            # what was known only later has to be forgotten
            observations.clear()
            self._known = [0] * len(self._rungs)
        for trial in trials[len(observations) : index]:
            observations.append(Observation(trial.parameters))
        for k, rung in enumerate(self._rungs):
            known = max(0, index - rung.lag + 1)
            for trial in trials[self._known[k] : known]:
                observations[trial.index] = _observation(trial, rung, observations[trial.index])
            self._known[k] = known
        return observations


def _observation(trial: TrialState, rung: SamplerRung, before: Observation) -> Observation:
    """Return what is known of a trial that is settled at the rung.

    Args:
        before: what was known of it at the rung below.
    """
    if trial.epochs >= rung.epoch:
        return _measured(trial, rung, trial.bests[rung.epoch - 1])
    if trial.stopped_at is not None:
        return before
    if trial.status == "diverged":
        return Observation(trial.parameters, "worst")
    if trial.status == "completed":
        # it ran out of patience, and training on would not have made it worse
        return _measured(trial, rung, trial.best)
    return Observation(trial.parameters, "none") if before.outcome == "pending" else before


def _measured(trial: TrialState, rung: SamplerRung, value: float | None) -> Observation:
    if value is None:
        return Observation(trial.parameters, "worst")
    return Observation(trial.parameters, "value", value, rung.epoch)
