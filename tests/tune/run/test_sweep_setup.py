"""Messages with the line of the space file."""

import pytest

from genretune.tune.run.sweep_setup import add_location
from genretune.tune.space.load import space_from_text

SPACE = """\
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


@pytest.mark.parametrize(
    ("message", "located"),
    [
        ("data.split.folds: rule", "tiny.yaml:6: data.split.folds: rule"),
        ("model.reduction: rule", "tiny.yaml:11: trial.model.reduction: rule"),
        ("feature.n_mels: rule", "tiny.yaml:15: trial.feature.n_mels: rule"),
        ("elsewhere.key: rule", "elsewhere.key: rule"),
        ("no key at all", "no key at all"),
    ],
)
def test_messages_name_the_line_of_their_key(message: str, located: str) -> None:
    assert add_location(space_from_text(SPACE, "tiny.yaml", []), message) == located
