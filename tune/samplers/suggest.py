"""Trial i's configuration: a function of the space, its seed, i and what may be known by then."""

import json
from collections.abc import Callable, Mapping, Sequence

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers import grid, random_search
from genretune.tune.samplers.history import Observation
from genretune.tune.space.settings import GridSampler, QmcSampler, TpeSampler
from genretune.tune.space.space import Space
from genretune.tune.space.tree import Flat

REDRAWS = 100
"""How often a configuration that was tried before is drawn again."""

_TPE_REDRAWS = 10
"""The rest are random: where tpe repeats itself ten times it would do so a hundred times."""
Sample = Callable[[int, int, Sequence[Observation]], Flat]
"""(trial, attempt, history) -> configuration."""


def sampler(space: Space) -> Sample:
    """The space's sampler; what it keeps between calls saves time and changes nothing.

    What a sampler cannot give (tpe before it has seen enough, another draw where a configuration
    was tried before) is drawn at random.
    """
    fixed = len(space.start_with)
    match space.sampler:
        case GridSampler():
            return lambda trial, attempt, history: grid.configuration(
                space, (trial - fixed + attempt) % (space.size() or 1)
            )
        case QmcSampler():
            from genretune.tune.samplers import qmc  # SciPy takes its time to load

            point = qmc.points(space)
            return lambda trial, attempt, history: (
                qmc.configuration(space, point(trial - fixed))
                if attempt == 0
                else random_search.draw(space, trial, attempt)
            )
        case TpeSampler(n_startup=enough):
            from genretune.tune.samplers import tpe  # Optuna is needed by this sampler only

            return lambda trial, attempt, history: (
                tpe.configuration(space, trial, attempt, history)
                if attempt < _TPE_REDRAWS and tpe.startup(history) >= enough
                else random_search.draw(space, trial, attempt)
            )
        case _:
            return lambda trial, attempt, history: random_search.draw(space, trial, attempt)


def suggest(
    space: Space, sample: Sample, trial: int, history: Sequence[Observation], seen: set[str] | None
) -> Flat | None:
    """The configuration of a trial; None when the space holds no more different ones.

    Args:
        seen: fingerprints of all earlier configurations where the space is finite; None where it
            is not, and no configuration comes twice.
    """
    if trial < len(space.start_with):
        return dict(space.start_with[trial])
    if seen is None:
        return sample(trial, 0, history)
    if len(seen) >= (space.size() or 0):
        return None
    for attempt in range(REDRAWS + 1):
        found = sample(trial, attempt, history)
        if config_key(found) not in seen:
            return found
    return _left(space, trial, seen)


def _left(space: Space, trial: int, seen: set[str]) -> Flat | None:
    """A configuration that is left, where nearly all were tried and chance finds none."""
    count = space.size() or 0
    first = derive(space.seed, "left", trial) % max(1, count)
    for step in range(count):
        found = grid.configuration(space, (first + step) % count)
        if config_key(found) not in seen:
            return found
    return None


def config_key(parameters: Mapping[str, object]) -> str:
    """Equal for equal configurations."""
    return json.dumps(parameters, sort_keys=True)
