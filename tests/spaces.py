"""The smallest search space, for tests in which nothing is trained."""


def tiny_space(epochs: int) -> str:
    """Three trials of random learning rates, as a space file."""
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
