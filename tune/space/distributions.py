"""What one swept value can be, and how a number in [0, 1) selects it.

All samplers share these classes: random and qmc map uniform numbers through ``from_unit``, grid
enumerates with ``nth``, and tpe samples within the bounds itself.
"""

import json
import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

from genretune.tune.space import decimals


@dataclass(frozen=True)
class Values:
    """A finite list, each value equally likely; a value may itself be a list or a mapping."""

    values: tuple[object, ...]

    def size(self) -> int:
        return len(self.values)

    def nth(self, index: int) -> object:
        return self.values[index]

    def from_unit(self, unit: float) -> object:
        """Return the value for ``unit`` in [0, 1)."""
        return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]

    def contains(self, value: object) -> bool:
        return self.index_of(value) is not None

    def index_of(self, value: object) -> int | None:
        """Return the index of a value, None if absent; ``1``, ``1.0`` and ``true`` all differ."""
        for index, candidate in enumerate(self.values):
            if strictly_equal(candidate, value):
                return index
        return None

    def canonical(self, value: Any) -> object:
        """Return a contained value as a sampler would draw it."""
        return value

    def as_json(self) -> dict[str, object]:
        return {"values": list(self.values)}


@dataclass(frozen=True)
class Range:
    """The numbers from ``low`` to ``high``, both included.

    Attributes:
        name: Ray Tune's name of the distribution.
        log: uniform in the logarithm.
        integer: whole numbers only.
        step: values are ``low + k * step``; None for a continuous range.
        zero: probability of exactly 0 instead of a value of the range, in every draw that is not
            guided by earlier trials; a sampler that learns moves it.
        digits: see ``SamplingRules``; without them, logarithms are those of the machine.
    """

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = None
    zero: float = 0.0
    digits: int | None = None

    def lattice_size(self) -> int:
        """Return the number of values ``low + k * step``, not counting ``zero``.

        Raises:
            TypeError: the range is continuous.
        """
        step = self._require_step()
        if self.integer:
            return (int(self.high) - int(self.low)) // int(step) + 1
        extent = decimals.decimal(self.high) - decimals.decimal(self.low)
        return round(extent / decimals.decimal(step)) + 1

    def size(self) -> int | None:
        """Return the number of values, including 0 if ``zero`` is set; None if continuous."""
        if self.step is not None:
            count = self.lattice_size()
        elif self.low == self.high:
            count = 1
        else:
            return None
        return count + (1 if self.zero > 0 else 0)

    def nth(self, index: int) -> float:
        """Return the index-th value of a finite range; 0 comes first if ``zero`` is set."""
        if self.zero > 0:
            if index == 0:
                return self._number(0.0)
            index -= 1
        return self.low if self.step is None else self.lattice_value(index)

    def from_unit(self, unit: float) -> float:
        """Return the value for ``unit`` in [0, 1)."""
        if self.zero > 0:
            if unit < self.zero:
                return self._number(0.0)
            # stretch the rest of the unit interval over the range
            unit = (unit - self.zero) / (1 - self.zero)
        if self.step is None:
            return self.rounded(self._interpolate(unit, self.low, self.high))
        if self.log:
            # rounding a draw from the widened range is fair to both end values
            return self.lattice_value(
                self.nearest_step(self._interpolate(unit, *self.widened_bounds()))
            )
        count = self.lattice_size()
        return self.lattice_value(min(int(unit * count), count - 1))

    def rounded(self, value: float) -> float:
        """Return a draw of a continuous range, rounded, within the range."""
        return min(max(decimals.rounded(value, self.digits), self.low), self.high)

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.integer and not isinstance(value, int):
            return False
        if self.zero > 0 and value == 0:
            return True
        if not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        return decimals.is_multiple(value, self.low, self.step)

    def canonical(self, value: Any) -> float:
        """Return a contained value as a sampler would draw it: 1 as 1.0 in a range of floats."""
        if self.zero > 0 and value == 0:
            return self._number(0.0)
        if self.step is None:
            return self._number(value)
        return self.lattice_value(self.nearest_step(value))

    def as_json(self) -> dict[str, object]:
        result: dict[str, object] = {"distribution": self.name, "min": self.low, "max": self.high}
        if "q" in self.name:
            result["q"] = self.step
        if self.zero > 0:
            result["zero"] = self.zero
        return result

    def widened_bounds(self) -> tuple[float, float]:
        """Return the bounds extended by half a step, for rounding to the lattice.

        Without it only half as much of the range would round to each end value as to the others.
        The lower bound stays where it is if it would reach 0, which has no logarithm.

        Raises:
            TypeError: the range is continuous.
        """
        half = self._require_step() / 2
        return (self.low - half if self.low > half else self.low), self.high + half

    def nearest_step(self, value: float) -> int:
        """Return the ``k`` for which ``low + k * step`` is nearest to the value.

        Raises:
            TypeError: the range is continuous.
        """
        step = self._require_step()
        if self.integer and isinstance(value, int):
            nearest = (value - int(self.low)) // int(step)
        else:
            nearest = round((value - self.low) / step)
        return min(max(nearest, 0), self.lattice_size() - 1)

    def lattice_value(self, index: int) -> float:
        """Return ``low + index * step``.

        Raises:
            TypeError: the range is continuous.
        """
        if self.integer:  # beyond 2**53 a float does not hold every integer
            return int(self.low) + index * int(self._require_step())
        # in decimals: 3 steps of 0.1 are 0.3, not 0.30000000000000004
        value = float(decimals.decimal(self.low) + index * decimals.decimal(self._require_step()))
        # a step that divides the range only up to rounding must not lead past its end
        return self._number(min(value, self.high))

    def _interpolate(self, unit: float, low: float, high: float) -> float:
        if self.log and self.digits is None:
            value = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
        elif self.log:
            value = decimals.geometric(unit, low, high)
        else:
            value = low + unit * (high - low)
        # exp(log(low)) can miss low by one unit in the last place
        return min(max(value, low), high)

    def _number(self, value: float) -> float:
        return int(value) if self.integer else float(value)

    def _require_step(self) -> float:
        if self.step is None:
            raise TypeError(f"{self.name}: must have a step, got a continuous range")
        return self.step


