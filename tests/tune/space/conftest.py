"""A valid space file, for tests to break one line at a time."""

import pytest

GOOD = """\
version: 1
name: spoilt
seed: 7
trials: 12
metric: {name: val_clip_accuracy, mode: max}
sampler: {type: random}
early_terminate: {type: asha, grace_period: 1, reduction_factor: 3}
trial:
  epochs: 10
  lr_scheduler: null
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-5, max: 1.0e-1}
  model.reduction: {values: [null, 4, 8]}
  feature:
    choice:
      - {name: powerspec}
      - {name: melspec, n_mels: {values: [32, 64]}}
"""


@pytest.fixture(scope="session")
def good() -> str:
    return GOOD
