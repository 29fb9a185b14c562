"""Scrambled Sobol points (Owen 1998, https://doi.org/10.1145/292395.292397).

Every dimension of the space has one axis, including those of options that are not taken, so point
i does not depend on the choices made in earlier points.
"""

from collections.abc import Sequence

from scipy.stats import qmc

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.random_search import draw
from genretune.tune.space.space import Space
from genretune.tune.space.tree import Choice, FlatConfig, Parameter


class Sobol:
    """A sampler that maps the i-th Sobol point to a configuration.

    Trial 0 after those of ``start_with`` has the first point; a trial whose configuration was tried
    before is drawn at random instead, which keeps the points of later trials as they are.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._axes = [dimension.name for dimension in space.dimensions()]
        self._engine, self._next = self._new_engine(), 0

    def configuration(self, trial: int, attempt: int, history: Sequence[Observation]) -> FlatConfig:
        if attempt > 0:
            return draw(self._space, trial, attempt)
        point = self.point(trial - len(self._space.start_with))
        units = dict(zip(self._axes, point, strict=True))

        def pick(node: Parameter | Choice) -> object:
            # the largest number below 1, which ``from_unit`` needs
            unit = min(units[node.dimension], 1 - 2**-53)
            if isinstance(node, Choice):
                return int(unit * len(node.options))
            return node.distribution.from_unit(unit)

        return self._space.flat_config(pick)

    def point(self, index: int) -> list[float]:
        """Return the index-th point in [0, 1]^d for d dimensions; fast in ascending order."""
        if index < self._next:
            # the engine only moves forward
            self._engine, self._next = self._new_engine(), 0
        if index > self._next:
            self._engine.fast_forward(index - self._next)
        self._next = index + 1
        return [float(unit) for unit in self._engine.random(1)[0]]

    def _new_engine(self) -> qmc.Sobol:
        return qmc.Sobol(len(self._axes), scramble=True, rng=derive(self._space.seed, "sobol"))
