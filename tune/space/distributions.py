"""What one swept value can be, and how a number in [0, 1) chooses it.

All samplers share this: random and qmc hand in a uniform number, grid counts through the values,
tpe chooses in the range itself and needs only its bounds.
"""

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Any

Scalar = bool | int | float | str | None


@dataclass(frozen=True)
class Values:
    """A finite list, each value equally likely; a value may itself be a list or a mapping."""

    values: tuple[object, ...]

    def size(self) -> int:
        return len(self.values)

    def nth(self, index: int) -> object:
        return self.values[index]

    def at(self, unit: float) -> object:
        return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]

    def holds(self, value: object) -> bool:
        return self.position(value) is not None

    def position(self, value: object) -> int | None:
        """Where the value stands; ``1``, ``1.0`` and ``true`` are three values."""
        for index, known in enumerate(self.values):
            if same(known, value):
                return index
        return None

    def own(self, value: Any) -> object:
        """A value that it holds, as it would give it."""
        return value

    def as_json(self) -> dict[str, object]:
        return {"values": list(self.values)}


@dataclass(frozen=True)
class Range:
    """``low`` to ``high``, both included.

    Attributes:
        name: Ray Tune's name of the distribution.
        log: uniform in the logarithm.
        integer: whole numbers only.
        step: values are ``low + k * step``; None for a continuous range.
        zero: probability of exactly 0 instead of a value of the range.
    """

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = None
    zero: float = 0.0

    def steps(self) -> int | None:
        """How many values the range itself holds, 0 beside it not counted."""
        if self.step is None:
            return 1 if self.low == self.high else None
        return round((_decimal(self.high) - _decimal(self.low)) / _decimal(self.step)) + 1

    def size(self) -> int | None:
        steps = self.steps()
        return None if steps is None else steps + (1 if self.zero > 0 else 0)

    def nth(self, index: int) -> float:
        """The index-th value of a finite range; 0 stands first where ``zero`` is given."""
        if self.zero > 0:
            if index == 0:
                return self._number(0.0)
            index -= 1
        return self.low if self.step is None else self.on_lattice(index)

    def at(self, unit: float) -> float:
        """The value for ``unit`` in [0, 1)."""
        if self.zero > 0:
            if unit < self.zero:
                return self._number(0.0)
            unit = (unit - self.zero) / (1 - self.zero)
        if self.step is None:
            return self._continuous(unit, self.low, self.high)
        count = self.steps() or 1
        if not self.log:
            return self.on_lattice(min(int(unit * count), count - 1))
        return self.on_lattice(self.nearest(self._continuous(unit, *self.widened())))

    def holds(self, value: object) -> bool:
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
        return _on_steps(value, self.low, self.step)

    def own(self, value: Any) -> float:
        """A value that it holds, as it would give it: 1 as 1.0 where it gives floats."""
        if self.zero > 0 and value == 0:
            return self._number(0.0)
        return self._number(value) if self.step is None else self.on_lattice(self.nearest(value))

    def as_json(self) -> dict[str, object]:
        result: dict[str, object] = {"distribution": self.name, "min": self.low, "max": self.high}
        if "q" in self.name:
            result["q"] = self.step
        if self.zero > 0:
            result["zero"] = self.zero
        return result

    def _continuous(self, unit: float, low: float, high: float) -> float:
        if self.log:
            value = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
        else:
            value = low + unit * (high - low)
        return min(max(value, low), high)

    def widened(self) -> tuple[float, float]:
        """The range with half a step at both ends, so that rounding is fair to the end values."""
        half = (self.step or 0) / 2
        return (self.low - half if self.low > half else self.low), self.high + half

    def nearest(self, value: float) -> int:
        """Which step of the range is nearest to the value."""
        steps = (self.steps() or 1) - 1
        return min(max(round((value - self.low) / (self.step or 1)), 0), steps)

    def on_lattice(self, index: int) -> float:
        """Steps are added as decimals: the third tenth is 0.3, not 0.30000000000000004."""
        value = float(_decimal(self.low) + index * _decimal(self.step or 0))
        return self._number(min(value, self.high))

    def _number(self, value: float) -> float:
        return int(value) if self.integer else float(value)


@dataclass(frozen=True)
class Normal:
    """Ray Tune's ``randn``: mean, standard deviation, and a step for ``qrandn``."""

    name: str
    mean: float
    sd: float
    step: float | None = None

    def size(self) -> None:
        return None

    def nth(self, index: int) -> float:
        raise IndexError("a normal distribution has no list of values")

    def at(self, unit: float) -> float:
        inside = min(max(unit, 2.0**-54), 1 - 2.0**-53)
        value = NormalDist(self.mean, self.sd).inv_cdf(inside)
        if self.step is None:
            return value
        return float(round(value / self.step) * _decimal(self.step))

    def unit_of(self, value: float) -> float:
        """The number in [0, 1) that chooses the value."""
        return min(max(NormalDist(self.mean, self.sd).cdf(value), 0.0), 1 - 2.0**-53)

    def holds(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not math.isfinite(value):
            return False
        return self.step is None or _on_steps(value, 0.0, self.step)

    def own(self, value: Any) -> float:
        """A value that it holds, as it would give it."""
        if self.step is None:
            return float(value)
        return float(round(value / self.step) * _decimal(self.step))

    def as_json(self) -> dict[str, object]:
        result: dict[str, object] = {"distribution": self.name, "mean": self.mean, "sd": self.sd}
        return result if self.step is None else {**result, "q": self.step}


Distribution = Values | Range | Normal


def same(one: object, other: object) -> bool:
    """Whether two values are one to a trial: ``1``, ``1.0`` and ``true`` are not, at any depth."""
    return (
        type(one) is type(other)
        and one == other
        and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


def _on_steps(value: float, low: float, step: float) -> bool:
    steps = (_decimal(value) - _decimal(low)) / _decimal(step)
    return abs(steps - round(steps)) < Decimal("1e-9")


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))
