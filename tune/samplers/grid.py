"""Every configuration once, in the order of the file (see ``tree.nth``) or shuffled by the seed."""

from collections.abc import Sequence

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.history import Observation
from genretune.tune.space.settings import GridSampler
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
        count = self._space.finite_size()
        index = (trial - len(self._space.start_with) + attempt) % count
        sampler = self._space.sampler
        if isinstance(sampler, GridSampler) and sampler.order == "shuffled":
            index = shuffled(index, count, self._space.seed)
        return nth_configuration(self._space, index)


def shuffled(index: int, count: int, seed: int) -> int:
    """Return the place of ``index`` in a permutation of the numbers below ``count``.

    A Feistel network permutes the numbers of an even number of bits; a result that is not below
    ``count`` is permuted again until it is (cycle walking: Black and Rogaway 2002,
    https://doi.org/10.1007/3-540-45760-7_9). So a grid of any size needs no memory.
    """
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = 2**half - 1
    while True:
        left, right = index >> half, index & mask
        for level in range(4):
            left, right = right, left ^ (derive(seed, "grid", level, right) & mask)
        index = (left << half) | right
        if index < count:
            return index


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
