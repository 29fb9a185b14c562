"""Pretended trials: curves, epoch times and mishaps, each a function of its names."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.suggest import config_key
from genretune.tune.sweep.simulate import End


@dataclass(frozen=True)
class SyntheticTrials:
    """A world for ``simulate``: rising curves of random height.

    Attributes:
        results: picks the curves and the trials' own ends.
        clock: picks epoch times and losses, which must not matter.
        sigma: of the logarithm of an epoch's time, around one second.
        spread: of the logarithm of a trial's mean epoch time: large and small networks in one.
        digits: curves are rounded to so many, so that they tie; None does not round.
        failing, diverging, patience: shares of trials that end so by themselves.
        broken: share of epochs whose metric is not finite.
        losing: probability that an epoch's worker is lost.
        cursed: a trial whose worker is always lost.
    """

    results: int = 0
    clock: int = 0
    sigma: float = 0.3
    spread: float = 0.0
    digits: int | None = None
    failing: float = 0.0
    diverging: float = 0.0
    patience: float = 0.0
    broken: float = 0.0
    losing: float = 0.0
    cursed: int | None = None

    def value(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        if self.broken and self._unit("broken", trial, epoch) < self.broken:
            return math.nan
        height = self._unit("height", config_key(parameters))
        pace = 2 + 8 * self._unit("pace", config_key(parameters))
        value = height * (1 - math.exp(-epoch / pace)) + 0.02 * self._unit("noise", trial, epoch)
        return value if self.digits is None else round(value, self.digits)

    def seconds(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        size = self.spread * _normal(self._unit("size", config_key(parameters)))
        return math.exp(size + self.sigma * _normal(self._tick("seconds", trial, epoch)))

    def end(self, trial: int, parameters: Mapping[str, object], epoch: int) -> End | None:
        if not self.failing + self.diverging + self.patience:
            return None
        if epoch < int(12 * self._unit("when", trial)):
            return None
        draw = self._unit("end", trial)
        if draw < self.failing:
            return "failed"
        if draw < self.failing + self.diverging:
            return "diverged"
        ended = draw < self.failing + self.diverging + self.patience and epoch > 0
        return "completed" if ended else None

    def loss(self, trial: int, epoch: int, attempt: int) -> bool:
        if trial == self.cursed:
            return True
        return self.losing > 0 and self._tick("loss", trial, epoch, attempt) < self.losing

    def _unit(self, *names: str | int) -> float:
        return derive(self.results, "result", *names) / 2**63

    def _tick(self, *names: str | int) -> float:
        return derive(self.clock, "clock", *names) / 2**63


def _normal(unit: float) -> float:
    """Roughly standard normal, by the logistic curve: cheap, and tails do not matter here."""
    inside = min(max(unit, 1e-9), 1 - 1e-9)
    return math.log(inside / (1 - inside)) / 1.702
