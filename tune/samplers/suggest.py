"""The configuration of trial i: a function of the space, its seed, i, and the history allowed."""

import json
from collections.abc import Mapping, Sequence

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.grid import nth_configuration
from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.random_search import draw
from genretune.tune.samplers.sampler import Sampler
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig

_MAX_REDRAWS = 100
"""How often a sampler is asked again if its configuration was tried before."""


def suggest(
    space: Space,
    sampler: Sampler,
    trial: int,
    history: Sequence[Observation],
    seen: set[str] | None,
) -> FlatConfig | None:
    """Return the configuration of a trial; None if every configuration was tried.

    Args:
        history: what the sampler may know, in index order.
        seen: ``config_key`` of all earlier configurations, which are not repeated; None in an
            infinite space, in which configurations are assumed to differ.
    """
    if trial < len(space.start_with):
        return draw(space, trial, 0, given=space.decode(space.start_with[trial], partial=True))
    if seen is None:
        return sampler.configuration(trial, 0, history)
    if len(seen) >= space.finite_size():
        return None
    for attempt in range(_MAX_REDRAWS + 1):
        config = sampler.configuration(trial, attempt, history)
        if config_key(config) not in seen:
            return config
    return _first_unseen(space, trial, seen)


def _first_unseen(space: Space, trial: int, seen: set[str]) -> FlatConfig | None:
    """Return an untried configuration by enumeration; None if there is none.

    Needed when so few are left that random draws miss them. The size can exceed the number of
    different configurations, because options may overlap.
    """
    count = space.finite_size()
    # begin at a random place: the grid's order would favour the first values of each key
    start = derive(space.seed, "left", trial) % count
    for step in range(count):
        config = nth_configuration(space, (start + step) % count)
        if config_key(config) not in seen:
            return config
    return None


def config_key(parameters: Mapping[str, object]) -> str:
    """Return a string that is the same for equal configurations only."""
    return json.dumps(parameters, sort_keys=True)
