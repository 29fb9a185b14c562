"""Spaces for samplers: one with every kind of node, and a small finite one."""

from collections.abc import Callable

import pytest

from genretune.tune.space.load import space_from_text
from genretune.tune.space.space import Space

SPACE = """
version: 1
name: sampled
seed: 7
trials: 8
metric: {name: val_clip_accuracy, mode: max}
trial:
  epochs: 10
  optimizer: {name: Adam}
  feature: {name: rawspec, n_fft: 512}
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-5, max: 1.0e-1}
  optimizer.weight_decay: {distribution: loguniform, min: 1.0e-6, max: 1.0e-2, zero: 0.3}
  batch_size: {distribution: qlograndint, min: 8, max: 64, q: 8}
  model.dropout: {distribution: quniform, min: 0.0, max: 0.5, q: 0.1}
  model.width: {distribution: lograndint, min: 4, max: 64}
  model.bias: {distribution: randn, mean: 0.0, sd: 1.0}
  model.reduction:
    - {values: [null, 4]}
    - 8
    - {values: [4, 8, 16]}
  feature:
    choice:
      - {name: powerspec}
      - name: melspec
        n_mels: {values: [32, 64]}
        window:
          choice:
            - {kind: hann}
            - {kind: kaiser, beta: {distribution: uniform, min: 2, max: 14}}
"""

SMALL = """
version: 1
name: small
seed: 7
trials: 6
metric: {name: val_loss, mode: min}
sampler: {type: grid}
trial: {epochs: 4}
parameters:
  a: {values: [1, 2]}
  b:
    choice:
      - {name: null}
      - {name: x, k: {distribution: randint, min: 3, max: 4}}
"""


@pytest.fixture(scope="session")
def space() -> Callable[..., Space]:
    """Return the space with every kind of node, with overrides applied."""
    return lambda *overrides: space_from_text(SPACE, "sampled.yaml", overrides)


@pytest.fixture(scope="session")
def small() -> Callable[..., Space]:
    """Return the space of six configurations, with overrides applied."""
    return lambda *overrides: space_from_text(SMALL, "small.yaml", overrides)
