"""A minimal search space, for tests that train nothing."""


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
