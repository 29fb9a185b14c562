"""Independent draws: every dimension of every trial has its own random stream, seeded by name.

Adding or removing a parameter therefore leaves the values of all others unchanged.
"""

from collections.abc import Mapping, Sequence

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.history import Observation
from genretune.tune.space.space import Space
from genretune.tune.space.tree import Choice, FlatConfig, Parameter


class RandomSearch:
    """A sampler that draws every configuration at random."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def configuration(self, trial: int, attempt: int, history: Sequence[Observation]) -> FlatConfig:
        return draw(self._space, trial, attempt)


def draw(
    space: Space, trial: int, attempt: int, *, given: Mapping[str, object] | None = None
) -> FlatConfig:
    """Return the ``attempt``-th random configuration of a trial.

    Args:
        given: values of dimensions that are not drawn; a choice's is the index of its option.
    """

    def pick(node: Parameter | Choice) -> object:
        if given is not None and node.dimension in given:
            value = given[node.dimension]
            return value if isinstance(node, Choice) else node.distribution.canonical(value)
        unit = unit_draw(space.seed, trial, attempt, node.dimension)
        if isinstance(node, Choice):
            return int(unit * len(node.options))
        return node.distribution.from_unit(unit)

    return space.flat_config(pick)


def unit_draw(seed: int, trial: int, attempt: int, dimension: str) -> float:
    """Return a number in [0, 1) with 53 random bits."""
    return (derive(seed, "sample", trial, attempt, dimension) >> 10) / 2**53
