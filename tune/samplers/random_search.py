"""Independent draws: every dimension of every trial has a stream of its own name.

So adding a parameter, or taking one out, leaves the values of all others as they were.
"""

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.space.space import Space
from genretune.tune.space.tree import Choice, Flat, Parameter


def unit_draw(seed: int, trial: int, attempt: int, dimension: str) -> float:
    """A number in [0, 1) with 53 bits."""
    return (derive(seed, "sample", trial, attempt, dimension) >> 10) / 2**53


def draw(space: Space, trial: int, attempt: int) -> Flat:
    """The ``attempt``-th random configuration of a trial."""

    def pick(node: Parameter | Choice) -> object:
        unit = unit_draw(space.seed, trial, attempt, node.dimension)
        if isinstance(node, Choice):
            return int(unit * len(node.options))
        return node.distribution.at(unit)

    return space.flat(pick)
