"""Every configuration once, in an order given by the file (see ``tree.nth``)."""

from collections.abc import Sequence

from genretune.tune.samplers.history import Observation
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig, finite_size, flatten, nth


class Grid:
    """A sampler that enumerates a finite space.

    It begins after the trials of ``start_with`` and wraps around at the end; a configuration that
    ``start_with`` has already tried is skipped by asking for the next attempt.
    """

    def __init__(self, space: Space) -> None:
        self._space = space

    def configuration(self, trial: int, attempt: int, history: Sequence[Observation]) -> FlatConfig:
        index = trial - len(self._space.start_with) + attempt
        return nth_configuration(self._space, index % self._space.finite_size())


def nth_configuration(space: Space, index: int) -> FlatConfig:
    """Return the index-th configuration; the last key of the file varies fastest.

    Raises:
        IndexError: the grid has fewer configurations.
        ValueError: a range of the space is continuous.
    """
    count = space.finite_size()
    if not 0 <= index < count:
        raise IndexError(f"the grid has {count} configurations, got index {index}")
    parts: list[tuple[str, object]] = []
    for key, node in reversed(space.parameters):
        index, digit = divmod(index, finite_size(node))
        parts.append((key, nth(node, digit)))
    return {name: value for key, value in reversed(parts) for name, value in flatten(key, value)}
