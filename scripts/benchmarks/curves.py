"""Simulated learning curves over a space with conditional parameters.

Invented in the shape of real ones: an optimal learning rate that depends on the feature, slow
learning below it, divergence far above it, small effects of everything else, and noise. The same
configuration always has the same curve.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.suggest import config_key
from genretune.tune.space.load import space_from_text
from genretune.tune.space.space import Space
from genretune.tune.sweep.simulate import End

Flat = Mapping[str, object]

SPACE = """
version: 1
name: simulated
seed: 0
trials: 150
metric: {name: val_clip_accuracy, mode: max}
sampler: {type: tpe, lag: 16}
early_terminate: {type: asha, grace_period: 2, reduction_factor: 3}
trial: {epochs: 50}
parameters:
  optimizer.lr:           {distribution: loguniform, min: 1.0e-5, max: 1.0e-1}
  optimizer.weight_decay: {distribution: loguniform, min: 1.0e-6, max: 1.0e-2, zero: 0.15}
  model.reduction:        {values: [null, 4, 8, 16, 32]}
  lr_scheduler:
    choice:
      - {name: null}
      - {name: LinearLR, end_factor: {distribution: uniform, min: 0.01, max: 0.5}}
      - {name: CosineAnnealingLR}
  feature:
    choice:
      - {name: powerspec}
      - {name: melspec, n_mels: {values: [64, 96, 128]}}
      - {name: mfcc, n_mfcc: {values: [20, 40]}}
"""

_REDUCTION: dict[object, float] = {None: 0.03, 4: 0.01, 8: 0.0, 16: 0.005, 32: 0.02}
_FEATURE: dict[str, float] = {"powerspec": 0.06, "melspec": 0.0, "mfcc": 0.04}
_BEST_LR: dict[str, float] = {"powerspec": -3.3, "melspec": -2.6, "mfcc": -2.9}
_SIZE: dict[object, float] = {64: 0.02, 96: 0.0, 128: 0.008, 20: 0.02, 40: 0.0}
_SCHEDULE: dict[object, float] = {None: 0.03, "LinearLR": 0.01, "CosineAnnealingLR": 0.0}


def space(*overrides: str) -> Space:
    """Return the space of the curves, with overrides."""
    return space_from_text(SPACE, "simulated.yaml", overrides)


def accuracy(parameters: Flat, epoch: int) -> float:
    """Return the accuracy of a configuration after an epoch; NaN once it has diverged."""
    feature = str(parameters["feature.name"])
    distance = math.log10(_number(parameters, "optimizer.lr")) - _BEST_LR[feature]
    if distance > 1.2 and epoch > 2:
        return math.nan
    decay = _number(parameters, "optimizer.weight_decay")
    height = 0.92 - 0.09 * distance**2 - _FEATURE[feature]
    height -= 0.03 if decay == 0 else 0.01 * abs(math.log10(decay) + 4)
    height -= _lookup(_REDUCTION, parameters, "model.reduction")
    height -= _lookup(_SCHEDULE, parameters, "lr_scheduler.name")
    height -= 0.05 * abs(_number(parameters, "lr_scheduler.end_factor", 0.1) - 0.1)
    height -= _lookup(_SIZE, parameters, "feature.n_mels")
    height -= _lookup(_SIZE, parameters, "feature.n_mfcc")
    pace = 3.0 * 10 ** (-0.3 * min(distance, 0.5))
    noise = 0.02 * (derive(0, "noise", config_key(parameters), epoch) / 2**63 - 0.5)
    return max(0.1, height) * (1 - 0.8 * math.exp(-epoch / pace)) + noise


def _number(parameters: Flat, key: str, default: float = 0.0) -> float:
    value = parameters.get(key, default)
    return float(value) if isinstance(value, int | float) else default


def _lookup(table: Mapping[object, float], parameters: Flat, key: str) -> float:
    return table.get(parameters.get(key), 0.0) if key in parameters else 0.0


@dataclass(frozen=True)
class Curves:
    """The curves as a world for ``simulate``.

    Attributes:
        clock: seed of the epoch times.
        sigma: standard deviation of the logarithm of an epoch's time.
        mixed: factor by which a network with SE blocks takes longer, as in a space of CNN and
            ResNet.
    """

    clock: int = 0
    sigma: float = 0.3
    mixed: float = 1.0

    def value(self, trial: int, parameters: Flat, epoch: int) -> float:
        return accuracy(parameters, epoch)

    def seconds(self, trial: int, parameters: Flat, epoch: int) -> float:
        unit = min(max(derive(self.clock, "seconds", trial, epoch) / 2**63, 1e-9), 1 - 1e-9)
        slow = self.mixed if parameters["model.reduction"] is not None else 1.0
        # logit(u) / 1.702 approximates a standard normal variate
        return slow * math.exp(self.sigma * math.log(unit / (1 - unit)) / 1.702)

    def end(self, trial: int, parameters: Flat, epoch: int) -> End | None:
        diverged = epoch >= 2 and math.isnan(accuracy(parameters, epoch + 1))
        return "diverged" if diverged else None

    def loss(self, trial: int, epoch: int, attempt: int) -> bool:
        return False
