"""A configuration as a row of numbers, for samplers that compare configurations.

A row has a column for every dimension of the space, including those of options that are not taken,
which are NaN. A column is numeric, in [0, 1], where the space's own draws are uniform; or a
category, whose number is the index of a value or an option. A range with ``zero`` has two: the
category says whether it is 0, and the numeric one is NaN if it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genretune.tune.space.distributions import Normal, Range, Values
from genretune.tune.space.space import Space
from genretune.tune.space.tree import Choice, Dimension, FlatConfig, Parameter

Row = NDArray[np.float64]
_BELOW_1 = 1 - 2**-53
"""The largest number that ``from_unit`` takes."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        prior: probability of each category in the space's own draws; empty if numeric.
    """

    prior: tuple[float, ...] = ()


class Encoding:
    """The columns of a space, and the way there and back.

    Attributes:
        columns: in the order of the file.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._places: dict[str, int] = {}
        self._dimensions = space.dimensions()
        self.columns: list[Column] = []
        for dimension in self._dimensions:
            self._places[dimension.name] = len(self.columns)
            self.columns += _columns(dimension)

    def encode(self, parameters: Mapping[str, object]) -> Row:
        """Return the row of a configuration.

        Raises:
            SpaceError: not a configuration of the space.
        """
        row = np.full(len(self.columns), math.nan)
        decoded = self._space.decode(parameters)
        for dimension in self._dimensions:
            if dimension.name in decoded:
                place = self._places[dimension.name]
                numbers = _encode(dimension, decoded[dimension.name])
                row[place : place + len(numbers)] = numbers
        return row

    def configuration(self, row: Row) -> FlatConfig:
        """Return the configuration of a row that has no NaN where it is used."""

        def pick(node: Parameter | Choice) -> object:
            place = self._places[node.dimension]
            if isinstance(node, Choice):
                return int(row[place])
            distribution = node.distribution
            if isinstance(distribution, Values):
                return distribution.nth(int(row[place]))
            if not (isinstance(distribution, Range) and distribution.zero > 0):
                return distribution.from_unit(min(float(row[place]), _BELOW_1))
            if row[place] == 1:
                return distribution.canonical(0)
            unit = distribution.zero + float(row[place + 1]) * (1 - distribution.zero)
            return distribution.from_unit(min(unit, _BELOW_1))

        return self._space.flat_config(pick)

    def used(self, row: Row) -> Row:
        """Return the row with NaN in the columns that its configuration does not use."""
        result = np.full(len(row), math.nan)

        def pick(node: Parameter | Choice) -> object:
            place = self._places[node.dimension]
            result[place] = row[place]
            if isinstance(node, Choice):
                return int(row[place])
            distribution = node.distribution
            if isinstance(distribution, Range) and distribution.zero > 0 and row[place] == 0:
                result[place + 1] = row[place + 1]
            return None  # which columns are used depends on choices alone

        self._space.flat_config(pick)
        return result


def _columns(dimension: Dimension) -> list[Column]:
    distribution = dimension.distribution
    if distribution is None:
        return [Column((1 / dimension.options,) * dimension.options)]
    if isinstance(distribution, Values):
        return [Column((1 / distribution.size(),) * distribution.size())]
    if isinstance(distribution, Range) and distribution.zero > 0:
        return [Column((1 - distribution.zero, distribution.zero)), Column()]
    return [Column()]


def _encode(dimension: Dimension, value: object) -> list[float]:
    """Return the numbers of a value; raise TypeError if it cannot be one of the dimension."""
    distribution = dimension.distribution
    index = distribution.index_of(value) if isinstance(distribution, Values) else value
    if distribution is None or isinstance(distribution, Values):
        if not isinstance(index, int):
            raise TypeError(f"{dimension.name}: must be one of its options, got {value!r}")
        return [float(index)]
    if not isinstance(value, int | float):
        raise TypeError(f"{dimension.name}: must be a number, got {value!r}")
    if isinstance(distribution, Normal):
        return [distribution.to_unit(value)]
    if distribution.zero > 0:
        return [1.0, math.nan] if value == 0 else [0.0, _unit(distribution, value)]
    return [_unit(distribution, value)]


def _unit(distribution: Range, value: float) -> float:
    """Return the number in [0, 1] that draws the value; the middle of its step on a lattice."""
    if distribution.step is not None and not distribution.log:
        return (distribution.nearest_step(value) + 0.5) / distribution.lattice_size()
    low, high = distribution.low, distribution.high
    if distribution.step is not None:
        low, high = distribution.widened_bounds()
    if low == high:
        return 0.5
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return min(max((value - low) / (high - low), 0.0), 1.0)
