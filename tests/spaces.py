"""Small search spaces and what a sweep.json holds beside one, for tests that train nothing."""

from typing import Any

SWEEP: dict[str, Any] = {
    "version": 1,
    "overrides": [],
    "data": {"samples": "0" * 64, "sample_rate": 22050},
    "device": "cpu",
    "determinism": "strict",
    "plugins": {},
    "leakage": {},
    "source": None,
}

SPACE_WITH_A_CHOICE = """\
version: 1
name: tiny
seed: 3
trials: 3
metric: {name: val_loss, mode: min}
data: {split: {folds: 3}}
trial:
  epochs: 1
  model:
    name: cnn
    reduction: 2
parameters:
  optimizer.lr: {distribution: uniform, min: 1.0, max: 3.0}
  batch_size: {values: [8, 16, 32, 64]}
  feature:
    choice:
      - {name: powerspec}
      - {name: melspec, n_mels: {values: [64, 96]}}
"""


def tiny_space(epochs: int) -> str:
    """Return a space file with three trials of random learning rates."""
    return f"""\
version: 1
name: tiny
seed: 3
trials: 3
metric: {{name: val_loss, mode: min}}
sampler: {{type: random}}
trial: {{epochs: {epochs}, model: {{name: cnn}}}}
parameters:
  optimizer.lr: {{distribution: loguniform, min: 1.0e-3, max: 3.0e-2}}
"""
