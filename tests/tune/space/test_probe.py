"""Configurations that cover a space."""

from genretune.tune.space.load import space_from_text
from genretune.tune.space.probe import probe_configurations

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


def test_probes_cover_every_value_and_both_ends_of_ranges() -> None:
    probes = probe_configurations(space_from_text(SPACE, "tiny.yaml", []))
    assert len(probes) == 4
    assert [probe["batch_size"] for probe in probes] == [8, 16, 32, 64]
    rates = [probe["optimizer.lr"] for probe in probes]
    assert rates[:2] == [1.0, 2.0]
    assert isinstance(rates[2], float) and 2.9999 < rates[2] <= 3.0
    assert [probe.get("feature.n_mels") for probe in probes[:3]] == [None, 64, 96]
