"""The protocol of samplers and the table of them.

To add a sampler, write its settings in ``tune/space/settings.py`` and its class in a module of this
folder, and add one line to ``BUILDERS``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from genretune.tune.samplers.grid import Grid
from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.random_search import RandomSearch
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig


class Sampler(Protocol):
    """A sampler of one space.

    What it caches between calls may save time, but must not change a result.
    """

    def configuration(self, trial: int, attempt: int, history: Sequence[Observation]) -> FlatConfig:
        """Return a configuration as a function of the space, its seed and the arguments.

        Args:
            trial: index of the trial in the sweep.
            attempt: 0, and one more each time the configuration was tried before.
            history: the trials below ``trial`` that the sampler may know, in index order; empty
                unless the settings have ``needs_history``. For all attempts of a trial that follow
                one another it is the same.
        """
        ...


def build_sampler(space: Space) -> Sampler:
    """Return the sampler that the space names."""
    return BUILDERS[space.sampler.type](space)


def _qmc(space: Space) -> Sampler:
    from genretune.tune.samplers.qmc import Sobol  # SciPy is slow to import

    return Sobol(space)


def _tpe(space: Space) -> Sampler:
    from genretune.tune.samplers.tpe import Tpe  # Optuna is slow to import

    return Tpe(space)


def _parzen(space: Space) -> Sampler:
    from genretune.tune.samplers.parzen import Parzen  # SciPy is slow to import

    return Parzen(space)


BUILDERS: Mapping[str, Callable[[Space], Sampler]] = {
    "random": RandomSearch,
    "grid": Grid,
    "qmc": _qmc,
    "tpe": _tpe,
    "parzen": _parzen,
}
"""``sampler.type`` -> builder."""
