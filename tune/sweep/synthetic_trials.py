"""Synthetic trials for ``simulate``: learning curves, epoch times and failures from two seeds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.suggest import config_key
from genretune.tune.sweep.simulate import End


@dataclass(frozen=True)
class SyntheticTrials:
    """Rising learning curves of random height; implements ``TrialBehaviour``.

    Attributes:
        result_seed: of the curves, and of how trials end by themselves.
        clock_seed: of epoch times and lost workers, which must not change the outcome of a sweep.
        sigma: standard deviation of the logarithm of an epoch's seconds, whose median is 1.
        digits: decimals that values are rounded to, so that some tie; None does not round.
        failing: share of trials that fail.
        diverging: share of trials that diverge.
        patience: share of trials that complete before their last epoch.
        not_finite: share of epochs whose metric is NaN.
        losing: probability that the worker is lost in an epoch.
        always_lost: a trial whose worker is lost in every epoch.
    """

    result_seed: int = 0
    clock_seed: int = 0
    sigma: float = 0.3
    digits: int | None = None
    failing: float = 0.0
    diverging: float = 0.0
    patience: float = 0.0
    not_finite: float = 0.0
    losing: float = 0.0
    always_lost: int | None = None

    def value(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        """Return the metric after an epoch."""
        if self.not_finite and self._result("broken", trial, epoch) < self.not_finite:
            return math.nan
        height = self._result("height", config_key(parameters))
        pace = 2 + 8 * self._result("pace", config_key(parameters))
        value = height * (1 - math.exp(-epoch / pace)) + 0.02 * self._result("noise", trial, epoch)
        return value if self.digits is None else round(value, self.digits)

    def seconds(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        """Return the duration of an epoch."""
        return math.exp(self.sigma * _normal(self._clock("seconds", trial, epoch)))

    def end(self, trial: int, parameters: Mapping[str, object], epoch: int) -> End | None:
        """Return how the trial ends by itself after ``epoch`` epochs; None if it does not."""
        if not self.failing + self.diverging + self.patience:
            return None
        if epoch < int(12 * self._result("when", trial)):
            return None
        draw = self._result("end", trial)
        if draw < self.failing:
            return "failed"
        if draw < self.failing + self.diverging:
            return "diverged"
        completes = draw < self.failing + self.diverging + self.patience and epoch > 0
        return "completed" if completes else None

    def loss(self, trial: int, epoch: int, attempt: int) -> bool:
        """Return whether the worker is lost in this epoch."""
        if trial == self.always_lost:
            return True
        return self.losing > 0 and self._clock("loss", trial, epoch, attempt) < self.losing

    def _result(self, *names: str | int) -> float:
        """Return a number in [0, 1) that depends on ``result_seed`` and the names."""
        return derive(self.result_seed, "result", *names) / 2**63

    def _clock(self, *names: str | int) -> float:
        """Return a number in [0, 1) that depends on ``clock_seed`` and the names."""
        return derive(self.clock_seed, "clock", *names) / 2**63


def _normal(unit: float) -> float:
    """Return a roughly standard normal deviate of a number in [0, 1).

    The logistic quantile function is cheap, and its heavier tails do not matter here.
    """
    inside = min(max(unit, 1e-9), 1 - 1e-9)
    return math.log(inside / (1 - inside)) / 1.702
