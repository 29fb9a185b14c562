"""Scrambled Sobol points (Owen 1998, https://doi.org/10.1145/292395.292397), one axis a dimension.

Dimensions of options that are not taken have an axis too, so point i never depends on the others.
"""

from collections.abc import Callable

from scipy.stats import qmc

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.space.space import Space
from genretune.tune.space.tree import Choice, Flat, Parameter


def points(space: Space) -> Callable[[int], list[float]]:
    """The i-th point in [0, 1)^d, d the dimensions of the space; quick in ascending order."""
    axes = len(space.dimensions())
    engine = _engine(space, axes)
    at = 0

    def point(index: int) -> list[float]:
        nonlocal engine, at
        if index < at:
            engine, at = _engine(space, axes), 0
        if index > at:
            engine.fast_forward(index - at)
        at = index + 1
        return [float(unit) for unit in engine.random(1)[0]]

    return point


def configuration(space: Space, point: list[float]) -> Flat:
    """The configuration at a point."""
    units = {d.name: unit for d, unit in zip(space.dimensions(), point, strict=True)}

    def pick(node: Parameter | Choice) -> object:
        unit = min(units[node.dimension], 1 - 2**-53)
        if isinstance(node, Choice):
            return int(unit * len(node.options))
        return node.distribution.at(unit)

    return space.flat(pick)


def _engine(space: Space, axes: int) -> qmc.Sobol:
    return qmc.Sobol(axes, scramble=True, rng=derive(space.seed, "sobol"))