@dataclass(frozen=True)
class Normal:
    """A normal distribution (Ray Tune's ``randn``), rounded to a step for ``qrandn``.

    Attributes:
        name: Ray Tune's name of the distribution.
        mean: of the distribution.
        sd: standard deviation.
        step: values are multiples of it; None for a continuous distribution.
        digits: see ``SamplingRules``.
    """

    name: str
    mean: float
    sd: float
    step: float | None = None
    digits: int | None = None

    def size(self) -> None:
        return None

    def nth(self, index: int) -> float:
        raise IndexError("a normal distribution cannot be enumerated")

    def from_unit(self, unit: float) -> float:
        """Return the value for ``unit`` in [0, 1)."""
        # the quantiles of 0 and 1 are infinite
        probability = min(max(unit, 2.0**-54), 1 - 2.0**-53)
        value = NormalDist(self.mean, self.sd).inv_cdf(probability)
        if self.step is not None:
            return self._round(value, self.step)
        return decimals.rounded(value, self.digits)

    def to_unit(self, value: float) -> float:
        """Return the number in [0, 1) that selects the value."""
        return min(max(NormalDist(self.mean, self.sd).cdf(value), 0.0), 1 - 2.0**-53)

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not math.isfinite(value):
            return False
        return self.step is None or decimals.is_multiple(value, 0.0, self.step)

    def canonical(self, value: Any) -> float:
        """Return a contained value as a sampler would draw it."""
        return float(value) if self.step is None else self._round(value, self.step)

    def as_json(self) -> dict[str, object]:
        result: dict[str, object] = {"distribution": self.name, "mean": self.mean, "sd": self.sd}
        return result if self.step is None else {**result, "q": self.step}

    @staticmethod
    def _round(value: float, step: float) -> float:
        return float(round(value / step) * decimals.decimal(step))


Distribution = Values | Range | Normal


def strictly_equal(one: object, other: object) -> bool:
    """Return whether two values are equal and of equal types, at any depth.

    To Python ``1``, ``1.0`` and ``True`` are equal; to a trial they are different settings.
    """
    return (
        type(one) is type(other)
        and one == other
        and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


def with_digits(distribution: Distribution, digits: int | None) -> Distribution:
    """Return the distribution with its continuous draws rounded to significant digits."""
    if isinstance(distribution, Values):
        return distribution
    return replace(distribution, digits=digits)
