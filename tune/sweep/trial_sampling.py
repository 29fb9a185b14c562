"""Sampling of new trials: the configuration and the seed of trial i.

Both are functions of the space, its seed and what the lag rule lets the sampler know of earlier
trials, so that they do not depend on the number of workers.
"""

from collections.abc import Mapping, Sequence

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.sampler import build_sampler
from genretune.tune.samplers.suggest import config_key, suggest
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig
from genretune.tune.sweep import sampler_lag
from genretune.tune.sweep.rung_history import RungHistory
from genretune.tune.sweep.sampler_history import sampler_history
from genretune.tune.sweep.state import State


class TrialSampling:
    """The sampler of a sweep, with the state that it learns from.

    Attributes:
        rungs: those at which the sampler learns; none if it needs no values.
    """

    def __init__(self, space: Space, state: State) -> None:
        self.rungs = sampler_lag.sampler_rungs(state.rules)
        self._space = space
        self._state = state
        self._sampler = build_sampler(space)
        self._rung_history = RungHistory(self.rungs, state)
        self._tried: set[str] | None = None if space.size() is None else set()

    def blocking_trial(self, index: int) -> tuple[int, int] | None:
        """Return (trial, epoch) that must settle before trial ``index`` is sampled, if any."""
        return sampler_lag.blocking_trial(self.rungs, self._state, index)

    def sample(self, index: int) -> FlatConfig | None:
        """Return the configuration of trial ``index``; None if every configuration was tried."""
        sampler = self._space.sampler
        history: Sequence[Observation] = ()
        if sampler.needs_history and sampler.every_rung:
            history = self._rung_history.before(index)
        elif sampler.needs_history:
            history = sampler_history(self.rungs, self._state, index, sampler.n_startup)
        return suggest(self._space, self._sampler, index, history, self._tried)

    def add_tried(self, parameters: Mapping[str, object]) -> None:
        """Note the configuration of a trial; a finite space does not repeat it."""
        if self._tried is not None:
            self._tried.add(config_key(parameters))


def trial_seed(space: Space, trial: int) -> int:
    """Return the training seed of a trial; the same for all trials with ``seeds: shared``."""
    shared = space.seeds == "shared"
    return derive(space.seed, "trial", *(() if shared else (trial,)))
